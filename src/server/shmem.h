/*
 * shmem.h: the memory that our processes share, and who lays out which part of it.
 */
#ifndef SLM_SERVER_SHMEM_H
#define SLM_SERVER_SHMEM_H

#include "postgres.h"

/* Under preload, from _PG_init: reserve the memory. */
extern void slm_shmem_init(void);

/* Is the memory there?  Only if the library is in shared_preload_libraries. */
extern bool slm_shmem_ready(void);

#endif							/* SLM_SERVER_SHMEM_H */
