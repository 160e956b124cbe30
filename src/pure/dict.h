/*
 * dict.h: byte strings to dense numbers.
 */
#ifndef SLM_PURE_DICT_H
#define SLM_PURE_DICT_H

#include "pure/hash.h"

#define SLM_NO_ENTRY	UINT32_MAX

/* Bytes that are kept until all are freed together. */
typedef struct SlmBytes
{
	struct SlmBytesBlock *head;
	size_t		memory;
} SlmBytes;

/* A copy of len bytes, or NULL if out of memory. */
extern char *slm_bytes_keep(SlmBytes *bytes, const char *data, size_t len);
extern void slm_bytes_free(SlmBytes *bytes);

typedef struct SlmDictEntry
{
	SlmSlice	text;
	uint64_t	hash;
} SlmDictEntry;

/* Zero-initialised is empty. */
typedef struct SlmDict
{
	SlmDictEntry *entries;
	uint32_t   *slots;			/* entry number + 1, 0 = free */
	uint32_t	nentries;
	uint32_t	maxentries;
	uint32_t	nslots;			/* a power of two, or 0 */
	SlmBytes	bytes;
} SlmDict;

/* The string's number, added if new; SLM_NO_ENTRY if out of memory. */
extern uint32_t slm_dict_add(SlmDict *dict, const SlmHashKey *key, SlmSlice text);
extern size_t slm_dict_memory(const SlmDict *dict);
extern void slm_dict_free(SlmDict *dict);

/* Make room for one more element in an array that doubles; false if out of memory (the array is as before). */
extern bool slm_grow(void **array, uint32_t used, uint32_t *allocated, size_t element_size);

#endif							/* SLM_PURE_DICT_H */
