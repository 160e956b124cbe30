/*
 * format_calls.c: formats of sources, and what comes of them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "ledger/source_format.h"
#include "miscadmin.h"
#include "server/as_owner.h"
#include "server/spi.h"
#include "sql/event_rows.h"
#include "sql/format_calls.h"
#include "sql/format_try.h"
#include "types/read_error.h"
#include "utils/acl.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(sellometer_set_format);

/* A source, as far as its objects are to be found. */
typedef struct Place
{
	char	   *name;
	char	   *url;
	char	   *server;
	Datum		include;
	Datum		exclude;
} Place;

int64
slm_format_keep(const char *source, Jsonb *description)
{
	static SlmStatement statement = {
		"INSERT INTO sellometer.source_formats (source, format) VALUES ($1, $2) RETURNING id", 2, {TEXTOID, JSONBOID}
	};
	Datum		args[2] = {CStringGetTextDatum(source), JsonbPGetDatum(description)};
	Oid			caller;
	int			security;

	GetUserIdAndSecContext(&caller, &security);
	SetUserIdAndSecContext(slm_extension_owner(get_extension_oid("sellometer", false)), security | SECURITY_LOCAL_USERID_CHANGE);
	slm_execute(&statement, args, NULL, SPI_OK_INSERT_RETURNING);
	SetUserIdAndSecContext(caller, security);
	return slm_int64(0, 1, 0);
}

/* Say what the look into the object has shown: an error if nothing of it can be used. */
static void
judge(const char *object, const SlmTried *tried)
{
	const char *hint = slm_read_error_hint(tried->error);

	if (tried->error != SLM_READ_ERROR_NONE)
		ereport(ERROR,
				(errcode(slm_read_error_sqlstate(tried->error)),
				 errmsg("object \"%s\" can't be read by this format: %s", object, tried->message),
				 tried->error == SLM_READ_ERROR_COLUMN || hint == NULL
				 ? errhint("sellometer_sniff() says what the object looks like.") : errhint("%s", hint)));
	if (tried->rejected > 0 && tried->rejected == tried->rows)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("none of the first " UINT64_FORMAT " rows of object \"%s\" can be used by this format", tried->rows, object),
				 errdetail("Line " UINT64_FORMAT ": %s.", tried->first_line, tried->first_detail),
				 errhint("sellometer_sniff() says what the object looks like.")));
	if (tried->rows == 0 && tried->ignored > 0)
		ereport(WARNING,
				(errmsg("all of the first " UINT64_FORMAT " rows of object \"%s\" are of events that the format passes over", tried->ignored, object),
				 errhint("\"events\" of the format names those that count.")));
}

/* --- setting one --- */

static Place
read_source(const char *name)
{
	static SlmStatement statement = {
		"SELECT url, server, include, exclude FROM sellometer.sources WHERE name = $1", 1, {TEXTOID}
	};
	Datum		arg = CStringGetTextDatum(name);
	MemoryContext context = CurrentMemoryContext;
	Place		place = {.name = pstrdup(name)};
	bool		isnull;

	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("source \"%s\" does not exist", name), errhint("The sources are listed in sellometer.sources.")));
	place.url = slm_text(context, 0, 1);
	place.server = slm_text(context, 0, 2);
	place.include = slm_value(0, 3, &isnull);
	place.exclude = slm_value(0, 4, &isnull);
	return place;
}

static void
give(const char *name, int64 id)
{
	static SlmStatement statement = {
		"UPDATE sellometer.sources SET format_id = nullif($2, 0) WHERE name = $1", 2, {TEXTOID, INT8OID}
	};
	Datum		args[2] = {CStringGetTextDatum(name), Int64GetDatum(id)};

	slm_execute(&statement, args, NULL, SPI_OK_UPDATE);
}

