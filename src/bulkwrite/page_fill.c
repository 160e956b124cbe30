/*
 * page_fill.c: pages for a relation that is new, one after the other.
 */
#include "postgres.h"

#include <fcntl.h>

#include "access/rmgr.h"
#include "access/xlog.h"
#include "access/xloginsert.h"
#include "access/xlogrecord.h"
#include "bulkwrite/page_fill.h"
#include "bulkwrite/wal.h"
#include "catalog/pg_control.h"
#include "common/relpath.h"
#include "compat.h"
#include "miscadmin.h"
#include "server/alive.h"
#include "storage/bufmgr.h"
#include "storage/fd.h"
#include "utils/rel.h"

/* Pages of one record of the WAL, and so buffers that are pinned at a time. */
#define MAX_TOGETHER	XLR_MAX_BLOCK_ID

/* The buffers are locked; afterwards they are given back. */
static void
put_pages(Relation rel, const Buffer *buffers, const PGAlignedBlock *pages, int n)
{
	bool		log = RelationNeedsWAL(rel);

	if (log)
		XLogEnsureRecordSpace(n - 1, 0);
	START_CRIT_SECTION();
	for (int i = 0; i < n; i++)
	{
		memcpy(BufferGetPage(buffers[i]), pages[i].data, BLCKSZ);
		MarkBufferDirty(buffers[i]);
	}
	if (log)
	{
		XLogRecPtr	lsn;

		XLogBeginInsert();
		for (int i = 0; i < n; i++)
			XLogRegisterBuffer(i, buffers[i], REGBUF_FORCE_IMAGE | REGBUF_STANDARD);
		lsn = XLogInsert(RM_XLOG_ID, XLOG_FPI);
		for (int i = 0; i < n; i++)
			PageSetLSN(BufferGetPage(buffers[i]), lsn);
	}
	END_CRIT_SECTION();
	for (int i = 0; i < n; i++)
		UnlockReleaseBuffer(buffers[i]);
}

#ifdef slm_extend_buffered

/* New pages behind the last one, in buffers that are locked.  Returns how many, at most n. */
static int
extend(Relation rel, BlockNumber first, int n, Buffer *buffers)
{
	uint32		extended;

	if (slm_extend_buffered(rel, n, buffers, &extended) != first)
		elog(ERROR, "pages of %s do not begin with %u", RelationGetRelationName(rel), first);
	for (uint32 i = 0; i < extended; i++)
		LockBuffer(buffers[i], BUFFER_LOCK_EXCLUSIVE);
	return extended;
}

#else

/*
 * Have the file system give room for pages behind the last one, as later versions do: else zeroes would be written for each page,
 * and over them, later, the page.  Returns false if that can't be had, for which P_NEW knows the words.
 */
static bool
allocate(Relation rel, BlockNumber first, int n)
{
	bool		ok = false;
#ifdef HAVE_POSIX_FALLOCATE
	char	   *path;
	int			fd;
	int			status;

	if (first + n > RELSEG_SIZE)
		return false;
	path = relpathbackend(rel->rd_node, rel->rd_backend, MAIN_FORKNUM);
	fd = OpenTransientFile(path, O_RDWR | PG_BINARY);
	if (fd < 0)
		return false;
	do
		status = posix_fallocate(fd, (off_t) first * BLCKSZ, (off_t) n * BLCKSZ);
	while (status == EINTR);
	ok = status == 0;
	CloseTransientFile(fd);
	pfree(path);
#endif
	return ok;
}

static int
extend(Relation rel, BlockNumber first, int n, Buffer *buffers)
{
	bool		allocated = n > 1 && allocate(rel, first, n);

	for (int i = 0; i < n; i++)
	{
		buffers[i] = ReadBufferExtended(rel, MAIN_FORKNUM, allocated ? first + i : P_NEW, RBM_ZERO_AND_LOCK, NULL);
		if (BufferGetBlockNumber(buffers[i]) != first + i)
			elog(ERROR, "page %u of %s is page %u", first + i, RelationGetRelationName(rel), BufferGetBlockNumber(buffers[i]));
	}
	return n;
}

#endif

void
slm_pages_append(Relation rel, BlockNumber first, const PGAlignedBlock *pages, int n)
{
	/* others need buffers, too */
	int			most = Max(1, Min(MAX_TOGETHER, NBuffers / 64));
	Buffer		buffers[MAX_TOGETHER];

	for (int done = 0, m; done < n; done += m)
	{
		m = extend(rel, first + done, Min(most, n - done), buffers);
		put_pages(rel, buffers, &pages[done], m);
		slm_wal_write_ahead();
		slm_alive();
		CHECK_FOR_INTERRUPTS();
	}
}

void
slm_page_replace(Relation rel, BlockNumber block, const PGAlignedBlock *page)
{
	Buffer		buffer = ReadBufferExtended(rel, MAIN_FORKNUM, block, RBM_ZERO_AND_LOCK, NULL);

	put_pages(rel, &buffer, page, 1);
}
