/*
 * pool.c: the leader's side of the parse workers.
 */
#include "postgres.h"

#include "ingest/pool.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "pure/parcel.h"
#include "storage/dsm.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "storage/shm_toc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#define TASKS_SIZE			(256 * 1024)
#define RESULTS_SIZE		(16 * 1024 * 1024)
#define TASKS_PER_WORKER	64
#define MAX_KEPT_BYTES		((Size) 256 * 1024 * 1024)	/* results in memory whose turn has not come */

typedef struct Member
{
	dsm_segment *segment;
	shm_mq_handle *tasks;
	shm_mq_handle *results;
	BackgroundWorkerHandle *handle;
	bool		gone;
	int			nunder_way;
	int64		under_way[TASKS_PER_WORKER];	/* ids of objects, in the order of their tasks */
} Member;

/* A result that has come. */
typedef struct Result
{
	struct Result *next;
	int64		id;
	StringInfoData buf;
} Result;

struct SlmPool
{
	MemoryContext context;
	Member	   *members;
	int			nmembers;
	Result	   *results;
	Size		kept_bytes;
};

static bool
start_member(SlmPool *pool, Member *member)
{
	shm_toc_estimator e;
	shm_toc    *toc;
	shm_mq	   *mq;
	Size		size;
	BackgroundWorker worker = {0};

	shm_toc_initialize_estimator(&e);
	shm_toc_estimate_chunk(&e, TASKS_SIZE);
	shm_toc_estimate_chunk(&e, RESULTS_SIZE);
	shm_toc_estimate_keys(&e, 2);
	size = shm_toc_estimate(&e);
	member->segment = dsm_create(size, DSM_CREATE_NULL_IF_MAXSEGMENTS);
	if (member->segment == NULL)
		return false;
	dsm_pin_mapping(member->segment);
	toc = shm_toc_create(SLM_POOL_MAGIC, dsm_segment_address(member->segment), size);
	mq = shm_mq_create(shm_toc_allocate(toc, TASKS_SIZE), TASKS_SIZE);
	shm_toc_insert(toc, SLM_POOL_TASKS, mq);
	shm_mq_set_sender(mq, MyProc);
	member->tasks = shm_mq_attach(mq, member->segment, NULL);
	mq = shm_mq_create(shm_toc_allocate(toc, RESULTS_SIZE), RESULTS_SIZE);
	shm_toc_insert(toc, SLM_POOL_RESULTS, mq);
	shm_mq_set_receiver(mq, MyProc);
	member->results = shm_mq_attach(mq, member->segment, NULL);

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "sellometer", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "sellometer_parse_worker_main", BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, "sellometer parse worker of process %d", MyProcPid);
	strlcpy(worker.bgw_type, "sellometer parse worker", BGW_MAXLEN);
	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(member->segment));
	worker.bgw_notify_pid = MyProcPid;
	memcpy(worker.bgw_extra, &MyDatabaseId, sizeof(Oid));
	if (!RegisterDynamicBackgroundWorker(&worker, &member->handle))
	{
		dsm_detach(member->segment);
		return false;
	}
	shm_mq_set_handle(member->tasks, member->handle);
	shm_mq_set_handle(member->results, member->handle);
	return true;
}

static void
stop_members(void *arg)
{
	SlmPool    *pool = arg;

	/* a worker sees its queues closed when it has finished what it is at, and exits */
	for (int i = 0; i < pool->nmembers; i++)
		dsm_detach(pool->members[i].segment);
	pool->nmembers = 0;
}

SlmPool *
slm_pool_start(int n)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer pool", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	SlmPool    *pool = palloc0(sizeof(SlmPool));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	pool->context = context;
	pool->members = palloc0(sizeof(Member) * n);
	callback->func = stop_members;
	callback->arg = pool;
	MemoryContextRegisterResetCallback(context, callback);
	while (pool->nmembers < n && start_member(pool, &pool->members[pool->nmembers]))
		pool->nmembers++;
	MemoryContextSwitchTo(old);
	if (pool->nmembers == 0)
	{
		MemoryContextDelete(context);
		return NULL;
	}
	ereport(LOG, (errmsg("%d parse workers started", pool->nmembers)));
	return pool;
}

void
slm_pool_stop(SlmPool *pool)
{
	ereport(LOG, (errmsg("%d parse workers stopped", pool->nmembers)));
	MemoryContextDelete(pool->context);
}

