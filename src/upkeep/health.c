/*
 * health.c: what the worker does so that sellometer.health tells the truth, and others hear of it.
 *
 * Jobs of pg_cron live in one database of the server, which a reader of sellometer.health may not look into, nor wait for: the worker
 * looks, and leaves in shared memory what it has seen.  What it has told of what is there too, lest its successor tell it again.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "common/hashfn.h"
#include "guc.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "server/alive.h"
#include "server/processes.h"
#include "server/spi.h"
#include "server/worker_slots.h"
#include "upkeep/runs.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "upkeep/health.h"

#define TELL_EVERY		(10 * USECS_PER_SEC)
#define JOBS_EVERY		(30 * USECS_PER_SEC)
#define PROCESS			"health"

static bool settings_changed;

/* --- settings --- */

/* A session takes them up when it begins; ours may last for months. */
static void
settings_step(void *arg)
{
	static SlmStatement statement = {
		"SELECT bit_xor(hashtextextended(setdatabase || ' ' || setrole || ' ' || setconfig::text, 0)) FROM pg_db_role_setting "
		"WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) "
		"AND setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = session_user))"
	};
	static int64 before;
	static bool known = false;
	int64		now;
	int			slot = *(int *) arg;

	slm_slot_set_read_only(slot, strcmp(GetConfigOption("default_transaction_read_only", false, false), "on") == 0);
	slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	now = slm_int64(0, 1, 0);
	if (known && now != before)
		settings_changed = true;
	before = now;
	known = true;
}

bool
slm_health_settings_changed(void)
{
	return settings_changed;
}

/* --- jobs --- */

static void
copy_column(char *to, size_t size, uint64 row, int column)
{
	char	   *text = slm_text(CurrentMemoryContext, row, column);

	strlcpy(to, text == NULL ? "" : text, size);
}

static void
jobs_step(void *arg)
{
	static SlmStatement statement = {
		"SELECT job, scheduled::int::bigint, active::int::bigint, last_run, status, left(message, 120) FROM sellometer.look_at_jobs()"
	};
	SlmJob		jobs[SLM_MAX_JOBS] = {0};
	int			n = (int) Min(slm_execute(&statement, NULL, NULL, SPI_OK_SELECT), SLM_MAX_JOBS);

	for (int i = 0; i < n; i++)
	{
		SlmJob	   *job = &jobs[i];
		bool		isnull;

		copy_column(job->name, sizeof(job->name), i, 1);
		job->scheduled = slm_int64(i, 2, 0) != 0;
		job->active = slm_int64(i, 3, 0) != 0;
		job->last_run = DatumGetTimestampTz(slm_value(i, 4, &isnull));
		copy_column(job->status, sizeof(job->status), i, 5);
		copy_column(job->message, sizeof(job->message), i, 6);
	}
	slm_slot_set_jobs(*(int *) arg, jobs, n);
}

/* --- telling --- */

typedef struct Telling
{
	bool		session;		/* in somebody's session, not in the worker */
	int			nold;
	int			nnew;
	SlmTold		old[SLM_MAX_TOLD];
	SlmTold		new[SLM_MAX_TOLD];
} Telling;

static const SlmTold *
find_told(const SlmTold *told, int n, const char *name)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(told[i].name, name) == 0)
			return &told[i];
	}
	return NULL;
}

static void
notify(const char *action, const char *name, int rank, const char *since)
{
	static SlmStatement statement = {
		"SELECT sellometer.notify_health($1, $2, $3, $4)", 4, {TEXTOID, TEXTOID, INT4OID, TEXTOID}
	};
	Datum		args[4] = {CStringGetTextDatum(action), CStringGetTextDatum(name), Int32GetDatum(rank),
	since == NULL ? (Datum) 0 : CStringGetTextDatum(since)};

	slm_execute(&statement, args, since == NULL ? "   n" : NULL, SPI_OK_SELECT);
}

