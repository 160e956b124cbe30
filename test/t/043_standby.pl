# A standby with sellometer preloaded idles, and shows what was replicated; promoted, it goes on where the primary was when
# it died: each object is counted once.
# The server crashes on purpose here.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmTest;
use Test::More;

my $OBJECTS = 240;

my $primary = slm_node('primary', allows_streaming => 1, conf => <<'CONF');
sellometer.poll_interval = 50ms
sellometer.batch_bytes = 64kB
sellometer.live_lateness = 15min
CONF
my $all = slm_directory($primary, 'all');
my $in = slm_directory($primary, 'in');
traffic($all, '--minutes' => $OBJECTS / 4, '--servers' => 4, '--rate' => 1500, '--seed' => 43, '--start' => '2019-10-01 00:20:00', '--session-gap' => 60);
my @keys = files_below($all);
is(scalar(@keys), $OBJECTS, "$OBJECTS objects");
$primary->safe_psql('shop', "SELECT sellometer_add_source('a', 'file://$in/')");

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

sub processes
{
	my ($node) = @_;

	return $node->safe_psql('shop', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ 'sellometer'});
}
my $DONE = q{SELECT count(*) FROM sellometer.objects WHERE state = 'done'};
my $SUMS = q{SELECT event_type, sum(count), sum(gmv) FROM sellometer.realtime_brand_hour GROUP BY 1 ORDER BY 1};

# A third is loaded and replicated.
link_object($all, $in, $_) foreach (splice(@keys, 0, $OBJECTS / 3));
wait_until_loaded($primary);
$primary->safe_psql('shop', 'CALL sellometer_rollup()');
$primary->wait_for_catchup($standby);
is($standby->safe_psql('shop', $SUMS), $primary->safe_psql('shop', $SUMS), 'the standby shows the same sums');
is($standby->safe_psql('shop', "SELECT count(*) > 0, count(*) FILTER (WHERE verdict = 'unknown') FROM sellometer_events(NULL, NULL, NULL, NULL)"), 't|0', '... and the rows behind them');
is($standby->safe_psql('shop', q{SELECT pending_objects, failed_objects FROM sellometer.status}), '0|0', '... and status');
is(processes($standby), '0', '... and has no process of sellometer');
my ($status, $out, $err) = $standby->psql('shop', 'CALL sellometer_ingest()');
isnt($status, 0, 'nothing can be loaded there');
like($err, qr/read-only transaction|during recovery/, '... and it is said why');

# Another third arrives; in the midst of it the primary dies.  What it had committed and not sent yet is loaded again.
link_object($all, $in, $_) foreach (splice(@keys, 0, $OBJECTS / 3));
wait_until($primary, "SELECT ($DONE) > " . $OBJECTS / 3);
$primary->stop('immediate');
my $had = $standby->safe_psql('shop', $DONE);
note("the standby has $had objects when the primary dies");
is(processes($standby), '0', 'without its primary it still idles');
$standby->promote;
backend_pid($standby, 'sellometer worker');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'sellometer worker'}), '1',
	'promoted, it has one worker');

link_object($all, $in, $_) foreach (@keys);
wait_until($standby, "SELECT ($DONE) = $OBJECTS");
$standby->safe_psql('shop', 'CALL sellometer_rollup()');
everything_agrees($standby, 'after promotion', $in);
oracle_agrees($standby, 'hour', 'after promotion', undef, $standby->safe_psql('shop', q{SELECT watermark FROM sellometer.tiers WHERE name = 'hour'}));
is(join("\n", unexpected_in_log($standby, qr/could not connect to the primary|could not (?:receive data from|send data to) WAL stream|cannot execute|replication terminated/)),
	'', 'nothing unexpected in the log');
$standby->stop;
done_testing();
