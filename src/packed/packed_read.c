/*
 * packed_read.c: the rows of a packed partition, all of them or those of a key.
 *
 *   all     --> the companion from end to end     --> blocks --> rows
 *   a key   --> its index: the first block whose last key is not less, and those after it, until a row is of a greater key
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "compat.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "packed/packed_read.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

struct SlmPackedRead
{
	SlmPackedTable *table;
	Snapshot	snapshot;
	MemoryContext context;		/* of scans, which live longer than rows */
	TableScanDesc all;			/* or */
	Relation	index;
	IndexScanDesc by_key;
	bool		of_key;
	SlmPackedRow key;			/* if of_key */
	TupleTableSlot *slot;		/* the block at hand */
	bool		in_block;
	bool		done;
	SlmPackedReader reader;
};

SlmPackedRead *
slm_packed_read_begin(SlmPackedTable *table, Snapshot snapshot)
{
	SlmPackedRead *read = palloc0(sizeof(SlmPackedRead));

	read->table = table;
	read->snapshot = snapshot;
	read->context = CurrentMemoryContext;
	read->slot = table_slot_create(table->companion, NULL);
	return read;
}

static void
begin(SlmPackedRead *read)
{
	ExecClearTuple(read->slot);
	read->in_block = read->done = false;
}

void
slm_packed_read_all(SlmPackedRead *read)
{
	MemoryContext old = MemoryContextSwitchTo(read->context);

	begin(read);
	read->of_key = false;
	if (read->all != NULL)
		table_rescan(read->all, NULL);
	else
		read->all = table_beginscan(read->table->companion, read->snapshot, 0, NULL);
	MemoryContextSwitchTo(old);
}

void
slm_packed_read_key(SlmPackedRead *read, Datum key)
{
	MemoryContext old = MemoryContextSwitchTo(read->context);
	ScanKeyData scan_key;

	begin(read);
	read->of_key = true;
	if (read->index == NULL)
	{
		Oid			index = slm_primary_key_index(read->table->companion);

		if (!OidIsValid(index))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("table \"sellometer.%s\" has no primary key", RelationGetRelationName(read->table->companion)),
					 errhint("ALTER TABLE … ADD PRIMARY KEY (last_key, last_place) gives it one.")));
		read->index = index_open(index, AccessShareLock);
		read->by_key = slm_index_beginscan(read->table->companion, read->index, read->snapshot, 1);
	}
	if (read->table->form.texts)
		ScanKeyEntryInitialize(&scan_key, 0, 1, BTGreaterEqualStrategyNumber, InvalidOid, C_COLLATION_OID, F_TEXT_GE, key);
	else
		ScanKeyInit(&scan_key, 1, BTGreaterEqualStrategyNumber, F_INT8GE, key);
	index_rescan(read->by_key, &scan_key, 1, NULL, 0);
	MemoryContextSwitchTo(old);
	if (read->table->form.texts)
		read->key.text = (SlmSlice) {VARDATA_ANY(DatumGetPointer(key)), (uint32) VARSIZE_ANY_EXHDR(DatumGetPointer(key))};
	else
		read->key.product_id = DatumGetInt64(key);
}

void
slm_packed_damaged(const SlmPackedTable *table)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("a block of table \"sellometer.%s\" is damaged", RelationGetRelationName(table->companion)),
			 errhint("Drop the partition whose rows it has, and call sellometer_replay() for its time.")));
}

static bool
next_block(SlmPackedRead *read)
{
	MemoryContext old = MemoryContextSwitchTo(read->context);
	bytea	   *data;
	bool		found;

	CHECK_FOR_INTERRUPTS();
	found = read->of_key ? index_getnext_slot(read->by_key, ForwardScanDirection, read->slot)
		: table_scan_getnextslot(read->all, ForwardScanDirection, read->slot);
	MemoryContextSwitchTo(old);
	if (!found)
		return false;
	slot_getallattrs(read->slot);
	data = DatumGetByteaPP(read->slot->tts_values[SLM_PACKED_DATA]);
	slm_packed_read(&read->reader, VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data), read->table->form.texts);
	return true;
}

bool
slm_packed_read_next(SlmPackedRead *read, SlmPackedRow *row)
{
	while (!read->done)
	{
		SlmPackedStatus status = SLM_PACKED_END;
		int			order = 0;

		if (read->in_block)
			status = slm_packed_next(&read->reader, row);
		if (status == SLM_PACKED_DAMAGED)
			slm_packed_damaged(read->table);
		if (status == SLM_PACKED_END)
		{
			read->in_block = next_block(read);
			read->done = !read->in_block;
			continue;
		}
		if (read->of_key)
			order = slm_packed_compare_keys(row, &read->key, read->table->form.texts);
		if (order == 0)
			return true;
		read->done = order > 0;
	}
	return false;
}

void
slm_packed_read_end(SlmPackedRead *read)
{
	ExecDropSingleTupleTableSlot(read->slot);
	if (read->all != NULL)
		table_endscan(read->all);
	if (read->by_key != NULL)
	{
		index_endscan(read->by_key);
		index_close(read->index, NoLock);
	}
	pfree(read);
}
