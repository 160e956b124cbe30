/*
 * bulk.c: many new rows for one table.
 *
 *   a row's values --by column--> slots of a plain table --> heap and index entries, 1,000 at a time
 *                             --> arrays, else         --> INSERT … SELECT FROM unnest()
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "bulkwrite/bulk.h"
#include "bulkwrite/wal.h"
#include "compat.h"
#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "server/alive.h"
#include "server/spi.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define ROWS_PER_INSERT	1000

struct SlmBulk
{
	Relation	rel;
	const SlmShape *shape;
	const SlmCallback *callback;
	MemoryContext outer;		/* of the caller */
	MemoryContext rows;			/* of the rows that wait; reset when they are written */
	int			nrows;			/* that wait */
	bool		begun;			/* the row at hand, which is not among them */
	Datum		values[SLM_MAX_COLUMNS];	/* of that */
	bool		nulls[SLM_MAX_COLUMNS];
	uint64		inserted;

	/* below the executor */
	bool		direct;
	int			places[SLM_MAX_COLUMNS];	/* of the columns in the table */
	EState	   *estate;
	ResultRelInfo *result;
	BulkInsertState bistate;
	CommandId	cid;
	TupleDesc	desc;			/* that of the table, but one that slots need not be counted for */
	TupleTableSlot *slots[ROWS_PER_INSERT];
	int			nslots;			/* made so far */

	/* by SQL */
	SPIPlanPtr	plan;
	Datum	   *all_values;		/* row after row */
	bool	   *all_nulls;

	/* rows whose keys are there */
	bool		only_new;		/* they are wanted; else they are an error */
	uint32	   *there;			/* their numbers */
	ItemPointerData *places_there;
	uint32		nthere;
	uint32		maxthere;
};

static bool
is_direct(Relation rel, const SlmShape *shape, int *places)
{
	return slm_may_write(rel, shape, places) && slm_indexes_are_plain(rel);
}

bool
slm_bulk_is_direct(Relation rel, const SlmShape *shape)
{
	int			places[SLM_MAX_COLUMNS];

	return is_direct(rel, shape, places);
}

static void
begin_direct(SlmBulk *bulk)
{
	bulk->estate = CreateExecutorState();
	bulk->result = makeNode(ResultRelInfo);
	InitResultRelInfo(bulk->result, bulk->rel, 0, NULL, 0);
	ExecOpenIndices(bulk->result, false);
	bulk->bistate = GetBulkInsertState();
	bulk->cid = GetCurrentCommandId(true);
	bulk->desc = CreateTupleDescCopy(RelationGetDescr(bulk->rel));
}

