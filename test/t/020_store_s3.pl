# The storage layer against a real S3 server, which checks every signature.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SlmS3;
use Test::More;

my $s3 = SlmS3->real(max_listing => 100);
my $node = PostgreSQL::Test::Cluster->new('store');

delete $ENV{$_} foreach (grep { /^AWS_/ } keys %ENV);
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION sellometer; CREATE EXTENSION store_api');
$s3->create_server($node, 'postgres', 's3', region => 'us-east-1');
$s3->client('mkbucket', 'shop');

sub value { return $node->safe_psql('postgres', $_[0]); }

# Runs a statement that must fail; returns its message with detail and hint, then the error's kind.
sub failure
{
	my ($sql) = @_;
	my ($out, $err);

	$node->psql('postgres', "$sql; SELECT kind FROM store_last_error()", stdout => \$out, stderr => \$err,
		on_error_stop => 0);
	return ($err, $out);
}

# Lists.
my $many = 2.5 * $s3->{page};
my $bytes = 0;
$bytes += length("object $_\n") foreach (1 .. $many);
$s3->client('fill', 'shop', 'in/2019-10-01-', 1, $many);
is(value("SELECT count(*), min(key), max(key), sum(size) FROM sellometer_list('s3://shop/in/', 's3')"),
	sprintf('%d|2019-10-01-00001.csv|2019-10-01-%05d.csv|%d', $many, $many, $bytes), 'a list of several pages is whole');
is(value("SELECT requests FROM store_list('s3://shop/', 's3', 'in/')"), '3', '... and made page by page');
is(value("SELECT store_list_growth('s3://shop/in/', 's3', 20)"), '0', '... without growing');
is(value("SELECT requests, cardinality(keys) FROM store_list('s3://shop/', 's3', 'in/', n => 5)"), '1|5',
	'a list can be ended early');
my @last = map { sprintf('2019-10-01-%05d.csv', $many - $_) } (2, 1, 0);
is(value("SELECT keys FROM store_list('s3://shop/in/', 's3', '2019-', '$last[0]')"), "{$last[1],$last[2]}", 'a list can start after a key');
is(value("SELECT count(*) FROM sellometer_list('s3://shop/in/2019-10-01-001', 's3')"), '100',
	'a prefix need not end in a slash');
is(value("SELECT count(*) FROM sellometer_list('s3://shop/nothing/', 's3')"), '0', 'an empty prefix has no objects');
is(value("SELECT etag = md5(E'object 7\\n'), size, last_modified > now() - interval '1 hour', last_modified <= now()"
		  . " FROM sellometer_list('s3://shop/in/2019-10-01-00007', 's3')"),
	't|9|t|t', 'ETag, size and time of an object');

