/*
 * segments_make.c: see segments_make.h.
 *
 *   buckets that lack segments (a rollup has made them, or a restore brought them)  --> from their rows, read once for all of a partition
 *   buckets with many                                                               --> these added up
 *   partitions of which all is complete                                             --> the segments of their buckets added up
 *
 * What is read is of one snapshot.  Changes that come meanwhile have segments of their own, and a bucket that is made anew meanwhile is another.
 */
#include "postgres.h"

#include "budget.h"
#include "catalog/pg_type.h"
#include "lib/qunique.h"
#include "miscadmin.h"
#include "pure/sort.h"
#include "server/out_of_memory.h"
#include "server/spi.h"
#include "tiers/segment_read.h"
#include "tiers/segments.h"
#include "tiers/tier_scan.h"
#include "types/event_type.h"
#include "upkeep/segments_make.h"
#include "upkeep/segments_wanted.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/*
 * Rows in memory at a time, with what sorting takes; if a partition's buckets have more, they are made in parts.  A bucket that has more, or names that
 * take more, goes without: its rows are read.
 */
#define MAX_ROWS		(slm_budget_rollup() / 2 / (sizeof(MadeRow) + 2 * sizeof(SlmSortItem)))
#define MAX_NAMES		(slm_budget_rollup() / 2)

/* How far the work has come: each bucket has its turn but once, in case it can't be helped. */
typedef enum Phase
{
	MISSING, LONG, WHOLE
} Phase;

typedef struct Place
{
	int			tier;
	int64		set;			/* the id of the set at hand, or less than that of the next */
	Phase		phase;
	MemoryContext context;		/* of the partitions; lives as long as the work */
	TimestampTz *partitions;	/* that have something to be made in this phase, ascending; NULL: not looked for yet */
	int			n;
	int			next;			/* the one at hand ... */
	TimestampTz from;			/* ... and from which bucket on */
	TimestampTz trying;			/* up to here they are being made; DT_NOEND: none */
	bool		done;			/* there are no more tiers */
} Place;

/* --- segments of some buckets, from their rows --- */

typedef struct MadeRow
{
	uint32		place;			/* of the bucket and type */
	SlmKeyId	key;
	int64		count;
	int128		gmv;
} MadeRow;

typedef struct Make
{
	SlmSegmentSet set;
	const SlmTier *tier;
	const SlmWanted *wanted;
	int			n;
	Snapshot	snapshot;
	SlmSegment *segments;		/* by place and dimension; malloc'ed */
	MadeRow    *rows;
	uint64		nrows;
	uint64		maxrows;
} Make;

/* False if there are more rows than may be in memory. */
static bool
take_row(Make *make, SlmSums *names, const SlmTierRow *row)
{
	SlmWanted		of = {.time = row->time,.type = row->type};
	const SlmWanted *wanted = bsearch(&of, make->wanted, make->n, sizeof(SlmWanted), slm_wanted_compare);

	if (wanted == NULL)
		return true;
	if (make->nrows == make->maxrows)
	{
		if (make->maxrows >= MAX_ROWS || slm_sums_check(names))
			return false;
		make->maxrows = Min(2 * make->maxrows, Max(MAX_ROWS, make->maxrows + 1));
		make->rows = repalloc_huge(make->rows, sizeof(MadeRow) * make->maxrows);
	}
	make->rows[make->nrows++] = (MadeRow) {
		.place = (uint32) (wanted - make->wanted),
		.key = names->dimension == SLM_PRODUCT_ID ? slm_sums_product(names, row->product_id) : slm_sums_text(names, row->key),
		.count = row->count,.gmv = row->gmv
	};
	return true;
}

static bool
read_rows(Make *make, SlmSums *names)
{
	SlmTierScan *scan = slm_tier_scan_begin(make->tier, names->dimension, make->wanted[0].time, make->wanted[make->n - 1].time + 1, make->snapshot);
	SlmTierRow	row = {0};
	bool		fits = true;

	make->nrows = 0;
	while (fits && slm_tier_scan_next(scan, &row))
		fits = take_row(make, names, &row);
	slm_tier_scan_end(scan);
	return fits;
}

