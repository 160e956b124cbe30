/*
 * index_fill.c: a B-tree that is new and empty, from its leaves.
 *
 * As PostgreSQL builds an index (_bt_load() and _bt_buildadd() of nbtsort.c), but without reading and sorting the table first: the
 * leaves come from fill_form.c.  One level is written after the other, so that the pages of the file come in order:
 *
 *    0      1 ...           n     n + 1 ...                m
 *    meta   leaves                their parents            root
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "bulkwrite/index_fill.h"
#include "bulkwrite/index_page.h"
#include "bulkwrite/page_fill.h"
#include "catalog/pg_am_d.h"
#include "miscadmin.h"
#include "utils/rel.h"

struct SlmIndexFill
{
	Relation	index;
	BTScanInsert order;			/* for _bt_truncate() */
	SlmPageWriter *writer;

	/* the lowest key of each page of the level at hand, which points to it: the entries of the level above */
	IndexTuple *low;
	uint32		npages;
	uint32		max;
#ifdef USE_ASSERT_CHECKING
	IndexTuple	before;			/* the last entry of the leaf before */
#endif
};

static void
add_page(SlmIndexFill *fill, IndexTuple low, BlockNumber block)
{
	if (fill->npages == fill->max)
	{
		fill->max = Max(2 * fill->max, 256);
		fill->low = fill->low ? repalloc_huge(fill->low, sizeof(IndexTuple) * fill->max)
			: palloc(sizeof(IndexTuple) * fill->max);
	}
	BTreeTupleSetDownLink(low, block);
	fill->low[fill->npages++] = low;
}

/* Of the first page of a level: a key lower than all others, having none. */
static void
begin_level(SlmIndexFill *fill)
{
	IndexTuple	lowest = palloc0(sizeof(IndexTupleData));

	fill->low = NULL;
	fill->npages = fill->max = 0;
	lowest->t_info = sizeof(IndexTupleData);
	BTreeTupleSetNAtts(lowest, 0, false);
	add_page(fill, lowest, slm_page_writer_next(fill->writer));
}

/* With a page in the place of the meta page, which is known last. */
static void
begin_file(SlmIndexFill *fill)
{
	PGAlignedBlock meta;

	_bt_initmetapage(meta.data, P_NONE, 0, fill->order->allequalimage);
	slm_page_writer_put(fill->writer, &meta, 1);
}

SlmIndexFill *
slm_index_fill_begin(Relation index)
{
	SlmIndexFill *fill = palloc0(sizeof(SlmIndexFill));

	Assert(index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indisunique);
	Assert(index->rd_createSubid == GetCurrentSubTransactionId());

	fill->index = index;
	fill->order = _bt_mkscankey(index, NULL);
	fill->order->allequalimage = _bt_allequalimage(index, false);
	fill->writer = slm_page_writer_begin(index);
	if (slm_page_writer_next(fill->writer) != BTREE_METAPAGE)
		elog(ERROR, "index %s is not empty", RelationGetRelationName(index));
	begin_file(fill);
	begin_level(fill);
	return fill;
}

/* Of a leaf's high key only as much is kept as tells it from the entry before. */
static IndexTuple
cut_high_key(SlmIndexFill *fill, Page leaf)
{
	IndexTuple	high = (IndexTuple) PageGetItem(leaf, PageGetItemId(leaf, P_HIKEY));
	IndexTuple	before = (IndexTuple) PageGetItem(leaf, PageGetItemId(leaf, PageGetMaxOffsetNumber(leaf)));
	IndexTuple	cut = _bt_truncate(fill->index, before, high, fill->order);

	if (!PageIndexTupleOverwrite(leaf, P_HIKEY, (Item) cut, IndexTupleSize(cut)))
		elog(ERROR, "no room for the high key of index %s", RelationGetRelationName(fill->index));
	return cut;
}

