# sellometer_capacity() says from a third of a day what a day and a half more will take: within a tenth for minutes; a sixth for tiers of days,
# whose first hours are written in full pages, which what comes later to the day splits; a quarter for the view log; a third for carts, of which
# the younger ones are open, and in two indexes more.  Ledger and offers are small, and rows of them that are updated leave room, which is used
# again: two thirds.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $node = slm_node('capacity', conf => "sellometer.database = ''\nfsync = off\nautovacuum = off\n");
my $dir = slm_directory($node, 'in');
my @DAYS = ('2019-10-01 00:00:00', '2019-10-01 08:00:00');

sub value { my ($sql) = @_; return $node->safe_psql('shop', $sql); }

sub load
{
	my ($start, $hours, $seed) = @_;

	traffic($dir, '--start' => $start, '--minutes' => 60 * $hours, '--rate' => 300, '--servers' => 1, '--products' => 3000, '--seed' => $seed);
	value("CALL sellometer_$_()") foreach (qw(ingest merge_backlog rollup prune));
	return;
}

# By name: what there is, and what is expected.
sub capacity
{
	my ($days) = @_;
	my %capacity;

	foreach (split(/\n/, value("SELECT name, intervals, rows, bytes, intervals_expected, bytes_expected FROM sellometer_capacity($days)")))
	{
		my ($name, @values) = split(/\|/, $_, -1);

		@{ $capacity{$name} }{qw(intervals rows bytes intervals_expected bytes_expected)} = @values;
	}
	return %capacity;
}

my %empty = capacity(30);
is(join(' ', sort keys %empty), 'carts hour minute objects offer_history user_carts view_log', 'tiers, and what grows beside them');
value("SELECT sellometer_add_source('s', 'file://$dir/'), sellometer_add_tier('six', '6 hours')");
load($DAYS[0], 8, 1);
my %expected = capacity('36 / 24.0');
load($DAYS[1], 36, 2);
my %found = capacity(0);

is($expected{minute}{intervals_expected}, 25 * 60, 'minutes are kept for a day, and an hour that goes whole');
foreach my $name (sort keys %found)
{
	my $margin = $name eq 'minute' ? 0.1 : $found{$name}{intervals} ne '' ? 1 / 6 : $name eq 'view_log' ? 0.25 : $name eq 'carts' ? 0.35 : 0.67;
	my $ratio = $expected{$name}{bytes_expected} / $found{$name}{bytes};

	cmp_ok(abs($ratio - 1), '<=', $margin, "$name: expected $expected{$name}{bytes_expected} of $found{$name}{bytes} bytes");
	is($found{$name}{bytes_expected}, $found{$name}{bytes}, "$name: today is as it is") if $name eq 'objects';
}
cmp_ok($expected{hour}{bytes_expected}, '>', 3 * $expected{hour}{bytes}, 'that was more than there was');
my $rows = value(q{SELECT sum(n) FROM (SELECT count(*) AS n FROM sellometer.product_id_hour UNION ALL SELECT count(*) FROM sellometer.brand_hour
	UNION ALL SELECT count(*) FROM sellometer.category_l1_hour UNION ALL SELECT count(*) FROM sellometer.category_l2_hour
	UNION ALL SELECT count(*) FROM sellometer.category_l3_hour) x});
# a partition that was filled, and added to since, is reckoned by its pages
cmp_ok(abs($found{hour}{rows} / $rows - 1), '<', 0.02, 'rows are those of all dimensions');
value('ANALYZE');
cmp_ok(abs({ capacity(0) }->{hour}{rows} / $rows - 1), '<', 0.02, 'as statistics have them, too');
foreach my $days ('NULL', '-1', '1e9', "'NaN'")
{
	my (undef, undef, $err) = $node->psql('shop', "SELECT sellometer_capacity($days)");

	like($err, qr/days must be a number from 0 to 36500/, "not for $days days");
}
$node->stop;
done_testing();
