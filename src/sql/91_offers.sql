/*
 * At which prices, and under which labels, products were sold and listed.
 *
 *   batch --> offer_log, appended in the batch's transaction
 *         --> fold_offers(): offer_history, one row for each (day, product, type, price, category); the log's rows go
 *
 * Both together are a function of the set of events.  Views with a session are not among them: the view log has each, with
 * its price and category.
 */
CREATE TABLE sellometer.offer_log (
	day			date NOT NULL,
	product_id	bigint NOT NULL,
	event_type	sellometer.event_type NOT NULL,
	count		bigint NOT NULL,
	first_seen	timestamptz NOT NULL,
	last_seen	timestamptz NOT NULL,
	price		numeric NOT NULL,
	category	text COLLATE "C" NOT NULL
);
COMMENT ON TABLE sellometer.offer_log IS 'What is not in sellometer.offer_history yet: see sellometer.fold_offers()';

CREATE TABLE sellometer.offer_history (
	LIKE sellometer.offer_log,
	PRIMARY KEY (product_id, day, event_type, price, category)
);
CREATE INDEX offer_history_day ON sellometer.offer_history (day);
COMMENT ON TABLE sellometer.offer_history IS
	'Events by day, product, price and category, but for views with a session; kept for sellometer.offer_retention behind the head';
COMMENT ON COLUMN sellometer.offer_history.day IS 'of the events, in UTC';
COMMENT ON COLUMN sellometer.offer_history.count IS 'number of events';
COMMENT ON COLUMN sellometer.offer_history.first_seen IS 'minute of the first event';
COMMENT ON COLUMN sellometer.offer_history.last_seen IS 'minute of the last event';
COMMENT ON COLUMN sellometer.offer_history.category IS 'as in category_l3';

/* What was usual, by sales: made anew for the products that a fold names. */
CREATE TABLE sellometer.price_baselines (
	product_id	bigint PRIMARY KEY,
	sales		bigint NOT NULL,
	log_median	double precision NOT NULL,
	log_mad		double precision NOT NULL,
	category	text COLLATE "C" NOT NULL
);
COMMENT ON TABLE sellometer.price_baselines IS 'What products usually cost and where they belong, from their sales in sellometer.offer_history';
COMMENT ON COLUMN sellometer.price_baselines.sales IS 'purchases that were looked at';
COMMENT ON COLUMN sellometer.price_baselines.log_median IS 'median of the natural logarithm of the price';
COMMENT ON COLUMN sellometer.price_baselines.log_mad IS 'median of the absolute deviations from that';
COMMENT ON COLUMN sellometer.price_baselines.category IS 'category_l3 of most purchases';

CREATE FUNCTION sellometer.make_baselines(products bigint[])
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	WITH sold AS MATERIALIZED (
		SELECT product_id, ln(price::double precision) AS log_price, category, count
		FROM sellometer.offer_history WHERE product_id = ANY ($1) AND event_type = 'purchase' AND price > 0
	), prices AS (
		SELECT product_id, log_price, sum(count) AS count FROM sold GROUP BY 1, 2
	), ranked AS (
		SELECT *, sum(count) OVER (PARTITION BY product_id ORDER BY log_price) AS upto, sum(count) OVER (PARTITION BY product_id) AS sales
		FROM prices
	), medians AS MATERIALIZED (
		SELECT product_id, sales, min(log_price) FILTER (WHERE upto * 2 >= sales) AS log_median FROM ranked GROUP BY 1, 2
	), deviations AS (
		SELECT product_id, m.sales, m.log_median, abs(log_price - m.log_median) AS deviation, sum(count) AS count
		FROM prices JOIN medians m USING (product_id) GROUP BY 1, 2, 3, 4
	), ranked_deviations AS (
		SELECT *, sum(count) OVER (PARTITION BY product_id ORDER BY deviation) AS upto FROM deviations
	), mads AS (
		SELECT product_id, sales, log_median, min(deviation) FILTER (WHERE upto * 2 >= sales) AS log_mad
		FROM ranked_deviations GROUP BY 1, 2, 3
	), labels AS (
		SELECT DISTINCT ON (product_id) product_id, category FROM (
			SELECT product_id, category, sum(count) AS count FROM sold GROUP BY 1, 2) c
		ORDER BY product_id, count DESC, category
	)
	INSERT INTO sellometer.price_baselines AS b (product_id, sales, log_median, log_mad, category)
	SELECT product_id, sales, log_median, log_mad, category FROM mads JOIN labels USING (product_id)
	ON CONFLICT (product_id) DO UPDATE SET sales = excluded.sales, log_median = excluded.log_median,
		log_mad = excluded.log_mad, category = excluded.category
	WHERE (b.sales, b.log_median, b.log_mad, b.category) IS DISTINCT FROM
		(excluded.sales, excluded.log_median, excluded.log_mad, excluded.category)
