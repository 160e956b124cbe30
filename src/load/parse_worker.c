/*
 * parse_worker.c: a process that fetches and reads objects for a leader.
 *
 * It ends when the leader closes its queue, or goes away.
 */
#include "postgres.h"

#include <sys/resource.h>

#include "access/xact.h"
#include "budget.h"
#include "dedup/view_state.h"
#include "executor/spi.h"
#include "guc.h"
#include "ledger/reading.h"
#include "ledger/skus.h"
#include "ledger/source.h"
#include "ledger/source_health.h"
#include "load/pool_message.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "pure/serialize.h"
#include "server/alive.h"
#include "server/spi.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "storage/shm_toc.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define READ_MS			2000	/* an object that has come by half and takes longer is for the leader, from turn to turn */
#define MAX_TASKS		2		/* tasks in hand: the next one's transfers run while the first is read */
#define NICE			10
#define MAX_TRANSFERS	4		/* at the same time */

/* A task in hand. */
typedef struct Hand
{
	MemoryContext context;
	SlmTask		task;
	int			started;		/* objects whose transfers were started */
} Hand;

typedef struct ParseWorker
{
	shm_mq_handle *tasks;
	shm_mq_handle *results;
	ResourceOwner resources;	/* between transactions, in which all the reading is done */
	SlmSources *sources;
	SlmViewState *views;		/* for its hash key and dictionary */
	SlmChunk	chunk;
	SlmBatch	batch;
	Hand	   *hands[MAX_TASKS];
	int			nhands;
	int			ntransfers;		/* started, and not read yet */
} ParseWorker;

/* Sources, hash key and formats come from tables. */
static void
look_up(ParseWorker *worker, SlmTask *task)
{
	StartTransactionCommand();
	if (!slm_extension_lock())
		proc_exit(0);			/* nothing to read for */
	SPI_connect();
	slm_secure_transaction();
	slm_sources_hold(worker->sources, worker->nhands > 0);
	slm_sources_refresh(worker->sources);
	if (worker->views == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		worker->views = slm_view_state_create(false);
		MemoryContextSwitchTo(old);
	}
	else
		slm_view_state_refresh(worker->views);
	slm_skus_refresh();
	for (int i = 0; i < task->nobjects; i++)
		task->objects[i].format = slm_format_get(task->objects[i].format_id);
	PopActiveSnapshot();
	SPI_finish();
	CommitTransactionCommand();
	CurrentResourceOwner = worker->resources;
}

