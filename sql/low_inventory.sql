-- How long stock lasts, by example
\set name sellometer_inventory_test
\getenv abs_srcdir PG_ABS_SRCDIR
\set source :abs_srcdir /sql/include/source.psql
\i :source
-- n purchases of a product, from a time on, so far apart
CREATE FUNCTION pg_temp.sell(product bigint, n integer, first timestamptz, apart interval) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT event_time, ''purchase'' AS event_type, %s AS product_id, 10 AS price
		FROM (SELECT %L::timestamptz + %L::interval * i AS event_time FROM generate_series(0, %s - 1) i) e) TO %L (FORMAT csv, HEADER)',
		product, first, apart, n, current_setting('data_directory') || '/sellometer_inventory_test/'
		|| to_char(first, 'YYYY-MM-DD-HH24-MI-SS-') || product || '.csv');
END
$$;
CREATE PROCEDURE pg_temp.load() LANGUAGE plpgsql AS $$
BEGIN
	CALL sellometer_ingest();
	CALL sellometer_merge_backlog();
	CALL sellometer_detect();
END
$$;
CREATE VIEW pg_temp.low AS
SELECT product_id, stock_left, sold_hourly, cover, lead_time, sold, judged_at FROM sellometer.low_inventory;
CREATE VIEW pg_temp.open AS
SELECT severity, key, observed, expected, detail FROM sellometer.alerts WHERE kind = 'low_inventory' AND closed_at IS NULL ORDER BY key;
SELECT sellometer_add_source('shop', :'url');

-- ten hours of sales: product 1 ten times an hour, product 2 once an hour; from 10:00 to 20:00
SELECT pg_temp.sell(1, 100, '2019-10-01 10:00:00', '6 minutes'), pg_temp.sell(2, 10, '2019-10-01 10:00:30', '1 hour');
SELECT pg_temp.sell(9, 3, '2019-10-01 20:00:00', '0');
CALL sellometer_ingest();
CALL sellometer_merge_backlog();
CALL sellometer_rollup();
-- stock as of 15:00: of 1 there are 70 - 50 left, for 2 hours; of 2 there are 15 - 5, for 10; 3 was never sold
INSERT INTO sellometer.inventory VALUES (1, 70, '2019-10-01 15:00', '3 hours'), (2, 15, '2019-10-01 15:00', '3 hours'),
	(3, 0, '2019-10-01 15:00', '3 hours');
CALL sellometer_detect();
TABLE pg_temp.low;
TABLE pg_temp.open;
SELECT product_id, sold, hourly, cover, low FROM sellometer.inventory_cover ORDER BY 1;

-- as_of within a minute: the next full one counts; 10 sales an hour are at :00, :06, :12 ...
UPDATE sellometer.inventory SET as_of = '2019-10-01 15:05:59.5' WHERE product_id = 1;
CALL sellometer_detect();
SELECT sold FROM sellometer.inventory_cover WHERE product_id = 1;
UPDATE sellometer.inventory SET as_of = '2019-10-01 15:06:00.000001' WHERE product_id = 1;
CALL sellometer_detect();
SELECT sold FROM sellometer.inventory_cover WHERE product_id = 1;

-- stock is raised: closed; a late file: open again; another: more was sold than there was
UPDATE sellometer.inventory SET stock = 90, as_of = '2019-10-01 15:00' WHERE product_id = 1;
CALL sellometer_detect();
TABLE pg_temp.open;
SELECT pg_temp.sell(1, 15, '2019-10-01 16:00:20', '1 minute');
CALL sellometer_ingest();
CALL sellometer_merge_backlog();
CALL sellometer_detect();
TABLE pg_temp.open;
SELECT pg_temp.sell(1, 40, '2019-10-01 16:30:20', '10 seconds');
CALL sellometer_ingest();
CALL sellometer_merge_backlog();
CALL sellometer_detect();
TABLE pg_temp.low;
TABLE pg_temp.open;
-- days later nothing of it has been sold, nor can be: it is low still; and minutes are no longer kept
SELECT pg_temp.sell(9, 3, '2019-10-04 20:00:00', '0');
CALL sellometer_ingest();
CALL sellometer_rollup();
CALL sellometer_prune();
CALL sellometer_detect();
TABLE pg_temp.open;
TABLE pg_temp.low;
-- of the 65 sales from 16:00 to 17:00 half: the hour is all that is known now
UPDATE sellometer.inventory SET stock = 90, as_of = '2019-10-01 16:30' WHERE product_id = 1;
CALL sellometer_detect();
SELECT sold, hourly, low FROM sellometer.inventory_cover WHERE product_id = 1;
SELECT key, event_time, severity, closed_at IS NOT NULL AS closed FROM sellometer.alerts WHERE kind = 'low_inventory' ORDER BY id;
-- what is not in stock any more is not judged
DELETE FROM sellometer.inventory WHERE product_id <> 3;
CALL sellometer_detect();
SELECT product_id FROM sellometer.inventory_cover;
SELECT count(*) FROM sellometer.inventory_marks;

INSERT INTO sellometer.inventory VALUES (4, -1, '2019-10-01', '1 day');
INSERT INTO sellometer.inventory VALUES (4, 1, '2019-10-01', '-1 day');
INSERT INTO sellometer.inventory VALUES (4, 1, 'infinity', '1 day');
UPDATE sellometer.inventory SET stock = 1;
UPDATE sellometer.inventory SET stock = 2;
SELECT count(*) FROM sellometer.inventory_marks;
-- nobody looks at them: one is enough
CALL sellometer_prune();
SELECT count(*) FROM sellometer.inventory_marks;
CALL sellometer_detect();
-- who may fill it needs no right to what follows from it
CREATE ROLE regress_sellometer_erp;
GRANT USAGE ON SCHEMA sellometer TO regress_sellometer_erp;
GRANT SELECT, INSERT, UPDATE, DELETE ON sellometer.inventory TO regress_sellometer_erp;
SET ROLE regress_sellometer_erp;
INSERT INTO sellometer.inventory VALUES (4, 1, '2019-10-01', '1 day');
DELETE FROM sellometer.inventory_marks;
RESET ROLE;
SELECT product_id FROM sellometer.inventory_marks;

COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf sellometer_inventory_test';
DROP VIEW pg_temp.low, pg_temp.open;
DROP EXTENSION sellometer;
DROP ROLE regress_sellometer_erp;
