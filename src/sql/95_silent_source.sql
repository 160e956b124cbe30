/*
 * Silence: a source, or one of the servers that write into it, from which nothing comes any more.
 *
 *   objects of the last day --> streams, by what is left of their keys without times --> the pauses between two files of each
 *     --> streams that have been silent for much longer --> one alert a source
 *
 * Judged by the clock, as the head stands still when nothing comes; so only of a source that is being listed, and whose files come
 * about when what is in them happened: in a replay nothing is late.  A source that pauses at this time of the day, as it did yesterday
 * or a week ago, is not silent.
 */

/* "2019-10-01-00-07-00-3.csv" is of stream "3", "web1/2019/10/01/00.csv.gz" of "web1". */
CREATE FUNCTION sellometer.key_stream(key text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT btrim(regexp_replace(regexp_replace(regexp_replace(regexp_replace(key,
		'\.(csv|gz|csv\.gz)$', '', 'i'),
		'[0-9]{4}[-_T:][0-9]{2}[-_T:][0-9]{2}[-_T:][0-9]{2}[-_T:][0-9]{2}(?![0-9])([-_:][0-9]{2}(?=[-_.]|$))?|[0-9]{4}[-_/][0-9]{2}([-_/T][0-9]{2})*', '', 'g'),
		'[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9]{8,}(T[0-9]{4,6}Z?)?', '', 'gi'),
		'[-_/.:]{2,}', '/', 'g'), '-_/.:')
$$;
COMMENT ON FUNCTION sellometer.key_stream(text) IS 'Which of the writers of a source an object is from: what is in its key beside the time';

/* The newest 3,000 objects of each source that is in use, up to a day before its last. */
CREATE FUNCTION sellometer.recent_arrivals(at_time timestamptz)
RETURNS TABLE (source text, stream text, arrival timestamptz, last_event timestamptz)
LANGUAGE sql STABLE ROWS 3000
SET search_path = pg_catalog, pg_temp
AS $$
	WITH newest AS MATERIALIZED (
		SELECT s.name, o.* FROM sellometer.sources s CROSS JOIN LATERAL (
			(SELECT key, last_modified, last_event FROM sellometer.objects WHERE source = s.name AND ingested_at <= at_time ORDER BY ingested_at DESC LIMIT 3000)
			UNION ALL
			(SELECT key, last_modified, last_event FROM sellometer.objects WHERE source = s.name AND state IN ('pending', 'backlog') LIMIT 3000)) o
		WHERE s.enabled AND s.listed_at > at_time - interval '15 minutes' AND o.last_modified <= at_time
	)
	SELECT n.name, sellometer.key_stream(n.key), n.last_modified, n.last_event
	FROM newest n JOIN (SELECT name, max(last_modified) AS last FROM newest GROUP BY name) l USING (name)
	WHERE n.last_modified > l.last - interval '24 hours'
$$;
COMMENT ON FUNCTION sellometer.recent_arrivals(timestamptz) IS 'When objects came into sources that are being listed, over a day';

/* How sources, and their streams (NULL: all of one together), use to come.  pause: not more between two files, but for one time in fifty. */
CREATE FUNCTION sellometer.arrival_rhythms(at_time timestamptz)
RETURNS TABLE (source text, stream text, files bigint, first timestamptz, last timestamptz, usual interval, pause interval, silent_after interval, live boolean)
LANGUAGE sql STABLE ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
	WITH arrivals AS MATERIALIZED (
		SELECT * FROM sellometer.recent_arrivals(at_time)
	), pauses AS (
		SELECT source, stream, arrival, last_event, arrival - lag(arrival) OVER (PARTITION BY source, stream ORDER BY arrival) AS pause FROM arrivals
		UNION ALL
		SELECT source, NULL, arrival, last_event, arrival - lag(arrival) OVER (PARTITION BY source ORDER BY arrival) FROM arrivals
	), rhythms AS (
		SELECT source, stream, count(*) AS files, min(arrival) AS first, max(arrival) AS last,
			percentile_disc(0.5) WITHIN GROUP (ORDER BY pause) AS usual, percentile_disc(0.98) WITHIN GROUP (ORDER BY pause) AS pause,
			percentile_disc(0.5) WITHIN GROUP (ORDER BY arrival - last_event) AS delay
		FROM pauses GROUP BY source, stream
	)
	SELECT source, stream, files, first, last, usual, pause,
		greatest(sellometer.setting_length('sellometer.silent_after', '5min'), 3 * pause, 5 * usual),
		coalesce(delay < greatest(interval '1 hour', 3 * usual), false)
	FROM rhythms
$$;
COMMENT ON FUNCTION sellometer.arrival_rhythms(timestamptz) IS
	'How often files of sources, and of the servers that write into them, come; and after which time without any they are silent';

/* A day or a week ago, give or take twenty minutes. */
CREATE FUNCTION sellometer.was_silent_before(source text, stream text, at_time timestamptz, length interval)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM unnest(ARRAY[interval '24 hours', interval '168 hours']) ago, unnest(ARRAY[interval '0', interval '-20 minutes', interval '20 minutes']) shift
		WHERE EXISTS (SELECT FROM sellometer.objects o WHERE o.source = $1 AND o.ingested_at <= at_time - ago - interval '1 hour')
			AND NOT EXISTS (SELECT FROM sellometer.objects o WHERE o.source = $1 AND o.ingested_at > at_time - ago + shift - length
				AND o.ingested_at <= at_time - ago + shift AND ($2 IS NULL OR sellometer.key_stream(o.key) = $2)))
