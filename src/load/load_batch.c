/*
 * load_batch.c: one batch, from the ledger to the commit.
 *
 * The transaction of a batch:
 *
 *   pick objects (rows locked)
 *   +-- subtransaction --------------------------------+
 *   | fetch and read each object into the batch        |
 *   | take the writer's lock, apply                    |   on an error: rolled back, the error is noted with the
 *   +--------------------------------------------------+   object, or the objects are loaded one by one to find it
 *   commit
 */
#include "postgres.h"

#include "access/xact.h"
#include "facts/visit_write.h"
#include "guc.h"
#include "ledger/head.h"
#include "ledger/identity.h"
#include "ledger/key_time.h"
#include "ledger/pick.h"
#include "ledger/record.h"
#include "ledger/slice.h"
#include "ledger/skus.h"
#include "ledger/source_health.h"
#include "lib/stringinfo.h"
#include "load/large.h"
#include "load/load_batch.h"
#include "load/read_alone.h"
#include "load/read_with_workers.h"
#include "server/crash_point.h"
#include "server/progress.h"
#include "server/spi.h"
#include "tiers/tier.h"
#include "utils/memutils.h"
#include "utils/pg_rusage.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

/* Batches of backlog are kept so small that the writer's lock is held about this long at most: live files may wait for that. */
#define LATE_HELD_MS			1000
#define LEAST_LATE_BYTES		(64 * 1024)

static double
bytes_of(const SlmObject *objects, int n)
{
	double		bytes = 0;

	for (int i = 0; i < n; i++)
		bytes += objects[i].size;
	return bytes;
}

/* What the subtransaction of a batch works on. */
typedef struct Loading
{
	SlmIngest  *ingest;
	const SlmBatchScope *scope;
	const SlmClock *clock;
	SlmObject  *objects;
	int			n;
	int			upcoming;		/* objects behind the n that come next */
	TimestampTz reach;			/* of all that wait: see slm_ledger_reach() */
	int			done;			/* objects gone through */
	SlmBatchResult *result;
} Loading;

/*
 * Read the first n objects into the batch, and see how many were gone through.  *large as with slm_read_alone(), or -1; *feed: what workers
 * go on with from there.
 */
static void
read_objects(Loading *loading, int n, SlmFeed *feed, int *large)
{
	SlmIngest  *ingest = loading->ingest;

	*large = -1;
	*feed = (SlmFeed) {0};
	/* no worker is to wait for a source that is slow */
	if (loading->scope->apart ||
		!slm_feed_begin(feed, ingest, loading->clock, loading->objects, n, loading->n - n + loading->upcoming))
		loading->done = slm_read_alone(ingest, loading->clock, loading->objects, n, large);
	else
		loading->done = slm_read_with_workers(ingest, feed);
	slm_read_close(loading->objects, loading->n);
}

/* Of several transactions: their sums, and the longest times. */
static void
add_applied(SlmApplied *sum, const SlmApplied *more)
{
	sum->rows_written += more->rows_written;
	sum->wait_ms = Max(sum->wait_ms, more->wait_ms);
	sum->held_ms = Max(sum->held_ms, more->held_ms);
	sum->head = Max(sum->head, more->head);
}

static void
sum_up(Loading *loading)
{
	for (int i = 0; i < loading->done; i++)
	{
		bool		waits = loading->objects[i].outcome == SLM_OBJECT_WAITING;
		bool		ended = !waits && loading->objects[i].outcome != SLM_OBJECT_PART;

		loading->result->objects += !waits;
		loading->result->ended += ended;
		loading->result->ended_bytes += ended ? loading->objects[i].size : 0;
		loading->result->waiting += waits;
		loading->result->bytes += waits ? 0 : loading->objects[i].size;
		loading->result->rows += loading->objects[i].number >= 0 ? loading->objects[i].rows_total : 0;
	}
}

/*
 * Make the batch anew without the objects whose content is not new: what they have added to it can't be told from what the others
 * have.  is_large: it is the part of a large one, which is alone in its batch.
 */
