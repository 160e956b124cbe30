"""What the panels of Live and Sales show of the known data."""
from datetime import timedelta
from decimal import Decimal

from known import DAY, HEAD, HOUR, MINUTE, NAMES, PRODUCTS
from oracle import HOURS_FROM, TYPES, floor, keys, ratio
from oracles import oracle

WEEK = 7 * DAY
CHOICES = [("product_id", "product", "Product"), ("brand", "brand", "Brand"), ("category_l1", "category", "Category"),
           ("category_l2", "category2", "Category, two levels"), ("category_l3", "category3", "Category, three levels")]
PLURAL = {"product_id": "products", "brand": "brands", "category_l1": "categories", "category_l2": "categories, two levels",
          "category_l3": "categories, three levels"}


def event(case):
    return case.values.get("event", "purchase")


def chosen(case, variable):
    """[None]: all."""
    return [key for key in dict.fromkeys(case.values.get(variable) or [None]) if key != "All"]


def whole(o, case, kind):
    return o.total(case.start, case.end, kind)


# --- single numbers ------------------------------------------------------------------------------------------------

oracle("live", "GMV")(lambda c: [{"gmv": whole(c.o, c, "purchase").gmv}])
oracle("sales", "GMV")(lambda c: [{"gmv": whole(c.o, c, event(c)).gmv}])
oracle("live", "Purchases")(lambda c: [{"purchases": whole(c.o, c, "purchase").count}])
oracle("sales", "Number")(lambda c: [{"number": whole(c.o, c, event(c)).count}])
oracle("sales", "Average price")(lambda c: [{"price": whole(c.o, c, event(c)).price}])


@oracle("live", "Sold per 100 views")
def per_100_views(c):
    return [{"share": ratio(100 * whole(c.o, c, "purchase").count, whole(c.o, c, "view").count)}]


oracle("sales", "Sold per 100 views")(per_100_views)


@oracle("live", "GMV in the last minute")
def last_minute(c):
    last = floor(HEAD, MINUTE) - MINUTE
    return [{"gmv": c.o.between(last, last + MINUTE, "purchase").gmv}]


oracle("live", "Data up to")(lambda c: [{"head": HEAD.timestamp() * 1000}])


@oracle("live", "From view to purchase")
def funnel(c):
    views, carts, bought = (whole(c.o, c, kind).count for kind in ("view", "cart", "purchase"))
    return [{"step": "Viewed", "number": views, "of views": ratio(views, views), "of previous": None},
            {"step": "Put in cart", "number": carts, "of views": ratio(carts, views), "of previous": ratio(carts, views)},
            {"step": "Bought", "number": bought, "of views": ratio(bought, views), "of previous": ratio(bought, carts)}]


oracle("sales", "From view to purchase")(funnel)


# --- over time -----------------------------------------------------------------------------------------------------

def per_minute(c, kind, pick, key=None):
    """[(time, value, is final)], without the bucket that the head is in."""
    points, width = c.o.series(c.start, c.end, c.step, kind, key)
    return [(time, pick(value) / Decimal(width / MINUTE), final) for time, value, final in points if time + width <= HEAD]


@oracle("live", "GMV per minute")
def gmv_per_minute(c):
    points = per_minute(c, "purchase", lambda s: s.gmv)
    ends = [i for i, (_, _, final) in enumerate(points) if final and i + 1 < len(points) and not points[i + 1][2]]
    return {"GMV per minute": {time: value if final else None for time, value, final in points},
            "Not final": {time: value if not final or i in ends else None for i, (time, value, final) in enumerate(points)}}


@oracle("live", "Events per minute")
def events_per_minute(c):
    names = {"purchase": "Purchases", "cart": "Put in cart", "view": "Views", "remove_from_cart": "Removed from cart"}
    return {names[kind]: {time: value for time, value, _ in per_minute(c, kind, lambda s: s.count)} for kind in TYPES}


@oracle("live", "Average price")
def bought_price(c):
    return {"Bought": {time: value.price for time, value, _ in c.o.series(c.start, c.end, c.step, "purchase")[0]}}


@oracle("live", "Average price #2")
def cart_price(c):
    return {"Put in cart": {time: value.price for time, value, _ in c.o.series(c.start, c.end, c.step, "cart")[0]}}


def of_chosen(dimension, variable, pick):
    def expected(c):
        return {label(c.o, dimension, key) if key else "All": {time: value for time, value, _ in per_minute(c, event(c), pick, key and (dimension, key))}
                for key in chosen(c, variable)}
    return expected


