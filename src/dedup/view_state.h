/*
 * view_state.h: which views are counted, as one backend knows it.
 *
 * The truth is the table sellometer.view_log, to which each applied batch adds.  What stands here is a cache of it: it is
 * brought up to date before each apply, and once more under the writer's lock, by reading the blocks that are newer than the
 * last one seen.  While a batch is being applied the cache is marked unusable; only after the commit is it usable again.
 * So a batch that is rolled back, for whatever reason, just makes the next apply read the log anew.
 *
 *                 from                                        head
 *   view log  -----|-------------------------------------------|
 *   cache          [ all views since `from`                    ]   (persistent)
 *   cache              [ only the batch's views ]                  (transient: a late or a single batch)
 */
#ifndef SLM_DEDUP_VIEW_STATE_H
#define SLM_DEDUP_VIEW_STATE_H

#include "postgres.h"
#include "compat.h"
#include "datatype/timestamp.h"
#include "dedup/checksum.h"
#include "dedup/overrides.h"
#include "guc.h"
#include "pure/batch.h"
#include "pure/thread.h"
#include "pure/viewlog.h"

/* sellometer.view_window, as times are counted. */
static inline int64
slm_view_window_usecs(void)
{
	return (int64) slm_view_window * USECS_PER_SEC;
}

typedef struct SlmViewState
{
	SlmHashKey	key;
	SlmChecksumKey checksum;	/* of what objects hold */
	SlmDictionary *dictionary;
	uint64		dictionaries;		/* how many there have been: what refers to offers of another one is void */
	Size		names_before;	/* memory of the dictionary when the batch at hand was begun */
	SlmOverrides *overrides;	/* that the dictionary uses */
	SlmViews	known;
	bool		persistent;		/* wanted: keep all of the window */
	bool		valid;			/* known holds all views since from that are in blocks up to last_seq */
	int64		too_many;		/* views since from of which the names did not fit into the dictionary: so many are not read again */
	TimestampTz from;
	int64		last_seq;
	int64		epoch;			/* sellometer.state.views_epoch when known was begun */

	/* of the batch at hand */
#ifdef USE_ASSERT_CHECKING
	const SlmBatch *prepared;
#endif
	bool		deduplicated;	/* its views are decided, and it has some */
	bool		cached;			/* it is decided by the persistent cache */
	TimestampTz batch_first;	/* span of its views */
	TimestampTz batch_last;
	int64		batch_seq;		/* blocks up to this one were looked through for it */
	TimestampTz head;			/* when that was done */
	double		upcoming;		/* set by the caller: how much more waits already, in batches like this one */

	/* from deduplicating on, until slm_view_state_end(): its part of the log, packed by a thread while others write */
	SlmThread	packing;
	const SlmBatch *batch;
	SlmViewList *lists;			/* room for those of the batch */
	SlmViewLogBlocks blocks;
	bool		packed;
	uint64		room;			/* in the cache, for so many views */
} SlmViewState;

/* The database's keys of fingerprints and checksums.  Needs SPI. */
extern void slm_keys_read(SlmHashKey *fingerprints, SlmChecksumKey *checksums);

/*
 * Make a state in the current memory context; its malloc'ed parts go when the context is reset.  Reads the hash key,
 * so it needs SPI.
 */
extern SlmViewState *slm_view_state_create(bool persistent);

/* Between batches: forget what is no longer needed, so that memory stays within sellometer.work_memory. */
extern void slm_view_state_trim(SlmViewState *state, TimestampTz head);

/* Between batches, with SPI: take up changes of sellometer.category_overrides and sellometer.dimensions. */
extern void slm_view_state_refresh(SlmViewState *state);

/*
 * Before the lock is taken: read what the batch's views are to be decided against.  This can take long (a cold start
 * reads the whole window), so it is done while others may write.
 */
extern void slm_view_state_prepare(SlmViewState *state, SlmBatch *batch, TimestampTz head);

/*
 * Under the lock: read what others have written since, decide the batch's views.  What goes to the log is packed from now on, in a
 * thread if it is much, so the dictionary must stay as it is until slm_view_state_end().  The state is invalid from now on,
 * until slm_view_state_committed().
 */
extern void slm_view_state_deduplicate(SlmViewState *state, SlmBatch *batch);

/* Under the lock, too: write to the view log what the views have come to. */
extern void slm_view_state_write(SlmViewState *state);

/* After deduplicating, whether that and all else went well or not: nothing is under way any more. */
extern void slm_view_state_end(SlmViewState *state);

/* The transaction that deduplicated has committed. */
extern void slm_view_state_committed(SlmViewState *state);

/* What tells an event from others of its session and product; slm_event_fingerprint(): see slm_fingerprint_of(). */
extern uint64 slm_event_key(const SlmViewState *state, const SlmEvent *event);
extern uint64 slm_event_fingerprint(const SlmViewState *state, const SlmEvent *event);

/* Its offer in the state's dictionary; SLM_NO_OFFER: its key is too long, so the row was rejected.  An error if out of memory. */
extern SlmOfferId slm_event_offer(SlmViewState *state, const SlmEvent *event);

#endif							/* SLM_DEDUP_VIEW_STATE_H */
