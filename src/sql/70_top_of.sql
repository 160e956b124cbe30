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

/* Each product once. */
CREATE FUNCTION sellometer.products_of(brands text[], categories text[], OUT product_id bigint, OUT brand text, OUT category text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
	RETURN QUERY EXECUTE format('
		SELECT s.product_id, s.brand, s.category FROM sellometer.sold_products s
		WHERE %s AND %s AND NOT EXISTS (SELECT FROM sellometer.sold_products n WHERE n.product_id = s.product_id AND n.category <> s.category
			AND (n.last_sold, n.sales, s.category) > (s.last_sold, s.sales, n.category))',
		CASE WHEN cardinality(brands) > 0 THEN format('s.brand = ANY (%L)', brands) ELSE 'true' END,
		CASE WHEN cardinality(categories) > 0 THEN sellometer.is_in_categories(3, 's.category', categories) ELSE 'true' END);
END
$$;
COMMENT ON FUNCTION sellometer.products_of(text[], text[]) IS
	'Products that were last sold under one of some brands and in one of some categories, of any level; an empty list: any';

/*
 * SQL for the rows of a range that are of the choice, as key, count, gmv; NULL: none.  Where products are named, whichever is cheaper finds their
 * rows in each partition, the index or a look at all.  Of many products that takes longer than reading the others too in an hour, and in so many days
 * that there were 100,000 to look up; of views, which most rows are of, half a million.
 */
CREATE FUNCTION sellometer.rows_of_labels(
	dimension text, event_type text, brands text[], categories text[], range_from timestamptz, range_to timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	products text[];
	labels text[];
BEGIN
	EXECUTE format('SELECT array_agg(product_id::text), array_agg(%s) FROM sellometer.products_of($1, $2)',
		CASE dimension WHEN 'product_id' THEN 'NULL::text' WHEN 'brand' THEN 'brand' ELSE sellometer.first_levels(right(dimension, 1)::integer, 3, 'category') END)
	INTO products, labels USING brands, categories;
	RETURN (SELECT format('SELECT %s AS key, r.count, r.gmv FROM (%s) r JOIN unnest(%L::bigint[], %L::text[]) l (product_id, label) ON l.product_id = r.key',
			CASE dimension WHEN 'product_id' THEN 'r.key' ELSE 'l.label' END,
			string_agg(sellometer.rows_of('product_id', event_type, p.tier, p.piece_from, p.piece_to,
					CASE WHEN cardinality(products) <= 5000 OR range_from < range_to - interval '1 hour'
						AND range_from > range_to - interval '1 day' * (CASE event_type WHEN 'view' THEN 500000.0 ELSE 100000 END / cardinality(products) - 1) THEN products END),
				' UNION ALL '),
			products, labels)
		FROM sellometer.pieces(range_from, range_to, NULL) p HAVING count(*) > 0 AND products IS NOT NULL);
END
$$;
COMMENT ON FUNCTION sellometer.rows_of_labels(text, text, text[], text[], timestamptz, timestamptz) IS
	'SQL for the rows of products of some brands and categories, by their labels';

CREATE FUNCTION sellometer.chosen_rows(
	dimension text, event_type text, brands text[], categories text[], range_from timestamptz, range_to timestamptz)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN dimension = 'brand' AND cardinality(categories) = 0 THEN
			(SELECT string_agg(sellometer.rows_of('brand', event_type, p.tier, p.piece_from, p.piece_to, brands), ' UNION ALL ')
			FROM sellometer.pieces(range_from, range_to, NULL) p)
		WHEN dimension LIKE 'category\_l_' AND cardinality(brands) = 0 THEN
			(SELECT format('SELECT %s AS key, count, gmv FROM (%s) c WHERE %s', sellometer.first_levels(right(dimension, 1)::integer, l.levels, 'key'),
				string_agg(sellometer.rows_of('category_l' || l.levels, event_type, p.tier, p.piece_from, p.piece_to, NULL), ' UNION ALL '),
				sellometer.is_in_categories(l.levels, 'key', categories))
			FROM (SELECT greatest(right(dimension, 1)::integer, max(sellometer.level_of(k))) AS levels FROM unnest(categories) k) l,
				sellometer.pieces(range_from, range_to, NULL) p GROUP BY l.levels)
		ELSE sellometer.rows_of_labels(dimension, event_type, brands, categories, range_from, range_to) END
$$;
COMMENT ON FUNCTION sellometer.chosen_rows(text, text, text[], text[], timestamptz, timestamptz) IS
	'SQL for the rows that sellometer_top_of() adds up; NULL: there are none';

CREATE FUNCTION @extschema@.sellometer_top_of(
	dimension text, event_type text, brands text[], categories text[], "from" timestamptz, "to" timestamptz, n integer DEFAULT 10, by text DEFAULT 'gmv',
	OUT key text, OUT gmv numeric, OUT count bigint, OUT avg_price numeric)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
SET jit = off
AS $$
DECLARE
	w record;
	rows_sql text;
BEGIN
	brands := sellometer.chosen_keys(brands);
	categories := sellometer.chosen_keys(categories);
	IF cardinality(brands) + cardinality(categories) = 0 THEN
		RETURN QUERY SELECT t.key, t.gmv, t.count, t.avg_price FROM sellometer.top(dimension, event_type, "from", "to", n, by, true) t;
		RETURN;
	END IF;
	PERFORM sellometer.check_names(dimension, event_type);
	PERFORM sellometer.check_top(n, by);
	SELECT * INTO w FROM sellometer.whole_range("from", "to");
	PERFORM sellometer.tell_range("from", "to", w.range_from, w.range_to);
	rows_sql := sellometer.chosen_rows(dimension, event_type, brands, categories, w.range_from, w.range_to);
	IF rows_sql IS NOT NULL THEN
		RETURN QUERY SELECT t.key, t.gmv, t.count, t.gmv / t.count FROM sellometer.top_of_rows(rows_sql, by, n) t;
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_top_of(text, text, text[], text[], timestamptz, timestamptz, integer, text) IS
	'As sellometer_top(), of what belongs to one of some brands and to one of some categories, of any level; NULL or an empty list: any.  Which products a brand has, and how much of it is in which category, goes by the brand and category that a product was last sold under';
