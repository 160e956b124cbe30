/*
 * head.c: how far the data has got, of all and of each source.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "guc.h"
#include "ledger/head.h"
#include "server/locks.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

TimestampTz
slm_head_read(void)
{
	static SlmStatement statement = {"SELECT head FROM sellometer.state"};

	if (slm_execute(&statement, NULL, NULL, SPI_OK_SELECT) != 1)
		elog(ERROR, "sellometer.state must have one row");
	return slm_int64(0, 1, DT_NOBEGIN);
}

TimestampTz
slm_head_advance(SlmObject *objects, int n, TimestampTz head)
{
	static SlmStatement source_head = {
		"UPDATE sellometer.sources SET head = $2 WHERE name = $1 AND (head IS NULL OR head < $2)",
		2, {TEXTOID, TIMESTAMPTZOID}
	};
	static SlmStatement all_heads = {
		"UPDATE sellometer.state SET head = $1 WHERE head IS NULL OR head < $1", 1, {TIMESTAMPTZOID}
	};
	TimestampTz newest = head;

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	for (int i = 0; i < n; i++)
	{
		TimestampTz best = objects[i].median;
		bool		first = true;

		if (objects[i].number < 0 || TIMESTAMP_IS_NOBEGIN(best))
			continue;
		newest = Max(newest, best);
		/* one statement a source: the first object of each looks through the rest */
		for (int j = 0; j < n; j++)
		{
			if (objects[j].number < 0 || strcmp(objects[j].source, objects[i].source) != 0)
				continue;
			if (j < i)
			{
				first = false;
				break;
			}
			best = Max(best, objects[j].median);
		}
		if (first)
		{
			Datum		args[2] = {CStringGetTextDatum(objects[i].source), TimestampTzGetDatum(best)};

			slm_execute(&source_head, args, NULL, SPI_OK_UPDATE);
		}
	}
	if (newest > head)
	{
		Datum		arg = TimestampTzGetDatum(newest);

		slm_execute(&all_heads, &arg, NULL, SPI_OK_UPDATE);
	}
	return newest;
}

void
slm_head_take_back(const char *source, TimestampTz moved_to)
{
	static SlmStatement statement = {
		"SELECT sellometer.take_back_head($1, $2, make_interval(secs => $3))", 3, {TEXTOID, TIMESTAMPTZOID, INT4OID}
	};
	Datum		args[3] = {CStringGetTextDatum(source), TimestampTzGetDatum(moved_to), Int32GetDatum(slm_live_lateness)};

	Assert(slm_lock_held(SLM_LOCK_WRITER));

	slm_execute(&statement, args, NULL, SPI_OK_SELECT);
}
