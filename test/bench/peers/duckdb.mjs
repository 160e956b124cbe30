// node duckdb.mjs SQL FILES [OUT]: run the statements of SQL over FILES (a glob), print seconds, CPU and memory as JSON; then
// write the five tables as CSV to the directory OUT.
import { DuckDBInstance } from '@duckdb/node-api';
import { dimensions, readStatements, report } from './common.mjs';

const [sql, files, out] = process.argv.slice(2);
const db = await (await DuckDBInstance.create(':memory:')).connect();
await report(readStatements(sql, files), s => db.run(s));
for (const d of out ? dimensions : [])
	await db.run(`COPY (SELECT strftime(event_time, '%Y-%m-%d %H:%M:00+00'), event_type, ${d}, count, gmv FROM ${d}_minute)
		TO '${out}/${d}.csv' (HEADER false)`);
