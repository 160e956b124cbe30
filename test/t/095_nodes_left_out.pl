# Nodes that can't be asked, with sellometer.partial_results: each public call and view answers with what the others have, to the last digit, and
# says with each statement which nodes are left out; without it, it is an error that names one.  A session that goes on sees it at once, when a
# node goes and when it comes back, whatever plans it has kept.
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

my $conf = tier_conf() . "sellometer.database = ''\nmax_connections = 100\n";
my $near = slm_node('near', conf => $conf);
my $far = slm_node('far', conf => $conf, extension => 0);
my ($first, $last) = ($ENV{SLM_SEEDS} // '1-2') =~ /^(\d+)(?:-(\d+))?$/;
my $PARTIAL = 'SET sellometer.partial_results = on';
my $WARNING = qr/WARNING:  the result is partial, without what these nodes have: s\d/;

sub server_of { my ($slice) = @_; return $slice =~ /[13]/ ? $far : $near; }
sub dash { my ($sql) = @_; return [ $near->psql('dash', $sql) ]; }

# What nodes that are there have, each asked by itself and added up here: rows of key, gmv and count.
sub added_up
{
	my ($sql, @slices) = @_;
	my @rows = map { my $s = $_; map { '(' . join(', ', map { "'" . s/'/''/gr . "'" } split(/\|/, $_, -1)) . ')' } split(/\n/, server_of($s)->safe_psql($s, "SET client_min_messages = error; $sql")) } @slices;

	return '' if !@rows;
	return $near->safe_psql('shop', 'SELECT k, trim_scale(sum(gmv::numeric)), sum(count::numeric) FROM (VALUES ' . join(', ', @rows) . ') v (k, gmv, count) GROUP BY 1 HAVING sum(count::numeric) <> 0 ORDER BY 1');
}

# Sums by key of each call, over all there is, with nothing cut off.
sub sums
{
	my ($e) = @_;
	my @sums = map { "SELECT key, gmv, count FROM sellometer_top('$_', '$e', '-infinity', 'infinity', 1000000)" } qw(product_id brand category_l1 category_l2 category_l3);

	push @sums, "SELECT 'all', gmv, count FROM sellometer_total('$e', '-infinity', 'infinity')",
		(map { "SELECT event_time, gmv, count FROM sellometer_series('$_', '$e', NULL, '-infinity', 'infinity', '1 day')" } qw(product_id brand)),
		"SELECT key, gmv, count FROM sellometer_series_of('category_l1', '$e', ARRAY['electronics', 'appliances'], '-infinity', 'infinity', '1000 days')",
		"SELECT key, gmv, count FROM sellometer_total('product_id', '$e', (SELECT array_agg(p::text) FROM generate_series(1000000, 1000200) p), '-infinity', 'infinity')",
		(map { "SELECT $_->[0], sum(gmv), sum(count) FROM sellometer.${e}_$_->[1] GROUP BY 1" } [ 'product_id', 'product_id_hour' ], [ 'brand', 'brand_hour' ], [ 'event_time', 'category_l2_hour' ]),
		'SELECT product_id, sum(price), count(*) FROM sellometer.left_in_cart GROUP BY 1';
	return @sums;
}

my @OTHERS = ("sellometer_compare('brand', 'view', NULL, '2019-10-09', 'infinity', '1 hour')", "sellometer_movers('brand', 'view', '2019-10-09', 'infinity', '1 hour')",
	"sellometer_top_of('product_id', 'purchase', ARRAY['samsung', 'apple'], NULL, '-infinity', 'infinity')", 'sellometer_report()', 'sellometer.status', 'sellometer.alerts', 'sellometer.low_inventory',
	'sellometer.metrics', 'sellometer.view_brand_rank', 'sellometer.purchase_product_id_rank', 'sellometer.reached', 'sellometer.all_totals', 'sellometer.all_sold_products', 'sellometer.baselines');

sub look
{
	my ($what, @slices) = @_;
	my @there = grep { server_of($_) == $near } @slices;
	my @wrong;

	for my $sql (sums(pick(qw(view cart purchase remove_from_cart))))
	{
		my ($status, $out, $err) = @{ dash("$PARTIAL; SELECT k, trim_scale(gmv), count FROM ($sql) x (k, gmv, count) WHERE count <> 0") };
		my $expected = added_up($sql, @there);
		my @got = sort split(/\n/, $out);
		my @should = sort split(/\n/, $expected);

		push @wrong, "$sql\nis: @got\nnot: @should\n$err" if "@got" ne "@should" || $err !~ $WARNING;
		push @wrong, "$sql: no error" if ${ dash($sql) }[2] !~ /could not connect to server "sellometer_node_s\d"/;
	}
	is(substr(join("\n", @wrong), 0, 3000), '', "$what: what the others have, and a warning; or an error");
	for my $call (@OTHERS)
	{
		my ($status, $out, $err) = @{ dash("$PARTIAL; SELECT * FROM $call") };

		ok($status == 0 && $err =~ $WARNING, "... $call") or diag($err);
		like(${ dash("SELECT * FROM $call") }[2], $call =~ /report|metrics|baselines/ ? qr/sellometer_node_s\d/ : qr/could not connect to server "sellometer_node_s\d"/, '... or an error');
	}
	return;
}

sub random_nodes
{
	my ($seed) = @_;
	my $dir = slm_directory($near, "nodes_$seed");

	srand($seed);
	mkdir "$dir/$_" foreach (qw(all in));
	my @keys = SlmTiers::in_order_of_arrival(SlmTiers::make_files("$dir/all", $seed));
	splice(@keys, 40) if @keys > 40;
	my @slices = make_slices($near, "file://$dir/in/", 3 + int rand 2, $near, $far);
	link_object("$dir/all", "$dir/in", $_) foreach (@keys);
	$near->safe_psql('postgres', $_) foreach ('DROP DATABASE IF EXISTS dash', 'CREATE DATABASE dash');
	$near->safe_psql('dash', 'CREATE EXTENSION sellometer; CREATE EXTENSION postgres_fdw');
	catch_up($near, 'shop', @slices);
	for my $slice (@slices)
	{
		my $server = server_of($slice);

		let_ask($server, $slice);
		$server->safe_psql($slice, 'SELECT FROM sellometer.fold_offers()');
		$near->safe_psql('dash', "SELECT sellometer_add_node('$slice', 'host=" . $server->host . ' port=' . $server->port . " dbname=$slice user=asker')");
	}
	note("seed $seed: " . @slices . ' slices, ' . @keys . ' files');
	$near->safe_psql('postgres', 'ALTER DATABASE dash SET sellometer.partial_results = on');
	same_answers("seed $seed: all nodes are there, so nothing is partial", $near, $near, 'dash', @slices);
	$near->safe_psql('postgres', 'ALTER DATABASE dash RESET sellometer.partial_results');
	$far->stop('immediate');
	look("seed $seed", @slices);
	$far->start;
	return @slices;
}

foreach my $server ($near, $far)
{
	$server->safe_psql('postgres', 'CREATE ROLE asker LOGIN');
}
my @slices;
@slices = random_nodes($_) foreach ($first .. $last // $first);
my @far = grep { server_of($_) == $far } @slices;

# --- a session that goes on ---

my $total = q{SELECT count FROM sellometer_total('view', '-infinity', 'infinity')};
my $by_product = q{SELECT sum(count) FROM sellometer.view_product_id_hour};
my $whole = $near->safe_psql('dash', $by_product);
my $part = 0;
$part += $near->safe_psql($_, 'SELECT sum(count) FROM sellometer.own_realtime_product_id_hour WHERE event_type = $$view$$') foreach (grep { server_of($_) == $near } @slices);
cmp_ok($part, '<', $whole, 'the nodes that stay have less than all');
my $ask = "\\echo [\n" . join(";\n", 'EXECUTE views', $by_product, $total, q{SELECT coalesce(string_agg(node, ',' ORDER BY slice), 'whole') FROM sellometer.nodes_left_out},
	q{SELECT bool_or(is_final) FROM sellometer_series('brand', 'view', NULL, '-infinity', 'infinity', '1 day')},
	q{SELECT count(*) FROM sellometer.health WHERE severity = 'critical' AND detail LIKE '%left out of all that is shown%'}) . ";\n\\echo ]\n";
my ($stop, $start) = map { "\\! pg_ctl -w -D '" . $far->data_dir . "' -l '" . $far->logfile . "' $_ >/dev/null 2>&1\n" } ('-m immediate stop', 'start');
my ($status, $out, $err) = $near->psql('dash', "PREPARE views AS $by_product;\n$ask$ask$PARTIAL;\n$ask$stop$ask$ask$start$ask", on_error_stop => 0);
$far->_update_pid(1);
is($out =~ s/\n/ /gr, join(' ', map { '[ ' . join(' ', @$_) . ' ]' } ([ ($whole) x 3, 'whole', 't', 0 ]) x 3, ([ ($part) x 3, join(',', @far), 'f', scalar(@far) ]) x 2, [ ($whole) x 3, 'whole', 't', 0 ]),
	'a session sees at once when nodes go, and when they come back');
is(scalar(() = $err =~ /WARNING:  the result is partial/g), 10, '... is warned with each statement that asks, and no more when they are back');

# --- a node that goes in the midst of a transaction ---

for my $sql ($by_product, $total, q{SELECT sum(count) FROM sellometer.view_brand_hour}, q{SELECT count(*) FROM sellometer_top('brand', 'view', '-infinity', 'infinity')}, 'SELECT count(*) FROM sellometer.left_in_cart',
	q{SELECT count(*) FROM sellometer_movers('brand', 'view', '2019-10-09', 'infinity', '1 hour')})
{
	($status, $out, $err) = $near->psql('dash', "BEGIN;\n$by_product;\n$stop$sql;\nROLLBACK;\n$start$sql;\n", on_error_stop => 0);
	$far->_update_pid(1);
	like($err, qr/ERROR: .*node "s[13]"/s, "a node that goes in the midst of a transaction: an error that names it, for $sql");
	is(scalar(split(/\n/, $out)), 2, '... until it is there again');
}
$far->safe_psql('postgres', 'ALTER ROLE asker SET statement_timeout = 1');
$near->safe_psql('postgres', 'ALTER ROLE asker SET statement_timeout = 1');
like(${ dash("SELECT count(*) FROM sellometer.view_product_id_minute a, sellometer.view_product_id_minute b") }[2], qr/canceling statement due to statement timeout.*node "s\d"/s, 'what a node cancels is told with its name');
$_->safe_psql('postgres', 'ALTER ROLE asker RESET statement_timeout') foreach ($far, $near);

# --- the worker of alerts, and no node at all ---

$far->stop('immediate');
like(${ dash("$PARTIAL; CALL sellometer_detect()") }[2], qr/failed: could not connect to server/, 'what is judged of all is not judged of a part');
like(${ dash("$PARTIAL; BEGIN; $total; SET LOCAL sellometer.partial_results = off; $total") }[2], qr/could not connect to server/, 'a setting that changes within a transaction');
$near->safe_psql('dash', "SELECT sellometer_drop_node('s0')");
like(${ dash("$PARTIAL; $total") }[2], qr/nodes are known here/, 'a node that is not known is an error still');
$far->start;
$near->safe_psql('dash', "SELECT sellometer_add_node('s0', 'host=" . $near->host . ' port=' . $near->port . " dbname=s0 user=asker')");
$near->safe_psql('postgres', 'ALTER ROLE asker NOLOGIN');
$far->stop('immediate');
like(${ dash("$PARTIAL; $total") }[2], qr/ERROR:  no node can be asked/, 'no node at all: an error');
$near->stop;
done_testing();
