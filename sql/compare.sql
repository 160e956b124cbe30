-- Comparisons against plain SQL over the raw rows: an outage, late rows, a past that is only partly kept, zones
\set name sellometer_compare_test
\getenv abs_srcdir PG_ABS_SRCDIR
\set source :abs_srcdir /sql/include/source.psql
\i :source
-- 37 days up to 10:37 of November 7th, a row a hundred seconds; nothing at all for 40 minutes, no purchases for three hours.  late: a part of it
CREATE TEMP TABLE raw AS
SELECT date_trunc('second', t) AS event_time, (ARRAY['view', 'view', 'cart', 'purchase', 'purchase'])[1 + i % 5] AS event_type,
	(1 + i * 31 % 70)::bigint AS product_id, 'b' || i * 7 % 11 % 5 AS brand,
	((i * 7919 + extract(day FROM t)::integer * 1300) % 20011 / 100.0)::numeric(10, 2) AS price,
	t >= '2019-11-05 12:00+00' AND t < '2019-11-05 13:00+00' OR t >= '2019-11-07 09:00+00' AND t < '2019-11-07 09:10+00' AS late
FROM generate_series(timestamptz '2019-10-01 05:20:20+00', '2019-11-07 10:37:55+00', interval '100 seconds') WITH ORDINALITY g (t, i)
WHERE NOT t BETWEEN '2019-11-06 14:00+00' AND '2019-11-06 14:40+00';
-- two days on which the best hardly move but for three, and others do, which are among the fifty best of neither day
INSERT INTO raw SELECT t + i * interval '1 second', 'purchase', i, 'b9', CASE WHEN i > 1200 THEN 900 - 800 * d + i / 1000.0 WHEN i <= 1003 THEN 2000 + 40000 * d ELSE 1000 + (i + d) / 1000.0 END, false
FROM (VALUES (0, timestamptz '2019-10-15 03:00+00'), (1, '2019-10-16 03:00+00')) v (d, t), generate_series(1001, 1260) i WHERE i <= 1060 OR i > 1200;
DELETE FROM raw WHERE event_type = 'purchase' AND event_time BETWEEN '2019-10-31 04:00+00' AND '2019-10-31 07:00+00';
CREATE PROCEDURE pg_temp.put(key text, condition text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT event_time, event_type, product_id, brand, price, ''s'' || extract(epoch FROM event_time)::bigint AS user_session FROM pg_temp.raw
			WHERE %s ORDER BY event_time) TO %L CSV HEADER', condition, current_setting('data_directory') || '/sellometer_compare_test/' || key);
END
$$;
\set load :abs_srcdir /sql/include/load.psql
\i :load
CREATE INDEX ON raw (event_time);
ANALYZE raw;
SELECT sellometer_add_source('shop', :'url');

-- Nothing is loaded
SELECT count, earlier_count, count_change, reason FROM sellometer_compare('brand', 'purchase', NULL, '2019-11-07 00:00', '2019-11-08 00:00', '1 day');
SELECT * FROM sellometer_movers('brand', 'purchase', '2019-11-07 00:00', '2019-11-08 00:00', '1 day');

DO $$
DECLARE
	day date;
BEGIN
	FOR day IN SELECT generate_series(date '2019-10-01', '2019-11-07', interval '1 day') LOOP
		CALL pg_temp.put(format('%s.csv', day), format('NOT late AND event_time >= %L AND event_time < %L', day, least(day + interval '1 day', '2019-11-07 10:36')));
	END LOOP;
	CALL pg_temp.put('newest.csv', 'event_time >= ''2019-11-07 10:36''');
END
$$;
CALL pg_temp.load();
SELECT head FROM sellometer.state;
SELECT tier, floor FROM sellometer.kept();
SELECT sellometer.first_event();

-- What should be compared with what; of these the sums are taken from the raw rows.  No times: there is nothing to compare, for that reason.
CREATE TEMP TABLE cases (what text, range_from timestamptz, range_to timestamptz, back interval, zone text,
	compared_from timestamptz, compared_to timestamptz, earlier_from timestamptz, earlier_to timestamptz, reason text);
