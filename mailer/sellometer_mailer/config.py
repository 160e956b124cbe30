"""The configuration file: INI, each section and option known, each value checked before anything is sent."""
import configparser
import email.utils
import ipaddress
import os
import re
import urllib.parse
from email.headerregistry import Address


class ConfigError(Exception):
    """What is wrong with the configuration, in words for whoever writes it."""


SECTIONS = {
    'database': {'dsn': '', 'password_file': '', 'schema': 'public'},
    'recipients': {'query': '', 'dsn': '', 'password_file': ''},
    'reminders': {'via': 'none', 'batch': '100', 'within': '24 hours', 'similar': '3', 'per_minute': '60',
                  'subject': 'You left something in your cart', 'templates': '', 'unsubscribe': ''},
    'alerts': {'via': 'none', 'to': '', 'severity': 'warning', 'closed': 'yes', 'batch': '50', 'per_hour': '20', 'channel': 'managers',
               'subject': '', 'templates': '', 'link': ''},
    'mail': {'host': 'localhost', 'port': '', 'tls': 'starttls', 'ca_file': '', 'user': '', 'password_file': '', 'from': '', 'reply_to': '',
             'timeout': '30'},
    'webhook.reminders': {'url': '', 'token_file': '', 'secret_file': '', 'ca_file': '', 'timeout': '15'},
    'webhook.alerts': {'url': '', 'token_file': '', 'secret_file': '', 'ca_file': '', 'timeout': '15'},
    'service': {'poll': '60'},
}
PORTS = {'none': 25, 'starttls': 587, 'tls': 465}
# What environment variable may hold instead of a file.
ENVIRONMENT = {
    ('database', 'password_file'): 'SELLOMETER_MAILER_DATABASE_PASSWORD',
    ('recipients', 'password_file'): 'SELLOMETER_MAILER_RECIPIENTS_PASSWORD',
    ('mail', 'password_file'): 'SELLOMETER_MAILER_SMTP_PASSWORD',
    ('webhook.reminders', 'token_file'): 'SELLOMETER_MAILER_REMINDERS_TOKEN',
    ('webhook.reminders', 'secret_file'): 'SELLOMETER_MAILER_REMINDERS_SECRET',
    ('webhook.alerts', 'token_file'): 'SELLOMETER_MAILER_ALERTS_TOKEN',
    ('webhook.alerts', 'secret_file'): 'SELLOMETER_MAILER_ALERTS_SECRET',
}


def is_loopback(host):
    if host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host.strip('[]')).is_loopback
    except ValueError:
        return False


