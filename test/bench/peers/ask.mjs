// node ask.mjs ENGINE PLACE RUNS PARAMETERS [QUERY]: ask the queries of queries.mjs, or one of them; print of each its name, the
// median of its time in ms and what it gave, with tabs between.
//
// ENGINE: sellometer (PLACE: a database for psql), duckdb (a file), clickhouse (a directory).  RUNS: how often each is asked after
// a first time that does not count; 0: the first time alone counts.  PARAMETERS: JSON, what stands for {from} and the like.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { queries } from './queries.mjs';

const [engine, place, runs, parameters, only] = process.argv.slice(2);

// Each opens what is there and returns a function: SQL => [rows, ms].
const open = {
	async duckdb() {
		const { DuckDBInstance } = await import('@duckdb/node-api');
		const db = await (await DuckDBInstance.create(place, { access_mode: 'READ_ONLY' })).connect();

		return timed(async sql => (await db.runAndReadAll(sql)).getRowsJson());
	},
	async clickhouse() {
		const { Session } = await import('chdb');
		const db = new Session(place);

		return timed(async sql => db.query(sql, 'JSONCompactStringsEachRow').split('\n').filter(line => line !== '').map(line => JSON.parse(line)));
	},
	async sellometer() {
		const psql = spawn('psql', ['-XqAt', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-d', place], { stdio: ['pipe', 'pipe', 'inherit'] });
		const lines = createInterface({ input: psql.stdout })[Symbol.asyncIterator]();
		const ask = async sql => {
			const rows = [];

			psql.stdin.write(`${sql};\n\\echo end\n`);
			for (;;) {
				const { value, done } = await lines.next();

				if (done) throw new Error(`psql ended: ${sql}`);
				if (value === 'end') return rows;
				rows.push(value.split('\t'));
			}
		};

		await ask('SELECT 1');		// a session is there
		return timed(ask);
	},
};

const timed = ask => async sql => {
	const start = performance.now();
	const rows = await ask(sql);

	return [rows, performance.now() - start];
};

// Numbers as all engines write them
const plain = value => (/^-?\d+\.\d+$/.test(value) ? value.replace(/\.?0+$/, '') : String(value));
const median = values => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

const ask = await open[engine]();
for (const [name, query] of Object.entries(queries)) {
	if (only !== undefined && name !== only) continue;
	const sql = Object.entries(JSON.parse(parameters)).reduce((s, [key, value]) => s.replaceAll(`{${key}}`, value), query[engine]);
	const [rows, first] = await ask(sql);
	const times = [];

	while (times.length < Number(runs)) times.push((await ask(sql))[1]);
	console.log([name, (times.length > 0 ? median(times) : first).toFixed(2), rows.map(row => row.map(plain).join(',')).join(';')].join('\t'));
}
process.exit(0);
