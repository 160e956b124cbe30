/*
 * best_keys.h: the first of many, in an order.
 */
#ifndef SLM_SQL_BEST_KEYS_H
#define SLM_SQL_BEST_KEYS_H

#include "postgres.h"

/* Less than 0: key a comes before b; arg is the caller's.  Any two keys that count differ. */
typedef int (*SlmKeyCompare) (uint32 a, uint32 b, const void *arg);

/* Does a key count at all? */
typedef bool (*SlmKeyCounts) (uint32 key, const void *arg);

/* The first most keys of 0 to n - 1 that count, in their order; palloc'd, and *found says how many they are. */
extern uint32 *slm_best_keys(uint32 n, uint32 most, SlmKeyCounts counts, SlmKeyCompare compare, const void *arg, uint32 *found);

#endif							/* SLM_SQL_BEST_KEYS_H */
