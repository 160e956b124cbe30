"""Operations: what an engineer on call looks at first, at the top left; then how it comes, and what it has come to."""
from parts import (BYTES, COUNT, GREEN, LONG, NUMBER, ORANGE, RED, SECONDS, SEVERITY, SIZE, SPAN, TEXT, TIME, any_of, column, dashboard,
                   freshness, gauge, lines, named, query_variable, seconds, sql, stat, steps, table)



def binned(column):
    """
    The point of a column: what $__timeGroup gives, without arithmetic of numeric, which takes longer than reading.  Where it is grouped by in a
    subquery with OFFSET 0, the planner expects few points, as there are, and need not sort.
    """
    return f"date_bin(make_interval(secs => $__interval_ms * 0.001), {column}, 'epoch')"


INGESTED = f"FROM sellometer.objects WHERE $__timeFilter(ingested_at) AND {any_of('source', 'source')}"
OUTCOME = named(failed=RED, died=RED, done=GREEN, held=ORANGE)

# What of sellometer.health is about a source: named after it, with control characters shown, as there.  All that is said of one stands in one
# column, the second: there it is seen on a telephone too, beside the state, and wide enough for lines that are read.
SOURCES = sql("""
    SELECT coalesce(h.state, 'ok') AS state, concat_ws(': ', sellometer.shown(s.source), nullif(concat_ws(' | ',
            CASE WHEN strpos(coalesce(h.detail, ''), s.last_error) > 0 THEN NULL ELSE s.last_error END, h.detail), '')) AS "source, and its last error",
        date_trunc('second', s.last_error_at) AS "error at"
    FROM sellometer.status s
    LEFT JOIN LATERAL (
        SELECT (array_agg(x.severity ORDER BY array_position(ARRAY['critical', 'warning', 'info', 'ok'], x.severity)))[1] AS state,
            string_agg(x.detail, ' | ' ORDER BY array_position(ARRAY['critical', 'warning', 'info', 'ok'], x.severity), x.name)
                FILTER (WHERE x.severity <> 'ok' AND strpos(coalesce(s.last_error, ''), x.detail) = 0) AS detail
        FROM sellometer.health x
        WHERE x.name IN ('source ' || sellometer.shown(s.source), 'objects of ' || sellometer.shown(s.source), 'arrivals of ' || sellometer.shown(s.source),
            'expired rows of ' || sellometer.shown(s.source))) h ON true
    ORDER BY array_position(ARRAY['critical', 'warning', 'info', 'ok'], coalesce(h.state, 'ok')), s.source""")

# With a row that says so if all is well, as an empty table does not.
HEALTH = sql("""
    SELECT severity, said AS "what it is, and what to do", since AS "time"
    FROM (SELECT severity, name, concat_ws(' ', name || ': ' || detail || '.', hint) AS said, date_trunc('second', since) AS since
        FROM sellometer.health
        WHERE severity IN ('warning', 'critical')
        UNION ALL
        SELECT 'ok', '', 'All is well.', NULL
        WHERE NOT EXISTS (SELECT FROM sellometer.health WHERE severity IN ('warning', 'critical'))) h
    ORDER BY severity, name""")

FAILURES = """
        SELECT coalesce(ingested_at, discovered_at) AS at, 'object' AS what, source || ': ' || key AS name, coalesce(error, '') AS error
        FROM sellometer.objects WHERE state = 'failed'
        UNION ALL
        SELECT discovered_at, 'object, tried again', source || ': ' || key, error
        FROM sellometer.objects WHERE state IN ('pending', 'backlog') AND error IS NOT NULL
        UNION ALL
        SELECT coalesce(finished, started), 'procedure ' || outcome, procedure, coalesce(detail ->> 'error', detail::text, '')
        FROM sellometer.runs WHERE outcome IN ('failed', 'died')
        UNION ALL
        SELECT last_error_at, 'source', source, last_error
        FROM sellometer.status WHERE enabled AND source IN (SELECT name FROM sellometer.sources WHERE last_error_at IS NOT NULL)"""


