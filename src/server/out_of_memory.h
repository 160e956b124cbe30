/*
 * out_of_memory.h: what is raised where malloc() has nothing left.
 */
#ifndef SLM_SERVER_OUT_OF_MEMORY_H
#define SLM_SERVER_OUT_OF_MEMORY_H

#include "postgres.h"
#include "compat.h"

/* An error: out of memory.  For what src/pure could not allocate; palloc() raises its own. */
pg_noreturn extern void slm_out_of_memory(void);

#endif							/* SLM_SERVER_OUT_OF_MEMORY_H */
