/*
 * Comparing a range with an earlier one: only of what is kept whole, and like with like.
 *
 *     asked        from                    head        to
 *                   |========================|..........|
 *     compared        |======================|                what is loaded, in whole buckets
 *     earlier         |======================|                the same, back earlier
 *
 * A range that goes on (today, this hour) is cut at the head, and the earlier one at the same place.  Each end falls on a bucket of a
 * tier that still holds both that end and the earlier one whole, of the finest there is: minutes of what is new, later hours or days.
 */

/*
 * back: NULL is the range right before, of the same length.  It goes back by the clocks of a zone: a day ago it was as late as now,
 * though that may be 23 hours.
 */
CREATE FUNCTION sellometer.check_comparison("from" timestamptz, back interval, zone text)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
BEGIN
	IF "from" IS NULL OR NOT isfinite("from") THEN
		RAISE invalid_parameter_value USING MESSAGE = 'a range that is compared must have a beginning',
			DETAIL = format('It is %s.', coalesce("from"::text, 'NULL'));
	ELSIF back <= interval '0' OR back > interval '1000 years' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'back is not how much earlier a range can be',
			DETAIL = format('It is %s.', back), HINT = 'Give for example 1 hour, 1 day or 7 days, or NULL for the range right before.';
	END IF;
	PERFORM clock_timestamp() AT TIME ZONE zone;	-- an error if there is no such zone
END
$$;
COMMENT ON FUNCTION sellometer.check_comparison(timestamptz, interval, text) IS 'An error unless there can be such a comparison';

/* The ways to cut both ranges into whole buckets that are kept: of the tier that has one end, and of the tier that has the other. */
CREATE FUNCTION sellometer.comparable_cuts(
	"from" timestamptz, "to" timestamptz, back interval, zone text, head timestamptz, first timestamptz,
	OUT range_from timestamptz, OUT range_to timestamptz, OUT earlier_from timestamptz, OUT earlier_to timestamptz)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 9
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH linked AS MATERIALIZED (
		SELECT c.coarsest, k.*, lead(k.granularity) OVER chain AS coarser, lead(k.zone) OVER chain AS coarser_zone
		FROM sellometer.kept() k JOIN sellometer.chains() c USING (tier)
		WINDOW chain AS (PARTITION BY c.coarsest ORDER BY k.position)
	), cut AS (
		SELECT f.granularity AS from_width, f.floor AS from_floor, t.granularity AS to_width, t.floor AS to_floor, t.coarser,
			f.zone AS from_zone, t.zone AS to_zone, t.coarser_zone,
			sellometer.bucket_end(f.granularity, "from", f.zone) AS range_from, sellometer.bucket_start(t.granularity, "to", t.zone) AS nominal_to,
			sellometer.bucket_start(t.granularity, least("to", head), t.zone) AS range_to
		FROM linked f JOIN linked t USING (coarsest)
	), shifted AS (
		SELECT c.*,
			CASE WHEN back IS NULL THEN c.range_from - (c.nominal_to - c.range_from)
				ELSE (c.range_from AT TIME ZONE zone - back) AT TIME ZONE zone END AS earlier_from,
			CASE WHEN back IS NULL THEN c.range_to - (c.nominal_to - c.range_from)
				ELSE (c.range_to AT TIME ZONE zone - back) AT TIME ZONE zone END AS earlier_to
		FROM cut c WHERE c.range_from < c.range_to
	)
	SELECT x.range_from, x.range_to, x.earlier_from, x.earlier_to
	FROM shifted x
	WHERE x.earlier_from < x.earlier_to AND x.from_floor <= x.earlier_from AND first <= x.earlier_from
		AND sellometer.bucket_start(x.from_width, x.earlier_from, x.from_zone) = x.earlier_from AND sellometer.bucket_start(x.to_width, x.earlier_to, x.to_zone) = x.earlier_to
		AND (x.coarser IS NULL OR x.to_floor <= least(sellometer.bucket_start(x.coarser, x.range_to, x.coarser_zone), sellometer.bucket_start(x.coarser, x.earlier_to, x.coarser_zone)));
END
$$;
COMMENT ON FUNCTION sellometer.comparable_cuts(timestamptz, timestamptz, interval, text, timestamptz, timestamptz) IS
	'The ways to cut a range and an earlier one into whole buckets that are kept';

