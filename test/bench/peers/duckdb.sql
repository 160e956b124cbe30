-- The same work in DuckDB, in memory: five tables of minutes from {from} on and five of hours, views counted once.  {files}: glob of the CSV files.
--
-- What was tried and is faster than the plain way: products with their labels and price as one number (a variant), so that
-- views are grouped with an integer as state, and the finest grain by integers.  The order of the numbers is that of ties.
CREATE TYPE event_type AS ENUM ('view', 'cart', 'remove_from_cart', 'purchase');

CREATE TABLE events AS
SELECT event_time, event_type::event_type AS event_type, product_id, coalesce(brand, product_id::VARCHAR) AS brand,
	coalesce(category_code, category_id::VARCHAR, 'unknown') AS category, price, user_session
FROM read_csv('{files}', header = true, delim = ',', quote = '"', auto_detect = false, nullstr = '',
	timestampformat = '%Y-%m-%d %H:%M:%S UTC', columns = {
	event_time: 'TIMESTAMP', event_type: 'VARCHAR', product_id: 'BIGINT', category_id: 'BIGINT', category_code: 'VARCHAR',
	brand: 'VARCHAR', price: 'DECIMAL(16,4)', user_id: 'BIGINT', user_session: 'UUID'});

CREATE TABLE variants AS
SELECT row_number() OVER (ORDER BY product_id, price, category, brand)::INTEGER AS variant, product_id, price, brand,
	l1, l1 || '.' || l2 AS l2, l1 || '.' || l2 || '.' || l3 AS l3, category
FROM (SELECT *, l[1] AS l1, coalesce(l[2], l[1]) AS l2, coalesce(l[3], l[2], l[1]) AS l3
	FROM (SELECT *, string_split(lower(category), '.') AS l
		FROM (SELECT DISTINCT product_id, price, category, brand FROM events)));

CREATE TABLE numbered AS
SELECT event_time, event_type, variant, e.product_id, user_session
FROM events e JOIN variants USING (product_id, price, category, brand);

-- a view counts once a session, at its earliest; ties by price, category, brand
CREATE TABLE finest AS
SELECT minute, event_type, variant, count(*)::INTEGER AS count
FROM (SELECT time_bucket(INTERVAL '1 minute', event_time) AS minute, event_type, variant FROM numbered
		WHERE event_type <> 'view' OR user_session IS NULL
	UNION ALL
	SELECT time_bucket(INTERVAL '1 minute', make_timestamp((first >> 32) * 1000000)), 'view', (first & 4294967295)::INTEGER
	FROM (SELECT min(epoch(event_time)::BIGINT * 4294967296 + variant) AS first FROM numbered
		WHERE event_type = 'view' AND user_session IS NOT NULL GROUP BY user_session, product_id))
GROUP BY ALL;

CREATE TABLE product_id_minute AS
	SELECT minute AS event_time, product_id, event_type, sum(count)::INTEGER AS count, sum(count * price) AS gmv
	FROM finest JOIN variants USING (variant) WHERE minute >= '{from}' GROUP BY ALL;
CREATE TABLE brand_minute AS
	SELECT minute AS event_time, brand, event_type, sum(count)::INTEGER AS count, sum(count * price) AS gmv
	FROM finest JOIN variants USING (variant) WHERE minute >= '{from}' GROUP BY ALL;
CREATE TABLE category_l3_minute AS
	SELECT minute AS event_time, l3 AS category_l3, event_type, sum(count)::INTEGER AS count, sum(count * price) AS gmv
	FROM finest JOIN variants USING (variant) WHERE minute >= '{from}' GROUP BY ALL;
CREATE TABLE category_l2_minute AS
	SELECT event_time, split_part(category_l3, '.', 1) || '.' || split_part(category_l3, '.', 2) AS category_l2, event_type,
		sum(count)::INTEGER AS count, sum(gmv) AS gmv FROM category_l3_minute GROUP BY ALL;
CREATE TABLE category_l1_minute AS
	SELECT event_time, split_part(category_l2, '.', 1) AS category_l1, event_type,
		sum(count)::INTEGER AS count, sum(gmv) AS gmv FROM category_l2_minute GROUP BY ALL;

CREATE TABLE finest_hour AS
	SELECT time_bucket(INTERVAL '1 hour', minute) AS hour, event_type, variant, sum(count)::INTEGER AS count FROM finest GROUP BY ALL;
CREATE TABLE product_id_hour AS
	SELECT hour AS event_time, product_id, event_type, sum(count)::INTEGER AS count, sum(count * price) AS gmv
	FROM finest_hour JOIN variants USING (variant) GROUP BY ALL;
CREATE TABLE brand_hour AS
	SELECT hour AS event_time, brand, event_type, sum(count)::INTEGER AS count, sum(count * price) AS gmv
	FROM finest_hour JOIN variants USING (variant) GROUP BY ALL;
CREATE TABLE category_l3_hour AS
	SELECT hour AS event_time, l3 AS category_l3, event_type, sum(count)::INTEGER AS count, sum(count * price) AS gmv
	FROM finest_hour JOIN variants USING (variant) GROUP BY ALL;
CREATE TABLE category_l2_hour AS
	SELECT event_time, split_part(category_l3, '.', 1) || '.' || split_part(category_l3, '.', 2) AS category_l2, event_type,
		sum(count)::INTEGER AS count, sum(gmv) AS gmv FROM category_l3_hour GROUP BY ALL;
CREATE TABLE category_l1_hour AS
	SELECT event_time, split_part(category_l2, '.', 1) AS category_l1, event_type,
		sum(count)::INTEGER AS count, sum(gmv) AS gmv FROM category_l2_hour GROUP BY ALL;
