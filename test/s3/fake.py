#!/usr/bin/python3
"""A stand-in for S3 and the metadata services that misbehaves on demand: fake.py DIR [--tls CERTIFICATE KEY]
[--forward PORT]

With --tls it speaks TLS; with --forward it is only a relay to another server's port (so TLS in front of a real one).
Writes its port to DIR/port when it listens, and a line per request to DIR/log: time, method, path, status.  Checks no
signatures.  What it does follows from the bucket or the first part of the key; a number is how often it does it before it
behaves (counted for each path):

  /any/503-N/SIZE          503 SlowDown                     /any/after-S/SIZE       503 with Retry-After: S, once
  /any/cut-N/SIZE          half of what is left, then end   /any/reset-N/SIZE       the same, then a reset
  /any/mute-N/SIZE         closes without an answer         /any/stall/SIZE         half, then nothing
  /any/hang/SIZE           nothing at all                   /any/nolength/SIZE      no Content-Length
  /any/chunked/SIZE        chunked                          /any/norange/SIZE       cut once, then ignores Range
  /any/swap/SIZE           cut once, then another ETag      /any/noifmatch/SIZE     ignores If-Match
  /any/overlong/SIZE       more than Content-Length         /any/ok/SIZE            behaves
  /any/slow/SIZE           in pieces, slowly                /any/drip-N/SIZE       N bytes a second
  list of bucket: whoami (one object named for the access key and session token), garbage, bomb, endless, huge, html,
    redirect, echo (repeats all headers in its message), skew, plainkeys, closed (403 without a body), manyN (N objects),
    drip (2 bytes a second), hang (no answer), abab (two pages, again and again), shuffled (the same, in another order each time), sliding (each
    page begins with all keys of the last but one), unending, unending-1, … (new keys for ever), unordered (a list that is well but has no
    order), babble (403 with a body that doesn't end), headers (an answer whose headers don't end), pagesN (N objects in
    pages of 1,000)
  bucket expired           ExpiredToken for every access key but those that begin with FRESH
  bucket nomulti           refuses ?delete, counts DELETEs  bucket badmulti         one key's delete is denied
  PUT to bucket full       500 InternalError                PUT to bucket flaky     once 500, then stored (and forgotten)
  bucket shelf             keeps what is PUT there, lists it, and gives it back: well, or by the first part of the key as
                           above, or /shelf/overwritten/..., which changes at the first GET (each view becomes a cart), or
                          /shelf/gone/..., which is deleted by it, or /shelf/spoilt/..., one bit of which is wrong until the
                          control value spoil is 0; with the control value refuse every request gets that
                          code: a key that is wrong, a bucket that went away; with slow_list a list of all of it
                          takes so many seconds; with refuse_reads only GETs of objects get that code, with status 404
                          (router: a 404 of no S3 service) and the words of refuse_words; keys with no-etag are listed with what etag_form is instead; more_items is XML that ends the list; what is below
                          transcoded/ is unpacked on the way, unless the client takes gzip; refuse_puts: PUTs get that code;
                          lock: as with Object Lock, those to archive/ need a checksum, which is compared; no_uploads: the list of unfinished
                          uploads is not known (501), or, with the value list, taken for one of objects
  bucket tlsport           says that it speaks TLS, in clear

  DIR/headers has a line of JSON for each request that writes or says who pays: method, path, headers

  PUT /control/NAME        sets a value: access_key, secret_key, token, expires_in (seconds), role_status, token_status
  GET /control/NAME        a value, or the number of requests under way, running, and at the most: max_running

The content of an object of SIZE bytes is the sequence of i % 251.
"""
import argparse
import base64
import datetime
import gzip
import hashlib
import http.server
import json
import os
import re
import socket
import socketserver
import ssl
import struct
import threading
import time
import urllib.parse