/* Weeks and months are not read together: a range can be held by both, and by neither alone. */
CREATE FUNCTION sellometer.is_covered(range_from timestamptz, range_to timestamptz)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (SELECT count(*) <= 1 FROM sellometer.tiers t WHERE NOT EXISTS (SELECT FROM sellometer.tiers c WHERE c.finer = t.name))
		OR coalesce((SELECT sum(p.piece_to - p.piece_from) FROM sellometer.pieces(range_from, range_to, NULL) p) = range_to - range_from, false);
END
$$;
COMMENT ON FUNCTION sellometer.is_covered(timestamptz, timestamptz) IS 'Do the pieces of a range, each read from one tier, add up to it?';

CREATE FUNCTION sellometer.utc(t timestamptz)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), 'nothing')
$$;
COMMENT ON FUNCTION sellometer.utc(timestamptz) IS 'A time in words';

/* Why a range can't be compared with any other. */
CREATE FUNCTION sellometer.why_not_comparable("from" timestamptz, "to" timestamptz, whole_from timestamptz, head timestamptz)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN head IS NULL OR whole_from IS NULL THEN 'nothing is loaded yet'
		WHEN "from" >= "to" THEN 'the range is empty'
		WHEN "from" >= head THEN format('the range begins at %s, and the data reach %s', sellometer.utc("from"), sellometer.utc(head))
		WHEN "from" < whole_from THEN
			format('the range begins at %s, and what is kept whole begins at %s', sellometer.utc("from"), sellometer.utc(whole_from)) END
$$;
COMMENT ON FUNCTION sellometer.why_not_comparable(timestamptz, timestamptz, timestamptz, timestamptz) IS
	'Why a range can''t be compared with any other; NULL: it may be';

/* The most of both ranges that can be compared; reason: why nothing can. */
CREATE FUNCTION sellometer.comparable(
	"from" timestamptz, "to" timestamptz, back interval, zone text,
	OUT range_from timestamptz, OUT range_to timestamptz, OUT earlier_from timestamptz, OUT earlier_to timestamptz, OUT reason text)
RETURNS record
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET intervalstyle = 'postgres'
AS $$
DECLARE
	head timestamptz := (SELECT s.head FROM sellometer.reached s);
	first timestamptz := sellometer.first_event();
	whole_from timestamptz := (SELECT greatest(min(k.floor), first) FROM sellometer.kept() k WHERE first IS NOT NULL);
	until timestamptz := CASE WHEN "to" < 'infinity' THEN "to" ELSE head END;
	earlier timestamptz;
BEGIN
	PERFORM sellometer.check_comparison("from", back, zone);
	reason := sellometer.why_not_comparable("from", until, whole_from, head);
	IF reason IS NOT NULL THEN
		RETURN;
	END IF;
	until := least(until, "from" + interval '1000 years');
	FOR range_from, range_to, earlier_from, earlier_to IN
			SELECT * FROM sellometer.comparable_cuts("from", until, back, zone, head, first) x ORDER BY x.range_to - x.range_from DESC LOOP
		IF sellometer.is_covered(range_from, range_to) AND sellometer.is_covered(earlier_from, earlier_to) THEN
			RETURN;
		END IF;
	END LOOP;
	range_from := NULL;
	range_to := NULL;
	earlier_from := NULL;
	earlier_to := NULL;
	earlier := CASE WHEN back IS NULL THEN "from" - (until - "from") ELSE ("from" AT TIME ZONE zone - back) AT TIME ZONE zone END;
	reason := CASE WHEN earlier < whole_from
		THEN format('the earlier range begins at %s, and what is kept whole begins at %s', sellometer.utc(earlier), sellometer.utc(whole_from))
		ELSE format('of the earlier range, from %s on, only intervals of %s are kept, and no whole ones fit into both ranges', sellometer.utc(earlier),
			(SELECT min(k.granularity) FROM sellometer.kept() k WHERE k.floor <= sellometer.bucket_end(k.granularity, earlier, k.zone))) END;
END
$$;
COMMENT ON FUNCTION sellometer.comparable(timestamptz, timestamptz, interval, text) IS
	'What of a range, and of the same earlier, is kept whole, so that it can be compared';

CREATE FUNCTION sellometer.sum_of(
	dimension text, event_type text, key text, range_from timestamptz, range_to timestamptz, OUT count bigint, OUT gmv numeric)
RETURNS record
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
SET jit = off
AS $$
DECLARE
	rows_sql text;
