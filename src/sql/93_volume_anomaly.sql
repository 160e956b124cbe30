/*
 * Missing or doubled events: how many of a type came in the last complete minutes, against what is usual.
 *
 *   how many     views, and each other type: of the same hour of the week, once there are weeks; before, of the same hour of other days,
 *                or of the last hours
 *   for a view   of each other type: the median of an hour's events for each view, over a week
 *
 *   views are odd if there are too few or too many of them.  All else is odd only if it is so in both ways: a crawler's views are bought
 *   by nobody, and the night's purchases are few, as are its views.  Of a flash sale, one alert tells: that about views.
 *
 * What is usual is a range: its two ends are the same, a median, from three weeks on, and the least and the most that there was before.
 * So one odd day in the history makes nothing odd.  Without a week views are not judged: nobody knows what a Saturday is like.
 * sellometer.baselines says what is judged by what.
 *
 * Weeks are those of the shop's zone: after clocks have changed nine in the morning is nine in the morning.
 */
CREATE TABLE sellometer.calendar (
	from_time	timestamptz NOT NULL,
	to_time		timestamptz NOT NULL,
	factor		numeric CHECK (factor > 0 AND factor <= 1000000),
	note		text,
	CHECK (from_time < to_time)
);
ALTER TABLE sellometer.calendar REPLICA IDENTITY FULL;
COMMENT ON TABLE sellometer.calendar IS 'Yours to fill: holidays and campaigns, at which volumes are not as usual; known before or said afterwards';
COMMENT ON COLUMN sellometer.calendar.from_time IS 'first time at which it is so';
COMMENT ON COLUMN sellometer.calendar.to_time IS 'first time at which it is so no more';
COMMENT ON COLUMN sellometer.calendar.factor IS
	'so many times as many events as usual, at the end of all that is said of a time: 3 for a campaign, 0.2 for a holiday; NULL: don''t judge';
COMMENT ON COLUMN sellometer.calendar.note IS 'why';

/* What begins later goes first: a flash sale in a campaign. */
CREATE FUNCTION sellometer.calendar_at(t timestamptz, OUT listed boolean, OUT factor float8)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.from_time IS NOT NULL, CASE WHEN c.from_time IS NULL THEN 1 ELSE c.factor::float8 END
	FROM (VALUES (1)) one LEFT JOIN LATERAL (
		SELECT x.from_time, x.factor FROM sellometer.calendar x WHERE x.from_time <= t AND x.to_time > t
		ORDER BY x.from_time DESC, x.to_time, x.factor NULLS FIRST LIMIT 1) c ON true
$$;
COMMENT ON FUNCTION sellometer.calendar_at(timestamptz) IS
	'What sellometer.calendar says of a time: how many times as many events there are as usual; NULL: don''t judge';