/* "INSERT INTO sellometer.t (a, b) SELECT * FROM unnest($1, $2)" */
static char *
insert_sql(const SlmShape *shape)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO sellometer.%s (", quote_identifier(shape->table));
	for (int c = 0; c < shape->ncolumns; c++)
		appendStringInfo(&sql, "%s%s", c > 0 ? ", " : "", quote_identifier(shape->columns[c].name));
	appendStringInfoString(&sql, ") SELECT * FROM unnest(");
	for (int c = 0; c < shape->ncolumns; c++)
		appendStringInfo(&sql, "%s$%d", c > 0 ? ", " : "", c + 1);
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

/* What INSERT names, which rel is, or is a part of, says what can be inserted. */
static void
check_insertable(const SlmShape *shape)
{
	Relation	rel = table_openrv(makeRangeVar("sellometer", pstrdup(shape->table), -1), RowExclusiveLock);

	slm_check_insertable(rel, shape);
	table_close(rel, NoLock);
}

static void
begin_sql(SlmBulk *bulk)
{
	const SlmShape *shape = bulk->shape;
	Oid			types[SLM_MAX_COLUMNS];
	char	   *sql = insert_sql(shape);

	ereport(DEBUG1, (errmsg_internal("rows of \"%s\" are inserted by SQL", RelationGetRelationName(bulk->rel))));
	check_insertable(shape);
	for (int c = 0; c < shape->ncolumns; c++)
		types[c] = get_array_type(shape->columns[c].type);
	bulk->plan = SPI_prepare(sql, shape->ncolumns, types);
	MemoryContextSwitchTo(bulk->outer);
	if (bulk->plan == NULL)
		elog(ERROR, "could not prepare: %s", sql);
	bulk->all_values = palloc(sizeof(Datum) * ROWS_PER_INSERT * shape->ncolumns);
	bulk->all_nulls = palloc(sizeof(bool) * ROWS_PER_INSERT * shape->ncolumns);
	pfree(sql);
}

SlmBulk *
slm_bulk_begin(Relation rel, const SlmShape *shape, const SlmCallback *callback)
{
	SlmBulk    *bulk = palloc0(sizeof(SlmBulk));

	Assert(shape->ncolumns > 0 && shape->ncolumns <= SLM_MAX_COLUMNS);
	Assert(CheckRelationLockedByMe(rel, RowExclusiveLock, true));

	bulk->rel = rel;
	bulk->shape = shape;
	bulk->callback = callback;
	bulk->outer = CurrentMemoryContext;
	bulk->rows = AllocSetContextCreate(CurrentMemoryContext, "sellometer rows", ALLOCSET_DEFAULT_SIZES);
	bulk->direct = is_direct(rel, shape, bulk->places);
	if (bulk->direct)
		begin_direct(bulk);
	else
		begin_sql(bulk);
	return bulk;
}

SlmBulk *
slm_bulk_begin_new(Relation rel, const SlmShape *shape, const SlmCallback *callback)
{
	SlmBulk    *bulk = slm_bulk_begin(rel, shape, callback);

	if (!bulk->direct)
		elog(ERROR, "table %s is not plain", RelationGetRelationName(rel));
	bulk->only_new = true;
	bulk->maxthere = ROWS_PER_INSERT;
	bulk->there = palloc(sizeof(uint32) * bulk->maxthere);
	bulk->places_there = palloc(sizeof(ItemPointerData) * bulk->maxthere);
	return bulk;
}

static void
note_there(SlmBulk *bulk, uint32 row, const ItemPointerData *place)
{
	/* who reads the numbers goes along with the rows */
	Assert(bulk->nthere == 0 || row > bulk->there[bulk->nthere - 1]);
	if (bulk->nthere == bulk->maxthere)
	{
		bulk->maxthere *= 2;
		bulk->there = repalloc(bulk->there, sizeof(uint32) * bulk->maxthere);
		bulk->places_there = repalloc(bulk->places_there, sizeof(ItemPointerData) * bulk->maxthere);
	}
	bulk->there[bulk->nthere] = row;
	bulk->places_there[bulk->nthere++] = *place;
}

static void
insert_entries(SlmBulk *bulk, int row)
{
	TupleTableSlot *slot = bulk->slots[row];
	bool		is_there = false;

	Assert(row < bulk->nrows);
	Assert(ItemPointerIsValid(&slot->tts_tid));

	if (bulk->only_new)
		slm_exec_insert_new_index_tuples(bulk->result, slot, bulk->estate, &is_there);
	else
		slm_exec_insert_index_tuples(bulk->result, slot, bulk->estate);
	if (is_there)
		note_there(bulk, (uint32) bulk->inserted + row, &slot->tts_tid);
	ResetPerTupleExprContext(bulk->estate);
}

static void
write_direct(SlmBulk *bulk)
{
	for (int i = 0; i < bulk->nrows; i++)
		ExecStoreVirtualTuple(bulk->slots[i]);
	table_multi_insert(bulk->rel, bulk->slots, bulk->nrows, bulk->cid, 0, bulk->bistate);
	for (int i = 0; bulk->result->ri_NumIndices > 0 && i < bulk->nrows; i++)
		insert_entries(bulk, i);
}

/* A rule may make something else of an INSERT, a trigger keep a row back: sums would be smaller, and nobody would know. */
void
slm_bulk_incomplete(uint64 n, const char *table)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("of %llu rows for table \"sellometer.%s\" not all were written", (unsigned long long) n, table),
			 errdetail("A rule or a trigger keeps them back."),
			 errhint("Have it keep none: what is in \"sellometer.%s\" would not add up.", table)));
}

static void
write_sql(SlmBulk *bulk)
{
	const SlmShape *shape = bulk->shape;
	Oid			types[SLM_MAX_COLUMNS];
	Datum		args[SLM_MAX_COLUMNS];
	int			result;

	for (int c = 0; c < shape->ncolumns; c++)
		types[c] = shape->columns[c].type;
	MemoryContextSwitchTo(bulk->rows);
	slm_column_arrays(bulk->all_values, bulk->all_nulls, bulk->nrows, shape->ncolumns, types, args);
	result = SPI_execute_plan(bulk->plan, args, NULL, false, 0);
	MemoryContextSwitchTo(bulk->outer);
	if (result != SPI_OK_INSERT || SPI_processed != (uint64) bulk->nrows)
		slm_bulk_incomplete(bulk->nrows, shape->table);
}

