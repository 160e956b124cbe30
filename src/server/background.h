/*
 * background.h: pure work in a second thread while this one goes on with PostgreSQL.
 */
#ifndef SLM_SERVER_BACKGROUND_H
#define SLM_SERVER_BACKGROUND_H

#include "postgres.h"
#include "pure/thread.h"

/*
 * As slm_thread_start(), but here and now if so few items (views, groups, cells, rows) are not worth a thread.  For work that goes
 * on while PostgreSQL is called: an error or the end of the process may come before slm_thread_join().  Whoever starts it joins it
 * in PG_FINALLY(); at the end of the process it is waited for before the memory that it works on goes.
 */
extern void slm_background_start(SlmThread *thread, void (*work) (void *arg), void *arg, uint64 items);

#endif							/* SLM_SERVER_BACKGROUND_H */
