/*
 * worker.h: the background processes.
 */
#ifndef SLM_WORKER_WORKER_H
#define SLM_WORKER_WORKER_H

#include "postgres.h"

/* Under preload, from _PG_init: have the launcher started. */
extern void slm_launcher_register(void);

extern PGDLLEXPORT void sellometer_launcher_main(Datum arg);
extern PGDLLEXPORT void sellometer_worker_main(Datum arg);

#endif							/* SLM_WORKER_WORKER_H */
