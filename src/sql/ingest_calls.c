/*
 * ingest_calls.c: sellometer_ingest(), sellometer_merge_backlog() and what else loads.
 */
#include "postgres.h"

#include "archive/reload.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "ledger/discovery.h"
#include "ledger/pick.h"
#include "load/ingest.h"
#include "load/session_views.h"
#include "miscadmin.h"
#include "server/locks.h"
#include "server/processes.h"
#include "server/progress.h"
#include "server/spi.h"
#include "sql/calls.h"
#include "tcop/pquery.h"
#include "upkeep/fold_beside.h"
#include "upkeep/prune.h"
#include "upkeep/runs.h"
#include "upkeep/surge.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(sellometer_ingest);
PG_FUNCTION_INFO_V1(sellometer_merge_backlog);
PG_FUNCTION_INFO_V1(sellometer_reload_object);
PG_FUNCTION_INFO_V1(sellometer_hold_loading);

char *
slm_source_argument(FunctionCallInfo fcinfo)
{
	static SlmStatement statement = {"SELECT enabled::int::bigint FROM sellometer.sources WHERE name = $1", 1, {TEXTOID}};
	Datum		arg;
	char	   *name;

	if (PG_ARGISNULL(0))
		return NULL;
	name = MemoryContextStrdup(PortalContext, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	arg = CStringGetTextDatum(name);
	slm_secure_transaction();
	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("source \"%s\" does not exist", name),
				 errhint("The sources are listed in sellometer.sources; sellometer_add_source() adds one.")));
	if (slm_int64(0, 1, 0) == 0)
		ereport(NOTICE,
				(errmsg("source \"%s\" is not enabled: nothing of it is loaded", name),
				 errhint("sellometer_enable_source() enables it.")));
	return name;
}

/* Load batches until none is due.  listing: is a list under way, whose end brings more?  *fold: see slm_fold_in_step(). */
static void
load_batches(SlmIngest *ingest, const char *source, bool listing, SlmRemote **fold)
{
	MemoryContext turn_context = AllocSetContextCreate(CurrentMemoryContext, "sellometer turn", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(turn_context);
	SlmBatchResult result = {0};
	SlmWaiting	waiting = {0};
	bool		was_listing;
	int64		objects = 0;
	int64		bytes = 0;
	bool		surge = false;
	TimestampTz began;

	do
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(turn_context);
		slm_secure_transaction();
		objects += result.ended;
		bytes += result.ended_bytes;
		slm_ledger_waiting(&waiting, "pending", result.ended, result.ended_bytes);
		slm_progress_totals(objects + waiting.objects, bytes + waiting.bytes);
		surge = slm_surge_judge(surge, waiting.bytes);
		slm_ingest_set_surge(ingest, surge);
		began = GetCurrentTimestamp();
		slm_ingest_batch(ingest, "pending", source, &result);
		slm_keep_in_step(result.applied.head);
		MemoryContextSwitchTo(outer);
		/* while the last batch, which is often the largest, is written nothing is left to read */
		if (waiting.objects > result.ended)
			slm_fold_in_step(fold, (waiting.bytes - result.ended_bytes) / 2 <= result.ended_bytes);
		MemoryContextSwitchTo(turn_context);
		/* lists that are under way go on to their end, but none begins; what the end of one lets be loaded is still to come */
		was_listing = listing;
		listing = slm_sources_go_on(ingest->sources, source, slm_list_turn_after(began));
		if (result.objects == 0 && !result.more && (result.waiting > 0 || listing))
			slm_ingest_wait(ingest, 20);
	} while (result.objects > 0 || result.more || result.waiting > 0 || listing || was_listing);
	slm_ingest_set_surge(ingest, false);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(turn_context);
}

static void
load_all(SlmIngest *ingest, const char *source, bool listing)
{
	SlmRemote **fold = palloc0(sizeof(SlmRemote *));
	SlmRemote  *last;

	slm_progress_begin("load");
	PG_TRY();
	{
		load_batches(ingest, source, listing, fold);
		last = *fold;
		/* after an error in waiting it is gone */
		*fold = NULL;
		slm_fold_beside_wait(last);
	}
	PG_CATCH();
	{
		if (*fold != NULL)
			slm_remote_forget(*fold);
		PG_RE_THROW();
	}
	PG_END_TRY();
	slm_progress_end();
}

/* Whoever calls to load wants it loaded here. */
static void
resume_restored(FunctionCallInfo fcinfo)
{
	static SlmStatement statement = {"SELECT sellometer.resume_restored_sources($1)", 1, {TEXTOID}};
	Datum		arg = PG_ARGISNULL(0) ? (Datum) 0 : PG_GETARG_DATUM(0);

	slm_secure_transaction();
	slm_execute(&statement, &arg, PG_ARGISNULL(0) ? "n" : NULL, SPI_OK_SELECT);
}

