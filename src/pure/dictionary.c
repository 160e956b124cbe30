/*
 * dictionary.c: offers and dimension keys as numbers.
 *
 * An offer is looked up by what stands in the row (product_id, category_code or category_id, brand, price) before
 * any cleaning; only the first row that names it pays for that.
 *
 *   row --hash--> slots --> offers[] {product_id, price, key numbers} --> products, texts[brand, l3, l2, l1]
 *
 * Rows are told apart by their keyed 64-bit hash alone: comparing their bytes too would cost two more cache misses a row.
 * With n offers the chance of a mix-up is below n^2 / 2^65: 2.7e-8 for a million.  hash.h says why nobody can force one.
 */
#include "pure/dictionary_internal.h"

#include <stdlib.h>
#include <string.h>

#include "pure/assert.h"
#include "pure/clean.h"
#include "pure/memory.h"
#include "pure/trim.h"

/* What an offer is looked up by; not kept. */
typedef struct RawOffer
{
	int64_t		product_id;
	SlmMoney	price;
	int64_t		category_id;
	SlmSlice	category;
	SlmSlice	brand;
	SlmSlice	sku;			/* of a product_id below 0 */
	bool		has_category_id;
	uint32_t	period;			/* of overrides */
	SlmTime		time;			/* of the event, in that period */
	uint32_t	line;
	const SlmSlice *own;		/* values that keys in a user's own dimensions are made of */
} RawOffer;

typedef SlmOfferSlot Slot;

SlmDictionary *
slm_dictionary_create(const SlmHashKey *key)
{
	SlmDictionary *dictionary = calloc(1, sizeof(SlmDictionary));

	if (dictionary == NULL)
		return NULL;
	dictionary->key = *key;
	dictionary->nslots = 4096;
	dictionary->slots = slm_table_alloc(dictionary->nslots, sizeof(Slot));
	if (dictionary->slots == NULL)
	{
		free(dictionary);
		return NULL;
	}
	return dictionary;
}

void
slm_dictionary_free(SlmDictionary *dictionary)
{
	if (dictionary == NULL)
		return;
	slm_interner_free(&dictionary->products);
	free(dictionary->product_ids);
	for (int d = 0; d < SLM_MAX_DIMENSIONS; d++)
		slm_interner_free(&dictionary->texts[d]);
	for (int i = 0; i < SLM_MAX_OWN; i++)
		free(dictionary->is_other[i]);
	slm_interner_free(&dictionary->tuples);
	free(dictionary->tuple_of);
	slm_table_free(dictionary->slots, dictionary->nslots, sizeof(Slot));
	for (int d = 0; d < SLM_DIMENSIONS; d++)
	{
		free(dictionary->named[d]);
		free(dictionary->parents[d]);
	}
	free(dictionary->offers);
	free(dictionary);
}

void
slm_dictionary_set_override(SlmDictionary *dictionary, SlmOverride override, void *arg, const SlmTime *since, uint32_t n)
{
	/* what is there was made without it, and would be found under another hash */
	SLM_ASSERT(dictionary->noffers == 0);
	for (uint32_t i = 1; i < n; i++)
		SLM_ASSERT(since[i - 1] <= since[i]);
	dictionary->override = override;
	dictionary->override_arg = arg;
	dictionary->periods = since;
	dictionary->nperiods = n;
}

/* The values that keys are made of, and which keys there are. */
static uint64_t
hash_own(const SlmDictionary *dictionary, const RawOffer *raw, uint64_t h)
{
	const SlmHashKey *key = &dictionary->key;

	h = slm_hash_int(key, h, slm_own_mask(&dictionary->own, raw->time));
	for (uint32_t i = 0; i < dictionary->own.nvalues; i++)
		h = slm_hash_bytes(key, h, raw->own[i].data, raw->own[i].len);
	return h;
}

