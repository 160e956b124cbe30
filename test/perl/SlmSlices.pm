
=pod

=head1 NAME

SlmSlices - databases that each count a slice of the products, held together against one that counts all

=head1 SYNOPSIS

  my $node = slm_node('slices', conf => tier_conf() . "sellometer.database = ''\n");
  random_slices($node, 7);                               # seed 7

=head1 WHAT IS RANDOM

From the seed come: how many slices there are; the files, as those of SlmTiers; in which order they come; and what each database does
between them, by itself: sellometer_ingest(), sellometer_merge_backlog(), sellometer_rollup(), sellometer_prune(), a replay, and now and
then a restart of the server.  Files are taken out of all, or tried anew in all.

=cut

package SlmSlices;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use File::Path qw(remove_tree);
use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmRandom;
use SlmTest;
use SlmTiers;
use Test::More;

our @EXPORT = qw(make_slices slice_differences slice_sums catch_up random_slices in_database is_on);

# Databases that are on another server than the one that all functions are told of.
my %server_of;

# What is added up over the slices: these columns are a key in each table, and the others are sums.
my %SUMS = (
	(map { my $d = $_; map { ("${d}_$_" => "event_time, event_type::text, $d\::text AS key, NULL::text AS more, count::bigint AS n, gmv AS sum FROM sellometer.${d}_$_") } qw(minute hour) }
		qw(product_id brand category_l1 category_l2 category_l3)),
	totals => "event_time, event_type::text, tier AS key, NULL AS more, count::bigint AS n, gmv AS sum FROM sellometer.totals",
	realtime => "event_time, event_type::text, brand AS key, NULL AS more, count AS n, gmv AS sum FROM sellometer.own_realtime_brand_hour",
	carts => "cart_at AS event_time, NULL AS event_type, c::text AS key, NULL AS more, 1 AS n, 0 AS sum FROM sellometer.carts c",
	offers => "last_seen AS event_time, event_type::text, product_id::text AS key, row(day, price, category, first_seen)::text AS more, count::bigint AS n, 0 AS sum FROM sellometer.offer_history",
	rejected => "NULL::timestamptz AS event_time, r.reason AS event_type, o.key, r.line::text AS more, 1 AS n, 0 AS sum FROM sellometer.rejected_rows r JOIN sellometer.objects o ON o.id = r.object_id",
	ledger => "NULL::timestamptz AS event_time, state AS event_type, key, row(rows_total, first_event, last_event)::text AS more, rows_counted + rows_duplicate AS n, rows_rejected * 1000 + rows_expired AS sum FROM sellometer.objects",
	head => "head AS event_time, NULL AS event_type, 'head' AS key, NULL AS more, 0 AS n, 0 AS sum FROM sellometer.state");

=pod

=head1 FUNCTIONS

=over

=item make_slices($node, $url, $n, @more_nodes)

Database shop, which counts all, and databases s0 to s(n-1), which count a slice each; all with the source.  Gives their names.  They are
on the further servers by turns, if there are any; shop is on the first.  Without a URL they have no source, and shop is left as it is.

=cut

sub make_slices
{
	my ($node, $url, $n, @more) = @_;
	my @servers = @more ? @more : ($node);
	my @names = map { "s$_" } (0 .. $n - 1);

	%server_of = map { ($names[$_] => $servers[ $_ % @servers ]) } (0 .. $n - 1);
	for my $database (defined $url ? 'shop' : (), @names)
	{
		my $server = $server_of{$database} // $node;

		$server->safe_psql('postgres', "DROP DATABASE IF EXISTS $database");
		$server->safe_psql('postgres', "CREATE DATABASE $database");
		$server->safe_psql('postgres', "ALTER DATABASE $database SET sellometer.slice = '" . substr($database, 1) . "/$n'") if $database ne 'shop';
		$server->safe_psql($database, q{CREATE EXTENSION sellometer; ALTER TABLE sellometer.sources ALTER same_content SET DEFAULT $$count$$});
		$server->safe_psql($database, "SELECT sellometer_add_source('a', '$url')") if defined $url;
	}
	return @names;
}

=pod

=item is_on($database, $server)

From now on it is on another server.

=cut

sub is_on
{
	my ($database, $server) = @_;

	$server_of{$database} = $server;
	return;
}

=pod

=item in_database($node, $database, $sql)

What the statement gives in that database, wherever it is; warnings are left out.

=cut

