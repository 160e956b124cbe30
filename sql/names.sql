-- What files call products: the name of the latest hour, whatever the order of files; shown where ids stand alone
\set name sellometer_names_test
\getenv abs_srcdir PG_ABS_SRCDIR
\set source :abs_srcdir /sql/include/source.psql
\i :source
\set url 'file://' :dir /in/
\set archive 'file://' :dir /out/
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; mkdir sellometer_names_test/in sellometer_names_test/out';
CREATE FUNCTION pg_temp.put(key text, header text, VARIADIC lines text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT unnest(ARRAY[%L] || %L::text[])) TO %L', header, lines,
		current_setting('data_directory') || '/sellometer_names_test/in/' || key);
END
$$;
\set load :abs_srcdir /sql/include/load.psql
\i :load
\set head 'event_time,event_type,product_id,category_code,brand,price,user_session,product_name'
CREATE VIEW pg_temp.names AS SELECT product_id, left(name, 20) AS name, hour FROM sellometer.product_names ORDER BY 1;
SELECT event_type, product_id, product_name FROM sellometer_parse_csv('product_name,event_time,event_type,product_id,price
Lamp,2019-10-01 10:00:00,purchase,1,2.50
"  Lamp, ""red"" ",2019-10-01 10:00:00,view,1,2.50
n/a,2019-10-01 10:00:00,view,1,2.50
,2019-10-01 10:00:00,cart,1,2.50');

-- the latest hour counts, in it the first in the order of bytes; rejected rows say nothing
SELECT sellometer_add_source('shop', :'url', archive_url => :'archive');
SELECT pg_temp.put('2019-10-01-10-00-1.csv', :'head', '2019-10-01 10:01:00,purchase,1,a.b,acme,2.50,s1,Lamp', '2019-10-01 10:59:59,view,1,a.b,acme,2.50,s1,lamp',
	'2019-10-01 10:59:59,view,1,a.b,acme,x,s1,A lamp', '2019-10-01 09:00:00,view,1,a.b,acme,2.50,s1,A', '2019-10-01 10:01:00,cart,2,a.b,acme,2.50,s1,',
	'2019-10-01 10:01:00,cart,3,a.b,acme,2.50,s1,Ünïcode');
CALL pg_temp.load();
TABLE pg_temp.names;
-- a late file changes what is from its hour, and nothing else; the same name in a later hour stands for that
SELECT pg_temp.put('2019-10-01-10-00-2.csv', :'head', '2019-10-01 10:00:00,view,3,a.b,acme,2.50,s2,Unicode', '2019-10-01 09:59:59,view,1,a.b,acme,2.50,s2,Aa');
SELECT pg_temp.put('2019-10-01-11-00-1.csv', :'head', '2019-10-01 11:00:00,view,1,a.b,acme,2.50,s2,lamp');
SELECT pg_temp.put('2019-10-01-11-00-2.csv', 'event_time,event_type,product_id,price', '2019-10-01 11:00:00,view,1,2.50');
CALL pg_temp.load();
TABLE pg_temp.names;
-- what is known is not written again
SELECT xmin AS before FROM sellometer.product_names WHERE product_id = 1 \gset
SELECT pg_temp.put('2019-10-01-11-00-3.csv', :'head', '2019-10-01 11:59:00,view,1,a.b,acme,2.50,s3,lamp', '2019-10-01 11:00:00,view,4,a.b,acme,2.50,s3,New');
CALL pg_temp.load();
SELECT xmin = :'before' AS untouched FROM sellometer.product_names WHERE product_id = 1;

-- shown beside keys
SELECT key, count, name FROM sellometer_top('product_id', 'view', '2019-10-01', '2019-10-02') ORDER BY key;
SELECT key, name FROM sellometer_top('brand', 'view', '2019-10-01', '2019-10-02') ORDER BY key;
SELECT key, name FROM sellometer_top_of('product_id', 'purchase', ARRAY['acme'], NULL, '2019-10-01', '2019-10-02');
SELECT key, name FROM sellometer_total('product_id', 'cart', ARRAY['2', '3'], '2019-10-01', '2019-10-02') ORDER BY key;
INSERT INTO sellometer.products (product_id, name) VALUES (3, 'Mine'), (4, ' ');
SELECT key, name FROM sellometer_top('product_id', 'cart', '2019-10-01', '2019-10-02') ORDER BY key;
SELECT sellometer_key_label('product_id', k) FROM unnest(ARRAY['1', '3', '4']) k;
SELECT pg_temp.put('2019-10-01-13-00-1.csv', 'event_time,event_type,product_id,price', '2019-10-01 13:00:00,view,9,2.50');
CALL pg_temp.load();
SELECT product_id, name FROM sellometer.left_in_cart ORDER BY 1;

-- by a format, from a column of any name; archives keep it, and what is made anew changes nothing
SELECT pg_temp.put('../titles.csv', 'ts;event;item;title;price', '1569931623000;view;5;"A ""desk""";1', '1569931623000;view;6;-;1');
\set titles 'file://' :dir /titles.csv
SELECT product_id, product_name FROM sellometer_read_csv(:'titles', format => '{"columns": {"event_time": "ts", "event_type": "event", "product_id": "item", "product_name": "title"}, "delimiter": ";", "time": "ms"}');
SELECT value, sure, detail FROM sellometer_sniff(:'titles') WHERE item = 'product_name';
CALL sellometer_archive();
CREATE TEMPORARY TABLE was AS TABLE sellometer.product_names;
SELECT sellometer_replay('shop', '2019-10-01', '2019-10-02');
SELECT count(*) FROM (TABLE was EXCEPT TABLE sellometer.product_names) x;
SELECT sellometer_unload('shop', '2019-10-01-10-00-1.csv');
TABLE pg_temp.names;

SET client_min_messages = warning;
DROP EXTENSION sellometer CASCADE;
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf sellometer_names_test';