static void
write_rows(SlmBulk *bulk)
{
	Assert(bulk->nrows > 0 && !bulk->begun);
	if (bulk->direct)
		write_direct(bulk);
	else
		write_sql(bulk);
	bulk->inserted += bulk->nrows;
	bulk->nrows = 0;
	MemoryContextReset(bulk->rows);
	slm_wal_write_ahead();
	slm_alive();
	CHECK_FOR_INTERRUPTS();
	slm_call_back(bulk->callback);
}

/* The row at hand, to a slot: columns that are not among ours were dropped. */
static void
take_direct(SlmBulk *bulk)
{
	TupleTableSlot *slot;

	Assert(bulk->nrows <= bulk->nslots);

	if (bulk->nrows == bulk->nslots)
		bulk->slots[bulk->nslots++] = MakeSingleTupleTableSlot(bulk->desc, table_slot_callbacks(bulk->rel));
	slot = bulk->slots[bulk->nrows];
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	for (int c = 0; c < bulk->shape->ncolumns; c++)
	{
		slot->tts_values[bulk->places[c]] = bulk->values[c];
		slot->tts_isnull[bulk->places[c]] = bulk->nulls[c];
	}
}

static void
take_row(SlmBulk *bulk)
{
	int			n = bulk->shape->ncolumns;

	MemoryContextSwitchTo(bulk->outer);
	if (!bulk->begun)
		return;
	bulk->begun = false;
	Assert(bulk->nrows < ROWS_PER_INSERT);
	/* below the executor nobody else looks */
	for (int c = 0; c < n; c++)
		Assert(!bulk->nulls[c] || bulk->shape->columns[c].nullable);
	if (bulk->direct)
		take_direct(bulk);
	else
	{
		memcpy(bulk->all_values + bulk->nrows * n, bulk->values, n * sizeof(Datum));
		memcpy(bulk->all_nulls + bulk->nrows * n, bulk->nulls, n * sizeof(bool));
	}
	bulk->nrows++;
}

Datum *
slm_bulk_row(SlmBulk *bulk, bool **nulls)
{
	Assert(CurrentMemoryContext == (bulk->begun ? bulk->rows : bulk->outer));
	take_row(bulk);
	if (bulk->nrows == ROWS_PER_INSERT)
		write_rows(bulk);
	memset(bulk->nulls, false, sizeof(bulk->nulls));
	if (nulls != NULL)
		*nulls = bulk->nulls;
	bulk->begun = true;
	MemoryContextSwitchTo(bulk->rows);
	return bulk->values;
}

static void
write_rest(SlmBulk *bulk)
{
	take_row(bulk);
	if (bulk->nrows > 0)
		write_rows(bulk);
}

static void
end_direct(SlmBulk *bulk)
{
	Assert(bulk->nrows == 0);
	for (int i = 0; i < bulk->nslots; i++)
		ExecDropSingleTupleTableSlot(bulk->slots[i]);
	FreeTupleDesc(bulk->desc);
	FreeBulkInsertState(bulk->bistate);
	table_finish_bulk_insert(bulk->rel, 0);
	ExecCloseIndices(bulk->result);
	FreeExecutorState(bulk->estate);
	CommandCounterIncrement();
}

static void
end_sql(SlmBulk *bulk)
{
	SPI_freeplan(bulk->plan);
	pfree(bulk->all_values);
	pfree(bulk->all_nulls);
}

uint64
slm_bulk_end(SlmBulk *bulk)
{
	uint64		inserted;

	write_rest(bulk);
	inserted = bulk->inserted;
	if (bulk->direct)
		end_direct(bulk);
	else
		end_sql(bulk);
	MemoryContextDelete(bulk->rows);
	pfree(bulk);
	return inserted;
}

uint32
slm_bulk_end_new(SlmBulk *bulk, uint32 **there)
{
	Relation	rel = bulk->rel;
	ItemPointerData *places;
	uint32		n;

	Assert(bulk->only_new);

	/* may add to them */
	write_rest(bulk);
	n = bulk->nthere;
	*there = bulk->there;
	places = bulk->places_there;
	(void) slm_bulk_end(bulk);
	for (uint32 i = 0; i < n; i++)
		simple_heap_delete(rel, &places[i]);
	pfree(places);
	CommandCounterIncrement();
	return n;
}
