/*
 * processes.c: how the worker and each procedure have ended last.
 */
#include "postgres.h"

#include <ctype.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "server/processes.h"
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

/* But for numbers: the file that can't grow, or the block, is another one each time. */
static bool
is_same_message(const char *a, const char *b)
{
	for (;;)
	{
		while (isdigit((unsigned char) *a))
			a++;
		while (isdigit((unsigned char) *b))
			b++;
		if (*a != *b || *a == '\0')
			return *a == *b;
		a++;
		b++;
	}
}

bool
slm_process_note_failed(SlmProcess *process, const ErrorData *error)
{
	char		message[SLM_PROCESS_MESSAGE];
	bool		is_new;

	copy_text(message, error->message, sizeof(message));
	is_new = process->failures == 0 || process->sqlstate != error->sqlerrcode || !is_same_message(process->message, message);
	process->failed_at = GetCurrentTimestamp();
	if (process->failures++ == 0)
		process->failing_since = process->failed_at;
	process->sqlstate = error->sqlerrcode;
	memcpy(process->message, message, sizeof(message));
	copy_text(process->hint, error->hint, sizeof(process->hint));
	return is_new;
}

int64
slm_process_note_well(SlmProcess *process)
{
	int64		failures = process->failures;

	process->well_at = GetCurrentTimestamp();
	process->failures = 0;
	return failures;
}

bool
slm_process_failed(const char *name, const ErrorData *error)
{
	bool		is_new;

	if (processes == NULL)
		return true;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	is_new = slm_process_note_failed(entry_of(name), error);
	LWLockRelease(lock);
	return is_new;
}

int64
slm_process_well(const char *name)
{
	int64		failures;

	if (processes == NULL)
		return 0;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	failures = slm_process_note_well(entry_of(name));
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
