/*
 * rollup.c: from a tier's complete buckets to the rows of those that are added up from it.
 *
 * Invariant: a tier's rows before its watermark are complete, and deltas (apply.c) go to them directly, in the transaction
 * that applies them to the finer tier where that still has their bucket.  Whatever stands at or after the watermark is
 * left behind by a rollup that did not get to its end; nobody reads it, and the next rollup deletes it.
 *
 * Adding up a bucket of a million rows takes longer than live loading may be held up.  So it is done in three steps:
 *
 *   mark      [writer's lock]  tiers.rolling = end of the bucket: from here on, apply.c notes the keys that it changes
 *   add up    [rollup lock]    DELETE and INSERT the bucket, while loading goes on
 *   finish    [writer's lock]  add up once more the keys that were noted, and the totals; move the watermark
 *
 * So it is done with all complete buckets at once of a partition that is not there yet, from its begin on: it is written as pages then.
 *
 * Whoever holds the writer's lock and can't wait for the last step does it all by itself (slm_rollup_past), after which
 * `rolling` is reset: the rollup that was under way sees that and gives the bucket up.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "dedup/own_dimensions.h"
#include "guc.h"
#include "server/crash_point.h"
#include "server/locks.h"
#include "server/spi.h"
#include "tiers/rollup.h"
#include "tiers/rollup_add.h"
#include "tiers/totals.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/timestamp.h"

/* How many buckets are rolled up at once, at most: whoever can't wait for them waits as long. */
#define MAX_BUCKETS		32

/* One bucket of one tier, for statements about it. */
typedef struct RollupPiece
{
	const char *key;			/* the dimension's name */
	const char *from;			/* the finer tier's table, qualified */
	char		partition[NAMEDATALEN];
	const char *to;				/* the tier's partition, qualified */
	const char *count_type;
	char	   *start;			/* as literals */
	char	   *end;
} RollupPiece;

static void
piece_init(RollupPiece *piece, const SlmTiers *tiers, int t, SlmDimension dimension, TimestampTz start)
{
	const SlmTier *tier = &tiers->tiers[t];

	piece->key = slm_dimension_name(dimension);
	piece->from = psprintf("sellometer.%s", quote_identifier(psprintf("%s_%s", piece->key, tiers->tiers[tier->finer].name)));
	piece->count_type = slm_tier_count_type(tier);
	piece->start = pstrdup(timestamptz_to_str(start));
	piece->end = pstrdup(timestamptz_to_str(slm_bucket_next(tier->granularity, start)));
	(void) slm_partition_find(tier, dimension, slm_bucket_start(tier->partition, start), piece->partition);
	piece->to = psprintf("sellometer.%s", quote_identifier(piece->partition));
}

static void
set_watermark(SlmTier *tier, TimestampTz watermark)
{
	static SlmStatement statement = {
		"UPDATE sellometer.tiers SET watermark = $2, rolling = NULL WHERE name = $1", 2, {TEXTOID, TIMESTAMPTZOID}
	};
	Datum		args[2] = {CStringGetTextDatum(tier->name), TimestampTzGetDatum(watermark)};

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	Assert(watermark >= tier->watermark);
	slm_execute(&statement, args, NULL, SPI_OK_UPDATE);
	tier->watermark = watermark;
	tier->rolling = DT_NOBEGIN;
}

/* --- what is there to do --- */

