/*
 * sink.c: see sink.h.
 */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "options.h"

struct Sink
{
	char	   *path;
	int			fd;				/* -1 if gzipped */
	gzFile		gz;
};

Sink *
sink_open(const char *path, bool gzip, bool append)
{
	Sink	   *sink = must_alloc(sizeof(*sink));

	sink->path = strdup(path);
	sink->gz = NULL;
	sink->fd = strcmp(path, "-") == 0 ? dup(STDOUT_FILENO)
		: open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0666);
	if (sink->fd < 0)
		fail("cannot write %s: %m", path);
	if (gzip)
	{
		/* Level 1: the traffic is to be fast, not small. */
		sink->gz = gzdopen(sink->fd, "wb1");
		if (sink->gz == NULL)
			fail("cannot write %s: %m", path);
		gzbuffer(sink->gz, 1 << 17);
		sink->fd = -1;
	}
	return sink;
}

void
sink_write(Sink *sink, const char *data, size_t len)
{
	while (len > 0)
	{
		size_t		part = len > (1U << 30) ? 1U << 30 : len;
		ssize_t		done = sink->gz != NULL ? gzwrite(sink->gz, data, (unsigned) part) : write(sink->fd, data, part);

		if (done < 0 && errno == EINTR && sink->gz == NULL)
			continue;
		if (done <= 0)
			fail("cannot write %s: %m", sink->path);
		data += done;
		len -= (size_t) done;
	}
}

void
sink_flush(Sink *sink)
{
	if (sink->gz != NULL && gzflush(sink->gz, Z_SYNC_FLUSH) != Z_OK)
		fail("cannot write %s: %m", sink->path);
}

void
sink_close(Sink *sink)
{
	if (sink->gz != NULL ? gzclose(sink->gz) != Z_OK : close(sink->fd) != 0)
		fail("cannot write %s: %m", sink->path);
	free(sink->path);
	free(sink);
}
