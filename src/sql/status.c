/*
 * status.c: sellometer_wake(), and what the views status, progress and health take from shared memory.
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "server/alive.h"
#include "server/processes.h"
#include "server/progress.h"
#include "server/shmem.h"
#include "server/worker_slots.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(sellometer_wake);
PG_FUNCTION_INFO_V1(sellometer_progress_entries);
PG_FUNCTION_INFO_V1(sellometer_in_surge);
PG_FUNCTION_INFO_V1(sellometer_worker_pid);
PG_FUNCTION_INFO_V1(sellometer_is_configured);
PG_FUNCTION_INFO_V1(sellometer_is_preloaded);
PG_FUNCTION_INFO_V1(sellometer_database_is_read_only);
PG_FUNCTION_INFO_V1(sellometer_process_entries);
PG_FUNCTION_INFO_V1(sellometer_job_entries);
PG_FUNCTION_INFO_V1(sellometer_worker_entries);
PG_FUNCTION_INFO_V1(sellometer_signs_of_life);

Datum
sellometer_wake(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(slm_wake_worker());
}

Datum
sellometer_in_surge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(slm_in_surge());
}

Datum
sellometer_worker_pid(PG_FUNCTION_ARGS)
{
	int			pid = slm_worker_pid();

	if (pid == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(pid);
}

Datum
sellometer_is_configured(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(slm_is_configured(get_database_name(MyDatabaseId)));
}

/* When the work will be finished if it goes on as so far; only once there is something to go by. */
static bool
estimate_finish(const SlmProgress *p, TimestampTz *finish)
{
	double		share = slm_progress_share(p);
	TimestampTz now = GetCurrentTimestamp();

	if (share <= 0)
		return false;
	*finish = p->started + (TimestampTz) ((double) (now - p->started) / share);
	return true;
}

