# script/demo: numbers appear, it goes on running, and stop leaves nothing behind.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmDocs;
use SlmTest;
use Test::More;

my $root = slm_root();
my $demo = "$root/.demo";

# Run script/demo without a terminal; returns its exit status and all that it prints.
sub demo
{
	my ($environment, @arguments) = @_;
	my $output = '';

	local %ENV = (%ENV, %$environment);
	IPC::Run::run([ "$root/script/demo", @arguments ], '<', \undef, '>&', \$output);
	note($output);
	return ($? >> 8, $output);
}

# Processes that work below the directory.
sub processes
{
	my @found;

	for my $cwd (glob('/proc/[0-9]*/cwd'))
	{
		my $dir = readlink($cwd) // next;
		push @found, $cwd if index("$dir/", "$demo/") == 0;
	}
	return @found;
}

my ($status, $output) = demo({ LC_ALL => 'C', NO_COLOR => '1' }, '--short');

is($status, 0, 'it runs');
like($output, qr/Loaded \d+ files, \d{3},\d{3} events, in /, 'the history is loaded');
like($output, qr{^  events/min  \S+  [1-9][\d,]+$}m, 'events a minute are shown');
like($output, qr{^  GMV/min     \S+  [1-9][\d,]+\.\d\d$}m, 'GMV a minute is shown');
like($output, qr/^  top $_ by GMV.*\n  \S+ +#+ +[1-9][\d,]+$/m, "top $_ has a bar") for qw(product brand category);
unlike($output, qr/[^\n -~]/, 'in plain ASCII, as the locale wants it');
is(join("\n", grep { length > 80 && !/psql/ } split(/\n/, $output)), '', 'within 80 columns');

# The psql line that it prints works as it stands.
my ($psql) = $output =~ /^  Look around: +(.*)$/m;
ok(defined $psql, 'it says how to connect') or BAIL_OUT('the demo did not come up');
my $done = "$psql -XAtc \"SELECT count(*) FROM sellometer.objects WHERE state = 'done'\"";
cmp_ok(`$done`, '>', 10, 'that line works, and objects are loaded');
is(`$psql -XAtc "SELECT count(*) FROM sellometer.objects WHERE state NOT IN ('done', 'pending', 'backlog')"`,
	"0\n", 'nothing has failed');

($status, $output) = demo({});
is($status, 0, 'a second run is no error');
like($output, qr/^The demo is running\..*\Q$psql\E/s, 'and says that it is running');

my @running = processes();
cmp_ok(scalar(@running), '>', 5, 'server and traffic go on');
($status, $output) = demo({}, 'stop');
is($status, 0, 'stop');
is(join(' ', processes()), '', 'no process is left');
ok(!-e $demo && !-l $demo, 'no file is left');
($status, $output) = demo({}, 'stop');
is($status, 0, 'stop again is no error');
# Which is what the pages say to type.
foreach my $page (qw(README.md docs/getting-started.md))
{
	my ($block) = grep { $_->{marker} eq 'run by test/t/090_demo.pl' } docs_blocks("$root/$page");

	is($block->{body} =~ s/ *#.*//mgr, "script/demo\nscript/demo stop\n", $page);
}
($status, $output) = demo({}, 'nonsense');
is($status, 2, 'an unknown argument is');

done_testing();
