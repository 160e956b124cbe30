/*
 * surge.h: when live loading gets everything.
 */
#ifndef SLM_INGEST_SURGE_H
#define SLM_INGEST_SURGE_H

#include "postgres.h"

/* Must this procedure put its work off, because a surge is on? */
extern bool slm_surge_hold(const char *procedure);

#endif							/* SLM_INGEST_SURGE_H */
