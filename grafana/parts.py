"""Parts of dashboards: queries, panels, variables.

What Grafana replaces in a query: $__timeFrom() and $__timeTo() by the ends of the range, $__timeFilter(column) and
$__timeGroupAlias(column, width) by SQL, $__interval by a width that suits the range, and variables.  One that can have
several values, ${brand}, becomes literals, quoted and separated by commas; a single one, '${event}', text with its quotes
doubled.  (Never ${brand:sqlstring}: that puts a backslash before a double quote, as PostgreSQL does not.)  "All" becomes
NULL, which the functions take as all keys, and which no key can be mistaken for.
"""
import textwrap

SOURCE = {"type": "grafana-postgresql-datasource", "uid": "sellometer"}
CURRENCY = "currencyUSD"        # the unit of money: currencyEUR, currencyGBP, ...; "short" for none
GREEN, ORANGE, RED, BLUE = "green", "orange", "red", "blue"

RANGE = "$__timeFrom(), $__timeTo()"


def sql(text):
    return textwrap.dedent(text).strip()


# --- queries -------------------------------------------------------------------------------------------------------

def per_minute(selected, series, order="1"):
    """
    A series by $__interval, as values per minute; w.minutes is the width.  The bucket that has only begun is left out.
    Materialized, as the width would else be worked out for every row.
    """
    return sql(f"""
        WITH w AS MATERIALIZED (
            SELECT width, extract(epoch FROM width) / 60 AS minutes
            FROM (SELECT sellometer.series_width('$__interval', $__timeFrom()) AS width) x)
        SELECT s.event_time AS "time", {selected}
        FROM w CROSS JOIN ({series}) s
        WHERE s.event_time + w.width <= (SELECT head FROM sellometer.state)
        ORDER BY {order}""")


def series(event="'purchase'", dimension="'category_l1'", key="NULL", step="'$__interval'", range_=RANGE):
    return f"SELECT * FROM sellometer_series({dimension}, {event}, {key}, {range_}, {step})"


def total(column, event="purchase", range_=RANGE):
    return f"(SELECT {column} FROM sellometer_total('{event}', {range_}))"


PREVIOUS = ("$__timeFrom()::timestamptz - ($__timeTo()::timestamptz - $__timeFrom()::timestamptz), "
            "$__timeFrom()::timestamptz")


def any_of(column, variable):
    """The column has one of the values of a variable, or "All" is chosen."""
    values = f"ARRAY[${{{variable}}}]::text[]"
    return f"({column} = ANY ({values}) OR ({values})[1] IS NULL)"


def chosen(dimension, variable):
    """The keys that a variable holds, or NULL, each with its series."""
    return (f"SELECT k.key, s.* FROM unnest(ARRAY[${{{variable}}}]::text[]) k (key) CROSS JOIN LATERAL "
            f"sellometer_series({dimension}, '${{event}}', k.key, {RANGE}, '$__interval') s")


# --- parts of a dashboard ------------------------------------------------------------------------------------------

def target(query, fmt="time_series", ref="A"):
    return {"refId": ref, "datasource": SOURCE, "format": fmt, "editorMode": "code", "rawQuery": True, "rawSql": query}


def steps(*pairs):
    """Thresholds: colours, each from a value on; the first from the bottom."""
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in pairs]}


def panel(kind, title, description, targets, width, height, unit="short", thresholds=None, options=None, custom=None,
          overrides=(), **more):
    defaults = {"unit": unit, "color": {"mode": "palette-classic" if kind == "timeseries" else "thresholds"},
                "mappings": [], "thresholds": thresholds or steps((None, BLUE)), "noValue": more.pop("no_value", "–")}
    for name in ("min", "max", "decimals", "mappings"):
        if name in more:
            defaults[name] = more.pop(name)
    if custom:
        defaults["custom"] = custom
    result = {"type": kind, "title": title, "description": description, "datasource": SOURCE,
              "gridPos": {"w": width, "h": height},
              "targets": targets, "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
              "options": options or {}}
    return {**result, **more}


def stat(title, description, query, unit="short", width=4, thresholds=None, fmt="table", graph="none", **more):
    return panel("stat", title, description, [target(query, fmt)], width, 4, unit, thresholds,
                 {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "orientation": "auto",
                  "colorMode": "value", "graphMode": graph, "justifyMode": "auto", "textMode": "auto",
                  "wideLayout": True, "showPercentChange": False, "percentChangeColorMode": "standard"}, **more)


def lines(title, description, query, unit="short", width=12, height=8, stack=False, bars=False, legend=("lastNotNull",),
          interval="1m", overrides=(), **more):
    custom = {"drawStyle": "bars" if bars else "line", "lineWidth": 0 if bars else 2, "fillOpacity": 70 if bars else 12,
              "showPoints": "never", "lineInterpolation": "linear", "spanNulls": False, "axisSoftMin": 0,
              "stacking": {"mode": "normal" if stack else "none", "group": "A"}}
    queries = query if isinstance(query, list) else [query]
    return panel("timeseries", title, description, [target(q, ref="ABCDEF"[i]) for i, q in enumerate(queries)],
                 width, height, unit,
                 options={"legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": list(legend)},
                          "tooltip": {"mode": "multi", "sort": "desc"}},
                 custom=custom, interval=interval, overrides=overrides, **more)


