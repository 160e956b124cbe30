/*
 * thread.h: a second thread for pure work.
 *
 * A backend is one process with one thread, and nothing of PostgreSQL may be called from another but what touches its arguments
 * alone.  What is pure may: it knows nothing of PostgreSQL, gets its memory from malloc() and memory.h, and returns instead of raising errors.  The thread gets no
 * signals, so handlers run where they always do, and it has ended before its caller does anything else.
 */
#ifndef SLM_PURE_THREAD_H
#define SLM_PURE_THREAD_H

#include <pthread.h>

#include "pure/types.h"

typedef struct SlmThread
{
	pthread_t	id;
	bool		running;
	void		(*work) (void *arg);
	void	   *arg;
} SlmThread;

/* Run work(arg) beside the caller, until slm_thread_join(); here and now, if no thread can be had. */
extern void slm_thread_start(SlmThread *thread, void (*work) (void *arg), void *arg);
extern void slm_thread_join(SlmThread *thread);

/* Wait for all threads that are running, where the process ends before those who started them could. */
extern void slm_thread_join_all(void);

#endif							/* SLM_PURE_THREAD_H */
