# Workers that don't come up, hang, wait or are stopped are seen in sellometer.health, with what helps; who listens hears of it though the
# worker can't tell; and what keeps happening is logged once.

use strict;
use warnings FATAL => 'all';

use POSIX qw(mkfifo);
use PostgreSQL::Test::Utils;
use SlmListen;
use SlmTest;
use Test::More;

my $node = slm_node('stuck', conf => <<'CONF');
fsync = off
sellometer.database = 'shop, nowhere, closed, plain'
sellometer.poll_interval = '50ms'
sellometer.retry_delay = '50ms'
sellometer.stuck_after = '1s'
sellometer.max_parse_workers = 2
CONF
my $in = slm_directory($node, 'in');

sub value { return $node->safe_psql('shop', $_[0]); }

# Wait until a thing is so severe; then it says this.
sub says
{
	my ($thing, $severity, $pattern, $name) = @_;

	wait_until($node, "SELECT EXISTS (SELECT FROM sellometer.health WHERE name = '$thing' AND severity = '$severity')");
	like(value(qq{SELECT detail || coalesce('; hint: ' || hint, '') FROM sellometer.health WHERE name = '$thing'}), $pattern, $name) if defined $pattern;
	return;
}

sub is_well
{
	my ($thing, $name) = @_;

	wait_until($node, "SELECT severity = 'ok' FROM sellometer.health WHERE name = '$thing'");
	pass("$name: $thing is well again");
	return;
}

sub logged
{
	my ($pattern) = @_;
	my @lines = grep { /$pattern/ } split(/\n/, slurp_file($node->logfile));

	return scalar(@lines);
}

sub wait_for_value
{
	my ($sql, $ok, $name) = @_;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my $value = value($sql);

		return $value if $ok->($value);
		select(undef, undef, undef, 0.1);
	}
	die "waited in vain: $name";
}

# --- databases without a worker ---

$node->safe_psql('postgres', 'CREATE DATABASE closed ALLOW_CONNECTIONS false');
$node->safe_psql('postgres', 'CREATE DATABASE plain');
value(q{CREATE ROLE viewer LOGIN; SELECT sellometer_grant_reader('viewer')});
says('worker of nowhere', 'warning', qr/^no worker runs for that database: database "nowhere" does not exist \(SQLSTATE 3D000\), \d+ in a row.*hint: Create it, or take it out of sellometer\.database/,
	'a database that is named and does not exist');
wait_until($node, q{SELECT sqlstate = '55000' FROM sellometer.worker_entries() WHERE database = 'closed'});
says('worker of closed', 'warning', qr/database "closed" is not currently accepting connections.*hint: ALTER DATABASE … ALLOW_CONNECTIONS true/, 'one that takes no connections');
says('worker of plain', 'info', qr/that database does not have the extension.*hint: CREATE EXTENSION sellometer there/, 'one without the extension');
is(value(q{SELECT ok FROM sellometer_check() WHERE name = 'worker of nowhere'}), 'f', '... sellometer_check() too');
is(value(q{SET ROLE viewer; SELECT detail ~ '^no worker runs for that database: an error \(SQLSTATE 3D000\)' FROM sellometer.health WHERE name = 'worker of nowhere'}), 't', '... a reader sees no message');
wait_until($node, q{SELECT failures >= 3 FROM sellometer.worker_entries() WHERE database = 'nowhere'});
is(logged(qr/FATAL:.*database "nowhere" does not exist/), 1, 'what keeps failing is logged once, then counted');
cmp_ok(logged(qr/"sellometer worker for nowhere".*exited/), '<=', 1, '... its end too');
$node->safe_psql('postgres', 'CREATE DATABASE nowhere');
$node->safe_psql('postgres', 'ALTER DATABASE closed ALLOW_CONNECTIONS true');
says('worker of nowhere', 'info', qr/does not have the extension/, 'once it exists it has a worker');
says('worker of closed', 'info', qr/does not have the extension/, '... and once it takes connections');
$node->safe_psql('plain', 'CREATE EXTENSION sellometer');
is_well('worker of plain', 'the extension is created');
like($node->safe_psql('plain', q{SELECT string_agg(name || ' ' || severity, ', ' ORDER BY name) FROM sellometer.health WHERE name ~ '^worker'}),
	qr/^worker ok, worker of closed info, worker of nowhere info, worker of shop ok$/, 'each database tells of all workers');
value('DROP EXTENSION sellometer');
wait_until($node, q{SELECT severity = 'info' FROM sellometer.health WHERE name = 'worker of shop'}, 'plain');
pass('the extension is dropped while its worker runs: others see it');
value(q{CREATE EXTENSION sellometer; SELECT sellometer_grant_reader('viewer')});
$node->safe_psql('plain', 'DROP EXTENSION sellometer');
value("SELECT sellometer_add_source('web', 'file://$in/')");

# --- an extension of another version ---

value(q{UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'sellometer'});
says('loading', 'critical', qr/differ in version/, 'an extension of another version');
value(q{UPDATE pg_extension SET extversion = (SELECT default_version FROM pg_available_extensions WHERE name = 'sellometer') WHERE extname = 'sellometer'});
is_well('loading', 'the version fits');

# --- a worker that is stopped ---

my $listener = SlmListen->new($node);

sub heard
{
	my ($action, $name) = @_;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		$listener->ask('CALL sellometer_detect()');
		last if $listener->heard =~ /"key": "worker"[^\n]*"action": "$action"/;
		select(undef, undef, undef, 0.1);
	}
	is(scalar(() = $listener->heard =~ /"key": "worker"[^\n]*"action": "$action"/g), 1, "$name, once");
	return;
}

