-- What products are called: a table of the user's, and the names for people that come of it
SET client_min_messages = warning;
\set SHOW_CONTEXT never
BEGIN;
DROP EXTENSION IF EXISTS sellometer CASCADE;
CREATE EXTENSION sellometer;
INSERT INTO sellometer.sold_products (product_id, category, sales) VALUES (7, 'electronics.smartphone.smartphone', 5), (8, 'toys.toys.toys', 1), (9, 'unknown.unknown.unknown', 1);
CREATE ROLE regress_sellometer_catalogue;
CREATE ROLE regress_sellometer_reader;
SELECT sellometer_grant_reader('regress_sellometer_reader');
GRANT USAGE ON SCHEMA sellometer TO regress_sellometer_catalogue;
GRANT SELECT, INSERT, UPDATE, DELETE ON sellometer.products TO regress_sellometer_catalogue;

-- who may fill it may do no more
SET LOCAL ROLE regress_sellometer_catalogue;
INSERT INTO sellometer.products VALUES (7, 'Galaxy S10', 'https://shop.example/7?a=1&b=2', 'HTTPS://img.example/7.png'), (8, E' \t ', NULL, NULL), (9, NULL, NULL, NULL),
	(9223372036854775807, E'<b>"Ünïcode" & co</b>\nsecond line\t\x01', NULL, NULL), (-5, 'below', NULL, NULL), (10, repeat('long ', 200), NULL, NULL);
SAVEPOINT s;
SELECT sellometer.product_name(7);
SELECT count(*) FROM sellometer.sold_products;
ROLLBACK TO s;
-- what is no link
INSERT INTO sellometer.products VALUES (11, 'a', 'javascript:alert(1)', NULL);
ROLLBACK TO s;
INSERT INTO sellometer.products VALUES (11, 'a', NULL, E'https://img.example/\nX');
ROLLBACK TO s;
INSERT INTO sellometer.products VALUES (11, 'a', 'https://shop.example/" onclick="x', NULL);
ROLLBACK TO s;
INSERT INTO sellometer.products VALUES (11, repeat('x', 1001), NULL, NULL);
ROLLBACK TO s;

SET LOCAL ROLE regress_sellometer_reader;
SELECT product_id, sellometer.product_name(product_id) AS name FROM (VALUES (7::bigint), (8), (9), (9223372036854775807), (-5), (11), (NULL)) v (product_id);
SELECT sellometer_key_label('product_id', k) FROM unnest(ARRAY['7', '8', '9', '9223372036854775807', '9223372036854775808', '-5', '11', '7 ', '']) k;
SELECT length(sellometer.product_name(10)), right(sellometer.product_name(10), 6);
SELECT sellometer.category_label(c) FROM unnest(ARRAY['a.b.b', 'a.a', 'a.b.a', 'ab.b', '2053.2053.2053', 'a', '', NULL]) c;
UPDATE sellometer.products SET name = 'mine';
ROLLBACK TO s;
RESET ROLE;

-- what files say stands behind what the user says; the loader alone writes it
INSERT INTO sellometer.product_names VALUES (7, 'Galaxy', '2019-10-01 10:00Z'), (8, E'Lamp,\n red', '2019-10-01 10:00Z'), (12, 'Chair', '2019-10-01 11:00Z');
SET LOCAL ROLE regress_sellometer_reader;
SELECT product_id, sellometer_product_name(product_id), sellometer_key_label('product_id', product_id::text) FROM (VALUES (7::bigint), (8), (9), (12), (13), (NULL)) v (product_id);
SELECT DISTINCT name FROM sellometer.low_inventory;
SELECT DISTINCT name FROM sellometer.left_in_cart;
SAVEPOINT reader;
INSERT INTO sellometer.product_names VALUES (13, 'mine', now());
ROLLBACK TO reader;
SET LOCAL ROLE regress_sellometer_catalogue;
SELECT sellometer_product_name(7), sellometer_product_name(12);
UPDATE sellometer.product_names SET name = 'mine';
ROLLBACK TO reader;
RESET ROLE;

-- in a page it is text
SELECT sellometer.html_key('9223372036854775807', sellometer_key_label('product_id', '9223372036854775807'));
ROLLBACK;
