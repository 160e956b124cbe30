/*
 * Wrong prices: each offer (product, price) that was seen of late against what the product was sold for before.
 *
 *   recent offers + sold_products --> products of which any two prices are far apart
 *     --> sales before the minute in which a price was first seen --> odd ones
 *       --> of a brand, a category, or all, with most of what was seen of it since: one alert    --> else: one alert for each product
 *
 * An odd price has no part in what is usual, however much is sold at it: from the first sale at an odd price on, what was
 * usual before stays so.  After sellometer.price_adopt it is usual: sales count whatever they were, and what was told for so long is not
 * told again.  A price near which one in twenty of the sales before were made is no news either: a bundle's, or that of a variant.
 *
 * Logarithms of prices are compared, and what is free counts as a hundredth.
 */
CREATE FUNCTION sellometer.log_price(price numeric)
RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pg_catalog.ln(greatest(price, 0.01)::float8);
COMMENT ON FUNCTION sellometer.log_price(numeric) IS 'What prices are compared by';

/* What products were sold for before a minute: median and median absolute deviation of the logarithm of the price; and all of it. */
CREATE FUNCTION sellometer.usual_prices(products bigint[], minutes timestamptz[], from_day date)
RETURNS TABLE (product_id bigint, minute timestamptz, sales bigint, log_median double precision, log_mad double precision,
	log_prices double precision[], counts bigint[])
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET jit = off
AS $$
	WITH prices AS MATERIALIZED (
		SELECT b.product_id, b.minute, sellometer.log_price(b.price) AS log_price, sum(b.sales)::bigint AS count
		FROM sellometer.sales_before(products, minutes, from_day) b GROUP BY 1, 2, 3
	), ranked AS (
		SELECT *, sum(count) OVER (PARTITION BY p.product_id, p.minute ORDER BY log_price) AS upto,
			sum(count) OVER (PARTITION BY p.product_id, p.minute) AS sales
		FROM prices p
	), medians AS MATERIALIZED (
		SELECT r.product_id, r.minute, r.sales, min(log_price) FILTER (WHERE upto * 2 >= r.sales) AS log_median,
			array_agg(log_price) AS log_prices, array_agg(count) AS counts
		FROM ranked r GROUP BY 1, 2, 3
	), deviations AS (
		SELECT p.product_id, p.minute, m.sales, m.log_median, abs(log_price - m.log_median) AS deviation, sum(count) AS count
		FROM prices p JOIN medians m USING (product_id, minute) GROUP BY 1, 2, 3, 4, 5
	), ranked_deviations AS (
		SELECT *, sum(count) OVER (PARTITION BY d.product_id, d.minute ORDER BY deviation) AS upto FROM deviations d
	), mads AS (
		SELECT r.product_id, r.minute, min(deviation) FILTER (WHERE upto * 2 >= r.sales) AS log_mad FROM ranked_deviations r GROUP BY 1, 2
	)
	SELECT m.product_id, m.minute, m.sales::bigint, m.log_median, d.log_mad, m.log_prices, m.counts FROM medians m JOIN mads d USING (product_id, minute)
$$;
COMMENT ON FUNCTION sellometer.usual_prices(bigint[], timestamptz[], date) IS
	'What products usually cost before a minute, by their sales from a day on';

/*
 * How far prices of the products that these are like are apart, as a deviation: half of the usual product's range is two of them.  For products of
 * which too few were sold to tell.
 */
CREATE FUNCTION sellometer.price_spreads(products bigint[])
RETURNS TABLE (product_id bigint, log_mad double precision)
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET jit = off
AS $$
	WITH labels AS MATERIALIZED (
		SELECT DISTINCT ON (p.product_id) p.product_id, p.category FROM sellometer.sold_products p
		WHERE p.product_id = ANY (products) ORDER BY p.product_id, p.sales DESC, p.category
	), categories AS MATERIALIZED (
		SELECT l.category FROM labels l GROUP BY l.category
	), spreads AS (
		SELECT p.category, percentile_cont(0.5) WITHIN GROUP (ORDER BY sellometer.log_price(p.high) - sellometer.log_price(p.low)) / 4 AS log_mad
		FROM sellometer.sold_products p
		WHERE p.sales >= current_setting('sellometer.price_few_sales')::bigint AND p.category IN (SELECT c.category FROM categories c) GROUP BY p.category
	)
	SELECT l.product_id, s.log_mad FROM labels l JOIN spreads s USING (category)
