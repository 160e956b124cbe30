/*
 * segment.c: see segment.h.
 */
#include "pure/segment.h"

#include <stdlib.h>
#include <string.h>

#include "pure/assert.h"

/* A key, a count and a sum: 10, 10 and 19 bytes at most. */
#define MAX_NUMBERS		40

#define CENT			100

static bool
make_room(SlmSegment *segment, size_t more)
{
	size_t		room = segment->room;
	unsigned char *data;

	if (segment->len + more <= room)
		return true;
	while (segment->len + more > room)
		room = room == 0 ? 64 : room + room / 2;
	data = realloc(segment->data, room);
	if (data == NULL)
		return false;
	segment->data = data;
	segment->room = room;
	return true;
}

static inline uint64_t
zigzag(int64_t value)
{
	return (uint64_t) value << 1 ^ (uint64_t) (value >> 63);
}

static inline int64_t
unzigzag(uint64_t value)
{
	return (int64_t) (value >> 1 ^ -(value & 1));
}

/* There is room. */
static inline void
put_varint(SlmSegment *segment, unsigned __int128 value)
{
	while (value >= 0x80)
	{
		segment->data[segment->len++] = (unsigned char) (value | 0x80);
		value >>= 7;
	}
	segment->data[segment->len++] = (unsigned char) value;
}

static inline void
put_sums(SlmSegment *segment, int64_t count, SlmMoneySum gmv)
{
	bool		is_whole = gmv % CENT == 0;
	SlmMoneySum value = is_whole ? gmv / CENT * 2 : gmv * 2 + 1;

	/* sums are below 2^63 prices of 10^16, so twice one fits, and once more for the sign */
	SLM_ASSERT(gmv < (SlmMoneySum) 1 << 124 && gmv > -((SlmMoneySum) 1 << 124));
	put_varint(segment, zigzag(count));
	put_varint(segment, (unsigned __int128) value << 1 ^ (unsigned __int128) (value >> 127));
}

bool
slm_segment_put_product(SlmSegment *segment, int64_t product_id, int64_t count, SlmMoneySum gmv)
{
	if (!make_room(segment, MAX_NUMBERS))
		return false;
	put_varint(segment, zigzag((int64_t) ((uint64_t) product_id - (uint64_t) segment->product)));
	segment->product = product_id;
	put_sums(segment, count, gmv);
	return true;
}

bool
slm_segment_put_text(SlmSegment *segment, SlmSlice text, int64_t count, SlmMoneySum gmv)
{
	if (!make_room(segment, MAX_NUMBERS + text.len))
		return false;
	put_varint(segment, text.len);
	if (text.len > 0)
		memcpy(segment->data + segment->len, text.data, text.len);
	segment->len += text.len;
	put_sums(segment, count, gmv);
	return true;
}

void
slm_segment_free(SlmSegment *segment)
{
	free(segment->data);
	*segment = (SlmSegment) {0};
}

SlmSegmentReader
slm_segment_read(const void *data, size_t len)
{
	SLM_ASSERT(data != NULL || len == 0);
	return (SlmSegmentReader) {.at = data,.end = len > 0 ? (const unsigned char *) data + len : data};
}

static inline bool
get_varint(SlmSegmentReader *reader, uint64_t *value)
{
	*value = 0;
	for (int shift = 0; shift < 64 && reader->at < reader->end; shift += 7)
	{
		unsigned char byte = *reader->at++;

		*value |= (uint64_t) (byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

static bool
get_long_varint(SlmSegmentReader *reader, unsigned __int128 *value)
{
	*value = 0;
	for (int shift = 0; shift < 128 && reader->at < reader->end; shift += 7)
	{
		unsigned char byte = *reader->at++;

		*value |= (unsigned __int128) (byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

/* Sums of money are mostly below 2^56, and eight bytes are read with one shift each. */
static inline bool
get_sums(SlmSegmentReader *reader, SlmSegmentSum *sum)
{
	const unsigned char *start;
	uint64_t	count;
	uint64_t	value;
	SlmMoneySum gmv;

	if (!get_varint(reader, &count))
		return false;
	start = reader->at;
	if (get_varint(reader, &value) && reader->at - start < 10)
		gmv = unzigzag(value);
	else
	{
		unsigned __int128 wide;

		reader->at = start;
		if (!get_long_varint(reader, &wide))
			return false;
		gmv = (SlmMoneySum) (wide >> 1 ^ -(wide & 1));
	}
	sum->count = unzigzag(count);
	/* the lowest bit of a negative number tells as well */
	sum->gmv = (gmv & 1) != 0 ? (gmv - 1) / 2 : gmv / 2 * CENT;
	return true;
}

SlmSegmentStatus
slm_segment_next_product(SlmSegmentReader *reader, SlmSegmentSum *sum)
{
	uint64_t	step;

	if (reader->at == reader->end)
		return SLM_SEGMENT_END;
	if (!get_varint(reader, &step))
		return SLM_SEGMENT_DAMAGED;
	reader->product = (int64_t) ((uint64_t) reader->product + (uint64_t) unzigzag(step));
	sum->product_id = reader->product;
	return get_sums(reader, sum) ? SLM_SEGMENT_SUM : SLM_SEGMENT_DAMAGED;
}

SlmSegmentStatus
slm_segment_next_text(SlmSegmentReader *reader, SlmSegmentSum *sum)
{
	uint64_t	len;

	if (reader->at == reader->end)
		return SLM_SEGMENT_END;
	if (!get_varint(reader, &len) || len > (uint64_t) (reader->end - reader->at))
		return SLM_SEGMENT_DAMAGED;
	sum->text = (SlmSlice) {(const char *) reader->at, (uint32_t) len};
	reader->at += len;
	return get_sums(reader, sum) ? SLM_SEGMENT_SUM : SLM_SEGMENT_DAMAGED;
}