static void
leave_out_known(Loading *loading, SlmFeed *feed, bool is_large)
{
	SlmIngest  *ingest = loading->ingest;

	while (slm_identity_judge(loading->objects, loading->done) > 0)
	{
		int			again = 0;
		int			large;		/* one that comes up now has its turn later */

		if (is_large)
			slm_large_end(ingest);
		slm_batch_free(&ingest->batch);
		slm_batch_init(&ingest->batch, ingest->views->dictionary);
		for (int i = 0; i < loading->done; i++)
		{
			SlmObject  *object = &loading->objects[i];

			if (object->outcome != SLM_OBJECT_LOADED)
				continue;
			slm_progress_add(-1, -object->size, -(int64) object->rows_total);
			object->outcome = SLM_OBJECT_WAITING;
			object->number = -1;
			again++;
		}
		if (again == 0)
			break;
		read_objects(loading, loading->done, feed, &large);
	}
}

static void
load_batch(Loading *loading)
{
	SlmIngest  *ingest = loading->ingest;
	bool		replace = !loading->clock->live;
	SlmApplied	applied;
	SlmFeed		feed;
	SlmCallback feeding = {slm_feed_workers, &feed};
	int			large;
	bool		starved;
	int64		large_id = ingest->large_id;
	PGRUsage	start;

	slm_batch_init(&ingest->batch, ingest->views->dictionary);
	pg_rusage_init(&start);
	slm_progress_phase("fetch and read");
	read_objects(loading, loading->n, &feed, &large);
	if (large >= 0 && !slm_large_part(ingest, &loading->objects[large], loading->clock, !loading->scope->apart, &starved))
	{
		loading->result->more |= !starved;
		if (starved && !loading->scope->apart)
			slm_source_health_set_apart(slm_sources_find(ingest->sources, loading->objects[large].source));
	}
	/* objects that came back as large ones are next */
	loading->result->more |= large < 0 && ingest->large_id != large_id;
	if (slm_read_dealt_with(loading->objects, loading->done) == 0)
	{
		sum_up(loading);
		return;
	}
	slm_source_health_excuse(ingest->sources, loading->objects, loading->done);
	leave_out_known(loading, &feed, large >= 0);
	SLM_CRASH_POINT("ingest.read");
	ereport(DEBUG1, (errmsg_internal("read %d objects, %s", loading->done, pg_rusage_show(&start))));
	pg_rusage_init(&start);
	slm_progress_phase("apply");
	ingest->views->upcoming = bytes_of(loading->objects + loading->done, loading->n - loading->done + loading->upcoming) /
		Max(bytes_of(loading->objects, loading->done), 1.0);
	if (large >= 0)
		loading->reach = Max(loading->reach, loading->objects[large].reach);
	applied = slm_apply(&ingest->batch, loading->objects, loading->done, ingest->views, loading->reach, replace,
						feed.pool ? &feeding : NULL);
	add_applied(&loading->result->applied, &applied);
	slm_key_times_learn(loading->objects, loading->done, applied.head);
	sum_up(loading);
	ereport(DEBUG1, (errmsg_internal("applied %llu rows as %llu, waited %.0f ms for the lock, %s",
									 (unsigned long long) loading->result->rows,
									 (unsigned long long) applied.rows_written,
									 applied.wait_ms, pg_rusage_show(&start))));
}

/* Errors that say nothing about the objects: the batch is not to blame, and trying another would not help. */
static bool
is_server_error(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
			return sqlstate != ERRCODE_OUT_OF_MEMORY;
		case ERRCODE_OPERATOR_INTERVENTION:
		case MAKE_SQLSTATE('5', '8', '0', '0', '0'):
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_INVALID_TRANSACTION_STATE:
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_FEATURE_NOT_SUPPORTED:	/* by a table that is kept elsewhere */
			return true;
		default:
			/* NULL is what a column of somebody's own gets, whatever the object */
			return sqlstate == ERRCODE_DATA_CORRUPTED || sqlstate == ERRCODE_INDEX_CORRUPTED || sqlstate == ERRCODE_NOT_NULL_VIOLATION;
	}
}

