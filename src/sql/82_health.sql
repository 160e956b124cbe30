/*
 * Health: one place that tells the truth, cheap enough to be asked every ten seconds.
 *
 *   sellometer.health  =  health_server, health_workers, health_processes, health_jobs, health_sources, health_objects, health_arrivals,
 *                          health_archives, health_dimensions
 *
 * A row a thing, whether it is well or not: who finds no row of a thing knows that it is not watched, not that it is well.  Nothing here
 * reads more than some hundred rows of the ledger for each source.  Readers see it too: messages that may tell of servers, roles and
 * credentials are for who may read sellometer.sources.last_error.
 */
CREATE FUNCTION sellometer.is_preloaded()
RETURNS boolean
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_is_preloaded';
COMMENT ON FUNCTION sellometer.is_preloaded() IS 'Is the library in shared_preload_libraries?';

CREATE FUNCTION sellometer.database_is_read_only()
RETURNS boolean
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_database_is_read_only';
COMMENT ON FUNCTION sellometer.database_is_read_only() IS
	'Are transactions of this database read-only by default, as its worker sees it?';

CREATE FUNCTION sellometer.process_entries(
	OUT name text, OUT well_at timestamptz, OUT failing_since timestamptz, OUT failed_at timestamptz, OUT failures bigint,
	OUT sqlstate text, OUT message text, OUT hint text)
RETURNS SETOF record
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_process_entries';
COMMENT ON FUNCTION sellometer.process_entries() IS
	'How the worker (load) and each procedure have ended last since the server was started, and their last error; messages for who may read sellometer.sources.last_error';

CREATE FUNCTION sellometer.job_entries(
	OUT job text, OUT looked_at timestamptz, OUT scheduled boolean, OUT active boolean, OUT last_run timestamptz,
	OUT status text, OUT message text, OUT since timestamptz)
RETURNS SETOF record
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_job_entries';
COMMENT ON FUNCTION sellometer.job_entries() IS
	'The jobs of pg_cron as the worker has last seen them; messages for who may read sellometer.sources.last_error';

CREATE FUNCTION sellometer.worker_entries(
	OUT database text, OUT pid integer, OUT no_extension boolean, OUT lacking integer, OUT well_at timestamptz, OUT failing_since timestamptz,
	OUT failed_at timestamptz, OUT failures bigint, OUT sqlstate text, OUT message text, OUT hint text)
RETURNS SETOF record
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_worker_entries';
COMMENT ON FUNCTION sellometer.worker_entries() IS
	'The databases in sellometer.database: their workers, and what keeps these from being started or from connecting; messages for who may read sellometer.sources.last_error';

CREATE FUNCTION sellometer.signs_of_life(
	OUT process text, OUT pid integer, OUT last timestamptz, OUT stuck boolean, OUT at text, OUT state text, OUT waits_for text)
RETURNS SETOF record
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_signs_of_life';
COMMENT ON FUNCTION sellometer.signs_of_life() IS
	'When the launcher, and the worker and parse workers of this database, last gave a sign of life, and what those that are stuck seem to be at';

