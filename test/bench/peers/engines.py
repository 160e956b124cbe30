"""What both peers share: how they are opened, and the dimensions."""
import json
import os

DIMENSIONS = ('product_id', 'brand', 'category_l1', 'category_l2', 'category_l3')


class DuckDB:
    """A database in a file, or in memory."""

    def __init__(self, place, read_only=False):
        import duckdb
        self.connection = duckdb.connect(place, read_only=read_only)

    def run(self, sql):
        self.connection.execute(sql)

    def ask(self, sql):
        return self.connection.execute(sql).fetchall()

    def stored(self):
        return 0

    def tier_csv(self, dimension, tier, file):
        self.run(f"""COPY (SELECT strftime(event_time, '%Y-%m-%d %H:%M:00+00'), event_type, {dimension}, count, gmv FROM {dimension}_{tier})
            TO '{file}' (HEADER false)""")


class ClickHouse:
    """A session of chdb whose data are in a directory."""

    def __init__(self, place, read_only=False):
        from chdb import session
        self.session = session.Session(place)

    def run(self, sql):
        self.session.query(sql)

    def ask(self, sql):
        lines = self.session.query(sql, 'JSONCompactStringsEachRow').data().split('\n')
        return [json.loads(line) for line in lines if line]

    def stored(self):
        return int(self.ask("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'shop'")[0][0])

    def tier_csv(self, dimension, tier, file):
        if os.path.exists(file):
            os.remove(file)
        self.run(f"""SELECT formatDateTime(event_time, '%Y-%m-%d %H:%i:00+00', 'UTC'), event_type, {dimension}, count, gmv
            FROM shop.{dimension}_{tier} INTO OUTFILE '{file}' FORMAT CSV""")


ENGINES = {'duckdb': DuckDB, 'clickhouse': ClickHouse}
