/*
 * progress.c: how far work that is under way has got.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "server/alive.h"
#include "server/progress.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

typedef struct SharedProgress
{
	LWLock	   *lock;
	SlmProgress progress[SLM_MAX_PROGRESS];
} SharedProgress;

static SharedProgress *shared;
static SlmProgress *own_progress;

Size
slm_progress_size(void)
{
	return MAXALIGN(sizeof(SharedProgress));
}

void
slm_progress_startup(void)
{
	bool		found;

	shared = ShmemInitStruct("sellometer progress", sizeof(SharedProgress), &found);
	if (found)
		return;
	memset(shared, 0, sizeof(SharedProgress));
	shared->lock = &GetNamedLWLockTranche("sellometer progress")->lock;
}

static void
release_progress(int code, Datum arg)
{
	slm_progress_end();
}

/* Who reports commits piece by piece, so what is rolled back ends it. */
static void
end_by_error(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		slm_progress_end();
}

void
slm_progress_begin(const char *task)
{
	static bool registered = false;

	if (shared == NULL)
		return;
	slm_progress_end();
	if (!registered)
	{
		before_shmem_exit(release_progress, (Datum) 0);
		RegisterXactCallback(end_by_error, NULL);
	}
	registered = true;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < SLM_MAX_PROGRESS && own_progress == NULL; i++)
	{
		if (shared->progress[i].pid == 0)
			own_progress = &shared->progress[i];
	}
	if (own_progress != NULL)
	{
		memset(own_progress, 0, sizeof(SlmProgress));
		own_progress->pid = MyProcPid;
		own_progress->database = MyDatabaseId;
		own_progress->started = GetCurrentTimestamp();
		strlcpy(own_progress->task, task, NAMEDATALEN);
	}
	LWLockRelease(shared->lock);
}

void
slm_progress_totals(int64 objects, int64 bytes)
{
	if (own_progress == NULL)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	own_progress->objects_total = objects;
	own_progress->bytes_total = bytes;
	LWLockRelease(shared->lock);
}

void
slm_progress_phase(const char *phase)
{
	slm_alive_at(phase, false);
	if (own_progress == NULL)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	strlcpy(own_progress->phase, phase, NAMEDATALEN);
	LWLockRelease(shared->lock);
}

void
slm_progress_add(int64 objects, int64 bytes, int64 rows)
{
	slm_alive();
	if (own_progress == NULL)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	own_progress->objects_done += objects;
	own_progress->bytes_done += bytes;
	own_progress->rows_done += rows;
	LWLockRelease(shared->lock);
}

/* A large object is read twice.  To look through it takes about a third of the time. */
static int64
large_work(const SlmProgress *progress)
{
	return progress->large_seen / 3 + progress->large_loaded / 3 * 2;
}

void
slm_progress_large(int64 seen, int64 loaded, bool before)
{
	slm_alive();
	if (own_progress == NULL)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	own_progress->large_seen = seen;
	own_progress->large_loaded = loaded;
	if (before)
		own_progress->large_before = large_work(own_progress);
	LWLockRelease(shared->lock);
}

double
slm_progress_share(const SlmProgress *progress)
{
	double		done = (double) (progress->bytes_done + large_work(progress) - progress->large_before);
	double		total = (double) (progress->bytes_total - progress->large_before);

	return done <= 0 || total <= 0 ? 0 : Min(1.0, done / total);
}

void
slm_progress_end(void)
{
	if (own_progress == NULL)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	own_progress->pid = 0;
	LWLockRelease(shared->lock);
	own_progress = NULL;
}

int
slm_progress_read(SlmProgress *out)
{
	int			n = 0;

	if (shared == NULL)
		return 0;
	LWLockAcquire(shared->lock, LW_SHARED);
	for (int i = 0; i < SLM_MAX_PROGRESS; i++)
	{
		if (shared->progress[i].pid != 0)
			out[n++] = shared->progress[i];
	}
	LWLockRelease(shared->lock);
	return n;
}
