/*
 * tier_drop.h: a tier goes, if nothing is lost by that.
 */
#ifndef SLM_UPKEEP_TIER_DROP_H
#define SLM_UPKEEP_TIER_DROP_H

#include "postgres.h"

/*
 * As slm_tier_add(): drop a tier and all that is in it.  What no finer tier holds goes only with discard, and a notice; without it
 * that is an error, which says what it is.
 */
extern void slm_tier_drop(const char *name, bool discard);

#endif							/* SLM_UPKEEP_TIER_DROP_H */
