-- sellometer_series and sellometer_top against plain SQL over the raw events, across three tiers
SET client_min_messages = warning;
SET timezone = 'UTC';
SET intervalstyle = 'postgres';
SET datestyle = 'ISO';
BEGIN;
DROP EXTENSION IF EXISTS sellometer CASCADE;
CREATE EXTENSION sellometer;
CREATE SCHEMA series_test;
SET LOCAL search_path = series_test, public;

-- 60 days of events; the newest reach 03:17 of November 10th
CREATE TABLE events AS
SELECT timestamptz '2019-11-10 03:17:30+00' - i * interval '3 min 7 s' AS event_time,
	(enum_range(NULL::sellometer.event_type))[1 + (i * i + i / 7) % 4] AS event_type,
	1000 + (i * 31) % 37 AS product_id, 'b' || (i * 17) % 11 AS brand, 'c' || i % 3 AS category_l1,
	'c' || i % 3 || '.d' || i % 2 AS category_l2, 'c' || i % 3 || '.d' || i % 2 || '.e' || (i * 17) % 5 AS category_l3,
	(((i * 7919) % 99991) / 100.0)::numeric(12, 2) AS price
FROM generate_series(0, 60 * 24 * 60 * 60 / 187) AS i;

UPDATE sellometer.state SET head = '2019-11-10 03:17:30+00';
-- the watermark of a rollup that there was not
ALTER TABLE sellometer.tiers DISABLE TRIGGER never_back;
INSERT INTO sellometer.tiers (name, position, granularity, retention, partition_width, watermark, finer)
	VALUES ('day', 2, '1 day', '5 years', '1 month', '2019-11-10 00:00+00', 'hour');
UPDATE sellometer.tiers SET watermark = '2019-11-10 02:00+00' WHERE name = 'hour';
SELECT sellometer.create_tier_tables('day', '1 day');
SELECT * FROM sellometer.kept();

-- what each tier holds; and below its floor rows that nothing must read
DO $$
DECLARE
	d text;
	k record;
BEGIN
	FOR k IN SELECT * FROM sellometer.kept() LOOP
		FOR d IN SELECT dimension FROM sellometer.dimensions() LOOP
			EXECUTE format('CREATE TABLE sellometer.%I PARTITION OF sellometer.%I DEFAULT', d || k.tier, d || '_' || k.tier);
			EXECUTE format('INSERT INTO sellometer.%I (event_time, %I, event_type, count, gmv)
				SELECT date_bin(%L, event_time, ''2000-01-03 00:00+00''), %2$I, event_type, count(*), sum(price) FROM events
				WHERE event_time >= %4$L AND event_time < %5$L GROUP BY 1, 2, 3',
				d || '_' || k.tier, d, k.granularity, k.floor, k.watermark);
			EXECUTE format('INSERT INTO sellometer.%I (event_time, %I, event_type, count, gmv)
				SELECT %L, %2$I, ''purchase'', 1000000, 1000000 FROM events WHERE isfinite(%3$L::timestamptz) GROUP BY %2$I',
				d || '_' || k.tier, d, k.floor - k.granularity);
		END LOOP;
		INSERT INTO sellometer.totals (tier, event_time, event_type, count, gmv)
			SELECT k.tier, date_bin(k.granularity, e.event_time, '2000-01-03 00:00+00'), e.event_type, count(*), sum(price) FROM events e
			WHERE e.event_time >= k.floor AND e.event_time < k.watermark GROUP BY 1, 2, 3;
		INSERT INTO sellometer.totals (tier, event_time, event_type, count, gmv)
			SELECT k.tier, k.floor - k.granularity, 'purchase', 1000000, 1000000 WHERE isfinite(k.floor);
	END LOOP;
END
$$;

-- Which tiers are read for a range of this kind?
SELECT * FROM sellometer.pieces('2019-11-08 10:00+00', '2019-11-10 03:10+00', NULL) ORDER BY 2;
SELECT * FROM sellometer.pieces('2019-11-08 10:00+00', '2019-11-10 04:00+00', '2 hours') ORDER BY 2;
SELECT * FROM sellometer.pieces('2019-11-09 03:00+00', '2019-11-10 03:15+00', '15 min') ORDER BY 2;

