/*
 * spi.c: the one way in which Sellometer's C code speaks SQL.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "lib/ilist.h"
#include "postmaster/bgworker.h"
#include "server/as_owner.h"
#include "server/pins.h"
#include "server/spi.h"
#include "server/version.h"
#include "storage/lmgr.h"
#include "tcop/pquery.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

bool		slm_extension_gone;

static bool committed;			/* a worker has, and not secured since */
static bool looking;			/* statements see what the query sees that calls us */

bool
slm_extension_lock(void)
{
	Oid			extension = get_extension_oid("sellometer", true);

	if (!OidIsValid(extension))
		return false;
	/* DROP EXTENSION begins with this lock: so it never meets us halfway, on some table */
	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	return get_extension_oid("sellometer", true) == extension;
}

/* It is there, and ours, and stays so. */
static void
hold_extension(void)
{
	slm_extension_gone = !slm_extension_lock();
	if (slm_extension_gone)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("extension \"sellometer\" has been dropped")));
	slm_check_version(get_extension_oid("sellometer", false));
}

static void
secure(void)
{
	if (FirstSnapshotSet && IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("sellometer needs the isolation level read committed here"),
				 errhint("Call it in a transaction of that level, or outside of any transaction block with SET default_transaction_isolation = 'read committed' before.")));
	hold_extension();
	slm_as_owner_begin(get_extension_oid("sellometer", false));
	/* below a CALL the portal keeps a snapshot; a background worker has no portal */
	if (ActivePortal != NULL)
		EnsurePortalSnapshotExists();
	else if (!ActiveSnapshotSet())
		PushActiveSnapshot(GetTransactionSnapshot());
	committed = false;
}

/*
 * Where we commit, below a CALL and in a worker, the next transaction is secured before its first statement, which would be parsed with
 * the caller's search_path and run with his rights and settings else.
 */
static pg_attribute_unused() bool
may_execute(void)
{
	return !(committed && MyBgworkerEntry != NULL) && !slm_as_owner_missing();
}

void
slm_secure_transaction(void)
{
	slm_pin_transaction();
	secure();
}

int
slm_secure_function(void)
{
	int			level = slm_pin_function();

	secure();
	return level;
}

int
slm_look_begin(void)
{
	int			level = slm_pin_function();

	hold_extension();
	Assert(ActiveSnapshotSet());
	looking = true;
	return level;
}

void
slm_look_end(void)
{
	looking = false;
}

/*
 * Rows of statements.  SPI keeps them until it is left, and a load is one connection for as long as there is something to
 * load; so they are given up with the transaction.  An entry of the list lives in the memory of its rows, and leaves the
 * list when somebody frees these before.
 */
typedef struct HeldRows
{
	dlist_node	node;
	SPITupleTable *table;
	MemoryContextCallback callback;
} HeldRows;

static dlist_head all_rows = DLIST_STATIC_INIT(all_rows);

static void
unlink_rows(void *arg)
{
	dlist_delete(&((HeldRows *) arg)->node);
}

static void
note_rows(void)
{
	HeldRows   *rows;

	if (SPI_tuptable == NULL)
		return;
	rows = MemoryContextAllocZero(SPI_tuptable->tuptabcxt, sizeof(HeldRows));
	rows->table = SPI_tuptable;
	rows->callback.func = unlink_rows;
	rows->callback.arg = rows;
	dlist_push_tail(&all_rows, &rows->node);
	MemoryContextRegisterResetCallback(SPI_tuptable->tuptabcxt, &rows->callback);
}

static void
forget_rows(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &all_rows)
		SPI_freetuptable(dlist_container(HeldRows, node, iter.cur)->table);
}

void
slm_commit(void)
{
	MemoryContext context = CurrentMemoryContext;

	if (ActivePortal == NULL && ActiveSnapshotSet())
		PopActiveSnapshot();
	forget_rows();
	slm_as_owner_end();
	committed = true;
	SPI_commit();
	MemoryContextSwitchTo(context);
}

static void
take_result(int result, int expected, const char *sql)
{
	if (result != expected)
		elog(ERROR, "unexpected result %d of: %s", result, sql);
	note_rows();
}

static uint64
execute(SlmStatement *statement, const Datum *values, const char *nulls, bool read_only, int expected)
{
	MemoryContext context = CurrentMemoryContext;	/* SPI leaves its own behind */
	int			result;

	Assert(may_execute());
	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare_cursor(statement->sql, statement->nargs, statement->types,
											  statement->any_values ? CURSOR_OPT_GENERIC_PLAN : 0);

		if (plan == NULL)
			elog(ERROR, "could not prepare: %s", statement->sql);
		if (SPI_keepplan(plan) != 0)
			elog(ERROR, "could not keep the plan of: %s", statement->sql);
		statement->plan = plan;
	}
	result = SPI_execute_plan(statement->plan, (Datum *) values, nulls, read_only || looking, 0);
	MemoryContextSwitchTo(context);
	take_result(result, expected, statement->sql);
	return SPI_processed;
}

