/*
 * packed_fdw.h: between what the planner is told and what the executor does.
 */
#ifndef SLM_PACKED_PACKED_FDW_H
#define SLM_PACKED_PACKED_FDW_H

#include "postgres.h"
#include "foreign/fdwapi.h"

/*
 * Which blocks a scan reads.  fdw_private of its plan is a list of this number and of the kinds of its conditions (packed_limits.h); fdw_exprs holds
 * the key, or the array of keys, if there is one, and then what the conditions compare with.
 */
typedef enum SlmPackedAccess
{
	SLM_PACKED_ALL, SLM_PACKED_KEY, SLM_PACKED_ANY_KEY
} SlmPackedAccess;

/* Set what the executor calls. */
extern void slm_packed_exec_init(FdwRoutine *routine);

#endif							/* SLM_PACKED_PACKED_FDW_H */
