/*
 * pool_message.h: what goes through the queues between the leader (pool.h) and its parse workers.
 */
#ifndef SLM_LOAD_POOL_MESSAGE_H
#define SLM_LOAD_POOL_MESSAGE_H

#include "ledger/object.h"
#include "lib/stringinfo.h"

#define SLM_TASK_OBJECTS	64

typedef struct SlmTask
{
	int			nobjects;
	SlmObject  *objects;		/* id, source, key, etag, size, object_time, format_id */
	SlmClock	clock;			/* of its tiers what slm_tiers_floor() needs */
} SlmTask;

/* work_memory: what the parse worker takes sellometer.work_memory to be. */
extern void slm_task_send(StringInfo buf, const SlmObject *objects, int n, const SlmClock *clock, int work_memory);
/* Allocates in the current memory context.  Sets the settings that decide about rows. */
extern void slm_task_receive(StringInfo buf, SlmTask *task);

/* First the ids, then what became of each object; the serialized batch, of so many bytes, is to be sent behind them. */
extern void slm_result_send(StringInfo buf, const SlmTask *task, size_t len);
/* Their number; ids must have room for SLM_TASK_OBJECTS. */
extern int	slm_result_ids(StringInfo buf, int64 *ids);
/* After the ids: fills in what was found out about the next object. */
extern void slm_result_object(StringInfo buf, SlmObject *object);
/* After the objects; the serialized batch is in buf.  *stale: its rows were read by other labels than those that this process has read last. */
extern char *slm_result_batch(StringInfo buf, size_t *len, bool *stale);

extern PGDLLEXPORT void sellometer_parse_worker_main(Datum arg);

/* Keys of a worker's shared memory segment. */
#define SLM_POOL_MAGIC		0x736C6D70
#define SLM_POOL_TASKS		1
#define SLM_POOL_RESULTS	2

#endif							/* SLM_LOAD_POOL_MESSAGE_H */
