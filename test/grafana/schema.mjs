#!/usr/bin/env node
// A check for developers, apart from script/test: are the dashboards of the types that Grafana publishes?
//
//   npm install --no-save --prefix /tmp/schema @grafana/schema typescript@5 && node test/grafana/schema.mjs /tmp/schema
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const modules = join(process.argv[2], 'node_modules');
const dashboards = join(import.meta.dirname, '../../grafana/dashboards');
const raw = './node_modules/@grafana/schema/dist/types/raw/composable';
const kinds = { stat: 'Stat', timeseries: 'TimeSeries', table: 'Table', bargauge: 'BarGauge' };

// In JSON an enum is its value; what is optional in a panel's options may be left out.
let source = `import type { Dashboard } from '@grafana/schema';
${Object.entries(kinds).map(([kind, name]) => `import type * as ${name} from '${raw}/${kind}/panelcfg/x/types.gen';`).join('\n')}
type Plain<T> = T extends string ? \`\${T}\` : T extends number ? \`\${T}\` extends \`\${infer N extends number}\` ? N : number
	: T extends (infer U)[] ? Plain<U>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
`;
for (const file of readdirSync(dashboards)) {
	const board = JSON.parse(readFileSync(join(dashboards, file), 'utf8'));
	const name = file.replace(/\W/g, '_');

	// the query of an annotation is the data source's own matter, and so are those of panels
	for (const annotation of board.annotations.list.filter((annotation) => annotation.target)) {
		annotation.target = { refId: annotation.target.refId, datasource: annotation.target.datasource };
	}
	source += `const ${name}: Plain<Dashboard> = ${JSON.stringify(board, null, 1)};\n`;
	for (const panel of board.panels.filter((panel) => panel.type in kinds)) {
		source += `const ${name}_${panel.id}: Partial<Plain<${kinds[panel.type]}.Options>> = ${JSON.stringify(panel.options)};\n`;
	}
}
const file = join(process.argv[2], 'dashboards.ts');
writeFileSync(file, source);
try {
	execFileSync('node', [join(modules, 'typescript/bin/tsc'), '--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022', '--module', 'esnext',
		'--moduleResolution', 'bundler', file], { stdio: 'inherit', cwd: process.argv[2] });
	console.log('the dashboards are what @grafana/schema wants');
	rmSync(file);
} catch {
	process.exit(1);
}
