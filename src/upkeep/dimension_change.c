/*
 * dimension_change.c: dimensions of a user's own are added, and go.
 *
 * Order of locks, as in tier_change.c: sellometer.tiers, the writer's lock, then tables and views.  Who loads has read the dimensions
 * before, and finds out under the writer's lock that they have changed (own_dimensions.h).
 */
#include "postgres.h"

#include "catalog/pg_collation_d.h"
#include "catalog/pg_type.h"
#include "dedup/own_dimensions.h"
#include "guc.h"
#include "regex/regex.h"
#include "server/crash_point.h"
#include "server/locks.h"
#include "server/spi.h"
#include "tiers/rollup.h"
#include "upkeep/dimension_change.h"
#include "upkeep/tier_change.h"
#include "upkeep/tier_relations.h"
#include "utils/builtins.h"
#include "utils/guc.h"

/* The names of tables, views and partitions that are made of it, and of the longest name of a tier, must be names still. */
#define MAX_NAME	21

/* --- what can be --- */

static void
refuse_name(const char *name, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_RESERVED_NAME),
			 errmsg("\"%s\" can't be the name of a dimension", name),
			 errdetail_internal("%s", detail),
			 errhint("Choose another one; which column it is made of is another argument.")));
}

/* Is it the name of a column that the tables and views have besides, or of a dimension that is there? */
static bool
is_taken(const char *name)
{
	static const char *const columns[] = {"event_time", "event_type", "count", "gmv", "avg_price"};

	for (int i = 0; i < lengthof(columns); i++)
	{
		if (strcmp(name, columns[i]) == 0)
			return true;
	}
	for (int d = 0; d < SLM_DIMENSIONS; d++)
	{
		if (strcmp(name, slm_dimension_name(d)) == 0)
			return true;
	}
	return false;
}

static void
check_name(const char *name, int levels)
{
	static const char *const prefixes[] = {"own_realtime_", "realtime_", "view_", "cart_", "remove_from_cart_", "purchase_"};
	size_t		len = strlen(name);
	int			most = levels > 1 ? MAX_NAME - 3 : MAX_NAME;

	if (len < 1 || len > most || name[0] < 'a' || name[0] > 'z' || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("\"%s\" can't be the name of a dimension", name),
				 errhint("Tables and views are named after it: use at most %d lower-case letters, digits and underscores, a letter first.",
						 most)));
	if (is_taken(name))
		refuse_name(name, "A column of this name is in the tables of each dimension, or it is one that each event has.");
	for (int i = 0; i < lengthof(prefixes); i++)
	{
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			refuse_name(name, "Views of other dimensions are named like that.");
	}
	if (strcmp(quote_identifier(name), name) != 0)
		refuse_name(name, "It is a word of SQL.");
}

static void
check_lengths(const SlmDimensionPlan *plan)
{
	if (plan->levels < 1 || plan->levels > SLM_MAX_OWN || (plan->levels > 1) != (plan->separator != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a dimension has one level, or up to %d and a separator between them", SLM_MAX_OWN),
				 errdetail("levels is %d, and separator %s.", plan->levels, plan->separator == NULL ? "NULL" : quote_literal_cstr(plan->separator))));
	if (plan->separator != NULL && (strlen(plan->separator) == 0 || strlen(plan->separator) > SLM_MAX_SEPARATOR))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a separator has 1 to %d bytes", SLM_MAX_SEPARATOR)));
	if (strlen(plan->empty) == 0 || strlen(plan->empty) > SLM_MAX_EMPTY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the key of events without a value has 1 to %d bytes", SLM_MAX_EMPTY)));
	if (plan->max_keys < 1 || plan->max_keys > SLM_MAX_DIMENSION_KEYS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_keys must be between 1 and %d", SLM_MAX_DIMENSION_KEYS),
				 errdetail("It is %d.", plan->max_keys)));
	if (slm_own()->n + plan->levels > SLM_MAX_OWN)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("there can be %d dimensions of one's own, each level being one", SLM_MAX_OWN),
				 errdetail("There are %u.", slm_own()->n)));
}

