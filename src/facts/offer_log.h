/*
 * offer_log.h: at which prices products were sold and listed, for those who judge a price.
 */
#ifndef SLM_FACTS_OFFER_LOG_H
#define SLM_FACTS_OFFER_LOG_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "pure/batch.h"

/*
 * Append to sellometer.offer_log what groups count, which are no views with a session: the view log has these.  In the batch's transaction:
 * before its views are deduplicated, and after that once more what this has come to for events with ids (the batch's lines), of
 * which some may be counted less.  Needs no lock, as nothing there is ever changed.
 */
extern void slm_offer_log_write(const SlmDictionary *dictionary, const SlmGroups *groups);

/*
 * The view log has of each session and product the view that counts, and maybe some that did count.  Of other offers that a
 * session saw of the product (the price has changed meanwhile) there are rows in sellometer.other_listings, and of all that is
 * needed to tell which view of each offer was the first: see slm_batch_deduplicate_views(), before and after which these are
 * called.  Of times that nobody looks at, by the head, there are none.
 */
extern void slm_listing_watch(SlmBatch *batch, TimestampTz head);
extern void slm_listing_write(const SlmBatch *batch, TimestampTz head);

#endif							/* SLM_FACTS_OFFER_LOG_H */