CREATE FUNCTION sellometer.what_is_stuck(pid integer, last timestamptz, at text, state text, waits_for text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('process %s has given no sign of life since %s, at: %s; %s', pid, sellometer.moment(last), at, CASE state
		WHEN 'stopped' THEN 'it is stopped'
		WHEN 'waits for a lock' THEN 'it waits for a lock' || coalesce(' of process ' || nullif(array_to_string(array_remove(b.pids, 0), ', '), ''), '')
			|| CASE WHEN 0 = ANY (b.pids) THEN ' of a prepared transaction' ELSE '' END
		WHEN 'waits' THEN format('it waits for %s', waits_for)
		WHEN 'in a call' THEN 'it is in a call of the operating system: a disk, a network or a pipe does not answer'
		ELSE 'it is busy' END)
	FROM (SELECT CASE WHEN state = 'waits for a lock' THEN pg_blocking_pids(pid) END AS pids) b
$$;
COMMENT ON FUNCTION sellometer.what_is_stuck(integer, timestamptz, text, text, text) IS 'What sellometer.health says of a process that is stuck';

CREATE FUNCTION sellometer.what_helps(pid integer, state text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN state = 'stopped' THEN format('On the server, kill -CONT %s has it go on.', pid)
		WHEN state = 'waits for a lock' THEN coalesce('Have that transaction end; pg_terminate_backend(' || (array_remove(pg_blocking_pids(pid), 0))[1] || ') ends it.',
			'See pg_locks and pg_prepared_xacts for who has it: COMMIT PREPARED or ROLLBACK PREPARED ends a prepared transaction.')
		WHEN state = 'in a call' THEN 'Do the file systems of the sources, archives and the database answer?  Who waits there can often not be ended before they do.'
		ELSE format('See pg_stat_activity; pg_terminate_backend(%s) has another take its place.', pid) END
$$;
COMMENT ON FUNCTION sellometer.what_helps(integer, text) IS 'The hint of sellometer.health about a process that is stuck';

CREATE VIEW sellometer.health_server AS
SELECT 'preload' AS name,
	CASE WHEN sellometer.is_preloaded() THEN 'ok' ELSE 'warning' END AS severity,
	NULL::timestamptz AS since,
	CASE WHEN sellometer.is_preloaded() THEN 'sellometer is in shared_preload_libraries' ELSE 'sellometer is not in shared_preload_libraries' END AS detail,
	CASE WHEN NOT sellometer.is_preloaded() THEN 'Add sellometer to shared_preload_libraries and restart the server.' END AS hint
UNION ALL
SELECT 'database',
	CASE WHEN d.read_only THEN 'warning' ELSE 'ok' END,
	NULL,
	CASE WHEN d.read_only THEN 'default_transaction_read_only is on: hosters set it when a disk is full' ELSE 'transactions may write' END,
	CASE WHEN d.read_only THEN 'Loading and housekeeping go on writing.  Free space, then reset default_transaction_read_only.' END
FROM (SELECT sellometer.database_is_read_only() OR EXISTS (SELECT FROM pg_catalog.pg_db_role_setting s
		WHERE s.setrole = 0 AND s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
		AND s.setconfig && ARRAY['default_transaction_read_only=on', 'default_transaction_read_only=true', 'default_transaction_read_only=1',
			'default_transaction_read_only=yes']) AS read_only) d
UNION ALL
SELECT 'sources',
	CASE WHEN s.enabled > 0 THEN 'ok' ELSE 'warning' END,
	NULL,
	CASE WHEN s.enabled > 0 THEN pg_catalog.format('%s of %s sources enabled', s.enabled, s.n) WHEN s.n > 0 THEN 'no source is enabled' ELSE 'there is no source' END,
	CASE WHEN s.enabled > 0 THEN NULL WHEN s.n > 0 THEN 'sellometer_enable_source() enables one.' ELSE 'sellometer_add_source() adds one.' END
FROM (SELECT pg_catalog.count(*) AS n, pg_catalog.count(*) FILTER (WHERE enabled) AS enabled FROM sellometer.sources) s
UNION ALL
SELECT 'locks',
	CASE WHEN pg_catalog.count(*) > 0 THEN 'warning' ELSE 'ok' END,
	pg_catalog.min(h.held_up_since),
	CASE WHEN pg_catalog.count(*) > 0 THEN pg_catalog.string_agg(DISTINCT pg_catalog.format('process %s holds up %s', h.pid, h.what), '; ')
		ELSE 'nobody is kept waiting for long' END,
	CASE WHEN pg_catalog.count(*) > 0 THEN 'See sellometer.lock_holders.' END
FROM sellometer.lock_holders h WHERE h.held_up_since < pg_catalog.clock_timestamp() - interval '30 seconds';
COMMENT ON VIEW sellometer.health_server IS 'Rows of sellometer.health about the server and the database';

/*
 * The processes in the background: that they run, and that they are not stuck.  What keeps the worker of another database from being started
 * is said here too: there may be no database where it could be asked.
 */
CREATE VIEW sellometer.health_workers AS
WITH alive AS MATERIALIZED (
	SELECT * FROM sellometer.signs_of_life()
), entry AS MATERIALIZED (
	SELECT e.*, e.database = pg_catalog.current_database() AS here, e.pid IS NULL AND e.failures > 0 AS failing,
		pg_catalog.format('%s (SQLSTATE %s), %s in a row, last at %s', coalesce(sellometer.shown(e.message), 'an error'), e.sqlstate, e.failures, sellometer.moment(e.failed_at)) AS why,
		coalesce(sellometer.shown(e.hint), CASE e.sqlstate
			WHEN '3D000' THEN 'Create it, or take it out of sellometer.database and restart the server.'
			WHEN '55000' THEN 'ALTER DATABASE … ALLOW_CONNECTIONS true; or take it out of sellometer.database and restart the server.'
			ELSE 'The server''s log has more of it.' END) AS what_to_do
	FROM sellometer.worker_entries() e
), mine AS (
	SELECT w.pid, a.stuck, a.last, a.at, a.state, a.waits_for, pg_catalog.pg_is_in_recovery() AS standby,
		EXISTS (SELECT FROM sellometer.sources WHERE enabled) AS wanted, e.database IS NOT NULL AS configured, e.failing, e.failing_since, e.why, e.what_to_do
	FROM (SELECT sellometer.worker_pid() AS pid) w
	LEFT JOIN alive a ON a.pid = w.pid
	LEFT JOIN entry e ON e.here
)
SELECT 'worker' AS name,
	CASE WHEN stuck THEN 'critical' WHEN pid IS NOT NULL THEN 'ok' WHEN standby THEN 'info' WHEN wanted THEN 'critical' ELSE 'warning' END AS severity,
	CASE WHEN stuck THEN last WHEN failing THEN failing_since END AS since,
	CASE WHEN stuck THEN sellometer.what_is_stuck(pid, last, at, state, waits_for)
		WHEN pid IS NOT NULL THEN pg_catalog.format('process %s loads into this database', pid)
		WHEN standby THEN 'this server is a standby: nothing is loaded here until it is promoted'
		WHEN failing THEN 'no worker runs for this database: ' || why
		ELSE pg_catalog.format('no worker runs for database %I, sellometer.database is %L', pg_catalog.current_database(),
			pg_catalog.current_setting('sellometer.database', true)) END AS detail,
	CASE WHEN stuck THEN sellometer.what_helps(pid, state)
		WHEN pid IS NOT NULL OR standby THEN NULL
		WHEN failing THEN what_to_do
		WHEN configured THEN 'It is named there, and will be started; else the server''s log says why not.  Or CALL sellometer_ingest() yourself.'
		ELSE pg_catalog.format('Add %I to sellometer.database and restart the server, or CALL sellometer_ingest() yourself.', pg_catalog.current_database()) END AS hint
FROM mine
UNION ALL
SELECT 'launcher',
	CASE WHEN a.stuck THEN 'critical' WHEN a.pid IS NOT NULL THEN 'ok' WHEN pg_catalog.pg_is_in_recovery() THEN 'info' ELSE 'warning' END,
	CASE WHEN a.stuck THEN a.last END,
	CASE WHEN a.stuck THEN sellometer.what_is_stuck(a.pid, a.last, a.at, a.state, a.waits_for)
		WHEN a.pid IS NOT NULL THEN pg_catalog.format('process %s starts workers', a.pid)
		WHEN pg_catalog.pg_is_in_recovery() THEN 'it starts when this server is promoted'
		ELSE 'it does not run: no worker is started' END,
	CASE WHEN a.stuck THEN sellometer.what_helps(a.pid, a.state)
		WHEN a.pid IS NULL AND NOT pg_catalog.pg_is_in_recovery() THEN 'The server starts it within seconds; else its log says why not.' END
FROM (SELECT WHERE sellometer.is_preloaded()) p LEFT JOIN alive a ON a.process = 'launcher'
UNION ALL
SELECT 'parse workers',
	CASE WHEN p.stuck > 0 THEN 'critical' WHEN e.lacking > 0 THEN 'warning' ELSE 'ok' END,
	p.since,
	CASE WHEN p.stuck > 0 THEN p.detail
		WHEN e.lacking > 0 THEN pg_catalog.format('a surge is on, and %s of %s could not be started', e.lacking, pg_catalog.current_setting('sellometer.max_parse_workers'))
		ELSE pg_catalog.format('%s run', p.n) END,
	CASE WHEN p.stuck > 0 THEN p.hint WHEN e.lacking > 0 THEN 'Raise max_worker_processes.' END
FROM entry e
CROSS JOIN (SELECT pg_catalog.count(*) AS n, pg_catalog.count(*) FILTER (WHERE stuck) AS stuck, pg_catalog.min(last) FILTER (WHERE stuck) AS since,
		pg_catalog.string_agg(CASE WHEN stuck THEN sellometer.what_is_stuck(pid, last, at, state, waits_for) END, '; ') AS detail,
		pg_catalog.min(CASE WHEN stuck THEN sellometer.what_helps(pid, state) END) AS hint
	FROM alive WHERE process = 'parse worker') p
WHERE e.here
UNION ALL
SELECT 'worker of ' || sellometer.shown(database),
	CASE WHEN failing THEN 'warning' WHEN pid IS NULL OR no_extension THEN 'info' ELSE 'ok' END,
	CASE WHEN failing THEN failing_since END,
	CASE WHEN failing THEN 'no worker runs for that database: ' || why
		WHEN pid IS NULL THEN 'none runs'
		WHEN no_extension THEN pg_catalog.format('process %s has nothing to load: that database does not have the extension', pid)
		ELSE pg_catalog.format('process %s loads into that database', pid) END,
	CASE WHEN failing THEN what_to_do
		WHEN pid IS NOT NULL AND no_extension THEN 'CREATE EXTENSION sellometer there, or take it out of sellometer.database and restart the server.' END
FROM entry WHERE NOT here;
COMMENT ON VIEW sellometer.health_workers IS 'Rows of sellometer.health about the launcher and the workers: whether they run, and are not stuck';

CREATE VIEW sellometer.health_processes AS
SELECT CASE p.name WHEN 'load' THEN 'loading' ELSE 'procedure ' || p.name END AS name,
	CASE WHEN p.failures = 0 THEN 'ok'
		WHEN p.name = 'load' AND (p.failures >= 3 OR p.sqlstate LIKE '53%') THEN 'critical'
		WHEN p.name IN ('load', 'rollup', 'prune', 'merge_backlog', 'archive', 'detect', 'health') THEN 'warning' ELSE 'info' END AS severity,
	CASE WHEN p.failures > 0 THEN p.failing_since END AS since,
	CASE WHEN p.failures = 0 AND p.failed_at IS NOT NULL
			THEN pg_catalog.format('well; the last error was at %s: %s', sellometer.moment(p.failed_at), coalesce(sellometer.shown(p.message), 'SQLSTATE ' || p.sqlstate))
		WHEN p.failures = 0 THEN 'no error since the server was started'
		ELSE pg_catalog.format('%s (SQLSTATE %s), %s in a row, last at %s', coalesce(sellometer.shown(p.message), 'an error'), p.sqlstate,
			p.failures, sellometer.moment(p.failed_at)) END AS detail,
	CASE WHEN p.failures > 0 THEN coalesce(sellometer.shown(p.hint), CASE
		WHEN p.sqlstate = '53100' THEN 'Free space on the disk of the database.'
		WHEN p.message IS NULL THEN 'The message is in the server''s log, and here for who may read sellometer.sources.last_error.'
		ELSE 'The server''s log has more of it.' END) END AS hint
FROM sellometer.process_entries() p;
COMMENT ON VIEW sellometer.health_processes IS 'Rows of sellometer.health about how the worker and the procedures have ended last';

/* Whoever calls a procedure in time, it is well; else the job tells why nobody does. */
CREATE VIEW sellometer.health_jobs AS
WITH job AS (
	SELECT pg_catalog.replace(c.job, 'sellometer_', 'job ') AS name, e.*, c.every,
		coalesce(p.well_at > pg_catalog.clock_timestamp() - 3 * c.every, false) AS recent,
		c.job = 'sellometer_archive' AND NOT EXISTS (SELECT FROM sellometer.sources WHERE archive_url IS NOT NULL) AS idle
	FROM sellometer.cron_jobs() c
	LEFT JOIN sellometer.job_entries() e USING (job)
	LEFT JOIN sellometer.process_entries() p ON c.command = pg_catalog.format('CALL sellometer.%s()', p.name)
), judged AS MATERIALIZED (
	SELECT *, CASE WHEN status = 'failed' THEN 'failed'
		WHEN recent OR idle THEN 'well'
		WHEN looked_at IS NULL THEN 'unknown'
		WHEN NOT scheduled THEN 'missing'
		WHEN NOT active THEN 'inactive'
		WHEN greatest(last_run, since) < pg_catalog.clock_timestamp() - 3 * every - interval '1 minute' THEN 'late'
		ELSE 'well' END AS verdict
	FROM job
)
SELECT name,
	CASE WHEN verdict = 'well' THEN 'ok' WHEN verdict = 'unknown' THEN 'info' WHEN verdict = 'failed' AND NOT recent THEN 'critical' ELSE 'warning' END AS severity,
	CASE WHEN verdict NOT IN ('well', 'unknown') THEN CASE WHEN verdict = 'late' THEN greatest(last_run, since) ELSE since END END AS since,
	CASE verdict WHEN 'failed' THEN pg_catalog.format('its last run, at %s, failed%s', sellometer.moment(last_run), ': ' || sellometer.shown(pg_catalog.rtrim(message, E'\n')))
		WHEN 'unknown' THEN 'no worker looks at the jobs, and nobody has called it lately'
		WHEN 'missing' THEN coalesce(sellometer.shown(message), 'it is not scheduled, and nobody has called it lately')
		WHEN 'inactive' THEN 'it is scheduled, but not active'
		WHEN 'late' THEN pg_catalog.format('it is scheduled every %s, and has not run since %s', sellometer.in_words(every), sellometer.moment(greatest(last_run, since)))
		ELSE CASE WHEN scheduled THEN 'scheduled' || coalesce(', ran last at ' || sellometer.moment(last_run), '')
			WHEN recent THEN 'not scheduled, but called all the same' ELSE 'not scheduled, and nothing to be done' END END AS detail,
	CASE verdict WHEN 'failed' THEN 'See cron.job_run_details.  "connection failed": set cron.use_background_workers = on and restart the server.'
		WHEN 'missing' THEN 'SELECT sellometer_schedule() has pg_cron call it; or CALL it from elsewhere.'
		WHEN 'inactive' THEN 'SELECT sellometer_schedule() renews the jobs.'
		WHEN 'late' THEN 'Does pg_cron run?  See the server''s log and cron.job.' END AS hint
FROM judged;
COMMENT ON VIEW sellometer.health_jobs IS 'Rows of sellometer.health about what pg_cron is to call';

CREATE VIEW sellometer.health_sources AS
SELECT 'source ' || sellometer.shown(s.name) AS name,
	CASE v.verdict WHEN 'well' THEN 'ok' WHEN 'disabled' THEN 'info' WHEN 'failing' THEN 'critical' WHEN 'unreadable' THEN 'critical' ELSE 'warning' END AS severity,
	CASE v.verdict WHEN 'failing' THEN s.last_error_at WHEN 'unreadable' THEN s.unreadable_since WHEN 'late' THEN s.listed_at END AS since,
	CASE v.verdict WHEN 'restored' THEN 'came with a dump of another database, and waits'
		WHEN 'disabled' THEN 'is not enabled: nothing of it is loaded'
		WHEN 'failing' THEN CASE WHEN pg_catalog.has_column_privilege('sellometer.sources', 'last_error', 'SELECT') THEN sellometer.shown(s.last_error)
			ELSE 'it can''t be listed: why is in sellometer.sources, for who may read last_error there' END
		WHEN 'unreadable' THEN 'none of its objects that were tried can be read: see error in sellometer.objects'
		WHEN 'partly' THEN pg_catalog.format('can be listed, but for: %s', sellometer.shown(pg_catalog.array_to_string(s.unreadable_entries, '; ')))
		WHEN 'late' THEN pg_catalog.format('was last listed whole at %s', sellometer.moment(s.listed_at))
		ELSE coalesce('listed at ' || sellometer.moment(s.listed_at), 'not listed yet') END AS detail,
	CASE v.verdict WHEN 'restored' THEN pg_catalog.format('SELECT sellometer_enable_source(%L, true) has it loaded into this database.', s.name)
		WHEN 'partly' THEN 'What lies there is not loaded: let the server read it, or leave it out: sellometer_alter_source() with exclude.'
		WHEN 'failing' THEN 'sellometer_check() tries it, and says what is wrong.' END AS hint
FROM sellometer.sources s
CROSS JOIN LATERAL (SELECT CASE WHEN s.restored THEN 'restored'
	WHEN NOT s.enabled THEN 'disabled'
	WHEN s.last_error IS NOT NULL THEN 'failing'
	WHEN s.unreadable_since IS NOT NULL THEN 'unreadable'
	WHEN s.unreadable_entries IS NOT NULL THEN 'partly'
	WHEN s.listed_at < pg_catalog.clock_timestamp() - interval '15 minutes' AND sellometer.worker_pid() IS NOT NULL THEN 'late'
	ELSE 'well' END AS verdict) v;
COMMENT ON VIEW sellometer.health_sources IS 'Rows of sellometer.health about whether sources can be listed and read';

CREATE FUNCTION sellometer.up_to_1000(n bigint)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN n > 1000 THEN 'more than 1,000' ELSE n::text END;
COMMENT ON FUNCTION sellometer.up_to_1000(bigint) IS 'A number as text, if it was counted no further than 1,001';

/* Numbers end at 1,000: who has so many need not know how many. */
CREATE VIEW sellometer.health_objects AS
SELECT 'objects of ' || sellometer.shown(s.name) AS name,
	CASE WHEN f.n + r.n + u.n > 0 THEN 'warning' ELSE 'ok' END AS severity,
	least(f.since, r.since) AS since,
	CASE WHEN f.n + r.n + u.n = 0 THEN 'none has failed' ELSE pg_catalog.concat_ws('; ',
		CASE WHEN f.n > 0 THEN pg_catalog.format('%s have failed, the last: %s', sellometer.up_to_1000(f.n), f.error) END,
		CASE WHEN r.n > 0 THEN pg_catalog.format('%s are tried again and again, the last: %s', sellometer.up_to_1000(r.n), r.error) END,
		CASE WHEN u.n > 0 THEN pg_catalog.format('%s were gone or changed before they were archived', sellometer.up_to_1000(u.n)) END) END AS detail,
	CASE WHEN f.n > 0 THEN 'See error in sellometer.objects; then sellometer_retry() or sellometer_skip().'
		WHEN r.n > 0 THEN 'See error and next_attempt in sellometer.objects.'
		WHEN u.n > 0 THEN 'See sellometer.unreadable_objects.  sellometer_declare_lost() has replay and replace go on without them.' END AS hint
FROM sellometer.sources s
CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS n, pg_catalog.min(o.discovered_at) AS since,
		(pg_catalog.array_agg(sellometer.shown(o.key || ': ' || o.error) ORDER BY o.id DESC))[1] AS error
	FROM (SELECT id, key, error, discovered_at FROM sellometer.objects WHERE source = s.name AND state = 'failed' LIMIT 1001) o) f
CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS n, pg_catalog.min(o.discovered_at) AS since,
		(pg_catalog.array_agg(sellometer.shown(o.key || ': ' || o.error) ORDER BY o.id DESC))[1] AS error
	FROM (SELECT id, key, error, discovered_at FROM sellometer.objects WHERE source = s.name AND state IN ('pending', 'backlog') AND error IS NOT NULL
		LIMIT 1001) o) r
