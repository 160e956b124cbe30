/*
 * cart_rewrite.c: carts that rows are taken out of.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "facts/cart_rewrite.h"
#include "facts/cart_write.h"
#include "server/locks.h"
#include "server/out_of_memory.h"
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

/* Likewise of users. */
static uint32
forget_some_users(const SlmCarts *carts, uint32 first)
{
	static SlmStatement statement = {
		"DELETE FROM sellometer.user_carts c USING unnest($1, $2) AS d (user_id, product_id) "
		"WHERE c.user_id = d.user_id AND c.product_id = d.product_id",
		2, {INT8ARRAYOID, INT8ARRAYOID}
	};
	uint32		n = Min(carts->nusers - first, CARTS_PER_DELETE);
	Datum	   *users = palloc(sizeof(Datum) * n);
	Datum	   *products = palloc(sizeof(Datum) * n);
	Datum		args[2];

	for (uint32 i = 0; i < n; i++)
	{
		users[i] = Int64GetDatum(carts->users[first + i].user_id);
		products[i] = Int64GetDatum(carts->users[first + i].product_id);
	}
	args[0] = slm_array(users, NULL, (int) n, INT8OID);
	args[1] = slm_array(products, NULL, (int) n, INT8OID);
	slm_execute_by_index(&statement, args, NULL, SPI_OK_DELETE);
	return n;
}

void
slm_carts_rewrite(SlmCarts *old, SlmCarts *others, SlmCarts *new, TimestampTz head)
{
	static SlmStatement fold = {"SELECT sellometer.fold_user_carts()"};
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "sellometer carts", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(scratch);

	Assert(slm_lock_held(SLM_LOCK_WRITER));

	if (!slm_carts_join_users(old))
		slm_out_of_memory();
	for (uint32 i = 0; i < old->n;)
	{
		i += forget_some(old, i);
		MemoryContextReset(scratch);
	}
	/* not in the log any more, where none is added while we hold the lock */
	if (old->nusers > 0)
		slm_execute(&fold, NULL, NULL, SPI_OK_SELECT);
	for (uint32 i = 0; i < old->nusers;)
	{
		i += forget_some_users(old, i);
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(scratch);
	/* what was bought, or in a reminder, may be left again */
	slm_carts_have_changed(DT_NOBEGIN);
	slm_carts_write(others, head, NULL);
	slm_carts_write(new, head, NULL);
}
