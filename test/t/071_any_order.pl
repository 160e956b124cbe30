# What sellometer_detect() finds is a function of the set of events: of prices and labels that change, in any order of
# arrival, in batches of any size, folded at any time, with a crash in between; and what plain SQL over the raw rows makes of it.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory qw(files_below link_object unexpected_in_log wait_until_loaded);
use SlmTest;
use Test::More;

my $seed = $ENV{SLM_SEEDS} // 3;
my $node = slm_node('any_order', conf => "sellometer.database = ''\nsellometer.price_min_sales = 5\nlog_checkpoints = off\n");
my $all = slm_directory($node, 'all');

sub sql { my ($sql) = @_; return $node->safe_psql('shop', "SET client_min_messages = warning; $sql"); }

# Hours of which the last has faults; sessions last for hours, so that views are repeated at other prices.  The
# products that are chosen by hand: 7 is sold at a tenth more often than it ever was before, each time at another price; 8 was
# sold so yesterday; of 9 only a view says so, of 10 one by a session that had seen it before, at another price; of 11 one that
# had seen it at that price before, which is no news.
srand($seed);
traffic($all, '--seed' => $seed, '--start' => '2019-10-01 12:20:00', '--minutes' => 400, '--rate' => 80, '--servers' => 1,
	'--products' => 50, '--session-gap' => 2000, '--fault' => 'price_low:6,price_high:6,sale:1,relabel:1', '--fault-after' => 330);
my @history = map { my $i = $_; map { event(event_time => sprintf('2019-10-01 %02d:%02d:10', 7 + $i / 5, 7 * ($i % 5)), event_type => 'purchase',
			product_id => $_, price => '99.' . (10 + $i)) } 7 .. 11 } 0 .. 24;
my @burst = map { event(event_time => sprintf('2019-10-01 18:5%d:%02d', $_ / 20, $_ % 20), event_type => $_ % 3 ? 'purchase' : 'view', product_id => 7,
		price => sprintf('9.%02d', $_), user_session => "burst$_") } 0 .. 99;
my @yesterday = map { event(event_time => sprintf('2019-09-30 17:%02d:10', $_), event_type => 'purchase', product_id => 8, price => '9.90') } 0 .. 9;
write_object($all, '2019-10-01-06-00-history.csv', csv(@history));
write_object($all, "2019-10-01-18-5$_-burst.csv", csv(@burst[ $_ * 20 .. $_ * 20 + 19 ])) foreach (0 .. 4);
write_object($all, '2019-09-30-17-00-yesterday.csv', csv(@yesterday));
write_object($all, '2019-10-01-18-55-now.csv', csv(
		event(event_time => '2019-10-01 18:55:00', product_id => 8, price => '9.90', user_session => 'now'),
		event(event_time => '2019-10-01 18:55:00', product_id => 9, price => '9.90', user_session => 'now'),
		event(event_time => '2019-10-01 18:55:30', product_id => 10, price => '9.90', user_session => 'before'),
		event(event_time => '2019-10-01 18:55:30', product_id => 11, price => '9.90', user_session => 'before')));
write_object($all, '2019-10-01-09-00-earlier.csv', csv(
		event(event_time => '2019-10-01 09:00:00', product_id => 10, price => '99.20', user_session => 'before'),
		event(event_time => '2019-10-01 09:00:00', product_id => 11, price => '9.90', user_session => 'before')));
my @keys = files_below($all);

# Load these waves of keys into a new extension; a CALL after each.
sub load
{
	my ($name, $between, @waves) = @_;
	my $in = slm_directory($node, "in_$name");

	sql("DROP EXTENSION IF EXISTS sellometer CASCADE; CREATE EXTENSION sellometer; ALTER TABLE sellometer.sources ALTER same_content SET DEFAULT 'count'; SELECT sellometer_add_source('shop', 'file://$in/')");
	for my $wave (@waves)
	{
		link_object($all, $in, $_) foreach (@$wave);
		$between->();
	}
	wait_until_loaded($node);
	sql('CALL sellometer_detect()');
	return $in;
}

sub in_waves
{
	my ($n, @list) = @_;
	my @waves;

	push @{ $waves[ $_ * $n / @list ] }, $list[$_] foreach (0 .. $#list);
	return @waves;
}

sub findings
{
	# of what has no alert yet: then there is nothing to go on with
	return sql(q{
		BEGIN;
		DELETE FROM sellometer.alerts;
		SELECT kind, f.* FROM sellometer.state, sellometer.detect_price_anomaly(head) f, (VALUES ('price')) k (kind)
		UNION ALL
		SELECT kind, f.* FROM sellometer.state, sellometer.detect_category_shift(head) f, (VALUES ('shift')) k (kind)
		ORDER BY 1, 2, 3, 4, 5;
		ROLLBACK});
}

my %found;
my $in = load('straight', sub { sql('CALL sellometer_ingest(); CALL sellometer_detect()') }, in_waves(15, @keys));
$found{straight} = findings();
# 11 has come as backlog
is(sql('SELECT count(*) FROM (SELECT FROM sellometer.other_listings WHERE product_id <> 11 GROUP BY fingerprint HAVING count(DISTINCT (price, category)) = 1) f'), 0,
	'in order of time, only who sees another offer is noted');
load('at_once', sub { sql('CALL sellometer_ingest()') }, [@keys]);
$found{at_once} = findings();
load('backwards', sub { wait_until_loaded($node); sql('CALL sellometer_detect()') }, in_waves(12, reverse @keys));
$found{backwards} = findings();
load('shuffled', sub {
		sql("SET sellometer.live_lateness = '1d'; CALL sellometer_ingest()");
		if (rand() < 0.3) { $node->stop('immediate'); $node->start; }
		sql('CALL sellometer_detect()') if rand() < 0.5;
	}, in_waves(8, sort { rand() <=> 0.5 } @keys));
$found{shuffled} = findings();

is($found{$_}, $found{straight}, "$_: the same alerts") foreach (qw(at_once backwards shuffled));
like($found{straight}, qr/^price\|critical\|product_id\|$_\|/m, "$_ is odd") foreach (7, 9, 10);
unlike($found{straight}, qr/^price\|\w+\|product_id\|(8|11)\|/m, 'what was sold or seen at that price before is not');
cmp_ok(scalar(() = $found{straight} =~ /^price/mg), '>', 3, 'there are some of the generator too');
like($found{straight}, qr/^shift/m, 'and a label');

is(join("\n", unexpected_in_log($node)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
