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
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* A bucket with more is worth adding up. */
#define MANY			4

/*
 * Rows in memory at a time, with what sorting takes; if a partition's buckets have more, they are made in parts.  A bucket that has more, or names that
 * take more, goes without: its rows are read.
 */
#define MAX_ROWS		(slm_budget_rollup() / 2 / (sizeof(MadeRow) + 2 * sizeof(SlmSortItem)))
#define MAX_NAMES		(slm_budget_rollup() / 2)

/* Which segments a bucket, or a partition, and type are to have. */
typedef struct Wanted
{
	TimestampTz time;
	SlmEventType type;
	SlmChanges	changes;
} Wanted;

/* How far the work has come: each bucket has its turn but once, in case it can't be helped. */
typedef enum Phase
{
	MISSING, LONG, WHOLE
} Phase;

typedef struct Place
{
	int			tier;
	Phase		phase;
	MemoryContext context;		/* of the partitions; lives as long as the work */
	TimestampTz *partitions;	/* that have something to be made in this phase, ascending; NULL: not looked for yet */
	int			n;
	int			next;			/* the one at hand ... */
	TimestampTz from;			/* ... and from which bucket on */
	TimestampTz trying;			/* up to here they are being made; DT_NOEND: none */
	bool		done;			/* there are no more tiers */
} Place;

/* --- which --- */

static int
compare_wanted(const void *a, const void *b)
{
	const Wanted *x = a;
	const Wanted *y = b;

	return x->time != y->time ? (x->time > y->time) - (x->time < y->time) : (int) x->type - (int) y->type;
}

/* What a row of a result says: time, type, changes (a segment: up to which), maker. */
static Wanted
wanted_of_row(uint64 row)
{
	bool		isnull;

	return (Wanted) {.time = slm_int64(row, 1, 0),.type = slm_event_type_of(DatumGetObjectId(slm_value(row, 2, &isnull))),
		.changes = {.n = slm_int64(row, 3, 0),.made = slm_int64(row, 4, 0)}};
}

