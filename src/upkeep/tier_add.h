/*
 * tier_add.h: a new tier, between others or as the coarsest, filled from what the finer ones hold.
 */
#ifndef SLM_UPKEEP_TIER_ADD_H
#define SLM_UPKEEP_TIER_ADD_H

#include "postgres.h"
#include "datatype/timestamp.h"

/*
 * In the caller's transaction, with SPI: make a tier, between others or as the coarsest, and fill it from what the finer
 * tiers still hold, for as long as nobody waits for it; sellometer_rollup() does the rest, and the tier's views are complete
 * at once.  retention: NULL = for ever.
 */
extern void slm_tier_add(const char *name, Interval *granularity, Interval *retention);

#endif							/* SLM_UPKEEP_TIER_ADD_H */
