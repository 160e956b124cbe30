/*
 * packed_rows.h: rows of a partition of a tier as bytes, in blocks: some eight bytes a row, where the table's has sixty to two hundred with its index.
 *
 * A block holds rows in the order of the primary key: key, time, event type.  Each is
 *
 *   head          varint: time as a number of units since the row before of the same key, or since the partition's start; times eight,
 *                 plus event type times two, plus one if the key is that of the row before
 *   key           if it is another. product: difference to the one before (zigzag varint); text: how many bytes of the one before
 *                 it begins with (varint), how many more there are (varint), those
 *   count         zigzag varint
 *   gmv           varint: cents, or if it is not whole ones 1/10000; times two, plus one if these are 1/10000; zigzag
 *
 * Varints as in segment.h.
 */
#ifndef SLM_PURE_PACKED_ROWS_H
#define SLM_PURE_PACKED_ROWS_H

#include "pure/types.h"

/* What a row takes at most but for the bytes of a text. */
#define SLM_PACKED_ROW_MAX	60

typedef struct SlmPackedRow
{
	int64_t		product_id;		/* of a dimension of products; or */
	SlmSlice	text;			/* up to SLM_MAX_KEY_BYTES */
	uint64_t	place;			/* (units since the partition's start) * 4 + event type; below 2^62 */
	int64_t		count;
	SlmMoneySum gmv __attribute__((packed, aligned(8)));	/* palloc() aligns to no more */
} SlmPackedRow;

/* The key of the row before. */
typedef struct SlmPackedLast
{
	bool		any;
	int64_t		product_id;
	uint64_t	place;
	uint32_t	len;
	char		text[SLM_MAX_KEY_BYTES];
} SlmPackedLast;

/* Where a block is put: the caller's room. */
typedef struct SlmPackedWriter
{
	unsigned char *data;
	size_t		room;
	size_t		len;
	bool		texts;
	SlmPackedLast last;
} SlmPackedWriter;

typedef struct SlmPackedReader
{
	const unsigned char *at;
	const unsigned char *end;
	bool		texts;
	SlmPackedLast last;
} SlmPackedReader;

typedef enum SlmPackedStatus
{
	SLM_PACKED_ROW,
	SLM_PACKED_END,
	SLM_PACKED_DAMAGED			/* the bytes are none that slm_packed_put() wrote */
} SlmPackedStatus;

/* Begin a block. */
extern void slm_packed_begin(SlmPackedWriter *writer, void *data, size_t room, bool texts);

/* Add a row, which comes after all before it.  False, and nothing changed, if there may be no room. */
extern bool slm_packed_put(SlmPackedWriter *writer, const SlmPackedRow *row);

/* Begin to read a block, which must stay in place. */
extern void slm_packed_read(SlmPackedReader *reader, const void *data, size_t len, bool texts);

/* The next row; its text lives in the reader, until the next call. */
extern SlmPackedStatus slm_packed_next(SlmPackedReader *reader, SlmPackedRow *row);

/* Less than, equal to, or greater than 0 as a row's key, or its key and place, are to another's. */
extern int	slm_packed_compare_keys(const SlmPackedRow *a, const SlmPackedRow *b, bool texts);
extern int	slm_packed_compare(const SlmPackedRow *a, const SlmPackedRow *b, bool texts);

#endif							/* SLM_PURE_PACKED_ROWS_H */
