/*
 * tier_merge.h: rows of buckets that have some already, added to these.
 */
#ifndef SLM_TIERS_TIER_MERGE_H
#define SLM_TIERS_TIER_MERGE_H

#include "tiers/tier_target.h"

/*
 * Merge the rows for which wanted says true into a partition, in place; returns their number.  A row that becomes empty is deleted.  replace:
 * of a partition that is not plain, by DELETE and INSERT.  With SPI, under the writer's lock.
 */
extern uint64 slm_tier_merge(SlmTierTarget *target, Oid relid, const SlmDeltaRun *run, const bool *wanted, bool replace);

#endif							/* SLM_TIERS_TIER_MERGE_H */
