/*
 * replay_range.h: which buckets of which tier a replay makes anew, and which dimensions it fills.
 */
#ifndef SLM_ARCHIVE_REPLAY_RANGE_H
#define SLM_ARCHIVE_REPLAY_RANGE_H

#include "postgres.h"
#include "dedup/own_dimensions.h"
#include "tiers/tier.h"

/* The buckets of a tier that are made anew: those that begin in [first, end). */
typedef struct SlmReplayRange
{
	TimestampTz first;
	TimestampTz end;
	TimestampTz kept_from;		/* the tier takes nothing before this */
	bool		joins;			/* they reach from before what the tier holds whole up to it: then it holds them whole too */
} SlmReplayRange;

/* Of a replay of [from, to). */
extern SlmReplayRange slm_replay_range(const SlmTiers *tiers, int t, TimestampTz from, TimestampTz to, TimestampTz head);

/*
 * The dimensions as they are when that is done.  One that has keys since a time has them from the first bucket that is made anew of each tier on, if the
 * range reaches up to that time, with the whole buckets that it is in.  Needs SPI.
 */
extern SlmOwn slm_replay_dimensions(const SlmOwn *own, const SlmTiers *tiers, TimestampTz from, TimestampTz to);

/* The first start of a bucket that is not before a time, and the last that is not after it. */
static inline TimestampTz
slm_bucket_at_or_after(SlmGranularity g, TimestampTz time)
{
	TimestampTz start;

	if (TIMESTAMP_NOT_FINITE(time))
		return time;
	start = slm_bucket_start(g, time);
	return start < time ? slm_bucket_next(g, start) : start;
}

static inline TimestampTz
slm_bucket_at_or_before(SlmGranularity g, TimestampTz time)
{
	return TIMESTAMP_NOT_FINITE(time) ? time : slm_bucket_start(g, time);
}

#endif							/* SLM_ARCHIVE_REPLAY_RANGE_H */
