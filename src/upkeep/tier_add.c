/*
 * tier_add.c: a new tier, between others or as the coarsest, filled from what the finer ones hold.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "ledger/head.h"
#include "server/locks.h"
#include "server/spi.h"
#include "server/zone.h"
#include "tiers/rollup.h"
#include "upkeep/tier_add.h"
#include "upkeep/tier_change.h"
#include "upkeep/tier_relations.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* Make the real-time views of a tier over a finer one. */
static void
view_over(const SlmTierPlan *plan, const char *finer)
{
	Oid			types[4] = {TEXTOID, INTERVALOID, TEXTOID, TEXTOID};
	Datum		args[4] = {CStringGetTextDatum(plan->name), IntervalPGetDatum(plan->granularity_interval),
	CStringGetTextDatum(slm_zone_name(plan->granularity.zone)), CStringGetTextDatum(finer)};

	slm_execute_args("SELECT sellometer.create_realtime_views($1, $2, $3, $4)", 4, types, args, SPI_OK_SELECT);
}

/* About how many buckets of g there are in a time. */
static int64
buckets_in(SlmGranularity time, SlmGranularity g)
{
	return (time.months * 30 * USECS_PER_DAY + time.usecs) / (g.months * 30 * USECS_PER_DAY + g.usecs);
}

/*
 * The width of a partition: the least of some that holds a dozen buckets at least.  Wide enough for partitions to be few,
 * narrow enough for pruning to follow the retention.
 */
static const char *
partition_width(SlmGranularity g)
{
	static const struct
	{
		SlmGranularity g;
		const char *text;
	}			widths[] = {
		{{.usecs = USECS_PER_HOUR}, "1 hour"},
		{{.usecs = USECS_PER_DAY}, "1 day"},
		{{.usecs = 7 * USECS_PER_DAY}, "7 days"},
		{{.months = 1}, "1 month"},
		{{.months = 12}, "1 year"},
		{{.months = 120}, "10 years"},
	};

	for (int i = 0; i < lengthof(widths); i++)
	{
		if (slm_granularity_is_multiple(slm_granularity_in(widths[i].g, g.zone), g) &&
			buckets_in(widths[i].g, g) >= (g.months > 0 ? 4 : 12))
			return widths[i].text;
	}
	return psprintf("%lld minutes", (long long) (12 * g.usecs / USECS_PER_MINUTE));
}

/* The finer tier has nothing before a time: the first bucket that can be added up whole. */
static TimestampTz
first_whole_bucket(SlmGranularity g, TimestampTz kept_from)
{
	TimestampTz start;

	if (TIMESTAMP_IS_NOBEGIN(kept_from))
		return kept_from;
	start = slm_bucket_start(g, kept_from);
	return start == kept_from ? start : slm_bucket_next(g, start);
}

/* A default tier that was dropped before a dump has its tables and views after the restore, as CREATE EXTENSION makes them. */
static void
drop_leftovers(const char *tier)
{
	char	   *table = psprintf("%s_%s", slm_dimension_name(SLM_CATEGORY_L1), tier);

	if (!OidIsValid(get_relname_relid(table, get_namespace_oid("sellometer", false))))
		return;
	slm_tier_drop_relations(tier, 'v', "DROP VIEW");
	slm_tier_drop_relations(tier, 't', "DROP TABLE");
}

static void
make_tables(const SlmTierPlan *change)
{
	Oid			types[2] = {TEXTOID, INTERVALOID};
	Datum		args[2] = {CStringGetTextDatum(change->name), IntervalPGetDatum(change->granularity_interval)};

	slm_execute_args("SELECT sellometer.create_tier_tables($1, $2)", 2, types, args, SPI_OK_SELECT);
}

static void
make_event_views(const SlmTierPlan *change)
{
	Oid			type = TEXTOID;
	Datum		arg = CStringGetTextDatum(change->name);

	slm_execute_args("SELECT sellometer.create_event_views($1)", 1, &type, &arg, SPI_OK_SELECT);
}

