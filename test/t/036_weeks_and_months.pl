# Weeks and months beside each other, both made of days: rollup, late files, prune, replay and unload keep them what plain SQL makes of the
# rows, and whatever is asked of a range is answered from tiers that fit together.
# In UTC, and in zones whose clocks change meanwhile, which are off by half an hour, or which begin a month with a day of 25 hours.
# SLM_SEEDS: which histories, e.g. "1-100" or "7" (default: 4).
use strict;
use warnings FATAL => 'all';

use POSIX qw(strftime);
use PostgreSQL::Test::Utils;
use SlmHistory qw(unexpected_in_log);
use SlmRandom;
use SlmTest;
use Test::More;
use Time::Local qw(timegm);

my $DAYS = 90;
my $START = timegm(0, 0, 0, 20, 7, 2019);
my @ZONES = ('UTC', 'Europe/Berlin', 'Asia/Kolkata', 'America/Havana', 'America/New_York', 'Australia/Lord_Howe', 'America/St_Johns', 'Africa/Casablanca');
my $zone;
my $node = slm_node('weeks', extension => 0, conf => "sellometer.database = ''\nfsync = off\nlog_checkpoints = off\ntimezone = 'UTC'\nsellometer.view_window = 20d\nsellometer.view_log_retention = 365d\n");

sub value { my ($sql) = @_; return $node->safe_psql('shop', "SET client_min_messages = warning; $sql"); }
sub at { my ($seconds) = @_; return strftime('%Y-%m-%d %H:%M:%S', gmtime($START + $seconds)); }

# Some sessions that look at a few products for hours: so late rows move views from one day, week or month to another.
sub random_objects
{
	my @objects;

	for my $day (0 .. $DAYS - 1)
	{
		next if chance(0.1);
		# few hours of a day, as each is a partition of minutes
		my $hour = $day * 86400 + 3600 * pick(0, 11, 23);
		my @lines = map {
			my $time = $hour + int rand(chance(0.1) ? 7200 : 3600);
			event(event_time => at($time), event_type => pick('view', 'view', 'cart', 'purchase'), product_id => 1 + int(9 * rand() ** 2),
				brand => pick('acme', 'zz', ''), price => pick('1.00', '0.5', '19.99'), category_code => pick('a.b', 'a.c', ''),
				user_session => 's' . int(($day + rand 3) / 2))
		} 1 .. 5 + int rand 20;
		push @objects, { key => strftime('%Y-%m-%d-%H-%M', gmtime($START + $day * 86400)) . '.csv', day => $day, content => csv(@lines) };
	}
	return @objects;
}

# Some come days, some months too late.
sub in_order_of_arrival
{
	my (@objects) = @_;

	$_->{arrival} = $_->{day} + (chance(0.25) ? rand(pick(3, 20, 90)) : 0) foreach (@objects);
	return sort { $a->{arrival} <=> $b->{arrival} || $a->{day} <=> $b->{day} } @objects;
}

