# Alerts of nodes: what is judged of all products is judged in the dashboards' database, from what each node says of its own, and found there
# just as in one database that counts all; what is found on a node is shown there with the node's name.
# SLM_SEEDS: which seeds to run, e.g. "1-100" or "7" (default: three).
use strict;
use warnings FATAL => 'all';

use SlmRandom;
use SlmSlices;
use SlmTest;
use SlmTiers;
use Test::More;

my $conf = tier_conf() . "sellometer.database = ''\nmax_connections = 50\nsellometer.alert_hold = 0\nsellometer.price_min_sales = 1000000\n";
my $node = slm_node('nodes_alerts', conf => $conf);
my ($first, $last) = ($ENV{SLM_SEEDS} // '1-3') =~ /^(\d+)(?:-(\d+))?$/;

# Rows of the offer log and of totals, given to shop, and to each slice what is of it; a total is of any of them.
sub add
{
	my ($slices, $offers, $totals) = @_;
	my $n = @$slices;

	$node->safe_psql('shop', 'DROP TABLE IF EXISTS o, t; CREATE TABLE o (type text, product bigint, n integer, t timestamptz, category text, brand text); CREATE TABLE t (type text, t timestamptz, n bigint)');
	$node->safe_psql('shop', 'INSERT INTO o VALUES ' . join(', ', map { "('$_->[0]', $_->[1], $_->[2], '$_->[3]', '$_->[4]', '$_->[5]')" } @$offers)) if @$offers;
	$node->safe_psql('shop', 'INSERT INTO t VALUES ' . join(', ', map { "('$_->[0]', '$_->[1]', $_->[2])" } @$totals)) if @$totals;
	for my $database ('shop', @$slices)
	{
		my $i = $database eq 'shop' ? -1 : substr($database, 1);

		if ($i >= 0)
		{
			$node->safe_psql('shop', "COPY (SELECT * FROM o WHERE sellometer_slice_of(product, $n) = $i) TO '" . $node->basedir . "/o'");
			# shares of a minute that come to all of it
			$node->safe_psql('shop', "COPY (SELECT type, t, n * ($i + 1) / $n - n * $i / $n FROM t WHERE n * ($i + 1) / $n > n * $i / $n) TO '" . $node->basedir . "/t'");
			$node->safe_psql($database, 'DROP TABLE IF EXISTS o, t; CREATE TABLE o (type text, product bigint, n integer, t timestamptz, category text, brand text); CREATE TABLE t (type text, t timestamptz, n bigint);'
					. "COPY o FROM '" . $node->basedir . "/o'; COPY t FROM '" . $node->basedir . "/t'");
		}
		$node->safe_psql($database, q{
			INSERT INTO sellometer.offer_log (day, product_id, event_type, count, first_seen, last_seen, price, category, brand)
			SELECT (m AT TIME ZONE 'UTC')::date, product, type::sellometer.event_type, 1, m, m, 10, category, brand FROM o, generate_series(0, n - 1) i, LATERAL (SELECT t + i * interval '1 minute' AS m) x;
			INSERT INTO sellometer.totals (tier, event_type, event_time, count, gmv) SELECT 'minute', type::sellometer.event_type, t, n, 1 FROM t});
	}
	return;
}

my $ALERTS = q{SELECT concat_ws('|', kind, severity, dimension, key, event_time, observed, expected, score, detail, hint, began, well_since, closed_at IS NULL)
	FROM sellometer.alerts WHERE kind IN ('volume_anomaly', 'category_shift') ORDER BY 1};
my %seen;

sub look
{
	my ($what, $head, @slices) = @_;
	my $i = 0;

	$node->safe_psql('shop', "UPDATE sellometer.state SET head = '$head'");
	$node->safe_psql($_, "UPDATE sellometer.state SET head = '$head', slice = '" . $i++ . '/' . @slices . q{'}) foreach (@slices);
	$node->safe_psql($_, 'CALL sellometer_detect()') foreach (@slices, 'shop', 'dash');
	my ($one, $all) = map { $node->safe_psql($_, $ALERTS) } qw(shop dash);
	$seen{"$1 $2"}++ while $all =~ /^(\w+)\|\w+\|(\w+)\|/gm;
	return is($all, $one, $what);
}

sub random_alerts
{
	my ($seed) = @_;
	my @brands = map { "brand$_" } 0 .. 4;
	my @categories = ('a.b.c', 'a.b.d', 'a.e.f', 'g.h.i', 'g.h.j', 'k.l.m');

	srand($seed);
	my @slices = make_slices($node, 'file://' . slm_directory($node, "alerts_$seed") . '/', 2 + int rand 3);
	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS dash');
	$node->safe_psql('postgres', 'CREATE DATABASE dash');
	$node->safe_psql('dash', 'CREATE EXTENSION sellometer; CREATE EXTENSION postgres_fdw');
	for my $database (@slices)
	{
		$node->safe_psql($database, q{SELECT sellometer_grant_reader('asker')});
		$node->safe_psql('dash', "SELECT sellometer_add_node('$database', \$\$host=" . $node->host . ' port=' . $node->port . " dbname=$database user=asker password=x\$\$)");
	}
	$node->safe_psql('shop', q{UPDATE sellometer.detectors SET enabled = kind IN ('volume_anomaly', 'category_shift')});
	my @products = map { +{ id => $_, brand => pick(@brands), category => pick(@categories), sales => pick(0, 2, 4, 20) } } 1 .. pick(20, 60, 150);
	# whose label alone is another one at first
	$products[0]{sales} = 20;
	my @offers = map { [ 'purchase', $_->{id}, $_->{sales}, '2019-10-01 08:00+00', $_->{category}, $_->{brand} ] } grep { $_->{sales} } @products;
	my @totals = map { ([ 'view', $_, 100 ], [ 'cart', $_, 10 ], [ 'purchase', $_, 7 ]) } map { sprintf('2019-10-01 %02d:%02d+00', 6 + int($_ / 60), $_ % 60) } 0 .. 239;
	add(\@slices, \@offers, \@totals);
	for my $step (1 .. 6)
	{
		my ($views, $others) = (pick(100, 100, 400), pick(1, 1, 0.2, 5));
		my $at = sub { sprintf('2019-10-01 %02d:%02d+00', 10 + int(($step * 12 + $_[0]) / 60), ($step * 12 + $_[0]) % 60) };
		# whose labels are others from now on: of a brand, a category, all, or here and there; or what they were
		my ($what, $to) = (pick('brand', 'category', 'some', 'all', 'none', 'back'), pick('x.y.z', 'a.b.x', 'a.b.c', @categories));
		my $which = $what eq 'brand' ? pick(@brands) : pick(@categories);
		my $share = pick(1, 0.7, 0.3);

		for my $p (@products)
		{
			$p->{now} = undef if $what eq 'back' && chance($share);
			$p->{now} = 'x.y.z' if $step == 1 && $p->{id} == 1;
			next if $step == 1 || $what eq 'none' || $what eq 'back' || !chance($what eq 'some' ? 0.05 : $share) || ($what ne 'some' && $what ne 'all' && $p->{$what} ne $which);
			$p->{now} = $to eq 'a.b.x' ? "$p->{category}x" : $to;
		}
		@offers = map { [ pick('view', 'view', 'cart'), $_->{id}, $step == 1 ? 11 : pick(1, 11, 11), $at->(-11), $_->{now} // $_->{category}, $_->{brand} ] } grep { $step == 1 || chance(0.8) } @products;
		@totals = map { ([ 'view', $_, $views ], [ 'cart', $_, int(10 * $others) ], [ 'purchase', $_, int(7 * $others) ]) } map { $at->($_ - 12) } 0 .. 11;
		add(\@slices, \@offers, \@totals);
		look("seed $seed, step $step: " . @slices . " nodes, $what of $which to $to, $views views, others times $others", $at->(1), @slices);
	}
	return @slices;
}

$node->safe_psql('postgres', 'CREATE ROLE asker LOGIN');
my @slices;
@slices = random_alerts($_) foreach ($first .. $last // $first);
note(join(', ', map { "$_: $seen{$_}" } sort keys %seen));
cmp_ok($seen{'volume_anomaly event_type'} // 0, '>', 0, 'volumes were odd');
cmp_ok($seen{'category_shift product_id'} // 0, '>', 0, 'products had moved');
cmp_ok(scalar(grep { /^category_shift (?!product)/ } keys %seen), '>', 0, 'whole groups had moved');

# --- what is found where ---

$node->safe_psql('s1', q{INSERT INTO sellometer.alerts (kind, severity, dimension, key, event_time, detail) VALUES ('price_anomaly', 'critical', 'product_id', '42', now(), 'a tenth')});
is($node->safe_psql('dash', q{SELECT node, key, detail FROM sellometer.alerts WHERE kind = 'price_anomaly'}), 's1|42|a tenth', q{what a node has found is shown with its name});
is($node->safe_psql('dash', q{SELECT sum(value) FROM sellometer.metrics WHERE name = 'sellometer_alerts_open' AND labels->>'kind' = 'price_anomaly'}), '1', '... and counted');
is($node->safe_psql('dash', q{SELECT count(*) FROM sellometer.own_alerts WHERE kind NOT IN ('category_shift', 'volume_anomaly')}), '0', '... of its own it finds only what needs all');
$node->safe_psql('dash', q{SELECT sellometer_mute('volume_anomaly')});
is($node->safe_psql('dash', q{SELECT count(*) FROM sellometer.alerts WHERE kind = 'volume_anomaly' AND closed_at IS NULL}), '0', '... and has it muted');
like($node->safe_psql('dash', q{SELECT detail FROM sellometer.baselines WHERE kind = 'category_shift'}), qr/^[1-9]\d* of [1-9]\d* products/, 'baselines are those of all');
$node->safe_psql('dash', q{SELECT sellometer_drop_node('s0')});
like(($node->psql('dash', 'CALL sellometer_detect()'))[2], qr/nodes are known here/, 'what is not whole is not judged');
like(($node->psql('dash', 'SELECT count(*) FROM sellometer.alerts'))[2], qr/nodes are known here/, '... nor shown');
$node->stop;
done_testing();
