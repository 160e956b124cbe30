# docs/uninstall.md, statement by statement, in a database with everything that hangs on the extension; afterwards nothing of it is left.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $node = slm_node('uninstall', conf => "sellometer.poll_interval = 100ms\n");
my $in = slm_directory($node, 'in');
my @blocks = slurp_file(slm_root() . '/docs/uninstall.md') =~ /^```sql\n(.*?)^```/msg;

sub value { return $node->safe_psql('shop', "SET client_min_messages = warning; $_[0]"); }
sub in_cron { return $node->safe_psql('postgres', $_[0]); }

is(scalar(@blocks), 7, 'the chapter has as many pieces of SQL as are tried here');
my ($copy, $stop, $look, $drop, $role, $reader, $reset) = @blocks;

# A database with all that there can be.
in_cron('CREATE EXTENSION pg_cron');
$node->safe_psql('shop', <<"SQL");
CREATE ROLE grafana; CREATE ROLE keeper LOGIN;
SELECT sellometer_grant_reader('grafana');
CREATE SERVER store FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint 'http://127.0.0.1:9');
CREATE USER MAPPING FOR CURRENT_USER SERVER store OPTIONS (access_key_id 'k', secret_access_key 's');
CREATE USER MAPPING FOR keeper SERVER store OPTIONS (access_key_id 'k2', secret_access_key 's2');
GRANT USAGE ON FOREIGN SERVER store TO keeper;
SELECT sellometer_add_source('web', 'file://$in/');
SELECT sellometer_add_tier('day', '1 day');
SELECT sellometer_schedule();
ALTER DATABASE shop SET sellometer.cart_timeout = '2h';
SQL
$node->safe_psql('postgres', q{ALTER SYSTEM SET sellometer.poll_interval = '200ms'});
write_object($in, "2019-10-01-$_-00-1.csv", csv(event(event_time => "2019-10-01 $_:00:00", event_type => 'purchase'))) foreach (10 .. 12);
wait_until($node, "SELECT count(*) = 3 FROM sellometer.objects WHERE state IN ('done', 'backlog')");
value('CALL sellometer_merge_backlog(); CALL sellometer_rollup()');
cmp_ok(in_cron("SELECT count(*) FROM cron.job WHERE database = 'shop'"), '>=', 5, 'there are jobs');

# Statement by statement.
value($copy);
my $kept = value('SELECT sum(count) FROM public.kept_sales');
cmp_ok($kept, '>', 0, 'what is to be kept is kept');
value($stop);
is(in_cron("SELECT count(*) FROM cron.job WHERE database = 'shop'"), '0', 'no job is left');
like(($node->psql('shop', 'DROP EXTENSION sellometer'))[2], qr/cannot drop extension sellometer because other objects depend on it.*server store depends on foreign-data wrapper sellometer_s3/s,
	'the server keeps the extension');
my ($me) = value('SELECT CURRENT_USER');
is(join(' ', sort split(/\n/, value($look))), join(' ', sort 'store|keeper', "store|$me"), '... as do these mappings') or diag(value($look));
value('SELECT sellometer_schedule()');
value($drop);
is(value(q{SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('sellometer')}), '0', 'the extension is gone');
is(value(q{SELECT (SELECT count(*) FROM pg_foreign_server) + (SELECT count(*) FROM pg_user_mapping) + (SELECT count(*) FROM pg_proc WHERE proname ~ '^sellometer_')
	+ (SELECT count(*) FROM pg_event_trigger) + (SELECT count(*) FROM pg_namespace WHERE nspname = 'sellometer')}), '0', '... with servers, mappings and all else');
is(in_cron("SELECT count(*) FROM cron.job WHERE database = 'shop'"), '0', '... and jobs that were there');
is(value('SELECT sum(count) FROM public.kept_sales'), $kept, 'what was copied stays');

# In one step, with something of one's own that uses it; and created again in between.
$node->safe_psql('shop', <<"SQL");
CREATE EXTENSION sellometer;
CREATE SERVER store FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint 'http://127.0.0.1:9');
CREATE USER MAPPING FOR keeper SERVER store OPTIONS (access_key_id 'k2', secret_access_key 's2');
CREATE VIEW public.mine AS SELECT * FROM sellometer.product_id_hour;
SELECT sellometer_schedule();
SQL
my $said = ($node->psql('shop', 'DROP EXTENSION sellometer CASCADE'))[2];
like($said, qr/NOTICE:  drop cascades to 3 other objects/, 'CASCADE takes along') or diag($said);
like($said, qr/$_/, "... and names: $_") foreach ('server store', 'user mapping for keeper on server store', 'view mine');
is(in_cron('SELECT count(*) FROM cron.job'), '0', '... the jobs too');

in_cron($role);
is(in_cron("SELECT count(*) FROM pg_roles WHERE rolname = 'sellometer_jobs'"), '0', 'the role of the jobs is gone');
value($reader);
in_cron('DROP ROLE grafana');
pass('... and that of dashboards can be dropped');
$node->safe_psql('postgres', $_) foreach (grep { /\S/ } split(/;\n/, $reset));
is(in_cron(q{SELECT count(*) FROM pg_db_role_setting s, unnest(setconfig) c WHERE c ~ '^sellometer'}), '0', 'no setting is left');

# The server starts without it.
my $conf = slurp_file($node->data_dir . '/postgresql.conf');
open(my $file, '>', $node->data_dir . '/postgresql.conf') or die $!;
print $file join('', map { "$_\n" } grep { !/^sellometer\./ } split(/\n/, $conf =~ s/'pg_cron,sellometer'/'pg_cron'/r));
close($file);
$node->restart;
is(value(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ 'sellometer'}), '0', 'no process of it is left');
unlike(slurp_file($node->logfile), qr/unrecognized configuration parameter/, '... and nothing that PostgreSQL would not know');

$node->stop;
done_testing();
