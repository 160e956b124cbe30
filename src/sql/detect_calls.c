/*
 * detect_calls.c: sellometer_detect().
 */
#include "postgres.h"

#include "fmgr.h"
#include "sql/recent_views.h"
#include "upkeep/detect.h"
#include "upkeep/runs.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(sellometer_detect);

/* After an error the context goes with the run's. */
static void
detect_all(SlmRun *run, void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer detection", ALLOCSET_DEFAULT_SIZES);

	slm_recent_views_keep(context);
	slm_detect_all(run, arg);
	MemoryContextDelete(context);
}

Datum
sellometer_detect(PG_FUNCTION_ARGS)
{
	slm_connect_to_commit(fcinfo, "sellometer_detect");
	slm_run("detect", true, detect_all, NULL);
	slm_disconnect();
	PG_RETURN_VOID();
}
