/*
 * What the Grafana application gives its packages: which options a field has, variables in text, transformations, the theme.
 */
import {
	booleanOverrideProcessor, createTheme, dataLinksOverrideProcessor, displayNameOverrideProcessor, identityOverrideProcessor,
	locationUtil, numberOverrideProcessor, Registry, standardTransformers, standardTransformersRegistry, stringOverrideProcessor,
	thresholdsOverrideProcessor, unitOverrideProcessor, valueMappingsOverrideProcessor
} from '@grafana/data';

export const theme = createTheme({ colors: { mode: new URLSearchParams(location.search).get('theme') ?? 'dark' } });

standardTransformersRegistry.setInit(() => Object.values(standardTransformers).map((one) => ({
	id: one.id, name: one.name, transformation: one, editor: () => null
})));
locationUtil.initialize({ config: { appSubUrl: '' }, getVariablesUrlParams: () => ({}), getTimeRangeForUrl: () => ({}) });

const STANDARD = {
	displayName: displayNameOverrideProcessor, unit: unitOverrideProcessor, min: numberOverrideProcessor, max: numberOverrideProcessor,
	decimals: numberOverrideProcessor, noValue: stringOverrideProcessor, mappings: valueMappingsOverrideProcessor,
	thresholds: thresholdsOverrideProcessor, links: dataLinksOverrideProcessor, color: identityOverrideProcessor,
	fieldMinMax: booleanOverrideProcessor, filterable: booleanOverrideProcessor, description: identityOverrideProcessor,
	actions: identityOverrideProcessor
};

function option(id, path, process, isCustom) {
	return { id, path, name: id, isCustom, process, shouldApply: () => true, override: () => null, editor: () => null, getItemsCount: () => 0 };
}

/* The options of a panel's fields: those that all have, and its own, whichever the dashboard uses. */
export function optionsOf({ defaults, overrides }) {
	const own = new Set(Object.keys(defaults.custom ?? {}));

	for (const { id } of overrides.flatMap((override) => override.properties)) {
		if (id.startsWith('custom.')) {
			own.add(id.slice('custom.'.length));
		} else if (!(id in STANDARD)) {
			throw new Error(`there is no option ${id}`);
		}
	}
	return new Registry(() => [
		...Object.entries(STANDARD).map(([id, process]) => option(id, id, process, false)),
		...[...own].map((path) => option(`custom.${path}`, path, identityOverrideProcessor, true))
	]);
}

const FORMATS = {
	percentencode: (values) => values.map(encodeURIComponent).join(','),
	uriencode: (values) => values.map(encodeURI).join(','),
	raw: (values) => values.join(','),
	text: (values, variable) => variable?.text ?? values.join(' + '),
	queryparam: (values, variable) => values.map((v) => `var-${variable.name}=${encodeURIComponent(v)}`).join('&')
};

/* Variables in titles and links: ${name}, ${name:format}, $name, and what a link knows of the cell that it is in. */
export function replacer(board, range) {
	return (text, scoped = {}, format = 'raw') => {
		const replaced = (whole, name, path, asked) => {
			const found = lookUp(board, range, scoped, name, path);

			if (found === undefined) {
				return whole;
			}
			return typeof found === 'string' ? found : FORMATS[asked ?? (typeof format === 'string' ? format : 'raw')](found.values, found.variable);
		};

		return String(text)
			.replace(/\$\{(\w+)((?:\.\w+|\["[^"]*"\])*)(?::(\w+))?\}/g, replaced)
			.replace(/\$(\w+)/g, (whole, name) => replaced(whole, name));
	};
}

function lookUp(board, range, scoped, name, path) {
	const context = scoped.__dataContext?.value;

	if (name === '__url_time_range') {
		return `from=${range.from.valueOf()}&to=${range.to.valueOf()}`;
	}
	if (name === '__value' && context) {
		const value = context.rowIndex === undefined ? context.calculatedValue?.numeric : context.field.values[context.rowIndex];

		return { values: [path === '.text' ? context.field.display(value).text : value ?? ''] };
	}
	if (name === '__data' && context) {
		const wanted = path.replace(/^\.fields\.?/, '').replace(/^\["(.*)"\]$/, '$1');
		const field = context.frame.fields.find((f) => f.name === wanted);

		return { values: [field ? field.values[context.rowIndex] ?? '' : `no field ${wanted}`] };
	}
	const variable = board.variables[name];

	return variable && { values: [variable.value].flat(), variable };
}
