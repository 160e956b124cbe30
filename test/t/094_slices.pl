# Databases that count a slice of the products each hold together what one holds that counts all, and that is what the oracle says: all
# tiers, totals, carts, offers, the ledger, rejected rows and the head, whatever each of them does when.
# SLM_SEEDS: which seeds to run, e.g. "1-100" or "7" (default: three).
use strict;
use warnings FATAL => 'all';

use SlmHistory;
use SlmSlices;
use SlmTest;
use SlmTiers;
use Test::More;

my $node = slm_node('slices', conf => tier_conf() . "sellometer.cart_retention = 60d\nsellometer.database = ''\nmax_connections = 50\n");
my ($first, $last) = ($ENV{SLM_SEEDS} // '1-3') =~ /^(\d+)(?:-(\d+))?$/;

random_slices($node, $_) foreach ($first .. $last // $first);
is(join("\n", unexpected_in_log($node, qr{base/\d+})), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
