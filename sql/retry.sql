-- Retry: what was left out of a loaded object counts once its cause is mended, and nothing twice
\set name sellometer_retry_test
\getenv abs_srcdir PG_ABS_SRCDIR
\set source :abs_srcdir /sql/include/source.psql
\i :source
\set url 'file://' :dir /in/
\set archive 'file://' :dir /out/
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; mkdir sellometer_retry_test/in sellometer_retry_test/out';
CREATE FUNCTION pg_temp.put(key text, VARIADIC lines text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT unnest(ARRAY[''event_time,event_type,product_id,price,user_session,user_id''] || %L::text[])) TO %L', lines,
		current_setting('data_directory') || '/sellometer_retry_test/in/' || key);
END
$$;
CREATE PROCEDURE pg_temp.load() LANGUAGE plpgsql AS $$
BEGIN
	CALL sellometer_ingest();
	CALL sellometer_merge_backlog();
	CALL sellometer_rollup();
END
$$;
CREATE VIEW pg_temp.ledger AS
SELECT key, state, rows_total AS total, rows_counted AS counted, rows_duplicate AS dup, rows_rejected AS rejected,
	rows_expired AS expired, first_event, last_event FROM sellometer.objects ORDER BY id;
CREATE VIEW pg_temp.sums AS
SELECT event_time, event_type, product_id, count, gmv FROM sellometer.realtime_product_id_hour ORDER BY 1, 2, 3;
CREATE FUNCTION pg_temp.wrong() RETURNS TABLE (name text, detail text) LANGUAGE sql AS $$
	SELECT name, detail FROM sellometer_check() WHERE NOT ok AND name NOT IN ('pg_cron', 'worker', 'preload')
$$;
SELECT sellometer_add_source('shop', :'url', archive_url => :'archive');

-- views: of s1 one that counts, an earlier one far ahead of nothing; of s2 the earliest is a clock jump's; carts; a row that stays bad
SELECT pg_temp.put('2019-10-01-10-00-a.csv', '2019-10-01 10:00:10,view,1,5,s1,1', '2019-10-01 10:01:00,purchase,1,5,s1,1', '2019-10-01 10:01:00,cup,1,5,s1,1',
	'2019-10-01 10:02:00,cart,2,7,s1,1', '2019-10-01 10:02:00,view,2,7,s1,1', '2019-10-01 10:03:00,cart,3,8,s1,1', '2019-10-01 10:04:00,cart,4,8,s1,1',
	'2019-10-01 10:05:00,view,3,8,s3,1', '2019-10-01 10:05:00,view,3,8,s3,1', '2019-10-03 11:00:00,purchase,2,9,s1,1',
	'2015-10-01 10:00:00,purchase,1,6,s9,1', '2019-10-01 10:05:01,view,3,8,s4,1');
CALL pg_temp.load();
SELECT * FROM pg_temp.ledger;
SELECT * FROM pg_temp.sums;
SELECT line, reason FROM sellometer.rejected_rows ORDER BY line;
-- nothing is mended
SELECT sellometer_retry('shop', '2019-10-01-10-00-a.csv');
SELECT * FROM pg_temp.ledger;
SELECT * FROM pg_temp.sums;
SELECT line, reason FROM sellometer.rejected_rows ORDER BY line;
-- the clock
SET sellometer.max_clock_jump = '10 d';
SELECT sellometer_retry('shop', '2019-10-01-10-00-a.csv');
SELECT * FROM pg_temp.ledger;
SELECT * FROM pg_temp.sums;
SELECT line, reason FROM sellometer.rejected_rows ORDER BY line;
SELECT head FROM sellometer.state;
SELECT product_id, cart_at, purchased_at FROM sellometer.carts ORDER BY 1;
-- a tier that keeps what was too old
SELECT sellometer_add_tier('day', '1 day');
SELECT sellometer_retry('shop', '2019-10-01-10-00-a.csv');
SELECT * FROM pg_temp.ledger;
SELECT event_time, product_id, count FROM sellometer.purchase_product_id_day ORDER BY 1, 2;
SELECT event_time, count, is_final FROM sellometer_series('product_id', 'purchase', NULL, '2010-01-01', '2020-01-01', '1 day');
SELECT * FROM pg_temp.wrong();
-- all of it once more changes nothing, nor does replay
SELECT sellometer_retry('shop', '2019-10-01-10-00-a.csv');
SELECT sellometer_replay('shop', '2010-01-01', '2020-01-01');
SELECT event_time, event_type, product_id, count, gmv FROM sellometer.product_id_day ORDER BY 1, 2, 3;
SELECT * FROM pg_temp.ledger;
SELECT * FROM pg_temp.wrong();
RESET sellometer.max_clock_jump;

