/*
 * replay.c: the tiers of a range of time, made anew.
 *
 *   history --rows from (from - view window) on--> sort by time                   loading goes on
 *   [writer's lock]  history: what has committed since --> a second, small sort
 *        view log: views counted in the window before the range --> known
 *        delete the range in tiers and view log
 *        both sorts, hour by hour --> batch --(known: which views count)--> tiers, view log, offers (replay_offers.c)
 *   [the caller commits]
 *
 * What a tier holds of a bucket is a function of the rows that counted there, so the same rows give the same sums.  Which of
 * them counted is not judged again (history.h).  Which view of a session counts is: the earliest, in the order of time, so a
 * view within sellometer.view_window of an earlier one never counts.  Before the range that earlier one is found in the
 * view log, or where this does not reach back so far, among the rows again.
 *
 * An object that was declared lost can't be read: the minutes that it has rows in are left as they are, and what is before and
 * behind is made anew, range by range.
 *
 * Memory: both sorts' (maintenance_work_mem; the rest is in temporary files), the offers, the views of a window, the groups
 * of an hour.
 */
#include "postgres.h"

#include "archive/history.h"
#include "archive/missing.h"
#include "archive/replay.h"
#include "archive/replay_offers.h"
#include "archive/replay_range.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type.h"
#include "dedup/own_dimensions.h"
#include "dedup/own_keys.h"
#include "dedup/view_log.h"
#include "dedup/view_rewrite.h"
#include "dedup/view_state.h"
#include "executor/tuptable.h"
#include "guc.h"
#include "ledger/head.h"
#include "miscadmin.h"
#include "server/crash_point.h"
#include "server/locks.h"
#include "server/out_of_memory.h"
#include "server/progress.h"
#include "server/spi.h"
#include "store/store.h"
#include "tiers/rollup.h"
#include "tiers/tier.h"
#include "tiers/tier_pack.h"
#include "tiers/tier_write.h"
#include "tiers/totals.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplesort.h"

#define SLICE	((SlmGranularity) {.usecs = USECS_PER_HOUR})

#define OFFER_TYPE_BITS	32

/* A tuple of a sort. */
enum
{
	COL_TIME,
	COL_FINGERPRINT,
	COL_OFFER_TYPE,				/* offer * 4 + type; above these bits, pieces beyond the first */
	COLS
};

/* Rows in the order of time, and the next one of them. */
typedef struct ReplayRows
{
	Tuplesortstate *sort;
	TupleTableSlot *slot;
	bool		any;			/* row is one */
	SlmChunkRow row;
} ReplayRows;

typedef struct Replay
{
	TimestampTz from;
	TimestampTz to;
	TimestampTz rows_from;		/* earlier than from: the view log does not reach back far enough */
	TimestampTz log_from;		/* the view log is written from here on */
	SlmViewState *state;		/* for its dictionary and key */
	SlmOwn		own;			/* a user's own dimensions, before this */
	SlmHistory *history;
	TupleDesc	desc;
	TupleTableSlot *slot;
	ReplayRows	bulk;
	ReplayRows	fresh;
	ReplayRows *into;			/* where rows go now */
	SlmTiers   *tiers;
	SlmReplayRange *ranges;		/* by tier */
	SlmViews	known;			/* counted, at most a view window ago */
	SlmBatch	batch;
	SlmCells	cells;
	SlmReplayOffers offers;
	int64		events;
} Replay;

static void
free_replay(void *arg)
{
	Replay	   *replay = arg;

	slm_views_free(&replay->known);
	slm_batch_free(&replay->batch);
	slm_cells_free(&replay->cells);
}

/* --- rows into a sort --- */

