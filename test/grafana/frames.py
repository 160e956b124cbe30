"""What Grafana makes of the rows of a query before it draws them, as far as values go; and how values are compared."""
from datetime import datetime, timedelta, timezone
from decimal import Decimal


def moment(value):
    """A time, however the query gives it: as one, or in seconds."""
    return value if isinstance(value, datetime) else datetime.fromtimestamp(float(value), timezone.utc)


def wide(result):
    """
    A result in the format time_series, as Grafana's data source makes it wide: {series: {time: value}}.  A column of text called
    metric names the series; all series have a value, or none, at each time that any has.
    """
    texts = [name for name, kind in result.types.items() if kind in ("text", "character varying", "name")]
    values = [name for name in result.types if name != "time" and name not in texts]
    times, series = [], {}
    for row in result.rows:
        time = moment(row["time"])
        if not times or times[-1] != time:
            times.append(time)
        for name in values:
            if texts:
                name, value = " ".join(str(row[text]) for text in texts), row[name]
            else:
                value = row[name]
            series.setdefault(name, {})[time] = value
    assert times == sorted(times), "not in order of time"
    return {name: {time: points.get(time) for time in times} for name, points in series.items()}


class Near:
    """A number that moves with the clock."""

    def __init__(self, value, tolerance):
        self.value, self.tolerance = value, tolerance

    def __repr__(self):
        return f"{self.value} ± {self.tolerance}"


class Anything:
    def __repr__(self):
        return "anything"


class Begins:
    """A text that begins so; what follows is told in other tests."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return f"{self.text!r} …"


def same(actual, expected):
    if isinstance(expected, Begins):
        return isinstance(actual, str) and actual.startswith(expected.text) and len(actual) > len(expected.text)
    if isinstance(expected, Anything):
        return True
    if isinstance(expected, Near):
        return actual is not None and abs(float(actual) - float(expected.value)) <= expected.tolerance
    if actual is None or expected is None or isinstance(expected, bool):
        return actual is expected
    if isinstance(expected, (int, float, Decimal)) and not isinstance(actual, (str, datetime)):
        actual, expected = Decimal(str(actual)), Decimal(str(expected))
        return abs(actual - expected) <= abs(expected) * Decimal("1e-9")
    if isinstance(expected, datetime) and isinstance(actual, datetime):
        return abs(actual - expected) < timedelta(milliseconds=1)
    return actual == expected


def row_differences(actual, expected):
    """Of lists of dictionaries."""
    if len(actual) != len(expected):
        yield f"{len(actual)} rows, expected {len(expected)}"
    for i, (got, want) in enumerate(zip(actual, expected)):
        if list(got) != list(want):
            yield f"columns {list(got)}, expected {list(want)}"
            return
        yield from (f"row {i}, {name}: {got[name]!r}, expected {want[name]!r}" for name in want if not same(got[name], want[name]))


def series_differences(actual, expected):
    """Of {series: {time: value}}: the times and values of all of them."""
    times = lambda frame: sorted({time for points in frame.values() for time in points})
    if set(actual) != set(expected):
        yield f"series {sorted(actual)}, expected {sorted(expected)}"
    if times(actual) != times(expected):
        lacking, more = set(times(expected)) - set(times(actual)), set(times(actual)) - set(times(expected))
        yield f"times: {len(lacking)} are missing ({min(lacking, default='')}), {len(more)} are too many ({min(more, default='')})"
    for name in sorted(set(actual) & set(expected)):
        wrong = [(time, actual[name].get(time), value) for time, value in expected[name].items() if not same(actual[name].get(time), value)]
        if wrong:
            yield f"{name}: {len(wrong)} of {len(expected[name])} values, the first at {wrong[0][0]}: {wrong[0][1]!r}, expected {wrong[0][2]!r}"
