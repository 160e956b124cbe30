# The race that merging by snapshots and swaps of tables loses: backlog for 22:45 is merged while live data for 22:46 arrives.
# Both are there, exactly, whichever is first; also when their hour is long complete and rolled up.
use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmTest;
use SlmTiers;
use Test::More;

# The writer's lock (src/server/locks.c): while it is held whoever wants to apply something queues up, in order.
my $WRITER_LOCK = 'sellometer.hold_loading()';
# No session may look at the objects but those of this test.
my $node = slm_node('race', conf => tier_conf() . <<'CONF');
sellometer.database = ''
sellometer.live_lateness = 0
CONF

my %call = (live => 'CALL sellometer_ingest()', merge => 'CALL sellometer_merge_backlog()');

sub at
{
	my ($time, @events) = @_;

	return csv(map { event(event_time => "2019-10-01 $time UTC", @$_) } @events);
}

sub waiting
{
	my ($n) = @_;

	return "SELECT count(*) = $n FROM pg_locks WHERE locktype = 'object' AND objsubid = 1 AND NOT granted";
}

sub counts
{
	return $node->safe_psql('shop', q{
		SELECT to_char(event_time AT TIME ZONE 'UTC', 'HH24:MI'), event_type, sum(count), sum(gmv)
		FROM sellometer.realtime_product_id_minute WHERE event_time >= '2019-10-01 22:45:00+00' AND event_time < '2019-10-01 22:47:00+00'
		GROUP BY event_time, event_type ORDER BY event_time, event_type});
}

# The objects are the same each time; only the order is not.
sub race
{
	my ($rolled_up, @order) = @_;
	my $name = join(' before ', @order) . ($rolled_up ? ', hour rolled up' : '');
	my $dir = slm_directory($node, $name =~ s/\W+/_/gr);
	my @sessions;

	$node->safe_psql('shop', 'SET client_min_messages = warning; DROP EXTENSION IF EXISTS sellometer CASCADE; CREATE EXTENSION sellometer; ALTER TABLE sellometer.sources ALTER same_content SET DEFAULT $$count$$');
	$node->safe_psql('shop', "SELECT sellometer_add_source('a', 'file://$dir/')");
	write_object($dir, '2019-10-01-22-45-00-1.csv', at('22:45:10', [ event_type => 'purchase', price => '10' ],
		[ event_type => 'view', price => '5', user_session => 'both' ]));
	write_object($dir, '2019-10-01-23-30-00-1.csv', at('23:30:00', [ event_type => 'purchase' ])) if $rolled_up;
	$node->safe_psql('shop', $call{live});
	$node->safe_psql('shop', 'CALL sellometer_rollup()') if $rolled_up;
	# Late: more sales, and the session's first view of the product after all.
	write_object($dir, '2019-10-01-22-45-00-2.csv', at('22:45:05', ([ event_type => 'purchase', price => '1.25' ]) x 100,
		[ event_type => 'view', price => '7', user_session => 'both' ], [ event_type => 'view', price => '3', user_session => 'late' ]));
	$node->safe_psql('shop', $call{live});
	is($node->safe_psql('shop', "SELECT key FROM sellometer.objects WHERE state = 'backlog'"), '2019-10-01-22-45-00-2.csv',
		"$name: the late object for 22:45 is backlog");
	# Live by the name, with rows of 22:46; a view that the backlog has earlier, and one of its own.
	write_object($dir, $rolled_up ? '2019-10-01-23-31-00-1.csv' : '2019-10-01-22-46-00-1.csv',
		at('22:46:05', ([ event_type => 'purchase', price => '0.75' ]) x 50, [ event_type => 'purchase', price => '10' ],
		[ event_type => 'view', price => '4', user_session => 'late' ], [ event_type => 'view', price => '2', user_session => 'live' ]));

	my $holder = $node->background_psql('shop', on_error_stop => 1);
	$holder->query_safe("BEGIN; SELECT $WRITER_LOCK");
	for my $what (@order)
	{
		my $output = '';

		push @sessions, { output => \$output, harness => IPC::Run::start(
			[ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('shop'), '-c', $call{$what} ],
			'<', \undef, '>&', \$output) };
		wait_until($node, waiting(scalar @sessions));
	}
	pass("$name: both are under way at once");
	$holder->query_safe('COMMIT');
	$holder->quit;
	for my $session (@sessions)
	{
		ok($session->{harness}->finish, "$name: done") or diag(${ $session->{output} });
	}
	is($node->safe_psql('shop', "SELECT count(*) FROM sellometer.objects WHERE state <> 'done'"), '0', "$name: nothing is left");
	is(counts(), "22:45|view|2|10.0000\n22:45|purchase|101|135.0000\n22:46|view|1|2.0000\n22:46|purchase|51|47.5000",
		"$name: 22:45 and 22:46 are exact");
	oracle_load($node, $dir);
	is(join("\n", tier_differences($node)), '', "$name: all tiers agree with the oracle");
	return;
}

for my $rolled_up (0, 1)
{
	race($rolled_up, 'merge', 'live');
	race($rolled_up, 'live', 'merge');
}
is(join("\n", unexpected_in_log($node)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
