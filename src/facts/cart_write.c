/*
 * cart_write.c: from a batch's carts to rows of sellometer.carts, sellometer.user_cart_log and sellometer.cart_changes.
 *
 * A row holds the last time of each type of event, so to merge is to take the later one: whatever the order of batches,
 * the outcome is the same.  New carts are inserted in bulk, and only the others go through SQL.  In a large batch nearly all are new:
 * so all are inserted, and those that the index finds there are taken out again.  In a small one they are looked up first, and
 * always where the WAL is decoded.  A table that somebody has changed gets all of them by SQL.  What is older than sellometer.cart_retention behind the head can't change what is in a cart
 * since then: a time that is left out, or deleted, is before every time that counts.
 *
 * What users have bought or taken out is only appended, to a table without an index: sellometer.fold_user_carts() merges it later, in the
 * process that wants to know, and until then both are read.
 */
#include "postgres.h"

#include "access/table.h"
#include "bulkwrite/bulk.h"
#include "bulkwrite/by_key.h"
#include "catalog/catalog.h"
#include "catalog/pg_type.h"
#include "facts/cart_write.h"
#include "guc.h"
#include "nodes/makefuncs.h"
#include "server/locks.h"
#include "server/out_of_memory.h"
#include "server/spi.h"
#include "types/money.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define ROWS_PER_MERGE	20000
#define BYTES_PER_MERGE	((Size) 1024 * 1024)	/* of their sessions */
#define FEW_ROWS		1000	/* those that are there are looked up first, so as to leave no dead rows */

/* The table is looked through as a whole: not before this part of the retention has passed. */
#define PRUNE_SHARE		8

enum
{
	SESSION, PRODUCT, USER_ID, PRICE, CART, REMOVAL, PURCHASE, COLUMNS
};

