/*
 * worker.c: the process that loads into one database.
 *
 *   round:  is the extension here? --> list the sources --> batches until none is due --> keep the tiers in step
 *   wait:   poll_interval, or until sellometer_wake()
 *
 * Three contexts: ingest->context lives as long as all goes well, and holds the state of the views; round_context is reset
 * after each round, turn_context after each batch of it.  An error ends the round: the transaction is aborted, all state is dropped (it is a cache of what is
 * committed), and after a delay the next round begins with a clean slate.  It is kept in shared memory (processes.h), and logged if it is
 * another than before.
 *
 * Where work comes on it gives signs of life (alive.h), also while it waits for work.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "commands/extension.h"
#include "common/pg_prng.h"
#include "executor/spi.h"
#include "guc.h"
#include "ledger/discovery.h"
#include "ledger/pick.h"
#include "load/held.h"
#include "load/ingest.h"
#include "load/large.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "pure/memory.h"
#include "server/alive.h"
#include "server/processes.h"
#include "server/progress.h"
#include "server/spi.h"
#include "server/worker_slots.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "upkeep/prune.h"
#include "upkeep/surge.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "upkeep/health.h"
#include "worker/worker.h"

/* How soon to look again at what goes on beside, such as the next page of a list. */
#define UNFINISHED_MS	50L

/* How often one that waits for work gives a sign of life. */
#define ALIVE_MS		1000L

static SlmIngest *ingest;
static Oid	ingest_extension;	/* the extension that ingest belongs to: it may be dropped and created anew */
static int	my_slot;
static bool unfinished;			/* lists or objects are under way beside */
static emit_log_hook_type next_log_hook;

static void
forget_state(void)
{
	if (ingest != NULL)
		slm_ingest_end(ingest);
	ingest = NULL;
}

static void
judge_surge(int64 waiting_bytes)
{
	static bool surge = false;
	bool		now = slm_surge_judge(surge, waiting_bytes);

	if (now != surge)
		ereport(LOG,
				(errmsg(now ? "surge begins: live loading gets everything" : "surge is over"),
				 errdetail(INT64_FORMAT " MB wait.", waiting_bytes / (1024 * 1024))));
	surge = now;
	slm_slot_set_surge(my_slot, surge);
	slm_ingest_set_surge(ingest, surge);
}

/* What waits, for the surge and the progress report. */
static void
look_at_waiting(const SlmBatchResult *last)
{
	static SlmWaiting waiting;
	static int64 objects_done;
	static int64 bytes_done;

	if (last == NULL)
	{
		waiting = (SlmWaiting) {0};
		objects_done = bytes_done = 0;
	}
	else
	{
		objects_done += last->ended;
		bytes_done += last->ended_bytes;
	}
	slm_secure_transaction();
	slm_ledger_waiting(&waiting, "pending", last ? last->ended : 0, last ? last->ended_bytes : 0);
	slm_commit();
	judge_surge(waiting.bytes);
	if (last == NULL && waiting.objects > 0)
		slm_progress_begin("load");
	slm_progress_totals(objects_done + waiting.objects, bytes_done + waiting.bytes);
}

