/*
 * What Grafana's PostgreSQL data source makes of a query's result: data frames.
 *
 * A result is { refId, format, columns: [{ name, type, values }], error }, as frames.py writes it: numbers as numbers, times as
 * milliseconds, all else as text.
 */
import { FieldType, toDataFrame } from '@grafana/data';

const NUMBERS = new Set(['smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision']);
const TIMES = new Set(['timestamp with time zone', 'timestamp without time zone', 'date']);

// A number in a column of this name is a time too: seconds, or milliseconds if there are so many of them.
const TIME_COLUMNS = new Set(['time', 'timeend']);
const SECONDS_MOST = 1e11;

function field({ name, type, values }) {
	const base = type.replace(/\(.*\)/, '');

	if (TIMES.has(base)) {
		return { name, type: FieldType.time, values, config: {} };
	}
	if (NUMBERS.has(base) && TIME_COLUMNS.has(name)) {
		return { name, type: FieldType.time, values: values.map((v) => (v === null || v > SECONDS_MOST ? v : v * 1000)), config: {} };
	}
	if (NUMBERS.has(base)) {
		return { name, type: FieldType.number, values, config: {} };
	}
	return { name, type: base === 'boolean' ? FieldType.boolean : FieldType.string, values, config: {} };
}

/*
 * A time series with columns of text is long: they tell its series apart.  Wide it has a field for each series and column of
 * numbers, and null where a series has no value at a time that another has.
 */
function wide(fields, refId) {
	const time = fields.find((f) => f.type === FieldType.time);
	const labels = fields.filter((f) => f.type === FieldType.string);
	const values = fields.filter((f) => f.type === FieldType.number || f.type === FieldType.boolean);

	if (!time) {
		throw new Error(`a series without a time: ${fields.map((f) => f.name)}`);
	}
	if (labels.length === 0) {
		return toDataFrame({ refId, fields });
	}
	const times = [...new Set(time.values)].sort((a, b) => a - b);
	const at = new Map(times.map((t, i) => [t, i]));
	const series = new Map();

	time.values.forEach((t, row) => {
		const set = Object.fromEntries(labels.map((l) => [l.name, l.values[row] ?? '']));

		for (const value of values) {
			const id = JSON.stringify([value.name, set]);

			if (!series.has(id)) {
				series.set(id, named({ ...value, labels: set, values: new Array(times.length).fill(null), config: {} }, values.length));
			}
			series.get(id).values[at.get(t)] = value.values[row];
		}
	});
	return toDataFrame({ refId, fields: [{ ...time, values: times }, ...series.values()] });
}

// A column "metric" names the series; before the column's name, if there are several of numbers.
function named(one, columns) {
	const { metric, ...others } = one.labels;

	if (metric === undefined) {
		return one;
	}
	return { ...one, name: columns > 1 ? `${metric} ${one.name}` : metric, labels: Object.keys(others).length > 0 ? others : undefined };
}

export function toFrame({ refId, format, columns }) {
	const fields = columns.map(field);
	const frame = format === 'time_series' ? wide(fields, refId) : toDataFrame({ refId, fields });

	frame.refId = refId;
	return frame;
}
