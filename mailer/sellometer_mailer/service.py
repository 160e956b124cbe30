"""Rounds: ask what there is, mark, send, mark; then wait for a NOTIFY, or a while.

A mark before and a mark after make it "at least once": whoever dies in between leaves a mark whose time is over after ten minutes, and it
is sent again, under the same Message-ID.  What was sent while the database went is marked when that is there again.
"""
import logging
import os
import signal
import time

from .database import Calls, Database, Recipients
from .delivery import Failed, Smtp, Webhook
from .messages import Alerts, BadAddress, Reminders

log = logging.getLogger('sellometer-mailer')


class Rate:
    """No more than so many in so many seconds; a stock of them is there at once, and refills."""

    def __init__(self, most, seconds, clock=time.monotonic):
        self.most = most
        self.seconds = seconds
        self.clock = clock
        self.left = float(most)
        self.at = clock()

    def ready(self):
        now = self.clock()
        self.left = min(self.most, self.left + (now - self.at) * self.most / self.seconds)
        self.at = now
        return self.left >= 1

    def take(self):
        if not self.ready():
            return False
        self.left -= 1
        return True


class Stop:
    """SIGTERM and SIGINT: the mail that is being sent is, then it ends.  wakeup is a descriptor that can be read then."""

    def __init__(self):
        self.asked = False
        self.wakeup, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, number, frame):
        self.asked = True


