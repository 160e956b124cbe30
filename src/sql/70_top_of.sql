/*
 * The best keys of chosen brands and categories.
 *
 * A category's sums are those of its parts of level 3, and what one brand has is in the tiers: such are exact, whoever had which label when.
 * What tiers don't hold is how a brand's sums fall into categories, or which products it has.  There a product belongs to the brand and the
 * category that it was last sold under, with all its events of the range: one that was renamed is counted under its new name alone.
 */

/* The keys of a list that are keys: no NULL. */
CREATE FUNCTION sellometer.chosen_keys(keys text[])
RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(array_agg(DISTINCT k), '{}') FROM unnest(keys) k WHERE k IS NOT NULL
$$;
COMMENT ON FUNCTION sellometer.chosen_keys(text[]) IS 'A list without NULL and repetitions';

/* SQL for the first levels of a key that has so many. */
CREATE FUNCTION sellometer.first_levels(n integer, levels integer, key text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE n WHEN levels THEN key WHEN 1 THEN format('split_part(%s, ''.'', 1)', key)
		ELSE format('(split_part(%s, ''.'', 1) || ''.'' || split_part(%1$s, ''.'', 2))', key) END
$$;
COMMENT ON FUNCTION sellometer.first_levels(integer, integer, text) IS 'SQL for the first n levels of a category that has so many';

/* The number of dots tells of which level a category is. */
CREATE FUNCTION sellometer.level_of(category text)
RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT least(1 + length(category) - length(replace(category, '.', '')), 3)
$$;
COMMENT ON FUNCTION sellometer.level_of(text) IS 'The level of a category: 1, 2 or 3';

CREATE FUNCTION sellometer.is_in_categories(levels integer, key text, categories text[])
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '(' || string_agg(format('%s = ANY (%L)', sellometer.first_levels(c.n, levels, key), c.categories), ' OR ') || ')'
	FROM (SELECT sellometer.level_of(k) AS n, array_agg(k) AS categories FROM unnest(categories) k GROUP BY 1) c
$$;
COMMENT ON FUNCTION sellometer.is_in_categories(integer, text, text[]) IS 'SQL for: a category of so many levels is in one of these, of as many or fewer';

/* SQL: products by the label that they were last sold under, of some brands (an empty list: any); categories are judged by who reads it. */
CREATE FUNCTION sellometer.labelled_products(brands text[])
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- what nodes have of a product may have other labels in each: all are looked at, which the planner does by a join if nothing stands beside it
	RETURN format('SELECT s.product_id, s.brand, s.category FROM sellometer.all_sold_products s
		WHERE %s AND NOT (%s EXISTS (SELECT FROM sellometer.all_sold_products n WHERE n.product_id = s.product_id AND n.category <> s.category
			AND (n.last_sold, n.sales, s.category) > (s.last_sold, s.sales, n.category)))',
		CASE WHEN cardinality(brands) > 0 THEN format('s.brand = ANY (%L)', brands) ELSE 'true' END,
		CASE WHEN sellometer.asks_nodes() THEN '' ELSE 's.has_others AND' END);
END
$$;
COMMENT ON FUNCTION sellometer.labelled_products(text[]) IS
	'SQL for products that were last sold under one of some brands, with that brand and category: product_id, brand, category';

/* Of products by their labels. */
CREATE FUNCTION sellometer.top_by_labels(
	dimension text, event_type text, brands text[], categories text[], range_from timestamptz, range_to timestamptz, n integer, by text,
	OUT key text, OUT gmv numeric, OUT count bigint)
RETURNS SETOF record
LANGUAGE c STABLE STRICT PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
SET timezone = 'UTC'
SET random_page_cost = 1.1
SET work_mem = '64MB'
SET jit = off
AS 'MODULE_PATHNAME', 'sellometer_top_by_labels';
COMMENT ON FUNCTION sellometer.top_by_labels(text, text, text[], text[], timestamptz, timestamptz, integer, text) IS
	'The best of what products of some brands and categories have, by product or by label';

/* Of categories, all that is in one of some: of their level, or of that of the coarsest that tells. */
CREATE FUNCTION sellometer.top_in_categories(
	dimension text, event_type text, categories text[], range_from timestamptz, range_to timestamptz, n integer, by text,
	OUT key text, OUT gmv numeric, OUT count bigint)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
	level integer := right(dimension, 1)::integer;
	levels integer := (SELECT greatest(level, max(sellometer.level_of(k))) FROM unnest(categories) k);
BEGIN
	RETURN QUERY EXECUTE format('SELECT %s COLLATE "C", sellometer.gmv(c.gmv), sum(c.count)::bigint FROM sellometer.sums($1, $2, $3, $4, NULL, NULL, NULL) c
		WHERE %s GROUP BY 1 ORDER BY %s, 1 LIMIT $5',
		sellometer.first_levels(level, levels, 'c.key'), sellometer.is_in_categories(levels, 'c.key', categories), CASE by WHEN 'gmv' THEN '2 DESC, 3 DESC' ELSE '3 DESC, 2 DESC' END)
	USING 'category_l' || levels, event_type, range_from, range_to, n;
END
$$;
COMMENT ON FUNCTION sellometer.top_in_categories(text, text, text[], timestamptz, timestamptz, integer, text) IS
	'The best categories of one level that are in some, of any level';

CREATE FUNCTION sellometer.top_of(
	dimension text, event_type text, brands text[], categories text[], range_from timestamptz, range_to timestamptz, n integer, by text,
	OUT key text, OUT gmv numeric, OUT count bigint)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF dimension = 'brand' AND cardinality(categories) = 0 THEN
		RETURN QUERY SELECT * FROM sellometer.sums('brand', event_type, range_from, range_to, brands, by, n);
	ELSIF dimension LIKE 'category\_l_' AND cardinality(brands) = 0 THEN
		RETURN QUERY SELECT * FROM sellometer.top_in_categories(dimension, event_type, categories, range_from, range_to, n, by);
	ELSE
		RETURN QUERY SELECT * FROM sellometer.top_by_labels(dimension, event_type, brands, categories, range_from, range_to, n, by);
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.top_of(text, text, text[], text[], timestamptz, timestamptz, integer, text) IS
	'What sellometer_top_of() is, over a range whose ends are starts of buckets';

CREATE FUNCTION @extschema@.sellometer_top_of(
	dimension text, event_type text, brands text[], categories text[], "from" timestamptz, "to" timestamptz, n integer DEFAULT 10, by text DEFAULT 'gmv',
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
	brands := sellometer.chosen_keys(brands);
	categories := sellometer.chosen_keys(categories);
	IF cardinality(brands) + cardinality(categories) = 0 THEN
		RETURN QUERY SELECT * FROM sellometer.named_top(dimension, event_type, "from", "to", n, by);
		RETURN;
	END IF;
	PERFORM sellometer.check_names(dimension, event_type);
	PERFORM sellometer.check_top(n, by);
	IF EXISTS (SELECT FROM sellometer.dimensions d WHERE d.dimension = sellometer_top_of.dimension) THEN
		RAISE feature_not_supported USING MESSAGE = format('what brands and categories have by dimension "%s" is not kept', dimension),
			DETAIL = 'Of dimensions of one''s own there are sums of all events.',
			HINT = format('sellometer_top() gives the best of all; sellometer_events(%L, …) reads the rows of a key, with their brands and categories.', dimension);
	END IF;
	SELECT * INTO w FROM sellometer.whole_range("from", "to");
	PERFORM sellometer.tell_range("from", "to", w.range_from, w.range_to);
	RETURN QUERY
	WITH t AS MATERIALIZED (
		SELECT row_number() OVER () AS place, x.* FROM sellometer.top_of(dimension, event_type, brands, categories, w.range_from, w.range_to, n, by) x
	)
	SELECT sellometer.shown_key(dimension, t.key, k.told), t.gmv, t.count, t.gmv / t.count, sellometer.given_name(dimension, t.key, k.told)
	FROM t, (SELECT sellometer.told_names(dimension, array_agg(t.key)) AS told FROM t) k ORDER BY t.place;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_top_of(text, text, text[], text[], timestamptz, timestamptz, integer, text) IS
	'As sellometer_top(), of what belongs to one of some brands and to one of some categories, of any level; NULL or an empty list: any.  Which products a brand has, and how much of it is in which category, goes by the brand and category that a product was last sold under';
