/*
 * archive_calls.c: sellometer_archive(), sellometer_replay(), sellometer_unload(), and what sellometer_retry() replaces by.
 */
#include "postgres.h"

#include "archive/archive.h"
#include "archive/exchange.h"
#include "archive/missing.h"
#include "archive/replay.h"
#include "archive/unload.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "server/spi.h"
#include "sql/calls.h"
#include "storage/lmgr.h"
#include "tcop/pquery.h"
#include "tiers/tier.h"
#include "upkeep/runs.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(sellometer_whole_buckets_from);
PG_FUNCTION_INFO_V1(sellometer_wait_for_readers);
PG_FUNCTION_INFO_V1(sellometer_archive);
PG_FUNCTION_INFO_V1(sellometer_replay);
PG_FUNCTION_INFO_V1(sellometer_replace_object);
PG_FUNCTION_INFO_V1(sellometer_unload);
PG_FUNCTION_INFO_V1(sellometer_unload_in_steps);
PG_FUNCTION_INFO_V1(sellometer_object_problem);

/* Whoever names a source wants it archived: say so if that can't be. */
static void
check_has_archive(const char *source)
{
	static SlmStatement statement = {
		"SELECT 1 FROM sellometer.sources WHERE name = $1 AND archive_url IS NOT NULL", 1, {TEXTOID}
	};
	Datum		arg = CStringGetTextDatum(source);

	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("source \"%s\" has no archive_url", source),
				 errhint("sellometer_alter_source() with archive_url says where.")));
}

static void
archive_all(SlmRun *run, void *arg)
{
	slm_archive_all(run, arg);
}

Datum
sellometer_archive(PG_FUNCTION_ARGS)
{
	char	   *source;

	slm_connect_to_commit(fcinfo, "sellometer_archive");
	source = slm_source_argument(fcinfo);
	if (source != NULL)
		check_has_archive(source);
	slm_commit();
	slm_run("archive", true, archive_all, source);
	slm_disconnect();
	PG_RETURN_VOID();
}

/* --- replay --- */

/* Has a source rows in the range that counted? */
static bool
has_rows(const char *source, TimestampTz from, TimestampTz to)
{
	static SlmStatement statement = {
		"SELECT 1 FROM sellometer.objects WHERE source = $1 AND (state IN ('done', 'archived') OR resume_row > 0) "
		"AND first_event < $3 AND last_event >= $2 UNION ALL "
		"SELECT 1 FROM sellometer.archives WHERE source = $1 AND archived_at IS NOT NULL AND first_event < $3 AND last_event >= $2 LIMIT 1",
		3, {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		args[3] = {CStringGetTextDatum(source), TimestampTzGetDatum(from), TimestampTzGetDatum(to)};

	return slm_execute(&statement, args, NULL, SPI_OK_SELECT) > 0;
}

Datum
sellometer_replay(PG_FUNCTION_ARGS)
{
	TimestampTz from = PG_ARGISNULL(1) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(1);
	TimestampTz to = PG_ARGISNULL(2) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(2);
	char	   *source;
	int64		events = 0;
	int			level;

	if (from >= to)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the range to replay is empty"),
				 errdetail("It is from %s to %s.", pstrdup(timestamptz_to_str(from)), timestamptz_to_str(to))));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	level = slm_secure_function();
	source = slm_source_argument(fcinfo);
	if (source == NULL || has_rows(source, from, to))
		events = slm_replay(from, to);
	else
		ereport(NOTICE, (errmsg("source \"%s\" has no rows in this range", source)));
	AtEOXact_GUC(true, level);
	SPI_finish();
	PG_RETURN_INT64(events);
}

Datum
sellometer_replace_object(PG_FUNCTION_ARGS)
{
	int			level;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	level = slm_secure_function();
	slm_exchange_object(PG_GETARG_INT64(0), PG_GETARG_INT64(1));
	AtEOXact_GUC(true, level);
	SPI_finish();
	PG_RETURN_VOID();
}

/* --- unload --- */

Datum
sellometer_unload(PG_FUNCTION_ARGS)
{
	char	   *source = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *key = text_to_cstring(PG_GETARG_TEXT_PP(1));
	int64		rows;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	slm_secure_transaction();
	rows = slm_unload(source, key);
	SPI_finish();
	PG_RETURN_INT64(rows);
}

static void
unload_steps(SlmRun *run, void *arg)
{
	slm_unload_in_steps(run, arg);
}

Datum
sellometer_unload_in_steps(PG_FUNCTION_ARGS)
{
	SlmUnload	unload = {0};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("source and key must not be null")));
	unload.source = MemoryContextStrdup(PortalContext, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	unload.key = MemoryContextStrdup(PortalContext, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	slm_connect_to_commit(fcinfo, "sellometer_unload_in_steps");
	slm_secure_transaction();
	slm_commit();
	slm_run("unload", true, unload_steps, &unload);
	slm_disconnect();
	PG_RETURN_VOID();
}

Datum
sellometer_object_problem(PG_FUNCTION_ARGS)
{
	char	   *problem;
	text	   *result;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	slm_secure_transaction();
	problem = slm_missing_problem(PG_GETARG_INT64(0));
	result = problem == NULL ? NULL : SPI_palloc(strlen(problem) + VARHDRSZ);
	if (result != NULL)
	{
		SET_VARSIZE(result, strlen(problem) + VARHDRSZ);
		memcpy(VARDATA(result), problem, strlen(problem));
	}
	SPI_finish();
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(result);
}

/* whole_buckets_from(since timestamptz) → timestamptz */
Datum
sellometer_whole_buckets_from(PG_FUNCTION_ARGS)
{
	static const SlmGranularity day = {.usecs = USECS_PER_DAY};
	TimestampTz since = PG_GETARG_TIMESTAMPTZ(0);
	TimestampTz from;
	const SlmTiers *tiers;
	int			level;

	if (TIMESTAMP_NOT_FINITE(since))
		PG_RETURN_TIMESTAMPTZ(since);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	level = slm_secure_function();
	tiers = slm_tiers_read();
	from = slm_bucket_start(day, since);
	for (int t = 0; t < tiers->n; t++)
		from = Min(from, slm_bucket_start(tiers->tiers[t].granularity, since));
	AtEOXact_GUC(true, level);
	SPI_finish();
	PG_RETURN_TIMESTAMPTZ(from);
}

/*
 * wait_for_readers(overrides regclass) → void.  Who has read a table holds its lock until the transaction ends.  To ask for a lock that
 * conflicts would have readers queue behind it, among them parse workers that such a transaction waits for.
 */
Datum
sellometer_wait_for_readers(PG_FUNCTION_ARGS)
{
	LOCKTAG		tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, PG_GETARG_OID(0));
	WaitForLockers(tag, AccessExclusiveLock, false);
	PG_RETURN_VOID();
}
