# Whatever is killed at whatever moment, each object is counted once and whole.
# The server crashes on purpose here.
use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Utils;
use SlmCrash;
use SlmHistory;
use SlmTest;
use Test::More;

my $KILLS = 20;
my $SMALL = 500;
my $PER_KILL = $SMALL / $KILLS;
my $CHUNK_ROWS = 1000;
my $PART_ROWS = 4 * $CHUNK_ROWS;	# of a large object within an hour

my $seed = $ENV{SLM_SEEDS} // 1;
my $node = slm_node('kill', conf => <<"CONF");
fsync = off
restart_after_crash = on
sellometer.poll_interval = 10ms
sellometer.batch_bytes = 64kB
sellometer.live_lateness = 20min
sellometer.debug_chunk_rows = $CHUNK_ROWS
CONF
my $all = slm_directory($node, 'all');
my $in = slm_directory($node, 'in');

srand($seed);
note("seed $seed");

# 500 small objects, some of which come late; and two of many rows, loaded in parts.
traffic($all, '--seed' => $seed, '--minutes' => $SMALL / 4, '--servers' => 4, '--rate' => 1200, '--products' => 2000,
	'--bad' => 0.005, '--gzip' => 0.2);
my @small = files_below($all);
is(scalar(@small), $SMALL, "there are $SMALL objects");
# Half an hour and more late, so they become backlog.
splice(@small, $_ + 150, 0, splice(@small, $_, 8)) foreach (20, 120, 220, 320);
die 'needs an extension that was built with COPT=-DUSE_ASSERT_CHECKING' if !can_make_chunks_small($node);
traffic("$all/large", '--seed' => $seed + $_, '--events' => 60 * $PART_ROWS, '--servers' => 1, '--rate' => 1000 * $PART_ROWS,
	'--start' => ('', '2019-10-01 00:28:00', '2019-10-01 01:12:00')[$_])
  foreach (1, 2);
my @large = map { "large/$_" } files_below("$all/large");
$node->safe_psql('shop', "SELECT sellometer_add_source('a', 'file://$in/')");

sub pid_of
{
	my ($where) = @_;

	return $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE $where LIMIT 1");
}

# --- the load ---

my ($during, $in_parts, %killed) = (0, 0);
for my $kill (1 .. $KILLS)
{
	my $done = $node->safe_psql('shop', "SELECT count(*) FROM sellometer.objects WHERE state <> 'pending'");
	my $large = $kill == 5 || $kill == 12 ? shift @large : undef;
	my $merge;

	if (defined $large)
	{
		link_object($all, $in, $large);
	}
	link_object($all, $in, $_) foreach (splice(@small, 0, $PER_KILL));

	# At some point of this load, or soon after it.
	my $target = defined $large
	  ? "max(resume_row) >= @{[ $PART_ROWS * (1 + int rand 15) ]} OR bool_or(state = 'done' AND key = '$large')"
	  : "count(*) FILTER (WHERE state <> 'pending') >= " . ($done + int rand $PER_KILL);
	wait_until($node, "SELECT $target FROM sellometer.objects");
	if ($kill % 7 == 0)
	{
		$merge = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('shop'), '-c', 'CALL sellometer_merge_backlog()' ],
			'<', \undef, '>', \my $out, '2>', \my $err);
	}
	select(undef, undef, undef, rand 0.05);
	my ($pending, $parts) = split(/\|/, $node->safe_psql('shop', q{
		SELECT count(*), count(*) FILTER (WHERE resume_row > 0) FROM sellometer.objects WHERE state = 'pending'}));

	my $what = (qw(worker server))[ $kill % 2 ];
	my $pid = pid_of($merge ? "query LIKE 'CALL sellometer_merge%'" : "backend_type = 'sellometer worker'");
	$what = 'merge' if $merge && $pid ne '';
	note("kill $kill: $what; $pending pending, $parts of them in parts");
	$killed{$what}++;
	$during++ if $pending > 0;
	$in_parts++ if $parts > 0;
	$what eq 'server' || $pid eq '' ? kill_server($node) : kill_process($node, $pid);
	$merge->finish if $merge;
}
ok($during >= $KILLS / 3, "of $KILLS kills $during came while objects were waiting");
ok($in_parts >= 2, "$in_parts of them while a large object was loaded in parts");
ok($killed{worker} >= 5 && $killed{server} >= 5, 'worker and server were killed in turn');

wait_until_loaded($node);
is( $node->safe_psql('shop', q{
		SELECT state, count(*), bool_and(rows_total = rows_counted + rows_duplicate + rows_rejected + rows_expired)
		FROM sellometer.objects GROUP BY state}),
	'done|' . ($SMALL + 2) . '|t', 'all objects are done, and their rows add up');
everything_agrees($node, "after $KILLS kills", $in);
is(join("\n", unexpected_in_log($node)), '', 'nothing unexpected in the log');

$node->stop;
done_testing();
