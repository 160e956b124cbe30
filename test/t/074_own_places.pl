# Tables of the product that are no plain heaps of this server: partitions on other servers, tables that Citus has distributed, views and
# rules in their place, policies, detached partitions.  Rows are found where they are, or it is said that they can't be; never a smaller sum.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $node = slm_node('own_places', conf => "sellometer.database = ''\nsellometer.live_lateness = '5min'\nfsync = off\nlog_min_messages = debug1\n");
my $in = slm_directory($node, 'in');

sub sql { my ($sql) = @_; return $node->safe_psql('shop', $sql); }
sub error_of { my ($sql) = @_; my (undef, undef, $err) = $node->psql('shop', $sql); return $err; }

# An object of so many purchases by minute, of ten products
my $objects = 0;

sub put
{
	my ($hour, $minute, $n) = @_;
	my $time = sprintf('2019-10-01 %02d:%02d', $hour, $minute);

	write_object($in, sprintf('2019-10-01-%02d-%02d-%d.csv', $hour, $minute, ++$objects),
		csv(map { event(event_time => "$time:10 UTC", event_type => 'purchase', product_id => $_ % 10, price => '2.50', user_session => "s$_") } 1 .. $n));
	return;
}

sub ingest { sql('CALL sellometer_ingest(); CALL sellometer_merge_backlog()'); return; }

# Each way to ask gives all that was loaded
my @DIMENSIONS = qw(product_id brand category_l1 category_l2 category_l3);
sub sums_are
{
	my ($expected, $what) = @_;

	is(sql(join(' UNION ALL ', map { "SELECT sum(count), sum(gmv) FROM sellometer.${_}_minute" } @DIMENSIONS)),
		join("\n", (join('|', $expected, sprintf('%.4f', $expected * 2.5))) x 5), "$what: minutes have all");
	is(sql(join(' UNION ALL ', map { "SELECT sum(count), sum(gmv) FROM sellometer.realtime_${_}_hour" } @DIMENSIONS)),
		join("\n", (join('|', $expected, sprintf('%.4f', $expected * 2.5))) x 5), "$what: hours have all");
	is(sql(q{SELECT count(*) FROM sellometer.objects WHERE state <> 'done'}), 0, "$what: all is loaded");
	return;
}

sub logged_since
{
	my ($offset, $pattern, $what) = @_;

	like(substr(slurp_file($node->logfile), $offset), $pattern, $what);
	return;
}

# --- partitions that are on another server ---

sql("SELECT sellometer_add_source('shop', 'file://$in/'); UPDATE sellometer.sources SET same_content = 'count'");
put(9, 30, 100);
ingest();
sums_are(100, 'as it was');
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
my ($host, $port) = ($node->host, $node->port);
sql(qq{CREATE EXTENSION postgres_fdw; CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'elsewhere');
	CREATE USER MAPPING FOR CURRENT_USER SERVER elsewhere});
$node->safe_psql('elsewhere', q{CREATE SCHEMA sellometer;
	CREATE TYPE sellometer.event_type AS ENUM ('view', 'cart', 'remove_from_cart', 'purchase')});
