/*
 * dictionary_read.c: what a dictionary says of the numbers that it has given.
 */
#include "pure/dictionary_internal.h"

#include <stdlib.h>
#include <string.h>

#include "pure/assert.h"

void
slm_dictionary_prefetch_offer(const SlmDictionary *dictionary, SlmOfferId offer)
{
	__builtin_prefetch(&dictionary->offers[offer]);
}

void
slm_dictionary_prefetch_product(const SlmDictionary *dictionary, SlmKeyId key)
{
	__builtin_prefetch(&dictionary->product_ids[key]);
}

const SlmOffer *
slm_dictionary_get(const SlmDictionary *dictionary, SlmOfferId offer)
{
	SLM_ASSERT(offer < dictionary->noffers);
	return &dictionary->offers[offer];
}

bool
slm_dictionary_has_lines(const SlmDictionary *dictionary)
{
	return dictionary->has_lines;
}

uint32_t
slm_dictionary_line(const SlmDictionary *dictionary, SlmOfferId offer)
{
	SLM_ASSERT(offer < dictionary->noffers);
	return dictionary->offers[offer].line;
}

uint32_t
slm_dictionary_offers(const SlmDictionary *dictionary)
{
	return dictionary->noffers;
}

uint32_t
slm_dictionary_keys(const SlmDictionary *dictionary, SlmDimension dimension)
{
	return dimension == SLM_PRODUCT_ID ? dictionary->products.nentries : dictionary->texts[dimension].nentries;
}

SlmSlice
slm_dictionary_text(const SlmDictionary *dictionary, SlmDimension dimension, SlmKeyId key)
{
	SLM_ASSERT(dimension != SLM_PRODUCT_ID && dimension < SLM_MAX_DIMENSIONS);
	SLM_ASSERT(key < dictionary->texts[dimension].nentries);
	return dictionary->texts[dimension].entries[key].text;
}

SlmKeyId
slm_dictionary_parent(const SlmDictionary *dictionary, SlmDimension dimension, SlmKeyId key)
{
	SLM_ASSERT(dimension == SLM_CATEGORY_L3 || dimension == SLM_CATEGORY_L2);
	SLM_ASSERT(key < dictionary->texts[dimension].nentries);
	return dictionary->parents[dimension][key];
}

int64_t
slm_dictionary_product(const SlmDictionary *dictionary, SlmKeyId key)
{
	SLM_ASSERT(key < dictionary->products.nentries);
	return dictionary->product_ids[key];
}

/* --- own dimensions --- */

const SlmOwn *
slm_dictionary_own(const SlmDictionary *dictionary)
{
	return &dictionary->own;
}

bool
slm_dictionary_add_tuple(SlmDictionary *dictionary, const SlmKeyId *keys, SlmTupleId *tuple)
{
	uint32_t	n = dictionary->own.n;
	bool		any = false;
	uint32_t	number;

	*tuple = 0;
	for (uint32_t i = 0; i < n; i++)
	{
		SLM_ASSERT(keys[i] == SLM_NO_KEY || keys[i] < dictionary->texts[SLM_FIRST_OWN + i].nentries);
		any |= keys[i] != SLM_NO_KEY;
	}
	if (!any)
		return true;
	number = slm_interner_add(&dictionary->tuples, &dictionary->key, (SlmSlice) {(const char *) keys, n * (uint32_t) sizeof(SlmKeyId)});
	*tuple = number + 1;
	return number != SLM_NO_ENTRY;
}

SlmTupleId
slm_dictionary_tuple(const SlmDictionary *dictionary, SlmOfferId offer)
{
	SLM_ASSERT(offer < dictionary->noffers);
	return dictionary->own.n == 0 ? 0 : dictionary->tuple_of[offer];
}

uint64_t
slm_dictionary_visit_keys(const SlmDictionary *dictionary, SlmOfferId offer)
{
	return dictionary->own.visits ? slm_dictionary_tuple(dictionary, offer) : 0;
}

uint32_t
slm_dictionary_tuples(const SlmDictionary *dictionary)
{
	return dictionary->tuples.nentries + 1;
}

SlmKeyId
slm_dictionary_tuple_key(const SlmDictionary *dictionary, SlmTupleId tuple, uint32_t own)
{
	SlmKeyId	key;

	SLM_ASSERT(tuple < slm_dictionary_tuples(dictionary) && own < dictionary->own.n);
	if (tuple == 0)
		return SLM_NO_KEY;
	/* the bytes are kept as they came, unaligned */
	memcpy(&key, dictionary->tuples.entries[tuple - 1].text.data + own * sizeof(SlmKeyId), sizeof(SlmKeyId));
	return key;
}

SlmKeyId
slm_dictionary_key_of(const SlmDictionary *dictionary, SlmOfferId offer, SlmDimension dimension)
{
	if (dimension < SLM_FIRST_OWN)
		return slm_dictionary_get(dictionary, offer)->keys[dimension];
	return slm_dictionary_tuple_key(dictionary, slm_dictionary_tuple(dictionary, offer), dimension - SLM_FIRST_OWN);
}

