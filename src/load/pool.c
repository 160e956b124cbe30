/*
 * pool.c: the leader's side of the parse workers.
 */
#include "postgres.h"

#include "budget.h"
#include "dedup/own_dimensions.h"
#include "guc.h"
#include "load/pool.h"
#include "load/pool_message.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "pure/memory.h"
#include "pure/serialize.h"
#include "server/alive.h"
#include "server/out_of_memory.h"
#include "server/progress.h"
#include "storage/dsm.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "storage/shm_toc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#define TASKS_SIZE			(1024 * 1024)
#define MAX_RESULTS_SIZE	((Size) 16 * 1024 * 1024)
#define TASKS_PER_WORKER	8
#define TASK_BYTES			((int64) 8 * 1024 * 1024)

/* Names in a task, with room for what else is in it: a queue's reader gives room back only when that is a quarter of it. */
#define TASK_NAMES			(TASKS_SIZE / 4 * 3 / TASKS_PER_WORKER - 8 * 1024)

#define REPLACE_MS			1000	/* from a parse worker's start to that of another in its place */

/* The objects of a task, or of a result. */
typedef struct Ids
{
	int			n;
	int64		ids[SLM_TASK_OBJECTS];
} Ids;

typedef struct Member
{
	dsm_segment *segment;
	shm_mq_handle *tasks;
	shm_mq_handle *results;
	BackgroundWorkerHandle *handle;
	bool		gone;
	TimestampTz started;		/* or could not be */
	int			nunder_way;
	Ids			under_way[TASKS_PER_WORKER];	/* tasks, in the order in which their results come */
} Member;

/* A result that has come. */
typedef struct Result
{
	struct Result *next;
	Ids			objects;
	StringInfoData buf;			/* read up to behind the ids; of memory.h, as the batch may take it over */
} Result;

struct SlmPool
{
	MemoryContext context;
	Member	   *members;
	int			wanted;			/* as many members as there are to be */
	int			nmembers;
	Result	   *results;		/* in the order in which they came, which is about that of their rows' times */
	Size		kept_bytes;
};

bool
slm_pool_is_full(const SlmPool *pool)
{
	return pool->kept_bytes > slm_budget_results();
}

/* The queue is of the parse worker's memory, too. */
static Size
results_size(const SlmPool *pool)
{
	return MAXALIGN_DOWN(Min(MAX_RESULTS_SIZE, slm_budget_parsers() / pool->wanted / 4));
}

static bool
start_member(SlmPool *pool, Member *member)
{
	shm_toc_estimator e;
	shm_toc    *toc;
	shm_mq	   *mq;
	Size		size;
	Size		for_results = results_size(pool);
	BackgroundWorker worker = {0};

	shm_toc_initialize_estimator(&e);
	shm_toc_estimate_chunk(&e, TASKS_SIZE);
	shm_toc_estimate_chunk(&e, for_results);
	shm_toc_estimate_keys(&e, 2);
	size = shm_toc_estimate(&e);
	*member = (Member) {.gone = true,.started = GetCurrentTimestamp()};
	member->segment = dsm_create(size, DSM_CREATE_NULL_IF_MAXSEGMENTS);
	if (member->segment == NULL)
		return false;
	dsm_pin_mapping(member->segment);
	toc = shm_toc_create(SLM_POOL_MAGIC, dsm_segment_address(member->segment), size);
	mq = shm_mq_create(shm_toc_allocate(toc, TASKS_SIZE), TASKS_SIZE);
	shm_toc_insert(toc, SLM_POOL_TASKS, mq);
	shm_mq_set_sender(mq, MyProc);
	member->tasks = shm_mq_attach(mq, member->segment, NULL);
	mq = shm_mq_create(shm_toc_allocate(toc, for_results), for_results);
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
		member->segment = NULL;
		return false;
	}
	shm_mq_set_handle(member->tasks, member->handle);
	shm_mq_set_handle(member->results, member->handle);
	member->gone = false;
	return true;
}

static void
stop_members(void *arg)
{
	SlmPool    *pool = arg;

	/* a worker sees its queues closed when it has finished what it is at, and exits */
	for (int i = 0; i < pool->nmembers; i++)
	{
		if (pool->members[i].segment != NULL)
			dsm_detach(pool->members[i].segment);
	}
	pool->nmembers = 0;
	for (Result *result = pool->results; result != NULL; result = result->next)
		slm_table_free(result->buf.data, result->buf.len, 1);
	pool->results = NULL;
}

