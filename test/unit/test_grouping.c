/*
 * Dictionary, batch, views, view log, serialized batches and deltas against a naive count of the same random rows.
 *
 * A history: events fall into objects, objects into batches; each batch is deduplicated against what is known, and what it
 * logs is packed.  Whatever the split, the sum of all deltas must be what the naive count of the whole history gives.
 */
#include "pure/batch.h"
#include "pure/chunk.h"
#include "pure/deltas.h"
#include "pure/key_count.h"
#include "pure/memory.h"
#include "pure/serialize.h"
#include "pure/sort.h"
#include "pure/viewlog.h"
#include "unit.h"

#define EVENTS		3000
#define PRODUCTS	12
#define SESSIONS	60
#define MINUTES		180
#define MINUTE		SLM_USECS_PER_MIN

static uint64_t random_state;

static uint32_t
rnd(uint32_t n)
{
	random_state = slm_splitmix(random_state);
	return (uint32_t) (random_state >> 33) % n;
}

typedef struct Event
{
	SlmTime		time;
	int			product;
	int			session;		/* 0 = none */
	int			type;
	int			price;
	int			category;
	int			brand;
	int			object;
	int			more;			/* pieces beyond the first */
	int			id;				/* 0 = none */
} Event;

static Event events[EVENTS];

static const char *const categories[] = {"a", "a.b", "A.b.c", "a.b.c.d", "x.y.z", ""};
static const char *const brands[] = {"acme", "zeta", ""};

static void
make_history(uint64_t seed)
{
	random_state = seed;
	for (int i = 0; i < EVENTS; i++)
	{
		Event	   *e = &events[i];

		e->time = (SlmTime) rnd(MINUTES) * MINUTE + (SlmTime) rnd(60) * SLM_USECS_PER_SEC + (rnd(4) ? 0 : rnd(1000000));
		e->product = 1 + (int) rnd(PRODUCTS);
		e->session = (int) rnd(SESSIONS);
		e->type = rnd(10) ? SLM_VIEW : 1 + (int) rnd(3);
		e->price = 100 * (1 + (int) rnd(3));
		e->category = (int) rnd(6);
		e->brand = (int) rnd(3);
		e->object = (int) rnd(40);
		e->id = e->type == SLM_VIEW ? 0 : (int) rnd(30);
		e->more = e->type == SLM_VIEW || rnd(2) ? 0 : (int) rnd(rnd(20) ? 5 : SLM_MAX_QUANTITY);
	}
}

static SlmSlice
slice(const char *s)
{
	return (SlmSlice) {s, (uint32_t) strlen(s)};
}

static SlmEvent
as_event(const Event *e, char *session, char *id)
{
	SlmEvent	event = {0};

	event.time = e->time;
	event.product_id = e->product;
	event.price = e->price;
	event.type = (SlmEventType) e->type;
	event.more = (uint32_t) e->more;
	event.category_code = slice(categories[e->category]);
	event.brand = slice(brands[e->brand]);
	snprintf(session, 32, "session-%d", e->session);
	if (e->session > 0)
		event.session = slice(session);
	/* as long as a session's, and the same bytes as some: they have nothing to do with each other */
	snprintf(id, 32, "session-%d", e->id);
	if (e->id > 0)
	{
		event.event_id = slice(id);
		event.line = slm_line(event.type, event.more);
	}
	return event;
}

/* The naive side: which events count, by comparing each with each. */
static const char *
l3_of(const Event *e)
{
	static const char *const l3[] = {"a.a.a", "a.b.b", "a.b.c", "a.b.c", "x.y.z", "unknown.unknown.unknown"};

	return l3[e->category];
}

static void
brand_of(const Event *e, char *buf)
{
	if (brands[e->brand][0])
		snprintf(buf, 32, "%s", brands[e->brand]);
	else
		snprintf(buf, 32, "%d", e->product);
}

