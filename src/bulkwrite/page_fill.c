/*
 * page_fill.c: pages for a relation that is new, one after the other.
 *
 * Outside of the shared buffers, which would write them a second time: from 17 on by the server's own bulk writer, before as its build of a
 * B-tree does (nbtsort.c), some at a time: logged whole, then appended by smgrextend().
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xloginsert.h"
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
	BlockNumber next;
#ifdef SLM_HAVE_BULK_WRITE
	BulkWriteState *bulk;
#else
	XLogRecPtr	redo;			/* from where a crash would have been recovered from when we began */
	PGAlignedBlock last;		/* the page before next, if any was put */
	bool		any;
#endif
};

SlmPageWriter *
slm_page_writer_begin(Relation rel)
{
	SlmPageWriter *writer = palloc0(sizeof(SlmPageWriter));

	Assert(rel->rd_createSubid == GetCurrentSubTransactionId());
	SLM_CRASH_POINT("fill.begun");
	writer->rel = rel;
	writer->next = RelationGetNumberOfBlocks(rel);
#ifdef SLM_HAVE_BULK_WRITE
	writer->bulk = smgr_bulk_start_rel(rel, MAIN_FORKNUM);
#else
	writer->redo = GetRedoRecPtr();
#endif
	return writer;
}

BlockNumber
slm_page_writer_next(const SlmPageWriter *writer)
{
	return writer->next;
}

#ifdef SLM_HAVE_BULK_WRITE

/* At most n pages; returns how many. */
static int
put_some(SlmPageWriter *writer, PGAlignedBlock *pages, int n)
{
	int			m = Min(n, PAGES_TOGETHER);

	for (int i = 0; i < m; i++)
	{
		BulkWriteBuffer buffer = smgr_bulk_get_buf(writer->bulk);

		memcpy(buffer->data, pages[i].data, BLCKSZ);
		smgr_bulk_write(writer->bulk, writer->next + i, buffer, true);
	}
	return m;
}

static void
finish(SlmPageWriter *writer)
{
	smgr_bulk_finish(writer->bulk);
}

#else

static int
put_some(SlmPageWriter *writer, PGAlignedBlock *pages, int n)
{
	int			m = Min(n, PAGES_TOGETHER);
	BlockNumber blocks[PAGES_TOGETHER];
	char	   *datas[PAGES_TOGETHER];

	for (int i = 0; i < m; i++)
	{
		blocks[i] = writer->next + i;
		datas[i] = pages[i].data;
	}
	if (RelationNeedsWAL(writer->rel))
		log_newpages(slm_relation_file(writer->rel), MAIN_FORKNUM, m, blocks, datas, true);
	for (int i = 0; i < m; i++)
	{
		PageSetChecksumInplace(datas[i], blocks[i]);
		smgrextend(RelationGetSmgr(writer->rel), MAIN_FORKNUM, blocks[i], datas[i], true);
	}
	writer->last = pages[m - 1];
	writer->any = true;
	return m;
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
	smgrwrite(file, MAIN_FORKNUM, writer->next - 1, writer->last.data, false);
	if (GetRedoRecPtr() != writer->redo || writer->next > RELSEG_SIZE)
	{
		smgrimmedsync(file, MAIN_FORKNUM);
		elog(DEBUG1, "flushed relation because a checkpoint occurred concurrently");	/* as the bulk writer says it */
	}
}

#endif

void
slm_page_writer_put(SlmPageWriter *writer, PGAlignedBlock *pages, int n)
{
	for (int i = 0; i < n; i++)
		Assert(!PageIsNew((Page) pages[i].data) && PageGetPageSize((Page) pages[i].data) == BLCKSZ);
	for (int done = 0, m; done < n; done += m)
	{
		m = put_some(writer, &pages[done], n - done);
		writer->next += m;
		slm_wal_write_ahead();
		slm_alive();
		CHECK_FOR_INTERRUPTS();
	}
}

void
slm_page_writer_end(SlmPageWriter *writer)
{
	SLM_CRASH_POINT("fill.written");
	finish(writer);
	Assert(RelationGetNumberOfBlocks(writer->rel) == writer->next);
	pfree(writer);
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
