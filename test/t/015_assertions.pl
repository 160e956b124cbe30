# A build with assertions finds out by itself, sooner or later, that what must hold does not: then the process dies.
# The server crashes on purpose here.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmCrash;
use SlmHistory;
use SlmTest;
use Test::More;

my $node = slm_node('assertions', conf => <<'CONF');
fsync = off
restart_after_crash = on
sellometer.poll_interval = 20ms
CONF
die 'needs an extension that was built with COPT=-DUSE_ASSERT_CHECKING' if !can_make_chunks_small($node);
my $in = slm_directory($node, 'in');
my $number = 0;

# Objects with a view each, until the log has it; true if it ever does.
sub dies_with
{
	my ($what) = @_;
	my $seen = -s $node->logfile;

	for (1 .. 400)
	{
		$number++;
		write_object($in, "2019-10-01-10-00-$number.csv", csv(event(event_time => '2019-10-01 10:00:01', user_session => "s$number")));
		select(undef, undef, undef, 0.05);
		next if slurp_file($node->logfile, $seen) !~ $what;
		wait_for_restart($node, $seen, 'shop');
		return 1;
	}
	return 0;
}

$node->safe_psql('shop', "SELECT sellometer_add_source('a', 'file://$in/')");
write_object($in, '2019-10-01-10-00-0.csv', csv(map { event(event_time => '2019-10-01 10:00:00', product_id => $_, user_session => 's') } 1 .. 5));
wait_until($node, q{SELECT count(*) = 1 FROM sellometer.objects WHERE state = 'done'});
$node->safe_psql('shop', q{DELETE FROM sellometer.view_log WHERE seq = (SELECT min(seq) FROM sellometer.view_log)});
ok(dies_with(qr/TRAP:.*slm_views_find/), 'a cache of views that is not what the log tells is found out');
wait_until($node, "SELECT count(*) = $number + 1 FROM sellometer.objects WHERE state = 'done'");
pass('... and loading goes on with what the log tells');

$node->safe_psql('shop', q{UPDATE sellometer.product_id_minute SET count = 0 WHERE product_id = 5});
ok(dies_with(qr/PANIC:.*a count in sellometer.product_id_minute is not positive/), 'a count that is not positive is found out');
# It may die once more meanwhile.
for (1 .. 50)
{
	last if $node->psql('shop', q{DELETE FROM sellometer.product_id_minute WHERE count = 0}) == 0;
	select(undef, undef, undef, 0.2);
}
wait_until($node, "SELECT count(*) = $number + 1 FROM sellometer.objects WHERE state = 'done'");
is($node->safe_psql('shop', 'SELECT sum(rows_counted) FROM sellometer.objects'), 5 + $number, '... and each row counts once');

$node->stop('immediate');
done_testing();
