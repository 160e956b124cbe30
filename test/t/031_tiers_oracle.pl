# All tiers, and carts, are what plain SQL makes of the same rows, after any history of loads, late files, merges, rollups, prunes,
# added and dropped tiers, and restarts; several of these at the same time.
# SLM_SEEDS: which seeds to run, e.g. "1-1000" or "7" (default: 35).
use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use POSIX qw(strftime);
use PostgreSQL::Test::Utils;
use SlmHistory qw(can_make_chunks_small unexpected_in_log);
use SlmRandom;
use SlmTest;
use Test::More;
use Time::Local qw(timegm);

my %TIERS = (half_hour => "'30 minutes', '3 days'", six_hours => "'6 hours', '2 months'", day => "'1 day', '5 years'",
	week => "'7 days', '6 years'", month => "'1 month', '7 years'");
my $node = slm_node('tiers_oracle', extension => 0,
	conf => "sellometer.database = ''\nfsync = off\nlog_checkpoints = off\nautovacuum_naptime = 1s\n");
my $small = can_make_chunks_small($node);
my @CALLS = map { "CALL sellometer_$_()" } qw(ingest merge_backlog rollup prune);

# --- events ---

# Sessions of some hours, in which few products are viewed again and again: so late rows move many views.
sub random_events
{
	my ($n, $start, $seconds) = @_;
	my @events;

	while (@events < $n)
	{
		my $begin = rand $seconds;
		my $length = pick(60, 3600, 6 * 3600);
		my $session = 's' . @events;

		for (1 .. pick(1, 3, 12))
		{
			my $time = $start + int($begin + rand $length);
			my $product = 1 + int(12 * rand() ** 2);

			push @events, [ $time, event(
				event_time => strftime('%Y-%m-%d %H:%M:%S UTC', gmtime $time), event_type => pick('view', 'view', 'view', 'cart', 'remove_from_cart', 'purchase'),
				product_id => $product, brand => pick('acme', 'zz', ''), price => pick('1.00', '0.5', '19.99', '120.25'),
				category_code => pick('a.b', 'a.c', 'd', ''), user_session => chance(0.1) ? '' : $session) ];
		}
	}
	return sort { $a->[0] <=> $b->[0] } @events;
}

# Some runs of objects become one, of several parts, whose rows may be in any order.
sub with_large_ones
{
	my (@objects) = @_;
	my @merged;

	while (@objects)
	{
		my @some = splice(@objects, 0, chance(0.1) ? 2 + int rand 200 : 1);
		my @lines = map { @{ $_->{lines} } } @some;

		@lines = shuffled(@lines) if @some > 1 && chance(0.3);
		push @merged, { time => $some[0]{time}, lines => \@lines };
	}
	return @merged;
}

