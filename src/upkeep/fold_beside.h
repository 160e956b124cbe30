/*
 * fold_beside.h: adding up what was logged of offers and carts while something else is done.
 */
#ifndef SLM_UPKEEP_FOLD_BESIDE_H
#define SLM_UPKEEP_FOLD_BESIDE_H

#include "upkeep/remote.h"
#include "upkeep/runs.h"

/*
 * Have another process add up the offers, if the logs are large.  NULL if they are not, or it can't be had: then who wants to know adds them up.  In
 * a step of the run.
 */
extern SlmRemote *slm_fold_beside(SlmRun *run);

/*
 * Between the batches of a load that goes on: have what they have logged of offers and carts added up beside the next one, unless that is under way.
 * free_core: will there be a core for it?  Else only if it is very much.  *fold is NULL at first; what it is then is waited for, or forgotten, by the
 * caller.  In the current memory context.
 */
extern void slm_fold_in_step(SlmRemote **fold, bool free_core);

/* Add up the carts meanwhile, in a step of the run.  Where that fails there is a WARNING, and the log is as it was. */
extern void slm_fold_carts(SlmRun *run);

/* Wait for its end; NULL is well.  Where it failed there is a WARNING, and the log is as it was. */
extern void slm_fold_beside_wait(SlmRemote *fold);

#endif							/* SLM_UPKEEP_FOLD_BESIDE_H */