BEGIN
	SELECT string_agg(CASE WHEN key IS NULL
		THEN format('SELECT count, gmv FROM sellometer.all_totals WHERE tier = %L AND event_type = %L AND event_time >= %L AND event_time < %L',
			p.tier, event_type, p.piece_from, p.piece_to)
		ELSE sellometer.rows_of(dimension, event_type, p.tier, p.piece_from, p.piece_to, k) END, ' UNION ALL ')
	INTO rows_sql
	FROM sellometer.pieces(range_from, range_to, NULL) p, sellometer.possible_keys(dimension, ARRAY[key]) k;
	count := 0;
	gmv := 0;
	IF rows_sql IS NOT NULL THEN
		EXECUTE format('SELECT coalesce(sum(count), 0), coalesce(sum(gmv), 0) FROM (%s) x', rows_sql) INTO count, gmv;
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.sum_of(text, text, text, timestamptz, timestamptz) IS
	'Events of a type of a key, or of all (NULL), over a range whose ends are starts of buckets';

CREATE FUNCTION @extschema@.sellometer_compare(
	dimension text, event_type text, key text, "from" timestamptz, "to" timestamptz, back interval DEFAULT NULL, zone text DEFAULT NULL,
	OUT count bigint, OUT gmv numeric, OUT avg_price numeric,
	OUT earlier_count bigint, OUT earlier_gmv numeric, OUT earlier_avg_price numeric,
	OUT count_change double precision, OUT gmv_change double precision, OUT avg_price_change double precision,
	OUT compared_from timestamptz, OUT compared_to timestamptz, OUT earlier_from timestamptz, OUT earlier_to timestamptz,
	OUT reason text)
RETURNS record
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM sellometer.check_names(dimension, event_type);
	PERFORM sellometer.check_key(dimension, key);
	SELECT c.range_from, c.range_to, c.earlier_from, c.earlier_to, c.reason
	INTO compared_from, compared_to, earlier_from, earlier_to, reason
	FROM sellometer.comparable("from", "to", back, coalesce(zone, sellometer.day_zone())) c;
	IF reason IS NOT NULL THEN
		SELECT s.count, s.gmv, s.gmv / nullif(s.count, 0) INTO count, gmv, avg_price
		FROM sellometer.whole_range("from", "to") w, sellometer.sum_of(dimension, event_type, key, w.range_from, w.range_to) s;
		RETURN;
	END IF;
	SELECT s.count, s.gmv, s.gmv / nullif(s.count, 0) INTO count, gmv, avg_price
	FROM sellometer.sum_of(dimension, event_type, key, compared_from, compared_to) s;
	SELECT s.count, s.gmv, s.gmv / nullif(s.count, 0) INTO earlier_count, earlier_gmv, earlier_avg_price
	FROM sellometer.sum_of(dimension, event_type, key, earlier_from, earlier_to) s;
	IF earlier_count = 0 THEN
		reason := 'there was nothing in the earlier range';
	END IF;
	count_change := count / nullif(earlier_count, 0)::double precision - 1;
	gmv_change := (gmv / nullif(earlier_gmv, 0) - 1)::double precision;
	avg_price_change := (avg_price / nullif(earlier_avg_price, 0) - 1)::double precision;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_compare(text, text, text, timestamptz, timestamptz, interval, text) IS
	'Events of a type of a key, or of all (NULL), over a range up to the head, and over the same part of an earlier range: back earlier by the clocks of a zone (NULL: of the shop), or, if back is NULL, right before, of the same length; change: 0.01 is 1 % more; reason: why there is no comparison, as where the earlier range is not kept whole';

CREATE FUNCTION sellometer.moved(
	dimension text, event_type text, range_from timestamptz, range_to timestamptz, earlier_from timestamptz, earlier_to timestamptz, by text,
	OUT key text, OUT count bigint, OUT gmv numeric, OUT earlier_count bigint, OUT earlier_gmv numeric, OUT difference numeric)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
SET search_path = pg_catalog, pg_temp
SET work_mem = '64MB'
SET jit = off
AS $$
	SELECT y.*, CASE by WHEN 'gmv' THEN y.gmv - y.earlier_gmv ELSE (y.count - y.earlier_count)::numeric END
	FROM (SELECT coalesce(a.key, e.key) AS key, coalesce(a.count, 0) AS count, coalesce(a.gmv, 0) AS gmv,
			coalesce(e.count, 0) AS earlier_count, coalesce(e.gmv, 0) AS earlier_gmv
		FROM sellometer.sums(dimension, event_type, range_from, range_to, NULL, NULL, NULL, true) a
		FULL JOIN sellometer.sums(dimension, event_type, earlier_from, earlier_to, NULL, NULL, NULL, true) e ON e.key = a.key) y