$$;
COMMENT ON FUNCTION sellometer.make_baselines(bigint[]) IS 'Make the baselines of these products anew';

/* One at a time: the lock is one that loading doesn't want. */
CREATE FUNCTION sellometer.fold_offers()
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	products bigint[];
BEGIN
	LOCK TABLE sellometer.price_baselines IN SHARE ROW EXCLUSIVE MODE;
	WITH moved AS (
		DELETE FROM sellometer.offer_log RETURNING *
	), folded AS (
		INSERT INTO sellometer.offer_history AS h (day, product_id, event_type, count, first_seen, last_seen, price, category)
		SELECT day, product_id, event_type, sum(count), min(first_seen), max(last_seen), price, category
		FROM moved GROUP BY day, product_id, event_type, price, category
		ON CONFLICT (product_id, day, event_type, price, category) DO UPDATE SET count = h.count + excluded.count,
			first_seen = least(h.first_seen, excluded.first_seen), last_seen = greatest(h.last_seen, excluded.last_seen)
		RETURNING product_id, event_type
	)
	SELECT array_agg(DISTINCT product_id) INTO products FROM folded WHERE event_type = 'purchase';
	PERFORM sellometer.make_baselines(products);
	RETURN coalesce(cardinality(products), 0);
END
$$;
COMMENT ON FUNCTION sellometer.fold_offers() IS
	'Add sellometer.offer_log up into sellometer.offer_history, and make the baselines of the products that were sold; gives their number';

/* Rows before the retention go, with the baselines that rest on them. */
CREATE FUNCTION sellometer.prune_offers(before date)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	products bigint[];
	gone bigint;
BEGIN
	PERFORM sellometer.fold_offers();
	WITH pruned AS (
		DELETE FROM sellometer.offer_history WHERE day < before RETURNING product_id
	)
	SELECT count(*), array_agg(DISTINCT product_id) INTO gone, products FROM pruned;
	IF gone > 0 THEN
		DELETE FROM sellometer.price_baselines b WHERE product_id = ANY (products);
		PERFORM sellometer.make_baselines(products);
	END IF;
	RETURN gone;
END
$$;
COMMENT ON FUNCTION sellometer.prune_offers(date) IS 'Delete offers of earlier days; gives the number of rows';

CREATE FUNCTION sellometer.recent_views(from_time timestamptz, to_time timestamptz, OUT product_id bigint, OUT category text,
	OUT price numeric, OUT views bigint, OUT first_seen timestamptz, OUT last_seen timestamptz)
RETURNS SETOF record
LANGUAGE c STABLE STRICT
ROWS 50000
AS 'MODULE_PATHNAME', 'sellometer_recent_views';
COMMENT ON FUNCTION sellometer.recent_views(timestamptz, timestamptz) IS
	'Views with a session in a span of time, by product, category_l3 and price, from the view log';

/* Both kinds of events.  What is not folded yet is left for the next time. */
CREATE FUNCTION sellometer.recent_offers(from_time timestamptz, to_time timestamptz)
RETURNS TABLE (product_id bigint, category text, price numeric, events bigint, first_seen timestamptz, last_seen timestamptz)
LANGUAGE sql STABLE
ROWS 50000
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT product_id, category, price, views, first_seen, last_seen FROM sellometer.recent_views(from_time, to_time)
	UNION ALL
	SELECT product_id, category, price, count, greatest(first_seen, from_time), last_seen FROM sellometer.offer_history
	WHERE day >= (from_time AT TIME ZONE 'UTC')::date AND last_seen >= from_time AND first_seen < to_time
$$;
COMMENT ON FUNCTION sellometer.recent_offers(timestamptz, timestamptz) IS
	'At which prices and under which labels products were listed or sold in a span of time; one offer may give several rows';

REVOKE ALL ON FUNCTION sellometer.recent_views(timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.recent_offers(timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.make_baselines(bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.fold_offers() FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.prune_offers(date) FROM PUBLIC;
