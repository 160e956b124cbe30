/*
 * minute_keys.c: see minute_keys.h.
 *
 * An event names two things.  So the names of a minute with too few events to have more than it may need not be counted:
 * sellometer.totals says how many events there are.  For the few others they are counted in the tables, before and after, and again only
 * when enough events have come since.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "guc.h"
#include "server/spi.h"
#include "tiers/minute_keys.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* So much of the limit an object may always add to a minute. */
#define SHARE_OF_ONE	100

/* The brand and the most detailed category. */
#define NAMES_OF_EVENT	2

/*
 * What this process has counted: names that a minute has at the most when its events are as many as events.  These are of before the
 * batch that was counted, so that nothing is wrong if it was rolled back.
 */
typedef struct KnownMinute
{
	TimestampTz minute;
	int64		events;
	int64		names;			/* 0: nothing is known */
} KnownMinute;

#define KNOWN_MINUTES	64

static KnownMinute known_minutes[KNOWN_MINUTES];

struct SlmMinuteKeys
{
	int			n;
	TimestampTz *minutes;		/* ascending */
	int64	   *events;			/* that each had */
	int64	   *names;
};

static KnownMinute *
known_minute(TimestampTz minute)
{
	return &known_minutes[(uint64) (minute / USECS_PER_MINUTE) % KNOWN_MINUTES];
}

/* Can a minute with so many events not have too many names with so many cells more, by what is known? */
static bool
is_known_to_fit(TimestampTz minute, int64 events, int64 cells)
{
	const KnownMinute *known = known_minute(minute);

	return known->names > 0 && known->minute == minute && known->events <= events &&
		known->names + NAMES_OF_EVENT * (events - known->events + cells) <= slm_max_minute_keys;
}

static Datum
array_of_minutes(const TimestampTz *minutes, int n)
{
	Datum	   *values = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		values[i] = TimestampTzGetDatum(minutes[i]);
	return slm_array(values, NULL, n, TIMESTAMPTZOID);
}

/* Add the number of different keys that a table has in each of the minutes. */
static void
add_names(const SlmMinuteKeys *keys, const char *table, const char *column, int64 *names)
{
	Oid			type = TIMESTAMPTZARRAYOID;
	Datum		minutes = array_of_minutes(keys->minutes, keys->n);
	char	   *sql = psprintf("SELECT event_time, count(DISTINCT %s) FROM sellometer.%s WHERE event_time = ANY ($1) GROUP BY 1 ORDER BY 1",
							   quote_identifier(column), quote_identifier(table));
	uint64		rows = slm_execute_args(sql, 1, &type, &minutes, SPI_OK_SELECT);
	int			at = 0;

	for (uint64 row = 0; row < rows; row++)
	{
		TimestampTz minute = slm_int64(row, 1, 0);

		while (at < keys->n - 1 && keys->minutes[at] < minute)
			at++;
		Assert(keys->minutes[at] == slm_int64(row, 1, 0));
		names[at] += slm_int64(row, 2, 0);
	}
}

static int64 *
count_names(const SlmTier *tier, const SlmMinuteKeys *keys)
{
	int64	   *names = palloc0(sizeof(int64) * keys->n);

	add_names(keys, psprintf("brand_%s", tier->name), "brand", names);
	add_names(keys, psprintf("category_l3_%s", tier->name), "category_l3", names);
	return names;
}

/* The minutes, of those that the cells change, whose events are more than names may be: all that there were, with what comes. */
static void
find_full(const SlmTier *tier, const SlmCells *cells, SlmMinuteKeys *keys)
{
	static SlmStatement statement = {
		"SELECT c.minute, coalesce(sum(t.count), 0)::bigint, c.cells FROM unnest($2, $3) AS c (minute, cells) LEFT JOIN sellometer.totals t ON t.tier = $1 "
		"AND t.event_type = ANY (enum_range(NULL::sellometer.event_type)) AND t.event_time = c.minute "
		"GROUP BY c.minute, c.cells HAVING $5 * (c.cells + coalesce(sum(t.count), 0)) > $4 ORDER BY 1",
		5, {TEXTOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, INT8OID, INT8OID}
	};
	int64	   *counts = palloc0(sizeof(int64) * cells->nbuckets);
	Datum	   *minutes = palloc(sizeof(Datum) * cells->nbuckets);
	Datum	   *brought = palloc(sizeof(Datum) * cells->nbuckets);
	Datum		args[5];
	int			n = 0;
	uint64		rows;

	Assert(tier->finer < 0);	/* its buckets are minutes */
	for (uint64 i = 0; i < cells->ncells; i++)
	{
		Assert(cells->cells[i].bucket < cells->nbuckets);
		counts[cells->cells[i].bucket]++;
	}
	for (uint32 b = 0; b < cells->nbuckets; b++)
	{
		if (!cells->buckets[b].wanted || counts[b] <= slm_max_minute_keys / SHARE_OF_ONE / NAMES_OF_EVENT)
			continue;
		minutes[n] = TimestampTzGetDatum(cells->buckets[b].start);
		brought[n++] = Int64GetDatum(counts[b]);
	}
	if (n == 0)
		return;
	args[0] = CStringGetTextDatum(tier->name);
	args[1] = slm_array(minutes, NULL, n, TIMESTAMPTZOID);
	args[2] = slm_array(brought, NULL, n, INT8OID);
	args[3] = Int64GetDatum(slm_max_minute_keys);
	args[4] = Int64GetDatum(NAMES_OF_EVENT);
	rows = slm_execute(&statement, args, NULL, SPI_OK_SELECT);
	keys->minutes = palloc(sizeof(TimestampTz) * Max(rows, 1));
	keys->events = palloc(sizeof(int64) * Max(rows, 1));
	for (uint64 row = 0; row < rows; row++)
	{
		TimestampTz minute = slm_int64(row, 1, 0);
		int64		events = slm_int64(row, 2, 0);

		if (is_known_to_fit(minute, events, slm_int64(row, 3, 0)))
			continue;
		keys->minutes[keys->n] = minute;
		keys->events[keys->n++] = events;
	}
}

SlmMinuteKeys *
slm_minute_keys_before(const SlmTier *tier, const SlmCells *cells)
{
	SlmMinuteKeys *keys = palloc0(sizeof(SlmMinuteKeys));

	if (cells->ncells > 0)
		find_full(tier, cells, keys);
	if (keys->n == 0)
		return NULL;
	keys->names = count_names(tier, keys);
	return keys;
}

void
slm_minute_keys_check(const SlmTier *tier, const SlmMinuteKeys *before)
{
	int64	   *names;

	if (before == NULL)
		return;
	names = count_names(tier, before);
	for (int i = 0; i < before->n; i++)
	{
		if (names[i] > slm_max_minute_keys && names[i] - before->names[i] > slm_max_minute_keys / SHARE_OF_ONE)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("too_many_keys: %s would have more than %d different brands and categories", timestamptz_to_str(before->minutes[i]),
							slm_max_minute_keys),
					 errdetail("What is loaded brings " INT64_FORMAT " of them; if they are real, raise sellometer.max_minute_keys and call"
							   " sellometer_retry(), else sellometer_skip() puts it aside, and takes out what is loaded of it.", names[i] - before->names[i])));
		*known_minute(before->minutes[i]) = (KnownMinute) {.minute = before->minutes[i],.events = before->events[i],.names = names[i]};
	}
}