-- as in unreadable_objects, but no further
CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS n FROM (
	(SELECT d.id FROM sellometer.objects d WHERE d.source = s.name AND d.state = 'done' AND d.error IS NOT NULL AND NOT d.lost AND d.unloaded_rows = 0
		LIMIT 1001)
	UNION
	SELECT d.id FROM (SELECT id, key FROM sellometer.objects WHERE source = s.name AND state = 'failed' LIMIT 1001) o
	JOIN sellometer.objects d ON d.source = s.name AND d.key = o.key AND d.id < o.id AND (d.state = 'done' OR d.resume_row > 0) AND NOT d.lost) o) u
UNION ALL
SELECT 'expired rows of ' || sellometer.shown(s.name),
	CASE WHEN e.n > 0 THEN 'warning' ELSE 'ok' END,
	e.since,
	CASE WHEN e.n > 0 THEN pg_catalog.format('%s rows in %s objects of the last 24 hours were older than every tier keeps', e.rows, sellometer.up_to_1000(e.n))
		ELSE 'none in the last 24 hours' END,
	CASE WHEN e.n > 0 THEN 'They count nowhere.  A longer retention by sellometer_alter_tier(), or sellometer_add_tier() without one, keeps such rows; then sellometer_retry() counts them.' END
FROM sellometer.sources s
CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS n, pg_catalog.sum(o.rows_expired) AS rows, pg_catalog.min(o.ingested_at) AS since
	FROM (SELECT rows_expired, ingested_at FROM sellometer.objects WHERE source = s.name AND rows_expired > 0
		AND ingested_at > pg_catalog.clock_timestamp() - interval '24 hours' ORDER BY ingested_at DESC LIMIT 1001) o) e
