/*
 * Series and sums over a range, from the pieces that it is cut into (70_held.sql).
 */

CREATE FUNCTION sellometer.check_names(dimension text, event_type text)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known text[] := ARRAY(SELECT d.dimension FROM sellometer.dimensions() d);
BEGIN
	IF dimension IS NULL OR dimension <> ALL (known) THEN
		RAISE invalid_parameter_value USING MESSAGE = format('there is no dimension "%s"', dimension),
			HINT = format('Dimensions are %s.', array_to_string(known, ', '));
	END IF;
	known := enum_range(NULL::sellometer.event_type)::text[];
	IF event_type IS NULL OR event_type <> ALL (known) THEN
		RAISE invalid_parameter_value USING MESSAGE = format('there is no event type "%s"', event_type),
			HINT = format('Event types are %s.', array_to_string(known, ', '));
	END IF;
	PERFORM sellometer.tell_full(dimension);
END
$$;
COMMENT ON FUNCTION sellometer.check_names(text, text) IS 'An error unless both exist; a warning if nodes can''t tell all of the dimension''s keys';

/*
 * The width of a series' buckets: step, rounded up to a multiple of the finest tier's; wider still if the tiers that serve
 * it no longer hold the start of the range, but a coarser one has rows there.
 */
CREATE FUNCTION sellometer.series_width(step interval, range_from timestamptz, zone text DEFAULT NULL)
RETURNS interval
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
DECLARE
	months boolean := extract(year FROM step) * 12 + extract(month FROM step) > 0;
	width interval := step;
	wider interval;
	held_from timestamptz;		-- by the tiers that serve the width
	older boolean;
	k record;
BEGIN
	zone := coalesce(zone, sellometer.series_zone(step, range_from));
	FOR k IN SELECT * FROM sellometer.held() LOOP
		IF NOT sellometer.is_multiple(width, k.granularity, zone, k.zone) THEN
			EXIT WHEN held_from <= range_from;
			IF held_from IS NOT NULL THEN
				older := EXISTS (SELECT FROM sellometer.all_totals t WHERE t.tier = k.tier AND t.event_time < held_from
					AND t.event_type = ANY (enum_range(NULL::sellometer.event_type))
					AND t.event_time >= sellometer.bucket_start(k.granularity, range_from, k.zone));
				CONTINUE WHEN NOT older;
			END IF;
			SELECT min(w) INTO wider
			FROM (VALUES (interval '1 month'), ('3 months'), ('1 year'), (CASE WHEN NOT months THEN
				ceil(extract(epoch FROM width) / extract(epoch FROM k.granularity))::float8 * k.granularity END)) AS v (w)
			WHERE w >= width AND sellometer.is_multiple(w, k.granularity, zone, k.zone);
			CONTINUE WHEN wider IS NULL;
			width := wider;
		END IF;
		held_from := least(held_from, k.taken_from);
	END LOOP;
	RETURN width;
END
$$;
COMMENT ON FUNCTION sellometer.series_width(interval, timestamptz, text) IS
	'The width of the buckets that sellometer_series() returns; zone: of days, NULL: what series_zone() says';

/*
 * The zone of a series' days: that of the shop.  What is held by tiers alone of which such days don't consist, as hours where clocks are
 * half an hour off, would be in no series: then days are UTC's.
 */
