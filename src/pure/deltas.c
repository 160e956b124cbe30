/*
 * deltas.c: from groups to the rows of a tier's tables.
 */
#include "pure/deltas.h"

#include <stdlib.h>
#include <string.h>

#include "pure/assert.h"
#include "pure/key_order.h"
#include "pure/memory.h"

/* --- cells: the buckets of the groups --- */

/* The numbers of the groups' minutes in the order of time, in the room of the cells. */
static const SlmSortItem *
sort_minutes(const SlmGroups *groups, SlmCells *cells)
{
	int32_t		first = INT32_MAX;

	for (uint32_t m = 0; m < groups->nminutes; m++)
		first = groups->minutes[m].minute < first ? groups->minutes[m].minute : first;
	for (uint32_t m = 0; m < groups->nminutes; m++)
		cells->items[m] = (SlmSortItem) {
			.key = (uint64_t) ((int64_t) groups->minutes[m].minute - first),.index = m
		};
	return slm_sort_with(cells->items, cells->spare, groups->nminutes);
}

static void
fill_cells(const SlmGroups *groups, const SlmSortItem *sorted, SlmGranularity bucket, SlmGranularity partition,
		   SlmCells *out)
{
	SlmBucket  *last = NULL;
	SlmTime		end = INT64_MIN;

	for (uint32_t m = 0; m < groups->nminutes; m++)
	{
		const SlmMinute *minute = &groups->minutes[sorted[m].index];
		SlmTime		time = (SlmTime) minute->minute * SLM_USECS_PER_MIN;

		if (last == NULL || time >= end)
		{
			SLM_ASSERT(out->nbuckets <= m);
			last = &out->buckets[out->nbuckets++];
			last->start = slm_bucket_start(bucket, time);
			last->partition = slm_bucket_start(partition, last->start);
			last->wanted = true;
			end = slm_bucket_next(bucket, last->start);
		}
		for (uint32_t i = 0; i < minute->nslots; i++)
		{
			SlmGroup	group;

			if (minute->slots[i].name == 0 || minute->slots[i].count == 0)
				continue;
			SLM_ASSERT(out->ncells < out->maxcells);
			group = slm_group_of(minute, &minute->slots[i]);
			out->cells[out->ncells++] = (SlmCell) {
				.offer = group.offer,.bucket = out->nbuckets - 1,.count = group.count,.type = group.type
			};
		}
	}
}

static uint32_t
distinct_keys(const SlmSortItem *items, uint64_t n)
{
	uint32_t	distinct = n > 0;

	for (uint64_t i = 1; i < n; i++)
		distinct += items[i].key != items[i - 1].key;
	return distinct;
}

bool
slm_cells_make(const SlmGroups *groups, SlmGranularity bucket, SlmGranularity partition, SlmCells *out)
{
	bool		ok;

	*out = (SlmCells) {.maxcells = groups->ngroups,.overflow = groups->overflow};
	/* a bucket is in one partition */
	SLM_ASSERT(slm_granularity_is_multiple(partition, bucket));
	out->items = slm_table_alloc_dirty(out->maxcells, sizeof(SlmSortItem));
	out->spare = slm_table_alloc_dirty(out->maxcells, sizeof(SlmSortItem));
	ok = out->items != NULL && out->spare != NULL;
	if (ok)
	{
		const SlmSortItem *sorted = sort_minutes(groups, out);

		/* a bucket holds at least one minute, so there are no more buckets than minutes */
		out->buckets = malloc(((size_t) groups->nminutes + 1) * sizeof(SlmBucket));
		out->cells = slm_table_alloc_dirty(out->maxcells, sizeof(SlmCell));
		ok = out->buckets != NULL && out->cells != NULL;
		if (ok)
		{
			fill_cells(groups, sorted, bucket, partition, out);
			out->totals = calloc((size_t) out->nbuckets * SLM_EVENT_TYPES + 1, sizeof(SlmTotal));
			ok = out->totals != NULL;
		}
	}
	if (!ok)
		slm_cells_free(out);
	return ok;
}

void
slm_cells_free(SlmCells *cells)
{
	free(cells->buckets);
	free(cells->totals);
	slm_table_free(cells->offers, cells->maxoffers, sizeof(SlmOfferId));
	slm_table_free(cells->prices, cells->maxoffers, sizeof(SlmMoney));
	slm_table_free(cells->cells, cells->maxcells, sizeof(SlmCell));
	slm_table_free(cells->items, cells->maxcells, sizeof(SlmSortItem));
	slm_table_free(cells->spare, cells->maxcells, sizeof(SlmSortItem));
	*cells = (SlmCells) {0};
}

