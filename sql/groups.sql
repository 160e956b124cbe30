-- One alert for what many products have in common: a brand, a category, all; of prices, labels and stock
\set name sellometer_groups_test
\getenv abs_srcdir PG_ABS_SRCDIR
\set source :abs_srcdir /sql/include/source.psql
\i :source
SET timezone = 'UTC';
SET datestyle = 'ISO';
UPDATE sellometer.detectors SET enabled = kind = 'price_anomaly';

-- what is noted of events without a session: one at a price, of each product
CREATE FUNCTION pg_temp.offer(type sellometer.event_type, first bigint, last bigint, n integer, price numeric, t timestamptz, category text, brand text)
RETURNS void LANGUAGE sql AS $$
	INSERT INTO sellometer.offer_log (day, product_id, event_type, count, first_seen, last_seen, price, category, brand)
	SELECT (m AT TIME ZONE 'UTC')::date, p, type, 1, m, m, price, category, brand
	FROM generate_series(first, last) p, generate_series(0, n - 1) i, LATERAL (SELECT t + i * interval '1 minute' AS m) x
$$;
CREATE PROCEDURE pg_temp.look(t timestamptz) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE sellometer.state SET head = t;
	CALL sellometer_detect();
END
$$;
CREATE VIEW pg_temp.open AS
SELECT kind, severity, dimension, key, observed, expected, score, detail FROM sellometer.alerts WHERE closed_at IS NULL ORDER BY kind, dimension, length(key), key;
-- so many of each brand in each of three categories: acme's products have two digits, others' three; globex is in one category only
CREATE PROCEDURE pg_temp.events(type sellometer.event_type, acme numeric, globex numeric, others numeric, t timestamptz, n integer DEFAULT 1) LANGUAGE sql AS $$
	SELECT pg_temp.offer(type, 10, 19, n, acme, t, 'a.b.c', 'acme'), pg_temp.offer(type, 20, 29, n, acme, t, 'a.b.d', 'acme'), pg_temp.offer(type, 30, 39, n, acme, t, 'e.f.g', 'acme'),
		pg_temp.offer(type, 50, 59, n, globex, t, 'h.i.j', 'globex'), pg_temp.offer(type, 300, 309, n, globex, t, 'h.i.j', 'initech'),
		pg_temp.offer(type, 100, 129, n, others, t, 'a.b.c', 'umbrella'), pg_temp.offer(type, 130, 159, n, others, t, 'a.b.d', ''), pg_temp.offer(type, 160, 189, n, others, t, 'e.f.g', 'hooli')
$$;
CALL pg_temp.events('purchase', 100, 100, 100, '2019-10-01 08:00', 30);
-- a brand's prices, in three categories, are in another currency: one alert
CALL pg_temp.events('view', 3000, 100, 100, '2019-10-01 10:00');
CALL pg_temp.look('2019-10-01 10:01');
TABLE pg_temp.open;
-- some of them are mended, others come back: it does not flap
SELECT pg_temp.offer('view', 10, 29, 1, 100, '2019-10-01 10:05', 'a.b.c', 'acme');
CALL pg_temp.look('2019-10-01 10:07');
SELECT pg_temp.offer('view', 10, 19, 1, 3000, '2019-10-01 10:10', 'a.b.c', 'acme');
CALL pg_temp.look('2019-10-01 10:11');
CALL pg_temp.events('view', 100, 100, 100, '2019-10-01 10:13');
CALL pg_temp.look('2019-10-01 10:17');
CALL pg_temp.look('2019-10-01 10:28');
SELECT dimension, key, closed_at IS NOT NULL AS closed FROM sellometer.alerts ORDER BY id;
-- a category of two brands that are nowhere else: that, and neither brand
CALL pg_temp.events('view', 100, 30, 100, '2019-10-01 12:00');
CALL pg_temp.look('2019-10-01 12:01');
SELECT dimension, key, detail FROM pg_temp.open;
CALL pg_temp.events('view', 100, 100, 100, '2019-10-01 12:05');
CALL pg_temp.look('2019-10-01 12:06');
CALL pg_temp.look('2019-10-01 12:17');
-- a brand and a category at once: both
CALL pg_temp.events('view', 3000, 3000, 100, '2019-10-01 13:00');
CALL pg_temp.look('2019-10-01 13:01');
SELECT dimension, key, observed FROM pg_temp.open;
-- a product of the brand that is much farther off is told of by itself
SELECT pg_temp.offer('view', 15, 15, 1, 1, '2019-10-01 13:02', 'a.b.c', 'acme'), pg_temp.offer('view', 16, 16, 1, 90000, '2019-10-01 13:02', 'a.b.c', 'acme');
CALL pg_temp.look('2019-10-01 13:03');
SELECT dimension, key, observed FROM pg_temp.open;

