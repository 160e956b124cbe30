/*
 * A panel of a dashboard, from its queries' results to what a person sees: fields by @grafana/data, drawn by @grafana/ui.
 * The few lines between the two that are the Grafana application's own are written here as it behaves.
 */
import {
	applyFieldOverrides, FieldType, formattedValueToString, getDisplayProcessor, getDisplayValueAlignmentFactors, getFieldDisplayName,
	getFieldDisplayValues, transformDataFrame
} from '@grafana/data';
import { BarGauge, BigValue, Table, TimeSeries, VizRepeater } from '@grafana/ui';
import { useLayoutEffect } from 'react';
import { firstValueFrom } from 'rxjs';

import { optionsOf, theme } from './context.js';
import { toFrame } from './source.js';

/* Frames as the panel gets them: transformed, with the dashboard's options applied. */
export async function prepare(panel, results, { timeZone, replace }) {
	const frames = await firstValueFrom(transformDataFrame(panel.transformations ?? [], results.map(toFrame), { interpolate: replace }));

	return applyFieldOverrides({ data: frames, fieldConfig: panel.fieldConfig, fieldConfigRegistry: optionsOf(panel.fieldConfig),
		replaceVariables: replace, theme, timeZone });
}

const values = (panel, frames, { timeZone, replace }) => getFieldDisplayValues({ fieldConfig: panel.fieldConfig,
	reduceOptions: panel.options.reduceOptions, replaceVariables: replace, theme, timeZone, data: frames, sparkline: panel.options.graphMode !== 'none' });

/* What a panel says, as text.  cells: { name, type, raw: [...], text: [...], links } for each field; values: of a stat or gauge. */
export function said(panel, frames, context) {
	if (panel.type === 'stat' || panel.type === 'bargauge') {
		const none = frames.every((frame) => frame.length === 0);

		return { values: values(panel, frames, context).map(({ display, name, hasLinks, getLinks }) => ({ name: display.title ?? name,
			text: formattedValueToString(display), raw: none || Number.isNaN(display.numeric) ? null : display.numeric,
			links: hasLinks ? getLinks({}).map((link) => link.href) : [] })) };
	}
	return { frames: frames.map((frame) => ({ refId: frame.refId, length: frame.length, fields: frame.fields.map((field) => ({
		name: field.name, shown: getFieldDisplayName(field, frame, frames), type: field.type, raw: [...field.values],
		text: [...field.values].map((value) => formattedValueToString(field.display(value))),
		hidden: Boolean(field.config.custom?.hidden || field.config.custom?.hideFrom?.viz),
		links: frame.length > 0 && (field.values[0] ?? null) !== null ? field.getLinks({ valueRowIndex: 0 }).map((link) => link.href) : []
	})) })) };
}

const alignment = (shown) => getDisplayValueAlignmentFactors(shown);

function Stat({ panel, frames, width, height, context }) {
	const { options } = panel;

	return <VizRepeater getValues={() => values(panel, frames, context)} getAlignmentFactors={alignment} source={frames} width={width} height={height} itemSpacing={3} renderCounter={0}
		autoGrid={true} orientation={options.orientation} renderValue={({ value, width, height, alignmentFactors, count }) =>
			<BigValue value={value.display} count={count} sparkline={value.sparkline} colorMode={options.colorMode} graphMode={options.graphMode}
				justifyMode={options.justifyMode} textMode={options.textMode} alignmentFactors={alignmentFactors} text={options.text} width={width}
				height={height} theme={theme} wideLayout={options.wideLayout} />} />;
}

function Gauge({ panel, frames, width, height, context }) {
	const { options } = panel;

	return <VizRepeater getValues={() => values(panel, frames, context)} getAlignmentFactors={alignment} source={frames} width={width} height={height} renderCounter={0}
		orientation={options.orientation} itemSpacing={8} minVizWidth={options.minVizWidth} minVizHeight={options.minVizHeight}
		maxVizHeight={options.maxVizHeight} renderValue={({ value, width, height, orientation, alignmentFactors }) =>
			<BarGauge value={value.display} field={value.field} display={value.view?.getFieldDisplayProcessor(value.colIndex) ?? getDisplayProcessor({ field: { config: value.field }, theme })}
				width={width} height={height} orientation={orientation} alignmentFactors={alignmentFactors} theme={theme} text={options.text}
				itemSpacing={8} displayMode={options.displayMode} showUnfilled={options.showUnfilled} valueDisplayMode={options.valueMode}
				namePlacement={options.namePlacement} />} />;
}

const Message = ({ panel, height }) => <div className="message" style={{ height }}>{panel.fieldConfig.defaults.noValue || 'No data'}</div>;

function TableOf({ panel, frames, width, height, context }) {
	const { options } = panel;
	const frame = frames[options.frameIndex ?? 0];

	if (!frame || frame.fields.length === 0) {
		return <Message panel={panel} height={height} />;
	}
	return <Table data={frame} width={width} height={height} noHeader={!options.showHeader} resizable={true} cellHeight={options.cellHeight}
		initialSortBy={options.sortBy} footerOptions={options.footer} enablePagination={options.footer?.enablePagination} timeRange={context.range}
		fieldConfig={panel.fieldConfig} replaceVariables={context.replace} />;
}

/* Numbers in place of null, if that is what noValue is. */
function filled(frame) {
	return { ...frame, fields: frame.fields.map((field) => {
		const fill = parseFloat(field.config.noValue);

		return field.type !== FieldType.number || Number.isNaN(fill) ? field : { ...field, values: field.values.map((v) => v ?? fill) };
	}) };
}

function Lines({ panel, frames, width, height, context }) {
	const graphable = frames.filter((f) => f.length > 0 && f.fields.some((x) => x.type === FieldType.time) && f.fields.some((x) => x.type === FieldType.number))
		.map(filled);

	if (graphable.length === 0) {
		return <Message panel={panel} height={height} />;
	}
	return <TimeSeries frames={graphable} structureRev={1} timeRange={context.range} timeZone={context.timeZone} width={width} height={height}
		legend={panel.options.legend} options={panel.options} replaceVariables={context.replace}>
		{(config) => <Marks config={config} marks={context.marks} />}
	</TimeSeries>;
}

/* Marks of annotations: a line where one begins, a shade as long as it lasts. */
function Marks({ config, marks }) {
	useLayoutEffect(() => {
		config.addHook('draw', (plot) => {
			const { ctx, bbox } = plot;

			ctx.save();
			ctx.lineWidth = 1;
			for (const { time, end, color } of marks) {
				const x = plot.valToPos(time, 'x', true);

				ctx.strokeStyle = ctx.fillStyle = theme.visualization.getColorByName(color);
				ctx.globalAlpha = 0.1;
				ctx.fillRect(x, bbox.top, end ? plot.valToPos(end, 'x', true) - x : 0, bbox.height);
				ctx.globalAlpha = 1;
				ctx.setLineDash([5, 5]);
				ctx.beginPath();
				ctx.moveTo(x, bbox.top);
				ctx.lineTo(x, bbox.top + bbox.height);
				ctx.stroke();
			}
			ctx.restore();
		});
	}, [config, marks]);
	return null;
}

const KINDS = { stat: Stat, bargauge: Gauge, table: TableOf, timeseries: Lines };

export function Panel(props) {
	const Kind = KINDS[props.panel.type];

	return <Kind {...props} />;
}
