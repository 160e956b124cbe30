/*
 * store_api.c: the storage layer's C interface as SQL functions, for tests.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "store/store.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(store_put);
PG_FUNCTION_INFO_V1(store_get);
PG_FUNCTION_INFO_V1(store_read_all);
PG_FUNCTION_INFO_V1(store_delete);
PG_FUNCTION_INFO_V1(store_stream);
PG_FUNCTION_INFO_V1(store_abort_uploads);
PG_FUNCTION_INFO_V1(store_list);
PG_FUNCTION_INFO_V1(store_list_growth);
PG_FUNCTION_INFO_V1(store_last_error);

extern void _PG_init(void);

/* Instead of settings. */
void
_PG_init(void)
{
	slm_max_connections = 4;
	slm_max_list_keys = 1000000;
	slm_max_list_time = 600;
}

static SlmStoreErrorKind last_kind;
static int	last_retry_after_ms;

static void
raise_error(const SlmStoreError *error)
{
	last_kind = error->kind;
	last_retry_after_ms = error->retry_after_ms;
	slm_store_error_raise(error);
}

#define TEXT_ARG(n)	(PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n)))

Datum
store_put(PG_FUNCTION_ARGS)
{
	SlmStore   *store = slm_store_open(TEXT_ARG(0), TEXT_ARG(3), GetUserId());
	bytea	   *data = PG_GETARG_BYTEA_PP(2);
	SlmStoreError error;
	char	   *etag;

	if (!slm_store_put(store, TEXT_ARG(1), VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data), &etag, &error))
		raise_error(&error);
	slm_store_close(store);
	PG_RETURN_TEXT_P(cstring_to_text(etag));
}

Datum
store_get(PG_FUNCTION_ARGS)
{
	SlmStore   *store = slm_store_open(TEXT_ARG(0), TEXT_ARG(2), GetUserId());
	SlmTransfer *transfer = slm_store_get(store, TEXT_ARG(1), TEXT_ARG(3), PG_GETARG_INT64(4));
	char	   *meanwhile = TEXT_ARG(5);
	StringInfoData all;
	SlmTransferStatus status;
	SlmStoreError error;
	const char *data;
	size_t		len;

	initStringInfo(&all);
	appendStringInfoSpaces(&all, VARHDRSZ);
	while ((status = slm_transfer_read(transfer, SLM_WAIT_FOR_EVER, &data, &len, &error)) == SLM_TRANSFER_DATA)
	{
		appendBinaryStringInfo(&all, data, len);
		if (meanwhile != NULL)
		{
			SPI_connect();
			SPI_execute(meanwhile, false, 0);
			SPI_finish();
			meanwhile = NULL;
		}
	}
	if (status != SLM_TRANSFER_END)
		raise_error(&error);
	slm_transfer_close(transfer);
	slm_store_close(store);
	SET_VARSIZE(all.data, all.len);
	PG_RETURN_BYTEA_P(all.data);
}

typedef struct Keys
{
	char	  **keys;
	char	  **etags;
	int			n;
	int			max;
	int			limit;
} Keys;

static bool
add_key(const SlmObjectInfo *info, void *arg)
{
	Keys	   *keys = arg;

	if (keys->n == keys->max)
	{
		keys->max = keys->max ? keys->max * 2 : 64;
		keys->keys = keys->n ? repalloc(keys->keys, keys->max * sizeof(char *)) : palloc(keys->max * sizeof(char *));
		keys->etags = keys->n ? repalloc(keys->etags, keys->max * sizeof(char *)) : palloc(keys->max * sizeof(char *));
	}
	keys->keys[keys->n] = pstrdup(info->key);
	keys->etags[keys->n++] = pstrdup(info->etag);
	return keys->limit <= 0 || keys->n < keys->limit;
}

