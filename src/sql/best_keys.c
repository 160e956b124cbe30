/*
 * best_keys.c: see best_keys.h.  The best so far are in a heap that has the last of them on top.
 */
#include "postgres.h"

#include "lib/binaryheap.h"
#include "sql/best_keys.h"

typedef struct Order
{
	SlmKeyCompare compare;
	const void *arg;
} Order;

/* For binaryheap, whose top is the greatest. */
static int
compare_later(Datum a, Datum b, void *arg)
{
	const Order *order = arg;

	return order->compare(DatumGetUInt32(a), DatumGetUInt32(b), order->arg);
}

uint32 *
slm_best_keys(uint32 n, uint32 most, SlmKeyCounts counts, SlmKeyCompare compare, const void *arg, uint32 *found)
{
	Order		order = {.compare = compare,.arg = arg};
	binaryheap *heap;
	uint32	   *best;

	most = Min(most, n);
	*found = 0;
	if (most == 0)
		return palloc(sizeof(uint32));
	heap = binaryheap_allocate((int) most, compare_later, &order);
	for (uint32 i = 0; i < n; i++)
	{
		if (!counts(i, arg))
			continue;
		if (heap->bh_size < (int) most)
			binaryheap_add(heap, UInt32GetDatum(i));
		else if (compare(i, DatumGetUInt32(binaryheap_first(heap)), arg) < 0)
			binaryheap_replace_first(heap, UInt32GetDatum(i));
	}
	*found = (uint32) heap->bh_size;
	best = palloc(sizeof(uint32) * Max(*found, 1));
	for (uint32 i = *found; i > 0; i--)
		best[i - 1] = DatumGetUInt32(binaryheap_remove_first(heap));
	return best;
}
