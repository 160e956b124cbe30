/*
 * index_page.h: pages of a new B-tree, put together in memory, entry after entry in the tree's order.
 *
 * Nothing here calls the backend but what is pure (page initialisation), so threads may.  The rules of when a page is full and
 * what its high key is are those of _bt_buildadd() of nbtsort.c.
 */
#ifndef SLM_BULKWRITE_INDEX_PAGE_H
#define SLM_BULKWRITE_INDEX_PAGE_H

#include "postgres.h"
#include "access/itup.h"
#include "access/nbtree.h"
#include "storage/bufpage.h"

/* What an entry can have at most. */
#define SLM_INDEX_ENTRY_MAX		(BLCKSZ / 3 - MAXALIGN(SizeOfPageHeaderData + sizeof(BTPageOpaqueData)))

/* Begin a page: its number, and whether it is the first one of its level.  Its high key's place stays free. */
extern void slm_index_page_begin(Page page, BlockNumber block, uint32 level, bool is_first);

/* Is there no room for an entry of so many bytes?  spare: what the fill factor leaves free. */
extern bool slm_index_page_is_full(Page page, Size size, Size spare);

/* The next entry, for which there is room. */
extern void slm_index_page_put(Page page, const IndexTupleData *entry);

/*
 * The page is full: its last entry goes to the one behind it, whose lowest key, in full, becomes this page's high key.  Returns the
 * high key, in the page.
 */
extern IndexTuple slm_index_page_turn(Page page, Page next, BlockNumber block);

/* The last page of its level: it has no high key. */
extern void slm_index_page_end(Page page);

#endif							/* SLM_BULKWRITE_INDEX_PAGE_H */
