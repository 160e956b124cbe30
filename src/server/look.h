/*
 * look.h: how often builds with assertions look at what must hold whatever has happened.
 */
#ifndef SLM_SERVER_LOOK_H
#define SLM_SERVER_LOOK_H

#include "postgres.h"
#include "common/pg_prng.h"

/* To look takes about as long as what is looked at took to be made: so one time in eight. */
static inline bool
slm_is_time_to_look(void)
{
	return pg_prng_uint32(&pg_global_prng_state) % 8 == 0;
}

#endif							/* SLM_SERVER_LOOK_H */