int
slm_pool_size(const SlmPool *pool)
{
	int			n = 0;

	for (int i = 0; i < pool->nmembers; i++)
		n += !pool->members[i].gone;
	return n;
}

static Result *
find_result(const SlmPool *pool, int64 id)
{
	Result	   *result = pool->results;

	while (result != NULL && result->id != id)
		result = result->next;
	return result;
}

static Member *
find_member(const SlmPool *pool, int64 id)
{
	for (int i = 0; i < pool->nmembers; i++)
	{
		Member	   *member = &pool->members[i];

		for (int j = 0; !member->gone && j < member->nunder_way; j++)
		{
			if (member->under_way[j] == id)
				return member;
		}
	}
	return NULL;
}

bool
slm_pool_has(const SlmPool *pool, const SlmObject *object)
{
	return find_result(pool, object->id) != NULL || find_member(pool, object->id) != NULL;
}

bool
slm_pool_submit(SlmPool *pool, const SlmObject *object, const SlmClock *clock)
{
	Member	   *best = NULL;
	StringInfoData buf;

	if (slm_pool_has(pool, object))
		return true;
	if (pool->kept_bytes > MAX_KEPT_BYTES)
		return false;
	for (int i = 0; i < pool->nmembers; i++)
	{
		Member	   *member = &pool->members[i];

		if (!member->gone && member->nunder_way < TASKS_PER_WORKER &&
			(best == NULL || member->nunder_way < best->nunder_way))
			best = member;
	}
	if (best == NULL)
		return false;
	initStringInfo(&buf);
	slm_task_send(&buf, object, clock);
	/* room for TASKS_PER_WORKER tasks with keys of the greatest length */
	switch (shm_mq_send(best->tasks, buf.len, buf.data, true, true))
	{
		case SHM_MQ_SUCCESS:
			best->under_way[best->nunder_way++] = object->id;
			break;
		case SHM_MQ_WOULD_BLOCK:
		case SHM_MQ_DETACHED:
			best->gone = true;	/* half a message may be in the queue: it is of no more use */
			break;
	}
	pfree(buf.data);
	return !best->gone;
}

static void
keep_result(SlmPool *pool, Member *member, const void *data, Size len)
{
	MemoryContext old = MemoryContextSwitchTo(pool->context);
	Result	   *result = palloc(sizeof(Result));

	initStringInfo(&result->buf);
	appendBinaryStringInfo(&result->buf, data, len);
	memcpy(&result->id, data, sizeof(int64));
	result->id = (int64) pg_ntoh64((uint64) result->id);
	result->next = pool->results;
	pool->results = result;
	pool->kept_bytes += len;
	MemoryContextSwitchTo(old);
	for (int i = 0; i < member->nunder_way; i++)
	{
		if (member->under_way[i] == result->id)
		{
			member->under_way[i] = member->under_way[--member->nunder_way];
			break;
		}
	}
}

void
slm_pool_drain(SlmPool *pool)
{
	for (int i = 0; i < pool->nmembers; i++)
	{
		Member	   *member = &pool->members[i];
		void	   *data;
		Size		len;

		while (!member->gone)
		{
			shm_mq_result status = shm_mq_receive(member->results, &len, &data, true);

			if (status == SHM_MQ_WOULD_BLOCK)
				break;
			if (status == SHM_MQ_DETACHED)
				member->gone = true;
			else
				keep_result(pool, member, data, len);
		}
	}
}

static void
drop_result(SlmPool *pool, Result *result)
{
	Result	  **link = &pool->results;

	while (*link != result)
		link = &(*link)->next;
	*link = result->next;
	pool->kept_bytes -= result->buf.len;
	pfree(result->buf.data);
	pfree(result);
}

void
slm_pool_wait(SlmPool *pool)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 1000, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

bool
slm_pool_take(SlmPool *pool, SlmObject *object, SlmBatch *batch, bool wait)
{
	Result	   *result;
	const char *parcel;
	size_t		len;

	slm_pool_drain(pool);
	while ((result = find_result(pool, object->id)) == NULL)
	{
		if (!wait || find_member(pool, object->id) == NULL)
			return false;
		slm_pool_wait(pool);
		slm_pool_drain(pool);
	}
	slm_result_receive(&result->buf, object, &parcel, &len);
	if (object->outcome == SLM_OBJECT_LOADED)
	{
		object->number = batch->nobjects;
		if (!slm_parcel_unpack(parcel, len, batch))
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	drop_result(pool, result);
	return true;
}
