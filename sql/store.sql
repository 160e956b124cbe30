-- The storage layer without a network: directories, URLs, rights, and the options of foreign servers
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS sellometer;
\set SHOW_CONTEXT never

-- A directory of the server with what belongs into a list and what doesn't.
SELECT current_setting('data_directory') || '/sellometer_store_test' AS dir \gset
\set url 'file://' :dir /
SELECT format($$COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; d=%s; rm -rf $d; mkdir -p $d/2019/10 $d/.hidden $d/x.tmp; cd $d;
	printf abc > a.csv; printf abcd > 2019/10/b.csv; printf x > 2019/c.csv; : > empty.csv; printf x > "sp ace+%%25''.csv";
	printf x > .d; printf x > .hidden/e; printf x > f.tmp; printf x > f.part; printf x > x.tmp/g;
	ln -s a.csv link.csv; ln -s 2019 linkdir; mkfifo pipe.csv; touch -d "2024-02-29 12:34:56.5Z" a.csv'$$, :'dir') AS command \gset
:command;

SELECT key, size, etag ~ '^[0-9a-f]+-[0-9a-f]+-[0-9a-f]+$' AS etag FROM sellometer_list(:'url') ORDER BY key COLLATE "C";
SELECT last_modified AT TIME ZONE 'UTC' AS last_modified FROM sellometer_list(:'url') WHERE key = 'a.csv';

-- A URL is what the objects' URLs begin with: it need not be a directory's.
\set prefix_url :url 2019/
SELECT key FROM sellometer_list(:'prefix_url') ORDER BY key COLLATE "C";
\set prefix_url :url 20
SELECT key FROM sellometer_list(:'prefix_url') ORDER BY key COLLATE "C";
\set prefix_url :url 2019/10/b.csv
SELECT key, key = '' AS is_the_object FROM sellometer_list(:'prefix_url');
\set prefix_url :url nothing
SELECT count(*) FROM sellometer_list(:'prefix_url');
\set prefix_url 'file://localhost' :dir /2019/
SELECT count(*) FROM sellometer_list(:'prefix_url');

-- An ETag changes with the content, and only with it.
SELECT etag AS before FROM sellometer_list(:'url') WHERE key = '2019/c.csv' \gset
SELECT etag = :'before' AS same FROM sellometer_list(:'url') WHERE key = '2019/c.csv';
SELECT format($$COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; printf y > %s/2019/c.csv'$$, :'dir') AS command \gset
:command;
SELECT etag = :'before' AS same FROM sellometer_list(:'url') WHERE key = '2019/c.csv';

-- Keys that are no text are left out, and said to be.
SELECT format($$COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; cd %s/2019; : > "$(printf "bad\377.csv")"'$$, :'dir') AS command \gset
:command;
\set prefix_url :url 2019/
SELECT key FROM sellometer_list(:'prefix_url') ORDER BY key COLLATE "C";

-- URLs that are none.
SELECT * FROM sellometer_list('ftp://host/dir/');
SELECT * FROM sellometer_list('/dir/');
SELECT * FROM sellometer_list('file://dir/');
SELECT * FROM sellometer_list('s3:///prefix/');
SELECT * FROM sellometer_list('s3://key:secret@bucket/');
SELECT * FROM sellometer_list('s3://' || repeat('b', 300));
SELECT * FROM sellometer_list('s3://bucket/' || repeat('p', 9000));
SELECT * FROM sellometer_list(NULL);
SELECT * FROM sellometer_list('file:///sellometer/no such directory/');

-- Rights.
CREATE ROLE regress_sellometer_clerk;
SET ROLE regress_sellometer_clerk;
SELECT * FROM sellometer_list('file:///tmp/');
RESET ROLE;
GRANT EXECUTE ON FUNCTION sellometer_list(text, text) TO regress_sellometer_clerk;
SET ROLE regress_sellometer_clerk;
SELECT * FROM sellometer_list('file:///tmp/');
SELECT * FROM sellometer_list('s3://bucket/');
RESET ROLE;
GRANT pg_read_server_files TO regress_sellometer_clerk;
SET ROLE regress_sellometer_clerk;
SELECT count(*) FROM sellometer_list(:'url');
RESET ROLE;
REVOKE pg_read_server_files FROM regress_sellometer_clerk;

-- Options of servers.  (A misspelt one gets a better hint from PostgreSQL 16 on.)
CREATE SERVER s FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (bucket_location 'x');
CREATE SERVER s FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (access_key_id 'x');
CREATE SERVER s FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint '127.0.0.1:9');
CREATE SERVER s FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint 'http://127.0.0.1:9/path');
CREATE SERVER s FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint 'http://user:secret@host');
CREATE SERVER s FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint 'http://');
CREATE SERVER s FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (region 'eu central');
CREATE SERVER s FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (region 'eu:central');
CREATE SERVER s FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (url_style 'vhost');
CREATE SERVER s FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (ca_file 'ca.crt');
CREATE SERVER s FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (connect_timeout '0');
CREATE SERVER s FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (stall_timeout '1.5');
CREATE SERVER s FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (min_rate '1 kB');
CREATE SERVER s FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (retry_timeout 'x');
ALTER FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (ADD region 'x');
CREATE SERVER s FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint 'http://127.0.0.1:9/', region 'eu-central-1',
	url_style 'path', connect_timeout '5', stall_timeout '5', retry_timeout '5');
