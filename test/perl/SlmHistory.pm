
=pod

=head1 NAME

SlmHistory - loads the same events along any number of different ways, and holds the result against the oracle

=head1 SYNOPSIS

  my $node = slm_node('history');
  random_history($node, 7);                         # seed 7: a test each for the tables, the ledger, the rejects
  random_history($node, 8, events => 1_000_000);

=head1 WHAT IS RANDOM

From the seed come: the events; the shapes of their objects (gzip, pandas, ISO times, quotes, bad rows, names without a
time, copies with other prices, objects that can't be loaded at all); in which of two sources and in which of several
waves each appears; the settings, which change between waves; and what happens meanwhile: waiting, restarts of the worker
and of the server, fast and immediate, CALLs of sellometer_ingest(), sellometer_merge_backlog() and sellometer_detect() beside
the worker, a source that is disabled for a while.

The order of all this is the same each time for a seed; at which point of a load something strikes is not.

=cut

package SlmHistory;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use File::Basename qw(basename dirname);
use File::Find qw(find);
use File::Path qw(make_path remove_tree);
use IPC::Run ();
use PostgreSQL::Test::Utils;
use SlmRandom;
use SlmTest;
use Test::More;

our @EXPORT = qw(
  random_history everything_agrees wait_until_loaded unexpected_in_log
  link_object files_below can_make_chunks_small with_quantity with_ids
);

my @SETTINGS = (
	[ 'sellometer.batch_bytes', '64kB', '256kB', '1MB', '16MB', '256MB' ],
	[ 'sellometer.work_memory', '16MB', '16MB', '64MB', '2GB' ],
	[ 'sellometer.fill_pages', 'on', 'off' ],
	[ 'sellometer.debug_chunk_rows', '1000', '5000', '1000000' ],
	[ 'sellometer.poll_interval', '10ms', '100ms', '1s' ],
	[ 'sellometer.live_lateness', '0', '1min', '5min', '1h', '1d' ],
	[ 'sellometer.surge_bytes', '1kB', '1MB', '256MB' ],
	[ 'sellometer.max_connections', '1', '2', '16' ]);

my @ACTIONS = qw(nothing nothing wait ingest ingest_beside merge merge_beside detect detect_beside terminate fast immediate disable);

=pod

=head1 FUNCTIONS

=over

=item files_below($dir)

The files below a directory, by their names from there, in order.

=cut

sub files_below
{
	my ($dir) = @_;
	my @files;

	find(sub { push @files, $File::Find::name =~ s{^\Q$dir\E/}{}r if -f }, $dir);
	return sort @files;
}

# --- objects ---

# The same events once more, some at another price or under another brand or category: which view counts is a tie then.
sub twin_of
{
	my ($content) = @_;
	my ($header, @lines) = split(/\n/, $content);

	return undef unless defined $header && $header eq join(',', qw(event_time event_type product_id category_id
		category_code brand price user_id user_session));
	return undef if $content =~ /["\r\0]/;
	for my $line (@lines)
	{
		my @fields = split(/,/, $line, -1);

		next if @fields != 9 || chance(0.4);
		$fields[6] = pick('0', '0.0001', '0.5', '33.20', '33.2075', '100000', $fields[6]);
		$fields[5] = pick('', 'zz', 'ä', 'acme', $fields[5]);
		$fields[4] = pick('', 'a', 'a.b', 'zz.y.x.w', $fields[4]) if chance(0.5);
		$line = join(',', @fields);
	}
	return join('', map { "$_\n" } $header, @lines);
}

# Has the line as many fields as the header?  Another one is to stay one that hasn't: an empty field behind all others is none.
sub is_whole
{
	my ($line, $header) = @_;

	return ($line =~ tr/,//) == ($header =~ tr/,//);
}

=pod

=item with_quantity($content)

The same rows with a column of pieces, some of which are none; undef where that can't be told line by line.

=cut

sub with_quantity
{
	my ($content) = @_;
	my ($header, @lines) = split(/\n/, $content);

	return undef unless defined $header && $header =~ /^,?event_time,[a-z_,]+$/ && $content !~ /["\r\0]/;
	return join("\n", "$header,quantity",
		(map { "$_," . (!is_whole($_, $header) ? 1 : chance(0.01) ? pick('0', '-1', '1.5', '100001', 'x', '2;') : pick('', '', 1, 1, 1, 2, 3, 12, '+4', '2.0', ' 7 ', 1000)) } @lines), '');
}

# The same event once more, as producers write it: as it was, or at another time of the hour, price, session, or in another form.
sub written_again
{
	my ($line, $header) = @_;
	my @names = split(/,/, $header, -1);
	my @fields = split(/,/, $line, -1);
	my %at = map { ($names[$_] => $_) } 0 .. $#names;

	return $line if !is_whole($line, $header) || chance(0.5);
	$fields[ $at{event_time} ] =~ s/:(\d\d):\d\d/sprintf(':%02d:%02d', chance(0.5) ? $1 : int rand 60, int rand 60)/e;
	$fields[ $at{price} ] = pick('0.5', '33.20', '100000') if chance(0.2);
	$fields[ $at{brand} ] = pick('', 'zz', 'acme') if defined $at{brand} && chance(0.2);
	$fields[ $at{user_session} ] = pick('', 'once-more') if defined $at{user_session} && chance(0.2);
	$fields[ $at{quantity} ] = pick('', 1, 2, 5) if defined $at{quantity} && chance(0.3);
	return join(',', @fields);
}

=pod

=item with_ids($content, $written)

The same rows with a column of event ids: none, an id of its own, or an order's number; and among them some rows once more that $written, a
hash that is kept from one file to the next, has. undef where that can't be told line by line.

=cut

sub with_ids
{
	my ($content, $written) = @_;
	my ($header, @lines) = split(/\n/, $content);
	my @rows;

	return undef unless defined $header && $header =~ /^,?event_time,[a-z_,]+$/ && $content !~ /["\r\0]/;
	$header .= ',event_id';
	my $earlier = $written->{$header} //= [];
	for my $line (@lines)
	{
		my $id = !is_whole("$line,", $header) ? 'x' : chance(0.15) ? pick('', '', 'null', ' ') : chance(0.3) ? 'o' . int rand 300 : 'e' . ++$written->{n};

		push @rows, "$line,$id";
		push @rows, written_again($earlier->[ int rand @$earlier ], $header) if @$earlier && chance(0.15);
		push @$earlier, "$line,$id" if chance(0.3);
	}
	return join("\n", $header, @rows, '');
}

# Objects that can't be loaded, and such as are hardly any.
sub odd_objects
{
	my ($time) = @_;
	my $few = csv(map { event(event_time => $time, user_session => "s$_") } 1 .. 5);
	my $zipped = gzipped($few x 20);

	return (
		'junk.csv' => "this is\x00 no CSV\nnot at all\n",
		'empty.csv' => '',
		'header.csv' => csv(),
		'no_price.csv' => "event_time,event_type,product_id\n2019-10-01 00:00:00 UTC,view,1\n",
		'short.csv.gz' => substr($zipped, 0, length($zipped) - 12),
		'all_bad.csv' => csv(map { event(price => $_ % 3 ? 'free' : '1.00') } 1 .. 300),
		'one.csv' => csv(event(event_time => $time, event_type => 'purchase')));
}

=pod

=item make_objects($dir, $seed, $events)

Write objects for the seed below a directory.

=cut

sub make_objects
{
	my ($dir, $seed, $events) = @_;
	my $minutes = pick(5, 20, 60, 200, 500);
	my $start = sprintf('2019-10-%02d %02d:%02d:00', pick(1, 17, 31), int rand 24, int rand 60);
	my $ids = chance(0.3);
	my %written;
	my @shape = map { ("--$_" => pick(0, 0.1, 0.5)) } qw(gzip gzip-hidden pandas iso odd quoted fractional-seconds);

	traffic($dir, '--seed' => $seed, '--events' => $events, '--rate' => int($events / $minutes) || 1,
		'--start' => $start, '--servers' => pick(1, 2, 5), '--sticky' => pick(0, 0.8), '--products' => pick(500, 20000),
		'--session-gap' => pick(20, 100, 1000), '--bad' => pick(0, 0.001, 0.02), @shape);
	for my $key (files_below($dir))
	{
		my $twin = chance(0.05) ? twin_of(slurp_file("$dir/$key")) : undef;

		my $counted = chance(0.3) ? with_quantity(slurp_file("$dir/$key")) : undef;

		write_file("$dir/twins/$key", $twin) if defined $twin;
		write_file("$dir/$key", $counted) if defined $counted;
		my $with_ids = $ids && chance(0.8) ? with_ids(slurp_file("$dir/$key"), \%written) : undef;
		write_file("$dir/$key", $with_ids) if defined $with_ids;
		if (chance(0.1))
		{
			make_path("$dir/part");
			rename("$dir/$key", sprintf('%s/part/%05d%s', $dir, int rand 1e5, $key =~ /(\.csv.*)/)) or die "rename: $!";
		}
	}
	my %odd = odd_objects($start);
	write_file("$dir/odd/$_", $odd{$_}) foreach (sort keys %odd);
	return;
}

=pod

=item link_object($from, $to, $key)

Have an object appear in a directory at once and whole.

=cut

sub link_object
{
	my ($from, $to, $key) = @_;

	make_path(dirname("$to/$key"));
	link("$from/$key", "$to/$key") or die "can't link $to/$key: $!";
	return;
}

=pod

=item wait_until_loaded($node)

Load and merge until nothing waits, also not in the backlog.

=cut

sub wait_until_loaded
{
	my ($node) = @_;
	my $open = "SELECT count(*) FROM sellometer.objects WHERE state IN ('pending', 'backlog')";

	# The first CALL has listed all; what the worker holds at the time is done a little later.
	$node->safe_psql('shop', 'CALL sellometer_ingest()');
	for (1 .. 1000)
	{
		return if $node->safe_psql('shop', $open) == 0;
		$node->safe_psql('shop', 'CALL sellometer_merge_backlog()');
		$node->safe_psql('shop', 'CALL sellometer_ingest()');
		select(undef, undef, undef, 0.05);
	}
	wait_until($node, "SELECT ($open) = 0");
	return;
}

# --- what happens between waves ---

# A CALL in a session of its own; the history goes on meanwhile.  It may fail: the server may be restarted under it.
sub start_call
{
	my ($node, $sql, $running) = @_;
	my %call = (output => '');

	$call{harness} = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('shop'), '-c', $sql ],
		'<', \undef, '>&', \$call{output});
	push @$running, \%call;
	return;
}

=pod

=item can_make_chunks_small($node)

Is sellometer.debug_chunk_rows there, that is, was the extension built with assertions?

=cut

sub can_make_chunks_small
{
	my ($node) = @_;

	return $node->safe_psql('shop', "SELECT current_setting('sellometer.debug_chunk_rows', true) IS NOT NULL") eq 't';
}

sub change_settings
{
	my ($node) = @_;

	for my $setting (@SETTINGS)
	{
		my ($name, @values) = @$setting;

		next unless chance(0.5);
		next if $name eq 'sellometer.debug_chunk_rows' && !can_make_chunks_small($node);
		my $value = pick(@values);
		note("  $name = $value");
		$node->safe_psql('postgres', "ALTER SYSTEM SET $name = '$value'");
	}
	$node->reload;
	return;
}

sub act
{
	my ($node, $action, $running) = @_;

	note("  $action");
	if ($action eq 'wait')
	{
		wait_until($node, "SELECT count(*) = 0 FROM sellometer.objects WHERE state = 'pending'");
	}
	elsif ($action =~ /^(ingest|merge|detect)(_beside)?$/)
	{
		my $sql = { ingest => 'CALL sellometer_ingest()', merge => 'CALL sellometer_merge_backlog()',
			detect => 'CALL sellometer_detect()' }->{$1};

		$2 ? start_call($node, $sql, $running) : $node->safe_psql('shop', $sql);
	}
	elsif ($action eq 'terminate')
	{
		$node->safe_psql('shop', 'SELECT pg_terminate_backend(sellometer.worker_pid())');
	}
	elsif ($action =~ /^(fast|immediate)$/)
	{
		$node->stop($action);
		$node->start;
	}
	elsif ($action eq 'disable')
	{
		$node->safe_psql('shop', "SELECT sellometer_enable_source('a', false)");
	}
	return;
}

# --- judging ---

=pod

=item everything_agrees($node, $name, @directories)

Six tests: the minute tables, the offers, the ledger, the rejected rows and the carts are what the oracle says of these
directories' objects, and sellometer_check() finds nothing wrong.

=cut

sub everything_agrees
{
	my ($node, $name, @directories) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	oracle_load($node, @directories);
	oracle_agrees($node, 'minute', $name);
	# first what is not folded yet, then what it comes to
	is($node->safe_psql('shop', q{
			(SELECT * FROM oracle.diff_offers() LIMIT 10);
			SELECT FROM sellometer.fold_offers();
			(SELECT * FROM oracle.diff_offers() LIMIT 10);
			SELECT * FROM oracle.diff_sold() LIMIT 10;
			SELECT * FROM oracle.diff_listings() LIMIT 10}) =~ s/\n//gr,
		'', "$name: offers agree");
	is($node->safe_psql('shop', 'SELECT * FROM oracle.diff_objects() LIMIT 10'), '', "$name: the ledger agrees");
	is($node->safe_psql('shop', "SELECT * FROM oracle.diff_rejects(current_setting('sellometer.max_rejects_kept')::integer) LIMIT 10"), '', "$name: the rejected rows agree");
	carts_agree($node, $name);
	is($node->safe_psql('shop', q{
			SELECT c.* FROM sellometer_check() c
			WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker', 'failed objects')}),
		'', "$name: sellometer_check() finds nothing");
	return;
}

=pod

=item unexpected_in_log($node, $also)

The lines of the server's log that warn of something or report an error, but for those that go with restarts, and those
that match the pattern also.

=cut

sub unexpected_in_log
{
	my ($node, $also) = @_;
	my $usual = qr/database\ system\ is\ (starting\ up|shutting\ down|in\ recovery\ mode|not\ yet\ accepting\ connections)
		|terminating\ (connection|background\ worker|autovacuum\ process).*due\ to\ administrator\ command
		|autovacuum\ worker\ \ ERROR:\ \ canceling\ autovacuum\ task
		|sellometer\ worker\ \ FATAL:\ \ database\ "\w+"\ does\ not\ exist
		|terminating\ connection\ because\ of\ crash\ of\ another\ server\ process/x;

	return grep {
		/ (WARNING|ERROR|FATAL|PANIC):  /a && $_ !~ $usual && !(defined $also && /$also/)
	} split(/\n/, slurp_file($node->logfile));
}

=pod

=item random_history($node, $seed, events => 100_000)

One whole history, from an empty extension on; then everything_agrees().

=back

=cut

sub random_history
{
	my ($node, $seed, %options) = @_;
	my $dir = slm_directory($node, "history_$seed");
	my %target = map { ($_ => "$dir/$_") } qw(a b);
	my (@waves, @running);

	srand($seed);
	note("seed $seed");
	$node->safe_psql('shop', 'SET client_min_messages = warning; DROP EXTENSION IF EXISTS sellometer CASCADE; '
		. 'CREATE EXTENSION sellometer; ALTER TABLE sellometer.sources ALTER same_content SET DEFAULT $$count$$');
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET ALL');
	make_objects("$dir/all", $seed, $options{events} // 100_000);
	mkdir $_ foreach (values %target);
	$node->safe_psql('shop', "SELECT sellometer_add_source('$_', 'file://$target{$_}/')") foreach (sort keys %target);

	my $nwaves = 3 + int rand 4;
	my $disorder = pick(0, 0.1, 1);		# share of objects that come in a wave of their own choice
	my @keys = files_below("$dir/all");
	for my $i (0 .. $#keys)
	{
		push @{ $waves[ chance($disorder) ? int rand $nwaves : int($i * $nwaves / @keys) ] }, $keys[$i];
	}
	for my $wave (@waves)
	{
		note('wave of ' . @{ $wave // [] } . ' objects');
		change_settings($node);
		for my $key (shuffled(@{ $wave // [] }))
		{
			link_object("$dir/all", $target{ pick(sort keys %target) }, $key);
			select(undef, undef, undef, rand 0.2) if chance(0.01);
		}
		act($node, pick(@ACTIONS), \@running) foreach (1 .. 2);
		$node->safe_psql('shop', "SELECT sellometer_enable_source('a', true)");
	}
	$_->{harness}->finish foreach (@running);
	wait_until_loaded($node);
	everything_agrees($node, "seed $seed", values %target);
	remove_tree($dir);
	return;
}

1;
