/*
 * recent_views.c: sellometer.recent_views(): which products were listed at which prices, by the view log.
 *
 *   view log, blocks of the hours in question --sum by offer--> offers (dictionary's numbers) --> rows
 *      and other_listings, of sessions that saw several offers of a product --the first of each--^
 *
 * Detectors ask for two spans that end together, sellometer.price_window and sellometer.shift_window: during a run of sellometer_detect() the
 * log is read once for both, and for all who ask.
 *
 * Of what a session saw of a product, the first view of each offer is seen and no other: so what is seen is a function of the
 * set of events.  The log alone is not: it has a repeated view if that came before the one that counts, and not if it came
 * after.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "bulkwrite/plain.h"
#include "catalog/pg_type.h"
#include "dedup/view_log.h"
#include "dedup/view_state.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "guc.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pure/viewlog.h"
#include "server/out_of_memory.h"
#include "sql/recent_views.h"
#include "types/money.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define ROWS_PER_FETCH	32
#define AHEAD_OF_HEAD	(10 * USECS_PER_MINUTE)	/* that far detectors look beyond it: src/sql/92_price_anomaly.sql, 94_category_shift.sql */
#define COLUMNS				6

PG_FUNCTION_INFO_V1(sellometer_recent_views);

/* late: of the shorter of two spans */
typedef struct Seen
{
	uint64		views;
	TimestampTz first;
	TimestampTz last;
	uint64		late_views;
	TimestampTz late_first;
} Seen;

typedef struct First
{
	uint64		key[2];			/* fingerprint, offer */
	TimestampTz time;
} First;

typedef struct Summary
{
	TimestampTz from;
	TimestampTz late;			/* where the shorter span begins */
	TimestampTz to;
	SlmDictionary *dictionary;
	SlmViews	watched;		/* fingerprints of sessions and products that were seen at several offers */
	HTAB	   *firsts;			/* of these, by fingerprint and offer */
	Seen	   *seen;			/* by number of the offer */
	uint32		maxseen;
} Summary;

/* What a run of sellometer_detect() has read, in its memory context; see slm_recent_views_keep(). */
static MemoryContext keeping = NULL;
static Summary *kept = NULL;

static void
summary_free(void *arg)
{
	Summary    *summary = arg;

	slm_views_free(&summary->watched);
	slm_dictionary_free(summary->dictionary);
	summary->dictionary = NULL;
}

