/*
 * top_summary.c: the heaviest keys of a stream of (key, weight), in bounded memory.
 *
 * A summary keeps up to max(16 n, 16384) keys, each with the sum of its weights.  With no more different keys than
 * that it is exact.  Beyond, the Space-Saving algorithm (Metwally, Agrawal and El Abbadi, "Efficient Computation of
 * Frequent and Top-k Elements in Data Streams", ICDT 2005) lets a new key take the place of the lightest one and
 * inherit its weight, which is noted as the new key's error:
 *
 *   weight - error  <=  true weight  <=  weight,  and  error  <=  total of all weights / capacity
 *
 * and a key that isn't in the summary weighs no more than the lightest one that is.
 *
 * Summaries merge, as Agarwal et al. showed ("Mergeable Summaries", PODS 2012), by adding up and pruning to capacity;
 * here so that weights stay upper bounds (Cafaro, Pulimeno and Tempesta, "A parallel space saving algorithm for
 * frequent items and the Hurwitz zeta distribution", Information Sciences 2016): a key missing from one summary is
 * taken to weigh as much as the lightest one there, and the heaviest are kept.  Both bounds above hold for the
 * outcome.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "common/hashfn.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "compat.h"
#include "sql/top_summary.h"

#define MIN_CAPACITY	16384
#define CAPACITY_PER_N	16

typedef struct TopEntry
{
	SlmTopKey	key;			/* data is the counter's */
	int			counter;
	uint32		hash;			/* for simplehash, as status */
	char		status;
} TopEntry;

/* Keys come from outside: the seed keeps them from being chosen to collide. */
static inline uint32
key_hash(SlmTopKey key)
{
	return (uint32) hash_bytes_extended((const unsigned char *) key.data, key.len, GetSystemIdentifier());
}

