/*
 * segments.c: see segments.h.
 *
 *   deltas of a dimension, by key --> a segment a bucket and type
 *   those of a set, with the number that the totals gave the change --> a row
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "dedup/own_dimensions.h"
#include "server/out_of_memory.h"
#include "server/spi.h"
#include "tiers/segments.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

struct SlmSegments
{
	const SlmCells *cells;
	SlmSegment *dimensions[SLM_MAX_DIMENSIONS]; /* by bucket and type; malloc'ed */
};

static SlmSegmentSet
set_of_own(int own)
{
	return (SlmSegmentSet) {.id = slm_own()->dimension[own].id,.first = SLM_FIRST_OWN + own,.n = 1};
}

SlmSegmentSet
slm_segment_set(SlmDimension dimension)
{
	if (dimension >= SLM_FIRST_OWN)
		return set_of_own(dimension - SLM_FIRST_OWN);
	return (SlmSegmentSet) {.first = SLM_PRODUCT_ID,.n = SLM_DIMENSIONS};
}

bool
slm_segment_set_from(int64 id, SlmSegmentSet *set)
{
	if (id <= 0)
	{
		*set = slm_segment_set(SLM_PRODUCT_ID);
		return true;
	}
	/* they are there by id */
	for (int i = 0; i < (int) slm_own()->n; i++)
	{
		*set = set_of_own(i);
		if (set->id >= id)
			return true;
	}
	return false;
}

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
	for (int d = 0; segments != NULL && d < SLM_MAX_DIMENSIONS; d++)
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
	SlmSegment *places = calloc(Max(count_places(segments->cells), 1), sizeof(SlmSegment));
	bool		ok = places != NULL;

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
#define FIVE_INSERT \
	"INSERT INTO sellometer.segments (tier, event_type, event_time, whole, since, upto, made, product_id, brand, category_l3, category_l2, category_l1) " \
	"VALUES ($1, $2::sellometer.event_type, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) " \
	"ON CONFLICT (tier, event_type, event_time, whole, upto) DO UPDATE SET since = excluded.since, made = excluded.made, product_id = excluded.product_id, " \
	"brand = excluded.brand, category_l3 = excluded.category_l3, category_l2 = excluded.category_l2, category_l1 = excluded.category_l1"
#define OWN_INSERT \
	"INSERT INTO sellometer.dimension_segments (tier, event_type, event_time, whole, since, upto, made, sums, dimension_id) " \
	"VALUES ($1, $2::sellometer.event_type, $3, $4, $5, $6, $7, $8, $9) " \
	"ON CONFLICT (tier, event_type, event_time, whole, dimension_id, upto) DO UPDATE SET since = excluded.since, made = excluded.made, sums = excluded.sums"

void
slm_segment_insert(SlmSegmentSet set, const SlmTier *tier, SlmEventType type, TimestampTz start, bool whole, int64 since, SlmChanges changes,
				   const SlmSegment *dimensions)
{
	static SlmStatement five = {FIVE_INSERT, 7 + SLM_DIMENSIONS,
	{TEXTOID, TEXTOID, TIMESTAMPTZOID, BOOLOID, INT8OID, INT8OID, INT8OID, BYTEAOID, BYTEAOID, BYTEAOID, BYTEAOID, BYTEAOID}};
	static SlmStatement own = {OWN_INSERT, 9, {TEXTOID, TEXTOID, TIMESTAMPTZOID, BOOLOID, INT8OID, INT8OID, INT8OID, BYTEAOID, INT8OID}};
	Datum		args[7 + SLM_DIMENSIONS] = {CStringGetTextDatum(tier->name), CStringGetTextDatum(slm_event_type_name(type)),
	TimestampTzGetDatum(start), BoolGetDatum(whole), Int64GetDatum(since), Int64GetDatum(changes.n), Int64GetDatum(changes.made)};

	Assert(since < changes.n);

	for (int d = 0; d < set.n; d++)
	{
		bytea	   *bytes = palloc(VARHDRSZ + dimensions[d].len);

		SET_VARSIZE(bytes, VARHDRSZ + dimensions[d].len);
		if (dimensions[d].len > 0)
			memcpy(VARDATA(bytes), dimensions[d].data, dimensions[d].len);
		args[7 + d] = PointerGetDatum(bytes);
	}
	if (set.id != 0)
		args[8] = Int64GetDatum(set.id);
	slm_execute(set.id == 0 ? &five : &own, args, NULL, SPI_OK_INSERT);
	for (int d = 0; d < set.n; d++)
		pfree(DatumGetPointer(args[7 + d]));
}

void
slm_segments_write(SlmSegments *segments, const SlmTier *tier, uint32 bucket, SlmEventType type, SlmChanges changes)
{
	SlmSegment	dimensions[SLM_DIMENSIONS];
	SlmSegmentSet set;

	for (int64 from = 0; slm_segment_set_from(from, &set); from = set.id + 1)
	{
		for (int d = 0; d < set.n; d++)
		{
			SlmSegment *places = segments->dimensions[set.first + d];

			Assert(places != NULL);
			dimensions[d] = places[bucket * SLM_EVENT_TYPES + type];
		}
		slm_segment_insert(set, tier, type, segments->cells->buckets[bucket].start, false, changes.n - 1, changes, dimensions);
	}
}
