/*
 * make_way.h: DROP DATABASE fails while anybody is connected, so the worker makes way for it.
 */
#ifndef SLM_WORKER_MAKE_WAY_H
#define SLM_WORKER_MAKE_WAY_H

#include "postgres.h"

/* Once, when the library is preloaded. */
extern void slm_make_way_init(void);

#endif							/* SLM_WORKER_MAKE_WAY_H */
