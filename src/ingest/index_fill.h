/*
 * index_fill.h: entries for a B-tree that is new and empty, in its order.
 */
#ifndef SLM_INGEST_INDEX_FILL_H
#define SLM_INGEST_INDEX_FILL_H

#include "postgres.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

typedef struct SlmIndexFill SlmIndexFill;

/* Begin, in the current memory context.  The index is unique, and nobody else can see it yet. */
extern SlmIndexFill *slm_index_fill_begin(Relation index);

/* The entry of a row, none of whose keys is NULL: it comes after all before it, in the order of the index. */
extern void slm_index_fill_add(SlmIndexFill *fill, const Datum *keys, const ItemPointerData *row);

/* Write what is left, the levels above, and where the root is. */
extern void slm_index_fill_end(SlmIndexFill *fill);

#endif							/* SLM_INGEST_INDEX_FILL_H */
