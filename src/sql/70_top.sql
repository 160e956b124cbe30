/*
 * The best keys of a range, and what some have.
 *
 *     hour           |=========| a partition's segment     what it has of each key is added up (sums_calls.c, segment_read.h): segments are
 *                    |..........|..|..| those of buckets   quick to read from end to end, so all of it is, and nothing need be
 *     minute    |====|                 |====|              guessed
 */

CREATE FUNCTION sellometer.sums(
	dimension text, event_type text, range_from timestamptz, range_to timestamptz, keys text[], by text, n integer,
	own boolean DEFAULT false, OUT key text, OUT gmv numeric, OUT count bigint)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
SET timezone = 'UTC'
SET random_page_cost = 1.1
SET work_mem = '64MB'
SET jit = off
AS 'MODULE_PATHNAME', 'sellometer_sums';
COMMENT ON FUNCTION sellometer.sums(text, text, timestamptz, timestamptz, text[], text, integer, boolean) IS
	'All events of a type of each key, or of these, each given once, over a range whose ends are starts of buckets; the n best by gmv or count, NULL: all in no order; own: of this database, even if nodes are asked';

/* SQL for the rows of some pieces. */
CREATE FUNCTION sellometer.rows_of(
	dimension text, event_type text, tier text, piece_from timestamptz, piece_to timestamptz, keys text[])
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
	SELECT format('SELECT %I AS key, count, gmv FROM sellometer.%I WHERE event_type = %L AND event_time >= %L AND event_time < %L %s',
		dimension, sellometer.rows_prefix() || dimension || '_' || tier, event_type, piece_from, piece_to,
		CASE WHEN keys IS NOT NULL THEN format('AND %I = ANY (%L)', dimension, keys) END)
$$;
COMMENT ON FUNCTION sellometer.rows_of(text, text, text, timestamptz, timestamptz, text[]) IS
	'SQL for the rows of a part of a tier, of some keys or of all (NULL)';

CREATE FUNCTION sellometer.check_top(n integer, by text)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF by IS NULL OR by NOT IN ('gmv', 'count') THEN
		RAISE invalid_parameter_value USING MESSAGE = format('keys can''t be ordered by "%s"', by),
			HINT = 'Order by gmv or count.';
	END IF;
	IF n IS NULL OR n < 0 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'n must be a number of keys, 0 or more',
			DETAIL = format('It is %s.', coalesce(n::text, 'NULL'));
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.check_top(integer, text) IS 'An error unless so many keys can be asked for, in that order';

CREATE FUNCTION sellometer.top(
	dimension text, event_type text, "from" timestamptz, "to" timestamptz, n integer, by text, tell boolean DEFAULT false,
	OUT key text, OUT gmv numeric, OUT count bigint, OUT avg_price numeric)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
SET jit = off
AS $$
DECLARE
	range_from timestamptz;
	range_to timestamptz;
BEGIN
	PERFORM sellometer.check_names(dimension, event_type);
	PERFORM sellometer.check_top(n, by);
	SELECT w.range_from, w.range_to INTO range_from, range_to FROM sellometer.whole_range("from", "to") w;
	IF tell THEN
		PERFORM sellometer.tell_range("from", "to", range_from, range_to);
	END IF;

	RETURN QUERY SELECT t.key, t.gmv, t.count, t.gmv / t.count FROM sellometer.sums(dimension, event_type, range_from, range_to, NULL, by, n) t;
END
$$;
COMMENT ON FUNCTION sellometer.top(text, text, timestamptz, timestamptz, integer, text, boolean) IS
	'What sellometer_top() is, for the extension''s own functions; tell: a notice if the range that is answered is another';

CREATE FUNCTION sellometer.named_top(
	dimension text, event_type text, "from" timestamptz, "to" timestamptz, n integer, by text,
	OUT key text, OUT gmv numeric, OUT count bigint, OUT avg_price numeric, OUT name text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
	WITH t AS MATERIALIZED (
		SELECT row_number() OVER () AS place, x.* FROM sellometer.top($1, $2, $3, $4, $5, $6, true) x
	)
	SELECT sellometer.shown_key($1, t.key, k.told), t.gmv, t.count, t.avg_price, sellometer.given_name($1, t.key, k.told)
	FROM t, (SELECT sellometer.told_names($1, array_agg(t.key)) AS told FROM t) k ORDER BY t.place
$$;
COMMENT ON FUNCTION sellometer.named_top(text, text, timestamptz, timestamptz, integer, text) IS 'What sellometer_top() is, for the extension''s own functions';

CREATE FUNCTION @extschema@.sellometer_top(
	dimension text, event_type text, "from" timestamptz, "to" timestamptz, n integer DEFAULT 10, by text DEFAULT 'gmv',
	OUT key text, OUT gmv numeric, OUT count bigint, OUT avg_price numeric, OUT name text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT * FROM sellometer.named_top($1, $2, $3, $4, $5, $6)
$$;
COMMENT ON FUNCTION @extschema@.sellometer_top(text, text, timestamptz, timestamptz, integer, text) IS
	'The n best keys of a dimension over a range, by gmv or count, and of products what they are called; ends that only a coarser tier still holds fall on its buckets, and a notice says so';

CREATE FUNCTION sellometer.sums_of(
	dimension text, event_type text, keys text[], range_from timestamptz, range_to timestamptz,
	OUT key text, OUT gmv numeric, OUT count bigint, OUT avg_price numeric)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
	RETURN QUERY SELECT t.key, t.gmv, t.count, t.gmv / t.count
	FROM sellometer.sums(dimension, event_type, range_from, range_to, sellometer.possible_keys(dimension, keys), 'gmv', cardinality(keys)) t;
END
$$;
COMMENT ON FUNCTION sellometer.sums_of(text, text, text[], timestamptz, timestamptz) IS
	'All events of a type of each of some keys, best first, over a range whose ends are starts of buckets';

CREATE FUNCTION @extschema@.sellometer_total(
	dimension text, event_type text, keys text[], "from" timestamptz, "to" timestamptz,
	OUT key text, OUT gmv numeric, OUT count bigint, OUT avg_price numeric, OUT name text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
SET jit = off
AS $$
DECLARE
	w record;
BEGIN
	PERFORM sellometer.check_names(dimension, event_type);
	SELECT * INTO w FROM sellometer.whole_range("from", "to");
	PERFORM sellometer.tell_range("from", "to", w.range_from, w.range_to);
	RETURN QUERY
	WITH t AS MATERIALIZED (
		SELECT row_number() OVER () AS place, x.* FROM sellometer.sums_of(dimension, event_type, sellometer.stored_keys(dimension, keys), w.range_from, w.range_to) x
	)
	SELECT sellometer.shown_key(dimension, t.key, k.told), t.gmv, t.count, t.avg_price, sellometer.given_name(dimension, t.key, k.told)
	FROM t, (SELECT sellometer.told_names(dimension, array_agg(t.key)) AS told FROM t) k ORDER BY t.place;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_total(text, text, text[], timestamptz, timestamptz) IS
	'All events of a type over a range of each of some keys, best first; keys without any are left out; the range is that of sellometer_top()';
