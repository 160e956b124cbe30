"""sellometer-mailer: sends what Sellometer has to say: reminders of carts to customers, alerts to managers.

    config.py    the configuration file, with secrets from files or the environment
    database.py  the calls of the extension, over a connection that comes back
    messages.py  from rows to texts: mails, and JSON for webhooks
    delivery.py  a mail to an SMTP server, a request to a webhook, and what their answers mean
    service.py   rounds: ask, mark, send, mark; and waiting in between
    main.py      the command
"""
__version__ = '1.0.0'
