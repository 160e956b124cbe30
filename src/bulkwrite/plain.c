/*
 * plain.c: whether a table may be read and written below the executor.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "bulkwrite/plain.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_index.h"
#include "catalog/pg_namespace_d.h"
#include "catalog/pg_type.h"
#include "server/spi.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/syscache.h"

static const SlmTableColumn *
find_column(const SlmShape *shape, const char *name)
{
	for (int i = 0; i < shape->ncolumns; i++)
	{
		if (strcmp(shape->columns[i].name, name) == 0)
			return &shape->columns[i];
	}
	return NULL;
}

/* Does an attribute hold what the column has, just as it is? */
static bool
is_same(Form_pg_attribute attribute, const SlmTableColumn *column)
{
	return attribute->atttypid == column->type && attribute->atttypmod == -1 &&
		(column->type != TEXTOID || attribute->attcollation == C_COLLATION_OID);
}

/* Where the columns stand; false if one is missing, or has another type. */
static bool
find_places(TupleDesc desc, const SlmShape *shape, int *places)
{
	int			found = 0;

	Assert(shape->ncolumns <= SLM_MAX_COLUMNS);

	for (int a = 0; a < desc->natts; a++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, a);
		const SlmTableColumn *column = attribute->attisdropped ? NULL : find_column(shape, NameStr(attribute->attname));

		if (column == NULL)
			continue;
		if (!is_same(attribute, column))
			return false;
		places[column - shape->columns] = a;
		found++;
	}
	return found == shape->ncolumns;
}

/* Does the executor know of values, or checks of them, that we don't? */
static bool
has_more_columns(TupleDesc desc, const SlmShape *shape)
{
	for (int a = 0; a < desc->natts; a++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, a);
		const SlmTableColumn *column;

		if (attribute->attisdropped)
			continue;
		column = find_column(shape, NameStr(attribute->attname));
		if (column == NULL || attribute->attgenerated != '\0' || attribute->attidentity != '\0' ||
			(column->nullable && attribute->attnotnull))
			return true;
	}
	return false;
}

/* Citus leaves an empty table where it has put the rows elsewhere. */
static bool
is_distributed(Oid relid)
{
	static SlmStatement statement = {
		"SELECT FROM pg_catalog.pg_dist_partition WHERE logicalrelid = $1", 1, {REGCLASSOID}
	};
	Datum		arg = ObjectIdGetDatum(relid);

	return OidIsValid(get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE)) &&
		slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) > 0;
}

/* Are rows of a relation, of the kind that it should be, read and written as they stand, without rules, triggers and policies? */
static bool
is_simple(Relation rel, char kind)
{
	return rel->rd_rel->relkind == kind && rel->rd_rules == NULL && rel->trigdesc == NULL &&
		!(rel->rd_rel->relrowsecurity && check_enable_rls(RelationGetRelid(rel), InvalidOid, true) == RLS_ENABLED) &&
		!is_distributed(RelationGetRelid(rel));
}

/* The table that the shape names, if there is one; locked. */
static Relation
open_table(const SlmShape *shape)
{
	Oid			relid = get_relname_relid(shape->table, get_namespace_oid("sellometer", false));

	return OidIsValid(relid) ? try_table_open(relid, AccessShareLock) : NULL;
}

/* A constraint of the partitioned table's is one of its partitions', too; on those, there is ours while they are made. */
static bool
is_plain_parent(Relation rel, const SlmShape *shape)
{
	const TupleConstr *constr = RelationGetDescr(rel)->constr;
	int			places[SLM_MAX_COLUMNS];

	return is_simple(rel, RELKIND_PARTITIONED_TABLE) && (constr == NULL || constr->num_check == 0) &&
		!rel->rd_rel->relispartition && find_places(RelationGetDescr(rel), shape, places) && !has_more_columns(RelationGetDescr(rel), shape);
}

bool
slm_may_write_new(const SlmShape *shape)
{
	Relation	rel = open_table(shape);
	bool		plain = rel != NULL && is_plain_parent(rel, shape);

	if (rel != NULL)
		table_close(rel, NoLock);
	return plain;
}

bool
slm_may_write(Relation rel, const SlmShape *shape, int *places)
{
	TupleDesc	desc = RelationGetDescr(rel);

	if (!is_simple(rel, RELKIND_RELATION) || rel->rd_rel->relam != HEAP_TABLE_AM_OID ||
		(desc->constr != NULL && desc->constr->num_check > 0) || !find_places(desc, shape, places) || has_more_columns(desc, shape))
		return false;
	if (!rel->rd_rel->relispartition)
		return strcmp(RelationGetRelationName(rel), shape->table) == 0;
	return slm_may_write_new(shape) &&
		get_partition_parent(RelationGetRelid(rel), true) == get_relname_relid(shape->table, RelationGetNamespace(rel));
}

bool
slm_may_read(Relation rel, const SlmShape *shape, int *places)
{
	return rel->rd_rel->relkind == RELKIND_RELATION && rel->rd_rules == NULL &&
		!(rel->rd_rel->relrowsecurity && check_enable_rls(RelationGetRelid(rel), InvalidOid, true) == RLS_ENABLED) &&
		!is_distributed(RelationGetRelid(rel)) && find_places(RelationGetDescr(rel), shape, places);
}

bool
slm_indexes_are_plain(Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *cell;
	bool		plain = true;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		plain = plain && index->rd_index->indimmediate && !index->rd_index->indisexclusion;
		index_close(index, NoLock);
	}
	list_free(indexes);
	return plain;
}

/* Is a type a domain over whatever depth that refuses NULL, and has no default of its own? */
static bool
is_required_domain(Oid type)
{
	bool		required = false;

	if (get_typdefault(type) != NULL)
		return false;
	while (!required && OidIsValid(type))
	{
		HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
		Form_pg_type form;

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for type %u", type);
		form = (Form_pg_type) GETSTRUCT(tuple);
		required = form->typtype == TYPTYPE_DOMAIN && form->typnotnull;
		type = form->typtype == TYPTYPE_DOMAIN ? form->typbasetype : InvalidOid;
		ReleaseSysCache(tuple);
	}
	return required;
}

/* Does somebody's column refuse the value that it gets? */
static bool
refuses(Form_pg_attribute attribute)
{
	return !attribute->atthasdef && attribute->attidentity == '\0' && attribute->attgenerated == '\0' &&
		(is_required_domain(attribute->atttypid) || (attribute->attnotnull && get_typdefault(attribute->atttypid) == NULL));
}

void
slm_check_insertable(Relation rel, const SlmShape *shape)
{
	TupleDesc	desc = RelationGetDescr(rel);

	/* triggers, rules, and whatever a view stands for, may give it one */
	if (rel->trigdesc != NULL || rel->rd_rules != NULL)
		return;
	for (int a = 0; a < desc->natts; a++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, a);

		if (attribute->attisdropped || find_column(shape, NameStr(attribute->attname)) != NULL || !refuses(attribute))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of table \"sellometer.%s\" must have a value, and has no default", NameStr(attribute->attname),
						shape->table),
				 errdetail("Sellometer knows nothing of this column, and can give it none."),
				 errhint("Give it a default, or let it be NULL: see ALTER TABLE.")));
	}
}
