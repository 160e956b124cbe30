/*
 * packed_exec.c: packed partitions, as the executor reads them; whoever else would write to one is told what to do.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type_d.h"
#include "commands/explain.h"
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif
#include "compat.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "packed/packed_fdw.h"
#include "packed/packed_limits.h"
#include "packed/packed_read.h"
#include "types/event_type.h"
#include "types/money.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

typedef struct PackedScan
{
	SlmPackedTable *table;
	SlmPackedRead *read;
	SlmPackedAccess access;
	ExprState  *wanted;			/* the key, or the array; NULL: all rows */
	Oid			wanted_type;	/* of one */
	SlmPackedLimits limits;
	bool		begun;

	/* the keys that are wanted, ascending, each once */
	MemoryContext context;
	Datum	   *keys;
	int			nkeys;
	int			next;

	/* where the table has its columns, or -1 */
	int			at_time;
	int			at_key;
	int			at_type;
	int			at_count;
	int			at_gmv;
	bool		wide;			/* count is a bigint */
	Oid			event_types[SLM_EVENT_TYPES];

	/* what values point to */
	union
	{
		char		bytes[VARHDRSZ + SLM_MAX_KEY_BYTES];
		int32		aligned;
	}			key;
	union
	{
		char		bytes[SLM_NUMERIC_MAX];
		int32		aligned;
	}			gmv;
} PackedScan;

static void
find_columns(PackedScan *scan, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	scan->at_time = scan->at_key = scan->at_type = scan->at_count = scan->at_gmv = -1;
	for (int a = 0; a < desc->natts; a++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, a);
		const char *name = NameStr(attribute->attname);

		if (attribute->attisdropped)
			continue;
		if (strcmp(name, "event_time") == 0 && attribute->atttypid == TIMESTAMPTZOID)
			scan->at_time = a;
		else if (strcmp(name, scan->table->form.key) == 0 && attribute->atttypid == (scan->table->form.texts ? TEXTOID : INT8OID))
			scan->at_key = a;
		else if (strcmp(name, "event_type") == 0 && attribute->atttypid == slm_event_type_oid())
			scan->at_type = a;
		else if (strcmp(name, "count") == 0 && (attribute->atttypid == INT4OID || attribute->atttypid == INT8OID))
			scan->at_count = a;
		else if (strcmp(name, "gmv") == 0 && attribute->atttypid == NUMERICOID)
			scan->at_gmv = a;
	}
	if (scan->at_time < 0 || scan->at_key < 0 || scan->at_type < 0 || scan->at_count < 0 || scan->at_gmv < 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("packed partition \"%s\" has other columns than it was made with", RelationGetRelationName(rel)),
				 errhint("sellometer_unpack() makes it a table again, before its columns are changed.")));
	scan->wide = TupleDescAttr(desc, scan->at_count)->atttypid == INT8OID;
}

