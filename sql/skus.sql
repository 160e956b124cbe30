-- Products that are known by texts: what files have is what keys are, whatever number stands for it
\set name sellometer_skus_test
\getenv abs_srcdir PG_ABS_SRCDIR
\set source :abs_srcdir /sql/include/source.psql
\i :source
\set url 'file://' :dir /in/
\set archive 'file://' :dir /out/
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; mkdir sellometer_skus_test/in sellometer_skus_test/out';
CREATE FUNCTION pg_temp.put(key text, header text, VARIADIC lines text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT unnest(ARRAY[%L] || %L::text[])) TO %L', header, lines,
		current_setting('data_directory') || '/sellometer_skus_test/in/' || key);
END
$$;
\set load :abs_srcdir /sql/include/load.psql
\i :load
\set head 'event_time,event_type,product_id,category_code,brand,price,user_session,user_id'
\set format '{"product_ids": "text"}'

-- the number of a text: by another road
CREATE FUNCTION pg_temp.number_of(sku text) RETURNS bigint LANGUAGE sql AS $$
	SELECT -1 - (('x' || left(encode(sha256(convert_to(sku, 'UTF8')), 'hex'), 16))::bit(64) >> 1)::bigint
$$;
SELECT count(*), count(*) FILTER (WHERE sellometer_product_id(t) IS DISTINCT FROM pg_temp.number_of(t)) AS wrong, max(length(t)) AS longest
FROM generate_series(1, 190) n, LATERAL (SELECT left(repeat('Artikel-Ä/' || n, 30), n) AS t) x WHERE octet_length(t) <= 200 AND t = btrim(t);
SELECT t, sellometer_product_id(t) = pg_temp.number_of(btrim(t)) AS "text" FROM unnest(ARRAY['0', '7', '007', '+7', '7.0', '-7', ' AB 1 ', '9223372036854775807', '9223372036854775808', 'sku:7']) t;
SELECT sellometer_product_id('7'), sellometer_product_id(' 9223372036854775807 '), sellometer_product_id(NULL);
SELECT sellometer_product_id(' ');
SELECT sellometer_product_id(repeat('x', 201));