# Odd keys: every one is written, listed, read, and seen by another client under the same name.
my @odd = ('a b.csv', 'pl+us', 'per%cent', 'per%2Fcent', q{qu"ot'e}, "\xc3\xbcn/\xc3\xaf\xe2\x9c\x93.csv", 'a/../b',
	'a//b', '&<>.csv', '~tilde*(x)!', 'semi;colon?q=1#f', 'back\\slash', '=&=', '@:$,');
@odd = $s3->keeps(@odd);
my $array = 'ARRAY[' . join(', ', map { "'" . s/'/''/gr . "'" } @odd) . ']';
is(value("SELECT bool_and(store_put('s3://shop/odd/', k, convert_to(k, 'UTF8'), 's3') = md5(k)) FROM unnest($array) k"),
	't', 'objects with odd keys are written');
is(value("SELECT count(*) FROM sellometer_list('s3://shop/odd/', 's3') WHERE key = ANY ($array)"), scalar(@odd),
	'... and listed');
is($s3->client('list', 'shop', 'odd/'), join('', map { "odd/$_\n" } sort @odd), '... under the names another client sees');
is(value("SELECT bool_and(convert_from(store_get('s3://shop/odd/', key, 's3', etag), 'UTF8') = key)"
		  . " FROM sellometer_list('s3://shop/odd/', 's3')"),
	't', '... and read');
is(value("SELECT bool_and(convert_from(store_get('s3://shop/odd/' || key, '', 's3', etag), 'UTF8') = key)"
		  . " FROM sellometer_list('s3://shop/odd/', 's3')"),
	't', "an object's own URL can be opened");
foreach ($s3->keeps("tab\t", "line\nfeed", "bell\a"))
{
	value("SELECT store_put('s3://shop/odd/', E'" . join('', map { sprintf('\\x%02x', ord) } split(//)) . "', 'x', 's3')");
}
value("SELECT store_delete('s3://shop/odd/', ARRAY(SELECT key FROM sellometer_list('s3://shop/odd/', 's3')), 's3')");
is($s3->client('list', 'shop', 'odd/'), '', 'objects with odd keys are deleted');
value("SELECT store_delete('s3://shop/', ARRAY['gone', 'gone too'], 's3'), store_delete('s3://shop/', ARRAY['gone'], 's3')");
pass('deleting what is gone is no failure');

# Many deletes at once, over several pages of the list.
$s3->client('fill', 'shop', 'del/', 1, 130);
value("SELECT store_delete('s3://shop/del/', ARRAY(SELECT key FROM sellometer_list('s3://shop/del/', 's3')), 's3')");
is($s3->client('list', 'shop', 'del/'), '', 'many objects are deleted');

# Reading.
is(value("SELECT store_get('s3://shop/in/', '2019-10-01-00001.csv', 's3')"), '\x6f626a65637420310a', 'an object is read');
is(value("SELECT store_get('s3://shop/in/', '2019-10-01-00001.csv', 's3', \"offset\" => 7),"
		  . " store_get('s3://shop/in/', '2019-10-01-00001.csv', 's3', \"offset\" => 9)"),
	'\x310a|\x', '... from an offset, and from its very end');
is(value("SELECT store_put('s3://shop/', 'empty', '', 's3') = md5(''), store_get('s3://shop/', 'empty', 's3')"), 't|\x',
	'an empty object');

# 300 MB: several parts, a few MB in memory.
like(value("SELECT store_stream('s3://shop/', 'big/object', 300000000, 's3')"), qr/^[0-9a-f]{32}-5$/,
	'a large object is written in parts');
my $piece_sum = 0;
$piece_sum += $_ % 251 foreach (0 .. 100002);
my $sum = int(300_000_000 / 100_003) * $piece_sum;
$sum += $_ % 251 foreach (0 .. 300_000_000 % 100_003 - 1);
is(value("SELECT objects, bytes, sum, peak_memory < 8000000 FROM store_read_all('s3://shop/big/', 's3')"),
	"1|300000000|$sum|t", '... and read with bounded memory');
is(value("SELECT objects, bytes, peak_memory < 8000000 FROM store_read_all('s3://shop/in/', 's3')"), "$many|$bytes|t",
	'many objects are read at the same time');
value("SELECT store_stream('s3://shop/', 'aborted', 100000000, 's3', true)");
is($s3->client('uploads', 'shop') . $s3->client('list', 'shop', 'aborted'), '', 'an aborted upload leaves nothing');
$s3->client('begin-upload', 'shop', "left/$_") foreach (1 .. 3);
$s3->client('begin-upload', 'shop', 'other');
if ($s3->{lacks} =~ /upload times/)
{
	value("SELECT store_abort_uploads('s3://shop/', 'left/', 'infinity', 's3')");
}
else
{
	is(value("SELECT store_abort_uploads('s3://shop/', 'left/', now() - interval '1 hour', 's3')"), '0',
		'uploads that may be under way are left alone');
	is(value("SELECT store_abort_uploads('s3://shop/', 'left/', now() + interval '1 hour', 's3')"), '3',
		'uploads that nobody finished are aborted');
}
is($s3->client('uploads', 'shop'), "other\n", '... and no others');

# Errors: each says what to do.
my ($err, $kind) = failure("SELECT store_get('s3://shop/in/', '2019-10-01-00001.csv', 's3', 'another')");
like($err, qr/the object is not the one that was listed/, 'If-Match that fails');
is($kind, 'changed', '... its kind');
($err, $kind) = failure("SELECT store_get('s3://shop/in/', 'missing', 's3')");
like($err, qr{could not read "s3://shop/in/missing": there is no such object}, 'missing object');
is($kind, 'not_found', '... its kind');
($err) = failure("SELECT * FROM sellometer_list('s3://nosuchbucket/', 's3')");
like($err, qr/there is no such bucket.*HINT: .*Check the bucket's name/s, 'missing bucket');
($err) = failure("SELECT store_get('s3://shop/in/', '2019-10-01-00001.csv', 's3', \"offset\" => 10)");
like($err, qr/the object is shorter than the offset/, 'offset behind the end');
value("ALTER USER MAPPING FOR CURRENT_USER SERVER s3 OPTIONS (SET secret_access_key 'Xwrong')");
($err) = failure("SELECT * FROM sellometer_list('s3://shop/', 's3')");
like($err, qr/the secret key is wrong.*the user mapping of role.*HINT: .*secret_access_key/s, 'wrong secret key');
unlike($err, qr/Xwrong/, '... which is not shown');
value("ALTER USER MAPPING FOR CURRENT_USER SERVER s3 OPTIONS (SET secret_access_key '$s3->{secret_key}')");
$s3->create_server($node, 'postgres', 'elsewhere', region => 'eu-west-1');
($err) = failure("SELECT * FROM sellometer_list('s3://shop/', 'elsewhere')");
like($err, qr/signed for another region.*HINT: .*region/s, 'wrong region') unless $s3->{lacks} =~ /regions/;
value("CREATE SERVER nobody FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint 'http://127.0.0.1:1', retry_timeout '1');"
	  . "CREATE USER MAPPING FOR CURRENT_USER SERVER nobody OPTIONS (access_key_id 'a', secret_access_key 'b')");
($err) = failure("SELECT * FROM sellometer_list('s3://shop/', 'nobody')");
like($err, qr/the server can't be reached.*HINT: .*endpoint/s, 'unreachable endpoint');

# Rights.
value("CREATE ROLE clerk LOGIN; GRANT EXECUTE ON FUNCTION sellometer_list(text, text) TO clerk");
my $as_clerk = "SET ROLE clerk; SELECT count(*) FROM sellometer_list('s3://shop/in/', 's3')";
($err) = failure($as_clerk);
like($err, qr/permission denied for the foreign server.*server "s3".*GRANT USAGE/s, 'USAGE on the server is needed');
value('GRANT USAGE ON FOREIGN SERVER s3 TO clerk');
($err) = failure($as_clerk);
like($err, qr/user mapping not found.*Role "clerk" has none on server.*CREATE USER MAPPING/s, '... and a user mapping');
value("CREATE USER MAPPING FOR clerk SERVER s3 OPTIONS (access_key_id '$s3->{access_key}', secret_access_key '$s3->{secret_key}')");
is(value($as_clerk), $many, 'then the list is made');
($err) = failure("SET ROLE clerk; SELECT * FROM sellometer_list('s3://shop/in/')");
like($err, qr/permission denied to use the server's own S3 credentials/, 'without a server, only the privileged');

# --- objects that are renamed in a bucket, which is a copy and a delete; before they are archived, and after ---

my $file = PostgreSQL::Test::Utils::tempdir_short() . '/content';
my $sold = 0;

# Each content sells a product of its own.
sub fill
{
	my ($key, $hour, $rows) = @_;

	$sold++;
	append_to_file($file, join("\n", 'event_time,event_type,product_id,price', map { "2019-10-01 $hour:00:0$_,purchase,$sold,2.50" } 1 .. $rows) . "\n");
	$s3->client('put', 'moves', $key, $file);
	unlink($file) or die $!;
	return;
}

sub load { value('SET client_min_messages = warning; CALL sellometer_ingest(); CALL sellometer_merge_backlog()'); return; }

sub sums
{
	return value(q{SELECT string_agg(product_id || ':' || n, ' ' ORDER BY product_id)
		FROM (SELECT product_id, sum(count) AS n FROM sellometer.product_id_minute GROUP BY 1) p});
}

sub states { return value(q{SELECT string_agg(key || ' ' || state, ', ' ORDER BY key COLLATE "C") FROM sellometer.objects}); }

$s3->client('mkbucket', 'moves');
value("SELECT sellometer_add_source('moves', 's3://moves/in/', 's3', archive_url => 's3://moves/archive/')");
fill("in/$_->[0]", $_->[1], $_->[2]) foreach ([ 'a.csv', '10', 3 ], [ 'b.csv', '10', 4 ], [ 'day/c.csv', '10', 5 ], [ 'd.csv', '10', 2 ]);
load();
my $counted = sums();
is($counted, '1:3 2:4 3:5 4:2', 'four objects of a bucket');
$s3->client('move', 'moves', 'in/a.csv', 'in/processed/a.csv');
$s3->client('move', 'moves', 'in/day/c.csv', 'in/other-day/c.csv');
load();
is(sums(), $counted, 'a copy and a delete count nothing again');
is(states(), 'a.csv done, b.csv done, d.csv done, day/c.csv done, other-day/c.csv skipped, processed/a.csv skipped', '... the new names are skipped');
like(value("SELECT error FROM sellometer.objects WHERE key = 'processed/a.csv'"), qr/^same content as object "a\.csv" of source "moves", which is counted/,
	'... which says why');
value("SET client_min_messages = warning; SELECT sellometer_replay(NULL, '-infinity', 'infinity')");
is(sums(), $counted, 'they are read under their new names');
is(states(), 'b.csv done, d.csv done, other-day/c.csv done, processed/a.csv done', '... and known by them');
$s3->client('move', 'moves', 'in/b.csv', 'in/tmp');
$s3->client('move', 'moves', 'in/d.csv', 'in/b.csv');
$s3->client('move', 'moves', 'in/tmp', 'in/d.csv');
load();
value("SET client_min_messages = warning; SELECT sellometer_replay(NULL, '-infinity', 'infinity')");
is(sums(), $counted, 'two that have exchanged their names');
fill('in/later.csv', '13', 1);
load();
$s3->client('move', 'moves', 'in/processed/a.csv', 'in/a-again.csv');
load();
value('SET client_min_messages = warning; CALL sellometer_rollup(); CALL sellometer_archive()');
is(states(), 'a-again.csv archived, b.csv archived, d.csv archived, later.csv done, other-day/c.csv archived', 'one that was moved once more is archived from there');
is(value("SELECT string_agg(key, ' ') FROM sellometer_list('s3://moves/in/', 's3')"), 'later.csv', '... and its original is gone');
$s3->client('get', 'moves', 'archive/2019-10-01-10.csv.gz');
value("SET client_min_messages = warning; SELECT sellometer_replay(NULL, '-infinity', 'infinity')");
is(sums(), "$counted 5:1", 'the same sums from the archive');
$sold = 0;
fill('in/a-back.csv', '10', 3);
load();
is(sums(), "$counted 5:1", 'an archived content that comes back under another name counts nothing again');
is(value("SELECT state FROM sellometer.objects WHERE key = 'a-back.csv'"), 'skipped', '... it is skipped');

done_testing();
