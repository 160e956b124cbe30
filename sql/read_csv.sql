-- sellometer_read_csv(): files of the server
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS sellometer;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
SELECT current_setting('data_directory') AS dir \gset
\set csv :dir '/sellometer_read.csv'
\set gz :dir '/sellometer read%.csv'
\set url 'file://' :csv
\set gz_url 'file://' :gz

COPY (SELECT unnest(ARRAY['event_time,event_type,product_id,price',
	'2019-10-01 00:00:00 UTC,view,1,2.00', '2019-10-01 00:00:01 UTC,view,x,2.00',
	'2019-10-01 00:00:02 UTC,purchase,3,2.5'])) TO :'csv';
SELECT event_time, event_type, product_id, category_code, brand, price FROM sellometer_read_csv(:'url');
-- gzip is told by its first bytes, not by the name
SELECT lo_from_bytea(0, '\x1f8b08000000000002ff4b2d4bcd2b892fc9cc4dd54985302b0b52750a8af2534a934be2335380cccce4549da4a2c4bc142e2303434b5d43035d03430503032b3052080d71d629cb4c2dd731d431d23330d0494453050015cc97bd61000000'::bytea ||
	'\x1f8b08000000000002ff3330b0323054080d71d6494e2c2ad131d231d63335d039bcb2e4f04a2e00bcc69fa21c000000'::bytea) AS object \gset
SELECT lo_export(:object, :'gz');
SELECT lo_unlink(:object);
SELECT event_time, event_type, product_id, brand, price FROM sellometer_read_csv(:'gz_url');
-- several megabytes, streamed
COPY (SELECT 'event_time,event_type,product_id,price'
	UNION ALL SELECT '2019-10-01 00:00:00,view,' || i || ',' || i % 100 || '.25' FROM generate_series(1, 100000) AS i) TO :'csv';
SELECT count(*), sum(product_id), sum(price) FROM sellometer_read_csv(:'url');
-- an empty file
COPY (SELECT 1 WHERE false) TO :'csv';
SELECT count(*) FROM sellometer_read_csv(:'url');
-- no CSV; no file
COPY (SELECT '<html>') TO :'csv';
SELECT count(*) FROM sellometer_read_csv(:'url');
\set VERBOSITY sqlstate
COPY (SELECT 1) TO PROGRAM 'rm -f sellometer_read.csv "sellometer read%.csv"';
SELECT count(*) FROM sellometer_read_csv(:'url');
SELECT count(*) FROM sellometer_read_csv(:'gz_url');
\set VERBOSITY default
-- errors name the object
DO $$
DECLARE
	context text;
BEGIN
	PERFORM sellometer_read_csv('file:///nowhere/x.csv');
EXCEPTION WHEN undefined_file THEN
	GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
	RAISE NOTICE '%', split_part(context, E'\n', 1);
END
$$;
SELECT count(*) FROM sellometer_read_csv('http://example.com/x.csv');
SELECT count(*) FROM sellometer_read_csv(NULL);

-- who may
CREATE ROLE regress_sellometer_reader;
SET ROLE regress_sellometer_reader;
SELECT count(*) FROM sellometer_read_csv('file:///x/y.csv');
SELECT count(*) FROM sellometer_parse_csv('event_time,event_type,product_id,price');
RESET ROLE;
GRANT EXECUTE ON FUNCTION sellometer_read_csv TO regress_sellometer_reader;
SET ROLE regress_sellometer_reader;
SELECT count(*) FROM sellometer_read_csv('file:///x/y.csv');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION sellometer_read_csv FROM regress_sellometer_reader;
DROP ROLE regress_sellometer_reader;
