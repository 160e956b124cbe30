/*
 * offer_rewrite.c: see offer_rewrite.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "facts/offer_log.h"
#include "facts/offer_rewrite.h"
#include "pure/granularity.h"
#include "pure/reader.h"
#include "server/locks.h"
#include "server/out_of_memory.h"
#include "server/spi.h"
#include "types/money.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define DAY		((SlmGranularity) {.usecs = USECS_PER_DAY})
#define MINUTE	((SlmGranularity) {.usecs = USECS_PER_MINUTE})

void
slm_offers_init(SlmOffersRewrite *rewrite, SlmDictionary *dictionary)
{
	rewrite->dictionary = dictionary;
	slm_batch_init(&rewrite->events, dictionary);
	slm_batch_init(&rewrite->accounted, dictionary);
}

void
slm_offers_free(SlmOffersRewrite *rewrite)
{
	slm_views_free(&rewrite->rows);
	slm_batch_free(&rewrite->events);
	slm_batch_free(&rewrite->accounted);
}

/* History doesn't tell brands apart, nor what has an id from what has none. */
static SlmOfferId
without_brand(const SlmOffersRewrite *rewrite, SlmOfferId offer)
{
	const SlmOffer *with = slm_dictionary_get(rewrite->dictionary, offer);
	SlmOfferId	without = slm_dictionary_clean_offer(rewrite->dictionary, with->product_id, with->price,
												  slm_dictionary_text(rewrite->dictionary, SLM_CATEGORY_L3, with->keys[SLM_CATEGORY_L3]),
												  (SlmSlice) {"", 0});

	if (without == SLM_NO_OFFER)
		slm_out_of_memory();
	return without;
}

/* Which row of history an event is in; never 0. */
static uint64
row_key(TimestampTz day, SlmOfferId offer, SlmEventType type)
{
	return UINT64CONST(1) << 63 | ((uint64) (day / USECS_PER_DAY) & 0xFFFFF) << 34 | (uint64) offer << 2 | type;
}

/* An event whose row of history is to be made anew. */
static void
add(SlmBatch *batch, TimestampTz time, SlmOfferId offer, SlmEventType type, int32 pieces)
{
	if (!slm_batch_count(batch, (int32) (slm_bucket_start(MINUTE, time) / USECS_PER_MINUTE), offer, type, pieces))
		slm_out_of_memory();
}

void
slm_offers_take_old(SlmOffersRewrite *rewrite, TimestampTz time, SlmOfferId offer, SlmEventType type, int32 pieces)
{
	TimestampTz day = slm_bucket_start(DAY, time);
	SlmOfferId	without = without_brand(rewrite, offer);
	bool		found;
	SlmView    *row = slm_views_add(&rewrite->rows, row_key(day, without, type), &found);

	if (row == NULL)
		slm_out_of_memory();
	row->time = day;
	row->offer = without;
	row->owner = type;
	add(&rewrite->accounted, time, without, type, pieces);
}

void
slm_offers_take_other(SlmOffersRewrite *rewrite, TimestampTz time, SlmOfferId offer, SlmEventType type, int32 pieces)
{
	SlmOfferId	without = without_brand(rewrite, offer);

	if (slm_views_find(&rewrite->rows, row_key(slm_bucket_start(DAY, time), without, type)) == NULL)
		return;
	if (pieces == 0)
	{
		rewrite->has_lines = true;
		return;
	}
	add(&rewrite->events, time, offer, type, pieces);
	add(&rewrite->accounted, time, without, type, pieces);
}

void
slm_offers_take_new(SlmOffersRewrite *rewrite, const SlmChunkRow *rows, size_t nrows)
{
	for (size_t i = 0; i < nrows; i++)
	{
		if (rows[i].fingerprint == 0)
			add(&rewrite->events, rows[i].time, rows[i].offer, rows[i].type, slm_row_pieces(&rows[i]));
	}
}

void
slm_offers_span(const SlmOffersRewrite *rewrite, TimestampTz *from, TimestampTz *to)
{
	*from = DT_NOEND;
	*to = DT_NOBEGIN;
	for (uint64 i = 0; i < rewrite->rows.nslots; i++)
	{
		const SlmView *row = &rewrite->rows.slots[i];

		if (row->fingerprint == 0)
			continue;
		*from = Min(*from, row->time);
		*to = Max(*to, row->time + USECS_PER_DAY);
	}
}

