/*
 * ingest.c: one batch, from the ledger to the commit.
 *
 * The transaction of a batch:
 *
 *   pick objects (rows locked)
 *   +-- subtransaction --------------------------------+
 *   | fetch and read each object into the batch        |
 *   | take the writer's lock, apply                    |   on an error: rolled back, the error is noted with the
 *   +--------------------------------------------------+   object, or the objects are loaded one by one to find it
 *   commit
 */
#include "postgres.h"

#include "access/xact.h"
#include "guc.h"
#include "ledger/discovery.h"
#include "ledger/identity.h"
#include "ledger/key_time.h"
#include "ledger/trouble.h"
#include "lib/stringinfo.h"
#include "load/held.h"
#include "load/ingest.h"
#include "load/large.h"
#include "load/pool.h"
#include "miscadmin.h"
#include "server/alive.h"
#include "server/crash_point.h"
#include "server/out_of_memory.h"
#include "server/shmem.h"
#include "server/spi.h"
#include "storage/latch.h"
#include "tiers/tier.h"
#include "tiers/tier_write.h"
#include "utils/memutils.h"
#include "utils/pg_rusage.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#define MAX_OBJECTS_PER_BATCH	2000

/* A source whose objects did not come soon is apart from the others for so long; then it has another try. */
#define APART_FOR				(30 * USECS_PER_SEC)
#define APART_MAX				(600 * USECS_PER_SEC)

/* An object that has come by half and takes longer than this is read like a large one, from turn to turn. */
#define READ_MS					1000

/* How often is looked, while nothing else is to be done, whether a transfer has come. */
#define LOOK_MS					20

/* Batches of backlog are kept so small that the writer's lock is held about this long. */
#define LATE_HELD_MS			300
#define FIRST_LATE_BYTES		(1024 * 1024)
#define LEAST_LATE_BYTES		(64 * 1024)

static void
ingest_free(void *arg)
{
	SlmIngest  *ingest = arg;

	slm_batch_free(&ingest->batch);
	slm_chunk_free(&ingest->chunk);
	slm_large_free_chunks(ingest);
}

SlmIngest *
slm_ingest_begin(bool persistent)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer ingest", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	SlmIngest  *ingest = palloc0(sizeof(SlmIngest));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	callback->func = ingest_free;
	callback->arg = ingest;
	MemoryContextRegisterResetCallback(context, callback);
	ingest->context = context;
	ingest->batch_context = AllocSetContextCreate(context, "sellometer batch", ALLOCSET_DEFAULT_SIZES);
	ingest->sources = slm_sources_create();
	ingest->late_bytes = FIRST_LATE_BYTES;
	slm_secure_transaction();
	ingest->views = slm_view_state_create(persistent);
	MemoryContextSwitchTo(old);
	return ingest;
}

void
slm_ingest_end(SlmIngest *ingest)
{
	MemoryContextDelete(ingest->context);
}

/* --- reading --- */

/* Start the transfers of the next objects, as far as connections allow.  Those of sources that can't be read now stay as they are. */
static int
start_transfers(SlmIngest *ingest, SlmObject *objects, int n, int current, int started)
{
	for (; started < n && started < current + slm_max_connections; started++)
	{
		SlmObject  *object = &objects[started];
		SlmSource  *source = slm_sources_find(ingest->sources, object->source);

		if (object->outcome != SLM_OBJECT_WAITING || (source != NULL && !slm_trouble_may_read(source)))
			continue;
		if (!slm_held_take(ingest, object))
			slm_object_open(object, source);
	}
	return started;
}

static void
close_transfers(SlmObject *objects, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (objects[i].transfer != NULL)
			slm_transfer_close(objects[i].transfer);
		objects[i].transfer = NULL;
	}
}

static void
add_to_batch(SlmIngest *ingest, SlmObject *object)
{
	if (!slm_object_add(object, &ingest->batch, &ingest->chunk))
		slm_out_of_memory();
}

/*
 * Does the batch take as much as it may?  It is applied then, whatever else was to come into it.  Names count twice: to write them to
 * the tables takes about as much again.
 */
static bool
is_memory_short(const SlmIngest *ingest)
{
	return slm_batch_memory(&ingest->batch) + 2 * slm_catalog_memory(ingest->views->catalog) > (size_t) slm_work_memory * 1024 / 2;
}

