/*
 * page_file.c: see page_file.h.
 *
 *   the process   logs pages 1 | logs pages 2  | logs pages 3  | ...
 *   a thread                   | writes pages 1| writes pages 2| ...
 *
 * smgrextend() writes page by page, each of which the file system takes as a write of its own, and is nothing for a thread.  So pages go
 * to the file itself, many at a time; the storage manager then finds it as long as if it had written them.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/xact.h"
#include "bulkwrite/page_file.h"
#include "compat.h"
#include "server/background.h"
#include "storage/bufpage.h"
#include "storage/fd.h"
#include "storage/smgr.h"
#include "utils/rel.h"

struct SlmPageFile
{
	Relation	rel;
	char	   *path;
	int			fd;
	SlmThread	thread;

	/* what the thread has to do, and how it went */
	BlockNumber block;
	PGAlignedBlock *pages;
	int			n;
	int			error;			/* errno; 0: all is written */
};

SlmPageFile *
slm_page_file_open(Relation rel)
{
	SlmPageFile *file = palloc0(sizeof(SlmPageFile));

	Assert(rel->rd_createSubid == GetCurrentSubTransactionId());
	file->rel = rel;
	file->path = slm_relation_path(rel);
	file->fd = OpenTransientFile(file->path, O_RDWR | PG_BINARY);
	if (file->fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", file->path)));
	return file;
}

/* For a thread: of the server only what touches its arguments alone, and a setting that does not change, is used. */
static void
write_pages(void *arg)
{
	SlmPageFile *file = arg;
	const char *next = file->pages[0].data;
	Size		left = (Size) file->n * BLCKSZ;
	off_t		at = (off_t) file->block * BLCKSZ;

	for (int i = 0; i < file->n; i++)
		PageSetChecksumInplace(file->pages[i].data, file->block + i);
	while (left > 0)
	{
		ssize_t		written = pwrite(file->fd, next, left, at);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
		{
			/* a full disk may take some of it first */
			file->error = written < 0 ? errno : ENOSPC;
			return;
		}
		next += written;
		at += written;
		left -= written;
	}
}

static void
join(SlmPageFile *file)
{
	slm_thread_join(&file->thread);
	if (file->error == 0)
		return;
	errno = file->error;
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not extend file \"%s\": %m", file->path),
			 file->error == ENOSPC ? errhint("Check free disk space.") : 0));
}

/* Into a further file of the relation: as the storage manager has it. */
static void
extend(SlmPageFile *file, BlockNumber block, PGAlignedBlock *pages, int n)
{
	for (int i = 0; i < n; i++)
	{
		PageSetChecksumInplace(pages[i].data, block + i);
		smgrextend(RelationGetSmgr(file->rel), MAIN_FORKNUM, block + i, pages[i].data, true);
	}
}

void
slm_page_file_append(SlmPageFile *file, BlockNumber block, PGAlignedBlock *pages, int n)
{
	Assert(n >= 0);
	join(file);
	if (n == 0)
		return;
	if ((uint64) block + n > RELSEG_SIZE)
	{
		extend(file, block, pages, n);
		return;
	}
	file->block = block;
	file->pages = pages;
	file->n = n;
	if (n < SLM_PAGES_FOR_THREAD)
		write_pages(file);
	else
		slm_background_start(&file->thread, write_pages, file, (uint64) n * BLCKSZ);
}

void
slm_page_file_close(SlmPageFile *file)
{
	join(file);
	if (CloseTransientFile(file->fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not close file \"%s\": %m", file->path)));
	pfree(file->path);
	pfree(file);
}

void
slm_page_file_abandon(SlmPageFile *file)
{
	slm_thread_join(&file->thread);
}
