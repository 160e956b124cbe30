"""Parts of dashboards: queries, panels, variables.

What Grafana replaces in a query: $__timeFrom() and $__timeTo() by the ends of the range, $__timeFilter(column) and
$__timeGroupAlias(column, width) by SQL, $__interval by a width that suits the range, and variables.  One that can have
several values, ${brand}, becomes literals, quoted and separated by commas; a single one, '${event}', text with its quotes
doubled.  (Never ${brand:sqlstring}: that puts a backslash before a double quote, as PostgreSQL does not.)  "All" becomes
NULL, which the functions take as all keys, and which no key can be mistaken for.
"""
import json
import textwrap
import urllib.parse

SOURCE = {"type": "grafana-postgresql-datasource", "uid": "sellometer"}
GREEN, ORANGE, RED, BLUE = "green", "orange", "red", "blue"

# Units.  What is text stays as it is: without a unit, Grafana takes a text of digits for a number, and rounds it.
TEXT = "string"
NUMBER = "locale"               # all digits, grouped as the browser does
MONEY = "currencyUSD"           # or currencyEUR, currencyGBP, ...; NUMBER for none
RATIO = "percentunit"           # 0.0357 is 3.57 %
SECONDS, BYTES = "s", "bytes"

RANGE = "$__timeFrom(), $__timeTo()"


def sql(text):
    return textwrap.dedent(text).strip()


# --- queries -------------------------------------------------------------------------------------------------------

def per_minute(selected, series, order="1"):
    """
    A series by $__interval, as values per minute; w.minutes is the width.  The bucket that the head is in has only begun, and
    is left out.  Materialized, as the width would else be worked out for every row.
    """
    return sql(f"""
        WITH w AS MATERIALIZED (
            SELECT width, extract(epoch FROM width) / 60 AS minutes
            FROM (SELECT sellometer.series_width('$__interval', $__timeFrom()) AS width) x)
        SELECT s.event_time AS "time", {selected}
        FROM w CROSS JOIN ({series}) s
        WHERE s.event_time + w.width <= (SELECT head FROM sellometer.state)
        ORDER BY {order}""")


def series(event="'purchase'", step="'$__interval'", range_=RANGE):
    """All keys together, with zeros where nothing happened."""
    return f"SELECT * FROM sellometer_series('category_l1', {event}, NULL, {range_}, {step}, true)"


def parted(value, name):
    """A series as two: what is final, and what may still change; the second begins where the first ends, so that lines meet."""
    return (f'CASE WHEN is_final THEN {value} END AS "{name}", '
            f'CASE WHEN NOT is_final OR NOT lead(is_final) OVER (ORDER BY event_time) THEN {value} END AS "Not final"')


def total(column, event="purchase", range_=RANGE):
    return f"(SELECT {column} FROM sellometer_total('{event}', {range_}))"


def funnel(range_=RANGE):
    return sql(f"""
        WITH n AS MATERIALIZED (
            SELECT {total('count', 'view', range_)} AS views, {total('count', 'cart', range_)} AS carts, {total('count', 'purchase', range_)} AS purchases)
        SELECT step, number, number::numeric / nullif(views, 0) AS "of views", number::numeric / nullif(before, 0) AS "of previous"
        FROM n CROSS JOIN LATERAL (VALUES ('Viewed', views, NULL), ('Put in cart', carts, views), ('Bought', purchases, carts)) v (step, number, before)""")


def any_of(column, variable):
    """The column has one of the values of a variable, or "All" is chosen."""
    values = f"ARRAY[${{{variable}}}]::text[]"
    return f"({column} = ANY ({values}) OR ({values})[1] IS NULL)"


def chosen(variable):
    """The keys that a variable holds, as an array; {NULL} if it holds "All".

    Before Grafana 11.3 a link that adds a value to "All" gives both, the word and the value.
    """
    return f"ARRAY(SELECT DISTINCT k FROM unnest(ARRAY[${{{variable}}}]::text[]) k WHERE k IS DISTINCT FROM 'All')"


def seconds(time):
    """A time without the fractions that nobody wants to read."""
    return f"date_trunc('second', {time})"


def label(dimension, key):
    """A key as people know it: a product by id and name, a category without the levels that only repeat the one before."""
    return f"sellometer_key_label({dimension}, {key})"


# The key itself stands beside its label, hidden, for links.
KEY = {"unit": TEXT, "custom.hidden": True}
KEY_IN_LINK = "${__data.fields.key:percentencode}"


