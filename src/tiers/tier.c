/*
 * tier.c: the tiers and their partitions.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "common/int.h"
#include "compat.h"
#include "dedup/own_dimensions.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "server/let_dump.h"
#include "server/locks.h"
#include "server/spi.h"
#include "server/zone.h"
#include "tiers/tier.h"
#include "types/event_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* So that any time less a retention, or at the other end of a bucket, is a time still. */
#define MAX_YEARS	1000

static const char *const dimension_names[SLM_DIMENSIONS] = {
	[SLM_PRODUCT_ID] = "product_id",
	[SLM_BRAND] = "brand",
	[SLM_CATEGORY_L1] = "category_l1",
	[SLM_CATEGORY_L2] = "category_l2",
	[SLM_CATEGORY_L3] = "category_l3"
};

const char *
slm_dimension_name(SlmDimension dimension)
{
	Assert((int) dimension < slm_dimension_count());
	return dimension < SLM_FIRST_OWN ? dimension_names[dimension] : slm_own_name((int) dimension - SLM_FIRST_OWN);
}

SlmGranularity
slm_interval_granularity(Interval *interval)
{
	SlmGranularity g = {.months = interval->month};

	if (pg_mul_s64_overflow(interval->day, USECS_PER_DAY, &g.usecs) || pg_add_s64_overflow(g.usecs, interval->time, &g.usecs) ||
		g.usecs > MAX_YEARS * 366 * USECS_PER_DAY || g.months > MAX_YEARS * 12)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("interval is longer than %d years", MAX_YEARS),
				 errhint("A retention of NULL means for ever.")));
	if ((g.months != 0) == (g.usecs != 0) || g.months < 0 || g.usecs < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("interval is neither a positive number of months nor a positive fixed length"),
				 errdetail("It is %s.", DatumGetCString(DirectFunctionCall1(interval_out,
																		   IntervalPGetDatum(interval))))));
	return g;
}

/* The number of the tier that a row of the result, none but the first, is added up from. */
static int
find_finer(const SlmTiers *tiers, int row)
{
	const char *name = slm_text(CurrentMemoryContext, row, 8);

	for (int t = 0; name != NULL && t < row; t++)
	{
		if (strcmp(tiers->tiers[t].name, name) == 0)
			return t;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("tier \"%s\" has no finer tier to be added up from", tiers->tiers[row].name),
			 errdetail("It names %s in sellometer.tiers.", name == NULL ? "none" : quote_literal_cstr(name)),
			 errhint("Tiers are added and dropped by sellometer_add_tier() and sellometer_drop_tier().")));
	return -1;
}

static void
fill_tier(SlmTier *tier, MemoryContext context, uint64 row)
{
	bool		isnull;
	Datum		retention;
	const char *zone_name = slm_text(CurrentMemoryContext, row, 9);
	const SlmZone *zone = zone_name == NULL ? NULL : slm_zone(zone_name);

	tier->name = slm_text(context, row, 1);
	tier->granularity = slm_granularity_in(slm_interval_granularity(DatumGetIntervalP(slm_value(row, 2, &isnull))), zone);
	tier->partition = slm_granularity_in(slm_interval_granularity(DatumGetIntervalP(slm_value(row, 3, &isnull))), zone);
	retention = slm_value(row, 4, &isnull);
	if (!isnull)
		tier->retention = slm_interval_granularity(DatumGetIntervalP(retention));
	tier->watermark = slm_int64(row, 5, DT_NOBEGIN);
	tier->rolling = slm_int64(row, 6, DT_NOBEGIN);
	tier->kept_from = slm_int64(row, 7, DT_NOBEGIN);
}

SlmTiers *
slm_tiers_read(void)
{
	static SlmStatement statement = {
		"SELECT name, granularity, partition_width, retention, watermark, rolling, kept_from, finer, zone "
		"FROM sellometer.tiers ORDER BY position"
	};
	MemoryContext context = CurrentMemoryContext;
	SlmTiers   *tiers = palloc0(sizeof(SlmTiers));

	slm_own_read();
	tiers->n = slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	tiers->tiers = MemoryContextAllocZero(context, sizeof(SlmTier) * Max(tiers->n, 1));
	for (int i = 0; i < tiers->n; i++)
	{
		fill_tier(&tiers->tiers[i], context, i);
		tiers->tiers[i].finer = i == 0 ? -1 : find_finer(tiers, i);
	}
	if (tiers->n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("sellometer.tiers is empty"),
				 errhint("DROP EXTENSION sellometer and CREATE EXTENSION sellometer make it anew.")));
	return tiers;
}

