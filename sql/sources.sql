-- Sources: add, drop, enable, and what goes wrong with them
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS sellometer CASCADE;
CREATE EXTENSION sellometer;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
\set VERBOSITY default

-- a directory for each, and a function that writes an object
SELECT current_setting('data_directory') || '/sellometer_sources_test' AS dir \gset
\set a 'file://' :dir /a/
\set b 'file://' :dir /b/
\set archive 'file://' :dir /archive/
SELECT format($$COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; d=%s; rm -rf $d; mkdir -p $d/a/deep $d/b $d/c $d/archive'$$, :'dir') AS command \gset
:command;
CREATE FUNCTION pg_temp.put(key text, VARIADIC lines text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT unnest(%L::text[])) TO %L', ARRAY['event_time,event_type,product_id,price'] || lines,
		current_setting('data_directory') || '/sellometer_sources_test/' || key);
END
$$;
-- errors, without the path that the tests happen to run in
CREATE FUNCTION pg_temp.fails(command text) RETURNS TABLE (what text, said text) LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE command;
	RETURN QUERY VALUES ('no error', NULL);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN QUERY SELECT v.what, replace(v.said, current_setting('data_directory'), '/data')
	FROM (VALUES (SQLSTATE, message), ('detail', nullif(detail, '')), ('hint', nullif(hint, ''))) AS v (what, said)
	WHERE v.said IS NOT NULL;
END
$$;

SELECT sellometer_add_source('a', :'a');
SELECT sellometer_add_source('b', :'b', archive_url => :'archive', enabled => false);
SELECT name, replace(url, :'dir', '') AS url, server, replace(archive_url, :'dir', '') AS archive_url, enabled,
	owner::text = current_user AS mine, head, last_error
FROM sellometer.sources ORDER BY name;

