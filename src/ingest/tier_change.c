/*
 * tier_change.c: add and drop tiers.
 *
 * A tier between two others changes what the coarser one's views read, and that locks these views against everybody.  A
 * query that reads them for long would make all others wait behind the change: so it is tried with a short lock_timeout,
 * rolled back with all locks, and tried again after a pause.
 *
 * Order of locks: sellometer.tiers (against other changes of tiers), the writer's lock, then tables and views.
 *
 * The tables and views of a tier that is added later are not members of the extension, or pg_dump would leave out what
 * they look like.  They go with the extension all the same.
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
#include "ingest/apply.h"
#include "ingest/ledger.h"
#include "ingest/rollup.h"
#include "ingest/spi.h"
#include "ingest/tier.h"
#include "ingest/tier_change.h"
#include "ingest/totals.h"
#include "miscadmin.h"
#include "storage/latch.h"
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
#define MAX_NAME			24	/* as in the CHECK of sellometer.tiers */

typedef struct Change
{
	const char *name;
	Interval   *granularity_interval;
	Interval   *retention_interval; /* NULL: for ever */
	SlmGranularity granularity;
	SlmGranularity retention;
} Change;

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
try_change(void (*change) (Change *), Change *arg)
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
change_tiers(void (*change) (Change *), Change *arg)
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

static int
find_tier(const SlmTiers *tiers, const char *name)
{
	for (int t = 0; t < tiers->n; t++)
	{
		if (strcmp(tiers->tiers[t].name, name) == 0)
			return t;
	}
	return -1;
}

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

/* --- add: is it possible? --- */

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

static void
check_name(const char *name)
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

static void
check_granularity(const Change *change)
{
	SlmGranularity g = change->granularity;

	if (g.usecs % USECS_PER_MINUTE != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the granularity of a tier must be a whole number of minutes"),
				 errdetail("It is %s.", interval_text(change->granularity_interval))));
	if (g.months > 0 && 12 % g.months != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the months of a granularity must divide a year"),
				 errdetail("It is %s.", interval_text(change->granularity_interval)),
				 errhint("Use 1, 2, 3, 4 or 6 months, or 1 year.")));
	if (change->retention_interval != NULL && approximate_usecs(change->retention) < approximate_usecs(g))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the retention of a tier must not be shorter than its granularity")));
}

static void
check_multiple(const char *coarse, SlmGranularity coarse_g, const char *fine, SlmGranularity fine_g)
{
	if (!slm_granularity_is_multiple(coarse_g, fine_g))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the granularity of tier \"%s\" is not a multiple of that of tier \"%s\"", coarse, fine),
				 errdetail("Rows of a tier are sums of whole rows of the next finer one.")));
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
				 errhint("The retention of the tiers is in sellometer.tiers; NULL means for ever.")));
}

/* Where the new tier stands among the others; an error if it can't be. */
static int
check_place(const Change *change, const SlmTiers *tiers)
{
	int64		own = approximate_usecs(change->granularity);
	int			place = 0;

	if (find_tier(tiers, change->name) >= 0)
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("tier \"%s\" exists already", change->name)));
	while (place < tiers->n && approximate_usecs(tiers->tiers[place].granularity) < own)
		place++;
	if (place == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a tier must be coarser than tier \"%s\"", tiers->tiers[0].name)));
	if (place < tiers->n && approximate_usecs(tiers->tiers[place].granularity) == own)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("tier \"%s\" has this granularity already", tiers->tiers[place].name)));
	check_multiple(change->name, change->granularity, tiers->tiers[place - 1].name, tiers->tiers[place - 1].granularity);
	check_retention(change->name, change->retention, tiers->tiers[place - 1].name, tiers->tiers[place - 1].retention);
	if (place < tiers->n)
	{
		check_multiple(tiers->tiers[place].name, tiers->tiers[place].granularity, change->name, change->granularity);
		check_retention(tiers->tiers[place].name, tiers->tiers[place].retention, change->name, change->retention);
	}
	return place;
}

/* --- add: do it --- */

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
			approximate_usecs(widths[i].g) >= (g.months > 0 ? 4 : 12) * approximate_usecs(g))
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
make_tables(const Change *change)
{
	Oid			types[2] = {TEXTOID, INTERVALOID};
	Datum		args[2] = {CStringGetTextDatum(change->name), IntervalPGetDatum(change->granularity_interval)};

	slm_execute_args("SELECT sellometer.create_tier_tables($1, $2)", 2, types, args, SPI_OK_SELECT);
}

static void
make_event_views(const Change *change)
{
	Oid			type = TEXTOID;
	Datum		arg = CStringGetTextDatum(change->name);

	slm_execute_args("SELECT sellometer.create_event_views($1)", 1, &type, &arg, SPI_OK_SELECT);
}

