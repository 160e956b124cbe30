#!/usr/bin/env python3
"""The table of test/bench/compare from its runs: medians, as text and as JSON."""
import argparse
import datetime
import json
import statistics

NAMES = {
    'directory': 'Sellometer, directory', 'packed': 'Sellometer, packed', 's3': 'Sellometer, S3', 'file': 'Sellometer, one file',
    'duckdb': 'DuckDB, in memory', 'clickhouse': 'ClickHouse (chdb)', 'baseline': 'PostgreSQL, COPY + SQL',
}


def read(path):
    """What was measured, by what was run: lists of numbers."""
    measured = {}
    with open(path) as lines:
        for line in lines:
            what, *numbers = line.rstrip('\n').split('\t')
            measured.setdefault(what, []).append([float(n) for n in numbers])
    return measured


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('runs')
    parser.add_argument('steps', help="of Sellometer's loads: seconds of ingest, rollup, prune, and of the session's thread")
    parser.add_argument('--events', type=int)
    parser.add_argument('--rate', type=int)
    parser.add_argument('--objects', type=int)
    parser.add_argument('--bytes', type=int)
    parser.add_argument('--rows', type=int)
    parser.add_argument('--machine')
    parser.add_argument('--json')
    args = parser.parse_args()

    runs = read(args.runs)
    steps = {what: [statistics.median(column) for column in zip(*rows)] for what, rows in read(args.steps).items()}
    rows = []
    for what, name in NAMES.items():
        if what not in runs:
            continue
        seconds, cpu, memory, stored = (statistics.median(column) for column in zip(*runs[what]))
        rows.append({'what': what, 'name': name, 'seconds': round(seconds, 2), 'all_seconds': [r[0] for r in runs[what]],
                     'events_per_second': round(args.events / seconds), 'cpu_seconds': round(cpu, 1),
                     'peak_mb': round(memory), 'bytes': round(stored)})
    first = rows[0]['seconds']
    print(f'{args.rate:,} events a minute: {args.events:,} events, {args.objects:,} files, {args.bytes / 1e6:,.0f} MB of CSV, {args.rows:,} rows in ten tables; '
          'the same rows from all.')
    print(f'{args.machine}; {datetime.date.today()}; medians of {len(runs[rows[0]["what"]])} rounds.\n')
    print('|  | seconds | events/s | time, as a multiple | CPU s | peak MB | MB stored |')
    print('|---|---|---|---|---|---|---|')
    for row in rows:
        row['ratio'] = round(row['seconds'] / first, 2)
        stored = f'{row["bytes"] / 1e6:,.0f}' if row['bytes'] else '–'
        cpu = f'{row["cpu_seconds"]:.1f}' if row['cpu_seconds'] else '–'
        print(f'| {row["name"]} | {row["seconds"]:.1f} | {row["events_per_second"]:,} | {row["ratio"]:.2f} '
              f'| {cpu} | {row["peak_mb"]:,} | {stored} |')
    if steps:
        print()
    for what, (ingest, rollup, prune, thread) in steps.items():
        print(f"{NAMES[what]}: ingest {ingest:.2f} s, rollup {rollup:.2f} s, prune {prune:.2f} s; the session's own thread worked {thread:.2f} s.")
    for row in rows:
        if row['what'] in steps:
            row['steps'] = dict(zip(('ingest', 'rollup', 'prune', 'thread'), steps[row['what']]))
    with open(args.json, 'w') as out:
        json.dump({'events': args.events, 'rate': args.rate, 'objects': args.objects, 'csv_bytes': args.bytes, 'rows': args.rows, 'machine': args.machine,
                   'date': str(datetime.date.today()), 'runs': rows}, out, indent=1)


if __name__ == '__main__':
    main()
