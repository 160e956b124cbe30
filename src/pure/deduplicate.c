/*
 * deduplicate.c: which views of a batch count.
 *
 * The table of known views is in the order of fingerprints, so each half of it can be deduplicated by a thread of its own.  A view that
 * finds its slot taken goes to one behind it: so those whose slots are right before an end of a half wait until both are done.
 *
 *    | first thread      | wait | second thread     | wait |
 *    0                          2^63                       2^64
 *
 * Memory is what takes time here, so what is near in memory is done together.  First, which views count: a piece of the table after
 * the other, in each piece all runs' views.  Then they are counted: a run after the other, as each is of few minutes.
 */
#include <stdlib.h>

#include "pure/assert.h"
#include "pure/batch.h"
#include "pure/thread.h"

#define HALF			(UINT64_C(1) << 63)
#define WAITING_SLOTS	65536	/* no search is ever as long, at the loads that a table has */
#define THREAD_VIEWS	200000	/* fewer are not worth a thread */
#define PIECE_SLOTS		16384	/* of a table, 384 kB: they stay in the cache, and are found without a walk of the page tables */

/* The views of a range of fingerprints, and what comes of them. */
typedef struct Part
{
	const SlmBatch *batch;
	const SlmViewList *lists;	/* the batch's views: its table, then its runs */
	const uint64_t *bases;		/* of each list: how many views and free slots are in those before it */
	uint32_t	nlists;
	SlmBatch   *others;			/* whose others it adds to */
	SlmViews   *known;
	uint64_t	first;			/* fingerprints from first to last */
	uint64_t	last;
	uint64_t	end;			/* slots of known before it are the part's alone; 0: all are, and it may grow */
	SlmGroups  *groups;
	SlmGroups  *lines;			/* likewise, of events with ids */
	uint64_t   *repeated;		/* by object */
	uint64_t	added;			/* to known, which doesn't count them where it has an end */
	bool		ok;
} Part;

/*
 * The view of this batch that is the counted one of its fingerprint; NULL if that is of an earlier batch.  known has its place as
 * owner; a place in an earlier batch holds another fingerprint, or the same, which does not count then.
 */
static SlmView *
counted_here(const Part *part, const SlmView *counted)
{
	uint32_t	list = part->nlists - 1;
	uint64_t	place;
	SlmView    *view;

	while (part->bases[list] > counted->owner)
		list--;
	place = counted->owner - part->bases[list];
	if (place >= part->lists[list].n)
		return NULL;
	view = &part->lists[list].views[place];
	return view->fingerprint == counted->fingerprint && view->owner == SLM_VIEW_COUNTS ? view : NULL;
}

/*
 * Count an entry (1), or take it off (-1): a view, or an event with an id, where the dictionary has_lines: else it need not be asked.  False if
 * out of memory.
 */
static inline bool
count_entry(const SlmDictionary *dictionary, bool has_lines, SlmGroups *groups, SlmGroups *lines, const SlmView *view, int32_t sign)
{
	uint32_t	line = has_lines ? slm_dictionary_line(dictionary, view->offer) : 0;

	if (line != 0)
		return slm_groups_count(lines, slm_minute_of(view->time), view->offer, (uint8_t) slm_line_type(line), sign * slm_line_pieces(line));
	return slm_groups_count(groups, slm_minute_of(view->time), view->offer, SLM_VIEW, sign);
}

/*
 * Decide one view, at its place among all of the batch: its owner says then whether it counts.  What was counted earlier and does
 * so no more is taken off the groups; all else is left to count_lists().  False if out of memory.
 */