uint64
slm_execute(SlmStatement *statement, const Datum *values, const char *nulls, int expected)
{
	return execute(statement, values, nulls, false, expected);
}

uint64
slm_query(SlmStatement *statement, const Datum *values)
{
	Assert(ActiveSnapshotSet());
	return execute(statement, values, NULL, true, SPI_OK_SELECT);
}

uint64
slm_query_once(const char *sql)
{
	MemoryContext context = CurrentMemoryContext;
	int			result;

	Assert(may_execute());
	Assert(ActiveSnapshotSet());
	result = SPI_execute(sql, true, 0);
	MemoryContextSwitchTo(context);
	take_result(result, SPI_OK_SELECT, sql);
	return SPI_processed;
}

void
slm_query_into(const char *sql, DestReceiver *receiver)
{
	MemoryContext context = CurrentMemoryContext;
	SPIExecuteOptions options = {.read_only = true,.dest = receiver};
	int			nest_level = NewGUCNestLevel();
	int			result;

	Assert(may_execute());
	Assert(ActiveSnapshotSet());
	/* a bitmap of rows instead */
	(void) set_config_option("enable_indexscan", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	result = SPI_execute_extended(sql, &options);
	AtEOXact_GUC(true, nest_level);
	MemoryContextSwitchTo(context);
	take_result(result, SPI_OK_SELECT, sql);
}

/*
 * A plan is made when a table may still be empty, and then kept: without these off it could read the whole of a table that
 * has grown since.
 */
uint64
slm_execute_by_index(SlmStatement *statement, const Datum *values, const char *nulls, int expected)
{
	static const char *const settings[] = {"enable_seqscan", "enable_bitmapscan", "enable_hashjoin",
	"enable_mergejoin", "enable_sort"};
	int			nest_level = NewGUCNestLevel();
	uint64		rows;

	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i], "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	rows = slm_execute(statement, values, nulls, expected);
	AtEOXact_GUC(true, nest_level);
	return rows;
}

uint64
slm_execute_once(const char *sql, int expected)
{
	MemoryContext context = CurrentMemoryContext;
	int			result;

	Assert(may_execute());
	result = SPI_execute(sql, looking, 0);
	MemoryContextSwitchTo(context);
	take_result(result, expected, sql);
	return SPI_processed;
}

uint64
slm_execute_args(const char *sql, int nargs, Oid *types, Datum *values, int expected)
{
	MemoryContext context = CurrentMemoryContext;
	int			result;

	Assert(may_execute());
	result = SPI_execute_with_args(sql, nargs, types, values, NULL, looking, 0);
	MemoryContextSwitchTo(context);
	take_result(result, expected, sql);
	return SPI_processed;
}

Datum
slm_value(uint64 row, int column, bool *isnull)
{
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);

	return *isnull ? (Datum) 0 : value;
}

int64
slm_int64(uint64 row, int column, int64 if_null)
{
	bool		isnull;
	Datum		value = slm_value(row, column, &isnull);

	return isnull ? if_null : DatumGetInt64(value);
}

char *
slm_text(MemoryContext context, uint64 row, int column)
{
	bool		isnull;
	Datum		value = slm_value(row, column, &isnull);
	MemoryContext old;
	char	   *copy;

	if (isnull)
		return NULL;
	old = MemoryContextSwitchTo(context);
	copy = TextDatumGetCString(value);
	MemoryContextSwitchTo(old);
	return copy;
}

char *
slm_bytes(MemoryContext context, uint64 row, int column, size_t *len)
{
	bool		isnull;
	Datum		value = slm_value(row, column, &isnull);
	bytea	   *bytes = isnull ? NULL : DatumGetByteaPP(value);
	char	   *copy = NULL;

	*len = 0;
	if (bytes == NULL)
		return NULL;
	*len = VARSIZE_ANY_EXHDR(bytes);
	copy = MemoryContextAllocHuge(context, Max(*len, 1));
	memcpy(copy, VARDATA_ANY(bytes), *len);
	return copy;
}

Datum
slm_array(Datum *values, bool *nulls, int n, Oid type)
{
	int16		len;
	bool		byval;
	char		align;
	int			dims[1] = {n};
	int			lbs[1] = {1};

	if (n == 0)
		return PointerGetDatum(construct_empty_array(type));
	get_typlenbyvalalign(type, &len, &byval, &align);
	return PointerGetDatum(construct_md_array(values, nulls, 1, dims, lbs, type, len, byval, align));
}

void
slm_column_arrays(const Datum *values, const bool *nulls, int nrows, int ncolumns, const Oid *types, Datum *args)
{
	Datum	   *column = palloc(sizeof(Datum) * Max(nrows, 1));
	bool	   *isnull = palloc(sizeof(bool) * Max(nrows, 1));

	for (int c = 0; c < ncolumns; c++)
	{
		for (int i = 0; i < nrows; i++)
		{
			column[i] = values[i * ncolumns + c];
			isnull[i] = nulls[i * ncolumns + c];
		}
		args[c] = slm_array(column, isnull, nrows, types[c]);
	}
	pfree(column);
	pfree(isnull);
}