for dimension, variable, _ in CHOICES:
    oracle("live", f"${{event:text}}: GMV of chosen {PLURAL[dimension]}")(of_chosen(dimension, variable, lambda s: s.gmv))
    oracle("live", f"${{event:text}}: number of chosen {PLURAL[dimension]}")(of_chosen(dimension, variable, lambda s: s.count))


# --- lists ---------------------------------------------------------------------------------------------------------

def labels(o):
    """By product: the brand and category that it was last sold under: of those of one minute the category of most sales, and the greater brand."""
    sold = {}
    for row in o.rows:
        if row.type == "purchase" and row.time >= HEAD - 30 * DAY:
            of = keys(row)
            sold.setdefault(of["product_id"], {}).setdefault(of["category_l3"], []).append((floor(row.time, MINUTE), of["brand"].encode()))
    return {product: min((-max(rows)[0].timestamp(), -len(rows), category, max(rows)[1].decode()) for category, rows in by.items())[2:]
            for product, by in sold.items()}


def fits(category, categories):
    return any(category == key or category.startswith(key + ".") for key in categories)


def level(dimension, category):
    return ".".join(category.split(".")[:int(dimension[-1])])


def top_of(c, dimension, n, categories):
    """The best keys of the chosen brands and categories."""
    brands = [key for key in chosen(c, "brand") if key]
    categories = [key for variable in categories for key in chosen(c, variable) if key]
    sums = lambda which: c.o.all_keys(which, c.start, c.end, event(c)).items()
    if not brands and not categories:
        parts = sums(dimension)
    elif "place" in dimension:
        parts = []
    elif dimension == "brand" and not categories:
        parts = [(key, s) for key, s in sums("brand") if key in brands]
    elif "category" in dimension and not brands:
        parts = [(level(dimension, key), s) for key, s in sums("category_l3") if fits(key, categories)]
    else:
        parts, known = [], labels(c.o)
        for product, s in sums("product_id"):
            category, brand = known.get(product, (None, None))
            if category and (not brands or brand in brands) and (not categories or fits(category, categories)):
                parts.append(({"product_id": product, "brand": brand}.get(dimension) or level(dimension, category), s))
    return c.o.best(parts, n, c.values["by"])


def top(dimension, column):
    def expected(c):
        return [{column: label(c.o, dimension, key), "GMV": s.gmv, "number": s.count, "price": s.price, "key": key}
                for key, s in top_of(c, dimension, 10, ("category", "category2", "category3"))]
    return expected


for dimension, _, one in CHOICES:
    oracle("live", f"Top {PLURAL[dimension]}")(top(dimension, "category" if "category" in dimension else one.lower()))


@oracle("live", "${event:text}: what is chosen")
def what_is_chosen(c):
    everything = whole(c.o, c, event(c))
    rows = [("All", "", everything)]
    for dimension, variable, one in CHOICES:
        sums = [(key, c.o.total(c.start, c.end, event(c), (dimension, key))) for key in chosen(c, variable) if key]
        rows += [(label(c.o, dimension, key), one, s) for key, s in sorted(sums, key=lambda pair: (-pair[1].gmv, pair[0].encode())) if s.count]
    return [{"name": key, "GMV": s.gmv, "number": s.count, "share": ratio(s.gmv, everything.gmv), "price": s.price, "kind": kind}
            for key, kind, s in rows]


def rank(dimension):
    """The best sellers of the hour before the head."""
    def expected(c):
        best = {}
        for minute, types in c.o.minutes.items():
            if HEAD - HOUR < minute <= HEAD:
                for key, s in types.get("purchase", {}).items():
                    if key and key[0] == dimension:
                        best[key[1]] = best.get(key[1], Decimal(0)) + s.gmv
        return best
    return expected


def product_names(o):
    """By product: its name in a line, or the category that it was mostly sold in, without levels that repeat the last one."""
    sold = {}
    for row in o.rows:
        if row.type == "purchase" and row.time >= HEAD - 30 * DAY and row.code + row.category_id:
            of = keys(row)
            sold.setdefault(of["product_id"], {}).setdefault(of["category_l3"], 0)
            sold[of["product_id"]][of["category_l3"]] += 1
    found = {product: shown(min(by, key=lambda name: (-by[name], name))) for product, by in sold.items()}
    return {**found, **{product: name if len(name) <= 200 else name[:199] + "~" for product, name in NAMES.items()}}


def label(o, dimension, key):
    if "category" in dimension:
        return shown(key)
    name = product_names(o).get(key) if dimension == "product_id" else None
    return f"{key} ({name})" if name else key


