/*
 * read_csv.c: sellometer_read_csv(): events straight from an object or file.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "ledger/source_format.h"
#include "sql/event_rows.h"
#include "store/store.h"

PG_FUNCTION_INFO_V1(sellometer_read_csv);

static void
add_context(void *arg)
{
	errcontext("reading \"%s\"", slm_store_display((const char *) arg));
}

/* read_csv(url text, server text, format jsonb) → setof events */
Datum
sellometer_read_csv(PG_FUNCTION_ARGS)
{
	char	   *server = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	ErrorContextCallback context;
	SlmEventRows *rows;
	SlmStore   *store;
	SlmTransfer *transfer;
	SlmTransferStatus status;
	SlmStoreError error;
	const char *data;
	size_t		len;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("url must not be null")));
	context.arg = text_to_cstring(PG_GETARG_TEXT_PP(0));
	store = slm_store_open(context.arg, server, GetUserId());
	rows = slm_event_rows_begin(fcinfo, PG_ARGISNULL(2) ? NULL : slm_format_compile(PG_GETARG_JSONB_P(2), CurrentMemoryContext));

	context.callback = add_context;
	context.previous = error_context_stack;
	error_context_stack = &context;
	transfer = slm_store_get(store, "", NULL, 0);
	while ((status = slm_transfer_read(transfer, SLM_WAIT_FOR_EVER, &data, &len, &error)) == SLM_TRANSFER_DATA)
		slm_event_rows_add(rows, data, len, false);
	if (status == SLM_TRANSFER_ERROR)
		slm_store_error_raise(&error);
	slm_event_rows_add(rows, NULL, 0, true);
	slm_event_rows_end(rows);
	error_context_stack = context.previous;

	slm_transfer_close(transfer);
	slm_store_close(store);
	return (Datum) 0;
}
