/*
 * fold_beside.h: adding up what was logged of offers and carts while something else is done.
 */
#ifndef SLM_UPKEEP_FOLD_BESIDE_H
#define SLM_UPKEEP_FOLD_BESIDE_H

#include "upkeep/remote.h"
#include "upkeep/runs.h"

/*
 * Have another process add up the logs, if they are large.  NULL if they are not, or it can't be had: then who wants to know adds them up.  In
 * a step of the run.
 */
extern SlmRemote *slm_fold_beside(SlmRun *run);

/* Wait for its end; NULL is well.  Where it failed there is a WARNING, and the logs are as they were. */
extern void slm_fold_beside_wait(SlmRemote *fold);

#endif							/* SLM_UPKEEP_FOLD_BESIDE_H */
