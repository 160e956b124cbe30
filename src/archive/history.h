/*
 * history.h: the rows that count, read again: from archives, and from objects that are not archived.
 *
 *   archives (row map: of which object, did its time count) --+
 *   objects, done or in part (windows.h)                    --+--> each row that was counted when it was loaded
 */
#ifndef SLM_ARCHIVE_HISTORY_H
#define SLM_ARCHIVE_HISTORY_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "pure/reader.h"

/* Which rows have been read so far; lives in the current memory context. */
typedef struct SlmHistory SlmHistory;

extern SlmHistory *slm_history_create(void);

#define SLM_HISTORY_END	PG_INT64_MAX

/*
 * Leave out rows of an object, those before this number, in the order in which they stand there or in its archive;
 * SLM_HISTORY_END: all of it.
 */
extern void slm_history_leave_out(SlmHistory *history, int64 object, int64 rows);

/*
 * Read only that object, which is archived or not: those of its rows that have not been taken out yet.  The callback may stop it:
 * then rows before slm_history_stopped_at() have been read, which is SLM_HISTORY_END if it has read all.
 */
extern void slm_history_only(SlmHistory *history, int64 object);
extern void slm_history_stop(SlmHistory *history);
extern int64 slm_history_stopped_at(const SlmHistory *history);

/*
 * Go on where an object is gone or changed, which is not archived: slm_history_missing() then gives a list of SlmMissing
 * (missing.h), which is the history's, and the caller judges whether that is right.
 */
extern void slm_history_tolerate(SlmHistory *history);
extern List *slm_history_missing(const SlmHistory *history);

/*
 * Called for each row, in no particular order; the event is valid during the call.  Rows that can't be used for what is in
 * them are left out, but for keys that are too long.
 */
typedef void (*SlmHistoryCallback) (const SlmEvent *event, void *arg);

/*
 * Read the rows with from <= time < to that this history has not read yet: those that committed since are got by calling
 * again.  An error if something can't be read.  Needs SPI.  The caller holds slm_history_lock().  Returns the number of
 * archives and objects that were read.
 */
extern int	slm_history_read(SlmHistory *history, TimestampTz from, TimestampTz to, SlmHistoryCallback callback, void *arg);

/* To the end of the transaction: nothing is archived, so that whatever was there stays readable where it was. */
extern void slm_history_lock(void);

#endif							/* SLM_ARCHIVE_HISTORY_H */