TimestampTz
slm_tier_floor(const SlmTier *tier, TimestampTz head)
{
	TimestampTz oldest = head;

	if (tier->retention.months == 0 && tier->retention.usecs == 0)
		return DT_NOBEGIN;
	if (TIMESTAMP_IS_NOBEGIN(head))
		return DT_NOBEGIN;
	if (tier->retention.months > 0)
	{
		Interval	span = {.month = tier->retention.months};

		oldest = DatumGetTimestampTz(DirectFunctionCall2(timestamp_mi_interval, TimestampGetDatum(head),
														 IntervalPGetDatum(&span)));
	}
	else
		oldest -= tier->retention.usecs;
	return slm_bucket_start(tier->partition, oldest);
}

TimestampTz
slm_tiers_floor(const SlmTiers *tiers, TimestampTz head)
{
	TimestampTz oldest = DT_NOEND;

	for (int t = 0; t < tiers->n; t++)
		oldest = Min(oldest, slm_tier_floor(&tiers->tiers[t], head));
	return oldest;
}

TimestampTz
slm_tier_takes_from(const SlmTiers *tiers, int t)
{
	for (int coarser = t + 1; coarser < tiers->n; coarser++)
	{
		if (tiers->tiers[coarser].kept_from < tiers->tiers[t].kept_from)
			return tiers->tiers[t].kept_from;
	}
	return DT_NOBEGIN;
}

TimestampTz
slm_tier_rolled_up(const SlmTiers *tiers, int t)
{
	TimestampTz time = DT_NOEND;

	for (int c = t + 1; c < tiers->n; c++)
	{
		if (tiers->tiers[c].finer == t)
			time = Min(time, tiers->tiers[c].watermark);
	}
	return time;
}

void
slm_tier_keep_from(SlmTier *tier, TimestampTz time)
{
	static SlmStatement statement = {
		"UPDATE sellometer.tiers SET kept_from = $2 WHERE name = $1", 2, {TEXTOID, TIMESTAMPTZOID}
	};
	Datum		args[2] = {CStringGetTextDatum(tier->name), TimestampTzGetDatum(time)};

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	if (time <= tier->kept_from)
		return;
	slm_execute(&statement, args, NULL, SPI_OK_UPDATE);
	tier->kept_from = time;
}

void
slm_tier_filled_from(SlmTier *tier, TimestampTz time)
{
	static SlmStatement statement = {
		"UPDATE sellometer.tiers SET kept_from = $2, filled_at = clock_timestamp() WHERE name = $1", 2, {TEXTOID, TIMESTAMPTZOID}
	};
	Datum		args[2] = {CStringGetTextDatum(tier->name), TimestampTzGetDatum(time)};

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	Assert(time < tier->kept_from);
	Assert(TIMESTAMP_NOT_FINITE(time) || slm_bucket_start(tier->granularity, time) == time);
	slm_execute(&statement, args, NULL, SPI_OK_UPDATE);
	tier->kept_from = time;
}

const char *
slm_tier_count_type(const SlmTier *tier)
{
	return tier->granularity.months > 0 || tier->granularity.usecs >= USECS_PER_DAY ? "bigint" : "integer";
}

SlmShape *
slm_tier_shape(const SlmTier *tier, SlmDimension dimension)
{
	const char *key = slm_dimension_name(dimension);
	bool		wide = strcmp(slm_tier_count_type(tier), "bigint") == 0;
	SlmShape   *shape = palloc0(sizeof(SlmShape));

	shape->table = psprintf("%s_%s", key, tier->name);
	shape->ncolumns = SLM_TIER_COLUMNS;
	shape->columns[SLM_TIER_TIME] = (SlmTableColumn) {"event_time", TIMESTAMPTZOID};
	shape->columns[SLM_TIER_KEY] = (SlmTableColumn) {key, dimension == SLM_PRODUCT_ID ? INT8OID : TEXTOID};
	shape->columns[SLM_TIER_TYPE] = (SlmTableColumn) {"event_type", slm_event_type_oid()};
	shape->columns[SLM_TIER_COUNT] = (SlmTableColumn) {"count", wide ? INT8OID : INT4OID};
	shape->columns[SLM_TIER_GMV] = (SlmTableColumn) {"gmv", NUMERICOID};
	return shape;
}

