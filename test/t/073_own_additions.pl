# What somebody adds to the product's tables: columns of any kind, kept or dropped, constraints, triggers, indexes; other types.  Each is
# heeded, or refused by a word before anything is written; sums are never others.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory qw(unexpected_in_log);
use SlmTest;
use Test::More;

my $node = slm_node('own_additions', conf => "sellometer.database = ''\nsellometer.live_lateness = '30min'\nfsync = off\n");
my $all = slm_directory($node, 'all');
my $in = slm_directory($node, 'in');

sub sql { my ($sql) = @_; return $node->safe_psql('shop', $sql); }

# What a call says that fails
sub error_of { my ($sql) = @_; my (undef, undef, $err) = $node->psql('shop', $sql); return $err; }

# Tables of the product, partitions of which come with theirs
my $TABLES = q{SELECT c.oid::regclass::text FROM pg_class c
	WHERE relnamespace = 'sellometer'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1};

sub on_each_table
{
	my ($what) = @_;

	sql(join(";\n", map { "ALTER TABLE $_ $what" } split(/\n/, sql($TABLES))));
	return;
}

traffic($all, '--minutes' => 110, '--rate' => 1000, '--servers' => 1, '--products' => 300, '--seed' => 3, '--bad' => 0.001);
my @keys = map { s{.*/}{}r } sort glob("$all/*");

# Load the next files of that many; every fourth comes late, in another round
my @late;

sub load
{
	my ($n) = @_;

	for my $key (splice(@keys, 0, $n))
	{
		if (@late < $n / 4 && $key =~ /[37]\D*$/) { push @late, $key; }
		else { write_object($in, $key, slurp_file("$all/$key")); }
	}
	sql('CALL sellometer_ingest()');
	return;
}

sub load_late
{
	write_object($in, $_, slurp_file("$all/$_")) foreach (splice(@late));
	sql('CALL sellometer_ingest(); CALL sellometer_merge_backlog()');
	return;
}

# All housekeeping works, and all is as the oracle says
sub all_is_well
{
	my ($what) = @_;

	sql('CALL sellometer_rollup(); CALL sellometer_prune(); CALL sellometer_detect()');
	is(sql(q{SELECT string_agg(procedure || ': ' || detail, '; ') FROM sellometer.runs WHERE outcome = 'failed'}), '', "$what: no run failed");
	is(sql(q{SELECT string_agg(state || ' ' || key || ': ' || error, '; ') FROM sellometer.objects WHERE state <> 'done'}), '', "$what: all is loaded");
	oracle_load($node, $in);
	oracle_agrees($node, 'minute', $what);
	carts_agree($node, $what);
	is(sql(q{SELECT count(*) FROM ((SELECT date_bin('1 hour', event_time, '2000-01-03 00:00+00') AS t, product_id, event_type, sum(count) AS c, sum(gmv) AS g
			FROM sellometer.product_id_minute GROUP BY 1, 2, 3 EXCEPT SELECT event_time, product_id, event_type, count, gmv FROM sellometer.realtime_product_id_hour)
		UNION ALL (SELECT event_time, product_id, event_type, count, gmv FROM sellometer.realtime_product_id_hour EXCEPT
			SELECT date_bin('1 hour', event_time, '2000-01-03 00:00+00'), product_id, event_type, sum(count), sum(gmv) FROM sellometer.product_id_minute GROUP BY 1, 2, 3)) d}),
		0, "$what: hours are the sums of minutes");
	return;
}

sql("SELECT sellometer_add_source('shop', 'file://$in/')");

# --- columns ---

on_each_table('ADD COLUMN own_gone text');
on_each_table('DROP COLUMN own_gone');
load(45);
load_late();
all_is_well('after a column that was dropped again');
is(sql('SELECT count(*) > 1000 FROM sellometer.carts'), 't', 'more carts than are looked up one by one');

sql(q{CREATE DOMAIN own_domain AS integer DEFAULT 4 NOT NULL CHECK (VALUE > 3); CREATE FUNCTION own_next() RETURNS bigint LANGUAGE sql VOLATILE RETURN 7});
on_each_table(q{ADD COLUMN own_null text, ADD COLUMN own_default text NOT NULL DEFAULT 'x', ADD COLUMN own_volatile bigint DEFAULT public.own_next(),
	ADD COLUMN own_generated integer GENERATED ALWAYS AS (41 + 1) STORED, ADD COLUMN own_domain public.own_domain});
load(20);
load_late();
all_is_well('with columns of all kinds');
for my $table (qw(carts offer_history view_log product_id_minute brand_minute category_l3_minute objects totals))
{
	is(sql(qq{SELECT count(*) > 0, count(*) FILTER (WHERE (own_null, own_default, own_volatile, own_generated, own_domain) IS DISTINCT FROM
		(NULL, 'x', 7, 42, 4)) FROM sellometer.$table}), 't|0', "$table: each row has the defaults");
}

# --- constraints, triggers and indexes ---

