/*
 * page_fill.c: pages for a relation that is new, one after the other.
 *
 * From 17 on by the server's own bulk writer.  Before, through the shared buffers: pages are extended, copied into and marked dirty, and
 * then logged, some at a time.  Until they are logged only this transaction would miss them, and it goes with its relation.
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
#include "storage/bufmgr.h"
#include "utils/rel.h"

/* Pages that are written and logged together, which before 17 are as many pinned buffers. */
#define PAGES_TOGETHER	32

struct SlmPageWriter
{
	Relation	rel;
	BlockNumber next;
#ifdef SLM_HAVE_BULK_WRITE
	BulkWriteState *bulk;
#endif
};

SlmPageWriter *
slm_page_writer_begin(Relation rel)
{
	SlmPageWriter *writer = palloc0(sizeof(SlmPageWriter));

	Assert(rel->rd_createSubid == GetCurrentSubTransactionId());
	writer->rel = rel;
	writer->next = RelationGetNumberOfBlocks(rel);
#ifdef SLM_HAVE_BULK_WRITE
	writer->bulk = smgr_bulk_start_rel(rel, MAIN_FORKNUM);
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
put_some(SlmPageWriter *writer, const PGAlignedBlock *pages, int n)
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
put_some(SlmPageWriter *writer, const PGAlignedBlock *pages, int n)
{
	/* others need buffers, too */
	int			m = Min(n, Max(1, Min(PAGES_TOGETHER, NBuffers / 64)));
	Buffer		buffers[PAGES_TOGETHER];

	m = slm_extend(writer->rel, m, buffers);
	for (int i = 0; i < m; i++)
	{
		if (BufferGetBlockNumber(buffers[i]) != writer->next + i)
			elog(ERROR, "page %u of %s is page %u", writer->next + i, RelationGetRelationName(writer->rel),
				 BufferGetBlockNumber(buffers[i]));
		memcpy(BufferGetPage(buffers[i]), pages[i].data, BLCKSZ);
		MarkBufferDirty(buffers[i]);
		UnlockReleaseBuffer(buffers[i]);
	}
	if (RelationNeedsWAL(writer->rel))
		log_newpage_range(writer->rel, MAIN_FORKNUM, writer->next, writer->next + m, true);
	return m;
}

static void
finish(SlmPageWriter *writer)
{
}

#endif

void
slm_page_writer_put(SlmPageWriter *writer, const PGAlignedBlock *pages, int n)
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