UNION ALL
SELECT 'misplaced rows of ' || sellometer.shown(s.name),
	CASE WHEN m.n > 0 THEN 'warning' ELSE 'ok' END,
	m.since,
	CASE WHEN m.n > 0 THEN pg_catalog.format('%s rejected rows of the last 24 hours are of products of other slices: no node counts them', sellometer.up_to_1000(m.n))
		ELSE 'none in the last 24 hours' END,
	CASE WHEN m.n > 0 THEN 'See other_slice in sellometer.rejected_rows.  Who writes the files is to put each row where sellometer_slice_of() says; then put there what is missing.' END
FROM sellometer.sources s
CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS n, pg_catalog.min(r.rejected_at) AS since
	FROM (SELECT rejected_at FROM sellometer.rejected_rows WHERE source = s.name AND reason = 'other_slice'
		AND rejected_at > pg_catalog.clock_timestamp() - interval '24 hours' LIMIT 1001) r) m
WHERE s.own_slice;
COMMENT ON VIEW sellometer.health_objects IS 'Rows of sellometer.health about objects that are not counted, or not wholly';

/*
 * Is a source as lively as it uses to be?  Judged by the wall clock, of sources whose rows come within a day of their event time: files
 * of the past come when they come.
 *
 *   silent: nothing has come for three times as long as the longest pause between its last 100 objects, at least five minutes; unless
 *           it paused at the same time a day or a week ago, as shops do that sleep
 *   fewer:  less than 60 % of what was loaded in as long a time a day and a week ago; in the first day, of what is usual in hours before
 */
