# One node archives for all: originals go only when every node has loaded them, and until then it is said what is waited for; the other nodes
# read the archives as their own, also one that is set back to before it has loaded anything, or made anew.
use strict;
use warnings FATAL => 'all';

use SlmHistory;
use SlmSlices;
use SlmTest;
use SlmTiers;
use Test::More;

my $node = slm_node('archive', conf => tier_conf() . "sellometer.database = ''\nmax_connections = 50\n");
my $dir = slm_directory($node, 'nodes');

mkdir "$dir/$_" foreach (qw(all in out whole));
traffic("$dir/all", '--minutes' => 130, '--rate' => 40, '--start' => '2019-10-09 08:30:00', '--seed' => 11, '--products' => 200, '--bad' => 0.02);
my @slices = make_slices($node, "file://$dir/in/", 2);
$node->safe_psql('shop', "SELECT sellometer_drop_source('a'); SELECT sellometer_add_source('a', 'file://$dir/whole/')");
for my $key (files_below("$dir/all"))
{
	link_object("$dir/all", "$dir/$_", $key) foreach (qw(in whole));
}
for my $slice (@slices)
{
	$node->safe_psql($slice, "CREATE EXTENSION postgres_fdw; SELECT sellometer_alter_source('a', archive_url => 'file://$dir/out/')");
}

sub connection
{
	my ($database) = @_;

	return sprintf('host=%s port=%d dbname=%s', $node->host, $node->port, $database);
}

sub in_source
{
	my @files = files_below("$dir/in");

	return scalar(@files);
}

sub held
{
	return $node->safe_psql('s0', "SELECT detail FROM sellometer.health WHERE name = 'archives of a'");
}

sub archive
{
	my ($database) = @_;

	return ($node->psql($database, 'CALL sellometer_archive()'))[2];
}

sub tiers
{
	return grep { !/^(ledger|carts|offers|rejected)/ } slice_differences($node, @slices);
}

my $all = in_source();
catch_up($node, 'shop', 's0');

# --- who is waited for ---

