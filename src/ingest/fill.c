/*
 * fill.c: rows for a table that is new and empty and for its primary key, in the key's order.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/catalog.h"
#include "catalog/pg_am_d.h"
#include "commands/vacuum.h"
#include "compat.h"
#include "ingest/bulk.h"
#include "ingest/fill.h"
#include "ingest/index_fill.h"
#include "ingest/page_fill.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#define PAGES_PER_BREATH	8

struct SlmFill
{
	Relation	rel;
	Relation	index;
	SlmIndexFill *entries;
	Size		spare;			/* bytes of each page that the fill factor leaves free */
	bool	   *isnull;			/* by column; none is */
	uint64		nrows;

	HeapTupleHeaderData header; /* of each row; the place of the row apart */

	/* the page at hand */
	PGAlignedBlock image;
	BlockNumber block;

	/* the row at hand */
	union
	{
		HeapTupleHeaderData header;
		char		data[MaxHeapTupleSize];
		double		align;
	}			row;
};

bool
slm_fill_possible(Relation rel)
{
	return rel->rd_rel->relam == HEAP_TABLE_AM_OID && !RelationIsLogicallyLogged(rel);
}

SlmFill *
slm_fill_begin(Relation rel)
{
	SlmFill    *fill = palloc0(sizeof(SlmFill));
	HeapTupleHeader header = &fill->header;

	if (RelationGetNumberOfBlocks(rel) > 0)
		elog(ERROR, "table %s is not empty", RelationGetRelationName(rel));
	fill->rel = rel;
	fill->index = index_open(slm_primary_key_index(rel), AccessExclusiveLock);
	fill->entries = slm_index_fill_begin(fill->index);
	fill->spare = RelationGetTargetPageFreeSpace(rel, HEAP_DEFAULT_FILLFACTOR);
	fill->isnull = palloc0(sizeof(bool) * RelationGetDescr(rel)->natts);
	header->t_infomask = HEAP_XMAX_INVALID;
	HeapTupleHeaderSetXmin(header, GetCurrentTransactionId());
	HeapTupleHeaderSetCmin(header, GetCurrentCommandId(true));
	HeapTupleHeaderSetXmax(header, InvalidTransactionId);
	HeapTupleHeaderSetNatts(header, RelationGetDescr(rel)->natts);
	header->t_hoff = MAXALIGN(SizeofHeapTupleHeader);
	PageInit(fill->image.data, BLCKSZ, 0);
	return fill;
}

static void
turn_page(SlmFill *fill)
{
	slm_page_append(fill->rel, fill->block++, fill->image.data);
	PageInit(fill->image.data, BLCKSZ, 0);
	if (fill->block % PAGES_PER_BREATH != 0)
		return;
	CHECK_FOR_INTERRUPTS();
	if (slm_bulk_breathe)
		slm_bulk_breathe();
}

/* The row at hand, put together; its length. */
static Size
form_row(SlmFill *fill, const Datum *values)
{
	TupleDesc	desc = RelationGetDescr(fill->rel);
	Datum	   *all = unconstify(Datum *, values);
	Size		len = heap_compute_data_size(desc, all, fill->isnull);
	HeapTupleHeader row = &fill->row.header;

	if (len > MaxHeapTupleSize - MAXALIGN(SizeofHeapTupleHeader))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a row of %zu bytes is too large for table \"%s\"", len, RelationGetRelationName(fill->rel))));
	/* gaps between columns are zero */
	memset(fill->row.data, 0, fill->header.t_hoff + len);
	memcpy(row, &fill->header, SizeofHeapTupleHeader);
	heap_fill_tuple(desc, all, fill->isnull, fill->row.data + fill->header.t_hoff, len, &row->t_infomask, NULL);
	return fill->header.t_hoff + len;
}

void
slm_fill_row(SlmFill *fill, const Datum *values)
{
	Size		len = form_row(fill, values);
	Form_pg_index keys = fill->index->rd_index;
	Datum		key[INDEX_MAX_KEYS];
	ItemPointerData place;

	if (PageGetHeapFreeSpace(fill->image.data) < MAXALIGN(len) + fill->spare)
		turn_page(fill);
	ItemPointerSet(&place, fill->block, OffsetNumberNext(PageGetMaxOffsetNumber(fill->image.data)));
	fill->row.header.t_ctid = place;
	(void) slm_page_put(fill->image.data, fill->row.data, len);
	for (int i = 0; i < keys->indnkeyatts; i++)
		key[i] = values[keys->indkey.values[i] - 1];
	slm_index_fill_add(fill->entries, key, &place);
	fill->nrows++;
}

uint64
slm_fill_end(SlmFill *fill)
{
	uint64		nrows = fill->nrows;

	if (PageGetMaxOffsetNumber(fill->image.data) > 0)
		turn_page(fill);
	slm_index_fill_end(fill->entries);
	index_close(fill->index, NoLock);
	pgstat_count_heap_insert(fill->rel, nrows);
	CommandCounterIncrement();
	/* as building the index would have left it, for the planner */
	slm_update_relstats(fill->rel, fill->block, nrows);
	pfree(fill);
	return nrows;
}
