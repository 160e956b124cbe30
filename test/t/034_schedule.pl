# Jobs of pg_cron: they are made, fire, and go with what they call.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $node = slm_node('schedule', conf => "sellometer.database = ''\n");

sub in_cron { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }
sub in_shop { my ($sql) = @_; return $node->safe_psql('shop', $sql); }

sub error_of
{
	my ($database, $sql) = @_;
	my ($status, $stdout, $stderr) = $node->psql($database, $sql);

	return $stderr;
}

my $JOBS = q{SELECT string_agg(jobname || ' ' || database, ', ' ORDER BY jobname, database) FROM cron.job};
my $SHOP = join(', ', map { "$_ shop" } sort split(/\n/, in_shop('SELECT job FROM sellometer.cron_jobs()')));

# Without pg_cron
like(error_of('shop', 'SELECT sellometer_schedule()'),
	qr/ERROR:  pg_cron is not installed in database "postgres".*HINT:  Run CREATE EXTENSION pg_cron in database "postgres"/s,
	'without the extension pg_cron: says what to do');

# From another database than pg_cron's
in_cron('CREATE EXTENSION pg_cron');
is(in_shop(q{SELECT string_agg(job || ' ' || schedule || ' ' || command, E'\n' ORDER BY job) FROM sellometer_schedule()
		WHERE job IN ('sellometer_rollup', 'sellometer_prune', 'sellometer_backlog')}),
	"sellometer_backlog */10 * * * * CALL sellometer.merge_backlog()\n"
	  . "sellometer_prune 5 * * * * CALL sellometer.prune()\n"
	  . 'sellometer_rollup */15 * * * * CALL sellometer.rollup()', 'tells what it has scheduled');
is(in_cron($JOBS), $SHOP, 'jobs are in the database of pg_cron');

# As whom
is(in_cron('SELECT DISTINCT username, rolsuper FROM cron.job JOIN pg_roles ON rolname = username'), 'sellometer_jobs|f', 'they run as no superuser');
in_cron('CREATE ROLE clerk LOGIN');
like(error_of('shop', q{SELECT sellometer_schedule('postgres')}), qr/jobs must not run as postgres, who is a superuser.*HINT:  Without an argument/s,
	'superusers are refused');
in_shop('GRANT EXECUTE ON FUNCTION sellometer_schedule, sellometer.in_cron_database, sellometer.run_in_database, sellometer.job_role TO clerk; GRANT USAGE ON SCHEMA sellometer TO clerk');
like(error_of('shop', q{SET ROLE clerk; SELECT sellometer_schedule('sellometer_jobs')}), qr/permission denied to schedule jobs of role sellometer_jobs/,
	'who is no superuser schedules for himself only');
is(in_shop(q{SELECT has_function_privilege('sellometer_jobs', 'sellometer.detect()', 'EXECUTE'), has_table_privilege('sellometer_jobs', 'sellometer.objects', 'SELECT')}),
	't|f', 'to call the procedures is all the rights it takes');
my $ids = in_cron('SELECT string_agg(jobid::text, $$,$$ ORDER BY jobid) FROM cron.job');
in_shop('SELECT sellometer_schedule()');
is(in_cron('SELECT string_agg(jobid::text, $$,$$ ORDER BY jobid) FROM cron.job'), $ids, 'scheduling again changes nothing');

# They fire: each minute now, in the other database
in_cron(q{SELECT cron.alter_job(jobid, schedule => '* * * * *') FROM cron.job WHERE jobname = 'sellometer_rollup'});
my $dir = slm_directory($node, 'in');
in_shop("SELECT sellometer_add_source('s', 'file://$dir/')");
write_object($dir, "2019-10-01-$_-00-1.csv", csv(event(event_time => "2019-10-01 " . s/-/:/r . ':00', event_type => 'purchase')))
  foreach ('20-10', '22-10');
in_shop('CALL sellometer_ingest()');
wait_until($node, q{SELECT count(*) = 1 FROM sellometer.runs WHERE procedure = 'rollup' AND outcome = 'done'});
pass('a job fires');
is(in_shop('SELECT sum(count) FROM sellometer.product_id_hour'), 1, 'and does its work');
wait_until($node, q{SELECT bool_or(status = 'succeeded') FROM cron.job_run_details WHERE command LIKE '%rollup%'}, 'postgres');
is(in_cron(q{SELECT count(*) FROM cron.job_run_details WHERE status = 'failed'}), 0, 'pg_cron sees no failure');

