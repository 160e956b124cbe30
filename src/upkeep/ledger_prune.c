/*
 * ledger_prune.c: see ledger_prune.h.
 *
 *   look      is it due, and of which sources are there old rows that need not stay?
 *   list      of each source: those rows, without the ones that a whole listing has: to be forgotten
 *   forget    [commit]  ROWS_PER_STEP of them at a time, under the writer's lock
 *   trim      [commit]  what is remembered of contents of which every row would be too old for every tier
 *
 * An object that is put there again between list and forget is found by the next listing of the worker, and known by its checksum.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "guc.h"
#include "ledger/head.h"
#include "miscadmin.h"
#include "server/locks.h"
#include "server/progress.h"
#include "server/spi.h"
#include "store/store.h"
#include "tiers/tier.h"
#include "upkeep/ledger_prune.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define ROWS_PER_LISTING	"1000000"
#define ROWS_PER_STEP		10000
#define LONGEST_PAUSE		((int64) 3600)	/* s, between two times that sources are listed for this */

typedef struct Source
{
	char	   *name;
	char	   *url;
	char	   *server;
	Oid			owner;
} Source;

/* A row of the ledger that may go, by its key: one of another key with the same hash keeps it, which does no harm. */
typedef struct Candidate
{
	uint64		hash;
	int64		id;
} Candidate;

typedef struct LedgerTrim
{
	SlmRun	   *run;
	MemoryContext context;		/* of all below */
	TimestampTz before;			/* rows that were dealt with last before this */
	TimestampTz floor;			/* no tier keeps rows of earlier time */
	Source	   *sources;
	int			nsources;
	const Source *source;		/* the one at hand */
	Candidate  *candidates;		/* by hash; then those of them that are gone from the source, by id */
	int			n;
	int			done;			/* so many of them have had their turn */
	int64		forgotten;
	bool		more;			/* there may be more to trim */
} LedgerTrim;

/* --- look --- */

/* No tier's rows, nor views or carts that a late row may change, are of earlier time than this. */
static TimestampTz
oldest_time(void)
{
	TimestampTz head = slm_head_read();
	TimestampTz floor = TIMESTAMP_NOT_FINITE(head) ? DT_NOBEGIN : slm_tiers_floor(slm_tiers_read(), head);

	return TIMESTAMP_NOT_FINITE(floor) ? DT_NOBEGIN : floor - (int64) Max(slm_view_window, slm_cart_retention) * USECS_PER_SEC;
}

static void
due_step(void *arg)
{
	static SlmStatement due = {
		"UPDATE sellometer.state SET ledger_pruned_at = clock_timestamp() "
		"WHERE ledger_pruned_at IS NULL OR ledger_pruned_at <= clock_timestamp() - make_interval(secs => $1)",
		1, {FLOAT8OID}
	};
	LedgerTrim *trim = arg;
	Datum		pause = Float8GetDatum(Min(LONGEST_PAUSE, slm_ledger_retention / 10));

	trim->more = slm_execute(&due, &pause, NULL, SPI_OK_UPDATE) > 0;
}

