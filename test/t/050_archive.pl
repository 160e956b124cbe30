# Archiving: every row of every original is in the archives exactly once, and only then do the originals go.
use strict;
use warnings FATAL => 'all';

use File::Path qw(make_path);
use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmS3;
use SlmTest;
use Test::More;

my $seed = $ENV{SLM_SEEDS} // 1;
my $node = slm_node('archive', conf => "fsync = off\nlog_checkpoints = off\nsellometer.poll_interval = 50ms\n");
my ($in, $kept, $out) = map { slm_directory($node, $_) } qw(in kept out);
my $rows = slm_root() . '/test/archive/rows';

# What the independent reader says of the originals of these keys and of some archives.
sub compare
{
	my ($archives, @keys) = @_;
	my $dir = slm_directory($node, 'compare' . $node->{compared}++);
	my $said = '';

	link_object($kept, $dir, $_) foreach (@keys);
	IPC::Run::run([ $rows, $dir, $archives ], '>&', \$said);
	chomp $said;
	return $said;
}

sub value { return $node->safe_psql('shop', $_[0]); }

# What a CALL prints, errors included.
sub call
{
	my ($sql) = @_;
	my ($status, $stdout, $stderr) = $node->psql('shop', $sql, on_error_stop => 0);
	$node->{said} .= $stderr;
	return $stderr;
}

sub archive { return call('CALL sellometer_archive(' . (defined $_[0] ? "'$_[0]'" : '') . ')'); }

# Put objects there and load them all.
sub deliver
{
	my ($source, $dir, %objects) = @_;

	write_object($kept, $_, $objects{$_}) foreach (keys %objects);
	link_object($kept, $dir, $_) foreach (sort keys %objects);
	wait_loaded($source, sort keys %objects);
	return;
}

