/*
 * tier_write.c: apply deltas to the tables of a tier: which way for which rows.
 *
 *   cells --dimension_deltas.c--> deltas of one dimension, sorted by (partition, key, time, type)
 *      partition is missing:  tier_insert.c, with the partition
 *      partition is packed:   tier_pack.c
 *      else by bucket:        no rows yet --> tier_insert.c
 *                             has rows    --> tier_merge.c
 *
 * Which buckets have rows is asked of category_l1, the smallest table.  That answers for all dimensions: counts are
 * never negative and their sum over the keys of a bucket and type is the same in each dimension, so a bucket is empty in
 * all of them or in none.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "packed/packed_table.h"
#include "server/locks.h"
#include "server/spi.h"
#include "tiers/dimension_deltas.h"
#include "tiers/tier_insert.h"
#include "tiers/tier_merge.h"
#include "tiers/tier_pack.h"
#include "tiers/tier_write.h"
#include "tiers/totals.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

static int
compare_times(const void *a, const void *b)
{
	TimestampTz x = *(const TimestampTz *) a;
	TimestampTz y = *(const TimestampTz *) b;

	return (x > y) - (x < y);
}

/* The wanted buckets that have rows in the tier already, ascending. */
static TimestampTz *
present_buckets(const SlmTier *tier, const SlmCells *cells, int *npresent)
{
	Datum	   *times = palloc(sizeof(Datum) * Max(cells->nbuckets, 1));
	TimestampTz *present;
	Oid			type = TIMESTAMPTZARRAYOID;
	Datum		arg;
	char	   *sql;
	int			n = 0;
	MemoryContext context = CurrentMemoryContext;

	for (uint32 i = 0; i < cells->nbuckets; i++)
	{
		if (cells->buckets[i].wanted)
			times[n++] = TimestampTzGetDatum(cells->buckets[i].start);
	}
	*npresent = 0;
	if (n == 0)
		return NULL;
	/* the bounds let the planner leave out other partitions; an array alone does not */
	sql = psprintf("SELECT DISTINCT event_time FROM sellometer.%s WHERE event_time = ANY ($1) "
				   "AND event_time BETWEEN '%s'::timestamptz AND '%s'::timestamptz",
				   quote_identifier(psprintf("category_l1_%s", tier->name)),
				   pstrdup(timestamptz_to_str(DatumGetTimestampTz(times[0]))),
				   pstrdup(timestamptz_to_str(DatumGetTimestampTz(times[n - 1]))));
	arg = slm_array(times, NULL, n, TIMESTAMPTZOID);
	if (SPI_execute_with_args(sql, 1, &type, &arg, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for buckets of tier %s", tier->name);
	MemoryContextSwitchTo(context);

	*npresent = (int) SPI_processed;
	present = MemoryContextAlloc(context, sizeof(TimestampTz) * Max(*npresent, 1));
	for (int i = 0; i < *npresent; i++)
		present[i] = slm_int64(i, 1, 0);
	SPI_freetuptable(SPI_tuptable);
	qsort(present, *npresent, sizeof(TimestampTz), compare_times);
	return present;
}

static uint64
write_run(SlmTierTarget *target, const SlmDeltaRun *run, const TimestampTz *present, int npresent, bool replace)
{
	char		partition[NAMEDATALEN];
	Oid			relid = slm_partition_find(target->tier, target->dimension, run->start, partition);
	bool	   *merge;
	bool	   *fresh;
	uint64		written;

	Assert(run->nrows > 0);

	if (!OidIsValid(relid))
		return slm_tier_insert_partition(target, run);
	if (slm_is_packed(relid))
	{
		if (slm_tier_may_change_packed(target))
			return slm_tier_change_packed(target, relid, run);
		relid = slm_tier_unpack(target->tier, target->dimension, run->start);
	}
	merge = MemoryContextAllocHuge(CurrentMemoryContext, run->nrows * sizeof(bool));
	fresh = MemoryContextAllocHuge(CurrentMemoryContext, run->nrows * sizeof(bool));
	for (uint64 i = 0; i < run->nrows; i++)
	{
		merge[i] = npresent > 0 &&
			bsearch(&run->rows[i].time, present, npresent, sizeof(TimestampTz), compare_times) != NULL;
		fresh[i] = !merge[i];
	}
	written = slm_tier_merge(target, relid, run, merge, replace);
	written += slm_tier_insert(target, relid, run, fresh);
	pfree(merge);
	pfree(fresh);
	return written;
}

static uint64
write_deltas(const SlmTier *tier, SlmDimension dimension, const SlmDeltas *deltas, const SlmDictionary *dictionary,
			 const TimestampTz *present, int npresent, bool replace, TimestampTz head, const SlmCallback *often)
{
	SlmTierTarget target;
	uint64		written = 0;

	/* what fills pages takes the order for that of the key */
	Assert(slm_deltas_ascend(deltas, dictionary, dimension, tier->partition));

	slm_target_init(&target, tier, dimension, dictionary);
	target.often = often;
	target.packed_before = slm_packed_before(head);
	for (uint64 begin = 0, end; begin < deltas->nrows; begin = end)
	{
		SlmDeltaRun run = {.rows = &deltas->rows[begin]};
		TimestampTz next;

		run.start = slm_bucket_start(tier->partition, deltas->rows[begin].time);
		next = slm_bucket_next(tier->partition, run.start);
		for (end = begin; end < deltas->nrows && deltas->rows[end].time >= run.start &&
			 deltas->rows[end].time < next;)
			end++;
		run.nrows = end - begin;
		written += write_run(&target, &run, present, npresent, replace);
	}
	slm_target_done(&target);
	return written;
}

uint64
slm_tier_write_new(const SlmTier *tier, SlmDimension dimension, const SlmDeltas *deltas, const SlmDictionary *dictionary)
{
	return write_deltas(tier, dimension, deltas, dictionary, NULL, 0, false, DT_NOBEGIN, NULL);
}

uint64
slm_tier_write(const SlmTier *tier, const SlmCells *cells, SlmDimensionDeltas *all, const SlmDictionary *dictionary, bool replace,
			   TimestampTz head, SlmSegments *segments, const SlmCallback *often)
{
	int			npresent;
	TimestampTz *present;
	SlmDimension dimension;
	uint64		written = 0;

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	for (uint32 i = 0; i < cells->nbuckets; i++)
		Assert(!cells->buckets[i].wanted || cells->buckets[i].start < tier->watermark);
	present = present_buckets(tier, cells, &npresent);
	for (const SlmDeltas *deltas; (deltas = slm_dimension_deltas_next(all, &dimension)) != NULL;)
	{
		/* the first dimension has them */
		if (dimension == SLM_PRODUCT_ID)
			slm_totals_check(tier, cells);
		slm_segments_add(segments, dimension, deltas, dictionary);
		written += write_deltas(tier, dimension, deltas, dictionary, present, npresent, replace, head, often);
	}
	return written;
}
