/*
 * split.c: a real CSV of the data set, as if servers were dropping it into a directory now.
 *
 *   read --record--> time / factor --files_time--> minute --files_raw--> file of a server
 *
 * The event's time is rewritten; the rest of the row goes through byte for byte.
 */
#include "generate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "files.h"

#define READ_SIZE	(1 << 20)

/* Records of a CSV file, gzipped or not. */
typedef struct Input
{
	gzFile		gz;
	const char *path;
	char	   *data;
	size_t		size;
	size_t		at;				/* first byte not yet handed out */
	size_t		len;			/* bytes in data */
	bool		ended;
} Input;

static void
input_open(Input *input, const char *path)
{
	memset(input, 0, sizeof(*input));
	input->path = path == NULL || strcmp(path, "-") == 0 ? "standard input" : path;
	input->gz = input->path == path ? gzopen(path, "rb") : gzdopen(dup(STDIN_FILENO), "rb");
	if (input->gz == NULL)
		fail("cannot read %s: %m", input->path);
	gzbuffer(input->gz, READ_SIZE);
}

/* Get more bytes behind those that are there. */
static void
input_more(Input *input)
{
	int			n;

	if (input->at > 0)
		memmove(input->data, input->data + input->at, input->len - input->at);
	input->len -= input->at;
	input->at = 0;
	/* One byte more, for a newline that may lack at the end. */
	if (input->size - input->len < READ_SIZE + 1)
	{
		input->size = input->size * 2 + 2 * READ_SIZE;
		input->data = must_realloc(input->data, input->size);
	}
	n = gzread(input->gz, input->data + input->len, READ_SIZE);
	if (n < 0)
		fail("cannot read %s: damaged or unreadable", input->path);
	input->len += (size_t) n;
	if (n == 0)
	{
		int			code;

		gzerror(input->gz, &code);
		if (code == Z_BUF_ERROR)
			fail("cannot read %s: the gzip data ends too early", input->path);
		input->ended = true;
		if (input->len > 0 && input->data[input->len - 1] != '\n')
			input->data[input->len++] = '\n';
	}
}

/* Length of the record at `at`, its newline included, or 0 if its end is not there yet. */
static size_t
record_length(const Input *input)
{
	const char *from = input->data + input->at;
	size_t		left = input->len - input->at;
	size_t		done = 0;
	bool		quoted = false;

	while (done < left)
	{
		const char *newline = memchr(from + done, '\n', left - done);
		const char *stop = newline != NULL ? newline : from + left;

		for (const char *p = from + done; (p = memchr(p, '"', (size_t) (stop - p))) != NULL; p++)
			quoted = !quoted;
		if (newline == NULL)
			return 0;
		done = (size_t) (newline - from) + 1;
		if (!quoted)
			return done;
	}
	return 0;
}

/* The next record; *record stays valid until the call after.  False at the end. */
static bool
input_next(Input *input, char **record, size_t *len)
{
	while ((*len = record_length(input)) == 0)
	{
		if (input->ended)
		{
			/* What an open quote has swallowed is a record too. */
			*len = input->len - input->at;
			if (*len == 0)
				return false;
			break;
		}
		input_more(input);
	}
	*record = input->data + input->at;
	input->at += *len;
	return true;
}

/* What the header says about rows. */
typedef struct Shape
{
	bool		index;			/* an unnamed column comes first: dropped */
	bool		session_last;	/* user_session is the last column */
	char	   *rest;			/* header behind event_time, with the comma and the newline */
} Shape;

static void
read_header(Input *input, Shape *shape)
{
	char	   *record;
	size_t		len;
	size_t		skip = 0;

	if (!input_next(input, &record, &len))
		fail("%s is empty", input->path);
	if (len >= 3 && memcmp(record, "\357\273\277", 3) == 0)
		skip = 3;
	shape->index = record[skip] == ',';
	skip += shape->index;
	if (len < skip + 11 || memcmp(record + skip, "event_time,", 11) != 0)
		fail("%s: the header line should begin with event_time", input->path);
	shape->rest = strndup(record + skip + 10, len - skip - 10);
	len = strcspn(shape->rest, "\r\n");
	shape->session_last = len >= 13 && memcmp(shape->rest + len - 13, ",user_session", 13) == 0;
}

