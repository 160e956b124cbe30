#!/usr/bin/env python3
"""Check grafana/: the form of the dashboards, and every query of dashboards and alert rules on a loaded database.

    check.py form               the JSON and YAML against the rules that Grafana and this project have for them
    check.py run [--bar MS] [--now TIME]
                                run every query and variable as the role that psql connects as (PGUSER, PGHOST, ...),
                                at three ranges that end now (or at TIME), with variables set to All, to one and to several
                                values, and to hostile ones; say how long they took; fail if p95 is over the bar, if given
    check.py times [--runs N] [--now TIME]
                                the same, but each N times in a session (3) after a first one that is not counted, and print the
                                median and 95th percentile of each query, in ms
    check.py form run           both of the first

Macros and variables are replaced the way Grafana's PostgreSQL data source does it.  Prints TAP.
"""
import argparse
import copy
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone

import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2] / "grafana"
SOURCE = {"type": "grafana-postgresql-datasource", "uid": "sellometer"}
RANGES = {"15 min": timedelta(minutes=15), "24 h": timedelta(hours=24), "30 d": timedelta(days=30)}

# Queries that may well return nothing, as nothing may have happened.
MAY_BE_EMPTY = {
    "alerts-carts.json: Running out", "alerts-carts.json: Left in cart",
    "operations.json: Under way", "operations.json: Runs", "rules.yaml: Housekeeping fails"}

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


# --- form ----------------------------------------------------------------------------------------------------------

PANELS = {"stat", "timeseries", "table", "bargauge", "row"}
UNITS = {"short", "s", "bytes", "percentunit", "currencyUSD", "dateTimeFromNow", "rowsps"}


def overlaps(panels):
    taken = {}
    for panel in panels:
        grid = panel["gridPos"]
        for x in range(grid["x"], grid["x"] + grid["w"]):
            for y in range(grid["y"], grid["y"] + grid["h"]):
                if (x, y) in taken:
                    yield f"panels {taken[x, y]} and {panel['title']} overlap"
                    return
                taken[x, y] = panel["title"]


def panel_faults(panel):
    name = panel.get("title", "?")
    grid = panel["gridPos"]
    if panel["type"] not in PANELS:
        yield f"{name}: unknown type {panel['type']}"
    if not name.strip() or grid["w"] < 1 or grid["h"] < 1 or grid["x"] < 0 or grid["x"] + grid["w"] > 24:
        yield f"{name}: no title, or not on the grid of 24 columns"
    if panel["type"] == "row":
        return
    if len(panel.get("description", "")) < 10:
        yield f"{name}: no description"
    if panel["datasource"] != SOURCE or not panel["targets"]:
        yield f"{name}: another data source, or no query"
    defaults = panel["fieldConfig"]["defaults"]
    if defaults["unit"] not in UNITS:
        yield f"{name}: unit {defaults['unit']}"
    steps = [step["value"] for step in defaults["thresholds"]["steps"]]
    if steps[0] is not None or None in steps[1:] or steps[1:] != sorted(steps[1:]):
        yield f"{name}: thresholds must ascend from the bottom"
    if len({target["refId"] for target in panel["targets"]}) < len(panel["targets"]):
        yield f"{name}: two queries have one refId"
    for target in panel["targets"]:
        yield from target_faults(name, target, panel["type"])


def target_faults(name, target, kind):
    if target["datasource"] != SOURCE or target["editorMode"] != "code" or target["rawQuery"] is not True:
        yield f"{name}: the query is not one in SQL for the data source"
    if target["format"] not in ("table", "time_series") or kind == "timeseries" and target["format"] != "time_series":
        yield f"{name}: format {target['format']}"
    if target["format"] == "time_series" and not re.search(r'"time"|\$__timeGroupAlias', target["rawSql"]):
        yield f"{name}: a series without a column time"
    if target["format"] == "time_series" and kind != "rule" and "ORDER BY 1" not in target["rawSql"]:
        yield f"{name}: a series that is not in order of time"
    if "--" in target["rawSql"] or "/*" in target["rawSql"] or ";" in target["rawSql"]:
        yield f"{name}: comments and semicolons do not survive"


