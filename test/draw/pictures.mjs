#!/usr/bin/env node
// pictures.mjs BUILT DIR FRAMES REPORT: the first screen of each dashboard that frames.py wrote, on a telephone the first three, as
// DIR/NAME-THEME-WIDTH.png; likewise the report, a page of HTML.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { open, openPage } from './browser.mjs';

const [built, directory, framesFile, reportFile] = process.argv.slice(2);
const browser = await open();

for (const [width, height, theme] of [[1600, 1060, 'dark'], [1600, 1060, 'light'], [390, 2400, 'dark']]) {
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
for (const [width, height, colorScheme] of [[1100, 2520, 'light'], [1100, 2520, 'dark'], [390, 2400, 'light']]) {
	const context = await browser.newContext({ viewport: { width, height }, colorScheme, locale: 'en-US' });
	const page = await context.newPage();

	await page.goto(String(pathToFileURL(reportFile)));
	await page.screenshot({ path: join(directory, `report-${colorScheme}-${width}.png`) });
	await context.close();
}
await browser.close();
