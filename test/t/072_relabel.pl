# sellometer_relabel(): afterwards everything is as if the override had been there from the beginning, by plain SQL over the raw rows: sums of all tiers, history of
# offers, what was sold, listings; with rows that are loaded meanwhile, by parse workers too, and rows that are archived.  And nothing has shifted.
# SLM_SEEDS: which seeds to run, e.g. "1-100" or "7" (default: two).
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory qw(files_below link_object unexpected_in_log wait_until_loaded);
use SlmRandom;
use SlmTest;
use Test::More;

my ($first, $last) = ($ENV{SLM_SEEDS} // '1-2') =~ /^(\d+)(?:-(\d+))?$/;
my $node = slm_node('relabel', conf => <<'CONF');
fsync = off
log_checkpoints = off
sellometer.poll_interval = 50ms
sellometer.surge_bytes = 1kB
sellometer.max_parse_workers = 2
sellometer.shift_min_sales = 2
sellometer.shift_min_events = 1
sellometer.alert_hold = 0
CONF

sub sql { my ($sql) = @_; return $node->safe_psql('shop', "SET client_min_messages = warning; $sql"); }

# What is relabelled: products and categories that are there most, at times that are no full minute, some several times.
sub relabel
{
	my ($what, $rank, $code, $since) = @_;
	my $id = sql("SELECT id FROM common WHERE what = '$what' AND rank = $rank");

	$code = defined $code ? "'$code'" : 'NULL';
	cmp_ok(sql("CALL sellometer_relabel($code, ${what}_id => $id, since => '$since')"), '>', 0, "$what $rank is relabelled from $since on");
	return;
}

sub relabel_brand
{
	my ($what, $rank, $brand, $since) = @_;
	my $id = sql("SELECT " . ($what eq 'brand' ? 'quote_literal(brand)' : 'id::text') . " FROM common WHERE what = '$what' AND rank = $rank");

	$brand = defined $brand ? "'$brand'" : 'NULL';
	cmp_ok(sql("CALL sellometer_relabel_brand($brand, " . ($what eq 'brand' ? 'brand' : 'product_id') . " => $id, since => '$since')"), '>', 0, "brand of $what $rank is relabelled from $since on");
	return;
}

sub agrees
{
	my ($name) = @_;

	sql('CALL sellometer_rollup()');
	oracle_agrees($node, 'minute', $name);
	is(sql("SELECT * FROM oracle.diff('hour', realtime => true) LIMIT 10"), '', "$name: hours agree");
	is(sql("SELECT * FROM oracle.diff('day', realtime => true) LIMIT 10"), '', "$name: days agree");
	is(sql('(SELECT * FROM oracle.diff_offers() LIMIT 10); SELECT FROM sellometer.fold_offers(); SELECT * FROM oracle.diff_offers() LIMIT 10; SELECT * FROM oracle.diff_sold() LIMIT 10;
			SELECT * FROM oracle.diff_listings() LIMIT 10') =~ s/\n//gr, '', "$name: offers agree");
	is(sql(q{SELECT string_agg(name || ': ' || detail, ', ') FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)'
		AND name NOT IN ('pg_cron', 'worker', 'failed objects')}), '', "$name: sellometer_check() has nothing to say");
	return;
}

sub history
{
	my ($seed) = @_;
	my $all = slm_directory($node, "all_$seed");
	my $in = slm_directory($node, "in_$seed");
	my $out = slm_directory($node, "out_$seed");

	srand($seed);
	note("seed $seed");
	sql('DROP EXTENSION IF EXISTS sellometer CASCADE; CREATE EXTENSION sellometer; DROP TABLE IF EXISTS common');
	sql("SELECT sellometer_add_tier('day', '1 day', NULL)");
	traffic($all, '--seed' => $seed, '--start' => '2019-10-01 22:40:00', '--minutes' => 150, '--rate' => 150, '--servers' => 2,
		'--products' => 60, '--bad' => 0.01, '--odd' => 0.3, '--session-gap' => 300);
	sql("SELECT sellometer_add_source('shop', 'file://$in/', archive_url => 'file://$out/')");
	oracle_load($node, $all);
	sql(q{CREATE TABLE common AS
		SELECT what, id, brand, row_number() OVER (PARTITION BY what ORDER BY n DESC, id, brand) AS rank FROM (
			SELECT 'product' AS what, oracle.bigint_of(product_id) AS id, NULL AS brand, count(*) AS n FROM oracle.raw GROUP BY 1, 2
			UNION ALL
			SELECT 'category', oracle.bigint_of(category_id), NULL, count(*) FROM oracle.raw GROUP BY 1, 2
			UNION ALL
			SELECT 'brand', NULL, oracle.value_of(brand), count(*) FROM oracle.raw GROUP BY 1, 3) c
		WHERE id IS NOT NULL OR brand <> ''});

	my @keys = $seed % 2 ? files_below($all) : shuffled(files_below($all));
	link_object($all, $in, $_) foreach (splice(@keys, 0, int(@keys * 2 / 3)));
	wait_until_loaded($node);
	sql('CALL sellometer_rollup(); CALL sellometer_archive(); SELECT FROM sellometer.fold_offers()');
	cmp_ok(sql(q{SELECT count(*) FROM sellometer.objects WHERE state = 'archived'}), '>', 5, 'some are archived');

	# while the rest comes
	for my $change ([ 'category', 1, 'Construction.tools. light', '-infinity' ], [ 'category', 2, 'a.b.c.d', '2019-10-01 23:10:00.5+00' ], [ 'product', 1, 'of.its.own', '2019-10-01 23:50:01+00' ],
		[ 'product', 1, undef, '2019-10-02 00:30:00+00' ], [ 'category', 3, 'first', '2019-10-02 00:10:59+00' ], [ 'category', 3, 'then', '2019-10-01 22:59:59+00' ], [ 'product', 2, 'one', '-infinity' ])
	{
		link_object($all, $in, $_) foreach (splice(@keys, 0, 20));
		relabel(@$change);
	}
	for my $change ([ 'brand', 1, 'Acme & Sons', '-infinity' ], [ 'brand', 2, 'until', '2019-10-01 23:10:00.5+00' ], [ 'brand', 2, undef, '2019-10-02 00:20:00+00' ], [ 'product', 3, 'of its own', '2019-10-01 23:30:01+00' ])
	{
		link_object($all, $in, $_) foreach (splice(@keys, 0, 20));
		relabel_brand(@$change);
	}
	link_object($all, $in, $_) foreach (@keys);
	wait_until_loaded($node);

	# The same in plain SQL: the raw rows say the other code
	sql('SELECT oracle.relabel(); SELECT oracle.build()');
	cmp_ok(sql(q{SELECT count(*) FROM oracle.raw WHERE category_code IN ('a.b.c.d', 'of.its.own')}), '>', 5, 'rows that are relabelled');
	cmp_ok(sql(q{SELECT count(*) FROM oracle.raw WHERE brand IN ('Acme & Sons', 'of its own')}), '>', 5, 'rows of other brands');
	agrees("seed $seed");
	sql("SELECT sellometer_replay('shop', '-infinity', 'infinity')");
	agrees("seed $seed, replayed");
	return;
}

history($_) foreach ($first .. $last // $first);

# A label that is changed for all of the past has not shifted; one that has, and is corrected, is told no more.
{
	my $in = slm_directory($node, 'shift');
	my $row = sub { my ($minute, $code, $n) = @_; return map { sprintf("2019-10-01 %02d:%02d:%02d UTC,%s,7,700,%s,acme,10.00,1,s%d\n", 10 + int($minute / 60), $minute % 60, $_, $_ % 3 ? 'view' : 'purchase', $code, $minute * 60 + $_) } 1 .. $n };
	my $header = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n";
	my $told = q{SELECT count(*) FROM sellometer.alerts WHERE kind = 'category_shift' AND closed_at IS NULL};

	sql('DROP EXTENSION sellometer CASCADE; CREATE EXTENSION sellometer');
	sql("SELECT sellometer_add_source('shop', 'file://$in/')");
	write_object($in, 'a.csv', join('', $header, map { $row->($_, 'electronics.phone', 12) } 0 .. 99));
	wait_until_loaded($node);
	sql('CALL sellometer_detect()');
	is(sql($told), '0', 'nothing has shifted');
	sql("CALL sellometer_relabel('tools.light', product_id => 7)");
	sql('CALL sellometer_detect()');
	is(sql($told), '0', 'nothing has shifted by a label that is changed for all of the past');
	is(sql('SELECT DISTINCT category FROM sellometer.sold_products'), 'tools.light.light', 'it was sold under that');
	sql("CALL sellometer_relabel(NULL, product_id => 7)");
	write_object($in, 'b.csv', join('', $header, map { $row->($_, 'garden.tools', 12) } 100 .. 119));
	wait_until_loaded($node);
	sql('CALL sellometer_detect()');
	is(sql($told), '1', 'a feed has another label');
	sql("CALL sellometer_relabel('electronics.phone', category_id => 700)");
	sql('CALL sellometer_detect()');
	is(sql($told), '0', 'which is corrected');
	is(sql("SELECT count(*) FROM sellometer.category_l1_hour WHERE category_l1 <> 'electronics'"), '0', '... in the sums');
}
is(join("\n", unexpected_in_log($node)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
