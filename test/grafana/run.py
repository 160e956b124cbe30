"""Run every query, and say how long it took."""
import math
import pathlib
import re
import subprocess
import tempfile
from datetime import timedelta

from expand import HOSTILE, RANGES, alert_rules, dashboards, expand, interval_of, queries

# Queries that may well return nothing, as nothing may have happened.
MAY_BE_EMPTY = {
    "alerts-carts.json: Running out", "alerts-carts.json: Left in cart", "operations.json: Under way", "operations.json: Runs",
    "rules.yaml: Housekeeping fails", "sales.json: Orders and visitors",
    "sales.json: Visitors by dimensions of one's own"}

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

    # what is quick enough, in ms, for table()
    QUICK = 20

    def values(self, board, start):
        """What to set the variables to: by setting, variable, and value."""
        settings = {"All": {}, "one": {}, "several": {}, "hostile": {}}
        variables = {variable["name"]: variable for variable in board["templating"]["list"]}
        for number, (setting, values) in enumerate(settings.items()):
            for name, variable in variables.items():
                if variable["type"] == "custom":
                    options = [option["value"] for option in variable["options"]]
                    values[name] = options[number % len(options) if setting != "hostile" else 0]
                elif not variable["multi"]:
                    result, = self.psql.run([variable["query"]])
                    values[name] = result[2][number % len(result[2]) if setting != "hostile" else 0]
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
                    span = timedelta(days=7) if panel.get("timeFrom") == "7d" else length
                    statements.append(expand(sql, self.end - span, self.end, interval_of(panel, span), values, variables))
                self.judge(f"{name}, {label}, variables: {setting}", label, setting, todo, statements)

    def judge(self, test, label, setting, todo, statements):
        faults = []
        results = list(self.psql.run(statements * (1 + self.again)))
        for i, result in enumerate(results[len(statements):]):
            if not isinstance(result, str):
                self.repeated.setdefault(todo[i % len(todo)][0], {}).setdefault(label, []).append((result[3], setting))
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
        """Median and 95th percentile of what was repeated; and which are not quick, with what is chosen."""
        def median_and_p95(asked):
            times = sorted(took for took, _ in asked)
            return times[len(times) // 2], times[math.ceil(len(times) * 0.95) - 1]

        def figures(asked):
            return "{:9.1f} {:8.1f}".format(*median_and_p95(asked)) if asked else f"{'':18}"

        print(f"{'median and p95, ms':72}" + "".join(f"{label:>18}" for label in RANGES))
        for title, by_label in sorted(self.repeated.items()):
            print(f"{title:72}" + "".join(figures(by_label.get(label, [])) for label in RANGES))
        print(f"{'all':72}" + "".join(figures([one for by_label in self.repeated.values() for one in by_label.get(label, [])])
                                    for label in RANGES))
        print(f"\nnot under {self.QUICK} ms at the 95th percentile, by what is chosen")
        for title, by_label in sorted(self.repeated.items()):
            for label, asked in by_label.items():
                if median_and_p95(asked)[1] >= self.QUICK:
                    settings = dict.fromkeys(setting for _, setting in asked)
                    print(f"{title}, {label}: " + ", ".join("{} {:.1f} {:.1f}".format(s, *median_and_p95([one for one in asked if one[1] == s])) for s in settings))


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
