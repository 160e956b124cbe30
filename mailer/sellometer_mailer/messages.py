"""From rows to texts.

Whatever stands in a name, a brand or a link was written by somebody else: in HTML it is escaped by the templates, in texts and headers it
is one line, and of links only http and https are shown.
"""
import hashlib
import os
import re
import socket
import urllib.parse
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

import jinja2
import jinja2.sandbox

from .config import ConfigError

TEMPLATES = os.path.join(os.path.dirname(__file__), 'templates')
# What ends a line, or turns its direction, somewhere.
UNSEEN = re.compile('[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+')


class BadAddress(Exception):
    """A mail can't be addressed so."""


def line(value, most=200):
    """A value as part of a line of text."""
    text = ' '.join(UNSEEN.sub(' ', str(value)).encode('utf-8', 'replace').decode().split())
    return text if len(text) <= most else text[:most - 1] + '…'


def link(value):
    """A link that may be shown, else nothing."""
    return value if value and re.fullmatch('(?i)https?://[^\\s\x00-\x20\x7f<>"\']+', value) else ''


def money(value):
    return '' if value is None else '%.2f' % value


def moment(value):
    return '' if value is None else value.strftime('%Y-%m-%d %H:%M %Z')


class Texts:
    """The templates: those of the configuration's folder, and where it has none, ours."""

    def __init__(self, config, section, *names):
        folder = config[section, 'templates']
        if folder and not os.path.isdir(folder):
            raise config.error(section, 'templates', 'there is no folder %s' % folder)
        self.environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
            loader=jinja2.FileSystemLoader([folder, TEMPLATES] if folder else [TEMPLATES]), undefined=jinja2.StrictUndefined,
            autoescape=lambda name: name is not None and name.endswith('.html'), trim_blocks=True, lstrip_blocks=True)
        self.environment.filters.update(line=line, link=link, money=money, moment=moment)
        self.templates = {}
        for name in names:
            try:
                self.templates[name] = self.environment.get_template(name)
            except (jinja2.TemplateError, UnicodeDecodeError) as error:
                raise config.error(section, 'templates', '%s: %s' % (name, line(error))) from None

    def render(self, name, values):
        try:
            return self.templates[name].render(values)
        except jinja2.TemplateError as error:
            raise ConfigError('template %s: %s' % (name, line(error))) from None


def address_of(spec, name=''):
    try:
        if UNSEEN.search(spec) or not spec.isascii():
            raise ValueError
        address = Address(display_name=line(name, 100), addr_spec=spec)
        if not address.domain or not address.username:
            raise ValueError
    except Exception:
        raise BadAddress('the address is none') from None
    return address


def mail(config, to, subject, text, html, identity):
    """A mail of both parts.  identity: what is the same each time it is sent, so that who gets it twice may tell."""
    message = EmailMessage(policy=SMTP)
    sender = config.address('mail', 'from', config['mail', 'from'])
    message['From'] = sender
    message['To'] = to
    if config['mail', 'reply_to']:
        message['Reply-To'] = config.address('mail', 'reply_to', config['mail', 'reply_to'])
    message['Subject'] = line(subject, 300)
    message['Message-ID'] = '<%s@%s>' % (hashlib.sha256(identity.encode()).hexdigest()[:32], sender.domain or socket.getfqdn())
    message['Auto-Submitted'] = 'auto-generated'
    message.set_content(text, cte='quoted-printable')
    message.add_alternative(html, subtype='html', cte='quoted-printable')
    return message


