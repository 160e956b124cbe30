# sellometer_detect(): what it tells, beside a surge and beside itself.
use strict;
use warnings FATAL => 'all';

use JSON::PP;
use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $node = slm_node('detect', conf => "fsync = off\nsellometer.database = ''\nsellometer.alert_hold = 0\nsellometer.alert_link = 'https://shop.example/%kind?%dimension=%key'\n");

sub in_shop { my ($sql) = @_; return $node->safe_psql('shop', $sql); }

# What a call notifies of: action, key and severity.
sub told
{
	my ($sql) = @_;
	my $output = in_shop("LISTEN sellometer_alert; $sql");
	my @told;

	while ($output =~ /Asynchronous notification "sellometer_alert" with payload "(.*)" received/g)
	{
		push @told, decode_json($1);
	}
	return @told;
}

sub summary { return join(', ', sort map { "$_->{action} $_->{kind} $_->{key} $_->{severity}" } @_); }

in_shop(q{
	UPDATE sellometer.detectors SET enabled = false;
	CREATE TABLE found (LIKE sellometer.alerts);
	CREATE FUNCTION sellometer.detect_test(head timestamptz) RETURNS SETOF sellometer.hinted_finding LANGUAGE sql AS
		'SELECT severity, dimension, key, event_time, observed, expected, score, detail, hint, began FROM public.found';
	INSERT INTO sellometer.detectors VALUES ('test');
	UPDATE sellometer.state SET head = '2019-10-01 10:00+00';
	ALTER TABLE found ALTER id DROP NOT NULL, ALTER kind DROP NOT NULL, ALTER opened_at DROP NOT NULL, ALTER updated_at DROP NOT NULL});

# Opened, worsened, closed; an update alone is not told
in_shop(q{INSERT INTO found (severity, dimension, key, event_time, observed, expected, score, detail, hint)
	VALUES ('warning', 'product_id', '7', '2019-10-01 10:00+00', 9.90, 99.00, 12.5, E'it''s "9.90"\n', 'look')});
