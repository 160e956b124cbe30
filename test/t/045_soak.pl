# A while of random faults, crashes and restarts under load: what is loaded is exact, and loading goes on by itself.
# SLM_SOAK_SECONDS: how long (default 120); SLM_SEEDS: the seed (default 1); SLM_SOAK_HOSTILE: 1 for hostile sources first.  See test/perl/SlmSoak.pm; test/soak runs it for
# longer.
# The server crashes on purpose here.
use strict;
use warnings FATAL => 'all';

# The database is to be on a small file system, to be filled.  Mounting one needs a name space of its own, in which even an
# unprivileged user may; where that is forbidden the disk is not filled.  Before all else, as what follows takes hold of the
# output.
BEGIN
{
	if (!defined $ENV{SLM_SOAK_DISK})
	{
		my $disk = ($ENV{TMPDIR} // '/tmp') . "/soak_disk_$$";
		my @enter = (qw(unshare --user --map-current-user --keep-caps --mount sh -c),
			# and then without that right, which would have it read what nobody may
			'mount -t tmpfs -o size=256m,mode=0700 tmpfs "$0" && exec setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all "$@"', $disk);

		mkdir $disk or die "can't make $disk: $!";
		my $can = system('sh', '-c', '"$@" 2>/dev/null', 'sh', @enter, 'true') == 0;
		$ENV{SLM_SOAK_DISK} = $can ? $disk : 'none';
		exec(($can ? @enter : ()), $^X, (map { ('-I', $_) } @INC), $0) or die "can't exec: $!";
	}
}

use PostgreSQL::Test::Utils;
use SlmSoak;
use SlmTest;
use Test::More;

my $disk = $ENV{SLM_SOAK_DISK} eq 'none' ? undef : $ENV{SLM_SOAK_DISK};

my $soak = SlmSoak->new(seconds => $ENV{SLM_SOAK_SECONDS} // 120, seed => $ENV{SLM_SEEDS} // 1, disk => $disk,
	hostile => $ENV{SLM_SOAK_HOSTILE});
$soak->run;
note($_) foreach ($soak->table);

if ($ENV{SLM_SOAK_HOSTILE})
{
	is($soak->{hostile_counted}, '0', 'hostile sources count nothing');
	for my $source (qw(dir s3))
	{
		my ($before, $attacked) = map { $soak->{latency}{"$source $_"}{p99} } ('before', 'under attack');

		cmp_ok($attacked, '<', 3 + $before, "among hostile sources 99 of 100 files of $source become rows within three seconds more than without");
	}
}
is(join("\n", @{ $soak->{late_rounds} // [] }), '', "after each round it has recovered within $SlmSoak::MAX_RECOVERY s");
is(join("\n", $soak->wrong), '', 'nothing is lost or doubled: all tiers and the ledger agree with the oracle');
$soak->other_agrees;
is($soak->{node}->safe_psql('shop', q{SELECT count(*) FROM sellometer.objects WHERE state <> 'done'}), '0', 'no object is left over, nor failed for good');

my ($resident, $descriptors) = $soak->usage;
note("worker, in each quarter of the time: @$resident kB; @$descriptors descriptors");
cmp_ok($resident->[3], '<', 1.25 * $resident->[1] + 32 * 1024, 'the memory of the worker is flat');
# It holds the files of the partitions that it writes to.
cmp_ok($descriptors->[3], '<=', 1.25 * $descriptors->[1] + 64, '... and so is the number of its file descriptors');
unlike(slurp_file($soak->{node}->logfile), qr/TRAP: |PANIC: |terminated by signal ([1-8]|1[0-9])\b/, 'nothing died but what was killed');
$soak->{node}->stop;
done_testing();
