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

/* Exchange a page of such a relation. */
extern void slm_page_replace(Relation rel, BlockNumber block, Page image);

#endif							/* SLM_INGEST_PAGE_FILL_H */