for my $dimension (qw(product_id category_l1))
{
	my $name = "${dimension}_minute_p20191001_1000";
	my $columns = "event_time timestamptz NOT NULL, $dimension " . ($dimension eq 'product_id' ? 'bigint' : 'text COLLATE "C"')
		. ' NOT NULL, event_type sellometer.event_type NOT NULL, count integer NOT NULL, gmv numeric NOT NULL';
	$node->safe_psql('elsewhere', "CREATE TABLE sellometer.$name ($columns)");
	sql(qq{CREATE FOREIGN TABLE sellometer.$name PARTITION OF sellometer.${dimension}_minute
		FOR VALUES FROM ('2019-10-01 10:00+00') TO ('2019-10-01 11:00+00') SERVER elsewhere OPTIONS (schema_name 'sellometer', table_name '$name')});
}
put(10, 10, 50);
put(10, 11, 7);
ingest();
sums_are(157, 'foreign partitions');
is($node->safe_psql('elsewhere', 'SELECT sum(count) FROM sellometer.product_id_minute_p20191001_1000'), 57, 'rows are there');
put(10, 10, 30);
ingest();
sums_are(187, 'foreign partitions, merged');
put(11, 40, 10);
ingest();
sql('CALL sellometer_rollup()');
is(sql(q{SELECT watermark >= '2019-10-01 11:00+00' FROM sellometer.tiers WHERE name = 'hour'}), 't', 'rolled up');
is(sql(q{SELECT sum(count) FROM sellometer.product_id_hour WHERE event_time = '2019-10-01 10:00+00'}), 87, 'foreign partitions are rolled up');
put(10, 10, 3);
ingest();
sums_are(200, 'foreign partitions, late');
is(sql(q{SELECT sum(count) FROM sellometer.product_id_hour WHERE event_time = '2019-10-01 10:00+00'}), 90, '... and in the hours');

# --- tables that can't be written: said, and the objects wait ---

sub is_refused
{
	my ($change, $back, $error, $what) = @_;
	my $before = sql('SELECT sum(count) FROM sellometer.brand_minute');

	sql($change);
	put(12, 5, 10);
	like(error_of('CALL sellometer_ingest()'), $error, "$what: refused");
	is(sql('SELECT sum(count) FROM sellometer.brand_minute'), $before, "$what: nothing is written");
	is(sql(q{SELECT count(*) FROM sellometer.objects WHERE state = 'pending'}), 1, "$what: the object waits");
	sql($back);
	ingest();
	sums_are($before + 10, "$what, without it");
	return;
}

my $P = 'sellometer.product_id_minute_p20191001_1200';
put(12, 1, 10);
ingest();
is_refused('ALTER TABLE sellometer.product_id_minute DETACH PARTITION ' . $P,
	"ALTER TABLE sellometer.product_id_minute ATTACH PARTITION $P FOR VALUES FROM ('2019-10-01 12:00+00') TO ('2019-10-01 13:00+00')",
	qr/table "$P" is no partition of "sellometer.product_id_minute".*HINT:  Attach it again, or rename it/s, 'a detached partition');
is_refused('CREATE RULE own AS ON INSERT TO sellometer.offer_log DO INSTEAD NOTHING', 'DROP RULE own ON sellometer.offer_log',
	qr/rows for table "sellometer.offer_log" not all were written/, 'a rule');
# --- a view in place of a table: rows go where it says ---

sql(q{ALTER EXTENSION sellometer DROP TABLE sellometer.offer_log; ALTER TABLE sellometer.offer_log RENAME TO own_offers;
	CREATE VIEW sellometer.offer_log AS SELECT * FROM sellometer.own_offers});
my $offers = sql('SELECT sum(count) FROM sellometer.own_offers');
put(12, 7, 10);
ingest();
is(sql('SELECT sum(count) FROM sellometer.own_offers'), $offers + 10, 'a view in place of a table');

# --- as Citus has it: a catalog says whose rows are elsewhere ---

my $offset = -s $node->logfile;
my $loaded = sql('SELECT sum(count) FROM sellometer.brand_minute');
sql(q{SET allow_system_table_mods = on;
	CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass NOT NULL, partmethod "char" NOT NULL, partkey text, colocationid integer NOT NULL DEFAULT 0,
		repmodel "char" NOT NULL DEFAULT 'c', autoconverted boolean NOT NULL DEFAULT false);
	GRANT SELECT ON pg_catalog.pg_dist_partition TO PUBLIC;
	INSERT INTO pg_catalog.pg_dist_partition (logicalrelid, partmethod) SELECT c.oid, 'h' FROM pg_class c
	WHERE relnamespace = 'sellometer'::regnamespace AND relname ~ '^(product_id_(minute|hour)|carts$)' AND relkind IN ('r', 'p')});
