/*
 * What a dashboard must show, and what it must not.  Each function yields faults, as text: "panel: what is wrong".
 *
 * item: one of frames.py; says: what window.show() answers; world: { timeZone, head, outages }, times in milliseconds
 */
import { KINDS, kindOf } from './kinds.mjs';

const NOTHING = /^[-–—]?$/;
const NONSENSE = /NaN|undefined|Infinity|Invalid date|\[object|\$\{/;
const MANY_MARKS = 100;

const panelsOf = (item, says) => item.board.panels.filter((panel) => says[panel.id]).map((panel) => [panel, says[panel.id]]);
const fieldsOf = (say) => (say.frames ?? []).flatMap((frame) => frame.fields.filter((field) => !field.hidden));

function* valueFaults(name, kind, raw, text, world) {
	if (kind === undefined) {
		yield `"${name}" is of no kind that kinds.mjs knows (${text})`;
	} else if (NONSENSE.test(text) && !(typeof raw === 'string' && NONSENSE.test(raw))) {
		yield `"${name}" shows ${text}`;
	} else if (!KINDS[kind](text, raw, world)) {
		yield `"${name}" shows "${text}" for ${JSON.stringify(raw)}, which is no ${kind}`;
	}
}

function* fieldFaults(board, say, field, world) {
	const kind = kindOf(board, say, field);

	for (let i = 0; i < field.raw.length; i++) {
		if (field.raw[i] === null || field.raw[i] === undefined) {
			if (say.type === 'table' && !NOTHING.test(field.text[i])) {
				yield `an empty cell of "${field.shown}" is filled with "${field.text[i]}"`;
				return;
			}
			continue;
		}
		const faults = [...valueFaults(field.shown, kind, field.raw[i], field.text[i], world)];

		if (faults.length > 0) {
			yield* faults;
			return;
		}
	}
	yield* linkFaults(field.shown, field.links);
}

/* Does a link to Explore, if it is one, have a query there? */
function asksSomething(link) {
	const panes = new URLSearchParams(link.split('?')[1]).get('panes');

	try {
		return Object.values(JSON.parse(panes)).every((pane) => pane.queries.every((query) => /^SELECT .*sellometer_events\(/.test(query.rawSql)));
	} catch {
		return false;
	}
}

function* linkFaults(name, links) {
	for (const link of links) {
		if (NONSENSE.test(link) || !(/^(\/d\/sellometer-|https?:)/.test(link) || (/^\/explore\?/.test(link) && asksSomething(link)))) {
			yield `"${name}" leads to ${link}`;
		}
	}
}

/* Is each text right for what it stands for?  Is a word for nothing shown only where nothing is? */
export function* textFaults(item, says, world) {
	for (const [panel, say] of panelsOf(item, says)) {
		const at = (fault) => `${say.title}: ${fault}`;
		const nothing = panel.fieldConfig.defaults.noValue ?? '';

		for (const { error } of item.drawn[panel.id].results) {
			if (error) {
				yield at(error);
			}
		}
		if (NONSENSE.test(say.title)) {
			yield at('a title with a variable in it');
		}
		for (const { name, raw, text, links } of say.values ?? []) {
			if (raw === null) {
				if (text !== nothing) {
					yield at(`"${name}" shows "${text}" where nothing is`);
				}
			} else {
				for (const fault of valueFaults(name, kindOf(item.name, say, { shown: name }), raw, text, world)) {
					yield at(fault);
				}
			}
			yield* [...linkFaults(name, links)].map(at);
		}
		for (const field of fieldsOf(say)) {
			for (const fault of fieldFaults(item.name, say, field, world)) {
				yield at(fault);
			}
		}
	}
}

/* Lines that must not end or slope where nothing happens: those that count, of event times. */
const COUNTED = new Set(['money', 'count', 'number']);
const counts = (item, say) => /^(live|sales)/.test(item.name) && say.type === 'timeseries' && !/price|per 100|against/i.test(say.title) &&
	fieldsOf(say).filter((f) => f.type === 'number').every((f) => COUNTED.has(kindOf(item.name, say, f)));

const sum = (values) => (values.every((v) => v === null || v === undefined) ? null : values.reduce((a, b) => a + (b ?? 0), 0));

function* seriesFaults(times, values, world) {
	const step = Math.min(...times.slice(1).map((time, i) => time - times[i]));
	const last = times.at(-1);
	const at = new Map(times.map((time, i) => [time, values[i]]));

	if (times.some((time, i) => i > 0 && time - times[i - 1] !== step)) {
		yield 'buckets are missing';
	}
	if (last > world.head || last + 2 * step < world.head) {
		yield `ends at ${new Date(last).toISOString()}, the data at ${new Date(world.head).toISOString()}`;
	}
	for (const [begin, end] of world.outages) {
		for (let time = times[0]; time + step <= end; time += step) {
			if (time >= begin && at.get(time) !== 0) {
				yield `is ${at.get(time)} at ${new Date(time).toISOString()}, where nothing happened: it must be 0`;
				break;
			}
		}
	}
}

/* A minute, hour or day in which nothing happened is a zero, up to the newest data; beyond that nothing is known. */
export function* zeroFaults(item, says, world) {
	for (const [, say] of panelsOf(item, says).filter(([, one]) => counts(item, one))) {
		const numbers = (say.frames ?? []).flatMap((frame) => frame.fields.filter((f) => f.type === 'number'));

		if (numbers.length === 0) {
			yield `${say.title}: no line`;
			continue;
		}
		for (const frame of say.frames) {
			const time = frame.fields.find((f) => f.type === 'time');
			const lines = frame.fields.filter((f) => f.type === 'number');
			// what is not final is a line of its own, which goes on where the other ends
			const all = lines.some((f) => /not final/i.test(f.shown)) ? [{ shown: 'all', raw: time.raw.map((_, i) => sum(lines.map((f) => f.raw[i]))) }] : lines;

			for (const line of all) {
				for (const fault of seriesFaults(time.raw, line.raw, world)) {
					yield `${say.title}: "${line.shown}" ${fault}`;
				}
			}
		}
	}
}

/* Marks of alerts: where in event time they are, and not so many that nothing else is seen.  Minutes that may still change are shaded, up to the newest data. */
export function* markFaults(item, world) {
	for (const { refId, columns, error } of item.annotations) {
		const times = columns.find((c) => c.name === 'time')?.values;

		if (error || !times) {
			yield `annotation ${refId}: ${error ?? 'no time'}`;
		} else if (times.length > MANY_MARKS || times.some((time) => time < item.from || time > item.to)) {
			yield `annotation ${refId}: ${times.length} marks, from ${new Date(Math.min(...times)).toISOString()}`;
		}
	}
	if (item.name === 'live.json') {
		const { columns } = item.annotations.find(({ refId }) => refId === 'Not final') ?? { columns: [] };
		const [time, end] = ['time', 'timeend'].map((name) => columns.find((c) => c.name === name)?.values ?? []);

		if (time.length !== 1 || Math.abs(end[0] - world.head) > 1000 || !(time[0] < end[0])) {
			yield `annotation Not final: from ${time} to ${end}, the data end at ${world.head}`;
		}
	}
}
