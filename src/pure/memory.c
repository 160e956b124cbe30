/*
 * memory.c: memory for large tables.
 */
#include "pure/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE	((size_t) 2 * 1024 * 1024)
#define HEAD		((size_t) 4096)			/* in front of a table: one page, which holds its size */
#define MAX_KEPT	128
#define SMALLEST	((size_t) 256 * 1024)	/* below it malloc() keeps memory as well */
#define SMALL_STEP	((size_t) 64 * 1024)
#define HUGE_FROM	((size_t) 8 * 1024 * 1024)	/* from there on of huge pages, the last of which is mostly not needed whole */
#define MAX_KEPT_BYTES	((size_t) 256 * 1024 * 1024)

/* What was given back and not asked for again, from the longest ago to the latest. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *kept[MAX_KEPT];
static int	nkept;
static size_t kept_bytes;
static size_t max_kept_bytes = MAX_KEPT_BYTES;

/*
 * What the kernel hands out; smaller tables are malloc'ed.  Up to an eighth more than asked for, which costs nothing as long as it is not
 * touched: so the next table, a little larger, fits into what this one leaves.
 */
static size_t
mapped_size(uint64_t n, size_t element_size)
{
	size_t		size = (size_t) n * element_size;
	size_t		step = size < HUGE_FROM ? SMALL_STEP : HUGE_PAGE;

	while (step < size / 8)
		step *= 2;
	return size < SMALLEST ? 0 : (size + step - 1) / step * step;
}

static inline size_t *
size_of(void *table)
{
	return (size_t *) ((char *) table - HEAD);
}

static void *
map(size_t size)
{
	char	   *wide;
	char	   *table;

	if (size < HUGE_FROM)
	{
		wide = mmap(NULL, HEAD + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (wide == MAP_FAILED)
			return NULL;
		*size_of(wide + HEAD) = size;
		return wide + HEAD;
	}
	/* one huge page more than needed, so that it can begin on a boundary, with the head before it */
	wide = mmap(NULL, size + HUGE_PAGE + HEAD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (wide == MAP_FAILED)
		return NULL;
	table = wide + HEAD;
	table += (HUGE_PAGE - (uintptr_t) table % HUGE_PAGE) % HUGE_PAGE;
	if (table - HEAD > wide)
		munmap(wide, (size_t) (table - HEAD - wide));
	if (table < wide + HUGE_PAGE + HEAD)
		munmap(table + size, (size_t) (wide + HUGE_PAGE + HEAD - table));
	/* only an advice: without huge pages it is as good as any other memory */
	(void) madvise(table, size, MADV_HUGEPAGE);
	*size_of(table) = size;
	return table;
}

static void
unmap(void *table)
{
	munmap((char *) table - HEAD, *size_of(table) + HEAD);
}

static void *
take_kept(int i)
{
	void	   *table = kept[i];

	kept_bytes -= *size_of(table);
	memmove(&kept[i], &kept[i + 1], sizeof(void *) * (size_t) (--nkept - i));
	return table;
}

/* Is one table of the better size for what is wanted: the smallest that is large enough, or else the largest? */
static bool
is_better(size_t one, size_t other, size_t size)
{
	return one >= size ? other < size || one < other : other < size && one > other;
}

/* One that was kept, if it is neither more than twice as large nor less than half as large as this; else NULL. */
static void *
reuse(size_t size)
{
	int			best = -1;
	void	   *table;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < nkept; i++)
	{
		size_t		has = *size_of(kept[i]);

		if (has / 2 <= size && has >= size / 2 && (best < 0 || is_better(has, *size_of(kept[best]), size)))
			best = i;
	}
	table = best < 0 ? NULL : take_kept(best);
	pthread_mutex_unlock(&lock);
	return table;
}

/* Move the pages of a mapped table to a larger one. */
static void *
remap(void *table, size_t bigger)
{
	size_t		size = *size_of(table);
	char	   *moved = map(bigger);

	if (moved == NULL)
		return NULL;
	/* to a place of our own, as the kernel would choose one where huge pages have to be taken apart */
	if (mremap(table, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, moved) == MAP_FAILED)
	{
		unmap(moved);
		return NULL;
	}
	munmap((char *) table - HEAD, HEAD);
	return moved;
}

static void *
table_alloc(uint64_t n, size_t element_size, bool zeroed)
{
	size_t		used = (size_t) n * element_size;
	size_t		size;
	size_t		dirty;
	char	   *table;
	char	   *grown;

	if (n > (SIZE_MAX / 2) / element_size)
		return NULL;
	size = mapped_size(n, element_size);
	if (size == 0)
		return zeroed ? calloc(n + 1, element_size) : malloc((n + 1) * element_size);
	table = reuse(size);
	if (table == NULL)
		return map(size);
	dirty = *size_of(table) < used ? *size_of(table) : used;
	if (*size_of(table) < size)
	{
		grown = remap(table, size);
		if (grown == NULL)
			unmap(table);
		table = grown;
	}
	if (zeroed && table != NULL)
		memset(table, 0, dirty);
	return table;
}

void *
slm_table_alloc(uint64_t n, size_t element_size)
{
	return table_alloc(n, element_size, true);
}

void *
slm_table_alloc_dirty(uint64_t n, size_t element_size)
{
	return table_alloc(n, element_size, false);
}

void *
slm_table_grow(void *table, uint64_t n, uint64_t bigger, size_t element_size)
{
	size_t		used = (size_t) n * element_size;
	size_t		has = mapped_size(n, element_size);
	size_t		wanted = mapped_size(bigger, element_size);
	char	   *grown;

	if (has == 0)
	{
		grown = slm_table_alloc(bigger, element_size);
		if (grown != NULL && used > 0)
			memcpy(grown, table, used);
		if (grown != NULL)
			slm_table_free(table, n, element_size);
		return grown;
	}
	has = *size_of(table);
	grown = has >= wanted ? table : remap(table, wanted);
	/* what was behind the elements may have been used for something else before */
	if (grown != NULL)
		memset(grown + used, 0, (has < wanted ? has : wanted) - used);
	return grown;
}

void
slm_table_free(void *table, uint64_t n, size_t element_size)
{
	if (mapped_size(n, element_size) == 0)
		free(table);
	else if (table != NULL && *size_of(table) > max_kept_bytes)
		unmap(table);
	else if (table != NULL)
	{
		pthread_mutex_lock(&lock);
		while (nkept == MAX_KEPT || kept_bytes + *size_of(table) > max_kept_bytes)
			unmap(take_kept(0));
		kept[nkept++] = table;
		kept_bytes += *size_of(table);
		pthread_mutex_unlock(&lock);
	}
}

void
slm_table_keep_at_most(size_t bytes)
{
	pthread_mutex_lock(&lock);
	max_kept_bytes = bytes < MAX_KEPT_BYTES ? bytes : MAX_KEPT_BYTES;
	while (kept_bytes > max_kept_bytes)
		unmap(take_kept(0));
	pthread_mutex_unlock(&lock);
}

void
slm_table_release(void)
{
	pthread_mutex_lock(&lock);
	while (nkept > 0)
		unmap(take_kept(nkept - 1));
	pthread_mutex_unlock(&lock);
}
