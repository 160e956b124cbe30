/*
 * invariants.c: what must hold whatever has happened.
 *
 * To look takes about as long as what is looked at took to be made: so one time in eight.
 */
#include "postgres.h"

#include "ingest/invariants.h"

#ifdef USE_ASSERT_CHECKING

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "ingest/spi.h"
#include "ingest/view_rewrite.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static bool
is_time_to_look(void)
{
	return pg_prng_uint32(&pg_global_prng_state) % 8 == 0;
}

static bool
is_same(const SlmViewState *state, const SlmView *a, const SlmView *b)
{
	return a->time == b->time && slm_catalog_compare(state->catalog, a->offer, b->offer) == 0;
}

/*
 * The cache has all views from some time on; of the hour that this is in the log's block was not read.  Earlier ones it may have: then of
 * a fingerprint it knows that one.
 */
void
slm_check_views(SlmViewState *state)
{
	TimestampTz from = TIMESTAMP_NOT_FINITE(state->from) ? DT_NOBEGIN : state->from + USECS_PER_HOUR;
	SlmViews	log = {0};

	if (!state->cached || !is_time_to_look())
		return;
	slm_view_log_read(state->catalog, from, DT_NOEND, NULL, &log);
	for (uint64 i = 0; i < log.nslots; i++)
	{
		const SlmView *view = &log.slots[i];
		const SlmView *known;

		if (view->fingerprint == 0)
			continue;
		known = slm_views_find(&state->known, view->fingerprint);
		Assert(known != NULL);
		Assert(known->time < from || is_same(state, known, view));
	}
	for (uint64 i = 0; i < state->known.nslots; i++)
	{
		const SlmView *known = &state->known.slots[i];

		if (known->fingerprint != 0 && known->time >= from)
			Assert(slm_views_find(&log, known->fingerprint) != NULL);
	}
	slm_views_free(&log);
}

static void
check_table(const char *table, const char *where, TimestampTz first, TimestampTz last)
{
	Oid			types[2] = {TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		args[2] = {TimestampTzGetDatum(first), TimestampTzGetDatum(last)};
	char	   *sql = psprintf("SELECT FROM sellometer.%s WHERE event_time >= $1 AND event_time <= $2 AND %s LIMIT 1",
							   quote_identifier(table), where);

	if (slm_execute_args(sql, 2, types, args, SPI_OK_SELECT) > 0)
		elog(PANIC, "a count in sellometer.%s is not positive", table);
	pfree(sql);
}

void
slm_check_counts(const SlmTier *tier, const SlmCells *cells)
{
	TimestampTz first = DT_NOEND;
	TimestampTz last = DT_NOBEGIN;

	for (uint32 i = 0; i < cells->nbuckets; i++)
	{
		if (!cells->buckets[i].wanted)
			continue;
		first = Min(first, cells->buckets[i].start);
		last = Max(last, cells->buckets[i].start);
	}
	if (first > last || !is_time_to_look())
		return;
	for (SlmDimension d = 0; d < SLM_DIMENSIONS; d++)
		check_table(psprintf("%s_%s", slm_dimension_name(d), tier->name), "(count <= 0 OR gmv < 0)", first, last);
	check_table("totals", psprintf("tier = %s AND (count <= 0 OR gmv < 0)", quote_literal_cstr(tier->name)), first, last);
}

#endif
