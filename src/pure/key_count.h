/*
 * key_count.h: how many different brands and categories the rows of an object name.
 *
 * Told apart by their keyed 64-bit hash, so that counting takes 16 to 32 bytes a key, however long the keys are.
 */
#ifndef SLM_PURE_KEY_COUNT_H
#define SLM_PURE_KEY_COUNT_H

#include "pure/hash.h"
#include "pure/reader.h"

#define SLM_KEY_COUNT_RECENT	4096	/* a power of two */

/* Zero-initialised but for key is empty; free it with slm_key_count_free(). */
typedef struct SlmKeyCount
{
	SlmHashKey	key;
	uint64_t	n;				/* different brands and categories so far, as they came, empty ones being none */
	uint64_t   *slots;			/* hashes, 0 = free */
	uint64_t	nslots;			/* a power of two, or 0 */
	uint64_t	recent[SLM_KEY_COUNT_RECENT];	/* pairs of them that were counted not long ago */
} SlmKeyCount;

/* Count an event's brand and category.  False if out of memory. */
extern bool slm_key_count_add(SlmKeyCount *count, const SlmEvent *event);
extern void slm_key_count_free(SlmKeyCount *count);

#endif							/* SLM_PURE_KEY_COUNT_H */
