/*
 * dictionary_internal.h: a dictionary, for dictionary.c and dictionary_read.c.
 */
#ifndef SLM_PURE_DICTIONARY_INTERNAL_H
#define SLM_PURE_DICTIONARY_INTERNAL_H

#include "pure/dictionary.h"
#include "pure/interner.h"

typedef struct SlmOfferSlot
{
	uint64_t	hash;
	uint32_t	offer;			/* number + 1, 0 = free */
	uint32_t	part;			/* the last one in which it was asked for */
} SlmOfferSlot;

struct SlmDictionary
{
	SlmHashKey	key;
	SlmOverride override;
	void	   *override_arg;
	const SlmTime *periods;		/* when the 2nd, 3rd … begins; not owned */
	uint32_t	nperiods;
	uint32_t	part;			/* of an object: number of the one that is being read */

	SlmOfferSlot *slots;
	uint32_t	nslots;

	SlmOffer   *offers;
	uint32_t	noffers;
	uint32_t	maxoffers;

	SlmInterner		products;		/* keyed by the eight bytes of the product_id */
	int64_t    *product_ids;	/* by key */
	uint32_t	maxproducts;
	SlmInterner		texts[SLM_MAX_DIMENSIONS];

	/* of each key of level 3 the one of level 2 that it is in, of each of level 2 the one of level 1 */
	SlmKeyId   *parents[SLM_DIMENSIONS];
	uint32_t	maxparents[SLM_DIMENSIONS];

	uint32_t	npart;			/* offers that the part has named */
	/* of each brand and key of level 3 the last part that was found to name it, and how many there are in the part at hand */
	uint32_t   *named[SLM_DIMENSIONS];
	uint32_t	maxnamed[SLM_DIMENSIONS];
	uint32_t	nnamed;
	bool		counts_named;	/* they are counted as offers come */
	bool		has_lines;

	SlmOwn		own;
	SlmInterner		tuples;			/* keyed by the bytes of own.n keys; the first is tuple 1 */
	SlmTupleId *tuple_of;		/* by offer; NULL as long as own.n is 0 */
	uint32_t	maxtuple_of;
	bool	   *is_other[SLM_MAX_OWN];	/* by own key: counted as SLM_OTHER_KEY; of the first nis_other */
	uint32_t	nis_other[SLM_MAX_OWN];
};

#endif							/* SLM_PURE_DICTIONARY_INTERNAL_H */
