/*
 * ledger.c: sellometer.objects.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "guc.h"
#include "ledger/key_time.h"
#include "ledger/ledger.h"
#include "ledger/refused.h"
#include "server/crash_point.h"
#include "server/locks.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define MAX_RETRY_DELAY_MS	(3600 * 1000)
#define SOURCE_DELAY_MS		10000
#define COUNTED_FOR_MS		1000

TimestampTz
slm_head_read(void)
{
	static SlmStatement statement = {"SELECT head FROM sellometer.state"};

	if (slm_execute(&statement, NULL, NULL, SPI_OK_SELECT) != 1)
		elog(ERROR, "sellometer.state must have one row");
	return slm_int64(0, 1, DT_NOBEGIN);
}

TimestampTz
slm_head_advance(SlmObject *objects, int n, TimestampTz head)
{
	static SlmStatement source_head = {
		"UPDATE sellometer.sources SET head = $2 WHERE name = $1 AND (head IS NULL OR head < $2)",
		2, {TEXTOID, TIMESTAMPTZOID}
	};
	static SlmStatement all_heads = {
		"UPDATE sellometer.state SET head = $1 WHERE head IS NULL OR head < $1", 1, {TIMESTAMPTZOID}
	};
	TimestampTz newest = head;

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	for (int i = 0; i < n; i++)
	{
		TimestampTz best = objects[i].median;
		bool		first = true;

		if (objects[i].number < 0 || TIMESTAMP_IS_NOBEGIN(best))
			continue;
		newest = Max(newest, best);
		/* one statement a source: the first object of each looks through the rest */
		for (int j = 0; j < n; j++)
		{
			if (objects[j].number < 0 || strcmp(objects[j].source, objects[i].source) != 0)
				continue;
			if (j < i)
			{
				first = false;
				break;
			}
			best = Max(best, objects[j].median);
		}
		if (first)
		{
			Datum		args[2] = {CStringGetTextDatum(objects[i].source), TimestampTzGetDatum(best)};

			slm_execute(&source_head, args, NULL, SPI_OK_UPDATE);
		}
	}
	if (newest > head)
	{
		Datum		arg = TimestampTzGetDatum(newest);

		slm_execute(&all_heads, &arg, NULL, SPI_OK_UPDATE);
	}
	return newest;
}

void
slm_head_take_back(const char *source, TimestampTz moved_to)
{
	static SlmStatement statement = {
		"SELECT sellometer.take_back_head($1, $2, make_interval(secs => $3))", 3, {TEXTOID, TIMESTAMPTZOID, INT4OID}
	};
	Datum		args[3] = {CStringGetTextDatum(source), TimestampTzGetDatum(moved_to), Int32GetDatum(slm_live_lateness)};

	slm_execute(&statement, args, NULL, SPI_OK_SELECT);
}

static Datum
name_array(const char *const *names, int n)
{
	Datum	   *values = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		values[i] = CStringGetTextDatum(names[i]);
	return slm_array(values, NULL, n, TEXTOID);
}

void
slm_ledger_sort_out_late(const char *const *sources, int nsources, TimestampTz head)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects SET state = 'backlog' WHERE id IN (SELECT o.id FROM unnest($2) AS s (name) "
		"CROSS JOIN LATERAL (SELECT id FROM sellometer.objects "
		"WHERE source = s.name AND state = 'pending' AND object_time < $1 AND resume_row = 0 AND id NOT IN "
		/* each source's newest is read to see whether it really is, or all where keys are in doubt: see key_time.h */
		"(SELECT p.id FROM sellometer.sources d CROSS JOIN LATERAL (SELECT k.id FROM sellometer.objects k WHERE k.source = d.name "
		"AND k.state = 'pending' AND k.object_time < $1 AND k.next_attempt IS NULL "
		"ORDER BY k.object_time DESC LIMIT CASE WHEN d.key_doubt = 0 THEN 1 END) p WHERE d.name = ANY ($2)) "
		"FOR UPDATE SKIP LOCKED) o)",
		2, {TIMESTAMPTZOID, TEXTARRAYOID}
	};
	Datum		args[2] = {TimestampTzGetDatum(head - (int64) slm_live_lateness * USECS_PER_SEC), (Datum) 0};

	if (TIMESTAMP_IS_NOBEGIN(head) || nsources == 0)
		return;
	args[1] = name_array(sources, nsources);
	slm_execute_by_index(&statement, args, NULL, SPI_OK_UPDATE);
}

