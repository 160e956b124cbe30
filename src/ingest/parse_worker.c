/*
 * parse_worker.c: a process that fetches and reads objects for a leader.
 *
 * It ends when the leader closes its queue, or goes away.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "guc.h"
#include "ingest/pool.h"
#include "ingest/source.h"
#include "ingest/spi.h"
#include "ingest/view_state.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "pure/parcel.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "storage/shm_toc.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define MAX_TRANSFERS	4		/* tasks taken from the queue ahead of their turn, so that their transfers can run */

/* A task in hand; its transfer runs. */
typedef struct Hand
{
	MemoryContext context;
	SlmTask		task;
} Hand;

typedef struct ParseWorker
{
	shm_mq_handle *tasks;
	shm_mq_handle *results;
	SlmSources *sources;
	SlmViewState *views;		/* for its hash key and catalog */
	SlmChunk	chunk;
	SlmBatch	batch;
	Hand	   *hands[MAX_TRANSFERS];
	int			nhands;
} ParseWorker;

/* Sources and hash key come from tables. */
static void
look_up(ParseWorker *worker)
{
	StartTransactionCommand();
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
	PopActiveSnapshot();
	SPI_finish();
	CommitTransactionCommand();
}

/* Take a task, and begin its transfer.  False if there is none now; exits when there will be none any more. */
static bool
take_task(ParseWorker *worker, bool wait)
{
	StringInfoData buf;
	void	   *data;
	Size		len;
	MemoryContext context;
	Hand	   *hand;
	SlmSource  *source;

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
	appendBinaryStringInfo(&buf, data, len);
	hand = palloc0(sizeof(Hand));
	hand->context = context;
	slm_task_receive(&buf, &hand->task);
	look_up(worker);
	MemoryContextSwitchTo(context);
	source = slm_sources_find(worker->sources, hand->task.object.source);
	if (source == NULL || source->store == NULL)
		slm_object_fail_by_source(&hand->task.object, source);
	else
		hand->task.object.transfer = slm_store_get(source->store, hand->task.object.key, hand->task.object.etag, 0);
	worker->hands[worker->nhands++] = hand;
	return true;
}

static void
read_object(ParseWorker *worker, Hand *hand)
{
	SlmObject  *object = &hand->task.object;
	SlmReading *reading = slm_reading_begin(object, &hand->task.clock, &worker->views->key);

	slm_reading_chunk(reading, &hand->task.clock, worker->views->catalog, &worker->chunk);
	slm_reading_end(reading);
	slm_transfer_close(object->transfer);
}

static void
send_result(ParseWorker *worker, const SlmObject *object)
{
	StringInfoData buf;
	char	   *parcel = NULL;
	size_t		len = 0;

	slm_batch_reset(&worker->batch);
	worker->batch.catalog = worker->views->catalog;
	if (object->outcome == SLM_OBJECT_LOADED)
	{
		if (!slm_batch_add(&worker->batch, worker->chunk.rows, worker->chunk.nrows) ||
			!slm_carts_fold(&worker->batch.carts, &worker->chunk.carts) ||
			(parcel = slm_parcel_pack(&worker->batch, &len)) == NULL)
			ereport(FATAL, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	initStringInfo(&buf);
	slm_result_send(&buf, object, parcel, len);
	free(parcel);
	if (shm_mq_send(worker->results, buf.len, buf.data, false, true) != SHM_MQ_SUCCESS)
		proc_exit(0);
}

static void
work(ParseWorker *worker)
{
	for (;;)
	{
		Hand	   *hand;

		while (worker->nhands < MAX_TRANSFERS && take_task(worker, worker->nhands == 0))
			;
		CHECK_FOR_INTERRUPTS();
		hand = worker->hands[0];
		memmove(&worker->hands[0], &worker->hands[1], sizeof(Hand *) * --worker->nhands);
		MemoryContextSwitchTo(hand->context);
		if (hand->task.object.outcome == SLM_OBJECT_WAITING)
			read_object(worker, hand);
		send_result(worker, &hand->task.object);
		MemoryContextSwitchTo(TopMemoryContext);
		MemoryContextDelete(hand->context);
		slm_view_state_trim(worker->views, DT_NOBEGIN);
	}
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
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "sellometer parse worker");
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

	MemoryContextSwitchTo(TopMemoryContext);
	PortalContext = TopMemoryContext;
	worker.sources = slm_sources_create();
	slm_batch_init(&worker.batch, NULL);
	work(&worker);
}
