
=pod

=head1 NAME

SlmSoak - load, look, and break things at random for a while; then nothing is lost or doubled

=head1 SYNOPSIS

  my $soak = SlmSoak->new(seconds => 120, seed => 1, disk => $directory);
  $soak->run;
  $soak->table;                 # what was injected and survived, as text

disk: a small file system that the database is to be on, to be filled now and then; undef if there is none.

=head1 WHAT HAPPENS

With hostile => 1 a hostile server and feeder (SlmHostile) are among the sources first, for an eighth of the time, and after as long
without them.  Then these are dropped, and:

Files arrive without a pause in a directory and in a bucket, some late; between the worker and the bucket is the proxy of
test/s3.  Sessions beside it ask what dashboards ask, and call for rollup, prune and backlog.  Times of the events pass a
change of the clock in Europe.  Round after round a fault of the proxy and a blow to the server, its processes, its settings or the directory strike at the same time, drawn like cards, so that each has its turn.  A round is survived when
all files that were there at its end are in the ledger as loaded, or late, within 30 seconds.

=cut

package SlmSoak;

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Utils;
use SlmCrash;
use SlmHistory;
use SlmHostile;
use SlmRandom;
use SlmS3;
use SlmTest;
use SlmTiers;
use Test::More;
use Time::HiRes qw(time);

our $MAX_RECOVERY = 30;		# seconds
my $FILES_PER_SECOND = 4;	# two a minute of event time

my @FAULTS = qw(latency reset half longer shorter stall drip hang mute refuse garbage endless circle twice lag skew expired denied
	redirect 429 429-after 500 503 503-after);
my @BLOWS = qw(kill_worker kill_backend kill_server terminate kill_parse_worker kill_launcher cancel timeouts restart immediate reload
	adverse surge outage outage_in_surge drop_database disk_full);

# What a database may have set that loading must not depend on; each time some of these.  Times of the events pass a change of the clock.
my %ADVERSE = (lock_timeout => [qw(1ms 50ms)], TimeZone => [qw(Europe/Berlin Asia/Kolkata America/New_York)], DateStyle => ['SQL, DMY'],
	IntervalStyle => ['sql_standard'], default_transaction_isolation => [qw(serializable), 'repeatable read'],
	default_transaction_read_only => ['on'], standard_conforming_strings => ['off'], session_replication_role => ['replica'],
	row_security => ['off'], search_path => ['nowhere'], jit_above_cost => ['0'], plan_cache_mode => ['force_generic_plan'],
	idle_in_transaction_session_timeout => ['2s'], enable_indexscan => ['off'], enable_sort => ['off'], work_mem => ['64kB']);

# What is done beside the load, over and over: name => a turn.
my %TURNS = (
	rollup => 'CALL sellometer_rollup();',
	prune => 'CALL sellometer_prune();',
	backlog => 'CALL sellometer_merge_backlog();',
	queries => <<'SQL');
SELECT event_time, gmv FROM sellometer.purchase_product_id_minute ORDER BY gmv DESC LIMIT 10;
SELECT * FROM sellometer.purchase_brand_rank LIMIT 10;
SELECT event_time, sum(gmv) FROM sellometer.realtime_category_l1_hour GROUP BY 1 ORDER BY 1;
SELECT * FROM sellometer_top('brand', 'purchase', (SELECT head FROM sellometer.state) - interval '2 hours', (SELECT head FROM sellometer.state), 5);
SELECT * FROM sellometer.status;
SELECT * FROM sellometer.progress;
SQL

# --- setting up ---

sub new
{
	my ($class, %args) = @_;
	my $self = bless { %args, rounds => [], samples => [], put => [], held => [], ahead => 0, survived => {} }, $class;

	srand($args{seed});
	note("seed $args{seed}, $args{seconds} s");
	$self->{s3} = SlmS3->swift;
	$self->{s3}->client('mkbucket', 'shop');
	$self->{proxy} = SlmS3->proxy($self->{s3}, '--seed', $args{seed});
	$self->start_server;
	$self->make_files;
	return $self;
}

