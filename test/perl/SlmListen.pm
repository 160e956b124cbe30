
=pod

=head1 NAME

SlmListen - hear what sellometer_alert tells

=head1 SYNOPSIS

  use SlmListen;

  my $listener = SlmListen->new($node);
  $listener->ask('SELECT 1');
  like($listener->heard, qr/"action": "opened"/);
  $listener->finish;

=head1 DESCRIPTION

A session in database shop.  psql prints what has been told when a statement is through, so ask() of something before heard(), which is
all that was printed since the beginning.

=cut

package SlmListen;

use strict;
use warnings FATAL => 'all';

use IPC::Run;

sub new
{
	my ($class, $node) = @_;
	my ($in, $out) = ('', '');
	my $self = bless { in => \$in, out => \$out, asked => 0 }, $class;

	$self->{run} = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('shop') ], '<', \$in, '>', \$out);
	$self->ask('LISTEN sellometer_alert');
	return $self;
}

sub ask
{
	my ($self, $sql) = @_;
	my $asked = ++$self->{asked};

	${ $self->{in} } .= "$sql;\nSELECT 'asked ' || $asked;\n";
	$self->{run}->pump until ${ $self->{out} } =~ /^asked $asked$/m;
	return;
}

sub heard { return ${ $_[0]{out} }; }

sub finish
{
	my ($self) = @_;

	${ $self->{in} } .= "\\q\n";
	$self->{run}->finish;
	return;
}

1;
