/*
 * decode.c: a file in a format of its own, record by record.
 */
#include "pure/decode_internal.h"

#include <stdlib.h>
#include <string.h>

#include "pure/line.h"
#include "pure/trim.h"

/* Ready to be searched from the end of what there was for the end of a record. */
#define LONGEST		((size_t) SLM_MAX_RECORD)

SlmDecode *
slm_decode_create(const SlmFormat *format)
{
	SlmDecode  *decode = calloc(1, sizeof(SlmDecode));

	if (decode == NULL)
		return NULL;
	decode->format = format;
	decode->transcoder.encoding = format->encoding;
	slm_cut_init(&decode->cut, format);
	return decode;
}

void
slm_decode_free(SlmDecode *decode)
{
	if (decode == NULL)
		return;
	slm_cut_free(&decode->cut);
	free(decode->in.data);
	free(decode->out.data);
	free(decode->header.data);
	free(decode->others);
	free(decode);
}

size_t
slm_decode_take(SlmDecode *decode, char *out, size_t room)
{
	size_t		n = decode->out.len - decode->out_at;

	if (n > room)
		n = room;
	if (n > 0)
		memcpy(out, decode->out.data + decode->out_at, n);
	decode->out_at += n;
	if (decode->out_at == decode->out.len)
		decode->out_at = decode->out.len = 0;
	return n;
}

bool
slm_decode_empty(const SlmDecode *decode)
{
	return decode->out.len == 0;
}

uint64_t
slm_decode_ignored(const SlmDecode *decode)
{
	return decode->ignored;
}

SlmReadErrorCode
slm_decode_error(const SlmDecode *decode, const char **message)
{
	*message = decode->message;
	return decode->error;
}

static bool
fail(SlmDecode *decode, SlmReadErrorCode code, const char *message)
{
	decode->error = code;
	strncpy(decode->message, message, sizeof(decode->message) - 1);
	return false;
}

/* Is this line, by itself, a row of the header? */
static bool
is_row(SlmDecode *decode, SlmSlice line)
{
	const int	time_field = decode->part[SLM_COL_EVENT_TIME][0];
	SlmTime		time;
	size_t		len;
	size_t		whole;

	return line.len > 0 && time_field >= 0 &&
		slm_cut_next(&decode->cut, line, true, LONGEST, &len, &whole) == SLM_CUT_RECORD && whole == line.len &&
		decode->cut.nfields == decode->nfields && slm_format_time(decode->format, decode->cut.field[time_field], &time) == NULL;
}

/*
 * Has a quote that nobody closed swallowed whole rows of the record?  The last line ends the quotes and looks like a row where a
 * field of several lines is the first of its row, so it says nothing.
 */
static bool
holds_row(SlmDecode *decode, SlmSlice record)
{
	while (record.len > 0)
	{
		size_t		len = slm_line_length(record.data, record.len);
		SlmSlice	line;

		if (len == record.len)
			return false;
		record.data += len + 1;
		record.len -= (uint32_t) len + 1;
		line = (SlmSlice) {record.data, (uint32_t) slm_line_length(record.data, record.len)};
		if (line.len < record.len && is_row(decode, line))
			return true;
	}
	return false;
}

/* A line before the header: of a comment, or of a spreadsheet's. */
static bool
is_prelude(const SlmDecode *decode, SlmSlice text)
{
	return !decode->format->no_header &&
		(*text.data == '#' || slm_trim(text).len == 0 || (text.len <= 5 && text.len >= 4 && slm_is_name((SlmSlice) {text.data, 4}, "sep=")));
}

/* The record that was cut. */
static bool
take_record(SlmDecode *decode, SlmSlice text)
{
	uint64_t	lines = decode->cut.lines + 1;

	if (decode->cut.nfields == 0 || (!decode->known && is_prelude(decode, text)))
		return slm_decode_put_lines(decode, lines);
	if (decode->known && text.len == decode->header.len && memcmp(text.data, decode->header.data, text.len) == 0)
		return slm_decode_put_lines(decode, lines);
	slm_cut_undo(&decode->cut);
	if (!decode->known || slm_decode_is_header(decode))
	{
		if (!slm_decode_take_header(decode, text))
			return false;
		if (!decode->format->no_header)
			return true;
	}
	return slm_decode_put_row(decode);
}

