/*
 * record.c: what became of the objects of a batch.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "guc.h"
#include "ledger/counters.h"
#include "ledger/currency.h"
#include "ledger/key_time.h"
#include "ledger/record.h"
#include "ledger/refused.h"
#include "server/locks.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define MAX_RETRY_DELAY_MS	(3600 * 1000)
#define SOURCE_DELAY_MS		10000

/* When to try again: twice the delay of the last time, half of it by chance; what the server asked for, at least. */
static TimestampTz
next_attempt(const SlmObject *object)
{
	double		delay = slm_retry_delay * pow(2.0, Min(object->attempts, 30));

	/* if it is the source that can't be read, all are due when it is back, and before that a few are tried (source_health.c) */
	if (object->uncounted)
		delay = Max(delay, SOURCE_DELAY_MS);
	delay = Min(delay, (double) MAX_RETRY_DELAY_MS);
	delay *= 0.5 + 0.5 * pg_prng_double(&pg_global_prng_state);
	delay = Max(delay, (double) object->retry_after_ms);
	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), (int64) delay);
}

static Datum
time_or_null(TimestampTz time, char *null)
{
	*null = TIMESTAMP_NOT_FINITE(time) ? 'n' : ' ';
	return TimestampTzGetDatum(time);
}

/* The times that counted in a part: what tells later which of its rows did. */
static void
record_part(const SlmObject *object)
{
	static SlmStatement statement = {
		"INSERT INTO sellometer.object_parts (object_id, from_row, rows, first_event, last_event) VALUES ($1, $2, $3, $4, $5)",
		5, {INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	char		nulls[] = "     ";
	Datum		args[5];

	args[0] = Int64GetDatum(object->id);
	args[1] = Int64GetDatum(object->resume_row);
	args[2] = Int64GetDatum(object->rows_total);
	args[3] = time_or_null(object->first_event, &nulls[3]);
	args[4] = time_or_null(object->last_event, &nulls[4]);
	slm_execute(&statement, args, nulls, SPI_OK_INSERT);
}

/* What is recorded of a loaded object. */
enum
{
	ID, IS_PART, TOTAL, COUNTED, DUPLICATE, REJECTED, EXPIRED, ELSEWHERE, FIRST_EVENT, LAST_EVENT, TIME, TIME_LIMIT, CHECKSUM, HEAD, IGNORED, FORMAT, RATES, OWN_SLICE, COLUMNS
};

static void
fill_loaded(const SlmObject *object, const SlmRowCounts *counts, Datum *values, bool *nulls)
{
	TimestampTz time = slm_key_time(object->key);

	/* each row is one of these, or what the ledger says would not add up */
	Assert(counts->counted + counts->duplicate + object->rows_rejected + object->rows_expired + object->rows_elsewhere == object->rows_total);

	if (TIMESTAMP_IS_NOBEGIN(time))
		time = object->median;
	else if (TIMESTAMP_IS_NOBEGIN(object->object_time)) /* one that might have been the same again was entered without it */
		time += slm_key_offset(object->source);
	values[ID] = Int64GetDatum(object->id);
	values[IS_PART] = BoolGetDatum(object->outcome == SLM_OBJECT_PART);
	values[TOTAL] = Int64GetDatum(object->rows_total);
	values[COUNTED] = Int64GetDatum(counts->counted);
	values[DUPLICATE] = Int64GetDatum(counts->duplicate);
	values[REJECTED] = Int64GetDatum(object->rows_rejected);
	values[EXPIRED] = Int64GetDatum(object->rows_expired);
	values[ELSEWHERE] = Int64GetDatum(object->rows_elsewhere);
	values[FIRST_EVENT] = TimestampTzGetDatum(object->first_event);
	values[LAST_EVENT] = TimestampTzGetDatum(object->last_event);
	values[TIME] = TimestampTzGetDatum(time);
	values[TIME_LIMIT] = TimestampTzGetDatum(object->time_limit);
	values[CHECKSUM] = slm_checksum_datum(&object->checksum);
	values[HEAD] = TimestampTzGetDatum(object->median);
	values[IGNORED] = Int64GetDatum(object->rows_ignored);
	values[FORMAT] = Int64GetDatum(object->format_id);
	values[RATES] = object->rates == NULL ? (Datum) 0 : slm_currency_datum(object->rates, object->rates_len);
	values[OWN_SLICE] = BoolGetDatum(object->own_slice);
	memset(nulls, false, COLUMNS * sizeof(bool));
	nulls[FIRST_EVENT] = TIMESTAMP_NOT_FINITE(object->first_event);
	nulls[LAST_EVENT] = TIMESTAMP_NOT_FINITE(object->last_event);
	nulls[TIME] = TIMESTAMP_NOT_FINITE(time);
	nulls[CHECKSUM] = !object->has_checksum;
	nulls[HEAD] = TIMESTAMP_NOT_FINITE(object->median);
	nulls[FORMAT] = object->format_id == 0;
	nulls[RATES] = object->rates == NULL;
}

/* The loaded ones of n objects, all at once: done, unless more parts of it are to come. */
static void
record_loaded(const SlmObject *objects, int n, const SlmRowCounts *counts)
{
	static const Oid types[COLUMNS] = {INT8OID, BOOLOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID,
	TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, UUIDOID, TIMESTAMPTZOID, INT8OID, INT8OID, BYTEAOID, BOOLOID};
	static SlmStatement statement = {
		"UPDATE sellometer.objects o SET state = CASE WHEN n.is_part THEN o.state ELSE 'done' END, "
		"rows_total = o.rows_total + n.total, rows_counted = o.rows_counted + n.counted, "
		"rows_duplicate = o.rows_duplicate + n.duplicate, rows_rejected = o.rows_rejected + n.rejected, "
		"rows_expired = o.rows_expired + n.expired, rows_elsewhere = o.rows_elsewhere + n.elsewhere, "
		"first_event = least(o.first_event, n.first_event), last_event = greatest(o.last_event, n.last_event), "
		"object_time = coalesce(o.object_time, n.time, (SELECT head FROM sellometer.state)), "
		"resume_row = CASE WHEN n.is_part THEN o.resume_row + n.total ELSE 0 END, "
		"time_limit = CASE WHEN n.is_part THEN n.time_limit END, "
		"ingested_at = CASE WHEN n.is_part THEN NULL ELSE clock_timestamp() END, "
		"next_attempt = NULL, error = NULL, sqlstate = NULL, checksum = coalesce(n.checksum, o.checksum), "
		"head = greatest(o.head, n.head), rows_ignored = n.ignored, format_id = n.format, rates = n.rates, own_slice = n.own_slice, "
		"counted_source = CASE WHEN o.resume_row > 0 THEN o.counted_source END, counted_key = CASE WHEN o.resume_row > 0 THEN o.counted_key END "
		"FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) "
		"AS n (id, is_part, total, counted, duplicate, rejected, expired, elsewhere, first_event, last_event, time, time_limit, checksum, head, ignored, format, rates, own_slice) "
		"WHERE o.id = n.id",
		COLUMNS, {INT8ARRAYOID, BOOLARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID,
		TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, UUIDARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, INT8ARRAYOID, BYTEAARRAYOID, BOOLARRAYOID}
	};
	Datum	   *values = palloc(sizeof(Datum) * COLUMNS * Max(n, 1));
	bool	   *nulls = palloc(sizeof(bool) * COLUMNS * Max(n, 1));
	Datum		args[COLUMNS];
	int			loaded = 0;

	for (int i = 0; i < n; i++)
	{
		const SlmObject *object = &objects[i];

		if (object->outcome != SLM_OBJECT_LOADED && object->outcome != SLM_OBJECT_PART)
			continue;
		Assert(slm_lock_held(SLM_LOCK_WRITER));
		Assert(object->number >= 0);
		fill_loaded(object, &counts[object->number], &values[loaded * COLUMNS], &nulls[loaded * COLUMNS]);
		loaded++;
	}
	if (loaded == 0)
		return;
	slm_column_arrays(values, nulls, loaded, COLUMNS, types, args);
	slm_execute_by_index(&statement, args, NULL, SPI_OK_UPDATE);
}

static void
record_late(const SlmObject *object)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects SET state = 'backlog', object_time = $2 WHERE id = $1", 2, {INT8OID, TIMESTAMPTZOID}
	};
	Datum		args[2] = {Int64GetDatum(object->id), TimestampTzGetDatum(object->object_time)};

	/* backlog is in the order of it */
	Assert(!TIMESTAMP_NOT_FINITE(object->object_time));

	slm_execute_by_index(&statement, args, NULL, SPI_OK_UPDATE);
}

