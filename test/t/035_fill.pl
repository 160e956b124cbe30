# Partitions that are filled page by page, with their primary keys, and as the server does it: sound to amcheck, after a crash and on a standby
# too; and the latter way is taken where the WAL is to be decoded.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmCrash;
use SlmHistory;
use SlmTest;
use Test::More;

my $seed = $ENV{SLM_SEEDS} // 1;
srand($seed);
note("seed $seed");

# Brands that differ early or late, from empty to as long as keys may be: few fit a page, so the index has three levels or more.
# Rows come in no order; some keys stand in many minutes.
sub random_brand
{
	my $kind = int rand 4;

	return '' if $kind == 0;
	return 'b' . int rand 20 if $kind == 1;
	return ('x' x int rand 900) . int rand 1000 if $kind == 2;
	return join('', map { chr(97 + rand 26) } 1 .. 1 + rand 990);
}

# Prices whose sums have all lengths that a numeric has: none, after the point only, zeroes at either end
sub random_price
{
	return (0, '0.01', '0.0001', '0.5', '10000', '99990000', '123456789012.3456', '999999999999.9999',
		sprintf('%.2f', rand 1000), sprintf('%.4f', rand 1_000_000))[rand 10];
}

sub object
{
	my ($hour, $n) = @_;

	return csv(map { event(event_time => sprintf('2019-10-01 %02d:%02d:%02d UTC', $hour, rand 60, rand 60),
		event_type => (qw(view cart remove_from_cart purchase))[rand 4], product_id => int(rand 3000) * ($_ % 7 == 0 ? 90_000_000_000 : 1),
		brand => random_brand(), category_code => 'a.b' . int(rand 30) . '.c' . int rand 500, price => random_price()) } 1 .. $n);
}

sub unsound
{
	my ($server, $check) = @_;

	return $server->safe_psql('shop', qq{
		SELECT c.oid FROM (SELECT c.oid FROM pg_class c JOIN pg_am a ON a.oid = relam
			WHERE relnamespace = 'sellometer'::regnamespace AND relkind = 'i' AND amname = 'btree' OFFSET 0) c WHERE $check IS NULL;
		SELECT c.oid::regclass, h.* FROM pg_class c, LATERAL verify_heapam(c.oid) h
		WHERE c.relnamespace = 'sellometer'::regnamespace AND c.relkind = 'r'});
}

# What the tables hold
sub sums { my ($server) = @_; return $server->safe_psql('shop', q{
	SELECT count(*), sum(count), sum(gmv) FROM sellometer.brand_minute UNION ALL
	SELECT count(*), sum(count), sum(gmv) FROM sellometer.product_id_minute UNION ALL
	SELECT count(*), sum(count), sum(gmv) FROM sellometer.category_l3_minute ORDER BY 1}); }

# Has the WAL rows of a table since then, rather than its pages?
sub rows_logged
{
	my ($server, $table, $since) = @_;

	return $server->safe_psql('shop', qq{SELECT EXISTS (SELECT FROM pg_get_wal_records_info('$since', pg_current_wal_flush_lsn())
		WHERE record_type ~ 'INSERT' AND resource_manager ~ '^Heap' AND block_ref ~ ('/' || pg_relation_filenode('sellometer.$table') || ' '))});
}

# Whose WAL lies before where a checkpoint would have a crash recovered from must be on disk: synced by that checkpoint; or by us, if it
# began while we wrote.
sub synced_by_checkpoints
{
	my ($node, $in) = @_;
	$node->append_conf('postgresql.conf', "fsync = on\nlog_checkpoints = on\nlog_min_messages = debug1");
	$node->reload;
	write_object($in, '20191001-080000.csv', object(8, 500));
	# the file's creation is to be synced, too, but by a checkpoint before it was written
	my ($told, $begun) = ('', q{SET client_min_messages = debug1; SET sellometer.debug_crash_checkpoint = on});
	(undef, undef, $told) = $node->psql('shop', "$begun; SET sellometer.debug_crash_point = 'fill.begun'; CALL sellometer_ingest()");
	unlike($told, qr/flushed relation/, 'nothing is synced at once without a checkpoint');
	my $from = -s $node->logfile;
	$node->safe_psql('shop', 'CHECKPOINT');
	my $log = slurp_file($node->logfile, $from);
	my @files = split /\n/, $node->safe_psql('shop', q{SELECT pg_relation_filepath(oid) FROM pg_class WHERE relname LIKE '%\_minute\_p20191001\_0800%'});
	is(scalar(@files), 10, 'tables and indexes of the hour');
	is(join(' ', grep { $log !~ /checkpoint sync: \S+ file=\Q$_\E / } @files), '', '... are synced by the next checkpoint');

	write_object($in, '20191001-090000.csv', object(9, 500));
	unlink($node->data_dir . '/sellometer_crashed') or die $!;
	(undef, undef, $told) = $node->psql('shop', "$begun; SET sellometer.debug_crash_point = 'fill.written'; CALL sellometer_ingest()");
	my $n = () = $told =~ /flushed relation because a checkpoint occurred concurrently/g;
	# the index, at whose end it was, and its table, which was begun before
	is($n, 2, 'what was written when a checkpoint began is synced at once');
	$node->append_conf('postgresql.conf', "fsync = off\nlog_min_messages = warning");
	$node->reload;
	return;
}

