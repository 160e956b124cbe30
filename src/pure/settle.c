/*
 * settle.c: which views of a batch count.
 *
 * The table of known views is in the order of fingerprints, so each half of it can be settled by a thread of its own.  A view that
 * finds its slot taken goes to one behind it: so those whose slots are right before an end of a half wait until both are done.
 *
 *    | first thread      | wait | second thread     | wait |
 *    0                          2^63                       2^64
 */
#include <stdlib.h>

#include "pure/batch.h"
#include "pure/thread.h"

#define AHEAD			16		/* views between the prefetch of a slot and its use */
#define HALF			(UINT64_C(1) << 63)
#define WAITING_SLOTS	65536	/* no search is ever as long, at the loads that a table has */
#define THREAD_VIEWS	200000	/* fewer are not worth a thread */

/* The views of a range of fingerprints, and what comes of them. */
typedef struct Part
{
	const SlmBatch *batch;
	SlmBatch   *others;			/* whose others it adds to */
	SlmViews   *known;
	uint64_t	first;			/* fingerprints from first to last */
	uint64_t	last;
	uint64_t	end;			/* slots of known before it are the part's alone; 0: all are, and it may grow */
	SlmGroups  *groups;
	SlmViewList *log;
	uint64_t   *repeated;		/* by object */
	uint64_t	added;			/* to known, which doesn't count them where it has an end */
	bool		ok;
} Part;

/*
 * Decide one view.  A view of this batch that it moves the count away from gives its place in the log to it; known remembers
 * the place as its owner.
 */
static bool
settle_view(Part *part, const SlmView *view)
{
	SlmViewList *log = part->log;
	bool		found;
	SlmView    *counted = part->end == 0 ? slm_views_add(part->known, view->fingerprint, &found)
		: slm_views_add_before(part->known, view->fingerprint, part->end, &found);
	bool		logged = false;

	if (counted == NULL)
		return false;
	if (found)
	{
		bool		earlier = slm_view_is_earlier(part->batch->catalog, view->time, view->offer, counted);
		bool		moves;

		/* only then, as it is somewhere in memory */
		if (earlier)
			logged = counted->owner < log->n && log->views[counted->owner].fingerprint == view->fingerprint;
		moves = view->time < counted->time && counted->time >= part->batch->moves_from && !logged;
		part->repeated[view->owner]++;
		if ((moves || !slm_is_same_offer(part->batch->catalog, view->offer, counted->offer)) &&
			(!slm_batch_add_other(part->others, view) || !slm_batch_add_other(part->others, counted)))
			return false;
		if (!earlier)
			return true;
		if (!slm_groups_count(part->groups, slm_minute_of(counted->time), counted->offer, SLM_VIEW, -1))
			return false;
	}
	else
		part->added += part->end != 0;
	counted->time = view->time;
	counted->offer = view->offer;
	if (!logged)
		counted->owner = (uint32_t) log->n++;
	log->views[counted->owner] = *view;
	return slm_groups_count(part->groups, slm_minute_of(view->time), view->offer, SLM_VIEW, 1);
}

static inline bool
is_in(const Part *part, uint64_t fingerprint)
{
	return fingerprint >= part->first && fingerprint <= part->last && fingerprint != 0;
}

/* n views or free slots, more or less in the order of their fingerprints. */
static bool
settle_list(Part *part, const SlmView *views, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
	{
		const SlmView *next = &views[i + AHEAD];

		/* known is gone through from left to right, but with gaps; the groups are not */
		if (i + AHEAD < n && is_in(part, next->fingerprint))
		{
			slm_views_prefetch(part->known, next->fingerprint);
			slm_groups_prefetch(part->groups, slm_minute_of(next->time), next->offer, SLM_VIEW);
		}
		if (is_in(part, views[i].fingerprint) && !settle_view(part, &views[i]))
			return false;
	}
	return true;
}

static void
settle_part(void *arg)
{
	Part	   *part = arg;
	const SlmBatch *batch = part->batch;

	part->ok = settle_list(part, batch->views.slots, batch->views.nslots);
	for (uint32_t r = 0; part->ok && r < batch->nruns; r++)
		part->ok = settle_list(part, batch->runs[r].views, batch->runs[r].n);
}