sub in_database
{
	my ($node, $database, $sql) = @_;

	return ($server_of{$database} // $node)->safe_psql($database, "SET client_min_messages = error; $sql");
}

=pod

=item slice_differences($node, @slices)

Where the databases of slices together differ from shop, as text: of each table the first few rows.  A reference to a hash before the slices is
taken for what slice_sums() gives.

=item slice_sums()

What is compared: a hash of queries, by name.  Their columns event_time, event_type, key and more are a key; n and sum are added up.  Of ledger and head each slice
has as many rows as shop.

=cut

sub slice_sums { return {%SUMS}; }

sub slice_differences
{
	my ($node, @slices) = @_;
	my $sums = ref $slices[0] ? shift @slices : \%SUMS;
	my $n = @slices;

	for my $database ('shop', @slices)
	{
		in_database($node, $database, 'SELECT FROM sellometer.fold_offers()');
	}
	$node->safe_psql('shop', 'DROP TABLE IF EXISTS together; CREATE TABLE together (slices boolean, what text, event_time timestamptz, event_type text, key text, more text, n bigint, sum numeric)');
	for my $database ('shop', @slices)
	{
		my $in = $database eq 'shop' ? 'false' : 'true';
		my $rows = join(' UNION ALL ', map { "SELECT $in, '$_', $sums->{$_}" } sort keys %$sums);
		my $file = $node->basedir . "/together_$database";

		in_database($node, $database, "COPY ($rows) TO '$file'");
		$node->safe_psql('shop', "COPY together FROM '$file'");
		unlink $file;
	}
	# of each slice there is one row of an object, and one head
	return split(/\n/, $node->safe_psql('shop', qq{
		SELECT what, event_time, event_type, key, more, n, sum, m, other FROM (
			SELECT what, event_time, event_type, key, more, sum(n) FILTER (WHERE slices) AS n, sum(sum) FILTER (WHERE slices) AS sum,
				sum(n) FILTER (WHERE NOT slices) AS m, sum(sum) FILTER (WHERE NOT slices) AS other,
				count(*) FILTER (WHERE slices) AS there, count(*) FILTER (WHERE NOT slices) AS here
			FROM together GROUP BY 1, 2, 3, 4, 5) x
		WHERE (n, sum) IS DISTINCT FROM (m, other) OR (what IN ('ledger', 'head') AND there <> here * $n) ORDER BY 1, 2, 3, 4 LIMIT 20}));
}

=pod

=item catch_up($node, @databases)

Load and merge until nothing waits in any of them, roll up and prune.

=cut

sub catch_up
{
	my ($node, @databases) = @_;

	for my $database (@databases)
	{
		for (1 .. 100)
		{
			in_database($node, $database, $_) foreach ('CALL sellometer_ingest()', 'CALL sellometer_merge_backlog()');
			last if in_database($node, $database, "SELECT count(*) FROM sellometer.objects WHERE state IN ('pending', 'backlog')") == 0;
		}
		in_database($node, $database, $_) foreach ('CALL sellometer_rollup()', 'CALL sellometer_prune()', 'CALL sellometer_rollup()');
	}
	return;
}

sub act
{
	my ($node, $database) = @_;
	my $sql = pick('CALL sellometer_ingest()', 'CALL sellometer_ingest()', 'CALL sellometer_ingest()', 'CALL sellometer_merge_backlog()', 'CALL sellometer_rollup()',
		'CALL sellometer_prune()', 'CALL sellometer_detect()', "SELECT sellometer_replay(NULL, '-infinity', 'infinity')");

	return if chance(0.3);
	note("  $database: $sql");
	$node->safe_psql($database, "SET client_min_messages = warning; $sql");
	return;
}

=pod

=item random_slices($node, $seed)

One whole history, from empty databases on, and a test: the slices together are what shop is, and that is what the oracle says.

=back

=cut

sub random_slices
{
	my ($node, $seed) = @_;
	my $dir = slm_directory($node, "slices_$seed");
	my @keys;

	srand($seed);
	mkdir "$dir/$_" foreach (qw(all in));
	@keys = SlmTiers::in_order_of_arrival(SlmTiers::make_files("$dir/all", $seed));
	splice(@keys, 60) if @keys > 60;
	my @slices = make_slices($node, "file://$dir/in/", 2 + int rand 3);
	note("seed $seed: " . @slices . ' slices, ' . @keys . ' files');
	while (@keys)
	{
		link_object("$dir/all", "$dir/in", $_) foreach (splice(@keys, 0, 1 + int rand 12));
		act($node, $_) foreach (shuffled('shop', @slices));
		next unless chance(0.1);
		note('  restart');
		$node->stop(pick('fast', 'immediate'));
		$node->start;
	}
	catch_up($node, 'shop', @slices);
	my @wrong = slice_differences($node, @slices);
	is(join("\n", @wrong), '', "seed $seed: " . @slices . ' slices together are what one database is that counts all');

	# one file out of all, and the rest still adds up
	my $key = $node->safe_psql('shop', "SELECT key FROM sellometer.objects WHERE state = 'done' ORDER BY md5(key || $seed) LIMIT 1");
	for my $database ('shop', @slices)
	{
		$node->safe_psql($database, "SELECT sellometer_unload('a', '$key')");
		$node->safe_psql($database, "SET client_min_messages = warning; $_") foreach ('CALL sellometer_rollup()', "SELECT sellometer_replay(NULL, '-infinity', 'infinity')");
	}
	@wrong = slice_differences($node, @slices);
	is(join("\n", @wrong), '', "seed $seed: also without $key, and made anew");
	unlink "$dir/in/$key";
	oracle_load($node, "$dir/in");
	oracle_agrees($node, 'minute', "seed $seed", $node->safe_psql('shop', "SELECT kept_from FROM sellometer.tiers WHERE name = 'minute'"));
	remove_tree($dir);
	return;
}

1;
