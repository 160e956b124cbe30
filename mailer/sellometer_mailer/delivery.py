"""A mail to an SMTP server, a request to a webhook; and what their answers mean: tried again later, or never."""
import hashlib
import hmac
import json
import smtplib
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

from . import __version__
from .config import is_loopback
from .messages import line


class Failed(Exception):
    """It was not delivered.  permanent: nor would it be later.  down: nor would anything else now."""

    def __init__(self, what, permanent=False, down=False):
        super().__init__(line(what, 300))
        self.permanent = permanent
        self.down = down


def context(ca_file):
    """Certificates and names are verified, always."""
    return ssl.create_default_context(cafile=ca_file or None)


class Smtp:
    """A connection is kept for the mails of a round."""

    def __init__(self, config):
        self.host = config['mail', 'host']
        self.port = config.smtp_port()
        self.tls = config['mail', 'tls']
        self.timeout = config.number('mail', 'timeout', 1, 120)
        self.user = config['mail', 'user']
        self.password = config.secret('mail', 'password_file')
        self.ca_file = config['mail', 'ca_file']
        self.server = None

    def _connect(self):
        if self.tls == 'tls':
            server = smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout, context=context(self.ca_file))
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=self.timeout)
        try:
            if self.tls == 'starttls':
                server.starttls(context=context(self.ca_file))
            if self.user:
                server.login(self.user, self.password)
        except BaseException:
            server.close()
            raise
        self.server = server

    def open(self):
        """An error of the connection, or of who we are, is none of the mail's."""
        if self.server is not None:
            return
        try:
            self._connect()
        except smtplib.SMTPAuthenticationError as error:
            raise Failed('%s does not take the user and password: %d' % (self.host, error.smtp_code), down=True) from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise Failed('%s can\'t be reached: %s' % (self.host, error), down=True) from None

    def send(self, message):
        self.open()
        try:
            self.server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            self.close()
            raise Failed('refused: %d %s' % (code, decoded(text)), permanent=code >= 500) from None
        except smtplib.SMTPSenderRefused as error:
            self.close()
            raise Failed('refused the sender: %d %s' % (error.smtp_code, decoded(error.smtp_error)), down=True) from None
        except smtplib.SMTPResponseException as error:
            self.close()
            raise Failed('refused: %d %s' % (error.smtp_code, decoded(error.smtp_error)), permanent=error.smtp_code >= 500,
                         down=error.smtp_code == 421) from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            self.close()
            raise Failed('broken off: %s' % error, down=True) from None

    def close(self):
        if self.server is None:
            return
        server, self.server = self.server, None
        try:
            server.quit()
        except (smtplib.SMTPException, OSError):
            server.close()


def decoded(text):
    return text.decode('utf-8', 'replace') if isinstance(text, bytes) else str(text)


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Another host would be told what is for this one."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        return None


class Webhook:
    """POST of JSON.  2xx: delivered; 408, 425, 429, 5xx and no answer: later; any other answer, redirects too: never."""

    def __init__(self, config, section):
        self.url = config[section, 'url']
        self.token = config.secret(section, 'token_file')
        self.secret = config.secret(section, 'secret_file')
        self.timeout = config.number(section, 'timeout', 1, 120)
        handlers = [NoRedirects(), urllib.request.HTTPSHandler(context=context(config[section, 'ca_file']))]
        if is_loopback(urllib.parse.urlsplit(self.url).hostname):
            handlers.append(urllib.request.ProxyHandler({}))
        self.opener = urllib.request.build_opener(*handlers)

    def headers(self, body, identity):
        headers = {'Content-Type': 'application/json', 'User-Agent': 'sellometer-mailer/%s' % __version__, 'Idempotency-Key': identity}
        if self.token:
            headers['Authorization'] = 'Bearer %s' % self.token
        if self.secret:
            stamp = str(int(time.time()))
            digest = hmac.new(self.secret.encode(), stamp.encode() + b'.' + body, hashlib.sha256).hexdigest()
            headers['X-Sellometer-Signature'] = 't=%s,v1=%s' % (stamp, digest)
        return headers

    def send(self, content, identity):
        body = json.dumps(content, ensure_ascii=True).encode()
        request = urllib.request.Request(self.url, data=body, headers=self.headers(body, identity), method='POST')
        try:
            with self.opener.open(request, timeout=self.timeout) as answer:
                answer.read(65536)
        except urllib.error.HTTPError as error:
            code = error.code
            error.close()
            if 300 <= code < 400:
                raise Failed('the webhook answered %d: redirects are not followed' % code, permanent=True) from None
            later = code in (408, 425, 429) or code >= 500
            raise Failed('the webhook answered %d' % code, permanent=not later, down=later or code in (401, 403)) from None
        except (OSError, ValueError, urllib.error.URLError) as error:
            raise Failed('the webhook can\'t be reached: %s' % getattr(error, 'reason', error), down=True) from None
        except Exception as error:      # http.client has errors of its own
            raise Failed('the webhook\'s answer is none: %s' % type(error).__name__, down=True) from None
