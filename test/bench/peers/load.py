"""python load.py ENGINE SQL FILES FROM PLACE [OUT]: run the statements of the file SQL over FILES (a glob), with minutes from the time FROM on, in PLACE
(duckdb: :memory:, clickhouse: a directory); each one's time goes to standard error, seconds, CPU and memory as JSON to standard output.  Then
write the ten tables as CSV to the directory OUT."""
import json
import re
import resource
import sys
import time

from engines import DIMENSIONS, ENGINES


def statements(path, files, first):
    with open(path, encoding='utf-8') as file:
        text = re.sub(r'^--.*$', '', file.read(), flags=re.M).replace('{files}', files).replace('{from}', first)
    return [s.strip() for s in re.split(r';\s*$', text, flags=re.M) if s.strip()]


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main():
    name, path, files, first, place, *out = sys.argv[1:]
    engine = ENGINES[name](place)
    started, cpu_before = time.monotonic(), cpu()
    for sql in statements(path, files, first):
        before = time.monotonic()
        engine.run(sql)
        print(f'{time.monotonic() - before:7.2f}', sql.split('\n')[0], file=sys.stderr)
    print(json.dumps({'seconds': time.monotonic() - started, 'cpu': cpu() - cpu_before,
                      'memory_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 'bytes': engine.stored()}), flush=True)
    for dimension in DIMENSIONS if out else ():
        for tier in 'minute', 'hour':
            engine.tier_csv(dimension, tier, f'{out[0]}/{dimension}_{tier}.csv')


main()
