# Dashboards read from one of the nodes, which loads as before: once it knows itself, too, calls and views give, bit for bit, what they give in
# a database that counts all products, after random histories, and in each node that does so; what is of this node alone stays so.
# SLM_SEEDS: which seeds to run, e.g. "1-100" or "7" (default: two).
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SlmAsking;
use SlmHistory;
use SlmRandom;
use SlmSlices;
use SlmTest;
use SlmTiers;
use Test::More;

my $node = slm_node('nodes', conf => tier_conf() . "sellometer.database = ''\nmax_connections = 100\nsellometer.alert_hold = 0\n");
my ($first, $last) = ($ENV{SLM_SEEDS} // '1-2') =~ /^(\d+)(?:-(\d+))?$/;

sub know
{
	my ($database, @nodes) = @_;

	$node->safe_psql($database, 'CREATE EXTENSION IF NOT EXISTS postgres_fdw');
	$node->safe_psql($database, "SELECT sellometer_add_node('$_', 'host=" . $node->host . ' port=' . $node->port . " dbname=$_ user=asker')") foreach (@nodes);
	return;
}

sub sums { my ($database, $relation) = @_; return $node->safe_psql($database, "SELECT count(*), sum(count), sum(gmv) FROM sellometer.$relation"); }

sub random_nodes
{
	my ($seed) = @_;
	my $dir = slm_directory($node, "nodes_$seed");

	srand($seed);
	mkdir "$dir/$_" foreach (qw(all in));
	my @keys = SlmTiers::in_order_of_arrival(SlmTiers::make_files("$dir/all", $seed));
	splice(@keys, 40) if @keys > 40;
	my @slices = make_slices($node, "file://$dir/in/", 2 + int rand 3);
	let_ask($node, $_) foreach (@slices);
	# one or two of them show all, before they have loaded anything or later
	my ($shows, $later) = shuffled(@slices);
	note("seed $seed: " . @slices . " slices, $shows shows all, $later later, " . @keys . ' files');
	know($shows, shuffled(@slices));
	while (@keys)
	{
		link_object("$dir/all", "$dir/in", $_) foreach (splice(@keys, 0, 1 + int rand 20));
		for my $database ('shop', @slices)
		{
			$node->safe_psql($database, "SET client_min_messages = warning; $_")
				foreach ('CALL sellometer_ingest()', 'CALL sellometer_merge_backlog()', pick('CALL sellometer_rollup()', 'CALL sellometer_prune()', 'CALL sellometer_detect()', 'SELECT'));
		}
	}
	same_answers("seed $seed, as it was left", $node, $node, $shows, @slices);
	know($later, shuffled(@slices));
	catch_up($node, 'shop', @slices);
	same_answers("seed $seed, rolled up and pruned, by $_", $node, $node, $_, @slices) foreach ($shows, $later);
	is(join("\n", slice_differences($node, @slices)), '', '... and what each has loaded is its slice');
	oracle_load($node, "$dir/in");
	oracle_agrees($node, 'minute', "seed $seed", $node->safe_psql('shop', "SELECT kept_from FROM sellometer.tiers WHERE name = 'minute'"));
	return ($shows, $later, @slices);
}

$node->safe_psql('postgres', 'CREATE ROLE asker LOGIN; CREATE ROLE viewer LOGIN');
my ($shows, $later, @slices);
($shows, $later, @slices) = random_nodes($_) foreach ($first .. $last // $first);
my ($i) = $shows =~ /(\d+)/;
my $n = @slices;

# --- what is of this node alone ---

is(sums($shows, 'own_realtime_product_id_hour'), $node->safe_psql('shop', "SELECT count(*), sum(count), sum(gmv) FROM sellometer.realtime_product_id_hour WHERE sellometer_slice_of(product_id, $n) = $i"),
	'a node that shows all has loaded its slice');
is($node->safe_psql($shows, q{SELECT string_agg(name || ' ' || detail, ', ') FROM sellometer_check() WHERE NOT ok AND name NOT LIKE 'job %' AND name NOT IN ('pg_cron', 'preload', 'worker', 'node s0', 'nodes alike')
	AND name NOT LIKE 'node %' AND name NOT LIKE 'arrivals %'}), '', '... and is in order');
is($node->safe_psql($shows, q{SELECT count(*) FROM sellometer.sources}), '1', 'it has its source');
$node->safe_psql($shows, q{SELECT sellometer_drop_source('a'); SELECT sellometer_add_source('a', url) FROM sellometer.former_sources LIMIT 1});
is($node->safe_psql($shows, q{SELECT count(*) FROM sellometer.sources}), '1', '... and may have others');
is($node->safe_psql($shows, q{SELECT count(*) FROM sellometer.health WHERE name = 'sources' AND severity = 'ok'}), '1', 'its health is that of a node');
is($node->safe_psql($shows, q{SELECT count(DISTINCT split_part(name, ':', 1)) FROM sellometer.health WHERE name ~ '^node s\d: '}), $n - 1, '... and of the other nodes');

# --- alerts ---

my ($other) = grep { $_ ne $shows } @slices;
$node->safe_psql($_, q{INSERT INTO sellometer.own_alerts (kind, severity, dimension, key, event_time, detail) VALUES ('price_anomaly', 'critical', 'product_id', '42', now(), 'a tenth'),
	('volume_anomaly', 'critical', 'event_type', 'view', now(), 'none')}) foreach ($shows, $other);
is($node->safe_psql($shows, q{SELECT node, kind FROM sellometer.alerts WHERE detail IN ('a tenth', 'none') ORDER BY 2, 1}), join("\n", (map { "$_|price_anomaly" } sort($shows, $other)), '|volume_anomaly'),
	'each alert once, and of what is judged of all that which was judged here');
$node->safe_psql($shows, q{DELETE FROM sellometer.own_alerts WHERE detail IN ('a tenth', 'none')});

# --- set once ---

$node->safe_psql($shows, 'CREATE EXTENSION dblink');
$node->safe_psql('postgres', 'CREATE ROLE setter LOGIN SUPERUSER');
$node->safe_psql($shows, "CREATE USER MAPPING FOR setter SERVER sellometer_node_$_ OPTIONS (user 'setter', password 'x')") foreach (@slices);
for my $here ('true', 'false')
{
	is($node->safe_psql($shows, "SELECT count(*), count(DISTINCT node), sum(rows) FROM sellometer_on_nodes(\$\$INSERT INTO sellometer.mutes (kind, key, until) VALUES ('price_anomaly', '$here', 'infinity')\$\$, $here)",
			extra_params => [ '-U', 'setter' ]), "$n|$n|$n", "what is set on all is set here once (here: $here)");
}
is($node->safe_psql($shows, 'SELECT count(*) FROM sellometer.mutes'), '2', '... as on each');

# --- a dashboards' database asks it for what is its own ---

$node->safe_psql('postgres', 'CREATE DATABASE front');
$node->safe_psql('front', 'CREATE EXTENSION sellometer');
know('front', @slices);
same_answers('a dashboards\' database beside nodes that show all', $node, $node, 'front', @slices);

# --- not all, and no more ---

my $top = q{SELECT * FROM sellometer_top('brand', 'view', '-infinity', 'infinity', 5)};
$node->safe_psql($shows, "SELECT sellometer_drop_node('$other')");
like(($node->psql($shows, $top))[2], qr/nodes are known here/, 'a node that is not known: an error');
$node->safe_psql($shows, "SET client_min_messages = warning; $_") foreach ('CALL sellometer_ingest()', 'CALL sellometer_rollup()', 'CALL sellometer_prune()');
like(($node->psql($shows, 'CALL sellometer_detect()'))[2], qr/detector "category_shift" failed: .*nodes are known here/, '... it loads, and judges what it can');
know($shows, $other);
same_answers('known again', $node, $node, $shows, @slices);
$node->safe_psql($shows, "SELECT sellometer_drop_node('$shows')");
is($node->safe_psql($shows, 'SELECT count(*) FILTER (WHERE asked), count(*) FROM sellometer.nodes'), '0|' . ($n - 1), 'a node that no longer knows itself');
is(sums($shows, 'realtime_brand_hour'), sums($shows, 'own_realtime_brand_hour'), '... shows its own');
$node->stop;
done_testing();
