/*
 * apply.c: from a batch to committed rows.
 *
 *   rejected rows; sales and listings --> offer log
 *   view state: what there is to decide against
 *   writer's lock --> view state: which views count
 *                 --> carts, products of the inventory that were sold
 *                 --> each tier: cells --> which buckets it takes --> its five tables, totals
 *                 --> view log
 *                 --> heads, ledger
 *
 * Order of locks: rows of sellometer.objects (when picked), then the writer's lock, then the rollup lock, then tables.
 * Nobody who holds the writer's lock waits for a row of the ledger that it has not picked itself; nobody who holds the
 * rollup lock waits for the writer's.
 */
#include "postgres.h"

#include "facts/cart_write.h"
#include "facts/offer_log.h"
#include "facts/stock_write.h"
#include "guc.h"
#include "ledger/head.h"
#include "ledger/identity.h"
#include "ledger/record.h"
#include "ledger/rejects.h"
#include "load/apply.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "server/background.h"
#include "server/crash_point.h"
#include "server/locks.h"
#include "server/out_of_memory.h"
#include "tiers/count_check.h"
#include "tiers/minute_keys.h"
#include "tiers/rollup.h"
#include "tiers/rollup_changes.h"
#include "tiers/tier.h"
#include "tiers/tier_write.h"
#include "tiers/totals.h"
#include "utils/timestamp.h"

static double
ms_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MILLISEC(now);
}

/*
 * The first partition of a tier that is wanted for the sake of those that are added up from it: rows of a bucket of such a one
 * which is not complete yet wait here for its rollup, however long ago they were.  The tier that keeps for longest makes all
 * that is asked for, as rows that are too old for it were counted as expired when they were read.
 */
static TimestampTz
needed_from(const SlmTiers *tiers, int t, TimestampTz head)
{
	TimestampTz settled = head - (int64) slm_live_lateness * USECS_PER_SEC;
	TimestampTz complete = DT_NOEND;

	if (TIMESTAMP_NOT_FINITE(head) || slm_tier_floor(&tiers->tiers[t], head) <= slm_tiers_floor(tiers, head))
		return DT_NOBEGIN;
	for (int c = t + 1; c < tiers->n; c++)
	{
		if (tiers->tiers[c].finer == t)
			complete = Min(complete, slm_bucket_start(tiers->tiers[c].granularity, settled));
	}
	return TIMESTAMP_IS_NOEND(complete) ? complete : slm_bucket_start(tiers->tiers[t].partition, complete);
}

/* The first partition that a tier still makes or has: whatever is older, it refuses. */
static TimestampTz
first_partition(const SlmTiers *tiers, int t, TimestampTz head, const SlmCells *cells)
{
	const SlmTier *tier = &tiers->tiers[t];
	TimestampTz first = Min(slm_tier_floor(tier, head), needed_from(tiers, t, head));

	if (cells->nbuckets > 0 && cells->buckets[0].partition < first)
	{
		int			n;
		TimestampTz *starts = slm_partitions(tier, &n);

		if (n > 0)
			first = Min(first, starts[0]);
	}
	return first;
}

/*
 * Which buckets a tier takes: those before its watermark that it keeps, complete or not (slm_tier_takes_from()).  What it refuses for the first time is noted as not
 * kept, so that nobody takes the tier for whole there.  Returns the newest of the buckets that it does not keep;
 * DT_NOBEGIN if there is none.
 */
static TimestampTz
choose_buckets(SlmTiers *tiers, int t, TimestampTz head, SlmCells *cells)
{
	SlmTier    *tier = &tiers->tiers[t];
	TimestampTz first = first_partition(tiers, t, head, cells);
	TimestampTz takes_from = slm_tier_takes_from(tiers, t);
	TimestampTz newest_refused = DT_NOBEGIN;

	/* ascending: of the partitions before the first, the last one is left */
	for (uint32 i = 0; i < cells->nbuckets && cells->buckets[i].partition < first; i++)
		slm_tier_keep_from(tier, slm_bucket_next(tier->partition, cells->buckets[i].partition));
	for (uint32 i = 0; i < cells->nbuckets; i++)
	{
		SlmBucket  *bucket = &cells->buckets[i];
		bool		kept = bucket->partition >= first && bucket->start >= takes_from;

		if (!kept)
			newest_refused = bucket->start;
		bucket->wanted = kept && bucket->start < tier->watermark;
	}
	return newest_refused;
}