static const SlmShape shape = {
	"carts", COLUMNS, {
		[SESSION] = {"user_session", TEXTOID},[PRODUCT] = {"product_id", INT8OID},[USER_ID] = {"user_id", INT8OID, true},
		[PRICE] = {"price", NUMERICOID, true},[CART] = {"cart_at", TIMESTAMPTZOID, true},[REMOVAL] = {"removed_at", TIMESTAMPTZOID, true},
		[PURCHASE] = {"purchased_at", TIMESTAMPTZOID, true}
	}
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

/* The values of a cart; sessions are texts in the current memory context. */
static void
fill(const SlmCart *cart, Datum *values, bool *nulls)
{
	bool		never = cart->cart == SLM_NEVER;

	values[SESSION] = PointerGetDatum(cstring_to_text_with_len(cart->session.data, (int) cart->session.len));
	values[PRODUCT] = Int64GetDatum(cart->product_id);
	values[USER_ID] = Int64GetDatum(cart->user_id);
	values[PRICE] = never ? (Datum) 0 : NumericGetDatum(slm_price_to_numeric(cart->price));
	values[CART] = TimestampTzGetDatum(cart->cart);
	values[REMOVAL] = TimestampTzGetDatum(cart->removal);
	values[PURCHASE] = TimestampTzGetDatum(cart->purchase);
	memset(nulls, false, COLUMNS * sizeof(bool));
	nulls[USER_ID] = never || !cart->has_user_id;
	nulls[PRICE] = nulls[CART] = never;
	nulls[REMOVAL] = cart->removal == SLM_NEVER;
	nulls[PURCHASE] = cart->purchase == SLM_NEVER;
}

static void
merge(const SlmCart **carts, int n)
{
	Datum	   *values = palloc(sizeof(Datum) * COLUMNS * n);
	bool	   *nulls = palloc(sizeof(bool) * COLUMNS * n);
	Datum		args[COLUMNS];

	Assert(n > 0 && n <= ROWS_PER_MERGE);

	for (int i = 0; i < n; i++)
		fill(carts[i], &values[i * COLUMNS], &nulls[i * COLUMNS]);
	slm_column_arrays(values, nulls, n, COLUMNS, column_types, args);
	if (slm_execute(&merge_statement, args, NULL, SPI_OK_INSERT) != (uint64) n)
		slm_bulk_incomplete(n, shape.table);
}

/* --- which are there --- */

static const int key_columns[] = {SESSION, PRODUCT};

/*
 * Move those that are in the table before the others; returns how many there are.  Whoever else writes carts holds the writer's lock, or only
 * deletes: what is not there now will not be.
 */
static int
known_first(Relation rel, const SlmCart **carts, int n)
{
	const SlmCart **others = palloc(sizeof(SlmCart *) * n);
	text	   *session = palloc(VARHDRSZ + SLM_MAX_CART_SESSION);
	SlmByKey   *by_key = slm_by_key_begin(rel, &shape, key_columns, lengthof(key_columns));
	int			nknown = 0;
	int			nothers = 0;

	for (int i = 0; i < n; i++)
	{
		Datum		key[lengthof(key_columns)] = {PointerGetDatum(session), Int64GetDatum(carts[i]->product_id)};

		Assert(carts[i]->session.len <= SLM_MAX_CART_SESSION);
		SET_VARSIZE(session, VARHDRSZ + carts[i]->session.len);
		memcpy(VARDATA(session), carts[i]->session.data, carts[i]->session.len);
		if (slm_by_key_find(by_key, key) != NULL)
			carts[nknown++] = carts[i];
		else
			others[nothers++] = carts[i];
	}
	slm_by_key_end(by_key);
	memcpy(&carts[nknown], others, sizeof(SlmCart *) * nothers);
	return nknown;
}

static void
put(SlmBulk *bulk, const SlmCart **carts, int n)
{
	for (int i = 0; i < n; i++)
	{
		bool	   *nulls;
		Datum	   *values = slm_bulk_row(bulk, &nulls);

		fill(carts[i], values, nulls);
	}
}

/*
 * Insert those that are new, the others are to be merged: they are the first then.  Returns how many.  Whoever decodes the WAL must not
 * see a row of a key that another row has.
 */
static int
insert_new(Relation rel, const SlmCart **carts, int n, const SlmCallback *callback)
{
	SlmBulk    *bulk;
	uint32	   *there;
	int			nknown;

	if (n <= FEW_ROWS || RelationIsLogicallyLogged(rel))
	{
		nknown = known_first(rel, carts, n);
		if (n > nknown)
		{
			bulk = slm_bulk_begin(rel, &shape, callback);
			put(bulk, carts + nknown, n - nknown);
			(void) slm_bulk_end(bulk);
		}
		return nknown;
	}
	bulk = slm_bulk_begin_new(rel, &shape, callback);
	put(bulk, carts, n);
	nknown = (int) slm_bulk_end_new(bulk, &there);
	for (int i = 0; i < nknown; i++)
	{
		Assert(there[i] >= i && there[i] < n);	/* those behind are still in their places */
		carts[i] = carts[there[i]];
	}
	return nknown;
}

static TimestampTz
kept_from(TimestampTz head)
{
	return TIMESTAMP_NOT_FINITE(head) ? DT_NOBEGIN : head - (int64) slm_cart_retention * USECS_PER_SEC;
}

static void
write_all(const SlmCarts *carts, const uint32 *order, TimestampTz from, const SlmCallback *callback)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer carts", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Relation	rel = table_openrv(makeRangeVar("sellometer", "carts", -1), RowExclusiveLock);
	bool		plain = slm_by_key_possible(rel, &shape, key_columns, lengthof(key_columns));

	if (!plain)
		slm_check_insertable(rel, &shape);

	for (uint32 i = 0; i < carts->n;)
	{
		const SlmCart **piece = palloc(sizeof(SlmCart *) * ROWS_PER_MERGE);
		Size		bytes = 0;
		int			nknown;
		int			n = 0;

		for (; i < carts->n && n < ROWS_PER_MERGE && bytes < BYTES_PER_MERGE; i++)
		{
			const SlmCart *cart = &carts->carts[order[i]];

			bytes += cart->session.len;
			if (Max(cart->cart, Max(cart->removal, cart->purchase)) >= from)
				piece[n++] = cart;
		}
		nknown = plain ? insert_new(rel, piece, n, callback) : n;
		if (nknown > 0)
			merge(piece, nknown);
		MemoryContextReset(context);
	}
	table_close(rel, NoLock);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* --- of users --- */

enum
{
	U_USER, U_PRODUCT, U_REMOVAL, U_PURCHASE, U_COLUMNS
};

static const SlmShape user_shape = {
	"user_cart_log", U_COLUMNS, {
		[U_USER] = {"user_id", INT8OID},[U_PRODUCT] = {"product_id", INT8OID},[U_REMOVAL] = {"removed_at", TIMESTAMPTZOID, true},
		[U_PURCHASE] = {"purchased_at", TIMESTAMPTZOID, true}
	}
};

static void
append_users(SlmCarts *carts, TimestampTz from, const SlmCallback *callback)
{
	Relation	rel;
	SlmBulk    *bulk;

	if (carts->nusers == 0)
		return;
	if (!slm_carts_join_users(carts))
		slm_out_of_memory();
	rel = table_openrv(makeRangeVar("sellometer", pstrdup(user_shape.table), -1), RowExclusiveLock);
	bulk = slm_bulk_begin(rel, &user_shape, callback);
	for (uint32 i = 0; i < carts->nusers; i++)
	{
		const SlmUserCart *user = &carts->users[i];
		Datum	   *values;
		bool	   *nulls;

		if (Max(user->removal, user->purchase) < from)
			continue;
		values = slm_bulk_row(bulk, &nulls);
		values[U_USER] = Int64GetDatum(user->user_id);
		values[U_PRODUCT] = Int64GetDatum(user->product_id);
		values[U_REMOVAL] = TimestampTzGetDatum(user->removal);
		values[U_PURCHASE] = TimestampTzGetDatum(user->purchase);
		nulls[U_REMOVAL] = user->removal == SLM_NEVER;
		nulls[U_PURCHASE] = user->purchase == SLM_NEVER;
	}
	(void) slm_bulk_end(bulk);
	table_close(rel, NoLock);
}

/* --- both --- */

void
slm_carts_have_changed(TimestampTz from)
{
	static SlmStatement statement = {
		"INSERT INTO sellometer.cart_changes (cart_at) VALUES ($1)", 1, {TIMESTAMPTZOID}
	};
	Datum		arg = TimestampTzGetDatum(from);

	slm_execute(&statement, &arg, NULL, SPI_OK_INSERT);
}

/* The earliest cart event of a batch, if it has any. */
static void
tell_reminders(const SlmCarts *carts, TimestampTz from)
{
	TimestampTz earliest = DT_NOEND;

	for (uint32 i = 0; i < carts->n; i++)
	{
		if (carts->carts[i].cart != SLM_NEVER && carts->carts[i].cart >= from)
			earliest = Min(earliest, carts->carts[i].cart);
	}
	if (earliest != DT_NOEND)
		slm_carts_have_changed(earliest);
}

void
slm_carts_write(SlmCarts *carts, TimestampTz head, const SlmCallback *callback)
{
	uint32	   *volatile order;

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	append_users(carts, kept_from(head), callback);
	if (carts->n == 0)
		return;
	order = slm_carts_order(carts);
	if (order == NULL)
		slm_out_of_memory();
	PG_TRY();
	{
		write_all(carts, order, kept_from(head), callback);
	}
	PG_FINALLY();
	{
		free(order);
	}
	PG_END_TRY();
	tell_reminders(carts, kept_from(head));
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
	static SlmStatement others = {
		"SELECT sellometer.prune_user_carts($1), sellometer.prune_reminders($1)", 1, {TIMESTAMPTZOID}
	};
	TimestampTz from = kept_from(head);
	Datum		arg = TimestampTzGetDatum(from);
	uint64		deleted;

	slm_execute(&oldest, NULL, NULL, SPI_OK_SELECT);
	if (from < slm_int64(0, 1, DT_NOBEGIN) + (int64) slm_cart_retention * USECS_PER_SEC / PRUNE_SHARE)
		return 0;
	deleted = slm_execute(&prune, &arg, NULL, SPI_OK_DELETE);
	slm_execute(&others, &arg, NULL, SPI_OK_SELECT);
	/* last, as loading waits for this row */
	slm_execute(&note, &arg, NULL, SPI_OK_UPDATE);
	return deleted;
}
