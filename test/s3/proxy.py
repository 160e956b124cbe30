#!/usr/bin/python3
"""A proxy between Sellometer and an S3 server that does harm on demand: proxy.py DIR PORT [--seed N]
[--tls CERTIFICATE KEY] [--wrong-tls CERTIFICATE KEY]

PORT is the server's, on 127.0.0.1.  Requests go there byte for byte, the Host header too: the client has signed it, so a
server that checks signatures still finds them right.  Answers come back changed, if at all.  With --tls clients speak TLS.

Writes its port to DIR/port and that of its control to DIR/control when it listens, and a line per request to DIR/log: time,
method, path, status, fault.

  PUT /faults              a JSON list of {"fault": NAME, "on": "list"|"get"|"any", "share": 0..1, "prefix": BUCKET/KEY};
                           of these on defaults to any, share to 1, prefix to all.  They take the place of what was before.
  GET /counts              {"fault": times done, ..., "requests": n}

Whether a fault strikes follows from the seed, which is printed, and the number of the request.

  latency      half a second more            reset        half of the answer, then a reset
  half         half of the answer, then end  longer       Content-Length says more than comes
  shorter      Content-Length says half, and half comes
  429 500 503  with that status              429-after 503-after   also with Retry-After: 1
  stall        half of the answer, then nothing while the fault is on
  drip         ten bytes of it a second, likewise, and then the rest
  hang         nothing at all, likewise      mute         closes without an answer
  refuse       resets each connection        garbage      what is no XML instead of a list
  endless      a list that says "go on" with the same keys for ever, its tokens all new
  circle       the same with the same token  twice        each key stands twice in the list
  lag          a key is not listed for up to two seconds, each for another time
  skew         RequestTimeTooSkewed          expired      ExpiredToken
  denied       AccessDenied                  redirect     PermanentRedirect
  tls          no handshake                  certificate  one that nobody trusts (--wrong-tls)
"""
import argparse
import http.server
import json
import os
import random
import re
import select
import socket
import ssl
import struct
import threading
import time
import urllib.parse
import zlib

ERROR = '<?xml version="1.0"?><Error><Code>%s</Code><Message>%s</Message>%s<RequestId>PROXY1</RequestId></Error>'
REFUSALS = {
    'skew': (403, 'RequestTimeTooSkewed', '', 'Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n'),
    'expired': (400, 'ExpiredToken', '', ''),
    'denied': (403, 'AccessDenied', '', ''),
    'redirect': (301, 'PermanentRedirect', '<Endpoint>s3.eu-west-9.example</Endpoint>',
                 'x-amz-bucket-region: eu-west-9\r\n'),
    '429': (429, 'SlowDown', '', ''), '429-after': (429, 'SlowDown', '', 'Retry-After: 1\r\n'),
    '500': (500, 'InternalError', '', ''),
    '503': (503, 'SlowDown', '', ''), '503-after': (503, 'SlowDown', '', 'Retry-After: 1\r\n'),
}
CONNECTION_FAULTS = ('refuse', 'tls', 'certificate')
LIST_FAULTS = ('garbage', 'endless', 'circle', 'twice', 'lag')
NAMES = ('latency', 'reset', 'half', 'longer', 'shorter', 'stall', 'drip', 'hang', 'mute', *REFUSALS, *CONNECTION_FAULTS,
         *LIST_FAULTS)
MAX_LAG = 2.0


def where_of(path):
    """BUCKET/KEY, or of a list BUCKET/PREFIX."""
    parts = urllib.parse.urlsplit(path)
    prefix = urllib.parse.parse_qs(parts.query).get('prefix', [''])[0]
    return urllib.parse.unquote(parts.path).strip('/') + ('/' + prefix if prefix else '')


class Gone(Exception):
    """One side closed the connection, or it is to be closed."""


