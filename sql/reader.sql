-- A role for dashboards reads what it should, and nothing else
SET client_min_messages = warning;
\set SHOW_CONTEXT never
BEGIN;
DROP EXTENSION IF EXISTS sellometer CASCADE;
CREATE EXTENSION sellometer;
CREATE ROLE "regress_sellometer reader";
CREATE ROLE regress_sellometer_other;
SELECT sellometer_grant_reader('"regress_sellometer reader"');
SELECT sellometer_grant_reader('"regress_sellometer reader"');

-- What it may not read, also of what it may know about
SELECT relname
FROM unnest(ARRAY['secret', 'view_log', 'carts', 'cart_states', 'left_in_cart', 'reminders', 'sources', 'objects', 'rejected_rows', 'tiers', 'state', 'runs', 'status', 'progress',
	'product_id_minute', 'category_l3_hour', 'realtime_brand_hour', 'remove_from_cart_category_l2_minute', 'cart_brand_rank']) relname
WHERE NOT has_table_privilege('regress_sellometer reader', 'sellometer.' || relname, 'SELECT');
SELECT a.attname FROM pg_attribute a
WHERE a.attrelid = 'sellometer.sources'::regclass AND a.attnum > 0
	AND NOT has_column_privilege('regress_sellometer reader', a.attrelid, a.attnum, 'SELECT')
ORDER BY 1;
SELECT a.attname FROM pg_attribute a
WHERE a.attrelid = 'sellometer.left_in_cart'::regclass AND a.attnum > 0
	AND NOT has_column_privilege('regress_sellometer reader', a.attrelid, a.attnum, 'SELECT')
ORDER BY 1;
-- It can write nothing
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'sellometer'::regnamespace AND c.relkind IN ('r', 'p', 'v')
	AND has_table_privilege('regress_sellometer reader', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER');

SET LOCAL ROLE "regress_sellometer reader";
SELECT count(*) FROM sellometer_series('brand', 'purchase', NULL, NULL, NULL, '1 hour');
SELECT count(*) FROM sellometer_top('brand', 'purchase', NULL, NULL);
SELECT count(*) FROM sellometer.purchase_brand_hour;
SELECT count(*) FROM sellometer.view_product_id_rank;
SELECT name, url, head FROM sellometer.sources;
SELECT count(*) FROM sellometer.left_in_cart;
SAVEPOINT denied;
SELECT hash_key FROM sellometer.secret;
ROLLBACK TO denied;
SELECT count(*) FROM sellometer.view_log;
ROLLBACK TO denied;
SELECT owner FROM sellometer.sources;
ROLLBACK TO denied;
SELECT sellometer_grant_reader('regress_sellometer_other');
ROLLBACK TO denied;
SELECT sellometer.grant_readers();
ROLLBACK TO denied;
SELECT sellometer_add_source('x', 'file:///tmp/');
ROLLBACK TO denied;
RESET ROLE;

-- A tier that comes later; and those who are no readers stay out
SELECT sellometer_add_tier('week', '7 days', '1 year');
SELECT has_table_privilege('regress_sellometer reader', 'sellometer.brand_week', 'SELECT');
SELECT r AS reader, t AS relation, has_table_privilege(r, t, 'SELECT')
FROM unnest(ARRAY['regress_sellometer reader', 'regress_sellometer_other']) r,
	unnest(ARRAY['sellometer.brand_week', 'sellometer.view_category_l3_week', 'sellometer.realtime_product_id_week']) t;

-- Why a source can't be listed, for those who may know
SELECT sellometer_grant_reader('regress_sellometer_other', errors => true);
SELECT r AS reader, has_column_privilege(r, 'sellometer.sources', 'last_error', 'SELECT') AS errors, has_column_privilege(r, 'sellometer.sources', 'owner', 'SELECT') AS owners
FROM unnest(ARRAY['regress_sellometer reader', 'regress_sellometer_other']) r;

SELECT sellometer_grant_reader('regress_no_such_role');
ROLLBACK;