/* A batch has failed and was rolled back: find out which object it is, or note the error with the only one. */
static void
note_failure(Loading *loading, const ErrorData *edata)
{
	StringInfoData message;

	if (ERRCODE_TO_CATEGORY(edata->sqlerrcode) == ERRCODE_TRANSACTION_ROLLBACK)
		return;					/* a deadlock with somebody's DDL: just once more */
	if (loading->n > 1)
	{
		loading->ingest->one_by_one = loading->n;
		return;
	}
	initStringInfo(&message);
	appendStringInfoString(&message, edata->message);
	if (edata->detail)
		appendStringInfo(&message, ": %s", edata->detail);
	/* such a limit is reached again by each attempt; but of a large object the parts before stay counted, so it goes on there */
	slm_object_fail(loading->objects, edata->sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED && loading->objects[0].resume_row == 0
					? SLM_OBJECT_FAILED : SLM_OBJECT_RETRY, edata->sqlerrcode, message.data);
	loading->objects[0].nrejects = 0;
	slm_ledger_record(loading->objects, 1, NULL);
}

/* Load in a subtransaction; false if that failed and was noted. */
static bool
try_batch(Loading *loading)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool ok = false;

	Assert(loading->n > 0);
	Assert(!IsSubTransaction());

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		load_batch(loading);
		ReleaseCurrentSubTransaction();
		ok = true;
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		FlushErrorState();
		slm_read_close(loading->objects, loading->n);
		slm_large_end(loading->ingest);
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (is_server_error(edata->sqlerrcode))
		{
			slm_commit();		/* a clean slate, in which the caller may note the error */
			ReThrowError(edata);
		}
		ereport(LOG,
				(errcode(edata->sqlerrcode),
				 errmsg("a batch of %d objects could not be loaded: %s", loading->n, edata->message),
				 loading->n > 1 ? errdetail("Its objects are loaded one by one now.") : 0));
		slm_skus_note_collisions();
		note_failure(loading, edata);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	slm_batch_free(&loading->ingest->batch);
	return ok;
}

static SlmClock
read_clock(const char *state)
{
	SlmClock	clock;

	clock.live = strcmp(state, "pending") == 0;
	clock.head = slm_head_read();
	clock.latest = GetCurrentTimestamp() + (int64) slm_max_clock_skew * USECS_PER_SEC;
	clock.tiers = slm_tiers_read();
	clock.slice = slm_slice_read();
	clock.visits = slm_visits_wanted();
	return clock;
}

/*
 * Large objects and others take turns: of three, the first is of whatever comes first in time, the second of small objects alone, and the
 * third of all but the large one that was served last.
 */
static void
not_this_turn(const SlmIngest *ingest, SlmPick *pick)
{
	int64	   *ids;
	int			n = slm_large_ids(ingest, &ids);

	pick->no_parts = n > 0 && ingest->turn == 1;
	pick->not_these = ids;
	pick->nnot_these = pick->no_parts ? n : 0;
	if (n > 0 && ingest->turn == 2)
	{
		ids[0] = ingest->last_large;
		pick->nnot_these = 1;
	}
}

/*
 * What is so old that the finest tier won't keep it once all that waits is loaded goes to the tier above at once.  Its partitions are wider: with as much
 * as fills one, they get their indexes built, and not entry by entry.
 */
static void
set_history(SlmPick *pick, const SlmTiers *tiers, TimestampTz reach)
{
	pick->history_before = DT_NOBEGIN;
	for (int t = tiers->n - 1; t > 0; t--)
	{
		if (tiers->tiers[t].finer == 0)
			pick->history_whole = tiers->tiers[t].partition;
	}
	if (tiers->n > 1)
		pick->history_before = slm_tier_floor(&tiers->tiers[0], reach);
}

