/*
 * apply.h: from a batch to committed rows.
 */
#ifndef SLM_LOAD_APPLY_H
#define SLM_LOAD_APPLY_H

#include "bulkwrite/bulk.h"
#include "dedup/view_state.h"
#include "ledger/object.h"

/* What an apply did. */
typedef struct SlmApplied
{
	uint64		rows_written;	/* in all tables */
	double		wait_ms;		/* for the lock */
	double		held_ms;		/* from the lock to the return */
	TimestampTz head;			/* of all data, from now on */
} SlmApplied;

/*
 * In a transaction whose caller has picked the objects: take the lock, decide the views, write the tiers, the view log,
 * the heads and the ledger.  reach: where the head will be once what waits is loaded, as far as is known, or DT_NOBEGIN: what
 * tiers won't keep by then goes to coarser ones at once.  replace and often: see slm_tier_write().
 */
extern SlmApplied slm_apply(SlmBatch *batch, SlmObject *objects, int nobjects, SlmViewState *views, TimestampTz reach, bool replace,
							const SlmCallback *often);

/* Under the lock, as a part of that: write the batch's groups to all tiers.  Returns the number of rows written. */
extern uint64 slm_write_tiers(SlmBatch *batch, TimestampTz head, bool replace);

#endif							/* SLM_LOAD_APPLY_H */
