/*
 * leaders.c: the best keys of each bucket, so that the best of a month are found without reading all keys of a month.
 *
 *   list of a bucket:  a 90, b 70, c 40      others: 30, what the next one had, so that nobody else had more
 *   totals of it:      grown                 what has been added since the bucket was added up, whatever the key
 *
 * A key that is not on the list has at most others + (grown now - grown when the list was made).  That holds however the
 * bucket changes, so late data leaves the lists as they are; it only makes them say less.  One that says too little is made
 * anew.  sellometer_top() adds up such bounds over a range, and reads the rows of those keys alone that may be among the best.
 *
 * What had grown is read before the rows, and rows and totals change in one transaction: so a list never says less than is true, and
 * no lock is needed.  A list goes with the totals of its bucket.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "pure/reader.h"
#include "server/spi.h"
#include "tiers/tier.h"
#include "tiers/tier_scan.h"
#include "types/event_type.h"
#include "types/money.h"
#include "upkeep/leaders.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define LEADERS			100

/* How far the work has come: each bucket has its turn but once, in case it can't be helped. */
typedef struct LeadersPlace
{
	int			tier;
	TimestampTz after;			/* buckets of the tier up to here are done */
	bool		done;			/* there are no more tiers */
} LeadersPlace;

/* The buckets after a time that want lists, of the first partition that has any. */
static Datum *
stale_buckets(const SlmTier *tier, TimestampTz after, int *n)
{
	static SlmStatement statement = {
		"SELECT DISTINCT x.event_time FROM sellometer.totals x LEFT JOIN sellometer.leaders l ON l.tier = x.tier "
		"AND l.dimension = 'product_id' AND l.event_type = x.event_type AND l.event_time = x.event_time AND l.measure = 'gmv' "
		"LEFT JOIN sellometer.leaders c ON c.tier = x.tier AND c.dimension = 'product_id' AND c.event_type = x.event_type "
		"AND c.event_time = x.event_time AND c.measure = 'count' "
		"WHERE x.tier = $1 AND x.event_time > $2 AND (l.grown IS NULL OR c.grown IS NULL OR x.grown_gmv - l.grown > x.gmv / 1000 "
		"OR x.grown_count - c.grown > x.count / 1000) ORDER BY 1",
		2, {TEXTOID, TIMESTAMPTZOID}
	};
	Datum		args[2] = {CStringGetTextDatum(tier->name), TimestampTzGetDatum(after)};
	int			rows = (int) slm_execute(&statement, args, NULL, SPI_OK_SELECT);
	Datum	   *buckets = palloc(sizeof(Datum) * Max(rows, 1));
	TimestampTz end = 0;

	*n = 0;
	for (int i = 0; i < rows; i++)
	{
		TimestampTz time = slm_int64(i, 1, 0);

		if (i == 0)
			end = slm_bucket_next(tier->partition, slm_bucket_start(tier->partition, time));
		if (time >= end)
			break;
		buckets[(*n)++] = TimestampTzGetDatum(time);
	}
	return buckets;
}

/* --- the best of one bucket and type, by one measure --- */

typedef struct Key
{
	int64		product_id;
	SlmSlice	text;
	int128		amount;
} Key;

/* The best that were seen, the least of them on top. */
typedef struct Best
{
	binaryheap *heap;			/* NULL: none was seen */
	int128		grown;			/* of the totals, before the rows were read */
	bool		known;			/* the totals have this bucket and type; others have no lists */
} Best;

/* For binaryheap, whose top is the greatest. */
static int
compare_least(Datum a, Datum b, void *arg)
{
	int128		x = ((const Key *) DatumGetPointer(a))->amount;
	int128		y = ((const Key *) DatumGetPointer(b))->amount;

	return (x < y) - (x > y);
}

static void
name_key(Key *key, const SlmTierRow *row, int128 amount)
{
	char	   *text = palloc(Max(row->key.len, 1));

	if (row->key.len > 0)
		memcpy(text, row->key.data, row->key.len);
	if (key->text.data)
		pfree(unconstify(char *, key->text.data));
	*key = (Key) {.product_id = row->product_id,.text = {text, row->key.len},.amount = amount};
}

