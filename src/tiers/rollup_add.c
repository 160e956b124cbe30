/*
 * rollup_add.c: add up buckets of a tier from the rows of the finer one.
 *
 *   rows of the finer tier --> sums by (key, bucket, type) --> in this order --> the tier's table
 *
 * If the keys take more memory than there is, that is done in several passes over the rows, each for a share of the keys.
 */
#include "postgres.h"

#include "budget.h"
#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "compat.h"
#include "pure/key_order.h"
#include "pure/memory.h"
#include "server/out_of_memory.h"
#include "tiers/rollup_add.h"
#include "tiers/tier_scan.h"
#include "tiers/tier_write.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* With so many the memory is what it is: that is more names than any limit lets come. */
#define MAX_PASSES	4096

typedef struct AddUp
{
	SlmDimension dimension;
	TimestampTz *starts;		/* of the buckets, and the end of the last */
	int			nbuckets;
	int			bucket;			/* of the last row */
	const SlmTier *from;
	Snapshot	snapshot;
	uint32		npasses;
	uint32		pass;			/* the one at hand */
	uint64		seed;			/* so that nobody can make up keys of one pass */

	/* of the pass */
	SlmDictionary *dictionary;		/* numbers the keys; malloc'ed */
	uint32	   *places;			/* by key, bucket and type: place in sums + 1; 0: none */
	uint64		nplaces;
	SlmDeltas	sums;			/* malloc'ed, as palloc() does not align 128 bits; so are rows */
	SlmDeltas	rows;			/* the same in order */
} AddUp;

static SlmKeyId
number_key(AddUp *add, const SlmTierRow *row)
{
	SlmKeyId	key = add->dimension == SLM_PRODUCT_ID ? slm_dictionary_add_product(add->dictionary, row->product_id)
		: slm_dictionary_add_text(add->dictionary, add->dimension, row->key);

	if (key == SLM_NO_KEY)
		slm_out_of_memory();
	return key;
}

/* The number of the bucket that holds a time.  Rows come by time, but for those that were put between others later. */
static int
find_bucket(AddUp *add, TimestampTz time)
{
	int			low = 0;
	int			high = add->nbuckets;

	Assert(time >= add->starts[0] && time < add->starts[add->nbuckets]);

	if (time >= add->starts[add->bucket] && time < add->starts[add->bucket + 1])
		return add->bucket;
	while (high - low > 1)
	{
		int			middle = low + (high - low) / 2;

		if (add->starts[middle] <= time)
			low = middle;
		else
			high = middle;
	}
	return add->bucket = low;
}

/* How many places a key has: one for each bucket and type. */
static uint64
places_of_key(const AddUp *add)
{
	return (uint64) add->nbuckets * SLM_EVENT_TYPES;
}

/* The sum of a key, bucket and type, which is 0 if it is new. */
static SlmDelta *
find_sum(AddUp *add, SlmKeyId key, int bucket, SlmEventType type)
{
	uint64		place = key * places_of_key(add) + (uint64) bucket * SLM_EVENT_TYPES + type;

	Assert(type < SLM_EVENT_TYPES);

	/* room for all of a key at once */
	if (((uint64) key + 1) * places_of_key(add) > add->nplaces)
	{
		uint64		more = 2 * ((uint64) key + 1) * places_of_key(add) + 1024;

		add->places = repalloc_huge(add->places, more * sizeof(uint32));
		memset(add->places + add->nplaces, 0, (more - add->nplaces) * sizeof(uint32));
		add->nplaces = more;
	}
	if (add->places[place] == 0)
	{
		SlmDeltas  *sums = &add->sums;

		if (sums->nrows == sums->maxrows)
		{
			SlmDelta   *more = slm_table_grow(sums->rows, sums->maxrows, 2 * sums->maxrows, sizeof(SlmDelta));

			if (more == NULL)
				slm_out_of_memory();
			sums->rows = more;
			sums->maxrows *= 2;
		}
		sums->rows[sums->nrows++] = (SlmDelta) {.time = add->starts[bucket],.key = key,.type = type};
		add->places[place] = (uint32) sums->nrows;
	}
	return &add->sums.rows[add->places[place] - 1];
}

/* The keys in the order of the table's primary key. */
static SlmKeyId *
sort_keys(AddUp *add, uint32 nkeys)
{
	SlmKeyId   *keys = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(SlmKeyId) * Max(nkeys, 1));
	SlmSortItem *items = MemoryContextAllocHuge(CurrentMemoryContext, 2 * sizeof(SlmSortItem) * Max(nkeys, 1));

	for (uint32 i = 0; i < nkeys; i++)
		keys[i] = i;
	slm_keys_sort(add->dictionary, add->dimension, keys, nkeys, items, items + nkeys);
	pfree(items);
	return keys;
}

static void
init_deltas(SlmDeltas *deltas, uint64 max)
{
	*deltas = (SlmDeltas) {.rows = slm_table_alloc_dirty(max, sizeof(SlmDelta)),.maxrows = max};
	if (deltas->rows == NULL)
		slm_out_of_memory();
}

