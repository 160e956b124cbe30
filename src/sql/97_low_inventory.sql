/*
 * Stock: how long does it last?
 *
 *   inventory         the user's: so many pieces there were at a time, and so long it takes to get new ones
 *   inventory_marks   products of which something has changed: sold (noted by loading), stock taken anew (by a trigger)
 *   inventory_cover   what was sold since, and how fast; made anew for marked products by sellometer_detect()
 *
 * What was not sold since it was judged only lasts longer, so all others can stay as they are.
 */
CREATE TABLE sellometer.inventory (
	product_id	bigint PRIMARY KEY,
	stock		integer NOT NULL CHECK (stock >= 0),
	as_of		timestamptz NOT NULL CHECK (as_of >= '2000-01-01 00:00+00' AND as_of < '2200-01-01 00:00+00'),
	lead_time	interval NOT NULL CHECK (lead_time > interval '0' AND lead_time <= interval '10 years')
);
COMMENT ON TABLE sellometer.inventory IS 'Yours to fill: what was in stock, and when; see sellometer.low_inventory';
COMMENT ON COLUMN sellometer.inventory.product_id IS 'product';
COMMENT ON COLUMN sellometer.inventory.stock IS 'pieces in stock';
COMMENT ON COLUMN sellometer.inventory.as_of IS
	'when that was so, in event time; each purchase takes its pieces from the first full minute on that is not before it';
COMMENT ON COLUMN sellometer.inventory.lead_time IS 'time that it takes from an order to new stock';

CREATE TABLE sellometer.inventory_marks (product_id bigint NOT NULL);
ALTER TABLE sellometer.inventory_marks REPLICA IDENTITY FULL;
COMMENT ON TABLE sellometer.inventory_marks IS 'Products of sellometer.inventory of which something has changed';

CREATE TABLE sellometer.inventory_cover (
	product_id	bigint PRIMARY KEY,
	sold		numeric NOT NULL,
	hourly		numeric,
	cover		interval,
	low			boolean NOT NULL,
	judged_at	timestamptz NOT NULL,
	low_stock	integer,
	low_as_of	timestamptz
);
CREATE INDEX inventory_cover_low ON sellometer.inventory_cover (judged_at) WHERE low;
CREATE INDEX inventory_cover_judged ON sellometer.inventory_cover (judged_at);
COMMENT ON TABLE sellometer.inventory_cover IS 'How long stock lasts, when it was last judged: as sellometer_detect() found it';
COMMENT ON COLUMN sellometer.inventory_cover.sold IS 'pieces sold since as_of';
COMMENT ON COLUMN sellometer.inventory_cover.hourly IS 'pieces sold an hour; NULL: none within sellometer.sales_window';
COMMENT ON COLUMN sellometer.inventory_cover.cover IS 'how long the rest lasts at that rate, from the head; NULL: for ever';
COMMENT ON COLUMN sellometer.inventory_cover.low IS 'that is shorter than the lead time, or nothing is left';
COMMENT ON COLUMN sellometer.inventory_cover.judged_at IS 'the head at that time';
COMMENT ON COLUMN sellometer.inventory_cover.low_stock IS 'stock, when that was last so: another one has been taken anew';
COMMENT ON COLUMN sellometer.inventory_cover.low_as_of IS 'likewise as_of';

CREATE FUNCTION sellometer.mark_inventory()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO sellometer.inventory_marks (product_id) SELECT product_id FROM changed;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION sellometer.mark_inventory() IS 'Trigger of sellometer.inventory: what has changed is to be judged anew';
CREATE TRIGGER inserted AFTER INSERT ON sellometer.inventory REFERENCING NEW TABLE AS changed
	FOR EACH STATEMENT EXECUTE FUNCTION sellometer.mark_inventory();
CREATE TRIGGER updated AFTER UPDATE ON sellometer.inventory REFERENCING NEW TABLE AS changed
	FOR EACH STATEMENT EXECUTE FUNCTION sellometer.mark_inventory();
CREATE TRIGGER deleted AFTER DELETE ON sellometer.inventory REFERENCING OLD TABLE AS changed
	FOR EACH STATEMENT EXECUTE FUNCTION sellometer.mark_inventory();

/* Products of the inventory, and the minute from which on purchases count, with the hour that it is in. */
CREATE FUNCTION sellometer.stock_counts_from(products bigint[],
	OUT product_id bigint, OUT first_minute timestamptz, OUT first_hour timestamptz)
