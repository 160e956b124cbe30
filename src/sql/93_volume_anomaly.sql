/*
 * Missing or doubled events: how many of a type came in the last complete minutes, against what is usual.
 *
 *   views: the mean of the same hour of the last days; without three of them the last hour
 *   all else: views of these minutes x how many of the type there usually are for each view, so a quiet night or a busy
 *   evening are no news, and all purchases missing while people look as always is
 *
 * Usual is a median: of samples each of which is an hour (or, while there are fewer than three, five minutes).
 */
CREATE FUNCTION sellometer.minute_volumes(from_time timestamptz, to_time timestamptz)
RETURNS TABLE (event_time timestamptz, event_type sellometer.event_type, count bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT event_time, event_type, sum(count)::bigint FROM sellometer.category_l1_minute m
	WHERE m.event_time >= from_time AND m.event_time < to_time GROUP BY 1, 2
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
	JOIN sellometer.totals x ON x.tier = p.tier AND x.event_type = ANY (enum_range(NULL::sellometer.event_type))
		AND x.event_time >= p.piece_from AND x.event_time < p.piece_to
	GROUP BY 1, 2
$$;
COMMENT ON FUNCTION sellometer.hour_volumes(timestamptz, timestamptz) IS 'Events by hour and type';

/* How many events of each type there usually are: for each view, and views for each minute. */
CREATE FUNCTION sellometer.usual_volumes(until timestamptz)
RETURNS TABLE (event_type sellometer.event_type, usual double precision, samples bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH week AS MATERIALIZED (
		SELECT date_trunc('hour', until, 'UTC') AS present, h.*
		FROM sellometer.hour_volumes(date_trunc('hour', until, 'UTC') - interval '168 hours', date_trunc('hour', until, 'UTC')) h
	), hours AS MATERIALIZED (
		SELECT * FROM week WHERE event_time >= present - interval '24 hours'
	), pieces AS MATERIALIZED (
		SELECT date_bin('5 minutes', event_time, until) AS event_time, event_type, sum(count)::bigint AS count
		FROM sellometer.minute_volumes(until - interval '3 hours', until - interval '5 minutes') GROUP BY 1, 2
	), samples AS (
		SELECT event_time, event_type, count FROM hours WHERE (SELECT count(DISTINCT event_time) FROM hours) >= 3
		UNION ALL
		SELECT * FROM pieces WHERE (SELECT count(DISTINCT event_time) FROM hours) < 3
	), ratios AS (
		SELECT t.event_type, coalesce(s.count, 0)::float8 / v.count AS ratio
		FROM samples v CROSS JOIN unnest(enum_range(NULL::sellometer.event_type)) t (event_type)
		LEFT JOIN samples s ON s.event_time = v.event_time AND s.event_type = t.event_type
		WHERE v.event_type = 'view' AND t.event_type <> 'view' AND v.count > 0
	), days AS MATERIALIZED (
		SELECT count / 60.0 AS rate FROM week
		WHERE event_type = 'view' AND extract(hour FROM event_time AT TIME ZONE 'UTC') = extract(hour FROM present AT TIME ZONE 'UTC')
	), rates AS (
		SELECT rate FROM days WHERE (SELECT count(*) FROM days) >= 3
		UNION ALL
		SELECT count FROM sellometer.minute_volumes(until - interval '65 minutes', until - interval '5 minutes')
		WHERE event_type = 'view' AND (SELECT count(*) FROM days) < 3
	)
	SELECT event_type, percentile_cont(0.5) WITHIN GROUP (ORDER BY ratio), count(*) FROM ratios GROUP BY event_type
	UNION ALL
	SELECT 'view', percentile_cont(0.5) WITHIN GROUP (ORDER BY rate::float8), count(*) FROM rates
$$;
COMMENT ON FUNCTION sellometer.usual_volumes(timestamptz) IS
	'Usual number of events of each type for each view, and of views for each minute';

/*
 * The shortest of some spans of complete minutes in which enough events are to be expected: with 20 expected, none at all
 * has a chance of 2e-9.
 */
CREATE FUNCTION sellometer.detect_volume_anomaly(head timestamptz)
RETURNS SETOF sellometer.finding
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH setting AS MATERIALIZED (
		SELECT date_trunc('minute', head - sellometer.setting_length('sellometer.volume_lateness'), 'UTC') AS until,
			current_setting('sellometer.volume_min_events')::float8 AS min_events,
			current_setting('sellometer.volume_low')::float8 AS low, current_setting('sellometer.volume_critical')::float8 AS critical,
			current_setting('sellometer.volume_high')::float8 AS high
	), minutes AS MATERIALIZED (
		SELECT m.* FROM setting s, sellometer.minute_volumes(s.until - interval '60 minutes', s.until) m
	), usual AS MATERIALIZED (
		SELECT u.* FROM setting s, sellometer.usual_volumes(s.until) u
	), spans AS (
		SELECT t.event_type, n,
			coalesce(sum(m.count) FILTER (WHERE m.event_type = t.event_type), 0)::float8 AS observed,
			coalesce(sum(m.count) FILTER (WHERE m.event_type = 'view'), 0)::float8 AS views
		FROM setting s CROSS JOIN unnest(enum_range(NULL::sellometer.event_type)) t (event_type) CROSS JOIN unnest(ARRAY[5, 10, 30, 60]) n
		LEFT JOIN minutes m ON m.event_time >= s.until - n * interval '1 minute'
		GROUP BY t.event_type, n
	), expected AS (
		SELECT p.event_type, n, observed, views, u.samples, CASE p.event_type WHEN 'view' THEN n ELSE views END * u.usual AS expected
		FROM spans p JOIN usual u USING (event_type)
	), shortest AS (
		SELECT DISTINCT ON (event_type) * FROM expected, setting WHERE samples >= 3 AND expected >= min_events ORDER BY event_type, n
	), judged AS (
		SELECT *, (observed - expected) / sqrt(expected + (0.1 * expected) ^ 2) AS score FROM shortest
	)
	SELECT CASE WHEN observed <= expected * critical THEN 'critical' ELSE 'warning' END, 'event_type', event_type::text,
		until - interval '1 minute', observed::numeric, round(expected::numeric, 1), round(score::numeric, 1)::float8,
		format('%s %s events in %s minutes up to %s UTC, usually %s%s', CASE observed WHEN 0 THEN 'no' ELSE observed::text END,
			replace(event_type::text, '_', ' '), n, to_char(until AT TIME ZONE 'UTC', 'HH24:MI'), round(expected),
			CASE event_type WHEN 'view' THEN '' ELSE format(' for %s views', views) END)
	FROM judged
	WHERE observed <= expected * critical OR abs(score) >= 4 AND (observed <= expected * low OR observed >= expected * high)
$$;
COMMENT ON FUNCTION sellometer.detect_volume_anomaly(timestamptz) IS
	'Event types of which there are far fewer or more than usual';
INSERT INTO sellometer.detectors (kind) VALUES ('volume_anomaly');

REVOKE ALL ON FUNCTION sellometer.minute_volumes(timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.hour_volumes(timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.usual_volumes(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.detect_volume_anomaly(timestamptz) FROM PUBLIC;
