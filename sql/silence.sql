-- Sources from which nothing comes any more, or not from all servers: judged by the clock and their own rhythm
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS sellometer CASCADE;
CREATE EXTENSION sellometer;
RESET client_min_messages;
SET timezone = 'UTC';
\set SHOW_CONTEXT never
SET sellometer.alert_hold = 0;
UPDATE sellometer.detectors SET enabled = kind = 'silent_source';
UPDATE sellometer.state SET head = now() - interval '1 day';

SELECT key, sellometer.key_stream(key) FROM (VALUES ('2019-10-01-00-07-3.csv'), ('2019-10-01-00-07-00-3.csv'), ('2019-10-01-00-07-00-3.csv.gz'), ('2019-10-01-00-07.csv'),
	('2019-10-01T00:07:00_web-2.csv'), ('web1/2019/10/01/00/07.csv'), ('eu/2019-10-01/web1-20191001T000700.csv'), ('part-8d0c9f7e-1c2b-4a5d-9e8f-001122334455.csv'), ('1569888420.csv')) k (key);

-- a source as it was at a time ago: so long, of servers from to, each with a file a minute; events of a minute before
CREATE FUNCTION pg_temp.files(source text, from_ago interval, to_ago interval, first integer, last integer, apart interval DEFAULT '1 minute', old interval DEFAULT '1 minute')
RETURNS void LANGUAGE sql AS $$
	INSERT INTO sellometer.objects (source, key, etag, size, last_modified, state, object_time, rows_total, rows_counted, first_event, last_event, discovered_at, ingested_at)
	SELECT source, to_char(t, 'YYYY-MM-DD-HH24-MI-SS-') || s || '.csv', 'e', 1, t, 'done', t - old, 1, 1, t - old, t - old, t, t
	FROM generate_series(clock_timestamp() - from_ago, clock_timestamp() - to_ago, apart) t, generate_series(first, last) s
$$;
CREATE VIEW pg_temp.found AS
SELECT severity, key, observed, expected, regexp_replace(detail, '([0-9]{4}-[0-9]{2}-[0-9]{2} )?[0-9]{2}:[0-9]{2} UTC', 'TIME') AS detail FROM sellometer.alerts WHERE closed_at IS NULL ORDER BY key;
INSERT INTO sellometer.sources (name, url, listed_at) SELECT n, 'file:///tmp/' || n || '/', now()
FROM unnest(ARRAY['both', 'dead', 'half', 'hourly', 'third', 'replay', 'few', 'failing', 'night', 'brief']) n;
INSERT INTO sellometer.sources (name, url, listed_at) VALUES ('unlisted', 'file:///tmp/unlisted/', now() - interval '1 hour');
-- well; nothing for half an hour; one of two for half an hour; one a hour, the last 90 minutes ago; one of three; files of the past
SELECT pg_temp.files('both', '3 hours', '1 minute', 1, 2), pg_temp.files('dead', '3 hours', '30 minutes', 1, 2),
	pg_temp.files('half', '3 hours', '30 minutes', 1, 1), pg_temp.files('half', '3 hours', '1 minute', 2, 2),
	pg_temp.files('hourly', '20 hours', '90 minutes', 1, 1, '1 hour'),
	pg_temp.files('third', '3 hours', '20 minutes', 1, 1), pg_temp.files('third', '3 hours', '1 minute', 2, 3),
	pg_temp.files('replay', '3 hours', '30 minutes', 1, 1, old => '10 days'), pg_temp.files('few', '35 minutes', '30 minutes', 1, 1),
	pg_temp.files('failing', '3 hours', '30 minutes', 1, 1), pg_temp.files('unlisted', '3 hours', '30 minutes', 1, 1),
	-- one of two that wrote ten files and no more: nobody knows how it writes
	pg_temp.files('brief', '3 hours', '1 minute', 1, 1), pg_temp.files('brief', '3 hours', '171 minutes', 2, 2),
	-- from midnight to six nothing comes, by its clock: now it is night, as yesterday
	pg_temp.files('night', '30 hours', '24 hours 20 minutes', 1, 1), pg_temp.files('night', '19 hours', '30 minutes', 1, 1);
INSERT INTO sellometer.objects (source, key, etag, size, last_modified, state, error) SELECT 'failing', 'x' || i, 'e', 1, now(), 'failed', 'bad' FROM generate_series(1, 3) i;
CALL sellometer_detect();
TABLE pg_temp.found;
SELECT key, judged, regexp_replace(detail, '[0-9.]+ minutes', 'some minutes') AS detail FROM sellometer.baselines WHERE kind = 'silent_source' ORDER BY key;

-- files come again: closed; what is not being listed is not judged, nor called well
SELECT pg_temp.files('dead', '1 minute', '10 seconds', 1, 2), pg_temp.files('half', '1 minute', '10 seconds', 1, 1);
UPDATE sellometer.sources SET listed_at = now() - interval '1 hour' WHERE name = 'third';
CALL sellometer_detect();
TABLE pg_temp.found;
UPDATE sellometer.sources SET enabled = false WHERE name = 'third';
CALL sellometer_detect();
TABLE pg_temp.found;
-- the shop is closed
DELETE FROM sellometer.objects WHERE source = 'half' AND last_modified > now() - interval '20 minutes';
INSERT INTO sellometer.calendar VALUES (now() - interval '1 hour', now() + interval '1 hour', NULL, 'holiday');
CALL sellometer_detect();
TABLE pg_temp.found;
DELETE FROM sellometer.calendar;
CALL sellometer_detect();
TABLE pg_temp.found;

SET client_min_messages = warning;
DROP EXTENSION sellometer CASCADE;
