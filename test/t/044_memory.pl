# The worker's memory and file descriptors after a thousand batches are what they were after some.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmTest;
use Test::More;

my $WARM = 100;
my $BATCHES = 1000;

my $node = slm_node('memory', conf => <<'CONF');
fsync = off
autovacuum = off
log_statement = none
sellometer.poll_interval = 10ms
sellometer.batch_bytes = 64kB
sellometer.live_lateness = 1d
CONF
my $in = slm_directory($node, 'in');
my $header = (split /\n/, csv())[0] . ",padding\n";
my $worker = backend_pid($node, 'sellometer worker');

# So long that no two fit into a batch; of few rows, and of offers that are known by now.
sub put
{
	my ($n) = @_;
	my $content = $header;

	$content .= event(event_type => 'purchase', event_time => sprintf('2019-10-01 10:%02d:%02d UTC', $n / 60 % 60, $n % 60),
		product_id => $_) . ',' . 'x' x 7000 . "\n" foreach (1 .. 5);
	write_object($in, sprintf('%05d.csv', $n), $content);
	return;
}

# Bytes in TopMemoryContext itself, in all contexts; resident kB; open descriptors.
sub usage
{
	my $log = -s $node->logfile;
	my %usage;

	$node->safe_psql('shop', "SELECT pg_log_backend_memory_contexts($worker)");
	for (1 .. 600)
	{
		my $text = slurp_file($node->logfile, $log);

		($usage{top}) = $text =~ /level: [01]; TopMemoryContext: (\d+) total/;
		($usage{all}) = $text =~ /Grand total: (\d+) bytes/;
		last if defined $usage{all};
		select(undef, undef, undef, 0.1);
	}
	($usage{resident}) = slurp_file("/proc/$worker/status") =~ /^RssAnon:\s+(\d+)/m;
	$usage{descriptors} = () = glob "/proc/$worker/fd/*";
	return %usage;
}

sub poll_each
{
	my ($interval) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET sellometer.poll_interval = '$interval'");
	$node->reload;
	return;
}

# The usage when so many are loaded, between two rounds.
sub load_up_to
{
	my ($n) = @_;

	wait_until($node, "SELECT count(*) = $n FROM sellometer.objects WHERE state = 'done'");
	poll_each('1h');
	wait_until($node, "SELECT state = 'idle' AND wait_event IS NOT NULL FROM pg_stat_activity WHERE pid = $worker");
	my %usage = usage();
	poll_each('10ms');
	return %usage;
}

$node->safe_psql('shop', "SELECT sellometer_add_source('a', 'file://$in/')");
put($_) foreach (1 .. $WARM);
my %before = load_up_to($WARM);
put($_) foreach ($WARM + 1 .. $BATCHES);
$node->safe_psql('shop', 'SELECT sellometer_wake()');
my %after = load_up_to($BATCHES);

is(backend_pid($node, 'sellometer worker'), $worker, 'it is the same worker');
cmp_ok($node->safe_psql('shop', 'SELECT count(DISTINCT xmin::text) FROM sellometer.objects'), '>=', $BATCHES * 0.9,
	'objects were loaded one by one');
note("$_: $before{$_}, then $after{$_}") foreach (sort keys %before);
cmp_ok($after{top}, '<=', $before{top}, 'TopMemoryContext has not grown');
cmp_ok($after{all}, '<', $before{all} + 256 * 1024, '... nor have the contexts below it');
# Of what hundreds of waiting objects take for a moment the process keeps some.
cmp_ok($after{resident}, '<', $before{resident} + 16 * 1024, '... nor much the process');
cmp_ok($after{descriptors}, '<=', $before{descriptors} + 2, 'no descriptors were left open');
is(join("\n", unexpected_in_log($node)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
