-- What is usual of volumes, and what is not: by the week, in crawlers and sales, and where there is little history
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS sellometer CASCADE;
CREATE EXTENSION sellometer;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
SET sellometer.timezone = 'Europe/Berlin';
UPDATE sellometer.detectors SET enabled = kind = 'volume_anomaly';
-- times go back and forth here
ALTER TABLE sellometer.tiers DISABLE TRIGGER never_back;

-- 1,000 views an hour and 5 % of them bought, by day and night; on Saturdays a third
CREATE FUNCTION pg_temp.views_of(t timestamptz) RETURNS numeric LANGUAGE sql AS $$
	SELECT 1000 * CASE extract(isodow FROM t AT TIME ZONE 'Europe/Berlin') WHEN 6 THEN 0.34 ELSE 1 END
		* (1 + 0.8 * cos((extract(epoch FROM t) / 86400 - 0.6) * 6.283185))::numeric
$$;
-- history up to a time, from so long before it: hours, and of the last three hours minutes
CREATE PROCEDURE pg_temp.past(until timestamptz, length interval) LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM sellometer.totals;
	DELETE FROM sellometer.alerts;
	INSERT INTO sellometer.totals (tier, event_type, event_time, count, gmv)
	SELECT 'hour', e.event_type, t, round(pg_temp.views_of(t + interval '30 minutes') * e.share * e.minutes), 1
	FROM generate_series(date_trunc('hour', until) - length, date_trunc('hour', until) - interval '1 hour', '1 hour') t,
		(VALUES ('view'::sellometer.event_type, 1, 60), ('cart', 0.08, 60), ('purchase', 0.05, 60)) e (event_type, share, minutes);
	INSERT INTO sellometer.totals (tier, event_type, event_time, count, gmv)
	SELECT 'minute', e.event_type, t, round(pg_temp.views_of(t) * e.share), 1
	FROM generate_series(until - least(length, interval '3 hours'), until - interval '1 minute', '1 minute') t,
		(VALUES ('view'::sellometer.event_type, 1), ('cart', 0.08), ('purchase', 0.05)) e (event_type, share);
	UPDATE sellometer.tiers SET watermark = date_trunc('hour', until) WHERE name = 'hour';
	UPDATE sellometer.state SET head = until + interval '1 minute';
END
$$;
-- the last ten minutes are so many times what they were, by type
CREATE FUNCTION pg_temp.now_are(views numeric, others numeric) RETURNS void LANGUAGE sql AS $$
	UPDATE sellometer.totals SET count = round(count * CASE event_type WHEN 'view' THEN views ELSE others END)
	WHERE tier = 'minute' AND event_time >= (SELECT head - interval '11 minutes' FROM sellometer.state);
$$;
CREATE VIEW pg_temp.found AS
SELECT severity, key, observed, expected, detail FROM sellometer.state, sellometer.detect_volume_anomaly(head) ORDER BY key;

-- a Saturday, at 10 in the morning, after five days that were alike: it is too young to be judged, and says so
CALL pg_temp.past('2019-10-05 08:00+00', '5 days');
TABLE pg_temp.found;
SELECT key, judged, detail FROM sellometer.baselines WHERE kind = 'volume_anomaly';
-- after four weeks it is as usual; and is not, if it is as on a Friday
CALL pg_temp.past('2019-10-26 08:00+00', '29 days');
TABLE pg_temp.found;
SELECT key, judged, detail FROM sellometer.baselines WHERE kind = 'volume_anomaly';
SELECT pg_temp.now_are(6, 6);
TABLE pg_temp.found;
-- half of what there is to be, after two weeks by what was least
CALL pg_temp.past('2019-10-24 08:00+00', '29 days');
SELECT pg_temp.now_are(0.4, 0.4);
TABLE pg_temp.found;
CALL pg_temp.past('2019-10-24 08:00+00', '17 days');
SELECT pg_temp.now_are(0.4, 0.4);
TABLE pg_temp.found;
SELECT detail FROM sellometer.baselines WHERE key = 'view';
CALL pg_temp.past('2019-10-24 08:00+00', '9 days');
SELECT pg_temp.now_are(0.4, 0.4);
TABLE pg_temp.found;
SELECT detail FROM sellometer.baselines WHERE key = 'view';
-- one odd day in the history makes nothing odd: none, or ten times as many, a week ago
CALL pg_temp.past('2019-10-24 08:00+00', '29 days');
UPDATE sellometer.totals SET count = count * 10 WHERE tier = 'hour' AND event_time >= '2019-10-17' AND event_time < '2019-10-18';
TABLE pg_temp.found;
UPDATE sellometer.totals SET count = count / 100 WHERE tier = 'hour' AND event_time >= '2019-10-17' AND event_time < '2019-10-18';
TABLE pg_temp.found;
CALL pg_temp.past('2019-10-24 08:00+00', '17 days');
UPDATE sellometer.totals SET count = count * 10 WHERE tier = 'hour' AND event_time >= '2019-10-17' AND event_time < '2019-10-18';
TABLE pg_temp.found;
-- clocks have changed: usual is what was at the same time by the shop's clocks, an hour earlier by others
CALL pg_temp.past('2019-10-28 06:30+00', '29 days');
SELECT round(low) AS usual, round(pg_temp.views_of('2019-10-21 05:27:30+00')) AS by_the_shops_clocks, round(pg_temp.views_of('2019-10-21 06:27:30+00')) AS by_utc
FROM sellometer.usual_volumes('2019-10-28 06:30+00') WHERE minutes = 5 AND event_type = 'view';

