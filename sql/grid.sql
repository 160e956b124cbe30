-- Buckets of time in time zones, held against what PostgreSQL makes of local time
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS sellometer CASCADE;
CREATE EXTENSION sellometer;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';

-- a bucket begins when the clock shows its first midnight, the last time if it does so twice; where it never does, when it was put past it
CREATE FUNCTION pg_temp.expected(unit text, width interval, t timestamptz, zone text) RETURNS timestamptz LANGUAGE sql AS $$
	SELECT max(x.start) FROM generate_series(-1, 1) i,
		LATERAL (SELECT (date_trunc(unit, t AT TIME ZONE zone) + i * width) AT TIME ZONE zone AS start) x
	WHERE x.start <= t
$$;
CREATE TEMP TABLE units AS SELECT * FROM (VALUES ('day', interval '1 day'), ('week', '7 days'), ('month', '1 month'), ('quarter', '3 months'), ('year', '1 year')) v (unit, width);
CREATE TEMP TABLE zones AS SELECT unnest('{Europe/Berlin,America/New_York,Asia/Kolkata,Australia/Lord_Howe,America/St_Johns,Asia/Kathmandu,Pacific/Apia,
	Africa/Casablanca,America/Havana,America/Sao_Paulo,Asia/Beirut,Africa/Cairo,Pacific/Kiritimati,America/Caracas,UTC}'::text[]) AS zone;

-- some zones, long; where clocks change, minute by minute; all zones
SELECT count(*) FROM zones, units, generate_series(timestamptz '1990-01-08', '2037-12-01', '11 days 5 hours 13 minutes') t
WHERE sellometer.bucket_start(width, t, zone) IS DISTINCT FROM pg_temp.expected(unit, width, t, zone);
SELECT count(*) FROM zones, units, (VALUES (timestamptz '2019-03-30 20:00'), ('2019-10-26 18:00'), ('2019-03-09 20:00'), ('2019-11-02 20:00'), ('2011-11-06 00:00'),
		('2011-12-30 00:00'), ('2018-11-03 20:00'), ('2019-05-04 20:00'), ('2019-04-06 10:00')) v (d),
	generate_series(d, d + interval '1 day', '7 minutes 30 seconds') t
WHERE sellometer.bucket_start(width, t, zone) IS DISTINCT FROM pg_temp.expected(unit, width, t, zone);
SELECT count(*) FROM pg_timezone_names z, units, generate_series(timestamptz '1990-01-08', '2037-12-01', '1111 days 5 hours 7 minutes') t
WHERE z.name !~ '^(right|posix)/|^(Factory|localtime|posixrules)$' AND z.name NOT IN (SELECT abbrev FROM pg_timezone_abbrevs) AND sellometer.bucket_start(width, t, name) IS DISTINCT FROM pg_temp.expected(unit, width, t, name);

-- one begins where another ends, and each holds its start
SELECT count(*) FROM zones, units, generate_series(timestamptz '1990-01-08', '2037-12-01', '11 days 5 hours 13 minutes') t,
	LATERAL (SELECT sellometer.bucket_start(width, t, zone) AS start, sellometer.bucket_next(width, t, zone) AS next) b
WHERE NOT (start <= t AND t < next AND sellometer.bucket_start(width, start, zone) = start AND sellometer.bucket_start(width, next, zone) = next
	AND sellometer.bucket_start(width, next - interval '1 us', zone) = start AND sellometer.bucket_end(width, start, zone) = start
	AND sellometer.bucket_end(width, start + interval '1 us', zone) = next);

