/*
 * windows.h: which rows of an object counted.
 *
 * Those that were not left out (refused.h).  What can be read, too, was judged by its time when it was loaded, by a head and a
 * clock that have moved on; but all that counted lie from the object's first_event to its last_event.  An object that was loaded
 * in parts was judged part by part, so each part has a window of its own (sellometer.object_parts).
 */
#ifndef SLM_LEDGER_WINDOWS_H
#define SLM_LEDGER_WINDOWS_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "ledger/refused.h"

typedef struct SlmWindow
{
	int64		end_row;		/* it is that of the rows before this one, from 0 */
	TimestampTz first;			/* DT_NOEND: none of them counted */
	TimestampTz last;
} SlmWindow;

typedef struct SlmWindows
{
	SlmWindow  *windows;
	int			n;
	int			at;				/* rows are asked for in ascending order */
	SlmRefusedRows refused;
} SlmWindows;

/*
 * The windows of an object, in the current memory context: of its parts if it has some, else the one of all its rows.
 * Needs SPI.
 */
extern void slm_windows_read(SlmWindows *windows, int64 object, bool has_parts, TimestampTz first, TimestampTz last);

/* Did a row of this number and time count, if it could be read? */
static inline bool
slm_windows_counted(SlmWindows *windows, int64 row, TimestampTz time)
{
	while (windows->at < windows->n && row >= windows->windows[windows->at].end_row)
		windows->at++;
	return windows->at < windows->n && time >= windows->windows[windows->at].first &&
		time <= windows->windows[windows->at].last && !slm_refused_has(&windows->refused, row);
}

#endif							/* SLM_LEDGER_WINDOWS_H */