static int
compare_views(const Event *a, const Event *b)
{
	char		x[32];
	char		y[32];

	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	if (a->price != b->price)
		return a->price - b->price;
	if (strcmp(l3_of(a), l3_of(b)) != 0)
		return strcmp(l3_of(a), l3_of(b));
	brand_of(a, x);
	brand_of(b, y);
	return strcmp(x, y) != 0 ? strcmp(x, y) : a->more - b->more;
}

static bool
counts(int i)
{
	const Event *e = &events[i];

	if (e->type == SLM_VIEW ? e->session == 0 : e->id == 0)
		return true;
	for (int j = 0; j < EVENTS; j++)
	{
		const Event *f = &events[j];
		int			c;

		if (j == i || f->type != e->type || f->product != e->product ||
			(e->type == SLM_VIEW ? f->session != e->session : f->id != e->id))
			continue;
		c = compare_views(f, e);
		if (c < 0 || (c == 0 && j < i))
			return false;
	}
	return true;
}

typedef struct Sums
{
	long long	count[MINUTES][SLM_EVENT_TYPES][PRODUCTS + 1];
	long long	gmv[MINUTES][SLM_EVENT_TYPES][PRODUCTS + 1];
	long long	hour_category[MINUTES / 60][SLM_EVENT_TYPES][5];
} Sums;

static int
category_number(SlmSlice key)
{
	static const char *const keys[] = {"a.a.a", "a.b.b", "a.b.c", "x.y.z", "unknown.unknown.unknown"};

	for (int i = 0; i < 5; i++)
	{
		if (key.len == strlen(keys[i]) && memcmp(key.data, keys[i], key.len) == 0)
			return i;
	}
	return -1;
}

static Sums expected;
static Sums actual;

static void
count_naively(void)
{
	memset(&expected, 0, sizeof(expected));
	for (int i = 0; i < EVENTS; i++)
	{
		const Event *e = &events[i];

		if (!counts(i))
			continue;
		expected.count[e->time / MINUTE][e->type][e->product] += 1 + e->more;
		expected.gmv[e->time / MINUTE][e->type][e->product] += (long long) (1 + e->more) * e->price;
		expected.hour_category[e->time / MINUTE / 60][e->type][category_number(slice(l3_of(e)))] += 1 + e->more;
	}
}

static bool coarser_agree;

/* Levels 2 and 1 from the deltas of level 3 must be what they are from the cells. */
static void
coarsen(const SlmBatch *batch, SlmCells *cells, const SlmDeltas *finer)
{
	SlmDeltas	last = {0};

	for (SlmDimension d = SLM_CATEGORY_L2; d <= SLM_CATEGORY_L1; d++)
	{
		SlmDeltas	coarse;
		SlmDeltas	direct;

		slm_deltas_coarsen(d == SLM_CATEGORY_L2 ? finer : &last, cells, batch->dictionary, d, &coarse);
		slm_deltas_make(cells, batch->dictionary, d, &direct);
		coarser_agree &= coarse.nrows == direct.nrows;
		for (uint64_t i = 0; i < coarse.nrows && i < direct.nrows; i++)
			coarser_agree &= coarse.rows[i].time == direct.rows[i].time && coarse.rows[i].key == direct.rows[i].key &&
				coarse.rows[i].type == direct.rows[i].type && coarse.rows[i].count == direct.rows[i].count &&
				coarse.rows[i].gmv == direct.rows[i].gmv;
		slm_deltas_free(&direct);
		slm_deltas_free(&last);
		last = coarse;
	}
	slm_deltas_free(&last);
}

