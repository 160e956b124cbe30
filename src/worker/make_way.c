/*
 * make_way.c: DROP DATABASE fails while anybody is connected, so the worker makes way for it.
 *
 * The hook is called when the server has found that who wants the database dropped may do so, and before it counts who is connected:
 * a command that is refused has done nothing.  If the database stays for another reason, the worker may start again at once.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "server/worker_slots.h"
#include "utils/syscache.h"
#include "worker/make_way.h"

static object_access_hook_type next_hook;
static char stopped[NAMEDATALEN];	/* whose worker this transaction has stopped; empty: none's */

/* The name of a database that may be dropped: not the one at hand, nor a template.  False if it may not. */
static bool
may_go(Oid database, char *name)
{
	HeapTuple	tuple;
	bool		may = false;

	if (database == MyDatabaseId)
		return false;
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		may = !form->datistemplate;
		strlcpy(name, NameStr(form->datname), NAMEDATALEN);
		ReleaseSysCache(tuple);
	}
	return may;
}

static void
hook(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	char		name[NAMEDATALEN];

	if (next_hook)
		next_hook(access, class_id, object_id, sub_id, arg);
	if (access != OAT_DROP || class_id != DatabaseRelationId || !may_go(object_id, name))
		return;
	strlcpy(stopped, name, NAMEDATALEN);
	slm_stop_worker(name);
}

static void
at_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT && stopped[0] != '\0')
		slm_let_worker_start(stopped);
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT)
		stopped[0] = '\0';
}

void
slm_make_way_init(void)
{
	next_hook = object_access_hook;
	object_access_hook = hook;
	RegisterXactCallback(at_end, NULL);
}
