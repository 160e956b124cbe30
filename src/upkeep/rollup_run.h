/*
 * rollup_run.h: rolling up as the work of a run.
 */
#ifndef SLM_UPKEEP_ROLLUP_RUN_H
#define SLM_UPKEEP_ROLLUP_RUN_H

#include "upkeep/runs.h"

/*
 * Roll up all complete buckets of all tiers, as the work of a run (runs.h): in transactions of its own, the writer's lock
 * held only for moments.  Ends early, with run->held, if a surge holds it; heed_surge says whether it may.
 */
extern void slm_rollup_all(SlmRun *run, bool heed_surge);

#endif							/* SLM_UPKEEP_ROLLUP_RUN_H */
