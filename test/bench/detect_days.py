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
import math
import os
import shutil
import statistics
import subprocess
import sys

PRICES = 'price_low:6,price_high:6,price_low_few:5,price_high_few:5'
# One day after the other; None: nothing goes wrong.  What only brings more visitors must open nothing but an alert about views.
DAYS = [PRICES + ',sale:2,gap:1,relabel:2', None, PRICES + ',deep_sale:1,gap:1', 'crawl:1,' + PRICES, 'new:2', 'slip:1,price_low_few:3',
        'new:1,' + PRICES + ',relabel:2', None, 'flash:1,' + PRICES, 'deep_sale:1,slip:1', 'brand_slip:1,price_high:3', 'new:2,brand_slip:1,sale:1']
START = datetime.datetime(2019, 10, 1, 6, 0)
MINUTE = datetime.timedelta(minutes=1)
BARS = {'price_low': 1, 'price_high': 1, 'price_low_few': 1, 'price_high_few': 1, 'gap': 10, 'relabel': 60, 'slip': 2, 'brand_slip': 5, 'deep_sale': 10}
LEAST_SALES = {'price_low': 20, 'price_high': 20, 'price_low_few': 5, 'price_high_few': 5}
SCORES = (3, 4, 5, 6, 8, 10, 12)
CHANGES = (0.25, 0.4, 0.5, 0.6, 0.75)
THRESHOLDS = [(s, 0.5) for s in SCORES] + [(6, c) for c in CHANGES if c != 0.5]
# how long after the end of a fault an alert about it may still be found: a price until it is seen otherwise, a gap when enough minutes after it
# are complete, and then it is held for sellometer.alert_hold
GRACE = {'gap': 25, 'slip': 60, 'brand_slip': 60, 'crawl': 30, 'flash': 30}


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
    def __init__(self, args, seed, rate, history, judged, wanted):
        self.args, self.seed, self.rate, self.history, self.judged, self.wanted = args, seed, rate, history, judged, wanted
        self.scores = []       # (minute, product_id, score, change) of prices that would be odd by the lowest thresholds
        self.database = 'day_%d_%d' % (rate, seed)
        self.all = os.path.join(args.work, 'all')
        self.source = os.path.join(args.work, 'in')
        self.alerts = {}       # id -> kind, key, at: the minute after which it was open, and after which it was critical; found: all after which it was so
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
                   '--minutes', str(self.history + self.judged), '--rate', str(self.rate), '--day-curve', '0.3', '--wobble', '0.05', '--lively', str(self.args.lively),
                   '--servers', '4', '--truth', truth, '--catalogue', catalogue, '--fault-after', str(self.history)]
        subprocess.run(command + (['--fault', self.wanted] if self.wanted else []), check=True)
        with open(truth) as lines:
            self.faults = [fault for fault in map(json.loads, lines) if 'fault' in fault]
        for fault in self.faults:
            fault['from'] = when(fault['from'])
            fault['to'] = when(fault['to']) if 'to' in fault else None
        with open(catalogue) as lines:
            rows = list(csv.DictReader(lines))
            self.products = {row['product_id']: row['category_id'] for row in rows}
            self.shares = {row['product_id']: float(row['share']) for row in rows}
            self.codes = {row['product_id']: row['category_code'] or row['category_id'] for row in rows}
            self.brands = {row['product_id']: row['brand'] for row in rows}
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
                                   'SELECT id, kind, key, severity, well_since IS NULL, detail FROM sellometer.alerts WHERE closed_at IS NULL')
            self.detect_ms.append((float(out[1]) - float(out[0])) * 1000)
            if self.args.roc:
                self.note_scores(minute + MINUTE)
            for line in out[2:]:
                number, kind, key, severity, found, detail = line.split('\t')
                alert = self.alerts.setdefault(number, {'kind': kind, 'key': key, 'at': minute + MINUTE, 'detail': detail, 'warning': severity != 'info', 'found': []})
                if found == 't':
                    alert['found'].append(minute + MINUTE)
                if severity == 'critical' and 'critical' not in alert:
                    alert['critical'] = minute + MINUTE
            if i % 15 == 14:
                self.session.ask('CALL sellometer_rollup()')
        self.session.close()
        self.find_first_events()
        psql('postgres', 'DROP DATABASE %s' % self.database)

    def note_scores(self, minute):
        """What would be odd by thresholds that are much too low: which of them would find what is judged afterwards."""
        lines = self.session.ask(
            "SET sellometer.price_score = %g; SET sellometer.price_min_change = %g" % (min(SCORES), min(CHANGES)),
            "SELECT o.product_id, o.score, o.change FROM (SELECT array_agg(product_id) AS products, array_agg(price) AS prices, "
            "array_agg(first_seen) AS first_seen FROM sellometer.recent_prices((SELECT head FROM sellometer.state)) r) s, "
            "sellometer.odd_prices((SELECT head FROM sellometer.state), s.products, s.prices, s.first_seen) o",
            "RESET sellometer.price_score; RESET sellometer.price_min_change")
        for line in lines:
            product, score, change = line.split('\t')
            self.scores.append((minute, product, float(score), abs(float(change))))

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
        """The products of a fault's category, or brand, or all."""
        if 'brand' in fault:
            return [p for p, b in self.brands.items() if b == fault['brand']]
        if 'category_id' not in fault:
            return list(self.products)
        return [p for p, c in self.products.items() if c == str(fault['category_id'])]

    def keys(self, fault):
        """The alerts that this fault explains."""
        if 'keys' not in fault:
            fault['keys'] = set(self.list_keys(fault))
        return fault['keys']

    def list_keys(self, fault):
        if 'price' in fault['fault']:
            return [('price_anomaly', str(fault['product_id']))]
        if fault['fault'] in ('slip', 'brand_slip', 'deep_sale'):     # one alert; or, where fewer were seen, one for each product
            products = self.members(fault)
            levels = ['all'] if fault['fault'] == 'slip' else []
            levels += list({self.brands[p] for p in products})
            for code in {self.codes[p] for p in products}:
                parts = (code.split('.') + [code.split('.')[-1]] * 2)[:3]
                levels += ['.'.join(parts[:n]) for n in (1, 2, 3)]
            return [('price_anomaly', key) for key in levels + list(products)]
        if fault['fault'] in ('crawl', 'flash'):
            return [('volume_anomaly', 'view')]
        if fault['fault'] == 'gap':
            return [('volume_anomaly', 'purchase')]
        if fault['fault'] == 'relabel':
            return [('category_shift', key) for key in [old_label(fault)] + self.members(fault) + [self.brands[p] for p in self.members(fault)]]
        return []

    def explained(self, key, minute):
        """Is there a fault that an alert of this kind and key may tell of at this time?"""
        for fault in self.faults:
            end = fault['to'] + GRACE.get(fault['fault'], 3) * MINUTE if fault['to'] else datetime.datetime.max
            if key in self.keys(fault) and fault['from'] < minute <= end:
                return True
        return False

    def judge_false(self, table):
        """Alarms that no fault explains.  One that a fault explains may stay open for longer: nobody has seen that it is over."""
        openings = collections.Counter()
        for alert in self.alerts.values():
            if not alert['warning']:    # information is no alarm
                continue
            key = (alert['kind'], alert['key'])
            line = (self.database, alert['at']) + key + (alert['detail'],)
            openings[key] += 1
            if not self.explained(key, alert['at']):
                table['false'].append(line)
            if 'critical' in alert and not self.explained(key, alert['critical']):
                table['false critical'].append(line)
        table['openings'].append(sum(openings.values()))
        table['flapping'] += ['%s: %s %s: %d' % ((self.database,) + key + (n,)) for key, n in openings.items()
                              if n > 2 and n > 2 * sum(key in self.keys(fault) for fault in self.faults)]

    def judge_sale(self, fault, table):
        wrong = {str(f['product_id']) for f in self.faults if 'price' in f['fault']}
        members = {p for p in self.members(fault) if p not in wrong}
        critical = [a for a in self.alerts.values() if a['kind'] == 'price_anomaly' and a['key'] in members and 'critical' in a]
        table['sale'].append((len(members), len(critical)))

    def is_judged(self, fault):
        kind = fault['fault']
        if 'price' in kind:
            return 'first' in fault and fault.get('sales', 0) >= LEAST_SALES[kind] and not self.spoilt(fault)
        if kind in ('deep_sale', 'brand_slip'):     # of what is hardly looked at, nobody can tell
            return sum(self.shares[p] for p in self.members(fault)) * self.rate >= 5
        return kind != 'relabel' or fault.get('known', 0) >= 3

    def judge(self, table):
        for fault in self.faults:
            kind = fault['fault']
            if kind == 'sale':
                self.judge_sale(fault, table)
            elif kind == 'new':
                new = {str(p) for p in fault['product_ids']}
                table['new'].append((len(new), sum(a['key'] in new and a['warning'] for a in self.alerts.values())))
            elif kind in BARS and not self.is_judged(fault):
                table['not judged'].append(kind)
            elif kind in BARS:
                begin = fault.get('first', fault['from'])
                keys = self.keys(fault)
                inside = [a for a in self.alerts.values() if (a['kind'], a['key']) in keys and (fault['to'] is None or a['at'] <= fault['to'] + MINUTE)]
                # one that is still held, of the same wrong once before, is found again and told no more
                found = [m for a in inside for m in a['found'] if m > begin and (fault['to'] is None or m <= fault['to'] + MINUTE)]
                table[kind].append((min(found) - begin).total_seconds() / 60 if found else None)
                table[kind + ' alerts'].append(sum(a['at'] > begin for a in inside))
                if not found or table[kind][-1] > BARS[kind]:
                    table['missed'].append('%s: %s' % (self.database, json.dumps({k: v for k, v in fault.items() if k != 'keys'}, default=str)))
        self.judge_false(table)
        if self.args.roc:
            self.judge_scores(table)
        table['hours'].append(self.judged / 60)
        table['detect_ms'] += self.detect_ms

    def judge_scores(self, table):
        """By other thresholds: which wrong prices would be found within a minute, and which products would be odd without being wrong."""
        wrong = [f for f in self.faults if 'price' in f['fault'] and self.is_judged(f)]
        others = [f for f in self.faults if f['fault'] in ('slip', 'brand_slip', 'deep_sale', 'sale')]
        touched = {p for f in others for p in self.members(f)}
        # a wrong price is odd for as long as it is in the window, though the right one has been seen since
        touched |= {str(f['product_id']) for f in self.faults if 'price' in f['fault']}
        for score, change in THRESHOLDS:
            least = -math.log(1 - change)
            odd = collections.defaultdict(list)
            for minute, product, s, c in self.scores:
                if s >= score and c >= least - 1e-6:
                    odd[product].append(minute)
            for fault in wrong:
                few = 'few' if fault['fault'].endswith('few') else 'many'
                table['roc', score, change, few].append(any(
                    fault['first'] < m <= fault['first'] + 2 * MINUTE for m in odd.get(str(fault['product_id']), [])))
            for product, minutes in odd.items():
                if product not in touched and any(not self.explained(('price_anomaly', product), m) for m in minutes):
                    table['roc false', score, change].append((self.database, product))


