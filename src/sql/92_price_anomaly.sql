/*
 * Wrong prices: each offer (product, price) that was seen of late against what the product was sold for before.
 *
 *   recent offers + baselines --> odd ones --> not odd: sold at this price more than a day ago already,
 *                                              or the product has been seen at a usual price since
 */
CREATE FUNCTION sellometer.detect_price_anomaly(head timestamptz)
RETURNS SETOF sellometer.finding
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH setting AS MATERIALIZED (	-- a change of 1 would be infinitely far
		SELECT current_setting('sellometer.price_min_sales')::bigint AS min_sales,
			current_setting('sellometer.price_score')::float8 AS score,
			current_setting('sellometer.price_mad_floor')::float8 AS mad_floor,
			-ln(1.000001 - current_setting('sellometer.price_min_change')::float8) AS least,
			-ln(1.000001 - current_setting('sellometer.price_critical_change')::float8) AS critical
	), judged AS MATERIALIZED (
		SELECT r.product_id, r.price, r.first_seen, r.last_seen, b.sales, b.log_median, b.log_mad,
			ln(greatest(r.price, 0.0001)::float8) - b.log_median AS change,
			abs(ln(greatest(r.price, 0.0001)::float8) - b.log_median) / (1.4826 * greatest(b.log_mad, s.mad_floor)) AS score
		FROM sellometer.recent_offers(head - current_setting('sellometer.price_window')::interval, head + interval '10 minutes') r
		JOIN sellometer.price_baselines b USING (product_id)
		CROSS JOIN setting s
		WHERE b.sales >= s.min_sales
	), odd AS MATERIALIZED (
		SELECT j.product_id, j.price, min(j.first_seen) AS first_seen, max(j.last_seen) AS last_seen, j.sales, j.log_median, j.log_mad,
			j.change, j.score, abs(j.change) >= s.critical AS critical
		FROM judged j, setting s
		WHERE j.score >= s.score AND abs(j.change) >= s.least
		GROUP BY j.product_id, j.price, j.sales, j.log_median, j.log_mad, j.change, j.score, s.critical
	), usual AS MATERIALIZED (
		SELECT j.product_id, max(j.last_seen) AS last_seen
		FROM judged j, setting s
		WHERE j.product_id IN (SELECT product_id FROM odd) AND (j.score < s.score OR abs(j.change) < s.least)
		GROUP BY j.product_id
	)
	SELECT CASE WHEN o.critical THEN 'critical' ELSE 'warning' END, 'product_id', o.product_id::text, o.last_seen, o.price,
		round(exp(o.log_median)::numeric, 2), round(o.score::numeric, 1)::float8,
		format('listed at %s, usually %s ± %s over %s sales', o.price,
			to_char(exp(o.log_median), 'FM999999999990.00'), to_char(exp(o.log_median) * 1.4826 * o.log_mad, 'FM999999999990.00'), o.sales)
	FROM odd o LEFT JOIN usual u USING (product_id)
	WHERE coalesce(u.last_seen <= o.last_seen + interval '2 minutes', true) AND NOT EXISTS (
		SELECT FROM sellometer.offer_history h
		WHERE h.product_id = o.product_id AND h.price = o.price AND h.event_type = 'purchase' AND h.first_seen < head - interval '1 day')
$$;
COMMENT ON FUNCTION sellometer.detect_price_anomaly(timestamptz) IS
	'Products that are listed or sold at a price far from what they were sold for before';
INSERT INTO sellometer.detectors (kind) VALUES ('price_anomaly');

REVOKE ALL ON FUNCTION sellometer.detect_price_anomaly(timestamptz) FROM PUBLIC;
