#!/usr/bin/env python3
"""Write the dashboards and alert rules for Grafana.

    grafana/build.py            write dashboards/*.json and provisioning/alerting/rules.yaml
    grafana/build.py --check    say which of them are not what this would write, and fail if any is
"""
import json
import pathlib
import sys

from parts import (BLUE, CURRENCY, DIMENSIONS, EVENTS, GREEN, ORANGE, PREVIOUS, RANGE, RED, SOURCE, any_of, chosen,
                   custom_variable, dashboard, freshness, gauge, lines, per_minute, query_variable, row, series, sql, stat,
                   steps, table, total)

HERE = pathlib.Path(__file__).resolve().parent


def live():
    def rank(dimension, expression=None):
        return f"SELECT {expression or dimension} AS __value FROM sellometer.purchase_{dimension}_rank LIMIT 200"

    def top(title, dimension, variable):
        return table(f"Top {title}", f"The ten {title} that come first in the range; a click chooses one.",
                     sql(f"""
            SELECT key, gmv, count, avg_price AS price
            FROM sellometer_top('{dimension}', '${{event}}', {RANGE}, 10, '${{by}}')"""),
                     units={"gmv": CURRENCY, "price": CURRENCY, "count": "short"},
                     links={"key": ("Choose", f"/d/sellometer-live?${{__url_time_range}}&${{event:queryparam}}&${{by:queryparam}}"
                                    f"&var-{variable}=${{__value.raw:percentencode}}")},
                     cell={"gmv": {"custom.cellOptions": {"type": "gauge", "mode": "basic"}, "color": {"mode": "fixed", "fixedColor": BLUE},
                                   "min": 0}})

    def of_chosen(title, dimension, variable):
        return lines(f"Chosen {title}", f"GMV per minute of the {title} chosen above; all of them together if none is.",
                     per_minute("coalesce(s.key, 'All') AS metric, s.gmv / w.minutes AS value",
                                chosen(f"'{dimension}'", variable), "1, 2"), CURRENCY, 8, 8)

    panels = [
        stat("GMV", "What the purchases in the range came to.", f"SELECT {total('gmv')} AS gmv", CURRENCY),
        stat("Purchases", "Purchases in the range.", f"SELECT {total('count')} AS purchases"),
        stat("Purchases per 100 views", "Purchases for each 100 views; a view of a product counts once a session.",
             f"SELECT 100 * {total('count')} / nullif({total('count', 'view')}, 0) AS share", decimals=2),
        stat("GMV in the last minute", "The newest complete minute of the data, whatever the range.",
             sql("""
            SELECT s.gmv
            FROM sellometer.state
            CROSS JOIN LATERAL sellometer_series('category_l1', 'purchase', NULL, head - interval '10 minutes', head, '1 minute') s
            WHERE s.event_time + interval '1 minute' <= head
            ORDER BY s.event_time DESC
            LIMIT 1"""), CURRENCY),
        *freshness(),
        lines("GMV per minute", "What purchases came to, by event time, per minute whatever the width of the points.",
              per_minute('s.gmv / w.minutes AS "GMV per minute"', series()), CURRENCY, 16, 9),
        gauge("From view to purchase", "Views (once a session), carts and purchases in the range.",
              "SELECT " + f"{total('count', 'view')} AS \"Viewed\", {total('count', 'cart')} AS \"Put in cart\", "
              f"{total('count')} AS \"Bought\"", height=9, min=0),
        lines("Events per minute", "Each type of event, per minute; the scale is logarithmic, as views are many more than purchases.",
              per_minute("e AS metric, s.count / w.minutes AS value",
                         "SELECT e, s.* FROM unnest(enum_range(NULL::sellometer.event_type)::text[]) e "
                         f"CROSS JOIN LATERAL ({series('e')}) s", "1, 2"), "short", 12, 8,
              overrides=[{"matcher": {"id": "byType", "options": "number"}, "properties": [
                  {"id": "custom.scaleDistribution", "value": {"type": "log", "log": 10}}]}]),
        lines("Average price", "Average price of what was bought, and of what was put in the cart.",
              [sql(f"""
            SELECT event_time AS "time", avg_price AS "{name}"
            FROM sellometer_series('category_l1', '{event}', NULL, {RANGE}, '$__interval')
            ORDER BY 1""") for event, name in (("purchase", "Bought"), ("cart", "Put in cart"))], CURRENCY, 12, 8),
        row("Best sellers"),
        top("products", "product_id", "product"), top("brands", "brand", "brand"), top("categories", "category_l2", "category"),
        of_chosen("products", "product_id", "product"), of_chosen("brands", "brand", "brand"),
        of_chosen("categories", "category_l2", "category")]
    return dashboard("sellometer-live", "Sellometer: Live", "Sales as they happen, by event time.", panels, [
        EVENTS, custom_variable("by", "Best by", [("gmv", "GMV"), ("count", "Number")], "What the top lists are ordered by"),
        query_variable("product", "Product", rank("product_id", "product_id::text"), description="The best sellers of the hour before the newest data"),
        query_variable("brand", "Brand", rank("brand"), description="The best sellers of the hour before the newest data"),
        query_variable("category", "Category", rank("category_l2"), description="The best sellers of the hour before the newest data"),
    ], alerts_shown=True)


