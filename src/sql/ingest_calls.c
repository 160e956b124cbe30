/*
 * ingest_calls.c: sellometer_ingest(), sellometer_merge_backlog() and the functions about sources and objects.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "ingest/ingest.h"
#include "ingest/prune.h"
#include "ingest/reload.h"
#include "ingest/shmem.h"
#include "ingest/runs.h"
#include "ingest/spi.h"
#include "ingest/surge.h"
#include "miscadmin.h"
#include "sql/calls.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(sellometer_ingest);
PG_FUNCTION_INFO_V1(sellometer_merge_backlog);
PG_FUNCTION_INFO_V1(sellometer_reload_object);
PG_FUNCTION_INFO_V1(sellometer_add_source);
PG_FUNCTION_INFO_V1(sellometer_check_url);
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

/* Load batches of one state until none is due. */
static void
load_all(SlmIngest *ingest, const char *state, const char *source)
{
	MemoryContext turn_context = AllocSetContextCreate(CurrentMemoryContext, "sellometer turn", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(turn_context);
	SlmBatchResult result = {0};
	SlmWaiting	waiting = {0};
	bool		listing = false;
	int64		objects = 0;
	int64		bytes = 0;
	bool		surge = false;

	slm_progress_begin(strcmp(state, "backlog") == 0 ? "merge_backlog" : "load");
	do
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(turn_context);
		slm_secure_transaction();
		objects += result.objects;
		bytes += result.bytes;
		slm_ledger_waiting(&waiting, state, result.objects, result.bytes);
		slm_progress_totals(objects + waiting.objects, bytes + waiting.bytes);
		surge = slm_surge_judge(surge, waiting.bytes);
		slm_ingest_set_surge(ingest, surge);
		slm_ingest_batch(ingest, state, source, &result);
		slm_keep_in_step(result.applied.head);
		/* lists that are under way go on to their end, but none begins */
		listing = slm_sources_go_on(ingest->sources, source);
		if (result.objects == 0 && !result.more && (result.waiting > 0 || listing))
			slm_ingest_wait(ingest, 20);
	} while (result.objects > 0 || result.more || result.waiting > 0 || listing);
	slm_ingest_set_surge(ingest, false);
	slm_progress_end();
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(turn_context);
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

Datum
sellometer_ingest(PG_FUNCTION_ARGS)
{
	char	   *source;
	SlmIngest  *ingest;
	MemoryContext old;

	slm_connect_to_commit(fcinfo, "sellometer_ingest");
	resume_restored(fcinfo);
	source = slm_source_argument(fcinfo);
	old = MemoryContextSwitchTo(PortalContext);
	ingest = slm_ingest_begin(true);
	MemoryContextSwitchTo(old);
	slm_secure_transaction();
	slm_sources_refresh(ingest->sources);
	(void) slm_sources_discover(ingest->sources, source, true);
	while (slm_sources_in_first_list(ingest->sources, source))
		(void) slm_sources_go_on(ingest->sources, source);
	load_all(ingest, "pending", source);
	slm_ingest_end(ingest);
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
	SlmIngest  *ingest = slm_ingest_begin(false);
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

/* --- sources --- */

static bool
stop_at_first(const SlmObjectInfo *info, void *arg)
{
	return false;
}

/* One directory below that can't be read hides nothing but itself. */
static void
ignore_passed(const char *key, SlmPassReason reason, const char *why, void *arg)
{
}

/* An error unless the URL can be listed; gives it back as the store spells it. */
static char *
check_listable(const char *url, const char *server)
{
	SlmStore   *store = slm_store_open(url, server, GetUserId());
	SlmListQuery	listing = {.found = stop_at_first,.passed = ignore_passed};
	SlmStoreError error;
	char	   *canonical;

	if (!slm_store_list(store, &listing, &error))
		slm_store_error_raise(&error);
	canonical = pstrdup(slm_store_url(store));
	slm_store_close(store);
	return canonical;
}

Datum
sellometer_check_url(PG_FUNCTION_ARGS)
{
	char	   *url = text_to_cstring(PG_GETARG_TEXT_PP(0));

	(void) check_listable(url, PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}

static char *
text_argument(FunctionCallInfo fcinfo, int i, const char *what)
{
	char	   *value = PG_ARGISNULL(i) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(i));

	if (what != NULL && (value == NULL || *value == '\0'))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be empty", what)));
	return value;
}

static Datum
optional_text(const char *value, char *null)
{
	*null = value ? ' ' : 'n';
	return value ? CStringGetTextDatum(value) : (Datum) 0;
}

/* What is in two sources would be counted twice, and what one archives must not be loaded by another. */
static void
check_overlap(const char *name, const char *url, const char *server)
{
	static SlmStatement statement = {
		"SELECT s.name, u.url FROM sellometer.sources s, LATERAL (VALUES (s.url), (s.archive_url)) u (url) "
		"WHERE s.server IS NOT DISTINCT FROM $2 AND (starts_with($1, u.url) OR starts_with(u.url, $1)) "
		"ORDER BY s.name LIMIT 1",
		2, {TEXTOID, TEXTOID}
	};
	char		nulls[] = "  ";
	Datum		args[2];

	args[0] = CStringGetTextDatum(url);
	args[1] = optional_text(server, &nulls[1]);
	if (slm_execute(&statement, args, nulls, SPI_OK_SELECT) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("source \"%s\" would overlap with source \"%s\"", name, slm_text(CurrentMemoryContext, 0, 1)),
				 errdetail("%s and %s have objects in common, which would be counted twice.", url,
						   slm_text(CurrentMemoryContext, 0, 2)),
				 errhint("Choose prefixes for objects and archives of which none begins with another.")));
}

/* Archives are <archive_url>/<name>: so it is what stands behind the slash that must not overlap. */
static char *
as_directory(const char *url)
{
	size_t		len = strlen(url);

	return psprintf("%s%s", url, len > 0 && url[len - 1] == '/' ? "" : "/");
}

Datum
sellometer_add_source(PG_FUNCTION_ARGS)
{
	static SlmStatement insert = {
		"INSERT INTO sellometer.sources (name, url, server, archive_url, enabled, owner) "
		"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO NOTHING",
		6, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, BOOLOID, REGROLEOID}
	};
	char	   *name = text_argument(fcinfo, 0, "the name of a source");
	char	   *url = text_argument(fcinfo, 1, "the url of a source");
	char	   *server = text_argument(fcinfo, 2, NULL);
	char	   *archive_url = text_argument(fcinfo, 3, NULL);
	char		nulls[] = "      ";
	Datum		args[6];

	SPI_connect();
	url = check_listable(url, server);
	if (archive_url != NULL)
		archive_url = check_listable(as_directory(archive_url), server);
	if (archive_url != NULL && strncmp(archive_url, url, strlen(url)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("archive_url must not be inside url"),
				 errdetail("What is archived below %s would be loaded again.", url)));
	check_overlap(name, url, server);
	if (archive_url != NULL)
		check_overlap(name, archive_url, server);
	args[0] = CStringGetTextDatum(name);
	args[1] = CStringGetTextDatum(url);
	args[2] = optional_text(server, &nulls[2]);
	args[3] = optional_text(archive_url, &nulls[3]);
	args[4] = BoolGetDatum(PG_ARGISNULL(4) || PG_GETARG_BOOL(4));
	args[5] = ObjectIdGetDatum(GetUserId());
	if (slm_execute(&insert, args, nulls, SPI_OK_INSERT) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("source \"%s\" exists already", name),
				 errhint("Choose another name, or call sellometer_drop_source() first.")));
	SPI_finish();
	PG_RETURN_VOID();
}
