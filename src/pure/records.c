/*
 * records.c: whole CSV records out of a stream of bytes.
 *
 * csv.h hands out good records whole.  Of broken ones it gives but the first bytes; yet each call of slm_csv_next() uses up the window's bytes from csv.start before it to csv.start
 * after it, so what a broken row is made of is there to be picked up:
 *
 *   call:   | rest of a broken row, to its newline | empty lines | the next record |
 *           start before                                                          start after
 */
#include "pure/records.h"

#include <stdlib.h>
#include <string.h>

#include "pure/assert.h"
#include "pure/datetime.h"
#include "pure/header.h"
#include "pure/intake.h"
#include "pure/line.h"

struct SlmRecords
{
	SlmCsv		csv;
	SlmHeaders	headers;
	bool		has_first;		/* the first record was handed out */
	SlmTimeCache time_cache;
	SlmIntake	intake;
	SlmRecordsStatus error;		/* SLM_RECORDS_ROW: none */
	bool		ended;

	char	   *held;			/* a broken row whose end has not come yet */
	size_t		held_len;
	size_t		held_size;
	SlmSlice	begun;			/* the window's part of one that is to be held next; data NULL: none */

	SlmRawRecord found;
	bool		has_found;		/* and not handed out yet */
};

SlmRecords *
slm_records_create(bool archive, const SlmFormat *format)
{
	SlmRecords *records = calloc(1, sizeof(SlmRecords));

	if (records != NULL && (!slm_intake_init(&records->intake, NULL, format) || !slm_csv_init(&records->csv, slm_scan_best())))
	{
		slm_records_free(records);
		return NULL;
	}
	if (records != NULL)
		records->csv.trusted = archive;
	return records;
}

void
slm_records_free(SlmRecords *records)
{
	if (records == NULL)
		return;
	slm_csv_free(&records->csv);
	slm_intake_free(&records->intake);
	free(records->held);
	free(records);
}

void
slm_records_feed(SlmRecords *records, const void *bytes, size_t len, bool is_last)
{
	/* what was handed over before is used up, and there was to be more */
	SLM_ASSERT(records->intake.in_len == 0 && !records->intake.in_last);
	slm_intake_feed(&records->intake, bytes, len, is_last);
}

/* Move bytes into the window; false if more must be fed first, or if there is an error. */
static bool
fill_window(SlmRecords *records)
{
	size_t		taken;
	bool		ended;

	if (slm_intake_fill(&records->intake, slm_csv_room(&records->csv), &taken, &ended))
	{
		slm_csv_added(&records->csv, taken, ended);
		return true;
	}
	if (records->intake.error == SLM_READ_ERROR_MEMORY)
		records->error = SLM_RECORDS_MEMORY;
	else if (records->intake.error != SLM_READ_ERROR_NONE)
		records->error = SLM_RECORDS_DAMAGED;
	return false;
}

/* Add to the broken row that is held. */
static bool
hold(SlmRecords *records, const char *data, size_t len)
{
	if (records->held_len + len > SLM_RECORDS_LONGEST)
	{
		records->error = SLM_RECORDS_TOO_LONG;
		return false;
	}
	if (records->held_len + len > records->held_size)
	{
		size_t		size = 2 * (records->held_len + len);
		char	   *bigger = realloc(records->held, size);

		if (bigger == NULL)
		{
			records->error = SLM_RECORDS_MEMORY;
			return false;
		}
		records->held = bigger;
		records->held_size = size;
	}
	memcpy(records->held + records->held_len, data, len);
	records->held_len += len;
	return true;
}

static SlmRawRecord
broken_row(const char *data, size_t len)
{
	if (len > 0 && data[len - 1] == '\n')
		len--;
	if (len > 0 && data[len - 1] == '\r')
		len--;
	return (SlmRawRecord) {.text = {data, (uint32_t) len},.broken = true};
}

/* A broken row that csv has told of, the last thing between p and end: found, or begun if more of its line is to come. */
static void
find_broken(SlmRecords *records, const char *p, const char *end)
{
	while (p < end && (*p == '\n' || *p == '\r'))
		p++;
	if (records->csv.skipping)
		records->begun = (SlmSlice) {p, (uint32_t) (end - p)};
	else
	{
		records->found = broken_row(p, (size_t) (end - p));
		records->has_found = true;
	}
}