/* Is what is said of where its keys come from one thing? */
static void
check_origin(const SlmDimensionPlan *plan)
{
	const char *text = plan->pattern != NULL ? plan->pattern : plan->column;

	if (strcmp(plan->made_of, "column") != 0 && strcmp(plan->made_of, "source") != 0 && strcmp(plan->made_of, "key") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a dimension can't be made of \"%s\"", plan->made_of),
				 errhint("It is made of a 'column', of the 'source' or of the 'key'.")));
	if (text == NULL)
		return;
	if (strcmp(plan->made_of, "source") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a dimension is made of a column or of the source, not of both")));
	if (plan->pattern != NULL && (plan->column != NULL || strcmp(plan->made_of, "key") != 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a pattern is for a dimension that is made of the key, instead of the name of a folder")));
	if (strlen(text) == 0 || strlen(text) > SLM_MAX_OWN_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the name of a column, or a pattern, has 1 to %d bytes", SLM_MAX_OWN_NAME)));
	/* an error if it is none */
	if (plan->pattern != NULL)
		RE_compile_and_cache(cstring_to_text(plan->pattern), REG_ADVANCED, C_COLLATION_OID);
}

/* Is there one of this name? */
static bool
exists(const char *name)
{
	Oid			type = TEXTOID;
	Datum		arg = CStringGetTextDatum(name);

	return slm_execute_args("SELECT FROM sellometer.dimensions WHERE name = $1 OR dimension = $1", 1, &type, &arg, SPI_OK_SELECT) > 0;
}

/* --- adding --- */

/*
 * All events that are loaded are before this: behind the last bucket of the finest tier; or of a coarser one, if that begins later, as history
 * may go straight there.
 */
static void
insert_row(const SlmDimensionPlan *plan, const char *dimension, int level)
{
	static SlmStatement statement = {
		"WITH d AS (INSERT INTO sellometer.dimensions (dimension, name, made_of, column_name, separator, level, empty, pattern, max_keys, visits, since) "
		"SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, coalesce((SELECT max(sellometer.bucket_end(t.granularity, x.last + interval '1 microsecond', t.zone)) "
		"FROM (SELECT position, granularity, zone, (SELECT max(event_time) FROM sellometer.totals s WHERE s.tier = name) AS last FROM sellometer.tiers) t, "
		"LATERAL (SELECT t.last) x WHERE t.position = 0 OR x.last > coalesce((SELECT max(s.event_time) FROM sellometer.totals s "
		"JOIN sellometer.tiers f ON f.name = s.tier WHERE f.position = 0), '-infinity')), '-infinity') RETURNING id, empty) "
		"INSERT INTO sellometer.dimension_keys (dimension_id, key, given) SELECT DISTINCT d.id, x.key, true FROM d, unnest(ARRAY[d.empty, 'other']) x (key)",
		10, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT4OID, TEXTOID, TEXTOID, INT4OID, BOOLOID}
	};
	Datum		args[10] = {CStringGetTextDatum(dimension), CStringGetTextDatum(plan->name), CStringGetTextDatum(plan->made_of),
		(Datum) 0, (Datum) 0, Int32GetDatum(level), CStringGetTextDatum(plan->empty), (Datum) 0,
	Int32GetDatum(plan->max_keys), BoolGetDatum(plan->visits)};
	char		nulls[11] = "   nn  n  ";

	if (plan->pattern != NULL)
	{
		args[7] = CStringGetTextDatum(plan->pattern);
		nulls[7] = ' ';
	}
	else if (strcmp(plan->made_of, "source") != 0)
	{
		args[3] = CStringGetTextDatum(plan->column != NULL ? plan->column : plan->name);
		nulls[3] = ' ';
	}
	if (level > 0)
	{
		args[4] = CStringGetTextDatum(plan->separator);
		nulls[4] = ' ';
	}
	slm_execute(&statement, args, nulls, SPI_OK_INSERT);
}

static void
make_relations(const char *dimension)
{
	Oid			type = TEXTOID;
	Datum		arg = CStringGetTextDatum(dimension);

	slm_execute_args("SELECT sellometer.create_dimension($1)", 1, &type, &arg, SPI_OK_SELECT);
	slm_dimension_bind(dimension);
}

/* Changes are made through what changes of tiers are made through. */
typedef struct Change
{
	SlmTierPlan tier;			/* of which nothing is used */
	const SlmDimensionPlan *plan;
} Change;

static void
add(SlmTierPlan *arg)
{
	const SlmDimensionPlan *plan = ((Change *) arg)->plan;

	slm_lock_tiers();
	/* before the writer's lock, as all who load: whether visits are counted stays as it is */
	slm_execute_once("SELECT FROM sellometer.visit_state", SPI_OK_SELECT);
	(void) slm_writer_lock();
	slm_rollup_reset(slm_tiers_read());
	check_lengths(plan);
	if (exists(plan->name))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("dimension \"%s\" exists already", plan->name)));
	for (int level = 1; level <= plan->levels; level++)
	{
		const char *dimension = plan->levels == 1 ? plan->name : psprintf("%s_l%d", plan->name, level);

		insert_row(plan, dimension, plan->levels == 1 ? 0 : level);
		make_relations(dimension);
	}
	slm_execute_once("SELECT sellometer.begin_visits_of_dimensions()", SPI_OK_SELECT);
	SLM_CRASH_POINT("dimension.made");
	slm_execute_once("SELECT sellometer.grant_readers()", SPI_OK_SELECT);
	slm_execute_once("SELECT sellometer.show_nodes_again()", SPI_OK_SELECT);
}

