/*
 * rowset.c: numbers of rows of an object, as bytes.
 */
#include "pure/rowset.h"

#include <stdlib.h>

#include "pure/assert.h"

#define MAX_VARINT	10

static bool
put_run(SlmRowSet *set)
{
	uint64_t	values[2] = {set->first - set->end, set->run};

	SLM_ASSERT(set->first >= set->end && set->run > 0);

	if (set->size - set->len < 2 * MAX_VARINT)
	{
		size_t		size = set->size == 0 ? 256 : 2 * set->size;
		char	   *data = realloc(set->data, size);

		if (data == NULL)
			return false;
		set->data = data;
		set->size = size;
	}
	for (int i = 0; i < 2; i++)
	{
		for (; values[i] >= 0x80; values[i] >>= 7)
			set->data[set->len++] = (char) (values[i] | 0x80);
		set->data[set->len++] = (char) values[i];
	}
	set->end = set->first + set->run;
	set->run = 0;
	return true;
}

bool
slm_row_set_add(SlmRowSet *set, uint64_t row)
{
	SLM_ASSERT(row >= (set->run > 0 ? set->first + set->run : set->end));
	if (set->run > 0 && row == set->first + set->run)
	{
		set->run++;
		return true;
	}
	if (!slm_row_set_finish(set))
		return false;
	set->first = row;
	set->run = 1;
	return true;
}

bool
slm_row_set_finish(SlmRowSet *set)
{
	return set->run == 0 || put_run(set);
}

void
slm_row_set_free(SlmRowSet *set)
{
	free(set->data);
	*set = (SlmRowSet) {0};
}

void
slm_row_set_read(SlmRowSetReader *reader, const char *data, size_t len)
{
	*reader = (SlmRowSetReader) {.data = (const uint8_t *) data,.data_end = (const uint8_t *) data + len};
}

/* What is damaged ends early. */
static bool
get_varint(SlmRowSetReader *reader, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; reader->data < reader->data_end && shift < 64; shift += 7)
	{
		uint8_t		byte = *reader->data++;

		*value |= (uint64_t) (byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

static bool
next_run(SlmRowSetReader *reader)
{
	uint64_t	gap;
	uint64_t	run;

	if (!get_varint(reader, &gap) || !get_varint(reader, &run))
		return false;
	reader->first = reader->end + gap;
	reader->end = reader->first + run;
	return true;
}

bool
slm_row_set_next(SlmRowSetReader *reader, uint64_t *row)
{
	while (reader->first >= reader->end)
	{
		if (!next_run(reader))
			return false;
	}
	*row = reader->first++;
	return true;
}

bool
slm_row_set_has(SlmRowSetReader *reader, uint64_t row)
{
	while (row >= reader->end)
	{
		if (!next_run(reader))
			return false;
	}
	return row >= reader->first;
}