SlmPool *
slm_pool_start(int n)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer pool", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	SlmPool    *pool = palloc0(sizeof(SlmPool));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	pool->context = context;
	pool->wanted = n;
	pool->members = palloc0(sizeof(Member) * n);
	callback->func = stop_members;
	callback->arg = pool;
	MemoryContextRegisterResetCallback(context, callback);
	for (bool going_on = true; pool->nmembers < n; pool->nmembers++)
	{
		pool->members[pool->nmembers].gone = true;
		going_on = going_on && start_member(pool, &pool->members[pool->nmembers]);
	}
	MemoryContextSwitchTo(old);
	if (slm_pool_size(pool) == 0)
	{
		MemoryContextDelete(context);
		return NULL;
	}
	ereport(LOG, (errmsg("%d parse workers started", slm_pool_size(pool))));
	return pool;
}

void
slm_pool_replace(SlmPool *pool)
{
	MemoryContext old = MemoryContextSwitchTo(pool->context);

	for (int i = 0; i < pool->nmembers; i++)
	{
		Member	   *member = &pool->members[i];

		if (!member->gone || !TimestampDifferenceExceeds(member->started, GetCurrentTimestamp(), REPLACE_MS))
			continue;
		if (member->segment != NULL)
			dsm_detach(member->segment);
		if (member->handle != NULL)
			pfree(member->handle);
		if (start_member(pool, member))
			ereport(LOG, (errmsg("a parse worker takes the place of one that went away")));
	}
	MemoryContextSwitchTo(old);
}

