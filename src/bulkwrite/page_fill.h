/*
 * page_fill.h: pages for a relation that is new, one after the other.
 */
#ifndef SLM_BULKWRITE_PAGE_FILL_H
#define SLM_BULKWRITE_PAGE_FILL_H

#include "postgres.h"
#include "storage/bufpage.h"
#include "utils/relcache.h"

/*
 * Put n pages behind the last one of a relation that nobody else can see yet, and log them whole.  first: their first one's number,
 * as the caller counts.  The pages go through the shared buffers as all do, so a crash, a checkpoint and a standby see nothing new.
 */
extern void slm_pages_append(Relation rel, BlockNumber first, const PGAlignedBlock *pages, int n);

/* Exchange a page of such a relation. */
extern void slm_page_replace(Relation rel, BlockNumber block, const PGAlignedBlock *page);

/*
 * Put an item behind all others of a page in memory, where it has been seen to have room: PageAddItem() without its search for free
 * line pointers and its checks of what only a page from disk could have wrong.  Returns its number.
 */
static inline OffsetNumber
slm_page_put(Page page, const void *item, Size size)
{
	PageHeader	header = (PageHeader) page;
	OffsetNumber number = OffsetNumberNext(PageGetMaxOffsetNumber(page));
	int			upper = header->pd_upper - (int) MAXALIGN(size);

	Assert(header->pd_lower + (int) sizeof(ItemIdData) <= upper);
	ItemIdSetNormal(PageGetItemId(page, number), upper, size);
	memcpy((char *) page + upper, item, size);
	header->pd_lower += sizeof(ItemIdData);
	header->pd_upper = (LocationIndex) upper;
	return number;
}

#endif							/* SLM_BULKWRITE_PAGE_FILL_H */
