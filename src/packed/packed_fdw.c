/*
 * packed_fdw.c: packed partitions, as the planner sees them.
 *
 *   a path that reads all blocks
 *   one that looks a key up: key = value, = ANY (array), = what another table of a join has
 *
 * Conditions on time and type are kept by the scan (packed_limits.c); those on the key are checked by the executor again.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_opfamily_d.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "packed/packed_fdw.h"
#include "packed/packed_limits.h"
#include "packed/packed_table.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(sellometer_packed_handler);

#define BYTES_A_ROW		7

/* What is known of a table while a query is planned. */
typedef struct Planned
{
	AttrNumber	key;
	bool		texts;
	double		rows_a_block;
	double		a_key;			/* of the rows that the planner thinks a key has, without statistics, this part */
} Planned;

/* --- conditions on the key --- */

static bool
is_key(const RelOptInfo *rel, Node *node)
{
	const Planned *planned = rel->fdw_private;

	return slm_packed_is_column(rel, node, planned->key);
}

/* Is it the equality that the companion's index has? */
static bool
is_equality(const RelOptInfo *rel, Oid operator, Oid collation)
{
	const Planned *planned = rel->fdw_private;

	if (planned->texts)
		return operator == TextEqualOperator && collation == C_COLLATION_OID;
	return get_op_opfamily_strategy(operator, INTEGER_BTREE_FAM_OID) == BTEqualStrategyNumber;
}

/* The key, or the array of keys, that a condition asks for; NULL if it asks for something else. */
static Expr *
wanted_by(PlannerInfo *root, const RelOptInfo *rel, Expr *clause, SlmPackedAccess *access)
{
	List	   *args;
	Node	   *wanted = NULL;

	*access = SLM_PACKED_KEY;
	if (IsA(clause, OpExpr) && list_length(((OpExpr *) clause)->args) == 2 &&
		is_equality(rel, ((OpExpr *) clause)->opno, ((OpExpr *) clause)->inputcollid))
	{
		args = ((OpExpr *) clause)->args;
		wanted = is_key(rel, linitial(args)) ? lsecond(args) : is_key(rel, lsecond(args)) ? linitial(args) : NULL;
	}
	else if (IsA(clause, ScalarArrayOpExpr) && ((ScalarArrayOpExpr *) clause)->useOr &&
			 is_equality(rel, ((ScalarArrayOpExpr *) clause)->opno, ((ScalarArrayOpExpr *) clause)->inputcollid))
	{
		args = ((ScalarArrayOpExpr *) clause)->args;
		*access = SLM_PACKED_ANY_KEY;
		wanted = is_key(rel, linitial(args)) ? lsecond(args) : NULL;
	}
	return wanted != NULL && slm_packed_is_known(root, rel, wanted) ? (Expr *) wanted : NULL;
}

/* The first condition on the key among those; a single key is better than several. */
static Expr *
find_wanted(PlannerInfo *root, const RelOptInfo *rel, List *infos, SlmPackedAccess *access)
{
	Expr	   *found = NULL;
	ListCell   *cell;

	*access = SLM_PACKED_ALL;
	foreach(cell, infos)
	{
		SlmPackedAccess this;
		Expr	   *wanted = wanted_by(root, rel, lfirst_node(RestrictInfo, cell)->clause, &this);

		if (wanted == NULL || (found != NULL && this != SLM_PACKED_KEY))
			continue;
		found = wanted;
		*access = this;
		if (this == SLM_PACKED_KEY)
			break;
	}
	return found;
}

/* --- size --- */

/* Has somebody looked what values the column has?  Nobody has if a load made the partition. */
static bool
has_statistics(Oid relid, AttrNumber column)
{
	return SearchSysCacheExists3(STATRELATTINH, ObjectIdGetDatum(relid), Int16GetDatum(column), BoolGetDatum(false));
}

static void
get_size(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	Planned    *planned = palloc0(sizeof(Planned));
	SlmPackedForm form = slm_packed_form(relid);
	SlmPackedAccess access;

	planned->key = get_attnum(relid, form.key);
	planned->texts = form.texts;
	planned->rows_a_block = (double) SLM_PACKED_ROOM / BYTES_A_ROW;
	rel->fdw_private = planned;
	rel->tuples = form.rows;
	rel->pages = (BlockNumber) (form.rows * BYTES_A_ROW / BLCKSZ) + 1;
	set_baserel_size_estimates(root, rel);
	planned->a_key = form.keys > DEFAULT_NUM_DISTINCT && !has_statistics(relid, planned->key) ? DEFAULT_NUM_DISTINCT / form.keys : 1;
	if (find_wanted(root, rel, rel->baserestrictinfo, &access) != NULL)
		rel->rows = clamp_row_est(rel->rows * planned->a_key);
}