TimestampTz
slm_rollup_next(const SlmTiers *tiers, int t)
{
	const SlmTier *tier = &tiers->tiers[t];
	const SlmTier *finer = &tiers->tiers[tier->finer];
	int			n;
	TimestampTz *starts;

	Assert(t > 0 && t < tiers->n);

	starts = slm_partitions(finer, &n);
	/* partition by partition: the first one with rows is mostly the first one asked */
	for (int i = 0; i < n; i++)
	{
		TimestampTz from = Max(tier->watermark, starts[i]);
		TimestampTz end = Min(finer->watermark, slm_bucket_next(finer->partition, starts[i]));
		TimestampTz first;

		if (from >= end)
			continue;
		slm_execute_once(psprintf("SELECT min(event_time) FROM sellometer.%s WHERE event_time >= '%s'::timestamptz "
								  "AND event_time < '%s'::timestamptz",
								  quote_identifier(psprintf("category_l1_%s", finer->name)), pstrdup(timestamptz_to_str(from)),
								  pstrdup(timestamptz_to_str(end))), SPI_OK_SELECT);
		first = slm_int64(0, 1, DT_NOEND);
		if (!TIMESTAMP_IS_NOEND(first))
			return slm_bucket_start(tier->granularity, first);
	}
	return DT_NOEND;
}

TimestampTz
slm_rollup_limit(const SlmTiers *tiers, int t, TimestampTz head)
{
	TimestampTz covered = tiers->tiers[tiers->tiers[t].finer].watermark;

	if (TIMESTAMP_IS_NOBEGIN(head) || TIMESTAMP_IS_NOBEGIN(covered))
		return DT_NOBEGIN;
	return slm_bucket_start(tiers->tiers[t].granularity, Min(head - (int64) slm_live_lateness * USECS_PER_SEC, covered));
}

bool
slm_rollup_skip_empty(SlmTiers *tiers, int t, TimestampTz limit)
{
	SlmTier    *tier = &tiers->tiers[t];
	TimestampTz next;

	Assert(slm_lock_held(SLM_LOCK_WRITER));

	if (tier->watermark >= limit)
		return false;
	if (!TIMESTAMP_IS_NOBEGIN(tier->rolling))
		return true;
	next = slm_rollup_next(tiers, t);
	if (Min(next, limit) > tier->watermark)
		set_watermark(tier, Min(next, limit));
	return next < limit;
}

/* --- all at once, under the writer's lock --- */

/* Delete what is there of a dimension in the partition from the watermark on. */
static void
delete_left_behind(const SlmTiers *tiers, int t, SlmDimension dimension)
{
	RollupPiece piece;

	piece_init(&piece, tiers, t, dimension, tiers->tiers[t].watermark);
	if (!OidIsValid(slm_partition_find(&tiers->tiers[t], dimension, slm_bucket_start(tiers->tiers[t].partition, tiers->tiers[t].watermark),
									   piece.partition)))
		return;
	slm_execute_once(psprintf("DELETE FROM %s WHERE event_time >= '%s'::timestamptz", piece.to, piece.start), SPI_OK_DELETE);
}

uint64
slm_rollup_bucket(SlmTiers *tiers, int t)
{
	SlmTier    *tier = &tiers->tiers[t];
	TimestampTz start = tier->watermark;
	TimestampTz end = slm_bucket_next(tier->granularity, start);
	uint64		rows = 0;

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	/* a rollup that was going through the bucket in steps is over, or waits for us */
	Assert(TIMESTAMP_IS_NOBEGIN(tier->rolling) || slm_lock_held(SLM_LOCK_ROLLUP));
	/* what it is added up from is complete */
	Assert(end <= tiers->tiers[tier->finer].watermark);

	for (int d = 0; d < slm_dimension_count(); d++)
	{
		delete_left_behind(tiers, t, d);
		rows += slm_rollup_add(tiers, t, d, start, end);
		SLM_CRASH_POINT("rollup.under_lock");
	}
	slm_totals_roll_up(tier, &tiers->tiers[tier->finer], start);
	set_watermark(tier, end);
	return rows;
}

