/*
 * missing.c: counted objects whose bytes are not there any more.
 */
#include "postgres.h"

#include "archive/missing.h"
#include "catalog/pg_type.h"
#include "server/spi.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define COLUMNS	"id, source, key, greatest(rows_total, resume_row), rows_duplicate, first_event, last_event, ingested_at, lost::int::bigint"

static SlmMissing *
from_row(MemoryContext context, uint64 row)
{
	SlmMissing *missing = MemoryContextAlloc(context, sizeof(SlmMissing));

	missing->id = slm_int64(row, 1, 0);
	missing->source = slm_text(context, row, 2);
	missing->key = slm_text(context, row, 3);
	missing->rows_total = slm_int64(row, 4, 0);
	missing->rows_duplicate = slm_int64(row, 5, 0);
	missing->first = slm_int64(row, 6, DT_NOEND);
	missing->last = slm_int64(row, 7, DT_NOBEGIN);
	missing->ingested_at = slm_int64(row, 8, DT_NOBEGIN);
	missing->declared = slm_int64(row, 9, 0) != 0;
	return missing;
}

SlmMissing *
slm_missing_of(int64 object)
{
	static SlmStatement statement = {"SELECT " COLUMNS " FROM sellometer.objects WHERE id = $1", 1, {INT8OID}};
	MemoryContext context = CurrentMemoryContext;
	Datum		arg = Int64GetDatum(object);

	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) != 1)
		elog(ERROR, "an object's row is gone");
	return from_row(context, 0);
}

List *
slm_missing_declared(TimestampTz from, TimestampTz to)
{
	static SlmStatement statement = {
		"SELECT " COLUMNS " FROM sellometer.objects WHERE lost AND (state IN ('done', 'archived') OR resume_row > 0) "
		"AND first_event < $2 AND last_event >= $1 ORDER BY first_event, id",
		2, {TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		args[2] = {TimestampTzGetDatum(from), TimestampTzGetDatum(to)};
	uint64		n = slm_execute(&statement, args, NULL, SPI_OK_SELECT);
	List	   *list = NIL;

	for (uint64 i = 0; i < n; i++)
	{
		SlmMissing *missing = from_row(context, i);

		list = lappend(list, missing);
	}
	return list;
}

char *
slm_missing_problem(int64 object)
{
	static SlmStatement statement = {
		"SELECT s.url, s.server, s.owner::oid::bigint, o.key, o.etag FROM sellometer.objects o JOIN sellometer.sources s ON s.name = o.source "
		"WHERE o.id = $1 AND o.state <> 'archived' UNION ALL "
		"SELECT a.url, a.server, a.owner::oid::bigint, a.key, a.etag FROM sellometer.objects o JOIN sellometer.archives a "
		"ON o.id = ANY (a.objects) WHERE o.id = $1 AND o.state = 'archived'",
		1, {INT8OID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		arg = Int64GetDatum(object);
	SlmStore   *store;
	SlmTransfer *transfer;
	SlmStoreError error;
	const char *data;
	size_t		len;
	char	   *problem = NULL;

	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) == 0)
		return pstrdup("its source was dropped");
	store = slm_store_open(slm_text(context, 0, 1), slm_text(context, 0, 2), (Oid) slm_int64(0, 3, 0));
	transfer = slm_store_get(store, slm_text(context, 0, 4), slm_text(context, 0, 5), 0);
	if (slm_transfer_read(transfer, SLM_WAIT_FOR_EVER, &data, &len, &error) == SLM_TRANSFER_ERROR)
	{
		if (error.kind != SLM_STORE_NOT_FOUND && error.kind != SLM_STORE_CHANGED)
			slm_store_error_raise(&error);
		problem = pstrdup(error.message);
	}
	slm_transfer_close(transfer);
	slm_store_close(store);
	return problem;
}
