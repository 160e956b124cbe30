/*
 * After the known data was loaded: when what happened, as if it had come live, and what detectors, procedures and users have
 * done.  psql -f known.sql, as a superuser.
 */
\set ON_ERROR_STOP on
SET TimeZone = 'UTC';
\set now '''2019-11-20 14:37:30+00'''

UPDATE sellometer.objects SET
	last_modified = coalesce(last_event, timestamptz :now - interval '2 hours') + interval '20 seconds',
	discovered_at = coalesce(last_event, timestamptz :now - interval '2 hours') + interval '20.5 seconds',
	ingested_at = CASE WHEN ingested_at IS NOT NULL THEN last_event + interval '21 seconds' + (id % 10) * interval '0.4 seconds' END;
UPDATE sellometer.objects SET last_modified = timestamptz :now - interval '70 seconds',
	ingested_at = timestamptz :now - interval '60 seconds' WHERE key LIKE '%-late.csv';
UPDATE sellometer.rejected_rows SET rejected_at = timestamptz :now - interval '5 minutes' - line * interval '1 second';
-- a second source, which can't be listed, and has never been
INSERT INTO sellometer.sources (name, url, head, last_error, last_error_at) VALUES
	('partner', 's3://partner/clicks/', timestamptz :now - interval '3 hours',
		'can''t list s3://partner/clicks/: 403 Forbidden (AccessDenied): the user mapping''s access key may not list the bucket; grant it s3:ListBucket '
		'on the bucket partner, or give another key: ' || repeat('and so on ', 30), timestamptz :now - interval '20 minutes');
-- an object that is tried again
INSERT INTO sellometer.objects (source, key, etag, size, last_modified, state, object_time, attempts, next_attempt, error, sqlstate, discovered_at) VALUES
	('shop', '2019-11-20-14-30-again.csv', 'x', 4711, timestamptz :now - interval '9 minutes', 'pending', timestamptz :now - interval '9 minutes', 3,
		timestamptz :now + interval '1 minute', 'the server closed the connection', '08006', timestamptz :now - interval '9 minutes'),
	('shop', '2019-11-18-10-00-old.csv', 'y', 123456, timestamptz :now - interval '3 minutes', 'backlog', timestamptz :now - interval '2 days', 0,
		NULL, NULL, NULL, timestamptz :now - interval '3 minutes');

DELETE FROM sellometer.runs;
INSERT INTO sellometer.runs (procedure, started, finished, outcome, detail) VALUES
	('rollup', timestamptz :now - interval '12 days', timestamptz :now - interval '12 days' + interval '90 seconds', 'done', '{"buckets": 300}'),
	('archive', timestamptz :now - interval '20 hours', timestamptz :now - interval '20 hours' + interval '2 seconds', 'failed',
		jsonb_build_object('error', 'can''t put s3://shop/archive/2019-11-19-18.csv.gz: 503 Slow Down', 'hint', repeat('a long hint ', 40))),
	('prune', timestamptz :now - interval '8 minutes', NULL, 'died', NULL),
	('rollup', timestamptz :now - interval '6 minutes', timestamptz :now - interval '6 minutes' + interval '1.25 seconds', 'done', '{"buckets": 1}');

DELETE FROM sellometer.alerts;
INSERT INTO sellometer.alerts (kind, severity, dimension, key, event_time, observed, expected, score, detail, opened_at, closed_at) VALUES
	('price_anomaly', 'critical', 'product_id', '1004856', timestamptz :now - interval '10 minutes', 13.15, 131.51, 31.1,
		'listed at 13.15, usually 131.51 ± 0.00 over 50 sales', timestamptz :now - interval '9 minutes', NULL),
	('price_anomaly', 'critical', 'product_id', '9007199254740993', timestamptz :now - interval '6 minutes', 70.10, 7.01, 12.5,
		'listed at 70.10, usually 7.01 ± 0.00 over 20 sales', timestamptz :now - interval '5 minutes', NULL),
	('low_inventory', 'warning', 'product_id', '1005115', timestamptz :now - interval '4 hours', 4, 30, 0.4,
		'4 left, which last 2 hours; new stock takes 3 days', timestamptz :now - interval '4 hours', NULL),
	('left_in_cart', 'info', 'user_session', 'all', timestamptz :now - interval '2 hours', 7, NULL, NULL,
		'7 products worth $812.11 were left in 6 carts between 13:00 UTC and 14:00 UTC; 6 people have had no reminder yet', timestamptz :now - interval '2 hours', NULL),
	('volume_anomaly', 'critical', 'event_type', 'view', timestamptz :now - interval '35 minutes', 0, 300, 99,
		'no view events in 5 minutes up to 14:03 UTC, usually 30', timestamptz :now - interval '33 minutes', timestamptz :now - interval '5 minutes'),
	('category_shift', 'warning', 'category_l1', 'electronics', timestamptz :now - interval '9 days', 60, NULL, 60,
		'60 of the 60 products of electronics are listed under construction', timestamptz :now - interval '9 days', timestamptz :now - interval '8 days');

INSERT INTO sellometer.inventory (product_id, stock, as_of, lead_time) VALUES
	(1005115, 3, timestamptz :now - interval '1 day', '3 days'), (1801881, 100000, timestamptz :now - interval '1 day', '3 days'),
	(9007199254740993, 10, timestamptz :now - interval '2 days', '12 hours');
INSERT INTO sellometer.products (product_id, name, url) VALUES (1004856, E'  Galaxy J5,\n16 GB ', 'https://shop.example/1004856'),
	(9007199254740993, '<b>"a name"</b> $1 ${brand} ''; --', NULL), (1005105, repeat('x', 300), NULL), (1005115, ' ', NULL);
UPDATE sellometer.detectors SET enabled = false;
SELECT sellometer.judge_inventory('{1005115,1801881,9007199254740993}', head) FROM sellometer.state;