static void
reload_settings(void)
{
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

static void
load(bool sweep)
{
	MemoryContext turn_context = AllocSetContextCreate(CurrentMemoryContext, "sellometer turn", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(turn_context);
	SlmBatchResult result;
	TimestampTz began;
	bool		listing;

	slm_alive_at("list the sources", false);
	slm_secure_transaction();
	slm_sources_refresh(ingest->sources);
	slm_large_check(ingest);
	slm_held_check(ingest);
	listing = slm_sources_discover(ingest->sources, NULL, sweep, SLM_LIST_TURN_MS);
	while (slm_sources_in_first_list(ingest->sources, NULL))
		listing = slm_sources_go_on(ingest->sources, NULL, SLM_LIST_TURN_MS);
	look_at_waiting(NULL);
	do
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(turn_context);
		reload_settings();
		slm_alive_at("look at health", false);
		slm_health_look(my_slot, sweep);
		slm_alive_at("look for objects", false);
		sweep = false;
		began = GetCurrentTimestamp();
		slm_ingest_batch(ingest, "pending", NULL, &result);
		if (result.objects > 0 || result.more)
		{
			slm_keep_in_step(result.applied.head);
			listing = slm_sources_discover(ingest->sources, NULL, false, slm_list_turn_after(began));
			look_at_waiting(&result);
		}
	} while (result.objects > 0 || result.more);
	unfinished = listing || result.waiting > 0;
	slm_progress_end();
	slm_table_release();
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(turn_context);
}

static void
note_success(void)
{
	int64		failures = slm_process_well(SLM_PROCESS_LOAD);

	if (failures > 0)
		ereport(LOG, (errmsg("loading works again, after " INT64_FORMAT " errors", failures)));
}

/* One round, in a transaction that the loading commits piece by piece. */
static void
round_of_work(bool sweep)
{
	Oid			extension;

	pgstat_report_activity(STATE_RUNNING, "loading");
	slm_alive_at("look for the extension", false);
	unfinished = false;
	StartTransactionCommand();
	extension = slm_extension_lock() ? get_extension_oid("sellometer", true) : InvalidOid;
	slm_slot_set_extension(my_slot, OidIsValid(extension));
	if (ingest != NULL && extension != ingest_extension)
		forget_state();
	if (OidIsValid(extension))
	{
		if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
			elog(ERROR, "could not connect to SPI");
		if (ingest == NULL)
		{
			MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

			ingest = slm_ingest_begin(NULL, true);
			ingest_extension = extension;
			MemoryContextSwitchTo(old);
		}
		load(sweep);
		slm_commit();
		SPI_finish();
	}
	CommitTransactionCommand();
	note_success();
	pgstat_report_stat(true);
	if (unfinished)
		slm_ingest_wait(ingest, Min(slm_poll_interval, UNFINISHED_MS));
}

/* After a round that has failed: others hear of that. */
static void
look_at_health(bool sweep)
{
	slm_alive_at("look at health", false);
	StartTransactionCommand();
	if (slm_extension_lock())
	{
		if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
			elog(ERROR, "could not connect to SPI");
		slm_health_look(my_slot, sweep);
		slm_commit();
		SPI_finish();
	}
	CommitTransactionCommand();
}

/* An error of a round: it is logged if it is another than the last one's, and counted. */
static void
end_round(MemoryContext round_context)
{
	ErrorData  *error;

	MemoryContextSwitchTo(round_context);
	error = CopyErrorData();
	/* DROP EXTENSION between two transactions of a round is nobody's error */
	if (slm_extension_gone)
		ereport(LOG, (errmsg("loading stops: extension \"sellometer\" has been dropped")));
	else if (slm_process_failed(SLM_PROCESS_LOAD, error))
		EmitErrorReport();
	slm_extension_gone = false;
	AbortCurrentTransaction();
	FlushErrorState();
	forget_state();
	slm_progress_end();
}

/* Work that may fail; false if it did. */
static bool
guarded(MemoryContext round_context, void (*work) (bool sweep), bool sweep)
{
	volatile bool ok = true;

	MemoryContextSwitchTo(round_context);
	PG_TRY();
	{
		work(sweep);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		end_round(round_context);
		RESUME_INTERRUPTS();
		ok = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(round_context);
	MemoryContextReset(round_context);
	pgstat_report_activity(STATE_IDLE, NULL);
	return ok;
}

static void
wait_for_work(bool ok)
{
	long		delay = slm_poll_interval;

	if (ok && unfinished)
		delay = 0;				/* it was waited for what goes on beside */
	if (!ok)
		delay = (long) (slm_retry_delay * (0.5 + 0.5 * pg_prng_double(&pg_global_prng_state)));
	slm_alive_at("wait for work", false);
	for (int events = 0; events == 0 || (delay > 0 && !(events & WL_LATCH_SET)); delay -= ALIVE_MS)
	{
		slm_alive();
		events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Min(delay, ALIVE_MS), PG_WAIT_EXTENSION);
	}
	ResetLatch(MyLatch);
	/* who does nothing has nothing to be cancelled, neither now nor in the next round */
	HOLD_CANCEL_INTERRUPTS();
	CHECK_FOR_INTERRUPTS();
	QueryCancelPending = false;
	RESUME_CANCEL_INTERRUPTS();
	reload_settings();
}

/*
 * An error while we connect: there is no such database, it takes no connections …  Nobody can catch it, so it is noted on its way to the
 * log, and the same again goes no further.
 */
static void
note_start_error(ErrorData *error)
{
	bool		is_new;

	if (next_log_hook)
		next_log_hook(error);
	if (error->elevel < ERROR || error->elevel > FATAL)
		return;
	is_new = slm_slot_start_failed(my_slot, error);
	/* the postmaster logs each exit with an error, too */
	if (error->elevel == FATAL && !is_new)
		proc_exit(0);
}

static void
connect_to(const char *database)
{
	next_log_hook = emit_log_hook;
	emit_log_hook = note_start_error;
	BackgroundWorkerInitializeConnection(database, NULL, 0);
	emit_log_hook = next_log_hook;
}

void
sellometer_worker_main(Datum arg)
{
	MemoryContext round_context;
	bool		ok;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	my_slot = DatumGetInt32(arg);
	connect_to(MyBgworkerEntry->bgw_extra);
	if (!slm_slot_claim(my_slot))
	{
		ereport(LOG, (errmsg("another sellometer worker for database \"%s\" runs already", MyBgworkerEntry->bgw_extra)));
		proc_exit(0);
	}
	slm_alive_begin(SLM_ALIVE_WORKER);
	round_context = AllocSetContextCreate(TopMemoryContext, "sellometer round", ALLOCSET_DEFAULT_SIZES);
	PortalContext = round_context;	/* SPI keeps there what must outlive the commits of a round */
	ereport(LOG, (errmsg("sellometer worker for database \"%s\" started", MyBgworkerEntry->bgw_extra)));

	for (;;)
	{
		bool		sweep = slm_slot_take_wake(my_slot);

		ok = guarded(round_context, round_of_work, sweep);
		if (!ok)
			(void) guarded(round_context, look_at_health, sweep);
		if (slm_health_settings_changed())
		{
			ereport(LOG, (errmsg("settings of the database or role have changed: the worker begins anew with them")));
			proc_exit(0);
		}
		wait_for_work(ok);
	}
}
