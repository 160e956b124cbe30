/*
 * view_rewrite.c: reading the view log by time, and taking entries out of it.
 *
 * The log is written hour by hour; an hour of which not all goes is read, and what stays is written anew.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "compat.h"
#include "dedup/view_log.h"
#include "dedup/view_rewrite.h"
#include "dedup/view_state.h"
#include "miscadmin.h"
#include "pure/granularity.h"
#include "server/locks.h"
#include "server/out_of_memory.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define HOUR	((SlmGranularity) {.usecs = USECS_PER_HOUR})

TimestampTz
slm_view_log_from(void)
{
	static SlmStatement statement = {"SELECT views_from FROM sellometer.state"};

	slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	return slm_int64(0, 1, DT_NOBEGIN);
}

/* The hours in [from, to] that the log has blocks of. */
static TimestampTz *
hours_of_log(TimestampTz from, TimestampTz to, int *n)
{
	static SlmStatement statement = {
		"SELECT DISTINCT hour FROM sellometer.view_log WHERE hour >= $1 AND hour < $2 ORDER BY hour",
		2, {TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		args[2] = {TimestampTzGetDatum(TIMESTAMP_NOT_FINITE(from) ? from : slm_bucket_start(HOUR, from)),
	TimestampTzGetDatum(to)};
	MemoryContext context = CurrentMemoryContext;
	TimestampTz *hours;

	*n = (int) slm_execute(&statement, args, NULL, SPI_OK_SELECT);
	hours = MemoryContextAlloc(context, sizeof(TimestampTz) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		hours[i] = slm_int64(i, 1, 0);
	return hours;
}

/* About how many entries these have. */
static uint64
views_of_log(TimestampTz from, TimestampTz to)
{
	static SlmStatement statement = {
		"SELECT sum(views)::bigint FROM sellometer.view_log WHERE hour >= $1 AND hour < $2", 2, {TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		args[2] = {TimestampTzGetDatum(from), TimestampTzGetDatum(to)};

	slm_execute(&statement, args, NULL, SPI_OK_SELECT);
	return (uint64) slm_int64(0, 1, 0);
}

/* Each entry of each block of an hour, of those in only, or all (NULL); within a block a fingerprint stands once. */
static void
read_hour(SlmDictionary *dictionary, TimestampTz hour, const SlmViews *only, SlmTakeView take, void *arg)
{
	static SlmStatement statement = {"SELECT block, views::bigint FROM sellometer.view_log WHERE hour = $1", 1, {TIMESTAMPTZOID}};
	Datum		args[1] = {TimestampTzGetDatum(hour)};
	int			n = (int) slm_execute(&statement, args, NULL, SPI_OK_SELECT);

	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		Datum		stored = slm_value(i, 1, &isnull);
		bytea	   *block = DatumGetByteaP(stored);
		SlmViews	views = {0};
		SlmViewLogResult result;

		/* they come in the order of their slots, and would heap up in a table that is yet to grow */
		if (!slm_views_reserve(&views, only == NULL ? slm_int64(i, 2, 0) : Min((uint64) slm_int64(i, 2, 0), only->nviews)))
			slm_out_of_memory();
		result = slm_viewlog_unpack(VARDATA(block), VARSIZE(block) - VARHDRSZ, hour, PG_INT64_MIN, only, dictionary, &views);

		for (uint64 s = 0; result == SLM_VIEWLOG_OK && s < views.nslots; s++)
		{
			if (views.slots[s].fingerprint != 0)
				take(&views.slots[s], arg);
		}
		slm_views_free(&views);
		if (PointerGetDatum(block) != stored)
			pfree(block);
		if (result == SLM_VIEWLOG_MEMORY)
			slm_out_of_memory();
		if (result == SLM_VIEWLOG_CORRUPT)
			slm_view_log_damaged(hour);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_freetuptable(SPI_tuptable);
}

/* --- reading --- */

void
slm_view_log_each(SlmDictionary *dictionary, TimestampTz from, TimestampTz to, const SlmViews *only, SlmTakeView take, void *arg)
{
	int			n;
	TimestampTz *hours = hours_of_log(from, to, &n);

	for (int i = 0; i < n; i++)
		read_hour(dictionary, hours[i], only, take, arg);
}

typedef struct Reading
{
	SlmDictionary *dictionary;
	TimestampTz from;
	TimestampTz to;
	const SlmViews *only;
	SlmViews   *known;
} Reading;

static void
keep_earliest(const SlmView *view, void *arg)
{
	Reading    *reading = arg;
	bool		found;
	SlmView    *known;

	if (view->time < reading->from || view->time >= reading->to ||
		(reading->only != NULL && slm_views_find(reading->only, view->fingerprint) == NULL))
		return;
	known = slm_views_add(reading->known, view->fingerprint, &found);
	if (known == NULL)
		slm_out_of_memory();
	if (!found || slm_view_is_earlier(reading->dictionary, view->time, view->offer, known))
	{
		known->time = view->time;
		known->offer = view->offer;
	}
}

void
slm_view_log_read(SlmDictionary *dictionary, TimestampTz from, TimestampTz to, const SlmViews *only, SlmViews *known)
{
	Reading		reading = {dictionary, from, to, only, known};

	Assert(from <= to);
	Assert(only != known);
	int			n;
	TimestampTz *hours = hours_of_log(from, to, &n);

	/* they come in the order of their slots, and would heap up in a table that is yet to grow */
	if (!slm_views_reserve(known, known->nviews + (only != NULL ? only->nviews : views_of_log(from, to))))
		slm_out_of_memory();
	for (int i = 0; i < n; i++)
		read_hour(dictionary, hours[i], NULL, keep_earliest, &reading);
}

/* --- taking out --- */

/* What stays of an hour. */
typedef struct Rest
{
	TimestampTz from;
	TimestampTz to;
	const SlmViews *only;
	SlmView    *views;
	uint64		n;
	uint64		max;
	uint64		cut;
} Rest;

static void
keep_or_cut(const SlmView *view, void *arg)
{
	Rest	   *rest = arg;

	if (view->time >= rest->from && view->time < rest->to &&
		(rest->only == NULL || slm_views_find(rest->only, view->fingerprint) != NULL))
	{
		rest->cut++;
		return;
	}
	if (rest->n == rest->max)
	{
		rest->max = Max(2 * rest->max, 1024);
		rest->views = rest->views ? repalloc_huge(rest->views, sizeof(SlmView) * rest->max)
			: MemoryContextAllocHuge(CurrentMemoryContext, sizeof(SlmView) * rest->max);
	}
	rest->views[rest->n++] = *view;
}

static void
delete_hour(TimestampTz hour)
{
	static SlmStatement statement = {"DELETE FROM sellometer.view_log WHERE hour = $1", 1, {TIMESTAMPTZOID}};
	Datum		arg = TimestampTzGetDatum(hour);

	slm_execute(&statement, &arg, NULL, SPI_OK_DELETE);
}

static void
cut_hour(SlmDictionary *dictionary, TimestampTz hour, Rest *rest)
{
	rest->n = rest->cut = 0;
	if (rest->only == NULL && hour >= rest->from && hour + USECS_PER_HOUR <= rest->to)
	{
		delete_hour(hour);
		return;
	}
	read_hour(dictionary, hour, NULL, keep_or_cut, rest);
	if (rest->cut == 0)
		return;
	delete_hour(hour);
	slm_view_log_write(dictionary, &(SlmViewList) {.views = rest->views,.n = rest->n}, 1);
}

void
slm_view_log_cut(SlmDictionary *dictionary, TimestampTz from, TimestampTz to, const SlmViews *only)
{
	static SlmStatement epoch = {
		"UPDATE sellometer.state SET views_epoch = views_epoch + 1, "
		"views_thinned_at = CASE WHEN $1 THEN clock_timestamp() ELSE views_thinned_at END",
		1, {BOOLOID}
	};
	Datum		thinned;
	uint64		cut = 0;
	Rest		rest = {.from = from,.to = to,.only = only};
	int			n;
	TimestampTz *hours = hours_of_log(from, to, &n);

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	for (int i = 0; i < n; i++)
	{
		cut_hour(dictionary, hours[i], &rest);
		cut += rest.cut;
	}
	/* of each fingerprint more than the entry that counts: what others of its views there were is not known any more */
	thinned = BoolGetDatum(only == NULL || cut > only->nviews);
	slm_execute(&epoch, &thinned, NULL, SPI_OK_UPDATE);
}
