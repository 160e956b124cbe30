/*
 * Wrong prices: each offer (product, price) that was seen of late against what the product was sold for before.
 *
 *   recent offers + sold_products --> products of which any two prices are far apart
 *     --> sales before the minute in which a price was first seen --> odd ones
 *       --> of a category, or of all, with most of what was seen of it since: one alert    --> else: one alert for each product
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
		WHERE p.product_id IN (SELECT unnest(products)) ORDER BY p.product_id, p.sales DESC, p.category
	), spreads AS (
		SELECT p.category, percentile_cont(0.5) WITHIN GROUP (ORDER BY sellometer.log_price(p.high) - sellometer.log_price(p.low)) / 4 AS log_mad
		FROM sellometer.sold_products p
		WHERE p.sales >= current_setting('sellometer.price_few_sales')::bigint AND p.category IN (SELECT l.category FROM labels l) GROUP BY p.category
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
			WHERE b.product_id IN (SELECT unnest(products)) GROUP BY b.product_id) b USING (product_id), setting s
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

/* Prices that were seen of late, of products that were sold often enough; lowest and highest: of any sale. */
CREATE FUNCTION sellometer.recent_prices(head timestamptz)
RETURNS TABLE (product_id bigint, price numeric, category text, first_seen timestamptz, last_seen timestamptz, lowest numeric, highest numeric)
LANGUAGE sql STABLE ROWS 20000
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET jit = off
AS $$
	WITH sold AS MATERIALIZED (
		SELECT p.product_id, min(p.low) AS low, max(p.high) AS high FROM sellometer.sold_products p GROUP BY p.product_id
		HAVING sum(p.sales) >= current_setting('sellometer.price_min_sales')::bigint
	)
	SELECT r.product_id, r.price, max(r.category), min(r.first_seen), max(r.last_seen), s.low, s.high
	FROM sellometer.recent_offers(head - sellometer.setting_length('sellometer.price_window'), head + interval '10 minutes') r
	JOIN sold s USING (product_id)
	GROUP BY r.product_id, r.price, s.low, s.high
$$;
COMMENT ON FUNCTION sellometer.recent_prices(timestamptz) IS 'Prices that were seen of late, of products that were sold often enough to be judged';

