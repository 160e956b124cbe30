/*
 * catalog.c: offers and dimension keys as numbers.
 *
 * An offer is looked up by what stands in the row (product_id, category_code or category_id, brand, price) before
 * any cleaning; only the first row that names it pays for that.
 *
 *   row --hash--> slots --> offers[] {product_id, price, key numbers} --> products, texts[brand, l3, l2, l1]
 *
 * Rows are told apart by their keyed 64-bit hash alone: comparing their bytes too would cost two more cache misses a row.
 * With n offers the chance of a mix-up is below n^2 / 2^65: 2.7e-8 for a million.  hash.h says why nobody can force one.
 */
#include "pure/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "pure/assert.h"
#include "pure/clean.h"
#include "pure/dict.h"
#include "pure/memory.h"

/* What an offer is looked up by; not kept. */
typedef struct RawOffer
{
	int64_t		product_id;
	SlmMoney	price;
	int64_t		category_id;
	SlmSlice	category;
	SlmSlice	brand;
	bool		has_category_id;
	uint32_t	period;			/* of overrides */
	SlmTime		time;			/* of the event, in that period */
} RawOffer;

typedef struct Slot
{
	uint64_t	hash;
	uint32_t	offer;			/* number + 1, 0 = free */
	uint32_t	part;			/* the last one in which it was asked for */
} Slot;

struct SlmCatalog
{
	SlmHashKey	key;
	SlmOverride override;
	void	   *override_arg;
	const SlmTime *periods;		/* when the 2nd, 3rd … begins; not owned */
	uint32_t	nperiods;
	uint32_t	part;			/* of an object: number of the one that is being read */

	Slot	   *slots;
	uint32_t	nslots;

	SlmOffer   *offers;
	uint32_t	noffers;
	uint32_t	maxoffers;

	SlmDict		products;		/* keyed by the eight bytes of the product_id */
	int64_t    *product_ids;	/* by key */
	uint32_t	maxproducts;
	SlmDict		texts[SLM_DIMENSIONS];

	/* of each key of level 3 the one of level 2 that it is in, of each of level 2 the one of level 1 */
	SlmKeyId   *parents[SLM_DIMENSIONS];
	uint32_t	maxparents[SLM_DIMENSIONS];

	uint32_t	npart;			/* offers that the part has named */
	/* of each brand and key of level 3 the last part that was found to name it, and how many there are in the part at hand */
	uint32_t   *named[SLM_DIMENSIONS];
	uint32_t	maxnamed[SLM_DIMENSIONS];
	uint32_t	nnamed;
	bool		counts_named;	/* they are counted as offers come */
};

SlmCatalog *
slm_catalog_create(const SlmHashKey *key)
{
	SlmCatalog *catalog = calloc(1, sizeof(SlmCatalog));

	if (catalog == NULL)
		return NULL;
	catalog->key = *key;
	catalog->nslots = 4096;
	catalog->slots = slm_table_alloc(catalog->nslots, sizeof(Slot));
	if (catalog->slots == NULL)
	{
		free(catalog);
		return NULL;
	}
	return catalog;
}

void
slm_catalog_free(SlmCatalog *catalog)
{
	if (catalog == NULL)
		return;
	slm_dict_free(&catalog->products);
	free(catalog->product_ids);
	for (int d = 0; d < SLM_DIMENSIONS; d++)
		slm_dict_free(&catalog->texts[d]);
	slm_table_free(catalog->slots, catalog->nslots, sizeof(Slot));
	for (int d = 0; d < SLM_DIMENSIONS; d++)
	{
		free(catalog->parents[d]);
		free(catalog->named[d]);
	}
	free(catalog->offers);
	free(catalog);
}

void
slm_catalog_set_override(SlmCatalog *catalog, SlmOverride override, void *arg, const SlmTime *since, uint32_t n)
{
	/* what is there was made without it, and would be found under another hash */
	SLM_ASSERT(catalog->noffers == 0);
	for (uint32_t i = 1; i < n; i++)
		SLM_ASSERT(since[i - 1] <= since[i]);
	catalog->override = override;
	catalog->override_arg = arg;
	catalog->periods = since;
	catalog->nperiods = n;
}

static uint64_t
hash_raw(const SlmCatalog *catalog, const RawOffer *raw)
{
	const SlmHashKey *key = &catalog->key;
	uint64_t	h = slm_hash_int(key, (uint64_t) raw->product_id, (uint64_t) raw->price);

	h = slm_hash_int(key, h ^ ((uint64_t) raw->period << 2 | raw->has_category_id), (uint64_t) raw->category_id);
	h = slm_hash_bytes(key, h, raw->category.data, raw->category.len);
	return slm_hash_bytes(key, h, raw->brand.data, raw->brand.len);
}

