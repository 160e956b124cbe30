/*
 * tier_change.h: add, alter and drop tiers.
 */
#ifndef SLM_UPKEEP_TIER_CHANGE_H
#define SLM_UPKEEP_TIER_CHANGE_H

#include "postgres.h"
#include "datatype/timestamp.h"

/*
 * In the caller's transaction, with SPI: make a tier, between others or as the coarsest, and fill it from what the finer
 * tiers still hold, for as long as nobody waits for it; sellometer_rollup() does the rest, and the tier's views are complete
 * at once.  retention: NULL = for ever.
 */
extern void slm_tier_add(const char *name, Interval *granularity, Interval *retention);

/*
 * With SPI: the tables and views of a tier go with the extension from now on, and belong to whom the table of tiers belongs
 * to.  They must exist, and not be members of the extension.
 */
extern void slm_tier_bind(const char *name);

/* As slm_tier_add(): how long a tier's rows are kept from now on.  A notice says what will go, or does not come back. */
extern void slm_tier_alter(const char *name, Interval *retention);

/*
 * As slm_tier_add(): drop a tier and all that is in it.  What no finer tier holds goes only with discard, and a notice; without it
 * that is an error, which says what it is.
 */
extern void slm_tier_drop(const char *name, bool discard);

#endif							/* SLM_UPKEEP_TIER_CHANGE_H */
