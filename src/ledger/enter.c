/*
 * enter.c: what was listed, entered into the ledger.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "ledger/enter.h"
#include "ledger/key_time.h"
#include "server/crash_point.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/*
 * A new ETag of a known key may be a changed object, or just the same one again: what is counted stays, and reading the new one
 * will tell (identity.h).  That is not put off because of the time in its key, so it is entered without one.  If the first was not loaded yet, it is skipped in favour of the new.  What somebody has put aside unread
 * is known by its ETag, which a copy, or a file that was moved, keeps.  Two backends may list at the same time.
 * An object that has failed because it was not there (58P01), and is listed again, waits again: for a while, lest a list that is wrong keep us busy.
 *
 * To skip the first may have to wait for somebody who is loading it.  Whether it is counted then, only another statement can tell, whose
 * snapshot is taken after the wait.
 *
 * The array and each OFFSET 0 keep the planner, who may believe the ledger empty while a first listing fills it, from
 * comparing each key with each object: what has an OFFSET is looked up by its key, and not made a join.
 */
#define FRESH \
	"WITH listed AS (SELECT key, etag, max(size) AS size, max(last_modified) AS last_modified, max(object_time) AS object_time " \
	"FROM unnest($2, $3, $4, $5, $6) AS l (key, etag, size, last_modified, object_time) GROUP BY key, etag), " \
	"fresh AS (SELECT * FROM listed l WHERE NOT EXISTS (SELECT 1 FROM sellometer.objects o " \
	"WHERE o.source = $1 AND o.key = l.key AND o.etag = l.etag OFFSET 0))"

static SlmStatement supersede_statement = {
	FRESH ", superseded AS (UPDATE sellometer.objects SET state = 'skipped', next_attempt = NULL, "
	"error = 'changed before it was loaded', sqlstate = NULL WHERE id = ANY (ARRAY(SELECT o.id FROM fresh f "
	"CROSS JOIN LATERAL (SELECT k.id FROM sellometer.objects k WHERE k.source = $1 AND k.key = f.key OFFSET 0) o)) "
	"AND state IN ('pending', 'backlog', 'failed') AND resume_row = 0 AND rows_total = 0), "
	"again AS (UPDATE sellometer.objects SET state = 'pending', attempts = 0, next_attempt = clock_timestamp() + '10 seconds' "
	"WHERE id = ANY (ARRAY(SELECT o.id FROM listed l CROSS JOIN LATERAL (SELECT k.id FROM sellometer.objects k "
	"WHERE k.source = $1 AND k.key = l.key AND k.etag = l.etag AND k.state = 'failed' AND k.sqlstate = '58P01' OFFSET 0) o "
	"WHERE (SELECT EXISTS (SELECT FROM sellometer.objects g WHERE g.source = $1 AND g.state = 'failed' AND g.sqlstate = '58P01')))) "
	"AND state = 'failed') "
	"SELECT FROM fresh",
	6, {TEXTOID, TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID}
};

static SlmStatement discover_statement = {
	FRESH " INSERT INTO sellometer.objects (source, key, etag, size, last_modified, object_time, state, error) "
	"SELECT $1, f.key, f.etag, f.size, f.last_modified, CASE WHEN NOT known.counted THEN f.object_time END, "
	"CASE WHEN known.unwanted THEN 'skipped' ELSE 'pending' END, "
	"CASE WHEN known.unwanted THEN 'same size and ETag as an object that was put aside before it was read (sellometer_retry() loads it)' END "
	"FROM fresh f CROSS JOIN LATERAL (SELECT EXISTS (SELECT 1 FROM sellometer.objects o "
	"WHERE o.source = $1 AND o.key = f.key AND (o.state IN ('done', 'archived') OR o.resume_row > 0) OFFSET 0) AS counted, "
	"EXISTS (SELECT 1 FROM sellometer.objects o WHERE o.unwanted AND o.checksum IS NULL AND o.etag = f.etag AND o.size = f.size OFFSET 0) AS unwanted) known "
	"ORDER BY f.object_time NULLS LAST, f.key "
	"ON CONFLICT (source, key, etag) DO NOTHING",
	6, {TEXTOID, TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID}
};

int
slm_ledger_enter(const char *source, const SlmListed *listed, int n)
{
	Datum	   *columns[5];
	bool	   *null_times = palloc(sizeof(bool) * Max(n, 1));
	int64		offset = slm_key_offset(source);
	Datum		args[6];

	for (int c = 0; c < 5; c++)
		columns[c] = palloc(sizeof(Datum) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		TimestampTz time = slm_key_time(listed[i].key);

		columns[0][i] = CStringGetTextDatum(listed[i].key);
		columns[1][i] = CStringGetTextDatum(listed[i].etag);
		columns[2][i] = Int64GetDatum(listed[i].size);
		columns[3][i] = TimestampTzGetDatum(listed[i].last_modified);
		columns[4][i] = TimestampTzGetDatum(TIMESTAMP_IS_NOBEGIN(time) ? time : time + offset);
		null_times[i] = TIMESTAMP_IS_NOBEGIN(time);
	}
	args[0] = CStringGetTextDatum(source);
	args[1] = slm_array(columns[0], NULL, n, TEXTOID);
	args[2] = slm_array(columns[1], NULL, n, TEXTOID);
	args[3] = slm_array(columns[2], NULL, n, INT8OID);
	args[4] = slm_array(columns[3], NULL, n, TIMESTAMPTZOID);
	args[5] = slm_array(columns[4], null_times, n, TIMESTAMPTZOID);
	if (slm_execute_by_index(&supersede_statement, args, NULL, SPI_OK_SELECT) == 0)
		return 0;
	SLM_CRASH_POINT("list.superseded");
	return (int) slm_execute_by_index(&discover_statement, args, NULL, SPI_OK_INSERT);
}
