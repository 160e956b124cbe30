/*
 * sku.c: products that are known by a text.
 */
#include "pure/sku.h"

#include <stdlib.h>

#include "pure/assert.h"
#include "pure/interner.h"
#include "pure/number.h"
#include "pure/sha256.h"

int			slm_sku_bits = 63;

int64_t
slm_sku_id(SlmSlice sku)
{
	return -1 - (int64_t) (slm_sha256_first8(sku) >> (64 - slm_sku_bits));
}

bool
slm_sku_is_number(SlmSlice text, int64_t *id)
{
	uint64_t	value = 0;

	if (text.len == 0 || text.len > 19 || (text.data[0] == '0' && text.len > 1))
		return false;
	for (uint32_t i = 0; i < text.len; i++)
	{
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		value = value * 10 + (uint64_t) (text.data[i] - '0');
	}
	*id = (int64_t) value;
	return value <= INT64_MAX;
}

bool
slm_sku_of_field(SlmSlice field, SlmSlice *sku)
{
	const uint32_t mark = sizeof(SLM_SKU_MARK) - 1;

	field = slm_trim(field);
	if (field.len <= mark || memcmp(field.data, SLM_SKU_MARK, mark) != 0)
		return false;
	*sku = slm_trim((SlmSlice) {field.data + mark, field.len - mark});
	return sku->len > 0 && sku->len <= SLM_MAX_SKU_BYTES;
}

bool
slm_product_of_field(SlmSlice field, int64_t *id)
{
	SlmSlice	sku;

	if (slm_parse_id(field, false, id))
		return true;
	if (!slm_sku_of_field(field, &sku))
		return false;
	if (!slm_sku_is_number(sku, id))
		*id = slm_sku_id(sku);
	return true;
}

/* --- those of an object --- */

struct SlmSkus
{
	SlmHashKey	key;
	SlmInterner texts;
	SlmSku	   *list;			/* by number of the text */
	uint32_t	max;
	uint32_t   *slots;			/* by product_id: number of the text + 1, 0 = free */
	uint32_t	nslots;			/* a power of two, or 0 */
	bool		failed;			/* for want of memory */
};

SlmSkus *
slm_skus_create(const SlmHashKey *key)
{
	SlmSkus    *skus = calloc(1, sizeof(SlmSkus));

	if (skus != NULL)
		skus->key = *key;
	return skus;
}

void
slm_skus_free(SlmSkus *skus)
{
	if (skus == NULL)
		return;
	slm_interner_free(&skus->texts);
	free(skus->list);
	free(skus->slots);
	free(skus);
}

size_t
slm_skus_memory(const SlmSkus *skus)
{
	return slm_interner_memory(&skus->texts) + skus->max * sizeof(SlmSku) + skus->nslots * sizeof(uint32_t);
}

const SlmSku *
slm_skus_list(const SlmSkus *skus, uint32_t *n)
{
	*n = skus->texts.nentries;
	return skus->list;
}

/* The slot that has the product, or the free one where it would be. */
static uint32_t *
find_slot(const SlmSkus *skus, int64_t product_id)
{
	uint32_t	s = (uint32_t) slm_hash_int(&skus->key, 0, (uint64_t) product_id) & (skus->nslots - 1);

	while (skus->slots[s] != 0 && skus->list[skus->slots[s] - 1].product_id != product_id)
		s = (s + 1) & (skus->nslots - 1);
	return &skus->slots[s];
}

static bool
rehash(SlmSkus *skus, uint32_t n)
{
	uint32_t   *slots;

	if (n < skus->nslots / 2)
		return true;
	slots = calloc(skus->nslots ? skus->nslots * 2 : 256, sizeof(uint32_t));
	if (slots == NULL)
		return false;
	free(skus->slots);
	skus->slots = slots;
	skus->nslots = skus->nslots ? skus->nslots * 2 : 256;
	for (uint32_t i = 0; i < n; i++)
	{
		if (!skus->list[i].taken)
			*find_slot(skus, skus->list[i].product_id) = i + 1;
	}
	return true;
}

/* The text's entry; *added: it is new, and taken as long as it has no slot.  NULL if out of memory. */
static SlmSku *
intern(SlmSkus *skus, SlmSlice sku, bool *added)
{
	uint32_t	n = skus->texts.nentries;
	uint32_t	number;

	if (!slm_grow((void **) &skus->list, n, &skus->max, sizeof(SlmSku)) || !rehash(skus, n))
		return NULL;
	number = slm_interner_add(&skus->texts, &skus->key, sku);
	if (number == SLM_NO_ENTRY)
		return NULL;
	*added = number == n;
	if (*added)
		skus->list[number] = (SlmSku) {slm_sku_id(sku), true, skus->texts.entries[number].text};
	return &skus->list[number];
}

SlmSkuStatus
slm_skus_id(SlmSkus *skus, SlmSlice sku, int64_t *id)
{
	bool		added;
	SlmSku	   *entry = intern(skus, sku, &added);

	if (entry == NULL)
	{
		skus->failed = true;
		return SLM_SKU_MEMORY;
	}
	if (added)
	{
		uint32_t   *slot = find_slot(skus, entry->product_id);

		entry->taken = *slot != 0;
		if (!entry->taken)
			*slot = (uint32_t) (entry - skus->list) + 1;
	}
	SLM_ASSERT(entry->product_id < 0);
	*id = entry->product_id;
	return entry->taken ? SLM_SKU_TAKEN : SLM_SKU_KNOWN;
}

bool
slm_skus_failed(const SlmSkus *skus)
{
	return skus->failed;
}

bool
slm_skus_refuse(SlmSkus *skus, SlmSlice sku)
{
	bool		added;

	/* one that is new has no slot, and gets none */
	return intern(skus, sku, &added) != NULL;
}
