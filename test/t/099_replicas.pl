# Streaming replicas.  One that is asked by dashboards while its primary loads, rolls up and prunes: all of Grafana's queries, the report,
# status, health and metrics work there, and give what the primary gives.  And one of a node: the primary dies in the midst of loading, it is
# promoted, and the dashboards' database, whose connection names both, asks it from then on; together the nodes are what one database is.
# The server crashes on purpose here.
use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use POSIX qw(strftime);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SlmGrafana;
use SlmHistory;
use SlmNodes;
use SlmSlices;
use SlmTest;
use SlmTiers;
use Test::More;

my $conf = tier_conf() . "sellometer.database = ''\nmax_connections = 50\njit = off\n";

sub replica_of
{
	my ($primary, $name) = @_;
	my $replica = PostgreSQL::Test::Cluster->new($name);

	$primary->backup('base');
	$replica->init_from_backup($primary, 'base', has_streaming => 1);
	$replica->start;
	return $replica;
}

# --- dashboards on a replica while the primary loads ---

my $primary = slm_node('primary', allows_streaming => 1, conf => $conf =~ s/database = ''/database = 'shop'/r);
my $in = slm_directory($primary, 'in');
my $all = slm_directory($primary, 'all');
my $now = int(time / 60) * 60;

traffic($all, '--start' => strftime('%Y-%m-%d %H:%M:%S', gmtime($now - 180 * 60)), '--minutes' => 180, '--rate' => 60, '--servers' => 2, '--seed' => 9, '--bad' => 0.01);
my @keys = files_below($all);
$primary->safe_psql('shop', "SELECT sellometer_add_source('shop', 'file://$in/')");
link_object($all, $in, $_) foreach (splice(@keys, 0, @keys / 2));
wait_until_loaded($primary);
grafana_reader($primary);
$primary->safe_psql('shop', 'CALL sellometer_rollup()');
my $replica = replica_of($primary, 'replica');

# The rest comes meanwhile, and some of it late.
my $script = join(' ', 'while read -r key; do ln', "'$all'/\"\$key\" '$in/'; sleep 0.05; done");
my $loading = IPC::Run::start([ 'bash', '-c', $script ], '<', \join('', map { "$_\n" } @keys));
my $upkeep = IPC::Run::start([ 'psql', '-XqAt', '-d', $primary->connstr('shop'), '-c', 'SET client_min_messages = error',
		(map { ('-c', 'CALL sellometer_rollup()', '-c', 'CALL sellometer_merge_backlog()', '-c', 'CALL sellometer_prune()', '-c', 'SELECT pg_sleep(1)') } (1 .. 10)) ], '>', \my $none);
# what has no rows here does not matter
my $asked = 0;
$asked += $_ foreach (SlmGrafana::run_check($replica, 'run', '--runs' => 1) =~ /: (\d+) queries$/gm);
cmp_ok($asked, '>', 500, "$asked queries of dashboards are asked of a replica");
$loading->finish;
$upkeep->finish;
wait_until_loaded($primary);
$primary->safe_psql('shop', "SELECT FROM sellometer.fold_offers(); CALL sellometer_rollup()");
$primary->wait_for_catchup($replica);
my ($from, $to) = ("now() - interval '1 day'", 'now()');
for my $sql (
	"SELECT * FROM sellometer_top('brand', 'purchase', $from, $to, 10)",
	"SELECT * FROM sellometer_top_of('product_id', 'view', NULL, NULL, $from, $to, 10)",
	"SELECT * FROM sellometer_series('brand', 'view', NULL, $from, $to, '1 hour')",
	"SELECT * FROM sellometer_series_of('brand', 'view', ARRAY['samsung', 'apple'], $from, $to, '1 hour')",
	"SELECT * FROM sellometer_total('purchase', $from, $to)",
	"SELECT * FROM sellometer_compare('brand', 'view', NULL, $from, $to, '1 hour')",
	"SELECT * FROM sellometer_movers('brand', 'view', $from, $to, '1 hour', 10)",
	"SELECT length(sellometer_report()) > 10000",
	'SELECT * FROM sellometer_similar_products((SELECT key::bigint FROM sellometer_top(\'product_id\', \'purchase\', \'-infinity\', \'infinity\', 1)), 5)',
	'SELECT count(*), count(*) FILTER (WHERE verdict = \'unknown\') FROM sellometer_events(\'brand\', \'samsung\', NULL, NULL, \'purchase\')',
	'SELECT * FROM sellometer.view_brand_hour ORDER BY 1, 2', 'SELECT * FROM sellometer.purchase_brand_rank', 'SELECT count(*) FROM sellometer.left_in_cart',
	'SELECT * FROM sellometer.low_inventory', 'SELECT source, head, pending_objects, backlog_objects, failed_objects FROM sellometer.status',
	"SELECT name, labels, value FROM sellometer.metrics WHERE name ~ 'rows_total' ORDER BY 1, 2")
{
	my @answers = map { join('', ($_->psql('shop', "BEGIN; SET LOCAL client_min_messages = error; $sql"))[ 1, 2 ]) } ($primary, $replica);

	# rates, ages and what is of this moment
	is($answers[1], $answers[0], "on the replica: $sql");
	like($answers[1], qr/^(?!.*ERROR)./s, '... which is something') if $sql !~ /low_inventory/;
}
is($replica->safe_psql('shop', "SELECT count(*) > 0, count(*) FILTER (WHERE name IN ('worker', 'launcher') AND severity IN ('warning', 'critical')) FROM sellometer.health"), 't|0', 'health does not take it for ill that a replica loads nothing');
is(join("\n", grep { !/conflict with recovery/ } unexpected_in_log($replica)), '', 'nothing else in its log');
$_->stop foreach ($replica, $primary);

