/*
 * sort.c: least-significant-digit radix sort.
 */
#include "pure/sort.h"

#include <string.h>

#include "pure/assert.h"
#include "pure/memory.h"

#define DIGIT_BITS	11
#define DIGITS		(1 << DIGIT_BITS)

static void
pass(const SlmSortItem *from, SlmSortItem *to, size_t n, int shift)
{
	size_t		start[DIGITS] = {0};
	size_t		sum = 0;

	for (size_t i = 0; i < n; i++)
		start[(from[i].key >> shift) & (DIGITS - 1)]++;
	for (int d = 0; d < DIGITS; d++)
	{
		size_t		count = start[d];

		start[d] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[start[(from[i].key >> shift) & (DIGITS - 1)]++] = from[i];
}

/* For few items the digit counts would cost more than the items. */
static void
insertion_sort(SlmSortItem *items, size_t n)
{
	for (size_t i = 1; i < n; i++)
	{
		SlmSortItem item = items[i];
		size_t		j = i;

		for (; j > 0 && items[j - 1].key > item.key; j--)
			items[j] = items[j - 1];
		items[j] = item;
	}
}

SlmSortItem *
slm_sort_with(SlmSortItem *items, SlmSortItem *spare, size_t n)
{
	uint64_t	all = 0;

	SLM_ASSERT(n <= 64 || (spare != NULL && spare != items));

	if (n <= 64)
	{
		insertion_sort(items, n);
		return items;
	}
	for (size_t i = 0; i < n; i++)
		all |= items[i].key;
	for (int shift = 0; shift < 64 && all >> shift != 0; shift += DIGIT_BITS)
	{
		SlmSortItem *sorted = spare;

		pass(items, sorted, n, shift);
		spare = items;
		items = sorted;
	}
	return items;
}

bool
slm_sort(SlmSortItem *items, size_t n)
{
	SlmSortItem *spare = NULL;
	SlmSortItem *sorted;

	if (n > 64)
	{
		spare = slm_table_alloc_dirty(n, sizeof(SlmSortItem));
		if (spare == NULL)
			return false;
	}
	sorted = slm_sort_with(items, spare, n);
	if (sorted != items)
		memcpy(items, sorted, n * sizeof(SlmSortItem));
	slm_table_free(spare, n, sizeof(SlmSortItem));
	return true;
}
