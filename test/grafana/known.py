"""Known data, as files for a source and as rows for an oracle: the same ones each time.

Five weeks of a small shop that end on 20 November 2019, two and a half hours after noon:

    day files             hour files          minute files
    |=====================|===================|=======     ====|
    36 days ago       26 hours ago       an hour ago   ^       head, NOW
    (hours are kept for a month:                       half an hour in which nothing came
    of the month before the range a part is gone)

Some brands are such that quoting must be right, some ids such that floating point can't hold them; a file comes late, with
rows of several days and with earlier views of sessions whose views have counted; some rows and one file are of no use.
"""
import csv
import io
import pathlib
import random
from collections import namedtuple
from datetime import datetime, timedelta, timezone
from decimal import Decimal

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOW = datetime(2019, 11, 20, 14, 37, 30, tzinfo=timezone.utc)
HEAD = NOW - MINUTE                 # all rows of the last file
OUTAGE = (NOW.replace(minute=0, second=0), NOW.replace(minute=30, second=0))
BY_MINUTE = NOW.replace(hour=13, minute=30, second=0)
BY_HOUR = (NOW - 26 * HOUR).replace(minute=0, second=0)
START = (NOW - 36 * DAY).replace(hour=0, minute=0, second=0)

COLUMNS = ["event_time", "event_type", "product_id", "category_id", "category_code", "brand", "price", "user_id", "user_session", "place"]
Row = namedtuple("Row", "time type product category_id code brand price user session place")

# A dimension of the shop's own has two levels of these
PLACES = ["de/be", "de/by", "fr", "", "it's \"odd\"/, \\ and $1", "de", "us/ny/soho"]

# product, category_id, category_code, brand, usual price
PRODUCTS = [
    ("1004856", "2053013555631882655", "electronics.smartphone", "samsung", "131.51"),
    ("1004767", "2053013555631882655", "electronics.smartphone", "samsung", "254.82"),
    ("1005115", "2053013555631882655", "electronics.smartphone", "apple", "975.57"),
    ("1005105", "2053013555631882655", "electronics.smartphone", "apple", "1415.48"),
    ("4804056", "2053013554658804075", "electronics.audio.headphone", "apple", "161.98"),
    ("1801881", "2053013554415534427", "electronics.video.tv", "artel", "488.80"),
    ("3900821", "2053013552326770905", "appliances.environment.water_heater", "aqua", "33.20"),
    ("17200506", "2053013559792632471", "furniture.living_room.sofa", "", "543.10"),
    ("44600062", "2103807459595387724", "", "shiseido", "35.79"),
    ("28719074", "2053013565639492569", "apparel.shoes", "baden", "102.71"),
    ("9007199254740993", "9223372036854775807", "", "9007199254740993", "7.01"),
    ("9223372036854775806", "2053013553559896355", "", "it's \"odd\", \\ and $1", "12.40"),
    ("6800001", "2053013554658804099", "auto.accessories.player", "</script><b>", "68.07"),
    ("6800002", "2053013554658804100", "computers.accessories.player", "NULL & Söhne", "41.30"),
    ("5100816", "2053013553375346967", "electronics.clocks", "\u6f22\u202e\u5b57", "29.90"),
    ("100068488", "", "", "", "0.00"),
]

# Since when products have another brand and category
RENAMED = {"1801881": (NOW - 9 * DAY, "electronics.video.tv", "Artel & Söhne"), "5100816": (NOW - 5 * DAY, "accessories.clocks", "\u6f22\u202e\u5b57"),
           "28719074": (NOW - 20 * HOUR, "apparel.shoes.sandals", "apple")}

# What the shop says that products are called
NAMES = {"1004856": "Galaxy J5, 16 GB", "9007199254740993": "<b>\"a name\"</b> $1 ${brand} '; --", "1005105": "x" * 300}