def sales():
    def change(name, column, event="purchase"):
        return f"{total(column, event)} / nullif({total(column, event, PREVIOUS)}, 0) - 1 AS \"{name}\""

    def in_steps(event):
        return f"sellometer_series('category_l1', '{event}', NULL, {RANGE}, '${{step}}')"

    before = "$__timeFrom()::timestamptz - interval '7 days', $__timeTo()::timestamptz - interval '7 days'"
    panels = [
        stat("GMV", "What the purchases in the range came to.", f"SELECT {total('gmv')} AS gmv", CURRENCY),
        stat("Purchases", "Purchases in the range.", f"SELECT {total('count')} AS purchases"),
        stat("Average price", "GMV divided by purchases.", f"SELECT {total('gmv')} / nullif({total('count')}, 0) AS price", CURRENCY,
             decimals=2),
        stat("Purchases per 100 views", "Purchases for each 100 views; a view of a product counts once a session.",
             f"SELECT 100 * {total('count')} / nullif({total('count', 'view')}, 0) AS share", decimals=2),
        stat("GMV against the range before", "GMV against that of the range before this one, of the same length; empty if that is no longer kept.",
             f"SELECT {change('GMV', 'gmv')}", "percentunit", thresholds=steps((None, RED), (-0.1, ORANGE), (0, GREEN)), decimals=1),
        stat("Purchases against the range before", "Purchases against those of the range before this one, of the same length.",
             f"SELECT {change('Purchases', 'count')}", "percentunit", thresholds=steps((None, RED), (-0.1, ORANGE), (0, GREEN)), decimals=1),
        lines("GMV by time", "In buckets of the width chosen above, wider where only wider ones are kept. Light: objects on their way may still change it.",
              sql(f"""
            SELECT event_time AS "time", CASE WHEN is_final THEN gmv END AS "GMV", CASE WHEN NOT is_final THEN gmv END AS "Not final"
            FROM {in_steps('purchase')}
            ORDER BY 1"""), CURRENCY, 24, 9, stack=True, bars=True, legend=("sum",),
              overrides=[{"matcher": {"id": "byName", "options": "Not final"}, "properties": [
                  {"id": "color", "value": {"mode": "fixed", "fixedColor": "super-light-blue"}}]}]),
        lines("This week against last", "The last seven days of the range, and the seven before, by hour.",
              sql(f"""
            SELECT event_time AS "time", 'These seven days' AS metric, gmv AS value
            FROM sellometer_series('category_l1', 'purchase', NULL, {RANGE}, '1 hour')
            UNION ALL
            SELECT event_time + interval '7 days', 'The seven before', gmv
            FROM sellometer_series('category_l1', 'purchase', NULL, {before}, '1 hour')
            ORDER BY 1, 2"""), CURRENCY, 16, 9, timeFrom="7d"),
        table("Day by day", "Days in UTC, the newest first, against the same day of the week before.",
              sql(f"""
            WITH days AS (
                SELECT event_time, gmv, count, gmv / nullif(lag(gmv, 7) OVER (ORDER BY event_time), 0) - 1 AS change
                FROM sellometer_series('category_l1', 'purchase', NULL, $__timeFrom()::timestamptz - interval '7 days', $__timeTo(), '1 day'))
            SELECT event_time AS day, gmv, count AS purchases, change AS "week on week"
            FROM days
            WHERE event_time >= $__timeFrom()::timestamptz - interval '1 day'
            ORDER BY 1 DESC"""),
              units={"gmv": CURRENCY, "purchases": "short", "week on week": "percentunit", "day": "time:ddd D MMM"}),
        row("By ${dimension:text}"),
        lines("GMV of the chosen, or of the best ten", "Those chosen above; the ten best of the range if none is.",
              sql(f"""
            SELECT s.event_time AS "time", k.key AS metric, s.gmv AS value
            FROM (SELECT key FROM unnest(ARRAY[${{key}}]::text[]) c (key) WHERE key IS NOT NULL
                UNION ALL
                SELECT key FROM sellometer_top('${{dimension}}', 'purchase', {RANGE}, 10)
                WHERE (ARRAY[${{key}}]::text[])[1] IS NULL) k
            CROSS JOIN LATERAL sellometer_series('${{dimension}}', 'purchase', k.key, {RANGE}, '${{step}}') s
            ORDER BY 1, 2"""), CURRENCY, 24, 10, stack=True, bars=True, legend=("sum",)),
        table("Best twenty", "By GMV, with the share of all.",
              sql(f"""
            SELECT key, gmv, gmv / nullif({total('gmv')}, 0) AS share, count AS purchases, avg_price AS price
            FROM sellometer_top('${{dimension}}', 'purchase', {RANGE}, 20)"""), 12, 11,
              units={"gmv": CURRENCY, "share": "percentunit", "price": CURRENCY, "purchases": "short"}),
        table("Movers", "Of the fifty best of this range and the fifty best of the one before, the twenty whose GMV has changed most, "
              "up or down.",
              sql(f"""
            WITH best AS MATERIALIZED (
                SELECT array_agg(key) AS keys FROM (SELECT key FROM sellometer_top('${{dimension}}', 'purchase', {RANGE}, 50)
                    UNION SELECT key FROM sellometer_top('${{dimension}}', 'purchase', {PREVIOUS}, 50)) k),
            now AS (SELECT t.* FROM best CROSS JOIN LATERAL sellometer_total('${{dimension}}', 'purchase', keys, {RANGE}) t),
            before AS (SELECT t.* FROM best CROSS JOIN LATERAL sellometer_total('${{dimension}}', 'purchase', keys, {PREVIOUS}) t)
            SELECT key, n.gmv AS now, o.gmv AS before, coalesce(n.gmv, 0) - coalesce(o.gmv, 0) AS change
            FROM now n FULL JOIN before o USING (key)
            ORDER BY abs(coalesce(n.gmv, 0) - coalesce(o.gmv, 0)) DESC, 1
            LIMIT 20"""), 12, 11, units={"now": CURRENCY, "before": CURRENCY, "change": CURRENCY},
              cell={"change": {"custom.cellOptions": {"type": "color-text"},
                               "thresholds": steps((None, RED), (0, GREEN)), "color": {"mode": "thresholds"}}}),
        lines("Purchases per 100 views", "How many views lead to a purchase, over time.",
              sql(f"""
            SELECT v.event_time AS "time", 100.0 * coalesce(p.count, 0) / v.count AS "Purchases per 100 views"
            FROM {in_steps('view')} v
            LEFT JOIN {in_steps('purchase')} p ON p.event_time = v.event_time
            ORDER BY 1"""), "short", 12, 8, decimals=2),
        lines("Average price", "Average price of purchases, over time.",
              sql(f"""
            SELECT event_time AS "time", avg_price AS "Average price"
            FROM {in_steps('purchase')}
            ORDER BY 1"""), CURRENCY, 12, 8)]
    return dashboard("sellometer-sales", "Sellometer: Sales", "Sales over days and weeks.", panels, [
        custom_variable("step", "Width", [("1 day", "Day"), ("1 hour", "Hour"), ("6 hours", "Six hours"), ("7 days", "Week")],
                        "Width of the bars"),
        custom_variable("dimension", "By", DIMENSIONS, "What the lists below are about"),
        query_variable("key", "Key", f"SELECT key AS __value FROM sellometer_top('${{dimension}}', 'purchase', {RANGE}, 50)",
                       refresh=2, description="The 50 best of the range"),
    ], time="now-14d", refresh="5m")