-- How wide do the buckets get?
SELECT step, start, sellometer.series_width(step, start::timestamptz) AS width
FROM unnest(ARRAY['200 ms', '90 s', '30 min', '1 h', '90 min', '12 h', '1 d', '36 h', '7 d', '1 month', '1 year']::interval[])
		WITH ORDINALITY s (step, i),
	unnest(ARRAY['2019-11-10 02:00+00', '2019-11-08 10:00+00', '2019-10-01 10:00+00', '-infinity'])
		WITH ORDINALITY f (start, j)
ORDER BY i, j;

-- The series that plain SQL gives
CREATE FUNCTION expected(dimension text, event_type text, key text, range_from timestamptz, range_to timestamptz, width interval)
RETURNS TABLE (event_time timestamptz, count bigint, gmv numeric, avg_price numeric, is_final boolean)
LANGUAGE plpgsql AS $$
DECLARE
	bucket text := sellometer.bucket_expression(width, '%s');
BEGIN
	RETURN QUERY EXECUTE format('SELECT b, count(*), sum(price), sum(price) / count(*),
			b + %1$L::interval <= ''2019-11-10 03:12:30+00'' AND b >= ''2014-11-01 00:00+00''
		FROM (SELECT %2$s AS b, * FROM events WHERE event_type = %3$L AND (%4$L IS NULL OR %5$I::text = %4$L)) e
		WHERE b >= %6$s AND b < %7$L GROUP BY b ORDER BY b',
		width, format(bucket, 'event_time'), event_type, key, dimension,
		format(bucket, quote_literal(range_from) || '::timestamptz'), range_to);
END
$$;

CREATE TABLE ranges (range_from timestamptz, range_to timestamptz, steps interval[]);
INSERT INTO ranges VALUES
	('2019-11-10 02:47:10+00', '2019-11-10 03:17:30+00', '{1 min,5 min,15 min,1 h}'),
	('2019-11-09 03:20:00+00', '2019-11-10 03:20:00+00', '{1 min,5 min,15 min,1 h,2 h,1 day}'),
	('2019-11-09 10:00:00+00', '2019-11-09 12:00:00+00', '{1 min,30 min,1 h,1 day}'),
	('2019-11-08 10:13:00+00', '2019-11-08 12:11:00+00', '{1 h,2 h,12 h,1 day}'),
	('2019-10-11 03:20:00+00', '2019-11-10 03:20:00+00', '{1 h,6 h,1 day,7 days}'),
	('2019-09-12 00:00:00+00', '2019-11-10 03:20:00+00', '{1 day,7 days,1 month}'),
	('2019-09-12 00:00:00+00', '2019-10-02 00:00:00+00', '{1 day,7 days,1 month,1 year}'),
	('2030-01-01 00:00:00+00', '2030-01-02 00:00:00+00', '{1 min,1 day}');

CREATE VIEW cases AS
SELECT d.dimension, e.event_type, r.range_from, r.range_to, s.step, k.key
FROM ranges r, unnest(steps) s (step), (VALUES ('purchase'), ('view')) e (event_type),
	(VALUES ('product_id', '1005'), ('brand', 'b3'), ('category_l1', 'c1'), ('category_l2', 'c2.d0'),
		('category_l3', 'none'), ('brand', NULL)) k (dimension_of_key, key),
	sellometer.dimensions() d
WHERE d.dimension = k.dimension_of_key;

SELECT c.step, count(*) AS buckets, count(*) FILTER (WHERE a IS DISTINCT FROM x) AS wrong
FROM cases c
CROSS JOIN LATERAL (
	SELECT a, x
	FROM sellometer_series(c.dimension, c.event_type, c.key, c.range_from, c.range_to, c.step) a
	FULL JOIN expected(c.dimension, c.event_type, c.key, c.range_from, c.range_to, c.step) x USING (event_time)) j
