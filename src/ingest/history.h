/*
 * history.h: the rows that count, read again: from archives, and from objects that are not archived.
 *
 *   archives (row map: of which object, did its time count) --+
 *   objects, done or in part (windows.h)                    --+--> each row that was counted when it was loaded
 */
#ifndef SLM_INGEST_HISTORY_H
#define SLM_INGEST_HISTORY_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "pure/reader.h"

/* Which rows have been read so far; lives in the current memory context. */
typedef struct SlmHistory SlmHistory;

extern SlmHistory *slm_history_create(void);

/*
 * Leave an object out, or read only that one, which must be archived: 0 = all.  For sellometer_retry().
 */
extern void slm_history_leave_out(SlmHistory *history, int64 object);
extern void slm_history_only(SlmHistory *history, int64 object);

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

#endif							/* SLM_INGEST_HISTORY_H */
