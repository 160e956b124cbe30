/*
 * tier_merge_sql.c: rows merged into a partition that is not as the extension has made it: somebody has added to it, or keeps its rows elsewhere.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "server/alive.h"
#include "server/locks.h"
#include "server/spi.h"
#include "tiers/tier_merge_sql.h"
#include "types/money.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

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
merge_piece(SlmTierTarget *target, SPIPlanPtr plan, const SlmDelta **rows, int n, bool replacing)
{
	MemoryContext old = MemoryContextSwitchTo(target->scratch);
	Oid			key_type = target->dimension == SLM_PRODUCT_ID ? INT8OID : TEXTOID;
	Datum	   *values[5];
	Datum		args[5];
	int			result;

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	Assert(n > 0 && n <= SLM_ROWS_PER_STATEMENT);

	for (int c = 0; c < 5; c++)
		values[c] = palloc(sizeof(Datum) * n);
	for (int i = 0; i < n; i++)
	{
		/* a row that may become empty is replaced, which takes it away */
		Assert(replacing || rows[i]->count > 0);
		values[0][i] = TimestampTzGetDatum(rows[i]->time);
		values[1][i] = slm_target_key(target, rows[i]->key);
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
prepare_merge(SlmTierTarget *target, Relation rel, bool replace)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			types[5] = {TIMESTAMPTZARRAYOID, target->dimension == SLM_PRODUCT_ID ? INT8ARRAYOID : TEXTARRAYOID,
	get_array_type(target->event_type_oid), INT8ARRAYOID, NUMERICARRAYOID};
	const char *key = slm_dimension_name(target->dimension);
	const char *count_type = slm_tier_count_type(target->tier);
	const char *partition = quote_identifier(RelationGetRelationName(rel));
	char	   *sql = !replace ? upsert_sql(partition, key, count_type) :
		rel->trigdesc != NULL ? counting_replace_sql(partition, key, count_type) : replace_sql(partition, key, count_type);
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

uint64
slm_tier_merge_sql(SlmTierTarget *target, Relation rel, const SlmDeltaRun *run, const bool *wanted, bool replace)
{
	const SlmDelta **piece = palloc(sizeof(SlmDelta *) * SLM_ROWS_PER_STATEMENT);
	uint64		merged = 0;
	int			nest_level = NewGUCNestLevel();

	/* rows that are kept elsewhere can't be merged by ON CONFLICT */
	replace = replace || rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE;
	ereport(DEBUG1, (errmsg_internal("rows of \"%s\" are merged by SQL", RelationGetRelationName(rel))));
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
				bytes += slm_target_key_size(target, &run->rows[i]);
				piece[n++] = &run->rows[i];
			}
			if (n == 0 || (n < SLM_ROWS_PER_STATEMENT && bytes < SLM_BYTES_PER_STATEMENT && i < run->nrows))
				continue;
			if (plan == NULL)
				plan = prepare_merge(target, rel, replacing);
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
