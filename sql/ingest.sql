-- Loading: shapes of objects, rejected rows, views once, objects one by one
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS sellometer CASCADE;
CREATE EXTENSION sellometer;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never

SELECT current_setting('data_directory') || '/sellometer_ingest_test' AS dir \gset
\set url 'file://' :dir /
CREATE FUNCTION pg_temp.sh(command text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', 'cat > /dev/null; cd sellometer_ingest_test; ' || command);
END
$$;
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf sellometer_ingest_test; mkdir sellometer_ingest_test';
-- an object of these lines; the first is the header
CREATE FUNCTION pg_temp.put(key text, VARIADIC lines text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT unnest(%L::text[])) TO %L', lines,
		current_setting('data_directory') || '/sellometer_ingest_test/' || key);
END
$$;
-- an object of the most usual columns
CREATE FUNCTION pg_temp.put_events(key text, VARIADIC lines text[]) RETURNS void LANGUAGE sql AS $$
	SELECT pg_temp.put(key, VARIADIC ARRAY['event_time,event_type,product_id,category_code,brand,price,user_session'] || lines)
$$;
CREATE VIEW pg_temp.ledger AS
SELECT key, state, rows_total AS total, rows_counted AS counted, rows_duplicate AS dup, rows_rejected AS rejected,
	rows_expired AS expired, attempts, error, sqlstate
FROM sellometer.objects ORDER BY id;
CREATE VIEW pg_temp.products AS
SELECT event_time, product_id, event_type, count, gmv FROM sellometer.product_id_minute
ORDER BY event_time, product_id, event_type;

SELECT sellometer_add_source('shop', :'url');