static void
insert_tier(const SlmTierPlan *change, int place, const SlmTier *finer)
{
	static SlmStatement statement = {
		"INSERT INTO sellometer.tiers (name, position, granularity, retention, partition_width, watermark, kept_from, finer, zone) "
		"VALUES ($1, $2, $3, $4, $5::interval, $6, $6, $7, $8)",
		8, {TEXTOID, INT4OID, INTERVALOID, INTERVALOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID}
	};
	char		nulls[] = "        ";
	Datum		args[8] = {CStringGetTextDatum(change->name), Int32GetDatum(place),
		IntervalPGetDatum(change->granularity_interval), IntervalPGetDatum(change->retention_interval),
		CStringGetTextDatum(partition_width(change->granularity)),
		TimestampTzGetDatum(first_whole_bucket(change->granularity, finer->kept_from)),
	CStringGetTextDatum(finer->name), CStringGetTextDatum(slm_zone_name(change->granularity.zone))};

	if (change->retention_interval == NULL)
		nulls[3] = 'n';
	if (!slm_is_of_days(change->granularity))
		nulls[7] = 'n';
	slm_execute(&statement, args, nulls, SPI_OK_INSERT);
}

/* Live loading goes first. */
static bool
somebody_waits(void *arg)
{
	return slm_writer_lock_wanted();
}

static void
fill_tier(const SlmTierPlan *change)
{
	SlmTiers   *tiers = slm_tiers_read();
	int			t = slm_find_tier(tiers, change->name);

	if (!slm_rollup_fill(tiers, t, slm_head_read(), somebody_waits, NULL))
		ereport(NOTICE,
				(errmsg("tier \"%s\" is not filled completely: loading goes first", change->name),
				 errhint("sellometer_rollup() goes on with it; its views are complete already.")));
	if (!TIMESTAMP_IS_NOBEGIN(tiers->tiers[t].kept_from))
		ereport(NOTICE,
				(errmsg("tier \"%s\" begins at %s", change->name, timestamptz_to_str(tiers->tiers[t].kept_from)),
				 errdetail("Tier \"%s\" does not hold all that was before.", tiers->tiers[tiers->tiers[t].finer].name)));
}

static void
add_tier(SlmTierPlan *change)
{
	SlmTiers   *tiers;
	int			place;
	int			finer;

	slm_lock_tiers();
	tiers = slm_tiers_read();
	place = slm_check_tier_place(change, tiers, &finer);
	drop_leftovers(change->name);
	make_tables(change);
	view_over(change, tiers->tiers[finer].name);
	make_event_views(change);

	(void) slm_writer_lock();
	tiers = slm_tiers_read();	/* watermarks have moved meanwhile */
	slm_rollup_reset(tiers);
	for (int t = tiers->n - 1; t >= place; t--)
		slm_tier_move_position(tiers->tiers[t].name, 1);
	slm_tier_bind(change->name);	/* first, or the insertion would be taken for that of a restore */
	if (slm_is_default_tier(change->name))
		slm_tier_join(change->name);
	insert_tier(change, place, &tiers->tiers[finer]);
	slm_execute_once("SELECT sellometer.grant_readers()", SPI_OK_SELECT);
	fill_tier(change);
	for (int t = place; t < tiers->n; t++)
	{
		if (slm_tier_is_fed_by(tiers, t, change, finer))
			slm_tier_feed_from(&tiers->tiers[t], change->name);
	}
}

/* That of days; once there are tiers of such, it is theirs that counts: slm_check_tier_place(). */
static const SlmZone *
shop_zone(void)
{
	const char *name = GetConfigOption("sellometer.timezone", true, false);

	return name == NULL || *name == '\0' ? NULL : slm_zone(name);
}

static SlmTierPlan
plan_tier(const char *name, Interval *granularity, Interval *retention)
{
	SlmTierPlan plan = {.name = name,.granularity_interval = granularity,.retention_interval = retention};

	plan.granularity = slm_granularity_in(slm_interval_granularity(granularity), shop_zone());
	if (retention != NULL)
		plan.retention = slm_interval_granularity(retention);
	slm_check_tier_lengths(&plan);
	return plan;
}

void
slm_tier_add(const char *name, Interval *granularity, Interval *retention)
{
	SlmTierPlan change;

	slm_check_tier_name(name);
	change = plan_tier(name, granularity, retention);
	slm_change_tiers(add_tier, &change);
}
