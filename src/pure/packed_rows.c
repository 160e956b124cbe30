/*
 * packed_rows.c: see packed_rows.h.
 */
#include "pure/packed_rows.h"

#include <string.h>

#include "pure/assert.h"
#include "pure/varint.h"

#define TYPES	4
#define MAX_PLACE	((uint64_t) 1 << 62)

void
slm_packed_begin(SlmPackedWriter *writer, void *data, size_t room, bool texts)
{
	writer->data = data;
	writer->room = room;
	writer->len = 0;
	writer->texts = texts;
	writer->last.any = false;
	writer->last.product_id = 0;
	writer->last.len = 0;
}

static uint32_t
shared(const SlmPackedLast *last, SlmSlice text)
{
	uint32_t	len = last->len < text.len ? last->len : text.len;
	uint32_t	n = 0;

	while (n < len && last->text[n] == text.data[n])
		n++;
	return n;
}

static bool
is_last(const SlmPackedWriter *writer, const SlmPackedRow *row)
{
	const SlmPackedLast *last = &writer->last;

	if (!last->any)
		return false;
	return writer->texts ? last->len == row->text.len && memcmp(last->text, row->text.data, row->text.len) == 0
		: last->product_id == row->product_id;
}

/* There is room. */
static unsigned char *
put_key(SlmPackedWriter *writer, unsigned char *to, const SlmPackedRow *row)
{
	SlmPackedLast *last = &writer->last;
	uint32_t	begins;

	if (!writer->texts)
	{
		to = slm_put_varint(to, slm_zigzag((int64_t) ((uint64_t) row->product_id - (uint64_t) last->product_id)));
		last->product_id = row->product_id;
		return to;
	}
	begins = shared(last, row->text);
	to = slm_put_varint(to, begins);
	to = slm_put_varint(to, row->text.len - begins);
	if (row->text.len > begins)
		memcpy(to, row->text.data + begins, row->text.len - begins);
	if (row->text.len > begins)
		memcpy(last->text + begins, row->text.data + begins, row->text.len - begins);
	last->len = row->text.len;
	return to + (row->text.len - begins);
}

bool
slm_packed_put(SlmPackedWriter *writer, const SlmPackedRow *row)
{
	bool		same = is_last(writer, row);
	unsigned char *to = writer->data + writer->len;
	uint64_t	units = row->place / TYPES - (same ? writer->last.place / TYPES : 0);

	SLM_ASSERT(row->place < MAX_PLACE);
	SLM_ASSERT(!same || row->place > writer->last.place);
	SLM_ASSERT(!writer->texts || row->text.len <= SLM_MAX_KEY_BYTES);
	if (writer->room - writer->len < SLM_PACKED_ROW_MAX + (writer->texts && !same ? row->text.len : 0))
		return false;
	to = slm_put_varint(to, (unsigned __int128) units * (2 * TYPES) + row->place % TYPES * 2 + same);
	if (!same)
		to = put_key(writer, to, row);
	to = slm_put_varint(to, slm_zigzag(row->count));
	to = slm_put_money_varint(to, row->gmv);
	writer->last.any = true;
	writer->last.place = row->place;
	writer->len = (size_t) (to - writer->data);
	SLM_ASSERT(writer->len <= writer->room);
	return true;
}

void
slm_packed_read(SlmPackedReader *reader, const void *data, size_t len, bool texts)
{
	SLM_ASSERT(data != NULL || len == 0);
	reader->at = data;
	reader->end = len > 0 ? (const unsigned char *) data + len : data;
	reader->texts = texts;
	reader->last.any = false;
	reader->last.product_id = 0;
	reader->last.len = 0;
}

static bool
get_key(SlmPackedReader *reader)
{
	SlmPackedLast *last = &reader->last;
	uint64_t	begins;
	uint64_t	more;

	if (!slm_get_varint(&reader->at, reader->end, &begins))
		return false;
	if (!reader->texts)
	{
		last->product_id = (int64_t) ((uint64_t) last->product_id + (uint64_t) slm_unzigzag(begins));
		return true;
	}
	if (!slm_get_varint(&reader->at, reader->end, &more) || begins > last->len || more > SLM_MAX_KEY_BYTES - begins ||
		more > (uint64_t) (reader->end - reader->at))
		return false;
	memcpy(last->text + begins, reader->at, more);
	reader->at += more;
	last->len = (uint32_t) (begins + more);
	return true;
}

SlmPackedStatus
slm_packed_next(SlmPackedReader *reader, SlmPackedRow *row)
{
	SlmPackedLast *last = &reader->last;
	uint64_t	head;
	uint64_t	count;
	uint64_t	units;
	SlmMoneySum gmv;
	bool		same;

	if (reader->at == reader->end)
		return SLM_PACKED_END;
	if (!slm_get_varint(&reader->at, reader->end, &head))
		return SLM_PACKED_DAMAGED;
	same = head & 1;
	units = head / (2 * TYPES);
	if (same ? !last->any : !get_key(reader))
		return SLM_PACKED_DAMAGED;
	if (same)
		units += last->place / TYPES;
	if (units >= MAX_PLACE / TYPES || !slm_get_varint(&reader->at, reader->end, &count) ||
		!slm_get_money_varint(&reader->at, reader->end, &gmv))
		return SLM_PACKED_DAMAGED;
	last->any = true;
	last->place = row->place = units * TYPES + (head / 2) % TYPES;
	row->product_id = last->product_id;
	row->text = (SlmSlice) {last->text, last->len};
	row->count = slm_unzigzag(count);
	row->gmv = gmv;
	return SLM_PACKED_ROW;
}

int
slm_packed_compare_keys(const SlmPackedRow *a, const SlmPackedRow *b, bool texts)
{
	if (texts)
	{
		uint32_t	len = a->text.len < b->text.len ? a->text.len : b->text.len;
		int			difference = len > 0 ? memcmp(a->text.data, b->text.data, len) : 0;

		return difference != 0 ? difference : (a->text.len > b->text.len) - (a->text.len < b->text.len);
	}
	return (a->product_id > b->product_id) - (a->product_id < b->product_id);
}

int
slm_packed_compare(const SlmPackedRow *a, const SlmPackedRow *b, bool texts)
{
	int			order = slm_packed_compare_keys(a, b, texts);

	return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}