static void
offer(Best *best, const SlmTierRow *row, int128 amount)
{
	Key		   *key;

	if (best->heap == NULL)
		best->heap = binaryheap_allocate(LEADERS + 1, compare_least, NULL);
	if (best->heap->bh_size <= LEADERS)
	{
		key = palloc0(sizeof(Key));
		name_key(key, row, amount);
		binaryheap_add(best->heap, PointerGetDatum(key));
		return;
	}
	key = (Key *) DatumGetPointer(binaryheap_first(best->heap));
	if (amount <= key->amount)
		return;
	name_key(key, row, amount);
	binaryheap_replace_first(best->heap, PointerGetDatum(key));
}

/* --- lists --- */

enum
{
	BY_GMV, BY_COUNT, MEASURES
};

/* What is being made: the lists of some buckets of a tier by one dimension. */
typedef struct Lists
{
	const SlmTier *tier;
	SlmDimension dimension;
	Datum	   *buckets;		/* ascending */
	int			n;
	Best	   *best;			/* by bucket, type and measure */
} Lists;

static Best *
best_of(Lists *lists, int bucket, SlmEventType type, int measure)
{
	return &lists->best[(bucket * SLM_EVENT_TYPES + type) * MEASURES + measure];
}

/* Which bucket begins at a time; -1: none of ours. */
static int
find_bucket(const Lists *lists, TimestampTz time)
{
	int			low = 0;
	int			high = lists->n;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;
		TimestampTz start = DatumGetTimestampTz(lists->buckets[middle]);

		if (start == time)
			return middle;
		if (start < time)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

/*
 * Before the rows are read: what grows in between counts as grown since, so the bounds hold for whatever snapshot the rows are
 * read in.
 */
static void
read_grown(Lists *lists)
{
	static SlmStatement statement = {
		"SELECT event_time, event_type, grown_gmv, grown_count FROM sellometer.totals WHERE tier = $1 AND event_time = ANY ($2)",
		2, {TEXTOID, TIMESTAMPTZARRAYOID}
	};
	Datum		args[2] = {CStringGetTextDatum(lists->tier->name), slm_array(lists->buckets, NULL, lists->n, TIMESTAMPTZOID)};
	int			rows = (int) slm_execute(&statement, args, NULL, SPI_OK_SELECT);

	for (int i = 0; i < rows; i++)
	{
		bool		isnull;
		int			bucket = find_bucket(lists, slm_int64(i, 1, 0));
		SlmEventType type = slm_event_type_of(DatumGetObjectId(slm_value(i, 2, &isnull)));
		Best	   *by_gmv = best_of(lists, bucket, type, BY_GMV);
		Best	   *by_count = best_of(lists, bucket, type, BY_COUNT);

		if (!slm_money_sum_from_numeric(slm_value(i, 3, &isnull), &by_gmv->grown))
			elog(ERROR, "column grown_gmv of sellometer.totals has a value that is no sum of prices");
		by_count->grown = slm_int64(i, 4, 0);
		by_gmv->known = by_count->known = true;
	}
}

static void
read_rows(Lists *lists)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	SlmTierScan *scan = slm_tier_scan_begin(lists->tier, lists->dimension, DatumGetTimestampTz(lists->buckets[0]),
											DatumGetTimestampTz(lists->buckets[lists->n - 1]) + 1, snapshot);
	SlmTierRow	row = {0};

	while (slm_tier_scan_next(scan, &row))
	{
		int			bucket = find_bucket(lists, row.time);

		if (bucket < 0)
			continue;
		offer(best_of(lists, bucket, row.type, BY_GMV), &row, row.gmv);
		offer(best_of(lists, bucket, row.type, BY_COUNT), &row, row.count);
	}
	slm_tier_scan_end(scan);
	UnregisterSnapshot(snapshot);
}

static Numeric
amount_numeric(int measure, int128 amount)
{
	return measure == BY_GMV ? slm_money_to_numeric(amount) : int64_to_numeric((int64) amount);
}

