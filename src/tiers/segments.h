/*
 * segments.h: sellometer.segments, what has changed in a tier's buckets, by key, as bytes: a copy of the rows that is quick to add up.
 *
 * Each change of a bucket's totals has a number, 1, 2, 3 …; its segment says what it added to which keys, in each dimension.  So
 * the segments of changes 1 to n, where none is missing, add up to the bucket's rows.  Some in a row may be put together into one.
 * Whatever changes totals without leaving a segment leaves a gap, and the rows are read instead until the bucket has a new one (segments_make.h).
 */
#ifndef SLM_TIERS_SEGMENTS_H
#define SLM_TIERS_SEGMENTS_H

#include "pure/deltas.h"
#include "pure/segment.h"
#include "tiers/tier.h"

/* The segments of a batch's changes to a tier, before they are written. */
typedef struct SlmSegments SlmSegments;

/* None yet; in the current memory context, and malloc'ed memory that slm_segments_free() frees, in PG_FINALLY(). */
extern SlmSegments *slm_segments_create(const SlmCells *cells);
extern void slm_segments_free(SlmSegments *segments);

/* Add the deltas of a dimension, of the same cells; nothing of a user's own. */
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
 * Write what the changes after since add up to, of a bucket, or of all buckets of a partition (whole: see slm_changes_of()).  Those
 * of some dimensions may be empty.  With SPI.
 */
extern void slm_segment_insert(const SlmTier *tier, SlmEventType type, TimestampTz start, bool whole, int64 since, SlmChanges changes,
							   const SlmSegment *dimensions);

#endif							/* SLM_TIERS_SEGMENTS_H */
