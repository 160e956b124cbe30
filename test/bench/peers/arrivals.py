"""python arrivals.py PLACE DIRECTORY: insert the CSV files of a directory one after the other into ClickHouse, whose five materialized views keep
tables of minutes in PLACE; print events, seconds, CPU seconds, and the median in ms of the first 20 inserts and of the last 20."""
import os
import resource
import statistics
import sys
import time

from engines import ClickHouse

COLUMNS = """event_time DateTime('UTC'), event_type Enum8('view' = 0, 'cart' = 1, 'remove_from_cart' = 2, 'purchase' = 3), product_id Int64,
    category_id Nullable(Int64), category_code String, brand String, price Decimal(16, 4), user_id Nullable(Int64), user_session Nullable(UUID)"""
CATEGORY = "splitByChar('.', multiIf(category_code != '', lower(category_code), category_id IS NOT NULL, toString(category_id), 'unknown'))"
LEVELS = f"{CATEGORY} AS l, l[1] AS l1, if(l[2] = '', l1, l[2]) AS l2, if(l[3] = '', l2, l[3]) AS l3"
KEYS = {'product_id': ('Int64', 'product_id'), 'brand': ('String', "if(brand = '', toString(product_id), brand)"),
        'category_l1': ('String', 'l1'), 'category_l2': ('String', "concat(l1, '.', l2)"), 'category_l3': ('String', "concat(l1, '.', l2, '.', l3)")}


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def make_tables(engine):
    engine.run('CREATE DATABASE shop')
    engine.run(f'CREATE TABLE shop.events ({COLUMNS}) ENGINE = MergeTree ORDER BY event_time')
    for dimension, (kind, key) in KEYS.items():
        engine.run(f"""CREATE TABLE shop.{dimension}_minute ({dimension} {kind}, event_time DateTime('UTC'),
            event_type Enum8('view' = 0, 'cart' = 1, 'remove_from_cart' = 2, 'purchase' = 3), count Int64, gmv Decimal(38, 4))
            ENGINE = SummingMergeTree ORDER BY ({dimension}, event_time, event_type)""")
        engine.run(f"""CREATE MATERIALIZED VIEW shop.to_{dimension} TO shop.{dimension}_minute AS SELECT k AS {dimension}, m AS event_time, event_type,
            toInt64(count()) AS count, sum(price) AS gmv
            FROM (SELECT {LEVELS}, {key} AS k, toStartOfMinute(event_time) AS m, event_type, price FROM shop.events) GROUP BY k, m, event_type""")


def main():
    place, directory = sys.argv[1:]
    engine = ClickHouse(place)
    make_tables(engine)
    columns = COLUMNS.replace("'", "\\'")
    began, cpu_before, times = time.monotonic(), cpu(), []
    for name in sorted(os.listdir(directory)):
        before = time.monotonic()
        engine.run(f"""INSERT INTO shop.events SELECT * FROM file('{directory}/{name}', 'CSVWithNames', '{columns}')
            SETTINGS date_time_input_format = 'best_effort'""")
        times.append((time.monotonic() - before) * 1000)
    seconds, taken = time.monotonic() - began, cpu() - cpu_before
    events = int(engine.ask('SELECT count() FROM shop.events')[0][0])
    for dimension in KEYS:
        counted = int(engine.ask(f'SELECT sum(count) FROM shop.{dimension}_minute')[0][0])
        if counted != events:
            sys.exit(f'{dimension}: {counted} of {events} events')
    print(events, f'{seconds:.3f} {taken:.3f} {statistics.median(times[:20]):.1f} {statistics.median(times[-20:]):.1f}')


main()
