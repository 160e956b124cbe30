#!/usr/bin/python3
"""Part of test/bench/detect: play days with known faults minute by minute, and judge the alerts.

    detect_days.py --traffic PROGRAM --work DIRECTORY --seed N DAYS:RATE:HISTORY:JUDGED ...

Connects as the environment says, makes a database for each day.
"""
import argparse
import collections
import csv
import datetime
import json
import os
import shutil
import statistics
import subprocess
import sys

FAULTS = 'price_low:8,price_high:8,sale:2,gap:1,relabel:2'
START = datetime.datetime(2019, 10, 1, 6, 0)
MINUTE = datetime.timedelta(minutes=1)
BARS = {'price_low': 1, 'price_high': 1, 'gap': 10, 'relabel': 60}
# how long after the end of a fault an alert about it may still be open: a wrong price that is not seen again is forgotten
# after sellometer.price_window, a gap when enough minutes after it are complete
GRACE = {'price_low': 17, 'price_high': 17, 'gap': 10}


def psql(database, *statements):
    command = ['psql', '-XqAt', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-d', database]
    for statement in statements:
        command += ['-c', statement]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


class Session:
    """One connection for a whole day, as a scheduler's would be."""

    def __init__(self, database):
        self.psql = subprocess.Popen(['psql', '-XqAt', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-d', database],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *statements):
        self.psql.stdin.write(''.join(s + ';\n' for s in statements) + '\\echo the end\n')
        self.psql.stdin.flush()
        lines = []
        for line in self.psql.stdout:
            if line == 'the end\n':
                return lines
            lines.append(line.rstrip('\n'))
        raise SystemExit('psql failed at: ' + '; '.join(statements))

    def close(self):
        self.psql.stdin.close()
        self.psql.wait()


def old_label(fault):
    """The category_l3 of a relabelled category."""
    levels = fault['old_code'].split('.')
    return '.'.join((levels + [levels[-1]] * 2)[:3])


def when(text):
    return datetime.datetime.strptime(text[:19], '%Y-%m-%d %H:%M:%S')


class Day:
    def __init__(self, args, seed, rate, history, judged, faulty):
        self.args, self.seed, self.rate, self.history, self.judged, self.faulty = args, seed, rate, history, judged, faulty
        self.database = 'day_%d_%d' % (rate, seed)
        self.all = os.path.join(args.work, 'all')
        self.source = os.path.join(args.work, 'in')
        self.open = collections.defaultdict(list)   # (kind, key) -> (minute after which it was open, severity, words)
        self.detect_ms = []
        self.faults = []
        self.products = {}     # product_id -> category_id

    def generate(self):
        for folder in (self.all, self.source):
            shutil.rmtree(folder, ignore_errors=True)
            os.mkdir(folder)
        truth = os.path.join(self.args.work, 'truth')
        catalogue = os.path.join(self.args.work, 'catalogue')
        command = [self.args.traffic, 'generate', '--quiet', '--out', self.all, '--seed', str(self.seed), '--start', str(START),
                   '--minutes', str(self.history + self.judged), '--rate', str(self.rate), '--day-curve', '0.3', '--wobble', '0.05',
                   '--servers', '4', '--truth', truth, '--catalogue', catalogue, '--fault-after', str(self.history)]
        subprocess.run(command + (['--fault', FAULTS] if self.faulty else []), check=True)
        with open(truth) as lines:
            self.faults = [fault for fault in map(json.loads, lines) if 'fault' in fault]
        for fault in self.faults:
            fault['from'] = when(fault['from'])
            fault['to'] = when(fault['to']) if 'to' in fault else None
        with open(catalogue) as lines:
            self.products = {row['product_id']: row['category_id'] for row in csv.DictReader(lines)}
        self.files = collections.defaultdict(list)
        for name in os.listdir(self.all):
            self.files[name[:16]].append(name)

    def appear(self, minute):
        for name in self.files[minute.strftime('%Y-%m-%d-%H-%M')]:
            os.rename(os.path.join(self.all, name), os.path.join(self.source, name))

    def play(self):
        psql('postgres', 'CREATE DATABASE %s' % self.database)
        self.session = Session(self.database)
        self.session.ask('CREATE EXTENSION sellometer', "SELECT sellometer_add_source('s', 'file://%s/')" % self.source)
        for i in range(self.history):
            self.appear(START + i * MINUTE)
        self.session.ask('CALL sellometer_ingest()', 'CALL sellometer_rollup()', 'CALL sellometer_detect()', 'VACUUM ANALYZE')
        for i in range(self.history, self.history + self.judged):
            minute = START + i * MINUTE
            self.note_sales(minute)
            self.appear(minute)
            out = self.session.ask('CALL sellometer_ingest()', 'SELECT extract(epoch FROM clock_timestamp())',
                                   'CALL sellometer_detect()', 'SELECT extract(epoch FROM clock_timestamp())',
                                   'SELECT kind, key, severity, detail FROM sellometer.alerts WHERE closed_at IS NULL')
            self.detect_ms.append((float(out[1]) - float(out[0])) * 1000)
            for line in out[2:]:
                kind, key, severity, detail = line.split('\t')
                self.open[kind, key].append((minute + MINUTE, severity, detail))
            if i % 15 == 14:
                self.session.ask('CALL sellometer_rollup()')
        self.session.close()
        self.find_first_events()
        psql('postgres', 'DROP DATABASE %s' % self.database)

    def note_sales(self, minute):
        """What was known before a fault begins: nobody is asked to find what nothing was known about."""
        for fault in self.faults:
            if 'price' in fault['fault'] and minute <= fault['from'] < minute + MINUTE:
                out = self.session.ask('SELECT coalesce(sum(count), 0) FROM sellometer.offer_history '
                                       "WHERE event_type = 'purchase' AND product_id = %d" % fault['product_id'])
                fault['sales'] = int(out[0])
            if fault['fault'] == 'relabel' and minute <= fault['from'] < minute + MINUTE:
                out = self.session.ask(
                    "SELECT count(*) FROM (SELECT FROM sellometer.offer_history WHERE event_type = 'purchase' AND category = '%s' "
                    "GROUP BY product_id HAVING sum(count) >= current_setting('sellometer.shift_min_sales')::bigint) p"
                    % old_label(fault))
                fault['known'] = int(out[0])

    def find_first_events(self):
        """The first event of each product with a wrong price: nobody can know before."""
        wanted = collections.defaultdict(list)
        for fault in self.faults:
            if 'price' in fault['fault']:
                wanted[str(fault['product_id'])].append(fault)
        for name in os.listdir(self.source):
            if wanted and name[:16] >= (START + self.history * MINUTE).strftime('%Y-%m-%d-%H-%M'):
                with open(os.path.join(self.source, name)) as lines:
                    for row in csv.DictReader(lines):
                        for fault in wanted.get(row['product_id'], []):
                            time = when(row['event_time'])
                            if fault['from'] <= time < fault['to']:
                                fault['first'] = min(time, fault.get('first', time))

    def spoilt(self, fault):
        """Two faults at once on one product: a tenth and ten times make the usual price."""
        return any(f is not fault and 'price' in f['fault'] and f['product_id'] == fault['product_id'] and
                   f['from'] < fault['to'] and fault['from'] < f['to'] for f in self.faults)

    def members(self, fault):
        """The products of a fault's category."""
        return [p for p, c in self.products.items() if c == str(fault['category_id'])]

    def keys(self, fault):
        """The alerts that this fault explains."""
        if 'price' in fault['fault']:
            return [('price_anomaly', str(fault['product_id']))]
        if fault['fault'] == 'gap':
            return [('volume_anomaly', 'purchase')]
        if fault['fault'] == 'relabel':
            return [('category_shift', old_label(fault))] + [('category_shift', p) for p in self.members(fault)]
        return []

    def explained(self, key, minute):
        """Is there a fault that an alert of this kind and key may tell of at this time?"""
        for fault in self.faults:
            end = fault['to'] + GRACE.get(fault['fault'], 0) * MINUTE if fault['to'] else datetime.datetime.max
            if key in self.keys(fault) and fault['from'] < minute <= end:
                return True
        return False

    def judge_false(self, table):
        """Alarms that no fault explains: each opening of one counts."""
        for key, seen in self.open.items():
            last = None
            for minute, severity, detail in seen:
                goes_on = last == minute - MINUTE
                if severity == 'info' or self.explained(key, minute):   # information is no alarm
                    continue
                last = minute
                if not goes_on:
                    table['false'].append((self.database, minute) + key + (detail,))
                if severity == 'critical' and (not goes_on or not critical):
                    table['false critical'].append((self.database, minute) + key + (detail,))
                critical = severity == 'critical'

    def judge_sale(self, fault, table):
        wrong = {str(f['product_id']) for f in self.faults if 'price' in f['fault']}
        members = [p for p in self.members(fault) if p not in wrong]
        alarms = [p for p in members if any(severity == 'critical' for _, severity, _ in self.open.get(('price_anomaly', p), []))]
        table['sale'].append((len(members), len(alarms)))

    def judge(self, table):
        for fault in self.faults:
            kind = fault['fault']
            if kind == 'sale':
                self.judge_sale(fault, table)
            elif 'price' in kind and ('first' not in fault or fault.get('sales', 0) < 20 or self.spoilt(fault)) or \
                    kind == 'relabel' and fault.get('known', 0) < 3:
                table['not judged'].append(kind)
            else:
                begin = fault.get('first', fault['from'])
                found = [minute for key in self.keys(fault) for minute, _, _ in self.open.get(key, [])
                         if minute > begin and (fault['to'] is None or minute <= fault['to'] + MINUTE)]
                table[kind].append((min(found) - begin).total_seconds() / 60 if found else None)
                if not found or table[kind][-1] > BARS[kind]:
                    table['missed'].append('%s: %s' % (self.database, json.dumps(fault, default=str)))
        self.judge_false(table)
        table['hours'].append(self.judged / 60)
        table['detect_ms'] += self.detect_ms


def report(table):
    print('%-12s %7s %9s %12s %12s %12s' % ('fault', 'faults', 'found', 'within bar', 'median min', 'longest min'))
    for kind, bar in BARS.items():
        delays = table[kind]
        found = [d for d in delays if d is not None]
        within = sum(d <= bar for d in found)
        print('%-12s %7d %9d %5d  %4.0f %% %12s %12s' % (
            kind, len(delays), len(found), within, 100 * within / len(delays) if delays else 0,
            '%.1f' % statistics.median(found) if found else '-', '%.1f' % max(found) if found else '-'))
    print('not judged: %d prices of products with fewer than 20 sales, never seen, or wrong twice at once; %d labels of '
          'categories of which fewer than 3 products had sold thrice' % (
              sum('price' in kind for kind in table['not judged']), table['not judged'].count('relabel')))
    sales = table['sale']
    print('sales of -30 %%: %d, of %d products; critical alerts about them: %d' % (
        len(sales), sum(s[0] for s in sales), sum(s[1] for s in sales)))
    days = sum(table['hours']) / 24
    print('judged: %.1f hours; false critical alerts: %d, %.2f a day; false warnings: %d, %.2f a day' % (
        days * 24, len(table['false critical']), len(table['false critical']) / days,
        len(table['false']) - len(table['false critical']), (len(table['false']) - len(table['false critical'])) / days))
    for line in table['missed'][:20]:
        print('  late or missed: %s' % line)
    for alarm in table['false'][:20]:
        print('  false: %s %s %s %s: %s' % alarm)
    ms = sorted(table['detect_ms'])
    print('sellometer_detect(): median %.0f ms, longest %.0f ms of %d' % (statistics.median(ms), ms[-1], len(ms)), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--traffic', required=True)
    parser.add_argument('--work', required=True)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('runs', nargs='+')
    args = parser.parse_args()
    for run in args.runs:
        days, rate, history, judged = map(int, run.split(':'))
        table = collections.defaultdict(list)
        for i in range(days):
            day = Day(args, args.seed + i, rate, history, judged, i % 2 == 0)
            day.generate()
            day.play()
            day.judge(table)
            print('day %d of %d' % (i + 1, days), file=sys.stderr)
        if days:
            print('\n%d days at %d events a minute, each %d minutes of history and %d minutes judged; faults on every other day'
                  % (days, rate, history, judged))
            report(table)


if __name__ == '__main__':
    main()
