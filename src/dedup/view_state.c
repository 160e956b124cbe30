/*
 * view_state.c: which views are counted, as one backend knows it.
 */
#include "postgres.h"

#include "budget.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "dedup/own_dimensions.h"
#include "dedup/view_check.h"
#include "dedup/view_log.h"
#include "dedup/view_state.h"
#include "guc.h"
#include "miscadmin.h"
#include "pure/chunk.h"
#include "pure/granularity.h"
#include "pure/memory.h"
#include "pure/viewlog.h"
#include "server/alive.h"
#include "server/background.h"
#include "server/locks.h"
#include "server/out_of_memory.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define BLOCKS_PER_FETCH	32
#define MAX_TIMES_MORE		8	/* room is made ahead for at most so many times the views that there are */

/* Live objects may be this much behind the head and still find their views in the cache. */
#define CACHE_SLACK			(USECS_PER_HOUR)

uint64
slm_event_key(const SlmViewState *state, const SlmEvent *event)
{
	return slm_view_fingerprint(&state->key, event->session, event->product_id);
}

uint64
slm_event_fingerprint(const SlmViewState *state, const SlmEvent *event)
{
	return slm_fingerprint_of(&state->key, event);
}

SlmOfferId
slm_event_offer(SlmViewState *state, const SlmEvent *event)
{
	SlmDictionaryError error;
	SlmOfferId	offer = slm_dictionary_offer(state->dictionary, event, &error);

	if (offer == SLM_NO_OFFER && error == SLM_DICTIONARY_MEMORY)
		slm_out_of_memory();
	return offer;
}

static void
state_free(void *arg)
{
	SlmViewState *state = arg;

	slm_view_state_end(state);
	slm_views_free(&state->known);
	slm_dictionary_free(state->dictionary);
	state->dictionary = NULL;
	slm_table_release();
}

static void
forget(SlmViewState *state)
{
	slm_views_free(&state->known);
	state->valid = false;
}

/* An empty dictionary; what was known refers to the old one. */
static void
renew_dictionary(SlmViewState *state)
{
	SlmDictionary *fresh = slm_dictionary_create(&state->key);

	/* the thread that packs reads the old one */
	Assert(!state->packing.running);

	if (fresh == NULL)
		slm_out_of_memory();
	slm_overrides_apply(state->overrides, fresh);
	slm_dictionary_free(state->dictionary);
	state->dictionary = fresh;
	if (!slm_dictionary_set_own(fresh, slm_own()))
		slm_out_of_memory();
	state->dictionaries++;
	state->names_before = slm_dictionary_memory(fresh);
	forget(state);
}

void
slm_keys_read(SlmHashKey *fingerprints, SlmChecksumKey *checksums)
{
	static SlmStatement statement = {"SELECT hash_key FROM sellometer.secret"};
	bool		isnull;
	bytea	   *key;
	uint64		words[2];

	if (slm_execute(&statement, NULL, NULL, SPI_OK_SELECT) != 1)
		elog(ERROR, "sellometer.secret must have one row");
	key = DatumGetByteaPP(slm_value(0, 1, &isnull));
	if (VARSIZE_ANY_EXHDR(key) != sizeof(words))
		elog(ERROR, "the hash key in sellometer.secret must have 16 bytes");
	memcpy(words, VARDATA_ANY(key), sizeof(words));
	*fingerprints = slm_hash_key(words[0], words[1]);
	slm_checksum_key(checksums, words, sizeof(words));
}

SlmViewState *
slm_view_state_create(bool persistent)
{
	SlmViewState *state = palloc0(sizeof(SlmViewState));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	state->persistent = persistent;
	state->too_many = PG_INT64_MAX;
	slm_keys_read(&state->key, &state->checksum);
	callback->func = state_free;
	callback->arg = state;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	state->overrides = slm_overrides_create();
	(void) slm_overrides_refresh(state->overrides);
	slm_own_read();
	renew_dictionary(state);
	return state;
}

