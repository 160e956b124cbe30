-- Wrong prices that are many, that last, of what is free, has several prices, or is hardly sold
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS sellometer CASCADE;
CREATE EXTENSION sellometer;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
UPDATE sellometer.detectors SET enabled = kind = 'price_anomaly';

-- what is noted of events without a session: so many at a price, from a time on, a minute apart
CREATE FUNCTION pg_temp.offer(type sellometer.event_type, first bigint, last bigint, n integer, price numeric, t timestamptz, category text DEFAULT 'a.b.c')
RETURNS void LANGUAGE sql AS $$
	INSERT INTO sellometer.offer_log (day, product_id, event_type, count, first_seen, last_seen, price, category)
	SELECT (m AT TIME ZONE 'UTC')::date, p, type, 1, m, m, price, category
	FROM generate_series(first, last) p, generate_series(0, n - 1) i, LATERAL (SELECT t + i * interval '1 minute' AS m) x
$$;
CREATE PROCEDURE pg_temp.look(t timestamptz) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE sellometer.state SET head = t;
	CALL sellometer_detect();
END
$$;
CREATE VIEW pg_temp.open AS
SELECT severity, dimension, key, observed, expected, score, detail FROM sellometer.alerts WHERE closed_at IS NULL ORDER BY dimension, length(key), key;
CREATE VIEW pg_temp.all_alerts AS
SELECT severity, dimension, key, began, closed_at IS NOT NULL AS closed FROM sellometer.alerts ORDER BY id;

-- products of three categories, with 30 sales at 100 each
SELECT pg_temp.offer('purchase', 1, 40, 30, 100, '2019-10-01 08:00', 'a.b.c'), pg_temp.offer('purchase', 41, 80, 30, 100, '2019-10-01 08:00', 'a.b.d'),
	pg_temp.offer('purchase', 81, 120, 30, 100, '2019-10-01 08:00', 'e.f.g');
-- another currency: all of them, but for some that were seen just before; one alert, and the one that was wrong before is in it
SELECT pg_temp.offer('view', 1, 120, 1, 100, '2019-10-01 09:58', 'x'), pg_temp.offer('view', 7, 7, 1, 10, '2019-10-01 09:59', 'a.b.c');
CALL pg_temp.look('2019-10-01 10:00');
TABLE pg_temp.open;
SELECT pg_temp.offer('view', 1, 40, 1, 9000, '2019-10-01 10:00', 'a.b.c'), pg_temp.offer('view', 41, 80, 1, 9000, '2019-10-01 10:00', 'a.b.d'),
	pg_temp.offer('view', 81, 105, 1, 9000, '2019-10-01 10:00', 'e.f.g');
CALL pg_temp.look('2019-10-01 10:01');
TABLE pg_temp.open;
-- half of it is mended: it goes on; nothing else is told; all of it: it is over, after its time
SELECT pg_temp.offer('view', 1, 80, 1, 100, '2019-10-01 10:05', 'a.b.c');
CALL pg_temp.look('2019-10-01 10:08');
SELECT dimension, key, detail FROM pg_temp.open;
SELECT pg_temp.offer('view', 1, 120, 1, 100, '2019-10-01 10:09', 'a.b.c');
CALL pg_temp.look('2019-10-01 10:12');
SELECT dimension, key FROM pg_temp.open;
CALL pg_temp.look('2019-10-01 10:23');
TABLE pg_temp.all_alerts;

-- a category at -60 %: one warning, that doesn't come and go while its products are seen now and then
SELECT pg_temp.offer('view', 1, 40, 1, 40, '2019-10-01 12:00', 'a.b.c'), pg_temp.offer('view', 41, 120, 1, 100, '2019-10-01 12:00', 'a.b.d');
CALL pg_temp.look('2019-10-01 12:02');
TABLE pg_temp.open;
SELECT count(pg_temp.offer('view', i, i + 1, 1, 40, '2019-10-01 12:20'::timestamptz + i * interval '3 minutes', 'a.b.c')) FROM generate_series(1, 40, 2) i;
DO $$ BEGIN FOR i IN 1 .. 40 LOOP UPDATE sellometer.state SET head = '2019-10-01 12:20'::timestamptz + i * interval '3 minutes' + interval '1 minute';
	PERFORM sellometer.fold_offers(); PERFORM sellometer.run_detector('price_anomaly', head) FROM sellometer.state; END LOOP; END $$;
SELECT severity, dimension, key, closed FROM pg_temp.all_alerts OFFSET 2;

-- a price that lasts: told once, for a day; then it is the price, though hardly any of its sales were made at it; so are further ones
SELECT pg_temp.offer('purchase', 200, 200, 200, 100, '2019-10-01 08:00', 'h.i.j'), pg_temp.offer('purchase', 201, 203, 30, 100, '2019-10-01 08:00', 'h.i.j');
SELECT pg_temp.offer('purchase', 200, 200, 3, 300, '2019-10-02 09:00', 'h.i.j'), pg_temp.offer('view', 200, 200, 1, 300, '2019-10-02 08:55', 'h.i.j');
CALL pg_temp.look('2019-10-02 09:03');
SELECT key, observed, expected FROM pg_temp.open WHERE key = '200';
SELECT pg_temp.offer('view', 200, 200, 1, 300, '2019-10-03 08:00', 'h.i.j');
CALL pg_temp.look('2019-10-03 08:01');
SELECT key, observed, expected FROM pg_temp.open WHERE key = '200';
SELECT pg_temp.offer('view', 200, 200, 1, 300, '2019-10-03 09:00', 'h.i.j');
CALL pg_temp.look('2019-10-03 09:01');
CALL pg_temp.look('2019-10-03 09:02');
SELECT pg_temp.offer('view', 200, 200, 1, 310, '2019-10-04 09:00', 'h.i.j'), pg_temp.offer('purchase', 200, 200, 2, 305, '2019-10-03 10:00', 'h.i.j');
CALL pg_temp.look('2019-10-04 09:01');
SELECT key, began, closed FROM pg_temp.all_alerts WHERE key = '200';
-- without what was told it is known by its last sales, too; another one is odd
DELETE FROM sellometer.alerts;
SELECT pg_temp.offer('view', 200, 200, 1, 310, '2019-10-05 09:00', 'h.i.j');
CALL pg_temp.look('2019-10-05 09:01');
SELECT key, observed, expected FROM pg_temp.open WHERE key = '200';
SELECT pg_temp.offer('view', 200, 200, 1, 31, '2019-10-05 09:04', 'h.i.j');
CALL pg_temp.look('2019-10-05 09:05');
SELECT key, observed, expected FROM pg_temp.open WHERE key = '200';