void
slm_rollup_past(SlmTiers *tiers, int t, TimestampTz time)
{
	SlmTier    *tier = &tiers->tiers[t];
	TimestampTz end;

	if (TIMESTAMP_IS_NOBEGIN(time) || time < tier->watermark)
		return;
	end = slm_bucket_next(tier->granularity, slm_bucket_start(tier->granularity, time));
	if (!TIMESTAMP_IS_NOBEGIN(tier->rolling))
		slm_rollup_lock();

	/* what is rolled up from must itself be complete up to there */
	if (tier->finer > 0)
		slm_rollup_past(tiers, tier->finer, end - 1);
	while (slm_rollup_skip_empty(tiers, t, end))
		slm_rollup_bucket(tiers, t);
}

void
slm_rollup_along(SlmTiers *tiers, int t, TimestampTz limit)
{
	if (!TIMESTAMP_IS_NOBEGIN(tiers->tiers[t].rolling) || !slm_rollup_skip_empty(tiers, t, limit))
		return;
	slm_rollup_bucket(tiers, t);
	(void) slm_rollup_skip_empty(tiers, t, limit);
}

bool
slm_rollup_fill(SlmTiers *tiers, int t, TimestampTz head, bool (*stop) (void *arg), void *arg)
{
	TimestampTz limit = slm_rollup_limit(tiers, t, head);

	while (slm_rollup_skip_empty(tiers, t, limit))
	{
		if (stop(arg))
			return false;
		slm_rollup_bucket(tiers, t);
	}
	return true;
}

void
slm_rollup_reset(SlmTiers *tiers)
{
	Assert(slm_lock_held(SLM_LOCK_WRITER));
	for (int t = 1; t < tiers->n; t++)
	{
		SlmTier    *tier = &tiers->tiers[t];

		if (TIMESTAMP_IS_NOBEGIN(tier->rolling))
			continue;
		slm_rollup_lock();
		for (int d = 0; d < slm_dimension_count(); d++)
			delete_left_behind(tiers, t, d);
		set_watermark(tier, tier->watermark);
	}
}

/* --- in three steps --- */

/*
 * Does the watermark stand before a partition that is not there yet?  Then nobody makes it while a rollup does: what loading has for times
 * before the watermark is of other partitions.
 */
static bool
is_before_new_partition(const SlmTier *tier)
{
	bool		is_new = tier->watermark == slm_bucket_start(tier->partition, tier->watermark);

	for (int d = 0; is_new && d < slm_dimension_count(); d++)
	{
		char		name[NAMEDATALEN];

		is_new = !OidIsValid(slm_partition_find(tier, d, tier->watermark, name));
	}
	return is_new;
}

static void
make_partitions(const SlmTier *tier)
{
	TimestampTz partition = slm_bucket_start(tier->partition, tier->watermark);

	for (int d = 0; d < slm_dimension_count(); d++)
	{
		char		name[NAMEDATALEN];

		if (OidIsValid(slm_partition_find(tier, d, partition, name)))
			continue;
		slm_partition_create(tier, d, partition);
		slm_partition_add_key(tier, d, partition);
		slm_partition_attach(tier, d, partition);
	}
}

/* The end of the last complete bucket of the partition that begins at the watermark. */
static TimestampTz
last_complete(const SlmTier *tier, TimestampTz limit)
{
	TimestampTz next = slm_bucket_next(tier->partition, tier->watermark);
	TimestampTz end = slm_bucket_next(tier->granularity, tier->watermark);

	for (int n = 1; n < MAX_BUCKETS && slm_bucket_next(tier->granularity, end) <= Min(limit, next); n++)
		end = slm_bucket_next(tier->granularity, end);
	return end;
}

