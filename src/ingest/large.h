/*
 * large.h: objects of more rows than a chunk, loaded in parts.
 *
 * First the whole object is read once without counting anything, to see whether it is sound: an object fails whole or
 * not at all.  Then its parts are loaded, each in a transaction of its own that notes in the ledger how many rows are
 * committed.  Between two parts other objects have their turn.  The transfer stays open in between; after a restart the
 * rows that are committed are read again and passed over.  If-Match on the ETag sees to it that all is the same object.
 */
#ifndef SLM_INGEST_LARGE_H
#define SLM_INGEST_LARGE_H

#include "ingest/ingest.h"

/*
 * In the transaction of a batch: put the next part of the object into the batch and set its outcome.
 */
extern void slm_large_part(SlmIngest *ingest, SlmObject *object, const SlmClock *clock);

/* After slm_sources_refresh(): if the store has been opened anew, the transfer must go. */
extern void slm_large_check(SlmIngest *ingest);

/* Forget the large object under way; it will be taken up again where the ledger says. */
extern void slm_large_end(SlmIngest *ingest);

#endif							/* SLM_INGEST_LARGE_H */
