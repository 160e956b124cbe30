-- sellometer_parse_csv() and sellometer_category_levels()
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS sellometer;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- three rows of the public data set
SELECT * FROM sellometer_parse_csv(
'event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session
2019-10-01 00:00:00 UTC,view,44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde-8bb3-4e00-8c23-a032dfed738c
2019-10-01 00:00:00 UTC,view,3900821,2053013552326770905,appliances.environment.water_heater,aqua,33.20,554748717,9333dfbd-b87a-4708-9857-6336556b0fcc
2019-10-01 00:00:01 UTC,view,17200506,2053013559792632471,furniture.living_room.sofa,,543.10,519107250,566511c2-e2e3-422b-b695-cf8e6e792ca8
') \gx

-- as pandas writes it: index column, no UTC, ids as floats; CRLF, byte order mark, no newline at the end
SELECT event_time, event_type, product_id, category_id, brand, price, user_id, user_session FROM sellometer_parse_csv(
	E'\uFEFF,event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\r\n'
	'0,2019-10-01 00:00:00,view,1,5.0,,a,2.00,7.0,s\r\n'
	'1,2019-10-01T02:00:00.25+02:00,Purchase,2,,,,.5,,');

-- any order, unknown columns, quotes
SELECT product_id, event_type, brand, category_code, price FROM sellometer_parse_csv(
'price,x,"brand",Event_Type,product_id,event_time,category_code
1.5,,"a, ""b""
c",CART,1,2019-10-01 00:00:00,Electronics.Audio

2,"","",remove_from_cart,2,2019-10-01 00:00:00,
');

-- categories: filled, cut, by id, unknown; brands by product
SELECT category_code, category_l1, category_l2, category_l3, brand FROM sellometer_parse_csv(
'event_time,event_type,product_id,category_id,category_code,brand,price
2019-10-01 00:00:00,view,1,7,headphones,x,1
2019-10-01 00:00:00,view,1,7, Electronics.Smartphone ,x,1
2019-10-01 00:00:00,view,1,7,electronics.audio.music_tools.piano,x,1
2019-10-01 00:00:00,view,1,7,,X y,1
2019-10-01 00:00:00,view,1,,,,1
2019-10-01 00:00:00,view,1,,..,,1
');

-- the scale of prices
SELECT string_agg(price::text, ' ') FROM sellometer_parse_csv(
'event_time,event_type,product_id,price
2019-10-01 00:00:00,view,1,0
2019-10-01 00:00:00,view,1,35
2019-10-01 00:00:00,view,1,35.7
2019-10-01 00:00:00,view,1,35.790000
2019-10-01 00:00:00,view,1,0.0001
2019-10-01 00:00:00,view,1,35.795
2019-10-01 00:00:00,view,1,999999999999.9999
');

-- floating-point prices, and what can be read without doubt
SELECT string_agg(price::text, ' ') FROM sellometer_parse_csv(
'event_time,event_type,product_id,price
2019-10-01 00:00:00,view,1,35.790000000000006
2019-10-01 00:00:00,view,1,35.78999999999999
2019-10-01 00:00:00,view,1,1e-07
2019-10-01 00:00:00,view,1,-0.0
2019-10-01 00:00:00,view,1,+5
2019-10-01 00:00:00,view,1,.5
2019-10-01 00:00:00,view,1,5.
2019-10-01 00:00:00,view,1," 35.79"
');
-- prices that are none, each with its cause
DO $$
DECLARE
	price text;
BEGIN
	FOREACH price IN ARRAY ARRAY['-5', '1.23456', '1e-05', '1E3', '"35,79"', '"1.234,50"', '"1,234.50"', '$35.79', '35.79 USD', '１２',
		'nan', '', '  ', '1000000000000', '0x10', 'inf', '1.2.3'] LOOP
		PERFORM FROM sellometer_parse_csv(E'event_time,event_type,product_id,price\n2019-10-01 00:00:00,view,1,' || price);
	END LOOP;
END $$;

-- blanks around known columns, and words for nothing in optional ones
SELECT event_time, event_type, product_id AS p, category_id AS c, category_code, brand, price, user_id AS u, user_session AS s
FROM sellometer_parse_csv(
	E'event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n'
	' 2019-10-01 00:00:00\t, view , 1 , 5 ,\ta.b\t,  samsung  , 2.50 , 7 , s1\r\n'
	'\u00A02019-10-01 00:00:00\u00A0,\u00A0view,\uFEFF1,\u00A05,\u00A0a.b\u00A0,\u00A0samsung,2.50\u00A0,7\uFEFF,\uFEFFs1\u00A0\n'
	'\u30002019-10-01 00:00:00,view\u200B,1\u3000,5,\u3000a.b,samsung\u200B,2.50,7,\u200Bs1\n'
	'2019-10-01 00:00:00,view,1,"\t5 "," a.b","  samsung\n","2.50 ",7,"\ns1"\n');
SELECT word, category_id AS c, category_code, brand, user_id AS u, user_session AS s
FROM unnest(ARRAY['nan', 'NaN', 'None', 'NULL', 'null', '\N', 'N/A', '-', ' NaN ', '" null"', '  ', 'Null', 'NONE', '#N/A', '<NA>', '(null)', 'undefined']) WITH ORDINALITY AS w (word, n),
	sellometer_parse_csv(format(E'event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n'
		'2019-10-01 00:00:00,view,1,%1$s,%1$s,%1$s,1,%1$s,%1$s', word)) ORDER BY n;
-- and those that are none
SELECT category_code, brand, user_session FROM unnest(ARRAY['NA', 'nil', 'NAN', '--', 'none such', E'LG\u00A0G8', 'a  b', 'nike', '１２']) WITH ORDINALITY AS w (word, n),
	sellometer_parse_csv(format(E'event_time,event_type,product_id,price,category_code,brand,user_session\n2019-10-01 00:00:00,view,1,1,%1$s,%1$s,%1$s', word)) ORDER BY n;

-- each reason for which a row is rejected, and one row that is not
SELECT product_id FROM sellometer_parse_csv(
	'event_time,event_type,product_id,category_id,category_code,brand,price,user_id
2019-02-29 00:00:00,view,1,,,,1,
2019-10-01 00:00:00,veiw,2,,,,1,
2019-10-01 00:00:00,view,-3,,,,1,
2019-10-01 00:00:00,view,4,x,,,1,
2019-10-01 00:00:00,view,5,,,,1e3,
2019-10-01 00:00:00,view,6,,,,1,x
2019-10-01 00:00:00,view,7,,,"a,1,
2019-10-01 00:00:00,view,8,,,,1,
2019-10-01 00:00:00,view,9,,,,1
2019-10-01 00:00:00,view,10,,' || repeat('x', 400) || ',,1,
2019-10-01 00:00:00,view,11,,,' || repeat('x', 1001) || ',1,
2199-10-01 00:00:00,view,12,,,,1,
2019-10-01 00:00:00,view,13,,,' || repeat('x', 1048576) || ',1,
');
SELECT product_id FROM sellometer_parse_csv(convert_to('event_time,event_type,product_id,price,brand
2019-10-01 00:00:00,view,1,1,', 'UTF8') || '\xff00' || convert_to('
2019-10-01 00:00:00,view,2,1,', 'UTF8') || '\xc3a9');
-- just now is not the future, unless the setting says so
SELECT count(*) FROM sellometer_parse_csv('event_time,event_type,product_id,price
' || to_char(now() AT TIME ZONE 'UTC' + '1 minute', 'YYYY-MM-DD HH24:MI:SS') || ',view,1,1');
SET sellometer.max_clock_skew = 0;
\set VERBOSITY terse
SELECT count(*) FROM sellometer_parse_csv('event_time,event_type,product_id,price
' || to_char(now() AT TIME ZONE 'UTC' + '1 minute', 'YYYY-MM-DD HH24:MI:SS') || ',view,1,1');
\set VERBOSITY default
RESET sellometer.max_clock_skew;

-- gzip in two members, cut within a row; damaged; too short
SELECT event_time, event_type, product_id, brand, price FROM sellometer_parse_csv(
	'\x1f8b08000000000002ff4b2d4bcd2b892fc9cc4dd54985302b0b52750a8af2534a934be2335380cccce4549da4a2c4bc142e2303434b5d43035d03430503032b3052080d71d629cb4c2dd731d431d23330d0494453050015cc97bd61000000'::bytea ||
	'\x1f8b08000000000002ff3330b0323054080d71d6494e2c2ad131d231d63335d039bcb2e4f04a2e00bcc69fa21c000000'::bytea);
SELECT count(*) FROM sellometer_parse_csv(
	'\x1f8b08000000000002ff4b2d4bcd2b892fc9cc4dd54985302b0b52750a8af2534a934be2335380cccce4549da4a2c4bc142e2303434b5d43035d03430503032b3052080d71d629cb4c2dd731d431d23330d0494453050015cc97bd6100000078'::bytea);
SELECT count(*) FROM sellometer_parse_csv(
	'\x1f8b08000000000002ff4b2d4bcd2b892fc9cc4dd54985302b0b52750a8af2534a934be2335380cccce4549da4a2c4bc142e'::bytea);

-- nothing to read
SELECT count(*) FROM sellometer_parse_csv('');
SELECT count(*) FROM sellometer_parse_csv(''::bytea);
SELECT count(*) FROM sellometer_parse_csv('event_time,event_type,product_id,price');
SELECT count(*) FROM sellometer_parse_csv(NULL::text);

-- what is no such CSV at all
SELECT count(*) FROM sellometer_parse_csv('event_time,event_type,product_id');
SELECT count(*) FROM sellometer_parse_csv('event_time,event_type,product_id,price,Price');
SELECT count(*) FROM sellometer_parse_csv('<html>');
SELECT count(*) FROM sellometer_parse_csv('\x6576656e745f74696d65000a'::bytea);
\set VERBOSITY sqlstate
SELECT count(*) FROM sellometer_parse_csv('event_time,event_type,product_id');
SELECT count(*) FROM sellometer_parse_csv('<html>');
SELECT count(*) FROM sellometer_parse_csv('\x1f8b'::bytea);
\set VERBOSITY default

-- line ends of all kinds
SELECT product_id, brand FROM sellometer_parse_csv(
	E'event_time,event_type,product_id,price,brand\r2019-10-01 00:00:00,view,1,2.50,a\r2019-10-01 00:00:00,view,2,2.50,"b\rc"\r\n'
	'2019-10-01 00:00:00,view,3,2.50,d\n\r2019-10-01 00:00:00,view,4,2.50,e');

-- a stray quote that a later one closes, and a field of many lines
SELECT product_id, brand FROM sellometer_parse_csv(
'event_time,event_type,product_id,price,brand
2019-10-01 00:00:00,view,1,2.50,"55 inch TV
2019-10-01 00:00:00,view,2,2.50,b
2019-10-01 00:00:00,view,3,2.50,TV 55"
2019-10-01 00:00:00,view,4,2.50,"first
2019-10-01,view,no,row,at all
last"
');

-- files that were put together: each row by the header before it
SELECT product_id, price, brand FROM sellometer_parse_csv(
	E'\uFEFF\uFEFFsep=,\r\n# exported\r\nevent_time,event_type,product_id,price,brand\n2019-10-01 00:00:00,view,7,1002,a,,\n'
	'event_time,event_type,product_id,price,brand\n2019-10-01 00:00:00,view,8,1002,b\n'
	'\uFEFF"price","product_id",event_type,event_time\r\n7,1002,view,2019-10-01 00:00:00\r\n');
SELECT product_id FROM sellometer_parse_csv(
	E'event_time,event_type,product_id,price\n2019-10-01 00:00:00,view,1,2\nevent_time,event_type,product_id,cost\n2019-10-01 00:00:00,view,1,2');

-- what it is instead
SELECT count(*) FROM sellometer_parse_csv(E'event_time;event_type;product_id;price\n2019-10-01 00:00:00;view;1;2,5');
SELECT count(*) FROM sellometer_parse_csv(E'event_time\tevent_type\tproduct_id\tprice\n');
SELECT count(*) FROM sellometer_parse_csv(E'event_time,event_type,product_id,price,"a\nb"\n');
SELECT count(*) FROM sellometer_parse_csv(E'event_time,event_type,product_id,pr\u200Bice\n');
SELECT count(*) FROM sellometer_parse_csv('\xfffe650076000a00'::bytea);
SELECT count(*) FROM sellometer_parse_csv('\x504b030414000000'::bytea);
SELECT count(*) FROM sellometer_parse_csv('\x28b52ffd0458'::bytea);

-- many rows: through a tuplestore that spills, and joined with what they were made of
SET work_mem = '64kB';
WITH made AS (
	SELECT i, '2019-10-01 00:00:00'::timestamptz + i * '1 s'::interval AS time, (i % 1000) / 100.0 AS price
	FROM generate_series(1, 20000) AS i
), csv AS (
	SELECT E'event_time,event_type,product_id,price\n' ||
		string_agg(to_char(time, 'YYYY-MM-DD HH24:MI:SS') || ',view,' || i || ',' || price, E'\n') AS data
	FROM made
)
SELECT count(*), count(*) FILTER (WHERE p.event_time = m.time AND p.price = m.price) AS same
FROM csv, sellometer_parse_csv(csv.data) AS p JOIN made AS m ON m.i = p.product_id;
RESET work_mem;

-- a plan that stops early
SELECT product_id FROM sellometer_parse_csv('event_time,event_type,product_id,price
2019-10-01 00:00:00,view,1,1
2019-10-01 00:00:00,view,2,1') LIMIT 1;

-- category levels
SELECT code, l.* FROM (VALUES (1, 'electronics.smartphone'), (2, 'headphones'), (3, 'a.b.c.d'), (4, ' A . b..C '),
	(5, ''), (6, NULL), (7, '..'), (8, '2103807459595387724'), (9, E'Möbel.TISCH'),
	(10, 'NULL'), (11, E'\u00A0-'), (12, E'\u00A0a.\u3000b')) AS c (n, code),
	sellometer_category_levels(code) AS l ORDER BY n;
SELECT sellometer_category_levels(repeat('x', 400));
SELECT length(category_l3) FROM sellometer_category_levels(repeat('x', 332));