def first_screen():
    return [
        table("Sources", "Each source, the worst first, with the whole of its last error and what health says of it.", SOURCES, 12, 15, columns={
            "state": column(width=75, color=SEVERITY), "source, and its last error": column(least=280, wrap=True),
            "error at": TIME}),
        table("Health", "What is not well, the worst first: all of sellometer.health that is warning or critical.", HEALTH, 12, 15, columns={
            "severity": column(width=75, color=SEVERITY), "what it is, and what to do": column(least=280, wrap=True), "time": TIME}),
        freshness()[1],
        stat("From arrival to table", "Time from an object's arrival to its rows being visible: the last one's, or the age of the oldest that waits.",
             "SELECT max(extract(epoch FROM arrival_lag)) AS lag FROM sellometer.status WHERE enabled", SECONDS,
             thresholds=steps((None, GREEN), (10, ORANGE), (120, RED))),
        stat("Waiting", "Bytes of objects that are found and not loaded yet.",
             "SELECT sum(pending_bytes) AS pending FROM sellometer.status", BYTES, thresholds=steps((None, GREEN), (256e6, ORANGE))),
        stat("Backlog", "Late objects that wait for sellometer_merge_backlog().",
             "SELECT sum(backlog_objects) AS backlog FROM sellometer.status", thresholds=steps((None, GREEN), (1000, ORANGE)), decimals=0),
        stat("Failed objects", "Objects that were given up: see the list below, then sellometer_retry() or sellometer_skip().",
             "SELECT sum(failed_objects) AS failed FROM sellometer.status", thresholds=steps((None, GREEN), (1, RED)), decimals=0),
        stat("Worker", "Does a worker load into this database, and is a surge on?",
             sql("""
            SELECT CASE WHEN max(worker_pid) IS NULL THEN 0 WHEN bool_or(surge) THEN 2 ELSE 1 END AS worker
            FROM sellometer.status"""), thresholds=steps((None, RED), (1, GREEN), (2, ORANGE)),
             mappings=[{"type": "value", "options": {"0": {"text": "none", "color": RED, "index": 0}, "1": {"text": "running", "color": GREEN, "index": 1},
                                                     "2": {"text": "surge", "color": ORANGE, "index": 2}}}])]


def what_failed():
    return [
        table("What failed, and when", "Objects, runs of procedures and sources, the newest first, each with its whole error; of objects, when they were found.",
              sql(f"""
            SELECT {seconds('at')} AS "time", concat_ws(': ', what || ' ' || name, nullif(error, '')) AS "what failed, and its error"
            FROM ({FAILURES}) f
            WHERE $__timeFilter(at)
            ORDER BY at DESC, what, name
            LIMIT 200"""), 24, 18, columns={"time": TIME, "what failed, and its error": column(least=180, wrap=True)}),
        lines("Failures over time", "The same, by what it was.",
              sql(f"""
            SELECT $__timeGroupAlias(at, $__interval), what AS metric, count(*) AS value
            FROM ({FAILURES}) f
            WHERE $__timeFilter(at)
            GROUP BY 1, 2
            ORDER BY 1, 2"""), NUMBER, 24, 8, stack=True, bars=True, legend=("sum",), decimals=0)]


def arrivals():
    return [
        lines("Rows loaded", "Rows of the objects loaded, per second, by what became of them.",
              sql(f"""
            SELECT "time", metric, rows / extract(epoch FROM interval '$__interval') AS value
            FROM (SELECT "time", sum(rows_counted) AS counted, sum(rows_duplicate) AS "seen before", sum(rows_rejected) AS rejected, sum(rows_expired) AS expired
                FROM (SELECT {binned('ingested_at')} AS "time", rows_counted, rows_duplicate, rows_rejected, rows_expired
                    {INGESTED} OFFSET 0) i
                GROUP BY 1) o
            CROSS JOIN LATERAL (VALUES ('counted', counted), ('seen before', "seen before"), ('rejected', rejected), ('expired', expired)) v (metric, rows)
            ORDER BY 1, 2"""), "rowsps", 8, 9, stack=True, bars=True, legend=("mean", "max"), interval="10s"),
        lines("From arrival to table, over time", "Half of the objects, and 99 of 100, are visible this long after they have arrived.",
              sql(f"""
            SELECT {binned('ingested_at')} AS "time",
                percentile_cont(0.5) WITHIN GROUP (ORDER BY date_part('epoch', ingested_at - last_modified)) AS "median",
                percentile_cont(0.99) WITHIN GROUP (ORDER BY date_part('epoch', ingested_at - last_modified)) AS "99 %"
            {INGESTED}
            GROUP BY 1
            ORDER BY 1"""), SECONDS, 8, 9, interval="10s", points="auto"),
        lines("Rejected rows by reason", "Rows that could not be used, of those kept as examples (sellometer.max_rejects_kept for each object).",
              sql(f"""
            SELECT "time", metric, count(*) AS value
            FROM (SELECT {binned('rejected_at')} AS "time", reason AS metric FROM sellometer.rejected_rows WHERE $__timeFilter(rejected_at) OFFSET 0) r
            GROUP BY 1, 2
            ORDER BY 1, 2"""), NUMBER, 8, 9, stack=True, bars=True, legend=("sum",), decimals=0),
        table("Sources in numbers", "Up to where each source's data is, what waits of it, how fast it is loaded, and how often it was listed.",
              sql("""
            SELECT sellometer.shown(source) AS source, date_trunc('second', head) AS "data up to", extract(epoch FROM event_lag) AS "behind the clock", pending_objects AS waiting, failed_objects AS failed,
                backlog_objects AS backlog, pending_bytes AS "waiting bytes", rows_per_second AS "rows/s", list_requests AS lists
            FROM sellometer.status
            ORDER BY pending_bytes DESC, status.source"""), 24, 6, columns={"source": column(least=150), "data up to": TIME, "behind the clock": column(SECONDS, width=140), "waiting": COUNT, "failed": COUNT, "backlog": COUNT, "waiting bytes": column(BYTES, width=120),
                                                                     "rows/s": column(NUMBER, width=80, decimals=1), "lists": COUNT}),
        table("Rejected rows", "The newest of those kept as examples: where each stands, what was wrong, and the line, of very long ones the beginning.",
              sql("""
            SELECT date_trunc('second', rejected_at) AS "time",
                concat_ws(': ', source, key || ', line ' || line, coalesce(nullif(detail, ''), concat_ws(': ', column_name, reason)))
                    || coalesce(' | ' || nullif(left(raw, 250), ''), '') || CASE WHEN length(raw) > 250 THEN ' … (more in sellometer.rejected_rows)' ELSE '' END AS "the row, and its error"
            FROM sellometer.rejected_rows
            WHERE $__timeFilter(rejected_at)
            ORDER BY rejected_at DESC, source, key, line
            LIMIT 200"""), 24, 29, columns={"time": TIME, "the row, and its error": column(least=180, wrap=True)}),
        table("Failed objects", "Each with the reason. sellometer_retry(source, key) has it loaded again, sellometer_skip(source, key) never.",
              sql("""
            SELECT source || ': ' || key AS object, error, sqlstate, attempts, date_trunc('second', next_attempt) AS "next attempt", size, date_trunc('second', discovered_at) AS "time"
            FROM sellometer.objects
            WHERE state = 'failed'
            ORDER BY id DESC
            LIMIT 200"""), 24, 18, columns={"object": column(width=160, inspect=True), "error": column(least=180, wrap=True), "attempts": column(NUMBER, width=95, decimals=0), "next attempt": TIME, "size": SIZE,
                                            "time": TIME})]