/* From now on a source's objects are loaded as they come. */
static void
set_apart(SlmSource *source)
{
	if (source == NULL)
		return;
	/* longer each time, as each time it keeps the others waiting for a moment */
	source->apart_until = GetCurrentTimestamp() + Min(APART_FOR << source->slow_times, APART_MAX);
	source->slow_times = Min(source->slow_times + 1, 10);
}

/* Has an object come, so that reading it need not wait?  If not, its transfer goes on beside. */
static bool
has_come_or_is_held(SlmIngest *ingest, SlmObject *object)
{
	SlmSource  *source = slm_sources_find(ingest->sources, object->source);

	if (slm_trouble_has_come(source, object->transfer))
		return true;
	set_apart(source);
	slm_held_keep(ingest, object);
	return false;
}

/* Read one object whole; large objects come back as SLM_OBJECT_PART, and nothing of them is in the batch. */
static void
read_object(SlmIngest *ingest, const SlmClock *clock, SlmObject *object)
{
	SlmReading *reading = slm_reading_begin(object, clock, &ingest->views->key, &ingest->views->checksum);

	slm_reading_limit(reading, READ_MS, true);
	slm_reading_chunk(reading, clock, ingest->views->catalog, &ingest->chunk, false);
	/* not small, and slow: what can go on from turn to turn is a large object */
	if (slm_reading_interrupted(reading))
		object->outcome = SLM_OBJECT_PART;
	slm_reading_end(reading);
	slm_transfer_close(object->transfer);
	object->transfer = NULL;
	slm_trouble_was_read(slm_sources_find(ingest->sources, object->source), object);
	if (object->outcome == SLM_OBJECT_LOADED)
		add_to_batch(ingest, object);
	if (object->outcome != SLM_OBJECT_PART)
		slm_progress_add(1, object->size, object->rows_total);
}

/* How many of the first n objects there is something to be recorded of. */
static int
count_dealt_with(const SlmObject *objects, int n)
{
	int			dealt_with = 0;

	for (int i = 0; i < n; i++)
		dealt_with += objects[i].outcome != SLM_OBJECT_WAITING;
	return dealt_with;
}

/*
 * Read objects into the batch until all are read, memory is short, or a large one comes up.  Returns how many were gone through;
 * those that have not come stay WAITING.  *large: if nothing is to be recorded of any, a large one that comes next; else -1.
 */
static int
read_alone(SlmIngest *ingest, const SlmClock *clock, SlmObject *objects, int n, int *large)
{
	int			started = 0;
	int			missing = 0;

	for (int i = 0; i < n; i++)
	{
		if (objects[i].outcome != SLM_OBJECT_WAITING || slm_large_beside(ingest, &objects[i]))
			continue;
		if (objects[i].resume_row == 0 && objects[i].id != ingest->large_id && !slm_large_has(ingest, objects[i].id))
		{
			started = start_transfers(ingest, objects, n, i, Max(started, i));
			if (objects[i].transfer != NULL && has_come_or_is_held(ingest, &objects[i]))
				read_object(ingest, clock, &objects[i]);
			else if (objects[i].outcome == SLM_OBJECT_WAITING && ++missing >= slm_max_connections)
				return i + 1;	/* enough is under way */
		}
		else
			objects[i].outcome = SLM_OBJECT_PART;
		if (objects[i].outcome == SLM_OBJECT_PART)
		{
			objects[i].outcome = SLM_OBJECT_WAITING;
			ingest->large_id = objects[i].id;
			if (count_dealt_with(objects, i) > 0)
				return i;
			*large = i;
			return i + 1;
		}
		if (is_memory_short(ingest))
			return i + 1;
	}
	return n;
}

/* --- reading with parse workers --- */

/* What the parse workers are fed with, also while the leader is busy writing. */
typedef struct Feed
{
	SlmPool    *pool;			/* NULL: there is nobody to feed */
	int64		large_id;		/* as in SlmIngest */
	SlmObject  *objects;
	int			n;				/* of the batch */
	int			total;			/* with those that come behind it */
	int			next;
	const bool *done;			/* by object; NULL: none is */
	const SlmClock *clock;
} Feed;

static bool
is_for_workers(int64 large_id, const SlmObject *object)
{
	return object->resume_row == 0 && object->id != large_id && object->size < SLM_LARGE_BYTES;
}