def report(table):
    print('%-15s %7s %9s %12s %12s %12s %12s' % ('fault', 'faults', 'found', 'within bar', 'median min', 'longest min', 'alerts each'))
    for kind, bar in BARS.items():
        delays = table[kind]
        found = [d for d in delays if d is not None]
        within = sum(d <= bar for d in found)
        print('%-15s %7d %9d %5d  %4.0f %% %12s %12s %12s' % (
            kind, len(delays), len(found), within, 100 * within / len(delays) if delays else 0,
            '%.1f' % statistics.median(found) if found else '-', '%.1f' % max(found) if found else '-',
            '%.1f' % statistics.mean(table[kind + ' alerts']) if delays else '-'))
    print('not judged: %d prices of products with too few sales, never seen, or wrong twice at once; %d labels of '
          'categories of which fewer than 3 products had sold thrice; %d sales, or slips, of categories and brands that are hardly seen' % (
              sum('price' in kind for kind in table['not judged']), table['not judged'].count('relabel'), table['not judged'].count('deep_sale') + table['not judged'].count('brand_slip')))
    sales = table['sale']
    print('sales of -30 %%: %d, of %d products; critical alerts about them: %d' % (
        len(sales), sum(s[0] for s in sales), sum(s[1] for s in sales)))
    print('new products: %d at %d times; alerts about them: %d' % (sum(n[0] for n in table['new']), len(table['new']), sum(n[1] for n in table['new'])))
    days = sum(table['hours']) / 24
    warnings = len(table['false']) - len(table['false critical'])
    print('judged: %.1f hours; false critical alerts: %d, %.2f a week; false warnings: %d, %.2f a day; alerts opened: %d, keys that flap: %d' % (
        days * 24, len(table['false critical']), 7 * len(table['false critical']) / days, warnings, warnings / days,
        sum(table['openings']), len(table['flapping'])))
    for line in table['missed'][:20]:
        print('  late or missed: %s' % line)
    for alarm in table['false'][:20]:
        print('  false: %s %s %s %s: %s' % alarm)
    for line in table['flapping'][:20]:
        print('  flaps: %s' % line)
    report_roc(table, days)
    ms = sorted(table['detect_ms'])
    print('sellometer_detect(): median %.0f ms, longest %.0f ms of %d' % (statistics.median(ms), ms[-1], len(ms)), flush=True)