/* Of a line that is too long the rest is passed over; false if its end is not there yet. */
static bool
skip_rest(SlmDecode *decode)
{
	const char *p = decode->in.data + decode->in_at;
	size_t		left = decode->in.len - decode->in_at;
	size_t		len = slm_line_length(p, left);

	decode->in_at += len;
	if (len == left)
		return decode->ended;
	/* a newline behind the CR would be an empty line */
	if (p[len] == '\r' && len + 1 == left && !decode->ended)
		return false;
	decode->in_at += p[len] == '\r' && len + 1 < left && p[len + 1] == '\n' ? 2 : 1;
	decode->skipping = false;
	return true;
}

/* The line that can't be cut, or is too long. */
static bool
take_other(SlmDecode *decode, SlmCutStatus status, SlmSlice text, size_t whole)
{
	if (status == SLM_CUT_MEMORY)
		return fail(decode, SLM_READ_ERROR_MEMORY, "out of memory");
	decode->skipping = status == SLM_CUT_TOO_LONG && whole == text.len && !decode->ended;
	if (!decode->known && !decode->format->no_header && !is_prelude(decode, text))
		return fail(decode, SLM_READ_ERROR_NOT_CSV, status == SLM_CUT_BROKEN ? "the first line is no header: its quoting is broken"
					: "the first line is no header: it is over 1 MB long");
	return status == SLM_CUT_BROKEN ? slm_decode_put_broken(decode, text) : slm_decode_put_too_long(decode, text);
}

/* All records that are there. */
static bool
take_records(SlmDecode *decode)
{
	while (decode->in_at < decode->in.len)
	{
		SlmSlice	text = {decode->in.data + decode->in_at, (uint32_t) (decode->in.len - decode->in_at)};
		SlmCutStatus status;
		size_t		len;
		size_t		whole;

		if (decode->skipping)
		{
			if (!skip_rest(decode))
				return true;
			continue;
		}
		status = slm_cut_next(&decode->cut, text, decode->ended, LONGEST, &len, &whole);
		if (status == SLM_CUT_MORE)
			return true;
		if (status == SLM_CUT_RECORD && decode->cut.lines > 0 && decode->known)
		{
			if (holds_row(decode, (SlmSlice) {text.data, (uint32_t) len}))
			{
				status = SLM_CUT_BROKEN;
				len = slm_line_length(text.data, text.len);
				whole = len + (text.data[len] == '\r' && text.data[len + 1] == '\n' ? 2 : 1);
			}
			else
				status = slm_cut_next(&decode->cut, text, decode->ended, LONGEST, &len, &whole);
		}
		text.len = (uint32_t) len;
		if (!(status == SLM_CUT_RECORD ? take_record(decode, text) : take_other(decode, status, text, whole)))
			return decode->error == SLM_READ_ERROR_NONE ? fail(decode, SLM_READ_ERROR_MEMORY, "out of memory") : false;
		decode->in_at += whole;
	}
	return true;
}

bool
slm_decode_add(SlmDecode *decode, const void *bytes, size_t len, bool last)
{
	if (decode->error != SLM_READ_ERROR_NONE)
		return false;
	if (decode->in_at > 0)
	{
		decode->in.len -= decode->in_at;
		memmove(decode->in.data, decode->in.data + decode->in_at, decode->in.len);
		decode->in_at = 0;
	}
	if (!slm_transcode(&decode->transcoder, bytes, len, last, &decode->in))
		return fail(decode, SLM_READ_ERROR_MEMORY, "out of memory");
	decode->ended = last;
	return take_records(decode);
}