static uint64_t
hash_raw(const SlmDictionary *dictionary, const RawOffer *raw)
{
	const SlmHashKey *key = &dictionary->key;
	uint64_t	h = slm_hash_int(key, (uint64_t) raw->product_id, (uint64_t) raw->price);

	h = slm_hash_int(key, h ^ ((uint64_t) raw->line << 40 ^ ((uint64_t) raw->period << 2 | raw->has_category_id)), (uint64_t) raw->category_id);
	if (__builtin_expect(dictionary->own.n > 0, false))
		h = hash_own(dictionary, raw, h);
	h = slm_hash_bytes(key, h, raw->category.data, raw->category.len);
	h = slm_hash_bytes(key, h, raw->brand.data, raw->brand.len);
	/* of two texts with one number one will be refused, and must leave no brand to the other */
	if (__builtin_expect(raw->product_id < 0, false))
		h = slm_hash_bytes(key, h, raw->sku.data, raw->sku.len);
	return h;
}

/* Offers of clean values are looked up by the numbers of their keys. */
static uint64_t
hash_clean(const SlmDictionary *dictionary, int64_t product_id, SlmMoney price, SlmKeyId category, SlmKeyId brand, uint32_t line,
		   SlmTupleId tuple)
{
	const SlmHashKey *key = &dictionary->key;
	uint64_t	h = slm_hash_int(key, (uint64_t) product_id, (uint64_t) price);

	/* the bit that no hash of a row has set there */
	h = slm_hash_int(key, h ^ 2 ^ (uint64_t) line << 40, (uint64_t) category << 32 | brand);
	if (tuple != 0)
		h = slm_hash_int(key, h, tuple);
	return slm_hash_mix(h ^ key->k[3], key->k[1]);
}

static bool
rehash(SlmDictionary *dictionary)
{
	uint32_t	nslots = dictionary->nslots * 2;
	Slot	   *slots = slm_table_alloc(nslots, sizeof(Slot));

	if (slots == NULL)
		return false;
	for (uint32_t i = 0; i < dictionary->nslots; i++)
	{
		uint32_t	s;

		if (dictionary->slots[i].offer == 0)
			continue;
		for (s = (uint32_t) dictionary->slots[i].hash & (nslots - 1); slots[s].offer != 0;)
			s = (s + 1) & (nslots - 1);
		slots[s] = dictionary->slots[i];
	}
	slm_table_free(dictionary->slots, dictionary->nslots, sizeof(Slot));
	dictionary->slots = slots;
	dictionary->nslots = nslots;
	return true;
}

static bool
note_parent(SlmDictionary *dictionary, SlmDimension dimension, SlmKeyId key, SlmKeyId parent)
{
	uint32_t   *max = &dictionary->maxparents[dimension];

	SLM_ASSERT(dimension == SLM_CATEGORY_L3 || dimension == SLM_CATEGORY_L2);
	SLM_ASSERT(key < slm_dictionary_keys(dictionary, dimension));
	SLM_ASSERT(parent < slm_dictionary_keys(dictionary, dimension + 1));

	while (key >= *max)
	{
		if (!slm_grow((void **) &dictionary->parents[dimension], *max, max, sizeof(SlmKeyId)))
			return false;
	}
	dictionary->parents[dimension][key] = parent;
	return true;
}

/* Number the keys of a category. */
static bool
number_category(SlmDictionary *dictionary, const SlmCategory *category, SlmKeyId *keys)
{
	uint16_t	lens[SLM_DIMENSIONS] = {[SLM_CATEGORY_L3] = category->l3_len,[SLM_CATEGORY_L2] = category->l2_len,
	[SLM_CATEGORY_L1] = category->l1_len};

	for (int d = SLM_CATEGORY_L3; d < SLM_DIMENSIONS; d++)
	{
		keys[d] = slm_interner_add(&dictionary->texts[d], &dictionary->key, (SlmSlice) {category->key, lens[d]});
		if (keys[d] == SLM_NO_ENTRY)
			return false;
	}
	return note_parent(dictionary, SLM_CATEGORY_L3, keys[SLM_CATEGORY_L3], keys[SLM_CATEGORY_L2]) &&
		note_parent(dictionary, SLM_CATEGORY_L2, keys[SLM_CATEGORY_L2], keys[SLM_CATEGORY_L1]);
}