/* Is it still to be read, and by them? */
static bool
waits_for_workers(int64 large_id, const SlmObject *object)
{
	return object->outcome == SLM_OBJECT_WAITING && is_for_workers(large_id, object);
}

/* The objects from the next one on that may be in one task: none of the next batch with some of this. */
static int
next_task(const Feed *feed)
{
	SlmGranularity partition = feed->clock->tiers->tiers[0].partition;
	int			begin = feed->next;
	int			end = begin < feed->n ? feed->n : feed->total;
	int			fit = begin;

	while (fit < end && waits_for_workers(feed->large_id, &feed->objects[fit]) && !(feed->done && feed->done[fit]) &&
		   !slm_pool_has(feed->pool, &feed->objects[fit]) &&
		   slm_bucket_start(partition, feed->objects[fit].object_time) ==
		   slm_bucket_start(partition, feed->objects[begin].object_time))
		fit++;
	return slm_pool_task_size(&feed->objects[begin], fit - begin);
}

/* Hand over as many objects as the workers take, and fetch what they have finished. */
static void
feed_workers(void *arg)
{
	Feed	   *feed = arg;

	slm_pool_drain(feed->pool);
	while (feed->next < feed->total)
	{
		int			size = next_task(feed);

		if (size > 0 && !slm_pool_submit(feed->pool, &feed->objects[feed->next], size, feed->clock))
			break;
		feed->next += Max(size, 1);
	}
}

static void
read_here(SlmIngest *ingest, const SlmClock *clock, SlmObject *object)
{
	(void) start_transfers(ingest, object, 1, 0, 0);
	if (object->transfer != NULL && has_come_or_is_held(ingest, object))
		read_object(ingest, clock, object);
}

/* What the workers have found out about sources; objects that did not come in time are left waiting. */
static void
learn_from_workers(SlmIngest *ingest, SlmObject *objects, const bool *done, bool *learnt, int total)
{
	for (int i = 0; i < total; i++)
	{
		SlmSource  *source;

		if (!done[i] || learnt[i])
			continue;
		learnt[i] = true;
		source = slm_sources_find(ingest->sources, objects[i].source);
		if (objects[i].outcome == SLM_OBJECT_SLOW)
		{
			set_apart(source);
			objects[i].outcome = SLM_OBJECT_WAITING;
		}
		else
			slm_trouble_was_read(source, &objects[i]);
	}
}

/* Those that nobody has in hand and whose source can't be read, or is slow, stay as they are. */
static void
pass_over(SlmIngest *ingest, const SlmObject *objects, int n, bool *done)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < n; i++)
	{
		SlmSource  *source = done[i] ? NULL : slm_sources_find(ingest->sources, objects[i].source);

		if (source != NULL && (!slm_trouble_may_read(source) || source->apart_until > now) && !slm_pool_has(ingest->pool, &objects[i]))
			done[i] = true;
	}
}

/* Objects that turn out to be large are left waiting.  The first of them will be the first of a later batch. */
static void
leave_large(SlmIngest *ingest, SlmObject *objects, int n)
{
	for (int i = n - 1; i >= 0; i--)
	{
		if (objects[i].outcome != SLM_OBJECT_PART)
			continue;
		objects[i].outcome = SLM_OBJECT_WAITING;
		ingest->large_id = objects[i].id;
	}
}

/* Move those that are done before the others; returns their number. */
static int
done_first(SlmObject *objects, const bool *done, int total)
{
	SlmObject  *others = palloc(sizeof(SlmObject) * total);
	int			nothers = 0;
	int			n = 0;

	for (int i = 0; i < total; i++)
	{
		if (done[i])
			objects[n++] = objects[i];
		else
			others[nothers++] = objects[i];
	}
	memcpy(&objects[n], others, sizeof(SlmObject) * nothers);
	pfree(others);
	return n;
}

static int
count_waiting(const bool *done, int n)
{
	int			waiting = 0;

	for (int i = 0; i < n; i++)
		waiting += !done[i];
	return waiting;
}

/*
 * Read the first n objects of the feed with the help of the workers, who go on with those behind them.  Objects that are not for
 * workers stay as they are.  If a task reaches beyond the n, all of it is taken.  Returns how many were dealt with, which are
 * the first ones now.
 */
