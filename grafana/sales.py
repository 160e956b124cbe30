"""Sales: today, days and weeks, which begin in the zone of the shop.  Axes are in UTC, as a dashboard can't ask for a zone."""
from parts import (ALERT_MARKS, ALL_DIMENSIONS, BEST_BY, CHANGE, COUNT, DIMENSIONS, EVENTS, KEY, KEY_IN_LINK, MONEY, NUMBER, RANGE, RATIO, ROWS, ROWS_QUERY, SHARE, chosen, column,
                   custom_variable, dashboard, funnel, label, lines, query_variable, row, rows_of, sql, stat, table, total)

ZONE = "sellometer.day_zone()"
TODAY = f"sellometer.bucket_start('1 day', head, {ZONE})"
TOMORROW = f"sellometer.bucket_next('1 day', head, {ZONE})"
MANY = column(MONEY, width=105, decimals=2)
CHANGED = column(RATIO, thresholds=CHANGE, decimals=1)
EVENT = "${event}"
AMONG = f"{chosen('brand')}, {chosen('category')}"


def best(n, by="'${by}'"):
    """Of chosen brands and categories; what these have by a dimension of the user's own is not kept: then there is nothing."""
    five = ", ".join(f"'{value}'" for value, _ in DIMENSIONS)
    return f"""(SELECT '${{dimension}}'::text AS dimension WHERE '${{dimension}}' IN ({five})
                OR NOT EXISTS (SELECT FROM unnest({chosen('brand')} || {chosen('category')}) k WHERE k IS NOT NULL) OFFSET 0) d
            CROSS JOIN LATERAL sellometer_top_of(d.dimension, '{EVENT}', {AMONG}, {RANGE}, {n}, {by})"""

# Bars that fit the range: some twenty to sixty, unless narrower or wider ones are chosen that give bars at all.
STEP = sql("""
    SELECT CASE WHEN nullif('${step}', 'fit')::interval < range THEN nullif('${step}', 'fit')::interval
        WHEN range <= interval '1 hour' THEN interval '1 minute'
        WHEN range <= interval '6 hours' THEN interval '10 minutes'
        WHEN range <= interval '3 days' THEN interval '1 hour'
        WHEN range <= interval '8 days' THEN interval '6 hours'
        WHEN range <= interval '63 days' THEN interval '1 day'
        ELSE interval '7 days' END AS step
    FROM (SELECT $__timeTo()::timestamptz - $__timeFrom()::timestamptz AS range) r""")


def in_steps(event=EVENT):
    return f"({STEP}) w CROSS JOIN LATERAL sellometer_series('category_l1', '{event}', NULL, {RANGE}, w.step, true)"


def bars(title, value, name, unit):
    return lines(title, "In bars of the width chosen above, or that fits the range; wider where only wider ones are kept. Light: "
                 "files on their way may still change it.",
                 sql(f"""
        SELECT event_time AS "time", CASE WHEN is_final THEN {value} END AS "{name}", CASE WHEN NOT is_final THEN {value} END AS "Not final"
        FROM {in_steps()} s
        ORDER BY 1"""), unit, 12, 9, stack=True, bars=True, legend=("sum",),
                 overrides=[{"matcher": {"id": "byName", "options": "Not final"}, "properties": [
                     {"id": "color", "value": {"mode": "fixed", "fixedColor": "super-light-blue"}}]}])


def today_table():
    return table("Today so far", "The day of the newest data, from midnight of the shop, beside the same hours of yesterday and of a week ago. "
                 "Compared are the same parts of the days: the last column says which, or why not.",
                 sql(f"""
        WITH c AS MATERIALIZED (
            SELECT b.n, b.name, c.*
            FROM sellometer.state CROSS JOIN (VALUES (1, 'Yesterday', interval '1 day'), (2, 'A week ago', interval '7 days')) b (n, name, back)
            CROSS JOIN LATERAL sellometer_compare('category_l1', '{EVENT}', NULL, {TODAY}, {TOMORROW}, b.back) c
            WHERE head IS NOT NULL
        )
        SELECT day, "number", "GMV", price, "number Δ%", "GMV Δ%", compared
        FROM (SELECT 0 AS n, 'Today' AS day, t.count AS "number", t.gmv AS "GMV", t.avg_price AS price,
                NULL::float8 AS "number Δ%", NULL::float8 AS "GMV Δ%", 'up to ' || to_char(head AT TIME ZONE {ZONE}, 'HH24:MI') || ' ' || {ZONE} AS compared
            FROM sellometer.state CROSS JOIN LATERAL sellometer_total('{EVENT}', {TODAY}, head) t
            WHERE head IS NOT NULL
            UNION ALL
            SELECT n, name, earlier_count, earlier_gmv, earlier_avg_price, count_change, gmv_change,
                coalesce(reason, to_char(earlier_from AT TIME ZONE {ZONE}, 'Dy FMDD Mon HH24:MI') || to_char(earlier_to AT TIME ZONE {ZONE}, ' – HH24:MI') || ' ' || {ZONE}) FROM c) x
        ORDER BY n"""), 16, 7, columns={"day": column(least=95), "number": COUNT, "GMV": column(MONEY, least=95, decimals=2), "price": column(MONEY, least=80, decimals=2), "number Δ%": CHANGED, "GMV Δ%": CHANGED,
                                        "compared": column(width=235, inspect=True)})


