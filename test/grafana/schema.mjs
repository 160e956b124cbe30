#!/usr/bin/env node
// Write schema.json, what Grafana's published types say of a dashboard, as JSON Schema; check.py holds the dashboards against it.
// Only for developers, when Grafana's types are to be taken anew:
//
//   npm install --no-save --prefix /tmp/schema @grafana/schema typescript@5 ts-json-schema-generator@2
//   node test/grafana/schema.mjs /tmp/schema
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const modules = join(process.argv[2], 'node_modules');
const raw = './node_modules/@grafana/schema/dist/types/raw';
const panel = (name, more = '') => `import type * as K from '${raw}/composable/${name}/panelcfg/x/types.gen';
export interface Schema { options: Partial<K.Options>; ${more} }`;
// what is optional in a panel's options may be left out
const types = {
	dashboard: `import type { Dashboard } from '${raw}/dashboard/x/types.gen'; export type Schema = Dashboard;`,
	stat: panel('stat'),
	timeseries: panel('timeseries', 'custom?: Partial<K.FieldConfig>;'),
	table: panel('table', 'custom?: Partial<K.FieldConfig>;'),
	bargauge: panel('bargauge')
};
const { version } = JSON.parse(readFileSync(join(modules, '@grafana/schema/package.json'), 'utf8'));
const schemas = { $comment: `Made by schema.mjs from the types in @grafana/schema ${version}, (c) Grafana Labs, Apache License 2.0` };

for (const [name, source] of Object.entries(types)) {
	writeFileSync(join(process.argv[2], `${name}.ts`), source);
	writeFileSync(join(process.argv[2], `${name}.json`), JSON.stringify({ compilerOptions: { strict: true, skipLibCheck: true,
		target: 'es2022', module: 'esnext', moduleResolution: 'bundler', noEmit: true }, files: [`${name}.ts`] }));
	const schema = execFileSync('node', [join(modules, 'ts-json-schema-generator/bin/ts-json-schema-generator.js'), '--path', `${name}.ts`,
		'--type', 'Schema', '--tsconfig', `${name}.json`, '--no-type-check'], { cwd: process.argv[2], encoding: 'utf8' });
	schemas[name] = JSON.parse(schema, (key, value) => ['description', 'deprecated'].includes(key) && typeof value !== 'object'
		? undefined : value);
}
writeFileSync(join(import.meta.dirname, 'schema.json'), JSON.stringify(schemas, null, '\t') + '\n');
