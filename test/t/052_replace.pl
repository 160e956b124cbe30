# sellometer_retry(..., replace => true): exactly the old content out of all sums, and the new one in.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmTest;
use Test::More;

my $seed = $ENV{SLM_SEEDS} // 1;
my $node = slm_node('replace', conf => "fsync = off\nlog_checkpoints = off\nsellometer.poll_interval = 50ms\n");
my %dir = map { $_ => slm_directory($node, $_) } qw(in now out);

sub value { return $node->safe_psql('shop', 'SET client_min_messages = warning; ' . $_[0]); }

sub said
{
	my ($sql) = @_;
	my ($status, $stdout, $stderr) = $node->psql('shop', $sql, on_error_stop => 0);
	return $stderr;
}

# The tables are what the oracle makes of the present contents, which stand in $dir{now}.
sub agrees
{
	my ($name) = @_;

	oracle_load($node, $dir{now});
	oracle_agrees($node, 'minute', $name);
	is(value('SELECT * FROM oracle.diff_carts()'), '', "$name: carts too");
	is(value(q{
			(SELECT * FROM oracle.diff_offers() LIMIT 10); SELECT FROM sellometer.fold_offers();
			(SELECT * FROM oracle.diff_offers() LIMIT 10); SELECT * FROM oracle.diff_sold() LIMIT 10}) =~ s/\n//gr, '', "$name: offers too");
	is(value("SELECT * FROM oracle.diff('hour', '-infinity', (SELECT watermark FROM sellometer.tiers WHERE name = 'hour'))"), '',
		"$name: hours too");
	return;
}

sub put
{
	my ($key, $content) = @_;

	unlink("$dir{now}/$key", "$dir{in}/$key");
	write_object($dir{now}, $key, $content);
	link_object($dir{now}, $dir{in}, $key);
	return;
}

# Another content under a key that is archived: wait until that was noticed.
sub change
{
	my ($key, $content) = @_;

	put($key, $content);
	value('CALL sellometer_ingest()');
	# skipped: where another object has the same content
	wait_until($node, "SELECT state IN ('failed', 'skipped') FROM sellometer.objects WHERE key = '$key' ORDER BY id DESC LIMIT 1");
	return;
}

srand($seed);
traffic($dir{now}, '--seed' => $seed, '--minutes' => 130, '--servers' => 3, '--rate' => 60, '--products' => 40, '--sticky' => 0.2,
	'--session-gap' => 200, '--bad' => 0.02, '--bad-kinds' => 'bad_time,bad_price,column_count,future');
my @keys = files_below($dir{now});
link_object($dir{now}, $dir{in}, $_) foreach (@keys);
value("SELECT sellometer_add_source('a', 'file://$dir{in}/', archive_url => 'file://$dir{out}/')");
wait_until_loaded($node);
value('CALL sellometer_rollup()');
value('CALL sellometer_archive()');
agrees('before');

# Contents change places, get fewer rows, other prices, earlier times; and go.
my @archived = split(/\n/, value("SELECT key FROM sellometer.objects WHERE state = 'archived' ORDER BY md5(key || $seed) LIMIT 8"));
my %content = map { $_ => slurp_file("$dir{now}/$_") } @archived;
my $n = 0;
for my $key (@archived)
{
	my ($header, @lines) = split(/^/m, $content{$key});
	my $other = $content{ $archived[ ($n + 1) % @archived ] };
	my @changes = (
		sub { join('', $header, grep { rand() < 0.5 } @lines) },
		sub { $other },
		sub { join('', $header, map { s/ UTC,view/ UTC,purchase/r } @lines) },
		sub { join('', $header, map { s/:(\d)\d UTC,/:${\($1 > 0 ? $1 - 1 : 0)}0 UTC,/r } @lines) },
		sub { $header },
		sub { join('', $header, reverse(@lines), @lines) });

	change($key, $changes[ $n++ % @changes ]->());
	is(value("SELECT sellometer_retry('a', '$key', replace => true)"), '1', "$key is replaced");
}
agrees('after eight objects were replaced');
is(value("SELECT state, count(*), bool_and(error = 'replaced by a later content') FROM sellometer.objects
	WHERE key IN (SELECT key FROM sellometer.objects GROUP BY key HAVING count(*) > 1) GROUP BY 1 ORDER BY 1"),
	"done|8|\nskipped|8|t", 'the ledger says so');
is(value("SELECT string_agg(name, ', ') FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker')"), '',
	'sellometer_check() has nothing to say');

# What is done with the tables now knows of it.
value("SELECT sellometer_replay('a', '-infinity', 'infinity')");
agrees('after a replay');
value('CALL sellometer_archive()');
is(value("SELECT count(*) FROM sellometer.objects WHERE error IS NULL AND state = 'archived' AND key IN ("
	  . join(', ', map { "'$_'" } @archived) . ')'), '8', 'the new contents are archived');
value("SELECT sellometer_replay('a', '-infinity', 'infinity')");
agrees('after a replay from archives');
my @late = split(/\n/, $content{ $archived[0] });
put('2019-10-01-01-59-9.csv', join("\n", $late[0], map { s/^2019-10-01 \d\d/2019-10-01 00/r } @late[1 .. $#late]) . "\n");
wait_until_loaded($node);
agrees('after later views');

# --- what can't be replaced ---

my $key = $archived[0];
like(said("SELECT sellometer_retry('a', '$key', replace => true)"), qr/is archived already/, 'what has not changed');
change($key, "event_time,event_type\n");
like(said("SELECT sellometer_retry('a', '$key')"), qr/was loaded with another content before.*HINT:.*replace => true/s, 'the hint names replace');
like(said("SELECT sellometer_retry('a', '$key', replace => true)"), qr/can't be loaded, and its first content stays counted.*lacks the required column/s,
	'a new content that is no use');
my ($open) = split(/\n/, value("SELECT key FROM sellometer.objects WHERE state = 'done' ORDER BY key DESC LIMIT 1"));
change($open, csv(event()));
like(said("SELECT sellometer_retry('a', '$open', replace => true)"), qr/first content can't be read any more.*overwritten before it was archived.*sellometer_skip/s,
	'a first content that is gone');
like(said("CREATE ROLE clerk; SET ROLE clerk; SELECT sellometer.replace_object(1, 2)"), qr/permission denied/, 'not for everybody');

$node->stop;
done_testing();
