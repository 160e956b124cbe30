/*
 * interner.h: byte strings to dense numbers.
 */
#ifndef SLM_PURE_INTERNER_H
#define SLM_PURE_INTERNER_H

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

typedef struct SlmInternEntry
{
	SlmSlice	text;
	uint64_t	hash;
} SlmInternEntry;

/* Zero-initialised is empty. */
typedef struct SlmInterner
{
	SlmInternEntry *entries;
	uint32_t   *slots;			/* entry number + 1, 0 = free */
	uint32_t	nentries;
	uint32_t	maxentries;
	uint32_t	nslots;			/* a power of two, or 0 */
	SlmBytes	bytes;
} SlmInterner;

/* The string's number, added if new; SLM_NO_ENTRY if out of memory. */
extern uint32_t slm_interner_add(SlmInterner *interner, const SlmHashKey *key, SlmSlice text);
extern size_t slm_interner_memory(const SlmInterner *interner);
extern void slm_interner_free(SlmInterner *interner);

/* Make room for one more element in an array that doubles; false if out of memory (the array is as before). */
extern bool slm_grow(void **array, uint32_t used, uint32_t *allocated, size_t element_size);

#endif							/* SLM_PURE_INTERNER_H */
