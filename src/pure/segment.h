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

#include "pure/types.h"

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

#endif							/* SLM_PURE_SEGMENT_H */
