/*
 * reader.c: the reader as callers see it: what kind of bytes they are, the header, and the counting.
 *
 *   fed bytes --[inflate]--> csv's window --> record --> event or reject
 */
#include "pure/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pure/content.h"
#include "pure/diagnose.h"
#include "pure/event.h"
#include "pure/header.h"
#include "pure/inflate.h"

typedef enum SlmSourceKind
{
	SOURCE_UNKNOWN,				/* not even two bytes yet */
	SOURCE_PLAIN,
	SOURCE_GZIP
} SlmSourceKind;

struct SlmReader
{
	SlmReaderOptions options;
	SlmReaderStats stats;
	SlmTimeCache cache;
	SlmSourceKind kind;
	SlmInflate	inflate;
	SlmContent *content;		/* NULL: not wanted */
	SlmCsv		csv;
	SlmHeaders	headers;
	const uint8_t *in;			/* fed, and not taken yet */
	size_t		in_len;
	bool		in_last;
	uint8_t		first_byte;		/* the first byte of the input, if it was fed alone */
	bool		has_first_byte;
	uint64_t	bytes_passed;	/* of records that are no rows */
	SlmReadErrorCode input_error;	/* to be raised when the rows before it have been handed out */
	SlmReadErrorCode error;
	char		message[SLM_MESSAGE_SIZE];
};

SlmReader *
slm_reader_create(const SlmReaderOptions *options)
{
	SlmReader  *reader = calloc(1, sizeof(SlmReader));

	if (reader == NULL)
		return NULL;
	reader->options = *options;
	if (options->content_secret != NULL)
		reader->content = slm_content_create(options->content_secret);
	if ((options->content_secret != NULL && reader->content == NULL) || !slm_csv_init(&reader->csv, slm_scan_best()))
	{
		slm_reader_free(reader);
		return NULL;
	}
	reader->csv.trusted = options->archive;
	return reader;
}

void
slm_reader_free(SlmReader *reader)
{
	if (reader == NULL)
		return;
	slm_content_free(reader->content);
	slm_csv_free(&reader->csv);
	slm_inflate_free(&reader->inflate);
	free(reader);
}

void
slm_reader_use_scan(SlmReader *reader, int routine)
{
	int			count;
	const SlmScanRoutine *routines = slm_scan_routines(&count);

	if (routine >= 0 && routine < count)
		reader->csv.scan = routines[routine].scan;
}

void
slm_reader_feed(SlmReader *reader, const void *bytes, size_t len, bool is_last)
{
	reader->in = bytes;
	reader->in_len = len;
	reader->in_last = is_last;
	reader->stats.bytes_in += len;
}

bool
slm_reader_content(const SlmReader *reader, uint8_t *sum)
{
	if (reader->content != NULL)
		slm_content_sum(reader->content, sum);
	return reader->content != NULL;
}

SlmReadErrorCode
slm_reader_error(const SlmReader *reader, const char **message)
{
	*message = reader->message;
	return reader->error;
}

const SlmReaderStats *
slm_reader_stats(const SlmReader *reader)
{
	return &reader->stats;
}

static SlmReadStatus
fail(SlmReader *reader, SlmReadErrorCode code, const char *message)
{
	reader->error = code;
	snprintf(reader->message, sizeof(reader->message), "%s", message);
	return SLM_READ_FAILED;
}

/*
 * Tell gzip from plain by the first two bytes.  False if they are not all there yet; a single byte is then set aside,
 * since the caller takes the fed bytes back.
 */
static bool
find_kind(SlmReader *reader)
{
	const uint8_t *in = reader->in;
	size_t		have = reader->has_first_byte + reader->in_len;

	if (have < 2 && !reader->in_last)
	{
		if (reader->in_len > 0)
		{
			reader->first_byte = in[0];
			reader->has_first_byte = true;
			reader->in_len = 0;
		}
		return false;
	}
	reader->kind = SOURCE_PLAIN;
	if (have >= 2)
	{
		uint8_t		first = reader->has_first_byte ? reader->first_byte : in[0];
		uint8_t		second = reader->has_first_byte ? in[0] : in[1];

		if (first == 0x1f && second == 0x8b)
			reader->kind = SOURCE_GZIP;
	}
	if (reader->kind == SOURCE_GZIP && !slm_inflate_init(&reader->inflate))
		reader->input_error = SLM_READ_ERROR_MEMORY;
	return true;
}