SlmKeyId
slm_dictionary_add_product(SlmDictionary *dictionary, int64_t product_id)
{
	SlmSlice	product = {(const char *) &product_id, sizeof(int64_t)};
	SlmKeyId	key = slm_interner_add(&dictionary->products, &dictionary->key, product);

	if (key == SLM_NO_ENTRY ||
		!slm_grow((void **) &dictionary->product_ids, key, &dictionary->maxproducts, sizeof(int64_t)))
		return SLM_NO_KEY;
	dictionary->product_ids[key] = product_id;
	return key;
}

static bool
number_product(SlmDictionary *dictionary, SlmOffer *offer)
{
	offer->keys[SLM_PRODUCT_ID] = slm_dictionary_add_product(dictionary, offer->product_id);
	return offer->keys[SLM_PRODUCT_ID] != SLM_NO_KEY;
}

/* The keys of own dimensions. */
static bool
number_tuple(SlmDictionary *dictionary, const RawOffer *raw, SlmTupleId *tuple)
{
	SlmKeyId	keys[SLM_MAX_OWN];
	uint32_t	mask = slm_own_mask(&dictionary->own, raw->time);

	for (uint32_t i = 0; i < dictionary->own.n; i++)
	{
		const SlmOwnDimension *own = &dictionary->own.dimension[i];

		keys[i] = SLM_NO_KEY;
		if ((mask >> i & 1) == 0)
			continue;
		keys[i] = slm_dictionary_add_text(dictionary, SLM_FIRST_OWN + i, slm_own_key(own, raw->own[own->value]));
		if (keys[i] == SLM_NO_KEY)
			return false;
	}
	return slm_dictionary_add_tuple(dictionary, keys, tuple);
}

/* Clean the raw values and number the keys that they give. */
static bool
fill_keys(SlmDictionary *dictionary, const RawOffer *raw, SlmOffer *offer, SlmTupleId *tuple, SlmDictionaryError *error)
{
	char		category_buf[SLM_CATEGORY_BUFFER * 2];
	char		brand_buf[32];
	SlmCategory category;
	SlmSlice	code = raw->category;
	SlmSlice	brand = raw->brand;

	if (dictionary->override != NULL)
		dictionary->override(dictionary->override_arg,
							 &(SlmOverridden) {raw->time, raw->product_id, raw->category_id, raw->has_category_id, slm_field_value(raw->brand)}, &code, &brand);
	brand = slm_clean_brand(brand, raw->product_id, raw->sku, brand_buf);
	*error = SLM_DICTIONARY_LONG_CATEGORY;
	if (!slm_clean_category(code, raw->has_category_id, raw->category_id, category_buf, &category))
		return false;
	*error = SLM_DICTIONARY_LONG_BRAND;
	if (brand.len > SLM_MAX_KEY_BYTES)
		return false;
	*error = SLM_DICTIONARY_MEMORY;
	offer->product_id = raw->product_id;
	offer->price = raw->price;
	offer->line = raw->line;
	offer->has_brand = raw->brand.len > 0;
	offer->has_category = raw->category.len > 0;
	offer->keys[SLM_BRAND] = slm_dictionary_brand(dictionary, brand);
	*tuple = 0;
	return offer->keys[SLM_BRAND] != SLM_NO_KEY && number_product(dictionary, offer) &&
		number_category(dictionary, &category, offer->keys) &&
		(dictionary->own.n == 0 || number_tuple(dictionary, raw, tuple));
}

