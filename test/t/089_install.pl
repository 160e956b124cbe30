# The README's Install, word by word, on a new cluster as Debian makes it: it ends with jobs that ran.  And without the line about pg_cron's
# workers: sellometer_schedule() warns, and what looks at the jobs says why they fail.

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $bin = abs_path(`pg_config --bindir` =~ s/\n//r);
my ($major) = `pg_config --version` =~ /(\d+)/;
my $work = PostgreSQL::Test::Utils::tempdir;
my $short = PostgreSQL::Test::Utils::tempdir_short;
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $owner = getpwuid($<);
my $conf = "$work/etc/$major/main/postgresql.conf";

# Debian's tools look for servers below /usr/lib/postgresql; this one is elsewhere.
mkdir "$work/$_" or die "$_: $!" foreach (qw(etc bin));
symlink(dirname($bin), "$work/bin/$major") or die;
local $ENV{PG_CLUSTER_CONF_ROOT} = "$work/etc";

sub debian
{
	my ($tool, @arguments) = @_;
	my $output = '';

	IPC::Run::run([ $^X, '-MPgCommon', '-e', '$PgCommon::binroot = shift; $0 = "/usr/bin/" . shift; do $0; die $@ if $@', "$work/bin/", $tool, @arguments ],
		'<', \undef, '>&', \$output) or die "$tool @arguments: $output\n" . (-e "$work/log" ? slurp_file("$work/log") : '');
	return;
}

sub psql
{
	my ($database, $sql) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ "$bin/psql", '-XqAt', '-v', 'ON_ERROR_STOP=1', '-h', $short, '-p', $port, '-U', $owner, '-d', $database ],
		'<', \$sql, '>', \$out, '2>', \$err) or die "$sql\n$err";
	chomp($out);
	return wantarray ? ($out, $err) : $out;
}

# Jobs are due at full minutes.
sub wait_for
{
	my ($sql) = @_;

	for (1 .. 1500)
	{
		return if psql('shop', $sql) eq 't';
		select(undef, undef, undef, 0.1);
	}
	die "waited in vain for: $sql\n" . psql('shop', 'SELECT * FROM sellometer.health; SELECT command, status, return_message FROM cron.job_run_details') . slurp_file("$work/log");
}

# What the README has to say.
my ($install) = slurp_file(slm_root() . '/README.md') =~ /^## Install\n(.*?)^## /ms or die;
my ($lines) = $install =~ /In `postgresql\.conf`, then restart:\n\n(?:<!--.*-->\n)?```conf\n(.*?)```/s or die;
my ($statements) = $install =~ /```sql\n(.*?)```/s or die;

debian('pg_createcluster', '-u', $owner, '-d', "$work/data", '-s', $short, '-l', "$work/log", '-p', $port, '--start-conf=manual', $major, 'main');
my $running = 0;
END { local $?; debian('pg_ctlcluster', '-m', 'immediate', $major, 'main', 'stop') if $running; }
$running = 1;
debian('pg_ctlcluster', $major, 'main', 'start');
like(slurp_file("$work/etc/$major/main/pg_hba.conf"), qr{^host\s+all\s+all\s+127\.0\.0\.1/32\s+scram-sha-256}m, 'a cluster as Debian makes it');

append_to_file($conf, $lines);
debian('pg_ctlcluster', $major, 'main', 'restart');
my ($out, $err) = psql('postgres', $statements);
unlike($err, qr/WARNING|ERROR/, 'what is typed in psql works, in this order');
wait_for(q{SELECT count(*) = 5 FROM sellometer.health WHERE name LIKE 'job %' AND detail ~ '^scheduled'});
wait_for(q{SELECT bool_or(status = 'succeeded') FROM cron.job_run_details WHERE command = 'CALL sellometer.detect()'});
is(psql('shop', q{SELECT count(*) FROM cron.job_run_details WHERE status = 'failed'}), 0, 'jobs ran');
is(psql('shop', q{SELECT ok, detail ~ 'succeeded' FROM sellometer_check() WHERE name = 'job detect'}), 't|t', '... sellometer_check() says so');
is(psql('shop', q{SELECT string_agg(name || ': ' || detail, '; ') FROM sellometer_check() WHERE NOT ok}), 'sources: there is no source', '... and all else is well');
is(psql('shop', q{SET ROLE grafana; SELECT count(*) > 10 FROM sellometer.health}), 't', 'the role of dashboards sees it');

# What docs/operations.md says about backups, word by word: with pg_cron in the dump, beside the original, and into another new cluster.
sub shell
{
	my ($at, $commands) = @_;
	my $output = '';
	local %ENV = (%ENV, PATH => "$bin:$ENV{PATH}", PGHOST => $short, PGPORT => $at, PGUSER => $owner);

	ok(IPC::Run::run([ 'bash', '-e', '-o', 'pipefail', '-c', "cd $work\n$commands" ], '<', \undef, '>&', \$output), (split(/\n/, $commands))[-1]) or diag($output);
	return $output;
}

