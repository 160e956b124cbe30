/*
 * sums.c: see sums.h.
 *
 * Segments have their products ascending, and most of a segment's are those of the one before.  So products are in an index, ascending, along which
 * each segment goes: what comes next is mostly a step ahead, and in the cache, while a table of as many keys would be larger than that.  What is
 * not in the index yet is in a small table, until there is enough of it to make the index anew.
 *
 *   segment     3   7 8      20        ascending
 *   index     1 3 5 7   9 12 20 31 …   ascending, with the numbers of the keys
 *   table             8
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "pure/key_order.h"
#include "server/out_of_memory.h"
#include "tiers/sums.h"
#include "utils/memutils.h"

typedef struct ProductEntry
{
	int64		product_id;
	uint32		number;
	char		status;
} ProductEntry;

/* With a seed, so that nobody can make up keys of one hash; the finalizer of MurmurHash3. */
static inline uint32
hash_product(uint64 seed, int64 product_id)
{
	uint64		x = (uint64) product_id ^ seed;

	x = (x ^ x >> 33) * UINT64CONST(0xff51afd7ed558ccd);
	x = (x ^ x >> 33) * UINT64CONST(0xc4ceb9fe1a85ec53);
	return (uint32) (x ^ x >> 33);
}

#define SH_PREFIX		products
#define SH_ELEMENT_TYPE	ProductEntry
#define SH_KEY_TYPE		int64
#define SH_KEY			product_id
#define SH_HASH_KEY(tb, key)	hash_product(((SlmSums *) (tb)->private_data)->seed, key)
#define SH_EQUAL(tb, a, b)		((a) == (b))
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static void
free_dictionary(void *arg)
{
	slm_dictionary_free(((SlmSums *) arg)->dictionary);
}

SlmSums *
slm_sums_create(SlmDimension dimension)
{
	SlmSums    *sums = palloc0(sizeof(SlmSums));
	SlmHashKey	key = slm_hash_key(pg_prng_uint64(&pg_global_prng_state), pg_prng_uint64(&pg_global_prng_state));

	Assert(dimension < SLM_MAX_DIMENSIONS);

	sums->dimension = dimension;
	sums->room = 1024;
	sums->keys = palloc(sizeof(SlmKeySum) * sums->room);
	if (dimension == SLM_PRODUCT_ID)
	{
		sums->seed = pg_prng_uint64(&pg_global_prng_state);
		sums->products = products_create(CurrentMemoryContext, sums->room, sums);
		sums->ids = palloc(sizeof(int64));
		sums->ids[0] = PG_INT64_MAX;
		sums->numbers = palloc(sizeof(uint32));
		return sums;
	}
	sums->callback = (MemoryContextCallback) {.func = free_dictionary,.arg = sums};
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &sums->callback);
	sums->dictionary = slm_dictionary_create(&key);
	if (sums->dictionary == NULL)
		slm_out_of_memory();
	return sums;
}

static void
add_key(SlmSums *sums, int64 product_id)
{
	if (sums->n == sums->room)
	{
		sums->keys = repalloc_huge(sums->keys, sizeof(SlmKeySum) * 2 * sums->room);
		sums->room *= 2;
	}
	sums->keys[sums->n++] = (SlmKeySum) {.product_id = product_id};
}

/* --- products --- */

/* So many products that are not in the index are worth making it anew. */
#define ENOUGH(indexed)		((indexed) / 8 + 1024)

/* The first place of the index, from one on, whose product is not before this one; the last place is after all. */
static inline uint32
go_along(const SlmSums *sums, uint32 at, int64 product_id)
{
	const int64 *ids = sums->ids;
	uint32		step = 8;
	uint32		high;

	for (int i = 0; i < 8; i++, at++)
	{
		/* the last is PG_INT64_MAX */
		if (ids[at] >= product_id)
			return at;
	}
	while (at + step < sums->indexed && ids[at + step] < product_id)
	{
		at += step;
		step *= 2;
	}
	high = Min(at + step, sums->indexed);
	while (at < high)
	{
		uint32		middle = at + (high - at) / 2;

		if (ids[middle] < product_id)
			at = middle + 1;
		else
			high = middle;
	}
	return at;
}

