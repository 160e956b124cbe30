/*
 * tier_write.c: apply deltas to the tables of a tier.
 *
 *   cells --slm_deltas_make, _coarsen--> deltas of one dimension, sorted by (partition, key, time, type)
 *      partition is missing:  make it, fill it, attach it; or attach it first, if that is not plain, or the WAL is decoded
 *      else by bucket:        no rows yet --> bulk insert
 *                             has rows    --> merge
 *
 * Which buckets have rows is asked of category_l1, the smallest table.  That answers for all dimensions: counts are
 * never negative and their sum over the keys of a bucket and type is the same in each dimension, so a bucket is empty in
 * all of them or in none.
 */
#include "postgres.h"

#include "access/table.h"
#include "bulkwrite/bulk.h"
#include "bulkwrite/fill.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "server/alive.h"
#include "server/beside.h"
#include "server/locks.h"
#include "server/out_of_memory.h"
#include "server/spi.h"
#include "tiers/tier_scan.h"
#include "tiers/tier_write.h"
#include "types/event_type.h"
#include "types/money.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/pg_rusage.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define ROWS_PER_MERGE		20000

/* Bytes of long keys in one statement; and of those that are kept from one row to the next, as most are few and come often. */
#define BYTES_PER_MERGE		((Size) 1024 * 1024)
#define MAX_KEPT_KEYS		((Size) 4 * 1024 * 1024)

/* What is the same for all rows of one table. */
typedef struct Target
{
	const SlmTier *tier;
	SlmDimension dimension;
	const SlmShape *shape;
	const SlmCatalog *catalog;
	const SlmMeanwhile *often;	/* done while rows are written; or NULL */
	Datum	   *keys;			/* text keys by number, made when first needed, as far as they are kept; 0 = not yet */
	Size		kept_keys;		/* bytes of these */
	Oid			event_types[SLM_EVENT_TYPES];
	Oid			event_type_oid;
	bool		has_triggers;	/* the partition at hand, which are somebody's */
	MemoryContext scratch;		/* reset after each piece of rows */
	MemoryContext text_context; /* holds keys[] */
} Target;

/* A run of rows of one partition. */
typedef struct Run
{
	const SlmDelta *rows;
	uint64		nrows;
	TimestampTz start;			/* of the partition */
} Run;

/* In the current memory context, or kept until the target is done with. */
static Datum
key_datum(Target *target, SlmKeyId key)
{
	SlmSlice	text;
	MemoryContext old;

	if (target->dimension == SLM_PRODUCT_ID)
		return Int64GetDatum(slm_catalog_product(target->catalog, key));
	if (target->keys[key] != (Datum) 0)
		return target->keys[key];
	text = slm_catalog_text(target->catalog, target->dimension, key);
	if (target->kept_keys >= MAX_KEPT_KEYS)
		return PointerGetDatum(cstring_to_text_with_len(text.data, text.len));
	old = MemoryContextSwitchTo(target->text_context);
	target->keys[key] = PointerGetDatum(cstring_to_text_with_len(text.data, text.len));
	target->kept_keys += VARHDRSZ + text.len;
	MemoryContextSwitchTo(old);
	return target->keys[key];
}

/* About how many bytes a row's key takes. */
static Size
key_size(const Target *target, const SlmDelta *row)
{
	return target->dimension == SLM_PRODUCT_ID ? 0 : slm_catalog_text(target->catalog, target->dimension, row->key).len;
}

static void
target_init(Target *target, const SlmTier *tier, SlmDimension dimension, const SlmCatalog *catalog)
{
	*target = (Target) {0};
	target->tier = tier;
	target->dimension = dimension;
	target->catalog = catalog;
	target->shape = slm_tier_shape(tier, dimension);
	target->text_context = AllocSetContextCreate(CurrentMemoryContext, "sellometer keys", ALLOCSET_DEFAULT_SIZES);
	target->scratch = AllocSetContextCreate(CurrentMemoryContext, "sellometer rows", ALLOCSET_DEFAULT_SIZES);
	if (dimension != SLM_PRODUCT_ID)
		target->keys = MemoryContextAllocExtended(target->text_context,
												  sizeof(Datum) * (slm_catalog_keys(catalog, dimension) + 1),
												  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int t = 0; t < SLM_EVENT_TYPES; t++)
		target->event_types[t] = slm_event_type_value(t);
	target->event_type_oid = slm_event_type_oid();
}

