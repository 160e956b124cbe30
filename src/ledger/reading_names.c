/*
 * reading_names.c: what the rows of an object call its products.
 */
#include "postgres.h"

#include "ledger/reading_internal.h"

/* Into one piece of memory: the list, and behind it the texts. */
static const SlmName *
copy_names(const SlmName *list, uint32 n)
{
	Size		bytes = mul_size(n, sizeof(SlmName));
	SlmName    *copy;
	char	   *at;

	for (uint32 i = 0; i < n; i++)
		bytes = add_size(bytes, list[i].name.len);
	copy = MemoryContextAllocHuge(CurrentMemoryContext, bytes);
	at = (char *) (copy + n);
	for (uint32 i = 0; i < n; i++)
	{
		copy[i] = list[i];
		copy[i].name.data = memcpy(at, list[i].name.data, list[i].name.len);
		at += list[i].name.len;
	}
	return copy;
}

/* Those of products of this node. */
static const SlmName *
own_names(const SlmReading *reading, const SlmName *list, uint32 *n)
{
	SlmName    *own;
	uint32		nown = 0;

	if (!slm_is_sliced(reading->slice))
		return list;
	own = MemoryContextAllocHuge(CurrentMemoryContext, mul_size(Max(*n, 1), sizeof(SlmName)));
	for (uint32 i = 0; i < *n; i++)
	{
		if (!slm_is_elsewhere(reading->slice, list[i].product_id))
			own[nown++] = list[i];
	}
	*n = nown;
	return own;
}

void
slm_reading_keep_names(SlmReading *reading)
{
	SlmNames   *names = slm_reader_names(reading->reader);
	SlmObject  *object = reading->object;
	const SlmName *list;

	if (names == NULL)
		return;
	/* a clock that is wrong must not have the last word for good */
	object->nnames = slm_names_latest(names, object->time_limit, &list);
	list = own_names(reading, list, &object->nnames);
	if (object->nnames > 0)
		object->names = copy_names(list, object->nnames);
	slm_names_reset(names);
}
