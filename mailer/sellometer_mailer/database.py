"""The calls of the extension.  Each commits by itself, so that a mark is there before anything is sent."""
import select

import psycopg
from psycopg.rows import dict_row

CHANNELS = ('sellometer_left_in_cart', 'sellometer_alert')


class Database:
    """A connection that is made when it is needed, and again when it has gone; lost: the error that says so."""

    lost = psycopg.OperationalError

    def __init__(self, config, section, listen=False):
        self.dsn = config[section, 'dsn']
        self.password = config.secret(section, 'password_file')
        self.listen = listen
        self.connection = None
        self.notified = False

    def connect(self):
        if self.connection is not None and not self.connection.closed:
            return self.connection
        more = {'password': self.password} if self.password else {}
        connection = psycopg.connect(self.dsn, autocommit=True, row_factory=dict_row, connect_timeout=15,
                                     application_name='sellometer-mailer', **more)
        # what other roles have put into schemas is never called; times are read as such, in any time zone
        connection.execute("SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false), "
                           "pg_catalog.set_config('statement_timeout', '60s', false)")
        if self.listen:
            connection.add_notify_handler(self._note)
            for channel in CHANNELS:
                connection.execute('LISTEN ' + channel)
        self.connection = connection
        return connection

    def _note(self, notify):
        self.notified = True

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def rows(self, statement, values=()):
        return self.connect().execute(statement, values).fetchall()

    def transaction(self):
        return self.connect().transaction(force_rollback=True)

    def wait(self, seconds, wakeup):
        """Until a NOTIFY comes, the other descriptor can be read, or the time is over.  An error if the connection has gone."""
        connection = self.connect()
        # one that came with the answer to something else
        if self.notified:
            self.notified = False
            return
        select.select([connection.fileno(), wakeup], [], [], seconds)
        connection.pgconn.consume_input()
        while connection.pgconn.notifies() is not None:
            pass


class Calls:
    """What sellometer_grant_mailer() grants."""

    def __init__(self, database, schema):
        self.database = database
        self.schema = psycopg.sql.Identifier(schema)

    def _call(self, call, *values):
        return self.database.rows(psycopg.sql.SQL('SELECT * FROM {}.' + call).format(self.schema), values)

    def remind(self, n, within):
        return self._call('sellometer_remind(%s, %s::pg_catalog.interval, confirm => true)', n, within)

    def reminders_to_send(self, n):
        return [row['sellometer_reminders_to_send'] for row in self._call('sellometer_reminders_to_send(%s)', n)]

    def reminder_still_due(self, reminder):
        return self._call('sellometer_reminder_still_due(%s)', reminder)[0]

    def reminder_sending(self, reminder):
        return self._call('sellometer_reminder_sending(%s)', reminder)

    def reminder_sent(self, reminder):
        self._call('sellometer_reminder_sent(%s)', reminder)

    def reminder_failed(self, reminder, error, permanent):
        self._call('sellometer_reminder_failed(%s, %s, %s)', reminder, error, permanent)

    def similar_products(self, product, n):
        return self._call('sellometer_similar_products(%s, %s)', product, n)

    def alerts_sending(self, channel, n, severity, closed):
        return self._call('sellometer_alerts_sending(%s, %s, %s, %s)', channel, n, severity, closed)

    def alerts_sent(self, channel, alerts):
        self._call('sellometer_alerts_sent(%s, %s::pg_catalog.int8[])', channel, alerts)

    def alerts_failed(self, channel, alerts, error):
        self._call('sellometer_alerts_failed(%s, %s::pg_catalog.int8[], %s)', channel, alerts, error)


class Recipients:
    """Who a user is, by the shop's own query."""

    def __init__(self, config, database):
        self.query = config['recipients', 'query']
        self.database = Database(config, 'recipients') if config['recipients', 'dsn'] else database

    def find(self, user):
        """The first two columns of the row: address and name; None: there is none."""
        rows = self.database.connect().cursor(row_factory=psycopg.rows.tuple_row).execute(self.query, {'user_id': user}).fetchall()
        if not rows or not rows[0][0]:
            return None
        return str(rows[0][0]), str(rows[0][1]) if len(rows[0]) > 1 and rows[0][1] is not None else ''