void
slm_view_state_refresh(SlmViewState *state)
{
	slm_table_keep_at_most(slm_budget_tables());
	slm_own_read();
	if (slm_overrides_refresh(state->overrides) || !slm_own_equal(slm_own(), slm_dictionary_own(state->dictionary)))
		renew_dictionary(state);
}

/* How many may be known: with more of them the table would grow beyond its share. */
static uint64
most_views(void)
{
	return slm_budget_view_slots() / 5 * 4;
}

void
slm_view_state_trim(SlmViewState *state, TimestampTz head)
{
	uint64		most = slm_budget_view_slots();
	bool		tight = state->known.nviews > most_views();

	Assert(!state->packing.running && state->blocks.nblocks == 0);

	/* the transaction that begins now has deduplicated nothing yet: what one before has, did not come to the log if that failed */
	state->deduplicated = false;
	state->known.most = most;
	if (slm_dictionary_memory(state->dictionary) > slm_budget_names())
		renew_dictionary(state);
	state->names_before = slm_dictionary_memory(state->dictionary);
	if (state->valid && !TIMESTAMP_NOT_FINITE(head))
	{
		TimestampTz from = head - slm_view_window_usecs() - (int64) slm_live_lateness * USECS_PER_SEC - CACHE_SLACK;

		/*
		 * Dropping costs a pass over the table, so only now and then; but much less than to read the log anew.  A cache that was begun
		 * before there was a head is from the beginning of time: any distance from there is too large for a number.
		 */
		if (tight || TIMESTAMP_NOT_FINITE(state->from) || from - state->from > slm_view_window_usecs() / 4)
		{
			slm_views_drop_before(&state->known, from);
			state->from = from;
		}
		/* the head went back, as an object was taken out: what is live now reaches back further */
		if (state->from > from + slm_view_window_usecs() / 4)
			forget(state);
	}
	/* of what was known without a cache, too, nothing is of use any more */
	if (!state->persistent || !state->valid || state->known.nviews > most_views() || state->known.nslots > most + most / 4)
		forget(state);
}

/* --- reading the log --- */

static void
unpack_row(SlmViewState *state, uint64 row, TimestampTz not_before, const SlmViews *only)
{
	bool		isnull;
	TimestampTz hour = DatumGetTimestampTz(slm_value(row, 1, &isnull));
	Datum		stored = slm_value(row, 2, &isnull);
	bytea	   *block = DatumGetByteaP(stored);
	SlmViewLogResult result;

	result = slm_viewlog_unpack(VARDATA(block), VARSIZE(block) - VARHDRSZ, hour, not_before, only,
								state->dictionary, &state->known);
	/* a block of middling size stands in its row as it is, and was not copied */
	if (PointerGetDatum(block) != stored)
		pfree(block);
	if (result == SLM_VIEWLOG_MEMORY)
		slm_out_of_memory();
	if (result == SLM_VIEWLOG_CORRUPT)
		slm_view_log_damaged(hour);
}

/* Do the names that have been read from the log take as much of the dictionary as they may? */
static bool
is_full_of_names(const SlmViewState *state)
{
	return slm_dictionary_memory(state->dictionary) > slm_budget_names();
}

/*
 * Read blocks with after < seq and first <= hour <= last into known: views of a fingerprint in only, or all.  False if it may give up, and
 * has, as the dictionary is full of their names.
 */