/* The keys that are not in the index, ascending; NULL: as they are numbered. */
static uint32 *
sort_tail(const SlmSums *sums)
{
	uint32		n = sums->n - sums->indexed;
	const SlmKeySum *tail = &sums->keys[sums->indexed];
	SlmSortItem *items;
	SlmSortItem *sorted;
	uint32	   *order;
	uint32		ascending = 1;

	while (ascending < n && tail[ascending - 1].product_id < tail[ascending].product_id)
		ascending++;
	if (ascending >= n)
		return NULL;
	items = MemoryContextAllocHuge(CurrentMemoryContext, 2 * sizeof(SlmSortItem) * n);
	order = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(uint32) * n);
	for (uint32 i = 0; i < n; i++)
		items[i] = (SlmSortItem) {.key = (uint64) tail[i].product_id ^ UINT64CONST(1) << 63,.index = sums->indexed + i};
	sorted = slm_sort_with(items, items + n, n);
	for (uint32 i = 0; i < n; i++)
		order[i] = (uint32) sorted[i].index;
	pfree(items);
	return order;
}

/* Put all keys into the index. */
static void
make_index(SlmSums *sums)
{
	uint32	   *order = sort_tail(sums);
	uint32		old = sums->indexed;
	uint32		n = sums->n - old;

	sums->ids = repalloc_huge(sums->ids, sizeof(int64) * ((Size) sums->n + 1));
	sums->numbers = repalloc_huge(sums->numbers, sizeof(uint32) * ((Size) sums->n + 1));
	sums->ids[sums->n] = PG_INT64_MAX;
	/* from behind, so that nothing is in the way */
	for (uint32 to = sums->n; n > 0; to--)
	{
		uint32		number = order != NULL ? order[n - 1] : sums->indexed + n - 1;
		int64		product_id = sums->keys[number].product_id;
		bool		takes_old = old > 0 && sums->ids[old - 1] > product_id;

		sums->ids[to - 1] = takes_old ? sums->ids[old - 1] : product_id;
		sums->numbers[to - 1] = takes_old ? sums->numbers[old - 1] : number;
		if (takes_old)
			old--;
		else
			n--;
	}
	sums->indexed = sums->n;
	sums->loose = false;
	products_reset(sums->products);
	if (order != NULL)
		pfree(order);
}

/* Of one that is not in the index. */
static uint32
number_product(SlmSums *sums, int64 product_id)
{
	bool		found;
	ProductEntry *entry = products_insert(sums->products, product_id, &found);

	if (!found)
	{
		entry->number = sums->n;
		add_key(sums, product_id);
	}
	return entry->number;
}

uint32
slm_sums_hash(const SlmSums *sums, int64 product_id)
{
	return hash_product(sums->seed, product_id);
}

uint32
slm_sums_new_product(SlmSums *sums, int64 product_id)
{
	add_key(sums, product_id);
	sums->loose = true;
	return sums->n - 1;
}

void
slm_sums_index(SlmSums *sums)
{
	if (sums->indexed < sums->n)
		make_index(sums);
}

bool
slm_sums_find_product(const SlmSums *sums, int64 product_id, uint32 *number)
{
	uint32		at = go_along(sums, 0, product_id);
	ProductEntry *entry = NULL;

	Assert(!sums->loose);

	if (at < sums->indexed && sums->ids[at] == product_id)
		*number = sums->numbers[at];
	else if ((entry = products_lookup(sums->products, product_id)) != NULL)
		*number = entry->number;
	else
		return false;
	return true;
}

uint32
slm_sums_product(SlmSums *sums, int64 product_id)
{
	uint32		number;

	if (sums->loose)
		make_index(sums);
	if (sums->indexed > 0 && slm_sums_find_product(sums, product_id, &number))
		return number;
	return number_product(sums, product_id);
}

