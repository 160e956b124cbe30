/*
 * bulk.h: many new rows for one table, as COPY inserts them.
 */
#ifndef SLM_INGEST_BULK_H
#define SLM_INGEST_BULK_H

#include "postgres.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"

typedef struct SlmBulk SlmBulk;

/*
 * Something small that is done now and then during long writes.  Whoever has it passes it down to those who write; it is kept
 * nowhere, so nobody comes upon it after an error.
 */
typedef struct SlmMeanwhile
{
	void		(*function) (void *arg);
	void	   *arg;
} SlmMeanwhile;

/* Do it, if it is not NULL. */
static inline void
slm_meanwhile(const SlmMeanwhile *meanwhile)
{
	if (meanwhile != NULL)
		meanwhile->function(meanwhile->arg);
}

/*
 * Begin.  The table has no triggers, and no constraints but its indexes and NOT NULL, which the caller keeps to.  A
 * duplicate key is an error.  meanwhile: done after each piece of rows, or NULL; it must outlive the insert.
 */
extern SlmBulk *slm_bulk_begin(Relation rel, const SlmMeanwhile *meanwhile);

/*
 * The next row: a slot whose values and nulls, all of which are false, the caller sets.  What values point to must live in
 * the current memory context, which this makes that of the row; slm_bulk_end() goes back to the one of slm_bulk_begin().
 */
extern TupleTableSlot *slm_bulk_row(SlmBulk *bulk);

/* Write what is left, and end.  Returns the number of rows. */
extern uint64 slm_bulk_end(SlmBulk *bulk);

/*
 * Instead of slm_bulk_begin() and slm_bulk_end(): a row whose key is there already is no error, but taken out again.  Cheaper than
 * to look first if such are few.  Whoever else changes the table must not insert keys meanwhile.  slm_bulk_end_new() returns how
 * many were taken out; *there, palloc'ed, are their numbers in the order of slm_bulk_row(), from 0.
 */
extern SlmBulk *slm_bulk_begin_new(Relation rel, const SlmMeanwhile *meanwhile);
extern uint32 slm_bulk_end_new(SlmBulk *bulk, uint32 **there);

#endif							/* SLM_INGEST_BULK_H */