Datum
store_read_all(PG_FUNCTION_ARGS)
{
	SlmStore   *store = slm_store_open(TEXT_ARG(0), TEXT_ARG(1), GetUserId());
	int			at_once = PG_GETARG_INT32(2);
	SlmTransfer **transfers = palloc0(at_once * sizeof(SlmTransfer *));
	Keys		keys = {0};
	SlmListQuery	listing = {.found = add_key,.arg = &keys};
	int64		bytes = 0;
	uint64		sum = 0;
	Size		peak = 0;
	SlmStoreError error;
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {false};

	if (!slm_store_list(store, &listing, &error))
		raise_error(&error);
	for (int i = 0; i < Min(at_once, keys.n); i++)
		transfers[i] = slm_store_get(store, keys.keys[i], keys.etags[i], 0);
	for (int i = 0; i < keys.n; i++)
	{
		SlmTransfer *t = transfers[i % at_once];
		SlmTransferStatus status;
		const char *data;
		size_t		len;

		while ((status = slm_transfer_read(t, SLM_WAIT_FOR_EVER, &data, &len, &error)) == SLM_TRANSFER_DATA)
		{
			bytes += len;
			for (size_t j = 0; j < len; j++)
				sum += (unsigned char) data[j];
			peak = Max(peak, MemoryContextMemAllocated(CurrentMemoryContext, true));
		}
		if (status != SLM_TRANSFER_END)
			raise_error(&error);
		slm_transfer_close(t);
		if (i + at_once < keys.n)
			transfers[i % at_once] = slm_store_get(store, keys.keys[i + at_once], keys.etags[i + at_once], 0);
	}
	slm_store_close(store);
	get_call_result_type(fcinfo, NULL, &desc);
	values[0] = Int64GetDatum(keys.n);
	values[1] = Int64GetDatum(bytes);
	values[2] = Int64GetDatum((int64) sum);
	values[3] = Int64GetDatum((int64) peak);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

Datum
store_delete(PG_FUNCTION_ARGS)
{
	SlmStore   *store = slm_store_open(TEXT_ARG(0), TEXT_ARG(2), GetUserId());
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	const char **keys;
	SlmStoreError error;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	keys = palloc(Max(1, n) * sizeof(char *));
	for (int i = 0; i < n; i++)
		keys[i] = TextDatumGetCString(elements[i]);
	if (!slm_store_delete(store, keys, n, &error))
		raise_error(&error);
	slm_store_close(store);
	PG_RETURN_VOID();
}

Datum
store_stream(PG_FUNCTION_ARGS)
{
	SlmStore   *store = slm_store_open(TEXT_ARG(0), TEXT_ARG(3), GetUserId());
	SlmPut	   *put = slm_store_put_begin(store, TEXT_ARG(1));
	int64		left = PG_GETARG_INT64(2);
	char		piece[100003];
	char	   *etag;
	SlmStoreError error;

	for (size_t i = 0; i < sizeof(piece); i++)
		piece[i] = (char) (i % 251);
	while (left > 0)
	{
		size_t		n = Min(left, (int64) sizeof(piece));

		CHECK_FOR_INTERRUPTS();
		if (!slm_store_put_write(put, piece, n, &error))
		{
			slm_store_put_abort(put);
			raise_error(&error);
		}
		left -= n;
	}
	if (PG_GETARG_BOOL(4))
	{
		slm_store_put_abort(put);
		PG_RETURN_NULL();
	}
	if (!slm_store_put_finish(put, &etag, &error))
		raise_error(&error);
	slm_store_close(store);
	PG_RETURN_TEXT_P(cstring_to_text(etag));
}

Datum
store_abort_uploads(PG_FUNCTION_ARGS)
{
	SlmStore   *store = slm_store_open(TEXT_ARG(0), TEXT_ARG(3), GetUserId());
	int			aborted;
	SlmStoreError error;

	if (!slm_store_abort_uploads(store, TEXT_ARG(1), PG_GETARG_TIMESTAMPTZ(2), &aborted, &error))
		raise_error(&error);
	slm_store_close(store);
	PG_RETURN_INT32(aborted);
}

Datum
store_list(PG_FUNCTION_ARGS)
{
	SlmStore   *store = slm_store_open(TEXT_ARG(0), TEXT_ARG(1), GetUserId());
	Keys		keys = {.limit = PG_ARGISNULL(4) ? 0 : PG_GETARG_INT32(4)};
	SlmListQuery	listing = {.prefix = TEXT_ARG(2),.start_after = TEXT_ARG(3),.found = add_key,.arg = &keys};
	SlmStoreError error;
	TupleDesc	desc;
	Datum	   *elements;
	Datum		values[2];
	bool		nulls[2] = {false};

	if (!slm_store_list(store, &listing, &error))
		raise_error(&error);
	slm_store_close(store);
	elements = palloc(Max(1, keys.n) * sizeof(Datum));
	for (int i = 0; i < keys.n; i++)
		elements[i] = CStringGetTextDatum(keys.keys[i]);
	get_call_result_type(fcinfo, NULL, &desc);
	values[0] = Int32GetDatum(listing.requests);
	values[1] = PointerGetDatum(construct_array(elements, keys.n, TEXTOID, -1, false, TYPALIGN_INT));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

static bool
pass_over(const SlmObjectInfo *info, void *arg)
{
	return true;
}

/* By how many bytes a store has grown after so many listings, the first one not counted. */
Datum
store_list_growth(PG_FUNCTION_ARGS)
{
	SlmStore   *store = slm_store_open(TEXT_ARG(0), TEXT_ARG(1), GetUserId());
	MemoryContext outer = CurrentMemoryContext;
	Size		before = 0;
	Size		after = 0;
	SlmStoreError error;

	for (int i = 0; i <= PG_GETARG_INT32(2); i++)
	{
		MemoryContext scratch = AllocSetContextCreate(outer, "listing", ALLOCSET_DEFAULT_SIZES);
		SlmListQuery	listing = {.start_after = "~",.found = pass_over};

		MemoryContextSwitchTo(scratch);
		if (!slm_store_list(store, &listing, &error))
			raise_error(&error);
		MemoryContextSwitchTo(outer);
		MemoryContextDelete(scratch);
		after = MemoryContextMemAllocated(outer, true);
		if (i == 0)
			before = after;
	}
	slm_store_close(store);
	PG_RETURN_INT64((int64) after - (int64) before);
}

Datum
store_last_error(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"ok", "not_found", "changed", "denied", "transient", "fatal"};
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false};

	get_call_result_type(fcinfo, NULL, &desc);
	values[0] = CStringGetTextDatum(names[last_kind]);
	values[1] = Int32GetDatum(last_retry_after_ms);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
