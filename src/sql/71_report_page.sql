/* sellometer_report(): the page around what 71_report.sql draws, its styles, and what it is made of. */

CREATE FUNCTION sellometer.report_page(body text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT $html$<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>Sellometer</title>
<style>
:root { --page: #f4f4f1; --card: #fff; --ink: #1b1d20; --soft: #585e66; --rule: #dcdcd6; --bar: #d3e9e6; --hover: #00000012;
	--gmv: #0b6e66; --view: #3b5bab; --cart: #9a5700; --remove: #8f3a64; --purchase: #0b6e66;
	--good: #17642f; --good-bg: #dff2e4; --warning: #7a4500; --warning-bg: #fdeccf; --critical: #9d1c1c; --critical-bg: #fde2e0; }
@media (prefers-color-scheme: dark) {
	:root { --page: #111417; --card: #1a1e23; --ink: #e9ebed; --soft: #a4acb5; --rule: #31373e; --bar: #1f4743; --hover: #ffffff14;
		--gmv: #4cc7bb; --view: #8fb0ff; --cart: #f0ad4e; --remove: #e69abf; --purchase: #4cc7bb;
		--good: #86dda0; --good-bg: #17351f; --warning: #f5c070; --warning-bg: #3d2c10; --critical: #ff9f97; --critical-bg: #481a18; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.45 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
	font-variant-numeric: tabular-nums; }
main, header, footer { max-width: 72rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 1.75rem; display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1rem; }
h1 { font-size: 1.5rem; letter-spacing: -.01em; margin: 0; }
header p { margin: 0; color: var(--soft); }
h2 { font-size: 1.05rem; margin: 0; } h3 { font-size: 1rem; margin: 0 0 .5rem; }
h2.apart { margin: 2rem 0 .75rem; }
.hint, footer { color: var(--soft); font-size: .875rem; }
.hint { margin: 0 0 .75rem; }
footer { padding-top: 1.5rem; padding-bottom: 2rem; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: .6rem; padding: 1rem 1.1rem; min-width: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.7rem, 1fr)); gap: .75rem; margin: 1.25rem 0 .75rem; padding: 0; }
.tiles .card { display: flex; flex-direction: column-reverse; justify-content: flex-end; }
.tiles dt { color: var(--soft); font-size: .875rem; } .tiles dd { margin: 0; font-size: 1.6rem; font-weight: 650; letter-spacing: -.02em; line-height: 1.2; }
.tiles .first dd { color: var(--gmv); }
.split { display: grid; grid-template-columns: minmax(0, 7fr) minmax(15rem, 3fr); gap: .75rem; margin-bottom: .75rem; }
.tops { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: .75rem; }
.tops section { grid-column: span 3; } .tops section:nth-child(5) { grid-column: span 6; }
.wide { margin-bottom: .75rem; }
.chart { display: grid; grid-template-columns: 3.6rem 1fr; grid-template-rows: auto 1.4rem; color: var(--gmv); }
.chart svg { width: 100%; height: 13rem; display: block; overflow: visible; }
.chart .y { display: flex; flex-direction: column; justify-content: space-between; align-items: flex-end; padding-right: .5rem; margin: -.6em 0; }
.chart .x { grid-column: 2; position: relative; } .chart .x span { position: absolute; transform: translateX(-50%); top: .3rem; white-space: nowrap; }
.chart .x, .chart .y { color: var(--soft); font-size: .8rem; }
.split .chart svg { height: 15rem; }
.kinds { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); gap: .9rem 1.25rem; }
.kinds .chart svg { height: 5.5rem; } .kinds .chart .x span:nth-child(even) { display: none; }
.kinds h3 { margin: 0 0 .6rem; font-size: .9rem; display: flex; justify-content: space-between; font-weight: 600; }
.kinds h3 span { color: var(--soft); font-weight: 400; }
.c-view { color: var(--view); } .c-cart { color: var(--cart); } .c-remove_from_cart { color: var(--remove); } .c-purchase { color: var(--purchase); }
.grid { stroke: var(--rule); stroke-width: 1; vector-effect: non-scaling-stroke; fill: none; }
.line { stroke: currentColor; stroke-width: 2; vector-effect: non-scaling-stroke; fill: none; stroke-linejoin: round; }
.open { stroke-dasharray: 2 3; } .area { fill: currentColor; opacity: .12; }
.hover rect { fill: transparent; } .hover rect:hover { fill: var(--hover); }
table { border-collapse: collapse; width: 100%; font-size: .925rem; }
th, td { padding: .32rem .4rem; text-align: left; font-weight: 400; vertical-align: baseline; }
thead th { color: var(--soft); font-size: .8rem; border-bottom: 1px solid var(--rule); }
.n { text-align: right; white-space: nowrap; }
.top { table-layout: fixed; } .rank { width: 2.1rem; } .gmv { width: 4.9rem; } .sold { width: 4.4rem; }
.top tbody th { position: relative; }
.top bdi { position: relative; display: block; padding: 0 .3rem; overflow-wrap: anywhere; line-height: 1.25; }
.bar { position: absolute; left: 0; top: .12rem; height: calc(100% - .24rem); width: 100%; } .bar rect { fill: var(--bar); }
.funnel { list-style: none; margin: 1.25rem 0 0; padding: 0; display: grid; gap: 1.6rem; }
.funnel li { display: grid; grid-template-columns: 1fr auto; align-items: baseline; gap: .1rem .5rem; color: inherit; }
.funnel .step { grid-column: 1 / 3; color: var(--soft); font-size: .875rem; }
.funnel strong { font-size: 1.35rem; font-weight: 650; letter-spacing: -.02em; color: var(--ink); } .funnel .share { color: var(--soft); font-size: .9rem; }
.track { grid-column: 1 / 3; width: 100%; height: .7rem; border-radius: .35rem; margin-top: .2rem; fill: currentColor; } .track .all { fill: var(--rule); opacity: .6; }
.funnel .c-view { color: var(--view); } .funnel .c-cart { color: var(--cart); } .funnel .c-purchase { color: var(--purchase); }
.error td { color: var(--critical); overflow-wrap: anywhere; padding-top: 0; } .stacked th { overflow-wrap: anywhere; }
.banner { margin: 1.25rem 0 .75rem; border-left: .4rem solid var(--warning); } .banner.critical { border-left-color: var(--critical); }
.banner ul { list-style: none; margin: .4rem 0 0; padding: 0; } .banner li { padding: .3rem 0; overflow-wrap: anywhere; } .help { display: block; color: var(--soft); font-size: .875rem; }
.chip { display: inline-block; border-radius: 1rem; padding: 0 .55rem; font-size: .8rem; font-weight: 600; background: var(--rule); color: var(--ink); }
.chip.good { color: var(--good); background: var(--good-bg); } .chip.warning { color: var(--warning); background: var(--warning-bg); }
.chip.critical { color: var(--critical); background: var(--critical-bg); }
.alerts { list-style: none; margin: 0; padding: 0; } .alerts li { padding: .45rem 0; border-bottom: 1px solid var(--rule); overflow-wrap: anywhere; }
.alerts li:last-child { border: 0; } .since { color: var(--soft); font-size: .85rem; } .none { color: var(--soft); margin: 0; }
details { margin-top: .75rem; } summary { cursor: pointer; color: var(--soft); font-size: .875rem; }
@media (max-width: 60rem) { .split { grid-template-columns: minmax(0, 1fr); } .tops section:nth-child(n) { grid-column: span 3; } .tops section:nth-child(n+3) { grid-column: span 6; } }
@media (max-width: 42rem) { .tops section:nth-child(n) { grid-column: span 6; } }
@media (max-width: 42rem) { .stacked thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); } .stacked tr, .stacked th, .stacked td { display: block; }
	.stacked tbody tr { padding: .3rem 0; border-bottom: 1px solid var(--rule); } .stacked tbody th { font-weight: 600; padding: .15rem 0; } .stacked td { text-align: left; padding: .1rem 0; }
	.stacked td[data-head]::before { content: attr(data-head) ": "; color: var(--soft); } }
