# Each fault that a network or an S3 server can have, between the worker and a real server that checks signatures: what is
# said about it, that nothing is lost or doubled by it, and that loading goes on by itself when it is over.
use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmS3;
use SlmTest;
use Test::More;
use Time::HiRes qw(time);

my $MAX_RECOVERY = 30;		# seconds
my $FILES = 4;				# for each fault

# With OpenSSL 3.5 libcurl takes an end without close_notify for a broken connection, however much is missing.
my $TOO_EARLY = qr/the answer ended too early|the connection broke/;

# What strikes together, each in a source of its own, but for the last ones: these strike connections, so all sources.
# name => where it strikes, where it is said, and what; without the latter two it is only to be survived.
my @groups = (
	[   [ latency => 'any' ],
		[ twice => 'list' ],
		[ lag => 'list' ] ],
	[   [ '503-after' => 'get', objects => qr/could not read "s3:.*the server asks to slow down.*503 SlowDown/ ],
		[ 429 => 'get', objects => qr/the server asks to slow down.*429 SlowDown/ ],
		[ 500 => 'get', objects => qr/the server failed.*500 InternalError/ ],
		[ reset => 'get', objects => qr/the connection broke/ ],
		[ half => 'get', objects => $TOO_EARLY ],
		[ longer => 'get', objects => $TOO_EARLY ],
		[ shorter => 'get', objects => qr/the object did not come whole: of \d+ bytes that were listed \d+ came/ ],
		[ stall => 'get', objects => qr/the server did not answer in time.*Check that https:/ ],
		[ expired => 'get', objects => qr/the session token has expired.*user mapping.*Set a new access_key_id/ ],
		[ redirect => 'get', objects => qr/at another endpoint.*"eu-west-9"/ ] ],
	[   [ '429-after' => 'list', sources => qr/could not list "s3:.*the server asks to slow down.*429 SlowDown/ ],
		[ 503 => 'list', sources => qr/the server asks to slow down.*503 SlowDown/ ],
		[ half => 'list', sources => $TOO_EARLY ],
		[ shorter => 'list', sources => qr/the answer is not valid.*can't be understood as XML of S3/ ],
		[ hang => 'list', sources => qr/the server did not answer in time/ ],
		[ garbage => 'list', sources => qr/the answer is not valid.*mismatched tag.*endpoint is that of an S3 service/ ],
		[ endless => 'list', sources => qr/the answer is not valid.*The list has no end/ ],
		[ circle => 'list', sources => qr/the answer is not valid.*The list has no end/ ],
		[ skew => 'any', sources => qr/the clocks differ too much.*differ by \d+ seconds.*Set the clock/ ],
		[ denied => 'list', sources => qr/access denied.*Allow these credentials s3:ListBucket/ ],
		[ redirect => 'any', sources => qr/at another endpoint.*"eu-west-9".*"s3\.eu-west-9\.example".*region and endpoint/ ] ],
	[ [ mute => 'any', sources => qr/the connection broke/ ] ],
	[ [ refuse => 'any', sources => qr/the connection broke|no TLS connection|can't be reached/ ] ],
	[ [ tls => 'any', sources => qr/no TLS connection could be made.*https or http/ ] ],
	[ [ certificate => 'any', sources => qr/the server's certificate can't be trusted.*ca_file/ ] ]);
my @faults = map { @$_ } @groups;

delete $ENV{$_} foreach (grep { /^AWS_/ || /_proxy$/i } keys %ENV);

# Two certificates for this host: one that the worker trusts, and one that it does not.
my $dir = PostgreSQL::Test::Utils::tempdir();

sub certificate
{
	my ($name) = @_;
	my $out;

	IPC::Run::run([ qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext),
			'subjectAltName=IP:127.0.0.1', '-keyout', "$dir/$name.key", '-out', "$dir/$name.crt" ], '<', \undef, '&>', \$out)
	  or die "openssl failed: $out";
	return ("$dir/$name.crt", "$dir/$name.key");
}

my $s3 = SlmS3->swift(max_listing => 3);
my $proxy = SlmS3->proxy($s3, '--seed', 42, '--tls', certificate('right'), '--wrong-tls', certificate('wrong'));
my $node = slm_node('faults', conf => <<'CONF');
fsync = off
sellometer.poll_interval = 50ms
sellometer.retry_delay = 300ms
sellometer.live_lateness = 1h
CONF
$proxy->create_server($node, 'shop', 's3', ca_file => "$dir/right.crt", stall_timeout => 1, connect_timeout => 2,
	retry_timeout => 1);

# All files are there from the beginning; those for a fault, a source of their own, are looked for once it is on.
my $all = slm_directory($node, 'all');
traffic("$all/traffic", '--minutes' => scalar(@faults), '--servers' => $FILES, '--rate' => 400, '--seed' => 42, '--gzip' => 0.3,
	'--session-gap' => 30, '--bad' => 0.002);
my @files = files_below("$all/traffic");
is(scalar(@files), $FILES * @faults, "$FILES files for each of " . @faults . ' faults');
for my $i (0 .. $#faults)
{
	mkdir "$all/$i";
	for my $file (splice(@files, 0, $FILES))
	{
		rename("$all/traffic/$file", "$all/$i/$file") or die "rename: $!";
	}
}
$s3->client('mkbucket', 'shop');
$s3->client('put-all', 'shop', '', $all);
$node->safe_psql('shop', "SELECT sellometer_add_source('f$_', 's3://shop/$_/', 's3', enabled => false)") foreach (0 .. $#faults);

sub value { return $node->safe_psql('shop', $_[0]); }

# What the worker says of source i, as a query, when a fault strikes there.
sub words_of
{
	my ($i, $where) = @_;

	# how its source is reached is not for readers, and stands apart
	return "SELECT translate(concat_ws(' ', o.error, d.detail), E'\\n', ' ') FROM sellometer.objects o
		LEFT JOIN sellometer.error_details d ON d.object_id = o.id WHERE o.source = 'f$i' AND o.error IS NOT NULL LIMIT 1" if $where eq 'objects';
	return "SELECT last_error FROM sellometer.sources WHERE name = 'f$i' AND last_error IS NOT NULL";
}

# What is said of source i: of the fault, that is. A machine that is busy may first be too slow for the second that the
# server's options allow.
sub said
{
	my ($i, $where, $words) = @_;
	my $said = '';

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		$said = value(words_of($i, $where));
		last if $said =~ $words || $said !~ /did not answer in time/;
		select(undef, undef, undef, 0.1);
	}
	return $said;
}

my $first = 0;
for my $group (@groups)
{
	my @numbers = ($first .. $first + $#$group);
	my $names = join(', ', map { "'f$_'" } @numbers);
	my %before = $proxy->counts;
	my %loaded = map { ($_ => "SELECT count(*) = $FILES AND bool_and(state = 'done') FROM sellometer.objects WHERE source = 'f$_'") } @numbers;
	my (%words, %early);

	$first += @numbers;
	$proxy->faults(map { { fault => "$faults[$_][0]", on => $faults[$_][1], prefix => @numbers > 1 ? "shop/$_/" : '' } } @numbers);
	value("SELECT sellometer_enable_source(name, true) FROM sellometer.sources WHERE name IN ($names)");
	wait_until($node, 'SELECT ' . join(' AND ',
		map { $faults[$_][2] ? 'EXISTS (' . words_of($_, $faults[$_][2]) . ')' : "($loaded{$_})" } @numbers));
	for my $i (grep { $faults[$_][2] } @numbers)
	{
		$words{$i} = said($i, @{ $faults[$i] }[ 2, 3 ]);
		$early{$i} = value("SELECT count(*) FROM sellometer.objects WHERE source = 'f$i' AND state = 'done'");
	}
	my %counts = $proxy->counts;
	$proxy->faults();
	my $begin = time;
	wait_until($node, 'SELECT ' . join(' AND ', map { "($loaded{$_})" } @numbers));
	my $took = time - $begin;
	cmp_ok($took, '<', $MAX_RECOVERY, sprintf('%.1f s after their end all is loaded', $took));
	for my $i (@numbers)
	{
		my ($fault, $on, $where, $words) = @{ $faults[$i] };
		my $times = $counts{$fault} - ($before{$fault} // 0);

		cmp_ok($times, '>', 0, "$fault, on $on: survived $times");
		like($words{$i}, $words, '... it is said') if $where;
		# of an endless list the first page is true
		is($early{$i}, 0, '... and nothing of it is loaded meanwhile') if $where && $fault !~ /endless|circle/;
		note("$words{$i}") if $where;
	}
	wait_until($node, "SELECT count(*) = 0 FROM sellometer.sources WHERE name IN ($names) AND last_error IS NOT NULL");
	value("SELECT sellometer_enable_source(name, false) FROM sellometer.sources WHERE name IN ($names)");
}

is(value("SELECT count(*) FROM sellometer.objects WHERE state <> 'done' OR error IS NOT NULL"), '0', 'all is loaded in the end');

# The names that the ledger knows are those within the sources.
remove_empty("$all/traffic");
oracle_load($node, map { "$all/$_" } 0 .. $#faults);
oracle_agrees($node, 'minute', 'after all faults');
is(value('SELECT * FROM oracle.diff_objects() LIMIT 10'), '', '... and so does the ledger');
# A source that does not answer at all keeps the others waiting once, for as long as its server's options say, and from then
# on for some seconds at most.
$proxy->create_server($node, 'shop', 'patient', ca_file => "$dir/right.crt", stall_timeout => 5, retry_timeout => 8);
mkdir "$all/beside" or die "mkdir: $!";
value("SELECT sellometer_add_source('dead', 's3://shop/dead/', 'patient'); SELECT sellometer_add_source('alive', 'file://$all/beside/')");
$proxy->faults({ fault => 'hang', on => 'any' });
wait_until($node, q{SELECT last_error ~ 'did not answer in time' FROM sellometer.sources WHERE name = 'dead'});
for my $i (1 .. 12)
{
	write_object("$all/beside", "$i.csv", csv(event(event_time => '2019-10-01 00:30:00 UTC', event_type => 'purchase')));
	select(undef, undef, undef, 0.4);
}
wait_until($node, q{SELECT count(*) = 12 AND bool_and(state = 'done') FROM sellometer.objects WHERE source = 'alive'});
my $waited = value(q{SELECT extract(epoch FROM max(ingested_at - last_modified)) FROM sellometer.objects WHERE source = 'alive'});
cmp_ok($waited, '<', 4.5, "beside a source that does not answer, another waited for $waited s at most");
$proxy->faults();
wait_until($node, q{SELECT last_error IS NULL FROM sellometer.sources WHERE name = 'dead'});

is(join("\n", unexpected_in_log($node)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();

sub remove_empty { my ($d) = @_; rmdir $d or die "$d is not empty"; return; }