# --- a node's replica is promoted ---

my $whole = slm_node('whole', conf => $conf);
my @servers = map { slm_node($_, conf => $conf, extension => 0, allows_streaming => 1) } qw(even odd);
my $front = slm_node('front', conf => $conf, extension => 0);
my $dir = slm_directory($whole, 'nodes');
my @slices = make_archiving($whole, \@servers, $dir, 2);

traffic("$dir/all", '--minutes' => 150, '--rate' => 40, '--start' => '2019-10-09 08:30:00', '--seed' => 12, '--products' => 200, '--servers' => 1);
@keys = files_below("$dir/all");

sub put
{
	for my $key (splice(@keys, 0, $_[0]))
	{
		link_object("$dir/all", "$dir/$_", $key) foreach (qw(kept in whole));
	}
	return;
}

put(60);
in_database($whole, $_, 'CALL sellometer_ingest()') foreach ('shop', @slices);
my $standby = replica_of($servers[1], 'standby');
my $both = sprintf('host=%s,%s port=%d,%d dbname=s1 target_session_attrs=read-write', $servers[1]->host, $standby->host, $servers[1]->port, $standby->port);
$front->safe_psql('shop', 'CREATE EXTENSION sellometer; CREATE EXTENSION postgres_fdw');
$front->safe_psql('shop', "SELECT sellometer_add_node('n0', '" . connection_to($servers[0], 's0') . "'); SELECT sellometer_add_node('n1', '$both')");
in_database($whole, 's0', "SELECT sellometer_drop_node('n1'); SELECT sellometer_add_node('n1', '$both')");
my $TOP = "SELECT * FROM sellometer_top('brand', 'view', '-infinity', 'infinity', 20)";
is($front->safe_psql('shop', $TOP), in_database($whole, 'shop', $TOP), 'the dashboards\' database asks the primary');

# What has been committed and not sent dies with it, also that something is archived.
put(60);
in_database($whole, $_, 'CALL sellometer_ingest()') foreach ('shop', 's0');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
my $victim = IPC::Run::start([ 'psql', '-XqAt', '-d', $servers[1]->connstr('s1'), '-c', 'SET client_min_messages = error', '-c', 'CALL sellometer_ingest()', '-c', 'CALL sellometer_rollup()',
		'-c', 'CALL sellometer_archive()', '-c', 'CALL sellometer_ingest()' ], '>&', \my $died);
select(undef, undef, undef, 0.15);
$servers[1]->stop('immediate');
$victim->finish;
my ($status, $out, $err) = $front->psql('shop', $TOP);
isnt($err, '', 'nobody answers for the node: an error');
in_database($whole, 's0', 'CALL sellometer_archive()');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
$standby->promote;
is_on('s1', $standby);
put(scalar(@keys));
nodes_agree($whole, $dir, 'after promotion', 0, @slices);
is($front->safe_psql('shop', $TOP), in_database($whole, 'shop', $TOP), '... and the dashboards\' database asks the one that was promoted');
is($front->safe_psql('shop', "SELECT count(*) FROM sellometer.health WHERE name ~ '^node' AND detail ~ 'can.t be asked'"), '0', '... which health finds right');
$_->stop foreach ($front, $standby, $servers[0], $whole);
done_testing();
