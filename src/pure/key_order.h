/*
 * key_order.h: keys of a dimension in the order of the tables' primary keys.
 */
#ifndef SLM_PURE_KEY_ORDER_H
#define SLM_PURE_KEY_ORDER_H

#include "pure/dictionary.h"
#include "pure/sort.h"

/* Products by number, others by the bytes of their texts.  items and spare: room for n items each. */
extern void slm_keys_sort(const SlmDictionary *dictionary, SlmDimension dimension, SlmKeyId *keys, uint32_t n,
						  SlmSortItem *items, SlmSortItem *spare);

#endif							/* SLM_PURE_KEY_ORDER_H */
