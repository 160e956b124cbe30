/*
 * relocate.h: counted objects whose bytes are elsewhere now.
 */
#ifndef SLM_LEDGER_RELOCATE_H
#define SLM_LEDGER_RELOCATE_H

#include "postgres.h"

/*
 * In the caller's transaction, with SPI, before objects are read again: each that is counted and not archived, and is gone from where
 * it was, while another name was skipped for holding the same, is that one from now on.  What can't be reached stays as it is.
 */
extern void slm_relocate(void);

/*
 * In the transaction of a batch: something else was read under an object's key, so it is not there any more.  If another name was skipped
 * for holding the same, it is that one from now on, and so on with the object whose name that was.  True if it is elsewhere now (or was
 * already): whatever holds its key's place is a new object, and no changed one.
 */
extern bool slm_relocate_overwritten(int64 object, const char *source, const char *key);

#endif							/* SLM_LEDGER_RELOCATE_H */