/*
 * Cut the picked objects where the last whole partition ends that they fill: a partition that is filled by one batch
 * gets its index built once, instead of row by row.
 */
static int
cut_at_partition(const SlmObject *objects, int n, SlmGranularity whole)
{
	TimestampTz last;
	int			cut = n;

	if (n == 0 || TIMESTAMP_IS_NOBEGIN(objects[0].object_time) || TIMESTAMP_IS_NOBEGIN(objects[n - 1].object_time))
		return n;
	last = slm_bucket_start(whole, objects[n - 1].object_time);
	if (slm_bucket_start(whole, objects[0].object_time) == last)
		return n;
	while (objects[cut - 1].object_time >= last)
		cut--;
	/* but not all of what a source has, or one with enough of the time before could keep it waiting */
	for (int i = cut; i < n; i++)
	{
		bool		before = false;

		if (i > cut && objects[i].source_number == objects[i - 1].source_number)
			continue;
		for (int j = cut - 1; j >= 0 && !before; j--)
			before = objects[j].source_number == objects[i].source_number;
		if (!before)
			return n;
	}
	return cut;
}

/* Cut them where they get too far from the first in time. */
static int
cut_at_span(const SlmObject *objects, int n, int64 max_span)
{
	if (n == 0 || max_span == 0 || TIMESTAMP_IS_NOBEGIN(objects[0].object_time))
		return n;
	for (int i = 1; i < n; i++)
	{
		if (!TIMESTAMP_IS_NOBEGIN(objects[i].object_time) &&
			objects[i].object_time - objects[0].object_time > max_span)
			return i;
	}
	return n;
}

/*
 * What waits in a source and is due.  Each state has statements of its own: it is no parameter, for only so the index of what waits
 * serves, and gives the order.  It begins with the source: what others have, disabled ones too, costs nothing.
 */
#define WAITING_IN(source, state) \
	"FROM sellometer.objects o WHERE o.source = " source " AND o.state = '" state "' " \
	"AND (o.next_attempt IS NULL OR o.next_attempt <= clock_timestamp()) " \
	"AND (NOT $3 OR (o.resume_row = 0 AND o.size < " CppAsString2(SLM_LARGE_BYTES) ")) AND o.id <> ALL ($4) " \
	"ORDER BY o.object_time NULLS LAST, o.id LIMIT $2 "

typedef struct Share
{
	int			quota;			/* objects to lock, the first ones */
	int			sure;			/* of them, those that are in the batch in any case */
	int64		bytes;
	bool		full;
	int			passed;			/* candidates gone through */
} Share;

/* Which arguments all statements about a pick have in common: $2 the limit, $3 and $4 what is left out. */
static void
fill_args(const SlmPick *pick, int limit, Datum *args)
{
	Datum	   *ids = palloc(sizeof(Datum) * Max(pick->nnot_these, 1));

	for (int i = 0; i < pick->nnot_these; i++)
		ids[i] = Int64GetDatum(pick->not_these[i]);
	args[1] = Int32GetDatum(limit);
	args[2] = BoolGetDatum(pick->no_parts);
	args[3] = slm_array(ids, NULL, pick->nnot_these, INT8OID);
}

/*
 * Share the batch out among the sources.  Each may have as much of it as each other; what is left by those that have less goes to
 * whatever comes first in time.
 */
static void
share_out(const SlmPick *pick, Share *shares)
{
#define CANDIDATES(state) { \
		"SELECT s.number, o.size FROM unnest($1) WITH ORDINALITY AS s (name, number) " \
		"CROSS JOIN LATERAL (SELECT o.object_time, o.id, o.size " WAITING_IN("s.name", state) ") o " \
		"ORDER BY o.object_time NULLS LAST, o.id", \
		4, {TEXTARRAYOID, INT4OID, BOOLOID, INT8ARRAYOID} \
	}
	static SlmStatement pending = CANDIDATES("pending");
	static SlmStatement backlog = CANDIDATES("backlog");
