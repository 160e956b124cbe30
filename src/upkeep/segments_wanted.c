/*
 * segments_wanted.c: see segments_wanted.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "server/spi.h"
#include "types/event_type.h"
#include "upkeep/segments_wanted.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* A bucket with more is worth adding up. */
#define MANY			4

int
slm_wanted_compare(const void *a, const void *b)
{
	const SlmWanted *x = a;
	const SlmWanted *y = b;

	return x->time != y->time ? (x->time > y->time) - (x->time < y->time) : (int) x->type - (int) y->type;
}

/* What a row of a result says: time, type, changes (a segment: up to which), maker. */
static SlmWanted
wanted_of_row(uint64 row)
{
	bool		isnull;

	return (SlmWanted) {.time = slm_int64(row, 1, 0),.type = slm_event_type_of(DatumGetObjectId(slm_value(row, 2, &isnull))),
		.changes = {.n = slm_int64(row, 3, 0),.made = slm_int64(row, 4, 0)}};
}

/* The totals' buckets from a time on and before another, by type and time. */
static SlmWanted *
read_totals(const SlmTier *tier, TimestampTz from, TimestampTz to, int *n)
{
	static SlmStatement statement = {
		"SELECT event_time, event_type, changes, made FROM sellometer.totals "
		"WHERE tier = $1 AND event_time >= $2 AND event_time < $3 ORDER BY event_type, event_time",
		3, {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		args[3] = {CStringGetTextDatum(tier->name), TimestampTzGetDatum(from), TimestampTzGetDatum(to)};
	SlmWanted  *totals;

	*n = (int) slm_query(&statement, args);
	totals = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(SlmWanted) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		totals[i] = wanted_of_row(i);
	SPI_freetuptable(SPI_tuptable);
	return totals;
}

/* Of what there is in a result of segments, by type and time, what comes before this one; does that which follows belong to it? */
static bool
is_next(const SlmWanted *wanted, uint64 *row, uint64 rows)
{
	for (; *row < rows; (*row)++)
	{
		SlmWanted		segment = wanted_of_row(*row);

		if (segment.type > wanted->type || (segment.type == wanted->type && segment.time > wanted->time))
			return false;
		if (segment.type == wanted->type && segment.time == wanted->time)
			return true;
	}
	return false;
}

/* Are the segments that come next those of all changes of the bucket?  And how many are they? */
static bool
is_covered(const SlmWanted *wanted, uint64 *row, uint64 rows, int *n)
{
	int64		upto = 0;
	bool		gap = false;

	for (*n = 0; is_next(wanted, row, rows); (*row)++, (*n)++)
	{
		SlmChanges	segment = wanted_of_row(*row).changes;

		gap |= segment.made != wanted->changes.made || slm_int64(*row, 5, 0) != upto;
		upto = segment.n;
	}
	return !gap && upto == wanted->changes.n;
}

/* The segments of a set from a time on and before another, by type, time and upto: time, type, upto, made, since. */
static uint64
query_segments(SlmSegmentSet set, const SlmTier *tier, bool whole, TimestampTz from, TimestampTz to)
{
#define SELECT_SEGMENTS(table, condition, n) {"SELECT event_time, event_type, upto, made, since FROM sellometer." table " WHERE tier = $1 " \
	"AND event_type = ANY (enum_range(NULL::sellometer.event_type)) AND event_time >= $2 AND event_time < $3 AND whole = $4" condition \
	" ORDER BY event_type, event_time, upto", n, {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID, INT8OID}}
	static SlmStatement five = SELECT_SEGMENTS("segments", "", 4);
	static SlmStatement own = SELECT_SEGMENTS("dimension_segments", " AND dimension_id = $5", 5);
	Datum		args[5] = {CStringGetTextDatum(tier->name), TimestampTzGetDatum(from), TimestampTzGetDatum(to), BoolGetDatum(whole), Int64GetDatum(set.id)};

	return slm_query(set.id == 0 ? &five : &own, args);
}

SlmWanted *
slm_wanted_buckets(SlmSegmentSet set, const SlmTier *tier, bool missing, TimestampTz from, TimestampTz to, int *n)
{
	int			nbuckets;
	SlmWanted  *buckets = read_totals(tier, from, to, &nbuckets);
	uint64		rows = query_segments(set, tier, false, from, to);
	uint64		row = 0;

	*n = 0;
	for (int i = 0; i < nbuckets; i++)
	{
		int			nsegments;
		bool		covered = is_covered(&buckets[i], &row, rows, &nsegments);

		if (missing ? !covered : covered && nsegments > MANY)
			buckets[(*n)++] = buckets[i];
	}
	SPI_freetuptable(SPI_tuptable);
	qsort(buckets, *n, sizeof(SlmWanted), slm_wanted_compare);
	return buckets;
}

/* The partitions and types from a time on and before another that have totals of several buckets, by type and time. */
static SlmWanted *
read_partitions(const SlmTier *tier, TimestampTz from, TimestampTz to, int *n)
{
	int			nbuckets;
	SlmWanted  *totals = read_totals(tier, from, to, &nbuckets);
	SlmBucketChanges *buckets = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(SlmBucketChanges) * Max(nbuckets, 1));

	*n = 0;
	for (int i = 0; i < nbuckets; i++)
		buckets[i] = (SlmBucketChanges) {.time = totals[i].time,.changes = totals[i].changes};
	for (int i = 0, end; i < nbuckets; i = end)
	{
		SlmEventType type = totals[i].type;
		TimestampTz start = slm_bucket_start(tier->partition, totals[i].time);
		TimestampTz next = slm_bucket_next(tier->partition, start);

		for (end = i + 1; end < nbuckets && totals[end].time < next && totals[end].type == type;)
			end++;
		if (end - i > 1)
			totals[(*n)++] = (SlmWanted) {.time = start,.type = type,.changes = slm_changes_of(buckets + i, end - i)};
	}
	pfree(buckets);
	return totals;
}

SlmWanted *
slm_wanted_partitions(SlmSegmentSet set, const SlmTier *tier, TimestampTz from, TimestampTz to, int *n)
{
	TimestampTz complete = TIMESTAMP_NOT_FINITE(tier->watermark) ? tier->watermark : slm_bucket_start(tier->partition, tier->watermark);
	int			npartitions;
	SlmWanted  *partitions = read_partitions(tier, from, Min(to, complete), &npartitions);
	uint64		rows = query_segments(set, tier, true, from, Min(to, complete));
	uint64		row = 0;

	*n = 0;
	for (int i = 0; i < npartitions; i++)
	{
		SlmChanges	whole = is_next(&partitions[i], &row, rows) ? wanted_of_row(row).changes : (SlmChanges) {0};

		if (whole.n != partitions[i].changes.n || whole.made != partitions[i].changes.made)
			partitions[(*n)++] = partitions[i];
	}
	SPI_freetuptable(SPI_tuptable);
	return partitions;
}
