-- Times in keys are hints: a source whose keys are off by a constant learns it
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS sellometer CASCADE;
CREATE EXTENSION sellometer;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never

SELECT current_setting('data_directory') || '/sellometer_key_times_test' AS dir \gset
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf sellometer_key_times_test; mkdir -p sellometer_key_times_test/a sellometer_key_times_test/b sellometer_key_times_test/c sellometer_key_times_test/d';
-- an object of a minute's purchases; its key says another time
CREATE FUNCTION pg_temp.put(source text, at timestamp, off interval DEFAULT '0') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT ''event_time,event_type,product_id,price'' UNION ALL
		SELECT %L::timestamp + i * interval ''5 s'' || '',purchase,1,2.50'' FROM generate_series(0, 11) i) TO %L', at,
		current_setting('data_directory') || '/sellometer_key_times_test/' || source || '/' || to_char(at + off, 'YYYY-MM-DD-HH24-MI') || '.csv');
END
$$;
CREATE VIEW pg_temp.waiting AS
SELECT source, state, count(*), min(object_time), max(object_time) FROM sellometer.objects GROUP BY 1, 2 ORDER BY 1, 2;
CREATE VIEW pg_temp.learned AS
SELECT s.source, s.key_offset, x.key_doubt > 0 AS in_doubt, s.pending_objects, s.backlog_objects
FROM sellometer.status s JOIN sellometer.sources x ON x.name = s.source ORDER BY 1;

-- four hours behind, as they come
SELECT sellometer_add_source('a', 'file://' || :'dir' || '/a/');
SELECT sellometer_alter_source('a', same_content => 'count');
SELECT pg_temp.put('a', '2019-10-01 10:00', '-4 hours');
CALL sellometer_ingest();
SELECT * FROM pg_temp.learned;
SELECT pg_temp.put('a', '2019-10-01 10:01', '-4 hours');
CALL sellometer_ingest();
SELECT * FROM pg_temp.learned;
SELECT pg_temp.put('a', '2019-10-01 10:02'::timestamp + i * interval '1 min', '-4 hours') FROM generate_series(0, 7) i;
CALL sellometer_ingest();
SELECT * FROM pg_temp.learned;
SELECT * FROM pg_temp.waiting;
-- one that is late is so by its key
SELECT pg_temp.put('a', '2019-10-01 09:00', '-4 hours');
CALL sellometer_ingest();
SELECT * FROM pg_temp.waiting;
CALL sellometer_merge_backlog();
SELECT sum(count) FROM sellometer.realtime_brand_hour;

-- all of them at once, while another source is ahead
SELECT sellometer_add_source('b', 'file://' || :'dir' || '/b/');
SELECT sellometer_alter_source('b', same_content => 'count');
SELECT pg_temp.put('b', '2019-10-01 10:00'::timestamp + i * interval '1 min', '-4 hours') FROM generate_series(0, 59) i;
CALL sellometer_ingest();
SELECT * FROM pg_temp.learned;
SELECT * FROM pg_temp.waiting WHERE source = 'b';

-- nine hours ahead: late ones are known as such
SELECT sellometer_add_source('c', 'file://' || :'dir' || '/c/');
SELECT sellometer_alter_source('c', same_content => 'count');
SELECT pg_temp.put('c', '2019-10-01 11:00', '9 hours'), pg_temp.put('c', '2019-10-01 11:01', '9 hours');
CALL sellometer_ingest();
SELECT pg_temp.put('c', '2019-10-01 11:02', '9 hours'), pg_temp.put('c', '2019-10-01 08:00', '9 hours');
CALL sellometer_ingest();
SELECT * FROM pg_temp.learned;
SELECT * FROM pg_temp.waiting WHERE source = 'c';
CALL sellometer_merge_backlog();

-- keys that are right, and one that is not: it is no constant
SELECT sellometer_add_source('d', 'file://' || :'dir' || '/d/');
SELECT sellometer_alter_source('d', same_content => 'count');
SELECT pg_temp.put('d', '2019-10-01 11:03'), pg_temp.put('d', '2019-10-01 11:04'), pg_temp.put('d', '2019-10-01 11:05', '30 min'), pg_temp.put('d', '2019-10-01 11:06');
CALL sellometer_ingest();
SELECT pg_temp.put('d', '2019-10-01 11:07'), pg_temp.put('d', '2019-10-01 11:08'), pg_temp.put('d', '2019-10-01 09:07');
CALL sellometer_ingest();
SELECT * FROM pg_temp.learned;
SELECT * FROM pg_temp.waiting WHERE source = 'd';
-- the clocks go back: it is learned anew
SELECT pg_temp.put('a', '2019-10-01 11:10'::timestamp + i * interval '1 min', '-5 hours') FROM generate_series(0, 9) i;
CALL sellometer_ingest();
SELECT * FROM pg_temp.learned;
CALL sellometer_merge_backlog();
SELECT source, state, count(*), sum(rows_counted) FROM sellometer.objects GROUP BY 1, 2 ORDER BY 1, 2;
SELECT name, detail FROM sellometer_check() WHERE NOT ok AND name NOT IN ('pg_cron', 'worker', 'preload');

SET client_min_messages = warning;
DROP EXTENSION sellometer CASCADE;
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf sellometer_key_times_test';
