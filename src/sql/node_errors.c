/*
 * node_errors.c: whatever goes wrong on a node is told with its name.
 *
 * Who can't connect to a node says to which.  What comes after that - a node that dies in the midst of a transaction, a statement that it
 * cancels, what it refuses - postgres_fdw tells as the node does, with the statement, which is the same for all of them:
 *
 *   ERROR:  server closed the connection unexpectedly
 *   CONTEXT:  remote SQL command: FETCH 10000 FROM c1
 *             node "n1"                                      added here
 *
 * So scans of foreign tables of nodes are given a copy of the functions of their wrapper that says so in the context of errors.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "nodes/nodeFuncs.h"
#include "sql/node_errors.h"

#define SERVER_PREFIX	"sellometer_node_"

static ExecutorStart_hook_type next_hook;

/* In place of a scan's functions. */
typedef struct NamedRoutine
{
	FdwRoutine	routine;		/* first: what the executor knows of it */
	FdwRoutine *real;
	char	   *node;
} NamedRoutine;

static void
tell_node(void *arg)
{
	errcontext("node \"%s\"", ((NamedRoutine *) arg)->node);
}

/* What a scan calls stands between these. */
#define BEGIN_NAMED(scan) \
	NamedRoutine *named = (NamedRoutine *) (scan)->fdwroutine; \
	ErrorContextCallback callback = {.previous = error_context_stack,.callback = tell_node,.arg = named}; \
	error_context_stack = &callback
#define END_NAMED() \
	error_context_stack = callback.previous

static TupleTableSlot *
iterate(ForeignScanState *scan)
{
	TupleTableSlot *slot;

	BEGIN_NAMED(scan);
	slot = named->real->IterateForeignScan(scan);
	END_NAMED();
	return slot;
}

static void
scan_again(ForeignScanState *scan)
{
	BEGIN_NAMED(scan);
	named->real->ReScanForeignScan(scan);
	END_NAMED();
}

static void
async_request(AsyncRequest *request)
{
	BEGIN_NAMED((ForeignScanState *) request->requestee);
	named->real->ForeignAsyncRequest(request);
	END_NAMED();
}

static void
async_configure_wait(AsyncRequest *request)
{
	BEGIN_NAMED((ForeignScanState *) request->requestee);
	named->real->ForeignAsyncConfigureWait(request);
	END_NAMED();
}

static void
async_notify(AsyncRequest *request)
{
	BEGIN_NAMED((ForeignScanState *) request->requestee);
	named->real->ForeignAsyncNotify(request);
	END_NAMED();
}

static void
name_scan(ForeignScanState *scan)
{
	char	   *server = GetForeignServer(((ForeignScan *) scan->ss.ps.plan)->fs_server)->servername;
	NamedRoutine *named;

	if (strncmp(server, SERVER_PREFIX, strlen(SERVER_PREFIX)) != 0)
		return;
	named = MemoryContextAlloc(scan->ss.ps.state->es_query_cxt, sizeof(NamedRoutine));
	named->routine = *scan->fdwroutine;
	named->real = scan->fdwroutine;
	named->node = MemoryContextStrdup(scan->ss.ps.state->es_query_cxt, server + strlen(SERVER_PREFIX));
	named->routine.IterateForeignScan = iterate;
	named->routine.ReScanForeignScan = scan_again;
	if (named->real->ForeignAsyncRequest != NULL)
	{
		named->routine.ForeignAsyncRequest = async_request;
		named->routine.ForeignAsyncConfigureWait = async_configure_wait;
		named->routine.ForeignAsyncNotify = async_notify;
	}
	scan->fdwroutine = &named->routine;
}

static bool
walk(PlanState *state, void *unused)
{
	if (IsA(state, ForeignScanState) && OidIsValid(((ForeignScan *) state->plan)->fs_server))
		name_scan((ForeignScanState *) state);
	return planstate_tree_walker(state, walk, unused);
}

static bool
reads_foreign_tables(PlannedStmt *statement)
{
	ListCell   *cell;

	foreach(cell, statement->rtable)
	{
		if (lfirst_node(RangeTblEntry, cell)->relkind == RELKIND_FOREIGN_TABLE)
			return true;
	}
	return false;
}

static void
start(QueryDesc *query, int flags)
{
	if (next_hook != NULL)
		next_hook(query, flags);
	else
		standard_ExecutorStart(query, flags);
	if (query->planstate != NULL && (flags & EXEC_FLAG_EXPLAIN_ONLY) == 0 && reads_foreign_tables(query->plannedstmt))
		(void) walk(query->planstate, NULL);
}

void
slm_node_errors_init(void)
{
	next_hook = ExecutorStart_hook;
	ExecutorStart_hook = start;
}