/* What a good record is; false if it is passed over. */
static bool
judge_record(SlmRecords *records, SlmRecord *record, SlmRawRecord *found)
{
	SlmReadErrorCode code;
	char		message[SLM_MESSAGE_SIZE];
	SlmTime		time;
	SlmLine		line = SLM_LINE_ROW;

	*found = (SlmRawRecord) {0};
	if (!records->has_first)
	{
		line = slm_headers_first(&records->headers, &records->csv, SLM_CSV_RECORD, record, &code, message);
		records->has_first = line != SLM_LINE_NOTHING;
		/* of an object without a header that can be used, the first record is it nevertheless */
		found->header = records->has_first;
	}
	else if (records->headers.known)
	{
		found->fits = record->nfields == records->csv.nfields;
		if (!found->fits || record->invalid_at >= 0 ||
			!slm_parse_time(record->field[SLM_COL_EVENT_TIME], &records->time_cache, &time))
			line = slm_headers_again(&records->headers, &records->csv, SLM_CSV_RECORD, record, &code, message);
		found->header = line == SLM_LINE_HEADER;
		found->fits = found->fits || line == SLM_LINE_SPLIT;
	}
	if (line == SLM_LINE_FAILED && code == SLM_READ_ERROR_MEMORY)
		records->error = SLM_RECORDS_MEMORY;
	found->text = record->raw;
	return line != SLM_LINE_NOTHING;
}

/*
 * One step of csv: what it has used up goes to the row that is held, what it has found to found or begun.  Sets *whole if
 * the row that is held is complete.
 */
static SlmCsvStatus
step(SlmRecords *records, bool *whole)
{
	SlmCsv	   *csv = &records->csv;
	size_t		before = csv->start;
	bool		was_skipping = csv->skipping;
	SlmRecord	record;
	SlmCsvStatus status = slm_csv_next(csv, &record);
	const char *p = csv->buf + before;
	const char *end = csv->buf + csv->start;

	*whole = false;
	if (was_skipping)
	{
		const char *rest = p + slm_line_length(p, (size_t) (end - p));
		bool		ends = rest < end;

		/* a CR at the end of the window stays there, so that here a newline follows it if there is one */
		if (ends)
			rest += *rest == '\r' && rest + 1 < end && rest[1] == '\n' ? 2 : 1;
		if (!hold(records, p, (size_t) (rest - p)))
			return status;
		*whole = ends || status == SLM_CSV_END;
		p = rest;
	}
	if (status == SLM_CSV_RECORD)
		records->has_found = judge_record(records, &record, &records->found);
	else if (status == SLM_CSV_BAD_QUOTE || status == SLM_CSV_TOO_LONG)
		find_broken(records, p, end);
	return status;
}

/* Begin to hold the row that was begun. */
static void
hold_begun(SlmRecords *records)
{
	records->held_len = 0;
	(void) hold(records, records->begun.data, records->begun.len);
	records->begun = (SlmSlice) {0};
}

SlmRecordsStatus
slm_records_next(SlmRecords *records, SlmRawRecord *record)
{
	for (;;)
	{
		bool		whole = false;
		SlmCsvStatus status = SLM_CSV_RECORD;

		if (records->begun.data != NULL)
			hold_begun(records);
		if (!records->has_found && records->error == SLM_RECORDS_ROW && !records->ended)
		{
			status = step(records, &whole);
			records->ended = status == SLM_CSV_END;
		}
		if (records->error != SLM_RECORDS_ROW)
			return records->error;
		if (whole)
		{
			*record = broken_row(records->held, records->held_len);
			return SLM_RECORDS_ROW;
		}
		if (records->has_found)
		{
			records->has_found = false;
			*record = records->found;
			return SLM_RECORDS_ROW;
		}
		if (records->ended)
			return SLM_RECORDS_END;
		if (status == SLM_CSV_MORE && !fill_window(records))
			return records->error != SLM_RECORDS_ROW ? records->error : SLM_RECORDS_MORE;
	}
}
