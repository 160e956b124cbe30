/*
 * offer_rewrite.h: the offers of a content that is exchanged, out of sellometer.offer_history, and those of the new one in.
 *
 *   old content's events --> which rows of history they are in (day, product, type, price, category)
 *   all others' events   --> what these rows come to without them
 *   new content's events --> added as by any batch
 *
 * A least and a greatest can't be taken back, so rows that the old content is in are made anew.
 */
#ifndef SLM_FACTS_OFFER_REWRITE_H
#define SLM_FACTS_OFFER_REWRITE_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "pure/batch.h"

/* Zero-initialised, then slm_offers_init(). */
typedef struct SlmOffersRewrite
{
	SlmDictionary *dictionary;		/* not owned */
	SlmViews	rows;			/* of history, by row_key(); time: the day, offer: without a brand, owner: the type */
	SlmBatch	events;			/* what they are to hold, and the new content's */
	SlmBatch	accounted;		/* what they hold of the old content and of others, without brands */
	bool		has_lines;		/* some of them may hold events with ids, too, which are not accounted for */
} SlmOffersRewrite;

extern void slm_offers_init(SlmOffersRewrite *rewrite, SlmDictionary *dictionary);
extern void slm_offers_free(SlmOffersRewrite *rewrite);

/*
 * An event without a fingerprint, of some pieces, of the old content; of others, which is taken if it is in a row with one of these.  Of
 * no pieces: one with an id.
 */
extern void slm_offers_take_old(SlmOffersRewrite *rewrite, TimestampTz time, SlmOfferId offer, SlmEventType type, int32 pieces);
extern void slm_offers_take_other(SlmOffersRewrite *rewrite, TimestampTz time, SlmOfferId offer, SlmEventType type, int32 pieces);

/* The rows of the new content. */
extern void slm_offers_take_new(SlmOffersRewrite *rewrite, const SlmChunkRow *rows, size_t nrows);

/* Others' events that may be in a row with the old content's: from <= time < to; from > to if there are none. */
extern void slm_offers_span(const SlmOffersRewrite *rewrite, TimestampTz *from, TimestampTz *to);

/*
 * Under the writer's lock, when all have been taken.  Of others that could not be taken as they can't be read, missing_first and
 * missing_last are the span, first > last if there are none: what can only be theirs stays.
 */
extern void slm_offers_rewrite(const SlmOffersRewrite *rewrite, TimestampTz missing_first, TimestampTz missing_last);

#endif							/* SLM_FACTS_OFFER_REWRITE_H */