/* Have the rollup that is going through a bucket of the tier know of changes to it; spoils the choice of buckets. */
static void
note_changes(const SlmTier *tier, SlmCells *cells, const SlmCatalog *catalog)
{
	bool		any = false;

	for (uint32 i = 0; i < cells->nbuckets; i++)
	{
		SlmBucket  *bucket = &cells->buckets[i];

		bucket->wanted = bucket->start >= tier->watermark && bucket->start < tier->rolling;
		any |= bucket->wanted;
	}
	if (any)
		slm_tier_note_changes(tier, cells, catalog);
}

/* --- from groups to all tiers --- */

/* Writing a batch's groups to all tiers. */
typedef struct TierWork
{
	const SlmBatch *batch;
	SlmTiers   *tiers;
	const SlmCallback *often;	/* done while rows are written; or NULL */
	bool		limited;		/* what is loaded, not what counted once already */
	int			tier;			/* the one at hand */
	SlmThread	thread;			/* that makes its cells */
	SlmCells	cells;			/* in memory that an error would not free */
	bool		made;
} TierWork;

static void
make_cells(void *arg)
{
	TierWork   *work = arg;
	const SlmTier *tier = &work->tiers->tiers[work->tier];

	work->made = slm_cells_make(&work->batch->groups, tier->granularity, tier->partition, &work->cells);
}

static void
begin_tier(TierWork *work, int tier)
{
	slm_cells_free(&work->cells);
	work->tier = tier;
	slm_background_start(&work->thread, make_cells, work, work->batch->groups.ngroups);
}

/* The groups are known and stay as they are: the cells of the finest tier are made while the caller does something else. */
static TierWork *
begin_tiers(const SlmBatch *batch, const SlmCallback *often)
{
	TierWork   *work = palloc0(sizeof(TierWork));

	work->batch = batch;
	work->often = often;
	work->tiers = slm_tiers_read();
	begin_tier(work, 0);
	return work;
}

static void
end_tiers(TierWork *work)
{
	if (work == NULL)
		return;
	slm_thread_join(&work->thread);
	slm_cells_free(&work->cells);
}

/*
 * A bucket that one tier does not keep must be before the watermarks of those that are added up from it, or it would be in none:
 * so the rollup is brought that far first.  once: see slm_tier_write().
 */
static uint64
write_tier(TierWork *work, TimestampTz head, bool replace, const SlmCallback *once)
{
	SlmTier    *tier = &work->tiers->tiers[work->tier];
	SlmMinuteKeys *keys = NULL;
	TimestampTz refused;
	uint64		written;

	slm_thread_join(&work->thread);
	if (!work->made)
		slm_out_of_memory();
	refused = choose_buckets(work->tiers, work->tier, head, &work->cells);
	for (int t = work->tier + 1; t < work->tiers->n; t++)
	{
		if (work->tiers->tiers[t].finer == work->tier)
			slm_rollup_past(work->tiers, t, refused);
	}
	if (work->tier == 0 && work->limited)
		keys = slm_minute_keys_before(tier, &work->cells);
	written = slm_tier_write(tier, &work->cells, work->batch->catalog, replace, once, work->often);
	SLM_CRASH_POINT("apply.tier");
	slm_totals_add(tier, &work->cells);
	slm_minute_keys_check(tier, keys);
	SLM_CHECK_COUNTS(tier, &work->cells);
	if (!TIMESTAMP_IS_NOBEGIN(tier->rolling))
	{
		note_changes(tier, &work->cells, work->batch->catalog);
		SLM_CRASH_POINT("apply.noted");
	}
	return written;
}

/* Is all of the batch in time that the tier has not come to: what it will hold is in finer tiers, and nobody is adding it up? */
static bool
is_all_after(const SlmGroups *groups, const SlmTier *tier)
{
	for (uint32 m = 0; m < groups->nminutes; m++)
	{
		if ((SlmTime) groups->minutes[m].minute * SLM_USECS_PER_MIN < tier->watermark)
			return false;
	}
	return TIMESTAMP_IS_NOBEGIN(tier->rolling);
}

static uint64
write_tiers(TierWork *work, TimestampTz head, bool replace, const SlmCallback *once)
{
	uint64		written = write_tier(work, head, replace, once);

	for (int t = 1; t < work->tiers->n; t++)
	{
		if (is_all_after(&work->batch->groups, &work->tiers->tiers[t]))
			continue;
		begin_tier(work, t);
		written += write_tier(work, head, replace, NULL);
	}
	return written;
}