/* A name that fits; one that is too long has a checksum instead of its end. */
static void
short_name(char *to, const char *name)
{
	int			len = (int) strlen(name);
	int			kept = pg_mbcliplen(name, len, NAMEDATALEN - 10);

	if (len < NAMEDATALEN)
		strlcpy(to, name, NAMEDATALEN);
	else
		snprintf(to, NAMEDATALEN, "%.*s#%08x", kept, name, hash_bytes((const unsigned char *) name, len));
}

static void
tell_step(void *arg)
{
#define NOT_WELL(view) \
	{"SELECT name, sellometer.severity_rank(severity)::bigint, since::text FROM sellometer." view \
	" WHERE severity IN ('warning', 'critical') ORDER BY 2 DESC, 1"}
	/* the worker waits for no other node */
	static SlmStatement statements[2] = {NOT_WELL("own_health"), NOT_WELL("health")};
	Telling    *telling = arg;
	int			n = (int) Min(slm_execute(&statements[telling->session], NULL, NULL, SPI_OK_SELECT), SLM_MAX_TOLD);
	char	  **since = palloc(sizeof(char *) * Max(n, 1));

	telling->nnew = n;
	for (int i = 0; i < n; i++)
	{
		since[i] = slm_text(CurrentMemoryContext, i, 3);
		short_name(telling->new[i].name, slm_text(CurrentMemoryContext, i, 1));
		telling->new[i].rank = (int) slm_int64(i, 2, 0);
	}
	for (int i = 0; i < n; i++)
	{
		const SlmTold *old = find_told(telling->old, telling->nold, telling->new[i].name);

		if (old == NULL || old->rank < telling->new[i].rank)
			notify(old == NULL ? "opened" : "worsened", telling->new[i].name, telling->new[i].rank, since[i]);
	}
	for (int i = 0; i < telling->nold; i++)
	{
		if (find_told(telling->new, n, telling->old[i].name) == NULL)
			notify("closed", telling->old[i].name, telling->old[i].rank, NULL);
	}
}

/* --- all of it --- */

/* Whether it went well.  In somebody's session whoever cancels means what he called. */
static bool
try(SlmStep step, void *arg, bool session)
{
	SlmRun		run = {.procedure = PROCESS};
	ErrorData  *error = slm_try_step(&run, step, arg);

	if (error == NULL)
		return true;
	if (session && ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		ReThrowError(error);
	if (slm_process_failed(PROCESS, error))
		ereport(LOG,
				(errcode(error->sqlerrcode),
				 errmsg("what is shown in sellometer.health could not be brought up to date: %s", error->message)));
	FreeErrorData(error);
	return false;
}

static bool
tell(int slot, bool session)
{
	Telling    *telling = palloc0(sizeof(Telling));
	bool		ok;

	telling->session = session;
	telling->nold = slm_slot_get_told(slot, telling->old);
	ok = try(tell_step, telling, session);
	if (ok)
		slm_slot_set_told(slot, telling->new, telling->nnew);
	pfree(telling);
	return ok;
}

void
slm_health_tell_instead(void)
{
	int			slot = slm_slot_named(get_database_name(MyDatabaseId));

	if (slot >= 0 && TimestampDifferenceExceeds(slm_slot_told_at(slot), GetCurrentTimestamp(), slm_stuck_after * 1000))
		(void) tell(slot, true);
}

void
slm_health_look(int slot, bool at_once)
{
	static TimestampTz next = 0;
	static TimestampTz next_jobs = 0;
	TimestampTz now = GetCurrentTimestamp();
	bool		ok;

	if (at_once)
		next = next_jobs = 0;
	if (now < next)
		return;
	next = now + TELL_EVERY;
	ok = try(settings_step, &slot, false);
	if (now >= next_jobs)
	{
		next_jobs = now + JOBS_EVERY;
		ok = try(jobs_step, &slot, false) && ok;
	}
	if (tell(slot, false) && ok)
		(void) slm_process_well(PROCESS);
}