# Objects of up to an hour or so, some with a row of another day.
sub random_objects
{
	my (@events) = @_;
	my $per_object = pick(3, 10, 40);
	my @objects;

	while (@events)
	{
		my @some = splice(@events, 0, 1 + int rand $per_object);

		push @objects, { time => $some[0][0], lines => [ map { $_->[1] } @some ] };
		if (chance(0.1) && @objects > 1)
		{
			my $other = $objects[ int rand @objects ]{lines};

			push @{ $objects[-1]{lines} }, splice(@$other, int rand @$other, 1) if @$other > 1;
		}
	}
	@objects = with_large_ones(@objects) if chance(0.5);
	for my $i (0 .. $#objects)
	{
		$objects[$i]{key} = strftime('%Y-%m-%d-%H-%M-%S', gmtime $objects[$i]{time}) . "-$i.csv";
	}
	return @objects;
}

# In the order of time, but for some that come later, by minutes or by days.
sub in_order_of_arrival
{
	my ($start, @objects) = @_;
	my $late = pick(0.05, 0.2, 0.6);

	foreach my $object (@objects)
	{
		$object->{arrival} = $object->{time} + (chance($late) ? rand(pick(600, 6 * 3600, 4 * 86400)) : 0);
	}
	return sort { $a->{arrival} <=> $b->{arrival} || $a->{key} cmp $b->{key} } @objects;
}

# --- what happens ---

sub random_statement
{
	my ($tier) = (pick(sort keys %TIERS));

	return pick(@CALLS) if chance(0.9);
	return chance(0.6) ? "SELECT sellometer_add_tier('$tier', $TIERS{$tier})" : "SELECT sellometer_drop_tier('$tier', discard => " . pick('true', 'false') . ')';
}

# Tiers may be there already, or not, or be needed; whatever else goes wrong is not expected.
sub run_statements
{
	my ($node, @statements) = @_;
	my @running;

	for my $statement (@statements)
	{
		my %call = (sql => $statement, output => '');

		note("  $statement");
		$call{harness} = IPC::Run::start([ 'psql', '-XqAt', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('shop'), '-c', $statement ],
			'<', \undef, '>&', \$call{output});
		push @running, \%call;
	}
	for my $call (@running)
	{
		$call->{harness}->finish;
		die "$call->{sql}: $call->{output}"
			if $call->{output} =~ /(ERROR|FATAL|PANIC):/ && $call->{output} !~ /(42710|42704|2BP01):|must not be kept for less|holds what no finer tier does/;
	}
	return;
}

sub act
{
	my ($node) = @_;

	if (chance(0.05))
	{
		my $how = pick('fast', 'immediate');

		note("  restart, $how");
		$node->stop($how);
		$node->start;
	}
	elsif (chance(0.5)) { run_statements($node, random_statement()); }
	else { run_statements($node, map { random_statement() } 1 .. pick(2, 2, 3, 5)); }
	return;
}

# --- judging ---

sub differences
{
	my ($node) = @_;

	return $node->safe_psql('shop', q{
		SELECT t.name, v.realtime, (SELECT string_agg(d::text, ' ') FROM (SELECT * FROM
			oracle.diff(t.name, k.floor, CASE WHEN v.realtime THEN 'infinity' ELSE t.watermark END, v.realtime) LIMIT 5) d)
		FROM sellometer.tiers t JOIN sellometer.kept() k ON k.tier = t.name, (VALUES (false), (true)) v (realtime)
		WHERE EXISTS (SELECT FROM
			oracle.diff(t.name, k.floor, CASE WHEN v.realtime THEN 'infinity' ELSE t.watermark END, v.realtime))
		UNION ALL
		SELECT 'carts', NULL, (SELECT string_agg(d::text, ' ') FROM (SELECT * FROM oracle.diff_carts() LIMIT 5) d)
		WHERE EXISTS (SELECT FROM oracle.diff_carts())
		UNION ALL
		SELECT name, ok, detail FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker')
		UNION ALL
		SELECT 'kept_from', false, format('%s, head %s', t.kept_from, s.head_of_all)
		FROM sellometer.tiers t, sellometer.status s WHERE t.name = 'minute' AND t.kept_from > sellometer.bucket_start(t.partition_width, s.head_of_all - t.retention)
		UNION ALL
		SELECT procedure, false, outcome || coalesce(detail::text, '') FROM sellometer.runs WHERE outcome IN ('running', 'failed')});
}

sub random_history
{
	my ($node, $seed) = @_;
	my $dir = slm_directory($node, "tiers_$seed");

	srand($seed);
	note("seed $seed");
	my $days = pick(1, 3, 8);
	my $start = timegm(0, 0, int rand 24, 29, 9, 2019);
	my $lateness = pick('0', '1min', '5min', '1h', '1d');
	my $batch = pick('64kB', '256MB');
	my $retention = pick('2 hours', '6 hours', '24 hours');
	my @objects = in_order_of_arrival($start, random_objects(random_events(pick(200, 1000, 3000), $start, $days * 86400)));

	$node->safe_psql('postgres', "ALTER SYSTEM SET $_")
		foreach ("sellometer.live_lateness = '$lateness'", "sellometer.batch_bytes = '$batch'",
		# of half of all histories partitions are packed as soon as may be
		'sellometer.pack_after = ' . ($seed % 2 ? 0 : -1), $small ? 'sellometer.debug_chunk_rows = 100' : ());
	$node->reload;
	$node->safe_psql('shop', "SET client_min_messages = warning; DROP EXTENSION IF EXISTS sellometer; CREATE EXTENSION sellometer; ALTER TABLE sellometer.sources ALTER same_content SET DEFAULT 'count';
		SELECT sellometer_add_source('s', 'file://$dir/'); SELECT sellometer_alter_tier('minute', '$retention')");
	my $waves = 5 + int rand 10;
	for my $wave (1 .. $waves)
	{
		my @some = splice(@objects, 0, $wave == $waves ? scalar @objects : int(@objects / ($waves - $wave + 1)));

		note('wave of ' . @some . ' objects');
		write_object($dir, $_->{key}, csv(@{ $_->{lines} })) foreach (@some);
		run_statements($node, 'CALL sellometer_ingest()') if chance(0.7);
		act($node) foreach (1 .. 2);
	}
	run_statements($node, $_) foreach (@CALLS, 'CALL sellometer_merge_backlog()', 'CALL sellometer_rollup()');

	oracle_load($node, $dir);
	$node->safe_psql('shop', "SELECT oracle.build_tier(name, granularity) FROM sellometer.tiers WHERE name IN ('half_hour', 'six_hours', 'week', 'month')");
	is(differences($node), '', "seed $seed: all tiers agree");
	return;
}

my ($first, $last) = ($ENV{SLM_SEEDS} // '1-35') =~ /^(\d+)(?:-(\d+))?$/ or die 'SLM_SEEDS must be like 7 or 1-35';

random_history($node, $_) foreach ($first .. $last // $first);
is(join("\n", unexpected_in_log($node, qr/tier "\w+" (exists already|does not exist|still needs tier|must not be kept|holds what no finer tier does)/)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
