/*
 * replay_range.c: which buckets of which tier a replay makes anew, and which dimensions it fills.
 */
#include "postgres.h"

#include "archive/replay_range.h"
#include "catalog/pg_type.h"
#include "ledger/head.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/*
 * A tier that was added late, or is to keep more than it did, does not take what a coarser one holds whole, as a part of it would
 * contradict that.  If the range joins what it has, it is no part: it is all.
 */
SlmReplayRange
slm_replay_range(const SlmTiers *tiers, int t, TimestampTz from, TimestampTz to, TimestampTz head)
{
	const SlmTier *tier = &tiers->tiers[t];
	TimestampTz floor = slm_tier_floor(tier, head);
	SlmReplayRange range = {.joins = tier->kept_from > from && tier->kept_from <= to && floor < tier->kept_from};

	range.kept_from = range.joins ? floor : slm_bucket_at_or_after(tier->granularity, slm_tier_takes_from(tiers, t));
	range.first = Max(slm_bucket_at_or_after(tier->granularity, from), range.kept_from);
	range.end = Min(slm_bucket_at_or_before(tier->granularity, to), tier->watermark);
	return range;
}

/* --- dimensions of a user's own --- */

/* Has the tier anything of a time that it does not take? */
static bool
has_more(const SlmTier *tier, TimestampTz from, TimestampTz to)
{
	static SlmStatement statement = {
		"SELECT FROM sellometer.totals WHERE tier = $1 AND event_type = ANY (enum_range(NULL::sellometer.event_type)) "
		"AND event_time >= $2 AND event_time < $3 LIMIT 1",
		3, {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		args[3] = {CStringGetTextDatum(tier->name), TimestampTzGetDatum(from), TimestampTzGetDatum(to)};

	return from < to && slm_execute(&statement, args, NULL, SPI_OK_SELECT) > 0;
}

static TimestampTz
filled_since(const SlmTiers *tiers, TimestampTz range_from, TimestampTz to, TimestampTz since)
{
	TimestampTz head = slm_head_read();
	TimestampTz from = range_from;

	for (int t = 0; t < tiers->n; t++)
		from = Max(from, slm_bucket_at_or_after(tiers->tiers[t].granularity, range_from));
	if (from >= since || since > to)
		return since;
	for (int t = 0; t < tiers->n; t++)
	{
		const SlmTier *tier = &tiers->tiers[t];
		SlmReplayRange range = slm_replay_range(tiers, t, range_from, to, head);

		if (range.end < Min(slm_bucket_at_or_after(tier->granularity, since), tier->watermark) || has_more(tier, from, range.first))
			return since;
	}
	return from;
}

SlmOwn
slm_replay_dimensions(const SlmOwn *before, const SlmTiers *tiers, TimestampTz from, TimestampTz to)
{
	SlmOwn		own = *before;

	own.all_since = PG_INT64_MIN;
	for (uint32 i = 0; i < own.n; i++)
	{
		own.dimension[i].since = filled_since(tiers, from, to, own.dimension[i].since);
		own.all_since = Max(own.all_since, own.dimension[i].since);
	}
	return own;
}
