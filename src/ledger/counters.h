/*
 * counters.h: what was loaded of each source, as numbers that only grow (sellometer.counters).
 */
#ifndef SLM_LEDGER_COUNTERS_H
#define SLM_LEDGER_COUNTERS_H

#include "ledger/object.h"
#include "pure/batch.h"

/*
 * Count what became of n objects, in the transaction that records it.  counts: by object number in the batch; NULL where none was
 * loaded.  A source's row is locked to the end of the transaction.  Needs SPI.
 */
extern void slm_counters_add(const SlmObject *objects, int n, const SlmRowCounts *counts);

/* Likewise rows of an object that is loaded already and were left out then. */
extern void slm_counters_add_rows(const char *source, uint64 counted, uint64 duplicate);

#endif							/* SLM_LEDGER_COUNTERS_H */
