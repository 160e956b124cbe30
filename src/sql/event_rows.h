/*
 * event_rows.h: bytes of CSV in, a set of cleaned events out: what sellometer_parse_csv() and sellometer_read_csv()
 * share.
 */
#ifndef SLM_SQL_EVENT_ROWS_H
#define SLM_SQL_EVENT_ROWS_H

#include "postgres.h"

#include "fmgr.h"
#include "pure/format.h"

typedef struct SlmEventRows SlmEventRows;

/*
 * Begin to return events from a set-returning function whose result type is that of sellometer_parse_csv().  Lives in
 * the current memory context.  format: that of what is added, which must stay; NULL: none.
 */
extern SlmEventRows *slm_event_rows_begin(FunctionCallInfo fcinfo, const SlmFormat *format);

/* No more than so many events: what is added then is passed over. */
extern void slm_event_rows_limit(SlmEventRows *rows, uint64 most);
extern bool slm_event_rows_full(const SlmEventRows *rows);

/*
 * The next bytes (plain or packed, UTF-8 or as the format says); last: none follow.  Raises an error if the input as a whole can't be read.
 * Processes interrupts.
 */
extern void slm_event_rows_add(SlmEventRows *rows, const char *data, size_t len, bool last);

/* Warn of the rows that were rejected, and free everything. */
extern void slm_event_rows_end(SlmEventRows *rows);

#endif							/* SLM_SQL_EVENT_ROWS_H */
