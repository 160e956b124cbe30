/*
 * wal.h: writing WAL while more of it is made.
 */
#ifndef SLM_BULKWRITE_WAL_H
#define SLM_BULKWRITE_WAL_H

#include "postgres.h"
#include "access/xlog.h"

/*
 * Have the WAL writer write, and flush, what this transaction has logged so far; it is woken for each wal_writer_flush_after.  Else
 * this process does it: in the midst of its work whenever wal_buffers are full, and the rest when it commits.
 */
static inline void
slm_wal_write_ahead(void)
{
	XLogSetAsyncXactLSN(XactLastRecEnd);
}

#endif							/* SLM_BULKWRITE_WAL_H */
