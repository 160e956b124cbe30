# An object of wrong times, taken out again: what is live, late and final is as if it had never been there.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmTest;
use Test::More;

# No worker: each case says when there is a look.
my $node = slm_node('head', conf => "fsync = off\nlog_checkpoints = off\nsellometer.database = ''\n");
my %dir = map { $_ => slm_directory($node, $_) } qw(in now out);

sub value { my ($sql, $db) = @_; return $node->safe_psql($db // 'shop', "SET client_min_messages = warning; $sql"); }

sub call { my ($db, @names) = @_; value("CALL sellometer_$_()", $db) foreach (@names); return; }

my $n = 0;
# Rows of a minute: views, purchases, something that stays in a cart.
sub rows
{
	my ($minute) = @_;
	my @rows;

	for my $i (10 .. 16)
	{
		$n++;
		push @rows, event(event_time => "$minute:$i", user_session => "s$n", product_id => $i),
		  event(event_time => "$minute:$i", user_session => "s$n", product_id => $i, event_type => 'cart');
		push @rows, event(event_time => "$minute:$i", user_session => "s$n", product_id => $i, event_type => 'purchase') if $i % 2;
	}
	return csv(@rows);
}

sub key { my ($minute) = @_; return "$minute.csv" =~ tr/ :/--/r; }

# Where it belongs, in the source and in the directory of what a fresh database sees.
sub put
{
	my ($minute) = @_;

	write_object($dir{now}, key($minute), rows($minute));
	link_object($dir{now}, $dir{in}, key($minute));
	return;
}

sub state_of { return value("SELECT state FROM sellometer.objects WHERE key = '$_[0]' ORDER BY id DESC LIMIT 1"); }

my $HEADS = q{SELECT (SELECT head FROM sellometer.state), (SELECT head FROM sellometer.sources)};

sub series { my ($from, $step) = @_; return "SELECT * FROM sellometer_series('product_id', 'purchase', NULL, '2019-10-01 $from', '2019-10-01 13:00', '$step') ORDER BY 1"; }

# As a database that has never seen the wrong one; minutes and carts from some time on, as those before were pruned.
sub same_as_fresh
{
	my ($name, $minutes_from, @but) = @_;
	my %ask = (heads => $HEADS, 'what is final, by the hour' => series('10:00', '1 hour'), 'what is final, by the minute' => series($minutes_from, '1 minute'),
		hours => q{SELECT event_time, product_id, event_type, count, gmv FROM sellometer.product_id_hour
			WHERE event_time < '2019-10-01 11:00Z' ORDER BY 1, 2, 3},
		carts => qq{SELECT c.*, s.state FROM sellometer.carts c JOIN sellometer.cart_states s USING (user_session, product_id)
			WHERE c.cart_at >= '2019-10-01 $minutes_from' ORDER BY 1, 2});

	delete @ask{@but};
	value('CREATE DATABASE fresh', 'postgres');
	value('CREATE EXTENSION sellometer', 'fresh');
	value("SELECT sellometer_add_source('a', 'file://$dir{now}/')", 'fresh');
	call('fresh', qw(ingest merge_backlog rollup prune));
	call('shop', qw(rollup prune));
	is(value($ask{$_}), value($ask{$_}, 'fresh'), "$name: $_") foreach (sort keys %ask);
	is(value(q{SELECT string_agg(name || ': ' || detail, '; ') FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)'
		AND name NOT IN ('preload', 'worker', 'pg_cron')}), '',
		"$name: sellometer_check() agrees");
	value('DROP DATABASE fresh', 'postgres');
	return;
}

value("SELECT sellometer_add_source('a', 'file://$dir{in}/')");
put("2019-10-01 10:$_") foreach (qw(00 10 20 30));
call('shop', qw(ingest merge_backlog rollup));
my $before = value($HEADS);

# --- nineteen days ahead: minutes are pruned, live files are late ---

write_object($dir{in}, 'wrong.csv', rows('2019-10-20 12:00'));
call('shop', qw(ingest rollup prune));
is(value("SELECT head > '2019-10-20' FROM sellometer.state"), 't', 'the head has gone on');
is(value('SELECT count(*) FROM sellometer.product_id_minute WHERE event_time < \'2019-10-02\''), '0', 'minutes are gone');
put('2019-10-01 10:40');
call('shop', qw(ingest));
is(state_of(key('2019-10-01 10:40')), 'backlog', 'what is live is taken for late');
put('2019-10-01 10:35');
call('shop', qw(ingest));
value("UPDATE sellometer.objects SET next_attempt = 'infinity' WHERE key = '" . key('2019-10-01 10:40') . "'");
call('shop', qw(merge_backlog));
is(state_of(key('2019-10-01 10:35')), 'done', 'some of it is merged as such');
is(value("SELECT sellometer_unload('a', 'wrong.csv')"), '17', 'it is taken out');
is(state_of(key('2019-10-01 10:40')), 'pending', 'what was late is live again');
value("UPDATE sellometer.objects SET next_attempt = NULL WHERE state = 'pending'");
is(value("SELECT head BETWEEN '2019-10-01 10:35' AND '2019-10-01 10:36' FROM sellometer.state"), 't', 'the head is where the others are');
call('shop', qw(ingest));
put("2019-10-01 10:$_") foreach (qw(45 50));
put('2019-10-01 11:20');
call('shop', qw(ingest));
is(state_of(key("2019-10-01 $_")), 'done', "what comes then is loaded at once: $_") foreach (qw(10:40 10:45 10:50 11:20));
same_as_fresh('taken out', '10:36');

# --- one that is not the newest, the newest, and the last of all ---

$before = value($HEADS);
value("SELECT sellometer_unload('a', '" . key('2019-10-01 10:20') . "')");
unlink("$dir{now}/" . key('2019-10-01 10:20')) or die $!;
is(value($HEADS), $before, 'an older one does not move the head');
value("SELECT sellometer_unload('a', '" . key('2019-10-01 11:20') . "')");
unlink("$dir{now}/" . key('2019-10-01 11:20')) or die $!;
isnt(value($HEADS), $before, 'the newest does');
same_as_fresh('without the newest', '10:36', 'hours');	# a fresh one has not added them up yet
value('CREATE DATABASE none', 'postgres');
value("CREATE EXTENSION sellometer; SELECT sellometer_add_source('a', 'file://$dir{now}/')", 'none');
call('none', qw(ingest rollup));
value("SELECT sellometer_unload('a', key) FROM (SELECT key FROM sellometer.objects WHERE state = 'done' ORDER BY id) o", 'none');
is(value($HEADS, 'none'), '|', 'with nothing there is no head');
is(value('SELECT count(*) FROM sellometer.product_id_hour', 'none'), '0', '... and nothing is counted');

# --- eight months ahead: hours are pruned too, rows expire ---

write_object($dir{in}, 'far.csv', rows('2020-06-01 12:00'));
call('shop', qw(ingest rollup prune));
put('2019-10-01 11:30');
call('shop', qw(ingest merge_backlog));
is(value("SELECT rows_expired > 0 FROM sellometer.objects WHERE key = '" . key('2019-10-01 11:30') . "'"), 't', 'rows of now are older than what is kept');
value("CALL sellometer_unload_in_steps('a', 'far.csv')");
is(value($HEADS), join('|', (value("SELECT max(head) FROM sellometer.objects")) x 2), 'the head is where the others are');
value("SELECT sellometer_retry('a', '" . key('2019-10-01 11:30') . "')");
value("SELECT sellometer_replay('a', '2019-10-01 10:00Z', '2019-10-01 13:00Z')");
put('2019-10-01 11:40');
put('2019-10-01 12:10');
call('shop', qw(ingest));
is(state_of(key("2019-10-01 $_")), 'done', "what comes then is loaded at once: $_") foreach (qw(11:40 12:10));
# what was pruned is back by a replay; that it is whole nobody says
same_as_fresh('taken out of hours', '11:31', 'what is final, by the hour');

# --- the wrong content under a key that is archived, exchanged for the right one; the times in keys are an hour off ---

my $off = slm_directory($node, 'off');
value("SELECT sellometer_add_source('off', 'file://$off/', archive_url => 'file://$dir{out}/')");
write_object($off, "2019-12-01-10-$_.csv", rows("2019-12-01 11:$_")) foreach (qw(00 05 10 15));
call('shop', qw(ingest merge_backlog));
is(value("SELECT key_offset FROM sellometer.sources WHERE name = 'off'"), '01:00:00', 'keys are an hour off');
write_object($off, '2019-12-01-10-20.csv', rows('2019-12-01 21:20'));
write_object($off, '2019-12-01-20-30.csv', rows('2019-12-01 21:30'));
call('shop', qw(ingest merge_backlog rollup));
write_object($off, '2019-12-01-23-30.csv', rows('2019-12-02 00:30'));
call('shop', qw(ingest merge_backlog rollup archive));
is(state_of('2019-12-01-10-20.csv'), 'archived', 'an object of wrong times is archived');
write_object($off, '2019-12-01-10-20.csv', rows('2019-12-01 11:20'));
call('shop', qw(ingest));
value("SELECT sellometer_retry('off', '2019-12-01-10-20.csv', replace => true)");
is(value("SELECT state, object_time FROM sellometer.objects WHERE key = '2019-12-01-10-20.csv' ORDER BY id DESC LIMIT 1"), 'done|2019-12-01 11:20:00+00',
	'the right one has the time of its key, as far as this is off');

$node->stop;
done_testing();
