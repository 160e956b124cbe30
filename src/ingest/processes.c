/*
 * processes.c: how the worker and each procedure have ended last.
 */
#include "postgres.h"

#include "ingest/processes.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

typedef struct Processes
{
	int			n;
	SlmProcess	entries[SLM_MAX_PROCESSES];
} Processes;

static Processes *processes;
static LWLock *lock;

Size
slm_processes_size(void)
{
	return MAXALIGN(sizeof(Processes));
}

void
slm_processes_startup(void)
{
	bool		found;

	processes = ShmemInitStruct("sellometer processes", sizeof(Processes), &found);
	if (!found)
		memset(processes, 0, sizeof(Processes));
	lock = &GetNamedLWLockTranche("sellometer processes")->lock;
}

static TimestampTz
last_seen(const SlmProcess *process)
{
	return Max(process->well_at, process->failed_at);
}

/* The entry of a process of this database; the caller holds the lock.  If there is no room, the oldest of all makes some. */
static SlmProcess *
entry_of(const char *name)
{
	SlmProcess *oldest = &processes->entries[0];

	for (int i = 0; i < processes->n; i++)
	{
		SlmProcess *process = &processes->entries[i];

		if (process->database == MyDatabaseId && strcmp(process->name, name) == 0)
			return process;
		if (last_seen(process) < last_seen(oldest))
			oldest = process;
	}
	if (processes->n < SLM_MAX_PROCESSES)
		oldest = &processes->entries[processes->n++];
	memset(oldest, 0, sizeof(SlmProcess));
	oldest->database = MyDatabaseId;
	strlcpy(oldest->name, name, NAMEDATALEN);
	return oldest;
}

/* As much of a text as there is room for; whole characters. */
static void
copy_text(char *to, const char *from, size_t size)
{
	int			len = from == NULL ? 0 : pg_mbcliplen(from, (int) strlen(from), (int) size - 1);

	if (len > 0)
		memcpy(to, from, len);
	to[len] = '\0';
}

bool
slm_process_failed(const char *name, const ErrorData *error)
{
	char		message[SLM_PROCESS_MESSAGE];
	SlmProcess *process;
	bool		is_new;

	if (processes == NULL)
		return true;
	copy_text(message, error->message, sizeof(message));
	LWLockAcquire(lock, LW_EXCLUSIVE);
	process = entry_of(name);
	is_new = process->failures == 0 || process->sqlstate != error->sqlerrcode || strcmp(process->message, message) != 0;
	process->failed_at = GetCurrentTimestamp();
	if (process->failures++ == 0)
		process->failing_since = process->failed_at;
	process->sqlstate = error->sqlerrcode;
	memcpy(process->message, message, sizeof(message));
	copy_text(process->hint, error->hint, sizeof(process->hint));
	LWLockRelease(lock);
	return is_new;
}

int64
slm_process_well(const char *name)
{
	SlmProcess *process;
	int64		failures;

	if (processes == NULL)
		return 0;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	process = entry_of(name);
	process->well_at = GetCurrentTimestamp();
	failures = process->failures;
	process->failures = 0;
	LWLockRelease(lock);
	return failures;
}

int
slm_processes_read(SlmProcess *out)
{
	int			n = 0;

	if (processes == NULL)
		return 0;
	LWLockAcquire(lock, LW_SHARED);
	for (int i = 0; i < processes->n; i++)
	{
		if (processes->entries[i].database == MyDatabaseId)
			out[n++] = processes->entries[i];
	}
	LWLockRelease(lock);
	return n;
}
