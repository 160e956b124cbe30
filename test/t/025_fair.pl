# One source that drips, hangs, is dead, is huge or fails keeps no other waiting, and what its trouble has cost comes back.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmS3;
use SlmTest;
use Test::More;
use Time::HiRes qw(time sleep);

delete $ENV{$_} foreach (grep { /^AWS_/ || /_proxy$/i } keys %ENV);

my $LISTED = 20000;
my $FILES = 40;
my $fake = SlmS3->fake;
my $node = slm_node('fair', conf => <<'CONF');
fsync = off
sellometer.poll_interval = 200ms
sellometer.live_lateness = 1h
sellometer.retry_limit = 3
sellometer.retry_delay = 50ms
sellometer.max_parse_workers = 2
CONF

$fake->create_server($node, 'shop', 's3');
$fake->create_server($node, 'shop', 'hasty', stall_timeout => 2, connect_timeout => 2, retry_timeout => 1);
$fake->create_server($node, 'shop', 'nowhere', endpoint => 'http://127.0.0.1:1');

sub value { return $node->safe_psql('shop', $_[0]); }

# How many of the server's threads are at a request, without this one.
sub running { return $fake->control('running') - 1; }

sub wait_for
{
	my ($condition, $what) = @_;

	for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return pass($what) if $condition->();
		sleep(0.05);
	}
	return fail($what);
}

my $csv = csv(event(event_time => '2019-10-01 00:10:00 UTC'));
my $good = slm_directory($node, 'good');
my %longest;

# Put files into the good source, and see how long each takes to be loaded.
sub p99
{
	my ($name) = @_;

	for my $i (1 .. $FILES)
	{
		write_object($good, "$name-$i.csv", csv(event(event_time => '2019-10-01 00:10:00 UTC', user_session => "$name-$i")));
		sleep(0.15);
	}
	wait_until($node, "SELECT count(*) = $FILES AND bool_and(state = 'done') FROM sellometer.objects WHERE source = 'good' AND key ~ '^$name-'");
	return value("SELECT round(extract(epoch FROM percentile_disc(0.99) WITHIN GROUP (ORDER BY ingested_at - last_modified)) * 1000) "
		  . "FROM sellometer.objects WHERE source = 'good' AND key ~ '^$name-'");
}

# Sources that can't be listed are no sources that can be added: they have turned bad later.
sub source
{
	my ($name, $url, $server) = @_;

	value("INSERT INTO sellometer.sources (name, url, server) VALUES ('$name', '$url', '$server'); SELECT sellometer_wake()");
	return;
}

value("SELECT sellometer_add_source('good', 'file://$good/')");

# A machine that is busy with something else is slow without any of what follows, too.
my $limit = 3000 + p99('nothing');

# --- lists ---

source('drips', 's3://drip/', 's3');
source('hangs', 's3://hang/', 's3');
source('dead', 's3://any/', 'nowhere');
source('goes_round', 's3://abab/', 's3');
source('full', "s3://pages$LISTED/", 's3');
source('unending', 's3://unending/', 's3');
my $p99 = p99('lists');
cmp_ok($p99, '<', $limit, "beside sources whose lists drip, hang, fail, go round, are long and have no end: p99 is $p99 ms");
wait_until($node, "SELECT count(*) = $LISTED FROM sellometer.objects WHERE source = 'full'");
pass('the long list comes to its end');
wait_until($node, q{SELECT last_error ~ 'bring keys again' FROM sellometer.sources WHERE name = 'goes_round'});
pass('the one that goes round is told by name');
value("SELECT sellometer_drop_source(name) FROM sellometer.sources WHERE name <> 'good'");
wait_for(sub { running() <= 1 }, 'requests of sources that are gone end at once');	# but for the one that hangs, who does not notice

# Many lists without an end: one of them has a turn at a time.
source("unending-$_", "s3://unending-$_/", 's3') foreach (1 .. 20);
$p99 = p99('many');
cmp_ok($p99, '<', $limit, "beside twenty lists without an end: p99 is $p99 ms");
is(value(q{SELECT count(DISTINCT source) FROM sellometer.objects WHERE source ~ '^unending-'}), '20', '... all of which come on');
value("SELECT sellometer_drop_source(name) FROM sellometer.sources WHERE name <> 'good'");