def work():
    return [
        table("Under way", "What is being done now.",
              sql("""
            SELECT task, phase, objects_done AS objects, objects_total AS "of objects", bytes_done AS bytes, bytes_total AS "of bytes",
                rows_done AS rows, date_trunc('second', started) AS "time", date_trunc('second', estimated_finish) AS "estimated finish", pid::text AS process
            FROM sellometer.progress"""), 12, 7, columns={"objects": COUNT, "of objects": column(NUMBER, width=100, decimals=0), "bytes": SIZE, "of bytes": column(BYTES, width=95), "rows": COUNT, "time": TIME,
                                                          "estimated finish": TIME}),
        gauge("Objects by state", "All objects ever seen.",
              "SELECT state, count(*) AS objects FROM sellometer.objects GROUP BY 1 ORDER BY 1", width=12, height=7, rows=True, min=0, decimals=0,
              overrides=[{"matcher": {"id": "byName", "options": "state"}, "properties": [{"id": "unit", "value": TEXT}]}]),
        table("Runs", "Of the procedures that did something, the newest first.",
              sql("""
            SELECT outcome, procedure, date_trunc('second', started) AS "time", extract(epoch FROM coalesce(finished, clock_timestamp()) - started) AS took, detail::text AS detail
            FROM sellometer.runs
            WHERE $__timeFilter(started)
            ORDER BY id DESC
            LIMIT 200"""), 12, 12, columns={"outcome": column(width=75, color=OUTCOME), "procedure": column(width=110), "time": TIME,
                                            "took": SPAN, "detail": LONG}),
        table("Tiers", "What each tier holds: on disk with its indexes, rows about, and up to where it is rolled up.",
              sql("""
            SELECT t.name AS tier, sum(pg_total_relation_size(i.inhrelid)) AS size, sum(greatest(p.reltuples, 0))::bigint AS "rows",
                CASE WHEN isfinite(t.watermark) THEN t.watermark END AS "complete up to", coalesce(t.retention::text, 'ever') AS "kept for",
                count(DISTINCT i.inhrelid) AS partitions
            FROM sellometer.tiers t
            CROSS JOIN sellometer.dimensions() d
            LEFT JOIN pg_inherits i ON i.inhparent = to_regclass(format('sellometer.%I', d.dimension || '_' || t.name))
            LEFT JOIN pg_class p ON p.oid = i.inhrelid
            GROUP BY t.name, t.position, t.retention, t.watermark
            ORDER BY t.position"""), 12, 12, columns={"size": SIZE, "rows": column(NUMBER, width=110, decimals=0), "partitions": column(NUMBER, width=95, decimals=0), "complete up to": TIME})]


def operations():
    return dashboard("sellometer-operations", "Sellometer: Operations", "Is the data coming in, and what does not?",
                     [*first_screen(), *what_failed(), *arrivals(), *work()], [
        query_variable("source", "Source", "SELECT name AS __value FROM sellometer.sources ORDER BY 1")], time="now-3h", refresh="10s")