/* --- paths --- */

static void
add_path_of(PlannerInfo *root, RelOptInfo *rel, double rows, double read, double pages, double page_cost, Relids outer)
{
	Cost		startup = rel->baserestrictcost.startup;
	Cost		total = startup + pages * page_cost + read * cpu_operator_cost +
		Min(read, Max(rows, 1)) * (cpu_tuple_cost + rel->baserestrictcost.per_tuple);

	add_path(rel, (Path *) slm_create_foreignscan_path(root, rel, rows, startup, total, outer));
}

static void
add_key_path(PlannerInfo *root, RelOptInfo *rel, double rows, double keys, Relids outer)
{
	const Planned *planned = rel->fdw_private;
	double		blocks = keys + rows / planned->rows_a_block;

	add_path_of(root, rel, rows, blocks * planned->rows_a_block / 2 + rows, Min(blocks + 1, rel->pages + 1.0), random_page_cost, outer);
}

static double
number_of(PlannerInfo *root, Expr *wanted, SlmPackedAccess access)
{
	return access == SLM_PACKED_KEY ? 1 : slm_estimate_array_length(root, (Node *) wanted);
}

/* A path for what one table of a join, or several, ask for. */
static void
add_join_path(PlannerInfo *root, RelOptInfo *rel, const RestrictInfo *info)
{
	SlmPackedAccess access;
	Relids		outer;

	if (!join_clause_is_movable_to((RestrictInfo *) info, rel) || wanted_by(root, rel, info->clause, &access) == NULL)
		return;
	outer = bms_del_member(bms_union(info->clause_relids, rel->lateral_relids), (int) rel->relid);
	if (bms_is_empty(outer))
		return;
	add_key_path(root, rel, clamp_row_est(get_baserel_parampathinfo(root, rel, outer)->ppi_rows * ((Planned *) rel->fdw_private)->a_key), 1, outer);
}

static bool
is_key_member(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *class, EquivalenceMember *member, void *arg)
{
	return is_key(rel, (Node *) member->em_expr);
}

static void
get_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	SlmPackedAccess access;
	Expr	   *wanted = find_wanted(root, rel, rel->baserestrictinfo, &access);
	List	   *joins;
	ListCell   *cell;

	add_path_of(root, rel, rel->rows, rel->tuples, rel->pages, seq_page_cost, rel->lateral_relids);
	if (wanted != NULL)
		add_key_path(root, rel, rel->rows, number_of(root, wanted, access), rel->lateral_relids);
	foreach(cell, rel->joininfo)
		add_join_path(root, rel, lfirst_node(RestrictInfo, cell));
	if (!rel->has_eclass_joins)
		return;
	joins = generate_implied_equalities_for_column(root, rel, is_key_member, NULL, rel->lateral_referencers);
	foreach(cell, joins)
		add_join_path(root, rel, lfirst_node(RestrictInfo, cell));
}

static ForeignScan *
get_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid, ForeignPath *path, List *tlist, List *clauses, Plan *outer_plan)
{
	SlmPackedAccess access;
	Expr	   *wanted = find_wanted(root, rel, clauses, &access);
	SlmPackedConditions conditions;
	List	   *left = slm_packed_take_conditions(root, rel, relid, clauses, &conditions);

	return make_foreignscan(tlist, extract_actual_clauses(left, false), rel->relid,
							wanted == NULL ? conditions.values : lcons(wanted, conditions.values),
							list_make2(makeInteger((int) access), conditions.kinds), NIL, conditions.clauses, outer_plan);
}

/* Its snapshot is that of the leader, and it reads tables of this server. */
static bool
is_parallel_safe(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte)
{
	return true;
}

Datum
sellometer_packed_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = get_size;
	routine->GetForeignPaths = get_paths;
	routine->GetForeignPlan = get_plan;
	routine->IsForeignScanParallelSafe = is_parallel_safe;
	slm_packed_exec_init(routine);
	PG_RETURN_POINTER(routine);
}
