/*
 * identity.h: an object is what it holds, whatever it is called.
 *
 * A file that was renamed, moved, copied, restored, touched or put again is listed under a new name, or with a new ETag.  Only its
 * bytes tell that it is not new; so it is read like any other, and then its checksum is looked for:
 *
 *   same key, same content as counted      the counted object bears the new ETag from now on; this row goes
 *   another key, same content as counted   skipped, unless its source counts equal contents
 *   same key, other content than counted   failed: a changed object; or new, if the counted one was seen under another name
 *   content that somebody has put aside    skipped
 *
 * A content of which nothing was counted stands in nobody's way.
 */
#ifndef SLM_LEDGER_IDENTITY_H
#define SLM_LEDGER_IDENTITY_H

#include "ledger/object.h"

/*
 * For objects that were read and are about to be applied, before the writer's lock is taken: set the outcome of those that must
 * not be loaded to SAME, which is recorded here, or to FAILED, which is left to slm_ledger_record().  Returns how many
 * of these have rows in the batch, which is to be made anew without them.
 */
extern int	slm_identity_judge(SlmObject *objects, int n);

/*
 * Under the writer's lock, for the same objects: an error of class "transaction rollback" if since then another process has
 * counted one of their contents.
 */
extern void slm_identity_confirm(SlmObject *objects, int n);

#endif							/* SLM_LEDGER_IDENTITY_H */
