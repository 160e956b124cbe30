# Launcher and workers: one worker for each database that is named, as it is named, whoever is terminated or cancelled.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmCrash;
use SlmTest;
use Test::More;

my @NAMES = ('shop', 'MyShop', 'my, shop');
my $node = slm_node('launcher', conf => <<'CONF');
fsync = off
sellometer.database = 'MyShop, "my, shop", shop, shop'
sellometer.poll_interval = 1h
CONF
my $in = slm_directory($node, 'in');

sub value { return $node->safe_psql('shop', $_[0]); }
sub worker_pid { return backend_pid($node, 'sellometer worker', $_[0]); }

sub wait_for_launcher
{
	my ($but) = @_;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my $pid = launcher_pid($node);
		return $pid if defined $pid && $pid != ($but // 0);
		select(undef, undef, undef, 0.1);
	}
	return;
}

# --- names ---

$node->safe_psql('postgres', qq{CREATE DATABASE "$_"}) foreach (@NAMES[1, 2], 'Other');
$node->safe_psql($_, 'CREATE EXTENSION sellometer') foreach (@NAMES[1, 2], 'Other');
for my $name (@NAMES)
{
	ok(worker_pid($name) > 0, "a worker runs for database $name");
	wait_until($node, 'SELECT sellometer.worker_pid() IS NOT NULL', $name);
	is($node->safe_psql($name, "SELECT ok, hint FROM sellometer_check() WHERE name = 'worker'"), 't|', '... and check finds it');
}
is($node->safe_psql('Other', "SELECT ok, detail, hint FROM sellometer_check() WHERE name = 'worker'"),
	q{f|no worker runs for database "Other", sellometer.database is 'MyShop, "my, shop", shop, shop'|}
	. q{Add "Other" to sellometer.database and restart the server, or CALL sellometer_ingest() yourself.}, 'what is not named is to be named');

# --- an idle worker is cancelled ---

my $worker = worker_pid('shop');
value("SELECT sellometer_add_source('a', 'file://$in/')");
value('SELECT sellometer_wake()');
wait_until($node, q{SELECT listed_at IS NOT NULL FROM sellometer.sources});
wait_until($node, "SELECT state = 'idle' FROM pg_stat_activity WHERE pid = $worker");
my $seen = -s $node->logfile;
for (1 .. 20)
{
	value("SELECT pg_cancel_backend($worker)");
	select(undef, undef, undef, 0.01);
}
write_object($in, '2019-10-01-00-07-1.csv', csv(event(event_time => '2019-10-01 00:07:00')));
value('SELECT sellometer_wake()');
wait_until($node, q{SELECT count(*) = 1 FROM sellometer.objects WHERE state = 'done'});
is(worker_pid('shop'), $worker, 'a worker that is cancelled while it is idle goes on');
unlike(slurp_file($node->logfile, $seen), qr/canceling statement|sellometer worker.*ERROR/, '... with all that it knows');

# --- the launcher ends ---

my $launcher = wait_for_launcher();
kill 'TERM', $launcher;
my $next = wait_for_launcher($launcher);
ok(defined $next, 'a launcher that is terminated is started again');
is(worker_pid('shop'), $worker, '... and the workers go on');
value("SELECT pg_terminate_backend($worker)");
wait_until($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'sellometer worker' AND datname = 'shop' AND pid <> $worker", 'postgres');
pass('... and a worker that is terminated is started again');

# --- it ends when it has registered a worker that has not begun ---

my $WAITING = q{SELECT count(*) FROM pg_locks WHERE classid = 'pg_database'::regclass AND NOT granted};
my $holder = $node->background_psql('postgres', on_error_stop => 1);
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = 'MyShop'});
$holder->query_safe('BEGIN; ALTER DATABASE "MyShop" RENAME TO elsewhere');
wait_until($node, "SELECT ($WAITING) = 1", 'postgres');
kill 'TERM', $next;
wait_for_launcher($next);
wait_until($node, "SELECT ($WAITING) = 2", 'postgres');
$holder->query_safe('ROLLBACK');
$holder->quit;
wait_until($node, 'SELECT sellometer.worker_pid() IS NOT NULL', 'MyShop');
for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	last if slurp_file($node->logfile) =~ /another sellometer worker for database "MyShop" runs already/;
	select(undef, undef, undef, 0.1);
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'sellometer worker' AND datname = 'MyShop'}), '1',
	'two workers that were registered for one database: one stays');
like(slurp_file($node->logfile), qr/another sellometer worker for database "MyShop" runs already/, '... and the other says why not');

$seen = -s $node->logfile;
$node->stop;
unlike(slurp_file($node->logfile, $seen), qr/sellometer worker for database .* started|WARNING/, 'nobody is started again while the server stops');
done_testing();