my ($backup) = slurp_file(slm_root() . '/docs/operations.md') =~ /^## Backup.*?\n(.*?)^## /ms or die;
my ($take, $restore) = $backup =~ /^```sh\n(.*?)^```/msg;
my ($goes_on) = $backup =~ /```sql\n(.*?)```/s or die;
mkdir "$work/in" or die;
append_to_file("$work/in/2019-10-01-10-00-1.csv", csv(event(event_type => 'purchase', event_time => '2019-10-01 10:00:00')));
psql('shop', "SELECT sellometer_add_source('web', 'file://$work/in/'); CALL sellometer_ingest(); CALL sellometer_merge_backlog()");
my $sums = q{SELECT string_agg(t::text, ' ') FROM sellometer.product_id_minute t};
my $was = psql('shop', $sums);
like($was, qr/2019-10-01 10:00/, 'a database with something in it');
shell($port, $take);
shell($port, $restore);
is(psql('copy', $sums), $was, 'the copy has it');
is(psql('copy', q{SELECT count(*) FROM pg_extension WHERE extname IN ('sellometer', 'pg_cron')}), '1', '... without pg_cron');
psql('copy', $goes_on);
is(psql('copy', q{SELECT enabled FROM sellometer.sources}), 't', '... and goes on');
is(psql('shop', q{SELECT count(*) FROM cron.job WHERE database = 'copy'}), psql('shop', q{SELECT count(*) FROM cron.job WHERE database = 'shop'}), '... with jobs of its own');
psql('copy', 'SELECT sellometer_unschedule()');
psql('postgres', 'DROP DATABASE copy WITH (FORCE)');

my $other_port = PostgreSQL::Test::Cluster::get_free_port();
debian('pg_createcluster', '-u', $owner, '-d', "$work/other", '-s', $short, '-l', "$work/other.log", '-p', $other_port, '--start-conf=manual', $major, 'other');
append_to_file("$work/etc/$major/other/postgresql.conf", $lines);
debian('pg_ctlcluster', $major, 'other', 'start');
{
	my ($here, $name) = ($port, 'shop');

	like(shell($other_port, 'psql -X -d postgres -f roles.sql'), qr/role "\Q$owner\E" already exists/, 'roles come first');
	shell($other_port, $restore =~ s/\bcopy\b/$name/gr);
	$port = $other_port;
	psql('shop', 'CREATE EXTENSION pg_cron');
	my ($out, $err) = psql('shop', $goes_on);
	unlike($err, qr/WARNING|ERROR/, 'restored into a new cluster, it goes on');
	is(psql('shop', $sums), $was, '... with what it had');
	is(psql('shop', q{SELECT has_table_privilege('grafana', 'sellometer.product_id_minute', 'SELECT'), (SELECT count(*) >= 5 FROM cron.job)}), 't|t', '... readers and jobs');
	wait_for(q{SELECT bool_or(status = 'succeeded') FROM cron.job_run_details WHERE command = 'CALL sellometer.detect()'});
	is(psql('shop', q{SELECT count(*) FROM cron.job_run_details WHERE status = 'failed'}), 0, '... which run');
	$port = $here;
}
debian('pg_ctlcluster', '-m', 'fast', $major, 'other', 'stop');

# As it is without that line.
append_to_file($conf, "cron.use_background_workers = off\n");
debian('pg_ctlcluster', $major, 'main', 'restart');
($out, $err) = psql('shop', 'SELECT sellometer_schedule()');
like($err, qr/WARNING:  pg_cron will probably not be able to run these jobs.*HINT:  Set cron\.use_background_workers = on/s, 'without it sellometer_schedule() warns');
wait_for(q{SELECT bool_or(status = 'failed') FROM cron.job_run_details WHERE command = 'CALL sellometer.detect()'});
like(psql('shop', q{SELECT ok, detail, hint FROM sellometer_check() WHERE name = 'job detect'}), qr/^f\|scheduled, last run at .*, failed, connection failed\|Set cron\.use_background_workers = on/,
	'... and the job is judged by what became of it');
wait_for(q{SELECT severity IN ('warning', 'critical') AND detail ~ 'connection failed' FROM sellometer.health WHERE name = 'job detect'});
pass('... in sellometer.health too');

# The other way: whoever may log in without a password.
append_to_file("$work/hba", "host shop sellometer_jobs localhost trust\n" . slurp_file("$work/etc/$major/main/pg_hba.conf"));
append_to_file($conf, "hba_file = '$work/hba'\n");
debian('pg_ctlcluster', $major, 'main', 'restart');
($out, $err) = psql('shop', 'SELECT sellometer_schedule()');
unlike($err, qr/WARNING/, 'no warning where pg_hba.conf trusts the role');
debian('pg_ctlcluster', '-m', 'fast', $major, 'main', 'stop');
$running = 0;
done_testing();