static void
insert_tier(const Change *change, int place, TimestampTz kept_from)
{
	static SlmStatement statement = {
		"INSERT INTO sellometer.tiers (name, position, granularity, retention, partition_width, watermark, kept_from) "
		"VALUES ($1, $2, $3, $4, $5::interval, $6, $6)",
		6, {TEXTOID, INT4OID, INTERVALOID, INTERVALOID, TEXTOID, TIMESTAMPTZOID}
	};
	Datum		args[6] = {CStringGetTextDatum(change->name), Int32GetDatum(place),
		IntervalPGetDatum(change->granularity_interval), IntervalPGetDatum(change->retention_interval),
	CStringGetTextDatum(partition_width(change->granularity)), TimestampTzGetDatum(kept_from)};

	slm_execute(&statement, args, change->retention_interval ? NULL : "   n  ", SPI_OK_INSERT);
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

/* Live loading goes first. */
static bool
somebody_waits(void *arg)
{
	return slm_writer_lock_wanted();
}

static void
fill_tier(const Change *change)
{
	SlmTiers   *tiers = slm_tiers_read();
	int			t = find_tier(tiers, change->name);

	if (!slm_rollup_fill(tiers, t, slm_head_read(), somebody_waits, NULL))
		ereport(NOTICE,
				(errmsg("tier \"%s\" is not filled completely: loading goes first", change->name),
				 errhint("sellometer_rollup() goes on with it; its views are complete already.")));
	if (!TIMESTAMP_IS_NOBEGIN(tiers->tiers[t].kept_from))
		ereport(NOTICE,
				(errmsg("tier \"%s\" begins at %s", change->name, timestamptz_to_str(tiers->tiers[t].kept_from)),
				 errdetail("Tier \"%s\" does not hold all that was before.", tiers->tiers[t - 1].name)));
}

static void
add_tier(Change *change)
{
	SlmTiers   *tiers;
	int			place;

	lock_tiers();
	tiers = slm_tiers_read();
	place = check_place(change, tiers);
	drop_leftovers(change->name);
	make_tables(change);
	view_over(change->name, change->granularity_interval, tiers->tiers[place - 1].name);
	make_event_views(change);

	(void) slm_writer_lock();
	tiers = slm_tiers_read();	/* watermarks have moved meanwhile */
	slm_rollup_reset(tiers);
	for (int t = tiers->n - 1; t >= place; t--)
		move_position(tiers->tiers[t].name, 1);
	slm_tier_bind(change->name);	/* first, or the insertion would be taken for that of a restore */
	insert_tier(change, place, first_whole_bucket(change->granularity, tiers->tiers[place - 1].kept_from));
	slm_execute_once("SELECT sellometer.grant_readers()", SPI_OK_SELECT);
	fill_tier(change);
	if (place < tiers->n)
	{
		int			nest_level = limit_lock_waits();

		view_existing_over(tiers->tiers[place].name, change->name);
		AtEOXact_GUC(true, nest_level);
	}
}

void
slm_tier_add(const char *name, Interval *granularity, Interval *retention)
{
	Change		change = {.name = name,.granularity_interval = granularity,.retention_interval = retention};

	check_name(name);
	change.granularity = slm_interval_granularity(granularity);
	if (retention != NULL)
		change.retention = slm_interval_granularity(retention);
	check_granularity(&change);
	change_tiers(add_tier, &change);
}

/* --- drop --- */

/* The next coarser tier must find in the next finer one all that it has not rolled up yet. */
static void
check_droppable(const SlmTiers *tiers, int t)
{
	const SlmTier *finer = &tiers->tiers[t - 1];
	const SlmTier *coarser = &tiers->tiers[t + 1];

	if (t + 1 < tiers->n && finer->kept_from > coarser->watermark)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("tier \"%s\" still needs tier \"%s\"", coarser->name, tiers->tiers[t].name),
				 errdetail("It is rolled up to %s, and tier \"%s\" holds nothing before %s.",
						   pstrdup(timestamptz_to_str(coarser->watermark)), finer->name,
						   pstrdup(timestamptz_to_str(finer->kept_from))),
				 errhint("Run CALL sellometer_rollup(), wait for the end of its interval, or drop tier \"%s\" first.",
						 coarser->name)));
}

static void
drop_tier(Change *change)
{
	static SlmStatement delete = {"DELETE FROM sellometer.tiers WHERE name = $1", 1, {TEXTOID}};
	SlmTiers   *tiers;
	Datum		name = CStringGetTextDatum(change->name);
	int			t;
	int			nest_level;

	lock_tiers();
	(void) slm_writer_lock();
	tiers = slm_tiers_read();
	t = find_tier(tiers, change->name);
	if (t < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("tier \"%s\" does not exist", change->name),
				 errhint("The tiers are listed in sellometer.tiers.")));
	if (t == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("tier \"%s\" can't be dropped: it is the finest", change->name)));
	check_droppable(tiers, t);
	slm_rollup_reset(tiers);

	nest_level = limit_lock_waits();
	if (t + 1 < tiers->n)
		view_existing_over(tiers->tiers[t + 1].name, tiers->tiers[t - 1].name);
	drop_relations(change->name, 'v', "DROP VIEW");
	drop_relations(change->name, 't', "DROP TABLE");
	AtEOXact_GUC(true, nest_level);
	slm_execute(&delete, &name, NULL, SPI_OK_DELETE);
	slm_totals_prune(change->name, DT_NOEND);
	for (int later = t + 1; later < tiers->n; later++)
		move_position(tiers->tiers[later].name, -1);
}

void
slm_tier_drop(const char *name)
{
	Change		change = {.name = name};

	change_tiers(drop_tier, &change);
}