def variable_faults(variables, text):
    """text: all that uses variables."""
    known = {}
    for variable in variables:
        known[variable["name"]] = variable
        if variable["type"] not in ("query", "custom") or not variable["label"]:
            yield f"variable {variable['name']}: type or label"
        if variable["type"] == "query" and (variable["datasource"] != SOURCE or variable["refresh"] not in (1, 2)):
            yield f"variable {variable['name']}: data source or refresh"
        if variable["includeAll"] and variable.get("allValue") != "NULL":
            yield f"variable {variable['name']}: All must stand for NULL"
        if variable["type"] == "query" and "$__time" in variable["query"] and variable["refresh"] != 2:
            yield f"variable {variable['name']}: depends on the range, and is not refreshed with it"
    for sql in text:
        for match in re.finditer(r"('?)\$(?:\{(\w+)(:\w+)?\}|([a-zA-Z]\w*)|\[\[)('?)", sql):
            name = match[2]
            if not name or name not in known:
                yield f"unknown variable, or not written ${{name}}: {match[0]}"
            elif match[3]:
                yield f"variable {name} has a format that does not quote as PostgreSQL does: {match[0]}"
            elif (match[1] == "'" and match[5] == "'") != (not known[name]["multi"]):
                yield f"variable {name} must stand in quotes if it has one value, and must not if it has several: {match[0]}"


def dashboard_faults(name, board):
    for key, value in (("timezone", "browser"), ("schemaVersion", 41), ("graphTooltip", 1)):
        if board.get(key) != value:
            yield f"{key} is not {value}"
    if "id" in board or not re.fullmatch(r"sellometer-[a-z]+", board["uid"]) or "sellometer" not in board["tags"]:
        yield "id, uid or tags"
    if not any(link["type"] == "dashboards" and link["tags"] == ["sellometer"] for link in board["links"]):
        yield "no links to the other dashboards"
    if not board["title"].startswith("Sellometer: ") or not board["description"]:
        yield "title or description"
    if len({panel["id"] for panel in board["panels"]}) < len(board["panels"]):
        yield "two panels have one id"
    for panel in board["panels"]:
        yield from panel_faults(panel)
    yield from overlaps(board["panels"])
    yield from variable_faults(board["templating"]["list"], [sql for _, sql, *_ in queries(name, board)])


def schema_faults(board):
    """Against the types that Grafana publishes; see schema.mjs."""
    schemas = json.loads((pathlib.Path(__file__).parent / "schema.json").read_text(encoding="utf-8"))
    board = copy.deepcopy(board)
    for annotation in board["annotations"]["list"]:
        annotation.pop("target", None)          # the query of an annotation is the data source's own matter
    pieces = [("dashboard", board)]
    for panel in board["panels"]:
        piece = {"options": panel.get("options")}
        if panel["type"] in ("timeseries", "table"):
            piece["custom"] = panel["fieldConfig"]["defaults"].get("custom", {})
        if panel["type"] != "row":
            pieces.append((panel["type"], piece))
    for kind, piece in pieces:
        for error in jsonschema.Draft7Validator(schemas[kind]).iter_errors(piece):
            yield f"{kind}: {'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"


def rule_faults(rule):
    refs = [data["refId"] for data in rule["data"]]
    if rule["condition"] != refs[-1] or len(set(refs)) < len(refs):
        yield "the condition must be the last expression"
    if not re.fullmatch(r"[\w-]{1,40}", rule["uid"]) or len(rule["title"]) > 190:
        yield "uid or title"
    if rule["noDataState"] not in ("OK", "NoData", "Alerting") or rule["execErrState"] not in ("OK", "Error", "Alerting"):
        yield "states"
    if "$" in json.dumps(rule["labels"]) or "${" in json.dumps(rule["annotations"]):
        yield "Grafana would take a $ here for a variable of its environment"
    if not rule["annotations"]["summary"] or rule["labels"]["severity"] not in ("critical", "warning"):
        yield "summary or severity"
    for data in rule["data"]:
        if data["datasourceUid"] not in ("sellometer", "__expr__") or data["model"]["refId"] != data["refId"]:
            yield f"query {data['refId']}"
        if data["datasourceUid"] == "sellometer":
            yield from target_faults(rule["title"], {"datasource": SOURCE, **data["model"]}, "rule")
    columns = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    for column in columns:
        if column not in rule["data"][0]["model"]["rawSql"]:
            yield f"no column {column} for the summary"
        if column == "metric":
            yield "a column metric becomes a name, not a label"


