/*
 * tier_change.c: add, alter and drop tiers.
 *
 * A tier between two others changes what the coarser one's views read, and that locks these views against everybody.  A
 * query that reads them for long would make all others wait behind the change: so it is tried with a short lock_timeout,
 * rolled back with all locks, and tried again after a pause.
 *
 * Order of locks: sellometer.tiers (against other changes of tiers), the writer's lock, then tables and views.
 *
 * The tables and views of a tier that is added later are not members of the extension, or pg_dump would leave out what
 * they look like.  They go with the extension all the same.  A default tier that comes back is a member as it was.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "compat.h"
#include "ledger/head.h"
#include "miscadmin.h"
#include "server/locks.h"
#include "server/spi.h"
#include "storage/latch.h"
#include "tiers/rollup.h"
#include "tiers/tier.h"
#include "tiers/totals.h"
#include "upkeep/tier_change.h"
#include "upkeep/tier_rules.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#define LOCK_TIMEOUT		"100ms"
#define PAUSE_MS			200
#define TRIES				30

/* --- trying again --- */

static void
pause_between_tries(void)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, PAUSE_MS,
					 slm_wait_event("SellometerChangeTier"));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* Do it in a subtransaction; false if a lock could not be had in time. */
static bool
try_change(void (*change) (SlmTierPlan *), SlmTierPlan *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		change(arg);
		ReleaseCurrentSubTransaction();
		done = true;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
			ReThrowError(error);
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return done;
}

static void
change_tiers(void (*change) (SlmTierPlan *), SlmTierPlan *arg)
{
	for (int i = 1; !try_change(change, arg); i++)
	{
		if (i >= TRIES)
			ereport(ERROR,
					(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
					 errmsg("the tiers can't be changed now: their tables or views are in use"),
					 errhint("A query, a backup or a VACUUM that takes long reads them; see pg_stat_activity.")));
		pause_between_tries();
	}
}

/* From now to the end of the nest level, which is returned, waits for locks are short. */
static int
limit_lock_waits(void)
{
	int			nest_level = NewGUCNestLevel();

	(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return nest_level;
}

/* --- what both need --- */

static void
lock_tiers(void)
{
	slm_execute_once("LOCK TABLE sellometer.tiers IN SHARE UPDATE EXCLUSIVE MODE", SPI_OK_UTILITY);
}

static void
move_position(const char *name, int by)
{
	static SlmStatement statement = {
		"UPDATE sellometer.tiers SET position = position + $2 WHERE name = $1", 2, {TEXTOID, INT4OID}
	};
	Datum		args[2] = {CStringGetTextDatum(name), Int32GetDatum(by)};

	slm_execute(&statement, args, NULL, SPI_OK_UPDATE);
}

/* Make the real-time views of a tier over a finer one. */
static void
view_over(const char *tier, Interval *granularity, const char *finer)
{
	Oid			types[3] = {TEXTOID, INTERVALOID, TEXTOID};
	Datum		args[3] = {CStringGetTextDatum(tier), IntervalPGetDatum(granularity), CStringGetTextDatum(finer)};

	slm_execute_args("SELECT sellometer.create_realtime_views($1, $2, $3)", 3, types, args, SPI_OK_SELECT);
}

static void
view_existing_over(const char *tier, const char *finer)
{
	Oid			types[2] = {TEXTOID, TEXTOID};
	Datum		args[2] = {CStringGetTextDatum(tier), CStringGetTextDatum(finer)};

	slm_execute_args("SELECT sellometer.create_realtime_views(name, granularity, $2) FROM sellometer.tiers WHERE name = $1",
					 2, types, args, SPI_OK_SELECT);
}

/* The tables and views of a tier: names, and what they are ('t' or 'v'). */
typedef struct TierRelation
{
	char	   *name;
	char		kind;
} TierRelation;

static TierRelation *
tier_relations(const char *tier, int *n)
{
	Oid			type = TEXTOID;
	Datum		arg = CStringGetTextDatum(tier);
	TierRelation *relations;

	*n = (int) slm_execute_args("SELECT name, kind FROM sellometer.tier_relations($1)", 1, &type, &arg, SPI_OK_SELECT);
	relations = palloc(sizeof(TierRelation) * *n);
	for (int i = 0; i < *n; i++)
	{
		bool		isnull;

		relations[i].name = slm_text(CurrentMemoryContext, i, 1);
		relations[i].kind = DatumGetChar(slm_value(i, 2, &isnull));
	}
	return relations;
}

/* End the membership of a relation in the extension, and of its types: they are members of their own from PostgreSQL 17 on. */
static void
leave_extension(Oid relation)
{
	Oid			type = get_rel_type_id(relation);

	deleteDependencyRecordsForClass(RelationRelationId, relation, ExtensionRelationId, DEPENDENCY_EXTENSION);
	deleteDependencyRecordsForClass(TypeRelationId, type, ExtensionRelationId, DEPENDENCY_EXTENSION);
	deleteDependencyRecordsForClass(TypeRelationId, get_array_type(type), ExtensionRelationId, DEPENDENCY_EXTENSION);
}

/* Drop the relations of one kind.  The default tiers' are members of the extension: they leave it first. */
static void
drop_relations(const char *tier, char kind, const char *command)
{
	Oid			schema = get_namespace_oid("sellometer", false);
	int			n;
	TierRelation *relations = tier_relations(tier, &n);
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < n; i++)
	{
		if (relations[i].kind != kind)
			continue;
		leave_extension(get_relname_relid(relations[i].name, schema));
		appendStringInfo(&sql, "%s sellometer.%s", sql.len == 0 ? command : ",", quote_identifier(relations[i].name));
	}
	CommandCounterIncrement();
	slm_execute_once(sql.data, SPI_OK_UTILITY);
}

