/*
 * rejects.h: sellometer.rejected_rows.
 */
#ifndef SLM_LEDGER_REJECTS_H
#define SLM_LEDGER_REJECTS_H

#include "ledger/object.h"

/*
 * Add the rejected rows of those of n objects that are loaded, in whole or in part, or have failed to what is kept of each.  There may be
 * many, so it is done before the writer's lock is taken.
 */
extern void slm_rejects_record(const SlmObject *objects, int n);

#endif							/* SLM_LEDGER_REJECTS_H */
