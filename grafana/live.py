"""Live: sales as they happen, and what one chooses to look at."""
from parts import (BEST_BY, COUNT, EVENTS, MONEY, NOT_FINAL, NUMBER, PRICE, RANGE, SHARE, chosen, column, dashboard, freshness, funnel,
                   lines, parted, per_minute, query_variable, row, series, shown_category, sql, stat, table, total)

# dimension, variable, title of one and of many
CHOICES = [("product_id", "product", "Product", "products"), ("brand", "brand", "Brand", "brands"),
           ("category_l1", "category", "Category", "categories"),
           ("category_l2", "category2", "Category, two levels", "categories, two levels"),
           ("category_l3", "category3", "Category, three levels", "categories, three levels")]


def link_to(variable):
    """Adds the clicked value to what is chosen; all else stays."""
    kept = "".join(f"&${{{name}:queryparam}}" for name in ["event", "by", *(choice[1] for choice in CHOICES)])
    return ("Choose it too", f"/d/sellometer-live?${{__url_time_range}}{kept}&var-{variable}=${{__value.raw:percentencode}}")


def in_categories(dimension):
    """
    The best keys; if categories are chosen, those that belong to them, of the five hundred that sold most in the last month.  Which
    product is of which category is known of what was sold.
    """
    level = {"product_id": "product_id::text", "category_l1": "split_part(category, '.', 1)",
             "category_l2": "split_part(category, '.', 1) || '.' || split_part(category, '.', 2)", "category_l3": "category"}[dimension]
    return sql(f"""
        WITH choice AS MATERIALIZED (
            SELECT one, two, three, EXISTS (SELECT FROM unnest(one || two || three) k WHERE k IS NOT NULL) AS made
            FROM (SELECT {chosen('category')} AS one, {chosen('category2')} AS two, {chosen('category3')} AS three) c
        ), candidates AS MATERIALIZED (
            SELECT {level} AS key FROM sellometer.sold_products
            WHERE (SELECT made FROM choice) AND (split_part(category, '.', 1) = ANY ((SELECT one FROM choice)::text[])
                OR split_part(category, '.', 1) || '.' || split_part(category, '.', 2) = ANY ((SELECT two FROM choice)::text[])
                OR category = ANY ((SELECT three FROM choice)::text[]))
            GROUP BY 1 ORDER BY sum(sales) DESC, 1 LIMIT 500
        )
        SELECT key AS "NAME", gmv AS "GMV", count AS "number", avg_price AS price
        FROM (SELECT * FROM sellometer_top('{dimension}', '${{event}}', {RANGE}, CASE WHEN (SELECT made FROM choice) THEN 0 ELSE 10 END, '${{by}}')
            UNION ALL
            SELECT t.* FROM (SELECT array_agg(key) AS keys FROM candidates) c
            CROSS JOIN LATERAL sellometer_total('{dimension}', '${{event}}', c.keys, {RANGE}) t
            WHERE (SELECT made FROM choice)) t
        ORDER BY CASE '${{by}}' WHEN 'gmv' THEN gmv ELSE count END DESC, CASE '${{by}}' WHEN 'gmv' THEN count ELSE gmv END DESC, key COLLATE "C"
        LIMIT 10""")


def top(dimension, variable, one, many, width):
    query = in_categories(dimension) if dimension != "brand" else sql(f"""
        SELECT key AS "NAME", gmv AS "GMV", count AS "number", avg_price AS price
        FROM sellometer_top('brand', '${{event}}', {RANGE}, 10, '${{by}}')""")
    follow = "" if dimension == "brand" else " In the categories that are chosen, if any are."
    name = "Category" if "category" in dimension else one
    return table(f"Top {many}", f"The ten {many} that come first in the range; a click adds one to the choice.{follow}",
                 query.replace('"NAME"', f'"{name.lower()}"'), width,
                 columns={name.lower(): column(link=link_to(variable)), "GMV": column(MONEY, bar=True, width=110), "number": column(NUMBER, width=70, decimals=0),
                          "price": column(MONEY, width=85, decimals=2)})


