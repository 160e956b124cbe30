# Whatever is wrong with a source, an object or a row: it is said clearly, the rest is loaded, and nothing is lost.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HTTP::Tiny;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SlmS3;
use SlmTest;
use Test::More;

delete $ENV{$_} foreach (grep { /^AWS_/ || /_proxy$/i } keys %ENV);

my $TIME = '2019-10-01-00-07';
my $fake = SlmS3->fake;
my $node = slm_node('bad', conf => <<'CONF');
sellometer.poll_interval = '50ms'
sellometer.retry_delay = '10ms'
sellometer.retry_limit = 2
CONF

sub value { return $node->safe_psql('shop', $_[0]); }

# Message, detail and hint of a statement that must fail.
sub failure
{
	my ($sql) = @_;
	my $err;

	$node->psql('shop', "\\set VERBOSITY verbose\n$sql", stderr => \$err, on_error_stop => 0);
	return $err;
}

sub put
{
	my ($key, $content) = @_;

	HTTP::Tiny->new->put("$fake->{endpoint}/shelf/$key", { content => $content })->{success} or die "can't put $key";
	return;
}

# Events that are counted whatever else there is: each call gives others.
my $sessions = 0;
sub events { return map { event(user_session => 's' . ++$sessions, event_time => '2019-10-01 00:07:00') } 1 .. $_[0]; }

# A test: an object's state, sqlstate and counts (total, counted, duplicate, rejected, expired), and what its error says.
sub object_is
{
	my ($key, $expected, $error, $name) = @_;
	my $is = value("SELECT concat_ws('|', state, coalesce(sqlstate, '-'), rows_total, rows_counted, rows_duplicate,"
		. " rows_rejected, rows_expired) FROM sellometer.objects WHERE key = '$key' ORDER BY id DESC LIMIT 1");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($is, $expected, $name);
	like(value("SELECT error FROM sellometer.objects WHERE key = '$key' ORDER BY id DESC LIMIT 1"), $error,
		"... what is said about it");
	return;
}

