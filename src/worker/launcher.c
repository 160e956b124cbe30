/*
 * launcher.c: one static process that keeps one worker running for each database in sellometer.database.
 *
 * It starts only when recovery has ended, so a standby has none until it is promoted.  It is connected to no database:
 * whether one exists is found out by the worker, which exits if not and is tried again, less and less often.  What keeps a worker from
 * being started, or from connecting, is in shared memory (worker_slots.h), for sellometer.health of every database; it is logged when it is another
 * than before.
 *
 * If it goes away the postmaster starts it again, unless the server is being shut down, and workers stay.  One that it had registered
 * and that had not begun yet is not known to the next launcher, which registers another: whichever comes second finds the
 * database claimed (slm_slot_claim()), and exits.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "guc.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "server/alive.h"
#include "server/worker_slots.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"
#include "worker/worker.h"

#define MIN_DELAY_MS	1000
#define MAX_DELAY_MS	60000

/* What the launcher knows of one database's worker. */
typedef struct Child
{
	BackgroundWorkerHandle *handle; /* NULL: not started */
	char		database[NAMEDATALEN];
	TimestampTz started;
	TimestampTz not_before;
	int			delay_ms;
} Child;

void
slm_launcher_register(void)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 5;
	strlcpy(worker.bgw_library_name, "sellometer", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "sellometer_launcher_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "sellometer launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "sellometer launcher", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

/* Why a database has no worker. */
static void
note_failure(const Child *child, int slot, int sqlstate, const char *message, const char *hint)
{
	ErrorData	error = {.sqlerrcode = sqlstate,.message = unconstify(char *, message),.hint = unconstify(char *, hint)};

	if (slm_slot_start_failed(slot, &error))
		ereport(WARNING,
				(errcode(sqlstate),
				 errmsg("no worker runs for database \"%s\": %s", child->database, message),
				 errhint("%s", hint)));
}

static void
start_child(Child *child, int slot)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "sellometer", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "sellometer_worker_main", BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, "sellometer worker for %s", child->database);
	strlcpy(worker.bgw_type, "sellometer worker", BGW_MAXLEN);
	worker.bgw_main_arg = Int32GetDatum(slot);
	worker.bgw_notify_pid = MyProcPid;
	strlcpy(worker.bgw_extra, child->database, BGW_EXTRALEN);
	child->started = GetCurrentTimestamp();
	if (!RegisterDynamicBackgroundWorker(&worker, &child->handle))
	{
		child->handle = NULL;
		child->not_before = child->started + (int64) MAX_DELAY_MS * 1000;
		note_failure(child, slot, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, "no background worker is free", "Raise max_worker_processes.");
	}
}

/* A worker that ran for a while is started again soon; one that keeps failing less and less often. */
static void
note_exit(Child *child, int slot)
{
	TimestampTz now = GetCurrentTimestamp();

	pfree(child->handle);
	child->handle = NULL;
	if (slm_slot_start_unknown(slot, child->started))
		note_failure(child, slot, ERRCODE_CONNECTION_FAILURE, "the worker ended before it was connected",
					 "The server's log says why.");
	if (now - child->started > (int64) MAX_DELAY_MS * 1000)
		child->delay_ms = MIN_DELAY_MS;
	else
		child->delay_ms = Min(Max(child->delay_ms * 2, MIN_DELAY_MS), MAX_DELAY_MS);
	child->not_before = now + (int64) (child->delay_ms * (500 + 500 * pg_prng_double(&pg_global_prng_state)));
}

static void
look_after(Child *child, int slot)
{
	pid_t		pid;

	if (child->handle != NULL && GetBackgroundWorkerPid(child->handle, &pid) == BGWH_STOPPED)
		note_exit(child, slot);
	if (child->handle == NULL && GetCurrentTimestamp() >= child->not_before && slm_slot_may_start(slot, child->database))
		start_child(child, slot);
}

static bool
is_among(char **names, int n, const char *name)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

/* The names in sellometer.database, as they stand there, but for quotes around them: databases have names, not identifiers. */
static int
configured_databases(char **names)
{
	List	   *list;
	ListCell   *cell;
	int			n = 0;

	/* what can't be split, or is longer, the setting does not take */
	if (!SplitGUCList(pstrdup(slm_database), ',', &list))
		elog(ERROR, "sellometer.database is no list of names");
	foreach(cell, list)
	{
		if (n < SLM_MAX_DATABASES && !is_among(names, n, lfirst(cell)))
			names[n++] = lfirst(cell);
	}
	return n;
}

void
sellometer_launcher_main(Datum arg)
{
	char	   *names[SLM_MAX_DATABASES];
	Child	   *children;
	int			n;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	slm_alive_begin(SLM_ALIVE_LAUNCHER);
	CurrentMemoryContext = AllocSetContextCreate(TopMemoryContext, "sellometer launcher", ALLOCSET_DEFAULT_SIZES);
	n = slm_slots_set(names, configured_databases(names));
	children = palloc0(sizeof(Child) * Max(n, 1));

	while (!ShutdownRequestPending)
	{
		slm_alive_at("look after the workers", false);
		for (int i = 0; i < n; i++)
			look_after(&children[i], i);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, MIN_DELAY_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
	/* the postmaster starts again what ends like this, unless it is the one that wants an end */
	proc_exit(1);
}
