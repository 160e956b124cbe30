/*
 * reload.c: what was left out of an object that is loaded, tried again.
 *
 *   transfer of the object --(sellometer.refused_rows: which rows)--+
 *   transfer of its archive --(row map: which rows)-------------+--> reading --> batch --> [writer's lock] apply as any late batch
 *                                                                        |
 *                                              what is left out still: rejected rows, refused_rows or row map, ledger
 *
 * What is stored is a function of the set of rows that count, so it makes no difference that these come later than the others.
 */
#include "postgres.h"

#include "archive/history.h"
#include "archive/reload.h"
#include "catalog/pg_type.h"
#include "dedup/view_state.h"
#include "facts/visit_write.h"
#include "guc.h"
#include "ledger/counters.h"
#include "ledger/currency.h"
#include "ledger/head.h"
#include "ledger/reading.h"
#include "ledger/refused.h"
#include "ledger/rejects.h"
#include "ledger/slice.h"
#include "ledger/skus.h"
#include "load/apply.h"
#include "pure/rowmap.h"
#include "server/crash_point.h"
#include "server/out_of_memory.h"
#include "server/spi.h"
#include "store/store.h"
#include "tiers/tier.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

typedef struct Reload
{
	SlmObject	object;			/* as it is read: key, etag and size may be those of its archive */
	char	   *what;			/* for messages */
	char	   *url;
	char	   *server;
	Oid			owner;
	uint64		rows_total;		/* as the ledger says */
	uint64		rows_left;		/* were rejected or expired */

	int64		archive;		/* its archive's id; 0: it is not archived */
	bytea	   *row_map;
	uint32		place;			/* in the archive's list of objects */
	SlmRowMapReader map;

	SlmRefusedRows refused;

	SlmViewState *state;
	SlmClock	clock;
	SlmChunk	chunk;
	SlmBatch	batch;

	/* what came of it, over all parts */
	uint64		rows_read;
	uint64		rows_rejected;
	uint64		rows_expired;
	TimestampTz latest_expired;
	TimestampTz first_event;
	TimestampTz last_event;
	SlmRowSet	left;			/* rows of what is read that are left out still */
} Reload;

static void
free_reload(void *arg)
{
	Reload	   *reload = arg;

	slm_chunk_free(&reload->chunk);
	slm_batch_free(&reload->batch);
	slm_row_map_close(&reload->map);
	slm_row_set_free(&reload->left);
}

/* --- the object --- */

static void
look_up_object(Reload *reload, int64 id)
{
	static SlmStatement statement = {
		"SELECT o.source, o.key, o.etag, o.size, o.object_time, o.rows_total, o.rows_rejected + o.rows_expired, "
		"s.url, s.server, s.owner::oid::bigint, coalesce(a.id, 0), a.url, a.server, a.owner::oid::bigint, a.key, a.etag, a.bytes, "
		"a.row_map, array_position(a.objects, o.id)::bigint, o.format_id, "
		"CASE WHEN a.id IS NULL THEN o.rates ELSE a.rates[array_position(a.objects, o.id)] END, "
		"coalesce(a.counted_sources[array_position(a.objects, o.id)], o.counted_source, o.source), "
		"coalesce(a.counted_keys[array_position(a.objects, o.id)], o.counted_key, o.key), o.own_slice::int::bigint "
		"FROM sellometer.objects o LEFT JOIN sellometer.sources s ON s.name = o.source "
		"LEFT JOIN sellometer.archives a ON o.state = 'archived' AND a.source = o.source AND a.key = o.archive_key AND o.id = ANY (a.objects) "
		"WHERE o.id = $1",
		1, {INT8OID}
	};
	SlmObject  *object = &reload->object;
	MemoryContext context = CurrentMemoryContext;
	Datum		arg = Int64GetDatum(id);
	bool		isnull;

	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) != 1)
		elog(ERROR, "an object's row is gone");
	object->id = id;
	object->number = -1;
	object->reloaded = true;
	object->source = slm_text(context, 0, 1);
	object->key = slm_text(context, 0, 2);
	object->object_time = slm_int64(0, 5, DT_NOBEGIN);
	reload->rows_total = (uint64) slm_int64(0, 6, 0);
	reload->rows_left = (uint64) slm_int64(0, 7, 0);
	reload->archive = slm_int64(0, 11, 0);
	reload->what = psprintf("object \"%s\" of source \"%s\"", slm_store_display(object->key), object->source);
	if (reload->archive == 0)
	{
		object->etag = slm_text(context, 0, 3);
		object->size = slm_int64(0, 4, 0);
		reload->url = slm_text(context, 0, 8);
		reload->server = slm_text(context, 0, 9);
		reload->owner = (Oid) slm_int64(0, 10, 0);
		object->format_id = slm_int64(0, 20, 0);
	}
	else
	{
		reload->url = slm_text(context, 0, 12);
		reload->server = slm_text(context, 0, 13);
		reload->owner = (Oid) slm_int64(0, 14, 0);
		object->key = slm_text(context, 0, 15);
		object->etag = slm_text(context, 0, 16);
		object->size = slm_int64(0, 17, 0);
		reload->row_map = DatumGetByteaPCopy(slm_value(0, 18, &isnull));
		reload->place = (uint32) slm_int64(0, 19, 1) - 1;
	}
	if (reload->url == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("%s can't be read any more", reload->what), errdetail("The source was dropped."),
				 errhint("sellometer_add_source() it again.")));
	object->rates = slm_bytes(context, 0, 21, &object->rates_len);
	object->counted_source = slm_text(context, 0, 22);
	object->counted_key = slm_text(context, 0, 23);
	object->own_slice = slm_int64(0, 24, 0) != 0;
	/* an archive has none */
	object->format = slm_format_get(object->format_id);
}

