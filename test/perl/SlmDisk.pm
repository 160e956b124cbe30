
=pod

=head1 NAME

SlmDisk - small file systems of one's own, which can be filled

=head1 SYNOPSIS

  use SlmDisk tables => 64, archive => 4;         # MB each

  my $dir = disk('tables');
  fill('tables');
  make_room('tables');

=head1 DESCRIPTION

The file systems are in memory, mounted in a namespace of the test's own, which takes no rights where the kernel lets users have namespaces.
The test begins anew there, as the user who he is: so this has to be used before anything else.  Servers that are started from within see the
file systems too.

Where the kernel does not (in a chroot, for example), they are directories, and a library that is preloaded has writing fail there as on a disk that
is full: test/full_disk.

=cut

package SlmDisk;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use Errno ();
use File::Basename qw(dirname);
use File::Temp ();

use parent "Exporter";

our @EXPORT_OK = qw(disk fill make_room);

# As root of a namespace in which that is oneself; then as oneself again, in one within, as PostgreSQL won't run as root.
my $ENTER = <<'SH';
set -e
uid=$1 gid=$2
shift 2
while [ "$1" != -- ]; do
	mount -t tmpfs -o "size=$2m,mode=0700" tmpfs "$1"
	shift 2
done
shift
exec unshare --user --map-user="$uid" --map-group="$gid" "$@"
SH

my %directories = map { split(/=/, $_, 2) } split(/:/, $ENV{SLM_DISKS} // '');

# Where nothing can be mounted.
my $pretending = 0;

sub preload
{
	my $source = abs_path(dirname(__FILE__) . '/../full_disk/full_disk.c');
	my $library = File::Temp::tempdir('disk.XXXXXX', TMPDIR => 1, CLEANUP => 1) . '/full_disk.so';

	system('gcc', '-O1', '-shared', '-fPIC', '-o', $library, $source, '-ldl') == 0 or die "can't compile $source";
	$pretending = 1;
	$ENV{SLM_FULL_DISKS} = join(':', map { abs_path($_) } values %directories);
	$ENV{LD_PRELOAD} = $library;
	return;
}

# Mount them, and begin anew.  This process waits for the end, as the directories go with it.
sub begin_anew
{
	my %sizes = @_;
	my ($gid) = split(/ /, $();

	%directories = map { ($_ => File::Temp::tempdir('disk.XXXXXX', TMPDIR => 1, CLEANUP => 1)) } sort keys %sizes;
	my @enter = ('unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', $ENTER, 'sh', $<, $gid);
	my @mounts = map { ($directories{$_}, $sizes{$_}) } sort keys %sizes;

	if (system(@enter, @mounts, '--', 'true') != 0)
	{
		preload();
		return;
	}
	local $ENV{SLM_DISKS} = join(':', map { "$_=$directories{$_}" } sort keys %directories);
	my $status = system(@enter, @mounts, '--', $^X, (map { "-I$_" } grep { !ref } @INC), $0);
	exit($status & 127 ? 1 : $status >> 8);
}

sub import
{
	my ($class, %sizes) = @_;

	begin_anew(%sizes) unless %directories;
	$class->export_to_level(1, $class, @EXPORT_OK);
	return;
}

=pod

=head1 FUNCTIONS

=over

=item disk($name)

Its directory.

=cut

sub disk { return $directories{ $_[0] }; }

sub ballast { return disk($_[0]) . '/full'; }

=pod

=item fill($name)

=cut

sub fill
{
	my $ballast = ballast($_[0]);
	my $piece = "\0" x 4096;

	open(my $file, '>>', $ballast) or die "can't write $ballast: $!";
	if (!$pretending)
	{
		while (syswrite($file, $piece)) { }
		die "can't fill $ballast: $!" unless $!{ENOSPC};
	}
	close($file);
	return;
}

=pod

=item make_room($name)

=back

=cut

sub make_room
{
	my $ballast = ballast($_[0]);

	unlink($ballast) or die "can't remove $ballast: $!";
	return;
}

1;