@media (max-width: 34rem) { .chart { grid-template-columns: 2.9rem 1fr; } .chart .x span:nth-child(even) { display: none; } .card { padding: .8rem; }
	.split .chart svg { height: 10rem; } .tiles { grid-template-columns: 1fr 1fr; } .tiles .first { grid-column: span 2; }
	.rank { width: 1.7rem; } .gmv { width: 4.6rem; } .sold { width: 4.1rem; } .tiles dd { font-size: 1.35rem; } }
@media print { body { background: #fff; } .card { break-inside: avoid; } }
</style>
</head>
<body>
$html$ || body || $html$</body>
</html>
$html$
$$;
COMMENT ON FUNCTION sellometer.report_page(text) IS 'What is around the contents of sellometer_report()';

/* The numbers behind the charts, by hour, for those who can't see them or want to copy them. */
CREATE FUNCTION sellometer.report_hours(range_from timestamptz, range_to timestamptz)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($html$<details><summary>The numbers by hour</summary>
<table id="hours" class="stacked"><thead><tr><th scope="col">Hour</th><th scope="col" class="n">GMV</th><th scope="col" class="n">Views</th>
<th scope="col" class="n">Carts</th><th scope="col" class="n">Removed from cart</th><th scope="col" class="n">Purchases</th></tr></thead><tbody>%s</tbody></table></details>
$html$, string_agg(format('<tr><th scope="row">%s</th><td class="n" data-head="GMV">%s</td><td class="n" data-head="Views">%s</td><td class="n" data-head="Carts">%s</td><td class="n" data-head="Removed from cart">%s</td><td class="n" data-head="Purchases">%s</td></tr>',
		sellometer.html_time(event_time), sellometer.html_money(coalesce(gmv, 0)), sellometer.html_number(coalesce(views, 0)),
		sellometer.html_number(coalesce(carts, 0)), sellometer.html_number(coalesce(removals, 0)),
		sellometer.html_number(coalesce(purchases, 0))), E'\n' ORDER BY event_time))
	FROM (
		SELECT s.event_time, sum(s.gmv) FILTER (WHERE e = 'purchase') AS gmv, sum(s.count) FILTER (WHERE e = 'view') AS views,
			sum(s.count) FILTER (WHERE e = 'cart') AS carts, sum(s.count) FILTER (WHERE e = 'remove_from_cart') AS removals,
			sum(s.count) FILTER (WHERE e = 'purchase') AS purchases
		FROM unnest(enum_range(NULL::sellometer.event_type)) e,
			sellometer.series_of('category_l1', e::text, '{NULL}', range_from, range_to, '1 hour', true) s
		GROUP BY 1) h
$$;
COMMENT ON FUNCTION sellometer.report_hours(timestamptz, timestamptz) IS 'A table of sums by hour, for sellometer_report()';

CREATE FUNCTION sellometer.report_zone()
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN zone = 'UTC' THEN 'UTC' ELSE 'those of ' || sellometer.html(zone) END FROM sellometer.day_zone() zone
$$;
COMMENT ON FUNCTION sellometer.report_zone() IS 'Whose times those of sellometer_report() are';

CREATE FUNCTION sellometer.report_tiles(gmv numeric, views bigint, purchases bigint, events bigint, minutes numeric)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('<dl class="tiles">%s</dl>', string_agg(format('<div class="card%s"><dt>%s</dt><dd id="tile-%s">%s</dd></div>',
		CASE WHEN i = 1 THEN ' first' END, label, id, value), E'\n' ORDER BY i))
	FROM (VALUES
		(1, 'gmv', 'GMV', sellometer.html_money(gmv)),
		(2, 'purchases', 'Purchases', sellometer.html_number(purchases)),
		(3, 'price', 'Average price', sellometer.html_money(round(gmv / nullif(purchases, 0), 2))),
		(4, 'conversion', 'Purchases per 100 views', sellometer.html_number(round(purchases * 100.0 / nullif(views, 0), 2))),
		(5, 'rate', 'Events per minute', sellometer.html_number(round(events / nullif(minutes, 0), 2)))) t (i, id, label, value)
$$;
COMMENT ON FUNCTION sellometer.report_tiles(numeric, bigint, bigint, bigint, numeric) IS 'The figures on top of sellometer_report()';

CREATE FUNCTION sellometer.report_body(head timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	day_before timestamptz := date_trunc('minute', head) - interval '24 hours';
	lateness interval := sellometer.setting_length('sellometer.live_lateness', '5min');
	step interval := '5 min';
	range_from timestamptz;
	range_to timestamptz;
	minutes numeric;			-- in a bucket
	final integer;				-- buckets that are
	kinds text := '';
	gmv_chart text;
	k record;
	s record;
	totals jsonb := '{}';
	span text;
BEGIN
	SELECT min(x.event_time) INTO range_from FROM sellometer.all_totals x JOIN sellometer.tiers t ON t.name = x.tier
	WHERE t.position = 0 AND x.event_time >= day_before;
	IF range_from IS NULL THEN
		RETURN NULL;
	END IF;
	IF head - range_from < interval '4 hours' THEN
		step := '1 min';
	END IF;
	-- the bucket that the head is in has only begun: it is left out unless it is the only one
	range_from := date_bin(step, range_from, '2000-01-01 00:00+00');
	range_to := greatest(date_bin(step, head, '2000-01-01 00:00+00'), range_from + step);
	minutes := extract(epoch FROM step) / 60;
	final := greatest(extract(epoch FROM head - lateness - range_from) / extract(epoch FROM step) - 0.5, 0);

	FOR k IN SELECT * FROM (VALUES ('view', 'Views', 'views'), ('cart', 'Put in cart', 'put in cart'),
			('remove_from_cart', 'Removed from cart', 'removed'), ('purchase', 'Purchases', 'purchases')) v (e, title, what) LOOP
		SELECT array_agg(coalesce(x.count, 0) / minutes ORDER BY t) AS counts, array_agg(coalesce(x.gmv, 0) / minutes ORDER BY t) AS gmvs,
			coalesce(sum(x.count), 0) AS count, coalesce(sum(x.gmv), 0) AS gmv
		INTO s
		FROM generate_series(range_from, range_to - step, step) t
		LEFT JOIN sellometer.series_of('category_l1', k.e, '{NULL}', range_from, range_to, step) x ON x.event_time = t;
		kinds := kinds || format('<div><h3>%s<span>%s</span></h3>%s</div>', k.title, sellometer.html_number(s.count),
			sellometer.report_chart('c-' || k.e, k.title || ' per minute', k.what, range_from, step, s.counts, final));
		totals := totals || jsonb_build_object(k.e, s.count, 'gmv', s.gmv);
		gmv_chart := sellometer.report_chart('c-gmv', 'GMV per minute', 'GMV per minute', range_from, step, s.gmvs, final, true);
	END LOOP;
	span := sellometer.html_duration(range_to - range_from);

	RETURN concat(
		format('<header><h1>Sellometer</h1><p>%s: %s to %s</p></header><main>%s',
			sellometer.html_key(current_database()), sellometer.html_time(range_from), sellometer.html_time(range_to), sellometer.report_banner()),
		sellometer.report_tiles((totals ->> 'gmv')::numeric, (totals ->> 'view')::bigint, (totals ->> 'purchase')::bigint,
			(totals ->> 'view')::bigint + (totals ->> 'cart')::bigint + (totals ->> 'remove_from_cart')::bigint
			+ (totals ->> 'purchase')::bigint, extract(epoch FROM range_to - range_from) / 60),
		'<section class="card wide" id="alerts" aria-labelledby="alerts-h"><h2 id="alerts-h">Open alerts</h2>',
		sellometer.report_alerts(), '</section>',
		'<div class="split"><section class="card" aria-labelledby="gmv-h"><h2 id="gmv-h">GMV per minute</h2><p class="hint">What purchases came to, by event time',
		CASE WHEN minutes > 1 THEN format(', mean of %s minutes', minutes::integer) END,
		'. Times are ', sellometer.report_zone(), '. Dotted: may still grow by files on their way.</p>', gmv_chart, sellometer.report_hours(range_from, range_to), '</section>',
		'<section class="card" aria-labelledby="funnel-h"><h2 id="funnel-h">From view to purchase</h2><p class="hint">A view of a product counts once a session.</p>',
		sellometer.report_funnel((totals ->> 'view')::bigint, (totals ->> 'cart')::bigint, (totals ->> 'purchase')::bigint), '</section></div>',
		'<section class="card wide" aria-labelledby="events-h"><h2 id="events-h">Events per minute</h2><p class="hint">Each on its own scale; beside each name the sum of ',
		span, '. Times are ', sellometer.report_zone(), '.</p><div class="kinds">', kinds, '</div></section>',
		'<h2 class="apart">Top ten by GMV</h2><div class="tops">',
		(SELECT string_agg(sellometer.report_top(d, title, range_from, range_to), '' ORDER BY i)
			FROM (VALUES (1, 'product_id', 'Products'), (2, 'brand', 'Brands'), (3, 'category_l1', 'Categories'),
				(4, 'category_l2', 'Categories, two levels'), (5, 'category_l3', 'Categories, three levels')) v (i, d, title)),
		'</div>');
END
$$;
COMMENT ON FUNCTION sellometer.report_body(timestamptz) IS 'The sales part of sellometer_report(); NULL if there are none';

CREATE FUNCTION @extschema@.sellometer_report()
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET lc_numeric = 'C'
AS $$
	SELECT sellometer.report_page(concat(
		coalesce(sellometer.report_body(s.head), '<header><h1>Sellometer</h1><p>Nothing is loaded yet.</p></header><main>' || coalesce(sellometer.report_banner(), '')),
		'<h2 class="apart">Freshness</h2><section class="card" id="freshness" aria-label="Freshness">', sellometer.report_sources(), '</section></main>',
		'<footer>Drawn by sellometer_report() at ', sellometer.html_time(clock_timestamp()), '. All times are ', sellometer.report_zone(), '.</footer>'))
	FROM sellometer.reached s
$$;
COMMENT ON FUNCTION @extschema@.sellometer_report() IS
	'The last 24 hours as a page of HTML: psql -Atc ''SELECT sellometer_report()'' > report.html';
