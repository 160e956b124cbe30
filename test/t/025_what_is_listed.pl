# What a source finds, and what it passes over: names that are not those of objects, patterns, what can't be read, and lists of
# servers that say odd things.  Nothing of it hides anything else, and all of it is told.

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

my $fake = SlmS3->fake;
my $node = slm_node('listed', conf => <<'CONF');
sellometer.poll_interval = '50ms'
sellometer.retry_delay = '10ms'
sellometer.retry_limit = 1000
CONF

sub value { return $node->safe_psql('shop', $_[0]); }

my $n = 0;
sub content { return csv(event(event_time => '2019-10-01 00:07:00', user_session => 's' . ++$n)); }

sub put
{
	my ($key, $content) = @_;

	HTTP::Tiny->new->put("$fake->{endpoint}/shelf/$key", { content => $content })->{success} or die "can't put $key";
	return;
}

sub loaded { return value("SELECT string_agg(key, ' ' ORDER BY key COLLATE \"C\") FROM sellometer.objects WHERE source = '$_[0]' AND state = 'done'"); }

# A source, loaded once: what came in, what its status says.
sub passed_over { return value("SELECT passed_over FROM sellometer.status WHERE source = '$_[0]'"); }

# --- a directory ---

my $dir = slm_directory($node, 'in');
mkdir "$dir/$_" or die "$_: $!" foreach (qw(sub _temporary open.TMP closed blind));
my @passed_over = ('.x.csv', '_x.csv', 'x.csv.tmp', 'x.csv.part', 'x.csv.filepart', 'x.csv.FilePart', 'x.csv._COPYING_',
	'x.csv.crdownload', 'x.csv~', 'x.csv.inprogress', 'x.csv.crc', '_SUCCESS', 'sub/x.Tmp', 'sub/.x');
write_object($dir, $_, content()) foreach (@passed_over, '_temporary/a.csv', 'open.TMP/a.csv');
write_object($dir, $_, content()) foreach ('good.csv', 'sub/good.csv', 'x_part.csv', 'tmp', 'closed/a.csv', 'blind/a.csv', 'a.part.csv');
write_object($dir, "not\xff.csv", content());
symlink 'good.csv', "$dir/link.csv" or die;
symlink '.', "$dir/loop" or die;
system('mkfifo', "$dir/pipe") == 0 or die;
my $deep = $dir . '/deep' x 40;
PostgreSQL::Test::Utils::system_or_bail('mkdir', '-p', $deep);
write_object($deep, 'a.csv', content());
chmod 0, "$dir/closed" or die;
chmod 0444, "$dir/blind" or die;
open(my $sparse, '>', "$dir/sparse.csv") or die;
my $is_sparse = truncate($sparse, (1 << 50) + 1);
close($sparse);
unlink "$dir/sparse.csv" unless $is_sparse;

is(value("SELECT sellometer_add_source('dir', 'file://$dir/')"), '', 'a source with parts that can\'t be read can be added');
wait_until($node, "SELECT count(*) = 5 FROM sellometer.objects WHERE state = 'done'");
wait_until($node, "SELECT passed_over <> '{}' FROM sellometer.sources");
is(loaded('dir'), 'a.part.csv good.csv sub/good.csv tmp x_part.csv', 'all that can be read is loaded, and nothing else');
is(value("SELECT string_agg(key || '=' || value, ' ' ORDER BY key) FROM sellometer.status, jsonb_each(passed_over)"
		. " WHERE key <> 'size'"),
	sprintf('encoding=1 link=3 name=%d unreadable=3', @passed_over + 2), 'what was passed over is counted, by reason');
my $unreadable = value("SELECT array_to_string(unreadable_entries, E'\\n') FROM sellometer.status");
like($unreadable, qr{^closed/: Permission denied$}m, 'a directory that may not be read is named');
like($unreadable, qr{^blind/a\.csv: Permission denied$}m, '... and a file that may not be looked at');
like($unreadable, qr{^(deep/){32}: nested too deeply$}m, '... and a tree that is too deep');
# not every file system has such files; the bucket below tells of such sizes too
like($unreadable, qr{^sparse\.csv: its size is said to be \d+ bytes$}m, '... and a file of a size that no object has') if $is_sparse;
like(value("SELECT ok, detail, hint FROM sellometer_check() WHERE name = 'source dir'"),
	qr{^f\|.*can be listed, but for: .*closed/: Permission denied.*\|What lies there is not loaded}s, 'sellometer_check() says so');

