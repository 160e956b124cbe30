/*
 * packed_change.c: rows that come, change or go in a companion that is there.
 *
 *   changes, in order --> the first block whose last row is not before the next of them: taken out
 *                     --> its rows and all changes up to its last row, merged --> one block, or some
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "compat.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "packed/packed_build.h"
#include "packed/packed_change.h"
#include "packed/packed_read.h"
#include "server/alive.h"
#include "server/locks.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

typedef struct Changing
{
	SlmPackedTable *table;
	SlmPackedSource source;
	void	   *arg;
	SlmPackedRow change;		/* the next */
	bool		more;			/* there is one */
	uint64		nchanges;

	SlmBulk    *bulk;
	MemoryContext rows;			/* the bulk's, between its calls */
	SlmPackedCut cut;
	Snapshot	snapshot;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	union
	{
		char		bytes[VARHDRSZ + SLM_MAX_KEY_BYTES];
		int32		aligned;
	}			wanted;			/* the key that is looked for */

	/* the block at hand */
	SlmPackedReader reader;
	SlmPackedRow row;			/* its next row */
	bool		has_row;
	SlmPackedRow last;			/* its last row's key and place */
	char		last_text[SLM_MAX_KEY_BYTES];
	char		data[BLCKSZ];
} Changing;

/* A block that is new or made anew. */
static void
put_block(void *arg, const SlmPackedLast *last, const void *data, Size len)
{
	Changing   *changing = arg;
	MemoryContext old = MemoryContextSwitchTo(changing->rows);

	slm_packed_block_values(changing->cut.texts, last, data, len, slm_bulk_row(changing->bulk, NULL));
	changing->rows = MemoryContextSwitchTo(old);
}

static void
next_change(Changing *changing)
{
	changing->more = changing->source(changing->arg, &changing->change);
	changing->nchanges += changing->more;
}

static void
next_row(Changing *changing)
{
	SlmPackedStatus status = slm_packed_next(&changing->reader, &changing->row);

	if (status == SLM_PACKED_DAMAGED)
		slm_packed_damaged(changing->table);
	changing->has_row = status == SLM_PACKED_ROW;
}

/* Begin with the block in the slot, and take it out. */
static void
take_block(Changing *changing)
{
	bytea	   *data = DatumGetByteaPP(changing->slot->tts_values[SLM_PACKED_DATA]);
	Size		len = VARSIZE_ANY_EXHDR(data);

	if (len > sizeof(changing->data))
		slm_packed_damaged(changing->table);
	memcpy(changing->data, VARDATA_ANY(data), len);
	slm_packed_read(&changing->reader, changing->data, len, changing->cut.texts);
	simple_heap_delete(changing->table->companion, &changing->slot->tts_tid);
	next_row(changing);
}

/* The key and place of the last row of the block in the slot. */
static void
note_last(Changing *changing)
{
	slot_getallattrs(changing->slot);
	changing->last.place = (uint64) DatumGetInt64(changing->slot->tts_values[SLM_PACKED_LAST_PLACE]);
	if (changing->cut.texts)
	{
		text	   *key = DatumGetTextPP(changing->slot->tts_values[SLM_PACKED_LAST_KEY]);

		if (VARSIZE_ANY_EXHDR(key) > SLM_MAX_KEY_BYTES)
			slm_packed_damaged(changing->table);
		memcpy(changing->last_text, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
		changing->last.text = (SlmSlice) {changing->last_text, (uint32) VARSIZE_ANY_EXHDR(key)};
	}
	else
		changing->last.product_id = DatumGetInt64(changing->slot->tts_values[SLM_PACKED_LAST_KEY]);
}

static int
compare(const Changing *changing, const SlmPackedRow *a, const SlmPackedRow *b)
{
	return slm_packed_compare(a, b, changing->cut.texts);
}

/* The first block whose last row is not before the next change; false if there is none. */
static bool
find_block(Changing *changing)
{
	ScanKeyData key;

	if (changing->cut.texts)
	{
		SET_VARSIZE(changing->wanted.bytes, VARHDRSZ + changing->change.text.len);
		memcpy(VARDATA(changing->wanted.bytes), changing->change.text.data, changing->change.text.len);
		ScanKeyEntryInitialize(&key, 0, 1, BTGreaterEqualStrategyNumber, InvalidOid, C_COLLATION_OID, F_TEXT_GE,
							   PointerGetDatum(changing->wanted.bytes));
	}
	else
		ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(changing->change.product_id));
	index_rescan(changing->scan, &key, 1, NULL, 0);
	while (index_getnext_slot(changing->scan, ForwardScanDirection, changing->slot))
	{
		note_last(changing);
		if (compare(changing, &changing->last, &changing->change) >= 0)
			return true;
	}
	return false;
}

static void
put_sum(Changing *changing, const SlmPackedRow *there)
{
	SlmPackedRow sum = changing->change;

	sum.count += there->count;
	sum.gmv += there->gmv;
	if (sum.count != 0)
		slm_packed_cut_row(&changing->cut, &sum);
}

