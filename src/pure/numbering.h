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

/* Offers, and the categories, brands, tuples and own keys that they name; zero-initialised or by slm_offer_numbering_init(). */
typedef struct SlmOfferNumbering
{
	SlmNumbering offers;
	SlmNumbering categories;
	SlmNumbering brands;
	uint32_t	nown;			/* as many as the dictionary has dimensions of a user's own; 0: what follows is not set */
	SlmNumbering tuples;		/* tuple 0 is not numbered */
	SlmNumbering own[SLM_MAX_OWN];
} SlmOfferNumbering;

static inline bool
slm_own_numbering_init(SlmOfferNumbering *numbering, const SlmDictionary *dictionary)
{
	bool		ok = true;

	numbering->nown = slm_dictionary_own(dictionary)->n;
	if (numbering->nown > 0)
		ok = slm_numbering_init(&numbering->tuples, slm_dictionary_tuples(dictionary));
	for (uint32_t i = 0; ok && i < numbering->nown; i++)
		ok = slm_numbering_init(&numbering->own[i], slm_dictionary_keys(dictionary, SLM_FIRST_OWN + i));
	return ok;
}

/* For what the dictionary holds now; false if out of memory (free it all the same). */
static inline bool
slm_offer_numbering_init(SlmOfferNumbering *numbering, const SlmDictionary *dictionary)
{
	*numbering = (SlmOfferNumbering) {0};
	return slm_numbering_init(&numbering->offers, slm_dictionary_offers(dictionary)) &&
		slm_numbering_init(&numbering->categories, slm_dictionary_keys(dictionary, SLM_CATEGORY_L3)) &&
		slm_numbering_init(&numbering->brands, slm_dictionary_keys(dictionary, SLM_BRAND)) &&
		slm_own_numbering_init(numbering, dictionary);
}

static inline void
slm_offer_numbering_clear(SlmOfferNumbering *numbering)
{
	slm_numbering_clear(&numbering->offers);
	slm_numbering_clear(&numbering->categories);
	slm_numbering_clear(&numbering->brands);
	if (numbering->nown > 0)
		slm_numbering_clear(&numbering->tuples);
	for (uint32_t i = 0; i < numbering->nown; i++)
		slm_numbering_clear(&numbering->own[i]);
}

static inline void
slm_offer_numbering_free(SlmOfferNumbering *numbering)
{
	slm_numbering_free(&numbering->offers);
	slm_numbering_free(&numbering->categories);
	slm_numbering_free(&numbering->brands);
	slm_numbering_free(&numbering->tuples);
	for (uint32_t i = 0; i < SLM_MAX_OWN; i++)
		slm_numbering_free(&numbering->own[i]);
}


/* The offer with a local number; those that come next are on their way from memory. */
static inline const SlmOffer *
slm_numbered_offer(const SlmOfferNumbering *numbering, const SlmDictionary *dictionary, uint32_t i)
{
	if (i + SLM_AHEAD < numbering->offers.n)
		slm_dictionary_prefetch_offer(dictionary, numbering->offers.global[i + SLM_AHEAD]);
	return slm_dictionary_get(dictionary, numbering->offers.global[i]);
}

/* Number a tuple, and its keys.  0: it is tuple 0; else its number + 1. */
static inline uint32_t
slm_number_tuple(SlmOfferNumbering *numbering, const SlmDictionary *dictionary, SlmTupleId tuple)
{
	if (tuple == 0)
		return 0;
	for (uint32_t i = 0; i < numbering->nown; i++)
	{
		SlmKeyId	key = slm_dictionary_tuple_key(dictionary, tuple, i);

		if (key != SLM_NO_KEY)
			slm_number(&numbering->own[i], key);
	}
	return slm_number(&numbering->tuples, tuple) + 1;
}

/* A key of a tuple that has a number.  0: it has none in that dimension; else the key's number + 1. */
static inline uint32_t
slm_numbered_tuple_key(SlmOfferNumbering *numbering, const SlmDictionary *dictionary, uint32_t tuple, uint32_t own)
{
	SlmKeyId	key = slm_dictionary_tuple_key(dictionary, numbering->tuples.global[tuple], own);

	return key == SLM_NO_KEY ? 0 : slm_number(&numbering->own[own], key) + 1;
}

/* Number the categories and brands, and tuples, of all offers that have numbers. */
static inline void
slm_number_keys(SlmOfferNumbering *numbering, const SlmDictionary *dictionary)
{
	for (uint32_t i = 0; i < numbering->offers.n; i++)
	{
		const SlmOffer *offer = slm_numbered_offer(numbering, dictionary, i);

		slm_number(&numbering->categories, offer->keys[SLM_CATEGORY_L3]);
		slm_number(&numbering->brands, offer->keys[SLM_BRAND]);
		if (numbering->nown > 0)
			(void) slm_number_tuple(numbering, dictionary, slm_dictionary_tuple(dictionary, numbering->offers.global[i]));
	}
}

#endif							/* SLM_PURE_NUMBERING_H */
