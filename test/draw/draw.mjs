#!/usr/bin/env node
// draw.mjs BUILT WORLD FRAMES...: draw what frames.py wrote, and hold it against checks.mjs and drawn.mjs.  Prints TAP.
//
// BUILT: where build.mjs put the page.  WORLD: { head, outages } as JSON, times in milliseconds.
import { readFileSync } from 'node:fs';

import { open, openPage } from './browser.mjs';
import { markFaults, textFaults, zeroFaults } from './checks.mjs';
import { drawnFaults, look } from './drawn.mjs';
import { mutations } from './mutations.mjs';
import { Tap } from './tap.mjs';

const WIDTHS = [1600, 1280, 390];
const ZONES = ['UTC', 'America/New_York', 'Asia/Kolkata'];

const read = (file) => JSON.parse(readFileSync(file, 'utf8'));
const [built, worldFile, ...frames] = process.argv.slice(2);
const world = read(worldFile);
const items = frames.flatMap(read);
const tap = new Tap();
const browser = await open();

// a dashboard can have a zone of its own
const zoneOf = (item, viewer) => (item.board.timezone === 'utc' ? 'UTC' : viewer);
const faultsOf = (item, says, complaints, where) => [...complaints, ...textFaults(item, says, where),
	...(item.empty ? [] : [...zeroFaults(item, says, where), ...markFaults(item, where)])];

async function texts(timeZone, chosen) {
	const page = await openPage(browser, built, { width: WIDTHS[0], timeZone });

	for (const item of chosen) {
		const { says, complaints } = await page.show(item);
		const faults = faultsOf(item, says, complaints, { ...world, timeZone: zoneOf(item, timeZone) });

		tap.ok(faults, `${item.name}, ${item.range}, variables: ${item.setting}, ${timeZone}${item.empty ? ', no data' : ''}: what is said`);
	}
	await page.close();
}

async function drawings(width, chosen) {
	const page = await openPage(browser, built, { width });

	for (const item of chosen) {
		const { says, complaints } = await page.show(item);

		await page.settled();
		tap.ok([...complaints, ...drawnFaults(item, says, await look(page.page), width)], `${item.name} at ${width} pixels${item.empty ? ', no data' : ''}${item.setting === 'All' ? '' : `, variables: ${item.setting}`}: what is drawn`);
	}
	await page.close();
}

// What is wrong must be noticed: each dashboard with one thing made wrong.
async function tried(byName) {
	const pages = new Map();
	const where = { ...world, timeZone: 'UTC' };

	for (const { name, board, change, expected, width = WIDTHS[0] } of mutations) {
		const item = structuredClone(byName(board));
		const page = pages.get(width) ?? await openPage(browser, built, { width });

		pages.set(width, page);

		change(item, world);
		const { says, complaints } = await page.show(item);

		await page.settled();
		const faults = [...faultsOf(item, says, complaints, where), ...drawnFaults(item, says, await look(page.page), width)];

		tap.ok(faults.some((fault) => expected.test(fault)) ? [] : [`nothing like ${expected} among:`, ...faults], `noticed: ${name}`);
	}
	for (const page of pages.values()) {
		await page.close();
	}
}

const asOpened = items.filter((item) => item.range === 'default' && item.setting === 'All');

await texts('UTC', items);
for (const zone of ZONES.slice(1)) {
	await texts(zone, asOpened.filter((item) => !item.empty));
}
for (const width of WIDTHS) {
	await drawings(width, asOpened);
}
// with other dimensions, and some things chosen
await drawings(1280, items.filter((item) => item.setting !== 'All'));
await tried((board) => asOpened.find((item) => item.name === board && !item.empty));
await browser.close();
tap.end();