def against(title, description, column_, range_, back="NULL", **more):
    return stat(title, description, f"SELECT {column_} AS change FROM sellometer.state CROSS JOIN LATERAL "
                f"sellometer_compare('category_l1', '{EVENT}', NULL, {range_}, {back}) c WHERE head IS NOT NULL", RATIO, thresholds=CHANGE, decimals=1, **more)


def change_texts():
    today = f"{TODAY}, {TOMORROW}"
    return [
        stat("GMV today", "Of the day of the newest data, from midnight of the shop up to now.",
             f"SELECT (SELECT gmv FROM sellometer_total('{EVENT}', {TODAY}, head)) AS gmv FROM sellometer.state", MONEY),
        stat("Number today", "Of the day of the newest data, from midnight of the shop up to now.",
             f"SELECT (SELECT count FROM sellometer_total('{EVENT}', {TODAY}, head)) AS number FROM sellometer.state", NUMBER, decimals=0),
        against("GMV vs yesterday", "Today against the same hours of the day before; empty if these are not kept whole.", "gmv_change", today, "interval '1 day'"),
        against("Number vs yesterday", "Today against the same hours of the day before; empty if these are not kept whole.", "count_change", today,
                "interval '1 day'"),
        against("GMV vs a week ago", "Today against the same hours seven days before; empty if these are not kept whole.", "gmv_change", today,
                "interval '7 days'"),
        against("Number vs a week ago", "Today against the same hours seven days before; empty if these are not kept whole.", "count_change", today,
                "interval '7 days'")]


def range_stats():
    return [
        stat("GMV", "What the events in the range came to.", f"SELECT {total('gmv', EVENT)} AS gmv", MONEY),
        stat("Number", "Events in the range.", f"SELECT {total('count', EVENT)} AS number", decimals=0),
        stat("Average price", "GMV divided by number.", f"SELECT {total('avg_price', EVENT)} AS price", MONEY, decimals=2),
        stat("Sold per 100 views", "Purchases for each 100 views; a view of a product counts once a session.",
             f"SELECT 100.0 * {total('count')} / nullif({total('count', 'view')}, 0) AS share", decimals=2),
        against("GMV vs before", "GMV against that of the range before this one, of the same length, up to the newest data; empty if that is not "
                "kept whole.", "gmv_change", RANGE),
        against("Number vs before", "Number against that of the range before this one, of the same length, up to the newest data; empty if that "
                "is not kept whole.", "count_change", RANGE)]


def weeks():
    before = "$__timeFrom()::timestamptz - interval '168 hours', $__timeTo()::timestamptz - interval '168 hours'"
    return lines("This week against last", "The last seven days of the range, and the seven before as far as they are kept whole, by hour.", sql(f"""
        SELECT event_time AS "time", 'These seven days' AS metric, gmv AS value
        FROM sellometer_series('category_l1', '{EVENT}', NULL, {RANGE}, '1 hour', true)
        WHERE event_time + interval '1 hour' <= (SELECT head FROM sellometer.state)
        UNION ALL
        SELECT event_time + interval '168 hours', 'The seven before', gmv
        FROM sellometer_series('category_l1', '{EVENT}', NULL, {before}, '1 hour', true)
        WHERE is_final
        ORDER BY 1, 2"""), MONEY, 14, 12, timeFrom="7d")