sub wait_loaded
{
	my ($source, @keys) = @_;
	my $n = @keys;
	my $list = join(', ', map { "'$_'" } @keys);

	wait_until($node, "SELECT count(*) = $n FROM sellometer.objects WHERE source = '$source' AND key IN ($list)
		AND state IN ('done', 'backlog')");
	value('CALL sellometer_merge_backlog()');
	return;
}

$node->{compared} = 0;
$node->{said} = '';

# --- a random day ---

traffic($kept, '--seed' => $seed, '--minutes' => 1440, '--servers' => 1, '--rate' => 25, '--products' => 3000, '--gzip' => 0.3,
	'--pandas' => 0.1, '--iso' => 0.1, '--odd' => 0.2, '--quoted' => 0.02, '--fractional-seconds' => 0.05, '--bad' => 0.01,
	'--bad-kinds' => 'bad_time,bad_event_type,bad_product_id,bad_price,bad_category_id,bad_user_id,bad_encoding,bad_quote,'
	  . 'column_count,key_too_long,future,clock_jump');
traffic("$kept/long", '--start' => '2019-10-01 05:00:00', '--minutes' => 2, '--servers' => 1, '--rate' => 25,
	'--bad' => 0.1, '--bad-kinds' => 'too_long');
my @keys = files_below($kept);
link_object($kept, $in, $_) foreach (@keys);
value("SELECT sellometer_add_source('a', 'file://$in/', archive_url => 'file://$out')");
wait_until($node, "SELECT count(*) = ${\scalar @keys} FROM sellometer.objects WHERE state IN ('done', 'backlog')");
value('CALL sellometer_merge_backlog()');
is(value("SELECT count(*) FROM sellometer.objects WHERE state <> 'done'"), '0', scalar(@keys) . ' objects are loaded');

is(archive(), '', 'a day is archived');
my @archived = split(/\n/, value("SELECT key FROM sellometer.objects WHERE state = 'archived' ORDER BY 1"));
my %archived = map { $_ => 1 } @archived;
is(scalar(@archived), scalar(grep { !/2019-10-01-23/ } @keys), 'all but what is of the last, unfinished hour');
my $total = value("SELECT sum(rows_total) FROM sellometer.objects WHERE state = 'archived'");
is(compare($out, @archived), "$total rows in 23 archives", 'every row is there exactly once, in the order of time');
is(join(' ', files_below($in)), join(' ', sort grep { !$archived{$_} } @keys), 'the originals are gone, and nothing else');
is(value("SELECT count(*), sum(rows), sum(cardinality(objects)), bool_and(originals_deleted_at > archived_at)
	FROM sellometer.archives"), "23|$total|" . @archived . '|t', 'the archives are recorded');
is(value("SELECT count(*) FROM sellometer.objects o JOIN sellometer.archives a ON a.key = o.archive_key AND o.id = ANY (a.objects)
	WHERE o.state = 'archived' AND o.archived_at >= a.started_at"), scalar(@archived), '... and in the ledger');
is(value("SELECT sum(original_bytes) = (SELECT sum(size) FROM sellometer.objects WHERE state = 'archived') FROM sellometer.archives"),
	't', '... with the sizes of the originals');
my ($checksum, $csv_bytes, $bytes) = split(/\|/, value("SELECT checksum, csv_bytes, bytes FROM sellometer.archives
	WHERE key = '2019-10-01-05.csv.gz'"));
like(`gzip -dc $out/2019-10-01-05.csv.gz | sha256sum`, qr/^$checksum /, '... and with a checksum that others can compute');
is(`gzip -dc $out/2019-10-01-05.csv.gz | wc -c` + 0, $csv_bytes, '... and their sizes');
is(-s "$out/2019-10-01-05.csv.gz", $bytes, '... on both sides of gzip');
is(value("SELECT procedure, outcome, detail->'archives', detail->'objects', detail->'rows' FROM sellometer.runs
	WHERE procedure = 'archive'"), "archive|done|23|" . @archived . "|$total", 'the run says what it did');
is(value("SELECT string_agg(name, ', ') FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker')"), '',
	'sellometer_check() has nothing to say');

is(archive(), '', 'once more');
is(value("SELECT count(*) FROM sellometer.runs WHERE procedure = 'archive'"), '1', '... does nothing, and leaves no trace');
value('SELECT sellometer_wake()');
value('CALL sellometer_ingest()');
is(value("SELECT count(*) FROM sellometer.objects"), scalar(@keys), 'archived objects do not come back');

# --- what comes later ---

my @late = map { "2019-10-01-03-0$_-9.csv" } (1 .. 3);
deliver('a', $in, map { $late[$_] => csv(map { event(event_time => "2019-10-01 03:0$_:0$_ UTC", price => "$_.50") } (1 .. 3)) } (0 .. 1));
is(archive('a'), '', 'late objects');
is(value("SELECT key, part, rows FROM sellometer.archives WHERE part > 0"), '2019-10-01-03.1.csv.gz|1|6', '... make a further part');
deliver('a', $in, $late[2] => csv(event(event_time => '2019-10-01 03:09:00 UTC')));
archive('a');
is(compare($out, @archived, @late), $total + 7 . ' rows in 25 archives', '... and another');

# --- what is not ours stays ---

write_object($out, '2019-09-30-11.csv.gz', 'of somebody else');
write_object($out, '2019-09-30-11.4.csv.gz', 'of somebody else');
deliver('a', $in, '2019-09-30-11-00-1.csv' => csv(event(event_time => '2019-09-30 11:00:00 UTC')));
archive('a');
is(value("SELECT key FROM sellometer.archives WHERE block = '2019-09-30-11'"), '2019-09-30-11.5.csv.gz',
	'an archive gets a name that nobody has');
is(slurp_file("$out/2019-09-30-11.csv.gz"), 'of somebody else', '... and overwrites nothing');

# --- objects that changed ---

deliver('a', $in, map { ("2019-09-30-12-0$_-1.csv" => csv(event(event_time => "2019-09-30 12:0$_:00 UTC"))) } (1 .. 3));
value("SELECT sellometer_enable_source('a', false)");
value('SELECT pg_terminate_backend(sellometer.worker_pid())');
write_object($in, '2019-09-30-12-02-1.csv', csv(map { event(event_time => '2019-09-30 12:02:30 UTC') } (1, 2)));
unlink("$in/2019-09-30-12-03-1.csv") or die;
value("SELECT sellometer_enable_source('a', true)");
my $said = archive('a');
like($said, qr/WARNING:  object "2019-09-30-12-02-1.csv" of source "a" can't be archived and stays where it is.*is not the one that was listed/s, 'a changed object is named');
like($said, qr/WARNING:  object "2019-09-30-12-03-1.csv" of source "a" can't be archived/, '... and one that is gone');
is(value("SELECT key, state, error ~ '^can''t be archived: ' FROM sellometer.objects
	WHERE key LIKE '2019-09-30-12-%' AND rows_total = 1 ORDER BY 1"),
	"2019-09-30-12-01-1.csv|archived|\n2019-09-30-12-02-1.csv|done|t\n2019-09-30-12-03-1.csv|done|t",
	'... they are left out, and the ledger says why');
ok(-e "$in/2019-09-30-12-02-1.csv", '... and the changed one is still there');

# --- days ---

my ($in_b, $out_b) = map { slm_directory($node, $_) } qw(in_b out_b);
my @days = map { "2019-09-2$_-1$_-00-1.csv" } (5, 5, 6);
$days[1] =~ s/15-00/16-00/;
value("SELECT sellometer_add_source('b', 'file://$in_b/', archive_url => 'file://$out_b/')");
deliver('b', $in_b, map { $_ => csv(event(event_time => join(':', substr($_, 0, 10) . ' ' . substr($_, 11, 2), '00', '00') . ' UTC')) } @days);
$node->psql('shop', "SET sellometer.archive_block = day; CALL sellometer_archive('b')");
is(compare($out_b, @days), '3 rows in 2 archives', 'archives of days');
is(join(' ', files_below($out_b)), '2019-09-25.csv.gz 2019-09-26.csv.gz', '... and their names');

# --- what is wrong ---

my $in_c = slm_directory($node, 'in_c');
value("SELECT sellometer_add_source('c', 'file://$in_c/')");
like(archive('c'), qr/source "c" has no archive_url.*HINT/s, 'a source without an archive');
like(archive('nobody'), qr/source "nobody" does not exist/, 'no such source');
like(call('BEGIN; CALL sellometer_archive()'), qr/can't run inside a transaction/, 'not inside of a transaction');
like(call('CREATE ROLE clerk; SET ROLE clerk; CALL sellometer_archive()'), qr/permission denied/, 'not for everybody');

# --- what does not read back as it was written ---

my $fake = SlmS3->fake;
$fake->create_server($node, 'shop', 'f', stall_timeout => 1, connect_timeout => 2, retry_timeout => 1);
value("SELECT sellometer_add_source('d', 's3://shelf/in/', 'f', 's3://shelf/spoilt')");
my @spoilt = map { "2019-09-28-10-0$_-1.csv" } (1 .. 5);
sub put_on_shelf
{
	my ($key, $content) = @_;
	my $answer = HTTP::Tiny->new->put("$fake->{endpoint}/shelf/in/$key", { content => $content });
	die "put failed: $answer->{status}" unless $answer->{success};
	write_object($kept, $key, $content);
	return;
}
put_on_shelf($_, csv(map { event(event_time => '2019-09-28 10:00:00 UTC', user_session => "s$_", price => $_) } (1 .. 100)))
  foreach (@spoilt);
wait_loaded('d', @spoilt);
$said = archive('d');
like($said, qr/WARNING:  could not archive "2019-09-28-10.csv.gz": archive "2019-09-28-10.csv.gz" of source "d" does not read back/,
	'an archive that is spoilt behind our back');
like($said, qr/ERROR:  archiving has failed in 1 places.*HINT:  Nothing is lost/s, '... is an error in the end');
is(value("SELECT count(*) FROM sellometer.objects WHERE source = 'd' AND state = 'done'"), '5', '... the objects stay as they are');
is(value("SELECT count(*) FROM sellometer_list('s3://shelf/in/', 'f')"), '5', '... and where they are');
is(scalar(grep { $_->[1] ne 'GET' } $fake->requests(qr{^/shelf/in/2019|[?&]delete})), 5, '... nobody tried to delete one');
is(value("SELECT outcome, detail->>'error' ~ 'does not read back' FROM sellometer.runs WHERE procedure = 'archive' ORDER BY id DESC LIMIT 1"),
	'failed|t', '... and the run says so');
$fake->control(spoil => '0');
is(archive('d'), '', 'the next run makes it anew');
is(value("SELECT count(*) FROM sellometer_list('s3://shelf/in/', 'f')"), '0', '... and deletes the originals');
my $out_d = slm_directory($node, 'out_d');
write_object($out_d, $_, HTTP::Tiny->new->get("$fake->{endpoint}/shelf/spoilt/$_")->{content})
  foreach (split(/\n/, value("SELECT key FROM sellometer.archives WHERE source = 'd' AND archived_at IS NOT NULL")));
is(compare($out_d, @spoilt), '500 rows in 1 archives', '... every row is in it');

# --- objects of a bucket that were counted, and are deleted or overwritten before they are archived ---

my @lost = map { "2019-09-29-10-0$_-1.csv" } (1 .. 3);
sub sums { return value(q{SELECT string_agg(concat_ws(' ', tier, event_time, event_type, count, gmv), ', ' ORDER BY tier, event_time, event_type) FROM sellometer.totals
	WHERE event_time >= '2019-09-29' AND event_time < '2019-09-30'}); }
sub lost_ones { return value(q{SELECT coalesce(substring(detail FROM ': (.*)$'), '') FROM sellometer_check() WHERE name = 'unreadable objects'}); }
sub replay_them { return call("SELECT sellometer_replay('d', '2019-09-29 10:00Z', '2019-09-29 11:00Z')"); }
for my $n (1 .. 3)
{
	put_on_shelf($lost[ $n - 1 ], csv(map { event(event_time => "2019-09-29 10:0$n:00 UTC", user_session => "l$n $_", price => $_) } (1 .. 10 * $n)));
}
wait_loaded('d', @lost);
my $before = sums();
is(HTTP::Tiny->new->delete("$fake->{endpoint}/shelf/in/$lost[0]")->{success}, 1, 'an object of a bucket is deleted');
put_on_shelf($lost[1], csv(map { event(event_time => '2019-09-29 10:02:00 UTC', user_session => "o$_") } (1 .. 7)));
wait_until($node, "SELECT count(*) = 2 FROM sellometer.objects WHERE source = 'd' AND key = '$lost[1]' AND state <> 'pending'");
value('CALL sellometer_merge_backlog()');
is(value("SELECT string_agg(state, ' ' ORDER BY id) FROM sellometer.objects WHERE source = 'd' AND key = '$lost[1]'"), 'done failed', '... one is overwritten');
like(lost_ones(), qr{d/\Q$lost[0]\E, d/\Q$lost[1]\E\z}, '... check() names both');
like(replay_them(), qr/can't be read.*sellometer_declare_lost\(\)/s, '... a replay needs them, and says what can be done');
like(call("SELECT sellometer_declare_lost('d', '$lost[2]')"), qr/is not lost: it can be read/, '... what is there is not lost');
$fake->control(refuse => 'SlowDown');
like(call("SELECT sellometer_declare_lost('d', '$lost[2]')"), qr/ERROR/, '... nor is what the bucket does not answer for');
$fake->control(refuse => '');
value("SELECT sellometer_skip('d', '$lost[1]')");
like(value("SELECT rows, first_event, meaning FROM sellometer_declare_lost('d', '$lost[$_ - 1]')"), qr/^${_}0\|2019-09-29 10:0$_:00\+00\|${_}0 rows stay counted/,
	"... $lost[$_ - 1] is declared lost") foreach (1, 2);
unlike(lost_ones(), qr{d/}, '... and nobody misses them');
like(replay_them(), qr/all is left as it is .*declared lost/s, '... a replay leaves their minutes alone');
is(sums(), $before, '... and makes the rest what it was');
is(archive('d'), '', '... the others are archived');
is(value("SELECT string_agg(concat_ws(' ', key, state, lost), ', ' ORDER BY key, id) FROM sellometer.objects WHERE key IN ('$lost[0]', '$lost[1]', '$lost[2]')"),
	"$lost[0] done t, $lost[1] done t, $lost[1] skipped f, $lost[2] archived f", '... and the ledger says what is what');
like(replay_them(), qr/all is left as it is .*declared lost/s, '... a replay from the archive');
is(sums(), $before, '... is the same');

# --- whatever fails, and whoever looks: no secret is told ---

put_on_shelf('2019-09-28-11-00-1.csv', csv(event(event_time => '2019-09-28 11:00:00 UTC')));
wait_loaded('d', '2019-09-28-11-00-1.csv');
for my $code (qw(InvalidAccessKeyId SignatureDoesNotMatch AccessDenied NoSuchBucket SlowDown))
{
	$fake->control(refuse => $code);
	like(archive('d'), qr/ERROR:  archiving has failed/, "$code");
	like(call("SELECT sellometer_replay('d', '2019-09-28 10:00', '2019-09-28 11:00')"), qr/ERROR: .*can't be read/s, '... in a replay');
}
$fake->control(refuse => '');
is(archive('d'), '', 'all is well again');
(my $log = slurp_file($node->logfile)) =~ s/^.*CREATE USER MAPPING.*$//mg;    # the test's own
my $secrets = qr/AKIATEST|verysecret/;
unlike($node->{said}, $secrets, 'no secret in a message');
unlike($log, $secrets, '... in the log');
unlike(value("SELECT string_agg(t, ' ') FROM (SELECT x::text FROM sellometer.runs x UNION ALL SELECT x::text FROM sellometer.objects x
	UNION ALL SELECT x::text FROM sellometer.archives x UNION ALL SELECT x::text FROM sellometer.sources x
	UNION ALL SELECT x::text FROM pg_stat_activity x) x (t)"), $secrets, '... in a table or in pg_stat_activity');

$node->stop;
done_testing();