#undef CANDIDATES
	Datum		args[4] = {name_array(pick->sources, pick->nsources)};
	int			n;
	int			active = 0;
	int			left;

	fill_args(pick, pick->limit, args);
	n = slm_execute_by_index(strcmp(pick->state, "backlog") == 0 ? &backlog : &pending, args, NULL, SPI_OK_SELECT);
	for (int i = 0; i < n; i++)
		active += shares[slm_int64(i, 1, 0) - 1].quota++ == 0;
	for (int i = 0; i < pick->nsources; i++)
		shares[i].quota = 0;
	left = pick->limit;
	for (int i = 0; i < n; i++)
	{
		Share	   *share = &shares[slm_int64(i, 1, 0) - 1];
		int64		size = slm_int64(i, 2, 0);

		share->full |= share->quota > 0 &&
			(share->quota >= pick->limit / active || share->bytes + size > pick->limit_bytes / active);
		if (share->full || left <= 0)
			continue;
		share->quota = ++share->sure;
		share->bytes += size;
		left--;
	}
	/* the same order again: of each source the first ones are taken already */
	for (int i = 0; i < n && left > 0; i++)
	{
		Share	   *share = &shares[slm_int64(i, 1, 0) - 1];

		if (share->passed++ >= share->sure)
		{
			share->quota++;
			left--;
		}
	}
}

/* Lock the first objects of a source, and append them. */
static int
lock_objects(const SlmPick *pick, int number, const Share *share, SlmObject *objects)
{
#define PICK(state) { \
		"SELECT o.id, o.key, o.etag, o.size, o.attempts, o.object_time, o.resume_row, o.rows_rejected, " \
		"o.time_limit, (SELECT s.key_doubt::bigint FROM sellometer.sources s WHERE s.name = o.source) " \
		WAITING_IN("$1", state) "FOR UPDATE SKIP LOCKED", \
		4, {TEXTOID, INT4OID, BOOLOID, INT8ARRAYOID} \
	}
	static SlmStatement pending = PICK("pending");
	static SlmStatement backlog = PICK("backlog");
#undef PICK
	MemoryContext context = CurrentMemoryContext;
	Datum		args[4] = {CStringGetTextDatum(pick->sources[number])};
	int			n;

	fill_args(pick, share->quota, args);
	n = slm_execute_by_index(strcmp(pick->state, "backlog") == 0 ? &backlog : &pending, args, NULL, SPI_OK_SELECT);
	for (int i = 0; i < n; i++)
	{
		SlmObject  *object = &objects[i];

		object->id = slm_int64(i, 1, 0);
		object->source = pstrdup(pick->sources[number]);
		object->source_number = number;
		object->sure = i < share->sure;
		object->key = slm_text(context, i, 2);
		object->etag = slm_text(context, i, 3);
		object->size = slm_int64(i, 4, 0);
		object->attempts = (int32) slm_int64(i, 5, 0);
		object->object_time = slm_int64(i, 6, DT_NOBEGIN);
		object->resume_row = slm_int64(i, 7, 0);
		object->rejected_before = slm_int64(i, 8, 0);
		object->judged = object->resume_row > 0;
		object->time_limit = slm_int64(i, 9, DT_NOEND);
		object->time_doubtful = slm_int64(i, 10, 0) > 0;
		object->number = -1;
	}
	return n;
}

