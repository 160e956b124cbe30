
=pod

=head1 NAME

SlmGrafana - test/grafana/check.py as part of TAP tests

=head1 SYNOPSIS

  use SlmGrafana;

  grafana_check($node, 60, 'form', 'run');      # each of its lines is a test here; at least 60 of them
  my @instances = grafana_rule($node, 'Data is late');

=cut

package SlmGrafana;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use JSON::PP qw(decode_json);
use SlmTest;
use Test::More;

our @EXPORT = qw(grafana_reader grafana_check grafana_rule);

=pod

=over

=item grafana_reader($node)

Make the role that dashboards have.

=cut

sub grafana_reader
{
	my ($node) = @_;

	$node->safe_psql('shop', q{CREATE ROLE grafana LOGIN; SELECT sellometer_grant_reader('grafana')});
	return;
}

sub run_check
{
	my ($node, @arguments) = @_;
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'shop', PGUSER => 'grafana');
	my $output = '';

	IPC::Run::run([ 'python3', '-B', slm_root() . '/test/grafana/check.py', @arguments ], '<', \undef, '>&', \$output);
	return $output;
}

=pod

=item grafana_check($node, $least, @arguments)

=cut

sub grafana_check
{
	my ($node, $least, @arguments) = @_;
	my $output = run_check($node, @arguments);
	my $tests = 0;

	for my $line (split(/\n/, $output))
	{
		if ($line =~ /^(not )?ok \d+ - (.*)/)
		{
			ok(!$1, $2);
			$tests++;
		}
		elsif ($line !~ /^1\.\.\d+$/)
		{
			my $text = $line =~ s/^# //r;

			$text =~ / ms, / ? note($text) : diag($text);
		}
	}
	like($output, qr/^1\.\.$tests$/m, 'the check came to its end');
	cmp_ok($tests, '>', $least, 'with all its tests');
	return;
}

=pod

=item grafana_rule($node, $title)

What an alert rule finds now: for each instance { labels => {...}, firing => ..., summary => ... }.

=back

=cut

sub grafana_rule
{
	my ($node, $title) = @_;
	my $output = run_check($node, 'rule', $title);

	return map { decode_json($_) } split(/\n/, $output);
}

1;
