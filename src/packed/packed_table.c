/*
 * packed_table.c: a packed partition: a foreign table, and its companion, which has the rows in blocks.
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "common/int.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "packed/packed_table.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define TYPES		4
#define MAX_UNITS	((int64) 1 << 59)

PG_FUNCTION_INFO_V1(sellometer_packed_validator);

bool
slm_is_packed(Oid relid)
{
	if (get_rel_relkind(relid) != RELKIND_FOREIGN_TABLE)
		return false;
	return strcmp(GetForeignServer(GetForeignServerIdByRelId(relid))->servername, SLM_PACKED_SERVER) == 0;
}

static void
set_option(SlmPackedForm *form, DefElem *option)
{
	const char *value = defGetString(option);

	if (strcmp(option->defname, "key") == 0)
		form->key = pstrdup(value);
	else if (strcmp(option->defname, "texts") == 0)
		form->texts = defGetBoolean(option);
	else if (strcmp(option->defname, "start") == 0)
		form->start = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(value), ObjectIdGetDatum(InvalidOid),
															  Int32GetDatum(-1)));
	else if (strcmp(option->defname, "unit") == 0)
		form->unit = DatumGetInt64(DirectFunctionCall1(int8in, CStringGetDatum(value)));
	else if (strcmp(option->defname, "rows") == 0)
		form->rows = DatumGetFloat8(DirectFunctionCall1(float8in, CStringGetDatum(value)));
	else if (strcmp(option->defname, "keys") == 0)
		form->keys = DatumGetFloat8(DirectFunctionCall1(float8in, CStringGetDatum(value)));
	else
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("option \"%s\" of a packed partition is not known", option->defname),
				 errhint("Packed partitions are made by loads and by sellometer_prune() alone.")));
}

Datum
sellometer_packed_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	SlmPackedForm form = {0};
	ListCell   *cell;

	if (PG_GETARG_OID(1) != ForeignTableRelationId && options != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("foreign data wrapper sellometer_packed has options of tables alone")));
	foreach(cell, options)
		set_option(&form, lfirst(cell));
	if (PG_GETARG_OID(1) == ForeignTableRelationId && (form.key == NULL || form.unit <= 0 || form.rows < 0 || form.keys < 0 || TIMESTAMP_NOT_FINITE(form.start)))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("a packed partition needs the options key, start, unit, rows and keys"),
				 errhint("Packed partitions are made by sellometer_prune() alone.")));
	PG_RETURN_VOID();
}

SlmPackedForm
slm_packed_form(Oid relid)
{
	SlmPackedForm form = {0};
	ListCell   *cell;

	foreach(cell, GetForeignTable(relid)->options)
		set_option(&form, lfirst(cell));
	return form;
}

char *
slm_packed_companion(const char *partition)
{
	return psprintf("%s_z", partition);
}

static void
set_shape(SlmPackedTable *table, const char *name)
{
	SlmShape   *shape = &table->shape;

	shape->table = name;
	shape->ncolumns = SLM_PACKED_COLUMNS;
	shape->columns[SLM_PACKED_LAST_KEY] = (SlmTableColumn) {"last_key", table->form.texts ? TEXTOID : INT8OID};
	shape->columns[SLM_PACKED_LAST_PLACE] = (SlmTableColumn) {"last_place", INT8OID};
	shape->columns[SLM_PACKED_DATA] = (SlmTableColumn) {"data", BYTEAOID};
}

SlmPackedTable *
slm_packed_open(Oid relid, int lock)
{
	SlmPackedTable *table = palloc0(sizeof(SlmPackedTable));
	char	   *name = slm_packed_companion(get_rel_name(relid));
	Oid			companion = get_relname_relid(name, get_rel_namespace(relid));
	TupleDesc	desc;

	table->form = slm_packed_form(relid);
	set_shape(table, name);
	table->lock = lock;
	if (OidIsValid(companion))
		table->companion = try_table_open(companion, lock);
	if (table->companion == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"sellometer.%s\" is missing, which has the rows of the packed partition \"%s\"", name, get_rel_name(relid)),
				 errhint("Restore it, or drop the partition and call sellometer_replay() for its time.")));
	desc = RelationGetDescr(table->companion);
	if (table->companion->rd_rel->relkind != RELKIND_RELATION || desc->natts != SLM_PACKED_COLUMNS ||
		TupleDescAttr(desc, 0)->atttypid != table->shape.columns[0].type || TupleDescAttr(desc, 1)->atttypid != INT8OID ||
		TupleDescAttr(desc, 2)->atttypid != BYTEAOID || !TupleDescAttr(desc, 0)->attnotnull || !TupleDescAttr(desc, 1)->attnotnull ||
		!TupleDescAttr(desc, 2)->attnotnull || (table->form.texts && TupleDescAttr(desc, 0)->attcollation != C_COLLATION_OID))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"sellometer.%s\" is not as a packed partition has it", name),
				 errhint("It is part of \"sellometer.%s\", and nobody else's to change.", get_rel_name(relid))));
	return table;
}

void
slm_packed_close(SlmPackedTable *table)
{
	table_close(table->companion, NoLock);
	pfree(table);
}

bool
slm_packed_place(const SlmPackedForm *form, TimestampTz time, int type, uint64 *place)
{
	int64		since;

	if (TIMESTAMP_NOT_FINITE(time) || pg_sub_s64_overflow(time, form->start, &since) || since < 0 || since % form->unit != 0 ||
		since / form->unit >= MAX_UNITS)
		return false;
	*place = (uint64) (since / form->unit) * TYPES + (uint64) type;
	return true;
}
