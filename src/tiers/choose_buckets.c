/*
 * choose_buckets.c: which of a batch's buckets a tier takes.
 */
#include "postgres.h"

#include "guc.h"
#include "server/locks.h"
#include "tiers/choose_buckets.h"
#include "utils/timestamp.h"

/*
 * The first partition of a tier that is wanted for the sake of those that are added up from it: rows of a bucket of such a one
 * which is not complete yet wait here for its rollup, however long ago they were.  The tier that keeps for longest makes all
 * that is asked for, as rows that are too old for it were counted as expired when they were read.
 */
static TimestampTz
needed_from(const SlmTiers *tiers, int t, TimestampTz head)
{
	TimestampTz settled = head - (int64) slm_live_lateness * USECS_PER_SEC;
	TimestampTz complete = DT_NOEND;

	if (TIMESTAMP_NOT_FINITE(head) || slm_tier_floor(&tiers->tiers[t], head) <= slm_tiers_floor(tiers, head))
		return DT_NOBEGIN;
	for (int c = t + 1; c < tiers->n; c++)
	{
		if (tiers->tiers[c].finer == t)
			complete = Min(complete, slm_bucket_start(tiers->tiers[c].granularity, settled));
	}
	return TIMESTAMP_IS_NOEND(complete) ? complete : slm_bucket_start(tiers->tiers[t].partition, complete);
}

/* The first partition that a tier makes at a head. */
static TimestampTz
first_made(const SlmTiers *tiers, int t, TimestampTz head)
{
	return Min(slm_tier_floor(&tiers->tiers[t], head), needed_from(tiers, t, head));
}

/* The first partition that a tier still makes or has: whatever is older, it refuses. */
static TimestampTz
first_partition(const SlmTiers *tiers, int t, TimestampTz head, TimestampTz reach, const SlmCells *cells)
{
	const SlmTier *tier = &tiers->tiers[t];
	TimestampTz first = first_made(tiers, t, head);

	if (cells->nbuckets > 0 && cells->buckets[0].partition < first)
	{
		int			n;
		TimestampTz *starts = slm_partitions(tier, &n);

		if (n > 0)
			first = Min(first, starts[0]);
	}
	/* what it has and won't keep: the rest of that need not go there first */
	return reach > head ? Max(first, first_made(tiers, t, reach)) : first;
}

TimestampTz
slm_choose_buckets(SlmTiers *tiers, int t, TimestampTz head, TimestampTz reach, SlmCells *cells)
{
	SlmTier    *tier = &tiers->tiers[t];
	TimestampTz first = first_partition(tiers, t, head, reach, cells);
	TimestampTz takes_from = slm_tier_takes_from(tiers, t);
	TimestampTz newest_refused = DT_NOBEGIN;

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	for (uint32 i = 0; i < cells->nbuckets; i++)
	{
		Assert(cells->buckets[i].start == slm_bucket_start(tier->granularity, cells->buckets[i].start));
		Assert(i == 0 || cells->buckets[i].start > cells->buckets[i - 1].start);
	}

	/* ascending: of the partitions before the first, the last one is left */
	for (uint32 i = 0; i < cells->nbuckets && cells->buckets[i].partition < first; i++)
		slm_tier_keep_from(tier, slm_bucket_next(tier->partition, cells->buckets[i].partition));
	for (uint32 i = 0; i < cells->nbuckets; i++)
	{
		SlmBucket  *bucket = &cells->buckets[i];
		bool		kept = bucket->partition >= first && bucket->start >= takes_from;

		if (!kept)
			newest_refused = bucket->start;
		bucket->wanted = kept && bucket->start < tier->watermark;
	}
	return newest_refused;
}
