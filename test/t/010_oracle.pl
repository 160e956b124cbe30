# The minute tables are what plain SQL makes of the same rows, whatever way the objects take into the database.
# SLM_SEEDS: which seeds to run, e.g. "1-100" or "7" (default: ten, and one of a million events).
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmTest;
use Test::More;

my $node = slm_node('oracle', conf => "fsync = off\nlog_checkpoints = off\n");
my ($first, $last) = ($ENV{SLM_SEEDS} // '') =~ /^(\d+)(?:-(\d+))?$/;

if (defined $first)
{
	random_history($node, $_) foreach ($first .. $last // $first);
}
else
{
	random_history($node, 1000, events => 1_000_000);
	random_history($node, $_) foreach (1 .. 10);
}

is(join("\n", unexpected_in_log($node)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