static void
write_list(Lists *lists, int bucket, SlmEventType type, int measure)
{
	static SlmStatement statement = {
		"INSERT INTO sellometer.leaders (tier, dimension, event_type, measure, event_time, keys, amounts, others, grown) "
		"VALUES ($1, $2, $3::sellometer.event_type, $4, $5, $6, $7, $8, $9)",
		9, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTARRAYOID, NUMERICARRAYOID, NUMERICOID, NUMERICOID}
	};
	Best	   *best = best_of(lists, bucket, type, measure);
	Datum		keys[LEADERS];
	Datum		amounts[LEADERS];
	int128		others = 0;
	int			n;
	Datum		args[9];

	if (best->heap == NULL || !best->known)
		return;
	if (best->heap->bh_size > LEADERS)
		others = ((Key *) DatumGetPointer(binaryheap_remove_first(best->heap)))->amount;
	n = best->heap->bh_size;
	for (int i = n - 1; i >= 0; i--)
	{
		Key		   *key = (Key *) DatumGetPointer(binaryheap_remove_first(best->heap));

		keys[i] = lists->dimension == SLM_PRODUCT_ID ? CStringGetTextDatum(psprintf(INT64_FORMAT, key->product_id))
			: PointerGetDatum(cstring_to_text_with_len(key->text.data, (int) key->text.len));
		amounts[i] = NumericGetDatum(amount_numeric(measure, key->amount));
	}
	args[0] = CStringGetTextDatum(lists->tier->name);
	args[1] = CStringGetTextDatum(slm_dimension_name(lists->dimension));
	args[2] = CStringGetTextDatum(slm_event_type_name(type));
	args[3] = CStringGetTextDatum(measure == BY_GMV ? "gmv" : "count");
	args[4] = lists->buckets[bucket];
	args[5] = slm_array(keys, NULL, n, TEXTOID);
	args[6] = slm_array(amounts, NULL, n, NUMERICOID);
	args[7] = NumericGetDatum(amount_numeric(measure, others));
	args[8] = NumericGetDatum(amount_numeric(measure, best->grown));
	slm_execute(&statement, args, NULL, SPI_OK_INSERT);
}

static void
make_lists(const SlmTier *tier, SlmDimension dimension, Datum *buckets, int n)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer leaders", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Lists		lists = {.tier = tier,.dimension = dimension,.buckets = buckets,.n = n};

	lists.best = palloc0(sizeof(Best) * n * SLM_EVENT_TYPES * MEASURES);
	read_grown(&lists);
	read_rows(&lists);
	for (int bucket = 0; bucket < n; bucket++)
	{
		for (int i = 0; i < SLM_EVENT_TYPES * MEASURES; i++)
			write_list(&lists, bucket, i / MEASURES, i % MEASURES);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

static void
forget_lists(const SlmTier *tier, Datum *buckets, int n)
{
	static SlmStatement statement = {
		"DELETE FROM sellometer.leaders WHERE tier = $1 AND event_time = ANY ($2)", 2, {TEXTOID, TIMESTAMPTZARRAYOID}
	};
	Datum		args[2] = {CStringGetTextDatum(tier->name), slm_array(buckets, NULL, n, TIMESTAMPTZOID)};

	slm_execute(&statement, args, NULL, SPI_OK_DELETE);
}

static void
make_step(void *arg)
{
	LeadersPlace *place = arg;
	SlmTiers   *tiers = slm_tiers_read();
	Datum	   *buckets;
	int			n = 0;

	place->done = place->tier >= tiers->n;
	if (place->done || !slm_tier_hold(&tiers->tiers[place->tier]))
		return;					/* a tier that is gone is not among those that are read the next time */
	buckets = stale_buckets(&tiers->tiers[place->tier], place->after, &n);
	if (n == 0)
	{
		place->tier++;
		place->after = DT_NOBEGIN;
		return;
	}
	forget_lists(&tiers->tiers[place->tier], buckets, n);
	for (SlmDimension d = 0; d < SLM_DIMENSIONS; d++)
		make_lists(&tiers->tiers[place->tier], d, buckets, n);
	place->after = DatumGetTimestampTz(buckets[n - 1]);
}

void
slm_leaders_make(SlmRun *run)
{
	LeadersPlace place = {.tier = 1,.after = DT_NOBEGIN};

	while (!place.done)
	{
		CHECK_FOR_INTERRUPTS();
		if (run->held || slm_run_hold(run))
			break;
		slm_step(run, make_step, &place);
	}
}