$$;
COMMENT ON FUNCTION sellometer.price_spreads(bigint[]) IS 'How far prices of a product are usually apart in the categories of these products';

/* Of products and prices: those that at least half of the last five sales were made at, on days before what is to be adopted. */
CREATE FUNCTION sellometer.adopted_prices(products bigint[], prices numeric[], before date)
RETURNS TABLE (product_id bigint, price numeric)
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET jit = off
AS $$
	WITH asked AS MATERIALIZED (
		SELECT DISTINCT u.product_id, u.price FROM unnest(products, prices) u (product_id, price)
	), sold AS (
		SELECT h.product_id, h.price, h.count, sum(h.count) OVER (PARTITION BY h.product_id ORDER BY h.last_seen DESC, h.price, h.category) - h.count AS later
		FROM sellometer.purchases_of(products, '-infinity') h WHERE h.day < before
	), last AS MATERIALIZED (
		SELECT s.product_id, s.price, sum(least(s.count, 5 - s.later)) AS count FROM sold s WHERE s.later < 5 GROUP BY s.product_id, s.price
	)
	SELECT a.product_id, a.price FROM asked a JOIN last l USING (product_id)
	GROUP BY a.product_id, a.price
	HAVING sum(l.count) FILTER (WHERE abs(sellometer.log_price(l.price) - sellometer.log_price(a.price)) <= 0.2) * 2 >= sum(l.count)
$$;
COMMENT ON FUNCTION sellometer.adopted_prices(bigint[], numeric[], date) IS 'Which of these prices of products most of the last sales before a day were made at';

/*
 * Judge prices of products that were seen since a time: each by what was before it, or before the first sale at another odd price.
 */
CREATE FUNCTION sellometer.odd_prices(head timestamptz, products bigint[], prices numeric[], first_seen timestamptz[])
RETURNS TABLE (product_id bigint, price numeric, sales bigint, log_median double precision, log_mad double precision,
	change double precision, score double precision)
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET jit = off
AS $$
	WITH setting AS MATERIALIZED (	-- a change of 1 would be infinitely far
		SELECT current_setting('sellometer.price_min_sales')::bigint AS min_sales,
			current_setting('sellometer.price_few_sales')::float8 AS few_sales,
			current_setting('sellometer.price_score')::float8 AS score,
			current_setting('sellometer.price_mad_floor')::float8 AS mad_floor,
			-ln(1.000001 - current_setting('sellometer.price_min_change')::float8) AS least,
			date_trunc('minute', head - sellometer.setting_length('sellometer.price_adopt'), 'UTC') AS adopted,
			((head - sellometer.setting_length('sellometer.offer_retention')) AT TIME ZONE 'UTC')::date AS from_day
	), points AS MATERIALIZED (		-- when new prices were first seen, as far as it is known, and can be far from any other; sold: at this price
		SELECT p.product_id, p.price, min(p.minute) AS minute, bool_or(p.sold) AS sold FROM (
			SELECT r.product_id, r.price, r.minute, true AS sold FROM setting s, sellometer.recent_sales_of(products, s.adopted) r
			UNION ALL
			SELECT u.product_id, u.price, date_trunc('minute', u.first_seen, 'UTC'), false
			FROM unnest(products, prices, first_seen) u (product_id, price, first_seen)) p
		JOIN (SELECT b.product_id, sellometer.log_price(min(b.low)) AS low, sellometer.log_price(max(b.high)) AS high FROM sellometer.sold_products b
			WHERE b.product_id = ANY (products) GROUP BY b.product_id) b USING (product_id), setting s
		WHERE greatest(sellometer.log_price(p.price) - b.low, b.high - sellometer.log_price(p.price)) >= s.least - 0.000001
		GROUP BY p.product_id, p.price
	), spreads AS MATERIALIZED (
		SELECT * FROM sellometer.price_spreads(products)
	), usual AS MATERIALIZED (
		SELECT u.product_id, u.minute, u.sales, u.log_median, CASE WHEN u.sales >= s.few_sales THEN greatest(u.log_mad, s.mad_floor)
			ELSE greatest(u.log_mad, s.mad_floor, g.log_mad) * sqrt(s.few_sales / u.sales) END AS log_mad, u.log_prices, u.counts
		FROM setting s, (SELECT array_agg(p.product_id) AS products, array_agg(p.minute) AS minutes FROM points p) a,
			sellometer.usual_prices(a.products, a.minutes, s.from_day) u
		LEFT JOIN spreads g ON g.product_id = u.product_id
		WHERE u.sales >= s.min_sales
	), far AS MATERIALIZED (
		SELECT p.product_id, p.price, p.minute, p.sold
		FROM setting s, points p JOIN usual u USING (product_id, minute)
		WHERE abs(sellometer.log_price(p.price) - u.log_median) >= greatest(s.least, s.score * 1.4826 * u.log_mad)
	), near AS MATERIALIZED (
		SELECT f.product_id, f.price, f.minute FROM far f JOIN usual u USING (product_id, minute)
		WHERE (SELECT sum(b.count) FROM unnest(u.log_prices, u.counts) b (log_price, count)
			WHERE abs(b.log_price - sellometer.log_price(f.price)) <= 0.2) * 20 >= u.sales
		UNION
		SELECT f.product_id, f.price, f.minute
		FROM setting s, (SELECT array_agg(x.product_id) AS products, array_agg(x.price) AS prices FROM far x) a,
			sellometer.adopted_prices(a.products, a.prices, (s.adopted AT TIME ZONE 'UTC')::date) d
		JOIN far f ON f.product_id = d.product_id AND f.price = d.price
	), turns AS MATERIALIZED (
		SELECT f.product_id, min(f.minute) AS minute FROM far f LEFT JOIN near n USING (product_id, price, minute)
		WHERE f.sold AND n.product_id IS NULL GROUP BY f.product_id
	)
	SELECT p.product_id, p.price, u.sales, u.log_median, u.log_mad, d.change, abs(d.change) / (1.4826 * u.log_mad)
	FROM setting s, points p LEFT JOIN turns t USING (product_id)
	JOIN usual u ON u.product_id = p.product_id AND u.minute = least(p.minute, t.minute)
	CROSS JOIN LATERAL (SELECT sellometer.log_price(p.price) - u.log_median AS change) d
	WHERE abs(d.change) >= greatest(s.least, s.score * 1.4826 * u.log_mad)
		AND NOT EXISTS (SELECT FROM near n WHERE n.product_id = p.product_id AND n.price = p.price)
