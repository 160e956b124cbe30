/*
 * key_count.c: different keys, by their hashes in a table with open addressing.
 */
#include "pure/key_count.h"

#include <stdlib.h>

#define MIN_SLOTS	1024

/* Where a hash stands, or would. */
static uint64_t *
find(const SlmKeyCount *count, uint64_t hash)
{
	uint64_t	mask = count->nslots - 1;
	uint64_t	s = hash & mask;

	while (count->slots[s] != 0 && count->slots[s] != hash)
		s = (s + 1) & mask;
	return &count->slots[s];
}

static bool
grow(SlmKeyCount *count)
{
	SlmKeyCount bigger = {.nslots = count->nslots == 0 ? MIN_SLOTS : count->nslots * 2};

	bigger.slots = calloc(bigger.nslots, sizeof(uint64_t));
	if (bigger.slots == NULL)
		return false;
	for (uint64_t i = 0; i < count->nslots; i++)
	{
		if (count->slots[i] != 0)
			*find(&bigger, count->slots[i]) = count->slots[i];
	}
	free(count->slots);
	count->slots = bigger.slots;
	count->nslots = bigger.nslots;
	return true;
}

/* seed: which column, so that a brand and a category of the same name are two. */
static bool
add(SlmKeyCount *count, uint64_t seed, SlmSlice text)
{
	uint64_t	hash = slm_hash_bytes(&count->key, seed, text.data, text.len);
	uint64_t   *slot;

	if (text.len == 0)
		return true;
	hash += hash == 0;
	if (count->n >= count->nslots / 2 && !grow(count))
		return false;
	slot = find(count, hash);
	count->n += *slot == 0;
	*slot = hash;
	return true;
}

/* Of the category and the brand, which stand side by side in most files. */
static uint64_t
hash_pair(const SlmKeyCount *count, SlmSlice category, SlmSlice brand)
{
	if (category.len > 0 && brand.len > 0 && brand.data == category.data + category.len + 1)
		return slm_hash_bytes(&count->key, category.len, category.data, category.len + 1 + brand.len);
	return slm_hash_bytes(&count->key, slm_hash_bytes(&count->key, ~(uint64_t) category.len, category.data, category.len),
						  brand.data, brand.len);
}

bool
slm_key_count_add(SlmKeyCount *count, const SlmEvent *event)
{
	uint64_t	pair = hash_pair(count, event->category_code, event->brand);
	uint64_t   *recent = &count->recent[pair % SLM_KEY_COUNT_RECENT];

	if (*recent == pair)
		return true;
	*recent = pair;
	return add(count, SLM_COL_CATEGORY_CODE, event->category_code) && add(count, SLM_COL_BRAND, event->brand);
}

void
slm_key_count_free(SlmKeyCount *count)
{
	free(count->slots);
	count->slots = NULL;
	count->nslots = count->n = 0;
}
