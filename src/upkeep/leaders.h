/*
 * leaders.h: sellometer.leaders, the best keys of each bucket of the coarser tiers.
 */
#ifndef SLM_UPKEEP_LEADERS_H
#define SLM_UPKEEP_LEADERS_H

#include "upkeep/runs.h"

/*
 * Make the lists that are missing, and those of buckets that have grown since, as part of a run (runs.h): in transactions of
 * its own, without any of the locks of loading.  Ends early if a surge holds the run.
 */
extern void slm_leaders_make(SlmRun *run);

#endif							/* SLM_UPKEEP_LEADERS_H */