/* The rows by place and by the order of their keys. */
static SlmSortItem *
sort_rows(const Make *make, const SlmSums *names)
{
	uint32	   *order = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(uint32) * Max(names->n, 1));
	SlmKeyId   *keys = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(SlmKeyId) * Max(names->n, 1));
	SlmSortItem *items = MemoryContextAllocHuge(CurrentMemoryContext, 2 * sizeof(SlmSortItem) * Max(make->nrows, 1));

	for (uint32 i = 0; i < names->n; i++)
		keys[i] = i;
	slm_sums_sort(names, keys, names->n);
	for (uint32 i = 0; i < names->n; i++)
		order[keys[i]] = i;
	for (uint64 i = 0; i < make->nrows; i++)
		items[i] = (SlmSortItem) {.key = (uint64) make->rows[i].place << 32 | order[make->rows[i].key],.index = i};
	pfree(order);
	pfree(keys);
	return slm_sort_with(items, items + make->nrows, make->nrows);
}

/* False if there are more rows than may be in memory. */
static bool
make_dimension(Make *make, SlmDimension dimension)
{
	SlmSums    *names = slm_sums_create(dimension);
	SlmSortItem *items;

	names->limit = MAX_NAMES;
	make->maxrows = 1024;
	make->rows = palloc(sizeof(MadeRow) * make->maxrows);
	if (!read_rows(make, names))
		return false;
	items = sort_rows(make, names);
	for (uint64 i = 0; i < make->nrows; i++)
	{
		const MadeRow *row = &make->rows[items[i].index];

		slm_sums_put(names, row->key, row->count, row->gmv, &make->segments[row->place * make->set.n + dimension - make->set.first]);
	}
	return true;
}

static void
forget_segments(SlmSegmentSet set, const SlmTier *tier, const SlmWanted *wanted, bool whole)
{
#define DELETE_SEGMENTS(table, condition, n) {"DELETE FROM sellometer." table " WHERE tier = $1 AND event_type = $2::sellometer.event_type AND event_time = $3 " \
	"AND whole = $4 AND (whole OR made <> $5 OR upto <= $6)" condition, n, {TEXTOID, TEXTOID, TIMESTAMPTZOID, BOOLOID, INT8OID, INT8OID, INT8OID}}
	static SlmStatement five = DELETE_SEGMENTS("segments", "", 6);
	static SlmStatement own = DELETE_SEGMENTS("dimension_segments", " AND dimension_id = $7", 7);
	Datum		args[7] = {CStringGetTextDatum(tier->name), CStringGetTextDatum(slm_event_type_name(wanted->type)), TimestampTzGetDatum(wanted->time),
	BoolGetDatum(whole), Int64GetDatum(wanted->changes.made), Int64GetDatum(wanted->changes.n), Int64GetDatum(set.id)};

	slm_execute(set.id == 0 ? &five : &own, args, NULL, SPI_OK_DELETE);
}

static void
write_segments(SlmSegmentSet set, const SlmTier *tier, const SlmWanted *wanted, bool whole, const SlmSegment *dimensions)
{
	forget_segments(set, tier, wanted, whole);
	slm_segment_insert(set, tier, wanted->type, wanted->time, whole, 0, wanted->changes, dimensions);
}

static void
free_segments(SlmSegment *segments, int n)
{
	for (int i = 0; segments != NULL && i < n; i++)
		slm_segment_free(&segments[i]);
	free(segments);
}

static SlmSegment *
new_segments(int n)
{
	SlmSegment *segments = calloc(Max(n, 1), sizeof(SlmSegment));

	if (segments == NULL)
		slm_out_of_memory();
	return segments;
}

/* Make those of the first n that are wanted; false if they have too many rows. */
static bool
make_missing(const SlmSegmentSet *set, const SlmTier *tier, const SlmWanted *wanted, int n)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer segments", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Make		make = {.set = *set,.tier = tier,.wanted = wanted,.n = n,.snapshot = GetActiveSnapshot(),.segments = new_segments(n * set->n)};
	volatile bool fits = true;

	PG_TRY();
	{
		for (int d = 0; fits && d < set->n; d++)
		{
			fits = make_dimension(&make, set->first + d);
			MemoryContextReset(context);
		}
		for (int i = 0; fits && i < n; i++)
			write_segments(*set, tier, &wanted[i], false, &make.segments[i * set->n]);
	}
	PG_FINALLY();
	{
		free_segments(make.segments, n * set->n);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return fits;
}

