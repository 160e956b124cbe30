# What services of S3 do differently, against a stand-in: what they don't know, what they demand of what is written, and their words.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";

use Digest::MD5 qw(md5);
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SlmS3;
use Test::More;

my $fake = SlmS3->fake;
my $node = PostgreSQL::Test::Cluster->new('services');

delete $ENV{$_} foreach (grep { /^AWS_/ || /_proxy$/i } keys %ENV);
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION sellometer; CREATE EXTENSION store_api');
$fake->create_server($node, 'postgres', 'plain', retry_timeout => 1);
$fake->create_server($node, 'postgres', 'rich', storage_class => 'GLACIER_IR', sse => 'aws:kms', acl => 'bucket-owner-full-control', request_payer => 'requester');

sub value { return $node->safe_psql('postgres', $_[0]); }

# All that is said: result, notices, error, and the error's kind.
sub said
{
	my ($sql) = @_;
	my ($out, $err);

	$node->psql('postgres', "$sql; SELECT 'kind ' || kind FROM store_last_error()", stdout => \$out, stderr => \$err, on_error_stop => 0);
	return "$err$out";
}

# --- options of the server, about what is written ---

my $wanted = {
	'x-amz-storage-class' => 'GLACIER_IR',
	'x-amz-server-side-encryption' => 'aws:kms',
	'x-amz-acl' => 'bucket-owner-full-control' };

# A libcurl that can't sign a key of KMS is known, and others sign it in order.
my $kms_key = said("ALTER SERVER rich OPTIONS (ADD sse_kms_key_id 'arn:aws:kms:eu-central-1:1:key/k-1')");
my $signs = $kms_key !~ /can't be used with this libcurl.*HINT:.*default encryption/s;
if ($signs)
{
	is($kms_key, 'kind ok', 'this libcurl signs a key of KMS');
	$wanted->{'x-amz-server-side-encryption-aws-kms-key-id'} = 'arn:aws:kms:eu-central-1:1:key/k-1';
}
else
{
	my ($major, $minor) = $kms_key =~ /DETAIL:  (\d+)\.(\d+)/;

	ok($major < 8 || $major == 8 && $minor < 10, "a key of KMS is refused: libcurl $major.$minor is too old");
}

# Those of a request that options ask for.
sub asked_for
{
	my ($headers) = @_;
	my %found = map { $_ => $headers->{$_} } grep { /^x-amz-(storage-class|server-side.*|acl)$/ } keys %$headers;

	return \%found;
}