class Known:
    """files: name -> content; late: files that come when all others are loaded; rows: all that are usable."""

    def __init__(self, seed=7):
        self.random = random.Random(seed)
        self.sessions = []          # (session, product) of views, the newest last
        self.number = 0
        self.files, self.late = {}, {}
        self.rows = [row for start, width, share in self.stretches() for row in self.stretch(start, width, share)]
        self.rows += [row._replace(time=HEAD) for row in self.stretch(HEAD, timedelta(0), 1)]
        self.rows.sort(key=lambda row: row.time)
        self.put_into_files()
        self.come_late()
        self.be_of_no_use()

    @staticmethod
    def stretches():
        time = START
        while time < HEAD.replace(second=0):
            width = HOUR if time < BY_HOUR else MINUTE
            if not OUTAGE[0] <= time < OUTAGE[1]:
                # nights are quiet, and each week brings a little more
                share = (0.4 if time.hour < 6 else 1) * (1 + (time - START) / (90 * DAY))
                yield time, width, share
            time += width

    def stretch(self, start, width, share):
        for _ in range(max(1, round(self.random.randint(6, 14) * share))):
            yield self.event(start + timedelta(seconds=int(self.random.random() * width.total_seconds())))

    def event(self, time):
        draw = self.random
        product, category_id, code, brand, price = PRODUCTS[int(len(PRODUCTS) * draw.random() ** 1.5)]
        kind = draw.choices(["view", "cart", "remove_from_cart", "purchase"], [74, 11, 2, 13])[0]
        price = (Decimal(price) * draw.choice([100, 100, 100, 95, 103]) / 100).quantize(Decimal("0.0001" if draw.random() < 0.1 else "0.01"))
        self.number += 1
        session = ""
        if kind == "view":
            session = f"v{self.number}"
            if self.sessions and draw.random() < 0.25:
                session, product = draw.choice(self.sessions[-40:])
                product, category_id, code, brand, _ = next(p for p in PRODUCTS if p[0] == product)
            self.sessions.append((session, product))
        elif kind == "cart" and time > NOW - 40 * HOUR and draw.random() < 0.1:
            session = f"c{self.number}"
        if product in RENAMED and time >= RENAMED[product][0]:
            _, code, brand = RENAMED[product]
        return Row(time, kind, product, category_id, code, brand, price, str(500000000 + self.number), session, PLACES[self.number * self.number % 31 % len(PLACES)])

    def put_into_files(self):
        for row in self.rows:
            name = row.time.strftime("%Y-%m-%d-12-00-day.csv" if row.time < BY_HOUR else "%Y-%m-%d-%H-30-hour.csv"
                                     if row.time < BY_MINUTE else "%Y-%m-%d-%H-%M.csv")
            self.files.setdefault(name, []).append(row)
        self.files = {name: text_of(rows) for name, rows in self.files.items()}

    def come_late(self):
        """A file with rows of several days, and earlier views of sessions that are known."""
        rows = [self.event(NOW - timedelta(minutes=self.random.randint(60, 60 * 24 * 9))) for _ in range(60)]
        rows = [row._replace(session=f"l{i}" if row.session else "") for i, row in enumerate(rows)]
        views = [row for row in self.rows if row.type == "view" and HEAD - 20 * HOUR < row.time < HEAD - HOUR]
        for row in self.random.sample(views, 40):
            rows.append(row._replace(time=row.time - timedelta(minutes=self.random.randint(1, 90)), price=row.price + 1))
        self.late["2019-11-20-10-00-late.csv"] = text_of(rows)
        self.rows += rows

    def be_of_no_use(self):
        good = self.event(NOW - 3 * HOUR)
        base = good._replace(time=NOW - 3 * HOUR)
        bad = [base._replace(type="bought"), base._replace(product="n/a"), base._replace(price="-1"),
               base._replace(price="12,50 " + "and what else there was to say about it " * 10)]
        lines = text_of([base] * 40).splitlines() + text_of(bad).splitlines()[1:] + ["2019-11-20,view"]
        self.files["2019-11-20-11-45-some-bad.csv"] = "\n".join(lines) + "\n"
        self.rejected = {"bad_event_type": 1, "bad_product_id": 1, "bad_price": 2, "column_count": 1}
        self.files["2019-11-20-12-10-no-price.csv"] = "event_time,event_type,product_id\n2019-11-20 12:10:00 UTC,view,1\n"
        self.rows += [base] * 40

    def write(self, directory, late):
        directory = pathlib.Path(directory)
        for name, content in (self.late if late else self.files).items():
            part = directory / f".{name}.part"
            part.write_text(content, encoding="utf-8")
            part.rename(directory / name)


def text_of(rows):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        time = row.time.strftime("%Y-%m-%d %H:%M:%S UTC")
        writer.writerow([time, row.type, row.product, row.category_id, row.code, row.brand, row.price, row.user, row.session, row.place])
    return out.getvalue()
