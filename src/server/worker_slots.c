/*
 * worker_slots.c: who loads which database, and what a worker and others tell each other.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "server/worker_slots.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#define STOP_WAIT_MS	5000

/* One configured database. */
typedef struct WorkerSlot
{
	char		name[NAMEDATALEN];
	int			pid;			/* of its worker; 0 = none */
	Oid			database;		/* once connected */
	TimestampTz hold_until;		/* not to be started before this */
	SlmProcess	start;			/* how it went to start its worker, and to connect; without database and name */
	bool		no_extension;	/* the database has none, as its worker sees it */
	int			lacking;		/* so many parse workers could not be started */
	bool		surge;
	bool		wake;			/* look at the sources now */
	bool		read_only;		/* transactions are, by default */
	TimestampTz jobs_at;		/* when the jobs were looked at; 0: not yet */
	int			njobs;
	SlmJob		jobs[SLM_MAX_JOBS];
	TimestampTz told_at;		/* when somebody last looked whether there is something to tell */
	int			ntold;
	SlmTold		told[SLM_MAX_TOLD];
} WorkerSlot;

typedef struct WorkerSlots
{
	LWLock	   *lock;
	int			nslots;
	WorkerSlot	slots[SLM_MAX_DATABASES];
} WorkerSlots;

static WorkerSlots *shared;
static int	own_slot = -1;

Size
slm_slots_size(void)
{
	return MAXALIGN(sizeof(WorkerSlots));
}

void
slm_slots_startup(void)
{
	bool		found;

	shared = ShmemInitStruct("sellometer", sizeof(WorkerSlots), &found);
	if (found)
		return;
	memset(shared, 0, sizeof(WorkerSlots));
	shared->lock = &GetNamedLWLockTranche("sellometer")->lock;
}

int
slm_slots_set(char **databases, int n)
{
	n = Min(n, SLM_MAX_DATABASES);
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->nslots = n;
	for (int i = 0; i < n; i++)
	{
		if (strcmp(shared->slots[i].name, databases[i]) == 0)
			continue;			/* its worker, or what is known of it, outlived the launcher */
		memset(&shared->slots[i], 0, sizeof(WorkerSlot));
		strlcpy(shared->slots[i].name, databases[i], NAMEDATALEN);
	}
	LWLockRelease(shared->lock);
	return n;
}

bool
slm_slot_may_start(int slot, char *name)
{
	bool		may;

	LWLockAcquire(shared->lock, LW_SHARED);
	may = shared->slots[slot].pid == 0 && GetCurrentTimestamp() >= shared->slots[slot].hold_until;
	strlcpy(name, shared->slots[slot].name, NAMEDATALEN);
	LWLockRelease(shared->lock);
	return may;
}

static void
release_slot(int code, Datum arg)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->slots[own_slot].pid = 0;
	shared->slots[own_slot].database = InvalidOid;
	shared->slots[own_slot].surge = false;
	shared->slots[own_slot].lacking = 0;
	shared->slots[own_slot].njobs = 0;
	LWLockRelease(shared->lock);
}

/* The slot of this database's worker; the caller holds the lock.  NULL if none runs. */
static WorkerSlot *
slot_of_database(void)
{
	for (int i = 0; i < shared->nslots; i++)
	{
		if (shared->slots[i].pid != 0 && shared->slots[i].database == MyDatabaseId)
			return &shared->slots[i];
	}
	return NULL;
}

bool
slm_slot_claim(int slot)
{
	bool		is_free;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	is_free = shared->slots[slot].pid == 0 && slot_of_database() == NULL;
	if (is_free)
	{
		shared->slots[slot].pid = MyProcPid;
		shared->slots[slot].database = MyDatabaseId;
		shared->slots[slot].surge = false;
		(void) slm_process_note_well(&shared->slots[slot].start);
	}
	LWLockRelease(shared->lock);
	if (!is_free)
		return false;
	own_slot = slot;
	before_shmem_exit(release_slot, (Datum) 0);
	return true;
}