-- days of 23, 24 and 25 hours; one that there was not, and one in which a minute came twice
SELECT d, sellometer.bucket_next('1 day', d, 'Europe/Berlin') - d AS length
FROM (VALUES (timestamptz '2019-03-30 23:00'), ('2019-07-01 22:00'), ('2019-10-26 22:00')) v (d);
SELECT d, sellometer.bucket_start('1 day', d, 'Pacific/Apia') AS start, sellometer.bucket_next('1 day', d, 'Pacific/Apia') AS next
FROM (VALUES (timestamptz '2011-12-30 09:59:59'), ('2011-12-30 10:00')) v (d);
SELECT d, d AT TIME ZONE 'America/St_Johns' AS clock, sellometer.bucket_start('1 day', d, 'America/St_Johns') AS start, sellometer.bucket_next('1 day', d, 'America/St_Johns') AS next
FROM (VALUES (timestamptz '2010-11-07 02:30:30'), ('2010-11-07 02:31'), ('2010-11-07 03:30')) v (d);
-- before 1990 clocks are as they were when it began
SELECT sellometer.bucket_start('1 day', '1970-06-01', 'Africa/Monrovia'), sellometer.bucket_start('1 day', '1800-06-01', 'Europe/Berlin'), sellometer.bucket_start('1 day', '1970-06-01', 'Asia/Singapore');

-- of which finer buckets do days consist
SELECT zone, sellometer.is_multiple('1 day', '1 hour', zone) AS hours, sellometer.is_multiple('1 day', '30 minutes', zone) AS half_hours,
	sellometer.is_multiple('1 day', '15 minutes', zone) AS quarters, sellometer.is_multiple('1 day', '1 minute', zone) AS minutes,
	sellometer.is_multiple('7 days', '1 day', zone, zone) AS days, sellometer.is_multiple('7 days', '1 day', zone, 'Europe/Paris') AS of_others,
	sellometer.is_multiple('1 month', '7 days', zone, zone) AS weeks, sellometer.is_multiple('2 hours', '1 hour', zone) AS shorter
FROM zones ORDER BY 1;
-- ends of time, NULL, no zone, no length
SELECT sellometer.bucket_start('1 day', 'infinity', 'Europe/Berlin'), sellometer.bucket_end('1 day', '-infinity', 'Europe/Berlin'), sellometer.bucket_next('1 day', '290000-01-01', 'Europe/Berlin'),
	sellometer.bucket_start(NULL, now()), sellometer.bucket_start('1 day', NULL);
SELECT sellometer.bucket_start('1 day', now(), 'Europe/Nowhere');
SELECT sellometer.bucket_start('0', now(), 'Europe/Berlin');
SELECT sellometer.bucket_start('1 day', '2019-10-27', 'europe/berlin'), sellometer.bucket_start('6 hours', '2019-10-27', 'Europe/Berlin'), sellometer.bucket_start('1 day', '2019-10-27', 'utc');

-- which tiers there can be
SELECT sellometer_add_tier('day', '1 day');
SET sellometer.timezone = 'Europe/Berlin';
SELECT sellometer_add_tier('week', '7 days');
SELECT sellometer_drop_tier('day');
SELECT sellometer_add_tier('day', '1 day');
SELECT sellometer_add_tier('six', '6 hours', '2 months');
SELECT sellometer_add_tier('week', '1 week');
SELECT sellometer_add_tier('month', '1 month');
RESET sellometer.timezone;
SELECT sellometer_add_tier('year', '1 year');
SET sellometer.timezone = 'europe/berlin';
SELECT sellometer_add_tier('year', '1 year');
SELECT name, granularity, partition_width, zone, finer FROM sellometer.tiers ORDER BY position;
SELECT pg_get_viewdef('sellometer.own_realtime_brand_day'::regclass);
RESET sellometer.timezone;
SELECT sellometer.day_zone();
DROP EXTENSION sellometer;
-- of hours days don't consist there, of minutes they do; where there are half hours, of these
CREATE EXTENSION sellometer;
SET sellometer.timezone = 'Asia/Kolkata';
SELECT sellometer_add_tier('day', '1 day');
SELECT sellometer_add_tier('half', '30 minutes', '7 days');
SELECT sellometer_add_tier('month', '1 month');
SELECT name, zone, finer FROM sellometer.tiers ORDER BY position;
RESET sellometer.timezone;
