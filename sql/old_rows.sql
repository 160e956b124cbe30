-- Old rows: what retention keeps counts, whenever it comes, and what is not complete is not taken for it
\set name sellometer_old_rows_test
\getenv abs_srcdir PG_ABS_SRCDIR
\set source :abs_srcdir /sql/include/source.psql
\i :source
-- an object of purchases at these times
CREATE FUNCTION pg_temp.put(key text, VARIADIC times text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT unnest(ARRAY[''event_time,event_type,product_id,price''] ||
		ARRAY(SELECT t || '':00,purchase,1,2.50'' FROM unnest(%L::text[]) t))) TO %L', times,
		current_setting('data_directory') || '/sellometer_old_rows_test/' || key);
END
$$;
\set load :abs_srcdir /sql/include/load.psql
\i :load
CREATE VIEW pg_temp.ledger AS
SELECT key, state, rows_total AS total, rows_counted AS counted, rows_expired AS expired FROM sellometer.objects ORDER BY id;
CREATE FUNCTION pg_temp.days(OUT event_time timestamptz, OUT count bigint, OUT is_final boolean) RETURNS SETOF record LANGUAGE sql AS $$
	SELECT event_time, count, is_final FROM sellometer_series('brand', 'purchase', NULL, '2010-01-01', '2020-01-01', '1 day')
$$;
CREATE FUNCTION pg_temp.wrong() RETURNS TABLE (name text, detail text) LANGUAGE sql AS $$
	SELECT name, detail FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|database|locks|procedure|loading)' AND name NOT IN ('pg_cron', 'worker', 'preload')
$$;
SELECT sellometer_add_source('shop', :'url');

-- a row of 2015 among those of a day: that time is not complete, all later is
SELECT pg_temp.put('a', '2019-10-01 10:00', '2019-10-01 10:01', '2019-10-01 12:00', '2015-05-01 10:30');
CALL pg_temp.load();
SELECT * FROM pg_temp.ledger;
SELECT name, kept_from FROM sellometer.tiers ORDER BY position;
SELECT sellometer_add_tier('day', '1 day');
SELECT name, kept_from FROM sellometer.tiers ORDER BY position;
SELECT pg_temp.put('b', '2019-01-07 08:00', '2019-01-07 09:00', '2019-01-09 09:00', '2015-05-01 08:30', '2014-05-01 08:30');
CALL pg_temp.load();
SELECT * FROM pg_temp.ledger;
SELECT * FROM pg_temp.days();
SELECT count, gmv FROM sellometer_total('purchase', '2019-01-01', '2019-02-01');
SELECT * FROM sellometer_top('brand', 'purchase', '2019-01-01', '2019-02-01', 3);
SELECT event_time, brand, count FROM sellometer.purchase_brand_day ORDER BY 1;
SELECT * FROM pg_temp.wrong();
-- replayed it is the same
SELECT sellometer_replay('shop', '2019-01-01', '2019-02-01');
SELECT sellometer_replay('shop', '-infinity', 'infinity');
SELECT * FROM pg_temp.days();
SELECT * FROM pg_temp.wrong();

-- a tier that is added when some are pruned: it takes what is older, which is not complete
SELECT sellometer_drop_tier('day', discard => true);
SELECT pg_temp.put('c', '2019-12-20 10:00', '2019-12-20 11:00', '2019-12-20 13:00');
CALL pg_temp.load();
SELECT name, kept_from FROM sellometer.tiers ORDER BY position;
SELECT sellometer_add_tier('day', '1 day');
SELECT sellometer_add_tier('year', '12 months');
SELECT sellometer_add_tier('ten', '10 min', '7 days');
SELECT name, kept_from FROM sellometer.tiers ORDER BY position;
SELECT pg_temp.put('d', '2019-02-07 08:00', '2019-02-08 09:00', '2019-10-01 11:00', '2019-12-18 08:00', '2019-12-18 08:15');
CALL pg_temp.load();
SELECT * FROM pg_temp.ledger;
SELECT * FROM pg_temp.days();
SELECT event_time, count, is_final FROM sellometer_series('brand', 'purchase', NULL, '2010-01-01', '2020-01-01', '1 year');
SELECT count FROM sellometer_total('purchase', '2019-02-01', '2019-03-01');
-- a part of what the hours hold whole is not in between
SELECT event_time, count FROM sellometer.purchase_brand_ten ORDER BY 1;
SELECT event_time, count FROM sellometer.purchase_brand_hour ORDER BY 1;
SELECT * FROM pg_temp.wrong();
-- replay makes it complete
SELECT sellometer_replay('shop', '2019-01-01', '2019-12-01');
SELECT * FROM pg_temp.days();
SELECT * FROM pg_temp.wrong();

-- hours are pruned in the middle of a month: what a replay fills of months and weeks begins with whole ones, and hours go on to be asked
SET client_min_messages = warning;
DROP EXTENSION sellometer CASCADE;
CREATE EXTENSION sellometer;
RESET client_min_messages;
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm sellometer_old_rows_test/*';
SELECT sellometer_add_source('shop', :'url');
SELECT pg_temp.put('a', '2019-10-10 10:00', '2019-10-20 10:00', '2019-10-28 10:00', '2019-11-05 10:00', '2015-05-01 10:30');
CALL pg_temp.load();
SELECT pg_temp.put('b', '2019-11-27 12:00', '2019-11-27 12:01');
CALL pg_temp.load();
SELECT pg_temp.put('c', '2019-11-27 12:05', '2015-05-01 10:30');
CALL pg_temp.load();
SELECT sellometer_add_tier('week', '7 days');
SELECT sellometer_add_tier('month', '1 month');
SELECT name, kept_from FROM sellometer.tiers ORDER BY position;
CREATE FUNCTION pg_temp.sums(OUT last_days bigint, OUT whole bigint) LANGUAGE sql AS $$
	SELECT (SELECT count FROM sellometer_total('purchase', '2019-10-28', '2019-11-01')), (SELECT count FROM sellometer_total('purchase', '2019-10-27', '2019-12-01'))
$$;
SELECT * FROM pg_temp.sums();
SELECT sellometer_replay('shop', '-infinity', 'infinity');
SELECT name, kept_from FROM sellometer.tiers ORDER BY position;
SELECT * FROM pg_temp.sums();
SELECT * FROM pg_temp.wrong();

SET client_min_messages = warning;
DROP EXTENSION sellometer CASCADE;
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf sellometer_old_rows_test';
