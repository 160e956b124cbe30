/*
 * numbering.h: dense local numbers for the few of many global ones that something refers to.
 */
#ifndef SLM_PURE_NUMBERING_H
#define SLM_PURE_NUMBERING_H

#include <stdlib.h>

#include "pure/assert.h"
#include "pure/dictionary.h"

typedef struct SlmNumbering
{
	uint32_t   *local;			/* by global number: local number + 1, 0 = none yet */
	uint32_t   *global;			/* by local number */
	uint32_t	n;
	uint32_t	nglobal;
} SlmNumbering;

/* For global numbers below nglobal; false if out of memory (free it all the same). */
static inline bool
slm_numbering_init(SlmNumbering *numbering, uint32_t nglobal)
{
	numbering->n = 0;
	numbering->nglobal = nglobal;
	numbering->local = calloc((size_t) nglobal + 1, sizeof(uint32_t));
	numbering->global = malloc(((size_t) nglobal + 1) * sizeof(uint32_t));
	return numbering->local != NULL && numbering->global != NULL;
}

/* Forget all numbers, in time proportional to how many there are. */
static inline void
slm_numbering_clear(SlmNumbering *numbering)
{
	for (uint32_t i = 0; i < numbering->n; i++)
		numbering->local[numbering->global[i]] = 0;
	numbering->n = 0;
}

static inline void
slm_numbering_free(SlmNumbering *numbering)
{
	free(numbering->local);
	free(numbering->global);
}

/* The local number, the next free one if there is none yet. */
static inline uint32_t
slm_number(SlmNumbering *numbering, uint32_t global)
{
	SLM_ASSERT(global < numbering->nglobal);
	if (numbering->local[global] == 0)
	{
		numbering->global[numbering->n++] = global;
		numbering->local[global] = numbering->n;
	}
	return numbering->local[global] - 1;
}

/* Offers, and the categories and brands that they name; zero-initialised or by slm_offer_numbering_init(). */
typedef struct SlmOfferNumbering
{
	SlmNumbering offers;
	SlmNumbering categories;
	SlmNumbering brands;
} SlmOfferNumbering;

/* For what the dictionary holds now; false if out of memory (free it all the same). */
static inline bool
slm_offer_numbering_init(SlmOfferNumbering *numbering, const SlmDictionary *dictionary)
{
	*numbering = (SlmOfferNumbering) {0};
	return slm_numbering_init(&numbering->offers, slm_dictionary_offers(dictionary)) &&
		slm_numbering_init(&numbering->categories, slm_dictionary_keys(dictionary, SLM_CATEGORY_L3)) &&
		slm_numbering_init(&numbering->brands, slm_dictionary_keys(dictionary, SLM_BRAND));
}

static inline void
slm_offer_numbering_clear(SlmOfferNumbering *numbering)
{
	slm_numbering_clear(&numbering->offers);
	slm_numbering_clear(&numbering->categories);
	slm_numbering_clear(&numbering->brands);
}

static inline void
slm_offer_numbering_free(SlmOfferNumbering *numbering)
{
	slm_numbering_free(&numbering->offers);
	slm_numbering_free(&numbering->categories);
	slm_numbering_free(&numbering->brands);
}


/* The offer with a local number; those that come next are on their way from memory. */
static inline const SlmOffer *
slm_numbered_offer(const SlmOfferNumbering *numbering, const SlmDictionary *dictionary, uint32_t i)
{
	if (i + SLM_AHEAD < numbering->offers.n)
		slm_dictionary_prefetch_offer(dictionary, numbering->offers.global[i + SLM_AHEAD]);
	return slm_dictionary_get(dictionary, numbering->offers.global[i]);
}

/* Number the categories and brands of all offers that have numbers. */
static inline void
slm_number_keys(SlmOfferNumbering *numbering, const SlmDictionary *dictionary)
{
	for (uint32_t i = 0; i < numbering->offers.n; i++)
	{
		const SlmOffer *offer = slm_numbered_offer(numbering, dictionary, i);

		slm_number(&numbering->categories, offer->keys[SLM_CATEGORY_L3]);
		slm_number(&numbering->brands, offer->keys[SLM_BRAND]);
	}
}

#endif							/* SLM_PURE_NUMBERING_H */
