/*
 * Which views count: two threads over runs against one over a table.
 */
#include <stdlib.h>

#include "pure/batch.h"
#include "pure/memory.h"
#include "unit.h"

#define RUNS	6
#define VIEWS	42000			/* in each run: more than one thread takes */
#define OBJECTS	8
#define OFFERS	40

static uint64_t state = 1;

static uint64_t
rnd(void)
{
	return slm_splitmix(state++);
}

/* All of the range, some right before its middle and its end, where searches cross from one half to the other. */
static uint64_t
a_fingerprint(uint32_t distinct)
{
	uint64_t	n = rnd() % distinct;
	uint64_t	fingerprint = slm_splitmix(n * 7 + 3);

	switch (n % 100)
	{
		case 0:
			return (UINT64_C(1) << 63) - 1 - n;
		case 1:
			return (UINT64_C(1) << 63) + n;
		case 2:
			return UINT64_MAX - n;
		default:
			return fingerprint ? fingerprint : 1;
	}
}

static SlmView
a_view(uint32_t distinct)
{
	return (SlmView) {
		.fingerprint = a_fingerprint(distinct),.time = (SlmTime) (rnd() % 50) * SLM_USECS_PER_MIN / 4,
		.offer = (SlmOfferId) (rnd() % OFFERS),.owner = (uint32_t) (rnd() % OBJECTS)
	};
}

static int
by_fingerprint(const void *a, const void *b)
{
	uint64_t	x = ((const SlmView *) a)->fingerprint;
	uint64_t	y = ((const SlmView *) b)->fingerprint;

	return (x > y) - (x < y);
}

/* Room for so many views. */
static SlmViewList
a_list(uint64_t max)
{
	SlmViewList list = {.block_size = (max + 1) * sizeof(SlmView)};

	list.block = list.views = slm_table_alloc_dirty(list.block_size, 1);
	return list;
}

/* A run as a parse worker sends it: each fingerprint once, in order. */
static SlmViewList
a_run(uint32_t distinct)
{
	SlmViewList run = a_list(VIEWS);
	uint64_t	n = 0;

	for (uint64_t i = 0; i < VIEWS; i++)
		run.views[i] = a_view(distinct);
	qsort(run.views, VIEWS, sizeof(SlmView), by_fingerprint);
	for (uint64_t i = 0; i < VIEWS; i++)
	{
		if (i == 0 || run.views[i].fingerprint != run.views[n - 1].fingerprint)
			run.views[n++] = run.views[i];
	}
	run.n = n;
	return run;
}

static bool
same_views(const SlmViews *a, const SlmViews *b, const SlmDictionary *dictionary)
{
	bool		same = a->nviews == b->nviews;

	for (uint64_t i = 0; same && i < a->nslots; i++)
	{
		const SlmView *view = &a->slots[i];
		const SlmView *other = view->fingerprint ? slm_views_find(b, view->fingerprint) : NULL;

		same = view->fingerprint == 0 ||
			(other != NULL && other->time == view->time && slm_dictionary_compare(dictionary, other->offer, view->offer) == 0);
	}
	return same;
}

static bool
same_groups(const SlmGroups *a, const SlmGroups *b)
{
	SlmGroups	difference = {0};
	SlmGroupScan scan = {.groups = a};
	SlmGroup	group;
	bool		same = true;

	while (same && slm_groups_next(&scan, &group))
		same = slm_groups_count(&difference, group.minute, group.offer, group.type, group.count);
	scan = (SlmGroupScan) {.groups = b};
	while (same && slm_groups_next(&scan, &group))
		same = slm_groups_count(&difference, group.minute, group.offer, group.type, -group.count);
	scan = (SlmGroupScan) {.groups = &difference};
	while (same && slm_groups_next(&scan, &group))
		same = group.count == 0;
	slm_groups_free(&difference);
	return same;
}

/* What is known after is what was known before with the log added, whatever the order of its entries. */
static bool
log_tells(const SlmViewList *log, SlmViews *before, const SlmViews *after, const SlmDictionary *dictionary)
{
	for (uint64_t i = 0; i < log->n; i++)
	{
		const SlmView *entry = &log->views[i];
		bool		found;
		SlmView    *view = slm_views_add(before, entry->fingerprint, &found);

		if (!found || slm_view_is_earlier(dictionary, entry->time, entry->offer, view))
		{
			view->time = entry->time;
			view->offer = entry->offer;
		}
	}
	return same_views(before, after, dictionary);
}

static int
by_offer(const void *a, const void *b)
{
	const SlmView *x = a;
	const SlmView *y = b;

	if (x->fingerprint != y->fingerprint)
		return x->fingerprint < y->fingerprint ? -1 : 1;
	if (x->offer != y->offer)
		return x->offer < y->offer ? -1 : 1;
	return (x->time > y->time) - (x->time < y->time);
}