static void
take_event(const SlmEvent *event, void *arg)
{
	Replay	   *replay = arg;
	TupleTableSlot *slot = replay->slot;
	uint64		fingerprint = slm_event_fingerprint(replay->state, event);
	SlmOfferId	offer;

	if (event->time < replay->from && fingerprint == 0)
		return;
	offer = slm_event_offer(replay->state, event);
	if (offer == SLM_NO_OFFER)
		return;
	ExecClearTuple(slot);
	slot->tts_values[COL_TIME] = Int64GetDatum(event->time);
	slot->tts_values[COL_FINGERPRINT] = Int64GetDatum((int64) fingerprint);
	slot->tts_values[COL_OFFER_TYPE] = Int64GetDatum((int64) event->more << OFFER_TYPE_BITS | ((int64) offer * SLM_EVENT_TYPES + event->type));
	memset(slot->tts_isnull, false, COLS * sizeof(bool));
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(replay->into->sort, slot);
}

static void
check_memory(const Replay *replay)
{
	size_t		limit = (size_t) slm_work_memory * 1024;

	if (slm_dictionary_memory(replay->state->dictionary) > limit || slm_views_memory(&replay->known) > limit)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("replay needs more memory than sellometer.work_memory"),
				 errdetail("Offers take %zu kB, the views of a window %zu kB.",
						   slm_dictionary_memory(replay->state->dictionary) / 1024, slm_views_memory(&replay->known) / 1024),
				 errhint("Replay shorter ranges one by one, or raise sellometer.work_memory.")));
}

/* Read what has not been read yet, and sort it. */
static void
gather(Replay *replay, ReplayRows *rows)
{
	AttrNumber	columns[1] = {COL_TIME + 1};
	Oid			operators[1] = {Int8LessOperator};
	Oid			collations[1] = {InvalidOid};
	bool		nulls_first[1] = {false};

	rows->sort = tuplesort_begin_heap(replay->desc, 1, columns, operators, collations, nulls_first, maintenance_work_mem,
									  NULL, TUPLESORT_NONE);
	rows->slot = MakeSingleTupleTableSlot(replay->desc, &TTSOpsMinimalTuple);
	replay->into = rows;
	(void) slm_history_read(replay->history, replay->rows_from, replay->to, take_event, replay);
	check_memory(replay);
	tuplesort_performsort(rows->sort);
}

/* --- rows out of it --- */

static void
advance(ReplayRows *rows)
{
	bool		isnull;
	int64		offer_type;

	rows->any = tuplesort_gettupleslot(rows->sort, true, false, rows->slot, NULL);
	if (!rows->any)
		return;
	offer_type = DatumGetInt64(slot_getattr(rows->slot, COL_OFFER_TYPE + 1, &isnull));
	rows->row.time = DatumGetInt64(slot_getattr(rows->slot, COL_TIME + 1, &isnull));
	rows->row.fingerprint = (uint64) DatumGetInt64(slot_getattr(rows->slot, COL_FINGERPRINT + 1, &isnull));
	rows->row.more = offer_type >> OFFER_TYPE_BITS;
	rows->row.offer = (SlmOfferId) ((uint32) offer_type / SLM_EVENT_TYPES);
	rows->row.type = (uint32) offer_type % SLM_EVENT_TYPES;
}

/* The earlier of the two next rows; NULL if there is none. */
static ReplayRows *
next_row(Replay *replay)
{
	if (!replay->fresh.any)
		return replay->bulk.any ? &replay->bulk : NULL;
	if (!replay->bulk.any || replay->fresh.row.time < replay->bulk.row.time)
		return &replay->fresh;
	return &replay->bulk;
}

static void
end_rows(ReplayRows *rows)
{
	ExecDropSingleTupleTableSlot(rows->slot);
	tuplesort_end(rows->sort);
}

/* --- which buckets --- */