/* Offers of clean values are looked up by the numbers of their keys. */
static uint64_t
hash_clean(const SlmCatalog *catalog, int64_t product_id, SlmMoney price, SlmKeyId category, SlmKeyId brand)
{
	const SlmHashKey *key = &catalog->key;
	uint64_t	h = slm_hash_int(key, (uint64_t) product_id, (uint64_t) price);

	/* the bit that no hash of a row has set there */
	h = slm_hash_int(key, h ^ 2, (uint64_t) category << 32 | brand);
	return slm_hash_mix(h ^ key->k[3], key->k[1]);
}

static bool
rehash(SlmCatalog *catalog)
{
	uint32_t	nslots = catalog->nslots * 2;
	Slot	   *slots = slm_table_alloc(nslots, sizeof(Slot));

	if (slots == NULL)
		return false;
	for (uint32_t i = 0; i < catalog->nslots; i++)
	{
		uint32_t	s;

		if (catalog->slots[i].offer == 0)
			continue;
		for (s = (uint32_t) catalog->slots[i].hash & (nslots - 1); slots[s].offer != 0;)
			s = (s + 1) & (nslots - 1);
		slots[s] = catalog->slots[i];
	}
	slm_table_free(catalog->slots, catalog->nslots, sizeof(Slot));
	catalog->slots = slots;
	catalog->nslots = nslots;
	return true;
}

static bool
note_parent(SlmCatalog *catalog, SlmDimension dimension, SlmKeyId key, SlmKeyId parent)
{
	uint32_t   *max = &catalog->maxparents[dimension];

	SLM_ASSERT(dimension == SLM_CATEGORY_L3 || dimension == SLM_CATEGORY_L2);
	SLM_ASSERT(key < slm_catalog_keys(catalog, dimension));
	SLM_ASSERT(parent < slm_catalog_keys(catalog, dimension + 1));

	while (key >= *max)
	{
		if (!slm_grow((void **) &catalog->parents[dimension], *max, max, sizeof(SlmKeyId)))
			return false;
	}
	catalog->parents[dimension][key] = parent;
	return true;
}

/* Number the keys of a category. */
static bool
number_category(SlmCatalog *catalog, const SlmCategory *category, SlmKeyId *keys)
{
	uint16_t	lens[SLM_DIMENSIONS] = {[SLM_CATEGORY_L3] = category->l3_len,[SLM_CATEGORY_L2] = category->l2_len,
	[SLM_CATEGORY_L1] = category->l1_len};

	for (int d = SLM_CATEGORY_L3; d < SLM_DIMENSIONS; d++)
	{
		keys[d] = slm_dict_add(&catalog->texts[d], &catalog->key, (SlmSlice) {category->key, lens[d]});
		if (keys[d] == SLM_NO_ENTRY)
			return false;
	}
	return note_parent(catalog, SLM_CATEGORY_L3, keys[SLM_CATEGORY_L3], keys[SLM_CATEGORY_L2]) &&
		note_parent(catalog, SLM_CATEGORY_L2, keys[SLM_CATEGORY_L2], keys[SLM_CATEGORY_L1]);
}

SlmKeyId
slm_catalog_add_product(SlmCatalog *catalog, int64_t product_id)
{
	SlmSlice	product = {(const char *) &product_id, sizeof(int64_t)};
	SlmKeyId	key = slm_dict_add(&catalog->products, &catalog->key, product);

	if (key == SLM_NO_ENTRY ||
		!slm_grow((void **) &catalog->product_ids, key, &catalog->maxproducts, sizeof(int64_t)))
		return SLM_NO_KEY;
	catalog->product_ids[key] = product_id;
	return key;
}

static bool
number_product(SlmCatalog *catalog, SlmOffer *offer)
{
	offer->keys[SLM_PRODUCT_ID] = slm_catalog_add_product(catalog, offer->product_id);
	return offer->keys[SLM_PRODUCT_ID] != SLM_NO_KEY;
}