sub differences
{
	return value(q{
		SELECT t.name, v.realtime, (SELECT string_agg(d::text, ' ') FROM (SELECT * FROM
			oracle.diff(t.name, k.floor, CASE WHEN v.realtime THEN 'infinity' ELSE t.watermark END, v.realtime) LIMIT 5) d)
		FROM sellometer.tiers t JOIN sellometer.kept() k ON k.tier = t.name, (VALUES (false), (true)) v (realtime)
		WHERE EXISTS (SELECT FROM
			oracle.diff(t.name, k.floor, CASE WHEN v.realtime THEN 'infinity' ELSE t.watermark END, v.realtime))
		UNION ALL
		SELECT name, ok, detail FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker')});
}

# A range that is asked for has all of it and little more, and its sums are those of the rows in it.
sub wrong_answers
{
	my $from = at(int rand $DAYS * 86400);
	my $to = at(int rand $DAYS * 86400);
	my $step = pick('1 min', '1 hour', '1 day', $zone eq 'UTC' ? ('2 days', '14 days') : (), '7 days', '1 month', '3 months', '1 year');
	my $type = pick('purchase', 'view');
	my $back = pick('NULL', "'1 day'", "'7 days'", "'28 days'", "'1 month'");
	my $key = pick('NULL', "'acme'");

	($from, $to) = ($to, $from) if $from gt $to;
	return value(qq{
		WITH asked AS (SELECT timestamptz '$from+00' AS first, timestamptz '$to+00' AS after),
		given AS (SELECT w.* FROM asked a, sellometer.whole_range(a.first, a.after) w),
		rows AS (SELECT * FROM oracle.counted, given WHERE event_type = '$type' AND t >= range_from AND t < range_to)
		SELECT 'range', first, after, range_from, range_to FROM asked, given
		WHERE range_from >= first + interval '1 minute' OR range_to < after OR range_from <= first - interval '31 days' OR range_to >= after + interval '31 days'
		UNION ALL
		SELECT 'total', first, after, range_from, range_to FROM asked, given, sellometer_total('$type', first, after) s
		WHERE (s.count, s.gmv) IS DISTINCT FROM (SELECT (count(*), coalesce(sum(price), 0)) FROM rows)
		UNION ALL
		SELECT 'top ' || coalesce(s.key, e.key), first, after, range_from, range_to FROM asked, given,
			(sellometer_top('brand', '$type', '$from+00', '$to+00', 50) s
			FULL JOIN (SELECT brand AS key, count(*), sum(price) AS gmv FROM rows GROUP BY 1) e USING (key))
		WHERE (s.count, s.gmv) IS DISTINCT FROM (e.count, e.gmv)
		UNION ALL
		SELECT 'keys', first, after, range_from, range_to FROM asked, given
		WHERE (SELECT (sum(s.count), sum(s.gmv)) FROM sellometer_total('product_id', '$type', '{1,2}', first, after) s)
			IS DISTINCT FROM (SELECT (nullif(count(*), 0)::numeric, sum(price)) FROM rows WHERE product_id IN (1, 2))
		UNION ALL
		SELECT 'compare ' || x.what, first, after, x.since, x.until
		FROM asked, sellometer_compare('brand', '$type', $key, first, after, $back) c,
			LATERAL (VALUES ('now', c.compared_from, c.compared_to, c.count, c.gmv), ('earlier', c.earlier_from, c.earlier_to, c.earlier_count, c.earlier_gmv))
				x (what, since, until, count, gmv)
		WHERE c.compared_from IS NOT NULL AND ((x.count, x.gmv) IS DISTINCT FROM (SELECT (count(*), coalesce(sum(price), 0)) FROM oracle.counted o
				WHERE o.event_type = '$type' AND (o.brand = $key OR $key IS NULL) AND o.t >= x.since AND o.t < x.until)
			OR c.compared_from < first OR c.compared_to > least(after, (SELECT head FROM sellometer.state))
			OR c.earlier_from IS DISTINCT FROM CASE WHEN $back IS NULL THEN c.earlier_from ELSE (c.compared_from AT TIME ZONE '$zone' - ${back}::interval) AT TIME ZONE '$zone' END
			OR c.earlier_to IS DISTINCT FROM CASE WHEN $back IS NULL THEN c.earlier_to ELSE (c.compared_to AT TIME ZONE '$zone' - ${back}::interval) AT TIME ZONE '$zone' END)}) . value(qq{
		SELECT format('SELECT ''series '' || w.width, event_time, s.count, e.count, s.gmv, e.gmv
			FROM sellometer_series(''brand'', ''$type'', ''acme'', %1\$L, %2\$L, %3\$L) s
			FULL JOIN (SELECT %4\$s AS event_time, count(*), sum(price) AS gmv FROM oracle.counted
				WHERE brand = ''acme'' AND event_type = ''$type'' GROUP BY 1) e USING (event_time), (SELECT %5\$L::interval) w (width)
			WHERE (s.count, s.gmv) IS DISTINCT FROM (e.count, e.gmv)
				AND event_time >= sellometer.bucket_start(width, %1\$L, %6\$L) AND event_time < %2\$L
				AND event_time >= (SELECT min(k.floor) FROM sellometer.kept() k WHERE sellometer.is_multiple(width, k.granularity, %6\$L, k.zone))',
			timestamptz '$from+00', timestamptz '$to+00', interval '$step', oracle.bucket(w.width, w.zone), w.width, w.zone)
		FROM (SELECT sellometer.series_width('$step', '$from+00', z), z FROM sellometer.series_zone('$step', '$from+00') z) w (width, zone)
		\\gexec});
}

sub answers
{
	my ($when) = @_;
	my @wrong = grep { $_ ne '' } map { wrong_answers() } 1 .. 25;

	is(join("\n", splice(@wrong, 0, 5)), '', "$when: what is asked is answered");
	return;
}

sub agrees
{
	my ($dir, $when) = @_;

	oracle_load($node, $dir);
	value("SELECT oracle.build_tier(name, granularity, zone) FROM sellometer.tiers WHERE name NOT IN ('minute', 'hour')");
	is(differences(), '', "$when: all tiers agree");
	answers($when);
	return;
}

sub random_history
{
	my ($seed) = @_;
	my $dir = slm_directory($node, "weeks_$seed");
	my @steps = ('CALL sellometer_rollup()', 'CALL sellometer_prune()', 'CALL sellometer_merge_backlog()');

	srand($seed);
	my @objects = in_order_of_arrival(random_objects());
	my $late_tier = pick('week', 'month', 'none');
	$zone = $ZONES[ ($seed - 1) % @ZONES ];
	$node->safe_psql('postgres', "ALTER DATABASE shop SET sellometer.timezone = '$zone'");
	value("DROP EXTENSION IF EXISTS sellometer; CREATE EXTENSION sellometer; SELECT sellometer_add_source('s', 'file://$dir/');
		SELECT sellometer_add_tier('day', '1 day', '40 days')");
	# a tier that is added later has what days still hold, so it is added in time
	my %tiers = (week => "'week', '7 days', '10 weeks'", month => "'month', '1 month'");
	value("SELECT sellometer_add_tier($tiers{$_})") foreach (grep { $_ ne $late_tier } sort keys %tiers);
	is(value("SELECT string_agg(name || ' of ' || finer, ', ' ORDER BY position) FROM sellometer.tiers WHERE position > 2"),
		join(', ', map { "$_ of day" } grep { $_ ne $late_tier } sort { $b cmp $a } keys %tiers), "seed $seed, $zone: made of days");
	my $waves = 12;
	for my $wave (1 .. $waves)
	{
		my @some = splice(@objects, 0, $wave == $waves ? scalar @objects : int(@objects / ($waves - $wave + 1)));

		write_object($dir, $_->{key}, $_->{content}) foreach (@some);
		value('CALL sellometer_ingest()');
		value(pick(@steps)) foreach (1 .. int rand 4);
		value("SELECT sellometer_add_tier($tiers{$late_tier})") if $wave == 3 && $late_tier ne 'none';
		value("SELECT sellometer_drop_tier('week', discard => true)") if $wave == 5 && $late_tier eq 'none';
		value("SELECT sellometer_add_tier($tiers{week})") if $wave == 6 && $late_tier eq 'none';
	}
	value($_) foreach (@steps);
	agrees($dir, "seed $seed");
	value($_) foreach ('CALL sellometer_merge_backlog()', 'CALL sellometer_rollup()', 'CALL sellometer_prune()');
	is(value("SELECT count(*) FROM (SELECT min(event_time) FROM sellometer.totals WHERE tier IN ('day', 'week', 'month') GROUP BY tier) t"), 3,
		"seed $seed: there are days, weeks and months");

	# of a file taken out no tier has anything
	my $gone = value("SELECT key FROM sellometer.objects WHERE state = 'done' AND rows_total > 0 ORDER BY id DESC LIMIT 1 OFFSET " . int rand 40);
	value("SELECT sellometer_unload('s', '$gone')");
	unlink "$dir/$gone";
	agrees($dir, "seed $seed, a file taken out");
	# a range that is made anew is the same
	value("SELECT sellometer_replay('s', '2019-09-02', '2019-12-01')");
	agrees($dir, "seed $seed, replayed");
	return;
}

my ($first, $last) = ($ENV{SLM_SEEDS} // '1-4') =~ /^(\d+)(?:-(\d+))?$/ or die 'SLM_SEEDS must be like 7 or 1-2';
random_history($_) foreach ($first .. $last // $first);
is(join("\n", unexpected_in_log($node)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