/* The totals' buckets from a time on and before another, by type and time. */
static Wanted *
read_totals(const SlmTier *tier, TimestampTz from, TimestampTz to, int *n)
{
	static SlmStatement statement = {
		"SELECT event_time, event_type, changes, made FROM sellometer.totals "
		"WHERE tier = $1 AND event_time >= $2 AND event_time < $3 ORDER BY event_type, event_time",
		3, {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		args[3] = {CStringGetTextDatum(tier->name), TimestampTzGetDatum(from), TimestampTzGetDatum(to)};
	Wanted	   *totals;

	*n = (int) slm_query(&statement, args);
	totals = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Wanted) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		totals[i] = wanted_of_row(i);
	SPI_freetuptable(SPI_tuptable);
	return totals;
}

/* Of what there is in a result of segments, by type and time, what comes before this one; does that which follows belong to it? */
static bool
is_next(const Wanted *wanted, uint64 *row, uint64 rows)
{
	for (; *row < rows; (*row)++)
	{
		Wanted		segment = wanted_of_row(*row);

		if (segment.type > wanted->type || (segment.type == wanted->type && segment.time > wanted->time))
			return false;
		if (segment.type == wanted->type && segment.time == wanted->time)
			return true;
	}
	return false;
}

/* Are the segments that come next those of all changes of the bucket?  And how many are they? */
static bool
is_covered(const Wanted *wanted, uint64 *row, uint64 rows, int *n)
{
	int64		upto = 0;
	bool		gap = false;

	for (*n = 0; is_next(wanted, row, rows); (*row)++, (*n)++)
	{
		SlmChanges	segment = wanted_of_row(*row).changes;

		gap |= segment.made != wanted->changes.made || slm_int64(*row, 5, 0) != upto;
		upto = segment.n;
	}
	return !gap && upto == wanted->changes.n;
}

/* Buckets from a time on and before another that lack segments or have many; ascending by time and type. */
static Wanted *
find_buckets(const SlmTier *tier, Phase phase, TimestampTz from, TimestampTz to, int *n)
{
	static SlmStatement statement = {
		"SELECT event_time, event_type, upto, made, since FROM sellometer.segments "
		"WHERE tier = $1 AND event_type = ANY (enum_range(NULL::sellometer.event_type)) AND event_time >= $2 AND event_time < $3 AND NOT whole "
		"ORDER BY event_type, event_time, upto",
		3, {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		args[3] = {CStringGetTextDatum(tier->name), TimestampTzGetDatum(from), TimestampTzGetDatum(to)};
	int			nbuckets;
	Wanted	   *buckets = read_totals(tier, from, to, &nbuckets);
	uint64		rows = slm_query(&statement, args);
	uint64		row = 0;

	*n = 0;
	for (int i = 0; i < nbuckets; i++)
	{
		int			nsegments;
		bool		covered = is_covered(&buckets[i], &row, rows, &nsegments);

		if (phase == MISSING ? !covered : covered && nsegments > MANY)
			buckets[(*n)++] = buckets[i];
	}
	SPI_freetuptable(SPI_tuptable);
	qsort(buckets, *n, sizeof(Wanted), compare_wanted);
	return buckets;
}

/* The partitions and types from a time on and before another that have totals of several buckets, by type and time. */
static Wanted *
read_partitions(const SlmTier *tier, TimestampTz from, TimestampTz to, int *n)
{
	int			nbuckets;
	Wanted	   *totals = read_totals(tier, from, to, &nbuckets);
	SlmBucketChanges *buckets = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(SlmBucketChanges) * Max(nbuckets, 1));

	*n = 0;
	for (int i = 0; i < nbuckets; i++)
		buckets[i] = (SlmBucketChanges) {.time = totals[i].time,.changes = totals[i].changes};
	for (int i = 0, end; i < nbuckets; i = end)
	{
		SlmEventType type = totals[i].type;
		TimestampTz start = slm_bucket_start(tier->partition, totals[i].time);
		TimestampTz next = slm_bucket_next(tier->partition, start);

		for (end = i + 1; end < nbuckets && totals[end].time < next && totals[end].type == type;)
			end++;
		if (end - i > 1)
			totals[(*n)++] = (Wanted) {.time = start,.type = type,.changes = slm_changes_of(buckets + i, end - i)};
	}
	pfree(buckets);
	return totals;
}

/* The partitions from a time on and before another, of several buckets and complete, whose segments are not what their buckets have now. */
static Wanted *
find_partitions(const SlmTier *tier, TimestampTz from, TimestampTz to, int *n)
{
	static SlmStatement statement = {
		"SELECT event_time, event_type, upto, made FROM sellometer.segments "
		"WHERE tier = $1 AND event_type = ANY (enum_range(NULL::sellometer.event_type)) AND event_time >= $2 AND event_time < $3 AND whole "
		"ORDER BY event_type, event_time",
		3, {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	TimestampTz complete = TIMESTAMP_NOT_FINITE(tier->watermark) ? tier->watermark : slm_bucket_start(tier->partition, tier->watermark);
	Datum		args[3] = {CStringGetTextDatum(tier->name), TimestampTzGetDatum(from), TimestampTzGetDatum(Min(to, complete))};
	int			npartitions;
	Wanted	   *partitions = read_partitions(tier, from, Min(to, complete), &npartitions);
	uint64		rows = slm_query(&statement, args);
	uint64		row = 0;

	*n = 0;
	for (int i = 0; i < npartitions; i++)
	{
		SlmChanges	whole = is_next(&partitions[i], &row, rows) ? wanted_of_row(row).changes : (SlmChanges) {0};

		if (whole.n != partitions[i].changes.n || whole.made != partitions[i].changes.made)
			partitions[(*n)++] = partitions[i];
	}
	SPI_freetuptable(SPI_tuptable);
	return partitions;
}

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
	const SlmTier *tier;
	const Wanted *wanted;
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
	Wanted		of = {.time = row->time,.type = row->type};
	const Wanted *wanted = bsearch(&of, make->wanted, make->n, sizeof(Wanted), compare_wanted);

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

		slm_sums_put(names, row->key, row->count, row->gmv, &make->segments[row->place * SLM_DIMENSIONS + dimension]);
	}
	return true;
}

static void
forget_segments(const SlmTier *tier, const Wanted *wanted, bool whole)
{
	static SlmStatement statement = {
		"DELETE FROM sellometer.segments WHERE tier = $1 AND event_type = $2::sellometer.event_type AND event_time = $3 AND whole = $4 "
		"AND (whole OR made <> $5 OR upto <= $6)",
		6, {TEXTOID, TEXTOID, TIMESTAMPTZOID, BOOLOID, INT8OID, INT8OID}
	};
	Datum		args[6] = {CStringGetTextDatum(tier->name), CStringGetTextDatum(slm_event_type_name(wanted->type)),
	TimestampTzGetDatum(wanted->time), BoolGetDatum(whole), Int64GetDatum(wanted->changes.made), Int64GetDatum(wanted->changes.n)};

	slm_execute(&statement, args, NULL, SPI_OK_DELETE);
}

static void
write_segments(const SlmTier *tier, const Wanted *wanted, bool whole, const SlmSegment *dimensions)
{
	forget_segments(tier, wanted, whole);
	slm_segment_insert(tier, wanted->type, wanted->time, whole, 0, wanted->changes, dimensions);
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
make_missing(const SlmTier *tier, const Wanted *wanted, int n)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer segments", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Make		make = {.tier = tier,.wanted = wanted,.n = n,.snapshot = GetActiveSnapshot(),.segments = new_segments(n * SLM_DIMENSIONS)};
	volatile bool fits = true;

	PG_TRY();
	{
		for (SlmDimension d = 0; fits && d < SLM_DIMENSIONS; d++)
		{
			fits = make_dimension(&make, d);
			MemoryContextReset(context);
		}
		for (int i = 0; fits && i < n; i++)
			write_segments(tier, &wanted[i], false, &make.segments[i * SLM_DIMENSIONS]);
	}
	PG_FINALLY();
	{
		free_segments(make.segments, n * SLM_DIMENSIONS);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return fits;
}

/* --- segments of what has some --- */

/* Add up what is from the start of the wanted one on and before another time; false if its names take too much. */
static bool
put_together(const SlmTier *tier, const Wanted *wanted, TimestampTz to, SlmSegment *segments)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer segments", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	bool		fits = true;

	for (SlmDimension d = 0; fits && d < SLM_DIMENSIONS; d++)
	{
		SlmSums    *sums = slm_sums_create(d);

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
put_all_together(const SlmTier *tier, const Wanted *wanted, int n, bool whole)
{
	SlmSegment *segments = new_segments(n * SLM_DIMENSIONS);
	bool	   *fits = palloc0(sizeof(bool) * n);

	PG_TRY();
	{
		for (int i = 0; i < n; i++)
			fits[i] = put_together(tier, &wanted[i], whole ? slm_bucket_next(tier->partition, wanted[i].time) : wanted[i].time + 1,
								   &segments[i * SLM_DIMENSIONS]);
		for (int i = 0; i < n; i++)
		{
			if (fits[i])
				write_segments(tier, &wanted[i], whole, &segments[i * SLM_DIMENSIONS]);
		}
	}
	PG_FINALLY();
	{
		free_segments(segments, n * SLM_DIMENSIONS);
	}
	PG_END_TRY();
}

/* --- step by step --- */

/* About half of those wanted, whole buckets; at least one. */
static int
half_of(const Wanted *wanted, int n)
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
make_wanted(const SlmTier *tier, Phase phase, const Wanted *wanted, int n)
{
	while (phase == MISSING && !make_missing(tier, wanted, n) && wanted[0].time != wanted[n - 1].time)
		n = half_of(wanted, n);
	if (phase != MISSING)
		put_all_together(tier, wanted, n, phase == WHOLE);
	return wanted[n - 1].time;
}

/* Of buckets that are gone: whoever empties tables by hand leaves such, and so does who makes one while its bucket goes. */
static void
forget_orphans(const SlmTier *tier)
{
	static SlmStatement statement = {
		"DELETE FROM sellometer.segments s USING sellometer.tiers t WHERE t.name = $1 AND s.tier = t.name AND NOT coalesce("
		"(SELECT x.event_time FROM sellometer.totals x WHERE x.tier = s.tier AND x.event_type = s.event_type AND x.event_time >= s.event_time "
		"ORDER BY x.event_time LIMIT 1) < CASE WHEN s.whole THEN sellometer.bucket_next(t.partition_width, s.event_time, t.zone) "
		"ELSE s.event_time + interval '1 microsecond' END, false)",
		1, {TEXTOID}
	};
	Datum		name = CStringGetTextDatum(tier->name);

	slm_execute_by_index(&statement, &name, NULL, SPI_OK_DELETE);
}

/* What comes after this phase. */
static void
next_phase(Place *place)
{
	if (place->partitions != NULL)
		pfree(place->partitions);
	place->partitions = NULL;
	if (place->phase == WHOLE || (place->phase == LONG && place->tier == 0))
	{
		place->tier++;
		place->phase = MISSING;
	}
	else
		place->phase++;
}

static Wanted *
find_wanted(const SlmTier *tier, Phase phase, TimestampTz from, TimestampTz to, int *n)
{
	return phase == WHOLE ? find_partitions(tier, from, to, n) : find_buckets(tier, phase, from, to, n);
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
list_partitions(Place *place, const SlmTier *tier)
{
	Wanted	   *wanted = find_wanted(tier, place->phase, DT_NOBEGIN, DT_NOEND, &place->n);

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
make_some(Place *place, const SlmTier *tier)
{
	TimestampTz start = place->partitions[place->next];
	TimestampTz end = slm_bucket_next(tier->partition, start);
	int			n;
	Wanted	   *wanted = find_wanted(tier, place->phase, Max(start, place->from), end, &n);

	if (n > 0)
	{
		place->trying = wanted[n - 1].time;
		place->from = make_wanted(tier, place->phase, wanted, n) + 1;
	}
	if (n == 0 || place->from > place->trying)
		place->next++;
}

static void
make_step(void *arg)
{
	Place	   *place = arg;
	SlmTiers   *tiers = slm_tiers_read();
	const SlmTier *tier = &tiers->tiers[place->tier];

	place->trying = DT_NOEND;
	place->done = place->tier >= tiers->n;
	if (place->done)
		return;
	if (!slm_tier_hold(tier))
	{
		/* somebody has taken its tables; that is told elsewhere */
		place->phase = WHOLE;
		next_phase(place);
		return;
	}
	PushActiveSnapshot(GetLatestSnapshot());
	if (place->partitions == NULL)
		list_partitions(place, tier);
	if (place->next < place->n)
		make_some(place, tier);
	PopActiveSnapshot();
	if (place->next < place->n)
		return;
	if (place->phase == MISSING)
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