def days():
    """A day that is not over is compared with the same part of the day a week before; OFFSET 0: the others are not compared at all."""
    return table("Day by day", "Days of the shop, the newest first, against the same day of the week before: the same part of it, where a day is not over or not kept whole.",
                 sql(f"""
        WITH days AS MATERIALIZED (
            SELECT event_time, gmv, count, is_final, lag(gmv, 7) OVER w AS earlier, lag(is_final, 7) OVER w AS earlier_final
            FROM sellometer_series('category_l1', '{EVENT}', NULL, $__timeFrom()::timestamptz - interval '168 hours', $__timeTo(), '1 day', true)
            WINDOW w AS (ORDER BY event_time))
        SELECT to_char(event_time AT TIME ZONE {ZONE}, 'Dy FMDD Mon') AS day, d.gmv AS "GMV", d.count AS "number",
            CASE WHEN is_final THEN CASE WHEN earlier_final THEN (d.gmv / nullif(earlier, 0) - 1)::float8 END ELSE c.gmv_change END AS "GMV Δ%",
            CASE WHEN NOT is_final THEN coalesce(c.reason, to_char(c.compared_from AT TIME ZONE {ZONE}, 'HH24:MI') || to_char(c.compared_to AT TIME ZONE {ZONE}, ' – HH24:MI'))
                WHEN NOT coalesce(earlier_final, false) THEN 'the week before is not kept whole' END AS compared
        FROM days d LEFT JOIN LATERAL (
            SELECT * FROM sellometer_compare('category_l1', '{EVENT}', NULL, event_time, sellometer.bucket_next('1 day', event_time, {ZONE}), interval '7 days')
            WHERE NOT d.is_final OFFSET 0) c ON true
        WHERE event_time > $__timeFrom()::timestamptz - interval '24 hours'
        ORDER BY event_time DESC"""), 10, 12, columns={"day": column(width=95), "GMV": column(MONEY), "number": COUNT, "GMV Δ%": CHANGED,
                                                 "compared": column(least=100, inspect=True)})


def by_dimension():
    # a row that only says why nothing can be compared chooses nothing
    click = ("Choose it too", "/d/sellometer-sales?${__url_time_range}&${event:queryparam}&${step:queryparam}&${by:queryparam}&${dimension:queryparam}"
             f"&${{brand:queryparam}}&${{category:queryparam}}&${{key:queryparam}}&var-key={KEY_IN_LINK}")
    return [
        row("By ${dimension:text}"),
        lines("The chosen, or the best ten", "All the GMV of those chosen above; of the ten best if none is.", sql(f"""
            WITH choice AS MATERIALIZED (
                SELECT CASE WHEN EXISTS (SELECT FROM unnest({chosen('key')}) k WHERE k IS NOT NULL) THEN {chosen('key')}
                    ELSE ARRAY(SELECT key FROM {best(10)}) END AS keys)
            SELECT s.event_time AS "time", n.name AS metric, s.gmv AS value
            FROM choice CROSS JOIN ({STEP}) w
            CROSS JOIN LATERAL sellometer_series_of('${{dimension}}', '{EVENT}', choice.keys, {RANGE}, w.step, true) s
            JOIN (SELECT k, {label("'${dimension}'", 'k')} AS name FROM choice, unnest(keys) k OFFSET 0) n ON n.k = s.key
            ORDER BY 1, 2"""), MONEY, 12, 12, stack=True, bars=True, legend=("sum",)),
        table("Best twenty", "Of the brands and categories that are chosen, with the share of all; a click adds one to the choice. Empty where these are chosen and it is by a dimension of your own: that is not kept.", sql(f"""
            SELECT {label("'${dimension}'", 'key')} AS "name", gmv AS "GMV", count AS "number", avg_price AS price, gmv / nullif({total('gmv', EVENT)}, 0) AS share, key
            FROM {best(20)}"""), 12, 12,
              columns={"name": column(link=click, least=180, inspect=True), "key": KEY, "GMV": MANY, "number": COUNT, "price": column(MONEY, width=80, decimals=2),
                       "share": column(RATIO, width=70, decimals=2)}),
        table("Movers", "The twenty that have changed most against the range before, up or down, each adds itself to the choice by a click; if that is not kept "
              "whole, a line that says so. Who may see rows is led to those of the range.", sql(f"""
            SELECT coalesce({label("'${dimension}'", 'key')}, reason) AS "name", gmv AS "GMV", earlier_gmv AS "GMV before", gmv - earlier_gmv AS "Δ GMV", count AS "number", count - earlier_count AS "Δ number",
                coalesce(key, 'All') AS key, {rows_of("'${dimension}'", 'key', f"'{EVENT}'")}
            FROM sellometer_movers('${{dimension}}', '{EVENT}', {RANGE}, NULL, 20, '${{by}}')"""), 24, 12,
              columns={"name": column(link=click, least=180, inspect=True), "key": KEY, "GMV": MANY, "GMV before": MANY, "Δ GMV": column(MONEY, width=105, thresholds=CHANGE, decimals=2), "number": COUNT,
                       "Δ number": column(NUMBER, width=85, decimals=0, thresholds=CHANGE), "its rows": ROWS, "query": ROWS_QUERY})]


