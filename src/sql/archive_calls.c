/*
 * archive_calls.c: sellometer_archive().
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "ingest/archive.h"
#include "ingest/runs.h"
#include "ingest/spi.h"
#include "sql/calls.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(sellometer_archive);

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
				 errhint("sellometer_drop_source() and sellometer_add_source() with archive_url: the ledger is kept.")));
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
	SPI_finish();
	PG_RETURN_VOID();
}
