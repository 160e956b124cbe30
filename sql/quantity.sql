-- Pieces: what a row with a quantity counts
\set name sellometer_quantity_test
\getenv abs_srcdir PG_ABS_SRCDIR
\set source :abs_srcdir /sql/include/source.psql
\i :source
\set url 'file://' :dir /in/
\set archive 'file://' :dir /out/
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; mkdir sellometer_quantity_test/in sellometer_quantity_test/out';
CREATE FUNCTION pg_temp.put(key text, header text, VARIADIC lines text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT unnest(ARRAY[%L] || %L::text[])) TO %L', header, lines,
		current_setting('data_directory') || '/sellometer_quantity_test/in/' || key);
END
$$;
\set load :abs_srcdir /sql/include/load.psql
\i :load
CREATE VIEW pg_temp.sums AS
SELECT event_time, event_type, product_id, count, gmv FROM sellometer.product_id_minute ORDER BY 1, 2, 3;
SELECT event_type, product_id, price, quantity, user_session FROM sellometer_parse_csv('quantity,event_time,event_type,product_id,price,user_session
3,2019-10-01 10:00:00,purchase,1,2.50,s1
,2019-10-01 10:00:00,purchase,1,2.50,s1
"+07.00",2019-10-01 10:00:00,cart,1,2.50,s1
null,2019-10-01 10:00:00,remove_from_cart,1,2.50,
2.5,2019-10-01 10:00:00,view,1,2.50,s1
100000,2019-10-01 10:00:00,cart,1,2.50,s1
100001,2019-10-01 10:00:00,cart,1,2.50,s1');

-- count, GMV and averages, in all dimensions; views are views; a file without the column
SELECT sellometer_add_source('shop', :'url', archive_url => :'archive');
SELECT pg_temp.put('2019-10-01-10-00-1.csv', 'event_time,event_type,product_id,category_code,brand,price,user_session,user_id,quantity',
	'2019-10-01 10:00:01,view,1,a.b,acme,2.50,s1,1,9', '2019-10-01 10:00:02,cart,1,a.b,acme,2.50,s1,1,4', '2019-10-01 10:00:03,cart,2,a.b,acme,1,s1,1,2',
	'2019-10-01 10:00:04,remove_from_cart,2,a.b,acme,1,s1,1,1', '2019-10-01 10:00:05,cart,3,a.b,acme,7,s1,1,5',
	'2019-10-01 10:00:06,purchase,1,a.b,acme,2.50,s1,1,3', '2019-10-01 10:00:07,purchase,1,a.b,acme,2,s2,2,', '2019-10-01 10:00:08,purchase,1,a.b,acme,2.50,s3,3,1',
	'2019-10-01 10:00:09,purchase,1,a.b,acme,2.50,s4,4,0', '2019-10-01 10:00:10,purchase,1,a.b,acme,2.50,s5,5,-1', '2019-10-01 10:00:11,purchase,1,a.b,acme,2.50,s5,5,1.5');
SELECT pg_temp.put('2019-10-01-10-00-2.csv', 'event_time,event_type,product_id,category_code,brand,price',
	'2019-10-01 10:00:20,purchase,1,a.b,acme,2.50');
SELECT pg_temp.put('2019-10-01-12-00-1.csv', 'event_time,event_type,product_id,category_code,brand,price', '2019-10-01 12:00:20,view,1,a.b,acme,2.50');
CALL pg_temp.load();
TABLE pg_temp.sums;
SELECT product_id, gmv, count, round(avg_price, 4) AS avg_price FROM sellometer.purchase_product_id_hour;
SELECT category_l3, gmv, count, round(avg_price, 4) AS avg_price FROM sellometer.purchase_category_l3_minute;
SELECT key, rows_total, rows_counted, rows_rejected FROM sellometer.objects ORDER BY key;
SELECT line, column_name, reason, detail FROM sellometer.rejected_rows ORDER BY line;
-- a product is in a cart, or it is not
SELECT product_id, price, since FROM sellometer.left_in_cart ORDER BY 1;
-- pieces of the offers
SELECT FROM sellometer.fold_offers();
SELECT event_type, product_id, price, count FROM sellometer.offer_history WHERE event_type = 'purchase' ORDER BY price;
SELECT product_id, sales, low, high FROM sellometer.sold_products;
-- of stock
INSERT INTO sellometer.inventory VALUES (1, 10, '2019-10-01 10:00', '1 hour');
CALL sellometer_detect();
SELECT product_id, sold FROM sellometer.inventory_cover;
SELECT product_id, stock_left FROM sellometer.low_inventory;

-- the same from archives, and without one file
CALL sellometer_archive();
SELECT sellometer_replay('shop', '2019-10-01', '2019-10-02');
TABLE pg_temp.sums;
SELECT sellometer_unload('shop', '2019-10-01-10-00-1.csv');
TABLE pg_temp.sums;

-- more than a day can hold: the file fails, whatever it has else
COPY (SELECT 'event_time,event_type,product_id,price,quantity' UNION ALL
	SELECT '2019-10-01 10:00:01,purchase,1,0.01,100000' FROM generate_series(1, 21475)) TO PROGRAM 'cat > sellometer_quantity_test/in/2019-10-01-10-00-3.csv';
CALL pg_temp.load();
SELECT state, sqlstate, error FROM sellometer.objects WHERE key = '2019-10-01-10-00-3.csv';
-- in two halves, at other times and of other products: the second one
COPY (SELECT 'event_time,event_type,product_id,price,quantity' UNION ALL
	SELECT format('2019-10-01 11:%s:01,purchase,%s,0.01,100000', 10 + i % 50, i % 7) FROM generate_series(1, 15000) i) TO PROGRAM 'cat > sellometer_quantity_test/in/2019-10-01-11-00-4.csv';
CALL pg_temp.load();
COPY (SELECT 'event_time,event_type,product_id,price,quantity' UNION ALL
	SELECT format('2019-10-01 09:%s:01,purchase,%s,0.01,100000', 10 + i % 50, i % 7) FROM generate_series(1, 6475) i) TO PROGRAM 'cat > sellometer_quantity_test/in/2019-10-01-11-00-5.csv';
CALL pg_temp.load();
SELECT key, state, sqlstate, error FROM sellometer.objects WHERE key > '2019-10-01-10-00-3.csv' ORDER BY key;
SELECT event_time, sum(count), sum(gmv) FROM sellometer.purchase_category_l1_hour GROUP BY 1 ORDER BY 1;
SELECT name, detail FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |procedure |loading|sources)' AND name NOT IN ('pg_cron', 'worker', 'preload', 'failed objects');

SET client_min_messages = warning;
DROP EXTENSION sellometer CASCADE;
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf sellometer_quantity_test';