def shown(category):
    parts = category.split(".")
    while len(parts) > 1 and parts[-1] == parts[-2]:
        parts.pop()
    return ".".join(parts)


# --- Sales: today --------------------------------------------------------------------------------------------------

TODAY = HEAD.replace(hour=0, minute=0, second=0)


def change(now, earlier, pick):
    return None if now is None or earlier is None else ratio(pick(now), pick(earlier), 1)


def gmv(s):
    return s.gmv


def count(s):
    return s.count


def today(c):
    return c.o.total(TODAY, HEAD, event(c))


oracle("sales", "GMV today")(lambda c: [{"gmv": today(c).gmv}])
oracle("sales", "Number today")(lambda c: [{"number": today(c).count}])


def against(back, pick):
    return lambda c: [{"change": change(*c.o.compare(TODAY, TODAY + DAY, back, event(c))[:2], pick)}]


for back, name in ((DAY, "yesterday"), (WEEK, "a week ago")):
    oracle("sales", f"GMV vs {name}")(against(back, gmv))
    oracle("sales", f"Number vs {name}")(against(back, count))

oracle("sales", "GMV vs before")(lambda c: [{"change": change(*c.o.compare(c.start, c.end, None, event(c))[:2], gmv)}])
oracle("sales", "Number vs before")(lambda c: [{"change": change(*c.o.compare(c.start, c.end, None, event(c))[:2], count)}])


def hours(time):
    return f"{time:%H:%M}"


@oracle("sales", "Today so far")
def today_table(c):
    s = today(c)
    rows = [{"day": "Today", "number": s.count, "GMV": s.gmv, "price": s.price, "number Δ%": None, "GMV Δ%": None,
             "compared": f"up to {hours(HEAD)} UTC"}]
    for name, back in (("Yesterday", DAY), ("A week ago", WEEK)):
        now, earlier, start, end, _ = c.o.compare(TODAY, TODAY + DAY, back, event(c))
        rows.append({"day": name, "number": earlier.count, "GMV": earlier.gmv, "price": earlier.price,
                     "number Δ%": change(now, earlier, count), "GMV Δ%": change(now, earlier, gmv),
                     "compared": f"{start - back:%a %-d %b %H:%M} – {hours(end - back)} UTC"})
    return rows


# not counted: the panel is empty
oracle("sales", "Orders and visitors")(lambda c: [])
oracle("sales", "Visitors by dimensions of one's own")(lambda c: [])


# --- Sales: by time ------------------------------------------------------------------------------------------------

STEPS = {"1 minute": MINUTE, "1 hour": HOUR, "6 hours": 6 * HOUR, "1 day": DAY, "7 days": WEEK}


def fitting(c):
    """The width of bars."""
    range_ = c.end - c.start
    if c.values["step"] != "fit" and STEPS[c.values["step"]] < range_:
        return STEPS[c.values["step"]]
    for up_to, step in ((HOUR, MINUTE), (6 * HOUR, 10 * MINUTE), (3 * DAY, HOUR), (8 * DAY, 6 * HOUR), (63 * DAY, DAY)):
        if range_ <= up_to:
            return step
    return WEEK


def bars(name, pick):
    def expected(c):
        points = c.o.series(c.start, c.end, fitting(c), event(c))[0]
        return {name: {time: pick(s) if final else None for time, s, final in points},
                "Not final": {time: None if final else pick(s) for time, s, final in points}}
    return expected


oracle("sales", "GMV by time")(bars("GMV", gmv))
oracle("sales", "Number by time")(bars("Number", count))


@oracle("sales", "This week against last")
def weeks(c):
    now = {time: s.gmv for time, s, _ in c.o.series(c.start, c.end, HOUR, event(c))[0] if time + HOUR <= HEAD}
    before = {time + WEEK: s.gmv for time, s, final in c.o.series(c.start - WEEK, c.end - WEEK, HOUR, event(c))[0]}
    return {"These seven days": now, "The seven before": before}


@oracle("sales", "Day by day")
def days(c):
    rows, day = [], floor(c.end, DAY)
    day = TODAY
    while day > c.start - DAY:
        if day < HOURS_FROM:
            break
        s = c.o.between(day, day + DAY, event(c))
        over = day + DAY <= HEAD - timedelta(minutes=5)
        row = {"day": f"{day:%a %-d %b}", "GMV": s.gmv, "number": s.count, "GMV Δ%": None, "compared": None}
        if not over:
            now, earlier, start, end, _ = c.o.compare(day, day + DAY, WEEK, event(c))
            row.update({"GMV Δ%": change(now, earlier, gmv), "compared": f"{hours(start)} – {hours(end)}"})
        elif day - WEEK >= HOURS_FROM:
            row["GMV Δ%"] = ratio(s.gmv, c.o.between(day - WEEK, day - WEEK + DAY, event(c)).gmv, 1)
        else:
            row["compared"] = "the week before is not kept whole"
        rows.append(row)
        day -= DAY
    return rows