static void
put_in_order(AddUp *add)
{
	uint32		nkeys = slm_dictionary_keys(add->dictionary, add->dimension);
	SlmKeyId   *keys = sort_keys(add, nkeys);

	init_deltas(&add->rows, add->sums.nrows);
	for (uint32 i = 0; i < nkeys; i++)
	{
		for (uint64 of_key = 0; of_key < places_of_key(add); of_key++)
		{
			uint32		place = add->places[keys[i] * places_of_key(add) + of_key];

			if (place > 0)
				add->rows.rows[add->rows.nrows++] = add->sums.rows[place - 1];
		}
	}
	Assert(add->rows.nrows == add->sums.nrows);
}

static bool
is_of_this_pass(const AddUp *add, const SlmTierRow *row)
{
	const unsigned char *key = add->dimension == SLM_PRODUCT_ID ? (const unsigned char *) &row->product_id : (const unsigned char *) row->key.data;
	int			len = add->dimension == SLM_PRODUCT_ID ? (int) sizeof(row->product_id) : (int) row->key.len;

	return add->npasses == 1 || hash_bytes_extended(key, len, add->seed) % add->npasses == add->pass;
}

/* Names, their sums, and the same again in order with what sorting takes. */
static bool
takes_too_much(const AddUp *add)
{
	return slm_dictionary_memory(add->dictionary) + add->nplaces * sizeof(uint32) +
		2 * add->sums.maxrows * (sizeof(SlmDelta) + sizeof(SlmSortItem)) > slm_budget_rollup();
}

static void
begin_pass(AddUp *add)
{
	SlmHashKey	key = slm_hash_key(pg_prng_uint64(&pg_global_prng_state), pg_prng_uint64(&pg_global_prng_state));

	add->nplaces = 0;
	add->places = palloc(0);
	add->dictionary = slm_dictionary_create(&key);
	if (add->dictionary == NULL)
		slm_out_of_memory();
	init_deltas(&add->sums, 1024);
}

/* After an error, too. */
static void
end_pass(AddUp *add)
{
	slm_deltas_free(&add->sums);
	slm_deltas_free(&add->rows);
	slm_dictionary_free(add->dictionary);
	add->dictionary = NULL;
}

/* False if it takes too much memory, which only the first pass, before anything is written, may say: the others are as large. */
static bool
read_pass(AddUp *add)
{
	SlmTierScan *scan = slm_tier_scan_begin(add->from, add->dimension, add->starts[0], add->starts[add->nbuckets], add->snapshot);
	SlmTierRow	row;
	bool		may_give_up = add->pass == 0 && add->npasses < MAX_PASSES;
	bool		fits = true;

	while (fits && slm_tier_scan_next(scan, &row))
	{
		SlmDelta   *sum;

		if (!is_of_this_pass(add, &row))
			continue;
		sum = find_sum(add, number_key(add, &row), find_bucket(add, row.time), row.type);
		sum->count += row.count;
		sum->gmv += row.gmv;
		fits = !may_give_up || add->sums.nrows % 256 != 0 || !takes_too_much(add);
	}
	slm_tier_scan_end(scan);
	return fits;
}

static uint64
add_up(AddUp *add, const SlmTier *tier)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer rollup pass", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	uint64		written = 0;

	while (add->pass < add->npasses)
	{
		begin_pass(add);
		if (read_pass(add))
		{
			put_in_order(add);
			written += slm_tier_write_new(tier, add->dimension, &add->rows, add->dictionary);
			add->pass++;
		}
		else
			add->npasses *= 2;
		end_pass(add);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
	return written;
}

/* The buckets from start on and before end. */
static void
list_buckets(AddUp *add, const SlmTier *tier, TimestampTz start, TimestampTz end)
{
	int			room = 2;

	add->starts = palloc(sizeof(TimestampTz) * room);
	add->starts[0] = start;
	while (add->starts[add->nbuckets] < end)
	{
		if (add->nbuckets + 1 == room)
			add->starts = repalloc(add->starts, sizeof(TimestampTz) * (room *= 2));
		add->starts[add->nbuckets + 1] = slm_bucket_next(tier->granularity, add->starts[add->nbuckets]);
		add->nbuckets++;
	}
	Assert(add->starts[add->nbuckets] == end);
}

uint64
slm_rollup_add(const SlmTiers *tiers, int t, SlmDimension dimension, TimestampTz start, TimestampTz end)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer rollup", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	AddUp	   *add = palloc0(sizeof(AddUp));
	volatile uint64 written = 0;

	Assert(t > 0 && t < tiers->n);
	Assert(start < end && start == slm_bucket_start(tiers->tiers[t].granularity, start));

	*add = (AddUp) {.dimension = dimension,.from = &tiers->tiers[tiers->tiers[t].finer],.npasses = 1,
		.seed = pg_prng_uint64(&pg_global_prng_state),.snapshot = RegisterSnapshot(GetLatestSnapshot())};
	list_buckets(add, &tiers->tiers[t], start, end);
	PG_TRY();
	{
		written = add_up(add, &tiers->tiers[t]);
	}
	PG_FINALLY();
	{
		end_pass(add);
	}
	PG_END_TRY();
	UnregisterSnapshot(add->snapshot);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return written;
}
