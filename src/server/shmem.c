/*
 * shmem.c: the memory that our processes share, and who lays out which part of it.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "server/alive.h"
#include "server/processes.h"
#include "server/progress.h"
#include "server/shmem.h"
#include "server/worker_slots.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

static bool ready;
static shmem_request_hook_type next_request_hook;
static shmem_startup_hook_type next_startup_hook;

static void
request(void)
{
	if (next_request_hook)
		next_request_hook();
	RequestAddinShmemSpace(add_size(add_size(slm_slots_size(), slm_progress_size()), add_size(slm_processes_size(), slm_alive_size())));
	RequestNamedLWLockTranche("sellometer", 1);
	RequestNamedLWLockTranche("sellometer progress", 1);
	RequestNamedLWLockTranche("sellometer processes", 1);
	RequestNamedLWLockTranche("sellometer signs of life", 1);
}

static void
startup(void)
{
	if (next_startup_hook)
		next_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	slm_slots_startup();
	slm_progress_startup();
	slm_processes_startup();
	slm_alive_startup();
	LWLockRelease(AddinShmemInitLock);
	ready = true;
}

void
slm_shmem_init(void)
{
	next_request_hook = shmem_request_hook;
	shmem_request_hook = request;
	next_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup;
}

bool
slm_shmem_ready(void)
{
	return ready;
}