-- shapes: any order of columns, unknown ones, quotes; pandas; ISO 8601; CRLF; a byte order mark; the last line open
SELECT pg_temp.put('2019-10-01-10-00-order.csv', 'price,weather,event_type,event_time,product_id,brand',
	'1.00,sunny,view,2019-10-01 10:00:00 UTC,1,"a ""b"", c"', '2.00,"rain
and wind",cart,2019-10-01 10:00:59 UTC,1,');
SELECT pg_temp.put('2019-10-01-10-01-pandas.csv', ',event_time,event_type,product_id,price', '0,2019-10-01 10:01:00,view,1,1.5',
	'1,2019-10-01 10:01:30,view,1,1.5');
SELECT pg_temp.put('2019-10-01-10-02-iso.csv', 'event_time,event_type,product_id,price', '2019-10-01T10:02:00Z,view,1,1',
	'2019-10-01T12:02:00.999+02:00,view,1,1', '', '2019-10-01 10:02:01.5,VIEW,1,1', '2019-10-01T10:02:02, Purchase ,1,1');
SELECT pg_temp.sh($$printf '\357\273\277event_time,event_type,product_id,price\r\n2019-10-01 10:03:00,view,1,1.0001\r\n2019-10-01 10:03:01,view,2,2' > 2019-10-01-10-03-crlf.csv$$);
SELECT pg_temp.sh($$(cat 2019-10-01-10-03-crlf.csv; printf '\r\n') | gzip > 2019-10-01-10-04-gzip-without-saying.csv;
	(printf 'event_time,event_type,product_id,price\n' | gzip; printf '2019-10-01 10:04:00,purchase,1,5\n' | gzip) > 2019-10-01-10-04-two.csv.gz$$);
SELECT pg_temp.sh($$: > 2019-10-01-10-05-empty.csv; printf 'event_time,event_type,product_id,price' > 2019-10-01-10-05-header.csv$$);
CALL sellometer_ingest();
SELECT * FROM pg_temp.ledger;
SELECT * FROM pg_temp.products;
SELECT event_time, event_type, count, brand, gmv FROM sellometer.brand_minute WHERE brand <> '1' ORDER BY 1, 4;
SELECT key, object_time, first_event, last_event FROM sellometer.objects ORDER BY id;
SELECT head FROM sellometer.state;

-- categories: filled to three levels, cut to three, from the id, or unknown
SELECT pg_temp.put('2019-10-01-10-06-categories.csv', 'event_time,event_type,product_id,category_id,category_code,price',
	'2019-10-01 10:06:00,view,1,11,headphones,1', '2019-10-01 10:06:00,view,2,11,Electronics.Smartphone,1',
	'2019-10-01 10:06:00,view,3,11,a.b.c.d,1', '2019-10-01 10:06:00,view,4,11,,1', '2019-10-01 10:06:00,view,5,,,1');
CALL sellometer_ingest();
SELECT category_l1, category_l2, category_l3 FROM
	(SELECT row_number() OVER (ORDER BY category_l1 COLLATE "C") AS n, category_l1 FROM sellometer.category_l1_minute WHERE event_time = '2019-10-01 10:06') a
	JOIN (SELECT row_number() OVER (ORDER BY category_l2 COLLATE "C") AS n, category_l2 FROM sellometer.category_l2_minute WHERE event_time = '2019-10-01 10:06') b USING (n)
	JOIN (SELECT row_number() OVER (ORDER BY category_l3 COLLATE "C") AS n, category_l3 FROM sellometer.category_l3_minute WHERE event_time = '2019-10-01 10:06') c USING (n)
ORDER BY n;

-- rejected rows: each kind, and where and why
SELECT pg_temp.put('2019-10-01-10-07-rejects.csv', 'event_time,event_type,product_id,category_id,price,user_id',
	'2019-10-01 10:07:00,view,1,,1,', '2019-10-01 24:07:00,view,1,,1,', 'yesterday,view,1,,1,', '2019-10-01 10:07:00,look,1,,1,',
	'2019-10-01 10:07:00,view,one,,1,', '2019-10-01 10:07:00,view,,,1,', '2019-10-01 10:07:00,view,1,,-1,',
	'2019-10-01 10:07:00,view,1,,1.00001,', '2019-10-01 10:07:00,view,1,,1000000000000,', '2019-10-01 10:07:00,view,1,,1e3,',
	'2019-10-01 10:07:00,view,1,x,1,', '2019-10-01 10:07:00,view,1,,1,me', '2019-10-01 10:07:00,view,1,,1',
	'2019-10-01 10:07:00,view,1,,1,,x', '2099-01-01 00:00:00,view,1,,1,', '2019-10-03 10:07:00,view,1,,1,',
	'2019-10-01 10:07:00,view,1,,"1"x,', '2019-10-01 10:07:59,purchase,1,,999999999999.9999,');
SELECT pg_temp.sh($$printf 'event_time,event_type,product_id,price,brand\n2019-10-01 10:07:00,view,1,1,a\377b\n2019-10-01 10:07:00,view,1,1,a\000b\n2019-10-01 10:07:00,view,1,1,%s\n2019-10-01 10:07:01,purchase,1,1,gr\303\274n\n' $(printf '%01100d' 7) > 2019-10-01-10-07-spoilt.csv;
	(printf 'event_time,event_type,product_id,price,x\n2019-10-01 10:07:00,view,1,1,'; head -c 1100000 /dev/zero | tr '\000' y; printf '\n2019-10-01 10:07:01,purchase,1,1,\n') > 2019-10-01-10-07-too-long.csv$$);
CALL sellometer_ingest();
SELECT * FROM pg_temp.ledger WHERE key LIKE '2019-10-01-10-07%';
SELECT key, line, column_name, reason, CASE WHEN reason = 'future' THEN 'beyond now' ELSE detail END AS detail,
	left(raw, 60) AS raw, octet_length(raw) AS bytes
FROM sellometer.rejected_rows ORDER BY key, line;
SELECT event_type, count, brand, gmv FROM sellometer.brand_minute WHERE event_time = '2019-10-01 10:07' ORDER BY brand;

-- only so many are kept, all are counted; too many, and the object fails
SET sellometer.max_rejects_kept = 2;
SELECT pg_temp.put('2019-10-01-10-08-few.csv', VARIADIC ARRAY['event_time,event_type,product_id,price'] ||
	ARRAY(SELECT format('2019-10-01 10:08:00,purchase,%s,1', CASE WHEN i % 10 = 0 THEN 'x' ELSE '1' END) FROM generate_series(1, 100) i));
SELECT pg_temp.put('2019-10-01-10-08-many.csv', VARIADIC ARRAY['event_time,event_type,product_id,price'] ||
	ARRAY(SELECT format('2019-10-01 10:08:00,purchase,%s,1', CASE WHEN i % 9 = 0 THEN 'x' ELSE '1' END) FROM generate_series(1, 100) i));
CALL sellometer_ingest();
SELECT * FROM pg_temp.ledger WHERE key LIKE '2019-10-01-10-08%';
SELECT key, line, reason FROM sellometer.rejected_rows WHERE key LIKE '2019-10-01-10-08%' ORDER BY key, line;
SELECT * FROM pg_temp.products WHERE event_time = '2019-10-01 10:08';
-- once more is allowed, and it goes through
SET sellometer.max_reject_fraction = 0.2;
SELECT sellometer_retry('shop', '2019-10-01-10-08-many.csv');
SELECT state, attempts, next_attempt, error FROM sellometer.objects WHERE key LIKE '%many.csv';
CALL sellometer_ingest();
SELECT * FROM pg_temp.ledger WHERE key LIKE '%many.csv';
SELECT key, line, reason FROM sellometer.rejected_rows WHERE key LIKE '%many.csv' ORDER BY key, line;
SELECT * FROM pg_temp.products WHERE event_time = '2019-10-01 10:08';
RESET sellometer.max_reject_fraction;
RESET sellometer.max_rejects_kept;

-- no use as a whole
SELECT pg_temp.put('2019-10-01-10-09-column.csv', 'event_time,event_type,product_id,amount', '2019-10-01 10:09:00,view,1,1');
SELECT pg_temp.put('2019-10-01-10-09-twice.csv', 'event_time,event_type,product_id,price,price', '2019-10-01 10:09:00,view,1,1,1');
SELECT pg_temp.put('2019-10-01-10-09-junk.csv', 'Hello, world', 'this is no CSV');
SELECT pg_temp.sh($$printf 'event_time,event_type,product_id,price\n2019-10-01 10:09:00,view,1,1\n' | gzip | head -c 40 > 2019-10-01-10-09-short.csv.gz;
	(printf 'event_time,event_type,product_id,price\n2019-10-01 10:09:00,view,1,1\n' | gzip; printf trailing) > 2019-10-01-10-09-trailing.csv.gz;
	printf 'event_time,event_type,product_id,price\n2019-10-01 10:09:00,view,1,"1' > 2019-10-01-10-09-open-quote.csv$$);
SELECT pg_temp.put_events('2019-10-01-10-09-good.csv', '2019-10-01 10:09:00,view,7,,,1,');
CALL sellometer_ingest();
SELECT * FROM pg_temp.ledger WHERE key LIKE '2019-10-01-10-09%';
SELECT * FROM pg_temp.products WHERE event_time = '2019-10-01 10:09';

-- a view counts once a session, at its first time, however the objects come; without a session always
TRUNCATE sellometer.objects, sellometer.rejected_rows, sellometer.view_log, sellometer.totals, sellometer.segments, sellometer.product_id_minute, sellometer.brand_minute,
	sellometer.category_l1_minute, sellometer.category_l2_minute, sellometer.category_l3_minute;
UPDATE sellometer.state SET head = NULL;
SELECT pg_temp.sh('rm *');
SELECT pg_temp.put_events('views1.csv', '2019-10-02 10:05:30,view,1,a.b.c,acme,2.00,s', '2019-10-02 10:05:10,view,1,a.b.c,acme,3.00,s',
	'2019-10-02 10:05:40,view,1,a.b.c,acme,1.00,other', '2019-10-02 10:05:40,view,1,a.b.c,acme,1.00,',
	'2019-10-02 10:05:40,view,1,a.b.c,acme,1.00,', '2019-10-02 10:05:50,view,2,a.b.d,acme,5.00,s',
	'2019-10-02 10:05:50,cart,2,a.b.d,acme,5.00,s', '2019-10-02 10:05:51,cart,2,a.b.d,acme,5.00,s');
CALL sellometer_ingest();
SELECT * FROM pg_temp.ledger;
SELECT * FROM pg_temp.products;
-- an earlier view of another product label in another minute: the count moves, everywhere, and empty rows go
SELECT pg_temp.put_events('views2.csv', '2019-10-02 10:04:00,view,1,x.y.z,zeta,7.00,s', '2019-10-02 10:04:30,view,2,a.b.d,acme,6.00,s');
CALL sellometer_ingest();
SELECT * FROM pg_temp.ledger;
SELECT * FROM pg_temp.products;
SELECT event_time, event_type, count, brand, gmv FROM sellometer.brand_minute ORDER BY 1, 4, 2;
SELECT event_time, event_type, count, category_l1, gmv FROM sellometer.category_l1_minute ORDER BY 1, 4, 2;
SELECT event_time, event_type, count, category_l2, gmv FROM sellometer.category_l2_minute ORDER BY 1, 4, 2;
SELECT event_time, event_type, count, category_l3, gmv FROM sellometer.category_l3_minute ORDER BY 1, 4, 2;
-- a later one changes nothing; at the same time the lowest price, then category, then brand
SELECT pg_temp.put_events('views3.csv', '2019-10-02 10:06:00,view,1,a.b.c,acme,1.00,s', '2019-10-02 10:04:00,view,1,x.y.z,zeta,6.99,s',
	'2019-10-02 10:04:30,view,2,a.b.cc,acme,6.00,s');
SELECT pg_temp.put_events('views4.csv', '2019-10-02 10:04:30,view,2,a.b.cc,aaa,6.00,s', '2019-10-02 10:04:30,view,2,a.b.cd,a,6.00,s');
CALL sellometer_ingest();
SELECT * FROM pg_temp.ledger;
SELECT event_time, event_type, count, brand, gmv FROM sellometer.brand_minute WHERE event_type = 'view' ORDER BY 1, 4, 2;
SELECT event_time, event_type, count, category_l3, gmv FROM sellometer.category_l3_minute WHERE event_type = 'view' ORDER BY 1, 4, 2;
-- the views by event type, and the last hour's best
SELECT * FROM sellometer.view_brand_minute ORDER BY event_time, brand;
SELECT * FROM sellometer.cart_product_id_minute ORDER BY event_time;
SELECT * FROM sellometer.view_brand_hour ORDER BY event_time, brand;
SELECT * FROM sellometer.view_category_l1_rank;
SELECT * FROM sellometer.purchase_brand_rank;

-- a late object waits in the backlog; its earlier view moves the count there
SET sellometer.live_lateness = '5min';
SELECT pg_temp.put_events('2019-10-02-09-00-1.csv', '2019-10-02 09:00:00,view,1,x.y.z,zeta,8.00,other', '2019-10-02 09:00:01,view,3,x,new,1,s');
SELECT pg_temp.put_events('late-without-a-time.csv', '2019-10-02 09:01:00,purchase,1,x.y.z,zeta,8.00,s');
CALL sellometer_ingest();
SELECT key, state, object_time, rows_total FROM sellometer.objects WHERE state <> 'done' ORDER BY key;
SELECT backlog_objects, backlog_bytes, pending_objects FROM sellometer.status;
SELECT * FROM pg_temp.products;
CALL sellometer_merge_backlog('shop');
SELECT * FROM pg_temp.ledger WHERE state <> 'done' OR key LIKE '%2019%' OR key LIKE 'late%';
SELECT * FROM pg_temp.products;
RESET sellometer.live_lateness;

-- one by one: skip, retry
SELECT pg_temp.put('bad.csv', 'nothing,known', '1,2');
CALL sellometer_ingest();
SELECT * FROM pg_temp.ledger WHERE key = 'bad.csv';
SELECT sellometer_skip('shop', 'bad.csv');
CALL sellometer_ingest();
SELECT * FROM pg_temp.ledger WHERE key = 'bad.csv';
SELECT sellometer_retry('shop', 'bad.csv');
CALL sellometer_ingest();
SELECT * FROM pg_temp.ledger WHERE key = 'bad.csv';
-- mended in its place: a new content for one that never was counted
SELECT pg_temp.put_events('bad.csv', '2019-10-02 10:06:00,purchase,9,,,1,s');
CALL sellometer_ingest();
SELECT * FROM pg_temp.ledger WHERE key = 'bad.csv';
-- what is done stays done
SELECT sellometer_retry('shop', 'bad.csv');
SELECT sellometer_skip('shop', 'bad.csv');
SELECT sellometer_retry('shop', 'none.csv');
SELECT sellometer_skip('shop', 'none.csv');
SELECT sellometer_retry('none', 'bad.csv');
-- changed after it was counted: not counted again, and said so
SELECT pg_temp.put_events('bad.csv', '2019-10-02 10:06:00,purchase,9,,,100,s', '2019-10-02 10:06:00,purchase,10,,,100,s');
CALL sellometer_ingest();
SELECT * FROM pg_temp.ledger WHERE key = 'bad.csv';
SELECT sellometer_retry('shop', 'bad.csv');
SELECT sellometer_skip('shop', 'bad.csv');
CALL sellometer_ingest();
SELECT * FROM pg_temp.ledger WHERE key = 'bad.csv';
SELECT * FROM pg_temp.products WHERE product_id >= 9;
-- deleted before it is read
SET sellometer.live_lateness = '5min';
SELECT pg_temp.put_events('2019-10-02-08-00-1.csv', '2019-10-02 08:00:00,purchase,9,,,1,s');
CALL sellometer_ingest();
SELECT pg_temp.sh('rm 2019-10-02-08-00-1.csv');
CALL sellometer_merge_backlog();
SELECT key, state, attempts, replace(error, :'dir', '/dir') AS error, sqlstate FROM sellometer.objects WHERE key = '2019-10-02-08-00-1.csv';
RESET sellometer.live_lateness;

-- all in all
SELECT state, count(*), sum(rows_total) AS total, sum(rows_counted) AS counted, sum(rows_duplicate) AS dup, sum(rows_rejected) AS rejected,
	sum(rows_expired) AS expired, bool_and(rows_total = rows_counted + rows_duplicate + rows_rejected + rows_expired) AS adds_up
FROM sellometer.objects GROUP BY state ORDER BY state;
SELECT sum(count) FROM sellometer.category_l1_minute;
SELECT name, ok, detail, hint FROM sellometer_check() WHERE name !~ '^(job |objects of|expired rows|arrivals|sources|database|locks|procedure|loading|launcher|worker of|parse workers)' AND name NOT IN ('preload', 'worker', 'pg_cron') AND name NOT LIKE 'source %';
-- it does notice, should it ever come to that
BEGIN;
\set VERBOSITY terse
SAVEPOINT refused;
UPDATE sellometer.objects SET rows_counted = rows_counted + 1 WHERE key = 'views1.csv';
ROLLBACK TO refused;
UPDATE sellometer.objects SET rows_counted = -1, rows_duplicate = rows_total + 1 - rows_rejected - rows_expired WHERE key = 'views1.csv';
ROLLBACK TO refused;
UPDATE sellometer.tiers SET watermark = '2019-10-01' WHERE name = 'minute';
ROLLBACK TO refused;
UPDATE sellometer.tiers SET kept_from = '2019-10-02';
UPDATE sellometer.tiers SET kept_from = '2019-10-01';
ROLLBACK TO refused;
UPDATE sellometer.state SET views_epoch = views_epoch + 1;
UPDATE sellometer.state SET views_epoch = views_epoch - 1;
ROLLBACK TO refused;
\set VERBOSITY default
ALTER TABLE sellometer.objects DROP CONSTRAINT rows_add_up;
UPDATE sellometer.objects SET rows_counted = rows_counted + 1 WHERE key = 'views1.csv';
DELETE FROM sellometer.brand_minute WHERE brand = 'zeta' AND event_type = 'purchase';
SELECT name, ok, detail, hint FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|database|locks|procedure|loading|launcher|worker of|parse workers)' AND name NOT IN ('preload', 'worker', 'pg_cron');
ROLLBACK;

SELECT pg_temp.sh('cd ..; rm -rf sellometer_ingest_test');
DROP VIEW pg_temp.ledger, pg_temp.products;
DROP EXTENSION sellometer;
