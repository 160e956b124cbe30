/*
 * sums.h: counts and sums by key of a dimension, added up in memory.
 */
#ifndef SLM_TIERS_SUMS_H
#define SLM_TIERS_SUMS_H

#include "postgres.h"
#include "pure/dictionary.h"
#include "pure/segment.h"

/* What a key has; keys are numbered from 0. */
typedef struct SlmKeySum
{
	int64		product_id;		/* of SLM_PRODUCT_ID */
	int64		count;
	int128		gmv;			/* in 1/10000 */
} SlmKeySum;

typedef struct SlmHeldSegment
{
	bytea	   *bytes;
	SlmSegmentReader reader;
} SlmHeldSegment;

typedef struct SlmSums
{
	SlmDimension dimension;
	int64	   *ids;			/* of SLM_PRODUCT_ID: the first keys, ascending, and one greater than all of them ... */
	uint32	   *numbers;		/* ... and their numbers */
	uint32		indexed;		/* so many */
	struct products_hash *products; /* numbers the others ... */
	uint64		seed;			/* ... by hashes with this */
	SlmDictionary *dictionary;	/* of other dimensions */
	uint32		n;
	uint32		room;
	SlmKeySum  *keys;			/* by number; may move when one is added */
	Size		limit;			/* the caller may set it: from so many bytes on nothing is added any more ... */
	bool		over;			/* ... and what was is of no use; 0: no limit */
	bool		closed;			/* slm_sums_close() */
	bool		loose;			/* some of the keys are neither in the index nor in the table: slm_sums_index() */
	SlmHeldSegment *held;		/* segments that wait for slm_sums_sweep() */
	int			nheld;
	int			held_room;
	Size		held_bytes;
	MemoryContextCallback callback;
} SlmSums;

/* None yet; in the current memory context, and what is malloc'ed goes with it. */
extern SlmSums *slm_sums_create(SlmDimension dimension);

/* The number of a key, which has 0 and 0 if it is new: of SLM_PRODUCT_ID, of another dimension. */
extern uint32 slm_sums_product(SlmSums *sums, int64 product_id);
extern uint32 slm_sums_text(SlmSums *sums, SlmSlice text);

/* Of SLM_PRODUCT_ID: the number of a key if it has one. */
extern bool slm_sums_find_product(const SlmSums *sums, int64 product_id, uint32 *number);

/* Of SLM_PRODUCT_ID: there will be no more keys; what segments and rows have of others is passed over. */
extern void slm_sums_close(SlmSums *sums);

/* Do they take more than their limit?  Sets over, too. */
extern bool slm_sums_check(SlmSums *sums);

/* The text of a key of another dimension than SLM_PRODUCT_ID. */
extern SlmSlice slm_sums_text_of(const SlmSums *sums, uint32 key);

/* Add what a segment of the dimension has, up to the limit; an error if these are no such bytes. */
extern void slm_sums_add_segment(SlmSums *sums, const void *bytes, Size len);

/* For sums_sweep.h: a product's hash; a key for one that is known to have none; all keys into the index; what is left of a segment. */
extern uint32 slm_sums_hash(const SlmSums *sums, int64 product_id);
extern uint32 slm_sums_new_product(SlmSums *sums, int64 product_id);
extern void slm_sums_index(SlmSums *sums);
extern void slm_sums_add_rest(SlmSums *sums, SlmSegmentReader *reader);

/* Sort n keys into the order of the tables' primary keys. */
extern void slm_sums_sort(const SlmSums *sums, SlmKeyId *keys, uint32 n);

/* Append what a key has to a segment: malloc'ed, an error if out of memory. */
extern void slm_sums_put(const SlmSums *sums, uint32 key, int64 count, int128 gmv, SlmSegment *segment);

/* All keys whose count is not 0, in their order, likewise. */
extern void slm_sums_put_all(const SlmSums *sums, SlmSegment *segment);

#endif							/* SLM_TIERS_SUMS_H */
