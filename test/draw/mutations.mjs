// Things made wrong, one at a time, and what is then to be noticed.
const panelOf = (item, title) => {
	const panel = item.board.panels.find((one) => one.title === title);

	if (!panel) {
		throw new Error(`${item.name} has no panel ${title}`);
	}
	return panel;
};

// the value of a property that an override sets for a column
function override(panel, column, id, value) {
	const rule = panel.fieldConfig.overrides.find((one) => one.matcher.options === column);
	const property = rule?.properties.find((one) => one.id === id);

	if (!property) {
		throw new Error(`${panel.title} has no ${id} for ${column}`);
	}
	property.value = value;
}

const rowsWhere = (column, keep) => column.values.map((value, i) => [value, i]).filter(([value]) => keep(value)).map(([, i]) => i);

export const mutations = [
	{
		name: 'a unit that takes ids for numbers', board: 'operations.json', expected: /^Failed objects: "sqlstate" shows "[\d.]+ \w+"/,
		change: (item) => item.board.panels.find((one) => one.title === 'Failed objects' && one.type === 'table').fieldConfig.overrides
			.push({ matcher: { id: 'byName', options: 'sqlstate' }, properties: [{ id: 'unit', value: 'short' }] })
	},
	{
		name: 'a column too narrow for ids', board: 'live.json', expected: /^Top products: cells of "product" are cut/,
		change: (item) => panelOf(item, 'Top products').fieldConfig.overrides.find((one) => one.matcher.options === 'product').properties
			.push({ id: 'custom.width', value: 60 }, { id: 'custom.cellOptions', value: { type: 'auto' } })
	},
	{
		name: 'money without its currency', board: 'live.json', expected: /^GMV: "gmv" shows .* which is no money/i,
		change: (item) => { panelOf(item, 'GMV').fieldConfig.defaults.unit = 'short'; }
	},
	{
		name: 'a share a hundred times too small', board: 'sales.json', expected: /^Best twenty: "share" shows .* which is no share/,
		change: (item) => override(panelOf(item, 'Best twenty'), 'share', 'unit', 'percent')
	},
	{
		name: 'cells filled with a word for nothing', board: 'alerts-carts.json', expected: /^Open alerts: an empty cell of ".*" is filled with "No open alerts"/,
		change: (item) => { panelOf(item, 'Open alerts').fieldConfig.defaults.noValue = 'No open alerts'; }
	},
	{
		name: 'minutes of an outage that are missing', board: 'live.json', expected: /^GMV per minute: .*(missing|must be 0)/,
		change(item, { outages }) {
			const { columns } = item.drawn[panelOf(item, 'GMV per minute').id].results[0];
			const rows = rowsWhere(columns.find((c) => c.name === 'time'), (time) => !outages.some(([begin, end]) => time >= begin && time < end));

			for (const column of columns) {
				column.values = rows.map((i) => column.values[i]);
			}
		}
	},
	{
		name: 'minutes of an outage that are unknown', board: 'live.json', expected: /^GMV per minute: .* must be 0/,
		change(item, { outages }) {
			const [time, ...columns] = item.drawn[panelOf(item, 'GMV per minute').id].results[0].columns;

			for (const column of columns) {
				column.values = column.values.map((value, i) => (outages.some(([begin, end]) => time.values[i] >= begin && time.values[i] < end) ? null : value));
			}
		}
	},
	{
		name: 'zeros beyond the newest data', board: 'live.json', expected: /^GMV per minute: .* ends at/,
		change(item) {
			const [time, ...columns] = item.drawn[panelOf(item, 'GMV per minute').id].results[0].columns;

			for (let i = 0; i < 10; i++) {
				time.values.push(time.values.at(-1) + 60000);
				columns.forEach((column) => column.values.push(0));
			}
		}
	},
	{
		name: 'a number that is none', board: 'live.json', expected: /^Sold per 100 views: .* shows "NaN"/,
		change(item) {
			const { columns } = item.drawn[panelOf(item, 'Sold per 100 views').id].results[0];

			columns.at(-1).values = columns.at(-1).values.map(() => 'NaN');
		}
	},
	{
		name: 'a table too low for ten rows', board: 'live.json', expected: /^Top products: \d of 10 rows/,
		change: (item) => { panelOf(item, 'Top products').gridPos.h = 9; }
	},
	{
		name: 'a panel too narrow for its title', board: 'live.json', expected: /: the title is cut/,
		change: (item) => { panelOf(item, 'Sold per 100 views').gridPos.w = 2; }
	},
	{
		name: 'a column too narrow for its numbers', board: 'live.json', expected: /^Top products: cells of "price" are cut/,
		change: (item) => panelOf(item, 'Top products').fieldConfig.overrides.find((one) => one.matcher.options === 'price').properties
			.push({ id: 'custom.width', value: 40 })
	},
	{
		name: 'a name that is cut on a telephone', board: 'sales.json', expected: /^Today so far: cells of "day" are cut/, width: 390,
		change: (item) => override(panelOf(item, 'Today so far'), 'day', 'custom.minWidth', 50)
	},
	{
		name: 'an error that is cut', board: 'operations.json', expected: /^the error of the source that fails is not to be seen whole/,
		change: (item) => override(panelOf(item, 'Sources'), 'source, and its last error', 'custom.cellOptions', { type: 'auto' })
	},
	{
		name: 'an error that is to the right of what is seen', board: 'operations.json', expected: /^the error of the source that fails is not to be seen whole/, width: 390,
		change: (item) => override(panelOf(item, 'Sources'), 'state', 'custom.width', 300)
	},
	{
		name: 'a source that is not on the first screen', board: 'operations.json', expected: /^[01] of 2 sources are to be seen/,
		change: (item) => { panelOf(item, 'Sources').gridPos.h = 4; }
	},
	{
		name: 'a first screen without the source that fails', board: 'operations.json', expected: /^the first panel does not have the source that fails/,
		change: (item) => { [panelOf(item, 'Sources'), panelOf(item, 'Runs')].reduce((a, b) => ([a.gridPos, b.gridPos] = [b.gridPos, a.gridPos])); }
	},
	{
		name: 'a wall of marks', board: 'live.json', expected: /^annotation .*: 500 marks/,
		change(item) {
			const { columns } = item.annotations.find((one) => one.refId === 'Alerts: critical');

			columns.find((c) => c.name === 'time').values = new Array(500).fill(item.to);
		}
	},
	{
		name: 'minutes that may still change without a shade', board: 'live.json', expected: /^annotation Not final: /,
		change(item) {
			const shade = item.annotations.find((one) => one.refId === 'Not final');

			shade.columns = shade.columns.filter((c) => c.name !== 'timeend');
		}
	},
	{
		name: 'a link to nowhere', board: 'live.json', expected: /^Top brands: "brand" leads to .*\$\{nothing/,
		change: (item) => { panelOf(item, 'Top brands').fieldConfig.overrides.find((one) => one.matcher.options === 'brand').properties
			.find((one) => one.id === 'links').value[0].url += '&${nothing:queryparam}'; }
	}
];
