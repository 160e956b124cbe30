/*
 * The best keys of a range.
 *
 * Each bucket of the coarser tiers has a list of its best keys, and a bound for all others (leaders.c).  Over a range, the sum of
 * these bounds is what a key can have that is on no list; a key that is on some has at most as much more as it is listed with
 * above them.  The rows of the most promising keys are added up exactly.  If the n-th best of them has more than any other key
 * can have, these are the best; else all keys are added up.
 *
 *     hour           |== lists ==|
 *     minute    |====|           |====|
 *               an hour's list   all keys are read, unless even
 *               is about more,   all events together could make
 *               but bounds it    no difference
 */

/* The pieces of a range, each with the whole buckets that bound it: its own, or of the next tier.  NULL: there are none. */
CREATE FUNCTION sellometer.bounded_pieces(
	range_from timestamptz, range_to timestamptz,
	OUT tier text, OUT piece_from timestamptz, OUT piece_to timestamptz,
	OUT bound_tier text, OUT bound_from timestamptz, OUT bound_to timestamptz)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.*, b.tier, b.bound_from, b.bound_to
	FROM sellometer.pieces(range_from, range_to, NULL) p
	JOIN sellometer.tiers t ON t.name = p.tier
	LEFT JOIN LATERAL (
		SELECT k.tier, w.bound_from, w.bound_to
		FROM sellometer.kept() k, LATERAL (SELECT sellometer.bucket_start(k.granularity, p.piece_from) AS bound_from,
			sellometer.bucket_end(k.granularity, p.piece_to) AS bound_to) w
		WHERE k.position = greatest(t.position, 1) AND w.bound_from >= k.floor AND w.bound_to <= k.watermark) b ON true
$$;
COMMENT ON FUNCTION sellometer.bounded_pieces(timestamptz, timestamptz) IS
	'The pieces of a range, with the buckets of sellometer.leaders that say how much a key can have in them';

CREATE FUNCTION sellometer.bounding_lists(
	dimension text, event_type text, range_from timestamptz, range_to timestamptz, by text,
	OUT keys text[], OUT amounts numeric[], OUT others numeric, OUT bound numeric)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT l.keys, l.amounts, l.others, l.others + CASE by WHEN 'gmv' THEN x.grown_gmv ELSE x.grown_count END - l.grown
	FROM sellometer.bounded_pieces(range_from, range_to) p
	JOIN sellometer.totals x ON x.tier = p.bound_tier AND x.event_time >= p.bound_from AND x.event_time < p.bound_to
	LEFT JOIN sellometer.leaders l ON l.tier = x.tier AND l.event_type = x.event_type AND l.event_time = x.event_time
		AND l.dimension = bounding_lists.dimension AND l.measure = by
	WHERE x.event_type = bounding_lists.event_type::sellometer.event_type
$$;
COMMENT ON FUNCTION sellometer.bounding_lists(text, text, timestamptz, timestamptz, text) IS
	'The lists for a range: a key that is not listed has at most bound; NULL where the list is still to be made';

/* SQL for the rows of some pieces. */
CREATE FUNCTION sellometer.rows_of(
	dimension text, event_type text, tier text, piece_from timestamptz, piece_to timestamptz, keys text[])
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
	SELECT format('SELECT %I AS key, count, gmv FROM sellometer.%I WHERE event_type = %L AND event_time >= %L AND event_time < %L %s',
		dimension, dimension || '_' || tier, event_type, piece_from, piece_to,
		CASE WHEN keys IS NOT NULL THEN format('AND %I = ANY (%L)', dimension, keys) END)
$$;
COMMENT ON FUNCTION sellometer.rows_of(text, text, text, timestamptz, timestamptz, text[]) IS
	'SQL for the rows of a part of a tier, of some keys or of all (NULL)';

/* What is asked for is mostly in memory: pages that an index leads to cost hardly more than the next ones. */
CREATE FUNCTION sellometer.top_of_rows(rows_sql text, by text, n integer, OUT key text, OUT gmv numeric, OUT count bigint)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET work_mem = '64MB'
SET random_page_cost = 1.1
SET jit = off
AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT key::text, gmv, count
		FROM (SELECT key, sellometer.gmv(gmv) AS gmv, sum(count)::bigint AS count FROM (%s) x GROUP BY key
			ORDER BY %I DESC, %I DESC, key LIMIT %s) y',
		rows_sql, by, CASE by WHEN 'gmv' THEN 'count' ELSE 'gmv' END, n);