$$;
COMMENT ON FUNCTION sellometer.odd_prices(timestamptz, bigint[], numeric[], timestamptz[]) IS
	'Which of these prices of products, seen since, are far from what the products were sold for before';

/*
 * Prices that were seen of late, of products of which one of them is as far from any sale as the least change that is odd.  All others can't be
 * odd, and are most: of them nothing is added up.  What has an alert is looked at however it is.
 */
CREATE FUNCTION sellometer.recent_prices(head timestamptz)
RETURNS TABLE (product_id bigint, price numeric, category text, first_seen timestamptz, last_seen timestamptz)
LANGUAGE sql STABLE ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET jit = off
SET work_mem = '64MB'
AS $$
	WITH offers AS MATERIALIZED (
		SELECT o.product_id, o.price, o.category, o.first_seen, o.last_seen
		FROM sellometer.recent_offers(head - sellometer.setting_length('sellometer.price_window'), head + interval '10 minutes') o
	), suspects AS MATERIALIZED (
		SELECT o.product_id FROM sellometer.sold_products p JOIN offers o USING (product_id),
			(SELECT 1.000002 - current_setting('sellometer.price_min_change')::numeric AS part) s
		WHERE least(o.price, p.low) <= greatest(o.price, p.high) * s.part
		UNION SELECT sellometer.product_of_key(a.key) FROM sellometer.own_alerts a WHERE a.kind = 'price_anomaly' AND a.dimension = 'product_id' AND a.closed_at IS NULL
	), sold AS MATERIALIZED (
		SELECT p.product_id FROM sellometer.sold_products p WHERE p.product_id = ANY (ARRAY(SELECT x.product_id FROM suspects x))
		GROUP BY p.product_id HAVING sum(p.sales) >= current_setting('sellometer.price_min_sales')::bigint
	)
	SELECT o.product_id, o.price, max(o.category), min(o.first_seen), max(o.last_seen)
	FROM offers o WHERE o.product_id IN (SELECT s.product_id FROM sold s) GROUP BY o.product_id, o.price
