# Replay: the tiers of a range made anew, from archives and from what is not archived, are what they were.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmTest;
use Test::More;

my $seed = $ENV{SLM_SEEDS} // 1;
my $node = slm_node('replay', conf => <<'CONF');
fsync = off
log_checkpoints = off
sellometer.poll_interval = 50ms
sellometer.debug_chunk_rows = 300
CONF
my @dimensions = qw(product_id brand category_l1 category_l2 category_l3);
my %dir = map { $_ => slm_directory($node, $_) } qw(in kept out in_b);

sub value { return $node->safe_psql('shop', 'SET client_min_messages = warning; ' . $_[0]); }

# What a statement prints, errors included.
sub said
{
	my ($sql) = @_;
	my ($status, $stdout, $stderr) = $node->psql('shop', $sql, on_error_stop => 0);
	return $stderr;
}

# A digest of all rows of all tiers (of totals, what they are about: grown_count tells of their past), and of the views that the log says are counted.
sub digest
{
	my (@tiers) = @_;
	my @tables = ('(SELECT tier, event_type, event_time, count, gmv FROM sellometer.totals)',
		map { my $tier = $_; map { "sellometer.${_}_$tier" } @dimensions } @tiers);

	return join("\n", map {
		"$_ " . value("SELECT count(*), md5(coalesce(string_agg(t::text, ' ' ORDER BY t::text), '')) FROM $_ t")
	} @tables);
}

sub truncate_tiers
{
	value('TRUNCATE sellometer.totals, ' . join(', ', map { my $tier = $_; map { "sellometer.${_}_$tier" } @dimensions } @_));
	return;
}

sub replay
{
	my ($source, $from, $to) = @_;
	return value(sprintf('SELECT sellometer_replay(%s)', join(', ', map { defined $_ ? "'$_'" : 'NULL' } $source, $from, $to)));
}