/* --- add: do it --- */

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
		if (slm_granularity_is_multiple(widths[i].g, g) &&
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
	drop_relations(tier, 'v', "DROP VIEW");
	drop_relations(tier, 't', "DROP TABLE");
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
		"INSERT INTO sellometer.tiers (name, position, granularity, retention, partition_width, watermark, kept_from, finer) "
		"VALUES ($1, $2, $3, $4, $5::interval, $6, $6, $7)",
		7, {TEXTOID, INT4OID, INTERVALOID, INTERVALOID, TEXTOID, TIMESTAMPTZOID, TEXTOID}
	};
	Datum		args[7] = {CStringGetTextDatum(change->name), Int32GetDatum(place),
		IntervalPGetDatum(change->granularity_interval), IntervalPGetDatum(change->retention_interval),
		CStringGetTextDatum(partition_width(change->granularity)),
		TimestampTzGetDatum(first_whole_bucket(change->granularity, finer->kept_from)),
	CStringGetTextDatum(finer->name)};

	slm_execute(&statement, args, change->retention_interval ? NULL : "   n   ", SPI_OK_INSERT);
}

/* Let a relation go when the extension goes. */
static void
bind_to_extension(const char *name, Oid extension)
{
	ObjectAddress own;
	ObjectAddress other;

	ObjectAddressSet(own, RelationRelationId, get_relname_relid(name, get_namespace_oid("sellometer", false)));
	ObjectAddressSet(other, ExtensionRelationId, extension);
	deleteDependencyRecordsForSpecific(own.classId, own.objectId, DEPENDENCY_AUTO, other.classId, other.objectId);
	recordDependencyOn(&own, &other, DEPENDENCY_AUTO);
}

void
slm_tier_bind(const char *tier)
{
	Oid			extension = get_extension_oid("sellometer", false);
	TierRelation *relations;
	const char *owner;
	int			n;

	slm_execute_once("SELECT quote_ident(rolname) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner "
					 "WHERE c.oid = 'sellometer.tiers'::regclass", SPI_OK_SELECT);
	owner = slm_text(CurrentMemoryContext, 0, 1);
	relations = tier_relations(tier, &n);
	for (int i = 0; i < n; i++)
	{
		slm_execute_once(psprintf("ALTER TABLE sellometer.%s OWNER TO %s", quote_identifier(relations[i].name), owner),
						 SPI_OK_UTILITY);
		bind_to_extension(relations[i].name, extension);
	}
}

/*
 * The tables and views of a tier that CREATE EXTENSION makes are members of the extension: pg_dump must leave out what they look
 * like, as they are there when the rest is restored.
 */