-- a file of numbers is as picky as ever; a mark says that a text is meant
SELECT product_id = sellometer_product_id('AB-1') AS is_it, brand, sku FROM sellometer_parse_csv('event_time,event_type,product_id,brand,price
2019-10-01 10:00:00,view,sku:AB-1,,1
2019-10-01 10:00:00,view,"  sku: AB-1 ",acme,1
2019-10-01 10:00:00,view,AB-1,,1
2019-10-01 10:00:00,view,sku:,,1
2019-10-01 10:00:00,view,-5,,1');

-- a format takes texts: numbers as they are usually written are numbers, all else is a text
SELECT pg_temp.put('2019-10-01-10-00-1.csv', :'head', '2019-10-01 10:00:00,view,AB-1,a.b,,2.50,s1,1', '2019-10-01 10:00:01,purchase,AB-1,a.b,acme,2.50,s1,1',
	'2019-10-01 10:00:02,cart,"Ü,""x"" 1",a.b,acme,4,s1,1', '2019-10-01 10:00:03,purchase,7,a.b,acme,1,s1,1', '2019-10-01 10:00:04,purchase,007,a.b,,1,s1,1',
	'2019-10-01 10:00:05,purchase,,a.b,acme,1,s1,1', '2019-10-01 10:00:06,purchase,null,a.b,acme,1,s1,1', '2019-10-01 10:00:07,view, AB-1 ,a.b,acme,2.50,s2,2');
SELECT sellometer_add_source('shop', :'url', archive_url => :'archive', format => :'format');
CALL pg_temp.load();
SELECT state, rows_total, rows_counted, rows_rejected FROM sellometer.objects;
SELECT line, reason, detail FROM sellometer.rejected_rows ORDER BY line;
SELECT sku, product_id = pg_temp.number_of(sku) AS right FROM sellometer.skus ORDER BY 1;
SELECT sellometer_sku(product_id) AS sku, event_type, sum(count) AS count FROM sellometer.product_id_minute GROUP BY 1, 2 ORDER BY 1, 2;
-- a brand that is missing is the text
SELECT brand, event_type, count FROM sellometer.brand_minute ORDER BY 1, 2;

-- keys are texts, in and out
SELECT key, count, name FROM sellometer_top('product_id', 'purchase', '2019-10-01', '2019-10-02') ORDER BY key COLLATE "C";
SELECT key, count FROM sellometer_top_of('product_id', 'purchase', ARRAY['acme'], NULL, '2019-10-01', '2019-10-02') ORDER BY key COLLATE "C";
SELECT key, count FROM sellometer_total('product_id', 'purchase', ARRAY['AB-1', '7', '007', 'nothing', NULL], '2019-10-01', '2019-10-02') ORDER BY key COLLATE "C";
SELECT count, gmv FROM sellometer_series('product_id', 'purchase', 'AB-1', '2019-10-01', '2019-10-02', '1 hour');
SELECT count, gmv FROM sellometer_series('product_id', 'purchase', '007', '2019-10-01', '2019-10-02', '1 hour');
SELECT count FROM sellometer_series('product_id', 'purchase', 'AB-2', '2019-10-01', '2019-10-02', '1 hour');
SELECT key, count FROM sellometer_series_of('product_id', 'purchase', ARRAY['AB-1', '7'], '2019-10-01', '2019-10-02', '1 hour', true) WHERE count > 0 ORDER BY key COLLATE "C";
SELECT key, count FROM sellometer_series_of('product_id', 'purchase', ARRAY['AB-1'], '2019-10-01', '2019-10-02', '1 hour');
SELECT object, line, verdict FROM sellometer_events('product_id', 'AB-1', '2019-10-01', '2019-10-02') ORDER BY line;
INSERT INTO sellometer.products (product_id, name) VALUES (sellometer_product_id('AB-1'), 'Lamp');
SELECT sellometer_key_label('product_id', k) FROM unnest(ARRAY['AB-1', sellometer_product_id('AB-1')::text, 'Ü,"x" 1', '7', '007', 'what', '-1']) k;
SELECT key, name FROM sellometer_top('product_id', 'purchase', '2019-10-01', '2019-10-02') ORDER BY key COLLATE "C";
INSERT INTO sellometer.inventory VALUES (sellometer_product_id('AB-1'), 1, '2019-10-01 09:00', '1 hour');
CALL sellometer_detect();
SELECT stock, sold, name FROM sellometer.low_inventory;
SELECT detail FROM sellometer.alerts WHERE kind = 'low_inventory';
SELECT sellometer_mute('low_inventory', 'AB-1', dimension => 'product_id');
SELECT sellometer_sku(key::bigint) AS muted, closed_at IS NOT NULL AS closed FROM sellometer.mutes JOIN sellometer.alerts a USING (key) WHERE a.kind = 'low_inventory';

-- archives keep the text, and need no format
SELECT pg_temp.put('2019-10-01-13-00-1.csv', :'head', '2019-10-01 13:00:00,view,9,a.b,acme,2.50,s9,9');
CALL pg_temp.load();
SELECT name, sku FROM sellometer.left_in_cart CROSS JOIN sellometer_sku(product_id) sku;
CALL sellometer_archive();
SELECT sellometer_set_format('shop', NULL, rows => 0);
CREATE TEMPORARY TABLE was AS TABLE sellometer.product_id_minute;
SELECT sellometer_replay('shop', '2019-10-01', '2019-10-02');
SELECT count(*) FROM ((TABLE was EXCEPT TABLE sellometer.product_id_minute) UNION ALL (TABLE sellometer.product_id_minute EXCEPT TABLE was)) x;
SELECT verdict, count(*) FROM sellometer_events('product_id', 'AB-1', '2019-10-01', '2019-10-02') GROUP BY 1 ORDER BY 1;
SELECT sellometer_unload('shop', '2019-10-01-10-00-1.csv');
SELECT sum(count) FROM sellometer.product_id_minute WHERE product_id < 0;
SELECT count(*) FROM sellometer.skus;

-- sniff sees them; of a few among numbers it only says so
SELECT pg_temp.put('../texts.csv', 'ts,event,sku,price', '2019-10-01 10:00:00,view,AB-1,1', '2019-10-01 10:00:00,view,AB-2,1', '2019-10-01 10:00:00,purchase,12,1');
\set texts 'file://' :dir /texts.csv
SELECT item, value, sure, detail FROM sellometer_sniff(:'texts') WHERE item = 'product_id';
SELECT value ~ '"product_ids": "text"' AS proposed FROM sellometer_sniff(:'texts') WHERE item = 'call';
SELECT pg_temp.put('../numbers.csv', 'ts,event,sku,price', VARIADIC ARRAY(SELECT '2019-10-01 10:00:00,view,' || n || ',1' FROM generate_series(1, 20) n) || '2019-10-01 10:00:00,view,x,1'::text);
\set numbers 'file://' :dir /numbers.csv
SELECT item, value, sure, detail FROM sellometer_sniff(:'numbers') WHERE item = 'product_id';
SELECT value ~ '"product_ids": "text"' AS proposed FROM sellometer_sniff(:'numbers') WHERE item = 'call';
SELECT * FROM sellometer_read_csv(:'texts', format => '{"product_ids": "sku"}');

-- whoever reads sees them, and writes none
CREATE ROLE regress_sellometer_reader;
SELECT sellometer_grant_reader('regress_sellometer_reader');
SET ROLE regress_sellometer_reader;
SELECT sku FROM sellometer.skus ORDER BY 1;
INSERT INTO sellometer.skus VALUES (-1, 'mine');
INSERT INTO sellometer.sku_collisions VALUES ('mine', -1);
RESET ROLE;

SET client_min_messages = warning;
DROP OWNED BY regress_sellometer_reader;
DROP ROLE regress_sellometer_reader;
DROP EXTENSION sellometer CASCADE;
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf sellometer_skus_test';