@oracle("sales", "The chosen, or the best ten")
def best_by_time(c):
    dimension = c.values["dimension"]
    picked = [key for key in chosen(c, "key") if key] or [key for key, _ in top_of(c, dimension, 10, ("category",))]
    return {label(c.o, dimension, key): {time: s.gmv for time, s, _ in c.o.series(c.start, c.end, fitting(c), event(c), (dimension, key))[0]} for key in picked}


@oracle("sales", "Best twenty")
def best_twenty(c):
    everything = whole(c.o, c, event(c)).gmv
    dimension = c.values["dimension"]
    return [{"name": label(c.o, dimension, key), "GMV": s.gmv, "number": s.count, "price": s.price, "share": ratio(s.gmv, everything), "key": key}
            for key, s in top_of(c, dimension, 20, ("category",))]


# the reader must not see rows
NO_ROWS = {"its rows": None, "query": None}


@oracle("sales", "Movers")
def movers(c):
    found = c.o.movers(c.values["dimension"], c.start, c.end, event(c), 20, c.values["by"])
    if found is None:       # of thirty days before thirty days
        reason = f"the earlier range begins at {c.start - (c.end - c.start):%Y-%m-%d %H:%M} UTC, and what is kept whole begins at {HOURS_FROM:%Y-%m-%d %H:%M} UTC"
        return [{"name": reason, "GMV": None, "GMV before": None, "Δ GMV": None, "number": None, "Δ number": None, "key": "All", **NO_ROWS}]
    return [{"name": label(c.o, c.values["dimension"], key), "GMV": now.gmv, "GMV before": earlier.gmv, "Δ GMV": now.gmv - earlier.gmv, "number": now.count, "Δ number": now.count - earlier.count, "key": key, **NO_ROWS}
            for key, now, earlier in found]


@oracle("sales", "Purchases per 100 views")
def per_100_views_by_time(c):
    views = c.o.series(c.start, c.end, fitting(c), "view")[0]
    bought = {time: s for time, s, _ in c.o.series(c.start, c.end, fitting(c), "purchase")[0]}
    return {"Purchases per 100 views": {time: ratio(100 * bought[time].count, s.count) for time, s, _ in views}}


@oracle("sales", "Average price by time")
def price_by_time(c):
    return {"Average price": {time: s.price for time, s, _ in c.o.series(c.start, c.end, fitting(c), event(c))[0]}}


# --- variables -----------------------------------------------------------------------------------------------------

def ranked(dimension):
    def expected(c):
        best = rank(dimension)(c)
        return [{"__value": key, "__text": label(c.o, dimension, key)} for key in sorted(best, key=lambda key: (-best[key], int(key) if dimension == "product_id" else key.encode()))]
    return expected


for dimension, variable, _ in CHOICES:
    oracle("live", f"variable {variable}")(ranked(dimension))


oracle("sales", "variable dimension")(lambda c: [{"__value": value, "__text": text} for value, text in (
    ("brand", "Brand"), ("product_id", "Product"), ("category_l1", "Category"), ("category_l2", "Category, two levels"), ("category_l3", "Category, three levels"),
    ("place_l1", "Place, level 1"), ("place_l2", "Place, level 2"))])


@oracle("sales", "variable brand")
def variable_brand(c):
    return [{"__value": key} for key, _ in c.o.top("brand", c.start, c.end, event(c), 50)]


@oracle("sales", "variable category")
def variable_category(c):
    return [{"__value": key, "__text": f"{shown(key)} (level {dimension[-1]})"} for dimension in ("category_l1", "category_l2", "category_l3")
            for key, _ in c.o.top(dimension, c.start, c.end, event(c), 50)]


@oracle("sales", "variable key")
def variable_key(c):
    by_gmv = c._replace(values={**c.values, "by": "gmv"})
    return [{"__value": key, "__text": label(c.o, c.values["dimension"], key)} for key, _ in top_of(by_gmv, c.values["dimension"], 50, ("category",))]


assert len({product[0] for product in PRODUCTS}) == len(PRODUCTS)
