/*
 * memory.h: memory for large tables.
 *
 * A table of many MB that is read at random costs a TLB miss and, when new, a page fault for each 4 kB.  Of huge pages it
 * takes five hundred times fewer.
 *
 * A batch wants much the same tables as the one before it, and to get them from the kernel costs more than to fill them: so
 * what is given back is kept, up to a limit, until slm_table_release().
 */
#ifndef SLM_PURE_MEMORY_H
#define SLM_PURE_MEMORY_H

#include "pure/types.h"

/* Zeroed memory for n elements of a size, or NULL if there is none; n may be 0. */
extern void *slm_table_alloc(uint64_t n, size_t element_size);

/* The same, with whatever is in it. */
extern void *slm_table_alloc_dirty(uint64_t n, size_t element_size);

/*
 * Make a table for n elements one for more of them, bigger; the new ones are zero.  The table may move, mostly without being
 * copied.  NULL if there is no memory: the table is then as it was.
 */
extern void *slm_table_grow(void *table, uint64_t n, uint64_t bigger, size_t element_size);

/* Give it back, with the same numbers; table may be NULL. */
extern void slm_table_free(void *table, uint64_t n, size_t element_size);

/* Keep no more than so many bytes, and never more than 256 MB. */
extern void slm_table_keep_at_most(size_t bytes);

/* Let the kernel have all that was given back. */
extern void slm_table_release(void);

#endif							/* SLM_PURE_MEMORY_H */
