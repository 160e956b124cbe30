/*
 * status.c: sellometer_wake(), and what the views status and progress take from shared memory.
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "fmgr.h"
#include "funcapi.h"
#include "ingest/shmem.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(sellometer_wake);
PG_FUNCTION_INFO_V1(sellometer_progress_entries);
PG_FUNCTION_INFO_V1(sellometer_in_surge);
PG_FUNCTION_INFO_V1(sellometer_worker_pid);
PG_FUNCTION_INFO_V1(sellometer_is_configured);

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
	double		share;
	TimestampTz now = GetCurrentTimestamp();

	if (p->bytes_total <= 0 || p->bytes_done <= 0)
		return false;
	share = Min(1.0, (double) p->bytes_done / (double) p->bytes_total);
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
		values[5] = Int64GetDatum(p->bytes_done);
		values[6] = Int64GetDatum(p->bytes_total);
		values[7] = Int64GetDatum(p->rows_done);
		values[8] = TimestampTzGetDatum(p->started);
		nulls[9] = !estimate_finish(p, &finish);
		values[9] = TimestampTzGetDatum(nulls[9] ? 0 : finish);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