static void
partition_name(const SlmTier *tier, SlmDimension dimension, TimestampTz start, char *buf)
{
	struct pg_tm tm;
	fsec_t		fsec;

	Assert(start == slm_bucket_start(tier->partition, start));

	if (timestamp2tm(start, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "partition start out of range");
	snprintf(buf, NAMEDATALEN, "%s_%s_p%04d%02d%02d_%02d%02d", slm_dimension_name(dimension), tier->name,
			 tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min);
}

Oid
slm_partition_find(const SlmTier *tier, SlmDimension dimension, TimestampTz start, char *buf)
{
	Oid			relid;

	partition_name(tier, dimension, start, buf);
	relid = get_relname_relid(buf, get_namespace_oid("sellometer", false));
	if (OidIsValid(relid) && !get_rel_relispartition(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"sellometer.%s\" is no partition of \"sellometer.%s_%s\"", buf, slm_dimension_name(dimension), tier->name),
				 errdetail("It has the name of one, and rows in it would be seen by nobody."),
				 errhint("Attach it again, or rename it.")));
	return relid;
}

/* The time in a partition's name. */
static TimestampTz
partition_start(const char *name)
{
	const char *suffix = strrchr(name, 'p');
	struct pg_tm tm = {0};
	TimestampTz start;

	/* NOLINTNEXTLINE(cert-err34-c): numbers of so few digits fit */
	if (suffix == NULL || sscanf(suffix, "p%4d%2d%2d_%2d%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
								 &tm.tm_min) != 5 || tm2timestamp(&tm, 0, NULL, &start) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("sellometer.%s is not a partition made by sellometer", name),
				 errhint("Detach it: its rows are in no other tier.")));
	return start;
}

