/*
 * record.h: what became of the objects of a batch.
 */
#ifndef SLM_LEDGER_RECORD_H
#define SLM_LEDGER_RECORD_H

#include "ledger/object.h"
#include "pure/batch.h"

/*
 * Record what became of the objects, which this transaction has picked, but for their rejected rows.  counts: by object number in the
 * batch; NULL where none was loaded.  For loaded ones under the writer's lock, in the transaction that has counted their rows.  Needs SPI.
 */
extern void slm_ledger_record(SlmObject *objects, int n, const SlmRowCounts *counts);

#endif							/* SLM_LEDGER_RECORD_H */