# Files of one shop that were put together: headers by turns, in other orders, more rows than a part, all ends of lines,
# quotes of all kinds.
sub put_together
{
	my $object = "sep=,\r\n";
	my $row = 0;

	for my $file (0 .. 15)
	{
		my @columns = (qw(event_time event_type product_id price brand user_session category_code), $file % 3 ? "note $file" : ());
		my $end = ("\n", "\r\n", "\r")[ $file % 3 ];

		push @columns, shift @columns foreach (1 .. $file);
		$object .= join(',', @columns) . $end;
		for (1 .. 100)
		{
			my %event = (event_time => sprintf('2019-10-01 02:%02d:%02d', $row / 60 % 60, $row % 60), event_type => $row % 3 ? 'view' : 'purchase',
				product_id => 900_000_000_000 + $row % 20, price => $row % 7 . '.25', brand => $row % 11 ? 'acme' : "\"a\r\nc, \"\"me\"\"\"",
				user_session => "together$row", category_code => $row % 50 == 7 && $row % 11 ? '"stray' : 'a.b');
			$object .= join(',', map { $event{$_} // '' } @columns) . ($row % 13 ? '' : ',,') . $end;
			$row++;
		}
	}
	return $object;
}

# Six hours, with late files, bad rows, times that are too far ahead, rows that are too old; a large object in parts; and
# views that move between objects.
sub fill
{
	traffic($dir{kept}, '--seed' => $seed, '--minutes' => 360, '--servers' => 2, '--rate' => 80, '--products' => 500,
		'--gzip' => 0.3, '--pandas' => 0.1, '--odd' => 0.2, '--quoted' => 0.02, '--iso' => 0.1, '--sticky' => 0.3, '--bad' => 0.02,
		'--session-gap' => 300);
	traffic("$dir{kept}/large", '--seed' => $seed + 1, '--events' => 4500, '--servers' => 1, '--rate' => 4500,
		'--start' => '2019-10-01 02:10:00', '--minutes' => 1, '--bad' => 0.02);
	my @keys = files_below($dir{kept});
	my $n = @keys;
	my %late = map { $_ => 1 } grep { /-3[0-9]-/ && rand() < 0.3 } @keys;

	value("SELECT sellometer_add_source('a', 'file://$dir{in}/', archive_url => 'file://$dir{out}/');
		SELECT sellometer_add_source('b', 'file://$dir{in_b}/')");
	# every third object is of a source that is not archived
	my $i = 0;
	my %to = map { $_ => $i++ % 3 ? $dir{in} : $dir{in_b} } @keys;
	link_object($dir{kept}, $to{$_}, $_) foreach (grep { !$late{$_} } @keys);
	wait_until_loaded($node);
	link_object($dir{kept}, $to{$_}, $_) foreach (sort keys %late);
	wait_until($node, "SELECT count(*) = $n FROM sellometer.objects");
	wait_until_loaded($node);
	write_object($dir{in}, '2019-10-01-02-20-7.csv', put_together());
	write_object($dir{in}, 'old.csv', csv(event(event_time => '2019-08-01 10:00:00 UTC'), event(event_time => '2019-10-01 05:00:00 UTC')));
	wait_until($node, "SELECT count(*) = $n + 2 FROM sellometer.objects");
	wait_until_loaded($node);
	value('CALL sellometer_rollup()');
	return;
}

srand($seed);
fill();
is(value("SELECT count(*) FROM sellometer.objects WHERE state <> 'done'"), '0', 'all is loaded');
cmp_ok(value('SELECT count(DISTINCT object_id) FROM sellometer.object_parts'), '>', 1, 'two objects in parts');
is(value("SELECT rows_total, rows_rejected, rows_duplicate FROM sellometer.objects WHERE key = '2019-10-01-02-20-7.csv'"), '1600|29|0',
	'one was put together from files with headers of their own');
is(value("SELECT count(*), sum(count), sum(gmv) FROM (SELECT product_id, sum(count) AS count, sum(gmv) AS gmv
	FROM sellometer.product_id_minute WHERE product_id BETWEEN 900000000000 AND 900000000019 GROUP BY 1) p"), '20|1571|5104.7500', '... each row by its own');
cmp_ok(value('SELECT sum(rows_expired) FROM sellometer.objects'), '>', 0, 'there are rows that were too old');
cmp_ok(value("SELECT count(*) FROM sellometer.rejected_rows WHERE reason = 'clock_jump'"), '>', 0, '... and too far ahead');
my $all = digest('minute', 'hour');

is(replay('a', '-infinity', 'infinity'), value("SELECT sum(rows_total - rows_rejected - rows_expired) FROM sellometer.objects"),
	'replay from the objects');
is(digest('minute', 'hour'), $all, '... changes nothing');

value('CALL sellometer_archive()');
is(value("SELECT count(*) FROM sellometer.archives WHERE archived_at IS NOT NULL"), '6', 'all hours but the last are archived');
truncate_tiers('minute', 'hour');
isnt(digest('minute', 'hour'), $all, 'the tiers are empty');
replay(undef, '-infinity', 'infinity');
is(digest('minute', 'hour'), $all, 'replay from archives and objects: equal to before, bit for bit');
replay('b', '-infinity', 'infinity');
is(digest('minute', 'hour'), $all, '... and the same once more');
is(value("SELECT string_agg(name, ', ') FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker')"), '',
	'sellometer_check() has nothing to say');

# --- a part ---

for my $range ([ '2019-10-01 02:00', '2019-10-01 03:00' ], [ '2019-10-01 01:17', '2019-10-01 02:43' ],
	[ '2019-10-01 01:17:20', '2019-10-01 04:00:30' ], [ '2019-10-01 03:59', '2019-10-01 07:00' ])
{
	my ($from, $to) = @$range;
	my $outside = digest_outside($from, $to);
	value(join(';', map { "DELETE FROM sellometer.${_}_minute WHERE event_time >= date_bin('1 min', '$from'::timestamptz + '59 s', '2000-01-01') "
			  . "AND event_time < date_bin('1 min', '$to', '2000-01-01')" } @dimensions));
	value(join(';', map { "DELETE FROM sellometer.${_}_hour WHERE event_time >= date_bin('1 hour', '$from'::timestamptz + '3599 s', '2000-01-01') "
			  . "AND event_time < date_bin('1 hour', '$to', '2000-01-01')" } @dimensions));
	value("DELETE FROM sellometer.totals WHERE tier = 'hour' AND event_time >= date_bin('1 hour', '$from'::timestamptz + '3599 s', '2000-01-01')
		AND event_time < date_bin('1 hour', '$to', '2000-01-01')");
	replay('a', $from, $to);
	is(digest('minute', 'hour'), $all, "from $from to $to");
}

sub digest_outside
{
	my ($from, $to) = @_;
	return join("\n", map { value("SELECT ctid, xmin::text, * FROM sellometer.${_}_minute WHERE event_time < date_trunc('minute', '$from'::timestamptz)
		OR event_time >= '$to' ORDER BY 1, 2") } @dimensions);
}

{
	my ($from, $to) = ('2019-10-01 02:00', '2019-10-01 02:30');
	my $before = digest_outside($from, $to);
	like(said("SELECT sellometer_replay('a', '$from', '$to')"), qr/NOTICE:  tier "hour" is left as it is/, 'buckets that are not whole are left');
	is(digest_outside($from, $to), $before, '... and no row outside of the range is touched');
}

# --- without the view log ---

value("UPDATE sellometer.state SET views_from = '2019-10-02'; TRUNCATE sellometer.view_log");
truncate_tiers('minute', 'hour');
replay('a', '2019-10-01 03:00', 'infinity');
replay('a', '-infinity', '2019-10-01 03:00');
is(digest('minute', 'hour'), $all, 'where the view log is gone, earlier rows tell which views count');
value("UPDATE sellometer.state SET views_from = NULL");
replay('a', '-infinity', 'infinity');
is(digest('minute', 'hour'), $all, '... and the log is made anew');

# --- what comes after, in the same backends ---

my @more = map { event(event_time => "2019-10-01 05:58:00 UTC", product_id => $_, user_session => 's', price => '2.00') } (1 .. 20);
write_object($dir{in}, 'more1.csv', csv(@more));
wait_until($node, "SELECT count(*) = 1 FROM sellometer.objects WHERE key = 'more1.csv' AND state = 'done'");
replay('a', '2019-10-01 05:00', '2019-10-01 06:00');
write_object($dir{in}, 'more2.csv', csv(map { s/05:58:00/05:57:00/r } @more));
wait_until($node, "SELECT count(*) = 1 FROM sellometer.objects WHERE key = 'more2.csv' AND state = 'done'");
$all = digest('minute');
replay('a', '2019-10-01 05:00', '2019-10-01 06:00');
is(digest('minute'), $all, 'a worker that goes on moves the views that a replay has counted');
is(value("SELECT count(*) FROM sellometer.product_id_minute WHERE event_time = '2019-10-01 05:57' AND product_id < 21"), '20', '... to where they belong');

# --- beside live loading ---

{
	my @late = map { "2019-10-01-06-0$_-1.csv" } (0 .. 9);
	traffic("$dir{kept}/live", '--seed' => $seed + 7, '--minutes' => 10, '--servers' => 1, '--rate' => 200, '--start' => '2019-10-01 06:00:00', '--products' => 500);
	for my $key (@late)
	{
		link_object("$dir{kept}/live", $dir{in}, $key);
		replay('a', '2019-10-01 05:30', '2019-10-01 07:00');
	}
	wait_until_loaded($node);
	my $before = digest('minute', 'hour');
	truncate_tiers('minute', 'hour');
	replay('a', '-infinity', 'infinity');
	is(digest('minute', 'hour'), $before, 'replays while objects are loaded');
}

# --- what is wrong ---

like(said("SELECT sellometer_replay('a', '2019-10-01', '2019-10-01')"), qr/the range to replay is empty/, 'an empty range');
like(said("SELECT sellometer_replay('x', '2019-10-01', '2019-10-02')"), qr/source "x" does not exist/, 'no such source');
like(said("SELECT sellometer_replay('a', '2018-10-01', '2018-10-02')"), qr/NOTICE:  source "a" has no rows in this range/, 'nothing to replay');
like(said('CREATE ROLE clerk; SET ROLE clerk; SELECT sellometer_replay(NULL, NULL, NULL)'), qr/permission denied/, 'not for everybody');
my $before = digest('minute', 'hour');
rename("$dir{out}/2019-10-01-02.csv.gz", "$dir{out}/away") or die;
like(said("SELECT sellometer_replay('a', '2019-10-01', '2019-10-02')"), qr/archive "2019-10-01-02.csv.gz" of source "a" can't be read.*without it/s,
	'an archive that is gone');
rename("$dir{out}/away", "$dir{out}/2019-10-01-02.csv.gz") or die;
value("SELECT sellometer_drop_source('b')");
like(said("SELECT sellometer_replay('a', '2019-10-01', '2019-10-02')"), qr/can't be read.*The source was dropped/s, 'a source that is gone');
is(digest('minute', 'hour'), $before, '... nothing has happened');

$node->stop;
done_testing();
