-- Event ids: carts, removals and purchases count once for each id and product, whatever the order of files
\set name sellometer_event_ids_test
\getenv abs_srcdir PG_ABS_SRCDIR
\set source :abs_srcdir /sql/include/source.psql
\i :source
\set url 'file://' :dir /in/
\set archive 'file://' :dir /out/
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; mkdir sellometer_event_ids_test/in sellometer_event_ids_test/out';
CREATE FUNCTION pg_temp.put(key text, VARIADIC lines text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT unnest(ARRAY[%L] || %L::text[])) TO %L', 'event_time,event_type,product_id,category_code,brand,price,user_session,user_id,quantity,event_id', lines,
		current_setting('data_directory') || '/sellometer_event_ids_test/in/' || key);
END
$$;
\set load :abs_srcdir /sql/include/load.psql
\i :load
CREATE VIEW pg_temp.sums AS
SELECT event_time, event_type, product_id, count, gmv FROM sellometer.product_id_minute ORDER BY 1, 2, 3;
CREATE VIEW pg_temp.offers AS
SELECT event_type, product_id, price, count, first_seen, last_seen FROM sellometer.offer_history ORDER BY 1, 2, 3;
SELECT event_type, product_id, quantity, event_id FROM sellometer_parse_csv('event_id,event_time,event_type,product_id,price,quantity
e1,2019-10-01 10:00:00,purchase,1,2.50,3
 e 1 ,2019-10-01 10:00:00,cart,1,2.50,
null,2019-10-01 10:00:00,cart,1,2.50,
,2019-10-01 10:00:00,remove_from_cart,1,2.50,
e1,2019-10-01 10:00:00,view,1,2.50,3');

-- in one file: the earliest of an id, product and type; of several at a time the lowest price; rows without an id all count; views go by session
SELECT sellometer_add_source('shop', :'url', archive_url => :'archive');
SELECT pg_temp.put('2019-10-01-10-00-1.csv',
	'2019-10-01 10:01:00,purchase,1,a.b,acme,2.50,s1,1,3,o1', '2019-10-01 10:00:00,purchase,1,a.b,acme,2.50,s1,1,3,o1', '2019-10-01 10:00:00,purchase,1,a.b,acme,2,s1,1,3,o1',
	'2019-10-01 10:00:00,purchase,2,a.b,acme,4,s1,1,,o1', '2019-10-01 10:00:00,cart,2,a.b,acme,4,s1,1,,o1', '2019-10-01 10:00:00,cart,2,a.b,acme,4,s1,1,,o1',
	'2019-10-01 10:00:00,remove_from_cart,3,a.b,acme,4,s1,1,,r1', '2019-10-01 10:00:00,remove_from_cart,3,a.b,acme,4,s1,1,,r1',
	'2019-10-01 10:00:00,purchase,3,a.b,acme,4,,,,', '2019-10-01 10:00:00,purchase,3,a.b,acme,4,,,,', '2019-10-01 10:00:00,purchase,3,a.b,acme,4,,,,null',
	'2019-10-01 10:00:00,view,4,a.b,acme,4,s1,1,,v1', '2019-10-01 10:00:00,view,4,a.b,acme,4,s2,1,,v1', '2019-10-01 10:00:00,view,4,a.b,acme,4,s2,1,,v2');
SELECT pg_temp.put('2019-10-01-12-00-1.csv', '2019-10-01 12:00:20,view,1,a.b,acme,2.50,,,,');
CALL pg_temp.load();
TABLE pg_temp.sums;
SELECT key, rows_total, rows_counted, rows_duplicate FROM sellometer.objects ORDER BY key;
SELECT FROM sellometer.fold_offers();
TABLE pg_temp.offers;
INSERT INTO sellometer.inventory VALUES (1, 10, '2019-10-01 09:00', '1 hour');
CALL sellometer_detect();
SELECT product_id, sold FROM sellometer.inventory_cover;

-- a late file: a repetition changes nothing; an earlier one has the place, with its price and pieces, in stock and offers too
SELECT pg_temp.put('2019-10-01-10-00-2.csv', '2019-10-01 10:00:00,purchase,2,a.b,acme,4,s1,1,,o1', '2019-10-01 10:05:00,purchase,2,a.b,acme,1,s9,9,7,o1');
CALL pg_temp.load();
TABLE pg_temp.sums;
SELECT pg_temp.put('2019-10-01-10-00-3.csv', '2019-10-01 09:58:00,purchase,1,a.b,acme,9,s1,1,2,o1');
CALL pg_temp.load();
TABLE pg_temp.sums;
CALL sellometer_detect();
SELECT product_id, sold FROM sellometer.inventory_cover;
TABLE pg_temp.offers;
SELECT product_id, sales, low, high FROM sellometer.sold_products ORDER BY 1;
SELECT product_id, minute, price, count FROM sellometer.recent_sales ORDER BY 1, 2, 3;
SELECT key, rows_total, rows_counted, rows_duplicate FROM sellometer.objects ORDER BY key;

-- made anew from the files, then from archives; what is taken out leaves its place to the next
SELECT sellometer_replay('shop', '2019-10-01', '2019-10-02');
TABLE pg_temp.sums;
CALL sellometer_archive();
SELECT sellometer_replay('shop', '2019-10-01', '2019-10-02');
TABLE pg_temp.sums;
SELECT sellometer_unload('shop', '2019-10-01-10-00-3.csv');
TABLE pg_temp.sums;
SELECT sellometer_unload('shop', '2019-10-01-10-00-1.csv');
TABLE pg_temp.sums;
SELECT FROM sellometer.fold_offers();
TABLE pg_temp.offers;
SELECT name, detail FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |procedure |loading|sources)' AND name NOT IN ('pg_cron', 'worker', 'preload', 'failed objects');

SET client_min_messages = warning;
DROP EXTENSION sellometer CASCADE;
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf sellometer_event_ids_test';
