# Rollup, prune, backlog and tiers against time, crashes and each other.
use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use POSIX qw(strftime);
use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;
use Time::HiRes qw(time);

my $LOCK_WRITER = 'BEGIN; SELECT sellometer.hold_loading()';
my $node = slm_node('tiers', conf => "sellometer.live_lateness = '30s'\nfsync = off\nautovacuum = off\n");

# A fresh extension that watches a fresh directory.
my $directories = 0;

sub fresh
{
	my (%options) = @_;
	my $dir = slm_directory($node, 'in_' . ++$directories);

	$node->safe_psql('shop', 'SET client_min_messages = warning; DROP EXTENSION IF EXISTS sellometer; CREATE EXTENSION sellometer; ALTER TABLE sellometer.sources ALTER same_content SET DEFAULT $$count$$');
	$node->safe_psql('shop', "SELECT sellometer_alter_tier('minute', '$options{minutes}')") if $options{minutes};
	$node->safe_psql('shop', "SELECT sellometer_add_source('s', 'file://$dir/')");
	return $dir;
}

# An object of purchases, at the given minute.
sub put
{
	my ($dir, $minute, $n, %event) = @_;

	write_object($dir, ($minute =~ s/[: ]/-/gr) . '-00-' . int(rand 1e9) . '.csv',
		csv(map { event(event_time => "$minute:" . sprintf('%02d', $_ % 60), event_type => 'purchase', %event) } 1 .. $n));
	return;
}

# All that is in the directory.
sub loaded
{
	my ($dir) = @_;
	my @objects = glob("$dir/*.csv");

	wait_until($node, 'SELECT count(*) = ' . @objects . " AND bool_and(state = 'done') FROM sellometer.objects");
	return;
}

# Objects of a minute each, each loaded before the next comes: several hours that come at once would be in the hour tier at once.
sub put_apart
{
	my ($dir, $n, @minutes) = @_;

	for my $minute (@minutes)
	{
		put($dir, $minute, $n);
		loaded($dir);
	}
	return;
}

sub in_backlog
{
	my ($n) = @_;

	wait_until($node, "SELECT count(*) = $n FROM sellometer.objects WHERE state = 'backlog'");
	return;
}

# A statement in a session of its own.
sub start_sql
{
	my ($sql) = @_;
	my %run = (output => '');

	$run{harness} = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('shop'), (map { ('-c', $_) } ref $sql ? @$sql : $sql) ],
		'<', \undef, '>&', \$run{output});
	return \%run;
}

sub finish_sql
{
	my ($run) = @_;

	$run->{harness}->finish;
	return $run->{output};
}

# A session that holds something until it is told to let go.
sub hold
{
	my ($sql) = @_;
	my %session = (in => "$sql;\n\\echo held\n", out => '');

	$session{harness} = IPC::Run::start([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('shop') ],
		'<', \$session{in}, '>&', \$session{out}, IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default));
	$session{harness}->pump until $session{out} =~ /^held$/m;
	return \%session;
}

sub let_go
{
	my ($session) = @_;

	$session->{in} .= "\\q\n";
	$session->{harness}->finish;
	return;
}

sub waiting_for_lock
{
	my ($n) = @_;

	wait_until($node, "SELECT count(*) >= $n FROM pg_locks WHERE NOT granted");
	return;
}

sub value { my ($sql) = @_; return $node->safe_psql('shop', $sql); }

my $HOURS = q{SELECT string_agg(to_char(event_time AT TIME ZONE 'UTC', 'HH24:MI') || '=' || count, ' ' ORDER BY event_time)
	FROM sellometer.purchase_category_l1_hour};
my $WRONG = q{SELECT name || ': ' || detail FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks|pg_cron)'};

# The race of the original
{
	my $dir = fresh();

	put($dir, '2019-10-01 22:44', 3);
	put($dir, '2019-10-01 22:45', 10);
	loaded($dir);
	put($dir, '2019-10-01 22:46', 1);
	loaded($dir);

	for my $first ('backlog', 'live')
	{
		my $round = $first eq 'backlog' ? 1 : 2;

		put($dir, '2019-10-01 22:45', 10);
		in_backlog(1);
		my $holder = hold($LOCK_WRITER);
		put($dir, '2019-10-01 22:46', 10) if $first eq 'live';
		waiting_for_lock(1) if $first eq 'live';
		my $merge = start_sql('CALL sellometer_merge_backlog()');
		waiting_for_lock($first eq 'live' ? 2 : 1);
		put($dir, '2019-10-01 22:46', 10) if $first eq 'backlog';
		waiting_for_lock(2);
		let_go($holder);
		finish_sql($merge);
		loaded($dir);
		is(value(q{SELECT string_agg(to_char(event_time AT TIME ZONE 'UTC', 'HH24:MI') || '=' || count, ' ' ORDER BY event_time)
				FROM sellometer.purchase_brand_minute}),
			'22:44=3 22:45=' . (10 + 10 * $round) . ' 22:46=' . (1 + 10 * $round),
			"backlog for 22:45 is merged while live data for 22:46 arrives; both are there, $first first");
	}
	like(value("SELECT detail FROM sellometer.runs WHERE procedure = 'merge_backlog' ORDER BY id DESC LIMIT 1"),
		qr/"objects": 1.*"longest_held_ms"/, 'the run is recorded, with the longest hold of the lock');
}

