/*
 * index_fill.c: entries for a B-tree that is new and empty, in its order.
 *
 * As PostgreSQL builds an index (_bt_load() and _bt_buildadd() of nbtsort.c, from which the rules of when a page is full, what
 * its high key is, and which entries have no key are taken), but without reading and sorting the table first.  One level is
 * written after the other, so that the pages of the file come in order:
 *
 *    0      1 ...           n     n + 1 ...                m
 *    meta   leaves                their parents            root
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "ingest/index_fill.h"
#include "ingest/page_fill.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"

struct SlmIndexFill
{
	Relation	index;
	MemoryContext context;
	BTScanInsert order;			/* for _bt_truncate() */
	bool	   *isnull;			/* by key; none is */
	MemoryContext entry;		/* of one leaf entry */

	/* the page at hand; nothing is open before its level's first entry */
	PGAlignedBlock image;
	OffsetNumber last;			/* its last entry; P_HIKEY: none */
	BlockNumber block;
	uint32		level;
	bool		is_first;		/* of its level */

	/* the lowest key of each page of the level, which points to it: the entries of the level above */
	IndexTuple *low;
	uint32		npages;
	uint32		max;
};

/* A tuple without any key: lower than all others. */
static IndexTuple
lowest_key(void)
{
	IndexTuple	lowest = palloc0(sizeof(IndexTupleData));

	lowest->t_info = sizeof(IndexTupleData);
	BTreeTupleSetNAtts(lowest, 0, false);
	return lowest;
}

static void
begin_page(SlmIndexFill *fill, IndexTuple low)
{
	Page		page = fill->image.data;
	BTPageOpaque opaque;

	_bt_pageinit(page, BLCKSZ);
	opaque = (BTPageOpaque) PageGetSpecialPointer(page);
	opaque->btpo_prev = fill->is_first ? P_NONE : fill->block - 1;
	opaque->btpo_next = P_NONE;
	opaque->btpo_level = fill->level;
	opaque->btpo_flags = fill->level > 0 ? 0 : BTP_LEAF;
	opaque->btpo_cycleid = 0;
	/* the high key's place, which is known last */
	((PageHeader) page)->pd_lower += sizeof(ItemIdData);
	fill->last = P_HIKEY;

	if (fill->npages == fill->max)
	{
		fill->max = Max(2 * fill->max, 256);
		fill->low = fill->low ? repalloc_huge(fill->low, sizeof(IndexTuple) * fill->max)
			: palloc(sizeof(IndexTuple) * fill->max);
	}
	BTreeTupleSetDownLink(low, fill->block);
	fill->low[fill->npages++] = low;
}

static void
begin_level(SlmIndexFill *fill, uint32 level)
{
	fill->level = level;
	fill->is_first = true;
	fill->low = NULL;
	fill->npages = fill->max = 0;
	begin_page(fill, lowest_key());
}

static void
write_page(SlmIndexFill *fill)
{
	slm_page_append(fill->index, fill->block++, fill->image.data);
	fill->is_first = false;
}

/* Of a page above the leaves the first entry has no key: all are greater. */
static void
put_entry(SlmIndexFill *fill, IndexTuple entry)
{
	Size		size = IndexTupleSize(entry);
	IndexTupleData keyless;

	if (fill->level > 0 && fill->last == P_HIKEY)
	{
		keyless = *entry;
		keyless.t_info = size = sizeof(IndexTupleData);
		BTreeTupleSetNAtts(&keyless, 0, false);
		entry = &keyless;
	}
	fill->last = slm_page_put(fill->image.data, entry, size);
}

/*
 * The page is full: its last entry goes to the next one, whose lowest key is this page's high key.  Of a leaf's entry only as much
 * is kept there as tells it from the one before.
 */