my $pid = backend_pid($node, 'sellometer worker');
is_well('worker', 'nothing has happened');
kill 'STOP', $pid;
says('worker', 'critical', qr/^process $pid has given no sign of life since .*; it is stopped; hint: On the server, kill -CONT $pid has it go on\.$/, 'a worker that is stopped');
is(value(q{SELECT since BETWEEN now() - interval '2 minutes' AND now() FROM sellometer.health WHERE name = 'worker'}), 't', '... since when');
is(value(q{SELECT ok FROM sellometer_check() WHERE name = 'worker'}), 'f', '... sellometer_check() too');
is(value(q{SET ROLE viewer; SELECT detail ~ 'it is stopped' FROM sellometer.health WHERE name = 'worker'}), 't', '... and readers');
heard('opened', 'who listens hears of it, by detect');
kill 'CONT', $pid;
is_well('worker', 'it goes on');
heard('closed', '... and that it is well');

my $launcher = value(q{SELECT pid FROM sellometer.signs_of_life() WHERE process = 'launcher'});
kill 'STOP', $launcher;
says('launcher', 'critical', qr/process $launcher .*it is stopped/, 'a launcher that is stopped');
kill 'CONT', $launcher;
is_well('launcher', 'it goes on');

# --- one that waits for a lock, and one that hangs in a call ---

my $blocker = $node->background_psql('shop', on_error_stop => 1);
my $blocking = $blocker->query_safe('BEGIN; LOCK TABLE sellometer.objects IN EXCLUSIVE MODE; SELECT pg_backend_pid()');
write_object($in, '2019-10-01-00-01.csv', csv(event(event_time => '2019-10-01 00:01:00')));
says('worker', 'critical', qr/it waits for a lock of process $blocking; hint: .*pg_terminate_backend\($blocking\)/, 'a worker that waits for a lock');
$blocker->query_safe('COMMIT');
is_well('worker', 'the lock is free');

# As where a network file system does not answer: nobody writes to this pipe.
my $fifo = $node->basedir . '/pipe';
mkfifo($fifo, 0600) or die "mkfifo: $!";
value(qq{CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS \$\$BEGIN PERFORM pg_read_file('$fifo'); RETURN NULL; END\$\$;
	CREATE TRIGGER hang BEFORE INSERT OR UPDATE ON sellometer.totals FOR EACH STATEMENT EXECUTE FUNCTION hang()});
write_object($in, '2019-10-01-00-02.csv', csv(event(event_time => '2019-10-01 00:02:00')));
says('worker', 'critical', qr/at: apply; it is in a call of the operating system.*hint: Do the file systems/, 'a worker that hangs in a call');
# what hangs has the old function in hand
value('CREATE OR REPLACE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$');
open(my $pipe, '>', $fifo) or die "open: $!";
close($pipe);
is_well('worker', 'the call returns');
wait_until($node, q{SELECT count(*) = 2 AND bool_and(state = 'done') FROM sellometer.objects});
value('DROP FUNCTION hang CASCADE');

# --- parse workers ---

sub surge
{
	my ($hour) = @_;
	my $holder = $node->background_psql('shop', on_error_stop => 1);

	$holder->query_safe('BEGIN; SELECT sellometer.hold_loading()');
	$node->safe_psql('postgres', q{ALTER SYSTEM SET sellometer.surge_bytes = '1kB'; SELECT pg_reload_conf()});
	for my $i (1 .. 50)
	{
		write_object($in, "2019-10-01-$hour-00-$i.csv", csv(map { event(event_time => "2019-10-01 $hour:00:00", product_id => $i, user_session => "s$_") } 1 .. 40));
	}
	return $holder;
}

my $holder = surge('02');
wait_until($node, q{SELECT count(*) = 2 FROM sellometer.signs_of_life() WHERE process = 'parse worker'});
is(value(q{SELECT severity || ': ' || detail FROM sellometer.health WHERE name = 'parse workers'}), 'ok: 2 run', 'parse workers run');
my $parser = value(q{SELECT min(pid) FROM sellometer.signs_of_life() WHERE process = 'parse worker'});
kill 'STOP', $parser;
says('parse workers', 'critical', qr/^process $parser .*it is stopped; hint: .*kill -CONT $parser/, 'a parse worker that is stopped');
kill 'CONT', $parser;
is_well('parse workers', 'it goes on');
$holder->query_safe('COMMIT');
$holder->quit;
wait_until($node, q{SELECT bool_and(state = 'done') FROM sellometer.objects});
$listener->finish;
$blocker->quit;

# --- no room for more processes ---

# pg_cron, the launchers of sellometer and logical replication, and two more
$node->append_conf('postgresql.conf', 'max_worker_processes = 5');
$node->restart;
says('worker of plain', 'warning', qr/no background worker is free \(SQLSTATE 53400\).*hint: Raise max_worker_processes/, 'a worker for which there is no room');
$holder = surge('03');
says('parse workers', 'warning', qr/^a surge is on, and 2 of 2 could not be started; hint: Raise max_worker_processes/, 'parse workers for which there is none');
$holder->query_safe('COMMIT');
$holder->quit;
wait_until($node, q{SELECT count(*) = 102 AND bool_and(state = 'done') FROM sellometer.objects});
pass('... and all is loaded without');

# --- no list of names ---

$node->append_conf('postgresql.conf', q{sellometer.database = 'shop, "plain'});
$node->restart;
like(value(q{SELECT detail, hint FROM sellometer.health WHERE name = 'worker'}), qr/^no worker runs for database shop, sellometer\.database is 'postgres'\|Add shop to sellometer\.database/, 'what is no list of names is not taken');
is(logged(qr/invalid value for parameter "sellometer\.database"/), 1, '... which is logged');
$node->stop;
done_testing();