/* How many fingerprints share so many slots. */
static uint64_t
fingerprints_of(const SlmViews *views, uint64_t slots)
{
	return (uint64_t) (((unsigned __int128) slots << 64) / views->nslots);
}

/* What the second half has come to, into whole. */
static bool
take_over(Part *whole, const Part *half)
{
	bool		ok = slm_groups_add(whole->groups, half->groups);

	memcpy(whole->log->views + whole->log->n, half->log->views, half->log->n * sizeof(SlmView));
	whole->log->n += half->log->n;
	for (uint32_t i = 0; i < whole->batch->nobjects; i++)
		whole->repeated[i] += half->repeated[i];
	for (uint32_t i = 0; ok && i < half->others->nothers; i++)
		ok = slm_batch_add_other(whole->others, &half->others->others[i]);
	return ok;
}

/* Those that have waited, with the whole table at hand. */
static bool
settle_rest(Part *whole, uint64_t first, uint64_t last)
{
	whole->first = first;
	whole->last = last;
	settle_part(whole);
	return whole->ok;
}

/* Whole, by a thread beside this one for the second half. */
static bool
settle_by_two(Part *whole)
{
	uint64_t	waiting = fingerprints_of(whole->known, WAITING_SLOTS);
	SlmGroups	groups = {0};
	SlmViewList log = {0};
	SlmBatch	others = {0};
	Part		halves[2] = {*whole, *whole};
	SlmThread	thread;
	bool		ok;

	halves[0].last = HALF - waiting - 1;
	halves[0].end = slm_views_slot(whole->known, HALF);
	halves[1].first = HALF;
	halves[1].last = UINT64_MAX - waiting;
	halves[1].end = whole->known->nslots;
	halves[1].groups = &groups;
	halves[1].log = &log;
	halves[1].others = &others;
	halves[1].repeated = calloc((size_t) whole->batch->nobjects + 1, sizeof(uint64_t));
	ok = halves[1].repeated != NULL && slm_view_list_init(&log, whole->log->max);
	if (ok)
	{
		slm_thread_start(&thread, settle_part, &halves[1]);
		settle_part(&halves[0]);
		slm_thread_join(&thread);
		whole->known->nviews += halves[0].added + halves[1].added;
		ok = halves[0].ok && halves[1].ok && take_over(whole, &halves[1]) &&
			settle_rest(whole, halves[0].last + 1, HALF - 1) && settle_rest(whole, halves[1].last + 1, UINT64_MAX);
	}
	slm_groups_free(&groups);
	slm_view_list_free(&log);
	slm_batch_free(&others);
	free(halves[1].repeated);
	return ok;
}

bool
slm_batch_settle_views(SlmBatch *batch, SlmViews *known, SlmViewList *log)
{
	uint64_t	nviews = slm_batch_views(batch);
	uint32_t	nothers = batch->nothers;
	Part		whole = {.batch = batch,.others = batch,.known = known,.last = UINT64_MAX,.groups = &batch->groups,.log = log};
	bool		by_two = batch->nruns > 0 && nviews >= THREAD_VIEWS;

	/* who may not grow the table needs room for all; else it grows with what is new */
	if (!slm_view_list_init(log, nviews) ||
		!slm_views_reserve(known, known->nviews + (by_two ? nviews : batch->views.nviews)))
		return false;
	whole.repeated = calloc((size_t) batch->nobjects + 1, sizeof(uint64_t));
	if (whole.repeated == NULL)
		return false;
	if (by_two)
		whole.ok = settle_by_two(&whole);
	else
		settle_part(&whole);
	for (uint32_t i = 0; i < batch->nobjects; i++)
	{
		batch->counts[i].counted -= whole.repeated[i];
		batch->counts[i].duplicate += whole.repeated[i];
	}
	free(whole.repeated);
	/* of those that were found within the batch, what counts now */
	for (uint32_t i = 0; whole.ok && i < nothers; i++)
		whole.ok = slm_batch_add_other(batch, slm_views_find(known, batch->others[i].fingerprint));
	return whole.ok;
}