/* Clean the raw values and number the keys that they give. */
static bool
fill_keys(SlmCatalog *catalog, const RawOffer *raw, SlmOffer *offer, SlmCatalogError *error)
{
	char		category_buf[SLM_CATEGORY_BUFFER * 2];
	char		brand_buf[32];
	SlmCategory category;
	SlmSlice	code = raw->category;
	SlmSlice	brand;

	if (catalog->override != NULL)
	{
		SlmSlice	other = catalog->override(catalog->override_arg, raw->time, raw->has_category_id,
											  raw->category_id, raw->product_id);

		if (other.len > 0)
			code = other;
	}
	brand = slm_clean_brand(raw->brand, raw->product_id, brand_buf);
	*error = SLM_CATALOG_LONG_CATEGORY;
	if (!slm_clean_category(code, raw->has_category_id, raw->category_id, category_buf, &category))
		return false;
	*error = SLM_CATALOG_LONG_BRAND;
	if (brand.len > SLM_MAX_KEY_BYTES)
		return false;
	*error = SLM_CATALOG_MEMORY;
	offer->product_id = raw->product_id;
	offer->price = raw->price;
	offer->has_brand = raw->brand.len > 0;
	offer->has_category = raw->category.len > 0;
	offer->keys[SLM_BRAND] = slm_catalog_brand(catalog, brand);
	return offer->keys[SLM_BRAND] != SLM_NO_KEY && number_product(catalog, offer) &&
		number_category(catalog, &category, offer->keys);
}

static SlmOfferId
add_offer(SlmCatalog *catalog, const SlmOffer *offer, uint64_t hash)
{
	uint32_t	s;

	for (int d = 0; d < SLM_DIMENSIONS; d++)
		SLM_ASSERT(offer->keys[d] < slm_catalog_keys(catalog, d));

	if (catalog->noffers >= SLM_MAX_OFFERS || (catalog->noffers >= catalog->nslots / 2 && !rehash(catalog)) ||
		!slm_grow((void **) &catalog->offers, catalog->noffers, &catalog->maxoffers, sizeof(SlmOffer)))
		return SLM_NO_OFFER;

	for (s = (uint32_t) hash & (catalog->nslots - 1); catalog->slots[s].offer != 0;)
		s = (s + 1) & (catalog->nslots - 1);
	catalog->offers[catalog->noffers] = *offer;
	catalog->slots[s].hash = hash;
	catalog->slots[s].part = catalog->part;
	catalog->slots[s].offer = ++catalog->noffers;
	return catalog->noffers - 1;
}

/* The slot of a hash, or NULL. */
static inline Slot *
find_slot(const SlmCatalog *catalog, uint64_t hash)
{
	uint32_t	mask = catalog->nslots - 1;

	for (uint32_t s = (uint32_t) hash & mask; catalog->slots[s].offer != 0; s = (s + 1) & mask)
	{
		if (catalog->slots[s].hash == hash)
			return &catalog->slots[s];
	}
	return NULL;
}

static SlmOfferId
find(const SlmCatalog *catalog, uint64_t hash)
{
	const Slot *slot = find_slot(catalog, hash);

	return slot == NULL ? SLM_NO_OFFER : slot->offer - 1;
}

/* Most events are newer than all overrides. */
static uint32_t
period_of(const SlmCatalog *catalog, SlmTime time)
{
	uint32_t	period = catalog->nperiods;

	while (period > 0 && catalog->periods[period - 1] > time)
		period--;
	return period;
}

static RawOffer
raw_offer(const SlmCatalog *catalog, const SlmEvent *event)
{
	return (RawOffer) {
		.product_id = event->product_id,.price = event->price,.category = event->category_code,.brand = event->brand,
		.has_category_id = event->has_category_id,.category_id = event->has_category_id ? event->category_id : 0,
		.time = event->time,.period = period_of(catalog, event->time)
	};
}

uint64_t
slm_catalog_hash(const SlmCatalog *catalog, const SlmEvent *event)
{
	RawOffer	raw = raw_offer(catalog, event);
	uint64_t	hash = hash_raw(catalog, &raw);

	__builtin_prefetch(&catalog->slots[(uint32_t) hash & (catalog->nslots - 1)]);
	return hash;
}

void
slm_catalog_begin_part(SlmCatalog *catalog)
{
	/* a number that comes again after four thousand million parts only has an offer or a key not be counted as a new one */
	catalog->part++;
	catalog->npart = catalog->nnamed = 0;
	catalog->counts_named = false;
}

static bool
note_named(SlmCatalog *catalog, SlmDimension dimension, SlmKeyId key)
{
	uint32_t   *max = &catalog->maxnamed[dimension];
	uint32_t   *part;

	SLM_ASSERT(key < slm_catalog_keys(catalog, dimension));

	while (key >= *max)
	{
		uint32_t	before = *max;

		if (!slm_grow((void **) &catalog->named[dimension], before, max, sizeof(uint32_t)))
			return false;
		memset(catalog->named[dimension] + before, 0, (*max - before) * sizeof(uint32_t));
	}
	part = &catalog->named[dimension][key];
	catalog->nnamed += *part != catalog->part;
	*part = catalog->part;
	return true;
}

