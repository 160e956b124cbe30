/*
 * calls.h: what the calls about sources share.
 */
#ifndef SLM_SQL_CALLS_H
#define SLM_SQL_CALLS_H

#include "postgres.h"
#include "fmgr.h"

/*
 * The call's first argument: the name of an existing source, in PortalContext, so that it stays beyond commits; NULL for all.
 * An error if there is no such source.  Needs SPI.
 */
extern char *slm_source_argument(FunctionCallInfo fcinfo);

#endif							/* SLM_SQL_CALLS_H */