static bool
deduplicate_view(Part *part, SlmView *view, uint64_t place)
{
	bool		found;
	SlmView    *counted = part->end == 0 ? slm_views_add(part->known, view->fingerprint, &found)
		: slm_views_add_before(part->known, view->fingerprint, part->end, &found);

	SLM_ASSERT(view->fingerprint >= part->first && view->fingerprint <= part->last);
	/* not decided yet */
	SLM_ASSERT(view->owner < part->batch->nobjects);

	if (counted == NULL)
		return false;
	if (found)
	{
		bool		earlier = slm_view_is_earlier(part->batch->dictionary, view->time, view->offer, counted);
		/* only then, as it is somewhere in memory */
		SlmView    *here = earlier ? counted_here(part, counted) : NULL;
		bool		moves = view->time < counted->time && counted->time >= part->batch->moves_from && here == NULL;

		part->repeated[view->owner]++;
		if ((moves || !slm_is_same_offer(part->batch->dictionary, view->offer, counted->offer)) &&
			(!slm_batch_add_other(part->others, view) || !slm_batch_add_other(part->others, counted)))
			return false;
		if (!earlier)
		{
			view->owner = SLM_VIEW_REPEATED;
			return true;
		}
		if (here != NULL)
			here->owner = SLM_VIEW_REPEATED;
		else if (!count_entry(part->batch->dictionary, slm_dictionary_has_lines(part->batch->dictionary), part->groups, part->lines, counted, -1))
			return false;
	}
	else
		part->added += part->end != 0;
	view->owner = SLM_VIEW_COUNTS;
	counted->time = view->time;
	counted->offer = view->offer;
	counted->owner = (uint32_t) place;
	return true;
}

/* The views of the batch's table, more or less in the order of their fingerprints. */
static bool
deduplicate_table(Part *part)
{
	const SlmViewList *table = &part->lists[0];

	for (uint64_t i = 0; i < table->n; i++)
	{
		SlmView    *view = &table->views[i];

		if (i + SLM_AHEAD < table->n)
			slm_views_prefetch(part->known, view[SLM_AHEAD].fingerprint);
		if (view->fingerprint >= part->first && view->fingerprint <= part->last && view->fingerprint != 0 &&
			!deduplicate_view(part, view, i))
			return false;
	}
	return true;
}

/* --- runs --- */