void
slm_sums_close(SlmSums *sums)
{
	Assert(sums->dimension == SLM_PRODUCT_ID);
	make_index(sums);
	sums->closed = true;
}

/* --- texts --- */

uint32
slm_sums_text(SlmSums *sums, SlmSlice text)
{
	SlmKeyId	key = slm_dictionary_add_text(sums->dictionary, sums->dimension, text);

	if (key == SLM_NO_KEY)
		slm_out_of_memory();
	/* numbers are dense: the key is new if its number is that of the next */
	Assert(key <= sums->n);
	if (key == sums->n)
		add_key(sums, 0);
	return key;
}

bool
slm_sums_check(SlmSums *sums)
{
	Size		names = sums->products != NULL ? sums->products->size * sizeof(ProductEntry) + sums->indexed * (sizeof(int64) + sizeof(uint32)) : slm_dictionary_memory(sums->dictionary);

	sums->over = sums->limit > 0 && names + sums->room * sizeof(SlmKeySum) > sums->limit;
	return sums->over;
}

SlmSlice
slm_sums_text_of(const SlmSums *sums, uint32 key)
{
	Assert(key < sums->n);
	return slm_dictionary_text(sums->dictionary, sums->dimension, key);
}

/* --- segments --- */

/* Bytes of a segment for each of its products, at least. */
#define LEAST_BYTES		3

/* Of a first large segment: room for all of its products at once. */
static void
make_room(SlmSums *sums, Size len)
{
	uint32		room = (uint32) Min(len / LEAST_BYTES, 1024 * 1024);

	if (sums->n > 0 || room <= sums->room || sums->limit > 0)
		return;
	sums->keys = repalloc_huge(sums->keys, sizeof(SlmKeySum) * room);
	sums->room = room;
}

/* Put those that are not in the index, and that the table has not either, where they belong. */
static void
keep_tail(SlmSums *sums)
{
	bool		found;

	if (sums->n - sums->indexed > ENOUGH(sums->indexed))
		make_index(sums);
	for (uint32 i = sums->indexed; i < sums->n; i++)
		products_insert(sums->products, sums->keys[i].product_id, &found)->number = i;
}

/* Of the products of the index alone; what is between them is passed over. */
static SlmSegmentStatus
add_closed(SlmSums *sums, SlmSegmentReader *reader)
{
	SlmSegmentSum sum = {0};
	SlmSegmentStatus status;
	int64		last = PG_INT64_MIN;
	uint32		at = 0;

	while ((status = slm_segment_quick_product(reader, &sum)) == SLM_SEGMENT_SUM)
	{
		if (sum.product_id <= last)
			at = 0;
		last = sum.product_id;
		at = go_along(sums, at, last);
		if (at < sums->indexed && sums->ids[at] == last)
		{
			SlmKeySum  *key = &sums->keys[sums->numbers[at++]];

			key->count += sum.count;
			key->gmv += sum.gmv;
		}
		slm_segment_pass_over(reader, sums->ids[at]);
	}
	return status;
}

/* Whoever wrote them had them ascend: then those that neither index nor table have are new, and the table need not be asked if it is empty. */
static SlmSegmentStatus
add_products(SlmSums *sums, SlmSegmentReader *reader)
{
	SlmSegmentSum sum = {0};
	SlmSegmentStatus status;
	int64		last = 0;
	uint32		at = 0;
	bool		is_first = true;
	bool		all_new;

	if (sums->loose || sums->n - sums->indexed > ENOUGH(sums->indexed))
		make_index(sums);
	all_new = sums->n == sums->indexed;
	while (!sums->over && (status = slm_segment_quick_product(reader, &sum)) == SLM_SEGMENT_SUM)
	{
		uint32		number;

		if (!is_first && sum.product_id <= last)
		{
			if (all_new)
				keep_tail(sums);
			all_new = false;
			at = 0;
		}
		is_first = false;
		last = sum.product_id;
		at = go_along(sums, at, last);
		if (at < sums->indexed && sums->ids[at] == last)
			number = sums->numbers[at];
		else if (all_new)
		{
			number = sums->n;
			add_key(sums, last);
		}
		else
			number = number_product(sums, last);
		sums->keys[number].count += sum.count;
		sums->keys[number].gmv += sum.gmv;
		if (sums->limit > 0 && sums->n % 1024 == 0)
			slm_sums_check(sums);
	}
	if (all_new)
		keep_tail(sums);
	return sums->over ? SLM_SEGMENT_END : status;
}