static SlmOfferId
add_offer(SlmDictionary *dictionary, const SlmOffer *offer, SlmTupleId tuple, uint64_t hash)
{
	uint32_t	s;

	for (int d = 0; d < SLM_DIMENSIONS; d++)
		SLM_ASSERT(offer->keys[d] < slm_dictionary_keys(dictionary, d));

	if (dictionary->noffers >= SLM_MAX_OFFERS || (dictionary->noffers >= dictionary->nslots / 2 && !rehash(dictionary)) ||
		!slm_grow((void **) &dictionary->offers, dictionary->noffers, &dictionary->maxoffers, sizeof(SlmOffer)))
		return SLM_NO_OFFER;
	if (dictionary->own.n > 0)
	{
		if (!slm_grow((void **) &dictionary->tuple_of, dictionary->noffers, &dictionary->maxtuple_of, sizeof(SlmTupleId)))
			return SLM_NO_OFFER;
		dictionary->tuple_of[dictionary->noffers] = tuple;
	}

	for (s = (uint32_t) hash & (dictionary->nslots - 1); dictionary->slots[s].offer != 0;)
		s = (s + 1) & (dictionary->nslots - 1);
	dictionary->offers[dictionary->noffers] = *offer;
	dictionary->has_lines |= offer->line != 0;
	dictionary->slots[s].hash = hash;
	dictionary->slots[s].part = dictionary->part;
	dictionary->slots[s].offer = ++dictionary->noffers;
	return dictionary->noffers - 1;
}

/* The slot of a hash, or NULL. */
static inline Slot *
find_slot(const SlmDictionary *dictionary, uint64_t hash)
{
	uint32_t	mask = dictionary->nslots - 1;

	for (uint32_t s = (uint32_t) hash & mask; dictionary->slots[s].offer != 0; s = (s + 1) & mask)
	{
		if (dictionary->slots[s].hash == hash)
			return &dictionary->slots[s];
	}
	return NULL;
}

static SlmOfferId
find(const SlmDictionary *dictionary, uint64_t hash)
{
	const Slot *slot = find_slot(dictionary, hash);

	return slot == NULL ? SLM_NO_OFFER : slot->offer - 1;
}

/* Most events are newer than all overrides. */
static uint32_t
period_of(const SlmDictionary *dictionary, SlmTime time)
{
	uint32_t	period = dictionary->nperiods;

	while (period > 0 && dictionary->periods[period - 1] > time)
		period--;
	return period;
}

static RawOffer
raw_offer(const SlmDictionary *dictionary, const SlmEvent *event)
{
	return (RawOffer) {
		.product_id = event->product_id,.price = event->price,.category = event->category_code,.brand = event->brand,.sku = event->sku,
		.has_category_id = event->has_category_id,.category_id = event->has_category_id ? event->category_id : 0,
		.time = event->time,.period = period_of(dictionary, event->time),.line = event->line,
		.own = event->own
	};
}

uint64_t
slm_dictionary_hash(const SlmDictionary *dictionary, const SlmEvent *event)
{
	RawOffer	raw = raw_offer(dictionary, event);
	uint64_t	hash = hash_raw(dictionary, &raw);

	__builtin_prefetch(&dictionary->slots[(uint32_t) hash & (dictionary->nslots - 1)]);
	return hash;
}

void
slm_dictionary_begin_part(SlmDictionary *dictionary)
{
	/* a number that comes again after four thousand million parts only has an offer or a key not be counted as a new one */
	dictionary->part++;
	dictionary->npart = dictionary->nnamed = 0;
	dictionary->counts_named = false;
}

static bool
note_named(SlmDictionary *dictionary, SlmDimension dimension, SlmKeyId key)
{
	uint32_t   *max = &dictionary->maxnamed[dimension];
	uint32_t   *part;

	SLM_ASSERT(key < slm_dictionary_keys(dictionary, dimension));

	while (key >= *max)
	{
		uint32_t	before = *max;

		if (!slm_grow((void **) &dictionary->named[dimension], before, max, sizeof(uint32_t)))
			return false;
		memset(dictionary->named[dimension] + before, 0, (*max - before) * sizeof(uint32_t));
	}
	part = &dictionary->named[dimension][key];
	dictionary->nnamed += *part != dictionary->part;
	*part = dictionary->part;
	return true;
}