value("SELECT store_put('s3://any/', 'a', 'x', 'rich')");
my ($put) = $fake->headers(qr{^PUT /any/a});
is_deeply(asked_for($put->[2]), $wanted, 'an object is put as the options say');
my ($signed) = $put->[2]{authorization} =~ /SignedHeaders=([^,]*)/;
is($signed, join(';', sort split(/;/, $signed)), '... which is signed, in order');
like($signed, qr/x-amz-acl;.*x-amz-server-side-encryption;.*x-amz-storage-class/, '... all of it');
is($put->[2]{'content-md5'}, encode_base64(md5('x'), ''), '... with a checksum');
said("SELECT store_stream('s3://any/', 'large', 70000000, 'rich')");
my ($begun) = $fake->headers(qr{^POST /any/large\?uploads});
is_deeply(asked_for($begun->[2]), $wanted, 'so is an upload in parts, when it begins');
my @parts = $fake->headers(qr{^PUT /any/large\?partNumber});
is_deeply([ map { asked_for($_->[2]) } @parts ], [ {}, {} ], '... and not its parts');
is(scalar(grep { ($_->[2]{'content-md5'} // '') =~ /^[\w+\/]{22}==$/ } @parts), 2, '... which have checksums');
is_deeply([ map { $_->[2]{'content-type'} } $begun, @parts ], [ ('application/octet-stream') x 3 ], '... and are said to be no forms');
value("SELECT store_put('s3://any/', 'b', 'x', 'plain')");
($put) = $fake->headers(qr{^PUT /any/b});
is_deeply(asked_for($put->[2]), {}, 'without options the bucket decides');
value("SELECT count(*) FROM sellometer_list('s3://many5/', 'rich'); SELECT store_get('s3://any/', 'ok/5', 'rich'); SELECT store_delete('s3://any/', ARRAY['a', 'b'], 'rich')");
is(join(' ', sort map { "$_->[0]$_->[2]{'x-amz-request-payer'}" } $fake->headers(qr{^(GET /many5|GET /any/ok|POST /any\?delete)})),
	'GETrequester GETrequester POSTrequester', 'who pays is said with every request');
for my $case (
	[ "storage_class 'GLACIER'", qr/invalid value for option "storage_class": "GLACIER".*HINT:.*read back.*GLACIER_IR/s ],
	[ "storage_class 'DEEP_ARCHIVE'", qr/invalid value for option "storage_class"/ ], [ "storage_class 'a b'", qr/invalid value.*HINT:.*STANDARD_IA/s ],
	[ "storage_class ''", qr/invalid value/ ],
	[ "sse 'aes'", qr/invalid value for option "sse".*HINT:.*AES256/s ], [ "sse_kms_key_id 'k'", qr/option "sse_kms_key_id" needs option "sse"/ ],
	[ "sse 'AES256', sse_kms_key_id 'k'", qr/option "sse_kms_key_id" needs option "sse"/ ], [ "sse 'aws:kms', sse_kms_key_id 'k x'", qr/invalid value for option "sse_kms_key_id"/ ],
	[ "acl 'public-read'", qr/invalid value for option "acl".*HINT:.*not for everybody/s ], [ "request_payer 'me'", qr/invalid value for option "request_payer".*HINT:.*requester/s ],
	[ "storage_clas 'X'", qr/invalid option "storage_clas".*HINT:.*storage_class/s ])
{
	like(said("CREATE SERVER bad FOREIGN DATA WRAPPER sellometer_s3 OPTIONS ($case->[0])"), $case->[1], "refused: $case->[0]");
}
like(said('ALTER SERVER rich OPTIONS (DROP sse)'), qr/option "sse_kms_key_id" needs option "sse"/, 'nor may what it needs be dropped') if $signs;

# --- archives: Object Lock, and services that know no list of unfinished uploads ---

sub archive { return said('CALL sellometer_archive()'); }

sub add_hour
{
	my ($hour) = @_;

	$fake->put("shelf/in/2019-10-01-$hour.csv", "event_time,event_type,product_id,price\n2019-10-01 $hour:00:00,purchase,$hour,2.50\n");
	value('SET client_min_messages = warning; CALL sellometer_ingest(); CALL sellometer_merge_backlog(); CALL sellometer_rollup()');
	return;
}

sub archives { return value(q{SELECT string_agg(key, ' ' ORDER BY key) FROM sellometer.archives WHERE archived_at IS NOT NULL}); }

value(q{SELECT sellometer_add_source('web', 's3://shelf/in/', 'plain', archive_url => 's3://shelf/archive/')});
add_hour($_) foreach (10 .. 13);
$fake->control(refuse_puts => 'AccessDenied');
my $refused = archive();
like($refused, qr/access denied.*s3:ListBucketMultipartUploads on the bucket.*kms:Decrypt with it, for the archive also kms:GenerateDataKey/s, 'what has to be allowed');
is(archives(), '', 'an archive is broken off');
$fake->control(refuse_puts => '', lock => 1, no_uploads => 1);
like(archive(), qr/WARNING:  the server can't list unfinished uploads\nDETAIL:  One of .*HINT:  .*lifecycle/s, 'a service without a list of unfinished uploads');
my $made = archives();
like($made, qr/2019-10-01-10\.csv\.gz/, '... does not keep a broken-off archive from being made anew, in a bucket that wants checksums');
add_hour($_) foreach (14 .. 16);
$fake->control(refuse_puts => 'AccessDenied');
archive();
$fake->control(refuse_puts => '', no_uploads => 'list');
like(archive(), qr/WARNING:  the server can't list unfinished uploads/, 'one that answers with a list of objects');
cmp_ok(length(archives()), '>', length($made), '... likewise');
$fake->control(lock => '', no_uploads => '');
my $sums = q{SELECT string_agg(product_id || ':' || count, ' ' ORDER BY product_id) FROM sellometer.product_id_minute};
my $before = value($sums);
value("SET client_min_messages = warning; SELECT sellometer_replay(NULL, '-infinity', 'infinity')");
is(value($sums), $before, 'replay from these archives gives the same');

# --- words ---

for my $code ('ThrottlingException', 'RequestThrottled', 'TooManyRequestsException', 'SlowDownRead', 'RequestLimitExceeded', 'BandwidthLimitExceeded')
{
	$fake->control(refuse => $code);
	like(said("SELECT requests FROM store_list('s3://shelf/', 'plain', 'in/')"), qr/the server asks to slow down.*\d+ $code.*kind transient/s, "throttling: $code");
}
for my $case ([ 'KMS.DisabledException', qr/the key of KMS is disabled.*HINT/s ], [ 'KMS.NotFoundException', qr/no such key of KMS.*HINT:.*sse_kms_key_id/s ])
{
	$fake->control(refuse => $case->[0]);
	like(said("SELECT count(*) FROM sellometer_list('s3://shelf/in/', 'plain')"), $case->[1], $case->[0]);
}
$fake->control(refuse => '');

# --- times ---

my @times = ('2024-02-29T12:00:00.000Z', '2024-02-29T12:00:00Z', 'Thu, 29 Feb 2024 12:00:00 GMT', '2024-02-29T14:00:00.000+02:00', '2024-02-29T06:30:00-0530',
	'2024-02-29 12:00:00', '2024-02-29t12:00:00z');
my $n = 0;
$fake->control(more_items => join('', map { $n++; "<Contents><Key>times/$n</Key><LastModified>$_</LastModified><ETag>\"e\"</ETag><Size>1</Size></Contents>" } @times));
is(value("SELECT count(*), min(last_modified) AT TIME ZONE 'UTC', max(last_modified) AT TIME ZONE 'UTC' FROM sellometer_list('s3://shelf/times/', 'plain')"),
	scalar(@times) . '|2024-02-29 12:00:00|2024-02-29 12:00:00', 'LastModified, however it is spelled');

$node->stop;
done_testing();
