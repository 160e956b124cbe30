# Live load, backlog merges, rollups, prunes, tiers that come and go and dashboard queries, all at once: nothing waits for ever,
# nothing is cancelled, and in the end all is counted once.
# SLM_STRESS_SECONDS: how long (default 15).
use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmTest;
use SlmTiers;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{SLM_STRESS_SECONDS} // 15;
my $node = slm_node('stress', conf => tier_conf() . <<'CONF');
sellometer.poll_interval = 20ms
sellometer.live_lateness = 2min
deadlock_timeout = 200ms
CONF
my $all = slm_directory($node, 'all');
my $in = slm_directory($node, 'in');

# What runs beside the load, over and over: name => the statements of one turn, a line each.
my %turns = (
	merge => 'CALL sellometer_merge_backlog();',
	rollup => 'CALL sellometer_rollup();',
	prune => 'CALL sellometer_prune();',
	tiers => <<'SQL',
SELECT sellometer_add_tier('day', '1 day', '5 years');
SELECT pg_sleep(0.3);
SELECT sellometer_drop_tier('day', discard => true);
SELECT pg_sleep(0.1);
SQL
	series => <<'SQL',
SELECT event_time, gmv FROM sellometer.purchase_product_id_minute WHERE product_id = (SELECT min(product_id) FROM sellometer.product_id_minute);
SELECT event_time, sum(gmv) FROM sellometer.realtime_category_l1_hour GROUP BY 1 ORDER BY 1;
SQL
	top => <<'SQL',
SELECT * FROM sellometer.purchase_brand_rank LIMIT 10;
SELECT event_time, sum(gmv) FROM sellometer.realtime_category_l1_minute WHERE event_type = 'purchase' GROUP BY 1;
SQL
	# A transaction that holds its locks for longer than a prune waits.
	slow => <<'SQL');
BEGIN; SELECT count(*) FROM sellometer.brand_minute; SELECT pg_sleep(0.4); SELECT count(*) FROM sellometer.realtime_brand_hour; COMMIT;
SQL

# A session that repeats one turn until the file stop is there.
sub start_turns
{
	my ($name) = @_;
	my %session = (name => $name, output => '');
	my $turn = PostgreSQL::Test::Utils::tempdir() . "/$name.sql";
	my $stop = $node->basedir . '/stop';

	append_to_file($turn, "\\set ON_ERROR_STOP on\nSET client_min_messages = error;\n$turns{$name}");
	$session{harness} = IPC::Run::start(
		[ 'sh', '-c', 'n=0; while [ ! -e "$1" ]; do psql -XqAt -o /dev/null -d "$2" -f "$3" || exit 1; n=$((n + 1)); done; echo "turns: $n"',
			'sh', $stop, $node->connstr('shop'), $turn ],
		'<', \undef, '>&', \$session{output});
	return \%session;
}

traffic($all, '--minutes' => 360, '--rate' => 300, '--servers' => 2, '--seed' => $seconds, '--products' => 500,
	'--start' => '2019-10-01 21:00:00', '--session-gap' => 300);
my @keys = files_below($all);
# Every tenth file comes up to five hours late.
my %when = map { ($keys[$_] => $_ + ($_ % 10 == 3 ? ($_ * 7919) % 600 : 0)) } 0 .. $#keys;
@keys = sort { $when{$a} <=> $when{$b} || $a cmp $b } @keys;

$node->safe_psql('shop', "SELECT sellometer_alter_tier('minute', '1 hour')");
$node->safe_psql('shop', "SELECT sellometer_add_source('a', 'file://$in/')");
# Something to look at, and a head to be late behind.
link_object($all, $in, $_) foreach (splice(@keys, 0, 20));
wait_until_loaded($node);

my @sessions = map { start_turns($_) } sort keys %turns;
my $begin = time;
my $n = @keys;
while (@keys)
{
	my $due = int($n * (time - $begin) / $seconds) - ($n - @keys);

	link_object($all, $in, $_) foreach (splice(@keys, 0, $due > 0 ? $due : 0));
	select(undef, undef, undef, 0.02);
}
append_to_file($node->basedir . '/stop', '');
for my $session (@sessions)
{
	$session->{harness}->finish;
	like($session->{output}, qr/\Aturns: [1-9]\d*\n\z/, "$session->{name}: no statement failed");
}

wait_until_loaded($node);
oracle_load($node, $in);
is(join("\n", tier_differences($node)), '', 'all tiers agree with the oracle');
my ($wait, $held, $merged, $pruned) = split(/\|/, $node->safe_psql('shop', q{
	SELECT max((detail->>'longest_wait_ms')::numeric), max((detail->>'longest_held_ms')::numeric),
		count(*) FILTER (WHERE procedure = 'merge_backlog'), sum((detail->>'partitions')::integer) FROM sellometer.runs}));
my ($rows, $objects) = split(/\|/, $node->safe_psql('shop', 'SELECT sum(rows_total), count(*) FROM sellometer.objects'));
my $turns = join(', ', map { $_->{name} . ' ' . ($_->{output} =~ /(\d+)/ ? $1 : 0) } @sessions);
note("measured: $objects objects, $rows rows in $seconds s beside turns of: $turns");
note("measured: $merged merges, $pruned partitions pruned; loading waited for housekeeping at most $held ms, "
	. "housekeeping for loading $wait ms");
ok($merged > 0, 'backlog was merged meanwhile');
ok($pruned > 0, 'partitions were pruned meanwhile');
is($node->safe_psql('shop', q{SELECT deadlocks FROM pg_stat_database WHERE datname = 'shop'}), '0', 'no deadlock');
is($node->safe_psql('shop', q{SELECT count(*) FROM sellometer.runs WHERE outcome NOT IN ('done', 'held')}), '0', 'no run failed');
is(join("\n", unexpected_in_log($node)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
