# The storage layer against a server that misbehaves: what is tried again, what is not, and what is said about it.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SlmS3;
use Test::More;
use Time::HiRes qw(time);

my $fake = SlmS3->fake;
my $node = PostgreSQL::Test::Cluster->new('store');

delete $ENV{$_} foreach (grep { /^AWS_/ || /_proxy$/i } keys %ENV);
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION sellometer; CREATE EXTENSION store_api');
$fake->create_server($node, 'postgres', 'f', stall_timeout => 1, connect_timeout => 2, retry_timeout => 20,
	mapping_session_token => 'verytoken');
$fake->create_server($node, 'postgres', 'hasty', stall_timeout => 1, retry_timeout => 2);

sub value { return $node->safe_psql('postgres', $_[0]); }

# Message, detail and hint of a statement that must fail, and the error's kind with Retry-After.
sub failure
{
	my ($sql) = @_;
	my ($out, $err);

	$node->psql('postgres', "$sql; SELECT kind, retry_after_ms FROM store_last_error()", stdout => \$out,
		stderr => \$err, on_error_stop => 0);
	return ($err, $out);
}

# The object's content, or the first byte where it differs.
sub check_get
{
	my ($key, $name) = @_;
	my ($size) = $key =~ /(\d+)$/;

	is(value("SELECT length(o), o = store_get('s3://any/', 'ok/$size', 'f')"
			  . " FROM store_get('s3://any/', '$key', 'f', 'abc') o"),
		"$size|t", $name);
	return;
}

my $expected = unpack('H*', join('', map { chr($_ % 251) } 0 .. 999));
is(value("SELECT encode(store_get('s3://any/', 'ok/1000', 'f'), 'hex')"), $expected, 'an object as such');

# What is tried again, and goes on where it was interrupted.
check_get('503-2/1000', '503 SlowDown twice');
is(scalar($fake->requests(qr{503-2/1000})), 3, '... three requests');
check_get('after-2/1000', 'Retry-After');
my @after = $fake->requests(qr{after-2/1000});
is(scalar(@after), 2, '... two requests');
cmp_ok($after[1][0] - $after[0][0], '>=', 1.99, '... and the wait that was asked for');
check_get('mute-1/1000', 'a connection that is closed without an answer');
check_get('cut-2/1000000', 'a body that ends too early, twice');
check_get('reset-2/5000000', 'a connection reset under way, twice');
check_get('chunked/3000000', 'a body in chunks, of unknown length');
check_get('overlong/1000', 'more bytes than announced are left alone');
check_get('slow/300000', 'a slow server');
is(value("SELECT o = substring(store_get('s3://any/', 'ok/1000000', 'f') from 300001)"
		  . " FROM store_get('s3://any/', 'cut-1/1000000', 'f', 'abc', 300000) o"),
	't', 'an interrupted read from an offset');

my ($err, $kind) = failure("SELECT store_get('s3://any/', '503-99/1000', 'hasty')");
like($err, qr/the server asks to slow down.*503 SlowDown/s, 'a server that stays busy');
is($kind, 'transient|0', '... is worth trying later');
cmp_ok(scalar($fake->requests(qr{503-99/})), '>=', 3, '... and was asked several times');
($err, $kind) = failure("SELECT store_get('s3://any/', 'after-100/1000', 'hasty')");
is($kind, 'transient|100000', 'a long Retry-After is handed on instead of waited for');
($err, $kind) = failure("SELECT store_get('s3://any/', 'stall/1000', 'hasty')");
like($err, qr/the server did not answer in time/, 'a server that stalls');
is($kind, 'transient|0', '... is worth trying later');
($err, $kind) = failure("SELECT store_get('s3://any/', 'cut-99/1000', 'hasty')");
like($err, qr/the answer ended too early/, 'a body that always ends too early');
is($kind, 'transient|0', '... is worth trying later');