CREATE FUNCTION sellometer.minute_volumes(from_time timestamptz, to_time timestamptz)
RETURNS TABLE (event_time timestamptz, event_type sellometer.event_type, count bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT event_time, event_type, count FROM sellometer.all_totals t
	WHERE t.tier = (SELECT name FROM sellometer.tiers WHERE position = 0) AND t.event_type = ANY (enum_range(NULL::sellometer.event_type))
		AND t.event_time >= from_time AND t.event_time < to_time
$$;
COMMENT ON FUNCTION sellometer.minute_volumes(timestamptz, timestamptz) IS 'Events by minute and type';

/* From whichever tiers an hour consists of: there need be none of hours. */
CREATE FUNCTION sellometer.hour_volumes(from_time timestamptz, to_time timestamptz)
RETURNS TABLE (event_time timestamptz, event_type sellometer.event_type, count bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT date_bin('1 hour', x.event_time, '2000-01-03 00:00:00+00'), x.event_type, sum(x.count)::bigint
	FROM sellometer.pieces(from_time, to_time, '1 hour') p
	JOIN sellometer.all_totals x ON x.tier = p.tier AND x.event_type = ANY (enum_range(NULL::sellometer.event_type))
		AND x.event_time >= p.piece_from AND x.event_time < p.piece_to
	GROUP BY 1, 2
$$;
COMMENT ON FUNCTION sellometer.hour_volumes(timestamptz, timestamptz) IS 'Events by hour and type';

/* Whole hours of four weeks, each with every type; what there was at a time of the calendar, as if it had been usual. */
CREATE FUNCTION sellometer.past_hours(until timestamptz)
RETURNS TABLE (hour timestamptz, event_type sellometer.event_type, count float8)
LANGUAGE sql STABLE ROWS 3000
SET search_path = pg_catalog, pg_temp
AS $$
	WITH held AS MATERIALIZED (
		SELECT * FROM sellometer.hour_volumes(date_trunc('hour', until, 'UTC') - interval '697 hours', date_trunc('hour', until, 'UTC'))
	), hours AS MATERIALIZED (		-- the first of all may have begun in its midst; one without any view tells that nothing was loaded
		SELECT h.hour, c.from_time IS NULL AS usual, c.factor::float8
		FROM (SELECT v.event_time AS hour FROM held v WHERE v.event_type = 'view' AND v.event_time > (SELECT min(x.event_time) FROM held x)) h
		LEFT JOIN LATERAL (SELECT x.from_time, x.factor FROM sellometer.calendar x
			WHERE x.from_time <= h.hour + interval '30 minutes' AND x.to_time > h.hour + interval '30 minutes'
			ORDER BY x.from_time DESC, x.to_time, x.factor NULLS FIRST LIMIT 1) c ON true
	)
	SELECT h.hour, t.event_type, coalesce(x.count, 0) / CASE WHEN h.usual THEN 1 ELSE h.factor END
	FROM hours h CROSS JOIN unnest(enum_range(NULL::sellometer.event_type)) t (event_type)
	LEFT JOIN held x ON x.event_time = h.hour AND x.event_type = t.event_type
	WHERE h.usual OR h.factor IS NOT NULL
$$;
COMMENT ON FUNCTION sellometer.past_hours(timestamptz) IS
	'Events by hour and type, of each whole hour of the last four weeks that is known, as if all had been usual';

/* Before there are days: what the last three hours were like, up to where an alert about the same began. */
CREATE FUNCTION sellometer.recent_rates(until timestamptz)
RETURNS TABLE (event_type sellometer.event_type, rate float8, ratio float8, samples bigint)
LANGUAGE sql STABLE ROWS 4
SET search_path = pg_catalog, pg_temp
AS $$
	WITH types AS MATERIALIZED (
		SELECT t.event_type, least(until - interval '5 minutes', (SELECT min(a.began) - interval '15 minutes' FROM sellometer.own_alerts a
			WHERE a.kind = 'volume_anomaly' AND a.closed_at IS NULL AND a.key = t.event_type::text)) AS until
		FROM unnest(enum_range(NULL::sellometer.event_type)) t (event_type)
	), pieces AS MATERIALIZED (
		SELECT date_bin('5 minutes', m.event_time, recent_rates.until) AS piece, m.event_type, sum(m.count)::float8 AS count
		FROM sellometer.minute_volumes((SELECT min(t.until) - interval '3 hours' FROM types t), recent_rates.until - interval '5 minutes') m GROUP BY 1, 2
	), whole AS (
		SELECT p.piece, p.count AS views FROM pieces p WHERE p.event_type = 'view' AND p.count > 0 AND p.piece > (SELECT min(x.piece) FROM pieces x)
	)
	SELECT t.event_type, percentile_cont(0.5) WITHIN GROUP (ORDER BY coalesce(p.count, 0) / 5),
		percentile_cont(0.5) WITHIN GROUP (ORDER BY coalesce(p.count, 0) / w.views), count(*)
	FROM types t JOIN whole w ON w.piece >= t.until - interval '3 hours' AND w.piece < t.until
	LEFT JOIN pieces p ON p.piece = w.piece AND p.event_type = t.event_type
	GROUP BY t.event_type
$$;
COMMENT ON FUNCTION sellometer.recent_rates(timestamptz) IS 'Usual number of events of each type in a minute, and for each view, in the last hours';

/*
 * What is usual of the last 5, 10, 30 and 60 minutes: so many events of each type a minute, from low to high, and so many for each view.  It
 * is that of the middle of these minutes: between two hours, by how far it is from the middle of each.
 */
CREATE FUNCTION sellometer.usual_volumes(until timestamptz)
RETURNS TABLE (minutes integer, event_type sellometer.event_type, low float8, high float8, ratio float8, basis text, weeks bigint, days bigint)
LANGUAGE sql STABLE ROWS 16
SET search_path = pg_catalog, pg_temp
AS $$
	WITH past AS MATERIALIZED (
		SELECT * FROM sellometer.past_hours(until)
	), spans AS MATERIALIZED (
		SELECT n AS minutes, until - n * interval '30 seconds' AS middle FROM unnest(ARRAY[5, 10, 30, 60]) n
	), targets AS MATERIALIZED (
		SELECT s.minutes, h.hour, 1 - abs(extract(epoch FROM s.middle - h.hour - interval '30 minutes'))::float8 / 3600 AS weight
		FROM spans s, LATERAL (SELECT date_trunc('hour', s.middle - interval '30 minutes', 'UTC') AS first) f,
			LATERAL (VALUES (f.first), (f.first + interval '1 hour')) h (hour)
	), days AS MATERIALIZED (	-- the same hour, by the shop's clocks
		SELECT h.hour, d.ago, date_trunc('hour', (h.hour AT TIME ZONE z.zone - d.ago * interval '1 day') AT TIME ZONE z.zone, 'UTC') AS then
		FROM (SELECT DISTINCT t.hour FROM targets t) h, (SELECT sellometer.shop_zone() AS zone) z, (VALUES (1), (2), (3), (4), (5), (6), (7), (14), (21), (28)) d (ago)
	), counted AS MATERIALIZED (
		SELECT d.hour, p.event_type, count(*) FILTER (WHERE d.ago % 7 = 0) AS weeks, count(*) FILTER (WHERE d.ago <= 7) AS days,
			percentile_cont(0.5) WITHIN GROUP (ORDER BY p.count) FILTER (WHERE d.ago % 7 = 0) AS middle,
			min(p.count) FILTER (WHERE d.ago % 7 = 0) AS week_low, max(p.count) FILTER (WHERE d.ago % 7 = 0) AS week_high,
			min(p.count) FILTER (WHERE d.ago <= 7) AS day_low, max(p.count) FILTER (WHERE d.ago <= 7) AS day_high
		FROM days d JOIN past p ON p.hour = d.then GROUP BY d.hour, p.event_type
	), rates AS MATERIALIZED (
		SELECT t.minutes, c.event_type, min(c.weeks) AS weeks, min(c.days) AS days,
			sum(t.weight * CASE WHEN weeks >= 3 THEN middle WHEN weeks = 2 THEN week_low ELSE day_low END) / sum(t.weight) / 60 AS low,
			sum(t.weight * CASE WHEN weeks >= 3 THEN middle WHEN weeks = 2 THEN week_high ELSE day_high END) / sum(t.weight) / 60 AS high
		-- right in the middle of one hour, the other one has no part in it
		FROM targets t JOIN counted c USING (hour) WHERE t.weight > 0 GROUP BY t.minutes, c.event_type
	), ratios AS MATERIALIZED (
		SELECT s.event_type, percentile_cont(0.5) WITHIN GROUP (ORDER BY s.count / v.count) AS ratio, count(*) AS hours
		FROM past s JOIN past v USING (hour)
		WHERE v.event_type = 'view' AND v.count > 0 AND s.hour >= until - interval '169 hours' GROUP BY s.event_type
	)
	SELECT s.minutes, t.event_type, CASE WHEN r.days > 0 THEN r.low ELSE n.rate END * c.factor, CASE WHEN r.days > 0 THEN r.high ELSE n.rate END * c.factor,
		CASE WHEN q.hours >= 3 THEN q.ratio ELSE n.ratio END,
		CASE WHEN c.factor IS NULL THEN 'calendar' WHEN r.weeks > 0 AND r.days >= 7 THEN 'weeks' WHEN r.days > 0 THEN 'days' WHEN n.samples >= 3 THEN 'hours' ELSE 'nothing' END,
		coalesce(r.weeks, 0), coalesce(r.days, 0)
	FROM spans s CROSS JOIN unnest(enum_range(NULL::sellometer.event_type)) t (event_type)
	CROSS JOIN LATERAL sellometer.calendar_at(s.middle) c
	LEFT JOIN rates r ON r.minutes = s.minutes AND r.event_type = t.event_type
	LEFT JOIN ratios q ON q.event_type = t.event_type
	LEFT JOIN sellometer.recent_rates(until) n ON n.event_type = t.event_type
$$;
COMMENT ON FUNCTION sellometer.usual_volumes(timestamptz) IS
	'Usual number of events of each type in a minute, and for each view, over the last minutes; and by what that is known: weeks, days, hours, nothing yet, or the calendar says not to judge';

/* Up to where minutes are taken for complete. */
CREATE FUNCTION sellometer.volumes_until(head timestamptz)
RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT date_trunc('minute', head - sellometer.setting_length('sellometer.volume_lateness', '60s'), 'UTC')
$$;
COMMENT ON FUNCTION sellometer.volumes_until(timestamptz) IS 'Up to where minutes are taken for complete when volumes are judged';

/*
 * Each type in the shortest of some spans of complete minutes in which enough events are to be expected: with 20 expected, none at all has
 * a chance of 2e-9.  too_few and too_many: what there would have to be less, or more, than.
 */
CREATE FUNCTION sellometer.judged_volumes(until timestamptz)
RETURNS TABLE (event_type sellometer.event_type, minutes integer, observed float8, views float8, too_few float8, too_many float8,
	expected_low float8, expected_high float8, basis text, weeks bigint, days bigint)
LANGUAGE sql STABLE ROWS 4
SET search_path = pg_catalog, pg_temp
AS $$
	WITH setting AS MATERIALIZED (
		SELECT current_setting('sellometer.volume_min_events')::float8 AS min_events,
			current_setting('sellometer.volume_low')::float8 AS low, current_setting('sellometer.volume_high')::float8 AS high
	), past AS MATERIALIZED (
		SELECT m.* FROM sellometer.minute_volumes(until - interval '60 minutes', until) m
	), seen AS MATERIALIZED (
		SELECT u.*, coalesce(sum(p.count) FILTER (WHERE p.event_type = u.event_type), 0)::float8 AS observed,
			coalesce(sum(p.count) FILTER (WHERE p.event_type = 'view'), 0)::float8 AS views
		FROM sellometer.usual_volumes(until) u LEFT JOIN past p ON p.event_time >= until - u.minutes * interval '1 minute'
		GROUP BY u.minutes, u.event_type, u.low, u.high, u.ratio, u.basis, u.weeks, u.days
	), expected AS (
		SELECT s.*, v.high * s.minutes AS usual_views, CASE WHEN s.event_type = 'view' THEN s.low * s.minutes ELSE least(s.low * s.minutes, s.views * s.ratio) END AS expected_low,
			CASE WHEN s.event_type = 'view' THEN s.high * s.minutes ELSE greatest(s.high * s.minutes, s.views * s.ratio) END AS expected_high,
			CASE WHEN s.event_type = 'view' THEN s.high * s.minutes ELSE least(s.high * s.minutes, s.views * s.ratio) END AS enough
		FROM seen s JOIN seen v ON v.minutes = s.minutes AND v.event_type = 'view'
	), shortest AS (
		SELECT DISTINCT ON (e.event_type) e.* FROM expected e, setting s WHERE e.enough >= s.min_events OR e.minutes = 60
		ORDER BY e.event_type, e.minutes
	)
	SELECT x.event_type, x.minutes, x.observed, x.views,
		CASE WHEN x.expected_low >= s.min_events THEN x.expected_low * s.low END,
		-- more is bought when more come: that is told of as views
		CASE WHEN x.enough >= s.min_events AND (x.event_type = 'view' OR x.views < x.usual_views * s.high) THEN x.expected_high * s.high END,
		x.expected_low, x.expected_high, x.basis, x.weeks, x.days
	FROM shortest x, setting s
$$;
COMMENT ON FUNCTION sellometer.judged_volumes(timestamptz) IS
	'How many events of each type there were in the last minutes, and from when on they would be too few or too many; NULL: that is not judged';

CREATE FUNCTION sellometer.events_in_words(event_type text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE event_type WHEN 'view' THEN 'views' WHEN 'cart' THEN 'products put into carts' WHEN 'remove_from_cart' THEN 'products removed from carts' ELSE 'purchases' END;
COMMENT ON FUNCTION sellometer.events_in_words(text) IS 'Events of a type, as people call them';

CREATE FUNCTION sellometer.detect_volume_anomaly(head timestamptz)
RETURNS SETOF sellometer.hinted_finding
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
	WITH found AS (
		SELECT j.*, u.until, CASE WHEN j.observed <= j.too_few THEN j.expected_low WHEN j.observed >= j.too_many THEN j.expected_high END AS expected
		FROM sellometer.volumes_until(head) u (until), sellometer.judged_volumes(u.until) j
		WHERE j.basis IN ('weeks', 'days', 'hours') AND (j.event_type <> 'view' OR j.basis = 'weeks')
			-- history that is on its way is in the hours alone
			AND u.until - interval '60 minutes' >= (SELECT h.floor FROM sellometer.held() h ORDER BY h.position LIMIT 1)
	), judged AS (
		SELECT *, (observed - expected) / sqrt(expected + (0.1 * expected) ^ 2) AS score,
			observed <= expected * current_setting('sellometer.volume_critical')::float8 AS critical
		FROM found WHERE expected IS NOT NULL
	)
	SELECT CASE WHEN critical THEN 'critical' ELSE 'warning' END, 'event_type', event_type::text,
		until - interval '1 minute', observed::numeric, round(expected::numeric, 1), round(score::numeric, 1)::float8,
		format('%s %s in the %s minutes up to %s, usually %s%s', CASE observed WHEN 0 THEN 'no' ELSE to_char(observed, 'FM999,999,999,990') END,
			sellometer.events_in_words(event_type::text), minutes, sellometer.shop_time(until, head), to_char(expected, 'FM999,999,999,990'),
			CASE WHEN event_type = 'view' THEN ' at this time of the week' ELSE format(', with %s views', to_char(views, 'FM999,999,999,990')) END),
		CASE WHEN event_type = 'view' AND observed > expected THEN 'Is it a campaign?  Then tell sellometer.calendar.  Else it may be a crawler: see which products are viewed, and by how many sessions.'
			WHEN event_type = 'view' THEN 'Does the shop answer?  Do all servers write events?  On a holiday, tell sellometer.calendar.'
			WHEN observed > expected THEN 'Are events counted twice, or is a price wrong?  A campaign goes into sellometer.calendar.'
			WHEN event_type = 'purchase' THEN 'Buy something yourself: do checkout and payment work, and is it recorded?'
			ELSE 'Put something into a cart yourself: does the page work, and is it recorded?' END, NULL::timestamptz
	FROM judged WHERE critical OR abs(score) >= 4
$$;
COMMENT ON FUNCTION sellometer.detect_volume_anomaly(timestamptz) IS
	'Event types of which there are far fewer or more than usual';
INSERT INTO sellometer.detectors (kind, of_all) VALUES ('volume_anomaly', true);

REVOKE ALL ON FUNCTION sellometer.calendar_at(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.minute_volumes(timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.hour_volumes(timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.past_hours(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.recent_rates(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.usual_volumes(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.volumes_until(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.judged_volumes(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.detect_volume_anomaly(timestamptz) FROM PUBLIC;