static void
target_done(Target *target)
{
	MemoryContextDelete(target->scratch);
	MemoryContextDelete(target->text_context);
}

/* --- bulk insert --- */

/* What is no pointer to something. */
static void
set_plain_values(const Target *target, const int *at, const SlmDelta *row, Datum *values)
{
	values[at[SLM_TIER_TIME]] = TimestampTzGetDatum(row->time);
	values[at[SLM_TIER_TYPE]] = ObjectIdGetDatum(target->event_types[row->type]);
	values[at[SLM_TIER_COUNT]] = target->shape->columns[SLM_TIER_COUNT].type == INT8OID ? Int64GetDatum(row->count)
		: Int32GetDatum((int32) row->count);
}

static void
set_values(Target *target, const SlmDelta *row, Datum *values)
{
	static const int at[SLM_TIER_COLUMNS] = {SLM_TIER_TIME, SLM_TIER_KEY, SLM_TIER_TYPE, SLM_TIER_COUNT, SLM_TIER_GMV};

	values[SLM_TIER_KEY] = key_datum(target, row->key);
	values[SLM_TIER_GMV] = NumericGetDatum(slm_money_to_numeric(row->gmv));
	set_plain_values(target, at, row, values);
}

/* The rows for which wanted says true (or all), to a table with or without indexes. */
static uint64
bulk_insert(Target *target, Oid relid, const Run *run, const bool *wanted)
{
	Relation	rel = table_open(relid, RowExclusiveLock);
	SlmBulk    *bulk = slm_bulk_begin(rel, target->shape, target->often);
	uint64		inserted;

	for (uint64 i = 0; i < run->nrows; i++)
	{
		if (wanted == NULL || wanted[i])
			set_values(target, &run->rows[i], slm_bulk_row(bulk, NULL));
	}
	inserted = slm_bulk_end(bulk);
	table_close(rel, NoLock);
	return inserted;
}

/* The rows of a new table; in a thread, so what their values point to is made here. */
typedef struct NewRows
{
	const Target *target;
	const Run  *run;
	int			at[SLM_MAX_COLUMNS];
	char		key[VARHDRSZ + SLM_MAX_KEY_BYTES];
	char		gmv[SLM_NUMERIC_MAX];
} NewRows;

static void
new_row(void *arg, uint64 i, Datum *values)
{
	NewRows    *new = arg;
	const Target *target = new->target;
	const SlmDelta *row = &new->run->rows[i];

	if (target->dimension == SLM_PRODUCT_ID)
	{
		if (i + SLM_AHEAD < new->run->nrows)
			slm_catalog_prefetch_product(target->catalog, new->run->rows[i + SLM_AHEAD].key);
		values[new->at[SLM_TIER_KEY]] = Int64GetDatum(slm_catalog_product(target->catalog, row->key));
	}
	else
	{
		SlmSlice	text = slm_catalog_text(target->catalog, target->dimension, row->key);

		SET_VARSIZE(new->key, VARHDRSZ + text.len);
		memcpy(VARDATA(new->key), text.data, text.len);
		values[new->at[SLM_TIER_KEY]] = PointerGetDatum(new->key);
	}
	slm_money_put_numeric(row->gmv, new->gmv);
	values[new->at[SLM_TIER_GMV]] = PointerGetDatum(new->gmv);
	set_plain_values(target, new->at, row, values);
}

