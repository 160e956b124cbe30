#!/usr/bin/python3
"""Load CSV objects as text rows into oracle.raw, for oracle.sql to judge.

A reader of its own, on Python's csv and gzip modules: it knows the shapes that an object may have (gzip by its magic
bytes, byte order mark, CRLF, quoting, an unnamed index column, any order of columns, unknown columns) and nothing of
what the values mean.  What SQL could not see in a row's text is said in the column flaw: bad_encoding, bad_quote,
column_count, too_long.  An object that is no use as a whole is listed in oracle.object with the reason.

    load.py -d DBNAME DIRECTORY_OR_FILE ...

A directory gives its files, by their names below it, but for those that begin with a dot.  Further connection settings
come from the environment (PGHOST, PGPORT, ...).  The schema must exist: psql -f oracle.sql.
"""
import argparse
import csv
import gzip
import io
import os
import subprocess
import sys
import zlib

KNOWN = ('event_time', 'event_type', 'product_id', 'category_id', 'category_code', 'brand', 'price', 'user_id',
         'user_session', 'quantity', 'event_id', 'currency')
REQUIRED = ('event_time', 'event_type', 'product_id', 'price')
LONGEST_LINE = 1000000


class Useless(Exception):
    """The object as a whole can't be used."""


class Lines:
    """The lines of a file, and what was wrong with those of the present record."""

    def __init__(self, text):
        self.text = text
        self.size = 0
        self.bad_encoding = False

    def new_record(self):
        self.size = 0
        self.bad_encoding = False

    def __iter__(self):
        for line in self.text:
            self.size += len(line)
            if '\0' in line:
                self.bad_encoding = True
            elif not line.isascii():
                try:
                    line.encode('utf-8')
                except UnicodeEncodeError:
                    self.bad_encoding = True
            yield line


def clean(value):
    """What COPY can take of a value that is spoilt anyway."""
    return value.replace('\0', '?').encode('utf-8', 'replace').decode('utf-8')


def open_object(path):
    raw = open(path, 'rb')
    magic = raw.read(2)
    raw.seek(0)
    stream = gzip.GzipFile(fileobj=raw) if magic == b'\x1f\x8b' else raw
    # LF, CR LF and a lone CR end lines.
    return io.TextIOWrapper(io.BufferedReader(stream, 1 << 18), encoding='utf-8', errors='surrogateescape',
                            newline='')


def places_of(header):
    """Which field of a row each known column is; None where the object has no such column."""
    names = [name.strip() for name in header]
    for name in KNOWN:
        if names.count(name) > 1:
            raise Useless('column %s stands twice' % name)
    for name in REQUIRED:
        if name not in names:
            raise Useless('column %s is missing' % name)
    return [names.index(name) if name in names else None for name in KNOWN]


def read_object(path, name, out):
    """Write the object's rows to out (a csv writer); returns their number."""
    with open_object(path) as text:
        if text.read(1) != '\ufeff':
            text.seek(0)
        lines = Lines(text)
        reader = csv.reader(lines, strict=True)
        header = None
        places = None
        rows = 0
        while True:
            lines.new_record()
            line = reader.line_num + 1
            flaw = ''
            try:
                row = next(reader)
            except StopIteration:
                return rows
            except csv.Error as error:
                if header is None:
                    raise Useless('not CSV: %s' % error) from None
                row = []
                flaw = 'bad_quote'
            if not row and not flaw:
                continue
            if header is None:
                header = row
                places = places_of(header)
                straight = places == list(range(len(header)))
                continue
            rows += 1
            if lines.size > LONGEST_LINE:
                flaw = 'too_long'
            elif lines.bad_encoding:
                flaw = 'bad_encoding'
            elif not flaw and len(row) != len(header):
                flaw = 'column_count'
            if flaw:
                fields = [clean(row[p])[:1000] if p is not None and p < len(row) else '' for p in places]
            elif straight:
                fields = row
            else:
                fields = [row[p] if p is not None else '' for p in places]
            out.writerow([name, line, flaw, *fields])


def objects_below(path):
    """(file, name) of a file, or of all files of a directory."""
    if not os.path.isdir(path):
        yield path, os.path.basename(path)
        return
    for folder, folders, files in os.walk(path):
        folders.sort()
        for file in sorted(files):
            full = os.path.join(folder, file)
            if not file.startswith('.'):
                yield full, os.path.relpath(full, path)


class Copy:
    """COPY into a table, fed with CSV rows."""

    def __init__(self, psql, target):
        # Nothing is NULL: an empty field is an empty text.
        sql = "COPY %s FROM STDIN (FORMAT csv, NULL 'no value is spelt like this')" % target
        self.process = subprocess.Popen(psql + ['-c', sql], stdin=subprocess.PIPE)
        self.text = io.TextIOWrapper(io.BufferedWriter(self.process.stdin, 1 << 18), encoding='utf-8', newline='')
        self.writer = csv.writer(self.text, lineterminator='\r\n')

    def close(self):
        self.text.close()
        if self.process.wait() != 0:
            sys.exit('load.py: psql failed')


def main():
    parser = argparse.ArgumentParser(description='Load CSV objects as text rows into oracle.raw.')
    parser.add_argument('-d', '--dbname', default='', help='database or connection string')
    parser.add_argument('path', nargs='+', help='directory or file')
    args = parser.parse_args()
    psql = ['psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1'] + (['-d', args.dbname] if args.dbname else [])
    csv.field_size_limit(1 << 30)

    found = []
    raw = Copy(psql, 'oracle.raw (object, line, flaw, %s)' % ', '.join(KNOWN))
    for path in args.path:
        for file, name in objects_below(path):
            error = ''
            try:
                read_object(file, name, raw.writer)
            except (Useless, EOFError, zlib.error, gzip.BadGzipFile) as useless:
                error = str(useless)
            found.append((name, error))
    raw.close()
    objects = Copy(psql, 'oracle.object (object, useless)')
    objects.writer.writerows(found)
    objects.close()


if __name__ == '__main__':
    main()
