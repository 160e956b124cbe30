/*
 * pins.h: the settings on which what we do depends, as all of it expects them, whatever a user, a role or a database has.
 */
#ifndef SLM_SERVER_PINS_H
#define SLM_SERVER_PINS_H

#include "postgres.h"

/*
 * To the end of a transaction that is ours alone.  Before its first snapshot, also: read committed, and read-write where the server
 * allows that.  A user's statement_timeout stays as it is, and so does transaction_timeout but for background workers: who calls a procedure
 * may limit it.
 */
extern void slm_pin_transaction(void);

/* In a user's transaction, to AtEOXact_GUC(true, level) with the level that is returned; an error takes them back as well. */
extern int	slm_pin_function(void);

#endif							/* SLM_SERVER_PINS_H */
