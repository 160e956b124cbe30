/*
 * page_fill.c: pages for a relation that is new, one after the other.
 *
 * Outside of the shared buffers, which would write them a second time: as the server builds a B-tree (nbtsort.c of 15), logged whole, then appended,
 * but many at a time, and by a thread (page_file.c).
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xloginsert.h"
#include "bulkwrite/page_file.h"
#include "bulkwrite/page_fill.h"
#include "bulkwrite/wal.h"
#include "compat.h"
#include "miscadmin.h"
#include "server/alive.h"
#include "server/crash_point.h"
#include "storage/bufmgr.h"
#include "storage/smgr.h"
#include "utils/rel.h"

/* Pages that are logged together. */
#define PAGES_TOGETHER	32

struct SlmPageWriter
{
	Relation	rel;
	SlmPageFile *file;
	BlockNumber next;
	XLogRecPtr	redo;			/* from where a crash would have been recovered from when we began */
	PGAlignedBlock last;		/* the page before next, if any was put */
	bool		any;
};

SlmPageWriter *
slm_page_writer_begin(Relation rel)
{
	SlmPageWriter *writer = palloc0(sizeof(SlmPageWriter));

	Assert(rel->rd_createSubid == GetCurrentSubTransactionId());
	SLM_CRASH_POINT("fill.begun");
	writer->rel = rel;
	writer->next = RelationGetNumberOfBlocks(rel);
	writer->redo = GetRedoRecPtr();
	writer->file = slm_page_file_open(rel);
	return writer;
}

BlockNumber
slm_page_writer_next(const SlmPageWriter *writer)
{
	return writer->next;
}

/* The next n pages, of which the first is page number block, which sets their LSN. */
static void
log_pages(SlmPageWriter *writer, BlockNumber block, PGAlignedBlock *pages, int n)
{
	BlockNumber blocks[PAGES_TOGETHER];
	char	   *datas[PAGES_TOGETHER];

	Assert(n <= PAGES_TOGETHER);
	for (int i = 0; i < n; i++)
	{
		blocks[i] = block + i;
		datas[i] = pages[i].data;
	}
	log_newpages(slm_relation_file(writer->rel), MAIN_FORKNUM, n, blocks, datas, true);
	slm_wal_write_ahead();
}

/*
 * Who replays the WAL from behind where we have logged the pages must find them on disk.  Writing the last one again, now with skipFsync
 * false, has the next checkpoint sync the file.  If one has begun since we did, it may have been through with syncing before that, so we do;
 * also if there are more files, of which this concerns the last alone.  Looked for in this order no checkpoint is missed.
 */
static void
finish(SlmPageWriter *writer)
{
	SMgrRelation file = RelationGetSmgr(writer->rel);

	/* without WAL the commit syncs what is new */
	if (!writer->any || !RelationNeedsWAL(writer->rel))
		return;
	PageSetChecksumInplace(writer->last.data, writer->next - 1);
	smgrwrite(file, MAIN_FORKNUM, writer->next - 1, writer->last.data, false);
	if (GetRedoRecPtr() != writer->redo || writer->next > RELSEG_SIZE)
	{
		smgrimmedsync(file, MAIN_FORKNUM);
		elog(DEBUG1, "flushed relation because a checkpoint occurred concurrently");	/* as the bulk writer says it */
	}
}

void
slm_page_writer_put(SlmPageWriter *writer, PGAlignedBlock *pages, int n)
{
	for (int i = 0; i < n; i++)
		Assert(!PageIsNew((Page) pages[i].data) && PageGetPageSize((Page) pages[i].data) == BLCKSZ);
	for (int i = 0; i < n && RelationNeedsWAL(writer->rel); i += PAGES_TOGETHER)
	{
		log_pages(writer, writer->next + i, &pages[i], Min(n - i, PAGES_TOGETHER));
		slm_alive();
		CHECK_FOR_INTERRUPTS();
	}
	if (n > 0)
		writer->last = pages[n - 1];
	writer->any |= n > 0;
	slm_page_file_append(writer->file, writer->next, pages, n);
	writer->next += n;
}

void
slm_page_writer_end(SlmPageWriter *writer)
{
	SLM_CRASH_POINT("fill.written");
	slm_page_file_close(writer->file);
	finish(writer);
	Assert(RelationGetNumberOfBlocks(writer->rel) == writer->next);
	pfree(writer);
}

void
slm_page_writer_abandon(SlmPageWriter *writer)
{
	slm_page_file_abandon(writer->file);
}

void
slm_page_replace(Relation rel, BlockNumber block, const PGAlignedBlock *page)
{
	Buffer		buffer = ReadBufferExtended(rel, MAIN_FORKNUM, block, RBM_ZERO_AND_LOCK, NULL);

	Assert(rel->rd_createSubid == GetCurrentSubTransactionId());
	START_CRIT_SECTION();
	memcpy(BufferGetPage(buffer), page->data, BLCKSZ);
	MarkBufferDirty(buffer);
	if (RelationNeedsWAL(rel))
		log_newpage_buffer(buffer, true);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(buffer);
}