/* Put up to room plain or inflated bytes from *in to out; returns how many. */
static size_t
take_bytes(SlmReader *reader, const uint8_t **in, size_t *in_len, char *out, size_t room)
{
	size_t		taken;

	if (reader->kind == SOURCE_PLAIN)
	{
		taken = *in_len < room ? *in_len : room;
		/* an empty feed may come with a null pointer, which memcpy must not see */
		if (taken > 0)
			memcpy(out, *in, taken);
		*in += taken;
		*in_len -= taken;
		return taken;
	}
	switch (slm_inflate_run(&reader->inflate, in, in_len, out, room, &taken))
	{
		case SLM_INFLATE_OK:
			break;
		case SLM_INFLATE_DAMAGED:
			reader->input_error = SLM_READ_ERROR_GZIP;
			break;
		case SLM_INFLATE_MEMORY:
			reader->input_error = SLM_READ_ERROR_MEMORY;
			break;
	}
	return taken;
}

/* Move bytes into the window.  False if nothing changed, so that more must be fed. */
static bool
fill_window(SlmReader *reader)
{
	const size_t room = SLM_CSV_BLOCK;
	size_t		taken = 0;
	char	   *out;
	bool		ended;

	if (reader->input_error != SLM_READ_ERROR_NONE)
		return false;
	if (reader->kind == SOURCE_UNKNOWN && !find_kind(reader))
		return false;

	out = slm_csv_room(&reader->csv);
	if (reader->has_first_byte && reader->input_error == SLM_READ_ERROR_NONE)
	{
		const uint8_t *first = &reader->first_byte;
		size_t		one = 1;

		taken = take_bytes(reader, &first, &one, out, room);
		reader->has_first_byte = false;
	}
	if (reader->input_error == SLM_READ_ERROR_NONE)
		taken += take_bytes(reader, &reader->in, &reader->in_len, out + taken, room - taken);

	ended = reader->in_last && reader->in_len == 0 && reader->input_error == SLM_READ_ERROR_NONE;
	if (ended && reader->kind == SOURCE_GZIP)
	{
		/* a full window may have left something inside zlib */
		if (taken == room)
			ended = false;
		else if (!slm_inflate_at_end(&reader->inflate))
		{
			reader->input_error = SLM_READ_ERROR_GZIP_SHORT;
			ended = false;
		}
	}
	/* here the bytes are in the processor's cache */
	if (reader->content != NULL)
		slm_content_add(reader->content, out, taken);
	slm_csv_added(&reader->csv, taken, ended);
	reader->stats.bytes_csv += taken;
	return taken > 0 || ended;
}

static SlmReadStatus
input_failed(SlmReader *reader)
{
	switch (reader->input_error)
	{
		case SLM_READ_ERROR_GZIP:
			return fail(reader, reader->input_error, slm_inflate_at_end(&reader->inflate)
						? "there is something behind the gzip data that is no gzip data" : "the gzip data is damaged");
		case SLM_READ_ERROR_GZIP_SHORT:
			return fail(reader, reader->input_error, "the gzip data ends too early");
		default:
			return fail(reader, reader->input_error, "out of memory");
	}
}

static void
reject_row(SlmReject *reject, SlmRejectReason reason)
{
	reject->reason = reason;
	reject->column = -1;
}

/* Not even a record. */
static void
reject_broken(SlmCsvStatus status, const SlmRecord *record, SlmReject *reject)
{
	if (status == SLM_CSV_TOO_LONG)
	{
		reject_row(reject, SLM_REJECT_TOO_LONG);
		snprintf(reject->detail, sizeof(reject->detail), "longer than %d bytes", SLM_MAX_RECORD);
	}
	else
	{
		reject_row(reject, SLM_REJECT_BAD_QUOTE);
		snprintf(reject->detail, sizeof(reject->detail), "%s", record->fault);
	}
}

static void
reject_encoding(const SlmRecord *record, SlmReject *reject)
{
	char		byte[48];

	reject_row(reject, SLM_REJECT_BAD_ENCODING);
	if (record->raw.data[record->invalid_at] == '\0')
	{
		snprintf(reject->detail, sizeof(reject->detail), "a NUL at byte %lld of the row", (long long) record->invalid_at + 1);
		return;
	}
	slm_diagnose_byte((uint8_t) record->raw.data[record->invalid_at], byte);
	snprintf(reject->detail, sizeof(reject->detail), "no valid UTF-8 at byte %lld of the row%s",
			 (long long) record->invalid_at + 1, byte);
}

static void
reject_count(size_t nfields, size_t wanted, SlmReject *reject)
{
	reject_row(reject, SLM_REJECT_COLUMN_COUNT);
	snprintf(reject->detail, sizeof(reject->detail), "%zu fields where the header has %zu%s", nfields, wanted,
			 nfields == 2 * wanted - 1 ? ": is a line end missing?" : "");
}

/* What is neither an event nor a row. */
#define READ_NOTHING	SLM_READ_END

static inline SlmReadStatus read_row(SlmReader *reader, SlmCsvStatus status, SlmRecord *record, SlmReadRow *row);

