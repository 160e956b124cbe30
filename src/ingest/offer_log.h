/*
 * offer_log.h: at which prices products were sold and listed, for those who judge a price.
 */
#ifndef SLM_INGEST_OFFER_LOG_H
#define SLM_INGEST_OFFER_LOG_H

#include "postgres.h"
#include "pure/batch.h"

/*
 * Append to sellometer.offer_log what the batch counts already: all but views with a session, which the view log has.  In
 * the batch's transaction, before its views are settled; needs no lock, as nothing there is ever changed.
 */
extern void slm_offer_log_write(const SlmBatch *batch);

#endif							/* SLM_INGEST_OFFER_LOG_H */
