/*
 * cart_rewrite.c: carts that rows are taken out of.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "facts/cart_rewrite.h"
#include "facts/cart_write.h"
#include "server/locks.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define CARTS_PER_DELETE	20000

/* Forget carts from first on, at most so many; returns how many these were. */
static uint32
forget_some(const SlmCarts *carts, uint32 first)
{
	static SlmStatement statement = {
		"DELETE FROM sellometer.carts c USING unnest($1, $2) AS d (user_session, product_id) "
		"WHERE c.user_session = d.user_session AND c.product_id = d.product_id",
		2, {TEXTARRAYOID, INT8ARRAYOID}
	};
	uint32		n = Min(carts->n - first, CARTS_PER_DELETE);
	Datum	   *sessions = palloc(sizeof(Datum) * n);
	Datum	   *products = palloc(sizeof(Datum) * n);
	Datum		args[2];

	for (uint32 i = 0; i < n; i++)
	{
		const SlmCart *cart = &carts->carts[first + i];

		sessions[i] = PointerGetDatum(cstring_to_text_with_len(cart->session.data, (int) cart->session.len));
		products[i] = Int64GetDatum(cart->product_id);
	}
	args[0] = slm_array(sessions, NULL, (int) n, TEXTOID);
	args[1] = slm_array(products, NULL, (int) n, INT8OID);
	slm_execute_by_index(&statement, args, NULL, SPI_OK_DELETE);
	return n;
}

void
slm_carts_rewrite(const SlmCarts *old, const SlmCarts *others, const SlmCarts *new, TimestampTz head)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "sellometer carts", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(scratch);

	Assert(slm_lock_held(SLM_LOCK_WRITER));

	for (uint32 i = 0; i < old->n;)
	{
		i += forget_some(old, i);
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(scratch);
	slm_carts_write(others, head, NULL);
	slm_carts_write(new, head, NULL);
}