my @told = told('CALL sellometer_detect()');
is(summary(@told), 'opened test 7 warning', 'opening is told');
my $payload = $told[0];
delete $payload->{id};
is_deeply($payload, {action => 'opened', kind => 'test', severity => 'warning', dimension => 'product_id', key => '7',
	event_time => '2019-10-01T10:00:00+00:00', observed => 9.90, expected => 99.00, score => 12.5, detail => qq{it's "9.90"\n},
	hint => 'look', link => 'https://shop.example/test?product_id=7', began => '2019-10-01T10:00:00+00:00'},
	'with all that is known') or diag(explain($payload));
is(summary(told('UPDATE found SET observed = 8; CALL sellometer_detect()')), '', 'an update is not told');
is(summary(told(q{UPDATE found SET severity = 'critical'; CALL sellometer_detect()})), 'worsened test 7 critical', 'worsening is');
is(summary(told(q{UPDATE found SET severity = 'warning'; CALL sellometer_detect()})), '', 'getting better is not');
is(summary(told(q{UPDATE found SET severity = 'critical'; CALL sellometer_detect()})), '', 'nor is getting as bad as it was');
is(summary(told(q{UPDATE found SET severity = 'warning'; CALL sellometer_detect()})), '', '... or better again');
is(summary(told(q{SELECT sellometer_mute('test', '7')})), 'closed test 7 warning', 'muting closes');
is(summary(told('CALL sellometer_detect()')), '', 'what is muted is not told');
is(summary(told(q{SELECT sellometer_mute('test', '7', NULL); CALL sellometer_detect()})), 'opened test 7 warning', 'no longer muted');
is(summary(told('DELETE FROM found; CALL sellometer_detect()')), 'closed test 7 warning', 'closing is told');

# What comes and goes: closed when it was not found for ten minutes of event time; the next time an hour
my $minute = 0;
sub after
{
	my ($minutes, $is) = @_;

	$minute += $minutes;
	return summary(told(join('; ', 'SET sellometer.alert_hold = 600', 'DELETE FROM found',
				($is ? "INSERT INTO found (severity, dimension, key, event_time, detail) VALUES ('warning', 'product_id', '8', '2019-10-01 10:00+00', '')" : ()),
				"UPDATE sellometer.state SET head = timestamptz '2019-10-01 10:00+00' + interval '$minute minutes'", 'CALL sellometer_detect()')));
}
is(after(1, 1), 'opened test 8 warning', 'something comes');
is(join(',', map { after(1, $_ % 3 == 0) } 1 .. 30), ',' x 29, '... and goes and comes: nobody is told');
is(after(1, 0), '', '... and goes');
is(after(9, 0), '', '... for nine minutes');
is(in_shop(q{SELECT well_since - began FROM sellometer.alerts WHERE key = '8'}), '00:31:00', '... which is noted');
like(in_shop(q{SELECT detail FROM sellometer.alerts WHERE key = '8'}), qr/^ \(not so any more since 2019-10-01 1\d:32 UTC\)$/, '... and told in its detail');
is(after(2, 0), 'closed test 8 warning', '... and for more than ten');
is(after(5, 1), 'opened test 8 warning', '... it comes again');
is(join(',', map { after(30, $_ % 5 == 0) } 1 .. 45), ',' x 44, '... and goes and comes: it stays open for the rest of the day');
is(after(30, 0), '', '... which is not over yet');
is(after(20, 0), 'closed test 8 warning', '... and no longer');
is(in_shop(q{SELECT max(n) FROM (SELECT count(*) OVER (ORDER BY began RANGE BETWEEN CURRENT ROW AND '24 hours' FOLLOWING) AS n FROM sellometer.alerts WHERE key = '8') x}), '2',
	'... so in no 24 hours it has opened more than twice');
is(after(24 * 60, 1), 'opened test 8 warning', 'the next day');
is(after(1, 0) . after(11, 0), 'closed test 8 warning', '... for ten minutes again');
in_shop(q{ALTER SYSTEM SET sellometer.alert_hold = 600; SELECT pg_reload_conf()});
is(after(1, 1), 'opened test 8 warning', 'again');
in_shop(q{DELETE FROM found; INSERT INTO found (severity, dimension, key, event_time, detail) VALUES ('over', 'product_id', '8', '2019-10-01 10:00+00', '')});
is(summary(told('CALL sellometer_detect()')), 'closed test 8 warning', 'what is over is closed at once');
in_shop(q{UPDATE sellometer.detectors SET tells_well = true WHERE kind = 'test'});
is(after(1, 1), 'opened test 8 warning', 'of a detector that tells what is well');
is(after(600, 0), '', '... nothing is well that it does not tell of');
in_shop(q{INSERT INTO found (severity, dimension, key, event_time, detail) VALUES ('well', 'product_id', '8', '2019-10-01 10:00+00', '')});
is(summary(told('CALL sellometer_detect()')), '', '... what it does tell of closes');
is(after(24 * 60, 0), 'closed test 8 warning', '... after its time');
in_shop(q{UPDATE sellometer.detectors SET tells_well = false});

# Two at once: the second leaves at once
my $lock = $node->background_psql('shop', on_error_stop => 1);
$lock->query_safe('BEGIN; LOCK TABLE found');
my $first = $node->background_psql('shop', on_error_stop => 0);
$first->query_until(qr/started/, "\\echo started\nCALL sellometer_detect();\n");
wait_until($node, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'CALL%' AND wait_event_type = 'Lock'});
my ($status, $out, $err) = $node->psql('shop', 'CALL sellometer_detect()');
is($status, 0, 'a second run is no error');
like($err, qr/NOTICE:  another sellometer_detect\(\) is under way/, 'and says why it does nothing');
is(in_shop(q{SELECT count(*) FROM sellometer.runs WHERE outcome = 'running'}), 0, 'a run that has changed nothing yet is not noted');

# Cancelled: an error, and no detector's fault
in_shop(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL%' AND wait_event_type = 'Lock'});
wait_until($node, q{SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE 'CALL%' AND state = 'active'});
$first->quit;
$lock->query_safe('COMMIT');
$lock->quit;
like(slurp_file($node->logfile), qr/ERROR:  canceling statement/, 'a run can be cancelled');
in_shop('CALL sellometer_detect()');
pass('and the next one works');

$node->stop;
done_testing();