CREATE FUNCTION sellometer.loaded_between(source text, after timestamptz, until timestamptz)
RETURNS bigint
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT pg_catalog.count(*) FROM (SELECT FROM sellometer.objects o
		WHERE o.source = loaded_between.source AND o.ingested_at > loaded_between.after AND o.ingested_at <= loaded_between.until LIMIT 2000) x;
END;
COMMENT ON FUNCTION sellometer.loaded_between(text, timestamptz, timestamptz) IS 'How many objects of a source were loaded in a time; at most 2,000';

CREATE FUNCTION sellometer.paused_before(source text, from_time timestamptz, until timestamptz)
RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT EXISTS (SELECT FROM (VALUES (interval '1 day'), (interval '7 days')) d (ago)
		WHERE sellometer.loaded_between(source, from_time - d.ago, until - d.ago) = 0
		AND EXISTS (SELECT FROM sellometer.objects o WHERE o.source = paused_before.source AND o.ingested_at <= from_time - d.ago));
END;
COMMENT ON FUNCTION sellometer.paused_before(text, timestamptz, timestamptz) IS 'Was nothing of a source loaded at the same time a day or a week ago, but before?';

CREATE FUNCTION sellometer.usually_loaded(source text, until timestamptz, width interval)
RETURNS numeric
LANGUAGE sql STABLE
BEGIN ATOMIC
	WITH ago (ago, long) AS (
		VALUES (interval '1 day', true), (interval '7 days', true),
			(greatest(interval '1 hour', width), false), (3 * greatest(interval '1 hour', width), false), (6 * greatest(interval '1 hour', width), false)
	), loaded AS (
		SELECT a.long, sellometer.loaded_between(source, until - a.ago - width, until - a.ago) AS n FROM ago a
	)
	SELECT coalesce(pg_catalog.min(n) FILTER (WHERE long), pg_catalog.percentile_disc(0.5) WITHIN GROUP (ORDER BY n) FILTER (WHERE NOT long))::numeric
	FROM loaded WHERE n > 0;
