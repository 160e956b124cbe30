/*
 * counters.c: the counters of each source.  They are kept beside the ledger, whose rows go after sellometer.ledger_retention or are
 * tried anew: who watches rates needs numbers that only grow.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "ledger/counters.h"
#include "server/spi.h"
#include "utils/builtins.h"

/* The columns of sellometer.counters behind the source. */
typedef enum Counter
{
	OBJECTS, BYTES, COUNTED, DUPLICATE, REJECTED, EXPIRED, FAILED_ATTEMPTS, COUNTERS
} Counter;

typedef struct SourceSums
{
	const char *source;
	int64		sums[COUNTERS];
} SourceSums;

/* Add to the rows of n sources, of which each comes once: in the order of their names, so that two who do it never wait for each other. */
static void
add_sums(const SourceSums *sums, int n)
{
	static const Oid types[1 + COUNTERS] = {TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID};
	static SlmStatement statement = {
		"INSERT INTO sellometer.counters AS c (source, objects, bytes, rows_counted, rows_duplicate, rows_rejected, rows_expired, failed_attempts) "
		"SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) "
		"ON CONFLICT (source) DO UPDATE SET objects = c.objects + excluded.objects, bytes = c.bytes + excluded.bytes, "
		"rows_counted = c.rows_counted + excluded.rows_counted, rows_duplicate = c.rows_duplicate + excluded.rows_duplicate, "
		"rows_rejected = c.rows_rejected + excluded.rows_rejected, rows_expired = c.rows_expired + excluded.rows_expired, "
		"failed_attempts = c.failed_attempts + excluded.failed_attempts",
		1 + COUNTERS, {TEXTARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID}
	};
	Datum	   *values = palloc(sizeof(Datum) * (1 + COUNTERS) * n);
	bool	   *nulls = palloc0(sizeof(bool) * (1 + COUNTERS) * n);
	Datum		args[1 + COUNTERS];

	for (int i = 0; i < n; i++)
	{
		values[i * (1 + COUNTERS)] = CStringGetTextDatum(sums[i].source);
		for (int j = 0; j < COUNTERS; j++)
			values[i * (1 + COUNTERS) + 1 + j] = Int64GetDatum(sums[i].sums[j]);
	}
	slm_column_arrays(values, nulls, n, 1 + COUNTERS, types, args);
	slm_execute(&statement, args, NULL, SPI_OK_INSERT);
}

static bool
is_loaded(const SlmObject *object)
{
	return object->outcome == SLM_OBJECT_LOADED || object->outcome == SLM_OBJECT_PART;
}

static bool
is_failed_attempt(const SlmObject *object)
{
	return (object->outcome == SLM_OBJECT_RETRY || object->outcome == SLM_OBJECT_FAILED) && !object->uncounted;
}

static void
add_object(SourceSums *sums, const SlmObject *object, const SlmRowCounts *counts)
{
	if (is_loaded(object))
	{
		sums->sums[OBJECTS] += object->outcome == SLM_OBJECT_LOADED;
		sums->sums[BYTES] += object->outcome == SLM_OBJECT_LOADED ? object->size : 0;
		sums->sums[COUNTED] += counts[object->number].counted;
		sums->sums[DUPLICATE] += counts[object->number].duplicate;
		sums->sums[REJECTED] += object->rows_rejected;
		sums->sums[EXPIRED] += object->rows_expired;
	}
	else
		sums->sums[FAILED_ATTEMPTS]++;
}

static int
compare_sources(const void *a, const void *b)
{
	return strcmp((*(const SlmObject *const *) a)->source, (*(const SlmObject *const *) b)->source);
}

void
slm_counters_add(const SlmObject *objects, int n, const SlmRowCounts *counts)
{
	const SlmObject **sorted = palloc(sizeof(SlmObject *) * Max(n, 1));
	SourceSums *sums = palloc0(sizeof(SourceSums) * Max(n, 1));
	int			nsorted = 0;
	int			nsums = 0;

	for (int i = 0; i < n; i++)
	{
		if (is_loaded(&objects[i]) || is_failed_attempt(&objects[i]))
			sorted[nsorted++] = &objects[i];
	}
	qsort(sorted, nsorted, sizeof(SlmObject *), compare_sources);
	for (int i = 0; i < nsorted; i++)
	{
		if (i == 0 || strcmp(sorted[i]->source, sorted[i - 1]->source) != 0)
			sums[nsums++].source = sorted[i]->source;
		add_object(&sums[nsums - 1], sorted[i], counts);
	}
	if (nsums > 0)
		add_sums(sums, nsums);
	pfree(sorted);
	pfree(sums);
}

void
slm_counters_add_rows(const char *source, uint64 counted, uint64 duplicate)
{
	SourceSums	sums = {source};

	sums.sums[COUNTED] = (int64) counted;
	sums.sums[DUPLICATE] = (int64) duplicate;
	add_sums(&sums, 1);
}