put(12, 59, 10);
put(13, 0, 10);
ingest();
logged_since($offset, qr/rows of "product_id_minute_p20191001_1200" are inserted by SQL/, 'distributed tables are written by SQL');
logged_since($offset, qr/rows of "product_id_minute_p20191001_1300" are inserted by SQL/, '... new partitions, too');
unlike(substr(slurp_file($node->logfile), $offset), qr/rows of "brand_minute\w+" are inserted by SQL/, '... and others as ever');
put(14, 30, 10);
ingest();
sql('CALL sellometer_rollup()');
logged_since($offset, qr/rows of "product_id_minute_p20191001_1200" are read by SQL/, '... and read by SQL');
sums_are($loaded + 30, 'distributed tables');
sql('SET allow_system_table_mods = on; DROP TABLE pg_catalog.pg_dist_partition');

# --- pruning: of a foreign partition goes what is known of it here ---

my $hours = sql('SELECT sum(count) FROM sellometer.product_id_hour');
sql(q{UPDATE sellometer.tiers SET retention = '3 hours 30 minutes' WHERE name = 'minute'; CALL sellometer_prune()});
is(sql(q{SELECT min(event_time) >= '2019-10-01 11:00+00' FROM sellometer.product_id_minute}), 't', 'pruned');
is(sql(q{SELECT count(*) FROM pg_class WHERE relname ~ '_minute_p20191001_1000'}), 0, '... foreign partitions, too');
is($node->safe_psql('elsewhere', 'SELECT sum(count) FROM sellometer.product_id_minute_p20191001_1000'), 90, '... but not what is on the other server');
is(sql('SELECT sum(count) FROM sellometer.product_id_hour'), $hours, '... and hours keep what they have');

# --- a view in place of a tier's table is read, not taken for empty ---

sql(q{BEGIN; ALTER TABLE sellometer.product_id_minute RENAME TO own_minutes; CREATE VIEW sellometer.product_id_minute AS SELECT * FROM sellometer.own_minutes; COMMIT});
sql('UPDATE sellometer.tiers SET retention = NULL');
put(15, 30, 10);
like(error_of('CALL sellometer_ingest()'), qr/"product_id_minute" (is not|cannot)|ALTER action ATTACH PARTITION cannot/, 'new partitions of a view: refused');
sql('DELETE FROM sellometer.objects WHERE state = $$pending$$');
unlink(glob("$in/2019-10-01-15-30-*"));
$offset = -s $node->logfile;
# rolled up once more, which the server would not do by itself
sql(q{ALTER TABLE sellometer.tiers DISABLE TRIGGER never_back; UPDATE sellometer.tiers SET watermark = '2019-10-01 12:00+00' WHERE name = 'hour';
	DELETE FROM sellometer.product_id_hour WHERE event_time >= '2019-10-01 12:00+00'; DELETE FROM sellometer.brand_hour WHERE event_time >= '2019-10-01 12:00+00';
	DELETE FROM sellometer.category_l1_hour WHERE event_time >= '2019-10-01 12:00+00'; DELETE FROM sellometer.category_l2_hour WHERE event_time >= '2019-10-01 12:00+00';
	DELETE FROM sellometer.category_l3_hour WHERE event_time >= '2019-10-01 12:00+00'; DELETE FROM sellometer.totals WHERE tier = 'hour' AND event_time >= '2019-10-01 12:00+00'});
sql('CALL sellometer_rollup()');
logged_since($offset, qr/rows of "product_id_minute" are read by SQL/, 'a view in place of a tier is read');
is(sql(q{SELECT sum(count) = (SELECT sum(count) FROM sellometer.brand_hour) FROM sellometer.product_id_hour}), 't', '... as a whole');

unlike(slurp_file($node->logfile), qr/terminated by signal/, 'no process died');
$node->stop;
done_testing();