class Reminders:
    """Reminders: rows of sellometer_reminder_sending(), and products like them."""

    def __init__(self, config, calls):
        self.config = config
        self.calls = calls
        self.texts = Texts(config, 'reminders', 'reminder.txt', 'reminder.html')

    def content(self, reminder, rows):
        """All that there is to say, as texts and numbers: what webhooks get, and templates."""
        n = self.config.number('reminders', 'similar', 0, 20)
        left = {row['product_id'] for row in rows}
        products = []
        for row in rows:
            similar = self.calls.similar_products(row['product_id'], n + len(left)) if n else []
            products.append({**self._product(row['product_id'], row), 'since': row['since'].isoformat(),
                             'similar': [self._product(other['similar_id'], other) for other in similar if other['similar_id'] not in left][:n]})
        return {'kind': 'reminder', 'reminder_id': reminder, 'user_id': rows[0]['user_id'],
                'user_session': None if rows[0]['user_id'] is not None else rows[0]['user_session'],
                'attempt': rows[0]['attempt'], 'products': products}

    @staticmethod
    def _product(product, row):
        name = line(row.get('name') or '')
        return {'product_id': product, 'name': name or 'product %d' % product, 'price': money(row['price']),
                'url': link(row.get('url')), 'image': link(row.get('image'))}

    def mail(self, content, address, name):
        unsubscribe = self.config['reminders', 'unsubscribe'].replace('{user_id}', str(content['user_id']))
        values = {**content, 'name': line(name, 100), 'unsubscribe': unsubscribe}
        message = mail(self.config, address_of(address, name), self.config['reminders', 'subject'],
                       self.texts.render('reminder.txt', values), self.texts.render('reminder.html', values),
                       'reminder %d' % content['reminder_id'])
        if unsubscribe:
            message['List-Unsubscribe'] = '<%s>' % unsubscribe
        return message


class Alerts:
    """Alerts: rows of sellometer_alerts_sending(), many in one mail."""

    def __init__(self, config):
        self.config = config
        self.texts = Texts(config, 'alerts', 'alerts.txt', 'alerts.html')

    def content(self, rows):
        return {'kind': 'alerts', 'channel': self.config['alerts', 'channel'], 'alerts': [self._alert(row) for row in rows]}

    def _alert(self, row):
        alert = {'alert_id': row['alert_id'], 'news': row['news'], 'attempt': row['attempt']}
        alert.update({name: line(row[name] or '', 1000) for name in ('kind', 'severity', 'dimension', 'key', 'label', 'detail', 'hint')})
        alert.update({name: None if row[name] is None else str(row[name]) for name in ('observed', 'expected')})
        alert.update({name: row[name].isoformat() if row[name] else None for name in ('event_time', 'opened_at', 'closed_at')})
        alert['since'] = line(row['since'])
        alert['link'] = self._link(row)
        return alert

    def _link(self, row):
        """That of sellometer.alert_link, or of the configuration, whose {id}, {kind} and {key} are put in so that a link stays what it is."""
        template = self.config['alerts', 'link']
        if not template:
            return link(row['link'])
        for name, value in (('{id}', row['alert_id']), ('{kind}', row['kind']), ('{dimension}', row['dimension']), ('{key}', row['key'])):
            template = template.replace(name, quoted(str(value)))
        return link(template)

    def mail(self, content, to):
        alerts = content['alerts']
        subject = self.config['alerts', 'subject'] or summary(alerts)
        values = {**content, 'summary': summary(alerts)}
        identity = 'alerts %s %s' % (content['channel'], ' '.join('%d %s %s' % (a['alert_id'], a['news'], a['severity']) for a in alerts))
        return mail(self.config, to, subject, self.texts.render('alerts.txt', values), self.texts.render('alerts.html', values), identity)


def quoted(text):
    return urllib.parse.quote(text, safe='', errors='replace')


def summary(alerts):
    """What a subject says: one alert in its words, or how many of which severity."""
    if len(alerts) == 1:
        alert = alerts[0]
        return '%s: %s: %s' % ('closed' if alert['news'] == 'closed' else alert['severity'], alert['kind'].replace('_', ' '),
                               line(alert['label'], 80))
    opened = [alert for alert in alerts if alert['news'] != 'closed']
    parts = ['%d %s' % (n, severity) for severity in ('critical', 'warning', 'info')
             for n in [sum(alert['severity'] == severity for alert in opened)] if n]
    if len(opened) < len(alerts):
        parts.append('%d closed' % (len(alerts) - len(opened)))
    return '%d alerts: %s' % (len(alerts), ', '.join(parts))
