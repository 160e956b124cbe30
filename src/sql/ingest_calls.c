/*
 * ingest_calls.c: sellometer_ingest(), sellometer_merge_backlog() and the functions about sources and objects.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "funcapi.h"
#include "ingest/as_owner.h"
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
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(sellometer_ingest);
PG_FUNCTION_INFO_V1(sellometer_merge_backlog);
PG_FUNCTION_INFO_V1(sellometer_reload_object);
PG_FUNCTION_INFO_V1(sellometer_add_source);
PG_FUNCTION_INFO_V1(sellometer_alter_source);
PG_FUNCTION_INFO_V1(sellometer_move_source);
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

/* An error unless this role can list the URL; gives it back as the store spells it. */
static char *
check_listable_by(const char *url, const char *server, Oid role)
{
	SlmStore   *store = slm_store_open(url, server, role);
	SlmListQuery	listing = {.found = stop_at_first,.passed = ignore_passed};
	SlmStoreError error;
	char	   *canonical;

	if (!slm_store_list(store, &listing, &error))
		slm_store_error_raise(&error);
	canonical = pstrdup(slm_store_url(store));
	slm_store_close(store);
	return canonical;
}

static char *
check_listable(const char *url, const char *server)
{
	return check_listable_by(url, server, GetUserId());
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
check_overlap(const char *name, const char *url, const char *server, bool is_new)
{
	static SlmStatement statement = {
		"SELECT s.name, u.url FROM sellometer.sources s, LATERAL (VALUES (s.url), (s.archive_url)) u (url) "
		"WHERE ($4 OR s.name <> $3) AND s.server IS NOT DISTINCT FROM $2 AND (starts_with($1, u.url) OR starts_with(u.url, $1)) "
		"ORDER BY s.name LIMIT 1",
		4, {TEXTOID, TEXTOID, TEXTOID, BOOLOID}
	};
	char		nulls[] = "    ";
	Datum		args[4];

	args[0] = CStringGetTextDatum(url);
	args[1] = optional_text(server, &nulls[1]);
	args[2] = CStringGetTextDatum(name);
	args[3] = BoolGetDatum(is_new);
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

/* Where a source is, and where it archives: none of another's, and not the one inside the other. */
static void
check_places(const char *name, const char *url, const char *archive_url, const char *server, bool is_new)
{
	if (archive_url != NULL && strncmp(archive_url, url, strlen(url)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("archive_url must not be inside url"),
				 errdetail("What is archived below %s would be loaded again.", url)));
	check_overlap(name, url, server, is_new);
	if (archive_url != NULL)
		check_overlap(name, archive_url, server, is_new);
}

/*
 * Objects that are known by the URL of a new source are its own from now on.  The ledger is changed with the rights of the
 * extension's owner: whoever may add a source need not be able to write there.  An error makes the user the caller again.
 */
static void
adopt_objects(const char *name)
{
	static SlmStatement statement = {"SELECT sellometer.adopt_objects($1)", 1, {TEXTOID}};
	Datum		arg = CStringGetTextDatum(name);
	int64		adopted;
	Oid			caller;
	int			security;

	GetUserIdAndSecContext(&caller, &security);
	SetUserIdAndSecContext(slm_extension_owner(get_extension_oid("sellometer", false)), security | SECURITY_LOCAL_USERID_CHANGE);
	slm_execute(&statement, &arg, NULL, SPI_OK_SELECT);
	adopted = slm_int64(0, 1, 0);
	SetUserIdAndSecContext(caller, security);
	if (adopted > 0)
		ereport(NOTICE,
				(errmsg("source \"%s\" takes over " INT64_FORMAT " objects of sources that were dropped", name, adopted),
				 errdetail("What was counted of them is not counted again.")));
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
	check_places(name, url, archive_url, server, true);
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
	adopt_objects(name);
	SPI_finish();
	PG_RETURN_VOID();
}

/* --- changing a source --- */

typedef struct Settled
{
	char	   *name;
	char	   *url;
	char	   *server;			/* or NULL */
	char	   *archive_url;	/* or NULL */
	Oid			owner;
} Settled;

/* What a source is now, locked; an error if there is none, or if it is not for the caller to change: it is read with its owner's rights. */
static Settled
read_source(const char *name)
{
	static SlmStatement statement = {
		"SELECT name, url, server, archive_url, owner::oid::bigint FROM sellometer.sources WHERE name = $1 FOR UPDATE", 1, {TEXTOID}
	};
	Datum		arg = CStringGetTextDatum(name);
	MemoryContext context = CurrentMemoryContext;
	Settled		source = {0};

	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("source \"%s\" does not exist", name), errhint("The sources are listed in sellometer.sources.")));
	source.name = slm_text(context, 0, 1);
	source.url = slm_text(context, 0, 2);
	source.server = slm_text(context, 0, 3);
	source.archive_url = slm_text(context, 0, 4);
	source.owner = (Oid) slm_int64(0, 5, InvalidOid);
	if (!has_privs_of_role(GetUserId(), source.owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of source \"%s\"", name),
				 errdetail("It belongs to role \"%s\", with whose rights it is read.", GetUserNameFromId(source.owner, true))));
	return source;
}

/* Check it as sellometer_add_source() does, and write it. */
static void
change_source(Settled *source, const char *same_content)
{
	static SlmStatement update = {
		"UPDATE sellometer.sources SET url = $2, server = $3, archive_url = $4, same_content = coalesce($5, same_content) WHERE name = $1",
		5, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}
	};
	char		nulls[] = "     ";
	Datum		args[5];

	source->url = check_listable_by(source->url, source->server, source->owner);
	if (source->archive_url != NULL)
		source->archive_url = check_listable_by(as_directory(source->archive_url), source->server, source->owner);
	check_places(source->name, source->url, source->archive_url, source->server, false);
	args[0] = CStringGetTextDatum(source->name);
	args[1] = CStringGetTextDatum(source->url);
	args[2] = optional_text(source->server, &nulls[2]);
	args[3] = optional_text(source->archive_url, &nulls[3]);
	args[4] = optional_text(same_content, &nulls[4]);
	slm_execute(&update, args, nulls, SPI_OK_UPDATE);
}

/* NULL: as it was; empty: none. */
static char *
changed_text(FunctionCallInfo fcinfo, int i, char *was)
{
	char	   *value = text_argument(fcinfo, i, NULL);

	if (value == NULL)
		return was;
	return *value == '\0' ? NULL : value;
}

Datum
sellometer_alter_source(PG_FUNCTION_ARGS)
{
	char	   *name = text_argument(fcinfo, 0, "the name of a source");
	char	   *same_content = text_argument(fcinfo, 2, NULL);
	Settled		source;

	if (same_content != NULL && strcmp(same_content, "skip") != 0 && strcmp(same_content, "count") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("same_content must be \"skip\" or \"count\", not \"%s\"", same_content)));
	SPI_connect();
	source = read_source(name);
	source.archive_url = changed_text(fcinfo, 1, source.archive_url);
	source.server = changed_text(fcinfo, 3, source.server);
	change_source(&source, same_content);
	SPI_finish();
	PG_RETURN_VOID();
}

Datum
sellometer_move_source(PG_FUNCTION_ARGS)
{
	char	   *name = text_argument(fcinfo, 0, "the name of a source");
	char	   *url = text_argument(fcinfo, 1, "the url of a source");
	Settled		source;

	SPI_connect();
	source = read_source(name);
	source.url = url;
	change_source(&source, NULL);
	SPI_finish();
	PG_RETURN_VOID();
}