RETURNS SETOF record
LANGUAGE sql STABLE ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT i.product_id, date_bin('1 minute', i.as_of + interval '59.999999 seconds', '2000-01-03 00:00+00'),
		date_bin('1 hour', i.as_of + interval '59.999999 seconds', '2000-01-03 00:00+00')
	FROM unnest(products) p (product_id) JOIN sellometer.inventory i USING (product_id)
$$;
COMMENT ON FUNCTION sellometer.stock_counts_from(bigint[]) IS
	'Products of the inventory, and from when on purchases of them take a piece';

/*
 * Sales are added up by hours, or by what there is instead of hours: the coarsest tier of whose buckets an hour consists, which may be
 * the finest.  Of the hour that as_of is in, the minutes before it are taken off again; where they are no longer kept, as large a
 * part of the hour.  One product after the other by the tiers' keys: for some thousands of them.
 */
CREATE FUNCTION sellometer.hour_tier()
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT t.name FROM sellometer.tiers t WHERE sellometer.is_multiple('1 hour', t.granularity) ORDER BY t.position DESC LIMIT 1
$$;
COMMENT ON FUNCTION sellometer.hour_tier() IS 'The coarsest tier of whose intervals an hour consists: hour, or a finer one where that was dropped';

CREATE FUNCTION sellometer.stock_sold_of_few(products bigint[], window_from timestamptz,
	OUT product_id bigint, OUT sold numeric, OUT recent bigint)
RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format('
		SELECT s.product_id, coalesce(h.sold, 0) - coalesce(CASE WHEN s.first_minute = s.first_hour THEN 0
				WHEN s.first_hour >= m.floor THEN (SELECT sum(t.count) FROM sellometer.product_id_minute t
					WHERE t.product_id = s.product_id AND t.event_type = ''purchase'' AND t.event_time >= s.first_hour AND t.event_time < s.first_minute)
				ELSE round(h.first_hour_sold * extract(epoch FROM s.first_minute - s.first_hour) / 3600) END, 0),
			coalesce(h.recent, 0)
		FROM sellometer.stock_counts_from($1) s
		CROSS JOIN (SELECT floor FROM sellometer.held(true) WHERE tier = ''minute'') m
		CROSS JOIN LATERAL (
			SELECT sum(r.count) FILTER (WHERE r.event_time >= s.first_hour) AS sold,
				sum(r.count) FILTER (WHERE r.event_time >= s.first_hour AND r.event_time < s.first_hour + interval ''1 hour'') AS first_hour_sold,
				sum(r.count) FILTER (WHERE r.event_time >= $2)::bigint AS recent
			FROM sellometer.%I r
			WHERE r.product_id = s.product_id AND r.event_type = ''purchase'' AND r.event_time >= least(s.first_hour, $2)) h',
		'own_realtime_product_id_' || sellometer.hour_tier()) USING products, window_from;
END
$$;
COMMENT ON FUNCTION sellometer.stock_sold_of_few(bigint[], timestamptz) IS
	'What stock_sold() gives, of one product after the other';

CREATE FUNCTION sellometer.stock_sold_of_many(products bigint[], window_from timestamptz,
	OUT product_id bigint, OUT sold numeric, OUT recent bigint)
RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 100000
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
AS $$
BEGIN
	RETURN QUERY EXECUTE format('
		WITH stock AS MATERIALIZED (
			SELECT * FROM sellometer.stock_counts_from($1)
		), hours AS (
			SELECT s.product_id, sum(r.count) FILTER (WHERE r.event_time >= s.first_hour) AS sold,
				sum(r.count) FILTER (WHERE r.event_time >= s.first_hour AND r.event_time < s.first_hour + interval ''1 hour'') AS first_hour_sold,
				sum(r.count) FILTER (WHERE r.event_time >= $2)::bigint AS recent
			FROM sellometer.%I r JOIN stock s USING (product_id)
			WHERE r.event_type = ''purchase'' AND r.event_time >= (SELECT least(min(first_hour), $2) FROM stock)
			GROUP BY s.product_id
		), before AS (
			SELECT s.product_id, sum(t.count) AS sold
			FROM sellometer.product_id_minute t JOIN stock s USING (product_id)
			WHERE t.event_type = ''purchase'' AND t.event_time >= s.first_hour AND t.event_time < s.first_minute
				AND t.event_time >= (SELECT min(first_hour) FROM stock WHERE first_minute > first_hour)
				AND t.event_time < (SELECT max(first_minute) FROM stock WHERE first_minute > first_hour)
			GROUP BY s.product_id
		)
		SELECT s.product_id, coalesce(h.sold, 0) - coalesce(CASE WHEN s.first_minute = s.first_hour THEN 0
				WHEN s.first_hour >= (SELECT floor FROM sellometer.held(true) WHERE tier = ''minute'') THEN b.sold
				ELSE round(h.first_hour_sold * extract(epoch FROM s.first_minute - s.first_hour) / 3600) END, 0),
			coalesce(h.recent, 0)
		FROM stock s LEFT JOIN hours h USING (product_id) LEFT JOIN before b USING (product_id)',
		'own_realtime_product_id_' || sellometer.hour_tier()) USING products, window_from;
