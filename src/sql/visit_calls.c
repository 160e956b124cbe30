/*
 * visit_calls.c: what is loaded already, counted by session; and bits of a mask.
 */
#include "postgres.h"

#include "archive/history.h"
#include "catalog/pg_type.h"
#include "dedup/view_state.h"
#include "executor/spi.h"
#include "facts/visit_write.h"
#include "fmgr.h"
#include "server/crash_point.h"
#include "server/locks.h"
#include "server/out_of_memory.h"
#include "server/spi.h"
#include "utils/array.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(sellometer_set_bits);
PG_FUNCTION_INFO_V1(sellometer_fill_visits);

#define MAX_BITS		64

Datum
sellometer_set_bits(PG_FUNCTION_ARGS)
{
	uint64		mask = (uint64) PG_GETARG_INT64(0);
	Datum		bits[MAX_BITS];
	int			n = 0;

	for (int i = 0; i < MAX_BITS; i++)
	{
		if (mask >> i & 1)
			bits[n++] = Int32GetDatum(i);
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(bits, n, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

typedef struct Fill
{
	SlmViewState *state;		/* for its dictionary and key */
	SlmVisits	visits;
} Fill;

static void
free_fill(void *arg)
{
	slm_visits_free(&((Fill *) arg)->visits);
}

static void
take_event(const SlmEvent *event, void *arg)
{
	Fill	   *fill = arg;
	SlmOfferId	offer;

	if (event->session.len == 0)
		return;
	offer = slm_dictionary_own(fill->state->dictionary)->visits ? slm_event_offer(fill->state, event) : SLM_NO_OFFER;
	if (!slm_visits_add(&fill->visits, slm_view_fingerprint(&fill->state->key, event->session, 0), event->time, event->type == SLM_PURCHASE,
						offer == SLM_NO_OFFER ? 0 : slm_dictionary_visit_keys(fill->state->dictionary, offer)))
		slm_out_of_memory();
}

/* Of the rows that count the first and the last time; false if there are none. */
static bool
read_span(TimestampTz *first, TimestampTz *last)
{
	static SlmStatement statement = {
		"SELECT min(first_event), max(last_event) FROM (SELECT first_event, last_event FROM sellometer.objects "
		"UNION ALL SELECT first_event, last_event FROM sellometer.archives) x"
	};

	slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	*first = slm_int64(0, 1, DT_NOEND);
	*last = slm_int64(0, 2, DT_NOBEGIN);
	return *first <= *last;
}

/* Day by day: what is read at once is sorted in memory. */
static void
fill_days(Fill *fill, TimestampTz since)
{
	TimestampTz time;
	TimestampTz last;

	if (!read_span(&time, &last))
		return;
	for (time = Max(time, since); time <= last; time += USECS_PER_DAY)
	{
		(void) slm_history_read(slm_history_create(), time, time + USECS_PER_DAY, take_event, fill);
		slm_visits_write(&fill->visits, fill->state->dictionary);
		SLM_CRASH_POINT("visits.filled");
		slm_visits_reset(&fill->visits);
		slm_view_state_trim(fill->state, DT_NOBEGIN);
	}
}

Datum
sellometer_fill_visits(PG_FUNCTION_ARGS)
{
	TimestampTz since = PG_GETARG_TIMESTAMPTZ(0);
	Fill	   *fill = palloc0(sizeof(Fill));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	SPI_connect();
	fill->visits.wanted = true;
	callback->func = free_fill;
	callback->arg = fill;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	slm_history_lock();
	(void) slm_writer_lock();
	fill->state = slm_view_state_create(false);
	fill_days(fill, since);
	SPI_finish();
	PG_RETURN_VOID();
}
