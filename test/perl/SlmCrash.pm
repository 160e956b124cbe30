
=pod

=head1 NAME

SlmCrash - kill -9 of processes and servers

=head1 SYNOPSIS

  kill_server($node);               # all of its processes at one moment; it is started again
  kill_process($node, $pid);        # one: the server restarts by itself (restart_after_crash = on)

=cut

package SlmCrash;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use IPC::Run ();
use PostgreSQL::Test::Utils;

our @EXPORT = qw(kill_server kill_process kill_and_wait children_of launcher_pid wait_for_restart);

sub is_gone
{
	my ($pid) = @_;

	# One that nobody has waited for yet does nothing any more either.
	open(my $stat, '<', "/proc/$pid/stat") or return 1;
	my $line = <$stat> // '';
	return $line eq '' || $line =~ /^\d+ \(.*\) Z/;
}

=pod

=head1 FUNCTIONS

=over

=item kill_and_wait(@pids)

=cut

sub kill_and_wait
{
	my @pids = @_;

	kill 'KILL', @pids;
	for my $pid (@pids)
	{
		select(undef, undef, undef, 0.01) until is_gone($pid);
	}
	# The postmaster's pid file counts as long as somebody has its number.
	for (1 .. 1000)
	{
		last if !grep { kill 0, $_ } @pids;
		select(undef, undef, undef, 0.01);
	}
	return;
}

=pod

=item children_of($pid)

=cut

sub children_of
{
	my ($parent) = @_;
	my @children;

	for my $file (glob '/proc/[0-9]*/stat')
	{
		open(my $stat, '<', $file) or next;
		my $line = <$stat> // '';
		push @children, $1 if $line =~ /^(\d+) \(.*\) \S (\d+)/ && $2 == $parent;
	}
	return @children;
}

=pod

=item launcher_pid($node)

Undef if there is none.  It is in no view, as it is connected to no database.

=cut

sub launcher_pid
{
	my ($node) = @_;

	for my $pid (children_of((split(/\n/, slurp_file($node->data_dir . '/postmaster.pid')))[0]))
	{
		open(my $title, '<', "/proc/$pid/cmdline") or next;
		return $pid if (<$title> // '') =~ /sellometer launcher/;
	}
	return;
}

=pod

=item wait_for_server($node, $database = 'postgres')

Until it lets us connect again.  The query is an argument: written to psql it would break a pipe when psql gives up before.

=cut

sub wait_for_server
{
	my ($node, $database) = @_;
	my @psql = ('psql', '-XAtq', '-d', $node->connstr($database // 'postgres'), '-c', 'SELECT true');

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my ($out, $err);

		return if IPC::Run::run(\@psql, '<', \undef, '>', \$out, '2>', \$err);
		select(undef, undef, undef, 0.1);
	}
	die 'the server does not come back';
}

=pod

=item wait_for_restart($node, $seen, $database = 'postgres')

After the death of a process: until the server has noticed, restarted by itself and lets us connect again.  $seen: how long its log
was before.

=cut

sub wait_for_restart
{
	my ($node, $seen, $database) = @_;

	for (1 .. 50 * $PostgreSQL::Test::Utils::timeout_default)
	{
		last if slurp_file($node->logfile, $seen) =~ /all server processes terminated; reinitializing/;
		select(undef, undef, undef, 0.02);
	}
	wait_for_server($node, $database);
	return;
}

=pod

=item kill_server($node)

All processes, at one moment as seen by the postmaster; then it is started again.

=cut

sub kill_server
{
	my ($node) = @_;
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;

	kill 'STOP', $postmaster;
	my @children = children_of($postmaster);
	$node->kill9;
	kill_and_wait($postmaster, @children);
	$node->start;
	return;
}

=pod

=item kill_process($node, $pid)

One process: the server restarts by itself, once it has noticed.  Returns when it is back; false if the process was gone.

=back

=cut

sub kill_process
{
	my ($node, $pid) = @_;
	my $seen = -s $node->logfile;

	return 0 unless kill 'KILL', $pid;
	kill_and_wait($pid);
	# The postmaster tells of the death as soon as it has taken note of it; if it does not, the process had ended by itself.
	for (1 .. 100)
	{
		last if slurp_file($node->logfile, $seen) =~ /\(PID $pid\) was terminated by signal 9/;
		return 0 if $_ == 100;
		select(undef, undef, undef, 0.02);
	}
	wait_for_restart($node, $seen);
	return 1;
}

1;