# What is not tried again.
($err, $kind) = failure("SELECT store_get('s3://any/', 'swap/100000', 'f')");
like($err, qr/not the one that was listed/, 'an object that is overwritten while it is read');
is($kind, 'changed|0', '... its kind');
($err, $kind) = failure("SELECT store_get('s3://any/', 'noifmatch/1000', 'f', 'other')");
is($kind, 'changed|0', 'a server that ignores If-Match: the ETag is compared here too');
($err, $kind) = failure("SELECT store_get('s3://any/', 'ok/1000', 'f', 'other')");
is($kind, 'changed|0', 'If-Match that fails');
($err, $kind) = failure("SELECT store_get('s3://any/', 'norange/1000', 'f', 'abc')");
like($err, qr/the answer is not valid.*knows Range/s, 'a server that ignores Range');
($err, $kind) = failure("SELECT store_get('s3://any/', 'nolength/1000', 'f')");
like($err, qr/the answer is not valid.*how long/s, 'an answer of unknown length');
is($kind, 'fatal|0', '... is not tried again');

# Lists.
my %lists = (
	garbage => qr/answer is not valid.*mismatched tag.*HINT/s,
	html => qr/answer is not valid.*"html" instead of a "ListBucketResult"/s,
	bomb => qr/answer is not valid.*document type declaration/s,
	endless => qr/answer is not valid.*not from where on/s,
	huge => qr/answer is too long.*32 MB/s,
	redirect => qr/at another endpoint.*"eu-west-9".*"redirect\.s3\.eu-west-9\.example".*HINT.*region and endpoint/s,
	skew => qr/clocks differ too much.*differ by \d+ seconds.*HINT.*clock/s,
	closed => qr/access denied.*403.*HINT.*s3:ListBucket/s,
	expired => qr/token has expired.*user mapping of role.*HINT.*session_token/s);
foreach my $bucket (sort keys %lists)
{
	($err, $kind) = failure("SELECT * FROM sellometer_list('s3://$bucket/', 'f')");
	like($err, $lists{$bucket}, "list: $bucket");
	cmp_ok(scalar($fake->requests(qr{^/$bucket\?})), '<=', $bucket eq 'endless' ? 2 : 1, '... asked once');
}
is(value("SELECT key FROM sellometer_list('s3://plainkeys/', 'f')"), 'a%20b+c',
	'keys are decoded only if they were encoded, and folders left out');
($err) = failure("SELECT * FROM sellometer_list('s3://echo/', 'f')");
like($err, qr/access denied/, 'a server that repeats what it was sent');
unlike($err, qr/AKIATEST|verysecret|verytoken/, '... without any secret');

# Lists that never end, one way or another, do; and what is just out of order is none of them.
my %endless = (
	abab => [ qr/The list has no end: its pages bring keys again/, 3 ],
	shuffled => [ qr/The list has no end: its pages bring keys again/, 3 ],
	sliding => [ qr/The list has no end: its pages bring keys again/, 10 ],
	unending => [ qr/goes on beyond sellometer\.max_list_keys.*After 5000 keys.*HINT.*sellometer\.max_list_keys/s, 7 ]);
foreach my $bucket (sort keys %endless)
{
	my ($words, $requests) = @{ $endless{$bucket} };

	($err) = failure("SET sellometer.max_list_keys = 5000; SELECT count(*) FROM sellometer_list('s3://$bucket/', 'f')");
	like($err, $words, "list: $bucket");
	cmp_ok(scalar($fake->requests(qr{^/$bucket\?})), '<=', $requests, "... and ends after $requests pages at most");
}
($err) = failure("SET sellometer.max_list_time = 1; SELECT count(*) FROM sellometer_list('s3://unending/', 'f')");
like($err, qr/goes on beyond sellometer\.max_list_time/, 'a list that takes too long');
is(value("SELECT count(DISTINCT key) FROM sellometer_list('s3://unordered/', 'f')"), '5000', 'a list without any order');
is(value("SELECT count(DISTINCT key) FROM sellometer_list('s3://pages4500/', 'f')"), '4500', 'a list of some pages');