LOCK = threading.Lock()
COUNTS = {}
CONTROL = {'access_key': 'ROLEKEY', 'secret_key': 'rolesecret', 'token': 'roletoken', 'expires_in': '3600',
           'role_status': '200', 'token_status': '200', 'imds_token': 'imds-token-1', 'authorization': '', 'etag_form': ''}
RUNNING = {'now': 0, 'max': 0}
SHELF = {}
PATTERN = bytes(range(251)) * 4200
LOG = None
ARGS = None

ERROR = '<?xml version="1.0"?><Error><Code>%s</Code><Message>%s</Message>%s<RequestId>REQ1</RequestId></Error>'
LIST = ('<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">%s<IsTruncated>%s'
        '</IsTruncated>%s</ListBucketResult>')
ITEM_OF = ('<Contents><Key>%s</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>&quot;%s&quot;</ETag>'
           '<Size>%d</Size></Contents>')
ITEM = ITEM_OF.replace('&quot;%s', '&quot;abc')
BOMB = ('<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">'
        + ''.join('<!ENTITY %s "%s">' % (chr(98 + i), ('&%s;' % chr(97 + i)) * 10) for i in range(9))
        + ']><ListBucketResult><Contents><Key>&j;</Key></Contents></ListBucketResult>')


def content(first, last):
    start = first % 251
    need = last - first
    repeated = PATTERN * ((start + need) // len(PATTERN) + 1)
    return memoryview(repeated)[start:start + need]


def etag_of(body):
    return hashlib.md5(body).hexdigest()


def shelf_item(key, body):
    item = ITEM_OF % (key, etag_of(body), len(body))
    return re.sub('<ETag>.*</ETag>', CONTROL['etag_form'], item) if 'no-etag' in key else item


def count(key):
    with LOCK:
        COUNTS[key] = COUNTS.get(key, 0) + 1
        return COUNTS[key]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def log_request(self, code='-', size='-'):
        with LOCK:
            LOG.write('%.3f %s %s %s\n' % (time.time(), self.command, self.path, code))
            LOG.flush()

    def answer(self, status, body='', headers=()):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body)

    def error(self, status, code, message='no', more='', headers=()):
        self.answer(status, ERROR % (code, message, more), headers)

    def hang_up(self, reset=False):
        self.close_connection = True
        self.wfile.flush()
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        else:
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()

    def access_key(self):
        found = re.search(r'Credential=([^/]*)/', self.headers.get('Authorization', ''))
        return found.group(1) if found else 'none'

    def handle_any(self):
        length = int(self.headers.get('Content-Length') or 0)
        self.body = self.rfile.read(length)
        if not self.path.startswith('/control/') and (self.command != 'GET' or 'x-amz-request-payer' in self.headers):
            with LOCK, open(ARGS.dir + '/headers', 'a') as f:
                f.write(json.dumps([self.command, self.path, {k.lower(): v for k, v in self.headers.items()}]) + '\n')
        with LOCK:
            RUNNING['now'] += 1
            RUNNING['max'] = max(RUNNING['max'], RUNNING['now'])
        try:
            self.dispatch()
        finally:
            with LOCK:
                RUNNING['now'] -= 1

    do_GET = do_PUT = do_POST = do_DELETE = handle_any

    def dispatch(self):
        url = urllib.parse.urlsplit(self.path)
        self.query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
        parts = urllib.parse.unquote(url.path).split('/')[1:]
        if parts[0] == 'control':
            return self.control(parts[1])
        if parts[0] == 'latest':
            return self.instance_metadata('/'.join(parts))
        if parts[0] == 'container':
            return self.container_metadata()
        # Virtual-hosted style: bucket.localhost.
        host = self.headers.get('Host', '')
        if '.localhost' in host:
            parts.insert(0, host.split('.')[0])
        bucket, key = parts[0], '/'.join(parts[1:])
        if bucket == 'expired' and not self.access_key().startswith('FRESH'):
            return self.error(400, 'ExpiredToken', 'The provided token has expired.')
        if bucket == 'shelf':
            return self.shelf(key)
        if self.command == 'GET' and key == '':
            return self.list(bucket)
        if self.command == 'GET':
            return self.get(key)
        return self.change(bucket, key)

    def control(self, name):
        if self.command == 'PUT':
            CONTROL[name] = self.body.decode()
            self.answer(200)
        elif name in ('max_running', 'running'):
            self.answer(200, str(RUNNING['max' if name == 'max_running' else 'now']))
        else:
            self.answer(200, CONTROL.get(name, ''))

    def role_credentials(self):
        expires = datetime.datetime.utcnow() + datetime.timedelta(seconds=int(CONTROL['expires_in']))
        self.answer(200, json.dumps({
            'Code': 'Success', 'Type': 'AWS-HMAC', 'Nested': {'AccessKeyId': 'WRONG', 'list': [1, '}', {}]},
            'AccessKeyId': CONTROL['access_key'], 'SecretAccessKey': CONTROL['secret_key'],
            'Token': CONTROL['token'], 'Expiration': expires.strftime('%Y-%m-%dT%H:%M:%SZ')}))

    def instance_metadata(self, path):
        if path == 'latest/api/token':
            if self.command != 'PUT' or not self.headers.get('X-aws-ec2-metadata-token-ttl-seconds'):
                return self.answer(405)
            return self.answer(int(CONTROL['token_status']), CONTROL['imds_token'])
        if self.headers.get('X-aws-ec2-metadata-token') != CONTROL['imds_token']:
            return self.answer(401)
        if CONTROL['role_status'] != '200':
            return self.answer(int(CONTROL['role_status']), 'x')
        if path == 'latest/meta-data/iam/security-credentials/':
            return self.answer(200, 'my role')
        if path == 'latest/meta-data/iam/security-credentials/my role':
            return self.role_credentials()
        return self.answer(404)

    def container_metadata(self):
        if CONTROL['role_status'] != '200':
            return self.answer(int(CONTROL['role_status']), 'x')
        if self.headers.get('Authorization', '') != CONTROL['authorization']:
            return self.answer(403)
        return self.role_credentials()

    def list(self, bucket):
        if bucket == 'garbage':
            return self.answer(200, '<ListBucketResult><Contents></ListBucketResult>')
        if bucket == 'html':
            return self.answer(200, '<html><body>Welcome</body></html>')
        if bucket == 'bomb':
            return self.answer(200, BOMB)
        if bucket == 'endless':
            return self.answer(200, LIST % ('', 'true', '<NextContinuationToken>same</NextContinuationToken>'))
        if bucket == 'huge':
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            self.wfile.write(b'<ListBucketResult>')
            try:
                for _ in range(100000):
                    self.wfile.write(b'<x>' + b'y' * 8192 + b'</x>')
            except OSError:
                pass
            return None
        if bucket == 'redirect':
            return self.error(301, 'PermanentRedirect', 'Use another endpoint.',
                              '<Endpoint>redirect.s3.eu-west-9.example</Endpoint>',
                              [('x-amz-bucket-region', 'eu-west-9')])
        if bucket == 'echo':
            return self.error(403, 'AccessDenied', ' '.join('%s: %s' % h for h in self.headers.items())
                              + ' secret: verysecret token: verytoken')
        if bucket == 'skew':
            return self.error(403, 'RequestTimeTooSkewed', 'The difference is too large.',
                              headers=[('Date', 'Tue, 15 Nov 1994 08:12:31 GMT')])
        if bucket == 'tlsport':
            return self.answer(400, 'Client sent an HTTP request to an HTTPS server.\n')
        if bucket == 'closed':
            return self.answer(403)
        if bucket == 'plainkeys':
            return self.answer(200, LIST % (ITEM % ('a%20b+c', 5) + ITEM % ('folder/', 0), 'false', ''))
        if bucket == 'whoami':
            name = self.access_key() + '.' + self.headers.get('x-amz-security-token', 'notoken')
            region = re.search(r'Credential=[^/]*/\d+/([^/]*)/', self.headers.get('Authorization', ''))
            name += '.' + (region.group(1) if region else 'unsigned') + '.' + self.headers.get('Host', '').split(':')[0]
            return self.answer(200, LIST % (ITEM % (name, 1), 'false', ''))
        if bucket == 'hang':
            time.sleep(600)
            return self.hang_up()
        if bucket in ('drip', 'babble', 'headers'):
            return self.trickle(bucket)
        if bucket in ('abab', 'shuffled', 'sliding', 'unordered') or re.match(r'pages\d+$|unending(-\d+)?$', bucket):
            return self.list_page(bucket, int(self.query.get('continuation-token', ['0'])[0]))
        many = re.match(r'many(\d*)$', bucket)
        count = int(many.group(1) or 40) if many else 0
        items = ''.join(ITEM % ('ok/%d' % (100000 + i), 100000 + i) for i in range(count))
        return self.answer(200, LIST % (items, 'false', ''))

    def trickle(self, bucket):
        self.send_response(200 if bucket == 'drip' else 403)
        self.close_connection = True
        try:
            while bucket == 'headers':
                self.send_header('x-more', 'y' * 8000)
                self.flush_headers()
            self.end_headers()
            while True:
                self.wfile.write(b'<' if bucket == 'drip' else b'<Error>' + b'y' * 8192)
                self.wfile.flush()
                time.sleep(0.5 if bucket == 'drip' else 0)
        except OSError:
            pass

    def list_page(self, bucket, page):
        last = False
        if bucket == 'abab':
            numbers = range(page % 2 * 10, page % 2 * 10 + 10)
        elif bucket == 'shuffled':
            numbers = [page % 2 * 10 + (i + page) % 10 for i in range(10)]
        elif bucket == 'sliding':
            numbers = range(page, page + 1000)
        elif bucket == 'unordered':
            numbers = [(i * 7919) % 5000 for i in range(page * 1000, page * 1000 + 1000)]
            last = page == 4
        elif bucket.startswith('unending'):
            numbers = range(page * 1000, page * 1000 + 1000)
        else:
            total = int(bucket[5:])
            after = self.query.get('start-after', ['k'])[0]
            begin = max(page * 1000, int(after[1:] or -1) + 1)
            numbers = range(begin, min(begin + 1000, total))
            page, last = begin // 1000, begin + 1000 >= total
        more = '' if last else '<NextContinuationToken>%d</NextContinuationToken>' % (page + 1)
        return self.answer(200, LIST % (''.join(ITEM % ('k%09d' % i, 1) for i in numbers), 'false' if last else 'true', more))

    def shelf(self, key):
        if 'delete' in self.query:
            for gone in re.findall(r'<Key>(.*?)</Key>', self.body.decode()):
                SHELF.pop(gone, None)
            return self.answer(200, '<DeleteResult/>')
        if self.command == 'DELETE':
            SHELF.pop(key, None)
            return self.answer(204)
        if 'uploads' in self.query and CONTROL.get('no_uploads') != 'list':
            if CONTROL.get('no_uploads'):
                return self.error(501, 'NotImplemented', 'A header you provided implies functionality that is not implemented.')
            return self.answer(200, '<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>')
        if self.command == 'PUT':
            if CONTROL.get('refuse_puts'):
                return self.error(403, CONTROL['refuse_puts'])
            if CONTROL.get('lock') and key.startswith('archive/') and not self.has_checksum():
                return self.error(400, 'InvalidRequest', 'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object'
                                  ' requests with Object Lock parameters')
            SHELF[key] = self.body
            return self.answer(200, '', [('ETag', '"%s"' % etag_of(self.body))])
        if CONTROL.get('refuse'):
            status = {'NoSuchBucket': 404, 'XAdminUserNotFound': 404, 'SlowDown': 503, 'ThrottlingException': 400}.get(CONTROL['refuse'], 403)
            return self.error(status, CONTROL['refuse'])
        if key == '':
            first = self.query.get('start-after', [''])[0]
            prefix = self.query.get('prefix', [''])[0]
            if not first:
                time.sleep(float(CONTROL.get('slow_list') or 0))
            return self.answer(200, LIST % (''.join(
                shelf_item(k, v) for k, v in sorted(SHELF.items()) if k.startswith(prefix) and k > first)
                + (CONTROL.get('more_items') or ''), 'false', ''))
        if CONTROL.get('refuse_reads') == 'router':
            return self.answer(404, '404 page not found\n')
        if CONTROL.get('refuse_reads'):
            return self.error(404, CONTROL['refuse_reads'], CONTROL.get('refuse_words') or 'no')
        if key.startswith('overwritten/') and count('before ' + key) == 1:
            SHELF[key] = SHELF[key].replace(b'view', b'cart')
        if key.startswith('gone/'):
            SHELF.pop(key, None)
        if key not in SHELF:
            return self.error(404, 'NoSuchKey', 'The specified key does not exist.')
        stored = SHELF[key]
        if key.startswith('spoilt/') and CONTROL.get('spoil') != '0':
            middle = len(stored) // 2
            stored = stored[:middle] + bytes([stored[middle] ^ 1]) + stored[middle + 1:]
        return self.get(key, stored)

    def has_checksum(self):
        return self.headers.get('Content-MD5') == base64.b64encode(hashlib.md5(self.body).digest()).decode()

    def get(self, key, stored=None):
        kind, _, size = key.partition('/')
        kind, _, number = kind.partition('-')
        size = int(size or 0) if stored is None else len(stored)
        number = int(number) if number.isdigit() else 1
        n = count(key)
        if kind == '503' and n <= number:
            return self.error(503, 'SlowDown', 'Please reduce your request rate.')
        if kind == 'after' and n == 1:
            return self.error(503, 'SlowDown', 'Later.', headers=[('Retry-After', str(number))])
        if kind == 'mute' and n <= number:
            self.log_request('mute')
            return self.hang_up()
        if kind == 'hang':
            self.log_request('hang')
            time.sleep(600)
            return self.hang_up()
        if kind == 'nolength':
            self.send_response(200)
            self.send_header('ETag', '"abc"')
            self.end_headers()
            self.wfile.write(content(0, size))
            return self.hang_up()
        etag = 'other' if kind == 'swap' and n > 1 else 'abc' if stored is None else etag_of(stored)
        wanted = self.headers.get('If-Match', '').strip('"')
        if wanted and wanted != etag and kind not in ('noifmatch', 'swap'):
            return self.error(412, 'PreconditionFailed')
        return self.send_object(kind, n, number, size, etag, stored)

    def transcode(self, kind, etag, stored):
        takes = 'gzip' in self.headers.get('Accept-Encoding', '')
        body = gzip.decompress(stored) if kind == 'transcoded' and not takes else stored
        body = gzip.compress(stored) if kind == 'packed' and takes else body
        self.send_response(200)
        self.send_header('ETag', ('W/' if kind == 'packed' else '') + '"%s"' % etag)
        if takes:
            self.send_header('Content-Encoding', 'gzip')
        self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        self.wfile.write(b'%x\r\n%s\r\n0\r\n\r\n' % (len(body), body))
        return None

    def send_object(self, kind, n, number, size, etag, stored):
        first = 0
        if kind in ('transcoded', 'packed'):
            return self.transcode(kind, etag, stored)
        found = re.match(r'bytes=(\d+)-$', self.headers.get('Range', ''))
        if found and not (kind == 'norange' and n > 1):
            first = int(found.group(1))
            if first >= size:
                return self.error(416, 'InvalidRange')
        self.send_response(206 if found and not (kind == 'norange' and n > 1) else 200)
        self.send_header('ETag', '"%s"' % etag)
        if found and first:
            self.send_header('Content-Range', 'bytes %d-%d/%d' % (first, size - 1, size))
        if kind == 'chunked':
            self.send_header('Transfer-Encoding', 'chunked')
        else:
            self.send_header('Content-Length', str(size - first))
        self.end_headers()
        body = content(first, size) if stored is None else stored[first:]
        if kind in ('cut', 'reset') and n <= number or kind in ('norange', 'swap') and n == 1:
            self.wfile.write(body[:len(body) // 2])
            return self.hang_up(kind == 'reset')
        if kind == 'stall':
            self.wfile.write(body[:len(body) // 2])
            self.wfile.flush()
            time.sleep(600)
            return self.hang_up()
        if kind == 'chunked':
            for i in range(0, len(body), 10000):
                piece = body[i:i + 10000]
                self.wfile.write(b'%x\r\n' % len(piece) + piece + b'\r\n')
            self.wfile.write(b'0\r\n\r\n')
            return None
        if kind == 'drip':
            for i in range(len(body)):
                self.wfile.write(body[i:i + 1])
                self.wfile.flush()
                time.sleep(1 / number)
            return None
        if kind == 'slow':
            for i in range(0, len(body), 10000):
                self.wfile.write(body[i:i + 10000])
                time.sleep(0.05)
            return None
        self.wfile.write(body)
        if kind == 'overlong':
            self.wfile.write(b'x' * 1000)
            return self.hang_up()
        return None

    def change(self, bucket, key):
        if bucket == 'nomulti' and 'delete' in self.query:
            return self.error(501, 'NotImplemented')
        if bucket == 'badmulti' and 'delete' in self.query:
            return self.answer(200, '<DeleteResult><Error><Key>b</Key><Code>AccessDenied</Code><Message>No.</Message>'
                               '</Error></DeleteResult>')
        if 'delete' in self.query:
            with LOCK:
                CONTROL['deleted'] = str(int(CONTROL.get('deleted', '0')) + self.body.count(b'<Key>'))
            return self.answer(200, '<DeleteResult/>')
        if self.command == 'PUT' and (bucket == 'full' or bucket == 'flaky' and count(self.path) == 1):
            return self.error(500, 'InternalError', 'We encountered an internal error.')
        if self.command == 'DELETE':
            return self.answer(204)
        if 'uploads' in self.query:
            return self.answer(200, '<InitiateMultipartUploadResult><UploadId>up1</UploadId>'
                               '</InitiateMultipartUploadResult>')
        if 'uploadId' in self.query and self.command == 'POST':
            return self.answer(200, ERROR % ('InternalError', 'late', ''))
        return self.answer(200, '', [('ETag', '"new"')])


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    tls = None

    def get_request(self):
        connection, address = super().get_request()
        # The handshake is made in the thread of the connection, by its first read.
        if self.tls:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request, address):
        pass


class Relay(socketserver.BaseRequestHandler):
    """Bytes to and fro, until one side closes."""

    def handle(self):
        target = socket.create_connection(('127.0.0.1', self.server.target))
        back = threading.Thread(target=self.copy, args=(target, self.request), daemon=True)
        back.start()
        self.copy(self.request, target)
        back.join()

    @staticmethod
    def copy(source, target):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                target.sendall(data)
        except OSError:
            pass
        try:
            target.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def main():
    global LOG, ARGS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('dir')
    parser.add_argument('--tls', nargs=2, metavar=('CERTIFICATE', 'KEY'))
    parser.add_argument('--forward', type=int, metavar='PORT')
    args = ARGS = parser.parse_args()
    LOG = open(args.dir + '/log', 'a')
    server = Server(('127.0.0.1', 0), Relay if args.forward else Handler)
    server.target = args.forward
    if args.tls:
        server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.tls.load_cert_chain(*args.tls)
    with open(args.dir + '/port.tmp', 'w') as f:
        f.write('%d\n' % server.server_address[1])
    os.rename(args.dir + '/port.tmp', args.dir + '/port')
    server.serve_forever()


if __name__ == '__main__':
    main()
