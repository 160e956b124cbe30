/*
 * sums_sweep.h: many segments of products added up side by side.
 */
#ifndef SLM_TIERS_SUMS_SWEEP_H
#define SLM_TIERS_SUMS_SWEEP_H

#include "tiers/sums.h"

/* Can segments be held for these sums?  They are of products, of which any may be new, and have no limit. */
extern bool slm_sums_may_hold(const SlmSums *sums);

/* Have a segment's bytes, which are palloc'd and theirs from now on, added by the next sweep; before that one is made if they are many. */
extern void slm_sums_hold(SlmSums *sums, bytea *bytes);

/* Add all that is held; an error if some of it is no segment. */
extern void slm_sums_sweep(SlmSums *sums);

#endif							/* SLM_TIERS_SUMS_SWEEP_H */
