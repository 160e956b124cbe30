/*
 * question.c: the foreign table sellometer.question, which has the one row that is asked for.
 *
 *   SELECT … FROM sellometer.question q, LATERAL sellometer.sums(q.dimension, …)    a view, on a node
 *   … WHERE dimension = 'brand' AND event_type = 'view' AND …                       what another database asks of it, by postgres_fdw
 *
 * Whoever asks by postgres_fdw reads a relation with conditions, and calls no functions.  So what is to be an argument of one comes as a
 * condition: each column of the table equals a value, and those are the row.  The executor holds the row against the conditions once more.
 */
#include "postgres.h"

#include "access/table.h"
#include "compat.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "foreign/fdwapi.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "utils/rel.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(sellometer_question_handler);

/* A scan under way. */
typedef struct Question
{
	List	   *columns;		/* numbers of those that equal something */
	List	   *values;			/* what each does: expressions to evaluate */
	bool		done;
} Question;

static void
question_size(PlannerInfo *root, RelOptInfo *rel, Oid relation)
{
	rel->rows = 1;
}

static void
question_paths(PlannerInfo *root, RelOptInfo *rel, Oid relation)
{
	add_path(rel, (Path *) slm_create_foreignscan_path(root, rel, 1, 0, 1, rel->lateral_relids));
}

/* The column that a clause says equals *value, which has nothing of this relation; or 0. */
static AttrNumber
column_of(Index relid, Expr *clause, Expr **value)
{
	OpExpr	   *op = (OpExpr *) clause;

	if (!IsA(clause, OpExpr) || list_length(op->args) != 2)
		return 0;
	for (int side = 0; side < 2; side++)
	{
		Var		   *var = list_nth(op->args, side);
		Expr	   *other = list_nth(op->args, 1 - side);

		if (!IsA(var, Var) || var->varno != relid || var->varattno <= 0 || contain_var_clause((Node *) other) ||
			exprType((Node *) other) != var->vartype || op->opno != lookup_type_cache(var->vartype, TYPECACHE_EQ_OPR)->eq_opr)
			continue;
		*value = other;
		return var->varattno;
	}
	return 0;
}

static ForeignScan *
question_plan(PlannerInfo *root, RelOptInfo *rel, Oid relation, ForeignPath *path, List *targets, List *clauses, Plan *outer)
{
	List	   *columns = NIL;
	List	   *values = NIL;
	ListCell   *cell;

	clauses = extract_actual_clauses(clauses, false);
	foreach(cell, clauses)
	{
		Expr	   *value;
		AttrNumber	column = column_of(rel->relid, lfirst(cell), &value);

		if (column == 0 || list_member_int(columns, column))
			continue;
		columns = lappend_int(columns, column);
		values = lappend(values, value);
	}
	return make_foreignscan(targets, clauses, rel->relid, values, columns, NIL, NIL, outer);
}

static void
question_begin(ForeignScanState *scan, int flags)
{
	ForeignScan *plan = (ForeignScan *) scan->ss.ps.plan;
	Question   *question = palloc0(sizeof(Question));

	question->columns = plan->fdw_private;
	question->values = ExecInitExprList(plan->fdw_exprs, &scan->ss.ps);
	scan->fdw_state = question;
}

static TupleTableSlot *
question_next(ForeignScanState *scan)
{
	Question   *question = scan->fdw_state;
	TupleTableSlot *slot = scan->ss.ss_ScanTupleSlot;
	ListCell   *column;
	ListCell   *value;

	ExecClearTuple(slot);
	/* nothing is asked by who reads all relations that there are */
	if (question->done || question->columns == NIL)
		return slot;
	question->done = true;
	if (list_length(question->columns) < slot->tts_tupleDescriptor->natts)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("what is asked of \"%s\" must say what each column equals", RelationGetRelationName(scan->ss.ss_currentRelation))));
	forboth(column, question->columns, value, question->values)
	{
		int			i = lfirst_int(column) - 1;

		slot->tts_values[i] = ExecEvalExprSwitchContext(lfirst(value), scan->ss.ps.ps_ExprContext, &slot->tts_isnull[i]);
	}
	return ExecStoreVirtualTuple(slot);
}

static void
question_again(ForeignScanState *scan)
{
	((Question *) scan->fdw_state)->done = false;
}

static void
question_end(ForeignScanState *scan)
{
}

Datum
sellometer_question_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = question_size;
	routine->GetForeignPaths = question_paths;
	routine->GetForeignPlan = question_plan;
	routine->BeginForeignScan = question_begin;
	routine->IterateForeignScan = question_next;
	routine->ReScanForeignScan = question_again;
	routine->EndForeignScan = question_end;
	PG_RETURN_POINTER(routine);
}