static void
begin_scan(ForeignScanState *node, int flags)
{
	ForeignScan *plan = castNode(ForeignScan, node->ss.ps.plan);
	Relation	rel = node->ss.ss_currentRelation;
	PackedScan *scan = palloc0(sizeof(PackedScan));
	List	   *values;

	node->fdw_state = scan;
	scan->access = (SlmPackedAccess) intVal(linitial(plan->fdw_private));
	if (flags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	scan->table = slm_packed_open(RelationGetRelid(rel), AccessShareLock);
	find_columns(scan, rel);
	for (int t = 0; t < SLM_EVENT_TYPES; t++)
		scan->event_types[t] = slm_event_type_value(t);
	scan->read = slm_packed_read_begin(scan->table, node->ss.ps.state->es_snapshot);
	scan->context = AllocSetContextCreate(CurrentMemoryContext, "sellometer packed keys", ALLOCSET_SMALL_SIZES);
	values = plan->fdw_exprs;
	if (scan->access != SLM_PACKED_ALL)
		values = list_copy_tail(values, 1);
	slm_packed_limits_init(&scan->limits, values, lsecond(plan->fdw_private), (PlanState *) node);
	if (scan->access == SLM_PACKED_ALL)
		return;
	scan->wanted = ExecInitExpr(linitial(plan->fdw_exprs), (PlanState *) node);
	scan->wanted_type = exprType(linitial(plan->fdw_exprs));
	if (scan->access == SLM_PACKED_ANY_KEY)
		scan->wanted_type = get_base_element_type(scan->wanted_type);
}

/* --- which keys --- */

static Datum
as_key(const PackedScan *scan, Datum value)
{
	switch (scan->wanted_type)
	{
		case INT2OID:
			return Int64GetDatum(DatumGetInt16(value));
		case INT4OID:
			return Int64GetDatum(DatumGetInt32(value));
		case INT8OID:
			return Int64GetDatum(DatumGetInt64(value));
		default:
			return PointerGetDatum(PG_DETOAST_DATUM_PACKED(value));
	}
}

static int
compare_ids(const void *a, const void *b)
{
	int64		x = DatumGetInt64(*(const Datum *) a);
	int64		y = DatumGetInt64(*(const Datum *) b);

	return (x > y) - (x < y);
}

static int
compare_texts(const void *a, const void *b)
{
	const void *x = DatumGetPointer(*(const Datum *) a);
	const void *y = DatumGetPointer(*(const Datum *) b);
	size_t		lx = VARSIZE_ANY_EXHDR(x);
	size_t		ly = VARSIZE_ANY_EXHDR(y);
	int			order = memcmp(VARDATA_ANY(x), VARDATA_ANY(y), Min(lx, ly));

	return order != 0 ? order : (lx > ly) - (lx < ly);
}

/* The elements of an array that are no nulls, in order. */
static void
take_keys(PackedScan *scan, ArrayType *array)
{
	int			(*compare) (const void *, const void *) = scan->table->form.texts ? compare_texts : compare_ids;
	int16		len;
	bool		by_value;
	char		align;
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	int			kept = 0;

	get_typlenbyvalalign(ARR_ELEMTYPE(array), &len, &by_value, &align);
	deconstruct_array(array, ARR_ELEMTYPE(array), len, by_value, align, &elements, &nulls, &n);
	scan->keys = palloc(sizeof(Datum) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		if (!nulls[i])
			scan->keys[kept++] = as_key(scan, elements[i]);
	}
	qsort(scan->keys, kept, sizeof(Datum), compare);
	scan->nkeys = 0;
	for (int i = 0; i < kept; i++)
	{
		if (i == 0 || compare(&scan->keys[i], &scan->keys[i - 1]) != 0)
			scan->keys[scan->nkeys++] = scan->keys[i];
	}
}

static void
find_keys(ForeignScanState *node)
{
	PackedScan *scan = node->fdw_state;
	bool		isnull;
	Datum		value;
	MemoryContext old;

	scan->begun = true;
	slm_packed_limits_compute(&scan->limits, node->ss.ps.ps_ExprContext, scan->event_types);
	scan->nkeys = scan->next = 0;
	if (scan->wanted == NULL)
	{
		slm_packed_read_all(scan->read);
		return;
	}
	MemoryContextReset(scan->context);
	value = ExecEvalExprSwitchContext(scan->wanted, node->ss.ps.ps_ExprContext, &isnull);
	if (isnull)
		return;
	old = MemoryContextSwitchTo(scan->context);
	if (scan->access == SLM_PACKED_ANY_KEY)
		take_keys(scan, DatumGetArrayTypePCopy(value));
	else
	{
		scan->keys = palloc(sizeof(Datum));
		scan->keys[0] = as_key(scan, scan->table->form.texts ? PointerGetDatum(PG_DETOAST_DATUM_COPY(value)) : value);
		scan->nkeys = 1;
	}
	MemoryContextSwitchTo(old);
}

/* --- rows --- */

static bool
next_row(PackedScan *scan, SlmPackedRow *row)
{
	for (;;)
	{
		while ((scan->wanted == NULL || scan->next > 0) && slm_packed_read_next(scan->read, row))
		{
			if (slm_packed_limits_admit(&scan->limits, &scan->table->form, row->place))
				return true;
		}
		if (scan->next >= scan->nkeys)
			return false;
		slm_packed_read_key(scan->read, scan->keys[scan->next++]);
	}
}

static void
set_values(PackedScan *scan, const SlmPackedRow *row, TupleTableSlot *slot)
{
	Datum	   *values = slot->tts_values;

	memset(slot->tts_isnull, true, sizeof(bool) * slot->tts_tupleDescriptor->natts);
	values[scan->at_time] = TimestampTzGetDatum(slm_packed_time(&scan->table->form, row->place));
	values[scan->at_type] = ObjectIdGetDatum(scan->event_types[row->place % SLM_EVENT_TYPES]);
	if (!scan->wide && row->count != (int32) row->count)
		slm_packed_damaged(scan->table);
	values[scan->at_count] = scan->wide ? Int64GetDatum(row->count) : Int32GetDatum((int32) row->count);
	if (scan->table->form.texts)
	{
		SET_VARSIZE(scan->key.bytes, VARHDRSZ + row->text.len);
		memcpy(VARDATA(scan->key.bytes), row->text.data, row->text.len);
		values[scan->at_key] = PointerGetDatum(scan->key.bytes);
	}
	else
		values[scan->at_key] = Int64GetDatum(row->product_id);
	slm_money_put_numeric(row->gmv, scan->gmv.bytes);
	values[scan->at_gmv] = PointerGetDatum(scan->gmv.bytes);
	slot->tts_isnull[scan->at_time] = slot->tts_isnull[scan->at_type] = slot->tts_isnull[scan->at_count] = false;
	slot->tts_isnull[scan->at_key] = slot->tts_isnull[scan->at_gmv] = false;
}

static TupleTableSlot *
iterate_scan(ForeignScanState *node)
{
	PackedScan *scan = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	SlmPackedRow row;

	ExecClearTuple(slot);
	if (!scan->begun)
		find_keys(node);
	if (!next_row(scan, &row))
		return slot;
	set_values(scan, &row, slot);
	return ExecStoreVirtualTuple(slot);
}

static void
rescan(ForeignScanState *node)
{
	PackedScan *scan = node->fdw_state;

	/* what the key is said by may be another */
	scan->begun = false;
}

static void
end_scan(ForeignScanState *node)
{
	PackedScan *scan = node->fdw_state;

	if (scan == NULL || scan->table == NULL)
		return;
	slm_packed_read_end(scan->read);
	slm_packed_close(scan->table);
}

static void
explain_scan(ForeignScanState *node, ExplainState *es)
{
	static const char *const ways[] = {[SLM_PACKED_ALL] = "all blocks", [SLM_PACKED_KEY] = "blocks of a key", [SLM_PACKED_ANY_KEY] = "blocks of some keys"};
	const PackedScan *scan = node->fdw_state;
	const ForeignScan *plan = castNode(ForeignScan, node->ss.ps.plan);

	ExplainPropertyText("Packed", psprintf("%s%s", ways[scan->access], slm_packed_limits_name(lsecond(plan->fdw_private))), es);
}

/* --- others' changes --- */

static void
refuse(Relation rel)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("rows of \"%s\" can't be changed by SQL, as the partition is packed", RelationGetRelationName(rel)),
			 errhint("SELECT sellometer_unpack('%s') makes it a table that can be changed; late files need none of that.", RelationGetRelationName(rel))));
}

static List *
plan_modify(PlannerInfo *root, ModifyTable *plan, Index relation, int subplan)
{
	RangeTblEntry *rte = planner_rt_fetch(relation, root);
	Relation	rel = table_open(rte->relid, NoLock);

	refuse(rel);
	return NIL;
}

static void
begin_insert(ModifyTableState *state, ResultRelInfo *result)
{
	refuse(result->ri_RelationDesc);
}

static TupleTableSlot *
change(EState *estate, ResultRelInfo *result, TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	refuse(result->ri_RelationDesc);
	return NULL;
}

void
slm_packed_exec_init(FdwRoutine *routine)
{
	routine->BeginForeignScan = begin_scan;
	routine->IterateForeignScan = iterate_scan;
	routine->ReScanForeignScan = rescan;
	routine->EndForeignScan = end_scan;
	routine->ExplainForeignScan = explain_scan;
	routine->PlanForeignModify = plan_modify;
	routine->BeginForeignInsert = begin_insert;
	routine->ExecForeignInsert = change;
	routine->ExecForeignUpdate = change;
	routine->ExecForeignDelete = change;
}
