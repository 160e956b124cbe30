-- The clock: few rows behind a gap are clock jumps, and time that goes on is none
\set name sellometer_clock_test
\getenv abs_srcdir PG_ABS_SRCDIR
\set source :abs_srcdir /sql/include/source.psql
\i :source
-- an object of purchases at these times, each of a session of its own
CREATE FUNCTION pg_temp.put(key text, times text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT ''event_time,event_type,product_id,price,user_session'' UNION ALL
		SELECT t.t || '',purchase,1,2.50,s'' || row_number() OVER () FROM (%s) AS t (t)) TO %L', times,
		current_setting('data_directory') || '/sellometer_clock_test/' || key);
END
$$;
CREATE VIEW pg_temp.ledger AS
SELECT key, state, rows_total AS total, rows_counted AS counted, rows_rejected AS rejected, rows_expired AS expired, error
FROM sellometer.objects ORDER BY id;
SELECT sellometer_add_source('shop', :'url');
SELECT sellometer_alter_source('shop', same_content => 'count');

-- few rows, and a few of them far ahead
SELECT pg_temp.put('a-90-rows', $$SELECT '2019-10-01'::timestamp + i * interval '7 days' / 90 FROM generate_series(0, 89) i$$);
SELECT pg_temp.put('b-weekly', $$SELECT '2019-10-01'::timestamp + i * interval '40 hours' FROM generate_series(0, 9) i$$);
SELECT pg_temp.put('c-lone', $$SELECT '2019-10-01'::timestamp + i * interval '1 min' FROM generate_series(0, 999) i
	UNION ALL SELECT '2106-02-07 06:28:15' UNION ALL SELECT '2020-02-07 06:28:15'$$);
SELECT pg_temp.put('d-wrong-clock', $$SELECT '2019-10-01'::timestamp + CASE WHEN i % 100 = 7 THEN interval '30 days' ELSE '0' END
	+ i * interval '1 min' FROM generate_series(0, 999) i$$);
SELECT pg_temp.put('e-after-a-pause', $$SELECT '2019-10-01'::timestamp + CASE WHEN i > 700 THEN interval '3 days' ELSE '0' END
	+ i * interval '1 min' FROM generate_series(0, 999) i$$);
SELECT pg_temp.put('f-many', $$SELECT '2019-10-01'::timestamp + CASE WHEN i % 10 = 7 THEN interval '30 days' ELSE '0' END
	+ i * interval '1 min' FROM generate_series(0, 98) i UNION ALL SELECT '2106-02-07'::timestamp FROM generate_series(1, 2)$$);
CALL sellometer_ingest();
CALL sellometer_merge_backlog();
SELECT * FROM pg_temp.ledger;
SELECT key, count(*), min(line), max(line), min(reason), min(left(detail, 88)) FROM sellometer.rejected_rows GROUP BY key, reason ORDER BY 1, 5;
SELECT head FROM sellometer.state;

-- the same with a longer jump
SET sellometer.max_clock_jump = '40 d';
SELECT pg_temp.put('g-wrong-clock', $$SELECT '2019-10-01'::timestamp + CASE WHEN i % 100 = 7 THEN interval '30 days' ELSE '0' END
	+ i * interval '1 min' FROM generate_series(0, 999) i$$);
CALL sellometer_ingest();
CALL sellometer_merge_backlog();
SELECT * FROM pg_temp.ledger WHERE key ~ '^g';
RESET sellometer.max_clock_jump;

-- more than a million rows over four days, and some amid and at the end that are far ahead
SELECT format($$COPY (SELECT 'event_time,event_type,product_id,price' UNION ALL SELECT '2019-10-10'::timestamp
	+ CASE WHEN i %% 500000 = 3 THEN interval '20 days' ELSE '0' END + i * interval '4 days' / 1100000 || ',purchase,1,2.50'
	FROM generate_series(0, 1099999) i UNION ALL SELECT '2019-12-01 00:00:00,purchase,1,2.50') TO %L$$, :'dir' || '/h-large') AS command \gset
:command;
-- rejects by time count before anything is counted
SET sellometer.max_reject_fraction = 0.000001;
CALL sellometer_ingest();
CALL sellometer_merge_backlog();
SELECT key, state, total, counted, replace(error, ' (', E'\n(') AS error FROM pg_temp.ledger WHERE key ~ '^h';
RESET sellometer.max_reject_fraction;
SELECT sellometer_retry('shop', 'h-large');
CALL sellometer_ingest();
CALL sellometer_merge_backlog();
SELECT * FROM pg_temp.ledger WHERE key ~ '^h';
SELECT key, line, reason, detail FROM sellometer.rejected_rows WHERE key ~ '^h' ORDER BY 1, 2;
SELECT head BETWEEN '2019-10-13' AND '2019-10-14' AS not_moved FROM sellometer.state;
SELECT sum(count) FROM sellometer.realtime_brand_hour WHERE event_time >= '2019-10-10';
SELECT name, detail FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|database|locks|procedure|loading)' AND name NOT IN ('pg_cron', 'worker', 'preload', 'failed objects');

SET client_min_messages = warning;
DROP EXTENSION sellometer CASCADE;
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf sellometer_clock_test';
