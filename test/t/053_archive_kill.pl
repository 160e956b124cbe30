# Archiving and replay, killed at random points: every row stays in exactly one place, and the next run completes it.
# The server crashes on purpose here.
use strict;
use warnings FATAL => 'all';

use File::Find qw(find);
use IPC::Run ();
use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmS3;
use SlmTest;
use Test::More;
use Time::HiRes qw(time sleep);

my %KILLS = (file => 14, s3 => 6, replay => 10);
my $HOURS = 30;

my $seed = $ENV{SLM_SEEDS} // 1;
my $s3 = SlmS3->real;
# as many parts as the server lets an upload have
my $node = slm_node('archive_kill', conf => <<"CONF");
fsync = off
log_checkpoints = off
restart_after_crash = on
sellometer.poll_interval = 100ms
sellometer.debug_part_bytes = $s3->{min_part}
CONF
my $rows = slm_root() . '/test/archive/rows';
my %dir = map { $_ => slm_directory($node, $_) } qw(kept in out fetched);
my @dimensions = qw(product_id brand category_l1 category_l2 category_l3);

srand($seed);
note("seed $seed");

sub value { return $node->safe_psql('shop', 'SET client_min_messages = warning; ' . $_[0]); }

# Run a statement, kill its backend after some time, and wait until the server is there again.  True if it was under way.
sub kill_during
{
	my ($sql, $after) = @_;
	my $seen = -s $node->logfile;
	my ($out, $err) = ('', '');
	# psql itself starts who kills, so that the time counts from right before the statement
	my $script = "SELECT pg_backend_pid() AS pid \\gset\n\\setenv PID :pid\n"
	  . "\\! (sleep $after; kill -9 \$PID) >/dev/null 2>&1 &\n$sql;\n";

	my $file = $node->basedir . '/script.sql';

	unlink($file);
	append_to_file($file, $script);
	IPC::Run::run([ 'psql', '-XqAt', '-d', $node->connstr('shop'), '-f', $file ], '<', \undef, '>', \$out, '2>', \$err);
	if ($err eq '')
	{
		sleep($after + 0.5);		# it may still strike a backend that is leaving
		$node->poll_query_until('postgres', 'SELECT true') or die 'the server does not come back';
		return 0;
	}
	for (1 .. 2000)
	{
		last if slurp_file($node->logfile, $seen) =~ /all server processes terminated; reinitializing/;
		sleep(0.01);
	}
	$node->poll_query_until('postgres', 'SELECT true') or die 'the server does not come back';
	return 1;
}

# How long a statement takes.
sub seconds
{
	my ($sql) = @_;
	my $begin = time;
	value($sql);
	return time - $begin;
}

sub compare
{
	my ($originals, $archives) = @_;
	my $said = '';
	IPC::Run::run([ $rows, $originals, $archives ], '>&', \$said);
	chomp $said;
	return $said;
}