TimestampTz *
slm_partitions_of(const SlmTier *tier, SlmDimension dimension, int *n)
{
	static SlmStatement statement = {
		"SELECT c.relname::text FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_class c ON c.oid = i.inhrelid "
		"WHERE p.relname = $1 AND p.relnamespace = 'sellometer'::regnamespace ORDER BY c.relname COLLATE \"C\"",
		1, {TEXTOID}
	};
	Datum		arg = CStringGetTextDatum(psprintf("%s_%s", slm_dimension_name(dimension), tier->name));
	TimestampTz *starts;

	*n = (int) slm_execute(&statement, &arg, NULL, SPI_OK_SELECT);
	starts = palloc(sizeof(TimestampTz) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		starts[i] = partition_start(slm_text(CurrentMemoryContext, i, 1));
	return starts;
}

TimestampTz *
slm_partitions(const SlmTier *tier, int *n)
{
	return slm_partitions_of(tier, SLM_CATEGORY_L1, n);
}

/* "FROM … TO …" of a partition, as SQL literals. */
static void
partition_bounds(const SlmTier *tier, TimestampTz start, char **from, char **to)
{
	*from = pstrdup(timestamptz_to_str(start));
	*to = pstrdup(timestamptz_to_str(slm_bucket_next(tier->partition, start)));
}

/* The constraint of a table that is to be a partition. */
#define BOUNDS	"bounds"

/* Not by ALTER TABLE, which would see whether the table wants a TOAST table. */
static void
drop_constraint(Oid relid, const char *name)
{
	ObjectAddress constraint;

	ObjectAddressSet(constraint, ConstraintRelationId, get_relation_constraint_oid(relid, name, false));
	performDeletion(&constraint, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	CommandCounterIncrement();
}

/*
 * Columns of a new table that are never to be stored elsewhere, for which it has no TOAST table, are stored from here on as their type is otherwise:
 * with short headers.  Keys and sums fit a page; if an ALTER TABLE has the table given one later on, well.
 */
static void
store_short(Oid relid)
{
	Relation	attributes = table_open(AttributeRelationId, RowExclusiveLock);
	Relation	rel = table_open(relid, AccessExclusiveLock);

	for (int i = 1; i <= RelationGetDescr(rel)->natts; i++)
	{
		HeapTuple	tuple = SearchSysCacheCopy2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(i));
		Form_pg_attribute column = (Form_pg_attribute) GETSTRUCT(tuple);

		if (column->attlen == -1 && column->attstorage == TYPSTORAGE_PLAIN)
		{
			column->attstorage = get_typstorage(column->atttypid);
			CatalogTupleUpdate(attributes, &tuple->t_self, tuple);
		}
		heap_freetuple(tuple);
	}
	table_close(rel, NoLock);
	table_close(attributes, RowExclusiveLock);
	CommandCounterIncrement();
}

Oid
slm_partition_create(const SlmTier *tier, SlmDimension dimension, TimestampTz start)
{
	char		name[NAMEDATALEN];
	char	   *from;
	char	   *to;
	Oid			relid;

	partition_name(tier, dimension, start, name);
	partition_bounds(tier, start, &from, &to);
	/* with the constraint, which an empty table meets, attaching need not read the rows; what somebody has added must be there, too */
	slm_execute_once(psprintf("CREATE TABLE sellometer.%s (LIKE sellometer.%s INCLUDING STORAGE INCLUDING DEFAULTS INCLUDING GENERATED "
							  "INCLUDING CONSTRAINTS, CONSTRAINT " BOUNDS " CHECK "
							  "(event_time >= '%s'::timestamptz AND event_time < '%s'::timestamptz))",
							  quote_identifier(name),
							  quote_identifier(psprintf("%s_%s", slm_dimension_name(dimension), tier->name)), from, to),
					 SPI_OK_UTILITY);
	slm_let_dump(name);
	/* the identity is that of the partitioned table, as whose rows they are published */
	slm_execute_once(psprintf("ALTER TABLE sellometer.%s REPLICA IDENTITY FULL", quote_identifier(name)), SPI_OK_UTILITY);
	relid = get_relname_relid(name, get_namespace_oid("sellometer", false));
	store_short(relid);
	return relid;
}

void
slm_partition_add_key(const SlmTier *tier, SlmDimension dimension, TimestampTz start)
{
	char		name[NAMEDATALEN];

	partition_name(tier, dimension, start, name);
	slm_execute_once(psprintf("ALTER TABLE sellometer.%s ADD PRIMARY KEY (%s, event_time, event_type)", quote_identifier(name),
							  slm_dimension_name(dimension)), SPI_OK_UTILITY);
}

static IndexElem *
index_column(const char *name)
{
	IndexElem  *column = makeNode(IndexElem);

	column->name = pstrdup(name);
	return column;
}

void
slm_partition_add_key_to_fill(const SlmTier *tier, SlmDimension dimension, TimestampTz start)
{
	char		name[NAMEDATALEN];
	IndexStmt  *key = makeNode(IndexStmt);

	partition_name(tier, dimension, start, name);
	key->relation = makeRangeVar("sellometer", pstrdup(name), -1);
	key->accessMethod = DEFAULT_INDEX_TYPE;
	key->indexParams = list_make3(index_column(slm_dimension_name(dimension)), index_column("event_time"), index_column("event_type"));
	key->unique = key->primary = key->isconstraint = true;
	key->transformed = true;
	slm_define_empty_index(get_relname_relid(name, get_namespace_oid("sellometer", false)), key);
	CommandCounterIncrement();
}

void
slm_partition_attach(const SlmTier *tier, SlmDimension dimension, TimestampTz start)
{
	char		name[NAMEDATALEN];
	const char *quoted;
	char	   *from;
	char	   *to;

	partition_name(tier, dimension, start, name);
	quoted = quote_identifier(name);
	partition_bounds(tier, start, &from, &to);
	slm_execute_once(psprintf("ALTER TABLE sellometer.%s ATTACH PARTITION sellometer.%s FOR VALUES FROM ('%s') TO ('%s')",
							  quote_identifier(psprintf("%s_%s", slm_dimension_name(dimension), tier->name)),
							  quoted, from, to), SPI_OK_UTILITY);
	drop_constraint(get_relname_relid(name, get_namespace_oid("sellometer", false)), BOUNDS);
}

bool
slm_tier_hold(const SlmTier *tier)
{
	for (int d = 0; d < slm_dimension_count(); d++)
	{
		RangeVar   *table = makeRangeVar("sellometer", psprintf("%s_%s", slm_dimension_name(d), tier->name), -1);

		if (!OidIsValid(RangeVarGetRelid(table, AccessShareLock, true)))
			return false;
	}
	return true;
}