static int
read_with_workers(SlmIngest *ingest, Feed *feed)
{
	SlmObject  *objects = feed->objects;
	int			n = feed->n;
	bool	   *done = palloc0(sizeof(bool) * feed->total);
	bool	   *learnt = palloc0(sizeof(bool) * feed->total);

	for (int i = 0; i < n; i++)
		done[i] = learnt[i] = !waits_for_workers(ingest->large_id, &objects[i]);
	feed->done = done;
	while (count_waiting(done, n) > 0)
	{
		int			mine = -1;

		feed_workers(feed);
		if (slm_pool_take(ingest->pool, objects, n, feed->total, &ingest->batch, done) > 0)
		{
			learn_from_workers(ingest, objects, done, learnt, feed->total);
			pass_over(ingest, objects, feed->total, done);
			if (is_memory_short(ingest))
				break;
			continue;
		}
		/* a pool that is full of what comes later takes no more: who waited for it to read this would wait for ever */
		for (int i = 0; i < n && mine < 0 && (i < feed->next || slm_pool_size(ingest->pool) == 0 || slm_pool_is_full(ingest->pool)); i++)
		{
			if (!done[i] && !slm_pool_has(ingest->pool, &objects[i]))
				mine = i;
		}
		if (mine >= 0)
		{
			read_here(ingest, feed->clock, &objects[mine]);
			done[mine] = learnt[mine] = true;
		}
		else
			slm_pool_wait(ingest->pool);
		CHECK_FOR_INTERRUPTS();
	}
	n = done_first(objects, done, feed->total);
	leave_large(ingest, objects, n);
	/* what was taken has changed places */
	feed->n = feed->next = n;
	feed->done = NULL;
	feed->large_id = ingest->large_id;
	pfree(done);
	pfree(learnt);
	return n;
}

void
slm_ingest_set_surge(SlmIngest *ingest, bool surge)
{
	MemoryContext old = MemoryContextSwitchTo(ingest->context);

	if (surge && ingest->pool != NULL)
		slm_pool_replace(ingest->pool);
	if (surge && ingest->pool == NULL && slm_max_parse_workers > 0)
		ingest->pool = slm_pool_start(slm_max_parse_workers);
	if (!surge && ingest->pool != NULL)
	{
		slm_pool_stop(ingest->pool);
		ingest->pool = NULL;
	}
	slm_slot_set_lacking(surge ? slm_max_parse_workers - (ingest->pool ? slm_pool_size(ingest->pool) : 0) : 0);
	MemoryContextSwitchTo(old);
}

/*
 * Read objects into the batch.  Returns how many were gone through, and *large as read_alone().  *feed: what workers go on with from
 * there.
 */
static int
read_objects(SlmIngest *ingest, const SlmClock *clock, SlmObject *objects, int n, int upcoming, bool apart, Feed *feed,
			 int *large)
{
	*large = -1;
	*feed = (Feed) {.clock = clock,.objects = objects,.n = n,.total = n + upcoming,.large_id = ingest->large_id};
	/* nor is a worker to wait for a source that is slow */
	if (apart || ingest->pool == NULL || slm_pool_size(ingest->pool) == 0 || !is_for_workers(ingest->large_id, &objects[0]))
		return read_alone(ingest, clock, objects, n, large);
	feed->pool = ingest->pool;
	return read_with_workers(ingest, feed);
}

/* --- one batch --- */

static double
bytes_of(const SlmObject *objects, int n)
{
	double		bytes = 0;

	for (int i = 0; i < n; i++)
		bytes += objects[i].size;
	return bytes;
}

/* What the subtransaction of a batch works on. */
typedef struct Work
{
	SlmIngest  *ingest;
	const SlmClock *clock;
	const char *state;
	SlmObject  *objects;
	int			n;
	int			upcoming;		/* objects behind the n that come next */
	int			done;			/* objects gone through */
	bool		apart;			/* of one source that is apart from the others */
	SlmBatchResult *result;
} Work;

/* Of several transactions: their sums, and the longest times. */
static void
add_applied(SlmApplied *sum, const SlmApplied *more)
{
	sum->rows_written += more->rows_written;
	sum->wait_ms = Max(sum->wait_ms, more->wait_ms);
	sum->held_ms = Max(sum->held_ms, more->held_ms);
	sum->head = Max(sum->head, more->head);
}

