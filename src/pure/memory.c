/*
 * memory.c: memory for large tables.
 */
#include "pure/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE	((size_t) 2 * 1024 * 1024)

/* What the kernel hands out; smaller tables are malloc'ed. */
static size_t
mapped_size(uint64_t n, size_t element_size)
{
	size_t		size = (size_t) n * element_size;

	return size < HUGE_PAGE ? 0 : (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

void *
slm_table_alloc(uint64_t n, size_t element_size)
{
	size_t		size;
	char	   *wide;
	char	   *table;

	if (n > (SIZE_MAX / 2) / element_size)
		return NULL;
	size = mapped_size(n, element_size);
	if (size == 0)
		return calloc(n + 1, element_size);
	/* one huge page more than needed, so that it can begin on a boundary */
	wide = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (wide == MAP_FAILED)
		return NULL;
	table = wide + (HUGE_PAGE - (uintptr_t) wide % HUGE_PAGE) % HUGE_PAGE;
	if (table > wide)
		munmap(wide, (size_t) (table - wide));
	if (table < wide + HUGE_PAGE)
		munmap(table + size, (size_t) (wide + HUGE_PAGE - table));
	/* only an advice: without huge pages it is as good as any other memory */
	(void) madvise(table, size, MADV_HUGEPAGE);
	return table;
}

void
slm_table_free(void *table, uint64_t n, size_t element_size)
{
	size_t		size = mapped_size(n, element_size);

	if (size == 0)
		free(table);
	else if (table != NULL)
		munmap(table, size);
}