-- all of a brand, but these are few: one by one
DELETE FROM sellometer.alerts;
SELECT pg_temp.offer('purchase', 400, 403, 30, 100, '2019-10-01 08:00', 'p.q.r', 'tiny'), pg_temp.offer('view', 400, 403, 1, 1000, '2019-10-01 14:00', 'p.q.r', 'tiny');
CALL pg_temp.look('2019-10-01 14:01');
SELECT dimension, key, observed FROM pg_temp.open;

-- labels: of a brand, in three categories; then of all
DELETE FROM sellometer.alerts;
UPDATE sellometer.detectors SET enabled = kind = 'category_shift';
SELECT pg_temp.offer('view', 10, 39, 2, 100, '2019-10-01 15:00', 'x.y.z', 'acme'), pg_temp.offer('view', 50, 59, 2, 100, '2019-10-01 15:00', 'h.i.j', 'globex'),
	pg_temp.offer('view', 100, 129, 2, 100, '2019-10-01 15:00', 'a.b.c', 'umbrella'), pg_temp.offer('view', 130, 159, 2, 100, '2019-10-01 15:00', 'a.b.d', ''),
	pg_temp.offer('view', 160, 189, 2, 100, '2019-10-01 15:00', 'e.f.g', 'hooli');
CALL pg_temp.look('2019-10-01 15:02');
TABLE pg_temp.open;
SELECT hint FROM sellometer.alerts WHERE closed_at IS NULL;
SELECT pg_temp.offer('view', 100, 129, 2, 100, '2019-10-01 15:10', 'c.c.c', 'umbrella'), pg_temp.offer('view', 130, 159, 2, 100, '2019-10-01 15:10', 'd.d.d', ''),
	pg_temp.offer('view', 160, 189, 2, 100, '2019-10-01 15:10', 'g.g.g', 'hooli');
CALL pg_temp.look('2019-10-01 15:13');
SELECT dimension, key, observed, expected, detail FROM pg_temp.open;
CALL pg_temp.events('view', 100, 100, 100, '2019-10-01 15:20');
CALL pg_temp.look('2019-10-01 15:24');
CALL pg_temp.look('2019-10-01 15:50');
SELECT dimension, key, closed_at IS NOT NULL AS closed FROM sellometer.alerts ORDER BY id;

-- stock: of one of two categories hardly anything is left; of some of another, that of a brand; a product alone
DELETE FROM sellometer.alerts;
UPDATE sellometer.detectors SET enabled = kind = 'low_inventory';
CREATE TABLE groups_events AS SELECT timestamptz '2019-10-02 08:00+00' + m * interval '10 minutes' + p * interval '1 s' AS event_time, 'purchase' AS event_type, p AS product_id,
	CASE WHEN p < 200 THEN 'k.l.m' ELSE 'n.o.p' END AS category_code, CASE WHEN p % 100 < 10 THEN 'wayne' ELSE 'stark' END AS brand, 10 AS price