def check_form(tap):
    stale = subprocess.run([sys.executable, str(ROOT / "build.py"), "--check"], capture_output=True, text=True)
    tap.ok(stale.returncode == 0, "the files are what grafana/build.py writes", stale.stderr)
    boards = dict(dashboards())
    tap.ok(sorted(boards) == ["alerts-carts.json", "live.json", "operations.json", "sales.json"], "the dashboards are there")
    tap.ok(len({board["uid"] for board in boards.values()}) == len(boards), "each with an uid of its own")
    for name, board in boards.items():
        faults = list(dashboard_faults(name, board))
        tap.ok(not faults, f"form of {name}", *faults)
        faults = list(schema_faults(board))
        tap.ok(not faults, f"{name} is what Grafana's schema wants", *faults)
    wrong = copy.deepcopy(boards["live.json"])
    wrong["graphTooltip"] = "both"
    wrong["panels"][0]["options"]["colourMode"] = "value"
    faults = list(schema_faults(wrong))
    tap.ok({fault.split(":")[0] for fault in faults} == {"dashboard", "stat"}, "what is not as the schema wants is noticed", *faults)
    rules = alert_rules()
    tap.ok(len({rule["uid"] for rule in rules}) == len(rules) > 5, "each alert rule has an uid of its own")
    for rule in rules:
        faults = list(rule_faults(rule))
        tap.ok(not faults, f"form of the rule: {rule['title']}", *faults)
    for path in sorted((ROOT / "provisioning").rglob("*.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        tap.ok(content["apiVersion"] == 1 and not re.search(r"password: (?!\$)", path.read_text(encoding="utf-8")),
               f"{path.name} is YAML of version 1, without a password")


# --- what Grafana makes of a query ---------------------------------------------------------------------------------

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


# --- run -----------------------------------------------------------------------------------------------------------

# Whoever looks at a dashboard chooses any range and step: that only coarser tiers hold some of it is no fault of a query.
COARSER = re.compile(r"^NOTICE:  the (?:range that is answered is|buckets of the series are) .*\nDETAIL:  .*\nHINT:  .*\n", re.M)


class Psql:
    """One session; each query's result goes to a file of its own."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def run(self, statements):
        """For each statement (columns, number of rows, first column, milliseconds), or the error."""
        script = ["\\set QUIET 1", "\\pset format unaligned", "\\pset fieldsep_zero on", "\\pset recordsep '\\036'", "\\pset footer off",
                  "\\pset null NULL", "\\timing on"]
        for number, sql in enumerate(statements):
            script += [f"\\o {self.directory}/{number}", f"\\echo @{number}", f"\\warn @{number}", sql, ";", "\\o"]
        done = subprocess.run(["psql", "-X"], input="\n".join(script), capture_output=True, text=True, encoding="utf-8")
        times = dict(re.findall(r"^@(\d+)\nTime: ([\d.]+) ms", done.stdout, re.M))
        errors = dict(re.findall(r"^@(\d+)\n((?:(?!@).*\n)*)", COARSER.sub("", done.stderr) + "\n", re.M))
        for number in range(len(statements)):
            if errors.get(str(number), "missing").strip() or str(number) not in times:
                yield errors.get(str(number), done.stderr).strip() or "no result"
                continue
            records = (self.directory / str(number)).read_text(encoding="utf-8").removesuffix("\n").split("\x1e")
            rows = [record for record in records[1:] if record]
            yield records[0].split("\0"), len(rows), [row.split("\0")[0] for row in rows], float(times[str(number)])


def result_faults(fmt, columns, rows, firsts):
    if len(set(columns)) < len(columns):
        yield f"columns of one name: {columns}"
    if fmt == "time_series":
        if "time" not in columns:
            yield f"no column time: {columns}"
        elif columns[0] == "time" and rows > 1 and re.fullmatch(r"[\d.]+", firsts[0]) is None and firsts != sorted(firsts):
            yield "not in order of time"
        elif columns[0] == "time" and rows > 1 and re.fullmatch(r"[\d.]+", firsts[0]) and firsts != sorted(firsts, key=float):
            yield "not in order of time"


class Run:
    def __init__(self, tap, psql, now, again=0):
        self.tap, self.psql, self.end, self.again = tap, psql, now, again
        self.repeated = {}
        self.times = {name: [] for name in RANGES}
        self.slow = []

    def values(self, board, start):
        """What to set the variables to: by setting, variable, and value."""
        settings = {"All": {}, "one": {}, "several": {}, "hostile": {}}
        variables = {variable["name"]: variable for variable in board["templating"]["list"]}
        for number, (setting, values) in enumerate(settings.items()):
            for name, variable in variables.items():
                if variable["type"] == "custom":
                    options = [option["value"] for option in variable["options"]]
                    values[name] = options[number % len(options) if setting != "hostile" else 0]
                elif setting == "All":
                    values[name] = None
                elif setting == "hostile":
                    values[name] = ["7"] if name == "product" else HOSTILE
                else:
                    result, = self.psql.run([expand(variable["query"], start, self.end, 60, values, variables)])
                    values[name] = result[2][:1 if setting == "one" else 3] or None
        return settings, variables

    def board(self, name, board):
        for label, length in RANGES.items():
            start = self.end - length
            settings, variables = self.values(board, start)
            for setting, values in settings.items():
                todo = list(queries(name, board))
                statements = []
                for title, sql, _, panel in todo:
                    width = 1900 * panel.get("gridPos", {"w": 12})["w"] / 24
                    least = interval_seconds(panel.get("interval", "1m"))
                    span = timedelta(days=7) if panel.get("timeFrom") == "7d" else length
                    interval = max(least, round_interval(span.total_seconds() / width))
                    statements.append(expand(sql, self.end - span, self.end, interval, values, variables))
                self.judge(f"{name}, {label}, variables: {setting}", label, setting, todo, statements)

    def judge(self, test, label, setting, todo, statements):
        faults = []
        results = list(self.psql.run(statements * (1 + self.again)))
        for i, result in enumerate(results[len(statements):]):
            if not isinstance(result, str):
                self.repeated.setdefault(todo[i % len(todo)][0], {}).setdefault(label, []).append(result[3])
        for (title, _, fmt, _), sql, result in zip(todo, statements, results):
            if isinstance(result, str):
                faults += [title, sql, result]
                continue
            columns, rows, firsts, took = result
            faults += [f"{title}: {fault}" for fault in result_faults(fmt, columns, rows, firsts)]
            if rows == 0 and setting != "hostile" and title not in MAY_BE_EMPTY and not self.again:
                faults += [f"{title}: no rows", sql]
            self.times[label].append(took)
            self.slow.append((took, label, setting, title))
        self.tap.ok(not faults, f"{test}: {len(statements)} queries", *faults)

    def rules(self):
        for rule in alert_rules():
            data = rule["data"][0]
            start = self.end - timedelta(seconds=data["relativeTimeRange"]["from"])
            title = f"rules.yaml: {rule['title']}"
            self.judge(f"rule: {rule['title']}", "15 min", "rule", [(title, "", "time_series", {})],
                       [expand(data["model"]["rawSql"], start, self.end, 60, {}, {})])

    def summary(self, bar):
        for label, times in self.times.items():
            times.sort()
            p95 = times[math.ceil(len(times) * 0.95) - 1]
            self.tap.note(f"{label}: {len(times)} queries, median {times[len(times) // 2]:.1f} ms, p95 {p95:.1f} ms, most {times[-1]:.1f} ms")
            if bar is not None:
                self.tap.ok(p95 < bar, f"p95 over {label} is under {bar} ms", f"it is {p95} ms")
        for took, label, setting, title in sorted(self.slow, reverse=True)[:5]:
            self.tap.note(f"{took:8.1f} ms  {title}, {label}, variables: {setting}")


    def table(self):
        """Median and 95th percentile of what was repeated."""
        def figures(times):
            times = sorted(times)
            return f"{times[len(times) // 2]:9.1f} {times[math.ceil(len(times) * 0.95) - 1]:8.1f}" if times else f"{'':18}"

        print(f"{'median and p95, ms':72}" + "".join(f"{label:>18}" for label in RANGES))
        for title, by_label in sorted(self.repeated.items()):
            print(f"{title:72}" + "".join(figures(by_label.get(label, [])) for label in RANGES))
        print(f"{'all':72}" + "".join(figures([time for by_label in self.repeated.values() for time in by_label.get(label, [])])
                                    for label in RANGES))


def check_run(tap, bar, now, again=0):
    with tempfile.TemporaryDirectory() as directory:
        run = Run(tap, Psql(directory), now, again)
        for name, board in dashboards():
            run.board(name, board)
        run.rules()
        if again:
            run.table()
        else:
            run.summary(bar)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=["form", "run", "times"])
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    parser.add_argument("--bar", type=float, metavar="MS")
    parser.add_argument("--now", type=datetime.fromisoformat, default=datetime.now(timezone.utc), metavar="TIME")
    options = parser.parse_args()
    tap = Tap(options.what == ["times"])
    if "form" in options.what:
        check_form(tap)
    if "run" in options.what:
        check_run(tap, options.bar, options.now)
    if "times" in options.what:
        check_run(tap, options.bar, options.now, options.runs)
    if not tap.quiet:
        print(f"1..{tap.number}")
    sys.exit(tap.failed > 0)


if __name__ == "__main__":
    main()