/* The earliest view of each fingerprint and offer, in order; returns how many. */
static uint64_t
earliest(SlmView *views, uint64_t n)
{
	uint64_t	kept = 0;

	qsort(views, n, sizeof(SlmView), by_offer);
	for (uint64_t i = 0; i < n; i++)
	{
		if (kept == 0 || views[i].fingerprint != views[kept - 1].fingerprint || views[i].offer != views[kept - 1].offer)
			views[kept++] = views[i];
	}
	return kept;
}

/* Where a session saw a product at several offers, the earliest view of each is in the log, now or before, or among the others. */
static bool
others_tell(const SlmView *all, uint64_t nall, const SlmViewList *log, const SlmBatch *batch, const SlmViews *before)
{
	SlmView    *told = malloc((log->n + batch->nothers + before->nviews + 1) * sizeof(SlmView));
	uint64_t	n = 0;
	bool		ok = true;

	memcpy(told, log->views, log->n * sizeof(SlmView));
	n = log->n;
	for (uint32_t i = 0; i < batch->nothers; i++)
		told[n++] = batch->others[i];
	for (uint64_t i = 0; i < before->nslots; i++)
	{
		if (before->slots[i].fingerprint != 0)
			told[n++] = before->slots[i];
	}
	n = earliest(told, n);
	for (uint64_t i = 0, t = 0; ok && i < nall; i++)
	{
		bool		several = (i > 0 && all[i - 1].fingerprint == all[i].fingerprint) ||
			(i + 1 < nall && all[i + 1].fingerprint == all[i].fingerprint);

		while (t < n && by_offer(&told[t], &all[i]) < 0)
			t++;
		ok = !several || (t < n && by_offer(&told[t], &all[i]) == 0);
	}
	free(told);
	return ok;
}

/* The others' rows of each fingerprint of which one is not before a time, by offer; returns how many. */
static uint64_t
watched(const SlmBatch *batch, SlmTime from, SlmView *rows)
{
	uint64_t	kept = 0;

	memcpy(rows, batch->others, batch->nothers * sizeof(SlmView));
	qsort(rows, batch->nothers, sizeof(SlmView), by_offer);
	for (uint64_t i = 0, end; i < batch->nothers; i = end)
	{
		bool		any = false;

		for (end = i; end < batch->nothers && rows[end].fingerprint == rows[i].fingerprint; end++)
			any |= rows[end].time >= from;
		for (uint64_t j = i; any && j < end; j++)
			rows[kept++] = rows[j];
	}
	return kept;
}

/*
 * As src/sql/recent_views.c works it out for the time since from: of the fingerprints that are watched the first view of each offer, if
 * it is of that time, of others whatever is in the log.  That has to be the earliest view of each fingerprint and offer, if it is.
 */
static bool
recent_views_tell(const SlmView *all, uint64_t nall, const SlmViewList *log, const SlmBatch *batch, const SlmViews *before, SlmTime from)
{
	SlmView    *rows = malloc((batch->nothers + UINT64_C(1)) * sizeof(SlmView));
	uint64_t	nrows = watched(batch, from, rows);
	SlmView    *told = malloc((log->n + before->nviews + nrows + 1) * sizeof(SlmView));
	uint64_t	n = 0;
	uint64_t	a = 0;
	bool		ok = true;

	memcpy(told, rows, nrows * sizeof(SlmView));
	n = nrows;
	for (uint64_t i = 0; i < log->n; i++)
	{
		if (log->views[i].time >= from)
			told[n++] = log->views[i];
	}
	for (uint64_t i = 0; i < before->nslots; i++)
	{
		if (before->slots[i].fingerprint != 0 && before->slots[i].time >= from)
			told[n++] = before->slots[i];
	}
	qsort(told, n, sizeof(SlmView), by_offer);
	for (uint64_t i = 0, r = 0; ok && i < n; i++)
	{
		bool		first = i == 0 || told[i].fingerprint != told[i - 1].fingerprint || told[i].offer != told[i - 1].offer;

		while (r < nrows && rows[r].fingerprint < told[i].fingerprint)
			r++;
		if (told[i].time < from || (!first && r < nrows && rows[r].fingerprint == told[i].fingerprint))
			continue;
		while (a < nall && all[a].time < from)
			a++;
		ok = a < nall && by_offer(&told[i], &all[a++]) == 0;
	}
	while (a < nall && all[a].time < from)
		a++;
	free(rows);
	free(told);
	return ok && a == nall;
}

typedef struct Side
{
	SlmBatch	batch;
	SlmViews	known;
	SlmViewList log;			/* its views that count */
} Side;

/* What of a deduplicated batch goes to the view log. */
static SlmViewList
log_of(const SlmBatch *batch)
{
	SlmViewList *lists = malloc((batch->nruns + 1) * sizeof(SlmViewList));
	SlmViewList log = a_list(slm_batch_views(batch));
	uint32_t	n = slm_batch_view_lists(batch, lists);

	for (uint32_t l = 0; l < n; l++)
	{
		for (uint64_t i = 0; i < lists[l].n; i++)
		{
			if (lists[l].views[i].fingerprint != 0 && lists[l].views[i].owner == SLM_VIEW_COUNTS)
				log.views[log.n++] = lists[l].views[i];
		}
	}
	free(lists);
	return log;
}

