/*
 * line.c: single lines of text.
 */
#include "pure/line.h"

#include "pure/event.h"
#include "pure/sku.h"

size_t
slm_line_length(const char *data, size_t len)
{
	const char *newline = len == 0 ? NULL : memchr(data, '\n', len);
	const char *cr;

	if (newline != NULL)
		len = (size_t) (newline - data);
	cr = len == 0 ? NULL : memchr(data, '\r', len);
	return cr != NULL ? (size_t) (cr - data) : len;
}

/* The end of the quoted cell that begins at p; end if it is not closed. */
static const char *
quoted_end(const char *p, const char *end)
{
	for (p++; p < end; p++)
	{
		if (*p != '"')
			continue;
		if (p + 1 == end || p[1] != '"')
			return p + 1;
		p++;
	}
	return NULL;
}

bool
slm_line_cell(SlmSlice *rest, SlmSlice *cell, bool *sound)
{
	const char *begin = rest->data;
	const char *end;
	const char *p;

	if (begin == NULL)
		return false;
	end = begin + rest->len;
	p = begin < end && *begin == '"' ? quoted_end(begin, end) : begin;
	if (p == NULL || (p > begin && p < end && *p != ','))
	{
		*sound = false;
		p = begin;
	}
	if (p < end && *p != ',')
	{
		p = memchr(p, ',', (size_t) (end - p));
		if (p == NULL)
			p = end;
	}
	*cell = (SlmSlice) {begin, (uint32_t) (p - begin)};
	/* a comma at the very end has one more, empty cell behind it */
	rest->data = p < end ? p + 1 : NULL;
	rest->len = p < end ? (uint32_t) (end - p - 1) : 0;
	return true;
}

SlmSlice
slm_cell_inside(SlmSlice cell)
{
	if (cell.len >= 2 && cell.data[0] == '"' && cell.data[cell.len - 1] == '"')
		return (SlmSlice) {cell.data + 1, cell.len - 2};
	return cell;
}

/* literal: a quote that is not closed, or not at a field's end, is a character. */
static bool
is_row(const SlmCsv *csv, SlmSlice line, bool literal)
{
	SlmSlice	field[SLM_COLUMNS] = {{0}};
	SlmSlice	cell;
	SlmTimeCache cache = {0};
	SlmTime		time;
	SlmEventType type;
	SlmMoney	price;
	int64_t		product;
	bool		sound = true;
	size_t		n = 0;

	for (; slm_line_cell(&line, &cell, &sound); n++)
	{
		if (!sound && !literal)
			return false;
		if (n >= csv->nfields)
		{
			if (slm_trim(slm_cell_inside(cell)).len > 0)
				return false;
		}
		else if (csv->roles[n] < SLM_COLUMNS)
			field[csv->roles[n]] = slm_cell_inside(cell);
	}
	return n >= csv->least && slm_parse_time(field[SLM_COL_EVENT_TIME], &cache, &time) &&
		slm_parse_event_type(field[SLM_COL_EVENT_TYPE], &type) &&
		slm_product_of_field(field[SLM_COL_PRODUCT_ID], &product) && slm_parse_price(field[SLM_COL_PRICE], &price);
}

bool
slm_line_is_row(const SlmCsv *csv, SlmSlice line)
{
	return is_row(csv, line, false);
}

bool
slm_record_holds_row(const SlmCsv *csv, SlmSlice record)
{
	SlmSlice	first = {record.data, (uint32_t) slm_line_length(record.data, record.len)};
	SlmSlice	rest = {record.data + first.len, record.len - first.len};

	while (rest.len > 0)
	{
		uint32_t	len;

		/* between CR and newline there is an empty line, which is no row */
		rest.data++;
		rest.len--;
		len = (uint32_t) slm_line_length(rest.data, rest.len);
		if (is_row(csv, (SlmSlice) {rest.data, len}, false))
			return len < rest.len || is_row(csv, first, true);
		rest.data += len;
		rest.len -= len;
	}
	return false;
}
