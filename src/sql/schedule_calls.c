/*
 * schedule_calls.c: the C side of sellometer_schedule().
 */
#include "postgres.h"

#include "commands/event_trigger.h"
#include "fmgr.h"
#include "upkeep/remote.h"
#include "upkeep/schedule.h"
#include "utils/builtins.h"
#include "utils/guc.h"

PG_FUNCTION_INFO_V1(sellometer_run_in_database);
PG_FUNCTION_INFO_V1(sellometer_before_drop);
PG_FUNCTION_INFO_V1(sellometer_cron_database);
PG_FUNCTION_INFO_V1(sellometer_cron_uses_workers);

Datum
sellometer_run_in_database(PG_FUNCTION_ARGS)
{
	char	   *result = slm_run_in_database(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)));

	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(result));
}

Datum
sellometer_before_drop(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("before_drop() can only be called as an event trigger")));
	PG_RETURN_VOID();
}

Datum
sellometer_cron_database(PG_FUNCTION_ARGS)
{
	const char *database = slm_cron_database();

	if (database == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(database));
}

Datum
sellometer_cron_uses_workers(PG_FUNCTION_ARGS)
{
	const char *value = slm_cron_database() == NULL ? NULL : GetConfigOption("cron.use_background_workers", true, false);

	PG_RETURN_BOOL(value != NULL && strcmp(value, "on") == 0);
}
