/*
 * packed_limits.c: conditions on time and type, against which packed rows are held before they become rows of the executor.
 *
 *   event_time < <= = >= > value        event_type = value        event_type = ANY (array)
 *
 * They are exact, so the executor need not check them again.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "executor/executor.h"
#include "optimizer/optimizer.h"
#include "optimizer/restrictinfo.h"
#include "packed/packed_limits.h"
#include "pure/types.h"
#include "types/event_type.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* Kinds of conditions: on time the strategy numbers of B-trees; on type these. */
#define TYPE_IS		(BTMaxStrategyNumber + 1)
#define TYPE_IS_ANY	(BTMaxStrategyNumber + 2)

/* --- for the planner --- */

typedef struct Columns
{
	const RelOptInfo *rel;
	AttrNumber	time;
	AttrNumber	type;
} Columns;

bool
slm_packed_is_column(const RelOptInfo *rel, Node *node, AttrNumber column)
{
	Var		   *var = (Var *) node;

	return IsA(node, Var) && var->varno == (int) rel->relid && var->varattno == column && var->varlevelsup == 0;
}

bool
slm_packed_is_known(PlannerInfo *root, const RelOptInfo *rel, Node *node)
{
	return !bms_is_member((int) rel->relid, pull_varnos(root, node)) && !contain_volatile_functions(node);
}

static int
strategy_of(Oid function)
{
	switch (function)
	{
		case F_TIMESTAMPTZ_LT:
			return BTLessStrategyNumber;
		case F_TIMESTAMPTZ_LE:
			return BTLessEqualStrategyNumber;
		case F_TIMESTAMPTZ_EQ:
			return BTEqualStrategyNumber;
		case F_TIMESTAMPTZ_GE:
			return BTGreaterEqualStrategyNumber;
		case F_TIMESTAMPTZ_GT:
			return BTGreaterStrategyNumber;
		default:
			return 0;
	}
}

static bool
is_time_or_type(const Columns *columns, Node *node)
{
	return slm_packed_is_column(columns->rel, node, columns->time) || slm_packed_is_column(columns->rel, node, columns->type);
}

/* The kind of a condition and what it compares with, or 0. */
static int
kind_of_comparison(const Columns *columns, const OpExpr *clause, Node **value)
{
	bool		turned;
	Node	   *column;
	int			strategy;

	if (list_length(clause->args) != 2)
		return 0;
	turned = !is_time_or_type(columns, linitial(clause->args));
	column = turned ? lsecond(clause->args) : linitial(clause->args);
	*value = turned ? linitial(clause->args) : lsecond(clause->args);
	if (slm_packed_is_column(columns->rel, column, columns->type))
		return get_opcode(clause->opno) == F_ENUM_EQ ? TYPE_IS : 0;
	strategy = slm_packed_is_column(columns->rel, column, columns->time) ? strategy_of(get_opcode(clause->opno)) : 0;
	return turned && strategy != 0 ? BTMaxStrategyNumber + 1 - strategy : strategy;
}

static int
kind_of(const Columns *columns, Expr *clause, Node **value)
{
	ScalarArrayOpExpr *any = (ScalarArrayOpExpr *) clause;

	if (IsA(clause, OpExpr))
		return kind_of_comparison(columns, (OpExpr *) clause, value);
	if (!IsA(clause, ScalarArrayOpExpr) || !any->useOr || !slm_packed_is_column(columns->rel, linitial(any->args), columns->type) ||
		get_opcode(any->opno) != F_ENUM_EQ)
		return 0;
	*value = lsecond(any->args);
	return TYPE_IS_ANY;
}

List *
slm_packed_take_conditions(PlannerInfo *root, RelOptInfo *rel, Oid relid, List *infos, SlmPackedConditions *conditions)
{
	Columns		columns = {rel, get_attnum(relid, "event_time"), get_attnum(relid, "event_type")};
	List	   *left = NIL;
	ListCell   *cell;

	*conditions = (SlmPackedConditions) {0};
	foreach(cell, infos)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, cell);
		Node	   *value = NULL;
		int			kind = info->pseudoconstant ? 0 : kind_of(&columns, info->clause, &value);

		/* what is checked here is so before all else: no condition that hides rows from somebody may come after one that could tell of them */
		if (kind == 0 || !slm_packed_is_known(root, rel, value) || !restriction_is_securely_promotable(info, rel))
		{
			left = lappend(left, info);
			continue;
		}
		conditions->values = lappend(conditions->values, value);
		conditions->kinds = lappend(conditions->kinds, makeInteger(kind));
		conditions->clauses = lappend(conditions->clauses, info->clause);
	}
	return left;
}

/* --- for the executor --- */

void
slm_packed_limits_init(SlmPackedLimits *limits, List *values, List *kinds, PlanState *state)
{
	limits->states = ExecInitExprList(values, state);
	limits->kinds = kinds;
}

static unsigned
type_bit(Datum value, const Oid *event_types)
{
	for (int t = 0; t < SLM_EVENT_TYPES; t++)
	{
		if (event_types[t] == DatumGetObjectId(value))
			return 1U << t;
	}
	return 0;
}

static unsigned
type_bits(Datum array, const Oid *event_types)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	unsigned	bits = 0;

	deconstruct_array(DatumGetArrayTypeP(array), slm_event_type_oid(), sizeof(Oid), true, TYPALIGN_INT, &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
		bits |= nulls[i] ? 0 : type_bit(elements[i], event_types);
	return bits;
}

/* Times are whole numbers, so a bound that is not meant itself is the number beside it; there is none beyond infinity. */
static void
limit_time(SlmPackedLimits *limits, int strategy, TimestampTz value)
{
	bool		below = strategy == BTLessStrategyNumber;
	bool		above = strategy == BTGreaterStrategyNumber;

	if ((below && value == PG_INT64_MIN) || (above && value == PG_INT64_MAX))
		limits->types = 0;
	else if (below || strategy == BTLessEqualStrategyNumber)
		limits->to = Min(limits->to, value - (below ? 1 : 0));
	else if (above || strategy == BTGreaterEqualStrategyNumber)
		limits->from = Max(limits->from, value + (above ? 1 : 0));
	else
	{
		limits->from = Max(limits->from, value);
		limits->to = Min(limits->to, value);
	}
}

void
slm_packed_limits_compute(SlmPackedLimits *limits, ExprContext *context, const Oid *event_types)
{
	ListCell   *state;
	ListCell   *kind;

	limits->from = PG_INT64_MIN;
	limits->to = PG_INT64_MAX;
	limits->types = (1U << SLM_EVENT_TYPES) - 1;
	forboth(state, limits->states, kind, limits->kinds)
	{
		bool		isnull;
		Datum		value = ExecEvalExprSwitchContext(lfirst(state), context, &isnull);

		/* nothing is so as an unknown value wants it */
		if (isnull)
			limits->types = 0;
		else if (intVal(lfirst(kind)) == TYPE_IS)
			limits->types &= type_bit(value, event_types);
		else if (intVal(lfirst(kind)) == TYPE_IS_ANY)
			limits->types &= type_bits(value, event_types);
		else
			limit_time(limits, intVal(lfirst(kind)), DatumGetTimestampTz(value));
	}
}

const char *
slm_packed_limits_name(const List *kinds)
{
	bool		time = false;
	bool		type = false;
	ListCell   *cell;

	foreach(cell, kinds)
	{
		if (intVal(lfirst(cell)) <= BTMaxStrategyNumber)
			time = true;
		else
			type = true;
	}
	return time && type ? ", by time and type" : time ? ", by time" : type ? ", by type" : "";
}
