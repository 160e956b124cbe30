/*
 * rollup_run.c: from a tier's complete buckets to the rows of those that are added up from it, bucket by bucket in transactions of
 * their own.
 *
 * The three steps of each are those of rollup.c.
 */
#include "postgres.h"

#include "ledger/head.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "server/crash_point.h"
#include "server/locks.h"
#include "server/progress.h"
#include "tiers/rollup.h"
#include "upkeep/rollup_run.h"
#include "utils/timestamp.h"

typedef struct Work
{
	SlmRun	   *run;
	char		tier[NAMEDATALEN];	/* whose bucket it is */
	TimestampTz start;
	TimestampTz end;
	bool		found;			/* there is a bucket; it is still ours */
	uint64		rows;
	uint64		buckets;
	double		wait_ms;		/* longest, for the writer's lock */
	double		held_ms;		/* longest */
} Work;

typedef struct Hold
{
	Work	   *work;
	instr_time	start;
} Hold;

static Hold
hold_begin(Work *work)
{
	Hold		hold = {.work = work};

	work->wait_ms = Max(work->wait_ms, slm_writer_lock());
	INSTR_TIME_SET_CURRENT(hold.start);
	return hold;
}

static void
hold_end(Hold *hold)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, hold->start);
	hold->work->held_ms = Max(hold->work->held_ms, INSTR_TIME_GET_MILLISEC(now));
}

static void
mark_step(void *arg)
{
	Work	   *work = arg;
	Hold		hold = hold_begin(work);
	SlmTiers   *tiers = slm_tiers_read();
	TimestampTz head = slm_head_read();

	work->found = false;
	for (int t = 1; t < tiers->n && !work->found; t++)
	{
		const SlmTier *tier = &tiers->tiers[t];

		if (!slm_rollup_skip_empty(tiers, t, slm_rollup_limit(tiers, t, head)))
			continue;
		slm_run_begin(work->run);
		strlcpy(work->tier, tier->name, NAMEDATALEN);
		work->start = tier->watermark;
		work->end = slm_bucket_next(tier->granularity, work->start);
		work->found = true;
		slm_rollup_mark(tier);
		SLM_CRASH_POINT("rollup.mark");
	}
	hold_end(&hold);
}

/* The number of the work's tier if its bucket is still marked as we did; else 0, and the work is lost. */
static int
find_tier(Work *work, const SlmTiers *tiers)
{
	for (int t = 1; t < tiers->n; t++)
	{
		const SlmTier *tier = &tiers->tiers[t];

		if (strcmp(tier->name, work->tier) == 0 && tier->watermark == work->start && tier->rolling == work->end)
			return t;
	}
	work->found = false;
	return 0;
}

static void
add_up_step(void *arg)
{
	Work	   *work = arg;
	SlmTiers   *tiers;
	int			t;

	slm_rollup_lock();
	tiers = slm_tiers_read();
	t = find_tier(work, tiers);
	if (t > 0)
		work->rows += slm_rollup_add_up(tiers, t);
}

static void
finish_step(void *arg)
{
	Work	   *work = arg;
	Hold		hold = hold_begin(work);
	SlmTiers   *tiers = slm_tiers_read();
	int			t = find_tier(work, tiers);

	if (t > 0)
	{
		slm_rollup_finish(tiers, t);
		work->buckets++;
		SLM_CRASH_POINT("rollup.finish");
	}
	hold_end(&hold);
}

void
slm_rollup_all(SlmRun *run, bool heed_surge)
{
	Work		work = {.run = run};
	char		phase[NAMEDATALEN];

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (heed_surge && slm_run_hold(run))
			break;
		slm_step(run, mark_step, &work);
		if (!work.found)
			break;
		SLM_CRASH_POINT("rollup.marked");
		snprintf(phase, sizeof(phase), "%s of %s", work.tier, timestamptz_to_str(work.start));
		slm_progress_phase(phase);
		slm_step(run, add_up_step, &work);
		SLM_CRASH_POINT("rollup.added_up");
		if (work.found)
			slm_step(run, finish_step, &work);
		SLM_CRASH_POINT("rollup.finished");
	}
	appendStringInfo(&run->detail, "{\"buckets\": " UINT64_FORMAT ", \"rows\": " UINT64_FORMAT ", "
					 "\"longest_wait_ms\": %.1f, \"longest_held_ms\": %.1f}",
					 work.buckets, work.rows, work.wait_ms, work.held_ms);
}
