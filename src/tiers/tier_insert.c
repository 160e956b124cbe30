/*
 * tier_insert.c: rows of buckets that have none yet.
 *
 *   partition is there:    bulk insert
 *   partition is missing:  of a time that is packed: tier_pack.c; else make it, fill it page by page, attach it; or attach it, and insert
 */
#include "postgres.h"

#include "access/table.h"
#include "bulkwrite/fill.h"
#include "catalog/pg_type.h"
#include "guc.h"
#include "tiers/tier_insert.h"
#include "tiers/tier_pack.h"
#include "tiers/tier_scan.h"
#include "types/money.h"
#include "utils/builtins.h"
#include "utils/pg_rusage.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

uint64
slm_tier_insert(SlmTierTarget *target, Oid relid, const SlmDeltaRun *run, const bool *wanted)
{
	Relation	rel = table_open(relid, RowExclusiveLock);
	SlmBulk    *bulk = slm_bulk_begin(rel, target->shape, target->often);
	uint64		inserted;

	for (uint64 i = 0; i < run->nrows; i++)
	{
		if (wanted == NULL || wanted[i])
			slm_target_values(target, &run->rows[i], slm_bulk_row(bulk, NULL));
	}
	inserted = slm_bulk_end(bulk);
	table_close(rel, NoLock);
	return inserted;
}

/* The rows of a new table; in a thread, so what their values point to is made here. */
typedef struct NewRows
{
	const SlmTierTarget *target;
	const SlmDeltaRun *run;
	int			at[SLM_MAX_COLUMNS];
	char		key[VARHDRSZ + SLM_MAX_KEY_BYTES];
	char		gmv[SLM_NUMERIC_MAX];
} NewRows;

static void
new_row(void *arg, uint64 i, Datum *values)
{
	NewRows    *new = arg;
	const SlmTierTarget *target = new->target;
	const SlmDelta *row = &new->run->rows[i];

	Assert(i < new->run->nrows);

	if (target->dimension == SLM_PRODUCT_ID)
	{
		if (i + SLM_AHEAD < new->run->nrows)
			slm_dictionary_prefetch_product(target->dictionary, new->run->rows[i + SLM_AHEAD].key);
		values[new->at[SLM_TIER_KEY]] = Int64GetDatum(slm_dictionary_product(target->dictionary, row->key));
	}
	else
	{
		SlmSlice	text = slm_dictionary_text(target->dictionary, target->dimension, row->key);

		Assert(text.len <= sizeof(new->key) - VARHDRSZ);

		SET_VARSIZE(new->key, VARHDRSZ + text.len);
		memcpy(VARDATA(new->key), text.data, text.len);
		values[new->at[SLM_TIER_KEY]] = PointerGetDatum(new->key);
	}
	slm_money_put_numeric(row->gmv, new->gmv);
	values[new->at[SLM_TIER_GMV]] = PointerGetDatum(new->gmv);
	slm_target_plain_values(target, new->at, row, values);
}

/* All rows, to a new table with its key. */
static uint64
fill_table(SlmTierTarget *target, Oid relid, const SlmDeltaRun *run)
{
	Relation	rel = table_open(relid, AccessExclusiveLock);
	NewRows    *new = palloc(sizeof(NewRows));

	new->target = target;
	new->run = run;
	if (!slm_may_read(rel, target->shape, new->at) || RelationGetDescr(rel)->natts != SLM_TIER_COLUMNS)
		elog(ERROR, "table %s is not as it should be", RelationGetRelationName(rel));
	slm_fill(rel, new_row, new, run->nrows, target->often);
	table_close(rel, NoLock);
	pfree(new);
	return run->nrows;
}

/* May rows be put into a new partition before it has its place? */
static bool
may_fill(SlmTierTarget *target, Oid relid)
{
	Relation	rel = table_open(relid, AccessExclusiveLock);
	bool		possible = slm_fill_possible(rel) && slm_may_write_new(target->shape);

	table_close(rel, NoLock);
	return possible;
}

/* In its place, and without a key yet, if all is plain: then rows can go in below the executor, and the server builds the index. */
static uint64
insert_into_new(SlmTierTarget *target, Oid relid, const SlmDeltaRun *run)
{
	bool		is_plain = slm_may_write_new(target->shape);
	uint64		written;

	if (!is_plain)
		slm_partition_add_key(target->tier, target->dimension, run->start);
	slm_partition_attach(target->tier, target->dimension, run->start);
	written = slm_tier_insert(target, relid, run, NULL);
	if (is_plain)
		slm_partition_add_key(target->tier, target->dimension, run->start);
	return written;
}

uint64
slm_tier_insert_partition(SlmTierTarget *target, const SlmDeltaRun *run)
{
	Oid			relid;
	uint64		written;
	PGRUsage	start;

	if (slm_tier_may_pack_new(target, run->start))
		return slm_tier_insert_packed(target, run);
	relid = slm_partition_create(target->tier, target->dimension, run->start);
	pg_rusage_init(&start);
	if (slm_fill_pages && may_fill(target, relid))
	{
		slm_partition_add_key_to_fill(target->tier, target->dimension, run->start);
		written = fill_table(target, relid, run);
		slm_partition_attach(target->tier, target->dimension, run->start);
	}
	else
		written = insert_into_new(target, relid, run);
	ereport(DEBUG2, (errmsg_internal("filled the partition of %s at %s, %s", slm_dimension_name(target->dimension),
									 timestamptz_to_str(run->start), pg_rusage_show(&start))));
	return written;
}