END;
COMMENT ON FUNCTION sellometer.usually_loaded(text, timestamptz, interval) IS
	'How many objects of a source were loaded in as long a time a day and a week ago, the lesser; in the first day, in hours before; NULL: there were none';

CREATE VIEW sellometer.health_arrivals AS
WITH source AS (
	SELECT s.name, a.n, a.last, a.pause, a.live, pg_catalog.clock_timestamp() AS now,
		least(greatest(pg_catalog.clock_timestamp() - a.loaded_from, interval '2 minutes'), interval '2 hours') AS width
	FROM sellometer.sources s
	CROSS JOIN LATERAL (
		SELECT pg_catalog.count(*) AS n, pg_catalog.max(x.arrival) AS last, pg_catalog.max(x.arrival - x.previous) AS pause,
			(pg_catalog.array_agg(x.ingested_at ORDER BY x.ingested_at DESC))[least(40, pg_catalog.count(*))] AS loaded_from, (pg_catalog.array_agg(x.live ORDER BY x.arrival DESC))[1] AS live
		FROM (SELECT o.last_modified AS arrival, pg_catalog.lag(o.last_modified) OVER (ORDER BY o.last_modified) AS previous, o.ingested_at,
				o.last_event > o.last_modified - interval '1 day' AS live
			FROM (SELECT last_modified, last_event, ingested_at FROM sellometer.objects
				WHERE source = s.name AND ingested_at IS NOT NULL ORDER BY ingested_at DESC LIMIT 100) o) x) a
	WHERE s.enabled
), judged AS MATERIALIZED (
	SELECT *, CASE WHEN n < 5 OR NOT live OR pause IS NULL THEN 'unknown'
		WHEN EXISTS (SELECT FROM sellometer.objects o WHERE o.source = source.name AND o.state = 'pending') THEN 'waiting'
		WHEN now - last > greatest(3 * pause, interval '5 minutes')
			THEN CASE WHEN sellometer.paused_before(name, last + pause, now) THEN 'pause' ELSE 'silent' END
		WHEN sellometer.usually_loaded(name, now, width) >= 10
			AND sellometer.loaded_between(name, now - width, now) < 0.6 * sellometer.usually_loaded(name, now, width) THEN 'fewer'
		ELSE 'well' END AS verdict
	FROM source
)
SELECT 'arrivals of ' || sellometer.shown(name) AS name,
	CASE verdict WHEN 'silent' THEN CASE WHEN now - last > greatest(10 * pause, interval '15 minutes') THEN 'critical' ELSE 'warning' END
		WHEN 'fewer' THEN 'warning' ELSE 'ok' END AS severity,
	CASE verdict WHEN 'silent' THEN last END AS since,
	CASE verdict WHEN 'unknown' THEN 'too few objects, or rows of the past: no rhythm to judge by'
		WHEN 'waiting' THEN 'objects wait to be loaded'
		WHEN 'silent' THEN pg_catalog.format('nothing has come since %s; its longest pause before was %s', sellometer.moment(last), sellometer.in_words(pause))
		WHEN 'pause' THEN pg_catalog.format('nothing has come since %s, as at this time a day or a week ago', sellometer.moment(last))
		WHEN 'fewer' THEN pg_catalog.format('%s objects in %s, where %s are usual', sellometer.loaded_between(name, now - width, now), sellometer.in_words(width),
			sellometer.usually_loaded(name, now, width))
		ELSE pg_catalog.format('the last came at %s', sellometer.moment(last)) END AS detail,
	CASE verdict WHEN 'silent' THEN 'Does whoever writes there still run?  A source that is to rest: sellometer_enable_source() with false.'
		WHEN 'fewer' THEN 'Do all servers still write?' END AS hint
