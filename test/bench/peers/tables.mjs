// node tables.mjs ENGINE PLACE CSV: the five minute tables from the files of the directory CSV (of each dimension one, without a
// header, in the order of time) into a DuckDB database file or a directory of ClickHouse.
import { dimensions } from './common.mjs';

const [engine, place, csv] = process.argv.slice(2);
const keyType = (dimension, text, number) => (dimension === 'product_id' ? number : text);

// DuckDB keeps the smallest and greatest value of each column in each row group: the order of time lets a range skip most.
async function duckdb() {
	const { DuckDBInstance } = await import('@duckdb/node-api');
	const db = await (await DuckDBInstance.create(place)).connect();

	await db.run("CREATE TYPE event_type AS ENUM ('view', 'cart', 'remove_from_cart', 'purchase')");
	for (const d of dimensions) {
		await db.run(`CREATE TABLE ${d}_minute (event_time TIMESTAMP, event_type event_type, ${d} ${keyType(d, 'VARCHAR', 'BIGINT')},
			count INTEGER, gmv DECIMAL(18, 4))`);
		await db.run(`INSERT INTO ${d}_minute SELECT * FROM read_csv('${csv}/${d}.csv', header = false, auto_detect = false, delim = ',', quote = '"',
			timestampformat = '%Y-%m-%d %H:%M:%S', columns = {a: 'TIMESTAMP', b: 'VARCHAR', c: '${keyType(d, 'VARCHAR', 'BIGINT')}', d: 'INTEGER',
			e: 'DECIMAL(18, 4)'})`);
	}
	await db.run('CHECKPOINT');
}

// The primary key is for ranges of time, the projection for one key.
async function clickhouse() {
	const { Session } = await import('chdb');
	const db = new Session(place);

	db.query('CREATE DATABASE shop');
	for (const d of dimensions) {
		db.query(`CREATE TABLE shop.${d}_minute (event_time DateTime('UTC'), event_type Enum8('view' = 0, 'cart' = 1, 'remove_from_cart' = 2,
			'purchase' = 3), ${d} ${keyType(d, 'LowCardinality(String)', 'Int64')}, count Int32, gmv Decimal(18, 4),
			PROJECTION by_key (SELECT * ORDER BY ${d}, event_type, event_time)) ENGINE = MergeTree ORDER BY (event_type, event_time)`);
		db.query(`INSERT INTO shop.${d}_minute SELECT * FROM file('${csv}/${d}.csv', 'CSV')`);
		db.query(`OPTIMIZE TABLE shop.${d}_minute FINAL`);
	}
}

await { duckdb, clickhouse }[engine]();
process.exit(0);