class Service:
    """All of it, for one configuration."""

    def __init__(self, config, stop):
        self.config = config
        self.stop = stop
        self.database = Database(config, 'database', listen=True)
        self.calls = Calls(self.database, config['database', 'schema'])
        self.via = {kind: config[kind, 'via'] for kind in ('reminders', 'alerts')}
        self.smtp = Smtp(config) if 'mail' in self.via.values() else None
        self.webhooks = {kind: Webhook(config, 'webhook.%s' % kind) for kind, via in self.via.items() if via == 'webhook'}
        self.reminders = Reminders(config, self.calls)
        self.alerts = Alerts(config)
        self.recipients = Recipients(config, self.database)
        self.reminder_rate = Rate(config.number('reminders', 'per_minute', 1, 100000), 60)
        self.alert_rate = Rate(config.number('alerts', 'per_hour', 1, 10000), 3600)
        self.unmarked = []              # marks that are still to be made

    # --- marks ---

    def mark(self, call, *values):
        self.unmarked.append((call, values))
        self.make_marks()

    def make_marks(self):
        while self.unmarked:
            call, values = self.unmarked[0]
            call(*values)
            self.unmarked.pop(0)

    # --- reminders ---

    def deliver_reminder(self, content):
        if self.via['reminders'] == 'webhook':
            self.webhooks['reminders'].send(content, 'reminder-%d' % content['reminder_id'])
            return
        if content['user_id'] is None:
            raise Failed('a guest, who has no address', permanent=True)
        found = self.recipients.find(content['user_id'])
        if found is None:
            raise Failed('the user has no address', permanent=True)
        try:
            message = self.reminders.mail(content, *found)
        except BadAddress as error:
            raise Failed(error, permanent=True) from None
        self.smtp.send(message)

    def send_reminder(self, reminder):
        """False: nothing can be delivered now."""
        rows = self.calls.reminder_sending(reminder)
        if not rows:
            log.info('reminder %d is not sent: %s', reminder, self.calls.reminder_still_due(reminder)['reason'])
            return True
        try:
            self.deliver_reminder(self.reminders.content(reminder, rows))
        except Failed as error:
            log.warning('reminder %d: %s', reminder, error)
            self.mark(self.calls.reminder_failed, reminder, str(error), error.permanent)
            return not error.down
        self.mark(self.calls.reminder_sent, reminder)
        log.info('reminder %d is sent', reminder)
        return True

    def reminder_round(self):
        batch = self.config.number('reminders', 'batch', 1, 10000)
        waiting = self.calls.reminders_to_send(batch)
        if len(waiting) < batch:
            self.calls.remind(batch - len(waiting), self.config['reminders', 'within'])
            waiting = self.calls.reminders_to_send(batch)
        for reminder in waiting:
            if self.stop.asked or not self.reminder_rate.take() or not self.send_reminder(reminder):
                return False
        return len(waiting) >= batch

    # --- alerts ---

    def deliver_alerts(self, content):
        if self.via['alerts'] == 'webhook':
            self.webhooks['alerts'].send(content, 'alerts-%s' % '-'.join('%d.%s' % (a['alert_id'], a['news']) for a in content['alerts'])[:200])
        else:
            self.smtp.send(self.alerts.mail(content, self.config.addresses('alerts', 'to')))

    def alert_round(self):
        channel = self.config['alerts', 'channel']
        if self.stop.asked or not self.alert_rate.ready():
            return False
        rows = self.calls.alerts_sending(channel, self.config.number('alerts', 'batch', 1, 1000), self.config['alerts', 'severity'],
                                         self.config['alerts', 'closed'] == 'yes')
        if not rows:
            return False
        self.alert_rate.take()
        ids = [row['alert_id'] for row in rows]
        try:
            self.deliver_alerts(self.alerts.content(rows))
        except Failed as error:
            log.warning('%d alerts: %s', len(rows), error)
            self.mark(self.calls.alerts_failed, channel, ids, str(error))
            return False
        self.mark(self.calls.alerts_sent, channel, ids)
        log.info('%d alerts are sent', len(rows))
        return True

    # --- all of it ---

    def round(self):
        """Whether there may be more at once."""
        self.make_marks()
        more = False
        try:
            if self.via['alerts'] != 'none':
                more = self.alert_round()
            if self.via['reminders'] != 'none':
                more = self.reminder_round() or more
        finally:
            if self.smtp is not None:
                self.smtp.close()
        return more and not self.stop.asked

    def run(self):
        poll = self.config.number('service', 'poll', 1, 86400)
        delay = 1
        while not self.stop.asked:
            try:
                while self.round():
                    pass
                delay = 1
                if not self.stop.asked:
                    self.database.wait(poll, self.stop.wakeup)
            except self.database.lost as error:
                log.warning('the database is not there, tried again in %d s: %s', delay, ' '.join(str(error).split()))
                self.database.close()
                self._sleep(delay)
                delay = min(2 * delay, 60)
        self.close()

    def _sleep(self, seconds):
        end = time.monotonic() + seconds
        while not self.stop.asked and time.monotonic() < end:
            time.sleep(0.1)

    def close(self):
        self.database.close()
        self.recipients.database.close()

    def show(self, out):
        """What would be sent, with nothing sent and nothing marked."""
        with self.database.transaction():
            if self.via['alerts'] != 'none':
                self._show_alerts(out)
            if self.via['reminders'] != 'none':
                self._show_reminders(out)

    def _show_alerts(self, out):
        rows = self.calls.alerts_sending(self.config['alerts', 'channel'], self.config.number('alerts', 'batch', 1, 1000),
                                         self.config['alerts', 'severity'], self.config['alerts', 'closed'] == 'yes')
        if rows:
            content = self.alerts.content(rows)
            out(self.alerts.mail(content, self.config.addresses('alerts', 'to')) if self.via['alerts'] == 'mail' else content)

    def _show_reminders(self, out):
        batch = self.config.number('reminders', 'batch', 1, 10000)
        self.calls.remind(batch, self.config['reminders', 'within'])
        for reminder in self.calls.reminders_to_send(batch):
            rows = self.calls.reminder_sending(reminder)
            if not rows:
                continue
            content = self.reminders.content(reminder, rows)
            if self.via['reminders'] == 'webhook':
                out(content)
                continue
            found = self.recipients.find(content['user_id']) if content['user_id'] is not None else None
            try:
                out(self.reminders.mail(content, *found) if found else 'reminder %d: no address' % reminder)
            except BadAddress as error:
                out('reminder %d: %s' % (reminder, error))