static void
add_deltas(const SlmBatch *batch)
{
	static const SlmGranularity minute = {.usecs = SLM_USECS_PER_MIN};
	static const SlmGranularity hour = {.usecs = 60 * SLM_USECS_PER_MIN};
	SlmCells	cells;
	SlmDeltas	deltas;

	slm_cells_make(&batch->groups, minute, hour, &cells);
	slm_deltas_make(&cells, batch->dictionary, SLM_PRODUCT_ID, &deltas);
	for (uint64_t i = 0; i < deltas.nrows; i++)
	{
		const SlmDelta *d = &deltas.rows[i];
		int64_t		product = slm_dictionary_product(batch->dictionary, d->key);

		actual.count[d->time / MINUTE][d->type][product] += d->count;
		actual.gmv[d->time / MINUTE][d->type][product] += (long long) d->gmv;
	}
	slm_deltas_free(&deltas);
	slm_cells_free(&cells);

	slm_cells_make(&batch->groups, hour, hour, &cells);
	slm_deltas_make(&cells, batch->dictionary, SLM_CATEGORY_L3, &deltas);
	for (uint64_t i = 0; i < deltas.nrows; i++)
	{
		const SlmDelta *d = &deltas.rows[i];

		actual.hour_category[d->time / MINUTE / 60][d->type]
			[category_number(slm_dictionary_text(batch->dictionary, SLM_CATEGORY_L3, d->key))] += d->count;
	}
	coarsen(batch, &cells, &deltas);
	slm_deltas_free(&deltas);
	slm_cells_free(&cells);
}

/* Add the events of one object to a batch; returns their number. */
static uint64_t
add_object(const SlmHashKey *key, SlmBatch *batch, int object)
{
	SlmChunk	chunk = {0};
	char		session[32];
	char		id[32];
	uint64_t	rows;

	for (int i = 0; i < EVENTS; i++)
	{
		SlmEvent	event = as_event(&events[i], session, id);
		SlmDictionaryError error;

		if (events[i].object == object)
			slm_chunk_add(&chunk, key, &event, slm_dictionary_offer(batch->dictionary, &event, &error), 1, slice("raw"), MINUTE);
	}
	rows = chunk.nrows;
	slm_batch_add(batch, chunk.rows, chunk.nrows);
	slm_chunk_free(&chunk);
	return rows;
}

/* As a queue does: the bytes come in one piece. */
static bool
send_serialized(SlmSerialized *serialized, SlmBatch *batch)
{
	size_t		len = serialized->len[0] + serialized->len[1];
	char	   *bytes = slm_table_alloc_dirty(len, 1);

	memcpy(bytes, serialized->data[0], serialized->len[0]);
	memcpy(bytes + serialized->len[0], serialized->data[1], serialized->len[1]);
	slm_serialized_free(serialized);
	return slm_batch_deserialize(bytes, len, bytes, len, batch);
}

/* Put some objects' events into the batch, directly or by way of one serialized batch made with another dictionary. */
static uint64_t
add_objects(const SlmHashKey *key, SlmBatch *batch, const int *objects, int n, bool by_bytes)
{
	SlmBatch	other = {0};
	uint64_t	rows = 0;
	SlmSerialized serialized;

	if (by_bytes)
		slm_batch_init(&other, slm_dictionary_create(key));
	for (int i = 0; i < n; i++)
		rows += add_object(key, by_bytes ? &other : batch, objects[i]);
	if (by_bytes)
	{
		if (!slm_batch_serialize(&other, &serialized) || !send_serialized(&serialized, batch))
			abort();
		slm_dictionary_free(other.dictionary);
		slm_batch_free(&other);
	}
	return rows;
}

typedef struct Stored
{
	SlmViewLogBlocks blocks[64];
	int			n;
} Stored;

/* Forget the cache, and read it anew from the blocks, in any order, with a dictionary of its own. */
static void
reload(const SlmHashKey *key, Stored *stored, SlmDictionary **dictionary, SlmViews *known)
{
	slm_views_free(known);
	slm_dictionary_free(*dictionary);
	*dictionary = slm_dictionary_create(key);
	for (int i = stored->n - 1; i >= 0; i--)
	{
		for (uint32_t b = 0; b < stored->blocks[i].nblocks; b++)
		{
			const SlmViewLogBlock *block = &stored->blocks[i].blocks[b];

			if (slm_viewlog_unpack(block->data, block->len, block->hour, INT64_MIN, NULL, *dictionary, known) != SLM_VIEWLOG_OK)
				abort();
		}
	}
}

