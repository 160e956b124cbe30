/*
 * sort.h: sorting by an unsigned number.
 */
#ifndef SLM_PURE_SORT_H
#define SLM_PURE_SORT_H

#include "pure/types.h"

typedef struct SlmSortItem
{
	uint64_t	key;
	uint64_t	index;			/* whatever the caller wants to find again */
} SlmSortItem;

/*
 * Sort by key, stable, in time proportional to n for each 11 bits of the largest key (LSD radix sort).  spare has room for n
 * items, too; returns items or spare, whichever holds the result.
 */
extern SlmSortItem *slm_sort_with(SlmSortItem *items, SlmSortItem *spare, size_t n);

/* The same in place.  False if out of memory: nothing was moved then. */
extern bool slm_sort(SlmSortItem *items, size_t n);

#endif							/* SLM_PURE_SORT_H */
