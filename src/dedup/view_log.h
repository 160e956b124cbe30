/*
 * view_log.h: the view log is written.  Who reads it: view_state.h (what is new), view_rewrite.h (by time).
 */
#ifndef SLM_DEDUP_VIEW_LOG_H
#define SLM_DEDUP_VIEW_LOG_H

#include "postgres.h"
#include "compat.h"
#include "datatype/timestamp.h"
#include "pure/batch.h"
#include "pure/viewlog.h"

/*
 * Under the lock: add views, of any hours, to the view log; see slm_viewlog_pack().  An error if out of memory.
 */
extern void slm_view_log_write(const SlmDictionary *dictionary, const SlmViewList *lists, uint32 nlists);

/* The same of those of a deduplicated batch that count. */
extern void slm_view_log_write_batch(const SlmBatch *batch);

/* The same of blocks that have been packed, which stay the caller's.  Returns their seq, 0 if there are none. */
extern int64 slm_view_log_write_blocks(const SlmViewLogBlocks *blocks);

/* The newest seq that is committed.  Blocks commit in the order of their seq, so all below it are visible too. */
extern int64 slm_view_log_committed(void);

/* Raise the error that a block of the view log, of this hour, can't be unpacked. */
pg_noreturn extern void slm_view_log_damaged(TimestampTz hour);

#endif							/* SLM_DEDUP_VIEW_LOG_H */