END
$$;
COMMENT ON FUNCTION sellometer.stock_sold_of_many(bigint[], timestamptz) IS
	'What stock_sold() gives, by reading all sales of the time: for very many products, after an import say';

CREATE FUNCTION sellometer.stock_sold(products bigint[], window_from timestamptz,
	OUT product_id bigint, OUT sold numeric, OUT recent bigint)
RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
	IF cardinality(products) > 5000 THEN
		RETURN QUERY SELECT * FROM sellometer.stock_sold_of_many(products, window_from);
	ELSE
		RETURN QUERY SELECT * FROM sellometer.stock_sold_of_few(products, window_from);
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.stock_sold(bigint[], timestamptz) IS
	'Of products of the inventory: pieces sold since as_of, and since window_from, which is a full hour';

/* When the data begins that a rate is made of: the window, or later if there is none before. */
CREATE FUNCTION sellometer.sales_from(window_from timestamptz)
RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN m.first < h.first + interval '1 hour' OR h.first IS NULL THEN m.first ELSE h.first END
	FROM (SELECT min(event_time) AS first FROM sellometer.totals WHERE tier = 'minute' AND event_type = ANY (enum_range(NULL::sellometer.event_type))
			AND event_time >= window_from) m,
		(SELECT min(event_time) AS first FROM sellometer.totals WHERE tier = sellometer.hour_tier()
			AND event_type = ANY (enum_range(NULL::sellometer.event_type)) AND event_time >= window_from) h
$$;
COMMENT ON FUNCTION sellometer.sales_from(timestamptz) IS 'The first time at or after window_from of which there is data';

CREATE FUNCTION sellometer.was_ever_sold(product bigint)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found boolean;
BEGIN
	EXECUTE format('SELECT EXISTS (SELECT FROM sellometer.%I r WHERE r.product_id = $1 AND r.event_type = ''purchase'')',
		'own_realtime_product_id_' || sellometer.hour_tier()) INTO found USING product;
	RETURN found;
END
$$;
COMMENT ON FUNCTION sellometer.was_ever_sold(bigint) IS 'Are there purchases of a product, as far back as hours are kept?';

/* Sales that are no longer known by the hour are not taken off: without a tier of hours that is soon, and a warning. */
CREATE FUNCTION sellometer.tell_old_stock(products bigint[])
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
DECLARE
	k record;
	n bigint;
	told text;
	why text;
	remedy text := 'Take stock anew, or have hours be kept for longer: sellometer_add_tier(), sellometer_alter_tier().';
BEGIN
	SELECT * INTO k FROM sellometer.held(true) h WHERE h.tier = sellometer.hour_tier();
	SELECT count(*) INTO n FROM sellometer.stock_counts_from(products) s
	WHERE s.first_hour < k.floor AND EXISTS (SELECT FROM sellometer.state st WHERE st.head > k.floor);
	IF n = 0 THEN
		RETURN;
	END IF;
	told := format('the stock of %s products was taken before %s, up to where sales are known', n, sellometer.shop_time(k.floor));
	why := format('Tier "%s" has nothing before that, and coarser tiers do not tell the hours: more may be sold than is taken off.', k.tier);
	IF k.granularity < interval '1 hour' THEN
		RAISE WARNING USING MESSAGE = told, DETAIL = why, HINT = remedy;
	ELSE
		RAISE NOTICE USING MESSAGE = told, DETAIL = why, HINT = remedy;
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.tell_old_stock(bigint[]) IS 'Say if stock was taken before the time that sales are known of';

