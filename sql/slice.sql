-- Slices: nodes that read the same files and count each its own products hold together what one holds that counts all
\set name sellometer_slice_test
\getenv abs_srcdir PG_ABS_SRCDIR
\set source :abs_srcdir /sql/include/source.psql
\i :source

-- the slice of a product is PostgreSQL's own hash partition of it
CREATE TEMP TABLE by_product (product_id bigint) PARTITION BY HASH (product_id);
SELECT count(*) AS compared, count(*) FILTER (WHERE satisfies_hash_partition('by_product'::regclass, n, sellometer_slice_of(p, n), p)) AS right
FROM generate_series(1, 16) n, (SELECT generate_series(-2000, 2000)::bigint UNION SELECT i * 829348951 % 10000000019 FROM generate_series(1::bigint, 3000) i
	UNION SELECT unnest(ARRAY[-9223372036854775808, 9223372036854775807, 4294967295, 4294967296, -4294967296, -4294967297, 2147483648])) x (p);
SELECT sellometer_slice_of(1, 0);
SELECT sellometer_slice_of(1, 1025);
SET sellometer.slice = '2/2';
SET sellometer.slice = 'half';
SET sellometer.slice = '0/1025';

-- one file, of whose rows some can't be used, repeat others, or are of long ago
CREATE FUNCTION pg_temp.put(key text, VARIADIC lines text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT unnest(ARRAY[%L] || %L::text[])) TO %L', 'event_time,event_type,product_id,category_code,brand,price,user_session,user_id', lines,
		current_setting('data_directory') || '/sellometer_slice_test/' || key);
END
$$;
SELECT pg_temp.put('2019-10-01-10-00-1.csv', VARIADIC ARRAY(
	SELECT format('2019-10-01 10:%s:00,%s,%s,a.b%s,brand%s,%s.50,s%s,%s', to_char(i % 20, 'FM00'), (ARRAY['view', 'cart', 'purchase', 'view'])[i % 4 + 1], i % 7, i % 2, i % 3,
		i % 7, i % 5, i % 5) FROM generate_series(1, 200) i
	UNION ALL SELECT '2019-10-01 10:00:00,view,' || p || ',a.b,acme,-1,s1,1' FROM generate_series(1, 5) p
	UNION ALL SELECT '2019-01-01 10:00:00,view,' || p || ',a.b,acme,1,s1,1' FROM generate_series(1, 7) p
	UNION ALL SELECT '2019-10-09 10:00:00,view,' || p || ',a.b,acme,1,z' || p || ',1' FROM generate_series(1, 4) p
	UNION ALL SELECT '2019-10-01 10:00:00,view,' || p || ',a.b,' || repeat('x', 1001) || ',1,s1,1' FROM generate_series(1, 4) p));
\set load :abs_srcdir /sql/include/load.psql

-- what a database of each slice comes to
CREATE TABLE nodes (slice text, source text, rows_total bigint, counted bigint, duplicate bigint, rejected bigint, expired bigint, elsewhere bigint,
	first_event timestamptz, last_event timestamptz, head timestamptz, kept bigint);
