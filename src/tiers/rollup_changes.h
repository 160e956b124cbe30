/*
 * rollup_changes.h: which keys change while their bucket is being rolled up.
 */
#ifndef SLM_TIERS_ROLLUP_CHANGES_H
#define SLM_TIERS_ROLLUP_CHANGES_H

#include "pure/deltas.h"
#include "tiers/tier.h"

/*
 * Note in sellometer.rollup_changes which keys the cells' wanted buckets change, for the rollup that is going through them.
 */
extern void slm_tier_note_changes(const SlmTier *tier, SlmCells *cells, const SlmDictionary *dictionary);

#endif							/* SLM_TIERS_ROLLUP_CHANGES_H */
