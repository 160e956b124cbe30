/*
 * Sessions, buyers and orders of the whole shop, and of keys of one's own dimensions, by minute, hour and day of its zone; counted only where
 * somebody asks for it.
 *
 *     rows with a session --> visit_log: of each session and block, in which minutes it was there
 *                         --> visit_purchases: when it bought something
 *                                 |
 *                                 +--> visit_counts: what changes with them, in the same transaction
 *
 * What is of a key is counted as if these were sessions of their own: (session, key) stands where (session, 0) does for the whole shop.  A session that
 * was seen with two keys is one of each.
 *
 * Both are sets: what comes twice changes nothing, and so the counts are the same for any order of files.  A session counts once in each
 * minute, hour and day.  An order begins with a purchase before which there was none of its session for the order window.
 */
CREATE TABLE sellometer.visit_state (
	only_row		boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	zone			text NOT NULL,
	order_window	interval NOT NULL,
	block			interval NOT NULL,
	counted_from	timestamptz NOT NULL,
	kept_from		timestamptz NOT NULL
);
COMMENT ON TABLE sellometer.visit_state IS 'How sessions, buyers and orders are counted; empty: they are not.  See sellometer_count_visits()';
COMMENT ON COLUMN sellometer.visit_state.zone IS 'time zone of the days';
COMMENT ON COLUMN sellometer.visit_state.order_window IS 'sellometer.order_window as it was when counting began';
COMMENT ON COLUMN sellometer.visit_state.block IS 'an hour, or less where days do not begin with one';
COMMENT ON COLUMN sellometer.visit_state.counted_from IS 'what was before this time is not counted';
COMMENT ON COLUMN sellometer.visit_state.kept_from IS 'what was before this time is counted, but not corrected any more';

CREATE TABLE sellometer.visit_log (
	session		bigint NOT NULL,
	block		timestamptz NOT NULL,
	minutes		bigint NOT NULL,
	key			integer NOT NULL,
	PRIMARY KEY (session, block, key)
);
COMMENT ON TABLE sellometer.visit_log IS 'When sessions were there, since visit_state.kept_from';
COMMENT ON COLUMN sellometer.visit_log.session IS 'fingerprint of the session';
COMMENT ON COLUMN sellometer.visit_log.key IS 'dimension_keys.number of the key that it was seen with; 0: any, or none';
COMMENT ON COLUMN sellometer.visit_log.block IS 'start of an hour, or of less: visit_state.block';
COMMENT ON COLUMN sellometer.visit_log.minutes IS 'a bit for each of its minutes, the lowest for the first';

CREATE TABLE sellometer.visit_purchases (
	session		bigint NOT NULL,
	bought_at	timestamptz NOT NULL,
	key			integer NOT NULL,
	PRIMARY KEY (session, bought_at, key)
);
COMMENT ON TABLE sellometer.visit_purchases IS 'When sessions bought something, since an order window before visit_state.kept_from';
COMMENT ON COLUMN sellometer.visit_purchases.session IS 'fingerprint of the session';
COMMENT ON COLUMN sellometer.visit_purchases.key IS 'as that of visit_log';
COMMENT ON COLUMN sellometer.visit_purchases.bought_at IS 'time of a purchase, or of several';

CREATE TABLE sellometer.visit_counts (
	tier		text NOT NULL CHECK (tier IN ('minute', 'hour', 'day')),
	event_time	timestamptz NOT NULL,
	sessions	bigint NOT NULL,
	buyers		bigint NOT NULL,
	orders		bigint NOT NULL,
	key			integer NOT NULL,
	PRIMARY KEY (key, tier, event_time)
);
COMMENT ON TABLE sellometer.visit_counts IS 'Sessions, buyers and orders by minute, hour and day';
COMMENT ON COLUMN sellometer.visit_counts.key IS 'as that of visit_log';
COMMENT ON COLUMN sellometer.visit_counts.tier IS 'minute, hour or day';
COMMENT ON COLUMN sellometer.visit_counts.event_time IS 'start of the interval';
COMMENT ON COLUMN sellometer.visit_counts.sessions IS 'sessions that had an event, of whatever type';
COMMENT ON COLUMN sellometer.visit_counts.buyers IS 'of them those that bought something';
COMMENT ON COLUMN sellometer.visit_counts.orders IS 'orders whose first purchase was then';

