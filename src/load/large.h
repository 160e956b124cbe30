/*
 * large.h: objects of more rows than a chunk, loaded in parts.
 *
 * First the whole object is read once without counting anything, to see whether it is sound: an object fails whole or
 * not at all.  Then its parts are loaded, each in a transaction of its own that notes in the ledger how many rows are
 * committed.  Between two parts other objects have their turn.  The transfer stays open in between; after a restart the
 * rows that are committed are read again and passed over.  If-Match on the ETag sees to it that all is the same object.
 */
#ifndef SLM_LOAD_LARGE_H
#define SLM_LOAD_LARGE_H

#include "load/loader.h"

/*
 * In the transaction of a batch: read on for a turn of half a second at the most, and put the next part of the object into the batch, or
 * set what else became of it.  False if the turn ended before there was anything to say: the object stays as it is, and the next
 * call goes on; *starved says whether that was for want of bytes.  patient: the turn may wait for bytes.  One object
 * of each source can be under way: another one stays as it is, too.
 */
extern bool slm_large_part(SlmIngest *ingest, SlmObject *object, const SlmClock *clock, bool patient, bool *starved);

/* Is the object a large one, which has to wait for another one of its source that is under way? */
extern bool slm_large_must_wait(const SlmIngest *ingest, const SlmObject *object);

/* After slm_sources_refresh(): if the store has been opened anew, or nobody takes it up any more, the transfer must go. */
extern void slm_large_check(SlmIngest *ingest);

/* Those under way, by id; palloc'd. */
extern int	slm_large_ids(const SlmIngest *ingest, int64 **ids);

/* Is this one under way? */
extern bool slm_large_has(const SlmIngest *ingest, int64 id);

/* Forget the large objects under way; they will be taken up again where the ledger says. */
extern void slm_large_end(SlmIngest *ingest);

/* When their memory context is about to go. */
extern void slm_large_free_chunks(SlmIngest *ingest);

#endif							/* SLM_LOAD_LARGE_H */