def visits():
    """Empty where they are not counted, also where nodes are asked, which is an error of the functions."""
    return table("Orders and visitors", "Days of the shop, the newest first: sessions, those that bought, their share, orders and what one comes to. Empty unless "
                 "sellometer_count_visits() has them counted.", sql(f"""
        SELECT to_char(event_time AT TIME ZONE {ZONE}, 'Dy FMDD Mon') AS day, sessions, buyers, conversion, orders, basket
        FROM sellometer_visits(sellometer.bucket_start('1 day', $__timeFrom(), {ZONE}), $__timeTo(), '1 day')
        WHERE EXISTS (SELECT FROM sellometer.visit_state)
        ORDER BY event_time DESC"""), 24, 8, columns={"day": column(width=95), "sessions": COUNT, "buyers": COUNT, "conversion": column(RATIO, width=105, decimals=2),
                                                     "orders": COUNT, "basket": column(MONEY, width=105, decimals=2)})


def visits_by():
    """Of all dimensions that they are counted by."""
    return table("Visitors by dimensions of one's own", "Likewise by country, channel or whatever sellometer_add_dimension() was given visits => true for: a session counts in each key that it was seen with.",
                 sql(f"""
        SELECT to_char(v.event_time AT TIME ZONE {ZONE}, 'Dy FMDD Mon') AS day, d.dimension AS by, v.key, v.sessions, v.buyers, v.conversion, v.orders, v.gmv AS "GMV", v.basket
        FROM sellometer.dimensions d
        CROSS JOIN LATERAL sellometer_visits_by(d.dimension, sellometer.bucket_start('1 day', $__timeFrom(), {ZONE}), $__timeTo(), '1 day') v
        WHERE d.visits AND EXISTS (SELECT FROM sellometer.visit_state)
        ORDER BY v.event_time DESC, d.dimension, v.sessions DESC, v.key LIMIT 500"""), 24, 8,
                 columns={"day": column(width=95), "sessions": COUNT, "buyers": COUNT, "conversion": column(RATIO, width=105, decimals=2), "orders": COUNT, "GMV": MANY,
                          "basket": column(MONEY, width=105, decimals=2)})


def sales():
    panels = [
        *change_texts(),
        today_table(),
        table("From view to purchase", "Views (once a session), carts and purchases in the range, with rates.", funnel(), 8, 7,
              columns={"number": COUNT, "of views": SHARE, "of previous": SHARE}),
        *range_stats(),
        bars("GMV by time", "gmv", "GMV", MONEY), bars("Number by time", "count", "Number", NUMBER),
        weeks(), days(),
        *by_dimension(),
        row("Orders and visitors"),
        visits(),
        visits_by(),
        row("Rates and prices"),
        lines("Purchases per 100 views", "How many views lead to a purchase, over time; a gap where there are no views.",
              sql(f"""
            SELECT v.event_time AS "time", 100.0 * coalesce(p.count, 0) / nullif(v.count, 0) AS "Purchases per 100 views"
            FROM (SELECT s.* FROM {in_steps('view')} s) v
            LEFT JOIN (SELECT s.* FROM {in_steps('purchase')} s) p ON p.event_time = v.event_time
            ORDER BY 1"""), NUMBER, 12, 8, decimals=2, points="auto"),
        lines("Average price by time", "Average price of the events, over time; a gap where there are none.",
              sql(f"""
            SELECT event_time AS "time", avg_price AS "Average price"
            FROM {in_steps()} s
            ORDER BY 1"""), MONEY, 12, 8, points="auto")]
    return dashboard("sellometer-sales", "Sellometer: Sales", "Today, and sales over days and weeks, which begin in the zone of the shop, sellometer.timezone. Axes are in UTC: the dashboard's settings have another zone.", panels, [
        EVENTS, BEST_BY,
        custom_variable("step", "Width", [("fit", "Fitting"), ("1 minute", "Minute"), ("1 hour", "Hour"), ("6 hours", "Six hours"), ("1 day", "Day"), ("7 days", "Week")],
                        "Width of the bars; what would be wider than the range is made to fit"),
        query_variable("dimension", "By", ALL_DIMENSIONS, description="What the lists below are about; also what you have added by sellometer_add_dimension()", first=DIMENSIONS[0]),
        query_variable("brand", "Of brand", f"SELECT key AS __value FROM sellometer_top('brand', '{EVENT}', {RANGE}, 50)", refresh=2,
                       description="What lists are of; the 50 best of the range, or any that you type"),
        query_variable("category", "Of category", sql(f"""
            SELECT key AS __value, {label("d", 'key')} || ' (level ' || right(d, 1) || ')' AS __text
            FROM unnest(ARRAY['category_l1', 'category_l2', 'category_l3']) d CROSS JOIN LATERAL sellometer_top(d, '{EVENT}', {RANGE}, 50)"""), refresh=2,
                       description="What lists are of; the 50 best of the range of each level, or any that you type"),
        query_variable("key", "Key", sql(f"""
            SELECT key AS __value, {label("'${dimension}'", 'key')} AS __text
            FROM {best(50, "'gmv'")}"""), refresh=2, description="The 50 best of the range, or any that you type"),
    ], time="now-14d", refresh="5m", marks=ALERT_MARKS, zone="utc")
