/*
 * Changed labels: products that were sold under one category and are now listed under another only.
 *
 *   recent offers + usual labels --> products that have moved --> of a brand, a category, or all, with most of its products: one alert
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

/* One row for each: nearly all products are seen under the only label that they were sold under. */
CREATE FUNCTION sellometer.shift_suspects(head timestamptz)
RETURNS TABLE (product_id bigint, old text, brand text, sales bigint, usual_last timestamptz, new text, events bigint, first_seen timestamptz, last_seen timestamptz)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET jit = off
SET work_mem = '64MB'
AS $$
	WITH recent AS MATERIALIZED (
		SELECT * FROM sellometer.recent_offers(head - sellometer.setting_length('sellometer.shift_window'), head + interval '10 minutes')
	), suspects AS MATERIALIZED (
		SELECT r.product_id, r.category, sum(r.events)::bigint AS events, min(r.first_seen) AS first_seen, max(r.last_seen) AS last_seen
		FROM recent r WHERE r.product_id IN (SELECT p.product_id FROM sellometer.sold_products p JOIN recent x USING (product_id) WHERE p.category <> x.category)
		GROUP BY r.product_id, r.category
	), usual AS MATERIALIZED (
		SELECT u.* FROM (
			SELECT array_agg(product_id) AS products, array_agg(category) AS categories, array_agg(first_seen) AS first_seen FROM suspects) a
		CROSS JOIN LATERAL sellometer.usual_labels(head, a.products, a.categories, a.first_seen) u
	), brands AS MATERIALIZED (
		SELECT d.product_id, max(d.brand) AS brand FROM sellometer.sold_products d WHERE d.product_id = ANY (ARRAY(SELECT x.product_id FROM suspects x)) GROUP BY d.product_id
	)
	SELECT s.product_id, u.category, b.brand, u.sales, max(s.last_seen) FILTER (WHERE s.category = u.category),
		max(s.category) FILTER (WHERE s.category <> u.category), (sum(s.events) FILTER (WHERE s.category <> u.category))::bigint,
		min(s.first_seen) FILTER (WHERE s.category <> u.category), max(s.last_seen) FILTER (WHERE s.category <> u.category)
	FROM suspects s LEFT JOIN usual u USING (product_id) LEFT JOIN brands b USING (product_id)
	GROUP BY s.product_id, u.category, u.sales, b.brand
$$;
COMMENT ON FUNCTION sellometer.shift_suspects(timestamptz) IS
	'Products that are seen under another label than one that they were sold under: the usual one, if there is one, and what is seen under others';

/* groups: those of which all products are wanted, as dimension=key; NULL: none. */
CREATE FUNCTION sellometer.shift_seen(head timestamptz, products bigint[], groups text[])
RETURNS TABLE (product_id bigint, category text, brand text, sales bigint, last_seen timestamptz)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET jit = off
SET work_mem = '64MB'
AS $$
	WITH recent AS MATERIALIZED (
		SELECT * FROM sellometer.recent_offers(head - sellometer.setting_length('sellometer.shift_window'), head + interval '10 minutes')
	), wanted AS MATERIALIZED (
		SELECT p.product_id FROM sellometer.sold_products p
		WHERE 'all=all' = ANY (groups) OR EXISTS (SELECT FROM sellometer.groups_of(p.category, p.brand) g WHERE g.dimension || '=' || g.key = ANY (groups))
		UNION
		SELECT unnest(products)
	), seen AS MATERIALIZED (
		SELECT r.product_id, max(r.last_seen) AS last_seen FROM recent r WHERE r.product_id IN (SELECT w.product_id FROM wanted w)
			AND r.product_id NOT IN (SELECT p.product_id FROM sellometer.sold_products p JOIN recent x USING (product_id) WHERE p.category <> x.category)
		GROUP BY r.product_id
	)
	SELECT s.product_id, p.category, p.brand, p.sales, s.last_seen FROM seen s LEFT JOIN sellometer.sold_products p USING (product_id)
$$;
COMMENT ON FUNCTION sellometer.shift_seen(timestamptz, bigint[], text[]) IS
	'Of these products, and of all that were sold in these groups: those that are seen under no other label than the one that they were sold under';

