/*
 * offer_log.c: append a batch's sales and listings to sellometer.offer_log, and listings that the view log doesn't tell of.
 *
 *   groups (minute, type, offer -> count) --sort by (day, offer, type)--> rows: count, first and last minute
 *                                           purchases: by minute too, as a price is judged by what was sold before
 *   views of sessions that saw several offers of a product ---------------> sellometer.other_listings
 *
 * A row is a sum, a least and a greatest of events.  Views, which may move, are not among them; events with ids may: one that an
 * earlier one has taken the place of is counted off, and first and last may go on to tell of it.  But for that,
 * what rows add up to does not depend on how events were batched.  sellometer.fold_offers() adds them up later, in the
 * process that wants to know: loading only appends, to tables without index.
 */
#include "postgres.h"

#include "access/table.h"
#include "bulkwrite/bulk.h"
#include "catalog/pg_type.h"
#include "dedup/view_state.h"
#include "facts/offer_log.h"
#include "guc.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pure/sort.h"
#include "server/alive.h"
#include "server/out_of_memory.h"
#include "server/spi.h"
#include "types/event_type.h"
#include "types/money.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/pg_rusage.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define ROWS_PER_INSERT	1000
#define MINUTES_PER_DAY	1440
#define TYPE_BITS		2
#define OFFER_BITS		32
#define MINUTE_BITS		11		/* of the day */

/* The columns of the table. */
enum
{
	COL_DAY, COL_PRODUCT, COL_TYPE, COL_COUNT, COL_FIRST, COL_LAST, COL_PRICE, COL_CATEGORY, COL_BRAND, COLUMNS
};

/* One row, summed up from groups. */
typedef struct Row
{
	int32		day;			/* since 2000-01-01 */
	SlmOfferId	offer;
	uint8		type;
	int64		count;
	int32		first;			/* minutes since 2000-01-01 */
	int32		last;
} Row;

typedef struct Writer
{
	const SlmDictionary *dictionary;
	Relation	rel;
	SlmShape	shape;
	SlmBulk    *bulk;
	Oid			event_types[SLM_EVENT_TYPES];
} Writer;

static int32
day_of(int32 minute)
{
	return minute / MINUTES_PER_DAY - (minute % MINUTES_PER_DAY < 0);
}

/* --- sorting --- */

static int32
first_day(const SlmGroups *groups)
{
	int32		first = PG_INT32_MAX;

	for (uint32 m = 0; m < groups->nminutes; m++)
		first = Min(first, day_of(groups->minutes[m].minute));
	return first;
}

/* What stands in one row together. */
static uint64
row_key(const SlmGroup *group, int32 first_day)
{
	int32		day = day_of(group->minute);
	uint64		key = ((uint64) (day - first_day) << OFFER_BITS | group->offer) << TYPE_BITS | group->type;

	Assert(day >= first_day && day - first_day < 1 << (64 - OFFER_BITS - TYPE_BITS - MINUTE_BITS));
	Assert(group->type < 1 << TYPE_BITS);

	return key << MINUTE_BITS | (group->type == SLM_PURCHASE ? group->minute - day * MINUTES_PER_DAY : 0);
}

static SlmOfferId
row_offer(uint64 key)
{
	return (SlmOfferId) (key >> (MINUTE_BITS + TYPE_BITS) & ((UINT64CONST(1) << OFFER_BITS) - 1));
}

static uint8
row_type(uint64 key)
{
	return (uint8) (key >> MINUTE_BITS & ((1 << TYPE_BITS) - 1));
}

/* The groups by their rows; index holds minute and count. */
static SlmSortItem *
sort_groups(const SlmGroups *groups)
{
	SlmSortItem *items = MemoryContextAllocHuge(CurrentMemoryContext, groups->ngroups * sizeof(SlmSortItem));
	int32		first = first_day(groups);
	SlmGroupScan scan = {.groups = groups};
	SlmGroup	group;
	uint64		n = 0;

	while (slm_groups_next(&scan, &group))
	{
		items[n].key = row_key(&group, first);
		items[n++].index = (uint64) (uint32) group.minute << 32 | (uint32) group.count;
	}
	Assert(n == groups->ngroups);
	if (!slm_sort(items, n))
		slm_out_of_memory();
	return items;
}

/* --- writing --- */

static void
writer_open(Writer *writer, const SlmDictionary *dictionary)
{
	writer->dictionary = dictionary;
	writer->rel = table_openrv(makeRangeVar("sellometer", "offer_log", -1), RowExclusiveLock);
	writer->shape = (SlmShape) {"offer_log", COLUMNS, {
			[COL_DAY] = {"day", DATEOID},[COL_PRODUCT] = {"product_id", INT8OID},[COL_TYPE] = {"event_type", slm_event_type_oid()},
			[COL_COUNT] = {"count", INT8OID},[COL_FIRST] = {"first_seen", TIMESTAMPTZOID},[COL_LAST] = {"last_seen", TIMESTAMPTZOID},
			[COL_PRICE] = {"price", NUMERICOID},[COL_CATEGORY] = {"category", TEXTOID},[COL_BRAND] = {"brand", TEXTOID}
	}};
	for (int t = 0; t < SLM_EVENT_TYPES; t++)
		writer->event_types[t] = slm_event_type_value(t);
	writer->bulk = slm_bulk_begin(writer->rel, &writer->shape, NULL);
}