-- the same wrong price again, days after it was mended: told again
SELECT pg_temp.offer('view', 200, 200, 1, 310, '2019-10-05 09:06', 'h.i.j');
CALL pg_temp.look('2019-10-05 09:20');
CALL pg_temp.look('2019-10-05 09:31');
SELECT pg_temp.offer('view', 200, 200, 1, 31, '2019-10-07 09:06', 'h.i.j');
CALL pg_temp.look('2019-10-07 09:07');
SELECT key, began, closed FROM pg_temp.all_alerts WHERE key = '200';

-- always free, and now at 5; free in one of ten bundles; variants at 20 and 60; a variant's price moves a little; one price and then free
SELECT pg_temp.offer('purchase', 301, 301, 30, 0, '2019-10-07 08:00', 'k.l.m'), pg_temp.offer('purchase', 302, 302, 27, 50, '2019-10-07 08:00', 'k.l.m'),
	pg_temp.offer('purchase', 302, 302, 3, 0, '2019-10-07 08:00', 'k.l.m'), pg_temp.offer('purchase', 303, 304, 20, 60, '2019-10-07 08:00', 'k.l.m'),
	pg_temp.offer('purchase', 303, 304, 5, 20, '2019-10-07 08:00', 'k.l.m'), pg_temp.offer('purchase', 305, 305, 30, 50, '2019-10-07 08:00', 'k.l.m');
SELECT pg_temp.offer('view', 301, 301, 1, 5, '2019-10-07 10:00', 'k.l.m'), pg_temp.offer('view', 302, 302, 1, 0, '2019-10-07 10:00', 'k.l.m'),
	pg_temp.offer('view', 303, 303, 1, 20, '2019-10-07 10:00', 'k.l.m'), pg_temp.offer('view', 304, 304, 1, 21.5, '2019-10-07 10:00', 'k.l.m'),
	pg_temp.offer('view', 305, 305, 1, 0, '2019-10-07 10:00', 'k.l.m'), pg_temp.offer('view', 303, 303, 1, 6, '2019-10-07 10:01', 'k.l.m');
CALL pg_temp.look('2019-10-07 10:02');
SELECT severity, key, observed, expected, detail FROM pg_temp.open WHERE key LIKE '30_';

-- few sales: ten times, or a tenth; twice as much is no news, though it is with many; fewer than 5 are not judged
SELECT pg_temp.offer('purchase', 401, 403, 5, 80, '2019-10-07 08:00', 'n.o.p'), pg_temp.offer('purchase', 404, 404, 4, 80, '2019-10-07 08:00', 'n.o.p'),
	pg_temp.offer('purchase', 405, 405, 25, 80, '2019-10-07 08:00', 'n.o.p');
SELECT pg_temp.offer('view', 401, 401, 1, 800, '2019-10-07 11:00', 'n.o.p'), pg_temp.offer('view', 402, 402, 1, 8, '2019-10-07 11:00', 'n.o.p'),
	pg_temp.offer('view', 403, 403, 1, 165, '2019-10-07 11:00', 'n.o.p'), pg_temp.offer('view', 404, 404, 1, 8, '2019-10-07 11:00', 'n.o.p'),
	pg_temp.offer('view', 405, 405, 1, 165, '2019-10-07 11:00', 'n.o.p');
CALL pg_temp.look('2019-10-07 11:01');
SELECT severity, key, observed, expected, score FROM pg_temp.open WHERE key LIKE '40_';
-- where prices of a category are spread widely, so is the band
SELECT count(pg_temp.offer('purchase', 501, 509, 1, 100 * i, '2019-10-07 07:00'::timestamptz + i * interval '1 minute', 'q.r.s')) FROM generate_series(1, 25) i;
SELECT pg_temp.offer('purchase', 510, 510, 5, 100, '2019-10-07 08:00', 'q.r.s'), pg_temp.offer('view', 510, 510, 1, 1000, '2019-10-07 11:10', 'q.r.s');
CALL pg_temp.look('2019-10-07 11:11');
SELECT severity, key FROM pg_temp.open WHERE key = '510';
-- three of a category of many: one by one
SELECT pg_temp.offer('view', 1, 3, 1, 10, '2019-10-07 12:00', 'a.b.c'), pg_temp.offer('view', 4, 40, 1, 100, '2019-10-07 12:00', 'a.b.c');
CALL pg_temp.look('2019-10-07 12:01');
SELECT severity, dimension, key FROM pg_temp.open WHERE length(key) < 3 OR dimension <> 'product_id';

SET client_min_messages = warning;
DROP EXTENSION sellometer CASCADE;