/* --- segments of what has some --- */

/* Add up what is from the start of the wanted one on and before another time; false if its names take too much. */
static bool
put_together(SlmSegmentSet set, const SlmTier *tier, const SlmWanted *wanted, TimestampTz to, SlmSegment *segments)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer segments", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	bool		fits = true;

	for (int d = 0; fits && d < set.n; d++)
	{
		SlmSums    *sums = slm_sums_create(set.first + d);

		sums->limit = MAX_NAMES;
		slm_segments_sum(sums, tier, wanted->type, wanted->time, to, "");
		fits = !sums->over && !slm_sums_check(sums);
		if (fits)
			slm_sums_put_all(sums, &segments[d]);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return fits;
}

/* First all is added up, then all is written: rows are locked for a moment. */
static void
put_all_together(const SlmSegmentSet *set, const SlmTier *tier, const SlmWanted *wanted, int n, bool whole)
{
	SlmSegment *segments = new_segments(n * set->n);
	bool	   *fits = palloc0(sizeof(bool) * n);

	PG_TRY();
	{
		for (int i = 0; i < n; i++)
			fits[i] = put_together(*set, tier, &wanted[i], whole ? slm_bucket_next(tier->partition, wanted[i].time) : wanted[i].time + 1,
								   &segments[i * set->n]);
		for (int i = 0; i < n; i++)
		{
			if (fits[i])
				write_segments(*set, tier, &wanted[i], whole, &segments[i * set->n]);
		}
	}
	PG_FINALLY();
	{
		free_segments(segments, n * set->n);
	}
	PG_END_TRY();
}

/* --- step by step --- */

/* About half of those wanted, whole buckets; at least one. */
static int
half_of(const SlmWanted *wanted, int n)
{
	int			half = n / 2;

	while (half > 0 && wanted[half - 1].time == wanted[half].time)
		half--;
	while (half == 0 || (half < n && wanted[half].time == wanted[half - 1].time))
		half++;
	return half;
}

/* Returns the time of the last bucket that was made. */
static TimestampTz
make_wanted(SlmSegmentSet set, const SlmTier *tier, Phase phase, const SlmWanted *wanted, int n)
{
	while (phase == MISSING && !make_missing(&set, tier, wanted, n) && wanted[0].time != wanted[n - 1].time)
		n = half_of(wanted, n);
	if (phase != MISSING)
		put_all_together(&set, tier, wanted, n, phase == WHOLE);
	return wanted[n - 1].time;
}

/*
 * Of buckets that are gone: whoever empties tables by hand leaves such, and so does who makes one while its bucket goes.  Likewise of dimensions that
 * are gone.
 */
static void
forget_orphans(const SlmTier *tier)
{
#define DELETE_ORPHANS(table, condition) {"DELETE FROM sellometer." table " s USING sellometer.tiers t WHERE t.name = $1 AND s.tier = t.name AND (NOT coalesce(" \
	"(SELECT x.event_time FROM sellometer.totals x WHERE x.tier = s.tier AND x.event_type = s.event_type AND x.event_time >= s.event_time " \
	"ORDER BY x.event_time LIMIT 1) < CASE WHEN s.whole THEN sellometer.bucket_next(t.partition_width, s.event_time, t.zone) " \
	"ELSE s.event_time + interval '1 microsecond' END, false)" condition ")", 1, {TEXTOID}}
	static SlmStatement five = DELETE_ORPHANS("segments", "");
	static SlmStatement own = DELETE_ORPHANS("dimension_segments", " OR NOT EXISTS (SELECT FROM sellometer.dimensions d WHERE d.id = s.dimension_id)");
	Datum		name = CStringGetTextDatum(tier->name);

	slm_execute_by_index(&five, &name, NULL, SPI_OK_DELETE);
	slm_execute_by_index(&own, &name, NULL, SPI_OK_DELETE);
}

/* What comes after this phase: of each tier each set, of each set each phase. */
static void
next_phase(Place *place)
{
	if (place->partitions != NULL)
		pfree(place->partitions);
	place->partitions = NULL;
	if (place->phase == WHOLE || (place->phase == LONG && place->tier == 0))
	{
		place->set++;
		place->phase = MISSING;
	}
	else
		place->phase++;
}

