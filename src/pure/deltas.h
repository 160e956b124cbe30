/*
 * deltas.h: from groups to the rows of a tier's tables.
 *
 *   groups --(bucket of the tier)--> cells (offer, bucket, type, count), once per tier
 *          --(key of a dimension)--> deltas, sorted by (partition, key, bucket, type): product, brand, category level 3
 *          --(parent of a key)-----> deltas of level 2, and from these of level 1: they are much fewer than the cells
 */
#ifndef SLM_PURE_DELTAS_H
#define SLM_PURE_DELTAS_H

#include "pure/batch.h"
#include "pure/granularity.h"
#include "pure/sort.h"

/* One bucket of time that the batch touches. */
typedef struct SlmBucket
{
	SlmTime		start;
	SlmTime		partition;		/* start of the partition that it is in */
	bool		wanted;			/* the caller may clear it: its cells are then passed over */
} SlmBucket;

typedef struct SlmCell
{
	SlmOfferId	offer;
	uint32_t	bucket;			/* index into buckets */
	int32_t		count;
	uint8_t		type;
} SlmCell;

/* What all cells of a bucket and type sum up to. */
typedef struct SlmTotal
{
	int64_t		count;
	SlmMoneySum gmv;
	int64_t		grown_count;	/* what grows, without what shrinks: no key grows by more */
} SlmTotal;

typedef struct SlmCells
{
	SlmBucket  *buckets;		/* ascending */
	uint32_t	nbuckets;
	SlmCell    *cells;
	uint64_t	ncells;
	bool		overflow;		/* of the groups: they tell nothing */
	SlmTotal   *totals;			/* by bucket and type; slm_deltas_make() of SLM_PRODUCT_ID fills them, for wanted buckets */

	/* the offers that the cells name, ascending, and the price of each by its number: found by the first slm_deltas_make() */
	SlmOfferId *offers;
	uint32_t	noffers;
	uint32_t	maxoffers;		/* of the dictionary then */
	SlmMoney   *prices;

	/* room to sort in, for as many items as cells could have been */
	uint64_t	maxcells;
	SlmSortItem *items;
	SlmSortItem *spare;
} SlmCells;

/* A signed change of one row. */
typedef struct SlmDelta
{
	SlmTime		time;			/* start of the bucket */
	SlmKeyId	key;
	uint32_t	bucket;			/* index into the cells' buckets */
	uint8_t		type;			/* SlmEventType */
	int64_t		count;
	SlmMoneySum gmv;
} SlmDelta;

typedef struct SlmDeltas
{
	SlmDelta   *rows;
	uint64_t	nrows;
	uint64_t	maxrows;
} SlmDeltas;

/* Find the buckets of the groups.  False if out of memory.  Free with slm_cells_free(). */
extern bool slm_cells_make(const SlmGroups *groups, SlmGranularity bucket, SlmGranularity partition, SlmCells *out);
extern void slm_cells_free(SlmCells *cells);

/*
 * The changes to the rows of one dimension, in the wanted buckets; none with both count and gmv 0.  Uses the cells' room.  False
 * if out of memory (or, beyond any real batch, if keys x buckets pass 2^60).  Free with slm_deltas_free().
 */
extern bool slm_deltas_make(SlmCells *cells, const SlmDictionary *dictionary, SlmDimension dimension, SlmDeltas *out);

/* The same for category level 2 from the deltas of level 3 of the same cells, or for level 1 from those of level 2. */
extern bool slm_deltas_coarsen(const SlmDeltas *finer, SlmCells *cells, const SlmDictionary *dictionary,
							   SlmDimension dimension, SlmDeltas *out);
extern void slm_deltas_free(SlmDeltas *deltas);

#ifdef USE_ASSERT_CHECKING
/* Are they in the order of the tables' keys, partition after partition, each row once? */
extern bool slm_deltas_ascend(const SlmDeltas *deltas, const SlmDictionary *dictionary, SlmDimension dimension, SlmGranularity partition);
#endif

#endif							/* SLM_PURE_DELTAS_H */
