/*
 * segments_make.h: segments (tiers/segments.h) that are missing, are many, or can be put together.
 */
#ifndef SLM_UPKEEP_SEGMENTS_MAKE_H
#define SLM_UPKEEP_SEGMENTS_MAKE_H

#include "upkeep/runs.h"

/*
 * Make them as part of a run (runs.h): in transactions of its own, without any of the locks of loading.  Ends early if a surge holds the
 * run.
 */
extern void slm_segments_make(SlmRun *run);

#endif							/* SLM_UPKEEP_SEGMENTS_MAKE_H */
