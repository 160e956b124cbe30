
=pod

=head1 NAME

SlmTest - what the TAP tests of Sellometer share, on top of PostgreSQL::Test::Cluster

=head1 SYNOPSIS

  use SlmTest;

  my $node = slm_node('shop');                    # running, with the extension in database "shop"
  my $dir = slm_directory($node, 'in');           # for a source with the URL "file://$dir/"
  write_object($dir, '2019-10-01-00-07-3.csv', csv(event(product_id => 7, price => '9.90')));
  wait_until($node, "SELECT count(*) = 1 FROM sellometer.objects WHERE state = 'done'");

  traffic($dir, '--minutes' => 30, '--late' => 0.05);
  oracle_load($node, $dir);
  oracle_agrees($node, 'minute', 'after late files');
  done_testing();

=cut

package SlmTest;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use File::Path qw(make_path);
use IO::Compress::Gzip qw(gzip $GzipError);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(
  slm_node slm_directory slm_root
  event csv write_file write_object gzipped traffic
  wait_until wait_for_pid_gone backend_pid
  oracle_load oracle_differences oracle_agrees carts_agree
);

# The database that slm_node() makes and the worker loads.
our $DATABASE = 'shop';

my @COLUMNS = qw(event_time event_type product_id category_id category_code brand price user_id user_session);

=pod

=head1 SERVERS

=over

=item slm_node($name, conf => text, extension => 0, start => 0, allows_streaming => 1)

A new server with pg_cron and sellometer preloaded and C<sellometer.database = 'shop'>.  It is started, has that database,
and the extension in it, unless told otherwise.  conf: further lines of postgresql.conf.

=cut

sub slm_node
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(allows_streaming => $options{allows_streaming} // 0);
	$node->append_conf('postgresql.conf', <<"CONF");
shared_preload_libraries = 'pg_cron,sellometer'
cron.database_name = 'postgres'
cron.use_background_workers = on
sellometer.database = '$DATABASE'
max_worker_processes = 24
log_line_prefix = '%m [%p] %b %a '
CONF
	$node->append_conf('postgresql.conf', $options{conf}) if defined $options{conf};
	return $node unless $options{start} // 1;

	$node->start;
	$node->safe_psql('postgres', "CREATE DATABASE $DATABASE");
	# tests make many objects that are equal, byte by byte
	$node->safe_psql($DATABASE, 'CREATE EXTENSION sellometer; ALTER TABLE sellometer.sources ALTER same_content SET DEFAULT $$count$$') if $options{extension} // 1;
	return $node;
}

=pod

=item slm_directory($node, $name)

A new, empty directory that goes with the server's data.

=cut

sub slm_directory
{
	my ($node, $name) = @_;
	my $dir = $node->basedir . "/$name";

	mkdir $dir or die "can't make $dir: $!";
	return $dir;
}

=pod

=item slm_root()

The top directory of the source tree.

=back

=cut

sub slm_root
{
	return abs_path(dirname(__FILE__) . '/../..');
}

=pod

=head1 OBJECTS

=over

=item event(product_id => 7, ...)

An event as a line of CSV, its columns in the order of csv(); each has a default.  Values are quoted where they need to be.

=cut

