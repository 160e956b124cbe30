// What both peers share.
import { readFileSync } from 'node:fs';

export const dimensions = ['product_id', 'brand', 'category_l1', 'category_l2', 'category_l3'];

// The statements of a file, without comments; {files} is put in.
export function readStatements(path, files) {
	return readFileSync(path, 'utf8').replace(/^--.*$/gm, '').replaceAll('{files}', files).split(/;\s*$/m)
		.map(s => s.trim()).filter(s => s !== '');
}

// Run them; each one's time goes to standard error, the sums to standard output.
export async function report(statements, run, stored = () => 0) {
	const usage = process.cpuUsage();
	const start = performance.now();
	for (const s of statements) {
		const before = performance.now();
		await run(s);
		console.error(((performance.now() - before) / 1000).toFixed(2).padStart(7), s.split('\n')[0]);
	}
	const seconds = (performance.now() - start) / 1000;
	const cpu = process.cpuUsage(usage);
	console.log(JSON.stringify({
		seconds, cpu: (cpu.user + cpu.system) / 1e6, memory_mb: process.resourceUsage().maxRSS / 1024, bytes: await stored(),
	}));
}