/* What a product is of, from all down to its category: one alert tells of the first of these of which most has changed. */
CREATE FUNCTION sellometer.groups_of(category text)
RETURNS TABLE (level integer, dimension text, key text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 4
SET search_path = pg_catalog, pg_temp
AS $$
	VALUES (0, 'all', 'all'), (1, 'category_l1', split_part(category, '.', 1)),
		(2, 'category_l2', split_part(category, '.', 1) || '.' || split_part(category, '.', 2)), (3, 'category_l3', category)
$$;
COMMENT ON FUNCTION sellometer.groups_of(text) IS 'What a product of a category is of';

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
		SELECT a.*, CASE WHEN a.observed > 0 AND a.dimension <> 'product_id' THEN ln(a.observed::float8) END AS change,
			coalesce(a.well_since, head) - a.began >= s.adopt AS long
		FROM sellometer.alerts a, setting s
		WHERE a.kind = 'price_anomaly' AND (a.closed_at IS NULL OR a.began >= s.forgotten AND a.well_since - a.began >= s.adopt)
	), seen AS MATERIALIZED (
		SELECT * FROM sellometer.recent_prices(head)
	), suspects AS MATERIALIZED (	-- any two prices are as far apart as the least change that is odd
		SELECT product_id FROM seen GROUP BY product_id
		HAVING least(min(price), min(lowest)) <= greatest(max(price), max(highest)) * (1.000002 - current_setting('sellometer.price_min_change')::numeric)
	), judged AS MATERIALIZED (
		SELECT o.*, s.category, s.first_seen, s.last_seen FROM (
			SELECT array_agg(product_id) AS products, array_agg(price) AS prices, array_agg(first_seen) AS first_seen
			FROM seen JOIN suspects USING (product_id)) x
		CROSS JOIN LATERAL sellometer.odd_prices(head, x.products, x.prices, x.first_seen) o JOIN seen s USING (product_id, price)
	), last_usual AS MATERIALIZED (
		SELECT s.product_id, max(s.last_seen) AS last_seen FROM seen s LEFT JOIN judged j USING (product_id, price)
		WHERE s.product_id IN (SELECT product_id FROM judged) AND j.product_id IS NULL GROUP BY s.product_id
	), odd AS MATERIALIZED (		-- of each product the last odd price; not what has been told for long enough
		SELECT DISTINCT ON (j.product_id) j.*, sign(j.change) AS direction
		FROM judged j LEFT JOIN last_usual u USING (product_id)
		WHERE coalesce(u.last_seen <= j.last_seen + interval '2 minutes', true)
			AND NOT EXISTS (SELECT FROM alerts a WHERE a.key = j.product_id::text AND a.dimension = 'product_id' AND a.long
				AND abs(sellometer.log_price(a.observed) - sellometer.log_price(j.price)) <= 0.2)
		ORDER BY j.product_id, j.last_seen DESC, j.score DESC
	), places AS MATERIALIZED (		-- of each category that was seen
		SELECT c.category, g.* FROM (SELECT DISTINCT category FROM seen) c, LATERAL sellometer.groups_of(c.category) g
	), placed AS MATERIALIZED (
		SELECT o.product_id, o.direction, o.change, o.score, o.first_seen, o.last_seen, g.level, g.dimension, g.key
		FROM odd o JOIN places g USING (category)
		WHERE NOT EXISTS (SELECT FROM alerts a WHERE (a.dimension, a.key) = (g.dimension, g.key) AND a.long AND abs(a.change - o.change) <= 0.3)
	), onsets AS MATERIALIZED (
		SELECT level, dimension, key, direction, count(*) AS n, percentile_disc(0.5) WITHIN GROUP (ORDER BY first_seen) AS onset, min(first_seen) AS first_seen,
			max(last_seen) AS last_seen, percentile_disc(0.5) WITHIN GROUP (ORDER BY change) AS change
		FROM placed GROUP BY level, dimension, key, direction
	), since AS (				-- of what was seen since half of it had changed, how much has?
		SELECT n.dimension, n.key, n.direction, count(*) AS seen
		FROM (SELECT product_id, max(category) AS category, max(last_seen) AS last_seen FROM seen WHERE EXISTS (SELECT FROM onsets WHERE n >= 2) GROUP BY product_id) p
		JOIN places g USING (category) JOIN onsets n ON n.dimension = g.dimension AND n.key = g.key AND n.n >= 2
		WHERE p.last_seen >= n.onset GROUP BY n.dimension, n.key, n.direction
	), candidates AS MATERIALIZED (
		SELECT DISTINCT ON (n.dimension, n.key) n.*, c.seen, x.odd
		FROM setting s, onsets n JOIN since c USING (dimension, key, direction)
		JOIN (SELECT p.dimension, p.key, p.direction, count(*) AS odd FROM placed p JOIN onsets n USING (dimension, key, direction) WHERE p.last_seen >= n.onset GROUP BY 1, 2, 3) x
			USING (dimension, key, direction)
		-- what is open goes on until hardly anything is left of it
		LEFT JOIN alerts a ON (a.dimension, a.key) = (n.dimension, n.key) AND a.closed_at IS NULL
		WHERE CASE WHEN a.id IS NULL THEN x.odd >= s.min_products AND x.odd >= s.share * c.seen ELSE n.n >= 2 AND x.odd >= s.share / 3 * c.seen END
		ORDER BY n.dimension, n.key, n.n DESC
	), groups AS MATERIALIZED (		-- not where one of its parts has nearly all of it
		SELECT * FROM candidates c WHERE NOT EXISTS (SELECT FROM candidates d WHERE d.level > c.level AND d.direction = c.direction AND d.n >= 0.9 * c.n)
	), grouped AS MATERIALIZED (	-- what is much farther off than most of them is told of by itself
		SELECT DISTINCT ON (p.product_id) p.product_id, g.dimension, g.key
		FROM placed p JOIN groups g USING (level, dimension, key, direction) WHERE abs(p.change - g.change) <= 1 ORDER BY p.product_id, g.level
	), covered AS MATERIALIZED (
		SELECT o.product_id FROM odd o JOIN places g USING (category) JOIN alerts x ON x.dimension = g.dimension AND x.key = g.key
		WHERE abs(x.change - o.change) <= CASE WHEN x.closed_at IS NULL THEN 1 ELSE 0.3 END
	), told AS MATERIALIZED (		-- broad ones, with an example
		SELECT g.*, e.product_id, e.price, e.log_median, a.began
		FROM groups g JOIN (SELECT DISTINCT ON (m.dimension, m.key) m.dimension, m.key, o.product_id, o.price, o.log_median FROM grouped m JOIN odd o USING (product_id)
			ORDER BY m.dimension, m.key, o.sales DESC, o.product_id) e USING (dimension, key)
		LEFT JOIN alerts a ON (a.dimension, a.key) = (g.dimension, g.key) AND a.closed_at IS NULL
	)
	SELECT CASE WHEN abs(t.change) >= s.critical THEN 'critical' ELSE 'warning' END, t.dimension, t.key, t.last_seen,
		round(exp(t.change)::numeric, 2), 1, round((t.odd::numeric / t.seen), 2)::float8,
		format('%s of the %s products of %s that were seen since %s cost %s usual: %s for one, at %s, usually %s', t.odd, t.seen, sellometer.key_in_words(t.dimension, t.key),
			sellometer.shop_time(coalesce(t.began, t.first_seen), head), sellometer.change_in_words(t.change), sellometer.key_in_words('product_id', t.product_id::text),
			sellometer.price_in_words(t.price), sellometer.price_in_words(exp(t.log_median)::numeric)),
		'Is it a campaign?  Then sellometer_mute() it.  Else see the feed of prices: another currency, net for gross, a shifted column?', t.first_seen
	FROM told t, setting s
	UNION ALL
	SELECT CASE WHEN abs(o.change) >= s.critical AND (o.sales >= s.few_sales OR o.score >= 2 * s.score) THEN 'critical' ELSE 'warning' END,
		'product_id', o.product_id::text, o.last_seen, o.price, CASE WHEN o.log_median > -4.5 THEN round(exp(o.log_median)::numeric, 2) ELSE 0 END, round(o.score::numeric, 1)::float8,
		format('%s %s since %s, usually %s, over %s sales', sellometer.key_in_words('product_id', o.product_id::text), sellometer.price_in_words(o.price, 'costs '),
			sellometer.shop_time(coalesce(a.began, o.first_seen), head), sellometer.price_in_words(exp(o.log_median)::numeric), o.sales),
		format('Correct the price.  If it is meant: sellometer_mute(''price_anomaly'', ''%s'', now() + interval ''1 day'').', o.product_id), o.first_seen
	FROM odd o CROSS JOIN setting s LEFT JOIN alerts a ON a.dimension = 'product_id' AND a.key = o.product_id::text AND a.closed_at IS NULL
	WHERE NOT EXISTS (SELECT FROM grouped g WHERE g.product_id = o.product_id)
		-- while one alert tells of many, they are not told of one by one, nor what of them has been told for long enough
		AND NOT EXISTS (SELECT FROM covered c WHERE c.product_id = o.product_id)
	UNION ALL
	-- what has an open alert: over, if one tells of it with others, or it was told for long enough; well, if it is seen at another price
	SELECT CASE WHEN a.long OR g.product_id IS NOT NULL THEN 'over' ELSE 'well' END, a.dimension, a.key, head, NULL, NULL, NULL, 'usual', NULL, NULL
	FROM alerts a LEFT JOIN grouped g ON g.product_id::text = a.key
	WHERE a.closed_at IS NULL AND a.dimension = 'product_id'
		AND (a.long OR g.product_id IS NOT NULL OR a.key IN (SELECT p.product_id::text FROM seen p))
	UNION ALL
	SELECT CASE WHEN a.long THEN 'over' ELSE 'well' END, a.dimension, a.key, head, NULL, NULL, NULL, 'usual', NULL, NULL
	FROM alerts a
	WHERE a.closed_at IS NULL AND a.dimension <> 'product_id' AND (a.long OR EXISTS (
		SELECT FROM places g WHERE (g.dimension, g.key) = (a.dimension, a.key)))
$$;
COMMENT ON FUNCTION sellometer.detect_price_anomaly(timestamptz) IS
	'Products that are listed or sold at a price far from what they were sold for before; one for a category, or for all, where most has changed';
INSERT INTO sellometer.detectors (kind, tells_well) VALUES ('price_anomaly', true);

REVOKE ALL ON FUNCTION sellometer.usual_prices(bigint[], timestamptz[], date) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.price_spreads(bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.adopted_prices(bigint[], numeric[], date) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.odd_prices(timestamptz, bigint[], numeric[], timestamptz[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.recent_prices(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.detect_price_anomaly(timestamptz) FROM PUBLIC;
