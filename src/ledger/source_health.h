/*
 * source_health.h: sources that can't be read for a while, and the objects that wait for them.
 *
 * Each failed attempt doubles an object's delay, up to an hour; so an object that has met a long failure of its source
 * would wait on long after that is over.  And whoever waits for an answer of such a source keeps the others waiting, as
 * one process loads them all.  Here is what makes the former come sooner, and the latter not wait for long.
 */
#ifndef SLM_LEDGER_SOURCE_HEALTH_H
#define SLM_LEDGER_SOURCE_HEALTH_H

#include "ledger/object.h"
#include "ledger/source.h"

/* So many objects in a row that could not be read say that it is their source that can't be. */
#define SLM_STRIKES	3

/* Before a batch. */
extern void slm_source_health_begin(SlmSources *sources);

/*
 * Before what became of a batch's objects is recorded: an attempt counts only if the source was well, that is if it can be listed, and
 * another object could be read or too few were tried to tell.
 */
extern void slm_source_health_excuse(SlmSources *sources, SlmObject *objects, int n);

/* Is it time to try objects of a source that is unreadable?  In a transaction with SPI. */
extern bool slm_source_health_probe(SlmSource *source);

/* Should more objects of the source be read in this batch?  Not if some in a row could not be. */
extern bool slm_source_health_may_read(const SlmSource *source);

/* Has what a transfer brings come, within what patience the source has left in this batch?  source may be NULL: always. */
extern bool slm_source_health_has_come(SlmSource *source, SlmTransfer *transfer);

/* An object was read, or could not be.  source may be NULL. */
extern void slm_source_health_was_read(SlmSource *source, const SlmObject *object);

/* The source's objects don't come soon: for a while they are loaded as they come, apart from those of others.  source may be NULL. */
extern void slm_source_health_set_apart(SlmSource *source);

/*
 * After a batch, in its transaction: what its objects tell about their sources.  One that was read after others could not
 * be shows that the source is back, and all that wait for it are due, those that were given up included.
 */
extern void slm_source_health_judge(SlmSources *sources, const SlmObject *objects, int n);

/*
 * Is it time to list the source?  Always, if the last list was well.  If not, no longer than a fifth of the time is spent
 * on it, and mostly with little patience; now and then with all of it, for a source that is just slow.
 */
extern bool slm_source_health_may_list(SlmSource *source);

/*
 * After a list of the source that took so many microseconds, in its transaction and before its row is written.  If its row holds an error and the list is
 * well, all that wait for it or were given up are due, and their attempts don't count.  If none of its objects can be read, one of them is due
 * once in a while as a probe, and that attempt doesn't count.
 */
extern void slm_source_health_listed(SlmSource *source, bool ok, int64 took);

#endif							/* SLM_LEDGER_SOURCE_HEALTH_H */
