"""What the known rows come to, in plain Python: how rows count, what tiers keep, and sums over them.

Written from the description of what Sellometer does, without a look at its tables.
"""
from collections import defaultdict
from datetime import datetime, timezone
from decimal import Decimal

from known import DAY, HEAD, HOUR, MINUTE

EPOCH = datetime(2000, 1, 3, tzinfo=timezone.utc)       # a Monday, as weeks are counted from
LATENESS = 5 * MINUTE
TYPES = ("view", "cart", "remove_from_cart", "purchase")
DIMENSIONS = ("product_id", "brand", "category_l1", "category_l2", "category_l3", "place_l1", "place_l2")

# What is kept: minutes for 24 hours behind the head, dropped by hours; hours for a month, dropped by days.
MINUTES_FROM = (HEAD - DAY).replace(minute=0, second=0)
HOURS_FROM = HEAD.replace(month=10, hour=0, minute=0, second=0)


def floor(time, width):
    return time - (time - EPOCH) % width


def ceiling(time, width):
    return floor(time, width) if floor(time, width) == time else floor(time, width) + width


def levels(row):
    code = [level for level in row.code.lower().split(".") if level] or [row.category_id or "unknown"]
    filled = (code + [code[-1]] * 2)[:3]
    return filled[0], ".".join(filled[:2]), ".".join(filled)


def place(row, n):
    return "/".join(row.place.split("/")[:n]) or "nowhere"


def keys(row):
    """By dimension."""
    return dict(zip(DIMENSIONS, (row.product, row.brand or row.product, *levels(row), *(place(row, n) for n in (1, 2)))))


def counted(rows):
    """Of a session's views of a product the first, at its price; everything else."""
    first = {}
    for row in rows:
        if row.type != "view" or not row.session:
            yield row
            continue
        order = (row.time, row.price, levels(row), row.brand, place(row, 1), place(row, 2))
        if (row.session, row.product) not in first or order < first[row.session, row.product][0]:
            first[row.session, row.product] = (order, row)
    for _, row in first.values():
        yield row


class Sum:
    def __init__(self, count=0, gmv=Decimal(0)):
        self.count, self.gmv = count, gmv

    def add(self, other):
        return Sum(self.count + other.count, self.gmv + other.gmv)

    @property
    def price(self):
        return self.gmv / self.count if self.count else None


def ratio(a, b, less=0):
    return None if not b or a is None else Decimal(a) / Decimal(b) - less


class Oracle:
    def __init__(self, rows):
        self.rows = list(rows)
        # minute -> type -> (dimension, key) -> Sum; None: all keys together
        self.minutes = defaultdict(lambda: defaultdict(lambda: defaultdict(Sum)))
        for row in counted(self.rows):
            if row.time < HOURS_FROM:
                continue
            sums = self.minutes[floor(row.time, MINUTE)][row.type]
            for key in [None, *keys(row).items()]:
                sums[key] = sums[key].add(Sum(1, row.price))

    @staticmethod
    def whole(start, end):
        """The range that is answered: minutes, or hours where only these are kept."""
        start = ceiling(start, MINUTE) if start >= MINUTES_FROM else floor(start, HOUR)
        end = ceiling(end, MINUTE) if end >= MINUTES_FROM else ceiling(end, HOUR)
        return max(start, HOURS_FROM), end

    def between(self, start, end, kind, key=None):
        """From whole minute to whole minute."""
        result = Sum()
        for minute, types in self.minutes.items():
            if start <= minute < end and kind in types and key in types[kind]:
                result = result.add(types[kind][key])
        return result

    def total(self, start, end, kind="purchase", key=None):
        return self.between(*self.whole(start, end), kind, key)

    def all_keys(self, dimension, start, end, kind):
        start, end = self.whole(start, end)
        result = defaultdict(Sum)
        for minute, types in self.minutes.items():
            if start <= minute < end:
                for key, value in types[kind].items():
                    if key and key[0] == dimension:
                        result[key[1]] = result[key[1]].add(value)
        return result

    def top(self, dimension, start, end, kind, n, by="gmv"):
        return self.best(self.all_keys(dimension, start, end, kind).items(), n, by)

    @staticmethod
    def best(parts, n, by="gmv"):
        """parts: (key, Sum), of a key maybe several."""
        found = defaultdict(Sum)
        for key, value in parts:
            found[key] = found[key].add(value)
        order = (lambda s: (-s.gmv, -s.count)) if by == "gmv" else (lambda s: (-s.count, -s.gmv))
        return sorted(found.items(), key=lambda item: (*order(item[1]), item[0].encode()))[:n]

    @staticmethod
    def width(start, step):
        """Of a series: what was asked for, in whole minutes, or in whole hours where only these hold its start."""
        unit = MINUTE if start >= MINUTES_FROM else HOUR
        return max(unit, -(-step // unit) * unit)

    def series(self, start, end, step, kind="purchase", key=None):
        """[(time, Sum, is final)], with zeros, up to the head, the bucket that it is in included."""
        width = self.width(start, step)
        time, result = floor(start, width), []
        while time < end and time <= HEAD:
            if time >= HOURS_FROM:
                result.append((time, self.between(time, time + width, kind, key), time < floor(HEAD - LATENESS, width)))
            time += width
        return result, width

    @staticmethod
    def same_part(start, end, back):
        """
        (start, end, back) of what is compared: each end falls on a minute, or on an hour where only these are kept of the earlier time;
        nothing behind the head.  back: None: the range right before.  None: nothing is kept whole.
        """
        found = []
        for first, last in ((MINUTE, MINUTE), (HOUR, MINUTE), (HOUR, HOUR), (MINUTE, HOUR)):
            cut, until = ceiling(start, first), floor(min(end, HEAD), last)
            away = back or floor(end, last) - cut
            kept = {MINUTE: MINUTES_FROM, HOUR: HOURS_FROM}
            if (cut < until and kept[first] <= cut - away == floor(cut - away, first) and until - away == floor(until - away, last)
                    and kept[last] <= floor(until - away, HOUR)):
                found.append((cut, until, away))
        return max(found, key=lambda part: part[1] - part[0], default=None)

    def compare(self, start, end, back=None, kind="purchase", key=None):
        """(now, earlier, start, end, back): of the same parts; (None, None, ...) if the earlier one is not kept whole."""
        part = self.same_part(start, end, back)
        if not part:
            return None, None, start, end, back
        start, end, back = part
        return self.between(start, end, kind, key), self.between(start - back, end - back, kind, key), start, end, back

    def movers(self, dimension, start, end, kind, n, by):
        """[(key, now, earlier)]; None: they can't be compared."""
        part = self.same_part(start, end, None)
        if not part:
            return None
        start, end, back = part
        now, earlier = (self.all_keys(dimension, a, b, kind) for a, b in ((start, end), (start - back, end - back)))
        pick = (lambda s: s.gmv) if by == "gmv" else (lambda s: s.count)
        found = [(key, now.get(key, Sum()), earlier.get(key, Sum())) for key in {*now, *earlier}]
        found = [one for one in found if pick(one[1]) != pick(one[2])]
        return sorted(found, key=lambda one: (-abs(pick(one[1]) - pick(one[2])), one[0].encode()))[:n]