def alerts_carts():
    open_alerts = "FROM sellometer.alerts WHERE closed_at IS NULL"
    panels = [
        stat("Critical alerts", "Open alerts that want somebody now.", f"SELECT count(*) AS alerts {open_alerts} AND severity = 'critical'",
             width=5, thresholds=steps((None, GREEN), (1, RED))),
        stat("Warnings", "Open alerts that are not critical.", f"SELECT count(*) AS alerts {open_alerts} AND severity = 'warning'",
             width=5, thresholds=steps((None, GREEN), (1, ORANGE))),
        stat("Running out", "Products whose stock will not last until new stock can be there.",
             "SELECT count(*) AS products FROM sellometer.low_inventory", width=5, thresholds=steps((None, GREEN), (1, ORANGE))),
        stat("Left in cart", "Products that wait in a cart.", "SELECT count(*) AS carts FROM sellometer.left_in_cart", width=5),
        freshness()[1],
        table("Open alerts", "What is wrong now, the worst first, with the reason in words.",
              sql(f"""
            SELECT opened_at AS "time", severity, replace(kind, '_', ' ') AS kind, dimension, key, detail, observed, expected, score
            {open_alerts} AND {any_of("kind", "kind")}
            ORDER BY severity = 'critical' DESC, opened_at DESC
            LIMIT 500"""), 24, 11, no_value="No open alerts",
              cell={"severity": {"custom.width": 100, "custom.cellOptions": {"type": "color-text"}, "mappings": [
                  {"type": "value", "options": {"critical": {"color": RED, "index": 0}, "warning": {"color": ORANGE, "index": 1}}}]},
                    "time": {"custom.width": 170}, "detail": {"custom.width": 500}}),
        lines("Alerts opened", "New alerts, by kind.",
              sql("""
            SELECT $__timeGroupAlias(opened_at, $__interval), kind AS metric, count(*) AS value
            FROM sellometer.alerts
            WHERE $__timeFilter(opened_at)
            GROUP BY 1, 2
            ORDER BY 1, 2"""), "short", 12, 9, stack=True, bars=True, legend=("sum",), interval="5m"),
        table("Closed alerts", "Alerts of the range that are over, and how long they lasted.",
              sql("""
            SELECT closed_at AS "time", severity, replace(kind, '_', ' ') AS kind, key, detail,
                extract(epoch FROM closed_at - opened_at) AS lasted
            FROM sellometer.alerts
            WHERE $__timeFilter(closed_at)
            ORDER BY 1 DESC
            LIMIT 500"""), 12, 9, units={"lasted": "s"}, no_value="None"),
        table("Running out", "Products with less stock than sales until new stock can be there.",
              sql("""
            SELECT product_id::text AS product, stock_left AS "left", sold_hourly AS "sold an hour", extract(epoch FROM cover) AS lasts,
                extract(epoch FROM lead_time) AS "new stock takes"
            FROM sellometer.low_inventory
            LIMIT 500"""), 12, 10, units={"lasts": "s", "new stock takes": "s"}, no_value="None"),
        table("Left in cart", "Products put in a cart and neither bought nor taken out, the newest first.",
              """SELECT since AS "time", product_id::text AS product, price FROM sellometer.left_in_cart ORDER BY since DESC LIMIT 500""", 12, 10,
              no_value="None")]
    kinds = query_variable("kind", "Kind", "SELECT DISTINCT kind AS __value FROM sellometer.alerts ORDER BY 1")
    return dashboard("sellometer-alerts", "Sellometer: Alerts & carts", "What needs somebody: prices, sales, stock, carts.", panels, [kinds],
                     time="now-24h", refresh="1m")


