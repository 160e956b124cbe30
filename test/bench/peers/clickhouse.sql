-- The same work in ClickHouse: five tables of minutes from {from} on and five of hours, views counted once, the results in MergeTree.
-- {files}: glob of the CSV files.
CREATE DATABASE shop;

CREATE TABLE shop.events ENGINE = Memory AS
SELECT event_time, event_type, product_id, toLowCardinality(if(brand = '', toString(product_id), brand)) AS brand,
	toLowCardinality(multiIf(category_code != '', lower(category_code), category_id IS NOT NULL, toString(category_id), 'unknown')) AS category,
	price, user_session
FROM file('{files}', 'CSVWithNames', 'event_time DateTime(\'UTC\'), event_type Enum8(\'view\' = 0, \'cart\' = 1, \'remove_from_cart\' = 2,
	\'purchase\' = 3), product_id Int64, category_id Nullable(Int64), category_code String, brand String, price Decimal(16, 4),
	user_id Nullable(Int64), user_session Nullable(UUID)')
SETTINGS date_time_input_format = 'best_effort';

-- a view counts once a session, at its earliest; ties by price, category, brand
CREATE TABLE shop.finest ENGINE = Memory AS
SELECT minute, event_type, product_id, brand, category, toInt32(count()) AS count, sum(price) AS gmv
FROM (SELECT toStartOfMinute(event_time) AS minute, event_type, product_id, brand, category, price FROM shop.events
		WHERE event_type != 'view' OR user_session IS NULL
	UNION ALL
	SELECT toStartOfMinute(v.1), 'view', product_id, v.4, v.3, v.2
	FROM (SELECT product_id, min((event_time, price, category, brand)) AS v FROM shop.events
		WHERE event_type = 'view' AND user_session IS NOT NULL GROUP BY assumeNotNull(user_session), product_id))
GROUP BY minute, event_type, product_id, brand, category;

CREATE TABLE shop.product_id_minute ENGINE = MergeTree ORDER BY (product_id, event_time, event_type) AS
	SELECT minute AS event_time, product_id, event_type, toInt32(sum(count)) AS count, sum(gmv) AS gmv
	FROM shop.finest WHERE minute >= '{from}' GROUP BY event_time, product_id, event_type;
CREATE TABLE shop.brand_minute ENGINE = MergeTree ORDER BY (brand, event_time, event_type) AS
	SELECT minute AS event_time, brand, event_type, toInt32(sum(count)) AS count, sum(gmv) AS gmv
	FROM shop.finest WHERE minute >= '{from}' GROUP BY event_time, brand, event_type;
CREATE TABLE shop.category_l3_minute ENGINE = MergeTree ORDER BY (category_l3, event_time, event_type) AS
	SELECT minute AS event_time, toLowCardinality(concat(l[1], '.', if(l[2] = '', l[1], l[2]), '.',
			multiIf(l[3] != '', l[3], l[2] != '', l[2], l[1]))) AS category_l3,
		event_type, toInt32(sum(count)) AS count, sum(gmv) AS gmv
	FROM (SELECT *, splitByChar('.', toString(category)) AS l FROM shop.finest WHERE minute >= '{from}') GROUP BY event_time, category_l3, event_type;
CREATE TABLE shop.category_l2_minute ENGINE = MergeTree ORDER BY (category_l2, event_time, event_type) AS
	SELECT event_time, toLowCardinality(concat(splitByChar('.', toString(category_l3))[1], '.', splitByChar('.', toString(category_l3))[2])) AS category_l2,
		event_type, toInt32(sum(t.count)) AS count, sum(t.gmv) AS gmv
	FROM shop.category_l3_minute t GROUP BY event_time, category_l2, event_type;
CREATE TABLE shop.category_l1_minute ENGINE = MergeTree ORDER BY (category_l1, event_time, event_type) AS
	SELECT event_time, toLowCardinality(splitByChar('.', toString(category_l2))[1]) AS category_l1, event_type, toInt32(sum(t.count)) AS count,
		sum(t.gmv) AS gmv
	FROM shop.category_l2_minute t GROUP BY event_time, category_l1, event_type;

CREATE TABLE shop.finest_hour ENGINE = Memory AS
SELECT toStartOfHour(minute) AS hour, event_type, product_id, brand, category, toInt32(sum(f.count)) AS count, sum(f.gmv) AS gmv
FROM shop.finest f GROUP BY hour, event_type, product_id, brand, category;

CREATE TABLE shop.product_id_hour ENGINE = MergeTree ORDER BY (product_id, event_time, event_type) AS
	SELECT hour AS event_time, product_id, event_type, toInt32(sum(count)) AS count, sum(gmv) AS gmv
	FROM shop.finest_hour GROUP BY event_time, product_id, event_type;
CREATE TABLE shop.brand_hour ENGINE = MergeTree ORDER BY (brand, event_time, event_type) AS
	SELECT hour AS event_time, brand, event_type, toInt32(sum(count)) AS count, sum(gmv) AS gmv
	FROM shop.finest_hour GROUP BY event_time, brand, event_type;
CREATE TABLE shop.category_l3_hour ENGINE = MergeTree ORDER BY (category_l3, event_time, event_type) AS
	SELECT hour AS event_time, toLowCardinality(concat(l[1], '.', if(l[2] = '', l[1], l[2]), '.',
			multiIf(l[3] != '', l[3], l[2] != '', l[2], l[1]))) AS category_l3,
		event_type, toInt32(sum(count)) AS count, sum(gmv) AS gmv
	FROM (SELECT *, splitByChar('.', toString(category)) AS l FROM shop.finest_hour) GROUP BY event_time, category_l3, event_type;
CREATE TABLE shop.category_l2_hour ENGINE = MergeTree ORDER BY (category_l2, event_time, event_type) AS
	SELECT event_time, toLowCardinality(concat(splitByChar('.', toString(category_l3))[1], '.', splitByChar('.', toString(category_l3))[2])) AS category_l2,
		event_type, toInt32(sum(t.count)) AS count, sum(t.gmv) AS gmv
	FROM shop.category_l3_hour t GROUP BY event_time, category_l2, event_type;
CREATE TABLE shop.category_l1_hour ENGINE = MergeTree ORDER BY (category_l1, event_time, event_type) AS
	SELECT event_time, toLowCardinality(splitByChar('.', toString(category_l2))[1]) AS category_l1, event_type, toInt32(sum(t.count)) AS count,
		sum(t.gmv) AS gmv
	FROM shop.category_l2_hour t GROUP BY event_time, category_l1, event_type;
