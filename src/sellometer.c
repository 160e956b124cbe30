/*
 * sellometer.c: the module's entry point.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/utility.h"

#include "compat.h"
#include "guc.h"
#include "ingest/schedule.h"
#include "ingest/shmem.h"
#include "ingest/worker.h"

PG_MODULE_MAGIC;

extern void _PG_init(void);

static ProcessUtility_hook_type next_utility;

/* DROP DATABASE fails while anybody is connected: the worker makes way, and comes back if the database stays. */
static void
utility(PlannedStmt *pstmt, const char *query, bool read_only_tree, ProcessUtilityContext context,
		ParamListInfo params, QueryEnvironment *env, DestReceiver *dest, QueryCompletion *completion)
{
	if (IsA(pstmt->utilityStmt, DropdbStmt))
		slm_stop_worker(((DropdbStmt *) pstmt->utilityStmt)->dbname);
	if (next_utility)
		next_utility(pstmt, query, read_only_tree, context, params, env, dest, completion);
	else
		standard_ProcessUtility(pstmt, query, read_only_tree, context, params, env, dest, completion);
}

void
_PG_init(void)
{
	slm_guc_init();
	slm_schedule_init();
	if (!process_shared_preload_libraries_in_progress)
		return;
	slm_shmem_init();
	slm_launcher_register();
	next_utility = ProcessUtility_hook;
	ProcessUtility_hook = utility;
}