static void
look_step(void *arg)
{
	static SlmStatement find = {
		"SELECT s.name, s.url, s.server, s.owner::oid::bigint FROM sellometer.sources s "
		"WHERE s.enabled AND s.last_error IS NULL AND sellometer.owner_trouble(s.owner, s.owner_name, s.owner_login) IS NULL "
		"AND EXISTS (SELECT FROM sellometer.forgettable(s.name, $1, $2, 1)) ORDER BY s.name",
		2, {TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	LedgerTrim *trim = arg;
	Datum		args[2];

	trim->before = GetCurrentTimestamp() - (int64) slm_ledger_retention * USECS_PER_SEC;
	trim->floor = oldest_time();
	args[0] = TimestampTzGetDatum(trim->before);
	args[1] = TimestampTzGetDatum(trim->floor);
	trim->nsources = (int) slm_execute(&find, args, NULL, SPI_OK_SELECT);
	trim->sources = MemoryContextAllocZero(trim->context, sizeof(Source) * Max(trim->nsources, 1));
	for (int i = 0; i < trim->nsources; i++)
	{
		trim->sources[i].name = slm_text(trim->context, i, 1);
		trim->sources[i].url = slm_text(trim->context, i, 2);
		trim->sources[i].server = slm_text(trim->context, i, 3);
		trim->sources[i].owner = (Oid) slm_int64(i, 4, InvalidOid);
	}
}

/* --- list --- */

static int
compare_hashes(const void *a, const void *b)
{
	const Candidate *x = a;
	const Candidate *y = b;

	return x->hash != y->hash ? (x->hash > y->hash) - (x->hash < y->hash) : (x->id > y->id) - (x->id < y->id);
}

static int
compare_ids(const void *a, const void *b)
{
	int64		x = ((const Candidate *) a)->id;
	int64		y = ((const Candidate *) b)->id;

	return (x > y) - (x < y);
}

static uint64
hash_key(const char *key)
{
	return DatumGetUInt64(hash_any_extended((const unsigned char *) key, (int) strlen(key), 0));
}

/* What is listed stays: its candidates lose their id. */
static bool
keep_listed(const SlmObjectInfo *info, void *arg)
{
	LedgerTrim *trim = arg;
	uint64		hash = hash_key(info->key);
	int			low = 0;
	int			high = trim->n;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (trim->candidates[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < trim->n && trim->candidates[low].hash == hash; low++)
		trim->candidates[low].id = 0;
	return true;
}

static void
find_candidates(LedgerTrim *trim)
{
	static SlmStatement statement = {
		"SELECT id, key FROM sellometer.forgettable($1, $2, $3, " ROWS_PER_LISTING ")", 3, {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		args[3] = {CStringGetTextDatum(trim->source->name), TimestampTzGetDatum(trim->before), TimestampTzGetDatum(trim->floor)};
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "sellometer key", ALLOCSET_SMALL_SIZES);

	trim->n = (int) slm_execute(&statement, args, NULL, SPI_OK_SELECT);
	trim->candidates = MemoryContextAllocHuge(trim->context, sizeof(Candidate) * Max(trim->n, 1));
	for (int i = 0; i < trim->n; i++)
	{
		trim->candidates[i] = (Candidate) {.hash = hash_key(slm_text(scratch, i, 2)),.id = slm_int64(i, 1, 0)};
		MemoryContextReset(scratch);
	}
	SPI_freetuptable(SPI_tuptable);
	MemoryContextDelete(scratch);
	qsort(trim->candidates, trim->n, sizeof(Candidate), compare_hashes);
}

/* What can't be read is an error of the listing here, and not passed over: whatever is behind it may be there. */
static void
list_step(void *arg)
{
	LedgerTrim *trim = arg;
	const Source *source = trim->source;
	SlmListQuery listing = {.found = keep_listed,.arg = trim};
	SlmStore   *store;
	SlmStoreError error;
	int			gone = 0;

	trim->n = trim->done = 0;
	find_candidates(trim);
	store = slm_store_open(source->url, source->server, source->owner);
	if (!slm_store_list(store, &listing, &error))
		slm_store_error_raise(&error);
	slm_store_close(store);
	for (int i = 0; i < trim->n; i++)
	{
		if (trim->candidates[i].id != 0)
			trim->candidates[gone++] = trim->candidates[i];
	}
	trim->n = gone;
	/* old ones first: they lie together */
	qsort(trim->candidates, trim->n, sizeof(Candidate), compare_ids);
}

/* --- forget --- */

static void
forget_step(void *arg)
{
	static SlmStatement statement = {
		"SELECT sellometer.forget_objects($1, $2, $3)", 3, {INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	LedgerTrim *trim = arg;
	int			n = Min(ROWS_PER_STEP, trim->n - trim->done);
	Datum	   *ids = palloc(sizeof(Datum) * Max(n, 1));
	Datum		args[3];

	for (int i = 0; i < n; i++)
		ids[i] = Int64GetDatum(trim->candidates[trim->done + i].id);
	(void) slm_writer_lock();
	slm_run_begin(trim->run);
	args[0] = slm_array(ids, NULL, n, INT8OID);
	args[1] = TimestampTzGetDatum(trim->before);
	args[2] = TimestampTzGetDatum(trim->floor);
	slm_execute_by_index(&statement, args, NULL, SPI_OK_SELECT);
	trim->forgotten += slm_int64(0, 1, 0);
	trim->done += n;
}

static void
trim_step(void *arg)
{
	static SlmStatement statement = {
		"DELETE FROM sellometer.forgotten_objects f WHERE f.ctid = ANY (ARRAY(SELECT o.ctid FROM sellometer.forgotten_objects o "
		"WHERE o.last_event < $1 LIMIT " CppAsString2(ROWS_PER_STEP) "))",
		1, {TIMESTAMPTZOID}
	};
	LedgerTrim *trim = arg;
	Datum		floor = TimestampTzGetDatum(trim->floor);

	trim->more = !TIMESTAMP_IS_NOBEGIN(trim->floor) && slm_execute(&statement, &floor, NULL, SPI_OK_DELETE) == ROWS_PER_STEP;
}

/* The rows of one source; the others' don't wait for it. */
static void
prune_source(LedgerTrim *trim)
{
	ErrorData  *error = slm_try_step(trim->run, list_step, trim);

	if (error != NULL)
	{
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			ReThrowError(error);
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("the ledger keeps all rows of source \"%s\": %s", trim->source->name, error->message),
				 error->hint ? errhint("%s", error->hint) : 0));
		FreeErrorData(error);
		return;
	}
	while (trim->done < trim->n && !slm_run_hold(trim->run))
	{
		CHECK_FOR_INTERRUPTS();
		slm_step(trim->run, forget_step, trim);
	}
	pfree(trim->candidates);
}

int64
slm_ledger_prune(SlmRun *run)
{
	LedgerTrim	trim = {.run = run};

	if (slm_ledger_retention == 0 || slm_run_hold(run))
		return 0;
	trim.context = AllocSetContextCreate(CurrentMemoryContext, "sellometer ledger", ALLOCSET_DEFAULT_SIZES);
	slm_progress_phase("ledger");
	/* a step of its own: loading moves the head in the same row */
	slm_step(run, due_step, &trim);
	if (trim.more)
		slm_step(run, look_step, &trim);
	for (int i = 0; i < trim.nsources && !slm_run_hold(run); i++)
	{
		trim.source = &trim.sources[i];
		prune_source(&trim);
	}
	while (trim.more && !slm_run_hold(run))
	{
		CHECK_FOR_INTERRUPTS();
		slm_step(run, trim_step, &trim);
	}
	MemoryContextDelete(trim.context);
	return trim.forgotten;
}
