# Logical replication: a subscriber to all of the schema, one to some tables and tiers, and one to all tables of the database end equal, whatever
# is loaded, merged, rolled up, judged, taken out, made anew and pruned.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $node = slm_node('publisher', allows_streaming => 'logical',
	conf => "sellometer.database = ''\nsellometer.live_lateness = '10min'\nsellometer.view_log_retention = '1d'\nsellometer.cart_retention = '2h'\nmax_logical_replication_workers = 0\nmax_wal_senders = 40\nmax_replication_slots = 40\n");
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
my ($all, $in, $out) = map { slm_directory($node, $_) } qw(all in out);

$subscriber->init;
$subscriber->append_conf('postgresql.conf', "max_logical_replication_workers = 12\nmax_worker_processes = 24\nmax_sync_workers_per_subscription = 2\nmax_replication_slots = 40\n");
$subscriber->start;

sub sql { my ($sql) = @_; return $node->safe_psql('shop', "SET client_min_messages = warning; $sql"); }

# A published table of the subscriber's: no partitions, and the key that those of a tier have.  As docs/own-additions.md has it.
my ($script) = slurp_file(slm_root() . '/docs/own-additions.md') =~ /```sql\n(SELECT .*?)```/s or die 'no script in docs/own-additions.md';

my %PUBLICATIONS = (
	schema_copy => 'FOR TABLES IN SCHEMA sellometer',
	some_copy => 'FOR TABLE sellometer.carts, sellometer.product_id_minute, sellometer.product_id_hour, sellometer.category_l1_minute, sellometer.category_l1_hour',
	all_copy => 'FOR ALL TABLES');

for my $name (sort keys %PUBLICATIONS)
{
	sql("CREATE PUBLICATION $name $PUBLICATIONS{$name} WITH (publish_via_partition_root = true)");
	$subscriber->safe_psql('postgres', "CREATE DATABASE $name");
	$subscriber->safe_psql($name, sql($script));
	$subscriber->safe_psql($name, "CREATE SUBSCRIPTION $name CONNECTION '" . $node->connstr . " dbname=shop' PUBLICATION $name");
	$subscriber->wait_for_subscription_sync($node, $name, $name);
}

is(sql(q{SELECT string_agg(c.oid::regclass::text, ', ') FROM pg_class c
	WHERE relnamespace = 'sellometer'::regnamespace AND relkind IN ('r', 'p') AND relreplident <> 'f'
		AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)}), '', 'each table says which row is which');

my $TABLES = q{SELECT tablename FROM pg_publication_tables WHERE pubname = '%s' AND schemaname = 'sellometer' ORDER BY 1};
sub digest
{
	my ($server, $database, @tables) = @_;

	return $server->safe_psql($database, join(' UNION ALL ', map {
		qq{SELECT '$_' || ' ' || count(*) || ' ' || md5(coalesce(string_agg(t::text, ' ' ORDER BY t::text COLLATE "C"), '')) FROM sellometer.$_ t} } @tables) . ' ORDER BY 1');
}

sub all_are_equal
{
	my ($what) = @_;

	for my $name (sort keys %PUBLICATIONS)
	{
		my @tables = split(/\n/, sql(sprintf($TABLES, $name)));

		$node->wait_for_catchup($name);
		is(digest($subscriber, $name, @tables), digest($node, 'shop', @tables), "$what: $name is equal, " . @tables . ' tables');
	}
	return;
}

# The files of so many minutes; some come later
traffic($all, '--minutes' => 130, '--rate' => 900, '--servers' => 1, '--products' => 300, '--seed' => 5, '--bad' => 0.001);
my @keys = map { s{.*/}{}r } sort glob("$all/*");
my @late = splice(@keys, 20, 6);
sub put { write_object($in, $_, slurp_file("$all/$_")) foreach (@_); return; }

sql("SELECT sellometer_add_source('shop', 'file://$in/', archive_url => 'file://$out/')");
put(splice(@keys, 0, 50));
sql('CALL sellometer_ingest()');
is(sql('SELECT count(*) > 1000 FROM sellometer.carts'), 't', 'a batch of many carts');
all_are_equal('loaded');

# Many carts once more, of which some are known
put(splice(@keys, 0, 45));
sql('INSERT INTO sellometer.inventory SELECT DISTINCT product_id, 5, $$2019-10-01 00:30+00$$::timestamptz, interval $$3 days$$ FROM sellometer.product_id_minute');
sql('CALL sellometer_ingest()');
all_are_equal('loaded, with carts that are known');

put(@late);
sql('CALL sellometer_ingest(); CALL sellometer_merge_backlog()');
is(sql(q{SELECT count(*) FROM sellometer.objects WHERE state <> 'done'}), 0, 'late files are merged');
all_are_equal('merged late files');

sql('CALL sellometer_rollup(); SELECT sellometer_mute($$low_inventory$$); CALL sellometer_detect(); CALL sellometer_detect()');
is(sql('SELECT (SELECT count(*) FROM sellometer.product_id_hour) > 0, (SELECT count(*) FROM sellometer.offer_log), (SELECT count(*) FROM sellometer.mutes)'),
	't|0|1', 'rolled up, offers folded');
all_are_equal('rolled up and judged');

put(@keys);
sql('CALL sellometer_ingest(); CALL sellometer_rollup(); CALL sellometer_archive(); CALL sellometer_detect()');
cmp_ok(sql('SELECT count(*) FROM sellometer.archives WHERE archived_at IS NOT NULL'), '>', 0, 'archived');
sql(q{SELECT sellometer_replay('shop', '2019-10-01 00:20+00', '2019-10-01 01:40+00')});
all_are_equal('archived and replayed');
sql(q{SELECT sellometer_unload('shop', (SELECT max(key) FROM sellometer.objects WHERE state = 'done'))});
all_are_equal('a file taken out');

# Time goes on: partitions, carts, offers and views are pruned
write_object($in, '2019-10-04-00-00-1.csv', csv(map { event(event_time => '2019-10-04 00:00:00 UTC', user_session => "s$_", event_type => 'cart') } 1 .. 50));
sql('CALL sellometer_ingest(); CALL sellometer_rollup(); CALL sellometer_prune(); CALL sellometer_detect()');
is(sql(q{SELECT (SELECT min(event_time) >= '2019-10-03' FROM sellometer.product_id_minute), (SELECT count(*) FROM sellometer.carts WHERE cart_at < '2019-10-03'),
	(SELECT count(*) FROM sellometer.view_log WHERE hour < '2019-10-02')}), 't|0|0', 'pruned');
is(sql(q{SELECT string_agg(procedure || ' ' || detail, '; ') FROM sellometer.runs WHERE outcome = 'failed'}), '', 'no run failed');
all_are_equal('pruned');

unlike(slurp_file($subscriber->logfile), qr/ERROR: /, 'the subscriber met no error');
$subscriber->safe_psql($_, "DROP SUBSCRIPTION $_") foreach (sort keys %PUBLICATIONS);
$subscriber->stop;
$node->stop;
done_testing();
