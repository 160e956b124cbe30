/*
 * recent_views.c: sellometer.recent_views(): which products were listed at which prices, by the view log.
 *
 *   blocks of the hours in question --sum by offer--> offers (catalog's numbers) --> rows
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pure/viewlog.h"
#include "types/money.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define BLOCKS_PER_FETCH	32
#define COLUMNS				6

PG_FUNCTION_INFO_V1(sellometer_recent_views);

typedef struct Seen
{
	uint64		views;
	TimestampTz first;
	TimestampTz last;
} Seen;

typedef struct Summary
{
	TimestampTz from;
	TimestampTz to;
	SlmCatalog *catalog;
	Seen	   *seen;			/* by number of the offer */
	uint32		maxseen;
} Summary;

static void
out_of_memory(void)
{
	ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

static void
summary_free(void *arg)
{
	Summary    *summary = arg;

	slm_catalog_free(summary->catalog);
}

/* The catalog's numbers are nobody's business outside, so any key will do that nobody can guess. */
static Summary *
summary_create(TimestampTz from, TimestampTz to)
{
	Summary    *summary = palloc0(sizeof(Summary));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	uint64		words[2];
	SlmHashKey	key;

	if (!pg_strong_random(words, sizeof(words)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
	key = slm_hash_key(words[0], words[1]);
	callback->func = summary_free;
	callback->arg = summary;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	summary->from = from;
	summary->to = to;
	summary->maxseen = 1024;
	summary->seen = palloc0(sizeof(Seen) * summary->maxseen);
	summary->catalog = slm_catalog_create(&key);
	if (summary->catalog == NULL)
		out_of_memory();
	return summary;
}

static void
add_offer(Summary *summary, const SlmViewLogOffer *offer)
{
	static const SlmSlice no_brand = {"", 0};
	SlmOfferId	id = slm_catalog_clean_offer(summary->catalog, offer->product_id, offer->price, offer->category, no_brand);
	Seen	   *seen;

	if (id == SLM_NO_OFFER)
		out_of_memory();
	if (id >= summary->maxseen)
	{
		summary->seen = repalloc_huge(summary->seen, sizeof(Seen) * summary->maxseen * 2);
		memset(summary->seen + summary->maxseen, 0, sizeof(Seen) * summary->maxseen);
		summary->maxseen *= 2;
	}
	seen = &summary->seen[id];
	seen->first = seen->views == 0 ? offer->first : Min(seen->first, offer->first);
	seen->last = seen->views == 0 ? offer->last : Max(seen->last, offer->last);
	seen->views += offer->views;
}

static void
add_block(Summary *summary, TimestampTz hour, Datum stored)
{
	bytea	   *block = DatumGetByteaP(stored);
	SlmViewLogOffer *volatile offers = NULL;
	uint32		n;
	SlmViewLogResult result;

	PG_TRY();
	{
		result = slm_viewlog_offers(VARDATA(block), VARSIZE(block) - VARHDRSZ, hour, summary->from, summary->to,
									(SlmViewLogOffer **) &offers, &n);
		if (result == SLM_VIEWLOG_MEMORY)
			out_of_memory();
		if (result == SLM_VIEWLOG_CORRUPT)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("a block of sellometer.view_log is damaged"),
					 errdetail("It is one of the hour %s.", timestamptz_to_str(hour))));
		for (uint32 i = 0; i < n; i++)
		{
			if (offers[i].views > 0)
				add_offer(summary, &offers[i]);
		}
	}
	PG_FINALLY();
	{
		free(offers);
	}
	PG_END_TRY();
	if (PointerGetDatum(block) != stored)
		pfree(block);
}

static void
read_log(Summary *summary)
{
	Oid			types[2] = {TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		args[2] = {TimestampTzGetDatum(summary->from - USECS_PER_HOUR), TimestampTzGetDatum(summary->to)};
	MemoryContext context = CurrentMemoryContext;
	Portal		portal;

	SPI_connect();
	portal = SPI_cursor_open_with_args(NULL, "SELECT hour, block FROM sellometer.view_log WHERE hour > $1 AND hour < $2", 2,
									   types, args, NULL, true, 0);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, BLOCKS_PER_FETCH);
		if (SPI_processed == 0)
			break;
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			TupleDesc	desc = SPI_tuptable->tupdesc;
			bool		isnull;
			Datum		hour = SPI_getbinval(SPI_tuptable->vals[row], desc, 1, &isnull);
			Datum		block = SPI_getbinval(SPI_tuptable->vals[row], desc, 2, &isnull);
			MemoryContext old = MemoryContextSwitchTo(context);

			add_block(summary, DatumGetTimestampTz(hour), block);
			MemoryContextSwitchTo(old);
			CHECK_FOR_INTERRUPTS();
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	SPI_finish();
}

static void
put_rows(const Summary *summary, ReturnSetInfo *result)
{
	uint32		n = slm_catalog_offers(summary->catalog);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "sellometer rows", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);

	for (uint32 i = 0; i < n; i++)
	{
		const SlmOffer *offer = slm_catalog_get(summary->catalog, i);
		SlmSlice	category = slm_catalog_text(summary->catalog, SLM_CATEGORY_L3, offer->keys[SLM_CATEGORY_L3]);
		const Seen *seen = &summary->seen[i];
		Datum		values[COLUMNS] = {Int64GetDatum(offer->product_id),
			PointerGetDatum(cstring_to_text_with_len(category.data, category.len)),
			NumericGetDatum(slm_price_to_numeric(offer->price)), Int64GetDatum(seen->views),
		TimestampTzGetDatum(seen->first), TimestampTzGetDatum(seen->last)};
		bool		nulls[COLUMNS] = {0};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		if (i % 1024 == 1023)
			MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

/* recent_views(from timestamptz, to timestamptz) → setof (product_id, category, price, views, first_seen, last_seen) */
Datum
sellometer_recent_views(PG_FUNCTION_ARGS)
{
	Summary    *summary = summary_create(PG_GETARG_TIMESTAMPTZ(0), PG_GETARG_TIMESTAMPTZ(1));

	InitMaterializedSRF(fcinfo, 0);
	read_log(summary);
	put_rows(summary, (ReturnSetInfo *) fcinfo->resultinfo);
	summary_free(summary);
	summary->catalog = NULL;
	return (Datum) 0;
}
