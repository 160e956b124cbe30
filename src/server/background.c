/*
 * background.c: pure work in a second thread while this one goes on with PostgreSQL.
 */
#include "postgres.h"

#include "server/background.h"
#include "storage/ipc.h"

#define WORTH_A_THREAD	10000

static void
join_all(int code, Datum arg)
{
	slm_thread_join_all();
}

void
slm_background_start(SlmThread *thread, void (*work) (void *arg), void *arg, uint64 items)
{
	static bool registered = false;

	if (items < WORTH_A_THREAD)
	{
		work(arg);
		return;
	}
	/* what is registered last is called first: before the transaction is rolled back and its memory freed */
	if (!registered)
		before_shmem_exit(join_all, (Datum) 0);
	registered = true;
	slm_thread_start(thread, work, arg);
}
