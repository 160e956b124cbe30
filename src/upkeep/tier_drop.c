/*
 * tier_drop.c: a tier goes, if nothing is lost by that.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "server/locks.h"
#include "server/spi.h"
#include "tiers/rollup.h"
#include "tiers/totals.h"
#include "upkeep/tier_change.h"
#include "upkeep/tier_drop.h"
#include "upkeep/tier_relations.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

/* A tier that was added up from this one must find in the next finer one all that it has not rolled up yet. */
static void
check_needed(const SlmTiers *tiers, int t, int c)
{
	const SlmTier *finer = &tiers->tiers[tiers->tiers[t].finer];
	const SlmTier *coarser = &tiers->tiers[c];

	if (finer->kept_from > coarser->watermark)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("tier \"%s\" still needs tier \"%s\"", coarser->name, tiers->tiers[t].name),
				 errdetail("It is rolled up to %s, and tier \"%s\" holds nothing before %s.",
						   pstrdup(timestamptz_to_str(coarser->watermark)), finer->name,
						   pstrdup(timestamptz_to_str(finer->kept_from))),
				 errhint("Run CALL sellometer_rollup(), wait for the end of its interval, or drop tier \"%s\" first.",
						 coarser->name)));
}

/* The buckets of a tier that none of those it was added up from holds whole: how many, and the first and last of them. */
static int64
find_lost(const SlmTiers *tiers, int t, TimestampTz *first, TimestampTz *last)
{
	static SlmStatement statement = {
		"SELECT count(DISTINCT event_time), min(event_time), max(event_time) FROM sellometer.totals "
		"WHERE tier = $1 AND event_type = ANY (enum_range(NULL::sellometer.event_type)) AND event_time < $2",
		2, {TEXTOID, TIMESTAMPTZOID}
	};
	TimestampTz held_from = DT_NOEND;
	Datum		args[2] = {CStringGetTextDatum(tiers->tiers[t].name)};

	for (int finer = tiers->tiers[t].finer; finer >= 0; finer = tiers->tiers[finer].finer)
		held_from = Min(held_from, tiers->tiers[finer].kept_from);
	args[1] = TimestampTzGetDatum(held_from);
	slm_execute(&statement, args, NULL, SPI_OK_SELECT);
	*first = slm_int64(0, 2, DT_NOBEGIN);
	*last = slm_int64(0, 3, DT_NOBEGIN);
	return slm_int64(0, 1, 0);
}

/* The finest of the other tiers that hold all from a time on; NULL if there is none. */
static const SlmTier *
other_holder(const SlmTiers *tiers, int t, TimestampTz from)
{
	for (int other = 0; other < tiers->n; other++)
	{
		if (other != t && tiers->tiers[other].kept_from <= from)
			return &tiers->tiers[other];
	}
	return NULL;
}

/* What goes with a tier and is in no finer one, must go by the caller's word. */
static void
check_loss(const SlmTiers *tiers, int t, SlmTierPlan *change)
{
	const SlmTier *tier = &tiers->tiers[t];
	const SlmTier *other;
	TimestampTz first;
	TimestampTz last;
	int64		n = find_lost(tiers, t, &first, &last);
	char	   *what;

	change->lost = NULL;
	if (n == 0)
		return;
	other = other_holder(tiers, t, first);
	what = psprintf("%s  %s",
					psprintf("No finer tier holds %lld of its intervals, from %s to the one of %s.", (long long) n,
							 pstrdup(timestamptz_to_str(first)), pstrdup(timestamptz_to_str(last))),
					other == NULL ? "No other tier does."
					: psprintf("Tier \"%s\" has that time in longer ones.", other->name));
	change->lost = what;
	if (!change->discard)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("tier \"%s\" holds what no finer tier does", tier->name),
				 errdetail_internal("%s", what),
				 errhint("sellometer_drop_tier(%s, discard => true) drops it all the same.", quote_literal_cstr(tier->name))));
}

static void
drop_tier(SlmTierPlan *change)
{
	static SlmStatement delete = {"DELETE FROM sellometer.tiers WHERE name = $1", 1, {TEXTOID}};
	SlmTiers   *tiers;
	Datum		name = CStringGetTextDatum(change->name);
	int			t;
	int			nest_level;

	slm_lock_tiers();
	(void) slm_writer_lock();
	tiers = slm_tiers_read();
	t = slm_require_tier(tiers, change->name);
	if (t == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("tier \"%s\" can't be dropped: it is the finest", change->name)));
	for (int c = t + 1; c < tiers->n; c++)
	{
		if (tiers->tiers[c].finer == t)
			check_needed(tiers, t, c);
	}
	check_loss(tiers, t, change);
	slm_rollup_reset(tiers);
	for (int c = t + 1; c < tiers->n; c++)
	{
		if (tiers->tiers[c].finer == t)
			slm_tier_feed_from(&tiers->tiers[c], tiers->tiers[tiers->tiers[t].finer].name);
	}

	nest_level = slm_limit_lock_waits();
	slm_tier_drop_relations(change->name, 'v', "DROP VIEW");
	slm_tier_drop_relations(change->name, 't', "DROP TABLE");
	AtEOXact_GUC(true, nest_level);
	/* segments go with totals, by the tier's width of partitions */
	slm_totals_prune(change->name, DT_NOEND);
	slm_execute(&delete, &name, NULL, SPI_OK_DELETE);
	for (int later = t + 1; later < tiers->n; later++)
		slm_tier_move_position(tiers->tiers[later].name, -1);
}

void
slm_tier_drop(const char *name, bool discard)
{
	SlmTierPlan change = {.name = name,.discard = discard};

	slm_change_tiers(drop_tier, &change);
	if (change.lost != NULL)
		ereport(NOTICE, (errmsg("with tier \"%s\" goes what no finer tier holds", name), errdetail_internal("%s", change.lost)));
}
