/*
 * Changed labels: products that were sold under one category and are now listed under another only.
 *
 *   recent offers + usual labels --> products that have moved --> of a category with its products: one alert
 *                                                             --> else: one alert for each product
 *
 * As with prices, a new label has no part in what is usual for as long as sellometer.price_adopt; then sales under it count.
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

/*
 * Of products that have several labels, or are seen under another one: that of most sales before sellometer.price_adopt ago.  Of
 * what was hardly sold then, that of most sales before the newest label came.
 */
CREATE FUNCTION sellometer.usual_labels(head timestamptz, products bigint[], categories text[], first_seen timestamptz[])
RETURNS TABLE (product_id bigint, category text, sales bigint)
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET jit = off
AS $$
	WITH setting AS MATERIALIZED (
		SELECT current_setting('sellometer.shift_min_sales')::bigint AS min_sales,
			date_trunc('minute', head - sellometer.setting_length('sellometer.price_adopt'), 'UTC') AS adopted,
			((head - sellometer.setting_length('sellometer.offer_retention')) AT TIME ZONE 'UTC')::date AS from_day
	), old AS MATERIALIZED (
		SELECT b.product_id, b.category, sum(b.sales)::bigint AS count FROM setting s,
			sellometer.sales_before(products, array_fill(s.adopted, ARRAY[cardinality(products)]), s.from_day) b
		GROUP BY b.product_id, b.category
	), settled AS MATERIALIZED (
		SELECT o.product_id FROM old o, setting s GROUP BY o.product_id, s.min_sales HAVING sum(o.count) >= s.min_sales
	), firsts AS MATERIALIZED (
		SELECT f.product_id, f.category, min(f.minute) AS minute FROM (
			SELECT r.product_id, r.category, r.minute FROM setting s, sellometer.recent_sales_of(products, s.adopted) r
			UNION ALL
			SELECT u.product_id, u.category, date_trunc('minute', u.first_seen, 'UTC')
			FROM unnest(products, categories, first_seen) u (product_id, category, first_seen)) f
		WHERE f.product_id NOT IN (SELECT t.product_id FROM settled t)
		GROUP BY f.product_id, f.category
	), newest AS (
		SELECT array_agg(n.product_id) AS products, array_agg(n.minute) AS minutes
		FROM (SELECT f.product_id, max(f.minute) AS minute FROM firsts f GROUP BY f.product_id) n
	), counts AS (
		SELECT * FROM old o WHERE o.product_id IN (SELECT t.product_id FROM settled t)
		UNION ALL
		SELECT b.product_id, b.category, sum(b.sales)::bigint FROM setting s, newest n, sellometer.sales_before(n.products, n.minutes, s.from_day) b
		GROUP BY b.product_id, b.category
	)
	SELECT DISTINCT ON (c.product_id) c.product_id, c.category, (sum(c.count) OVER (PARTITION BY c.product_id))::bigint
	FROM counts c ORDER BY c.product_id, c.count DESC, c.category
$$;
COMMENT ON FUNCTION sellometer.usual_labels(timestamptz, bigint[], text[], timestamptz[]) IS
	'Under which label these products, seen since under these ones, were sold before; sales: under any';

