/*
 * rollup_run.c: from a tier's complete buckets to the rows of those that are added up from it, bucket by bucket, or partition by partition, in
 * transactions of their own.
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

typedef struct RollupRun
{
	SlmRun	   *run;
	char		tier[NAMEDATALEN];	/* whose buckets these are */
	TimestampTz start;
	TimestampTz end;
	bool		found;			/* there are some; they are still ours */
	uint64		rows;
	uint64		buckets;
	double		wait_ms;		/* longest, for the writer's lock */
	double		held_ms;		/* longest */
} RollupRun;

typedef struct Hold
{
	RollupRun  *rollup;
	instr_time	start;
} Hold;

static Hold
hold_begin(RollupRun *rollup)
{
	Hold		hold = {.rollup = rollup};

	rollup->wait_ms = Max(rollup->wait_ms, slm_writer_lock());
	INSTR_TIME_SET_CURRENT(hold.start);
	return hold;
}

static void
hold_end(Hold *hold)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, hold->start);
	hold->rollup->held_ms = Max(hold->rollup->held_ms, INSTR_TIME_GET_MILLISEC(now));
}

static void
mark_step(void *arg)
{
	RollupRun  *rollup = arg;
	Hold		hold = hold_begin(rollup);
	SlmTiers   *tiers = slm_tiers_read();
	TimestampTz head = slm_head_read();

	rollup->found = false;
	for (int t = 1; t < tiers->n && !rollup->found; t++)
	{
		const SlmTier *tier = &tiers->tiers[t];
		TimestampTz limit = slm_rollup_limit(tiers, t, head);

		if (!slm_rollup_skip_empty(tiers, t, limit))
			continue;
		slm_run_begin(rollup->run);
		strlcpy(rollup->tier, tier->name, NAMEDATALEN);
		rollup->start = tier->watermark;
		rollup->end = slm_rollup_mark(tier, limit);
		rollup->found = true;
		SLM_CRASH_POINT("rollup.mark");
	}
	hold_end(&hold);
}

/* The number of the work's tier if its buckets are still marked as we did; else 0, and the work is lost. */
static int
find_tier(RollupRun *rollup, const SlmTiers *tiers)
{
	for (int t = 1; t < tiers->n; t++)
	{
		const SlmTier *tier = &tiers->tiers[t];

		if (strcmp(tier->name, rollup->tier) == 0 && tier->watermark == rollup->start && tier->rolling == rollup->end)
			return t;
	}
	rollup->found = false;
	return 0;
}

static void
add_up_step(void *arg)
{
	RollupRun  *rollup = arg;
	SlmTiers   *tiers;
	int			t;

	slm_rollup_lock();
	tiers = slm_tiers_read();
	t = find_tier(rollup, tiers);
	if (t > 0)
		rollup->rows += slm_rollup_add_up(tiers, t);
}

static void
finish_step(void *arg)
{
	RollupRun  *rollup = arg;
	Hold		hold = hold_begin(rollup);
	SlmTiers   *tiers = slm_tiers_read();
	int			t = find_tier(rollup, tiers);

	if (t > 0)
	{
		rollup->buckets += slm_rollup_finish(tiers, t);
		SLM_CRASH_POINT("rollup.finish");
	}
	hold_end(&hold);
}

void
slm_rollup_all(SlmRun *run, bool heed_surge)
{
	RollupRun	rollup = {.run = run};
	char		phase[NAMEDATALEN];

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (heed_surge && slm_run_hold(run))
			break;
		slm_step(run, mark_step, &rollup);
		if (!rollup.found)
			break;
		SLM_CRASH_POINT("rollup.marked");
		snprintf(phase, sizeof(phase), "%s of %s", rollup.tier, timestamptz_to_str(rollup.start));
		slm_progress_phase(phase);
		slm_step(run, add_up_step, &rollup);
		SLM_CRASH_POINT("rollup.added_up");
		if (rollup.found)
			slm_step(run, finish_step, &rollup);
		SLM_CRASH_POINT("rollup.finished");
	}
	appendStringInfo(&run->detail, "{\"buckets\": " UINT64_FORMAT ", \"rows\": " UINT64_FORMAT ", "
					 "\"longest_wait_ms\": %.1f, \"longest_held_ms\": %.1f}",
					 rollup.buckets, rollup.rows, rollup.wait_ms, rollup.held_ms);
}
