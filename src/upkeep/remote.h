/*
 * remote.h: a statement in another database of this server.
 *
 * A background worker connects to it, as the current user, and executes the statement in a transaction of its own: it is
 * committed, whatever becomes of the caller's transaction.
 */
#ifndef SLM_UPKEEP_REMOTE_H
#define SLM_UPKEEP_REMOTE_H

#include "postgres.h"

/*
 * Execute one SELECT.  Returns the first column of its first row as text, palloc'd; NULL if there is no row or it is null.
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
