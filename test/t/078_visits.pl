# Sessions, buyers and orders by minute, hour and day are what plain SQL makes of the rows, whatever the order of files, and after files were
# taken out, replaced, archived and pruned; also where counting begins late, by a dimension that has fewer keys than there are, and in zones whose clocks change
# meanwhile.
# SLM_SEEDS: which histories, e.g. "1-100" or "7" (default: 3).
use strict;
use warnings FATAL => 'all';

use POSIX qw(strftime);
use PostgreSQL::Test::Utils;
use SlmHistory qw(unexpected_in_log);
use SlmRandom;
use SlmTest;
use Test::More;
use Time::Local qw(timegm);

my $DAYS = 12;
my $START = timegm(0, 0, 0, 22, 9, 2019);
my @ZONES = ('Europe/Berlin', 'Asia/Kolkata', 'UTC', 'America/Havana', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'America/New_York');
my $node = slm_node('visits', extension => 0,
	conf => "sellometer.database = ''\nfsync = off\ntimezone = 'UTC'\nsellometer.view_window = 20d\nsellometer.view_log_retention = 365d\nsellometer.live_lateness = 5min\n");
# Of the key of an object, by which sessions are counted too.
my $DIGIT = '([0-8])[.]csv$';
my ($zone, $window);

sub value { my ($sql) = @_; return $node->safe_psql('shop', "SET client_min_messages = warning; $sql"); }
sub at { my ($seconds) = @_; return strftime('%Y-%m-%d %H:%M:%S', gmtime($START + $seconds)); }

# Sessions of minutes or hours, about midnight too, that buy now and then, some within the window, some just beyond.
sub random_objects
{
	my @objects;
	my $n = 0;

	for my $day (0 .. $DAYS - 1)
	{
		for my $file (1 .. 3)
		{
			my $hour = $day * 86400 + 3600 * pick(0, 11, 17, 18, 21, 22, 23);
			my @lines = map {
				my $time = $hour + pick(int rand 3600, 1800, 1799, 1801, 60 * int rand 90, 3599, 3600);
				event(event_time => at($time), event_type => pick('view', 'view', 'cart', 'purchase', 'purchase'), product_id => 1 + int rand 5,
					price => '1.50', user_session => chance(0.1) ? '' : 's' . int(($day + rand 4) / 2))
			} 1 .. 5 + int rand 20;
			push @objects, { key => strftime('%Y-%m-%d-%H-%M', gmtime($START + $hour)) . '-' . $n++ . '.csv', at => $hour, content => csv(@lines) };
		}
	}
	return @objects;
}

sub agrees
{
	my ($dir, $when) = @_;

	oracle_load($node, $dir);
	is(value("SELECT * FROM oracle.diff_visits('$window', '$zone', 'digit', '$DIGIT') LIMIT 10"), '', "$when: as the rows have it");
	is(value(q{SELECT name, detail FROM sellometer_check() WHERE NOT ok AND name = 'visits'}), '', "$when: the check agrees");
	return;
}

