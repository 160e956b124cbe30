-- Prices in other currencies than the shop's
\set name sellometer_currency_test
\getenv abs_srcdir PG_ABS_SRCDIR
\set source :abs_srcdir /sql/include/source.psql
\i :source
\set url 'file://' :dir /in/
\set archive 'file://' :dir /out/
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; mkdir sellometer_currency_test/in sellometer_currency_test/out sellometer_currency_test/other sellometer_currency_test/third';
CREATE FUNCTION pg_temp.put(key text, header text, VARIADIC lines text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT unnest(ARRAY[%L] || %L::text[])) TO %L', header, lines,
		current_setting('data_directory') || '/sellometer_currency_test/in/' || key);
END
$$;
\set load :abs_srcdir /sql/include/load.psql
\i :load
CREATE VIEW pg_temp.sums AS
SELECT event_time, event_type, product_id, count, gmv FROM sellometer.product_id_minute ORDER BY 1, 2, 3;
-- without a source prices are as they stand
SELECT event_type, product_id, price, currency FROM sellometer_parse_csv('event_time,event_type,product_id,price,Currency
2019-10-01 10:00:00,purchase,1,2.50,EUR
2019-10-01 10:00:00,purchase,1,2.50, eur 
2019-10-01 10:00:00,purchase,1,2.50,
2019-10-01 10:00:00,view,1,2.50,null');
SELECT price, currency FROM sellometer_parse_csv('event_time,event_type,product_id,price
2019-10-01 10:00:00,purchase,1,2.50');

-- what a rate may be
INSERT INTO sellometer.currency_rates VALUES ('eur', '-infinity', 1);
INSERT INTO sellometer.currency_rates VALUES ('EUR', '-infinity', 0);
INSERT INTO sellometer.currency_rates VALUES ('EUR', '-infinity', 'NaN');
INSERT INTO sellometer.currency_rates VALUES ('EUR', '-infinity', 10000000000);
INSERT INTO sellometer.currency_rates VALUES ('EUR', '-infinity', 0.0000000000001);
INSERT INTO sellometer.currency_rates VALUES ('JPY', '-infinity', 0.0092500000000000000), ('EUR', '2019-10-01 10:00:05', 1.09), ('EUR', '2019-10-01 10:00:10', 1.1),
	('BIG', '-infinity', 9999999999.999999999999);

-- the shop's own, others by the rate of their time, half up; what has none, and what is too much
SELECT sellometer_add_source('shop', :'url', archive_url => :'archive');
SELECT pg_temp.put('2019-10-01-10-00-1.csv', 'event_time,event_type,product_id,category_code,brand,price,user_session,user_id,quantity,currency',
	'2019-10-01 10:00:01,purchase,1,a.b,acme,2.50,s1,1,1,USD', '2019-10-01 10:00:02,purchase,2,a.b,acme,2.50,s1,1,1,usd', '2019-10-01 10:00:03,purchase,3,a.b,acme,2.50,s1,1,1,',
	'2019-10-01 10:00:04,purchase,4,a.b,acme,2.50,s1,1,1,EUR', '2019-10-01 10:00:05,purchase,5,a.b,acme,2.50,s1,1,1,EUR', '2019-10-01 10:00:09.999999,purchase,6,a.b,acme,2.50,s1,1,3,EUR',
	'2019-10-01 10:00:10,purchase,7,a.b,acme,2.50,s1,1,1,EUR', '2019-10-01 10:00:11,purchase,8,a.b,acme,150,s1,1,1,JPY', '2019-10-01 10:00:12,purchase,9,a.b,acme,0.02,s1,1,1000,JPY',
	'2019-10-01 10:00:13,purchase,10,a.b,acme,100.0001,s1,1,1,BIG', '2019-10-01 10:00:14,purchase,11,a.b,acme,2.50,s1,1,1,CHF', '2019-10-01 10:00:15,cart,12,a.b,acme,10,s1,1,1,EUR',
	'2019-10-01 10:00:16,view,13,a.b,acme,10,s1,1,1,EUR', '2019-10-01 10:00:17,view,13,a.b,acme,10,s1,1,1,USD', '2019-10-01 10:00:18,view,14,a.b,acme,1,s1,1,1,Swiss francs');
SELECT pg_temp.put('2019-10-01-12-00-1.csv', 'event_time,event_type,product_id,category_code,brand,price', '2019-10-01 12:00:20,view,1,a.b,acme,2.50');
CALL pg_temp.load();
TABLE pg_temp.sums;
SELECT brand, gmv, count FROM sellometer.purchase_brand_hour;
SELECT key, state, rows_total, rows_counted, rows_duplicate, rows_rejected, replace(convert_from(rates, 'UTF8'), E'\n', '; ') AS rates FROM sellometer.objects ORDER BY key;
SELECT line, column_name, reason, detail FROM sellometer.rejected_rows ORDER BY line;
SELECT product_id, price FROM sellometer.left_in_cart;
SELECT line, type, product_id, price, currency, verdict, reason FROM sellometer_events(NULL, NULL, '2019-10-01', '2019-10-01 11:00') ORDER BY line;

-- the rate comes, and others have become others: those rows alone are had back, and the others stay as they are
INSERT INTO sellometer.currency_rates VALUES ('CHF', '2019-10-01', 1.01), ('EUR', '2019-10-01', 2);
UPDATE sellometer.currency_rates SET rate = 5 WHERE currency = 'EUR' AND from_time = '2019-10-01 10:00:05';
SELECT sellometer_retry('shop', '2019-10-01-10-00-1.csv');
SELECT product_id, count, gmv FROM pg_temp.sums WHERE product_id BETWEEN 3 AND 11 OR product_id > 12;
SELECT key, rows_total, rows_counted, rows_duplicate, rows_rejected, replace(convert_from(rates, 'UTF8'), E'\n', '; ') AS rates FROM sellometer.objects WHERE rows_rejected > 0;
SELECT line, column_name, reason, detail FROM sellometer.rejected_rows ORDER BY line;
CREATE TABLE pg_temp.before AS TABLE pg_temp.sums;

-- the same from archives, whatever rates there are by now, and none of it once it is taken out
DELETE FROM sellometer.currency_rates WHERE currency <> 'CHF';
UPDATE sellometer.currency_rates SET rate = 99;
CALL sellometer_archive();
SELECT state, a.rates[1] = o.rates AS kept FROM sellometer.objects o JOIN sellometer.archives a ON o.id = ANY (a.objects) WHERE o.rates IS NOT NULL;
SELECT sellometer_replay('shop', '2019-10-01', '2019-10-02');
SELECT count(*) FROM (TABLE pg_temp.sums EXCEPT ALL TABLE pg_temp.before) d;
SELECT count(*) FROM (TABLE pg_temp.before EXCEPT ALL TABLE pg_temp.sums) d;
SELECT line, product_id, price, currency, verdict, reason FROM sellometer_events(NULL, NULL, '2019-10-01', '2019-10-01 11:00') WHERE product_id IN (4, 5, 11, 14) ORDER BY line;
-- had back from an archive
SELECT pg_temp.put('2019-10-01-10-00-2.csv', 'event_time,event_type,product_id,category_code,brand,price,currency',
	'2019-10-01 10:00:20,purchase,20,a.b,acme,1,DKK', '2019-10-01 10:00:21,purchase,21,a.b,acme,1,CHF');
CALL pg_temp.load();
CALL sellometer_archive();
INSERT INTO sellometer.currency_rates VALUES ('DKK', '2019-10-01', 0.15);
UPDATE sellometer.currency_rates SET rate = 98 WHERE currency = 'CHF';
SELECT sellometer_retry('shop', state => 'archived');
SELECT product_id, count, gmv FROM pg_temp.sums WHERE product_id >= 20;
SELECT o.key, rows_rejected, replace(convert_from(r, 'UTF8'), E'\n', '; ') AS rates, r = o.rates AS same FROM sellometer.archives a, unnest(a.objects, a.rates) u (id, r) JOIN sellometer.objects o USING (id) ORDER BY key;
SELECT sellometer_unload('shop', '2019-10-01-10-00-1.csv');
TABLE pg_temp.sums;
SELECT sellometer_unload('shop', '2019-10-01-10-00-2.csv');
TABLE pg_temp.sums;

-- a file of rows without a rate fails whole, and is loaded once it is there
SELECT pg_temp.put('2019-10-01-12-00-2.csv', 'event_time,event_type,product_id,price,currency', '2019-10-01 12:00:20,purchase,30,2.50,NOK', '2019-10-01 12:00:21,purchase,31,1,SEK');
CALL pg_temp.load();
SELECT state, error FROM sellometer.objects WHERE key = '2019-10-01-12-00-2.csv';
INSERT INTO sellometer.currency_rates VALUES ('NOK', '2019-10-01', 0.11), ('SEK', '2019-10-01', 0.10);
SELECT sellometer_retry('shop', state => 'failed');
CALL pg_temp.load();
SELECT product_id, count, gmv FROM pg_temp.sums WHERE product_id >= 30;

-- a format: another name, or one currency for all; and none: all count as they stand
SELECT pg_temp.put('../other/2019-10-01-12-00-3.csv', 'ts,what,item,amount,iso', '2019-10-01 12:00:20,purchase,40,2.50,NOK');
\set url 'file://' :dir /other/
SELECT sellometer_add_source('other', :'url', format => '{"columns": {"event_time": "ts", "event_type": "what", "product_id": "item", "price": "amount", "currency": "iso"}}');
SELECT pg_temp.put('../third/2019-10-01-12-00-4.csv', 'event_time,event_type,product_id,price', '2019-10-01 12:00:20,purchase,41,2.50');
\set url 'file://' :dir /third/
SELECT sellometer_add_source('third', :'url', format => '{"constants": {"currency": "SEK"}}');
SELECT price, currency FROM sellometer_set_format('third', '{"constants": {"currency": "sek"}}');
CALL pg_temp.load();
SET sellometer.currency = '';
SELECT pg_temp.put('2019-10-01-12-00-5.csv', 'event_time,event_type,product_id,price,currency', '2019-10-01 12:00:20,purchase,42,2.50,NOK', '2019-10-01 12:00:20,purchase,43,2.50,a word or two more');
CALL pg_temp.load();
SET sellometer.currency = 'nok';
SELECT pg_temp.put('2019-10-01-12-00-6.csv', 'event_time,event_type,product_id,price,currency', '2019-10-01 12:00:20,purchase,44,2.50,NOK', '2019-10-01 12:00:20,purchase,45,2.50,SEK');
CALL pg_temp.load();
RESET sellometer.currency;
SELECT sellometer_replay('shop', '2019-10-01', '2019-10-02');
SELECT product_id, count, gmv FROM pg_temp.sums WHERE product_id >= 40;
SELECT name, detail FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |procedure |loading|sources)' AND name NOT IN ('pg_cron', 'worker', 'preload', 'failed objects');

SET client_min_messages = warning;
DROP EXTENSION sellometer CASCADE;
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf sellometer_currency_test';
