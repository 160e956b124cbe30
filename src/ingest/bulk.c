/*
 * bulk.c: many new rows for one table.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "compat.h"
#include "executor/executor.h"
#include "ingest/bulk.h"
#include "ingest/wal.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define ROWS_PER_INSERT	1000

struct SlmBulk
{
	Relation	rel;
	const SlmMeanwhile *meanwhile;
	EState	   *estate;
	ResultRelInfo *result;
	BulkInsertState bistate;
	CommandId	cid;
	MemoryContext outer;		/* of the caller */
	MemoryContext rows;			/* of the rows that wait; reset when they are written */
	TupleTableSlot *slots[ROWS_PER_INSERT];
	int			nslots;			/* made so far */
	int			nrows;			/* that wait */
	uint64		inserted;

	/* rows whose keys are there */
	bool		only_new;		/* they are wanted; else they are an error */
	uint32	   *there;			/* their numbers */
	ItemPointerData *places;
	uint32		nthere;
	uint32		maxthere;
};

SlmBulk *
slm_bulk_begin(Relation rel, const SlmMeanwhile *meanwhile)
{
	SlmBulk    *bulk = palloc0(sizeof(SlmBulk));

	bulk->rel = rel;
	bulk->meanwhile = meanwhile;
	bulk->outer = CurrentMemoryContext;
	bulk->rows = AllocSetContextCreate(CurrentMemoryContext, "sellometer rows", ALLOCSET_DEFAULT_SIZES);
	bulk->estate = CreateExecutorState();
	bulk->result = makeNode(ResultRelInfo);
	InitResultRelInfo(bulk->result, rel, 0, NULL, 0);
	ExecOpenIndices(bulk->result, false);
	bulk->bistate = GetBulkInsertState();
	bulk->cid = GetCurrentCommandId(true);
	return bulk;
}

SlmBulk *
slm_bulk_begin_new(Relation rel, const SlmMeanwhile *meanwhile)
{
	SlmBulk    *bulk = slm_bulk_begin(rel, meanwhile);

	bulk->only_new = true;
	bulk->maxthere = ROWS_PER_INSERT;
	bulk->there = palloc(sizeof(uint32) * bulk->maxthere);
	bulk->places = palloc(sizeof(ItemPointerData) * bulk->maxthere);
	return bulk;
}

static void
note_there(SlmBulk *bulk, uint32 row, const ItemPointerData *place)
{
	if (bulk->nthere == bulk->maxthere)
	{
		bulk->maxthere *= 2;
		bulk->there = repalloc(bulk->there, sizeof(uint32) * bulk->maxthere);
		bulk->places = repalloc(bulk->places, sizeof(ItemPointerData) * bulk->maxthere);
	}
	bulk->there[bulk->nthere] = row;
	bulk->places[bulk->nthere++] = *place;
}

static void
write_rows(SlmBulk *bulk)
{
	for (int i = 0; i < bulk->nrows; i++)
		ExecStoreVirtualTuple(bulk->slots[i]);
	table_multi_insert(bulk->rel, bulk->slots, bulk->nrows, bulk->cid, 0, bulk->bistate);
	for (int i = 0; bulk->result->ri_NumIndices > 0 && i < bulk->nrows; i++)
	{
		bool		is_there = false;

		if (bulk->only_new)
			slm_exec_insert_new_index_tuples(bulk->result, bulk->slots[i], bulk->estate, &is_there);
		else
			slm_exec_insert_index_tuples(bulk->result, bulk->slots[i], bulk->estate);
		if (is_there)
			note_there(bulk, (uint32) bulk->inserted + i, &bulk->slots[i]->tts_tid);
		ResetPerTupleExprContext(bulk->estate);
	}
	bulk->inserted += bulk->nrows;
	bulk->nrows = 0;
	MemoryContextReset(bulk->rows);
	slm_wal_write_ahead();
	CHECK_FOR_INTERRUPTS();
	slm_meanwhile(bulk->meanwhile);
}

TupleTableSlot *
slm_bulk_row(SlmBulk *bulk)
{
	TupleTableSlot *slot;

	MemoryContextSwitchTo(bulk->outer);
	if (bulk->nrows == ROWS_PER_INSERT)
		write_rows(bulk);
	if (bulk->nrows == bulk->nslots)
		bulk->slots[bulk->nslots++] = table_slot_create(bulk->rel, NULL);
	slot = bulk->slots[bulk->nrows++];
	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, slot->tts_tupleDescriptor->natts * sizeof(bool));
	MemoryContextSwitchTo(bulk->rows);
	return slot;
}

static void
write_rest(SlmBulk *bulk)
{
	MemoryContextSwitchTo(bulk->outer);
	if (bulk->nrows > 0)
		write_rows(bulk);
}

uint64
slm_bulk_end(SlmBulk *bulk)
{
	uint64		inserted;

	write_rest(bulk);
	inserted = bulk->inserted;
	for (int i = 0; i < bulk->nslots; i++)
		ExecDropSingleTupleTableSlot(bulk->slots[i]);
	FreeBulkInsertState(bulk->bistate);
	table_finish_bulk_insert(bulk->rel, 0);
	ExecCloseIndices(bulk->result);
	FreeExecutorState(bulk->estate);
	MemoryContextDelete(bulk->rows);
	pfree(bulk);
	CommandCounterIncrement();
	return inserted;
}

uint32
slm_bulk_end_new(SlmBulk *bulk, uint32 **there)
{
	Relation	rel = bulk->rel;
	ItemPointerData *places;
	uint32		n;

	/* may add to them */
	write_rest(bulk);
	n = bulk->nthere;
	*there = bulk->there;
	places = bulk->places;
	(void) slm_bulk_end(bulk);
	for (uint32 i = 0; i < n; i++)
		simple_heap_delete(rel, &places[i]);
	pfree(places);
	CommandCounterIncrement();
	return n;
}
