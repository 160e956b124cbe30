/*
 * baseline.sql: the same work as sellometer's load, the way one would do it with COPY and SQL: the yardstick for speed.
 *
 *   psql -v files=/dir/with/csv -f baseline.sql
 *
 * Reads plain CSV files (*.csv in the folder :files, in the server's reach) of the usual columns and without bad rows,
 * and makes the five indexed minute tables baseline.<dimension>_minute, views counted once.  All tables are logged, as
 * those of sellometer are.  Set if wanted: work_mem (default 1GB), workers (default 2).
 *
 * Tuned as one would: typed staging, one pass to the finest grain (a group is much smaller than its rows), the five
 * tables from that, indexes built after the rows.
 */
\set ON_ERROR_STOP on
\if :{?files}
\else
	\warn 'baseline.sql: say where the CSV files are: psql -v files=/dir -f baseline.sql'
	\quit
\endif
\if :{?work_mem}
\else
	\set work_mem 1GB
\endif
\if :{?workers}
\else
	\set workers 2
\endif
SET client_min_messages = warning;
SET work_mem = :'work_mem';
SET hash_mem_multiplier = 2;
SET maintenance_work_mem = :'work_mem';
SET max_parallel_workers_per_gather = :workers;
SET max_parallel_maintenance_workers = :workers;
SET jit = off;
SET timezone = 'UTC';

DROP SCHEMA IF EXISTS baseline CASCADE;
CREATE SCHEMA baseline;
CREATE TYPE baseline.event_type AS ENUM ('view', 'cart', 'remove_from_cart', 'purchase');
SELECT clock_timestamp() AS started \gset

\timing on
\echo 'COPY'
BEGIN;
CREATE TABLE baseline.staging (
	event_time		timestamptz NOT NULL,
	event_type		baseline.event_type NOT NULL,
	product_id		bigint NOT NULL,
	category_id		bigint,
	category_code	text COLLATE "C",
	brand			text COLLATE "C",
	price			numeric NOT NULL,
	user_id			bigint,
	user_session	uuid
);
SELECT format('find %s -name ''*.csv'' -print0 | sort -z | xargs -0 tail -q -n +2',
	'''' || replace(:'files', '''', '''\''''') || '''') AS program \gset
COPY baseline.staging FROM PROGRAM :'program' (FORMAT csv);
COMMIT;
ANALYZE baseline.staging;

\echo 'category levels'
CREATE TABLE baseline.category AS
SELECT category_id, category_code, l1, l1 || '.' || l2 AS l2, l1 || '.' || l2 || '.' || l3 AS l3
FROM (SELECT category_id, category_code, levels[1] AS l1, coalesce(levels[2], levels[1]) AS l2,
		coalesce(levels[3], levels[2], levels[1]) AS l3
	FROM (SELECT category_id, category_code,
			string_to_array(lower(coalesce(category_code, category_id::text, 'unknown')), '.') AS levels
		FROM (SELECT DISTINCT category_id, category_code FROM baseline.staging) d) s) t;
ANALYZE baseline.category;

\echo 'views once'
CREATE UNLOGGED TABLE baseline.once AS
SELECT event_time, event_type, product_id, brand, price, category_id, category_code
FROM baseline.staging WHERE event_type <> 'view' OR user_session IS NULL
UNION ALL
(SELECT DISTINCT ON (user_session, product_id)
	event_time, event_type, product_id, brand, price, category_id, category_code
FROM baseline.staging WHERE event_type = 'view' AND user_session IS NOT NULL
-- of two at the same time and price: by category, then brand (products keep theirs, so this is enough)
ORDER BY user_session, product_id, event_time, price, category_code, category_id, brand);
ANALYZE baseline.once;

\echo 'finest grain'
CREATE UNLOGGED TABLE baseline.finest AS
SELECT date_trunc('minute', event_time) AS event_time, event_type, product_id, brand, category_id, category_code,
	count(*) AS count, sum(price) AS gmv
FROM baseline.once GROUP BY 1, 2, 3, 4, 5, 6;
ANALYZE baseline.finest;

\echo 'the five tables'
CREATE TABLE baseline.product_id_minute AS
	SELECT event_time, product_id, event_type, sum(count)::integer AS count, sum(gmv) AS gmv
	FROM baseline.finest GROUP BY 1, 2, 3;
CREATE TABLE baseline.brand_minute AS
	SELECT event_time, event_type, sum(count)::integer AS count, coalesce(brand, product_id::text) AS brand,
		sum(gmv) AS gmv
	FROM baseline.finest GROUP BY 1, 2, 4;
CREATE TABLE baseline.category_l3_minute AS
	SELECT event_time, event_type, sum(count)::integer AS count, l3 AS category_l3, sum(gmv) AS gmv
	-- equality, not IS NOT DISTINCT FROM: only that can be hashed
	FROM baseline.finest f JOIN baseline.category c ON coalesce(c.category_id, -1) = coalesce(f.category_id, -1)
		AND coalesce(c.category_code, '') = coalesce(f.category_code, '')
	GROUP BY 1, 2, 4;
-- coarser categories from finer ones: a key is a prefix of the next
CREATE TABLE baseline.category_l2_minute AS
	SELECT event_time, event_type, sum(count)::integer AS count,
		split_part(category_l3, '.', 1) || '.' || split_part(category_l3, '.', 2) AS category_l2, sum(gmv) AS gmv
	FROM baseline.category_l3_minute GROUP BY 1, 2, 4;
CREATE TABLE baseline.category_l1_minute AS
	SELECT event_time, event_type, sum(count)::integer AS count, split_part(category_l2, '.', 1) AS category_l1,
		sum(gmv) AS gmv
	FROM baseline.category_l2_minute GROUP BY 1, 2, 4;

\echo 'their indexes'
ALTER TABLE baseline.product_id_minute ADD PRIMARY KEY (product_id, event_time, event_type);
ALTER TABLE baseline.brand_minute ADD PRIMARY KEY (brand, event_time, event_type);
ALTER TABLE baseline.category_l3_minute ADD PRIMARY KEY (category_l3, event_time, event_type);
ALTER TABLE baseline.category_l2_minute ADD PRIMARY KEY (category_l2, event_time, event_type);
ALTER TABLE baseline.category_l1_minute ADD PRIMARY KEY (category_l1, event_time, event_type);
\timing off

SELECT round(extract(epoch FROM clock_timestamp() - :'started'), 2) AS seconds, count(*) AS events,
	round(count(*) / extract(epoch FROM clock_timestamp() - :'started')) AS events_per_second
FROM baseline.staging;
