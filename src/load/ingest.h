/*
 * ingest.h: loading, as the worker and sellometer_ingest() share it.
 *
 *   discover (LIST -> ledger) --> batch: pick --> fetch and read --> [lock] apply [commit] --> next batch
 *
 * All calls need an SPI connection that is not atomic (SPI_OPT_NONATOMIC): each batch is a transaction of its own.
 */
#ifndef SLM_LOAD_INGEST_H
#define SLM_LOAD_INGEST_H

#include "load/load_batch.h"

/*
 * Begin, with what is known of views.  Without (NULL) a state is made that goes with the rest; persistent says whether it is to have the
 * whole view window in memory (for a backend that loads for long), or just what each batch needs.  Lives in the current memory context,
 * until slm_ingest_end() or the context's end.
 */
extern SlmIngest *slm_ingest_begin(SlmViewState *views, bool persistent);
extern void slm_ingest_end(SlmIngest *ingest);

/* Start parse workers, or stop them; it is no error if none can be had. */
extern void slm_ingest_set_surge(SlmIngest *ingest, bool surge);

/*
 * Load one batch of objects in the given state ("pending" or "backlog"), of one source or
 * of all (NULL).  A batch waits for the objects of each source for half a second at most; a source that is slower is then apart for a
 * while: its transfers go on beside, and what has come is loaded in a batch of its own, behind that of the others.  So is each
 * source of which several objects could not be read, but of that a few are tried now and then.
 * result->objects is 0 if none was due, or none of those that were has come (result->waiting).  What is wrong with objects is noted
 * in the ledger; an error is raised only where the whole server is in trouble (disk full, shutdown, cancel).
 */
extern void slm_ingest_batch(SlmIngest *ingest, const char *state, const char *source, SlmBatchResult *result);

/* Wait for so many milliseconds, or until the latch is set or one of the transfers that go on beside has come. */
extern void slm_ingest_wait(SlmIngest *ingest, long wait_ms);

#endif							/* SLM_LOAD_INGEST_H */
