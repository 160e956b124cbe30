/*
 * tier_target.c: a table of a tier, as what writes rows to it sees it: how a delta becomes values.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "tiers/tier_target.h"
#include "types/event_type.h"
#include "types/money.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Bytes of long keys that are kept from one row to the next, as most are few and come often. */
#define MAX_KEPT_KEYS		((Size) 4 * 1024 * 1024)

Datum
slm_target_key(SlmTierTarget *target, SlmKeyId key)
{
	SlmSlice	text;
	MemoryContext old;

	Assert(key < slm_dictionary_keys(target->dictionary, target->dimension));

	if (target->dimension == SLM_PRODUCT_ID)
		return Int64GetDatum(slm_dictionary_product(target->dictionary, key));
	if (target->keys[key] != (Datum) 0)
		return target->keys[key];
	text = slm_dictionary_text(target->dictionary, target->dimension, key);
	if (target->kept_keys >= MAX_KEPT_KEYS)
		return PointerGetDatum(cstring_to_text_with_len(text.data, text.len));
	old = MemoryContextSwitchTo(target->text_context);
	target->keys[key] = PointerGetDatum(cstring_to_text_with_len(text.data, text.len));
	target->kept_keys += VARHDRSZ + text.len;
	MemoryContextSwitchTo(old);
	return target->keys[key];
}

Size
slm_target_key_size(const SlmTierTarget *target, const SlmDelta *row)
{
	return target->dimension == SLM_PRODUCT_ID ? 0 : slm_dictionary_text(target->dictionary, target->dimension, row->key).len;
}

void
slm_target_plain_values(const SlmTierTarget *target, const int *at, const SlmDelta *row, Datum *values)
{
	Assert(row->type < SLM_EVENT_TYPES);
	/* what a row comes to is not below zero, or it is none */
	Assert(row->count > 0 && row->gmv >= 0);
	Assert(target->shape->columns[SLM_TIER_COUNT].type == INT8OID || row->count == (int32) row->count);
	values[at[SLM_TIER_TIME]] = TimestampTzGetDatum(row->time);
	values[at[SLM_TIER_TYPE]] = ObjectIdGetDatum(target->event_types[row->type]);
	values[at[SLM_TIER_COUNT]] = target->shape->columns[SLM_TIER_COUNT].type == INT8OID ? Int64GetDatum(row->count)
		: Int32GetDatum((int32) row->count);
}

void
slm_target_values(SlmTierTarget *target, const SlmDelta *row, Datum *values)
{
	static const int at[SLM_TIER_COLUMNS] = {SLM_TIER_TIME, SLM_TIER_KEY, SLM_TIER_TYPE, SLM_TIER_COUNT, SLM_TIER_GMV};

	values[SLM_TIER_KEY] = slm_target_key(target, row->key);
	values[SLM_TIER_GMV] = NumericGetDatum(slm_money_to_numeric(row->gmv));
	slm_target_plain_values(target, at, row, values);
}

void
slm_target_init(SlmTierTarget *target, const SlmTier *tier, SlmDimension dimension, const SlmDictionary *dictionary)
{
	*target = (SlmTierTarget) {0};
	target->tier = tier;
	target->dimension = dimension;
	target->dictionary = dictionary;
	target->shape = slm_tier_shape(tier, dimension);
	target->text_context = AllocSetContextCreate(CurrentMemoryContext, "sellometer keys", ALLOCSET_DEFAULT_SIZES);
	target->scratch = AllocSetContextCreate(CurrentMemoryContext, "sellometer rows", ALLOCSET_DEFAULT_SIZES);
	if (dimension != SLM_PRODUCT_ID)
		target->keys = MemoryContextAllocExtended(target->text_context,
												  sizeof(Datum) * (slm_dictionary_keys(dictionary, dimension) + 1),
												  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int t = 0; t < SLM_EVENT_TYPES; t++)
		target->event_types[t] = slm_event_type_value(t);
	target->event_type_oid = slm_event_type_oid();
}

void
slm_target_done(SlmTierTarget *target)
{
	MemoryContextDelete(target->scratch);
	MemoryContextDelete(target->text_context);
}