static inline bool
key_equal(SlmTopKey a, SlmTopKey b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

#define SH_PREFIX			top
#define SH_ELEMENT_TYPE		TopEntry
#define SH_KEY_TYPE			SlmTopKey
#define SH_KEY				key
#define SH_HASH_KEY(tb, key)	key_hash(key)
#define SH_EQUAL(tb, a, b)	key_equal(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a)	(a)->hash
#define SH_SCOPE			static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

SlmTop *
slm_top_create(MemoryContext context, int n)
{
	SlmTop	   *top = MemoryContextAllocZero(context, sizeof(SlmTop));

	top->tag = SLM_STATE_TOP;
	top->n = n;
	top->capacity = Max(CAPACITY_PER_N * n, MIN_CAPACITY);
	top->exact = true;
	top->context = context;
	top->index = top_create(context, 16, NULL);
	return top;
}

/* The heap: each counter is no lighter than its parent, which is at (place - 1) / 2. */

static bool
lighter(const SlmTop *top, int a, int b)
{
	return slm_sum_compare(&top->counters[a].weight, &top->counters[b].weight) < 0;
}

static void
heap_set(SlmTop *top, int place, int counter)
{
	top->heap[place] = counter;
	top->counters[counter].heap_place = place;
}

/* The counter at this place got heavier: let it sink. */
static void
heap_sink(SlmTop *top, int place)
{
	int			counter = top->heap[place];

	for (;;)
	{
		int			child = 2 * place + 1;

		if (child >= top->used)
			break;
		if (child + 1 < top->used && lighter(top, top->heap[child + 1], top->heap[child]))
			child++;
		if (!lighter(top, top->heap[child], counter))
			break;
		heap_set(top, place, top->heap[child]);
		place = child;
	}
	heap_set(top, place, counter);
}

static void
heap_build(SlmTop *top)
{
	top->heap = MemoryContextAlloc(top->context, mul_size(top->used, sizeof(int)));
	for (int i = 0; i < top->used; i++)
		heap_set(top, i, i);
	for (int i = top->used / 2 - 1; i >= 0; i--)
		heap_sink(top, i);
}

/* Counters */

int
slm_top_find(const SlmTop *top, SlmTopKey key)
{
	TopEntry   *entry = top_lookup(top->index, key);

	return entry == NULL ? -1 : entry->counter;
}

/* Give a counter a key: a copy is made, and the index points to it. */
static void
name_counter(SlmTop *top, int counter, SlmTopKey key)
{
	char	   *data = MemoryContextAlloc(top->context, Max(key.len, 1));
	bool		found;

	memcpy(data, key.data, key.len);
	key.data = data;
	top->counters[counter].key = key;
	top_insert(top->index, key, &found)->counter = counter;
	Assert(!found);
}

SlmTopCounter *
slm_top_append(SlmTop *top, SlmTopKey key)
{
	int			counter = top->used;

	if (top->used == top->allocated)
	{
		int			allocated = Max(16, 2 * top->allocated);
		Size		size = mul_size(allocated, sizeof(SlmTopCounter));

		top->counters = top->counters == NULL ? MemoryContextAlloc(top->context, size) : repalloc(top->counters, size);
		top->allocated = allocated;
	}
	memset(&top->counters[counter], 0, sizeof(SlmTopCounter));
	name_counter(top, counter, key);
	top->used++;
	return &top->counters[counter];
}

/* The lightest key goes, and its counter with its weight to a new key. */
static SlmTopCounter *
replace_lightest(SlmTop *top, SlmTopKey key)
{
	SlmTopCounter *counter;

	if (top->heap == NULL)
		heap_build(top);
	counter = &top->counters[top->heap[0]];
	top_delete(top->index, counter->key);
	pfree(unconstify(char *, counter->key.data));
	name_counter(top, top->heap[0], key);
	slm_sum_clear(&counter->error);
	slm_sum_add_sum(&counter->error, &counter->weight, top->context);
	top->exact = false;
	return counter;
}

void
slm_top_add(SlmTop *top, SlmTopKey key, Datum weight)
{
	SlmTopCounter *counter;
	int			i = slm_top_find(top, key);

	if (i >= 0)
		counter = &top->counters[i];
	else if (top->used < top->capacity)
		counter = slm_top_append(top, key);
	else
		counter = replace_lightest(top, key);

	slm_sum_add(&counter->weight, weight, top->context);
	if (top->heap != NULL)
		heap_sink(top, counter->heap_place);
}

/* Order */

static int
compare_counters(const void *a, const void *b)
{
	const SlmTopCounter *left = *(const SlmTopCounter *const *) a;
	const SlmTopCounter *right = *(const SlmTopCounter *const *) b;
	int			result = slm_sum_compare(&right->weight, &left->weight);

	if (result == 0)
		result = memcmp(left->key.data, right->key.data, Min(left->key.len, right->key.len));
	return result != 0 ? result : left->key.len - right->key.len;
}

SlmTopCounter **
slm_top_sort(const SlmTop *top)
{
	SlmTopCounter **sorted = palloc(mul_size(Max(top->used, 1), sizeof(SlmTopCounter *)));

	for (int i = 0; i < top->used; i++)
		sorted[i] = &top->counters[i];
	qsort(sorted, top->used, sizeof(SlmTopCounter *), compare_counters);
	return sorted;
}

/* Merging */

/* What a key that isn't in the summary may weigh: the lightest one's weight, or nothing if all keys are there. */
static const SlmSum *
missing_weight(const SlmTop *top)
{
	static const SlmSum nothing = {0};
	int			lightest = 0;

	if (top->exact)
		return &nothing;
	for (int i = 1; i < top->used; i++)
	{
		if (lighter(top, i, lightest))
			lightest = i;
	}
	return &top->counters[lightest].weight;
}

/* Keep the heaviest keys, as many as capacity. */
static void
prune(SlmTop *top)
{
	SlmTopCounter **sorted;
	SlmTopCounter *kept;
	bool		found;

	if (top->used <= top->capacity)
		return;

	sorted = slm_top_sort(top);
	kept = MemoryContextAlloc(top->context, mul_size(top->capacity, sizeof(SlmTopCounter)));
	top_reset(top->index);
	for (int i = 0; i < top->capacity; i++)
	{
		kept[i] = *sorted[i];
		top_insert(top->index, kept[i].key, &found)->counter = i;
	}
	for (int i = top->capacity; i < top->used; i++)
	{
		slm_sum_clear(&sorted[i]->weight);
		slm_sum_clear(&sorted[i]->error);
		pfree(unconstify(char *, sorted[i]->key.data));
	}
	pfree(sorted);
	pfree(top->counters);
	top->counters = kept;
	top->used = top->allocated = top->capacity;
	top->exact = false;
}

static void
add_to_counter(SlmTop *top, SlmTopCounter *counter, const SlmSum *weight, const SlmSum *error)
{
	slm_sum_add_sum(&counter->weight, weight, top->context);
	slm_sum_add_sum(&counter->error, error, top->context);
}

void
slm_top_merge(SlmTop *top, const SlmTop *other)
{
	const SlmSum *missing_there = missing_weight(other);
	SlmSum		missing_here = {0};
	int			here = top->used;

	Assert(top->n == other->n);
	slm_sum_add_sum(&missing_here, missing_weight(top), top->context);

	for (int i = 0; i < here; i++)
	{
		int			there = slm_top_find(other, top->counters[i].key);

		if (there >= 0)
			add_to_counter(top, &top->counters[i], &other->counters[there].weight, &other->counters[there].error);
		else
			add_to_counter(top, &top->counters[i], missing_there, missing_there);
	}
	for (int there = 0; there < other->used; there++)
	{
		const SlmTopCounter *counter = &other->counters[there];

		if (slm_top_find(top, counter->key) < 0)
		{
			SlmTopCounter *copy = slm_top_append(top, counter->key);

			add_to_counter(top, copy, &counter->weight, &counter->error);
			add_to_counter(top, copy, &missing_here, &missing_here);
		}
	}
	slm_sum_clear(&missing_here);
	top->exact = top->exact && other->exact;
	if (top->heap != NULL)
	{
		pfree(top->heap);		/* the order has changed */
		top->heap = NULL;
	}
	prune(top);
}
