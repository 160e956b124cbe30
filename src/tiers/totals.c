/*
 * totals.c: the sums over all keys, for those who ask for nothing else: GMV and events per minute over a day are some
 * thousand rows here and a million in the smallest of the dimensions' tables.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "pure/reader.h"
#include "server/locks.h"
#include "server/spi.h"
#include "tiers/totals.h"
#include "types/event_type.h"
#include "types/money.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/*
 * Tiers below a day count in 32 bits.  Events never come to that many, but pieces may, if a column that holds something else is called
 * quantity.  A day that has as few as fit is one that any of these tiers can add up.
 */
static void
refuse(const char *type, TimestampTz day)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("a day has more than %d pieces of one event type", PG_INT32_MAX),
			 type == NULL ? errdetail("In one minute and of one product.") : errdetail("Type %s, %s.", type, timestamptz_to_str(day)),
			 errhint("Does the column \"quantity\" hold pieces?")));
}

static bool
is_narrow(const SlmTier *tier)
{
	return strcmp(slm_tier_count_type(tier), "integer") == 0;
}

void
slm_totals_check_groups(const SlmGroups *groups)
{
	if (groups->overflow)
		refuse(NULL, 0);
}

void
slm_totals_check(const SlmTier *tier, const SlmCells *cells)
{
	if (cells->overflow)
		refuse(NULL, 0);
	for (uint32 i = 0; is_narrow(tier) && i < cells->nbuckets * SLM_EVENT_TYPES; i++)
	{
		if (cells->totals[i].grown_count > PG_INT32_MAX)
			refuse(slm_event_type_name(i % SLM_EVENT_TYPES), cells->buckets[i / SLM_EVENT_TYPES].start);
	}
}

