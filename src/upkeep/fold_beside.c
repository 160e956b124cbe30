/*
 * fold_beside.c: see fold_beside.h.
 *
 * After a large load the logs of offers (facts/offer_log.c) and of users' carts (facts/cart_write.c) are large, and who wants to know first,
 * prune or detect, adds all of it up.  A rollup, which comes before, works in one process: so another one does that meanwhile.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "server/progress.h"
#include "server/spi.h"
#include "upkeep/fold_beside.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* With less it is not worth a process. */
#define LARGE_LOGS	(INT64CONST(4) * 1024 * 1024)

typedef struct Begin
{
	MemoryContext context;
	SlmRemote  *fold;
} Begin;

static bool
may_log_in(Oid role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	bool		may = HeapTupleIsValid(tuple) && ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return may;
}

static void
begin_step(void *arg)
{
	static SlmStatement sizes = {
		"SELECT pg_relation_size('sellometer.offer_log') + pg_relation_size('sellometer.user_cart_log')"
	};
	Begin	   *begin = arg;
	MemoryContext old;

	slm_execute(&sizes, NULL, NULL, SPI_OK_SELECT);
	if (slm_int64(0, 1, 0) < LARGE_LOGS || !may_log_in(GetUserId()))
		return;
	old = MemoryContextSwitchTo(begin->context);
	begin->fold = slm_remote_start(MyDatabaseId, GetUserId(), "SELECT sellometer.fold_offers(), sellometer.fold_user_carts()");
	MemoryContextSwitchTo(old);
}

SlmRemote *
slm_fold_beside(SlmRun *run)
{
	Begin		begin = {.context = CurrentMemoryContext};

	slm_step(run, begin_step, &begin);
	return begin.fold;
}

void
slm_fold_beside_wait(SlmRemote *fold)
{
	const char *error;

	if (fold == NULL)
		return;
	slm_progress_phase("adding up offers and carts");
	error = slm_remote_wait(fold);
	if (error != NULL)
		ereport(WARNING,
				(errmsg("offers and carts could not be added up beside the rollup: %s", error),
				 errdetail("They are added up by the next sellometer_prune() or sellometer_detect().")));
	slm_remote_forget(fold);
}
