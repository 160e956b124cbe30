/*
 * files.c: see files.h.
 *
 * A minute's rows stay in memory until the minute is over; then each server's file is written under a name that
 * begins with a dot and renamed, so that whoever watches the directory never sees half a file.
 */
#include "files.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bad.h"
#include "sink.h"

#define FLUSH_AT	(1 << 20)	/* bytes of the one file to gather */

volatile int stopped = 0;

static void
on_signal(int number)
{
	(void) number;
	stopped = 1;
}

static double
wall_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

/* Sleep until the clock shows when, or a signal comes. */
static void
wait_until(double when)
{
	struct timespec at = {.tv_sec = (time_t) when};

	at.tv_nsec = (long) ((when - (double) at.tv_sec) * 1e9);
	while (!stopped && clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

static void
make_directory(const char *path)
{
	if (path != NULL && mkdir(path, 0777) != 0 && errno != EEXIST)
		fail("cannot create directory %s: %m", path);
}

/* dir/.name or dir/name; for the caller to free. */
static char *
path_of(const char *dir, const char *dot, const char *name)
{
	size_t		size = strlen(dir) + strlen(name) + 3;
	char	   *path = must_alloc(size);

	snprintf(path, size, "%s/%s%s", dir, dot, name);
	return path;
}

void
files_truth(Files *files, const char *format, ...)
{
	va_list		args;

	if (files->truth == NULL)
		return;
	fputc('{', files->truth);
	va_start(args, format);
	vfprintf(files->truth, format, args);
	va_end(args);
	fputs("}\n", files->truth);
}

/* "bad_time": 3, "future": 1 */
static void
list_bad(const uint64_t *bad, char *to, size_t size)
{
	size_t		len = 0;

	to[0] = '\0';
	for (int kind = 0; kind < BAD_KINDS && len < size; kind++)
		if (bad[kind] > 0)
			len += (size_t) snprintf(to + len, size - len, "%s\"%s\": %llu", len == 0 ? "" : ", ",
									 bad_kind_names[kind], (unsigned long long) bad[kind]);
}

static void
truth_of_file(Files *files, const OutFile *file, const char *name, int late_minutes)
{
	const Style *style = &file->style;
	char		bad[600];

	list_bad(file->bad, bad, sizeof(bad));
	files_truth(files, "\"file\": \"%s\", \"rows\": %llu, \"pandas\": %s, \"iso\": %s, \"odd\": %s, \"gzip\": %s, "
				"\"late_minutes\": %d, \"bad\": {%s}", name, (unsigned long long) file->rows,
				style->pandas ? "true" : "false", style->iso ? "true" : "false", style->odd ? "true" : "false",
				style->gzip ? "true" : "false", late_minutes, bad);
}

void
files_open(Files *files, const Options *options, int64_t start)
{
	struct sigaction action = {.sa_handler = on_signal};

	memset(files, 0, sizeof(*files));
	files->options = options;
	files->minute = -1;
	files->start = start;
	files->wall_start = options->now ? (double) start : wall_clock();
	rng_seed(&files->deal, options->seed, STREAM_DEAL);
	rng_seed(&files->choose, options->seed, STREAM_FILES);
	rng_seed(&files->spell, options->seed, STREAM_ROWS);
	rng_seed(&files->spoil, options->seed, STREAM_BAD);
	files->n_files = options->one_file != NULL ? 1 : options->servers;
	files->file = must_alloc((size_t) files->n_files * sizeof(*files->file));
	memset(files->file, 0, (size_t) files->n_files * sizeof(*files->file));
	for (int i = 0; i < files->n_files; i++)
		files->file[i].server = i + 1;
	make_directory(options->out);
	make_directory(options->late_dir);
	if (options->truth != NULL)
	{
		files->truth = strcmp(options->truth, "-") == 0 ? stdout : fopen(options->truth, "w");
		if (files->truth == NULL)
			fail("cannot write %s: %m", options->truth);
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static void
begin_file(Files *files, OutFile *file)
{
	file->open = true;
	file->rows = 0;
	file->buffer.len = 0;
	file->last_row = 0;
	file->last_row_bad = true;
	memset(file->bad, 0, sizeof(file->bad));
	style_choose(&file->style, files->options, &files->choose);
	style_header(&file->style, files->header, &file->buffer);
	if (files->options->one_file != NULL)
		files->one = sink_open(files->options->one_file, file->style.gzip, false);
}

static void
flush_one_file(Files *files)
{
	OutFile    *file = &files->file[0];

	sink_write(files->one, file->buffer.data, file->buffer.len);
	files->bytes += file->buffer.len;
	file->buffer.len = 0;
}

/* Write a whole minute file.  One with two gzip members is cut in the middle. */
static void
write_minute_file(const OutFile *file, const char *path)
{
	const Style *style = &file->style;
	size_t		first = style->gzip_members ? file->buffer.len / 2 : file->buffer.len;
	Sink	   *sink = sink_open(path, style->gzip, false);

	sink_write(sink, file->buffer.data, first);
	if (style->gzip_members)
	{
		sink_close(sink);
		sink = sink_open(path, true, true);
		sink_write(sink, file->buffer.data + first, file->buffer.len - first);
	}
	sink_close(sink);
}

static void
hold_back(Files *files, int64_t due, char *from, char *to)
{
	if (files->n_held == files->held_size)
	{
		files->held_size = files->held_size * 2 + 16;
		files->held = must_realloc(files->held, files->held_size * sizeof(Held));
	}
	files->held[files->n_held++] = (Held) {.due = due, .from = from, .to = to};
}

static void
publish(const char *from, const char *to)
{
	if (rename(from, to) != 0)
		fail("cannot rename %s to %s: %m", from, to);
}

/* Deliver the held files whose time has come. */
static void
deliver_held(Files *files, int64_t now)
{
	size_t		n = 0;

	for (size_t i = 0; i < files->n_held; i++)
	{
		Held	   *held = &files->held[i];

		if (held->due > now)
		{
			files->held[n++] = *held;
			continue;
		}
		publish(held->from, held->to);
		free(held->from);
		free(held->to);
	}
	files->n_held = n;
}

/* The last touches to the bytes of a file that is complete. */
static void
finish_bytes(Files *files, OutFile *file)
{
	const Options *options = files->options;

	if (options->bad > 0 && (options->bad_kinds >> BAD_QUOTE & 1) != 0 && !file->last_row_bad &&
		rng_chance(&files->spoil, 0.3) && row_unclose_quote(&file->buffer, file->last_row))
	{
		file->bad[BAD_QUOTE]++;
		files->bad[BAD_QUOTE]++;
	}
	if (file->style.no_last_newline && file->buffer.len > 0)
		file->buffer.len -= file->style.crlf ? 2 : 1;
}

static void
finish_minute_file(Files *files, OutFile *file)
{
	const Options *options = files->options;
	bool		late = options->late > 0 && rng_chance(&files->choose, options->late);
	int			delay = late ? options->late_min
		+ (int) rng_below(&files->choose, (uint32_t) (options->late_max - options->late_min + 1)) : 0;
	const char *dir = late && options->late_dir != NULL ? options->late_dir : options->out;
	char		name[64];
	char		minute[20];
	char	   *from;
	char	   *to;

	time_text(minute, files->minute);
	minute[10] = minute[13] = '-';
	snprintf(name, sizeof(name), "%.16s-%d.csv%s", minute, file->server,
			 file->style.gzip && !file->style.gzip_hidden ? ".gz" : "");
	finish_bytes(files, file);
	from = path_of(dir, ".", name);
	to = path_of(dir, "", name);
	write_minute_file(file, from);
	truth_of_file(files, file, name, delay);
	files->files++;
	files->bytes += file->buffer.len;
	file->open = false;
	if (late && options->late_dir == NULL)
		hold_back(files, files->minute + 60 + INT64_C(60) * delay, from, to);
	else
	{
		publish(from, to);
		free(from);
		free(to);
	}
}

/* When the files of the minute that is over are to appear. */
static double
due(const Files *files)
{
	const Options *options = files->options;
	int64_t		ahead = (files->start - files->minute) / 60 + options->ago;	/* minutes until the present, with --ago */

	if (options->ago > 0 && ahead > options->ago_slow)
		return 0;
	if (options->ago > 0 && ahead > 0)
		return wall_clock() + 1;
	return files->wall_start + (double) (files->minute + 60 - files->start) / options->speed;
}

static void
finish_minute(Files *files, int64_t now)
{
	const Options *options = files->options;

	if (options->speed > 0)
		wait_until(due(files));
	for (int i = 0; i < files->n_files; i++)
	{
		if (!files->file[i].open)
			continue;
		if (options->one_file == NULL)
			finish_minute_file(files, &files->file[i]);
		else if (options->speed > 0)
		{
			flush_one_file(files);
			sink_flush(files->one);
		}
	}
	deliver_held(files, now);
}

void
files_time(Files *files, int64_t second)
{
	clock_set(&files->clock, second);
	if (files->minute >= 0 && second < files->minute + 60)
		return;
	if (files->minute >= 0)
		finish_minute(files, second);
	files->minute = second - second % 60;
}

OutFile *
files_deal(Files *files, uint16_t home)
{
	const Options *options = files->options;
	OutFile    *file = &files->file[0];

	if (files->n_files > 1)
	{
		uint32_t	servers = (uint32_t) files->n_files;
		bool		stay = rng_chance(&files->deal, options->sticky);
		uint32_t	other = rng_below(&files->deal, servers);

		file = &files->file[stay ? home * servers >> 16 : other];
	}
	if (!file->open)
		begin_file(files, file);
	else if (options->one_file != NULL && file->buffer.len > FLUSH_AT)
		flush_one_file(files);
	file->last_row = file->buffer.len;
	file->last_row_bad = false;
	file->rows++;
	files->rows++;
	return file;
}

/* Which way the next row is bad; -1: not at all. */
static int
choose_bad(Files *files, const OutFile *file, const Event *event)
{
	const Options *options = files->options;
	BadKind		kind;

	if (!rng_chance(&files->spoil, options->bad))
		return -1;
	do
		kind = (BadKind) rng_below(&files->spoil, BAD_KINDS);
	while ((options->bad_kinds >> kind & 1) == 0);
	if (kind == BAD_QUOTE || !bad_kind_applies(kind, &file->style))
		return -1;
	if (kind == BAD_CLOCK_JUMP)
	{
		/* Few enough not to shift the file's median, and not beyond the present. */
		if (file->rows < 20 * (file->bad[kind] + 1))
			return -1;
		if (event->second + INT64_C(42) * 86400 > (int64_t) wall_clock())
			return BAD_FUTURE;
	}
	return kind;
}

void
files_event(Files *files, const Event *event)
{
	const Options *options = files->options;
	OutFile    *file = files_deal(files, event->session->home);
	RowWish		wish;

	wish.bad = options->bad > 0 ? choose_bad(files, file, event) : -1;
	/* The other half of the quoted rows is that of brands which need it. */
	wish.quoted = options->quoted > 0 && rng_chance(&files->spell, options->quoted / 2);
	wish.fraction = options->fractional > 0 && rng_chance(&files->spell, options->fractional);
	wish.index = file->rows - 1;
	if (file->style.plain && wish.bad < 0 && !wish.quoted && !wish.fraction)
	{
		row_plain(event, &file->style, wish.index, &files->clock, &file->buffer);
		return;
	}
	row_styled(event, &file->style, &wish, &files->spell, &file->buffer);
	if (wish.bad >= 0)
	{
		file->last_row_bad = true;
		file->bad[wish.bad]++;
		files->bad[wish.bad]++;
	}
}

void
files_raw(Files *files, uint16_t home, bool timed, const char *rest, size_t len)
{
	OutFile    *file = files_deal(files, home);
	Buffer	   *buffer = &file->buffer;

	buffer_reserve(buffer, len + 64);
	if (file->style.pandas)
		buffer->len += (size_t) sprintf(buffer->data + buffer->len, "%llu,", (unsigned long long) file->rows - 1);
	if (timed)
		buffer_add(buffer, files->clock.text, file->style.pandas ? CLOCK_DATE_TIME : CLOCK_UTC - 1);
	buffer_add(buffer, rest, len);
}

void
files_close(Files *files)
{
	const Options *options = files->options;
	char		bad[600];

	if (files->minute >= 0)
		finish_minute(files, INT64_MAX);
	if (options->one_file != NULL && files->file[0].open)
	{
		finish_bytes(files, &files->file[0]);
		flush_one_file(files);
		sink_close(files->one);
		truth_of_file(files, &files->file[0], options->one_file, 0);
		files->files++;
	}
	list_bad(files->bad, bad, sizeof(bad));
	files_truth(files, "\"total\": {\"files\": %llu, \"rows\": %llu, \"bytes\": %llu, \"bad\": {%s}}",
				(unsigned long long) files->files, (unsigned long long) files->rows,
				(unsigned long long) files->bytes, bad);
	if (files->truth != NULL && fflush(files->truth) != 0)
		fail("cannot write %s: %m", options->truth);
	if (files->truth != NULL && files->truth != stdout)
		fclose(files->truth);
	if (!options->quiet)
		fprintf(stderr, "%llu rows, %llu bytes in %llu files, %.1f bytes a row, %.2f s\n",
				(unsigned long long) files->rows, (unsigned long long) files->bytes,
				(unsigned long long) files->files,
				files->rows == 0 ? 0.0 : (double) files->bytes / (double) files->rows,
				wall_clock() - files->wall_start);
	for (int i = 0; i < files->n_files; i++)
		free(files->file[i].buffer.data);
	free(files->file);
	free(files->held);
}
