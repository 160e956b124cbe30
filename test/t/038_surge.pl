# A surge begins and ends with hysteresis; while it lasts parse workers run and housekeeping waits, but not for ever.
use strict;
use warnings FATAL => 'all';

use File::Path qw(make_path);
use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

# The writer's lock (src/server/locks.c): who holds it keeps the worker in the middle of a batch.
my $WRITER_LOCK = 'sellometer.hold_loading()';

my $node = slm_node('surge', conf => <<'CONF');
fsync = off
sellometer.surge_bytes = '1MB'
sellometer.batch_bytes = '512kB'
sellometer.max_parse_workers = 2
CONF
my $dir = slm_directory($node, 'in');

# Are there so many parse workers?
sub parse_workers
{
	my ($n) = @_;

	return "SELECT count(*) = $n FROM pg_stat_activity WHERE backend_type = 'sellometer parse worker'";
}

sub surge
{
	return $node->safe_psql('shop', 'SELECT bool_or(surge) FROM sellometer.status');
}

sub notices_of
{
	my ($call, $role) = @_;
	my ($status, $out, $err) = $node->psql('shop', ($role ? "SET ROLE $role; " : '') . $call);

	return $err;
}

traffic($dir, '--minutes' => 10, '--rate' => 3000, '--seed' => 5);

# Nothing waits where there is no source, or none that can be read.
for my $state ('no source', 'a disabled source')
{
	my $seen = -s $node->logfile;

	$node->safe_psql('shop', 'CALL sellometer_ingest()');
	unlike(slurp_file($node->logfile, $seen), qr/parse workers started/, "no surge with $state");
	$node->safe_psql('shop', "SELECT sellometer_add_source('off', 'file://$dir/', enabled => false)") if $state eq 'no source';
}
$node->safe_psql('shop', "SELECT sellometer_drop_source('off')");

my $writer = $node->background_psql('shop', on_error_stop => 1);
$writer->query_safe("BEGIN; SELECT $WRITER_LOCK");
$node->safe_psql('shop', "SELECT sellometer_add_source('in', 'file://$dir/')");
wait_until($node, 'SELECT bool_or(surge AND pending_objects > 0) FROM sellometer.status');
pass('a surge begins when more than surge_bytes wait');
wait_until($node, parse_workers(2));
pass('parse workers are started');
# One goes away, after a while.
wait_until($node, q{SELECT bool_and(backend_start < clock_timestamp() - interval '1 second') FROM pg_stat_activity WHERE backend_type = 'sellometer parse worker'});
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'sellometer parse worker' LIMIT 1});
wait_until($node, parse_workers(1));
like(notices_of('CALL sellometer_rollup()'), qr/NOTICE:.*surge/, 'rollup puts its work off');
like(notices_of('CALL sellometer_prune()'), qr/NOTICE:.*surge/, 'prune puts its work off');
unlike(notices_of('CALL sellometer_detect()'), qr/surge/, 'detect never does');
like(notices_of('CALL sellometer_merge_backlog()'), qr/NOTICE:.*surge/, 'merge_backlog puts its work off');
$node->safe_psql('shop', 'CREATE ROLE keeper');
for my $call (qw(rollup prune merge_backlog archive))
{
	$node->safe_psql('shop', "GRANT EXECUTE ON ROUTINE sellometer_$call TO keeper");
	my $said = notices_of("CALL sellometer_$call()", 'keeper');

	like($said, qr/NOTICE:.*surge/, "... so does $call, called by a role that may call it and nothing else");
	unlike($said, qr/ERROR/, '... which is no error');
}
is($node->safe_psql('shop', "SELECT count(*) FROM sellometer.progress WHERE task = 'load'"), '1',
	'progress shows the load');

$writer->query_safe('COMMIT');
wait_until($node, "SELECT count(*) = 40 FROM sellometer.objects WHERE state = 'done'");
wait_until($node, 'SELECT NOT bool_or(surge) FROM sellometer.status');
pass('the surge ends when all is loaded');
wait_until($node, parse_workers(0));
pass('parse workers are stopped');
like(slurp_file($node->logfile), qr/a parse worker takes the place of one that went away/, 'one that went away was replaced');
oracle_load($node, $dir);
oracle_agrees($node, 'minute', 'what parse workers have read');
carts_agree($node, 'what parse workers have read');
is($node->safe_psql('shop', "SELECT count(*) FROM oracle.diff_objects()"), '0', 'the ledger is what the oracle says');
unlike(notices_of('CALL sellometer_rollup()'), qr/surge/, 'rollup does its work when the surge is over');

# The limit: a tier that holds more than twice its retention needs housekeeping, surge or not.
my $second = slm_directory($node, 'second');
my $late = slm_directory($node, 'more');

traffic($second, '--minutes' => 240, '--rate' => 60, '--seed' => 6, '--start' => '2019-10-01 00:10:00');
traffic($late, '--minutes' => 10, '--rate' => 3000, '--seed' => 7, '--start' => '2019-10-01 04:10:00');
$node->safe_psql('shop', "SELECT sellometer_add_source('second', 'file://$second/')");
wait_until($node, "SELECT count(*) = 1000 FROM sellometer.objects WHERE state = 'done'");
$node->safe_psql('shop', "SELECT sellometer_alter_tier('minute', '1 hour')");
$writer->query_safe("BEGIN; SELECT $WRITER_LOCK");
$node->safe_psql('shop', "SELECT sellometer_add_source('more', 'file://$late/')");
wait_until($node, 'SELECT bool_or(surge) FROM sellometer.status');