static int
pick(Loading *loading)
{
	SlmIngest  *ingest = loading->ingest;
	const SlmBatchScope *scope = loading->scope;
	SlmPick		pick = {.state = scope->state,.sources = scope->sources,.nsources = scope->nsources,.limit = scope->limit,
		.limit_bytes = loading->clock->live ? (int64) slm_batch_bytes * 1024 : ingest->late_bytes,
		.whole = loading->clock->tiers->tiers[0].partition,
	.max_span = loading->clock->tiers->tiers[0].retention.usecs,.late_before = DT_NOBEGIN};
	TimestampTz reach = DT_NOBEGIN;
	bool		many;
	int			n;

	if (loading->clock->live && ingest->many && !scope->apart)
		reach = slm_ledger_reach(scope->sources, scope->nsources);
	set_history(&pick, loading->clock->tiers, reach);
	not_this_turn(ingest, &pick);
	/* every other time: so neither keeps the other waiting for more than a batch */
	if (loading->clock->live && !scope->apart)
	{
		if (ingest->late_last)
			pick.late_before = slm_live_from(loading->clock->head);
		ingest->late_last = !ingest->late_last;
	}
	if (ingest->one_by_one > 0)
	{
		ingest->one_by_one--;
		pick.limit = 1;
	}
	n = slm_ledger_pick(&pick, &loading->objects, &loading->upcoming);
	many = loading->clock->live && loading->upcoming >= SLM_REACH_OBJECTS;
	if (!scope->apart)
		ingest->many = many;
	if (many && TIMESTAMP_IS_NOBEGIN(reach))
		reach = slm_ledger_reach(scope->sources, scope->nsources);
	loading->reach = many ? reach : DT_NOBEGIN;
	if (n == 0 && pick.nnot_these > 0)
	{
		pick.no_parts = false;
		pick.nnot_these = 0;
		n = slm_ledger_pick(&pick, &loading->objects, &loading->upcoming);
	}
	return n;
}

/* Learn from a batch of backlog how large the next one may be. */
static void
adapt_late_bytes(SlmIngest *ingest, const SlmBatchResult *result)
{
	if (result->applied.held_ms > LATE_HELD_MS)
		ingest->late_bytes = Max(Min(ingest->late_bytes, result->bytes) / 2, LEAST_LATE_BYTES);
	else if (result->applied.held_ms < LATE_HELD_MS / 2.0)
		ingest->late_bytes = Min(ingest->late_bytes * 2, (int64) slm_batch_bytes * 1024);
}

void
slm_load_batch(SlmIngest *ingest, const SlmBatchScope *scope, SlmBatchResult *result)
{
	SlmClock	clock;
	Loading		loading = {.ingest = ingest,.scope = scope,.clock = &clock,.result = result};
	bool		ok = false;

	slm_slice_settle();
	clock = read_clock(scope->state);
	slm_source_health_begin(ingest->sources);
	if (scope->apart)
		slm_sources_find(ingest->sources, scope->sources[0])->patience_ms = 0;
	slm_view_state_refresh(ingest->views);
	slm_skus_refresh();
	slm_view_state_trim(ingest->views, clock.head);
	if (clock.live)
		slm_ledger_sort_out_late(scope->sources, scope->nsources, clock.head);
	loading.n = pick(&loading);
	if (loading.n > 0)
		SLM_CRASH_POINT("ingest.picked");
	if (loading.n > 0)
		ok = try_batch(&loading);
	if (loading.n > 0 && !ok)
		result->objects += loading.n;
	if (ok)
		slm_source_health_judge(ingest->sources, loading.objects, loading.done);
	if (loading.n > 0)
		SLM_CRASH_POINT("ingest.commit");
	slm_commit();
	if (loading.n > 0)
		SLM_CRASH_POINT("ingest.committed");
	if (ok)
		slm_view_state_committed(ingest->views);
	if (ok && !clock.live)
		adapt_late_bytes(ingest, result);
}
