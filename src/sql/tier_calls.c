/*
 * tier_calls.c: sellometer_rollup() and sellometer_prune().
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "ingest/prune.h"
#include "ingest/rollup.h"
#include "ingest/runs.h"

PG_FUNCTION_INFO_V1(sellometer_rollup);
PG_FUNCTION_INFO_V1(sellometer_prune);

static void
roll_up(SlmRun *run, void *arg)
{
	slm_rollup_all(run, true);
}

static void
prune(SlmRun *run, void *arg)
{
	slm_prune_all(run, true, true);
}

Datum
sellometer_rollup(PG_FUNCTION_ARGS)
{
	slm_connect_to_commit(fcinfo, "sellometer_rollup");
	slm_run("rollup", true, roll_up, NULL);
	SPI_finish();
	PG_RETURN_VOID();
}

Datum
sellometer_prune(PG_FUNCTION_ARGS)
{
	slm_connect_to_commit(fcinfo, "sellometer_prune");
	slm_run("prune", true, prune, NULL);
	SPI_finish();
	PG_RETURN_VOID();
}
