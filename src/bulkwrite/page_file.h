/*
 * page_file.h: the pages of a new relation, written to its file by a thread.
 */
#ifndef SLM_BULKWRITE_PAGE_FILE_H
#define SLM_BULKWRITE_PAGE_FILE_H

#include "postgres.h"
#include "storage/block.h"
#include "utils/relcache.h"

typedef struct SlmPageFile SlmPageFile;

/* Of a relation that this subtransaction has made.  In the current memory context, which is to outlive it. */
extern SlmPageFile *slm_page_file_open(Relation rel);

/*
 * Append n pages, of which the first is page number block, with their checksums.  Few are written at once.  SLM_PAGES_FOR_THREAD and more are written,
 * and their checksums set, until the next call of a function of this header: till then they stay as they are.
 */
#define SLM_PAGES_FOR_THREAD	16
extern void slm_page_file_append(SlmPageFile *file, BlockNumber block, PGAlignedBlock *pages, int n);

/* All has been handed to the system; frees. */
extern void slm_page_file_close(SlmPageFile *file);

/* After an error, where the file goes with its transaction: pages are not read any more. */
extern void slm_page_file_abandon(SlmPageFile *file);

#endif							/* SLM_BULKWRITE_PAGE_FILE_H */
