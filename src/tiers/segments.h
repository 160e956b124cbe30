/*
 * segments.h: sellometer.segments, what has changed in a tier's buckets, by key, as bytes: a copy of the rows that is quick to add up.
 *
 * Each change of a bucket's totals has a number, 1, 2, 3 …; its segment says what it added to which keys, in each dimension.  So
 * the segments of changes 1 to n, where none is missing, add up to the bucket's rows.  Some in a row may be put together into one.
 * Whatever changes totals without leaving a segment leaves a gap, and the rows are read instead until the bucket has a new one (segments_make.h).
 *
 * A row has the segments of a set of dimensions: the five that each event has, or (sellometer.dimension_segments) one of a user's own, which may be
 * added, and go, by itself.
 */
#ifndef SLM_TIERS_SEGMENTS_H
#define SLM_TIERS_SEGMENTS_H

#include "pure/deltas.h"
#include "pure/segment.h"
#include "tiers/tier.h"

/* A set of dimensions, of those that slm_own() has: `n` from `first` on.  Its id is that of the one of a user's own, or 0. */
typedef struct SlmSegmentSet
{
	int64		id;
	SlmDimension first;
	int			n;
} SlmSegmentSet;

/* The set that a dimension is in.  And the first whose id is not less than this: false if there is none. */
extern SlmSegmentSet slm_segment_set(SlmDimension dimension);
extern bool slm_segment_set_from(int64 id, SlmSegmentSet *set);

/* The segments of a batch's changes to a tier, before they are written. */
typedef struct SlmSegments SlmSegments;

/* None yet; in the current memory context, and malloc'ed memory that slm_segments_free() frees, in PG_FINALLY(). */
extern SlmSegments *slm_segments_create(const SlmCells *cells);
extern void slm_segments_free(SlmSegments *segments);

/* Add the deltas of a dimension, of the same cells. */
extern void slm_segments_add(SlmSegments *segments, SlmDimension dimension, const SlmDeltas *deltas, const SlmDictionary *dictionary);

/* What sellometer.totals says of a bucket and type. */
typedef struct SlmChanges
{
	int64		made;			/* one that is made anew has another number, and counts from 1 */
	int64		n;
} SlmChanges;

typedef struct SlmBucketChanges
{
	TimestampTz time;
	SlmChanges	changes;
} SlmBucketChanges;

/* Of the n buckets of a partition together: how many changes they have, and a hash that tells them from any others. */
extern SlmChanges slm_changes_of(const SlmBucketChanges *buckets, int n);

/* Write those of a bucket and type, as its last change.  With SPI. */
extern void slm_segments_write(SlmSegments *segments, const SlmTier *tier, uint32 bucket, SlmEventType type, SlmChanges changes);

/*
 * Write what the changes after since add up to, of a bucket, or of all buckets of a partition (whole: see slm_changes_of()), in each
 * dimension of a set; those of some may be empty.  With SPI.
 */
extern void slm_segment_insert(SlmSegmentSet set, const SlmTier *tier, SlmEventType type, TimestampTz start, bool whole, int64 since,
							   SlmChanges changes, const SlmSegment *dimensions);

#endif							/* SLM_TIERS_SEGMENTS_H */
