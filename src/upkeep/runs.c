/*
 * runs.c: runs of the procedures that do their work piece by piece.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "server/as_owner.h"
#include "server/locks.h"
#include "server/processes.h"
#include "server/progress.h"
#include "server/spi.h"
#include "storage/lock.h"
#include "upkeep/runs.h"
#include "upkeep/surge.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

/* An error that goes on has a row as often as this, not one for each time: an alert looks at the last hour. */
#define COUNT_FAILURES_FOR	"30 minutes"

void
slm_connect_to_commit(FunctionCallInfo fcinfo, const char *procedure)
{
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) || castNode(CallContext, fcinfo->context)->atomic ||
		IsSubTransaction())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("%s() commits its work piece by piece and can't run inside a transaction", procedure),
				 errhint("CALL it on its own, not in a transaction block, a function or a DO block.")));
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	/* CALL has taken a snapshot, in a transaction as the user wants it by default: another one begins as ours have to be */
	slm_commit();
	slm_as_owner_start();
}

void
slm_disconnect(void)
{
	slm_as_owner_stop();
	SPI_finish();
}

/* --- steps --- */

ErrorData *
slm_try_step(SlmRun *run, SlmStep step, void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(context, "sellometer step", ALLOCSET_DEFAULT_SIZES);
	ResourceOwner owner = CurrentResourceOwner;
	int64		id = run->id;
	ErrorData  *volatile error = NULL;

	slm_secure_transaction();
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(scratch);
	PG_TRY();
	{
		step(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		run->id = id;			/* the row of a run that began with this step is gone */
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	MemoryContextDelete(scratch);
	slm_commit();
	return error;
}

void
slm_step(SlmRun *run, SlmStep step, void *arg)
{
	ErrorData  *error = slm_try_step(run, step, arg);

	if (error != NULL)
		ReThrowError(error);
}

/* --- the rows of runs --- */

static void
note_died(void *arg)
{
	static SlmStatement statement = {
		"UPDATE sellometer.runs SET outcome = 'died', finished = clock_timestamp() "
		"WHERE procedure = $1 AND outcome = 'running'",
		1, {TEXTOID}
	};
	SlmRun	   *run = arg;
	Datum		name = CStringGetTextDatum(run->procedure);

	slm_execute(&statement, &name, NULL, SPI_OK_UPDATE);
}

void
slm_run_begin(SlmRun *run)
{
	static SlmStatement statement = {
		"INSERT INTO sellometer.runs (procedure) VALUES ($1) RETURNING id", 1, {TEXTOID}
	};
	Datum		name = CStringGetTextDatum(run->procedure);

	if (run->id != 0)
		return;
	slm_execute(&statement, &name, NULL, SPI_OK_INSERT_RETURNING);
	run->id = slm_int64(0, 1, 0);
}

bool
slm_run_hold(SlmRun *run)
{
	char	   *procedure = psprintf("sellometer_%s", run->procedure);

	if (!slm_surge_hold())
		return false;
	if (!run->held)
		ereport(NOTICE,
				(errmsg("%s() is on hold: a surge is on", procedure),
				 errdetail("Live loading gets everything until less than half of sellometer.surge_bytes waits.")));
	run->held = true;
	return true;
}

typedef struct Ending
{
	SlmRun	   *run;
	const char *outcome;
} Ending;

static void
note_end(void *arg)
{
	static SlmStatement statement = {
		"UPDATE sellometer.runs SET outcome = $2, detail = $3::jsonb, finished = clock_timestamp() WHERE id = $1",
		3, {INT8OID, TEXTOID, TEXTOID}
	};
	Ending	   *ending = arg;
	Datum		args[3] = {Int64GetDatum(ending->run->id), CStringGetTextDatum(ending->outcome),
	CStringGetTextDatum(ending->run->detail.data)};

	slm_execute(&statement, args, ending->run->detail.len > 0 ? NULL : "  n", SPI_OK_UPDATE);
}

/* In a transaction that has not executed anything. */
static void
run_end(SlmRun *run, const char *outcome)
{
	Ending		ending = {run, outcome};

	if (run->id != 0)
		slm_step(run, note_end, &ending);
}

/* The same error as the last run's, not long ago: it is counted there. */
static bool
count_failure(SlmRun *run)
{
	static SlmStatement statement = {
		"UPDATE sellometer.runs SET finished = clock_timestamp(), detail = $2::jsonb || jsonb_build_object('times', coalesce((detail->>'times')::bigint, 1) + 1) "
		"WHERE id = (SELECT id FROM sellometer.runs WHERE procedure = $1 ORDER BY id DESC LIMIT 1) "
		"AND outcome = 'failed' AND detail - 'times' = $2::jsonb AND started > clock_timestamp() - interval '" COUNT_FAILURES_FOR "'",
		2, {TEXTOID, TEXTOID}
	};
	Datum		args[2] = {CStringGetTextDatum(run->procedure), CStringGetTextDatum(run->detail.data)};

	return slm_execute(&statement, args, NULL, SPI_OK_UPDATE) > 0;
}

/* The row of a run that began with the step that failed is gone with it: it gets another. */
static void
note_failed(void *arg)
{
	Ending	   *ending = arg;

	if (ending->run->id == 0)
	{
		if (count_failure(ending->run))
			return;
		slm_run_begin(ending->run);
	}
	note_end(ending);
}

static void
note_failure(SlmRun *run, const ErrorData *error)
{
	Ending		ending = {run, "failed"};

	resetStringInfo(&run->detail);
	appendStringInfoString(&run->detail, "{\"error\": ");
	escape_json(&run->detail, error->message);
	appendStringInfo(&run->detail, ", \"sqlstate\": \"%s\"}", unpack_sql_state(error->sqlerrcode));
	slm_step(run, note_failed, &ending);
}

/* --- one at a time --- */

/* An error of the work: note it if the transaction can still be used, and pass it on. */
static void
fail_run(SlmRun *run, const LOCKTAG *tag, MemoryContext context)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	(void) slm_process_failed(run->procedure, error);
	/* without a snapshot nothing was executed since the last commit: no half-done statement is in the way */
	if (IsTransactionState() && !FirstSnapshotSet)
	{
		PG_TRY();
		{
			note_failure(run, error);
		}
		PG_CATCH();
		{
			MemoryContextSwitchTo(context);
			FlushErrorState();
		}
		PG_END_TRY();
	}
	(void) LockRelease(tag, ExclusiveLock, true);
	ReThrowError(error);
}

bool
slm_run(const char *procedure, bool loud, SlmRunWork work, void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	LOCKTAG		tag = slm_lock_tag(slm_lock_of_run(procedure));
	SlmRun		run = {.procedure = procedure};

	if (LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
	{
		if (loud)
			ereport(NOTICE, (errmsg("another sellometer_%s() is under way", procedure)));
		return false;
	}
	initStringInfo(&run.detail);
	/* who is not loud is the worker, whose progress is that of loading */
	if (loud)
		slm_progress_begin(procedure);
	PG_TRY();
	{
		slm_step(&run, note_died, &run);
		work(&run, arg);
		run_end(&run, run.held ? "held" : "done");
		(void) slm_process_well(procedure);
	}
	PG_CATCH();
	{
		if (loud)
			slm_progress_end();
		fail_run(&run, &tag, context);
	}
	PG_END_TRY();
	if (loud)
		slm_progress_end();
	(void) LockRelease(&tag, ExclusiveLock, true);
	pfree(run.detail.data);
	return true;
}
