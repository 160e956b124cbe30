# Clock jumps are the same rows, in whatever parts an object is read, by whomever, and after a restart in the middle.
# The server crashes on purpose here.
use strict;
use warnings FATAL => 'all';

use POSIX qw(strftime);
use PostgreSQL::Test::Utils;
use SlmCrash;
use SlmHistory;
use SlmTest;
use Test::More;
use Time::Local qw(timegm);

my $node = slm_node('clock', conf => <<'CONF');
fsync = off
autovacuum = off
restart_after_crash = on
sellometer.database = 'postgres'
sellometer.max_parse_workers = 1
CONF
die 'needs an extension that was built with COPT=-DUSE_ASSERT_CHECKING' if !can_make_chunks_small($node);

my $begin = timegm(0, 0, 0, 1, 9, 2019);

sub value { return $node->safe_psql('shop', $_[0]); }

# Rows of five days, in no order at all, of which seven are of a server with a wrong clock: in the first part, at the ends of
# others, in the last, which has hardly any other.
my @times = map { $_ * 457 % 1207 * 360 } 0 .. 1206;
$times[$_] += 86400 * 30 foreach (0, 99, 100, 299, 617, 1200, 1206);
my $content = csv(map { event(event_time => strftime('%Y-%m-%d %H:%M:%S', gmtime($begin + $_)), event_type => 'purchase',
	user_session => '') } @times);
my $wanted = '1207|1200|7|0|2,101,102,301,619,1202,1208';

# Load it as a source of its own, with these settings; what became of it.
sub load
{
	my ($name, $settings, @more) = @_;
	my $dir = slm_directory($node, $name);

	write_object($dir, 'object.csv', $content);
	value("SELECT sellometer_add_source('$name', 'file://$dir/')");
	foreach (@more, '')
	{
		$node->psql('shop', "$settings; $_ CALL sellometer_ingest('$name')", on_error_die => 0);
		$node->poll_query_until('shop', 'SELECT true') or die 'the server does not come back' if $_;
	}
	value("CALL sellometer_merge_backlog('$name')");
	return value("SELECT rows_total, rows_counted, rows_rejected, rows_expired,
		(SELECT string_agg(line::text, ',' ORDER BY line) FROM sellometer.rejected_rows r
			WHERE r.object_id = o.id AND r.reason = 'clock_jump')
		FROM sellometer.objects o WHERE source = '$name'");
}

is(load('whole', 'SET sellometer.live_lateness = 86400'), $wanted, 'in one part');
is(load('parts', 'SET sellometer.debug_chunk_rows = 100'), $wanted, 'in parts');
is(load('other', 'SET sellometer.debug_chunk_rows = 333'), $wanted, '... and in others');
is(load('batch', 'SET sellometer.batch_bytes = 64; SET sellometer.debug_chunk_rows = 400'), $wanted, '... in batches of a few bytes');
is(load('surge', "SET sellometer.surge_bytes = '1kB'"), $wanted, 'read by a parse worker');
# not as a late one, as these go another way
is(load('resumed', "SET sellometer.live_lateness = '10d'; SET sellometer.debug_chunk_rows = 100", "SET sellometer.debug_crash_point = 'large.part:3';"),
	$wanted, 'taken up again after a crash');
is(slurp_file($node->data_dir . '/sellometer_crashed'), 'large.part', '... in the middle of it');
unlink($node->data_dir . '/sellometer_crashed');
is(load('changed', "SET sellometer.live_lateness = '10d'; SET sellometer.debug_chunk_rows = 100",
		"SET sellometer.debug_crash_point = 'large.part:3';", "SET sellometer.max_clock_jump = '100 d';"),
	$wanted, '... with another setting, which counts for other objects');
is(value("SELECT head < '2019-10-06' FROM sellometer.state"), 't', 'jumps do not move the clock');

# What was left out can be had, from however many parts, whatever parts are now.
foreach ([ 'whole', '' ], [ 'parts', 'SET sellometer.debug_chunk_rows = 100;' ], [ 'resumed', '' ])
{
	my ($source, $settings) = @$_;

	value("SET sellometer.max_clock_jump = '100 d'; $settings SELECT sellometer_retry('$source', 'object.csv')");
	is(value("SELECT rows_total, rows_counted, rows_rejected, (SELECT count(*) FROM sellometer.rejected_rows r WHERE r.object_id = o.id)
		FROM sellometer.objects o WHERE source = '$source'"), '1207|1207|0|0', "$source: a retry counts what was left out");
}
# With all times in order, nearly all of an object can be left out and be had later.
{
	my $dir = slm_directory($node, 'mostly');

	write_object($dir, 'object.csv', csv(map { event(event_time => strftime('%Y-%m-%d %H:%M:%S', gmtime($begin + 60 * $_)),
		event_type => 'purchase', user_session => '', category_code => $_ % 10 ? 'a' x 700 : 'b') } 0 .. 999));
	value("SELECT sellometer_add_source('mostly', 'file://$dir/');
		SET sellometer.max_reject_fraction = 1; SET sellometer.debug_chunk_rows = 100; CALL sellometer_ingest('mostly')");
	value("SET sellometer.max_reject_fraction = 1; CALL sellometer_merge_backlog('mostly')");
	is(value("SELECT rows_counted, rows_rejected, (SELECT sum(length(rows)) < 500 FROM sellometer.refused_rows l WHERE l.object_id = o.id)
		FROM sellometer.objects o WHERE source = 'mostly'"), '100|900|t', 'of which rows are left out a small note is kept');
}
cmp_ok(value('SELECT count(*) FROM sellometer.object_parts'), '>', 10, 'there were parts');

my $sums = value("SELECT event_time, count, gmv FROM sellometer.brand_hour ORDER BY 1");
is(value('SELECT sum(count) FROM sellometer.realtime_brand_hour'), 7 * 1200 + 3 * 7 + 100, 'all others count');
value("SELECT sellometer_replay(NULL, '-infinity', 'infinity')");
is(value("SELECT event_time, count, gmv FROM sellometer.brand_hour ORDER BY 1"), $sums, '... and again when they are replayed');
is(value("SELECT string_agg(name, ', ') FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker')"), '',
	'sellometer_check() has nothing to say');
done_testing();