CREATE FUNCTION sellometer.judge_inventory(products bigint[], head timestamptz)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	window_from timestamptz := date_bin('1 hour', head - sellometer.setting_length('sellometer.sales_window', '24h'),
		'2000-01-03 00:00+00');
	-- of a few minutes nobody knows how an hour will be
	hours numeric := greatest(extract(epoch FROM head - sellometer.sales_from(window_from)) / 3600, 1);
	few bigint := CASE WHEN hours * 3600 < extract(epoch FROM head - window_from) - 3600 THEN 3 ELSE 1 END;
BEGIN
	PERFORM sellometer.tell_old_stock(products);
	DELETE FROM sellometer.inventory_cover c
	WHERE c.product_id IN (SELECT unnest(products)) AND NOT EXISTS (SELECT FROM sellometer.inventory i WHERE i.product_id = c.product_id);
	INSERT INTO sellometer.inventory_cover AS c (product_id, sold, hourly, cover, low_stock, low_as_of, low, judged_at)
	SELECT s.product_id, s.sold, r.hourly, r.cover, i.stock, i.as_of,
		CASE WHEN i.stock > s.sold THEN coalesce(r.cover < i.lead_time AND s.recent >= few, false)
			ELSE s.sold > 0 OR s.recent > 0 OR sellometer.was_ever_sold(s.product_id) END,
		head
	FROM sellometer.stock_sold(products, window_from) s
	JOIN sellometer.inventory i USING (product_id)
	CROSS JOIN LATERAL (SELECT nullif(s.recent, 0) / hours AS hourly) q
	-- an interval ends somewhere: what lasts for a hundred years does so for ever
	CROSS JOIN LATERAL (SELECT round(q.hourly, 4) AS hourly,
		CASE WHEN i.stock <= s.sold THEN interval '0'
			WHEN q.hourly IS NOT NULL THEN make_interval(secs => least((i.stock - s.sold) / q.hourly * 3600, 3.15e9)::float8)
			END AS cover) r
	ON CONFLICT (product_id) DO UPDATE SET sold = excluded.sold, hourly = excluded.hourly, cover = excluded.cover,
		low = excluded.low, judged_at = excluded.judged_at, low_stock = CASE WHEN excluded.low THEN excluded.low_stock ELSE c.low_stock END,
		low_as_of = CASE WHEN excluded.low THEN excluded.low_as_of ELSE c.low_as_of END;
END
$$;
COMMENT ON FUNCTION sellometer.judge_inventory(bigint[], timestamptz) IS 'Make sellometer.inventory_cover of these products anew';

/*
 * Marks are taken, and their products judged in a later snapshot: a sale that is not in it has its mark still to come.  With
 * them those that are low, whose rate falls as time goes by, and some that were not judged for long, should sums have changed
 * in a way that nobody has noted.
 */
CREATE FUNCTION sellometer.refresh_inventory(head timestamptz)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	products bigint[];
BEGIN
	LOCK TABLE sellometer.inventory_cover IN SHARE ROW EXCLUSIVE MODE;
	WITH taken AS (
		DELETE FROM sellometer.inventory_marks RETURNING product_id
	)
	SELECT array_agg(product_id) INTO products FROM (
		SELECT product_id FROM taken
		UNION (SELECT product_id FROM sellometer.inventory_cover WHERE low ORDER BY judged_at LIMIT 1000)
		UNION (SELECT product_id FROM sellometer.inventory_cover ORDER BY judged_at LIMIT 100)) p;
	IF products IS NOT NULL THEN
		PERFORM sellometer.judge_inventory(products, head);
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.refresh_inventory(timestamptz) IS 'Bring sellometer.inventory_cover up to date for what has changed';

CREATE VIEW sellometer.own_low_inventory AS
	SELECT i.product_id, i.stock - c.sold AS stock_left, c.hourly AS sold_hourly, c.cover, i.lead_time, i.stock, i.as_of, c.sold, c.judged_at,
		sellometer.name_or_sku(i.product_id) AS name
	FROM sellometer.inventory_cover c JOIN sellometer.inventory i USING (product_id)
	WHERE c.low
	ORDER BY c.cover / extract(epoch FROM i.lead_time)::float8, i.product_id;
COMMENT ON VIEW sellometer.own_low_inventory IS 'What sellometer.low_inventory shows, of the products that this database counts';

CREATE VIEW sellometer.low_inventory AS SELECT * FROM sellometer.own_low_inventory;
COMMENT ON VIEW sellometer.low_inventory IS
	'Products whose stock does not last until new stock can be there, as sellometer_detect() last found, the most urgent first';
