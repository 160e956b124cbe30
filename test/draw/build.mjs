#!/usr/bin/env node
// build.mjs OUT: the page that draws, as OUT/page.html with its script and styles; node_modules is beside this file.
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const here = import.meta.dirname, out = process.argv[2];
const nothing = {		// editors of code, which no panel shows
	name: 'nothing',
	setup({ onResolve, onLoad }) {
		onResolve({ filter: /^(monaco-editor|react-monaco-editor)(\/|$)/ }, ({ path }) => ({ path, namespace: 'nothing' }));
		onLoad({ filter: /.*/, namespace: 'nothing' }, () => ({ contents: 'module.exports = {}' }));
	}
};

mkdirSync(out, { recursive: true });
await build({
	entryPoints: [join(here, 'page.jsx')], outfile: join(out, 'page.js'), bundle: true, minify: true, jsx: 'automatic', target: 'es2022',
	define: { 'process.env.NODE_ENV': '"production"', global: 'window' }, plugins: [nothing], logLevel: 'warning', logLimit: 20,
	// as modules of CommonJS: esbuild takes .mjs for modules of Node.js, to which the default export of others is all that they export
	alias: Object.fromEntries(['data', 'schema', 'ui'].map((name) => [`@grafana/${name}`, join(here, `node_modules/@grafana/${name}/dist/cjs/index.cjs`)])),
	loader: { '.svg': 'dataurl', '.png': 'dataurl', '.woff': 'empty', '.woff2': 'dataurl', '.ttf': 'empty' }
});
copyFileSync(join(here, 'page.html'), join(out, 'page.html'));