/* A record that is no event: a reject, READ_NOTHING, or FAILED; an event after all, if a header was split off behind it. */
__attribute__((noinline))
static SlmReadStatus
read_other(SlmReader *reader, SlmCsvStatus status, SlmRecord *record, SlmReadRow *row)
{
	SlmRejectReason reason = row->reject.reason;

	if (reason == SLM_REJECT_BAD_TIME || reason == SLM_REJECT_COLUMN_COUNT || reason == SLM_REJECT_BAD_ENCODING ||
		reason == SLM_REJECT_BAD_QUOTE)
	{
		size_t		len = record->raw.len;
		SlmLine		line = slm_headers_again(&reader->headers, &reader->csv, status, record, &reader->error, reader->message);

		reader->stats.unknown_columns = reader->headers.unknown_columns;
		if (line != SLM_LINE_ROW)
		{
			reader->stats.rows_total--;
			reader->bytes_passed += len;
			if (line == SLM_LINE_SPLIT)
				return read_row(reader, SLM_CSV_RECORD, record, row);
			return line == SLM_LINE_FAILED ? SLM_READ_FAILED : READ_NOTHING;
		}
	}
	reader->stats.rows_rejected++;
	return SLM_READ_REJECT;
}

/* Turn a record into a row; READ_NOTHING if it is none. */
static inline SlmReadStatus
read_row(SlmReader *reader, SlmCsvStatus status, SlmRecord *record, SlmReadRow *row)
{
	SlmReject  *reject = &row->reject;

	row->line = record->line;
	row->raw = record->raw;
	if (row->raw.len > SLM_MAX_RAW)
		row->raw.len = SLM_MAX_RAW;
	reader->stats.rows_total++;
	if (status != SLM_CSV_RECORD)
		reject_broken(status, record, reject);
	else if (record->invalid_at >= 0)
		reject_encoding(record, reject);
	else if (record->nfields != reader->csv.nfields)
		reject_count(record->nfields, reader->csv.nfields, reject);
	else if (slm_event_parse(record->field, &reader->cache, reader->options.latest, &row->event, reject))
		return SLM_READ_EVENT;
	return read_other(reader, status, record, row);
}

/* A record while no header is known.  False if the object can't be used. */
static bool
read_header(SlmReader *reader, SlmCsvStatus status, SlmRecord *record)
{
	size_t		len = record->raw.len;
	SlmLine		line = slm_headers_first(&reader->headers, &reader->csv, status, record, &reader->error, reader->message);

	reader->bytes_passed += len;
	reader->stats.unknown_columns = reader->headers.unknown_columns;
	return line != SLM_LINE_FAILED;
}

/*
 * The end of the object.  Whatever the reason, one that gave no row although there is more in it than headers, comments, and
 * the ends of as many lines, can't be used: nothing may be lost in silence.
 */
static SlmReadStatus
end_object(SlmReader *reader)
{
	const SlmReaderStats *stats = &reader->stats;
	uint64_t	explained = reader->bytes_passed + reader->csv.mark_bytes + 2 * reader->csv.line;

	if (slm_headers_missing(&reader->headers, &reader->error, reader->message))
		return SLM_READ_FAILED;
	if (stats->rows_total == 0 && stats->bytes_csv > explained)
		return fail(reader, SLM_READ_ERROR_NOT_CSV, "no row was found, though there is more than a header line");
	return SLM_READ_END;
}

SlmReadStatus
slm_reader_next(SlmReader *reader, SlmReadRow *row)
{
	if (reader->error != SLM_READ_ERROR_NONE)
		return SLM_READ_FAILED;
	for (;;)
	{
		SlmRecord	record;
		SlmCsvStatus status = slm_csv_next(&reader->csv, &record);
		SlmReadStatus what;

		switch (status)
		{
			case SLM_CSV_RECORD:
			case SLM_CSV_BAD_QUOTE:
			case SLM_CSV_TOO_LONG:
				if (reader->headers.known)
				{
					what = read_row(reader, status, &record, row);
					if (what != READ_NOTHING)
						return what;
				}
				else if (!read_header(reader, status, &record))
					return SLM_READ_FAILED;
				break;
			case SLM_CSV_MORE:
				if (fill_window(reader))
					break;
				return reader->input_error != SLM_READ_ERROR_NONE ? input_failed(reader) : SLM_READ_MORE;
			case SLM_CSV_END:
				return end_object(reader);
		}
	}
}

bool
slm_reader_next_in_place(SlmReader *reader, SlmReadRow *row, SlmReadStatus *status)
{
	SlmRecord	record;

	if (!reader->headers.known || reader->error != SLM_READ_ERROR_NONE)
		return false;
	while (slm_csv_next_in_place(&reader->csv, &record))
	{
		*status = read_row(reader, SLM_CSV_RECORD, &record, row);
		if (*status != READ_NOTHING)
			return *status != SLM_READ_FAILED;
	}
	return false;
}
