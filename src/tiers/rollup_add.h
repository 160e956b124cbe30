/*
 * rollup_add.h: add up buckets of a tier from the rows of the finer one.
 */
#ifndef SLM_TIERS_ROLLUP_ADD_H
#define SLM_TIERS_ROLLUP_ADD_H

#include "tiers/tier.h"

/*
 * Write the rows of one dimension of the buckets of tier t (not the finest) from start on and before end, which are of one partition and have
 * none yet, from what is there now in the finer one.  A partition that is missing is made.  Returns the number of rows.
 */
extern uint64 slm_rollup_add(const SlmTiers *tiers, int t, SlmDimension dimension, TimestampTz start, TimestampTz end);

#endif							/* SLM_TIERS_ROLLUP_ADD_H */