uint64
slm_write_tiers(const SlmBatch *batch, TimestampTz head, bool replace)
{
	TierWork   *work = begin_tiers(batch, NULL);
	volatile uint64 written = 0;

	PG_TRY();
	{
		written = write_tiers(work, head, replace, NULL);
	}
	PG_FINALLY();
	{
		end_tiers(work);
	}
	PG_END_TRY();
	return written;
}

/*
 * Rows have expired: no tier may claim to hold all up to the latest of them, or a coarser one that is added later would be taken
 * for whole there.  What is not rolled up yet stays where it is, so finer tiers claim it still.
 */
static void
note_expired(const SlmObject *objects, int n)
{
	TimestampTz latest = DT_NOBEGIN;
	SlmTiers   *tiers;

	for (int i = 0; i < n; i++)
	{
		if (objects[i].number >= 0)
			latest = Max(latest, objects[i].latest_expired);
	}
	if (TIMESTAMP_IS_NOBEGIN(latest))
		return;
	tiers = slm_tiers_read();
	for (int t = 0; t < tiers->n; t++)
	{
		SlmTier    *tier = &tiers->tiers[t];
		TimestampTz after = slm_bucket_next(tier->granularity, slm_bucket_start(tier->granularity, latest));

		slm_tier_keep_from(tier, Min(after, slm_tier_rolled_up(tiers, t)));
	}
}

/* --- one batch --- */

typedef struct Apply
{
	SlmBatch   *batch;
	SlmObject  *objects;
	int			nobjects;
	SlmViewState *views;
	bool		replace;
	const SlmCallback *often;
	TierWork   *tiers;			/* NULL: not begun */
	SlmApplied	applied;
} Apply;

static void
write_view_log(void *arg)
{
	slm_view_state_write(arg);
	SLM_CRASH_POINT("apply.views");
}

/*
 * Under the writer's lock.  What only a thread can be busy with is begun as early, and waited for as late, as can be:
 *
 *    this thread   deduplicate | carts, listings, stock | view log            | tier tables
 *    another       deduplicate | view log's blocks, cells of the finest tier  | deltas of one dimension after the other
 */
static void
apply_locked(Apply *apply)
{
	SlmBatch   *batch = apply->batch;
	TimestampTz head = slm_head_read();
	SlmCallback views = {write_view_log, apply->views};

	slm_identity_confirm(apply->objects, apply->nobjects);
	slm_listing_watch(batch, head);
	slm_view_state_deduplicate(apply->views, batch);
	if (batch->groups.ngroups > 0)
		apply->tiers = begin_tiers(batch, apply->often);
	slm_listing_write(batch, head);
	head = slm_head_advance(apply->objects, apply->nobjects, head);
	slm_carts_write(&batch->carts, head, apply->often);
	slm_stock_note(batch);
	if (apply->tiers != NULL)
	{
		apply->tiers->limited = true;
		apply->applied.rows_written = write_tiers(apply->tiers, head, apply->replace, &views);
	}
	else
		write_view_log(apply->views);
	note_expired(apply->objects, apply->nobjects);
	SLM_CRASH_POINT("apply.ledger");
	slm_ledger_record(apply->objects, apply->nobjects, batch->counts);
	apply->applied.head = head;
}

SlmApplied
slm_apply(SlmBatch *batch, SlmObject *objects, int nobjects, SlmViewState *views, bool replace,
		  const SlmCallback *often)
{
	Apply	   *apply = palloc(sizeof(Apply));
	instr_time	start;

	*apply = (Apply) {.batch = batch,.objects = objects,.nobjects = nobjects,.views = views,.replace = replace,
	.often = often};
	slm_rejects_record(objects, nobjects);
	slm_offer_log_write(batch);
	slm_view_state_prepare(views, batch, slm_head_read());
	apply->applied.wait_ms = slm_writer_lock();
	INSTR_TIME_SET_CURRENT(start);
	PG_TRY();
	{
		apply_locked(apply);
	}
	PG_FINALLY();
	{
		slm_view_state_end(views);
		end_tiers(apply->tiers);
	}
	PG_END_TRY();
	apply->applied.held_ms = ms_since(start);
	return apply->applied;
}
