#!/usr/bin/env python3
"""Ask the queries of dashboards, as Grafana does, and write down what came, with types: what test/draw draws.

    frames.py OUT [--dashboards DIR] [--now TIME] [--range NAME]... [--setting NAME]... [--empty]

Asks as the role that psql connects as (PGUSER, PGHOST, ...).  For each dashboard, range (that of the dashboard itself is called
"default") and setting of the variables (All, one, several) OUT gets an element: the dashboard, what its variables are
set to, and for each panel and annotation the results of its queries.  --empty: marked as of a database without data.  Macros and variables are replaced by
test/grafana/expand.py.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/grafana"))
from expand import RANGES, Tap, expand, interval_of  # noqa: E402
from run import COARSER, Psql, Run  # noqa: E402

NULL = "\x01"
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
TIMES = ("timestamp with time zone", "timestamp without time zone", "date")


def ask(statements):
    """For each statement its columns, [{name, type, values}], or the error as text."""
    with tempfile.TemporaryDirectory() as directory:
        script = ["\\set QUIET 1", "\\pset format unaligned", "\\pset fieldsep_zero on", "\\pset recordsep '\\036'", "\\pset footer off",
                  f"\\pset null '\\{ord(NULL):03o}'", "SET timezone = 'UTC';"]
        for number, sql in enumerate(statements):
            script += [f"\\o {directory}/{number}.types", sql, "\\gdesc", f"\\o {directory}/{number}", f"\\warn @{number}", sql, ";", "\\o"]
        done = subprocess.run(["psql", "-X"], input="\n".join(script), capture_output=True, text=True, encoding="utf-8", check=False)
        errors = dict(re.findall(r"^@(\d+)\n((?:(?!@).*\n)*)", COARSER.sub("", done.stderr) + "\n", re.M))
        for number in range(len(statements)):
            error = errors.get(str(number), done.stderr or "psql ended").strip()
            yield error or list(columns(pathlib.Path(directory), number))


def records(path):
    text = path.read_text(encoding="utf-8").removesuffix("\n")
    return [record.split("\0") for record in text.split("\x1e") if record != ""]


def columns(directory, number):
    types = [kind for _, kind in records(directory / f"{number}.types")[1:]]
    names, *rows = records(directory / str(number))
    for i, (name, kind) in enumerate(zip(names, types)):
        yield {"name": name, "type": kind, "values": [value(row[i], re.sub(r"\(.*\)", "", kind)) for row in rows]}


def value(text, kind):
    if text == NULL:
        return None
    if kind in NUMBERS:
        # there is no infinite number in JSON; Grafana would show it as such
        return float(text) if re.search(r"[.eE]|NaN|Infinity", text) else int(text)
    if kind in TIMES:
        return None if "infinity" in text else round(datetime.fromisoformat(text).replace(
            tzinfo=datetime.fromisoformat(text).tzinfo or timezone.utc).timestamp() * 1000)
    if kind == "boolean":
        return text == "t"
    return text


def since(text, now):
    """now-6h, 7d, now/d, ... as a time"""
    match = re.fullmatch(r"(?:now)?-?(?:(\d+)([smhdw]))?(/d)?", text)
    start = now - timedelta(**{UNITS[match[2]]: int(match[1])}) if match[1] else now
    return start.replace(hour=0, minute=0, second=0, microsecond=0) if match[3] else start


class Drawn:
    """A dashboard at a range, with its variables set."""

    def __init__(self, board, start, end, values, variables):
        self.board, self.start, self.end, self.values, self.variables = board, start, end, values, variables

    def of_panel(self, panel):
        """(the panel's own start and end, and its queries as SQL)"""
        start, end = self.start, self.end
        if panel.get("timeFrom"):
            start = since(panel["timeFrom"], end)
        if panel.get("timeShift"):
            back = end - since(panel["timeShift"], end)
            start, end = start - back, end - back
        interval = interval_of(panel, end - start)
        return start, end, [expand(target["rawSql"], start, end, interval, self.values, self.variables) for target in panel["targets"]]

    def whole(self):
        milliseconds = lambda time: round(time.timestamp() * 1000)
        panels = [panel for panel in self.board["panels"] if panel["type"] != "row"]
        asked = [self.of_panel(panel) for panel in panels]
        notes = [one for one in self.board["annotations"]["list"] if "target" in one]
        results = ask([sql for _, _, queries in asked for sql in queries] +
                      [expand(one["target"]["rawSql"], self.start, self.end, 60, self.values, self.variables) for one in notes])
        drawn = {}
        for panel, (start, end, queries) in zip(panels, asked):
            drawn[panel["id"]] = {"from": milliseconds(start), "to": milliseconds(end), "sql": queries, "results": [
                result(target, next(results)) for target in panel["targets"]]}
        return {"board": {**self.board, "variables": self.shown_variables()}, "drawn": drawn, "from": milliseconds(self.start),
                "to": milliseconds(self.end), "annotations": [result({"refId": one["name"], "format": "table"}, next(results)) for one in notes]}

    def shown_variables(self):
        shown = {}
        for name, variable in self.variables.items():
            one = self.values[name]
            text = one
            if variable["multi"]:
                text = "All" if one is None else " + ".join(one)
            elif variable["type"] == "custom":
                text = next((option["text"] for option in variable["options"] if option["value"] == one), one)
            shown[name] = {"name": name, "label": variable["label"], "hide": variable["hide"], "text": text, "value": "$__all" if one is None else one}
        return shown


def result(target, answer):
    if isinstance(answer, str):
        return {"refId": target["refId"], "format": target["format"], "columns": [], "error": answer}
    return {"refId": target["refId"], "format": target["format"], "columns": answer}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--dashboards", type=pathlib.Path, default=ROOT / "grafana/dashboards")
    parser.add_argument("--now", type=datetime.fromisoformat, default=datetime.now(timezone.utc))
    parser.add_argument("--range", action="append", choices=["default", *RANGES])
    parser.add_argument("--setting", action="append", choices=["All", "one", "several"])
    parser.add_argument("--empty", action="store_true")
    options = parser.parse_args()
    made = []
    with tempfile.TemporaryDirectory() as directory:
        asker = Run(Tap(True), Psql(directory), options.now)
        for path in sorted(options.dashboards.glob("*.json")):
            board = json.loads(path.read_text(encoding="utf-8"))
            for label in options.range or ["default"]:
                start = since(board["time"]["from"], options.now) if label == "default" else options.now - RANGES[label]
                settings, variables = asker.values(board, start)
                for setting in options.setting or ["All"]:
                    drawn = Drawn(board, start, options.now, settings[setting], variables)
                    made.append({"name": path.name, "range": label, "setting": setting, "empty": options.empty, **drawn.whole()})
    options.out.write_text(json.dumps(made), encoding="utf-8")


if __name__ == "__main__":
    main()
