/*
 * each_dimension.h: the deltas of each dimension, one after the other.
 */
#ifndef SLM_TIERS_EACH_DIMENSION_H
#define SLM_TIERS_EACH_DIMENSION_H

#include "bulkwrite/bulk.h"
#include "pure/deltas.h"

/* What is done with the deltas of each dimension, and, if not NULL, while those of the first are made. */
typedef struct SlmEachDimension
{
	const SlmCallback *once;
	void		(*callback) (SlmDimension dimension, const SlmDeltas *deltas, void *arg);
	void	   *arg;
} SlmEachDimension;

/*
 * Make the deltas of the cells, sorted by (partition, key, time, type), and call back with those of each dimension in turn, which are freed
 * then, while a thread makes those of the next.  After an error nothing of them is left, nor the thread.
 */
extern void slm_each_dimension(SlmCells *cells, const SlmCatalog *catalog, const SlmEachDimension *each);

#endif							/* SLM_TIERS_EACH_DIMENSION_H */
