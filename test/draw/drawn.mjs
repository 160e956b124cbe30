/*
 * What is drawn, by the elements of the page: is it all there to be seen, and whole?  Yields faults, as checks.mjs does.
 */
const ROWS = 10;				// of a table, at least, if it has so many
const ROWS_NARROW = [3, 2];		// on a telephone; if they are of several lines
const WHOLE_COLUMNS = 2;		// there, without moving the table aside
const NARROW = 769;
const SLACK = 1;				// pixels by which rounded lengths may differ

/* Read off the page: for each panel its title, tables and values with their sizes. */
export const look = (page) => page.evaluate(() => {
	const box = (element) => (({ left, top, right, bottom }) => ({ left, top, right, bottom }))(element.getBoundingClientRect());
	// how much of the text is not to be seen: by how much its lines reach over the sides, and above and below
	const cut = (element) => {
		const { left, right, top, bottom } = element.getBoundingClientRect();
		const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
		const range = document.createRange();
		let wide = 0, high = 0;

		while (walker.nextNode()) {
			range.selectNodeContents(walker.currentNode);
			for (const line of range.getClientRects()) {
				wide = Math.max(wide, line.right - right, left - line.left);
				high = Math.max(high, line.bottom - bottom, top - line.top);
			}
		}
		return { text: element.textContent, wide, high };
	};
	const tableOf = (panel) => {
		const table = panel.querySelector('[role=table]');
		const body = table?.querySelector('[data-testid="data-testid table body"]');

		return table && {
			box: box(table), body: body ? box(body) : null,
			headers: [...table.querySelectorAll('[role=columnheader]')].map((header) => ({ ...cut(header.firstElementChild ?? header), box: box(header) })),
			rows: body ? [...body.querySelectorAll('[role=row]')].map((row) => ({ box: box(row), cells: [...row.querySelectorAll('[role=cell]')].map((cell) => ({ ...cut(cell), box: box(cell) })) })) : []
		};
	};

	return {
		width: document.documentElement.scrollWidth,
		panels: [...document.querySelectorAll('[data-panel]')].map((panel) => ({
			id: Number(panel.dataset.panel), box: box(panel),
			title: [...panel.querySelectorAll('h2')].map(cut)[0],
			message: panel.querySelector('.message')?.textContent,
			plots: panel.querySelectorAll('.uplot canvas').length,
			table: tableOf(panel)
		}))
	};
});

const inside = (inner, outer) => inner.left >= outer.left - SLACK && inner.right <= outer.right + SLACK;

const isWrapped = (board, id) => board.panels.find((panel) => panel.id === id).fieldConfig.overrides
	.some((one) => one.properties.some(({ value }) => value?.wrapText));

function* tableFaults(table, rows, wrapped, width) {
	const least = width < NARROW ? ROWS_NARROW[Number(wrapped)] : ROWS;
	const seen = table.rows.filter((row) => row.box.bottom <= table.body.bottom + SLACK).length;
	const whole = table.headers.filter((header) => inside(header.box, table.box));

	if (rows > 0 && seen < Math.min(least, rows)) {
		yield `${seen} of ${rows} rows are to be seen`;
	}
	if (width < NARROW && rows > 0 && whole.length < Math.min(WHOLE_COLUMNS, table.headers.length)) {
		yield `${whole.length} columns are to be seen`;
	}
	for (const { text, wide } of width < NARROW ? whole.slice(0, WHOLE_COLUMNS) : whole) {
		if (wide > SLACK) {
			yield `the head "${text}" is cut`;
		}
	}
	yield* cellFaults(table, width < NARROW ? whole : table.headers, width < NARROW ? SHORT : LONG);
}

// Numbers, ids, times and errors must be whole, and what says which thing is meant, up to a length that hardly any has.  Other texts may be
// longer than there is room for in a line, but lines must be whole.
const NUMERIC = /^[-$\d][\d.,:%$ -]*( ?[A-Za-z]{1,5})?$/;
const ERROR = /error$|what to do$/;
const NAME = /^(product|brand|category|name|key|source|procedure|tier|kind|day|step|day \(UTC\))$/;
const LONG = 40;				// characters: an id of 19 digits with another one behind it, or three levels of a category
const SHORT = 12;				// on a telephone: a name of two words

/* Of the columns whose heads are to be seen whole. */
function* cellFaults(table, heads, most) {
	const names = new Set();

	for (const { cells } of table.rows) {
		cells.forEach(({ text, wide, high }, column) => {
			const name = table.headers[column]?.text;

			if (heads.includes(table.headers[column]) && text.length > 0 && (high > SLACK && (most === LONG || text.length <= most) || wide > SLACK && (NUMERIC.test(text) || ERROR.test(name) || NAME.test(name) && text.length <= most))) {
				names.add(name);
			}
		});
	}
	for (const name of names) {
		yield `cells of "${name}" are cut`;
	}
}

/* What an on-call engineer sees at first, on whatever screen: at the top left all sources, the worst first, each with its state and its whole error. */
const SCREEN = 900;				// pixels, from the top of the dashboard

function* firstScreenFaults(seen, says) {
	const { id, table } = seen.panels.reduce((a, b) => (b.box.top < a.box.top || b.box.top === a.box.top && b.box.left < a.box.left ? b : a));
	const column = table?.headers.findIndex(({ text }) => ERROR.test(text));
	const row = table?.rows[0];
	const error = row?.cells[column];

	if (!error || !row.cells.some(({ text }) => text === 'critical')) {
		yield 'the first panel does not have the source that fails, with its error, in its first row';
		return;
	}
	const { raw } = says[id].frames[0].fields.find(({ shown }) => shown === table.headers[column].text);
	const whole = ({ text, wide, high, box }, i) => text === raw[i] && wide <= SLACK && high <= SLACK && inside(box, table.box);
	const there = table.rows.filter(({ box, cells }, i) => box.bottom <= Math.min(SCREEN, table.body.bottom + SLACK) && inside(cells[0].box, table.box) && whole(cells[column], i));

	if (error.text.length < 20 || !whole(error, 0) || row.box.bottom > SCREEN) {
		yield `the error of the source that fails is not to be seen whole on the first screen: ${error.text}`;
	}
	if (there.length < raw.length) {
		yield `${there.length} of ${raw.length} sources are to be seen whole on the first screen`;
	}
}

export function* drawnFaults(item, says, seen, width) {
	if (item.name === 'operations.json' && !item.empty) {
		yield* firstScreenFaults(seen, says);
	}
	if (seen.width > width) {
		yield `the page is ${seen.width} pixels wide, the screen ${width}`;
	}
	for (const { id, title, message, plots, table } of seen.panels) {
		const say = says[id];

		if (!say) {
			continue;
		}
		if (width >= NARROW && title && title.wide > SLACK) {
			yield `${say.title}: the title is cut`;
		}
		if (/Error/.test(message ?? '')) {
			yield `${say.title}: ${message}`;
		}
		if (say.type === 'timeseries' && plots === 0 && say.frames.some((frame) => frame.length > 0)) {
			yield `${say.title}: nothing is drawn (${message})`;
		}
		if (table) {
			for (const fault of tableFaults(table, say.frames[0].length, isWrapped(item.board, id), width)) {
				yield `${say.title}: ${fault}`;
			}
		}
	}
}