/* All rows, to a new table with its key. */
static uint64
fill_table(Target *target, Oid relid, const Run *run)
{
	Relation	rel = table_open(relid, AccessExclusiveLock);
	NewRows    *new = palloc(sizeof(NewRows));

	new->target = target;
	new->run = run;
	if (!slm_may_read(rel, target->shape, new->at) || RelationGetDescr(rel)->natts != SLM_TIER_COLUMNS)
		elog(ERROR, "table %s is not as it should be", RelationGetRelationName(rel));
	slm_fill(rel, new_row, new, run->nrows, target->often);
	table_close(rel, NoLock);
	pfree(new);
	return run->nrows;
}

/* May rows be put into a new partition before it has its place? */
static bool
may_fill(Target *target, Oid relid)
{
	Relation	rel = table_open(relid, AccessExclusiveLock);
	bool		possible = slm_fill_possible(rel) && slm_may_write_new(target->shape);

	table_close(rel, NoLock);
	return possible;
}

/*
 * A partition that is missing, with all of its rows.  Else than as pages they go to where it has its place already: so that they are
 * published as those of its parent, and get what the parent's have.
 */
static uint64
write_partition(Target *target, const Run *run)
{
	Oid			relid = slm_partition_create(target->tier, target->dimension, run->start);
	uint64		written;
	PGRUsage	start;

	pg_rusage_init(&start);
	if (may_fill(target, relid))
	{
		slm_partition_add_key(target->tier, target->dimension, run->start);
		written = fill_table(target, relid, run);
		slm_partition_attach(target->tier, target->dimension, run->start);
	}
	else
	{
		slm_partition_add_key(target->tier, target->dimension, run->start);
		slm_partition_attach(target->tier, target->dimension, run->start);
		written = bulk_insert(target, relid, run, NULL);
	}
	ereport(DEBUG2, (errmsg_internal("filled the partition of %s at %s, %s", slm_dimension_name(target->dimension),
									 timestamptz_to_str(run->start), pg_rusage_show(&start))));
	return written;
}

/* --- merge --- */

static char *
upsert_sql(const char *partition, const char *key, const char *count_type)
{
	return psprintf("INSERT INTO sellometer.%1$s AS t (event_time, %2$s, event_type, count, gmv) "
					"SELECT * FROM unnest($1, $2, $3, $4::%3$s[], $5) "
					"ON CONFLICT (%2$s, event_time, event_type) DO UPDATE "
					"SET count = t.count + excluded.count, gmv = t.gmv + excluded.gmv",
					partition, key, count_type);
}

/* The rows of $1 to $5, as d, and those that they replace, which are gone then, as old; what both come to. */
#define TAKE_OLD \
	"WITH d AS (SELECT * FROM unnest($1, $2, $3, $4, $5) AS d (event_time, %2$s, event_type, count, gmv)), " \
	"old AS (DELETE FROM sellometer.%1$s AS t USING d " \
	"WHERE t.%2$s = d.%2$s AND t.event_time = d.event_time AND t.event_type = d.event_type " \
	"RETURNING t.event_time, t.%2$s, t.event_type, t.count::bigint, t.gmv)"
#define SUM_UP \
	"SELECT event_time, %2$s, event_type, sum(count)::%3$s AS count, sum(gmv) AS gmv " \
	"FROM (SELECT * FROM old UNION ALL SELECT * FROM d) AS u (event_time, %2$s, event_type, count, gmv) " \
	"GROUP BY 1, 2, 3 HAVING sum(count) <> 0"
#define PUT_NEW	"INSERT INTO sellometer.%1$s (event_time, %2$s, event_type, count, gmv) "

static char *
replace_sql(const char *partition, const char *key, const char *count_type)
{
	return psprintf(TAKE_OLD " " PUT_NEW SUM_UP, partition, key, count_type);
}

/* Likewise; gives how many of the rows that should have been inserted were not, by a trigger. */
static char *
counting_replace_sql(const char *partition, const char *key, const char *count_type)
{
	return psprintf(TAKE_OLD ", new AS MATERIALIZED (" SUM_UP "), "
					"put AS (" PUT_NEW "SELECT event_time, %2$s, event_type, count, gmv FROM new RETURNING 1) "
					"SELECT (SELECT count(*) FROM new) - (SELECT count(*) FROM put)",
					partition, key, count_type);
}

