-- Alerts: opened, updated, worsened, closed, muted; one detector that fails stops no other
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS sellometer CASCADE;
CREATE EXTENSION sellometer;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
-- what is found here is only what this test finds, and is over when it is no longer found
SET sellometer.alert_hold = 0;
DELETE FROM sellometer.detectors;

CREATE TABLE alerts_found (LIKE sellometer.alerts);
ALTER TABLE alerts_found DROP id, DROP opened_at, DROP updated_at, DROP closed_at, DROP link, DROP began, DROP well_since, DROP told, ALTER dimension SET DEFAULT 'brand',
	ALTER event_time SET DEFAULT '2019-10-01 10:00+00', ALTER detail SET DEFAULT 'odd';
CREATE FUNCTION sellometer.detect_odd(head timestamptz) RETURNS SETOF sellometer.finding LANGUAGE sql STABLE AS $$
	SELECT severity, dimension, key, event_time, observed, expected, score, detail FROM public.alerts_found WHERE kind = 'odd'
$$;
CREATE FUNCTION sellometer.detect_even(head timestamptz) RETURNS SETOF sellometer.finding LANGUAGE sql STABLE AS $$
	SELECT severity, dimension, key, head, 1 / observed, expected, score, detail FROM public.alerts_found WHERE kind = 'even'
$$;
INSERT INTO sellometer.detectors VALUES ('odd'), ('even');
CREATE VIEW alerts_seen AS
SELECT id, kind, severity, key, event_time, observed, score, detail, updated_at > opened_at AS updated, closed_at IS NOT NULL AS closed
FROM sellometer.alerts ORDER BY id;
CREATE VIEW alerts_runs AS
SELECT outcome, detail FROM sellometer.runs WHERE procedure = 'detect' ORDER BY id;

-- words: times in the zone of the shop, prices, links
SET sellometer.timezone = 'Europe/Berlin';
SELECT sellometer.shop_time('2019-10-27 00:30+00') AS summer, sellometer.shop_time('2019-10-27 01:30+00') AS winter,
	sellometer.shop_time('2019-10-26 23:30+00', '2019-10-27 10:00+00') AS same_day, sellometer.shop_time('2019-10-26 21:30+00', '2019-10-27 10:00+00') AS day_before;
SHOW timezone;
RESET sellometer.timezone;
SELECT sellometer.shop_time('2019-10-27 00:30+00') AS of_the_session;
SELECT sellometer.price_in_words(1234.5), sellometer.price_in_words(0), sellometer.price_in_words(0, 'costs '), sellometer.price_in_words(3, 'costs ');
SELECT c, sellometer.change_in_words(ln(c)) FROM unnest(ARRAY[0.001, 0.1, 0.4, 0.9, 1.2, 2, 3.3, 10, 90, 1000]) c;
SELECT sellometer.alert_link('odd', 'brand', 'x') AS none;
SET sellometer.alert_link = 'https://shop.example/%kind/%dimension?q=%key#%key';
SELECT sellometer.alert_link('odd', 'brand', E'a b/c\\"<%kind>\u00e4.1');
RESET sellometer.alert_link;

-- without data nothing is judged
INSERT INTO alerts_found VALUES ('odd', 'warning', DEFAULT, 'a', DEFAULT, 1, 2, 3);
CALL sellometer_detect();
SELECT count(*) FROM sellometer.alerts;

-- opened; of two findings about a key the worse counts
UPDATE sellometer.state SET head = '2019-10-01 10:03+00';
INSERT INTO alerts_found VALUES ('odd', 'critical', DEFAULT, 'a', DEFAULT, 5, 2, 2), ('odd', 'warning', DEFAULT, 'b', DEFAULT, 1, 2, 3),
	('even', 'info', DEFAULT, 'a', DEFAULT, 2, 2, 1);
CALL sellometer_detect();
SELECT * FROM alerts_seen;

-- nothing new: no run is noted
CALL sellometer_detect();
SELECT * FROM alerts_runs;

-- updated, worsened; gone, and back again
UPDATE alerts_found SET observed = 7, detail = 'odder' WHERE key = 'b';
CALL sellometer_detect();
UPDATE alerts_found SET severity = 'critical' WHERE key = 'b';
DELETE FROM alerts_found WHERE key = 'a' AND kind = 'odd';
CALL sellometer_detect();
INSERT INTO alerts_found VALUES ('odd', 'warning', DEFAULT, 'a', DEFAULT, 1, 2, 3);
CALL sellometer_detect();
SELECT * FROM alerts_seen;
SELECT * FROM alerts_runs;

-- one that fails leaves its alerts as they are, and stops no other
UPDATE alerts_found SET observed = 0 WHERE kind = 'even';
DELETE FROM alerts_found WHERE key = 'b';
CALL sellometer_detect();
SELECT * FROM alerts_seen WHERE NOT closed;
UPDATE alerts_found SET observed = 2 WHERE kind = 'even';
DROP FUNCTION sellometer.detect_odd(timestamptz);
CALL sellometer_detect();
UPDATE alerts_found SET observed = 0 WHERE kind = 'even';
CALL sellometer_detect();
UPDATE alerts_found SET observed = 2 WHERE kind = 'even';
CREATE FUNCTION sellometer.detect_odd(head timestamptz) RETURNS SETOF sellometer.finding LANGUAGE sql STABLE AS $$
	SELECT severity, dimension, key, event_time, observed, expected, score, detail FROM public.alerts_found WHERE kind = 'odd'