/* The dictionary's numbers are nobody's business outside, so any key will do that nobody can guess. */
static Summary *
summary_create(TimestampTz from, TimestampTz late, TimestampTz to)
{
	Summary    *summary = palloc0(sizeof(Summary));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	uint64		words[2];
	SlmHashKey	key;
	HASHCTL		ctl = {.keysize = 2 * sizeof(uint64),.entrysize = sizeof(First),.hcxt = CurrentMemoryContext};

	if (!pg_strong_random(words, sizeof(words)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
	key = slm_hash_key(words[0], words[1]);
	callback->func = summary_free;
	callback->arg = summary;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	summary->from = from;
	summary->late = late;
	summary->to = to;
	summary->firsts = hash_create("sellometer listings", 1024, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	summary->maxseen = 1024;
	summary->seen = palloc0(sizeof(Seen) * summary->maxseen);
	summary->dictionary = slm_dictionary_create(&key);
	if (summary->dictionary == NULL)
		slm_out_of_memory();
	return summary;
}

/* Brands are of no interest. */
static SlmOfferId
clean_offer(Summary *summary, int64 product_id, SlmMoney price, SlmSlice category)
{
	SlmOfferId	offer = slm_dictionary_clean_offer(summary->dictionary, product_id, price, category, (SlmSlice) {"", 0});

	if (offer == SLM_NO_OFFER)
		slm_out_of_memory();
	return offer;
}

static SlmOfferId
without_brand(Summary *summary, SlmOfferId offer)
{
	const SlmOffer *with = slm_dictionary_get(summary->dictionary, offer);

	return clean_offer(summary, with->product_id, with->price,
					   slm_dictionary_text(summary->dictionary, SLM_CATEGORY_L3, with->keys[SLM_CATEGORY_L3]));
}

static void
see(Summary *summary, SlmOfferId id, const SlmViewLogOffer *of)
{
	Seen	   *seen;

	if (id >= summary->maxseen)
	{
		uint32		n = Max(summary->maxseen * 2, id + 1);

		summary->seen = repalloc_huge(summary->seen, sizeof(Seen) * n);
		memset(summary->seen + summary->maxseen, 0, sizeof(Seen) * (n - summary->maxseen));
		summary->maxseen = n;
	}
	seen = &summary->seen[id];
	seen->first = seen->views == 0 ? of->first : Min(seen->first, of->first);
	seen->last = seen->views == 0 ? of->last : Max(seen->last, of->last);
	seen->views += of->views;
	if (of->late_views > 0)
		seen->late_first = seen->late_views == 0 ? of->late_first : Min(seen->late_first, of->late_first);
	seen->late_views += of->late_views;
}

static void
check(SlmViewLogResult result, TimestampTz hour)
{
	if (result == SLM_VIEWLOG_MEMORY)
		slm_out_of_memory();
	if (result == SLM_VIEWLOG_CORRUPT)
		slm_view_log_damaged(hour);
}

/* Views of sessions that saw one offer only. */
static void
add_offers(Summary *summary, TimestampTz hour, const char *data, size_t len)
{
	SlmViewLogOffer *volatile offers = NULL;
	uint32		n;

	PG_TRY();
	{
		check(slm_viewlog_offers(data, len, hour, summary->from, summary->late, summary->to, &summary->watched, (SlmViewLogOffer **) &offers, &n),
			  hour);
		for (uint32 i = 0; i < n; i++)
		{
			const SlmViewLogOffer *offer = &offers[i];

			if (offer->views > 0)
				see(summary, clean_offer(summary, offer->product_id, offer->price, offer->category), offer);
		}
	}
	PG_FINALLY();
	{
		free(offers);
	}
	PG_END_TRY();
}

/* Keep the earliest of a view's fingerprint and offer. */
static void
keep_earliest(Summary *summary, uint64 fingerprint, SlmOfferId offer, TimestampTz time)
{
	uint64		both[2] = {fingerprint, offer};
	bool		found;
	First	   *first = hash_search(summary->firsts, both, HASH_ENTER, &found);

	first->time = found ? Min(first->time, time) : time;
}

/* Of a block's views those of sessions that saw several offers. */
static void
add_watched(Summary *summary, TimestampTz hour, const char *data, size_t len)
{
	SlmViews	views = {0};
	SlmViewLogResult result = slm_viewlog_unpack(data, len, hour, summary->from, &summary->watched, summary->dictionary, &views);

	for (uint64 i = 0; result == SLM_VIEWLOG_OK && i < views.nslots; i++)
	{
		if (views.slots[i].fingerprint != 0)
			keep_earliest(summary, views.slots[i].fingerprint, without_brand(summary, views.slots[i].offer), views.slots[i].time);
	}
	slm_views_free(&views);
	check(result, hour);
}

static void
see_firsts(Summary *summary)
{
	HASH_SEQ_STATUS scan;
	First	   *first;

	hash_seq_init(&scan, summary->firsts);
	while ((first = hash_seq_search(&scan)) != NULL)
	{
		SlmViewLogOffer one = {.views = 1,.first = first->time,.last = first->time,.late_views = first->time >= summary->late,.late_first = first->time};

		if (first->time >= summary->from && first->time < summary->to)
			see(summary, (SlmOfferId) first->key[1], &one);
	}
}

/* Call a function with each row that a query with two times gives. */
static void
read_rows(Summary *summary, const char *sql, TimestampTz from, TimestampTz to,
		  void (*take) (Summary *summary, HeapTuple row, TupleDesc desc))
{
	Oid			types[2] = {TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		args[2] = {TimestampTzGetDatum(from), TimestampTzGetDatum(to)};
	MemoryContext context = CurrentMemoryContext;
	Portal		portal = SPI_cursor_open_with_args(NULL, sql, 2, types, args, NULL, true, 0);

	for (;;)
	{
		SPI_cursor_fetch(portal, true, ROWS_PER_FETCH);
		if (SPI_processed == 0)
			break;
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			MemoryContext old = MemoryContextSwitchTo(context);

			take(summary, SPI_tuptable->vals[row], SPI_tuptable->tupdesc);
			MemoryContextSwitchTo(old);
			CHECK_FOR_INTERRUPTS();
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
}

/* --- other listings --- */

enum
{
	FINGERPRINT, SEEN, PRODUCT, PRICE, CATEGORY, LISTING_COLUMNS
};

static const SlmShape listing_shape = {
	"other_listings", LISTING_COLUMNS, {
		[FINGERPRINT] = {"fingerprint", INT8OID},[SEEN] = {"seen", TIMESTAMPTZOID},[PRODUCT] = {"product_id", INT8OID},
		[PRICE] = {"price", NUMERICOID},[CATEGORY] = {"category", TEXTOID}
	}
};

static void
watch(Summary *summary, uint64 fingerprint)
{
	bool		found;

	if (slm_views_add(&summary->watched, fingerprint, &found) == NULL)
		slm_out_of_memory();
}

/* A listing of a session and product that is watched; the values in the order of the columns. */
static void
take_listing(Summary *summary, const Datum *values)
{
	text	   *category = DatumGetTextPP(values[CATEGORY]);
	SlmSlice	key = {VARDATA_ANY(category), VARSIZE_ANY_EXHDR(category)};
	SlmMoney	price;

	if (!slm_money_from_numeric(values[PRICE], &price))
		elog(ERROR, "a price in sellometer.other_listings is no money");
	keep_earliest(summary, (uint64) DatumGetInt64(values[FINGERPRINT]), clean_offer(summary, DatumGetInt64(values[PRODUCT]), price, key),
				  DatumGetTimestampTz(values[SEEN]));
}

static void
take_row(Summary *summary, HeapTuple row, TupleDesc desc)
{
	Datum		values[LISTING_COLUMNS];
	bool		isnull;

	for (int i = 0; i < LISTING_COLUMNS; i++)
		values[i] = SPI_getbinval(row, desc, i + 1, &isnull);
	watch(summary, (uint64) DatumGetInt64(values[FINGERPRINT]));
	take_listing(summary, values);
}

/* Of a plain table: watch whose listings are in the span, or take those of who is watched. */
static void
scan_listings(Summary *summary, Relation rel, const int *places, bool take)
{
	TableScanDesc scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	Datum		values[LISTING_COLUMNS];
	bool		isnull;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		values[FINGERPRINT] = slot_getattr(slot, places[FINGERPRINT] + 1, &isnull);
		values[SEEN] = slot_getattr(slot, places[SEEN] + 1, &isnull);
		CHECK_FOR_INTERRUPTS();
		if (!take)
		{
			if (DatumGetTimestampTz(values[SEEN]) >= summary->from && DatumGetTimestampTz(values[SEEN]) < summary->to)
				watch(summary, (uint64) DatumGetInt64(values[FINGERPRINT]));
		}
		else if (slm_views_find(&summary->watched, (uint64) DatumGetInt64(values[FINGERPRINT])) != NULL)
		{
			for (int i = PRODUCT; i < LISTING_COLUMNS; i++)
				values[i] = slot_getattr(slot, places[i] + 1, &isnull);
			take_listing(summary, values);
		}
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
}

/* What is outside of the span tells whether a listing in it was the first. */
static void
read_listings(Summary *summary)
{
	Relation	rel = table_openrv(makeRangeVar("sellometer", pstrdup(listing_shape.table), -1), AccessShareLock);
	int			places[SLM_MAX_COLUMNS];

	if (slm_may_read(rel, &listing_shape, places))
	{
		scan_listings(summary, rel, places, false);
		if (summary->watched.nviews > 0)
			scan_listings(summary, rel, places, true);
	}
	else
		read_rows(summary, "SELECT fingerprint, seen, product_id, price, category FROM sellometer.other_listings "
				  "WHERE fingerprint IN (SELECT fingerprint FROM sellometer.other_listings WHERE seen >= $1 AND seen < $2)",
				  summary->from, summary->to, take_row);
	table_close(rel, NoLock);
}

/* --- the log --- */

static void
take_block(Summary *summary, HeapTuple row, TupleDesc desc)
{
	bool		isnull;
	TimestampTz hour = DatumGetTimestampTz(SPI_getbinval(row, desc, 1, &isnull));
	Datum		stored = SPI_getbinval(row, desc, 2, &isnull);
	bytea	   *block = DatumGetByteaP(stored);
	size_t		len = VARSIZE(block) - VARHDRSZ;

	add_offers(summary, hour, VARDATA(block), len);
	if (summary->watched.nviews > 0)
		add_watched(summary, hour, VARDATA(block), len);
	if (PointerGetDatum(block) != stored)
		pfree(block);
}

static void
read_all(Summary *summary)
{
	read_listings(summary);
	read_rows(summary, "SELECT hour, block FROM sellometer.view_log WHERE hour > $1 AND hour < $2",
			  summary->from - USECS_PER_HOUR, summary->to, take_block);
	see_firsts(summary);
}

static void
put_rows(const Summary *summary, bool late, ReturnSetInfo *result)
{
	uint32		n = Min(slm_dictionary_offers(summary->dictionary), summary->maxseen);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "sellometer rows", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);

	for (uint32 i = 0; i < n; i++)
	{
		const SlmOffer *offer = slm_dictionary_get(summary->dictionary, i);
		SlmSlice	category = slm_dictionary_text(summary->dictionary, SLM_CATEGORY_L3, offer->keys[SLM_CATEGORY_L3]);
		const Seen *seen = &summary->seen[i];
		Datum		values[COLUMNS] = {Int64GetDatum(offer->product_id),
			PointerGetDatum(cstring_to_text_with_len(category.data, category.len)),
			NumericGetDatum(slm_price_to_numeric(offer->price)), Int64GetDatum(late ? seen->late_views : seen->views),
		TimestampTzGetDatum(late ? seen->late_first : seen->first), TimestampTzGetDatum(seen->last)};
		bool		nulls[COLUMNS] = {0};

		if ((late ? seen->late_views : seen->views) == 0)
			continue;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		if (i % 1024 == 1023)
			MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

/* --- once for several who ask --- */

static void
forget_kept(void *arg)
{
	keeping = NULL;
	kept = NULL;
}

void
slm_recent_views_keep(MemoryContext context)
{
	MemoryContextCallback *callback = MemoryContextAllocZero(context, sizeof(MemoryContextCallback));

	callback->func = forget_kept;
	MemoryContextRegisterResetCallback(context, callback);
	keeping = context;
	kept = NULL;
}

static Summary *
summary_read(TimestampTz from, TimestampTz late, TimestampTz to)
{
	Summary    *summary = summary_create(from, late, to);

	SPI_connect();
	read_all(summary);
	SPI_finish();
	return summary;
}

/* Where the two spans of detectors begin, of which this is one; false: it is none. */
static bool
detectors_spans(TimestampTz from, TimestampTz to, TimestampTz *longer, TimestampTz *shorter)
{
	TimestampTz head = to - AHEAD_OF_HEAD;

	if (TIMESTAMP_NOT_FINITE(from) || TIMESTAMP_NOT_FINITE(to))
		return false;
	*longer = head - (int64) Max(slm_price_window, slm_shift_window) * USECS_PER_SEC;
	*shorter = head - (int64) Min(slm_price_window, slm_shift_window) * USECS_PER_SEC;
	return from == *longer || from == *shorter;
}

/* What was read before, or is read now and kept; NULL: the call is none of a detector in such a run. */
static const Summary *
kept_summary(TimestampTz from, TimestampTz to)
{
	TimestampTz longer;
	TimestampTz shorter;

	if (keeping == NULL || !detectors_spans(from, to, &longer, &shorter))
		return NULL;
	if (kept == NULL || kept->from != longer || kept->late != shorter || kept->to != to)
	{
		MemoryContext old = MemoryContextSwitchTo(AllocSetContextCreate(keeping, "sellometer recent views", ALLOCSET_DEFAULT_SIZES));

		kept = summary_read(longer, shorter, to);
		MemoryContextSwitchTo(old);
	}
	return kept;
}

/* recent_views(from timestamptz, to timestamptz) → setof (product_id, category, price, views, first_seen, last_seen) */
Datum
sellometer_recent_views(PG_FUNCTION_ARGS)
{
	TimestampTz from = PG_GETARG_TIMESTAMPTZ(0);
	TimestampTz to = PG_GETARG_TIMESTAMPTZ(1);
	const Summary *known = kept_summary(from, to);
	Summary    *own = known == NULL ? summary_read(from, from, to) : NULL;

	InitMaterializedSRF(fcinfo, 0);
	if (known != NULL)
		put_rows(known, from == known->late, (ReturnSetInfo *) fcinfo->resultinfo);
	else
	{
		put_rows(own, false, (ReturnSetInfo *) fcinfo->resultinfo);
		summary_free(own);
	}
	return (Datum) 0;
}
