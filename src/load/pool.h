/*
 * pool.h: parse workers: other processes that fetch and read objects while this one applies.
 *
 *   leader                                   parse worker (parse_worker.c)
 *     submit --task--> [shm_mq, a worker] --> fetch, read, group --> pack
 *     take   <--result-- [shm_mq] <---------------------------------+
 *
 * A task names some objects that will be loaded one after the other; its result is what became of each (as in SlmObject) and
 * their grouped rows (serialize.h).  What is read is a function of the objects alone, so it does not matter who reads them, nor
 * whether the ledger's rows were locked at the time: only the leader picks, applies and records.  Results that come before
 * their objects are picked are kept.
 */
#ifndef SLM_LOAD_POOL_H
#define SLM_LOAD_POOL_H

#include "ledger/object.h"
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

/* Are there as many results in memory as there may be?  Then it takes no task until some are taken. */
extern bool slm_pool_is_full(const SlmPool *pool);

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

#endif							/* SLM_LOAD_POOL_H */