/* The number of a run's views before a fingerprint. */
static uint64_t
views_before(const SlmViewList *run, uint64_t fingerprint)
{
	uint64_t	low = 0;
	uint64_t	high = run->n;

	while (low < high)
	{
		uint64_t	middle = low + (high - low) / 2;

		if (run->views[middle].fingerprint < fingerprint)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* How many fingerprints share so many slots. */
static uint64_t
fingerprints_of(const SlmViews *views, uint64_t slots)
{
	return slots >= views->nslots ? UINT64_MAX : (uint64_t) (((unsigned __int128) slots << 64) / views->nslots);
}

/* Those of a run from *next on, up to a fingerprint. */
static bool
deduplicate_piece(Part *part, uint32_t list, uint64_t *next, uint64_t last)
{
	const SlmViewList *run = &part->lists[list];
	uint64_t	i = *next;

	for (; i < run->n && run->views[i].fingerprint <= last; i++)
	{
		if (i + SLM_AHEAD < run->n)
			slm_views_prefetch(part->known, run->views[i + SLM_AHEAD].fingerprint);
		if (!deduplicate_view(part, &run->views[i], part->bases[list] + i))
			return false;
	}
	*next = i;
	return true;
}

/* next: of each list, where the part's range begins in it. */
static bool
deduplicate_runs(Part *part, uint64_t *next)
{
	uint64_t	step = fingerprints_of(part->known, PIECE_SLOTS);
	bool		ok = true;

	for (uint64_t first = part->first; ok;)
	{
		uint64_t	last = part->last - first < step ? part->last : first + step;

		for (uint32_t r = 1; ok && r < part->nlists; r++)
			ok = deduplicate_piece(part, r, &next[r], last);
		if (last == part->last)
			break;
		first = last + 1;
	}
	return ok;
}

static void
deduplicate_part(void *arg)
{
	Part	   *part = arg;
	uint64_t   *next = calloc(part->nlists, sizeof(uint64_t));	/* of each list, where to go on */

	for (uint32_t r = 1; next != NULL && r < part->nlists; r++)
		next[r] = views_before(&part->lists[r], part->first);
	part->ok = next != NULL && deduplicate_table(part) && deduplicate_runs(part, next);
	free(next);
}

/* --- by two threads --- */

/* What the second half has come to, into whole; but for its groups. */
static bool
take_over(Part *whole, const Part *half)
{
	bool		ok = true;

	for (uint32_t i = 0; i < whole->batch->nobjects; i++)
		whole->repeated[i] += half->repeated[i];
	for (uint32_t i = 0; ok && i < half->others->nothers; i++)
		ok = slm_batch_add_other(whole->others, &half->others->others[i]);
	return ok && slm_groups_take(whole->lines, half->lines);
}

/* Those that have waited, with the whole table at hand. */
static bool
deduplicate_rest(Part *whole, uint64_t first, uint64_t last)
{
	whole->first = first;
	whole->last = last;
	deduplicate_part(whole);
	return whole->ok;
}

/* Whole, by a thread beside this one for the second half, which counts what it takes off in groups of its own. */
static bool
deduplicate_by_two(Part *whole, SlmGroups *second)
{
	uint64_t	waiting = fingerprints_of(whole->known, WAITING_SLOTS);
	SlmBatch	others = {0};
	Part		halves[2] = {*whole, *whole};
	SlmThread	thread;
	bool		ok;

	halves[0].last = HALF - waiting - 1;
	halves[0].end = slm_views_slot(whole->known, HALF);
	halves[1].first = HALF;
	halves[1].last = UINT64_MAX - waiting;
	halves[1].end = whole->known->nslots;
	halves[1].groups = second;
	halves[1].lines = &others.lines;
	halves[1].others = &others;
	halves[1].repeated = calloc((size_t) whole->batch->nobjects + 1, sizeof(uint64_t));
	ok = halves[1].repeated != NULL;
	if (ok)
	{
		slm_thread_start(&thread, deduplicate_part, &halves[1]);
		deduplicate_part(&halves[0]);
		slm_thread_join(&thread);
		whole->known->nviews += halves[0].added + halves[1].added;
		ok = halves[0].ok && halves[1].ok && take_over(whole, &halves[1]) &&
			deduplicate_rest(whole, halves[0].last + 1, HALF - 1) && deduplicate_rest(whole, halves[1].last + 1, UINT64_MAX);
	}
	slm_batch_free(&others);
	free(halves[1].repeated);
	return ok;
}

/* --- counting --- */

typedef struct Count
{
	const SlmDictionary *dictionary;
	const SlmViewList *lists;
	uint32_t	nlists;
	SlmGroups  *groups;
	SlmGroups  *lines;
	bool		ok;
} Count;

/* Count the views that count, list by list. */
static void
count_lists(void *arg)
{
	Count	   *count = arg;
	const SlmView *counted[SLM_SIFT];
	bool		has_lines = slm_dictionary_has_lines(count->dictionary);

	count->ok = true;
	for (uint32_t l = 0; l < count->nlists; l++)
	{
		const SlmViewList *list = &count->lists[l];

		for (uint64_t from = 0; from < list->n; from += SLM_SIFT)
		{
			uint32_t	n = slm_views_sift(list->views + from, list->n - from < SLM_SIFT ? list->n - from : SLM_SIFT, counted);

			for (uint32_t i = 0; count->ok && i < n; i++)
				count->ok = count_entry(count->dictionary, has_lines, count->groups, count->lines, counted[i], 1);
		}
	}
}

/* The same by a thread beside this one for the second half of the lists, which is mostly of other minutes. */
static bool
count_by_two(const Part *whole, SlmGroups *second)
{
	uint32_t	half = whole->nlists / 2;
	SlmGroups	lines = {0};
	const SlmDictionary *dictionary = whole->batch->dictionary;
	Count		counts[2] = {
		{.dictionary = dictionary,.lists = whole->lists,.nlists = half,.groups = whole->groups,.lines = whole->lines},
		{.dictionary = dictionary,.lists = whole->lists + half,.nlists = whole->nlists - half,.groups = second,.lines = &lines}
	};
	SlmThread	thread;
	bool		ok;

	slm_thread_start(&thread, count_lists, &counts[1]);
	count_lists(&counts[0]);
	slm_thread_join(&thread);
	ok = counts[0].ok && counts[1].ok && slm_groups_take(whole->groups, second) && slm_groups_take(whole->lines, &lines);
	slm_groups_free(&lines);
	return ok;
}

/* --- the whole batch --- */

/* The lists of the batch's views, and how many places are before each.  False if out of memory, or if they are too many to be numbered. */
static bool
find_lists(const SlmBatch *batch, SlmViewList **lists, uint64_t **bases)
{
	uint64_t	places = 0;

	*lists = calloc((size_t) batch->nruns + 1, sizeof(SlmViewList));
	*bases = calloc((size_t) batch->nruns + 1, sizeof(uint64_t));
	if (*lists == NULL || *bases == NULL)
		return false;
	for (uint32_t i = 0, n = slm_batch_view_lists(batch, *lists); i < n; i++)
	{
		(*bases)[i] = places;
		places += (*lists)[i].n;
	}
	return places < SLM_VIEW_COUNTS;
}

/* Is the view that counts noted here, or next to it, as most are noted in pairs? */
static bool
is_noted(const SlmBatch *batch, uint32_t other, const SlmView *counted)
{
	for (uint32_t i = other > 0 ? other - 1 : 0; i < batch->nothers && i <= other + 1; i++)
	{
		const SlmView *noted = &batch->others[i];

		if (noted->fingerprint == counted->fingerprint && noted->time == counted->time &&
			slm_is_same_offer(batch->dictionary, noted->offer, counted->offer))
			return true;
	}
	return false;
}

/*
 * Of each fingerprint of the others, note what counts in the end: of its offer a later view may have been noted, before this one was
 * found.
 */
static bool
note_counted(SlmBatch *batch, const SlmViews *known)
{
	uint32_t	n = batch->nothers;
	bool		ok = true;

	for (uint32_t i = 0; ok && i < n; i++)
	{
		const SlmView *counted = slm_views_find(known, batch->others[i].fingerprint);

		SLM_ASSERT(counted != NULL);

		ok = is_noted(batch, i, counted) || slm_batch_add_other(batch, counted);
	}
	return ok;
}

/* What was counted for events with ids, to all others; and noted apart.  False if out of memory. */
static bool
take_lines(SlmBatch *batch, SlmGroups *lines)
{
	SlmGroupScan scan = {.groups = lines};
	SlmGroup	group;

	if (lines->ngroups == 0)
		return true;
	batch->groups.overflow |= lines->overflow;
	while (slm_groups_next(&scan, &group))
	{
		if (!slm_groups_count(&batch->groups, group.minute, group.offer, group.type, group.count))
			return false;
	}
	return slm_groups_take(&batch->lines, lines);
}

static bool
deduplicate(SlmBatch *batch, Part *whole)
{
	if (batch->nruns > 0 && slm_batch_views(batch) >= THREAD_VIEWS)
		whole->ok = deduplicate_by_two(whole, &batch->second) && count_by_two(whole, &batch->second);
	else
	{
		Count		count = {.dictionary = batch->dictionary,.lists = whole->lists,.nlists = whole->nlists,.groups = whole->groups,.lines = whole->lines};

		deduplicate_part(whole);
		count_lists(&count);
		whole->ok = whole->ok && count.ok;
	}
	for (uint32_t i = 0; i < batch->nobjects; i++)
	{
		batch->counts[i].counted -= whole->repeated[i];
		batch->counts[i].duplicate += whole->repeated[i];
	}
	whole->ok = whole->ok && note_counted(batch, whole->known) && take_lines(batch, whole->lines);
	return whole->ok;
}

#ifdef USE_ASSERT_CHECKING
static bool
is_sorted(const SlmViewList *run)
{
	for (uint64_t i = 1; i < run->n; i++)
	{
		if (run->views[i - 1].fingerprint >= run->views[i].fingerprint)
			return false;
	}
	return true;
}
#endif

bool
slm_batch_deduplicate_views(SlmBatch *batch, SlmViews *known)
{
	uint64_t	nviews = slm_batch_views(batch);
	SlmViewList *lists;
	uint64_t   *bases;
	SlmGroups	lines = {0};
	Part		whole = {.batch = batch,.nlists = batch->nruns + 1,.others = batch,.known = known,.last = UINT64_MAX,.groups = &batch->groups,
	.lines = &lines};
	bool		ok = find_lists(batch, &lists, &bases);

	SLM_ASSERT(known != &batch->views);
	for (uint32_t r = 0; r < batch->nruns; r++)
		SLM_ASSERT(is_sorted(&batch->runs[r]));

	whole.lists = lists;
	whole.bases = bases;
	whole.repeated = calloc((size_t) batch->nobjects + 1, sizeof(uint64_t));
	/* two threads may not grow the table, so it needs room even if no view is repeated; else it grows with what is new */
	if (batch->nruns == 0 || known->nviews + nviews > known->nslots - known->nslots / 16)
		ok = ok && slm_views_reserve(known, known->nviews + nviews);
	ok = ok && whole.repeated != NULL && deduplicate(batch, &whole);
	free(lists);
	free(bases);
	free(whole.repeated);
	slm_groups_free(&lines);
	return ok;
}
