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

/* SQL for the key that a category of level 3 has in a dimension. */
CREATE FUNCTION sellometer.level_of(dimension text, category text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE dimension WHEN 'category_l1' THEN format('split_part(%s, ''.'', 1)', category)
		WHEN 'category_l2' THEN format('(split_part(%s, ''.'', 1) || ''.'' || split_part(%1$s, ''.'', 2))', category) ELSE category END
$$;
COMMENT ON FUNCTION sellometer.level_of(text, text) IS 'SQL for the level of a category that is the key of a dimension';

/* SQL that is true of a category of level 3 in one of some categories of any level; the number of dots tells these apart. */
CREATE FUNCTION sellometer.is_in_categories(category text, categories text[])
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '(' || string_agg(format('%s = ANY (%L)', sellometer.level_of(d, category), categories), ' OR ') || ')'
	FROM unnest(ARRAY['category_l1', 'category_l2', 'category_l3']) d
$$;
COMMENT ON FUNCTION sellometer.is_in_categories(text, text[]) IS 'SQL for: a category of level 3 is in one of these, of whatever level';

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
		CASE WHEN cardinality(categories) > 0 THEN sellometer.is_in_categories('s.category', categories) ELSE 'true' END);
END
$$;
COMMENT ON FUNCTION sellometer.products_of(text[], text[]) IS
	'Products that were last sold under one of some brands and in one of some categories, of any level; an empty list: any';

/* SQL for the rows of a range that are of the choice, as key, count, gmv; NULL: none. */
CREATE FUNCTION sellometer.chosen_rows(
	dimension text, event_type text, brands text[], categories text[], range_from timestamptz, range_to timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	read text := CASE WHEN dimension = 'brand' AND cardinality(categories) = 0 THEN 'brand'
		WHEN dimension LIKE 'category\_l_' AND cardinality(brands) = 0 THEN 'category_l3' ELSE 'product_id' END;
	rows_sql text;
BEGIN
	SELECT string_agg(sellometer.rows_of(read, event_type, p.tier, p.piece_from, p.piece_to, CASE read WHEN 'brand' THEN brands END), ' UNION ALL ') INTO rows_sql
	FROM sellometer.pieces(range_from, range_to, NULL) p;
	RETURN CASE WHEN rows_sql IS NULL THEN NULL WHEN read = 'brand' THEN rows_sql
		WHEN read = 'category_l3' THEN format('SELECT %s AS key, count, gmv FROM (%s) c WHERE %s', sellometer.level_of(dimension, 'key'), rows_sql,
			sellometer.is_in_categories('key', categories))
		ELSE format('SELECT %s AS key, count, gmv FROM sellometer.products_of(%L, %L) l JOIN (%s) r ON r.key = l.product_id',
			CASE dimension WHEN 'product_id' THEN 'l.product_id' WHEN 'brand' THEN 'l.brand' ELSE sellometer.level_of(dimension, 'l.category') END,
			brands, categories, rows_sql) END;
END
$$;
COMMENT ON FUNCTION sellometer.chosen_rows(text, text, text[], text[], timestamptz, timestamptz) IS
	'SQL for the rows that sellometer_top_of() adds up';

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