$$;
COMMENT ON FUNCTION sellometer.moved(text, text, timestamptz, timestamptz, timestamptz, timestamptz, text) IS
	'What this database itself has of all keys in two ranges whose ends are starts of buckets, and by how much it differs: in no order';

CREATE FUNCTION sellometer.own_movers(
	dimension text, event_type text, range_from timestamptz, range_to timestamptz, earlier_from timestamptz, earlier_to timestamptz, n integer, by text,
	OUT key text, OUT count bigint, OUT gmv numeric, OUT earlier_count bigint, OUT earlier_gmv numeric, OUT difference numeric)
RETURNS SETOF record
LANGUAGE c STABLE STRICT PARALLEL SAFE ROWS 20
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
SET timezone = 'UTC'
SET random_page_cost = 1.1
SET work_mem = '64MB'
SET jit = off
AS 'MODULE_PATHNAME', 'sellometer_own_movers';
COMMENT ON FUNCTION sellometer.own_movers(text, text, timestamptz, timestamptz, timestamptz, timestamptz, integer, text) IS
	'The keys whose gmv or count differs most, in this database itself, between two ranges whose ends are starts of buckets';

CREATE FUNCTION sellometer.movers(
	dimension text, event_type text, range_from timestamptz, range_to timestamptz, earlier_from timestamptz, earlier_to timestamptz, n integer, by text,
	OUT key text, OUT count bigint, OUT gmv numeric, OUT earlier_count bigint, OUT earlier_gmv numeric, OUT difference numeric)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF sellometer.asks_nodes() THEN
		RETURN QUERY SELECT * FROM sellometer.movers_of_nodes(dimension, event_type, range_from, range_to, earlier_from, earlier_to, n, by);
	ELSE
		RETURN QUERY SELECT * FROM sellometer.own_movers(dimension, event_type, range_from, range_to, earlier_from, earlier_to, n, by);
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.movers(text, text, timestamptz, timestamptz, timestamptz, timestamptz, integer, text) IS
	'The keys whose gmv or count differs most between two ranges whose ends are starts of buckets';

CREATE FUNCTION @extschema@.sellometer_movers(
	dimension text, event_type text, "from" timestamptz, "to" timestamptz, back interval DEFAULT NULL, n integer DEFAULT 20,
	by text DEFAULT 'gmv', zone text DEFAULT NULL,
	OUT key text, OUT count bigint, OUT gmv numeric, OUT earlier_count bigint, OUT earlier_gmv numeric,
	OUT difference numeric, OUT change double precision, OUT reason text, OUT name text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 20
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
SET jit = off
AS $$
DECLARE
	c record;
BEGIN
	PERFORM sellometer.check_names(dimension, event_type);
	PERFORM sellometer.check_top(n, by);
	SELECT * INTO c FROM sellometer.comparable("from", "to", back, coalesce(zone, sellometer.day_zone()));
	IF c.reason IS NOT NULL THEN
		RETURN QUERY SELECT NULL::text, NULL::bigint, NULL::numeric, NULL::bigint, NULL::numeric, NULL::numeric, NULL::double precision, c.reason, NULL::text;
		RETURN;
	END IF;
	RETURN QUERY
	WITH d AS MATERIALIZED (
		SELECT row_number() OVER () AS place, x.* FROM sellometer.movers(dimension, event_type, c.range_from, c.range_to, c.earlier_from, c.earlier_to, n, by) x
	)
	SELECT sellometer.shown_key(dimension, d.key, k.told), d.count, d.gmv, d.earlier_count, d.earlier_gmv, d.difference,
		(CASE by WHEN 'gmv' THEN d.gmv / nullif(d.earlier_gmv, 0) ELSE d.count::numeric / nullif(d.earlier_count, 0) END - 1)::double precision, NULL::text,
		sellometer.given_name(dimension, d.key, k.told)
	FROM d, (SELECT sellometer.told_names(dimension, array_agg(d.key)) AS told FROM d) k ORDER BY d.place;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_movers(text, text, timestamptz, timestamptz, interval, integer, text, text) IS
	'The keys whose gmv or count differs most, up or down, between a range and an earlier one; the ranges are those of sellometer_compare(); where they can''t be compared, one row that only says why';
