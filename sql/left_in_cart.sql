-- Reminders of what was left in carts: each once, one a person, and one alert for all; marks before and after sending
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS sellometer CASCADE;
CREATE EXTENSION sellometer;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never

INSERT INTO sellometer.carts (user_session, product_id, user_id, price, cart_at, removed_at, purchased_at)
SELECT 's' || i % 10, i, i % 10, i + 0.5, timestamptz '2019-10-01 10:00' + i * interval '1 minute', NULL, NULL
FROM generate_series(1, 20) i;
UPDATE sellometer.state SET head = '2019-10-01 11:12';
CALL sellometer_detect();
SELECT severity, dimension, key, event_time, observed, detail, hint FROM sellometer.alerts WHERE kind = 'left_in_cart';
SELECT set_config('sellometer.quiet_hours', to_char(now(), 'HH24:MI-') || to_char(now() + interval '3 hours', 'HH24:MI'), false) IS NULL AS quiet;
CALL sellometer_detect();
SELECT regexp_replace(hint, '[0-9-]{10} [0-9:]{5}', 'TIME') AS hint FROM sellometer.alerts WHERE kind = 'left_in_cart';
RESET sellometer.quiet_hours;
-- who has left something first, with all of it
SELECT * FROM sellometer_remind(2);
SELECT * FROM sellometer_remind(2);
SELECT id, user_id, user_session, state, attempts FROM sellometer.reminders ORDER BY id;
CALL sellometer_detect();
SELECT severity, key, event_time, observed, detail, closed_at FROM sellometer.alerts WHERE kind = 'left_in_cart';
-- given back if it is not committed
BEGIN;
SELECT count(*) FROM sellometer_remind();
ROLLBACK;
-- bought meanwhile; put in again; left for too long
UPDATE sellometer.carts SET purchased_at = '2019-10-01 11:00' WHERE product_id = 5;
UPDATE sellometer.carts SET cart_at = '2019-10-01 10:12', price = 0.99 WHERE product_id = 1;
SELECT user_session, product_id, price FROM sellometer_remind(within => '5 minutes');
SELECT user_session, product_id, price FROM sellometer_remind();
SELECT * FROM sellometer_remind();
-- who has just had one gets no other for a while
CALL sellometer_detect();
SELECT observed, detail FROM sellometer.alerts WHERE kind = 'left_in_cart';
SET sellometer.reminder_pause = 0;
SELECT user_session, product_id, price FROM sellometer_remind();
CALL sellometer_detect();
SELECT observed, detail FROM sellometer.alerts WHERE kind = 'left_in_cart';

-- one user in two sessions, which have the same product; bought in a third; a guest; one who wants none
INSERT INTO sellometer.carts (user_session, product_id, user_id, price, cart_at) VALUES
	('u-a', 101, 50, 1, '2019-10-01 10:01'), ('u-b', 101, 50, 2, '2019-10-01 10:02'), ('u-b', 102, 50, 3, '2019-10-01 10:03'),
	('u-b', 103, 50, 4, '2019-10-01 10:03'), ('u-b', 104, 50, 5, '2019-10-01 10:03'), ('g-a', 101, NULL, 6, '2019-10-01 10:00'),
	('o-a', 101, 51, 7, '2019-10-01 10:00'), ('g-a', 103, NULL, 8, '2019-10-01 10:00');
INSERT INTO sellometer.cart_changes SELECT min(cart_at) FROM sellometer.carts WHERE product_id > 100;
INSERT INTO sellometer.user_carts VALUES (50, 103, NULL, '2019-10-01 10:03'), (50, 104, '2019-10-01 10:02:59', NULL);
SELECT sellometer_reminder_opt_out(51);
SELECT state, count(*) FROM sellometer.cart_states WHERE user_id IN (50, 51) GROUP BY state ORDER BY state;
SELECT user_id, user_session, product_id, price, since, reminder_id - min(reminder_id) OVER () AS reminder FROM sellometer_remind(confirm => true);

