/*
 * fill_form.c: rows and their keys' entries become pages of a new table and leaves of its primary key, in memory.
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "access/xact.h"
#include "bulkwrite/fill_form.h"
#include "bulkwrite/index_page.h"
#include "bulkwrite/page_fill.h"
#include "catalog/pg_index.h"
#include "pure/memory.h"
#include "utils/rel.h"

bool
slm_piece_init(SlmPiece *piece)
{
	piece->rows = (SlmPages) {.pages = slm_table_alloc_dirty(SLM_PIECE_PAGES + 1, sizeof(PGAlignedBlock))};
	piece->leaves = (SlmPages) {.pages = slm_table_alloc_dirty(SLM_PIECE_PAGES + 1, sizeof(PGAlignedBlock))};
	return piece->rows.pages != NULL && piece->leaves.pages != NULL;
}

void
slm_piece_free(SlmPiece *piece)
{
	slm_table_free(piece->rows.pages, SLM_PIECE_PAGES + 1, sizeof(PGAlignedBlock));
	slm_table_free(piece->leaves.pages, SLM_PIECE_PAGES + 1, sizeof(PGAlignedBlock));
	*piece = (SlmPiece) {0};
}

static Page
page_at_hand(const SlmPages *pages)
{
	Assert(pages->n >= 0 && pages->n <= SLM_PIECE_PAGES);
	return (Page) pages->pages[pages->n].data;
}

SlmFormer *
slm_former_begin(Relation rel, Relation index, SlmRowSource source, void *arg, uint64 nrows)
{
	SlmFormer  *former = palloc0(sizeof(SlmFormer));
	HeapTupleHeader header = &former->header;

	Assert(rel->rd_createSubid == GetCurrentSubTransactionId());
	Assert(index->rd_index->indrelid == RelationGetRelid(rel));
	Assert(heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL));

	former->source = source;
	former->source_arg = arg;
	former->nrows = nrows;
	former->desc = RelationGetDescr(rel);
	former->spare = RelationGetTargetPageFreeSpace(rel, HEAP_DEFAULT_FILLFACTOR);
	header->t_infomask = HEAP_XMAX_INVALID;
	HeapTupleHeaderSetXmin(header, GetCurrentTransactionId());
	HeapTupleHeaderSetCmin(header, GetCurrentCommandId(true));
	HeapTupleHeaderSetXmax(header, InvalidTransactionId);
	HeapTupleHeaderSetNatts(header, former->desc->natts);
	header->t_hoff = MAXALIGN(SizeofHeapTupleHeader);

	former->entry_desc = RelationGetDescr(index);
	former->entry_spare = BTGetTargetPageFreeSpace(index);
	former->nkeys = IndexRelationGetNumberOfKeyAttributes(index);
	for (int i = 0; i < former->nkeys; i++)
	{
		former->keys[i] = index->rd_index->indkey.values[i] - 1;
		Assert(former->keys[i] >= 0 && former->keys[i] < former->desc->natts);	/* no expression */
	}
	former->leaf = BTREE_METAPAGE + 1;

	return former;
}

bool
slm_former_make_room(SlmFormer *former)
{
	if (!slm_piece_init(&former->piece))
		return false;
	PageInit(page_at_hand(&former->piece.rows), BLCKSZ, 0);
	slm_index_page_begin(page_at_hand(&former->piece.leaves), former->leaf, 0, true);
	return true;
}

/* The row at hand, put together; its length, 0 if it is too long. */
static Size
form_row(SlmFormer *former)
{
	HeapTupleHeader row = &former->row.header;
	Size		hoff = former->header.t_hoff;
	Size		len = heap_compute_data_size(former->desc, former->values, former->isnull);

	if (MAXALIGN(hoff + len) > MaxHeapTupleSize)
		return 0;
	/* gaps between columns are zero */
	memset(former->row.data, 0, hoff + len);
	memcpy(row, &former->header, SizeofHeapTupleHeader);
	heap_fill_tuple(former->desc, former->values, former->isnull, former->row.data + hoff, len, &row->t_infomask, NULL);
	return hoff + len;
}

/* The entry at hand, likewise; see index_form_tuple(). */
static Size
form_entry(SlmFormer *former)
{
	IndexTuple	entry = &former->entry.header;
	Size		start = MAXALIGN(sizeof(IndexTupleData));
	uint16		mask = 0;
	Datum		keys[INDEX_MAX_KEYS];
	Size		len;
	Size		size;

	for (int i = 0; i < former->nkeys; i++)
		keys[i] = former->values[former->keys[i]];
	len = heap_compute_data_size(former->entry_desc, keys, former->isnull);
	size = MAXALIGN(start + len);
	if (size > SLM_INDEX_ENTRY_MAX)
		return 0;
	memset(former->entry.data, 0, size);
	heap_fill_tuple(former->entry_desc, keys, former->isnull, former->entry.data + start, len, &mask, NULL);
	entry->t_info = size | ((mask & HEAP_HASVARWIDTH) ? INDEX_VAR_MASK : 0);
	return size;
}

static void
put_row(SlmFormer *former, Size len)
{
	SlmPages   *pages = &former->piece.rows;

	Assert(len > SizeofHeapTupleHeader && len <= sizeof(former->row.data));

	if (PageGetHeapFreeSpace(page_at_hand(pages)) < MAXALIGN(len) + former->spare)
	{
		pages->n++;
		former->block++;
		PageInit(page_at_hand(pages), BLCKSZ, 0);
	}
	ItemPointerSet(&former->row.header.t_ctid, former->block,
				   OffsetNumberNext(PageGetMaxOffsetNumber(page_at_hand(pages))));
	(void) slm_page_put(page_at_hand(pages), former->row.data, len);
	former->entry.header.t_tid = former->row.header.t_ctid;
}

static void
put_entry(SlmFormer *former, Size size)
{
	SlmPages   *leaves = &former->piece.leaves;
	Page		leaf = page_at_hand(leaves);

	Assert(size == MAXALIGN(size) && size <= SLM_INDEX_ENTRY_MAX);

	if (slm_index_page_is_full(leaf, size, former->entry_spare))
	{
		leaves->n++;
		(void) slm_index_page_turn(leaf, page_at_hand(leaves), former->leaf++);
	}
	slm_index_page_put(page_at_hand(leaves), &former->entry.header);
}

void
slm_former_piece(void *arg)
{
	SlmFormer  *former = arg;

	/* what is formed was taken */
	Assert(former->piece.rows.n == 0 && former->piece.leaves.n == 0);
	Assert(!former->too_long);

	while (former->next < former->nrows && former->piece.rows.n < SLM_PIECE_PAGES && former->piece.leaves.n < SLM_PIECE_PAGES)
	{
		Size		len;
		Size		size;

		former->source(former->source_arg, former->next, former->values);
		len = form_row(former);
		size = form_entry(former);
		former->too_long = len == 0 || size == 0;
		if (former->too_long)
			return;
		put_row(former, len);
		put_entry(former, size);
		former->next++;
	}
}

static void
move_begun(SlmPages *from, SlmPages *to)
{
	to->n = 0;
	memcpy(page_at_hand(to), page_at_hand(from), BLCKSZ);
}

void
slm_former_swap(SlmFormer *former, SlmPiece *other)
{
	SlmPiece	formed = former->piece;

	Assert(other->rows.pages != formed.rows.pages && other->leaves.pages != formed.leaves.pages);

	move_begun(&formed.rows, &other->rows);
	move_begun(&formed.leaves, &other->leaves);
	former->piece = *other;
	*other = formed;
}
