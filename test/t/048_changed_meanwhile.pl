# Something happens to an object while it is loaded: what is decided then must not rest on what was before the load committed.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmTest;
use Test::More;

my $node = slm_node('changed', conf => "fsync = off\nsellometer.database = 'postgres'\nsellometer.retry_delay = 1ms\n");
my $in = slm_directory($node, 'in');
my $KEY = '2019-10-01-00-07-1.csv';

# By nobody who is known: what a user has bought matters to carts, so one that has gone would keep others from being taken out.
sub purchases { return csv(map { event(event_time => '2019-10-01 00:07:00', event_type => 'purchase', product_id => $_, user_id => '') } 1 .. $_[0]); }

sub states
{
	return $node->safe_psql('shop', q{SELECT string_agg(state || ' ' || rows_total || coalesce(' ' || sqlstate, ''), ', ' ORDER BY id)
		FROM sellometer.objects WHERE key = '} . ($_[0] // $KEY) . q{'});
}

sub wait_for_waiting
{
	my ($n) = @_;

	wait_until($node, "SELECT count(*) = $n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'CALL%'");
	return;
}

write_object($in, '2019-10-01-00-06-1.csv', purchases(1));
$node->safe_psql('shop', "SELECT sellometer_add_source('a', 'file://$in/'); CALL sellometer_ingest()");

# Who replays holds the writer's lock to his end.
my ($holder, $first, $second) = map { $node->background_psql('shop', on_error_stop => 1) } 1 .. 3;
$holder->query_safe("BEGIN; SELECT sellometer_replay(NULL, '2019-10-01 00:00+00', '2019-10-01 01:00+00')");
write_object($in, $KEY, purchases(2));
$first->{stdin} .= "CALL sellometer_ingest();\n";
$first->{run}->pump_nb;
wait_for_waiting(1);
write_object($in, $KEY, purchases(3));
$second->{stdin} .= "CALL sellometer_ingest();\n";
$second->{run}->pump_nb;
wait_for_waiting(2);
$holder->query_safe('COMMIT');
$_->query_safe('SELECT 1') foreach ($first, $second);
is(states(), 'done 2, failed 0 55000', 'what was loaded when the change was found is counted, and the new content fails as changed');

# Whoever has let such a one through: it must not hold up others again and again.
$node->safe_psql('shop', "UPDATE sellometer.objects SET state = 'pending', error = NULL, sqlstate = NULL WHERE state = 'failed'");
write_object($in, '2019-10-01-00-07-2.csv', purchases(4));
$node->safe_psql('shop', 'CALL sellometer_ingest()');
is(states(), 'done 2, failed 0 55000', 'one that is tried nevertheless ends as changed');
is(states('2019-10-01-00-07-2.csv'), 'done 4', '... and the others of its batch are loaded');
is($node->safe_psql('shop', 'SELECT sum(count) FROM sellometer.brand_minute'), '7', '... each once');
like($node->safe_psql('shop', "SELECT error FROM sellometer.objects WHERE state = 'failed'"), qr/has changed since it was loaded/, '... and it says so');
is($node->safe_psql('shop', q{SELECT name, detail FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker', 'failed objects', 'unreadable objects')}), '', 'all is well');

# Somebody takes out what is being loaded: that must not count when both are through.
$KEY = '2019-10-01-00-08-1.csv';
$holder->query_safe('BEGIN; SELECT sellometer.hold_loading()');
write_object($in, $KEY, purchases(5));
$first->{stdin} .= "CALL sellometer_ingest();\n";
$first->{run}->pump_nb;
wait_for_waiting(1);
$second->{stdin} .= "CALL sellometer_unload_in_steps('a', '$KEY');\n";
$second->{run}->pump_nb;
wait_for_waiting(2);
$holder->query_safe('COMMIT');
$_->query_safe('SELECT 1') foreach ($first, $second);
is(states(), 'skipped 0', 'what is taken out while it is loaded is skipped');
is($node->safe_psql('shop', 'SELECT sum(count) FROM sellometer.brand_minute'), '7', '... and does not count');

# Nothing of a large object's first part counts, as its views are repeated; and another content comes while its second part is loaded.
if (can_make_chunks_small($node))
{
	my $SMALL = 'SET sellometer.debug_chunk_rows = 100; SET client_min_messages = error;';

	$KEY = '2019-10-01-00-09-1.csv';
	write_object($in, '2019-10-01-00-06-2.csv', csv(map { event(event_time => '2019-10-01 00:06:00', product_id => $_, user_session => 's') } 1 .. 100));
	$node->safe_psql('shop', 'CALL sellometer_ingest()');
	write_object($in, $KEY, csv((map { event(event_time => '2019-10-01 00:09:00', product_id => $_, user_session => 's') } 1 .. 100),
		map { event(event_time => '2019-10-01 01:09:00', event_type => 'purchase', product_id => $_) } 1 .. 50));
	$node->psql('shop', "$SMALL SET sellometer.debug_crash_point = 'large.part:2'; SET sellometer.debug_crash_sqlstate = '53100'; CALL sellometer_ingest()");
	is(states(), 'pending 100', 'a part is loaded of which nothing counts');
	$holder->query_safe('BEGIN; SELECT sellometer.hold_loading()');
	$first->{stdin} .= "$SMALL CALL sellometer_ingest();\n";
	$first->{run}->pump_nb;
	wait_for_waiting(1);
	write_object($in, $KEY, purchases(6));
	$second->{stdin} .= "CALL sellometer_ingest();\n";
	$second->{run}->pump_nb;
	wait_for_waiting(2);
	$holder->query_safe('COMMIT');
	$_->query_safe('SELECT 1') foreach ($first, $second);
	is(states(), 'done 150, failed 0 55000', 'what counts when the second is judged is not put aside');
	is($node->safe_psql('shop', 'SELECT sum(count) FROM sellometer.brand_minute WHERE event_type <> $$view$$'), '57', '... and all that is counted is in the ledger');
}

$_->quit foreach ($holder, $first, $second);
$node->stop;
done_testing();