FROM judged;
COMMENT ON VIEW sellometer.health_arrivals IS 'Rows of sellometer.health about whether objects come as they use to';

/* Of tables of this database alone: what the last sellometer_archive() has found. */
CREATE VIEW sellometer.health_archives AS
SELECT 'archives of ' || sellometer.shown(a.source) AS name, 'warning' AS severity, pg_catalog.min(a.archived_at) AS since,
	pg_catalog.format('originals of %s archives wait: %s', pg_catalog.count(*), pg_catalog.min(a.held_by)) AS detail,
	'Does that node load?  Is it known here (sellometer_add_node())?  Nothing is deleted until then.' AS hint
FROM sellometer.archives a WHERE a.originals_deleted_at IS NULL AND a.archived_at IS NOT NULL AND a.held_by IS NOT NULL GROUP BY a.source;
COMMENT ON VIEW sellometer.health_archives IS 'Rows of sellometer.health about originals that other nodes have not loaded';

CREATE VIEW sellometer.health_dimensions AS
SELECT 'keys of ' || d.dimension AS name, CASE WHEN o.since IS NULL THEN 'ok' ELSE 'info' END AS severity, o.since,
	CASE WHEN o.since IS NULL THEN pg_catalog.format('%s of %s', k.keys, d.max_keys)
		ELSE pg_catalog.format('it has the %s keys that it may have; some %s others are counted as other', d.max_keys, sellometer.sketched_keys(o.sketch)) END AS detail,
	CASE WHEN o.since IS NOT NULL THEN 'sellometer_drop_dimension(), then sellometer_add_dimension() with a larger max_keys, and a replay, have more of them.' END AS hint
