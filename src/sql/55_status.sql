/* Operations at a glance: work under way, and how each source is doing. */
CREATE FUNCTION sellometer.progress_entries(
	OUT pid integer, OUT task text, OUT phase text, OUT objects_done bigint, OUT objects_total bigint,
	OUT bytes_done bigint, OUT bytes_total bigint, OUT rows_done bigint, OUT started timestamptz,
	OUT estimated_finish timestamptz)
RETURNS SETOF record
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_progress_entries';
COMMENT ON FUNCTION sellometer.progress_entries() IS 'What the view sellometer.progress shows';

CREATE FUNCTION sellometer.in_surge()
RETURNS boolean
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_in_surge';
COMMENT ON FUNCTION sellometer.in_surge() IS 'Is a surge on in this database?';

CREATE FUNCTION sellometer.worker_pid()
RETURNS integer
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_worker_pid';
COMMENT ON FUNCTION sellometer.worker_pid() IS 'Process of the worker that loads into this database; NULL if none runs';

CREATE FUNCTION sellometer.is_configured()
RETURNS boolean
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_is_configured';
COMMENT ON FUNCTION sellometer.is_configured() IS 'Does sellometer.database name this database?';

CREATE VIEW sellometer.progress AS SELECT * FROM sellometer.progress_entries();
COMMENT ON VIEW sellometer.progress IS 'Work under way, by server process';
COMMENT ON COLUMN sellometer.progress.pid IS 'server process';
COMMENT ON COLUMN sellometer.progress.task IS 'load, merge_backlog, rollup, prune, archive, replay, replace, unload, detect or events';
COMMENT ON COLUMN sellometer.progress.phase IS 'what of the task is being done: the bucket that is rolled up, the kind of alert …';
COMMENT ON COLUMN sellometer.progress.objects_done IS 'objects that are through, since it started';
COMMENT ON COLUMN sellometer.progress.objects_total IS 'done and waiting, as far as known';
COMMENT ON COLUMN sellometer.progress.bytes_done IS 'size of those that are through, as they are in the source, and what is read of a large one';
COMMENT ON COLUMN sellometer.progress.bytes_total IS 'size of those done and waiting, as far as known';
COMMENT ON COLUMN sellometer.progress.rows_done IS 'rows read from them';
COMMENT ON COLUMN sellometer.progress.started IS 'when the work began';
COMMENT ON COLUMN sellometer.progress.estimated_finish IS 'if it goes on as fast as so far; NULL: too early to say';

CREATE VIEW sellometer.own_status AS
SELECT s.name AS source,
	s.enabled,
	s.head,
	pg_catalog.clock_timestamp() - s.head AS event_lag,
	CASE WHEN p.oldest IS NULL THEN l.lag ELSE greatest(l.lag, pg_catalog.clock_timestamp() - p.oldest) END AS arrival_lag,
	p.objects AS pending_objects,
	p.bytes AS pending_bytes,
	p.oldest AS pending_oldest,
	b.objects AS backlog_objects,
	b.bytes AS backlog_bytes,
	f.objects AS failed_objects,
	sellometer.in_surge() AS surge,
	r.rows_per_second,
	s.list_requests,
	s.listed_at,
	st.head AS head_of_all,
	st.views_from,
	st.views_dropped,
	sellometer.worker_pid() AS worker_pid,
	s.passed_over,
	s.unreadable_entries,
	-- it may tell of servers, roles and credentials
	coalesce(CASE WHEN s.last_error IS NULL OR pg_catalog.has_column_privilege('sellometer.sources', 'last_error', 'SELECT') THEN s.last_error
		ELSE 'it can''t be listed: why is in sellometer.sources, for who may read last_error there' END, e.error, t.error) AS last_error,
	coalesce(s.last_error_at, e.at, t.at) AS last_error_at,
	s.key_offset
FROM sellometer.sources s
CROSS JOIN sellometer.state st
CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS objects, least(coalesce(pg_catalog.sum(size), 0), 4611686018427387904)::bigint AS bytes,
	pg_catalog.min(last_modified) AS oldest FROM sellometer.objects WHERE source = s.name AND state = 'pending') p
CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS objects, least(coalesce(pg_catalog.sum(size), 0), 4611686018427387904)::bigint AS bytes
	FROM sellometer.objects WHERE source = s.name AND state = 'backlog') b
CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS objects FROM sellometer.objects WHERE source = s.name AND state = 'failed') f
LEFT JOIN LATERAL (SELECT ingested_at - last_modified AS lag FROM sellometer.objects
	WHERE source = s.name AND ingested_at IS NOT NULL ORDER BY ingested_at DESC LIMIT 1) l ON true
CROSS JOIN LATERAL (SELECT coalesce(pg_catalog.sum(rows_total), 0)::float8 / 60 AS rows_per_second FROM sellometer.objects
	-- by a subquery, so that the index is asked for the time, too
	WHERE source = s.name AND ingested_at > (SELECT pg_catalog.clock_timestamp() - interval '1 minute')) r
LEFT JOIN LATERAL (SELECT sellometer.shown(o.key || ': ' || o.error) AS error, o.discovered_at AS at FROM sellometer.objects o
	WHERE o.source = s.name AND o.state = 'failed' ORDER BY o.id DESC LIMIT 1) e ON true
LEFT JOIN LATERAL (SELECT sellometer.shown(o.key || ': ' || o.error) AS error, o.discovered_at AS at FROM sellometer.objects o
	WHERE o.source = s.name AND o.state IN ('pending', 'backlog') AND o.error IS NOT NULL ORDER BY o.id DESC LIMIT 1) t ON true;
COMMENT ON VIEW sellometer.own_status IS 'What sellometer.status shows, of this database alone';

CREATE VIEW sellometer.status AS SELECT * FROM sellometer.own_status;
COMMENT ON VIEW sellometer.status IS 'How each source is doing';
COMMENT ON COLUMN sellometer.status.source IS 'name of the source';
COMMENT ON COLUMN sellometer.status.enabled IS 'false: the source is left alone, see sellometer_enable_source()';
COMMENT ON COLUMN sellometer.status.head IS 'newest event time that this source has reached';
COMMENT ON COLUMN sellometer.status.event_lag IS 'how far the head is behind the clock';
COMMENT ON COLUMN sellometer.status.arrival_lag IS
	'from an object''s arrival in the source to its commit: the last one''s, or the age of the oldest that waits';
COMMENT ON COLUMN sellometer.status.pending_objects IS 'objects that wait to be loaded';
COMMENT ON COLUMN sellometer.status.pending_bytes IS 'their size';
COMMENT ON COLUMN sellometer.status.pending_oldest IS 'arrival of the oldest object that waits';
COMMENT ON COLUMN sellometer.status.backlog_objects IS 'late objects, which wait for sellometer_merge_backlog()';
COMMENT ON COLUMN sellometer.status.backlog_bytes IS 'their size';
COMMENT ON COLUMN sellometer.status.failed_objects IS 'see error in sellometer.objects';
COMMENT ON COLUMN sellometer.status.surge IS 'live loading gets everything, housekeeping waits';
COMMENT ON COLUMN sellometer.status.rows_per_second IS 'mean of the last minute';
COMMENT ON COLUMN sellometer.status.list_requests IS 'LIST requests made so far';
COMMENT ON COLUMN sellometer.status.listed_at IS 'when it was last listed whole; brought up to date each minute';
COMMENT ON COLUMN sellometer.status.head_of_all IS 'newest event time that all sources together have reached';
COMMENT ON COLUMN sellometer.status.views_from IS 'views before this time are no longer known one by one; NULL: all are';
COMMENT ON COLUMN sellometer.status.views_dropped IS 'number of views that are no longer known one by one';
COMMENT ON COLUMN sellometer.status.worker_pid IS 'process that loads; NULL: none runs';
COMMENT ON COLUMN sellometer.status.passed_over IS
	'what the last whole listing passed over, by reason: name (of a temporary file), link, unreadable, entry (of a list, without what an object has), size, pattern (of the source), encoding (no UTF-8)';
COMMENT ON COLUMN sellometer.status.unreadable_entries IS 'the first ten directories, files and entries of a list that could not be looked at, and why';
COMMENT ON COLUMN sellometer.status.last_error IS 'why the source can''t be listed, else the error of the last failed object, else of the last that is tried again';
COMMENT ON COLUMN sellometer.status.last_error_at IS 'when that was; of an object: when it was first listed';
COMMENT ON COLUMN sellometer.status.key_offset IS
	'added to the times in its keys, as the rows say: not zero if keys are in local time, for example';
