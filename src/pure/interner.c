/*
 * interner.c: byte strings to dense numbers: open addressing over an array of entries.
 */
#include "pure/interner.h"

#include <stdlib.h>

#include "pure/assert.h"

#define BLOCK_SIZE	(64 * 1024)

typedef struct SlmBytesBlock
{
	struct SlmBytesBlock *next;
	size_t		used;
	size_t		size;
	char		data[];
} SlmBytesBlock;

char *
slm_bytes_keep(SlmBytes *bytes, const char *data, size_t len)
{
	SlmBytesBlock *block = bytes->head;
	char	   *copy;

	if (block == NULL || block->size - block->used < len)
	{
		size_t		size = len > BLOCK_SIZE ? len : BLOCK_SIZE;

		block = malloc(sizeof(SlmBytesBlock) + size);
		if (block == NULL)
			return NULL;
		block->used = 0;
		block->size = size;
		block->next = bytes->head;
		bytes->head = block;
		bytes->memory += sizeof(SlmBytesBlock) + size;
	}
	copy = block->data + block->used;
	if (len > 0)
		memcpy(copy, data, len);
	block->used += len;
	return copy;
}

void
slm_bytes_free(SlmBytes *bytes)
{
	while (bytes->head != NULL)
	{
		SlmBytesBlock *next = bytes->head->next;

		free(bytes->head);
		bytes->head = next;
	}
	bytes->memory = 0;
}

bool
slm_grow(void **array, uint32_t used, uint32_t *allocated, size_t element_size)
{
	uint32_t	wanted;
	void	   *grown;

	/* elements are added one by one, or memory between them would never have been written */
	SLM_ASSERT(used <= *allocated);

	if (used < *allocated)
		return true;
	if (*allocated > UINT32_MAX / 2)
		return false;
	wanted = *allocated ? *allocated * 2 : 64;
	grown = realloc(*array, wanted * element_size);
	if (grown == NULL)
		return false;
	*array = grown;
	*allocated = wanted;
	return true;
}

static bool
rehash(SlmInterner *interner)
{
	uint32_t	nslots = interner->nslots ? interner->nslots * 2 : 128;
	uint32_t   *slots = calloc(nslots, sizeof(uint32_t));

	if (slots == NULL)
		return false;
	for (uint32_t i = 0; i < interner->nentries; i++)
	{
		uint32_t	s = (uint32_t) interner->entries[i].hash & (nslots - 1);

		while (slots[s] != 0)
			s = (s + 1) & (nslots - 1);
		slots[s] = i + 1;
	}
	free(interner->slots);
	interner->slots = slots;
	interner->nslots = nslots;
	return true;
}

uint32_t
slm_interner_add(SlmInterner *interner, const SlmHashKey *key, SlmSlice text)
{
	uint64_t	hash = slm_hash_bytes(key, 0, text.data, text.len);
	uint32_t	s;
	SlmInternEntry *entry;

	if (interner->nentries >= interner->nslots / 2 && !rehash(interner))
		return SLM_NO_ENTRY;
	for (s = (uint32_t) hash & (interner->nslots - 1); interner->slots[s] != 0; s = (s + 1) & (interner->nslots - 1))
	{
		entry = &interner->entries[interner->slots[s] - 1];
		if (entry->hash == hash && entry->text.len == text.len && memcmp(entry->text.data, text.data, text.len) == 0)
			return interner->slots[s] - 1;
	}

	if (!slm_grow((void **) &interner->entries, interner->nentries, &interner->maxentries, sizeof(SlmInternEntry)))
		return SLM_NO_ENTRY;
	entry = &interner->entries[interner->nentries];
	entry->hash = hash;
	entry->text.len = text.len;
	entry->text.data = slm_bytes_keep(&interner->bytes, text.data, text.len);
	if (entry->text.data == NULL)
		return SLM_NO_ENTRY;
	interner->slots[s] = ++interner->nentries;
	return interner->nentries - 1;
}

size_t
slm_interner_memory(const SlmInterner *interner)
{
	return interner->bytes.memory + interner->maxentries * sizeof(SlmInternEntry) + interner->nslots * sizeof(uint32_t);
}

void
slm_interner_free(SlmInterner *interner)
{
	slm_bytes_free(&interner->bytes);
	free(interner->entries);
	free(interner->slots);
	memset(interner, 0, sizeof(*interner));
}
