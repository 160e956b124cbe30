/*
 * prune.c: what is older than it is kept goes, by whole partitions.
 *
 * Dropping a partition locks its parent against everybody for a moment.  A query that reads the parent for long makes the
 * drop wait, and all queries that come later wait behind it.  So the drop gives up after LOCK_TIMEOUT, and tries again
 * after a pause in which the others go on.
 *
 * The five partitions of one time go in one transaction under the writer's lock: whoever applies a batch finds all of
 * them or none.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/catalog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_publication.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "dedup/own_dimensions.h"
#include "facts/cart_write.h"
#include "facts/stock_write.h"
#include "guc.h"
#include "ledger/head.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "packed/packed_table.h"
#include "server/crash_point.h"
#include "server/locks.h"
#include "server/progress.h"
#include "server/spi.h"
#include "storage/latch.h"
#include "tiers/tier.h"
#include "tiers/tier_pack.h"
#include "tiers/totals.h"
#include "upkeep/ledger_prune.h"
#include "upkeep/pack.h"
#include "upkeep/prune.h"
#include "upkeep/rollup_run.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#define LOCK_TIMEOUT		"50ms"
#define PAUSE_MS			200
#define TRIES				5
#define RUNS_KEPT			"10000"
#define BACK_OFF			USECS_PER_SEC

typedef struct Pruning
{
	SlmRun	   *run;
	int			tier;			/* to be pruned; the number of tiers: the view log */
	bool		found;			/* there was a partition to drop */
	bool		last;			/* no tier has this number, and the view log is done */
	char		what[2 * NAMEDATALEN];	/* the partition */
	int			dropped;
	int			left;			/* partitions that were in use */
	bool		packs;			/* what rarely changes is packed, too */
	int			packed;
	uint64		carts;			/* deleted */
	int64		objects;		/* forgotten by the ledger */
} Pruning;

