/*
 * segment.h: sums by key as bytes, to be read from end to end: some eight bytes a key, where a table's row has sixty with its index.
 *
 *   key           product: difference to the one before (zigzag varint); text: length (varint), bytes
 *   count         zigzag varint
 *   gmv           varint: cents, or if it is not whole ones 1/10000; times two, plus one if these are 1/10000; zigzag
 *
 * Varints as in Protocol Buffers: seven bits a byte, the lowest first, the top bit says that more follow.
 */
#ifndef SLM_PURE_SEGMENT_H
#define SLM_PURE_SEGMENT_H

#include <string.h>

#include "pure/types.h"
#include "pure/varint.h"

/* All zeroes is an empty one.  Free with slm_segment_free(). */
typedef struct SlmSegment
{
	unsigned char *data;
	size_t		len;
	size_t		room;
	int64_t		product;		/* the last key */
} SlmSegment;

/* What a segment has of one key. */
typedef struct SlmSegmentSum
{
	int64_t		product_id;
	SlmSlice	text;			/* in the segment's bytes */
	int64_t		count;
	SlmMoneySum gmv;
} SlmSegmentSum;

typedef struct SlmSegmentReader
{
	const unsigned char *at;
	const unsigned char *end;
	int64_t		product;
} SlmSegmentReader;

typedef enum SlmSegmentStatus
{
	SLM_SEGMENT_SUM,
	SLM_SEGMENT_END,
	SLM_SEGMENT_DAMAGED			/* the bytes are none that slm_segment_put…() wrote */
} SlmSegmentStatus;

/* Add what a product, or a text of less than 4 GB, has.  Products that ascend take least.  False if out of memory. */
extern bool slm_segment_put_product(SlmSegment *segment, int64_t product_id, int64_t count, SlmMoneySum gmv);
extern bool slm_segment_put_text(SlmSegment *segment, SlmSlice text, int64_t count, SlmMoneySum gmv);
extern void slm_segment_free(SlmSegment *segment);

/* Begin to read bytes, which must stay in place. */
extern SlmSegmentReader slm_segment_read(const void *data, size_t len);

/* The next sum, of a segment of products or of texts. */
extern SlmSegmentStatus slm_segment_next_product(SlmSegmentReader *reader, SlmSegmentSum *sum);
extern SlmSegmentStatus slm_segment_next_text(SlmSegmentReader *reader, SlmSegmentSum *sum);

/* --- of products, mostly --- */

/* The three numbers of a product, if they are in the next eight bytes: where each ends, as the bit that says that it does. */
typedef struct SlmSegmentBytes
{
	uint64_t	bytes;
	uint64_t	product;
	uint64_t	count;
	uint64_t	gmv;
} SlmSegmentBytes;

static inline bool
slm_segment_look(const SlmSegmentReader *reader, SlmSegmentBytes *look)
{
	if (reader->end - reader->at < (ptrdiff_t) sizeof(look->bytes))
		return false;
	memcpy(&look->bytes, reader->at, sizeof(look->bytes));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	look->bytes = __builtin_bswap64(look->bytes);
#endif
	look->product = ~look->bytes & UINT64_C(0x8080808080808080);
	look->count = look->product & (look->product - 1);
	look->gmv = look->count & (look->count - 1);
	return look->gmv != 0;
}

/* All bits up to the lowest one. */
static inline uint64_t
slm_bits_up_to(uint64_t bit)
{
	return bit ^ (bit - 1);
}

static inline int64_t
slm_segment_step(const SlmSegmentBytes *look)
{
	return slm_unzigzag(slm_join_sevens(look->bytes & slm_bits_up_to(look->product)));
}

static inline unsigned
slm_segment_length(const SlmSegmentBytes *look)
{
	return (unsigned) __builtin_ctzll(look->gmv) / 8 + 1;
}

/* What slm_segment_next_product() does, without a loop for each number if they are short. */
static inline SlmSegmentStatus
slm_segment_quick_product(SlmSegmentReader *reader, SlmSegmentSum *sum)
{
	SlmSegmentBytes look;

	if (!slm_segment_look(reader, &look))
		return slm_segment_next_product(reader, sum);
	reader->product = (int64_t) ((uint64_t) reader->product + (uint64_t) slm_segment_step(&look));
	sum->product_id = reader->product;
	sum->count = slm_unzigzag(slm_join_sevens((look.bytes & slm_bits_up_to(look.count)) >> (__builtin_ctzll(look.product) + 1)));
	sum->gmv = slm_narrow_money(slm_join_sevens((look.bytes & slm_bits_up_to(look.gmv)) >> (__builtin_ctzll(look.count) + 1)));
	reader->at += slm_segment_length(&look);
	return SLM_SEGMENT_SUM;
}

/* Pass over products before one, as long as they ascend and their numbers are short: some may be left. */
static inline void
slm_segment_pass_over(SlmSegmentReader *reader, int64_t before)
{
	SlmSegmentBytes look;
	uint64_t	left = before > reader->product ? (uint64_t) before - (uint64_t) reader->product : 0;

	while (slm_segment_look(reader, &look))
	{
		int64_t		step = slm_segment_step(&look);

		if (step <= 0 || (uint64_t) step >= left)
			break;
		left -= (uint64_t) step;
		reader->at += slm_segment_length(&look);
		reader->product += step;
	}
}

#endif							/* SLM_PURE_SEGMENT_H */
