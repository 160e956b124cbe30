/*
 * Wrong prices: each offer (product, price) that was seen of late against what the product was sold for before.
 *
 *   recent offers + sold_products --> products of which any two prices are far apart
 *     --> sales before the minute in which a price was first seen --> odd ones
 *
 * An odd price has no part in what is usual, however much is sold at it: from the first sale at an odd price on, what was
 * usual before stays so.  After sellometer.price_adopt sales count whatever they were, and a price at which one in
 * twenty of them were made is no news.
 */

/* What products were sold for before a minute: median and median absolute deviation of the logarithm of the price. */
CREATE FUNCTION sellometer.usual_prices(products bigint[], minutes timestamptz[], from_day date)
RETURNS TABLE (product_id bigint, minute timestamptz, sales bigint, log_median double precision, log_mad double precision)
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
AS $$
	WITH prices AS MATERIALIZED (
		SELECT b.product_id, b.minute, ln(b.price::float8) AS log_price, sum(b.sales)::bigint AS count
		FROM sellometer.sales_before(products, minutes, from_day) b WHERE b.price > 0 GROUP BY 1, 2, 3
	), ranked AS (
		SELECT *, sum(count) OVER (PARTITION BY p.product_id, p.minute ORDER BY log_price) AS upto,
			sum(count) OVER (PARTITION BY p.product_id, p.minute) AS sales
		FROM prices p
	), medians AS MATERIALIZED (
		SELECT r.product_id, r.minute, r.sales, min(log_price) FILTER (WHERE upto * 2 >= r.sales) AS log_median FROM ranked r GROUP BY 1, 2, 3
	), deviations AS (
		SELECT p.product_id, p.minute, m.sales, m.log_median, abs(log_price - m.log_median) AS deviation, sum(count) AS count
		FROM prices p JOIN medians m USING (product_id, minute) GROUP BY 1, 2, 3, 4, 5
	), ranked_deviations AS (
		SELECT *, sum(count) OVER (PARTITION BY d.product_id, d.minute ORDER BY deviation) AS upto FROM deviations d
	)
	SELECT r.product_id, r.minute, r.sales::bigint, r.log_median, min(deviation) FILTER (WHERE upto * 2 >= r.sales)
	FROM ranked_deviations r GROUP BY 1, 2, 3, 4
$$;
COMMENT ON FUNCTION sellometer.usual_prices(bigint[], timestamptz[], date) IS
	'What products usually cost before a minute, by their sales from a day on';

CREATE FUNCTION sellometer.price_distance(price numeric, log_median double precision, log_mad double precision,
	OUT change double precision, OUT score double precision)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT c, abs(c) / (1.4826 * log_mad) FROM (SELECT ln(greatest(price, 0.0001)::float8) - log_median) l (c);
END;
COMMENT ON FUNCTION sellometer.price_distance(numeric, double precision, double precision) IS
	'How far a price is from the usual one: the logarithm of their ratio, and that in deviations';

/*
 * Judge prices of products that were seen since a time.  A price that is known already is never odd; each other one is judged
 * by what was before it, or before the first sale at another odd price.
 */
CREATE FUNCTION sellometer.odd_prices(head timestamptz, products bigint[], prices numeric[], first_seen timestamptz[])
RETURNS TABLE (product_id bigint, price numeric, sales bigint, log_median double precision, log_mad double precision,
	change double precision, score double precision)
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
AS $$
	WITH setting AS MATERIALIZED (	-- a change of 1 would be infinitely far
		SELECT current_setting('sellometer.price_min_sales')::bigint AS min_sales,
			current_setting('sellometer.price_score')::float8 AS score,
			current_setting('sellometer.price_mad_floor')::float8 AS mad_floor,
			-ln(1.000001 - current_setting('sellometer.price_min_change')::float8) AS least,
			date_trunc('minute', head - sellometer.setting_length('sellometer.price_adopt'), 'UTC') AS adopted,
			((head - sellometer.setting_length('sellometer.offer_retention')) AT TIME ZONE 'UTC')::date AS from_day
	), known AS MATERIALIZED (
		SELECT k.product_id, k.price FROM (
			SELECT b.product_id, b.price, sum(b.sales) AS sales, sum(sum(b.sales)) OVER (PARTITION BY b.product_id) AS all_sales
			FROM setting s, sellometer.sales_before(products, array_fill(s.adopted, ARRAY[cardinality(products)]), s.from_day) b
			GROUP BY b.product_id, b.price) k
		WHERE k.sales * 20 >= k.all_sales
	), points AS MATERIALIZED (		-- when new prices were first seen, as far as it is known; sold: at this price
		SELECT p.product_id, p.price, min(p.minute) AS minute, bool_or(p.sold) AS sold FROM (
			SELECT r.product_id, r.price, r.minute, true AS sold FROM setting s JOIN sellometer.recent_sales r ON r.minute >= s.adopted
			WHERE r.product_id = ANY (products)
			UNION ALL
			SELECT u.product_id, u.price, date_trunc('minute', u.first_seen, 'UTC'), false
			FROM unnest(products, prices, first_seen) u (product_id, price, first_seen)) p
		WHERE NOT EXISTS (SELECT FROM known k WHERE k.product_id = p.product_id AND k.price = p.price)
		GROUP BY p.product_id, p.price
	), usual AS MATERIALIZED (
		SELECT u.* FROM setting s, (SELECT array_agg(p.product_id) AS products, array_agg(p.minute) AS minutes FROM points p) a,
			sellometer.usual_prices(a.products, a.minutes, s.from_day) u
		WHERE u.sales >= s.min_sales
	), turns AS MATERIALIZED (
		SELECT p.product_id, min(p.minute) AS minute
		FROM setting s, points p JOIN usual u USING (product_id, minute)
		CROSS JOIN LATERAL sellometer.price_distance(p.price, u.log_median, greatest(u.log_mad, s.mad_floor)) d
		WHERE p.sold AND d.score >= s.score AND abs(d.change) >= s.least GROUP BY p.product_id
	)
	SELECT p.product_id, p.price, u.sales, u.log_median, u.log_mad, d.change, d.score
	FROM setting s, points p LEFT JOIN turns t USING (product_id)
	JOIN usual u ON u.product_id = p.product_id AND u.minute = least(p.minute, t.minute)
	CROSS JOIN LATERAL sellometer.price_distance(p.price, u.log_median, greatest(u.log_mad, s.mad_floor)) d
	WHERE d.score >= s.score AND abs(d.change) >= s.least
