/*
 * At which prices, and under which labels, products were sold and listed.
 *
 *   batch --> offer_log, appended in the batch's transaction
 *         --> fold_offers(): offer_history, one row for each (day, product, type, price, category)
 *                            recent_sales, of purchases one for each minute, for sellometer.price_adopt
 *                            sold_products, what there is of each product              ; the log's rows go
 *
 * An event with an id that an earlier one has taken the place of is in the log once more, with a negative count.
 *
 * Together they are a function of the set of events.  History less what was sold since gives what was sold before any recent
 * minute: so an event can be judged by what was before it, whenever it came.  Views with a session are not among them: the
 * view log has each that counts, with its price and category, and other_listings those of sessions that saw another one.
 */
CREATE TABLE sellometer.offer_log (
	day			date NOT NULL,
	product_id	bigint NOT NULL,
	event_type	sellometer.event_type NOT NULL,
	count		bigint NOT NULL,
	first_seen	timestamptz NOT NULL,
	last_seen	timestamptz NOT NULL,
	price		numeric NOT NULL,
	category	text COLLATE "C" NOT NULL,
	brand		text COLLATE "C" NOT NULL DEFAULT ''
);
-- without a key, rows are published whole
ALTER TABLE sellometer.offer_log REPLICA IDENTITY FULL;
COMMENT ON TABLE sellometer.offer_log IS 'What is not in sellometer.offer_history yet: see sellometer.fold_offers()';

CREATE TABLE sellometer.offer_history (
	LIKE sellometer.offer_log,
	PRIMARY KEY (product_id, day, event_type, price, category)
);
CREATE INDEX offer_history_day ON sellometer.offer_history (day);
CREATE INDEX offer_history_seen ON sellometer.offer_history (last_seen);
COMMENT ON TABLE sellometer.offer_history IS
	'Events by day, product, price and category, but for views with a session; kept for sellometer.offer_retention behind the head';
COMMENT ON COLUMN sellometer.offer_history.day IS 'of the events, in UTC';
COMMENT ON COLUMN sellometer.offer_history.count IS 'number of events';
COMMENT ON COLUMN sellometer.offer_history.first_seen IS 'minute of the first event';
COMMENT ON COLUMN sellometer.offer_history.last_seen IS 'minute of the last event; of events with ids, first and last may be of a repetition that counted once';
COMMENT ON COLUMN sellometer.offer_history.category IS 'as in category_l3';
COMMENT ON COLUMN sellometer.offer_history.brand IS 'of the last event: which comes after what in a minute nobody knows, so of several brands in it the greatest';

CREATE TABLE sellometer.recent_sales (
	product_id	bigint NOT NULL,
	minute		timestamptz NOT NULL,
	price		numeric NOT NULL,
	category	text COLLATE "C" NOT NULL,
	count		bigint NOT NULL,
	PRIMARY KEY (product_id, minute, price, category)
);
CREATE INDEX recent_sales_minute ON sellometer.recent_sales (minute);
COMMENT ON TABLE sellometer.recent_sales IS 'Purchases by minute; kept for sellometer.price_adopt behind the head, and some more';

CREATE TABLE sellometer.sold_products (
	product_id	bigint NOT NULL,
	category	text COLLATE "C" NOT NULL,
	sales		bigint NOT NULL,
	low			numeric,
	high		numeric,
	brand		text COLLATE "C",
	last_sold	timestamptz,
	has_others	boolean NOT NULL DEFAULT false,
	PRIMARY KEY (product_id, category)
);
CREATE INDEX sold_products_brand ON sellometer.sold_products (brand);
COMMENT ON TABLE sellometer.sold_products IS 'Products that were sold, by category_l3: what the purchases in sellometer.offer_history come to';
COMMENT ON COLUMN sellometer.sold_products.sales IS 'number of purchases';
COMMENT ON COLUMN sellometer.sold_products.low IS 'lowest price';
COMMENT ON COLUMN sellometer.sold_products.high IS 'highest price';
COMMENT ON COLUMN sellometer.sold_products.brand IS 'of the last purchase; of several brands in its minute the greatest';
COMMENT ON COLUMN sellometer.sold_products.last_sold IS 'minute of the last purchase';
COMMENT ON COLUMN sellometer.sold_products.has_others IS 'the product has rows of other categories, too';

