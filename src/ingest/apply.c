/*
 * apply.c: from a batch to committed rows.
 *
 *   writer's lock --> view state: which views count --> view log
 *                 --> each tier: cells --> which buckets it takes --> its five tables
 *                 --> heads, ledger, rejected rows
 *
 * Order of locks: rows of sellometer.objects (when picked), then the writer's lock, then tables.  Nobody who holds the
 * writer's lock waits for a row of the ledger that it has not picked itself.
 */
#include "postgres.h"

#include "ingest/apply.h"
#include "ingest/ledger.h"
#include "ingest/rollup.h"
#include "ingest/tier.h"
#include "ingest/tier_write.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/lock.h"
#include "utils/timestamp.h"

/* The advisory lock's two numbers: "slm" and what it is for.  Two numbers, as users' own locks mostly have one. */
#define LOCK_CLASS	0x736C6D00
#define LOCK_WRITER 1

static LOCKTAG
writer_tag(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, LOCK_CLASS, LOCK_WRITER, 2);
	return tag;
}

static double
ms_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MILLISEC(now);
}

double
slm_writer_lock(void)
{
	LOCKTAG		tag = writer_tag();
	instr_time	start;

	INSTR_TIME_SET_CURRENT(start);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	return ms_since(start);
}

bool
slm_writer_trylock(void)
{
	LOCKTAG		tag = writer_tag();

	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Which buckets a tier takes: those before its watermark that it still keeps, or still has a partition for.  The coarsest
 * takes all that is left: rows that are too old for it were counted as expired when they were read.
 */
static void
choose_buckets(const SlmTier *tier, bool coarsest, TimestampTz head, SlmCells *cells)
{
	TimestampTz floor = slm_tier_floor(tier, head);
	TimestampTz partition = DT_NOEND;
	bool		has_partition = false;

	for (uint32 i = 0; i < cells->nbuckets; i++)
	{
		SlmBucket  *bucket = &cells->buckets[i];

		if (bucket->partition != partition)
		{
			char		name[NAMEDATALEN];

			partition = bucket->partition;
			has_partition = coarsest || partition >= floor ||
				OidIsValid(slm_partition_find(tier, SLM_CATEGORY_L1, partition, name));
		}
		bucket->wanted = has_partition && bucket->start < tier->watermark;
	}
}

/* The newest of the buckets that the finest tier does not take; DT_NOBEGIN if it takes all. */
static TimestampTz
newest_refused(const SlmCells *cells)
{
	TimestampTz newest = DT_NOBEGIN;

	for (uint32 i = 0; i < cells->nbuckets; i++)
	{
		if (!cells->buckets[i].wanted)
			newest = Max(newest, cells->buckets[i].start);
	}
	return newest;
}

static void
make_cells(const SlmBatch *batch, const SlmTier *tier, SlmCells *cells)
{
	slm_cells_free(cells);
	if (!slm_cells_make(&batch->groups, tier->granularity, tier->partition, cells))
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

/*
 * Write all tiers.  A bucket that one tier refuses because it no longer keeps it must be before the next tier's
 * watermark, or it would be in neither: so the rollup is brought that far first.
 */
static uint64
write_tiers(const SlmBatch *batch, TimestampTz head, bool replace)
{
	SlmTiers   *tiers = slm_tiers_read();
	SlmCells   *volatile cells = palloc0(sizeof(SlmCells));
	volatile uint64 written = 0;

	PG_TRY();
	{
		for (int t = 0; t < tiers->n; t++)
		{
			SlmTier    *tier = &tiers->tiers[t];
			bool		coarsest = t == tiers->n - 1;

			make_cells(batch, tier, cells);
			choose_buckets(tier, coarsest, head, cells);
			if (!coarsest)
				slm_rollup_past(tiers, t + 1, newest_refused(cells));
			written += slm_tier_write(tier, cells, batch->catalog, replace);
		}
	}
	PG_FINALLY();
	{
		slm_cells_free(cells);
	}
	PG_END_TRY();
	return written;
}

SlmApplied
slm_apply(SlmBatch *batch, SlmObject *objects, int nobjects, SlmViewState *views, bool replace)
{
	SlmApplied	applied = {0};
	TimestampTz head;
	instr_time	start;

	applied.wait_ms = slm_writer_lock();
	INSTR_TIME_SET_CURRENT(start);
	head = slm_head_read();
	slm_view_state_settle(views, batch, head);
	head = slm_head_advance(objects, nobjects, head);
	if (batch->groups.ngroups > 0)
		applied.rows_written = write_tiers(batch, head, replace);
	slm_ledger_record(objects, nobjects, batch->counts);
	applied.held_ms = ms_since(start);
	return applied;
}
