/*
 * read_with_workers.c: the objects of a batch read with the help of parse workers.
 *
 *   slm_feed_workers: objects of this batch and those behind it --task--> pool.c --results--> batch
 *   slm_read_with_workers: takes the results of this batch, and reads for itself what no worker has in hand
 */
#include "postgres.h"

#include "ledger/pick.h"
#include "ledger/source_health.h"
#include "load/pool.h"
#include "load/read_alone.h"
#include "load/read_with_workers.h"
#include "miscadmin.h"
#include "tiers/tier.h"
#include "utils/timestamp.h"

static bool
is_for_workers(int64 large_id, const SlmObject *object)
{
	return object->resume_row == 0 && object->id != large_id && object->size < SLM_LARGE_BYTES;
}

bool
slm_feed_begin(SlmFeed *feed, const SlmIngest *ingest, const SlmClock *clock, SlmObject *objects, int n, int upcoming)
{
	*feed = (SlmFeed) {.clock = clock,.objects = objects,.n = n,.total = n + upcoming,.large_id = ingest->large_id};
	if (ingest->pool == NULL || slm_pool_size(ingest->pool) == 0 || !is_for_workers(ingest->large_id, &objects[0]))
		return false;
	feed->pool = ingest->pool;
	return true;
}

/* Is it still to be read, and by them? */
static bool
waits_for_workers(int64 large_id, const SlmObject *object)
{
	return object->outcome == SLM_OBJECT_WAITING && is_for_workers(large_id, object);
}

/* Do two objects' rows go to one partition, by their times?  Of those that have none all are alike. */
static bool
is_same_partition(SlmGranularity partition, const SlmObject *a, const SlmObject *b)
{
	if (TIMESTAMP_NOT_FINITE(a->object_time) || TIMESTAMP_NOT_FINITE(b->object_time))
		return a->object_time == b->object_time;
	return slm_bucket_start(partition, a->object_time) == slm_bucket_start(partition, b->object_time);
}

/* The objects from the next one on that may be in one task: none of the next batch with some of this. */
static int
next_task(const SlmFeed *feed)
{
	SlmGranularity partition = feed->clock->tiers->tiers[0].partition;
	int			begin = feed->next;
	int			end = begin < feed->n ? feed->n : feed->total;
	int			fit = begin;

	while (fit < end && waits_for_workers(feed->large_id, &feed->objects[fit]) && !(feed->done && feed->done[fit]) &&
		   !slm_pool_has(feed->pool, &feed->objects[fit]) &&
		   is_same_partition(partition, &feed->objects[fit], &feed->objects[begin]))
		fit++;
	return slm_pool_task_size(&feed->objects[begin], fit - begin);
}

void
slm_feed_workers(void *arg)
{
	SlmFeed	   *feed = arg;

	slm_pool_drain(feed->pool);
	while (feed->next < feed->total)
	{
		int			size = next_task(feed);

		if (size > 0 && !slm_pool_submit(feed->pool, &feed->objects[feed->next], size, feed->clock))
			break;
		feed->next += Max(size, 1);
	}
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
			slm_source_health_set_apart(source);
			objects[i].outcome = SLM_OBJECT_WAITING;
		}
		else
			slm_source_health_was_read(source, &objects[i]);
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

		if (source != NULL && (!slm_source_health_may_read(source) || source->apart_until > now) && !slm_pool_has(ingest->pool, &objects[i]))
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

int
slm_read_with_workers(SlmIngest *ingest, SlmFeed *feed)
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

		slm_feed_workers(feed);
		if (slm_pool_take(ingest->pool, objects, n, feed->total, &ingest->batch, done) > 0)
		{
			learn_from_workers(ingest, objects, done, learnt, feed->total);
			pass_over(ingest, objects, feed->total, done);
			if (slm_read_enough(ingest))
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
			slm_read_one(ingest, feed->clock, &objects[mine]);
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