CREATE VIEW sellometer.all_sold_products AS SELECT * FROM sellometer.sold_products;
COMMENT ON VIEW sellometer.all_sold_products IS 'sellometer.sold_products, in the dashboards'' database of nodes those of each node';

CREATE TABLE sellometer.other_listings (
	fingerprint	bigint NOT NULL,
	seen		timestamptz NOT NULL,
	product_id	bigint NOT NULL,
	price		numeric NOT NULL,
	category	text COLLATE "C" NOT NULL
);
CREATE INDEX other_listings_seen ON sellometer.other_listings USING brin (seen) WITH (pages_per_range = 32);
-- without a key, rows are published whole
ALTER TABLE sellometer.other_listings REPLICA IDENTITY FULL;
COMMENT ON TABLE sellometer.other_listings IS
	'Views of the last day by sessions that saw a product at several prices or under several labels; with the view log: which was the first of each';

/*
 * What was last, of rows with a time and a text, whatever their order, as the greatest of one text.  Minutes of the years that
 * events can have, 980 to 3019, are twelve digits.
 */
CREATE FUNCTION sellometer.dated(minute timestamptz, label text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (pg_catalog.to_char(minute AT TIME ZONE 'UTC', 'YYYYMMDDHH24MI') || label) COLLATE "C";
COMMENT ON FUNCTION sellometer.dated(timestamptz, text) IS 'A text with its minute before it, so that of several the greatest is the last';

/* Once new rows of these products are there; where they are many, all is looked at, in one pass. */
CREATE FUNCTION sellometer.mark_others(products bigint[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF cardinality(products) > 5000 THEN
		products := ARRAY(SELECT s.product_id FROM sellometer.sold_products s GROUP BY 1 HAVING count(*) > 1);
	END IF;
	UPDATE sellometer.sold_products s SET has_others = true
	FROM (SELECT x.product_id FROM (SELECT DISTINCT unnest(products) AS product_id) a JOIN sellometer.sold_products x USING (product_id) GROUP BY 1 HAVING count(*) > 1) m
	WHERE s.product_id = m.product_id AND NOT s.has_others;
END
$$;
COMMENT ON FUNCTION sellometer.mark_others(bigint[]) IS 'Note in sellometer.sold_products which of these products have rows of several categories';

/* One at a time: the lock is one that loading doesn't want. */
CREATE FUNCTION sellometer.fold_offers()
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	head timestamptz := (SELECT s.head FROM sellometer.state s);
	recent timestamptz := date_trunc('minute', head - sellometer.setting_length('sellometer.price_adopt'), 'UTC') - interval '1 hour';
	watched timestamptz := head - greatest(sellometer.setting_length('sellometer.price_window'),
		sellometer.setting_length('sellometer.shift_window')) - sellometer.setting_length('sellometer.view_window') - interval '1 hour';
	folded bigint;
	moved bigint[];
	added bigint[];
BEGIN
	LOCK TABLE sellometer.sold_products IN SHARE ROW EXCLUSIVE MODE;
	WITH taken AS MATERIALIZED (
		DELETE FROM sellometer.offer_log RETURNING *
	), days AS (
		INSERT INTO sellometer.offer_history AS h (day, product_id, event_type, count, first_seen, last_seen, price, category, brand)
		SELECT day, product_id, event_type, sum(count), min(first_seen), max(last_seen), price, category, substr(max(sellometer.dated(last_seen, brand)), 13)
		FROM taken GROUP BY day, product_id, event_type, price, category
		ON CONFLICT (product_id, day, event_type, price, category) DO UPDATE SET count = h.count + excluded.count,
			brand = CASE WHEN (h.last_seen, h.brand) > (excluded.last_seen, excluded.brand) THEN h.brand ELSE excluded.brand END,
			first_seen = least(h.first_seen, excluded.first_seen), last_seen = greatest(h.last_seen, excluded.last_seen)
	), minutes AS (
		INSERT INTO sellometer.recent_sales AS r (product_id, minute, price, category, count)
		SELECT product_id, first_seen, price, category, sum(count) FROM taken
		WHERE event_type = 'purchase' AND first_seen >= recent GROUP BY product_id, first_seen, price, category
		ON CONFLICT (product_id, minute, price, category) DO UPDATE SET count = r.count + excluded.count
	), products AS (
		INSERT INTO sellometer.sold_products AS p (product_id, category, sales, low, high, brand, last_sold)
		SELECT product_id, category, sum(count), min(price), max(price), substr(max(sellometer.dated(last_seen, brand)), 13), max(last_seen) FROM taken
		WHERE event_type = 'purchase' GROUP BY product_id, category
		ON CONFLICT (product_id, category) DO UPDATE SET sales = p.sales + excluded.sales, low = least(p.low, excluded.low),
			high = greatest(p.high, excluded.high), last_sold = greatest(p.last_sold, excluded.last_sold),
			brand = CASE WHEN (p.last_sold, p.brand) > (excluded.last_sold, excluded.brand) THEN p.brand ELSE excluded.brand END
		RETURNING p.product_id, p.xmax = 0 AS is_new
	)
	SELECT count(*), array_agg(DISTINCT product_id) FILTER (WHERE count <= 0), (SELECT array_agg(product_id) FILTER (WHERE is_new) FROM products)
	INTO folded, moved, added FROM taken;
	IF added IS NOT NULL THEN
		PERFORM sellometer.mark_others(added);
	END IF;
	-- an event with an id that an earlier one has taken the place of
	IF moved IS NOT NULL THEN
		DELETE FROM sellometer.offer_history WHERE product_id = ANY (moved) AND count <= 0;
		DELETE FROM sellometer.recent_sales WHERE product_id = ANY (moved) AND count <= 0;
		PERFORM sellometer.count_sold(moved);
	END IF;
	DELETE FROM sellometer.recent_sales WHERE minute < recent;
	DELETE FROM sellometer.other_listings WHERE seen < watched;
	RETURN folded;
END
$$;
COMMENT ON FUNCTION sellometer.fold_offers() IS
	'Add sellometer.offer_log up into offer_history, recent_sales and sold_products; gives the number of rows that were there';

/*
 * Purchases of products, from a day on: of some thousands by the key, one product after the other; of more by reading all.  Nobody can tell
 * how many products are suspect, mostly a handful, but all of them when a feed gives all prices in another currency.
 */
CREATE FUNCTION sellometer.purchases_of(products bigint[], from_day date)
RETURNS SETOF sellometer.offer_history
LANGUAGE plpgsql STABLE ROWS 10000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF cardinality(products) > 5000 THEN
		RETURN QUERY EXECUTE 'SELECT h.* FROM sellometer.offer_history h JOIN (SELECT DISTINCT unnest($1) AS product_id) p USING (product_id)
			WHERE h.event_type = ''purchase'' AND h.day >= $2' USING products, from_day;
	ELSE
		RETURN QUERY EXECUTE 'SELECT h.* FROM (SELECT DISTINCT unnest($1) AS product_id) p CROSS JOIN LATERAL (
			SELECT * FROM sellometer.offer_history x WHERE x.product_id = p.product_id AND x.day >= $2 AND x.event_type = ''purchase'' OFFSET 0) h'
			USING products, from_day;
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.purchases_of(bigint[], date) IS 'Rows of sellometer.offer_history that are purchases of these products, from a day on';

CREATE FUNCTION sellometer.recent_sales_of(products bigint[], from_time timestamptz)
RETURNS SETOF sellometer.recent_sales
LANGUAGE plpgsql STABLE ROWS 10000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF cardinality(products) > 5000 THEN
		RETURN QUERY EXECUTE 'SELECT r.* FROM sellometer.recent_sales r JOIN (SELECT DISTINCT unnest($1) AS product_id) p USING (product_id)
			WHERE r.minute >= $2' USING products, from_time;
	ELSE
		RETURN QUERY EXECUTE 'SELECT r.* FROM (SELECT DISTINCT unnest($1) AS product_id) p CROSS JOIN LATERAL (
			SELECT * FROM sellometer.recent_sales x WHERE x.product_id = p.product_id AND x.minute >= $2 OFFSET 0) r'
			USING products, from_time;
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.recent_sales_of(bigint[], timestamptz) IS 'Rows of sellometer.recent_sales of these products, from a time on';

/* What the purchases in history come to, of these products. */
CREATE FUNCTION sellometer.count_sold(products bigint[])
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	DELETE FROM sellometer.sold_products WHERE product_id IN (SELECT unnest($1));
	INSERT INTO sellometer.sold_products (product_id, category, sales, low, high, brand, last_sold, has_others)
	SELECT product_id, category, sum(count), min(price), max(price), substr(max(sellometer.dated(last_seen, brand)), 13), max(last_seen), count(*) OVER (PARTITION BY product_id) > 1
	FROM sellometer.purchases_of($1, '-infinity') GROUP BY product_id, category;
$$;
COMMENT ON FUNCTION sellometer.count_sold(bigint[]) IS 'Make the rows of these products in sellometer.sold_products anew';

/* Rows before the retention go. */
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
		DELETE FROM sellometer.offer_history WHERE day < before RETURNING product_id, event_type
	)
	SELECT count(*), array_agg(DISTINCT product_id) FILTER (WHERE event_type = 'purchase') INTO gone, products FROM pruned;
	IF products IS NOT NULL THEN
		PERFORM sellometer.count_sold(products);
	END IF;
	RETURN gone;