INSERT INTO cases VALUES
	('the last hour, and the one before', '2019-11-07 09:38:12', '2019-11-07 10:38:12', NULL, 'UTC',
		'2019-11-07 09:39', '2019-11-07 10:37', '2019-11-07 08:40', '2019-11-07 09:38', NULL),
	('an hour, and the one before', '2019-11-07 08:00', '2019-11-07 09:00', NULL, 'UTC',
		'2019-11-07 08:00', '2019-11-07 09:00', '2019-11-07 07:00', '2019-11-07 08:00', NULL),
	('a range that was marked with a mouse', '2019-11-07 10:05:10.3', '2019-11-07 10:22:33.7', NULL, 'UTC',
		'2019-11-07 10:06', '2019-11-07 10:22', '2019-11-07 09:50', '2019-11-07 10:06', NULL),
	('such a range where hours are kept', '2019-11-03 10:05:10.3', '2019-11-03 15:22:33.7', NULL, 'UTC',
		'2019-11-03 11:00', '2019-11-03 15:00', '2019-11-03 07:00', '2019-11-03 11:00', NULL),
	('one that begins where minutes are kept, the one before not', '2019-11-06 12:15', '2019-11-07 10:15', NULL, 'UTC',
		'2019-11-06 13:00', '2019-11-07 10:00', '2019-11-05 16:00', '2019-11-06 13:00', NULL),
	('today and yesterday', '2019-11-07 00:00', '2019-11-08 00:00', '1 day', 'UTC',
		'2019-11-07 00:00', '2019-11-07 10:37', '2019-11-06 00:00', '2019-11-06 10:37', NULL),
	('today and a week ago: whole hours', '2019-11-07 00:00', '2019-11-08 00:00', '7 days', 'UTC',
		'2019-11-07 00:00', '2019-11-07 10:00', '2019-10-31 00:00', '2019-10-31 10:00', NULL),
	('without an end', '2019-11-07 00:00', NULL, '1 day', 'UTC',
		'2019-11-07 00:00', '2019-11-07 10:37', '2019-11-06 00:00', '2019-11-06 10:37', NULL),
	('this hour and the one before', '2019-11-07 10:00', '2019-11-07 11:00', '1 hour', 'UTC',
		'2019-11-07 10:00', '2019-11-07 10:37', '2019-11-07 09:00', '2019-11-07 09:37', NULL),
	('the week so far', '2019-11-04 00:00', '2019-11-11 00:00', '7 days', 'UTC',
		'2019-11-04 00:00', '2019-11-07 10:00', '2019-10-28 00:00', '2019-10-31 10:00', NULL),
	('an outage, and the same time the day before', '2019-11-06 13:30', '2019-11-06 15:10', '1 day', 'UTC',
		'2019-11-06 14:00', '2019-11-06 15:00', '2019-11-05 14:00', '2019-11-05 15:00', NULL),
	('late rows, and yesterday', '2019-11-07 08:30', '2019-11-07 09:30', '2 hours', 'UTC',
		'2019-11-07 08:30', '2019-11-07 09:30', '2019-11-07 06:30', '2019-11-07 07:30', NULL),
	('a day, and one with late rows', '2019-11-06 00:00', '2019-11-07 00:00', '1 day', 'UTC',
		'2019-11-06 00:00', '2019-11-07 00:00', '2019-11-05 00:00', '2019-11-06 00:00', NULL),
	('today in New York, where it is an hour less from Eastern Standard Time', '2019-11-07 05:00', '2019-11-08 05:00', '7 days', 'America/New_York',
		'2019-11-07 05:00', '2019-11-07 10:00', '2019-10-31 04:00', '2019-10-31 09:00', NULL),
	('the same by UTC', '2019-11-07 05:00', '2019-11-08 05:00', '7 days', 'UTC',
		'2019-11-07 05:00', '2019-11-07 10:00', '2019-10-31 05:00', '2019-10-31 10:00', NULL),
	('today in Kolkata: of the day before, half an hour is in an hour of the day before that', '2019-11-06 18:30', '2019-11-07 18:30', '1 day', 'Asia/Kolkata',
		'2019-11-06 19:00', '2019-11-07 10:37', '2019-11-05 19:00', '2019-11-06 10:37', NULL),
	('the earlier range is kept in part', '2019-10-20 00:00', '2019-11-07 00:00', NULL, 'UTC', NULL, NULL, NULL, NULL,
		'the earlier range begins at 2019-10-02 00:00 UTC, and what is kept whole begins at 2019-10-07 00:00 UTC'),
	('a month ago', '2019-11-01 00:00', '2019-12-01 00:00', '1 month', 'UTC', NULL, NULL, NULL, NULL,
		'the earlier range begins at 2019-10-01 00:00 UTC, and what is kept whole begins at 2019-10-07 00:00 UTC'),
	('the range itself is kept in part', '2019-10-06 00:00', '2019-10-10 00:00', '1 day', 'UTC', NULL, NULL, NULL, NULL,
		'the range begins at 2019-10-06 00:00 UTC, and what is kept whole begins at 2019-10-07 00:00 UTC'),
	('half an hour, a week ago', '2019-11-07 10:05', '2019-11-07 10:35', '7 days', 'UTC', NULL, NULL, NULL, NULL,
		'of the earlier range, from 2019-10-31 10:05 UTC on, only intervals of 01:00:00 are kept, and no whole ones fit into both ranges'),
	('whole hours, and 90 minutes less', '2019-11-04 10:00', '2019-11-04 20:00', '90 minutes', 'UTC', NULL, NULL, NULL, NULL,
		'of the earlier range, from 2019-11-04 08:30 UTC on, only intervals of 01:00:00 are kept, and no whole ones fit into both ranges'),
	('tomorrow', '2019-11-08 00:00', '2019-11-09 00:00', '1 day', 'UTC', NULL, NULL, NULL, NULL,
		'the range begins at 2019-11-08 00:00 UTC, and the data reach 2019-11-07 10:37 UTC'),
	('no time at all', '2019-11-07 09:00', '2019-11-07 09:00', '1 day', 'UTC', NULL, NULL, NULL, NULL, 'the range is empty');