def operations():
    ingested = f"FROM sellometer.objects WHERE $__timeFilter(ingested_at) AND {any_of('source', 'source')}"
    panels = [
        freshness()[1],
        stat("From arrival to table", "Time from an object's arrival to its rows being visible: the last one's, or the age of the oldest that waits.",
             "SELECT max(extract(epoch FROM arrival_lag)) AS lag FROM sellometer.status WHERE enabled", "s",
             thresholds=steps((None, GREEN), (10, ORANGE), (120, RED))),
        stat("Waiting", "Bytes of objects that are found and not loaded yet.",
             "SELECT sum(pending_bytes) AS pending FROM sellometer.status", "bytes", thresholds=steps((None, GREEN), (256e6, ORANGE))),
        stat("Backlog", "Late objects that wait for sellometer_merge_backlog().",
             "SELECT sum(backlog_objects) AS backlog FROM sellometer.status", thresholds=steps((None, GREEN), (1000, ORANGE))),
        stat("Failed objects", "Objects that were given up: see the list below, then sellometer_retry() or sellometer_skip().",
             "SELECT sum(failed_objects) AS failed FROM sellometer.status", thresholds=steps((None, GREEN), (1, RED))),
        stat("Worker", "Does a worker load into this database, and is a surge on?",
             sql("""
            SELECT CASE WHEN max(worker_pid) IS NULL THEN 0 WHEN bool_or(surge) THEN 2 ELSE 1 END AS worker
            FROM sellometer.status"""), thresholds=steps((None, RED), (1, GREEN), (2, ORANGE)),
             mappings=[{"type": "value", "options": {"0": {"text": "none", "color": RED, "index": 0}, "1": {"text": "running", "color": GREEN, "index": 1},
                                                     "2": {"text": "surge", "color": ORANGE, "index": 2}}}]),
        table("Health", "What is not well, the worst first: all of sellometer.health that is warning or critical.",
              sql("""
            SELECT severity, name, since AS "time", detail, hint
            FROM sellometer.health
            WHERE severity IN ('warning', 'critical')
            ORDER BY severity, name"""), 24, 6, no_value="All is well",
              cell={"severity": {"custom.width": 100, "custom.cellOptions": {"type": "color-text"}, "mappings": [{"type": "value", "options": {
                  "critical": {"color": RED, "index": 0}, "warning": {"color": ORANGE, "index": 1}}}]}}),
        table("Sources", "How each source is doing.",
              sql("""
            SELECT source, enabled, head AS "time", extract(epoch FROM event_lag) AS "event lag", extract(epoch FROM arrival_lag) AS "arrival lag",
                pending_objects AS waiting, pending_bytes AS "waiting bytes", backlog_objects AS backlog, failed_objects AS failed,
                rows_per_second AS "rows/s", list_requests AS lists, last_error AS "last error"
            FROM sellometer.status
            ORDER BY 1"""), 24, 6, units={"event lag": "s", "arrival lag": "s", "waiting bytes": "bytes", "rows/s": "short", "lists": "short"}),
        lines("Rows loaded", "Rows of the objects loaded, per second, by what became of them.",
              sql(f"""
            SELECT "time", metric, rows / extract(epoch FROM interval '$__interval') AS value
            FROM (SELECT $__timeGroupAlias(ingested_at, $__interval), sum(rows_counted) AS counted, sum(rows_duplicate) AS "seen before",
                    sum(rows_rejected) AS rejected, sum(rows_expired) AS expired
                {ingested}
                GROUP BY 1) o
            CROSS JOIN LATERAL (VALUES ('counted', counted), ('seen before', "seen before"), ('rejected', rejected), ('expired', expired)) v (metric, rows)
            ORDER BY 1, 2"""), "rowsps", 12, 9, stack=True, legend=("mean", "max"), interval="10s"),
        lines("From arrival to table", "Half of the objects, and 99 of 100, are visible this long after they have arrived.",
              sql(f"""
            SELECT $__timeGroupAlias(ingested_at, $__interval),
                percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ingested_at - last_modified)) AS "median",
                percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM ingested_at - last_modified)) AS "99 %"
            {ingested}
            GROUP BY 1
            ORDER BY 1"""), "s", 12, 9, interval="10s"),
        lines("Rejected rows by reason", "Rows that could not be used, of those kept as examples (sellometer.max_rejects_kept for each object).",
              sql("""
            SELECT $__timeGroupAlias(rejected_at, $__interval), reason AS metric, count(*) AS value
            FROM sellometer.rejected_rows
            WHERE $__timeFilter(rejected_at)
            GROUP BY 1, 2
            ORDER BY 1, 2"""), "short", 12, 8, stack=True, bars=True, legend=("sum",), no_value="None"),
        table("Rejected rows", "The newest of them, with what was wrong.",
              sql("""
            SELECT rejected_at AS "time", reason, column_name AS "column", source, key AS object, line, detail, raw
            FROM sellometer.rejected_rows
            WHERE $__timeFilter(rejected_at)
            ORDER BY 1 DESC
            LIMIT 200"""), 12, 8, no_value="None"),
        table("Failed objects", "Each with the reason. sellometer_retry(source, key) has it loaded again, sellometer_skip(source, key) never.",
              sql("""
            SELECT discovered_at AS "time", source, key AS object, size, attempts, next_attempt AS "next attempt", sqlstate, error
            FROM sellometer.objects
            WHERE state = 'failed'
            ORDER BY id DESC
            LIMIT 200"""), 24, 7, units={"size": "bytes"}, no_value="None"),
        table("Under way", "What is being done now.",
              sql("""
            SELECT pid, task, phase, objects_done AS objects, objects_total AS "of objects", bytes_done AS bytes, bytes_total AS "of bytes",
                rows_done AS rows, started AS "time", estimated_finish AS "estimated finish"
            FROM sellometer.progress"""), 12, 6, units={"bytes": "bytes", "of bytes": "bytes", "rows": "short"}, no_value="Nothing"),
        table("Runs", "Of the procedures that did something, the newest first.",
              sql("""
            SELECT started AS "time", procedure, outcome, extract(epoch FROM coalesce(finished, clock_timestamp()) - started) AS took,
                detail::text AS detail
            FROM sellometer.runs
            WHERE $__timeFilter(started)
            ORDER BY id DESC
            LIMIT 200"""), 12, 6, units={"took": "s"}, no_value="None",
              cell={"outcome": {"custom.cellOptions": {"type": "color-text"}, "mappings": [{"type": "value", "options": {
                  "failed": {"color": RED, "index": 0}, "died": {"color": RED, "index": 1}, "done": {"color": GREEN, "index": 2}}}]}}),
        table("Tiers", "What each tier holds: on disk with its indexes, and up to where it is rolled up.",
              sql("""
            SELECT t.name AS tier, sum(pg_total_relation_size(i.inhrelid)) AS size, count(DISTINCT i.inhrelid) AS partitions,
                sum(greatest(p.reltuples, 0))::bigint AS "rows, about", t.retention::text AS "kept for",
                CASE WHEN isfinite(t.watermark) THEN t.watermark END AS "complete up to"
            FROM sellometer.tiers t
            CROSS JOIN sellometer.dimensions() d
            LEFT JOIN pg_inherits i ON i.inhparent = to_regclass(format('sellometer.%I', d.dimension || '_' || t.name))
            LEFT JOIN pg_class p ON p.oid = i.inhrelid
            GROUP BY t.name, t.position, t.retention, t.watermark
            ORDER BY t.position"""), 12, 7, units={"size": "bytes", "rows, about": "short"}),
        gauge("Objects by state", "All objects ever seen.",
              "SELECT state, count(*) AS objects FROM sellometer.objects GROUP BY 1 ORDER BY 1", width=12, height=7, rows=True, min=0)]
    return dashboard("sellometer-operations", "Sellometer: Operations", "Is the data coming in, and what does not?", panels, [
        query_variable("source", "Source", "SELECT name AS __value FROM sellometer.sources ORDER BY 1")], time="now-3h", refresh="10s")