/* --- reading --- */

static SlmRowChoice
choose_refused(void *arg, uint64 row)
{
	Reload	   *reload = arg;

	return slm_refused_has(&reload->refused, (int64) row) ? SLM_ROW_WANTED : SLM_ROW_COUNTED;
}

static SlmRowChoice
choose_by_map(void *arg, uint64 row)
{
	Reload	   *reload = arg;
	uint32		object;
	bool		counted;

	if (!slm_row_map_next(&reload->map, &object, &counted))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the archive of %s does not fit its row map in sellometer.archives", reload->what)));
	if (object != reload->place)
		return SLM_ROW_FOREIGN;
	return counted ? SLM_ROW_COUNTED : SLM_ROW_WANTED;
}

/* Which rows are wanted, from the first on. */
static void
begin_choice(Reload *reload, SlmReading *reading)
{
	if (reload->archive == 0)
	{
		slm_refused_read(&reload->refused, reload->object.id);
		slm_reading_choose(reading, choose_refused, reload);
		return;
	}
	slm_row_map_close(&reload->map);
	if (!slm_row_map_read(&reload->map, VARDATA_ANY(reload->row_map), VARSIZE_ANY_EXHDR(reload->row_map)))
		slm_out_of_memory();
	slm_reading_choose(reading, choose_by_map, reload);
}

static SlmReading *
begin_reading(Reload *reload, SlmStore *store)
{
	SlmReading *reading;

	reload->object.transfer = slm_store_get(store, reload->object.key, reload->object.etag, 0);
	reading = slm_reading_begin(&reload->object, &reload->clock, &reload->state->key, &reload->state->checksum);
	begin_choice(reload, reading);
	return reading;
}

static void
end_reading(Reload *reload, SlmReading *reading)
{
	slm_reading_end(reading);
	slm_transfer_close(reload->object.transfer);
	reload->object.transfer = NULL;
}

static void
check_outcome(const Reload *reload)
{
	const SlmObject *object = &reload->object;

	if (object->outcome == SLM_OBJECT_LOADED || object->outcome == SLM_OBJECT_PART)
		return;
	ereport(ERROR,
			(errcode(object->sqlstate),
			 errmsg("%s can't be read as it was when it was loaded: what was left out of it stays so", reload->what),
			 errdetail_internal("%s", object->error_detail ? object->error_detail : object->error)));
}

/* The set of a part is added to that of all. */
static void
add_left(Reload *reload, const SlmObject *object)
{
	SlmRowSetReader reader;

	slm_row_set_read(&reader, object->refused, object->refused_len);
	for (uint64 row; slm_row_set_next(&reader, &row);)
	{
		if (!slm_row_set_add(&reload->left, row))
			slm_out_of_memory();
	}
}

static void
take_part(Reload *reload)
{
	SlmObject  *object = &reload->object;

	check_outcome(reload);
	if (!slm_object_add(object, &reload->batch, &reload->chunk))
		slm_out_of_memory();
	if (slm_batch_memory(&reload->batch) > (size_t) slm_work_memory * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("what was left out of %s needs more memory than sellometer.work_memory", reload->what),
				 errhint("Raise sellometer.work_memory.")));
	reload->rows_read += object->rows_total;
	reload->rows_rejected += object->rows_rejected;
	reload->rows_expired += object->rows_expired;
	reload->latest_expired = Max(reload->latest_expired, object->latest_expired);
	reload->first_event = Min(reload->first_event, object->first_event);
	reload->last_event = Max(reload->last_event, object->last_event);
	add_left(reload, object);
	/* lines of an archive are none of the object's */
	if (reload->archive == 0)
		slm_rejects_record(object, 1);
	object->rejected_before += object->nrejects;
}

