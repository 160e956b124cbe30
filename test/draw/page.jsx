/*
 * A dashboard on a page, at the size and places that Grafana gives its panels.
 *
 *	window.show({ board, drawn, annotations, timeZone, from, to })	draws; resolves to what its panels say, by id
 */
import { dateTime } from '@grafana/data';
import { GlobalStyles, PanelChrome, PortalContainer, ThemeContext } from '@grafana/ui';
import { Component } from 'react';
import { createRoot } from 'react-dom/client';

import { replacer, theme } from './context.js';
import { Panel, prepare, said } from './panels.jsx';

import '@fontsource/inter/400.css';
import '@fontsource/inter/500.css';

// Grafana's grid: columns, and in pixels the height of a row and the space between panels and beside them.
const COLUMNS = 24, ROW = 30, SPACE = 8, BESIDE = 16;
const NARROW = 769;			// from here on down, panels are below each other

class Fenced extends Component {
	state = {};

	static getDerivedStateFromError(error) {
		return { error };
	}

	componentDidCatch(error) {
		console.error(`panel ${this.props.panel.title}: ${error.stack}`);
	}

	render() {
		return this.state.error ? <div className="message">{String(this.state.error)}</div> : this.props.children;
	}
}

function place({ x, y, w, h }, width) {
	if (width < NARROW) {
		return { width: width - 2 * BESIDE, height: h * ROW + (h - 1) * SPACE };
	}
	const column = (width - 2 * BESIDE - SPACE * (COLUMNS - 1)) / COLUMNS;

	return { left: BESIDE + x * (column + SPACE), top: y * (ROW + SPACE), width: w * column + (w - 1) * SPACE, height: h * ROW + (h - 1) * SPACE };
}

function Variables({ board }) {
	return <div className="variables">
		<h1>{board.title}</h1>
		{Object.values(board.variables).filter((v) => v.hide !== 2).map(({ name, label, text }) => <span key={name}><b>{label}</b><i>{text}</i></span>)}
	</div>;
}

function Board({ board, ready, replace, width }) {
	return <>
		<Variables board={board} />
		<div className={width < NARROW ? 'narrow' : 'grid'}>
			{board.panels.map((panel) => {
				const { left, top, width: w, height: h } = place(panel.gridPos, width);
				const style = width < NARROW ? { width: w, height: h, margin: `0 ${BESIDE}px ${SPACE}px` } : { left, top, width: w, height: h };
				const title = replace(panel.title, {}, 'text');

				return <div key={panel.id} className="panel" data-panel={panel.id} style={style}>
					{panel.type === 'row' ? <h2>{title}</h2> :
						<PanelChrome title={title} width={w} height={h} padding={panel.type === 'table' ? 'none' : 'md'}>
							{(innerWidth, innerHeight) => <Fenced panel={panel}>
								<Panel panel={panel} {...ready[panel.id]} width={innerWidth} height={innerHeight} />
							</Fenced>}
						</PanelChrome>}
				</div>;
			})}
		</div>
	</>;
}

// What annotations' queries gave, as marks in the colour of each.
function marksOf(board, annotations) {
	return annotations.flatMap(({ refId, columns }) => {
		const { iconColor: color } = board.annotations.list.find((one) => one.name === refId);
		const column = (name) => columns.find((c) => c.name === name)?.values ?? [];

		return column('time').map((time, i) => ({ time, end: column('timeend')[i], color }));
	});
}

let root;

window.show = async ({ board, drawn, annotations, timeZone, from, to }) => {
	const range = { from: dateTime(from), to: dateTime(to), raw: { from: dateTime(from), to: dateTime(to) } };
	const ready = {}, says = {};

	for (const panel of board.panels.filter((p) => p.type !== 'row')) {
		// a panel with a time of its own shows that
		const { results, from: own = from, to: until = to } = drawn[panel.id];
		const context = { timeZone, marks: marksOf(board, annotations), range: own === from && until === to ? range :
			{ from: dateTime(own), to: dateTime(until), raw: { from: dateTime(own), to: dateTime(until) } } };

		context.replace = replacer(board, range);
		ready[panel.id] = { frames: await prepare(panel, results, context), context };
		says[panel.id] = { title: context.replace(panel.title, {}, 'text'), type: panel.type, ...said(panel, ready[panel.id].frames, context) };
	}
	root?.unmount();
	root = createRoot(document.getElementById('page'));
	root.render(<ThemeContext.Provider value={theme}><GlobalStyles /><PortalContainer />
		<Board board={board} ready={ready} replace={replacer(board, range)} width={document.documentElement.clientWidth} /></ThemeContext.Provider>);
	await document.fonts.ready;
	await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
	return says;
};