END
$$;
COMMENT ON FUNCTION sellometer.top_of_rows(text, text, integer) IS 'The best keys of the rows that a query gives';

/* No rows: the lists don't tell. */
CREATE FUNCTION sellometer.top_by_leaders(
	dimension text, event_type text, range_from timestamptz, range_to timestamptz, n integer, by text,
	OUT key text, OUT gmv numeric, OUT count bigint)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
SET work_mem = '64MB'
SET jit = off
AS $$
DECLARE
	promising integer := 2 * least(n, 50) + 20;	-- no more than 50 are asked for
	lists record;
	unlisted numeric;			-- a key that is on no list has at most so much
	unbounded numeric;			-- all events of the pieces that no list bounds
	listed_keys text[];			-- all that are on lists, with what they have there above the others
	listed_above numeric[];
	least numeric;				-- what the n-th best of them has, more or less
	next numeric;				-- what the best of those that will not be candidates has above the others
	read_too text;
	own_keys text[];			-- the best of the pieces that no list bounds, as in a list
	own_amounts numeric[];
	own_others numeric := 0;
	candidates text[];
	others numeric;				-- a key that is not among the candidates has at most so much
	rows_sql text;
	keys text[];
	gmvs numeric[];
	counts bigint[];
BEGIN
	SELECT count(*) AS n, count(l.bound) AS made, sum(l.bound) AS bound INTO lists
	FROM sellometer.bounding_lists(dimension, event_type, range_from, range_to, by) l;
	IF n NOT BETWEEN 1 AND 50 OR lists.made = 0 OR lists.made < lists.n THEN
		RETURN;
	END IF;
	unlisted := lists.bound;
	SELECT coalesce(sum(CASE by WHEN 'gmv' THEN x.gmv ELSE x.count END), 0) INTO unbounded
	FROM sellometer.bounded_pieces(range_from, range_to) p
	JOIN sellometer.totals x ON x.tier = p.tier AND x.event_time >= p.piece_from AND x.event_time < p.piece_to
	WHERE p.bound_tier IS NULL AND x.event_type = top_by_leaders.event_type::sellometer.event_type;
	SELECT array_agg(k.key), array_agg(k.above), (array_agg(k.listed ORDER BY k.listed DESC))[n],
		coalesce((array_agg(k.above ORDER BY k.above DESC))[promising + 1], 0)
	INTO listed_keys, listed_above, least, next
	FROM (SELECT u.key, sum(u.amount) AS listed, sum(u.amount - l.others) AS above
		FROM sellometer.bounding_lists(dimension, event_type, range_from, range_to, by) l, unnest(l.keys, l.amounts) u (key, amount)
		GROUP BY u.key) k;
	-- would the n-th best still be safe?
	IF unbounded = 0 OR unlisted + unbounded + next < least THEN
		unlisted := unlisted + unbounded;
	ELSE
		SELECT string_agg(sellometer.rows_of(dimension, event_type, p.tier, p.piece_from, p.piece_to, NULL), ' UNION ALL ') INTO read_too
		FROM sellometer.bounded_pieces(range_from, range_to) p WHERE p.bound_tier IS NULL;
		EXECUTE format('SELECT array_agg(key) FILTER (WHERE i <= 100), array_agg(amount) FILTER (WHERE i <= 100),
				coalesce(max(amount) FILTER (WHERE i > 100), 0)
			FROM (SELECT key, amount, row_number() OVER (ORDER BY amount DESC) AS i
				FROM (SELECT key::text, %s AS amount FROM (%s) x GROUP BY key ORDER BY 2 DESC LIMIT 101) y) z',
			CASE by WHEN 'gmv' THEN 'sellometer.gmv(gmv)' ELSE 'sum(count)' END, read_too)
		INTO own_keys, own_amounts, own_others;
		unlisted := unlisted + own_others;
	END IF;

	SELECT array_agg(k.key ORDER BY k.most DESC) FILTER (WHERE k.i <= promising), coalesce(max(k.most) FILTER (WHERE k.i > promising), unlisted)
	INTO candidates, others
	FROM (SELECT e.key, unlisted + sum(e.above) AS most, row_number() OVER (ORDER BY sum(e.above) DESC) AS i
		FROM (SELECT * FROM unnest(listed_keys, listed_above) u (key, above)
			UNION ALL
			SELECT u.key, u.amount - own_others FROM unnest(own_keys, own_amounts) u (key, amount)) e
		GROUP BY e.key ORDER BY 2 DESC LIMIT promising + 1) k;
	SELECT string_agg(sellometer.rows_of(dimension, event_type, p.tier, p.piece_from, p.piece_to, candidates), ' UNION ALL ')
	INTO rows_sql FROM sellometer.pieces(range_from, range_to, NULL) p;

	SELECT array_agg(t.key), array_agg(t.gmv), array_agg(t.count) INTO keys, gmvs, counts
	FROM sellometer.top_of_rows(rows_sql, by, n) t;
	IF (CASE by WHEN 'gmv' THEN gmvs[n] ELSE counts[n] END) > others THEN
		RETURN QUERY SELECT * FROM unnest(keys, gmvs, counts);
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.top_by_leaders(text, text, timestamptz, timestamptz, integer, text) IS
	'What sellometer_top() finds without reading all keys; no rows if it can''t';

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
	rows_sql text;
