/*
 * batch.c: group the rows of some objects.
 */
#include "pure/batch.h"

#include <stdlib.h>

#include "pure/dict.h"
#include "pure/memory.h"

#define MIN_SLOTS	1024
#define AHEAD		16			/* rows between the prefetch of a slot and its use */

void
slm_batch_init(SlmBatch *batch, SlmCatalog *catalog)
{
	*batch = (SlmBatch) {.catalog = catalog};
}

static void
free_runs(SlmBatch *batch)
{
	for (uint32_t i = 0; i < batch->nruns; i++)
		slm_view_list_free(&batch->runs[i]);
	batch->nruns = 0;
}

void
slm_batch_free(SlmBatch *batch)
{
	slm_table_free(batch->groups.groups, batch->groups.nslots, sizeof(SlmGroup));
	slm_views_free(&batch->views);
	free_runs(batch);
	free(batch->runs);
	slm_carts_free(&batch->carts);
	free(batch->counts);
	free(batch->others);
	*batch = (SlmBatch) {0};
}

static int32_t
minute_of(SlmTime time)
{
	return (int32_t) (time / SLM_USECS_PER_MIN - (time % SLM_USECS_PER_MIN < 0));
}

/* The slot where the search for a group begins. */
static inline uint64_t
group_slot(const SlmGroups *groups, int32_t minute, SlmOfferId offer, uint8_t type)
{
	uint64_t	h = ((uint64_t) offer << 32 | (uint32_t) minute << 2 | type) * UINT64_C(0x9E3779B97F4A7C15);

	h ^= h >> 29;
	return (uint64_t) (((unsigned __int128) (h * UINT64_C(0xBF58476D1CE4E5B9)) * groups->nslots) >> 64);
}

static SlmGroup *
find_slot(const SlmGroups *groups, int32_t minute, SlmOfferId offer, uint8_t type)
{
	for (uint64_t s = group_slot(groups, minute, offer, type);;)
	{
		SlmGroup   *group = &groups->groups[s];

		if (group->type == SLM_GROUP_FREE ||
			(group->offer == offer && group->minute == minute && group->type == type))
			return group;
		if (++s == groups->nslots)
			s = 0;
	}
}

static bool
grow_groups(SlmGroups *groups)
{
	SlmGroups	bigger = {.nslots = groups->nslots ? groups->nslots * 2 : MIN_SLOTS,.ngroups = groups->ngroups};

	bigger.groups = slm_table_alloc_dirty(bigger.nslots, sizeof(SlmGroup));
	if (bigger.groups == NULL)
		return false;
	for (uint64_t i = 0; i < bigger.nslots; i++)
		bigger.groups[i].type = SLM_GROUP_FREE;
	for (uint64_t i = 0; i < groups->nslots; i++)
	{
		const SlmGroup *group = &groups->groups[i];

		if (group->type != SLM_GROUP_FREE)
			*find_slot(&bigger, group->minute, group->offer, group->type) = *group;
	}
	slm_table_free(groups->groups, groups->nslots, sizeof(SlmGroup));
	*groups = bigger;
	return true;
}

bool
slm_batch_count(SlmBatch *batch, int32_t minute, SlmOfferId offer, uint8_t type, int32_t by)
{
	SlmGroups  *groups = &batch->groups;
	SlmGroup   *group;

	if (groups->ngroups >= groups->nslots / 4 * 3 && !grow_groups(groups))
		return false;
	group = find_slot(groups, minute, offer, type);
	if (group->type == SLM_GROUP_FREE)
	{
		*group = (SlmGroup) {.minute = minute,.offer = offer,.type = type};
		groups->ngroups++;
	}
	group->count += by;
	return true;
}

void
slm_batch_prefetch(const SlmBatch *batch, int32_t minute, SlmOfferId offer, uint8_t type)
{
	if (batch->groups.nslots > 0)
		__builtin_prefetch(&batch->groups.groups[group_slot(&batch->groups, minute, offer, type)], 1);
}

bool
slm_batch_add_other(SlmBatch *batch, const SlmView *view)
{
	if (!slm_grow((void **) &batch->others, batch->nothers, &batch->maxothers, sizeof(SlmView)))
		return false;
	batch->others[batch->nothers++] = *view;
	return true;
}

