# Products that are texts: whatever the order of files, and with what happens in between, sums are what plain SQL makes of the rows; and of texts
# with the same number one counts, and all rows of the others are rejected.
# SLM_SEEDS: which seeds to run, e.g. "1-100" or "7" (default: four); of even ones numbers have five bits.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmRandom;
use SlmTest;
use Test::More;

my $node = slm_node('skus', conf => "fsync = off\nlog_checkpoints = off\nsellometer.poll_interval = 50ms\nsellometer.debug_chunk_rows = 300\nsellometer.max_reject_fraction = 1\n");
die 'needs an extension that was built with COPT=-DUSE_ASSERT_CHECKING' if !can_make_chunks_small($node);
my ($first, $last) = ($ENV{SLM_SEEDS} // '1-4') =~ /^(\d+)(?:-(\d+))?$/;

sub value { return $node->safe_psql('shop', 'SET client_min_messages = warning; ' . $_[0]); }
sub irandom { return int rand $_[0]; }
sub quoted { return "'" . $_[0] =~ s/'/''/gr . "'"; }

# Those of a shop, with texts that look alike; number 1 is in every file, so that none fails for want of rows that count.
my @PRODUCTS = (1 .. 9, '007', '07', '7.0', '+7', 'Ä 1', 'ä 1', 'A,1', 'A"1', 'sku:1', '9223372036854775808', map { ("AB-$_", "ab-$_") } 1 .. 20);

sub make_file
{
	my ($rows) = @_;
	my $from = irandom(20) * 1800;
	my $content = "event_time,event_type,product_id,brand,price,user_session,product_name\n";

	for (0 .. irandom(chance(0.2) ? 1200 : 60))
	{
		my $at = $from + irandom(5400);
		my $time = sprintf('2019-10-01 %02d:%02d:%02d', $at / 3600, $at / 60 % 60, $at % 60);
		my ($type, $product, $brand, $session) = (pick('view', 'purchase', 'cart'), $_ == 0 ? 1 : pick(@PRODUCTS), pick('', 'acme'), 's' . irandom(9));

		$content .= join(',', $time, $type, chance(0.3) || $product =~ /[",]/ ? '" ' . $product =~ s/"/""/gr . '"' : $product, $brand, '1.50', $session, "n$product" =~ s/[",]//gr) . "\n";
		push @$rows, [ $time, $type, $product, $brand, $session ];
	}
	return $content;
}

sub agrees
{
	my ($rows, $name) = @_;
	my $list = join(', ', map { sprintf('(%s, %s, %s, %s, %s)', quoted($_->[0] . 'Z'), map { quoted($_) } @$_[1 .. 4]) } @$rows);

	$node->safe_psql('shop', "CREATE TABLE IF NOT EXISTS had (at timestamptz, type text, product text COLLATE \"C\", brand text COLLATE \"C\", session text); TRUNCATE had; INSERT INTO had VALUES $list");
	# of views of a session the earliest; of several at its time the first brand, and a missing one is the product
	my $expected = q{WITH usable AS (SELECT date_trunc('minute', at) AS minute, at, type, product, CASE brand WHEN '' THEN product ELSE brand END AS brand, session FROM had
			WHERE product ~ '^[1-9][0-9]{0,17}$' OR product IN (SELECT sku FROM sellometer.skus)),
		counted AS (SELECT minute, type, product, brand FROM usable WHERE type <> 'view' UNION ALL
			SELECT minute, type, product, brand FROM (SELECT DISTINCT ON (session, product) * FROM usable WHERE type = 'view' ORDER BY session, product, at, brand) v)};
	is(value(qq{$expected SELECT * FROM (SELECT minute, type, product, count(*) AS n FROM counted GROUP BY 1, 2, 3) e
		FULL JOIN (SELECT event_time AS minute, event_type::text AS type, sellometer_sku(product_id) COLLATE "C" AS product, count AS n FROM sellometer.product_id_minute) g USING (minute, type, product)
		WHERE e.n IS DISTINCT FROM g.n LIMIT 5}), '', "$name: products agree");
	is(value(qq{$expected SELECT * FROM (SELECT minute, type, brand, count(*) AS n FROM counted GROUP BY 1, 2, 3) e
		FULL JOIN (SELECT event_time AS minute, event_type::text AS type, brand COLLATE "C" AS brand, count AS n FROM sellometer.brand_minute) g USING (minute, type, brand)
		WHERE e.n IS DISTINCT FROM g.n LIMIT 5}), '', "$name: brands agree");
	is(value(q{SELECT sum(rows_rejected) - (SELECT count(*) FROM had WHERE product !~ '^[1-9][0-9]{0,17}$' AND product NOT IN (SELECT sku FROM sellometer.skus)) FROM sellometer.objects WHERE state <> 'skipped'}), '0',
		"$name: all others are rejected");
	is(value(q{SELECT DISTINCT reason FROM sellometer.rejected_rows WHERE reason <> 'sku_taken'}), '', "$name: ... for that reason");
	is(value(q{SELECT count(*) FROM sellometer.skus JOIN sellometer.sku_collisions USING (sku)}), '0', "$name: no text is both");
	is(value(q{SELECT count(*) FROM sellometer.product_names n WHERE name <> 'n' || translate(sellometer_sku(product_id), '",', '')}), '0', "$name: names belong to their products");
	return;
}

sub history
{
	my ($seed) = @_;
	my $dir = slm_directory($node, "skus_$seed");
	my %rows;

	srand($seed);
	note("seed $seed");
	$node->safe_psql('shop', 'SET client_min_messages = warning; DROP EXTENSION IF EXISTS sellometer CASCADE; CREATE EXTENSION sellometer');
	$node->safe_psql('shop', "ALTER SYSTEM SET sellometer.$_->[0] = $_->[1]") foreach ([ 'debug_sku_bits', $seed % 2 ? 63 : 5 ], [ 'surge_bytes', quoted(pick('1kB', '256MB')) ]);
	$node->restart;
	mkdir "$dir/$_" foreach (qw(now in out));
	value(qq(SELECT sellometer_add_source('a', 'file://$dir/in/', archive_url => 'file://$dir/out/', format => '{"product_ids": "text"}')));
	for my $n (1 .. 40)
	{
		write_file("$dir/now/$n.csv", make_file($rows{"$n.csv"} = []));
	}
	my @keys = shuffled(sort keys %rows);
	for my $key (@keys)
	{
		link_object("$dir/now", "$dir/in", $key);
		wait_until_loaded($node) if chance(0.1);
		if (chance(0.05))
		{
			$node->stop('immediate');
			$node->start;
		}
	}
	wait_until_loaded($node);
	agrees([ map { @$_ } values %rows ], "seed $seed");
	is(value('SELECT count(*) > 0 FROM sellometer.sku_collisions'), $seed % 2 ? 'f' : 't', 'texts with the same number, with few bits');
	is(value('SELECT count(*) FROM sellometer.skus'), scalar(grep { $_ !~ /^[1-9]\d{0,17}$/ } @PRODUCTS), 'all texts are known') if $seed % 2;

	for my $key (splice(@keys, 0, 4))
	{
		value(chance(0.5) ? "SELECT sellometer_unload('a', '$key')" : "CALL sellometer_unload_in_steps('a', '$key')");
		delete $rows{$key};
	}
	my @rest = map { @$_ } values %rows;
	agrees(\@rest, "seed $seed, some taken out");
	value('CALL sellometer_archive()');
	value("SELECT sellometer_set_format('a', NULL, rows => 0)");
	value("SELECT sellometer_replay('a', '-infinity', 'infinity')");
	agrees(\@rest, "seed $seed, from archives");
	is(value(q{SELECT string_agg(name || ': ' || detail, ', ') FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)'
		AND name NOT IN ('pg_cron', 'worker', 'failed objects')}), '', 'sellometer_check() has nothing to say');
	return;
}

history($_) foreach ($first .. $last // $first);
is(join("\n", unexpected_in_log($node)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