static void
read_parts(Reload *reload, SlmStore *store)
{
	SlmObject  *object = &reload->object;
	SlmReading *reading;

	slm_skus_refresh();
	reading = begin_reading(reload, store);
	slm_reading_chunk(reading, &reload->clock, reload->state->dictionary, &reload->chunk, false);
	if (object->outcome == SLM_OBJECT_PART)
	{
		/* all of its times must be known before any of them is judged */
		end_reading(reload, reading);
		reading = begin_reading(reload, store);
		slm_reading_validate(reading);
		check_outcome(reload);
		end_reading(reload, reading);
		reading = begin_reading(reload, store);
		slm_reading_chunk(reading, &reload->clock, reload->state->dictionary, &reload->chunk, false);
	}
	take_part(reload);
	while (object->outcome == SLM_OBJECT_PART)
	{
		slm_reading_chunk(reading, &reload->clock, reload->state->dictionary, &reload->chunk, false);
		take_part(reload);
	}
	end_reading(reload, reading);
	if (!slm_row_set_finish(&reload->left))
		slm_out_of_memory();
	if (reload->rows_read != reload->rows_total)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("%s is not read as it was when it was loaded", reload->what),
				 errdetail("It has " UINT64_FORMAT " rows now, where " UINT64_FORMAT " are on record.", reload->rows_read, reload->rows_total)));
}

/* --- recording --- */

static void
forget_rejects(int64 id)
{
	static SlmStatement statement = {"DELETE FROM sellometer.rejected_rows WHERE object_id = $1", 1, {INT8OID}};
	Datum		arg = Int64GetDatum(id);

	slm_execute_by_index(&statement, &arg, NULL, SPI_OK_DELETE);
}

/* All that counts of a part must lie in its window; what is left out is known by its number. */
static void
widen_windows(const Reload *reload)
{
	static SlmStatement statement = {
		"UPDATE sellometer.object_parts SET first_event = least(first_event, $2), last_event = greatest(last_event, $3) "
		"WHERE object_id = $1",
		3, {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		args[3] = {Int64GetDatum(reload->object.id), TimestampTzGetDatum(reload->first_event),
	TimestampTzGetDatum(reload->last_event)};

	slm_execute_by_index(&statement, args, NULL, SPI_OK_UPDATE);
}

static void
record_object(const Reload *reload, uint64 counted, uint64 duplicate)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects SET rows_counted = rows_counted + $2, rows_duplicate = rows_duplicate + $3, "
		"rows_rejected = $4, rows_expired = $5, rows_elsewhere = CASE WHEN $8 THEN rows_total - rows_counted - rows_duplicate - $2 - $3 - $4 - $5 ELSE 0 END, "
		"first_event = least(first_event, $6), last_event = greatest(last_event, $7), "
		"rates = $9 WHERE id = $1",
		9, {INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID, BYTEAOID}
	};
	/* what was left out and is taken now may be of another slice */
	char		nulls[] = "         ";
	Datum		args[9] = {Int64GetDatum(reload->object.id), Int64GetDatum(counted), Int64GetDatum(duplicate),
		Int64GetDatum(reload->rows_rejected), Int64GetDatum(reload->rows_expired), TimestampTzGetDatum(reload->first_event),
	TimestampTzGetDatum(reload->last_event), BoolGetDatum(slm_is_sliced(reload->clock.slice)),
	slm_currency_datum(reload->object.rates, reload->object.rates_len)};

	if (TIMESTAMP_NOT_FINITE(reload->first_event))
		nulls[5] = nulls[6] = 'n';
	if (reload->object.rates == NULL)
		nulls[8] = 'n';
	slm_execute_by_index(&statement, args, nulls, SPI_OK_UPDATE);
	slm_counters_add_rows(reload->object.source, counted, duplicate);
}

