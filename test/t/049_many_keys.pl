# Files of made-up names: memory is held to sellometer.work_memory, whatever they bring, and so is the number of names.
use strict;
use warnings FATAL => 'all';

use IO::Select;
use PostgreSQL::Test::Utils;
use POSIX ();
use SlmTest;
use Test::More;

my $MEMORY = 32;    # MB
my $OWN = 16;       # MB that a process of the server may need for itself, at work
my $WIDTH = 900;    # bytes of each brand and category

# The test loads for itself.
my $node = slm_node('many_keys', conf => <<"CONF");
sellometer.database = 'postgres'
sellometer.work_memory = ${MEMORY}MB
sellometer.max_parse_workers = 3
dynamic_shared_memory_type = mmap
sellometer.live_lateness = 1d
shared_buffers = 16MB
fsync = off
autovacuum = off
CONF
my $in = slm_directory($node, 'in');
my $header = "event_time,event_type,product_id,price,brand,category_code,user_session\n";

# Rows of which each has a brand and a category of its own.
sub rows
{
	my ($first, $last, $type) = @_;

	return join '', map {
		my $id = sprintf '%08d', $_;
		"2019-10-01 10:00:00,$type,$_,1.50,b$id" . 'x' x ($WIDTH - 9) . ',' . join('.', map { "$_$id" . 'y' x ($WIDTH / 3 - 10) } qw(a b c)) . ",s$id\n"
	} ($first .. $last);
}

# What a process of the server that loads, or reads for one that does, has of its own now, in kB; 0 for others.
sub memory_of
{
	my ($pid) = @_;
	my $what = eval { slurp_file("/proc/$pid/cmdline") } // '';
	my $status = eval { slurp_file("/proc/$pid/status") } // '';

	return $what =~ /parse worker|shop \[local\]/ && $status =~ /^RssAnon:\s+(\d+)/m ? $1 : 0;
}