/* --- deltas: the keys of one dimension --- */

/*
 * The keys that are used, and their order.  numbers[] holds a key's place in sorted[] + 1 (0: not used); before they are
 * sorted, the order in which they were found.
 */
typedef struct Keys
{
	const SlmDictionary *dictionary;
	SlmDimension dimension;
	uint32_t   *numbers;
	SlmKeyId   *sorted;
	uint32_t	n;
	uint32_t	max;
} Keys;

static bool
keys_init(Keys *keys, const SlmDictionary *dictionary, SlmDimension dimension)
{
	*keys = (Keys) {.dictionary = dictionary,.dimension = dimension,.max = slm_dictionary_keys(dictionary, dimension)};
	keys->numbers = slm_table_alloc(keys->max, sizeof(uint32_t));
	keys->sorted = slm_table_alloc_dirty(keys->max, sizeof(SlmKeyId));
	return keys->numbers != NULL && keys->sorted != NULL;
}

static void
keys_free(Keys *keys)
{
	slm_table_free(keys->numbers, keys->max, sizeof(uint32_t));
	slm_table_free(keys->sorted, keys->max, sizeof(SlmKeyId));
}

static inline void
keys_add(Keys *keys, SlmKeyId key)
{
	SLM_ASSERT(key < keys->max);
	if (keys->numbers[key] != 0)
		return;
	keys->sorted[keys->n++] = key;
	keys->numbers[key] = keys->n;
}

/* There are no more keys than cells, so the cells' room does. */
static void
keys_sort(Keys *keys, SlmCells *cells)
{
	SLM_ASSERT(keys->n <= cells->maxcells);
	slm_keys_sort(keys->dictionary, keys->dimension, keys->sorted, keys->n, cells->items, cells->spare);
	for (uint32_t i = 0; i < keys->n; i++)
		keys->numbers[keys->sorted[i]] = i + 1;
}

static int
bits_for(uint64_t n)
{
	return n <= 1 ? 0 : 64 - __builtin_clzll(n - 1);
}

/* How the sort key is put together: partition, key, bucket, type, from high to low. */
typedef struct SortLayout
{
	int			key_shift;
	int			partition_shift;
	uint32_t   *partitions;		/* the number of each bucket's partition, counted from the first */
} SortLayout;

#define BUCKET_SHIFT	2

static bool
make_layout(const SlmCells *cells, uint32_t nkeys, SortLayout *layout)
{
	layout->key_shift = BUCKET_SHIFT + bits_for(cells->nbuckets);
	layout->partition_shift = layout->key_shift + bits_for(nkeys);
	layout->partitions = malloc(((size_t) cells->nbuckets + 1) * sizeof(uint32_t));
	if (layout->partitions == NULL)
		return false;
	layout->partitions[0] = 0;
	for (uint32_t i = 1; i < cells->nbuckets; i++)
		layout->partitions[i] = layout->partitions[i - 1] + (cells->buckets[i].partition != cells->buckets[i - 1].partition);
	return layout->partition_shift + bits_for(cells->nbuckets) <= 62;
}

static inline uint64_t
sort_key(const SortLayout *layout, const Keys *keys, SlmKeyId key, uint32_t bucket, uint8_t type)
{
	SLM_ASSERT(keys->numbers[key] > 0 && keys->numbers[key] <= keys->n);
	SLM_ASSERT(type < 1 << BUCKET_SHIFT);
	return (uint64_t) layout->partitions[bucket] << layout->partition_shift |
		(uint64_t) (keys->numbers[key] - 1) << layout->key_shift | (uint64_t) bucket << BUCKET_SHIFT | type;
}

/* The row that a sort key stands for, without its sums. */
static inline SlmDelta
row_of(const SortLayout *layout, const Keys *keys, const SlmCells *cells, uint64_t sort_key)
{
	uint64_t	place = (sort_key & ((UINT64_C(1) << layout->partition_shift) - 1)) >> layout->key_shift;
	uint32_t	bucket = (uint32_t) ((sort_key & ((UINT64_C(1) << layout->key_shift) - 1)) >> BUCKET_SHIFT);

	return (SlmDelta) {
		.time = cells->buckets[bucket].start,.key = keys->sorted[place],.bucket = bucket,
		.type = (uint8_t) (sort_key & ((1 << BUCKET_SHIFT) - 1))
	};
}

