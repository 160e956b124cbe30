/*
 * apply.c: from a batch to committed rows.
 *
 *   before the lock     rejected rows; sales and listings --> offer log; what there is to decide views against
 *   the writer's lock
 *     decide            which objects are new still, which views count; the head moves on
 *     facts             listings, sales with ids, carts, visits, products of the inventory that were sold, SKUs and names
 *     finest tier       cells --> which buckets it takes --> deltas, dimension by dimension
 *     view log
 *                       --> its five tables, totals
 *     other tiers       likewise, as far as they are rolled up
 *     ledger
 *
 * What a thread can do is begun as early, and waited for as late, as can be:
 *
 *   this process   deduplicate | listings, carts, stock     | view log                      | tables of the finest tier
 *   a thread       deduplicate | view log's blocks; cells   | deltas of the first dimension | ... of one after the other
 *
 * Order of locks: rows of sellometer.objects (when picked), then the writer's lock, then the rollup lock, then tables.
 * Nobody who holds the writer's lock waits for a row of the ledger that it has not picked itself; nobody who holds the
 * rollup lock waits for the writer's.
 */
#include "postgres.h"

#include "dedup/own_dimensions.h"
#include "dedup/own_keys.h"
#include "facts/cart_write.h"
#include "facts/offer_log.h"
#include "facts/stock_write.h"
#include "facts/visit_write.h"
#include "ledger/head.h"
#include "ledger/identity.h"
#include "ledger/product_names.h"
#include "ledger/record.h"
#include "ledger/rejects.h"
#include "ledger/skus.h"
#include "load/apply.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "server/background.h"
#include "server/crash_point.h"
#include "server/locks.h"
#include "server/out_of_memory.h"
#include "tiers/choose_buckets.h"
#include "tiers/count_check.h"
#include "tiers/dimension_deltas.h"
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

/* A batch on its way to the tables. */
typedef struct Apply
{
	SlmBatch   *batch;
	SlmObject  *objects;
	int			nobjects;
	SlmViewState *views;
	bool		replace;
	bool		limited;		/* names of a minute are: what is loaded, not what counted once already */
	const SlmCallback *often;
	TimestampTz head;
	TimestampTz reach;			/* of what waits; DT_NOBEGIN: not known */
	SlmNewSkus *skus;			/* NULL: none */
	SlmTiers   *tiers;

	/* of the tier at hand; what is malloc'ed is freed by end_stages() */
	int			tier;
	SlmThread	cells_thread;
	SlmCells	cells;
	bool		cells_made;
	SlmMinuteKeys *minute_keys;
	SlmDimensionDeltas *deltas;
	SlmSegments *segments;

	SlmApplied	applied;
} Apply;

/* --- the stages of a tier --- */

static void
make_cells(void *arg)
{
	Apply	   *apply = arg;
	const SlmTier *tier = &apply->tiers->tiers[apply->tier];

	apply->cells_made = slm_cells_make(&apply->batch->groups, tier->granularity, tier->partition, &apply->cells);
}

/* The groups are known and stay as they are from now on. */
static void
begin_cells(Apply *apply, int tier)
{
	Assert(apply->deltas == NULL);
	Assert(!apply->cells_thread.running);
	Assert(tier >= 0 && tier < apply->tiers->n);
	slm_cells_free(&apply->cells);
	apply->tier = tier;
	slm_background_start(&apply->cells_thread, make_cells, apply, apply->batch->groups.ngroups);
}

/* How many buckets of a granularity, from a time on and before another, the cells have something of, up to 2. */
static int
count_buckets(const SlmCells *cells, SlmGranularity granularity, TimestampTz from, TimestampTz before)
{
	TimestampTz last = DT_NOBEGIN;
	int			n = 0;

	for (uint32 i = 0; i < cells->nbuckets && n < 2; i++)
	{
		TimestampTz start = cells->buckets[i].start;

		if (start < from || start >= before || start < last)
			continue;
		last = slm_bucket_next(granularity, slm_bucket_start(granularity, start));
		n++;
	}
	return n;
}

