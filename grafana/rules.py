"""Alert rules.  A column of text is a label, and each combination of labels an instance, told of by itself."""
from alerts_carts import ALERT_ABOUT, ALERT_NAME, OF_PRICE
from parts import SOURCE, sql

OPERATIONS, ALERTS, LIVE = "sellometer-operations", "sellometer-alerts", "sellometer-live"


def expression(ref, kind, of, **more):
    return {"refId": ref, "relativeTimeRange": {"from": 3600, "to": 0}, "datasourceUid": "__expr__",
            "model": {"refId": ref, "type": kind, "datasource": {"type": "__expr__", "uid": "__expr__"}, "expression": of, **more}}


def query_of(ref, query):
    return {"refId": ref, "relativeTimeRange": {"from": 3600, "to": 0}, "datasourceUid": SOURCE["uid"],
            "model": {"refId": ref, "datasource": SOURCE, "format": "time_series", "editorMode": "code", "rawQuery": True,
                      "rawSql": query, "intervalMs": 60000, "maxDataPoints": 100}}


def rule(uid, title, summary, query, above, panel, wait="5m", severity="critical", no_data="OK", values=None):
    """
    Fires for each instance whose last value is above a number.  panel: (dashboard, title), which a notification leads to; values:
    by name what the summary tells too, each a query with the same labels.
    """
    data = [query_of("A", query)]
    for name, one in (values or {}).items():
        data += [query_of(f"{name}_query", one), expression(name, "reduce", f"{name}_query", reducer="last")]
    data += [expression("B", "reduce", "A", reducer="last"),
             expression("C", "threshold", "B", conditions=[{"evaluator": {"type": "gt", "params": [above]}}])]
    return {"uid": f"sellometer-{uid}", "title": title, "condition": "C", "for": wait, "noDataState": no_data, "execErrState": "Error",
            "annotations": {"summary": summary, "__dashboardUid__": panel[0], "__panelId__": panel[1]},
            "labels": {"severity": severity, "system": "sellometer"}, "isPaused": False, "data": data}


def status_value(value):
    return f'SELECT now() AS "time", source, {value} AS value FROM sellometer.status WHERE enabled ORDER BY 2'


def of_alerts(severity, value):
    """
    An instance for each open alert: what it is about are the labels, which stay as they are while it lasts.  Of an alert without an observed or
    expected value the summary must not say a number, and there is none to say: which it has are labels too, and what stands before a price.
    """
    return sql(f"""
        SELECT now() AS "time", kind, dimension, key, {ALERT_ABOUT} AS about, coalesce({ALERT_NAME}, '') AS name, CASE WHEN observed IS NULL THEN '' ELSE 'yes' END AS has_observed,
            CASE WHEN expected IS NULL THEN '' ELSE 'yes' END AS has_expected, CASE WHEN {OF_PRICE} THEN sellometer.currency_sign() ELSE '' END AS currency,
            {value} AS value
        FROM sellometer.alerts
        WHERE closed_at IS NULL AND severity = '{severity}'
        ORDER BY 2, 3, 4""")


def alert_rule(severity, title, wait):
    return rule(f"alerts-{severity}", title, "{{ $labels.kind }}: {{ if $labels.about }}{{ $labels.about }} {{ end }}{{ $labels.key }}{{ if $labels.name }} ({{ $labels.name }}){{ end }}."
                "{{ if $labels.has_observed }} Observed: {{ $labels.currency }}{{ $values.observed }}.{{ end }}{{ if $labels.has_expected }} Expected: {{ $labels.currency }}{{ $values.expected }}.{{ end }}"
                " The reason is in sellometer.alerts, and in Open alerts.",
                of_alerts(severity, "1"), 0, (ALERTS, "Open alerts"), wait, severity,
                values={"observed": of_alerts(severity, "coalesce(observed, 0)"), "expected": of_alerts(severity, "coalesce(expected, 0)")})


def of_health(severity):
    return f"""SELECT now() AS "time", name, (severity = '{severity}')::int AS value FROM sellometer.health ORDER BY 2"""