static void
limit_lock_waits(void)
{
	(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/* The oldest partition of a tier if it can go, else DT_NOEND. */
static TimestampTz
oldest_to_go(const SlmTiers *tiers, int t, TimestampTz head)
{
	const SlmTier *tier = &tiers->tiers[t];
	int			n;
	TimestampTz *starts = slm_partitions(tier, &n);

	if (n == 0 || starts[0] >= slm_tier_floor(tier, head))
		return DT_NOEND;
	if (slm_tier_rolled_up(tiers, t) < slm_bucket_next(tier->partition, starts[0]))
		return DT_NOEND;		/* not rolled up yet */
	return starts[0];
}

/* Who subscribes to a partition's rows is not told that it is dropped: so they are deleted, if that is what is published. */
static void
delete_if_published(const char *name)
{
	Relation	rel = table_openrv_extended(makeRangeVar("sellometer", pstrdup(name), -1), RowExclusiveLock, true);
	PublicationDesc published = {0};

	if (rel == NULL)
		return;
	if (RelationIsLogicallyLogged(rel))
		RelationBuildPublicationDesc(rel, &published);
	table_close(rel, NoLock);
	if (published.pubactions.pubdelete)
		slm_execute_once(psprintf("DELETE FROM sellometer.%s", quote_identifier(name)), SPI_OK_DELETE);
}

static void
drop_partition(SlmTier *tier, TimestampTz start)
{
	StringInfoData sql;
	int			n = 0;

	limit_lock_waits();
	initStringInfo(&sql);
	appendStringInfoString(&sql, "DROP TABLE IF EXISTS");
	for (int d = 0; d < slm_dimension_count(); d++)
	{
		char		name[NAMEDATALEN];
		Oid			relid = slm_partition_find(tier, d, start, name);

		if (slm_is_packed(relid))
		{
			slm_tier_drop_packed(name);
			continue;
		}
		delete_if_published(name);
		/* of one that somebody has put onto another server only what is known of it here */
		if (OidIsValid(relid) && get_rel_relkind(relid) == RELKIND_FOREIGN_TABLE)
			slm_execute_once(psprintf("DROP FOREIGN TABLE sellometer.%s", quote_identifier(name)), SPI_OK_UTILITY);
		else if (OidIsValid(relid) || d < SLM_FIRST_OWN)
			appendStringInfo(&sql, "%s sellometer.%s", n++ == 0 ? "" : ",", quote_identifier(name));
	}
	if (n > 0)
		slm_execute_once(sql.data, SPI_OK_UTILITY);
	SLM_CRASH_POINT("prune.dropped");
	slm_totals_prune(tier->name, slm_bucket_next(tier->partition, start));
	slm_tier_keep_from(tier, slm_bucket_next(tier->partition, start));
}

static void
prune_tier(Pruning *pruning, const SlmTiers *tiers, TimestampTz head)
{
	SlmTier    *tier = &tiers->tiers[pruning->tier];
	TimestampTz start = oldest_to_go(tiers, pruning->tier, head);

	if (TIMESTAMP_IS_NOEND(start))
		return;
	pruning->found = true;
	snprintf(pruning->what, sizeof(pruning->what), "tier \"%s\" of %s", tier->name, timestamptz_to_str(start));
	slm_progress_phase(pruning->what);
	slm_run_begin(pruning->run);
	drop_partition(tier, start);
	pruning->dropped++;
}

/* The view log: one partition a day.  What is dropped is noted, as late views of that time can't be told from new ones. */
static void
prune_view_log(Pruning *pruning, TimestampTz head)
{
	static SlmStatement oldest = {
		"SELECT c.relname::text, to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC' + interval '24 hours' "
		"FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'sellometer.view_log'::regclass "
		"ORDER BY c.relname COLLATE \"C\" LIMIT 1"
	};
	TimestampTz cutoff = head - (int64) Max(slm_view_log_retention, slm_view_window) * USECS_PER_SEC;
	TimestampTz end;
	char	   *name;

	if (slm_execute(&oldest, NULL, NULL, SPI_OK_SELECT) == 0)
		return;
	name = slm_text(CurrentMemoryContext, 0, 1);
	end = slm_int64(0, 2, DT_NOEND);
	if (end > cutoff)
		return;
	pruning->found = true;
	snprintf(pruning->what, sizeof(pruning->what), "view log, %s", name);
	slm_run_begin(pruning->run);
	limit_lock_waits();
	slm_execute_once(psprintf("UPDATE sellometer.state SET views_from = greatest(views_from, '%s'::timestamptz), "
							  "views_dropped = views_dropped + (SELECT coalesce(sum(views), 0) FROM sellometer.%s)",
							  timestamptz_to_str(end), quote_identifier(name)), SPI_OK_UPDATE);
	SLM_CRASH_POINT("prune.views_noted");
	delete_if_published(name);
	slm_execute_once(psprintf("DROP TABLE sellometer.%s", quote_identifier(name)), SPI_OK_UTILITY);
	pruning->dropped++;
}

static void
prune_step(void *arg)
{
	Pruning    *pruning = arg;
	SlmTiers   *tiers;
	TimestampTz head;

	pruning->found = false;
	(void) slm_writer_lock();
	tiers = slm_tiers_read();
	head = slm_head_read();
	pruning->last = pruning->tier >= tiers->n;
	if (TIMESTAMP_IS_NOBEGIN(head))
		return;
	if (pruning->last)
		prune_view_log(pruning, head);
	else
		prune_tier(pruning, tiers, head);
}

static void
prune_runs_step(void *arg)
{
	slm_execute_once("DELETE FROM sellometer.runs WHERE id <= (SELECT id FROM sellometer.runs "
					 "ORDER BY id DESC OFFSET " RUNS_KEPT " LIMIT 1)", SPI_OK_DELETE);
}

/* Days of offers that are older than they are kept. */
static void
prune_offers_step(void *arg)
{
	static SlmStatement statement = {
		"SELECT sellometer.prune_offers(((head - $1 * interval '1 second') AT TIME ZONE 'UTC')::date) FROM sellometer.state",
		1, {INT4OID}
	};
	Datum		retention = Int32GetDatum(slm_offer_retention);

	slm_execute(&statement, &retention, NULL, SPI_OK_SELECT);
	if (slm_int64(0, 1, 0) > 0)
		slm_run_begin(arg);
}

/* Carts of users that are still in the log would not be found when they are pruned. */
static void
fold_carts_step(void *arg)
{
	static SlmStatement statement = {"SELECT sellometer.fold_user_carts()"};

	slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
}

/* Likewise what sessions did. */
static void
prune_visits_step(void *arg)
{
	static SlmStatement counted = {"SELECT FROM sellometer.visit_state"};
	static SlmStatement statement = {"SELECT sellometer.prune_visits($1 * interval '1 second')", 1, {INT4OID}};
	Datum		retention = Int32GetDatum(slm_view_log_retention);

	/* whoever waits for the lock would go first */
	if (slm_execute(&counted, NULL, NULL, SPI_OK_SELECT) == 0)
		return;
	(void) slm_writer_lock();
	slm_execute(&statement, &retention, NULL, SPI_OK_SELECT);
	SLM_CRASH_POINT("prune.visits");
	if (slm_int64(0, 1, 0) > 0)
		slm_run_begin(arg);
}

static void
prune_carts_step(void *arg)
{
	Pruning    *pruning = arg;
	TimestampTz head = slm_head_read();

	slm_stock_prune();
	pruning->carts = slm_carts_prune(head);
	if (pruning->carts > 0)
		slm_run_begin(pruning->run);
}

static void
pause_between_tries(void)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, PAUSE_MS,
					 slm_wait_event("SellometerPrune"));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* Drop the next partition of the tier whose turn it is; false if it has none to drop, or only one that is in use. */
static bool
drop_next(Pruning *pruning, int tries, bool loud)
{
	for (int i = 1;; i++)
	{
		ErrorData  *error = slm_try_step(pruning->run, prune_step, pruning);

		if (error == NULL)
			return pruning->found;
		if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
			ReThrowError(error);
		FreeErrorData(error);
		if (i >= tries)
			break;
		pause_between_tries();
	}
	pruning->left++;
	if (loud)
		ereport(NOTICE,
				(errmsg("a partition is in use and left for the next run: %s", pruning->what),
				 errhint("A query, a backup or a VACUUM that takes long reads it; see pg_stat_activity.")));
	return false;
}

static void
prune(Pruning *pruning, bool heed_surge, int tries, bool loud)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (heed_surge && slm_run_hold(pruning->run))
			break;
		if (drop_next(pruning, tries, loud))
		{
			SLM_CRASH_POINT("prune.committed");
			continue;
		}
		if (pruning->last)
			break;
		pruning->tier++;
	}
	if (pruning->packs)
		pruning->packed = slm_pack_all(pruning->run, heed_surge);
	slm_step(pruning->run, prune_carts_step, pruning);
	slm_step(pruning->run, prune_runs_step, NULL);
	SLM_CRASH_POINT("prune.done");
	appendStringInfo(&pruning->run->detail, "{\"partitions\": %d, \"in_use\": %d, \"packed\": %d, \"carts\": " UINT64_FORMAT ", \"objects\": " INT64_FORMAT "}",
					 pruning->dropped, pruning->left, pruning->packed, pruning->carts, pruning->objects);
}

