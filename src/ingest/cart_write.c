/*
 * cart_write.c: from a batch's carts to rows of sellometer.carts.
 *
 * A row holds the last time of each type of event, so to merge is to take the later one: whatever the order of batches,
 * the outcome is the same.  What is older than sellometer.cart_retention behind the head can't change what is in a cart
 * since then: a time that is left out, or deleted, is before every time that counts.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "guc.h"
#include "ingest/cart_write.h"
#include "ingest/spi.h"
#include "types/money.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define ROWS_PER_MERGE	20000

/* The table is looked through as a whole: not before this part of the retention has passed. */
#define PRUNE_SHARE		8

enum
{
	SESSION, PRODUCT, USER_ID, PRICE, CART, REMOVAL, PURCHASE, COLUMNS
};

static const Oid column_types[COLUMNS] = {TEXTOID, INT8OID, INT8OID, NUMERICOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
TIMESTAMPTZOID};

/* The cart event of the row that is there counts still; see src/pure/carts.h for the order. */
#define KEEPS	"excluded.cart_at IS NULL OR c.cart_at > excluded.cart_at OR (c.cart_at = excluded.cart_at AND " \
	"(c.price < excluded.price OR (c.price = excluded.price AND " \
	"coalesce(c.user_id <= excluded.user_id, excluded.user_id IS NULL))))"

static SlmStatement merge_statement = {
	"INSERT INTO sellometer.carts AS c (user_session, product_id, user_id, price, cart_at, removed_at, purchased_at) "
	"SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7) "
	"ON CONFLICT (user_session, product_id) DO UPDATE SET "
	"user_id = CASE WHEN " KEEPS " THEN c.user_id ELSE excluded.user_id END, "
	"price = CASE WHEN " KEEPS " THEN c.price ELSE excluded.price END, "
	"cart_at = greatest(c.cart_at, excluded.cart_at), "
	"removed_at = greatest(c.removed_at, excluded.removed_at), "
	"purchased_at = greatest(c.purchased_at, excluded.purchased_at)",
	COLUMNS, {TEXTARRAYOID, INT8ARRAYOID, INT8ARRAYOID, NUMERICARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID,
	TIMESTAMPTZARRAYOID}
};

typedef struct Rows
{
	int			n;
	Datum		values[COLUMNS][ROWS_PER_MERGE];
	bool		nulls[COLUMNS][ROWS_PER_MERGE];
} Rows;

static void
put(Rows *rows, int column, Datum value, bool isnull)
{
	rows->values[column][rows->n] = isnull ? (Datum) 0 : value;
	rows->nulls[column][rows->n] = isnull;
}

static void
add_row(Rows *rows, const SlmCart *cart)
{
	bool		never = cart->cart == SLM_NEVER;

	put(rows, SESSION, PointerGetDatum(cstring_to_text_with_len(cart->session.data, (int) cart->session.len)), false);
	put(rows, PRODUCT, Int64GetDatum(cart->product_id), false);
	put(rows, USER_ID, Int64GetDatum(cart->user_id), never || !cart->has_user_id);
	put(rows, PRICE, never ? (Datum) 0 : NumericGetDatum(slm_price_to_numeric(cart->price)), never);
	put(rows, CART, TimestampTzGetDatum(cart->cart), never);
	put(rows, REMOVAL, TimestampTzGetDatum(cart->removal), cart->removal == SLM_NEVER);
	put(rows, PURCHASE, TimestampTzGetDatum(cart->purchase), cart->purchase == SLM_NEVER);
	rows->n++;
}

static void
merge(Rows *rows)
{
	Datum		args[COLUMNS];

	for (int i = 0; i < COLUMNS; i++)
		args[i] = slm_array(rows->values[i], rows->nulls[i], rows->n, column_types[i]);
	slm_execute(&merge_statement, args, NULL, SPI_OK_INSERT);
	rows->n = 0;
}

static TimestampTz
kept_from(TimestampTz head)
{
	return TIMESTAMP_NOT_FINITE(head) ? DT_NOBEGIN : head - (int64) slm_cart_retention * USECS_PER_SEC;
}

static void
merge_all(const SlmCarts *carts, const uint32 *order, TimestampTz from)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer carts", ALLOCSET_DEFAULT_SIZES);
	Rows	   *rows = MemoryContextAlloc(context, sizeof(Rows));
	MemoryContext old;

	rows->n = 0;
	for (uint32 first = 0; first < carts->n; first += ROWS_PER_MERGE)
	{
		MemoryContext scratch = AllocSetContextCreate(context, "sellometer cart rows", ALLOCSET_DEFAULT_SIZES);

		old = MemoryContextSwitchTo(scratch);
		for (uint32 i = first; i < Min(carts->n, first + ROWS_PER_MERGE); i++)
		{
			const SlmCart *cart = &carts->carts[order[i]];

			if (Max(cart->cart, Max(cart->removal, cart->purchase)) >= from)
				add_row(rows, cart);
		}
		if (rows->n > 0)
			merge(rows);
		MemoryContextSwitchTo(old);
		MemoryContextDelete(scratch);
	}
	MemoryContextDelete(context);
}

void
slm_carts_write(const SlmCarts *carts, TimestampTz head)
{
	uint32	   *volatile order;

	if (carts->n == 0)
		return;
	order = slm_carts_order(carts);
	if (order == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	PG_TRY();
	{
		merge_all(carts, order, kept_from(head));
	}
	PG_FINALLY();
	{
		free(order);
	}
	PG_END_TRY();
}

uint64
slm_carts_prune(TimestampTz head)
{
	static SlmStatement oldest = {
		"SELECT carts_from FROM sellometer.state"
	};
	static SlmStatement note = {
		"UPDATE sellometer.state SET carts_from = $1", 1, {TIMESTAMPTZOID}
	};
	static SlmStatement prune = {
		"DELETE FROM sellometer.carts WHERE greatest(cart_at, removed_at, purchased_at) < $1", 1, {TIMESTAMPTZOID}
	};
	static SlmStatement reminders = {
		"DELETE FROM sellometer.reminders WHERE since < $1", 1, {TIMESTAMPTZOID}
	};
	TimestampTz from = kept_from(head);
	Datum		arg = TimestampTzGetDatum(from);
	uint64		deleted;

	slm_execute(&oldest, NULL, NULL, SPI_OK_SELECT);
	if (from < slm_int64(0, 1, DT_NOBEGIN) + (int64) slm_cart_retention * USECS_PER_SEC / PRUNE_SHARE)
		return 0;
	deleted = slm_execute(&prune, &arg, NULL, SPI_OK_DELETE);
	slm_execute(&reminders, &arg, NULL, SPI_OK_DELETE);
	/* last, as loading waits for this row */
	slm_execute(&note, &arg, NULL, SPI_OK_UPDATE);
	return deleted;
}