-- marks: before, after; what is bought in between is not in it
SELECT min(id) AS guest, max(id) AS one FROM sellometer.reminders WHERE state = 'waiting' \gset
SELECT id = :guest AS guest FROM sellometer_reminders_to_send() AS id;
SELECT * FROM sellometer_reminder_still_due(:one);
UPDATE sellometer.carts SET purchased_at = cart_at WHERE product_id = 102;
SELECT * FROM sellometer_reminder_sending(:one);
SELECT due, reason, until > now() + interval '9 minutes' AS later FROM sellometer_reminder_still_due(:one);
SELECT * FROM sellometer_reminder_sending(:one);
SELECT sellometer_reminder_failed(:one, 'the server is busy');
SELECT id = :guest AS guest FROM sellometer_reminders_to_send() AS id;
SELECT state, attempts, error, next_attempt BETWEEN now() + interval '40 seconds' AND now() + interval '80 seconds' AS soon
FROM sellometer.reminders WHERE id = :one;
-- broken off: another attempt ten minutes later
SELECT attempt FROM sellometer_reminder_sending(:one) LIMIT 1;
UPDATE sellometer.reminders SET next_attempt = now() WHERE id = :one;
SELECT id = :one AS one FROM sellometer_reminders_to_send() AS id ORDER BY id DESC;
SELECT attempt, product_id FROM sellometer_reminder_sending(:one);
SELECT sellometer_reminder_sent(:one), sellometer_reminder_sent(:one);
SELECT * FROM sellometer_reminder_still_due(:one);
SELECT * FROM sellometer_reminder_sending(:one);
SELECT sellometer_reminder_failed(:one, 'too late');
-- nothing is left of it any more: then it may be given out again, if it is left again
UPDATE sellometer.carts SET removed_at = cart_at WHERE user_session = 'g-a';
SELECT * FROM sellometer_reminder_still_due(:guest);
SELECT * FROM sellometer_reminder_sending(:guest);
SELECT state, error FROM sellometer.reminders WHERE id = :guest;
SELECT * FROM sellometer_reminder_still_due(:guest);
SELECT * FROM sellometer_reminder_still_due(0);
SELECT sellometer_reminder_opt_out(51, false);
UPDATE sellometer.carts SET removed_at = NULL WHERE user_session = 'g-a';
SELECT user_id, user_session, product_id FROM sellometer_remind(confirm => true);
-- for good; and opted out in between
SELECT max(id) FILTER (WHERE user_id IS NULL) AS guest, max(id) FILTER (WHERE user_id = 51) AS one FROM sellometer.reminders WHERE state = 'waiting' \gset
SELECT count(*) FROM sellometer_reminder_sending(:guest);
SELECT sellometer_reminder_failed(:guest, 'there is no such address', permanent => true);
SELECT sellometer_reminder_opt_out(51);
SELECT count(*) FROM sellometer_reminder_sending(:one);
SELECT r.state, r.error, count(i) AS items FROM sellometer.reminders r LEFT JOIN sellometer.reminder_items i ON i.reminder_id = r.id
WHERE r.id IN (:guest, :one) GROUP BY r.id ORDER BY r.id;

-- quiet hours, in the shop's zone; clocks change
SET sellometer.timezone = 'Europe/Berlin';
SET sellometer.quiet_hours = '22:00-08:00';
SELECT t, sellometer.quiet_until(t) FROM unnest(ARRAY['2026-07-01 19:59Z', '2026-07-01 20:00Z', '2026-07-01 22:30Z', '2026-07-02 05:59:59Z', '2026-07-02 06:00Z',
	'2026-03-28 22:00Z', '2026-03-29 05:59Z', '2026-03-29 06:00Z', '2026-10-24 21:00Z', '2026-10-25 06:59Z', '2026-10-25 07:00Z']::timestamptz[]) t;
SET sellometer.quiet_hours = '12:00-13:30';
SELECT t, sellometer.quiet_until(t) FROM unnest(ARRAY['2026-07-01 09:59Z', '2026-07-01 10:00Z', '2026-07-01 11:29Z', '2026-07-01 11:30Z']::timestamptz[]) t;
SET sellometer.timezone = 'UTC';
SELECT to_char(now() - interval '1 hour', 'HH24:MI') || '-' || to_char(now() + interval '1 hour', 'HH24:MI') AS hours \gset
SET sellometer.quiet_hours = :'hours';
SELECT count(*) FROM sellometer_remind();
UPDATE sellometer.carts SET cart_at = '2019-10-01 10:12' WHERE user_session = 's3';
SELECT count(*) FROM sellometer_remind();
RESET sellometer.quiet_hours;
SELECT max(reminder_id) AS one FROM sellometer_remind(confirm => true) \gset
SET sellometer.quiet_hours = :'hours';
SELECT due, reason, until > now() AS later FROM sellometer_reminder_still_due(:one);
SELECT count(*) FROM sellometer_reminder_sending(:one);
SELECT count(*) FROM sellometer_reminders_to_send();
RESET sellometer.quiet_hours;
SET sellometer.quiet_hours = '8-22';
SET sellometer.quiet_hours = '24:00-08:00';
SET sellometer.quiet_hours = '08:00-08:00';
SET sellometer.timezone = 'Berlin';
RESET sellometer.timezone;
RESET sellometer.reminder_pause;

-- all is bought: closed after sellometer.alert_hold, by a late purchase just as well
UPDATE sellometer.carts SET purchased_at = cart_at;
CALL sellometer_detect();
SELECT well_since IS NOT NULL AS well, closed_at IS NOT NULL AS closed FROM sellometer.alerts WHERE kind = 'left_in_cart';
UPDATE sellometer.state SET head = head + interval '10 minutes';
CALL sellometer_detect();
SELECT key, closed_at IS NOT NULL AS closed FROM sellometer.alerts WHERE kind = 'left_in_cart';

-- a program that sends mails needs no more than this
CREATE ROLE regress_sellometer_mailer;
SET ROLE regress_sellometer_mailer;
SELECT * FROM sellometer_remind();
SELECT sellometer_reminder_sent(1);
RESET ROLE;
SELECT sellometer_grant_mailer('regress_sellometer_mailer');
SET ROLE regress_sellometer_mailer;
SELECT * FROM sellometer_remind();
SELECT * FROM sellometer_reminder_sending(0);
SELECT sellometer_reminder_sent(0);
SELECT count(*) FROM sellometer_similar_products(1);
SELECT * FROM sellometer.carts;
SELECT * FROM sellometer.reminders;
SELECT sellometer_reminder_opt_out(1);
RESET ROLE;

DROP OWNED BY regress_sellometer_mailer;
DROP EXTENSION sellometer;
DROP ROLE regress_sellometer_mailer;