CREATE VIEW sellometer.visits_minute AS
SELECT event_time, sessions, buyers, orders FROM sellometer.visit_counts WHERE key = 0 AND tier = 'minute';
COMMENT ON VIEW sellometer.visits_minute IS 'Sessions, buyers and orders by minute';
CREATE VIEW sellometer.visits_hour AS
SELECT event_time, sessions, buyers, orders FROM sellometer.visit_counts WHERE key = 0 AND tier = 'hour';
COMMENT ON VIEW sellometer.visits_hour IS 'Sessions, buyers and orders by hour';
CREATE VIEW sellometer.visits_day AS
SELECT event_time, sessions, buyers, orders FROM sellometer.visit_counts WHERE key = 0 AND tier = 'day';
COMMENT ON VIEW sellometer.visits_day IS 'Sessions, buyers and orders by day of the shop';

CREATE FUNCTION sellometer.set_bits(mask bigint)
RETURNS integer[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sellometer_set_bits';
COMMENT ON FUNCTION sellometer.set_bits(bigint) IS 'The numbers of the bits that are set, the lowest is 0';

/* Of a change to the counts; NULL: nothing has changed. */
CREATE FUNCTION sellometer.count_visits(keys integer[], tiers text[], times timestamptz[], sessions bigint[], buyers bigint[], orders bigint[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	INSERT INTO sellometer.visit_counts AS c (key, tier, event_time, sessions, buyers, orders)
	SELECT d.key, d.tier, d.event_time, sum(d.sessions), sum(d.buyers), sum(d.orders)
	FROM unnest(keys, tiers, times, sessions, buyers, orders) d (key, tier, event_time, sessions, buyers, orders)
	GROUP BY 1, 2, 3 HAVING sum(d.sessions) <> 0 OR sum(d.buyers) <> 0 OR sum(d.orders) <> 0
	ON CONFLICT (key, tier, event_time) DO UPDATE SET sessions = c.sessions + excluded.sessions, buyers = c.buyers + excluded.buyers, orders = c.orders + excluded.orders;
	DELETE FROM sellometer.visit_counts c USING unnest(keys, tiers, times) d (key, tier, event_time)
	WHERE c.key = d.key AND c.tier = d.tier AND c.event_time = d.event_time AND c.sessions = 0 AND c.buyers = 0 AND c.orders = 0;
END
$$;
COMMENT ON FUNCTION sellometer.count_visits(integer[], text[], timestamptz[], bigint[], bigint[], bigint[]) IS 'Add changes to the counts of visits';

/* Each session, key and block once. */
CREATE FUNCTION sellometer.add_visits(sessions bigint[], keys integer[], blocks timestamptz[], masks bigint[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET work_mem = '64MB'
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	days_of text := (SELECT s.zone FROM sellometer.visit_state s);
BEGIN
	WITH n AS MATERIALIZED (
		SELECT u.session, u.key, u.block, u.minutes & ~coalesce(l.minutes, 0) AS minutes, l.session IS NULL AS is_new
		FROM unnest(sessions, keys, blocks, masks) u (session, key, block, minutes)
		LEFT JOIN sellometer.visit_log l ON l.session = u.session AND l.block = u.block AND l.key = u.key
	), spans AS MATERIALIZED (		-- the hours and days that blocks are in
		SELECT b.block, t.tier, t.first, t.after FROM (SELECT DISTINCT n.block FROM n WHERE n.is_new) b,
			LATERAL (VALUES ('hour', date_bin('1 hour', b.block, '2000-01-01 00:00+00'), date_bin('1 hour', b.block, '2000-01-01 00:00+00') + interval '1 hour'),
				('day', sellometer.bucket_start('1 day', b.block, days_of), sellometer.bucket_next('1 day', b.block, days_of))) t (tier, first, after)
	), changes AS (
		SELECT n.key, 'minute' AS tier, n.block + bit * interval '1 minute' AS event_time, count(*) AS sessions
		FROM n, unnest(sellometer.set_bits(n.minutes)) bit GROUP BY 1, 3
		UNION ALL
		SELECT f.key, f.tier, f.first, count(*)
		FROM (SELECT DISTINCT n.session, n.key, s.tier, s.first, s.after FROM n JOIN spans s USING (block) WHERE n.is_new) f
		WHERE NOT EXISTS (SELECT FROM sellometer.visit_log l WHERE l.session = f.session AND l.block >= f.first AND l.block < f.after AND l.key = f.key)
		GROUP BY 1, 2, 3
	)
	SELECT sellometer.count_visits(array_agg(key), array_agg(tier), array_agg(event_time), array_agg(sessions), array_agg(0::bigint), array_agg(0::bigint)) FROM changes
	INTO days_of;
	INSERT INTO sellometer.visit_log AS l (session, key, block, minutes)
	SELECT u.session, u.key, u.block, u.minutes FROM unnest(sessions, keys, blocks, masks) u (session, key, block, minutes)
	ON CONFLICT (session, block, key) DO UPDATE SET minutes = l.minutes | excluded.minutes WHERE l.minutes | excluded.minutes <> l.minutes;
END
$$;
COMMENT ON FUNCTION sellometer.add_visits(bigint[], integer[], timestamptz[], bigint[]) IS 'Note in which minutes sessions were there';

CREATE FUNCTION sellometer.take_out_visits(sessions bigint[], keys integer[], blocks timestamptz[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET work_mem = '64MB'
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	days_of text := (SELECT s.zone FROM sellometer.visit_state s);
BEGIN
	WITH gone AS (
		DELETE FROM sellometer.visit_log l USING unnest(sessions, keys, blocks) u (session, key, block)
		WHERE l.session = u.session AND l.block = u.block AND l.key = u.key RETURNING l.session, l.key, l.block, l.minutes
	), spans AS MATERIALIZED (
		SELECT b.block, t.tier, t.first, t.after FROM (SELECT DISTINCT g.block FROM gone g) b,
			LATERAL (VALUES ('hour', date_bin('1 hour', b.block, '2000-01-01 00:00+00'), date_bin('1 hour', b.block, '2000-01-01 00:00+00') + interval '1 hour'),
				('day', sellometer.bucket_start('1 day', b.block, days_of), sellometer.bucket_next('1 day', b.block, days_of))) t (tier, first, after)
	), changes AS (
		SELECT g.key, 'minute' AS tier, g.block + bit * interval '1 minute' AS event_time, -count(*) AS sessions
		FROM gone g, unnest(sellometer.set_bits(g.minutes)) bit GROUP BY 1, 3
		UNION ALL
		SELECT f.key, f.tier, f.first, -count(*)
		FROM (SELECT DISTINCT g.session, g.key, s.tier, s.first, s.after FROM gone g JOIN spans s USING (block)) f
		-- the rows are seen as they were
		WHERE NOT EXISTS (SELECT FROM sellometer.visit_log l WHERE l.session = f.session AND l.block >= f.first AND l.block < f.after AND l.key = f.key
			AND NOT EXISTS (SELECT FROM gone g WHERE g.session = l.session AND g.block = l.block AND g.key = l.key))
		GROUP BY 1, 2, 3
	)
	SELECT sellometer.count_visits(array_agg(key), array_agg(tier), array_agg(event_time), array_agg(sessions), array_agg(0::bigint), array_agg(0::bigint)) FROM changes
	INTO days_of;
END
$$;
COMMENT ON FUNCTION sellometer.take_out_visits(bigint[], integer[], timestamptz[]) IS 'Forget that sessions were there in some blocks';

/*
 * What a session bought before and after the change, from before the first to behind the last that changes, as far as that may make a
 * difference: what is the same in both is counted off and on.
 */
CREATE FUNCTION sellometer.change_visit_purchases(sessions bigint[], keys integer[], times timestamptz[], add boolean)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET work_mem = '64MB'
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	s record;
	done text;
BEGIN
	SELECT x.zone AS days_of, x.order_window INTO s FROM sellometer.visit_state x;
	WITH changed AS MATERIALIZED (
		SELECT DISTINCT u.session, u.key, u.bought_at FROM unnest(sessions, keys, times) u (session, key, bought_at)
	), spans AS MATERIALIZED (
		SELECT c.session, c.key,
			least(sellometer.bucket_start('1 day', min(c.bought_at), s.days_of), date_bin('1 hour', min(c.bought_at), '2000-01-01 00:00+00'), min(c.bought_at) - s.order_window) AS first,
			greatest(sellometer.bucket_next('1 day', max(c.bought_at), s.days_of), date_bin('1 hour', max(c.bought_at), '2000-01-01 00:00+00') + interval '1 hour',
				max(c.bought_at) + s.order_window) AS after
		FROM changed c GROUP BY 1, 2
	), before AS MATERIALIZED (
		SELECT p.session, p.key, p.bought_at FROM spans x JOIN sellometer.visit_purchases p ON p.session = x.session AND p.key = x.key AND p.bought_at >= x.first AND p.bought_at < x.after
	), both_ AS (
		SELECT -1 AS sign, b.session, b.key, b.bought_at FROM before b
		UNION ALL
		(SELECT 1, b.session, b.key, b.bought_at FROM before b
			WHERE add OR NOT EXISTS (SELECT FROM changed c WHERE c.session = b.session AND c.key = b.key AND c.bought_at = b.bought_at)
		UNION
		SELECT 1, c.session, c.key, c.bought_at FROM changed c WHERE add)
	), purchases AS MATERIALIZED (
		SELECT b.sign, b.session, b.key, b.bought_at,
			(b.bought_at - lag(b.bought_at) OVER (PARTITION BY b.sign, b.session, b.key ORDER BY b.bought_at) < s.order_window) IS NOT TRUE AS begins
		FROM both_ b
	), placed AS (
		SELECT p.sign, p.session, p.key, p.begins, t.tier, t.event_time FROM purchases p,
			LATERAL (VALUES ('minute', date_bin('1 minute', p.bought_at, '2000-01-01 00:00+00')), ('hour', date_bin('1 hour', p.bought_at, '2000-01-01 00:00+00')),
				('day', sellometer.bucket_start('1 day', p.bought_at, s.days_of))) t (tier, event_time)
	), changes AS (
		SELECT x.key, x.tier, x.event_time, sum(x.sign * x.buyers)::bigint AS buyers, sum(x.sign * x.orders)::bigint AS orders
		FROM (SELECT p.sign, p.key, p.tier, p.event_time, count(DISTINCT p.session) AS buyers, count(*) FILTER (WHERE p.begins) AS orders FROM placed p GROUP BY 1, 2, 3, 4) x
		GROUP BY 1, 2, 3
	)
	SELECT sellometer.count_visits(array_agg(key), array_agg(tier), array_agg(event_time), array_agg(0::bigint), array_agg(buyers), array_agg(orders)) FROM changes
	INTO done;
	IF add THEN
		INSERT INTO sellometer.visit_purchases (session, key, bought_at) SELECT DISTINCT u.session, u.key, u.bought_at FROM unnest(sessions, keys, times) u (session, key, bought_at) ON CONFLICT DO NOTHING;
	ELSE
		DELETE FROM sellometer.visit_purchases p USING unnest(sessions, keys, times) u (session, key, bought_at) WHERE p.session = u.session AND p.key = u.key AND p.bought_at = u.bought_at;
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.change_visit_purchases(bigint[], integer[], timestamptz[], boolean) IS 'Note when sessions bought something, or forget it';

CREATE FUNCTION sellometer.fill_visits(since timestamptz)
RETURNS void
LANGUAGE c STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_fill_visits';
COMMENT ON FUNCTION sellometer.fill_visits(timestamptz) IS 'Count visits of what is loaded already, from archives and files';

/* Of dimensions whose visits are wanted and not counted yet: from the first whole day on of which they have all keys. */
CREATE FUNCTION sellometer.begin_visits_of_dimensions()
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	UPDATE sellometer.dimensions d SET visits_from = greatest(v.counted_from, sellometer.bucket_end('1 day', d.since, v.zone))
	FROM sellometer.visit_state v WHERE d.visits AND d.visits_from IS NULL
$$;
COMMENT ON FUNCTION sellometer.begin_visits_of_dimensions() IS 'Have visits be counted by those dimensions by which they are to be';

/* Nor in the dashboards' database of nodes, which loads nothing. */
CREATE FUNCTION sellometer.refuse_visits_of_nodes()
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF sellometer.own_slice() <> '' OR sellometer.asks_nodes() THEN
		RAISE feature_not_supported USING MESSAGE = 'visits can''t be counted where only a slice of the products is',
			DETAIL = 'A session has products of several slices: each node would count it, and so would their sum.',
			HINT = 'Count them in a database of its own that has no sellometer.slice and reads the same files, and ask that.';
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.refuse_visits_of_nodes() IS 'An error on a node, and where all nodes are asked';

CREATE FUNCTION @extschema@.sellometer_count_visits(since timestamptz DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
DECLARE
	zone text := sellometer.day_zone();
	first timestamptz;
BEGIN
	IF EXISTS (SELECT FROM sellometer.visit_state) THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = 'visits are counted already',
			HINT = 'sellometer_stop_visits() ends that, and forgets them.';
	END IF;
	PERFORM sellometer.refuse_visits_of_nodes();
	-- waits for batches that are being read, and those that are begun wait
	LOCK TABLE sellometer.visit_state IN ACCESS EXCLUSIVE MODE;
	first := sellometer.bucket_end('1 day', coalesce(since, (SELECT s.head FROM sellometer.state s), '-infinity'), zone);
	INSERT INTO sellometer.visit_state (zone, order_window, block, counted_from, kept_from)
	SELECT zone, sellometer.setting_length('sellometer.order_window', '30min'), max(b), first, first
	FROM unnest(ARRAY['1 hour', '30 minutes', '15 minutes', '1 minute']::interval[]) b WHERE sellometer.is_multiple('1 day', b, zone);
	PERFORM sellometer.begin_visits_of_dimensions();
	IF since IS NOT NULL THEN
		PERFORM sellometer.fill_visits(first);
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_count_visits(timestamptz) IS
	'Count sessions, buyers and orders by minute, hour and day, from the first whole day on that begins behind the newest data, or at since or later: what is loaded of that is read again from archives and files.  Days are those of the shop, orders go by sellometer.order_window; both stay as they are now';

CREATE FUNCTION @extschema@.sellometer_stop_visits()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	LOCK TABLE sellometer.visit_state IN ACCESS EXCLUSIVE MODE;
	DELETE FROM sellometer.visit_state;
	UPDATE sellometer.dimensions SET visits_from = NULL WHERE visits;
	TRUNCATE sellometer.visit_log, sellometer.visit_purchases, sellometer.visit_counts;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_stop_visits() IS 'Don''t count sessions, buyers and orders any more, and forget those that were counted';

CREATE FUNCTION @extschema@.sellometer_visits("from" timestamptz, "to" timestamptz, step interval DEFAULT '1 day',
	OUT event_time timestamptz, OUT sessions bigint, OUT buyers bigint, OUT orders bigint, OUT gmv numeric, OUT basket numeric, OUT conversion numeric)
RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	counted boolean := EXISTS (SELECT FROM sellometer.visit_state);
	name text := (SELECT v.tier FROM (VALUES ('minute', interval '1 minute'), ('hour', '1 hour'), ('day', '1 day')) v (tier, width) WHERE v.width = step);
BEGIN
	IF NOT counted THEN
		PERFORM sellometer.refuse_visits_of_nodes();
		RETURN;
	END IF;
	IF name IS NULL THEN
		RAISE invalid_parameter_value USING MESSAGE = 'visits are counted by minute, hour and day', DETAIL = format('The step is %s.', coalesce(step::text, 'NULL')),
			HINT = 'Sessions of wider steps are not the sum of these: who comes on two days would count twice.';
	END IF;
	RETURN QUERY
	SELECT c.event_time, c.sessions, c.buyers, c.orders, s.gmv, s.gmv / nullif(c.orders, 0), c.buyers::numeric / nullif(c.sessions, 0)
	FROM sellometer.visit_counts c
	LEFT JOIN sellometer.series_of('category_l1', 'purchase', '{NULL}', "from", "to", step, true) s ON s.event_time = c.event_time
	WHERE c.key = 0 AND c.tier = name AND c.event_time >= coalesce("from", '-infinity') AND c.event_time < coalesce("to", 'infinity')
	ORDER BY 1;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_visits(timestamptz, timestamptz, interval) IS
	'Sessions, buyers and orders by minute, hour or day; gmv: of the interval''s purchases, NULL where no tier holds it; basket: that by the orders; conversion: the share of sessions that bought something';

CREATE FUNCTION @extschema@.sellometer_visits_by(dimension text, "from" timestamptz, "to" timestamptz, step interval DEFAULT '1 day', keys text[] DEFAULT NULL,
	OUT event_time timestamptz, OUT key text, OUT sessions bigint, OUT buyers bigint, OUT orders bigint, OUT gmv numeric, OUT basket numeric, OUT conversion numeric)
RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	d record;
	name text := (SELECT v.tier FROM (VALUES ('minute', interval '1 minute'), ('hour', '1 hour'), ('day', '1 day')) v (tier, width) WHERE v.width = step);
	wanted text[];
BEGIN
	SELECT x.id, x.visits, x.visits_from INTO d FROM sellometer.dimensions x WHERE x.dimension = sellometer_visits_by.dimension;
	IF NOT FOUND OR NOT d.visits THEN
		RAISE invalid_parameter_value USING MESSAGE = format('visits are not counted by "%s"', coalesce(dimension, 'NULL')),
			HINT = 'They are by dimensions of one''s own that were added with visits => true: see sellometer.dimensions.';
	END IF;
	IF d.visits_from IS NULL THEN
		PERFORM sellometer.refuse_visits_of_nodes();
		RETURN;
	END IF;
	IF name IS NULL THEN
		RAISE invalid_parameter_value USING MESSAGE = 'visits are counted by minute, hour and day', DETAIL = format('The step is %s.', coalesce(step::text, 'NULL')),
			HINT = 'Sessions of wider steps are not the sum of these: who comes on two days would count twice.';
	END IF;
	wanted := (SELECT array_agg(k.key) FROM sellometer.dimension_keys k WHERE k.dimension_id = d.id AND (keys IS NULL OR k.key = ANY (keys)));
	RETURN QUERY
	SELECT c.event_time, k.key, c.sessions, c.buyers, c.orders, s.gmv, s.gmv / nullif(c.orders, 0), c.buyers::numeric / nullif(c.sessions, 0)
	FROM sellometer.dimension_keys k
	JOIN sellometer.visit_counts c ON c.key = k.number AND c.tier = name AND c.event_time >= coalesce("from", '-infinity') AND c.event_time < coalesce("to", 'infinity')
	LEFT JOIN sellometer.series_of(dimension, 'purchase', wanted, "from", "to", step, true) s ON s.event_time = c.event_time AND s.key = k.key
	WHERE k.dimension_id = d.id AND (keys IS NULL OR k.key = ANY (keys))
	ORDER BY 1, 2;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_visits_by(text, timestamptz, timestamptz, interval, text[]) IS
	'Sessions, buyers and orders by minute, hour or day, of keys of a dimension of one''s own that was added with visits => true (NULL: all of them).  A session is one of each key that it was seen with, and so are its orders: keys may add up to more than there are';

/* What the log doesn't tell stays counted.  Minutes and hours go with those of the tiers. */
CREATE FUNCTION sellometer.prune_visits(retention interval)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
	first timestamptz;
	n bigint;
	gone bigint := 0;
BEGIN
	SELECT v.*, sellometer.bucket_start('1 day', st.head - retention, v.zone) AS wanted_from INTO s FROM sellometer.visit_state v, sellometer.state st WHERE st.head IS NOT NULL;
	IF NOT FOUND THEN
		RETURN 0;
	END IF;
	IF s.wanted_from > s.kept_from THEN
		UPDATE sellometer.visit_state SET kept_from = s.wanted_from;
		DELETE FROM sellometer.visit_log WHERE block < s.wanted_from;
		GET DIAGNOSTICS gone = ROW_COUNT;
		DELETE FROM sellometer.visit_purchases WHERE bought_at < s.wanted_from - s.order_window;
		GET DIAGNOSTICS n = ROW_COUNT;
		gone := gone + n;
	END IF;
	FOR first, n IN SELECT k.floor, k.position FROM sellometer.kept() k WHERE k.position = 0 OR k.tier = 'hour' LOOP
		DELETE FROM sellometer.visit_counts c WHERE c.tier = CASE n WHEN 0 THEN 'minute' ELSE 'hour' END AND c.event_time < first;
	END LOOP;
	RETURN gone;
END
$$;
COMMENT ON FUNCTION sellometer.prune_visits(interval) IS 'Forget what sessions did longer ago than this behind the head, and counts of minutes and hours that tiers don''t keep either';

/* What differs from what the log and the purchases add up to. */
CREATE FUNCTION sellometer.wrong_visits()
RETURNS bigint
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET work_mem = '64MB'
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	v record;
BEGIN
	SELECT * INTO v FROM sellometer.visit_state;
	RETURN (
		WITH floors AS (
			SELECT t.tier, greatest(v.kept_from, CASE t.tier WHEN 'minute' THEN (SELECT k.floor FROM sellometer.kept() k WHERE k.position = 0)
				WHEN 'hour' THEN (SELECT max(k.floor) FROM sellometer.kept() k WHERE k.tier = 'hour') END) AS floor
			FROM unnest(ARRAY['minute', 'hour', 'day']) t (tier)
		), sessions AS (
			SELECT l.key, 'minute' AS tier, l.block + bit * interval '1 minute' AS event_time, l.session FROM sellometer.visit_log l, unnest(sellometer.set_bits(l.minutes)) bit
			UNION ALL
			SELECT l.key, 'hour', date_bin('1 hour', l.block, '2000-01-01 00:00+00'), l.session FROM sellometer.visit_log l
			UNION ALL
			SELECT l.key, 'day', sellometer.bucket_start('1 day', l.block, v.zone), l.session FROM sellometer.visit_log l
		), orders AS (
			SELECT p.key, p.session, p.bought_at, (p.bought_at - lag(p.bought_at) OVER (PARTITION BY p.session, p.key ORDER BY p.bought_at) < v.order_window) IS NOT TRUE AS begins
			FROM sellometer.visit_purchases p
		), purchases AS (
			SELECT o.key, t.tier, t.event_time, o.session, o.begins FROM orders o,
				LATERAL (VALUES ('minute', date_bin('1 minute', o.bought_at, '2000-01-01 00:00+00')), ('hour', date_bin('1 hour', o.bought_at, '2000-01-01 00:00+00')),
					('day', sellometer.bucket_start('1 day', o.bought_at, v.zone))) t (tier, event_time)
		), expected AS (
			SELECT coalesce(s.key, p.key) AS key, coalesce(s.tier, p.tier) AS tier, coalesce(s.event_time, p.event_time) AS event_time, coalesce(s.n, 0) AS sessions, coalesce(p.buyers, 0) AS buyers, coalesce(p.orders, 0) AS orders
			FROM (SELECT key, tier, event_time, count(DISTINCT session) AS n FROM sessions GROUP BY 1, 2, 3) s
			FULL JOIN (SELECT key, tier, event_time, count(DISTINCT session) AS buyers, count(*) FILTER (WHERE begins) AS orders FROM purchases GROUP BY 1, 2, 3) p
				ON p.key = s.key AND p.tier = s.tier AND p.event_time = s.event_time
		)
		SELECT count(*) FROM (SELECT e.* FROM expected e JOIN floors f USING (tier) WHERE e.event_time >= f.floor) e
		FULL JOIN (SELECT c.* FROM sellometer.visit_counts c JOIN floors f USING (tier) WHERE c.event_time >= f.floor) c USING (key, tier, event_time)
		WHERE (e.sessions, e.buyers, e.orders) IS DISTINCT FROM (c.sessions, c.buyers, c.orders));
END
$$;
COMMENT ON FUNCTION sellometer.wrong_visits() IS 'How many counts of visits differ from what is known of sessions';

REVOKE ALL ON FUNCTION sellometer.count_visits(integer[], text[], timestamptz[], bigint[], bigint[], bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.add_visits(bigint[], integer[], timestamptz[], bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.take_out_visits(bigint[], integer[], timestamptz[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.change_visit_purchases(bigint[], integer[], timestamptz[], boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.begin_visits_of_dimensions() FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.fill_visits(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.prune_visits(interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.wrong_visits() FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_count_visits(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_stop_visits() FROM PUBLIC;