-- a view that counts in another object moves to an earlier one that was left out
SET sellometer.max_clock_skew = 0;
SELECT pg_temp.put('2019-10-03-11-00-b.csv', '2019-10-03 11:30:00,view,7,1,s7,1');
SELECT pg_temp.put('2019-10-03-11-01-c.csv', '2019-10-02 02:00:00,view,7,1,s8,1', '2019-10-02 02:00:00,view,7,1,s9,1', '2019-10-02 02:00:00,view,7,1,s10,1',
	'2019-10-02 02:00:01,view,7,1,s11,1', '2019-10-02 02:00:01,view,7,1,s12,1', '2019-10-03 11:20:00,view,7,1,s7,1');
CALL pg_temp.load();
SELECT key, counted, dup, rejected FROM pg_temp.ledger;
SET sellometer.max_clock_jump = '10 d';
SELECT sellometer_retry('shop', '2019-10-03-11-01-c.csv');
SELECT key, counted, dup, rejected FROM pg_temp.ledger;
SELECT event_time, count FROM sellometer.product_id_minute WHERE product_id = 7 ORDER BY 1;
SELECT * FROM pg_temp.wrong();
-- all counts: nothing to retry
SELECT sellometer_retry('shop', '2019-10-03-11-01-c.csv');
RESET sellometer.max_clock_jump;

-- an object that is archived
SELECT pg_temp.put('2019-10-03-12-00-d.csv', '2019-10-03 12:00:00,purchase,8,1,s8,1', '2019-10-03 12:00:01,purchase,8,1,s8,1', '2019-10-03 12:00:02,purchase,8,1,s8,1',
	'2019-10-03 12:00:03,purchase,8,1,s8,1', '2019-10-03 12:00:04,purchase,8,1,s8,1', '2019-10-05 12:00:00,purchase,8,1,s8,1');
SELECT pg_temp.put('2019-10-03-12-01-e.csv', '2019-10-03 12:01:00,purchase,9,1,s8,1', '2019-10-03 12:01:00,purchase,9,x,s8,1');
SELECT pg_temp.put('2019-10-03-14-00-f.csv', '2019-10-03 14:00:00,purchase,8,1,s8,1');
CALL pg_temp.load();
CALL sellometer_archive();
SELECT key, state, counted, dup, rejected FROM pg_temp.ledger;
SET sellometer.max_clock_jump = '10 d';
SELECT sellometer_retry('shop', '2019-10-03-12-00-d.csv');
SELECT sellometer_retry('shop', '2019-10-03-12-01-e.csv');
SELECT key, state, counted, dup, rejected, last_event FROM pg_temp.ledger WHERE key ~ '-[de].csv';
SELECT event_time, count FROM sellometer.product_id_minute WHERE product_id = 8 ORDER BY 1;
SELECT sellometer_replay('shop', '2019-10-03', '2019-10-06');
SELECT event_time, count FROM sellometer.product_id_minute WHERE product_id = 8 ORDER BY 1;
SELECT * FROM pg_temp.wrong();

-- one that has changed, or is gone
SELECT pg_temp.put('2019-10-03-14-01-g.csv', '2019-10-03 14:01:00,purchase,8,1,s8,1', '2019-10-03 14:01:00,purchase,8,x,s8,1');
SELECT pg_temp.put('2019-10-03-14-02-h.csv', '2019-10-03 14:02:00,purchase,8,1,s8,1', '2019-10-03 14:02:00,purchase,8,x,s8,1');
CALL pg_temp.load();
SELECT pg_temp.put('2019-10-03-14-01-g.csv', '2019-10-03 14:01:00,purchase,8,1,s8,1', '2019-10-03 14:01:00,purchase,8,1.00,s8,1');
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm sellometer_retry_test/in/2019-10-03-14-02-h.csv';
\set VERBOSITY terse
SELECT sellometer_retry('shop', '2019-10-03-14-01-g.csv');
SELECT sellometer_retry('shop', '2019-10-03-14-02-h.csv');
SELECT key, state, counted, rejected FROM pg_temp.ledger WHERE key ~ '-[gh].csv';
SELECT count(*) FROM sellometer.rejected_rows WHERE key ~ '-[gh].csv';

SET client_min_messages = warning;
DROP EXTENSION sellometer CASCADE;
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf sellometer_retry_test';
