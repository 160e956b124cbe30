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
my ($install) = slurp_file(slm_root() . '/README.md') =~ /^## Install\n(.*?)^### /ms or die;
my ($lines) = $install =~ /In `postgresql\.conf`, then restart:\n\n((?:    .*\n)+)/ or die;
my ($statements) = $install =~ /```sql\n(.*?)```/s or die;
$lines =~ s/^    //mg;

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