FROM generate_series(0, 30) m, (SELECT generate_series(100, 119) UNION ALL SELECT generate_series(200, 229)) p (p);
CREATE FUNCTION pg_temp.put(key text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY groups_events TO %L (FORMAT csv, HEADER)', current_setting('data_directory') || '/sellometer_groups_test/' || key);
END
$$;
SELECT pg_temp.put('2019-10-02-08-00-1.csv');
DELETE FROM sellometer.offer_log;
DELETE FROM sellometer.sold_products;
UPDATE sellometer.state SET head = '-infinity';
SELECT sellometer_add_source('shop', :'url');
CALL sellometer_ingest();
CALL sellometer_merge_backlog();
-- all last
INSERT INTO sellometer.inventory SELECT DISTINCT product_id, 1000, timestamptz '2019-10-02 08:00+00', interval '6 hours' FROM groups_events;
CALL sellometer_detect();
TABLE pg_temp.open;
UPDATE sellometer.inventory SET stock = 35 WHERE product_id < 120 OR product_id = 225;
UPDATE sellometer.inventory SET stock = 20 WHERE product_id < 105;
CALL sellometer_detect();
TABLE pg_temp.open;
UPDATE sellometer.inventory SET stock = 1000 WHERE product_id BETWEEN 110 AND 199 OR product_id = 225;
UPDATE sellometer.inventory SET stock = 35 WHERE product_id BETWEEN 200 AND 209;
CALL sellometer_detect();
CALL sellometer_detect();
UPDATE sellometer.state SET head = head + interval '11 minutes';
CALL sellometer_detect();
SELECT severity, dimension, key, observed, expected FROM pg_temp.open;
UPDATE sellometer.inventory SET stock = 35;
CALL sellometer_detect();
SELECT severity, dimension, key, observed, expected FROM pg_temp.open WHERE dimension = 'all';
-- all is there again
UPDATE sellometer.inventory SET stock = 1000;
CALL sellometer_detect();
UPDATE sellometer.state SET head = head + interval '2 days';
CALL sellometer_detect();
SELECT count(*) FROM pg_temp.open;
-- few are told one by one
SET sellometer.stock_min_products = 6;
UPDATE sellometer.inventory SET stock = 0 WHERE product_id BETWEEN 100 AND 104;
CALL sellometer_detect();
SELECT dimension, key FROM pg_temp.open;
RESET sellometer.stock_min_products;

-- of what was sold in the last minutes alone, seven of a brand are too few for all, and for the category that many others are of
UPDATE sellometer.state SET head = '2019-11-20 10:00+00';
SELECT pg_temp.offer('purchase', 1000, 1006, 6, 1, '2019-11-20 08:00+00', 'm.n.o', 'rare'), pg_temp.offer('purchase', 1100, 1199, 6, 1, '2019-11-20 09:55+00', 'm.n.o', 'common');
SELECT sellometer.fold_offers() > 0 AS folded;
SELECT t.first_seen, g.* FROM (VALUES (interval '10 minutes'), (interval '0')) t (first_seen),
	LATERAL (SELECT array_agg(p::bigint) AS products, array_agg(1) AS directions, array_agg(s.head - t.first_seen) AS first_seen FROM generate_series(1000, 1006) p, sellometer.state s) x,
	sellometer.state s, sellometer.possible_groups(s.head, x.products, x.directions, x.first_seen, 5, 0.5, 5) g ORDER BY 1 DESC, 2, 3;
SELECT count(*) AS too_few FROM sellometer.possible_groups('2019-11-20 10:00+00', '{1000,1001}', '{1,1}', '{2019-11-20 10:00+00,2019-11-20 10:00+00}', 5, 0.5, 5);
SELECT count(*) AS both_ways FROM sellometer.possible_groups('2019-11-20 10:00+00', '{1000,1001,1002,1003,1004}', '{1,1,1,-1,-1}', array_fill('2019-11-20 10:00+00'::timestamptz, '{5}'), 5, 0.5, 5);

COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf sellometer_groups_test';
SET client_min_messages = warning;
DROP TABLE groups_events;
DROP EXTENSION sellometer CASCADE;