END
$$;
COMMENT ON FUNCTION sellometer.prune_offers(date) IS 'Delete offers of earlier days; gives the number of rows';

/* The rows that hold these events; whoever calls this makes them anew. */
CREATE FUNCTION sellometer.forget_offers(days timestamptz[], products bigint[], event_types text[], prices numeric[], categories text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM sellometer.fold_offers();
	WITH gone AS MATERIALIZED (
		SELECT * FROM unnest(days, products, event_types::sellometer.event_type[], prices, categories) u (day, product_id, event_type, price, category)
	), forgotten AS (
		DELETE FROM sellometer.offer_history h USING gone g
		WHERE (h.product_id, h.day, h.event_type, h.price, h.category) = (g.product_id, (g.day AT TIME ZONE 'UTC')::date, g.event_type, g.price, g.category)
	)
	DELETE FROM sellometer.recent_sales r USING gone g
	WHERE g.event_type = 'purchase' AND r.product_id = g.product_id AND r.minute >= g.day AND r.minute < g.day + interval '24 hours'
		AND r.price = g.price AND r.category = g.category;
	PERFORM sellometer.count_sold(products);
END
$$;
COMMENT ON FUNCTION sellometer.forget_offers(timestamptz[], bigint[], text[], numeric[], text[]) IS
	'Delete rows of offers: those of a day, product, event type, price and category';

/* Likewise all of whole days, and listings of a range: a replay makes them anew. */
CREATE FUNCTION sellometer.forget_offers_of(first timestamptz, before timestamptz, listed_from timestamptz, listed_before timestamptz)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	products bigint[];
BEGIN
	PERFORM sellometer.fold_offers();
	WITH gone AS (
		DELETE FROM sellometer.offer_history h WHERE h.day >= (first AT TIME ZONE 'UTC')::date AND h.day < (before AT TIME ZONE 'UTC')::date
		RETURNING h.product_id, h.event_type
	)
	SELECT array_agg(DISTINCT g.product_id) INTO products FROM gone g WHERE g.event_type = 'purchase';
	DELETE FROM sellometer.recent_sales r WHERE r.minute >= first AND r.minute < before;
	DELETE FROM sellometer.other_listings l WHERE l.seen >= listed_from AND l.seen < listed_before;
	IF products IS NOT NULL THEN
		PERFORM sellometer.count_sold(products);
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.forget_offers_of(timestamptz, timestamptz, timestamptz, timestamptz) IS
	'Delete offers of whole days, and listings of a range, before a replay makes them anew';

/*
 * How many were sold before a minute of the time that sellometer.recent_sales holds: of history, what was not sold since.  This and what
 * is made of it works without nested loops.
 */
CREATE FUNCTION sellometer.sales_before(products bigint[], minutes timestamptz[], from_day date)
RETURNS TABLE (product_id bigint, minute timestamptz, price numeric, category text, sales bigint)
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET jit = off
AS $$
	WITH points AS MATERIALIZED (
		SELECT DISTINCT u.product_id, u.minute FROM unnest(products, minutes) u (product_id, minute)
	), ever AS MATERIALIZED (
		SELECT h.product_id, h.price, h.category, sum(h.count)::bigint AS count FROM sellometer.purchases_of(products, from_day) h GROUP BY 1, 2, 3
	), since AS MATERIALIZED (
		SELECT p.product_id, p.minute, r.price, r.category, sum(r.count)::bigint AS count
		FROM points p JOIN sellometer.recent_sales_of(products, (SELECT min(x.minute) FROM points x)) r ON r.product_id = p.product_id AND r.minute >= p.minute
		GROUP BY 1, 2, 3, 4
	)
	SELECT p.product_id, p.minute, e.price, e.category, e.count - coalesce(s.count, 0)
	FROM points p JOIN ever e USING (product_id) LEFT JOIN since s USING (product_id, minute, price, category)
	WHERE e.count > coalesce(s.count, 0)
$$;
COMMENT ON FUNCTION sellometer.sales_before(bigint[], timestamptz[], date) IS
	'How many of each product were sold before a minute, by price and category, from a day on';

CREATE FUNCTION sellometer.recent_views(from_time timestamptz, to_time timestamptz, OUT product_id bigint, OUT category text,
	OUT price numeric, OUT views bigint, OUT first_seen timestamptz, OUT last_seen timestamptz)
RETURNS SETOF record
LANGUAGE c STABLE STRICT
ROWS 50000
AS 'MODULE_PATHNAME', 'sellometer_recent_views';
COMMENT ON FUNCTION sellometer.recent_views(timestamptz, timestamptz) IS
	'Views with a session in a span of time, by product, category_l3 and price, each session''s first of each';

/* What is not folded yet is left for the next time.  EXECUTE: planned for these times. */
CREATE FUNCTION sellometer.recent_history(from_time timestamptz, to_time timestamptz)
RETURNS TABLE (product_id bigint, category text, price numeric, events bigint, first_seen timestamptz, last_seen timestamptz)
LANGUAGE plpgsql STABLE
ROWS 10000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE 'SELECT product_id, category, price, count, greatest(first_seen, $1), last_seen FROM sellometer.offer_history
		WHERE last_seen >= $1 AND first_seen < $2' USING from_time, to_time;
END
$$;
COMMENT ON FUNCTION sellometer.recent_history(timestamptz, timestamptz) IS
	'Events of a span of time in sellometer.offer_history; counts are those of the day';

/* Both kinds of events.  Becomes part of the query that it stands in, as these are many rows to pass on. */
CREATE FUNCTION sellometer.recent_offers(from_time timestamptz, to_time timestamptz)
RETURNS TABLE (product_id bigint, category text, price numeric, events bigint, first_seen timestamptz, last_seen timestamptz)
LANGUAGE sql STABLE
ROWS 50000
BEGIN ATOMIC
	SELECT v.product_id, v.category, v.price, v.views, v.first_seen, v.last_seen FROM sellometer.recent_views(from_time, to_time) v
	UNION ALL
	SELECT h.product_id, h.category, h.price, h.events, h.first_seen, h.last_seen FROM sellometer.recent_history(from_time, to_time) h;
END;
COMMENT ON FUNCTION sellometer.recent_offers(timestamptz, timestamptz) IS
	'At which prices and under which labels products were listed or sold in a span of time; one offer may give several rows';

REVOKE ALL ON FUNCTION sellometer.recent_views(timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.recent_history(timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.recent_offers(timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.purchases_of(bigint[], date) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.recent_sales_of(bigint[], timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.sales_before(bigint[], timestamptz[], date) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.mark_others(bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.count_sold(bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.forget_offers(timestamptz[], bigint[], text[], numeric[], text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.forget_offers_of(timestamptz, timestamptz, timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.fold_offers() FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.prune_offers(date) FROM PUBLIC;
