/*
 * source_format.c: the formats of sources, looked up.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "ledger/source_format.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* Those that were looked up, by what they say: numbers begin anew where the extension is made anew. */
typedef struct Known
{
	struct Known *next;
	char	   *text;
	const SlmFormat *format;
} Known;

static Known *known_formats = NULL;

const SlmFormat *
slm_format_get(int64 id)
{
	static SlmStatement statement = {
		"SELECT format, format::text FROM sellometer.source_formats WHERE id = $1", 1, {INT8OID}
	};
	Datum		arg = Int64GetDatum(id);
	MemoryContext old;
	Known	   *known;
	char	   *text;
	bool		isnull;

	if (id == 0)
		return NULL;
	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the format " INT64_FORMAT " is not in sellometer.source_formats", id),
				 errhint("sellometer_set_format() gives the source another one.")));
	text = slm_text(CurrentMemoryContext, 0, 2);
	for (known = known_formats; known != NULL; known = known->next)
	{
		if (strcmp(known->text, text) == 0)
			return known->format;
	}
	old = MemoryContextSwitchTo(TopMemoryContext);
	known = palloc0(sizeof(Known));
	known->text = pstrdup(text);
	known->format = slm_format_compile(DatumGetJsonbP(slm_value(0, 1, &isnull)), TopMemoryContext);
	known->next = known_formats;
	known_formats = known;
	MemoryContextSwitchTo(old);
	return known->format;
}