static bool
make_room(SlmDeltas *out, const SlmSortItem *items, uint64_t n)
{
	out->maxrows = distinct_keys(items, n);
	out->rows = slm_table_alloc_dirty(out->maxrows, sizeof(SlmDelta));
	return out->rows != NULL;
}

static inline void
keep_row(SlmDeltas *out, const SlmDelta *row)
{
	SLM_ASSERT(out->nrows < out->maxrows);
	if (row->count != 0 || row->gmv != 0)
		out->rows[out->nrows++] = *row;
}

/* Find the offers of the cells and their prices.  Each is looked up in the dictionary once, in its order. */
static bool
find_offers(SlmCells *cells, const SlmDictionary *dictionary)
{
	if (cells->prices != NULL)
		return true;
	cells->maxoffers = slm_dictionary_offers(dictionary);
	cells->offers = slm_table_alloc_dirty(cells->maxoffers, sizeof(SlmOfferId));
	cells->prices = slm_table_alloc(cells->maxoffers, sizeof(SlmMoney));
	if (cells->offers == NULL || cells->prices == NULL)
		return false;
	for (uint64_t i = 0; i < cells->ncells; i++)
	{
		SLM_ASSERT(cells->cells[i].offer < cells->maxoffers);
		SLM_ASSERT(cells->cells[i].bucket < cells->nbuckets);
		cells->prices[cells->cells[i].offer] = 1;
	}
	for (uint32_t offer = 0; offer < cells->maxoffers; offer++)
	{
		if (cells->prices[offer] == 0)
			continue;
		cells->offers[cells->noffers++] = offer;
		cells->prices[offer] = slm_dictionary_get(dictionary, offer)->price;
	}
	return true;
}

/* A cell as the payload of a sort item. */
static inline uint64_t
pack_cell(const SlmCell *cell)
{
	return (uint64_t) cell->offer << 32 | (uint32_t) cell->count;
}

static inline void
add_to_total(SlmTotal *total, int64_t count, SlmMoneySum gmv)
{
	total->count += count;
	total->gmv += gmv;
	total->grown_count += count > 0 ? count : 0;
}

/* Add up the cells of equal sort keys, which stand side by side.  totals: NULL if they are not asked for. */
static void
sum_cells(const SlmSortItem *items, uint64_t n, const SortLayout *layout, const Keys *keys, const SlmCells *cells,
		  SlmTotal *totals, SlmDeltas *out)
{
	for (uint64_t i = 0, end; i < n; i = end)
	{
		SlmDelta	row = row_of(layout, keys, cells, items[i].key);

		for (end = i; end < n && items[end].key == items[i].key; end++)
		{
			int32_t		count = (int32_t) (uint32_t) items[end].index;
			SlmMoneySum gmv = (SlmMoneySum) count * cells->prices[items[end].index >> 32];

			row.count += count;
			row.gmv += gmv;
			if (totals != NULL)
				add_to_total(&totals[row.bucket * SLM_EVENT_TYPES + row.type], count, gmv);
		}
		keep_row(out, &row);
	}
}

bool
slm_deltas_make(SlmCells *cells, const SlmDictionary *dictionary, SlmDimension dimension, SlmDeltas *out)
{
	SlmKeyId   *key_of;			/* by offer */
	Keys		keys;
	SortLayout	layout = {0};
	const bool	own = dimension >= SLM_FIRST_OWN;	/* then an offer may have no key */
	bool		ok = keys_init(&keys, dictionary, dimension) && find_offers(cells, dictionary);

	SLM_ASSERT(dimension < SLM_MAX_DIMENSIONS);

	*out = (SlmDeltas) {0};
	key_of = slm_table_alloc_dirty(cells->maxoffers, sizeof(SlmKeyId));
	ok = ok && key_of != NULL;
	for (uint32_t i = 0; ok && i < cells->noffers; i++)
	{
		SlmKeyId	key = own ? slm_dictionary_counted_key(dictionary, cells->offers[i], dimension)
			: slm_dictionary_get(dictionary, cells->offers[i])->keys[dimension];

		key_of[cells->offers[i]] = key;
		if (!own || key != SLM_NO_KEY)
			keys_add(&keys, key);
	}
	if (ok)
		keys_sort(&keys, cells);
	ok = ok && make_layout(cells, keys.n, &layout);
	if (ok)
	{
		SlmSortItem *items = cells->items;
		uint64_t	n = 0;

		for (uint64_t i = 0; i < cells->ncells; i++)
		{
			const SlmCell *cell = &cells->cells[i];

			if (cells->buckets[cell->bucket].wanted && (!own || key_of[cell->offer] != SLM_NO_KEY))
				items[n++] = (SlmSortItem) {
					.key = sort_key(&layout, &keys, key_of[cell->offer], cell->bucket, cell->type),
					.index = pack_cell(cell)
				};
		}
		items = slm_sort_with(items, cells->spare, n);
		ok = make_room(out, items, n);
		if (ok)
		{
			SlmTotal   *totals = dimension == SLM_PRODUCT_ID ? cells->totals : NULL;

			if (totals != NULL)
				memset(totals, 0, sizeof(SlmTotal) * cells->nbuckets * SLM_EVENT_TYPES);
			sum_cells(items, n, &layout, &keys, cells, totals, out);
		}
	}
	free(layout.partitions);
	keys_free(&keys);
	slm_table_free(key_of, cells->maxoffers, sizeof(SlmKeyId));
	return ok;
}