def table(title, description, query, width=8, height=9, units=None, links=None, cell=None, **more):
    """units: column -> unit; links: column -> (title, url); cell: column -> properties."""
    properties = {}
    for column, unit in (units or {}).items():
        properties.setdefault(column, []).append({"id": "unit", "value": unit})
    for column, (text, url) in (links or {}).items():
        properties.setdefault(column, []).append({"id": "links", "value": [{"title": text, "url": url, "targetBlank": False}]})
    for column, values in (cell or {}).items():
        properties.setdefault(column, []).extend({"id": name, "value": value} for name, value in values.items())
    overrides = [{"matcher": {"id": "byName", "options": column}, "properties": values} for column, values in properties.items()]
    return panel("table", title, description, [target(query, "table")], width, height,
                 options={"showHeader": True, "cellHeight": "sm", "frameIndex": 0},
                 custom={"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False}, overrides=overrides, **more)


def gauge(title, description, query, unit="short", width=8, height=8, rows=False, **more):
    """A bar for each column of the one row, or for each row."""
    return panel("bargauge", title, description, [target(query, "table")], width, height, unit,
                 options={"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": rows}, "orientation": "horizontal",
                          "displayMode": "gradient", "valueMode": "color", "namePlacement": "left", "showUnfilled": True,
                          "sizing": "auto", "minVizWidth": 8, "minVizHeight": 16, "maxVizHeight": 300,
                          "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []}}, **more)


def row(title):
    return {"type": "row", "title": title, "collapsed": False, "panels": []}


def query_variable(name, label, query, refresh=1, description=""):
    return {"type": "query", "name": name, "label": label, "description": description, "datasource": SOURCE, "query": query,
            "refresh": refresh, "regex": "", "sort": 0, "hide": 0, "skipUrlSync": False,
            "multi": True, "includeAll": True, "allValue": "NULL", "options": [],
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]}}


def custom_variable(name, label, values, description=""):
    options = [{"text": text, "value": value, "selected": i == 0} for i, (value, text) in enumerate(values)]
    return {"type": "custom", "name": name, "label": label, "description": description, "hide": 0, "skipUrlSync": False,
            "multi": False, "includeAll": False, "query": ", ".join(f"{text} : {value}" for value, text in values),
            "options": options, "current": {"selected": True, "text": values[0][1], "value": values[0][0]}}


EVENTS = custom_variable("event", "Event", [("purchase", "Purchases"), ("cart", "Put in cart"), ("view", "Views"),
                                            ("remove_from_cart", "Removed from cart")], "What is counted below")
DIMENSIONS = [("brand", "Brand"), ("product_id", "Product"), ("category_l1", "Category"),
              ("category_l2", "Category, two levels"), ("category_l3", "Category, three levels")]


def lay_out(panels):
    """Place panels from left to right, rows below each other, and number them."""
    x = y = height = 0
    for number, one in enumerate(panels, 1):
        one["id"] = number
        if one["type"] == "row":
            one["gridPos"] = {"w": 24, "h": 1}
        size = one["gridPos"]
        if x + size["w"] > 24:
            x, y, height = 0, y + height, 0
        size["x"], size["y"] = x, y
        x, height = x + size["w"], max(height, size["h"])
    return panels


def dashboard(uid, title, description, panels, variables=(), time="now-6h", refresh="30s", alerts_shown=False):
    annotations = [{"builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}, "enable": True, "hide": True,
                    "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard"}]
    if alerts_shown:
        annotations.append({"datasource": SOURCE, "enable": True, "hide": False, "iconColor": RED, "name": "Alerts",
                            "target": target(sql("""
            SELECT opened_at AS "time", closed_at AS timeend, concat_ws(' ', replace(kind, '_', ' '), key || ':', detail) AS text,
                severity AS tags
            FROM sellometer.alerts
            WHERE $__timeFilter(opened_at)
            ORDER BY 1 LIMIT 500"""), "table", "Anno")})
    return {"uid": uid, "title": title, "description": description, "tags": ["sellometer"], "schemaVersion": 41, "version": 1,
            "editable": True, "graphTooltip": 1, "timezone": "browser", "weekStart": "", "fiscalYearStartMonth": 0,
            "refresh": refresh, "time": {"from": time, "to": "now"}, "timepicker": {},
            "links": [{"type": "dashboards", "title": "Sellometer", "tags": ["sellometer"], "asDropdown": False, "icon": "dashboard",
                       "includeVars": False, "keepTime": True, "targetBlank": False, "tooltip": "The other dashboards", "url": ""}],
            "annotations": {"list": annotations}, "templating": {"list": list(variables)}, "panels": lay_out(panels)}


def freshness(width=4):
    return [
        stat("Data up to", "The newest event time that the data has reached, over all sources.",
             "SELECT extract(epoch FROM head) * 1000 AS head FROM sellometer.state", "dateTimeFromNow", width),
        stat("Behind the clock", "How far the slowest source that is enabled is behind the clock, in event time.",
             "SELECT max(extract(epoch FROM event_lag)) AS lag FROM sellometer.status WHERE enabled", "s", width,
             steps((None, GREEN), (120, ORANGE), (600, RED)))]
