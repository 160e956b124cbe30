/*
 * tier_alter.c: how long a tier keeps its rows.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "ledger/head.h"
#include "server/locks.h"
#include "server/spi.h"
#include "upkeep/tier_alter.h"
#include "upkeep/tier_change.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Say from when on a tier has rows, and from when on it is to have them. */
static void
tell_retention(const SlmTiers *tiers, int t, TimestampTz head)
{
	const SlmTier *tier = &tiers->tiers[t];
	TimestampTz floor = slm_tier_floor(tier, head);
	int			n;
	TimestampTz *starts = slm_partitions(tier, &n);

	if (n > 0 && starts[0] < floor)
		ereport(NOTICE,
				(errmsg("what tier \"%s\" has before %s is dropped by the next sellometer_prune()", tier->name,
						timestamptz_to_str(floor)),
				 errdetail("It has rows from %s on.", timestamptz_to_str(starts[0]))));
	else if (tier->kept_from > floor)
		ereport(NOTICE,
				(errmsg("tier \"%s\" is not complete before %s", tier->name, timestamptz_to_str(tier->kept_from)),
				 errhint("What is gone does not come back by itself; sellometer_replay() makes it anew where archives or files hold it.")));
}

static void
alter_tier(SlmTierPlan *change)
{
	static SlmStatement update = {"UPDATE sellometer.tiers SET retention = $2 WHERE name = $1", 2, {TEXTOID, INTERVALOID}};
	Datum		args[2] = {CStringGetTextDatum(change->name), IntervalPGetDatum(change->retention_interval)};
	SlmTiers   *tiers;
	int			t;

	slm_lock_tiers();
	(void) slm_writer_lock();
	tiers = slm_tiers_read();
	t = slm_require_tier(tiers, change->name);
	change->granularity = tiers->tiers[t].granularity;
	slm_check_tier_lengths(change);
	slm_check_tier_retention(tiers, t, change);
	slm_execute(&update, args, change->retention_interval ? NULL : " n", SPI_OK_UPDATE);
	tiers->tiers[t].retention = change->retention;
	tell_retention(tiers, t, slm_head_read());
}

void
slm_tier_alter(const char *name, Interval *retention)
{
	SlmTierPlan change = {.name = name,.retention_interval = retention};

	if (retention != NULL)
		change.retention = slm_interval_granularity(retention);
	slm_change_tiers(alter_tier, &change);
}