CREATE FUNCTION sellometer.series_zone(step interval, range_from timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	shop text := sellometer.day_zone();
	shop_from timestamptz;
	utc_from timestamptz;
BEGIN
	IF shop = 'UTC' OR NOT (step >= interval '1 month' OR extract(epoch FROM step) % 86400 = 0) THEN
		RETURN shop;
	END IF;
	SELECT min(k.taken_from) FILTER (WHERE sellometer.is_multiple(step, k.granularity, shop, k.zone)),
		min(k.taken_from) FILTER (WHERE sellometer.is_multiple(step, k.granularity, 'UTC', k.zone))
	INTO shop_from, utc_from FROM sellometer.held() k;
	RETURN CASE WHEN EXISTS (SELECT FROM sellometer.held() k JOIN sellometer.all_totals t USING (tier)
			WHERE sellometer.is_multiple(step, k.granularity, 'UTC', k.zone) AND t.event_type = ANY (enum_range(NULL::sellometer.event_type))
				AND t.event_time >= range_from AND t.event_time >= utc_from AND t.event_time < coalesce(shop_from, 'infinity'))
		THEN 'UTC' ELSE shop END;
END
$$;
COMMENT ON FUNCTION sellometer.series_zone(interval, timestamptz) IS
	'The zone of the days that sellometer_series() returns: the shop''s, or UTC where only tiers of hours hold what is asked for, of which the shop''s days don''t consist';

/* In words. */
CREATE FUNCTION sellometer.why_wider(step interval, zone text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
	SELECT CASE WHEN count(*) FILTER (WHERE sellometer.is_multiple(step, k.granularity, $2, k.zone)) = 0
			THEN format('Of no tier are the buckets such that %s is a multiple; the finest has %s.', step, min(k.granularity))
		ELSE format('Of the tiers whose buckets fit none holds what is before %s.',
			min(k.taken_from) FILTER (WHERE sellometer.is_multiple(step, k.granularity, $2, k.zone))) END
	FROM sellometer.held() k
$$;
COMMENT ON FUNCTION sellometer.why_wider(interval, text) IS 'Why sellometer_series() returns wider buckets than were asked for';

CREATE FUNCTION sellometer.tell_series(step interval, width interval, zone text)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
BEGIN
	IF width <> step THEN
		RAISE NOTICE USING MESSAGE = format('the buckets of the series are %s wide, not %s', width, step),
			DETAIL = sellometer.why_wider(step, zone), HINT = 'The tiers, and how long they keep what, are in sellometer.tiers.';
	END IF;
	IF zone = 'UTC' AND sellometer.day_zone() <> 'UTC' AND (step >= interval '1 month' OR extract(epoch FROM step) % 86400 = 0) THEN
		RAISE NOTICE USING MESSAGE = format('the days of the series are those of UTC, not of %s', sellometer.day_zone()),
			DETAIL = 'A part of the range is held by tiers only of whose buckets days there don''t consist.',
			HINT = 'sellometer_add_tier() makes a tier of days of the zone, which holds them from then on.';
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.tell_series(interval, interval, text) IS 'Notices of what a series has that was not asked for';

CREATE FUNCTION sellometer.check_step(step interval)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
BEGIN
	IF step IS NULL OR step <= interval '0' OR step > interval '1000 years'
			OR extract(year FROM step) * 12 + extract(month FROM step) > 0 AND step NOT IN ('1 month', '3 months', '1 year') THEN
		RAISE invalid_parameter_value USING MESSAGE = 'step is not a length that buckets can have',
			DETAIL = format('It is %s.', coalesce(step::text, 'NULL')),
			HINT = 'Give a number of minutes, hours, days or weeks, or 1 month, 3 months or 1 year.';
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.check_step(interval) IS 'An error unless the buckets of a series can be so wide';

CREATE FUNCTION sellometer.check_key(dimension text, key text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	key := sellometer.stored_key(dimension, key);
	IF dimension = 'product_id' AND key !~ '^-?[0-9]{1,19}$' THEN
		RAISE invalid_text_representation USING MESSAGE = format('key "%s" is no product_id', key),
			HINT = 'A product_id is a number, or a text that is in sellometer.skus.';
	END IF;
	RETURN key;
END
$$;
COMMENT ON FUNCTION sellometer.check_key(text, text) IS 'The key as tables have it; an error if the dimension can have no such key';

/* Of some keys those that a dimension can have, each once. */
CREATE FUNCTION sellometer.possible_keys(dimension text, keys text[])
RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (SELECT coalesce(array_agg(DISTINCT k), '{}') FROM unnest(keys) k
		WHERE CASE WHEN dimension <> 'product_id' THEN k IS NOT NULL
			WHEN k ~ '^-?[0-9]{1,19}$' THEN k::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 ELSE false END);
END
$$;
COMMENT ON FUNCTION sellometer.possible_keys(text, text[]) IS 'Of some keys those that a dimension can have, each once';

/*
 * When the first event was, of any type, as exactly as that is still held: by the finest tier of which nothing has gone yet.  What was
 * before it nobody knows: it is neither zero nor something to compare with.
 */
CREATE FUNCTION sellometer.first_event()
RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (
		WITH firsts AS (
			SELECT min(k.floor) AS floor, min(x.event_time) AS first
			FROM sellometer.kept() k, unnest(enum_range(NULL::sellometer.event_type)) e,
				LATERAL (SELECT t.event_time FROM sellometer.all_totals t WHERE t.tier = k.tier AND t.event_type = e AND t.event_time >= k.floor
					ORDER BY t.event_time LIMIT 1) x
			GROUP BY k.tier
		)
		SELECT max(f.first) FILTER (WHERE f.floor <= o.first)
		FROM firsts f, (SELECT min(first) AS first FROM firsts) o);
END
$$;
COMMENT ON FUNCTION sellometer.first_event() IS 'Start of the bucket of the first event that is known; NULL: there is none';

CREATE FUNCTION sellometer.bucket_starts(width interval, first timestamptz, last timestamptz, zone text)
RETURNS SETOF timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	WHILE first <= last LOOP
		RETURN NEXT first;
		first := sellometer.bucket_next(width, first, zone);
	END LOOP;
END
$$;
COMMENT ON FUNCTION sellometer.bucket_starts(interval, timestamptz, timestamptz, text) IS
	'The starts of buckets from one on, up to a time';

/* SQL for the starts of the buckets that are known: kept whole, not before the first event, begun at the head or before it. */
CREATE FUNCTION sellometer.known_buckets("from" timestamptz, "to" timestamptz, width interval, zone text, whole_from timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
BEGIN
	RETURN (SELECT CASE WHEN zone = 'UTC'
			THEN format('SELECT g AT TIME ZONE ''UTC'' AS start FROM generate_series(%L::timestamp, %L::timestamp, %L::interval) g',
				b.first AT TIME ZONE 'UTC', b.last AT TIME ZONE 'UTC', width)
			ELSE format('SELECT g AS start FROM sellometer.bucket_starts(%L, %L, %L, %L) g', width, b.first, b.last, zone) END
		FROM sellometer.reached s, sellometer.first_event() f (first), LATERAL (SELECT
			greatest(sellometer.bucket_start(width, coalesce("from", '-infinity'), zone), sellometer.bucket_end(width, whole_from, zone),
				sellometer.bucket_start(width, f.first, zone)) AS first,
			least(s.head, coalesce("to", 'infinity') - interval '1 us') AS last) b
		WHERE s.head IS NOT NULL AND f.first IS NOT NULL);
END
$$;
COMMENT ON FUNCTION sellometer.known_buckets(timestamptz, timestamptz, interval, text, timestamptz) IS
	'SQL for the starts of the buckets that sellometer_series() fills; NULL: nothing is known';

/* SQL for what the tiers hold of some keys, and of all together (NULL among them), as key, start, count, gmv; NULL: they hold nothing. */
CREATE FUNCTION sellometer.series_rows(
	dimension text, event_type text, keys text[], "from" timestamptz, "to" timestamptz, width interval, zone text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
BEGIN
	RETURN (SELECT string_agg(format('SELECT %s AS key, %s AS start, count, gmv FROM sellometer.%I
					WHERE event_type = %L AND event_time >= %L AND event_time < %L AND %s',
				w.key, CASE WHEN t.granularity = width THEN 'event_time' ELSE sellometer.bucket_expression(width, 'event_time', series_rows.zone) END,
				w.prefix || CASE WHEN w.prefix = 'all_totals' THEN '' ELSE p.tier END, event_type, p.piece_from, p.piece_to,
				coalesce(w.condition, format('tier = %L', p.tier))), ' UNION ALL ')
		FROM sellometer.pieces(sellometer.bucket_start(width, coalesce("from", '-infinity'), series_rows.zone),
			sellometer.bucket_end(width, coalesce("to", 'infinity'), series_rows.zone), width, series_rows.zone) p
		JOIN sellometer.tiers t ON t.name = p.tier
		CROSS JOIN LATERAL (
			SELECT 'all_totals' AS prefix, 'NULL::text' AS key, NULL AS condition WHERE array_position(keys, NULL) > 0
			UNION ALL
			SELECT sellometer.rows_prefix() || dimension || '_', format('%I::text', dimension),
				CASE cardinality(k) WHEN 1 THEN format('%I = %L', dimension, k[1]) ELSE format('%I = ANY (%L)', dimension, k) END
			FROM sellometer.possible_keys(dimension, keys) k WHERE cardinality(k) > 0) w);
END
$$;
COMMENT ON FUNCTION sellometer.series_rows(text, text, text[], timestamptz, timestamptz, interval, text) IS
	'SQL for the rows of tiers that a series is made of';

/* SQL for the series of some keys, NULL for one of all keys, as key, event_time, count, gmv, avg_price, is_final; NULL: there is nothing. */
CREATE FUNCTION sellometer.series_query(
	dimension text, event_type text, keys text[], "from" timestamptz, "to" timestamptz, step interval, tell boolean, fill boolean)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
DECLARE
	days_of text;				-- the zone
	width interval;
	whole_from timestamptz;		-- buckets from here on are whole ...
	final_to timestamptz;		-- ... and those before this are complete
	rows_sql text;
	buckets_sql text;
BEGIN
	PERFORM sellometer.check_names(dimension, event_type);
	PERFORM sellometer.check_step(step);
	days_of := sellometer.series_zone(step, coalesce("from", '-infinity'));
	width := sellometer.series_width(step, coalesce("from", '-infinity'), days_of);
	IF tell THEN
		PERFORM sellometer.tell_series(step, width, days_of);
	END IF;
	SELECT min(k.floor) INTO whole_from FROM sellometer.kept() k WHERE sellometer.is_multiple(width, k.granularity, days_of, k.zone);
	SELECT sellometer.bucket_start(width, (s.head AT TIME ZONE 'UTC' - sellometer.setting_length('sellometer.live_lateness', '5min')) AT TIME ZONE 'UTC', days_of)
	INTO final_to FROM sellometer.reached s;
	IF cardinality(sellometer.left_out()) > 0 THEN
		final_to := '-infinity';
	END IF;
	rows_sql := sellometer.series_rows(dimension, event_type, keys, "from", "to", width, days_of);
	buckets_sql := CASE WHEN fill THEN sellometer.known_buckets("from", "to", width, days_of, whole_from) END;
	IF buckets_sql IS NOT NULL THEN
		rows_sql := concat_ws(' UNION ALL ', rows_sql,
			format('SELECT key, start, 0 AS count, 0 AS gmv FROM (%s) b, (SELECT DISTINCT unnest(%L::text[])) k (key)', buckets_sql, keys));
	END IF;
	IF rows_sql IS NULL THEN
		RETURN NULL;
	END IF;
	RETURN format('SELECT %s AS key, start AS event_time, sum(count)::bigint AS count, sellometer.gmv(gmv) AS gmv,
			sellometer.gmv(gmv) / nullif(sum(count), 0) AS avg_price, start >= %L AND start < %L AS is_final
		FROM (%s) x GROUP BY %s ORDER BY %5$s',
		CASE cardinality(keys) WHEN 1 THEN format('%L::text', keys[1]) ELSE 'key' END, whole_from, final_to, rows_sql,
		CASE cardinality(keys) WHEN 1 THEN 'start' ELSE 'key, start' END);
END
$$;
COMMENT ON FUNCTION sellometer.series_query(text, text, text[], timestamptz, timestamptz, interval, boolean, boolean) IS
	'SQL for what sellometer_series_of() returns; tell: a notice if buckets are wider than step';

CREATE FUNCTION sellometer.series_of(
	dimension text, event_type text, keys text[], "from" timestamptz, "to" timestamptz, step interval, fill boolean DEFAULT false, tell boolean DEFAULT false,
	OUT key text, OUT event_time timestamptz, OUT count bigint, OUT gmv numeric, OUT avg_price numeric, OUT is_final boolean)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 500
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
SET jit = off
AS $$
DECLARE
	stored text[] := coalesce(sellometer.stored_keys(dimension, keys), '{}');
	query text := sellometer.series_query(dimension, event_type, stored, "from", "to", step, tell, coalesce(fill, false));
BEGIN
	IF query IS NULL THEN
		RETURN;
	END IF;
	IF dimension = 'product_id' AND EXISTS (SELECT FROM unnest(stored) k WHERE k LIKE '-%') THEN
		query := format('SELECT sellometer.shown_key(%L, key, %L::jsonb), event_time, count, gmv, avg_price, is_final FROM (%s) y', dimension, sellometer.told_names(dimension, stored), query);
	END IF;
	RETURN QUERY EXECUTE query;
END
$$;
COMMENT ON FUNCTION sellometer.series_of(text, text, text[], timestamptz, timestamptz, interval, boolean, boolean) IS
	'What sellometer_series_of() is, for the extension''s own functions; tell: a notice if buckets are wider than step';

CREATE FUNCTION @extschema@.sellometer_series(
	dimension text, event_type text, key text, "from" timestamptz, "to" timestamptz, step interval, fill boolean DEFAULT false,
	OUT event_time timestamptz, OUT count bigint, OUT gmv numeric, OUT avg_price numeric, OUT is_final boolean)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 500
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT s.event_time, s.count, s.gmv, s.avg_price, s.is_final
	FROM sellometer.series_of($1, $2, ARRAY[sellometer.check_key($1, $3)], $4, $5, $6, $7, true) s
$$;
COMMENT ON FUNCTION @extschema@.sellometer_series(text, text, text, timestamptz, timestamptz, interval, boolean) IS
	'Events of a type over time, of one key or of all (NULL), in whole buckets from the one that "from" is in to the one before "to"; no row for a bucket without events, but with fill one of zeros if it is kept whole, not before the first event known and begun at the head; wider buckets than step, with a notice, where only coarser tiers hold them; is_final: the bucket is whole and no live object can change it any more';

CREATE FUNCTION @extschema@.sellometer_series_of(
	dimension text, event_type text, keys text[], "from" timestamptz, "to" timestamptz, step interval, fill boolean DEFAULT false,
	OUT key text, OUT event_time timestamptz, OUT count bigint, OUT gmv numeric, OUT avg_price numeric, OUT is_final boolean)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 500
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT * FROM sellometer.series_of($1, $2, $3, $4, $5, $6, $7, true)
$$;
COMMENT ON FUNCTION @extschema@.sellometer_series_of(text, text, text[], timestamptz, timestamptz, interval, boolean) IS
	'The series of each of some keys, as sellometer_series() gives that of one; a NULL among them is all keys together';

/*
 * The ends of a range, moved to starts of buckets.  An end inside a bucket: the finest tier that still holds what is between it
 * and the bucket's other end decides.  Of several chains: that which holds most of the range, and moves its ends least.
 */
CREATE FUNCTION sellometer.whole_range("from" timestamptz, "to" timestamptz, OUT range_from timestamptz, OUT range_to timestamptz)
RETURNS record
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	WITH asked AS (
		SELECT coalesce("from", '-infinity') AS first, coalesce("to", 'infinity') AS after
	), linked AS (
		SELECT c.coarsest, k.*, lead(k.granularity) OVER chain AS coarser, lead(k.zone) OVER chain AS coarser_zone
		FROM sellometer.held() k JOIN sellometer.chains() c USING (tier)
		WINDOW chain AS (PARTITION BY c.coarsest ORDER BY k.position)
	), moved AS (
		SELECT l.coarsest, max(l.position) AS position, min(l.floor) AS floor, min(l.taken_from) AS taken_from,
			(array_agg(CASE l.position WHEN 0 THEN sellometer.bucket_end(l.granularity, a.first, l.zone) ELSE sellometer.bucket_start(l.granularity, a.first, l.zone) END
				ORDER BY l.taken_from <= a.first DESC, CASE WHEN l.taken_from <= a.first THEN l.position ELSE -l.position END))[1] AS range_from,
			(array_agg(sellometer.bucket_end(l.granularity, a.after, l.zone) ORDER BY l.position)
				FILTER (WHERE l.coarser IS NULL OR l.taken_from <= sellometer.bucket_start(l.coarser, a.after, l.coarser_zone)))[1] AS range_to
		FROM linked l, asked a GROUP BY l.coarsest
	)
	SELECT m.range_from, m.range_to INTO range_from, range_to FROM moved m, asked a
	ORDER BY greatest(m.floor, a.first), greatest(m.taken_from, a.first), m.range_from DESC, m.range_to, m.position DESC LIMIT 1;
END
$$;
COMMENT ON FUNCTION sellometer.whole_range(timestamptz, timestamptz) IS
	'A range whose ends are starts of buckets: of the finest tier, or of a coarser one where only that holds them';

CREATE FUNCTION sellometer.tell_range("from" timestamptz, "to" timestamptz, range_from timestamptz, range_to timestamptz)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
DECLARE
	finest interval := (SELECT t.granularity FROM sellometer.tiers t WHERE t.position = 0);
BEGIN
	IF range_from IS DISTINCT FROM sellometer.bucket_end(finest, coalesce("from", '-infinity'))
			OR range_to IS DISTINCT FROM sellometer.bucket_end(finest, coalesce("to", 'infinity')) THEN
		RAISE NOTICE USING MESSAGE = format('the range that is answered is %s to %s', range_from, range_to),
			DETAIL = 'An end of the range is in a time that only coarser tiers hold, and falls on one of their buckets.',
			HINT = 'The tiers, and how long they keep what, are in sellometer.tiers.';
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.tell_range(timestamptz, timestamptz, timestamptz, timestamptz) IS
	'A notice if the range that whole_range() gives is another than was asked for';

CREATE FUNCTION @extschema@.sellometer_total(
	event_type text, "from" timestamptz, "to" timestamptz, OUT count bigint, OUT gmv numeric, OUT avg_price numeric)
RETURNS record
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
	w record;
BEGIN
	PERFORM sellometer.check_names('brand', event_type);
	SELECT * INTO w FROM sellometer.whole_range("from", "to");
	PERFORM sellometer.tell_range("from", "to", w.range_from, w.range_to);
	SELECT coalesce(sum(t.count), 0), coalesce(sum(t.gmv), 0), sum(t.gmv) / sum(t.count)
	INTO sellometer_total.count, sellometer_total.gmv, avg_price
	FROM sellometer.pieces(w.range_from, w.range_to, NULL) p,
		LATERAL (SELECT x.count, x.gmv FROM sellometer.all_totals x WHERE x.tier = p.tier
			AND x.event_type = sellometer_total.event_type::sellometer.event_type
			AND x.event_time >= p.piece_from AND x.event_time < p.piece_to) t;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_total(text, timestamptz, timestamptz) IS
	'All events of a type over a range; ends that only a coarser tier still holds fall on its buckets, and a notice says so';
