/*
 * replay_offers.c: see replay_offers.h.
 *
 *   delete: offer_history and recent_sales of whole days, other_listings of the range; sold_products come to what is left
 *   hour by hour --> offer_log, other_listings, as any batch     --> added up
 *
 * What a batch that is waiting for the lock has appended to the log already is not among the rows that are read, and is added up later.
 */
#include "postgres.h"

#include "archive/replay_offers.h"
#include "catalog/pg_type.h"
#include "facts/offer_log.h"
#include "guc.h"
#include "ledger/head.h"
#include "pure/granularity.h"
#include "server/locks.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static const SlmGranularity day = {.usecs = USECS_PER_DAY};

static TimestampTz
day_at_or_after(TimestampTz time)
{
	TimestampTz start;

	if (TIMESTAMP_NOT_FINITE(time))
		return time;
	start = slm_bucket_start(day, time);
	return start < time ? start + USECS_PER_DAY : start;
}

void
slm_replay_offers_begin(SlmReplayOffers *offers, TimestampTz from, TimestampTz to, TimestampTz known_from)
{
	static SlmStatement statement = {
		"SELECT sellometer.forget_offers_of($1, $2, $3, $4)", 4, {TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	TimestampTz kept_from = DT_NOBEGIN;
	Datum		args[4];

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	offers->head = slm_head_read();
	/* as sellometer_prune() has it */
	if (!TIMESTAMP_NOT_FINITE(offers->head))
		kept_from = slm_bucket_start(day, offers->head - (int64) slm_offer_retention * USECS_PER_SEC);
	offers->first = day_at_or_after(Max(Max(from, known_from), kept_from));
	offers->end = TIMESTAMP_NOT_FINITE(to) ? to : slm_bucket_start(day, to);
	args[0] = TimestampTzGetDatum(offers->first);
	args[1] = TimestampTzGetDatum(offers->end);
	args[2] = TimestampTzGetDatum(from);
	args[3] = TimestampTzGetDatum(to);
	slm_execute(&statement, args, NULL, SPI_OK_SELECT);
}

static bool
is_whole(const SlmReplayOffers *offers, TimestampTz hour)
{
	return hour >= offers->first && hour < offers->end;
}

void
slm_replay_offers_before(const SlmReplayOffers *offers, SlmBatch *batch, TimestampTz hour)
{
	if (is_whole(offers, hour))
		slm_offer_log_write(batch->dictionary, &batch->groups);
	slm_listing_watch(batch, offers->head);
}

void
slm_replay_offers_after(const SlmReplayOffers *offers, const SlmBatch *batch, TimestampTz hour)
{
	slm_listing_write(batch, offers->head);
	if (is_whole(offers, hour))
		slm_offer_log_write(batch->dictionary, &batch->lines);
}

void
slm_replay_offers_end(void)
{
	static SlmStatement statement = {"SELECT sellometer.fold_offers()"};

	slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
}