# --- alert rules ---------------------------------------------------------------------------------------------------

def rule(uid, title, summary, query, above, wait="5m", severity="critical", no_data="OK"):
    """Fires for each series of the query whose last value is above a number; a text column is its label."""
    expression = {"type": "__expr__", "uid": "__expr__"}
    return {"uid": f"sellometer-{uid}", "title": title, "condition": "C", "for": wait, "noDataState": no_data, "execErrState": "Error",
            "annotations": {"summary": summary}, "labels": {"severity": severity, "system": "sellometer"}, "isPaused": False,
            "data": [
                {"refId": "A", "relativeTimeRange": {"from": 3600, "to": 0}, "datasourceUid": SOURCE["uid"],
                 "model": {"refId": "A", "datasource": SOURCE, "format": "time_series", "editorMode": "code", "rawQuery": True,
                           "rawSql": query, "intervalMs": 60000, "maxDataPoints": 100}},
                {"refId": "B", "relativeTimeRange": {"from": 3600, "to": 0}, "datasourceUid": "__expr__",
                 "model": {"refId": "B", "type": "reduce", "datasource": expression, "expression": "A", "reducer": "last"}},
                {"refId": "C", "relativeTimeRange": {"from": 3600, "to": 0}, "datasourceUid": "__expr__",
                 "model": {"refId": "C", "type": "threshold", "datasource": expression, "expression": "B",
                           "conditions": [{"evaluator": {"type": "gt", "params": [above]}}]}}]}


