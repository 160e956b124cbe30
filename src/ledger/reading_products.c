/*
 * reading_products.c: which products of an object are texts, and what its rows call products.
 *
 * A text is refused if another one is known to have its number: what sellometer.sku_collisions says was read by slm_skus_refresh().  What
 * nobody knew before the object was read is found when it is applied (skus.c).
 */
#include "postgres.h"

#include "ledger/reading_internal.h"
#include "ledger/skus.h"
#include "server/out_of_memory.h"

void
slm_reading_want_products(SlmReading *reading, bool wanted)
{
	const SlmSlice *refused;
	int			n = slm_skus_refused(&refused);

	if (!slm_reader_keep_products(reading->reader, wanted ? reading->key : NULL, refused, n))
		slm_out_of_memory();
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

/* Likewise, without those that are refused, or another node's; *count: how many they are. */
static const SlmSku *
copy_skus(const SlmReading *reading, const SlmSku *list, uint32 n, uint32 *count)
{
	Size		bytes = mul_size(n, sizeof(SlmSku));
	SlmSku	   *copy;
	char	   *at;

	for (uint32 i = 0; i < n; i++)
		bytes = add_size(bytes, list[i].sku.len);
	copy = MemoryContextAllocHuge(CurrentMemoryContext, bytes);
	at = (char *) (copy + n);
	*count = 0;
	for (uint32 i = 0; i < n; i++)
	{
		if (list[i].taken || slm_is_elsewhere(reading->slice, list[i].product_id))
			continue;
		copy[*count] = list[i];
		copy[(*count)++].sku.data = memcpy(at, list[i].sku.data, list[i].sku.len);
		at += list[i].sku.len;
	}
	return copy;
}

void
slm_reading_keep_products(SlmReading *reading)
{
	SlmNames   *names = slm_reader_names(reading->reader);
	const SlmSkus *skus = slm_reader_skus(reading->reader);
	SlmObject  *object = reading->object;
	const SlmName *list;
	const SlmSku *texts;
	uint32		n;

	if (skus != NULL && (texts = slm_skus_list(skus, &n)) != NULL && n > 0)
		object->skus = copy_skus(reading, texts, n, &object->nskus);
	/* of chosen rows names are known since all of them were read */
	if (names == NULL || reading->choose != NULL)
		return;
	/* a clock that is wrong must not have the last word for good */
	object->nnames = slm_names_latest(names, object->time_limit, &list);
	list = own_names(reading, list, &object->nnames);
	if (object->nnames > 0)
		object->names = copy_names(list, object->nnames);
}
