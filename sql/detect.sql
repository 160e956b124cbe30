-- What the detectors find, each by example
\set name sellometer_detect_test
\getenv abs_srcdir PG_ABS_SRCDIR
\set source :abs_srcdir /sql/include/source.psql
\i :source
CREATE TABLE detect_events (event_time timestamptz, event_type text DEFAULT 'view', product_id bigint DEFAULT 1, category_id bigint DEFAULT 11,
	category_code text DEFAULT 'a.b.c', price numeric DEFAULT 1, user_session text);
-- load what stands in the table as one object, and look
CREATE FUNCTION pg_temp.put(key text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT * FROM detect_events ORDER BY event_time) TO %L (FORMAT csv, HEADER)',
		current_setting('data_directory') || '/sellometer_detect_test/' || key);
	DELETE FROM detect_events;
END
$$;
CREATE VIEW detect_alerts AS
SELECT kind, severity, dimension, key, event_time, observed, expected, score, detail FROM sellometer.alerts
WHERE closed_at IS NULL ORDER BY kind, key;
SELECT sellometer_add_source('shop', :'url');
-- what is no longer found is over at once; many at once are told one by one
SET sellometer.alert_hold = 0;
SET sellometer.price_min_products = 100;
SET sellometer.price_min_sales = 20;

-- sales between 96.00 and 104.00, each at a price of its own; of product 2 one less than enough; product 3 has one price
INSERT INTO detect_events SELECT timestamptz '2019-10-01 08:00+00' + i * interval '1 min', 'purchase', p, 11, 'a.b.c',
	CASE p WHEN 3 THEN 100 ELSE 96 + (i * 7 % 21) * 0.4 END
FROM generate_series(1, 20) i, generate_series(1, 9) p WHERE p <> 2 OR i > 1;
SELECT pg_temp.put('1.csv');
CALL sellometer_ingest();
CALL sellometer_detect();
SELECT product_id, count(*), sum(count), min(first_seen), max(last_seen), min(price), max(price) FROM sellometer.offer_history GROUP BY 1 ORDER BY 1 LIMIT 3;
SELECT product_id, category, sales, low, high FROM sellometer.sold_products ORDER BY 1;
-- usual is what was sold before a minute, of whatever was sold since
SELECT product_id, minute, sales, round(exp(log_median)::numeric, 4) AS usual, round(log_mad::numeric, 4) AS mad
FROM sellometer.usual_prices('{1,3,1,2}', '{2019-10-01 08:11+00,2019-10-01 09:00+00,2019-10-01 09:00+00,2019-10-01 08:01+00}', '2019-10-01') ORDER BY 1, 2;

-- a tenth; too few sales; a sale of -30 %; ten times, by a view without a session; nothing; half, hardly; a purchase
INSERT INTO detect_events (event_time, product_id, price, user_session) VALUES
	('2019-10-01 10:00:20+00', 1, 9.9, 's'), ('2019-10-01 10:00:30+00', 2, 9.9, 's'), ('2019-10-01 10:00:30+00', 3, 70, 's'),
	('2019-10-01 10:00:40+00', 4, 1000, NULL), ('2019-10-01 10:00:40+00', 5, 0, 's'), ('2019-10-01 10:00:40+00', 6, 55, 's'),
	('2019-10-01 10:00:40+00', 7, 45, 's'), ('2019-10-01 10:00:50+00', 10, 5, 's');
INSERT INTO detect_events (event_time, event_type, product_id, price) VALUES ('2019-10-01 10:00:50+00', 'purchase', 8, 0.5);
SELECT pg_temp.put('2.csv');
CALL sellometer_ingest();
CALL sellometer_detect();
SELECT * FROM detect_alerts;

-- seen at a usual price again: closed; still odd: stays; another odd price: the last counts
INSERT INTO detect_events (event_time, product_id, price, user_session) VALUES
	('2019-10-01 10:05:00+00', 1, 99, 't'), ('2019-10-01 10:05:10+00', 4, 990, 't'), ('2019-10-01 10:05:10+00', 7, 9, 't');
SELECT pg_temp.put('3.csv');
CALL sellometer_ingest();
CALL sellometer_detect();
SELECT kind, severity, key, observed, detail FROM detect_alerts;

-- not seen for long: nobody knows that it is over
INSERT INTO detect_events (event_time, product_id, price, user_session) VALUES ('2019-10-01 10:20:30+00', 9, 99, 't');
SELECT pg_temp.put('4.csv');
CALL sellometer_ingest();
CALL sellometer_detect();
SELECT kind, severity, key, observed, detail FROM detect_alerts;

