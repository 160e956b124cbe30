/*
 * sellometer.c: the module's entry point.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "server/shmem.h"
#include "utils/guc.h"

#include "guc.h"
#include "server/crash_point.h"
#include "sql/asked_as.h"
#include "sql/node_errors.h"
#include "upkeep/schedule.h"
#include "worker/make_way.h"
#include "worker/worker.h"

PG_MODULE_MAGIC;

extern void _PG_init(void);

void
_PG_init(void)
{
	slm_guc_init();
	slm_crash_point_init();
	MarkGUCPrefixReserved("sellometer");
	slm_schedule_init();
	slm_asked_as_init();
	slm_node_errors_init();
	if (!process_shared_preload_libraries_in_progress)
		return;
	slm_shmem_init();
	slm_launcher_register();
	slm_make_way_init();
}
