/*
 * event_rows.h: bytes of CSV in, a set of cleaned events out: what sellometer_parse_csv() and sellometer_read_csv()
 * share.
 */
#ifndef SLM_SQL_EVENT_ROWS_H
#define SLM_SQL_EVENT_ROWS_H

#include "postgres.h"

#include "fmgr.h"

typedef struct SlmEventRows SlmEventRows;

/*
 * Begin to return events from a set-returning function whose result type is that of sellometer_parse_csv().  Lives in
 * the current memory context.
 */
extern SlmEventRows *slm_event_rows_begin(FunctionCallInfo fcinfo);

/*
 * The next bytes (plain or gzip, UTF-8); last: none follow.  Raises an error if the input as a whole can't be read.
 * Processes interrupts.
 */
extern void slm_event_rows_add(SlmEventRows *rows, const char *data, size_t len, bool last);

/* Warn of the rows that were rejected, and free everything. */
extern void slm_event_rows_end(SlmEventRows *rows);

#endif							/* SLM_SQL_EVENT_ROWS_H */
