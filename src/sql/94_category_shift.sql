/*
 * Changed labels: products that were sold under one category and are now listed under another only.
 *
 *   recent offers + baselines --> products that have moved --> of a category with its products: one alert
 *                                                          --> else: one alert for each product
 */
CREATE FUNCTION sellometer.shift_level(old text, new text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN split_part(old, '.', 1) <> split_part(new, '.', 1) THEN 'category_l1'
		WHEN split_part(old, '.', 2) <> split_part(new, '.', 2) THEN 'category_l2' ELSE 'category_l3' END
$$;
COMMENT ON FUNCTION sellometer.shift_level(text, text) IS 'The first level at which two categories differ';

CREATE FUNCTION sellometer.detect_category_shift(head timestamptz)
RETURNS SETOF sellometer.finding
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH setting AS MATERIALIZED (
		SELECT current_setting('sellometer.shift_min_sales')::bigint AS min_sales, current_setting('sellometer.shift_min_events')::bigint AS min_events,
			current_setting('sellometer.shift_min_products')::bigint AS min_products, current_setting('sellometer.shift_share')::float8 AS share
	), seen AS MATERIALIZED (
		SELECT r.product_id, max(r.last_seen) FILTER (WHERE r.category = b.category) AS usual_last,
			max(r.category) FILTER (WHERE r.category <> b.category) AS new, sum(r.events) FILTER (WHERE r.category <> b.category) AS events,
			min(r.first_seen) FILTER (WHERE r.category <> b.category) AS first_seen,
			max(r.last_seen) FILTER (WHERE r.category <> b.category) AS last_seen
		FROM sellometer.recent_offers(head - current_setting('sellometer.shift_window')::interval, head + interval '10 minutes') r
		JOIN sellometer.price_baselines b USING (product_id)
		GROUP BY r.product_id
	), products AS MATERIALIZED (	-- moved: the usual label is not in use beside the new one
		SELECT e.*, b.category AS old, b.sales,
			e.new IS NOT NULL AND coalesce(e.usual_last <= e.first_seen + interval '2 minutes', true) AS moved
		FROM seen e JOIN sellometer.price_baselines b USING (product_id) JOIN setting s ON b.sales >= s.min_sales
	), categories AS MATERIALIZED (
		SELECT p.old, c.new, c.products, c.events, c.first_seen, c.last_seen, count(*) AS all_products,
			c.products::float8 / count(*) AS share
		FROM products p JOIN (
			SELECT old, new, count(*) AS products, sum(events) AS events, min(first_seen) AS first_seen, max(last_seen) AS last_seen
			FROM products WHERE moved GROUP BY old, new) c USING (old)
		GROUP BY p.old, c.new, c.products, c.events, c.first_seen, c.last_seen
	), whole AS MATERIALIZED (
		SELECT DISTINCT ON (c.old) c.* FROM categories c, setting s
		WHERE c.products >= s.min_products AND c.events >= s.min_events AND c.share >= s.share ORDER BY c.old, c.products DESC, c.new
	)
	SELECT CASE sellometer.shift_level(old, new) WHEN 'category_l1' THEN 'critical' ELSE 'warning' END, 'category_l3', old, last_seen,
		products::numeric, all_products::numeric, share,
		format('%s of the %s products of %s that were seen are listed under %s since %s UTC: %s has changed', products, all_products, old, new,
			to_char(first_seen AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), sellometer.shift_level(old, new))
	FROM whole
	UNION ALL
	SELECT 'warning', 'product_id', product_id::text, last_seen, p.events, p.sales, 1,
		format('listed under %s since %s UTC, usually %s over %s sales', new, to_char(first_seen AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
			old, sales)
	FROM products p, setting s
	WHERE p.moved AND p.events >= s.min_events AND NOT EXISTS (SELECT FROM whole w WHERE w.old = p.old AND w.new = p.new)
$$;
COMMENT ON FUNCTION sellometer.detect_category_shift(timestamptz) IS
	'Categories and products that are listed under another label than they were sold under before';
INSERT INTO sellometer.detectors (kind) VALUES ('category_shift');

REVOKE ALL ON FUNCTION sellometer.shift_level(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.detect_category_shift(timestamptz) FROM PUBLIC;
