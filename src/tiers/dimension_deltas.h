/*
 * dimension_deltas.h: the deltas of each dimension, one after the other.
 */
#ifndef SLM_TIERS_DIMENSION_DELTAS_H
#define SLM_TIERS_DIMENSION_DELTAS_H

#include "postgres.h"
#include "pure/deltas.h"

typedef struct SlmDimensionDeltas SlmDimensionDeltas;

/*
 * Begin to make the deltas of cells, whose wanted buckets are chosen, in a thread, while the caller does something else.  Cells and dictionary must
 * stay as they are until slm_dimension_deltas_end(), which the caller does in PG_FINALLY(): deltas stand in memory that an error would not
 * free.  In the current memory context.
 */
extern SlmDimensionDeltas *slm_dimension_deltas_begin(SlmCells *cells, const SlmDictionary *dictionary);

/*
 * Those of the next dimension, sorted by (partition, key, time, type); NULL after the last.  They are made by now, and a thread makes the
 * next.  They go with the next call.
 */
extern const SlmDeltas *slm_dimension_deltas_next(SlmDimensionDeltas *all, SlmDimension *dimension);

/* Nothing is left, nor the thread.  all may be NULL. */
extern void slm_dimension_deltas_end(SlmDimensionDeltas *all);

#endif							/* SLM_TIERS_DIMENSION_DELTAS_H */
