/*
 * rollup_add.c: add up a bucket of a tier from the rows of the finer one.
 *
 *   rows of the finer tier --> sums by (key, type) --> in the order of keys --> the tier's table
 */
#include "postgres.h"

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

typedef struct AddUp
{
	SlmDimension dimension;
	TimestampTz start;
	SlmCatalog *catalog;		/* numbers the keys; malloc'ed */
	uint32	   *places;			/* by key and type: place in sums + 1; 0: none */
	uint64		nplaces;
	SlmDeltas	sums;			/* malloc'ed, as palloc() does not align 128 bits; so are rows */
	SlmDeltas	rows;			/* the same in order */
} AddUp;

static SlmKeyId
number_key(AddUp *add, const SlmTierRow *row)
{
	SlmKeyId	key = add->dimension == SLM_PRODUCT_ID ? slm_catalog_add_product(add->catalog, row->product_id)
		: slm_catalog_add_text(add->catalog, add->dimension, row->key);

	if (key == SLM_NO_KEY)
		slm_out_of_memory();
	return key;
}

/* The sum of a key and type, which is 0 if it is new. */
static SlmDelta *
find_sum(AddUp *add, SlmKeyId key, SlmEventType type)
{
	uint64		place = (uint64) key * SLM_EVENT_TYPES + type;

	Assert(type < SLM_EVENT_TYPES);

	/* room for all types of a key at once */
	if (((uint64) key + 1) * SLM_EVENT_TYPES > add->nplaces)
	{
		uint64		more = 2 * ((uint64) key + 1) * SLM_EVENT_TYPES + 1024;

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
		sums->rows[sums->nrows++] = (SlmDelta) {.time = add->start,.key = key,.type = type};
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
	slm_keys_sort(add->catalog, add->dimension, keys, nkeys, items, items + nkeys);
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
	uint32		nkeys = slm_catalog_keys(add->catalog, add->dimension);
	SlmKeyId   *keys = sort_keys(add, nkeys);

	init_deltas(&add->rows, add->sums.nrows);
	for (uint32 i = 0; i < nkeys; i++)
	{
		for (int type = 0; type < SLM_EVENT_TYPES; type++)
		{
			uint32		place = add->places[(uint64) keys[i] * SLM_EVENT_TYPES + type];

			if (place > 0)
				add->rows.rows[add->rows.nrows++] = add->sums.rows[place - 1];
		}
	}
	Assert(add->rows.nrows == add->sums.nrows);
}

static uint64
add_up(AddUp *add, const SlmTiers *tiers, int t)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	SlmTierScan *scan = slm_tier_scan_begin(&tiers->tiers[tiers->tiers[t].finer], add->dimension, add->start,
											slm_bucket_next(tiers->tiers[t].granularity, add->start), snapshot);
	SlmTierRow	row;

	init_deltas(&add->sums, 1024);
	while (slm_tier_scan_next(scan, &row))
	{
		SlmDelta   *sum = find_sum(add, number_key(add, &row), row.type);

		sum->count += row.count;
		sum->gmv += row.gmv;
	}
	slm_tier_scan_end(scan);
	UnregisterSnapshot(snapshot);
	put_in_order(add);
	return slm_tier_write_new(&tiers->tiers[t], add->dimension, &add->rows, add->catalog);
}

uint64
slm_rollup_add(const SlmTiers *tiers, int t, SlmDimension dimension, TimestampTz start)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer rollup", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	AddUp	   *add = palloc0(sizeof(AddUp));
	SlmHashKey	key = slm_hash_key(pg_prng_uint64(&pg_global_prng_state), pg_prng_uint64(&pg_global_prng_state));
	volatile uint64 written = 0;

	Assert(t > 0 && t < tiers->n);
	Assert(start == slm_bucket_start(tiers->tiers[t].granularity, start));

	add->dimension = dimension;
	add->start = start;
	add->places = palloc(0);
	add->catalog = slm_catalog_create(&key);
	if (add->catalog == NULL)
		slm_out_of_memory();
	PG_TRY();
	{
		written = add_up(add, tiers, t);
	}
	PG_FINALLY();
	{
		slm_deltas_free(&add->sums);
		slm_deltas_free(&add->rows);
		slm_catalog_free(add->catalog);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return written;
}
