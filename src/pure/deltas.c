/*
 * deltas.c: from groups to the rows of a tier's tables.
 */
#include "pure/deltas.h"

#include <stdlib.h>

#include "pure/sort.h"

/* --- cells: the buckets of the groups --- */

/* Number the distinct minutes of the groups in ascending order: items[i].key becomes the minute's rank. */
static bool
sort_minutes(const SlmGroups *groups, SlmSortItem *items)
{
	uint64_t	n = 0;
	int32_t		first = INT32_MAX;

	for (uint64_t i = 0; i < groups->nslots; i++)
	{
		const SlmGroup *group = &groups->groups[i];

		if (group->type == SLM_GROUP_FREE)
			continue;
		items[n++].index = i;
		first = group->minute < first ? group->minute : first;
	}
	for (uint64_t i = 0; i < n; i++)
		items[i].key = (uint64_t) ((int64_t) groups->groups[items[i].index].minute - first);
	return slm_sort(items, n);
}

static void
fill_cells(const SlmGroups *groups, const SlmSortItem *items, SlmGranularity bucket, SlmGranularity partition,
		   SlmCells *out)
{
	SlmBucket  *last = NULL;
	SlmTime		end = INT64_MIN;

	for (uint64_t i = 0; i < groups->ngroups; i++)
	{
		const SlmGroup *group = &groups->groups[items[i].index];
		SlmTime		time = (SlmTime) group->minute * SLM_USECS_PER_MIN;

		if (last == NULL || time >= end)
		{
			last = &out->buckets[out->nbuckets++];
			last->start = slm_bucket_start(bucket, time);
			last->partition = slm_bucket_start(partition, last->start);
			last->wanted = true;
			end = slm_bucket_next(bucket, last->start);
		}
		if (group->count == 0)
			continue;
		out->cells[out->ncells++] = (SlmCell) {
			.offer = group->offer,.bucket = out->nbuckets - 1,.count = group->count,.type = group->type
		};
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
	SlmSortItem *items = malloc((groups->ngroups + 1) * sizeof(SlmSortItem));
	bool		ok = items != NULL && sort_minutes(groups, items);

	*out = (SlmCells) {0};
	if (ok)
	{
		/* a bucket holds at least one minute, so there are no more buckets than minutes */
		out->buckets = malloc(((size_t) distinct_keys(items, groups->ngroups) + 1) * sizeof(SlmBucket));
		out->cells = malloc((groups->ngroups + 1) * sizeof(SlmCell));
		ok = out->buckets != NULL && out->cells != NULL;
	}
	if (ok)
		fill_cells(groups, items, bucket, partition, out);
	else
		slm_cells_free(out);
	free(items);
	return ok;
}

void
slm_cells_free(SlmCells *cells)
{
	free(cells->buckets);
	free(cells->cells);
	*cells = (SlmCells) {0};
}

/* --- deltas: the keys of one dimension --- */

typedef struct KeyOrder
{
	const SlmCatalog *catalog;
	SlmDimension dimension;
} KeyOrder;

static int
compare_keys(const void *a, const void *b, void *arg)
{
	const KeyOrder *order = arg;
	SlmKeyId	x = *(const SlmKeyId *) a;
	SlmKeyId	y = *(const SlmKeyId *) b;

	if (order->dimension == SLM_PRODUCT_ID)
	{
		int64_t		p = slm_catalog_product(order->catalog, x);
		int64_t		q = slm_catalog_product(order->catalog, y);

		return (p > q) - (p < q);
	}
	return slm_slice_compare(slm_catalog_text(order->catalog, order->dimension, x),
							 slm_catalog_text(order->catalog, order->dimension, y));
}

static inline SlmKeyId
key_of(const SlmCatalog *catalog, SlmDimension dimension, const SlmCell *cell)
{
	return slm_catalog_get(catalog, cell->offer)->keys[dimension];
}

/*
 * The order of the keys that the cells use: ranks[key] is a key's place among them, sorted[place] the key.  Returns
 * the number of keys used, or UINT32_MAX if out of memory.
 */
static uint32_t
rank_keys(const SlmCells *cells, const SlmCatalog *catalog, SlmDimension dimension, uint32_t **ranks,
		  SlmKeyId **sorted)
{
	uint32_t	nkeys = slm_catalog_keys(catalog, dimension);
	uint32_t	used = 0;
	KeyOrder	order = {catalog, dimension};

	*ranks = calloc((size_t) nkeys + 1, sizeof(uint32_t));
	*sorted = malloc(((size_t) nkeys + 1) * sizeof(SlmKeyId));
	if (*ranks == NULL || *sorted == NULL)
		return UINT32_MAX;
	for (uint64_t i = 0; i < cells->ncells; i++)
	{
		SlmKeyId	key = key_of(catalog, dimension, &cells->cells[i]);

		if (cells->buckets[cells->cells[i].bucket].wanted && (*ranks)[key] == 0)
		{
			(*ranks)[key] = 1;
			(*sorted)[used++] = key;
		}
	}
	qsort_r(*sorted, used, sizeof(SlmKeyId), compare_keys, &order);
	for (uint32_t place = 0; place < used; place++)
		(*ranks)[(*sorted)[place]] = place;
	return used;
}

static int
bits_for(uint64_t n)
{
	return n <= 1 ? 0 : 64 - __builtin_clzll(n - 1);
}

/* How the sort key is put together: partition, key, bucket, type, from high to low. */
typedef struct SortLayout
{
	int			partition_shift;
	int			key_shift;
	int			bucket_shift;
} SortLayout;

static bool
make_layout(const SlmCells *cells, uint32_t nkeys, SortLayout *layout)
{
	layout->bucket_shift = 2;
	layout->key_shift = layout->bucket_shift + bits_for(cells->nbuckets);
	layout->partition_shift = layout->key_shift + bits_for(nkeys);
	return layout->partition_shift + bits_for(cells->nbuckets) <= 62;
}

/* The number of each bucket's partition, counted from the first. */
static uint32_t *
number_partitions(const SlmCells *cells)
{
	uint32_t   *numbers = malloc(((size_t) cells->nbuckets + 1) * sizeof(uint32_t));

	if (numbers == NULL)
		return NULL;
	numbers[0] = 0;
	for (uint32_t i = 1; i < cells->nbuckets; i++)
		numbers[i] = numbers[i - 1] + (cells->buckets[i].partition != cells->buckets[i - 1].partition);
	return numbers;
}

static uint64_t
fill_items(const SlmCells *cells, const SlmCatalog *catalog, SlmDimension dimension, const uint32_t *ranks,
		   const uint32_t *partitions, const SortLayout *layout, SlmSortItem *items)
{
	uint64_t	n = 0;

	for (uint64_t i = 0; i < cells->ncells; i++)
	{
		const SlmCell *cell = &cells->cells[i];

		if (!cells->buckets[cell->bucket].wanted)
			continue;
		items[n].index = i;
		items[n].key = (uint64_t) partitions[cell->bucket] << layout->partition_shift |
			(uint64_t) ranks[key_of(catalog, dimension, cell)] << layout->key_shift |
			(uint64_t) cell->bucket << layout->bucket_shift | cell->type;
		n++;
	}
	return n;
}

/* Add up the cells of equal sort keys, which stand side by side. */
static bool
sum_items(const SlmCells *cells, const SlmCatalog *catalog, SlmDimension dimension, const SlmSortItem *items,
		  uint64_t nitems, SlmDeltas *out)
{
	uint64_t	distinct = nitems > 0;

	for (uint64_t i = 1; i < nitems; i++)
		distinct += items[i].key != items[i - 1].key;
	out->rows = malloc((distinct + 1) * sizeof(SlmDelta));
	if (out->rows == NULL)
		return false;
	for (uint64_t i = 0, end; i < nitems; i = end)
	{
		const SlmCell *cell = &cells->cells[items[i].index];
		SlmDelta   *row = &out->rows[out->nrows];

		row->time = cells->buckets[cell->bucket].start;
		row->key = key_of(catalog, dimension, cell);
		row->type = cell->type;
		row->count = 0;
		row->gmv = 0;
		for (end = i; end < nitems && items[end].key == items[i].key; end++)
		{
			cell = &cells->cells[items[end].index];
			row->count += cell->count;
			row->gmv += (SlmMoneySum) cell->count * slm_catalog_get(catalog, cell->offer)->price;
		}
		if (row->count != 0 || row->gmv != 0)
			out->nrows++;
	}
	return true;
}

bool
slm_deltas_make(const SlmCells *cells, const SlmCatalog *catalog, SlmDimension dimension, SlmDeltas *out)
{
	uint32_t   *ranks = NULL;
	SlmKeyId   *sorted = NULL;
	uint32_t	nkeys = rank_keys(cells, catalog, dimension, &ranks, &sorted);
	uint32_t   *partitions = number_partitions(cells);
	SlmSortItem *items = malloc((cells->ncells + 1) * sizeof(SlmSortItem));
	SortLayout	layout;
	bool		ok;

	*out = (SlmDeltas) {0};
	ok = nkeys != UINT32_MAX && partitions != NULL && items != NULL && make_layout(cells, nkeys, &layout);
	if (ok)
	{
		uint64_t	n = fill_items(cells, catalog, dimension, ranks, partitions, &layout, items);

		ok = slm_sort(items, n) && sum_items(cells, catalog, dimension, items, n, out);
	}
	free(ranks);
	free(sorted);
	free(partitions);
	free(items);
	if (!ok)
		slm_deltas_free(out);
	return ok;
}

void
slm_deltas_free(SlmDeltas *deltas)
{
	free(deltas->rows);
	*deltas = (SlmDeltas) {0};
}
