/*
 * key_time.c: the times in keys.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "guc.h"
#include "ledger/head.h"
#include "ledger/key_time.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#define STEP			(15 * USECS_PER_MINUTE) /* offsets are multiples of this, as those of time zones are */
#define MAX_OFFSET		(36 * USECS_PER_HOUR)	/* a key that is further off tells something else */
#define DOUBTS			20		/* objects whose keys must fit until they are trusted again */
#define PIECE			10000	/* objects that are corrected with one statement */

/* --- the time in a key --- */

/* Exactly n digits at p, not followed by a further one; -1 if not. */
static int
digits_at(const char *p, int n)
{
	int			value = 0;

	for (int i = 0; i < n; i++)
	{
		if (p[i] < '0' || p[i] > '9')
			return -1;
		value = value * 10 + p[i] - '0';
	}
	return p[n] >= '0' && p[n] <= '9' ? -1 : value;
}

/* "YYYY-MM-DD-HH-MM", with "-SS" where a further part follows that; '_', 'T' and ':' may stand for '-'. */
static bool
time_at(const char *p, struct pg_tm *tm)
{
	static const int lengths[5] = {4, 2, 2, 2, 2};
	int			part[6] = {0};

	for (int i = 0; i < 5; i++)
	{
		part[i] = digits_at(p, lengths[i]);
		if (part[i] < 0)
			return false;
		p += lengths[i];
		if (i < 4 && (*p == '\0' || strchr("-_T:", *p) == NULL))
			return false;
		if (i == 4)
		{
			/* what follows may be a server's number: seconds only if yet another part comes */
			if (*p != '\0' && strchr("-_:", *p) != NULL && digits_at(p + 1, 2) >= 0 &&
				p[3] != '\0' && strchr("-_", p[3]) != NULL)
				part[5] = digits_at(p + 1, 2);
			break;
		}
		p++;
	}
	tm->tm_year = part[0];
	tm->tm_mon = part[1];
	tm->tm_mday = part[2];
	tm->tm_hour = part[3];
	tm->tm_min = part[4];
	tm->tm_sec = part[5];
	return part[1] >= 1 && part[1] <= 12 && part[2] >= 1 && part[2] <= day_tab[isleap(part[0])][part[1] - 1] &&
		part[3] < 24 && part[4] < 60 && part[5] < 60;
}

TimestampTz
slm_key_time(const char *key)
{
	struct pg_tm tm = {0};
	TimestampTz time;

	for (const char *p = key; *p; p++)
	{
		if ((p == key || p[-1] < '0' || p[-1] > '9') && time_at(p, &tm) && tm2timestamp(&tm, 0, NULL, &time) == 0)
			return time;
	}
	return DT_NOBEGIN;
}

/* --- how far it is off --- */

/* What is known of a source's keys. */
typedef struct KeyTimes
{
	int64		offset;			/* added to them */
	int64		seen;			/* another one that the last object had; NO_OFFSET: none */
	int			doubt;			/* 0: they are trusted */
} KeyTimes;

#define NO_OFFSET	PG_INT64_MIN

static bool
read_key_times(const char *source, KeyTimes *times)
{
	static SlmStatement statement = {
		"SELECT (extract(epoch FROM key_offset) * 1000000)::bigint, (extract(epoch FROM key_offset_seen) * 1000000)::bigint, "
		"key_doubt::bigint FROM sellometer.sources WHERE name = $1", 1, {TEXTOID}
	};
	Datum		arg = CStringGetTextDatum(source);

	*times = (KeyTimes) {.seen = NO_OFFSET};
	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) != 1)
		return false;			/* it was dropped */
	times->offset = slm_int64(0, 1, 0);
	times->seen = slm_int64(0, 2, NO_OFFSET);
	times->doubt = (int) slm_int64(0, 3, 0);
	return true;
}

static void
write_key_times(const char *source, const KeyTimes *times)
{
	static SlmStatement statement = {
		"UPDATE sellometer.sources SET key_offset = make_interval(secs => $2 / 1000000), "
		"key_offset_seen = make_interval(secs => $3 / 1000000), key_doubt = $4 WHERE name = $1",
		4, {TEXTOID, INT8OID, INT8OID, INT4OID}
	};
	Datum		args[4] = {CStringGetTextDatum(source), Int64GetDatum(times->offset), Int64GetDatum(times->seen),
	Int32GetDatum(times->doubt)};

	slm_execute(&statement, args, times->seen == NO_OFFSET ? "  n " : NULL, SPI_OK_UPDATE);
}

int64
slm_key_offset(const char *source)
{
	KeyTimes	times;

	(void) read_key_times(source, &times);
	return times.offset;
}

bool
slm_key_time_fits(const SlmObject *object, int64 by)
{
	/* it may be that of the first row or of the last, and of another clock */
	return object->object_time + by >= object->first_event - STEP && object->object_time + by <= object->last_event + STEP;
}

static bool
tells(const SlmObject *object)
{
	return (object->outcome == SLM_OBJECT_LOADED || object->outcome == SLM_OBJECT_PART || object->outcome == SLM_OBJECT_LATE) &&
		object->resume_row == 0 && !TIMESTAMP_NOT_FINITE(object->median) && !TIMESTAMP_IS_NOBEGIN(slm_key_time(object->key));
}

