/*
 * sums.c: see sums.h.
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

static inline uint32
number_product(SlmSums *sums, int64 product_id, uint32 hash)
{
	bool		found;
	ProductEntry *entry = products_insert_hash(sums->products, product_id, hash, &found);

	if (!found)
	{
		entry->number = sums->n;
		add_key(sums, product_id);
	}
	return entry->number;
}

uint32
slm_sums_product(SlmSums *sums, int64 product_id)
{
	return number_product(sums, product_id, hash_product(sums->seed, product_id));
}

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
	Size		names = sums->products != NULL ? sums->products->size * sizeof(ProductEntry) : slm_dictionary_memory(sums->dictionary);

	sums->over = sums->limit > 0 && names + sums->room * sizeof(SlmKeySum) > sums->limit;
	return sums->over;
}

SlmSlice
slm_sums_text_of(const SlmSums *sums, uint32 key)
{
	Assert(key < sums->n);
	return slm_dictionary_text(sums->dictionary, sums->dimension, key);
}

/* So many sums of products are looked up at a time, each of whose places in memory has been asked for before: the table is larger than caches. */
#define AT_A_TIME		32

/* Bytes of a segment for each of its products, at least. */
#define LEAST_BYTES		3

/* Of a first large segment: room for all of its products at once. */
static void
make_room(SlmSums *sums, Size len)
{
	uint32		room = (uint32) Min(len / LEAST_BYTES, 1024 * 1024);

	if (sums->n > 0 || room <= sums->room || sums->limit > 0)
		return;
	if (room > sums->products->size)
		products_grow(sums->products, room);
	sums->keys = repalloc_huge(sums->keys, sizeof(SlmKeySum) * room);
	sums->room = room;
}

static void
add_some_products(SlmSums *sums, const SlmSegmentSum *some, const uint32 *hashes, int n)
{
	uint32		numbers[AT_A_TIME];

	for (int i = 0; i < n; i++)
	{
		numbers[i] = number_product(sums, some[i].product_id, hashes[i]);
		__builtin_prefetch(&sums->keys[numbers[i]], 1);
	}
	for (int i = 0; i < n; i++)
	{
		sums->keys[numbers[i]].count += some[i].count;
		sums->keys[numbers[i]].gmv += some[i].gmv;
	}
}

static SlmSegmentStatus
add_products(SlmSums *sums, SlmSegmentReader *reader)
{
	SlmSegmentSum some[AT_A_TIME];
	uint32		hashes[AT_A_TIME];
	SlmSegmentStatus status = SLM_SEGMENT_SUM;

	while (status == SLM_SEGMENT_SUM)
	{
		int			n = 0;

		while (n < AT_A_TIME && (status = slm_segment_next_product(reader, &some[n])) == SLM_SEGMENT_SUM)
		{
			hashes[n] = hash_product(sums->seed, some[n].product_id);
			__builtin_prefetch(&sums->products->data[hashes[n] & sums->products->sizemask]);
			n++;
		}
		add_some_products(sums, some, hashes, n);
		if (slm_sums_check(sums))
			return SLM_SEGMENT_END;
	}
	return status;
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
slm_sums_add_segment(SlmSums *sums, const void *bytes, Size len)
{
	SlmSegmentReader reader = slm_segment_read(bytes, len);
	SlmSegmentStatus status;

	CHECK_FOR_INTERRUPTS();
	if (sums->dimension == SLM_PRODUCT_ID)
	{
		make_room(sums, len);
		status = add_products(sums, &reader);
	}
	else
		status = add_texts(sums, &reader);
	if (status == SLM_SEGMENT_DAMAGED)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("sellometer.segments has bytes that are no segment"),
				 errhint("DELETE FROM sellometer.segments and CALL sellometer_rollup() make them anew.")));
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
