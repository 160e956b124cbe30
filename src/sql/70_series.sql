/*
 * Reading over time, from whichever tiers serve best.
 *
 * A range is cut into pieces, each read from one tier: the coarsest whose buckets fit, between what it no longer keeps
 * (its floor) and what is not rolled up into it yet (its watermark); finer tiers give what is left at both ends.
 *
 *     hour          |=====================|
 *     minute    |===|                     |=====|
 *              from              hour's watermark  to
 */

/*
 * The start of the bucket that a time is in.  Months, if any, must divide a year or be a multiple of it.  Times that no event can
 * have are at the ends of time, as a bucket around them might not be a time any more.
 */
CREATE FUNCTION sellometer.bucket_start(granularity interval, t timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	months integer := extract(year FROM granularity) * 12 + extract(month FROM granularity);
	month integer;
BEGIN
	IF t < '1000-01-01 00:00:00+00 BC' THEN
		RETURN '-infinity';
	ELSIF t > '20000-01-01 00:00:00+00' THEN
		RETURN 'infinity';
	END IF;
	IF months = 0 THEN
		RETURN date_bin(granularity, t, timestamptz '2000-01-03 00:00:00+00');
	END IF;
	month := extract(year FROM t AT TIME ZONE 'UTC') * 12 + extract(month FROM t AT TIME ZONE 'UTC') - 1;
	month := month - month % months;
	RETURN make_timestamptz(month / 12, month % 12 + 1, 1, 0, 0, 0, 'UTC');
END
$$;
COMMENT ON FUNCTION sellometer.bucket_start(interval, timestamptz) IS
	'The start of the bucket that a time is in, in UTC';

/* The time itself if a bucket begins there, else the end of the bucket that it is in. */
CREATE FUNCTION sellometer.bucket_end(granularity interval, t timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	start timestamptz := sellometer.bucket_start(granularity, t);
BEGIN
	RETURN CASE WHEN start = t OR NOT isfinite(start) THEN start ELSE (start AT TIME ZONE 'UTC' + granularity) AT TIME ZONE 'UTC' END;
END
$$;
COMMENT ON FUNCTION sellometer.bucket_end(interval, timestamptz) IS
	'The first start of a bucket that is not before a time, in UTC';

CREATE FUNCTION sellometer.is_multiple(coarse interval, fine interval)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	coarse_months integer := extract(year FROM coarse) * 12 + extract(month FROM coarse);
	fine_months integer := extract(year FROM fine) * 12 + extract(month FROM fine);
BEGIN
	RETURN CASE
		WHEN fine_months > 0 THEN coarse_months > 0 AND coarse_months % fine_months = 0
		WHEN coarse_months > 0 THEN 86400 % extract(epoch FROM fine) = 0
		ELSE extract(epoch FROM coarse) % extract(epoch FROM fine) = 0
	END;
END
$$;
COMMENT ON FUNCTION sellometer.is_multiple(interval, interval) IS
	'Does every bucket of coarse consist of whole buckets of fine?';

/*
 * The functions from here on that are a single query are PL/pgSQL for the sake of speed: their plans are kept.
 *
 * What each tier is sure to hold.  Rows before head - retention may be dropped at any time, and late ones no longer reach the
 * tier; but what is not rolled up into all tiers that are made of it stays, whole, however old it is.
 */
CREATE FUNCTION sellometer.held(
	OUT tier text, OUT "position" integer, OUT granularity interval, OUT floor timestamptz, OUT watermark timestamptz,
	OUT taken_from timestamptz)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	SELECT k.name, k.position, k.granularity, greatest(k.kept_from, k.retained), k.watermark,
		CASE WHEN k.kept_from > k.coarser_from THEN greatest(k.kept_from, k.retained) ELSE k.retained END
	FROM (SELECT t.*, least((SELECT min(c.watermark) FROM sellometer.tiers c WHERE c.finer = t.name),
				coalesce(sellometer.bucket_start(t.partition_width, (s.head AT TIME ZONE 'UTC' - t.retention) AT TIME ZONE 'UTC'),
					'-infinity')) AS retained,
			min(t.kept_from) OVER (ORDER BY t.position DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS coarser_from
		FROM sellometer.tiers t, sellometer.state s) k
	ORDER BY k.position;
END
$$;
COMMENT ON FUNCTION sellometer.held() IS
	'What each tier is sure to hold, finest first: rows from floor on, up to watermark; from taken_from on it may have some';

CREATE FUNCTION sellometer.kept(
	OUT tier text, OUT "position" integer, OUT granularity interval, OUT floor timestamptz, OUT watermark timestamptz)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT h.tier, h.position, h.granularity, h.floor, h.watermark FROM sellometer.held() h ORDER BY h.position
$$;
COMMENT ON FUNCTION sellometer.kept() IS
	'What each tier is sure to hold, finest first: rows from floor on, up to watermark';

/*
 * Weeks and months are both made of days, but neither of the other: what is read from both would overlap, or lack something.  So
 * it is always read from the tiers of one chain, from the finest to one of the coarsest.
 */
CREATE FUNCTION sellometer.chains(OUT coarsest text, OUT tier text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 5
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH RECURSIVE chain AS (
		SELECT t.name AS coarsest, t.name, t.finer FROM sellometer.tiers t
		WHERE NOT EXISTS (SELECT FROM sellometer.tiers c WHERE c.finer = t.name)
		UNION ALL
		SELECT c.coarsest, t.name, t.finer FROM chain c JOIN sellometer.tiers t ON t.name = c.finer
	)
	SELECT c.coarsest, c.name FROM chain c;
END
$$;
COMMENT ON FUNCTION sellometer.chains() IS 'The tiers of each chain: one that none is made of, the one that it is made of, and so on';

/*
 * step: use tiers of which it is a multiple; NULL: any.  What none of them is sure to hold is read from the coarsest that may have
 * some of it.  Both ends must be starts of buckets of such a tier.  Of several chains: that which holds most of the range, with the
 * widest buckets.
 */
CREATE FUNCTION sellometer.pieces(
	range_from timestamptz, range_to timestamptz, step interval,
	OUT tier text, OUT piece_from timestamptz, OUT piece_to timestamptz)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH spans AS (
		SELECT c.coarsest, k.tier, k.position,
			greatest(sellometer.bucket_end(k.granularity, range_from), k.floor) AS first,
			least(sellometer.bucket_start(k.granularity, range_to), k.watermark) AS after,
			greatest(sellometer.bucket_end(k.granularity, range_from), k.taken_from) AS taken_first,
			sellometer.bucket_start(k.granularity, least(range_to, min(k.floor) OVER (PARTITION BY c.coarsest))) AS taken_after
		FROM sellometer.held() k JOIN sellometer.chains() c USING (tier)
		WHERE step IS NULL OR sellometer.is_multiple(step, k.granularity)
	), nested AS (
		SELECT s.*, min(first) OVER coarser AS coarser_first, max(after) OVER coarser AS coarser_after
		FROM spans s
		WHERE first < after
		WINDOW coarser AS (PARTITION BY coarsest ORDER BY position DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
	), taken AS (
		SELECT s.*, max(taken_after) OVER (PARTITION BY coarsest ORDER BY position DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS covered
		FROM spans s
		WHERE taken_first < taken_after
	), cut AS (
		SELECT n.coarsest, true AS whole, n.position, n.tier, n.first AS piece_from, least(n.after, n.coarser_first) AS piece_to FROM nested n
		WHERE n.coarser_first IS NULL OR n.first < n.coarser_first
		UNION ALL
		SELECT n.coarsest, true, n.position, n.tier, n.coarser_after, n.after FROM nested n WHERE n.after > n.coarser_after
		UNION ALL
		SELECT t.coarsest, false, t.position, t.tier, greatest(t.taken_first, t.covered), t.taken_after FROM taken t
		WHERE t.covered IS NULL OR t.taken_after > t.covered
	)
	SELECT p.tier, p.piece_from, p.piece_to FROM cut p
	WHERE p.coarsest = (SELECT x.coarsest FROM cut x GROUP BY x.coarsest
		ORDER BY min(x.piece_from) FILTER (WHERE x.whole), min(x.piece_from), max(x.piece_to) DESC, max(x.position) DESC, x.coarsest LIMIT 1);
END
$$;
COMMENT ON FUNCTION sellometer.pieces(timestamptz, timestamptz, interval) IS
	'Cut a range into pieces, each to be read from one tier';

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
END
$$;
COMMENT ON FUNCTION sellometer.check_names(text, text) IS 'An error unless both exist';

/*
 * The width of a series' buckets: step, rounded up to a multiple of the finest tier's; wider still if the tiers that serve
 * it no longer hold the start of the range, but a coarser one has rows there.
 */
CREATE FUNCTION sellometer.series_width(step interval, range_from timestamptz)
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
	FOR k IN SELECT * FROM sellometer.held() LOOP
		IF NOT sellometer.is_multiple(width, k.granularity) THEN
			EXIT WHEN held_from <= range_from;
			IF held_from IS NOT NULL THEN
				older := EXISTS (SELECT FROM sellometer.totals t WHERE t.tier = k.tier AND t.event_time < held_from
					AND t.event_type = ANY (enum_range(NULL::sellometer.event_type))
					AND t.event_time >= sellometer.bucket_start(k.granularity, range_from));
				CONTINUE WHEN NOT older;
			END IF;
			SELECT min(w) INTO wider
			FROM (VALUES (interval '1 month'), ('3 months'), ('1 year'), (CASE WHEN NOT months THEN
				ceil(extract(epoch FROM width) / extract(epoch FROM k.granularity))::float8 * k.granularity END)) AS v (w)
			WHERE w >= width AND sellometer.is_multiple(w, k.granularity);
			CONTINUE WHEN wider IS NULL;
			width := wider;
		END IF;
		held_from := least(held_from, k.taken_from);
	END LOOP;
	RETURN width;
END
$$;
COMMENT ON FUNCTION sellometer.series_width(interval, timestamptz) IS
	'The width of the buckets that sellometer_series() returns';

/* In words. */
CREATE FUNCTION sellometer.why_wider(step interval)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
	SELECT CASE WHEN count(*) FILTER (WHERE sellometer.is_multiple(step, k.granularity)) = 0
			THEN format('Of no tier are the buckets such that %s is a multiple; the finest has %s.', step, min(k.granularity))
		ELSE format('Of the tiers whose buckets fit none holds what is before %s.',
			min(k.taken_from) FILTER (WHERE sellometer.is_multiple(step, k.granularity))) END
	FROM sellometer.held() k
$$;
COMMENT ON FUNCTION sellometer.why_wider(interval) IS 'Why sellometer_series() returns wider buckets than were asked for';

CREATE FUNCTION sellometer.series(
	dimension text, event_type text, key text, "from" timestamptz, "to" timestamptz, step interval, tell boolean DEFAULT false,
	OUT event_time timestamptz, OUT count bigint, OUT gmv numeric, OUT avg_price numeric, OUT is_final boolean)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 500
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
SET jit = off
AS $$
DECLARE
	months numeric := extract(year FROM step) * 12 + extract(month FROM step);
	lateness interval := sellometer.setting_length('sellometer.live_lateness', '5min');
	width interval;
	whole_from timestamptz;		-- buckets from here on are whole ...
	final_to timestamptz;		-- ... and those before this are complete
	wanted text;
	pieces text;
BEGIN
	PERFORM sellometer.check_names(dimension, event_type);
	IF step IS NULL OR step <= interval '0' OR step > interval '1000 years' OR months > 0 AND step NOT IN ('1 month', '3 months', '1 year') THEN
		RAISE invalid_parameter_value USING MESSAGE = 'step is not a length that buckets can have',
			DETAIL = format('It is %s.', coalesce(step::text, 'NULL')),
			HINT = 'Give a number of minutes, hours, days or weeks, or 1 month, 3 months or 1 year.';
	END IF;
	IF key IS NULL THEN
		wanted := NULL;
	ELSIF dimension <> 'product_id' THEN
		wanted := format('AND %I = %L', dimension, key);
	ELSIF key ~ '^[0-9]{1,19}$' THEN
		wanted := format('AND product_id = %s', key);
	ELSE
		RAISE invalid_text_representation USING MESSAGE = format('key "%s" is no product_id', key),
			HINT = 'A product_id is a number.';
	END IF;

	width := sellometer.series_width(step, coalesce("from", '-infinity'));
	IF width <> step AND tell THEN
		RAISE NOTICE USING MESSAGE = format('the buckets of the series are %s wide, not %s', width, step),
			DETAIL = sellometer.why_wider(step), HINT = 'The tiers, and how long they keep what, are in sellometer.tiers.';
	END IF;
	SELECT min(k.floor) INTO whole_from FROM sellometer.kept() k WHERE sellometer.is_multiple(width, k.granularity);
	SELECT sellometer.bucket_start(width, (s.head AT TIME ZONE 'UTC' - lateness) AT TIME ZONE 'UTC')
	INTO final_to FROM sellometer.state s;

	SELECT string_agg(format('SELECT %s AS start, count, gmv FROM sellometer.%I
				WHERE event_type = %L AND event_time >= %L AND event_time < %L %s',
			CASE WHEN t.granularity = width THEN 'event_time' ELSE sellometer.bucket_expression(width, 'event_time') END,
			CASE WHEN key IS NULL THEN 'totals' ELSE series.dimension || '_' || p.tier END,
			event_type, p.piece_from, p.piece_to,
			CASE WHEN key IS NULL THEN format('AND tier = %L', p.tier) ELSE wanted END), ' UNION ALL ')
	INTO pieces
	FROM sellometer.pieces(sellometer.bucket_start(width, coalesce("from", '-infinity')),
		sellometer.bucket_end(width, coalesce("to", 'infinity')), width) p
	JOIN sellometer.tiers t ON t.name = p.tier;
	IF pieces IS NULL THEN
		RETURN;
	END IF;
	RETURN QUERY EXECUTE format('SELECT start, sum(count)::bigint, sellometer.gmv(gmv), sellometer.gmv(gmv) / sum(count),
		start >= %L AND start < %L FROM (%s) x GROUP BY start ORDER BY start', whole_from, final_to, pieces);
END
$$;
COMMENT ON FUNCTION sellometer.series(text, text, text, timestamptz, timestamptz, interval, boolean) IS
	'What sellometer_series() is, for the extension''s own functions; tell: a notice if buckets are wider than step';

CREATE FUNCTION @extschema@.sellometer_series(
	dimension text, event_type text, key text, "from" timestamptz, "to" timestamptz, step interval,
	OUT event_time timestamptz, OUT count bigint, OUT gmv numeric, OUT avg_price numeric, OUT is_final boolean)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 500
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT * FROM sellometer.series($1, $2, $3, $4, $5, $6, true)
$$;
COMMENT ON FUNCTION @extschema@.sellometer_series(text, text, text, timestamptz, timestamptz, interval) IS
	'Events of a type over time, of one key or of all (NULL), in whole buckets from the one that "from" is in to the one before "to"; no row for a bucket without events; wider buckets than step, with a notice, where only coarser tiers hold them; is_final: the bucket is whole and no live object can change it any more';

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
		SELECT c.coarsest, k.*, lead(k.granularity) OVER (PARTITION BY c.coarsest ORDER BY k.position) AS coarser
		FROM sellometer.held() k JOIN sellometer.chains() c USING (tier)
	), moved AS (
		SELECT l.coarsest, max(l.position) AS position, min(l.floor) AS floor, min(l.taken_from) AS taken_from,
			(array_agg(CASE l.position WHEN 0 THEN sellometer.bucket_end(l.granularity, a.first) ELSE sellometer.bucket_start(l.granularity, a.first) END
				ORDER BY l.taken_from <= a.first DESC, CASE WHEN l.taken_from <= a.first THEN l.position ELSE -l.position END))[1] AS range_from,
			(array_agg(sellometer.bucket_end(l.granularity, a.after) ORDER BY l.position)
				FILTER (WHERE l.coarser IS NULL OR l.taken_from <= sellometer.bucket_start(l.coarser, a.after)))[1] AS range_to
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
		LATERAL (SELECT x.count, x.gmv FROM sellometer.totals x WHERE x.tier = p.tier
			AND x.event_type = sellometer_total.event_type::sellometer.event_type
			AND x.event_time >= p.piece_from AND x.event_time < p.piece_to) t;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_total(text, timestamptz, timestamptz) IS
	'All events of a type over a range; ends that only a coarser tier still holds fall on its buckets, and a notice says so';
