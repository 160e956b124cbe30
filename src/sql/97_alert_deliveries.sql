/*
 * Alerts for a program that tells them to people: what is new since it was told last, with marks before and after, so that none is lost if
 * the program dies meanwhile.
 *
 *   sellometer_detect() --> alerts, and NOTIFY for who listens just then
 *   sellometer_alerts_sending(channel) --> what is new, marked for ten minutes --> sellometer_alerts_sent() or sellometer_alerts_failed()
 */
CREATE TABLE sellometer.alert_deliveries (
	channel			text COLLATE "C" NOT NULL,
	alert_id		bigint NOT NULL,
	told			text CHECK (told IN ('info', 'warning', 'critical', 'closed')),
	telling			text CHECK (telling IN ('info', 'warning', 'critical', 'closed')),
	attempts		integer NOT NULL DEFAULT 0,
	next_attempt	timestamptz,
	sent_at			timestamptz,
	error			text,
	PRIMARY KEY (channel, alert_id)
);
COMMENT ON TABLE sellometer.alert_deliveries IS 'Which alerts were told to whom, by sellometer_alerts_sending(); kept as long as the alerts';
COMMENT ON COLUMN sellometer.alert_deliveries.channel IS 'whom it was told, as the caller calls them';
COMMENT ON COLUMN sellometer.alert_deliveries.alert_id IS 'id of the alert';
COMMENT ON COLUMN sellometer.alert_deliveries.told IS 'what was told last: with which severity it was open, or that it was closed; NULL: nothing yet';
COMMENT ON COLUMN sellometer.alert_deliveries.telling IS 'what is being told; NULL: nothing';
COMMENT ON COLUMN sellometer.alert_deliveries.attempts IS 'how often it was begun to tell that';
COMMENT ON COLUMN sellometer.alert_deliveries.next_attempt IS 'it is begun again from then on';
COMMENT ON COLUMN sellometer.alert_deliveries.sent_at IS 'when something was told last';
COMMENT ON COLUMN sellometer.alert_deliveries.error IS 'why it could not be told';

/* An alert that was closed before anybody was told of it is told to nobody, and one that gets less severe is no news. */
CREATE FUNCTION @extschema@.sellometer_alerts_sending(channel text, n integer DEFAULT 50, from_severity text DEFAULT 'warning', closed boolean DEFAULT true,
	OUT alert_id bigint, OUT news text, OUT kind text, OUT severity text, OUT dimension text, OUT key text, OUT label text, OUT event_time timestamptz,
	OUT observed numeric, OUT expected numeric, OUT score double precision, OUT detail text, OUT opened_at timestamptz, OUT closed_at timestamptz,
	OUT since text, OUT hint text, OUT link text, OUT attempt integer)
