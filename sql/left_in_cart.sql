-- Reminders of what was left in carts: each once, and one alert for all
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
SELECT severity, dimension, key, event_time, observed, detail FROM sellometer.alerts WHERE kind = 'left_in_cart';
-- sessions that were left first, with all that they have left
SELECT * FROM sellometer_remind(2);
SELECT * FROM sellometer_remind(2);
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
CALL sellometer_detect();
SELECT observed, detail FROM sellometer.alerts WHERE kind = 'left_in_cart';
-- all is bought: closed, by a late purchase just as well
UPDATE sellometer.carts SET purchased_at = cart_at;
CALL sellometer_detect();
SELECT key, closed_at IS NOT NULL AS closed FROM sellometer.alerts WHERE kind = 'left_in_cart';
SELECT count(*) FROM sellometer.reminders;

-- a program that sends mails needs no more than this
CREATE ROLE regress_sellometer_mailer;
SET ROLE regress_sellometer_mailer;
SELECT * FROM sellometer_remind();
RESET ROLE;
GRANT EXECUTE ON FUNCTION sellometer_remind TO regress_sellometer_mailer;
SET ROLE regress_sellometer_mailer;
SELECT * FROM sellometer_remind();
SELECT * FROM sellometer.carts;
RESET ROLE;

DROP EXTENSION sellometer;
DROP ROLE regress_sellometer_mailer;
