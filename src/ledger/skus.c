/*
 * skus.c: sellometer.skus and sellometer.sku_collisions.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "ledger/skus.h"
#include "server/locks.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define SKU_COLUMNS	2

struct SlmNewSkus
{
	Datum		args[SKU_COLUMNS];	/* products, texts */
};

/* Refused texts, in a context of their own. */
static MemoryContext refused_context;
static SlmSlice *refused;
static int	nrefused;

/* Collisions that are to be noted: arrays, in a context of their own; NULL: none. */
static MemoryContext pending_context;
static SlmNewSkus *pending;

/* --- refused ones --- */

void
slm_skus_refresh(void)
{
	static SlmStatement statement = {"SELECT sku FROM sellometer.sku_collisions"};
	int			n = (int) slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);

	nrefused = 0;
	if (n == 0 && refused_context == NULL)
		return;
	if (refused_context == NULL)
		refused_context = AllocSetContextCreate(TopMemoryContext, "sellometer refused SKUs", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(refused_context);
	refused = MemoryContextAlloc(refused_context, sizeof(SlmSlice) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		const char *sku = slm_text(refused_context, i, 1);

		refused[i] = (SlmSlice) {sku, (uint32) strlen(sku)};
	}
	nrefused = n;
}

int
slm_skus_refused(const SlmSlice **list)
{
	*list = refused;
	return nrefused;
}

/* --- new ones --- */

static bool
has_skus(const SlmObject *object)
{
	return object->nskus > 0 && (object->outcome == SLM_OBJECT_LOADED || object->outcome == SLM_OBJECT_PART);
}

/* Rows of products and texts as arrays. */
static void
to_arrays(const Datum *values, int n, Datum args[SKU_COLUMNS])
{
	static const Oid types[SKU_COLUMNS] = {INT8OID, TEXTOID};
	bool	   *nulls = MemoryContextAllocExtended(CurrentMemoryContext, sizeof(bool) * n * SKU_COLUMNS, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	slm_column_arrays(values, nulls, n, SKU_COLUMNS, types, args);
}

/* The last result's rows likewise. */
static SlmNewSkus *
result_as_arrays(int n)
{
	SlmNewSkus *skus = palloc(sizeof(SlmNewSkus));
	Datum	   *values = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * n * SKU_COLUMNS);
	bool		isnull;

	for (int i = 0; i < n; i++)
	{
		values[i * SKU_COLUMNS] = slm_value(i, 1, &isnull);
		values[i * SKU_COLUMNS + 1] = slm_value(i, 2, &isnull);
	}
	to_arrays(values, n, skus->args);
	return skus;
}

SlmNewSkus *
slm_skus_find_new(const SlmObject *objects, int n)
{
	static SlmStatement statement = {
		"SELECT DISTINCT n.product_id, n.sku FROM unnest($1, $2) AS n (product_id, sku) "
		"LEFT JOIN sellometer.skus AS o USING (product_id) WHERE o.sku IS DISTINCT FROM n.sku",
		SKU_COLUMNS, {INT8ARRAYOID, TEXTARRAYOID},.any_values = true
	};
	Datum	   *values;
	Datum		args[SKU_COLUMNS];
	uint64		nskus = 0;
	uint64		at = 0;
	int			found;

	for (int i = 0; i < n; i++)
		nskus += has_skus(&objects[i]) ? objects[i].nskus : 0;
	if (nskus == 0)
		return NULL;
	values = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * nskus * SKU_COLUMNS);
	for (int i = 0; i < n; i++)
	{
		for (uint32 s = 0; s < objects[i].nskus && has_skus(&objects[i]); s++)
		{
			const SlmSku *sku = &objects[i].skus[s];

			values[at++] = Int64GetDatum(sku->product_id);
			values[at++] = PointerGetDatum(cstring_to_text_with_len(sku->sku.data, (int) sku->sku.len));
		}
	}
	to_arrays(values, (int) nskus, args);
	found = (int) slm_execute_by_index(&statement, args, NULL, SPI_OK_SELECT);
	return found == 0 ? NULL : result_as_arrays(found);
}

/* The last result says which texts have the numbers of others. */
static void
fail_by_collisions(int n)
{
	MemoryContext old;
	char	   *sku = slm_text(CurrentMemoryContext, 0, 2);
	char	   *other = slm_text(CurrentMemoryContext, 0, 3);

	if (pending_context == NULL)
		pending_context = AllocSetContextCreate(TopMemoryContext, "sellometer SKU collisions", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(pending_context);
	old = MemoryContextSwitchTo(pending_context);
	pending = result_as_arrays(n);
	MemoryContextSwitchTo(old);
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("the SKU \"%s\" has the number of another, \"%s\"", sku, other),
			 errdetail("Its rows will be rejected: see sellometer.sku_collisions.")));
}

void
slm_skus_write(SlmNewSkus *skus)
{
	static SlmStatement insert = {
		"INSERT INTO sellometer.skus (product_id, sku) SELECT DISTINCT ON (n.product_id) n.product_id, n.sku "
		"FROM unnest($1, $2) AS n (product_id, sku) LEFT JOIN sellometer.skus AS o USING (product_id) "
		"WHERE o.product_id IS NULL ORDER BY n.product_id, n.sku COLLATE \"C\"",
		SKU_COLUMNS, {INT8ARRAYOID, TEXTARRAYOID},.any_values = true
	};
	static SlmStatement others = {
		"SELECT n.product_id, n.sku, o.sku FROM unnest($1, $2) AS n (product_id, sku) JOIN sellometer.skus AS o USING (product_id) "
		"WHERE o.sku <> n.sku",
		SKU_COLUMNS, {INT8ARRAYOID, TEXTARRAYOID},.any_values = true
	};
	int			n;

	Assert(slm_lock_held(SLM_LOCK_WRITER));

	if (skus == NULL)
		return;
	slm_execute_by_index(&insert, skus->args, NULL, SPI_OK_INSERT);
	n = (int) slm_execute_by_index(&others, skus->args, NULL, SPI_OK_SELECT);
	if (n > 0)
		fail_by_collisions(n);
}

void
slm_skus_note_collisions(void)
{
	static SlmStatement statement = {
		"INSERT INTO sellometer.sku_collisions (product_id, sku) SELECT n.product_id, n.sku FROM unnest($1, $2) AS n (product_id, sku) "
		"ON CONFLICT DO NOTHING",
		SKU_COLUMNS, {INT8ARRAYOID, TEXTARRAYOID}
	};

	if (pending == NULL)
		return;
	slm_execute(&statement, pending->args, NULL, SPI_OK_INSERT);
	pending = NULL;
}