GROUP BY 1 ORDER BY 1;

-- With fill: zeros for what is kept whole, not before the first event, not beyond the head.  No purchases for two hours; no events for half an hour.
SAVEPOINT outage;
CREATE TEMP TABLE lost AS
SELECT * FROM events WHERE event_time >= '2019-11-10 01:40+00' AND event_time < '2019-11-10 02:10+00'
	OR event_type = 'purchase' AND event_time >= '2019-11-09 20:00+00' AND event_time < '2019-11-09 22:00+00';
DELETE FROM events e USING lost l WHERE e = l;
DO $$
DECLARE
	d text;
	k record;
BEGIN
	FOR k IN SELECT * FROM sellometer.kept() LOOP
		FOR d IN SELECT dimension FROM sellometer.dimensions() LOOP
			EXECUTE format('WITH l AS (SELECT date_bin(%L, event_time, ''2000-01-03 00:00+00'') AS event_time, %I, event_type, count(*), sum(price) AS gmv
					FROM pg_temp.lost WHERE event_time >= %L AND event_time < %L GROUP BY 1, 2, 3)
				UPDATE sellometer.%5$I t SET count = t.count - l.count, gmv = t.gmv - l.gmv FROM l
				WHERE (t.event_time, t.%2$I, t.event_type) = (l.event_time, l.%2$I, l.event_type)', k.granularity, d, k.floor, k.watermark, d || '_' || k.tier);
			EXECUTE format('DELETE FROM sellometer.%I WHERE count = 0', d || '_' || k.tier);
		END LOOP;
		UPDATE sellometer.totals t SET count = t.count - l.count, gmv = t.gmv - l.gmv
		FROM (SELECT date_bin(k.granularity, event_time, '2000-01-03 00:00+00') AS event_time, event_type, count(*), sum(price) AS gmv
			FROM pg_temp.lost WHERE event_time >= k.floor AND event_time < k.watermark GROUP BY 1, 2) l
		WHERE (t.tier, t.event_time, t.event_type) = (k.tier, l.event_time, l.event_type);
		DELETE FROM sellometer.totals WHERE count = 0;
	END LOOP;
END
$$;
CREATE FUNCTION expected_filled(dimension text, event_type text, key text, range_from timestamptz, range_to timestamptz, width interval)
RETURNS TABLE (event_time timestamptz, count bigint, gmv numeric, avg_price numeric, is_final boolean)
LANGUAGE plpgsql AS $$
DECLARE
	bucket text := sellometer.bucket_expression(width, '%s');
	whole_from timestamptz := CASE WHEN width >= '1 day' THEN '2014-11-01 00:00+00' WHEN extract(epoch FROM width) % 3600 = 0 THEN '2019-10-10 00:00+00'
		ELSE '2019-11-09 03:00+00' END;
BEGIN
	RETURN QUERY EXECUTE format('SELECT coalesce(x.event_time, z), coalesce(x.count, 0), coalesce(x.gmv, 0), x.avg_price,
			coalesce(x.is_final, z + %1$L::interval <= ''2019-11-10 03:12:30+00'' AND z >= ''2014-11-01 00:00+00'')
		FROM expected(%2$L, %3$L, %4$L, %5$L, %6$L, %1$L) x
		FULL JOIN (SELECT DISTINCT %7$s AS z FROM generate_series(%10$s, ''2019-11-10 03:17:30+00'', %8$L) g) y
			ON x.event_time = z
		WHERE x.event_time IS NOT NULL OR z >= %9$L AND z >= %11$s AND z < %6$L',
		width, dimension, event_type, key, range_from, range_to, format(bucket, 'g'), least(width, '1 day'), whole_from,
		format(bucket, quote_literal(range_from) || '::timestamptz'), format(bucket, 'timestamptz ''2019-09-11 00:00+00'''));
END
$$;
INSERT INTO ranges VALUES ('2019-09-05 00:00:00+00', '2019-12-10 03:20:00+00', '{1 day,7 days,1 month}'),
	('2019-11-10 01:40:00+00', '2019-11-10 02:05:00+00', '{1 min,5 min}'),
	('2019-11-09 02:10:00+00', '2019-11-09 03:30:00+00', '{1 h}');
