/*
 * leaders.c: the best keys of each bucket, so that the best of a month are found without reading all keys of a month.
 *
 *   list of a bucket:  a 90, b 70, c 40      others: 30, what the next one had, so that nobody else had more
 *   totals of it:      grown                 what has been added since the bucket was added up, whatever the key
 *
 * A key that is not on the list has at most others + (grown now - grown when the list was made).  That holds however the
 * bucket changes, so late data leaves the lists as they are; it only makes them say less.  One that says too little is made
 * anew.  sellometer_top() adds up such bounds over a range, and reads the rows of those keys alone that may be among the best.
 *
 * A list and what had grown are read in one statement, and so in one snapshot; rows and totals change in one transaction.
 * Therefore no lock is needed.  A list goes with the totals of its bucket.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "ingest/leaders.h"
#include "ingest/spi.h"
#include "ingest/tier.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#define LEADERS			"100"
#define LEADERS_PLUS_1	"101"
#define SORT_MEMORY_MB	64

/* How far the work has come: each bucket has its turn but once, in case it can't be helped. */
typedef struct Work
{
	int			tier;
	TimestampTz after;			/* buckets of the tier up to here are done */
	bool		done;			/* there are no more tiers */
} Work;

/* The buckets after a time that want lists, of the first partition that has any. */
static Datum *
stale_buckets(const SlmTier *tier, TimestampTz after, int *n)
{
	static SlmStatement statement = {
		"SELECT DISTINCT x.event_time FROM sellometer.totals x LEFT JOIN sellometer.leaders l ON l.tier = x.tier "
		"AND l.dimension = 'product_id' AND l.event_type = x.event_type AND l.event_time = x.event_time AND l.measure = 'gmv' "
		"LEFT JOIN sellometer.leaders c ON c.tier = x.tier AND c.dimension = 'product_id' AND c.event_type = x.event_type "
		"AND c.event_time = x.event_time AND c.measure = 'count' "
		"WHERE x.tier = $1 AND x.event_time > $2 AND (l.grown IS NULL OR c.grown IS NULL OR x.grown_gmv - l.grown > x.gmv / 1000 "
		"OR x.grown_count - c.grown > x.count / 1000) ORDER BY 1",
		2, {TEXTOID, TIMESTAMPTZOID}
	};
	Datum		args[2] = {CStringGetTextDatum(tier->name), TimestampTzGetDatum(after)};
	int			rows = (int) slm_execute(&statement, args, NULL, SPI_OK_SELECT);
	Datum	   *buckets = palloc(sizeof(Datum) * Max(rows, 1));
	TimestampTz end = 0;

	*n = 0;
	for (int i = 0; i < rows; i++)
	{
		TimestampTz time = slm_int64(i, 1, 0);

		if (i == 0)
			end = slm_bucket_next(tier->partition, slm_bucket_start(tier->partition, time));
		if (time >= end)
			break;
		buckets[(*n)++] = TimestampTzGetDatum(time);
	}
	return buckets;
}

/* The lists of some buckets by one dimension. */
static void
make_lists(const SlmTier *tier, const char *dimension, Datum *buckets, int n)
{
	Oid			types[2] = {TEXTOID, TIMESTAMPTZARRAYOID};
	Datum		args[2] = {CStringGetTextDatum(tier->name), slm_array(buckets, NULL, n, TIMESTAMPTZOID)};
	const char *table = quote_identifier(psprintf("%s_%s", dimension, tier->name));
	char	   *rows = psprintf("FROM sellometer.%s WHERE event_time = ANY ($2) AND event_time >= '%s'::timestamptz "
								"AND event_time <= '%s'::timestamptz", table,
								pstrdup(timestamptz_to_str(DatumGetTimestampTz(buckets[0]))),
								pstrdup(timestamptz_to_str(DatumGetTimestampTz(buckets[n - 1]))));
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "INSERT INTO sellometer.leaders (tier, dimension, event_type, measure, event_time, keys, amounts, "
						   "others, grown) SELECT $1, ");
	appendStringInfo(&sql, "'%s', r.event_type, r.measure, r.event_time, "
					 "array_agg(r.key ORDER BY r.n) FILTER (WHERE r.n <= " LEADERS "), "
					 "array_agg(r.amount ORDER BY r.n) FILTER (WHERE r.n <= " LEADERS "), "
					 "coalesce(max(r.amount) FILTER (WHERE r.n > " LEADERS "), 0), "
					 "max(CASE r.measure WHEN 'gmv' THEN x.grown_gmv ELSE x.grown_count END) FROM (", dimension);
	for (int by_count = 0; by_count < 2; by_count++)
		appendStringInfo(&sql, "%sSELECT * FROM (SELECT event_time, event_type, '%s' AS measure, %s::text AS key, %s::numeric AS amount, "
						 "row_number() OVER (PARTITION BY event_time, event_type ORDER BY %s DESC) AS n %s) %s "
						 "WHERE n <= " LEADERS_PLUS_1,
						 by_count ? " UNION ALL " : "", by_count ? "count" : "gmv", dimension, by_count ? "count" : "gmv",
						 by_count ? "count" : "gmv", rows, by_count ? "c" : "g");
	appendStringInfoString(&sql, ") r JOIN sellometer.totals x ON x.tier = $1 AND x.event_type = r.event_type "
						   "AND x.event_time = r.event_time GROUP BY r.event_type, r.measure, r.event_time");
	slm_execute_args(sql.data, 2, types, args, SPI_OK_INSERT);
}

static void
forget_lists(const SlmTier *tier, Datum *buckets, int n)
{
	static SlmStatement statement = {
		"DELETE FROM sellometer.leaders WHERE tier = $1 AND event_time = ANY ($2)", 2, {TEXTOID, TIMESTAMPTZARRAYOID}
	};
	Datum		args[2] = {CStringGetTextDatum(tier->name), slm_array(buckets, NULL, n, TIMESTAMPTZOID)};

	slm_execute(&statement, args, NULL, SPI_OK_DELETE);
}

static void
make_step(void *arg)
{
	Work	   *work = arg;
	SlmTiers   *tiers = slm_tiers_read();
	Datum	   *buckets;
	int			n = 0;

	work->done = work->tier >= tiers->n;
	if (work->done || !slm_tier_hold(&tiers->tiers[work->tier]))
		return;					/* a tier that is gone is not among those that are read the next time */
	buckets = stale_buckets(&tiers->tiers[work->tier], work->after, &n);
	if (n == 0)
	{
		work->tier++;
		work->after = DT_NOBEGIN;
		return;
	}
	if (work_mem < SORT_MEMORY_MB * 1024)
		(void) set_config_option("work_mem", CppAsString2(SORT_MEMORY_MB) "MB", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
	forget_lists(&tiers->tiers[work->tier], buckets, n);
	for (SlmDimension d = 0; d < SLM_DIMENSIONS; d++)
		make_lists(&tiers->tiers[work->tier], slm_dimension_name(d), buckets, n);
	work->after = DatumGetTimestampTz(buckets[n - 1]);
}

void
slm_leaders_make(SlmRun *run)
{
	Work		work = {.tier = 1,.after = DT_NOBEGIN};

	while (!work.done)
	{
		CHECK_FOR_INTERRUPTS();
		if (run->held || slm_run_hold(run))
			break;
		slm_step(run, make_step, &work);
	}
}
