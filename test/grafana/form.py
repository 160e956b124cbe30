"""The form of the dashboards and alert rules, without a database."""
import copy
import json
import pathlib
import re
import subprocess
import sys
import urllib.parse

import jsonschema
import yaml

from expand import ROOT, SOURCE, alert_rules, dashboards, queries

PANELS = {"stat", "timeseries", "table", "bargauge", "row"}
UNITS = {"string", "locale", "s", "bytes", "percentunit", "currencyUSD", "dateTimeFromNow", "rowsps", "time:YYYY-MM-DD HH:mm:ss"}     # see fields.py


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
    units = [defaults["unit"], *(one["value"] for override in panel["fieldConfig"]["overrides"] for one in override["properties"] if one["id"] == "unit")]
    if set(units) - UNITS:
        yield f"{name}: unit {set(units) - UNITS}"
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


def of_column(panel, name):
    return [one for override in panel["fieldConfig"]["overrides"] if override["matcher"] == {"id": "byName", "options": name} for one in override["properties"]]


def link_faults(board):
    """A click that chooses something keeps all that is chosen, and adds the key of its row, which is not what is shown of it."""
    kept = [f"${{{variable['name']}:queryparam}}" for variable in board["templating"]["list"]]
    for panel in board["panels"]:
        for override in panel.get("fieldConfig", {}).get("overrides", []):
            for one in override["properties"]:
                for link in one["value"] if one["id"] == "links" else []:
                    if link["url"].startswith("/explore?"):
                        yield from explore_faults(panel, link["url"])
                        continue
                    lost = [text for text in kept if text not in link["url"]]
                    if lost or not link["url"].startswith(f"/d/{board['uid']}?${{__url_time_range}}") or not link["url"].endswith("=${__data.fields.key:percentencode}") \
                            or {"id": "custom.hidden", "value": True} not in of_column(panel, "key"):
                        yield f"{panel['title']}: a click loses {lost}, or goes elsewhere: {link['url']}"


def explore_faults(panel, url):
    """It leads to Explore, with a query that a hidden column has, in JSON."""
    mark = "${__data.fields.query:percentencode}"
    pane = json.loads(urllib.parse.unquote(url.split("panes=", 1)[1].replace(mark, '"?"')))
    wanted = [{"refId": "A", "datasource": SOURCE, "editorMode": "code", "format": "table", "rawQuery": True, "rawSql": "?"}]
    if mark not in url or [one["queries"] for one in pane.values()] != [wanted] or {"id": "custom.hidden", "value": True} not in of_column(panel, "query"):
        yield f"{panel['title']}: leads to another place of Explore: {url}"


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
    for key, values in (("timezone", ("browser", "utc")), ("schemaVersion", (41,)), ("graphTooltip", (1,))):
        if board.get(key) not in values:
            yield f"{key} is not one of {values}"
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
    yield from link_faults(board)
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


def rule_faults(rule, boards):
    panels = {(board["uid"], str(panel["id"])): panel["type"] for board in boards.values() for panel in board["panels"]}
    notes = rule["annotations"]
    if panels.get((notes["__dashboardUid__"], notes["__panelId__"]), "row") == "row":
        yield "leads to no panel"
    reduced = {data["refId"] for data in rule["data"] if data["model"].get("type") == "reduce"}
    if set(re.findall(r"\$values\.(\w+)", notes["summary"])) - reduced:
        yield "a value of the summary is not one"
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
        faults = list(rule_faults(rule, boards))
        tap.ok(not faults, f"form of the rule: {rule['title']}", *faults)
    for path in sorted((ROOT / "provisioning").rglob("*.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        tap.ok(content["apiVersion"] == 1 and not re.search(r"password: (?!\$)", path.read_text(encoding="utf-8")),
               f"{path.name} is YAML of version 1, without a password")
