// Dashboards in headless Chromium, Debian's, on the page that build.mjs made.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const OPTIONS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
	'--disable-sync', '--disable-dev-shm-usage', '--hide-scrollbars', '--host-resolver-rules=MAP * ~NOTFOUND'];

export const open = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: OPTIONS });

/*
 * A page of a width (and height, as much as is seen at once) in a time zone; icons, which Grafana's server has, are left out.
 * pixels: of the screen, for each of the page
 */
export async function openPage(browser, built, { width, height = 900, timeZone = 'UTC', theme = 'dark', pixels = 1 }) {
	const context = await browser.newContext({ viewport: { width, height }, timezoneId: timeZone, locale: 'en-US', deviceScaleFactor: pixels });
	const page = await context.newPage();
	const said = [];

	page.on('pageerror', (error) => said.push(String(error)));
	page.on('console', (message) => message.type() === 'error' && !/^Failed to load resource|CORS/.test(message.text()) && said.push(message.text()));
	await page.goto(`${pathToFileURL(join(built, 'page.html'))}?theme=${theme}`);
	return {
		page,
		// what the panels say, and what the browser complained of
		async show(item) {
			said.length = 0;
			const says = await page.evaluate((one) => window.show(one), { ...item, timeZone: item.board.timezone === 'utc' ? 'UTC' : timeZone });

			return { says, complaints: [...said] };
		},
		// until nothing moves any more
		settled: () => page.evaluate(() => new Promise((done) => {
			let before = '', same = 0;
			const compare = () => {
				const now = document.getElementById('page').innerHTML;

				same = now === before ? same + 1 : 0;
				before = now;
				same < 5 ? requestAnimationFrame(compare) : done();
			};

			compare();
		})),
		close: () => context.close()
	};
}