static void
know(SlmViews *known, const SlmView *view)
{
	bool		found;
	SlmView    *added = slm_views_add(known, view->fingerprint, &found);

	if (!found)
	{
		added->time = view->time;
		added->offer = view->offer;
	}
}

static void
test_two_threads(uint64_t seed, uint32_t distinct, uint32_t nknown, bool lines)
{
	SlmHashKey	key = slm_hash_key(seed, 5);
	SlmDictionary *dictionary = slm_dictionary_create(&key);
	Side		sides[2] = {0};
	SlmViews	before = {0};
	SlmView    *all = malloc(((size_t) RUNS * VIEWS + nknown) * sizeof(SlmView));
	uint64_t	nall = 0;
	bool		same_counts = true;

	state = seed * 1000003;
	for (int i = 0; i < OFFERS; i++)
		slm_dictionary_clean_line(dictionary, 1, 100 + i, (SlmSlice) {"a.b.c", 5}, (SlmSlice) {"acme", 4}, lines && i % 4 > 0 ? slm_line((SlmEventType) (i % 4), (uint32_t) i / 5) : 0);
	for (int s = 0; s < 2; s++)
	{
		slm_batch_init(&sides[s].batch, dictionary);
		for (int i = 0; i < OBJECTS; i++)
		{
			slm_batch_begin_object(&sides[s].batch);
			sides[s].batch.counts[i].counted = 1000000;
		}
	}
	for (uint32_t i = 0; i < nknown; i++)
	{
		SlmView		view = a_view(distinct);

		know(&sides[0].known, &view);
		know(&sides[1].known, &view);
		know(&before, &view);
	}
	for (int r = 0; r < RUNS; r++)
	{
		SlmViewList run = a_run(distinct);
		SlmViewList again = a_list(run.n);

		memcpy(all + nall, run.views, run.n * sizeof(SlmView));
		nall += run.n;
		memcpy(again.views, run.views, run.n * sizeof(SlmView));
		again.n = run.n;
		slm_batch_add_run(&sides[0].batch, &run);
		slm_batch_add_run(&sides[1].batch, &again);
	}
	for (uint64_t i = 0; i < before.nslots; i++)
	{
		if (before.slots[i].fingerprint != 0)
			all[nall++] = before.slots[i];
	}
	nall = earliest(all, nall);
	slm_batch_gather(&sides[1].batch);
	for (int s = 0; s < 2; s++)
	{
		UNIT_OK(slm_batch_deduplicate_views(&sides[s].batch, &sides[s].known), "seed %llu: deduplicated", (unsigned long long) seed);
		sides[s].log = log_of(&sides[s].batch);
	}
	for (int i = 0; i < OBJECTS; i++)
		same_counts &= sides[0].batch.counts[i].counted == sides[1].batch.counts[i].counted &&
			sides[0].batch.counts[i].duplicate == sides[1].batch.counts[i].duplicate;
	UNIT_OK(same_counts, "seed %llu: rows counted and repeated of each object", (unsigned long long) seed);
	UNIT_OK(same_views(&sides[0].known, &sides[1].known, dictionary), "seed %llu: views known", (unsigned long long) seed);
	UNIT_OK(same_groups(&sides[0].batch.groups, &sides[1].batch.groups), "seed %llu: groups", (unsigned long long) seed);
	UNIT_OK(same_groups(&sides[0].batch.lines, &sides[1].batch.lines) && (sides[0].batch.lines.ngroups > 0) == lines, "seed %llu: lines", (unsigned long long) seed);
	for (int s = 0; s < 2 && !lines; s++)
	{
		UNIT_OK(others_tell(all, nall, &sides[s].log, &sides[s].batch, &before), "seed %llu: others", (unsigned long long) seed);
		for (int minute = 0; minute < 12; minute += 4)
			UNIT_OK(recent_views_tell(all, nall, &sides[s].log, &sides[s].batch, &before, minute * SLM_USECS_PER_MIN),
					"seed %llu: views since minute %d", (unsigned long long) seed, minute);
	}
	UNIT_OK(log_tells(&sides[0].log, &before, &sides[0].known, dictionary), "seed %llu: the log", (unsigned long long) seed);
	for (int s = 0; s < 2; s++)
	{
		slm_view_list_free(&sides[s].log);
		slm_views_free(&sides[s].known);
		slm_batch_free(&sides[s].batch);
	}
	slm_views_free(&before);
	free(all);
	slm_dictionary_free(dictionary);
}

int
main(void)
{
	test_two_threads(1, 400000, 200000, false);
	test_two_threads(2, 3000000, 0, false);
	test_two_threads(3, 400000, 200000, true);
	return unit_done();
}