/* Take a task.  False if there is none now; exits when there will be none any more. */
static bool
take_task(ParseWorker *worker, bool wait)
{
	StringInfoData buf;
	void	   *data;
	Size		len;
	MemoryContext context;
	Hand	   *hand;

	if (wait)
		slm_alive_at("wait for a task", true);
	switch (shm_mq_receive(worker->tasks, &len, &data, !wait))
	{
		case SHM_MQ_WOULD_BLOCK:
			return false;
		case SHM_MQ_DETACHED:
			proc_exit(0);
		case SHM_MQ_SUCCESS:
			break;
	}
	context = AllocSetContextCreate(TopMemoryContext, "sellometer task", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	initStringInfo(&buf);
	appendBinaryStringInfo(&buf, data, (int) len);
	hand = palloc0(sizeof(Hand));
	hand->context = context;
	slm_task_receive(&buf, &hand->task);
	slm_alive_at("look up sources", false);
	look_up(worker, &hand->task);
	worker->hands[worker->nhands++] = hand;
	return true;
}

/* Start the transfers of the next objects, of the first task first. */
static void
start_transfers(ParseWorker *worker)
{
	for (int h = 0; h < worker->nhands; h++)
	{
		Hand	   *hand = worker->hands[h];

		MemoryContextSwitchTo(hand->context);
		for (; hand->started < hand->task.nobjects && worker->ntransfers < MAX_TRANSFERS; hand->started++)
		{
			SlmObject  *object = &hand->task.objects[hand->started];
			SlmSource  *source = slm_sources_find(worker->sources, object->source);

			slm_object_open(object, source);
			worker->ntransfers += object->transfer != NULL;
		}
	}
}

static void
close_transfer(ParseWorker *worker, SlmObject *object)
{
	slm_transfer_close(object->transfer);
	object->transfer = NULL;
	worker->ntransfers--;
}

/* Has an object come?  If not, the leader takes care of it. */
static bool
has_come_or_is_left(ParseWorker *worker, SlmObject *object)
{
	SlmSource  *source = slm_sources_find(worker->sources, object->source);

	if (source == NULL || (slm_source_health_may_read(source) && slm_source_health_has_come(source, object->transfer)))
		return true;
	object->outcome = SLM_OBJECT_SLOW;
	return false;
}

static void
read_object(ParseWorker *worker, Hand *hand, SlmObject *object)
{
	SlmReading *reading;

	MemoryContextSwitchTo(hand->context);
	if (!has_come_or_is_left(worker, object))
	{
		close_transfer(worker, object);
		return;
	}
	reading = slm_reading_begin(object, &hand->task.clock, &worker->views->key, &worker->views->checksum);
	slm_reading_limit(reading, READ_MS, true);
	slm_reading_chunk(reading, &hand->task.clock, worker->views->dictionary, &worker->chunk, false);
	if (slm_reading_interrupted(reading))
		object->outcome = SLM_OBJECT_PART;
	slm_reading_end(reading);
	close_transfer(worker, object);
	slm_source_health_was_read(slm_sources_find(worker->sources, object->source), object);
	if (object->outcome != SLM_OBJECT_LOADED)
		return;
	if (!slm_object_add(object, &worker->batch, &worker->chunk))
		ereport(FATAL, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

/*
 * Do the objects that were read take as much memory as they may?  The others of the task are left waiting, for a later batch.  New
 * names count twice, as they are packed too.
 */
static bool
is_memory_short(const ParseWorker *worker)
{
	return worker->batch.nobjects > 0 &&
		slm_batch_memory(&worker->batch) + 2 * (slm_dictionary_memory(worker->views->dictionary) - worker->views->names_before) >
		slm_budget_least_batch();
}

/* Begin with an empty batch; in the memory of the one before it, unless that took all that there is. */
static void
begin_batch(ParseWorker *worker)
{
	if (slm_batch_memory(&worker->batch) > slm_budget_least_batch() / 2)
		slm_batch_free(&worker->batch);
	slm_batch_reset(&worker->batch);
	worker->batch.dictionary = worker->views->dictionary;
}

/* A transfer that was started, and whose object is left waiting. */
static void
leave(ParseWorker *worker, SlmObject *object)
{
	if (object->transfer == NULL)
		return;
	slm_transfer_close(object->transfer);
	object->transfer = NULL;
	worker->ntransfers--;
}

static void
send_result(ParseWorker *worker, const Hand *hand)
{
	StringInfoData buf;
	SlmSerialized serialized = {0};
	shm_mq_iovec pieces[3];
	shm_mq_result sent;

	MemoryContextSwitchTo(hand->context);
	if (worker->batch.nobjects > 0 && !slm_batch_serialize(&worker->batch, &serialized))
		ereport(FATAL, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	initStringInfo(&buf);
	slm_result_send(&buf, &hand->task, serialized.len[0] + serialized.len[1]);
	pieces[0] = (shm_mq_iovec) {.data = buf.data,.len = buf.len};
	for (int i = 0; i < 2; i++)
		pieces[i + 1] = (shm_mq_iovec) {.data = serialized.data[i],.len = serialized.len[i]};
	slm_alive_at("hand over", true);
	sent = shm_mq_sendv(worker->results, pieces, lengthof(pieces), false, true);
	slm_serialized_free(&serialized);
	if (sent != SHM_MQ_SUCCESS)
		proc_exit(0);
}

static void
work(ParseWorker *worker)
{
	for (;;)
	{
		Hand	   *hand;

		while (worker->nhands < MAX_TASKS && take_task(worker, worker->nhands == 0))
			;
		hand = worker->hands[0];
		begin_batch(worker);
		slm_source_health_begin(worker->sources);
		for (int i = 0; i < hand->task.nobjects; i++)
		{
			CHECK_FOR_INTERRUPTS();
			slm_alive_at("fetch and read", false);
			if (is_memory_short(worker))
			{
				leave(worker, &hand->task.objects[i]);
				continue;
			}
			start_transfers(worker);
			if (hand->task.objects[i].outcome == SLM_OBJECT_WAITING)
				read_object(worker, hand, &hand->task.objects[i]);
		}
		send_result(worker, hand);
		MemoryContextSwitchTo(TopMemoryContext);
		MemoryContextDelete(hand->context);
		memmove(&worker->hands[0], &worker->hands[1], sizeof(Hand *) * --worker->nhands);
		slm_view_state_trim(worker->views, DT_NOBEGIN);
	}
}

/*
 * Each process of a server is a session of its own, and where the kernel gives sessions equal shares of the processor
 * (sched_autogroup_enabled, see sched(7)) a process's priority counts only within its session.
 */
static void
lower_session(void)
{
	FILE	   *file = fopen("/proc/self/autogroup", "w");

	if (file == NULL)
		return;
	(void) fprintf(file, "%d", NICE);
	(void) fclose(file);
}

void
sellometer_parse_worker_main(Datum arg)
{
	ParseWorker worker = {0};
	dsm_segment *segment;
	shm_toc    *toc;
	shm_mq	   *tasks;
	shm_mq	   *results;
	Oid			database;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	memcpy(&database, MyBgworkerEntry->bgw_extra, sizeof(Oid));
	worker.resources = CurrentResourceOwner = ResourceOwnerCreate(NULL, "sellometer parse worker");
	segment = dsm_attach(DatumGetUInt32(arg));
	if (segment == NULL)
		proc_exit(0);			/* the leader is gone already */
	dsm_pin_mapping(segment);
	toc = shm_toc_attach(SLM_POOL_MAGIC, dsm_segment_address(segment));
	tasks = shm_toc_lookup(toc, SLM_POOL_TASKS, false);
	results = shm_toc_lookup(toc, SLM_POOL_RESULTS, false);
	shm_mq_set_receiver(tasks, MyProc);
	shm_mq_set_sender(results, MyProc);
	worker.tasks = shm_mq_attach(tasks, segment, NULL);
	worker.results = shm_mq_attach(results, segment, NULL);
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	pgstat_report_activity(STATE_RUNNING, "reading objects");
	slm_alive_begin(SLM_ALIVE_PARSE_WORKER);
	/* the leader has the longest way to go: where there are fewer processors than processes, it must not wait for one */
	(void) setpriority(PRIO_PROCESS, 0, NICE);
	lower_session();

	MemoryContextSwitchTo(TopMemoryContext);
	PortalContext = TopMemoryContext;
	worker.sources = slm_sources_create();
	slm_batch_init(&worker.batch, NULL);
	work(&worker);
}
