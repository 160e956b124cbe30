-- Tiers: what can be changed of them, and what is said of what they hold
\set name sellometer_tiers_test
\getenv abs_srcdir PG_ABS_SRCDIR
\set source :abs_srcdir /sql/include/source.psql
\i :source
\set archive_url 'file://' :dir '_archive/'
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf sellometer_tiers_test_archive; mkdir sellometer_tiers_test_archive';
-- an object of purchases at these times
CREATE FUNCTION pg_temp.put(key text, VARIADIC times text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT unnest(ARRAY[''event_time,event_type,product_id,price''] ||
		ARRAY(SELECT t || '':00,purchase,1,2.50'' FROM unnest(%L::text[]) t))) TO %L', times,
		current_setting('data_directory') || '/sellometer_tiers_test/' || key);
END
$$;
\set load :abs_srcdir /sql/include/load.psql
\i :load
CREATE FUNCTION pg_temp.wrong() RETURNS TABLE (name text, detail text) LANGUAGE sql AS $$
	SELECT name, detail FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|database|locks|procedure|loading)' AND name NOT IN ('pg_cron', 'worker', 'preload')
$$;
SELECT sellometer_add_source('shop', :'url', archive_url => :'archive_url');
SELECT sellometer_add_tier('day', '1 day', '1 year');
SELECT pg_temp.put('a', '2019-10-01 10:00', '2019-10-01 11:30', '2019-10-01 12:00');
CALL pg_temp.load();
SELECT pg_temp.put('b', '2019-11-20 10:00', '2019-11-20 10:01', '2019-11-20 13:00');
CALL pg_temp.load();
SELECT pg_temp.put('c', '2019-11-22 10:00', '2019-11-22 10:01', '2019-11-22 13:00');
CALL pg_temp.load();
SELECT tier, floor FROM sellometer.kept();

-- what only a coarser tier still holds
SELECT event_time, count, is_final FROM sellometer_series('brand', 'purchase', NULL, '2019-10-01 11:00', '2019-10-01 12:00', '1 hour');
SELECT event_time, count, is_final FROM sellometer_series('brand', 'purchase', NULL, '2019-11-20 10:00', '2019-11-20 12:00', '1 min');
SELECT event_time, count FROM sellometer_series('brand', 'purchase', NULL, '2019-11-22 10:00', '2019-11-22 12:00', '20 s');
SELECT key, count FROM sellometer_top('product_id', 'purchase', '2019-10-01 11:00', '2019-10-01 12:00');
SELECT key, count FROM sellometer_top('product_id', 'purchase', '2019-11-20 10:01', '2019-11-22 10:01');
SELECT count FROM sellometer_total('purchase', '2019-10-01 11:00', '2019-10-01 12:00');
SELECT key, count FROM sellometer_total('product_id', 'purchase', '{1}', '2019-10-01 11:00', '2019-11-20 11:30');
-- nothing to be said of what is held as it was asked for
SELECT event_time, count FROM sellometer_series('brand', 'purchase', NULL, '2019-10-01 11:00', '2019-10-01 12:00', '1 day');
SELECT event_time, count FROM sellometer_series('brand', 'purchase', NULL, '2019-11-20 10:30', '2019-11-20 11:30', '1 hour');
SELECT event_time, count FROM sellometer_series('brand', 'purchase', NULL, '2019-11-22 10:00:20', '2019-11-22 12:00', '1 min');
SELECT key, count FROM sellometer_top('product_id', 'purchase', '2019-11-22 10:00:30', '2019-11-22 12:00:30');
SELECT key, count FROM sellometer_top('product_id', 'purchase', NULL, NULL);
SELECT count FROM sellometer_total('purchase', '2019-10-01', '2019-11-20 11:00');
SELECT count FROM sellometer_total('purchase', '-infinity', 'infinity');
-- nor by what only uses them
SELECT length(sellometer_report()) > 1000 AS reported;

-- how long a tier is kept
SELECT sellometer_alter_tier('hour', '10 days');
SELECT sellometer_alter_tier('hour', '2 months');
SELECT sellometer_alter_tier('day', NULL);
SELECT name, retention FROM sellometer.tiers ORDER BY position;
SELECT sellometer_alter_tier('day', '1 month');
SELECT sellometer_alter_tier('day', '30 min');
SELECT sellometer_alter_tier('minute', NULL);
SELECT sellometer_alter_tier('hour', '1 month 1 day');
SELECT sellometer_alter_tier('hour', '4000 years');
SELECT sellometer_alter_tier('hour', '-1 day');
SELECT sellometer_alter_tier('hours', '1 day');
SELECT sellometer_alter_tier(NULL, '1 day');
SELECT name, retention FROM sellometer.tiers ORDER BY position;
SELECT sellometer_alter_tier('hour', '10 days');
CALL sellometer_prune();
SELECT name, kept_from FROM sellometer.tiers ORDER BY position;
SELECT sellometer_alter_tier('hour', '2 months');

