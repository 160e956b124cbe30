/*
 * Alerts: what detectors find, opened, kept up to date and closed.
 *
 *   sellometer_detect() --> each detector: detect_<kind>(head) --> its findings, all that are so now
 *                       --> new: opened    still so: updated    no longer so, or muted: closed
 *
 * A detector is a function sellometer.detect_<kind>(head timestamptz) RETURNS SETOF sellometer.finding and a row of
 * sellometer.detectors.  It only reads; at most one finding a key counts, the worst.
 */
CREATE TABLE sellometer.alerts (
	id			bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	kind		text NOT NULL,
	severity	text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
	dimension	text NOT NULL,
	key			text NOT NULL,
	event_time	timestamptz NOT NULL,
	observed	numeric,
	expected	numeric,
	score		double precision,
	detail		text NOT NULL,
	opened_at	timestamptz NOT NULL DEFAULT pg_catalog.now(),
	updated_at	timestamptz NOT NULL DEFAULT pg_catalog.now(),
	closed_at	timestamptz
);
CREATE UNIQUE INDEX alerts_open ON sellometer.alerts (kind, key) WHERE closed_at IS NULL;
CREATE INDEX alerts_opened ON sellometer.alerts (opened_at);
COMMENT ON TABLE sellometer.alerts IS
	'What sellometer_detect() has found: one open alert for each (kind, key), and the newest 100,000 that were closed';
COMMENT ON COLUMN sellometer.alerts.kind IS 'what is wrong: one of sellometer.detectors';
COMMENT ON COLUMN sellometer.alerts.severity IS 'info, warning or critical';
COMMENT ON COLUMN sellometer.alerts.dimension IS 'what the key is: product_id, brand, category_l1 …, event_type';
COMMENT ON COLUMN sellometer.alerts.key IS 'which product, brand, category …';
COMMENT ON COLUMN sellometer.alerts.event_time IS 'time of the events that show it';
COMMENT ON COLUMN sellometer.alerts.observed IS 'what was seen';
COMMENT ON COLUMN sellometer.alerts.expected IS 'what is usual';
COMMENT ON COLUMN sellometer.alerts.score IS 'how far the one is from the other, in the measure of the kind';
COMMENT ON COLUMN sellometer.alerts.detail IS 'why, in words';
COMMENT ON COLUMN sellometer.alerts.opened_at IS 'when it was found, by the wall clock';
COMMENT ON COLUMN sellometer.alerts.updated_at IS 'when something of it has changed last';
COMMENT ON COLUMN sellometer.alerts.closed_at IS 'when it was no longer so; NULL: it is open';

CREATE TYPE sellometer.finding AS (
	severity	text,
	dimension	text,
	key			text,
	event_time	timestamptz,
	observed	numeric,
	expected	numeric,
	score		double precision,
	detail		text
);
COMMENT ON TYPE sellometer.finding IS 'What a detector finds: columns as in sellometer.alerts';

