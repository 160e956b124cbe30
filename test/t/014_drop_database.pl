# The worker makes way for DROP DATABASE, but for nobody who may not drop it; and it is back when the database stays.
use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;
use Time::HiRes qw(time);

my $node = slm_node('drop_database', conf => "sellometer.poll_interval = 100ms\n");
my $in = slm_directory($node, 'in');

sub in_postgres { my ($sql) = @_; my (undef, undef, $err) = $node->psql('postgres', $sql); return $err; }

$node->safe_psql('shop', "SELECT sellometer_add_source('shop', 'file://$in/')");
$node->safe_psql('postgres', 'CREATE ROLE anybody LOGIN');
my $pid = backend_pid($node, 'sellometer worker');

# What is refused has no effect: by rights, in a transaction, where nothing may be written, in a function
my @refused = (
	[ 'SET ROLE anybody; DROP DATABASE shop', qr/must be owner of database shop/, 'by anybody' ],
	[ 'SET ROLE anybody; DROP DATABASE IF EXISTS shop WITH (FORCE)', qr/must be owner of database shop/, 'by anybody, with force' ],
	[ 'BEGIN; DROP DATABASE shop', qr/cannot run inside a transaction block/, 'in a transaction' ],
	[ 'SET default_transaction_read_only = on; DROP DATABASE shop', qr/in a read-only transaction/, 'read-only' ],
	[ 'DO $$BEGIN EXECUTE $s$DROP DATABASE shop$s$; END$$', qr/DROP DATABASE cannot be executed/, 'in a function' ],
);
for my $case (@refused)
{
	my ($sql, $error, $what) = @$case;

	like(in_postgres($sql), $error, "$what: refused");
	ok(kill(0, $pid), "$what: the worker is still there");
}
my (undef, undef, $err) = $node->psql('shop', 'DROP DATABASE shop');
like($err, qr/cannot drop the currently open database/, 'from the database itself: refused');
$node->safe_psql('postgres', 'ALTER DATABASE shop IS_TEMPLATE true');
like(in_postgres('DROP DATABASE shop'), qr/cannot drop a template database/, 'a template: refused');
$node->safe_psql('postgres', 'ALTER DATABASE shop IS_TEMPLATE false');
write_object($in, '2019-10-01-00-00-1.csv', csv(event(event_type => 'purchase')));
wait_until($node, q{SELECT count(*) = 1 FROM sellometer.objects WHERE state = 'done'});
is(backend_pid($node, 'sellometer worker'), $pid, 'the same worker goes on loading');

# Somebody else is connected: the owner's command fails, and the worker is back long before a minute is over
my $session = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('shop'), '-c', 'SELECT pg_sleep(600)' ], '<', \undef, '>', \my $out, '2>', \my $said);
wait_until($node, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'shop' AND backend_type = 'client backend'}, 'postgres');
like(in_postgres('DROP DATABASE shop'), qr/is being accessed by other users/, 'somebody is connected: refused');
my $since = time;
wait_until($node, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'shop' AND backend_type = 'sellometer worker'}, 'postgres');
cmp_ok(time - $since, '<', 30, 'the worker is back soon');
$session->kill_kill;
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop' AND backend_type = 'client backend'});

wait_until($node, q{SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'shop' AND backend_type = 'client backend'}, 'postgres');
is(in_postgres('DROP DATABASE shop'), '', 'the owner drops it');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_database WHERE datname = 'shop'}), 0, 'it is gone');

$node->stop;
done_testing();