static bool
note_keys(SlmCatalog *catalog, const SlmOffer *offer)
{
	return (!offer->has_brand || note_named(catalog, SLM_BRAND, offer->keys[SLM_BRAND])) &&
		(!offer->has_category || note_named(catalog, SLM_CATEGORY_L3, offer->keys[SLM_CATEGORY_L3]));
}

/* An offer that the part has not named before. */
static bool
note_offer(SlmCatalog *catalog, const SlmOffer *offer)
{
	catalog->npart++;
	return !catalog->counts_named || note_keys(catalog, offer);
}

bool
slm_catalog_count_named(SlmCatalog *catalog, uint32_t enough, uint32_t *n)
{
	/* an offer has two */
	*n = 0;
	if (catalog->npart <= enough / 2)
		return true;
	for (uint32_t i = 0; i < catalog->nslots && !catalog->counts_named; i++)
	{
		const Slot *slot = &catalog->slots[i];

		if (slot->offer != 0 && slot->part == catalog->part && !note_keys(catalog, &catalog->offers[slot->offer - 1]))
			return false;
	}
	catalog->counts_named = true;
	*n = catalog->nnamed;
	return true;
}

SlmOfferId
slm_catalog_offer_by_hash(SlmCatalog *catalog, const SlmEvent *event, uint64_t hash, bool *first, SlmCatalogError *error)
{
	Slot	   *slot = find_slot(catalog, hash);
	RawOffer	raw;
	SlmOffer	offer;

	/* an override that was set since would have this row under the offer of another one */
	SLM_ASSERT(hash == slm_catalog_hash(catalog, event));

	if (slot != NULL)
	{
		*first = slot->part != catalog->part;
		slot->part = catalog->part;
		if (!*first || note_offer(catalog, &catalog->offers[slot->offer - 1]))
			return slot->offer - 1;
		*error = SLM_CATALOG_MEMORY;
		return SLM_NO_OFFER;
	}
	*first = true;
	raw = raw_offer(catalog, event);
	return fill_keys(catalog, &raw, &offer, error) && note_offer(catalog, &offer) ? add_offer(catalog, &offer, hash) : SLM_NO_OFFER;
}

SlmOfferId
slm_catalog_offer(SlmCatalog *catalog, const SlmEvent *event, SlmCatalogError *error)
{
	bool		first;

	return slm_catalog_offer_by_hash(catalog, event, slm_catalog_hash(catalog, event), &first, error);
}

SlmKeyId
slm_catalog_category(SlmCatalog *catalog, SlmSlice text)
{
	char		buf[SLM_CATEGORY_BUFFER * 2];
	SlmCategory category;
	SlmKeyId	keys[SLM_DIMENSIONS];

	if (!slm_clean_category(text, false, 0, buf, &category) || !number_category(catalog, &category, keys))
		return SLM_NO_KEY;
	return keys[SLM_CATEGORY_L3];
}

SlmKeyId
slm_catalog_brand(SlmCatalog *catalog, SlmSlice brand)
{
	return brand.len > SLM_MAX_KEY_BYTES ? SLM_NO_KEY : slm_dict_add(&catalog->texts[SLM_BRAND], &catalog->key, brand);
}

SlmKeyId
slm_catalog_add_text(SlmCatalog *catalog, SlmDimension dimension, SlmSlice text)
{
	SLM_ASSERT(dimension != SLM_PRODUCT_ID && dimension < SLM_DIMENSIONS);
	return slm_dict_add(&catalog->texts[dimension], &catalog->key, text);
}

SlmOfferId
slm_catalog_offer_of(SlmCatalog *catalog, int64_t product_id, SlmMoney price, SlmKeyId category, SlmKeyId brand)
{
	uint64_t	hash = hash_clean(catalog, product_id, price, category, brand);
	SlmOfferId	id = find(catalog, hash);
	SlmOffer	offer = {.product_id = product_id,.price = price};

	if (id != SLM_NO_OFFER)
		return id;
	SLM_ASSERT(category < slm_catalog_keys(catalog, SLM_CATEGORY_L3));
	SLM_ASSERT(brand < slm_catalog_keys(catalog, SLM_BRAND));
	offer.keys[SLM_BRAND] = brand;
	offer.keys[SLM_CATEGORY_L3] = category;
	offer.keys[SLM_CATEGORY_L2] = catalog->parents[SLM_CATEGORY_L3][category];
	offer.keys[SLM_CATEGORY_L1] = catalog->parents[SLM_CATEGORY_L2][offer.keys[SLM_CATEGORY_L2]];
	return number_product(catalog, &offer) ? add_offer(catalog, &offer, hash) : SLM_NO_OFFER;
}

