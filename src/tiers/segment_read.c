/*
 * segment_read.c: see segment_read.h.
 *
 *   totals     | 3 | 1 | 2 | 5 | 1 |      how often each bucket has changed
 *   whole      |-- 6 = 3+1+2 --|          of a partition, if it has as many changes as its buckets
 *   others                     0..4,4..5  of a bucket, if none of its changes is missing
 *   rows                           |xxx|  else
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "server/spi.h"
#include "tiers/segment_read.h"
#include "tiers/segments.h"
#include "tiers/sums_sweep.h"
#include "types/event_type.h"
#include "types/money.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Runs of buckets that are asked for one by one; of more, all at once. */
#define MAX_RUNS	16

typedef struct Read
{
	SlmSums    *sums;
	const SlmTier *tier;
	SlmEventType type;
	const char *only;
	SlmBucketChanges *buckets;	/* that have totals, ascending */
	bool	   *done;			/* which of them are added up */
	int			n;
} Read;

static void
read_buckets(Read *read, TimestampTz from, TimestampTz to)
{
	static SlmStatement statement = {
		"SELECT event_time, changes, made FROM sellometer.totals WHERE tier = $1 AND event_type = $2::sellometer.event_type "
		"AND event_time >= $3 AND event_time < $4 ORDER BY event_time",
		4, {TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		args[4] = {CStringGetTextDatum(read->tier->name), CStringGetTextDatum(slm_event_type_name(read->type)),
	TimestampTzGetDatum(from), TimestampTzGetDatum(to)};

	read->n = (int) slm_query(&statement, args);
	read->buckets = palloc(sizeof(SlmBucketChanges) * Max(read->n, 1));
	read->done = palloc0(sizeof(bool) * Max(read->n, 1));
	for (int i = 0; i < read->n; i++)
		read->buckets[i] = (SlmBucketChanges) {.time = slm_int64(i, 1, 0),.changes = {.n = slm_int64(i, 2, 0),.made = slm_int64(i, 3, 0)}};
	SPI_freetuptable(SPI_tuptable);
}

/* The segments that begin from a time on and before another, of partitions first; then by time and change: time, whole, since, upto, made, bytes. */
static int
query_segments(const Read *read, TimestampTz from, TimestampTz to)
{
#define SELECT_SEGMENTS(column, table, condition, n) {"SELECT event_time, whole, since, upto, made, " column " FROM sellometer." table " WHERE tier = $1 " \
	"AND event_type = $2::sellometer.event_type AND event_time >= $3 AND event_time < $4" condition " ORDER BY NOT whole, event_time, since", \
	n, {TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID}}
	static SlmStatement statements[SLM_DIMENSIONS] = {
		[SLM_PRODUCT_ID] = SELECT_SEGMENTS("product_id", "segments", "", 4),
		[SLM_BRAND] = SELECT_SEGMENTS("brand", "segments", "", 4),
		[SLM_CATEGORY_L3] = SELECT_SEGMENTS("category_l3", "segments", "", 4),
		[SLM_CATEGORY_L2] = SELECT_SEGMENTS("category_l2", "segments", "", 4),
		[SLM_CATEGORY_L1] = SELECT_SEGMENTS("category_l1", "segments", "", 4)
	};
	static SlmStatement own = SELECT_SEGMENTS("sums", "dimension_segments", " AND dimension_id = $5", 5);
	SlmDimension dimension = read->sums->dimension;
	Datum		args[5] = {CStringGetTextDatum(read->tier->name), CStringGetTextDatum(slm_event_type_name(read->type)),
	TimestampTzGetDatum(from), TimestampTzGetDatum(to), Int64GetDatum(slm_segment_set(dimension).id)};

	return (int) slm_query(dimension < SLM_FIRST_OWN ? &statements[dimension] : &own, args);
}

/* The first bucket from a time on. */
static int
find_bucket(const Read *read, TimestampTz time)
{
	int			low = 0;
	int			high = read->n;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (read->buckets[middle].time < time)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Add a row of the result. */
static void
add_segment(SlmSums *sums, int row)
{
	bool		isnull;
	Datum		value = slm_value(row, 6, &isnull);
	bytea	   *bytes;

	if (slm_sums_may_hold(sums))
	{
		slm_sums_hold(sums, DatumGetByteaPCopy(value));
		return;
	}
	bytes = DatumGetByteaPP(value);
	slm_sums_add_segment(sums, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	if ((Pointer) bytes != DatumGetPointer(value))
		pfree(bytes);
}

/* A partition's segment, if all of its buckets are asked for and it has what they have. */
static void
add_whole(Read *read, int row, TimestampTz from, TimestampTz to)
{
	TimestampTz start = slm_int64(row, 1, 0);
	TimestampTz end = slm_bucket_next(read->tier->partition, start);
	int			first = find_bucket(read, start);
	int			after = find_bucket(read, end);
	SlmChanges	changes;

	if (start < from || end > to || memchr(read->done + first, true, after - first) != NULL)
		return;
	changes = slm_changes_of(read->buckets + first, after - first);
	if (changes.n != slm_int64(row, 4, 0) || changes.made != slm_int64(row, 5, 0))
		return;
	add_segment(read->sums, row);
	memset(read->done + first, true, after - first);
}

/* Is no change missing in the rows from one on and before another, which are of one bucket? */
static bool
is_chain(int row, int after, SlmChanges changes)
{
	int64		reached = 0;

	for (; row < after && slm_int64(row, 3, -1) == reached && slm_int64(row, 5, 0) == changes.made; row++)
		reached = slm_int64(row, 4, 0);
	return row == after && reached == changes.n;
}

static bool
is_whole(int row)
{
	bool		isnull;

	return DatumGetBool(slm_value(row, 2, &isnull));
}

static void
add_segments(Read *read, TimestampTz from, TimestampTz to)
{
	int			n = query_segments(read, from, to);
	int			row = 0;

	for (; row < n && is_whole(row) && !read->sums->over; row++)
		add_whole(read, row, from, to);
	for (int after; row < n && !read->sums->over; row = after)
	{
		TimestampTz time = slm_int64(row, 1, 0);
		int			i = find_bucket(read, time);

		for (after = row + 1; after < n && slm_int64(after, 1, 0) == time;)
			after++;
		if (i == read->n || read->buckets[i].time != time || read->done[i] || !is_chain(row, after, read->buckets[i].changes))
			continue;
		for (int s = row; s < after; s++)
			add_segment(read->sums, s);
		read->done[i] = true;
	}
	SPI_freetuptable(SPI_tuptable);
}

/* --- what has no segments --- */

static void
add_row(SlmSums *sums, uint64 row)
{
	bool		isnull;
	Datum		value = slm_value(row, 1, &isnull);
	uint32		number;
	int128		gmv;

	if (sums->closed)
	{
		if (!slm_sums_find_product(sums, DatumGetInt64(value), &number))
			return;
	}
	else if (sums->dimension == SLM_PRODUCT_ID)
		number = slm_sums_product(sums, DatumGetInt64(value));
	else
	{
		text	   *key = DatumGetTextPP(value);

		number = slm_sums_text(sums, (SlmSlice) {VARDATA_ANY(key), (uint32) VARSIZE_ANY_EXHDR(key)});
	}
	if (!slm_money_sum_from_numeric(slm_value(row, 3, &isnull), &gmv))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("column gmv of a table of dimension \"%s\" has a value that is no sum of prices", slm_dimension_name(sums->dimension))));
	sums->keys[number].count += slm_int64(row, 2, 0);
	sums->keys[number].gmv += gmv;
}

void
slm_rows_sum(SlmSums *sums, const SlmTier *tier, SlmEventType type, TimestampTz from, TimestampTz to, const char *condition)
{
	const char *key = slm_dimension_name(sums->dimension);
	char	   *sql = psprintf("SELECT %s, sum(count)::bigint, sellometer.gmv(gmv) FROM sellometer.%s WHERE event_type = '%s' "
							   "AND event_time >= '%s' AND event_time < '%s' %s GROUP BY 1", key,
							   quote_identifier(psprintf("%s_%s", key, tier->name)), slm_event_type_name(type),
							   pstrdup(timestamptz_to_str(from)), pstrdup(timestamptz_to_str(to)), condition);
	uint64		n = slm_query_once(sql);

	for (uint64 row = 0; row < n; row++)
		add_row(sums, row);
	SPI_freetuptable(SPI_tuptable);
	pfree(sql);
}

/* Add the rows of buckets from one to another, both included, that meet a condition. */
static void
add_rows(Read *read, int first, int last, const char *condition)
{
	slm_rows_sum(read->sums, read->tier, read->type, read->buckets[first].time, read->buckets[last].time + 1,
				 psprintf("%s %s", condition, read->only));
}

/* The next bucket from one on that is done, or is not. */
static int
next_that_is(const Read *read, int i, bool done)
{
	while (i < read->n && read->done[i] != done)
		i++;
	return i;
}

/* "AND event_time IN (…)": the buckets that are not done. */
static char *
those_missing(const Read *read)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = next_that_is(read, 0, false); i < read->n; i = next_that_is(read, i + 1, false))
		appendStringInfo(&list, "%s'%s'", list.len == 0 ? "AND event_time IN (" : ", ", timestamptz_to_str(read->buckets[i].time));
	appendStringInfoChar(&list, ')');
	return list.data;
}

static void
add_missing(Read *read)
{
	int			first = next_that_is(read, 0, false);
	int			runs = 0;

	for (int i = first; i < read->n; i = next_that_is(read, next_that_is(read, i, true), false))
		runs++;
	if (runs > MAX_RUNS)
	{
		add_rows(read, first, read->n - 1, those_missing(read));
		return;
	}
	for (int after; first < read->n; first = next_that_is(read, after, false))
	{
		after = next_that_is(read, first, true);
		add_rows(read, first, after - 1, "");
	}
}

void
slm_segments_sum(SlmSums *sums, const SlmTier *tier, SlmEventType type, TimestampTz from, TimestampTz to, const char *only)
{
	Read		read = {.sums = sums,.tier = tier,.type = type,.only = only};

	Assert(from <= to);

	read_buckets(&read, from, to);
	if (read.n > 0)
	{
		add_segments(&read, from, to);
		/* rows of as many names as there may be would not be held to a limit */
		if (sums->limit > 0)
			sums->over |= next_that_is(&read, 0, false) < read.n;
		else
			add_missing(&read);
	}
	pfree(read.buckets);
	pfree(read.done);
}
