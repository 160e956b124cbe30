/*
 * thread.c: a second thread for pure work.
 */
#include "pure/thread.h"

#include <signal.h>

static void *
run(void *arg)
{
	SlmThread  *thread = arg;

	thread->work(thread->arg);
	return NULL;
}

void
slm_thread_start(SlmThread *thread, void (*work) (void *arg), void *arg)
{
	sigset_t	all;
	sigset_t	old;

	*thread = (SlmThread) {.work = work,.arg = arg};
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	thread->running = pthread_create(&thread->id, NULL, run, thread) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!thread->running)
		work(arg);
}

void
slm_thread_join(SlmThread *thread)
{
	if (thread->running)
		pthread_join(thread->id, NULL);
	thread->running = false;
}
