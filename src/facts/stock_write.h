/*
 * stock_write.h: which products of sellometer.inventory a batch has sold.
 */
#ifndef SLM_FACTS_STOCK_WRITE_H
#define SLM_FACTS_STOCK_WRITE_H

#include "postgres.h"
#include "pure/batch.h"

/* In the batch's transaction: note the products of the inventory that it has purchases of, for sellometer_detect(). */
extern void slm_stock_note(const SlmBatch *batch);

/* Keep one note of each product, should sellometer_detect() not be called for long. */
extern void slm_stock_prune(void);

#endif							/* SLM_FACTS_STOCK_WRITE_H */
