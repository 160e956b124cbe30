/*
 * apply.h: from a batch to committed rows.
 */
#ifndef SLM_INGEST_APPLY_H
#define SLM_INGEST_APPLY_H

#include "ingest/bulk.h"
#include "ingest/object.h"
#include "ingest/view_state.h"

/* What an apply did. */
typedef struct SlmApplied
{
	uint64		rows_written;	/* in all tables */
	double		wait_ms;		/* for the lock */
	double		held_ms;		/* from the lock to the return */
	TimestampTz head;			/* of all data, from now on */
} SlmApplied;

/*
 * Take the writer's lock: one for each database, held to the end of the transaction.  Everything that writes tiers or the
 * view log holds it.  Returns the wait in milliseconds.
 */
extern double slm_writer_lock(void);
/* While it is held: does anybody wait for it? */
extern bool slm_writer_lock_wanted(void);
/* Likewise, but give up at once; true if it is held. */
extern bool slm_writer_trylock(void);

/*
 * Take the lock of who writes to a bucket at or after the watermark of a tier, to the end of the transaction.  The writer's
 * lock may be held; it must not be taken after this one.
 */
extern void slm_rollup_lock(void);

/*
 * In a transaction whose caller has picked the objects: take the lock, decide the views, write the tiers, the view log,
 * the heads and the ledger.  replace and often: see slm_tier_write().
 */
extern SlmApplied slm_apply(SlmBatch *batch, SlmObject *objects, int nobjects, SlmViewState *views, bool replace,
							const SlmMeanwhile *often);

/* Under the lock, as a part of that: write the batch's groups to all tiers.  Returns the number of rows written. */
extern uint64 slm_write_tiers(const SlmBatch *batch, TimestampTz head, bool replace);

#endif							/* SLM_INGEST_APPLY_H */