static void
writer_put(Writer *writer, const Row *row)
{
	const SlmOffer *offer = slm_dictionary_get(writer->dictionary, row->offer);
	SlmSlice	category = slm_dictionary_text(writer->dictionary, SLM_CATEGORY_L3, offer->keys[SLM_CATEGORY_L3]);
	SlmSlice	brand = slm_dictionary_text(writer->dictionary, SLM_BRAND, offer->keys[SLM_BRAND]);
	Datum	   *values = slm_bulk_row(writer->bulk, NULL);

	Assert(row->first <= row->last);

	values[COL_DAY] = DateADTGetDatum(row->day);
	values[COL_PRODUCT] = Int64GetDatum(offer->product_id);
	values[COL_TYPE] = ObjectIdGetDatum(writer->event_types[row->type]);
	values[COL_COUNT] = Int64GetDatum(row->count);
	values[COL_FIRST] = TimestampTzGetDatum((int64) row->first * SLM_USECS_PER_MIN);
	values[COL_LAST] = TimestampTzGetDatum((int64) row->last * SLM_USECS_PER_MIN);
	values[COL_PRICE] = NumericGetDatum(slm_price_to_numeric(offer->price));
	values[COL_CATEGORY] = PointerGetDatum(cstring_to_text_with_len(category.data, category.len));
	values[COL_BRAND] = PointerGetDatum(cstring_to_text_with_len(brand.data, brand.len));
}

static void
writer_close(Writer *writer)
{
	(void) slm_bulk_end(writer->bulk);
	table_close(writer->rel, NoLock);
}

void
slm_offer_log_write(const SlmDictionary *dictionary, const SlmGroups *groups)
{
	SlmSortItem *items;
	Writer		writer;
	PGRUsage	start;

	if (groups->ngroups == 0)
		return;
	pg_rusage_init(&start);
	items = sort_groups(groups);
	writer_open(&writer, dictionary);
	for (uint64 i = 0; i < groups->ngroups;)
	{
		uint64		key = items[i].key;
		int32		minute = (int32) (items[i].index >> 32);
		Row			row = {.day = day_of(minute),.offer = row_offer(key),.type = row_type(key),.first = minute,.last = minute};

		for (; i < groups->ngroups && items[i].key == key; i++)
		{
			minute = (int32) (items[i].index >> 32);
			row.count += (int32) (uint32) items[i].index;
			row.first = Min(row.first, minute);
			row.last = Max(row.last, minute);
		}
		writer_put(&writer, &row);
	}
	writer_close(&writer);
	pfree(items);
	ereport(DEBUG1, (errmsg_internal("logged offers of %llu groups, %s", (unsigned long long) groups->ngroups,
									 pg_rusage_show(&start))));
}

/* --- listings --- */

/* How far back anybody looks at listings. */
static TimestampTz
seen_from(TimestampTz head)
{
	return TIMESTAMP_NOT_FINITE(head) ? DT_NOBEGIN : head - (int64) Max(slm_price_window, slm_shift_window) * USECS_PER_SEC;
}

void
slm_listing_watch(SlmBatch *batch, TimestampTz head)
{
	batch->moves_from = seen_from(head);
}

static void
write_some(const SlmDictionary *dictionary, const SlmView *views, uint32 n, TimestampTz from)
{
	static SlmStatement statement = {
		"INSERT INTO sellometer.other_listings (fingerprint, seen, product_id, price, category) SELECT * FROM unnest($1, $2, $3, $4, $5)",
		5, {INT8ARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, NUMERICARRAYOID, TEXTARRAYOID}
	};
	Oid			types[5] = {INT8OID, TIMESTAMPTZOID, INT8OID, NUMERICOID, TEXTOID};
	Datum		values[5][ROWS_PER_INSERT];
	Datum		args[5];
	int			used = 0;

	Assert(n <= ROWS_PER_INSERT);

	for (uint32 i = 0; i < n; i++)
	{
		const SlmOffer *offer = slm_dictionary_get(dictionary, views[i].offer);
		SlmSlice	category = slm_dictionary_text(dictionary, SLM_CATEGORY_L3, offer->keys[SLM_CATEGORY_L3]);

		/* an event with an id is no listing */
		if (views[i].time < from || offer->line != 0)
			continue;
		values[0][used] = Int64GetDatum((int64) views[i].fingerprint);
		values[1][used] = TimestampTzGetDatum(views[i].time);
		values[2][used] = Int64GetDatum(offer->product_id);
		values[3][used] = NumericGetDatum(slm_price_to_numeric(offer->price));
		values[4][used++] = PointerGetDatum(cstring_to_text_with_len(category.data, category.len));
	}
	if (used == 0)
		return;
	for (int c = 0; c < 5; c++)
		args[c] = slm_array(values[c], NULL, used, types[c]);
	slm_execute(&statement, args, NULL, SPI_OK_INSERT);
}

void
slm_listing_write(const SlmBatch *batch, TimestampTz head)
{
	MemoryContext scratch;
	MemoryContext old;
	TimestampTz from = seen_from(head);

	if (batch->nothers == 0)
		return;
	/* one that is seen may be a repetition of another for as long as views are told apart */
	if (!TIMESTAMP_IS_NOBEGIN(from))
		from -= slm_view_window_usecs();
	scratch = AllocSetContextCreate(CurrentMemoryContext, "sellometer listings", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(scratch);
	for (uint32 i = 0; i < batch->nothers; i += ROWS_PER_INSERT)
	{
		write_some(batch->dictionary, batch->others + i, Min(batch->nothers - i, ROWS_PER_INSERT), from);
		MemoryContextReset(scratch);
		slm_alive();
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}