/* Where it does not begin with the first event, say so. */
static void
tell_since(const char *name)
{
	Oid			type = TEXTOID;
	Datum		arg = CStringGetTextDatum(name);

	if (slm_execute_args("SELECT since FROM sellometer.dimensions WHERE name = $1 AND isfinite(since) LIMIT 1", 1, &type, &arg, SPI_OK_SELECT) == 0)
		return;
	slm_execute_args("SELECT format('dimension \"%s\" has what happens from %s on', $1, since) FROM sellometer.dimensions WHERE name = $1 LIMIT 1", 1, &type, &arg, SPI_OK_SELECT);
	ereport(NOTICE,
			(errmsg_internal("%s", slm_text(CurrentMemoryContext, 0, 1)),
			 errhint("sellometer_replay() of a range that ends there or later has it have what was before, too, as far as archives and objects are there.")));
}

void
slm_dimension_add(const SlmDimensionPlan *plan)
{
	Change		change = {.tier = {.name = plan->name},.plan = plan};

	check_name(plan->name, plan->levels);
	check_origin(plan);
	slm_change_tiers(add, &change.tier);
	tell_since(plan->name);
}

/* --- dropping --- */

static char **
dimensions_named(const char *name, int *n)
{
	Oid			type = TEXTOID;
	Datum		arg = CStringGetTextDatum(name);
	char	  **dimensions;

	*n = (int) slm_execute_args("SELECT dimension FROM sellometer.dimensions WHERE name = $1 ORDER BY id", 1, &type, &arg, SPI_OK_SELECT);
	dimensions = palloc(sizeof(char *) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		dimensions[i] = slm_text(CurrentMemoryContext, i, 1);
	return dimensions;
}

static void
drop(SlmTierPlan *arg)
{
	static SlmStatement delete = {
		"WITH d AS (DELETE FROM sellometer.dimensions WHERE name = $1 RETURNING id), k AS (DELETE FROM sellometer.dimension_keys k USING d WHERE k.dimension_id = d.id RETURNING k.number), "
		"l AS (DELETE FROM sellometer.visit_log v USING k WHERE v.key = k.number), p AS (DELETE FROM sellometer.visit_purchases v USING k WHERE v.key = k.number), "
		"c AS (DELETE FROM sellometer.visit_counts v USING k WHERE v.key = k.number), s AS (DELETE FROM sellometer.dimension_segments s USING d WHERE s.dimension_id = d.id) "
		"DELETE FROM sellometer.dimension_others o USING d WHERE o.dimension_id = d.id", 1, {TEXTOID}
	};
	Datum		name = CStringGetTextDatum(arg->name);
	char	  **dimensions;
	int			n;
	int			nest_level;

	slm_lock_tiers();
	(void) slm_writer_lock();
	slm_rollup_reset(slm_tiers_read());
	dimensions = dimensions_named(arg->name, &n);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no dimension \"%s\" of one's own", arg->name),
				 errhint("They are listed in sellometer.dimensions.")));
	nest_level = slm_limit_lock_waits();
	for (int i = 0; i < n; i++)
	{
		slm_drop_relations("dimension_relations", dimensions[i], 'v', "DROP VIEW");
		slm_drop_relations("dimension_relations", dimensions[i], 't', "DROP TABLE");
	}
	AtEOXact_GUC(true, nest_level);
	slm_execute(&delete, &name, NULL, SPI_OK_DELETE);
	SLM_CRASH_POINT("dimension.dropped");
	slm_execute_once("SELECT sellometer.show_nodes_again()", SPI_OK_SELECT);
}

void
slm_dimension_drop(const char *name)
{
	Change		change = {.tier = {.name = name}};

	slm_change_tiers(drop, &change.tier);
}

void
slm_dimension_bind(const char *dimension)
{
	slm_bind_relations("dimension_relations", dimension);
}