/* The rows of the block at hand, if there is one, and all changes up to its last row, else all that are left. */
static void
merge_block(Changing *changing, bool found)
{
	changing->has_row = false;
	if (found)
		take_block(changing);
	slm_packed_cut_begin(&changing->cut);
	for (;;)
	{
		bool		wanted = changing->more && (!found || compare(changing, &changing->change, &changing->last) <= 0);
		int			order = !changing->has_row ? 1 : !wanted ? -1 : compare(changing, &changing->row, &changing->change);

		if (!changing->has_row && !wanted)
			break;
		if (order == 0)
			put_sum(changing, &changing->row);
		else if (order < 0)
			slm_packed_cut_row(&changing->cut, &changing->row);
		else if (changing->change.count != 0)
			slm_packed_cut_row(&changing->cut, &changing->change);
		if (order <= 0)
			next_row(changing);
		if (order >= 0)
			next_change(changing);
	}
	slm_packed_cut_end(&changing->cut);
}

static void
begin(Changing *changing, SlmPackedTable *table, const SlmCallback *often)
{
	Oid			index = slm_primary_key_index(table->companion);

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	if (!OidIsValid(index) || !slm_bulk_is_direct(table->companion, &table->shape))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"sellometer.%s\" is not as a packed partition has it", RelationGetRelationName(table->companion)),
				 errhint("Take off what was added to it: triggers, columns, constraints.")));
	/* what this transaction has changed before is seen */
	CommandCounterIncrement();
	changing->table = table;
	changing->bulk = slm_bulk_begin(table->companion, &table->shape, often);
	changing->rows = CurrentMemoryContext;
	changing->cut.texts = table->form.texts;
	changing->cut.emit = put_block;
	changing->cut.arg = changing;
	changing->snapshot = RegisterSnapshot(GetLatestSnapshot());
	changing->index = index_open(index, AccessShareLock);
	changing->slot = table_slot_create(table->companion, NULL);
}

static void
end(Changing *changing)
{
	MemoryContextSwitchTo(changing->rows);
	(void) slm_bulk_end(changing->bulk);
	ExecDropSingleTupleTableSlot(changing->slot);
	UnregisterSnapshot(changing->snapshot);
	index_close(changing->index, NoLock);
	pfree(changing);
	CommandCounterIncrement();
}

uint64
slm_packed_change(SlmPackedTable *table, SlmPackedSource source, void *arg, const SlmCallback *often)
{
	Changing   *changing = palloc0(sizeof(Changing));
	uint64		n;

	begin(changing, table, often);
	changing->source = source;
	changing->arg = arg;
	changing->scan = slm_index_beginscan(table->companion, changing->index, changing->snapshot, 1);
	next_change(changing);
	while (changing->more)
	{
		bool		found;

		slm_alive();
		CHECK_FOR_INTERRUPTS();
		found = find_block(changing);
		merge_block(changing, found);
	}
	n = changing->nchanges;
	index_endscan(changing->scan);
	end(changing);
	return n;
}

/* Has the block in the slot rows of those places? */
static bool
has_any(Changing *changing, uint64 from, uint64 to)
{
	bytea	   *data = DatumGetByteaPP(changing->slot->tts_values[SLM_PACKED_DATA]);
	SlmPackedStatus status;
	SlmPackedRow row;

	slm_packed_read(&changing->reader, VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data), changing->cut.texts);
	while ((status = slm_packed_next(&changing->reader, &row)) == SLM_PACKED_ROW)
	{
		if (row.place >= from && row.place < to)
			return true;
	}
	if (status == SLM_PACKED_DAMAGED)
		slm_packed_damaged(changing->table);
	return false;
}

/* The first place at or after a time. */
static uint64
place_at(const SlmPackedForm *form, TimestampTz time)
{
	if (TIMESTAMP_IS_NOBEGIN(time) || time <= form->start)
		return 0;
	if (TIMESTAMP_IS_NOEND(time))
		return PG_UINT64_MAX;
	return ((uint64) (time - form->start) + (uint64) form->unit - 1) / (uint64) form->unit * 4;
}

void
slm_packed_delete(SlmPackedTable *table, TimestampTz from, TimestampTz to)
{
	Changing   *changing = palloc0(sizeof(Changing));
	uint64		first = place_at(&table->form, from);
	uint64		end_place = place_at(&table->form, to);
	TableScanDesc scan;

	begin(changing, table, NULL);
	scan = table_beginscan(table->companion, changing->snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, changing->slot))
	{
		slot_getallattrs(changing->slot);
		if (!has_any(changing, first, end_place))
			continue;
		take_block(changing);
		slm_packed_cut_begin(&changing->cut);
		for (; changing->has_row; next_row(changing))
		{
			if (changing->row.place < first || changing->row.place >= end_place)
				slm_packed_cut_row(&changing->cut, &changing->row);
		}
		slm_packed_cut_end(&changing->cut);
		CHECK_FOR_INTERRUPTS();
	}
	table_endscan(scan);
	end(changing);
}
