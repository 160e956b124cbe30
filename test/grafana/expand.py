"""What Grafana makes of the queries in grafana/, and how they are run.

Macros and variables are replaced the way Grafana's PostgreSQL data source does it: variables first, in the browser; then
$__interval; then the macros, in the server.
"""
import json
import math
import os
import pathlib
import re
import subprocess
from collections import namedtuple
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2] / "grafana"
SOURCE = {"type": "grafana-postgresql-datasource", "uid": "sellometer"}
RANGES = {"15 min": timedelta(minutes=15), "24 h": timedelta(hours=24), "30 d": timedelta(days=30)}
HOSTILE = ["it's", 'a "b" \\', "') OR true --", "%s {0} ${brand}", "\u6f22\u5b57", "NULL", "x" * 300]


class Tap:
    def __init__(self, quiet):
        self.number = self.failed = 0
        self.quiet = quiet

    def ok(self, condition, name, *notes):
        self.number += 1
        self.failed += not condition
        if condition and self.quiet:
            return condition
        print(f"{'ok' if condition else 'not ok'} {self.number} - {name}")
        if not condition:
            for note in notes:
                self.note(note)
        return condition

    @staticmethod
    def note(text):
        print("\n".join(f"# {line}" for line in str(text).split("\n")))


def dashboards():
    for path in sorted((ROOT / "dashboards").glob("*.json")):
        yield path.name, json.loads(path.read_text(encoding="utf-8"))


def alert_rules():
    text = (ROOT / "provisioning/alerting/rules.yaml").read_text(encoding="utf-8")
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def round_interval(seconds):
    for limit, interval in ((0.015, 0.01), (0.035, 0.02), (0.075, 0.05), (0.15, 0.1), (0.35, 0.2), (0.75, 0.5), (1.5, 1), (3.5, 2),
                            (7.5, 5), (12.5, 10), (17.5, 15), (25, 20), (45, 30), (90, 60), (210, 120), (450, 300), (750, 600),
                            (1050, 900), (1500, 1200), (2700, 1800), (5400, 3600), (9000, 7200), (16200, 10800), (32400, 21600),
                            (86400, 43200), (604800, 86400), (1814400, 604800), (3628800, 2592000)):
        if seconds < limit:
            return interval
    return 31536000


def interval_text(seconds):
    for unit, length in (("y", 31536000), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= length and seconds % length == 0:
            return f"{int(seconds / length)}{unit}"
    return f"{int(seconds * 1000)}ms"


def interval_seconds(text):
    number, unit = re.fullmatch(r"'?(\d+)(ms|s|m|h|d|w|M|y)'?", text.strip()).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000, "y": 31536000}[unit]


def macro(name, arguments, start, end):
    def stamp(time):
        return "'" + time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".") + "Z'"

    column = arguments[0] if arguments else ""
    if name == "__time":
        return f'{column} AS "time"'
    if name == "__timeEpoch":
        return f'extract(epoch from {column}) as "time"'
    if name == "__timeFilter":
        return f"{column} BETWEEN {stamp(start)} AND {stamp(end)}"
    if name == "__timeFrom":
        return stamp(start)
    if name == "__timeTo":
        return stamp(end)
    if name in ("__timeGroup", "__timeGroupAlias"):
        width = repr(interval_seconds(arguments[1])).removesuffix(".0")
        return f"floor(extract(epoch from {column})/{width})*{width}" + (' AS "time"' if name.endswith("Alias") else "")
    if name == "__unixEpochFilter":
        return f"{column} >= {int(start.timestamp())} AND {column} <= {int(end.timestamp())}"
    if name in ("__unixEpochGroup", "__unixEpochGroupAlias"):
        width = repr(interval_seconds(arguments[1])).removesuffix(".0")
        return f"floor(({column})/{width})*{width}" + (' AS "time"' if name.endswith("Alias") else "")
    raise ValueError(f"unknown macro ${name}")