static void
join_extension(const char *tier)
{
	int			n;
	TierRelation *relations = tier_relations(tier, &n);

	for (int i = 0; i < n; i++)
		slm_execute_once(psprintf("ALTER EXTENSION sellometer ADD %s sellometer.%s", relations[i].kind == 't' ? "TABLE" : "VIEW",
								  quote_identifier(relations[i].name)), SPI_OK_UTILITY);
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

/* Have a tier be added up from another one from now on. */
static void
feed_from(const SlmTier *tier, const char *finer)
{
	static SlmStatement statement = {"UPDATE sellometer.tiers SET finer = $2 WHERE name = $1", 2, {TEXTOID, TEXTOID}};
	Datum		args[2] = {CStringGetTextDatum(tier->name), CStringGetTextDatum(finer)};
	int			nest_level = limit_lock_waits();

	slm_execute(&statement, args, NULL, SPI_OK_UPDATE);
	view_existing_over(tier->name, finer);
	AtEOXact_GUC(true, nest_level);
}

static void
add_tier(SlmTierPlan *change)
{
	SlmTiers   *tiers;
	int			place;
	int			finer;

	lock_tiers();
	tiers = slm_tiers_read();
	place = slm_check_tier_place(change, tiers, &finer);
	drop_leftovers(change->name);
	make_tables(change);
	view_over(change->name, change->granularity_interval, tiers->tiers[finer].name);
	make_event_views(change);

	(void) slm_writer_lock();
	tiers = slm_tiers_read();	/* watermarks have moved meanwhile */
	slm_rollup_reset(tiers);
	for (int t = tiers->n - 1; t >= place; t--)
		move_position(tiers->tiers[t].name, 1);
	slm_tier_bind(change->name);	/* first, or the insertion would be taken for that of a restore */
	if (slm_is_default_tier(change->name))
		join_extension(change->name);
	insert_tier(change, place, &tiers->tiers[finer]);
	slm_execute_once("SELECT sellometer.grant_readers()", SPI_OK_SELECT);
	fill_tier(change);
	for (int t = place; t < tiers->n; t++)
	{
		if (slm_tier_is_fed_by(tiers, t, change, finer))
			feed_from(&tiers->tiers[t], change->name);
	}
}

static SlmTierPlan
plan_tier(const char *name, Interval *granularity, Interval *retention)
{
	SlmTierPlan plan = {.name = name,.granularity_interval = granularity,.retention_interval = retention};

	plan.granularity = slm_interval_granularity(granularity);
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
	change_tiers(add_tier, &change);
}

/* --- alter --- */

static int
require_tier(const SlmTiers *tiers, const char *name)
{
	int			t = slm_find_tier(tiers, name);

	if (t < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("tier \"%s\" does not exist", name),
				 errhint("The tiers are listed in sellometer.tiers.")));
	return t;
}

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

	lock_tiers();
	(void) slm_writer_lock();
	tiers = slm_tiers_read();
	t = require_tier(tiers, change->name);
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
	change_tiers(alter_tier, &change);
}

/* --- drop --- */

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

	lock_tiers();
	(void) slm_writer_lock();
	tiers = slm_tiers_read();
	t = require_tier(tiers, change->name);
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
			feed_from(&tiers->tiers[c], tiers->tiers[tiers->tiers[t].finer].name);
	}

	nest_level = limit_lock_waits();
	drop_relations(change->name, 'v', "DROP VIEW");
	drop_relations(change->name, 't', "DROP TABLE");
	AtEOXact_GUC(true, nest_level);
	slm_execute(&delete, &name, NULL, SPI_OK_DELETE);
	slm_totals_prune(change->name, DT_NOEND);
	for (int later = t + 1; later < tiers->n; later++)
		move_position(tiers->tiers[later].name, -1);
}

void
slm_tier_drop(const char *name, bool discard)
{
	SlmTierPlan change = {.name = name,.discard = discard};

	change_tiers(drop_tier, &change);
	if (change.lost != NULL)
		ereport(NOTICE, (errmsg("with tier \"%s\" goes what no finer tier holds", name), errdetail_internal("%s", change.lost)));
}
