/*
 * remote.h: a statement in another process, which may be in another database of this server.
 *
 * A background worker connects to it, and executes the statement in a transaction of its own: it is committed, whatever becomes of the
 * caller's transaction.
 */
#ifndef SLM_UPKEEP_REMOTE_H
#define SLM_UPKEEP_REMOTE_H

#include "postgres.h"

typedef struct SlmRemote SlmRemote;

/* Start it, as a role that may log in; palloc'd.  NULL if no background worker is free.  Outlives transactions. */
extern SlmRemote *slm_remote_start(Oid database, Oid role, const char *sql);

/* Wait for its end; what it holds goes with slm_remote_forget().  Returns NULL, or the error's message.  After an error here it is terminated and forgotten. */
extern const char *slm_remote_wait(SlmRemote *remote);

/* Has it ended, so that nobody would wait for it? */
extern bool slm_remote_is_over(SlmRemote *remote);

/* Don't wait for it, or not any more: it is terminated if it is at work. */
extern void slm_remote_forget(SlmRemote *remote);

/*
 * Execute one SELECT, as the current user.  Returns the first column of its first row as text, palloc'd; NULL if there is no row or it is null.
 * An error of the statement is raised here, with its SQLSTATE.
 */
extern char *slm_run_in_database(const char *database, const char *sql);

/*
 * For a background worker that is connected to a database without the extension: begin a transaction in which SPI can be
 * used, and commit it.
 */
extern void slm_remote_begin(void);
extern void slm_remote_commit(void);

extern PGDLLEXPORT void sellometer_remote_main(Datum arg);

#endif							/* SLM_UPKEEP_REMOTE_H */