COMMENT ON COLUMN sellometer.low_inventory.stock_left IS 'stock less what was sold since; below 0: more was sold than there was';
COMMENT ON COLUMN sellometer.low_inventory.sold_hourly IS 'pieces sold an hour within sellometer.sales_window; NULL: none';
COMMENT ON COLUMN sellometer.low_inventory.cover IS 'how long the rest lasts at that rate';
COMMENT ON COLUMN sellometer.low_inventory.lead_time IS 'how long it takes to get new stock';
COMMENT ON COLUMN sellometer.low_inventory.stock IS 'what there was at as_of';
COMMENT ON COLUMN sellometer.low_inventory.sold IS 'pieces sold since as_of';
COMMENT ON COLUMN sellometer.low_inventory.judged_at IS 'the head when it was judged';
COMMENT ON COLUMN sellometer.low_inventory.name IS 'what the product is called, or the text that files know it by; NULL: not known';

INSERT INTO sellometer.detectors (kind, tells_well) VALUES ('low_inventory', true);

/* Of few nobody asks what they have in common; of more, all of the inventory is looked at. */
CREATE FUNCTION sellometer.low_groups(head timestamptz)
RETURNS TABLE (product_id bigint, dimension text, key text, odd bigint, seen bigint)
LANGUAGE plpgsql STABLE ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
	min_products bigint := current_setting('sellometer.stock_min_products');
BEGIN
	IF (SELECT count(*) FROM (SELECT FROM sellometer.inventory_cover c WHERE c.low LIMIT min_products) x) < min_products
		AND NOT EXISTS (SELECT FROM sellometer.own_alerts a WHERE a.kind = 'low_inventory' AND a.closed_at IS NULL AND a.dimension <> 'product_id') THEN
		RETURN;
	END IF;
	RETURN QUERY
	WITH items AS MATERIALIZED (
		SELECT c.product_id, c.low FROM sellometer.inventory_cover c
	), labels AS MATERIALIZED (
		SELECT DISTINCT ON (s.product_id) s.product_id, s.category, s.brand FROM sellometer.sold_products s JOIN items i USING (product_id)
		ORDER BY s.product_id, s.last_sold DESC NULLS LAST, s.brand DESC, s.category
	), lists AS (
		SELECT array_agg(i.product_id) AS products, array_agg(l.category) AS categories, array_agg(l.brand) AS brands, array_agg(i.low::integer) AS directions
		FROM items i LEFT JOIN labels l USING (product_id)
	)
	SELECT g.product_id, g.dimension, g.key, g.odd, g.seen
	FROM lists l CROSS JOIN LATERAL (SELECT array_fill(head, ARRAY[cardinality(l.products)]) AS times, array_fill(0::float8, ARRAY[cardinality(l.products)]) AS changes) x
	CROSS JOIN LATERAL sellometer.common_groups('low_inventory', l.products, l.categories, l.brands, l.directions, x.changes, x.times, x.times,
		min_products, current_setting('sellometer.stock_share')::float8) g;
END
$$;
COMMENT ON FUNCTION sellometer.low_groups(timestamptz) IS
	'Of products whose stock does not last: the category, brand, or all, of whose stock most does not last, if there is one';

CREATE FUNCTION sellometer.low_in_words(l sellometer.own_low_inventory, head timestamptz)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN l.stock_left <= 0 THEN format('%s: nothing is left of %s, %s were sold since %s; new stock takes %s', sellometer.key_in_words('product_id', l.product_id::text),
			l.stock, l.sold, sellometer.shop_time(l.as_of, head), sellometer.in_words(l.lead_time))
		ELSE format('%s: %s are left of %s; at %s sold %s that lasts for %s, and new stock takes %s', sellometer.key_in_words('product_id', l.product_id::text),
			l.stock_left, l.stock, trim_scale(CASE WHEN l.sold_hourly >= 1 THEN round(l.sold_hourly, 1) ELSE round(l.sold_hourly * 24, 1) END),
			CASE WHEN l.sold_hourly >= 1 THEN 'an hour' ELSE 'a day' END, sellometer.in_words(l.cover), sellometer.in_words(l.lead_time)) END
$$;
COMMENT ON FUNCTION sellometer.low_in_words(sellometer.own_low_inventory, timestamptz) IS 'How much is left of a product, and how long that lasts';