/* In the order of time; those without one, which they bear as DT_NOBEGIN, come last. */
static int
compare_times(const void *a, const void *b)
{
	const SlmObject *x = a;
	const SlmObject *y = b;
	bool		x_none = TIMESTAMP_IS_NOBEGIN(x->object_time);
	bool		y_none = TIMESTAMP_IS_NOBEGIN(y->object_time);

	if (x_none != y_none)
		return x_none - y_none;
	if (x->object_time != y->object_time)
		return x->object_time < y->object_time ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* Have those that fit into the batch stand first, both they and the rest in the order of time; returns their number. */
static int
fit_first(const SlmPick *pick, SlmObject *objects, int n)
{
	SlmObject  *rest = palloc(sizeof(SlmObject) * Max(n, 1));
	int			nrest = 0;
	int			fit = 0;
	int64		bytes = 0;

	for (int i = 0; i < n; i++)
		bytes += objects[i].sure ? objects[i].size : 0;
	for (int i = 0; i < n; i++)
	{
		/* once one does not fit, none that comes after it does */
		if (!objects[i].sure && (bytes += objects[i].size) > pick->limit_bytes)
			rest[nrest++] = objects[i];
		else
			objects[fit++] = objects[i];
	}
	memcpy(&objects[fit], rest, sizeof(SlmObject) * nrest);
	pfree(rest);
	return fit;
}

int
slm_ledger_pick(const SlmPick *pick, SlmObject **objects, int *upcoming)
{
	Share	   *shares = palloc0(sizeof(Share) * Max(pick->nsources, 1));
	int			n = 0;
	int			fit;

	/* these wait for nobody, but who has them will wait for the lock */
	Assert(!slm_lock_held(SLM_LOCK_WRITER));
	*objects = palloc0(sizeof(SlmObject) * (pick->limit + pick->nsources));
	if (pick->nsources == 1)
		shares[0] = (Share) {.quota = pick->limit,.sure = 1};
	else if (pick->nsources > 1)
		share_out(pick, shares);
	for (int i = 0; i < pick->nsources; i++)
	{
		if (shares[i].quota > 0)
			n += lock_objects(pick, i, &shares[i], *objects + n);
	}
	qsort(*objects, n, sizeof(SlmObject), compare_times);
	fit = fit_first(pick, *objects, n);
	fit = cut_at_span(*objects, fit, pick->max_span);
	/* if all that waits fits, there is nothing to be gained by stopping early */
	if (fit < n || n >= pick->limit)
		fit = cut_at_partition(*objects, fit, pick->whole);
	*upcoming = n - fit;
	return fit;
}

/* --- recording --- */

/* When to try again: twice the delay of the last time, half of it by chance; what the server asked for, at least. */
static TimestampTz
next_attempt(const SlmObject *object)
{
	double		delay = slm_retry_delay * pow(2.0, Min(object->attempts, 30));

	/* if it is the source that can't be read, all are due when it is back, and before that a few are tried (trouble.c) */
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
	ID, IS_PART, TOTAL, COUNTED, DUPLICATE, REJECTED, EXPIRED, FIRST_EVENT, LAST_EVENT, TIME, TIME_LIMIT, CHECKSUM, HEAD, COLUMNS
};

static void
fill_loaded(const SlmObject *object, const SlmRowCounts *counts, Datum *values, bool *nulls)
{
	TimestampTz time = slm_key_time(object->key);

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
	values[FIRST_EVENT] = TimestampTzGetDatum(object->first_event);
	values[LAST_EVENT] = TimestampTzGetDatum(object->last_event);
	values[TIME] = TimestampTzGetDatum(time);
	values[TIME_LIMIT] = TimestampTzGetDatum(object->time_limit);
	values[CHECKSUM] = slm_checksum_datum(&object->checksum);
	values[HEAD] = TimestampTzGetDatum(object->median);
	memset(nulls, false, COLUMNS * sizeof(bool));
	nulls[FIRST_EVENT] = TIMESTAMP_NOT_FINITE(object->first_event);
	nulls[LAST_EVENT] = TIMESTAMP_NOT_FINITE(object->last_event);
	nulls[TIME] = TIMESTAMP_NOT_FINITE(time);
	nulls[CHECKSUM] = !object->has_checksum;
	nulls[HEAD] = TIMESTAMP_NOT_FINITE(object->median);
}

/* The loaded ones of n objects, all at once: done, unless more parts of it are to come. */
static void
record_loaded(const SlmObject *objects, int n, const SlmRowCounts *counts)
{
	static const Oid types[COLUMNS] = {INT8OID, BOOLOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID,
	TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, UUIDOID, TIMESTAMPTZOID};
	static SlmStatement statement = {
		"UPDATE sellometer.objects o SET state = CASE WHEN n.is_part THEN o.state ELSE 'done' END, "
		"rows_total = o.rows_total + n.total, rows_counted = o.rows_counted + n.counted, "
		"rows_duplicate = o.rows_duplicate + n.duplicate, rows_rejected = o.rows_rejected + n.rejected, "
		"rows_expired = o.rows_expired + n.expired, "
		"first_event = least(o.first_event, n.first_event), last_event = greatest(o.last_event, n.last_event), "
		"object_time = coalesce(o.object_time, n.time, (SELECT head FROM sellometer.state)), "
		"resume_row = CASE WHEN n.is_part THEN o.resume_row + n.total ELSE 0 END, "
		"time_limit = CASE WHEN n.is_part THEN n.time_limit END, "
		"ingested_at = CASE WHEN n.is_part THEN NULL ELSE clock_timestamp() END, "
		"next_attempt = NULL, error = NULL, sqlstate = NULL, checksum = coalesce(n.checksum, o.checksum), "
		"head = greatest(o.head, n.head) FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) "
		"AS n (id, is_part, total, counted, duplicate, rejected, expired, first_event, last_event, time, time_limit, checksum, head) WHERE o.id = n.id",
		COLUMNS, {INT8ARRAYOID, BOOLARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID,
		TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, UUIDARRAYOID, TIMESTAMPTZARRAYOID}
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
record_trouble(const SlmObject *object)
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

	if (given_up)
		error = psprintf("%s (given up after %d attempts; sellometer_retry() starts anew)", error, attempts);
	args[0] = Int64GetDatum(object->id);
	args[1] = BoolGetDatum(failed);
	args[2] = Int32GetDatum(attempts);
	args[3] = time_or_null(failed ? DT_NOBEGIN : next_attempt(object), &nulls[3]);
	/* until its source is back after a failure, should there be one (trouble.c) */
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
				record_trouble(object);
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

/* What is due, of sources that can be read: the rest no effort would load. */
static SlmWaiting
count_waiting(const char *state)
{
#define COUNT(state) { \
		"SELECT coalesce(sum(o.objects), 0)::bigint, least(coalesce(sum(o.bytes), 0), 9e18)::bigint FROM sellometer.sources s " \
		"CROSS JOIN LATERAL (SELECT count(*) AS objects, coalesce(sum(size), 0) AS bytes FROM sellometer.objects " \
		"WHERE source = s.name AND state = '" state "' AND (next_attempt IS NULL OR next_attempt <= clock_timestamp())) o " \
		"WHERE s.enabled AND s.unreadable_since IS NULL" \
	}
	static SlmStatement pending = COUNT("pending");
	static SlmStatement backlog = COUNT("backlog");
#undef COUNT

	slm_execute_by_index(strcmp(state, "backlog") == 0 ? &backlog : &pending, NULL, NULL, SPI_OK_SELECT);
	return (SlmWaiting) {
		.objects = slm_int64(0, 1, 0),.bytes = slm_int64(0, 2, 0),.counted_at = GetCurrentTimestamp()
	};
}

void
slm_ledger_waiting(SlmWaiting *waiting, const char *state, int64 objects, int64 bytes)
{
	waiting->objects -= objects;
	waiting->bytes = Max(waiting->bytes - bytes, 0);
	if (waiting->objects <= 0 || TimestampDifferenceExceeds(waiting->counted_at, GetCurrentTimestamp(), COUNTED_FOR_MS))
		*waiting = count_waiting(state);
}

/* --- discovery --- */

/*
 * A new ETag of a known key may be a changed object, or just the same one again: what is counted stays, and reading the new one
 * will tell (identity.h).  That is not put off because of the time in its key, so it is entered without one.  If the first was not loaded yet, it is skipped in favour of the new.  What somebody has put aside unread
 * is known by its ETag, which a copy, or a file that was moved, keeps.  Two backends may list at the same time.
 * An object that has failed because it was not there (58P01), and is listed again, waits again: for a while, lest a list that is wrong keep us busy.
 *
 * To skip the first may have to wait for somebody who is loading it.  Whether it is counted then, only another statement can tell, whose
 * snapshot is taken after the wait.
 *
 * The array and each OFFSET 0 keep the planner, who may believe the ledger empty while a first listing fills it, from
 * comparing each key with each object: what has an OFFSET is looked up by its key, and not made a join.
 */
#define FRESH \
	"WITH listed AS (SELECT key, etag, max(size) AS size, max(last_modified) AS last_modified, max(object_time) AS object_time " \
	"FROM unnest($2, $3, $4, $5, $6) AS l (key, etag, size, last_modified, object_time) GROUP BY key, etag), " \
	"fresh AS (SELECT * FROM listed l WHERE NOT EXISTS (SELECT 1 FROM sellometer.objects o " \
	"WHERE o.source = $1 AND o.key = l.key AND o.etag = l.etag OFFSET 0))"

static SlmStatement supersede_statement = {
	FRESH ", superseded AS (UPDATE sellometer.objects SET state = 'skipped', next_attempt = NULL, "
	"error = 'changed before it was loaded', sqlstate = NULL WHERE id = ANY (ARRAY(SELECT o.id FROM fresh f "
	"CROSS JOIN LATERAL (SELECT k.id FROM sellometer.objects k WHERE k.source = $1 AND k.key = f.key OFFSET 0) o)) "
	"AND state IN ('pending', 'backlog', 'failed') AND resume_row = 0 AND rows_total = 0), "
	"again AS (UPDATE sellometer.objects SET state = 'pending', attempts = 0, next_attempt = clock_timestamp() + '10 seconds' "
	"WHERE id = ANY (ARRAY(SELECT o.id FROM listed l CROSS JOIN LATERAL (SELECT k.id FROM sellometer.objects k "
	"WHERE k.source = $1 AND k.key = l.key AND k.etag = l.etag AND k.state = 'failed' AND k.sqlstate = '58P01' OFFSET 0) o "
	"WHERE (SELECT EXISTS (SELECT FROM sellometer.objects g WHERE g.source = $1 AND g.state = 'failed' AND g.sqlstate = '58P01')))) "
	"AND state = 'failed') "
	"SELECT FROM fresh",
	6, {TEXTOID, TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID}
};

static SlmStatement discover_statement = {
	FRESH " INSERT INTO sellometer.objects (source, key, etag, size, last_modified, object_time, state, error) "
	"SELECT $1, f.key, f.etag, f.size, f.last_modified, CASE WHEN NOT known.counted THEN f.object_time END, "
	"CASE WHEN known.unwanted THEN 'skipped' ELSE 'pending' END, "
	"CASE WHEN known.unwanted THEN 'same size and ETag as an object that was put aside before it was read (sellometer_retry() loads it)' END "
	"FROM fresh f CROSS JOIN LATERAL (SELECT EXISTS (SELECT 1 FROM sellometer.objects o "
	"WHERE o.source = $1 AND o.key = f.key AND (o.state IN ('done', 'archived') OR o.resume_row > 0) OFFSET 0) AS counted, "
	"EXISTS (SELECT 1 FROM sellometer.objects o WHERE o.unwanted AND o.checksum IS NULL AND o.etag = f.etag AND o.size = f.size OFFSET 0) AS unwanted) known "
	"ORDER BY f.object_time NULLS LAST, f.key "
	"ON CONFLICT (source, key, etag) DO NOTHING",
	6, {TEXTOID, TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID}
};

int
slm_ledger_discover(const char *source, const SlmListed *listed, int n)
{
	Datum	   *columns[5];
	bool	   *null_times = palloc(sizeof(bool) * Max(n, 1));
	int64		offset = slm_key_offset(source);
	Datum		args[6];

	for (int c = 0; c < 5; c++)
		columns[c] = palloc(sizeof(Datum) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		TimestampTz time = slm_key_time(listed[i].key);

		columns[0][i] = CStringGetTextDatum(listed[i].key);
		columns[1][i] = CStringGetTextDatum(listed[i].etag);
		columns[2][i] = Int64GetDatum(listed[i].size);
		columns[3][i] = TimestampTzGetDatum(listed[i].last_modified);
		columns[4][i] = TimestampTzGetDatum(TIMESTAMP_IS_NOBEGIN(time) ? time : time + offset);
		null_times[i] = TIMESTAMP_IS_NOBEGIN(time);
	}
	args[0] = CStringGetTextDatum(source);
	args[1] = slm_array(columns[0], NULL, n, TEXTOID);
	args[2] = slm_array(columns[1], NULL, n, TEXTOID);
	args[3] = slm_array(columns[2], NULL, n, INT8OID);
	args[4] = slm_array(columns[3], NULL, n, TIMESTAMPTZOID);
	args[5] = slm_array(columns[4], null_times, n, TIMESTAMPTZOID);
	if (slm_execute_by_index(&supersede_statement, args, NULL, SPI_OK_SELECT) == 0)
		return 0;
	SLM_CRASH_POINT("list.superseded");
	return (int) slm_execute_by_index(&discover_statement, args, NULL, SPI_OK_INSERT);
}