/* The range of a tier; says what is left as it is. */
static void
find_range(const Replay *replay, int t, TimestampTz head, SlmReplayRange *range)
{
	const SlmTier *tier = &replay->tiers->tiers[t];
	TimestampTz floor = slm_tier_floor(tier, head);
	TimestampTz kept_to = tier->watermark;
	TimestampTz kept_from;

	*range = slm_replay_range(replay->tiers, t, replay->from, replay->to, head);
	kept_from = range->kept_from;
	if ((replay->from > kept_from && replay->from < kept_to && slm_bucket_at_or_before(tier->granularity, replay->from) < replay->from) ||
		(replay->to > kept_from && replay->to < kept_to && slm_bucket_at_or_before(tier->granularity, replay->to) < replay->to))
		ereport(NOTICE,
				(errmsg("tier \"%s\" is left as it is in the buckets that begin before the range or end after it", tier->name),
				 errhint("A range of whole buckets of a tier replaces them all.")));
	if (replay->to <= kept_from && replay->to > floor)
		ereport(NOTICE,
				(errmsg("tier \"%s\" takes nothing of the range: it is complete from %s on, and a coarser tier before that", tier->name,
						timestamptz_to_str(tier->kept_from)),
				 errhint("A range that reaches up to that time fills it.")));
}

static void
find_ranges(Replay *replay)
{
	TimestampTz head = slm_head_read();

	replay->ranges = palloc0(sizeof(SlmReplayRange) * replay->tiers->n);
	for (int t = 0; t < replay->tiers->n; t++)
		find_range(replay, t, head, &replay->ranges[t]);
}

/* --- dimensions of a user's own --- */

/* Rows are read with keys from then on.  It may have become another time until the lock is there. */
static void
begin_dimensions(Replay *replay)
{
	SlmOwn		filled;

	replay->own = *slm_own();
	filled = slm_replay_dimensions(&replay->own, slm_tiers_read(), replay->from, replay->to);
	if (!slm_dictionary_set_own(replay->state->dictionary, &filled))
		slm_out_of_memory();
}

static void
confirm_dimensions(const Replay *replay)
{
	SlmOwn		filled;

	slm_own_confirm(&replay->own);
	filled = slm_replay_dimensions(&replay->own, replay->tiers, replay->from, replay->to);
	if (!slm_own_equal(&filled, slm_dictionary_own(replay->state->dictionary)))
		slm_own_changed();
}

static void
note_dimensions(const Replay *replay)
{
	const SlmOwn *filled = slm_dictionary_own(replay->state->dictionary);

	for (uint32 i = 0; i < filled->n; i++)
	{
		if (filled->dimension[i].since == replay->own.dimension[i].since)
			continue;
		slm_own_filled(filled->dimension[i].id, filled->dimension[i].since);
		ereport(NOTICE,
				(errmsg("dimension \"%s\" is complete from %s on now", slm_own_name((int) i),
						TIMESTAMP_IS_NOBEGIN(filled->dimension[i].since) ? "the beginning" : timestamptz_to_str(filled->dimension[i].since))));
	}
}

/*
 * What was too old for all tiers is not in the history, nor need be what the ledger has forgotten: then nothing is taken for whole before
 * the time from which on some tier is.
 */
static TimestampTz
known_from(const SlmTiers *tiers)
{
	static SlmStatement statement = {
		"SELECT forgotten_until IS NOT NULL OR EXISTS (SELECT FROM sellometer.objects WHERE rows_expired > 0) FROM sellometer.state"
	};
	TimestampTz from = DT_NOEND;
	bool		isnull;

	slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	if (!DatumGetBool(slm_value(0, 1, &isnull)))
		return DT_NOBEGIN;
	for (int t = 0; t < tiers->n; t++)
		from = Min(from, tiers->tiers[t].kept_from);
	return from;
}

/* Tiers that were joined hold all from the beginning of the range on. */
static void
note_filled(Replay *replay)
{
	TimestampTz from = known_from(replay->tiers);

	for (int t = 0; t < replay->tiers->n; t++)
	{
		SlmTier    *tier = &replay->tiers->tiers[t];
		/* complete is a bucket only as a whole */
		TimestampTz filled = Max(replay->ranges[t].first, slm_bucket_at_or_after(tier->granularity, from));

		if (!replay->ranges[t].joins || filled >= tier->kept_from)
			continue;
		slm_tier_filled_from(tier, filled);
		ereport(NOTICE,
				(errmsg("tier \"%s\" is complete from %s on now", tier->name,
						TIMESTAMP_IS_NOBEGIN(filled) ? "the beginning" : timestamptz_to_str(filled))));
	}
}

