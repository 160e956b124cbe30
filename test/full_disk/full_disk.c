/*
 * full_disk.c: to be preloaded: files below some directories can't grow while these are full, as on a disk without room.
 *
 * SLM_FULL_DISKS names the directories, separated by colons; one is full while there is a file "full" in it.  For test/perl/SlmDisk.pm, where
 * no file system can be mounted.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static bool
is_below(int fd, const char *directory, size_t len)
{
	char		link[64];
	char		path[PATH_MAX];
	ssize_t		n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path));
	return n > (ssize_t) len && memcmp(path, directory, len) == 0 && path[len] == '/';
}

/* Is there no room for this file to reach that far? */
static bool
has_no_room(int fd, off_t end)
{
	int			saved = errno;
	const char *directory = getenv("SLM_FULL_DISKS");
	bool		no_room = false;
	struct stat status;

	while (directory != NULL && *directory != '\0' && !no_room)
	{
		size_t		len = strcspn(directory, ":");
		char		mark[PATH_MAX];

		snprintf(mark, sizeof(mark), "%.*s/full", (int) len, directory);
		no_room = access(mark, F_OK) == 0 && is_below(fd, directory, len) && fstat(fd, &status) == 0 &&
			S_ISREG(status.st_mode) && end > status.st_size;
		directory += len + (directory[len] == ':');
	}
	errno = no_room ? ENOSPC : saved;
	return no_room;
}

static off_t
position(int fd)
{
	int			saved = errno;
	off_t		at = lseek(fd, 0, SEEK_CUR);

	errno = saved;
	return at;
}

static off_t
length(const struct iovec *pieces, int n)
{
	off_t		sum = 0;

	for (int i = 0; i < n; i++)
		sum += pieces[i].iov_len;
	return sum;
}

/* The C library's function of this name. */
#define REAL(name)	((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

ssize_t
write(int fd, const void *data, size_t len)
{
	return has_no_room(fd, position(fd) + (off_t) len) ? -1 : REAL(write) (fd, data, len);
}

ssize_t
writev(int fd, const struct iovec *pieces, int n)
{
	return has_no_room(fd, position(fd) + length(pieces, n)) ? -1 : REAL(writev) (fd, pieces, n);
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t offset)
{
	return has_no_room(fd, offset + (off_t) len) ? -1 : REAL(pwrite) (fd, data, len, offset);
}

ssize_t
pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
	return has_no_room(fd, offset + (off_t) len) ? -1 : REAL(pwrite64) (fd, data, len, offset);
}

ssize_t
pwritev(int fd, const struct iovec *pieces, int n, off_t offset)
{
	return has_no_room(fd, offset + length(pieces, n)) ? -1 : REAL(pwritev) (fd, pieces, n, offset);
}

ssize_t
pwritev64(int fd, const struct iovec *pieces, int n, off64_t offset)
{
	return has_no_room(fd, offset + length(pieces, n)) ? -1 : REAL(pwritev64) (fd, pieces, n, offset);
}

int
posix_fallocate(int fd, off_t offset, off_t len)
{
	return has_no_room(fd, offset + len) ? ENOSPC : REAL(posix_fallocate) (fd, offset, len);
}

int
posix_fallocate64(int fd, off64_t offset, off64_t len)
{
	return has_no_room(fd, offset + len) ? ENOSPC : REAL(posix_fallocate64) (fd, offset, len);
}
