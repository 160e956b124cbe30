"""The values of all panels, variables and marks on the known data, against the oracles in expected_*.py."""
from collections import namedtuple
from datetime import timedelta

import expected_operations      # noqa: F401  each fills ORACLES
import expected_sales           # noqa: F401
from expand import RANGES, ask, dashboards, expand, interval_of, queries
from fields import field_faults
from frames import row_differences, series_differences, wide
from known import NOW, Known
from oracle import Oracle
from oracles import ORACLES

ZONES = ("UTC", "America/New_York", "Asia/Kolkata")

# Of variables, by name: as they are at first, and as somebody has chosen
SETTINGS = {
    "as it opens": {"event": "purchase", "by": "gmv", "step": "fit", "dimension": "brand"},
    # of these brands, each thing of the categories of another choice
    "brands": {"event": "purchase", "by": "gmv", "step": "fit", "dimension": "category_l2", "brand": ["apple", "Artel & Söhne", "9007199254740993", "samsung"]},
    "categories": {"event": "cart", "by": "count", "step": "fit", "dimension": "brand", "category": ["electronics", "accessories", "apparel.shoes.sandals", "never.seen"]},
    "chosen": {"event": "view", "by": "count", "step": "1 day", "dimension": "product_id", "product": ["1004856", "9007199254740993"],
               "brand": ["All", "it's \"odd\", \\ and $1", "</script><b>", "never seen", "apple", "artel"], "category": ["electronics"], "category2": ["apparel.shoes", "electronics.video"],
               "category3": ["9223372036854775807.9223372036854775807.9223372036854775807"], "key": ["1004856", "9223372036854775806"],
               "kind": ["price_anomaly"], "source": ["shop"]},
    # a dimension of the shop's own
    "own": {"event": "purchase", "by": "gmv", "step": "fit", "dimension": "place_l1"},
    "own, chosen": {"event": "view", "by": "count", "step": "fit", "dimension": "place_l2", "key": ["de/be", "it's \"odd\"/, \\ and $1", "nowhere"]},
    "own, of brands": {"event": "purchase", "by": "count", "step": "fit", "dimension": "place_l2", "brand": ["apple"], "category": ["All", "electronics"]}}

# Which settings are for dashboards that have a variable
FOR = {"brands": "brand", "categories": "brand", "own": "dimension", "own, chosen": "dimension", "own, of brands": "dimension"}

# What an oracle is given: the end of the range, its start, the values of variables, $__interval, and the known data
Case = namedtuple("Case", "start end values step o admin")


def cases(name, board):
    """(label, [(title, format, sql, Case, panel)])"""
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    for label, length in RANGES.items():
        for setting, chosen in SETTINGS.items():
            if setting in FOR and FOR[setting] not in variables:
                continue
            values = {key: chosen.get(key) for key in variables}
            todo = []
            for title, sql, fmt, panel in queries(name, board):
                span = timedelta(days=7) if panel.get("timeFrom") == "7d" else length
                step = interval_of(panel, span)
                todo.append((title, fmt, expand(sql, NOW - span, NOW, step, values, variables), (NOW - span, NOW, values, timedelta(seconds=step)), panel))
            yield f"{label}, {setting}", todo


def differences(title, fmt, result, case):
    if title not in ORACLES:
        return ["no oracle"]
    expected = ORACLES[title](case)
    if fmt == "time_series":
        return list(series_differences(wide(result), expected))
    return list(row_differences(result.rows, expected))


def day_faults(board, title, result):
    """Days begin in UTC: where the hour is that of whoever looks, a point for a day would stand at the day before or after."""
    times = sorted({row["time"] for row in result.rows if hasattr(row.get("time"), "hour")})
    widths = {b - a for a, b in zip(times, times[1:])}
    if widths and min(widths) >= timedelta(days=1) and all(t.hour == t.minute == 0 for t in times) and board["timezone"] != "utc":
        yield f"{title}: days of UTC on an axis of another zone"


def height_faults(panel, result):
    """A frame, a header and ten rows of 36 pixels take 12 units of height."""
    if panel.get("type") == "table" and len(result.rows) >= 10 and panel["gridPos"]["h"] < 12:
        yield f"is {panel['gridPos']['h']} high, and shows fewer than ten of its rows"


def merged(results):
    """Several queries of a panel are drawn together; here each has its own oracle, by number."""
    seen = {}
    for title, *rest in results:
        seen[title] = seen.get(title, 0) + 1
        yield (title if seen[title] == 1 else f"{title} #{seen[title]}", *rest)


def check_values(tap, admin):
    oracle = Oracle(Known().rows)
    asked = set()
    for name, board in dashboards():
        for label, todo in cases(name, board):
            todo = list(merged(todo))
            by_zone = {zone: list(ask([sql for _, _, sql, _, _ in todo], zone)) for zone in (ZONES if "opens" in label else ZONES[1:2])}
            for i, (title, fmt, sql, case, panel) in enumerate(todo):
                asked.add(title)
                faults = []
                for zone, results in by_zone.items():
                    result = results[i]
                    if isinstance(result, str):
                        faults += [f"{zone}: {result}", sql]
                        continue
                    faults += [f"{zone}: {text}" for text in differences(title, fmt, result, Case(*case, oracle, admin))]
                    faults += day_faults(board, title, result)
                    faults += [*field_faults(panel, fmt, result), *height_faults(panel, result)]
                tap.ok(not faults, f"{title}, {label}", *list(dict.fromkeys(faults))[:8])
    tap.ok(not set(ORACLES) - asked, "each oracle has its panel", *(set(ORACLES) - asked))