-- what can't be added
SELECT * FROM pg_temp.fails('SELECT sellometer_add_source(NULL, ''file:///x/'')');
SELECT * FROM pg_temp.fails('SELECT sellometer_add_source('''', ''file:///x/'')');
SELECT * FROM pg_temp.fails('SELECT sellometer_add_source(''c'', NULL)');
SELECT * FROM pg_temp.fails('SELECT sellometer_add_source(''c'', ''http://x/'')');
SELECT * FROM pg_temp.fails('SELECT sellometer_add_source(''c'', ''/x/'')');
SELECT * FROM pg_temp.fails('SELECT sellometer_add_source(''c'', ''file://x/'')');
SELECT * FROM pg_temp.fails('SELECT sellometer_add_source(''c'', ''file:///no/such/directory/'')');
SELECT * FROM pg_temp.fails('SELECT sellometer_add_source(''c'', ''s3://bucket/'', ''no_such_server'')');
SELECT * FROM pg_temp.fails(format('SELECT sellometer_add_source(''c'', %L)', :'archive'));
SELECT * FROM pg_temp.fails(format('SELECT sellometer_add_source(''a'', %L)', :'archive'));
SELECT * FROM pg_temp.fails(format('SELECT sellometer_add_source(''c'', %L, archive_url => ''file:///no/such/directory/'')',
	:'archive'));
-- overlaps: the same, inside, around, a prefix that is no directory
SELECT * FROM pg_temp.fails(format('SELECT sellometer_add_source(''c'', %L)', :'a'));
SELECT * FROM pg_temp.fails(format('SELECT sellometer_add_source(''c'', %L)', :'a' || 'deep/'));
SELECT * FROM pg_temp.fails(format('SELECT sellometer_add_source(''c'', %L)', 'file://' || :'dir' || '/'));
SELECT * FROM pg_temp.fails(format('SELECT sellometer_add_source(''c'', %L)', 'file://' || :'dir' || '/a'));
SELECT * FROM pg_temp.fails(format('SELECT sellometer_add_source(''c'', %L)', 'file://' || :'dir' || '/./a/'));
SELECT * FROM pg_temp.fails(format('SELECT sellometer_add_source(''c'', %L)', 'file://' || :'dir' || '/b/../a/'));
SELECT * FROM pg_temp.fails(format('SELECT sellometer_add_source(''c'', %L)', 'file://' || :'dir' || '//a/'));
SELECT * FROM pg_temp.fails(format('SELECT sellometer_add_source(''c'', %L)', 'file://localhost' || :'dir' || '/a/'));
-- an archive inside a source would be loaded again
SELECT * FROM pg_temp.fails(format('SELECT sellometer_add_source(''c'', %1$L, archive_url => %1$L)', :'archive'));
SELECT * FROM pg_temp.fails(format('SELECT sellometer_add_source(''c'', %L, archive_url => %L)', :'archive', :'a' || 'deep/'));
SELECT * FROM pg_temp.fails(format('SELECT sellometer_add_source(''c'', %L)', :'archive'));
SELECT * FROM pg_temp.fails(format('SELECT sellometer_add_source(''c'', %L, archive_url => %L)', 'file://' || :'dir' || '/c/', :'archive'));
SELECT name FROM sellometer.sources ORDER BY name;

-- only what is enabled is loaded
SELECT pg_temp.put('a/1.csv', '2019-10-01 00:00:10,view,1,2.50', '2019-10-01 00:00:20,purchase,1,2.50');
SELECT pg_temp.put('a/deep/2.csv', '2019-10-01 00:01:10,view,1,2.50');
SELECT pg_temp.put('b/1.csv', '2019-10-01 00:00:30,view,1,100');
CALL sellometer_ingest();
SELECT source, key, state, rows_counted FROM sellometer.objects ORDER BY source, key;
-- asked for by name, one that is left alone says so
CALL sellometer_ingest('b');
SELECT sellometer_enable_source('b', true), sellometer_enable_source('a', false);
SELECT pg_temp.put('a/3.csv', '2019-10-01 00:02:00,view,1,7');
CALL sellometer_ingest();
SELECT source, key, state, rows_counted FROM sellometer.objects ORDER BY source, key;
SELECT sellometer_enable_source('a', true);
-- one source only
SELECT pg_temp.put('b/2.csv', '2019-10-01 00:03:30,view,1,100');
CALL sellometer_ingest('a');
SELECT source, key, state, rows_counted FROM sellometer.objects ORDER BY source, key;
CALL sellometer_ingest('b');
SELECT source, enabled, head, pending_objects, backlog_objects, failed_objects, head_of_all, list_requests > 0 AS listed,
	last_error
FROM sellometer.status ORDER BY source;
SELECT * FROM sellometer.product_id_minute ORDER BY event_time, event_type;

-- dropped: what was counted stays; back again: nothing is counted twice
SELECT sellometer_drop_source('a');
SELECT pg_temp.put('a/4.csv', '2019-10-01 00:04:00,view,1,1');
CALL sellometer_ingest();
SELECT count(*), sum(count), sum(gmv) FROM sellometer.brand_minute;
SELECT sellometer_add_source('a', :'a');
CALL sellometer_ingest();
SELECT source, key, state, rows_counted FROM sellometer.objects ORDER BY source, key;
SELECT count(*), sum(count), sum(gmv) FROM sellometer.brand_minute;

-- a directory that goes away, and comes back
SELECT format($$COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; mv %1$s/b %1$s/d'$$, :'dir') AS command \gset
:command;
SELECT pg_temp.put('a/5.csv', '2019-10-01 00:05:00,view,1,1');
CALL sellometer_ingest();
SELECT source, replace(last_error, :'dir', '/dir') AS last_error FROM sellometer.status ORDER BY source;
SELECT ok, detail, hint FROM (SELECT ok, replace(detail, :'dir', '/dir') AS detail, hint
	FROM sellometer_check() WHERE name = 'source b') c;
SELECT key, state FROM sellometer.objects WHERE source = 'a' AND key = '5.csv';
SELECT format($$COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; mv %1$s/d %1$s/b'$$, :'dir') AS command \gset
:command;
CALL sellometer_ingest();
SELECT source, last_error FROM sellometer.status ORDER BY source;

-- names that don't exist
SELECT sellometer_drop_source('c');
SELECT sellometer_enable_source('c', true);
CALL sellometer_ingest('c');
CALL sellometer_merge_backlog('c');

-- only on its own
BEGIN;
CALL sellometer_ingest();
ROLLBACK;
CREATE FUNCTION pg_temp.ingest() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL sellometer_ingest(); END $$;
SELECT pg_temp.ingest();
BEGIN ISOLATION LEVEL REPEATABLE READ;
CALL sellometer_merge_backlog();
ROLLBACK;
SET default_transaction_isolation = 'serializable';
CALL sellometer_ingest();
RESET default_transaction_isolation;

-- who may
CREATE ROLE regress_sellometer_clerk;
GRANT USAGE ON SCHEMA sellometer TO regress_sellometer_clerk;
SET ROLE regress_sellometer_clerk;
SELECT sellometer_add_source('c', 'file:///x/');
SELECT sellometer_drop_source('a');
SELECT sellometer_enable_source('a', false);
CALL sellometer_ingest();
CALL sellometer_merge_backlog();
SELECT * FROM sellometer.secret;
RESET ROLE;
-- a directory wants the right to read the server's files
GRANT EXECUTE ON FUNCTION sellometer_add_source TO regress_sellometer_clerk;
GRANT ALL ON sellometer.sources TO regress_sellometer_clerk;
SET ROLE regress_sellometer_clerk;
SELECT sellometer_add_source('c', 'file:///x/');
RESET ROLE;
REVOKE ALL ON sellometer.sources FROM regress_sellometer_clerk;
REVOKE EXECUTE ON FUNCTION sellometer_add_source FROM regress_sellometer_clerk;
REVOKE USAGE ON SCHEMA sellometer FROM regress_sellometer_clerk;
DROP ROLE regress_sellometer_clerk;

SELECT format($$COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf %s'$$, :'dir') AS command \gset
:command;
DROP EXTENSION sellometer;