FROM sellometer.dimensions d
CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS keys FROM sellometer.dimension_keys x WHERE x.dimension_id = d.id AND NOT x.given) k
LEFT JOIN sellometer.dimension_others o ON o.dimension_id = d.id;
COMMENT ON VIEW sellometer.health_dimensions IS 'Rows of sellometer.health about how many keys dimensions of one''s own have';

CREATE VIEW sellometer.own_health AS
SELECT name, severity, pg_catalog.date_trunc('second', since) AS since, detail, hint FROM (
	SELECT * FROM sellometer.health_server
	UNION ALL SELECT * FROM sellometer.health_workers
	UNION ALL SELECT * FROM sellometer.health_processes
	UNION ALL SELECT * FROM sellometer.health_jobs
	UNION ALL SELECT * FROM sellometer.health_sources
	UNION ALL SELECT * FROM sellometer.health_objects
	UNION ALL SELECT * FROM sellometer.health_arrivals
	UNION ALL SELECT * FROM sellometer.health_archives
	UNION ALL SELECT * FROM sellometer.health_dimensions) h;
COMMENT ON VIEW sellometer.own_health IS 'What sellometer.health shows, of this database alone';

CREATE VIEW sellometer.health AS SELECT * FROM sellometer.own_health;
COMMENT ON VIEW sellometer.health IS 'How everything is, a row a thing, also of what is well; cheap: ask it every ten seconds';
COMMENT ON COLUMN sellometer.health.name IS 'what it is about';
COMMENT ON COLUMN sellometer.health.severity IS
	'ok; info: as it was wanted, or nobody can tell; warning: somebody should look; critical: somebody should look now';
COMMENT ON COLUMN sellometer.health.since IS 'since when it is not well; NULL: it is, or that is not known';
COMMENT ON COLUMN sellometer.health.detail IS 'what was seen';
COMMENT ON COLUMN sellometer.health.hint IS 'what to do';

CREATE FUNCTION sellometer.notify_health(action text, name text, rank integer, since text)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT pg_notify('sellometer_alert', jsonb_build_object('action', action, 'kind', 'health', 'key', left(name, 1000),
		'severity', (ARRAY['info', 'warning', 'critical'])[rank + 1], 'since', since,
		'detail', 'see sellometer.health')::text)
$$;
COMMENT ON FUNCTION sellometer.notify_health(text, text, integer, text) IS
	'NOTIFY sellometer_alert: a thing in sellometer.health is not well, is worse, or is well again.  Anybody can listen: what it is about, no more';

REVOKE ALL ON FUNCTION sellometer.notify_health(text, text, integer, text) FROM PUBLIC;