sub random_history
{
	my ($seed) = @_;
	my $dir = slm_directory($node, "visits_$seed");		# with what there is now
	my $in = slm_directory($node, "visits_in_$seed");
	my $out = slm_directory($node, "visits_out_$seed");
	my @steps = map { "CALL sellometer_$_()" } qw(rollup prune merge_backlog);

	srand($seed);
	$zone = $ZONES[ ($seed - 1) % @ZONES ];
	$window = pick('30min', '1s', '2h', '1d');
	$node->safe_psql('postgres', "ALTER DATABASE shop SET sellometer.timezone = '$zone'; ALTER DATABASE shop SET sellometer.order_window = '$window'");
	value("DROP EXTENSION IF EXISTS sellometer; CREATE EXTENSION sellometer; SELECT sellometer_add_source('s', 'file://$in/', archive_url => 'file://$out/')");
	my $late = chance(0.5) ? 3 : 0;
	my $limit = pick(1, 3, 5, 100);
	my $add = "SELECT sellometer_add_dimension('digit', of => 'key', pattern => '$DIGIT', max_keys => $limit, visits => true)";
	my $added = chance(0.6) ? 0 : pick(2, 3, 4);
	value($add) if !$added && chance(0.5);
	value('SELECT sellometer_count_visits()') if !$late;
	value($add) if !$added && !value('SELECT count(*) FROM sellometer.dimensions');

	my @objects = random_objects();
	$_->{arrival} = $_->{at} + (chance(0.3) ? rand(pick(7200, 3, 5) * 86400) : 0) foreach (@objects);
	@objects = sort { $a->{arrival} <=> $b->{arrival} } @objects;
	my $waves = 8;
	for my $wave (1 .. $waves)
	{
		my @some = splice(@objects, 0, $wave == $waves ? scalar @objects : int(@objects / ($waves - $wave + 1)));

		for my $object (@some)
		{
			write_object($_, $object->{key}, $object->{content}) foreach ($dir, $in);
		}
		value('CALL sellometer_ingest()');
		value(pick(@steps)) foreach (1 .. int rand 3);
		value($add) if $wave == $added;
		value("SELECT sellometer_count_visits('-infinity')") if $wave == $late;
	}
	value($_) foreach (@steps);
	ok(value('SELECT count(*) FROM sellometer.visits_day') > 5, "seed $seed, $zone, $window" . ($late ? ', begun late' : '') . ", $limit keys" . ($added ? ', added late' : '') . ': there are days');
	ok(value(q{SELECT count(*) FROM sellometer.visit_counts WHERE key > 0}) > 5, "seed $seed: there are some by digit");
	agrees($dir, "seed $seed, loaded");

	my $gone = value("SELECT key FROM sellometer.objects WHERE state = 'done' ORDER BY id LIMIT 1 OFFSET " . int rand 30);
	value("SELECT sellometer_unload('s', '$gone')");
	unlink "$dir/$gone", "$in/$gone";
	agrees($dir, "seed $seed, one taken out");

	value('CALL sellometer_archive()');
	my $changed = value("SELECT key FROM sellometer.objects WHERE state = 'archived' ORDER BY id LIMIT 1 OFFSET " . int rand 20);
	my ($header, @lines) = split(/^/m, slurp_file("$dir/$changed"));
	my $content = join('', $header, (grep { chance(0.5) } @lines), map { s/,view,/,purchase,/r } @lines[ 0, 1 ]);
	unlink "$dir/$changed";
	write_object($_, $changed, $content) foreach ($dir, $in);
	value('CALL sellometer_ingest()');
	is(value("SELECT sellometer_retry('s', '$changed', replace => true)"), '1', "seed $seed: $changed is replaced");
	agrees($dir, "seed $seed, one replaced");

	value("SELECT sellometer_replay('s', '2019-10-23', '2019-10-30')");
	agrees($dir, "seed $seed, replayed");
	value("SELECT sellometer_replay('s', '-infinity', 'infinity')") if chance(0.5);
	agrees($dir, "seed $seed, replayed from the beginning");
	is(value(q{SELECT count(*) FROM sellometer_visits_by('digit', NULL, NULL, '1 hour') v
		WHERE v.gmv IS DISTINCT FROM (SELECT sum(p.gmv) FROM sellometer.purchase_digit_hour p WHERE p.digit = v.key AND p.event_time = v.event_time) AND v.gmv > 0
			OR v.buyers > v.sessions OR v.basket IS DISTINCT FROM v.gmv / nullif(v.orders, 0)}), 0, "seed $seed: baskets by digit");
	value("SELECT sellometer_stop_visits(); SELECT sellometer_count_visits('-infinity')");
	agrees($dir, "seed $seed, counted anew");
	value("SELECT sellometer_drop_dimension('digit')");
	is(value('SELECT (SELECT count(*) FROM sellometer.visit_log WHERE key > 0) + (SELECT count(*) FROM sellometer.visit_purchases WHERE key > 0) + (SELECT count(*) FROM sellometer.visit_counts WHERE key > 0)'),
		0, "seed $seed: nothing is left of what was dropped");
	is(value("SELECT count(*) FROM sellometer_visits(NULL, NULL) v WHERE v.orders > 0 AND v.basket IS DISTINCT FROM v.gmv / v.orders OR v.buyers > v.sessions"), 0, "seed $seed: baskets");
	return;
}

