#!/usr/bin/python3
"""Part of test/bench/detect: weeks in a row, in which Saturdays are quiet, and days of files of which some don't come.

    detect_weeks.py --traffic PROGRAM --work DIRECTORY --seed N --rate N --history DAYS --judged DAYS --step MINUTES --silence DAYS

Connects as the environment says.  Weeks are one shop: its history is loaded at once, what is judged --step minutes after --step minutes.  Of files
that don't come only the ledger is played, minute by minute, by the detector's own idea of the time.
"""
import argparse
import collections
import csv
import datetime
import json
import math
import os
import random
import shutil
import statistics
import subprocess

from detect_days import Session, psql, when

START = datetime.datetime(2019, 9, 2)       # a Monday
MINUTE = datetime.timedelta(minutes=1)
FAULTS = 'crawl:5,flash:4,campaign:3,gap:6'
# kind -> key of its alert, bar in minutes, and the time from one look to the next: as long as it takes until enough events are to be expected
BARS = {'crawl': ('view', 20), 'flash': ('view', 20), 'campaign': ('view', 30), 'gap': ('purchase', 70)}
GRACE = datetime.timedelta(minutes=90)


class Weeks:
    def __init__(self, args):
        self.args = args
        self.all, self.source = os.path.join(args.work, 'all'), os.path.join(args.work, 'in')
        self.alerts, self.ms = {}, []
        self.step = datetime.timedelta(minutes=args.step)

    def generate(self):
        for folder in (self.all, self.source):
            shutil.rmtree(folder, ignore_errors=True)
            os.mkdir(folder)
        truth = os.path.join(self.args.work, 'truth')
        days = self.args.history + self.args.judged
        subprocess.run([self.args.traffic, 'generate', '--quiet', '--out', self.all, '--seed', str(self.args.seed), '--start', str(START),
                        '--minutes', str(days * 1440), '--rate', str(self.args.rate), '--day-curve', '0.7', '--week-curve', '0.66', '--wobble', '0.08',
                        '--servers', '1', '--products', '2000', '--truth', truth, '--fault-after', str(self.args.history * 1440),
                        '--fault', FAULTS], check=True)
        with open(truth) as lines:
            self.faults = [f for f in map(json.loads, lines) if 'fault' in f]
        for fault in self.faults:
            fault['from'], fault['to'] = when(fault['from']), when(fault['to'])
        # the shop says of every other campaign that it is one
        campaigns = [f for f in self.faults if f['fault'] == 'campaign']
        for fault in campaigns[::2]:
            fault['fault'] = 'announced'
        self.files = collections.defaultdict(list)
        for name in os.listdir(self.all):
            self.files[name[:16]].append(name)

    def appear(self, since, until):
        for name in os.listdir(self.source):    # what is loaded need not be listed again and again
            os.remove(os.path.join(self.source, name))
        while since < until:
            for name in self.files[since.strftime('%Y-%m-%d-%H-%M')]:
                os.rename(os.path.join(self.all, name), os.path.join(self.source, name))
            since += MINUTE

    def play(self):
        psql('postgres', 'CREATE DATABASE weeks')
        session = Session('weeks')
        session.ask('CREATE EXTENSION sellometer', "SELECT sellometer_add_source('s', 'file://%s/')" % self.source)
        for fault in self.faults:
            if fault['fault'] == 'announced':
                session.ask("INSERT INTO sellometer.calendar VALUES ('%s+00', '%s+00', %g, 'campaign')" % (fault['from'], fault['to'], fault['factor']))
        begin = START + datetime.timedelta(days=self.args.history)
        for day in range(self.args.history):    # a day at once: later ones are late by no more than a day
            self.appear(START + datetime.timedelta(days=day), START + datetime.timedelta(days=day + 1))
            session.ask('CALL sellometer_ingest()', 'CALL sellometer_merge_backlog()', 'CALL sellometer_rollup()', 'CALL sellometer_prune()')
        session.ask('CALL sellometer_detect()', 'VACUUM ANALYZE')
        for i in range(self.args.judged * 1440 // self.args.step):
            now = begin + (i + 1) * self.step
            self.appear(now - self.step, now)
            out = session.ask('CALL sellometer_ingest()', 'SELECT extract(epoch FROM clock_timestamp())', 'CALL sellometer_detect()',
                              'SELECT extract(epoch FROM clock_timestamp())',
                              'SELECT id, kind, key, severity, well_since IS NULL, detail FROM sellometer.alerts WHERE closed_at IS NULL')
            self.ms.append((float(out[1]) - float(out[0])) * 1000)
            for line in out[2:]:
                number, kind, key, severity, found, detail = line.split('\t')
                alert = self.alerts.setdefault(number, {'kind': kind, 'key': key, 'at': now, 'severity': severity, 'detail': detail, 'found': []})
                if found == 't':
                    alert['found'].append(now)
                if severity == 'critical':
                    alert['severity'] = severity
            if now.minute == 0:
                session.ask('CALL sellometer_merge_backlog()', 'CALL sellometer_rollup()', 'CALL sellometer_prune()')
        session.close()
        psql('postgres', 'DROP DATABASE weeks')

    def explained(self, alert):
        return any(fault['from'] < alert['at'] <= fault['to'] + GRACE and alert['kind'] == 'volume_anomaly' and
                   alert['key'] in ((BARS[fault['fault']][0], 'cart', 'remove_from_cart') if fault['fault'] == 'gap' else (BARS[fault['fault']][0],))
                   for fault in self.faults if fault['fault'] in BARS)

    def hourly_purchases(self, time):
        """About as many as are made in an hour: of fewer than 20 nobody can tell that there are none."""
        weekday = (1, 1, 1, 1, 1, 0.34, 0.67)[time.weekday()]
        return self.args.rate * 60 * 0.019 * weekday * (1 + 0.7 * math.cos(2 * math.pi * (time.hour - 15.5) / 24))

    def report(self):
        print('\n%d days in a row judged after %d days of history, at %d events a minute; Saturdays have a third' % (
            self.args.judged, self.args.history, self.args.rate))
        print('%-12s %7s %9s %12s %12s' % ('fault', 'faults', 'found', 'median min', 'alerts each'))
        for kind, (key, bar) in BARS.items():
            faults = [f for f in self.faults if f['fault'] == kind and (kind != 'gap' or self.hourly_purchases(f['from']) >= 25)]
            delays, each, missed = [], [], []
            for fault in faults:
                about = [a for a in self.alerts.values() if a['kind'] == 'volume_anomaly' and a['key'] == key and a['at'] <= fault['to'] + self.step]
                each.append(sum(a['at'] > fault['from'] for a in about))
                # one that is still held, of what was so before, is found again and told no more
                found = [t for a in about for t in a['found'] if fault['from'] < t <= fault['to'] + self.step]
                if found and (min(found) - fault['from']).total_seconds() / 60 <= bar + self.args.step:
                    delays.append((min(found) - fault['from']).total_seconds() / 60)
                else:
                    missed.append('%s from %s to %s' % (kind, fault['from'], fault['to']))
            print('%-12s %7d %9d %12s %12s' % (kind, len(faults), len(delays), '%.0f' % statistics.median(delays) if delays else '-',
                                             '%.1f' % statistics.mean(each) if each else '-'))
            for line in missed:
                print('  late or missed: ' + line)
        alarms = [a for a in self.alerts.values() if a['severity'] != 'info']
        false = [a for a in alarms if not self.explained(a)]
        critical = [a for a in false if a['severity'] == 'critical']
        print('not judged: %d gaps at times at which hardly anything is bought' % sum(
            f['fault'] == 'gap' and self.hourly_purchases(f['from']) < 25 for f in self.faults))
        print('announced campaigns: %d; false critical alerts: %d, %.2f a week; false warnings: %d, %.2f a day' % (
            sum(f['fault'] == 'announced' for f in self.faults), len(critical), 7 * len(critical) / self.args.judged,
            len(false) - len(critical), (len(false) - len(critical)) / self.args.judged))
        openings = collections.Counter((a['kind'], a['key'], a['at'].date()) for a in alarms)
        causes = collections.Counter()
        for key in openings:
            causes[key] = 2 * max(1, sum(f['from'].date() == key[2] for f in self.faults))
        print('alerts opened: %d; keys that flap (more than twice a day for each cause): %d' % (
            len(alarms), sum(n > causes[key] for key, n in openings.items())))
        for alert in false[:20]:
            print('  false: %(at)s %(severity)s %(kind)s %(key)s: %(detail)s' % alert)
        ms = sorted(self.ms)
        print('sellometer_detect(): median %.0f ms, longest %.0f ms of %d' % (statistics.median(ms), ms[-1], len(ms)), flush=True)


class Silence:
    """A day of a source whose servers write a file every so often, after a week of the same; some rest at night."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.servers = self.rng.choice([1, 2, 2, 3, 4, 8])
        self.every = self.rng.choice([1, 1, 1, 2, 5, 15])
        self.rests = self.rng.random() < 0.3        # from 0 to 6
        self.begin = datetime.datetime(2026, 3, 10)
        length = datetime.timedelta(minutes=self.rng.randint(30 + 4 * self.every, 240))
        start = self.begin + datetime.timedelta(minutes=self.rng.randint(7 * 60, 15 * 60))
        self.kind = self.rng.choice(['all', 'some', 'some', 'none'])
        lost = self.servers if self.kind == 'all' else 0 if self.kind == 'none' else min(self.servers, self.rng.randint(1, max(1, self.servers // 2)))
        self.lost, self.start, self.end = lost, start, start + length

    def files(self):
        for server in range(self.servers):
            time = self.begin - datetime.timedelta(days=8) + datetime.timedelta(seconds=self.rng.random() * 60)
            while time < self.begin + datetime.timedelta(days=1):
                time += datetime.timedelta(minutes=self.every)
                at = time + datetime.timedelta(seconds=self.rng.random() * 20)
                late = self.rng.random() < 0.002        # some are late, for whatever reason
                if not (self.rests and at.hour < 6) and not (server < self.lost and self.start <= at < self.end):
                    yield server, time, at + (datetime.timedelta(minutes=self.every * 2) if late else datetime.timedelta())

    def play(self, session, work):
        path = os.path.join(work, 'ledger.csv')
        with open(path, 'w', newline='') as file:
            writer = csv.writer(file)
            for i, (server, named, at) in enumerate(self.files()):
                writer.writerow(['s', '%s-%d.csv' % (named.strftime('%Y-%m-%d-%H-%M-%S'), server), 'e%d' % i, 1, at, 'done', at - MINUTE, at - MINUTE, at, at])
        session.ask('TRUNCATE sellometer.objects', "\\copy sellometer.objects (source, key, etag, size, last_modified, state, first_event, last_event, "
                    "discovered_at, ingested_at) FROM '%s' CSV" % path, 'ANALYZE sellometer.objects')
        lines = session.ask("SELECT t, severity, detail FROM generate_series('%s'::timestamptz, '%s', '10 minutes') t, "
                            "sellometer.detect_silent_source(t) WHERE severity IN ('warning', 'critical')" % (
                                self.begin + datetime.timedelta(minutes=3), self.begin + datetime.timedelta(hours=20)))
        found = [when(line.split('\t')[0]) for line in lines]
        inside = [t for t in found if self.start < t <= self.end]
        self.false = [line for line, t in zip(lines, found) if not self.start < t <= self.end + datetime.timedelta(minutes=2 * self.every + 5)]
        self.delay = (inside[0] - self.start).total_seconds() / 60 if inside else None


def silence(args):
    psql('postgres', 'CREATE DATABASE silence')
    session = Session('silence')
    session.ask('CREATE EXTENSION sellometer', "INSERT INTO sellometer.sources (name, url, listed_at) VALUES ('s', 'file:///tmp/s/', 'infinity')")
    days = [Silence(args.seed + i) for i in range(args.silence)]
    for day in days:
        day.play(session, args.work)
    session.close()
    psql('postgres', 'DROP DATABASE silence')
    lost = [d for d in days if d.lost]
    bars = [d for d in lost if d.delay is not None and d.delay <= max(20, 6 * d.every + 10)]
    print('\n%d days of files: silent sources or servers: %d, found: %d, in time (20 minutes, or six files): %d, median %.0f minutes; days with false ones: %d' % (
        len(days), len(lost), sum(d.delay is not None for d in lost), len(bars), statistics.median(d.delay for d in lost if d.delay is not None),
        sum(bool(d.false) for d in days)))
    for day in days:
        if day.false:
            print('  false: %s (%d servers, every %d minutes%s)' % (day.false[0], day.servers, day.every, ', rests at night' if day.rests else ''))
        if day in lost and day not in bars:
            print('  late or missed: %d of %d servers, every %d minutes, from %s to %s%s: %s' % (
                day.lost, day.servers, day.every, day.start, day.end, ', rests at night' if day.rests else '', day.delay))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--traffic', required=True)
    parser.add_argument('--work', required=True)
    for name, value in (('seed', 1), ('rate', 120), ('history', 28), ('judged', 14), ('step', 10), ('silence', 20)):
        parser.add_argument('--' + name, type=int, default=value)
    args = parser.parse_args()
    if args.silence:
        silence(args)
    if args.judged:
        weeks = Weeks(args)
        weeks.generate()
        weeks.play()
        weeks.report()


if __name__ == '__main__':
    main()