# Put right, it is loaded.
chmod 0755, "$dir/$_" foreach (qw(closed blind));
wait_until($node, "SELECT count(*) = 7 FROM sellometer.objects WHERE state = 'done'");
wait_until($node, "SELECT NOT coalesce(array_to_string(unreadable_entries, ' ') ~ 'closed|blind', false) FROM sellometer.sources");
pass('what can be read again is loaded, and no more complained of');

# A prefix that ends in a name, and a directory whose own name is one that is left out.
write_object("$dir/_temporary", 'pre_x.csv', content());
write_object("$dir/_temporary", 'pre_y.tmp', content());
value("SELECT sellometer_drop_source('dir'); SELECT sellometer_add_source('odd', 'file://$dir/_temporary/pre')");
wait_until($node, "SELECT count(*) = 1 FROM sellometer.objects WHERE source = 'odd' AND state = 'done'");
is(loaded('odd'), '_x.csv', 'a source\'s own prefix is no name to be left out');
value("SELECT sellometer_drop_source('odd')");

# --- patterns ---

# What a source is to take is said when it is added, or later: then what waits or has failed follows, and what is counted stays.
my $shop = slm_directory($node, 'shop');
mkdir "$shop/$_" or die "$_: $!" foreach (qw(shop other));
my $made = 0;