/*
 * Buckets of a coarser tier that are complete with this batch, and of which the tier at hand has nothing yet, get their rows with it: to
 * add them up from the finer rows afterwards would cost more.  One that others have begun may be in their way, and is rolled up; so it is done for
 * batches of several such buckets only.
 */
static void
roll_along(Apply *apply)
{
	SlmTiers   *tiers = apply->tiers;
	const SlmCells *cells = &apply->cells;
	TimestampTz last = cells->buckets[cells->nbuckets - 1].start;

	for (int t = apply->tier + 1; t < tiers->n; t++)
	{
		const SlmTier *tier = &tiers->tiers[t];
		TimestampTz limit;

		if (tier->finer != apply->tier)
			continue;
		limit = slm_rollup_limit(tiers, t, Max(apply->head, apply->reach));
		limit = Min(limit, slm_bucket_next(tier->granularity, slm_bucket_start(tier->granularity, last)));
		if (count_buckets(cells, tier->granularity, tier->watermark, limit) >= 2)
			slm_rollup_along(tiers, t, limit);
	}
}

/*
 * A bucket that one tier does not keep must be before the watermarks of those that are added up from it, or it would be in none:
 * so the rollup is brought that far first.
 */
static void
begin_deltas(Apply *apply)
{
	SlmTiers   *tiers = apply->tiers;
	TimestampTz refused;

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	Assert(apply->deltas == NULL);

	slm_thread_join(&apply->cells_thread);
	if (!apply->cells_made)
		slm_out_of_memory();
	refused = slm_choose_buckets(tiers, apply->tier, apply->head, apply->reach, &apply->cells);
	for (int t = apply->tier + 1; t < tiers->n; t++)
	{
		if (tiers->tiers[t].finer == apply->tier)
			slm_rollup_past(tiers, t, refused);
	}
	if (!apply->replace)
		roll_along(apply);
	apply->minute_keys = NULL;
	if (apply->tier == 0 && apply->limited)
		apply->minute_keys = slm_minute_keys_before(&tiers->tiers[0], &apply->cells);
	apply->deltas = slm_dimension_deltas_begin(&apply->cells, apply->batch->dictionary);
}

/* Have the rollup that is going through a bucket of the tier know of changes to it; spoils the choice of buckets. */
static void
note_changes(const SlmTier *tier, SlmCells *cells, const SlmDictionary *dictionary)
{
	bool		any = false;

	for (uint32 i = 0; i < cells->nbuckets; i++)
	{
		SlmBucket  *bucket = &cells->buckets[i];

		bucket->wanted = bucket->start >= tier->watermark && bucket->start < tier->rolling;
		any |= bucket->wanted;
	}
	if (any)
		slm_tier_note_changes(tier, cells, dictionary);
}

