/*
 * sellometer_report(): the live tables as one HTML page, with inline SVG, without scripts or anything from the network.
 *
 * Charts are stretched to the page's width, so what is text in them (axes) is HTML beside the SVG.  Exact numbers stand in
 * <data value="...">.  All text that comes from data goes through sellometer.html().
 */

CREATE FUNCTION sellometer.html(value text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT replace(replace(replace(replace(replace(sellometer.shown(value),
		'&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;')
$$;
COMMENT ON FUNCTION sellometer.html(text) IS 'Text as HTML, fit for content and for quoted attributes';

/* A name from the data: told apart from the text around it whatever its direction of writing, and cut if long. */
CREATE FUNCTION sellometer.html_key(key text, label text DEFAULT NULL)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('<bdi title="%s">%s</bdi>', sellometer.html(left(key, 1000)), replace(sellometer.html(CASE WHEN length(l) <= 200 THEN l ELSE left(l, 199) || '~' END), '.', '.<wbr>'))
	FROM (SELECT coalesce(label, key) AS l) x
	WHERE key IS NOT NULL
$$;
COMMENT ON FUNCTION sellometer.html_key(text, text) IS 'A key as HTML, by a name for people; its title is the key itself';

/* To three digits: 382.67 million is "383 M". */
CREATE FUNCTION sellometer.short_number(n numeric)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET lc_numeric = 'C'
AS $$
DECLARE
	shown numeric := n;
	suffix text := '';
	s text;
BEGIN
	IF abs(n) < 9999.5 THEN
		RETURN to_char(n, CASE WHEN n = round(n) OR abs(n) >= 999.5 THEN 'FM9,990' ELSE 'FM9,990.00' END);
	END IF;
	FOREACH s IN ARRAY ARRAY['K', 'M', 'G', 'T'] LOOP
		EXIT WHEN abs(shown) < 999.5;
		shown := shown / 1000;
		suffix := s;
	END LOOP;
	RETURN to_char(shown, CASE WHEN abs(shown) < 9.995 THEN 'FM0.00' WHEN abs(shown) < 99.95 THEN 'FM00.0'
		ELSE 'FM999,999,990' END) || ' ' || suffix;
END
$$;
COMMENT ON FUNCTION sellometer.short_number(numeric) IS 'A number as people read it';

CREATE FUNCTION sellometer.axis_number(n numeric)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT regexp_replace(regexp_replace(sellometer.short_number(n), E'(\\.\\d*?)0+( |$)', E'\\1\\2'), E'\\.( |$)', E'\\1')
$$;
COMMENT ON FUNCTION sellometer.axis_number(numeric) IS 'A round number as people read it';

CREATE FUNCTION sellometer.html_number(n numeric)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN n IS NULL THEN '&ndash;'
		ELSE format('<data value="%s">%s</data>', n, replace(sellometer.short_number(n), ' ', '&nbsp;')) END
$$;
COMMENT ON FUNCTION sellometer.html_number(numeric) IS 'A number as HTML, with its exact value beside it';

/* sellometer.currency is a code of ISO 4217 or whatever stands before an amount. */
/* Bytes of UTF-8: U&'' is an error with standard_conforming_strings off, and where the encoding is SQL_ASCII. */
CREATE FUNCTION sellometer.currency_sign()
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(k.sign, c.code || CASE WHEN c.code ~ '[A-Za-z]$' OR length(c.code) > 1 AND c.code !~ '[$]$' THEN E'\xC2\xA0' ELSE '' END)
	FROM (SELECT coalesce(current_setting('sellometer.currency', true), 'USD')) c (code)
	LEFT JOIN (VALUES ('USD', '$'), ('EUR', E'\xE2\x82\xAC'), ('GBP', E'\xC2\xA3'), ('JPY', E'\xC2\xA5'), ('CNY', E'CN\xC2\xA5'), ('INR', E'\xE2\x82\xB9'), ('KRW', E'\xE2\x82\xA9'),
		('RUB', E'\xE2\x82\xBD'), ('UAH', E'\xE2\x82\xB4'), ('TRY', E'\xE2\x82\xBA'), ('ILS', E'\xE2\x82\xAA'), ('VND', E'\xE2\x82\xAB'), ('BRL', 'R$'), ('CAD', 'CA$'), ('AUD', 'A$')) k (code, sign)
		ON k.code = upper(c.code)
$$;
COMMENT ON FUNCTION sellometer.currency_sign() IS 'What stands before an amount of money, by sellometer.currency';

CREATE FUNCTION sellometer.short_money(n numeric, round boolean DEFAULT false)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN n < 0 THEN E'\xE2\x88\x92' ELSE '' END || sellometer.currency_sign()
		|| replace(CASE WHEN round THEN sellometer.axis_number(abs(n)) ELSE sellometer.short_number(abs(n)) END, ' ', '')
$$;
COMMENT ON FUNCTION sellometer.short_money(numeric, boolean) IS 'An amount of money as people read it: sign, currency, number; round: a round one';

CREATE FUNCTION sellometer.html_money(n numeric)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN n IS NULL THEN '&ndash;'
		ELSE format('<data value="%s">%s</data>', n, sellometer.html(sellometer.short_money(n))) END
$$;
COMMENT ON FUNCTION sellometer.html_money(numeric) IS 'An amount of money as HTML, with its exact value beside it';

/* How far it is from UTC stands behind it: an hour that comes twice is told apart. */
CREATE FUNCTION sellometer.report_clock(t timestamptz, zone text, form text)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT to_char(t AT TIME ZONE zone, form) || ' ' || CASE WHEN zone = 'UTC' THEN 'UTC' WHEN away < interval '0' THEN E'\xE2\x88\x92' || to_char(-away, 'HH24:MI') ELSE '+' || to_char(away, 'HH24:MI') END
	FROM (SELECT CASE WHEN isfinite(t) THEN (t AT TIME ZONE zone) - (t AT TIME ZONE 'UTC') ELSE interval '0' END AS away) x
$$;
COMMENT ON FUNCTION sellometer.report_clock(timestamptz, text, text) IS 'What the clock of a zone shows at a time, and how far that is from UTC';

CREATE FUNCTION sellometer.html_time(t timestamptz)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN t IS NULL THEN '&ndash;'
		ELSE format('<time datetime="%s">%s</time>', to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
			sellometer.html(sellometer.report_clock(t, sellometer.day_zone(), 'FMDD Mon YYYY HH24:MI'))) END
$$;
COMMENT ON FUNCTION sellometer.html_time(timestamptz) IS 'A time as HTML, by the shop''s clock';

CREATE FUNCTION sellometer.html_duration(span interval)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN s IS NULL THEN '&ndash;'
		WHEN s < 0 THEN '0&nbsp;s'
		WHEN s < 120 THEN round(s) || '&nbsp;s'
		WHEN s < 7200 THEN round(s / 60) || '&nbsp;min'
		WHEN s < 172800 THEN round(s / 3600) || '&nbsp;h'
		ELSE to_char(round(s / 86400), 'FM999,999,990') || '&nbsp;days'
	END
	FROM (SELECT extract(epoch FROM span) AS s) x
$$;
COMMENT ON FUNCTION sellometer.html_duration(interval) IS 'A length of time as HTML, in one unit';

/* Where an axis ends well, and has a round half. */
CREATE FUNCTION sellometer.axis_end(n numeric)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(min(m * p), 1)
	FROM (SELECT CASE WHEN n > 0 THEN 10::numeric ^ floor(log(n)) END AS p) x, unnest(ARRAY[1, 1.5, 2, 3, 4, 5, 6, 8, 10]) m
	WHERE m * p >= n
$$;
COMMENT ON FUNCTION sellometer.axis_end(numeric) IS 'Where an axis ends that has to show a number';

/* The times that the axis of a range names, at most eight or so: when the zone's clock shows a round one, twice if it does so twice. */
CREATE FUNCTION sellometer.axis_times(range_from timestamptz, range_to timestamptz, zone text DEFAULT 'UTC')
RETURNS SETOF timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT t
	FROM (SELECT min(s) AS step FROM unnest(ARRAY['1 min', '2 min', '5 min', '10 min', '15 min', '30 min', '1 h', '2 h',
			'3 h', '6 h', '12 h', '24 h']::interval[]) s
		-- the difference of times that are very far apart is not what it seems
		WHERE s * 8 >= range_to - range_from AND range_to <= range_from + interval '9 days') x,
		-- clocks differ by quarters of an hour
		LATERAL (SELECT CASE WHEN step < interval '15 min' THEN step WHEN step IS NOT NULL THEN interval '15 min' END AS width) w,
		generate_series(date_bin(width, range_from + width - interval '1 us', '2000-01-01 00:00+00'), range_to, width) t
	WHERE t <= range_to - (range_to - range_from) / 40 AND date_bin(step, t AT TIME ZONE zone, '2000-01-01 00:00') = t AT TIME ZONE zone
$$;
COMMENT ON FUNCTION sellometer.axis_times(timestamptz, timestamptz, text) IS 'The times that the axis of a chart names';

CREATE FUNCTION sellometer.chart_number(n numeric, money boolean, round boolean DEFAULT false)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN money THEN sellometer.short_money(n, round) WHEN round THEN sellometer.axis_number(n) ELSE sellometer.short_number(n) END
$$;
COMMENT ON FUNCTION sellometer.chart_number(numeric, boolean, boolean) IS 'What a chart says of a value';

/*
 * A line over time.  numbers: one for each bucket from range_from on, dotted after the first final ones.  what: what they are, as in
 * "14:05: 12 what".
 */
CREATE FUNCTION sellometer.report_chart(
	id text, title text, what text, range_from timestamptz, step interval, numbers numeric[], final integer, money boolean DEFAULT false)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n integer := cardinality(numbers);
	range_to timestamptz := range_from + n * step;
	top numeric := (SELECT sellometer.axis_end(max(v)) FROM unnest(numbers) v);
	points text[];
	hovers text;
	times text;
	highest record;
	zone text := sellometer.day_zone();
BEGIN
	SELECT array_agg(format('%s,%s', i - 0.5, round(100 - v * 100 / top, 2)) ORDER BY i),
		string_agg(format('<rect x="%s" width="1" height="100"><title>%s: %s %s</title></rect>', i - 1,
			sellometer.report_clock(range_from + (i - 1) * step, zone, 'HH24:MI'), sellometer.html(sellometer.chart_number(v, money)), what), '' ORDER BY i)
	INTO points, hovers
	FROM unnest(numbers) WITH ORDINALITY u (v, i);
	SELECT i, v INTO highest FROM unnest(numbers) WITH ORDINALITY u (v, i) ORDER BY v DESC, i LIMIT 1;
	SELECT string_agg(format('<span style="left:%s%%">%s</span>',
		round(extract(epoch FROM t - range_from) * 100 / extract(epoch FROM range_to - range_from), 2),
		to_char(t AT TIME ZONE zone, CASE WHEN (t AT TIME ZONE zone)::time = '00:00' THEN 'FMDD Mon' ELSE 'HH24:MI' END)), '')
	INTO times
	FROM sellometer.axis_times(range_from, range_to, zone) t;

	RETURN format($html$<div class="chart %1$s">
<div class="y" aria-hidden="true"><span>%2$s</span><span>%3$s</span><span>0</span></div>
<svg viewBox="0 0 %4$s 100" preserveAspectRatio="none" role="img" aria-labelledby="%1$s-t %1$s-d">
<title id="%1$s-t">%5$s</title>
<desc id="%1$s-d">From %6$s to %7$s. Highest: %8$s %9$s at %10$s; last: %11$s; mean: %12$s.</desc>
<path class="grid" d="M0,0H%4$sM0,50H%4$sM0,100H%4$s"/>
<path class="area" d="M%13$sL%14$s,100L0.5,100Z"/>
<path class="line" d="M%15$s"/>
<path class="line open" d="M%16$s"/>
<g class="hover">%17$s</g>
</svg>
<div class="x" aria-hidden="true">%18$s</div>
</div>
$html$,
		id, sellometer.html(sellometer.chart_number(top, money, true)), sellometer.html(sellometer.chart_number(top / 2, money, true)), n, title,
		sellometer.report_clock(range_from, zone, 'FMDD Mon HH24:MI'), sellometer.report_clock(range_to, zone, 'FMDD Mon HH24:MI'),
		sellometer.html(sellometer.chart_number(highest.v, money)), what,
		sellometer.report_clock(range_from + (highest.i - 1) * step, zone, 'HH24:MI'),
		sellometer.html(sellometer.chart_number(numbers[n], money)), (SELECT sellometer.html(sellometer.chart_number(avg(v), money)) FROM unnest(numbers) v),
		array_to_string(points, 'L'), n - 0.5,
		array_to_string(points[1:greatest(final, 1)], 'L'), array_to_string(points[greatest(final, 1):n], 'L'), hovers, times);
END
$$;
COMMENT ON FUNCTION sellometer.report_chart(text, text, text, timestamptz, interval, numeric[], integer, boolean) IS
	'A chart of sellometer_report()';

CREATE FUNCTION sellometer.report_top(dimension text, title text, range_from timestamptz, range_to timestamptz)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($html$<section class="card" id="top-%s" aria-labelledby="top-%1$s-h">
<h3 id="top-%1$s-h">%s</h3>
<table class="top"><colgroup><col class="rank"><col><col class="gmv"><col class="sold"></colgroup>
<thead><tr><th scope="col" class="n">#</th><th scope="col">%s</th><th scope="col" class="n">GMV</th><th scope="col" class="n">Sold</th></tr></thead>
<tbody>%s</tbody></table>
</section>
$html$, dimension, title, initcap(split_part(dimension, '_', 1)),
		coalesce(string_agg(format('<tr><td class="n">%s</td><th scope="row"><svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true"><rect width="%s" height="1"/></svg>%s</th><td class="n">%s</td><td class="n">%s</td></tr>',
			n, round(gmv * 100 / nullif(best, 0), 1), sellometer.html_key(key, sellometer.key_label(dimension, key)), sellometer.html_money(gmv), sellometer.html_number(count)),
			E'\n' ORDER BY n), '<tr><td colspan="4" class="none">Nothing sold yet</td></tr>'))
	FROM (SELECT row_number() OVER () AS n, max(gmv) OVER () AS best, t.*
		FROM sellometer.top(dimension, 'purchase', range_from, range_to, 10, 'gmv') t) x
$$;
COMMENT ON FUNCTION sellometer.report_top(text, text, timestamptz, timestamptz) IS 'The best keys of a dimension, for sellometer_report()';

CREATE FUNCTION sellometer.report_funnel(views bigint, carts bigint, purchases bigint)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('<ol class="funnel">%s</ol>', string_agg(format($html$<li id="funnel-%s" class="c-%1$s">
<span class="step">%s</span> <strong>%s</strong> <span class="share">%s</span>
<svg class="track" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true"><rect class="all" width="100" height="1"/><rect width="%s" height="1"/></svg></li>
$html$,
			id, label, sellometer.html_number(n),
			CASE WHEN i > 1 THEN coalesce(to_char(n * 100.0 / nullif(views, 0), 'FM999990.00'), '&ndash;') || '&nbsp;% of views' END,
			CASE n WHEN 0 THEN 0 ELSE greatest(round(n * 100.0 / greatest(views, carts, purchases), 2), 0.5) END), '' ORDER BY i))
	FROM (VALUES (1, 'view', 'Viewed', views), (2, 'cart', 'Put in cart', carts), (3, 'purchase', 'Bought', purchases))
		s (i, id, label, n)
$$;
COMMENT ON FUNCTION sellometer.report_funnel(bigint, bigint, bigint) IS 'From view to purchase, for sellometer_report()';

/* On a telephone each cell is a line with its heading before it: see data-head in the styles. */
CREATE FUNCTION sellometer.report_sources()
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($html$<table class="stacked"><thead><tr><th scope="col">Source</th><th scope="col">State</th><th scope="col">Data up to</th><th scope="col" class="n">Behind the clock</th>
<th scope="col" class="n">From arrival to here</th><th scope="col" class="n">Waiting</th><th scope="col" class="n">Late</th><th scope="col" class="n">Failed</th></tr></thead>
<tbody>%s</tbody></table>
$html$, coalesce(string_agg(format('<tr><th scope="row">%s</th><td data-head="State">%s</td><td data-head="Data up to">%s</td><td class="n" data-head="Behind the clock">%s</td><td class="n" data-head="From arrival to here">%s</td><td class="n" data-head="Waiting">%s</td><td class="n" data-head="Late">%s</td><td class="n" data-head="Failed">%s</td></tr>%s',
			sellometer.html_key(s.source),
			CASE WHEN NOT s.enabled THEN 'off' WHEN s.last_error IS NOT NULL THEN '<span class="chip critical">error</span>'
				WHEN s.surge THEN '<span class="chip warning">surge</span>' ELSE '<span class="chip good">fine</span>' END,
			sellometer.html_time(s.head), sellometer.html_duration(s.event_lag), sellometer.html_duration(s.arrival_lag), sellometer.html_number(s.pending_objects),
			sellometer.html_number(s.backlog_objects), sellometer.html_number(s.failed_objects),
			CASE WHEN s.last_error IS NOT NULL THEN format('<tr class="error"><td colspan="8">%s <span class="since">%s</span></td></tr>',
				sellometer.html(s.last_error), sellometer.html_time(s.last_error_at)) END), E'\n' ORDER BY s.source),
			'<tr><td colspan="8" class="none">No sources: see sellometer_add_source()</td></tr>'))
	FROM sellometer.status s
$$;
COMMENT ON FUNCTION sellometer.report_sources() IS 'How fresh each source is, for sellometer_report()';

/* What is not well, the worst first, all of its words; NULL: all is well. */
CREATE FUNCTION sellometer.report_banner()
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
	RETURN (SELECT format('<section class="card banner %s" id="banner" role="alert" aria-labelledby="banner-h"><h2 id="banner-h">%s</h2><ul>%s</ul></section>',
			CASE WHEN max(rank) = 2 THEN 'critical' ELSE 'warning' END,
			CASE WHEN max(rank) = 2 THEN 'Something is wrong' ELSE 'Something is not as it should be' END,
			string_agg(format('<li><span class="chip %s">%1$s</span> <strong>%s</strong> <span class="detail">%s</span>%s%s</li>',
				severity, sellometer.html(name), sellometer.html(detail), CASE WHEN since IS NOT NULL THEN ' <span class="since">since ' || sellometer.html_time(since) || '</span>' END,
				' <span class="help">' || sellometer.html(hint) || '</span>'), E'\n' ORDER BY rank DESC, name))
		FROM (SELECT h.*, sellometer.severity_rank(h.severity) AS rank FROM sellometer.health h) h
		WHERE rank > 0 HAVING count(*) > 0);
END
$$;
COMMENT ON FUNCTION sellometer.report_banner() IS 'What sellometer.health warns of, for sellometer_report(); NULL: nothing';

/* The alerts that are open, the worst first. */
CREATE FUNCTION sellometer.report_alerts()
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (SELECT coalesce('<ul class="alerts">' || string_agg(format(
			'<li><span class="chip %s">%s</span> <strong>%s</strong> %s %s: <span class="detail">%s</span> <span class="since">at %s, found %s</span></li>',
			CASE WHEN severity IN ('critical', 'warning') THEN severity ELSE 'info' END, sellometer.html(severity),
			sellometer.html(replace(kind, '_', ' ')), CASE WHEN dimension IN ('event_type', 'user_session') THEN '' ELSE sellometer.html(split_part(dimension, '_', 1)) END,
			sellometer.html_key(key, sellometer.key_label(dimension, key)), sellometer.html(detail),
			sellometer.html_time(event_time), sellometer.html_time(opened_at)), E'\n' ORDER BY rank, opened_at DESC, kind, key) || '</ul>'
				|| CASE WHEN max(of_all) > 50 THEN format('<p class="none">And %s more.</p>', max(of_all) - 50) ELSE '' END,
			'<p class="none">None open.</p>')
		FROM (SELECT a.*, array_position(ARRAY['critical', 'warning'], severity) AS rank, count(*) OVER () AS of_all
			FROM sellometer.alerts a WHERE closed_at IS NULL ORDER BY rank, opened_at DESC LIMIT 50) a);
END
$$;
COMMENT ON FUNCTION sellometer.report_alerts() IS 'Open alerts, for sellometer_report()';
