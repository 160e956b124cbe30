/*
 * as_owner.h: work on the extension's tables with the rights of its owner, for whoever may call a procedure.
 *
 * Procedures that commit can't be SECURITY DEFINER.  While they are at work each of their transactions acts as the owner of
 * the extension, from slm_secure_transaction() to its end; between transactions, and after an error, the caller is who he was.
 * What is reached outside of the database is reached with the rights of a source's owner, never with these.
 */
#ifndef SLM_SERVER_AS_OWNER_H
#define SLM_SERVER_AS_OWNER_H

#include "postgres.h"

/* From the next transaction that is secured on, until slm_as_owner_stop() or an error that ends the transaction. */
extern void slm_as_owner_start(void);
extern void slm_as_owner_stop(void);

/* Is a procedure at work in a transaction that was not secured? */
extern bool slm_as_owner_missing(void);

/* For slm_secure_transaction() and slm_commit(): become the owner of the extension, if started; be the caller again. */
extern void slm_as_owner_begin(Oid extension);
extern void slm_as_owner_end(void);

/* The role that owns an extension. */
extern Oid	slm_extension_owner(Oid extension);

#endif							/* SLM_SERVER_AS_OWNER_H */