CREATE FUNCTION sellometer.detect_category_shift(head timestamptz)
RETURNS SETOF sellometer.hinted_finding
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET jit = off
SET work_mem = '64MB'
AS $$
	WITH setting AS MATERIALIZED (
		SELECT current_setting('sellometer.shift_min_sales')::bigint AS min_sales, current_setting('sellometer.shift_min_events')::bigint AS min_events,
			current_setting('sellometer.shift_min_products')::bigint AS min_products, current_setting('sellometer.shift_share')::float8 AS share
	), offers AS MATERIALIZED (
		SELECT r.product_id, r.category, sum(r.events) AS events, min(r.first_seen) AS first_seen, max(r.last_seen) AS last_seen
		FROM sellometer.recent_offers(head - sellometer.setting_length('sellometer.shift_window'), head + interval '10 minutes') r
		WHERE r.product_id IN (SELECT p.product_id FROM sellometer.sold_products p)
		GROUP BY r.product_id, r.category
	), sold AS MATERIALIZED (		-- nearly all: under the label that they are seen under, and no other
		SELECT p.product_id, min(p.category) AS category, sum(p.sales)::bigint AS sales,
			least(min(p.category), n.low) <> greatest(max(p.category), n.high) AS suspect
		FROM sellometer.sold_products p
		JOIN (SELECT product_id, min(category) AS low, max(category) AS high FROM offers GROUP BY product_id) n USING (product_id)
		GROUP BY p.product_id, n.low, n.high
	), suspects AS MATERIALIZED (
		SELECT o.* FROM offers o WHERE o.product_id IN (SELECT product_id FROM sold WHERE suspect)
	), usual AS MATERIALIZED (
		SELECT u.* FROM (
			SELECT array_agg(product_id) AS products, array_agg(category) AS categories, array_agg(first_seen) AS first_seen FROM suspects) a
		CROSS JOIN LATERAL sellometer.usual_labels(head, a.products, a.categories, a.first_seen) u
	), seen AS (
		SELECT s.product_id, u.category AS old, u.sales, max(s.last_seen) FILTER (WHERE s.category = u.category) AS usual_last,
			max(s.category) FILTER (WHERE s.category <> u.category) AS new, sum(s.events) FILTER (WHERE s.category <> u.category) AS events,
			min(s.first_seen) FILTER (WHERE s.category <> u.category) AS first_seen,
			max(s.last_seen) FILTER (WHERE s.category <> u.category) AS last_seen
		FROM suspects s JOIN usual u USING (product_id)
		GROUP BY s.product_id, u.category, u.sales
	), products AS MATERIALIZED (	-- moved: the usual label is not in use beside the new one
		SELECT e.*, e.new IS NOT NULL AND coalesce(e.usual_last <= e.first_seen + interval '2 minutes', true) AS moved
		FROM seen e JOIN setting s ON e.sales >= s.min_sales
	), known AS MATERIALIZED (
		SELECT old, sum(n) AS all_products FROM (
			SELECT d.category AS old, count(*) AS n FROM sold d JOIN setting s ON d.sales >= s.min_sales WHERE NOT d.suspect GROUP BY d.category
			UNION ALL
			SELECT old, count(*) FROM products GROUP BY old) k
		GROUP BY old
	), categories AS MATERIALIZED (
		SELECT c.*, k.all_products, c.products::float8 / k.all_products AS share
		FROM (SELECT old, new, count(*) AS products, sum(events) AS events, min(first_seen) AS first_seen, max(last_seen) AS last_seen
			FROM products WHERE moved GROUP BY old, new) c
		JOIN known k USING (old)
	), whole AS MATERIALIZED (
		SELECT DISTINCT ON (c.old) c.* FROM categories c, setting s
		WHERE c.products >= s.min_products AND c.events >= s.min_events AND c.share >= s.share ORDER BY c.old, c.products DESC, c.new
	)
	SELECT CASE sellometer.shift_level(old, new) WHEN 'category_l1' THEN 'critical' ELSE 'warning' END, 'category_l3', old, last_seen,
		products::numeric, all_products::numeric, share,
		format('%s of the %s products of %s that were seen are listed under %s since %s: %s has changed', products, all_products,
			sellometer.key_in_words('category_l3', old), sellometer.key_label('category_l3', new),
			sellometer.shop_time(first_seen, head), sellometer.shift_level(old, new)),
		format('Correct the category at its source.  Until then sellometer_override_category(%L, category_id => …) counts it as before.', sellometer.key_label('category_l3', old)), first_seen
	FROM whole
	UNION ALL
	SELECT 'warning', 'product_id', product_id::text, last_seen, p.events, p.sales, 1,
		format('product %s is listed under %s since %s, usually under %s, over %s sales', product_id, sellometer.key_label('category_l3', new),
			sellometer.shop_time(first_seen, head), sellometer.key_label('category_l3', old), sales),
		format('Correct the category at its source.  Until then sellometer_override_category(%L, product_id => %s) counts it as before.', sellometer.key_label('category_l3', old), product_id), first_seen
	FROM products p, setting s
	WHERE p.moved AND p.events >= s.min_events AND NOT EXISTS (SELECT FROM whole w WHERE w.old = p.old AND w.new = p.new)
	UNION ALL
	-- what has an open alert, and is seen under the usual label alone, is well; a category, if a product of it is so that had moved
	SELECT 'well', a.dimension, a.key, head, NULL, NULL, NULL, 'under its usual label', NULL, NULL
	FROM sellometer.alerts a
	WHERE a.kind = 'category_shift' AND a.closed_at IS NULL AND CASE a.dimension
		WHEN 'product_id' THEN EXISTS (SELECT FROM sold d WHERE d.product_id::text = a.key AND NOT d.suspect)
			OR EXISTS (SELECT FROM products p WHERE p.product_id::text = a.key AND NOT p.moved)
		ELSE EXISTS (SELECT FROM products p WHERE p.old = a.key AND NOT p.moved AND p.usual_last > a.event_time)
			OR EXISTS (SELECT FROM sold d JOIN offers o USING (product_id) WHERE d.category = a.key AND NOT d.suspect AND o.last_seen > a.event_time) END
	UNION ALL
	SELECT 'over', a.dimension, a.key, head, NULL, NULL, NULL, 'usual by now', NULL, NULL
	FROM sellometer.alerts a
	WHERE a.kind = 'category_shift' AND a.closed_at IS NULL AND a.began < head - sellometer.setting_length('sellometer.price_adopt')
$$;
COMMENT ON FUNCTION sellometer.detect_category_shift(timestamptz) IS
	'Categories and products that are listed under another label than they were sold under before';
INSERT INTO sellometer.detectors (kind, tells_well) VALUES ('category_shift', true);

REVOKE ALL ON FUNCTION sellometer.shift_level(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.usual_labels(timestamptz, bigint[], text[], timestamptz[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.detect_category_shift(timestamptz) FROM PUBLIC;
