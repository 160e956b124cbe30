/*
 * pool.h: parse workers: other processes that fetch and read objects while this one applies.
 *
 *   leader                                   parse worker (parse_worker.c)
 *     submit --task--> [shm_mq, a worker] --> fetch, read, group --> pack
 *     take   <--result-- [shm_mq] <---------------------------------+
 *
 * A task names an object; a result is what became of it (as in SlmObject) and its grouped rows (parcel.h).  What is
 * read is a function of the object alone, so it does not matter who reads it, nor whether the ledger's row was locked at
 * the time: only the leader picks, applies and records.  Results that come before their object is picked are kept.
 */
#ifndef SLM_INGEST_POOL_H
#define SLM_INGEST_POOL_H

#include "ingest/object.h"
#include "lib/stringinfo.h"
#include "pure/batch.h"

typedef struct SlmPool SlmPool;

/*
 * Start up to n parse workers; NULL if not one could be had.  Lives in a child of the current memory context; ends with
 * it, too.
 */
extern SlmPool *slm_pool_start(int n);
extern void slm_pool_stop(SlmPool *pool);

/* Number of parse workers that are still there; 0: read for yourself. */
extern int	slm_pool_size(const SlmPool *pool);

/* Hand an object to a worker; false if all have enough to do.  Handing over what is under way already does no harm. */
extern bool slm_pool_submit(SlmPool *pool, const SlmObject *object, const SlmClock *clock);

/* Was this object handed over, or is its result here? */
extern bool slm_pool_has(const SlmPool *pool, const SlmObject *object);

/* Move results from the queues into memory, without waiting: call it now and then during long work. */
extern void slm_pool_drain(SlmPool *pool);

/*
 * If the result of this object is here: fill in the object, add its rows to the batch, and return true.  With
 * wait, wait for it first; false then means that its worker is gone, and the object is to be read here.
 */
extern bool slm_pool_take(SlmPool *pool, SlmObject *object, SlmBatch *batch, bool wait);

/* Wait until there is something new in the queues. */
extern void slm_pool_wait(SlmPool *pool);

/* --- what goes through the queues: both sides --- */

typedef struct SlmTask
{
	SlmObject	object;			/* id, source, key, etag, size, object_time */
	SlmClock	clock;			/* of its tiers what slm_tiers_floor() needs */
} SlmTask;

extern void slm_task_send(StringInfo buf, const SlmObject *object, const SlmClock *clock);
extern void slm_task_receive(StringInfo buf, SlmTask *task);
extern void slm_result_send(StringInfo buf, const SlmObject *object, const char *parcel, size_t len);
/* Fills in what was found; *parcel points into buf. */
extern void slm_result_receive(StringInfo buf, SlmObject *object, const char **parcel, size_t *len);

extern PGDLLEXPORT void sellometer_parse_worker_main(Datum arg);

/* Keys of a worker's shared memory segment. */
#define SLM_POOL_MAGIC		0x736C6D70
#define SLM_POOL_TASKS		1
#define SLM_POOL_RESULTS	2

#endif							/* SLM_INGEST_POOL_H */