static bool
note_keys(SlmDictionary *dictionary, const SlmOffer *offer)
{
	return (!offer->has_brand || note_named(dictionary, SLM_BRAND, offer->keys[SLM_BRAND])) &&
		(!offer->has_category || note_named(dictionary, SLM_CATEGORY_L3, offer->keys[SLM_CATEGORY_L3]));
}

/* An offer that the part has not named before. */
static bool
note_offer(SlmDictionary *dictionary, const SlmOffer *offer)
{
	dictionary->npart++;
	return !dictionary->counts_named || note_keys(dictionary, offer);
}

bool
slm_dictionary_count_named(SlmDictionary *dictionary, uint32_t enough, uint32_t *n)
{
	/* an offer has two */
	*n = 0;
	if (dictionary->npart <= enough / 2)
		return true;
	for (uint32_t i = 0; i < dictionary->nslots && !dictionary->counts_named; i++)
	{
		const Slot *slot = &dictionary->slots[i];

		if (slot->offer != 0 && slot->part == dictionary->part && !note_keys(dictionary, &dictionary->offers[slot->offer - 1]))
			return false;
	}
	dictionary->counts_named = true;
	*n = dictionary->nnamed;
	return true;
}

SlmOfferId
slm_dictionary_offer_by_hash(SlmDictionary *dictionary, const SlmEvent *event, uint64_t hash, bool *first, SlmDictionaryError *error)
{
	Slot	   *slot = find_slot(dictionary, hash);
	RawOffer	raw;
	SlmOffer	offer;
	SlmTupleId	tuple;

	/* an override that was set since would have this row under the offer of another one */
	SLM_ASSERT(hash == slm_dictionary_hash(dictionary, event));

	if (slot != NULL)
	{
		*first = slot->part != dictionary->part;
		slot->part = dictionary->part;
		if (!*first || note_offer(dictionary, &dictionary->offers[slot->offer - 1]))
			return slot->offer - 1;
		*error = SLM_DICTIONARY_MEMORY;
		return SLM_NO_OFFER;
	}
	*first = true;
	raw = raw_offer(dictionary, event);
	return fill_keys(dictionary, &raw, &offer, &tuple, error) && note_offer(dictionary, &offer) ? add_offer(dictionary, &offer, tuple, hash) : SLM_NO_OFFER;
}

SlmOfferId
slm_dictionary_offer(SlmDictionary *dictionary, const SlmEvent *event, SlmDictionaryError *error)
{
	bool		first;

	return slm_dictionary_offer_by_hash(dictionary, event, slm_dictionary_hash(dictionary, event), &first, error);
}

SlmKeyId
slm_dictionary_category(SlmDictionary *dictionary, SlmSlice text)
{
	char		buf[SLM_CATEGORY_BUFFER * 2];
	SlmCategory category;
	SlmKeyId	keys[SLM_DIMENSIONS];

	if (!slm_clean_category(text, false, 0, buf, &category) || !number_category(dictionary, &category, keys))
		return SLM_NO_KEY;
	return keys[SLM_CATEGORY_L3];
}

SlmKeyId
slm_dictionary_brand(SlmDictionary *dictionary, SlmSlice brand)
{
	return brand.len > SLM_MAX_KEY_BYTES ? SLM_NO_KEY : slm_interner_add(&dictionary->texts[SLM_BRAND], &dictionary->key, brand);
}

SlmKeyId
slm_dictionary_add_text(SlmDictionary *dictionary, SlmDimension dimension, SlmSlice text)
{
	SLM_ASSERT(dimension != SLM_PRODUCT_ID && dimension < SLM_MAX_DIMENSIONS);
	return slm_interner_add(&dictionary->texts[dimension], &dictionary->key, text);
}