# --- objects ---

value('DELETE FROM sellometer.objects WHERE source <> ' . "'good'");
$fake->put("shelf/drip-10/2019-10-01-00-10-$_.csv", $csv) foreach (1 .. 5);
$fake->put("shelf/hang/2019-10-01-00-10-$_.csv", $csv) foreach (1 .. 3);
$fake->put("shelf/slow/large.csv", csv(map { event(event_time => '2019-10-01 00:10:00 UTC', user_session => "s$_") } 1 .. 8000));
value("SELECT sellometer_add_source('drips', 's3://shelf/drip-10/', 's3'); SELECT sellometer_add_source('hangs', 's3://shelf/hang/', 's3'); "
	  . "SELECT sellometer_add_source('slow', 's3://shelf/slow/', 's3')");
$p99 = p99('objects');
cmp_ok($p99, '<', $limit, "beside sources whose objects drip, hang and are slow: p99 is $p99 ms");
wait_until($node, q{SELECT count(*) = 1 FROM sellometer.objects WHERE source = 'slow' AND state = 'done' AND rows_total = 8000});
pass('the slow one is loaded');
wait_until($node, q{SELECT count(*) = 5 FROM sellometer.objects WHERE source = 'drips' AND state = 'done'});
pass('those that drip are, as they come');
value("SELECT sellometer_enable_source('hangs', false); SELECT sellometer_drop_source('slow'); SELECT sellometer_drop_source('drips')");

# A file of absurd size, without a byte in it, is not looked at; one that is not absurd is read from turn to turn.
my $sparse = slm_directory($node, 'sparse');

open(my $file, '>', "$sparse/2019-10-01-00-10-1.csv") or die "open: $!";
truncate($file, 400 * 1024 ** 3) or die "truncate: $!";
open($file, '>', "$sparse/2019-10-01-00-10-2.csv") or die "open: $!";
truncate($file, 60 * 1024 ** 3) or die "truncate: $!";
close($file);
value("SELECT sellometer_add_source('sparse', 'file://$sparse/')");
$p99 = p99('sparse');
cmp_ok($p99, '<', $limit, "beside a file of 60 GB without anything in it: p99 is $p99 ms");
like(value(q{SELECT state || ': ' || error FROM sellometer.objects WHERE source = 'sparse' AND key ~ '-1.csv'}),
	qr/^failed: the object has 429496729600 bytes, more than sellometer.max_object_bytes/, 'one of 400 GB fails by its size');
value("SELECT sellometer_drop_source('sparse')");

# --- an outage ---

for my $surge ('256MB', '1kB')
{
	my $name = $surge eq '1kB' ? 'workers' : 'alone';
	my $dir = slm_directory($node, $name);
	my $count = 300;

	write_object($dir, "2019-10-01-00-10-$_.csv", csv(event(event_time => '2019-10-01 00:10:00 UTC', user_session => "$name$_"))) foreach (1 .. $count);
	chmod(0, map { "$dir/2019-10-01-00-10-$_.csv" } 1 .. $count);
	value("ALTER SYSTEM SET sellometer.surge_bytes = '$surge'");
	value("SELECT pg_reload_conf(); SELECT sellometer_add_source('$name', 'file://$dir/')");
	wait_until($node, "SELECT unreadable_since IS NOT NULL FROM sellometer.sources WHERE name = '$name'");
	# whoever has waited so long has tried more often than retry_limit allows
	$p99 = p99("beside-$name");
	cmp_ok($p99, '<', $limit, "$name: beside a source none of whose objects can be read p99 is $p99 ms");
	is(value("SELECT count(*) FROM sellometer.objects WHERE source = '$name' AND state = 'failed'"), '0', '... none of them fails for good');
	wait_until($node, 'SELECT NOT bool_or(surge) FROM sellometer.status');
	pass('... and what can not be read is no surge');
	chmod(0644, map { "$dir/2019-10-01-00-10-$_.csv" } 1 .. $count);
	wait_until($node, "SELECT count(*) = $count AND bool_and(state = 'done') FROM sellometer.objects WHERE source = '$name'");
	is(value("SELECT unreadable_since FROM sellometer.sources WHERE name = '$name'"), '', '... all are loaded when it is back');
}

