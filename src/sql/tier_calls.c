/*
 * tier_calls.c: sellometer_rollup(), sellometer_prune(), and what adds, alters and drops tiers.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "pure/memory.h"
#include "server/spi.h"
#include "tiers/tier_pack.h"
#include "upkeep/fold_beside.h"
#include "upkeep/pack.h"
#include "upkeep/prune.h"
#include "upkeep/rollup_run.h"
#include "upkeep/runs.h"
#include "upkeep/segments_make.h"
#include "upkeep/tier_add.h"
#include "upkeep/tier_alter.h"
#include "upkeep/tier_drop.h"
#include "upkeep/tier_relations.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(sellometer_rollup);
PG_FUNCTION_INFO_V1(sellometer_prune);
PG_FUNCTION_INFO_V1(sellometer_add_tier);
PG_FUNCTION_INFO_V1(sellometer_alter_tier);
PG_FUNCTION_INFO_V1(sellometer_drop_tier);
PG_FUNCTION_INFO_V1(sellometer_bind_tier);
PG_FUNCTION_INFO_V1(sellometer_unpack);
PG_FUNCTION_INFO_V1(sellometer_bind_packed);

static void
roll_up(SlmRun *run, void *arg)
{
	SlmRemote  *fold = slm_run_hold(run) ? NULL : slm_fold_beside(run);

	PG_TRY();
	{
		slm_rollup_all(run, true);
		slm_table_release();
		slm_segments_make(run);
		if (fold != NULL)
			slm_fold_carts(run);
	}
	PG_CATCH();
	{
		if (fold != NULL)
			slm_remote_forget(fold);
		PG_RE_THROW();
	}
	PG_END_TRY();
	slm_fold_beside_wait(fold);
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
	slm_disconnect();
	PG_RETURN_VOID();
}

Datum
sellometer_prune(PG_FUNCTION_ARGS)
{
	slm_connect_to_commit(fcinfo, "sellometer_prune");
	slm_run("prune", true, prune, NULL);
	slm_disconnect();
	PG_RETURN_VOID();
}

static void
require_argument(FunctionCallInfo fcinfo, int i, const char *what)
{
	if (PG_ARGISNULL(i))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", what)));
}

Datum
sellometer_add_tier(PG_FUNCTION_ARGS)
{
	int			level;

	require_argument(fcinfo, 0, "the name of a tier");
	require_argument(fcinfo, 1, "the granularity of a tier");
	SPI_connect();
	level = slm_secure_function();
	slm_tier_add(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_INTERVAL_P(1),
				 PG_ARGISNULL(2) ? NULL : PG_GETARG_INTERVAL_P(2));
	AtEOXact_GUC(true, level);
	SPI_finish();
	PG_RETURN_VOID();
}

Datum
sellometer_alter_tier(PG_FUNCTION_ARGS)
{
	int			level;

	require_argument(fcinfo, 0, "the name of a tier");
	SPI_connect();
	level = slm_secure_function();
	slm_tier_alter(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_ARGISNULL(1) ? NULL : PG_GETARG_INTERVAL_P(1));
	AtEOXact_GUC(true, level);
	SPI_finish();
	PG_RETURN_VOID();
}

Datum
sellometer_drop_tier(PG_FUNCTION_ARGS)
{
	int			level;

	require_argument(fcinfo, 0, "the name of a tier");
	SPI_connect();
	level = slm_secure_function();
	slm_tier_drop(text_to_cstring(PG_GETARG_TEXT_PP(0)), !PG_ARGISNULL(1) && PG_GETARG_BOOL(1));
	AtEOXact_GUC(true, level);
	SPI_finish();
	PG_RETURN_VOID();
}

Datum
sellometer_bind_tier(PG_FUNCTION_ARGS)
{
	SPI_connect();
	slm_tier_bind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	SPI_finish();
	PG_RETURN_VOID();
}

Datum
sellometer_unpack(PG_FUNCTION_ARGS)
{
	bool		unpacked;
	int			level;

	SPI_connect();
	level = slm_secure_function();
	unpacked = slm_unpack(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	AtEOXact_GUC(true, level);
	SPI_finish();
	PG_RETURN_BOOL(unpacked);
}

Datum
sellometer_bind_packed(PG_FUNCTION_ARGS)
{
	SPI_connect();
	slm_tier_bind_packed();
	SPI_finish();
	PG_RETURN_VOID();
}
