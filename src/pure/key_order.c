/*
 * key_order.c: keys of a dimension in the order of the tables' primary keys.
 */
#include <stdlib.h>

#include "pure/assert.h"

#include "pure/key_order.h"

typedef struct Texts
{
	const SlmDictionary *dictionary;
	SlmDimension dimension;
} Texts;

static int
compare_texts(const void *a, const void *b, void *arg)
{
	const Texts *texts = arg;

	return slm_slice_compare(slm_dictionary_text(texts->dictionary, texts->dimension, *(const SlmKeyId *) a),
							 slm_dictionary_text(texts->dictionary, texts->dimension, *(const SlmKeyId *) b));
}

void
slm_keys_sort(const SlmDictionary *dictionary, SlmDimension dimension, SlmKeyId *keys, uint32_t n,
			  SlmSortItem *items, SlmSortItem *spare)
{
	Texts		texts = {dictionary, dimension};

	SLM_ASSERT(dimension < SLM_MAX_DIMENSIONS);
	SLM_ASSERT(n <= slm_dictionary_keys(dictionary, dimension));

	if (dimension != SLM_PRODUCT_ID)
	{
		qsort_r(keys, n, sizeof(SlmKeyId), compare_texts, &texts);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		items[i] = (SlmSortItem) {
			/* the order of unsigned numbers is that of signed ones if the sign bit is turned */
			.key = (uint64_t) slm_dictionary_product(dictionary, keys[i]) ^ UINT64_C(1) << 63,.index = keys[i]
		};
	items = slm_sort_with(items, spare, n);
	for (uint32_t i = 0; i < n; i++)
		keys[i] = (SlmKeyId) items[i].index;
}