-- weeks and months are both made of days
SELECT sellometer_add_tier('month', '1 month');
SELECT sellometer_add_tier('week', '7 days');
SELECT sellometer_add_tier('quarter', '3 months');
SELECT sellometer_add_tier('fortnight', '14 days');
SELECT sellometer_add_tier('thirty', '30 days');
SELECT sellometer_add_tier('month_too', '1 month');
SELECT name, position, finer, partition_width, watermark FROM sellometer.tiers ORDER BY position;
SELECT pg_temp.put('d', '2019-12-02 10:00', '2019-12-02 10:01', '2019-12-02 13:00');
SELECT pg_temp.put('e', '2019-09-30 10:00', '2019-10-31 10:01', '2019-11-01 13:00');
CALL pg_temp.load();
SELECT event_time, count FROM sellometer.purchase_brand_week ORDER BY 1;
SELECT event_time, count FROM sellometer.purchase_brand_month ORDER BY 1;
SELECT event_time, count FROM sellometer.purchase_brand_quarter ORDER BY 1;
SELECT event_time, count FROM sellometer.purchase_brand_fortnight ORDER BY 1;
SELECT event_time, count, is_final FROM sellometer_series('brand', 'purchase', NULL, NULL, NULL, '7 days');
SELECT event_time, count, is_final FROM sellometer_series('brand', 'purchase', NULL, NULL, NULL, '1 month');
SELECT * FROM sellometer.pieces('2019-09-30', '2019-12-02 14:00', NULL) ORDER BY 2;
SELECT * FROM sellometer.pieces('2019-10-01', '2019-12-01', NULL) ORDER BY 2;
SELECT * FROM pg_temp.wrong();
-- a tier goes, and what was made of it is made of the one before
SELECT sellometer_drop_tier('day');
SELECT sellometer_drop_tier('day', discard => true);
SELECT name, position, finer FROM sellometer.tiers ORDER BY position;
SELECT pg_temp.put('f', '2019-12-03 10:00', '2019-11-03 10:01', '2019-10-06 13:00', '2019-12-10 13:00', '2019-12-10 13:01');
CALL pg_temp.load();
SELECT event_time, count FROM sellometer.purchase_brand_week ORDER BY 1;
SELECT event_time, count FROM sellometer.purchase_brand_month ORDER BY 1;
SELECT * FROM pg_temp.wrong();
-- it comes back, and is filled by replay from archives and what is still there
CALL sellometer_archive();
SELECT state, count(*) FROM sellometer.objects GROUP BY 1 ORDER BY 1;
SELECT sellometer_add_tier('day', '1 day');
SELECT name, finer FROM sellometer.tiers WHERE name IN ('day', 'week', 'month') ORDER BY position;
SELECT event_time, count FROM sellometer.purchase_brand_day ORDER BY 1;
SELECT sellometer_replay('shop', '2019-09-30', '2019-10-10');
SELECT count(*) FROM sellometer.purchase_brand_day WHERE event_time < '2019-10-10';
SELECT sellometer_replay('shop', '2019-10-01', '2019-12-15');
SELECT event_time, count FROM sellometer.purchase_brand_day ORDER BY 1;
SELECT kept_from FROM sellometer.tiers WHERE name = 'day';
SELECT sellometer_replay('shop', '-infinity', 'infinity');
SELECT name, kept_from FROM sellometer.tiers ORDER BY position;
SELECT event_time, count, is_final FROM sellometer_series('brand', 'purchase', NULL, NULL, NULL, '1 day');
SELECT * FROM pg_temp.wrong();
CALL pg_temp.load();
SELECT name, kept_from FROM sellometer.tiers ORDER BY position;

-- the names of tiers that the extension makes are theirs
SELECT sellometer_drop_tier('hour', discard => true);
SELECT sellometer_drop_tier('minute');
SELECT sellometer_add_tier('hour', '2 hours');
SELECT sellometer_add_tier('hour', '1 hour', '1 month');
SELECT count(*) FROM pg_depend d WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND d.classid = 'pg_class'::regclass
	AND d.objid IN (SELECT ('sellometer.' || r.name)::regclass FROM sellometer.tier_relations('hour') r);
-- what the next prune will drop is said
SELECT pg_temp.put('g', '2019-12-12 10:00', '2019-12-12 10:01', '2019-12-12 13:00');
CALL pg_temp.load();
SELECT pg_temp.put('h', '2019-12-20 10:00', '2019-12-20 10:01', '2019-12-20 13:00');
CALL pg_temp.load();
SELECT sellometer_alter_tier('hour', '2 days');
SELECT count(*) FROM sellometer.brand_hour;
CALL sellometer_prune();
SELECT count(*) FROM sellometer.brand_hour;
SELECT * FROM pg_temp.wrong();
SET client_min_messages = warning;
DROP EXTENSION sellometer;