sub start_server
{
	my ($self) = @_;
	my $node = slm_node('soak', start => 0, conf => <<'CONF');
fsync = off
restart_after_crash = on
log_statement = none
max_wal_size = 256MB
sellometer.database = 'shop, other'
sellometer.poll_interval = 200ms
sellometer.view_window = 6h
CONF

	$self->{node} = $node;
	$node->start;
	my $where = '';
	if (defined $self->{disk})
	{
		mkdir "$self->{disk}/space" or die "can't make $self->{disk}/space: $!";
		$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$self->{disk}/space'");
		$where = 'TABLESPACE small';
	}
	$node->safe_psql('postgres', "CREATE DATABASE shop $where");
	$node->safe_psql('shop', 'CREATE EXTENSION sellometer; ALTER TABLE sellometer.sources ALTER same_content SET DEFAULT $$count$$');
	$self->{dir}{$_} = slm_directory($node, $_) foreach (qw(all in upload other turns));
	$self->{proxy}->create_server($node, 'shop', 's3', stall_timeout => 3, connect_timeout => 3, retry_timeout => 6);
	$node->safe_psql('shop', "SELECT sellometer_alter_tier('minute', '2 hours')");
	$node->safe_psql('shop', "SELECT sellometer_add_source('dir', 'file://$self->{dir}{in}/')");
	$node->safe_psql('shop', q{SELECT sellometer_add_source('s3', 's3://shop/in/', 's3')});
	$self->make_other;
	return;
}

# A database that comes and goes.
sub make_other
{
	my ($self) = @_;

	$self->{node}->safe_psql('postgres', 'CREATE DATABASE other');
	# The oracle compares all minutes.
	$self->{node}->safe_psql('other', qq{
		CREATE EXTENSION sellometer;
		ALTER TABLE sellometer.sources ALTER same_content SET DEFAULT 'count';
		UPDATE sellometer.tiers SET retention = '1 year' WHERE name = 'minute';
		SELECT sellometer_add_source('o', 'file://$self->{dir}{other}/')});
	return;
}

# All files, in the order in which they are to arrive: every twentieth late, by up to half a minute.  Sessions end well within
# the view window.
sub make_files
{
	my ($self) = @_;
	my $minutes = int(1.1 * $self->{seconds} * $FILES_PER_SECOND / 2);		# some come ahead of their time

	traffic($self->{dir}{all}, '--minutes' => $minutes, '--servers' => 2, '--rate' => 80, '--seed' => $self->{seed}, '--products' => 500,
		'--session-gap' => 60, '--gzip' => 0.2, '--bad' => 0.002, '--start' => '2019-10-27 00:50:00');
	my @keys = files_below($self->{dir}{all});
	my %when = map { ($keys[$_] => $_ + (chance(0.05) ? rand 30 * $FILES_PER_SECOND : 0)) } 0 .. $#keys;
	$self->{keys} = [ sort { $when{$a} <=> $when{$b} || $a cmp $b } @keys ];
	return;
}

# A session that repeats a turn, whatever becomes of it, until the file stop is there.
sub start_turns
{
	my ($self, $name) = @_;
	my $dir = $self->{dir}{turns};
	my %turns = (name => $name, output => '');

	append_to_file("$dir/$name.sql", "\\set ON_ERROR_STOP on\nSET client_min_messages = error;\n$TURNS{$name}");
	$turns{harness} = IPC::Run::start(
		[ 'sh', '-c', 'n=0; failed=0; while [ ! -e "$1" ]; do if psql -XqAt -o /dev/null -d "$2" -f "$3" 2>/dev/null; then n=$((n + 1)); '
				. 'else failed=$((failed + 1)); fi; sleep 0.2; done; echo "$n $failed"',
			'sh', "$dir/stop", $self->{node}->connstr('shop'), "$dir/$name.sql" ],
		'<', \undef, '>&', \$turns{output});
	push @{ $self->{turns} }, \%turns;
	return;
}

sub start_uploads
{
	my ($self) = @_;
	local %ENV = (%ENV, AWS_ACCESS_KEY_ID => $self->{s3}{access_key}, AWS_SECRET_ACCESS_KEY => $self->{s3}{secret_key},
		AWS_DEFAULT_REGION => 'us-east-1');

	$self->{uploads} = IPC::Run::start([ slm_root() . '/test/traffic/to_s3', $self->{dir}{upload}, "$self->{s3}{endpoint}/shop/in/" ],
		'<', \undef, '>&', \$self->{upload_output});
	return;
}

# --- while it runs ---