CREATE TABLE sellometer.detectors (
	kind		text PRIMARY KEY CHECK (kind ~ '^[a-z][a-z_]{0,39}$'),
	enabled		boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE sellometer.detectors IS 'What sellometer_detect() looks for, by sellometer.detect_<kind>()';
COMMENT ON COLUMN sellometer.detectors.kind IS 'kind of its alerts';
COMMENT ON COLUMN sellometer.detectors.enabled IS 'false: it is not called, and its open alerts are closed';

CREATE TABLE sellometer.mutes (
	kind		text NOT NULL,
	key			text,
	until		timestamptz NOT NULL,
	muted_by	text NOT NULL DEFAULT SESSION_USER,
	muted_at	timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	UNIQUE NULLS NOT DISTINCT (kind, key)
);
-- a key that may be null identifies no row that is published
ALTER TABLE sellometer.mutes REPLICA IDENTITY FULL;
COMMENT ON TABLE sellometer.mutes IS 'What nobody wants to hear of for a while: see sellometer_mute()';
COMMENT ON COLUMN sellometer.mutes.key IS 'NULL: every key of the kind';
COMMENT ON COLUMN sellometer.mutes.until IS 'by the wall clock';

CREATE FUNCTION sellometer.severity_rank(severity text)
RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE severity WHEN 'critical' THEN 2 WHEN 'warning' THEN 1 ELSE 0 END;
COMMENT ON FUNCTION sellometer.severity_rank(text) IS 'Severities as numbers, the worst is the greatest';

/* A payload must be shorter than 8,000 bytes; a key has up to 1,000, and six times that as JSON. */
CREATE FUNCTION sellometer.notify_alert(action text, alert sellometer.alerts)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	payload jsonb := jsonb_build_object('action', action, 'id', alert.id, 'kind', alert.kind, 'severity', alert.severity,
		'dimension', alert.dimension, 'key', alert.key, 'event_time', alert.event_time, 'observed', alert.observed,
		'expected', alert.expected, 'score', alert.score, 'detail', left(alert.detail, 1000));
BEGIN
	PERFORM pg_notify('sellometer_alert', CASE WHEN octet_length(payload::text) < 8000 THEN payload ELSE payload - 'detail' END::text);
END
$$;
COMMENT ON FUNCTION sellometer.notify_alert(text, sellometer.alerts) IS
	'NOTIFY sellometer_alert: an alert was opened, worsened or closed';

CREATE FUNCTION sellometer.close_alerts(kind text, keys text[])
RETURNS bigint
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	WITH closed AS (
		UPDATE sellometer.alerts a SET closed_at = clock_timestamp(), updated_at = clock_timestamp()
		WHERE a.kind = $1 AND a.closed_at IS NULL AND ($2 IS NULL OR a.key = ANY ($2))
		RETURNING a
	), told AS MATERIALIZED (
		SELECT sellometer.notify_alert('closed', a) FROM closed
	)
	SELECT count(*) FROM told
$$;
COMMENT ON FUNCTION sellometer.close_alerts(text, text[]) IS
	'Close the open alerts of a kind: those of the keys, NULL: all of them; gives their number';

/*
 * Make the open alerts of a kind what its detector finds now.  An alert that goes on keeps its row: what is new about it is
 * written there, and only a greater severity is told.
 */
CREATE FUNCTION sellometer.run_detector(kind text, head timestamptz, OUT opened bigint, OUT worsened bigint, OUT closed bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	gone text[];
BEGIN
	EXECUTE format('
		WITH found AS MATERIALIZED (
			SELECT DISTINCT ON (f.key) f.* FROM sellometer.%I($2) f
			WHERE NOT EXISTS (SELECT FROM sellometer.mutes m WHERE m.kind = $1 AND (m.key IS NULL OR m.key = f.key) AND m.until > now())
			ORDER BY f.key, sellometer.severity_rank(f.severity) DESC, f.score DESC NULLS LAST, f.event_time DESC
		), old AS MATERIALIZED (
			SELECT * FROM sellometer.alerts WHERE kind = $1 AND closed_at IS NULL
		), added AS (
			INSERT INTO sellometer.alerts AS a (kind, severity, dimension, key, event_time, observed, expected, score, detail)
			SELECT $1, f.severity, f.dimension, f.key, f.event_time, f.observed, f.expected, f.score, f.detail
			FROM found f WHERE NOT EXISTS (SELECT FROM old WHERE old.key = f.key)
			RETURNING a
		), changed AS (
			UPDATE sellometer.alerts a SET severity = f.severity, dimension = f.dimension, event_time = f.event_time,
				observed = f.observed, expected = f.expected, score = f.score, detail = f.detail, updated_at = clock_timestamp()
			FROM found f JOIN old USING (key)
			WHERE a.id = old.id AND (f.severity, f.dimension, f.event_time, f.observed, f.expected, f.score, f.detail) IS DISTINCT FROM
				(old.severity, old.dimension, old.event_time, old.observed, old.expected, old.score, old.detail)
			RETURNING a, sellometer.severity_rank(f.severity) > sellometer.severity_rank(old.severity) AS worse
		), told AS MATERIALIZED (
			SELECT ''opened'' AS action, sellometer.notify_alert(''opened'', a) FROM added
			UNION ALL
			SELECT ''worsened'', sellometer.notify_alert(''worsened'', a) FROM changed WHERE worse
		)
		SELECT count(*) FILTER (WHERE action = ''opened''), count(*) FILTER (WHERE action = ''worsened''),
			ARRAY(SELECT old.key FROM old WHERE NOT EXISTS (SELECT FROM found f WHERE f.key = old.key))
		FROM told', 'detect_' || kind)
	INTO opened, worsened, gone USING kind, head;
	closed := CASE WHEN cardinality(gone) = 0 THEN 0 ELSE sellometer.close_alerts(kind, gone) END;
END
$$;
COMMENT ON FUNCTION sellometer.run_detector(text, timestamptz) IS
	'Open, update and close the alerts of a kind, by what its detector finds at a head; gives how many';

/* What is no detector's any more, and what was closed long ago. */
CREATE FUNCTION sellometer.tidy_alerts()
RETURNS bigint
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	DELETE FROM sellometer.mutes WHERE until <= now();
	DELETE FROM sellometer.alerts WHERE closed_at IS NOT NULL AND id <= (
		SELECT id FROM sellometer.alerts ORDER BY id DESC OFFSET 100000 LIMIT 1);
	SELECT coalesce(sum(sellometer.close_alerts(kind, NULL)), 0)::bigint
	FROM (SELECT DISTINCT kind FROM sellometer.alerts WHERE closed_at IS NULL
		EXCEPT SELECT kind FROM sellometer.detectors WHERE enabled) k
$$;
COMMENT ON FUNCTION sellometer.tidy_alerts() IS
	'Close alerts whose detector is disabled, forget mutes that are over and alerts that were closed long ago; gives how many it has closed';

CREATE PROCEDURE sellometer.detect()
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_detect';
COMMENT ON PROCEDURE sellometer.detect() IS 'What sellometer_detect() is, for jobs';

CREATE PROCEDURE @extschema@.sellometer_detect()
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_detect';
COMMENT ON PROCEDURE @extschema@.sellometer_detect() IS
	'Look for what is wrong: open, update and close sellometer.alerts, with NOTIFY sellometer_alert';

CREATE FUNCTION @extschema@.sellometer_mute(kind text, key text DEFAULT NULL, until timestamptz DEFAULT 'infinity')
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM sellometer.detectors d WHERE d.kind = $1) THEN
		RAISE undefined_object USING
			MESSAGE = format('there is no kind of alert "%s"', $1),
			HINT = format('Kinds are %s.', (SELECT string_agg(d.kind, ', ' ORDER BY d.kind) FROM sellometer.detectors d));
	END IF;
	DELETE FROM sellometer.mutes m WHERE m.kind = $1 AND m.key IS NOT DISTINCT FROM $2;
	IF $3 > now() THEN
		INSERT INTO sellometer.mutes (kind, key, until) VALUES ($1, $2, $3);
		PERFORM sellometer.close_alerts($1, CASE WHEN $2 IS NOT NULL THEN ARRAY[$2] END);
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_mute(text, text, timestamptz) IS
	'No alerts of a kind about a key (NULL: about any) until then; a time that is over, or NULL: speak again';

REVOKE ALL ON FUNCTION sellometer.notify_alert(text, sellometer.alerts) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.close_alerts(text, text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.run_detector(text, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.tidy_alerts() FROM PUBLIC;
REVOKE ALL ON PROCEDURE sellometer.detect() FROM PUBLIC;
REVOKE ALL ON PROCEDURE @extschema@.sellometer_detect() FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_mute(text, text, timestamptz) FROM PUBLIC;
