/*
 * decode_row.c: rows in the reader's words.
 */
#include "pure/decode_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pure/event.h"
#include "pure/line.h"

bool
slm_decode_put_lines(SlmDecode *decode, uint64_t n)
{
	bool		ok = true;

	for (; n > 0 && ok; n--)
		ok = slm_text_add(&decode->out, "\n", 1);
	return ok;
}

bool
slm_decode_put_cell(SlmDecode *decode, SlmSlice cell, bool first)
{
	SlmText    *out = &decode->out;

	if (!first && !slm_text_add(out, ",", 1))
		return false;
	for (uint32_t i = 0; i < cell.len; i++)
	{
		if (cell.data[i] == ',' || cell.data[i] == '"' || cell.data[i] == '\n' || cell.data[i] == '\r')
			return slm_text_add_quoted(out, cell);
	}
	return slm_text_add(out, cell.data, cell.len);
}

/* A value that the format can't make sense of, with what is wrong, so that it is none for the reader either. */
static bool
put_fault(SlmDecode *decode, SlmSlice value, const char *fault, bool first)
{
	char		cell[256];
	size_t		most = sizeof(cell) - strlen(fault) - 4;
	size_t		n = value.len < most ? value.len : most;

	/* not in the middle of a character */
	while (n < value.len && n > 0 && ((uint8_t) value.data[n] & 0xc0) == 0x80)
		n--;
	memcpy(cell, value.data, n);
	n += (size_t) snprintf(cell + n, sizeof(cell) - n, " (%s)", fault);
	return slm_decode_put_cell(decode, (SlmSlice) {cell, (uint32_t) n}, first);
}

/* Columns that are put together; where one of them is empty, nothing is there. */
static bool
put_joined(SlmDecode *decode, int role, bool first)
{
	SlmText		joined = {0};
	bool		ok = true;

	for (int i = 0; i < decode->format->role[role].nfields && ok; i++)
	{
		SlmSlice	part = slm_field_value(decode->cut.field[decode->part[role][i]]);

		if (part.len == 0)
		{
			joined.len = 0;
			break;
		}
		ok = (i == 0 || slm_text_add(&joined, "-", 1)) && slm_text_add(&joined, part.data, part.len);
	}
	ok = ok && slm_decode_put_cell(decode, (SlmSlice) {joined.data, (uint32_t) joined.len}, first);
	free(joined.data);
	return ok;
}

static bool
put_time(SlmDecode *decode, SlmSlice value, bool first)
{
	SlmTime		time;
	const char *fault = slm_trim(value).len == 0 ? NULL : slm_format_time(decode->format, value, &time);
	char		text[32];

	if (fault != NULL)
		return put_fault(decode, value, fault, first);
	return slm_decode_put_cell(decode, (SlmSlice) {text, slm_trim(value).len == 0 ? 0 : (uint32_t) slm_format_put_time(time, text)}, first);
}

static bool
put_number(SlmDecode *decode, int role, SlmSlice value, bool first)
{
	char		text[SLM_MAX_NUMBER + 8];
	size_t		len;
	const char *fault = slm_format_number(decode->format, role == SLM_COL_PRICE, value, text, &len);

	if (fault != NULL)
		return put_fault(decode, value, fault, first);
	return slm_decode_put_cell(decode, (SlmSlice) {text, (uint32_t) len}, first);
}

static bool
put_event(SlmDecode *decode, SlmSlice value, bool first)
{
	int			type;

	if (slm_format_event(decode->format, value, &type) && type >= 0)
		value = (SlmSlice) {slm_event_type_name((SlmEventType) type), (uint32_t) strlen(slm_event_type_name((SlmEventType) type))};
	return slm_decode_put_cell(decode, value, first);
}

/* A text goes out with a mark, so that the reader takes it for one; what is nothing is none. */
static bool
put_product(SlmDecode *decode, SlmSlice value, bool first)
{
	SlmSlice	sku = slm_field_value(value);
	SlmText		marked = {0};
	int64_t		number;
	bool		ok;

	if (sku.len == 0 || slm_sku_is_number(sku, &number))
		return slm_decode_put_cell(decode, value, first);
	ok = slm_text_add(&marked, SLM_SKU_MARK, sizeof(SLM_SKU_MARK) - 1) && slm_text_add(&marked, sku.data, sku.len) &&
		slm_decode_put_cell(decode, (SlmSlice) {marked.data, (uint32_t) marked.len}, first);
	free(marked.data);
	return ok;
}