bool
slm_deltas_coarsen(const SlmDeltas *finer, SlmCells *cells, const SlmDictionary *dictionary, SlmDimension dimension,
				   SlmDeltas *out)
{
	SlmDimension from = dimension == SLM_CATEGORY_L2 ? SLM_CATEGORY_L3 : SLM_CATEGORY_L2;
	Keys		keys;
	SortLayout	layout = {0};
	SlmSortItem *items = cells->items;
	bool		ok = keys_init(&keys, dictionary, dimension);

	SLM_ASSERT(dimension == SLM_CATEGORY_L2 || dimension == SLM_CATEGORY_L1);
	SLM_ASSERT(finer->nrows <= cells->maxcells);

	*out = (SlmDeltas) {0};
	for (uint64_t i = 0; ok && i < finer->nrows; i++)
		keys_add(&keys, slm_dictionary_parent(dictionary, from, finer->rows[i].key));
	if (ok)
		keys_sort(&keys, cells);
	ok = ok && make_layout(cells, keys.n, &layout);
	if (ok)
	{
		for (uint64_t i = 0; i < finer->nrows; i++)
		{
			const SlmDelta *row = &finer->rows[i];

			items[i] = (SlmSortItem) {
				.key = sort_key(&layout, &keys, slm_dictionary_parent(dictionary, from, row->key), row->bucket, row->type),
				.index = i
			};
		}
		items = slm_sort_with(items, cells->spare, finer->nrows);
		ok = make_room(out, items, finer->nrows);
	}
	for (uint64_t i = 0, end; ok && i < finer->nrows; i = end)
	{
		SlmDelta	row = row_of(&layout, &keys, cells, items[i].key);

		for (end = i; end < finer->nrows && items[end].key == items[i].key; end++)
		{
			row.count += finer->rows[items[end].index].count;
			row.gmv += finer->rows[items[end].index].gmv;
		}
		keep_row(out, &row);
	}
	free(layout.partitions);
	keys_free(&keys);
	return ok;
}

#ifdef USE_ASSERT_CHECKING

static int
compare_keys(const SlmDictionary *dictionary, SlmDimension dimension, SlmKeyId a, SlmKeyId b)
{
	if (dimension == SLM_PRODUCT_ID)
	{
		int64_t		x = slm_dictionary_product(dictionary, a);
		int64_t		y = slm_dictionary_product(dictionary, b);

		return (x > y) - (x < y);
	}
	return slm_slice_compare(slm_dictionary_text(dictionary, dimension, a), slm_dictionary_text(dictionary, dimension, b));
}

bool
slm_deltas_ascend(const SlmDeltas *deltas, const SlmDictionary *dictionary, SlmDimension dimension, SlmGranularity partition)
{
	for (uint64_t i = 1; i < deltas->nrows; i++)
	{
		const SlmDelta *a = &deltas->rows[i - 1];
		const SlmDelta *b = &deltas->rows[i];
		SlmTime		x = slm_bucket_start(partition, a->time);
		SlmTime		y = slm_bucket_start(partition, b->time);
		int			c = (x > y) - (x < y);

		if (c == 0)
			c = compare_keys(dictionary, dimension, a->key, b->key);
		if (c == 0)
			c = (a->time > b->time) - (a->time < b->time);
		if (c == 0)
			c = a->type - b->type;
		if (c >= 0)
			return false;
	}
	return true;
}

#endif

void
slm_deltas_free(SlmDeltas *deltas)
{
	slm_table_free(deltas->rows, deltas->maxrows, sizeof(SlmDelta));
	*deltas = (SlmDeltas) {0};
}
