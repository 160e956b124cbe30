/*
 * pool.h: parse workers: other processes that fetch and read objects while this one applies.
 *
 *   leader                                   parse worker (parse_worker.c)
 *     submit --task--> [shm_mq, a worker] --> fetch, read, group --> pack
 *     take   <--result-- [shm_mq] <---------------------------------+
 *
 * A task names some objects that will be loaded one after the other; its result is what became of each (as in SlmObject) and
 * their grouped rows (parcel.h).  What is read is a function of the objects alone, so it does not matter who reads them, nor
 * whether the ledger's rows were locked at the time: only the leader picks, applies and records.  Results that come before
 * their objects are picked are kept.
 */
#ifndef SLM_LOAD_POOL_H
#define SLM_LOAD_POOL_H

#include "ledger/object.h"
#include "lib/stringinfo.h"
#include "pure/batch.h"

typedef struct SlmPool SlmPool;

/*
 * Start up to n parse workers; NULL if not one could be had.  Lives in a child of the current memory context; ends with
 * it, too.
 */
extern SlmPool *slm_pool_start(int n);
extern void slm_pool_stop(SlmPool *pool);

/* Start others in the place of parse workers that went away, and of those that could not be had; now and then. */
extern void slm_pool_replace(SlmPool *pool);

/* Number of parse workers that are still there; 0: read for yourself. */
extern int	slm_pool_size(const SlmPool *pool);

/*
 * How many of the n objects, which are not in the pool yet, make one task: it is a few MB, and does not hold up others; and their
 * names fit into a queue.  0: those of the first don't.
 */
extern int	slm_pool_task_size(const SlmObject *objects, int n);

/* Hand n objects to a worker as one task; false if all have enough to do. */
extern bool slm_pool_submit(SlmPool *pool, const SlmObject *objects, int n, const SlmClock *clock);

/* Was this object handed over, or is its result here? */
extern bool slm_pool_has(const SlmPool *pool, const SlmObject *object);

/* Move results from the queues into memory, as many as it may hold, without waiting: call it now and then during long work. */
extern void slm_pool_drain(SlmPool *pool);

/*
 * If a result is here that has to do with one of the first n objects, and all objects of its task are among the total ones:
 * fill them in, set done[] for them, add their rows to the batch, and return their number.  Else 0.  A result some
 * of whose objects are missing (they were skipped meanwhile) is thrown away: the others are to be read again.
 */
extern int	slm_pool_take(SlmPool *pool, SlmObject *objects, int n, int total, SlmBatch *batch, bool *done);

/* Wait until there is something new in the queues. */
extern void slm_pool_wait(SlmPool *pool);

/* --- what goes through the queues: both sides --- */

#define SLM_TASK_OBJECTS	64

typedef struct SlmTask
{
	int			nobjects;
	SlmObject  *objects;		/* id, source, key, etag, size, object_time */
	SlmClock	clock;			/* of its tiers what slm_tiers_floor() needs */
} SlmTask;

extern void slm_task_send(StringInfo buf, const SlmObject *objects, int n, const SlmClock *clock);
/* Allocates in the current memory context.  Sets the settings that decide about rows. */
extern void slm_task_receive(StringInfo buf, SlmTask *task);

/* First the ids, then what became of each object; the parcel of so many bytes is to be sent behind them. */
extern void slm_result_send(StringInfo buf, const SlmTask *task, size_t len);
/* Their number; ids must have room for SLM_TASK_OBJECTS. */
extern int	slm_result_ids(StringInfo buf, int64 *ids);
/* After the ids: fills in what was found out about the next object. */
extern void slm_result_object(StringInfo buf, SlmObject *object);
/* After the objects; the parcel is in buf. */
extern char *slm_result_parcel(StringInfo buf, size_t *len);

extern PGDLLEXPORT void sellometer_parse_worker_main(Datum arg);

/* Keys of a worker's shared memory segment. */
#define SLM_POOL_MAGIC		0x736C6D70
#define SLM_POOL_TASKS		1
#define SLM_POOL_RESULTS	2

#endif							/* SLM_LOAD_POOL_H */