/* One role of the record; it has one. */
static bool
put_role(SlmDecode *decode, int role, bool first)
{
	const SlmFormatRole *of = &decode->format->role[role];
	SlmSlice	value;

	if (of->constant == NULL && of->nfields > 1)
		return put_joined(decode, role, first);
	if (of->constant != NULL)
		value = (SlmSlice) {of->constant, (uint32_t) strlen(of->constant)};
	else
		value = decode->cut.field[decode->part[role][0]];
	if (role == SLM_COL_EVENT_TIME)
		return put_time(decode, value, first);
	if (role == SLM_COL_PRICE || role == SLM_ROLE_QUANTITY)
		return put_number(decode, role, value, first);
	if (role == SLM_COL_EVENT_TYPE)
		return put_event(decode, value, first);
	if (role == SLM_COL_PRODUCT_ID && decode->format->text_products)
		return put_product(decode, value, first);
	return slm_decode_put_cell(decode, value, first);
}

/* Does the event have nothing to do with the format? */
static bool
is_ignored(const SlmDecode *decode)
{
	const int	field = decode->part[SLM_COL_EVENT_TYPE][0];
	int			type;

	return decode->format->role[SLM_COL_EVENT_TYPE].constant == NULL && field >= 0 && (uint32_t) field < decode->cut.nfields &&
		slm_format_event(decode->format, decode->cut.field[field], &type) && type < 0;
}

/* A record that has not as many fields as the header: as many too few or too many go out. */
static bool
put_uneven(SlmDecode *decode)
{
	int64_t		wanted = (int64_t) decode->nout + decode->cut.nfields - decode->nfields;
	uint32_t	n = wanted < 1 ? 1 : (uint32_t) wanted;

	for (uint32_t i = 0; i < n; i++)
	{
		SlmSlice	cell = i < decode->cut.nfields ? decode->cut.field[i] : (SlmSlice) {"?", 1};

		if (i + 1 == n && slm_trim(cell).len == 0)
			cell = (SlmSlice) {"?", 1};
		if (!slm_decode_put_cell(decode, cell, i == 0))
			return false;
	}
	return slm_decode_put_lines(decode, 1);
}

bool
slm_decode_put_row(SlmDecode *decode)
{
	uint32_t	n = 0;

	if (is_ignored(decode))
	{
		decode->ignored++;
		return slm_decode_put_lines(decode, decode->cut.lines + 1);
	}
	/* empty ones behind the header's say nothing */
	while (decode->cut.nfields > decode->nfields && slm_trim(decode->cut.field[decode->cut.nfields - 1]).len == 0)
		decode->cut.nfields--;
	if (decode->cut.nfields != decode->nfields)
		return put_uneven(decode);
	for (int r = 0; r < SLM_ROLES; r++)
	{
		if (decode->format->role[r].constant == NULL && decode->part[r][0] < 0)
			continue;
		if (!put_role(decode, r, n++ == 0))
			return false;
	}
	for (uint32_t i = 0; i < decode->nothers; i++)
	{
		if (!slm_decode_put_cell(decode, decode->cut.field[decode->others[i]], n++ == 0))
			return false;
	}
	return slm_decode_put_lines(decode, 1);
}

/* A line without what a reader of CSV would see in it. */
static bool
put_plain(SlmDecode *decode, SlmSlice text)
{
	size_t		from = decode->out.len;

	if (!slm_text_add(&decode->out, text.data, text.len))
		return false;
	for (size_t i = from; i < decode->out.len; i++)
	{
		if (decode->out.data[i] == '"')
			decode->out.data[i] = '\'';
		else if (decode->out.data[i] == '\n' || decode->out.data[i] == '\r')
			decode->out.data[i] = ' ';
	}
	return slm_decode_put_lines(decode, 1);
}

bool
slm_decode_put_broken(SlmDecode *decode, SlmSlice text)
{
	/* text behind a closing quote */
	return slm_text_add(&decode->out, "\"\"", 2) && put_plain(decode, text);
}

bool
slm_decode_put_too_long(SlmDecode *decode, SlmSlice text)
{
	/* one more than the reader takes */
	if (text.len > SLM_MAX_RECORD + 1)
		text.len = SLM_MAX_RECORD + 1;
	return put_plain(decode, text) && slm_decode_put_lines(decode, decode->cut.lines);
}
