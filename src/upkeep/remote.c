/*
 * remote.c: a statement in another process, which may be in another database of this server.
 *
 *   caller: segment (database, role, statement) --> start worker --> wait for its end --> result or error in the segment
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "server/pins.h"
#include "server/spi.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "upkeep/remote.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#define MAX_TEXT	16384

typedef enum RemoteState
{
	REMOTE_STARTED,				/* also if the worker could not connect */
	REMOTE_DONE,
	REMOTE_FAILED
} RemoteState;

typedef struct Remote
{
	Oid			database;
	Oid			role;
	RemoteState state;
	bool		isnull;
	int			sqlstate;
	char		message[1024];
	char		detail[1024];
	char		hint[1024];
	char		text[MAX_TEXT]; /* the statement, then its result */
} Remote;

/* --- the worker --- */

void
slm_remote_begin(void)
{
	StartTransactionCommand();
	slm_pin_transaction();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
}

void
slm_remote_commit(void)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(true);
}

static void
execute(Remote *remote)
{
	char	   *result;

	slm_remote_begin();
	pgstat_report_activity(STATE_RUNNING, remote->text);
	if (SPI_execute(remote->text, false, 0) < 0)
		elog(ERROR, "could not execute: %s", remote->text);
	remote->isnull = true;
	if (SPI_processed > 0 && SPI_tuptable != NULL)
	{
		result = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
		remote->isnull = result == NULL;
		if (result != NULL && strlen(result) >= MAX_TEXT)
			elog(ERROR, "the result is too long");
		if (result != NULL)
			strlcpy(remote->text, result, MAX_TEXT);
	}
	slm_remote_commit();
	remote->state = REMOTE_DONE;
}

static void
note_error(Remote *remote, const ErrorData *error)
{
	remote->sqlstate = error->sqlerrcode;
	strlcpy(remote->message, error->message, sizeof(remote->message));
	strlcpy(remote->detail, error->detail ? error->detail : "", sizeof(remote->detail));
	strlcpy(remote->hint, error->hint ? error->hint : "", sizeof(remote->hint));
	remote->state = REMOTE_FAILED;
}

void
sellometer_remote_main(Datum arg)
{
	dsm_segment *segment;
	Remote	   *remote;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "sellometer remote");
	segment = dsm_attach(DatumGetUInt32(arg));
	if (segment == NULL)
		return;					/* the caller has given up */
	dsm_pin_mapping(segment);
	remote = dsm_segment_address(segment);
	BackgroundWorkerInitializeConnectionByOid(remote->database, remote->role, 0);
	PG_TRY();
	{
		execute(remote);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(TopMemoryContext);
		note_error(remote, CopyErrorData());
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	proc_exit(0);
}

/* --- the caller --- */

struct SlmRemote
{
	dsm_segment *segment;
	BackgroundWorkerHandle *handle;
};

static bool
start_worker(SlmRemote *remote)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "sellometer", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "sellometer_remote_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "sellometer remote", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "sellometer remote", sizeof(worker.bgw_type));
	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(remote->segment));
	worker.bgw_notify_pid = MyProcPid;
	return RegisterDynamicBackgroundWorker(&worker, &remote->handle);
}

SlmRemote *
slm_remote_start(Oid database, Oid role, const char *sql)
{
	SlmRemote  *remote = palloc0(sizeof(SlmRemote));
	Remote	   *shared;

	remote->segment = dsm_create(sizeof(Remote), 0);
	dsm_pin_mapping(remote->segment);
	shared = dsm_segment_address(remote->segment);
	memset(shared, 0, sizeof(Remote));
	shared->database = database;
	shared->role = role;
	Assert(strlen(sql) < MAX_TEXT);
	strlcpy(shared->text, sql, MAX_TEXT);
	if (start_worker(remote))
		return remote;
	dsm_detach(remote->segment);
	return NULL;
}

void
slm_remote_forget(SlmRemote *remote)
{
	TerminateBackgroundWorker(remote->handle);
	dsm_detach(remote->segment);
}

bool
slm_remote_is_over(SlmRemote *remote)
{
	pid_t		pid;
	BgwHandleStatus status = GetBackgroundWorkerPid(remote->handle, &pid);

	return status == BGWH_STOPPED || status == BGWH_POSTMASTER_DIED;
}

const char *
slm_remote_wait(SlmRemote *remote)
{
	const Remote *shared = dsm_segment_address(remote->segment);

	PG_TRY();
	{
		if (WaitForBackgroundWorkerShutdown(remote->handle) == BGWH_POSTMASTER_DIED)
			ereport(FATAL, (errcode(ERRCODE_ADMIN_SHUTDOWN), errmsg("the server is gone")));
	}
	PG_CATCH();
	{
		slm_remote_forget(remote);
		PG_RE_THROW();
	}
	PG_END_TRY();
	AcceptInvalidationMessages();	/* what it has changed may be known here by its absence */
	return shared->state == REMOTE_DONE ? NULL : shared->state == REMOTE_FAILED ? pstrdup(shared->message) : "it could not connect";
}

static void
raise_error(const Remote *remote, const char *database)
{
	if (remote->state == REMOTE_STARTED)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("could not work in database \"%s\"", database),
				 errhint("The server's log says why; the role must be allowed to log in and to connect to it.")));
	ereport(ERROR,
			(errcode(remote->sqlstate),
			 errmsg("%s", remote->message),
			 remote->detail[0] ? errdetail("%s", remote->detail) : errdetail("It was in database \"%s\".", database),
			 remote->hint[0] ? errhint("%s", remote->hint) : 0));
}

char *
slm_run_in_database(const char *database, const char *sql)
{
	Oid			oid = get_database_oid(database, false);
	SlmRemote  *remote;
	Remote		end;

	if (strlen(sql) >= MAX_TEXT)
		elog(ERROR, "the statement is too long");
	remote = slm_remote_start(oid, GetUserId(), sql);
	if (remote == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("no background worker is free"),
				 errhint("Increase max_worker_processes.")));
	(void) slm_remote_wait(remote);
	memcpy(&end, dsm_segment_address(remote->segment), sizeof(Remote));
	dsm_detach(remote->segment);
	if (end.state != REMOTE_DONE)
		raise_error(&end, database);
	return end.isnull ? NULL : pstrdup(end.text);
}