-- the last 60 minutes are one hour, of which nothing is known, though of the next one there is
CALL pg_temp.past('2019-10-24 08:00+00', '9 days');
DELETE FROM sellometer.totals WHERE tier = 'hour' AND event_time < '2019-10-24' AND extract(hour FROM event_time AT TIME ZONE 'UTC') = 7;
SELECT minutes, days, basis FROM sellometer.usual_volumes('2019-10-24 08:00+00') WHERE event_type = 'view' ORDER BY 1;

-- crawlers: eleven times as many views, of which nothing is bought; one alert, about views, or none where nobody knows the week
CALL pg_temp.past('2019-10-24 08:00+00', '29 days');
SELECT pg_temp.now_are(11, 1);
TABLE pg_temp.found;
CALL pg_temp.past('2019-10-02 08:00+00', '30 hours');
SELECT pg_temp.now_are(11, 1);
TABLE pg_temp.found;
CALL pg_temp.past('2019-10-02 08:00+00', '3 hours');
SELECT pg_temp.now_are(11, 1);
TABLE pg_temp.found;
-- a flash sale: one alert
CALL pg_temp.past('2019-10-24 08:00+00', '29 days');
SELECT pg_temp.now_are(4, 16);
TABLE pg_temp.found;
-- more come, and buy: no more than three times as much as these would
CALL pg_temp.past('2019-10-24 08:00+00', '29 days');
SELECT pg_temp.now_are(2.5, 4);
TABLE pg_temp.found;
-- a small shop: a bit less than half of so few may be chance; in half an hour without any it is not
CALL pg_temp.past('2019-10-24 08:00+00', '29 days');
UPDATE sellometer.totals SET count = ceil(count / 8.0);
SELECT pg_temp.now_are(1, 0.45);
TABLE pg_temp.found;
CALL pg_temp.past('2019-10-24 08:00+00', '29 days');
UPDATE sellometer.totals SET count = ceil(count / 40.0);
UPDATE sellometer.totals SET count = 0 WHERE tier = 'minute' AND event_type = 'purchase' AND event_time >= '2019-10-24 07:25+00';
SELECT severity, key, observed FROM pg_temp.found;
CALL pg_temp.past('2019-10-24 08:00+00', '29 days');
SELECT pg_temp.now_are(4, 16);
-- and nothing is bought among all that crawl: it is
SELECT pg_temp.now_are(3, 0);
TABLE pg_temp.found;
-- nothing is bought; with little history; after three hours of it too
CALL pg_temp.past('2019-10-02 08:00+00', '6 hours');
SELECT pg_temp.now_are(1, 0);
TABLE pg_temp.found;
CALL sellometer_detect();
INSERT INTO sellometer.totals (tier, event_type, event_time, count, gmv)
SELECT 'minute', 'view', t, round(pg_temp.views_of(t)), 1 FROM generate_series('2019-10-02 08:00+00', '2019-10-02 12:59+00', interval '1 minute') t
ON CONFLICT DO NOTHING;
UPDATE sellometer.state SET head = '2019-10-02 13:01+00';
SELECT severity, key FROM pg_temp.found;

-- the first morning of a file: three hours, then many
CALL pg_temp.past('2019-10-01 03:00+00', '3 hours');
UPDATE sellometer.totals SET count = 3 WHERE tier = 'minute' AND event_type = 'view';
SELECT pg_temp.now_are(117, 40);
TABLE pg_temp.found;

-- the calendar: a campaign of thrice as much is as usual, and half of it is not; what is not to be judged is not; nor is it history
CALL pg_temp.past('2019-10-24 08:00+00', '29 days');
SELECT pg_temp.now_are(4, 4);
SELECT key FROM pg_temp.found;
INSERT INTO sellometer.calendar VALUES ('2019-10-24 07:00+00', '2019-10-25 07:00+00', 4, 'autumn sale');
TABLE pg_temp.found;
SELECT pg_temp.now_are(0.25, 0.25);
SELECT key, expected FROM pg_temp.found;
INSERT INTO sellometer.calendar VALUES ('2019-10-24 07:30+00', '2019-10-24 09:00+00', NULL, 'load test');
TABLE pg_temp.found;
SELECT key, judged, detail FROM sellometer.baselines WHERE kind = 'volume_anomaly' AND key = 'view';
DELETE FROM sellometer.calendar;
CALL pg_temp.past('2019-10-24 08:00+00', '10 days');
UPDATE sellometer.totals SET count = count * 4 WHERE tier = 'hour' AND event_time >= '2019-10-17' AND event_time < '2019-10-20';
SELECT round(high) AS of_a_campaign FROM sellometer.usual_volumes('2019-10-24 08:00+00') WHERE minutes = 60 AND event_type = 'view';
INSERT INTO sellometer.calendar VALUES ('2019-10-17', '2019-10-20', 4);
SELECT round(high) AS without_it FROM sellometer.usual_volumes('2019-10-24 08:00+00') WHERE minutes = 60 AND event_type = 'view';
UPDATE sellometer.calendar SET factor = NULL;
SELECT round(high) AS nor_is_it_known, days FROM sellometer.usual_volumes('2019-10-24 08:00+00') WHERE minutes = 60 AND event_type = 'view';
INSERT INTO sellometer.calendar VALUES ('2019-10-17', '2019-10-20', 0);
INSERT INTO sellometer.calendar VALUES ('2019-10-17', '2019-10-17', 1);
SET sellometer.timezone = 'Mars/Olympus';

SET client_min_messages = warning;
DROP EXTENSION sellometer CASCADE;
