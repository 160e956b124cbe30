# What the worker knows of the views that count is right whatever has become of it in between: a batch that failed, or its being
# forgotten, and then a batch that has no views and so never looks at it.  So is what a session keeps from one call to the next.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

# A retry is asked for, never waited for.
my $node = slm_node('view_cache', conf => <<'CONF');
sellometer.poll_interval = 50ms
sellometer.retry_delay = 1h
CONF
my $in = slm_directory($node, 'in');
my $number = 0;

sub sql { my ($sql) = @_; return $node->safe_psql('shop', $sql); }

# Views of product 1 by sessions first to last, as an object; its key.
sub views
{
	my ($first, $last) = @_;

	return object(map { event(user_session => sprintf('00000000-0000-0000-0000-%012d', $_), event_time => '2019-10-01 10:00:01 UTC') } $first .. $last);
}

sub object
{
	my $key = sprintf('20191001-100%d00.csv', $number++);

	write_object($in, $key, csv(@_));
	return $key;
}

sub purchase { return event(event_type => 'purchase', event_time => '2019-10-01 10:00:02 UTC'); }

# Waits until the worker has loaded an object; how many of its rows counted, and how many were repeated.
sub outcome
{
	my ($key) = @_;

	wait_until($node, "SELECT state = 'done' FROM sellometer.objects WHERE key = '$key'");
	return sql("SELECT rows_counted || ' counted, ' || rows_duplicate || ' repeated' FROM sellometer.objects WHERE key = '$key'");
}

sql("SELECT sellometer_add_source('shop', 'file://$in/')");
is(outcome(views(1, 10)), '10 counted, 0 repeated', 'views that the worker knows from then on');
is(outcome(views(1, 12)), '2 counted, 10 repeated', 'it does');

# What it knows holds the views of a batch that was rolled back
sql('ALTER TABLE sellometer.view_log ADD CONSTRAINT not_seven CHECK (views <> 7)');
my $fails = views(13, 19);
wait_until($node, "SELECT attempts = 1 FROM sellometer.objects WHERE key = '$fails' AND state = 'pending'");
like(sql("SELECT error FROM sellometer.objects WHERE key = '$fails'"), qr/not_seven/, 'a batch fails when its views are written');
is(outcome(object(purchase())), '1 counted, 0 repeated', 'a batch without views');
sql("ALTER TABLE sellometer.view_log DROP CONSTRAINT not_seven; SELECT sellometer_retry('shop', '$fails')");
is(outcome($fails), '7 counted, 0 repeated', 'the views of the batch that had failed count');

# It knows nothing any more
sql("SELECT sellometer_override_category('toys.blocks', product_id => 2, since => '2019-10-01')");
is(outcome(object(purchase())), '1 counted, 0 repeated', 'a batch without views after all was forgotten');
is(outcome(views(1, 20)), '1 counted, 19 repeated', 'views from before do not count again');

is(sql(q{SELECT sum(count) FROM sellometer.product_id_minute WHERE event_type = 'view'}), 20, 'each view once');
# --- a session that calls again and again ---

my $called = slm_directory($node, 'called');
my $apart = slm_directory($node, 'apart');
my $knows = "SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'sellometer views of the session'";
my $outcome = "SELECT rows_counted || ' counted, ' || rows_duplicate || ' repeated' FROM sellometer.objects ORDER BY id DESC LIMIT 1";
my $psql = join(' ', 'psql', '-XqAt', '-d', "'" . $node->connstr('called') . "'");

# A file that comes before the next call; how that is written in the session.
sub comes
{
	my ($first, $last) = @_;
	my $key = sprintf('20191001-100%d00.csv', $number++);

	write_object($apart, $key, csv(map { event(user_session => sprintf('00000000-0000-0000-0000-%012d', $_), event_time => '2019-10-01 10:00:01 UTC') } $first .. $last));
	return "\\! mv $apart/$key $called/$key\n";
}

$node->safe_psql('postgres', 'CREATE DATABASE called');
$node->safe_psql('called', "CREATE EXTENSION sellometer; SELECT sellometer_add_source('shop', 'file://$called/')");
my $session = join('',
	comes(1, 10), "CALL sellometer_ingest(); $outcome; $knows;\n",
	comes(1, 12), "CALL sellometer_ingest(); $outcome; $knows;\n",
	comes(13, 20), "\\! $psql -c 'CALL sellometer_ingest()'\n",
	comes(13, 22), "CALL sellometer_ingest(); $outcome;\n",
	"ALTER TABLE sellometer.view_log ADD CONSTRAINT not_seven CHECK (views <> 7);\n",
	comes(23, 29), "CALL sellometer_ingest(); SELECT state, attempts FROM sellometer.objects ORDER BY id DESC LIMIT 1;\n",
	"ALTER TABLE sellometer.view_log DROP CONSTRAINT not_seven; SELECT sellometer_retry('shop', (SELECT key FROM sellometer.objects ORDER BY id DESC LIMIT 1));\n",
	"CALL sellometer_ingest(); $outcome;\n",
	comes(1, 30), "SET statement_timeout = 1; \\set ON_ERROR_STOP off\nCALL sellometer_ingest();\n\\set ON_ERROR_STOP on\nRESET statement_timeout; $knows; CALL sellometer_ingest(); $outcome;\n",
	"SELECT sum(count) FROM sellometer.product_id_minute;\n",
	"SET client_min_messages = warning; DROP EXTENSION sellometer CASCADE; CREATE EXTENSION sellometer; SELECT sellometer_add_source('shop', 'file://$called/');\n",
	"CALL sellometer_ingest(); SELECT sum(count) FROM sellometer.product_id_minute;\n");
my ($status, $out, $err) = $node->psql('called', $session);
is($status, 0, 'a session that calls again and again') or diag($err);
is($out, join("\n",
	'10 counted, 0 repeated', '0',				# who calls once keeps nothing
	'2 counted, 10 repeated', '1',				# who calls again does
	'2 counted, 8 repeated',					# what another session has counted is known
	'pending|1', '1', '7 counted, 0 repeated',	# what was rolled back is not
	'0', '1 counted, 29 repeated',				# after an error it begins anew
	'30', '', '30'), 'knows what is counted, whatever happens between its calls');

$node->stop;
done_testing();
