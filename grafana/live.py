"""Live: sales as they happen, and what one chooses to look at."""
from parts import (ALERT_MARKS, BEST_BY, COUNT, EVENT_NAMES, EVENTS, KEY, KEY_IN_LINK, MONEY, NOT_FINAL, NUMBER, RANGE, RATIO, SHARE, chosen, column, dashboard, freshness, funnel,
                   label, lines, not_final_mark, parted, per_minute, query_variable, row, series, sql, stat, table, total)

# dimension, variable, title of one and of many
CHOICES = [("product_id", "product", "Product", "products"), ("brand", "brand", "Brand", "brands"),
           ("category_l1", "category", "Category", "categories"),
           ("category_l2", "category2", "Category, two levels", "categories, two levels"),
           ("category_l3", "category3", "Category, three levels", "categories, three levels")]
CATEGORIES = " || ".join(chosen(variable) for variable in ("category", "category2", "category3"))


def link_to(variable):
    """Adds the clicked value to what is chosen; all else stays."""
    kept = "".join(f"&${{{name}:queryparam}}" for name in ["event", "by", *(choice[1] for choice in CHOICES)])
    return ("Choose it too", f"/d/sellometer-live?${{__url_time_range}}{kept}&var-{variable}={KEY_IN_LINK}")


def top(dimension, variable, one, many, width=12):
    name = "category" if "category" in dimension else one.lower()
    return table(f"Top {many}", f"The ten {many} that come first in the range, of the brands and categories that are chosen; a click adds one to the choice.", sql(f"""
        SELECT {label(f"'{dimension}'", 'key')} AS "{name}", gmv AS "GMV", count AS "number", avg_price AS price, key
        FROM sellometer_top_of('{dimension}', '${{event}}', {chosen('brand')}, {CATEGORIES}, {RANGE}, 10, '${{by}}')"""), width, 12,
                 columns={name: column(link=link_to(variable), least=180, inspect=True), "GMV": column(MONEY, bar=True, width=110), "number": column(NUMBER, width=80, decimals=0),
                          "price": column(MONEY, width=85, decimals=2), "key": KEY})


def of_chosen(dimension, variable, many, value, what, unit):
    # OFFSET 0: names are looked up once a key, not once a point; NULL is all together; as equalities can be hashed
    series_ = f"""SELECT s.*, n.name FROM (SELECT k, coalesce({label(f"'{dimension}'", 'k')}, 'All') AS name FROM unnest({chosen(variable)}) k OFFSET 0) n
        JOIN sellometer_series_of('{dimension}', '${{event}}', {chosen(variable)}, {RANGE}, '$__interval', true) s
        ON coalesce(s.key, '') = coalesce(n.k, '') AND (s.key IS NULL) = (n.k IS NULL)"""
    return lines(f"${{event:text}}: {what} of chosen {many}", f"{what} per minute of the {many} that are chosen above; all together if none is.",
                 per_minute(f"s.name AS metric, {value} / w.minutes AS value", series_, "1, 2"), unit, 12, 8)


def chosen_totals():
    """All that is chosen, of whatever kind, in one table."""
    parts = [f"SELECT {i} AS n, '{one}' AS kind, '{dimension}' AS dimension, t.key, t.gmv, t.count, t.avg_price FROM sellometer_total('{dimension}', '${{event}}', {chosen(variable)}, {RANGE}) t"
             for i, (dimension, variable, one, _) in enumerate(CHOICES, 1)]
    union = "\n            UNION ALL ".join(parts)
    return table("${event:text}: what is chosen", "Number and GMV in the range of all that is chosen above, and the share of all.", sql(f"""
        WITH everything AS MATERIALIZED (
            SELECT * FROM sellometer_total('${{event}}', {RANGE}))
        SELECT {label('dimension', 'key')} AS "name", gmv AS "GMV", count AS "number", gmv / nullif((SELECT gmv FROM everything), 0) AS share, avg_price AS price, kind
        FROM (SELECT 0 AS n, '' AS kind, '' AS dimension, 'All' AS key, gmv, count, avg_price FROM everything
            UNION ALL {union}) t
        ORDER BY n, gmv DESC, key COLLATE "C" """), 16, 12, columns={
            "name": column(least=180, inspect=True), "GMV": column(MONEY, width=105, decimals=2), "number": COUNT,
            "share": column(RATIO, width=75, decimals=2), "price": column(MONEY, width=85, decimals=2), "kind": column(width=165)})


