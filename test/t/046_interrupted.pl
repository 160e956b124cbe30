# Loads, merges, rolls up and prunes while sessions, the worker and parse workers are cancelled, terminated and timed out at random
# moments.  The same sessions go on; nothing crashes, is lost or doubled.  SLM_INTERRUPT_ROUNDS=500 SLM_SEEDS=7 for more, or others.
use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmRandom;
use SlmTest;
use Test::More;

my $ROUNDS = $ENV{SLM_INTERRUPT_ROUNDS} // 40;
my $FILES = 4 * $ROUNDS;
my $seed = $ENV{SLM_SEEDS} // 1;
my $node = slm_node('interrupted', conf => <<'CONF');
fsync = off
log_statement = none
max_worker_processes = 32
sellometer.poll_interval = 50ms
sellometer.retry_delay = 1ms
sellometer.live_lateness = 20min
sellometer.batch_bytes = 256kB
CONF
my ($all, $in) = map { slm_directory($node, $_) } qw(all in);

srand($seed);
note("seed $seed, $ROUNDS rounds");
traffic($all, '--seed' => $seed, '--minutes' => $FILES / 4, '--servers' => 4, '--rate' => 2000, '--products' => 300, '--gzip' => 0.2);
my @files = files_below($all);
# Some come so late that they are merged as backlog.
for (my $i = 0; $i + 100 < @files; $i += 50) { splice(@files, $i + 90, 0, splice(@files, $i, 4)); }
$node->safe_psql('shop', "SELECT sellometer_add_source('a', 'file://$in/')");
die 'needs an extension that was built with COPT=-DUSE_ASSERT_CHECKING' if !can_make_chunks_small($node);

my @CALLS = ('ingest()', 'ingest()', 'merge_backlog()', 'rollup()', 'prune()', 'detect()');
my @WHO = ("backend_type = 'sellometer worker'", "backend_type = 'sellometer parse worker'", "query LIKE 'CALL%'");

# A session that stays, and what its settings are.
my $session;
sub session
{
	$session //= $node->background_psql('shop', on_error_stop => 0, timeout => 180);
	return $session;
}

# Its answer is of no interest, but for whether the session is still there.
sub run_in_session
{
	my ($sql) = @_;

	return 1 if eval { session()->query($sql); 1 };
	eval { $session->quit };
	$session = undef;
	return 0;
}

# Strike soon, from another session, three times.
sub strike
{
	my ($function, $where) = @_;
	my @strike = ('-c', "SELECT $function(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND $where");

	return IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), map { ('-c', 'SELECT pg_sleep(' . rand(0.1) . ')', @strike) } 1 .. 3 ],
		'<', \undef, '>&', \my $output);
}

my %struck;
for my $round (1 .. $ROUNDS)
{
	link_object($all, $in, $_) foreach (splice(@files, 0, 4));
	my $call = pick(@CALLS);
	my $how = pick(qw(timeout timeout pg_cancel_backend pg_cancel_backend pg_terminate_backend));
	my $timeout = $how eq 'timeout' ? 1 + int(rand(6) ** 2.5) : 0;
	my $surge = pick('1kB', '256MB');
	my $striking = $how eq 'timeout' ? undef : strike($how, pick(@WHO));

	$struck{$how}++;
	# the worker's turn
	$node->safe_psql('postgres', "ALTER SYSTEM SET sellometer.debug_chunk_rows = " . pick(100, 1000000)) if $round % 10 == 0;
	$node->safe_psql('postgres', "ALTER SYSTEM SET sellometer.surge_bytes = '" . pick('1kB', '256MB') . q{'; }) if $round % 7 == 0;
	$node->reload if $round % 10 == 0 || $round % 7 == 0;
	my $there = run_in_session("SET sellometer.surge_bytes = '$surge'; SET statement_timeout = $timeout;")
	  && run_in_session("CALL sellometer_$call;");
	$striking->finish if $striking;
	# the same session, left alone
	run_in_session("SET statement_timeout = 0; SET sellometer.surge_bytes = '" . pick('1kB', '256MB') . "';") if $there;
	run_in_session("CALL sellometer_ingest();") if $there;
	last if slurp_file($node->logfile) =~ /terminated by signal|TRAP:|PANIC/;
}
note(join(', ', map { "$struck{$_} by $_" } sort keys %struck));
unlike(slurp_file($node->logfile), qr/terminated by signal|TRAP:|PANIC/, "$ROUNDS interruptions, and no process died");
eval { $session->quit } if $session;

wait_until_loaded($node);
is($node->safe_psql('shop', 'SELECT state, count(*) FROM sellometer.objects GROUP BY state'), "done|$FILES", 'all objects are done');
everything_agrees($node, "after $ROUNDS interruptions", $in);
is($node->safe_psql('shop', 'SELECT count(*) FROM sellometer.progress WHERE task <> $$load$$'), '0', 'nobody reports what has ended');

$node->stop;
done_testing();
