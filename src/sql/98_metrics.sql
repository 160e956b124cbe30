/*
 * sellometer.metrics: what there is to watch, as Prometheus wants it: numbers with a name, labels, a type and a word of help.
 *
 * What counts up ends in _total and never goes down.  Times are seconds since 1970 and end in _timestamp_seconds, so that who watches can
 * say how long ago they are; what is not known has no row.  No text that tells of servers, roles or credentials: every reader sees it.
 */
CREATE FUNCTION sellometer.epoch(t timestamptz)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN isfinite(t) THEN extract(epoch FROM t)::double precision END;
COMMENT ON FUNCTION sellometer.epoch(timestamptz) IS 'Seconds since 1970; NULL for a time that is not finite';

CREATE VIEW sellometer.metrics_server AS
SELECT m.name, '{}'::jsonb AS labels, m.value, m.type, m.help
FROM sellometer.state s
CROSS JOIN LATERAL (VALUES
	('sellometer_worker_up', (sellometer.worker_pid() IS NOT NULL)::integer::double precision, 'gauge', 'Does a worker load into this database?'),
	('sellometer_surge', sellometer.in_surge()::integer, 'gauge', 'Is a surge on: does live loading get everything, and housekeeping wait?'),
	('sellometer_head_timestamp_seconds', sellometer.epoch(s.head), 'gauge', 'Newest event time that the data have reached.'),
	('sellometer_views_dropped_total', s.views_dropped, 'counter', 'Views that are no longer known one by one.')
) m (name, value, type, help)
WHERE m.value IS NOT NULL
UNION ALL
SELECT 'sellometer_alerts_open', pg_catalog.jsonb_build_object('kind', d.kind, 'severity', v.severity),
	(SELECT pg_catalog.count(*) FROM sellometer.alerts a WHERE a.closed_at IS NULL AND a.kind = d.kind AND a.severity = v.severity), 'gauge',
	'Alerts that are open.'
FROM sellometer.detectors d CROSS JOIN (VALUES ('critical'), ('warning'), ('info')) v (severity)
UNION ALL
SELECT 'sellometer_health_severity', pg_catalog.jsonb_build_object('name', h.name), pg_catalog.max(sellometer.severity_rank(h.severity)), 'gauge',
	'How a thing in sellometer.health is: 0 well, or as it was wanted; 1 warning; 2 critical.'
FROM sellometer.health h GROUP BY h.name;
COMMENT ON VIEW sellometer.metrics_server IS 'Rows of sellometer.metrics about the database as a whole';

CREATE VIEW sellometer.metrics_sources AS
SELECT m.name, pg_catalog.jsonb_build_object('source', s.source) AS labels, m.value, m.type, m.help
FROM sellometer.status s
JOIN sellometer.sources o ON o.name = s.source
LEFT JOIN sellometer.counters c ON c.source = s.source
CROSS JOIN LATERAL (VALUES
	('sellometer_source_enabled', s.enabled::integer::double precision, 'gauge', 'Is the source loaded?'),
	('sellometer_source_readable', (o.last_error_at IS NULL AND o.unreadable_since IS NULL)::integer, 'gauge',
		'Can the source be listed, and its objects be read?'),
	('sellometer_source_head_timestamp_seconds', sellometer.epoch(s.head), 'gauge', 'Newest event time that the source has reached.'),
	('sellometer_source_event_lag_seconds', extract(epoch FROM s.event_lag), 'gauge', 'How far that is behind the clock.'),
	('sellometer_source_arrival_lag_seconds', extract(epoch FROM s.arrival_lag), 'gauge',
		'From an object''s arrival in the source to its commit: of the last one, or the age of the oldest that waits.'),
	('sellometer_source_listed_timestamp_seconds', sellometer.epoch(s.listed_at), 'gauge', 'When the source was last listed whole.'),
	('sellometer_source_last_error_timestamp_seconds', sellometer.epoch(s.last_error_at), 'gauge',
		'When the error in sellometer.status was; no value: there is none.'),
	('sellometer_source_pending_objects', s.pending_objects, 'gauge', 'Objects that wait to be loaded.'),
	('sellometer_source_pending_bytes', s.pending_bytes, 'gauge', 'Size of the objects that wait to be loaded.'),
	('sellometer_source_pending_oldest_timestamp_seconds', sellometer.epoch(s.pending_oldest), 'gauge', 'Arrival of the oldest object that waits to be loaded.'),
	('sellometer_source_backlog_objects', s.backlog_objects, 'gauge', 'Late objects that wait for sellometer_merge_backlog().'),
	('sellometer_source_backlog_bytes', s.backlog_bytes, 'gauge', 'Size of the late objects that wait for sellometer_merge_backlog().'),
	('sellometer_source_failed_objects', s.failed_objects, 'gauge', 'Objects that were given up: see error in sellometer.objects.'),
	('sellometer_source_loaded_objects_total', coalesce(c.objects, 0), 'counter', 'Objects that were loaded to their end.'),
	('sellometer_source_loaded_bytes_total', coalesce(c.bytes, 0), 'counter', 'Size of the objects that were loaded to their end.'),
	('sellometer_source_failed_attempts_total', coalesce(c.failed_attempts, 0), 'counter', 'Attempts to load an object that failed.'),
	('sellometer_source_list_requests_total', s.list_requests, 'counter', 'LIST requests.'),
	('sellometer_source_archived_timestamp_seconds', (SELECT sellometer.epoch(pg_catalog.max(a.last_event)) FROM sellometer.archives a
		WHERE a.source = s.source AND a.archived_at IS NOT NULL), 'gauge', 'Newest event time in an archive of the source.'),
	('sellometer_source_unarchived_timestamp_seconds', CASE WHEN o.archive_url IS NOT NULL THEN (SELECT sellometer.epoch(pg_catalog.min(x.object_time))
		FROM sellometer.objects x WHERE x.source = s.source AND x.state = 'done') END, 'gauge', 'Time of the oldest object that is loaded and not archived yet.')
) m (name, value, type, help)
WHERE m.value IS NOT NULL
UNION ALL
SELECT 'sellometer_source_rows_total', pg_catalog.jsonb_build_object('source', s.name, 'outcome', r.outcome), r.value, 'counter',
	'Rows of objects, by what became of them: counted, duplicate (views that their session had seen already), rejected, expired.'
