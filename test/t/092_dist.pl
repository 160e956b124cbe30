# The source distribution: it holds what the tree holds, is the same each time, builds where there is no git, and its
# installation is one that CREATE EXTENSION finds whole.
use strict;
use warnings FATAL => 'all';

use File::Find ();
use IPC::Run ();
use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $root = slm_root();
my $dir = PostgreSQL::Test::Utils::tempdir();
my ($version) = slurp_file("$root/META.json") =~ /^   "version": "(.*)",$/m;
my $name = "sellometer-$version";

# Run a command; its output.
sub output_of
{
	my @command = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err) or die "failed: @command\n$out$err";
	return $out;
}

# Files below a directory, without what builds, other tests and the demo leave there, or have there just now.
sub files_of
{
	my ($top) = @_;
	my %files;

	File::Find::find({ no_chdir => 1,
			preprocess => sub { return grep { !/^(?:\.demo|build|tmp_check.*|results|output_iso|log)$/ } @_; },
			wanted => sub { $files{ substr($_, length($top) + 1) } = 1 if !-d $_; } }, $top);
	delete $files{$_} foreach (grep { m{\.(o|so|bc|d|tmp)$|(^|/)regression\.|^sellometer--|__pycache__
		|^test/traffic/traffic$|^\.ci/|^\.git}x } keys %files);
	return join("\n", sort keys %files);
}

output_of('make', '-s', '-C', $root, 'dist', "DISTDIR=$dir");
ok(-s "$dir/$name.tar.gz", "make dist makes $name.tar.gz");
my $first = output_of('sha256sum', "$dir/$name.tar.gz");
output_of('make', '-s', '-C', $root, 'dist', "DISTDIR=$dir");
is(output_of('sha256sum', "$dir/$name.tar.gz"), $first, '... the same bytes each time');

output_of('tar', '-C', $dir, '-xf', "$dir/$name.tar.gz");
is(join(' ', map { s{.*/}{}r } grep { -d $_ } glob("$dir/*")), $name, '... with all in one directory');
is(files_of("$dir/$name"), files_of($root), '... and in it all that the tree has');

# Without optimization: it is to build, not to run.
my $pg_config = $ENV{PG_CONFIG} // 'pg_config';
my @make = ('make', '-s', '-j2', '-C', "$dir/$name", "PG_CONFIG=$pg_config", 'WERROR=1', 'COPT=-O0');
output_of(@make, 'install', "DESTDIR=$dir/installed");
my @installed = split(/\n/, output_of('find', "$dir/installed", '-type', 'f', '-printf', '%f\n'));
my ($short) = $version =~ /^(\d+\.\d+)/;
is(join(' ', sort @installed), "sellometer--$short.sql sellometer.control sellometer.so", 'it builds, without warnings, and installs');
my ($script) = split(/\n/, output_of('find', "$dir/installed", '-name', "sellometer--$short.sql"));
my ($here) = map { chomp; $_ } output_of($pg_config, '--sharedir');
is(slurp_file($script), slurp_file("$here/extension/sellometer--$short.sql"), '... the SQL that the tree installs');

done_testing();