/* The whole of an error, for those who may know how its source is reached. */
static void
record_error_detail(const SlmObject *object)
{
	static SlmStatement statement = {
		"INSERT INTO sellometer.error_details AS e (object_id, detail) VALUES ($1, $2) "
		"ON CONFLICT (object_id) DO UPDATE SET detail = excluded.detail, at = excluded.at",
		2, {INT8OID, TEXTOID}
	};
	Datum		args[2];

	if (object->error_detail == NULL)
		return;
	args[0] = Int64GetDatum(object->id);
	args[1] = CStringGetTextDatum(object->error_detail);
	slm_execute(&statement, args, NULL, SPI_OK_INSERT);
}

static void
record_failure(const SlmObject *object)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects SET state = CASE WHEN $2 THEN 'failed' ELSE state END, attempts = $3, "
		"next_attempt = $4, error = $5, sqlstate = $6, checksum = coalesce($7, checksum) WHERE id = $1",
		7, {INT8OID, BOOLOID, INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTOID, UUIDOID}
	};
	int			attempts = object->attempts + !object->uncounted;
	bool		given_up = object->outcome == SLM_OBJECT_RETRY && !object->uncounted && attempts >= slm_retry_limit;
	bool		failed = object->outcome == SLM_OBJECT_FAILED || given_up;
	char	   *error = object->error;
	char		nulls[] = "       ";
	Datum		args[7];

	Assert(object->error != NULL);

	if (given_up)
		error = psprintf("%s (given up after %d attempts; sellometer_retry() starts anew)", error, attempts);
	args[0] = Int64GetDatum(object->id);
	args[1] = BoolGetDatum(failed);
	args[2] = Int32GetDatum(attempts);
	args[3] = time_or_null(failed ? DT_NOBEGIN : next_attempt(object), &nulls[3]);
	/* until its source is back after a failure, should there be one (source_health.c) */
	if (given_up)
	{
		args[3] = TimestampTzGetDatum(DT_NOEND);
		nulls[3] = ' ';
	}
	args[4] = CStringGetTextDatum(error);
	args[5] = CStringGetTextDatum(unpack_sql_state(object->sqlstate));
	args[6] = slm_checksum_datum(&object->checksum);
	nulls[6] = object->has_checksum ? ' ' : 'n';
	slm_execute_by_index(&statement, args, nulls, SPI_OK_UPDATE);
	record_error_detail(object);
}