/* Does a bucket hold so many that a day of such would have too many?  Then look at the days. */
static void
check_days(const SlmTier *tier, const SlmCells *cells, int64 most)
{
	static SlmStatement statement = {
		"SELECT event_type::text, date_bin('1 day', event_time, '2000-01-01 00:00:00+00') FROM sellometer.totals "
		"WHERE tier = $1 AND event_type = ANY (enum_range(NULL::sellometer.event_type)) AND event_time >= $2 AND event_time < $3 "
		"GROUP BY 1, 2 HAVING sum(count) > 2147483647 LIMIT 1",
		3, {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	SlmGranularity day = {.usecs = USECS_PER_DAY};
	Datum		args[3] = {CStringGetTextDatum(tier->name)};

	if (!is_narrow(tier) || most <= PG_INT32_MAX / (USECS_PER_DAY / tier->granularity.usecs))
		return;
	args[1] = TimestampTzGetDatum(slm_bucket_start(day, cells->buckets[0].start));
	args[2] = TimestampTzGetDatum(slm_bucket_next(day, slm_bucket_start(day, cells->buckets[cells->nbuckets - 1].start)));
	if (slm_execute(&statement, args, NULL, SPI_OK_SELECT) > 0)
		refuse(slm_text(CurrentMemoryContext, 0, 1), slm_int64(0, 2, 0));
}

/* Arrays for unnest(); args[0] is the tier.  Returns how many rows there are in the result: time, type, count, changes, made. */
static int
add_rows(Datum *args)
{
	static SlmStatement statement = {
		"INSERT INTO sellometer.totals AS t (tier, event_time, event_type, count, gmv) "
		"SELECT $1, d.event_time, d.event_type::sellometer.event_type, d.count, d.gmv "
		"FROM unnest($2, $3, $4, $5) AS d (event_time, event_type, count, gmv) "
		"ON CONFLICT (tier, event_type, event_time) DO UPDATE SET count = t.count + excluded.count, "
		"gmv = t.gmv + excluded.gmv, changes = t.changes + 1 RETURNING t.event_time, t.event_type, t.count, t.changes, t.made",
		5, {TEXTOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID, INT8ARRAYOID, NUMERICARRAYOID}
	};

	return (int) slm_execute(&statement, args, NULL, SPI_OK_INSERT_RETURNING);
}

static uint32
find_bucket(const SlmCells *cells, TimestampTz start)
{
	uint32		low = 0;
	uint32		high = cells->nbuckets;

	while (high - low > 1)
	{
		uint32		middle = low + (high - low) / 2;

		if (cells->buckets[middle].start <= start)
			low = middle;
		else
			high = middle;
	}
	Assert(cells->buckets[low].start == start);
	return low;
}

/* Of the rows of the result, which are many. */
static void
write_segments(const SlmTier *tier, const SlmCells *cells, SlmSegments *segments, int n)
{
	SlmChanges *changes = palloc(sizeof(SlmChanges) * n);
	uint32	   *buckets = palloc(sizeof(uint32) * n);
	SlmEventType *types = palloc(sizeof(SlmEventType) * n);

	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		buckets[i] = find_bucket(cells, slm_int64(i, 1, 0));
		types[i] = slm_event_type_of(DatumGetObjectId(slm_value(i, 2, &isnull)));
		changes[i] = (SlmChanges) {.n = slm_int64(i, 4, 0),.made = slm_int64(i, 5, 0)};
	}
	for (int i = 0; i < n; i++)
		slm_segments_write(segments, tier, buckets[i], types[i], changes[i]);
	pfree(changes);
	pfree(buckets);
	pfree(types);
}

/* A view that moved may have been the only one of its bucket. */
static void
delete_empty(Datum *args)
{
	static SlmStatement statement = {
		"DELETE FROM sellometer.totals t USING unnest($2, $3) AS d (event_time, event_type) "
		"WHERE t.tier = $1 AND t.event_type = d.event_type::sellometer.event_type AND t.event_time = d.event_time AND t.count = 0",
		3, {TEXTOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID}
	};

	slm_execute(&statement, args, NULL, SPI_OK_DELETE);
}

void
slm_totals_add(const SlmTier *tier, const SlmCells *cells, SlmSegments *segments)
{
	int			max = Max(cells->nbuckets, 1) * SLM_EVENT_TYPES;
	static const Oid types[4] = {TIMESTAMPTZOID, TEXTOID, INT8OID, NUMERICOID};
	Datum	   *columns[4];
	Datum		args[5];
	int64		most = 0;
	bool		shrinks = false;
	int			n = 0;

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	for (int c = 0; c < 4; c++)
		columns[c] = palloc(sizeof(Datum) * max);
	for (uint32 b = 0; b < cells->nbuckets; b++)
	{
		for (int type = 0; cells->buckets[b].wanted && type < SLM_EVENT_TYPES; type++)
		{
			const SlmTotal *total = &cells->totals[b * SLM_EVENT_TYPES + type];

			Assert(total->grown_count >= Max(total->count, 0));

			/* what has moved within the bucket leaves its sums, but not its rows */
			if (total->count == 0 && total->grown_count == 0)
				continue;
			columns[0][n] = TimestampTzGetDatum(cells->buckets[b].start);
			columns[1][n] = CStringGetTextDatum(slm_event_type_name(type));
			columns[2][n] = Int64GetDatum(total->count);
			columns[3][n] = NumericGetDatum(slm_money_to_numeric(total->gmv));
			shrinks |= total->count <= 0;
			n++;
		}
	}
	if (n == 0)
		return;
	args[0] = CStringGetTextDatum(tier->name);
	for (int c = 0; c < 4; c++)
		args[c + 1] = slm_array(columns[c], NULL, n, types[c]);
	n = add_rows(args);
	for (int i = 0; i < n; i++)
		most = Max(most, slm_int64(i, 3, 0));
	write_segments(tier, cells, segments, n);
	check_days(tier, cells, most);
	if (shrinks)
		delete_empty(args);
}

void
slm_totals_roll_up(const SlmTier *tier, const SlmTier *finer, TimestampTz start)
{
	static SlmStatement forget = {
		"DELETE FROM sellometer.totals WHERE tier = $1 AND event_type = ANY (enum_range(NULL::sellometer.event_type)) "
		"AND event_time = $2",
		2, {TEXTOID, TIMESTAMPTZOID}
	};
	static SlmStatement add_up = {
		"INSERT INTO sellometer.totals (tier, event_time, event_type, count, gmv) "
		"SELECT $1, $2, event_type, sum(count)::bigint, sum(gmv) FROM sellometer.totals "
		"WHERE tier = $3 AND event_type = ANY (enum_range(NULL::sellometer.event_type)) AND event_time >= $2 AND event_time < $4 "
		"GROUP BY event_type",
		4, {TEXTOID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID}
	};
	Datum		args[4] = {CStringGetTextDatum(tier->name), TimestampTzGetDatum(start), CStringGetTextDatum(finer->name),
	TimestampTzGetDatum(slm_bucket_next(tier->granularity, start))};

	Assert(slm_lock_held(SLM_LOCK_WRITER));

	slm_execute(&forget, args, NULL, SPI_OK_DELETE);
	slm_execute(&add_up, args, NULL, SPI_OK_INSERT);
}

void
slm_totals_prune(const char *tier, TimestampTz before)
{
	static SlmStatement statement = {
		"DELETE FROM sellometer.totals WHERE tier = $1 AND event_type = ANY (enum_range(NULL::sellometer.event_type)) "
		"AND event_time < $2",
		2, {TEXTOID, TIMESTAMPTZOID}
	};
	Datum		args[2] = {CStringGetTextDatum(tier), TimestampTzGetDatum(before)};

	Assert(slm_lock_held(SLM_LOCK_WRITER));

	slm_execute(&statement, args, NULL, SPI_OK_DELETE);
}
