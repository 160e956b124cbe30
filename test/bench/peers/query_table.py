#!/usr/bin/env python3
"""The table of test/bench/queries from its times, which are to be of the same results."""
import sys

ENGINES = ('sellometer', 'duckdb', 'clickhouse')
NAMES = ('Sellometer', 'DuckDB', 'ClickHouse')


def main():
    times = {}
    results = {}
    with open(sys.argv[1]) as lines:
        for line in lines:
            span, state, engine, query, ms, result = line.rstrip('\n').split('\t')
            times[span, query, state, engine] = float(ms)
            results.setdefault((span, query), {}).setdefault(result, []).append(f'{engine} ({state})')
    wrong = [(asked, given) for asked, given in results.items() if len(given) > 1]
    for (span, query), given in wrong:
        print(f'{query}, {span}: not the same', file=sys.stderr)
        for result, engines in given.items():
            print(f'  {", ".join(engines)}: {result[:300]}', file=sys.stderr)
    print('\n| ms, warm / cold | ' + ' | '.join(NAMES) + ' |\n|---|' + '---|' * len(NAMES))
    for span, query in results:
        cells = [f'{times[span, query, "warm", e]:.1f} / {times[span, query, "cold", e]:.0f}' for e in ENGINES]
        print(f'| {query}, {span} | ' + ' | '.join(cells) + ' |')
    sys.exit(1 if wrong else 0)


if __name__ == '__main__':
    main()
