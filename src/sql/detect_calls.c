/*
 * detect_calls.c: sellometer_detect().
 */
#include "postgres.h"

#include "fmgr.h"
#include "upkeep/detect.h"
#include "upkeep/runs.h"

PG_FUNCTION_INFO_V1(sellometer_detect);

Datum
sellometer_detect(PG_FUNCTION_ARGS)
{
	slm_connect_to_commit(fcinfo, "sellometer_detect");
	slm_run("detect", true, slm_detect_all, NULL);
	slm_disconnect();
	PG_RETURN_VOID();
}
