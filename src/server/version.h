/*
 * version.h: do the library and the extension in this database fit together?
 */
#ifndef SLM_SERVER_VERSION_H
#define SLM_SERVER_VERSION_H

#include "postgres.h"

/*
 * An error (object_not_in_prerequisite_state) unless the extension with this OID is of the version that this library was
 * built for.  In a transaction; does nothing for an extension that has just been dropped.
 */
extern void slm_check_version(Oid extension);

#endif							/* SLM_SERVER_VERSION_H */
