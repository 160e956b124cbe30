/*
 * stock_write.c: which products of sellometer.inventory a batch has sold.
 *
 * Only that they were sold is noted, not how many: sellometer_detect() adds them up from the tiers.  A note commits with
 * the tiers' rows, so whoever sees the one sees the other.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "facts/stock_write.h"
#include "server/locks.h"
#include "server/spi.h"
#include "utils/memutils.h"

static bool
is_empty(void)
{
	static SlmStatement statement = {"SELECT FROM sellometer.inventory LIMIT 1"};

	return slm_execute(&statement, NULL, NULL, SPI_OK_SELECT) == 0;
}

void
slm_stock_note(const SlmBatch *batch)
{
	static SlmStatement note = {
		"INSERT INTO sellometer.inventory_marks (product_id) "
		"SELECT DISTINCT i.product_id FROM unnest($1) AS p (product_id) JOIN sellometer.inventory AS i USING (product_id)",
		1, {INT8ARRAYOID}
	};
	SlmGroupScan scan = {.groups = &batch->groups};
	SlmGroup	group;
	MemoryContext context;
	MemoryContext old;
	Datum	   *products;
	Datum		arg;
	int			n = 0;

	/* who sees the note sees the tiers that it is about */
	Assert(slm_lock_held(SLM_LOCK_WRITER));

	if (batch->groups.ngroups == 0 || is_empty())
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "sellometer stock", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	while (slm_groups_next(&scan, &group))
		n += group.type == SLM_PURCHASE;
	products = MemoryContextAllocHuge(context, sizeof(Datum) * Max(n, 1));
	n = 0;
	scan = (SlmGroupScan) {.groups = &batch->groups};
	while (slm_groups_next(&scan, &group))
	{
		if (group.type == SLM_PURCHASE)
			products[n++] = Int64GetDatum(slm_dictionary_get(batch->dictionary, group.offer)->product_id);
	}
	arg = slm_array(products, NULL, n, INT8OID);
	if (n > 0)
		slm_execute(&note, &arg, NULL, SPI_OK_INSERT);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
slm_stock_prune(void)
{
	static SlmStatement prune = {
		"DELETE FROM sellometer.inventory_marks AS m "
		"USING (SELECT product_id, max(ctid) AS kept FROM sellometer.inventory_marks GROUP BY 1 HAVING count(*) > 1) AS d "
		"WHERE m.product_id = d.product_id AND m.ctid <> d.kept"
	};

	slm_execute(&prune, NULL, NULL, SPI_OK_DELETE);
}
