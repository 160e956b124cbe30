/*
 * file_path.c: files below the directory of a store: reached, held open, and what they are known by.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "storage/fd.h"

#include "store/file_internal.h"

void
slm_file_hold(SlmFileStore *store, SlmFileHandle *handle, int fd)
{
	handle->fd = fd;
	dlist_push_tail(&store->open_files, &handle->node);
}

void
slm_file_drop(SlmFileHandle *handle)
{
	if (handle->fd < 0)
		return;
	dlist_delete(&handle->node);
	slm_file_close_fd(handle->fd);
	handle->fd = -1;
}

void
slm_file_close_fd(int fd)
{
	close(fd);
	ReleaseExternalFD();
}

void
slm_file_etag(const struct stat *st, char *etag)
{
	snprintf(etag, SLM_FILE_ETAG_SIZE, "%llx-%llx-%llx",
			 (unsigned long long) st->st_ino, (unsigned long long) st->st_size,
			 (unsigned long long) st->st_mtim.tv_sec * 1000000000ULL + (unsigned long long) st->st_mtim.tv_nsec);
}

/* The path must be made of plain names: nothing empty, "." or "..". */
static bool
path_is_plain(const char *path)
{
	for (;;)
	{
		size_t		len = strcspn(path, "/");

		if (len == 0 || (len == 1 && path[0] == '.') || (len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (path[len] == '\0')
			return true;
		path += len + 1;
	}
}

static int
open_below(int parent, const char *name, bool create, SlmStoreError *error, const char *shown)
{
	int			fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && create)
	{
		if (mkdirat(parent, name, 0777) < 0 && errno != EEXIST)
		{
			slm_store_fail_errno(error, errno, "could not create the directory of \"%s\"", shown);
			return -1;
		}
		/* Else a file could be durable in a directory that isn't. */
		(void) pg_fsync(parent);
		fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0)
		slm_store_fail_errno(error, errno, "could not open the directory of \"%s\"", shown);
	return fd;
}

int
slm_file_open_parent(SlmFileStore *store, const char *path, bool create, const char **name, SlmStoreError *error)
{
	char	   *full = psprintf("%s%s", store->dir, path);
	char	   *shown = slm_store_display(full);
	char	   *segment = full + strlen(store->dir);
	char	   *slash;
	int			fd;

	*name = NULL;
	if (!path_is_plain(path))
	{
		slm_store_fail(error, SLM_STORE_FATAL, ERRCODE_INVALID_NAME, "invalid file name \"%s\"", shown);
		error->detail = pstrdup("The part below the store's directory has an empty segment, \".\" or \"..\".");
		return -1;
	}
	if (!AcquireExternalFD())
	{
		slm_store_fail_errno(error, EMFILE, "could not open \"%s\"", shown);
		return -1;
	}
	fd = open(store->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
	{
		slm_store_fail_errno(error, errno, "could not open directory \"%s\"", slm_store_display(store->dir));
		error->hint = pstrdup("The directory must exist, and the operating system's user that runs PostgreSQL must"
							  " be allowed to read it.");
	}
	else
		*name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	while (fd >= 0 && (slash = strchr(segment, '/')) != NULL)
	{
		int			below;

		*slash = '\0';
		below = open_below(fd, segment, create, error, shown);
		close(fd);
		fd = below;
		segment = slash + 1;
	}
	if (fd < 0)
		ReleaseExternalFD();
	pfree(full);
	pfree(shown);
	return fd;
}
