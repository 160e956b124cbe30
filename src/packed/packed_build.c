/*
 * packed_build.c: rows, in the order of the primary key, to blocks.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "bulkwrite/wal.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "packed/packed_build.h"
#include "server/alive.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define BLOCKS_PER_INSERT	100

/* Rows are small: when less than this is left, a block is full. */
#define MARGIN				16

void
slm_packed_cut_begin(SlmPackedCut *cut)
{
	slm_packed_begin(&cut->writer, cut->data, sizeof(cut->data), cut->texts);
}

static void
emit(SlmPackedCut *cut)
{
	cut->emit(cut->arg, &cut->writer.last, cut->data, cut->writer.len);
	slm_packed_cut_begin(cut);
}

void
slm_packed_cut_row(SlmPackedCut *cut, const SlmPackedRow *row)
{
	Size		key = cut->texts ? row->text.len : sizeof(int64);
	Size		most = Max(SLM_PACKED_ROOM - key, SLM_PACKED_LEAST);

	if (cut->writer.len > 0 && cut->writer.len + MARGIN + (cut->texts ? key : 0) > most)
		emit(cut);
	if (!slm_packed_put(&cut->writer, row))
		elog(ERROR, "a row does not fit into a block");
}

void
slm_packed_cut_end(SlmPackedCut *cut)
{
	if (cut->writer.len > 0)
		emit(cut);
}

void
slm_packed_block_values(bool texts, const SlmPackedLast *last, const void *data, Size len, Datum *values)
{
	values[SLM_PACKED_LAST_KEY] = texts ? PointerGetDatum(cstring_to_text_with_len(last->text, (int) last->len)) : Int64GetDatum(last->product_id);
	values[SLM_PACKED_LAST_PLACE] = Int64GetDatum((int64) last->place);
	values[SLM_PACKED_DATA] = PointerGetDatum(cstring_to_text_with_len(data, (int) len));
}

struct SlmPackedBuild
{
	SlmPackedTable *table;
	SlmPackedCut cut;
	int			options;		/* of table_multi_insert() */
	MemoryContext outer;
	MemoryContext blocks;		/* of the blocks that wait */
	TupleTableSlot *slots[BLOCKS_PER_INSERT];
	int			n;				/* that wait */
	int			nslots;			/* made so far */
	double		keys;			/* that differ */
	SlmPackedRow before;		/* of the last of them; its text is in before_text */
	char		before_text[SLM_MAX_KEY_BYTES];
	BulkInsertState bistate;
};

static void
write_blocks(SlmPackedBuild *build)
{
	Relation	rel = build->table->companion;

	if (build->n == 0)
		return;
	table_multi_insert(rel, build->slots, build->n, GetCurrentCommandId(true), build->options, build->bistate);
	for (int i = 0; i < build->n; i++)
		ExecClearTuple(build->slots[i]);
	build->n = 0;
	MemoryContextReset(build->blocks);
	slm_wal_write_ahead();
	slm_alive();
	CHECK_FOR_INTERRUPTS();
}

static void
take_block(void *arg, const SlmPackedLast *last, const void *data, Size len)
{
	SlmPackedBuild *build = arg;
	TupleTableSlot *slot;
	MemoryContext old;

	if (build->n == BLOCKS_PER_INSERT)
		write_blocks(build);
	if (build->n == build->nslots)
		build->slots[build->nslots++] = table_slot_create(build->table->companion, NULL);
	slot = build->slots[build->n++];
	old = MemoryContextSwitchTo(build->blocks);
	slm_packed_block_values(build->cut.texts, last, data, len, slot->tts_values);
	memset(slot->tts_isnull, false, sizeof(bool) * SLM_PACKED_COLUMNS);
	ExecStoreVirtualTuple(slot);
	MemoryContextSwitchTo(old);
}

SlmPackedBuild *
slm_packed_build_begin(SlmPackedTable *table, bool frozen)
{
	SlmPackedBuild *build = palloc0(sizeof(SlmPackedBuild));

	Assert(table->companion->rd_createSubid != InvalidSubTransactionId);

	build->table = table;
	build->options = TABLE_INSERT_SKIP_FSM | (frozen ? TABLE_INSERT_FROZEN : 0);
	build->cut.texts = table->form.texts;
	build->cut.emit = take_block;
	build->cut.arg = build;
	build->outer = CurrentMemoryContext;
	build->blocks = AllocSetContextCreate(CurrentMemoryContext, "sellometer blocks", ALLOCSET_DEFAULT_SIZES);
	build->bistate = GetBulkInsertState();
	slm_packed_cut_begin(&build->cut);
	return build;
}

void
slm_packed_build_put(SlmPackedBuild *build, const SlmPackedRow *row)
{
	slm_packed_cut_row(&build->cut, row);
	if (build->keys > 0 && slm_packed_compare_keys(row, &build->before, build->cut.texts) == 0)
		return;
	build->keys++;
	build->before = *row;
	if (build->cut.texts)
		build->before.text.data = memcpy(build->before_text, row->text.data, row->text.len);
}

double
slm_packed_build_end(SlmPackedBuild *build)
{
	double		keys = build->keys;

	slm_packed_cut_end(&build->cut);
	write_blocks(build);
	for (int i = 0; i < build->nslots; i++)
		ExecDropSingleTupleTableSlot(build->slots[i]);
	FreeBulkInsertState(build->bistate);
	table_finish_bulk_insert(build->table->companion, build->options);
	MemoryContextDelete(build->blocks);
	pfree(build);
	CommandCounterIncrement();
	return keys;
}
