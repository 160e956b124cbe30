/*
 * tier_write.h: apply deltas to the tables of a tier.
 */
#ifndef SLM_TIERS_TIER_WRITE_H
#define SLM_TIERS_TIER_WRITE_H

#include "bulkwrite/bulk.h"
#include "pure/deltas.h"
#include "tiers/dimension_deltas.h"
#include "tiers/segments.h"
#include "tiers/tier.h"

/*
 * Apply all of the deltas, which are those of the cells' wanted buckets, to the five tables of the tier.  The caller holds the writer's lock.
 * Rows of buckets that are new are inserted in bulk; those of buckets that have rows are merged:
 *
 * exactly the rows that the deltas name are replaced in their places; in a partition that is not plain, by INSERT … ON CONFLICT DO UPDATE, or
 * (replace) by DELETE and INSERT.
 *
 * head: where it is, or will be once what waits is loaded: new partitions so far before it that they are packed (sellometer.pack_after) are so at once.
 * segments: gets those of the deltas.  often: now and then while rows are written, or NULL.  Returns the number of rows written.
 */
extern uint64 slm_tier_write(const SlmTier *tier, const SlmCells *cells, SlmDimensionDeltas *all, const SlmDictionary *dictionary, bool replace,
							 TimestampTz head, SlmSegments *segments, const SlmCallback *often);

/*
 * Write rows of one dimension, in the order of slm_deltas_make(), whose buckets have none: with partitions that are missing.
 * Returns their number.
 */
extern uint64 slm_tier_write_new(const SlmTier *tier, SlmDimension dimension, const SlmDeltas *deltas,
								 const SlmDictionary *dictionary);

#endif							/* SLM_TIERS_TIER_WRITE_H */