# A test: the lines of an object that were rejected, with column and reason.
sub rejects_are
{
	my ($key, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(value("SELECT string_agg(concat_ws(' ', line, column_name, reason), ', ' ORDER BY line)"
		  . " FROM sellometer.rejected_rows WHERE key = '$key'"), $expected, $name);
	return;
}

sub wait_for_good
{
	my ($key) = @_;

	wait_until($node, "SELECT count(*) = 1 FROM sellometer.objects WHERE key = '$key' AND state = 'done'");
	return;
}

# The most memory that the worker has ever had mapped, in kB.
sub worker_memory
{
	my ($peak) = slurp_file('/proc/' . value('SELECT sellometer.worker_pid()') . '/status') =~ /^VmPeak:\s+(\d+)/m;
	return $peak;
}

# Wait until that many objects are known whose key matches, and all have been dealt with.  A key that is less than others
# may be found later than they.
sub wait_for_all
{
	my ($count, $pattern) = @_;

	wait_until($node, "SELECT count(DISTINCT key) = $count AND bool_and(state NOT IN ('pending', 'backlog'))"
		. " FROM sellometer.objects WHERE key ~ '$pattern'");
	return;
}

# --- sources that can't be added ---

my %quick = (retry_timeout => 1, connect_timeout => 1, stall_timeout => 1);

$fake->create_server($node, 'shop', 's3', %quick);
$fake->create_server($node, 'shop', 'nowhere', %quick, endpoint => 'http://127.0.0.1:1');
foreach my $case (
	[ 'wrong secret key', 's3', 'SignatureDoesNotMatch',
		qr/ERROR:  28000: could not list .*s3:\/\/shelf\/.*secret key is wrong.*HINT:  Correct secret_access_key of the user mapping/s ],
	[ 'unknown access key', 's3', 'InvalidAccessKeyId',
		qr/ERROR:  28000: .*access key is not known.*HINT:  Correct access_key_id of the user mapping/s ],
	[ 'no rights', 's3', 'AccessDenied', qr/ERROR:  42501: .*access denied.*HINT:  Allow these credentials s3:ListBucket/s ],
	[ 'missing bucket', 's3', 'NoSuchBucket',
		qr/ERROR:  58P01: .*there is no such bucket.*HINT:  Check the bucket's name in the URL/s ],
	[ 'busy server', 's3', 'SlowDown', qr/ERROR:  08006: .*the server asks to slow down.*503 SlowDown/s ],
	[ 'unreachable endpoint', 'nowhere', '',
		qr/ERROR:  08006: .*the server can't be reached.*HINT:  Check that http:\/\/127\.0\.0\.1:1.* can be reached/s ])
{
	my ($name, $server, $refuse, $message) = @$case;

	$fake->control(refuse => $refuse);
	my $err = failure("SELECT sellometer_add_source('bad', 's3://shelf/', '$server')");
	like($err, $message, "$name: the source is not added");
	unlike($err, qr/verysecret|AKIATEST/, '... and no secret is told');
}
$fake->control(refuse => '');
is(value('SELECT count(*) FROM sellometer.sources'), '0', 'none of them was added');

# --- sources that were good once ---

my $dir = slm_directory($node, 'in');
put("ok/$TIME-1.csv", csv(events(3)));
value("SELECT sellometer_add_source('s3', 's3://shelf/', 's3'); SELECT sellometer_add_source('dir', 'file://$dir/')");
wait_for_good("ok/$TIME-1.csv");

my $n = 0;
foreach my $case (
	[ 'wrong credentials', [ refuse => 'SignatureDoesNotMatch' ], '', 'secret key is wrong.*Correct secret_access_key' ],
	[ 'missing bucket', [ refuse => 'NoSuchBucket' ], '', 'no such bucket.*Check the bucket' ],
	[ 'busy server', [ refuse => 'SlowDown' ], '', 'slow down' ],
	[ 'unreachable endpoint', [], 'http://127.0.0.1:1', 'can.t be reached.*Check that http://127.0.0.1:1' ])
{
	my ($name, $control, $endpoint, $message) = @$case;
	my $key = "$TIME-beside-" . ++$n . '.csv';

	$fake->control(@$control) if @$control;
	value("ALTER SERVER s3 OPTIONS (SET endpoint '$endpoint')") if $endpoint ne '';
	wait_until($node, "SELECT last_error ~ '$message' AND last_error_at IS NOT NULL FROM sellometer.sources WHERE name = 's3'");
	put("ok/$TIME-after-$n.csv", csv(events(2)));	# not before: it could be listed as long as that goes, and fail by itself
	like(value("SELECT last_error FROM sellometer.status WHERE source = 's3'"), qr/$message/,
		"$name: the source's status says so");
	write_object($dir, $key, csv(events(4)));
	wait_for_good($key);
	is(value("SELECT count(*) FROM sellometer.sources WHERE name = 'dir' AND last_error IS NULL"), '1',
		'... the other source goes on');
	$fake->control(refuse => '');
	value("ALTER SERVER s3 OPTIONS (SET endpoint '$fake->{endpoint}')") if $endpoint ne '';
	wait_for_good("ok/$TIME-after-$n.csv");
	wait_until($node, "SELECT last_error IS NULL AND last_error_at IS NULL FROM sellometer.sources WHERE name = 's3'");
	pass('... and so does this one, once that is repaired');
}

# --- objects that can't be had ---

put("$_/$TIME.csv", csv(events(5))) foreach (qw(503-2 503-999 cut-1 cut-999 reset-1 swap overwritten gone));
put("zz-good/$TIME.csv", csv(events(6)));
wait_for_all(9, "^[^/]+/$TIME.csv\$");
wait_for_good("zz-good/$TIME.csv");
wait_for_good("overwritten/$TIME.csv");

object_is("503-2/$TIME.csv", 'done|-|5|5|0|0|0', qr/^$/, 'a server that is busy for a while');
object_is("503-999/$TIME.csv", 'failed|08006|0|0|0|0|0', qr/slow down.*given up after 2 attempts; sellometer_retry/, 'a server that stays busy');
is(value("SELECT attempts FROM sellometer.objects WHERE key ~ '503-999'"), '2', '... after the attempts that were allowed');
object_is("cut-1/$TIME.csv", 'done|-|5|5|0|0|0', qr/^$/, 'an object that is truncated under way');
object_is("cut-999/$TIME.csv", 'failed|08006|0|0|0|0|0', qr/ended too early.*given up after 2 attempts/, '... each time');
object_is("reset-1/$TIME.csv", 'done|-|5|5|0|0|0', qr/^$/, 'a connection that is reset under way');
object_is("swap/$TIME.csv", 'failed|55000|0|0|0|0|0', qr/not the one that was listed.*must not be changed/,
	'an object that is overwritten while it is read');
object_is("overwritten/$TIME.csv", 'done|-|5|5|0|0|0', qr/^$/,
	'an object that is overwritten between list and get: the new content is loaded');
is(value("SELECT string_agg(state, ' ' ORDER BY id) FROM sellometer.objects WHERE key ~ '^overwritten'"), 'skipped done',
	'... and the old one is not');
is(value("SELECT sum(count) FROM sellometer.product_id_minute WHERE event_type = 'cart'"), '5', '... as the sums show');
object_is("gone/$TIME.csv", 'failed|58P01|0|0|0|0|0', qr/there is no such object.*deleted after it was listed: should it be listed again, it is loaded/, 'an object that is deleted before it is read');

# --- objects with bad content ---

my $header = (split /\n/, csv())[0];
my $long_event = event(brand => 'x' x 3000, user_session => 'long');
my $x = gzipped('x' x (1 << 24));
my %content = (
	'junk' => join('', map { chr((7 * $_ * $_ + $_ / 5) % 256) } 1 .. 5000),
	'html' => "<html><body>\nNot found\n</body></html>\n",
	'short' => substr(gzipped(csv(events(2000))), 0, -200),
	'damaged' => do { my $z = gzipped(csv(events(2000))); substr($z, length($z) / 2, 20) = "\xff" x 20; $z },
	'column' => "event_time,event_type,product_id\n2019-10-01 00:07:00 UTC,view,1\n",
	'twice' => "event_time,event_type,product_id,price,price\n2019-10-01 00:07:00 UTC,view,1,1,1\n",
	'line' => gzipped(csv(events(2))) . join('', map { $x } 1 .. 64) . gzipped(join("\n", '', events(1), '')),
	'nul' => csv(events(1), event(brand => "a\0b"), events(1)),
	'utf8' => csv(events(1), event(brand => "caf\xe9"), events(1)),
	'future' => csv(events(1), event(event_time => '2099-01-01 00:00:00 UTC'), events(1)),
	'jump' => csv(events(2), event(event_time => '2019-10-03 00:00:00 UTC'), events(2)),
	'old' => csv(events(2), event(event_time => '2001-01-01 00:00:00 UTC', user_session => 'old')),
	'empty' => '',
	'emptyzip' => gzipped(''),
	'header' => csv(),
	'key' => csv(events(1), $long_event),
	'quote' => csv(events(1), (event() =~ s/acme/"ac"me/r), events(1)),
	'none' => csv(map { event(price => '') } 1 .. 99),
	'dressed' => csv(event(brand => "\xc2\xa0acme ", price => '2.5000000000000004'), event(brand => 'NULL', user_session => ' - ')),
	'cr' => csv(events(3)) =~ tr/\n/\r/r,
	'stray' => csv(events(1), (event() =~ s/acme/"55 inch/r), events(2), (event(user_session => 'stray') =~ s/acme/55"/r), events(1)),
	'again' => csv(events(2)) . "\xef\xbb\xbfprice,product_id,event_type,event_time,user_session\n7,1002,purchase,2019-10-01 00:07:00,again\n"
	  . csv(events(1)),
	'excel' => "sep=,\r\n" . csv(map { "$_,," } events(2)),
	'break' => "event_time,event_type,product_id,price,\"a\nb\"\n2019-10-01 00:07:00,view,1,1,1\n",
	'semi' => csv(events(2)) =~ tr/,/;/r,
	'zip' => "PK\x03\x04\x14\0\0\0\x08\0data",
	'other' => csv(events(2)) . "event_time,event_type,product_id,cost\n2019-10-01 00:07:00,view,1,1\n",
	'latin' => csv(events(1), event(brand => "caf\xe9")),
	'many' => csv(events(80), map { event(price => "x$_") } 1 .. 20));
my $memory = worker_memory();
write_object($dir, "$TIME-$_.csv", $content{$_}) foreach (sort keys %content);
write_object($dir, "$TIME-zz.csv", csv(events(7)));
wait_for_all(1 + keys %content, "^$TIME-[a-z0-9]+.csv\$");
wait_for_good("$TIME-zz.csv");

my $nothing = '0|0|0|0|0';
object_is("$TIME-junk.csv", "failed|22P04|$nothing", qr/the first line is no header: it is not UTF-8.*\(repair/, 'not CSV at all');
object_is("$TIME-html.csv", "failed|22P04|$nothing", qr/no header: it names none of the known columns \(repair/, 'a page of HTML');
object_is("$TIME-short.csv", "failed|22P04|$nothing", qr/the gzip data ends too early \(repair the object and put it there again.*sellometer_skip/, 'gzip cut short');
object_is("$TIME-damaged.csv", "failed|22P04|$nothing", qr/the gzip data is damaged \(repair/, 'gzip damaged');
object_is("$TIME-column.csv", "failed|42703|$nothing", qr/lacks the required column "price" \(repair/, 'a missing column');
object_is("$TIME-twice.csv", "failed|42703|$nothing", qr/names column "price" twice \(repair/, 'a column that stands twice');
object_is("$TIME-line.csv", 'done|-|4|3|0|1|0', qr/^$/, 'a line of 1 GB');
rejects_are("$TIME-line.csv", '4 too_long', '... is one rejected row');
cmp_ok(worker_memory() - $memory, '<', 200_000, '... for which the worker needs little memory');
cmp_ok(value("SELECT max(length(raw)) FROM sellometer.rejected_rows"), '<=', 1024, '... of which 1 kB is kept');
object_is("$TIME-nul.csv", 'done|-|3|2|0|1|0', qr/^$/, 'a NUL byte');
rejects_are("$TIME-nul.csv", '3 bad_encoding', '... is a rejected row');
is(value("SELECT raw ~ 'a\\\\x00b' FROM sellometer.rejected_rows WHERE key = '$TIME-nul.csv'"), 't', '... shown as \x00');
object_is("$TIME-utf8.csv", 'done|-|3|2|0|1|0', qr/^$/, 'invalid UTF-8');
rejects_are("$TIME-utf8.csv", '3 bad_encoding', '... is a rejected row');
is(value("SELECT raw ~ 'caf\\\\xE9' FROM sellometer.rejected_rows WHERE key = '$TIME-utf8.csv'"), 't', '... shown as \xE9');
object_is("$TIME-future.csv", 'done|-|3|2|0|1|0', qr/^$/, 'a row of the year 2099');
rejects_are("$TIME-future.csv", '3 event_time future', '... is a rejected row');
object_is("$TIME-jump.csv", 'done|-|5|4|0|1|0', qr/^$/, 'a row two days ahead of its object');
rejects_are("$TIME-jump.csv", '4 event_time clock_jump', '... is a rejected row');
is(value("SELECT to_char(head AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') FROM sellometer.state"), '2019-10-01 00:07',
	'... and neither moves the clock');
object_is("$TIME-old.csv", 'done|-|3|2|0|0|1', qr/^$/, 'a row older than every retention is counted as expired');
object_is("$TIME-empty.csv", "done|-|$nothing", qr/^$/, 'an empty object');
object_is("$TIME-emptyzip.csv", "done|-|$nothing", qr/^$/, 'an empty object in gzip');
object_is("$TIME-header.csv", "done|-|$nothing", qr/^$/, 'a header alone');
object_is("$TIME-key.csv", 'done|-|2|1|0|1|0', qr/^$/, 'a brand too long for a key');
rejects_are("$TIME-key.csv", '3 brand key_too_long', '... is a rejected row');
object_is("$TIME-quote.csv", 'done|-|3|2|0|1|0', qr/^$/, 'broken quoting');
rejects_are("$TIME-quote.csv", '3 bad_quote', '... is a rejected row');
object_is("$TIME-cr.csv", 'done|-|3|3|0|0|0', qr/^$/, 'lines that end in a CR alone');
object_is("$TIME-stray.csv", 'done|-|6|5|0|1|0', qr/^$/, 'a stray quote that a later one closes');
rejects_are("$TIME-stray.csv", '3 bad_quote', '... costs its own row');
object_is("$TIME-again.csv", 'done|-|4|4|0|0|0', qr/^$/, 'files put together, with headers of their own');
is(value("SELECT string_agg(product_id || ' ' || gmv, ', ') FROM sellometer.product_id_minute WHERE event_type = 'purchase' AND product_id > 1"),
	'1002 7.0000', '... each row by its own header');
object_is("$TIME-excel.csv", 'done|-|2|2|0|0|0', qr/^$/, 'a line for spreadsheets, and commas behind the rows');
object_is("$TIME-break.csv", "failed|22P04|$nothing", qr/field 5 of the header line can't be the name of a column: it holds a line break \(repair/,
	'a line break in the header');
object_is("$TIME-semi.csv", "failed|22P04|$nothing", qr/the columns are separated by semicolons \(;\), not by commas \(repair/, 'semicolons');
object_is("$TIME-zip.csv", "failed|22P04|$nothing", qr/the object is no CSV: it is a zip archive/, 'zip');
object_is("$TIME-other.csv", "failed|22P04|$nothing", qr/line 4 has another header, which can't be used: the header line lacks the required column "price"/,
	'a second header that lacks a column: nothing of the object is counted');
like(value("SELECT detail FROM sellometer.rejected_rows WHERE key = '$TIME-latin.csv'"), qr/: 0xe9, which would be .* in cp1252/,
	'a character of cp1252 is named');
object_is("$TIME-many.csv", "failed|22P04|$nothing",
	qr/20 of 100 rows can't be used, more than sellometer\.max_reject_fraction allows; the first is line 82, bad_price: price "x1" has something beside the number .*raise the setting/,
	'too many rejected rows: nothing of the object is counted');
is(value("SELECT count(*) FROM sellometer.rejected_rows WHERE key = '$TIME-many.csv'"), '20', '... but they are all kept');

object_is("$TIME-none.csv", "failed|22P04|$nothing",
	qr/none of 99 rows can be used; the first is line 2, bad_price: price is empty \(see sellometer\.rejected_rows; repair/,
	'nothing but rejected rows, however few');
object_is("$TIME-dressed.csv", 'done|-|2|2|0|0|0', qr/^$/, 'blanks around values, a float for a price, words for nothing');
is(value("SELECT count(*) FROM sellometer.brand_minute WHERE brand <> btrim(brand, E' \\u00a0') OR brand = 'NULL'"), '0', '... are no brands of their own');

# --- nothing is lost ---

is(value('SELECT count(*) FROM sellometer.objects WHERE rows_total <> rows_counted + rows_duplicate + rows_rejected + rows_expired'),
	'0', 'the rows of each object add up');
is( value('SELECT sum(count) = (SELECT sum(rows_counted) FROM sellometer.objects) FROM sellometer.product_id_minute'),
	't', 'what the ledger says is counted, is in the sums');
is(value("SELECT name FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('failed objects', 'pg_cron')"), '',
	'sellometer_check() finds nothing else');
is(value("SELECT count(*) FROM sellometer.objects WHERE state = 'failed' AND (error IS NULL OR sqlstate IS NULL)"), '0',
	'every failed object says why');
unlike(value("SELECT string_agg(concat(error, ' ', raw), chr(10)) FROM sellometer.objects LEFT JOIN sellometer.rejected_rows"
	  . ' ON object_id = id'), qr/verysecret|AKIATEST/, 'and no secret is told');
note(value("SELECT key || ': ' || error FROM sellometer.objects WHERE error IS NOT NULL ORDER BY id"));

# --- and what was repaired is loaded ---

write_object($dir, "$TIME-column.csv", csv(events(3)));
wait_until($node, "SELECT count(*) = 1 FROM sellometer.objects WHERE key = '$TIME-column.csv' AND state = 'done'");
is(value("SELECT string_agg(state, ' ' ORDER BY id) FROM sellometer.objects WHERE key = '$TIME-column.csv'"), 'skipped done',
	'a repaired object takes the place of the one that failed');
write_object($dir, "$TIME-column.csv", csv(events(4)));
wait_until($node, "SELECT count(*) = 3 AND NOT bool_or(state = 'pending') FROM sellometer.objects WHERE key = '$TIME-column.csv'");
object_is("$TIME-column.csv", "failed|55000|$nothing", qr/changed since it was loaded, and before it was archived: its first content stays counted.*sellometer_skip\(\) puts this one aside/,
	'an object that changes after it was loaded');
value("ALTER SYSTEM SET sellometer.max_reject_fraction = 0.5; SELECT pg_reload_conf()");
value("SELECT sellometer_retry('dir', '$TIME-many.csv')");
wait_for_good("$TIME-many.csv");
object_is("$TIME-many.csv", 'done|-|100|80|0|20|0', qr/^$/, 'an object that is tried again under a milder setting');
is(value("SELECT count(*) FROM sellometer.rejected_rows WHERE key = '$TIME-many.csv'"), '20', '... its rejects are not kept twice');

# --- many rejected rows are written at once, and not while others wait ---

value(q{
	CREATE TABLE written (rows bigint, locked boolean);
	CREATE FUNCTION note_written() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO public.written SELECT (SELECT count(*) FROM inserted),
			EXISTS (SELECT FROM pg_locks WHERE locktype = 'object' AND objsubid = 1 AND pid = pg_backend_pid() AND granted);
		RETURN NULL;
	END $$;
	CREATE TRIGGER note_written AFTER INSERT ON sellometer.rejected_rows REFERENCING NEW TABLE AS inserted
		FOR EACH STATEMENT EXECUTE FUNCTION note_written()});
write_object($dir, "$TIME-rejects-$_.csv", csv(events(900), map { event(event_time => 'then', price => $_) } 1 .. 90)) foreach (1 .. 12);
wait_until($node, "SELECT count(*) = 12 FROM sellometer.objects WHERE key LIKE '%-rejects-%' AND state = 'done'");
is(value('SELECT sum(rows), max(rows) >= 90, bool_or(locked) FROM written'), '1080|t|f', 'rejected rows are written in bulk, before the lock is taken');
is(value("SELECT count(*), count(DISTINCT raw) FROM sellometer.rejected_rows WHERE key LIKE '%-rejects-%' AND reason = 'bad_time' AND column_name = 'event_time' AND detail LIKE '%then%' AND line > 900 AND source = 'dir'"),
	'1080|90', '... all of them as they are');

$node->stop;
done_testing();
