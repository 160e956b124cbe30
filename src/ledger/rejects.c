/*
 * rejects.c: sellometer.rejected_rows.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "ledger/rejects.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define REJECT_COLUMNS	8
#define REJECTS_AT_ONCE 1000	/* of up to 1 kB */

/* Rows on their way, in a context of their own. */
typedef struct Rejects
{
	MemoryContext context;
	Datum	   *values;
	bool	   *nulls;
	int			n;
} Rejects;

static void
insert_rejects(Rejects *rejects)
{
	static const Oid types[REJECT_COLUMNS] = {INT8OID, TEXTOID, TEXTOID, INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	static SlmStatement statement = {
		"INSERT INTO sellometer.rejected_rows (object_id, source, key, line, column_name, reason, detail, raw) "
		"SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)",
		REJECT_COLUMNS, {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
	};
	Datum		args[REJECT_COLUMNS];

	if (rejects->n > 0)
	{
		slm_column_arrays(rejects->values, rejects->nulls, rejects->n, REJECT_COLUMNS, types, args);
		slm_execute(&statement, args, NULL, SPI_OK_INSERT);
	}
	MemoryContextReset(rejects->context);
	rejects->values = palloc(sizeof(Datum) * REJECT_COLUMNS * REJECTS_AT_ONCE);
	rejects->nulls = palloc(sizeof(bool) * REJECT_COLUMNS * REJECTS_AT_ONCE);
	rejects->n = 0;
}

static void
add_rejects(Rejects *rejects, const SlmObject *object)
{
	for (int i = 0; i < object->nrejects; i++)
	{
		const SlmRejectedRow *row = &object->rejects[i];
		Datum	   *values = &rejects->values[rejects->n * REJECT_COLUMNS];
		bool	   *nulls = &rejects->nulls[rejects->n * REJECT_COLUMNS];

		Assert(rejects->n < REJECTS_AT_ONCE);

		memset(nulls, false, sizeof(bool) * REJECT_COLUMNS);
		values[0] = Int64GetDatum(object->id);
		values[1] = CStringGetTextDatum(object->source);
		values[2] = CStringGetTextDatum(object->key);
		values[3] = Int64GetDatum(row->line);
		nulls[4] = row->column == NULL;
		values[4] = nulls[4] ? (Datum) 0 : CStringGetTextDatum(row->column);
		values[5] = CStringGetTextDatum(row->reason);
		values[6] = CStringGetTextDatum(row->detail);
		values[7] = CStringGetTextDatum(row->raw);
		if (++rejects->n == REJECTS_AT_ONCE)
			insert_rejects(rejects);
	}
}

void
slm_rejects_record(const SlmObject *objects, int n)
{
	MemoryContext outer = CurrentMemoryContext;
	Rejects		rejects = {.context = AllocSetContextCreate(outer, "sellometer rejects", ALLOCSET_DEFAULT_SIZES)};

	MemoryContextSwitchTo(rejects.context);
	insert_rejects(&rejects);
	for (int i = 0; i < n; i++)
	{
		SlmOutcome	outcome = objects[i].outcome;

		if (outcome == SLM_OBJECT_LOADED || outcome == SLM_OBJECT_PART || outcome == SLM_OBJECT_FAILED)
			add_rejects(&rejects, &objects[i]);
	}
	insert_rejects(&rejects);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(rejects.context);
}