def status_value(value):
    return f'SELECT now() AS "time", source, {value} AS value FROM sellometer.status WHERE enabled ORDER BY 2'


def rules():
    group = [
        rule("worker", "No worker runs", "No background worker loads into the database: nothing new becomes visible.",
             'SELECT now() AS "time", (count(worker_pid) = 0 AND count(*) > 0)::int AS "no worker" FROM sellometer.status', 0, "2m"),
        rule("health", "Something is not well", "{{ $labels.name }} is not well: see detail and hint in sellometer.health.",
             'SELECT now() AS "time", name, sellometer.severity_rank(severity) AS value FROM sellometer.health ORDER BY 2', 0, "1m", "warning"),
        rule("lag", "Data is late", "Source {{ $labels.source }} is more than ten minutes behind the clock.",
             status_value("extract(epoch FROM event_lag)"), 600),
        rule("waiting", "Objects wait", "An object of source {{ $labels.source }} has waited for more than five minutes.",
             status_value("coalesce(extract(epoch FROM clock_timestamp() - pending_oldest), 0)"), 300),
        rule("failed", "Objects have failed", "{{ $values.B }} objects of source {{ $labels.source }} have failed: see sellometer.objects.",
             status_value("failed_objects"), 0, "1m", "warning"),
        rule("source", "A source can't be listed", "Source {{ $labels.source }} can't be listed: see last_error in sellometer.sources.",
             'SELECT now() AS "time", name AS source, (last_error_at IS NOT NULL)::int AS value FROM sellometer.sources WHERE enabled ORDER BY 2', 0),
        rule("backlog", "Backlog grows", "More than 1000 late objects of source {{ $labels.source }} wait to be merged: does sellometer_merge_backlog() run?",
             status_value("backlog_objects"), 1000, "30m", "warning"),
        rule("rejected", "Many rows are rejected", "More than 5 of 100 rows of the last hour's objects of source {{ $labels.source }} were rejected.",
             sql("""
            SELECT now() AS "time", source, 100.0 * sum(rows_rejected) / nullif(sum(rows_total), 0) AS value
            FROM sellometer.objects
            WHERE $__timeFilter(ingested_at)
            GROUP BY 2
            ORDER BY 2"""), 5, "5m", "warning"),
        rule("runs", "Housekeeping fails", "{{ $labels.procedure }} failed or died within the last hour: see sellometer.runs.",
             sql("""
            SELECT now() AS "time", procedure, count(*) AS value
            FROM sellometer.runs
            WHERE $__timeFilter(started) AND outcome IN ('failed', 'died')
            GROUP BY 2
            ORDER BY 2"""), 0, "0s", "warning"),
        rule("no-purchases", "No purchases", "People look at products and nobody has bought one for ten minutes of event time.",
             sql("""
            SELECT now() AS "time", (v.count > 100 AND p.count = 0)::int AS "no purchases"
            FROM sellometer.state
            CROSS JOIN LATERAL sellometer_total('view', head - interval '15 minutes', head - interval '5 minutes') v
            CROSS JOIN LATERAL sellometer_total('purchase', head - interval '15 minutes', head - interval '5 minutes') p"""), 0, "1m"),
        rule("alerts", "Sellometer raised a critical alert", "{{ $values.B }} critical alerts of kind {{ $labels.kind }} are open: see dashboard Alerts & carts.",
             sql("""
            SELECT now() AS "time", kind, count(*) AS value
            FROM sellometer.alerts
            WHERE closed_at IS NULL AND severity = 'critical'
            GROUP BY 2
            ORDER BY 2"""), 0, "0s")]
    return {"apiVersion": 1, "groups": [{"orgId": 1, "name": "sellometer", "folder": "Sellometer", "interval": "1m", "rules": group}]}


