/*
 * segment_read.h: adding up a range of a tier by its segments, and by its rows where segments are missing.
 */
#ifndef SLM_TIERS_SEGMENT_READ_H
#define SLM_TIERS_SEGMENT_READ_H

#include "tiers/sums.h"
#include "tiers/tier.h"

/*
 * Add what the tier has of an event type in the buckets from a time on and before another to the sums of their dimension.  only: a condition
 * on the rows, "AND product_id = ANY (…)", that may be used to leave out other keys; or "".  With SPI, in the active snapshot, under which all of it is
 * of one state.  If the sums have a limit: of segments alone, and over if some are missing.  What slm_sums_may_hold() is added by slm_sums_sweep(),
 * which the caller is to call.
 */
extern void slm_segments_sum(SlmSums *sums, const SlmTier *tier, SlmEventType type, TimestampTz from, TimestampTz to, const char *only);

/* Likewise by rows alone, those that meet the condition: what few keys have is found sooner so. */
extern void slm_rows_sum(SlmSums *sums, const SlmTier *tier, SlmEventType type, TimestampTz from, TimestampTz to, const char *condition);

#endif							/* SLM_TIERS_SEGMENT_READ_H */