CREATE TEMP VIEW loaded AS SELECT * FROM raw WHERE NOT late;
CREATE TEMP TABLE keys (dimension text, key text);
INSERT INTO keys VALUES ('brand', NULL), ('brand', 'b3'), ('product_id', '17');
CREATE FUNCTION pg_temp.raw_sum(dimension text, type text, key text, range_from timestamptz, range_to timestamptz, OUT count bigint, OUT gmv numeric)
LANGUAGE sql AS $$
	SELECT count(*), coalesce(sum(price), 0) FROM pg_temp.loaded
	WHERE event_type = type AND event_time >= range_from AND event_time < range_to AND (key IS NULL OR CASE dimension WHEN 'brand' THEN brand ELSE product_id::text END = key)
$$;
CREATE TEMP VIEW compared AS
SELECT c.what, e.type, k.key, a.*, n.count AS raw_count, n.gmv AS raw_gmv, o.count AS raw_earlier_count, o.gmv AS raw_earlier_gmv,
	row(a.compared_from, a.compared_to, a.earlier_from, a.earlier_to) IS NOT DISTINCT FROM row(c.compared_from, c.compared_to, c.earlier_from, c.earlier_to)
		AND a.reason IS NOT DISTINCT FROM CASE WHEN c.reason IS NULL AND o.count = 0 THEN 'there was nothing in the earlier range' ELSE c.reason END AS right_ranges
