/*
 * tier_rules.c: which tiers there can be beside each other.
 */
#include "postgres.h"

#include "server/zone.h"
#include "upkeep/tier_rules.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define MAX_NAME			24	/* as in the CHECK of sellometer.tiers */

/* How long it is, more or less: enough to tell which of two is coarser. */
static int64
approximate_usecs(SlmGranularity g)
{
	return g.months * 30 * USECS_PER_DAY + g.usecs;
}

static const char *
interval_text(Interval *interval)
{
	return DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(interval)));
}

/* "…_p20191001_0000" */
static bool
ends_like_partition(const char *name)
{
	size_t		len = strlen(name);
	const char *suffix = name + len - 15;

	return len > 15 && strncmp(suffix, "_p", 2) == 0 && strspn(suffix + 2, "0123456789") == 8 && suffix[10] == '_' &&
		strspn(suffix + 11, "0123456789") == 4;
}

bool
slm_is_default_tier(const char *name)
{
	return strcmp(name, "minute") == 0 || strcmp(name, "hour") == 0;
}

bool
slm_is_of_days(SlmGranularity g)
{
	return g.months > 0 || g.usecs % USECS_PER_DAY == 0;
}

void
slm_check_tier_name(const char *name)
{
	size_t		len = strlen(name);

	if (len < 1 || len > MAX_NAME || name[0] < 'a' || name[0] > 'z' ||
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("\"%s\" can't be the name of a tier", name),
				 errhint("Tables and views are named after it: use at most %d lower-case letters, digits and underscores, "
						 "a letter first.", MAX_NAME)));
	if (strcmp(name, "rank") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("\"rank\" can't be the name of a tier"),
				 errdetail("Views of the last hour are named sellometer.<event>_<dimension>_rank.")));
	if (ends_like_partition(name))
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("\"%s\" can't be the name of a tier", name),
				 errdetail("It ends like the name of a partition.")));
}

void
slm_check_tier_lengths(const SlmTierPlan *plan)
{
	SlmGranularity g = plan->granularity;

	if (slm_is_default_tier(plan->name) && g.usecs != USECS_PER_HOUR && g.usecs != USECS_PER_MINUTE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tier \"%s\" must be one of hours", plan->name),
				 errdetail("CREATE EXTENSION makes tables of this name and a dump takes them as they are made.")));
	if (g.usecs % USECS_PER_MINUTE != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the granularity of a tier must be a whole number of minutes"),
				 errdetail("It is %s.", interval_text(plan->granularity_interval))));
	if (g.zone != NULL && g.zone->unit % USECS_PER_MINUTE != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("clocks in time zone \"%s\" are not off by whole minutes", g.zone->name),
				 errdetail("Its days do not consist of minutes."),
				 errhint("Set sellometer.timezone to another zone.")));
	if (g.months > 0 && 12 % g.months != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the months of a granularity must divide a year"),
				 errdetail("It is %s.", interval_text(plan->granularity_interval)),
				 errhint("Use 1, 2, 3, 4 or 6 months, or 1 year.")));
	if (plan->retention_interval != NULL && approximate_usecs(plan->retention) < approximate_usecs(g))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the retention of a tier must not be shorter than its granularity")));
}

static void
check_retention(const char *coarse, SlmGranularity coarse_r, const char *fine, SlmGranularity fine_r)
{
	int64		longer = approximate_usecs(coarse_r);
	int64		shorter = approximate_usecs(fine_r);

	/* 0: for ever */
	if (longer != 0 && (shorter == 0 || longer < shorter))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tier \"%s\" must not be kept for less time than tier \"%s\"", coarse, fine),
				 errhint("The retention of the tiers is in sellometer.tiers; NULL means for ever.  sellometer_alter_tier() changes it.")));
}

int
slm_find_tier(const SlmTiers *tiers, const char *name)
{
	for (int t = 0; t < tiers->n; t++)
	{
		if (strcmp(tiers->tiers[t].name, name) == 0)
			return t;
	}
	return -1;
}

/* Which of these is the coarsest of whose buckets buckets of g consist?  Of the finest any do: all lengths are minutes. */
static int
coarsest_divisor(const SlmTiers *tiers, int n, SlmGranularity g)
{
	int			t = n - 1;

	while (t > 0 && !slm_granularity_is_multiple(g, tiers->tiers[t].granularity))
		t--;
	return t;
}

bool
slm_tier_is_fed_by(const SlmTiers *tiers, int t, const SlmTierPlan *plan, int finer)
{
	const SlmTier *tier = &tiers->tiers[t];

	return tier->finer == finer && approximate_usecs(tier->granularity) >= approximate_usecs(plan->granularity) &&
		slm_granularity_is_multiple(tier->granularity, plan->granularity);
}

/* Of which days or months do others consist, and which does whoever reads see? */
static void
check_zone(const SlmTierPlan *plan, const SlmTier *tier)
{
	if (slm_is_of_days(plan->granularity) && slm_is_of_days(tier->granularity) && tier->granularity.zone != plan->granularity.zone)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("tier \"%s\" has days of time zone %s, and sellometer.timezone is %s", tier->name,
						slm_zone_name(tier->granularity.zone), slm_zone_name(plan->granularity.zone)),
				 errhint("Set sellometer.timezone to %s.  For days of another zone, drop all tiers of days, weeks and months, "
						 "set it, and add them again: they are filled from what finer tiers hold.",
						 slm_zone_name(tier->granularity.zone))));
}

int
slm_check_tier_place(const SlmTierPlan *plan, const SlmTiers *tiers, int *finer)
{
	int64		own = approximate_usecs(plan->granularity);
	int			place = 0;

	if (slm_find_tier(tiers, plan->name) >= 0)
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("tier \"%s\" exists already", plan->name)));
	for (int t = 0; t < tiers->n; t++)
	{
		const SlmTier *tier = &tiers->tiers[t];

		check_zone(plan, tier);
		if (tier->granularity.months == plan->granularity.months && tier->granularity.usecs == plan->granularity.usecs)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("tier \"%s\" has this granularity already", tier->name)));
		/* thirty days are before a month */
		if (approximate_usecs(tier->granularity) < own ||
			(approximate_usecs(tier->granularity) == own && tier->granularity.months == 0))
			place = t + 1;
	}
	if (place == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a tier must be coarser than tier \"%s\"", tiers->tiers[0].name)));
	*finer = coarsest_divisor(tiers, place, plan->granularity);
	check_retention(plan->name, plan->retention, tiers->tiers[*finer].name, tiers->tiers[*finer].retention);
	for (int t = place; t < tiers->n; t++)
	{
		if (slm_tier_is_fed_by(tiers, t, plan, *finer))
			check_retention(tiers->tiers[t].name, tiers->tiers[t].retention, plan->name, plan->retention);
	}
	return place;
}

void
slm_check_tier_retention(const SlmTiers *tiers, int t, const SlmTierPlan *plan)
{
	const SlmTier *tier = &tiers->tiers[t];

	if (tier->finer >= 0)
		check_retention(tier->name, plan->retention, tiers->tiers[tier->finer].name, tiers->tiers[tier->finer].retention);
	for (int c = t + 1; c < tiers->n; c++)
	{
		if (tiers->tiers[c].finer == t)
			check_retention(tiers->tiers[c].name, tiers->tiers[c].retention, tier->name, plan->retention);
	}
}