class Config:
    """config['section', 'option'] is a text; number(), choice() … are checked values."""

    def __init__(self, path, environment=os.environ):
        self.path = path
        self.environment = environment
        parser = configparser.ConfigParser(interpolation=None, delimiters=('=',), comment_prefixes=('#', ';'))
        try:
            with open(path, encoding='utf-8') as file:
                parser.read_file(file)
        except OSError as error:
            raise ConfigError('can\'t read %s: %s' % (path, error.strerror)) from None
        except (configparser.Error, UnicodeDecodeError) as error:
            raise ConfigError('%s is no configuration: %s' % (path, ' '.join(str(error).split()))) from None
        self.values = {section: dict(options) for section, options in SECTIONS.items()}
        for section in parser.sections():
            self._take(section, parser[section])
        self._check()

    def __getitem__(self, key):
        return self.values[key[0]][key[1]]

    def error(self, section, option, what):
        return ConfigError('%s: [%s] %s: %s' % (self.path, section, option, what))

    def _take(self, section, options):
        if section not in SECTIONS:
            raise ConfigError('%s: there is no section [%s]: there are %s' % (self.path, section, ', '.join(SECTIONS)))
        for option, value in options.items():
            if option not in SECTIONS[section]:
                raise self.error(section, option, 'there is no such option: there are %s' % ', '.join(SECTIONS[section]))
            self.values[section][option] = value.strip()

    def number(self, section, option, least, most):
        text = self[section, option]
        if not re.fullmatch('[0-9]{1,9}', text) or not least <= int(text) <= most:
            raise self.error(section, option, 'must be a whole number from %d to %d, and is "%s"' % (least, most, text))
        return int(text)

    def choice(self, section, option, *choices):
        if self[section, option] not in choices:
            raise self.error(section, option, 'must be %s, and is "%s"' % (' or '.join(choices), self[section, option]))
        return self[section, option]

    def secret(self, section, option):
        """What a file holds, without the end of its line, or else the environment; None: neither is given."""
        path = self[section, option]
        if not path:
            return self.environment.get(ENVIRONMENT[section, option]) or None
        try:
            with open(path, encoding='utf-8') as file:
                secret = file.read().rstrip('\r\n')
        except (OSError, UnicodeDecodeError) as error:
            raise self.error(section, option, 'can\'t read %s: %s' % (path, getattr(error, 'strerror', 'it is not UTF-8'))) from None
        if not secret or '\n' in secret or '\r' in secret:
            raise self.error(section, option, '%s must hold one line' % path)
        return secret

    def address(self, section, option, text):
        """An address of a mail, perhaps with a name before it."""
        name, spec = email.utils.parseaddr(text)
        try:
            if '\n' in text or '\r' in text or not spec.isascii():
                raise ValueError
            address = Address(display_name=name, addr_spec=spec)
        except Exception:
            raise self.error(section, option, '"%s" is no address, as Shop <shop@example.org>' % text) from None
        if not address.domain:
            raise self.error(section, option, '"%s" is no address, as Shop <shop@example.org>' % text)
        return address

    def addresses(self, section, option):
        return [self.address(section, option, text.strip()) for text in self[section, option].split(',') if text.strip()]

    # --- what belongs together ---

    def _check(self):
        if not self['database', 'dsn']:
            raise self.error('database', 'dsn', 'must be given, as dbname=shop user=mailer')
        for section in ('database', 'recipients'):
            if 'password' in self[section, 'dsn']:
                raise self.error(section, 'dsn', 'must have no password in it: use password_file, or ~/.pgpass')
            self.secret(section, 'password_file')
        kinds = {kind: self.choice(kind, 'via', 'mail', 'webhook', 'none') for kind in ('reminders', 'alerts')}
        if set(kinds.values()) == {'none'}:
            raise ConfigError('%s: there is nothing to send: set via = mail or webhook in [reminders] or [alerts]' % self.path)
        for kind, via in kinds.items():
            if via == 'webhook':
                self._check_webhook('webhook.%s' % kind)
        if 'mail' in kinds.values():
            self._check_mail()
        if kinds['reminders'] == 'mail' and '%(user_id)s' not in self['recipients', 'query']:
            raise self.error('recipients', 'query', 'must give the address, and perhaps the name, of a user, as '
                             'SELECT email, name FROM shop.customers WHERE id = %(user_id)s')
        if kinds['alerts'] == 'mail' and not self.addresses('alerts', 'to'):
            raise self.error('alerts', 'to', 'must be given: addresses, separated by commas')
        self.number('reminders', 'batch', 1, 10000)
        self.number('reminders', 'similar', 0, 20)
        self.number('reminders', 'per_minute', 1, 100000)
        self.number('alerts', 'batch', 1, 1000)
        self.number('alerts', 'per_hour', 1, 10000)
        self.number('service', 'poll', 1, 86400)
        self.choice('alerts', 'severity', 'info', 'warning', 'critical')
        self.choice('alerts', 'closed', 'yes', 'no')
        if not re.fullmatch('[a-z0-9_-]{1,40}', self['alerts', 'channel']):
            raise self.error('alerts', 'channel', 'must be 1 to 40 of a-z, 0-9, _ and -')
        for option in ('subject', 'unsubscribe'):
            self._check_line('reminders', option)
        for option in ('subject', 'link'):
            self._check_line('alerts', option)
        if self['reminders', 'unsubscribe'] and not self['reminders', 'unsubscribe'].startswith(('https://', 'mailto:')):
            raise self.error('reminders', 'unsubscribe', 'must begin with https:// or mailto:')

    def _check_line(self, section, option):
        if re.search('[\x00-\x1f\x7f]', self[section, option]):
            raise self.error(section, option, 'must be one line')

    def _check_mail(self):
        tls = self.choice('mail', 'tls', 'starttls', 'tls', 'none')
        if tls == 'none' and not is_loopback(self['mail', 'host']):
            raise self.error('mail', 'tls', 'none is for a server on this host alone: use starttls or tls')
        if self['mail', 'port']:
            self.number('mail', 'port', 1, 65535)
        # less than the time that a reminder is marked for
        self.number('mail', 'timeout', 1, 120)
        self.address('mail', 'from', self['mail', 'from'])
        if self['mail', 'reply_to']:
            self.address('mail', 'reply_to', self['mail', 'reply_to'])
        if self['mail', 'user'] and self.secret('mail', 'password_file') is None:
            raise self.error('mail', 'password_file', 'must be given with a user, or %s' % ENVIRONMENT['mail', 'password_file'])

    def _check_webhook(self, section):
        url = self[section, 'url']
        try:
            parts = urllib.parse.urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host or parts.scheme not in ('http', 'https') or re.search('[\x00-\x20\x7f]', url):
            raise self.error(section, 'url', 'must be an https:// URL')
        if parts.username is not None:
            raise self.error(section, 'url', 'must have no password in it: use token_file')
        if parts.scheme == 'http' and not is_loopback(host):
            raise self.error(section, 'url', 'must begin with https://, but for a server on this host')
        self.number(section, 'timeout', 1, 120)
        for option in ('token_file', 'secret_file'):
            secret = self.secret(section, option)
            if secret is not None and option == 'token_file' and re.search('[^\x21-\x7e]', secret):
                raise self.error(section, option, 'must hold visible ASCII characters')

    def smtp_port(self):
        return int(self['mail', 'port'] or PORTS[self['mail', 'tls']])
