/*
 * names.h: what products are called by the rows of an object.
 *
 * Of each product and hour one name is kept, the first in the order of bytes; the name of the latest hour is the one that counts.  So what
 * comes out depends on the rows alone, not on their order; and a product that goes by the same name all along changes once an hour.
 */
#ifndef SLM_PURE_NAMES_H
#define SLM_PURE_NAMES_H

#include "pure/hash.h"

/* What is longer is cut there, between two characters. */
#define SLM_MAX_NAME_BYTES	1000

#define SLM_USECS_PER_HOUR	(60 * SLM_USECS_PER_MIN)

typedef struct SlmName
{
	int64_t		product_id;
	SlmTime		hour;			/* the start of the hour that it is from */
	SlmSlice	name;			/* UTF-8, trimmed, never empty */
} SlmName;

typedef struct SlmNames SlmNames;

/* An empty collection, or NULL if out of memory.  The key is copied.  Free with slm_names_free(); NULL is well. */
extern SlmNames *slm_names_create(const SlmHashKey *key);
extern void slm_names_free(SlmNames *names);

/* A row calls a product so; name: a trimmed, non-empty piece of UTF-8, which is copied.  False if out of memory. */
extern bool slm_names_note(SlmNames *names, int64_t product_id, SlmTime time, SlmSlice name);

/*
 * Of each product its latest name that is from no later than the hour of the limit: moves them to the beginning of *list (owned by names, as
 * the texts), in the order of products, and returns how many there are.  To be followed by slm_names_reset().
 */
extern uint32_t slm_names_latest(SlmNames *names, SlmTime limit, const SlmName **list);

/* Empty it. */
extern void slm_names_reset(SlmNames *names);

extern size_t slm_names_memory(const SlmNames *names);

#endif							/* SLM_PURE_NAMES_H */
