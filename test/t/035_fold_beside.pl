# What a large load has logged of offers and carts is added up by another process while a rollup works; where that can't be, later.
use strict;
use warnings FATAL => 'all';

use SlmTest;
use Test::More;

my $ROWS = 60_000;
my $node = slm_node('fold_beside', conf => "fsync = off\nsellometer.database = ''\n");
my $in = slm_directory($node, 'in');
my $round = 0;

sub value { my ($sql) = @_; return $node->safe_psql('shop', $sql); }

# Sales of as many products, in the next hour, to be loaded.
sub hold
{
	my $file = sprintf('2019-10-01-%02d-00-1.csv', $round++);

	open(my $out, '>', "$in/$file.part") or die "$file: $!";
	print $out "event_time,event_type,product_id,price,user_id,user_session\n";
	printf $out "2019-10-01 %02d:%02d:00,purchase,%d,%d.50,%d,s%d\n", $round, $_ % 60, $_, 1 + $_ % 900, $_, $_ for 1 .. $ROWS;
	close($out) or die "$file: $!";
	rename("$in/$file.part", "$in/$file") or die "$file: $!";
	return;
}

sub load
{
	hold();
	value('CALL sellometer_ingest()');
	return;
}

sub logged { return value('SELECT (SELECT count(*) FROM sellometer.offer_log), (SELECT count(*) FROM sellometer.user_cart_log)'); }

sub sums
{
	return value('SELECT (SELECT sum(count) FROM sellometer.offer_history), (SELECT sum(count) FROM sellometer.recent_sales), '
		. '(SELECT sum(sales) FROM sellometer.sold_products), (SELECT count(*) FROM sellometer.user_carts)');
}

sub warnings_of
{
	my ($sql) = @_;
	my (undef, $out, $err) = $node->psql('shop', $sql);

	return $err;
}

value("SELECT sellometer_add_source('shop', 'file://$in/')");
load();
is(logged(), "$ROWS|$ROWS", 'loading logs');
is(warnings_of('CALL sellometer_rollup()'), '', 'a rollup');
is(logged(), '0|0', 'has the logs added up');
is(sums(), join('|', ($ROWS) x 4), 'all of them');

load();
value('ALTER TABLE sellometer.offer_history ADD CONSTRAINT closed CHECK (false) NOT VALID');
like(warnings_of('CALL sellometer_rollup()'), qr/WARNING:  offers could not be added up: .*violates check constraint "closed"/,
	'if that fails there is a warning');
is(value("SELECT outcome FROM sellometer.runs WHERE procedure = 'rollup' ORDER BY id DESC LIMIT 1"), 'done', 'and the rollup is done');
is(logged(), "$ROWS|0", 'nothing is lost, and carts are added up');
value('ALTER TABLE sellometer.offer_history DROP CONSTRAINT closed');

load();
value('ALTER TABLE sellometer.user_carts ADD CONSTRAINT closed CHECK (false) NOT VALID');
like(warnings_of('CALL sellometer_rollup()'), qr/WARNING:  carts could not be added up: .*violates check constraint "closed"/,
	'likewise where it is the carts');
is(logged(), "0|$ROWS", '... whose log stays');
value('ALTER TABLE sellometer.user_carts DROP CONSTRAINT closed');
load();

# a load of several batches has what the first ones logged added up beside the last
my $before = value('SELECT sum(sales) FROM sellometer.sold_products');
hold() for 1 .. 3;
value("SET sellometer.batch_bytes = '1MB'; CALL sellometer_ingest()");
cmp_ok((split /\|/, logged())[0], '<', 4 * $ROWS, 'a load of several batches has some of it added up');
cmp_ok((split /\|/, logged())[1], '<', 4 * $ROWS, '... of carts, too');
is(warnings_of('CALL sellometer_rollup()'), '', 'a rollup adds up the rest');
is(value('SELECT sum(sales) FROM sellometer.sold_products'), $before + 3 * $ROWS + $ROWS, 'and all counts once');
load();

# the log of the load before is there still: another rollup, even with nothing to do, adds it up; one that is cancelled does not
my $locker = $node->background_psql('shop', on_error_stop => 1);
$locker->query_safe('BEGIN; LOCK TABLE sellometer.sold_products');
like(warnings_of("SET statement_timeout = '2s'; CALL sellometer_rollup()"), qr/canceling statement due to statement timeout/, 'what waits can be cancelled');
$node->poll_query_until('shop', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'sellometer remote')")
	or die 'the process goes on';
$locker->query_safe('ROLLBACK');
like(logged(), qr/^$ROWS\|/, 'and then no offers are added up');
is(warnings_of('CALL sellometer_rollup()'), '', 'another rollup');
is(logged(), '0|0', 'adds it up');

# there are no background workers
load();
$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
$locker->quit;
$node->restart;
is(warnings_of('CALL sellometer_rollup()'), '', 'without a background worker a rollup is as before');
is(logged(), "$ROWS|$ROWS", 'and the logs stay');
is(warnings_of('CALL sellometer_prune()'), '', 'a prune');
is(logged(), '0|0', 'adds them up');
is(value('SELECT sum(count) FROM sellometer.offer_history'), 9 * $ROWS, 'all of them');
$node->stop;
done_testing();