SELECT c.step, count(*) AS buckets, count(*) FILTER (WHERE (j.x).count = 0) AS zeros, count(*) FILTER (WHERE a IS DISTINCT FROM x) AS wrong
FROM cases c
CROSS JOIN LATERAL (
	SELECT a, x
	FROM sellometer_series(c.dimension, c.event_type, c.key, c.range_from, c.range_to, c.step, true) a
	FULL JOIN expected_filled(c.dimension, c.event_type, c.key, c.range_from, c.range_to, c.step) x USING (event_time)) j
WHERE c.dimension IN ('product_id', 'brand') GROUP BY 1 ORDER BY 1;
-- in sessions of other zones
CREATE VIEW filled_without_key AS
SELECT a IS DISTINCT FROM x AS wrong FROM cases c
CROSS JOIN LATERAL (
	SELECT a, x
	FROM sellometer_series(c.dimension, c.event_type, c.key, c.range_from, c.range_to, c.step, true) a
	FULL JOIN expected_filled(c.dimension, c.event_type, c.key, c.range_from, c.range_to, c.step) x USING (event_time)) j
WHERE c.key IS NULL AND c.step >= '1 hour';
SET LOCAL timezone = 'America/New_York';
SET LOCAL datestyle = 'German';
SELECT count(*) AS buckets, count(*) FILTER (WHERE wrong) AS wrong FROM filled_without_key;
SET LOCAL timezone = 'Asia/Kolkata';
SET LOCAL datestyle = 'ISO';
SET LOCAL intervalstyle = 'iso_8601';
SELECT count(*) AS buckets, count(*) FILTER (WHERE wrong) AS wrong FROM filled_without_key;
SET LOCAL timezone = 'UTC';
SET LOCAL intervalstyle = 'postgres';
-- the end, and what is not kept whole
SELECT event_time, count, gmv, avg_price::numeric(12, 2), is_final
FROM sellometer_series('brand', 'purchase', NULL, '2019-11-10 03:05+00', '2019-11-10 04:00+00', '1 min', fill => true);
SELECT count(*), min(event_time) FROM sellometer_series('brand', 'purchase', 'nobody''s', '2019-10-09 20:00+00', '2019-10-10 04:00+00', '1 hour', true);
SELECT min(event_time), max(event_time), count(*) FROM sellometer_series('brand', 'purchase', 'nobody''s', NULL, NULL, '1 day', true);
SELECT count(*) FROM sellometer_series('brand', 'purchase', NULL, '2019-11-10 03:18+00', NULL, '1 min', true);
-- many keys at once are what each is alone; twice the same is once
SELECT c.step, fill, count(*) > 0 AS some, count(*) FILTER (WHERE a IS DISTINCT FROM b) AS wrong
FROM (SELECT DISTINCT step, range_from, range_to FROM cases) c
CROSS JOIN (VALUES (false), (true)) f (fill)
CROSS JOIN LATERAL (
	WITH a AS (SELECT * FROM sellometer_series_of('brand', 'purchase', ARRAY['b3', NULL, 'b7', 'nobody''s', 'b3', NULL], c.range_from, c.range_to, c.step, fill)),
		b AS (SELECT k.key, s.* FROM unnest(ARRAY['b3', 'b7', 'nobody''s', NULL]) k (key)
			CROSS JOIN LATERAL sellometer_series('brand', 'purchase', k.key, c.range_from, c.range_to, c.step, fill) s)
	SELECT a, b FROM a FULL JOIN b ON coalesce(a.key, '') = coalesce(b.key, '') AND a.event_time = b.event_time) x
GROUP BY 1, 2 ORDER BY 1, 2;
SELECT key, count(*), sum(count) FROM sellometer_series_of('product_id', 'view', '{1005,samsung,99999999999999999999}', '2019-11-10 00:00+00',
	'2019-11-10 03:00+00', '1 hour', true) GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM sellometer_series_of('product_id', 'view', '{}', NULL, NULL, '1 hour', true);
