#!/usr/bin/python3
"""A stand-in for AWS's STS that checks what it is asked: sts.py DIR

Writes its port to DIR/port when it listens, and to DIR/log a line per request in JSON: its parameters (a web identity token's own is
hashed), who signed it, and what was answered.  It knows

  keys          SOURCEKEY, PROCKEY, ENVKEY, ROLEKEY ...: those of the control value keys, JSON of access key: [secret, token or null], and
                all that it has given out; each signature (version 4, service sts) is computed anew and compared, and must be recent and
                cover host, date and what is sent
  tokens        those of the control value tokens, a JSON list
  roles         arn:aws:iam::1:role/NAME, whose credentials are ASIA<NAME><n>, with n the number of the request, valid for the control
                value valid_for seconds; external_id: what must be sent; role "none" may be assumed by nobody

  PUT /control/NAME sets a value, GET gives one.  fail: JSON of [status, code], with the secrets of the request repeated in the words;
  garbage: an answer that is no XML; hang: none for so many seconds
"""
import datetime
import hashlib
import hmac
import http.server
import json
import os
import re
import sys
import threading
import time
import urllib.parse

LOCK = threading.Lock()
CONTROL = {'keys': '{}', 'tokens': '[]', 'valid_for': '3600', 'external_id': '', 'fail': '', 'garbage': '', 'hang': '0', 'count': '0'}
GIVEN = {}
LOG = None

ERROR = ('<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code>'
         '<Message>%s</Message></Error><RequestId>R</RequestId></ErrorResponse>')
ANSWER = ('<%(a)sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%(a)sResult><Credentials><AccessKeyId>%(key)s</AccessKeyId>'
          '<SecretAccessKey>%(secret)s</SecretAccessKey><SessionToken>%(token)s</SessionToken><Expiration>%(end)s</Expiration></Credentials>'
          '</%(a)sResult></%(a)sResponse>')


class Refused(Exception):
    """status, code, words."""