/* The first rows of an object, as they would count. */
static void
show_rows(FunctionCallInfo fcinfo, SlmStore *store, const char *key, const SlmFormat *format, int most)
{
	SlmEventRows *rows = slm_event_rows_begin(fcinfo, format);
	SlmTransfer *transfer = slm_store_get(store, key, NULL, 0);
	SlmTransferStatus status = SLM_TRANSFER_DATA;
	SlmStoreError error;
	const char *data;
	size_t		len;

	slm_event_rows_limit(rows, most);
	while (!slm_event_rows_full(rows) &&
		   (status = slm_transfer_read(transfer, SLM_WAIT_FOR_EVER, &data, &len, &error)) == SLM_TRANSFER_DATA)
		slm_event_rows_add(rows, data, len, false);
	if (status == SLM_TRANSFER_ERROR)
		slm_store_error_raise(&error);
	if (!slm_event_rows_full(rows))
		slm_event_rows_add(rows, NULL, 0, true);
	slm_event_rows_end(rows);
	slm_transfer_close(transfer);
}

/* Look at the first object; its first rows are the result. */
static void
show(FunctionCallInfo fcinfo, const Place *place, const SlmFormat *format, int most)
{
	SlmStore   *store = slm_store_open(place->url, place->server, GetUserId());
	char	   *key = slm_first_key(store, place->include, place->exclude);
	SlmTried	tried;
	SlmStoreError error;

	if (key == NULL)
	{
		ereport(NOTICE, (errmsg("source \"%s\" has no object yet: the format could not be tried", place->name)));
		slm_event_rows_end(slm_event_rows_begin(fcinfo, format));
	}
	else
	{
		if (!slm_format_try(store, key, format, &tried, &error))
			slm_store_error_raise(&error);
		judge(slm_store_display(key), &tried);
		show_rows(fcinfo, store, key, format, most);
	}
	slm_store_close(store);
}

/* set_format(source text, format jsonb, rows integer) → setof events */
Datum
sellometer_set_format(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	Jsonb	   *description = PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1);
	const SlmFormat *format = description == NULL ? NULL : slm_format_compile(description, context);
	int			most = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT32(2);
	Place		place;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the name of a source must not be empty")));
	if (most < 0 || most > SLM_TRY_ROWS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("rows must be from 0 to %d", SLM_TRY_ROWS)));
	SPI_connect();
	place = read_source(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	give(place.name, description == NULL ? 0 : slm_format_keep(place.name, description));
	MemoryContextSwitchTo(context);
	show(fcinfo, &place, format, most);
	SPI_finish();
	return (Datum) 0;
}

/* --- adding a source --- */

void
slm_format_check(const char *name, const char *url, const char *server, Datum include, Datum exclude, Jsonb *description)
{
	const SlmFormat *format = description == NULL ? NULL : slm_format_compile(description, CurrentMemoryContext);
	SlmStore   *store = slm_store_open(url, server, GetUserId());
	char	   *key = slm_first_key(store, include, exclude);
	SlmTried	tried;
	SlmStoreError error;

	/* whether it can be had is seen when it is loaded */
	if (key == NULL || !slm_format_try(store, key, format, &tried, &error))
	{
		slm_store_close(store);
		return;
	}
	if (format != NULL)
		judge(slm_store_display(key), &tried);
	else if (tried.error == SLM_READ_ERROR_NOT_CSV || tried.error == SLM_READ_ERROR_COLUMN)
		ereport(WARNING,
				(errcode(slm_read_error_sqlstate(tried.error)),
				 errmsg("object \"%s\" of source \"%s\" is in a format of its own", slm_store_display(key), name),
				 errdetail_internal("%s", tried.message),
				 errhint("SELECT * FROM sellometer_sniff(%s%s%s) says what it looks like, and which call of sellometer_set_format() fits.",
						 quote_literal_cstr(psprintf("%s%s", slm_store_url(store), key)), server == NULL ? "" : ", ",
						 server == NULL ? "" : quote_literal_cstr(server))));
	slm_store_close(store);
}
