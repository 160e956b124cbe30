/*
 * batch.h: the rows of some objects, grouped at the finest grain.
 *
 *   chunk rows --+-- view with a session, --> views  (fingerprint -> the earliest so far)
 *                |   event with an id
 *                +-- all else -------------> groups (minute, type, offer -> count)
 *   of them, those that tell about carts --> carts (folded by the caller: slm_carts_fold())
 *            those with a session -------> visits (likewise: slm_visits_take()), where they are wanted
 *
 * An event with an id is treated as a view is, and called one: only what its offer says of its line makes it count as what it is.
 * GMV needs no place in a group: an offer has one price.  Only when the writer holds the lock does it decide which views
 * count; slm_batch_deduplicate_views() then turns them into groups too.
 */
#ifndef SLM_PURE_BATCH_H
#define SLM_PURE_BATCH_H

#include "pure/carts.h"
#include "pure/groups.h"
#include "pure/views.h"
#include "pure/visits.h"

/* One event of a chunk, cleaned. */
typedef struct SlmChunkRow
{
	SlmTime		time;
	uint64_t	fingerprint;	/* of a view with a session, or an event with an id; else 0 */
	SlmOfferId	offer;
	uint32_t	type : 8;		/* SlmEventType */
	uint32_t	more : 24;		/* pieces beyond the first; of a view 0 */
} SlmChunkRow;

/* How much a row without a fingerprint counts. */
static inline int32_t
slm_row_pieces(const SlmChunkRow *row)
{
	return (int32_t) row->more + 1;
}

/* What became of the rows of one object. */
typedef struct SlmRowCounts
{
	uint64_t	counted;
	uint64_t	duplicate;
} SlmRowCounts;

typedef struct SlmBatch
{
	SlmDictionary *dictionary;		/* not owned */
	SlmGroups	groups;
	SlmGroups	second;			/* while a second thread deduplicates views: what it counts */
	SlmGroups	lines;			/* of groups, what was counted for events with ids when they were deduplicated */
	SlmViews	views;			/* owner = number of the object */
	SlmViewList *runs;			/* more views, whose fingerprints may stand in several runs and in views */
	uint32_t	nruns;
	uint32_t	maxruns;
	SlmCarts	carts;
	SlmVisits	visits;			/* added by the caller, as carts are */
	SlmRowCounts *counts;		/* by number of the object */
	uint32_t	nobjects;
	uint32_t	maxobjects;
	SlmView    *others;			/* views with other offers than the ones that count: see slm_batch_deduplicate_views() */
	uint32_t	nothers;
	uint32_t	maxothers;
	SlmTime		moves_from;		/* for deduplicating: what moves away from there on is among others, whatever its offer */
} SlmBatch;

extern void slm_batch_init(SlmBatch *batch, SlmDictionary *dictionary);
extern void slm_batch_free(SlmBatch *batch);

/*
 * Add the rows of one more object (or of the next chunk of it); all times are within SLM_BATCH_TIME_LIMIT of 2000.
 * The object gets the next number, from 0.  False if out of memory: the batch is then of no use.
 */
extern bool slm_batch_add(SlmBatch *batch, const SlmChunkRow *rows, size_t nrows);

/*
 * The pieces of slm_batch_add(), for rows that were grouped elsewhere: begin the next object (its number is
 * nobjects - 1 then), count events (by: how many), merge a view that was counted for an object and turns out to be a
 * duplicate where another object of the batch has it, add a run of such views.  False if out of memory.  The run belongs to
 * the batch from then on, in any case; it is deduplicated fastest in the order of its fingerprints.
 */
extern bool slm_batch_begin_object(SlmBatch *batch);
extern bool slm_batch_count(SlmBatch *batch, int32_t minute, SlmOfferId offer, uint8_t type, int32_t by);
extern bool slm_batch_merge_view(SlmBatch *batch, uint32_t object, uint64_t fingerprint, SlmTime time, SlmOfferId offer);
extern bool slm_batch_add_other(SlmBatch *batch, const SlmView *view);

/*
 * Count what an entry of a table of views stands for, once (1) or once less (-1): a view, or an event with an id, which is noted in lines
 * too.  False if out of memory.
 */
extern bool slm_batch_count_entry(SlmBatch *batch, const SlmView *view, int32_t sign);
extern bool slm_batch_add_run(SlmBatch *batch, SlmViewList *run);

/* Move the runs' views to the table of views, for those who look for some of them.  False if out of memory. */
extern bool slm_batch_gather(SlmBatch *batch);

/* The number of views in the table and in runs, and their earliest and latest times, if there are any. */
extern uint64_t slm_batch_views(const SlmBatch *batch);
/* About how many of them are of different fingerprints: judged by a part of these, and never more than there are views. */
extern uint64_t slm_batch_distinct_views(const SlmBatch *batch);
extern void slm_batch_view_span(const SlmBatch *batch, SlmTime *first, SlmTime *last);

/* Empty it, but keep its memory for the next use. */
extern void slm_batch_reset(SlmBatch *batch);

/*
 * Decide each view of the batch against those that are counted already (known): new ones count, earlier ones move the
 * count, the rest are duplicates.  Many runs are gone through by two threads.  Adds the outcome to the batch's groups and counts, and
 * to known.  Those that count have the owner SLM_VIEW_COUNTS then, and are to be written to the view log; all others have
 * SLM_VIEW_REPEATED.  False if out of memory.
 *
 * A session may see a product at several offers.  Of each, its earliest view counts now or did earlier, or is in others, in
 * whatever order and batches rows come: a view is dropped only for one of the same offer.  Where others has one of a
 * fingerprint, it also has what counts or did count: so the earliest of each can be told.  Events with ids are among them too, of which nobody wants to know that.
 */
extern bool slm_batch_deduplicate_views(SlmBatch *batch, SlmViews *known);

/* All views of the batch as lists, which it goes on to own, with free slots between; lists has room for nruns + 1.  Returns their number. */
extern uint32_t slm_batch_view_lists(const SlmBatch *batch, SlmViewList *lists);

extern size_t slm_batch_memory(const SlmBatch *batch);

/* The time that k of n others are not later than (0: the first of all); reorders them.  k < n. */
extern SlmTime slm_select_time(SlmTime *times, size_t n, size_t k);

/* The lower median of n times; reorders them.  n > 0. */
extern SlmTime slm_median_time(SlmTime *times, size_t n);

#endif							/* SLM_PURE_BATCH_H */
