/*
 * What kind of thing each number, text and time on a dashboard is, by the names that people read, and how one of that kind is shown.
 * A name that no line knows is a fault: say what it is.
 */

const SCALES = { '': 1, K: 1e3, M: 1e6, B: 1e9, T: 1e12, Mil: 1e6, Bil: 1e9, Tri: 1e12 };

// The number that a text stands for, and how exactly: { sign, value, step }
function number(text, before, after) {
	const found = text.match(/^([-−]?)(\D*?)([\d,]+)(?:\.(\d+))?(.*)$/s);

	if (!found || found[2].trim() !== before) {
		return undefined;
	}
	const [, sign, , whole, fraction = '', rest] = found;
	const scale = after === undefined ? SCALES[rest.trim()] : rest.trim() === after ? 1 : undefined;

	return scale && { value: (sign ? -1 : 1) * Number(`${whole.replaceAll(',', '')}.${fraction}`) * scale, step: scale / 10 ** fraction.length };
}

const near = (shown, raw) => shown !== undefined && Math.abs(shown.value - raw) <= 0.51 * shown.step + 1e-9 * Math.abs(raw);
const exact = (shown, raw) => shown !== undefined && shown.value === raw;
const amount = (units) => new RegExp(`^-?[\\d.,]+ (${units})$`);
const local = (timeZone) => new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });

// kind -> is this text right for this value?
export const KINDS = {
	money: (text, raw) => near(number(text, '$'), raw),
	count: (text, raw) => exact(number(text, '', ''), raw),
	number: (text, raw) => near(number(text, ''), raw),
	share: (text, raw) => near(number(text, '', '%'), 100 * raw),
	text: (text, raw) => text === String(raw),
	seconds: (text) => amount('ns|µs|ms|s|min|mins|hour|hours|day|days|week|weeks|month|months|year|years').test(text),
	bytes: (text) => amount('B|KiB|MiB|GiB|TiB').test(text),
	rows: (text) => /^[\d.]+[KM]? rows\/s$/.test(text),
	time: (text, raw, { timeZone }) => text.startsWith(local(timeZone).format(raw)),
	ago: (text) => /^(in )?(a|an|\d+) \w+( ago)?$|^(in )?a few seconds( ago)?$/.test(text),
	word: (text, raw) => !/\d/.test(text) && text !== String(raw)
};

// "board type title / name" -> kind, the first that fits; times are known by their type
const NAMES = [
	[/ table .*\/ (share|of views|of previous|.* Δ%)$/, 'share'],
	[/ table .*\/ (GMV|price|GMV before|Δ GMV)$/, 'money'],
	[/ table .*\/ (number|Δ number|waiting|failed|backlog|lists|attempts|partitions|(of )?objects|rows|left)$/, 'count'],
	[/ table .*\/ (size|(of |waiting )?bytes)$/, 'bytes'],
	[/ table .*\/ (behind the clock|took|lasted|lasts|lead time)$/, 'seconds'],
	[/ table .*\/ (rows\/s|sold an hour|line)$/, 'number'],
	[/ table .*\/ (product|brand|category|name|key|kind|step|severity|state|source|detail|hint|what|reason|raw|object|column|sqlstate|task|phase|process|observed|expected|its rows)$/, 'text'],
	[/ table .*\/ (source, and its last error|what failed, and its error|the row, and its error|what it is, and what to do|error|outcome|procedure|tier|kept for|day|day \(UTC\)|compared)$/, 'text'],
	[/ stat .* vs /, 'share'],
	[/per 100 views \/ /, 'number'],
	[/^operations \w+ (Behind the clock|From arrival to table)| stat Behind the clock/, 'seconds'],
	[/ stat Data up to /, 'ago'],
	[/^operations stat Worker /, 'word'],
	[/^operations stat Waiting /, 'bytes'],
	[/^operations timeseries Rows loaded /, 'rows'],
	[/^(operations|alerts-carts) /, 'count'],
	[/ timeseries (Events per minute|.*: number of chosen )/, 'number'],
	[/^(live|sales) \w+ (Purchases \/|Number)/, 'count'],
	[/^(live|sales) (stat|timeseries) .*(GMV|price)/i, 'money'],
	[/^sales timeseries (The chosen|This week)/, 'money']
];

export function kindOf(board, { type, title }, field) {
	return field.type === 'time' ? 'time' : NAMES.find(([pattern]) => pattern.test(`${board.replace('.json', '')} ${type} ${title} / ${field.shown}`))?.[1];
}