bool
slm_slot_start_failed(int slot, const ErrorData *error)
{
	bool		is_new;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	is_new = slm_process_note_failed(&shared->slots[slot].start, error);
	LWLockRelease(shared->lock);
	return is_new;
}

bool
slm_slot_start_unknown(int slot, TimestampTz started)
{
	const WorkerSlot *s = &shared->slots[slot];
	bool		unknown;

	LWLockAcquire(shared->lock, LW_SHARED);
	unknown = s->pid == 0 && s->start.failed_at < started && s->start.well_at < started;
	LWLockRelease(shared->lock);
	return unknown;
}

void
slm_slot_set_extension(int slot, bool is_there)
{
	if (shared->slots[slot].no_extension == !is_there)
		return;					/* nobody else writes it */
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->slots[slot].no_extension = !is_there;
	LWLockRelease(shared->lock);
}

void
slm_slot_set_lacking(int lacking)
{
	if (own_slot < 0)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->slots[own_slot].lacking = lacking;
	LWLockRelease(shared->lock);
}

void
slm_slot_set_surge(int slot, bool surge)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->slots[slot].surge = surge;
	LWLockRelease(shared->lock);
}

/* Since when has it been like this? */
static TimestampTz
job_since(const WorkerSlot *slot, const SlmJob *job)
{
	for (int i = 0; i < slot->njobs; i++)
	{
		const SlmJob *old = &slot->jobs[i];

		if (strcmp(old->name, job->name) == 0 && old->scheduled == job->scheduled && old->active == job->active &&
			strcmp(old->status, job->status) == 0)
			return old->since;
	}
	return GetCurrentTimestamp();
}

void
slm_slot_set_jobs(int slot, const SlmJob *jobs, int n)
{
	SlmJob		now[SLM_MAX_JOBS];

	n = Min(n, SLM_MAX_JOBS);
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		now[i] = jobs[i];
		now[i].since = job_since(&shared->slots[slot], &jobs[i]);
	}
	memcpy(shared->slots[slot].jobs, now, sizeof(SlmJob) * n);
	shared->slots[slot].njobs = n;
	shared->slots[slot].jobs_at = GetCurrentTimestamp();
	LWLockRelease(shared->lock);
}

void
slm_slot_set_read_only(int slot, bool read_only)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->slots[slot].read_only = read_only;
	LWLockRelease(shared->lock);
}

int
slm_slot_named(const char *database)
{
	int			slot = -1;

	if (shared == NULL)
		return slot;
	LWLockAcquire(shared->lock, LW_SHARED);
	for (int i = 0; i < shared->nslots && slot < 0; i++)
	{
		if (strcmp(shared->slots[i].name, database) == 0)
			slot = i;
	}
	LWLockRelease(shared->lock);
	return slot;
}

TimestampTz
slm_slot_told_at(int slot)
{
	TimestampTz told_at;

	LWLockAcquire(shared->lock, LW_SHARED);
	told_at = shared->slots[slot].told_at;
	LWLockRelease(shared->lock);
	return told_at;
}

int
slm_slot_get_told(int slot, SlmTold *told)
{
	int			n;

	LWLockAcquire(shared->lock, LW_SHARED);
	n = shared->slots[slot].ntold;
	memcpy(told, shared->slots[slot].told, sizeof(SlmTold) * n);
	LWLockRelease(shared->lock);
	return n;
}

void
slm_slot_set_told(int slot, const SlmTold *told, int n)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->slots[slot].told_at = GetCurrentTimestamp();
	shared->slots[slot].ntold = n;
	memcpy(shared->slots[slot].told, told, sizeof(SlmTold) * n);
	LWLockRelease(shared->lock);
}

