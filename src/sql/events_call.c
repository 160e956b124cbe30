/*
 * events_call.c: sellometer_events(): the rows behind a sum.
 */
#include "postgres.h"

#include "archive/events.h"
#include "catalog/pg_type.h"
#include "dedup/own_dimensions.h"
#include "fmgr.h"
#include "funcapi.h"
#include "server/progress.h"
#include "server/spi.h"
#include "tiers/tier.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(sellometer_own_events);

/* An error unless the names and the key can be such; the key as tables have it. */
static char *
check_names(const char *dimension, const char *key, const char *event_type)
{
	static SlmStatement statement = {
		"SELECT sellometer.check_names($1, $2), sellometer.check_key($1, $3)", 3, {TEXTOID, TEXTOID, TEXTOID}
	};
	Datum		args[3] = {(Datum) 0, (Datum) 0, (Datum) 0};
	char		nulls[3] = {'n', ' ', 'n'};

	/* without a key no dimension is needed */
	if (dimension == NULL && key == NULL)
		dimension = slm_dimension_name(SLM_PRODUCT_ID);
	if (dimension != NULL)
		args[0] = CStringGetTextDatum(dimension);
	args[1] = CStringGetTextDatum(event_type != NULL ? event_type : slm_event_type_name(SLM_VIEW));
	if (key != NULL)
		args[2] = CStringGetTextDatum(key);
	nulls[0] = dimension == NULL ? 'n' : ' ';
	nulls[2] = key == NULL ? 'n' : ' ';
	slm_execute(&statement, args, nulls, SPI_OK_SELECT);
	return slm_text(CurrentMemoryContext, 0, 2);
}

static char *
text_argument(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(i));
}

static SlmEventQuery
read_arguments(FunctionCallInfo fcinfo)
{
	char	   *dimension = text_argument(fcinfo, 0);
	char	   *event_type = text_argument(fcinfo, 4);
	SlmEventQuery query = {.key = text_argument(fcinfo, 1),.type = -1};

	query.from = PG_ARGISNULL(2) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(2);
	query.to = PG_ARGISNULL(3) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(3);
	if (query.from >= query.to)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the range of the events is empty"),
				 errdetail("It is from %s to %s.", pstrdup(timestamptz_to_str(query.from)), timestamptz_to_str(query.to))));
	query.key = check_names(dimension, query.key, event_type);
	slm_own_read();
	for (int d = 0; dimension != NULL && d < slm_dimension_count(); d++)
	{
		if (strcmp(dimension, slm_dimension_name((SlmDimension) d)) == 0)
			query.dimension = (SlmDimension) d;
	}
	for (int t = 0; event_type != NULL && t < SLM_EVENT_TYPES; t++)
	{
		if (strcmp(event_type, slm_event_type_name((SlmEventType) t)) == 0)
			query.type = t;
	}
	if (query.key != NULL && query.dimension == SLM_PRODUCT_ID)
		query.product_id = DatumGetInt64(DirectFunctionCall1(int8in, CStringGetDatum(query.key)));
	return query;
}

static void
put_row(Datum *values, bool *nulls, void *arg)
{
	ReturnSetInfo *rsinfo = arg;

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* own_events(dimension text, key text, from timestamptz, to timestamptz, event_type text) → setof rows */
Datum
sellometer_own_events(PG_FUNCTION_ARGS)
{
	SlmEventQuery query;
	int			level;

	InitMaterializedSRF(fcinfo, 0);
	if (((ReturnSetInfo *) fcinfo->resultinfo)->setDesc->natts != SLM_FOUND_COLUMNS)
		elog(ERROR, "found events have %d columns", SLM_FOUND_COLUMNS);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	level = slm_look_begin();
	PG_TRY();
	{
		query = read_arguments(fcinfo);
		slm_progress_begin("events");
		slm_events_find(&query, put_row, fcinfo->resultinfo);
	}
	PG_FINALLY();
	{
		slm_look_end();
		slm_progress_end();
	}
	PG_END_TRY();
	AtEOXact_GUC(true, level);
	SPI_finish();
	return (Datum) 0;
}