class State:
    def __init__(self, seed, log):
        self.lock = threading.Lock()
        self.seed = seed
        self.log = log
        self.faults = []
        self.generation = 0
        self.requests = 0
        self.counts = {}
        self.first_seen = {}        # key -> when it was first in a list
        self.pages = {}             # where -> a list's page that is given again and again

    def set(self, faults):
        for fault in faults:
            if fault['fault'] not in NAMES:
                raise ValueError('no fault has the name "%s"' % fault['fault'])
        with self.lock:
            self.faults = faults
            self.generation += 1

    def done(self, name):
        with self.lock:
            self.counts[name] = self.counts.get(name, 0) + 1

    def is_on(self, name):
        with self.lock:
            return any(f['fault'] == name for f in self.faults)

    def for_connection(self):
        """A fault that strikes a connection before its first request."""
        with self.lock:
            n = self.requests
            for fault in self.faults:
                if fault['fault'] in CONNECTION_FAULTS and self.strikes(fault, n):
                    self.requests += 1
                    return fault['fault']
        return None

    def for_request(self, is_list, where):
        with self.lock:
            self.requests += 1
            for fault in self.faults:
                on = 'list' if fault['fault'] in LIST_FAULTS else fault.get('on', 'any')
                if (fault['fault'] not in CONNECTION_FAULTS and on in ('any', 'list' if is_list else 'get')
                        and where.startswith(fault.get('prefix', '')) and self.strikes(fault, self.requests)):
                    return fault['fault']
        return None

    def strikes(self, fault, number):
        return random.Random('%d %s %d' % (self.seed, fault['fault'], number)).random() < fault.get('share', 1)

    def note(self, method, path, status, fault):
        with self.lock:
            self.log.write('%.3f %s %s %s %s\n' % (time.time(), method, path, status, fault or '-'))
            self.log.flush()


