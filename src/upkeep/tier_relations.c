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

void
slm_tier_drop_relations(const char *tier, char kind, const char *command)
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

void
slm_tier_join(const char *tier)
{
	int			n;
	TierRelation *relations = tier_relations(tier, &n);

	for (int i = 0; i < n; i++)
		slm_execute_once(psprintf("ALTER EXTENSION sellometer ADD %s sellometer.%s", relations[i].kind == 't' ? "TABLE" : "VIEW",
								  quote_identifier(relations[i].name)), SPI_OK_UTILITY);
}
