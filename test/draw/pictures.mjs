#!/usr/bin/env node
// pictures.mjs BUILT DIR FRAMES: the first screen of each dashboard that frames.py wrote, as DIR/NAME-THEME-WIDTH.png.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { open, openPage } from './browser.mjs';

const [built, directory, framesFile] = process.argv.slice(2);
const browser = await open();

for (const [width, height, theme] of [[1600, 1060, 'dark'], [1600, 1060, 'light'], [390, 1060, 'dark']]) {
	const page = await openPage(browser, built, { width, height, theme });

	for (const item of JSON.parse(readFileSync(framesFile, 'utf8'))) {
		const { complaints } = await page.show(item);

		if (complaints.length > 0) {
			throw new Error(`${item.name}: ${complaints.join('\n')}`);
		}
		await page.settled();
		await page.page.screenshot({ path: join(directory, `${item.name.replace('.json', '')}-${theme}-${width}.png`) });
	}
	await page.close();
}
await browser.close();