static int
digits(const char *text, int n)
{
	int			value = 0;

	for (int i = 0; i < n; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + text[i] - '0';
	}
	return value;
}

/* Unix time of "YYYY-MM-DD HH:MM:SS" at the start of the row, quoted or not, whatever follows; -1 if there is none. */
static int64_t
row_time(const char *row, size_t len)
{
	static char last[19];
	static int64_t last_time = -1;
	struct tm	tm;

	row += row[0] == '"';
	if (len < 21)
		return -1;
	if (last_time >= 0 && memcmp(row, last, 19) == 0)
		return last_time;
	memset(&tm, 0, sizeof(tm));
	tm.tm_year = digits(row, 4) - 1900;
	tm.tm_mon = digits(row + 5, 2) - 1;
	tm.tm_mday = digits(row + 8, 2);
	tm.tm_hour = digits(row + 11, 2);
	tm.tm_min = digits(row + 14, 2);
	tm.tm_sec = digits(row + 17, 2);
	if (tm.tm_year < 70 || tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour < 0 ||
		tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 59)
		return -1;
	memcpy(last, row, 19);
	return last_time = (int64_t) timegm(&tm);
}

/* A hash of the row's last field, so that a session's rows prefer one server. */
static uint16_t
session_home(const char *row, size_t len)
{
	const char *comma = memrchr(row, ',', len);
	uint64_t	hash = 0;

	for (const char *p = comma != NULL ? comma : row; p < row + len && *p != '\r' && *p != '\n'; p++)
		hash = rng_mix(hash ^ (unsigned char) *p);
	return (uint16_t) hash;
}

/* Options that make traffic up do not go with real traffic. */
static void
check_split(const Options *options)
{
	if (options->iso > 0 || options->odd > 0 || options->quoted > 0 || options->fractional > 0 || options->bad > 0 ||
		options->faults != NULL || options->catalogue != NULL)
		fail("--iso, --odd, --quoted, --fractional-seconds, --bad, --fault and --catalogue are for generate");
}

void
split(const Options *options)
{
	Input		input;
	Shape		shape;
	Files		files;
	char	   *row;
	size_t		len;
	int64_t		first = -1;
	int64_t		start = 0;
	int64_t		done = 0;

	check_split(options);
	input_open(&input, options->input);
	read_header(&input, &shape);
	while (!stopped && (options->events == 0 || done < options->events) && input_next(&input, &row, &len))
	{
		const char *comma;
		int64_t		second;

		if (row[0] == '\n' || row[0] == '\r')
			continue;
		if (shape.index && (comma = memchr(row, ',', len)) != NULL)
		{
			len -= (size_t) (comma + 1 - row);
			row += comma + 1 - row;
		}
		second = row_time(row, len);
		if (first < 0)
		{
			if (second < 0)
				fail("%s: the first row has no time like '2019-10-01 00:00:00'", input.path);
			first = second;
			start = options->now || options->start_given ? options->start : first;
			files_open(&files, options, start);
			files.header = shape.rest;
		}
		if (second >= 0)
		{
			second = start + (int64_t) floor((double) (second - first) / options->factor);
			if (options->minutes > 0 && second >= start + options->minutes * 60)
				break;
			files_time(&files, second);
			comma = memchr(row, ',', len);
			len -= (size_t) (comma - row);
			row += comma - row;
		}
		/* A row whose time can't be read stays as it is, where it is. */
		files_raw(&files, shape.session_last ? session_home(row, len) : (uint16_t) rng_mix((uint64_t) done),
				  second >= 0, row, len);
		done++;
	}
	if (first >= 0)
		files_close(&files);
	gzclose(input.gz);
	free(input.data);
	free(shape.rest);
}
