/*
 * archive_adopt.c: what other nodes know is archived, and this one does not.
 *
 *   sellometer.adopt_archives(): records of the others; objects that were never loaded here are taken for archived
 *       --> [writer's lock]  the head, and a replay from the first of them on, which counts them
 *
 * In one transaction: an object is either not known, or counts.
 */
#include "postgres.h"

#include "archive/archive_adopt.h"
#include "archive/replay.h"
#include "catalog/pg_type.h"
#include "server/locks.h"
#include "server/spi.h"
#include "tiers/tier.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* The start of all buckets that have a time: of tiers, and of offers, which have days. */
static TimestampTz
start_of_buckets(TimestampTz time)
{
	static const SlmGranularity day = {.usecs = USECS_PER_DAY};
	const SlmTiers *tiers = slm_tiers_read();
	TimestampTz start = slm_bucket_start(day, time);

	for (int t = 0; t < tiers->n; t++)
		start = Min(start, slm_bucket_start(tiers->tiers[t].granularity, time));
	return start;
}

/* What was never loaded here counts from its archives. */
static void
count_adopted(TimestampTz first)
{
	static SlmStatement statement = {"SELECT sellometer.advance_adopted()"};
	TimestampTz from;
	int64		events;

	/* in this order: whoever moves the head has that lock */
	(void) slm_writer_lock();
	slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	from = start_of_buckets(first);
	/* so that whatever is read sees all of this */
	PushActiveSnapshot(GetLatestSnapshot());
	/* also what is behind: a view there may be a repetition of one that is known only now */
	events = slm_replay(from, DT_NOEND);
	PopActiveSnapshot();
	ereport(NOTICE,
			(errmsg("archives of other nodes had objects that were never loaded here: all from %s on was counted anew",
					pstrdup(timestamptz_to_str(from))),
			 errdetail(INT64_FORMAT " events.", events)));
}

int
slm_archive_adopt(SlmRun *run, const char *source)
{
	static SlmStatement statement = {"SELECT adopted, count_from FROM sellometer.adopt_archives($1)", 1, {TEXTOID}};
	Datum		arg = source == NULL ? (Datum) 0 : CStringGetTextDatum(source);
	int			adopted;
	TimestampTz first;

	slm_execute(&statement, &arg, source == NULL ? "n" : NULL, SPI_OK_SELECT);
	adopted = (int) slm_int64(0, 1, 0);
	first = slm_int64(0, 2, DT_NOEND);
	if (adopted > 0)
		slm_run_begin(run);
	if (!TIMESTAMP_IS_NOEND(first))
		count_adopted(first);
	return adopted;
}
