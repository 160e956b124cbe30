# Nothing fails unseen: sellometer.health says within seconds what stops or hides data, also when transactions can't write; readers see it
# without secrets; who listens hears of each state once; it is cheap.

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Utils;
use SlmListen;
use SlmTest;
use Test::More;

my $node = slm_node('health', conf => <<'CONF');
fsync = off
sellometer.poll_interval = '50ms'
sellometer.retry_delay = '50ms'
CONF

sub value { return $node->safe_psql('shop', $_[0]); }

# What health says of a thing, as "severity: detail".
sub said { return value(qq{SELECT severity || ': ' || detail FROM sellometer.health WHERE name = '$_[0]'}); }

# Wait until it is so severe, and says this.
sub says
{
	my ($thing, $severity, $pattern, $name) = @_;

	value('SELECT sellometer_wake()');
	wait_until($node, "SELECT EXISTS (SELECT FROM sellometer.health WHERE name = '$thing' AND severity = '$severity')");
	like(said($thing), qr/^$severity: .*$pattern/s, $name);
	return;
}

# Who listens.  Each notification is printed when the next statement is through.
my $listener = SlmListen->new($node);

# It was told, once, that a thing has this state.
sub heard
{
	my ($key, $action, $severity, $name, $is_prefix) = @_;
	my $end = $is_prefix ? '' : '"';
	my $tries = 10 * $PostgreSQL::Test::Utils::timeout_default;
	my @told;

	value('SELECT sellometer_wake()');
	while (@told == 0 && $tries-- > 0)
	{
		select(undef, undef, undef, 0.1);
		$listener->ask('SELECT 1');
		@told = grep { /"key": "\Q$key\E$end/ && /"action": "$action"/ && /"severity": "$severity"/ } split(/\n/, $listener->heard);
	}
	is(scalar(@told), 1, "$name: is told, once");
	return;
}

sub checked { return value("SELECT ok FROM sellometer_check() WHERE name = '$_[0]'"); }

# --- nothing is set up ---

says('sources', 'warning', 'there is no source', 'no source');
is(checked('sources'), 'f', '... sellometer_check() too');
is(value('SELECT sellometer.in_surge()'), 'f', '... is no surge');
says('job rollup', 'warning', 'pg_cron is not installed in database "postgres"', 'no pg_cron');
is(checked('pg_cron'), 'f', '... sellometer_check() too');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');
is(checked('job rollup'), 'f', 'no job is scheduled: sellometer_check() sees it at once');
is(value(q{SELECT detail FROM sellometer_check() WHERE name LIKE 'tier hour%'}), 'nothing to compare: nothing is rolled up yet',
	'what is not compared is said in words');
is(value(q{SELECT count(*) FROM sellometer.health WHERE severity NOT IN ('ok', 'info', 'warning', 'critical') OR detail IS NULL}), 0, 'each row is complete');

# --- jobs ---

value('SELECT sellometer_schedule()');
is(value(q{SELECT string_agg(name || ' ' || ok, ', ' ORDER BY name) FROM sellometer_check() WHERE name LIKE 'job %'}),
	'job archive true, job backlog true, job detect true, job prune true, job rollup true', 'scheduled jobs are well');
value('SELECT sellometer_wake()');
wait_until($node, q{SELECT count(*) = 5 FROM sellometer.health WHERE name LIKE 'job %' AND severity = 'ok' AND detail ~ '^scheduled'});
pass('... the worker sees them within seconds');
# none of them is to run from here on
$node->safe_psql('postgres', q{SELECT cron.alter_job(jobid, active => false) FROM cron.job});
is(checked('job prune'), 'f', 'a job that is not active');
# as if it had run
$node->safe_psql('postgres', q{INSERT INTO cron.job_run_details (jobid, runid, database, username, command, status, return_message, start_time, end_time)
	SELECT jobid, nextval('cron.runid_seq'), database, username, command, 'failed', 'connection failed', now(), now() FROM cron.job WHERE jobname = 'sellometer_backlog'});
is(value(q{SELECT ok, detail ~ '^scheduled, not active, last run at .*, failed, connection failed$' FROM sellometer_check() WHERE name = 'job backlog'}), 'f|t', 'a job that fails, with its message');
says('job backlog', 'critical', 'its last run, at .*, failed: connection failed', '... health says so');
says('job prune', 'warning', 'not active', '... and what is not active');

# --- sources ---

my $in = slm_directory($node, 'in');
mkdir "$in/closed" or die;
value("SELECT sellometer_add_source('web', 'file://$in/')");
wait_until($node, q{SELECT severity = 'ok' FROM sellometer.health WHERE name = 'source web'});
pass('a source that is well');
is(said('sources'), 'ok: 1 of 1 sources enabled', 'there is a source');
chmod 0, "$in/closed" or die;
says('source web', 'warning', 'closed/: Permission denied', 'a directory that is partly unreadable');
is(checked('source web'), 'f', '... sellometer_check() too');
chmod 0755, "$in/closed" or die;
wait_until($node, q{SELECT severity = 'ok' FROM sellometer.health WHERE name = 'source web'});
rename($in, "$in.away") or die;
says('source web', 'critical', 'No such file', 'a directory that is gone');
heard('source web', '(opened|worsened)', 'critical', 'a source that can\'t be listed');
is(value(q{SELECT since > now() - interval '2 minutes' FROM sellometer.health WHERE name = 'source web'}), 't', '... since when');
$node->safe_psql('shop', q{CREATE ROLE viewer LOGIN; SELECT sellometer_grant_reader('viewer')});
my $as_viewer = q{SET ROLE viewer; SELECT string_agg(name || ': ' || detail || coalesce(hint, ''), E'\n') FROM sellometer.health};
unlike(value($as_viewer), qr/\Q$in\E|No such file|failed: connection/, 'a reader sees no path and no message');
like(value($as_viewer), qr/source web: it can't be listed: why is in sellometer\.sources/, '... but that something is wrong');
unlike(value('SET ROLE viewer; SELECT sellometer.process_entries(), sellometer.job_entries()'), qr/connection failed/, '... nor by calling what is behind it');
rename("$in.away", $in) or die;
wait_until($node, q{SELECT severity = 'ok' FROM sellometer.health WHERE name = 'source web'});

# A bucket that nobody serves, under a name that is longer than others.
my $long = 'bucket ' . 'ü' x 70;
value(qq{CREATE SERVER dead FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint 'http://127.0.0.1:1', retry_timeout '1', connect_timeout '1');
	CREATE USER MAPPING FOR CURRENT_USER SERVER dead OPTIONS (access_key_id 'A', secret_access_key 'B');
	INSERT INTO sellometer.sources (name, url, server) VALUES ('$long', 's3://shelf/in/', 'dead')});
says("source $long", 'critical', '127\.0\.0\.1', 'a bucket that can\'t be reached');
heard('source bucket üüü', 'opened', 'critical', 'a bucket that can\'t be reached', 1);
unlike(value($as_viewer), qr/127\.0\.0\.1/, '... a reader sees no endpoint');
value("SELECT sellometer_drop_source('$long')");
heard('source bucket üüü', 'closed', 'critical', 'a source that is gone', 1);

# --- objects ---

write_object($in, 'bad.csv', "event_time,event_type\n");
says('objects of web', 'warning', '1 have failed, the last: bad\.csv: ', 'a failed object');
heard('objects of web', 'opened', 'warning', 'a failed object');
value("SELECT sellometer_skip('web', 'bad.csv')");
heard('objects of web', 'closed', 'warning', 'no failed object any more');
write_object($in, 'locked.csv', csv(event(user_session => 'l')));
# the worker is a superuser, but not of the operating system
chmod 0, "$in/locked.csv" or die;
says('objects of web', 'warning', '1 are tried again and again, the last: locked\.csv: .*Permission denied', 'an object that is tried again');
like(value(q{SELECT last_error FROM sellometer.status WHERE source = 'web'}), qr/^locked\.csv: .*Permission denied/, '... status has its error');
chmod 0644, "$in/locked.csv" or die;
wait_until($node, q{SELECT severity = 'ok' FROM sellometer.health WHERE name = 'objects of web'});
write_object($in, 'old.csv', csv(map { event(event_time => '2019-06-01 00:00:00', user_session => "o$_") } 1 .. 7));
wait_until($node, q{SELECT EXISTS (SELECT FROM sellometer.objects WHERE key = 'old.csv' AND state = 'backlog')});
value('CALL sellometer_merge_backlog()');
wait_until($node, q{SELECT sum(rows_expired) = 7 FROM sellometer.objects});
is(said('expired rows of web'), 'warning: 7 rows in 1 objects of the last 24 hours were older than every tier keeps', 'rows that have expired');
is(checked('expired rows of web'), 'f', '... sellometer_check() too');

# --- rhythm ---

# Each minute 4 servers, for two hours: as the ledger would have it.
sub ledger
{
	my ($source, $where) = @_;

	value("SELECT sellometer_add_source('$source', 'file://" . slm_directory($node, $source) . "/')");
	value("INSERT INTO sellometer.objects (source, key, etag, size, last_modified, state, last_event, ingested_at)
		SELECT '$source', minute || '-' || server, '1', 1, t, 'done', t - interval '1 minute', t + interval '1 second'
		FROM generate_series(0, 3000) minute, generate_series(1, 4) server, LATERAL (SELECT date_trunc('minute', now()) - minute * interval '1 minute' AS t) x
		WHERE $where");
	return;
}
ledger('lively', 'minute <= 200');
is(value(q{SELECT severity FROM sellometer.health WHERE name = 'arrivals of lively'}), 'ok', 'a source that is as lively as ever');
ledger('silent', 'minute BETWEEN 30 AND 200');
like(said('arrivals of silent'), qr/^critical: nothing has come since .*; its longest pause before was 1 minute$/, 'a source that has been silent for half an hour');
is(checked('arrivals of silent'), 'f', '... sellometer_check() too');
ledger('hourly', 'minute % 60 = 30 AND server = 1 AND minute <= 1000');
is(value(q{SELECT severity FROM sellometer.health WHERE name = 'arrivals of hourly'}), 'ok', 'half an hour is nothing for one that comes each hour');
ledger('sleeper', 'minute BETWEEN 30 AND 1000 OR minute > 1500');
like(said('arrivals of sleeper'), qr/^ok: nothing has come since .*, as at this time a day or a week ago$/, 'nor for one that sleeps at this time of the day');
ledger('halved', 'minute > 20 AND minute <= 300 OR server <= 2 AND minute <= 20');
like(said('arrivals of halved'), qr/^warning: \d+ objects in .*, where \d+ are usual$/, 'half the servers are silent');
heard('arrivals of silent', 'opened', 'critical', 'a silent source');
heard('arrivals of halved', 'opened', 'warning', 'half the servers silent');
ledger('past', 'minute BETWEEN 30 AND 200');
value(q{UPDATE sellometer.objects SET last_event = '2019-10-01' WHERE source = 'past'});
is(value(q{SELECT severity FROM sellometer.health WHERE name = 'arrivals of past'}), 'ok', 'files of the past come when they come');
value(qq{SELECT sellometer_drop_source('$_')}) foreach (qw(lively silent hourly sleeper halved past));

# --- errors that no transaction keeps ---

# What fails is rolled back, row in runs and all.
value(q{ALTER TABLE sellometer.totals ADD CONSTRAINT no_hour CHECK (tier <> 'hour') NOT VALID});
write_object($in, "2019-10-01-$_-00.csv", csv(event(event_time => "2019-10-01 $_:00:00", user_session => "s$_"))) foreach (20, 22);
wait_until($node, q{SELECT count(*) = 2 FROM sellometer.objects WHERE key LIKE '2019-10-%' AND state = 'done'});
my ($status, $out, $err) = $node->psql('shop', 'CALL sellometer_rollup()') for (1 .. 3);
says('procedure rollup', 'warning', 'violates check constraint "no_hour" \(SQLSTATE 23514\), \d+ in a row', 'what fails in a step');
cmp_ok(value(q{SELECT count(*) FROM sellometer.runs WHERE procedure = 'rollup' AND outcome = 'failed'}), '>=', 1, '... has a row in runs, which the alert rule looks at');
value('ALTER TABLE sellometer.totals DROP CONSTRAINT no_hour; CALL sellometer_rollup()');
like(said('procedure rollup'), qr/^ok: well; the last error was at .*no_hour/, '... and well again, with its last error');

# Nothing of such a run is committed, its row neither.
value(q{CREATE FUNCTION sellometer.detect_broken(head timestamptz) RETURNS SETOF sellometer.finding LANGUAGE plpgsql AS $$BEGIN RAISE 'no luck'; END$$;
	INSERT INTO sellometer.detectors VALUES ('broken')});
$node->psql('shop', 'CALL sellometer_detect()') for (1 .. 3);
says('procedure detect', 'warning', 'detector "broken" failed: no luck \(SQLSTATE P0001\), 3 in a row', 'a detector that fails');
is(value(q{SELECT count(*), max(detail->>'times') FROM sellometer.runs WHERE procedure = 'detect' AND outcome = 'failed'}), '1|3',
	'... has one row in runs, in which the same error is counted');
value(q{DELETE FROM sellometer.detectors WHERE kind = 'broken'; DROP FUNCTION sellometer.detect_broken; CALL sellometer_detect()});
is(value(q{SELECT severity FROM sellometer.health WHERE name = 'procedure detect'}), 'ok', '... and is well again');

# The worker's own errors: as if the disk were full.
my $log = -s $node->logfile;
value(q{CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN RAISE disk_full USING MESSAGE = 'could not extend file "base/1/2": No space left on device', HINT = 'Check free disk space.'; END$$;
	CREATE TRIGGER full_disk BEFORE INSERT ON sellometer.totals FOR EACH STATEMENT EXECUTE FUNCTION full_disk()});
write_object($in, '2019-10-01-23-00.csv', csv(event(event_time => '2019-10-01 23:00:00', user_session => 'full')));
says('loading', 'critical', 'could not extend file.*No space left on device \(SQLSTATE 53100\), \d+ in a row', 'a full disk');
is(value(q{SELECT hint FROM sellometer.health WHERE name = 'loading'}), 'Check free disk space.', '... with its hint');
wait_until($node, q{SELECT failures > 5 FROM sellometer.process_entries() WHERE name = 'load'});
my @errors = grep { /ERROR: .*could not extend file/ } split(/\n/, substr(slurp_file($node->logfile), $log));
is(scalar(@errors), 1, '... logged once, then counted');
heard('loading', 'opened', 'critical', 'a full disk');
is(checked('loading'), 'f', '... sellometer_check() too');
value('DROP FUNCTION full_disk CASCADE');
wait_until($node, q{SELECT severity = 'ok' FROM sellometer.health WHERE name = 'loading'});
wait_until($node, q{SELECT state = 'done' FROM sellometer.objects WHERE key = '2019-10-01-23-00.csv'});
like(substr(slurp_file($node->logfile), $log), qr/LOG:  loading works again, after \d+ errors/, '... and it is said when it is over');

# --- settings ---

my $pid = backend_pid($node, 'sellometer worker');
value('ALTER DATABASE shop SET default_transaction_read_only = on');
says('database', 'warning', 'default_transaction_read_only is on', 'a read-only database');
is(checked('database'), 'f', '... sellometer_check() too');
wait_until($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'sellometer worker' AND pid <> $pid", 'postgres');
pass('the worker takes up what is set for its database');
write_object($in, '2019-10-01-23-01.csv', csv(event(event_time => '2019-10-01 23:01:00', user_session => 'ro')));
wait_until($node, q{SELECT state = 'done' FROM sellometer.objects WHERE key = '2019-10-01-23-01.csv'});
pass('... and loads nevertheless');
$node->safe_psql('postgres', q{ALTER DATABASE shop RESET default_transaction_read_only;
	ALTER DATABASE shop SET default_transaction_isolation = 'repeatable read'; ALTER DATABASE shop SET standard_conforming_strings = off});
wait_until($node, q{SELECT severity = 'ok' FROM sellometer.health WHERE name = 'database'});
value('CALL sellometer_rollup(); CALL sellometer_prune(); CALL sellometer_detect()');
is(value(q{SELECT count(*) FROM sellometer.health WHERE name ~ '^(loading|procedure)' AND severity <> 'ok'}), 0, 'repeatable read by default stops nothing');
unlike(value('SELECT sellometer_report()'), qr/[\x00-\x08\x0b-\x1f]/, 'standard_conforming_strings = off: no control characters in the report');
is(value(q{SET standard_conforming_strings = on; SELECT string_agg(name || detail, ', ' ORDER BY name) FROM sellometer_check() WHERE name IN ('preload', 'pg_cron')}),
	value(q{SET standard_conforming_strings = off; SELECT string_agg(name || detail, ', ' ORDER BY name) FROM sellometer_check() WHERE name IN ('preload', 'pg_cron')}),
	'... and the same said by sellometer_check()');
$node->safe_psql('postgres', 'ALTER DATABASE shop RESET ALL');

# --- progress of one large object ---

# Of more rows than a part has, which ends with the day: held up at the first, it has been looked through to its end.
my $rows = 1_100_000;
my $blocker = '';
my $held = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('shop') ], '<', \$blocker, '>', \my $holds);
$blocker .= "BEGIN; SELECT sellometer.hold_loading(); SELECT 'held';\n";
$held->pump until $holds =~ /held/;
my $month = join('', "event_time,event_type,product_id,price\n", map {
	my $second = int($_ / 13) + 5640;

	sprintf("2019-10-%02d %02d:%02d:%02d,view,7,1\n", 2 + $second / 86400, $second / 3600 % 24, $second / 60 % 60, $second % 60)
} 1 .. $rows);
write_object($in, '2019-10-02.csv', $month);
my $size = length($month);
wait_until($node, q{SELECT phase = 'apply' FROM sellometer.progress WHERE task = 'load'});
is(value(q{SELECT objects_done, objects_total, bytes_total, rows_done BETWEEN 1000000 AND 1100000, bytes_done BETWEEN bytes_total / 2 AND bytes_total,
		estimated_finish > started FROM sellometer.progress WHERE task = 'load'}), "0|1|$size|t|t|t", 'progress of a large object');
$blocker .= "COMMIT;\n\\q\n";
$held->finish;
wait_until($node, q{SELECT state = 'done' FROM sellometer.objects WHERE key = '2019-10-02.csv'});

# --- words ---

my $words = value(q{SET timezone = 'America/Sao_Paulo'; SELECT string_agg(detail, E'\n') FROM sellometer.health});
like($words, qr/listed at .*[0-9]{2}:[0-9]{2}:[0-9]{2} UTC-03$/m, 'times are told to the second, with their zone');
unlike($words, qr/:[0-9]{2}\.[0-9]|[0-9]{2}:[0-9]{2}[+-][0-9]/, '... all of them, and lengths of time too');
like(value(q{SET sellometer.timezone = 'Asia/Kolkata'; SELECT string_agg(detail, E'\n') FROM sellometer.health}), qr/:[0-9]{2} IST$/m, '... in the zone of the shop');
unlike(value('SELECT string_agg(since::text, E\'\n\') FROM sellometer.health'), qr/\./, 'nor does since have microseconds');

# --- cost ---

$node->safe_psql('shop', q{INSERT INTO sellometer.objects (source, key, etag, size, last_modified, state, last_event, ingested_at)
	SELECT 'web', 'many' || i, '1', 1, t, 'done', t, t FROM generate_series(1, 100000) i, LATERAL (SELECT now() - i * interval '15 seconds' AS t) x;
	INSERT INTO sellometer.objects (source, key, etag, size, last_modified, state, error, next_attempt)
	SELECT 'web', 'wait' || i, '1', 1, now(), 'failed', 'no', 'infinity' FROM generate_series(1, 20000) i; VACUUM ANALYZE sellometer.objects});
my $plan = value('EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM sellometer.health');
my ($hit, $read) = $plan =~ /"Shared Hit Blocks": (\d+).*?"Shared Read Blocks": (\d+)/s;
cmp_ok($hit + $read, '<', 5000, 'health reads little of a large ledger');
like(said('objects of web'), qr/^warning: more than 1,000 have failed/, '... and says no more than it has seen');

unlike($listener->heard, qr/No such file|No space left|\Q$in\E/, 'nobody who listens hears of paths or messages');
$listener->finish;

$node->stop;
done_testing();