static SlmSegmentStatus
add_texts(SlmSums *sums, SlmSegmentReader *reader)
{
	SlmSegmentSum sum = {0};
	SlmSegmentStatus status;

	while ((status = slm_segment_next_text(reader, &sum)) == SLM_SEGMENT_SUM)
	{
		/* before the keys are looked at, which may move */
		uint32		key = slm_sums_text(sums, sum.text);

		sums->keys[key].count += sum.count;
		sums->keys[key].gmv += sum.gmv;
		if (sums->n % 256 == 0 && slm_sums_check(sums))
			return SLM_SEGMENT_END;
	}
	return status;
}

void
slm_sums_add_rest(SlmSums *sums, SlmSegmentReader *reader)
{
	SlmSegmentStatus status;

	CHECK_FOR_INTERRUPTS();
	if (sums->dimension != SLM_PRODUCT_ID)
		status = add_texts(sums, reader);
	else
		status = sums->closed ? add_closed(sums, reader) : add_products(sums, reader);
	if (status == SLM_SEGMENT_DAMAGED)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("sellometer.segments has bytes that are no segment"),
				 errhint("DELETE FROM sellometer.segments, likewise from sellometer.dimension_segments, and CALL sellometer_rollup() make them anew.")));
}

void
slm_sums_add_segment(SlmSums *sums, const void *bytes, Size len)
{
	SlmSegmentReader reader = slm_segment_read(bytes, len);

	if (sums->dimension == SLM_PRODUCT_ID)
		make_room(sums, len);
	slm_sums_add_rest(sums, &reader);
}

void
slm_sums_sort(const SlmSums *sums, SlmKeyId *keys, uint32 n)
{
	SlmSortItem *items = MemoryContextAllocHuge(CurrentMemoryContext, 2 * sizeof(SlmSortItem) * Max(n, 1));
	SlmSortItem *sorted;

	if (sums->dimension != SLM_PRODUCT_ID)
		slm_keys_sort(sums->dictionary, sums->dimension, keys, n, items, items + n);
	else
	{
		for (uint32 i = 0; i < n; i++)
			items[i] = (SlmSortItem) {.key = (uint64) sums->keys[keys[i]].product_id ^ UINT64CONST(1) << 63,.index = keys[i]};
		sorted = slm_sort_with(items, items + n, n);
		for (uint32 i = 0; i < n; i++)
			keys[i] = (SlmKeyId) sorted[i].index;
	}
	pfree(items);
}

void
slm_sums_put(const SlmSums *sums, uint32 key, int64 count, int128 gmv, SlmSegment *segment)
{
	if (sums->dimension == SLM_PRODUCT_ID ? !slm_segment_put_product(segment, sums->keys[key].product_id, count, gmv) :
		!slm_segment_put_text(segment, slm_sums_text_of(sums, key), count, gmv))
		slm_out_of_memory();
}

void
slm_sums_put_all(const SlmSums *sums, SlmSegment *segment)
{
	SlmKeyId   *keys = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(SlmKeyId) * Max(sums->n, 1));
	uint32		n = 0;

	for (uint32 i = 0; i < sums->n; i++)
	{
		if (sums->keys[i].count != 0)
			keys[n++] = i;
	}
	slm_sums_sort(sums, keys, n);
	for (uint32 i = 0; i < n; i++)
		slm_sums_put(sums, keys[i], sums->keys[keys[i]].count, sums->keys[keys[i]].gmv, segment);
	pfree(keys);
}
