/*
 * segment.c: see segment.h.
 */
#include "pure/segment.h"

#include <stdlib.h>
#include <string.h>

#include "pure/assert.h"
#include "pure/varint.h"

/* A key, a count and a sum: 10, 10 and 19 bytes at most. */
#define MAX_NUMBERS		40

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

/* There is room. */
static inline void
put_varint(SlmSegment *segment, uint64_t value)
{
	segment->len = (size_t) (slm_put_varint(segment->data + segment->len, value) - segment->data);
}

static inline void
put_sums(SlmSegment *segment, int64_t count, SlmMoneySum gmv)
{
	/* sums are below 2^63 prices of 10^16, so twice one fits, and once more for the sign */
	SLM_ASSERT(gmv < (SlmMoneySum) 1 << 124 && gmv > -((SlmMoneySum) 1 << 124));
	put_varint(segment, slm_zigzag(count));
	segment->len = (size_t) (slm_put_money_varint(segment->data + segment->len, gmv) - segment->data);
}

bool
slm_segment_put_product(SlmSegment *segment, int64_t product_id, int64_t count, SlmMoneySum gmv)
{
	if (!make_room(segment, MAX_NUMBERS))
		return false;
	put_varint(segment, slm_zigzag((int64_t) ((uint64_t) product_id - (uint64_t) segment->product)));
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
get_sums(SlmSegmentReader *reader, SlmSegmentSum *sum)
{
	uint64_t	count;

	if (!slm_get_varint(&reader->at, reader->end, &count) || !slm_get_money_varint(&reader->at, reader->end, &sum->gmv))
		return false;
	sum->count = slm_unzigzag(count);
	return true;
}

SlmSegmentStatus
slm_segment_next_product(SlmSegmentReader *reader, SlmSegmentSum *sum)
{
	uint64_t	step;

	if (reader->at == reader->end)
		return SLM_SEGMENT_END;
	if (!slm_get_varint(&reader->at, reader->end, &step))
		return SLM_SEGMENT_DAMAGED;
	reader->product = (int64_t) ((uint64_t) reader->product + (uint64_t) slm_unzigzag(step));
	sum->product_id = reader->product;
	return get_sums(reader, sum) ? SLM_SEGMENT_SUM : SLM_SEGMENT_DAMAGED;
}

SlmSegmentStatus
slm_segment_next_text(SlmSegmentReader *reader, SlmSegmentSum *sum)
{
	uint64_t	len;

	if (reader->at == reader->end)
		return SLM_SEGMENT_END;
	if (!slm_get_varint(&reader->at, reader->end, &len) || len > (uint64_t) (reader->end - reader->at))
		return SLM_SEGMENT_DAMAGED;
	sum->text = (SlmSlice) {(const char *) reader->at, (uint32_t) len};
	reader->at += len;
	return get_sums(reader, sum) ? SLM_SEGMENT_SUM : SLM_SEGMENT_DAMAGED;
}
