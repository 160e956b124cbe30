/*
 * thread.c: a second thread for pure work.
 */
#include "pure/thread.h"

#include <signal.h>
#include <stddef.h>

#include "pure/assert.h"

#define MAX_RUNNING		8

/* Threads are started and joined by one thread alone. */
static SlmThread *running[MAX_RUNNING];
static int	nrunning;

static void *
run(void *arg)
{
	SlmThread  *thread = arg;

	thread->work(thread->arg);
	return NULL;
}

#ifdef USE_ASSERT_CHECKING
static bool
is_running(const SlmThread *thread)
{
	for (int i = 0; i < nrunning; i++)
	{
		if (running[i] == thread)
			return true;
	}
	return false;
}
#endif

void
slm_thread_start(SlmThread *thread, void (*work) (void *arg), void *arg)
{
	sigset_t	all;
	sigset_t	old;

	/* zeroed, or joined: else nobody could wait for the one that is running */
	SLM_ASSERT(!is_running(thread));

	*thread = (SlmThread) {.work = work,.arg = arg};
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	thread->running = nrunning < MAX_RUNNING && pthread_create(&thread->id, NULL, run, thread) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (thread->running)
		running[nrunning++] = thread;
	else
		work(arg);
}

void
slm_thread_join(SlmThread *thread)
{
	if (!thread->running)
		return;
	pthread_join(thread->id, NULL);
	thread->running = false;
	for (int i = 0; i < nrunning; i++)
	{
		if (running[i] == thread)
			running[i] = running[--nrunning];
	}
}

void
slm_thread_join_all(void)
{
	while (nrunning > 0)
		slm_thread_join(running[nrunning - 1]);
}
