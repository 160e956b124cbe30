/*
 * index_page.c: pages of a new B-tree, put together in memory, entry after entry in the tree's order.
 */
#include "postgres.h"

#include "bulkwrite/index_page.h"
#include "bulkwrite/page_fill.h"

static BTPageOpaque
opaque_of(Page page)
{
	return (BTPageOpaque) PageGetSpecialPointer(page);
}

void
slm_index_page_begin(Page page, BlockNumber block, uint32 level, bool is_first)
{
	BTPageOpaque opaque;

	Assert(block != BTREE_METAPAGE && BlockNumberIsValid(block));

	_bt_pageinit(page, BLCKSZ);
	opaque = opaque_of(page);
	opaque->btpo_prev = is_first ? P_NONE : block - 1;
	opaque->btpo_next = P_NONE;
	opaque->btpo_level = level;
	opaque->btpo_flags = level > 0 ? 0 : BTP_LEAF;
	opaque->btpo_cycleid = 0;
	((PageHeader) page)->pd_lower += sizeof(ItemIdData);
}

bool
slm_index_page_is_full(Page page, Size size, Size spare)
{
	BTPageOpaque opaque = opaque_of(page);
	Size		room = PageGetFreeSpace(page);
	Size		need = MAXALIGN(size);

	/* a leaf's high key may need room for a row's address, too */
	if (P_ISLEAF(opaque))
		need += MAXALIGN(sizeof(ItemPointerData));
	return room < need || (room < spare && PageGetMaxOffsetNumber(page) > P_FIRSTKEY);
}

/* Above the leaves a page's first entry has no key: all are greater. */
void
slm_index_page_put(Page page, const IndexTupleData *entry)
{
	Size		size = IndexTupleSize(entry);
	IndexTupleData keyless;

	Assert(size <= SLM_INDEX_ENTRY_MAX);

	if (!P_ISLEAF(opaque_of(page)) && PageGetMaxOffsetNumber(page) == P_HIKEY)
	{
		keyless = *entry;
		keyless.t_info = size = sizeof(IndexTupleData);
		BTreeTupleSetNAtts(&keyless, 0, false);
		entry = &keyless;
	}
	(void) slm_page_put(page, entry, size);
}

IndexTuple
slm_index_page_turn(Page page, Page next, BlockNumber block)
{
	ItemId		last = PageGetItemId(page, PageGetMaxOffsetNumber(page));
	ItemId		high = PageGetItemId(page, P_HIKEY);
	IndexTuple	moved = (IndexTuple) PageGetItem(page, last);

	Assert(page != next && opaque_of(page)->btpo_next == P_NONE);
	/* one at least stays */
	Assert(PageGetMaxOffsetNumber(page) > P_FIRSTKEY);

	*high = *last;
	ItemIdSetUnused(last);
	((PageHeader) page)->pd_lower -= sizeof(ItemIdData);
	opaque_of(page)->btpo_next = block + 1;
	slm_index_page_begin(next, block + 1, opaque_of(page)->btpo_level, false);
	slm_index_page_put(next, moved);
	return moved;
}

void
slm_index_page_end(Page page)
{
	OffsetNumber max = PageGetMaxOffsetNumber(page);

	Assert(max > P_HIKEY);

	for (OffsetNumber i = P_HIKEY; i < max; i++)
		*PageGetItemId(page, i) = *PageGetItemId(page, OffsetNumberNext(i));
	((PageHeader) page)->pd_lower -= sizeof(ItemIdData);
}