-- a price near which one in twenty was sold before is no news; of 8 these were fewer
INSERT INTO detect_events (event_time, event_type, product_id, price)
SELECT timestamptz '2019-09-29 10:00+00' + i * interval '1 min', 'purchase', p, CASE WHEN p = 9 OR i = 7 THEN 20 ELSE 100 END
FROM generate_series(1, 21) i, generate_series(8, 9) p WHERE p = 8 OR i = 1;
SELECT pg_temp.put('5.csv');
INSERT INTO detect_events (event_time, product_id, price, user_session) VALUES ('2019-10-01 10:21+00', 9, 20, 'u'), ('2019-10-01 10:24+00', 9, 20.01, 'v'), ('2019-10-01 10:24+00', 8, 20, 'v');
SELECT pg_temp.put('6.csv');
CALL sellometer_ingest();
CALL sellometer_merge_backlog();
CALL sellometer_detect();
SELECT kind, severity, key, observed FROM detect_alerts;
SET sellometer.price_min_change = 0.9;
CALL sellometer_detect();
RESET sellometer.price_min_change;
SELECT count(*) FROM detect_alerts;

-- days that are no longer kept go, and baselines with them
INSERT INTO detect_events (event_time, event_type, product_id, price) VALUES ('2019-10-31 12:00+00', 'purchase', 1, 5);
SELECT pg_temp.put('7.csv');
CALL sellometer_ingest();
CALL sellometer_prune();
SELECT count(*), min(day), max(day) FROM sellometer.offer_history;
SELECT product_id, sales FROM sellometer.sold_products ORDER BY 1 LIMIT 2;
SELECT count(*), min(minute) FROM sellometer.recent_sales;
INSERT INTO detect_events (event_time, event_type, product_id, price) VALUES ('2019-11-02 12:00+00', 'purchase', 1, 5);
SELECT pg_temp.put('8.csv');
CALL sellometer_ingest();
CALL sellometer_prune();
SELECT day, product_id, event_type, count, first_seen, last_seen, price, category FROM sellometer.offer_history;
SELECT product_id, sales FROM sellometer.sold_products;

-- views as always, but no purchases
CREATE FUNCTION pg_temp.traffic(first integer, last integer, purchases integer) RETURNS void LANGUAGE sql AS $$
	INSERT INTO detect_events (event_time, event_type, product_id, price)
	SELECT timestamptz '2019-11-10 10:00+00' + m * interval '1 minute' + i * interval '0.5 s', CASE WHEN i <= 100 THEN 'view' ELSE 'purchase' END, 50, 10
	FROM generate_series(first, last) m, generate_series(1, 100 + purchases) i
$$;
CREATE FUNCTION pg_temp.load(key text, first integer, last integer, purchases integer) RETURNS void LANGUAGE sql AS $$
	SELECT pg_temp.traffic(first, last - 1, purchases);
	SELECT pg_temp.put(key || '1.csv');
	SELECT pg_temp.traffic(last, last, purchases);		-- the head is the middle of an object
	SELECT pg_temp.put(key || '2.csv');
$$;
SELECT pg_temp.load('a', 0, 69, 5);
CALL sellometer_ingest();
CALL sellometer_detect();
SELECT * FROM detect_alerts;
SELECT pg_temp.load('b', 70, 73, 0);
CALL sellometer_ingest();
CALL sellometer_detect();
SELECT kind, severity, key, event_time, observed, expected, score, detail FROM detect_alerts;
SELECT pg_temp.load('c', 74, 78, 0);
CALL sellometer_ingest();
CALL sellometer_detect();
SELECT kind, severity, key, event_time, observed, expected, score, detail FROM detect_alerts;
SELECT pg_temp.load('d', 79, 87, 5);
CALL sellometer_ingest();
CALL sellometer_detect();
SELECT count(*) FROM detect_alerts;
-- too many
SELECT pg_temp.load('e', 88, 96, 50);
CALL sellometer_ingest();
CALL sellometer_detect();
SELECT kind, severity, key, event_time, observed, expected, score, detail FROM detect_alerts;
SELECT sellometer_mute('volume_anomaly');

-- three of four products of a category change their label, one of another, one only for some servers, one that hardly sells
INSERT INTO detect_events (event_time, event_type, product_id, category_code)
SELECT timestamptz '2019-11-10 11:40+00' + i * interval '1 s', 'purchase', p, CASE WHEN p < 25 THEN 'electronics.smartphone' ELSE 'a.b' END
FROM generate_series(1, 3) i, generate_series(21, 27) p WHERE p < 27 OR i = 1;
SELECT pg_temp.put('s1.csv');
INSERT INTO detect_events (event_time, product_id, category_code)
SELECT timestamptz '2019-11-10 11:50:10+00' + i * interval '30 s', p,
	CASE WHEN p <> 24 AND (p <> 26 OR i % 2 = 0) THEN 'construction.tools.light' WHEN p = 24 THEN 'electronics.smartphone' ELSE 'a.b' END
FROM generate_series(0, 11) i, generate_series(21, 27) p;
SELECT pg_temp.put('s2.csv');
CALL sellometer_ingest();
CALL sellometer_detect();
SELECT * FROM detect_alerts;
-- under the old label again
INSERT INTO detect_events (event_time, product_id, category_code)
SELECT timestamptz '2019-11-10 12:00:10+00', p, CASE WHEN p < 25 THEN 'electronics.smartphone' ELSE 'a.b' END FROM generate_series(21, 27) p;
SELECT pg_temp.put('s3.csv');
CALL sellometer_ingest();
CALL sellometer_detect();
SELECT * FROM detect_alerts;