bool
slm_dictionary_forget_others(SlmDictionary *dictionary)
{
	for (uint32_t i = 0; i < dictionary->own.n; i++)
	{
		free(dictionary->is_other[i]);
		dictionary->nis_other[i] = slm_dictionary_keys(dictionary, SLM_FIRST_OWN + i);
		dictionary->is_other[i] = calloc(dictionary->nis_other[i], sizeof(bool));
		if (dictionary->is_other[i] == NULL)
		{
			dictionary->nis_other[i] = 0;
			return false;
		}
	}
	return true;
}

void
slm_dictionary_set_other(SlmDictionary *dictionary, uint32_t own, SlmKeyId key)
{
	SLM_ASSERT(own < dictionary->own.n && key < dictionary->nis_other[own]);
	dictionary->is_other[own][key] = true;
}

SlmKeyId
slm_dictionary_counted_tuple_key(const SlmDictionary *dictionary, SlmTupleId tuple, uint32_t own)
{
	SlmKeyId	key = slm_dictionary_tuple_key(dictionary, tuple, own);

	if (key == SLM_NO_KEY || key >= dictionary->nis_other[own])
		return key;
	return dictionary->is_other[own][key] ? SLM_OTHER_KEY : key;
}

SlmKeyId
slm_dictionary_counted_key(const SlmDictionary *dictionary, SlmOfferId offer, SlmDimension dimension)
{
	if (dimension < SLM_FIRST_OWN)
		return slm_dictionary_get(dictionary, offer)->keys[dimension];
	return slm_dictionary_counted_tuple_key(dictionary, slm_dictionary_tuple(dictionary, offer), dimension - SLM_FIRST_OWN);
}

/* Bytewise, dimension by dimension; no key before any. */
static int
compare_tuples(const SlmDictionary *dictionary, SlmTupleId a, SlmTupleId b)
{
	int			c = 0;

	for (uint32_t i = 0; a != b && c == 0 && i < dictionary->own.n; i++)
	{
		SlmKeyId	x = slm_dictionary_tuple_key(dictionary, a, i);
		SlmKeyId	y = slm_dictionary_tuple_key(dictionary, b, i);

		if (x == SLM_NO_KEY || y == SLM_NO_KEY)
			c = (x != SLM_NO_KEY) - (y != SLM_NO_KEY);
		else if (x != y)
			c = slm_slice_compare(slm_dictionary_text(dictionary, SLM_FIRST_OWN + i, x), slm_dictionary_text(dictionary, SLM_FIRST_OWN + i, y));
	}
	return c;
}

/* --- order --- */

int
slm_slice_compare(SlmSlice a, SlmSlice b)
{
	uint32_t	len = a.len < b.len ? a.len : b.len;
	int			c = len ? memcmp(a.data, b.data, len) : 0;

	return c ? c : (a.len > b.len) - (a.len < b.len);
}

int
slm_dictionary_compare_listings(const SlmDictionary *dictionary, SlmOfferId a, SlmOfferId b)
{
	const SlmOffer *x = &dictionary->offers[a];
	const SlmOffer *y = &dictionary->offers[b];
	int			c;

	SLM_ASSERT(a < dictionary->noffers && b < dictionary->noffers);

	if (a == b)
		return 0;
	if (x->price != y->price)
		return x->price < y->price ? -1 : 1;
	c = slm_slice_compare(slm_dictionary_text(dictionary, SLM_CATEGORY_L3, x->keys[SLM_CATEGORY_L3]),
						  slm_dictionary_text(dictionary, SLM_CATEGORY_L3, y->keys[SLM_CATEGORY_L3]));
	if (c == 0)
		c = slm_slice_compare(slm_dictionary_text(dictionary, SLM_BRAND, x->keys[SLM_BRAND]),
							  slm_dictionary_text(dictionary, SLM_BRAND, y->keys[SLM_BRAND]));
	return c != 0 ? c : (x->line > y->line) - (x->line < y->line);
}

int
slm_dictionary_compare(const SlmDictionary *dictionary, SlmOfferId a, SlmOfferId b)
{
	int			c = slm_dictionary_compare_listings(dictionary, a, b);

	return c != 0 || dictionary->own.n == 0 ? c : compare_tuples(dictionary, slm_dictionary_tuple(dictionary, a), slm_dictionary_tuple(dictionary, b));
}

size_t
slm_dictionary_memory(const SlmDictionary *dictionary)
{
	size_t		memory = sizeof(SlmDictionary) + slm_interner_memory(&dictionary->products) +
		dictionary->maxproducts * sizeof(int64_t);

	for (int d = 0; d < SLM_DIMENSIONS; d++)
		memory += slm_interner_memory(&dictionary->texts[d]) + dictionary->maxparents[d] * sizeof(SlmKeyId) +
			dictionary->maxnamed[d] * sizeof(uint32_t);
	for (int d = SLM_DIMENSIONS; d < SLM_MAX_DIMENSIONS; d++)
		memory += slm_interner_memory(&dictionary->texts[d]) + dictionary->nis_other[d - SLM_DIMENSIONS] * sizeof(bool);
	memory += slm_interner_memory(&dictionary->tuples) + dictionary->maxtuple_of * sizeof(SlmTupleId);
	return memory + dictionary->nslots * sizeof(SlmOfferSlot) + dictionary->maxoffers * sizeof(SlmOffer);
}