/* These, and whatever else waits of their sources and is left out: each source once. */
static void
record_excluded(const SlmObject *objects, int i)
{
	static SlmStatement statement = {"SELECT sellometer.apply_patterns($1)", 1, {TEXTOID}};
	Datum		arg = CStringGetTextDatum(objects[i].source);

	for (int before = 0; before < i; before++)
	{
		if (objects[before].outcome == SLM_OBJECT_EXCLUDED && strcmp(objects[before].source, objects[i].source) == 0)
			return;
	}
	slm_execute(&statement, &arg, NULL, SPI_OK_SELECT);
}

void
slm_ledger_record(SlmObject *objects, int n, const SlmRowCounts *counts)
{
	record_loaded(objects, n, counts);
	slm_counters_add(objects, n, counts);
	for (int i = 0; i < n; i++)
	{
		SlmObject  *object = &objects[i];

		switch (object->outcome)
		{
			case SLM_OBJECT_LOADED:
			case SLM_OBJECT_PART:
				if (object->outcome == SLM_OBJECT_PART || object->resume_row > 0)
					record_part(object);
				if (object->refused_len > 0)
					slm_refused_record(object->id, object->resume_row, object->refused, object->refused_len);
				break;
			case SLM_OBJECT_LATE:
				record_late(object);
				break;
			case SLM_OBJECT_RETRY:
			case SLM_OBJECT_FAILED:
				record_failure(object);
				break;
			case SLM_OBJECT_EXCLUDED:
				record_excluded(objects, i);
				break;
			case SLM_OBJECT_SLOW:
			case SLM_OBJECT_SAME:
			case SLM_OBJECT_WAITING:
				break;
		}
	}
}