SELECT count(*) FROM sellometer_series_of('product_id', 'view', NULL, NULL, NULL, '1 hour', true);
ROLLBACK TO outage;

-- A range that the tiers serving the step hold in part: wider buckets, as many as there are
SELECT count(*), min(event_time), max(event_time), sum(count) = (SELECT count(*) FROM events
		WHERE event_type = 'purchase' AND event_time >= '2019-10-20 10:00+00') AS all_counted
FROM sellometer_series('brand', 'purchase', NULL, '2019-10-20 10:20+00', NULL, '10 min');
SELECT count(*), min(event_time), max(event_time), sum(count) = (SELECT count(*) FROM events
		WHERE event_type = 'purchase') AS all_counted
FROM sellometer_series('brand', 'purchase', NULL, NULL, NULL, '10 min');

-- Without the day tier there is no more than the hours held: the month that they do not fill is not final
SAVEPOINT without_day;
DELETE FROM sellometer.tiers WHERE name = 'day';
SELECT event_time, is_final, count = (SELECT count(*) FROM events e WHERE e.event_type = 'purchase'
		AND e.event_time >= greatest(s.event_time, '2019-10-10') AND e.event_time < s.event_time + interval '1 month') AS right
FROM sellometer_series('brand', 'purchase', NULL, NULL, NULL, '1 month') s;
ROLLBACK TO without_day;

-- Nothing rolled up yet, for days: all of it is still in the finest tier.  A tier that was added late has only what was left.
SAVEPOINT not_rolled_up;
DELETE FROM sellometer.tiers WHERE name = 'day';
UPDATE sellometer.tiers SET watermark = '-infinity' WHERE name = 'hour';
DELETE FROM sellometer.category_l1_hour;
DELETE FROM sellometer.category_l1_minute;
INSERT INTO sellometer.category_l1_minute (event_time, category_l1, event_type, count, gmv)
	SELECT date_trunc('minute', event_time), category_l1, event_type, count(*), sum(price) FROM events GROUP BY 1, 2, 3;
DELETE FROM sellometer.totals;
INSERT INTO sellometer.totals (tier, event_time, event_type, count, gmv)
	SELECT 'minute', date_trunc('minute', event_time), event_type, count(*), sum(price) FROM events GROUP BY 2, 3;
SELECT floor FROM sellometer.kept() WHERE tier = 'minute';
SELECT step, count(*), count(*) FILTER (WHERE a IS DISTINCT FROM x) AS wrong
FROM unnest(ARRAY['10 min', '1 h', '1 day']::interval[]) step
CROSS JOIN LATERAL (SELECT a, x FROM sellometer_series('brand', 'purchase', NULL, '2019-11-05 00:10+00', '2019-11-10 03:00+00', step) a
	FULL JOIN expected('brand', 'purchase', NULL, '2019-11-05 00:10+00', '2019-11-10 03:00+00', step) x USING (event_time)) j
GROUP BY 1 ORDER BY 1;
SELECT sum(gmv) = (SELECT sum(price) FROM events WHERE event_type = 'purchase' AND event_time >= '2019-11-05 00:10+00') AS right
FROM sellometer_top('category_l1', 'purchase', '2019-11-05 00:10+00', NULL);
UPDATE sellometer.tiers SET kept_from = '2019-11-08 00:00+00' WHERE name = 'minute';
SELECT sum(gmv) = (SELECT sum(price) FROM events WHERE event_type = 'purchase' AND event_time >= '2019-11-08 00:00+00') AS right
FROM sellometer_top('category_l1', 'purchase', '2019-11-05 00:10+00', NULL);
ROLLBACK TO not_rolled_up;