CREATE FUNCTION sellometer.detect_low_inventory(head timestamptz)
RETURNS SETOF sellometer.hinted_finding
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM sellometer.refresh_inventory(head);
	RETURN QUERY
	WITH low AS MATERIALIZED (
		SELECT l AS product, l.* FROM sellometer.own_low_inventory l
	), grouped AS MATERIALIZED (
		SELECT * FROM sellometer.low_groups(head)
	), told AS (					-- with the most urgent for one
		SELECT DISTINCT ON (g.dimension, g.key) g.dimension, g.key, g.odd, g.seen, l.product, l.judged_at,
			count(*) FILTER (WHERE l.stock_left <= 0) OVER (PARTITION BY g.dimension, g.key) AS gone
		FROM grouped g JOIN low l USING (product_id)
		ORDER BY g.dimension, g.key, l.cover / extract(epoch FROM l.lead_time)::float8, l.product_id
	)
	SELECT CASE WHEN t.gone * 2 >= t.odd THEN 'critical' ELSE 'warning' END, t.dimension, t.key, t.judged_at, t.odd::numeric, t.seen::numeric, round(t.odd::numeric / t.seen, 2)::float8,
		format('stock of %s of the %s products of %s does not last until an order is there, and of %s nothing is left; %s', t.odd, t.seen,
			sellometer.key_in_words(t.dimension, t.key), t.gone, sellometer.low_in_words(t.product, head)),
		'Order more now: sellometer.low_inventory has them all, the most urgent first.  If there is some, take stock: sellometer.inventory.', NULL::timestamptz
	FROM told t
	UNION ALL
	SELECT CASE WHEN l.stock_left > 0 THEN 'warning' ELSE 'critical' END, 'product_id', l.product_id::text, l.judged_at,
		round(extract(epoch FROM l.cover) / 3600, 2), round(extract(epoch FROM l.lead_time) / 3600, 2),
		(extract(epoch FROM l.lead_time) / nullif(extract(epoch FROM l.cover), 0))::float8, sellometer.low_in_words(l.product, head),
		CASE WHEN l.stock_left <= 0 THEN 'Order more, and take the product off sale.  If there is some, take stock: sellometer.inventory.' ELSE 'Order more now, or it sells out before the order is there.' END, NULL
	FROM low l WHERE l.product_id NOT IN (SELECT g.product_id FROM grouped g)
	UNION ALL
	-- what lasts hardly longer than an order takes would be low again soon, unless stock was taken anew
	SELECT CASE WHEN g.product_id IS NOT NULL OR c.product_id IS NULL OR c.cover IS NULL OR (i.stock, i.as_of) IS DISTINCT FROM (c.low_stock, c.low_as_of) THEN 'over' ELSE 'well' END,
		'product_id', a.key, head, NULL::numeric, NULL::numeric, NULL::float8, 'lasts', NULL, NULL::timestamptz
	FROM sellometer.own_alerts a LEFT JOIN (sellometer.inventory_cover c JOIN sellometer.inventory i USING (product_id)) ON c.product_id::text = a.key
	LEFT JOIN grouped g ON g.product_id = c.product_id
	WHERE a.kind = 'low_inventory' AND a.closed_at IS NULL AND a.dimension = 'product_id'
		AND (g.product_id IS NOT NULL OR c.product_id IS NULL OR NOT c.low AND (c.cover IS NULL OR c.cover >= 1.25 * i.lead_time OR (i.stock, i.as_of) IS DISTINCT FROM (c.low_stock, c.low_as_of)))
	UNION ALL
	SELECT 'well', a.dimension, a.key, head, NULL, NULL, NULL, 'lasts', NULL, NULL FROM sellometer.own_alerts a
	WHERE a.kind = 'low_inventory' AND a.closed_at IS NULL AND a.dimension <> 'product_id';
END
$$;
COMMENT ON FUNCTION sellometer.detect_low_inventory(timestamptz) IS
	'Products whose stock does not last until new stock can be there: observed is how many hours it lasts, expected the lead time; one for a brand, a category, or for all, where that is so of most';

REVOKE ALL ON FUNCTION sellometer.mark_inventory() FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.stock_counts_from(bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.stock_sold(bigint[], timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.stock_sold_of_few(bigint[], timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.stock_sold_of_many(bigint[], timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.hour_tier() FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.sales_from(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.was_ever_sold(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.tell_old_stock(bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.judge_inventory(bigint[], timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.refresh_inventory(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.low_groups(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.detect_low_inventory(timestamptz) FROM PUBLIC;
