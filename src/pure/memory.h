/*
 * memory.h: memory for large tables.
 *
 * A table of many MB that is read at random costs a TLB miss and, when new, a page fault for each 4 kB.  Of huge pages it
 * takes five hundred times fewer.
 */
#ifndef SLM_PURE_MEMORY_H
#define SLM_PURE_MEMORY_H

#include "pure/types.h"

/* Zeroed memory for n elements of a size, or NULL if there is none; n may be 0. */
extern void *slm_table_alloc(uint64_t n, size_t element_size);

/* Give it back, with the same numbers; table may be NULL. */
extern void slm_table_free(void *table, uint64_t n, size_t element_size);

#endif							/* SLM_PURE_MEMORY_H */
