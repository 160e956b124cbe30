/*
 * names.c: what products are called by the rows of an object: open addressing over an array of (product, hour).
 */
#include "pure/names.h"

#include <stdlib.h>

#include "pure/assert.h"
#include "pure/dictionary.h"
#include "pure/interner.h"

struct SlmNames
{
	SlmHashKey	key;
	SlmName    *entries;
	uint32_t	n;
	uint32_t	max;
	uint32_t   *slots;			/* entry number + 1, 0 = free */
	uint32_t	nslots;			/* a power of two, or 0 */
	SlmBytes	bytes;
};

SlmNames *
slm_names_create(const SlmHashKey *key)
{
	SlmNames   *names = calloc(1, sizeof(SlmNames));

	if (names != NULL)
		names->key = *key;
	return names;
}

void
slm_names_reset(SlmNames *names)
{
	slm_bytes_free(&names->bytes);
	free(names->entries);
	free(names->slots);
	*names = (SlmNames) {.key = names->key};
}

void
slm_names_free(SlmNames *names)
{
	if (names == NULL)
		return;
	slm_names_reset(names);
	free(names);
}

size_t
slm_names_memory(const SlmNames *names)
{
	return names->bytes.memory + names->max * sizeof(SlmName) + names->nslots * sizeof(uint32_t);
}

static SlmTime
hour_of(SlmTime time)
{
	SlmTime		past = time % SLM_USECS_PER_HOUR;

	return time - (past < 0 ? past + SLM_USECS_PER_HOUR : past);
}

static uint32_t
first_slot(const SlmNames *names, int64_t product_id, SlmTime hour)
{
	uint64_t	h = slm_hash_int(&names->key, (uint64_t) hour, (uint64_t) product_id);

	return (uint32_t) h & (names->nslots - 1);
}

static bool
rehash(SlmNames *names)
{
	uint32_t	nslots = names->nslots ? names->nslots * 2 : 256;
	uint32_t   *slots = calloc(nslots, sizeof(uint32_t));

	if (slots == NULL)
		return false;
	free(names->slots);
	names->slots = slots;
	names->nslots = nslots;
	for (uint32_t i = 0; i < names->n; i++)
	{
		uint32_t	s = first_slot(names, names->entries[i].product_id, names->entries[i].hour);

		while (slots[s] != 0)
			s = (s + 1) & (nslots - 1);
		slots[s] = i + 1;
	}
	return true;
}

/* At most SLM_MAX_NAME_BYTES of it, and no part of a character. */
static SlmSlice
cut(SlmSlice name)
{
	if (name.len <= SLM_MAX_NAME_BYTES)
		return name;
	name.len = SLM_MAX_NAME_BYTES;
	while (name.len > 0 && ((uint8_t) name.data[name.len] & 0xc0) == 0x80)
		name.len--;
	return name;
}

static bool
keep(SlmNames *names, SlmName *entry, SlmSlice name)
{
	const char *copy = slm_bytes_keep(&names->bytes, name.data, name.len);

	if (copy == NULL)
		return false;
	entry->name = (SlmSlice) {copy, name.len};
	return true;
}

static bool
same(SlmSlice a, SlmSlice b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

bool
slm_names_note(SlmNames *names, int64_t product_id, SlmTime time, SlmSlice name)
{
	SlmTime		hour = hour_of(time);
	SlmName    *entry;
	uint32_t	s;

	SLM_ASSERT(name.len > 0);
	name = cut(name);
	if (names->n >= names->nslots / 2 && !rehash(names))
		return false;
	for (s = first_slot(names, product_id, hour); names->slots[s] != 0; s = (s + 1) & (names->nslots - 1))
	{
		entry = &names->entries[names->slots[s] - 1];
		if (entry->product_id != product_id || entry->hour != hour)
			continue;
		if (same(entry->name, name) || slm_slice_compare(entry->name, name) < 0)
			return true;
		return keep(names, entry, name);
	}
	if (!slm_grow((void **) &names->entries, names->n, &names->max, sizeof(SlmName)))
		return false;
	entry = &names->entries[names->n];
	*entry = (SlmName) {.product_id = product_id,.hour = hour};
	if (!keep(names, entry, name))
		return false;
	names->slots[s] = ++names->n;
	return true;
}

/* By product, the latest hour first. */
static int
compare(const void *left, const void *right)
{
	const SlmName *a = left;
	const SlmName *b = right;

	if (a->product_id != b->product_id)
		return a->product_id < b->product_id ? -1 : 1;
	return a->hour == b->hour ? 0 : a->hour > b->hour ? -1 : 1;
}

uint32_t
slm_names_latest(SlmNames *names, SlmTime limit, const SlmName **list)
{
	uint32_t	n = 0;

	if (names->n > 0)
		qsort(names->entries, names->n, sizeof(SlmName), compare);
	for (uint32_t i = 0; i < names->n; i++)
	{
		const SlmName *entry = &names->entries[i];

		if (entry->hour <= limit && (n == 0 || names->entries[n - 1].product_id != entry->product_id))
			names->entries[n++] = *entry;
	}
	*list = names->entries;
	return n;
}