/* One piece of rows as five arrays, to a statement. */
static void
merge_piece(Target *target, SPIPlanPtr plan, const SlmDelta **rows, int n, bool replacing)
{
	MemoryContext old = MemoryContextSwitchTo(target->scratch);
	Oid			key_type = target->dimension == SLM_PRODUCT_ID ? INT8OID : TEXTOID;
	Datum	   *values[5];
	Datum		args[5];
	int			result;

	for (int c = 0; c < 5; c++)
		values[c] = palloc(sizeof(Datum) * n);
	for (int i = 0; i < n; i++)
	{
		values[0][i] = TimestampTzGetDatum(rows[i]->time);
		values[1][i] = key_datum(target, rows[i]->key);
		values[2][i] = ObjectIdGetDatum(target->event_types[rows[i]->type]);
		values[3][i] = Int64GetDatum(rows[i]->count);
		values[4][i] = NumericGetDatum(slm_money_to_numeric(rows[i]->gmv));
	}
	args[0] = slm_array(values[0], NULL, n, TIMESTAMPTZOID);
	args[1] = slm_array(values[1], NULL, n, key_type);
	args[2] = slm_array(values[2], NULL, n, target->event_type_oid);
	args[3] = slm_array(values[3], NULL, n, INT8OID);
	args[4] = slm_array(values[4], NULL, n, NUMERICOID);
	result = SPI_execute_plan(plan, args, NULL, false, 0);
	if (result != SPI_OK_INSERT && result != SPI_OK_SELECT)
		elog(ERROR, "unexpected result %d of a merge", result);
	if (result == SPI_OK_SELECT ? slm_int64(0, 1, 0) > 0 : !replacing && SPI_processed != (uint64) n)
		slm_bulk_incomplete(n, target->shape->table);
	SPI_freetuptable(SPI_tuptable);
	MemoryContextSwitchTo(old);
	MemoryContextReset(target->scratch);
	slm_alive();
	CHECK_FOR_INTERRUPTS();
}

static SPIPlanPtr
prepare_merge(Target *target, const char *partition, bool replace)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			types[5] = {TIMESTAMPTZARRAYOID, target->dimension == SLM_PRODUCT_ID ? INT8ARRAYOID : TEXTARRAYOID,
	get_array_type(target->event_type_oid), INT8ARRAYOID, NUMERICARRAYOID};
	const char *key = slm_dimension_name(target->dimension);
	const char *count_type = slm_tier_count_type(target->tier);
	char	   *sql = !replace ? upsert_sql(quote_identifier(partition), key, count_type) :
		target->has_triggers ? counting_replace_sql(quote_identifier(partition), key, count_type) :
		replace_sql(quote_identifier(partition), key, count_type);
	SPIPlanPtr	plan = SPI_prepare(sql, 5, types);

	if (plan == NULL)
		elog(ERROR, "could not prepare: %s", sql);
	MemoryContextSwitchTo(context);
	return plan;
}

/*
 * Until the end of the nest level: find the rows of a piece by the primary key.  The planner would rather read and hash a
 * whole partition for some thousand rows, as it takes each of them for a read from disk.
 */
static void
prefer_index(void)
{
	static const char *const settings[] = {"enable_seqscan", "enable_hashjoin", "enable_mergejoin"};

	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i], "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Merge the rows for which wanted says true.  Rows whose count does not grow can empty a row that is there, which only
 * the replacing statement sees to; both kinds never name the same row, so their order is of no matter.
 */
