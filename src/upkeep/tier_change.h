/*
 * tier_change.h: what all changes of tiers have in common: the locks, and trying again.
 */
#ifndef SLM_UPKEEP_TIER_CHANGE_H
#define SLM_UPKEEP_TIER_CHANGE_H

#include "tiers/tier.h"
#include "upkeep/tier_rules.h"

/*
 * In the caller's transaction, with SPI: make the change in a subtransaction, and again after a pause as long as a lock could not be had.
 * The error says so if that does not help.
 */
extern void slm_change_tiers(void (*change) (SlmTierPlan *), SlmTierPlan *arg);

/* From now to the end of the nest level, which is returned, waits for locks are short. */
extern int	slm_limit_lock_waits(void);

/* Keep other changes of tiers out, to the end of the transaction. */
extern void slm_lock_tiers(void);

/* The number of a tier; an error if there is none of this name. */
extern int	slm_require_tier(const SlmTiers *tiers, const char *name);

/* Move a tier's place among the others. */
extern void slm_tier_move_position(const char *name, int by);

/* Have a tier be added up from another one from now on. */
extern void slm_tier_feed_from(const SlmTier *tier, const char *finer);

#endif							/* SLM_UPKEEP_TIER_CHANGE_H */
