# The dashboards' database of nodes: calls and views through the same names give, bit for bit, what they give in a database that counts all
# products, after random histories; the best are found from few of each node; one product is asked of one node; a node that is not known, or not there, is an error and never a smaller
# sum; readers need no more than their rights, and no password is shown.
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

my $conf = tier_conf() . "sellometer.database = ''\nmax_connections = 50\n";
my $node = slm_node('nodes', conf => $conf);
my $front = slm_node('front', conf => $conf, extension => 0);
my ($first, $last) = ($ENV{SLM_SEEDS} // '1-2') =~ /^(\d+)(?:-(\d+))?$/;

sub dash
{
	my ($sql, @more) = @_;

	return $front->psql('shop', $sql, @more);
}

sub connection
{
	my ($database) = @_;

	return sprintf('host=%s port=%d dbname=%s user=asker password=%s', $node->host, $node->port, $database, q{'it''s \\\\secret'} =~ s/''/\\'/r);
}

# The best keys where each node tells but few, so that others must be asked for.
sub best
{
	my ($what) = @_;
	my @wrong;

	for (1 .. 20)
	{
		my ($d, $e, $by) = (pick(qw(brand category_l1 category_l2 category_l3)), pick(qw(view cart purchase)), pick('gmv', 'count'));
		my $n = pick(1, 2, 5, 20);
		my $most = $n + int rand 4;
		my $order = $by eq 'gmv' ? 'gmv DESC, count DESC' : 'count DESC, gmv DESC';
		my $is = $front->safe_psql('shop', "SELECT key, trim_scale(gmv), count FROM sellometer.best_of_nodes('$d', '$e', '-infinity', 'infinity', '$by', $n, $most) ORDER BY $order, key COLLATE \"C\" LIMIT $n");
		my $should = $node->safe_psql('shop', "SELECT key, trim_scale(gmv), count FROM sellometer_top('$d', '$e', '-infinity', 'infinity', $n, '$by')");

		push @wrong, "$n of $d by $by of ${e}s, $most of each\nis: $is\nnot: $should" if $is ne $should;
	}
	return is(substr(join("\n", @wrong), 0, 3000), '', "$what: the best of all from few of each");
}

# Movers as they are found from what nodes tell, in order, many of which move by as much, and as the rows say.
sub movers
{
	my ($what) = @_;
	my $hours = $node->safe_psql('shop', "SELECT string_agg(DISTINCT quote_literal(date_trunc('hour', event_time)), ' ') FROM sellometer.totals WHERE tier = 'minute'");
	my @hours = split(/ (?=')/, $hours);
	my @wrong;

	for (1 .. 20)
	{
		my ($d, $e, $by, $n) = (pick(qw(product_id product_id brand category_l2)), pick(qw(view cart purchase)), pick('gmv', 'count'), pick(0, 1, 2, 5, 20));
		my ($now, $then) = (pick(@hours), pick(@hours));
		my $call = "'$d', '$e', $now, ${now}::timestamptz + '1 hour', $then, ${then}::timestamptz + '1 hour', $n, '$by'";
		my ($is, $should) = map { $_->safe_psql('shop', "SELECT key, count, trim_scale(gmv), earlier_count, trim_scale(earlier_gmv), trim_scale(difference) FROM sellometer.movers($call)") } ($front, $node);
		# by the rows of the tier alone
		my $oracle = $node->safe_psql('shop', "SELECT key, count, trim_scale(gmv), earlier_count, trim_scale(earlier_gmv), trim_scale(difference) FROM (SELECT key, count, gmv, earlier_count, earlier_gmv,
			CASE '$by' WHEN 'gmv' THEN gmv - earlier_gmv ELSE count - earlier_count END AS difference FROM (SELECT $d\::text COLLATE \"C\" AS key,
				coalesce(sum(count) FILTER (WHERE event_time >= $now AND event_time < ${now}::timestamptz + '1 hour'), 0) AS count, coalesce(sum(gmv) FILTER (WHERE event_time >= $now AND event_time < ${now}::timestamptz + '1 hour'), 0) AS gmv,
				coalesce(sum(count) FILTER (WHERE event_time >= $then AND event_time < ${then}::timestamptz + '1 hour'), 0) AS earlier_count, coalesce(sum(gmv) FILTER (WHERE event_time >= $then AND event_time < ${then}::timestamptz + '1 hour'), 0) AS earlier_gmv
			FROM sellometer.${d}_minute WHERE event_type = '$e' GROUP BY 1) s) z WHERE difference <> 0 ORDER BY abs(difference) DESC, key LIMIT $n");

		push @wrong, "$call\nis: $is\nnot: $should\noracle: $oracle" if $is ne $should || $is ne $oracle;
	}
	return is(substr(join("\n", @wrong), 0, 3000), '', "$what: movers, in order");
}

sub compare
{
	my ($what, @slices) = @_;

	return same_answers($what, $node, $front, 'shop', @slices);
}

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
	$front->safe_psql('postgres', 'DROP DATABASE shop');
	$front->safe_psql('postgres', 'CREATE DATABASE shop');
	$front->safe_psql('shop', 'CREATE EXTENSION sellometer; CREATE EXTENSION postgres_fdw');
	note("seed $seed: " . @slices . ' slices, ' . @keys . ' files');
	$front->safe_psql('shop', "SELECT sellometer_add_node('$_', \$\$" . connection($_) . '$$)') foreach (shuffled(@slices));
	while (@keys)
	{
		link_object("$dir/all", "$dir/in", $_) foreach (splice(@keys, 0, 1 + int rand 20));
		for my $database ('shop', @slices)
		{
			$node->safe_psql($database, "SET client_min_messages = warning; $_") foreach ('CALL sellometer_ingest()', 'CALL sellometer_merge_backlog()', pick('CALL sellometer_rollup()', 'CALL sellometer_prune()', 'SELECT'));
		}
	}
	# where some have added up hours, and others have not
	compare("seed $seed, as it was left", @slices);
	catch_up($node, 'shop', @slices);
	compare("seed $seed, rolled up and pruned", @slices) foreach (1 .. 2);
	best("seed $seed");
	movers("seed $seed");
	return @slices;
}

$node->safe_psql('postgres', q{CREATE ROLE asker LOGIN PASSWORD 'it''s \secret'});
$front->safe_psql('postgres', 'CREATE ROLE viewer LOGIN');
my @slices;
@slices = random_nodes($_) foreach ($first .. $last // $first);

# --- which keys may be among the best ---

# Drawn sums of keys on nodes, with ties, zeros, and numbers below zero: what is known from the most of each, and what is said to be unsure.
sub drawn
{
	my ($seed) = @_;
	my @wrong;

	srand($seed);
	for (1 .. 100)
	{
		my ($nodes, $keys, $n, $range) = (2 + int rand 4, 1 + int rand 12, 1 + int rand 4, pick(2, 5, 100));
		my $most = 1 + int rand 6;
		my $least = chance(0.5) ? 0 : -int($range / 2);
		my (%sums, %of_node, @told);

		for my $node (0 .. $nodes - 1)
		{
			my %of = map { chance(0.6) ? ("k$_" => $least + int rand $range) : () } (1 .. $keys);
			my @best = sort { $of{$b} <=> $of{$a} || $a cmp $b } keys %of;

			$sums{$_} += $of{$_} foreach (@best);
			$of_node{$_}{$node} = $of{$_} foreach (@best);
			push @told, map { [ $node, $_, $of{$_} ] } grep { defined } @best[ 0 .. $most - 1 ];
		}
		next if !@told;
		my ($unsure, $bound) = split(/\|/, $front->safe_psql('shop', sprintf('SELECT array_to_string(unsure, \',\'), bound FROM sellometer.unsure_keys(ARRAY[%s]::integer[], ARRAY[%s]::text[], ARRAY[%s]::numeric[], %d, %d)',
					join(',', map { $_->[0] } @told), join(',', map { "'$_->[1]'" } @told), join(',', map { $_->[2] } @told), $n, $most)), -1);
		my %unsure = map { $_ => 1 } split(/,/, $unsure);
		my %told;
		$told{ $_->[1] } += $_->[2] foreach (@told);
		# what it comes to: of unsure ones all is asked for, and unless others can be as good, these and the rest are all
		my %known = map { $_ => $unsure{$_} ? $sums{$_} : $told{$_} } keys %told;
		my @known = sort { $known{$b} <=> $known{$a} || $a cmp $b } keys %known;
		my @right = sort { $sums{$b} <=> $sums{$a} || $a cmp $b } keys %sums;
		next if $bound ne '' && (@known < $n || $bound >= $known{ $known[ $n - 1 ] });
		my ($is, $should) = map { my ($list, $of) = @$_; join(' ', map { "$_=$of->{$_}" } grep { defined } @$list[ 0 .. $n - 1 ]) } [ \@known, \%known ], [ \@right, \%sums ];
		push @wrong, "the $n best, $most told of each of $nodes nodes: is $is, not $should" if $is ne $should;
	}
	return is(join("\n", splice(@wrong, 0, 10)), '', "seed $seed: no key is missed");
}

drawn($_) foreach ($first .. $last // $first);

# --- where a question goes ---

my $product = $node->safe_psql('shop', "SELECT key FROM sellometer_top('product_id', 'view', '-infinity', 'infinity', 1)");
my $plan = $front->safe_psql('shop', "EXPLAIN (VERBOSE) SELECT * FROM sellometer.view_product_id_hour WHERE product_id = $product");
is(scalar(() = $plan =~ /Remote SQL/g), 1, 'one product is asked of one node');
like($plan, qr/product_id = $product/, '... and of that node only this product');
$plan = $front->safe_psql('shop', "EXPLAIN (VERBOSE) SELECT brand, sum(count) FROM sellometer_nodes.own_realtime_brand_minute_of_s0 GROUP BY 1");
like($plan, qr/Remote SQL: SELECT brand, sum\(count\).*GROUP BY/, 'a node adds up by itself');

my $hour = $node->safe_psql('shop', "SELECT date_trunc('hour', event_time) FROM sellometer.totals WHERE tier = 'minute' AND event_type = 'view' GROUP BY 1 ORDER BY sum(count) DESC, 1 LIMIT 1");
$plan = $front->safe_psql('shop', "SELECT sellometer.movers_told_by_nodes('product_id', 'view', '$hour', '$hour'::timestamptz + '1 hour', '$hour'::timestamptz - interval '1 hour', '$hour', 3, 'gmv')");
is($front->safe_psql('shop', "SELECT max(n) FROM (SELECT node, count(*) AS n FROM ($plan) x GROUP BY 1) y"), '3', 'of movers among products each node tells its own best');

# --- rights, and the password ---

$front->safe_psql('shop', "SELECT sellometer_grant_reader('viewer')");
my $top = "SELECT key, count FROM sellometer_top('brand', 'view', '-infinity', 'infinity', 5)";
is(join('|', ($front->psql('shop', $top, extra_params => [ '-U', 'viewer' ]))[ 1, 2 ]), join('|', ($node->psql('shop', $top))[ 1, 2 ]), 'a reader sees what all nodes have');
isnt(($front->psql('shop', 'SELECT count(*) FROM sellometer_nodes.s0_totals', extra_params => [ '-U', 'viewer' ]))[0], 0, '... but not by the foreign tables');
isnt(($front->psql('shop', "SELECT sellometer_drop_node('s0')", extra_params => [ '-U', 'viewer' ]))[0], 0, '... nor may it drop nodes');
unlike($front->safe_psql('shop', 'SELECT n::text FROM sellometer.nodes n UNION ALL SELECT array_to_string(srvoptions, \' \') FROM pg_foreign_server'), qr/secret/, 'no password is shown');
my ($status, $out, $err) = dash(q{SELECT sellometer_add_node('bad', 'host=nowhere.invalid dbname=shop user=asker password=hidden nonsense=1')});
like($err, qr/invalid option "nonsense"/, 'an option that there is not');
unlike($err, qr/hidden/, '... is told without the password');

# --- what does not go together ---

for (
	[ "SELECT sellometer_add_node('again', \$\$" . connection('s0') . '$$)', qr/node "again" does not go with the others/, 'a slice twice' ],
	[ "SELECT sellometer_add_node('s0', \$\$" . connection('s0') . '$$)', qr/there is a node "s0" already/, 'a name twice' ],
	[ "SELECT sellometer_add_node('whole', \$\$" . connection('shop') . '$$)', qr/has no slice: it counts all products|permission denied/, 'a database without a slice' ],
	[ "SELECT sellometer_add_node('X', 'dbname=x')", qr/a node's name is/, 'a name that is none' ],
	[ "SELECT sellometer_add_node('x', 'dbname')", qr/the connection can't be read/, 'a connection that is none' ],
	[ "SELECT sellometer_add_source('a', 'file:///tmp/')", qr/shows what nodes have, and loads nothing/, 'a source' ],
	[ "SELECT sellometer_drop_node('nobody')", qr/there is no node "nobody"/, 'a node that is none' ])
{
	my ($sql, $expected, $what) = @$_;

	($status, $out, $err) = dash($sql);
	like($err, $expected, "$what is refused");
}
($status, $out, $err) = $node->psql('shop', 'CREATE EXTENSION IF NOT EXISTS postgres_fdw; SELECT sellometer_add_node(\'x\', \'dbname=s0\')');
like($err, qr/this database loads all products itself/, 'a database that counts all shows no nodes');

$front->safe_psql('shop', "SELECT sellometer_drop_node('s1')");
for my $sql ($top, 'SELECT count(*) FROM sellometer.view_brand_hour', "SELECT * FROM sellometer.view_product_id_minute WHERE product_id = 1", 'SELECT * FROM sellometer.purchase_brand_rank',
	'SELECT * FROM sellometer.left_in_cart', "SELECT * FROM sellometer_series('brand', 'view', NULL, '-infinity', 'infinity', '1 hour')", "SELECT * FROM sellometer_total('view', '-infinity', 'infinity')")
{
	($status, $out, $err) = dash($sql);
	like($err, qr/nodes are known here/, "not all nodes are known: an error, for $sql");
}
is($front->safe_psql('shop', "SELECT severity FROM sellometer.health WHERE name = 'nodes'"), 'critical', '... which health tells');
$front->safe_psql('shop', "SELECT sellometer_add_node('s1', \$\$" . connection('s1') . '$$)');
compare('a node dropped, and added again');

# --- a tier more, and a node that is not there ---

$node->safe_psql($_, "SET client_min_messages = warning; SELECT sellometer_add_tier('day', '1 day'); CALL sellometer_rollup()") foreach ('shop', @slices);
$front->safe_psql('shop', "SELECT sellometer_add_tier('day', '1 day')");
is($front->safe_psql('shop', 'SELECT x::text FROM sellometer.view_brand_day x ORDER BY 1'), $node->safe_psql('shop', 'SELECT x::text FROM sellometer.view_brand_day x ORDER BY 1'), 'an added tier');
compare('with an added tier');
$front->safe_psql('shop', "SELECT sellometer_drop_tier('day', true)");
compare('... that the dashboards\' database has dropped');

$node->stop;
($status, $out, $err) = dash($top);
like($err, qr/could not connect to server "sellometer_node_s\d"/, 'a node that is down: an error that names it');
is($front->safe_psql('shop', "SELECT count(*) FROM sellometer.health WHERE name ~ '^node s[0-9]+\$' AND severity = 'critical'"), scalar(@slices), '... and health tells of all that are');
$front->safe_psql('shop', "SELECT sellometer_drop_node('$_')") foreach (@slices);
is($front->safe_psql('shop', $top), '', 'without nodes it shows what it has itself');
is($front->safe_psql('shop', "SELECT count(*) FROM pg_foreign_server WHERE srvname LIKE 'sellometer\_node\_%'") . $front->safe_psql('shop', 'SELECT count(*) FROM sellometer.own_views'), '00', '... and nothing is left of them');
$front->stop;
done_testing();