static uint64
merge_rows(Target *target, const char *partition, const Run *run, const bool *wanted, bool replace)
{
	const SlmDelta **piece = palloc(sizeof(SlmDelta *) * ROWS_PER_MERGE);
	uint64		merged = 0;
	int			nest_level = NewGUCNestLevel();

	prefer_index();
	for (int pass = 0; pass < 2; pass++)
	{
		bool		replacing = pass == 1;
		SPIPlanPtr	plan = NULL;
		int			n = 0;
		Size		bytes = 0;

		for (uint64 i = 0; i <= run->nrows; i++)
		{
			if (i < run->nrows && wanted[i] && (replace || run->rows[i].count <= 0) == replacing)
			{
				bytes += key_size(target, &run->rows[i]);
				piece[n++] = &run->rows[i];
			}
			if (n == 0 || (n < ROWS_PER_MERGE && bytes < BYTES_PER_MERGE && i < run->nrows))
				continue;
			if (plan == NULL)
				plan = prepare_merge(target, partition, replacing);
			merge_piece(target, plan, piece, n, replacing);
			merged += n;
			n = 0;
			bytes = 0;
		}
		if (plan != NULL)
			SPI_freeplan(plan);
	}
	AtEOXact_GUC(true, nest_level);
	pfree(piece);
	return merged;
}

/* --- which way for which rows --- */

static int
compare_times(const void *a, const void *b)
{
	TimestampTz x = *(const TimestampTz *) a;
	TimestampTz y = *(const TimestampTz *) b;

	return (x > y) - (x < y);
}

