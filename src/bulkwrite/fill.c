/*
 * fill.c: rows for a table that is new and empty and for its primary key, in the key's order.
 *
 *    a thread      forms pages 0 to 127 | forms pages 128 to 255 | forms pages 256 to 383  | ...
 *    this thread                        | logs pages 0 to 127    | logs pages 128 to 255   | ...
 *    a thread                                                    | writes pages 0 to 127   | ...
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/multixact.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "bulkwrite/bulk.h"
#include "bulkwrite/fill.h"
#include "bulkwrite/index_fill.h"
#include "bulkwrite/page_fill.h"
#include "catalog/catalog.h"
#include "catalog/pg_am_d.h"
#include "commands/vacuum.h"
#include "compat.h"
#include "pgstat.h"
#include "server/background.h"
#include "server/out_of_memory.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

typedef struct Fill
{
	Relation	rel;
	SlmFormer  *former;
	SlmIndexFill *index;
	SlmPiece	formed[2];		/* one is being logged, the other written, while the former goes on */
	int			at;				/* the one that is being logged */
	SlmPageWriter *writer;
	SlmThread	thread;
} Fill;

bool
slm_fill_possible(Relation rel)
{
	return rel->rd_rel->relam == HEAP_TABLE_AM_OID && !RelationIsLogicallyLogged(rel);
}

static void
form_piece(Fill *fill)
{
	Assert(!fill->thread.running);
	slm_background_start(&fill->thread, slm_former_piece, fill->former, fill->former->nrows);
}

static void
take_piece(Fill *fill)
{
	slm_thread_join(&fill->thread);
	if (fill->former->too_long)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a row is too large for table \"%s\" or its index", RelationGetRelationName(fill->rel))));
	fill->at = 1 - fill->at;
	slm_former_swap(fill->former, &fill->formed[fill->at]);
}

static void
write_pieces(Fill *fill, const SlmCallback *callback)
{
	SlmFormer  *former = fill->former;
	const SlmPiece *formed;
	bool		last;

	Assert(former->nrows > 0 && former->next == 0);

	form_piece(fill);
	do
	{
		take_piece(fill);
		formed = &fill->formed[fill->at];
		last = former->next == former->nrows;
		if (!last)
			form_piece(fill);
		slm_page_writer_put(fill->writer, formed->rows.pages, formed->rows.n + (last ? 1 : 0));
		slm_index_fill_leaves(fill->index, formed->leaves.pages, formed->leaves.n);
		slm_call_back(callback);
	} while (!last);
	slm_index_fill_end(fill->index, &formed->leaves.pages[formed->leaves.n]);
	fill->index = NULL;
}

/* After an error, too: no thread uses the memory of pieces, which goes. */
static void
free_pieces(Fill *fill)
{
	slm_thread_join(&fill->thread);
	if (fill->index != NULL)
		slm_index_fill_abandon(fill->index);
	if (fill->writer != NULL)
		slm_page_writer_abandon(fill->writer);
	slm_piece_free(&fill->formed[0]);
	slm_piece_free(&fill->formed[1]);
	slm_piece_free(&fill->former->piece);
}

void
slm_fill(Relation rel, SlmRowSource source, void *arg, uint64 nrows, const SlmCallback *callback)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer fill", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	Relation	index = index_open(slm_primary_key_index(rel), AccessExclusiveLock);
	Fill	   *fill = palloc0(sizeof(Fill));
	volatile BlockNumber npages = 0;

	Assert(nrows > 0);
	Assert(slm_fill_possible(rel));
	Assert(CheckRelationLockedByMe(rel, AccessExclusiveLock, false));

	if (RelationGetNumberOfBlocks(rel) > 0)
		elog(ERROR, "table %s is not empty", RelationGetRelationName(rel));
	fill->rel = rel;
	fill->former = slm_former_begin(rel, index, source, arg, nrows);
	fill->index = slm_index_fill_begin(index);
	fill->writer = slm_page_writer_begin(rel);
	PG_TRY();
	{
		if (!slm_piece_init(&fill->formed[0]) || !slm_piece_init(&fill->formed[1]) || !slm_former_make_room(fill->former))
			slm_out_of_memory();
		write_pieces(fill, callback);
		npages = slm_page_writer_next(fill->writer);
		slm_page_writer_end(fill->writer);
		fill->writer = NULL;
	}
	PG_FINALLY();
	{
		free_pieces(fill);
	}
	PG_END_TRY();
	index_close(index, NoLock);
	pgstat_count_heap_insert(rel, nrows);
	CommandCounterIncrement();
	/* as building the index would have left it, for the planner */
	slm_update_relstats(rel, npages, nrows);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
}
