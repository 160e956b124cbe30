/*
 * forget_calls.c: sellometer_forget_user().
 */
#include "postgres.h"

#include "archive/forget.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "server/spi.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(sellometer_forget_user);

/* The columns of the report. */
#define REPORT_COLS		10

static Datum
names_array(List *names)
{
	Datum	   *values = palloc(sizeof(Datum) * Max(list_length(names), 1));
	int			n = 0;
	ListCell   *cell;

	foreach(cell, names)
		values[n++] = CStringGetTextDatum(lfirst(cell));
	return slm_array(values, NULL, n, TEXTOID);
}

static Datum
report(FunctionCallInfo fcinfo, const SlmForgotten *result)
{
	TupleDesc	desc;
	bool		nulls[REPORT_COLS] = {0};
	Datum		values[REPORT_COLS];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != REPORT_COLS)
		elog(ERROR, "sellometer_forget_user() must return a row of %d columns", REPORT_COLS);
	values[0] = Int64GetDatum(result->sessions);
	values[1] = Int64GetDatum(result->carts);
	values[2] = Int64GetDatum(result->reminders);
	values[3] = Int64GetDatum(result->rejected_rows);
	values[4] = Int64GetDatum(result->messages);
	values[5] = Int64GetDatum(result->archives);
	values[6] = Int64GetDatum(result->archived_rows);
	values[7] = Int64GetDatum(result->raw_rows);
	values[8] = names_array(result->raw_files);
	values[9] = names_array(result->unread);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/* Nobody is known in the dashboards' database of nodes; whoever asks there would take that for done. */
static void
refuse_where_nothing_is_loaded(void)
{
	if (slm_query_once("SELECT 1 WHERE sellometer.loads_nothing()") > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this database shows what nodes have, and knows nobody itself"), errhint("CALL sellometer_forget_user() on each node.")));
}

Datum
sellometer_forget_user(PG_FUNCTION_ARGS)
{
	SlmForget  *forget = MemoryContextAllocZero(PortalContext, sizeof(SlmForget));
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext old;
	Datum		result;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("user_id must not be null")));
	forget->person.user_id = PG_GETARG_INT64(0);
	slm_connect_to_commit(fcinfo, "sellometer_forget_user");
	slm_secure_transaction();
	refuse_where_nothing_is_loaded();
	slm_commit();
	old = MemoryContextSwitchTo(PortalContext);
	if (!slm_run("forget_user", true, slm_forget_user, forget))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("another sellometer_forget_user() is under way"), errhint("CALL it again when that has ended.")));
	MemoryContextSwitchTo(old);
	slm_secure_transaction();
	MemoryContextSwitchTo(caller);
	result = report(fcinfo, &forget->result);
	slm_disconnect();
	return result;
}
