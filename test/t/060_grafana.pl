# Every query of Grafana's dashboards and alert rules, as the role that dashboards have, on a month of data.
use strict;
use warnings FATAL => 'all';

use POSIX qw(strftime);
use PostgreSQL::Test::Utils;
use SlmGrafana;
use SlmTest;
use Test::More;

# A month up to now: 29 days of little traffic, then a day of more; some rows bad.  The tests' p95 is over these, not over full
# traffic (40,000 events a minute).
use constant { DAYS => 29, RATE => 8, LAST_RATE => 300, MINUTE => 60, DAY => 86400 };

my $node = slm_node('grafana', conf => "jit = off\n");
my $dir = slm_directory($node, 'in');
my $now = int(time / MINUTE) * MINUTE;

sub generate
{
	my ($start, $rate, $seed, @where) = @_;

	IPC::Run::run([ slm_root() . '/test/traffic/traffic', 'generate', @where, '--start' => strftime('%Y-%m-%d %H:%M:%S', gmtime($start)),
			'--minutes' => 1440, '--rate' => $rate, '--seed' => $seed, '--servers' => 1, '--bad' => 0.001, '--products' => 20000, '--quiet' ])
	  or die 'no traffic';
	return;
}

for my $day (reverse 1 .. DAYS)
{
	my $start = $now - DAY - $day * DAY;

	# the middle of the day, so that the name says about when its events are
	generate($start, RATE, $day, '--one-file' => "$dir/" . strftime('%Y-%m-%d-%H-%M', gmtime($start + DAY / 2)) . '.csv');
}
generate($now - DAY, LAST_RATE, 100, '--out' => $dir);
write_object($dir, strftime('%Y-%m-%d-%H-%M', gmtime($now - 60)) . '-broken.csv', "event_time,product_id\n");

$node->safe_psql('shop', qq{SELECT sellometer_add_source('shop', 'file://$dir/')});
wait_until($node, q{SELECT count(*) > 1400 AND count(*) FILTER (WHERE state NOT IN ('done', 'failed')) = 0 FROM sellometer.objects});
grafana_reader($node);
$node->safe_psql('shop', 'CALL sellometer_rollup()');
# a tier that comes after the grant is read all the same
$node->safe_psql('shop', q{SELECT sellometer_add_tier('day', '1 day', '5 years')});
$node->safe_psql('shop', 'CALL sellometer_rollup()');
$node->safe_psql('shop', 'CALL sellometer_prune()');
$node->safe_psql('shop', q{
	INSERT INTO sellometer.alerts (kind, severity, dimension, key, event_time, observed, expected, score, detail, opened_at, closed_at)
	SELECT kind, severity, 'product_id', i::text, now(), 9.9, 99, 12, 'as a test', now() - i * interval '2 min', CASE WHEN i > 3 THEN now() - interval '1 min' END
	FROM (VALUES ('price_anomaly', 'critical'), ('low_inventory', 'warning'), ('volume_anomaly', 'info')) v (kind, severity), generate_series(1, 6) i});
$node->safe_psql('shop', 'VACUUM ANALYZE');
note($node->safe_psql('shop', q{SELECT format('%s rows counted, from %s to %s', sum(rows_counted), min(first_event), max(last_event))
	FROM sellometer.objects WHERE state = 'done'}));

is($node->safe_psql('shop', q{
		SELECT string_agg(DISTINCT tier, ' ' ORDER BY tier) FROM sellometer.state, sellometer.pieces(date_bin('1 min', head - interval '20 days',
			'2000-01-01'), date_bin('1 min', head, '2000-01-01'), NULL)}),
	'day hour minute', 'all tiers have their part in a range');

# Only the partitions of the range are touched
is($node->safe_psql('shop', q{
		BEGIN;
		SELECT FROM sellometer_series('brand', 'purchase', 'samsung', now() - interval '3 hours', now() - interval '2 hours', '1 min');
		SELECT count(DISTINCT relation) BETWEEN 1 AND 2 FROM pg_locks JOIN pg_class c ON c.oid = relation
		WHERE pid = pg_backend_pid() AND relkind = 'r' AND relname LIKE '%\_minute\_p%'}),
	't', 'a series reads the partitions of its range');

grafana_check($node, 60, 'form', 'run', '--bar' => 500);

$node->stop;
done_testing();