static void
delete_range(const SlmTier *tier, const SlmReplayRange *range)
{
	static SlmStatement totals = {
		"DELETE FROM sellometer.totals WHERE tier = $1 AND event_time >= $2 AND event_time < $3",
		3, {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		args[3] = {CStringGetTextDatum(tier->name), TimestampTzGetDatum(range->first), TimestampTzGetDatum(range->end)};

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	/* no bucket goes in part, nor one that a rollup is to make */
	Assert(range->first >= range->end || range->end <= tier->watermark);

	if (range->first >= range->end)
		return;
	for (int d = 0; d < slm_dimension_count(); d++)
		slm_tier_delete(tier, d, range->first, range->end);
	slm_execute(&totals, args, NULL, SPI_OK_DELETE);
}

/* --- one hour --- */

static void
write_tier(Replay *replay, int t)
{
	const SlmTier *tier = &replay->tiers->tiers[t];
	const SlmReplayRange *range = &replay->ranges[t];
	SlmDimensionDeltas *deltas;
	SlmSegments *segments;

	if (range->first >= range->end)
		return;
	slm_cells_free(&replay->cells);
	if (!slm_cells_make(&replay->batch.groups, tier->granularity, tier->partition, &replay->cells))
		slm_out_of_memory();
	for (uint32 i = 0; i < replay->cells.nbuckets; i++)
	{
		SlmBucket  *bucket = &replay->cells.buckets[i];

		bucket->wanted = bucket->start >= range->first && bucket->start < range->end;
	}
	deltas = slm_dimension_deltas_begin(&replay->cells, replay->state->dictionary);
	segments = slm_segments_create(&replay->cells);
	PG_TRY();
	{
		(void) slm_tier_write(tier, &replay->cells, deltas, replay->state->dictionary, false, slm_head_read(), segments, NULL);
		slm_totals_add(tier, &replay->cells, segments);
	}
	PG_FINALLY();
	{
		slm_dimension_deltas_end(deltas);
		slm_segments_free(segments);
	}
	PG_END_TRY();
}

/* Decide the views of the hour, and write what it holds. */
static void
write_slice(Replay *replay, TimestampTz start)
{
	Assert(slm_lock_held(SLM_LOCK_WRITER));
	Assert(start == slm_bucket_start(SLICE, start));
	slm_views_drop_before(&replay->known, start - slm_view_window_usecs());
	slm_replay_offers_before(&replay->offers, &replay->batch, start);
	if (!slm_batch_deduplicate_views(&replay->batch, &replay->known))
		slm_out_of_memory();
	slm_replay_offers_after(&replay->offers, &replay->batch, start);
	if (start + USECS_PER_HOUR > replay->log_from)
		slm_view_log_write_batch(&replay->batch);
	slm_own_keys_admit(replay->state->dictionary, &replay->batch.groups);
	for (int t = 0; t < replay->tiers->n; t++)
		write_tier(replay, t);
	check_memory(replay);
	slm_batch_reset(&replay->batch);
	SLM_CRASH_POINT("replay.hour");
}

/* A view before the range: if it is the earliest of its session and product, it is the one that counts. */
static void
know_view(Replay *replay, const SlmChunkRow *row)
{
	bool		found;
	SlmView    *view = slm_views_add(&replay->known, row->fingerprint, &found);

	if (view == NULL)
		slm_out_of_memory();
	if (!found || slm_view_is_earlier(replay->state->dictionary, row->time, row->offer, view))
	{
		view->time = row->time;
		view->offer = row->offer;
	}
}

static void
add_row(Replay *replay, const SlmChunkRow *row)
{
	SlmBatch   *batch = &replay->batch;
	bool		ok;

	Assert(row->time >= replay->from && row->time < replay->to);

	if (batch->nobjects == 0 && !slm_batch_begin_object(batch))
		slm_out_of_memory();
	if (row->fingerprint != 0)
		ok = slm_batch_merge_view(batch, 0, row->fingerprint, row->time, row->offer);
	else
	{
		TimestampTz minute = slm_bucket_start((SlmGranularity) {.usecs = USECS_PER_MINUTE}, row->time);

		ok = slm_batch_count(batch, (int32) (minute / USECS_PER_MINUTE), row->offer, (uint8) row->type, slm_row_pieces(row));
	}
	if (!ok)
		slm_out_of_memory();
	replay->events++;
}

static void
write_rows(Replay *replay)
{
	TimestampTz start = DT_NOBEGIN;
	ReplayRows *rows;
	uint64		n = 0;

	advance(&replay->bulk);
	advance(&replay->fresh);
	while ((rows = next_row(replay)) != NULL)
	{
		const SlmChunkRow *row = &rows->row;

		if (row->time < replay->from)
			know_view(replay, row);
		else
		{
			if (!TIMESTAMP_IS_NOBEGIN(start) && row->time >= start + USECS_PER_HOUR)
			{
				write_slice(replay, start);
				start = DT_NOBEGIN;
			}
			if (TIMESTAMP_IS_NOBEGIN(start))
				start = slm_bucket_start(SLICE, row->time);
			add_row(replay, row);
		}
		advance(rows);
		if (++n % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	if (!TIMESTAMP_IS_NOBEGIN(start))
		write_slice(replay, start);
}

/* --- all of it --- */

/* Which views before the range are counted: from the log, unless the rows tell. */
static void
read_known(Replay *replay)
{
	if (!TIMESTAMP_NOT_FINITE(replay->from) && replay->rows_from == replay->from)
		slm_view_log_read(replay->state->dictionary, replay->from - slm_view_window_usecs(), replay->from, NULL, &replay->known);
}

static void
replace(Replay *replay)
{
	slm_progress_phase("wait for lock");
	(void) slm_writer_lock();
	slm_progress_phase("read what is new");
	gather(replay, &replay->fresh);
	slm_progress_phase("replace");
	replay->tiers = slm_tiers_read();
	slm_rollup_reset(replay->tiers);
	find_ranges(replay);
	confirm_dimensions(replay);
	read_known(replay);
	slm_view_log_cut(replay->state->dictionary, Max(replay->from, replay->log_from), replay->to, NULL);
	for (int t = 0; t < replay->tiers->n; t++)
		delete_range(&replay->tiers->tiers[t], &replay->ranges[t]);
	slm_replay_offers_begin(&replay->offers, replay->from, replay->to, known_from(replay->tiers));
	SLM_CRASH_POINT("replay.deleted");
	write_rows(replay);
	slm_replay_offers_end();
	note_filled(replay);
	note_dimensions(replay);
	SLM_CRASH_POINT("replay.written");
	end_rows(&replay->bulk);
	end_rows(&replay->fresh);
}

static Replay *
create_replay(TimestampTz from, TimestampTz to)
{
	Replay	   *replay = palloc0(sizeof(Replay));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	replay->from = from;
	replay->to = to;
	replay->log_from = slm_view_log_from();
	replay->rows_from = from;
	if (!TIMESTAMP_NOT_FINITE(from) && !TIMESTAMP_IS_NOBEGIN(replay->log_from) &&
		from - slm_view_window_usecs() - USECS_PER_HOUR < replay->log_from)
		replay->rows_from = from - slm_view_window_usecs();
	replay->state = slm_view_state_create(false);
	callback->func = free_replay;
	callback->arg = replay;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	begin_dimensions(replay);
	slm_batch_init(&replay->batch, replay->state->dictionary);
	replay->history = slm_history_create();
	replay->desc = CreateTemplateTupleDesc(COLS);
	TupleDescInitEntry(replay->desc, COL_TIME + 1, "time", INT8OID, -1, 0);
	TupleDescInitEntry(replay->desc, COL_FINGERPRINT + 1, "fingerprint", INT8OID, -1, 0);
	TupleDescInitEntry(replay->desc, COL_OFFER_TYPE + 1, "offer_type", INT8OID, -1, 0);
	replay->slot = MakeSingleTupleTableSlot(replay->desc, &TTSOpsVirtual);
	return replay;
}

static void
note_totals(const Replay *replay)
{
	static SlmStatement statement = {
		"SELECT count(*), least(coalesce(sum(bytes), 0), 4611686018427387904)::bigint FROM (SELECT bytes FROM sellometer.archives "
		"WHERE archived_at IS NOT NULL AND first_event < $2 AND last_event >= $1 UNION ALL "
		"SELECT size FROM sellometer.objects WHERE (state = 'done' OR resume_row > 0) AND first_event < $2 AND last_event >= $1) p",
		2, {TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		args[2] = {TimestampTzGetDatum(replay->rows_from), TimestampTzGetDatum(replay->to)};

	slm_execute(&statement, args, NULL, SPI_OK_SELECT);
	slm_progress_totals(slm_int64(0, 1, 0), slm_int64(0, 2, 0));
}

static int64
replay_range(TimestampTz from, TimestampTz to)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer replay", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Replay	   *replay = create_replay(from, to);
	int64		events;

	note_totals(replay);
	slm_progress_phase("read");
	gather(replay, &replay->bulk);
	SLM_CRASH_POINT("replay.read");
	replace(replay);
	events = replay->events;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return events;
}

/* --- what was declared lost --- */

/*
 * Where a range can begin behind a lost object: its views must be known, from the log, or be a window away.  A time before all is
 * none of these.
 */
static TimestampTz
resume_behind(const SlmMissing *lost)
{
	static const SlmGranularity minute = {.usecs = USECS_PER_MINUTE};
	TimestampTz behind = slm_bucket_next(minute, slm_bucket_start(minute, lost->last));
	TimestampTz log_from = slm_view_log_from();

	if (TIMESTAMP_IS_NOBEGIN(log_from) || behind - slm_view_window_usecs() - USECS_PER_HOUR >= log_from)
		return behind;
	return behind + slm_view_window_usecs();
}

/* The rows of lost objects stay counted as they are, and so do the minutes that they are in: what is between is made anew. */
static int64
replay_around(const List *lost, TimestampTz from, TimestampTz to)
{
	static const SlmGranularity minute = {.usecs = USECS_PER_MINUTE};
	int64		events = 0;
	ListCell   *cell;

	foreach(cell, lost)
	{
		const SlmMissing *missing = lfirst(cell);
		TimestampTz until = Min(slm_bucket_start(minute, missing->first), to);
		TimestampTz behind = resume_behind(missing);

		if (behind <= from)
			continue;
		if (until > from)
			events += replay_range(from, until);
		from = Max(from, behind);
		ereport(NOTICE,
				(errmsg("all is left as it is from %s to %s", pstrdup(timestamptz_to_str(until)),
						pstrdup(timestamptz_to_str(behind))),
				 errdetail("Object \"%s\" of source \"%s\", which was declared lost, has " INT64_FORMAT " rows there.",
						   slm_store_display(missing->key), missing->source, missing->rows_total)));
	}
	return from < to ? events + replay_range(from, to) : events;
}

int64
slm_replay(TimestampTz from, TimestampTz to)
{
	volatile int64 events = 0;

	slm_progress_begin("replay");
	PG_TRY();
	{
		slm_history_lock();
		events = replay_around(slm_missing_declared(TIMESTAMP_NOT_FINITE(from) ? from : from - slm_view_window_usecs() - USECS_PER_HOUR, to),
							   from, to);
	}
	PG_FINALLY();
	{
		slm_progress_end();
	}
	PG_END_TRY();
	return events;
}
