/*
 * parse_csv.c: sellometer_parse_csv(): events from CSV that is at hand as a value.
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "compat.h"
#include "sql/event_rows.h"

PG_FUNCTION_INFO_V1(sellometer_parse_csv_text);
PG_FUNCTION_INFO_V1(sellometer_parse_csv_bytea);

/* parse_csv(data text) → setof events.  The text is in the database's encoding, the reader's is UTF-8. */
Datum
sellometer_parse_csv_text(PG_FUNCTION_ARGS)
{
	text	   *data = PG_GETARG_TEXT_PP(0);
	const char *bytes = VARDATA_ANY(data);
	size_t		len = VARSIZE_ANY_EXHDR(data);
	char	   *converted = pg_server_to_any(bytes, (int) len, PG_UTF8);
	SlmEventRows *rows = slm_event_rows_begin(fcinfo, NULL);

	if (converted != bytes)
		len = strlen(converted);
	slm_event_rows_add(rows, converted, len, true);
	slm_event_rows_end(rows);
	return (Datum) 0;
}

/* parse_csv(data bytea) → setof events.  UTF-8, plain or gzip, whatever the database's encoding. */
Datum
sellometer_parse_csv_bytea(PG_FUNCTION_ARGS)
{
	bytea	   *data = PG_GETARG_BYTEA_PP(0);
	SlmEventRows *rows = slm_event_rows_begin(fcinfo, NULL);

	slm_event_rows_add(rows, VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data), true);
	slm_event_rows_end(rows);
	return (Datum) 0;
}