# What is shared between processes for as long as they work, in kB.
sub queues
{
	my $sum = 0;

	$sum += ((-s $_) // 0) / 1024 foreach glob($node->data_dir . '/pg_dynshmem/*');
	return $sum;
}

# All of them together, with the queues between them, until the pipe is closed; then the most there was, in kB, and of how many processes.
sub watch
{
	my ($stop) = @_;
	my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	my $at_rest = queues();
	my ($peak, $processes, @pids) = (0, 0);

	for (my $look = 0; !IO::Select->new($stop)->can_read(0.01); $look++)
	{
		@pids = split ' ', slurp_file("/proc/$postmaster/task/$postmaster/children") if $look % 5 == 0;
		my @memory = grep { $_ > 0 } map { memory_of($_) } @pids;
		my $sum = queues() - $at_rest;
		$sum += $_ foreach @memory;
		($peak, $processes) = ($sum, scalar @memory) if $sum > $peak;
	}
	return ($peak, $processes);
}

# Do something while another process watches; what that has seen.
sub watched
{
	my ($do) = @_;

	pipe(my $stopped, my $stop) and pipe(my $seen, my $tell) or die "can't make a pipe: $!";
	my $pid = fork() // die "can't fork: $!";
	if ($pid == 0)
	{
		close $stop;
		syswrite $tell, join ' ', watch($stopped);
		POSIX::_exit(0);
	}
	close $tell;
	close $stopped;
	my $ok = eval { $do->(); 1 };
	my $error = $@;
	close $stop;
	my @seen = split ' ', <$seen> // '';
	waitpid $pid, 0;
	die $error if !$ok;
	return @seen;
}

# Load what is new, in one session with these settings; the most memory of its process in MB, shared buffers left out.
my ($all, $processes);    # of all processes together, in MB, and their number
sub load
{
	my (@settings) = @_;
	my $out;
	($all, $processes) = watched(sub { $out = $node->safe_psql('shop', join('', map { "SET sellometer.$_; " } @settings) . <<'SQL') });
;
CALL sellometer_ingest();
SELECT 'peak ' || (hwm[1]::int - shared[1]::int) / 1024
FROM pg_read_file('/proc/self/status') s, regexp_match(s, 'VmHWM:\s+(\d+)') hwm, regexp_match(s, 'RssShmem:\s+(\d+)') shared;
SQL
	my ($peak) = $out =~ /^peak (\d+)$/m or die "no peak in: $out";
	$all = int($all / 1024);
	note("peak $peak MB, of $processes processes $all MB");
	return $peak;
}

sub value
{
	return $node->safe_psql('shop', $_[0]);
}

$node->safe_psql('shop', "SELECT sellometer_add_source('a', 'file://$in/')");
my $idle = load();

# --- one file, whose names take several times the memory ---

my $many = 30_000;
write_object($in, '2019-10-01-10-00-1.csv.gz', gzipped($header . rows(1, $many, 'purchase')));
cmp_ok(load('max_object_keys = 50000'), '<', $idle + $MEMORY, 'a file of too many names takes little memory');
like(value('SELECT error FROM sellometer.objects'), qr/^too_many_keys: .* more than 50000 .* raise sellometer\.max_object_keys and call sellometer_retry\(\)/,
	'... and fails, saying so');
is(value('SELECT state, sqlstate, (SELECT count(*) FROM sellometer.brand_minute) FROM sellometer.objects'), 'failed|54000|0', '... whole');

value("SELECT sellometer_retry('a', '2019-10-01-10-00-1.csv.gz')");
my $size = value('SELECT pg_database_size(current_database())');
cmp_ok(load('max_object_keys = 60000'), '<', $idle + $MEMORY, 'a file of as many names as may be is held to the memory');
is(value('SELECT state, rows_counted FROM sellometer.objects'), "done|$many", '... loaded');
is(value('SELECT count(*), sum(count), sum(gmv) FROM sellometer.brand_minute'), "$many|$many|" . $many * 1.5 . '.0000', '... and each name is there once');
is(value('SELECT count(*), sum(count) FROM sellometer.category_l3_minute'), "$many|$many", '... of each dimension');
$size = value('SELECT pg_database_size(current_database())') - $size;
note(sprintf '%.1f bytes are stored for each of the names', $size / (2 * $WIDTH * $many));
cmp_ok($size, '<', 5 * 2 * $WIDTH * $many, '... of which the tables and their indexes make no more than so much');

# --- many small files, through parse workers, which hold as much together; views and carts ---

write_object($in, "2019-10-01-10-01-$_.csv.gz", gzipped($header . rows($many + $_ * 1000 + 1, $many + $_ * 1000 + 1000, $_ % 2 ? 'view' : 'cart')))
	foreach (0 .. 29);
load(q{surge_bytes = '1kB'});
is($processes, 2, 'there is memory for one parse worker');
cmp_ok($all, '<', $MEMORY + $OWN * $processes, 'one that writes and one that reads are bounded together');
is(value("SELECT count(*), sum(rows_counted) FROM sellometer.objects WHERE state = 'done'"), '31|' . 2 * $many, '... and all is loaded');
is(value('SELECT count(*), sum(count) FROM sellometer.brand_minute'), 2 * $many . '|' . 2 * $many, '... once');

# --- the rollup of an interval with all these names ---

my $next = $header . join('', map { "2019-10-01 $_:30:00,purchase,1,1,brand,a.b,later\n" } (11, 12));
write_object($in, '2019-10-01-12-30-1.csv', $next);
load();
sub rollup
{
	my ($again) = watched(sub { value("SET sellometer.live_lateness = '1min'; CALL sellometer_rollup()") });

	return int($again / 1024);
}
my $took = rollup();
note("rollup: $took MB");
cmp_ok($took, '<=', $MEMORY / 2 + $OWN, 'a rollup is held to the memory');
is(value(q{SELECT count(*), sum(count), sum(gmv) FROM sellometer.brand_hour WHERE event_time = '2019-10-01 10:00:00 UTC'}),
	value(q{SELECT count(*), sum(count), sum(gmv) FROM sellometer.brand_minute WHERE event_time = '2019-10-01 10:00:00 UTC'}), '... and adds up each name once');
is(value(q{SELECT count(*), sum(count), sum(gmv) FROM sellometer.category_l3_hour WHERE event_time = '2019-10-01 10:00:00 UTC'}),
	value(q{SELECT count(*), sum(count), sum(gmv) FROM sellometer.category_l3_minute WHERE event_time = '2019-10-01 10:00:00 UTC'}), '... of each dimension');

# --- a minute has its limit, too ---

# So far 60,000 brands and as many categories, all of them in one minute.
my $full = 4 * $many;
my $state = sub { value("SELECT state, rows_counted FROM sellometer.objects WHERE key = '$_[0]'") };
my $names = sub { value(q{SELECT (SELECT count(DISTINCT brand) FROM sellometer.brand_minute WHERE event_time = '2019-10-01 10:00:00 UTC')
	+ (SELECT count(DISTINCT category_l3) FROM sellometer.category_l3_minute WHERE event_time = '2019-10-01 10:00:00 UTC')}) };

is($names->(), $full, 'a minute has many names');
write_object($in, '2019-10-01-10-02-1.csv.gz', gzipped($header . rows(200_001, 202_000, 'purchase')));
write_object($in, '2019-10-01-10-02-2.csv.gz', gzipped($header . rows(300_001, 300_300, 'purchase')));
write_object($in, '2019-10-01-10-02-3.csv.gz', gzipped($header . rows(1, 5000, 'purchase') =~ s/,s0/,t0/gr));
write_object($in, '2019-10-01-10-02-4.csv.gz', gzipped($header . rows(400_001, 402_000, 'purchase') =~ s/10:00:00/10:01:00/gr));
load("max_minute_keys = $full");
is($state->('2019-10-01-10-02-1.csv.gz'), 'failed|0', 'a file that brings more of them fails');
like(value(q{SELECT error FROM sellometer.objects WHERE key = '2019-10-01-10-02-1.csv.gz'}),
	qr/^too_many_keys: .* more than $full .* brings \d+ .* raise sellometer\.max_minute_keys and call sellometer_retry\(\)/, '... saying so');
is($state->('2019-10-01-10-02-2.csv.gz'), 'done|300', 'one that brings a few does not');
is($state->('2019-10-01-10-02-3.csv.gz'), 'done|5000', '... nor one that names what is there');
is($state->('2019-10-01-10-02-4.csv.gz'), 'done|2000', '... nor one of another minute');
is($names->(), $full + 600, 'that much the minute has grown by');
value("SELECT sellometer_retry('a', '2019-10-01-10-02-1.csv.gz')");
load('max_minute_keys = ' . 2 * $full);
is($state->('2019-10-01-10-02-1.csv.gz'), 'done|2000', 'with a higher limit it is loaded');
is($names->(), $full + 4600, '... whole');

# --- what is known is forgotten with the names that it refers to, also where the next turn then loads nothing ---

my $again = sub { my ($minute, @rows) = @_; $header . rows(@rows, 'view') =~ s/10:00:00/10:$minute:00/gr };

write_object($in, "2019-10-01-10-06-$_.csv", $again->('06', 600_001 + 450 * $_, 600_450 + 450 * $_)) foreach (0 .. 3);
# more names than a part may have, so that what reads it leaves it for later
write_object($in, '2019-10-01-10-07-0.csv', $again->('07', 600_001, 600_700));
load(q{work_memory = '16MB'}, q{batch_bytes = '64kB'}, q{surge_bytes = '1kB'});
is(value(q{SELECT count(*), sum(rows_counted), sum(rows_duplicate) FROM sellometer.objects WHERE state = 'done' AND key ~ '^2019-10-01-10-0[67]'}), '5|1800|700',
	'views count once, whatever memory there is to know them by');

# Days later, more views than may be known, and some of them again.
my $views = sub { my ($minute, $first, $last) = @_; $header . join '', map { "2019-10-05 10:$minute:00,view,7,1.50,b,c,v$_\n" } ($first .. $last) };
write_object($in, '2019-10-05-10-07-0.csv', $views->('07', 300_000, 300_000));
load();
write_object($in, "2019-10-05-10-08-$_.csv", $views->('08', $_ * 30_000, $_ * 30_000 + 29_999)) foreach (0 .. 9);
write_object($in, "2019-10-05-10-$_-0.csv", $views->($_, 60_000, 89_999)) foreach ('09', '10');
load(q{work_memory = '16MB'}, q{surge_bytes = '1kB'});
cmp_ok($all, '<', 16 + $OWN * $processes, 'views take no more memory than there is');
is(value(q{SELECT count(*), sum(rows_counted), sum(rows_duplicate) FROM sellometer.objects WHERE state = 'done' AND key ~ '^2019-10-05'}),
	'13|300001|60000', '... and count once, known or not');

# --- a long list ---

write_object($in, sprintf('2019-09-01-10-00-%05d.csv', $_), '') foreach (1 .. 1000);
my $short = load();
write_object($in, sprintf('2019-09-01-10-01-%05d.csv', $_), '') foreach (1 .. 20_000);
# kept to its end, it would take six
cmp_ok(load(), '<=', $short + 4, 'a long list takes no more memory than a short one');
is(value("SELECT count(*) FROM sellometer.objects WHERE key LIKE '2019-09-01%'"), '21000', '... and all of it is noted');
is(value('SELECT count(*) FROM sellometer_check() WHERE NOT ok AND name !~ \'worker|preload|pg_cron|scheduled|^job |^objects of|^arrivals|^expired|^sources\''), '0', 'the check finds nothing wrong');

$node->stop;
done_testing();