$$;
COMMENT ON FUNCTION sellometer.was_silent_before(text, text, timestamptz, interval) IS
	'Did nothing of a source, or of one of its streams, come at this time a day or a week ago?';

/* Each source that can be judged: how many of its streams are silent, and since when. */
CREATE FUNCTION sellometer.silent_sources(at_time timestamptz)
RETURNS TABLE (source text, servers bigint, silent bigint, names text, share float8, since timestamptz, silent_after interval, usual interval, whole boolean)
LANGUAGE sql STABLE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
	WITH rhythms AS MATERIALIZED (
		SELECT * FROM sellometer.arrival_rhythms(at_time)
	), judged AS MATERIALIZED (
		SELECT r.*, at_time - r.last > r.silent_after AND NOT sellometer.was_silent_before(r.source, r.stream, at_time, r.silent_after) AS silent
		FROM rhythms r JOIN rhythms s ON s.source = r.source AND s.stream IS NULL AND s.live AND s.files >= 10
		WHERE r.stream IS NULL OR r.files >= 20
	), streams AS (
		SELECT source, count(*) AS n, count(*) FILTER (WHERE silent) AS silent, string_agg(left(stream, 40), ', ' ORDER BY stream) FILTER (WHERE silent) AS names,
			sum(files) FILTER (WHERE silent) / sum(files) AS share, min(last) FILTER (WHERE silent) AS since,
			max(silent_after) FILTER (WHERE silent) AS silent_after, max(usual) FILTER (WHERE silent) AS usual
		FROM judged WHERE stream IS NOT NULL GROUP BY source
	)
	SELECT j.source, coalesce(s.n, 1), CASE WHEN j.silent THEN coalesce(s.n, 1) ELSE coalesce(s.silent, 0) END, s.names,
		CASE WHEN j.silent THEN 1 ELSE coalesce(s.share, 0)::float8 END, CASE WHEN j.silent THEN j.last ELSE s.since END,
		CASE WHEN j.silent THEN j.silent_after ELSE s.silent_after END, CASE WHEN j.silent THEN j.usual ELSE s.usual END, j.silent
	FROM judged j LEFT JOIN streams s USING (source)
	WHERE j.stream IS NULL
$$;
COMMENT ON FUNCTION sellometer.silent_sources(timestamptz) IS 'Sources whose files come by the clock, and what of them has been silent for longer than usual';

CREATE FUNCTION sellometer.detect_silent_source(at_time timestamptz)
RETURNS SETOF sellometer.hinted_finding
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
	WITH judged AS MATERIALIZED (
		SELECT s.* FROM sellometer.silent_sources(at_time) s, sellometer.calendar_at(at_time) c
		-- a closed shop is silent
		WHERE c.factor >= 0.5 AND NOT EXISTS (SELECT FROM sellometer.objects o
			WHERE o.source = s.source AND o.state = 'failed' AND o.discovered_at > at_time - s.silent_after)
	)
	SELECT CASE WHEN j.silent = 0 THEN 'well' WHEN at_time - j.since > 3 * j.silent_after AND (j.whole OR j.share >= 0.4) THEN 'critical' ELSE 'warning' END,
		'source', j.source, j.since, (j.servers - j.silent)::numeric, j.servers::numeric,
		round((extract(epoch FROM at_time - j.since) / extract(epoch FROM j.silent_after))::numeric, 1)::float8,
		CASE WHEN j.whole THEN format('nothing has come from source %s since %s; usually a file comes every %s', j.source,
				sellometer.shop_time(j.since, at_time), regexp_replace(sellometer.in_words(greatest(j.usual, interval '1 minute')), '^1 ', ''))
			ELSE format('%s of the %s servers that write into source %s %s sent nothing since %s: %s', j.silent, j.servers, j.source, CASE j.silent WHEN 1 THEN 'has' ELSE 'have' END,
				sellometer.shop_time(j.since, at_time), left(j.names, 500)) END,
		CASE WHEN j.whole THEN 'Do the servers write, and can they reach the bucket?  A source that is to rest: sellometer_enable_source() with false.'
			ELSE 'Do these servers run, and can they reach the bucket?  If they are gone for good, this closes within a day.' END, j.since
	FROM judged j
	UNION ALL
	SELECT 'over', 'source', a.key, at_time, NULL, NULL, NULL, 'gone', NULL, NULL FROM sellometer.own_alerts a
	WHERE a.kind = 'silent_source' AND a.closed_at IS NULL AND NOT EXISTS (SELECT FROM sellometer.sources s WHERE s.name = a.key AND s.enabled)
