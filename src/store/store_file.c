/*
 * store_file.c: objects as files below a directory of the server: opening, reading.
 *
 * Writers of such a directory must move finished files into place (or use names that are left out: ".x", "x.tmp",
 * "x.part"), since a file counts from the moment that it is listed.  One that is changed later has a new ETag.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "store/file_internal.h"

#define READ_BYTES	((size_t) 1024 * 1024)

typedef struct FileTransfer
{
	SlmTransfer transfer;
	SlmFileHandle file;
	char	   *key;
	char	   *wanted;			/* the ETag that the file must have, or NULL */
	char		etag[SLM_FILE_ETAG_SIZE];	/* the one it had when it was opened */
	int64		offset;
	int64		size;
	char	   *buffer;
} FileTransfer;

static SlmTransfer *
file_get(SlmStore *base, const char *key, const char *etag, int64 offset)
{
	FileTransfer *t = MemoryContextAllocZero(base->context, sizeof(FileTransfer));

	t->transfer.store = base;
	t->file.fd = -1;
	t->key = MemoryContextAlloc(base->context, strlen(base->key_prefix) + strlen(key) + 1);
	sprintf(t->key, "%s%s", base->key_prefix, key);
	t->wanted = etag ? MemoryContextStrdup(base->context, etag) : NULL;
	t->offset = offset;
	return &t->transfer;
}

static bool
fail_changed(FileTransfer *t, SlmStoreError *error)
{
	SlmFileStore *store = (SlmFileStore *) t->transfer.store;

	slm_store_fail(error, SLM_STORE_CHANGED, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
				   "file \"%s%s\" is not the one that was listed", store->dir, slm_store_display(t->key));
	error->detail = pstrdup("Its inode, size or time of last change differs.");
	error->hint = pstrdup("Write files under a name that begins with \".\" or ends in \".tmp\" or \".part\", and rename"
						  " them when they are complete.");
	return false;
}

/* Open the file at the first read, so that only transfers under way hold a descriptor. */
static bool
open_transfer(FileTransfer *t, SlmStoreError *error)
{
	SlmFileStore *store = (SlmFileStore *) t->transfer.store;
	const char *name;
	struct stat st;
	int			parent = slm_file_open_parent(store, t->key, false, &name, error);
	int			fd;

	if (parent < 0)
		return false;
	/* O_NONBLOCK: a pipe that took the file's place must not make us wait for its writer. */
	fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
	{
		slm_store_fail_errno(error, errno, "could not open file \"%s%s\"", store->dir, slm_store_display(t->key));
		if (fd >= 0)
			close(fd);
		slm_file_close_fd(parent);
		return false;
	}
	close(parent);
	/* The parent's place in the count of descriptors goes to the file. */
	slm_file_hold(store, &t->file, fd);
	if (!S_ISREG(st.st_mode))
		return slm_store_fail(error, SLM_STORE_FATAL, ERRCODE_WRONG_OBJECT_TYPE,
							  "\"%s%s\" is not a regular file", store->dir, slm_store_display(t->key));
	slm_file_etag(&st, t->etag);
	if (t->wanted != NULL && strcmp(t->wanted, t->etag) != 0)
		return fail_changed(t, error);
	t->size = st.st_size;
	if (t->offset > t->size)
		return slm_store_fail(error, SLM_STORE_FATAL, ERRCODE_INVALID_PARAMETER_VALUE,
							  "file \"%s%s\" is shorter than the offset " INT64_FORMAT,
							  store->dir, slm_store_display(t->key), t->offset);
#ifdef POSIX_FADV_SEQUENTIAL
	(void) posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
#endif
	t->buffer = MemoryContextAlloc(store->store.context, Max(1, Min(READ_BYTES, (size_t) (t->size - t->offset))));
	return true;
}

static SlmTransferStatus
file_read(SlmTransfer *transfer, long wait_ms, const char **data, size_t *len, SlmStoreError *error)
{
	FileTransfer *t = (FileTransfer *) transfer;
	SlmFileStore *store = (SlmFileStore *) transfer->store;
	size_t		wanted;
	ssize_t		got;
	struct stat st;
	char		etag[SLM_FILE_ETAG_SIZE];

	CHECK_FOR_INTERRUPTS();
	if (t->file.fd < 0 && !open_transfer(t, error))
		return SLM_TRANSFER_ERROR;
	wanted = Min(READ_BYTES, (size_t) (t->size - t->offset));
	got = wanted == 0 ? 0 : pread(t->file.fd, t->buffer, wanted, t->offset);
	if (got < 0)
	{
		slm_store_fail_errno(error, errno, "could not read file \"%s%s\"", store->dir, slm_store_display(t->key));
		return SLM_TRANSFER_ERROR;
	}
	if (got > 0)
	{
		*data = t->buffer;
		*len = got;
		t->offset += got;
		return SLM_TRANSFER_DATA;
	}
	/* At the end: was it the same file all the time? */
	if (fstat(t->file.fd, &st) < 0)
	{
		slm_store_fail_errno(error, errno, "could not stat file \"%s%s\"", store->dir, slm_store_display(t->key));
		return SLM_TRANSFER_ERROR;
	}
	slm_file_etag(&st, etag);
	if (wanted > 0 || strcmp(etag, t->etag) != 0)
	{
		fail_changed(t, error);
		return SLM_TRANSFER_ERROR;
	}
	return SLM_TRANSFER_END;
}

static void
file_close_transfer(SlmTransfer *transfer)
{
	FileTransfer *t = (FileTransfer *) transfer;

	slm_file_drop(&t->file);
	if (t->buffer)
		pfree(t->buffer);
	if (t->wanted)
		pfree(t->wanted);
	pfree(t->key);
	pfree(t);
}

/* A read of a file waits for the disk alone, and nobody can tell for how long. */
static bool
file_ready(SlmTransfer *transfer, long wait_ms)
{
	return true;
}

static void
file_move_on(SlmStore *base)
{
}

static void
file_close(SlmStore *base)
{
	SlmFileStore *store = (SlmFileStore *) base;
	dlist_mutable_iter iter;

	slm_file_close_listings(store);
	slm_file_close_puts(store);
	dlist_foreach_modify(iter, &store->open_files)
		slm_file_drop(dlist_container(SlmFileHandle, node, iter.cur));
}

static const SlmStoreOps file_ops = {
	.list_begin = slm_file_list_begin,
	.list_next = slm_file_list_next,
	.list_end = slm_file_list_end,
	.get = file_get,
	.read = file_read,
	.ready = file_ready,
	.close_transfer = file_close_transfer,
	.put = slm_file_put,
	.delete = slm_file_delete,
	.put_begin = slm_file_put_begin,
	.put_write = slm_file_put_write,
	.put_finish = slm_file_put_finish,
	.put_abort = slm_file_put_abort,
	.abort_uploads = slm_file_abort_uploads,
	.move_on = file_move_on,
	.close = file_close,
};

SlmStore *
slm_file_open(const SlmUrl *url, const char *server, Oid userid)
{
	SlmFileStore *store = palloc0(sizeof(SlmFileStore));

	store->store.ops = &file_ops;
	store->dir = pnstrdup(url->dir.data, url->dir.len);
	dlist_init(&store->open_files);
	dlist_init(&store->listings);
	dlist_init(&store->puts);
	return &store->store;
}