bool
slm_slot_take_wake(int slot)
{
	bool		wake;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	wake = shared->slots[slot].wake;
	shared->slots[slot].wake = false;
	LWLockRelease(shared->lock);
	return wake;
}

int
slm_worker_pid(void)
{
	WorkerSlot *slot;
	int			pid = 0;

	if (shared == NULL)
		return 0;
	LWLockAcquire(shared->lock, LW_SHARED);
	slot = slot_of_database();
	if (slot != NULL)
		pid = slot->pid;
	LWLockRelease(shared->lock);
	return pid;
}

int
slm_workers_read(SlmWorkerInfo *out)
{
	int			n = 0;

	if (shared == NULL)
		return n;
	LWLockAcquire(shared->lock, LW_SHARED);
	for (; n < shared->nslots; n++)
	{
		const WorkerSlot *slot = &shared->slots[n];

		out[n] = (SlmWorkerInfo) {.pid = slot->pid,.start = slot->start,.no_extension = slot->no_extension,.lacking = slot->lacking};
		strlcpy(out[n].name, slot->name, NAMEDATALEN);
	}
	LWLockRelease(shared->lock);
	return n;
}

bool
slm_is_configured(const char *database)
{
	return slm_slot_named(database) >= 0;
}

bool
slm_in_surge(void)
{
	WorkerSlot *slot;
	bool		surge = false;

	if (shared == NULL)
		return false;
	LWLockAcquire(shared->lock, LW_SHARED);
	slot = slot_of_database();
	if (slot != NULL)
		surge = slot->surge;
	LWLockRelease(shared->lock);
	return surge;
}

int
slm_jobs_read(SlmJob *out, TimestampTz *looked_at)
{
	WorkerSlot *slot;
	int			n = 0;

	if (shared == NULL)
		return 0;
	LWLockAcquire(shared->lock, LW_SHARED);
	slot = slot_of_database();
	if (slot != NULL)
	{
		n = slot->njobs;
		memcpy(out, slot->jobs, sizeof(SlmJob) * n);
		*looked_at = slot->jobs_at;
	}
	LWLockRelease(shared->lock);
	return n;
}

bool
slm_database_read_only(void)
{
	WorkerSlot *slot;
	bool		read_only = false;

	if (shared == NULL)
		return false;
	LWLockAcquire(shared->lock, LW_SHARED);
	slot = slot_of_database();
	if (slot != NULL)
		read_only = slot->read_only;
	LWLockRelease(shared->lock);
	return read_only;
}

bool
slm_wake_worker(void)
{
	WorkerSlot *slot;
	PGPROC	   *proc = NULL;

	if (shared == NULL)
		return false;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	slot = slot_of_database();
	if (slot != NULL)
	{
		slot->wake = true;
		proc = BackendPidGetProc(slot->pid);
	}
	LWLockRelease(shared->lock);
	if (proc != NULL)
		SetLatch(&proc->procLatch);
	return proc != NULL;
}

void
slm_stop_worker(const char *database)
{
	if (shared == NULL)
		return;
	for (int waited = 0; waited < STOP_WAIT_MS; waited += 20)
	{
		int			pid = 0;

		LWLockAcquire(shared->lock, LW_EXCLUSIVE);
		for (int i = 0; i < shared->nslots; i++)
		{
			if (strcmp(shared->slots[i].name, database) == 0)
			{
				pid = shared->slots[i].pid;
				shared->slots[i].hold_until = GetCurrentTimestamp() + USECS_PER_MINUTE;
			}
		}
		LWLockRelease(shared->lock);
		if (pid == 0)
			return;
		if (waited == 0)
			kill(pid, SIGTERM);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 20, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

void
slm_let_worker_start(const char *database)
{
	if (shared == NULL)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < shared->nslots; i++)
	{
		if (strcmp(shared->slots[i].name, database) == 0)
			shared->slots[i].hold_until = 0;
	}
	LWLockRelease(shared->lock);
}
