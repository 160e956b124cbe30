# What an operator, a reader and any other role of the database can and can't do to the rest: locks, rows that are believed,
# rights that are taken away, what is shown.  See docs/SECURITY.md.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $node = slm_node('positions', conf => "fsync = off\nsellometer.poll_interval = '200ms'\n");
my $dir = slm_directory($node, 'in');
my $objects = 0;

sub value { my ($sql) = @_; return $node->safe_psql('shop', $sql); }

# as($role, $sql): what is said, error or result.
sub as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('shop', "SET ROLE $role; $sql", on_error_stop => 0);

	return "$out$err";
}

# One more object in a directory is loaded.
sub loads
{
	my ($to, $source, $name) = @_;
	my $key = sprintf('2019-10-01-00-%02d-1.csv', ++$objects);

	write_object($to, $key, csv(event(product_id => $objects)));
	wait_until($node, "SELECT count(*) = 1 FROM sellometer.objects WHERE source = '$source' AND key = '$key' AND state = 'done'");
	pass($name);
	return;
}

value(<<"SQL");
CREATE ROLE anybody LOGIN; CREATE ROLE reader LOGIN; CREATE ROLE operator LOGIN; CREATE ROLE feeder LOGIN; CREATE ROLE caller LOGIN;
SELECT sellometer_grant_reader('reader');
GRANT USAGE ON SCHEMA sellometer TO operator, caller;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA sellometer, public TO operator;
GRANT ALL ON ALL TABLES IN SCHEMA sellometer TO operator;
GRANT pg_read_server_files TO feeder;
SELECT sellometer_add_source('web', 'file://$dir/');
SQL

# --- locks ---

# All numbers that anybody could think of: advisory locks are open to every role.
my $anybody = $node->background_psql('shop', on_error_stop => 0);
$anybody->query_safe('SET ROLE anybody; SELECT count(pg_advisory_lock(1936485632 + c, o)) FROM generate_series(0, 2) c, generate_series(0, 9) o');
$anybody->query_safe(q{SELECT count(pg_advisory_lock(oid::bigint)) FROM pg_extension});
loads($dir, 'web', 'who has no rights keeps nobody from loading with advisory locks');
value("CALL sellometer_$_()") foreach (qw(rollup prune merge_backlog archive detect));
pass('nor from running procedures');
$anybody->quit;
for my $attempt ('SELECT sellometer.hold_loading()', 'BEGIN; LOCK TABLE sellometer.objects IN ACCESS SHARE MODE', 'BEGIN; LOCK TABLE sellometer.tiers',
	'COMMENT ON EXTENSION sellometer IS NULL', 'DROP EXTENSION sellometer', 'ALTER EXTENSION sellometer UPDATE', 'CALL sellometer.rollup()')
{
	like(as('anybody', $attempt), qr/permission denied|must be owner/, "nor by: $attempt");
}
like(as('reader', 'BEGIN; LOCK TABLE sellometer.objects IN ROW EXCLUSIVE MODE'), qr/permission denied/, 'a reader takes no lock that keeps writers waiting');

# Who holds up loading is named.
my $holder = $node->background_psql('shop', on_error_stop => 0);
my $pid = $holder->query_safe('SELECT pg_backend_pid()');
$holder->query_safe("SET application_name = 'update'; BEGIN; SELECT sellometer.hold_loading()");
write_object($dir, '2019-10-01-00-59-1.csv', csv(event()));
wait_until($node, q{SELECT count(*) = 1 FROM sellometer.lock_holders WHERE cardinality(holds_up) > 0});
is(value('SELECT what, pid, role, application, since IS NOT NULL, holds_up = ARRAY[sellometer.worker_pid()], held_up_since >= since FROM sellometer.lock_holders'),
	"writing|$pid|postgres|update|t|t|t", 'it is told who holds up loading, since when, and whom');
like(as('reader', 'SELECT what, role, holds_up FROM sellometer.lock_holders'), qr/^writing\|postgres\|\{\d+\}$/m, 'to readers, too');
$holder->query_safe('COMMIT; BEGIN; LOCK TABLE sellometer.objects IN SHARE MODE');
write_object($dir, '2019-10-01-00-58-1.csv', csv(event()));
wait_until($node, q{SELECT count(*) > 0 FROM sellometer.lock_holders WHERE cardinality(holds_up) > 0 AND what = 'table objects'});
is(value(q{SELECT pid FROM sellometer.lock_holders WHERE what = 'table objects'}), $pid, 'also if it is the lock of a table');
$holder->quit;
loads($dir, 'web', 'then all goes on');

# --- procedures: to call them is all it takes ---

value('GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA sellometer TO caller');
for my $procedure (qw(ingest merge_backlog rollup prune archive detect))
{
	is(as('caller', "CALL sellometer.$procedure(); SELECT current_user") =~ s/^.*NOTICE.*\n?//gmr, 'caller', "who may call it needs no other right: $procedure");
}
like(as('caller', q{CALL sellometer.ingest(); SELECT sellometer_drop_source('web')}), qr/permission denied/, 'and gets none for what follows');
like(as('caller', q{DO $$ BEGIN BEGIN CALL sellometer.rollup(); EXCEPTION WHEN OTHERS THEN NULL; END; DELETE FROM sellometer.sources; END $$}),
	qr/permission denied/, 'nor after a call that failed');
like(as('caller', q{CALL sellometer.ingest('none'); SELECT * FROM sellometer.secret}), qr/does not exist.*permission denied/s, 'nor after an error');

#--- NEXT ---
$node->stop;
done_testing();
