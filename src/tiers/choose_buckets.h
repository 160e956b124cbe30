/*
 * choose_buckets.h: which of a batch's buckets a tier takes.
 */
#ifndef SLM_TIERS_CHOOSE_BUCKETS_H
#define SLM_TIERS_CHOOSE_BUCKETS_H

#include "pure/deltas.h"
#include "tiers/tier.h"

/*
 * Mark as wanted the cells' buckets that tier t takes: those before its watermark that it keeps, complete or not (slm_tier_takes_from()).  What
 * it refuses for the first time is noted as not kept, so that nobody takes the tier for whole there.  Under the writer's lock, with SPI.
 * reach: as in slm_apply().
 * Returns the newest of the buckets that it does not keep; DT_NOBEGIN if there is none.
 */
extern TimestampTz slm_choose_buckets(SlmTiers *tiers, int t, TimestampTz head, TimestampTz reach, SlmCells *cells);

#endif							/* SLM_TIERS_CHOOSE_BUCKETS_H */