sub event
{
	my %event = (
		event_time => '2019-10-01 00:00:00 UTC',
		event_type => 'view',
		product_id => 1,
		category_id => 100,
		category_code => 'electronics.smartphone',
		brand => 'acme',
		price => '1.00',
		user_id => 1,
		user_session => '',
		@_);

	return join(',',
		map { /[",\r\n]/ ? '"' . s/"/""/gr . '"' : $_ } @event{@COLUMNS});
}

=pod

=item csv(@lines)

An object's content: the header and the lines.

=cut

sub csv
{
	return join('', map { "$_\n" } join(',', @COLUMNS), @_);
}

=pod

=item gzipped($content)

=cut

sub gzipped
{
	my ($content) = @_;
	my $result;

	gzip(\$content, \$result) or die "gzip: $GzipError";
	return $result;
}

=pod

=item write_file($path, $content)

Write a file; directories in the path are made.

=cut

sub write_file
{
	my ($path, $content) = @_;

	make_path(dirname($path));
	open(my $file, '>:raw', $path) or die "can't write $path: $!";
	print $file $content;
	close($file) or die "can't write $path: $!";
	return;
}

=pod

=item write_object($dir, $key, $content)

Put an object into a directory: it appears at once and whole, by rename.  Directories in the key are made.

=cut

sub write_object
{
	my ($dir, $key, $content) = @_;
	my $path = "$dir/$key";

	make_path(dirname($path));
	open(my $file, '>:raw', "$path.part") or die "can't write $path.part: $!";
	print $file $content or die "can't write $path.part: $!";
	close($file) or die "can't write $path.part: $!";
	rename("$path.part", $path) or die "can't rename $path.part: $!";
	return;
}

=pod

=item traffic($dir, @options)

Have the traffic generator write objects to a directory.  Options as for C<traffic generate>.

=back

=cut

sub traffic
{
	my ($dir, @options) = @_;

	run_quietly(slm_root() . '/test/traffic/traffic', 'generate', '--out', $dir, '--quiet', @options);
	return;
}

# Run a command.  What it prints goes to the log, and into the message if it fails.
sub run_quietly
{
	my @command = @_;
	my $output = '';

	note("running: @command");
	IPC::Run::run(\@command, '<', \undef, '>&', \$output) or die "failed: @command\n$output";
	note($output) if $output ne '';
	return;
}

=pod

=head1 WAITING

=over

=item wait_until($node, $sql, $database = 'shop')

Wait until the query returns true, or die with what the ledger and the server's log say.

=cut

sub wait_until
{
	my ($node, $sql, $database) = @_;

	$database //= $DATABASE;
	return if $node->poll_query_until($database, $sql);

	my ($status, $objects) = $node->psql($database,
		'SELECT source, key, state, rows_total, attempts, error FROM sellometer.objects ORDER BY id DESC LIMIT 20');
	my @log = split(/\n/, slurp_file($node->logfile));
	splice(@log, 0, -30) if @log > 30;
	die "waited in vain for: $sql\n" . ($objects // '') . "\nend of the log:\n" . join("\n", @log) . "\n";
}

=pod

=item backend_pid($node, $backend_type, $database = 'shop')

The process id of a backend by its type in pg_stat_activity, once there is one.

=cut

sub backend_pid
{
	my ($node, $type, $database) = @_;
	my $where = "backend_type = '$type' AND coalesce(datname, '') IN ('', '" . ($database // $DATABASE) . "')";

	wait_until($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE $where", 'postgres');
	return $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE $where");
}

=pod

=item wait_for_pid_gone($pid)

=back

=cut

sub wait_for_pid_gone
{
	my ($pid) = @_;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return if !kill(0, $pid);
		select(undef, undef, undef, 0.1);
	}
	die "process $pid is still there";
}

=pod

=head1 ORACLE

The oracle computes in plain SQL, from the raw rows, what the tier tables must hold.

=over

=item oracle_load($node, @directories_or_files)

Make the oracle anew from these objects, in database "shop".

=cut

sub oracle_load
{
	my ($node, @paths) = @_;
	my $oracle = slm_root() . '/test/oracle';

	$node->safe_psql($DATABASE, slurp_file("$oracle/oracle.sql"));
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port);
	run_quietly('python3', "$oracle/load.py", '-d', $DATABASE, @paths);
	$node->safe_psql($DATABASE, 'SELECT oracle.build()');
	return;
}

=pod

=item oracle_differences($node, $tier, $from, $to)

The rows in which a tier's tables differ from what the oracle says, as text; '' if there are none.  From and to may be left
out.

=cut

sub oracle_differences
{
	my ($node, $tier, $from, $to) = @_;
	my $range = join(', ', map { defined $_ ? "'$_'" : 'NULL' } $tier, $from // '-infinity', $to // 'infinity');

	return $node->safe_psql($DATABASE, "SELECT * FROM oracle.diff($range)");
}

=pod

=item oracle_agrees($node, $tier, $test_name, $from, $to)

A test: there are no such rows, but there are rows at all.

=cut

sub oracle_agrees
{
	my ($node, $tier, $test_name, $from, $to) = @_;
	my @differences = split(/\n/, oracle_differences($node, $tier, $from, $to));
	my $rows = $node->safe_psql($DATABASE, "SELECT count(*) FROM sellometer.product_id_$tier");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $agrees = ok(@differences == 0 && $rows > 0, "$test_name: $tier tables agree with the oracle");
	if (!$agrees)
	{
		diag(scalar(@differences) . " rows differ, of $rows in sellometer.product_id_$tier; the first:");
		diag(join("\n", @differences[0 .. (@differences > 20 ? 19 : $#differences)]));
	}
	return $agrees;
}

=pod

=item carts_agree($node, $test_name)

A test: carts, and what is left in them, are what the oracle says.

=back

=cut

sub carts_agree
{
	my ($node, $test_name) = @_;
	my $rows = $node->safe_psql($DATABASE, q{
		SELECT format('%s carts, %s left', (SELECT count(*) FROM sellometer.carts), (SELECT count(*) FROM sellometer.left_in_cart))});

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	note($rows);
	return is($node->safe_psql($DATABASE, 'SELECT * FROM oracle.diff_carts() LIMIT 10'), '', "$test_name: the carts agree");
}

1;
