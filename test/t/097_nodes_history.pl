# Two and four nodes on two servers, with one archive: late files, rollup, prune, replay, archive, servers that are killed, and set back to
# older backups; together they are, bit for bit, what one database is that counts all, and what the oracle says.
# Likewise two and four nodes with a prefix each, which archive by themselves and keep originals for a while.
# SLM_SEEDS: which seeds to run, e.g. "1-100" or "7" (default: two).
# The servers crash on purpose here.
use strict;
use warnings FATAL => 'all';

use SlmNodes;
use SlmTest;
use SlmTiers;
use Test::More;

# carts go by prune, whenever that is called
my $conf = tier_conf() . "sellometer.cart_retention = 60d\nsellometer.database = ''\nmax_connections = 50\nrestart_after_crash = on\n";
my $whole = slm_node('whole', conf => $conf);
my @servers = map { slm_node($_, conf => $conf, extension => 0, allows_streaming => 1) } qw(even odd);
my ($first, $last) = ($ENV{SLM_SEEDS} // '1-2') =~ /^(\d+)(?:-(\d+))?$/;

for my $seed ($first .. $last // $first)
{
	random_nodes($whole, \@servers, $seed);
	random_own_nodes($whole, \@servers, $seed);
}
$_->stop foreach ($whole, @servers);
done_testing();