# From a sum to its rows: a column that leads to Explore, with the query ready, and the query, hidden.  They are empty where the role that
# asks must not call sellometer_events(), or there is no key: nobody is led to an error.
MAY_SEE_ROWS = "has_function_privilege('sellometer_events(text, text, timestamptz, timestamptz, text)', 'EXECUTE')"
ROWS_LINK = ("Show its rows, read again from archives and files", "/explore?schemaVersion=1&panes=" + urllib.parse.quote(json.dumps(
    {"rows": {"datasource": SOURCE["uid"], "queries": [{"refId": "A", "datasource": SOURCE, "editorMode": "code", "format": "table", "rawQuery": True, "rawSql": "?"}]}},
    separators=(",", ":"))).replace("%22%3F%22", "${__data.fields.query:percentencode}"))


def rows_of(dimension, key, event):
    query = f"format('SELECT * FROM sellometer_events(%L, %L, %L, %L, %L)', {dimension}, {key}, {RANGE}, {event})"
    return f"""CASE WHEN {key} IS NOT NULL AND {MAY_SEE_ROWS} THEN 'show' END AS "its rows",
                CASE WHEN {key} IS NOT NULL AND {MAY_SEE_ROWS} THEN to_json({query})::text END AS query"""


# --- parts of a dashboard ------------------------------------------------------------------------------------------

def target(query, fmt="time_series", ref="A"):
    return {"refId": ref, "datasource": SOURCE, "format": fmt, "editorMode": "code", "rawQuery": True, "rawSql": query}


def steps(*pairs):
    """Thresholds: colours, each from a value on; the first from the bottom."""
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in pairs]}


CHANGE = steps((None, RED), (-0.1, ORANGE), (0, GREEN))


def named(**colors):
    """A mapping of texts to colours; _ stands for a blank."""
    return [{"type": "value", "options": {text.replace("_", " "): {"color": color, "index": i} for i, (text, color) in enumerate(colors.items())}}]


SEVERITY = named(critical=RED, warning=ORANGE, ok=GREEN)


def panel(kind, title, description, targets, width, height, unit=NUMBER, thresholds=None, options=None, custom=None,
          overrides=(), **more):
    defaults = {"unit": unit, "color": {"mode": "palette-classic" if kind == "timeseries" else "thresholds"},
                "mappings": [], "thresholds": thresholds or steps((None, BLUE))}
    if kind != "table":             # there it would be written into every empty cell
        defaults["noValue"] = more.pop("no_value", "–")
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


def stat(title, description, query, unit=NUMBER, width=4, thresholds=None, size=None, **more):
    """A title of twenty letters fits at 1280 pixels.  size: of the text, in pixels."""
    return panel("stat", title, description, [target(query, "table")], width, 4, unit, thresholds,
                 {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "orientation": "auto",
                  "colorMode": "value", "graphMode": "none", "justifyMode": "auto", "textMode": "auto",
                  "wideLayout": True, "showPercentChange": False, "percentChangeColorMode": "standard",
                  **({"text": {"valueSize": size}} if size else {})}, **more)


NOT_FINAL = {"matcher": {"id": "byName", "options": "Not final"}, "properties": [
    {"id": "color", "value": {"mode": "fixed", "fixedColor": "super-light-blue"}},
    {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [6, 6]}}]}


def lines(title, description, query, unit=NUMBER, width=12, height=8, stack=False, bars=False, legend=("lastNotNull",),
          interval="1m", points="never", overrides=(), **more):
    custom = {"drawStyle": "bars" if bars else "line", "lineWidth": 0 if bars else 2, "fillOpacity": 70 if bars else 12,
              "showPoints": points, "lineInterpolation": "linear", "spanNulls": False, "axisSoftMin": 0,
              "stacking": {"mode": "normal" if stack else "none", "group": "A"}}
    queries = query if isinstance(query, list) else [query]
    return panel("timeseries", title, description, [target(q, ref="ABCDEF"[i]) for i, q in enumerate(queries)],
                 width, height, unit,
                 options={"legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": list(legend)},
                          "tooltip": {"mode": "multi", "sort": "desc"}},
                 custom=custom, interval=interval, overrides=overrides, **more)


