/*
 * windows.c: which rows of an object counted.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "ledger/windows.h"
#include "server/spi.h"
#include "utils/timestamp.h"

void
slm_windows_read(SlmWindows *windows, int64 object, bool has_parts, TimestampTz first, TimestampTz last)
{
	static SlmStatement statement = {
		"SELECT from_row + rows, first_event, last_event FROM sellometer.object_parts WHERE object_id = $1 ORDER BY from_row",
		1, {INT8OID}
	};
	Datum		arg = Int64GetDatum(object);
	MemoryContext context = CurrentMemoryContext;

	slm_refused_read(&windows->refused, object);
	windows->at = 0;
	windows->n = has_parts ? (int) slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) : 1;
	windows->windows = MemoryContextAlloc(context, sizeof(SlmWindow) * Max(windows->n, 1));
	if (!has_parts)
		windows->windows[0] = (SlmWindow) {PG_INT64_MAX, first, last};
	for (int i = 0; has_parts && i < windows->n; i++)
		windows->windows[i] = (SlmWindow) {slm_int64(i, 1, 0), slm_int64(i, 2, DT_NOEND), slm_int64(i, 3, DT_NOBEGIN)};
}
