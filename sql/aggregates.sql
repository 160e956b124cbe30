-- The C aggregates against plain SQL
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS sellometer;
CREATE SCHEMA aggregates_test;
SET search_path = aggregates_test, public;

CREATE UNLOGGED TABLE events AS
SELECT i, 'brand' || (i * i) % 97 AS brand, (i * 7919) % 89 AS product_id,
	CASE WHEN i % 50 <> 0 THEN md5((i % 80)::text) END AS session,
	CASE WHEN i % 31 <> 0 THEN round((i * 7919) % 99991 / 100.0, 2) END AS price
FROM generate_series(1, 20000) AS i;
ANALYZE events;

-- Is a query's aggregate computed in parallel parts, by that many processes?
CREATE FUNCTION parallel_parts(query text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
		plan := plan || line || E'\n';
	END LOOP;
	RETURN CASE WHEN plan ~ 'Partial .*Aggregate' AND plan ~ 'Finalize .*Aggregate'
		THEN substring(plan FROM 'Workers Launched: (\d+)')::integer END;
END $$;

-- sellometer_gmv: value and NULL as sum(); two decimals for whole cents
SELECT sellometer_gmv(price) = sum(price) AS equal, sellometer_gmv(price) FROM events;
SELECT sellometer_gmv(x) FROM (VALUES (1), (2.5), (NULL), (-0.25)) AS v (x);
SELECT sellometer_gmv(x) FROM (VALUES (0.0001), (0.0002)) AS v (x);
SELECT sellometer_gmv(x) FROM (VALUES (1.000000), (2.10000)) AS v (x);
SELECT sellometer_gmv(x) FROM (VALUES (0.00), (0.0000000)) AS v (x);
SELECT sellometer_gmv(price) IS NULL AS none, sellometer_gmv(NULL) IS NULL AS only_nulls FROM events WHERE false;
SELECT sellometer_gmv(DISTINCT x) FILTER (WHERE x < 3) FROM (VALUES (1.10), (1.1), (2), (3)) AS v (x);

-- Every length and scale of numeric, alone and added up; beyond money too
CREATE TABLE numbers AS
SELECT row_number() OVER () AS i, x FROM (
	SELECT trim_scale(sign * mantissa * 10.0 ^ exponent) AS x
	FROM (VALUES (1), (-1)) AS s (sign),
		unnest('{0,1,9,10,99,1234,9999,10000,10001,12345678,99999999,100000001}'::numeric[]) AS m (mantissa),
		generate_series(-8, 16) AS e (exponent)
	UNION ALL SELECT trunc(mantissa * 10.0 ^ exponent, scale)
	FROM unnest('{1,9999,123456789.123456789}'::numeric[]) AS m (mantissa),
		generate_series(-5, 14) AS e (exponent), generate_series(0, 7) AS s (scale)
	ORDER BY 1) AS all_numbers;
SELECT count(*) > 500 AS many, count(*) FILTER (WHERE x <> g) AS different
FROM (SELECT x, sellometer_gmv(x) AS g FROM numbers GROUP BY i, x) AS each;
SELECT sellometer_gmv(x) = sum(x) AS equal FROM numbers;
SELECT bool_and(equal) FROM (SELECT sellometer_gmv(x) = sum(x) AS equal FROM numbers GROUP BY i % 37) AS groups;

-- What doesn't fit: huge, tiny, not a number, infinite
SELECT sellometer_gmv(x) = sum(x) AS equal FROM (VALUES (999999999999.9999), (999999999999.9999), (1e12)) AS v (x);
SELECT sellometer_gmv(x) FROM (VALUES (1e40), (1), (1e-20), (-1e40)) AS v (x);
SELECT sellometer_gmv(x) FROM (VALUES (1.5), ('NaN'), (2)) AS v (x);
SELECT sellometer_gmv(x) FROM (VALUES (1.5), ('Infinity'), (1e50)) AS v (x);
SELECT sellometer_gmv(x) FROM (VALUES (1.5), ('Infinity'), ('-Infinity'::numeric)) AS v (x);
SELECT sellometer_gmv(900000000000.0001) = 900000000000.0001 * 2000 AS over_int64, sellometer_gmv(-900000000000.0001)
FROM generate_series(1, 2000);
SELECT sellometer_gmv(repeat('9', 3000)::numeric) = repeat('9', 3000)::numeric AS toasted FROM generate_series(1, 1);

-- sellometer_avg_price
SELECT sellometer_avg_price(gmv, n) = sum(gmv) / sum(n) AS equal, sellometer_avg_price(gmv, n)
FROM (SELECT sum(price) AS gmv, count(price) AS n FROM events GROUP BY brand) AS brands;
SELECT sellometer_avg_price(10.00, 4), sellometer_avg_price(1, 3), sellometer_avg_price(-7.5, 2);
SELECT sellometer_avg_price(g, c) FROM (VALUES (10.00, 1), (NULL, 5), (20.00, NULL), (30.00, 3)) AS v (g, c);
SELECT sellometer_avg_price(g, c) IS NULL AS zero FROM (VALUES (10.00, 1), (-10.00, -1)) AS v (g, c);
SELECT sellometer_avg_price(price, 1) IS NULL AS none FROM events WHERE false;
SELECT sellometer_avg_price(g, c) FROM (VALUES ('NaN'::numeric, 1), (1, 1)) AS v (g, c);
SELECT sellometer_avg_price(1e30, 9223372036854775807) = 1e30 / 9223372036854775807 AS equal
FROM generate_series(1, 3);

-- Both take values back, in moving frames
SELECT count(*) AS rows, count(*) FILTER (WHERE g IS DISTINCT FROM s) AS gmv_differs,
	count(*) FILTER (WHERE a IS DISTINCT FROM s / nullif(n, 0)) AS avg_differs
FROM (SELECT sellometer_gmv(price) OVER w AS g, sum(price) OVER w AS s,
		sellometer_avg_price(price, 1) OVER w AS a, count(price) OVER w AS n
	FROM events WINDOW w AS (ORDER BY i ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING)) AS frames;
SELECT x, sellometer_gmv(x) OVER w AS gmv, sellometer_gmv(x) OVER w IS NOT DISTINCT FROM sum(x) OVER w AS equal
FROM (VALUES (1, 1.5), (2, NULL), (3, 1e20), (4, 0.000001), (5, 0.000002), (6, 'NaN'), (7, 'Infinity'), (8, 2), (9, 3),
	(10, 4), (11, NULL), (12, NULL), (13, NULL)) AS v (i, x)
WINDOW w AS (ORDER BY i ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) ORDER BY i;
SELECT count(*) FILTER (WHERE g IS DISTINCT FROM s) AS differs
FROM (SELECT sellometer_gmv(x) OVER w AS g, sum(x) OVER w AS s
	FROM numbers WINDOW w AS (ORDER BY i ROWS BETWEEN 7 PRECEDING AND 3 PRECEDING)) AS frames;

-- sellometer_top_n: exact while there are few keys; heaviest first, equal ones by key, bytewise
SELECT sellometer_top_n(brand, price, 3) FROM events;
SELECT sellometer_top_n(brand, price, 1000) = (
	SELECT jsonb_agg(jsonb_build_object('key', brand, 'weight', weight) ORDER BY weight DESC, brand COLLATE "C")
	FROM (SELECT brand, sum(price) AS weight FROM events GROUP BY brand) AS brands) AS equal
FROM events;
SELECT sellometer_top_n(k, w, 10) FROM (VALUES ('b', 1), ('', 1), ('a', 1), ('a', NULL), (NULL, 5), ('ä"\', 0.50), ('a!', 1),
	('nil', 0)) AS v (k, w);
SELECT sellometer_top_n(k, w, 2) FROM (VALUES ('x', 1e30), ('y', 1e-30), ('y', 1e30), ('z', 1)) AS v (k, w);
SELECT sellometer_top_n(brand, price, 3) IS NULL AS none FROM events WHERE false;
SELECT sellometer_top_n(NULL, 1, 3) IS NULL AS only_nulls;

-- Beyond 16384 keys: at most n, in order, and the true weight within the error
CREATE UNLOGGED TABLE many AS
SELECT 'key' || key AS key, (CASE WHEN key <= 20 THEN 1000 + key ELSE key % 3 + 0.25 END)::numeric AS weight
FROM (SELECT CASE WHEN i % 4 = 0 THEN 1 + i / 4 % 20 ELSE i % 60000 END AS key FROM generate_series(1, 100000) AS i) AS k;
ANALYZE many;

CREATE FUNCTION check_top(top jsonb, OUT n bigint, OUT inexact boolean, OUT outside bigint, OUT too_large bigint,
	OUT heaviest_right boolean)
LANGUAGE sql SET search_path = aggregates_test, pg_catalog AS $$
	WITH truth AS (SELECT key, sum(weight) AS weight FROM many GROUP BY key),
		total AS (SELECT sum(weight) / 16384 AS bound FROM truth),
		result AS (SELECT * FROM jsonb_to_recordset(top) AS t (key text, weight numeric, error numeric))
	SELECT count(*), bool_and(error IS NOT NULL),
		count(*) FILTER (WHERE truth.weight IS NULL OR truth.weight NOT BETWEEN result.weight - error AND result.weight),
		count(*) FILTER (WHERE error > bound),
		(SELECT array_agg(key ORDER BY weight DESC) FROM (SELECT * FROM truth ORDER BY weight DESC LIMIT 20) AS t)
			= (array_agg(key ORDER BY result.weight DESC))[:20]
	FROM total, result LEFT JOIN truth USING (key)
$$;
SELECT (check_top(sellometer_top_n(key, weight, 500))).* FROM many;
SELECT count(DISTINCT key) AS keys, jsonb_array_length(sellometer_top_n(key, weight, 10000)) AS n,
	sellometer_top_n(key, weight, 10000) -> 0 ? 'error' AS inexact FROM many;

SELECT sellometer_top_n(brand, price, 0) FROM events;
SELECT sellometer_top_n(brand, price, 10001) FROM events;
SELECT sellometer_top_n(brand, price, NULL) FROM events;
SELECT sellometer_top_n(k, 1, n) FROM (VALUES ('a', 3), ('b', 4)) AS v (k, n);
SELECT sellometer_top_n('a', -0.01, 3);
SELECT sellometer_top_n('a', -1e20, 3);
SELECT sellometer_top_n('a', 'NaN', 3);
SELECT sellometer_top_n('a', 'Infinity', 3);
SELECT sellometer_top_n(repeat('a', 1001), 1, 3);
SELECT length(sellometer_top_n(repeat('a', 1000), 1, 3) -> 0 ->> 'key');

-- sellometer_price_baseline: median and MAD, both exact
SELECT * FROM (SELECT (sellometer_price_baseline(x)).* FROM unnest('{1,1,2,2,4,6,9}'::numeric[]) AS x) AS odd;
SELECT (sellometer_price_baseline(x)).* FROM unnest('{4,1,3,2}'::numeric[]) AS x;
SELECT (sellometer_price_baseline(x)).* FROM unnest('{1.0001,1.0002}'::numeric[]) AS x;
SELECT (sellometer_price_baseline(x)).* FROM unnest('{1.0001,1.0002,1.0004,1.0007}'::numeric[]) AS x;
SELECT (sellometer_price_baseline(x)).* FROM unnest('{99.00,NULL,-99,999999999999.9999}'::numeric[]) AS x;
SELECT (sellometer_price_baseline(9.9)).*;
SELECT sellometer_price_baseline(price) IS NULL AS none FROM events WHERE false;

CREATE FUNCTION plain_baseline(prices numeric[]) RETURNS sellometer.price_baseline LANGUAGE sql AS $$
	WITH ordered AS (SELECT p, row_number() OVER (ORDER BY p) AS r, count(*) OVER () AS n FROM unnest(prices) AS p
			WHERE p IS NOT NULL),
		middle AS (SELECT avg(p) AS median FROM ordered WHERE r IN ((n + 1) / 2, n / 2 + 1)),
		strays AS (SELECT d, row_number() OVER (ORDER BY d) AS r, count(*) OVER () AS n
			FROM ordered, middle, LATERAL (SELECT abs(p - median) AS d) AS distance)
	SELECT (SELECT median FROM middle), (SELECT avg(d) FROM strays WHERE r IN ((n + 1) / 2, n / 2 + 1)),
		(SELECT count(*) FROM ordered)
$$;
SELECT count(*) AS groups, count(*) FILTER (WHERE sellometer <> plain) AS different
FROM (SELECT sellometer_price_baseline(price) AS sellometer, plain_baseline(array_agg(price)) AS plain
	FROM events GROUP BY i % 100, product_id % 5) AS both_ways;
SELECT sellometer_price_baseline(price) = plain_baseline(array_agg(price)) AS equal FROM events;
SELECT sellometer_price_baseline(x) = plain_baseline(array_agg(x)) AS equal
FROM numbers WHERE abs(x) < 1e12 AND x = round(x, 4);

SELECT sellometer_price_baseline(1.00001);
SELECT sellometer_price_baseline(1e12);
SELECT sellometer_price_baseline('NaN');
SELECT sellometer_price_baseline(x) FROM generate_series(1, 500001) AS x;
SELECT (sellometer_price_baseline(x)).* FROM generate_series(1, 500000) AS x;

-- sellometer_unique_views: once a session; those without one are never merged
SELECT sellometer_unique_views(session, product_id)
	= count(DISTINCT (session, product_id)) FILTER (WHERE session IS NOT NULL) + count(*) FILTER (WHERE session IS NULL) AS equal,
	sellometer_unique_views(session, product_id)
FROM events;
SELECT sellometer_unique_views(s, p) FROM (VALUES ('a', 1), ('a', 1), ('a', 2), ('b', 1), ('A', 1), (NULL, 1), (NULL, 1), ('', 1),
	('', 1), ('a', NULL), (NULL, NULL)) AS v (s, p);
SELECT sellometer_unique_views(session, product_id) AS none FROM events WHERE false;
SELECT sellometer_unique_views(i::text, j) FROM generate_series(1, 1000) AS i, generate_series(1, 300) AS j;

-- Over grouping sets, and several at once
SELECT count(*) FILTER (WHERE (gmv, views) IS DISTINCT FROM (gmv2, views2)) AS different, count(*) AS groups
FROM (
	SELECT sellometer_gmv(price) AS gmv, sum(price) AS gmv2, sellometer_unique_views(session, product_id) AS views,
		count(DISTINCT (session, product_id)) FILTER (WHERE session IS NOT NULL) + count(*) FILTER (WHERE session IS NULL) AS views2
	FROM events GROUP BY GROUPING SETS ((brand), (product_id % 7, brand), (i % 3), ())) AS sets;
SELECT brand, sellometer_gmv(price), (sellometer_price_baseline(price)).*, sellometer_unique_views(session, product_id),
	jsonb_path_query_array(sellometer_top_n(product_id::text, price, 2), '$[*].key') AS top
FROM events WHERE brand IN ('brand1', 'brand2') GROUP BY ROLLUP (brand) ORDER BY brand;
SELECT sellometer_unique_views(session, product_id) OVER w, (sellometer_price_baseline(price) OVER w).median,
	sellometer_top_n(brand, price, 1) OVER w
FROM events WINDOW w AS (ORDER BY i ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) ORDER BY i LIMIT 5;

-- In parallel: by workers alone, so that every state is serialized, read back and combined
CREATE VIEW all_of_it AS
SELECT sellometer_gmv(price), sellometer_avg_price(price, product_id), sellometer_top_n(brand, price, 7),
	sellometer_price_baseline(price), sellometer_unique_views(session, product_id)
FROM events;
CREATE VIEW by_brand AS
SELECT brand, sellometer_gmv(price), sellometer_avg_price(price, product_id), sellometer_top_n(session, price, 7),
	sellometer_price_baseline(price), sellometer_unique_views(session, product_id)
FROM events GROUP BY brand;
CREATE TABLE serial_all AS TABLE all_of_it;
CREATE TABLE serial_by_brand AS TABLE by_brand;

SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET parallel_leader_participation = off;
ALTER TABLE events SET (parallel_workers = 2);
ALTER TABLE numbers SET (parallel_workers = 2);
ALTER TABLE many SET (parallel_workers = 2);

SELECT parallel_parts('SELECT sellometer_gmv(price) FROM events') AS gmv,
	parallel_parts('SELECT sellometer_avg_price(price, 1) FROM events') AS avg_price,
	parallel_parts('SELECT sellometer_top_n(brand, price, 7) FROM events') AS top_n,
	parallel_parts('SELECT sellometer_price_baseline(price) FROM events') AS price_baseline,
	parallel_parts('SELECT sellometer_unique_views(session, product_id) FROM events') AS unique_views;
SELECT parallel_parts('TABLE all_of_it INTERSECT ALL TABLE serial_all') AS parts, count(*) AS equal
FROM (TABLE all_of_it INTERSECT ALL TABLE serial_all) AS t;
SELECT parallel_parts('TABLE by_brand INTERSECT ALL TABLE serial_by_brand') AS parts, count(*) AS equal,
	(SELECT count(DISTINCT brand) FROM events) AS brands
FROM (TABLE by_brand INTERSECT ALL TABLE serial_by_brand) AS t;
SELECT sellometer_gmv(x) = sum(x) AS equal, sellometer_avg_price(x, 2) = sum(x) / (2 * count(x)) AS avg_equal FROM numbers;
SELECT sellometer_gmv(price) IS NULL AS gmv, sellometer_avg_price(price, 1) IS NULL AS avg_price,
	sellometer_top_n(brand, price, 7) IS NULL AS top_n, sellometer_price_baseline(price) IS NULL AS price_baseline,
	sellometer_unique_views(session, product_id) AS unique_views
FROM events WHERE i < 0;
SELECT sellometer_gmv(x), sellometer_top_n(x::text, abs(x), 2) FROM numbers WHERE x IN (1e20, -1e-8);
SELECT (check_top(sellometer_top_n(key, weight, 500))).* FROM many;
SELECT jsonb_array_length(sellometer_top_n(key, weight, 10000)) AS n,
	sellometer_top_n(key, weight, 10000) -> 0 ? 'error' AS inexact FROM many;
SELECT sellometer_top_n(key, weight, 1 + length(key) % 2) FROM many;
SELECT sellometer_unique_views(key, product_id) = count(DISTINCT (key, product_id)) AS equal
FROM many JOIN events ON events.i <= 3;

-- States of one aggregate are no other's, read back or not
CREATE AGGREGATE confused (text, bigint) (
	SFUNC = sellometer_unique_views_transition, STYPE = internal, COMBINEFUNC = sellometer_unique_views_combine,
	SERIALFUNC = sellometer_unique_views_serialize, DESERIALFUNC = sellometer_price_baseline_deserialize,
	FINALFUNC = sellometer_unique_views_final, PARALLEL = SAFE);
SELECT confused(session, product_id) FROM events;
CREATE AGGREGATE more_confused (text, bigint) (
	SFUNC = sellometer_unique_views_transition, STYPE = internal, FINALFUNC = sellometer_gmv_final);
SELECT more_confused(session, product_id) FROM events;

-- Damaged states are refused.  The deserialize functions are called as an aggregate's transition function, with the
-- damaged bytes as its initial state.
CREATE FUNCTION read_state(function_name text, bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	reason text;
	detail text;
BEGIN
	EXECUTE format('CREATE FUNCTION pg_temp.read_it(bytea, integer) RETURNS bytea LANGUAGE c AS ''$libdir/sellometer'', %L',
		function_name);
	EXECUTE format('CREATE AGGREGATE pg_temp.try_it(integer) (SFUNC = pg_temp.read_it, STYPE = bytea, INITCOND = %L)', bytes);
	BEGIN
		PERFORM pg_temp.try_it(1);
	EXCEPTION WHEN invalid_binary_representation OR protocol_violation OR program_limit_exceeded
		OR numeric_value_out_of_range THEN
		GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	END;
	DROP AGGREGATE pg_temp.try_it(integer);
	DROP FUNCTION pg_temp.read_it(bytea, integer);
	RETURN coalesce(nullif(detail, ''), reason);
END $$;

CREATE AGGREGATE sum_bytes (numeric) (SFUNC = sellometer_gmv_transition, STYPE = internal, FINALFUNC = sellometer_sum_serialize);
CREATE AGGREGATE top_bytes (text, numeric, integer) (SFUNC = sellometer_top_n_transition, STYPE = internal,
	FINALFUNC = sellometer_top_n_serialize);
CREATE AGGREGATE baseline_bytes (numeric) (SFUNC = sellometer_price_baseline_transition, STYPE = internal,
	FINALFUNC = sellometer_price_baseline_serialize);
CREATE AGGREGATE views_bytes (text, bigint) (SFUNC = sellometer_unique_views_transition, STYPE = internal,
	FINALFUNC = sellometer_unique_views_serialize);

CREATE TABLE states AS
SELECT 'sellometer_sum_deserialize' AS reader, sum_bytes(x) AS state FROM (VALUES (1.5), (1e30), (1e-9)) AS v (x)
UNION ALL SELECT 'sellometer_top_n_deserialize', top_bytes(k, w, 5) FROM (VALUES ('a', 1), ('bb', 1e30)) AS v (k, w)
UNION ALL SELECT 'sellometer_price_baseline_deserialize', baseline_bytes(x) FROM (VALUES (1.5), (1.5), (2)) AS v (x)
UNION ALL SELECT 'sellometer_unique_views_deserialize', views_bytes(s, 1) FROM (VALUES ('a'), ('b'), (NULL)) AS v (s);

-- Cut at every length, one byte more, another's tag
SELECT reader, count(*) = length(state) AS each_length, count(read_state(reader, substring(state FOR len))) = count(*) AS refused
FROM states, generate_series(0, length(state) - 1) AS len GROUP BY reader, state ORDER BY reader;
SELECT reader, read_state(reader, state || '\x00') AS longer, read_state(reader, set_byte(state, 3, 99)) AS tag
FROM states ORDER BY reader;

-- What the bytes say is checked.  Tags take 4 bytes; then follow, in network order, 8 of values, 16 of count, 16 of sum ...
SELECT read_state(reader, overlay(state PLACING '\x0000000000000001' FROM 5)) AS few_values,
	read_state(reader, set_byte(state, 44, 255)) AS negative_rest
FROM states WHERE reader ~ 'sum';
-- ... n, used, exact, and for each key its length, text and sum ...
SELECT read_state(reader, set_byte(state, 7, 0)) AS n_0, read_state(reader, set_byte(state, 4, 255)) AS negative_n,
	read_state(reader, set_byte(state, 9, 1)) AS many_keys, read_state(reader, set_byte(state, 8, 255)) AS negative_keys,
	read_state(reader, set_byte(state, 12, 0)) AS inexact, read_state(reader, set_byte(state, 13, 255)) AS negative_length,
	read_state(reader, set_byte(state, 15, 100)) AS long_key, read_state(reader, set_byte(state, 17, 255)) AS encoding,
	read_state(reader, set_byte(state, 18, 255)) AS negative_weight
FROM states WHERE reader ~ 'top';
SELECT read_state(reader, overlay(state PLACING substring(state FROM 14 FOR 29) FROM 43)) AS twice
FROM (SELECT 'sellometer_top_n_deserialize' AS reader, top_bytes(k, 1, 5) AS state FROM (VALUES ('a'), ('b')) AS v (k)) AS two;
-- ... the number of prices, then price and count of each ...
SELECT read_state(reader, set_byte(state, 16, 255)) AS negative_count, read_state(reader, overlay(state PLACING
	'\x0000000000000000' FROM 17)) AS count_0, read_state(reader, set_byte(state, 8, 99)) AS price,
	read_state(reader, overlay(state PLACING substring(state FROM 9 FOR 8) FROM 25)) AS twice,
	read_state(reader, set_byte(set_byte(state, 16, 127), 32, 127)) AS overflow
FROM states WHERE reader ~ 'baseline';
-- ... views without session, then the number of fingerprints and these.
SELECT read_state(reader, set_byte(state, 4, 255)) AS negative, read_state(reader, set_byte(state, 12, 255)) AS fewer,
	read_state(reader, set_byte(state, 19, 1)) AS more, read_state(reader, overlay(state PLACING '\x0000000000000000' FROM 21)) AS zero
FROM states WHERE reader ~ 'views';

-- The support functions do nothing outside an aggregate, whatever they are declared to take
SELECT p.oid::regprocedure FROM pg_proc AS p
WHERE p.prokind = 'a' AND p.proname LIKE 'sellometer%' AND (p.proparallel <> 's' OR p.provolatile <> 'i');
CREATE FUNCTION call_alone(support regprocedure) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	types text[] := array(SELECT CASE t::regtype::text WHEN 'internal' THEN 'bigint' ELSE t::regtype::text END
		FROM pg_proc AS p, unnest(p.proargtypes) AS t WHERE p.oid = support);
BEGIN
	EXECUTE format('CREATE FUNCTION pg_temp.alone(%s) RETURNS bigint LANGUAGE c AS ''$libdir/sellometer'', %L',
		array_to_string(types, ', '), (SELECT proname FROM pg_proc WHERE oid = support));
	BEGIN
		EXECUTE format('SELECT pg_temp.alone(%s)', array_to_string(array_fill('NULL'::text, ARRAY[cardinality(types)]), ', '));
		RETURN 'ran';
	EXCEPTION WHEN object_not_in_prerequisite_state THEN
		EXECUTE format('DROP FUNCTION pg_temp.alone(%s)', array_to_string(types, ', '));
		RETURN SQLERRM;
	END;
END $$;
SELECT call_alone(oid), count(*) FROM pg_proc
WHERE proname ~ '^sellometer_.*_(transition|inverse|combine|serialize|deserialize|final)$' GROUP BY 1;

DROP SCHEMA aggregates_test CASCADE;
