/*
 * replay_offers.h: what a replay makes anew besides tiers: history of offers, and listings, by the labels that there are now.
 */
#ifndef SLM_ARCHIVE_REPLAY_OFFERS_H
#define SLM_ARCHIVE_REPLAY_OFFERS_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "pure/batch.h"

/* History is by the day, so of whole days alone; listings are by the view. */
typedef struct SlmReplayOffers
{
	TimestampTz head;
	TimestampTz first;			/* whole days, in UTC, of history: [first, end) */
	TimestampTz end;
} SlmReplayOffers;

/*
 * Under the writer's lock: delete what is made anew of the range [from, to), of which history knows all rows from known_from on.  Rows of days that
 * are not kept any more are not made anew.  Needs SPI.
 */
extern void slm_replay_offers_begin(SlmReplayOffers *offers, TimestampTz from, TimestampTz to, TimestampTz known_from);

/* An hour's batch, before and after its views are deduplicated. */
extern void slm_replay_offers_before(const SlmReplayOffers *offers, SlmBatch *batch, TimestampTz hour);
extern void slm_replay_offers_after(const SlmReplayOffers *offers, const SlmBatch *batch, TimestampTz hour);

/* Add it all up: nobody is to see a product that was never sold in between. */
extern void slm_replay_offers_end(void);

#endif							/* SLM_ARCHIVE_REPLAY_OFFERS_H */