def of_loading():
    return [
        rule("worker", "No worker runs", "No background worker loads into the database: nothing new becomes visible.",
             'SELECT now() AS "time", (count(worker_pid) = 0 AND count(*) > 0)::int AS "no worker" FROM sellometer.status', 0,
             (OPERATIONS, "Worker"), "2m", no_data="Alerting"),
        rule("silence", "Nothing comes", "Source {{ $labels.source }}: for more than fifteen minutes no file has been loaded, by the clock.",
             sql("""
            SELECT now() AS "time", s.name AS source, extract(epoch FROM clock_timestamp() - coalesce(o.last, s.added_at)) AS value
            FROM sellometer.sources s
            LEFT JOIN LATERAL (SELECT max(ingested_at) AS last FROM sellometer.objects WHERE source = s.name) o ON true
            WHERE s.enabled
            ORDER BY 2"""), 900, (OPERATIONS, "Rows loaded"), "0s"),
        rule("lag", "Data is late", "Source {{ $labels.source }} is more than ten minutes behind the clock.",
             status_value("extract(epoch FROM event_lag)"), 600, (OPERATIONS, "Behind the clock")),
        rule("waiting", "Objects wait", "An object of source {{ $labels.source }} has waited for more than five minutes.",
             status_value("coalesce(extract(epoch FROM clock_timestamp() - pending_oldest), 0)"), 300, (OPERATIONS, "Waiting")),
        rule("failed", "Objects have failed", "{{ $values.B }} objects of source {{ $labels.source }} have failed: see sellometer.objects.",
             status_value("failed_objects"), 0, (OPERATIONS, "Failed objects"), "1m", "warning"),
        rule("source", "A source can't be listed", "Source {{ $labels.source }} can't be listed: see last_error in sellometer.sources.",
             'SELECT now() AS "time", name AS source, (last_error_at IS NOT NULL)::int AS value FROM sellometer.sources WHERE enabled ORDER BY 2', 0,
             (OPERATIONS, "Sources")),
        rule("backlog", "Backlog grows", "More than 1000 late objects of source {{ $labels.source }} wait to be merged: does sellometer_merge_backlog() run?",
             status_value("backlog_objects"), 1000, (OPERATIONS, "Backlog"), "30m", "warning"),
        rule("rejected", "Many rows are rejected", "{{ $values.B }} of 100 rows of the last hour's objects of source {{ $labels.source }} were rejected.",
             sql("""
            SELECT now() AS "time", source, 100.0 * sum(rows_rejected) / nullif(sum(rows_total), 0) AS value
            FROM sellometer.objects
            WHERE $__timeFilter(ingested_at)
            GROUP BY 2
            ORDER BY 2"""), 5, (OPERATIONS, "Rejected rows"), "5m", "warning")]


def of_all():
    return [
        rule("health-critical", "Something is wrong", "{{ $labels.name }}: see detail and hint in sellometer.health.", of_health("critical"), 0,
             (OPERATIONS, "Health"), "1m", no_data="Alerting"),
        rule("health", "Something is not well", "{{ $labels.name }}: see detail and hint in sellometer.health.", of_health("warning"), 0,
             (OPERATIONS, "Health"), "1m", "warning"),
        rule("runs", "Housekeeping fails", "{{ $labels.procedure }} failed or died within the last hour: see sellometer.runs.",
             sql("""
            SELECT now() AS "time", procedure, count(*) AS value
            FROM sellometer.runs
            WHERE $__timeFilter(started) AND outcome IN ('failed', 'died')
            GROUP BY 2
            ORDER BY 2"""), 0, (OPERATIONS, "What failed, and when"), "0s", "warning"),
        rule("no-purchases", "No purchases", "People look at products and nobody has bought one for ten minutes of event time.",
             sql("""
            SELECT now() AS "time", (v.count > 100 AND p.count = 0)::int AS "no purchases"
            FROM sellometer.state
            CROSS JOIN LATERAL sellometer_total('view', head - interval '15 minutes', head - interval '5 minutes') v
            CROSS JOIN LATERAL sellometer_total('purchase', head - interval '15 minutes', head - interval '5 minutes') p"""), 0,
             (LIVE, "Events per minute"), "1m"),
        alert_rule("critical", "Critical alert", "0s"), alert_rule("warning", "Warning", "0s")]


def rules(dashboards):
    """dashboards: those that notifications lead to."""
    ids = {(board["uid"], panel["title"]): panel["id"] for board in dashboards for panel in board["panels"]}
    group = [*of_loading(), *of_all()]
    for one in group:
        notes = one["annotations"]
        notes["__panelId__"] = str(ids[notes["__dashboardUid__"], notes["__panelId__"]])
    return {"apiVersion": 1, "groups": [{"orgId": 1, "name": "sellometer", "folder": "Sellometer", "interval": "1m", "rules": group}]}