-- overrides: from an event time on, whatever the order of arrival; that of a product goes first; until the next one
SELECT head FROM sellometer.state;
SELECT sellometer_override_category('Repaired.Label', category_id => 77);
SELECT sellometer_override_category('own', product_id => 32);
SELECT sellometer_override_category(NULL, category_id => 77, since => '2019-11-10 12:06+00');
SELECT sellometer_override_category('x', category_id => 77, since => '2019-11-10 12:07+00');
SELECT sellometer_override_category('y', category_id => 77, since => '2019-11-10 12:07+00');
INSERT INTO detect_events (event_time, event_type, product_id, category_id, category_code)
SELECT timestamptz '2019-11-10 12:00:30+00' + i * interval '1 min', 'purchase', p, 77, 'bad.label' FROM generate_series(0, 8, 2) i, unnest(ARRAY[31, 32]) p;
SELECT pg_temp.put('o1.csv');
CALL sellometer_ingest();
INSERT INTO detect_events (event_time, event_type, product_id, category_id, category_code)
SELECT timestamptz '2019-11-10 12:00:30+00' + i * interval '1 min', 'purchase', p, 77, 'bad.label' FROM generate_series(1, 7, 2) i, unnest(ARRAY[31, 32]) p;
INSERT INTO detect_events (event_time, event_type, product_id, category_id) VALUES ('2019-11-10 12:02:59.999999+00', 'purchase', 31, 78);
SELECT pg_temp.put('o2.csv');
CALL sellometer_ingest();
SELECT event_time, category_l3, count FROM sellometer.purchase_category_l3_minute WHERE event_time >= '2019-11-10 12:00+00' ORDER BY 1, 2;
SELECT product_id, category_id, code, since FROM sellometer.category_overrides ORDER BY since, code;
SELECT sellometer_override_category('late', product_id => 31, since => '2019-11-10 11:00+00');
SELECT sellometer_override_category('a', 1, 2);
SELECT sellometer_override_category('a');
SELECT sellometer_override_category(' ', 1);

-- views are read once for all detectors of a run, who see what each would see by itself
INSERT INTO detect_events (event_time, product_id, price, user_session) SELECT timestamptz '2019-11-10 13:00+00' + i * interval '20 s', 40 + i % 3, 1 + i % 2, 's' || i % 7
FROM generate_series(0, 120) i;
SELECT pg_temp.put('v1.csv');
CALL sellometer_ingest();
CREATE VIEW detect_views AS
SELECT w.length, v.* FROM sellometer.state s, (VALUES (interval '15 minutes'), ('30 minutes'), ('20 minutes')) w (length),
	LATERAL sellometer.recent_views(s.head - w.length, s.head + interval '10 minutes') v;
CREATE TABLE detect_seen AS TABLE detect_views;
SELECT length, count(*), sum(views), min(first_seen), max(last_seen) FROM detect_seen GROUP BY length ORDER BY length;
CREATE FUNCTION sellometer.detect_other_views(head timestamptz) RETURNS SETOF sellometer.finding LANGUAGE sql AS $$
	SELECT 'warning', 'all', d.length::text, head, count(*), 0, 0::float8, 'differ' FROM (
		(TABLE public.detect_views EXCEPT TABLE public.detect_seen) UNION ALL (TABLE public.detect_seen EXCEPT TABLE public.detect_views)) d GROUP BY d.length
$$;
INSERT INTO sellometer.detectors VALUES ('other_views');
CALL sellometer_detect();
SELECT key, observed FROM sellometer.alerts WHERE kind = 'other_views';
UPDATE detect_seen SET views = views + 1 WHERE length = '15 minutes' AND product_id = 40;
CALL sellometer_detect();
SELECT key, observed FROM sellometer.alerts WHERE kind = 'other_views';
DELETE FROM sellometer.detectors WHERE kind = 'other_views';
CREATE VIEW detect_reads AS SELECT sum(seq_scan + coalesce(idx_scan, 0)) AS n FROM pg_stat_all_tables WHERE schemaname = 'sellometer' AND relname ~ '^view_log';
SELECT pg_stat_force_next_flush();
SELECT n AS before FROM detect_reads \gset
SELECT count(*) FROM detect_views WHERE length = '30 minutes';
SELECT pg_stat_force_next_flush();
SELECT n - :before AS once, n AS before FROM detect_reads \gset
CALL sellometer_detect();
SELECT pg_stat_force_next_flush();
SELECT n - :before = :once AS once FROM detect_reads;

SET client_min_messages = warning;
DROP EXTENSION sellometer CASCADE;
DROP TABLE detect_events, detect_seen;
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf sellometer_detect_test';