static void
sum_up(Work *work)
{
	for (int i = 0; i < work->done; i++)
	{
		bool		waits = work->objects[i].outcome == SLM_OBJECT_WAITING;
		bool		ended = !waits && work->objects[i].outcome != SLM_OBJECT_PART;

		work->result->objects += !waits;
		work->result->ended += ended;
		work->result->ended_bytes += ended ? work->objects[i].size : 0;
		work->result->waiting += waits;
		work->result->bytes += waits ? 0 : work->objects[i].size;
		work->result->rows += work->objects[i].number >= 0 ? work->objects[i].rows_total : 0;
	}
}

/*
 * Make the batch anew without the objects whose content is not new: what they have added to it can't be told from what the others
 * have.  is_large: it is the part of a large one, which is alone in its batch.
 */
static void
leave_out_known(Work *work, Feed *feed, bool is_large)
{
	SlmIngest  *ingest = work->ingest;

	while (slm_identity_judge(work->objects, work->done) > 0)
	{
		int			again = 0;
		int			large;		/* one that comes up now has its turn later */

		if (is_large)
			slm_large_end(ingest);
		slm_batch_free(&ingest->batch);
		slm_batch_init(&ingest->batch, ingest->views->catalog);
		for (int i = 0; i < work->done; i++)
		{
			SlmObject  *object = &work->objects[i];

			if (object->outcome != SLM_OBJECT_LOADED)
				continue;
			slm_progress_add(-1, -object->size, -(int64) object->rows_total);
			object->outcome = SLM_OBJECT_WAITING;
			object->number = -1;
			again++;
		}
		if (again == 0)
			break;
		work->done = read_objects(ingest, work->clock, work->objects, work->done, work->n - work->done + work->upcoming,
								  work->apart, feed, &large);
		close_transfers(work->objects, work->n);
	}
}

static void
load_batch(Work *work)
{
	SlmIngest  *ingest = work->ingest;
	bool		replace = !work->clock->live;
	SlmApplied	applied;
	Feed		feed;
	SlmMeanwhile feeding = {feed_workers, &feed};
	int			large;
	bool		starved;
	int64		large_id = ingest->large_id;
	PGRUsage	start;

	slm_batch_init(&ingest->batch, ingest->views->catalog);
	pg_rusage_init(&start);
	slm_progress_phase("fetch and read");
	work->done = read_objects(ingest, work->clock, work->objects, work->n, work->upcoming, work->apart,
							  &feed, &large);
	close_transfers(work->objects, work->n);
	if (large >= 0 && !slm_large_part(ingest, &work->objects[large], work->clock, !work->apart, &starved))
	{
		work->result->more |= !starved;
		if (starved && !work->apart)
			set_apart(slm_sources_find(ingest->sources, work->objects[large].source));
	}
	/* objects that came back as large ones are next */
	work->result->more |= large < 0 && ingest->large_id != large_id;
	if (count_dealt_with(work->objects, work->done) == 0)
	{
		sum_up(work);
		return;
	}
	slm_trouble_settle(ingest->sources, work->objects, work->done);
	leave_out_known(work, &feed, large >= 0);
	SLM_CRASH_POINT("ingest.read");
	ereport(DEBUG1, (errmsg_internal("read %d objects, %s", work->done, pg_rusage_show(&start))));
	pg_rusage_init(&start);
	slm_progress_phase("apply");
	ingest->views->upcoming = bytes_of(work->objects + work->done, work->n - work->done + work->upcoming) /
		Max(bytes_of(work->objects, work->done), 1.0);
	applied = slm_apply(&ingest->batch, work->objects, work->done, ingest->views, replace, feed.pool ? &feeding : NULL);
	add_applied(&work->result->applied, &applied);
	slm_key_times_learn(work->objects, work->done, applied.head);
	sum_up(work);
	ereport(DEBUG1, (errmsg_internal("applied %llu rows as %llu, waited %.0f ms for the lock, %s",
									 (unsigned long long) work->result->rows,
									 (unsigned long long) applied.rows_written,
									 applied.wait_ms, pg_rusage_show(&start))));
}

