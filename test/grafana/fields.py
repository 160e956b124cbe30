"""Do the units of a panel fit the types of its columns, as the database has them?"""
import re

TEXTS = {"text", "character varying", "name", "jsonb", "json", "uuid", "interval", "regclass", "bytea", "text[]", "\"char\""}
WHOLE = {"smallint", "integer", "bigint"}
NUMBERS = WHOLE | {"numeric", "double precision", "real"}
NUMBER_UNITS = {"locale", "s", "bytes", "percentunit", "currencyUSD", "dateTimeFromNow", "rowsps"}

# What a column is, by its name
IDS = re.compile(r"(^|[_ ])(id|pid|sqlstate|key|product|category|session|process)$")
MONEY = re.compile(r"gmv|price|worth", re.I)
RATIOS = re.compile(r"share|change$|Δ%$|^of ", re.I)


def properties_of(panel, name, kind):
    """The field's properties: the panel's, and those of the overrides that match it, the last one wins."""
    config = panel["fieldConfig"]
    found = {"unit": config["defaults"].get("unit"), "noValue": config["defaults"].get("noValue")}
    for override in config["overrides"]:
        matcher = override["matcher"]
        if matcher["id"] == "byName" and matcher["options"] == name or matcher["id"] == "byType" and matcher["options"] == "number" and kind in NUMBERS:
            found.update({one["id"]: one["value"] for one in override["properties"]})
    return found


def unit_fault(panel, name, kind):
    unit = properties_of(panel, name, kind)["unit"]
    if kind in TEXTS and unit != "string":
        return f"is text, and has the unit {unit}: digits would be taken for a number, and rounded"
    if kind in ("date", "timestamp without time zone"):
        return f"is a {kind}, which is shifted by the zone of whoever looks: a day is to be text"
    if kind not in NUMBERS:
        return None
    if IDS.search(name):
        return "is an id and a number: beyond 2^53 its last digits are lost; it is to be text"
    if unit not in NUMBER_UNITS:
        return f"is a number, and has the unit {unit}"
    if MONEY.search(name) and not RATIOS.search(name) and unit != "currencyUSD":
        return f"is money, and has the unit {unit}"
    if kind in WHOLE and unit in ("currencyUSD", "percentunit"):
        return f"is a whole number, and has the unit {unit}"
    return None


def field_faults(panel, fmt, result):
    if result.divisions:
        yield "divides a whole number by a whole number, which leaves no fraction"
    if not panel:
        return
    values = {name for name, kind in result.types.items() if kind in NUMBERS}
    for name, kind in result.types.items():
        # names the series, or is the time
        if fmt == "time_series" and (name == "time" or name not in values):
            continue
        fault = unit_fault(panel, name, kind)
        if fault:
            yield f"column {name} {fault}"
    if panel["type"] == "table":
        if panel["fieldConfig"]["defaults"].get("noValue"):
            yield "noValue would fill every empty cell"
        named = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"] if override["matcher"]["id"] == "byName"}
        if named - set(result.types):
            yield f"has no columns {sorted(named - set(result.types))}, but says how to show them"