GRANT USAGE ON FOREIGN DATA WRAPPER sellometer_s3 TO regress_sellometer_clerk;
SET ROLE regress_sellometer_clerk;
CREATE SERVER t FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (ca_file '/etc/passwd');
RESET ROLE;
REVOKE USAGE ON FOREIGN DATA WRAPPER sellometer_s3 FROM regress_sellometer_clerk;

-- Options of user mappings.
CREATE USER MAPPING FOR regress_sellometer_clerk SERVER s;
DROP USER MAPPING FOR regress_sellometer_clerk SERVER s;
CREATE USER MAPPING FOR regress_sellometer_clerk SERVER s OPTIONS (access_key_id 'a');
CREATE USER MAPPING FOR regress_sellometer_clerk SERVER s OPTIONS (access_key_id 'a', secret_access_key '');
CREATE USER MAPPING FOR regress_sellometer_clerk SERVER s OPTIONS (access_key_id 'a', secret_access_key E'hidden\r\nX: y');
CREATE USER MAPPING FOR regress_sellometer_clerk SERVER s OPTIONS (access_key_id 'a', my_password 'hidden');
CREATE USER MAPPING FOR regress_sellometer_clerk SERVER s OPTIONS (access_key_id 'a', secret_access_key 'b', session_token 'c');
ALTER USER MAPPING FOR regress_sellometer_clerk SERVER s OPTIONS (DROP secret_access_key);

-- Who may use a server.
SELECT * FROM sellometer_list('s3://bucket/', 'no such server');
SELECT * FROM sellometer_list('file:///tmp/', 's');
CREATE FOREIGN DATA WRAPPER regress_sellometer_other;
CREATE SERVER other FOREIGN DATA WRAPPER regress_sellometer_other;
SELECT * FROM sellometer_list('s3://bucket/', 'other');
SET ROLE regress_sellometer_clerk;
SELECT * FROM sellometer_list('s3://bucket/', 's');
RESET ROLE;
DROP USER MAPPING FOR regress_sellometer_clerk SERVER s;
GRANT USAGE ON FOREIGN SERVER s TO regress_sellometer_clerk;
SET ROLE regress_sellometer_clerk;
SELECT * FROM sellometer_list('s3://bucket/', 's');
RESET ROLE;

DROP SERVER s CASCADE;
DROP FOREIGN DATA WRAPPER regress_sellometer_other CASCADE;
REVOKE ALL ON FUNCTION sellometer_list(text, text) FROM regress_sellometer_clerk;
DROP ROLE regress_sellometer_clerk;
SELECT format($$COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf %s'$$, :'dir') AS command \gset
:command;