# Each content is a number of views by sessions of their own.
sub views { my ($rows, $time) = @_; return csv(map { event(event_time => $time // '2019-10-01 00:07:00', user_session => 'p' . ++$made) } 1 .. $rows); }
sub states { return value("SELECT string_agg(key || ' ' || state, ', ' ORDER BY key COLLATE \"C\") FROM sellometer.objects WHERE source = 'pat'"); }
sub error_of { return value("SELECT error FROM sellometer.objects WHERE source = 'pat' AND key = '$_[0]'"); }
sub said { my ($status, $out, $err) = $node->psql('shop', "SELECT $_[0]"); return $err; }
my $views = 'SELECT coalesce(sum(count), 0) FROM sellometer.product_id_minute';
my $before = value($views);

write_object($shop, 'shop/a.csv', views(3));
write_object($shop, $_, views(100)) foreach ('shop/a.bak.csv', 'shop/A.CSV', 'other/b.csv');
value("SELECT sellometer_add_source('pat', 'file://$shop/', include => '{shop/*.csv}', exclude => '{*.bak.csv}')");
wait_until($node, "SELECT passed_over <> '{}' FROM sellometer.sources WHERE name = 'pat'");
wait_until($node, "SELECT count(*) = 1 FROM sellometer.objects WHERE source = 'pat' AND state = 'done'");
is(states(), 'shop/a.csv done', 'only what include matches is loaded, and not what exclude does');
is(passed_over('pat'), '{"pattern": 3}', '... and the rest is counted');

write_object($shop, 'shop/bad.csv', "event_time,event_type\n");
write_object($shop, 'shop/late-2019-09-30-00-00.csv', views(5, '2019-09-30 00:00:30'));
write_object($shop, 'shop/locked.csv', views(7));
chmod 0, "$shop/shop/locked.csv" or die;
wait_until($node, "SELECT count(*) = 2 FROM sellometer.objects WHERE source = 'pat' AND (state = 'failed' OR (state = 'pending' AND error IS NOT NULL))");
wait_until($node, "SELECT count(*) = 1 FROM sellometer.objects WHERE source = 'pat' AND state = 'backlog'");
like(said("sellometer_alter_source('pat', exclude => '{shop/bad*,shop/late*,*locked*,shop/a.csv,*.bak.csv}')"),
	qr/NOTICE:  3 objects of source "pat" that were waiting or had failed are left out, and skipped/, 'what waits or has failed follows');
is(states(), 'shop/a.csv done, shop/bad.csv skipped, shop/late-2019-09-30-00-00.csv skipped, shop/locked.csv skipped', '... what is counted stays');
like(error_of('shop/bad.csv'), qr/^left out by include or exclude of its source \(sellometer_alter_source\(\) changes them\)$/, '... with a reason');
is(value("SELECT pending_objects, backlog_objects, failed_objects FROM sellometer.status WHERE source = 'pat'"), '0|0|0', 'status knows');
wait_until($node, "SELECT passed_over->>'pattern' = '7' FROM sellometer.sources WHERE name = 'pat'");
pass('... and what of it a listing passed over');
like(said("sellometer_retry('pat', 'shop/bad.csv')"), qr/is left out by include or exclude of source "pat".*sellometer_alter_source\(\) changes them/s,
	'a retry says why not');
value("SELECT sellometer_skip('pat', 'shop/bad.csv')");

# Others may note objects that were listed before.
value("INSERT INTO sellometer.objects (source, key, etag, size, last_modified)
	SELECT 'pat', key, etag, size, last_modified FROM sellometer_list('file://$shop/') WHERE key = 'shop/a.bak.csv'");
wait_until($node, "SELECT state = 'skipped' AND excluded FROM sellometer.objects WHERE source = 'pat' AND key = 'shop/a.bak.csv'");
pass('what is left out is not read, however it came into the ledger');

chmod 0644, "$shop/shop/locked.csv" or die;
like(said("sellometer_alter_source('pat', include => '{}', exclude => '{*.bak.csv,shop/[A-Z]*,other/?.csv}')"),
	qr/NOTICE:  2 objects of source "pat" that were left out are not any more, and wait to be loaded/, 'what is not left out any more waits again');
wait_until($node, "SELECT state = 'done' FROM sellometer.objects WHERE source = 'pat' AND key = 'shop/locked.csv'");
wait_until($node, "SELECT state = 'backlog' FROM sellometer.objects WHERE source = 'pat' AND key LIKE 'shop/late%'");
value('CALL sellometer_merge_backlog()');
is(states(), 'shop/a.bak.csv skipped, shop/a.csv done, shop/bad.csv skipped, shop/late-2019-09-30-00-00.csv done, shop/locked.csv done',
	'... but not what somebody has put aside');
is(value($views), $before + 3 + 5 + 7, 'the sums are those of what is loaded');
write_object($shop, 'new.csv', views(1));
wait_until($node, "SELECT state = 'done' FROM sellometer.objects WHERE source = 'pat' AND key = 'new.csv'");
value("SELECT sellometer_alter_source('pat', archive_url => '')");
is(value("SELECT include, exclude FROM sellometer.sources WHERE name = 'pat'"), '|{*.bak.csv,shop/[A-Z]*,other/?.csv}', 'other changes leave them alone');

# The next one that is added there has its own.
value("SELECT sellometer_drop_source('pat'); SELECT sellometer_add_source('pat', 'file://$shop/', exclude => '{other/*}')");
wait_until($node, "SELECT count(*) = 2 FROM sellometer.objects WHERE source = 'pat' AND key IN ('shop/a.bak.csv', 'shop/A.CSV') AND state = 'done'");
is(value($views), $before + 3 + 5 + 7 + 1 + 100 + 100, 'a source that is added there anew goes by its own');

foreach my $wrong ([ q{'{""}'}, qr/pattern "" of exclude is empty/ ], [ q{'{a[b}'}, qr/pattern "a\[b" of exclude has a bracket without its counterpart/ ],
	[ q{'{[z-a]}'}, qr/has a range whose end comes before its begin/ ], [ q{ARRAY['x\\']}, qr/ends in a backslash that quotes nothing/ ],
	[ q{'{/a/*}'}, qr/matches no key.*Keys begin behind the source's url/s ], [ q{'{s3://b/*}'}, qr/matches no key/ ], [ q{'{NULL}'}, qr/must be a list of patterns/ ],
	[ q{'{{a},{b}}'}, qr/must be a list of patterns/ ], [ q{array_fill('a'::text, ARRAY[101])}, qr/has 101 patterns, more than 100/ ],
	[ q{ARRAY[repeat('a', 1025)]}, qr/is longer than any key/ ])
{
	like(said("sellometer_alter_source('pat', exclude => $wrong->[0])"), $wrong->[1], "exclude => $wrong->[0]");
}
like(said("sellometer_add_source('wrong', 'file://$dir/closed/', include => '{[}')"), qr/pattern "\[" of include has a bracket/, 'when it is added, too');
value("SELECT sellometer_drop_source('pat')");

# --- a bucket ---

sub item { my ($key, @fields) = @_; return "<Contents><Key>$key</Key>" . join('', @fields) . '</Contents>'; }

my $modified = '<LastModified>2024-01-01T00:00:00.000Z</LastModified>';
put("in/$_", content()) foreach ('no-etag.csv', 'good.csv', '_SUCCESS', 'x.csv.FILEPART');
put('in/transcoded/a.csv.gz', gzipped(content()));
put('in/packed/a.csv', content());
$fake->create_server($node, 'shop', 's3', retry_timeout => 1, connect_timeout => 1, stall_timeout => 1);
$fake->control(more_items => join('',
	item('in/huge1.csv', $modified, '<ETag>"a"</ETag><Size>9223372036854775807</Size>'),
	item('in/huge2.csv', $modified, '<ETag>"b"</ETag><Size>9223372036854775807</Size>'),
	item('in/beyond.csv', $modified, '<ETag>"b"</ETag><Size>92233720368547758070</Size>'),
	item('in/negative.csv', $modified, '<ETag>"b"</ETag><Size>-1</Size>'),
	item('in/no-size.csv', $modified, '<ETag>"b"</ETag>'),
	item('i', $modified, '<ETag>"b"</ETag><Size>1</Size>'),
	item('', $modified, '<ETag>"b"</ETag><Size>1</Size>')));
value("SELECT sellometer_add_source('s3', 's3://shelf/in/', 's3')");
wait_until($node, "SELECT count(*) = 4 FROM sellometer.objects WHERE source = 's3' AND state = 'done'");
wait_until($node, "SELECT passed_over <> '{}' FROM sellometer.sources WHERE name = 's3'");
is(loaded('s3'), 'good.csv no-etag.csv packed/a.csv transcoded/a.csv.gz',
	'what a list says in full is loaded, also where the server or a proxy packs or unpacks it on the way');
is(passed_over('s3'), '{"name": 2, "size": 2, "entry": 5}', '... and of the rest it is said what is wrong');
like(value("SELECT array_to_string(unreadable_entries, E'\n') FROM sellometer.status"),
	qr{^huge1\.csv: its size is said to be 9223372036854775807 bytes$}m, '... by name');
is(value('SELECT pending_bytes FROM sellometer.status'), '0', 'status adds up what there is');
like(value("SELECT etag FROM sellometer.objects WHERE key = 'no-etag.csv'"), qr/^none-\d+-\d+$/,
	'an object without ETag is known by its size and time');
$fake->control(etag_form => '<ETag></ETag>', more_items => '');
put('in/no-etag-2.csv', content());
wait_until($node, "SELECT state = 'done' AND etag ~ '^none-' FROM sellometer.objects WHERE key = 'no-etag-2.csv'");
is(value("SELECT count(*) FROM sellometer.objects WHERE key = 'no-etag.csv'"), '1', '... and so is one with an empty ETag');

# --- a 404 that is not S3's ---

foreach my $case ([ 'router', 'what answered is no S3 service' ], [ 'XAdminUserNotFound', 'XAdminUserNotFound' ], [ 'NoSuchBucket', 'no such bucket' ])
{
	my ($refuse, $message) = @$case;

	$fake->control(refuse_reads => $refuse);
	put("in/during-$refuse.csv", content());
	wait_until($node, "SELECT e.detail ~ '$message' FROM sellometer.objects o JOIN sellometer.error_details e ON e.object_id = o.id WHERE o.key = 'during-$refuse.csv'");
	is(value("SELECT state FROM sellometer.objects WHERE key = 'during-$refuse.csv'"), 'pending', "$refuse: the object is not taken for deleted");
	$fake->control(refuse_reads => '');
	$node->psql("shop", "SELECT sellometer_retry('s3', 'during-$refuse.csv')");	# unless it was loaded since
	wait_until($node, "SELECT state = 'done' FROM sellometer.objects WHERE key = 'during-$refuse.csv'");
	pass('... and loaded when the server is well');
}

# Said by S3 itself, and then listed again: it waits again.
$fake->control(refuse_reads => 'NoSuchKey');
put('in/again.csv', content());
wait_until($node, "SELECT sqlstate = '58P01' FROM sellometer.objects WHERE key = 'again.csv'");
$fake->control(refuse_reads => '');
wait_until($node, "SELECT state = 'done' FROM sellometer.objects WHERE key = 'again.csv'");
pass('an object that was gone, and is listed again, is loaded by itself');

# --- a list that takes long ---

# CALL waits a second for a source's first list, and goes on with the others then; when the list has come it loads what that has brought.
$node->safe_psql('postgres', 'CREATE DATABASE called');
$node->safe_psql('called', 'CREATE EXTENSION sellometer');
$fake->create_server($node, 'called', 'bucket');
put("late/$_.csv", content()) foreach (1 .. 3);
$node->safe_psql('called', "SELECT sellometer_add_source('late', 's3://shelf/late/', 'bucket')");
$fake->control(slow_list => '1.5');
$node->safe_psql('called', 'CALL sellometer_ingest()');
$fake->control(slow_list => '');
is($node->safe_psql('called', "SELECT string_agg(state, ' ') FROM sellometer.objects"), 'done done done', 'a call loads what a slow list has brought');

is(value("SELECT count(*) FROM sellometer_check() WHERE NOT ok AND name IN ('ledger', 'failed objects')"), '0', 'the ledger adds up');
$node->stop;
done_testing();
