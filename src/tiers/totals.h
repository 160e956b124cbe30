/*
 * totals.h: sellometer.totals, the sums over all keys of a tier's buckets.
 *
 * For each bucket that a tier's five tables hold, totals has what each of them sums up to, by event type.  Rows of both
 * change in the same transaction, under the writer's lock, which callers of all these functions hold.
 */
#ifndef SLM_TIERS_TOTALS_H
#define SLM_TIERS_TOTALS_H

#include "pure/deltas.h"
#include "tiers/segments.h"
#include "tiers/tier.h"

/* An error if these have more than they can count. */
extern void slm_totals_check_groups(const SlmGroups *groups);

/*
 * An error if they have more than the tier's columns can hold.  To be called before its tables are written, when the deltas of
 * SLM_PRODUCT_ID are made.
 */
extern void slm_totals_check(const SlmTier *tier, const SlmCells *cells);

/*
 * Add the cells' wanted buckets to the tier's totals, and write their segments; an error if a day has more pieces then than a tier
 * below a day can hold.
 */
extern void slm_totals_add(const SlmTier *tier, const SlmCells *cells, SlmSegments *segments);

/* Replace the totals of the tier's bucket at start by the sum of the finer tier's, which must be complete there. */
extern void slm_totals_roll_up(const SlmTier *tier, const SlmTier *finer, TimestampTz start);

/* Forget the tier's totals before a time; with DT_NOEND, all of them. */
extern void slm_totals_prune(const char *tier, TimestampTz before);

#endif							/* SLM_TIERS_TOTALS_H */