# --- files ---------------------------------------------------------------------------------------------------------

def yaml(value, indent=0):
    """As YAML: mappings and lists in blocks, long text as a literal, other scalars as in JSON."""
    pad = "  " * indent
    if isinstance(value, dict):
        text = ""
        for key, one in value.items():
            if isinstance(one, (dict, list)) and one:
                text += f"{pad}{key}:\n{yaml(one, indent + 1)}"
            elif isinstance(one, str) and "\n" in one:
                text += f"{pad}{key}: |-\n" + "".join(f"{pad}  {line}\n" for line in one.split("\n"))
            else:
                text += f"{pad}{key}: {json.dumps(one, ensure_ascii=False)}\n"
        return text
    if all(not isinstance(one, (dict, list)) for one in value):
        return "".join(f"{pad}- {json.dumps(one, ensure_ascii=False)}\n" for one in value)
    return "".join(f"{pad}- {yaml(one, indent + 1).lstrip()}" for one in value)


def files():
    for name, made in (("live", live), ("sales", sales), ("alerts-carts", alerts_carts), ("operations", operations)):
        yield f"dashboards/{name}.json", json.dumps(made(), indent=2, ensure_ascii=False) + "\n"
    yield ("provisioning/alerting/rules.yaml",
           "# Written by grafana/build.py.  Who is told is left to you: add a contact point and a notification policy.\n" + yaml(rules()))


def main():
    stale = []
    for name, text in files():
        path = HERE / name
        if sys.argv[1:] == ["--check"]:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(name)
        else:
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.exit("not what grafana/build.py writes: " + ", ".join(stale))


if __name__ == "__main__":
    main()
