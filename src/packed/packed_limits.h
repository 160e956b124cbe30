/*
 * packed_limits.h: conditions on time and type, against which packed rows are held before they become rows of the executor.
 */
#ifndef SLM_PACKED_PACKED_LIMITS_H
#define SLM_PACKED_PACKED_LIMITS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
#include "packed/packed_table.h"

/* Is it this column of the table that is planned? */
extern bool slm_packed_is_column(const RelOptInfo *rel, Node *node, AttrNumber column);

/* Can it be computed before the table is read? */
extern bool slm_packed_is_known(PlannerInfo *root, const RelOptInfo *rel, Node *node);

/* Conditions as a plan has them: what each compares with, and how, in two lists of the same length; and they themselves. */
typedef struct SlmPackedConditions
{
	List	   *values;			/* expressions */
	List	   *kinds;			/* Integers: see packed_limits.c */
	List	   *clauses;
} SlmPackedConditions;

/* Take those conditions of a scan that are kept by its rows alone; returns the others.  All in the current memory context. */
extern List *slm_packed_take_conditions(PlannerInfo *root, RelOptInfo *rel, Oid relid, List *infos, SlmPackedConditions *conditions);

/* The same while rows are read. */
typedef struct SlmPackedLimits
{
	List	   *states;			/* ExprStates of the values */
	List	   *kinds;
	TimestampTz from;
	TimestampTz to;				/* the last one */
	unsigned	types;			/* a bit each */
} SlmPackedLimits;

/* Prepare; compute, each time that the scan begins; event_types: the values of the four types. */
extern void slm_packed_limits_init(SlmPackedLimits *limits, List *values, List *kinds, PlanState *state);
extern void slm_packed_limits_compute(SlmPackedLimits *limits, ExprContext *context, const Oid *event_types);

/* What of time and type they say, for EXPLAIN: "", ", by time" … */
extern const char *slm_packed_limits_name(const List *kinds);

static inline bool
slm_packed_limits_admit(const SlmPackedLimits *limits, const SlmPackedForm *form, uint64 place)
{
	TimestampTz time = slm_packed_time(form, place);

	return (limits->types & (1U << (place % 4))) != 0 && time >= limits->from && time <= limits->to;
}

#endif							/* SLM_PACKED_PACKED_LIMITS_H */