# Files that are due arrive; now and then a look at the worker.
sub pump
{
	my ($self) = @_;
	my $due = int((time - $self->{begun}) * $FILES_PER_SECOND) + $self->{ahead} - @{ $self->{put} };

	for my $key (splice(@{ $self->{keys} }, 0, $due > 0 ? $due : 0))
	{
		my $to = $key =~ /-1\.csv/ ? 'in' : 'upload';

		if ($to eq 'in' && $self->{outage}) { push @{ $self->{held} }, $key; }
		else { link_object($self->{dir}{all}, $self->{dir}{$to}, $key); }
		link_object($self->{dir}{all}, $self->{dir}{other}, $key) if $key =~ /[05]-1\.csv/;
		push @{ $self->{put} }, $key;
		$self->{put_at}{$key} = time;
	}
	if (time - ($self->{looked} // 0) > 1)
	{
		$self->{looked} = time;
		$self->look_at_worker;
	}
	select(undef, undef, undef, 0.05);
	return;
}

sub pump_for
{
	my ($self, $seconds) = @_;
	my $end = time + $seconds;

	$self->pump while time < $end;
	return;
}

# A query that may find the server down: then ''.
sub try_sql
{
	my ($self, $sql, $database) = @_;
	my ($status, $out) = $self->{node}->psql($database // 'shop', $sql, timeout => 20, timed_out => \my $late);

	return $status == 0 ? $out : '';
}

sub look_at_worker
{
	my ($self) = @_;
	my $pid = $self->try_sql('SELECT sellometer.worker_pid()');

	return if $pid eq '' || $pid eq '0' || !-r "/proc/$pid/status";
	my $status = eval { slurp_file("/proc/$pid/status") } // return;
	my ($resident) = $status =~ /^RssAnon:\s+(\d+)/m or return;
	my $descriptors = () = glob "/proc/$pid/fd/*";
	push @{ $self->{samples} }, { time => time - $self->{begun}, pid => $pid, resident => $resident, descriptors => $descriptors };
	return;
}

# Is all that had been put there by then loaded, or known to be late?
sub has_recovered
{
	my ($self, $count) = @_;
	my $first = $count > 300 ? $count - 300 : 0;
	my $keys = join(',', @{ $self->{put} }[ $first .. $count - 1 ]);

	return $self->try_sql(qq{SELECT count(*) FROM unnest('{$keys}'::text[]) k WHERE NOT EXISTS (
		SELECT FROM sellometer.objects o WHERE o.key = k AND o.state IN ('done', 'backlog'))}) eq '0';
}

# --- blows ---

sub pid_of
{
	my ($self, $where) = @_;

	return $self->try_sql("SELECT pid FROM pg_stat_activity WHERE $where ORDER BY random() LIMIT 1", 'postgres');
}

sub kill_one
{
	my ($self, $where) = @_;
	my $pid = $self->pid_of($where);

	return 0 if $pid eq '';
	return kill_process($self->{node}, $pid);
}

sub fill_disk
{
	my ($self) = @_;
	my $block = "\0" x 65536;

	return 0 unless defined $self->{disk};
	open(my $file, '>:raw', "$self->{disk}/ballast") or die "can't write $self->{disk}/ballast: $!";
	1 while (syswrite($file, $block) // 0) == length $block;
	close($file);
	return 1;
}

# The directory can't be read, in the midst of a load: 20 files have come at once.
sub begin_outage
{
	my ($self) = @_;

	$self->{ahead} += 20;
	$self->pump_for(0.2);
	chmod(0, $self->{dir}{in}) or die "can't chmod: $!";
	$self->{outage} = 1;
	return 1;
}

sub end_outage
{
	my ($self) = @_;

	chmod(0755, $self->{dir}{in}) or die "can't chmod: $!";
	$self->{outage} = 0;
	link_object($self->{dir}{all}, $self->{dir}{in}, $_) foreach (splice @{ $self->{held} });
	return;
}

# Settings of the database: worker and sessions begin anew with them.
sub set_adverse
{
	my ($self) = @_;
	my %value = map { ($_ => pick(@{ $ADVERSE{$_} })) } grep { chance(0.7) } sort keys %ADVERSE;

	$self->try_sql(join(';', map { "ALTER DATABASE shop SET $_ = " . ($_ eq 'search_path' ? $value{$_} : "'$value{$_}'") } sort keys %value), 'postgres');
	return $self->try_sql(q{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'shop' AND pid <> pg_backend_pid()
		AND backend_type IN ('sellometer worker', 'client backend')}, 'postgres') ne '';
}

# Ten times at random moments.
sub cancel
{
	my ($self, $where) = @_;
	my $done = 0;

	for (1 .. 10)
	{
		my $n = $self->try_sql("SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE $where", 'postgres');

		$done += $n if $n ne '';
		$self->pump_for(rand 0.3);
	}
	return $done;
}

# Calls that end by a timeout wherever they are, and then the same session's own.
sub time_out
{
	my ($self) = @_;
	my $calls = join("\n", map { 'SET statement_timeout = ' . int(1 + rand 300) . '; CALL sellometer_' . pick(qw(ingest merge_backlog rollup prune)) . '();' } 1 .. 8);

	$self->{node}->psql('shop', "SET client_min_messages = fatal; SET sellometer.surge_bytes = '@{[ pick('1kB', '1GB') ]}'; $calls
		SET statement_timeout = '5s'; SET sellometer.surge_bytes = '1GB'; CALL sellometer_ingest();", on_error_stop => 0, timeout => 30, timed_out => \my $late);
	return 1;
}

# A thing that is done while the server stays up: whether it was done, or undef if it is none of these.
sub strike_softly
{
	my ($self, $blow) = @_;

	if ($blow eq 'cancel') { return $self->cancel(q{datname = 'shop' AND pid <> pg_backend_pid()}); }
	if ($blow eq 'timeouts') { return $self->time_out; }
	if ($blow eq 'adverse') { return $self->set_adverse; }
	if ($blow eq 'outage') { return $self->begin_outage; }
	if ($blow eq 'kill_parse_worker')
	{
		$self->set_surge;
		$self->pump_for(1);
		return $self->try_sql(q{SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity WHERE backend_type = 'sellometer parse worker'}, 'postgres') eq 't';
	}
	if ($blow eq 'kill_launcher')
	{
		my $launcher = launcher_pid($self->{node});

		return defined $launcher && kill('TERM', $launcher) == 1 && $self->try_sql('SELECT pg_terminate_backend(sellometer.worker_pid())') eq 't';
	}
	if ($blow eq 'outage_in_surge')
	{
		$self->set_surge;
		return $self->begin_outage;
	}
	return;
}

sub set_surge
{
	my ($self) = @_;

	$self->try_sql(q{ALTER SYSTEM SET sellometer.surge_bytes = '1kB'}, 'postgres');
	$self->{node}->reload;
	return;
}

# True if the blow was struck.
sub strike
{
	my ($self, $blow) = @_;
	my $node = $self->{node};
	my $soft = $self->strike_softly($blow);

	return $soft if defined $soft;
	if ($blow eq 'kill_worker') { return $self->kill_one(q{backend_type = 'sellometer worker' AND datname = 'shop'}); }
	if ($blow eq 'kill_backend') { return $self->kill_one(q{backend_type = 'client backend' AND datname = 'shop' AND pid <> pg_backend_pid()}); }
	if ($blow eq 'kill_server') { kill_server($node); return 1; }
	if ($blow eq 'terminate') { return $self->try_sql('SELECT pg_terminate_backend(sellometer.worker_pid())') eq 't'; }
	if ($blow eq 'restart' || $blow eq 'immediate')
	{
		$node->stop($blow eq 'restart' ? 'fast' : 'immediate');
		$node->start;
		return 1;
	}
	if ($blow eq 'drop_database')
	{
		$node->safe_psql('postgres', 'DROP DATABASE other');
		$self->make_other;
		return 1;
	}
	if ($blow eq 'disk_full') { return $self->fill_disk; }
	my @settings = $blow eq 'surge' ? ([ 'sellometer.surge_bytes', '1kB' ])
	  : ([ 'sellometer.batch_bytes', pick('64kB', '1MB', '512MB') ], [ 'sellometer.work_memory', pick('16MB', '64MB', '2GB') ],
		[ 'sellometer.poll_interval', pick('50ms', '500ms') ], [ 'sellometer.max_connections', pick(1, 4, 16) ]);
	$self->try_sql("ALTER SYSTEM SET $_->[0] = '$_->[1]'", 'postgres') foreach (@settings);
	$node->reload;
	return 1;
}

sub end_blow
{
	my ($self, $blow) = @_;

	unlink "$self->{disk}/ballast" if $blow eq 'disk_full' && defined $self->{disk};
	$self->end_outage if $self->{outage};
	$self->try_sql('ALTER DATABASE shop RESET ALL', 'postgres') if $blow eq 'adverse';
	if ($blow eq 'surge' || $blow eq 'outage_in_surge' || $blow eq 'kill_parse_worker')
	{
		$self->try_sql('ALTER SYSTEM RESET sellometer.surge_bytes', 'postgres');
		$self->{node}->reload;
	}
	return;
}

# --- rounds ---

# The next card; a deck that is used up is shuffled again.
sub draw
{
	my ($self, $name, @cards) = @_;
	my $deck = $self->{"deck_$name"} //= [];

	push @$deck, sort { $a->[0] <=> $b->[0] } map { [ rand, $_ ] } @cards unless @$deck;
	return (shift @$deck)->[1];
}

sub note_survival
{
	my ($self, $name, $times, $recovery) = @_;
	my $row = $self->{survived}{$name} //= { rounds => 0, times => 0, survived => 0, longest => 0 };

	$row->{rounds}++;
	$row->{times} += $times;
	$row->{survived}++ if $recovery <= $MAX_RECOVERY;
	$row->{longest} = $recovery if $recovery > $row->{longest};
	return;
}

sub round
{
	my ($self) = @_;
	my $fault = $self->draw('faults', @FAULTS);
	my $blow = $self->draw('blows', @BLOWS);
	my $share = pick(0.3, 0.6, 1);
	my %before = $self->{proxy}->counts;

	$self->{proxy}->faults({ fault => $fault, share => $share });
	$self->pump_for(0.5 + rand 2);
	my $struck = $self->strike($blow);
	$self->pump_for(0.5 + rand 2);
	$self->{proxy}->faults();
	$self->end_blow($blow);

	my ($end, $count) = (time, scalar @{ $self->{put} });
	$self->pump until $self->has_recovered($count) || time - $end > $MAX_RECOVERY;
	my $recovery = time - $end;
	my %after = $self->{proxy}->counts;
	my $times = ($after{$fault} // 0) - ($before{$fault} // 0);
	$self->note_survival("s3: $fault", $times, $recovery) if $times > 0;
	$self->note_survival($blow, 1, $recovery) if $struck;
	my $line = sprintf('%6.1f s: %s (%d times, share %.1f), %s%s: %.1f s to recover', $end - $self->{begun}, $fault, $times, $share,
		$blow, $struck ? '' : ' (not struck)', $recovery);
	note($line);
	if ($recovery > $MAX_RECOVERY)
	{
		push @{ $self->{late_rounds} }, $line;
		diag("$line\n" . $self->try_sql(q{SELECT source, key, state, attempts, next_attempt - now(), error FROM sellometer.objects
			WHERE state NOT IN ('done', 'backlog') ORDER BY id LIMIT 10}) . "\n" . $self->try_sql('SELECT name, last_error FROM sellometer.sources'));
	}
	return;
}

# --- among hostile sources ---

# How long it takes from putting a file to having its rows, of those that come in some seconds; hostile: meanwhile, or undef.
sub measure
{
	my ($self, $when, $seconds, $hostile) = @_;
	my ($begun, $first) = (time, scalar @{ $self->{put} });

	while (time - $begun < $seconds)
	{
		$hostile->turn if $hostile;
		$self->pump;
	}
	my ($end, $count) = (time, scalar @{ $self->{put} });
	$self->pump until $self->has_recovered($count) || time - $end > $MAX_RECOVERY;
	for my $source (qw(dir s3))
	{
		my %loaded = map { split(/\|/) } split(/\n/, $self->{node}->safe_psql('shop',
			"SELECT key, extract(epoch FROM ingested_at) FROM sellometer.objects WHERE source = '$source' AND ingested_at IS NOT NULL"));
		my @took = sort { $a <=> $b } map { $loaded{$_} - $self->{put_at}{$_} } grep { $loaded{$_} } @{ $self->{put} }[ $first .. $count - 1 ];

		$self->{latency}{"$source $when"} = { files => scalar @took, map { ("p$_" => $took[ int($_ / 100 * $#took) ]) } (50, 99, 100) } if @took;
	}
	return;
}

# For a quarter of the time, before anything is broken: without hostile sources, then with them.
sub under_attack
{
	my ($self) = @_;

	$self->measure('before', $self->{seconds} / 8);
	my $hostile = SlmHostile->new($self->{node}, $self->{node}->basedir . '/hostile');
	$self->measure('under attack', $self->{seconds} / 8, $hostile);
	push @{ $self->{hostile_said} }, $hostile->end;
	$self->{hostile_counted} = $hostile->{counted};
	$self->{hostile_files} = $hostile->{turns};
	return;
}

=pod

=head1 METHODS

=over

=item run

Until the time is over; then everything arrives, and is loaded.

=cut

sub run
{
	my ($self) = @_;

	$self->start_uploads;
	$self->{begun} = time;
	$self->start_turns($_) foreach (sort keys %TURNS);
	$self->pump_for(2);
	$self->under_attack if $self->{hostile};
	$self->round while time - $self->{begun} < $self->{seconds};
	append_to_file("$self->{dir}{turns}/stop", '');
	$_->{harness}->finish foreach (@{ $self->{turns} });
	while (@{ $self->{keys} })
	{
		$self->{ahead}++;
		$self->pump;
	}
	for (1 .. 600)
	{
		last unless glob "$self->{dir}{upload}/*";
		select(undef, undef, undef, 0.05);
	}
	$self->{uploads}->signal('TERM');
	$self->{uploads}->finish;
	$self->{node}->safe_psql('postgres', 'ALTER SYSTEM RESET ALL');
	$self->{node}->reload;
	wait_until($self->{node}, "SELECT count(*) = " . @{ $self->{put} } . " FROM sellometer.objects");
	wait_until_loaded($self->{node});
	return;
}

=pod

=item wrong

What is wrong with database shop at the end, as lines; likewise other($name), with tests.

=cut

sub wrong
{
	my ($self) = @_;
	my $node = $self->{node};

	# The oracle needs more room than the small file system has.
	$node->safe_psql('postgres', "ALTER DATABASE shop SET default_tablespace = 'pg_default'; ALTER DATABASE shop SET temp_tablespaces = 'pg_default'");
	oracle_load($node, $self->{dir}{all});
	# The oracle knows of no window: it is right only where a session's views of a product lie within it.
	my $spans = $node->safe_psql('shop', q{SELECT count(*) FROM (SELECT FROM oracle.event WHERE reason IS NULL AND event_type = 'view'
		AND user_session <> '' GROUP BY user_session, product_id
		HAVING max(t) - min(t) >= current_setting('sellometer.view_window')::interval) s});
	return "$spans sessions see a product again after sellometer.view_window: the oracle does not hold" if $spans > 0;
	return (tier_differences($node), split(/\n/, $node->safe_psql('shop', 'SELECT * FROM oracle.diff_objects() LIMIT 10')));
}

sub other_agrees
{
	my ($self) = @_;
	local $SlmTest::DATABASE = 'other';

	$self->{node}->safe_psql('other', 'CALL sellometer_ingest(); CALL sellometer_merge_backlog(); CALL sellometer_ingest()');
	oracle_load($self->{node}, $self->{dir}{other});
	return oracle_agrees($self->{node}, 'minute', 'the database that was dropped and made again');
}

=pod

=item table

What was injected and survived.

=cut

sub table
{
	my ($self) = @_;
	my @lines = sprintf('%-16s %6s %8s %9s %18s', 'fault', 'rounds', 'times', 'survived', 'longest recovery');

	for my $name (sort keys %{ $self->{survived} })
	{
		my $row = $self->{survived}{$name};

		push @lines, sprintf('%-16s %6d %8d %9d %16.1f s', $name, @{$row}{qw(rounds times survived longest)});
	}
	push @lines, 'disk_full was not possible here: no file system could be mounted' unless defined $self->{disk};
	push @lines, sprintf('%-16s %6d turns, %d of them broken off', $_->{name}, split(/ /, $_->{output})) foreach (@{ $self->{turns} });
	push @lines, sprintf('%-16s %6d files of the hostile feeder', 'attack', $self->{hostile_files}) if $self->{hostile};
	push @lines, map { my $l = $self->{latency}{$_}; sprintf('  from put to row, %s: p50 %.2f s, p99 %.2f s, at the most %.2f s of %d files', $_, @{$l}{qw(p50 p99 p100 files)}) }
		sort keys %{ $self->{latency} // {} };
	push @lines, map { "  $_" } @{ $self->{hostile_said} // [] };
	push @lines, sprintf('%-16s %6d files', 'loaded', scalar @{ $self->{put} });
	return @lines;
}

=pod

=item usage

Of the worker: the greatest number of kB and of descriptors in each quarter of the time.

=back

=cut

sub usage
{
	my ($self) = @_;
	my (@resident, @descriptors);

	for my $sample (@{ $self->{samples} })
	{
		my $quarter = int(4 * $sample->{time} / $self->{seconds});

		$quarter = 3 if $quarter > 3;
		$resident[$quarter] = $sample->{resident} if $sample->{resident} > ($resident[$quarter] // 0);
		$descriptors[$quarter] = $sample->{descriptors} if $sample->{descriptors} > ($descriptors[$quarter] // 0);
	}
	return (\@resident, \@descriptors);
}

1;