static void
forget_rows(const SlmOffersRewrite *rewrite)
{
	static SlmStatement statement = {
		"SELECT sellometer.forget_offers($1, $2, $3, $4, $5)", 5,
		{TIMESTAMPTZARRAYOID, INT8ARRAYOID, TEXTARRAYOID, NUMERICARRAYOID, TEXTARRAYOID}
	};
	Oid			types[5] = {TIMESTAMPTZOID, INT8OID, TEXTOID, NUMERICOID, TEXTOID};
	Datum	   *values[5];
	Datum		args[5];
	int			n = 0;

	for (int c = 0; c < 5; c++)
		values[c] = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * Max(rewrite->rows.nviews, 1));
	for (uint64 i = 0; i < rewrite->rows.nslots; i++)
	{
		const SlmView *row = &rewrite->rows.slots[i];
		const SlmOffer *offer;
		SlmSlice	category;

		if (row->fingerprint == 0)
			continue;
		offer = slm_dictionary_get(rewrite->dictionary, row->offer);
		category = slm_dictionary_text(rewrite->dictionary, SLM_CATEGORY_L3, offer->keys[SLM_CATEGORY_L3]);
		values[0][n] = TimestampTzGetDatum(row->time);
		values[1][n] = Int64GetDatum(offer->product_id);
		values[2][n] = CStringGetTextDatum(slm_event_type_name((SlmEventType) row->owner));
		values[3][n] = NumericGetDatum(slm_price_to_numeric(offer->price));
		values[4][n++] = PointerGetDatum(cstring_to_text_with_len(category.data, category.len));
	}
	for (int c = 0; c < 5; c++)
		args[c] = slm_array(values[c], NULL, n, types[c]);
	if (n > 0)
		slm_execute(&statement, args, NULL, SPI_OK_SELECT);
}

/*
 * Some others could not be read, or which of them count is not known here, as they have ids: what rows of history have beyond all that is
 * accounted for is theirs, and stays, with times that they may have.
 */
static void
forget_but(const SlmOffersRewrite *rewrite, TimestampTz first, TimestampTz last)
{
	static SlmStatement statement = {
		"SELECT sellometer.forget_offers_but($1, $2, $3, $4, $5, $6, $7, $8)", 8,
		{TIMESTAMPTZARRAYOID, INT8ARRAYOID, TEXTARRAYOID, NUMERICARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Oid			types[6] = {TIMESTAMPTZOID, INT8OID, TEXTOID, NUMERICOID, TEXTOID, INT8OID};
	SlmGroupScan scan = {.groups = &rewrite->accounted.groups};
	SlmGroup	group;
	Datum	   *values[6];
	Datum		args[8];
	int			n = 0;

	for (int c = 0; c < 6; c++)
		values[c] = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * Max(scan.groups->ngroups, 1));
	while (slm_groups_next(&scan, &group))
	{
		const SlmOffer *offer = slm_dictionary_get(rewrite->dictionary, group.offer);
		SlmSlice	category = slm_dictionary_text(rewrite->dictionary, SLM_CATEGORY_L3, offer->keys[SLM_CATEGORY_L3]);

		values[0][n] = TimestampTzGetDatum((TimestampTz) group.minute * USECS_PER_MINUTE);
		values[1][n] = Int64GetDatum(offer->product_id);
		values[2][n] = CStringGetTextDatum(slm_event_type_name((SlmEventType) group.type));
		values[3][n] = NumericGetDatum(slm_price_to_numeric(offer->price));
		values[4][n] = PointerGetDatum(cstring_to_text_with_len(category.data, category.len));
		values[5][n++] = Int64GetDatum(group.count);
	}
	for (int c = 0; c < 6; c++)
		args[c] = slm_array(values[c], NULL, n, types[c]);
	args[6] = TimestampTzGetDatum(TIMESTAMP_NOT_FINITE(first) ? first : slm_bucket_start(MINUTE, first));
	args[7] = TimestampTzGetDatum(TIMESTAMP_NOT_FINITE(last) ? last : slm_bucket_start(MINUTE, last));
	if (n > 0)
		slm_execute(&statement, args, NULL, SPI_OK_SELECT);
}

void
slm_offers_rewrite(const SlmOffersRewrite *rewrite, TimestampTz missing_first, TimestampTz missing_last)
{
	Assert(slm_lock_held(SLM_LOCK_WRITER));
	if (rewrite->has_lines)
		forget_but(rewrite, DT_NOBEGIN, DT_NOEND);
	else if (missing_first <= missing_last)
		forget_but(rewrite, missing_first, missing_last);
	else
		forget_rows(rewrite);
	slm_offer_log_write(rewrite->dictionary, &rewrite->events.groups);
}