FROM cases c CROSS JOIN keys k CROSS JOIN (VALUES ('purchase'), ('view')) e (type)
CROSS JOIN LATERAL sellometer_compare(k.dimension, e.type, k.key, c.range_from, c.range_to, c.back, c.zone) a
CROSS JOIN LATERAL pg_temp.raw_sum(k.dimension, e.type, k.key, c.compared_from, c.compared_to) n
CROSS JOIN LATERAL pg_temp.raw_sum(k.dimension, e.type, k.key, c.earlier_from, c.earlier_to) o;
CREATE FUNCTION pg_temp.wrong(OUT cases bigint, OUT compared bigint, OUT wrong bigint, OUT first_wrong text) LANGUAGE sql AS $$
	SELECT count(*), count(*) FILTER (WHERE count_change IS NOT NULL), count(*) FILTER (WHERE w), min(what || ' ' || type || coalesce(' ' || key, '')) FILTER (WHERE w)
	FROM (SELECT *, NOT right_ranges
			OR compared_from IS NOT NULL AND row(count, gmv, avg_price, earlier_count, earlier_gmv, earlier_avg_price) IS DISTINCT FROM
				row(raw_count, raw_gmv, raw_gmv / nullif(raw_count, 0), raw_earlier_count, raw_earlier_gmv, raw_earlier_gmv / nullif(raw_earlier_count, 0))
			OR compared_from IS NULL AND (earlier_count, earlier_gmv, earlier_avg_price) IS NOT NULL
			OR count_change IS DISTINCT FROM CASE WHEN compared_from IS NOT NULL THEN raw_count::float8 / nullif(raw_earlier_count, 0) - 1 END
			OR coalesce(abs(gmv_change - (raw_gmv / nullif(raw_earlier_gmv, 0) - 1)) > 1e-12, raw_earlier_gmv > 0 AND compared_from IS NOT NULL)
			OR coalesce(abs(avg_price_change - ((raw_gmv / nullif(raw_count, 0)) / (raw_earlier_gmv / nullif(raw_earlier_count, 0)) - 1)) > 1e-12,
				raw_earlier_gmv > 0 AND raw_count > 0 AND compared_from IS NOT NULL) AS w
		FROM pg_temp.compared) x
$$;
SELECT * FROM pg_temp.wrong();
-- when what was late has come
CALL pg_temp.put('late.csv', 'late');
CALL pg_temp.load();
CREATE OR REPLACE TEMP VIEW loaded AS SELECT * FROM raw;
SELECT * FROM pg_temp.wrong();
-- in sessions of other zones
SET timezone = 'Asia/Kolkata';
SELECT * FROM pg_temp.wrong();
SET timezone = 'America/New_York';
SET datestyle = 'German';
SET intervalstyle = 'sql_standard';
SELECT * FROM pg_temp.wrong();
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
-- some of it, to be seen: no change is a whole number
SELECT what, count, earlier_count, round(count_change::numeric, 4) AS count_change, round(gmv_change::numeric, 4) AS gmv_change, reason
FROM pg_temp.compared WHERE type = 'purchase' AND key IS NULL ORDER BY what;
-- what is held of a range is given though it can't be compared
SELECT count = (SELECT count(*) FROM raw WHERE event_type = 'purchase' AND event_time >= '2019-11-01') AS right, reason
FROM sellometer_compare('brand', 'purchase', NULL, '2019-11-01', '2019-12-01', '1 month');
-- keys that there are not
SELECT count, gmv, avg_price, earlier_count, count_change, reason
FROM sellometer_compare('product_id', 'purchase', '9999999999999999999', '2019-11-07 08:00', '2019-11-07 09:00');

