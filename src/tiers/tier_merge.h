/*
 * tier_merge.h: rows of buckets that have some already, added to these.
 */
#ifndef SLM_TIERS_TIER_MERGE_H
#define SLM_TIERS_TIER_MERGE_H

#include "tiers/tier_target.h"

/*
 * Merge the rows for which wanted says true into a partition, by INSERT … ON CONFLICT or (replace) by DELETE and INSERT; returns their
 * number.  Rows whose count does not grow can empty a row that is there, which only the replacing statement sees to; both kinds never
 * name the same row, so their order is of no matter.  With SPI.
 */
extern uint64 slm_tier_merge(SlmTierTarget *target, const char *partition, const SlmDeltaRun *run, const bool *wanted, bool replace);

#endif							/* SLM_TIERS_TIER_MERGE_H */