sql(q{CREATE TABLE own_products (product_id bigint PRIMARY KEY);
	CREATE TABLE own_seen (what text, n bigint);
	CREATE FUNCTION own_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.own_products VALUES (NEW.product_id) ON CONFLICT DO NOTHING;
		INSERT INTO public.own_seen VALUES (TG_OP, 1);
		RETURN NEW;
	END $$;
	CREATE TRIGGER own BEFORE INSERT OR UPDATE ON sellometer.carts FOR EACH ROW EXECUTE FUNCTION own_trigger();
	CREATE TRIGGER own BEFORE INSERT OR UPDATE ON sellometer.product_id_minute FOR EACH ROW EXECUTE FUNCTION own_trigger();
	INSERT INTO own_products SELECT product_id FROM sellometer.carts UNION SELECT product_id FROM sellometer.product_id_minute;
	ALTER TABLE sellometer.carts ADD CONSTRAINT own CHECK (product_id > 0), ADD CONSTRAINT own_key UNIQUE (product_id, user_session, user_id) DEFERRABLE;
	ALTER TABLE sellometer.carts ADD CONSTRAINT own_products FOREIGN KEY (product_id) REFERENCES own_products;
	ALTER TABLE sellometer.brand_minute ADD CONSTRAINT own CHECK (count > -1);
	ALTER TABLE sellometer.product_id_minute ADD CONSTRAINT own_products FOREIGN KEY (product_id) REFERENCES own_products;
	CREATE UNIQUE INDEX ON sellometer.category_l3_minute (event_time, category_l3, event_type);
	CREATE INDEX ON sellometer.brand_minute (upper(brand));
	CREATE INDEX ON sellometer.offer_log ((product_id + 1)) WHERE count > 1});
load(20);
load_late();
all_is_well('with triggers, constraints and indexes');
is(sql('SELECT count(*) > (SELECT count(*) / 100 FROM sellometer.carts) FROM own_seen'), 't', 'triggers were called');
is(sql(q{SET enable_seqscan = off; SELECT count(*) > 0, count(*) = (SELECT sum((brand = 'acme')::integer) FROM sellometer.brand_minute)
	FROM sellometer.brand_minute WHERE upper(brand) = 'ACME'}) =~ /^.\|t$|^f\|$/ ? 1 : 0, 1, 'an index of an expression has all rows');

# --- other types ---

sql(q{ALTER TABLE sellometer.offer_log ALTER count TYPE numeric, ALTER price TYPE numeric(20, 6), ALTER category TYPE text COLLATE "default"});
load(5);
is(error_of('CALL sellometer_ingest()'), '', 'columns of other types take what fits');
is(sql(q{SELECT (SELECT count(*) FROM sellometer.offer_log) > 0}), 't', '... and have rows');

# --- what can't be had is refused before anything is written, and said ---

sub is_refused
{
	my ($alter, $back, $error, $what) = @_;
	my $before = sql('SELECT sum(count) FROM sellometer.product_id_minute');

	write_object($in, $keys[0], slurp_file("$all/$keys[0]"));
	sql($alter);
	like(error_of('CALL sellometer_ingest()'), $error, "$what: refused");
	is(sql('SELECT sum(count) FROM sellometer.product_id_minute'), $before, "$what: nothing is written");
	is(sql(q{SELECT count(*) FROM sellometer.objects WHERE state = 'pending'}), 1, "$what: the object waits");
	sql($back);
	sql('CALL sellometer_ingest()');
	is(sql(q{SELECT count(*) FROM sellometer.objects WHERE state <> 'done'}), 0, "$what: without it, it is loaded");
	shift @keys;
	return;
}

is_refused('TRUNCATE sellometer.offer_log; ALTER TABLE sellometer.offer_log ADD COLUMN own_required text NOT NULL',
	'ALTER TABLE sellometer.offer_log DROP COLUMN own_required',
	qr/column "own_required" of table "sellometer.offer_log" must have a value, and has no default.*HINT:  Give it a default/s, 'NOT NULL without a default');
sql('CREATE DOMAIN own_required AS text NOT NULL; CREATE DOMAIN own_required_2 AS own_required');
is_refused('TRUNCATE sellometer.offer_log; ALTER TABLE sellometer.offer_log ADD COLUMN own_required own_required_2',
	'ALTER TABLE sellometer.offer_log DROP COLUMN own_required',
	qr/column "own_required" of table "sellometer.offer_log" must have a value/, 'a domain that is NOT NULL');
sql('CREATE FUNCTION own_none() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$');
for my $table (qw(carts offer_log product_id_minute))
{
	is_refused("CREATE TRIGGER z_none BEFORE INSERT ON sellometer.$table FOR EACH ROW EXECUTE FUNCTION own_none()",
		"DROP TRIGGER z_none ON sellometer.$table",
		qr/rows for table "sellometer.$table" not all were written/, "a trigger on $table that keeps rows back");
}

is_deeply([ grep { !/not all were written|must have a value/ } unexpected_in_log($node) ], [], 'nothing unexpected in the log');
unlike(slurp_file($node->logfile), qr/terminated by signal/, 'no process died');
$node->stop;
done_testing();
