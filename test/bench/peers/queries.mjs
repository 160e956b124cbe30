// What dashboards ask, by Sellometer's functions and in SQL over the peers' tables.  {from} and {to}: times in UTC; {seconds}: the
// width of a bucket; {product} and {brand}: a key that is there.  Columns are the same, their order too.
const inRange = "event_time >= '{from}' AND event_time < '{to}'";

// Some rows of a table in buckets of time
const series = (dimension, event, key) => ({
	sellometer: `SELECT extract(epoch FROM event_time)::bigint, count, gmv FROM sellometer_series('${dimension}', '${event}',
		${key ?? 'NULL'}, '{from}+00', '{to}+00', '{seconds} seconds') WHERE count > 0 ORDER BY 1`,
	duckdb: `SELECT epoch(time_bucket(INTERVAL {seconds} SECONDS, event_time))::BIGINT AS bucket, sum(count), sum(gmv) FROM ${dimension}_minute
		WHERE event_type = '${event}' AND ${inRange}${key ? ` AND ${dimension} = ${key}` : ''} GROUP BY bucket ORDER BY bucket`,
	clickhouse: `SELECT toUnixTimestamp(toStartOfInterval(event_time, INTERVAL {seconds} SECOND)) AS bucket, sum(count), sum(gmv)
		FROM shop.${dimension}_minute WHERE event_type = '${event}' AND ${inRange}${key ? ` AND ${dimension} = ${key}` : ''} GROUP BY bucket ORDER BY bucket`,
});

// The best ten keys
const top = (dimension, event, by) => {
	const other = by === 'gmv' ? 'count' : 'gmv';
	const plain = schema => `SELECT ${dimension}, sum(gmv) AS g, sum(count) AS c FROM ${schema}${dimension}_minute
		WHERE event_type = '${event}' AND ${inRange} GROUP BY ${dimension} ORDER BY ${by[0]} DESC, ${other[0]} DESC, ${dimension} LIMIT 10`;

	return {
		sellometer: `SELECT key, gmv, count FROM sellometer_top('${dimension}', '${event}', '{from}+00', '{to}+00', 10, '${by}')`,
		duckdb: plain(''),
		clickhouse: plain('shop.'),
		plain: plain('sellometer.').replaceAll('{from}', '{from}+00').replaceAll('{to}', '{to}+00'),
	};
};

const total = table => `SELECT sum(count), sum(gmv) FROM ${table} WHERE event_type = 'purchase' AND ${inRange}`;
const byPlainSql = query => ({ ...query, sellometer: query.plain });

export const queries = {
	'GMV and purchases': {
		sellometer: "SELECT count, gmv FROM sellometer_total('purchase', '{from}+00', '{to}+00')",
		duckdb: total('category_l1_minute'),
		clickhouse: total('shop.category_l1_minute'),
	},
	'GMV over time': series('category_l1', 'purchase'),
	'views over time': series('category_l1', 'view'),
	'one product over time': series('product_id', 'view', "'{product}'"),
	'one brand over time': series('brand', 'purchase', "'{brand}'"),
	'top 10 products by GMV': top('product_id', 'purchase', 'gmv'),
	'top 10 products by views': top('product_id', 'view', 'count'),
	'top 10 brands by GMV': top('brand', 'purchase', 'gmv'),
	'top 10 categories by views': top('category_l2', 'view', 'count'),
	'top 10 products by GMV, plain SQL': byPlainSql(top('product_id', 'purchase', 'gmv')),
	'top 10 products by views, plain SQL': byPlainSql(top('product_id', 'view', 'count')),
};