/* (pid, task, phase, objects_done, objects_total, bytes_done, bytes_total, rows_done, started, estimated_finish) */
Datum
sellometer_progress_entries(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	SlmProgress entries[SLM_MAX_PROGRESS];
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	n = slm_progress_read(entries);
	for (int i = 0; i < n; i++)
	{
		const SlmProgress *p = &entries[i];
		Datum		values[10];
		bool		nulls[10] = {0};
		TimestampTz finish;

		if (p->database != MyDatabaseId)
			continue;
		values[0] = Int32GetDatum(p->pid);
		values[1] = CStringGetTextDatum(p->task);
		values[2] = CStringGetTextDatum(p->phase);
		values[3] = Int64GetDatum(p->objects_done);
		values[4] = Int64GetDatum(p->objects_total);
		values[5] = Int64GetDatum(p->bytes_done + p->large_loaded);
		values[6] = Int64GetDatum(p->bytes_total);
		values[7] = Int64GetDatum(p->rows_done);
		values[8] = TimestampTzGetDatum(p->started);
		nulls[9] = !estimate_finish(p, &finish);
		values[9] = TimestampTzGetDatum(nulls[9] ? 0 : finish);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

Datum
sellometer_is_preloaded(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(slm_shmem_ready());
}

Datum
sellometer_database_is_read_only(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(slm_database_read_only());
}

/* Messages may tell of servers, roles and credentials: who may not read those of sources gets none. */
static bool
may_read_messages(void)
{
	return DatumGetBool(DirectFunctionCall3(has_column_privilege_name_name, CStringGetTextDatum("sellometer.sources"),
											CStringGetTextDatum("last_error"), CStringGetTextDatum("SELECT")));
}

static void
put_message(Datum *value, bool *isnull, const char *message, bool readable)
{
	*isnull = !readable || message[0] == '\0';
	*value = *isnull ? (Datum) 0 : CStringGetTextDatum(message);
}

static void
put_time(Datum *value, bool *isnull, TimestampTz time)
{
	*isnull = time == 0;
	*value = TimestampTzGetDatum(time);
}

/* (well_at, failing_since, failed_at, failures, sqlstate, message, hint) */
static void
put_process(Datum *values, bool *nulls, const SlmProcess *p, bool readable)
{
	put_time(&values[0], &nulls[0], p->well_at);
	put_time(&values[1], &nulls[1], p->failing_since);
	put_time(&values[2], &nulls[2], p->failed_at);
	values[3] = Int64GetDatum(p->failures);
	nulls[4] = p->failed_at == 0;
	values[4] = CStringGetTextDatum(unpack_sql_state(p->sqlstate));
	put_message(&values[5], &nulls[5], p->message, readable);
	put_message(&values[6], &nulls[6], p->hint, readable);
}

/* (name, and what put_process() puts) */
Datum
sellometer_process_entries(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	SlmProcess *entries = palloc(sizeof(SlmProcess) * SLM_MAX_PROCESSES);
	bool		readable = may_read_messages();
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	n = slm_processes_read(entries);
	for (int i = 0; i < n; i++)
	{
		const SlmProcess *p = &entries[i];
		Datum		values[8];
		bool		nulls[8] = {0};

		values[0] = CStringGetTextDatum(p->name);
		put_process(&values[1], &nulls[1], p, readable);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	pfree(entries);
	return (Datum) 0;
}

/* (job, looked_at, scheduled, active, last_run, status, message, since) */
Datum
sellometer_job_entries(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	SlmJob		jobs[SLM_MAX_JOBS];
	bool		readable = may_read_messages();
	TimestampTz looked_at = 0;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	n = slm_jobs_read(jobs, &looked_at);
	for (int i = 0; i < n; i++)
	{
		const SlmJob *job = &jobs[i];
		Datum		values[8];
		bool		nulls[8] = {0};

		values[0] = CStringGetTextDatum(job->name);
		values[1] = TimestampTzGetDatum(looked_at);
		values[2] = BoolGetDatum(job->scheduled);
		values[3] = BoolGetDatum(job->active);
		put_time(&values[4], &nulls[4], job->last_run);
		put_message(&values[5], &nulls[5], job->status, true);
		put_message(&values[6], &nulls[6], job->message, readable);
		values[7] = TimestampTzGetDatum(job->since);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* (database, pid, no_extension, lacking, and what put_process() puts) */
Datum
sellometer_worker_entries(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	SlmWorkerInfo *workers = palloc(sizeof(SlmWorkerInfo) * SLM_MAX_DATABASES);
	bool		readable = may_read_messages();
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	n = slm_workers_read(workers);
	for (int i = 0; i < n; i++)
	{
		const SlmWorkerInfo *worker = &workers[i];
		Datum		values[11];
		bool		nulls[11] = {0};

		values[0] = CStringGetTextDatum(worker->name);
		nulls[1] = worker->pid == 0;
		values[1] = Int32GetDatum(worker->pid);
		values[2] = BoolGetDatum(worker->no_extension);
		values[3] = Int32GetDatum(worker->lacking);
		put_process(&values[4], &nulls[4], &worker->start, readable);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	pfree(workers);
	return (Datum) 0;
}

/* (process, pid, last, stuck, at, state, waits_for) */
Datum
sellometer_signs_of_life(PG_FUNCTION_ARGS)
{
	static const char *const kinds[] = {"launcher", "worker", "parse worker"};
	static const char *const states[] = {"busy", "stopped", "waits for a lock", "waits", "in a call"};
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	SlmAlive   *alive = palloc(sizeof(SlmAlive) * SLM_MAX_ALIVE);
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	n = slm_alive_read(alive);
	for (int i = 0; i < n; i++)
	{
		const SlmAlive *a = &alive[i];
		Datum		values[7];
		bool		nulls[7] = {0};

		values[0] = CStringGetTextDatum(kinds[a->kind]);
		values[1] = Int32GetDatum(a->pid);
		values[2] = TimestampTzGetDatum(a->last);
		values[3] = BoolGetDatum(a->stuck);
		values[4] = CStringGetTextDatum(a->at);
		nulls[5] = !a->stuck;
		values[5] = CStringGetTextDatum(states[a->state]);
		nulls[6] = !a->stuck || a->waits_for == NULL;
		values[6] = nulls[6] ? (Datum) 0 : CStringGetTextDatum(a->waits_for);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	pfree(alive);
	return (Datum) 0;
}