/* Errors that say nothing about the objects: the batch is not to blame, and trying another would not help. */
static bool
is_server_trouble(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
			return sqlstate != ERRCODE_OUT_OF_MEMORY;
		case ERRCODE_OPERATOR_INTERVENTION:
		case MAKE_SQLSTATE('5', '8', '0', '0', '0'):
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_INVALID_TRANSACTION_STATE:
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_FEATURE_NOT_SUPPORTED:	/* by a table that is kept elsewhere */
			return true;
		default:
			/* NULL is what a column of somebody's own gets, whatever the object */
			return sqlstate == ERRCODE_DATA_CORRUPTED || sqlstate == ERRCODE_INDEX_CORRUPTED || sqlstate == ERRCODE_NOT_NULL_VIOLATION;
	}
}

/* A batch has failed and was rolled back: find out which object it is, or note the error with the only one. */
static void
note_failure(Work *work, const ErrorData *edata)
{
	StringInfoData message;

	if (ERRCODE_TO_CATEGORY(edata->sqlerrcode) == ERRCODE_TRANSACTION_ROLLBACK)
		return;					/* a deadlock with somebody's DDL: just once more */
	if (work->n > 1)
	{
		work->ingest->one_by_one = work->n;
		return;
	}
	initStringInfo(&message);
	appendStringInfoString(&message, edata->message);
	if (edata->detail)
		appendStringInfo(&message, ": %s", edata->detail);
	/* such a limit is reached again by each attempt; but of a large object the parts before stay counted, so it goes on there */
	slm_object_fail(work->objects, edata->sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED && work->objects[0].resume_row == 0
					? SLM_OBJECT_FAILED : SLM_OBJECT_RETRY, edata->sqlerrcode, message.data);
	work->objects[0].nrejects = 0;
	slm_ledger_record(work->objects, 1, NULL);
}

/* Load in a subtransaction; false if that failed and was noted. */
static bool
try_batch(Work *work)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool ok = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		load_batch(work);
		ReleaseCurrentSubTransaction();
		ok = true;
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		FlushErrorState();
		close_transfers(work->objects, work->n);
		slm_large_end(work->ingest);
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (is_server_trouble(edata->sqlerrcode))
		{
			slm_commit();		/* a clean slate, in which the caller may note the error */
			ReThrowError(edata);
		}
		ereport(LOG,
				(errcode(edata->sqlerrcode),
				 errmsg("a batch of %d objects could not be loaded: %s", work->n, edata->message),
				 work->n > 1 ? errdetail("Its objects are loaded one by one now.") : 0));
		note_failure(work, edata);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	slm_batch_free(&work->ingest->batch);
	return ok;
}

static SlmClock
read_clock(const char *state)
{
	SlmClock	clock;

	clock.live = strcmp(state, "pending") == 0;
	clock.head = slm_head_read();
	clock.latest = GetCurrentTimestamp() + (int64) slm_max_clock_skew * USECS_PER_SEC;
	clock.tiers = slm_tiers_read();
	return clock;
}

/*
 * Large objects and others take turns: of three, the first is of whatever comes first in time, the second of small objects alone, and the
 * third of all but the large one that was served last.
 */
static void
not_this_turn(const SlmIngest *ingest, SlmPick *pick)
{
	int64	   *ids;
	int			n = slm_large_ids(ingest, &ids);

	pick->no_parts = n > 0 && ingest->turn == 1;
	pick->not_these = ids;
	pick->nnot_these = pick->no_parts ? n : 0;
	if (n > 0 && ingest->turn == 2)
	{
		ids[0] = ingest->last_large;
		pick->nnot_these = 1;
	}
}

static int
pick(Work *work, const char *const *sources, int nsources, int limit)
{
	SlmIngest  *ingest = work->ingest;
	SlmPick		pick = {.state = work->state,.sources = sources,.nsources = nsources,.limit = limit,
		.limit_bytes = work->clock->live ? (int64) slm_batch_bytes * 1024 : ingest->late_bytes,
		.whole = work->clock->tiers->tiers[0].partition,
	.max_span = work->clock->tiers->tiers[0].retention.usecs / 4};
	int			n;

	not_this_turn(ingest, &pick);
	if (ingest->one_by_one > 0)
	{
		ingest->one_by_one--;
		pick.limit = 1;
	}
	n = slm_ledger_pick(&pick, &work->objects, &work->upcoming);
	if (n == 0 && pick.nnot_these > 0)
	{
		pick.no_parts = false;
		pick.nnot_these = 0;
		n = slm_ledger_pick(&pick, &work->objects, &work->upcoming);
	}
	return n;
}

