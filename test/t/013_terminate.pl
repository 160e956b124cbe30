# A session that loads is terminated at any moment, threads of its own at work or not: the server goes on, and nothing is lost.
use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Utils;
use SlmHistory qw(unexpected_in_log);
use SlmTest;
use Test::More;
use Time::HiRes qw(time);

my $TERMINATIONS = 10;
my $seed = $ENV{SLM_SEEDS} // 1;
my $node = slm_node('terminate', conf => "fsync = off\nsellometer.database = ''\nsellometer.live_lateness = '1d'\n");
my $in = slm_directory($node, 'in');

srand($seed);
note("seed $seed");
# Enough of views and cells for each thread
traffic($in, '--seed' => $seed, '--events' => 600_000, '--servers' => 1, '--rate' => 60_000, '--start' => '2019-10-01 10:00:00');

# A load into a database of its own, and what psql said; $meanwhile is called with its session's process id.
sub load
{
	my ($database, $meanwhile) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, "CREATE EXTENSION sellometer; ALTER TABLE sellometer.sources ALTER same_content SET DEFAULT 'count'; SELECT sellometer_add_source('shop', 'file://$in/')");
	my ($out, $err) = ('', '');
	my $load = IPC::Run::start(
		[ 'psql', '-XqAt', '-d', $node->connstr($database), '-c', 'SELECT pg_backend_pid()', '-c', 'CALL sellometer_ingest()' ],
		'<', \undef, '>', \$out, '2>', \$err);
	$load->pump until $out =~ /^(\d+)\n/;
	my $pid = $1;
	$meanwhile->($pid);
	$load->finish;
	return $err;
}

my $begin;
is(load('whole', sub { $begin = time; }), '', 'a load that is left alone');
my $whole = time - $begin;
my ($terminated, $round) = (0, 0);

# One that ends before its time shows that less is enough.
while ($terminated < $TERMINATIONS && $round < 10 * $TERMINATIONS)
{
	my $database = 'round' . ++$round;
	my $err = load($database, sub {
		select(undef, undef, undef, $whole * ($terminated + rand) / $TERMINATIONS);
		kill 'TERM', $_[0];
	});

	$err =~ /terminating connection due to administrator command/ ? $terminated++ : ($whole *= 0.8);
	$SlmTest::DATABASE = $database;
	$node->safe_psql('postgres', "DROP DATABASE $database") if $terminated < $TERMINATIONS;
}
is($terminated, $TERMINATIONS, "$TERMINATIONS of $round loads were terminated");
$node->safe_psql($SlmTest::DATABASE, 'CALL sellometer_ingest()');
is($node->safe_psql($SlmTest::DATABASE, "SELECT sum(rows_total) FROM sellometer.objects WHERE state = 'done'"), 600_000, 'then all is loaded');
# Of a view that an object has moved which was loaded after one of later time, as slow ones are, both entries stand there: one counts.
is($node->safe_psql($SlmTest::DATABASE, "SELECT sum(views) FROM sellometer.recent_views('2019-10-01', '2019-10-02')"),
	$node->safe_psql($SlmTest::DATABASE, q{SELECT sum(rows_counted) - (SELECT sum(count) FROM sellometer.category_l1_minute WHERE event_type <> 'view')
		FROM sellometer.objects}), 'each view that counts stands in the log');
my $sums = "SELECT string_agg(concat_ws(' ', event_time, category_l1, event_type, count, gmv), E'\\n' ORDER BY event_time, category_l1, event_type) FROM sellometer.category_l1_minute";
is($node->safe_psql($SlmTest::DATABASE, $sums), $node->safe_psql('whole', $sums), '... and all sums are those of the load that was left alone');
is(join("\n", unexpected_in_log($node)), '', 'nothing unexpected in the log');
unlike(slurp_file($node->logfile), qr/terminated by signal/, 'no process died otherwise');

$node->stop;
done_testing();
