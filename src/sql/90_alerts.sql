/*
 * Alerts: what detectors find, opened, kept up to date and closed.
 *
 *   sellometer_detect() --> each detector: detect_<kind>(head) --> its findings, all that are so now
 *                       --> new: opened    still so: updated    no longer so for sellometer.alert_hold, over, or muted: closed
 *
 * They are rows of sellometer.own_alerts.  sellometer.alerts shows them, and in the dashboards' database of nodes those of each node as well.
 *
 * A detector is a function sellometer.detect_<kind>(head timestamptz) RETURNS SETOF sellometer.finding, or hinted_finding, and a row of
 * sellometer.detectors.  It only reads; of findings with the same dimension and key the worst counts.  A finding of severity "well" or "over" says of
 * what has an open alert that it is no longer so; "over" closes at once, as when somebody has mended it.
 */
CREATE TABLE sellometer.own_alerts (
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
	closed_at	timestamptz,
	hint		text,
	link		text,
	began		timestamptz,
	well_since	timestamptz,
	told		text
);
CREATE UNIQUE INDEX alerts_open ON sellometer.own_alerts (kind, dimension, key) WHERE closed_at IS NULL;
CREATE INDEX alerts_opened ON sellometer.own_alerts (opened_at);
CREATE INDEX alerts_began ON sellometer.own_alerts (kind, dimension, key, began);
COMMENT ON TABLE sellometer.own_alerts IS
	'What sellometer_detect() has found: one open alert for each (kind, dimension, key), and the newest 100,000 that were closed';

CREATE VIEW sellometer.alerts AS SELECT a.*, NULL::text AS node FROM sellometer.own_alerts a;
COMMENT ON VIEW sellometer.alerts IS 'What sellometer_detect() has found; in the dashboards'' database of nodes, what it has found there, and on each node';
COMMENT ON COLUMN sellometer.alerts.kind IS 'what is wrong: one of sellometer.detectors';
COMMENT ON COLUMN sellometer.alerts.severity IS 'info, warning or critical';
COMMENT ON COLUMN sellometer.alerts.dimension IS 'what the key is: product_id, brand, category_l1 …, event_type, source; all: of everything';
COMMENT ON COLUMN sellometer.alerts.key IS 'which product, brand, category …';
COMMENT ON COLUMN sellometer.alerts.event_time IS 'time of the events that show it';
COMMENT ON COLUMN sellometer.alerts.observed IS 'what was seen';
COMMENT ON COLUMN sellometer.alerts.expected IS 'what is usual';
COMMENT ON COLUMN sellometer.alerts.score IS 'how far the one is from the other, in the measure of the kind';
COMMENT ON COLUMN sellometer.alerts.detail IS 'why, in words';
COMMENT ON COLUMN sellometer.alerts.opened_at IS 'when it was found, by the wall clock';
COMMENT ON COLUMN sellometer.alerts.updated_at IS 'when something of it has changed last';
COMMENT ON COLUMN sellometer.alerts.closed_at IS 'when it was no longer so; NULL: it is open';
COMMENT ON COLUMN sellometer.alerts.hint IS 'what to do, in words';
COMMENT ON COLUMN sellometer.alerts.link IS 'where to see more: sellometer.alert_link, filled in';
COMMENT ON COLUMN sellometer.alerts.began IS 'since when it is so: time of the first event that shows it, or the head when it was found; of detectors that go by the clock, by the clock';
COMMENT ON COLUMN sellometer.alerts.well_since IS 'since when it is no longer found, likewise; it closes after sellometer.alert_hold.  NULL: it is found';
COMMENT ON COLUMN sellometer.alerts.told IS 'the worst severity that was told';
COMMENT ON COLUMN sellometer.alerts.id IS 'of this database, or of the node''s';
COMMENT ON COLUMN sellometer.alerts.node IS 'which node has found it; NULL: this database';

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
COMMENT ON TYPE sellometer.finding IS
	'What a detector finds: columns as in sellometer.alerts.  Severity may also be well: what has an open alert is no longer so; or over: and need not be waited for';

