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
	if (object->nnames > 0)
		object->names = copy_names(list, object->nnames);
	slm_names_reset(names);
}
