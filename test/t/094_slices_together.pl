# All of it together, over slices: databases of a slice each, beside the one that counts all (079_together.pl), through formats, pieces, ids, texts as products,
# currencies, dimensions of one's own, labels that change, one archive for all of them, replay, replace and kill -9, have together what it has, and that is what plain SQL says.
# Visits are counted in the one alone: a session has products of several slices.
# SLM_SEEDS: which seeds to run, e.g. "1-100" or "7" (default: two).
use strict;
use warnings FATAL => 'all';

use SlmHistory qw(unexpected_in_log);
use SlmTest;
use SlmTogether;
use Test::More;

my $node = slm_node('together', conf => together_conf() . "max_connections = 50\n");
my ($first, $last) = ($ENV{SLM_SEEDS} || '1-2') =~ /^(\d+)(?:-(\d+))?$/ or die 'SLM_SEEDS must be like 7 or 1-3';

together($node, $_, 2 + $_ % 2) foreach ($first .. $last // $first);
is(join("\n", unexpected_in_log($node, qr{a counted object has changed|has changed since|a dimension has been added or dropped meanwhile|base/\d+})), '', 'nothing unexpected in the log');
my ($status, $out, $err) = $node->psql('s0', 'SELECT sellometer_count_visits()');
like($err, qr/visits can't be counted where only a slice of the products is/, 'a node counts no visits');
$node->stop;
done_testing();
