/*
 * pick.c: which objects wait, and which of them are next.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "guc.h"
#include "ledger/head.h"
#include "ledger/pick.h"
#include "server/locks.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* What waits is counted no more often. */
#define COUNTED_FOR_MS		1000

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
	Datum		args[2] = {TimestampTzGetDatum(slm_live_from(head)), (Datum) 0};

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

/* Cut them as far in time, and at such an end, as becomes where they go. */
static int
cut_in_time(const SlmPick *pick, const SlmObject *objects, int n, int all)
{
	bool		history = false;
	int64		span = pick->max_span;
	int			fit;
	int			cut;

	/* only if all up to there is: where finer rows are written too, larger batches cost more than they save */
	if (n > 0 && !TIMESTAMP_IS_NOBEGIN(objects[0].object_time) && objects[0].object_time < pick->history_before)
	{
		TimestampTz next = slm_bucket_next(pick->history_whole, slm_bucket_start(pick->history_whole, objects[0].object_time));

		history = next <= pick->history_before;
		if (history)
			span = Max(span, slm_bucket_next(pick->history_whole, next) - objects[0].object_time);
	}
	fit = cut_at_span(objects, n, span);
	/* if all that waits fits, there is nothing to be gained by stopping early */
	if (fit == all && all < pick->limit)
		return fit;
	cut = history ? cut_at_partition(objects, fit, pick->history_whole) : fit;
	return cut < fit ? cut : cut_at_partition(objects, fit, pick->whole);
}

/*
 * Leave those that are late and stand before all others, if they are so far from these that no batch would hold both: whoever always has
 * some of long ago would keep the others waiting.  They come behind the rest; returns how many are left.
 */
static int
leave_late(const SlmPick *pick, SlmObject *objects, int n)
{
	SlmObject  *late;
	int			nlate = 0;

	while (nlate < n && !TIMESTAMP_IS_NOBEGIN(objects[nlate].object_time) && objects[nlate].object_time < pick->late_before)
		nlate++;
	if (nlate == 0 || nlate == n || pick->max_span == 0 || TIMESTAMP_IS_NOBEGIN(objects[nlate].object_time) ||
		objects[nlate].object_time - objects[0].object_time <= pick->max_span)
		return n;
	late = palloc(sizeof(SlmObject) * nlate);
	memcpy(late, objects, sizeof(SlmObject) * nlate);
	memmove(objects, &objects[nlate], sizeof(SlmObject) * (n - nlate));
	memcpy(&objects[n - nlate], late, sizeof(SlmObject) * nlate);
	pfree(late);
	return n - nlate;
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
		"o.time_limit, (SELECT s.key_doubt::bigint FROM sellometer.sources s WHERE s.name = o.source), " \
		/* what was begun with one goes on with it */ \
		"CASE WHEN o.resume_row > 0 THEN o.format_id ELSE (SELECT s.format_id FROM sellometer.sources s WHERE s.name = o.source) END, " \
		"CASE WHEN o.resume_row > 0 THEN o.rates END, " \
		"CASE WHEN o.resume_row > 0 THEN o.counted_source END, CASE WHEN o.resume_row > 0 THEN o.counted_key END, " \
		"(SELECT s.own_slice::int::bigint FROM sellometer.sources s WHERE s.name = o.source) " \
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
		object->format_id = slm_int64(i, 11, 0);
		object->rates = slm_bytes(context, i, 12, &object->rates_len);
		object->counted_source = slm_text(context, i, 13);
		object->counted_key = slm_text(context, i, 14);
		object->own_slice = slm_int64(i, 15, 0) != 0;
		object->number = -1;
	}
	for (int i = 0; i < n; i++)
		objects[i].format = i > 0 && objects[i].format_id == objects[i - 1].format_id ? objects[i - 1].format : slm_format_get(objects[i].format_id);
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
	n = leave_late(pick, *objects, n);
	fit = cut_in_time(pick, *objects, fit_first(pick, *objects, n), n);
	*upcoming = n - fit;
	return fit;
}

TimestampTz
slm_ledger_reach(const char *const *sources, int nsources)
{
	static SlmStatement statement = {
		"SELECT max(o.object_time) FROM unnest($1) AS n (name) JOIN sellometer.sources s ON s.name = n.name AND s.key_doubt = 0 "
		"CROSS JOIN LATERAL (SELECT o.object_time FROM sellometer.objects o WHERE o.source = s.name AND o.state = 'pending' "
		"AND o.object_time <= clock_timestamp() AND o.next_attempt IS NULL "
		"ORDER BY o.object_time DESC OFFSET " CppAsString2(SLM_REACH_OBJECTS) " - 1 LIMIT 1) o",
		1, {TEXTARRAYOID}
	};
	Datum		names = name_array(sources, nsources);

	slm_execute_by_index(&statement, &names, NULL, SPI_OK_SELECT);
	return slm_int64(0, 1, DT_NOBEGIN);
}

/* What is due, of sources that can be read, and no larger than may be: the rest no effort would load. */
static SlmWaiting
count_waiting(const char *state)
{
#define COUNT(state) { \
		"SELECT coalesce(sum(o.objects), 0)::bigint, least(coalesce(sum(o.bytes), 0), 9e18)::bigint FROM sellometer.sources s " \
		"CROSS JOIN LATERAL (SELECT count(*) AS objects, coalesce(sum(size) FILTER (WHERE size <= $1), 0) AS bytes FROM sellometer.objects " \
		"WHERE source = s.name AND state = '" state "' AND (next_attempt IS NULL OR next_attempt <= clock_timestamp())) o " \
		"WHERE s.enabled AND s.unreadable_since IS NULL", \
		1, {INT8OID} \
	}
	static SlmStatement pending = COUNT("pending");
	static SlmStatement backlog = COUNT("backlog");
#undef COUNT
	Datum		most = Int64GetDatum((int64) slm_max_object_bytes * 1024);

	slm_execute_by_index(strcmp(state, "backlog") == 0 ? &backlog : &pending, &most, NULL, SPI_OK_SELECT);
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
