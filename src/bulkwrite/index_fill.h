/*
 * index_fill.h: a B-tree that is new and without pages, from its leaves.
 */
#ifndef SLM_BULKWRITE_INDEX_FILL_H
#define SLM_BULKWRITE_INDEX_FILL_H

#include "postgres.h"
#include "storage/block.h"
#include "utils/relcache.h"

typedef struct SlmIndexFill SlmIndexFill;

/* Begin, in the current memory context.  The index is unique, and nobody else can see it yet. */
extern SlmIndexFill *slm_index_fill_begin(Relation index);

/*
 * The next n leaves, from block BTREE_METAPAGE + 1 on, as slm_index_page_turn() leaves them: with high keys in full, which are cut
 * here.  They are written, see slm_page_writer_put() for how long they have to stay.
 */
extern void slm_index_fill_leaves(SlmIndexFill *fill, PGAlignedBlock *leaves, int n);

/* The last leaf: write it, the levels above, and where the root is. */
extern void slm_index_fill_end(SlmIndexFill *fill, PGAlignedBlock *last);

/* After an error, before memory goes. */
extern void slm_index_fill_abandon(SlmIndexFill *fill);

#endif							/* SLM_BULKWRITE_INDEX_FILL_H */