static void
run_history(uint64_t seed)
{
	SlmHashKey	key = slm_hash_key(seed, 42);
	SlmDictionary *dictionary = slm_dictionary_create(&key);
	SlmViews	known = {0};
	Stored		stored = {0};
	uint64_t	rows = 0;
	uint64_t	accounted = 0;
	int			order[40];

	coarser_agree = true;
	make_history(seed);
	count_naively();
	memset(&actual, 0, sizeof(actual));
	for (int i = 0; i < 40; i++)
		order[i] = i;
	for (int i = 39; i > 0; i--)
	{
		int			j = (int) rnd((uint32_t) i + 1);
		int			t = order[i];

		order[i] = order[j];
		order[j] = t;
	}
	for (int next = 0; next < 40;)
	{
		int			n = 1 + (int) rnd(8);
		SlmBatch	batch;
		SlmViewList *lists;

		if (rnd(3) == 0)
			reload(&key, &stored, &dictionary, &known);
		slm_batch_init(&batch, dictionary);
		n = n < 40 - next ? n : 40 - next;
		for (int some; n > 0; n -= some, next += some)
		{
			some = 1 + (int) rnd((uint32_t) n);
			rows += add_objects(&key, &batch, &order[next], some, rnd(2));
		}
		if (rnd(4) == 0)
			slm_batch_gather(&batch);
		slm_batch_deduplicate_views(&batch, &known);
		lists = malloc((batch.nruns + 1) * sizeof(SlmViewList));
		slm_viewlog_pack(dictionary, lists, slm_batch_view_lists(&batch, lists), &stored.blocks[stored.n++]);
		free(lists);
		add_deltas(&batch);
		for (uint32_t i = 0; i < batch.nobjects; i++)
			accounted += batch.counts[i].counted + batch.counts[i].duplicate;
		slm_batch_free(&batch);
	}
	UNIT_EQ(accounted, rows, "seed %llu: every row is counted or a duplicate", (unsigned long long) seed);
	UNIT_OK(coarser_agree, "seed %llu: deltas of coarser levels from those of finer ones", (unsigned long long) seed);
	UNIT_OK(memcmp(actual.count, expected.count, sizeof(actual.count)) == 0, "seed %llu: counts by minute and product",
			(unsigned long long) seed);
	UNIT_OK(memcmp(actual.gmv, expected.gmv, sizeof(actual.gmv)) == 0, "seed %llu: gmv by minute and product",
			(unsigned long long) seed);
	UNIT_OK(memcmp(actual.hour_category, expected.hour_category, sizeof(actual.hour_category)) == 0,
			"seed %llu: counts by hour and category", (unsigned long long) seed);
	for (int i = 0; i < stored.n; i++)
		slm_viewlog_blocks_free(&stored.blocks[i]);
	slm_views_free(&known);
	slm_dictionary_free(dictionary);
}

static int
compare_times(const void *a, const void *b)
{
	SlmTime		x = *(const SlmTime *) a;
	SlmTime		y = *(const SlmTime *) b;

	return (x > y) - (x < y);
}