$$;
SELECT * FROM alerts_runs OFFSET 3;

-- muted: a key, a kind; until it is over
INSERT INTO alerts_found VALUES ('odd', 'warning', DEFAULT, 'c', DEFAULT, 1, 2, 3);
CALL sellometer_detect();
SELECT sellometer_mute('odd', 'a', now() + interval '1 hour');
SELECT key FROM alerts_seen WHERE kind = 'odd' AND NOT closed;
CALL sellometer_detect();
SELECT key FROM alerts_seen WHERE kind = 'odd' AND NOT closed;
SELECT sellometer_mute('odd');
SELECT kind, key, until FROM sellometer.mutes WHERE key IS NULL;
CALL sellometer_detect();
SELECT key FROM alerts_seen WHERE kind = 'odd' AND NOT closed;
SELECT sellometer_mute('odd', until => now());
SELECT sellometer_mute('odd', 'a', NULL);
SELECT count(*) FROM sellometer.mutes;
CALL sellometer_detect();
SELECT key FROM alerts_seen WHERE kind = 'odd' AND NOT closed;
SELECT sellometer_mute('prices');
SELECT sellometer_mute(NULL);
-- a mute that is over is forgotten
SELECT sellometer_mute('odd', 'x');
UPDATE sellometer.mutes SET until = now();
CALL sellometer_detect();
SELECT count(*) FROM sellometer.mutes;

-- a brand that is called like a category has an alert of its own, which is held, closed and muted for itself
DELETE FROM alerts_found;
INSERT INTO alerts_found (kind, severity, dimension, key, observed) VALUES ('odd', 'warning', 'brand', 'alike', 1), ('odd', 'critical', 'category_l1', 'alike', 2);
CALL sellometer_detect();
SELECT dimension, severity, observed FROM sellometer.alerts WHERE key = 'alike' AND closed_at IS NULL ORDER BY 1;
UPDATE alerts_found SET severity = 'critical', observed = 3 WHERE dimension = 'brand';
CALL sellometer_detect();
SELECT dimension, severity, observed FROM sellometer.alerts WHERE key = 'alike' AND closed_at IS NULL ORDER BY 1;
SELECT sellometer_mute('odd', 'alike', dimension => 'brand');
CALL sellometer_detect();
SELECT dimension, closed_at IS NOT NULL AS closed FROM sellometer.alerts WHERE key = 'alike' ORDER BY id;
SELECT sellometer_mute('odd', 'alike');
SELECT sellometer_mute('odd', 'alike', now());
CALL sellometer_detect();
SELECT dimension, closed_at IS NOT NULL AS closed FROM sellometer.alerts WHERE key = 'alike' ORDER BY id;
SELECT sellometer_mute('odd', 'alike', NULL, 'brand');
CALL sellometer_detect();
DELETE FROM alerts_found WHERE dimension = 'category_l1';
CALL sellometer_detect();
SELECT dimension, closed_at IS NOT NULL AS closed FROM sellometer.alerts WHERE key = 'alike' ORDER BY id;
INSERT INTO alerts_found (kind, severity, key, observed) VALUES ('even', 'info', 'a', 2);

-- of a detector that is disabled nothing stays open
UPDATE sellometer.detectors SET enabled = false WHERE kind = 'odd';
CALL sellometer_detect();
SELECT kind, key FROM alerts_seen WHERE NOT closed;

-- the longest keys and details are told too, or the call would fail
INSERT INTO alerts_found (kind, severity, key, observed, detail) VALUES ('even', 'info', repeat(E'\x01', 1000), 2, repeat(E'\x01', 5000));
CALL sellometer_detect();
SELECT count(*), max(length(key)), max(length(detail)) FROM alerts_seen WHERE NOT closed;

-- one open alert for each kind, dimension and key
\set VERBOSITY terse
INSERT INTO sellometer.alerts (kind, severity, dimension, key, event_time, detail) VALUES ('even', 'info', 'brand', 'a', now(), '');
INSERT INTO sellometer.alerts (kind, severity, dimension, key, event_time, detail) VALUES ('even', 'bad', 'brand', 'z', now(), '');

\set VERBOSITY default

-- not inside of a transaction
BEGIN;
CALL sellometer_detect();
ROLLBACK;

-- who may what
CREATE ROLE alerts_reader;
SELECT sellometer_grant_reader('alerts_reader');
SET ROLE alerts_reader;
SELECT count(*) > 0 AS alerts FROM sellometer.alerts;
SELECT count(*) AS mutes FROM sellometer.mutes;
SELECT sellometer_mute('odd');
CALL sellometer_detect();
UPDATE sellometer.alerts SET closed_at = now();
RESET ROLE;
SET client_min_messages = warning;
DROP EXTENSION sellometer CASCADE;
DROP OWNED BY alerts_reader;
DROP ROLE alerts_reader;
DROP TABLE alerts_found CASCADE;