/* Learn from a batch of backlog how large the next one may be. */
static void
adapt_late_bytes(SlmIngest *ingest, const SlmBatchResult *result)
{
	if (result->applied.held_ms > LATE_HELD_MS)
		ingest->late_bytes = Max(Min(ingest->late_bytes, result->bytes) / 2, LEAST_LATE_BYTES);
	else if (result->applied.held_ms < LATE_HELD_MS / 3.0)
		ingest->late_bytes = Min(ingest->late_bytes * 2, (int64) slm_batch_bytes * 1024);
}

/* A transaction: of some sources that are well, or of one that is apart. */
static void
one_batch(Work *work, const char *const *sources, int nsources, int limit)
{
	SlmIngest  *ingest = work->ingest;
	SlmClock	clock = read_clock(work->state);
	bool		ok = false;

	work->clock = &clock;
	work->done = 0;
	slm_trouble_begin(ingest->sources);
	if (work->apart)
		slm_sources_find(ingest->sources, sources[0])->patience_ms = 0;
	slm_view_state_refresh(ingest->views);
	slm_view_state_trim(ingest->views, clock.head);
	if (clock.live)
		slm_ledger_sort_out_late(sources, nsources, clock.head);
	work->n = pick(work, sources, nsources, limit);
	if (work->n > 0)
		SLM_CRASH_POINT("ingest.picked");
	if (work->n > 0)
		ok = try_batch(work);
	if (work->n > 0 && !ok)
		work->result->objects += work->n;
	if (ok)
		slm_trouble_judge(ingest->sources, work->objects, work->done);
	if (work->n > 0)
		SLM_CRASH_POINT("ingest.commit");
	slm_commit();
	if (work->n > 0)
		SLM_CRASH_POINT("ingest.committed");
	if (ok)
		slm_view_state_committed(ingest->views);
	if (ok && !clock.live)
		adapt_late_bytes(ingest, work->result);
}

/* In a transaction of its own: what there is to be known of the sources. */
static void
look_at_sources(SlmIngest *ingest)
{
	slm_secure_transaction();
	slm_sources_refresh(ingest->sources);
	slm_large_check(ingest);
	slm_held_check(ingest);
}

/* What has come of a source that is apart from the others. */
static void
batch_apart(Work *work, const char *name)
{
	SlmSource  *source;
	int			limit = MAX_OBJECTS_PER_BATCH;

	look_at_sources(work->ingest);
	source = slm_sources_find(work->ingest->sources, name);
	if (source == NULL || source->store == NULL)
		return;
	if (source->unreadable)
	{
		/* a probe that is under way is seen to its end */
		if (!slm_held_has(work->ingest, name) && !slm_trouble_probe(source))
			return;
		limit = SLM_STRIKES;
	}
	work->apart = true;
	one_batch(work, &name, 1, limit);
}

void
slm_ingest_batch(SlmIngest *ingest, const char *state, const char *source, SlmBatchResult *result)
{
	MemoryContext old;
	Work		work = {.ingest = ingest,.state = state,.result = result};
	const char **names;
	int			n;

	*result = (SlmBatchResult) {.applied.head = DT_NOBEGIN};
	MemoryContextReset(ingest->batch_context);
	old = MemoryContextSwitchTo(ingest->batch_context);
	look_at_sources(ingest);
	n = slm_sources_choose(ingest->sources, source, false, &names);
	one_batch(&work, names, n, MAX_OBJECTS_PER_BATCH);
	n = slm_sources_choose(ingest->sources, source, true, &names);
	for (int i = 0; i < n; i++)
		names[i] = pstrdup(names[i]);
	for (int i = 0; i < n; i++)
		batch_apart(&work, names[i]);
	ingest->turn = ingest->large == NULL ? 0 : (ingest->turn + 1) % 3;
	MemoryContextSwitchTo(old);
}

void
slm_ingest_wait(SlmIngest *ingest, long wait_ms)
{
	TimestampTz until = GetCurrentTimestamp() + wait_ms * INT64CONST(1000);

	for (;;)
	{
		long		left = (long) ((until - GetCurrentTimestamp()) / 1000);
		int			events;

		slm_alive();
		if (left <= 0)
			return;
		events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Min(left, LOOK_MS), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		slm_sources_move_on(ingest->sources);
		if ((events & WL_LATCH_SET) || slm_held_ready(ingest))
			return;
	}
}