def expand(sql, start, end, interval, values, variables):
    """Variables first, as the browser does; then $__interval; then the macros, as the server does."""
    def literal(value):
        return "'" + value.replace("'", "''") + "'"

    def variable(match):
        name = match[1]
        value = values[name]
        if not variables[name]["multi"]:
            return value.replace("'", "''")
        return "NULL" if value is None else ",".join(map(literal, value))

    sql = re.sub(r"\$\{(\w+)\}", variable, sql)
    sql = sql.replace("$__interval_ms", str(int(interval * 1000))).replace("$__interval", interval_text(interval))
    sql = sql.replace("$__unixEpochFrom()", str(int(start.timestamp()))).replace("$__unixEpochTo()", str(int(end.timestamp())))
    return re.sub(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)",
                  lambda match: macro(match[1], [argument.strip() for argument in match[2].split(",")], start, end), sql)


def interval_of(panel, span):
    """What $__interval stands for: the range by the panel's pixels, rounded."""
    width = min(1900 * panel.get("gridPos", {"w": 12})["w"] / 24, panel.get("maxDataPoints", math.inf))
    return max(interval_seconds(panel.get("interval", "1m")), round_interval(span.total_seconds() / width))


def queries(name, board):
    """All queries of a dashboard: title, SQL, format, panel."""
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield f"{name}: {panel['title']}", target["rawSql"], target["format"], panel
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield f"{name}: variable {variable['name']}", variable["query"], "table", {}
    for annotation in board["annotations"]["list"]:
        if "target" in annotation:
            yield f"{name}: annotation {annotation['name']}", annotation["target"]["rawSql"], "table", {}


# --- a session that says what a query gives --------------------------------------------------------------------------

# divisions: of whole numbers by whole numbers, which leave no fraction
Result = namedtuple("Result", "types rows divisions")

ASK = """
\\warn @{number}
CREATE TEMP VIEW slm_asked AS {sql}
;
SELECT json_build_object('number', {number}, 'types', (SELECT json_object_agg(attname, format_type(atttypid, NULL) ORDER BY attnum)
        FROM pg_attribute WHERE attrelid = 'slm_asked'::regclass AND attnum > 0),
    'divisions', (SELECT count(*) FROM pg_rewrite r, regexp_matches(r.ev_action::text, ':opno (\\d+)', 'g') m
        JOIN pg_operator o ON o.oid = m[1]::oid WHERE r.ev_class = 'slm_asked'::regclass AND o.oprname = '/'
        AND o.oprleft IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) AND o.oprright IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)));
SELECT row_to_json(q) FROM slm_asked q;
DROP VIEW slm_asked;
"""


def typed(value, kind):
    if kind == "timestamp with time zone" and value is not None:
        return datetime.fromisoformat(value).astimezone(timezone.utc)
    if kind in ("numeric", "double precision") and value is not None:
        return Decimal(str(value))
    return value


def ask(statements, zone="UTC", user=None):
    """For each statement its Result, or an error as text; rows are dictionaries, times are times, fractions are decimals."""
    script = "\\pset format unaligned\n\\pset tuples_only on\n" + "".join(ASK.format(number=i, sql=sql) for i, sql in enumerate(statements))
    env = {**os.environ, "PGTZ": zone, "PGOPTIONS": "-c client_min_messages=warning", **({"PGUSER": user} if user else {})}
    done = subprocess.run(["psql", "-X", "-q"], input=script, capture_output=True, text=True, encoding="utf-8", env=env)
    errors = dict(re.findall(r"^@(\d+)\n((?:(?!@\d+\n).*\n)*)", done.stderr + "\n", re.M))
    results = {}
    for line in filter(None, done.stdout.split("\n")):
        row = json.loads(line, parse_float=Decimal)
        if set(row) == {"number", "types", "divisions"}:
            number = str(row["number"])
            results[number] = Result(row["types"], [], row["divisions"])
        else:
            types = results[number].types
            results[number].rows.append({name: typed(value, types[name]) for name, value in row.items()})
    for i in map(str, range(len(statements))):
        yield errors.get(i, done.stderr).strip() or results[i]