# Hand over: the worker finishes its batch, and then waits for the ledger while the surge is on.
my $ledger = $node->background_psql('shop', on_error_stop => 1);
$ledger->query_until(qr/queued/, "\\echo queued\nBEGIN; LOCK TABLE sellometer.objects IN EXCLUSIVE MODE;\n\\echo locked\n");
wait_until($node, "SELECT count(*) = 1 FROM pg_locks WHERE relation = 'sellometer.objects'::regclass AND NOT granted");
$writer->query_safe('COMMIT');
wait_until($node, "SELECT count(*) = 1 FROM pg_locks WHERE relation = 'sellometer.objects'::regclass "
	. "AND mode = 'ExclusiveLock' AND granted");
is(surge(), 't', 'the surge is still on');
unlike(notices_of('CALL sellometer_rollup()'), qr/surge/, 'rollup works when the minutes pass twice their retention');

# Nothing waits any more, which the worker has not come to see: it stands still with no row in hand.
my $worker = backend_pid($node, 'sellometer worker');
$node->safe_psql('shop', "SELECT sellometer_alter_tier('minute', '24 hours')");
like(notices_of('CALL sellometer_rollup()'), qr/surge/, 'rollup waits when they do not');
kill 'STOP', $worker;
$ledger->query_until(qr/released/, "COMMIT;\n\\echo released\n");
$node->safe_psql('shop', "UPDATE sellometer.objects SET state = 'skipped' WHERE state = 'pending'");
is(surge(), 't', 'the worker takes it for a surge');
unlike(notices_of('CALL sellometer_rollup()'), qr/surge/, 'rollup does not, as nothing waits');
$node->safe_psql('shop', "UPDATE sellometer.objects SET state = 'pending' WHERE state = 'skipped'");
kill 'CONT', $worker;
wait_until($node, "SELECT count(*) = 1040 FROM sellometer.objects WHERE state = 'done'");
$ledger->quit;
$writer->quit;

# Names as long as they may be fill no worker's queue.
my $deep = slm_directory($node, 'deep');
my $below = join('/', map { $_ x 250 } 'a' .. 'g');

make_path("$deep/$below");
write_object("$deep/$below", sprintf('2019-10-01-05-%02d-%03d.%s.csv', $_ / 40, $_, 'h' x 200), csv(event(event_time => sprintf('2019-10-01 05:%02d:00', $_ / 40))))
  foreach (0 .. 1599);
$writer = $node->background_psql('shop', on_error_stop => 1);
$writer->query_safe("BEGIN; SELECT $WRITER_LOCK");
$node->safe_psql('postgres', q{ALTER SYSTEM SET sellometer.surge_bytes = '1kB'; SELECT pg_reload_conf()});
$node->safe_psql('shop', "SELECT sellometer_add_source('deep', 'file://$deep/')");
wait_until($node, parse_workers(2));
$writer->query_safe('COMMIT');
$writer->quit;
wait_until($node, "SELECT count(*) = 1600 FROM sellometer.objects WHERE source = 'deep' AND state = 'done'");
unlike(slurp_file($node->logfile), qr/has no room for its tasks/, 'tasks of objects with long names fit into the queues');
$node->safe_psql('postgres', q{ALTER SYSTEM RESET sellometer.surge_bytes; SELECT pg_reload_conf()});

# The progress of a CALL: the writer's lock is handed over, so it stands in its second batch.
$node->safe_psql('postgres', 'CREATE DATABASE calls');
$node->safe_psql('calls', 'CREATE EXTENSION sellometer; ALTER TABLE sellometer.sources ALTER same_content SET DEFAULT $$count$$');
$node->safe_psql('calls', "SELECT sellometer_add_source('in', 'file://$dir/')");

my $WAITING = q{SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
	WHERE d.datname = 'calls' AND l.locktype = 'object' AND l.objsubid > 0 AND NOT l.granted};
my ($first, $next, $call) = map { $node->background_psql('calls', on_error_stop => 1) } 1 .. 3;

$first->query_safe("BEGIN; SELECT $WRITER_LOCK");
$call->query_until(qr/called/, "\\echo called\nCALL sellometer_ingest();\n\\echo loaded\n");
wait_until($node, "SELECT ($WAITING) = 1");
$next->query_until(qr/queued/, "\\echo queued\nBEGIN; SELECT $WRITER_LOCK;\n\\echo locked\n");
wait_until($node, "SELECT ($WAITING) = 2");
$first->query_safe('COMMIT');
$next->query_until(qr/locked/, '');
wait_until($node, "SELECT ($WAITING) = 1");
is($node->safe_psql('calls', "SELECT objects_total, objects_done, phase FROM sellometer.progress WHERE task = 'load'"), '40|40|apply',
	'of a CALL, progress counts what is done into the total');
$next->query_safe('COMMIT');
$call->query_until(qr/loaded/, '');
is($node->safe_psql('calls', "SELECT count(*) FROM sellometer.objects WHERE state = 'done'"), '40', 'and it loads all');
$_->quit foreach $first, $next, $call;
$node->stop;
done_testing();
