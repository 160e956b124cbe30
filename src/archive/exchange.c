/*
 * exchange.c: an object's content, exchanged for a later one.
 *
 *   archive --rows of the old content--> taken out (take_out.h), part by part if it has many
 *   source  --rows of the new content--> counted with the last of these parts; or, if they are many, later, part by part
 *   [the caller commits]
 */
#include "postgres.h"

#include "archive/exchange.h"
#include "archive/take_out.h"
#include "catalog/pg_type.h"
#include "facts/visit_write.h"
#include "guc.h"
#include "ledger/head.h"
#include "ledger/object.h"
#include "ledger/reading.h"
#include "ledger/slice.h"
#include "ledger/record.h"
#include "ledger/rejects.h"
#include "ledger/skus.h"
#include "miscadmin.h"
#include "server/crash_point.h"
#include "server/out_of_memory.h"
#include "server/progress.h"
#include "server/spi.h"
#include "server/worker_slots.h"
#include "store/store.h"
#include "tiers/tier.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

typedef struct Exchange
{
	SlmObject	object;			/* the new content */
	SlmChunk	chunk;
} Exchange;

static void
free_exchange(void *arg)
{
	slm_chunk_free(&((Exchange *) arg)->chunk);
}

/* --- the new content --- */

static SlmStore *
open_object(Exchange *exchange, int64 id)
{
	static SlmStatement statement = {
		"SELECT o.source, o.key, o.etag, o.size, o.object_time, s.url, s.server, s.owner::oid::bigint, s.format_id, s.own_slice::int::bigint "
		"FROM sellometer.objects o JOIN sellometer.sources s ON s.name = o.source WHERE o.id = $1",
		1, {INT8OID}
	};
	SlmObject  *object = &exchange->object;
	MemoryContext context = CurrentMemoryContext;
	Datum		arg = Int64GetDatum(id);
	char	   *url;
	char	   *server;
	Oid			owner;

	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the object's source was dropped"), errhint("sellometer_add_source() it again.")));
	*object = (SlmObject) {.id = id,.number = -1};
	object->source = slm_text(context, 0, 1);
	object->key = slm_text(context, 0, 2);
	object->etag = slm_text(context, 0, 3);
	object->size = slm_int64(0, 4, 0);
	object->object_time = slm_int64(0, 5, DT_NOBEGIN);
	object->format_id = slm_int64(0, 9, 0);
	object->own_slice = slm_int64(0, 10, 0) != 0;
	url = slm_text(context, 0, 6);
	server = slm_text(context, 0, 7);
	owner = (Oid) slm_int64(0, 8, 0);
	object->format = slm_format_get(object->format_id);
	return slm_store_open(url, server, owner);
}

/* Read the first rows, or see whether all of it is sound; sets the outcome. */
static void
read_object(Exchange *exchange, SlmTakeOut *take, int64 id, bool all)
{
	SlmObject  *object = &exchange->object;
	SlmStore   *store = open_object(exchange, id);
	SlmClock	clock = {.head = slm_head_read(),.tiers = slm_tiers_read(),.slice = slm_slice_read(),.visits = slm_visits_wanted()};
	SlmReading *reading;

	clock.latest = GetCurrentTimestamp() + (int64) slm_max_clock_skew * USECS_PER_SEC;
	slm_skus_refresh();
	object->transfer = slm_store_get(store, object->key, object->etag, 0);
	reading = slm_reading_begin(object, &clock, &take->state->key, &take->state->checksum);
	if (all)
		slm_reading_validate(reading);
	else
		slm_reading_chunk(reading, &clock, take->state->dictionary, &exchange->chunk, false);
	slm_reading_end(reading);
	slm_transfer_close(object->transfer);
	slm_store_close(store);
	if (object->outcome != SLM_OBJECT_LOADED && object->outcome != SLM_OBJECT_PART)
		ereport(ERROR,
				(errcode(object->sqlstate),
				 errmsg("the object can't be loaded, and its first content stays counted"),
				 errdetail_internal("%s", object->error_detail ? object->error_detail : object->error)));
}

