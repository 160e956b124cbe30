/*
 * page_fill.h: pages for a relation that is new, one after the other.
 */
#ifndef SLM_BULKWRITE_PAGE_FILL_H
#define SLM_BULKWRITE_PAGE_FILL_H

#include "postgres.h"
#include "bulkwrite/page_file.h"
#include "storage/bufpage.h"
#include "utils/relcache.h"

typedef struct SlmPageWriter SlmPageWriter;

/*
 * Begin to put pages behind the last one of a relation that this subtransaction has made, so that nobody else sees it and an error takes it
 * away.  In the current memory context, which is to outlive the writer.
 */
extern SlmPageWriter *slm_page_writer_begin(Relation rel);

/*
 * The next n pages, as the server lays pages out (PageInit(), pd_lower and pd_upper true).  They are written and, if the relation needs WAL,
 * logged whole; their LSN and checksum are set.  If they are SLM_PAGES_FOR_THREAD or more, a thread may be
 * writing them until the next call for this writer: till then they stay as they are.
 */
extern void slm_page_writer_put(SlmPageWriter *writer, PGAlignedBlock *pages, int n);

/* The number of the page that is put next. */
extern BlockNumber slm_page_writer_next(const SlmPageWriter *writer);

/* All is with the server, which cares for it at the commit; frees the writer. */
extern void slm_page_writer_end(SlmPageWriter *writer);

/* After an error, before memory goes: a thread may be writing pages. */
extern void slm_page_writer_abandon(SlmPageWriter *writer);

/* Exchange a page that was there before the writer began. */
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
	Assert(upper <= header->pd_special);
	ItemIdSetNormal(PageGetItemId(page, number), upper, size);
	memcpy((char *) page + upper, item, size);
	header->pd_lower += sizeof(ItemIdData);
	header->pd_upper = (LocationIndex) upper;
	return number;
}

#endif							/* SLM_BULKWRITE_PAGE_FILL_H */
