/*
 * columns.c: the rows of objects with different headers under one header.
 */
#include "pure/columns.h"

#include <stdlib.h>
#include <string.h>

#include "pure/csv.h"
#include "pure/line.h"
#include "pure/number.h"

bool
slm_text_add(SlmText *text, const char *data, size_t len)
{
	if (text->len + len > text->size)
	{
		size_t		size = 2 * (text->len + len) + 64;
		char	   *bigger = realloc(text->data, size);

		if (bigger == NULL)
			return false;
		text->data = bigger;
		text->size = size;
	}
	if (len > 0)
		memcpy(text->data + text->len, data, len);
	text->len += len;
	return true;
}

void
slm_columns_free(SlmColumns *columns)
{
	free(columns->names);
	free(columns->occurrences);
	slm_bytes_free(&columns->bytes);
	*columns = (SlmColumns) {0};
}

/* --- names --- */

static char
small(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c + ('a' - 'A')) : c;
}

static bool
same_name(SlmSlice a, SlmSlice b)
{
	if (a.len != b.len)
		return false;
	for (uint32_t i = 0; i < a.len; i++)
	{
		if (small(a.data[i]) != small(b.data[i]))
			return false;
	}
	return true;
}

/* The column of this name and occurrence, added if new; UINT32_MAX if out of memory.  likely: where it may stand. */
static uint32_t
column_of(SlmColumns *columns, SlmSlice name, uint32_t occurrence, uint32_t likely)
{
	if (likely < columns->n && columns->occurrences[likely] == occurrence && same_name(columns->names[likely], name))
		return likely;
	for (uint32_t c = 0; c < columns->n; c++)
	{
		if (columns->occurrences[c] == occurrence && same_name(columns->names[c], name))
			return c;
	}
	if (!slm_grow((void **) &columns->names, columns->n, &columns->max, sizeof(SlmSlice)) ||
		!slm_grow((void **) &columns->occurrences, columns->n, &columns->max_occurrences, sizeof(uint32_t)))
		return UINT32_MAX;
	columns->names[columns->n] = (SlmSlice) {slm_bytes_keep(&columns->bytes, name.data, name.len), name.len};
	columns->occurrences[columns->n] = occurrence;
	return columns->names[columns->n].data == NULL ? UINT32_MAX : columns->n++;
}

/* How often the name stands before field number i. */
static uint32_t
count_before(const SlmColumns *columns, const SlmSchema *schema, uint32_t i, SlmSlice name)
{
	uint32_t	count = 0;

	for (uint32_t j = 0; j < i; j++)
		count += same_name(columns->names[schema->column[j]], name);
	return count;
}

static bool
take_names(SlmColumns *columns, SlmSlice line, SlmSchema *schema)
{
	static const SlmSlice event_time = {"event_time", 10};
	SlmSlice	field;

	for (uint32_t i = 0; slm_csv_field(&line, &field); i++)
	{
		SlmSlice	name = slm_trim(field);

		schema->column[i] = column_of(columns, name, count_before(columns, schema, i, name), i);
		if (schema->column[i] == UINT32_MAX)
			return false;
		if (same_name(name, event_time))
			schema->time_field = i;
	}
	return true;
}

bool
slm_columns_take(SlmColumns *columns, SlmSlice header, SlmSchema *schema)
{
	char	   *copy = malloc(header.len + SLM_PAD);
	bool		ok;

	*schema = (SlmSchema) {.nfields = (uint32_t) slm_record_fields(header, NULL, 0)};
	schema->time_field = schema->nfields;
	schema->column = malloc((schema->nfields + 1) * sizeof(uint32_t));
	if (copy == NULL || schema->column == NULL)
	{
		free(copy);
		return false;
	}
	/* undoing quotes writes to the line */
	memcpy(copy, header.data, header.len);
	ok = take_names(columns, (SlmSlice) {copy, header.len}, schema);
	free(copy);
	return ok;
}

static bool
needs_quotes(SlmSlice name)
{
	for (uint32_t i = 0; i < name.len; i++)
	{
		if (memchr(",\"\r\n", name.data[i], 4) != NULL)
			return true;
	}
	return false;
}

bool
slm_text_add_quoted(SlmText *out, SlmSlice field)
{
	const char *p = field.data;
	const char *end = p + field.len;
	const char *quote;

	if (!slm_text_add(out, "\"", 1))
		return false;
	while ((quote = p < end ? memchr(p, '"', (size_t) (end - p)) : NULL) != NULL)
	{
		if (!slm_text_add(out, p, (size_t) (quote - p)) || !slm_text_add(out, "\"\"", 2))
			return false;
		p = quote + 1;
	}
	return slm_text_add(out, p, (size_t) (end - p)) && slm_text_add(out, "\"", 1);
}

bool
slm_columns_header(const SlmColumns *columns, SlmText *out)
{
	for (uint32_t c = 0; c < columns->n; c++)
	{
		SlmSlice	name = columns->names[c];

		if ((c > 0 && !slm_text_add(out, ",", 1)) ||
			!(needs_quotes(name) ? slm_text_add_quoted(out, name) : slm_text_add(out, name.data, name.len)))
			return false;
	}
	return slm_text_add(out, "\n", 1);
}

/* --- rows --- */

size_t
slm_record_fields(SlmSlice record, SlmSlice *fields, size_t max)
{
	size_t		n = 0;
	bool		sound;
	SlmSlice	field;

	for (; slm_line_cell(&record, &field, &sound); n++)
	{
		if (n < max)
			fields[n] = field;
	}
	for (size_t i = n; i < max; i++)
		fields[i] = (SlmSlice) {0};
	return n;
}

bool
slm_columns_row(const SlmColumns *columns, const SlmSchema *schema, SlmSlice record, SlmSlice *fields,
				SlmSlice *by_column, SlmText *out)
{
	(void) slm_record_fields(record, fields, schema->nfields);
	memset(by_column, 0, columns->n * sizeof(SlmSlice));
	for (uint32_t i = 0; i < schema->nfields; i++)
		by_column[schema->column[i]] = fields[i];
	for (uint32_t c = 0; c < columns->n; c++)
	{
		if ((c > 0 && !slm_text_add(out, ",", 1)) || !slm_text_add(out, by_column[c].data, by_column[c].len))
			return false;
	}
	return slm_text_add(out, "\n", 1);
}

bool
slm_single_field(SlmSlice row, SlmText *out)
{
	return slm_text_add_quoted(out, row) && slm_text_add(out, "\n", 1);
}

bool
slm_plain_row(SlmSlice record, SlmText *out)
{
	return slm_text_add(out, record.data, record.len) && slm_text_add(out, "\n", 1);
}
