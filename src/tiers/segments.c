/*
 * segments.c: see segments.h.
 *
 *   deltas of a dimension, by key --> a segment a bucket and type
 *   all five, with the number that the totals gave the change --> a row
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "server/out_of_memory.h"
#include "server/spi.h"
#include "tiers/segments.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

struct SlmSegments
{
	const SlmCells *cells;
	SlmSegment *dimensions[SLM_DIMENSIONS]; /* by bucket and type; malloc'ed */
};

SlmSegments *
slm_segments_create(const SlmCells *cells)
{
	SlmSegments *segments = palloc0(sizeof(SlmSegments));

	segments->cells = cells;
	return segments;
}

SlmChanges
slm_changes_of(const SlmBucketChanges *buckets, int n)
{
	SlmChanges	all = {.made = n};

	for (int i = 0; i < n; i++)
	{
		int64		numbers[] = {buckets[i].time, buckets[i].changes.made, buckets[i].changes.n};

		all.n += buckets[i].changes.n;
		all.made = (int64) hash_bytes_extended((const unsigned char *) numbers, sizeof(numbers), (uint64) all.made);
	}
	return all;
}

static uint64
count_places(const SlmCells *cells)
{
	return (uint64) cells->nbuckets * SLM_EVENT_TYPES;
}

void
slm_segments_free(SlmSegments *segments)
{
	for (int d = 0; segments != NULL && d < SLM_DIMENSIONS; d++)
	{
		for (uint64 i = 0; segments->dimensions[d] != NULL && i < count_places(segments->cells); i++)
			slm_segment_free(&segments->dimensions[d][i]);
		free(segments->dimensions[d]);
		segments->dimensions[d] = NULL;
	}
}

void
slm_segments_add(SlmSegments *segments, SlmDimension dimension, const SlmDeltas *deltas, const SlmDictionary *dictionary)
{
	SlmSegment *places;
	bool		ok;

	/* rows of a user's own dimensions are added up as they stand */
	if (dimension >= SLM_FIRST_OWN)
		return;
	places = calloc(Max(count_places(segments->cells), 1), sizeof(SlmSegment));
	ok = places != NULL;
	Assert(segments->dimensions[dimension] == NULL);

	segments->dimensions[dimension] = places;
	for (uint64 i = 0; ok && i < deltas->nrows; i++)
	{
		const SlmDelta *row = &deltas->rows[i];
		SlmSegment *segment = &places[row->bucket * SLM_EVENT_TYPES + row->type];

		ok = dimension == SLM_PRODUCT_ID ?
			slm_segment_put_product(segment, slm_dictionary_product(dictionary, row->key), row->count, row->gmv) :
			slm_segment_put_text(segment, slm_dictionary_text(dictionary, dimension, row->key), row->count, row->gmv);
	}
	if (!ok)
		slm_out_of_memory();
}

/* One that is in its place is of a bucket that is gone: whoever empties tables by hand leaves such. */
void
slm_segment_insert(const SlmTier *tier, SlmEventType type, TimestampTz start, bool whole, int64 since, SlmChanges changes,
				   const SlmSegment *dimensions)
{
	static SlmStatement statement = {
		"INSERT INTO sellometer.segments (tier, event_type, event_time, whole, since, upto, made, product_id, brand, category_l3, category_l2, category_l1) "
		"VALUES ($1, $2::sellometer.event_type, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "
		"ON CONFLICT (tier, event_type, event_time, whole, upto) DO UPDATE SET since = excluded.since, made = excluded.made, product_id = excluded.product_id, "
		"brand = excluded.brand, category_l3 = excluded.category_l3, category_l2 = excluded.category_l2, category_l1 = excluded.category_l1",
		7 + SLM_DIMENSIONS, {TEXTOID, TEXTOID, TIMESTAMPTZOID, BOOLOID, INT8OID, INT8OID, INT8OID, BYTEAOID, BYTEAOID, BYTEAOID, BYTEAOID, BYTEAOID}
	};
	Datum		args[7 + SLM_DIMENSIONS] = {CStringGetTextDatum(tier->name), CStringGetTextDatum(slm_event_type_name(type)),
	TimestampTzGetDatum(start), BoolGetDatum(whole), Int64GetDatum(since), Int64GetDatum(changes.n), Int64GetDatum(changes.made)};

	Assert(since < changes.n);

	for (int d = 0; d < SLM_DIMENSIONS; d++)
	{
		bytea	   *bytes = palloc(VARHDRSZ + dimensions[d].len);

		SET_VARSIZE(bytes, VARHDRSZ + dimensions[d].len);
		if (dimensions[d].len > 0)
			memcpy(VARDATA(bytes), dimensions[d].data, dimensions[d].len);
		args[7 + d] = PointerGetDatum(bytes);
	}
	slm_execute(&statement, args, NULL, SPI_OK_INSERT);
	for (int d = 0; d < SLM_DIMENSIONS; d++)
		pfree(DatumGetPointer(args[7 + d]));
}

void
slm_segments_write(SlmSegments *segments, const SlmTier *tier, uint32 bucket, SlmEventType type, SlmChanges changes)
{
	SlmSegment	dimensions[SLM_DIMENSIONS];

	for (int d = 0; d < SLM_DIMENSIONS; d++)
	{
		SlmSegment *places = segments->dimensions[d];

		Assert(places != NULL);
		dimensions[d] = places[bucket * SLM_EVENT_TYPES + type];
	}
	slm_segment_insert(tier, type, segments->cells->buckets[bucket].start, false, changes.n - 1, changes, dimensions);
}