TimestampTz
slm_rollup_mark(const SlmTier *tier, TimestampTz limit)
{
	static SlmStatement mark = {
		"UPDATE sellometer.tiers SET rolling = $2 WHERE name = $1", 2, {TEXTOID, TIMESTAMPTZOID}
	};
	static SlmStatement forget = {"DELETE FROM sellometer.rollup_changes WHERE tier = $1", 1, {TEXTOID}};
	bool		is_new = is_before_new_partition(tier);
	TimestampTz end = is_new ? last_complete(tier, limit) : slm_bucket_next(tier->granularity, tier->watermark);
	Datum		args[2] = {CStringGetTextDatum(tier->name), TimestampTzGetDatum(end)};

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	Assert(limit > tier->watermark);
	slm_execute(&forget, args, NULL, SPI_OK_DELETE);
	slm_execute(&mark, args, NULL, SPI_OK_UPDATE);
	if (!is_new)
		make_partitions(tier);
	return end;
}

uint64
slm_rollup_add_up(const SlmTiers *tiers, int t)
{
	const SlmTier *tier = &tiers->tiers[t];
	uint64		rows = 0;

	Assert(!slm_lock_held(SLM_LOCK_WRITER));
	Assert(slm_lock_held(SLM_LOCK_ROLLUP));
	/* marked: or changes to it would not be noted */
	Assert(tier->rolling > tier->watermark);
	for (int d = 0; d < slm_dimension_count(); d++)
	{
		delete_left_behind(tiers, t, d);
		rows += slm_rollup_add(tiers, t, d, tier->watermark, tier->rolling);
		SLM_CRASH_POINT("rollup.add_up");
	}
	return rows;
}

/* Add up once more the keys that were noted since the mark. */
static void
correct(const RollupPiece *piece, const char *tier)
{
	bool		is_product = strcmp(piece->key, slm_dimension_name(SLM_PRODUCT_ID)) == 0;
	const char *key_type = is_product ? "bigint" : "text";
	Oid			type = is_product ? INT8ARRAYOID : TEXTARRAYOID;
	bool		isnull;
	Datum		keys;

	slm_execute_once(psprintf("SELECT array_agg(DISTINCT k::%s) FROM sellometer.rollup_changes c, unnest(c.keys) k "
							  "WHERE c.tier = %s AND c.dimension = '%s'", key_type, quote_literal_cstr(tier), piece->key),
					 SPI_OK_SELECT);
	keys = slm_value(0, 1, &isnull);
	if (isnull)
		return;
	keys = datumCopy(keys, false, -1);
	slm_execute_args(psprintf("DELETE FROM %s WHERE event_time = '%s'::timestamptz AND %s = ANY ($1)", piece->to,
							  piece->start, piece->key), 1, &type, &keys, SPI_OK_DELETE);
	slm_execute_args(psprintf("INSERT INTO %s (event_time, %s, event_type, count, gmv) "
							  "SELECT '%s'::timestamptz, %s, event_type, sum(count)::%s, sum(gmv) FROM %s "
							  "WHERE event_time >= '%s'::timestamptz AND event_time < '%s'::timestamptz "
							  "AND %s = ANY ($1) GROUP BY %s, event_type",
							  piece->to, piece->key, piece->start, piece->key, piece->count_type, piece->from,
							  piece->start, piece->end, piece->key, piece->key), 1, &type, &keys, SPI_OK_INSERT);
}

static void
finish_bucket(const SlmTiers *tiers, int t, TimestampTz start)
{
	for (int d = 0; d < slm_dimension_count(); d++)
	{
		RollupPiece piece;

		piece_init(&piece, tiers, t, d, start);
		correct(&piece, tiers->tiers[t].name);
		SLM_CRASH_POINT("rollup.correct");
	}
	slm_totals_roll_up(&tiers->tiers[t], &tiers->tiers[tiers->tiers[t].finer], start);
}

int
slm_rollup_finish(SlmTiers *tiers, int t)
{
	SlmTier    *tier = &tiers->tiers[t];
	int			n = 0;

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	Assert(tier->rolling > tier->watermark);

	for (TimestampTz start = tier->watermark; start < tier->rolling; start = slm_bucket_next(tier->granularity, start))
	{
		finish_bucket(tiers, t, start);
		n++;
	}
	set_watermark(tier, tier->rolling);
	return n;
}