/* More than a group can hold is told, wherever it comes from; and forgotten with the groups. */
static void
test_overflow(void)
{
	SlmHashKey	key = slm_hash_key(3, 4);
	SlmDictionary *dictionary = slm_dictionary_create(&key);
	SlmDictionary *elsewhere = slm_dictionary_create(&key);
	SlmOfferId	offer = slm_dictionary_clean_offer(dictionary, 1, 100, slice("a.a.a"), slice("acme"));
	SlmGroups	more = {0};
	SlmCells	cells;
	SlmBatch	batch;
	SlmBatch	other;
	SlmSerialized serialized;

	slm_batch_init(&batch, dictionary);
	slm_batch_init(&other, elsewhere);
	UNIT_OK(slm_batch_count(&batch, 5, offer, SLM_PURCHASE, INT32_MAX) && !batch.groups.overflow, "as many as can be");
	UNIT_OK(slm_groups_count(&more, 5, offer, SLM_PURCHASE, 1) && slm_groups_take(&batch.groups, &more) && batch.groups.overflow, "one more, from others");
	slm_cells_make(&batch.groups, (SlmGranularity) {.usecs = MINUTE}, (SlmGranularity) {.usecs = MINUTE}, &cells);
	UNIT_OK(cells.overflow, "cells know");
	if (!slm_batch_serialize(&batch, &serialized) || !send_serialized(&serialized, &other))
		abort();
	UNIT_OK(other.groups.overflow, "as do other processes");
	slm_batch_reset(&batch);
	UNIT_OK(slm_batch_count(&batch, 5, offer, SLM_PURCHASE, -7) && !batch.groups.overflow, "the next batch is another one");
	UNIT_OK(slm_batch_count(&batch, 5, offer, SLM_PURCHASE, INT32_MIN) && batch.groups.overflow, "fewer than can be");
	slm_cells_free(&cells);
	slm_groups_free(&more);
	slm_batch_free(&batch);
	slm_batch_free(&other);
	slm_dictionary_free(dictionary);
	slm_dictionary_free(elsewhere);
}

static void
test_median(void)
{
	bool		ok = true;

	for (int n = 1; n < 200 && ok; n++)
	{
		SlmTime		times[200];
		SlmTime		sorted[200];

		for (int i = 0; i < n; i++)
			times[i] = sorted[i] = (SlmTime) rnd(n / 2 + 1) - 5;
		qsort(sorted, (size_t) n, sizeof(SlmTime), compare_times);
		ok = slm_median_time(times, (size_t) n) == sorted[(n - 1) / 2];
	}
	UNIT_OK(ok, "the lower median, of 1 to 199 times");
}

static void
test_sort(void)
{
	bool		ok = true;

	for (int n = 0; n < 3000 && ok; n = n * 3 + 1)
	{
		SlmSortItem *items = malloc((size_t) (n + 1) * sizeof(SlmSortItem));
		uint64_t	mask = rnd(2) ? UINT64_MAX : 0xFFF;

		for (int i = 0; i < n; i++)
			items[i] = (SlmSortItem) {.key = slm_splitmix(rnd(1000)) & mask,.index = (uint64_t) i};
		slm_sort(items, (size_t) n);
		for (int i = 1; i < n && ok; i++)
			ok = items[i - 1].key < items[i].key ||
				(items[i - 1].key == items[i].key && items[i - 1].index < items[i].index);
		free(items);
	}
	UNIT_OK(ok, "sorted, and stable");
}

static void
test_granularity(void)
{
	const SlmTime day = INT64_C(86400) * SLM_USECS_PER_SEC;
	const SlmGranularity week = {.usecs = 7 * INT64_C(86400) * SLM_USECS_PER_SEC};
	const SlmGranularity month = {.months = 1};
	const SlmGranularity quarter = {.months = 3};
	const SlmGranularity hour = {.usecs = 60 * SLM_USECS_PER_MIN};

	UNIT_EQ(slm_bucket_start(week, 0), -5 * day, "the week of Saturday 2000-01-01 began on Monday 1999-12-27");
	UNIT_EQ(slm_bucket_start(week, 2 * day), 2 * day, "Monday 2000-01-03 begins a week");
	UNIT_EQ(slm_bucket_start(month, 59 * day + 1), 31 * day, "2000-02-29 is in February");
	UNIT_EQ(slm_bucket_start(month, 60 * day), 60 * day, "2000-03-01 begins March");
	UNIT_EQ(slm_bucket_start(month, -1), -31 * day, "the last moment of 1999 is in December");
	UNIT_EQ(slm_bucket_next(month, 31 * day), 60 * day, "February 2000 has 29 days");
	UNIT_EQ(slm_bucket_start(quarter, 100 * day), 91 * day, "2000-04-10 is in the second quarter");
	UNIT_EQ(slm_bucket_start(hour, -1), -3600 * SLM_USECS_PER_SEC, "the last hour of 1999");
	UNIT_OK(slm_granularity_is_multiple(month, hour) && slm_granularity_is_multiple(quarter, month) &&
			slm_granularity_is_multiple(week, hour) && !slm_granularity_is_multiple(hour, week) &&
			!slm_granularity_is_multiple(month, week), "which is made of which");
}

