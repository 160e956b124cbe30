# A disk that is really full: of the database, of archives, of the WAL.  It is said, once and to all who listen; no object is given up; and
# when there is room again all is loaded.
# The server crashes on purpose here.

use strict;
use warnings FATAL => 'all';

use SlmDisk tables => 64, archive => 4, wal => 96;

use PostgreSQL::Test::Utils;
use SlmListen;
use SlmTest;
use Test::More;

my $node = slm_node('full', start => 0, conf => <<'CONF');
fsync = off
sellometer.poll_interval = '50ms'
sellometer.retry_delay = '50ms'
min_wal_size = 32MB
max_wal_size = 32MB
CONF
my $in = slm_directory($node, 'in');
my $tables = disk('tables') . '/tables';
my $out = disk('archive') . '/out';
my $wal = disk('wal') . '/wal';

sub value { return $node->safe_psql('shop', $_[0]); }

sub says
{
	my ($thing, $severity, $pattern, $name) = @_;

	wait_until($node, "SELECT EXISTS (SELECT FROM sellometer.health WHERE name = '$thing' AND severity = '$severity')");
	like(value(qq{SELECT detail FROM sellometer.health WHERE name = '$thing'}), $pattern, $name);
	return;
}

# Purchases of so many products, each of one event.
my $events = 0;

sub put
{
	my ($hour, $minute, $products) = @_;

	write_object($in, "2019-10-01-$hour-$minute.csv", csv(map { event(event_time => "2019-10-01 $hour:$minute:00", event_type => 'purchase', product_id => $_, brand => "brand $_") } 1 .. $products));
	$events += $products;
	return;
}

sub all_is_loaded
{
	my ($name) = @_;

	wait_until($node, q{SELECT bool_and(state IN ('done', 'archived')) FROM sellometer.objects});
	wait_until($node, q{SELECT severity = 'ok' FROM sellometer.health WHERE name = 'loading'});
	is(value('SELECT sum(count) FROM sellometer.product_id_minute'), $events, $name);
	return;
}

mkdir $_ or die "mkdir $_: $!" foreach ($tables, $out);
system_or_bail('mv', $node->data_dir . '/pg_wal', $wal);
symlink($wal, $node->data_dir . '/pg_wal') or die "symlink: $!";

$node->start;
$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$tables'");
$node->safe_psql('postgres', 'CREATE DATABASE shop TABLESPACE small');
$node->safe_psql('shop', "CREATE EXTENSION sellometer; SELECT sellometer_add_source('web', 'file://$in/', archive_url => 'file://$out/')");
put('00', '01', 10);
wait_until($node, q{SELECT EXISTS (SELECT FROM sellometer.objects WHERE state = 'done')});
all_is_loaded('there is room');

my $listener = SlmListen->new($node);

sub heard
{
	my ($key, $action, $name) = @_;
	my $wanted = qr/"key": "\Q$key\E"[^\n]*"action": "$action"/;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		value('SELECT sellometer_wake()');
		$listener->ask('SELECT 1');
		last if $listener->heard =~ $wanted;
		select(undef, undef, undef, 0.1);
	}
	is(scalar(() = $listener->heard =~ /$wanted/g), 1, $name);
	return;
}

# --- the disk of the tables ---

my $seen = -s $node->logfile;
fill('tables');
# in an hour of its own: its tables are made, and rolled back, each time
put('01', '02', 30_000);
put('01', '03', 30_000);
says('loading', 'critical', qr/No space left on device \(SQLSTATE 53100\), \d+ in a row/, 'a full disk');
heard('loading', 'opened', '... who listens hears of it, once');
wait_until($node, q{SELECT failures >= 5 FROM sellometer.process_entries() WHERE name = 'load'});
is(value(q{SELECT string_agg(DISTINCT state::text || ' ' || attempts, ', ') FROM sellometer.objects WHERE key > '2019-10-01-00-01.csv'}), 'pending 0', '... no attempt counts');
cmp_ok(scalar(() = slurp_file($node->logfile, $seen) =~ /sellometer worker  ERROR: /g), '<=', 2, '... it is logged once, whichever file can\'t grow');
is(value(q{SELECT ok FROM sellometer_check() WHERE name = 'loading'}), 'f', '... sellometer_check() too');
is(value('SELECT sum(count) FROM sellometer.product_id_minute'), 10, '... what there is is shown');
make_room('tables');
all_is_loaded('when there is room all is loaded');
heard('loading', 'closed', '... and told');

# --- the disk of archives ---

put('03', '00', 1);
wait_until($node, q{SELECT EXISTS (SELECT FROM sellometer.objects WHERE key = '2019-10-01-03-00.csv')});
all_is_loaded('more to archive');
fill('archive');
my ($status, $stdout, $stderr) = $node->psql('shop', 'CALL sellometer_archive()');
like($stderr, qr/No space left on device/, 'a full disk of archives');
says('procedure archive', 'warning', qr/No space left on device/, '... health says so');
heard('procedure archive', 'opened', '... who listens hears of it');
is(value(q{SELECT string_agg(DISTINCT state::text, ', ') FROM sellometer.objects}), 'done', '... nothing is archived, nor failed');
is(join(' ', map { s/.*\///r } glob("$out/* $out/.[!.]*")), '', '... and nothing is left behind there');
make_room('archive');
value('CALL sellometer_archive()');
is(value(q{SELECT string_agg(key || ' ' || state, ', ' ORDER BY key) FROM sellometer.objects WHERE state = 'done'}), '2019-10-01-03-00.csv done', 'when there is room it is archived');
is(value(q{SELECT severity FROM sellometer.health WHERE name = 'procedure archive'}), 'ok', '... and well');
$listener->finish;

# --- the disk of the WAL ---

fill('wal');
$node->psql('shop', 'SELECT pg_logical_emit_message(true, $$x$$, repeat($$x$$, 1000000)) FROM generate_series(1, 200)');
for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	last if !-e $node->data_dir . '/postmaster.pid';
	select(undef, undef, undef, 0.1);
}
like(slurp_file($node->logfile), qr/PANIC:.*No space left on device/, 'PostgreSQL itself stops where WAL can\'t be written');
put('03', '04', 1000);
make_room('wal');
$node->_update_pid(0);
$node->start;
wait_until($node, q{SELECT EXISTS (SELECT FROM sellometer.objects WHERE key = '2019-10-01-03-04.csv')});
all_is_loaded('started again, all is loaded, once');
$node->stop;
done_testing();
