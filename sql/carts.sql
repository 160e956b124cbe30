-- What is left in carts, by example
\set name sellometer_carts_test
\getenv abs_srcdir PG_ABS_SRCDIR
\set source :abs_srcdir /sql/include/source.psql
\i :source
CREATE FUNCTION pg_temp.put(key text, VARIADIC lines text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT unnest(%L::text[])) TO %L',
		ARRAY['event_time,event_type,product_id,price,user_id,user_session'] || lines,
		current_setting('data_directory') || '/sellometer_carts_test/' || key);
END
$$;
CREATE VIEW pg_temp.states AS
SELECT user_session AS session, product_id AS product, user_id, price, cart_at::time AS cart, removed_at::time AS removed,
	purchased_at::time AS purchased, state
FROM sellometer.cart_states ORDER BY 1, 2;
-- the head: no event of it is about a cart
CREATE FUNCTION pg_temp.head(t text) RETURNS void LANGUAGE sql AS $$
	SELECT pg_temp.put(replace(replace(t, ':', '-'), ' ', '-') || '.csv', t || ':00,view,99,1,,')
$$;
SELECT sellometer_add_source('shop', :'url');

SELECT pg_temp.put('2019-10-01-10-00.csv',
	'2019-10-01 10:00:00,cart,1,9.90,7,left', '2019-10-01 10:00:30,view,1,9.90,7,left',
	'2019-10-01 10:00:00,cart,2,5,7,left', '2019-10-01 10:10:00,cart,2,4.5,,left',
	'2019-10-01 10:00:00,cart,1,9.90,8,bought', '2019-10-01 10:05:00,purchase,1,9.90,8,bought',
	'2019-10-01 10:00:00,cart,1,9.90,9,removed', '2019-10-01 10:05:00,remove_from_cart,1,9.90,9,removed',
	'2019-10-01 10:00:00,cart,1,9.90,9,again', '2019-10-01 10:05:00,remove_from_cart,1,9.90,9,again',
	'2019-10-01 10:06:00,cart,1,8.90,9,again',
	'2019-10-01 10:00:00,cart,1,9.90,9,', '2019-10-01 10:01:00,purchase,3,1,,only bought',
	-- several at one time: the lowest price, then the lowest user_id; with a purchase or a removal at that time it is none
	'2019-10-01 10:00:00,cart,1,9.90,,ties', '2019-10-01 10:00:00,cart,1,9.9,12,ties', '2019-10-01 10:00:00,cart,1,9.90,11,ties',
	'2019-10-01 10:00:00,cart,1,9.91,3,ties', '2019-10-01 10:00:00,cart,2,9.90,3,ties', '2019-10-01 10:00:00,purchase,2,9.90,3,ties',
	'2019-10-01 10:00:00,cart,3,9.90,3,ties', '2019-10-01 10:00:00,remove_from_cart,3,9.90,3,ties',
	-- a microsecond decides
	'2019-10-01 10:00:00.000001,cart,4,9.90,3,ties', '2019-10-01 10:00:00.000000,purchase,4,9.90,3,ties',
	-- rows that are rejected do not count
	'2019-10-03 10:00:00,purchase,1,9.90,7,left', '2019-10-01 10:00:59,purchase,1,nothing,7,left');
-- a session that could not be a key has no cart
SELECT pg_temp.put('2019-10-01-10-01.csv', '2019-10-01 10:01:00,cart,1,1,1,' || repeat('s', 1001), '2019-10-01 10:01:00,cart,1,1,1,"a,b"');
CALL sellometer_ingest();
SELECT rows_counted, rows_rejected FROM sellometer.objects ORDER BY key;
TABLE pg_temp.states;
TABLE sellometer.left_in_cart;

-- an hour later, to the second
SELECT pg_temp.head('2019-10-01 10:59');
CALL sellometer_ingest();
TABLE sellometer.left_in_cart;
SELECT pg_temp.head('2019-10-01 11:00');
CALL sellometer_ingest();
SELECT * FROM sellometer.left_in_cart ORDER BY since, user_session, product_id;
SET sellometer.cart_timeout = '50min';
SELECT * FROM sellometer.left_in_cart WHERE since > '2019-10-01 10:00:01' ORDER BY since, user_session, product_id;
RESET sellometer.cart_timeout;

-- it is bought after all; then a file comes late that was written before: it was bought, put back, and bought at once
SELECT pg_temp.put('2019-10-01-12-00.csv', '2019-10-01 12:00:00,purchase,1,9.90,7,left');
CALL sellometer_ingest();
SELECT * FROM pg_temp.states WHERE session IN ('left', 'again');
SELECT pg_temp.put('2019-10-01-10-20.csv', '2019-10-01 10:20:00,purchase,2,4.5,7,left', '2019-10-01 10:20:00,purchase,1,8.90,9,again',
	'2019-10-01 10:30:00,cart,1,7.90,9,again', '2019-10-01 09:00:00,cart,3,1,5,only bought');
CALL sellometer_ingest();
CALL sellometer_merge_backlog();
SELECT * FROM pg_temp.states WHERE session IN ('left', 'again', 'only bought');
SELECT * FROM sellometer.left_in_cart ORDER BY since, user_session, product_id;

-- days later it is expired, and in the end forgotten; what is as old and comes now is not even noted
SELECT pg_temp.head('2019-10-04 10:15');
CALL sellometer_ingest();
SELECT session, product, state FROM pg_temp.states;
TABLE sellometer.left_in_cart;
CALL sellometer_prune();
SELECT user_session, product_id FROM sellometer.carts ORDER BY 1, 2;
SELECT carts_from FROM sellometer.state;
SELECT pg_temp.put('2019-10-01-10-16.csv', '2019-10-01 10:00:00,cart,1,1,9,again', '2019-10-01 10:14:59,cart,1,1,9,too late',
	'2019-10-01 10:15:00,cart,1,1,9,in time');
CALL sellometer_ingest();
CALL sellometer_merge_backlog();
TABLE pg_temp.states;
-- not each time: that would mean to read all of it
SELECT pg_temp.head('2019-10-04 16:00');
CALL sellometer_ingest();
CALL sellometer_prune();
SELECT count(*), (SELECT carts_from FROM sellometer.state) FROM sellometer.carts;
SELECT detail->'carts' AS deleted FROM sellometer.runs WHERE procedure = 'prune' ORDER BY id;

COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf sellometer_carts_test';
DROP VIEW pg_temp.states;
DROP EXTENSION sellometer;
