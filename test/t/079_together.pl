# All of it together: sources in formats of their own, pieces, ids, texts as products, currencies, dimensions of one's own, days of a zone whose clocks
# change, visits, labels that change, through any history with late files, replay, replace, archives and kill -9: what plain SQL makes of the rows.
# SLM_SEEDS: which seeds to run, e.g. "1-100" or "7" (default: three).
use strict;
use warnings FATAL => 'all';

use SlmHistory qw(unexpected_in_log);
use SlmTest;
use SlmTogether;
use Test::More;

my $node = slm_node('together', conf => together_conf());
my ($first, $last) = ($ENV{SLM_SEEDS} // '1-3') =~ /^(\d+)(?:-(\d+))?$/ or die 'SLM_SEEDS must be like 7 or 1-3';

together($node, $_) foreach ($first .. $last // $first);
is(join("\n", unexpected_in_log($node, qr/a counted object has changed|has changed since|has as many keys as it may have|a dimension has been added or dropped meanwhile/)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