# Two databases do not get into each other's way
in_cron('CREATE EXTENSION sellometer; SELECT sellometer_schedule()');
my $POSTGRES = $SHOP =~ s/(\w+) shop/$1\@postgres postgres/gr;
is(in_cron($JOBS), join(', ', sort(split(/, /, $SHOP), split(/, /, $POSTGRES))), 'jobs of two databases have names of their own');
in_cron('SELECT sellometer_schedule()');
is(in_cron($JOBS), join(', ', sort(split(/, /, $SHOP), split(/, /, $POSTGRES))), 'again, too');
is(in_shop('SELECT string_agg(job || $$ shop$$, $$, $$ ORDER BY job) FROM sellometer_unschedule() AS j (job)'), $SHOP,
	'unscheduling tells what it has deleted');
is(in_cron($JOBS), $POSTGRES, 'and deletes no others');
is(in_shop('SELECT count(*) FROM sellometer_unschedule()'), 0, 'nor anything the second time');

# Gone with the extension: in the same transaction, where that can be
in_shop('SELECT sellometer_schedule()');
in_cron('BEGIN; DROP EXTENSION sellometer; ROLLBACK');
is(in_cron("SELECT count(*) > 0 FROM cron.job WHERE database = 'postgres'"), 't', 'a drop that is rolled back deletes no jobs');
in_cron('DROP EXTENSION sellometer');
is(in_cron($JOBS), $SHOP, 'jobs go with the extension in the database of pg_cron');
in_shop('BEGIN; SAVEPOINT s; DROP EXTENSION sellometer; ROLLBACK TO s; COMMIT');
in_shop('BEGIN; DROP EXTENSION sellometer; ROLLBACK');
is(in_cron($JOBS), $SHOP, 'neither does a drop in another database that is rolled back');
in_shop('DROP EXTENSION sellometer');
wait_until($node, 'SELECT count(*) = 0 FROM cron.job', 'postgres');
pass('jobs go with the extension in another database');
in_shop('CREATE SCHEMA metrics; CREATE EXTENSION sellometer SCHEMA metrics; SELECT metrics.sellometer_schedule()');
is(in_cron(q{SELECT DISTINCT substring(command from 'CALL (\w+)\.') FROM cron.job}), 'sellometer', 'commands name the extension\'s own schema, whatever that of users is');
in_shop('SET client_min_messages = warning; DROP SCHEMA metrics CASCADE');
wait_until($node, 'SELECT count(*) = 0 FROM cron.job', 'postgres');
pass('jobs go with the schema of the extension');

# and with the database
in_shop('CREATE EXTENSION sellometer; SELECT sellometer_schedule()');
in_cron('DROP DATABASE shop');
is(in_cron('SELECT count(*) FROM cron.job'), 0, 'jobs go with the database');
is(join("\n", grep { / (WARNING|ERROR|FATAL|PANIC):  / && !/pg_cron is not installed|jobs must not run as|permission denied to schedule/ } split(/\n/, slurp_file($node->logfile))), '',
	'nothing unexpected in the log');
$node->stop;

# Where neither is preloaded
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->start;
in_cron('CREATE DATABASE shop');
in_shop('CREATE EXTENSION sellometer');
like(error_of('shop', 'SELECT sellometer_schedule()'),
	qr/ERROR:  pg_cron is not loaded.*HINT:  Install pg_cron, set shared_preload_libraries = 'pg_cron,sellometer'/s,
	'without pg_cron loaded: says what to do');
$node->stop;

# Only pg_cron is preloaded: the library comes in time to delete the jobs
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_cron'\n");
$node->start;
in_cron('CREATE EXTENSION sellometer; SELECT sellometer_schedule()');
is(in_cron('SELECT count(*) > 0 FROM cron.job'), 't', 'jobs without sellometer preloaded');
in_cron('DROP EXTENSION sellometer');
is(in_cron('SELECT count(*) FROM cron.job'), 0, 'they go as well');
$node->stop;
done_testing();