-- The same sums from any session's settings
SET LOCAL timezone = 'Australia/Lord_Howe';
SET LOCAL datestyle = 'German';
SET LOCAL intervalstyle = 'iso_8601';
SELECT count(*), count(*) FILTER (WHERE a IS DISTINCT FROM x) AS wrong
FROM sellometer_series('brand', 'view', 'b3', '2019-09-12 00:00+00', '2019-11-10 00:00+00', '1 day') a
FULL JOIN expected('brand', 'view', 'b3', '2019-09-12 00:00+00', '2019-11-10 00:00+00', '1 day') x USING (event_time);
SET LOCAL timezone = 'UTC';
SET LOCAL datestyle = 'ISO';
SET LOCAL intervalstyle = 'postgres';

-- The best keys.  Ends fall on minutes; or on hours, or days, where nothing finer is held any more.
CREATE TABLE top_ranges (range_from timestamptz, range_to timestamptz, read_from timestamptz, read_to timestamptz);
INSERT INTO top_ranges VALUES
	('2019-11-10 02:47:00+00', '2019-11-10 03:17:30+00', '2019-11-10 02:47+00', '2019-11-10 03:18+00'),
	('2019-11-10 02:47:10+00', '2019-11-10 03:00:10+00', '2019-11-10 02:48+00', '2019-11-10 03:01+00'),
	('2019-11-09 03:20:00+00', '2019-11-10 03:20:00+00', '2019-11-09 03:20+00', '2019-11-10 03:20+00'),
	('2019-11-08 10:13:00+00', '2019-11-10 01:11:00+00', '2019-11-08 10:00+00', '2019-11-10 01:11+00'),
	('2019-11-08 10:13:00+00', '2019-11-08 12:11:00+00', '2019-11-08 10:00+00', '2019-11-08 13:00+00'),
	('2019-10-11 03:20:00+00', '2019-11-10 03:20:00+00', '2019-10-11 03:00+00', '2019-11-10 03:20+00'),
	('2019-09-20 05:00:00+00', '2019-10-20 05:30:00+00', '2019-09-20 00:00+00', '2019-10-20 06:00+00'),
	('2019-09-20 05:00:00+00', '2019-09-22 05:30:00+00', '2019-09-20 00:00+00', '2019-09-23 00:00+00'),
	(NULL, NULL, '-infinity', 'infinity');

SELECT d.dimension, o.by, count(*) AS keys, count(*) FILTER (WHERE t IS DISTINCT FROM x) AS wrong
FROM top_ranges r
CROSS JOIN sellometer.dimensions() d
CROSS JOIN (VALUES ('gmv'), ('count')) o (by)
CROSS JOIN LATERAL (
	SELECT t, x
	FROM (SELECT row_number() OVER () AS n, key, gmv, count, avg_price FROM sellometer_top(d.dimension, 'purchase', range_from, range_to, 7, o.by)) t
	FULL JOIN (
		SELECT row_number() OVER (ORDER BY CASE o.by WHEN 'gmv' THEN gmv ELSE count END DESC,
			CASE o.by WHEN 'gmv' THEN count ELSE gmv END DESC, key COLLATE "C") AS n, *
		FROM (
			SELECT to_jsonb(e) ->> d.dimension AS key, sum(price) AS gmv, count(*) AS count, sum(price) / count(*) AS avg_price
			FROM events e WHERE event_type = 'purchase' AND event_time >= read_from AND event_time < read_to GROUP BY 1) s
		) x USING (n)
	WHERE n <= 7) j
GROUP BY 1, 2 ORDER BY 1, 2;
-- and the sums of all
SELECT count(*), count(*) FILTER (WHERE t IS DISTINCT FROM x) AS wrong
FROM top_ranges r
CROSS JOIN (VALUES ('purchase'), ('cart')) v (type)
CROSS JOIN LATERAL (SELECT t FROM sellometer_total(v.type, range_from, range_to) t) a
CROSS JOIN LATERAL (SELECT x FROM (SELECT count(*), coalesce(sum(price), 0) AS gmv, sum(price) / count(*) AS avg_price FROM events e
	WHERE e.event_type::text = v.type AND event_time >= read_from AND event_time < read_to HAVING count(*) > 0) x) b;