FROM sellometer.sources s
LEFT JOIN sellometer.counters c ON c.source = s.name
CROSS JOIN LATERAL (VALUES ('counted', coalesce(c.rows_counted, 0)), ('duplicate', coalesce(c.rows_duplicate, 0)), ('rejected', coalesce(c.rows_rejected, 0)),
	('expired', coalesce(c.rows_expired, 0))) r (outcome, value);
COMMENT ON VIEW sellometer.metrics_sources IS 'Rows of sellometer.metrics about sources';

CREATE VIEW sellometer.metrics_procedures AS
SELECT m.name, pg_catalog.jsonb_build_object('procedure', p.name) AS labels, m.value, m.type, m.help
FROM sellometer.process_entries() p
CROSS JOIN LATERAL (VALUES
	('sellometer_procedure_success_timestamp_seconds', sellometer.epoch(p.well_at), 'gauge',
		'When a procedure last ended well since the server was started; load is the worker.'),
	('sellometer_procedure_error_timestamp_seconds', sellometer.epoch(p.failed_at), 'gauge', 'When a procedure last failed since the server was started.'),
	('sellometer_procedure_failures', p.failures::double precision, 'gauge', 'How often in a row a procedure has failed now.'),
	('sellometer_procedure_duration_seconds', (SELECT extract(epoch FROM r.finished - r.started) FROM sellometer.runs r
		WHERE r.procedure = p.name AND r.finished IS NOT NULL ORDER BY r.id DESC LIMIT 1), 'gauge', 'How long the last run took that found something to do.')
) m (name, value, type, help)
WHERE m.value IS NOT NULL;
COMMENT ON VIEW sellometer.metrics_procedures IS 'Rows of sellometer.metrics about the worker and the procedures';

CREATE VIEW sellometer.metrics_tiers AS
SELECT m.name, pg_catalog.jsonb_build_object('tier', t.name) AS labels, m.value, m.type, m.help
FROM sellometer.tiers t
CROSS JOIN LATERAL (
	SELECT pg_catalog.count(*) AS partitions, coalesce(pg_catalog.sum(pg_catalog.pg_total_relation_size(i.inhrelid)), 0) AS bytes
	FROM sellometer.dimensions() d
	JOIN pg_catalog.pg_inherits i ON i.inhparent = pg_catalog.to_regclass(pg_catalog.format('sellometer.%I', d.dimension || '_' || t.name))) p
CROSS JOIN LATERAL (VALUES
	('sellometer_tier_size_bytes', p.bytes::double precision, 'gauge', 'What the tables of a tier take on disk, with their indexes.'),
	('sellometer_tier_partitions', p.partitions, 'gauge', 'Partitions of the tables of a tier.'),
	('sellometer_tier_retention_seconds', sellometer.seconds_of(t.retention), 'gauge', 'How far behind the newest event time a tier is kept; no value: for good.'),
	('sellometer_tier_kept_from_timestamp_seconds', sellometer.epoch(t.kept_from), 'gauge', 'What a tier holds is complete from here on; no value: all of it.'),
	('sellometer_tier_watermark_timestamp_seconds', CASE WHEN t.position > 0 THEN sellometer.epoch(t.watermark) END, 'gauge', 'How far a tier is rolled up.')
) m (name, value, type, help)
WHERE m.value IS NOT NULL;
COMMENT ON VIEW sellometer.metrics_tiers IS 'Rows of sellometer.metrics about tiers';

/* A function, so that it is planned once a session, and never compiled: that would take longer than all the rest. */
CREATE FUNCTION sellometer.metric_entries(OUT name text, OUT labels jsonb, OUT value double precision, OUT type text, OUT help text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
	RETURN QUERY SELECT * FROM sellometer.metrics_server
		UNION ALL SELECT * FROM sellometer.metrics_sources
		UNION ALL SELECT * FROM sellometer.metrics_procedures
		UNION ALL SELECT * FROM sellometer.metrics_tiers;
END
$$;
COMMENT ON FUNCTION sellometer.metric_entries() IS 'What the view sellometer.metrics shows';

CREATE VIEW sellometer.metrics AS SELECT * FROM sellometer.metric_entries();
COMMENT ON VIEW sellometer.metrics IS 'What there is to watch, for Prometheus: see prometheus/';
COMMENT ON COLUMN sellometer.metrics.name IS 'of the metric, with its unit at the end';
COMMENT ON COLUMN sellometer.metrics.labels IS 'which of its kind it is: of metrics of one name the same labels';
COMMENT ON COLUMN sellometer.metrics.value IS 'the number now; what is not known has no row';
COMMENT ON COLUMN sellometer.metrics.type IS 'counter: only grows; gauge: goes up and down';
COMMENT ON COLUMN sellometer.metrics.help IS 'what it is';
