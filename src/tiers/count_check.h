/*
 * count_check.h: is anything counted less than once?  Asked now and then in builds with assertions; others have none of it.
 */
#ifndef SLM_TIERS_COUNT_CHECK_H
#define SLM_TIERS_COUNT_CHECK_H

#ifdef USE_ASSERT_CHECKING

#include "pure/deltas.h"
#include "tiers/tier.h"

/* Under the writer's lock: nothing is counted less than once in the buckets of a tier that were written. */
#define SLM_CHECK_COUNTS(tier, cells)	slm_check_counts(tier, cells)

extern void slm_check_counts(const SlmTier *tier, const SlmCells *cells);

#else
#define SLM_CHECK_COUNTS(tier, cells)	((void) 0)
#endif

#endif							/* SLM_TIERS_COUNT_CHECK_H */