$$;
COMMENT ON FUNCTION sellometer.recent_prices(timestamptz) IS
	'Prices that were seen of late, of products of which one of them is far from a price that they were sold for, and that were sold often enough to be judged';

/* What groups are made of.  A product's brand is the one that it was last sold under. */
CREATE FUNCTION sellometer.recent_labels(head timestamptz)
RETURNS TABLE (product_id bigint, category text, brand text, last_seen timestamptz)
LANGUAGE sql STABLE ROWS 20000
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET jit = off
SET work_mem = '64MB'
AS $$
	SELECT p.product_id, max(o.category), coalesce(max(p.brand), ''), max(o.last_seen)
	FROM sellometer.sold_products p JOIN (
		SELECT r.product_id, max(r.category) AS category, max(r.last_seen) AS last_seen
		FROM sellometer.recent_offers(head - sellometer.setting_length('sellometer.price_window'), head + interval '10 minutes') r GROUP BY r.product_id) o USING (product_id)
	GROUP BY p.product_id HAVING sum(p.sales) >= current_setting('sellometer.price_min_sales')::bigint
$$;
COMMENT ON FUNCTION sellometer.recent_labels(timestamptz) IS
	'Products that were seen of late and were sold often enough to be judged, with what they are of';

CREATE FUNCTION sellometer.change_in_words(change float8)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN change > 4.7 THEN 'more than 100 times as much as' WHEN change >= 0.55 THEN trim_scale(round(exp(change)::numeric, CASE WHEN change > 2.3 THEN 0 ELSE 1 END)) || ' times as much as'
		WHEN change > 0 THEN round((exp(change) - 1) * 100) || ' % more than'
		WHEN change < -4.7 THEN 'less than a hundredth of' ELSE round((1 - exp(change)) * 100) || ' % less than' END
$$;
COMMENT ON FUNCTION sellometer.change_in_words(float8) IS 'The logarithm of the ratio of two prices, as people say it';

