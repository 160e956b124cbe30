/*
 * slice.h: which products this database counts.
 */
#ifndef SLM_LEDGER_SLICE_H
#define SLM_LEDGER_SLICE_H

#include "pure/node_slice.h"

/* As it was when the first object was loaded; before that all.  Needs SPI, and an active snapshot. */
extern SlmNodeSlice slm_slice_read(void);

/*
 * Before objects are loaded: while nothing is counted yet, sellometer.slice as it is set for this database (ALTER DATABASE; else by the
 * server's configuration) is what is counted from now on.  An error if it has been changed since.  What a session sets for itself does
 * not matter.  May commit, and begin another transaction.
 */
extern void slm_slice_settle(void);

#endif							/* SLM_LEDGER_SLICE_H */