static void
turn_page(SlmIndexFill *fill)
{
	Page		page = fill->image.data;
	ItemId		last = PageGetItemId(page, fill->last);
	ItemId		high = PageGetItemId(page, P_HIKEY);
	IndexTuple	moved = CopyIndexTuple((IndexTuple) PageGetItem(page, last));
	IndexTuple	low = moved;
	BTPageOpaque opaque = (BTPageOpaque) PageGetSpecialPointer(page);

	*high = *last;
	ItemIdSetUnused(last);
	((PageHeader) page)->pd_lower -= sizeof(ItemIdData);
	if (fill->level == 0)
	{
		IndexTuple	before = (IndexTuple) PageGetItem(page, PageGetItemId(page, OffsetNumberPrev(fill->last)));

		low = _bt_truncate(fill->index, before, moved, fill->order);
		if (!PageIndexTupleOverwrite(page, P_HIKEY, (Item) low, IndexTupleSize(low)))
			elog(ERROR, "no room for the high key of index %s", RelationGetRelationName(fill->index));
	}
	opaque->btpo_next = fill->block + 1;
	write_page(fill);
	begin_page(fill, low == moved ? CopyIndexTuple(low) : low);
	put_entry(fill, moved);
	pfree(moved);
}

static void
add_entry(SlmIndexFill *fill, IndexTuple entry)
{
	Size		size = MAXALIGN(IndexTupleSize(entry));
	Size		room = PageGetFreeSpace(fill->image.data);
	Size		spare = fill->level > 0 ? BLCKSZ * (100 - BTREE_NONLEAF_FILLFACTOR) / 100 : BTGetTargetPageFreeSpace(fill->index);

	if (size > BLCKSZ / 3 - MAXALIGN(SizeOfPageHeaderData + sizeof(BTPageOpaqueData)))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("an entry of %zu bytes is too large for index \"%s\"", size, RelationGetRelationName(fill->index))));
	/* a leaf's high key may need room for a row's address, too */
	if (room < size + (fill->level > 0 ? 0 : MAXALIGN(sizeof(ItemPointerData))) || (room < spare && fill->last > P_FIRSTKEY))
		turn_page(fill);
	put_entry(fill, entry);
}

/* The last page of a level has no high key; a level of one page is the root. */
static void
end_level(SlmIndexFill *fill)
{
	Page		page = fill->image.data;
	OffsetNumber max = PageGetMaxOffsetNumber(page);

	for (OffsetNumber i = P_HIKEY; i < max; i++)
		*PageGetItemId(page, i) = *PageGetItemId(page, OffsetNumberNext(i));
	((PageHeader) page)->pd_lower -= sizeof(ItemIdData);
	if (fill->npages == 1)
		((BTPageOpaque) PageGetSpecialPointer(page))->btpo_flags |= BTP_ROOT;
	write_page(fill);
}

SlmIndexFill *
slm_index_fill_begin(Relation index)
{
	SlmIndexFill *fill = palloc0(sizeof(SlmIndexFill));

	fill->index = index;
	fill->context = CurrentMemoryContext;
	fill->order = _bt_mkscankey(index, NULL);
	fill->order->allequalimage = _bt_allequalimage(index, false);
	fill->isnull = palloc0(sizeof(bool) * IndexRelationGetNumberOfKeyAttributes(index));
	fill->entry = AllocSetContextCreate(CurrentMemoryContext, "sellometer index entry", ALLOCSET_SMALL_SIZES);
	fill->block = BTREE_METAPAGE + 1;
	begin_level(fill, 0);
	return fill;
}

void
slm_index_fill_add(SlmIndexFill *fill, const Datum *keys, const ItemPointerData *row)
{
	MemoryContext old = MemoryContextSwitchTo(fill->entry);
	IndexTuple	entry = index_form_tuple(RelationGetDescr(fill->index), unconstify(Datum *, keys), fill->isnull);

	entry->t_tid = *row;
	MemoryContextSwitchTo(fill->context);
	add_entry(fill, entry);
	MemoryContextReset(fill->entry);
	MemoryContextSwitchTo(old);
}

void
slm_index_fill_end(SlmIndexFill *fill)
{
	PGAlignedBlock meta;

	/* an index without entries has no root */
	if (fill->last == P_HIKEY)
		return;
	end_level(fill);
	while (fill->npages > 1)
	{
		IndexTuple *entries = fill->low;
		uint32		n = fill->npages;

		begin_level(fill, fill->level + 1);
		for (uint32 i = 0; i < n; i++)
			add_entry(fill, entries[i]);
		end_level(fill);
	}
	_bt_initmetapage(meta.data, fill->block - 1, fill->level, fill->order->allequalimage);
	slm_page_replace(fill->index, BTREE_METAPAGE, meta.data);
}