my ($first, $last) = ($ENV{SLM_SEEDS} // '1-3') =~ /^(\d+)(?:-(\d+))?$/ or die 'SLM_SEEDS must be like 7 or 1-3';
random_history($_) foreach ($first .. $last // $first);

# what the log does not tell any more stays counted
my $days = value('SELECT count(*) FROM sellometer.visits_day');
value("SET sellometer.view_log_retention = '3d'; SET sellometer.view_window = '1d'; CALL sellometer_prune()");
ok(value('SELECT kept_from > counted_from FROM sellometer.visit_state') eq 't' && value('SELECT count(*) FROM sellometer.visits_day') == $days, 'days stay when the log goes');
is(value("SELECT ok FROM sellometer_check() WHERE name = 'visits'"), 't', 'the check holds what is left');
is(value("SELECT count(*) FROM sellometer.visit_log l, sellometer.visit_state v WHERE l.block < v.kept_from"), 0, 'the log is pruned');
value("UPDATE sellometer.visit_counts SET orders = orders + 1 WHERE tier = 'day' AND event_time = (SELECT max(event_time) FROM sellometer.visits_day)");
is(value("SELECT ok FROM sellometer_check() WHERE name = 'visits'"), 'f', 'the check can say no');
# A session whose user is forgotten stays counted, whatever is taken out then; counted anew, it is another one.
sub forgotten
{
	my ($in, $out) = map { slm_directory($node, "forgotten_$_") } qw(in out);
	my $of = sub { my ($minute, $user, $type) = @_; return event(event_time => "2019-10-23 10:$minute:00", event_type => $type, product_id => 1, user_id => $user, user_session => "the session of user $user") };
	my $hour = sub { value(q{SELECT sessions, buyers, orders FROM sellometer.visits_hour WHERE event_time = '2019-10-23 10:00+00'}) };

	value("DROP EXTENSION sellometer; CREATE EXTENSION sellometer; SELECT sellometer_add_source('s', 'file://$in/', archive_url => 'file://$out/'); SELECT sellometer_count_visits()");
	write_object($in, '2019-10-23-10-05.csv', csv($of->('05', 7, 'view'), $of->('06', 7, 'purchase'), $of->('05', 8, 'view')));
	write_object($in, '2019-10-23-10-35.csv', csv($of->('35', 7, 'view'), $of->('06', 7, 'purchase'), $of->('35', 8, 'view')));
	write_object($in, '2019-10-23-12-00.csv', csv(event(event_time => '2019-10-23 12:00:00')));
	value('CALL sellometer_ingest(); CALL sellometer_merge_backlog(); CALL sellometer_rollup(); CALL sellometer_archive(); CALL sellometer_forget_user(7)');
	is($hour->(), '2|1|1', 'who is forgotten stays counted');
	value("SELECT sellometer_unload('s', '2019-10-23-10-05.csv')");
	is($hour->(), '2|1|1', '... once, when a file is taken out');
	value("SELECT sellometer_stop_visits(); SELECT sellometer_count_visits('-infinity')");
	is($hour->(), '2|1|1', '... and counted anew as somebody');
	value("SELECT sellometer_unload('s', '2019-10-23-10-35.csv')");
	is($hour->(), '', '... who goes with the last file');
	is(value("SELECT ok FROM sellometer_check() WHERE name = 'visits'"), 't', '... and the check agrees');
	return;
}
forgotten();

is(join("\n", unexpected_in_log($node, qr/has as many keys as it may have/)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
