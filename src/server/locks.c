/*
 * locks.c: the locks by which those who load, roll up and keep house exclude each other.
 */
#include "postgres.h"

#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "compat.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "server/locks.h"

LOCKTAG
slm_lock_tag(SlmLock lock)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ExtensionRelationId, get_extension_oid("sellometer", false), lock);
	return tag;
}

#ifdef USE_ASSERT_CHECKING
bool
slm_lock_held(SlmLock lock)
{
	LOCKTAG		tag = slm_lock_tag(lock);

	return slm_lock_held_by_me(&tag, ExclusiveLock);
}
#endif

SlmLock
slm_lock_of_run(const char *procedure)
{
	static const char *const procedures[] = {"rollup", "prune", "merge_backlog", "archive", "detect", "unload", "forget_user"};

	for (int i = 0; i < lengthof(procedures); i++)
	{
		if (strcmp(procedure, procedures[i]) == 0)
			return SLM_LOCK_RUN + i;
	}
	elog(ERROR, "no lock is known for \"%s\"", procedure);
}

double
slm_writer_lock(void)
{
	LOCKTAG		tag = slm_lock_tag(SLM_LOCK_WRITER);
	instr_time	start;
	instr_time	now;

	Assert(slm_lock_held(SLM_LOCK_WRITER) || !slm_lock_held(SLM_LOCK_ROLLUP));
	INSTR_TIME_SET_CURRENT(start);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MILLISEC(now);
}

bool
slm_writer_lock_wanted(void)
{
	LOCKTAG		tag = slm_lock_tag(SLM_LOCK_WRITER);

	return LockHasWaiters(&tag, ExclusiveLock, false);
}

void
slm_rollup_lock(void)
{
	LOCKTAG		tag = slm_lock_tag(SLM_LOCK_ROLLUP);

	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

void
slm_run_lock(const char *procedure)
{
	LOCKTAG		tag = slm_lock_tag(slm_lock_of_run(procedure));

	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}
