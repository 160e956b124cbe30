/*
 * tier_relations.c: the tables and views of a tier, and how they belong to the extension.
 *
 * Those of a tier that is added later are not members of the extension, or pg_dump would leave out what they look like.  They go with
 * the extension all the same.  A default tier that comes back is a member as it was.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "server/spi.h"
#include "upkeep/tier_relations.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* Tables and views: names, and what they are ('t' or 'v'); such as a function of the schema lists of a tier or dimension. */
typedef struct TierRelation
{
	char	   *name;
	char		kind;
} TierRelation;

static TierRelation *
find_relations(const char *function, const char *of, int *n)
{
	Oid			type = TEXTOID;
	Datum		arg = CStringGetTextDatum(of);
	TierRelation *relations;

	*n = (int) slm_execute_args(psprintf("SELECT name, kind FROM sellometer.%s($1)", function), 1, &type, &arg, SPI_OK_SELECT);
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

void
slm_drop_relations(const char *function, const char *of, char kind, const char *command)
{
	Oid			schema = get_namespace_oid("sellometer", false);
	int			n;
	TierRelation *relations = find_relations(function, of, &n);
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

void
slm_tier_drop_relations(const char *tier, char kind, const char *command)
{
	slm_drop_relations("tier_relations", tier, kind, command);
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
slm_bind_relations(const char *function, const char *of)
{
	Oid			extension = get_extension_oid("sellometer", false);
	TierRelation *relations;
	const char *owner;
	int			n;

	slm_execute_once("SELECT quote_ident(rolname) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner "
					 "WHERE c.oid = 'sellometer.tiers'::regclass", SPI_OK_SELECT);
	owner = slm_text(CurrentMemoryContext, 0, 1);
	relations = find_relations(function, of, &n);
	for (int i = 0; i < n; i++)
	{
		slm_execute_once(psprintf("ALTER TABLE sellometer.%s OWNER TO %s", quote_identifier(relations[i].name), owner),
						 SPI_OK_UTILITY);
		bind_to_extension(relations[i].name, extension);
	}
}

void
slm_tier_bind(const char *tier)
{
	slm_bind_relations("tier_relations", tier);
}

void
slm_tier_join(const char *tier)
{
	int			n;
	TierRelation *relations = find_relations("default_relations", tier, &n);

	for (int i = 0; i < n; i++)
		slm_execute_once(psprintf("ALTER EXTENSION sellometer ADD %s sellometer.%s", relations[i].kind == 't' ? "TABLE" : "VIEW",
								  quote_identifier(relations[i].name)), SPI_OK_UTILITY);
}