# What takes for ever, or has no end.
foreach my $url ('drip/', 'any/drip-10/1000')
{
	my ($bucket, $key) = split(m{/}, $url, 2);
	my $start = time;

	($err, $kind) = failure($key ? "SELECT store_get('s3://$bucket/', '$key', 'hasty')" : "SELECT * FROM sellometer_list('s3://$url', 'hasty')");
	like($err, qr/did not answer in time.*bytes of it had come.*min_rate/s, "$url: too slow");
	is($kind, 'transient|0', '... is worth trying later') if $key;
	cmp_ok(time - $start, '<', 15, '... and takes some seconds');
}
foreach my $bucket ('babble', 'headers')
{
	my $start = time;

	($err) = failure("SELECT * FROM sellometer_list('s3://$bucket/', 'f')");
	like($err, $bucket eq 'babble' ? qr/access denied/ : qr/access denied|could not list/, "$bucket: an answer without end");
	cmp_ok(time - $start, '<', 15, '... is not waited for');
}

# Writes and deletes.
is(value("SELECT store_put('s3://flaky/', 'x', 'abc', 'f')"), 'new', 'a write that fails once');
($err, $kind) = failure("SELECT store_put('s3://full/', 'x', 'abc', 'hasty')");
is($kind, 'transient|0', 'a write that always fails');
value("SELECT store_delete('s3://nomulti/', ARRAY['a', 'b c', 'd'], 'f')");
is(join(' ', map { $_->[2] } grep { $_->[1] eq 'DELETE' } $fake->requests(qr{^/nomulti/})),
	'/nomulti/a /nomulti/b%20c /nomulti/d', 'a server without multi-object delete: one by one');
($err) = failure("SELECT store_delete('s3://badmulti/', ARRAY['a', 'b'], 'f')");
like($err, qr{could not delete "s3://badmulti/b": access denied}, 'one of several deletes that is refused');
value("SELECT store_delete('s3://any/', ARRAY(SELECT 'k' || i FROM generate_series(1, 2500) i), 'f')");
is(scalar($fake->requests(qr{^/any\?delete=})) . ' ' . $fake->control('deleted'), '3 2500',
	'2500 deletes are three requests');
($err) = failure("SELECT store_stream('s3://any/', 'late', 70000000, 'f')");
like($err, qr/could not finish the upload.*InternalError: late/s, 'an upload that fails with status 200');
is(scalar(grep { $_->[1] eq 'DELETE' } $fake->requests(qr{^/any/late\?uploadId=up1})), 1, '... is aborted');

# Many at the same time, within the limit.
is(value("SELECT objects, bytes FROM store_read_all('s3://many/', 'f', 16)"), '40|4000780', 'forty objects');
cmp_ok($fake->control('max_running'), '<=', 6, '... no more than the limit at the same time');
cmp_ok($fake->control('max_running'), '>=', 2, '... but several');

# A wait can be cancelled at once.
my $begin = time;
($err) = failure("SET statement_timeout = '300ms'; SELECT store_get('s3://any/', 'hang/10', 'f')");
like($err, qr/canceling statement due to statement timeout/, 'waiting for a server can be cancelled');
cmp_ok(time - $begin, '<', 5, '... promptly');
is(value("SELECT count(*) FROM sellometer_list('s3://many/', 'f')"), '40', '... and the next call works');

# Nothing is left open in a backend after many failures.
is( value("DO \$\$ BEGIN FOR i IN 1 .. 200 LOOP BEGIN PERFORM store_get('s3://any/', 'nolength/1000', 'f');"
		  . " EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END \$\$;"
		  . "SELECT count(*) < 40 FROM pg_ls_dir('/proc/' || pg_backend_pid() || '/fd')"),
	't', 'failures leave no descriptors open');

done_testing();