void
slm_pool_stop(SlmPool *pool)
{
	ereport(LOG, (errmsg("%d parse workers stopped", slm_pool_size(pool))));
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

static bool
has_id(const Ids *ids, int64 id)
{
	for (int i = 0; i < ids->n; i++)
	{
		if (ids->ids[i] == id)
			return true;
	}
	return false;
}

bool
slm_pool_has(const SlmPool *pool, const SlmObject *object)
{
	for (const Result *result = pool->results; result != NULL; result = result->next)
	{
		if (has_id(&result->objects, object->id))
			return true;
	}
	for (int i = 0; i < pool->nmembers; i++)
	{
		const Member *member = &pool->members[i];

		for (int j = 0; !member->gone && j < member->nunder_way; j++)
		{
			if (has_id(&member->under_way[j], object->id))
				return true;
		}
	}
	return false;
}

int
slm_pool_task_size(const SlmObject *objects, int n)
{
	int64		bytes = 0;
	Size		names = 0;
	int			size;

	for (size = 0; size < n && size < SLM_TASK_OBJECTS; size++)
	{
		const SlmObject *object = &objects[size];

		bytes += object->size;
		names += strlen(object->source) + strlen(object->key) + strlen(object->etag);
		if (names > TASK_NAMES || (size > 0 && bytes > TASK_BYTES))
			break;
	}
	return size;
}

bool
slm_pool_submit(SlmPool *pool, const SlmObject *objects, int n, const SlmClock *clock)
{
	Member	   *best = NULL;
	Ids		   *ids;
	StringInfoData buf;

	Assert(n > 0 && n <= SLM_TASK_OBJECTS);

	if (slm_pool_is_full(pool))
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
	slm_task_send(&buf, objects, n, clock, slm_budget_parser_memory(pool->wanted));
	/* there is room for TASKS_PER_WORKER tasks with as long names as there may be */
	switch (shm_mq_send(best->tasks, buf.len, buf.data, true, true))
	{
		case SHM_MQ_SUCCESS:
			ids = &best->under_way[best->nunder_way++];
			ids->n = n;
			for (int i = 0; i < n; i++)
				ids->ids[i] = objects[i].id;
			break;
		case SHM_MQ_WOULD_BLOCK:
			ereport(LOG, (errmsg("a parse worker has no room for its tasks")));
			best->gone = true;	/* half a message may be in the queue: it is of no more use */
			break;
		case SHM_MQ_DETACHED:
			best->gone = true;
			break;
	}
	pfree(buf.data);
	return !best->gone;
}

/* A worker does its tasks one after the other, so what has come is the result of the oldest. */
static void
keep_result(SlmPool *pool, Member *member, const void *data, Size len)
{
	MemoryContext old = MemoryContextSwitchTo(pool->context);
	Result	   *result = palloc0(sizeof(Result));
	Result	  **end = &pool->results;

	while (*end != NULL)
		end = &(*end)->next;
	result->buf.data = slm_table_alloc_dirty(len, 1);
	if (result->buf.data == NULL)
		slm_out_of_memory();
	result->buf.len = (int) len;
	memcpy(result->buf.data, data, len);
	*end = result;
	result->objects.n = slm_result_ids(&result->buf, result->objects.ids);
	/* it is of the task that we take it for */
	Assert(member->nunder_way > 0 && result->objects.n == member->under_way[0].n);
	Assert(memcmp(result->objects.ids, member->under_way[0].ids, sizeof(int64) * result->objects.n) == 0);
	pool->kept_bytes += len;
	MemoryContextSwitchTo(old);
	member->nunder_way--;
	memmove(&member->under_way[0], &member->under_way[1], sizeof(Ids) * member->nunder_way);
}

/* Take a result from a worker's queue, if there is one. */
static bool
receive(SlmPool *pool, Member *member)
{
	void	   *data;
	Size		len;

	if (member->gone)
		return false;
	switch (shm_mq_receive(member->results, &len, &data, true))
	{
		case SHM_MQ_SUCCESS:
			keep_result(pool, member, data, len);
			return true;
		case SHM_MQ_DETACHED:
			member->gone = true;
			return false;
		default:
			return false;
	}
}

void
slm_pool_drain(SlmPool *pool)
{
	for (int i = 0; i < pool->nmembers; i++)
	{
		while (!slm_pool_is_full(pool) && receive(pool, &pool->members[i]))
			;
	}
}

/* However much there is already: what is waited for may come next. */
static bool
receive_more(SlmPool *pool)
{
	bool		any = false;

	for (int i = 0; i < pool->nmembers; i++)
		any |= receive(pool, &pool->members[i]);
	return any;
}

static void
drop_result(SlmPool *pool, Result *result)
{
	Result	  **link = &pool->results;

	while (*link != result)
		link = &(*link)->next;
	*link = result->next;
	pool->kept_bytes -= result->buf.len;
	slm_table_free(result->buf.data, result->buf.len, 1);
	pfree(result);
}

void
slm_pool_wait(SlmPool *pool)
{
	slm_alive();
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 1000, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/*
 * Where the objects of a result stand among the total ones; mostly side by side.  Returns how many are there; *first is the
 * least of their places.
 */
static int
find_places(const Ids *ids, const SlmObject *objects, int total, int *places, int *first)
{
	int			found = 0;
	int			place = 0;

	*first = total;
	for (int i = 0; i < ids->n; i++)
	{
		if (place >= total || objects[place].id != ids->ids[i])
		{
			for (place = 0; place < total && objects[place].id != ids->ids[i];)
				place++;
		}
		if (place == total)
			continue;
		places[found++] = place;
		*first = Min(*first, place);
		place++;
	}
	return found;
}

/* What was read is of no use: they are read again. */
static void
leave_waiting(SlmObject *objects, const int *places, int n)
{
	for (int i = 0; i < n; i++)
	{
		objects[places[i]].outcome = SLM_OBJECT_WAITING;
		objects[places[i]].number = -1;
	}
}

int
slm_pool_take(SlmPool *pool, SlmObject *objects, int n, int total, SlmBatch *batch, bool *done)
{
	Result	   *result;
	int			places[SLM_TASK_OBJECTS];
	int			found;
	int			first = batch->nobjects;
	char	   *block;
	size_t		block_size;
	char	   *serialized;
	size_t		len;
	bool		stale;

	slm_pool_drain(pool);
	for (;;)
	{
		int			first_place = total;

		found = 0;
		for (result = pool->results; result != NULL; result = result->next)
		{
			found = find_places(&result->objects, objects, total, places, &first_place);
			if (first_place < n)
				break;
		}
		if (result == NULL && receive_more(pool))
			continue;
		if (result == NULL)
			return 0;
		if (found == result->objects.n)
			break;
		drop_result(pool, result);
	}
	for (int i = 0; i < found; i++)
	{
		SlmObject  *object = &objects[places[i]];

		Assert(!done[places[i]] && object->number < 0);

		slm_result_object(&result->buf, object);
		if (object->number >= 0)
			object->number += first;
		done[places[i]] = true;
	}
	serialized = slm_result_batch(&result->buf, &len, &stale);
	if (stale)
		leave_waiting(objects, places, found);
	for (int i = 0; i < found; i++)
	{
		const SlmObject *object = &objects[places[i]];

		if (object->outcome != SLM_OBJECT_PART && object->outcome != SLM_OBJECT_WAITING)
			slm_progress_add(1, object->size, object->rows_total);
	}
	len = stale ? 0 : len;
	block = result->buf.data;
	block_size = result->buf.len;
	if (len > 0)
		result->buf.data = NULL;
	drop_result(pool, result);
	if (len > 0 && !slm_serialized_fits(serialized, len, batch))
		slm_own_changed();
	if (len > 0 && !slm_batch_deserialize(block, block_size, serialized, len, batch))
		slm_out_of_memory();
	return found;
}
