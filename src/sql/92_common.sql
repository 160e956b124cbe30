/*
 * What many products have in common: one alert for a brand, a category or all instead of one for each of its products.
 *
 *   products, and which of them are odd, in which direction --> groups of which most is odd --> of each odd product the one that tells of it
 *
 * Of a group counts what was seen since half of its odd ones had come: before, nothing of it was odd.  A group of which a part has nearly all is
 * not it, but the part; nor one of which a part has all but some that are too few for an alert about many.  What is open goes on until hardly anything is odd, also of what only a part has left.
 */

CREATE FUNCTION sellometer.product_of_key(key text)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN key ~ '^-?[0-9]{1,19}$' THEN CASE WHEN key::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN key::bigint END END;
COMMENT ON FUNCTION sellometer.product_of_key(text) IS 'The product that an alert''s key names; NULL if it names none';

/* Becomes part of the query that it stands in.  What nothing is known of has an empty category and brand. */
CREATE FUNCTION sellometer.groups_of(category text, brand text)
RETURNS TABLE (level integer, dimension text, key text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 5
BEGIN ATOMIC
	SELECT g.level, g.dimension, g.key FROM (VALUES (0, 'all', 'all'), (1, 'brand', brand), (2, 'category_l1', pg_catalog.split_part(category, '.', 1)),
		(3, 'category_l2', CASE WHEN category <> '' THEN pg_catalog.split_part(category, '.', 1) || '.' || pg_catalog.split_part(category, '.', 2) END),
		(4, 'category_l3', category)) g (level, dimension, key)
	WHERE g.key <> '';
END;
COMMENT ON FUNCTION sellometer.groups_of(text, text) IS 'What a product of a category and brand is of, from all down to its category';

/*
 * direction: 0: not odd; odd ones of different directions have nothing in common.  change: how much of it; what is farther from the middle of
 * its group than 1 is not told of with it.  among: no other groups than these, as dimension=key, of which all products are there; empty: any.
 */
CREATE FUNCTION sellometer.common_groups(kind text, products bigint[], categories text[], brands text[], directions integer[], changes float8[],
	first_seen timestamptz[], last_seen timestamptz[], min_products bigint, share float8, among text[] DEFAULT '{}')
RETURNS TABLE (product_id bigint, level integer, dimension text, key text, direction integer, odd bigint, seen bigint, change float8,
	group_first timestamptz, group_last timestamptz)
LANGUAGE sql STABLE STRICT ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET jit = off
SET work_mem = '64MB'
AS $$
	WITH items AS MATERIALIZED (
		SELECT i.product_id, coalesce(i.category, '') AS category, coalesce(i.brand, '') AS brand, i.direction, i.change, i.first_seen, i.last_seen
		FROM unnest(products, categories, brands, directions, changes, first_seen, last_seen)
			i (product_id, category, brand, direction, change, first_seen, last_seen)
	), placed AS MATERIALIZED (
		SELECT i.product_id, i.direction, i.change, i.first_seen, i.last_seen, g.level, g.dimension, g.key
		FROM items i CROSS JOIN LATERAL sellometer.groups_of(i.category, i.brand) g WHERE i.direction <> 0
	), open AS MATERIALIZED (
		SELECT a.dimension, a.key FROM sellometer.own_alerts a WHERE a.kind = $1 AND a.closed_at IS NULL AND a.dimension <> 'product_id'
	), onsets AS MATERIALIZED (		-- groups that may be it
		SELECT p.level, p.dimension, p.key, p.direction, count(*) AS n, percentile_disc(0.5) WITHIN GROUP (ORDER BY p.first_seen) AS onset,
			min(p.first_seen) AS first_seen, max(p.last_seen) AS last_seen, percentile_disc(0.5) WITHIN GROUP (ORDER BY p.change) AS change,
			bool_or(o.key IS NOT NULL) AS open
		FROM placed p LEFT JOIN open o ON o.dimension = p.dimension AND o.key = p.key
		WHERE cardinality(among) = 0 OR p.dimension || '=' || p.key = ANY (among)
		GROUP BY p.level, p.dimension, p.key, p.direction HAVING count(*) >= CASE WHEN bool_or(o.key IS NOT NULL) THEN 2 ELSE min_products END
	), labels AS MATERIALIZED (
		SELECT DISTINCT i.category, i.brand FROM items i
	), places AS MATERIALIZED (		-- of them, by what a product is labelled with
		SELECT l.category, l.brand, n.dimension, n.key, n.direction, n.onset
		FROM labels l CROSS JOIN LATERAL sellometer.groups_of(l.category, l.brand) g JOIN onsets n ON n.dimension = g.dimension AND n.key = g.key
	), since AS MATERIALIZED (
		SELECT p.dimension, p.key, p.direction, count(*) AS seen, count(*) FILTER (WHERE i.direction = p.direction) AS odd
		FROM items i JOIN places p ON (p.category || E'\n' || p.brand) = (i.category || E'\n' || i.brand)
		WHERE i.last_seen >= p.onset GROUP BY p.dimension, p.key, p.direction
	), candidates AS MATERIALIZED (
		SELECT DISTINCT ON (n.dimension, n.key) n.*, s.seen, s.odd
		FROM onsets n JOIN since s USING (dimension, key, direction)
		WHERE CASE WHEN NOT n.open THEN s.odd >= min_products AND s.odd >= share * s.seen ELSE s.odd >= share / 3 * s.seen END
		ORDER BY n.dimension, n.key, n.n DESC, n.direction
	), together AS MATERIALIZED (	-- all, if no part has nearly all of it: then nothing else is to be looked at
		SELECT c.direction FROM candidates c WHERE c.dimension = 'all'
			AND NOT EXISTS (SELECT FROM candidates d WHERE d.level > 0 AND d.direction = c.direction AND (d.n >= 0.9 * c.n OR c.n - d.n < min_products) AND (d.open OR NOT c.open))
	), kept AS MATERIALIZED (
		SELECT * FROM candidates c WHERE c.dimension = 'all' OR c.direction NOT IN (SELECT t.direction FROM together t)
	), parts AS (
		SELECT c.dimension, c.key FROM placed p JOIN kept c USING (level, dimension, key, direction)
		JOIN placed q USING (product_id) JOIN kept d ON (d.level, d.dimension, d.key, d.direction) = (q.level, q.dimension, q.key, q.direction)
		WHERE d.direction = c.direction AND d.dimension <> c.dimension AND (d.n >= 0.9 * c.n OR c.n - d.n < min_products)
			AND (d.seen < c.seen OR d.seen = c.seen AND d.level > c.level)
			AND (d.open OR NOT c.open)
		GROUP BY c.dimension, c.key, c.n, d.dimension, d.key HAVING count(*) >= 0.9 * c.n OR c.n - count(*) < min_products
	), groups AS MATERIALIZED (
		SELECT * FROM kept c WHERE (c.dimension, c.key) NOT IN (SELECT p.dimension, p.key FROM parts p)
	)
	SELECT DISTINCT ON (p.product_id) p.product_id, g.level, g.dimension, g.key, g.direction, g.odd, g.seen, g.change, g.first_seen, g.last_seen
	FROM placed p JOIN groups g USING (level, dimension, key, direction)
	WHERE abs(p.change - g.change) <= 1 ORDER BY p.product_id, g.n DESC, g.level
$$;
COMMENT ON FUNCTION sellometer.common_groups(text, bigint[], text[], text[], integer[], float8[], timestamptz[], timestamptz[], bigint, float8, text[]) IS
	'Of products, some of which are odd: for each odd one the category, brand, or all, of which most is odd, if there is one';

/*
 * Of some odd products: the groups that they may be a share of.  Not those of which they are few beside what was sold of it in the last minutes alone,
 * as all of that was seen: then nobody need look at what else was.  By any of their labels, since three in four of them had come, and by half of the
 * share: so what is left out is surely none, however they are labelled.
 */
CREATE FUNCTION sellometer.possible_groups(head timestamptz, products bigint[], directions integer[], first_seen timestamptz[], min_products bigint, share float8,
	min_sales bigint)
RETURNS TABLE (dimension text, key text)
LANGUAGE sql STABLE STRICT ROWS 10
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET jit = off
AS $$
	WITH groups AS MATERIALIZED (
		SELECT g.dimension, g.key, o.direction, count(DISTINCT o.product_id) AS n,
			greatest(date_trunc('minute', percentile_disc(0.75) WITHIN GROUP (ORDER BY o.first_seen), 'UTC') + interval '1 minute', head - interval '4 minutes') AS since
		FROM unnest(products, directions, first_seen) o (product_id, direction, first_seen)
		JOIN (SELECT * FROM sellometer.sold_products x WHERE x.product_id = ANY (products)) p USING (product_id)
		CROSS JOIN LATERAL sellometer.groups_of(p.category, p.brand) g
		GROUP BY g.dimension, g.key, o.direction HAVING count(DISTINCT o.product_id) >= min_products
	), sold AS MATERIALIZED (
		SELECT r.product_id, r.category, max(r.minute) AS minute FROM sellometer.recent_sales r
		WHERE r.minute >= (SELECT min(g.since) FROM groups g) GROUP BY r.product_id, r.category
	), others AS (
		SELECT x.dimension, x.key, x.direction, count(*) AS n
		FROM sold s JOIN sellometer.sold_products p USING (product_id, category) CROSS JOIN LATERAL sellometer.groups_of(p.category, p.brand) g
		JOIN groups x ON x.dimension = g.dimension AND x.key = g.key
		WHERE p.sales >= min_sales AND s.minute >= x.since AND s.product_id NOT IN (SELECT unnest(products))
		GROUP BY x.dimension, x.key, x.direction
	)
	SELECT DISTINCT g.dimension, g.key FROM groups g LEFT JOIN others o USING (dimension, key, direction) WHERE g.n * 2 >= share * coalesce(o.n, 0)
$$;
COMMENT ON FUNCTION sellometer.possible_groups(timestamptz, bigint[], integer[], timestamptz[], bigint, float8, bigint) IS
	'Brands, categories, and all, of which these odd products may be a share; all others are surely none';

REVOKE ALL ON FUNCTION sellometer.possible_groups(timestamptz, bigint[], integer[], timestamptz[], bigint, float8, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.common_groups(text, bigint[], text[], text[], integer[], float8[], timestamptz[], timestamptz[], bigint, float8, text[]) FROM PUBLIC;