# A rollup that dies
{
	my $dir = fresh();

	put_apart($dir, 5, map { "2019-10-01 $_" } '20:10', '21:10', '23:10');
	for my $end ('terminate', 'immediate')
	{
		# past what it does without the writer's lock: its rows are committed, the watermark is not moved
		my $holder = hold('BEGIN; CREATE TABLE IF NOT EXISTS stop (); LOCK TABLE sellometer.category_l3_minute IN ACCESS EXCLUSIVE MODE');
		my $rollup = start_sql('CALL sellometer_rollup()');
		waiting_for_lock(1);
		my $writer = hold($LOCK_WRITER);
		let_go($holder);
		wait_until($node, q{SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND locktype = 'object' AND objsubid = 1});
		if ($end eq 'terminate')
		{
			value(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL sellometer_rollup%'});
		}
		else
		{
			$node->stop('immediate');
			$node->start;
		}
		finish_sql($rollup);
		$end eq 'terminate' ? let_go($writer) : eval { $writer->{harness}->kill_kill };
		is(value($HOURS), '20:00=5 21:00=5 23:00=5', "after $end the views tell nothing of what it left");
		is(value($WRONG), '', "after $end all agrees");
	}
	# what is left is not in the way of rows that empty the hour
	put($dir, '2019-10-01 20:20', 1);
	in_backlog(1);
	value('CALL sellometer_merge_backlog()');
	value('CALL sellometer_rollup()');
	is(value($HOURS), '20:00=6 21:00=5 23:00=5', 'the next rollup begins anew');
	is(value("SELECT string_agg(outcome, ' ' ORDER BY id) FROM sellometer.runs WHERE procedure = 'rollup'"),
		'died died done', 'and the runs say who died');
	is(value($WRONG), '', 'all agrees in the end');
}

# A rollup that is cancelled
{
	my $dir = fresh();

	put_apart($dir, 5, map { "2019-10-01 $_" } '20:10', '23:10');
	my $holder = hold('BEGIN; LOCK TABLE sellometer.category_l3_minute IN ACCESS EXCLUSIVE MODE');
	my $rollup = start_sql('CALL sellometer_rollup()');
	waiting_for_lock(1);
	is(value("SELECT task, phase FROM sellometer.progress"), 'rollup|hour of 2019-10-01 20:00:00+00', 'sellometer.progress shows what it is at');
	value(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL sellometer_rollup%'});
	like(finish_sql($rollup), qr/ERROR:  canceling statement due to user request/, 'a cancelled rollup says so');
	is(value("SELECT count(*) FROM sellometer.progress"), 0, 'and is no longer under way');
	let_go($holder);
	is(value("SELECT outcome || detail::text FROM sellometer.runs"),
		'failed{"error": "canceling statement due to user request", "sqlstate": "57014"}', 'as does its run');
	value('CALL sellometer_rollup()');
	is(value("SELECT count(*) FROM sellometer.runs"), 2, 'the next one does the work');
	is(value("BEGIN; UPDATE sellometer.category_l1_hour SET count = count + 1; $WRONG AND name ~ 'is the sum'; ROLLBACK"),
		'tier hour is the sum of minute: 1 rows differ', 'a wrong sum is found in the first hour, which begins late');
	value("CALL sellometer_$_()") foreach (qw(rollup prune merge_backlog rollup));
	is(value("SELECT count(*) FROM sellometer.runs"), 2, 'with nothing to do there are no rows');
}

# Prune and a query that takes long
{
	my $dir = fresh(minutes => '20 hours');

	for my $time ('00:10', '22:10')
	{
		put($dir, "2019-10-01 $time", 5);
		loaded($dir);
	}
	value('CALL sellometer_prune()');
	is(value('SELECT count(*) FROM sellometer.category_l1_minute'), 2, 'prune waits for the rollup');
	value('CALL sellometer_rollup()');

	my $reader = hold('BEGIN; SELECT sum(count) FROM sellometer.purchase_product_id_minute');
	my $prune = start_sql('CALL sellometer_prune()');
	my $longest = 0;
	for (1 .. 20)
	{
		my $begin = time;

		value('SELECT sum(gmv) FROM sellometer.purchase_product_id_minute');
		$longest = time - $begin if time - $begin > $longest;
	}
	like(finish_sql($prune), qr/NOTICE:  a partition is in use and left for the next run: tier "minute"/,
		'it leaves what is being read');
	cmp_ok($longest, '<', 1, 'other readers are not held up');
	note("longest: $longest s");
	$reader->{in} .= "SELECT 'sum ' || sum(count) FROM sellometer.purchase_product_id_minute;\n";
	$reader->{harness}->pump until $reader->{out} =~ /^sum/m;
	like($reader->{out}, qr/^sum 10$/m, 'the reader goes on');
	let_go($reader);
	value('CALL sellometer_prune()');
	is(value('SELECT count(*) FROM sellometer.category_l1_minute'), 1, 'the next run drops it');
	is(value($HOURS), '00:00=5 22:00=5', 'the hours stay');
	is(value($WRONG), '', 'all agrees after pruning');
}

# A fast load of past days
{
	my $dir = fresh();
	my $most = 0;

	value("SELECT sellometer_enable_source('s', false)");
	traffic($dir, '--minutes' => 8 * 1440, '--events' => 20000, '--rate' => 2, '--servers' => 1);
	$node->safe_psql('postgres', "ALTER SYSTEM SET sellometer.batch_bytes = '64kB'");
	$node->reload;
	value("SELECT sellometer_enable_source('s', true), sellometer_wake()");
	my $end = time + 5 * $PostgreSQL::Test::Utils::timeout_default;
	my @objects = glob("$dir/*.csv");
	for (my $loaded = 0; !$loaded;)
	{
		die 'takes too long' if time > $end;
		$loaded = value("SELECT count(*) FROM sellometer.objects WHERE state IN ('done', 'backlog')") == @objects;
		my $hours = value(q{SELECT count(*) FROM pg_inherits WHERE inhparent = 'sellometer.product_id_minute'::regclass});

		$most = $hours if $hours > $most;
		select(undef, undef, undef, 0.1);
	}
	cmp_ok($most, '<=', 50, "never more than twice the retention of minutes is held: $most hours of 192");
	cmp_ok($most, '>=', 24, 'nor less than the retention');
	is(value(q{SELECT count(*) > 0 AND bool_and(outcome = 'done') FROM sellometer.runs WHERE procedure = 'prune'}), 't', 'prune has run in step');
	value('CALL sellometer_merge_backlog()');
	oracle_load($node, $dir);
	oracle_agrees($node, 'hour', 'loaded fast', undef, value("SELECT watermark FROM sellometer.tiers WHERE name = 'hour'"));
	is(value("SELECT count(*) FROM oracle.diff('hour', realtime => true)"), 0, 'the views have the rest');
	is(value($WRONG), '', 'all agrees after a fast load');
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET ALL');
	$node->reload;

	# the view log is kept for a while, too
	$node->safe_psql('postgres', "ALTER SYSTEM SET sellometer.view_log_retention = '2d'");
	$node->reload;
	my $before = value('SELECT sum(views) FROM sellometer.view_log');
	value('CALL sellometer_prune()');
	is(value('SELECT views_dropped + (SELECT sum(views) FROM sellometer.view_log) FROM sellometer.state'), $before,
		'views that are no longer known are counted');
	is(value("SELECT views_from > '-infinity' AND views_from = (SELECT date_trunc('day', min(hour), 'UTC') FROM sellometer.view_log)
			FROM sellometer.state"), 't', 'and from when on they are known is noted');
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET ALL');
	$node->reload;
}

# History goes day by day, as partitions of hours do, once keys are known to tell the times; so does what the minutes keep for a day.
{
	my $dir = fresh();

	value("SELECT sellometer_enable_source('s', false)");
	for my $day (17 .. 20)
	{
		put($dir, sprintf('2019-11-%d %02d:%02d', $day, $_ / 3, $_ % 3 * 20), 2) foreach (0 .. 71);
	}
	value("SELECT sellometer_enable_source('s', true)");
	loaded($dir);
	is(value("SELECT string_agg(batches::text, ' ' ORDER BY day) FROM (SELECT (object_time AT TIME ZONE 'UTC')::date AS day, count(DISTINCT xmin::text) AS batches
			FROM sellometer.objects GROUP BY 1) d WHERE day IN ('2019-11-18', '2019-11-19')"), '1 1', 'a day is one batch');
	is(value("SELECT count(*) FROM sellometer.purchase_brand_hour WHERE event_time < '2019-11-20Z' AND count = 6"), 72, 'whose hours are whole');
	is(value($WRONG), '', 'all agrees after history');
}

# A tier that keeps for longer; its rights, and its end
{
	my $dir = fresh();

	$node->safe_psql('shop', 'CREATE ROLE dashboard');
	value("SELECT sellometer_grant_reader('dashboard')");
	put_apart($dir, 5, map { "2019-11-20 $_" } '20:10', '23:10');
	value("SELECT sellometer_add_tier('day', '1 day', '5 years'), sellometer_add_tier('ten_minutes', '10 minutes', '2 days')");
	put($dir, '2019-09-01 11:00', 8);
	put($dir, '2019-11-19 11:00', 9);
	in_backlog(2);
	value('CALL sellometer_merge_backlog()');
	my %sums = map { ($_ => value("SELECT coalesce(sum(count), 0) FROM sellometer.purchase_brand_$_")) } qw(minute ten_minutes hour day);
	is_deeply(\%sums, { minute => 10, ten_minutes => 19, hour => 19, day => 27 },
		'rows go to those tiers that keep their time');
	is(value($WRONG), '', 'all agrees with added tiers');
	is(value("SELECT bool_and(has_table_privilege('dashboard', 'sellometer.' || r.name, 'SELECT'))
			FROM sellometer.tiers t, sellometer.tier_relations(t.name) r"), 't', 'readers may read added tiers');

	my ($status, $stdout, $stderr) = $node->psql('shop', "SELECT sellometer_drop_tier('ten_minutes')");
	like($stderr, qr/tier "hour" still needs tier "ten_minutes"/, 'a tier that is not rolled up is not dropped');
	value('CALL sellometer_rollup()');
	my $reader = hold('BEGIN; SELECT count(*) FROM sellometer.view_product_id_ten_minutes');
	($status, $stdout, $stderr) = $node->psql('shop', "SELECT sellometer_drop_tier('ten_minutes')");
	like($stderr, qr/tier "ten_minutes" holds what no finer tier does\nDETAIL:  No finer tier holds 1 of its intervals, .*Tier "hour" has that time in longer ones/,
		'nor is one that alone has something');
	my $drop = start_sql("SELECT sellometer_drop_tier('ten_minutes', discard => true)");
	put($dir, '2019-11-20 23:11', 5);
	loaded($dir);
	pass('loading goes on while a tier waits to be dropped');
	let_go($reader);
	like(finish_sql($drop), qr/\ANOTICE:  with tier "ten_minutes" goes what no finer tier holds\nDETAIL: [^\n]*\n\n\z/, 'then it is dropped');
	is(value("SELECT count(*) FROM pg_class WHERE relnamespace = 'sellometer'::regnamespace AND relname LIKE '%ten_minutes%'"),
		0, 'with all that was its');
	is(value($WRONG), '', 'all agrees without it');

	# rows that have expired are missed by nobody
	$dir = fresh();
	put_apart($dir, 5, map { "2019-11-20 $_" } '20:10', '23:10');
	put($dir, '2019-09-01 10:00', 7);
	in_backlog(1);
	value('CALL sellometer_merge_backlog()');
	is(value('SELECT sum(rows_expired) FROM sellometer.objects'), 7, 'older than all tiers is expired');
	value("SELECT sellometer_add_tier('day', '1 day', '5 years')");
	is(value("SELECT kept_from AT TIME ZONE 'UTC' FROM sellometer.tiers WHERE name = 'day'"), '2019-09-02 00:00:00',
		'a tier that is added later does not claim to hold what has expired');
	put($dir, '2019-09-01 11:00', 8);
	put($dir, '2019-11-19 11:00', 9);
	in_backlog(2);
	value('CALL sellometer_merge_backlog()');
	is(value('SELECT sum(count) FROM sellometer.purchase_brand_day'), 27, 'but it takes what comes now, as long ago as it keeps');
	is(value($WRONG), '', 'all agrees');

	value('DROP EXTENSION sellometer');
	is(value("SELECT count(*) FROM pg_namespace WHERE nspname = 'sellometer'"), 0, 'added tiers go with the extension');
}

$node->stop;
done_testing();