def variables():
    def rank(dimension):
        return sql(f"""
        SELECT key AS __value, {label(f"'{dimension}'", 'key')} AS __text
        FROM (SELECT t.key FROM sellometer.state CROSS JOIN LATERAL sellometer_top('{dimension}', 'purchase', head - interval '1 hour', head, 200) t) r""")

    return [query_variable(variable, one, rank(dimension), description="The best sellers of the hour before the newest data, or any that you type")
            for dimension, variable, one, _ in CHOICES]


def live():
    panels = [
        stat("GMV", "What the purchases in the range came to.", f"SELECT {total('gmv')} AS gmv", MONEY),
        stat("Purchases", "Purchases in the range.", f"SELECT {total('count')} AS purchases", decimals=0),
        stat("Sold per 100 views", "Purchases for each 100 views; a view of a product counts once a session.",
             f"SELECT 100.0 * {total('count')} / nullif({total('count', 'view')}, 0) AS share", decimals=2),
        stat("GMV in the last minute", "The newest complete minute of the data, whatever the range; 0 if nothing was sold in it.",
             sql("""
            SELECT s.gmv
            FROM sellometer.state
            CROSS JOIN LATERAL sellometer_series('category_l1', 'purchase', NULL, head - interval '2 minutes', head, '1 minute', true) s
            WHERE s.event_time + interval '1 minute' <= head
            ORDER BY s.event_time DESC
            LIMIT 1"""), MONEY),
        *freshness(),
        lines("GMV per minute", "What purchases came to, by event time, per minute whatever the width of the points. Dashed: files on their way may still "
              "change it. Nothing is drawn behind the newest data.",
              per_minute(parted("s.gmv / w.minutes", "GMV per minute"), series()), MONEY, 8, 12, overrides=[NOT_FINAL]),
        chosen_totals(),
        table("From view to purchase", "Views (once a session), carts and purchases in the range, with rates.", funnel(), 8, 8,
              columns={"number": COUNT, "of views": SHARE, "of previous": SHARE}),
        lines("Events per minute", "Each type of event, per minute; the scale is logarithmic above 1, as views are many more than purchases.",
              per_minute("e AS metric, s.count / w.minutes AS value",
                         f"SELECT e, s.* FROM (VALUES {', '.join(str(event) for event in EVENT_NAMES)}) v (type, e) "
                         f"CROSS JOIN LATERAL ({series('v.type')}) s", "1, 2"), NUMBER, 8, 8, min=0,
              overrides=[{"matcher": {"id": "byType", "options": "number"}, "properties": [
                  {"id": "custom.scaleDistribution", "value": {"type": "symlog", "log": 10, "linearThreshold": 1}}]}]),
        lines("Average price", "Average price of what was bought, and of what was put in the cart; a gap where nothing was.",
              [sql(f"""
            SELECT event_time AS "time", avg_price AS "{name}"
            FROM ({series(f"'{event}'")}) s
            ORDER BY 1""") for event, name in (("purchase", "Bought"), ("cart", "Put in cart"))], MONEY, 8, 8, points="auto"),
        row("Best"),
        *(top(*choice) for choice in CHOICES[:-1]), top(*CHOICES[-1], width=24)]
    for dimension, variable, one, many in CHOICES:
        panels += [row(f"Chosen {many}"),
                   of_chosen(dimension, variable, many, "s.gmv", "GMV", MONEY), of_chosen(dimension, variable, many, "s.count", "number", NUMBER)]
    return dashboard("sellometer-live", "Sellometer: Live", "Sales as they happen, by event time.", panels, [EVENTS, BEST_BY, *variables()],
                     marks=[not_final_mark(), *ALERT_MARKS])
