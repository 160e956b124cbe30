-- Without a tier of hours, detectors and the report tell the same from minutes, as far back as these are kept, and say where that is too short
\set name sellometer_no_hours_test
\getenv abs_srcdir PG_ABS_SRCDIR
\set source :abs_srcdir /sql/include/source.psql
\i :source
-- eleven hours with three views and a purchase a minute, a file for half an hour; no purchase in the last hour
CREATE FUNCTION pg_temp.put(h integer, half integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format($copy$COPY (
		SELECT 'event_time,event_type,product_id,category_code,brand,price,user_session'
		UNION ALL SELECT format('2019-10-01 %%s:%%s:%%s,view,%%s,home.lamp,acme,%%s.00,v%%s-%%s', lpad(%1$s::text, 2, '0'), lpad(m::text, 2, '0'), s, 1 + (m * 7 + s + %1$s) %% 9,
			1 + (m * 7 + s + %1$s) %% 9, %1$s, m * 60 + s) FROM generate_series(30 * %2$s, 30 * %2$s + 29) m, unnest('{10,25,40}'::int[]) s
		UNION ALL SELECT format('2019-10-01 %%s:%%s:30,purchase,%%s,home.lamp,acme,%%s.00,p%%s-%%s', lpad(%1$s::text, 2, '0'), lpad(m::text, 2, '0'), 1 + (m / 5 + %1$s) %% 9,
			1 + (m / 5 + %1$s) %% 9, %1$s, m) FROM generate_series(30 * %2$s, 30 * %2$s + 29) m WHERE %1$s < 10
		UNION ALL SELECT format('2019-10-01 09:%%s:00,cart,2,home.lamp,acme,2.00,left%%s', i, i) FROM generate_series(10, 20) i WHERE %1$s = 9 AND %2$s = 0
	) TO %3$L$copy$, h, half, current_setting('data_directory') || format('/sellometer_no_hours_test/%s-%s.csv', lpad(h::text, 2, '0'), half));
END
$$;
SELECT count(pg_temp.put(h, half)) FROM generate_series(0, 10) h, generate_series(0, 1) half;
SELECT sellometer_add_source('shop', :'url');
CALL sellometer_ingest();
CALL sellometer_rollup();
SET client_min_messages = warning;
INSERT INTO sellometer.inventory (product_id, stock, as_of, lead_time) VALUES (1, 20, '2019-10-01 02:20:30+00', '3 days'), (2, 5, '2019-10-01 01:00+00', '1 day'),
	(3, 1000000, '2019-10-01 00:00+00', '1 day'), (4, 0, '2019-10-01 11:00+00', '1 day');

CREATE VIEW pg_temp.told AS
SELECT 'alert ' || kind || ' ' || key AS what, concat_ws(' | ', severity, observed, expected, detail) AS says FROM sellometer.alerts
UNION ALL SELECT 'cover ' || product_id, concat_ws(' | ', sold, hourly, cover, low) FROM sellometer.inventory_cover
UNION ALL SELECT 'usual ' || u.event_type || u.minutes, concat_ws(' | ', round(u.low::numeric, 4), round(u.high::numeric, 4), round(u.ratio::numeric, 4), u.basis) FROM sellometer.usual_volumes('2019-10-01 10:54+00') u
UNION ALL SELECT 'hour ' || h.event_type || h.event_time, h.count::text FROM sellometer.hour_volumes('2019-09-30', '2019-10-01 12:00') h
UNION ALL SELECT 'many ' || s.product_id, concat_ws(' | ', s.sold, s.recent) FROM sellometer.stock_sold_of_many('{1,2,3,4}', '2019-10-01') s
UNION ALL SELECT 'few ' || s.product_id, concat_ws(' | ', s.sold, s.recent) FROM sellometer.stock_sold_of_few('{1,2,3,4}', '2019-10-01') s
UNION ALL SELECT 'from', sellometer.sales_from('2019-09-30 00:00+00')::text
UNION ALL SELECT 'left', count(*)::text FROM sellometer.left_in_cart
UNION ALL SELECT 'report', md5(regexp_replace(sellometer_report(), '<time [^>]*>[^<]*', '', 'g'));
CREATE PROCEDURE pg_temp.detect() LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM sellometer.alerts;
	DELETE FROM sellometer.inventory_cover;
	INSERT INTO sellometer.inventory_marks SELECT product_id FROM sellometer.inventory;
	COMMIT;
	CALL sellometer_detect();
END
$$;

CALL pg_temp.detect();
CREATE TABLE pg_temp.with_hours AS SELECT * FROM pg_temp.told;
SELECT * FROM with_hours WHERE what !~ '^(hour|report)' ORDER BY 1, 2;
SELECT kind, outcome FROM (SELECT d.kind, r.outcome, r.detail FROM sellometer.detectors d, (SELECT * FROM sellometer.runs WHERE procedure = 'detect' ORDER BY id DESC LIMIT 1) r) x ORDER BY 1;

SELECT sellometer_drop_tier('hour');
CALL pg_temp.detect();
SELECT procedure, outcome FROM sellometer.runs WHERE outcome <> 'done';
SELECT coalesce(a.what, b.what) AS what, a.says AS with_hours, b.says AS without
FROM with_hours a FULL JOIN pg_temp.told b USING (what) WHERE a.says IS DISTINCT FROM b.says;
-- something between minutes and hours
SELECT sellometer_add_tier('ten', '10 min', '2 days');
CALL sellometer_rollup();
SELECT sellometer.hour_tier();
CALL pg_temp.detect();
SELECT coalesce(a.what, b.what) AS what, a.says AS with_hours, b.says AS without
FROM with_hours a FULL JOIN pg_temp.told b USING (what) WHERE a.says IS DISTINCT FROM b.says;
SELECT sellometer_drop_tier('ten');

-- three days later minutes don't reach back to when stock was taken
SELECT sellometer_add_tier('day', '1 day');
COPY (SELECT unnest(ARRAY['event_time,event_type,product_id,price', '2019-10-04 10:00:00,purchase,1,1.00', '2019-10-04 10:20:00,purchase,1,1.00']))
	TO PROGRAM 'cat > sellometer_no_hours_test/b.csv';
CALL sellometer_ingest();
CALL sellometer_rollup();
CALL sellometer_prune();
SELECT floor FROM sellometer.kept() WHERE tier = 'minute';
CALL pg_temp.detect();
SELECT product_id, sold FROM sellometer.inventory_cover ORDER BY 1;
SELECT procedure, outcome FROM sellometer.runs WHERE outcome <> 'done';
SELECT length(sellometer_report()) > 1000 AS reported;
DROP EXTENSION sellometer CASCADE;
