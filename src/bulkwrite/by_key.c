/*
 * by_key.c: rows of a plain table, found by their primary key; taken away, or replaced in their places.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "bulkwrite/bulk.h"
#include "bulkwrite/by_key.h"
#include "compat.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

struct SlmByKey
{
	Relation	rel;
	const SlmShape *shape;
	MemoryContext context;		/* of what lives as long as this */
	int			places[SLM_MAX_COLUMNS];	/* of the shape's columns in the table */
	Relation	index;
	int			nkeys;
	ScanKeyData keys[INDEX_MAX_KEYS];
	Snapshot	snapshot;
	IndexScanDesc scan;
	TupleTableSlot *found;
	Datum		values[SLM_MAX_COLUMNS];	/* of the row that was found */
	bool		changed;

	/* once a row is replaced */
	EState	   *estate;
	ResultRelInfo *result;
	TupleTableSlot *replacement;
};

bool
slm_by_key_possible(Relation rel, const SlmShape *shape, const int *columns, int n)
{
	int			places[SLM_MAX_COLUMNS];
	Oid			key;
	Relation	index;
	bool		possible;

	if (!slm_bulk_is_direct(rel, shape) || !slm_may_write(rel, shape, places))
		return false;
	key = slm_primary_key_index(rel);
	if (!OidIsValid(key))
		return false;
	index = index_open(key, AccessShareLock);
	possible = index->rd_index->indnkeyatts == n;
	for (int k = 0; k < n && possible; k++)
		possible = index->rd_index->indkey.values[k] == places[columns[k]] + 1;
	index_close(index, NoLock);
	return possible;
}

/* Equality as the index has it. */
static void
init_key(ScanKey key, Relation index, int k)
{
	Oid			type = index->rd_opcintype[k];
	Oid			equal = get_opfamily_member(index->rd_opfamily[k], type, type, BTEqualStrategyNumber);

	if (!OidIsValid(equal))
		elog(ERROR, "index %s has no equality", RelationGetRelationName(index));
	ScanKeyEntryInitialize(key, 0, k + 1, BTEqualStrategyNumber, type, index->rd_indcollation[k], get_opcode(equal), (Datum) 0);
}

SlmByKey *
slm_by_key_begin(Relation rel, const SlmShape *shape, const int *columns, int n)
{
	SlmByKey   *by_key = palloc0(sizeof(SlmByKey));

	Assert(CheckRelationLockedByMe(rel, AccessShareLock, true));
	Assert(slm_by_key_possible(rel, shape, columns, n));

	by_key->rel = rel;
	by_key->shape = shape;
	by_key->context = CurrentMemoryContext;
	if (!slm_may_write(rel, shape, by_key->places))
		elog(ERROR, "table %s is not plain", RelationGetRelationName(rel));
	by_key->index = index_open(slm_primary_key_index(rel), AccessShareLock);
	by_key->nkeys = n;
	for (int k = 0; k < n; k++)
		init_key(&by_key->keys[k], by_key->index, k);
	by_key->snapshot = RegisterSnapshot(GetLatestSnapshot());
	by_key->found = table_slot_create(rel, NULL);
	by_key->scan = slm_index_beginscan(rel, by_key->index, by_key->snapshot, n);
	return by_key;
}

const Datum *
slm_by_key_find(SlmByKey *by_key, const Datum *key)
{
	MemoryContext old = MemoryContextSwitchTo(by_key->context);
	bool		is_there;

	for (int k = 0; k < by_key->nkeys; k++)
		by_key->keys[k].sk_argument = key[k];
	index_rescan(by_key->scan, by_key->keys, by_key->nkeys, NULL, 0);
	is_there = index_getnext_slot(by_key->scan, ForwardScanDirection, by_key->found);
	MemoryContextSwitchTo(old);
	if (!is_there)
		return NULL;
	slot_getallattrs(by_key->found);
	for (int c = 0; c < by_key->shape->ncolumns; c++)
		by_key->values[c] = by_key->found->tts_isnull[by_key->places[c]] ? (Datum) 0 : by_key->found->tts_values[by_key->places[c]];
	return by_key->values;
}

void
slm_by_key_delete(SlmByKey *by_key)
{
	Assert(!TTS_EMPTY(by_key->found));
	simple_table_tuple_delete(by_key->rel, &by_key->found->tts_tid, by_key->snapshot);
	by_key->changed = true;
}

static void
begin_to_replace(SlmByKey *by_key)
{
	MemoryContext old = MemoryContextSwitchTo(by_key->context);

	by_key->estate = CreateExecutorState();
	by_key->result = makeNode(ResultRelInfo);
	InitResultRelInfo(by_key->result, by_key->rel, 0, NULL, 0);
	ExecOpenIndices(by_key->result, false);
	by_key->replacement = table_slot_create(by_key->rel, NULL);
	MemoryContextSwitchTo(old);
}

void
slm_by_key_update(SlmByKey *by_key, const Datum *values)
{
	TupleTableSlot *slot;
	SlmUpdatedIndexes indexes;

	Assert(!TTS_EMPTY(by_key->found));
	if (by_key->estate == NULL)
		begin_to_replace(by_key);
	slot = by_key->replacement;
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	for (int c = 0; c < by_key->shape->ncolumns; c++)
	{
		slot->tts_values[by_key->places[c]] = values[c];
		slot->tts_isnull[by_key->places[c]] = false;
	}
	ExecStoreVirtualTuple(slot);
	simple_table_tuple_update(by_key->rel, &by_key->found->tts_tid, slot, by_key->snapshot, &indexes);
	slm_exec_update_index_tuples(by_key->result, slot, by_key->estate, indexes);
	ResetPerTupleExprContext(by_key->estate);
	by_key->changed = true;
}

void
slm_by_key_end(SlmByKey *by_key)
{
	index_endscan(by_key->scan);
	UnregisterSnapshot(by_key->snapshot);
	ExecDropSingleTupleTableSlot(by_key->found);
	index_close(by_key->index, AccessShareLock);
	if (by_key->estate != NULL)
	{
		ExecDropSingleTupleTableSlot(by_key->replacement);
		ExecCloseIndices(by_key->result);
		FreeExecutorState(by_key->estate);
	}
	if (by_key->changed)
		CommandCounterIncrement();
	pfree(by_key);
}
