# Nodes of which each reads a prefix of its own, divided as docs/scaling.md says in Python: together they hold what one database holds that reads
# all prefixes, and that is what the oracle says, whatever each of them does when; each archives its own, and is then what it was.
# SLM_SEEDS: which seeds to run, e.g. "1-100" or "7" (default: three).
use strict;
use warnings FATAL => 'all';

use File::Path qw(remove_tree);
use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmOwnSlices;
use SlmRandom;
use SlmSlices;
use SlmTest;
use SlmTiers;
use Test::More;

my $node = slm_node('own', conf => tier_conf() . "sellometer.cart_retention = 60d\nsellometer.database = ''\nmax_connections = 50\n");
my ($first, $last) = ($ENV{SLM_SEEDS} || '1-3') =~ /^(\d+)(?:-(\d+))?$/;
my $sums = own_slice_sums();

sub act
{
	my ($database) = @_;
	my $sql = pick('CALL sellometer_ingest()', 'CALL sellometer_ingest()', 'CALL sellometer_ingest()', 'CALL sellometer_merge_backlog()', 'CALL sellometer_rollup()', 'CALL sellometer_prune()',
		'CALL sellometer_archive()', "SELECT sellometer_replay(NULL, '-infinity', 'infinity')");

	return if chance(0.3);
	note("  $database: $sql");
	in_database($node, $database, $sql);
	return;
}

# What waits and fails in several prefixes is together what one database has of all of them.
sub shown
{
	my ($dir, @slices) = @_;
	my $status = 'SELECT source, head, pending_objects, pending_bytes, backlog_objects, backlog_bytes, failed_objects, head_of_all, pending_oldest IS NULL FROM sellometer.status';
	my ($is, $should);

	$node->safe_psql('postgres', $_) foreach ('DROP DATABASE IF EXISTS dash', 'CREATE DATABASE dash');
	$node->safe_psql('dash', 'CREATE EXTENSION sellometer; CREATE EXTENSION postgres_fdw');
	$node->safe_psql('dash', "SELECT sellometer_add_node('$_', 'host=" . $node->host . ' port=' . $node->port . " dbname=$_')") foreach (@slices);
	for my $i (0, 1)
	{
		write_file("$dir/$_/$i/9/2019-10-24-00-01-1.csv", "event_time,event_type,product_id\n" . 'x' x ($i + 1) . "\n") foreach (qw(in whole));
	}
	in_database($node, $_, 'CALL sellometer_ingest()') foreach ('shop', @slices);
	($is, $should) = map { $node->safe_psql($_, $status) } qw(dash shop);
	is($is, $should, 'failed objects of several prefixes');
	in_database($node, $_, "SELECT sellometer_retry('a', pattern => '*2019-10-24-00-01*')") foreach ('shop', @slices);
	($is, $should) = map { $node->safe_psql($_, $status) } qw(dash shop);
	is($is, $should, 'pending ones');
	like($is, qr/^a\|[^|]+\|2\|/, '... of two');
	return;
}

sub history
{
	my ($seed) = @_;
	my $dir = slm_directory($node, "own_$seed");

	srand($seed);
	mkdir "$dir/$_" foreach (qw(all in whole kept out));
	my @keys = SlmTiers::in_order_of_arrival(SlmTiers::make_files("$dir/all", $seed));
	splice(@keys, 50) if @keys > 50;
	my $n = 2 + int rand 3;
	my @slices = make_slices($node, "file://$dir/whole/", $n);
	note("seed $seed: $n slices, " . @keys . ' files');
	divide_files($node, $n, $dir);
	mkdir "$dir/$_" foreach (map { my $i = $_; map { "$_/$i" } qw(in whole kept out) } (0 .. $n - 1));
	in_database($node, $_, "SELECT sellometer_drop_source('a'); SELECT sellometer_add_source('a', 'file://$dir/in/{slice}/', archive_url => 'file://$dir/out/{slice}/', own_slice => true)") foreach (@slices);
	while (@keys)
	{
		for my $key (splice(@keys, 0, 1 + int rand 12))
		{
			# a prefix may have it later than another
			for my $i (0 .. $n - 1)
			{
				link_object("$dir/$i", "$dir/$_/$i", $key) foreach (qw(in whole kept));
				act("s$i") if chance(0.1);
			}
		}
		act($_) foreach (shuffled(@slices));
		in_database($node, 'shop', $_) foreach (pick('CALL sellometer_ingest()', 'CALL sellometer_rollup()', 'CALL sellometer_prune()'));
	}
	newest_of_slices($node, $n, $dir, qw(in whole kept));
	catch_up($node, 'shop', @slices);
	is(join("\n", slice_differences($node, $sums, @slices)), '', "seed $seed: $n nodes that read a prefix each are what one database is that reads all");
	is(join('', map { in_database($node, $_, "SELECT '$_', key, line, detail FROM sellometer.rejected_rows JOIN sellometer.objects USING (source, key) WHERE reason = 'other_slice' LIMIT 3") } @slices), '', '... each row lies where it belongs');
	is(join(' ', map { in_database($node, $_, 'SELECT count(*), sum(rows_elsewhere) FROM sellometer.objects') } @slices), join(' ', map { my ($all) = scalar(() = files_below("$dir/kept/$_")); "$all|0" } (0 .. $n - 1)), '... and is read by its node alone');
	in_database($node, $_, 'CALL sellometer_archive(); SELECT sellometer_replay(NULL, \'-infinity\', \'infinity\')') foreach (@slices);
	is(join("\n", slice_differences($node, $sums, @slices)), '', '... also made anew from archives of their own');
	cmp_ok(scalar(() = files_below("$dir/in")), '<', scalar(() = files_below("$dir/kept")) / 2, '... which have taken the place of originals');
	is(join('', map { in_database($node, $_, "SELECT '$_', name, detail FROM sellometer_check() WHERE NOT ok AND name IN ('ledger', 'tiers', 'totals', 'archives')") } @slices), '', '... each is in order');
	oracle_load($node, "$dir/kept");
	oracle_agrees($node, 'minute', "seed $seed", $node->safe_psql('shop', "SELECT kept_from FROM sellometer.tiers WHERE name = 'minute'"));
	shown($dir, @slices);
	remove_tree($dir);
	return;
}

history($_) foreach ($first .. $last // $first);
is(join("\n", unexpected_in_log($node)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