CREATE TYPE sellometer.hinted_finding AS (
	severity	text,
	dimension	text,
	key			text,
	event_time	timestamptz,
	observed	numeric,
	expected	numeric,
	score		double precision,
	detail		text,
	hint		text,
	began		timestamptz
);
COMMENT ON TYPE sellometer.hinted_finding IS 'What a detector finds that also says what to do, and since when it is so';

CREATE TABLE sellometer.detectors (
	kind		text PRIMARY KEY CHECK (kind ~ '^[a-z][a-z_]{0,39}$'),
	enabled		boolean NOT NULL DEFAULT true,
	by_clock	boolean NOT NULL DEFAULT false,
	tells_well	boolean NOT NULL DEFAULT false,
	of_all		boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE sellometer.detectors IS 'What sellometer_detect() looks for, by sellometer.detect_<kind>()';
COMMENT ON COLUMN sellometer.detectors.kind IS 'kind of its alerts';
COMMENT ON COLUMN sellometer.detectors.enabled IS 'false: it is not called, and its open alerts are closed';
COMMENT ON COLUMN sellometer.detectors.by_clock IS 'it is given the time of the clock, and not the head';
COMMENT ON COLUMN sellometer.detectors.tells_well IS 'what it does not find may still be so: it says of what it is not';
COMMENT ON COLUMN sellometer.detectors.of_all IS 'it judges what all nodes have together: in their dashboards'' database no other is called, and no node''s alerts of it are shown there';

CREATE TABLE sellometer.mutes (
	kind		text NOT NULL,
	key			text,
	until		timestamptz NOT NULL,
	muted_by	text NOT NULL DEFAULT SESSION_USER,
	muted_at	timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	dimension	text,
	UNIQUE NULLS NOT DISTINCT (kind, dimension, key)
);
-- a key that may be null identifies no row that is published
ALTER TABLE sellometer.mutes REPLICA IDENTITY FULL;
COMMENT ON TABLE sellometer.mutes IS 'What nobody wants to hear of for a while: see sellometer_mute()';
COMMENT ON COLUMN sellometer.mutes.key IS 'NULL: every key of the kind';
COMMENT ON COLUMN sellometer.mutes.until IS 'by the wall clock';
COMMENT ON COLUMN sellometer.mutes.dimension IS 'what the key is; NULL: whatever it is';

CREATE FUNCTION sellometer.severity_rank(severity text)
RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE severity WHEN 'critical' THEN 2 WHEN 'warning' THEN 1 ELSE 0 END;
COMMENT ON FUNCTION sellometer.severity_rank(text) IS 'Severities as numbers, the worst is the greatest';

/* --- words --- */

CREATE FUNCTION sellometer.key_in_words(dimension text, key text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE dimension WHEN 'all' THEN 'the shop' ELSE CASE dimension WHEN 'product_id' THEN 'product ' WHEN 'brand' THEN 'brand ' WHEN 'source' THEN 'source ' ELSE 'category ' END
		|| left(sellometer.key_label(dimension, key), 200) END
$$;
COMMENT ON FUNCTION sellometer.key_in_words(text, text) IS 'What an alert is about';

CREATE FUNCTION sellometer.price_in_words(price numeric, verb text DEFAULT '')
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	-- as a hundredth nothing is compared
	SELECT CASE WHEN price > 0.011 THEN verb || sellometer.currency_sign() || to_char(round(price, 2), 'FM999,999,999,990.00')
		WHEN verb = '' THEN 'free' ELSE 'is free' END
$$;
COMMENT ON FUNCTION sellometer.price_in_words(numeric, text) IS 'A price as people read it; with a verb if it is not free';

/* Every byte that means something in a URL, or in the page that shows it, is escaped. */
CREATE FUNCTION sellometer.url_part(t text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(string_agg(CASE WHEN x.byte BETWEEN 48 AND 57 OR x.byte BETWEEN 65 AND 90 OR x.byte BETWEEN 97 AND 122 OR x.byte IN (45, 46, 95, 126)
		THEN chr(x.byte) ELSE '%' || upper(lpad(to_hex(x.byte), 2, '0')) END, '' ORDER BY x.i), '')
	FROM (SELECT decode(replace(t, E'\\', E'\\\\'), 'escape') AS bytes) b,
		LATERAL (SELECT i, get_byte(b.bytes, i) AS byte FROM generate_series(0, octet_length(b.bytes) - 1) i) x
$$;
COMMENT ON FUNCTION sellometer.url_part(text) IS 'A text as a part of a URL';

CREATE FUNCTION sellometer.alert_link(kind text, dimension text, key text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT replace(replace(replace(nullif(current_setting('sellometer.alert_link', true), ''), '%kind', sellometer.url_part(kind)),
		'%dimension', sellometer.url_part(dimension)), '%key', sellometer.url_part(key))
$$;
COMMENT ON FUNCTION sellometer.alert_link(text, text, text) IS 'sellometer.alert_link for an alert; NULL: there is none';

/* --- opened, updated, closed --- */

/* A payload must be shorter than 8,000 bytes; a key has up to 1,000, and six times that as JSON. */
CREATE FUNCTION sellometer.notify_alert(action text, alert sellometer.own_alerts)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	payload jsonb := jsonb_build_object('action', action, 'id', alert.id, 'kind', alert.kind, 'severity', alert.severity,
		'dimension', alert.dimension, 'key', alert.key, 'event_time', alert.event_time, 'observed', alert.observed,
		'expected', alert.expected, 'score', alert.score, 'detail', left(alert.detail, 1000), 'hint', left(alert.hint, 1000),
		'link', alert.link, 'began', alert.began);
BEGIN
	IF octet_length(payload::text) >= 8000 THEN
		payload := payload - 'detail' - 'hint' - 'link';
	END IF;
	PERFORM pg_notify('sellometer_alert', payload::text);
END
$$;
COMMENT ON FUNCTION sellometer.notify_alert(text, sellometer.own_alerts) IS
	'NOTIFY sellometer_alert: an alert was opened, worsened or closed';

CREATE FUNCTION sellometer.close_alerts(kind text, ids bigint[])
RETURNS bigint
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	WITH closed AS (
		UPDATE sellometer.own_alerts a SET closed_at = clock_timestamp(), updated_at = clock_timestamp()
		WHERE a.kind = $1 AND a.closed_at IS NULL AND ($2 IS NULL OR a.id IN (SELECT unnest($2)))
		RETURNING a
	), told AS MATERIALIZED (
		SELECT sellometer.notify_alert('closed', a) FROM closed
	)
	SELECT count(*) FROM told
$$;
COMMENT ON FUNCTION sellometer.close_alerts(text, bigint[]) IS
	'Close open alerts of a kind: those with these ids, NULL: all of them; gives their number';

CREATE FUNCTION sellometer.is_muted(kind text, dimension text, key text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM sellometer.mutes m
		WHERE m.kind = $1 AND (m.dimension IS NULL OR m.dimension = $2) AND (m.key IS NULL OR m.key = $3) AND m.until > now())
$$;
COMMENT ON FUNCTION sellometer.is_muted(text, text, text) IS 'Does nobody want to hear of this now?';

/*
 * What came before within a day stays open until that day is over: so a key opens at most twice in 24 hours, and nobody is told of the
 * same again and again.  Of what is closed at once, without a hold, that is not so.
 */
CREATE FUNCTION sellometer.may_close(alert sellometer.own_alerts, at_time timestamptz)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT at_time - alert.well_since >= h.hold AND (h.hold = '0' OR NOT EXISTS (SELECT FROM sellometer.own_alerts a
		WHERE a.kind = alert.kind AND a.dimension = alert.dimension AND a.key = alert.key AND a.began > at_time - interval '24 hours' AND a.closed_at IS NOT NULL))
	FROM sellometer.setting_length('sellometer.alert_hold', '10min') h (hold)
$$;
COMMENT ON FUNCTION sellometer.may_close(sellometer.own_alerts, timestamptz) IS 'Has an open alert that is no longer found been held for long enough?';

/* Close what has been well for long enough, note since when the rest is; gives how many were closed. */
CREATE FUNCTION sellometer.close_what_is_well(kind text, at_time timestamptz, well bigint[], over bigint[])
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ids bigint[] := over;
BEGIN
	-- found again, it has another detail
	UPDATE sellometer.own_alerts a SET well_since = at_time, updated_at = clock_timestamp(),
		detail = a.detail || CASE WHEN a.id = ANY (over) THEN '' ELSE format(' (not so any more since %s)', sellometer.shop_time(at_time)) END
	WHERE a.kind = $1 AND a.closed_at IS NULL AND a.well_since IS NULL AND a.id IN (SELECT unnest(well || over));
	ids := ids || ARRAY(SELECT a.id FROM sellometer.own_alerts a
		WHERE a.kind = $1 AND a.closed_at IS NULL AND a.well_since <= at_time AND sellometer.may_close(a, at_time));
	RETURN CASE WHEN cardinality(ids) = 0 THEN 0 ELSE sellometer.close_alerts(kind, ids) END;
END
$$;
COMMENT ON FUNCTION sellometer.close_what_is_well(text, timestamptz, bigint[], bigint[]) IS
	'Close alerts (by id) that are over, and of those that are well those that have not been found for long enough; gives their number';

/*
 * Make the open alerts of a kind what its detector finds now.  An alert that goes on keeps its row: what is new about it is
 * written there, and only a severity that is greater than any that was told is told.
 */
CREATE FUNCTION sellometer.run_detector(kind text, head timestamptz, OUT opened bigint, OUT worsened bigint, OUT closed bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET sellometer.partial_results = off
AS $$
DECLARE
	detector sellometer.detectors;
	at_time timestamptz := head;
	well bigint[];
	over bigint[];
BEGIN
	IF head IS NULL THEN
		SELECT r.head INTO at_time FROM sellometer.reached r;
		IF at_time IS NULL THEN
			RETURN;
		END IF;
	END IF;
	SELECT * INTO detector FROM sellometer.detectors d WHERE d.kind = $1;
	IF detector.by_clock THEN
		at_time := clock_timestamp();
	END IF;
	EXECUTE format('
		WITH said AS MATERIALIZED (
			SELECT DISTINCT ON (f.dimension, f.key) f.*%s FROM sellometer.%I($2) f
			ORDER BY f.dimension, f.key, f.severity IN (''well'', ''over''), sellometer.severity_rank(f.severity) DESC, f.score DESC NULLS LAST, f.event_time DESC
		), found AS MATERIALIZED (
			SELECT * FROM said f WHERE f.severity NOT IN (''well'', ''over'') AND NOT sellometer.is_muted($1, f.dimension, f.key)
		), old AS MATERIALIZED (
			SELECT * FROM sellometer.own_alerts WHERE kind = $1 AND closed_at IS NULL
		), added AS (
			INSERT INTO sellometer.own_alerts AS a (kind, severity, dimension, key, event_time, observed, expected, score, detail, hint, link, began, told)
			SELECT $1, f.severity, f.dimension, f.key, f.event_time, f.observed, f.expected, f.score, f.detail, f.hint,
				sellometer.alert_link($1, f.dimension, f.key), coalesce(f.began, $2), f.severity
			FROM found f WHERE NOT EXISTS (SELECT FROM old WHERE old.dimension = f.dimension AND old.key = f.key)
			RETURNING a
		), changed AS (
			UPDATE sellometer.own_alerts a SET severity = f.severity, event_time = f.event_time, observed = f.observed, expected = f.expected, score = f.score, detail = f.detail, hint = f.hint, well_since = NULL,
				told = CASE WHEN sellometer.severity_rank(f.severity) > sellometer.severity_rank(old.told) THEN f.severity ELSE old.told END,
				updated_at = clock_timestamp()
			FROM found f JOIN old USING (dimension, key)
			WHERE a.id = old.id AND (f.severity, f.event_time, f.observed, f.expected, f.score, f.detail, f.hint, NULL::timestamptz)
				IS DISTINCT FROM (old.severity, old.event_time, old.observed, old.expected, old.score, old.detail, old.hint, old.well_since)
			RETURNING a, sellometer.severity_rank(f.severity) > sellometer.severity_rank(coalesce(old.told, old.severity)) AS worse
		), told AS MATERIALIZED (
			SELECT ''opened'' AS action, sellometer.notify_alert(''opened'', a) FROM added
			UNION ALL
			SELECT ''worsened'', sellometer.notify_alert(''worsened'', a) FROM changed WHERE worse
		), gone AS MATERIALIZED (
			SELECT old.id, CASE WHEN sellometer.is_muted($1, old.dimension, old.key) THEN ''over'' ELSE s.severity END AS severity
			FROM old LEFT JOIN said s USING (dimension, key) WHERE NOT EXISTS (SELECT FROM found f WHERE f.dimension = old.dimension AND f.key = old.key)
		)
		SELECT count(*) FILTER (WHERE action = ''opened''), count(*) FILTER (WHERE action = ''worsened''),
			ARRAY(SELECT id FROM gone WHERE severity = ''well'' OR severity IS NULL AND NOT $3), ARRAY(SELECT id FROM gone WHERE severity = ''over'')
		FROM told', CASE WHEN EXISTS (SELECT FROM pg_proc p WHERE p.oid = to_regprocedure(format('sellometer.%I(timestamptz)', 'detect_' || kind))
			AND p.prorettype = 'sellometer.finding'::regtype) THEN ', NULL::text AS hint, NULL::timestamptz AS began' ELSE '' END, 'detect_' || kind)
	INTO opened, worsened, well, over USING kind, at_time, detector.tells_well;
	closed := sellometer.close_what_is_well(kind, at_time, well, over);
END
$$;
COMMENT ON FUNCTION sellometer.run_detector(text, timestamptz) IS
	'Open, update and close the alerts of a kind, by what its detector finds at a head (NULL: of all nodes); gives how many';

/* What is no detector's any more, and what was closed long ago. */
CREATE FUNCTION sellometer.tidy_alerts()
RETURNS bigint
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	DELETE FROM sellometer.mutes WHERE until <= now();
	DELETE FROM sellometer.own_alerts WHERE closed_at IS NOT NULL AND id <= (
		SELECT id FROM sellometer.own_alerts ORDER BY id DESC OFFSET 100000 LIMIT 1);
	SELECT coalesce(sum(sellometer.close_alerts(kind, NULL)), 0)::bigint
	FROM (SELECT DISTINCT kind FROM sellometer.own_alerts WHERE closed_at IS NULL
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

CREATE FUNCTION @extschema@.sellometer_mute(kind text, key text DEFAULT NULL, until timestamptz DEFAULT 'infinity', dimension text DEFAULT NULL)
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
	key := sellometer.stored_key(dimension, key);
	DELETE FROM sellometer.mutes m WHERE m.kind = $1 AND m.key IS NOT DISTINCT FROM $2 AND m.dimension IS NOT DISTINCT FROM $4;
	IF $3 > now() THEN
		INSERT INTO sellometer.mutes (kind, key, until, dimension) VALUES ($1, $2, $3, $4);
		PERFORM sellometer.close_alerts($1, ARRAY(SELECT a.id FROM sellometer.own_alerts a
			WHERE a.kind = $1 AND a.closed_at IS NULL AND ($2 IS NULL OR a.key = $2) AND ($4 IS NULL OR a.dimension = $4)));
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_mute(text, text, timestamptz, text) IS
	'No alerts of a kind about a key (NULL: about any) until then; of one dimension only, if it is given; a time that is over, or NULL: speak again';

REVOKE ALL ON FUNCTION sellometer.is_muted(text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.may_close(sellometer.own_alerts, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.close_what_is_well(text, timestamptz, bigint[], bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.notify_alert(text, sellometer.own_alerts) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.close_alerts(text, bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.run_detector(text, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.tidy_alerts() FROM PUBLIC;
REVOKE ALL ON PROCEDURE sellometer.detect() FROM PUBLIC;
REVOKE ALL ON PROCEDURE @extschema@.sellometer_detect() FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_mute(text, text, timestamptz, text) FROM PUBLIC;