CREATE TABLE sums (slice text, tier text, event_time timestamptz, event_type text, key text, count bigint, gmv numeric);
CREATE TABLE facts (slice text, fact text);
CREATE PROCEDURE run_slice(slice text, url text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('ALTER DATABASE %I SET sellometer.slice = %L', current_database(), slice);
	DROP EXTENSION IF EXISTS sellometer CASCADE;
	CREATE EXTENSION sellometer;
	PERFORM sellometer_add_source('shop', url);
	COMMIT;
	CALL sellometer_ingest();
	CALL sellometer_merge_backlog();
	CALL sellometer_rollup();
	INSERT INTO nodes SELECT run_slice.slice, o.source, o.rows_total, o.rows_counted, o.rows_duplicate, o.rows_rejected, o.rows_expired, o.rows_elsewhere,
		o.first_event, o.last_event, s.head, (SELECT count(*) FROM sellometer.rejected_rows) FROM sellometer.objects o, sellometer.state s;
	INSERT INTO sums SELECT run_slice.slice, 'product_id minute', event_time, event_type, product_id::text, count, gmv FROM sellometer.product_id_minute
		UNION ALL SELECT run_slice.slice, 'brand hour', event_time, event_type, brand, count, gmv FROM sellometer.realtime_brand_hour
		UNION ALL SELECT run_slice.slice, 'category_l2 minute', event_time, event_type, category_l2, count, gmv FROM sellometer.category_l2_minute
		UNION ALL SELECT run_slice.slice, 'totals ' || tier, event_time, event_type, NULL, count, gmv FROM sellometer.totals;
	PERFORM sellometer.fold_offers();
	INSERT INTO facts SELECT run_slice.slice, c::text FROM sellometer.carts c UNION ALL SELECT run_slice.slice, o::text FROM sellometer.offer_history o;
END
$$;
SET client_min_messages = warning;
CALL run_slice('', :'url');
CALL run_slice('0/3', :'url');
CALL run_slice('1/3', :'url');
CALL run_slice('2/3', :'url');
RESET client_min_messages;
SELECT slice, rows_total, counted, duplicate, rejected, expired, elsewhere, first_event, last_event, head, kept FROM nodes ORDER BY slice;
SELECT slice <> '' AS of_nodes, sum(counted) AS counted, sum(duplicate) AS duplicate, sum(rejected) AS rejected, sum(expired) AS expired, sum(kept) AS kept FROM nodes GROUP BY 1 ORDER BY 1;
CREATE VIEW together AS SELECT slice <> '' AS of_nodes, tier, event_time, event_type, key, sum(count) AS count, sum(gmv) AS gmv FROM sums GROUP BY 1, 2, 3, 4, 5;
SELECT count(*) AS different FROM ((SELECT tier, event_time, event_type, key, count, gmv FROM together WHERE of_nodes) EXCEPT ALL
	(SELECT tier, event_time, event_type, key, count, gmv FROM together WHERE NOT of_nodes)) d;
SELECT tier, count(*) FILTER (WHERE of_nodes) AS of_nodes, count(*) FILTER (WHERE NOT of_nodes) AS of_one FROM together GROUP BY 1 ORDER BY 1;
SELECT count(*) > 0 AS any, count(*) FILTER (WHERE (n, o) IS DISTINCT FROM (1, 1)) AS different
FROM (SELECT fact, count(*) FILTER (WHERE slice <> '') AS n, count(*) FILTER (WHERE slice = '') AS o FROM facts GROUP BY 1) f;
SELECT name, detail FROM sellometer_check() WHERE name = 'ledger';

-- what was rejected and can be used now is taken by the node that keeps the product
SET sellometer.max_clock_jump = '30d';
SELECT sellometer_retry('shop', '2019-10-01-10-00-1.csv');
SELECT slice, rows_counted, rows_rejected, rows_elsewhere FROM sellometer.objects, sellometer.state;
SELECT product_id, count FROM sellometer.product_id_minute WHERE event_time > '2019-10-02';
SELECT sellometer_slice_of(p, 3) = 2 AS here, array_agg(p) FROM generate_series(1, 4) p GROUP BY 1 ORDER BY 1;
RESET sellometer.max_clock_jump;

-- replayed, and taken out
SELECT sellometer_replay('shop', '-infinity', 'infinity');
SELECT count(*) AS different FROM ((SELECT event_time, event_type::text, product_id::text, count, gmv FROM sellometer.product_id_minute WHERE event_time < '2019-10-02')
	EXCEPT ALL (SELECT event_time, event_type, key, count, gmv FROM sums WHERE slice = '2/3' AND tier = 'product_id minute')) d;
SELECT verdict, count(*) FROM sellometer_events(NULL, NULL, '-infinity', 'infinity') GROUP BY 1 ORDER BY 1;
SELECT sellometer_unload('shop', '2019-10-01-10-00-1.csv');
SELECT rows_total, rows_elsewhere, (SELECT count(*) FROM sellometer.product_id_minute) FROM sellometer.objects;

-- sessions have products of several slices
SELECT sellometer_count_visits();
-- another slice while something is counted
SELECT sellometer_retry('shop', '2019-10-01-10-00-1.csv');
CALL sellometer_ingest();
SELECT current_database() AS db \gset
ALTER DATABASE :db SET sellometer.slice = '1/3';
SELECT pg_temp.put('2019-10-01-10-01-1.csv', '2019-10-01 10:01:00,view,3,a.b,acme,1,s1,1');
CALL sellometer_ingest();
ALTER DATABASE :db RESET sellometer.slice;
CALL sellometer_ingest();
-- what a session sets does not matter
ALTER DATABASE :db SET sellometer.slice = '2/3';
SET sellometer.slice = '1/3';
CALL sellometer_ingest();
SELECT key, state, rows_total FROM sellometer.objects ORDER BY key;
ALTER DATABASE :db RESET sellometer.slice;
DROP VIEW together;
DROP TABLE nodes, sums, facts;
DROP PROCEDURE run_slice;
\set name sellometer_slice_test
\i :source
