/*
 * reader.c: the reader as callers see it: the header, and the counting.
 *
 *   fed bytes --[intake]--> csv's window --> record --> event or reject
 */
#include "pure/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pure/diagnose.h"
#include "pure/event.h"
#include "pure/intake.h"

struct SlmReader
{
	SlmReaderOptions options;
	SlmOwn		own;			/* that options.own points to, if there are some */
	SlmReaderStats stats;
	SlmTimeCache cache;
	SlmIntake	intake;			/* its error is raised when the rows before it have been handed out */
	SlmCsv		csv;
	SlmHeaders	headers;
	const SlmHashKey *products_key; /* names and SKUs are kept by it; NULL: they are not */
	SlmNames   *names;			/* NULL: none yet */
	SlmSkus    *skus;			/* NULL: they are not kept */
	uint64_t	bytes_passed;	/* of records that are no rows */
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
	reader->options.own = NULL;
	if (options->own != NULL && options->own->n > 0)
	{
		reader->own = *options->own;
		reader->options.own = reader->headers.own = &reader->own;
	}
	if (!slm_intake_init(&reader->intake, options->content_secret, options->format) || !slm_csv_init(&reader->csv, slm_scan_best()))
	{
		slm_reader_free(reader);
		return NULL;
	}
	reader->csv.trusted = options->archive;
	/* the header that it gets is no line of the file */
	if (options->format != NULL && options->format->no_header)
		reader->csv.line = 0;
	return reader;
}

void
slm_reader_free(SlmReader *reader)
{
	if (reader == NULL)
		return;
	slm_intake_free(&reader->intake);
	slm_csv_free(&reader->csv);
	slm_names_free(reader->names);
	slm_skus_free(reader->skus);
	free(reader);
}

const SlmOwn *
slm_reader_own(const SlmReader *reader)
{
	return reader->options.own;
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
	slm_intake_feed(&reader->intake, bytes, len, is_last);
	reader->stats.bytes_in += len;
}

void
slm_reader_use_rates(SlmReader *reader, SlmRates *rates)
{
	reader->options.rates = rates;
}

void
slm_reader_use_given(SlmReader *reader, const SlmSlice *given)
{
	reader->options.given = given;
}

bool
slm_reader_content(const SlmReader *reader, uint8_t *sum)
{
	if (reader->intake.content != NULL)
		slm_content_sum(reader->intake.content, sum);
	return reader->intake.content != NULL;
}

bool
slm_reader_keep_products(SlmReader *reader, const SlmHashKey *key, const SlmSlice *refused, int n)
{
	bool		ok = true;

	slm_names_free(reader->names);
	slm_skus_free(reader->skus);
	reader->names = NULL;
	reader->skus = NULL;
	reader->products_key = key;
	if (key == NULL)
		return true;
	reader->skus = slm_skus_create(key);
	for (int i = 0; i < n && reader->skus != NULL && ok; i++)
		ok = slm_skus_refuse(reader->skus, refused[i]);
	return ok && reader->skus != NULL;
}

const SlmSkus *
slm_reader_skus(const SlmReader *reader)
{
	return reader->skus;
}

SlmNames *
slm_reader_names(SlmReader *reader)
{
	return reader->names;
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

/* Move bytes into the window.  False if nothing changed, so that more must be fed. */
static bool
fill_window(SlmReader *reader)
{
	size_t		taken;
	bool		ended;

	if (!slm_intake_fill(&reader->intake, slm_csv_room(&reader->csv), &taken, &ended))
		return false;
	slm_csv_added(&reader->csv, taken, ended);
	reader->stats.bytes_csv += taken;
	reader->stats.rows_ignored = slm_intake_ignored(&reader->intake);
	return true;
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

/* An event that says what its product is called. */
static SlmReadStatus
note_name(SlmReader *reader, const SlmEvent *event)
{
	if (reader->products_key == NULL)
		return SLM_READ_EVENT;
	if (reader->names == NULL)
		reader->names = slm_names_create(reader->products_key);
	if (reader->names == NULL || !slm_names_note(reader->names, event->product_id, event->time, event->name))
		return fail(reader, SLM_READ_ERROR_MEMORY, "out of memory");
	return SLM_READ_EVENT;
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

	if ((reason == SLM_REJECT_NO_RATE && row->reject.column == SLM_COLUMNS) ||
		(reason == SLM_REJECT_SKU_TAKEN && slm_skus_failed(reader->skus)))
		return fail(reader, SLM_READ_ERROR_MEMORY, "out of memory");
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

static void
read_own(const SlmReader *reader, const SlmRecord *record, SlmEvent *event)
{
	for (uint32_t i = 0; i < reader->own.nvalues; i++)
	{
		int			known = reader->headers.own_known[i];

		if (reader->own.value[i].from == SLM_OWN_COLUMN)
			event->own[i] = record->field[known < 0 ? SLM_COLUMNS + (int) i : known];
		else
			event->own[i] = reader->options.given == NULL ? (SlmSlice) {"", 0} : reader->options.given[i];
	}
}

/* The columns behind the usual ones, and dimensions of a user's own. */
__attribute__((noinline))
static bool
read_more(SlmReader *reader, const SlmRecord *record, SlmReadRow *row)
{
	if (!slm_event_parse_more(record->field, &row->event, &row->reject))
		return false;
	if (reader->options.own != NULL)
		read_own(reader, record, &row->event);
	return row->event.currency.len == 0 || reader->options.rates == NULL ||
		slm_event_convert(record->field, reader->options.rates, &row->event, &row->reject);
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
	else if (slm_event_parse(record->field, &reader->cache, reader->options.latest, reader->skus, &row->event, reject))
	{
		if (reader->csv.ncolumns == SLM_USUAL_COLUMNS)
			return SLM_READ_EVENT;
		if (read_more(reader, record, row))
			return row->event.name.len == 0 || slm_is_taken(&row->event) ? SLM_READ_EVENT : note_name(reader, &row->event);
	}
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
	if (stats->rows_total == 0 && stats->rows_ignored == 0 && stats->bytes_csv > explained)
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
				if (reader->intake.error == SLM_READ_ERROR_NONE)
					return SLM_READ_MORE;
				return fail(reader, reader->intake.error, reader->intake.message);
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