class Reader:
    """Bytes of a connection, as HTTP/1.1 messages."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b''

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise Gone()
        self.buffer += data

    def take(self, n):
        taken, self.buffer = self.buffer[:n], self.buffer[n:]
        return taken

    def head(self):
        while b'\r\n\r\n' not in self.buffer:
            self.more()
        return self.take(self.buffer.index(b'\r\n\r\n') + 4)

    def exactly(self, n):
        while len(self.buffer) < n:
            self.more()
        return self.take(n)

    def line(self):
        while b'\r\n' not in self.buffer:
            self.more()
        return self.take(self.buffer.index(b'\r\n') + 2)

    def body(self, head, none_without_length):
        """Whole, without the framing of chunks."""
        if re.search(rb'(?im)^transfer-encoding:\s*chunked', head):
            body = b''
            while True:
                size = int(self.line().split(b';')[0], 16)
                body += self.exactly(size)
                self.line()
                if size == 0:
                    return body
        found = re.search(rb'(?im)^content-length:\s*(\d+)', head)
        if found:
            return self.exactly(int(found.group(1)))
        if none_without_length:
            return b''
        try:
            while True:
                self.more()
        except Gone:
            return self.take(len(self.buffer))


class Client:
    """One connection of a client."""

    def __init__(self, state, sock, port):
        self.state = state
        self.sock = sock
        self.port = port
        self.upstream = None
        self.generation = state.generation

    def serve(self):
        reader = Reader(self.sock)
        try:
            while True:
                self.wait_for_request()
                head = reader.head()
                if re.search(rb'(?im)^expect:\s*100-continue', head):
                    self.sock.sendall(b'HTTP/1.1 100 Continue\r\n\r\n')
                self.answer(head, reader.body(head, True))
        except (Gone, OSError, ValueError):
            pass
        finally:
            for sock in (self.sock, self.upstream):
                try:
                    if sock is not None:
                        sock.close()
                except OSError:
                    pass

    def wait_for_request(self):
        """A connection that is kept open outlives no change of the faults: the next one may be refused."""
        while not (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
            if select.select([self.sock], [], [], 0.1)[0]:
                break
            if self.generation != self.state.generation:
                raise Gone()
        if self.generation != self.state.generation:
            raise Gone()

    def ask(self, head, body):
        """The server's answer: head and body."""
        # "100 Continue" was said already.
        head = re.sub(rb'(?im)^expect:[^\r\n]*\r\n', b'', head)
        for attempt in (1, 2):
            fresh = self.upstream is None
            if fresh:
                self.upstream = socket.create_connection(('127.0.0.1', self.port))
            try:
                self.upstream.sendall(head + body)
                reader = Reader(self.upstream)
                answer = reader.head()
                none = head.startswith(b'HEAD') or re.match(rb'HTTP/1.\d (204|304)', answer)
                whole = b'' if none else reader.body(answer, False)
                if re.search(rb'(?im)^connection:\s*close', answer):
                    self.upstream.close()
                    self.upstream = None
                return answer, whole
            except (Gone, OSError):
                # an idle connection that the server has closed meanwhile
                self.upstream.close()
                self.upstream = None
                if fresh or attempt == 2:
                    raise
        raise Gone()

    def answer(self, head, body):
        method, path = head.split(b' ')[0].decode(), head.split(b' ')[1].decode()
        is_list = method == 'GET' and 'list-type=2' in path
        if method != 'GET':
            fault = None
        else:
            fault = self.state.for_request(is_list, where_of(path))
        if fault:
            self.state.done(fault)
        if fault in REFUSALS:
            status, code, more, header = REFUSALS[fault]
            self.state.note(method, path, status, fault)
            return self.refuse(status, code, more, header)
        if fault in ('hang', 'mute'):
            self.state.note(method, path, '-', fault)
            self.wait_while(fault)
            raise Gone()
        if fault == 'latency':
            time.sleep(0.5)
        with self.state.lock:
            answer, whole = self.state.pages.get(where_of(path), (None, None))
        if 'continuation-token=proxy' not in path or answer is None:
            answer, whole = self.ask(head, body)
        self.state.note(method, path, answer.split(b' ')[1].decode(), fault)
        if fault in ('endless', 'circle'):
            with self.state.lock:
                self.state.pages[where_of(path)] = (answer, whole)
        if fault in LIST_FAULTS and answer.startswith(b'HTTP/1.1 200'):
            whole = getattr(self, 'list_' + fault)(whole)
        return self.send(fault, answer, whole)

    def wait_while(self, fault):
        while fault == 'hang' and self.state.is_on(fault):
            time.sleep(0.02)

    def refuse(self, status, code, more, header):
        body = (ERROR % (code, 'Not now.', more)).encode()
        self.sock.sendall(('HTTP/1.1 %d No\r\n%sContent-Length: %d\r\n\r\n' % (status, header, len(body))).encode() + body)

    def send(self, fault, answer, whole):
        """The answer, with a Content-Length; broken by the fault."""
        length = {'longer': len(whole) + 1000, 'shorter': len(whole) // 2}.get(fault, len(whole))
        lines = [line for line in answer[:-4].split(b'\r\n')
                 if not re.match(rb'(?i)(content-length|transfer-encoding):', line)]
        self.sock.sendall(b'\r\n'.join(lines) + b'\r\nContent-Length: %d\r\n\r\n' % length)
        if fault == 'drip':
            whole = self.drip(whole)
        if fault not in ('reset', 'half', 'stall', 'longer', 'shorter'):
            self.sock.sendall(whole)
            if re.search(rb'(?im)^connection:\s*close', answer):
                raise Gone()
            return
        self.sock.sendall(whole if fault == 'longer' else whole[:len(whole) // 2])
        while fault == 'stall' and self.state.is_on(fault):
            time.sleep(0.02)
        if fault == 'reset':
            reset(self.sock)
        if fault != 'shorter':
            raise Gone()

    def drip(self, whole):
        """Sends some of it; returns the rest."""
        while len(whole) > 0 and self.state.is_on('drip'):
            self.sock.sendall(whole[:1])
            whole = whole[1:]
            time.sleep(0.1)
        return whole

    # --- lists ---

    @staticmethod
    def list_garbage(whole):
        return b'<?xml version="1.0"?><ListBucketResult><Contents><Key>a</Contents></ListBucketResult>\xff'

    def list_endless(self, whole):
        return self.go_on(whole, 'proxy%d' % self.state.requests)

    def list_circle(self, whole):
        return self.go_on(whole, 'proxy')

    @staticmethod
    def go_on(whole, token):
        whole = re.sub(rb'<(NextContinuationToken|IsTruncated)>.*?</\1>', b'', whole)
        more = '<IsTruncated>true</IsTruncated><NextContinuationToken>%s</NextContinuationToken>' % token
        return whole.replace(b'</ListBucketResult>', more.encode() + b'</ListBucketResult>')

    @staticmethod
    def list_twice(whole):
        return re.sub(rb'(?s)(<Contents>.*?</Contents>)', rb'\1\1', whole)

    def list_lag(self, whole):
        now = time.time()

        def late(found):
            key = re.search(rb'<Key>(.*?)</Key>', found.group(0)).group(1)
            with self.state.lock:
                first = self.state.first_seen.setdefault(key, now)
            wait = MAX_LAG * (zlib.crc32(key + b'%d' % self.state.seed) % 1000) / 1000
            return found.group(0) if now - first >= wait else b''
        return re.sub(rb'(?s)<Contents>.*?</Contents>', late, whole)


def reset(sock):
    raw = sock
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    raw.close()


def serve_connection(state, sock, port, contexts):
    fault = state.for_connection()
    try:
        if fault is not None:
            state.done(fault)
            state.note('-', '-', '-', fault)
        if fault == 'refuse':
            return reset(sock)
        if fault == 'tls':
            # As a server of plain HTTP does: it answers what it has read. Else the client may see a connection refused.
            sock.recv(65536)
            sock.sendall(b'HTTP/1.1 400 This is no TLS\r\n\r\n')
            return sock.close()
        context = contexts['certificate' if fault == 'certificate' else 'right']
        if context is not None:
            sock = context.wrap_socket(sock, server_side=True)
        return Client(state, sock, port).serve()
    except OSError:
        sock.close()


def listen():
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(('127.0.0.1', 0))
    server.listen(128)
    return server


def control_server(state):
    class Control(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def reply(self, status, text):
            self.send_response(status)
            self.send_header('Content-Length', str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def do_PUT(self):
            try:
                state.set(json.loads(self.rfile.read(int(self.headers['Content-Length']))))
            except (ValueError, KeyError) as problem:
                return self.reply(400, str(problem))
            return self.reply(200, '')

        def do_GET(self):
            with state.lock:
                text = json.dumps({**state.counts, 'requests': state.requests})
            self.reply(200, text)

    return http.server.ThreadingHTTPServer(('127.0.0.1', 0), Control)


def tls_context(files):
    if files is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


def write_file(path, text):
    with open(path + '.tmp', 'w') as f:
        f.write(text)
    os.rename(path + '.tmp', path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('dir')
    parser.add_argument('port', type=int)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--tls', nargs=2, metavar=('CERTIFICATE', 'KEY'))
    parser.add_argument('--wrong-tls', nargs=2, metavar=('CERTIFICATE', 'KEY'))
    args = parser.parse_args()
    contexts = {'right': tls_context(args.tls), 'certificate': tls_context(args.wrong_tls or args.tls)}
    state = State(args.seed, open(args.dir + '/log', 'a'))
    print('seed %d' % args.seed, flush=True)
    control = control_server(state)
    threading.Thread(target=control.serve_forever, daemon=True).start()
    server = listen()
    write_file(args.dir + '/control', '%d\n' % control.server_address[1])
    write_file(args.dir + '/port', '%d\n' % server.getsockname()[1])
    while True:
        sock, _ = server.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve_connection, args=(state, sock, args.port, contexts), daemon=True).start()


if __name__ == '__main__':
    main()