# Page by page, or as the server would do it: what is stored is the same.
sub fill
{
	my ($way) = @_;
	my $node = slm_node("fill_$way", allows_streaming => 1, conf => <<"CONF");
sellometer.database = ''
sellometer.live_lateness = '1d'
sellometer.fill_pages = $way
hot_standby = on
CONF
	my $in = slm_directory($node, 'in');

	$node->safe_psql('shop', "CREATE EXTENSION amcheck; CREATE EXTENSION pageinspect; CREATE EXTENSION pg_walinspect; SELECT sellometer_add_source('shop', 'file://$in/')");
	$node->backup('base');
	my $standby = PostgreSQL::Test::Cluster->new("standby_$way");
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby->start;

	write_object($in, '20191001-100000.csv', object(10, 20000));
	write_object($in, '20191001-110000.csv', object(11, 1));
	write_object($in, '20191001-120000.csv', object(12, 5000));
	my $before = $node->safe_psql('shop', 'SELECT pg_current_wal_insert_lsn()');
	$node->safe_psql('shop', 'CALL sellometer_ingest()');
	is(rows_logged($node, 'brand_minute_p20191001_1000', $before), $way eq 'on' ? 'f' : 't', "fill_pages = $way has its rows logged so");
	is($node->safe_psql('shop', "SELECT string_agg(error, '; ') FROM sellometer.objects"), '', 'no object failed');
	is($node->safe_psql('shop', "SELECT sum(rows_counted) FROM sellometer.objects WHERE state = 'done'"), 25001, 'loaded');
	is(unsound($node, 'bt_index_parent_check(c.oid, true, true)'), '', 'tables and indexes are sound');
	cmp_ok($node->safe_psql('shop', q{
		SELECT (bt_metap('sellometer.brand_minute_p20191001_1000_pkey')).level}), '>=', 2, 'an index of three levels');
	is($node->safe_psql('shop', q{
		SELECT string_agg(relname, ' ') FROM pg_class WHERE relname IN ('brand_minute_p20191001_1000', 'brand_minute_p20191001_1100')
			AND reltuples <> (SELECT count(*) FROM sellometer.brand_minute WHERE event_time >= '2019-10-01 10:00+00'
				AND event_time < '2019-10-01 11:00+00' AND relname ~ '1000' OR event_time >= '2019-10-01 11:00+00'
				AND event_time < '2019-10-01 12:00+00' AND relname ~ '1100')}), '', 'the planner knows how many rows there are');
	my $sums = sums($node);
	like($sums, qr/^\d{4,}\|25001\|\d/, 'rows are there');
	is($node->safe_psql('shop', q{SET enable_seqscan = off; SELECT count(*) FROM sellometer.brand_minute b WHERE NOT EXISTS (
		SELECT FROM sellometer.brand_minute c WHERE c.brand = b.brand AND c.event_time = b.event_time AND c.event_type = b.event_type)}),
		0, 'each row is found by its key');

	is($node->safe_psql('shop', q{
		SELECT count(*) FILTER (WHERE numeric_send(gmv) <> numeric_send(gmv::text::numeric)), count(DISTINCT length(numeric_send(gmv))) > 4
		FROM sellometer.brand_minute}), '0|t', "sums of money are stored as PostgreSQL's own arithmetic would");

	# More rows for the same partitions go in and out the ordinary way
	write_object($in, '20191001-120100.csv', object(12, 3000));
	$node->safe_psql('shop', 'CALL sellometer_ingest()');
	is(unsound($node, 'bt_index_parent_check(c.oid, true, true)'), '', 'still sound when more has been merged');
	is($node->safe_psql('shop', 'SELECT sum(count) FROM sellometer.brand_minute'), 28001, 'all rows count');
	$sums = sums($node);

	$node->wait_for_catchup($standby);
	is(unsound($standby, 'bt_index_check(c.oid, true)'), '', 'sound on a standby');
	is(sums($standby), $sums, '... with the same rows');
	$standby->stop;

	kill_server($node);
	is(unsound($node, 'bt_index_parent_check(c.oid, true, true)'), '', 'sound after a crash');
	is(sums($node), $sums, '... with the same rows');

	synced_by_checkpoints($node, $in) if $way eq 'on' && can_make_chunks_small($node);

	# What need not be logged, as the table is new, is on disk at the commit
	$node->append_conf('postgresql.conf', "wal_level = minimal\nmax_wal_senders = 0\narchive_mode = off");
	$node->restart;
	write_object($in, '20191001-130000.csv', object(13, 3000));
	$node->safe_psql('shop', 'CALL sellometer_ingest()');
	$sums = sums($node);
	kill_server($node);
	is(unsound($node, 'bt_index_parent_check(c.oid, true, true)'), '', 'sound after a crash with wal_level = minimal');
	is(sums($node), $sums, '... with the same rows');

	# Whole pages tell a decoder nothing
	$node->append_conf('postgresql.conf', "wal_level = logical\nmax_wal_senders = 5");
	$node->restart;
	$node->safe_psql('shop', "SELECT pg_create_logical_replication_slot('changes', 'test_decoding')");
	write_object($in, '20191001-140000.csv', object(14, 500));
	$node->safe_psql('shop', 'CALL sellometer_ingest()');
	is($node->safe_psql('shop', q{
		SELECT count(*) FROM pg_logical_slot_get_changes('changes', NULL, NULL) WHERE data ~ '^table sellometer.brand_minute_p\S*: INSERT:'}),
		$node->safe_psql('shop', q{SELECT count(*) FROM sellometer.brand_minute WHERE event_time >= '2019-10-01 14:00+00'}),
		'with wal_level = logical each row can be decoded');
	is(unsound($node, 'bt_index_parent_check(c.oid, true, true)'), '', '... and all is sound');
	$node->stop;
	return;
}

fill($_) foreach (qw(on off));
done_testing();