def sign(key, *parts):
    for part in parts:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def answer(self, status, body=''):
        self.send_response(status)
        self.send_header('Content-Length', str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_PUT(self):
        CONTROL[self.path.split('/')[2]] = self.rfile.read(int(self.headers.get('Content-Length') or 0)).decode()
        self.answer(200)

    def do_GET(self):
        self.answer(200, CONTROL.get(self.path.split('/')[2], ''))

    def do_POST(self):
        self.body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        self.asked = dict(urllib.parse.parse_qsl(self.body.decode(), strict_parsing=True))
        self.signer = None
        time.sleep(float(CONTROL['hang']))
        with LOCK:
            CONTROL['count'] = str(int(CONTROL['count']) + 1)
            try:
                status, body, said = 200, self.give(), 'OK'
            except Refused as refused:
                status, said, words = refused.args
                body = ERROR % (said, words)
            shown = {k: v if k != 'WebIdentityToken' else 'sha256:' + hashlib.sha256(v.encode()).hexdigest() for k, v in self.asked.items()}
            LOG.write(json.dumps({'asked': shown, 'signer': self.signer, 'path': self.path, 'answer': said}) + '\n')
            LOG.flush()
        self.answer(status, 'garbage' if CONTROL['garbage'] else body)

    def give(self):
        if self.path != '/' or self.headers.get('Content-Type') != 'application/x-www-form-urlencoded':
            raise Refused(400, 'MalformedInput', 'path or type')
        if self.asked.get('Version') != '2011-06-15':
            raise Refused(400, 'InvalidAction', 'version')
        if self.asked.get('Action') == 'AssumeRole':
            self.check_signature()
        elif self.asked.get('Action') == 'AssumeRoleWithWebIdentity':
            self.check_token()
        else:
            raise Refused(400, 'InvalidAction', 'action')
        if CONTROL['fail']:
            status, code = json.loads(CONTROL['fail'])
            secrets = [self.asked.get('WebIdentityToken', '')] + [s or '' for s in self.known().get(self.signer, [])]
            raise Refused(status, code, 'User is not allowed %s' % ' '.join(secrets))
        return self.role()

    @staticmethod
    def known():
        return {**json.loads(CONTROL['keys']), **GIVEN}

    def check_token(self):
        if 'Authorization' in self.headers:
            raise Refused(400, 'InvalidAction', 'such a request is not signed')
        if self.asked.get('WebIdentityToken') not in json.loads(CONTROL['tokens']):
            raise Refused(400, 'InvalidIdentityToken', 'No such token %s' % self.asked.get('WebIdentityToken'))

    def check_signature(self):
        form = re.match(r'AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/sts/aws4_request, ?SignedHeaders=([^,]+), ?'
                        r'Signature=([0-9a-f]{64})$', self.headers.get('Authorization', ''))
        if not form:
            raise Refused(403, 'MissingAuthenticationToken', 'not signed')
        key, date, region, names, signature = form.groups()
        if key not in self.known():
            raise Refused(403, 'InvalidClientTokenId', 'no such key')
        secret, token = self.known()[key]
        when = self.headers.get('x-amz-date', '')
        names = names.split(';')
        if self.headers.get('x-amz-security-token') != token or (token and 'x-amz-security-token' not in names):
            raise Refused(403, 'InvalidClientTokenId', 'the token is not that of the key')
        if not {'host', 'x-amz-date', 'content-type'} <= set(names) or when[:8] != date:
            raise Refused(403, 'IncompleteSignature', 'headers')
        age = datetime.datetime.utcnow() - datetime.datetime.strptime(when, '%Y%m%dT%H%M%SZ')
        if abs(age.total_seconds()) > 300:
            raise Refused(403, 'SignatureDoesNotMatch', 'too old')
        digest = hashlib.sha256(self.body).hexdigest()
        if self.headers.get('x-amz-content-sha256', digest) != digest:
            raise Refused(403, 'SignatureDoesNotMatch', 'the body is another')
        canonical = '\n'.join(['POST', '/', ''] + ['%s:%s' % (n, ' '.join(self.headers.get(n, '').split())) for n in names]
                              + ['', ';'.join(names), digest])
        scope = '%s/%s/sts/aws4_request' % (date, region)
        text = '\n'.join(['AWS4-HMAC-SHA256', when, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        expected = sign(b'AWS4' + secret.encode(), date, region, 'sts', 'aws4_request', text).hex()
        if not hmac.compare_digest(expected, signature):
            raise Refused(403, 'SignatureDoesNotMatch', 'wrong')
        self.signer = key
        self.asked['region'] = region

    def role(self):
        found = re.match(r'arn:aws:iam::1:role/(\w+)$', self.asked.get('RoleArn', ''))
        if not found or found.group(1) == 'none':
            raise Refused(403, 'AccessDenied', 'not authorized to perform: sts:%s' % self.asked['Action'])
        if not re.match(r'[\w+=,.@-]{2,64}$', self.asked.get('RoleSessionName', '')):
            raise Refused(400, 'ValidationError', 'roleSessionName')
        if self.asked.get('ExternalId', '') != CONTROL['external_id']:
            raise Refused(403, 'AccessDenied', 'the external id is another')
        key = 'ASIA%s%s' % (found.group(1).upper(), CONTROL['count'])
        end = datetime.datetime.utcnow() + datetime.timedelta(seconds=int(CONTROL['valid_for']))
        GIVEN[key] = ['given-secret/%s+&' % CONTROL['count'], 'given-token/%s+=' % CONTROL['count']]
        return ANSWER % {'a': self.asked['Action'], 'key': key, 'secret': GIVEN[key][0].replace('&', '&amp;'), 'token': GIVEN[key][1],
                         'end': end.strftime('%Y-%m-%dT%H:%M:%SZ')}


def main():
    global LOG
    directory = sys.argv[1]
    LOG = open(directory + '/log', 'a')
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.daemon_threads = True
    with open(directory + '/port.tmp', 'w') as f:
        f.write('%d\n' % server.server_address[1])
    os.rename(directory + '/port.tmp', directory + '/port')
    server.serve_forever()


if __name__ == '__main__':
    main()
