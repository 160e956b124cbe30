/*
 * page_fill.h: pages for a relation that is new, one after the other.
 */
#ifndef SLM_INGEST_PAGE_FILL_H
#define SLM_INGEST_PAGE_FILL_H

#include "postgres.h"
#include "storage/bufpage.h"
#include "utils/relcache.h"

/*
 * Put a page behind the last one of a relation that nobody else can see yet, and log it whole.  block: its number, as the caller
 * counts.  The page goes through the shared buffers as all do, so a crash, a checkpoint and a standby see nothing new.
 */
extern void slm_page_append(Relation rel, BlockNumber block, Page image);

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

/* Exchange a page of such a relation. */
extern void slm_page_replace(Relation rel, BlockNumber block, Page image);

#endif							/* SLM_INGEST_PAGE_FILL_H */
