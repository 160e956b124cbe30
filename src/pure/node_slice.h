/*
 * node_slice.h: which products a node keeps.
 *
 * N nodes read the same objects, and node i of them keeps the rows of the products that PostgreSQL puts into partition i of N of a table
 * that is hash-partitioned by product_id: satisfies_hash_partition() says the same, so foreign tables of the nodes can be its partitions.
 *
 * Or each node reads objects of its own, which who writes them has divided so already: then nobody else keeps what is of another slice there.
 */
#ifndef SLM_PURE_NODE_SLICE_H
#define SLM_PURE_NODE_SLICE_H

#include "pure/types.h"

/* The most slices that products are divided into. */
#define SLM_MAX_SLICES	1024

/* Room for one as text: "1023/1024" and its end. */
#define SLM_SLICE_TEXT	10

/* Zero-initialised: all products. */
typedef struct SlmNodeSlice
{
	uint32_t	of;				/* so many slices there are; 0 or 1: products are not divided */
	uint32_t	number;			/* of this one, from 0 */
	bool		alone;			/* what is read is there for this node alone */
} SlmNodeSlice;

/* "i/N", of 0 <= i < N <= SLM_MAX_SLICES, or nothing at all for all products.  False if it is neither. */
extern bool slm_slice_parse(const char *text, SlmNodeSlice *slice);

/* Of so many slices, which one a product is in: from 0. */
extern uint32_t slm_slice_of(int64_t product_id, uint32_t of);

static inline bool
slm_is_sliced(SlmNodeSlice slice)
{
	return slice.of > 1;
}

/* Is a product another node's? */
static inline bool
slm_is_elsewhere(SlmNodeSlice slice, int64_t product_id)
{
	return slm_is_sliced(slice) && slm_slice_of(product_id, slice.of) != slice.number;
}

/* Rows that can't be used have no product: does the node that has this slice keep them? */
static inline bool
slm_keeps_rejects(SlmNodeSlice slice)
{
	return slice.number == 0 || slice.alone;
}

#endif							/* SLM_PURE_NODE_SLICE_H */
