# What is asked of the tables grows no faster than what there is to do: no statement joins one set with another by trying each with each.
# Work is the rows that the nodes of all plans, nested ones too, have had in their hands, as auto_explain counts them.
use strict;
use warnings FATAL => 'all';

use JSON::PP ();
use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $TIMES = 4;       # as much of one thing as before
my $SLACK = 1.6;     # how much more than that many times the work may be: trees are deeper, memory is grown
my $NOTHING = 8000;  # rows that are no work: a square is hundreds of thousands here
my $PAIRS = 3000;    # so many may be looked at in vain

my $node = slm_node('growth', conf => <<'CONF');
sellometer.database = ''
sellometer.live_lateness = 5min
session_preload_libraries = 'auto_explain'
auto_explain.log_analyze = on
auto_explain.log_timing = off
auto_explain.log_nested_statements = on
auto_explain.log_format = json
max_parallel_workers_per_gather = 0
fsync = off
autovacuum = off
CONF

# Rows that a plan's node and those below it have had in their hands.
sub work_of
{
	my ($plan) = @_;
	my $loops = $plan->{'Actual Loops'} // 0;
	my $rows = ($plan->{'Actual Rows'} // 0) * $loops;

	$rows += ($plan->{$_} // 0) * $loops foreach ('Rows Removed by Filter', 'Rows Removed by Join Filter', 'Rows Removed by Index Recheck');
	$rows += work_of($_) foreach @{ $plan->{Plans} // [] };
	return $rows;
}

# Rows of one set that were held against those of another, and did not go with them.
sub in_vain
{
	my ($plan) = @_;
	my $rows = ($plan->{'Rows Removed by Join Filter'} // 0) * ($plan->{'Actual Loops'} // 0);

	$rows += in_vain($_) foreach @{ $plan->{Plans} // [] };
	return $rows;
}

# The work of each statement of a call, whatever numbers and times stand in it.
sub work
{
	my ($database, $sql) = @_;
	my $from = -s $node->logfile;
	my (%work, %in_vain);

	$node->safe_psql($database, "SET client_min_messages = warning; SET auto_explain.log_min_duration = 0; $sql");
	for my $plan (substr(slurp_file($node->logfile, $from), 0) =~ /^[^\n]*LOG:  duration: [\d.]+ ms  plan:\n((?:\t[^\n]*\n)+)/mg)
	{
		my $explained = JSON::PP->new->decode($plan =~ s/^\t//gmr);
		my $what = $explained->{'Query Text'} =~ s/\s+/ /gr =~ s/'[^']*'|\d+/?/gr;

		# a build with assertions looks at one dimension's rows, whichever
		next if $what =~ /^SELECT FROM .* \(count <= \? OR gmv < \?\) LIMIT \?$/;
		$work{$what} += work_of($explained->{Plan});
		$in_vain{$what} += in_vain($explained->{Plan});
	}
	my @bad = grep { $in_vain{$_} > $PAIRS } sort keys %in_vain;
	is(scalar(@bad), 0, "no set is held against another, row by row: $sql") or diag(join("\n", map { "$in_vain{$_}: " . substr($_, 0, 300) } @bad));
	return \%work;
}

my @STEPS = (
	[ ingest => 'CALL sellometer_ingest(); CALL sellometer_merge_backlog()' ], [ rollup => 'CALL sellometer_rollup()' ], [ detect => 'CALL sellometer_detect()' ],
	[ top => q{SELECT * FROM sellometer_top('product_id', 'view', '2019-10-01', '2019-10-03')} ],
	[ movers => q{SELECT * FROM sellometer_movers('product_id', 'view', '2019-10-01 01:00+00', '2019-10-01 02:00+00', '1 hour')} ],
	[ events => q{SELECT * FROM sellometer_events('product_id', '1000003', '2019-10-01 00:10+00', '2019-10-01 00:30+00')} ],
	[ visits => 'SELECT sellometer_count_visits()' ], [ relabel => q{CALL sellometer_relabel('else.where', product_id => 1000003)} ],
	[ views => join('; ', map { "SELECT count(*) FROM (TABLE sellometer.$_ OFFSET 0) v" } qw(status health metrics alerts left_in_cart low_inventory formats unreadable_objects view_brand_rank visits_day)) ],
	[ remind => 'SELECT * FROM sellometer_remind()' ], [ take_out => q{SELECT sellometer_unload('shop', (SELECT min(key) FROM sellometer.objects))} ],
	[ archive => 'CALL sellometer_archive()' ], [ replay => q{SELECT sellometer_replay('shop', '2019-10-01 00:00+00', '2019-10-01 01:00+00')} ],
	[ check => 'SELECT * FROM sellometer_check()' ], [ report => q{SELECT sellometer_report()} ],
	[ prune => q{SET sellometer.cart_retention = '1h'; CALL sellometer_prune()} ]);

my $made = 0;

# How much work each statement of each step is with so many minutes, products and files a minute.
sub measure
{
	my (%size) = @_;
	my $name = 'growth' . ++$made;
	my $in = slm_directory($node, $name);
	my $out = slm_directory($node, "${name}_out");
	my %work;

	traffic($in, '--seed' => 3, '--start' => '2019-10-01 00:00:00', '--minutes' => $size{minutes}, '--rate' => $size{events}, '--servers' => $size{files}, '--products' => $size{products});
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, "CREATE EXTENSION sellometer; SELECT sellometer_add_source('shop', 'file://$in/', archive_url => 'file://$out/');
		INSERT INTO sellometer.inventory (product_id, stock, as_of, lead_time) SELECT 1000000 + i, 3, '2019-10-01 00:00+00', '1 day' FROM generate_series(1, $size{products}) i");
	$work{ $_->[0] } = work($name, $_->[1]) foreach @STEPS;
	$node->safe_psql('postgres', "DROP DATABASE $name");
	return \%work;
}

# whole hours, too, are four times as many
my %size = (minutes => 185, products => 100, files => 1, events => 40);
my $once = measure(%size);

for my $axis (sort keys %size)
{
	my $more = measure(%size, $axis => $size{$axis} * $TIMES);

	for my $step (map { $_->[0] } @STEPS)
	{
		my ($less, $now) = ($once->{$step}, $more->{$step});
		my @fast = grep { $now->{$_} > $TIMES * $SLACK * ($less->{$_} // 0) + $NOTHING } sort keys %$now;

		is(scalar(@fast), 0, "$step, $TIMES times the $axis") or diag(join("\n", map { ($less->{$_} // 0) . " -> $now->{$_}: " . substr($_, 0, 300) } @fast));
	}
}
$node->stop;
done_testing();
