/*
 * dimension_calls.c: sellometer_add_dimension() and sellometer_drop_dimension().
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "guc.h"
#include "server/spi.h"
#include "upkeep/dimension_change.h"
#include "utils/builtins.h"
#include "utils/guc.h"

PG_FUNCTION_INFO_V1(sellometer_add_dimension);
PG_FUNCTION_INFO_V1(sellometer_drop_dimension);
PG_FUNCTION_INFO_V1(sellometer_bind_dimension);

static char *
text_argument(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(i));
}

static char *
required_argument(FunctionCallInfo fcinfo, int i, const char *what)
{
	if (PG_ARGISNULL(i))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", what)));
	return text_to_cstring(PG_GETARG_TEXT_PP(i));
}

/* (name text, column text, empty text, separator text, levels integer, of text, pattern text, max_keys integer, visits boolean) */
Datum
sellometer_add_dimension(PG_FUNCTION_ARGS)
{
	SlmDimensionPlan plan = {.name = required_argument(fcinfo, 0, "the name of a dimension"),.column = text_argument(fcinfo, 1),
		.empty = required_argument(fcinfo, 2, "the key of events without a value"),.separator = text_argument(fcinfo, 3),
		.levels = PG_ARGISNULL(4) ? 1 : PG_GETARG_INT32(4),.made_of = required_argument(fcinfo, 5, "what a dimension is made of"),
	.pattern = text_argument(fcinfo, 6),.max_keys = PG_ARGISNULL(7) ? slm_max_dimension_keys : PG_GETARG_INT32(7),.visits = !PG_ARGISNULL(8) && PG_GETARG_BOOL(8)};
	int			level;

	SPI_connect();
	level = slm_secure_function();
	slm_dimension_add(&plan);
	AtEOXact_GUC(true, level);
	SPI_finish();
	PG_RETURN_VOID();
}

Datum
sellometer_drop_dimension(PG_FUNCTION_ARGS)
{
	const char *name = required_argument(fcinfo, 0, "the name of a dimension");
	int			level;

	SPI_connect();
	level = slm_secure_function();
	slm_dimension_drop(name);
	AtEOXact_GUC(true, level);
	SPI_finish();
	PG_RETURN_VOID();
}

Datum
sellometer_bind_dimension(PG_FUNCTION_ARGS)
{
	SPI_connect();
	slm_dimension_bind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	SPI_finish();
	PG_RETURN_VOID();
}
