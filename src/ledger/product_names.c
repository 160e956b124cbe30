/*
 * product_names.c: sellometer.product_names, what files call products.
 *
 * Nobody but whoever holds the writer's lock writes to it, so no row is waited for.  What users say stands elsewhere, in sellometer.products.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "ledger/product_names.h"
#include "server/locks.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define NAME_COLUMNS	3

/* Names on their way to a statement. */
#define NAMES_AT_ONCE	10000

typedef struct Names
{
	MemoryContext context;
	Datum	   *values;
	int			n;
} Names;

static bool
has_names(const SlmObject *object)
{
	return object->nnames > 0 && (object->outcome == SLM_OBJECT_LOADED || object->outcome == SLM_OBJECT_PART);
}

/* Rows that stay as they are aren't even locked: most names are known. */
static void
write_names(Names *names)
{
	static const Oid types[NAME_COLUMNS] = {INT8OID, TEXTOID, TIMESTAMPTZOID};
	static SlmStatement statement = {
		"INSERT INTO sellometer.product_names AS p (product_id, name, hour) "
		"SELECT DISTINCT ON (n.product_id) n.product_id, n.name, n.hour "
		"FROM unnest($1, $2, $3) AS n (product_id, name, hour) LEFT JOIN sellometer.product_names AS o USING (product_id) "
		"WHERE o.product_id IS NULL OR n.hour > o.hour OR (n.hour = o.hour AND n.name COLLATE \"C\" < o.name) "
		"ORDER BY n.product_id, n.hour DESC, n.name COLLATE \"C\" "
		"ON CONFLICT (product_id) DO UPDATE SET name = excluded.name, hour = excluded.hour",
		NAME_COLUMNS, {INT8ARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID},.any_values = true
	};
	Datum		args[NAME_COLUMNS];

	if (names->n > 0)
	{
		bool	   *nulls = palloc0(sizeof(bool) * names->n * NAME_COLUMNS);

		slm_column_arrays(names->values, nulls, names->n, NAME_COLUMNS, types, args);
		slm_execute_by_index(&statement, args, NULL, SPI_OK_INSERT);
	}
	MemoryContextReset(names->context);
	names->values = palloc(sizeof(Datum) * NAMES_AT_ONCE * NAME_COLUMNS);
	names->n = 0;
}

static void
add_names(Names *names, const SlmObject *object)
{
	for (uint32 i = 0; i < object->nnames; i++)
	{
		const SlmName *name = &object->names[i];
		Datum	   *values = &names->values[names->n * NAME_COLUMNS];

		values[0] = Int64GetDatum(name->product_id);
		values[1] = PointerGetDatum(cstring_to_text_with_len(name->name.data, (int) name->name.len));
		values[2] = TimestampTzGetDatum(name->hour);
		if (++names->n == NAMES_AT_ONCE)
			write_names(names);
	}
}

void
slm_product_names_write(const SlmObject *objects, int n)
{
	MemoryContext outer = CurrentMemoryContext;
	Names		names = {0};
	bool		any = false;

	Assert(slm_lock_held(SLM_LOCK_WRITER));

	for (int i = 0; i < n; i++)
		any |= has_names(&objects[i]);
	if (!any)
		return;
	names.context = AllocSetContextCreate(outer, "sellometer names", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(names.context);
	write_names(&names);
	for (int i = 0; i < n; i++)
	{
		if (has_names(&objects[i]))
			add_names(&names, &objects[i]);
	}
	write_names(&names);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(names.context);
}
