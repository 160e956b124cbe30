/*
 * tier_insert.h: rows of buckets that have none yet.
 */
#ifndef SLM_TIERS_TIER_INSERT_H
#define SLM_TIERS_TIER_INSERT_H

#include "tiers/tier_target.h"

/* Insert the rows for which wanted says true (NULL: all) into a table, with or without indexes.  Returns their number. */
extern uint64 slm_tier_insert(SlmTierTarget *target, Oid relid, const SlmDeltaRun *run, const bool *wanted);

/*
 * Make a partition that is missing, with all of its rows; returns their number.  Else than as pages they go to where it has its place
 * already: so that they are published as those of its parent, and get what the parent's have.
 */
extern uint64 slm_tier_insert_partition(SlmTierTarget *target, const SlmDeltaRun *run);

#endif							/* SLM_TIERS_TIER_INSERT_H */