SlmOfferId
slm_catalog_clean_offer(SlmCatalog *catalog, int64_t product_id, SlmMoney price, SlmSlice category, SlmSlice brand)
{
	SlmKeyId	category_key = slm_catalog_category(catalog, category);
	SlmKeyId	brand_key = slm_catalog_brand(catalog, brand);

	if (category_key == SLM_NO_KEY || brand_key == SLM_NO_KEY)
		return SLM_NO_OFFER;
	return slm_catalog_offer_of(catalog, product_id, price, category_key, brand_key);
}

void
slm_catalog_prefetch(const SlmCatalog *catalog, int64_t product_id, SlmMoney price, SlmKeyId category, SlmKeyId brand)
{
	__builtin_prefetch(&catalog->slots[(uint32_t) hash_clean(catalog, product_id, price, category, brand) &
									   (catalog->nslots - 1)]);
}

void
slm_catalog_prefetch_offer(const SlmCatalog *catalog, SlmOfferId offer)
{
	__builtin_prefetch(&catalog->offers[offer]);
}

void
slm_catalog_prefetch_product(const SlmCatalog *catalog, SlmKeyId key)
{
	__builtin_prefetch(&catalog->product_ids[key]);
}

const SlmOffer *
slm_catalog_get(const SlmCatalog *catalog, SlmOfferId offer)
{
	SLM_ASSERT(offer < catalog->noffers);
	return &catalog->offers[offer];
}

uint32_t
slm_catalog_offers(const SlmCatalog *catalog)
{
	return catalog->noffers;
}

uint32_t
slm_catalog_keys(const SlmCatalog *catalog, SlmDimension dimension)
{
	return dimension == SLM_PRODUCT_ID ? catalog->products.nentries : catalog->texts[dimension].nentries;
}

SlmSlice
slm_catalog_text(const SlmCatalog *catalog, SlmDimension dimension, SlmKeyId key)
{
	SLM_ASSERT(dimension != SLM_PRODUCT_ID && dimension < SLM_DIMENSIONS);
	SLM_ASSERT(key < catalog->texts[dimension].nentries);
	return catalog->texts[dimension].entries[key].text;
}

SlmKeyId
slm_catalog_parent(const SlmCatalog *catalog, SlmDimension dimension, SlmKeyId key)
{
	SLM_ASSERT(dimension == SLM_CATEGORY_L3 || dimension == SLM_CATEGORY_L2);
	SLM_ASSERT(key < catalog->texts[dimension].nentries);
	return catalog->parents[dimension][key];
}

int64_t
slm_catalog_product(const SlmCatalog *catalog, SlmKeyId key)
{
	SLM_ASSERT(key < catalog->products.nentries);
	return catalog->product_ids[key];
}

int
slm_slice_compare(SlmSlice a, SlmSlice b)
{
	uint32_t	len = a.len < b.len ? a.len : b.len;
	int			c = len ? memcmp(a.data, b.data, len) : 0;

	return c ? c : (a.len > b.len) - (a.len < b.len);
}

int
slm_catalog_compare(const SlmCatalog *catalog, SlmOfferId a, SlmOfferId b)
{
	const SlmOffer *x = &catalog->offers[a];
	const SlmOffer *y = &catalog->offers[b];
	int			c;

	SLM_ASSERT(a < catalog->noffers && b < catalog->noffers);

	if (a == b)
		return 0;
	if (x->price != y->price)
		return x->price < y->price ? -1 : 1;
	c = slm_slice_compare(slm_catalog_text(catalog, SLM_CATEGORY_L3, x->keys[SLM_CATEGORY_L3]),
						  slm_catalog_text(catalog, SLM_CATEGORY_L3, y->keys[SLM_CATEGORY_L3]));
	if (c == 0)
		c = slm_slice_compare(slm_catalog_text(catalog, SLM_BRAND, x->keys[SLM_BRAND]),
							  slm_catalog_text(catalog, SLM_BRAND, y->keys[SLM_BRAND]));
	return c;
}

size_t
slm_catalog_memory(const SlmCatalog *catalog)
{
	size_t		memory = sizeof(SlmCatalog) + slm_dict_memory(&catalog->products) +
		catalog->maxproducts * sizeof(int64_t);

	for (int d = 0; d < SLM_DIMENSIONS; d++)
		memory += slm_dict_memory(&catalog->texts[d]) + catalog->maxparents[d] * sizeof(SlmKeyId) +
			catalog->maxnamed[d] * sizeof(uint32_t);
	return memory + catalog->nslots * sizeof(Slot) + catalog->maxoffers * sizeof(SlmOffer);
}
