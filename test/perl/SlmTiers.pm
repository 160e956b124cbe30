
=pod

=head1 NAME

SlmTiers - a random history of several days that passes through the tiers, held against the oracle

=head1 SYNOPSIS

  my $node = slm_node('tiers', conf => tier_conf());
  random_tier_history($node, 7);                         # seed 7: one test

=head1 WHAT IS RANDOM

From the seed come: the events, in some dozens of small files in a few places of a week; the order in which the files come,
some of them minutes, hours or days late; copies of files at other times, so that views move from one hour or day to
another; the retentions; and what happens between the files: sellometer_ingest(), sellometer_merge_backlog(),
sellometer_rollup(), sellometer_prune(), one after the other or beside each other and the worker, tiers that are added and
dropped, restarts of the worker and of the server.

The order of all this is the same each time for a seed; at which point of a load something strikes is not.

=cut

package SlmTiers;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use File::Path qw(remove_tree);
use IPC::Run ();
use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmRandom;
use SlmTest;
use Test::More;
use Time::Local qw(timegm);

our @EXPORT = qw(tier_conf random_tier_history tier_differences);

# Tiers that come and go; minute and hour are always there.
my %TIERS = (
	day => [ '1 day', '5 years' ],
	week => [ '7 days', '5 years' ],
	month => [ '1 month', '5 years' ]);

my @ACTIONS = (
	('ingest') x 4, ('merge') x 4, ('rollup') x 5, ('prune') x 4, ('add') x 3, 'drop', 'retention',
	qw(nothing nothing ingest_beside merge_beside rollup_beside rollup_beside prune_beside terminate restart));
my %CALLS = (
	ingest => 'CALL sellometer_ingest()',
	merge => 'CALL sellometer_merge_backlog()',
	rollup => 'CALL sellometer_rollup()',
	prune => 'CALL sellometer_prune()');

=pod

=head1 FUNCTIONS

=over

=item tier_conf()

Lines of postgresql.conf for such a history: the oracle counts a view once for all time, so the window is longer than a
history.

=cut

sub tier_conf
{
	return <<'CONF';
fsync = off
log_checkpoints = off
sellometer.view_window = 20d
sellometer.poll_interval = 200ms
CONF
}

# --- objects ---

# The same events at another time.
sub moved
{
	my ($content, $seconds) = @_;
	my ($header, @lines) = split(/\n/, $content);

	for my $line (@lines)
	{
		my ($y, $mo, $d, $h, $mi, $s, $rest) = $line =~ /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)( UTC,.*)$/ or next;
		next if $y != 2019 || $mo < 1 || $mo > 12 || $d < 1 || $d > 28 || $h > 23 || $mi > 59 || $s > 59;
		my @t = gmtime(timegm($s, $mi, $h, $d, $mo - 1, $y) + $seconds);
		$line = sprintf('%04d-%02d-%02d %02d:%02d:%02d', $t[5] + 1900, $t[4] + 1, @t[ 3, 2, 1, 0 ]) . $rest;
	}
	return join('', map { "$_\n" } $header, @lines);
}

# A file's name holds its time; what it says after that is where it comes from.
sub make_files
{
	my ($dir, $seed) = @_;
	my $clusters = 3 + int rand 3;
	my $day = 7 + int rand 3;

	for my $i (1 .. $clusters)
	{
		my $hour = pick(int rand 24, 23, 0);
		my @options = ('--minutes' => pick(6, 10, 16), '--rate' => pick(15, 40, 80), '--servers' => pick(1, 2),
			'--start' => sprintf('2019-10-%02d %02d:%02d:00', $day, $hour, pick(int rand 60, 55, 59)),
			# the same sessions come again in a later place
			'--seed' => chance(0.5) ? $seed : $seed * 100 + $i, '--products' => pick(50, 300), '--brands' => 20,
			'--session-gap' => pick(20, 100), '--bad' => pick(0, 0.02));

		traffic("$dir/$i", @options);
		$day += int rand 3;
	}
	my @keys = files_below($dir);
	for my $key (@keys)
	{
		next unless chance(0.15);
		my $by = pick(-1, 1) * pick(30, 60, 3600, 86400, 3 * 86400) * (1 + int rand 2);
		write_object($dir, $key =~ s{/}{/moved_}r, moved(slurp_file("$dir/$key"), $by));
	}
	return files_below($dir);
}

