-- The pieces of sellometer_report(); the page as a whole is tested in a browser
SET client_min_messages = warning;
SET timezone = 'UTC';
SET intervalstyle = 'postgres';
SET datestyle = 'ISO, MDY';
SET lc_numeric = 'C';
BEGIN;
DROP EXTENSION IF EXISTS sellometer CASCADE;
CREATE EXTENSION sellometer;

SELECT sellometer.html($$<a href="x" title='y'>&amp;</a>$$);
SELECT sellometer.html_key('</bdi><script>'), length(sellometer.html_key(repeat('x', 5000)));
SELECT n, sellometer.short_number(n), sellometer.html_number(n)
FROM unnest(ARRAY[NULL, 0, 0.5, 7, 12.345, 999.49, 999.5, 1234, 9999, 9999.6, 10000, 99949, 99950, 999499, 999500, 1234567, 382670274.04, 12345678901,
	5e15, -15000]) WITH ORDINALITY u (n, i) ORDER BY i;
SELECT n, trim_scale(sellometer.axis_end(n)) AS axis_end, sellometer.axis_number(sellometer.axis_end(n))
FROM unnest(ARRAY[NULL, 0, 0.04, 1, 1.01, 7, 99, 101, 441234, 1000000]) WITH ORDINALITY u (n, i) ORDER BY i;
-- money: sign, currency, number
SELECT n, sellometer.short_money(n), sellometer.short_money(n, true) AS round, sellometer.html_money(n)
FROM unnest(ARRAY[NULL, 0, 0.5, 12.345, 500, 999.5, 2570, -2570, -15000, -0.25, 382670274.04]) WITH ORDINALITY u (n, i) ORDER BY i;
SELECT c, set_config('sellometer.currency', c, true) = c AS set, sellometer.html_money(-2570) FROM unnest(ARRAY['EUR', 'gbp', 'CHF', U&'K\010D', '<b>', '']) c;
RESET sellometer.currency;
\set VERBOSITY default
SAVEPOINT currency;
SET LOCAL sellometer.currency = 'seventeen letters';
ROLLBACK TO currency;
SET LOCAL sellometer.currency = E'a\nb';
ROLLBACK TO currency;
-- names for people: an id once, no level that is only filled up
INSERT INTO sellometer.sold_products (product_id, category, sales) VALUES (7, 'electronics.smartphone.smartphone', 5), (7, 'toys.toys.toys', 2), (8, '2053.2053.2053', 1),
	(9, 'unknown.unknown.unknown', 1);
SELECT d, k, sellometer_key_label(d, k) FROM (VALUES ('category_l1', '2053013'), ('category_l2', '2053013.2053013'), ('category_l3', '2053013.2053013.2053013'),
	('category_l3', 'electronics.smartphone.smartphone'), ('category_l3', 'appliances.kitchen.oven'), ('category_l3', 'a.b.a'), ('category_l2', 'ab.b'), ('category_l3', 'a.aa.aa'),
	('brand', 'a.a.a'), ('product_id', '7'), ('product_id', '8'), ('product_id', '9'), ('product_id', '10'), ('product_id', '99999999999999999999'), ('product_id', 'x'), ('brand', NULL)) v (d, k);
SELECT i, sellometer.html_duration(i)
FROM unnest(ARRAY[NULL, '-5 s', '0', '119 s', '2 min', '119 min', '3 h', '47 h', '48 h', '7 years']::interval[]) i;
SELECT span, count(*), min(t), max(t)
FROM unnest(ARRAY['1 min', '7 min', '45 min', '3 h', '24 h']::interval[]) span,
	sellometer.axis_times('2019-10-01 10:17+00', timestamptz '2019-10-01 10:17+00' + span) t
GROUP BY 1 ORDER BY 1;
-- by the shop's clock: an hour that comes twice, one that does not, and clocks that are off by half an hour
SELECT zone, string_agg(to_char(t AT TIME ZONE zone, 'HH24:MI'), ' ' ORDER BY t)
FROM (VALUES ('Europe/Berlin', timestamptz '2019-10-26 22:00+00'), ('Europe/Berlin', '2019-03-30 23:00+00'), ('Asia/Kolkata', '2019-10-01 00:00+00'),
		('Australia/Lord_Howe', '2019-10-05 13:00+00')) v (zone, first),
	sellometer.axis_times(first, first + interval '6 hours', zone) t
GROUP BY zone, first ORDER BY zone, first;
SELECT zone, sellometer.report_clock('2019-10-27 00:30+00', zone, 'HH24:MI'), sellometer.report_clock('2019-10-27 01:30+00', zone, 'HH24:MI'), sellometer.report_clock('infinity', zone, 'HH24:MI') AS never
FROM unnest(ARRAY['UTC', 'Europe/Berlin', 'America/St_Johns', 'Asia/Kathmandu']) zone;
SELECT sellometer.html_time(NULL), sellometer.html_time('2019-10-01 01:02:03+02');
SET sellometer.timezone = 'America/Sao_Paulo';
SELECT sellometer.html_time('2018-11-04 02:59+00'), sellometer.html_time('2018-11-04 03:00+00'), sellometer.report_zone();
RESET sellometer.timezone;
SELECT sellometer.report_funnel(1000, 30, 20);
SELECT sellometer.report_funnel(0, 0, 0);

-- Nothing loaded: a page all the same
SELECT sellometer_report() ~ '<p>Nothing is loaded yet\.</p>.*No sources: see sellometer_add_source\(\)', sellometer.report_body(NULL), sellometer.report_alerts() IS NULL = (to_regclass('sellometer.alerts') IS NULL) AS alerts;

-- Its reader needs no more than what sellometer_grant_reader() grants
CREATE ROLE regress_sellometer_reader;
SELECT sellometer_grant_reader('regress_sellometer_reader');
SET LOCAL ROLE regress_sellometer_reader;
SELECT sellometer_report() ~ '</html>';
RESET ROLE;
ROLLBACK;