CREATE FUNCTION sellometer.detect_price_anomaly(head timestamptz)
RETURNS SETOF sellometer.hinted_finding
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET jit = off
SET work_mem = '64MB'
AS $$
	WITH setting AS MATERIALIZED (
		SELECT current_setting('sellometer.price_share')::float8 AS share, current_setting('sellometer.price_min_products')::bigint AS min_products,
			current_setting('sellometer.price_score')::float8 AS score, current_setting('sellometer.price_few_sales')::bigint AS few_sales,
			-ln(1.000001 - current_setting('sellometer.price_critical_change')::float8) AS critical,
			sellometer.setting_length('sellometer.price_adopt') AS adopt, head - sellometer.setting_length('sellometer.offer_retention') AS forgotten
	), alerts AS MATERIALIZED (		-- long: told for so long that it is usual by now
		SELECT a.*, CASE a.dimension WHEN 'product_id' THEN sellometer.product_of_key(a.key) END AS product_id,
			CASE WHEN a.observed > 0 AND a.dimension <> 'product_id' THEN ln(a.observed::float8) END AS change,
			coalesce(a.well_since, head) - a.began >= s.adopt AS long
		FROM sellometer.own_alerts a, setting s
		WHERE a.kind = 'price_anomaly' AND (a.closed_at IS NULL OR a.began >= s.forgotten AND a.well_since - a.began >= s.adopt)
	), all_seen AS MATERIALIZED (
		SELECT * FROM sellometer.recent_prices(head)
	), part AS MATERIALIZED (		-- of so many that they have something in common one in nth tells what that is
		SELECT 1 + count(DISTINCT product_id) / 4000 AS nth FROM all_seen
	), seen AS MATERIALIZED (
		SELECT s.* FROM part p, all_seen s WHERE p.nth = 1 OR hashint8(s.product_id) % p.nth = 0 OR s.product_id IN (SELECT a.product_id FROM alerts a WHERE a.closed_at IS NULL)
	), judged AS MATERIALIZED (
		SELECT o.*, s.category, s.first_seen, s.last_seen FROM (
			SELECT array_agg(product_id) AS products, array_agg(price) AS prices, array_agg(first_seen) AS first_seen
			FROM seen) x
		CROSS JOIN LATERAL sellometer.odd_prices(head, x.products, x.prices, x.first_seen) o JOIN seen s USING (product_id, price)
	), last_usual AS MATERIALIZED (
		SELECT s.product_id, max(s.last_seen) AS last_seen FROM seen s LEFT JOIN judged j USING (product_id, price)
		WHERE s.product_id IN (SELECT product_id FROM judged) AND j.product_id IS NULL GROUP BY s.product_id
	), odd AS MATERIALIZED (		-- of each product the last odd price; not what has been told for long enough
		SELECT DISTINCT ON (j.product_id) j.*, sign(j.change) AS direction
		FROM judged j LEFT JOIN last_usual u USING (product_id)
		WHERE coalesce(u.last_seen <= j.last_seen + interval '2 minutes', true)
			AND NOT EXISTS (SELECT FROM alerts a WHERE a.product_id = j.product_id AND a.long
				AND abs(sellometer.log_price(a.observed) - sellometer.log_price(j.price)) <= 0.2)
		ORDER BY j.product_id, j.last_seen DESC, j.score DESC
	), wanted AS MATERIALIZED (		-- what groups can be made of: nothing, as long as hardly anything is odd
		SELECT CASE WHEN EXISTS (SELECT FROM alerts a WHERE a.dimension <> 'product_id') THEN head
			WHEN (SELECT count(*) FROM odd) < current_setting('sellometer.price_min_products')::bigint THEN NULL
			WHEN EXISTS (SELECT FROM (SELECT array_agg(o.product_id) AS products, array_agg(o.direction::integer) AS directions, array_agg(o.first_seen) AS first_seen
				FROM odd o) x, setting s, sellometer.possible_groups(head, x.products, x.directions, x.first_seen, s.min_products, s.share,
				current_setting('sellometer.price_min_sales')::bigint)) THEN head END AS head
	), labelled AS MATERIALIZED (
		SELECT l.product_id, coalesce(o.category, l.category) AS category, l.brand, coalesce(o.last_seen, l.last_seen) AS last_seen
		FROM wanted w CROSS JOIN LATERAL sellometer.recent_labels(w.head) l CROSS JOIN part p LEFT JOIN odd o USING (product_id)
		WHERE w.head IS NOT NULL AND (p.nth = 1 OR hashint8(l.product_id) % p.nth = 0 OR o.product_id IS NOT NULL)
	), covered AS MATERIALIZED (	-- what an alert tells of already; adopted: has told of for long enough
		SELECT o.product_id, bool_or(x.long) AS adopted
		FROM (SELECT o.product_id, o.change, l.category, l.brand FROM odd o JOIN labelled l USING (product_id)
			WHERE EXISTS (SELECT FROM alerts a WHERE a.dimension <> 'product_id') OFFSET 0) o
		CROSS JOIN LATERAL sellometer.groups_of(o.category, o.brand) g JOIN alerts x ON x.dimension = g.dimension AND x.key = g.key
		WHERE abs(x.change - o.change) <= CASE WHEN x.closed_at IS NULL AND NOT x.long THEN 1 ELSE 0.3 END GROUP BY o.product_id
	), grouped AS MATERIALIZED (
		SELECT g.* FROM (
			SELECT array_agg(l.product_id) AS products, array_agg(l.category) AS categories, array_agg(l.brand) AS brands,
				array_agg(coalesce(o.direction, 0)::integer) AS directions, array_agg(o.change) AS changes, array_agg(o.first_seen) AS first_seen,
				array_agg(l.last_seen) AS last_seen
			FROM labelled l LEFT JOIN (SELECT * FROM odd WHERE product_id NOT IN (SELECT product_id FROM covered WHERE adopted)) o USING (product_id)) x
		CROSS JOIN setting s
		CROSS JOIN LATERAL sellometer.common_groups('price_anomaly', x.products, x.categories, x.brands, x.directions, x.changes, x.first_seen, x.last_seen,
			s.min_products, s.share) g
	), told AS MATERIALIZED (		-- broad ones, with an example
		SELECT DISTINCT ON (g.dimension, g.key) g.*, o.price, o.log_median, a.began
		FROM grouped g JOIN odd o USING (product_id)
		LEFT JOIN alerts a ON (a.dimension, a.key) = (g.dimension, g.key) AND a.closed_at IS NULL
		ORDER BY g.dimension, g.key, o.sales DESC, o.product_id
	)
	SELECT CASE WHEN abs(t.change) >= s.critical THEN 'critical' ELSE 'warning' END, t.dimension, t.key, t.group_last,
		round(exp(t.change)::numeric, 2), 1, round((t.odd::numeric / t.seen), 2)::float8,
		format('%s of the %s products of %s that were seen since %s cost %s usual: %s for one, at %s, usually %s', CASE WHEN p.nth > 1 THEN 'about ' ELSE '' END || t.odd * p.nth, t.seen * p.nth, sellometer.key_in_words(t.dimension, t.key),
			sellometer.shop_time(coalesce(t.began, t.group_first), head), sellometer.change_in_words(t.change), sellometer.key_in_words('product_id', t.product_id::text),
			sellometer.price_in_words(t.price), sellometer.price_in_words(exp(t.log_median)::numeric)),
		'Is it a campaign?  Then sellometer_mute() it.  Else see the feed of prices: another currency, net for gross, a shifted column?', t.group_first
	FROM told t, setting s, part p
	UNION ALL
	SELECT CASE WHEN abs(o.change) >= s.critical AND (o.sales >= s.few_sales OR o.score >= 2 * s.score) THEN 'critical' ELSE 'warning' END,
		'product_id', o.product_id::text, o.last_seen, o.price, CASE WHEN o.log_median > -4.5 THEN round(exp(o.log_median)::numeric, 2) ELSE 0 END, round(o.score::numeric, 1)::float8,
		format('%s %s since %s, usually %s, over %s sales', sellometer.key_in_words('product_id', o.product_id::text), sellometer.price_in_words(o.price, 'costs '),
			sellometer.shop_time(coalesce(a.began, o.first_seen), head), sellometer.price_in_words(exp(o.log_median)::numeric), o.sales),
		format('Correct the price.  If it is meant: sellometer_mute(''price_anomaly'', ''%s'', now() + interval ''1 day'').', o.product_id), o.first_seen
	FROM odd o CROSS JOIN setting s LEFT JOIN alerts a ON a.product_id = o.product_id AND a.closed_at IS NULL
	WHERE NOT EXISTS (SELECT FROM grouped g WHERE g.product_id = o.product_id)
		-- while one alert tells of many, they are not told of one by one, nor what of them has been told for long enough
		AND NOT EXISTS (SELECT FROM covered c WHERE c.product_id = o.product_id)
	UNION ALL
	-- what has an open alert: over, if one tells of it with others, or it was told for long enough; well, if it is seen at another price
	SELECT CASE WHEN a.long OR g.product_id IS NOT NULL THEN 'over' ELSE 'well' END, a.dimension, a.key, head, NULL, NULL, NULL, 'usual', NULL, NULL
	FROM alerts a LEFT JOIN grouped g ON g.product_id = a.product_id
	WHERE a.closed_at IS NULL AND a.dimension = 'product_id'
		AND (a.long OR g.product_id IS NOT NULL OR a.product_id IN (SELECT s.product_id FROM all_seen s))
	UNION ALL
	SELECT CASE WHEN a.long THEN 'over' ELSE 'well' END, a.dimension, a.key, head, NULL, NULL, NULL, 'usual', NULL, NULL
	FROM alerts a
	WHERE a.closed_at IS NULL AND a.dimension <> 'product_id' AND (a.long OR EXISTS (
		SELECT FROM labelled l, LATERAL sellometer.groups_of(l.category, l.brand) g WHERE (g.dimension, g.key) = (a.dimension, a.key)))
$$;
COMMENT ON FUNCTION sellometer.detect_price_anomaly(timestamptz) IS
	'Products that are listed or sold at a price far from what they were sold for before; one for a brand, a category, or for all, where most has changed';
INSERT INTO sellometer.detectors (kind, tells_well) VALUES ('price_anomaly', true);

REVOKE ALL ON FUNCTION sellometer.usual_prices(bigint[], timestamptz[], date) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.price_spreads(bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.adopted_prices(bigint[], numeric[], date) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.odd_prices(timestamptz, bigint[], numeric[], timestamptz[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.recent_prices(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.recent_labels(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.detect_price_anomaly(timestamptz) FROM PUBLIC;