static void
write_tables(Apply *apply)
{
	const SlmTier *tier = &apply->tiers->tiers[apply->tier];
	const SlmDictionary *dictionary = apply->batch->dictionary;

	Assert(apply->deltas != NULL);

	apply->segments = slm_segments_create(&apply->cells);
	apply->applied.rows_written += slm_tier_write(tier, &apply->cells, apply->deltas, dictionary, apply->replace,
												   Max(apply->head, apply->reach), apply->segments, apply->often);
	slm_dimension_deltas_end(apply->deltas);
	apply->deltas = NULL;
	SLM_CRASH_POINT("apply.tier");
	slm_totals_add(tier, &apply->cells, apply->segments);
	slm_segments_free(apply->segments);
	slm_minute_keys_check(tier, apply->minute_keys);
	SLM_CHECK_COUNTS(tier, &apply->cells);
	if (!TIMESTAMP_IS_NOBEGIN(tier->rolling))
	{
		note_changes(tier, &apply->cells, dictionary);
		SLM_CRASH_POINT("apply.noted");
	}
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

static void
write_other_tiers(Apply *apply)
{
	for (int t = 1; t < apply->tiers->n; t++)
	{
		if (is_all_after(&apply->batch->groups, &apply->tiers->tiers[t]))
			continue;
		begin_cells(apply, t);
		begin_deltas(apply);
		write_tables(apply);
	}
}

/* After an error, too: no thread works on, and nothing that it made is left. */
static void
end_stages(Apply *apply)
{
	slm_thread_join(&apply->cells_thread);
	slm_dimension_deltas_end(apply->deltas);
	slm_segments_free(apply->segments);
	slm_cells_free(&apply->cells);
}

uint64
slm_write_tiers(SlmBatch *batch, TimestampTz head, bool replace)
{
	Apply	   *apply = palloc(sizeof(Apply));

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	slm_own_confirm(slm_dictionary_own(batch->dictionary));
	slm_own_keys_admit(batch->dictionary, &batch->groups);
	*apply = (Apply) {.batch = batch,.replace = replace,.head = head,.reach = DT_NOBEGIN};
	apply->tiers = slm_tiers_read();
	PG_TRY();
	{
		begin_cells(apply, 0);
		begin_deltas(apply);
		write_tables(apply);
		write_other_tiers(apply);
	}
	PG_FINALLY();
	{
		end_stages(apply);
	}
	PG_END_TRY();
	return apply->applied.rows_written;
}

/* --- the stages of a batch --- */

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

static void
apply_locked(Apply *apply)
{
	SlmBatch   *batch = apply->batch;
	bool		has_groups;

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	slm_own_confirm(slm_dictionary_own(batch->dictionary));
	apply->head = slm_head_read();	/* others may have moved it until we had the lock */
	slm_identity_confirm(apply->objects, apply->nobjects);
	slm_listing_watch(batch, apply->head);
	slm_view_state_deduplicate(apply->views, batch);

	has_groups = batch->groups.ngroups > 0;
	if (has_groups)
	{
		apply->tiers = slm_tiers_read();
		begin_cells(apply, 0);
	}
	slm_listing_write(batch, apply->head);
	slm_offer_log_write(batch->dictionary, &batch->lines);
	apply->head = slm_head_advance(apply->objects, apply->nobjects, apply->head);
	slm_carts_write(&batch->carts, apply->head, apply->often);
	slm_visits_write(&batch->visits, batch->dictionary);
	slm_stock_note(batch);
	slm_skus_write(apply->skus);
	slm_product_names_write(apply->objects, apply->nobjects);
	SLM_CRASH_POINT("apply.facts");

	if (has_groups)
	{
		slm_own_keys_admit(batch->dictionary, &batch->groups);
		begin_deltas(apply);
	}
	slm_view_state_write(apply->views);
	SLM_CRASH_POINT("apply.views");
	if (has_groups)
	{
		write_tables(apply);
		write_other_tiers(apply);
	}
	note_expired(apply->objects, apply->nobjects);
	SLM_CRASH_POINT("apply.ledger");
	slm_ledger_record(apply->objects, apply->nobjects, batch->counts);
}

SlmApplied
slm_apply(SlmBatch *batch, SlmObject *objects, int nobjects, SlmViewState *views, TimestampTz reach, bool replace,
		  const SlmCallback *often)
{
	Apply	   *apply = palloc(sizeof(Apply));
	instr_time	start;

	/* offers are numbers of one dictionary */
	Assert(batch->dictionary == views->dictionary);
	for (int i = 0; i < nobjects; i++)
		Assert(objects[i].number < (int) batch->nobjects);

	*apply = (Apply) {.batch = batch,.objects = objects,.nobjects = nobjects,.views = views,.reach = reach,
	.replace = replace,.limited = true,.often = often};
	slm_totals_check_groups(&batch->groups);
	slm_rejects_record(objects, nobjects);
	apply->skus = slm_skus_find_new(objects, nobjects);
	slm_offer_log_write(batch->dictionary, &batch->groups);
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
		end_stages(apply);
	}
	PG_END_TRY();
	apply->applied.head = apply->head;
	apply->applied.held_ms = ms_since(start);
	return apply->applied;
}