/* The object's rows are not where its row in the ledger says: where they are counts for archiving, too. */
static void
correct_object(const SlmObject *object, TimestampTz time)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects SET object_time = $2 WHERE id = $1", 2, {INT8OID, TIMESTAMPTZOID}
	};
	Datum		args[2] = {Int64GetDatum(object->id), TimestampTzGetDatum(time)};

	slm_execute_by_index(&statement, args, NULL, SPI_OK_UPDATE);
}

/* Take one object into account.  True if the source's offset is another now. */
static bool
learn(const SlmObject *object, KeyTimes *times)
{
	TimestampTz key_time = slm_key_time(object->key);
	SlmObject	by_key = *object;
	int64		offset;

	by_key.object_time = key_time + times->offset;
	if (slm_key_time_fits(&by_key, 0))
	{
		times->doubt = Max(times->doubt - 1, 0);
		times->seen = NO_OFFSET;
		if (!slm_key_time_fits(object, 0))
			correct_object(object, by_key.object_time); /* learned from those before it in the batch */
		return false;
	}
	correct_object(object, object->median);
	offset = object->median - key_time;
	offset = (offset + (offset < 0 ? -STEP : STEP) / 2) / STEP * STEP;
	times->doubt = DOUBTS;
	if (offset > MAX_OFFSET || offset < -MAX_OFFSET)
		return false;
	if (offset != times->seen)
	{
		times->seen = offset;
		return false;
	}
	times->offset = offset;
	times->seen = NO_OFFSET;
	times->doubt = 1;
	return true;
}

/* One piece of what waits: see correct_waiting(). */
static void
correct_piece(Datum *ids, Datum *times, int n, TimestampTz head, bool all)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects o SET object_time = n.object_time, "
		"state = CASE WHEN o.state = 'backlog' AND n.object_time >= $3 THEN 'pending' ELSE o.state END "
		"FROM unnest($1, $2) AS n (id, object_time) WHERE o.id = n.id AND o.state IN ('pending', 'backlog') "
		"AND ($4 OR n.object_time >= $3)",
		4, {INT8ARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZOID, BOOLOID}
	};
	Datum		args[4] = {slm_array(ids, NULL, n, INT8OID), slm_array(times, NULL, n, TIMESTAMPTZOID),
	TimestampTzGetDatum(slm_live_from(head)), BoolGetDatum(all)};

	slm_execute_by_index(&statement, args, NULL, SPI_OK_UPDATE);
}

/*
 * What waits of a source has the times that its keys give with an offset, and what is not late by these is not in the backlog.  Not
 * all: only that, to be read and judged by its rows.
 */
static void
correct_waiting(const char *source, int64 offset, TimestampTz head, bool all)
{
	static SlmStatement statement = {
		"SELECT id, key FROM sellometer.objects WHERE source = $1 AND state IN ('pending', 'backlog') AND resume_row = 0 "
		"FOR UPDATE SKIP LOCKED", 1, {TEXTOID}
	};
	Datum		arg = CStringGetTextDatum(source);
	MemoryContext context = CurrentMemoryContext;
	int			found = (int) slm_execute(&statement, &arg, NULL, SPI_OK_SELECT);
	Datum	   *ids = MemoryContextAllocHuge(context, sizeof(Datum) * Max(found, 1));
	Datum	   *times = MemoryContextAllocHuge(context, sizeof(Datum) * Max(found, 1));
	int			n = 0;

	for (int i = 0; i < found; i++)
	{
		char	   *key = slm_text(context, i, 2);
		TimestampTz time = slm_key_time(key);

		if (!TIMESTAMP_IS_NOBEGIN(time))
		{
			ids[n] = Int64GetDatum(slm_int64(i, 1, 0));
			times[n++] = TimestampTzGetDatum(time + offset);
		}
		pfree(key);
	}
	for (int i = 0; i < n; i += PIECE)
		correct_piece(ids + i, times + i, Min(PIECE, n - i), head, all);
}

static void
learn_from(const SlmObject *objects, int n, const char *source, TimestampTz head)
{
	KeyTimes	before;
	KeyTimes	times;
	bool		changed = false;

	if (!read_key_times(source, &before))
		return;
	times = before;
	for (int i = 0; i < n; i++)
	{
		if (tells(&objects[i]) && strcmp(objects[i].source, source) == 0)
			changed |= learn(&objects[i], &times);
	}
	if (times.offset != before.offset || times.seen != before.seen || times.doubt != before.doubt)
		write_key_times(source, &times);
	if (before.doubt == 0 && times.seen != NO_OFFSET)
		correct_waiting(source, times.seen, head, false);
	if (!changed || times.offset == before.offset)
		return;
	correct_waiting(source, times.offset, head, true);
	ereport(LOG,
			(errmsg("times in the keys of source \"%s\" are taken %+d minutes later now", source,
					(int) (times.offset / USECS_PER_MINUTE)),
			 errdetail("The rows of its objects say so.  See key_offset in sellometer.status.")));
}

void
slm_key_times_learn(const SlmObject *objects, int n, TimestampTz head)
{
	for (int i = 0; i < n; i++)
	{
		int			before = i - 1;

		if (!tells(&objects[i]))
			continue;
		/* each source once: with its first object that tells */
		while (before >= 0 && !(tells(&objects[before]) && strcmp(objects[before].source, objects[i].source) == 0))
			before--;
		if (before < 0)
			learn_from(objects + i, n - i, objects[i].source, head);
	}
}
