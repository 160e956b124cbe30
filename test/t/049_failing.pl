# A batch that fails in a surge, with memory for few results of parse workers: what they have read ahead stands in nobody's way when it is
# tried again, and all is counted once.
use strict;
use warnings FATAL => 'all';

use SlmTest;
use Test::More;

my $node = slm_node('failing', conf => <<'CONF');
sellometer.database = 'postgres'
sellometer.max_parse_workers = 1
sellometer.live_lateness = 1d
sellometer.work_memory = 16MB
sellometer.batch_bytes = 64kB
sellometer.surge_bytes = 1kB
sellometer.retry_delay = 200ms
fsync = off
autovacuum = off
CONF
my $in = slm_directory($node, 'in');
my $header = "event_time,event_type,product_id,price,brand,category_code,user_session\n";

sub value { return $node->safe_psql('shop', $_[0]); }

# Views of a minute, each of a product, brand, category and session of its own; long names, so that few rows take much memory.
sub views
{
	my ($minute, $first, $n) = @_;

	return $header . join('', map {
			my $id = sprintf('%08d', $_);
			"2019-10-01 10:$minute:00,view,$_,1.50,b$id" . 'x' x 890 . ',' . join('.', map { "$_$id" . 'y' x 290 } qw(a b c)) . ",s$id\n"
	} ($first .. $first + $n - 1));
}

value("SELECT sellometer_add_source('a', 'file://$in/')");
value(<<'SQL');
CREATE SEQUENCE statements;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
	IF nextval('public.statements') = current_setting('my.failing')::int THEN
		RAISE 'not now';
	END IF;
	RETURN NULL;
END$$;
CREATE TRIGGER fail BEFORE INSERT ON sellometer.totals FOR EACH STATEMENT EXECUTE FUNCTION fail();
SQL

# Which of the batches fails; behind them an object that is too large for a parse worker, and many more.
foreach my $failing (1 .. 4)
{
	my @minutes = map { sprintf('%02d', 10 * $failing + $_) } (0 .. 2);
	my $product = 100_000 * $failing;

	value("SELECT setval('statements', 1, false)");
	write_object($in, "2019-10-01-10-$minutes[0]-$_.csv", views($minutes[0], $product + 450 * $_, 450)) foreach (0 .. 3);
	write_object($in, "2019-10-01-10-$minutes[1]-0.csv", views($minutes[1], $product + 50_000, 700));
	write_object($in, "2019-10-01-10-$minutes[2]-$_.csv", views($minutes[2], $product + 60_000 + 100 * $_, 100)) foreach (0 .. 30);
	# until what failed is due again
	value("SET my.failing = $failing; CALL sellometer_ingest(); SELECT pg_sleep(1); CALL sellometer_ingest()");
	is(value("SELECT count(*), sum(rows_counted), sum(rows_duplicate), max(attempts) FROM sellometer.objects
		WHERE state = 'done' AND key ~ '^2019-10-01-10-$failing'"), '36|5600|0|1', "all is counted once, although batch $failing failed");
}
$node->stop;
done_testing();
