/*
 * own_keys.h: how many keys a dimension of a user's own may have, and which these are: sellometer.dimension_keys.
 *
 * The first keys that are counted, as many as max_keys of the dimension, are admitted and stay so; when there are as many, every other one is
 * counted as SLM_OTHER, once and for all: what one key is counted as never changes.  So what is counted, moved, taken out and made anew meets
 * itself again.  Who is first is decided under the writer's lock, in the transaction that counts.
 */
#ifndef SLM_DEDUP_OWN_KEYS_H
#define SLM_DEDUP_OWN_KEYS_H

#include "postgres.h"
#include "pure/groups.h"
#include "pure/visits.h"

/*
 * Under the writer's lock, with SPI, before deltas are made of groups: admit keys that they name, those with the most events first, and have
 * the dictionary, whose dimensions are those that there are, know of the others.  A warning when a dimension has its first of these.
 */
extern void slm_own_keys_admit(SlmDictionary *dictionary, const SlmGroups *groups);

/* Likewise of visits, instead of groups, in dimensions by which sessions are counted. */
extern void slm_own_keys_admit_visits(SlmDictionary *dictionary, const SlmVisits *visits);

/* Afterwards: of each key of a dimension, the number that sellometer.dimension_keys has for what it is counted as; 0 of those that no visit names.  In the current memory context. */
extern int32 *slm_own_key_numbers(const SlmDictionary *dictionary, uint32 own, const SlmVisits *visits);

/* What keys of a dimension are counted as, for who reads rows; in the current memory context. */
typedef struct SlmOwnKeys
{
	int			n;
	char	  **admitted;		/* ascending by bytes */
} SlmOwnKeys;

/* Of one of a user's own, counted from 0, in the active snapshot.  NULL: all of its keys are counted as they are. */
extern SlmOwnKeys *slm_own_keys_read(int own);

/* What a key is counted as: itself, or SLM_OTHER. */
extern SlmSlice slm_own_keys_counted(const SlmOwnKeys *keys, SlmSlice key);

#endif							/* SLM_DEDUP_OWN_KEYS_H */
