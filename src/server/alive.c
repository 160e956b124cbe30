/*
 * alive.c: signs of life of the processes in the background.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "server/alive.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

int			slm_stuck_after = 60;

/* One that is busy may be so for so many times as long. */
#define BUSY_TIMES	10

/* Whoever waits gives a sign each second: that much older the last may be, and some more where the machine is busy. */
#define SIGN_EVERY	(2 * USECS_PER_SEC)

typedef struct Entry
{
	int			pid;			/* 0: free */
	Oid			database;		/* InvalidOid: the launcher's */
	SlmAliveKind kind;
	PGPROC	   *proc;
	bool		idle;
	char		at[NAMEDATALEN];
	pg_atomic_uint64 last;
} Entry;

static Entry *entries;			/* SLM_MAX_ALIVE */
static Entry *own;
static LWLock *lock;

Size
slm_alive_size(void)
{
	return MAXALIGN(sizeof(Entry) * SLM_MAX_ALIVE);
}

void
slm_alive_startup(void)
{
	bool		found;

	entries = ShmemInitStruct("sellometer signs of life", sizeof(Entry) * SLM_MAX_ALIVE, &found);
	for (int i = 0; !found && i < SLM_MAX_ALIVE; i++)
	{
		memset(&entries[i], 0, sizeof(Entry));
		pg_atomic_init_u64(&entries[i].last, 0);
	}
	lock = &GetNamedLWLockTranche("sellometer signs of life")->lock;
}

/* --- giving them --- */

static void
end(int code, Datum arg)
{
	LWLockAcquire(lock, LW_EXCLUSIVE);
	own->pid = 0;
	LWLockRelease(lock);
	own = NULL;
}

void
slm_alive_begin(SlmAliveKind kind)
{
	if (entries == NULL || own != NULL)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < SLM_MAX_ALIVE && own == NULL; i++)
	{
		if (entries[i].pid == 0)
			own = &entries[i];
	}
	if (own != NULL)
	{
		own->pid = MyProcPid;
		own->database = kind == SLM_ALIVE_LAUNCHER ? InvalidOid : MyDatabaseId;
		own->kind = kind;
		own->proc = MyProc;
		own->idle = false;
		strlcpy(own->at, "start", NAMEDATALEN);
		pg_atomic_write_u64(&own->last, (uint64) GetCurrentTimestamp());
	}
	LWLockRelease(lock);
	if (own != NULL)
		before_shmem_exit(end, (Datum) 0);
}

void
slm_alive(void)
{
	if (own != NULL)
		pg_atomic_write_u64(&own->last, (uint64) GetCurrentTimestamp());
}

void
slm_alive_at(const char *at, bool idle)
{
	if (own == NULL)
		return;
	slm_alive();
	if (strcmp(own->at, at) == 0 && own->idle == idle)
		return;					/* nobody else writes it */
	LWLockAcquire(lock, LW_EXCLUSIVE);
	strlcpy(own->at, at, NAMEDATALEN);
	own->idle = idle;
	LWLockRelease(lock);
}

/* --- judging --- */

/* As the operating system has it: R, S, D, T, t …; '?' where it does not say. */
static char
state_of_process(int pid)
{
	char		path[64];
	char		line[512];
	char	   *end_of_name;
	char		state = '?';
	FILE	   *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = AllocateFile(path, "r");
	if (file == NULL)
		return state;
	/* the name, in parentheses, may hold any of them */
	if (fgets(line, sizeof(line), file) != NULL && (end_of_name = strrchr(line, ')')) != NULL && end_of_name[1] == ' ' && end_of_name[2] != '\0')
		state = end_of_name[2];
	FreeFile(file);
	return state;
}

static SlmAliveState
judge_state(char process, uint32 wait_event)
{
	if (process == 'T' || process == 't')
		return SLM_ALIVE_STOPPED;
	switch (wait_event & 0xFF000000)
	{
		case PG_WAIT_LOCK:
			return SLM_ALIVE_WAITS_FOR_LOCK;
		case PG_WAIT_LWLOCK:
		case PG_WAIT_IO:
		case PG_WAIT_TIMEOUT:	/* takes its time by itself */
			return SLM_ALIVE_BUSY;
		case 0:
			return process == 'S' || process == 'D' ? SLM_ALIVE_IN_CALL : SLM_ALIVE_BUSY;
		default:
			return SLM_ALIVE_WAITS;
	}
}

static int64
patience(void)
{
	return (int64) slm_stuck_after * USECS_PER_SEC + SIGN_EVERY;
}

static bool
is_stuck(SlmAliveState state, bool idle, TimestampTz last)
{
	return (state == SLM_ALIVE_STOPPED || !idle) &&
		GetCurrentTimestamp() - last > (state == SLM_ALIVE_BUSY ? BUSY_TIMES * patience() : patience());
}

/* Most have given one just now: nobody asks about these. */
static void
judge(SlmAlive *alive, bool idle, uint32 wait_event)
{
	const char *event;

	if (GetCurrentTimestamp() - alive->last <= patience())
		return;
	alive->state = judge_state(state_of_process(alive->pid), wait_event);
	alive->stuck = is_stuck(alive->state, idle, alive->last);
	event = pgstat_get_wait_event(wait_event);
	if (event != NULL)
		alive->waits_for = psprintf("%s %s", pgstat_get_wait_event_type(wait_event), event);
}

int
slm_alive_read(SlmAlive *out)
{
	bool	   *idle;
	uint32	   *wait_events;
	int			n = 0;

	if (entries == NULL)
		return 0;
	idle = palloc(sizeof(bool) * SLM_MAX_ALIVE);
	wait_events = palloc(sizeof(uint32) * SLM_MAX_ALIVE);
	LWLockAcquire(lock, LW_SHARED);
	for (int i = 0; i < SLM_MAX_ALIVE; i++)
	{
		Entry	   *entry = &entries[i];

		if (entry->pid == 0 || (entry->kind != SLM_ALIVE_LAUNCHER && entry->database != MyDatabaseId))
			continue;
		out[n] = (SlmAlive) {.pid = entry->pid,.kind = entry->kind,.last = (TimestampTz) pg_atomic_read_u64(&entry->last)};
		strlcpy(out[n].at, entry->at, NAMEDATALEN);
		idle[n] = entry->idle;
		wait_events[n++] = entry->proc->wait_event_info;
	}
	LWLockRelease(lock);
	for (int i = 0; i < n; i++)
		judge(&out[i], idle[i], wait_events[i]);
	pfree(idle);
	pfree(wait_events);
	return n;
}
