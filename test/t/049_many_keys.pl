# Files of made-up names: memory is held to sellometer.work_memory, whatever they bring, and so is the number of names.
use strict;
use warnings FATAL => 'all';

use SlmTest;
use Test::More;

my $MEMORY = 32;    # MB
my $WIDTH = 900;    # bytes of each brand and category

# The test loads for itself.
my $node = slm_node('many_keys', conf => <<"CONF");
sellometer.database = 'postgres'
sellometer.work_memory = ${MEMORY}MB
sellometer.max_parse_workers = 1
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

# Load what is new, in one session with these settings; the most memory of its process in MB, shared buffers left out.
sub load
{
	my (@settings) = @_;
	my $out = $node->safe_psql('shop', join('', map { "SET sellometer.$_; " } @settings) . <<'SQL');
;
CALL sellometer_ingest();
SELECT 'peak ' || (hwm[1]::int - shared[1]::int) / 1024
FROM pg_read_file('/proc/self/status') s, regexp_match(s, 'VmHWM:\s+(\d+)') hwm, regexp_match(s, 'RssShmem:\s+(\d+)') shared;
SQL
	my ($peak) = $out =~ /^peak (\d+)$/m or die "no peak in: $out";
	note("peak $peak MB");
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
cmp_ok(load('max_object_keys = 60000'), '<', $idle + $MEMORY, 'a file of as many names as may be is held to the memory');
is(value('SELECT state, rows_counted FROM sellometer.objects'), "done|$many", '... loaded');
is(value('SELECT count(*), sum(count), sum(gmv) FROM sellometer.brand_minute'), "$many|$many|" . $many * 1.5 . '.0000', '... and each name is there once');
is(value('SELECT count(*), sum(count) FROM sellometer.category_l3_minute'), "$many|$many", '... of each dimension');

# --- many small files, through a parse worker, which hold as much together; views and carts ---

write_object($in, "2019-10-01-10-01-$_.csv.gz", gzipped($header . rows($many + $_ * 1000 + 1, $many + $_ * 1000 + 1000, $_ % 2 ? 'view' : 'cart')))
	foreach (0 .. 29);
# Shared memory of the queues, 17 MB, and what the process keeps from one batch to the next, stand beside it.
cmp_ok(load(q{surge_bytes = '1kB'}), '<', $idle + 4 * $MEMORY, 'the one that writes is bounded where others read');
is(value("SELECT count(*), sum(rows_counted) FROM sellometer.objects WHERE state = 'done'"), '31|' . 2 * $many, '... and all is loaded');
is(value('SELECT count(*), sum(count) FROM sellometer.brand_minute'), 2 * $many . '|' . 2 * $many, '... once');

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