/* The wanted buckets that have rows in the tier already, ascending. */
static TimestampTz *
present_buckets(const SlmTier *tier, const SlmCells *cells, int *npresent)
{
	Datum	   *times = palloc(sizeof(Datum) * Max(cells->nbuckets, 1));
	TimestampTz *present;
	Oid			type = TIMESTAMPTZARRAYOID;
	Datum		arg;
	char	   *sql;
	int			n = 0;
	MemoryContext context = CurrentMemoryContext;

	for (uint32 i = 0; i < cells->nbuckets; i++)
	{
		if (cells->buckets[i].wanted)
			times[n++] = TimestampTzGetDatum(cells->buckets[i].start);
	}
	*npresent = 0;
	if (n == 0)
		return NULL;
	/* the bounds let the planner leave out other partitions; an array alone does not */
	sql = psprintf("SELECT DISTINCT event_time FROM sellometer.%s WHERE event_time = ANY ($1) "
				   "AND event_time BETWEEN '%s'::timestamptz AND '%s'::timestamptz",
				   quote_identifier(psprintf("category_l1_%s", tier->name)),
				   pstrdup(timestamptz_to_str(DatumGetTimestampTz(times[0]))),
				   pstrdup(timestamptz_to_str(DatumGetTimestampTz(times[n - 1]))));
	arg = slm_array(times, NULL, n, TIMESTAMPTZOID);
	if (SPI_execute_with_args(sql, 1, &type, &arg, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for buckets of tier %s", tier->name);
	MemoryContextSwitchTo(context);

	*npresent = (int) SPI_processed;
	present = MemoryContextAlloc(context, sizeof(TimestampTz) * Max(*npresent, 1));
	for (int i = 0; i < *npresent; i++)
		present[i] = slm_int64(i, 1, 0);
	SPI_freetuptable(SPI_tuptable);
	qsort(present, *npresent, sizeof(TimestampTz), compare_times);
	return present;
}

static bool
has_triggers(Oid relid)
{
	Relation	rel = table_open(relid, RowExclusiveLock);
	bool		has = rel->trigdesc != NULL;

	table_close(rel, NoLock);
	return has;
}

static uint64
write_run(Target *target, const Run *run, const TimestampTz *present, int npresent, bool replace)
{
	char		partition[NAMEDATALEN];
	Oid			relid = slm_partition_find(target->tier, target->dimension, run->start, partition);
	bool	   *merge;
	bool	   *fresh;
	uint64		written;

	if (!OidIsValid(relid))
		return write_partition(target, run);
	merge = MemoryContextAllocHuge(CurrentMemoryContext, run->nrows * sizeof(bool));
	fresh = MemoryContextAllocHuge(CurrentMemoryContext, run->nrows * sizeof(bool));
	for (uint64 i = 0; i < run->nrows; i++)
	{
		merge[i] = npresent > 0 &&
			bsearch(&run->rows[i].time, present, npresent, sizeof(TimestampTz), compare_times) != NULL;
		fresh[i] = !merge[i];
	}
	target->has_triggers = has_triggers(relid);
	/* rows that are kept elsewhere can't be merged by ON CONFLICT */
	replace = replace || get_rel_relkind(relid) == RELKIND_FOREIGN_TABLE;
	written = merge_rows(target, partition, run, merge, replace);
	written += bulk_insert(target, relid, run, fresh);
	pfree(merge);
	pfree(fresh);
	return written;
}

static uint64
write_deltas(const SlmTier *tier, SlmDimension dimension, const SlmDeltas *deltas, const SlmCatalog *catalog,
			 const TimestampTz *present, int npresent, bool replace, const SlmMeanwhile *often)
{
	Target		target;
	uint64		written = 0;

	target_init(&target, tier, dimension, catalog);
	target.often = often;
	for (uint64 begin = 0, end; begin < deltas->nrows; begin = end)
	{
		Run			run = {.rows = &deltas->rows[begin]};
		TimestampTz next;

		run.start = slm_bucket_start(tier->partition, deltas->rows[begin].time);
		next = slm_bucket_next(tier->partition, run.start);
		for (end = begin; end < deltas->nrows && deltas->rows[end].time >= run.start &&
			 deltas->rows[end].time < next;)
			end++;
		run.nrows = end - begin;
		written += write_run(&target, &run, present, npresent, replace);
	}
	target_done(&target);
	return written;
}

uint64
slm_tier_write_new(const SlmTier *tier, SlmDimension dimension, const SlmDeltas *deltas, const SlmCatalog *catalog)
{
	return write_deltas(tier, dimension, deltas, catalog, NULL, 0, false, NULL);
}

/*
 * The deltas of a dimension, which a thread makes while those of the one before are written; those of a category level are made of
 * those of the finer one.  They stand in memory that an error would not free.
 */
typedef struct Level
{
	SlmThread	thread;
	SlmCells   *cells;
	const SlmCatalog *catalog;
	SlmDimension dimension;
	SlmDeltas  *finer;
	SlmDeltas	deltas;
	bool		ok;
} Level;

static void
make_level(void *arg)
{
	Level	   *level = arg;

	level->ok = level->dimension > SLM_CATEGORY_L3 ?
		slm_deltas_coarsen(level->finer, level->cells, level->catalog, level->dimension, &level->deltas) :
		slm_deltas_make(level->cells, level->catalog, level->dimension, &level->deltas);
}

static void
begin_level(Level *levels, SlmDimension dimension, SlmCells *cells, const SlmCatalog *catalog)
{
	Level	   *level = &levels[dimension];

	level->cells = cells;
	level->catalog = catalog;
	level->dimension = dimension;
	level->finer = dimension > 0 ? &levels[dimension - 1].deltas : NULL;
	slm_beside_start(&level->thread, make_level, level, cells->ncells);
}

/* What is done with the deltas of each dimension, and, if not NULL, while those of the first are made. */
typedef struct EachDimension
{
	const SlmMeanwhile *once;
	void		(*callback) (SlmDimension dimension, const SlmDeltas *deltas, void *arg);
	void	   *arg;
} EachDimension;

static void
each_dimension(SlmCells *cells, const SlmCatalog *catalog, const EachDimension *each)
{
	Level	   *levels = palloc0(sizeof(Level) * SLM_DIMENSIONS);

	PG_TRY();
	{
		begin_level(levels, 0, cells, catalog);
		slm_meanwhile(each->once);
		for (SlmDimension d = 0; d < SLM_DIMENSIONS; d++)
		{
			slm_thread_join(&levels[d].thread);
			if (!levels[d].ok)
				slm_out_of_memory();
			if (d > 0)
				slm_deltas_free(&levels[d - 1].deltas);
			if (d + 1 < SLM_DIMENSIONS)
				begin_level(levels, d + 1, cells, catalog);
			each->callback(d, &levels[d].deltas, each->arg);
		}
	}
	PG_FINALLY();
	{
		/* the thread that may still run reads those of the dimension before */
		for (int d = 0; d < SLM_DIMENSIONS; d++)
			slm_thread_join(&levels[d].thread);
		for (int d = 0; d < SLM_DIMENSIONS; d++)
			slm_deltas_free(&levels[d].deltas);
	}
	PG_END_TRY();
	pfree(levels);
}

typedef struct Write
{
	const SlmTier *tier;
	const SlmCatalog *catalog;
	const TimestampTz *present;
	int			npresent;
	bool		replace;
	const SlmMeanwhile *often;
	uint64		written;
} Write;

static void
write_dimension(SlmDimension dimension, const SlmDeltas *deltas, void *arg)
{
	Write	   *w = arg;

	w->written += write_deltas(w->tier, dimension, deltas, w->catalog, w->present, w->npresent, w->replace, w->often);
}

uint64
slm_tier_write(const SlmTier *tier, SlmCells *cells, const SlmCatalog *catalog, bool replace,
			   const SlmMeanwhile *once, const SlmMeanwhile *often)
{
	Write		w = {.tier = tier,.catalog = catalog,.replace = replace,.often = often};
	EachDimension each = {.once = once,.callback = write_dimension,.arg = &w};

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	w.present = present_buckets(tier, cells, &w.npresent);
	each_dimension(cells, catalog, &each);
	return w.written;
}

/* --- changes while a bucket is being rolled up --- */

static Datum
key_text(Target *target, SlmKeyId key)
{
	if (target->dimension == SLM_PRODUCT_ID)
		return CStringGetTextDatum(psprintf(INT64_FORMAT, DatumGetInt64(key_datum(target, key))));
	return key_datum(target, key);
}

/* Some keys, which are forgotten then. */
static void
put_keys(Target *target, Datum *keys, int n)
{
	static SlmStatement statement = {
		"INSERT INTO sellometer.rollup_changes (tier, dimension, keys) VALUES ($1, $2, $3)",
		3, {TEXTOID, TEXTOID, TEXTARRAYOID}
	};
	Datum		args[3] = {CStringGetTextDatum(target->tier->name), CStringGetTextDatum(slm_dimension_name(target->dimension)),
	slm_array(keys, NULL, n, TEXTOID)};

	slm_execute(&statement, args, NULL, SPI_OK_INSERT);
	MemoryContextReset(target->scratch);
}

static void
note_keys(const SlmTier *tier, SlmDimension dimension, const SlmCatalog *catalog, const SlmDeltas *deltas)
{
	MemoryContext old = CurrentMemoryContext;
	Target		target;
	Datum	   *keys = palloc(sizeof(Datum) * ROWS_PER_MERGE);
	Size		bytes = 0;
	int			n = 0;

	target_init(&target, tier, dimension, catalog);
	MemoryContextSwitchTo(target.scratch);
	for (uint64 i = 0; i <= deltas->nrows; i++)
	{
		if (n > 0 && (i == deltas->nrows || n == ROWS_PER_MERGE || bytes >= BYTES_PER_MERGE))
		{
			put_keys(&target, keys, n);
			n = 0;
			bytes = 0;
		}
		/* sorted by key, within a partition */
		if (i == deltas->nrows || (i > 0 && deltas->rows[i].key == deltas->rows[i - 1].key))
			continue;
		bytes += key_size(&target, &deltas->rows[i]);
		keys[n++] = key_text(&target, deltas->rows[i].key);
	}
	MemoryContextSwitchTo(old);
	target_done(&target);
	pfree(keys);
}

static void
note_dimension(SlmDimension dimension, const SlmDeltas *deltas, void *arg)
{
	Write	   *w = arg;

	if (deltas->nrows > 0)
		note_keys(w->tier, dimension, w->catalog, deltas);
}

void
slm_tier_note_changes(const SlmTier *tier, SlmCells *cells, const SlmCatalog *catalog)
{
	Write		w = {.tier = tier,.catalog = catalog};

	each_dimension(cells, catalog, &(EachDimension) {.callback = note_dimension,.arg = &w});
}