bool
slm_batch_merge_view(SlmBatch *batch, uint32_t object, uint64_t fingerprint, SlmTime time, SlmOfferId offer)
{
	bool		found;
	SlmView    *view = slm_views_add(&batch->views, fingerprint, &found);

	if (view == NULL)
		return false;
	if (!found)
	{
		view->time = time;
		view->offer = offer;
		view->owner = object;
		return true;
	}
	batch->counts[object].counted--;
	batch->counts[object].duplicate++;
	if (slm_view_is_earlier(batch->catalog, time, offer, view))
	{
		SlmView		other = *view;

		view->time = time;
		view->offer = offer;
		return offer == other.offer || slm_batch_add_other(batch, &other);
	}
	return offer == view->offer || slm_batch_add_other(batch, &(SlmView) {fingerprint, time, offer, 0});
}

bool
slm_batch_add_run(SlmBatch *batch, SlmViewList *run)
{
	bool		ok = slm_grow((void **) &batch->runs, batch->nruns, &batch->maxruns, sizeof(SlmViewList));

	if (ok)
		batch->runs[batch->nruns++] = *run;
	else
		slm_view_list_free(run);
	return ok;
}

bool
slm_batch_gather(SlmBatch *batch)
{
	if (!slm_views_reserve(&batch->views, slm_batch_views(batch)))
		return false;
	for (uint32_t r = 0; r < batch->nruns; r++)
	{
		const SlmViewList *run = &batch->runs[r];

		for (uint64_t i = 0; i < run->n; i++)
		{
			const SlmView *view = &run->views[i];

			if (i + AHEAD < run->n)
				slm_views_prefetch(&batch->views, view[AHEAD].fingerprint);
			if (!slm_batch_merge_view(batch, view->owner, view->fingerprint, view->time, view->offer))
				return false;
		}
	}
	free_runs(batch);
	return true;
}

uint64_t
slm_batch_views(const SlmBatch *batch)
{
	uint64_t	n = batch->views.nviews;

	for (uint32_t r = 0; r < batch->nruns; r++)
		n += batch->runs[r].n;
	return n;
}

static void
widen(const SlmView *views, uint64_t n, SlmTime *first, SlmTime *last)
{
	for (uint64_t i = 0; i < n; i++)
	{
		if (views[i].fingerprint == 0)
			continue;
		*first = views[i].time < *first ? views[i].time : *first;
		*last = views[i].time > *last ? views[i].time : *last;
	}
}

void
slm_batch_view_span(const SlmBatch *batch, SlmTime *first, SlmTime *last)
{
	*first = INT64_MAX;
	*last = INT64_MIN;
	widen(batch->views.slots, batch->views.nslots, first, last);
	for (uint32_t r = 0; r < batch->nruns; r++)
		widen(batch->runs[r].views, batch->runs[r].n, first, last);
}

bool
slm_batch_begin_object(SlmBatch *batch)
{
	if (!slm_grow((void **) &batch->counts, batch->nobjects, &batch->maxobjects, sizeof(SlmRowCounts)))
		return false;
	batch->counts[batch->nobjects++] = (SlmRowCounts) {0};
	return true;
}

void
slm_batch_reset(SlmBatch *batch)
{
	for (uint64_t i = 0; i < batch->groups.nslots; i++)
		batch->groups.groups[i].type = SLM_GROUP_FREE;
	batch->groups.ngroups = 0;
	if (batch->views.nslots > 0)
		memset(batch->views.slots, 0, batch->views.nslots * sizeof(SlmView));
	batch->views.nviews = 0;
	free_runs(batch);
	slm_carts_reset(&batch->carts);
	batch->nobjects = 0;
	batch->nothers = 0;
}

bool
slm_batch_add(SlmBatch *batch, const SlmChunkRow *rows, size_t nrows)
{
	uint32_t	object = batch->nobjects;

	if (!slm_batch_begin_object(batch))
		return false;
	for (size_t i = 0; i < nrows; i++)
	{
		const SlmChunkRow *row = &rows[i];

		if (i + AHEAD < nrows)
		{
			const SlmChunkRow *next = row + AHEAD;

			if (next->fingerprint != 0)
				slm_views_prefetch(&batch->views, next->fingerprint);
			else
				slm_batch_prefetch(batch, minute_of(next->time), next->offer, next->type);
		}
		batch->counts[object].counted++;
		if (row->fingerprint != 0 ? !slm_batch_merge_view(batch, object, row->fingerprint, row->time, row->offer)
			: !slm_batch_count(batch, minute_of(row->time), row->offer, row->type, 1))
			return false;
	}
	return true;
}

