/*
 * loader.h: what a process that loads keeps from batch to batch.
 */
#ifndef SLM_LOAD_LOADER_H
#define SLM_LOAD_LOADER_H

#include "dedup/view_state.h"
#include "ledger/object.h"
#include "ledger/source.h"
#include "pure/batch.h"

typedef struct SlmIngest
{
	MemoryContext context;		/* of all that outlives a batch */
	MemoryContext batch_context;	/* reset before each batch */
	SlmSources *sources;
	SlmViewState *views;
	SlmChunk	chunk;
	SlmBatch	batch;
	struct SlmLarge *large;		/* large objects of which parts are still to come, a list */
	struct SlmHeld *held;		/* transfers that go on beside the batches, a list */
	int			turn;			/* whose it is while there are large ones: see not_this_turn() */
	bool		late_last;		/* so it is the next time: see pick() */
	int64		last_large;		/* the one whose turn it was last */
	int64		large_id;		/* an object that is known to be large; 0 = none */
	struct SlmPool *pool;		/* parse workers, during a surge; else NULL */
	int64		late_bytes;		/* for a batch of backlog: as much as does not hold up live loading for long */
	bool		many;			/* so many wait, as far as is known, that slm_ledger_reach() can tell how far they go; of sources that are well */
	int			one_by_one;		/* a batch has failed: so many objects are loaded alone, to find the culprit */
} SlmIngest;

#endif							/* SLM_LOAD_LOADER_H */
