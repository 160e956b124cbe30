-- Formats of sources: what is taken for one, what is not, and what becomes of values.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS sellometer CASCADE;
CREATE EXTENSION sellometer;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never

SELECT current_setting('data_directory') || '/sellometer_formats_test' AS dir \gset
\set url 'file://' :dir /
SELECT format($$COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf %s; mkdir -p %s'$$, :'dir', :'dir') AS command \gset
:command;
CREATE FUNCTION pg_temp.put(key text, VARIADIC lines text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT unnest(%L::text[])) TO %L', lines, current_setting('data_directory') || '/sellometer_formats_test/' || key);
END
$$;

-- what is none
SELECT sellometer_read_csv('file:///nowhere', format => '[]');
SELECT sellometer_read_csv('file:///nowhere', format => '{"colums": {}}');
SELECT sellometer_read_csv('file:///nowhere', format => '{"columns": {"sku": "x"}}');
SELECT sellometer_read_csv('file:///nowhere', format => '{"columns": {"price": true}}');
SELECT sellometer_read_csv('file:///nowhere', format => '{"columns": {"price": 0}}');
SELECT sellometer_read_csv('file:///nowhere', format => '{"columns": {"price": " "}}');
SELECT sellometer_read_csv('file:///nowhere', format => '{"columns": {"price": ["a", "b"]}}');
SELECT sellometer_read_csv('file:///nowhere', format => '{"columns": {"user_session": ["a", "b", "c", "d"]}}');
SELECT sellometer_read_csv('file:///nowhere', format => '{"columns": {"price": "a"}, "constants": {"price": 1}}');
SELECT sellometer_read_csv('file:///nowhere', format => '{"header": false}');
SELECT sellometer_read_csv('file:///nowhere', format => '{"header": false, "columns": {"event_time": "ts"}}');
SELECT sellometer_read_csv('file:///nowhere', format => '{"header": "no"}');
SELECT sellometer_read_csv('file:///nowhere', format => '{"events": {"x": "sale"}}');
SELECT sellometer_read_csv('file:///nowhere', format => '{"delimiter": "ab"}');
SELECT sellometer_read_csv('file:///nowhere', format => '{"quote": "''", "delimiter": "''"}');
SELECT sellometer_read_csv('file:///nowhere', format => '{"encoding": "UTF-7"}');
SELECT sellometer_read_csv('file:///nowhere', format => '{"time": "ymd"}');
SELECT sellometer_read_csv('file:///nowhere', format => '{"time_zone": "Mars/Olympus"}');
SELECT sellometer_read_csv('file:///nowhere', format => '{"time_zone": "Europe/Berlin", "time": "ms"}');
SELECT sellometer_read_csv('file:///nowhere', format => '{"decimal": ",", "thousands": ","}');
SELECT sellometer_read_csv('file:///nowhere', format => '{"minor_units": 5}');
SELECT sellometer_set_format('nowhere', '{}');

-- PostgreSQL's own zones, at each change of these years, an hour before and behind, and in the middle
SELECT pg_temp.put('times.csv', VARIADIC ARRAY['event_time,event_type,product_id,price'] || array_agg(at || ',purchase,1,1' ORDER BY at))
FROM generate_series(timestamp '2019-01-01', '2021-12-31 23:00', '30 minutes') at;
SELECT zone, count(*), count(*) FILTER (WHERE r.event_time <> (s.at AT TIME ZONE zone)) AS wrong
FROM (VALUES ('Europe/Berlin'), ('America/New_York'), ('Australia/Lord_Howe'), ('Asia/Kolkata'), ('Africa/Casablanca')) z (zone)
CROSS JOIN LATERAL (SELECT event_time, row_number() OVER () AS n
	FROM sellometer_read_csv(:'url' || 'times.csv', format => jsonb_build_object('time_zone', zone))) r
JOIN (SELECT at, row_number() OVER (ORDER BY at) AS n FROM generate_series(timestamp '2019-01-01', '2021-12-31 23:00', '30 minutes') at) s USING (n)
GROUP BY zone ORDER BY zone;

-- a source, and its format
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm sellometer_formats_test/times.csv';
SELECT sellometer_add_source('own', :'url', enabled => false);
SET client_min_messages = notice;
SELECT * FROM sellometer_set_format('own', '{"delimiter": ";"}');
SELECT pg_temp.put('a.csv', 'ts;what;item;price;brand', '2019-10-01 12:00;show;7;1,50;acme', '2019-10-01 12:01;ping;7;1,50;acme', '2019-10-01 12:02;purchase;8;x;acme');
SELECT * FROM sellometer_set_format('own', '{"delimiter": ";", "columns": {"event_time": "ts"}}');
SELECT * FROM sellometer_set_format('own', '{"delimiter": ";", "columns": {"event_time": "ts", "event_type": "what", "product_id": "item"}}');
SELECT event_time, event_type, product_id, price, brand FROM sellometer_set_format('own',
	'{"delimiter": ";", "columns": {"event_time": "ts", "event_type": "what", "product_id": "item"}, "events": {"show": "view"}, "decimal": ","}');
SELECT event_type, product_id FROM sellometer_set_format('own',
	'{"delimiter": ";", "columns": {"event_time": "ts", "event_type": "what", "product_id": "item"}, "events": {"show": "view"}, "decimal": ","}', rows => 1);
SELECT source, format FROM sellometer.formats ORDER BY source;
SELECT item, value, sure FROM sellometer_sniff(:'url') WHERE item NOT IN ('object', 'call');
SELECT replace(value, :'url', 'URL/') AS value FROM sellometer_sniff(:'url') WHERE item = 'call';
SELECT sellometer_drop_source('own');
-- one that is not in our words, without a format: the warning, without the path that the tests happen to run in
CREATE FUNCTION pg_temp.hint_of_adding(url text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM sellometer_add_source('plain', url, enabled => false);
END
$$;
\set VERBOSITY terse
SELECT pg_temp.hint_of_adding(:'url');
\set VERBOSITY default
SELECT sellometer_drop_source('plain');
SELECT sellometer_add_source('own', :'url', enabled => false, format => '{"delimiter": ";"}');
SELECT count(*) FROM sellometer.sources;
-- days and months that can't be told apart
SELECT pg_temp.put('b.csv', 'ts,event_type,product_id,price', '3/4/2019,view,7,1.5');
SELECT item, value, sure, detail FROM sellometer_sniff(:'url' || 'b.csv') WHERE item = 'event_time';
-- our words, but times without seconds
SELECT pg_temp.put('b.csv', 'event_time,event_type,product_id,price', '2019-04-03 12:00,view,7,1.5');
SELECT regexp_replace(value, 'file:[^'']*', 'URL') AS value FROM sellometer_sniff(:'url' || 'b.csv') WHERE item = 'call';
SELECT pg_temp.put('b.csv', 'event_time,event_type,product_id,price', '2019-04-03 12:00:00,view,7,1.5');
SELECT regexp_replace(value, 'file:[^'']*', 'URL') AS value FROM sellometer_sniff(:'url' || 'b.csv') WHERE item = 'call';
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -r sellometer_formats_test';