/* What a node tells of its products to where all are judged; as by its own head. */
CREATE FUNCTION sellometer.shift_suspects_told()
RETURNS TABLE (product_id bigint, old text, brand text, sales bigint, usual_last timestamptz, new text, events bigint, first_seen timestamptz, last_seen timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT f.* FROM sellometer.state s, LATERAL sellometer.shift_suspects(s.head) f
$$;
COMMENT ON FUNCTION sellometer.shift_suspects_told() IS 'shift_suspects() at the head';

CREATE FUNCTION sellometer.shift_seen_told()
RETURNS TABLE (product_id bigint, category text, brand text, sales bigint, last_seen timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT f.* FROM sellometer.state s, LATERAL sellometer.shift_seen(s.head, NULL, ARRAY['all=all']) f
$$;
COMMENT ON FUNCTION sellometer.shift_seen_told() IS 'shift_seen() of all that was sold, at the head';

CREATE VIEW sellometer.shift_suspects_now AS SELECT * FROM sellometer.shift_suspects_told();
COMMENT ON VIEW sellometer.shift_suspects_now IS 'What this database tells, as a node of others, of products that are seen under another label';
CREATE VIEW sellometer.shift_seen_now AS SELECT * FROM sellometer.shift_seen_told();
COMMENT ON VIEW sellometer.shift_seen_now IS 'What this database tells, as a node of others, of products that are seen under their label';

CREATE FUNCTION sellometer.all_shift_suspects(head timestamptz)
RETURNS TABLE (product_id bigint, old text, brand text, sales bigint, usual_last timestamptz, new text, events bigint, first_seen timestamptz, last_seen timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF sellometer.asks_nodes() THEN
		RETURN QUERY EXECUTE sellometer.rows_of_nodes('shift_suspects_now');
	ELSE
		RETURN QUERY SELECT * FROM sellometer.shift_suspects(head);
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.all_shift_suspects(timestamptz) IS 'shift_suspects(), in the dashboards'' database of nodes those of each node';

CREATE FUNCTION sellometer.all_shift_seen(head timestamptz, products bigint[], groups text[])
RETURNS TABLE (product_id bigint, category text, brand text, sales bigint, last_seen timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF products IS NULL AND groups IS NULL THEN
		RETURN;
	ELSIF sellometer.asks_nodes() THEN
		RETURN QUERY EXECUTE format('SELECT * FROM (%s) n %s', sellometer.rows_of_nodes('shift_seen_now'), CASE WHEN groups IS NULL THEN 'WHERE n.product_id = ANY ($1)' END) USING products;
	ELSE
		RETURN QUERY SELECT * FROM sellometer.shift_seen(head, products, groups);
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.all_shift_seen(timestamptz, bigint[], text[]) IS 'shift_seen(), in the dashboards'' database of nodes those of each node: there of any group, if there are any';

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
	), suspects AS MATERIALIZED (
		SELECT * FROM sellometer.all_shift_suspects(head)
	), products AS MATERIALIZED (	-- moved: the usual label is not in use beside the new one
		SELECT e.*, e.new IS NOT NULL AND coalesce(e.usual_last <= e.first_seen + interval '2 minutes', true) AS moved
		FROM suspects e JOIN setting s ON e.sales >= s.min_sales
	), moved AS MATERIALIZED (
		SELECT p.*, sellometer.shift_level(p.old, p.new) AS what FROM products p WHERE p.moved
	), alerts AS MATERIALIZED (
		SELECT a.*, CASE a.dimension WHEN 'product_id' THEN sellometer.product_of_key(a.key) END AS product_id FROM sellometer.own_alerts a
		WHERE a.kind = 'category_shift' AND a.closed_at IS NULL
	), possible AS MATERIALIZED (	-- groups; all of them, while an alert about one is open, or where nodes know what else was sold
		SELECT 'all' AS dimension, 'all' AS key, true AS any WHERE EXISTS (SELECT FROM alerts a WHERE a.dimension <> 'product_id')
			OR (SELECT count(*) FROM moved) >= (SELECT s.min_products FROM setting s) AND sellometer.asks_nodes()
		UNION
		SELECT g.dimension, g.key, false FROM (SELECT array_agg(m.product_id) AS products, array_agg(1) AS directions, array_agg(m.first_seen) AS first_seen FROM moved m) x, setting s,
			sellometer.possible_groups(head, x.products, x.directions, x.first_seen, s.min_products, s.share, s.min_sales) g WHERE cardinality(x.products) >= s.min_products
	), worthwhile AS MATERIALIZED (
		SELECT count(*) > 0 AS known, CASE WHEN bool_or(p.any) THEN '{}' ELSE array_agg(p.dimension || '=' || p.key) END AS among, array_agg(p.dimension || '=' || p.key) AS groups FROM possible p
	), seen AS MATERIALIZED (		-- what groups can be made of: nothing, as long as hardly anything has moved
		SELECT r.* FROM worthwhile w, LATERAL sellometer.all_shift_seen(head, (SELECT array_agg(a.product_id) FROM alerts a WHERE a.product_id IS NOT NULL), w.groups) r
	), known AS MATERIALIZED (
		SELECT r.product_id, r.category, coalesce(r.brand, '') AS brand, r.last_seen FROM seen r, setting s WHERE (SELECT w.known FROM worthwhile w) AND r.sales >= s.min_sales
		UNION ALL
		SELECT p.product_id, p.old, coalesce(p.brand, ''), greatest(p.usual_last, p.last_seen) FROM products p WHERE (SELECT w.known FROM worthwhile w)
	), grouped AS MATERIALIZED (
		SELECT g.* FROM (
			SELECT array_agg(k.product_id) AS products, array_agg(k.category) AS categories, array_agg(k.brand) AS brands,
				array_agg(CASE WHEN m.product_id IS NULL THEN 0 ELSE 1 END) AS directions, array_agg(0::float8) AS changes,
				array_agg(m.first_seen) AS first_seen, array_agg(coalesce(m.last_seen, k.last_seen)) AS last_seen
			FROM known k LEFT JOIN moved m USING (product_id) WHERE (SELECT w.known FROM worthwhile w)) x
		CROSS JOIN setting s CROSS JOIN worthwhile w
		CROSS JOIN LATERAL sellometer.common_groups('category_shift', x.products, x.categories, x.brands, x.directions, x.changes, x.first_seen, x.last_seen,
			s.min_products, s.share, w.among) g
	), whole AS MATERIALIZED (		-- with an example: what most of its products have come under
		SELECT g.dimension, g.key, max(g.odd) AS odd, max(g.seen) AS seen, sum(m.events) AS events, min(m.first_seen) AS first_seen, max(m.last_seen) AS last_seen,
			count(*) AS n, count(*) FILTER (WHERE m.what = 'category_l1') AS n_l1, mode() WITHIN GROUP (ORDER BY m.old) AS old, mode() WITHIN GROUP (ORDER BY m.new) AS new,
			mode() WITHIN GROUP (ORDER BY m.what) AS what, count(DISTINCT m.old) AS olds, count(DISTINCT m.new) AS news
		FROM grouped g JOIN moved m USING (product_id) GROUP BY g.dimension, g.key
	), told AS MATERIALIZED (
		SELECT w.*, a.began FROM whole w CROSS JOIN setting s LEFT JOIN alerts a ON a.dimension = w.dimension AND a.key = w.key WHERE w.events >= s.min_events
	)
	SELECT CASE WHEN n_l1 * 2 > n THEN 'critical' ELSE 'warning' END, dimension, key, last_seen, odd::numeric, seen::numeric, round(odd::numeric / seen, 2)::float8,
		format('%s of the %s products of %s that were seen are listed under %s since %s: %s has changed', odd, seen, sellometer.key_in_words(dimension, key),
			CASE WHEN news = 1 THEN sellometer.key_label('category_l3', new) ELSE format('other categories, as %s for %s,', sellometer.key_label('category_l3', new), sellometer.key_label('category_l3', old)) END,
			sellometer.shop_time(coalesce(began, first_seen), head), what),
		CASE WHEN olds = 1 THEN format('Correct the category at its source.  Until then sellometer_override_category(%L, category_id => …) counts it as before.', sellometer.key_label('category_l3', old))
			ELSE 'Correct the categories at their source.  Until then sellometer_override_category() counts them as before.' END, first_seen
	FROM told
	UNION ALL
	SELECT 'warning', 'product_id', product_id::text, last_seen, p.events, p.sales, 1,
		format('product %s is listed under %s since %s, usually under %s, over %s sales', product_id, sellometer.key_label('category_l3', new),
			sellometer.shop_time(first_seen, head), sellometer.key_label('category_l3', old), sales),
		format('Correct the category at its source.  Until then sellometer_override_category(%L, product_id => %s) counts it as before.', sellometer.key_label('category_l3', old), product_id), first_seen
	FROM moved p, setting s
	WHERE p.events >= s.min_events AND NOT EXISTS (SELECT FROM grouped g JOIN told t USING (dimension, key) WHERE g.product_id = p.product_id)
	UNION ALL
	-- what has an open alert, and is seen under the usual label alone, is well; a group, if a product of it is seen so since
	SELECT CASE WHEN a.product_id IN (SELECT g.product_id FROM grouped g JOIN told t USING (dimension, key)) THEN 'over' ELSE 'well' END,
		a.dimension, a.key, head, NULL, NULL, NULL, 'under its usual label', NULL, NULL
	FROM alerts a
	WHERE CASE a.dimension
		WHEN 'product_id' THEN a.product_id IN (SELECT r.product_id FROM seen r)
			OR a.product_id IN (SELECT p.product_id FROM products p WHERE NOT p.moved)
			OR a.product_id IN (SELECT g.product_id FROM grouped g JOIN told t USING (dimension, key))
		ELSE EXISTS (SELECT FROM known k CROSS JOIN LATERAL sellometer.groups_of(k.category, k.brand) g
			WHERE (g.dimension, g.key) = (a.dimension, a.key) AND k.last_seen > a.event_time AND k.product_id NOT IN (SELECT m.product_id FROM moved m)) END
	UNION ALL
	SELECT 'over', a.dimension, a.key, head, NULL, NULL, NULL, 'usual by now', NULL, NULL
	FROM alerts a WHERE a.began < head - sellometer.setting_length('sellometer.price_adopt')
$$;
COMMENT ON FUNCTION sellometer.detect_category_shift(timestamptz) IS
	'Products that are listed under another label than they were sold under before; one for a brand, a category, or for all, where most are';
INSERT INTO sellometer.detectors (kind, tells_well, of_all) VALUES ('category_shift', true, true);

REVOKE ALL ON FUNCTION sellometer.shift_level(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.usual_labels(timestamptz, bigint[], text[], timestamptz[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.shift_suspects(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.shift_seen(timestamptz, bigint[], text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.all_shift_suspects(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.all_shift_seen(timestamptz, bigint[], text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.detect_category_shift(timestamptz) FROM PUBLIC;