bool
slm_dictionary_set_own(SlmDictionary *dictionary, const SlmOwn *own)
{
	/* what is there was made without them */
	SLM_ASSERT(dictionary->noffers == 0);
	SLM_ASSERT(own->n <= SLM_MAX_OWN && own->nvalues <= SLM_MAX_OWN);
	dictionary->own = *own;
	for (uint32_t i = 0; i < own->n; i++)
	{
		SlmKeyId	other = slm_dictionary_add_text(dictionary, SLM_FIRST_OWN + i, (SlmSlice) {SLM_OTHER, sizeof(SLM_OTHER) - 1});

		SLM_ASSERT(other == SLM_OTHER_KEY || other == SLM_NO_KEY);
		if (other == SLM_NO_KEY)
			return false;
	}
	return true;
}

SlmOfferId
slm_dictionary_offer_of(SlmDictionary *dictionary, int64_t product_id, SlmMoney price, SlmKeyId category, SlmKeyId brand)
{
	return slm_dictionary_line_of(dictionary, product_id, price, category, brand, 0);
}

SlmOfferId
slm_dictionary_line_of(SlmDictionary *dictionary, int64_t product_id, SlmMoney price, SlmKeyId category, SlmKeyId brand, uint32_t line)
{
	return slm_dictionary_tuple_of(dictionary, product_id, price, category, brand, line, 0);
}

SlmOfferId
slm_dictionary_tuple_of(SlmDictionary *dictionary, int64_t product_id, SlmMoney price, SlmKeyId category, SlmKeyId brand, uint32_t line,
						SlmTupleId tuple)
{
	uint64_t	hash = hash_clean(dictionary, product_id, price, category, brand, line, tuple);
	SlmOfferId	id = find(dictionary, hash);
	SlmOffer	offer = {.product_id = product_id,.price = price,.line = line};

	if (id != SLM_NO_OFFER)
		return id;
	SLM_ASSERT(category < slm_dictionary_keys(dictionary, SLM_CATEGORY_L3));
	SLM_ASSERT(brand < slm_dictionary_keys(dictionary, SLM_BRAND));
	SLM_ASSERT(tuple < slm_dictionary_tuples(dictionary));
	offer.keys[SLM_BRAND] = brand;
	offer.keys[SLM_CATEGORY_L3] = category;
	offer.keys[SLM_CATEGORY_L2] = dictionary->parents[SLM_CATEGORY_L3][category];
	offer.keys[SLM_CATEGORY_L1] = dictionary->parents[SLM_CATEGORY_L2][offer.keys[SLM_CATEGORY_L2]];
	return number_product(dictionary, &offer) ? add_offer(dictionary, &offer, tuple, hash) : SLM_NO_OFFER;
}

SlmOfferId
slm_dictionary_clean_offer(SlmDictionary *dictionary, int64_t product_id, SlmMoney price, SlmSlice category, SlmSlice brand)
{
	return slm_dictionary_clean_line(dictionary, product_id, price, category, brand, 0);
}

SlmOfferId
slm_dictionary_clean_line(SlmDictionary *dictionary, int64_t product_id, SlmMoney price, SlmSlice category, SlmSlice brand, uint32_t line)
{
	SlmKeyId	category_key = slm_dictionary_category(dictionary, category);
	SlmKeyId	brand_key = slm_dictionary_brand(dictionary, brand);

	if (category_key == SLM_NO_KEY || brand_key == SLM_NO_KEY)
		return SLM_NO_OFFER;
	return slm_dictionary_line_of(dictionary, product_id, price, category_key, brand_key, line);
}

void
slm_dictionary_prefetch(const SlmDictionary *dictionary, int64_t product_id, SlmMoney price, SlmKeyId category, SlmKeyId brand)
{
	__builtin_prefetch(&dictionary->slots[(uint32_t) hash_clean(dictionary, product_id, price, category, brand, 0, 0) &
									   (dictionary->nslots - 1)]);
}