-- Movers
CREATE FUNCTION pg_temp.expected_movers(dimension text, by text, range_from timestamptz, range_to timestamptz, before_from timestamptz, before_to timestamptz, n integer)
RETURNS TABLE (i bigint, key text, count bigint, gmv numeric, earlier_count bigint, earlier_gmv numeric, difference numeric, change double precision, reason text)
LANGUAGE sql AS $$
	WITH sums AS (
		SELECT CASE dimension WHEN 'brand' THEN brand ELSE product_id::text END AS key, coalesce(sum(price) FILTER (WHERE event_time >= range_from AND event_time < range_to), 0) AS gmv,
			count(*) FILTER (WHERE event_time >= range_from AND event_time < range_to) AS count,
			coalesce(sum(price) FILTER (WHERE event_time >= before_from AND event_time < before_to), 0) AS earlier_gmv,
			count(*) FILTER (WHERE event_time >= before_from AND event_time < before_to) AS earlier_count
		FROM pg_temp.raw WHERE event_type = 'purchase' AND event_time >= before_from AND event_time < range_to GROUP BY 1
	), pairs AS (
		SELECT *, CASE by WHEN 'gmv' THEN gmv ELSE count END AS now, CASE by WHEN 'gmv' THEN earlier_gmv ELSE earlier_count END AS before FROM sums
	)
	SELECT row_number() OVER (ORDER BY abs(now - before) DESC, key COLLATE "C"), key, count, gmv, earlier_count, earlier_gmv, now - before,
		(now / nullif(before, 0) - 1)::float8, NULL
	FROM pairs WHERE now <> before ORDER BY 1 LIMIT n
$$;
SELECT c.what, d.dimension, b.by, count(*) AS movers, count(*) FILTER (WHERE a IS DISTINCT FROM x) AS wrong
FROM cases c CROSS JOIN (VALUES ('product_id'), ('brand')) d (dimension) CROSS JOIN (VALUES ('gmv'), ('count')) b (by)
CROSS JOIN LATERAL (
	SELECT a, x FROM (SELECT row_number() OVER () AS i, key, count, gmv, earlier_count, earlier_gmv, difference, change, reason FROM sellometer_movers(d.dimension, 'purchase', c.range_from, c.range_to, c.back, 12, b.by, c.zone)) a
	FULL JOIN pg_temp.expected_movers(d.dimension, b.by, c.compared_from, c.compared_to, c.earlier_from, c.earlier_to, 12) x USING (i)) j
WHERE c.what IN ('today and yesterday', 'the week so far', 'the last hour, and the one before') GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT * FROM sellometer_movers('brand', 'purchase', '2019-11-01', '2019-12-01', '1 month');
-- however many are asked for
SELECT n, b.by, count(*) AS movers, count(*) FILTER (WHERE a IS DISTINCT FROM x) AS wrong, count(*) FILTER (WHERE (a).key::bigint > 1200) AS "not among the best"
FROM unnest(ARRAY[3, 12, 200]) n CROSS JOIN (VALUES ('gmv'), ('count')) b (by)
CROSS JOIN LATERAL (
	SELECT a, x FROM (SELECT row_number() OVER () AS i, key, count, gmv, earlier_count, earlier_gmv, difference, change, reason FROM sellometer_movers('product_id', 'purchase', '2019-10-16', '2019-10-17', '1 day', n, b.by)) a
	FULL JOIN pg_temp.expected_movers('product_id', b.by, '2019-10-16', '2019-10-17', '2019-10-15', '2019-10-16', n) x USING (i)) j
GROUP BY 1, 2 ORDER BY 2, 1;

-- Errors say what would do
SELECT sellometer_compare('brand', 'purchases', NULL, '2019-11-01', '2019-12-01');
SELECT sellometer_compare('shop', 'purchase', NULL, '2019-11-01', '2019-12-01');
SELECT sellometer_compare('product_id', 'purchase', 'samsung', '2019-11-01', '2019-12-01');
SELECT sellometer_compare('brand', 'purchase', NULL, NULL, '2019-12-01');
SELECT sellometer_compare('brand', 'purchase', NULL, '2019-11-01', '2019-12-01', '-1 day');
SELECT sellometer_compare('brand', 'purchase', NULL, '2019-11-01', '2019-12-01', '1 day', 'Atlantis');
SELECT * FROM sellometer_movers('brand', 'purchase', '2019-11-01', '2019-11-02', '1 day', 5, 'price');