def of_chosen(dimension, variable, many, value, what, unit):
    return lines(f"${{event:text}}: {what} of chosen {many}", f"{what} per minute of the {many} that are chosen above; all together if none is.",
                 per_minute(f"coalesce(s.key, 'All') AS metric, {value} / w.minutes AS value",
                            f"SELECT * FROM sellometer_series_of('{dimension}', '${{event}}', {chosen(variable)}, {RANGE}, '$__interval', true)",
                            "1, 2"), unit, 12, 8)


def chosen_totals():
    """All that is chosen, of whatever kind, in one table."""
    parts = [f"SELECT {i} AS n, '{one}' AS kind, t.* FROM sellometer_total('{dimension}', '${{event}}', {chosen(variable)}, {RANGE}) t"
             for i, (dimension, variable, one, _) in enumerate(CHOICES, 1)]
    union = "\n            UNION ALL ".join(parts)
    return table("${event:text}: what is chosen", "Number and GMV in the range of all that is chosen above, and the share of all.", sql(f"""
        WITH everything AS MATERIALIZED (
            SELECT * FROM sellometer_total('${{event}}', {RANGE}))
        SELECT key AS "name", kind, count AS "number", gmv AS "GMV", avg_price AS price, gmv / nullif((SELECT gmv FROM everything), 0) AS share
        FROM (SELECT 0 AS n, '' AS kind, 'All' AS key, gmv, count, avg_price FROM everything
            UNION ALL {union}) t
        ORDER BY n, gmv DESC, key COLLATE "C" """), 24, 8, columns={"number": COUNT, "GMV": PRICE, "price": column(MONEY, width=85, decimals=2), "share": SHARE, "name": column(least=150)})


def variables():
    def rank(dimension):
        return f"SELECT {dimension}::text AS __value FROM sellometer.purchase_{dimension}_rank LIMIT 200"

    products = sql("""
        SELECT r.product_id::text AS __value, concat_ws(' · ', r.product_id, (SELECT SHOWN FROM sellometer.sold_products s
            WHERE s.product_id = r.product_id ORDER BY s.sales DESC, s.category COLLATE "C" LIMIT 1)) AS __text
        FROM sellometer.purchase_product_id_rank r LIMIT 200""").replace("SHOWN", shown_category("s.category"))
    return [query_variable(variable, one, products if variable == "product" else rank(dimension),
                           description="The best sellers of the hour before the newest data, or any that you type")
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
              per_minute(parted("s.gmv / w.minutes", "GMV per minute"), series()), MONEY, 16, 9, overrides=[NOT_FINAL]),
        table("From view to purchase", "Views (once a session), carts and purchases in the range, with rates.", funnel(), 8, 9,
              columns={"number": COUNT, "of views": SHARE, "of previous": SHARE}),
        lines("Events per minute", "Each type of event, per minute; the scale is logarithmic above 1, as views are many more than purchases.",
              per_minute("e AS metric, s.count / w.minutes AS value",
                         "SELECT e, s.* FROM unnest(enum_range(NULL::sellometer.event_type)::text[]) e "
                         f"CROSS JOIN LATERAL ({series('e')}) s", "1, 2"), NUMBER, 12, 8,
              overrides=[{"matcher": {"id": "byType", "options": "number"}, "properties": [
                  {"id": "custom.scaleDistribution", "value": {"type": "symlog", "log": 10, "linearThreshold": 1}}]}]),
        lines("Average price", "Average price of what was bought, and of what was put in the cart; a gap where nothing was.",
              [sql(f"""
            SELECT event_time AS "time", avg_price AS "{name}"
            FROM ({series(f"'{event}'")}) s
            ORDER BY 1""") for event, name in (("purchase", "Bought"), ("cart", "Put in cart"))], MONEY, 12, 8, points="auto"),
        row("Best, and chosen"),
        *(top(*choice, width) for choice, width in zip(CHOICES[:3], (8, 8, 8))),
        *(top(*choice, 12) for choice in CHOICES[3:]),
        chosen_totals()]
    for dimension, variable, one, many in CHOICES:
        panels += [row(f"Chosen {many}"),
                   of_chosen(dimension, variable, many, "s.gmv", "GMV", MONEY), of_chosen(dimension, variable, many, "s.count", "number", NUMBER)]
    return dashboard("sellometer-live", "Sellometer: Live", "Sales as they happen, by event time.", panels, [EVENTS, BEST_BY, *variables()],
                     alerts_shown=True)
