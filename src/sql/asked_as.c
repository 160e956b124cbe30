/*
 * asked_as.c: whoever asks this database as a node of others says which slice he takes it to have.
 *
 *   sellometer_add_node('n0', …)  ->  server sellometer_node_n0, options '… -c sellometer.asked_as=n0:0/4'    there
 *   any query of such a connection ->  an error unless this database has slice 0/4                           here
 *
 * A connection may lead to another database by now: one that was made anew, restored, or given another host.  What it has would count twice,
 * or be missing, in whatever is asked, tables too, so the check is before any query, once a transaction, as all of it is of one snapshot.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "commands/extension.h"
#include "compat.h"
#include "executor/executor.h"
#include "guc.h"
#include "server/spi.h"
#include "sql/asked_as.h"
#include "sql/own_slice.h"
#include "storage/proc.h"

static ExecutorStart_hook_type next_hook;
static LocalTransactionId checked;	/* in this transaction, or just now */

/* Of "n0:0/4" */
static void
check(const char *asked_as)
{
	const char *known = strchr(asked_as, ':');
	SlmNodeSlice slice;
	SlmNodeSlice wanted;

	SPI_connect();
	slice = slm_own_slice_read();
	SPI_finish();
	if (known != NULL && slm_slice_parse(known + 1, &wanted) && wanted.of == slice.of && wanted.number == slice.number)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("node \"%.*s\" has slice %s by now, not %s", known == NULL ? 0 : (int) (known - asked_as), asked_as,
					slice.of == 0 ? "none" : psprintf("%u/%u", slice.number, slice.of), known == NULL ? asked_as : known + 1),
			 errhint("Set it as it was, or sellometer_drop_node() it and add it anew.")));
}

static void
start(QueryDesc *query, int flags)
{
	LocalTransactionId now = slm_local_transaction();

	if (slm_asked_as[0] != '\0' && checked != now && !IsParallelWorker() && OidIsValid(get_extension_oid("sellometer", true)))
	{
		checked = now;
		PG_TRY();
		{
			check(slm_asked_as);
		}
		PG_CATCH();
		{
			checked = InvalidLocalTransactionId;
			PG_RE_THROW();
		}
		PG_END_TRY();
	}
	if (next_hook != NULL)
		next_hook(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

void
slm_asked_as_init(void)
{
	next_hook = ExecutorStart_hook;
	ExecutorStart_hook = start;
}
