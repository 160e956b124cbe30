/*
 * asked_calls.c: which nodes the dashboards' database asks: all, or, with sellometer.partial_results, those that can be asked.
 *
 *   view of what all have:  SELECT … FROM <view of n0's foreign table> WHERE sellometer.is_asked('n0') UNION ALL …
 *
 * Whether a node is asked must be known before there is a plan: the executor connects to whatever stands in one.  So is_asked() is declared
 * immutable, and the planner calls it.  That holds for a transaction, and no plan outlives what it was made for: with the setting on, each
 * call has all plans that are kept be made anew when they are used next, and so does a change of the setting.
 *
 * Which nodes can't be asked is found out once a transaction, and told with each statement.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "guc.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/plancache.h"

PG_FUNCTION_INFO_V1(sellometer_is_asked);
PG_FUNCTION_INFO_V1(sellometer_are_all_asked);
PG_FUNCTION_INFO_V1(sellometer_left_out);

/* Of this transaction; names are in its memory. */
typedef struct LeftOut
{
	bool		known;
	bool		looking;		/* just now: the nodes are tried */
	int			n;
	char	  **names;
	TimestampTz told_at;		/* with the statement that began then */
} LeftOut;

static LeftOut left_out;

static void
forget(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		left_out = (LeftOut) {0};
}

/* Try all nodes. */
static void
look(void)
{
	uint64		n;

	SPI_connect();
	n = slm_query_once("SELECT u.name FROM sellometer.unreachable_nodes() u");
	left_out.names = MemoryContextAlloc(TopTransactionContext, sizeof(char *) * Max(n, 1));
	for (uint64 i = 0; i < n; i++)
		left_out.names[i] = slm_text(TopTransactionContext, i, 1);
	left_out.n = (int) n;
	SPI_finish();
	left_out.known = true;
}

static void
look_once(void)
{
	static bool registered = false;

	if (left_out.known)
		return;
	if (!registered)
		RegisterXactCallback(forget, NULL);
	registered = true;
	left_out.looking = true;
	PG_TRY();
	{
		look();
	}
	PG_FINALLY();
	{
		left_out.looking = false;
	}
	PG_END_TRY();
}

/* So that nobody takes a part for the whole. */
static void
tell(void)
{
	StringInfoData names;

	if (left_out.n == 0 || left_out.told_at == GetCurrentStatementStartTimestamp())
		return;
	left_out.told_at = GetCurrentStatementStartTimestamp();
	initStringInfo(&names);
	for (int i = 0; i < left_out.n; i++)
		appendStringInfo(&names, "%s%s", i == 0 ? "" : ", ", left_out.names[i]);
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("the result is partial, without what these nodes have: %s", names.data),
			 errdetail("They can't be asked, and sellometer.partial_results is on."),
			 errhint("sellometer.health says more.")));
	pfree(names.data);
}

/* Is it one of those that are left out? */
static bool
is_left_out(const char *name)
{
	for (int i = 0; i < left_out.n; i++)
	{
		if (strcmp(left_out.names[i], name) == 0)
			return true;
	}
	return false;
}

/* Know which are left out, and tell; false: none may be. */
static bool
may_leave_out(void)
{
	if (!slm_partial_results || left_out.looking)
		return false;
	look_once();
	tell();
	return true;
}

/* (node) --> is it asked? */
Datum
sellometer_is_asked(PG_FUNCTION_ARGS)
{
	if (!may_leave_out())
		PG_RETURN_BOOL(true);
	ResetPlanCache();
	PG_RETURN_BOOL(!is_left_out(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

Datum
sellometer_are_all_asked(PG_FUNCTION_ARGS)
{
	if (!may_leave_out())
		PG_RETURN_BOOL(true);
	ResetPlanCache();
	PG_RETURN_BOOL(left_out.n == 0);
}

/* The names of those that are left out. */
Datum
sellometer_left_out(PG_FUNCTION_ARGS)
{
	Datum	   *names;
	int			n = may_leave_out() ? left_out.n : 0;

	names = palloc(sizeof(Datum) * Max(n, 1));
	for (int i = 0; i < n; i++)
		names[i] = CStringGetTextDatum(left_out.names[i]);
	PG_RETURN_DATUM(slm_array(names, NULL, n, TEXTOID));
}
