/*
 * tier_merge.c: rows of buckets that have some already, added to these.
 *
 *   partition is plain:  each row is looked up by its key   there is none     --> bulk insert
 *                                                           there is          --> replaced in its place
 *                                                           both come to none --> deleted
 *   else:                tier_merge_sql.c
 */
#include "postgres.h"

#include "access/table.h"
#include "bulkwrite/by_key.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "server/alive.h"
#include "server/locks.h"
#include "tiers/tier_merge.h"
#include "tiers/tier_merge_sql.h"
#include "types/money.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* Deleting and replacing see as often as inserting to what has to be seen to. */
#define ROWS_PER_LOOK	1000

static const int key_columns[] = {SLM_TIER_KEY, SLM_TIER_TIME, SLM_TIER_TYPE};

/* What a row that is there and a change of it come to. */
static SlmDelta
add(const SlmTierTarget *target, const Datum *there, const SlmDelta *row)
{
	SlmDelta	sum = *row;
	int128		gmv;

	if (!slm_money_sum_from_numeric(there[SLM_TIER_GMV], &gmv))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("column gmv of table \"sellometer.%s\" has a value that is no sum of prices", target->shape->table)));
	sum.count += target->shape->columns[SLM_TIER_COUNT].type == INT8OID ? DatumGetInt64(there[SLM_TIER_COUNT])
		: DatumGetInt32(there[SLM_TIER_COUNT]);
	sum.gmv += gmv;
	return sum;
}

static void
merge_row(SlmTierTarget *target, SlmByKey *by_key, SlmBulk *bulk, const SlmDelta *row)
{
	MemoryContext old = MemoryContextSwitchTo(target->scratch);
	Datum		key[lengthof(key_columns)];
	Datum		values[SLM_TIER_COLUMNS];
	const Datum *there;
	SlmDelta	sum = *row;
	bool		is_new;

	key[0] = slm_target_key(target, row->key);
	key[1] = TimestampTzGetDatum(row->time);
	key[2] = ObjectIdGetDatum(target->event_types[row->type]);
	there = slm_by_key_find(by_key, key);
	is_new = there == NULL;
	if (!is_new)
	{
		sum = add(target, there, row);
		if (sum.count == 0)
			slm_by_key_delete(by_key);
		else
		{
			slm_target_values(target, &sum, values);
			slm_by_key_update(by_key, values);
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(target->scratch);
	if (is_new && sum.count != 0)
		slm_target_values(target, &sum, slm_bulk_row(bulk, NULL));
}

static uint64
merge_by_key(SlmTierTarget *target, Relation rel, const SlmDeltaRun *run, const bool *wanted)
{
	SlmByKey   *by_key = slm_by_key_begin(rel, target->shape, key_columns, lengthof(key_columns));
	SlmBulk    *bulk = slm_bulk_begin(rel, target->shape, target->often);
	uint64		merged = 0;

	for (uint64 i = 0; i < run->nrows; i++)
	{
		if (!wanted[i])
			continue;
		merge_row(target, by_key, bulk, &run->rows[i]);
		if (++merged % ROWS_PER_LOOK == 0)
		{
			slm_alive();
			CHECK_FOR_INTERRUPTS();
		}
	}
	(void) slm_bulk_end(bulk);
	slm_by_key_end(by_key);
	return merged;
}

static bool
any_wanted(const SlmDeltaRun *run, const bool *wanted)
{
	for (uint64 i = 0; i < run->nrows; i++)
	{
		if (wanted[i])
			return true;
	}
	return false;
}

uint64
slm_tier_merge(SlmTierTarget *target, Oid relid, const SlmDeltaRun *run, const bool *wanted, bool replace)
{
	Relation	rel;
	uint64		merged;

	if (!any_wanted(run, wanted))
		return 0;
	Assert(slm_lock_held(SLM_LOCK_WRITER));
	rel = table_open(relid, RowExclusiveLock);
	if (slm_by_key_possible(rel, target->shape, key_columns, lengthof(key_columns)))
		merged = merge_by_key(target, rel, run, wanted);
	else
		merged = slm_tier_merge_sql(target, rel, run, wanted, replace);
	table_close(rel, NoLock);
	return merged;
}