static void
ingest_all(const char *source)
{
	MemoryContext old = MemoryContextSwitchTo(PortalContext);
	SlmIngest  *ingest;
	bool		listing;

	slm_secure_transaction();
	ingest = slm_ingest_begin(slm_session_views_take(), true);
	MemoryContextSwitchTo(old);
	slm_sources_refresh(ingest->sources);
	listing = slm_sources_discover(ingest->sources, source, true, SLM_LIST_TURN_MS);
	while (slm_sources_in_first_list(ingest->sources, source))
		listing = slm_sources_go_on(ingest->sources, source, SLM_LIST_TURN_MS);
	load_all(ingest, source, listing);
	slm_ingest_end(ingest);
	slm_session_views_keep();
}

Datum
sellometer_ingest(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	const char *source;

	slm_connect_to_commit(fcinfo, "sellometer_ingest");
	resume_restored(fcinfo);
	source = slm_source_argument(fcinfo);
	PG_TRY();
	{
		ingest_all(source);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		slm_session_views_drop();
		(void) slm_process_failed("ingest", CopyErrorData());
		PG_RE_THROW();
	}
	PG_END_TRY();
	(void) slm_process_well("ingest");
	slm_disconnect();
	PG_RETURN_VOID();
}

typedef struct Backlog
{
	const char *source;
	int			objects;
	uint64		rows;
	double		wait_ms;		/* longest, for the lock */
	double		held_ms;		/* longest: so long live loading may have had to wait */
} Backlog;

/* Is there an object to merge? */
typedef struct BacklogLook
{
	SlmRun	   *run;
	const char *source;
} BacklogLook;

static void
backlog_step(void *arg)
{
	static SlmStatement statement = {
		"SELECT 1 FROM sellometer.sources s CROSS JOIN LATERAL (SELECT 1 FROM sellometer.objects WHERE source = s.name AND state = 'backlog' "
		"AND (next_attempt IS NULL OR next_attempt <= clock_timestamp()) LIMIT 1) o "
		"WHERE s.enabled AND ($1 IS NULL OR s.name = $1) LIMIT 1", 1, {TEXTOID}
	};
	BacklogLook *look = arg;
	Datum		name = look->source ? CStringGetTextDatum(look->source) : (Datum) 0;

	if (slm_execute(&statement, &name, look->source ? NULL : "n", SPI_OK_SELECT) > 0)
		slm_run_begin(look->run);
}

static void
merge_all(SlmRun *run, void *arg)
{
	Backlog    *backlog = arg;
	SlmIngest  *ingest = slm_ingest_begin(NULL, false);
	BacklogLook look = {run, backlog->source};
	SlmBatchResult result;

	slm_commit();
	if (!slm_run_hold(run))
		slm_step(run, backlog_step, &look);
	do
	{
		CHECK_FOR_INTERRUPTS();
		if (run->id == 0 || slm_run_hold(run))
			break;
		slm_ingest_batch(ingest, "backlog", backlog->source, &result);
		backlog->objects += result.objects;
		backlog->rows += result.rows;
		backlog->wait_ms = Max(backlog->wait_ms, result.applied.wait_ms);
		backlog->held_ms = Max(backlog->held_ms, result.applied.held_ms);
		slm_keep_in_step(result.applied.head);
		if (result.objects == 0 && !result.more && result.waiting > 0)
			slm_ingest_wait(ingest, 20);
	} while (result.objects > 0 || result.more || result.waiting > 0);
	slm_ingest_end(ingest);
	appendStringInfo(&run->detail, "{\"objects\": %d, \"rows\": " UINT64_FORMAT ", "
					 "\"longest_wait_ms\": %.1f, \"longest_held_ms\": %.1f}",
					 backlog->objects, backlog->rows, backlog->wait_ms, backlog->held_ms);
}

Datum
sellometer_merge_backlog(PG_FUNCTION_ARGS)
{
	Backlog		backlog = {0};

	slm_connect_to_commit(fcinfo, "sellometer_merge_backlog");
	backlog.source = slm_source_argument(fcinfo);
	slm_commit();
	slm_run("merge_backlog", true, merge_all, &backlog);
	slm_disconnect();
	PG_RETURN_VOID();
}

Datum
sellometer_reload_object(PG_FUNCTION_ARGS)
{
	int64		taken;

	SPI_connect();
	slm_secure_transaction();
	taken = slm_reload_object(PG_GETARG_INT64(0));
	SPI_finish();
	PG_RETURN_INT64(taken);
}

Datum
sellometer_hold_loading(PG_FUNCTION_ARGS)
{
	(void) slm_writer_lock();
	PG_RETURN_VOID();
}