SELECT * FROM sellometer_total('view', '2030-01-01', '2030-01-02');
-- of some keys: every other one, and some that there are not
SELECT d.dimension, count(*) > 0 AS some, count(*) FILTER (WHERE t IS DISTINCT FROM x) AS wrong
FROM top_ranges r
CROSS JOIN sellometer.dimensions() d
CROSS JOIN LATERAL (SELECT array_agg(key) || ARRAY['nobody''s', '99999999999999999999', NULL] AS keys FROM (
	SELECT DISTINCT to_jsonb(e) ->> d.dimension AS key FROM events e) k WHERE hashtext(key) % 2 = 0) k
CROSS JOIN LATERAL (
	SELECT t, x FROM (SELECT key, gmv, count, avg_price FROM sellometer_total(d.dimension, 'purchase', k.keys, range_from, range_to)) t
	FULL JOIN (
		SELECT to_jsonb(e) ->> d.dimension AS key, sum(price) AS gmv, count(*) AS count, sum(price) / count(*) AS avg_price
		FROM events e WHERE event_type = 'purchase' AND event_time >= read_from AND event_time < read_to
			AND to_jsonb(e) ->> d.dimension = ANY (k.keys) GROUP BY 1) x USING (key)) j
GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM sellometer_total('brand', 'purchase', NULL::text[], NULL, NULL);
SELECT count(*) FROM sellometer_top('brand', 'view', NULL, NULL);
SELECT count(*) FROM sellometer_top('brand', 'view', NULL, NULL, 0);
SELECT count(*) FROM sellometer_top('brand', 'view', '2019-11-10', '2019-11-09');

-- Nothing loaded yet
SAVEPOINT empty;
UPDATE sellometer.state SET head = NULL;
UPDATE sellometer.tiers SET watermark = '-infinity' WHERE position > 0;
DELETE FROM sellometer.totals;
SELECT count(*) FROM sellometer_series('brand', 'view', NULL, NULL, NULL, '1 min');
SELECT count(*) FROM sellometer_series('brand', 'view', NULL, NULL, NULL, '1 min', true);
ROLLBACK TO empty;

-- Errors say what would do
\set VERBOSITY default
\set SHOW_CONTEXT never
SAVEPOINT errors;
SELECT * FROM sellometer_series('product', 'view', NULL, NULL, NULL, '1 min');
ROLLBACK TO errors;
SELECT * FROM sellometer_series('brand', 'views', NULL, NULL, NULL, '1 min');
ROLLBACK TO errors;
SELECT * FROM sellometer_series('brand', NULL, NULL, NULL, NULL, '1 min');
ROLLBACK TO errors;
SELECT * FROM sellometer_series('brand', 'view', NULL, NULL, NULL, '0');
ROLLBACK TO errors;
SELECT * FROM sellometer_series('brand', 'view', NULL, NULL, NULL, '2 months');
ROLLBACK TO errors;
SELECT * FROM sellometer_series('brand', 'view', NULL, NULL, NULL, NULL);
ROLLBACK TO errors;
SELECT * FROM sellometer_series('product_id', 'view', 'samsung', NULL, NULL, '1 min');
ROLLBACK TO errors;
SELECT * FROM sellometer_series('product_id', 'view', '1; DROP TABLE x', NULL, NULL, '1 min');
ROLLBACK TO errors;
SELECT * FROM sellometer_series('brand', 'view', ''' OR true --', NULL, NULL, '1 min');
SELECT * FROM sellometer_series('brand', 'view', '%s %1$L', NULL, NULL, '1 min');
SELECT DISTINCT key FROM sellometer_series_of('brand', 'view', ARRAY['%s %1$L', '''', '{"'], NULL, NULL, '1 day', true) ORDER BY 1;
SELECT * FROM sellometer_series('product_id', 'view', '9999999999999999999', NULL, NULL, '1 min');
SELECT * FROM sellometer_top('brand', 'view', NULL, NULL, 10, 'price');
ROLLBACK TO errors;
SELECT * FROM sellometer_top('brand', 'view', NULL, NULL, -1);
ROLLBACK TO errors;
ROLLBACK;