def report_roc(table, days):
    if not any(key[0] == 'roc' for key in table if isinstance(key, tuple)):
        return
    print('%-12s %-17s %22s %22s %22s' % ('price_score', 'price_min_change', 'found, >= 20 sales', 'found, 5 to 19 sales', 'false products a day'))
    for score, change in THRESHOLDS:
        shares = []
        for few in ('many', 'few'):
            hits = table['roc', score, change, few]
            shares.append('%d of %d, %.1f %%' % (sum(hits), len(hits), 100 * sum(hits) / len(hits)) if hits else '-')
        print('%-12g %-17g %22s %22s %22.1f' % (score, change, shares[0], shares[1], len(set(table['roc false', score, change])) / days))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--traffic', required=True)
    parser.add_argument('--work', required=True)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--lively', type=float, default=0, help='share of products whose prices move by variants, promotions, or by the hour')
    parser.add_argument('--roc', action='store_true', help='also what other thresholds would find')
    parser.add_argument('runs', nargs='+')
    args = parser.parse_args()
    for run in args.runs:
        days, rate, history, judged = map(int, run.split(':'))
        table = collections.defaultdict(list)
        for i in range(days):
            day = Day(args, args.seed + i, rate, history, judged, DAYS[i % len(DAYS)])
            day.generate()
            day.play()
            known = {kind: len(table[kind]) for kind in ('missed', 'false', 'flapping')}
            day.judge(table)
            print('day %d of %d' % (i + 1, days), file=sys.stderr)
            for kind, n in known.items():
                for line in table[kind][n:]:
                    print('  %s: %s' % (kind, line), file=sys.stderr, flush=True)
        if days:
            print('\n%d days at %d events a minute, each %d minutes of history and %d minutes judged'
                  % (days, rate, history, judged))
            report(table)


if __name__ == '__main__':
    main()