/* The archive's map as it was, but that rows of the object count which are not left out any more. */
static bytea *
corrected_map(Reload *reload)
{
	SlmRowMap	map = {0};
	SlmRowMapReader from = {0};
	SlmRowSetReader left;
	uint32		object;
	bool		counted;
	bool		ok = slm_row_map_read(&from, VARDATA_ANY(reload->row_map), VARSIZE_ANY_EXHDR(reload->row_map));
	bytea	   *corrected;

	slm_row_set_read(&left, reload->left.data, reload->left.len);
	for (uint64 row = 0; ok && slm_row_map_next(&from, &object, &counted); row++)
	{
		if (object == reload->place && !counted)
			counted = !slm_row_set_has(&left, row);
		ok = slm_row_map_add(&map, object, counted);
	}
	slm_row_map_close(&from);
	if (!ok || !slm_row_map_finish(&map))
	{
		slm_row_map_free(&map);
		slm_out_of_memory();
	}
	corrected = MemoryContextAllocHuge(CurrentMemoryContext, map.len + VARHDRSZ);
	SET_VARSIZE(corrected, map.len + VARHDRSZ);
	memcpy(VARDATA(corrected), map.data, map.len);
	slm_row_map_free(&map);
	return corrected;
}

static void
record_map(Reload *reload)
{
	static SlmStatement statement = {
		/* it may have rows of objects that the ledger has forgotten */
		"UPDATE sellometer.archives a SET row_map = $2, (first_event, last_event) = "
		"(SELECT least(a.first_event, min(o.first_event)), greatest(a.last_event, max(o.last_event)) "
		"FROM sellometer.objects o WHERE o.id = ANY (a.objects)), "
		/* that of the object may be the first one that there is */
		"rates = CASE WHEN $4 IS NULL THEN rates ELSE (SELECT array_agg(CASE i.ordinality WHEN $3 THEN $4 ELSE i.rates END ORDER BY i.ordinality) "
		"FROM unnest(a.objects, a.rates) WITH ORDINALITY i (id, rates, ordinality)) END WHERE a.id = $1",
		4, {INT8OID, BYTEAOID, INT8OID, BYTEAOID}
	};
	const SlmObject *object = &reload->object;
	Datum		args[4] = {Int64GetDatum(reload->archive), PointerGetDatum(corrected_map(reload)), Int64GetDatum((int64) reload->place + 1),
	slm_currency_datum(object->rates, object->rates_len)};

	if (slm_execute_by_index(&statement, args, object->rates == NULL ? "   n" : NULL, SPI_OK_UPDATE) != 1)
		elog(ERROR, "an archive's row is gone");
}

static int64
record(Reload *reload)
{
	uint64		counted = 0;
	uint64		duplicate = 0;

	for (uint32 i = 0; i < reload->batch.nobjects; i++)
	{
		counted += reload->batch.counts[i].counted;
		duplicate += reload->batch.counts[i].duplicate;
	}
	record_object(reload, counted, duplicate);
	if (!TIMESTAMP_NOT_FINITE(reload->first_event))
		widen_windows(reload);
	if (reload->archive != 0)
	{
		record_map(reload);
		if (reload->rows_rejected == 0)
			forget_rejects(reload->object.id);
		return (int64) (counted + duplicate);
	}
	slm_refused_forget(reload->object.id);
	if (reload->left.len > 0)
		slm_refused_record(reload->object.id, 0, reload->left.data, reload->left.len);
	return (int64) (counted + duplicate);
}

/* --- all of it --- */

static Reload *
create_reload(int64 id)
{
	Reload	   *reload = palloc0(sizeof(Reload));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	reload->first_event = DT_NOEND;
	reload->last_event = reload->latest_expired = DT_NOBEGIN;
	reload->state = slm_view_state_create(false);
	callback->func = free_reload;
	callback->arg = reload;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	slm_batch_init(&reload->batch, reload->state->dictionary);
	look_up_object(reload, id);
	reload->clock = (SlmClock) {.head = slm_head_read(),.tiers = slm_tiers_read(),.slice = slm_slice_read(),.visits = slm_visits_wanted()};
	reload->clock.latest = GetCurrentTimestamp() + (int64) slm_max_clock_skew * USECS_PER_SEC;
	return reload;
}

int64
slm_reload_object(int64 id)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer reload", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	Reload	   *reload;
	SlmStore   *store;
	SlmObject  *object;
	int64		taken;

	/* what is archived meanwhile would have another place */
	slm_history_lock();
	reload = create_reload(id);
	object = &reload->object;
	store = slm_store_open(reload->url, reload->server, reload->owner);
	if (reload->archive == 0)
		forget_rejects(id);
	read_parts(reload, store);
	slm_store_close(store);
	SLM_CRASH_POINT("reload.read");

	/* apply records nothing of an object that waits; and what was left out says nothing about how far the data has got */
	object->outcome = SLM_OBJECT_WAITING;
	object->median = DT_NOBEGIN;
	object->latest_expired = reload->latest_expired;
	(void) slm_apply(&reload->batch, object, 1, reload->state, DT_NOBEGIN, true, NULL);
	taken = record(reload);
	SLM_CRASH_POINT("reload.recorded");
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
	return taken;
}
