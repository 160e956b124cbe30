"""The command."""
import argparse
import json
import logging
import os
import sys

import psycopg

from . import __version__
from .config import Config, ConfigError
from .delivery import Failed
from .service import Service, Stop

DEFAULT = '/etc/sellometer/mailer.conf'


def parse(arguments):
    parser = argparse.ArgumentParser(prog='sellometer-mailer', description='Send what Sellometer has to say: reminders of carts to '
                                     'customers, alerts to managers, by mail or webhook.')
    parser.add_argument('--config', default=os.environ.get('SELLOMETER_MAILER_CONFIG', DEFAULT), metavar='FILE', help='default %s' % DEFAULT)
    parser.add_argument('--check', action='store_true', help='say whether the configuration, the database and the mail server are as they should be')
    parser.add_argument('--dry-run', action='store_true', help='print what would be sent now; send and mark nothing')
    parser.add_argument('--once', action='store_true', help='send what there is, and end')
    parser.add_argument('--verbose', action='store_true', help='say what is sent, too')
    parser.add_argument('--version', action='version', version=__version__)
    return parser.parse_args(arguments)


def show(content):
    if isinstance(content, dict):
        content = json.dumps(content, indent=2, ensure_ascii=False)
    elif not isinstance(content, str):
        content = '\n'.join(['%s: %s' % item for item in content.items() if item[0] in ('To', 'Subject')] +
                            ['', content.get_body(('plain',)).get_content()])
    print(content + '\n' + '-' * 60)


def check(service):
    service.database.connect()
    service.show(lambda content: None)
    print('database: ok')
    if service.smtp is not None:
        service.smtp.open()
        service.smtp.close()
        print('mail server: ok')


def main(arguments=None):
    options = parse(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO if options.verbose else logging.WARNING,
                        format='%(name)s: %(levelname)s: %(message)s')
    try:
        service = Service(Config(options.config), Stop())
        if options.check:
            check(service)
        elif options.dry_run:
            service.show(show)
        elif options.once:
            while service.round():
                pass
            service.close()
        else:
            service.run()
    except (ConfigError, Failed) as error:
        print('sellometer-mailer: %s' % error, file=sys.stderr)
        return 2
    except psycopg.Error as error:
        print('sellometer-mailer: the database says: %s' % ' '.join(str(error).split()), file=sys.stderr)
        return 3
    return 0
