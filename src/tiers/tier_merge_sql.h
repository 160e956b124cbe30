/*
 * tier_merge_sql.h: rows merged into a partition that is not as the extension has made it.  For tier_merge.c.
 */
#ifndef SLM_TIERS_TIER_MERGE_SQL_H
#define SLM_TIERS_TIER_MERGE_SQL_H

#include "tiers/tier_target.h"
#include "utils/relcache.h"

/*
 * Merge the rows for which wanted says true into a partition, by INSERT … ON CONFLICT or (replace, and always into a foreign table) by DELETE
 * and INSERT; returns their number.  Rows whose count does not grow can empty a row that is there, which only the replacing statement sees
 * to; both kinds never name the same row, so their order is of no matter.  With SPI.
 */
extern uint64 slm_tier_merge_sql(SlmTierTarget *target, Relation rel, const SlmDeltaRun *run, const bool *wanted, bool replace);

#endif							/* SLM_TIERS_TIER_MERGE_SQL_H */
