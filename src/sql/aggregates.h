/*
 * aggregates.h: what the C aggregates have in common.
 *
 * Each aggregate is five functions around one state, of type internal:
 *
 *   rows --transition--> state --serialize--> bytes --deserialize--> state --combine--> state --final--> result
 *
 * The state, and all that it points to, lives in the aggregate's memory context.  A deserialized state alone is
 * short-lived: combine copies from it what it keeps.  Final functions leave the state as it is, so that window
 * frames and aggregates over the same rows can share it.
 */
#ifndef SLM_SQL_AGGREGATES_H
#define SLM_SQL_AGGREGATES_H

#include "postgres.h"

#include "compat.h"
#include "fmgr.h"
#include "lib/stringinfo.h"

/* The first member of every state, and the first bytes of every serialized one, say whose it is. */
typedef enum SlmStateTag
{
	SLM_STATE_SUM = 0x536c6d31,
	SLM_STATE_TOP,
	SLM_STATE_BASELINE,
	SLM_STATE_VIEWS
} SlmStateTag;

/* Where the state belongs.  Raises an error if the function isn't called by an aggregate. */
extern MemoryContext slm_aggregate_context(FunctionCallInfo fcinfo);

/* The state in argument arg, or NULL if there is none yet.  Raises an error if it is another aggregate's. */
extern void *slm_aggregate_state(FunctionCallInfo fcinfo, int arg, SlmStateTag tag);

/* Begin a serialized state; pq_endtypsend() finishes it. */
extern void slm_aggregate_begin_send(StringInfo buf, SlmStateTag tag);

/* Begin to read the bytea in argument 0.  What follows the tag is read with pq_getmsg…(), ending in pq_getmsgend(). */
extern void slm_aggregate_begin_recv(FunctionCallInfo fcinfo, StringInfo buf, SlmStateTag tag);

/* ereport(ERROR): a serialized state that can't be ours. */
pg_noreturn extern void slm_aggregate_recv_error(const char *detail);

#endif							/* SLM_SQL_AGGREGATES_H */
