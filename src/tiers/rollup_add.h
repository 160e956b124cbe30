/*
 * rollup_add.h: add up a bucket of a tier from the rows of the finer one.
 */
#ifndef SLM_TIERS_ROLLUP_ADD_H
#define SLM_TIERS_ROLLUP_ADD_H

#include "tiers/tier.h"

/*
 * Write the rows of one dimension of the bucket of tier t (not the finest) that begins at start, which has none yet, from what is
 * there now in the finer one.  A partition that is missing is made.  Returns the number of rows.
 */
extern uint64 slm_rollup_add(const SlmTiers *tiers, int t, SlmDimension dimension, TimestampTz start);

#endif							/* SLM_TIERS_ROLLUP_ADD_H */