void
slm_prune_all(SlmRun *run, bool heed_surge, bool loud)
{
	Pruning 	pruning = {.run = run,.packs = true};

	if (!slm_run_hold(run))
	{
		slm_step(run, prune_offers_step, run);
		slm_step(run, fold_carts_step, NULL);
		slm_step(run, prune_visits_step, run);
	}
	pruning.objects = slm_ledger_prune(run);
	prune(&pruning, heed_surge, TRIES, loud);
}

/* --- in step with loading --- */

/* When the finest tier holds more than this much again of its retention, it is time. */
#define EXCESS_SHARE	2

typedef struct Look
{
	TimestampTz head;
	bool		needed;
	TimestampTz next;			/* no need before the head is there */
} Look;

static void
look_step(void *arg)
{
	Look	   *look = arg;
	SlmTiers   *tiers = slm_tiers_read();
	const SlmTier *finest = &tiers->tiers[0];
	TimestampTz floor = slm_tier_floor(finest, look->head);
	int			n;
	TimestampTz *starts = slm_partitions(finest, &n);
	int64		excess;

	look->needed = false;
	look->next = slm_bucket_next(finest->partition, slm_bucket_start(finest->partition, look->head));
	if (n == 0 || TIMESTAMP_IS_NOBEGIN(floor))
		return;
	excess = (look->head - floor) / EXCESS_SHARE;
	look->needed = starts[0] < floor - excess;
}

static void
roll_up_in_step(SlmRun *run, void *arg)
{
	slm_rollup_all(run, false);
}

static void
prune_in_step(SlmRun *run, void *arg)
{
	Pruning 	pruning = {.run = run};

	prune(&pruning, false, 1, false);
}

void
slm_keep_in_step(TimestampTz head)
{
	static TimestampTz last_head = DT_NOBEGIN;
	static TimestampTz next_head = DT_NOBEGIN;
	static TimestampTz not_before = DT_NOBEGIN;
	Look		look = {.head = head};
	SlmRun		dummy = {0};

	/* a head that went back is another extension's: it was dropped and created anew */
	if (head < last_head)
		next_head = not_before = DT_NOBEGIN;
	last_head = head;
	if (TIMESTAMP_NOT_FINITE(head) || head < next_head || GetCurrentTimestamp() < not_before)
		return;
	slm_step(&dummy, look_step, &look);
	next_head = look.next;
	if (!look.needed)
		return;
	slm_run("rollup", false, roll_up_in_step, NULL);
	slm_run("prune", false, prune_in_step, NULL);
	/* what was in use is tried again, but not after each batch */
	slm_step(&dummy, look_step, &look);
	if (look.needed)
	{
		next_head = DT_NOBEGIN;
		not_before = GetCurrentTimestamp() + BACK_OFF;
	}
}
