/*
 * minute_keys.h: how many different brands and categories a minute may have.
 *
 * sellometer.max_object_keys bounds what one object names; this bounds what objects do together, so that files of made-up names
 * can't fill the tables of the finest tier.  Which object is refused then is a matter of fairness, not of order alone: one that
 * brings few names that are new to the minute is loaded always.
 */
#ifndef SLM_TIERS_MINUTE_KEYS_H
#define SLM_TIERS_MINUTE_KEYS_H

#include "pure/deltas.h"
#include "tiers/tier.h"

typedef struct SlmMinuteKeys SlmMinuteKeys;

/*
 * Before a batch's cells are written to the finest tier: which minutes could get too many names.  NULL: none, as nearly always.
 * palloc'd.  Both calls are made under the writer's lock.
 */
extern SlmMinuteKeys *slm_minute_keys_before(const SlmTier *tier, const SlmCells *cells);

/*
 * Afterwards: an error (ERRCODE_PROGRAM_LIMIT_EXCEEDED) that names the setting, if one of them has more than
 * sellometer.max_minute_keys now, more than a hundredth of which the batch has brought.  before may be NULL.
 */
extern void slm_minute_keys_check(const SlmTier *tier, const SlmMinuteKeys *before);

#endif							/* SLM_TIERS_MINUTE_KEYS_H */