/*
 * With assertions: each entry of a leaf is greater than the one before, the last of the leaf before included.  Whoever gave rows in another
 * order would find some of them no more.
 */
static void
check_order(SlmIndexFill *fill, Page leaf)
{
#ifdef USE_ASSERT_CHECKING
	for (OffsetNumber i = P_FIRSTKEY; i <= PageGetMaxOffsetNumber(leaf); i++)
	{
		IndexTuple	entry = (IndexTuple) PageGetItem(leaf, PageGetItemId(leaf, i));

		if (fill->before != NULL)
		{
			BTScanInsert key = _bt_mkscankey(fill->index, fill->before);

			key->scantid = NULL;
			Assert(_bt_compare(fill->index, key, leaf, i) < 0);
			pfree(key);
			pfree(fill->before);
		}
		fill->before = CopyIndexTuple(entry);
	}
#endif
}

void
slm_index_fill_leaves(SlmIndexFill *fill, PGAlignedBlock *leaves, int n)
{
	BlockNumber first = slm_page_writer_next(fill->writer);

	for (int i = 0; i < n; i++)
	{
		Assert(P_ISLEAF((BTPageOpaque) PageGetSpecialPointer(leaves[i].data)));
		Assert(((BTPageOpaque) PageGetSpecialPointer(leaves[i].data))->btpo_next == first + i + 1);
		check_order(fill, leaves[i].data);
		add_page(fill, cut_high_key(fill, leaves[i].data), first + i + 1);
	}
	slm_page_writer_put(fill->writer, leaves, n);
}

/* A level of one page is the root. */
static void
end_level(SlmIndexFill *fill, PGAlignedBlock *last)
{
	/* nothing is behind it */
	Assert(((BTPageOpaque) PageGetSpecialPointer(last->data))->btpo_next == P_NONE);
	slm_index_page_end(last->data);
	if (fill->npages == 1)
		((BTPageOpaque) PageGetSpecialPointer(last->data))->btpo_flags |= BTP_ROOT;
	slm_page_writer_put(fill->writer, last, 1);
}

/* The level above the one at hand. */
static void
add_level(SlmIndexFill *fill, uint32 level)
{
	IndexTuple *entries = fill->low;
	uint32		n = fill->npages;
	Size		spare = BLCKSZ * (100 - BTREE_NONLEAF_FILLFACTOR) / 100;
	PGAlignedBlock *pages = palloc(2 * sizeof(PGAlignedBlock)); /* the one at hand, and the next */

	Assert(n > 1);

	begin_level(fill);
	slm_index_page_begin(pages[0].data, slm_page_writer_next(fill->writer), level, true);
	for (uint32 i = 0; i < n; i++)
	{
		if (slm_index_page_is_full(pages[0].data, IndexTupleSize(entries[i]), spare))
		{
			BlockNumber block = slm_page_writer_next(fill->writer);
			IndexTuple	high = slm_index_page_turn(pages[0].data, pages[1].data, block);

			add_page(fill, CopyIndexTuple(high), block + 1);
			slm_page_writer_put(fill->writer, pages, 1);
			pages[0] = pages[1];
		}
		slm_index_page_put(pages[0].data, entries[i]);
	}
	end_level(fill, pages);
	pfree(pages);
}

void
slm_index_fill_end(SlmIndexFill *fill, PGAlignedBlock *last)
{
	PGAlignedBlock meta;
	BlockNumber root;
	uint32		level = 0;

	check_order(fill, last->data);
	end_level(fill, last);
	while (fill->npages > 1)
		add_level(fill, ++level);
	root = slm_page_writer_next(fill->writer) - 1;
	slm_page_writer_end(fill->writer);
	_bt_initmetapage(meta.data, root, level, fill->order->allequalimage);
	slm_page_replace(fill->index, BTREE_METAPAGE, &meta);
}

void
slm_index_fill_abandon(SlmIndexFill *fill)
{
	slm_page_writer_abandon(fill->writer);
}
