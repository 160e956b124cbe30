"""What the panels of Operations and Alerts & carts show: of the ledger and of alerts, by plain SQL over the tables."""
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from expand import ask
from expected_sales import label
from frames import Anything, Begins, Near
from known import COLUMNS, DAY, HEAD, HOUR, MINUTE, NOW, Known
from oracle import keys
from oracles import oracle

ALL = timedelta(days=400)
LAG = 5         # seconds that pass while the test runs are more, but not so many that units could be mistaken


def table(case, sql):
    result, = ask([sql], user=case.admin)
    assert not isinstance(result, str), result
    return result.rows


def since(time):
    """How long ago by the clock."""
    return Near((datetime.now(timezone.utc) - time).total_seconds(), 600)


def in_range(case, rows, column="time"):
    return [row for row in rows if row[column] is not None and case.start <= row[column] <= case.end]


def buckets(case, rows, name, time, step):
    """{name: {start of the bucket: number}}"""
    result = {}
    width = step.total_seconds()
    for row in rows:
        start = datetime.fromtimestamp(row[time].timestamp() // width * width, timezone.utc)
        series = result.setdefault(row[name], {})
        series[start] = series.get(start, 0) + 1
    times = {time for series in result.values() for time in series}
    return {key: {time: series.get(time) for time in times} for key, series in result.items()}


for board in ("live", "operations", "alerts-carts"):
    oracle(board, "Behind the clock")(lambda c: [{"lag": since(HEAD - 3 * HOUR + MINUTE)}])


# --- Operations: the first screen ----------------------------------------------------------------------------------

NO_PRICE = ('the header line lacks the required column "price" (repair the object and put it there again under the same key, '
            'or put it aside with sellometer_skip())')
NOT_READABLE = "it can't be listed: why is in sellometer.sources, for who may read last_error there"


TEXT = "source, and its last error"


@oracle("operations", "Sources")
def sources(c):
    failed = f"2019-11-20-12-10-no-price.csv: {NO_PRICE}"
    return [{"state": "critical", TEXT: f"partner: {NOT_READABLE}", "error at": NOW - 20 * MINUTE},
            {"state": "warning", TEXT: Begins(f"shop: 1 have failed, the last: {failed}; 1 are tried again and again, the last: 2019-11-20-14-30-again.csv: "), "error at": NOW - 2 * HOUR + timedelta(seconds=20)}]


@oracle("operations", "Sources in numbers")
def sources_in_numbers(c):
    lists = {row["name"]: row["list_requests"] for row in table(c, "SELECT * FROM sellometer.sources")}
    return [{"source": source, "data up to": head, "behind the clock": since(head), "waiting": waiting, "failed": waiting, "backlog": waiting, "waiting bytes": size, "rows/s": 0, "lists": lists[source]}
            for source, head, waiting, size in (("shop", HEAD, 1, 4711), ("partner", NOW - 3 * HOUR, 0, 0))]


@oracle("operations", "Health")
def health(c):
    return [{"severity": row["severity"], "what it is, and what to do": Begins(row["name"] + ": "), "time": Anything()} for row in table(c, """
        SELECT severity, name FROM sellometer.health WHERE severity IN ('critical', 'warning') ORDER BY severity, name""")]


@oracle("operations", "From arrival to table")
def arrival(c):
    return [{"lag": since(NOW - 9 * MINUTE)}]


oracle("operations", "Waiting")(lambda c: [{"pending": 4711}])
oracle("operations", "Backlog")(lambda c: [{"backlog": 1}])
oracle("operations", "Failed objects")(lambda c: [{"failed": 1}])
oracle("operations", "Worker")(lambda c: [{"worker": 0}])


# --- Operations: what failed ---------------------------------------------------------------------------------------

def failures(c):
    """By hand, as known.sql and the known files have them."""
    rows = [
        (NOW - 2 * HOUR + timedelta(seconds=20), "object", "shop: 2019-11-20-12-10-no-price.csv", NO_PRICE),
        (NOW - 9 * MINUTE, "object, tried again", "shop: 2019-11-20-14-30-again.csv", "the server closed the connection"),
        (NOW - 20 * HOUR + timedelta(seconds=2), "procedure failed", "archive", "can't put s3://shop/archive/2019-11-19-18.csv.gz: 503 Slow Down"),
        (NOW - 8 * MINUTE, "procedure died", "prune", ""),
        (NOW - 20 * MINUTE, "source", "partner", NOT_READABLE)]
    rows = [dict(zip(("time", "what", "name", "error"), row)) for row in sorted(rows, reverse=True)]
    return in_range(c, rows)


@oracle("operations", "What failed, and when")
def what_failed(c):
    return [{"time": row["time"], "what failed, and its error": ": ".join(filter(None, (f"{row['what']} {row['name']}", row["error"])))} for row in failures(c)]


oracle("operations", "Failures over time")(lambda c: buckets(c, failures(c), "what", "time", c.step))


# --- Operations: how it comes --------------------------------------------------------------------------------------

def ingested(c):
    rows = table(c, "SELECT * FROM sellometer.objects WHERE ingested_at IS NOT NULL")
    return [row for row in in_range(c, rows, "ingested_at") if not c.values["source"] or row["source"] in c.values["source"]]


def by_bucket(c):
    found = {}
    for row in ingested(c):
        width = c.step.total_seconds()
        found.setdefault(datetime.fromtimestamp(row["ingested_at"].timestamp() // width * width, timezone.utc), []).append(row)
    return dict(sorted(found.items()))


@oracle("operations", "Rows loaded")
def rows_loaded(c):
    parts = {"counted": "rows_counted", "seen before": "rows_duplicate", "rejected": "rows_rejected", "expired": "rows_expired"}
    found = by_bucket(c)
    return {name: {time: Decimal(sum(row[column] for row in rows)) / Decimal(c.step.total_seconds()) for time, rows in found.items()}
            for name, column in parts.items()} if found else {}


def quantile(numbers, share):
    numbers = sorted(numbers)
    place = share * (len(numbers) - 1)
    low = int(place)
    return numbers[low] + (numbers[min(low + 1, len(numbers) - 1)] - numbers[low]) * (place - low)


@oracle("operations", "From arrival to table, over time")
def arrival_over_time(c):
    found = {time: [(row["ingested_at"] - row["last_modified"]).total_seconds() for row in rows] for time, rows in by_bucket(c).items()}
    return {name: {time: quantile(spans, share) for time, spans in found.items()} for name, share in (("median", 0.5), ("99 %", 0.99))} if found else {}


def rejected(c):
    """Line 42 to 46 of the one file: forty good rows come first."""
    reasons = ["bad_event_type", "bad_product_id", "bad_price", "bad_price", "column_count"]
    details = ['event_type "bought" is none of view, cart, remove_from_cart, purchase', 'product_id "n/a" stands for no value', 'price "-1" is negative',
               'price "12,50 and what else there was to say about it and what else there was ..." has something beside the number (a currency?)',
               f"2 fields where the header has {len(COLUMNS)}"]
    rows = [{"reason": reason, "line": line, "detail": detail, "time": NOW - 5 * MINUTE - timedelta(seconds=line)} for line, reason, detail in zip(range(42, 47), reasons, details)]
    return in_range(c, rows)


SOME_BAD = "2019-11-20-11-45-some-bad.csv"


@oracle("operations", "Rejected rows")
def rejected_rows(c):
    lines = Known().files[SOME_BAD].split("\n")
    cut = lambda text: text if len(text) <= 250 else f"{text[:250]} … (more in sellometer.rejected_rows)"
    return [{"time": row["time"], "the row, and its error": f"shop: {SOME_BAD}, line {row['line']}: {row['detail']} | {cut(lines[row['line'] - 1])}"} for row in rejected(c)]


oracle("operations", "Rejected rows by reason")(lambda c: buckets(c, rejected(c), "reason", "time", c.step))


@oracle("operations", "Failed objects #2")
def failed_objects(c):
    row, = table(c, "SELECT * FROM sellometer.objects WHERE state = 'failed'")
    return [{"object": "shop: 2019-11-20-12-10-no-price.csv", "error": NO_PRICE, "sqlstate": row["sqlstate"], "attempts": row["attempts"],
             "next attempt": None, "size": 64, "time": NOW - 2 * HOUR + timedelta(seconds=20)}]


oracle("operations", "Under way")(lambda c: [])


@oracle("operations", "Objects by state")
def by_state(c):
    files = {"backlog": 1, "done": len(table(c, "SELECT key FROM sellometer.objects WHERE state = 'done'")), "failed": 1, "pending": 1}
    return [{"state": state, "objects": n} for state, n in files.items()]


@oracle("operations", "Runs")
def runs(c):
    rows = [("done", "rollup", NOW - 6 * MINUTE, 1.25, '{"buckets": 1}'), ("died", "prune", NOW - 8 * MINUTE, since(NOW - 8 * MINUTE), None),
            ("failed", "archive", NOW - 20 * HOUR, 2, Anything()), ("done", "rollup", NOW - 12 * DAY, 90, '{"buckets": 300}')]
    return in_range(c, [dict(zip(("outcome", "procedure", "time", "took", "detail"), row)) for row in rows])


@oracle("operations", "Tiers")
def tiers(c):
    return [{"tier": tier, "size": size, "rows": Anything(), "complete up to": complete, "kept for": kept, "partitions": Anything()} for tier, size, complete, kept in (
        ("minute", Near(2e7, 1.99e7), None, "24:00:00"), ("hour", Near(2e7, 1.99e7), HEAD.replace(minute=0, second=0), "1 mon"))]


oracle("operations", "variable source")(lambda c: [{"__value": "partner"}, {"__value": "shop"}])


# --- Alerts & carts ------------------------------------------------------------------------------------------------

def alerts(c):
    """As in known.sql: kind, severity, dimension, key, time of the events, opened, closed, observed, expected, detail; and label."""
    rows = table(c, "SELECT * FROM sellometer.alerts")
    for row in rows:
        row["label"] = label(c.o, row["dimension"], row["key"])
        row["words"] = row["kind"].replace("_", " ")
    return rows


oracle("alerts-carts", "Critical alerts")(lambda c: [{"alerts": 2}])
oracle("alerts-carts", "Warnings")(lambda c: [{"alerts": 1}])
oracle("alerts-carts", "Running out")(lambda c: [{"products": len(running_out(c))}])
oracle("alerts-carts", "Left in cart")(lambda c: [{"carts": len(left(c))}])


def amount(row, column):
    """Prices of products are money, all else are numbers of what the kind is about."""
    value = row[column]
    if value is None:
        return None
    if row["kind"] == "price_anomaly" and row["dimension"] == "product_id":
        return f"${value:,.2f}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


@oracle("alerts-carts", "Open alerts")
def open_alerts(c):
    order = ["9007199254740993", "1004856", "1005115", "all"]
    kinds = c.values["kind"]
    found = {row["key"]: row for row in alerts(c) if row["closed_at"] is None and (not kinds or row["kind"] in kinds)}
    return [{"severity": row["severity"], "kind": row["words"], "key": row["label"], "detail": row["detail"], "observed": amount(row, "observed"),
             "expected": amount(row, "expected"), "event time": row["event_time"], "time": row["opened_at"]}
            for key in order if key in found for row in [found[key]]]


@oracle("alerts-carts", "Alerts by event time")
def alerts_by_time(c):
    return buckets(c, in_range(c, alerts(c), "event_time"), "words", "event_time", c.step)


@oracle("alerts-carts", "Closed alerts")
def closed_alerts(c):
    found = sorted(in_range(c, alerts(c), "closed_at"), key=lambda row: row["closed_at"], reverse=True)
    return [{"severity": row["severity"], "kind": row["words"], "key": row["label"], "detail": row["detail"],
             "lasted": (row["closed_at"] - row["opened_at"]).total_seconds(), "time": row["closed_at"]} for row in found]


def sold_since(c, product, time):
    return sum(1 for row in c.o.rows if row.type == "purchase" and row.product == product and row.time >= time)


@oracle("alerts-carts", "Running out #2")
def running_out(c):
    """Sold within a day before the head, an hour; what is left lasts shorter than new stock takes, or nothing is left."""
    rows = []
    for product, stock, as_of, lead in (("1005115", 3, NOW - DAY, 3 * DAY), ("1801881", 100000, NOW - DAY, 3 * DAY), ("9007199254740993", 10, NOW - 2 * DAY, 12 * HOUR)):
        remaining = stock - c.o.between(as_of - timedelta(seconds=30) + MINUTE, HEAD + MINUTE, "purchase", ("product_id", product)).count
        rows.append({"product": label(c.o, "product_id", product), "left": remaining, "lasts": Anything(), "lead time": lead.total_seconds(), "sold an hour": Anything()})
    return [row for row in rows if not row["product"].startswith("1801881")]


def left(c):
    """Put in a cart by a session at least an hour before the head, at most three days; neither bought nor taken out since."""
    last = {}
    for row in c.o.rows:
        if row.session and row.type == "cart":
            key = row.session, row.product
            last[key] = max(last.get(key, row), row, key=lambda one: one.time)
    gone = {(row.session, row.product): row.time for row in c.o.rows if row.session and row.type in ("purchase", "remove_from_cart")}
    return [row for key, row in last.items() if HEAD - 3 * DAY <= row.time <= HEAD - HOUR and not gone.get(key, row.time - MINUTE) >= row.time]


@oracle("alerts-carts", "Left in cart #2")
def left_in_cart(c):
    rows = sorted(left(c), key=lambda row: (-row.time.timestamp(), int(row.product), row.price))
    return [{"product": label(c.o, "product_id", row.product), "price": row.price, "time": row.time} for row in rows]


oracle("alerts-carts", "variable kind")(lambda c: [{"__value": kind} for kind in sorted({row["kind"] for row in alerts(c)})])


# --- marks ---------------------------------------------------------------------------------------------------------

def marks(severity):
    def expected(c):
        groups = {}
        for row in sorted(in_range(c, alerts(c), "event_time"), key=lambda row: (row["event_time"], row["key"])):
            if row["severity"] == severity:
                groups.setdefault((row["kind"], int(60 * (row["event_time"] - c.start) / (c.end - c.start))), []).append(row)
        found = [{"time": rows[0]["event_time"], "text": rows[0]["words"] + (f" ({len(rows)})" if len(rows) > 1 else "") + ": "
                  + " | ".join(f"{row['label']}: {row['detail']}" for row in rows[:3]) + (" …" if len(rows) > 3 else ""), "tags": kind}
                 for (kind, _), rows in groups.items()]
        return sorted(found, key=lambda row: (row["time"], row["text"]))
    return expected


@oracle("live", "annotation Not final")
def not_final(c):
    """The minutes up to the head that may still change."""
    return [{"time": HEAD.replace(second=0) - 5 * MINUTE, "timeend": HEAD, "text": "Not final: files on their way may still change it"}]


for board in ("live", "sales"):
    for severity in ("critical", "warning"):
        oracle(board, f"annotation Alerts: {severity}")(marks(severity))

assert keys and Decimal and ALL and LAG