static void
next_tier(Place *place)
{
	place->tier++;
	place->set = 0;
	place->phase = MISSING;
}

static SlmWanted *
find_wanted(SlmSegmentSet set, const SlmTier *tier, Phase phase, TimestampTz from, TimestampTz to, int *n)
{
	return phase == WHOLE ? slm_wanted_partitions(set, tier, from, to, n) : slm_wanted_buckets(set, tier, phase == MISSING, from, to, n);
}

static int
compare_times(const void *a, const void *b)
{
	TimestampTz x = *(const TimestampTz *) a;
	TimestampTz y = *(const TimestampTz *) b;

	return (x > y) - (x < y);
}

/* All is looked at but once; what there is to do in each partition is then asked when its turn comes. */
static void
list_partitions(Place *place, SlmSegmentSet set, const SlmTier *tier)
{
	SlmWanted  *wanted = find_wanted(set, tier, place->phase, DT_NOBEGIN, DT_NOEND, &place->n);

	place->partitions = MemoryContextAllocHuge(place->context, sizeof(TimestampTz) * Max(place->n, 1));
	for (int i = 0; i < place->n; i++)
		place->partitions[i] = slm_bucket_start(tier->partition, wanted[i].time);
	qsort(place->partitions, place->n, sizeof(TimestampTz), compare_times);
	place->n = (int) qunique(place->partitions, place->n, sizeof(TimestampTz), compare_times);
	place->next = 0;
	place->from = DT_NOBEGIN;
}

/* Some buckets of the partition at hand, or its own segments. */
static void
make_some(Place *place, SlmSegmentSet set, const SlmTier *tier)
{
	TimestampTz start = place->partitions[place->next];
	TimestampTz end = slm_bucket_next(tier->partition, start);
	int			n;
	SlmWanted  *wanted = find_wanted(set, tier, place->phase, Max(start, place->from), end, &n);

	if (n > 0)
	{
		place->trying = wanted[n - 1].time;
		place->from = make_wanted(set, tier, place->phase, wanted, n) + 1;
	}
	if (n == 0 || place->from > place->trying)
		place->next++;
}

/* The set at hand; the first phase of the next one, if it has gone. */
static bool
find_set(Place *place, SlmSegmentSet *set)
{
	if (!slm_segment_set_from(place->set, set))
		return false;
	if (set->id != place->set)
	{
		if (place->partitions != NULL)
			pfree(place->partitions);
		place->partitions = NULL;
		place->phase = MISSING;
		place->set = set->id;
	}
	return true;
}

static void
make_step(void *arg)
{
	Place	   *place = arg;
	SlmTiers   *tiers = slm_tiers_read();
	const SlmTier *tier = &tiers->tiers[place->tier];
	SlmSegmentSet set;

	place->trying = DT_NOEND;
	place->done = place->tier >= tiers->n;
	if (place->done)
		return;
	/* it may also be that somebody has taken its tables; that is told elsewhere */
	if (!slm_tier_hold(tier) || !find_set(place, &set))
	{
		next_tier(place);
		return;
	}
	PushActiveSnapshot(GetLatestSnapshot());
	if (place->partitions == NULL)
		list_partitions(place, set, tier);
	if (place->next < place->n)
		make_some(place, set, tier);
	PopActiveSnapshot();
	if (place->next < place->n)
		return;
	if (place->phase == MISSING && set.id == 0)
		forget_orphans(tier);
	next_phase(place);
}

/* Those that can't be made don't keep others from being made, but the run fails. */
void
slm_segments_make(SlmRun *run)
{
	Place		place = {.context = CurrentMemoryContext};
	ErrorData  *first = NULL;

	while (!place.done)
	{
		ErrorData  *error;

		CHECK_FOR_INTERRUPTS();
		if (run->held || slm_run_hold(run))
			break;
		error = slm_try_step(run, make_step, &place);
		if (error == NULL)
			continue;
		if (first == NULL)
			first = error;
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED || TIMESTAMP_IS_NOEND(place.trying))
			break;
		if (place.phase == WHOLE)
			place.next++;
		else
			place.from = place.trying + 1;
	}
	if (first != NULL)
		ReThrowError(first);
}
