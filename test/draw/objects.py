#!/usr/bin/env python3
"""Traffic on standard input, a month up to NOW, becomes objects: of a day each, those of the last day of a minute each.

    objects.py DIR NOW [--plain]    NOW: seconds since 1970, a full minute

In three outages nothing came.  Prints them as JSON: [[begin, end], ...] in milliseconds.  A few purchases have brands and ids that
are odd, and one object is of no use.  --plain: without any of that.
"""
import argparse
import json
import pathlib
import sys
from datetime import datetime, timezone

MINUTE, HOUR, DAY = 60, 3600, 86400
BRANDS = ["'; DROP TABLE x", '"a ""b"" \\"', "\u6f22\u5b57", "<b>bold</b>", "${brand}", "NaN", "1234567", "long" * 60]


def outages(now):
    return [(now - 19 * DAY, now - 19 * DAY + 36 * HOUR), (now - 280 * MINUTE, now - 240 * MINUTE), (now - 9 * MINUTE, now - 6 * MINUTE)]


def text(time, form="%Y-%m-%d %H:%M"):
    return datetime.fromtimestamp(time, timezone.utc).strftime(form)


def split(lines, directory, last_day, gone):
    """An object's name says when what is in it happened."""
    header = next(lines)
    last_day, gone = text(last_day), [(text(begin), text(end)) for begin, end in gone]
    files, minute, file = {}, None, None
    for line in lines:
        if line[:16] != minute:
            minute = line[:16]
            name = minute if minute >= last_day else minute[:10] + " 12:00"
            if any(begin <= minute < end for begin, end in gone):
                file = None
            else:
                file = files.get(name)
                if file is None:
                    file = files[name] = [header]
        if file is not None:
            file.append(line)
    for name, content in files.items():
        (directory / (name.translate(str.maketrans(" :", "--")) + "-0.csv")).write_text("".join(content), encoding="utf-8")


def odd(now):
    yield "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
    for number, brand in enumerate(BRANDS, 1):
        yield (f"{text(now - number * 11 * MINUTE, '%Y-%m-%d %H:%M:%S UTC')},purchase,{9007199254740992 + number},{9223372036854775700 + number},,"
               f"{brand},9000,{number},odd{number}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("now", type=int)
    parser.add_argument("--plain", action="store_true")
    options = parser.parse_args()
    now, gone = options.now, [] if options.plain else outages(options.now)
    options.directory.mkdir(parents=True, exist_ok=True)
    split(sys.stdin, options.directory, now - DAY, gone)
    if not options.plain:
        (options.directory / text(now - MINUTE, "%Y-%m-%d-%H-%M-odd.csv")).write_text("".join(odd(now)), encoding="utf-8")
        (options.directory / text(now - 2 * MINUTE, "%Y-%m-%d-%H-%M-broken.csv")).write_text("event_time,product_id\n", encoding="utf-8")
    print(json.dumps([[begin * 1000, end * 1000] for begin, end in gone]))


if __name__ == "__main__":
    main()