#define lengthof(array)	(sizeof(array) / sizeof((array)[0]))

static void
test_damage(void)
{
	SlmHashKey	key = slm_hash_key(7, 8);
	SlmDictionary *dictionary = slm_dictionary_create(&key);
	SlmView		view = {.fingerprint = 99,.time = 5 * MINUTE,
	.offer = slm_dictionary_clean_offer(dictionary, 1, 100, slice("a.a.a"), slice("acme"))};
	SlmViewLogBlocks blocks;
	SlmViews	views = {0};
	bool		ok = true;

	slm_viewlog_pack(dictionary, &(SlmViewList) {.views = &view,.n = 1}, 1, &blocks);
	for (size_t len = 0; len < blocks.blocks[0].len && ok; len++)
	{
		char	   *cut = malloc(len + 1);

		memcpy(cut, blocks.blocks[0].data, len);
		ok = slm_viewlog_unpack(cut, len, 0, INT64_MIN, NULL, dictionary, &views) == SLM_VIEWLOG_CORRUPT;
		free(cut);
	}
	UNIT_OK(ok, "a block that is cut anywhere is found to be damaged");
	UNIT_EQ(slm_viewlog_unpack(blocks.blocks[0].data, blocks.blocks[0].len, 0, 6 * MINUTE, NULL, dictionary, &views),
			SLM_VIEWLOG_OK, "a block is read");
	UNIT_EQ(views.nviews, 0, "but not what is too old");
	slm_viewlog_blocks_free(&blocks);
	slm_views_free(&views);
	slm_dictionary_free(dictionary);
}

/* Times come back as they were: whole seconds and others, at both ends of an hour, before 2000 too. */
static void
test_log_times(void)
{
	const SlmTime hour = 60 * MINUTE;
	const SlmTime times[] = {0, 1, SLM_USECS_PER_SEC - 1, SLM_USECS_PER_SEC, 3 * SLM_USECS_PER_SEC + 500000, hour - SLM_USECS_PER_SEC,
	hour - 1, hour, -1, -SLM_USECS_PER_SEC, -hour};
	SlmHashKey	key = slm_hash_key(7, 8);
	SlmDictionary *dictionary = slm_dictionary_create(&key);
	SlmOfferId	offer = slm_dictionary_clean_offer(dictionary, 1, 100, slice("a.a.a"), slice("acme"));
	SlmView		views[lengthof(times)];
	SlmViewLogBlocks blocks;
	SlmViews	read = {0};
	bool		ok = true;

	for (uint64_t i = 0; i < lengthof(times); i++)
		views[i] = (SlmView) {.fingerprint = i + 1,.time = times[i],.offer = offer};
	slm_viewlog_pack(dictionary, &(SlmViewList) {.views = views,.n = lengthof(times)}, 1, &blocks);
	UNIT_EQ(blocks.nblocks, 3, "a block for each hour");
	for (uint32_t i = 0; i < blocks.nblocks; i++)
		ok &= slm_viewlog_unpack(blocks.blocks[i].data, blocks.blocks[i].len, blocks.blocks[i].hour, INT64_MIN, NULL, dictionary,
								 &read) == SLM_VIEWLOG_OK;
	UNIT_OK(ok, "the blocks are read");
	for (uint64_t i = 0; i < lengthof(times); i++)
	{
		const SlmView *view = slm_views_find(&read, i + 1);

		UNIT_OK(view != NULL && view->time == times[i], "a view at its time");
	}
	slm_viewlog_blocks_free(&blocks);
	slm_views_free(&read);
	slm_dictionary_free(dictionary);
}

