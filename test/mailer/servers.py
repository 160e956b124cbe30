#!/usr/bin/python3
"""A real SMTP server and an HTTP server on loopback, which do what a mail's or a request's address says.

    servers.py FOLDER [CERTIFICATE KEY]      prints "smtp PORT http PORT", runs until its input ends

Mails that were accepted are FOLDER/mail.N, requests FOLDER/request.N (path, headers, body, as JSON).  Of a mail to
    busy@…    the recipient is refused for now (451)         gone@…   for good (550)         full@…   the data is refused (552)
    slow@…    the answer takes three seconds
    wait@…    it is accepted, which is answered when there is FOLDER/go
    killer@…  it is accepted, and the process whose id FOLDER/pid holds is killed before it is told so
    early@…   that process is killed before it could send the data
and of a request to /busy the answer is 503, /bad 400, /redirect 302 to /elsewhere, anything else 200.
"""
import asyncio
import http.server
import json
import os
import signal
import ssl
import sys
import threading

from aiosmtpd.controller import Controller

folder = sys.argv[1]
lock = threading.Lock()
count = {'mail': 0, 'request': 0}


def keep(kind, content):
    with lock:
        count[kind] += 1
        path = '%s/%s.%d' % (folder, kind, count[kind])
    with open(path + '.part', 'wb') as file:
        file.write(content)
    os.rename(path + '.part', path)


def kill():
    with open(folder + '/pid') as file:
        os.kill(int(file.read()), signal.SIGKILL)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        kind = address.split('@')[0]
        if kind == 'busy':
            return '451 come again later'
        if kind == 'gone':
            return '550 no such user'
        if kind == 'early':
            kill()
        envelope.rcpt_tos.append(address)
        return '250 OK'

    async def handle_DATA(self, server, session, envelope):
        kind = envelope.rcpt_tos[0].split('@')[0]
        if kind == 'full':
            return '552 the mailbox is full'
        if kind == 'slow':
            await asyncio.sleep(3)
            return '250 OK'
        keep('mail', ('X-Envelope: %s\r\n' % ' '.join(envelope.rcpt_tos)).encode() + envelope.content)
        while kind == 'wait' and not os.path.exists(folder + '/go'):
            await asyncio.sleep(0.05)
        if kind == 'killer':
            kill()
            await asyncio.sleep(1)
        return '250 OK'


class Requests(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        keep('request', json.dumps({'path': self.path, 'headers': dict(self.headers), 'body': body.decode()}).encode())
        code = {'/busy': 503, '/bad': 400, '/redirect': 302}.get(self.path, 200)
        self.send_response(code)
        if code == 302:
            self.send_header('Location', '/elsewhere')
        self.send_header('Content-Length', '0')
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *args):
        pass


def main():
    more = {}
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
        more = {'tls_context': context}
    smtp = Controller(Handler(), hostname='127.0.0.1', port=0, **more)
    # the controller wants to know its port before it connects to it: one that is free
    import socket
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        smtp.port = probe.getsockname()[1]
    smtp.start()
    web = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Requests)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    print('smtp %d http %d' % (smtp.port, web.server_port), flush=True)
    sys.stdin.read()
    smtp.stop()


main()