archive('s0');
is(in_source(), $all, 'nodes that are not known: all originals stay');
like(held(), qr/^originals of \d+ archives wait: 0 of 1 other nodes are known here/, '... and health says why');
is($node->safe_psql('s0', 'SELECT count(*) > 0 FROM sellometer.archives WHERE archived_at IS NOT NULL'), 't', '... though there are archives');
$node->safe_psql('s0', "SELECT sellometer_add_node('n1', '" . connection('s1') . "')");
archive('s0');
is(in_source(), $all, 'a node that has loaded nothing: all stay');
like(held(), qr/wait: node n1 has still to load \d+ of them/, '... and health says so');
$node->safe_psql('s1', 'CALL sellometer_ingest()');
$node->safe_psql('postgres', 'ALTER DATABASE s1 ALLOW_CONNECTIONS false');
archive('s0');
is(in_source(), $all, 'a node that can\'t be asked: all stay');
like(held(), qr/wait: node n1 can't be asked/, '... and health says so');
$node->safe_psql('postgres', 'ALTER DATABASE s1 ALLOW_CONNECTIONS true');
like(archive('s1'), qr/the node that archives is not known here/, 'another node does not archive');
catch_up($node, 's1');
is(join("\n", tiers()), '', 'before anything is deleted they add up');
archive('s0');
is(in_source(), $all, 'a node that has loaded all, and knows of no archive: all stay');
like(held(), qr/wait: node n1 has loaded them, and has still to take the archive over/, '... and health says so');
my $changed = $node->safe_psql('s0', "SELECT o.key FROM sellometer.objects o JOIN sellometer.archives a ON o.id = ANY (a.objects) ORDER BY o.key LIMIT 1");
my $etag = $node->safe_psql('s0', "SELECT etag FROM sellometer.objects WHERE key = '$changed'");
$node->safe_psql('s1', "SELECT sellometer_add_node('n0', '" . connection('s0') . "')");
$node->safe_psql('s1', "UPDATE sellometer.objects SET etag = 'another' WHERE key = '$changed'");
archive($_) foreach (qw(s1 s0));
ok(-e "$dir/in/$changed", 'of which a node has loaded another content stays');
like(held(), qr/wait: node n1 has still to load 1 of them/, '... and health says so');
$node->safe_psql('s1', "UPDATE sellometer.objects SET etag = '$etag' WHERE key = '$changed'");
archive($_) foreach (qw(s1 s0));
cmp_ok(in_source(), '<', $all, 'all have loaded, and know of it: the originals go');
is(held(), '', '... and nothing is waited for');
ok(!-e "$dir/in/$changed", '... that one too');

# --- the others read what it has archived ---

is($node->safe_psql('s1', "SELECT count(*), count(*) FILTER (WHERE state = 'archived') > 0 FROM sellometer.objects"), "$all|t", 'the other node knows the archives');
is($node->safe_psql('s1', "SELECT count(*) FROM sellometer.objects WHERE state = 'archived'"), $node->safe_psql('s0', "SELECT count(*) FROM sellometer.objects WHERE state = 'archived'"), '... of as many objects');
$node->safe_psql($_, "SET client_min_messages = warning; SELECT sellometer_replay(NULL, '-infinity', 'infinity')") foreach (@slices);
is(join("\n", tiers()), '', 'replayed from the archives, they are together what they were');
is($node->safe_psql('s1', "SELECT count(*) FROM sellometer_events(NULL, NULL, '-infinity', 'infinity') WHERE archive IS NOT NULL AND sellometer_slice_of(product_id, 2) <> 1"), '0', 'rows behind sums are those of the slice');
is($node->safe_psql('s1', "SELECT count(*) FILTER (WHERE verdict = 'counted') = (SELECT sum(count) FROM sellometer.realtime_product_id_hour) FROM sellometer_events(NULL, NULL, '-infinity', 'infinity')"), 't', '... and add up');

# --- a node that is made anew, or set back ---

$node->safe_psql('postgres', 'DROP DATABASE s1');
$node->safe_psql('postgres', 'CREATE DATABASE s1');
$node->safe_psql('postgres', "ALTER DATABASE s1 SET sellometer.slice = '1/2'");
$node->safe_psql('s1', "CREATE EXTENSION sellometer; CREATE EXTENSION postgres_fdw; SELECT sellometer_add_source('a', 'file://$dir/in/'); SELECT sellometer_add_node('n0', '" . connection('s0') . "')");
$node->safe_psql('postgres', 'CREATE DATABASE dash');
$node->safe_psql('dash', 'CREATE EXTENSION sellometer; CREATE EXTENSION postgres_fdw');
$node->safe_psql('dash', "SELECT sellometer_add_node('n$_', '" . connection("s$_") . "')") foreach (0, 1);
my $lacks = q{SELECT name || ' ' || severity || ': ' || detail FROM sellometer.health WHERE name ~ '^node n.$'};
like($node->safe_psql('dash', $lacks), qr/^node n1 critical: lacks at least \d+ archives that other nodes know: its sums may be too small$/, 'the dashboards\' database tells of a node that lacks archives');
like(archive('s1'), qr/archives of other nodes had objects that were never loaded here: all from .* on was counted anew/, 'a new node counts what is archived');
catch_up($node, 's1', 's0', 'shop');
is(join("\n", tiers()), '', '... and has then what the old one had');
is($node->safe_psql('dash', $lacks), '', '... which is told no more');
$node->safe_psql('s0', 'UPDATE sellometer.archives SET own_slice = true WHERE id = (SELECT max(id) FROM sellometer.archives)');
like($node->safe_psql('dash', $lacks), qr/^node n0 critical: lacks at least 1 archives/, '... nor of slice 0, unless it lacks one');
$node->safe_psql('s0', 'UPDATE sellometer.archives SET own_slice = false');
is($node->safe_psql('s1', "SELECT detail FROM sellometer_check() WHERE NOT ok AND name IN ('ledger', 'tiers', 'totals')"), '', '... in order');

# --- another number of nodes: new databases, of what is archived and what is still at the source, as docs/scaling.md tells ---

sub put_more
{
	my ($start, $seed) = @_;

	traffic("$dir/all", '--minutes' => 100, '--rate' => 40, '--start' => $start, '--seed' => $seed, '--products' => 200, '--bad' => 0.02);
	for my $key (files_below("$dir/all"))
	{
		next if -e "$dir/whole/$key";
		link_object("$dir/all", "$dir/$_", $key) foreach (qw(in whole));
	}
	return;
}

my $with_originals = 'SELECT count(*) FROM sellometer.archives WHERE originals_deleted_at IS NULL';
put_more('2019-10-09 10:40:00', 12);
catch_up($node, 'shop', @slices);
$node->safe_psql($_, "SET client_min_messages = warning; SET sellometer.keep_originals = '30d'; CALL sellometer_archive()") foreach (qw(s0 s1 s0));
cmp_ok($node->safe_psql('s0', $with_originals), '>', 0, 'what is archived is at the source still');
$node->safe_psql($_, "SET client_min_messages = warning; SET sellometer.keep_originals = 0; CALL sellometer_archive()") foreach (qw(s0 s1));
is($node->safe_psql('s0', $with_originals), '0', '... until it is to be there no more');
$node->safe_psql($_, q{SELECT sellometer_alter_source('a', archive_url => '')}) foreach (@slices);
put_more('2019-10-09 12:20:00', 13);
catch_up($node, 'shop', @slices);
archive($_) foreach (qw(s0 s1 s0));
is($node->safe_psql('s0', $with_originals), '0', 'nothing is archived any more');

my @more = map { "more$_" } (0 .. 2);
for my $i (0 .. 2)
{
	$node->safe_psql('postgres', "CREATE DATABASE more$i");
	$node->safe_psql('postgres', "ALTER DATABASE more$i SET sellometer.slice = '$i/3'");
	$node->safe_psql("more$i", "CREATE EXTENSION sellometer; ALTER TABLE sellometer.sources ALTER same_content SET DEFAULT 'count';
		SELECT sellometer_add_source('archives', 'file://$dir/out/'); SELECT sellometer_add_source('a', 'file://$dir/in/')");
}
catch_up($node, @more);
is(join("\n", grep { !/^(ledger|rejected)/ } slice_differences($node, @more)), '', 'three nodes, made of archives and what is left, have what two had, carts and offers too');
my $left = in_source();
is($left, $node->safe_psql('s0', q{SELECT count(*) FROM sellometer.objects WHERE state <> 'archived'}), '... though originals are gone');
mkdir "$dir/out3";
for my $i (0 .. 2)
{
	$node->safe_psql("more$i", "SELECT sellometer_alter_source('a', archive_url => 'file://$dir/out3/'); CREATE EXTENSION postgres_fdw");
	$node->safe_psql("more$i", "SELECT sellometer_add_node('n$_', '" . connection("more$_") . "')") foreach ($i == 0 ? (1, 2) : 0);
}
put_more('2019-10-09 14:00:00', 14);
catch_up($node, 'shop', @more);
archive($_) foreach (@more, @more);
my @elsewhere = files_below("$dir/out3");
cmp_ok(scalar(@elsewhere), '>', 1, 'they archive elsewhere');
cmp_ok(in_source(), '<', $left, '... and what was left goes, too');
is(join("\n", grep { !/^(ledger|rejected)/ } slice_differences($node, @more)), '', '... they still have what one database has');
$node->safe_psql($_, "SET client_min_messages = warning; SELECT sellometer_replay(NULL, '-infinity', 'infinity')") foreach (@more);
is(join("\n", grep { !/^(ledger|rejected)/ } slice_differences($node, @more)), '', '... and replayed from both places');
$node->safe_psql('postgres', "ALTER DATABASE more0 SET sellometer.slice = '0/4'");
link_object("$dir/all", "$dir/in", (grep { !-e "$dir/in/$_" } files_below("$dir/all"))[0]);
like(($node->psql('more0', 'CALL sellometer_ingest()'))[2], qr/sellometer.slice has changed, and this database is loaded already.*HINT:  Set it back: ALTER DATABASE more0 SET sellometer.slice = '0\/3'/s,
	'another number for a loaded database is refused, with the way out');
$node->stop;
done_testing();