def column(unit=TEXT, width=None, link=None, wrap=False, inspect=False, color=None, bar=False, thresholds=None, decimals=None, least=None):
    """
    How a column of a table is shown.  link: (title, url); color: texts and their colours; inspect: a click shows the whole text; wrap: so
    does the cell, which only one column of a table can, as only one decides how high rows are.
    """
    properties = {"unit": unit}
    if least:
        properties["custom.minWidth"] = least
    if decimals is not None:
        properties["decimals"] = decimals
    if width:
        properties["custom.width"] = width
    if link:
        properties["links"] = [{"title": link[0], "url": link[1], "targetBlank": False}]
    if color:
        properties["custom.cellOptions"] = {"type": "color-text"}
        properties["mappings"] = color
    if thresholds:
        properties["custom.cellOptions"] = {"type": "color-text"}
        properties["thresholds"] = thresholds
        properties["color"] = {"mode": "thresholds"}
    if wrap:
        properties["custom.cellOptions"] = {"type": "auto", "wrapText": True}
    if wrap or inspect:             # where wrapping is not known yet, a click is
        properties["custom.inspect"] = True
    if bar:
        properties.update({"custom.cellOptions": {"type": "gauge", "mode": "basic"}, "color": {"mode": "fixed", "fixedColor": BLUE}, "min": 0})
    return properties


COUNT = column(NUMBER, width=80, decimals=0)
ROWS, ROWS_QUERY = column(width=75, link=ROWS_LINK), {"unit": TEXT, "custom.hidden": True}
SHARE, SPAN, SIZE = column(RATIO, decimals=2), column(SECONDS), column(BYTES)
TIME = column("time:YYYY-MM-DD HH:mm:ss", width=165)    # without a format, milliseconds where all of a column are within a minute
LONG = column(inspect=True)


