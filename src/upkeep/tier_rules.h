/*
 * tier_rules.h: which tiers there can be beside each other.
 *
 * Each tier but the finest is added up from a finer one of whose buckets its own consist.  So tiers are a tree, whose root is
 * the finest: days may be made into weeks and into months, beside each other.
 *
 *     minute ── hour ── day ──┬── week
 *                             └── month ── quarter
 */
#ifndef SLM_UPKEEP_TIER_RULES_H
#define SLM_UPKEEP_TIER_RULES_H

#include "tiers/tier.h"

/* What a tier is to be. */
typedef struct SlmTierPlan
{
	const char *name;
	Interval   *granularity_interval;
	Interval   *retention_interval; /* NULL: for ever */
	SlmGranularity granularity;
	SlmGranularity retention;	/* both members 0: for ever */
	bool		discard;		/* of a tier that is to go: with what only it holds */
	const char *lost;			/* what that was, in words; NULL: nothing */
} SlmTierPlan;

/* Does CREATE EXTENSION make a tier of this name? */
extern bool slm_is_default_tier(const char *name);

/* Are buckets of this length whole days, which begin at other times in other zones? */
extern bool slm_is_of_days(SlmGranularity g);

/* Errors unless it can be the name of a tier, and these the lengths of one. */
extern void slm_check_tier_name(const char *name);
extern void slm_check_tier_lengths(const SlmTierPlan *plan);

/* The number of a tier; -1: there is none of this name. */
extern int	slm_find_tier(const SlmTiers *tiers, const char *name);

/*
 * Where a new tier stands among the others, and from which it is added up: the coarsest of whose buckets its own consist.  An
 * error if it can't be.
 */
extern int	slm_check_tier_place(const SlmTierPlan *plan, const SlmTiers *tiers, int *finer);

/* Is tier t to be added up from a new one, with this finer tier, rather than from what it is added up from now? */
extern bool slm_tier_is_fed_by(const SlmTiers *tiers, int t, const SlmTierPlan *plan, int finer);

/* An error unless tier t can have this retention: as long as the tier has that it is added up from, no longer than those made of it. */
extern void slm_check_tier_retention(const SlmTiers *tiers, int t, const SlmTierPlan *plan);

#endif							/* SLM_UPKEEP_TIER_RULES_H */
