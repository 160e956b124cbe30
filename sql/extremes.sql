-- Numbers, lengths and times at their ends, as arguments of all public functions: an answer, or an error that says what is wrong
SET client_min_messages = error;
DROP EXTENSION IF EXISTS sellometer CASCADE;
CREATE EXTENSION sellometer;
SET timezone = 'UTC';
SELECT current_setting('data_directory') || '/sellometer_extremes_test' AS dir \gset
\set url 'file://' :dir /
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf sellometer_extremes_test; mkdir sellometer_extremes_test';
COPY (SELECT unnest('{"event_time,event_type,product_id,price,user_session,category_code",
	"2019-10-01 10:00:00,purchase,1,2.50,a,a.b","2019-10-01 12:30:00,purchase,2,4.50,b,a.b","2019-10-01 12:30:00,cart,2,4.50,b,a.b"}'::text[]))
	TO PROGRAM 'cat > sellometer_extremes_test/a.csv';
SELECT sellometer_add_source('shop', :'url');
CALL sellometer_ingest();
CALL sellometer_rollup();

-- as many as there are
SELECT key, count FROM sellometer_top('product_id', 'purchase', '2019-10-01', '2019-10-02', n => 2147483647);
SELECT key, count FROM sellometer_top('product_id', 'purchase', '2019-10-01', '2019-10-02', n => 1073741814, by => 'count');
SELECT count(*) FROM sellometer_similar_products(1, 2147483647);
SELECT product_id, since FROM sellometer_remind(2147483647, '178000000 years');

CREATE TABLE pg_temp.extreme (type text, value text);
INSERT INTO pg_temp.extreme SELECT 'integer', unnest('{-2147483648,-1,0,1,50,51,1073741813,2147483647}'::text[]);
INSERT INTO pg_temp.extreme SELECT 'bigint', unnest('{-9223372036854775808,-1,0,1,2147483648,9223372036854775807}'::text[]);
INSERT INTO pg_temp.extreme SELECT 'numeric', unnest('{NaN,Infinity,-Infinity,-1,0,1e131071,1e-16383,999999999999.9999,1e12}'::text[]);
INSERT INTO pg_temp.extreme SELECT 'interval', unnest('{-178000000 years,178956970 years,2147483647 months,2147483647 days,-2147483648 days,
	106751991 days,106751992 days,2562047788 hours,-2562047788 hours,-1 us,0,1 us,59 s,1 month 1 day,7 months,100 years,4000 years}'::text[]);
INSERT INTO pg_temp.extreme SELECT 'timestamp with time zone', unnest('{-infinity,infinity,4714-11-24 00:00:00+00 BC,294276-12-31 23:59:59.999999+00,
	0001-01-01 00:00+00 BC,1969-12-31 23:59:59.999999+00}'::text[]);
INSERT INTO pg_temp.extreme SELECT DISTINCT type, NULL FROM pg_temp.extreme;

-- what an argument is while another one is at an end
CREATE TABLE pg_temp.usual (argument text, value text);
INSERT INTO pg_temp.usual VALUES ('name', 'quarter'), ('granularity', '3 months'), ('source', 'shop'), ('dimension', 'product_id'), ('event_type', 'purchase'),
	('from', '2019-10-01 10:00+00'), ('to', '2019-10-01 13:00+00'), ('step', '1 hour'), ('n', '5'), ('by', 'gmv'), ('product_id', '1'), ('keys', '{1}'),
	('kind', 'low_inventory'), ('until', 'infinity'), ('code', 'a.b'), ('within', '1 day'), ('weight', '1'), ('price', '1'), ('gmv', '1'), ('count', '1'),
	('session', 's'), ('key', NULL), ('retention', NULL), ('category_id', NULL), ('since', NULL);

CREATE FUNCTION pg_temp.public_functions(OUT id oid, OUT name text, OUT argument text, OUT type text, OUT nth bigint) RETURNS SETOF record LANGUAGE sql AS $$
	SELECT p.oid, p.proname::text, p.proargnames[a.nth], format_type(a.type, NULL), a.nth
	FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid, unnest(p.proargtypes) WITH ORDINALITY a (type, nth)
	WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'sellometer')
		AND p.prokind <> 'p' AND p.proname LIKE 'sellometer\_%' AND p.pronamespace <> 'sellometer'::regnamespace AND 'internal'::regtype <> ALL (p.proargtypes::oid[])
$$;

-- one argument at an end, or two of the same type
CREATE VIEW pg_temp.calls AS
SELECT f.id, f.name || '(' || string_agg(format('%s => %s', f.argument, coalesce(v.value, 'NULL')), ', ' ORDER BY f.nth) || ')' AS shown,
	format('SELECT %I(%s)', f.name, string_agg(format('%L::%s', v.value, f.type), ', ' ORDER BY f.nth)) AS statement
FROM pg_temp.public_functions() one JOIN pg_temp.public_functions() two USING (id)
JOIN pg_temp.extreme e ON e.type = one.type JOIN pg_temp.extreme x ON x.type = two.type
JOIN pg_temp.public_functions() f USING (id) LEFT JOIN pg_temp.usual u ON u.argument = f.argument
CROSS JOIN LATERAL (SELECT CASE f.nth WHEN one.nth THEN e.value WHEN two.nth THEN x.value ELSE u.value END AS value) v
WHERE one.nth < two.nth OR one.nth = two.nth AND e.value IS NOT DISTINCT FROM x.value
GROUP BY f.id, f.name, one.nth, two.nth, e.value, x.value;

-- a call, all of which is undone
CREATE FUNCTION pg_temp.outcome(statement text, OUT state text, OUT message text) LANGUAGE plpgsql AS $$
DECLARE
	hint text;
	detail text;
BEGIN
	BEGIN
		EXECUTE statement;
		RAISE 'done' USING ERRCODE = 'ZZ000';
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, state = RETURNED_SQLSTATE, hint = PG_EXCEPTION_HINT, detail = PG_EXCEPTION_DETAIL;
		message := concat_ws(' | ', message, nullif(detail, ''), nullif(hint, ''));
	END;
END
$$;

-- which functions these are
SELECT DISTINCT f.name, f.argument, f.type FROM pg_temp.public_functions() f WHERE f.type IN (SELECT e.type FROM pg_temp.extreme e) ORDER BY 1, 2;

SET statement_timeout = '60s';
CREATE TABLE pg_temp.outcomes AS SELECT c.shown, o.* FROM pg_temp.calls c, LATERAL pg_temp.outcome(c.statement) o;
RESET statement_timeout;
SELECT count(*) > 700 AS many FROM pg_temp.outcomes;
-- what overflows, or is no error of the argument
SELECT shown, state, message FROM pg_temp.outcomes WHERE state NOT IN ('ZZ000', '22023', '22004', '2201W', '42710', '42704')
	AND message NOT LIKE 'value can''t be a price |%' ORDER BY 1;
-- what is refused
SELECT DISTINCT state, split_part(message, ' | ', 1) AS message FROM pg_temp.outcomes WHERE state <> 'ZZ000' ORDER BY 1, 2;

DROP EXTENSION sellometer CASCADE;
