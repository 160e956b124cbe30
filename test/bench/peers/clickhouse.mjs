// node clickhouse.mjs SQL FILES WORK [OUT]: run the statements of SQL over FILES (a glob) in a session whose data are in the
// directory WORK, print seconds, CPU and memory as JSON; then write the five tables as CSV to the directory OUT.
import { Session } from 'chdb';
import { dimensions, readStatements, report } from './common.mjs';

const [sql, files, work, out] = process.argv.slice(2);
const db = new Session(work);
await report(readStatements(sql, files), s => db.query(s),
	() => Number(db.query("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'shop'", 'TSV')));
for (const d of out ? dimensions : [])
	db.query(`SELECT formatDateTime(event_time, '%Y-%m-%d %H:%i:00+00', 'UTC'), event_type, ${d}, count, gmv FROM shop.${d}_minute
		INTO OUTFILE '${out}/${d}.csv' FORMAT CSV`);