RETURNS SETOF record
LANGUAGE plpgsql SECURITY DEFINER ROWS 50
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF $1 IS NULL OR $1 !~ '^[a-z0-9_-]{1,40}$' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'channel must be 1 to 40 of a-z, 0-9, _ and -', DETAIL = format('It is %s.', coalesce(quote_literal($1), 'NULL'));
	END IF;
	IF $3 IS NULL OR $3 NOT IN ('info', 'warning', 'critical') THEN
		RAISE invalid_parameter_value USING MESSAGE = 'from_severity must be info, warning or critical', DETAIL = format('It is %s.', coalesce(quote_literal($3), 'NULL'));
	END IF;
	-- one at a time: who comes second gets what is left
	PERFORM FROM sellometer.detectors d ORDER BY d.kind FOR NO KEY UPDATE;
	DELETE FROM sellometer.alert_deliveries d WHERE NOT EXISTS (SELECT FROM sellometer.own_alerts a WHERE a.id = d.alert_id);
	RETURN QUERY
	WITH news AS MATERIALIZED (
		SELECT a.*, coalesce(w.attempts, 0) AS attempts, CASE
			WHEN a.closed_at IS NOT NULL THEN CASE WHEN $4 AND w.told <> 'closed' THEN 'closed' END
			WHEN w.told IS NULL THEN 'opened'
			WHEN sellometer.severity_rank(a.severity) > sellometer.severity_rank(w.told) THEN 'worsened' END AS news
		FROM sellometer.own_alerts a LEFT JOIN sellometer.alert_deliveries w ON w.alert_id = a.id AND w.channel = $1
		WHERE w.next_attempt > clock_timestamp() IS NOT TRUE AND (a.closed_at IS NULL OR w.told IS NOT NULL)
			AND (w.told IS NOT NULL OR sellometer.severity_rank(a.severity) >= sellometer.severity_rank($3))
	), next AS MATERIALIZED (
		SELECT s.* FROM news s WHERE s.news IS NOT NULL ORDER BY sellometer.severity_rank(s.severity) DESC, s.opened_at, s.id LIMIT $2
	), marked AS (
		INSERT INTO sellometer.alert_deliveries AS d (channel, alert_id, telling, attempts, next_attempt)
		SELECT $1, x.id, CASE x.news WHEN 'closed' THEN 'closed' ELSE x.severity END, 1, clock_timestamp() + interval '10 minutes' FROM next x
		ON CONFLICT (channel, alert_id) DO UPDATE SET telling = excluded.telling, next_attempt = excluded.next_attempt,
			attempts = CASE WHEN d.telling = excluded.telling THEN d.attempts + 1 ELSE 1 END
		RETURNING d.alert_id, d.attempts
	)
	SELECT x.id, x.news, x.kind, x.severity, x.dimension, x.key, sellometer.key_label(x.dimension, x.key), x.event_time, x.observed, x.expected,
		x.score, x.detail, x.opened_at, x.closed_at,
		sellometer.shop_time(coalesce(x.began, x.event_time)), x.hint, x.link, m.attempts
	FROM next x JOIN marked m ON m.alert_id = x.id
	ORDER BY sellometer.severity_rank(x.severity) DESC, x.opened_at, x.id;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_alerts_sending(text, integer, text, boolean) IS
	'What is new of alerts to a channel, of a severity or a greater one: opened, worsened, and, if closed, closed; marks it, so that nobody else tells it for ten minutes. since: when it began, in sellometer.timezone. Commit before sending';

CREATE FUNCTION @extschema@.sellometer_alerts_sent(channel text, alert_ids bigint[])
RETURNS bigint
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	WITH marked AS (
		UPDATE sellometer.alert_deliveries d SET told = d.telling, telling = NULL, attempts = 0, next_attempt = NULL, sent_at = clock_timestamp(), error = NULL
		WHERE d.channel = $1 AND d.alert_id = ANY ($2) AND d.telling IS NOT NULL RETURNING 1
	)
	SELECT count(*) FROM marked
$$;
COMMENT ON FUNCTION @extschema@.sellometer_alerts_sent(text, bigint[]) IS 'The mark after: alerts were told to a channel; gives how many were being told';

CREATE FUNCTION @extschema@.sellometer_alerts_failed(channel text, alert_ids bigint[], error text)
RETURNS bigint
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	WITH marked AS (
		UPDATE sellometer.alert_deliveries d SET error = left($3, 500),
			next_attempt = clock_timestamp() + interval '1 minute' * least(2 ^ least(d.attempts - 1, 10), 60)
		WHERE d.channel = $1 AND d.alert_id = ANY ($2) AND d.telling IS NOT NULL RETURNING 1
	)
	SELECT count(*) FROM marked
$$;
COMMENT ON FUNCTION @extschema@.sellometer_alerts_failed(text, bigint[], text) IS
	'Alerts could not be told: they are told later, in a minute at first and an hour at most; gives how many were being told';

REVOKE ALL ON FUNCTION @extschema@.sellometer_alerts_sending(text, integer, text, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_alerts_sent(text, bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_alerts_failed(text, bigint[], text) FROM PUBLIC;