def table(title, description, query, width=8, height=12, columns=None, **more):
    """
    Columns that are not named are text.  Those that matter come first: on a telephone the others are to the right of what is seen.
    A header, ten rows and the frame take 12 units of height.
    """
    overrides = [{"matcher": {"id": "byName", "options": name}, "properties": [{"id": id_, "value": value} for id_, value in properties.items()]}
                 for name, properties in (columns or {}).items()]
    return panel("table", title, description, [target(query, "table")], width, height, TEXT,
                 options={"showHeader": True, "cellHeight": "sm", "frameIndex": 0},
                 custom={"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False, "minWidth": 70}, overrides=overrides, **more)


def gauge(title, description, query, unit=NUMBER, width=8, height=8, rows=False, **more):
    """A bar for each column of the one row, or for each row."""
    return panel("bargauge", title, description, [target(query, "table")], width, height, unit,
                 options={"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": rows}, "orientation": "horizontal",
                          "displayMode": "gradient", "valueMode": "color", "namePlacement": "left", "showUnfilled": True,
                          "sizing": "auto", "minVizWidth": 8, "minVizHeight": 16, "maxVizHeight": 300,
                          "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []}}, **more)


def row(title):
    return {"type": "row", "title": title, "collapsed": False, "panels": []}


def query_variable(name, label, query, refresh=1, description="", first=None):
    """Of several values, at first all; or of one, at first (value, text)."""
    variable = {"type": "query", "name": name, "label": label, "description": description, "datasource": SOURCE, "query": query,
                "refresh": refresh, "regex": "", "sort": 0, "hide": 0, "skipUrlSync": False, "multi": first is None, "includeAll": first is None}
    if first is None:
        return {**variable, "allValue": "NULL", "options": [], "current": {"selected": True, "text": ["All"], "value": ["$__all"]}}
    return {**variable, "options": [], "current": {"selected": True, "text": first[1], "value": first[0]}}


def custom_variable(name, label, values, description=""):
    options = [{"text": text, "value": value, "selected": i == 0} for i, (value, text) in enumerate(values)]
    return {"type": "custom", "name": name, "label": label, "description": description, "hide": 0, "skipUrlSync": False,
            "multi": False, "includeAll": False, "query": ", ".join(f"{text} : {value}" for value, text in values),
            "options": options, "current": {"selected": True, "text": values[0][1], "value": values[0][0]}}


EVENT_NAMES = [("purchase", "Purchases"), ("cart", "Put in cart"), ("view", "Views"), ("remove_from_cart", "Removed from cart")]
EVENTS = custom_variable("event", "Event", EVENT_NAMES, "What is counted")
BEST_BY = custom_variable("by", "Best by", [("gmv", "GMV"), ("count", "Number")], "What the lists are ordered by")
DIMENSIONS = [("brand", "Brand"), ("product_id", "Product"), ("category_l1", "Category"),
              ("category_l2", "Category, two levels"), ("category_l3", "Category, three levels")]

# These, and those of the user's own that there are.
ALL_DIMENSIONS = sql(f"""
    SELECT dimension AS __value, name AS __text
    FROM (SELECT n, dimension, name FROM (VALUES {', '.join(f"({i}, '{value}', '{text}')" for i, (value, text) in enumerate(DIMENSIONS))}) v (n, dimension, name)
        UNION ALL
        SELECT {len(DIMENSIONS)} + id, dimension, upper(left(name, 1)) || replace(substr(name, 2), '_', ' ') || CASE WHEN level > 0 THEN ', level ' || level ELSE '' END
        FROM sellometer.dimensions) d
    ORDER BY n""")


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


def alert_marks(severity, color):
    """
    Marks at the time of the events, one for each kind and sixtieth of the range, with the first keys: many at once are one mark.
    """
    return {"datasource": SOURCE, "enable": True, "hide": False, "iconColor": color, "name": f"Alerts: {severity}",
            "target": target(sql(f"""
            SELECT min(event_time) AS "time", concat(replace(kind, '_', ' '), CASE WHEN count(*) > 1 THEN format(' (%s)', count(*)) END, ': ',
                string_agg({label('dimension', 'key')} || ': ' || detail, ' | ' ORDER BY event_time, key) FILTER (WHERE i <= 3), CASE WHEN count(*) > 3 THEN ' …' END) AS text,
                kind AS tags
            FROM (SELECT a.*, mark, row_number() OVER (PARTITION BY kind, mark ORDER BY event_time, key) AS i
                FROM sellometer.alerts a CROSS JOIN LATERAL (SELECT floor(60 * extract(epoch FROM event_time - $__timeFrom()::timestamptz)
                    / extract(epoch FROM $__timeTo()::timestamptz - $__timeFrom()::timestamptz)) AS mark) m
                WHERE $__timeFilter(event_time) AND severity = '{severity}') x
            GROUP BY kind, mark
            ORDER BY 1, 2"""), "table", "Anno")}


ALERT_MARKS = [alert_marks("critical", RED), alert_marks("warning", ORANGE)]


def not_final_mark():
    """A shade over the minutes that files on their way may still change, on whatever is drawn over time."""
    return {"datasource": SOURCE, "enable": True, "hide": False, "iconColor": "super-light-blue", "name": "Not final",
            "target": target(sql("""
            SELECT greatest(final_to, $__timeFrom()::timestamptz) AS "time", least(head, $__timeTo()::timestamptz) AS timeend,
                'Not final: files on their way may still change it' AS text
            FROM (SELECT head, date_trunc('minute', head - sellometer.setting_length('sellometer.live_lateness', '5min')) AS final_to FROM sellometer.state) s
            WHERE final_to < $__timeTo() AND head > $__timeFrom()"""), "table", "Anno")}


def dashboard(uid, title, description, panels, variables=(), time="now-6h", refresh="30s", marks=(), zone="browser"):
    annotations = [{"builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}, "enable": True, "hide": True,
                    "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard"}]
    annotations += marks
    return {"uid": uid, "title": title, "description": description, "tags": ["sellometer"], "schemaVersion": 41, "version": 1,
            "editable": True, "graphTooltip": 1, "timezone": zone, "weekStart": "", "fiscalYearStartMonth": 0,
            "refresh": refresh, "time": {"from": time, "to": "now"}, "timepicker": {},
            "links": [{"type": "dashboards", "title": "Sellometer", "tags": ["sellometer"], "asDropdown": False, "icon": "dashboard",
                       "includeVars": False, "keepTime": True, "targetBlank": False, "tooltip": "The other dashboards", "url": ""}],
            "annotations": {"list": annotations}, "templating": {"list": list(variables)}, "panels": lay_out(panels)}


def freshness(width=4):
    return [
        stat("Data up to", "The newest event time that the data has reached, over all sources.",
             "SELECT extract(epoch FROM head) * 1000 AS head FROM sellometer.state", "dateTimeFromNow", width, size=28),
        stat("Behind the clock", "How far the slowest source that is enabled is behind the clock, in event time.",
             "SELECT max(extract(epoch FROM event_lag)) AS lag FROM sellometer.status WHERE enabled", SECONDS, width,
             thresholds=steps((None, GREEN), (120, ORANGE), (600, RED)))]
