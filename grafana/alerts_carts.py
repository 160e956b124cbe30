"""Alerts & carts: what needs somebody."""
from parts import (GREEN, MONEY, NUMBER, ORANGE, RED, SECONDS, SEVERITY, TIME, any_of, column, dashboard, freshness, label, lines, query_variable,
                   seconds, sql, stat, steps, table)

AMOUNT = column(width=95)
KEY_SHOWN, PRODUCT = column(width=290, inspect=True), column(least=140, inspect=True)

# What products are called, or the categories that they were mostly sold in.
ALERT_NAME = "sellometer.key_name(dimension, key)"
# What a key is of, where the kind of alert does not say it.
ALERT_ABOUT = "CASE WHEN dimension IN ('all', 'event_type', 'source', 'user_session') THEN '' ELSE split_part(dimension, '_', 1) END"

# So many are counted; and of so many events that put something into a cart those that it is left of are read.
MOST_CARTS, MANY_CARTS = 2500, 10000

# Of these alerts what was observed is the price of a product; of all others a number of whatever the kind is about, of groups a factor.
OF_PRICE = "kind = 'price_anomaly' AND dimension = 'product_id'"


def amount(of):
    return f"CASE WHEN {OF_PRICE} THEN sellometer.price_in_words({of}) ELSE rtrim(to_char({of}, 'FM999,999,999,999,999,990.99'), '.') END AS {of}"


def alerts_carts():
    open_alerts = "FROM sellometer.alerts WHERE closed_at IS NULL"
    panels = [
        stat("Critical alerts", "Open alerts that want somebody now.", f"SELECT count(*) AS alerts {open_alerts} AND severity = 'critical'",
             width=5, thresholds=steps((None, GREEN), (1, RED)), decimals=0),
        stat("Warnings", "Open alerts that are not critical.", f"SELECT count(*) AS alerts {open_alerts} AND severity = 'warning'",
             width=5, thresholds=steps((None, GREEN), (1, ORANGE)), decimals=0),
        stat("Running out", "Products whose stock will not last until new stock can be there.",
             "SELECT count(*) AS products FROM sellometer.low_inventory", width=5, thresholds=steps((None, GREEN), (1, ORANGE)), decimals=0),
        stat("Left in cart", f"Products that wait in a cart; no more than {MOST_CARTS:,} are counted.",
             f"SELECT count(*) AS carts FROM (SELECT FROM sellometer.left_in_cart LIMIT {MOST_CARTS}) l", width=5, decimals=0,
             mappings=[{"type": "value", "options": {str(MOST_CARTS): {"text": f"{MOST_CARTS:,}+", "index": 0}}}]),
        freshness()[1],
        table("Open alerts", "What is wrong now, the worst first, with the reason in words. Event time is that of the events that show it.",
              sql(f"""
            SELECT severity, replace(kind, '_', ' ') AS kind, {label('dimension', 'key')} AS key, detail, {amount('observed')}, {amount('expected')}, {seconds('event_time')} AS "event time",
                {seconds('opened_at')} AS "time"
            {open_alerts} AND {any_of("kind", "kind")}
            ORDER BY severity = 'critical' DESC, severity = 'warning' DESC, opened_at DESC, id DESC
            LIMIT 500"""), 24, 26, columns={
                "severity": column(width=85, color=SEVERITY), "kind": column(width=120), "key": KEY_SHOWN, "detail": column(least=385, wrap=True), "observed": AMOUNT, "expected": AMOUNT, "event time": TIME, "time": TIME}),
        lines("Alerts by event time", "Events that alerts are about, by kind.",
              sql("""
            SELECT $__timeGroupAlias(event_time, $__interval), replace(kind, '_', ' ') AS metric, count(*) AS value
            FROM sellometer.alerts
            WHERE $__timeFilter(event_time)
            GROUP BY 1, 2
            ORDER BY 1, 2"""), NUMBER, 24, 8, stack=True, bars=True, legend=("sum",), interval="5m", decimals=0),
        table("Closed alerts", "Alerts of the range that are over, the newest first, and how long they lasted.",
              sql(f"""
            SELECT severity, replace(kind, '_', ' ') AS kind, {label('dimension', 'key')} AS key, detail, extract(epoch FROM closed_at - opened_at) AS lasted,
                {seconds('closed_at')} AS "time"
            FROM sellometer.alerts
            WHERE $__timeFilter(closed_at)
            ORDER BY closed_at DESC, id DESC
            LIMIT 500"""), 24, 12, columns={
                "severity": column(width=85, color=SEVERITY), "kind": column(width=120), "key": KEY_SHOWN, "detail": column(least=240, inspect=True), "lasted": column(SECONDS, width=95), "time": TIME}),
        table("Running out", "Products with less stock than sales until new stock can be there.",
              sql(f"""
            SELECT {label("'product_id'", 'product_id::text')} AS product, stock_left AS "left", extract(epoch FROM cover) AS lasts,
                extract(epoch FROM lead_time) AS "lead time", sold_hourly AS "sold an hour"
            FROM sellometer.low_inventory
            LIMIT 500"""), 12, 12, columns={"product": PRODUCT, "left": column(NUMBER, width=70), "sold an hour": column(NUMBER, width=115, decimals=2),
                                            "lasts": column(SECONDS, width=85), "lead time": column(SECONDS, width=85)}),
        table("Left in cart", "Products put in a cart and neither bought nor taken out, the newest first; where there are very many a day, of the time of the last.",
              sql(f"""
            SELECT {label("'product_id'", 'product_id::text')} AS product, price, {seconds("since")} AS "time"
            FROM (SELECT product_id, price, since
                FROM sellometer.left_in_cart
                WHERE since >= (SELECT CASE WHEN t.count > {MANY_CARTS} THEN s.until - interval '1 day' * ({MANY_CARTS}.0 / t.count) ELSE '-infinity' END
                    FROM (SELECT date_trunc('minute', head - sellometer.cart_timeout()) AS until FROM sellometer.state) s,
                        sellometer_total('cart', s.until - interval '1 day', s.until) t)
                ORDER BY since DESC, product_id, price
                LIMIT 500) l
            ORDER BY since DESC, product_id, price"""), 12, 12, columns={"product": PRODUCT, "price": column(MONEY, width=85, decimals=2), "time": TIME})]
    kinds = query_variable("kind", "Kind", "SELECT DISTINCT kind AS __value FROM sellometer.alerts ORDER BY 1")
    return dashboard("sellometer-alerts", "Sellometer: Alerts & carts", "What needs somebody: prices, sales, stock, carts.", panels, [kinds],
                     time="now-24h", refresh="1m")