/* Which offers are the first of their part does not depend on what the dictionary knew before. */
static void
test_parts(void)
{
	static const char *const rows[] = {"x", "y", "x", "z", "z", "y"};
	SlmHashKey	key = slm_hash_key(9, 10);
	SlmDictionary *dictionary = slm_dictionary_create(&key);
	SlmDictionaryError error;

	for (int part = 0; part < 3; part++)
	{
		char		firsts[lengthof(rows) + 1] = "";

		slm_dictionary_begin_part(dictionary);
		for (size_t i = 0; i < lengthof(rows); i++)
		{
			SlmEvent	event = {.product_id = 1,.brand = slice(rows[i])};
			bool		first = false;

			slm_dictionary_offer_by_hash(dictionary, &event, slm_dictionary_hash(dictionary, &event), &first, &error);
			firsts[i] = first ? '1' : '0';
		}
		UNIT_STR(firsts, strlen(firsts), "110100", "the first of part %d", part);
	}
	slm_dictionary_free(dictionary);
}

/* A part names keys, whether the dictionary knows them from before or not: a brand and a category of one name are two, an empty one is none. */
static void
test_named(void)
{
	SlmHashKey	key = slm_hash_key(9, 10);
	SlmDictionary *dictionary = slm_dictionary_create(&key);
	SlmDictionaryError error;

	for (int part = 1; part <= 3; part++)
	{
		uint32_t	enough = 250 * (uint32_t) part;
		bool		ok = true;
		uint32_t	n;
		bool		first;

		slm_dictionary_begin_part(dictionary);
		for (int i = 0; i < 5000 * part; i++)
		{
			char		brand[16];
			char		category[16];
			SlmEvent	event = {.product_id = i};
			/* as long as all brands are new ones, and every second row has a new category of the 70 */
			uint32_t	due = (uint32_t) (i + 1 + (i < 69 ? (i + 1) / 2 : 35));

			snprintf(brand, sizeof(brand), "%d", i % (1000 * part));
			snprintf(category, sizeof(category), "%d", i % 70);
			event.brand = slice(brand);
			event.category_code = slice(i % 2 ? category : "");
			slm_dictionary_offer_by_hash(dictionary, &event, slm_dictionary_hash(dictionary, &event), &first, &error);
			ok &= slm_dictionary_count_named(dictionary, enough, &n);
			if (i < 1000 * part)
				ok &= due > enough ? n == due : n <= enough;
		}
		UNIT_OK(ok, "part %d is counted as it comes", part);
		UNIT_EQ(n, 1000 * part + 35, "what part %d names", part);
	}
	slm_dictionary_free(dictionary);
}

static void
test_key_count(void)
{
	SlmKeyCount *count = calloc(1, sizeof(SlmKeyCount));
	bool		ok = true;

	count->key = slm_hash_key(11, 12);
	for (int round = 0; round < 2; round++)
	{
		for (int i = 0; i < 5000; i++)
		{
			char		brand[16];
			char		category[16];

			snprintf(brand, sizeof(brand), "%d", i);
			snprintf(category, sizeof(category), "%d", i % 70);
			ok &= slm_key_count_add(count, &(SlmEvent) {.brand = slice(brand),.category_code = slice(i % 2 ? category : "")});
		}
	}
	UNIT_OK(ok, "keys are counted");
	/* a brand and a category of one name are two; an empty one is none; 35 of the 70 are odd */
	UNIT_EQ(count->n, 5000 + 35, "each once");
	slm_key_count_free(count);
	free(count);
}

int
main(void)
{
	test_parts();
	test_named();
	test_key_count();
	for (uint64_t seed = 1; seed <= 10; seed++)
		run_history(seed);
	test_overflow();
	test_median();
	test_sort();
	test_granularity();
	test_damage();
	test_log_times();
	return unit_done();
}
