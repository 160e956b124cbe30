# Packed partitions: the same rows in a fraction of the bytes, found by key, changed by late files; dumped, restored, dropped; read by whoever
# may read the table, and changed by SQL only once they are unpacked.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SlmHistory qw(unexpected_in_log);
use SlmTest;
use Test::More;

my $node = slm_node('packed', allows_streaming => 1, conf => "sellometer.database = ''\nfsync = off\nautovacuum = off\nsellometer.live_lateness = '5min'\n");
my $in = slm_directory($node, 'in');
my @DIMENSIONS = qw(product_id brand category_l1 category_l2 category_l3);

sub sql { my ($sql, $database) = @_; return $node->safe_psql($database // 'shop', $sql); }
sub error_of { my ($sql) = @_; my (undef, undef, $err) = $node->psql('shop', $sql); return $err; }
sub pack_now { sql("SET client_min_messages = warning; SET sellometer.pack_after = 0; CALL sellometer_rollup(); CALL sellometer_prune()"); return; }

# All rows of all tables, as one value of each
sub contents
{
	my ($database) = @_;

	return sql(join(' UNION ALL ', map { my $tier = $_; map { "SELECT '${_}_$tier', count(*), md5(string_agg(event_time || ':' || $_ || ':' || event_type || ':' || count || ':' || gmv, ',' ORDER BY $_, event_time, event_type))
		FROM sellometer.${_}_$tier" } @DIMENSIONS } qw(minute hour)) . ' ORDER BY 1', $database);
}

sub kinds { my ($database) = @_; return sql(q{SELECT string_agg(k, ' ') FROM (SELECT c.relkind || count(*) AS k FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
	WHERE p.relname ~ '_(minute|hour)$' GROUP BY c.relkind ORDER BY c.relkind) k}, $database); }

sub bytes { return sql(q{SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c WHERE c.relnamespace = 'sellometer'::regnamespace AND c.relkind = 'r' AND c.relname ~ '_minute_p20191001_0[0-3]00'}); }

traffic($in, '--seed' => 5, '--start' => '2019-10-01 00:00:00', '--minutes' => 300, '--rate' => 150, '--servers' => 1, '--products' => 400);
sql("SELECT sellometer_add_source('shop', 'file://$in/'); UPDATE sellometer.sources SET same_content = 'count'; CALL sellometer_ingest(); CALL sellometer_rollup()");
my ($contents, $bytes) = (contents(), bytes());

# --- off, unless it is asked for ---

sql('CALL sellometer_prune()');
is(kinds(), 'r30', 'nothing is packed by default');


# --- the same rows, and few bytes ---

pack_now();
is(kinds(), 'f20 r10', 'complete partitions are packed');
is(contents(), $contents, '... with the same rows');
cmp_ok(bytes() * 4, '<', $bytes, "... in less than a quarter of the bytes: $bytes, " . bytes());
is(sql(q{SELECT count(*) FROM sellometer_check() WHERE NOT ok AND name ~ 'rows|totals|dimensions|partitions'}), 0, 'the check finds all in order');
is(sql(q{SELECT bool_and(a.s = b.s) FROM (SELECT product_id, sum(gmv) AS s FROM sellometer.product_id_minute GROUP BY 1) a
	CROSS JOIN LATERAL (SELECT sum(gmv) AS s FROM sellometer.product_id_minute p WHERE p.product_id = a.product_id) b}), 't', 'each product is found by its key');
is(sql(q{SELECT bool_and(a.s = b.s) FROM (SELECT category_l3, sum(gmv) AS s FROM sellometer.category_l3_minute GROUP BY 1) a
	CROSS JOIN LATERAL (SELECT sum(gmv) AS s FROM sellometer.category_l3_minute p WHERE p.category_l3 = a.category_l3) b}), 't', '... and each category');
like(sql(q{EXPLAIN SELECT * FROM sellometer.product_id_minute WHERE product_id = 7 AND event_time < '2019-10-01 01:00+00'}), qr/Packed: blocks of a key/, 'a key is looked up');
like(sql(q{EXPLAIN SELECT * FROM sellometer.brand_minute WHERE brand = ANY ('{a,b}') AND event_time < '2019-10-01 01:00+00'}), qr/Packed: blocks of some keys/, '... several are');
is(sql(q{SELECT count(*) FROM sellometer.product_id_minute WHERE product_id = ANY ('{1,2,NULL,2}') AND event_time < '2019-10-01 04:00+00'}),
	sql(q{SELECT count(*) FROM sellometer.product_id_minute WHERE product_id + 0 IN (1, 2) AND event_time < '2019-10-01 04:00+00'}), '... and give what is there');
is(sql(q{SELECT count(*) FROM sellometer.product_id_minute WHERE product_id = NULL}), 0, 'no key is no row');

my $parallel = 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2';

# --- conditions that are kept before rows are formed: the same rows as of a table that has them all ---

sub one_of { return $_[ rand @_ ]; }

sub some_time { return one_of(map { "'$_'" } '-infinity', 'infinity', '2019-10-01 00:00+00', '2019-10-01 04:59+00', sprintf('2019-10-01 0%d:%02d:%02d+00', rand(5), rand(60), one_of(0, 0, 30))); }

sub some_condition
{
	my ($key) = @_;
	my $type = sub { "'" . one_of(qw(view cart remove_from_cart purchase)) . "'" };
	my $time = some_time() . '::timestamptz';

	return one_of(
		"event_type = " . $type->(), $type->() . ' = event_type', 'event_type IN (' . $type->() . ', ' . $type->() . ')', "event_type <> " . $type->(), "event_type < " . $type->(),
		'event_type = ANY (ARRAY[' . $type->() . ", NULL]::sellometer.event_type[])", 'event_type = (SELECT ' . $type->() . '::sellometer.event_type)', 'event_type = NULL',
		"event_time " . one_of(qw(< <= = >= > <>)) . " $time", "$time " . one_of(qw(< <= = >= >)) . ' event_time', "event_time BETWEEN $time AND " . some_time(),
		"event_time < '2019-10-01 03:00'::timestamp", "event_time >= (SELECT min(event_time) FROM kept) + interval '90 min'", 'event_time = NULL', "NOT event_time < $time",
		"$key = (SELECT max($key) FROM kept WHERE count > 2)", "$key IN (SELECT $key FROM kept WHERE event_type = 'purchase' AND count > 2)", 'count > 1', 'gmv > 100',
		"(event_type = " . $type->() . " OR event_time > $time)");
}

my $seed = $ENV{SLM_SEEDS} || 1;
srand($seed);
for my $dimension (qw(product_id category_l2))
{
	sql("CREATE TABLE kept AS TABLE sellometer.${dimension}_minute");
	for my $i (1 .. 60)
	{
		my $where = join(' AND ', map { some_condition($dimension) } 1 .. 1 + rand(3));
		my $mode = one_of("SET plan_cache_mode = force_generic_plan", 'SET enable_nestloop = off', 'SET enable_hashjoin = off; SET enable_mergejoin = off', $parallel);
		my $query = sub { "SELECT count(*), sum(count), sum(gmv), min(event_time), max(event_time), count(DISTINCT event_type) FROM $_[0] WHERE $where" };

		is(sql("$mode; PREPARE q AS " . $query->("sellometer.${dimension}_minute") . '; EXECUTE q'), sql($query->('kept')), "seed $seed, $dimension, $i: $where") or last;
	}
	sql('DROP TABLE kept');
}
is(sql(q{PREPARE q (timestamptz, sellometer.event_type[]) AS SELECT count(*) FROM sellometer.brand_minute WHERE event_time >= $1 AND event_type = ANY ($2);
	SET plan_cache_mode = force_generic_plan; EXECUTE q ('2019-10-01 01:30+00', '{view}'); EXECUTE q (NULL, '{view}'); EXECUTE q ('-infinity', NULL); EXECUTE q ('infinity', '{view}')}),
	sql(q{SELECT count(*) FROM sellometer.brand_minute WHERE event_time + interval '0' >= '2019-10-01 01:30+00' AND event_type::text = 'view'}) . "\n0\n0\n0", 'each time that it is asked the bounds are those of the parameters');
like(sql(q{EXPLAIN SELECT FROM sellometer.brand_minute WHERE event_type = 'view' AND event_time < '2019-10-01 00:30+00'}), qr/Packed: all blocks, by time and type/, 'rows are left out before they are formed');
unlike(sql(q{EXPLAIN SELECT FROM sellometer.brand_minute WHERE event_type = 'view' AND event_time < '2019-10-01 00:30+00'}), qr/Filter/, '... and not looked at again');

# --- several processes; a snapshot of before; a standby ---

my $sum = 'SELECT event_type, sum(count), sum(gmv) FROM sellometer.product_id_minute GROUP BY 1 ORDER BY 1';
like(sql("$parallel; EXPLAIN $sum"), qr/Gather.*Foreign Scan/s, 'several processes read');
is(sql("$parallel; $sum"), sql("SET max_parallel_workers_per_gather = 0; $sum"), '... the same');

my $old = $node->background_psql('shop', on_error_stop => 1);
my $sees = q{SELECT md5(string_agg(m::text, ' ' ORDER BY m::text)) FROM sellometer.brand_minute m};
sql(q{SELECT sellometer_unpack('brand_minute_p20191001_0200')});
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
my $seen = $old->query_safe($sees);

# What holds the lock of a table keeps it from being packed; so one that only has a snapshot of before.
my $snapshot = $node->background_psql('shop', on_error_stop => 1);
$snapshot->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
write_object($in, '2019-10-01-02-07-snapshot.csv', csv(event(event_time => '2019-10-01 02:07:10 UTC', event_type => 'purchase', brand => 'acme', price => '3.75')));
sql('CALL sellometer_ingest(); CALL sellometer_merge_backlog()');
is($old->query_safe($sees), $seen, 'a snapshot of before does not see late rows of packed partitions');
is($snapshot->query_safe($sees), $seen, '... nor does one that reads for the first time');
$old->query_safe('COMMIT');
isnt($old->query_safe($sees), $seen, '... all others do');
pack_now();
is($snapshot->query_safe($sees), $seen, '... also if partitions were to be packed meanwhile');
$snapshot->query_safe('COMMIT');
$old->quit;
$snapshot->quit;
sql(q{SELECT sellometer_unload('shop', '2019-10-01-02-07-snapshot.csv')});
pack_now();
is(kinds(), 'f20 r10', 'then all are packed');
is(contents(), $contents, '... with the rows of before');

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('packed_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
sql(q{SELECT sellometer_unpack('brand_minute_p20191001_0100')});
pack_now();
$node->wait_for_catchup($standby);
is($standby->safe_psql('shop', $sees), $seen, 'a standby reads what was packed');
$standby->stop;

# --- readers, and who would write ---

sql(q{CREATE ROLE reader LOGIN; SELECT sellometer_grant_reader('reader')});
is($node->safe_psql('shop', q{SET ROLE reader; SELECT count(*) > 0 FROM sellometer.brand_minute}), 't', 'a reader reads what is packed');
like(error_of('SET ROLE reader; TABLE sellometer.brand_minute_p20191001_0000_z'), qr/permission denied/, '... but not its blocks');
like(error_of(q{DELETE FROM sellometer.brand_minute WHERE event_time = '2019-10-01 00:00+00'}),
	qr/rows of "brand_minute_p20191001_0000" can't be changed by SQL, as the partition is packed.*HINT:.*sellometer_unpack\('brand_minute_p20191001_0000'\)/s, 'rows are not deleted by SQL');
like(error_of(q{INSERT INTO sellometer.brand_minute (event_time, brand, event_type, count, gmv) VALUES ('2019-10-01 00:00+00', 'x', 'view', 1, 1)}),
	qr/packed/, '... nor inserted');
is(sql(q{SELECT sellometer_unpack('brand_minute_p20191001_0000')}), 't', 'unpacked');
is(sql(q{SELECT sellometer_unpack('brand_minute_p20191001_0000')}), 'f', '... once');
is(contents(), $contents, '... with the same rows');
sql(q{BEGIN; DELETE FROM sellometer.brand_minute WHERE event_time = '2019-10-01 00:00+00'; ROLLBACK});
pack_now();
is(kinds(), 'f20 r10', 'packed again');

# A condition of the reader's own, which could tell of rows, is checked after one that hides them.
sql(q{CREATE FUNCTION tell(numeric) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$BEGIN RAISE NOTICE 'told: %', $1; RETURN true; END$$;
	CREATE VIEW hidden WITH (security_barrier) AS SELECT * FROM sellometer.brand_minute WHERE event_type = 'purchase' AND event_time < '2019-10-01 01:00+00'; GRANT SELECT ON hidden TO reader});
my ($told, $tells);
$node->psql('shop', q{SET ROLE reader; SELECT count(*) FROM hidden WHERE tell(count) AND event_time >= '2019-10-01 00:10+00'}, stdout => \$told, stderr => \$tells);
is(scalar(() = $tells =~ /told/g), sql(q{SELECT count(*) FROM sellometer.brand_minute WHERE event_type = 'purchase' AND event_time >= '2019-10-01 00:10+00' AND event_time < '2019-10-01 01:00+00'}),
	'only rows that the reader may see are told of');
sql('DROP VIEW hidden; DROP FUNCTION tell(numeric)');

# --- late files ---

write_object($in, '2019-10-01-00-07-late.csv', csv(map { event(event_time => sprintf('2019-10-01 0%d:%02d:10 UTC', $_ % 4, $_ % 60), event_type => 'purchase', product_id => $_ % 50,
			price => "$_.50", user_session => "late$_") } 1 .. 300));
sql('CALL sellometer_ingest(); CALL sellometer_merge_backlog()');
is(kinds(), 'f20 r10', 'late rows leave partitions packed');
my $late = contents();
isnt($late, $contents, '... and are there');
is(sql(q{SELECT count(*) FROM sellometer_check() WHERE NOT ok AND name ~ 'rows|totals|dimensions|partitions'}), 0, '... in all tables alike');
is(sql(q{SELECT sum(m.count) = 300 FROM sellometer.product_id_minute m WHERE product_id < 50}), 't', '... each once');
sql('SELECT sellometer_unload(\'shop\', \'2019-10-01-00-07-late.csv\')');
is(contents(), $contents, 'a file is taken out of them again');

# --- a damaged block ---

sql('CREATE TABLE kept AS TABLE sellometer.brand_minute_p20191001_0100_z; UPDATE sellometer.brand_minute_p20191001_0100_z SET data = substr(data, 1, length(data) - 1)');
like(error_of('SET log_error_verbosity = verbose; SELECT sum(gmv) FROM sellometer.brand_minute'), qr/a block of table "sellometer.brand_minute_p20191001_0100_z" is damaged/, 'damaged bytes are an error');
sql('DELETE FROM sellometer.brand_minute_p20191001_0100_z; INSERT INTO sellometer.brand_minute_p20191001_0100_z TABLE kept; DROP TABLE kept');

# --- packed as they are loaded ---

$node->safe_psql('postgres', 'CREATE DATABASE loaded');
sql("CREATE EXTENSION sellometer; SELECT sellometer_add_source('shop', 'file://$in/', exclude => '{2019-10-01-02-07-snapshot.csv,2019-10-01-00-07-late.csv}');
	UPDATE sellometer.sources SET same_content = 'count'", 'loaded');
my $count = 'SELECT count(*) FROM sellometer.product_id_minute';
my $before = $node->background_psql('loaded', on_error_stop => 1);
$before->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($before->query_safe($count), 0, 'nothing is loaded');
sql("SET lock_timeout = '10s'; SET sellometer.pack_after = 0; SET sellometer.batch_bytes = '512kB'; CALL sellometer_ingest()", 'loaded');
is($before->query_safe($count), 0, 'a transaction that reads the table is not waited for, and sees none of what is loaded meanwhile');
$before->query_safe('COMMIT');
$before->quit;
like(kinds('loaded'), qr/^f[12]/, 'partitions of hours that are over are packed as they are made');
sql('CALL sellometer_rollup()', 'loaded');
is(contents('loaded'), $contents, '... with the same rows');
is(sql(q{SELECT count(*) FROM sellometer_check() WHERE NOT ok AND name ~ 'rows|totals|dimensions|partitions|segments'}, 'loaded'), 0, '... in all tables alike');
sql("DROP EXTENSION sellometer CASCADE", 'loaded');

# --- own additions: what is packed is not changed past them ---

sql(q{ALTER TABLE sellometer.category_l1_minute ADD CONSTRAINT own CHECK (count < 1000000)});
write_object($in, '2019-10-01-00-08-late.csv', csv(event(event_time => '2019-10-01 00:08:10 UTC', event_type => 'purchase', price => '1.25')));
sql('CALL sellometer_ingest(); CALL sellometer_merge_backlog()');
is(sql(q{SELECT relkind FROM pg_class WHERE relname = 'category_l1_minute_p20191001_0000'}), 'r', 'a table that somebody has added to is unpacked when it changes');
sql('ALTER TABLE sellometer.category_l1_minute DROP CONSTRAINT own');
pack_now();
is(kinds(), 'f20 r10', '... and packed without that');

# --- dump and restore ---

$contents = contents();
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('shop') ], 'dumped');
sql('CREATE DATABASE again', 'postgres');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('again'), $dump ], 'restored');
is(contents('again'), $contents, 'a dump brings packed rows');
is(kinds('again'), 'f20 r10', '... packed');
sql('DROP EXTENSION sellometer', 'again');
is(sql(q{SELECT count(*) FROM pg_class WHERE relname ~ '_p2019'}, 'again'), 0, 'all of it goes with the extension, restored');

# --- pruning ---

sql(q{SELECT sellometer_alter_tier('minute', '2 hours'); CALL sellometer_prune()});
is(sql(q{SELECT count(*) FROM pg_class WHERE relname ~ '_minute_p20191001_0[01]00'}), 0, 'what is too old goes, and its blocks');
sql('DROP EXTENSION sellometer');
is(sql(q{SELECT count(*) FROM pg_class WHERE relname ~ '_p2019'}), 0, 'all of it goes with the extension');

is(join("\n", unexpected_in_log($node, qr/packed|permission denied|damaged/)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