# By time, but for those that come later than they should.
sub in_order_of_arrival
{
	my (@keys) = @_;
	my $late = pick(0.02, 0.2, 0.6);
	my %when;

	my @by_time = sort { substr($a, 0, 1) <=> substr($b, 0, 1) || $a cmp $b } @keys;
	for my $i (0 .. $#by_time)
	{
		$when{ $by_time[$i] } = $i + (chance($late) ? rand pick(5, 30, 2 * @keys) : 0);
	}
	return sort { $when{$a} <=> $when{$b} || $a cmp $b } @keys;
}

# --- what happens between them ---

# A CALL in a session of its own.  It may fail: the server may be restarted under it.
sub start_call
{
	my ($history, $sql) = @_;
	my %call = (output => '');

	$call{harness} = IPC::Run::start([ 'psql', '-XqAt', '-d', $history->{node}->connstr('shop'), '-c', $sql ],
		'<', \undef, '>&', \$call{output});
	push @{ $history->{running} }, \%call;
	return;
}

sub finish_calls
{
	my ($history) = @_;

	$_->{harness}->finish foreach (splice(@{ $history->{running} }));
	return;
}

sub add_tier
{
	my ($history) = @_;
	my @tiers = grep { !$history->{tiers}{$_} } sort keys %TIERS;

	return 'no tier to add' unless @tiers;
	my $tier = pick(@tiers);
	my ($granularity, @retentions) = @{ $TIERS{$tier} };
	my $retention = pick(@retentions);
	$history->{node}->safe_psql('shop',
		"SET client_min_messages = warning; SELECT sellometer_add_tier('$tier', '$granularity', '$retention')");
	$history->{tiers}{$tier} = 1;
	return "tier $tier of $granularity, kept for $retention";
}

sub drop_tier
{
	my ($history) = @_;
	# What hours no longer hold must not go with the days.
	my @tiers = grep { $_ ne 'day' || !$history->{hours_go} } sort keys %{ $history->{tiers} };

	return 'no tier to drop' unless @tiers;
	my $tier = pick(@tiers);
	my ($status, $out, $err) = $history->{node}->psql('shop', "SELECT sellometer_drop_tier('$tier')");
	delete $history->{tiers}{$tier} if $status == 0;
	die $err if $status != 0 && $err !~ /$history->{refusal}/;
	return "tier $tier dropped" . ($status == 0 ? '' : ': refused');
}

# Only to less and less: what was too old to be kept does not come back.
sub change_retention
{
	my ($history) = @_;
	my $tier = $history->{tiers}{day} && chance(0.5) ? 'hour' : 'minute';
	my $choice = $history->{retention}{$tier};
	my $retention = splice(@$choice, 0, 1 + int rand(@$choice > 1 ? @$choice - 1 : 1));

	return "$tier kept as before" unless defined $retention;
	my ($status, $out, $err) = $history->{node}->psql('shop',
		"SET client_min_messages = warning; SELECT sellometer_alter_tier('$tier', '$retention')");
	die $err if $status != 0 && $err !~ /must not be kept for less time/;
	$history->{hours_go} = 1 if $tier eq 'hour' && $status == 0;
	return "$tier kept for $retention" . ($status == 0 ? '' : ': refused');
}

sub act
{
	my ($history, $action) = @_;
	my $node = $history->{node};
	my $what = $action;

	if ($action =~ /^(\w+)_beside$/)
	{
		start_call($history, $CALLS{$1});
	}
	elsif ($CALLS{$action})
	{
		$node->safe_psql('shop', "SET client_min_messages = warning; $CALLS{$action}");
	}
	elsif ($action eq 'add') { $what = add_tier($history); }
	elsif ($action eq 'drop') { $what = drop_tier($history); }
	elsif ($action eq 'retention') { $what = change_retention($history); }
	elsif ($action eq 'terminate')
	{
		$node->safe_psql('shop', 'SELECT pg_terminate_backend(sellometer.worker_pid())');
	}
	elsif ($action eq 'restart' && chance(0.4))
	{
		$node->stop(pick('fast', 'immediate'));
		$node->start;
	}
	note("  $what");
	return;
}

# --- judging ---

=pod

=item tier_differences($node)

What is wrong with the tiers, as text: rows that differ from the oracle, stored and by the realtime views, in the time
that a tier keeps; rows from before that time.  The oracle must be loaded.

=cut

sub tier_differences
{
	my ($node) = @_;
	my @wrong;

	for (split(/\n/, $node->safe_psql('shop', 'SELECT name, granularity, watermark, kept_from FROM sellometer.tiers ORDER BY position')))
	{
		my ($tier, $granularity, $watermark, $kept_from) = split(/\|/);
		# Rows as old as this have to be there.
		my $kept = qq{event_time >= (SELECT head - coalesce(retention, '1000 years') FROM sellometer.state, sellometer.tiers
					WHERE name = '$tier')
				OR EXISTS (SELECT FROM partition p WHERE event_time >= p.first AND event_time < p.past)};
		my $differences = $node->safe_psql('shop', qq{
			SET client_min_messages = warning;
			SELECT oracle.build_tier('$tier', '$granularity');
			CREATE TEMP TABLE partition AS
				SELECT bound[1]::timestamptz AS first, bound[2]::timestamptz AS past
				FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid,
					regexp_match(pg_get_expr(relpartbound, c.oid), \$\$FROM \\('(.*)'\\) TO \\('(.*)'\\)\$\$) AS bound
				WHERE inhparent = 'sellometer.brand_$tier'::regclass;
			SELECT 'stored $tier', * FROM oracle.diff('$tier', '$kept_from', '$watermark')
			WHERE side = 'unexpected' OR $kept;
			SELECT 'realtime $tier', * FROM oracle.diff('$tier', '$kept_from', 'infinity', true)
			WHERE side = 'unexpected' OR event_time >= '$watermark' OR $kept;
			SELECT '$tier before kept_from', event_time FROM sellometer.brand_$tier WHERE event_time < '$kept_from'});

		push @wrong, grep { $_ ne '' } split(/\n/, $differences);
		push @wrong, "$tier: nothing in the oracle" if $node->safe_psql('shop', "SELECT count(*) FROM oracle.brand_$tier") == 0;
	}
	push @wrong, split(/\n/, $node->safe_psql('shop', q{
		SELECT c.* FROM sellometer_check() c WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker', 'failed objects')}));
	push @wrong, split(/\n/, $node->safe_psql('shop', q{
		SELECT key, state, rows_total, rows_counted, rows_duplicate, rows_rejected, rows_expired FROM sellometer.objects
		WHERE state <> 'done' OR rows_expired > 0 OR rows_total <> rows_counted + rows_duplicate + rows_rejected}));
	return @wrong;
}

sub judge
{
	my ($history, $when) = @_;
	my @wrong = tier_differences($history->{node});

	if (@wrong)
	{
		diag("seed $history->{seed}, $when: " . @wrong . ' things are wrong; the first:');
		diag(join("\n", @wrong[0 .. ($#wrong > 20 ? 20 : $#wrong)]));
		diag($history->{node}->safe_psql('shop', 'SELECT * FROM sellometer.tiers ORDER BY position'));
	}
	return !@wrong;
}

=pod

=item random_tier_history($node, $seed)

One whole history, from an empty extension on, and a test: the tiers agree with the oracle, as the history left them and
once more when everything is rolled up and pruned.

=back

=cut

sub random_tier_history
{
	my ($node, $seed) = @_;
	my $dir = slm_directory($node, "tiers_$seed");
	my %history = (node => $node, seed => $seed, tiers => {}, running => [],
		retention => { minute => [ '2 days', '1 day', '3 hours', '30 minutes' ], hour => [ '4 days', '2 days', '1 day' ] },
		refusal => qr{still needs tier|holds what no finer tier does});

	srand($seed);
	note("seed $seed");
	mkdir "$dir/$_" foreach (qw(all in));
	$node->safe_psql('shop', 'SET client_min_messages = warning; DROP EXTENSION IF EXISTS sellometer CASCADE; '
		. 'CREATE EXTENSION sellometer; ALTER TABLE sellometer.sources ALTER same_content SET DEFAULT $$count$$');
	my @keys = in_order_of_arrival(make_files("$dir/all", $seed));
	$node->safe_psql('postgres', 'ALTER SYSTEM SET sellometer.live_lateness = ' . pick("'1min'", "'5min'", "'1h'", "'2d'"));
	$node->reload;
	$node->safe_psql('shop', "SELECT sellometer_add_source('a', 'file://$dir/in/')");
	act(\%history, 'retention');
	note(@keys . ' files');

	my $wave = @keys / (5 + int rand 6);
	while (@keys)
	{
		link_object("$dir/all", "$dir/in", $_) foreach (splice(@keys, 0, 1 + int rand 2 * $wave));
		act(\%history, pick('ingest', 'ingest', 'nothing'));
		act(\%history, pick(@ACTIONS)) foreach (1 .. 1 + int rand 3);
	}
	finish_calls(\%history);
	wait_until_loaded($node);

	oracle_load($node, "$dir/in");
	my $right = judge(\%history, 'as it was left');
	act(\%history, $_) foreach (qw(rollup prune rollup));
	$right &&= judge(\%history, 'rolled up and pruned');
	ok($right, "seed $seed: the tiers agree with the oracle");
	remove_tree($dir);
	return;
}

1;
