/*
 * fold_beside.c: see fold_beside.h.
 *
 * After a large load the logs of offers (facts/offer_log.c) and of users' carts (facts/cart_write.c) are large, and who wants to know first,
 * prune or detect, adds all of it up.  A rollup, which comes before, works in one process: so another one adds up the offers meanwhile, and
 * this one the carts, which take a third of that, rather than wait for it.  Where a load has several batches, what the first ones have logged is
 * added up beside the last one, when nothing is left to read and only one process works.
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

/* With as much as this it is worth one though others want the cores: else the logs of a long load would take room without bound. */
#define HUGE_LOGS	(INT64CONST(256) * 1024 * 1024)

typedef struct Begin
{
	MemoryContext context;
	int64		at_least;		/* bytes in the logs */
	const char *sql;
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
	if (slm_int64(0, 1, 0) < begin->at_least || !may_log_in(GetUserId()))
		return;
	old = MemoryContextSwitchTo(begin->context);
	begin->fold = slm_remote_start(MyDatabaseId, GetUserId(), begin->sql);
	MemoryContextSwitchTo(old);
}

SlmRemote *
slm_fold_beside(SlmRun *run)
{
	Begin		begin = {.context = CurrentMemoryContext,.at_least = LARGE_LOGS,.sql = "SELECT sellometer.fold_offers()"};

	slm_step(run, begin_step, &begin);
	return begin.fold;
}

static void
fold_carts_step(void *arg)
{
	static SlmStatement fold = {"SELECT sellometer.fold_user_carts()"};

	slm_execute(&fold, NULL, NULL, SPI_OK_SELECT);
}

static void
warn(const char *what, const char *error)
{
	ereport(WARNING,
			(errmsg("%s could not be added up: %s", what, error),
			 errdetail("They are added up by the next sellometer_prune() or sellometer_detect().")));
}

void
slm_fold_carts(SlmRun *run)
{
	ErrorData  *error;

	slm_progress_phase("adding up carts");
	error = slm_try_step(run, fold_carts_step, NULL);
	if (error != NULL && error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(error);
	if (error != NULL)
		warn("carts", error->message);
}

void
slm_fold_beside_wait(SlmRemote *fold)
{
	const char *error;

	if (fold == NULL)
		return;
	if (!slm_remote_is_over(fold))
		slm_progress_phase("adding up offers");
	error = slm_remote_wait(fold);
	if (error != NULL)
		warn("offers", error);
	slm_remote_forget(fold);
}

void
slm_fold_in_step(SlmRemote **fold, bool free_core)
{
	SlmRun		dummy = {0};
	SlmRemote  *last = *fold;
	Begin		begin = {.context = CurrentMemoryContext,.at_least = free_core ? LARGE_LOGS : HUGE_LOGS,
		.sql = "SELECT sellometer.fold_offers(), sellometer.fold_user_carts()"};

	if (last != NULL && !slm_remote_is_over(last))
		return;
	/* whatever becomes of the waiting, it is gone */
	*fold = NULL;
	slm_fold_beside_wait(last);
	slm_step(&dummy, begin_step, &begin);
	*fold = begin.fold;
}