static bool
read_blocks(SlmViewState *state, int64 after, TimestampTz first, TimestampTz last, const SlmViews *only, bool may_give_up)
{
	static SlmStatement statement = {
		"SELECT hour, block FROM sellometer.view_log WHERE seq > $1 AND hour >= $2 AND hour <= $3",
		3, {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		args[3] = {Int64GetDatum(after), TimestampTzGetDatum(first), TimestampTzGetDatum(last)};
	MemoryContext context = CurrentMemoryContext;
	Portal		portal;
	bool		full = false;

	if (statement.plan == NULL)
	{
		statement.plan = SPI_prepare(statement.sql, statement.nargs, statement.types);
		SPI_keepplan(statement.plan);
	}
	portal = SPI_cursor_open(NULL, statement.plan, args, NULL, false);
	while (!full)
	{
		SPITupleTable *table;

		SPI_cursor_fetch(portal, true, BLOCKS_PER_FETCH);
		if (SPI_processed == 0)
			break;
		table = SPI_tuptable;
		MemoryContextSwitchTo(context);
		for (uint64 row = 0; row < table->numvals && !full; row++)
		{
			SPI_tuptable = table;
			unpack_row(state, row, first, only);
			full = may_give_up && is_full_of_names(state);
			slm_alive();
			CHECK_FOR_INTERRUPTS();
		}
		SPI_freetuptable(table);
	}
	SPI_cursor_close(portal);
	MemoryContextSwitchTo(context);
	return !full;
}

/* How often entries were taken out of the log: what was read before is then worth nothing. */
static int64
read_epoch(void)
{
	static SlmStatement statement = {"SELECT views_epoch FROM sellometer.state"};

	slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	return slm_int64(0, 1, 0);
}

/*
 * The newest seq.  Under the lock nobody else is between taking a number and committing, so all blocks up to it are
 * visible or were rolled back.
 */
static int64
newest_seq(void)
{
	static SlmStatement statement = {
		"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM sellometer.view_log_seq_seq"
	};

	slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	return slm_int64(0, 1, 0);
}

/* How many views the blocks since a time hold. */
static int64
count_views(TimestampTz from)
{
	static SlmStatement statement = {
		"SELECT sum(views)::bigint FROM sellometer.view_log WHERE hour >= $1", 1, {TIMESTAMPTZOID}
	};
	Datum		arg = TimestampTzGetDatum(from);

	slm_execute(&statement, &arg, NULL, SPI_OK_SELECT);
	return slm_int64(0, 1, 0);
}

/* Fill the persistent cache if it is not valid; false if it would not fit. */
static bool
open_cache(SlmViewState *state, TimestampTz head)
{
	int64		views;
	int64		seq;

	if (state->valid)
		return true;
	forget(state);
	state->from = TIMESTAMP_NOT_FINITE(head) ? DT_NOBEGIN
		: head - slm_view_window_usecs() - (int64) slm_live_lateness * USECS_PER_SEC - CACHE_SLACK;
	views = count_views(state->from);
	if (views >= state->too_many || (uint64) views > most_views())
		return false;
	if (!slm_views_reserve(&state->known, views))
		slm_out_of_memory();
	seq = slm_view_log_committed();
	if (!read_blocks(state, 0, state->from, DT_NOEND, NULL, true))
	{
		state->too_many = views;
		return false;
	}
	state->too_many = PG_INT64_MAX;
	state->last_seq = seq;
	state->valid = true;
	return true;
}

/* An hour's block holds views up to its end: begin one hour earlier. */
static TimestampTz
hours_before(TimestampTz time, int64 usecs)
{
	return time - usecs - USECS_PER_HOUR;
}

/*
 * Read what the batch's views may repeat and the cache does not hold: all of it without a cache, else what late rows
 * reach back to.
 */
static void
read_for_batch(SlmViewState *state, SlmBatch *batch, int64 after)
{
	TimestampTz first = hours_before(state->batch_first, slm_view_window_usecs());

	if (state->cached && first >= state->from)
		return;
	/* the log is asked for each of them */
	if (!slm_batch_gather(batch))
		slm_out_of_memory();
	if (!state->cached)
		(void) read_blocks(state, after, first, state->batch_last + slm_view_window_usecs(), &batch->views, false);
	else
		(void) read_blocks(state, after, first, state->from, &batch->views, false);
}

void
slm_view_state_prepare(SlmViewState *state, SlmBatch *batch, TimestampTz head)
{
	Assert(!state->packing.running);
	Assert(batch->dictionary == state->dictionary);
#ifdef USE_ASSERT_CHECKING
	state->prepared = batch;
#endif
	state->deduplicated = false;
	if (slm_batch_views(batch) == 0)
		return;
	slm_batch_view_span(batch, &state->batch_first, &state->batch_last);
	/* before the log is read: so a change that is missed here is seen under the lock */
	if (!state->valid)
		state->epoch = read_epoch();
	state->head = head;
	state->cached = state->persistent && open_cache(state, head);
	if (!state->cached)
		forget(state);
	state->batch_seq = slm_view_log_committed();
	read_for_batch(state, batch, 0);
}

/* Under the lock: read what has been committed since the preparation. */
static void
catch_up(SlmViewState *state, SlmBatch *batch)
{
	int64		seq;

	if (read_epoch() != state->epoch)
	{
		forget(state);
		slm_view_state_prepare(state, batch, state->head);
	}
	seq = newest_seq();
	if (state->cached && seq > state->last_seq)
		(void) read_blocks(state, state->last_seq, state->from, DT_NOEND, NULL, false);
	if (seq > state->batch_seq)
		read_for_batch(state, batch, state->batch_seq);
	state->last_seq = seq;
}

/* In a thread: pack the log, and make the room in the cache that the next batch will ask for. */
static void
pack(void *arg)
{
	SlmViewState *state = arg;

	state->packed = slm_viewlog_pack(state->dictionary, state->lists, slm_batch_view_lists(state->batch, state->lists), &state->blocks);
	if (state->room > 0)
		(void) slm_views_reserve(&state->known, state->room);
}

/*
 * How many views the cache will have when all that waits is loaded, if it is like this batch, which adds so many to it; 0: no more are
 * to be kept.
 */
static uint64
expected_views(const SlmViewState *state, uint64 nviews)
{
	uint64		most = most_views();
	double		more = nviews * state->upcoming;

	/* whatever sizes a list claims */
	more = Min(more, (double) MAX_TIMES_MORE * (state->known.nviews + nviews));
	if (!state->cached || more <= 0 || state->known.nviews >= most)
		return 0;
	return state->known.nviews + (uint64) Min(more, (double) (most - state->known.nviews));
}

void
slm_view_state_deduplicate(SlmViewState *state, SlmBatch *batch)
{
	uint64		nviews = slm_batch_views(batch);
	uint64		nknown;

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	Assert(state->prepared == batch && !state->deduplicated);

	/* what is known stays as it is, and as valid or not as it was */
	if (nviews == 0)
		return;
	catch_up(state, batch);
	SLM_CHECK_VIEWS(state);
	state->valid = false;
	state->deduplicated = true;
	/* an empty table costs nothing to grow; a full one is grown later, by the thread that packs */
	if (state->known.nviews == 0)
	{
		uint64		distinct = slm_batch_distinct_views(batch);

		if (!slm_views_reserve(&state->known, distinct + expected_views(state, distinct)))
			slm_out_of_memory();
	}
	nknown = state->known.nviews;
	if (!slm_batch_deduplicate_views(batch, &state->known))
		slm_out_of_memory();
	state->batch = batch;
	state->lists = palloc(sizeof(SlmViewList) * (batch->nruns + 1));
	state->room = expected_views(state, state->known.nviews - nknown);
	slm_background_start(&state->packing, pack, state, nviews);
}

void
slm_view_state_write(SlmViewState *state)
{
	int64		seq;

	if (!state->deduplicated)
		return;
	Assert(slm_lock_held(SLM_LOCK_WRITER));
	slm_thread_join(&state->packing);
	if (!state->packed)
		slm_out_of_memory();
	seq = slm_view_log_write_blocks(&state->blocks);
	state->last_seq = Max(state->last_seq, seq);
}

void
slm_view_state_end(SlmViewState *state)
{
	slm_thread_join(&state->packing);
	slm_viewlog_blocks_free(&state->blocks);
	state->packed = false;
}

void
slm_view_state_committed(SlmViewState *state)
{
	Assert(!state->packing.running && state->blocks.nblocks == 0);
	/* without a cache only what the batch asked for is known */
	if (state->deduplicated)
		state->valid = state->persistent && state->cached;
}