/* False: it has too many rows to be counted in this transaction, and will be loaded as any other object. */
static bool
read_new(Exchange *exchange, SlmTakeOut *take, int64 id)
{
	read_object(exchange, take, id, false);
	if (exchange->object.outcome == SLM_OBJECT_PART)
	{
		slm_progress_phase("look through the new content");
		read_object(exchange, take, id, true);
		return false;
	}
	exchange->object.number = (int) take->batch.nobjects;
	slm_take_out_add(take, exchange->chunk.rows, exchange->chunk.nrows);
	take->batch.visits.wanted &= exchange->chunk.visits.wanted;
	if (!slm_carts_fold(&take->batch.carts, &exchange->chunk.carts) ||
		!slm_visits_take(&take->batch.visits, exchange->chunk.visits.visits, exchange->chunk.visits.n))
		slm_out_of_memory();
	return true;
}

/* --- ledger --- */

static void
record_new(Exchange *exchange, SlmTakeOut *take)
{
	static SlmStatement rejected = {"DELETE FROM sellometer.rejected_rows WHERE object_id = $1", 1, {INT8OID}};
	Datum		id = Int64GetDatum(exchange->object.id);

	slm_execute(&rejected, &id, NULL, SPI_OK_DELETE);
	slm_ledger_record(&exchange->object, 1, take->batch.counts);
	slm_rejects_record(&exchange->object, 1);
	/* that the old content was taken out may have moved it back behind this */
	(void) slm_head_advance(&exchange->object, 1, slm_head_read());
}

static void
have_new_loaded(int64 id)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects SET state = 'pending', attempts = 0, next_attempt = NULL, error = NULL, sqlstate = NULL "
		"WHERE id = $1", 1, {INT8OID}
	};
	static SlmStatement rejected = {"DELETE FROM sellometer.rejected_rows WHERE object_id = $1", 1, {INT8OID}};
	Datum		arg = Int64GetDatum(id);

	slm_execute(&statement, &arg, NULL, SPI_OK_UPDATE);
	slm_execute(&rejected, &arg, NULL, SPI_OK_DELETE);
	(void) slm_wake_worker();
	ereport(NOTICE,
			(errmsg("the first content is taken out, and the new one waits to be loaded"),
			 errdetail("It has more than %d rows, so it is loaded in parts, like any object of this size.", slm_chunk_rows)));
}

static void
check_archived(int64 id)
{
	static SlmStatement statement = {"SELECT state, lost::int::bigint FROM sellometer.objects WHERE id = $1", 1, {INT8OID}};
	Datum		arg = Int64GetDatum(id);
	char	   *state;

	slm_execute(&statement, &arg, NULL, SPI_OK_SELECT);
	state = slm_text(CurrentMemoryContext, 0, 1);
	if (strcmp(state, "archived") != 0 || slm_int64(0, 2, 0) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the object's first content can't be read any more, so it can't be taken out"),
				 strcmp(state, "archived") != 0 ? errdetail("It was overwritten before it was archived.")
				 : errdetail("Its archive was declared lost."),
				 errhint("sellometer_skip() puts the changed object aside; the first content stays counted.")));
}

/* Take the next part of the old content out, and the new one in behind the last; returns whether this was it. */
static bool
exchange_part(Exchange *exchange, int64 old, int64 new)
{
	SlmTakeOut *take;
	bool		is_last;
	bool		counts_new;
	TimestampTz head;

	slm_progress_phase("read the first content");
	take = slm_take_out_begin(old, PG_INT64_MAX);
	is_last = take->stopped_at == SLM_HISTORY_END;
	counts_new = is_last && read_new(exchange, take, new);
	slm_take_out_views(take);
	head = slm_head_read();
	if (counts_new)
		head = slm_head_advance(&exchange->object, 1, head);
	slm_take_out_write(take, head);
	slm_take_out_record(take, "replaced by a later content");
	if (counts_new)
		record_new(exchange, take);
	else if (is_last)
		have_new_loaded(new);
	SLM_CRASH_POINT("replace.recorded");
	slm_take_out_end(take);
	return is_last;
}

void
slm_exchange_object(int64 old, int64 new)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer replace", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	Exchange   *exchange = palloc0(sizeof(Exchange));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	callback->func = free_exchange;
	callback->arg = exchange;
	MemoryContextRegisterResetCallback(context, callback);
	slm_progress_begin("replace");
	PG_TRY();
	{
		slm_history_lock();
		check_archived(old);
		while (!exchange_part(exchange, old, new))
			CHECK_FOR_INTERRUPTS();
	}
	PG_FINALLY();
	{
		slm_progress_end();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
}
