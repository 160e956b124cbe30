# Sources and archives that are somewhere else now: nothing is counted again, nothing fails, and all can be read.
use strict;
use warnings FATAL => 'all';

use File::Path qw(make_path);
use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmS3;
use SlmTest;
use Test::More;

my $node = slm_node('move', conf => "fsync = off\nsellometer.database = 'postgres'\n");
my $place = slm_directory($node, 'place');
my $s3 = SlmS3->swift;

delete $ENV{$_} foreach (grep { /^AWS_/ } keys %ENV);
$s3->create_server($node, 'shop', 'here');
$s3->create_server($node, 'shop', 'there');
$s3->client('mkbucket', $_) foreach (qw(new newer));

sub value { return $node->safe_psql('shop', "SET client_min_messages = warning; $_[0]"); }
sub said { return ($node->psql('shop', $_[0]))[2]; }
sub ingest { value('CALL sellometer_ingest(); CALL sellometer_merge_backlog(); CALL sellometer_rollup()'); return; }
sub sums { return value("SELECT string_agg(concat_ws(' ', event_time, product_id, count, gmv), ', ' ORDER BY event_time, product_id) FROM sellometer.product_id_minute"); }

my $n = 0;

sub content
{
	my ($hour) = @_;

	$n++;
	return csv(map { event(event_time => sprintf('2019-10-01 %02d:%02d:00', $hour, 10 + $_), event_type => 'purchase', product_id => $n) } 1 .. 3);
}

# Nothing new is in the sums, nothing has failed, and a replay from where all is now gives the same.
sub is_as_before
{
	my ($name, $sums, $counted) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ingest();
	is(sums(), $sums, "$name: the same sums");
	is(value("SELECT count(*) || ' ' || count(DISTINCT key) FROM sellometer.objects WHERE state IN ('done', 'archived')"), "$counted $counted", '... of the same objects');
	is(value("SELECT string_agg(key || ': ' || error, '; ') FROM sellometer.objects WHERE state = 'failed'"), '', '... none has failed');
	is(value('SELECT count(last_error) FROM sellometer.sources'), '0', '... nor has the source');
	value("SELECT sellometer_replay(NULL, '2019-10-01', '2019-10-02')");
	is(sums(), $sums, '... and a replay makes the same from there');
	return;
}

# Objects in a directory, of which those of the first two hours are archived.
make_path("$place/shop/$_") foreach (qw(in out));
write_object("$place/shop/in", "2019-10-01-$_-1.csv", content($_)) foreach (10 .. 12);
value("SELECT sellometer_add_source('web', 'file://$place/shop/in/'); SELECT sellometer_alter_source('web', same_content => 'skip')");
value("SELECT sellometer_alter_source('web', archive_url => 'file://$place/shop/out')");
is(value('SELECT archive_url FROM sellometer.sources'), "file://$place/shop/out/", 'a source gets a place for its archives');
ingest();
value('CALL sellometer_archive()');
is(value("SELECT string_agg(state, ' ' ORDER BY key) FROM sellometer.objects"), 'archived archived done', 'two hours are archived');
my $sums = sums();

# The directory that both are in gets another name: neither of the two is where it was.
rename("$place/shop", "$place/store") or die $!;
like(said("SELECT sellometer_move_source('web', 'file://$place/store/in/')"), qr/No such file or directory.*archive_url of sellometer_move_source\(\) says where to/s, 'archives that are not where they were');
value("SELECT sellometer_move_source('web', 'file://$place/store/in/', 'file://$place/store/out')");
is_as_before('a directory with its archives', $sums, 3);

# Copied, so that everything has another ETag; and one archive was forgotten first.
system('cp', '-r', "$place/store", "$place/copy") == 0 or die;
rename("$place/copy/out/2019-10-01-10.csv.gz", "$place/kept") or die $!;
like(said("SELECT sellometer_move_source('web', 'file://$place/copy/in/', 'file://$place/copy/out/')"),
	qr/1 archives of source "web" are not at their new place.*2019-10-01-10\.csv\.gz.*Copy all of them first/s, 'an archive that was not copied');
is(value('SELECT url FROM sellometer.sources'), "file://$place/store/in/", '... keeps all from being moved');
write_object("$place/copy/out", '2019-10-01-10.csv.gz', 'short');
like(said("SELECT sellometer_move_source('web', 'file://$place/copy/in/', 'file://$place/copy/out/')"), qr/not as long as it was/, '... so does one that is another');
rename("$place/kept", "$place/copy/out/2019-10-01-10.csv.gz") or die $!;
# One that was broken off is where it was begun: there it is cleared away.
value("INSERT INTO sellometer.archives (source, url, owner, block, part, key) SELECT source, url, owner, block, 99, '2019-10-01-10-99.csv.gz' FROM sellometer.archives LIMIT 1");
value("SELECT sellometer_move_source('web', 'file://$place/copy/in/', 'file://$place/copy/out/')");
is(value("SELECT string_agg(DISTINCT url, ' ') FILTER (WHERE archived_at IS NULL) || ' ' || count(*) FILTER (WHERE url = 'file://$place/copy/out/') FROM sellometer.archives"),
	"file://$place/store/out/ 2", 'archives are moved, but for one that was broken off');
value('DELETE FROM sellometer.archives WHERE archived_at IS NULL');
system('rm', '-rf', "$place/store") == 0 or die;
is_as_before('a copy', $sums, 3);

# Into a bucket, then into another one behind another server, with what is new there.
$s3->client('put-all', 'new', '', "$place/copy");
value("SELECT sellometer_move_source('web', 's3://new/in/', 's3://new/out/', 'here')");
system('rm', '-rf', "$place/copy") == 0 or die;
is_as_before('from a directory into a bucket', $sums, 3);
make_path("$place/fetched/$_") foreach (qw(in out));
$s3->client('get-all', 'new', "$place/fetched");
$s3->client('put-all', 'newer', 'sub/', "$place/fetched");
$s3->client('delete', 'new', $_) foreach (split(/\n/, $s3->client('list', 'new')));
write_object("$place/fetched", '2019-10-01-13-1.csv', content(13));
$s3->client('put', 'newer', 'sub/in/2019-10-01-13-1.csv', "$place/fetched/2019-10-01-13-1.csv");
value("SELECT sellometer_move_source('web', 's3://newer/sub/in/', 's3://newer/sub/out/', 'there')");
ingest();
is(sums(), "$sums, " . join(', ', map { "2019-10-01 13:1$_:00+00 4 1 1.0000" } 1 .. 3), 'from a bucket into another: only what is new there counts');
is_as_before('a bucket', sums(), 4);

# The place of later archives alone, in the bucket and beside it.
value("SELECT sellometer_alter_source('web', archive_url => 's3://new/later')");
value('CALL sellometer_archive()');
is(value("SELECT string_agg(url || key, ' ' ORDER BY key) FROM sellometer.archives"),
	's3://newer/sub/out/2019-10-01-10.csv.gz s3://newer/sub/out/2019-10-01-11.csv.gz s3://new/later/2019-10-01-12.csv.gz', 'another place for later archives');
is($s3->client('list', 'new'), "later/2019-10-01-12.csv.gz\n", '... where they are put');
is_as_before('archives in two places', sums(), 4);
like(said("SELECT sellometer_alter_source('web', archive_url => 's3://newer/sub/in/x')"), qr/archive_url must not be inside url/, 'not inside the source');
value("SELECT sellometer_alter_source('web', archive_url => '')");
is(value('SELECT archive_url IS NULL FROM sellometer.sources'), 't', 'none');

$node->stop;
done_testing();