/*
 * Decide one view.  A view of this batch that it moves the count away from gives its place in the log to it; known remembers
 * the place as its owner.
 */
static bool
settle_view(SlmBatch *batch, const SlmView *view, SlmViews *known, SlmViewList *log)
{
	bool		found;
	SlmView    *counted = slm_views_add(known, view->fingerprint, &found);
	bool		logged;

	if (counted == NULL)
		return false;
	logged = found && counted->owner < log->n && log->views[counted->owner].fingerprint == view->fingerprint;
	if (found)
	{
		bool		moves = view->time < counted->time && counted->time >= batch->moves_from && !logged;

		batch->counts[view->owner].counted--;
		batch->counts[view->owner].duplicate++;
		if ((moves || view->offer != counted->offer) &&
			(!slm_batch_add_other(batch, view) || !slm_batch_add_other(batch, counted)))
			return false;
		if (!slm_view_is_earlier(batch->catalog, view->time, view->offer, counted))
			return true;
		if (!slm_batch_count(batch, minute_of(counted->time), counted->offer, SLM_VIEW, -1))
			return false;
	}
	counted->time = view->time;
	counted->offer = view->offer;
	if (!logged)
		counted->owner = (uint32_t) log->n++;
	log->views[counted->owner] = *view;
	return slm_batch_count(batch, minute_of(view->time), view->offer, SLM_VIEW, 1);
}

/* n views or free slots, in the order of their fingerprints. */
static bool
settle_list(SlmBatch *batch, const SlmView *views, uint64_t n, SlmViews *known, SlmViewList *log)
{
	for (uint64_t i = 0; i < n; i++)
	{
		const SlmView *view = &views[i];
		const SlmView *next = view + AHEAD;

		/* known is gone through from left to right, but with gaps; the groups are not */
		if (i + AHEAD < n && next->fingerprint != 0)
		{
			slm_views_prefetch(known, next->fingerprint);
			slm_batch_prefetch(batch, minute_of(next->time), next->offer, SLM_VIEW);
		}
		if (view->fingerprint == 0)
			continue;
		if (!settle_view(batch, view, known, log))
			return false;
	}
	return true;
}

bool
slm_batch_settle_views(SlmBatch *batch, SlmViews *known, SlmViewList *log)
{
	uint32_t	nothers = batch->nothers;
	bool		ok = slm_view_list_init(log, slm_batch_views(batch)) &&
		slm_views_reserve(known, known->nviews + batch->views.nviews) &&
		settle_list(batch, batch->views.slots, batch->views.nslots, known, log);

	for (uint32_t r = 0; ok && r < batch->nruns; r++)
		ok = settle_list(batch, batch->runs[r].views, batch->runs[r].n, known, log);
	/* of those that were found within the batch, what counts now */
	for (uint32_t i = 0; ok && i < nothers; i++)
		ok = slm_batch_add_other(batch, slm_views_find(known, batch->others[i].fingerprint));
	return ok;
}

size_t
slm_batch_memory(const SlmBatch *batch)
{
	size_t		runs = 0;

	for (uint32_t r = 0; r < batch->nruns; r++)
		runs += batch->runs[r].max * sizeof(SlmView);
	return batch->groups.nslots * sizeof(SlmGroup) + slm_views_memory(&batch->views) + runs +
		slm_carts_memory(&batch->carts) + batch->maxobjects * sizeof(SlmRowCounts) + batch->maxothers * sizeof(SlmView);
}

/* Hoare's quickselect with the middle element as pivot. */
SlmTime
slm_median_time(SlmTime *times, size_t n)
{
	size_t		k = (n - 1) / 2;
	size_t		lo = 0;
	size_t		hi = n - 1;

	while (lo < hi)
	{
		SlmTime		pivot = times[lo + (hi - lo) / 2];
		size_t		i = lo;
		size_t		j = hi;

		for (;;)
		{
			while (times[i] < pivot)
				i++;
			while (times[j] > pivot)
				j--;
			if (i >= j)
				break;

			SlmTime		t = times[i];

			times[i++] = times[j];
			times[j--] = t;
		}
		/* all of [lo, j] are <= pivot, all after j are >= it */
		if (k <= j)
			hi = j;
		else
			lo = j + 1;
	}
	return times[k];
}
