# A database whose settings are as adverse as can be: what is loaded and detected there, by the worker or by a CALL, is what it
# is in a database without them.
use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmTest;
use Test::More;

my $node = slm_node('settings', conf => <<'CONF');
fsync = off
sellometer.database = 'postgres, shop'
sellometer.live_lateness = '10min'
sellometer.poll_interval = 100ms
CONF

# In Kolkata times end with IST, which is read as that of Israel.
my %ADVERSE = (
	lock_timeout => '1ms', idle_in_transaction_session_timeout => '20s', idle_session_timeout => '20s',
	default_transaction_isolation => 'serializable', default_transaction_read_only => 'on', default_transaction_deferrable => 'on',
	standard_conforming_strings => 'off', backslash_quote => 'off', escape_string_warning => 'off', transform_null_equals => 'on',
	quote_all_identifiers => 'on', array_nulls => 'off', DateStyle => 'SQL, DMY', IntervalStyle => 'sql_standard',
	TimeZone => 'Asia/Kolkata', extra_float_digits => '-15', bytea_output => 'escape', search_path => 'nowhere',
	row_security => 'off', session_replication_role => 'replica', 'plpgsql.extra_errors' => 'all', 'plpgsql.variable_conflict' => 'use_column',
	jit => 'on', jit_above_cost => '0', plan_cache_mode => 'force_generic_plan', constraint_exclusion => 'off',
	force_parallel_mode => 'on', debug_parallel_query => 'on', from_collapse_limit => '1', join_collapse_limit => '1', geqo_threshold => '2',
	transaction_timeout => '0', client_min_messages => 'error', work_mem => '64kB', temp_buffers => '800kB',
	map { ("enable_$_" => 'off') } qw(bitmapscan hashagg hashjoin indexonlyscan indexscan material memoize mergejoin nestloop
		partition_pruning seqscan sort tidscan));
my $known = $node->safe_psql('postgres', q{SELECT name FROM pg_settings UNION VALUES ('plpgsql.extra_errors'), ('plpgsql.variable_conflict')});

$node->safe_psql('postgres', 'CREATE DATABASE plain');
$node->safe_psql('plain', 'CREATE EXTENSION sellometer');
# Also when it is installed.
$node->safe_psql('shop', 'DROP EXTENSION sellometer');
$node->safe_psql('postgres', join(';', map { "ALTER DATABASE shop SET $_ = '$ADVERSE{$_}'" =~ s/search_path = '(\w+)'/search_path = $1/r }
	grep { $known =~ /^\Q$_\E$/m } sort keys %ADVERSE));
my $writing = 'SET default_transaction_read_only = off; SET session_replication_role = origin; SET array_nulls = on; SET idle_session_timeout = 0; SET idle_in_transaction_session_timeout = 0;';
$node->psql('shop', 'SET default_transaction_read_only = off; CREATE SCHEMA IF NOT EXISTS public; SET search_path = public; CREATE EXTENSION sellometer SCHEMA public', on_error_die => 1);

my %in;
for my $database (qw(plain shop))
{
	$in{$database} = slm_directory($node, "in_$database");
	$in{"$database out"} = slm_directory($node, "out_$database");
	$node->psql($database, "$writing SELECT public.sellometer_add_source('a', 'file://$in{$database}/', archive_url => 'file://$in{\"$database out\"}/');
		INSERT INTO sellometer.inventory (product_id, stock, as_of, lead_time) SELECT i, 3, '2019-10-01 00:00+00', '1 day' FROM generate_series(1, 30) i;
		SET default_transaction_isolation = 'read committed'; SELECT public.sellometer_alter_tier('minute', '2 hours');", on_error_die => 1);
}

# The same events in both.
my $all = slm_directory($node, 'all');
traffic($all, '--seed' => 3, '--minutes' => 300, '--servers' => 1, '--rate' => 60, '--products' => 50);
my @files = files_below($all);

# What it says in a session with the settings of the database, and without any.
sub answer
{
	my ($database, $sql, $plain) = @_;
	my ($out, $err) = ('', '');

	local $ENV{PGOPTIONS} = $plain ? join(' ', '-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=1 -c standard_conforming_strings=on',
		'-c bytea_output=hex') : '';
	IPC::Run::run([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database) ],
		'<', \$sql, '>', \$out, '2>', \$err) or return "failed: $err";
	return $out;
}

sub both
{
	my ($what, $sql, $plain) = @_;
	my ($plain_says, $shop_says) = map { answer($_, $sql, $plain) } qw(plain shop);

	ok($plain_says !~ /^failed/ && $plain_says eq $shop_says, $what)
		or diag("without:\n" . lines_missing($plain_says, $shop_says) . "\nwith:\n" . lines_missing($shop_says, $plain_says));
	return;
}

# The lines of one text that the other has not.
sub lines_missing
{
	my ($text, $other) = @_;
	my %known = map { $_ => 1 } split(/\n/, $other);

	return join("\n", grep { !$known{$_} } split(/\n/, $text));
}

sub put_both
{
	for my $key (@_)
	{
		link_object($all, $in{$_}, $key) foreach (qw(plain shop));
	}
	return;
}

# What is there, but for ids and when it was loaded.
sub compare
{
	my ($when) = @_;

	both("$when: the ledger", q{SELECT key, state, rows_total, rows_counted, rows_duplicate, rows_rejected, rows_expired, first_event, last_event,
		object_time, error FROM sellometer.objects ORDER BY key, etag}, 1);
	for my $dimension (qw(product_id brand category_l1 category_l2 category_l3))
	{
		both("$when: $dimension", qq{SELECT 'minute', t.* FROM (SELECT $dimension, event_time, event_type, count, gmv FROM sellometer.${dimension}_minute) t
			UNION ALL SELECT 'hour', t.* FROM (SELECT $dimension, event_time, event_type, count, gmv FROM sellometer.${dimension}_hour) t ORDER BY 1, 2, 3, 4}, 1);
	}
	both("$when: tiers, carts, alerts and stock", q{
		SELECT name, watermark, kept_from FROM sellometer.tiers ORDER BY name;
		SELECT * FROM sellometer.carts ORDER BY user_session, product_id;
		SELECT user_id, product_id, max(removed_at), max(purchased_at) FROM sellometer.user_cart_times GROUP BY 1, 2 ORDER BY 1, 2;
		SELECT kind, severity, key, event_time, observed, expected, detail FROM sellometer.alerts ORDER BY kind, key, opened_at;
		SELECT * FROM sellometer.low_inventory ORDER BY 1;
		SELECT sum(views) FROM sellometer.view_log}, 1);
	both("$when: partitions", q{SELECT relname, pg_catalog.pg_get_expr(relpartbound, oid) FROM pg_catalog.pg_class WHERE relispartition
		AND relnamespace = 'sellometer'::regnamespace ORDER BY 1}, 1);
	return;
}

# The worker of shop loads meanwhile: for it there is no session that sets anything.
# The worker may see them all at once or not; here it takes at least two batches, and the CALL one.
put_both(@files[0 .. 49]);
wait_until($node, q{SELECT count(*) = 50 FROM sellometer.objects WHERE state = 'done'});
put_both(@files[50 .. 99]);
both('a CALL loads', 'CALL public.sellometer_ingest()');
wait_until($node, q{SELECT count(*) = 100 FROM sellometer.objects WHERE state = 'done'});
both('... and detects', 'CALL public.sellometer_detect()');
compare('after a load');
$node->stop;
done_testing();