BEGIN
	PERFORM sellometer.check_names(dimension, event_type);
	PERFORM sellometer.check_top(n, by);
	SELECT w.range_from, w.range_to INTO range_from, range_to FROM sellometer.whole_range("from", "to") w;
	IF tell THEN
		PERFORM sellometer.tell_range("from", "to", range_from, range_to);
	END IF;

	RETURN QUERY SELECT t.key, t.gmv, t.count, t.gmv / t.count
	FROM sellometer.top_by_leaders(dimension, event_type, range_from, range_to, n, by) t;
	IF FOUND THEN
		RETURN;
	END IF;
	SELECT string_agg(sellometer.rows_of(dimension, event_type, p.tier, p.piece_from, p.piece_to, NULL), ' UNION ALL ') INTO rows_sql
	FROM sellometer.pieces(range_from, range_to, NULL) p;
	IF rows_sql IS NOT NULL THEN
		RETURN QUERY SELECT t.key, t.gmv, t.count, t.gmv / t.count FROM sellometer.top_of_rows(rows_sql, by, n) t;
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.top(text, text, timestamptz, timestamptz, integer, text, boolean) IS
	'What sellometer_top() is, for the extension''s own functions; tell: a notice if the range that is answered is another';

CREATE FUNCTION @extschema@.sellometer_top(
	dimension text, event_type text, "from" timestamptz, "to" timestamptz, n integer DEFAULT 10, by text DEFAULT 'gmv',
	OUT key text, OUT gmv numeric, OUT count bigint, OUT avg_price numeric)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT * FROM sellometer.top($1, $2, $3, $4, $5, $6, true)
$$;
COMMENT ON FUNCTION @extschema@.sellometer_top(text, text, timestamptz, timestamptz, integer, text) IS
	'The n best keys of a dimension over a range, by gmv or count; ends that only a coarser tier still holds fall on its buckets, and a notice says so';

CREATE FUNCTION sellometer.sums_of(
	dimension text, event_type text, keys text[], range_from timestamptz, range_to timestamptz,
	OUT key text, OUT gmv numeric, OUT count bigint, OUT avg_price numeric)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
	possible text[] := sellometer.possible_keys(dimension, keys);
	rows_sql text;
BEGIN
	SELECT string_agg(sellometer.rows_of(dimension, event_type, p.tier, p.piece_from, p.piece_to, possible), ' UNION ALL ')
	INTO rows_sql
	FROM sellometer.pieces(range_from, range_to, NULL) p;
	IF rows_sql IS NOT NULL THEN
		RETURN QUERY SELECT t.key, t.gmv, t.count, t.gmv / t.count
		FROM sellometer.top_of_rows(rows_sql, 'gmv', cardinality(possible)) t;
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.sums_of(text, text, text[], timestamptz, timestamptz) IS
	'All events of a type of each of some keys, best first, over a range whose ends are starts of buckets';

CREATE FUNCTION @extschema@.sellometer_total(
	dimension text, event_type text, keys text[], "from" timestamptz, "to" timestamptz,
	OUT key text, OUT gmv numeric, OUT count bigint, OUT avg_price numeric)
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
	RETURN QUERY SELECT * FROM sellometer.sums_of(dimension, event_type, keys, w.range_from, w.range_to);
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_total(text, text, text[], timestamptz, timestamptz) IS
	'All events of a type over a range of each of some keys, best first; keys without any are left out; the range is that of sellometer_top()';