# The ledger, and what stands in both places, after all is done.
sub is_complete
{
	my ($source, $archives) = @_;

	is(value("SELECT count(*) FROM sellometer.archives WHERE source = '$source' AND (archived_at IS NULL OR originals_deleted_at IS NULL)"),
		'0', "$source: nothing is left half done");
	is(value("SELECT count(*), sum(rows), count(DISTINCT key) = count(*) FROM sellometer.archives WHERE source = '$source'"),
		value("SELECT count(DISTINCT date_trunc('hour', object_time)), sum(rows_total), true FROM sellometer.objects
			WHERE source = '$source' AND state = 'archived'"), '... one archive an hour');
	is(value("SELECT count(*) FROM sellometer.objects WHERE source = '$source'"), value("SELECT count(*) FROM sellometer.objects o
		WHERE source = '$source' AND (state = 'archived') = (object_time < '2019-10-01 00:00:00 UTC'::timestamptz + interval '$HOURS hours')"),
		'... in the ledger too');
	like(compare("$dir{kept}/$source", $archives), qr/^\d+ rows in $HOURS archives$/, '... and every row is there exactly once');
	return;
}

# --- objects ---

# A few files an hour; those in S3 hold as much as a few parts of an upload.
my %every = (file => 15, s3 => 20);
for my $source (sort keys %every)
{
	traffic("$dir{kept}/$source", '--seed' => $every{$source}, '--minutes' => 60 * $HOURS, '--servers' => 1,
		'--rate' => $source eq 's3' ? 300 : 400, '--products' => 200, '--gzip' => 0.2, '--odd' => 0.1, '--bad' => 0.01);
	for my $key (files_below("$dir{kept}/$source"))
	{
		my ($minute) = $key =~ /^\d+-\d+-\d+-\d+-(\d+)/;
		unlink("$dir{kept}/$source/$key") if $minute % $every{$source};
	}
}
link_object("$dir{kept}/file", $dir{in}, $_) foreach (files_below("$dir{kept}/file"));
# One of the hour behind, which has not ended, so that all the others have.
traffic("$dir{kept}/last", '--start' => '2019-10-02 06:30:00', '--minutes' => 1, '--servers' => 1, '--rate' => 10);
link_object("$dir{kept}/last", $dir{in}, $_) foreach (files_below("$dir{kept}/last"));
$s3->client('mkbucket', 'incoming');
$s3->client('mkbucket', 'packed');
$s3->client('put-all', 'incoming', '', "$dir{kept}/s3");
$s3->create_server($node, 'shop', 'swift');
value("SELECT sellometer_add_source('file', 'file://$dir{in}/', archive_url => 'file://$dir{out}/')");
value("SELECT sellometer_add_source('s3', 's3://incoming/', 'swift', 's3://packed/')");
wait_until_loaded($node);

# --- archiving ---

for my $source (qw(file s3))
{
	my $killed = 0;

	while ($killed < $KILLS{$source})
	{
		my $left = value("SELECT count(DISTINCT date_trunc('hour', object_time)) FROM sellometer.objects WHERE source = '$source' AND state = 'done'");
		last if $left <= 1;
		$killed += kill_during("CALL sellometer_archive('$source')", rand($source eq 's3' ? 0.4 : 0.012));
	}
	is($killed, $KILLS{$source}, "$source: killed $killed times");
	value("CALL sellometer_archive('$source')");
}
is_complete('file', $dir{out});
is(join(' ', files_below($dir{in})), join(' ', files_below("$dir{kept}/last")), '... the originals are gone');
my @temporary;
find(sub { push @temporary, $_ if /^\.slm/ }, $dir{out});
is("@temporary", '', '... and no temporary file is left');

$s3->client('get-all', 'packed', $dir{fetched});
is_complete('s3', $dir{fetched});
is($s3->client('list', 'incoming'), '', '... the originals are gone');
is($s3->client('uploads', 'packed'), '', '... and no upload is left unfinished');

# --- replay ---

sub digest
{
	return join(' ', map { my $t = $_; map { value("SELECT md5(coalesce(string_agg(t::text, ' ' ORDER BY t::text), '')) FROM sellometer.${_}_$t t") } @dimensions }
		  qw(minute hour)) . value('SELECT md5(string_agg(t::text, \' \' ORDER BY t::text)) FROM (SELECT tier, event_type, event_time, count, gmv FROM sellometer.totals) t');
}

value('CALL sellometer_rollup()');
my $good = digest();
my $replay = "SELECT sellometer_replay(NULL, '2019-10-01 20:00', '2019-10-02 04:00')";
my $took = seconds($replay);
is(digest(), $good, 'a replay changes nothing');
value(join(';', map { "DELETE FROM sellometer.${_}_minute WHERE event_time BETWEEN '2019-10-01 22:10' AND '2019-10-01 22:40'" } @dimensions));
my $damaged = digest();
my $killed = 0;
my $wrong = 0;
for (1 .. 5 * $KILLS{replay})
{
	last if $killed >= $KILLS{replay};
	$killed += kill_during($replay, rand($took));
	my $now = digest();
	$wrong++ if $now ne $damaged && $now ne $good;
	value(join(';', map { "DELETE FROM sellometer.${_}_minute WHERE event_time BETWEEN '2019-10-01 22:10' AND '2019-10-01 22:40'" } @dimensions))
	  if $now eq $good;
}
is($killed, $KILLS{replay}, "replay: killed $killed times");
is($wrong, 0, '... it leaves the old rows, or all is replaced');
value($replay);
is(digest(), $good, '... and the next one completes it');
is(value("SELECT string_agg(name, ', ') FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker')"), '',
	'sellometer_check() has nothing to say');

$node->stop;
done_testing();
