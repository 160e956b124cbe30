/*
 * unload.c: an object that should never have been loaded, out of all sums.
 *
 *   find it, lock its row --> part --> part --> ... --> skipped
 *
 * Each part is read and taken out by take_out.c.  In between the ledger says how many rows are out already, and all is as if the object
 * had only the others: so parts may be transactions of their own, and whoever replays, replaces or reads in between is right.
 */
#include "postgres.h"

#include "archive/take_out.h"
#include "archive/unload.h"
#include "catalog/pg_type.h"
#include "guc.h"
#include "ledger/head.h"
#include "miscadmin.h"
#include "server/crash_point.h"
#include "server/progress.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* The object as it is counted; id is 0 if nothing of it is. */
typedef struct Counted
{
	int64		id;
	int64		size;
	int64		rows;			/* all that were loaded, of which some may be out already */
} Counted;

static Counted
find_counted(const char *source, const char *key)
{
	static SlmStatement statement = {
		"SELECT id, size, greatest(resume_row, rows_total), lost::int::bigint FROM sellometer.objects WHERE source = $1 AND key = $2 "
		"AND (state IN ('done', 'archived') OR resume_row > 0) FOR UPDATE",
		2, {TEXTOID, TEXTOID}
	};
	Datum		args[2] = {CStringGetTextDatum(source), CStringGetTextDatum(key)};

	if (slm_execute(&statement, args, NULL, SPI_OK_SELECT) == 0)
		return (Counted) {0};
	if (slm_int64(0, 4, 0) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("object \"%s\" was declared lost, so it can't be taken out", key),
				 errdetail("Without its bytes nobody knows what it counted: that stays counted.")));
	return (Counted) {.id = slm_int64(0, 1, 0),.size = slm_int64(0, 2, 0),.rows = slm_int64(0, 3, 0)};
}

static char *
where_objects_are(Datum *args)
{
	static SlmStatement statement = {"SELECT sellometer.where_objects_are($1, $2)", 2, {TEXTOID, TEXTOID}};

	slm_execute(&statement, args, NULL, SPI_OK_SELECT);
	return slm_text(CurrentMemoryContext, 0, 1);
}

/* Nothing of it is counted: see to it that nothing will be.  False if nothing of it waits, or not any more. */
static bool
skip(const char *source, const char *key)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects SET state = 'skipped', next_attempt = NULL, error = 'taken out before it was loaded', sqlstate = NULL, unwanted = true "
		"WHERE source = $1 AND key = $2 AND state IN ('pending', 'backlog', 'failed')",
		2, {TEXTOID, TEXTOID}
	};
	static SlmStatement known = {
		"SELECT FROM sellometer.objects WHERE source = $1 AND key = $2 LIMIT 1", 2, {TEXTOID, TEXTOID}
	};
	Datum		args[2] = {CStringGetTextDatum(source), CStringGetTextDatum(key)};

	if (slm_execute(&known, args, NULL, SPI_OK_SELECT) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("source \"%s\" has no object \"%s\"", source, key),
				 errhint("%s", where_objects_are(args))));
	if (slm_execute(&statement, args, NULL, SPI_OK_UPDATE) == 0)
		return false;
	ereport(NOTICE, (errmsg("nothing of object \"%s\" was counted: it is skipped now", key)));
	return true;
}

/* The object if it is counted, also by somebody who was loading it just now; else, it is skipped. */
static Counted
find_or_skip(const char *source, const char *key)
{
	Counted		counted = find_counted(source, key);

	if (counted.id != 0 || skip(source, key))
		return counted;
	counted = find_counted(source, key);
	if (counted.id == 0)
		ereport(NOTICE, (errmsg("nothing of object \"%s\" is counted", key)));
	return counted;
}

/* A later content under its key waits for somebody to say what is to become of it, and what it waited for has changed. */
static void
free_later_content(const char *source, const char *key)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects SET error = 'not loaded: the content that was loaded under its key before has been taken out; "
		"sellometer_retry() loads this one, sellometer_skip() puts it aside' "
		"WHERE source = $1 AND key = $2 AND state = 'failed' AND sqlstate = '55000' AND attempts = 0",
		2, {TEXTOID, TEXTOID}
	};
	Datum		args[2] = {CStringGetTextDatum(source), CStringGetTextDatum(key)};

	slm_execute(&statement, args, NULL, SPI_OK_UPDATE);
}

/* How much there will be to read, if all parts are like this one. */
static void
tell_totals(SlmUnload *unload, const SlmTakeOut *take, const Counted *counted)
{
	int64		pieces;
	int64		bytes;
	int64		parts = 0;

	slm_take_out_costs(take, &pieces, &bytes);
	unload->pieces += pieces + 1;
	unload->bytes += bytes + counted->size;
	if (take->stopped_at != SLM_HISTORY_END && take->stopped_at > take->started_at)
		parts = (counted->rows - take->stopped_at) / (take->stopped_at - take->started_at) + 1;
	slm_progress_totals(unload->pieces + parts * (pieces + 1), unload->bytes + parts * (bytes + counted->size));
}

static void
unload_part(SlmUnload *unload, int64 max_rows)
{
	Counted		counted;
	SlmTakeOut *take;

	slm_history_lock();
	counted = find_or_skip(unload->source, unload->key);
	if (counted.id == 0)
	{
		unload->done = true;
		return;
	}
	slm_progress_phase("read the object");
	take = slm_take_out_begin(counted.id, max_rows);
	tell_totals(unload, take, &counted);
	slm_take_out_views(take);
	slm_take_out_write(take, slm_head_read());
	slm_take_out_record(take, "taken out by sellometer_unload()");
	SLM_CRASH_POINT("unload.recorded");
	unload->rows += take->rows;
	unload->done = take->stopped_at == SLM_HISTORY_END;
	if (unload->done)
		free_later_content(unload->source, unload->key);
	slm_take_out_end(take);
}

int64
slm_unload(const char *source, const char *key)
{
	SlmUnload	unload = {.source = source,.key = key};

	slm_progress_begin("unload");
	PG_TRY();
	{
		while (!unload.done)
		{
			unload_part(&unload, PG_INT64_MAX);
			CHECK_FOR_INTERRUPTS();
		}
	}
	PG_FINALLY();
	{
		slm_progress_end();
	}
	PG_END_TRY();
	return unload.rows;
}

/* --- in steps --- */

typedef struct Step
{
	SlmRun	   *run;
	SlmUnload  *unload;
} Step;

static void
unload_step(void *arg)
{
	Step	   *step = arg;

	slm_run_begin(step->run);
	unload_part(step->unload, slm_chunk_rows);
}

void
slm_unload_in_steps(SlmRun *run, SlmUnload *unload)
{
	Step		step = {run, unload};

	while (!unload->done)
	{
		slm_step(run, unload_step, &step);
		SLM_CRASH_POINT("unload.part");
		CHECK_FOR_INTERRUPTS();
	}
	appendStringInfo(&run->detail, "{\"rows\": " INT64_FORMAT "}", unload->rows);
}