$$;
COMMENT ON FUNCTION sellometer.odd_prices(timestamptz, bigint[], numeric[], timestamptz[]) IS
	'Which of these prices of products, seen since, are far from what the products were sold for before';

CREATE FUNCTION sellometer.detect_price_anomaly(head timestamptz)
RETURNS SETOF sellometer.finding
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET work_mem = '64MB'
AS $$
	WITH seen AS MATERIALIZED (
		SELECT r.product_id, r.price, min(r.first_seen) AS first_seen, max(r.last_seen) AS last_seen
		FROM sellometer.recent_offers(head - sellometer.setting_length('sellometer.price_window'), head + interval '10 minutes') r
		WHERE r.product_id IN (SELECT p.product_id FROM sellometer.sold_products p)
		GROUP BY r.product_id, r.price
	), suspects AS MATERIALIZED (	-- any two prices are as far apart as the least change that is odd
		SELECT product_id FROM (SELECT product_id, min(price) AS low, max(price) AS high FROM seen GROUP BY product_id) n
		JOIN sellometer.sold_products p USING (product_id)
		GROUP BY product_id, n.low, n.high
		HAVING sum(p.sales) >= current_setting('sellometer.price_min_sales')::bigint
			AND least(n.low, min(p.low)) <= greatest(n.high, max(p.high)) * (1.000002 - current_setting('sellometer.price_min_change')::numeric)
	), judged AS MATERIALIZED (
		SELECT o.* FROM (
			SELECT array_agg(product_id) AS products, array_agg(price) AS prices, array_agg(first_seen) AS first_seen
			FROM seen JOIN suspects USING (product_id)) s
		CROSS JOIN LATERAL sellometer.odd_prices(head, s.products, s.prices, s.first_seen) o
	), odd AS MATERIALIZED (
		SELECT * FROM judged JOIN seen USING (product_id, price)
	), usual AS MATERIALIZED (
		SELECT s.product_id, max(s.last_seen) AS last_seen FROM seen s
		WHERE s.product_id IN (SELECT product_id FROM odd)
			AND NOT EXISTS (SELECT FROM odd o WHERE o.product_id = s.product_id AND o.price = s.price)
		GROUP BY s.product_id
	)
	SELECT CASE WHEN abs(o.change) >= -ln(1.000001 - current_setting('sellometer.price_critical_change')::float8) THEN 'critical' ELSE 'warning' END,
		'product_id', o.product_id::text, o.last_seen, o.price, round(exp(o.log_median)::numeric, 2), round(o.score::numeric, 1)::float8,
		format('listed at %s, usually %s ± %s over %s sales', o.price,
			to_char(exp(o.log_median), 'FM999999999990.00'), to_char(exp(o.log_median) * 1.4826 * o.log_mad, 'FM999999999990.00'), o.sales)
	FROM odd o LEFT JOIN usual u USING (product_id)
	WHERE coalesce(u.last_seen <= o.last_seen + interval '2 minutes', true)
$$;
COMMENT ON FUNCTION sellometer.detect_price_anomaly(timestamptz) IS
	'Products that are listed or sold at a price far from what they were sold for before';
INSERT INTO sellometer.detectors (kind) VALUES ('price_anomaly');

REVOKE ALL ON FUNCTION sellometer.usual_prices(bigint[], timestamptz[], date) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.price_distance(numeric, double precision, double precision) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.odd_prices(timestamptz, bigint[], numeric[], timestamptz[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.detect_price_anomaly(timestamptz) FROM PUBLIC;
