/*
 * schedule.c: jobs of pg_cron do not outlive what they call.
 *
 * The jobs are rows of cron.job, in the one database that pg_cron lives in (cron.database_name).  When the extension goes,
 * by whatever command, they are deleted in the same transaction if that is this database; else after the commit, by a
 * background worker in the other one.  Likewise when a database is dropped.
 *
 * The hook is there if this library is: under preload always, else the event trigger sellometer_drop loads it in time.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "server/pins.h"
#include "server/spi.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "upkeep/remote.h"
#include "upkeep/schedule.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

static object_access_hook_type next_hook;

/* To be done after the commit. */
static struct
{
	bool		wanted;
	Oid			cron_database;
	Oid			dropped_database;	/* InvalidOid: the extension was dropped, not the database */
	char		database[NAMEDATALEN];	/* whose jobs are to go */
}			pending;

const char *
slm_cron_database(void)
{
	const char *libraries = GetConfigOption("shared_preload_libraries", true, false);

	/* a setting of this name may be left in the configuration when pg_cron is not there any more */
	if (libraries == NULL || strstr(libraries, "pg_cron") == NULL)
		return NULL;
	return GetConfigOption("cron.database_name", true, false);
}

/* --- deleting the jobs, in pg_cron's database --- */

/* With SPI, as a superuser.  Nothing to do without pg_cron. */
static void
delete_jobs(const char *database)
{
	if (slm_execute_once("SELECT 1 FROM pg_extension WHERE extname = 'pg_cron'", SPI_OK_SELECT) == 0)
		return;
	slm_execute_once(psprintf("SELECT cron.unschedule(jobid) FROM cron.job WHERE database = %s "
							  "AND jobname LIKE 'sellometer\\_%%' AND command LIKE 'CALL sellometer.%%'",
							  quote_literal_cstr(database)), SPI_OK_SELECT);
}

/* In this database, at once.  Whatever goes wrong must not keep the extension from being dropped. */
static void
delete_jobs_here(const char *database)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	int			nest_level = slm_pin_function();
	Oid			user;
	int			security;

	GetUserIdAndSecContext(&user, &security);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, security | SECURITY_LOCAL_USERID_CHANGE);
		PushActiveSnapshot(GetTransactionSnapshot());
		SPI_connect();
		delete_jobs(database);
		SPI_finish();
		PopActiveSnapshot();
		SetUserIdAndSecContext(user, security);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		SetUserIdAndSecContext(user, security);
		ereport(WARNING,
				(errmsg("the jobs of pg_cron could not be deleted: %s", error->message),
				 errhint("See cron.job for what is left of them.")));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	AtEOXact_GUC(true, nest_level);
}

/* The background worker: bgw_extra is the database whose jobs are to go, the argument pg_cron's. */
void
sellometer_unschedule_main(Datum arg)
{
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), InvalidOid, 0);
	slm_remote_begin();
	pgstat_report_activity(STATE_RUNNING, "deleting jobs of pg_cron");
	delete_jobs(MyBgworkerEntry->bgw_extra);
	slm_remote_commit();
	proc_exit(0);
}

static void
start_worker(void)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "sellometer", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "sellometer_unschedule_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "sellometer unschedule", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "sellometer unschedule", sizeof(worker.bgw_type));
	strlcpy(worker.bgw_extra, pending.database, sizeof(worker.bgw_extra));
	worker.bgw_main_arg = ObjectIdGetDatum(pending.cron_database);
	if (!RegisterDynamicBackgroundWorker(&worker, NULL))
		ereport(WARNING,
				(errmsg("the jobs of pg_cron for database \"%s\" could not be deleted: no background worker is free",
						pending.database),
				 errhint("Delete them from cron.job yourself.")));
}

/* --- noticing --- */

static void
forget_jobs(const char *database, Oid dropped_database)
{
	const char *cron = slm_cron_database();
	Oid			cron_database;

	if (cron == NULL)
		return;					/* pg_cron is not loaded */
	cron_database = get_database_oid(cron, true);
	if (cron_database == MyDatabaseId)
		delete_jobs_here(database);
	else if (OidIsValid(cron_database) && cron_database != dropped_database)
	{
		pending.cron_database = cron_database;
		pending.dropped_database = dropped_database;
		strlcpy(pending.database, database, NAMEDATALEN);
		pending.wanted = true;
	}
}

static void
hook(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (next_hook)
		next_hook(access, class_id, object_id, sub_id, arg);
	if (access != OAT_DROP)
		return;
	if (class_id == ExtensionRelationId && object_id == get_extension_oid("sellometer", true))
		forget_jobs(get_database_name(MyDatabaseId), InvalidOid);
	else if (class_id == DatabaseRelationId && get_database_name(object_id) != NULL)
		forget_jobs(get_database_name(object_id), object_id);
}

static void
at_end(XactEvent event, void *arg)
{
	if (!pending.wanted)
		return;
	/* the drop may have been rolled back to a savepoint */
	if (event == XACT_EVENT_PRE_COMMIT && !OidIsValid(pending.dropped_database) &&
		OidIsValid(get_extension_oid("sellometer", true)))
		pending.wanted = false;
	if (event == XACT_EVENT_COMMIT)
		start_worker();
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT)
		pending.wanted = false;
}

void
slm_schedule_init(void)
{
	next_hook = object_access_hook;
	object_access_hook = hook;
	RegisterXactCallback(at_end, NULL);
}