# One that was given up because its source was in trouble, though nobody knew, is due when the source is back.
my $lost = slm_directory($node, 'lost');

write_object($lost, '2019-10-01-00-10-1.csv', csv(event(event_time => '2019-10-01 00:10:00 UTC', user_session => 'lost')));
chmod(0, "$lost/2019-10-01-00-10-1.csv");
value("SELECT sellometer_add_source('lost', 'file://$lost/')");
wait_until($node, "SELECT state = 'failed' AND error ~ 'given up' FROM sellometer.objects WHERE source = 'lost'");
rename($lost, "$lost.away") or die "rename: $!";
wait_until($node, "SELECT last_error IS NOT NULL FROM sellometer.sources WHERE name = 'lost'");
chmod(0644, "$lost.away/2019-10-01-00-10-1.csv");
rename("$lost.away", $lost) or die "rename: $!";
wait_until($node, "SELECT state = 'done' FROM sellometer.objects WHERE source = 'lost'");
pass('what was given up is loaded when the source is back');

# --- what waits in disabled sources costs nothing ---

value("INSERT INTO sellometer.sources (name, url, enabled) VALUES ('off', 'file:///nowhere/', false); "
	  . "INSERT INTO sellometer.objects (source, key, etag, size, last_modified, object_time) "
	  . "SELECT 'off', i::text, i::text, 1000000, now(), '2019-01-01'::timestamptz + i * interval '1 s' FROM generate_series(1, 100000) i; "
	  . 'ANALYZE sellometer.objects');
$p99 = p99('off');
cmp_ok($p99, '<', $limit, "beside 100 GB that wait in a disabled source p99 is $p99 ms");
is(value('SELECT bool_or(surge) FROM sellometer.status'), 'f', '... and they are no surge');
is(value("SELECT count(*) FROM sellometer.objects WHERE source = 'off' AND state = 'pending'"), '100000', '... nor looked at');

# --- what is of long ago keeps what is not waiting for one batch at most, however many sources have such ---

$node->safe_psql('postgres', 'CREATE DATABASE turns');
$node->safe_psql('turns', "CREATE EXTENSION sellometer; SELECT sellometer_alter_tier('minute', '2 hours')");
my $call = sub {
	my ($status, $out, $err) = $node->psql('turns', 'SET client_min_messages = debug1; CALL sellometer_ingest()');

	return join(' ', $err =~ /applied (\d+) rows/g);
};
my $now = slm_directory($node, 'now');
my $put = sub {
	my ($dir, $month, $n) = @_;

	write_object($dir, "2019-$month-01-10-00-$n.csv", csv(map { event(event_time => "2019-$month-01 10:00:00 UTC", user_session => "$month $n $_") } 1 .. $n));
};

$put->($now, '10', 1);
$node->safe_psql('turns', "SELECT sellometer_add_source('now', 'file://$now/')");
is($call->(), '1', 'something of today is loaded');
foreach my $month (qw(02 04 06))
{
	my $old = slm_directory($node, "old$month");

	$put->($old, $month, 5);
	$node->safe_psql('turns', "SELECT sellometer_add_source('old$month', 'file://$old/')");
}
$put->($now, '10', 7);
like($call->(), qr/^(?:\d+ )?7\b/, '... and more of it, where three sources have files of other months, as the second batch at the latest');
is($node->safe_psql('turns', "SELECT string_agg(state, ' ' ORDER BY source, key) FROM sellometer.objects"), 'done done backlog backlog backlog',
	'... which are read, too, and found to be late');

is(join("\n", grep { !/passed over/ } unexpected_in_log($node)), '', 'nothing unexpected in the log') if defined &unexpected_in_log;
$node->stop;
done_testing();
