"""python tables.py ENGINE PLACE CSV: the five minute tables from the files of the directory CSV (of each dimension one, without a header, in
the order of time) into a DuckDB database file or a directory of ClickHouse."""
import sys

from engines import DIMENSIONS, ENGINES


def duckdb(engine, csv):
    """DuckDB keeps the smallest and greatest value of each column in each row group: the order of time lets a range skip most."""
    engine.run("CREATE TYPE event_type AS ENUM ('view', 'cart', 'remove_from_cart', 'purchase')")
    for d in DIMENSIONS:
        key = 'BIGINT' if d == 'product_id' else 'VARCHAR'
        engine.run(f'CREATE TABLE {d}_minute (event_time TIMESTAMP, event_type event_type, {d} {key}, count INTEGER, gmv DECIMAL(18, 4))')
        engine.run(f"""INSERT INTO {d}_minute SELECT * FROM read_csv('{csv}/{d}.csv', header = false, auto_detect = false, delim = ',', quote = '"',
            timestampformat = '%Y-%m-%d %H:%M:%S', columns = {{a: 'TIMESTAMP', b: 'VARCHAR', c: '{key}', d: 'INTEGER', e: 'DECIMAL(18, 4)'}})""")
    engine.run('CHECKPOINT')


def clickhouse(engine, csv):
    """The primary key is for ranges of time, the projection for one key."""
    engine.run('CREATE DATABASE shop')
    for d in DIMENSIONS:
        key = 'Int64' if d == 'product_id' else 'LowCardinality(String)'
        engine.run(f"""CREATE TABLE shop.{d}_minute (event_time DateTime('UTC'), event_type Enum8('view' = 0, 'cart' = 1, 'remove_from_cart' = 2,
            'purchase' = 3), {d} {key}, count Int32, gmv Decimal(18, 4),
            PROJECTION by_key (SELECT * ORDER BY {d}, event_type, event_time)) ENGINE = MergeTree ORDER BY (event_type, event_time)""")
        engine.run(f"INSERT INTO shop.{d}_minute SELECT * FROM file('{csv}/{d}.csv', 'CSV')")
        engine.run(f'OPTIMIZE TABLE shop.{d}_minute FINAL')


name, place, csv_directory = sys.argv[1:]
{'duckdb': duckdb, 'clickhouse': clickhouse}[name](ENGINES[name](place), csv_directory)
