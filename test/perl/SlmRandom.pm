
=pod

=head1 NAME

SlmRandom - random choices for tests

=head1 DESCRIPTION

All by Perl's rand(): a test that prints what it gave to srand() can be run again.

=cut

package SlmRandom;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';

our @EXPORT = qw(chance pick shuffled);

# True with probability p.
sub chance { my ($p) = @_; return rand() < $p; }

# One of the list.
sub pick { return $_[ int rand @_ ]; }

# The list in a random order (Fisher and Yates).
sub shuffled
{
	my @list = @_;

	for (my $i = $#list; $i > 0; $i--)
	{
		my $j = int rand($i + 1);
		@list[ $i, $j ] = @list[ $j, $i ];
	}
	return @list;
}

1;
