-- Products like another one, by example
\set name sellometer_similar_test
\getenv abs_srcdir PG_ABS_SRCDIR
\set source :abs_srcdir /sql/include/source.psql
\i :source
-- sales by product: at which price, in which category, how many
COPY (SELECT timestamptz '2019-10-01 10:00' + interval '1 second' * i AS event_time, event_type, product_id, category_code, price
	FROM (VALUES ('purchase', 1, 'a.b.c', 100.00, 5), ('purchase', 2, 'a.b.c', 110.00, 3), ('purchase', 3, 'a.b.c', 75.00, 4),
		('purchase', 4, 'a.b.c', 250.00, 9), ('purchase', 5, 'a.b.c', 10.00, 20), ('purchase', 6, 'a.b.d', 100.00, 30),
		('purchase', 7, 'a.b.c', 0.00, 1), ('cart', 8, 'a.b.c', 100.00, 7), ('purchase', 9, 'a.b.c', 99.00, 8)) v (event_type, product_id, category_code, price, n),
		generate_series(1, n) i) TO PROGRAM 'cat > sellometer_similar_test/2019-10-01-10-00.csv' (FORMAT csv, HEADER);
SELECT sellometer_add_source('shop', :'url');
CALL sellometer_ingest();
SELECT * FROM sellometer_similar_products(1);
CALL sellometer_detect();
-- those near its price first, and of these the best sellers
SELECT * FROM sellometer_similar_products(1);
SELECT * FROM sellometer_similar_products(1, 2);
SELECT similar_id FROM sellometer_similar_products(1, 0);
-- one that nobody has bought has a category and a price as well; one of another category has nothing like it; no such product
SELECT similar_id, price FROM sellometer_similar_products(8, 3);
SELECT * FROM sellometer_similar_products(6);
SELECT * FROM sellometer_similar_products(99);
-- a product whose price has changed: what counts is the price now
COPY (SELECT '2019-10-01 11:00:00' AS event_time, 'cart' AS event_type, 1 AS product_id, 'a.b.c' AS category_code, 260 AS price)
	TO PROGRAM 'cat > sellometer_similar_test/2019-10-01-11-00.csv' (FORMAT csv, HEADER);
CALL sellometer_ingest();
CALL sellometer_detect();
SELECT similar_id, price FROM sellometer_similar_products(1, 2);
-- what is sold out is not offered
INSERT INTO sellometer.inventory VALUES (4, 9, '2019-10-01', '1 day'), (2, 9, '2019-10-01', '1 day');
CALL sellometer_detect();
SELECT similar_id, price FROM sellometer_similar_products(1, 3);

-- a program that sends mails needs no other right
CREATE ROLE regress_sellometer_mailer;
SET ROLE regress_sellometer_mailer;
SELECT count(*) FROM sellometer_similar_products(1);
RESET ROLE;
GRANT EXECUTE ON FUNCTION sellometer_similar_products TO regress_sellometer_mailer;
SET ROLE regress_sellometer_mailer;
SELECT count(*) FROM sellometer_similar_products(1);
RESET ROLE;

COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf sellometer_similar_test';
DROP EXTENSION sellometer;
DROP ROLE regress_sellometer_mailer;
