/*
 * segments_wanted.h: which segments (tiers/segments.h) are missing, are many, or can be put together.
 *
 *   sellometer.totals     what there should be: each bucket's changes
 *   the segments' keys    what there is
 */
#ifndef SLM_UPKEEP_SEGMENTS_WANTED_H
#define SLM_UPKEEP_SEGMENTS_WANTED_H

#include "tiers/segments.h"
#include "tiers/tier.h"

/* Which segments a bucket, or a partition, and type are to have. */
typedef struct SlmWanted
{
	TimestampTz time;
	SlmEventType type;
	SlmChanges	changes;
} SlmWanted;

/* By time and type. */
extern int	slm_wanted_compare(const void *a, const void *b);

/* All below: of a tier, from a time on and before another; in the current memory context; with SPI, in the active snapshot. */

/* Buckets that lack segments of a set (missing), or have many; ascending. */
extern SlmWanted *slm_wanted_buckets(SlmSegmentSet set, const SlmTier *tier, bool missing, TimestampTz from, TimestampTz to, int *n);

/* Partitions, of several buckets and complete, whose segments are not what their buckets have now; by type and time. */
extern SlmWanted *slm_wanted_partitions(SlmSegmentSet set, const SlmTier *tier, TimestampTz from, TimestampTz to, int *n);

#endif							/* SLM_UPKEEP_SEGMENTS_WANTED_H */