$$;
COMMENT ON FUNCTION sellometer.detect_silent_source(timestamptz) IS
	'Sources, or servers that write into them, from which nothing has come for much longer than usual';
INSERT INTO sellometer.detectors (kind, by_clock, tells_well) VALUES ('silent_source', true, true);

REVOKE ALL ON FUNCTION sellometer.recent_arrivals(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.arrival_rhythms(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.was_silent_before(text, text, timestamptz, interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.silent_sources(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.detect_silent_source(timestamptz) FROM PUBLIC;

/* --- what is judged by what --- */

CREATE FUNCTION sellometer.baseline_entries(
	OUT kind text, OUT key text, OUT judged boolean, OUT detail text)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
	SELECT 'volume_anomaly', u.event_type::text, CASE WHEN u.event_type = 'view' THEN u.basis = 'weeks' ELSE u.basis IN ('weeks', 'days', 'hours') END,
		CASE u.basis WHEN 'calendar' THEN 'sellometer.calendar says not to judge'
			WHEN 'weeks' THEN CASE WHEN u.weeks >= 3 THEN format('by this hour of %s weeks', u.weeks)
				ELSE format('by the range of this hour in the last %s, until three weeks are known', CASE u.weeks WHEN 1 THEN 'seven days' ELSE 'two weeks' END) END
			ELSE CASE WHEN u.event_type = 'view' THEN format('too young to judge: of this hour %s days are known, and seven are needed', u.days)
				WHEN u.basis = 'days' THEN format('by views and by this hour of %s days', u.days)
				WHEN u.basis = 'hours' THEN 'by views and by the last three hours' ELSE 'too young to judge: twenty minutes are needed' END END
	FROM sellometer.reached s, sellometer.usual_volumes(sellometer.volumes_until(s.head)) u WHERE u.minutes = 60
	UNION ALL
	SELECT 'silent_source', s.name, j.source IS NOT NULL, CASE WHEN j.source IS NOT NULL
		THEN format('%s, silent after %s', CASE j.servers WHEN 1 THEN 'one writer' ELSE j.servers || ' writers' END, sellometer.in_words(coalesce(j.silent_after, sellometer.setting_length('sellometer.silent_after', '5min'))))
		WHEN NOT s.enabled THEN 'not enabled' WHEN s.listed_at IS NULL OR s.listed_at <= clock_timestamp() - interval '15 minutes' THEN 'not being listed'
		ELSE 'too young to judge: fewer than ten files in a day, or files of the past' END
	FROM sellometer.sources s LEFT JOIN sellometer.silent_sources(clock_timestamp()) j ON j.source = s.name
	UNION ALL
	SELECT 'price_anomaly', NULL, p.judged > 0, format('%s of %s products were sold often enough', p.judged, p.n)
	FROM (SELECT count(*) AS n, count(*) FILTER (WHERE x.sales >= current_setting('sellometer.price_min_sales')::bigint) AS judged
		FROM (SELECT sum(b.sales) AS sales FROM sellometer.sold_products b GROUP BY b.product_id) x) p
	UNION ALL
	SELECT 'category_shift', NULL, p.judged > 0, format('%s of %s products were sold often enough', p.judged, p.n)
	FROM (SELECT count(*) AS n, count(*) FILTER (WHERE x.sales >= current_setting('sellometer.shift_min_sales')::bigint) AS judged
		FROM (SELECT sum(b.sales) AS sales FROM sellometer.all_sold_products b GROUP BY b.product_id) x) p
$$;
COMMENT ON FUNCTION sellometer.baseline_entries() IS 'What sellometer.baselines shows';

CREATE VIEW sellometer.baselines AS SELECT * FROM sellometer.baseline_entries();
COMMENT ON VIEW sellometer.baselines IS 'What detectors judge by just now, and what is too young to be judged';
COMMENT ON COLUMN sellometer.baselines.key IS 'event type or source; NULL: all products';
COMMENT ON COLUMN sellometer.baselines.judged IS 'false: there are no alerts about it yet, whatever happens';
COMMENT ON COLUMN sellometer.baselines.detail IS 'by what, or why not';
