"""python ask.py ENGINE PLACE RUNS PARAMETERS [QUERY]: ask the queries of queries.py, or one of them; print of each its name, the median of its
time in ms and what it gave, with tabs between.

ENGINE: sellometer (PLACE: a database for psql), duckdb (a file), clickhouse (a directory).  RUNS: how often each is asked after a first time
that does not count; 0: the first time alone counts.  PARAMETERS: JSON, what stands for {from} and the like."""
import decimal
import json
import re
import statistics
import subprocess
import sys
import time

from engines import ENGINES
from queries import QUERIES


class Psql:
    def __init__(self, database):
        self.process = subprocess.Popen(['psql', '-XqAt', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-d', database],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ask('SELECT 1')        # a session is there

    def ask(self, sql):
        rows = []
        self.process.stdin.write(f'{sql};\n\\echo end\n')
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line == 'end\n':
                return rows
            rows.append(line.rstrip('\n').split('\t'))
        raise RuntimeError(f'psql ended: {sql}')


def plain(value):
    """Numbers as all engines write them."""
    text = format(value, 'f') if isinstance(value, decimal.Decimal) else str(value)
    return text.rstrip('0').rstrip('.') if re.fullmatch(r'-?\d+\.\d+', text) else text


def timed(engine, sql):
    started = time.monotonic()
    rows = engine.ask(sql)
    return rows, (time.monotonic() - started) * 1000


def main():
    name, place, runs, parameters, *only = sys.argv[1:]
    engine = Psql(place) if name == 'sellometer' else ENGINES[name](place, read_only=True)
    for query, texts in QUERIES.items():
        if only and query != only[0]:
            continue
        sql = texts[name]
        for key, value in json.loads(parameters).items():
            sql = sql.replace('{' + key + '}', value)
        rows, first = timed(engine, sql)
        times = [timed(engine, sql)[1] for _ in range(int(runs))]
        result = ';'.join(','.join(plain(value) for value in row) for row in rows)
        print(query, f'{statistics.median(times) if times else first:.2f}', result, sep='\t', flush=True)


main()
