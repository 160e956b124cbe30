/*
 * batch.c: group the rows of some objects.
 */
#include "pure/batch.h"

#include <stdlib.h>

#include "pure/assert.h"
#include "pure/interner.h"
#include "pure/sort.h"

#define SAMPLE		64			/* one view in so many tells how many are repeated */

void
slm_batch_init(SlmBatch *batch, SlmDictionary *dictionary)
{
	*batch = (SlmBatch) {.dictionary = dictionary,.visits.wanted = true};
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
	slm_groups_free(&batch->groups);
	slm_groups_free(&batch->second);
	slm_groups_free(&batch->lines);
	slm_views_free(&batch->views);
	free_runs(batch);
	free(batch->runs);
	slm_carts_free(&batch->carts);
	slm_visits_free(&batch->visits);
	free(batch->counts);
	free(batch->others);
	*batch = (SlmBatch) {0};
}

bool
slm_batch_count(SlmBatch *batch, int32_t minute, SlmOfferId offer, uint8_t type, int32_t by)
{
	SLM_ASSERT(offer < slm_dictionary_offers(batch->dictionary));
	return slm_groups_count(&batch->groups, minute, offer, type, by);
}

bool
slm_batch_count_entry(SlmBatch *batch, const SlmView *view, int32_t sign)
{
	uint32_t	line = slm_dictionary_line(batch->dictionary, view->offer);
	int32_t		minute = slm_minute_of(view->time);

	if (line == 0)
		return slm_batch_count(batch, minute, view->offer, SLM_VIEW, sign);
	return slm_batch_count(batch, minute, view->offer, (uint8_t) slm_line_type(line), sign * slm_line_pieces(line)) &&
		slm_groups_count(&batch->lines, minute, view->offer, (uint8_t) slm_line_type(line), sign * slm_line_pieces(line));
}

bool
slm_batch_add_other(SlmBatch *batch, const SlmView *view)
{
	SLM_ASSERT(view->fingerprint != 0);
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

	SLM_ASSERT(object < batch->nobjects);
	SLM_ASSERT(offer < slm_dictionary_offers(batch->dictionary));

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
	if (slm_view_is_earlier(batch->dictionary, time, offer, view))
	{
		SlmView		other = *view;

		view->time = time;
		view->offer = offer;
		return slm_is_same_offer(batch->dictionary, offer, other.offer) || slm_batch_add_other(batch, &other);
	}
	return slm_is_same_offer(batch->dictionary, offer, view->offer) ||
		slm_batch_add_other(batch, &(SlmView) {fingerprint, time, offer, 0});
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

			if (i + SLM_AHEAD < run->n)
				slm_views_prefetch(&batch->views, view[SLM_AHEAD].fingerprint);
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

uint32_t
slm_batch_view_lists(const SlmBatch *batch, SlmViewList *lists)
{
	lists[0] = (SlmViewList) {.views = batch->views.slots,.n = batch->views.nslots};
	for (uint32_t r = 0; r < batch->nruns; r++)
		lists[r + 1] = batch->runs[r];
	return batch->nruns + 1;
}

/* Fingerprints are random numbers: those below a limit are as good a part as any. */
uint64_t
slm_batch_distinct_views(const SlmBatch *batch)
{
	const uint64_t limit = UINT64_MAX / SAMPLE;
	uint64_t	nviews = slm_batch_views(batch);
	SlmSortItem *sample = batch->nruns > 0 ? malloc((nviews + 1) * sizeof(SlmSortItem)) : NULL;
	uint64_t	n = 0;
	uint64_t	distinct = 0;

	if (sample == NULL)
		return nviews;
	for (uint64_t i = 0; i < batch->views.nslots; i++)
	{
		if (batch->views.slots[i].fingerprint != 0 && batch->views.slots[i].fingerprint < limit)
			sample[n++].key = batch->views.slots[i].fingerprint;
	}
	for (uint32_t r = 0; r < batch->nruns; r++)
	{
		for (uint64_t i = 0; i < batch->runs[r].n && batch->runs[r].views[i].fingerprint < limit; i++)
			sample[n++].key = batch->runs[r].views[i].fingerprint;
	}
	if (slm_sort(sample, n))
	{
		for (uint64_t i = 0; i < n; i++)
			distinct += i == 0 || sample[i].key != sample[i - 1].key;
	}
	free(sample);
	return distinct == 0 ? nviews : (uint64_t) ((double) nviews * (double) distinct / (double) n);
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
	slm_groups_reset(&batch->groups);
	slm_groups_reset(&batch->second);
	slm_groups_reset(&batch->lines);
	if (batch->views.nslots > 0)
		memset(batch->views.slots, 0, batch->views.nslots * sizeof(SlmView));
	batch->views.nviews = 0;
	free_runs(batch);
	slm_carts_reset(&batch->carts);
	slm_visits_reset(&batch->visits);
	batch->visits.wanted = true;
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

		if (i + SLM_AHEAD < nrows)
		{
			const SlmChunkRow *next = row + SLM_AHEAD;

			if (next->fingerprint != 0)
				slm_views_prefetch(&batch->views, next->fingerprint);
		}
		batch->counts[object].counted++;
		if (row->fingerprint != 0 ? !slm_batch_merge_view(batch, object, row->fingerprint, row->time, row->offer)
			: !slm_batch_count(batch, slm_minute_of(row->time), row->offer, (uint8_t) row->type, slm_row_pieces(row)))
			return false;
	}
	return true;
}

size_t
slm_batch_memory(const SlmBatch *batch)
{
	size_t		runs = 0;

	for (uint32_t r = 0; r < batch->nruns; r++)
		runs += batch->runs[r].block_size;
	return slm_groups_memory(&batch->groups) + slm_groups_memory(&batch->second) + slm_groups_memory(&batch->lines) +
		slm_views_memory(&batch->views) + runs +
		slm_carts_memory(&batch->carts) + batch->visits.max * sizeof(SlmVisit) + batch->maxobjects * sizeof(SlmRowCounts) + batch->maxothers * sizeof(SlmView);
}

/* Hoare's quickselect with the middle element as pivot. */
SlmTime
slm_select_time(SlmTime *times, size_t n, size_t k)
{
	size_t		lo = 0;
	size_t		hi = n - 1;

	SLM_ASSERT(k < n);

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

SlmTime
slm_median_time(SlmTime *times, size_t n)
{
	SLM_ASSERT(n > 0);
	return slm_select_time(times, n, (n - 1) / 2);
}
