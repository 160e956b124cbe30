/*
 * file_put.c: writing and deleting files.  A file is written under a temporary name in its directory, made durable,
 * and then renamed: a reader sees all of it or nothing, and so does a crash.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "store/file_internal.h"

#define WRITE_BYTES	((size_t) 1024 * 1024)

typedef struct FilePut
{
	SlmPut		put;
	dlist_node	node;			/* in the store's list, so that closing the store removes the temporary file */
	SlmFileHandle dir;
	SlmFileHandle file;
	char	   *path;			/* below the store's directory */
	const char *name;			/* its last segment */
	char		temp_name[64];
} FilePut;

SlmPut *
slm_file_put_begin(SlmStore *base, const char *key)
{
	SlmFileStore *store = (SlmFileStore *) base;
	FilePut    *put = MemoryContextAllocZero(base->context, sizeof(FilePut));
	uint64		random;

	put->put.store = base;
	put->dir.fd = put->file.fd = -1;
	put->path = MemoryContextAlloc(base->context, strlen(base->key_prefix) + strlen(key) + 1);
	sprintf(put->path, "%s%s", base->key_prefix, key);
	/* Random, because processes of other hosts may write to the same directory. */
	if (!pg_strong_random(&random, sizeof(random)))
		elog(ERROR, "could not generate a random number");
	snprintf(put->temp_name, sizeof(put->temp_name), SLM_FILE_TEMP_PREFIX "%016llx" SLM_FILE_TEMP_SUFFIX,
			 (unsigned long long) random);
	dlist_push_tail(&store->puts, &put->node);
	return &put->put;
}

static char *
display_path(FilePut *put)
{
	return slm_store_display(psprintf("%s%s", ((SlmFileStore *) put->put.store)->dir, put->path));
}

static bool
open_put(FilePut *put, SlmStoreError *error)
{
	SlmFileStore *store = (SlmFileStore *) put->put.store;
	int			fd = slm_file_open_parent(store, put->path, true, &put->name, error);

	if (fd < 0)
		return false;
	slm_file_hold(store, &put->dir, fd);
	if (!AcquireExternalFD())
		return slm_store_fail_errno(error, EMFILE, "could not create file \"%s\"", display_path(put));
	fd = openat(put->dir.fd, put->temp_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
	{
		slm_store_fail_errno(error, errno, "could not create file \"%s\"", display_path(put));
		ReleaseExternalFD();
		return false;
	}
	slm_file_hold(store, &put->file, fd);
	return true;
}

bool
slm_file_put_write(SlmPut *base, const char *data, size_t len, SlmStoreError *error)
{
	FilePut    *put = (FilePut *) base;

	if (put->file.fd < 0 && !open_put(put, error))
		return false;
	while (len > 0)
	{
		ssize_t		written;

		CHECK_FOR_INTERRUPTS();
		written = write(put->file.fd, data, Min(len, WRITE_BYTES));
		if (written < 0)
			return slm_store_fail_errno(error, errno, "could not write file \"%s\"", display_path(put));
		data += written;
		len -= written;
	}
	return true;
}

/* Let go of what isn't memory; the temporary file goes too, if it has not been renamed. */
static void
release_put(FilePut *put, bool unlink_temp)
{
	if (unlink_temp && put->file.fd >= 0)
		(void) unlinkat(put->dir.fd, put->temp_name, 0);
	slm_file_drop(&put->file);
	slm_file_drop(&put->dir);
	dlist_delete(&put->node);
}

static void
end_put(FilePut *put, bool unlink_temp)
{
	release_put(put, unlink_temp);
	pfree(put->path);
	pfree(put);
}

void
slm_file_close_puts(SlmFileStore *store)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &store->puts)
		release_put(dlist_container(FilePut, node, iter.cur), true);
}

bool
slm_file_put_finish(SlmPut *base, char **etag, SlmStoreError *error)
{
	FilePut    *put = (FilePut *) base;
	struct stat st;

	if (put->file.fd < 0 && !open_put(put, error))
	{
		end_put(put, true);
		return false;
	}
	if (pg_fsync(put->file.fd) < 0 || fstat(put->file.fd, &st) < 0 ||
		renameat(put->dir.fd, put->temp_name, put->dir.fd, put->name) < 0 || pg_fsync(put->dir.fd) < 0)
	{
		slm_store_fail_errno(error, errno, "could not write file \"%s\"", display_path(put));
		end_put(put, true);
		return false;
	}
	*etag = palloc(SLM_FILE_ETAG_SIZE);
	slm_file_etag(&st, *etag);
	end_put(put, false);
	return true;
}

void
slm_file_put_abort(SlmPut *base)
{
	end_put((FilePut *) base, true);
}

bool
slm_file_put(SlmStore *store, const char *key, const char *data, size_t len, char **etag, SlmStoreError *error)
{
	SlmPut	   *put = slm_file_put_begin(store, key);

	if (slm_file_put_write(put, data, len, error))
		return slm_file_put_finish(put, etag, error);
	slm_file_put_abort(put);
	return false;
}

bool
slm_file_delete(SlmStore *base, const char *const *keys, int nkeys, SlmStoreError *error)
{
	SlmFileStore *store = (SlmFileStore *) base;

	for (int i = 0; i < nkeys; i++)
	{
		char	   *path = psprintf("%s%s", store->store.key_prefix, keys[i]);
		const char *name;
		int			parent;
		int			failed;

		CHECK_FOR_INTERRUPTS();
		parent = slm_file_open_parent(store, path, false, &name, error);
		if (parent < 0)
		{
			/* A directory that is gone took the file with it. */
			if (error->kind != SLM_STORE_NOT_FOUND || name == NULL)
				return false;
			memset(error, 0, sizeof(*error));
			continue;
		}
		failed = unlinkat(parent, name, 0) < 0 && errno != ENOENT ? errno : 0;
		slm_file_close_fd(parent);
		if (failed)
			return slm_store_fail_errno(error, failed, "could not delete file \"%s%s\"", store->dir,
										slm_store_display(path));
		pfree(path);
	}
	return true;
}
